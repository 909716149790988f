/* moving_int.h - the form of a session that moves; see engine/moving.h.
 *
 * All numbers little-endian; a text is a u32 of its bytes and the bytes; a cell is its u8 class
 * (enum qr_cell) and 8 bytes, 16 of a wide one, or a text; rows are a u8 1 and their cells each,
 * and a u8 0 at the end.
 *
 *   magic u32, version u16, 0 u16, body's bytes u32, body's crc32c u32, then the body:
 *   facts: their u16 number and an i64 each (rows of moving.c)
 *   connection id 16 bytes, context info (text), @@IDENTITY and SCOPE_IDENTITY() (cells)
 *   session context: u32 number; key, u8 is read-only, serialised variant (texts)
 *   prepared: u32 number; i32 handle, text, parameters
 *   users, its login's and those that it has become (EXECUTE AS): u32 number, at least 1; u32 id,
 *     i64 created, u8 NO REVERT, cookie 16 bytes
 *   application locks: u32 number; u64 hash, u8 mode, u32 count, what views show (text)
 *   cursors: u32 number; name, SELECT (texts), u8 flags, i64 position, u32 columns; for each its
 *     name (text), type, u32 user type, u32 flags, u32 source column; rows
 *   #objects: u8 are there; if 1: u32 next id; u32 number; u32 id, body (text; catalog_body.c);
 *     counters: u32 number; u64 id, i64 next; SQL that makes tables and indexes: u32 number, texts;
 *     tables: u32 number; u32 id, u8 has a rowid ahead, u32 columns, rows
 * A type is its system id u8, precision u8, scale u8, u8 is max, length u16, collation u16. */
#pragma once
#include "cursor_int.h"

enum {
    QRI_MOVED_MAGIC = 0x53535251, /* "QRSS" */
    QRI_MOVED_VERSION = 2,
    QRI_MOVED_HEAD_BYTES = 16,
    QRI_MOVED_FACTS_MAX = 64,
    QRI_MOVED_ARENA_BYTES_MAX = 64 << 20,
};
_Static_assert(QRI_MOVED_VERSION == 2, "QRI_HANDED_FORMAT (cmd/supervisor_int.h) goes up with it");

/* What was read; texts and rows point into the bytes. */
struct qri_moved_context {
    struct qr_str key, value;
    bool is_read_only;
};
struct qri_moved_prepared {
    int32_t handle;
    struct qr_str text, params;
};
struct qri_moved_user {
    uint32_t user_id;
    int64_t user_ticks;
    bool no_revert;
    const uint8_t *cookie; /* QRI_COOKIE_BYTES */
};
struct qri_moved_lock {
    uint64_t hash;
    uint8_t mode; /* enum qr_lock_mode */
    uint32_t count;
    struct qr_str shown;
};
struct qri_moved_rows {
    struct qr_str bytes; /* with the 0 at the end */
    size_t column_count;
};
struct qri_moved_cursor {
    struct qr_str name, select;
    bool is_scroll, is_read_only, is_open;
    int64_t position;
    struct qr_plan_column *columns;
    struct qri_moved_rows rows;
};
struct qri_moved_object {
    uint32_t id;
    struct qr_str body;
};
struct qri_moved_counter {
    uint64_t id;
    int64_t next;
};
struct qri_moved_table {
    uint32_t id;
    bool has_rowid;
    struct qri_moved_rows rows; /* without the rowid in column_count */
};
struct qri_moved {
    int64_t facts[QRI_MOVED_FACTS_MAX];
    const uint8_t *connection_id; /* 16 bytes */
    struct qr_str context_info;
    struct qr_value last_identity, batch_identity;
    struct qri_moved_context *context;
    size_t context_count;
    struct qri_moved_prepared *prepared;
    size_t prepared_count;
    struct qri_moved_user *users;
    size_t user_count;
    struct qri_moved_lock *locks;
    size_t lock_count;
    struct qri_moved_cursor *cursors;
    size_t cursor_count;
    bool has_temp;
    uint32_t next_object_id;
    struct qri_moved_object *objects;
    size_t object_count;
    struct qri_moved_counter *counters;
    size_t counter_count;
    struct qr_str *sql;
    size_t sql_count;
    struct qri_moved_table *tables;
    size_t table_count;
};

/* moving_read.c; pure. Arrays live in `arena`. Checks everything that can be checked without a
 * database. QR_CORRUPT, QR_UNSUPPORTED (another version), QR_NOMEM. */
QR_NODISCARD enum qr_status qri_moved_read(struct qr_arena *arena, struct qr_str bytes,
                                           struct qri_moved *ret_moved, struct qr_err *err);
/* The next row of what was read; false at the end. `values` has `count` entries. */
bool qri_moved_row(struct qr_str *rows, struct qr_value *values, size_t count);
/* The facts' number and the range of each, so that no session is made of nonsense; moving.c. */
size_t qri_moved_fact_count(void);
bool qri_moved_fact_is_good(size_t index, int64_t value);

/* moving_rows.c: cursors and #objects. */
void qri_moving_put_text(struct qr_buf *dst, struct qr_str text);
void qri_moving_put_cell(struct qr_buf *dst, const struct qr_value *value);
QR_NODISCARD enum qr_status qri_moving_put_cursors(struct qr_session *session, struct qr_buf *dst,
                                                   struct qr_err *err);
QR_NODISCARD enum qr_status qri_moving_put_temp(struct qr_session *session, struct qr_buf *dst,
                                                struct qr_err *err);
QR_NODISCARD enum qr_status qri_moving_make_cursors(struct qr_session *session,
                                                    const struct qri_moved *moved,
                                                    struct qr_err *err);
QR_NODISCARD enum qr_status qri_moving_make_temp(struct qr_session *session,
                                                 const struct qri_moved *moved, struct qr_err *err);
