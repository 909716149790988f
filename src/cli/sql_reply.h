/* sql_reply.h - what a SQL server sends to a client: PRELOGIN, LOGIN7 and batches to it as bytes,
 * its token stream ([MS-TDS] 2.2.7) as events.
 *
 * Pure: no I/O; one thread at a time. The stream is hostile and may be any bytes; it is fed in
 * slices of any size. No token and no row is larger than the bound given. Ownership: an event's
 * values and texts live until the next feed and until arena_row is reset. Errors: QR_PROTOCOL,
 * QR_TOO_BIG, QR_UNSUPPORTED (a type that is not known here), QR_NOMEM. */
#pragma once
#include <stdbool.h>
#include "base/arena.h"
#include "base/buf.h"
#include "codec/value.h"
#include "tds/decode.h"

enum { QRI_SQL_COLUMNS_MAX = 4096 };

struct qri_sql_column {
    struct qr_tds_wire_type wire;
    struct qr_str name;
};

enum qri_sql_event {
    QRI_SQL_MORE,    /* feed the next slice */
    QRI_SQL_COLUMNS, /* a result begins: columns, column_count */
    QRI_SQL_ROW,     /* values[column_count] */
    QRI_SQL_DONE,    /* a statement is over: done_status, row_count */
    QRI_SQL_MESSAGE, /* message */
    QRI_SQL_LOGGED_IN,
    QRI_SQL_OTHER, /* nothing to show */
};

struct qri_sql_message {
    uint32_t number, line;
    uint8_t state, severity;
    struct qr_str text, server, procedure;
};

struct qri_sql_reply {
    struct qr_arena arena_result; /* columns and their names */
    struct qr_buf pending;
    size_t used, retry_bytes;
    bool final; /* the message has ended */
    struct qri_sql_column *columns;
    size_t column_count;
    struct qr_value *values;
    struct qri_sql_message message;
    uint16_t done_status;
    uint64_t row_count;
    uint8_t transaction[8]; /* what requests have to name */
};

void qri_sql_reply_init(struct qri_sql_reply *reply, size_t bytes_max);
void qri_sql_reply_done(struct qri_sql_reply *reply);
QR_NODISCARD enum qr_status qri_sql_reply_feed(struct qri_sql_reply *reply, const uint8_t *bytes,
                                               size_t count, struct qr_err *err);
QR_NODISCARD enum qr_status qri_sql_reply_next(struct qri_sql_reply *reply,
                                               struct qr_arena *arena_row,
                                               enum qri_sql_event *ret_event, struct qr_err *err);
/* The message has ended; after that, when next says MORE, nothing may be left over. */
void qri_sql_reply_finish(struct qri_sql_reply *reply);
bool qri_sql_reply_is_used_up(const struct qri_sql_reply *reply);

struct qri_sql_login {
    const char *host, *user, *password, *server, *database;
};
void qri_sql_put_prelogin(struct qr_buf *out);
void qri_sql_put_login(struct qr_buf *out, const struct qri_sql_login *login);
void qri_sql_put_batch(struct qr_buf *out, const uint8_t transaction[8], struct qr_str text);

/* A value as the prompt shows it; NULL is "NULL". */
QR_NODISCARD enum qr_status qri_sql_text(const struct qr_type *type, const struct qr_value *value,
                                         struct qr_arena *arena, struct qr_str *ret_text,
                                         struct qr_err *err);
/* Numbers stand at the right of their column. */
bool qri_sql_is_number(const struct qr_type *type);
