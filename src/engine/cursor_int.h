/* cursor_int.h - T-SQL cursors. All are materialised when opened: their rows are a rowset. */
#pragma once
#include "frame.h"

/* Of a cursor by procedure (cursor_api.h). */
struct qri_api_cursor {
    int32_t handle; /* 0: it is a T-SQL cursor */
    int32_t scrollopt, ccopt;
    int64_t first, rows; /* the fetch buffer; first: as `position` */
};

struct qri_cursor {
    uint32_t refs;           /* names and variables */
    struct qri_cursor *next; /* of the frame's or session's list */
    char *name;              /* NULL: only in variables */
    char *select_text;
    const struct qri_unit *unit; /* the text that declared it; only compared, it may be gone */
    const struct qr_ast_cursor_def *def; /* good while `unit` runs */
    const struct qri_op *op;             /* the same */
    bool is_scroll, is_read_only, is_open;
    struct qr_rowset *rows;
    struct qr_plan_column *columns; /* in `arena` */
    size_t column_count;
    struct qr_arena arena;
    int64_t position; /* 0-based row; -1 before the first, count after the last */
    struct qri_api_cursor api;
};

/* SET @c = @d, SET @c = CURSOR ... FOR ... */
QR_NODISCARD enum qr_status qri_cursor_set(struct qri_frame *frame, const struct qri_op *op,
                                           uint32_t slot, struct qr_err *err);
void qri_cursor_unref(struct qri_cursor *cursor); /* accepts NULL */
void qri_cursors_free(struct qri_cursor **list);
/* A global one, by its name or itself. */
struct qri_cursor *qri_cursor_find_global(struct qr_session *session, struct qr_str name);
void qri_cursor_drop(struct qr_session *session, struct qri_cursor *cursor);
/* Columns in front of the keys of its tables. */
size_t qri_cursor_visible(const struct qri_cursor *cursor);
/* Of the row where it stands, as sql_variant: column `ordinal` of the key of a table that its
 * SELECT names; NULL in rows that have none of it. 16916, 16917, 16929, 16931, 16933. `name` has
 * its @ if it is a variable's. */
QR_NODISCARD enum qr_status qri_cursor_key(struct qri_frame *frame, struct qr_str name,
                                           uint32_t object_id, size_t ordinal,
                                           struct qr_arena *arena, struct qr_value *ret_value,
                                           struct qr_err *err);
/* @@FETCH_STATUS and its sisters ask. `scope`: "local", "global", "variable". */
int qri_cursor_status(struct qri_frame *frame, struct qr_str scope, struct qr_str name);
