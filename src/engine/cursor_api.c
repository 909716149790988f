/* cursor_api.c - sp_cursorfetch, sp_cursoroption, sp_cursorclose; see cursor_api.h */
#include "cursor_api.h"
#include <stdlib.h>
#include <string.h>
#include "rowset_int.h"
#include "base/banned.h"

enum { COMMAND_FETCH = 0xC1, ROWS_USUAL = 20 };

/* ---- arguments ---- */

enum qr_status qri_api_int(struct qr_session *session, const char *procedure, const char *name,
                           const struct qri_call_arg *args, size_t count, size_t index,
                           int32_t missing, int32_t *ret, struct qr_err *err)
{
    *ret = missing;
    if (index >= count || args[index].is_default || qr_value_is_null(&args[index].value))
        return QR_OK;
    const struct qr_value *value = &args[index].value;
    struct qr_type type = qr_type_of(QR_TYPE_INT);
    struct qr_value number;
    struct qr_eval eval;
    qri_eval_init(&eval, session, session->frame, &session->frame->arena);
    if (args[index].type.id == QR_TYPE_TABLE ||
        qr_eval_cast(&eval, &args[index].type, value, &type, QR_STYLE_DEFAULT, 0, NULL, NULL,
                     &number, NULL) != QR_OK)
        return qr_sql_fail(err, 16902, procedure, name);
    *ret = (int32_t)number.i;
    return QR_OK;
}

enum qr_status qri_api_text(const char *procedure, const char *name,
                            const struct qri_call_arg *args, size_t count, size_t index,
                            struct qr_str *ret, struct qr_err *err)
{
    *ret = qr_str("");
    if (index >= count || args[index].is_default || qr_value_is_null(&args[index].value))
        return QR_OK;
    if (!qr_type_is_string(&args[index].type))
        return qr_sql_fail(err, 16902, procedure, name);
    *ret = qr_value_bytes(&args[index].value);
    return QR_OK;
}

enum qr_status qri_api_give(struct qr_session *session, const struct qri_call_arg *args,
                            size_t count, size_t index, int32_t value, struct qr_err *err)
{
    struct qr_type type = qr_type_of(QR_TYPE_INT);
    struct qr_value given = qr_value_int(value);
    if (index >= count || !args[index].is_output || args[index].out_slot == UINT32_MAX)
        return QR_OK;
    return qri_var_assign(session->frame, args[index].out_slot, &type, &given, err);
}

enum qr_status qri_api_find(struct qr_session *session, const char *procedure,
                            const struct qri_call_arg *args, size_t count,
                            struct qri_cursor **ret_cursor, struct qr_err *err)
{
    int32_t handle = 0;
    QR_TRY(qri_api_int(session, procedure, "cursor", args, count, 0, 0, &handle, err));
    struct qri_cursor *cursor = session->cursors;
    while (cursor != NULL && (handle == 0 || cursor->api.handle != handle))
        cursor = cursor->next;
    if (cursor == NULL)
        return qr_sql_fail(err, 16909, procedure, (unsigned)handle);
    *ret_cursor = cursor;
    return QR_OK;
}

void qri_api_return(struct qr_session *session, int32_t *ret_status, int32_t status)
{
    if (ret_status != NULL)
        *ret_status = status;
    if (session->frame->is_rpc)
        session->frame->return_status = status;
}

/* ---- rows ---- */

static enum qr_status send_rows(struct qr_session *session, struct qri_cursor *cursor, size_t shown,
                                struct qr_err *err)
{
    const struct qr_sink *sink = session->sink;
    struct qr_arena arena; /* of one row: a buffer may be the whole cursor */
    enum qr_status status = QR_OK;
    qr_arena_init(&arena, QRI_STMT_ARENA_BYTES_MAX);
    for (int64_t i = 0; i < cursor->api.rows && status == QR_OK; i++) {
        bool found = false;
        qr_arena_reset(&arena);
        struct qr_value *values = qr_arena_array(&arena, cursor->column_count + 1, sizeof *values);
        status = values == NULL ? qr_fail(err, QR_NOMEM, "fetch a row")
                                : qri_rowset_get(cursor->rows, (uint64_t)(cursor->api.first + i),
                                                 values, &found, err);
        if (status == QR_OK)
            status = qri_check_cancelled(session, err);
        if (status != QR_OK)
            break;
        values[shown] = qr_value_int(1); /* FETCH_SUCCEEDED, in the place of a key */
        status = sink->row(sink->ctx, values, shown + 1);
    }
    qr_arena_done(&arena);
    return status;
}

enum qr_status qri_api_send(struct qr_session *session, struct qri_cursor *cursor, bool with_rows,
                            struct qr_err *err)
{
    size_t shown = qri_cursor_visible(cursor);
    struct qr_plan_column *columns =
        qr_arena_array(&session->frame->arena, shown + 1, sizeof *columns);
    if (columns == NULL)
        return qr_fail(err, QR_NOMEM, "fetch rows");
    memcpy(columns, cursor->columns, shown * sizeof *columns);
    columns[shown] = (struct qr_plan_column){
        .name = qr_str("ROWSTAT"), .type = qr_type_of(QR_TYPE_INT), .flags = QR_COLUMN_HIDDEN};
    QR_TRY(session->sink->columns(session->sink->ctx, columns, shown + 1, NULL, 0));
    int64_t rows = with_rows ? cursor->api.rows : 0;
    if (with_rows)
        QR_TRY(send_rows(session, cursor, shown, err));
    session->rowcount = rows;
    session->error = 0;
    return qri_send_done(session, true, (uint64_t)rows, false, COMMAND_FETCH);
}

/* ---- the fetch buffer ---- */

/* Rows from `first` on, of which those count that are there. */
static void fill(struct qri_cursor *cursor, int64_t first, int64_t rows)
{
    int64_t count = (int64_t)qr_rowset_count(cursor->rows);
    struct qri_api_cursor *api = &cursor->api;
    api->first = first < 0 ? -1 : first > count ? count : first;
    api->rows = first < 0 ? 0 : rows < count - api->first ? rows : count - api->first;
    cursor->position = api->first;
}

void qri_api_next(struct qri_cursor *cursor, int64_t rows)
{
    fill(cursor, cursor->api.first < 0 ? 0 : cursor->api.first + cursor->api.rows, rows);
}

static bool at_end(const struct qri_cursor *cursor)
{
    return cursor->api.first + cursor->api.rows >= (int64_t)qr_rowset_count(cursor->rows);
}

enum fetch {
    FETCH_FIRST = 1,
    FETCH_NEXT = 2,
    FETCH_PREV = 4,
    FETCH_LAST = 8,
    FETCH_ABSOLUTE = 0x10,
    FETCH_RELATIVE = 0x20,
    FETCH_REFRESH = 0x80,
    FETCH_INFO = 0x100,
    FETCH_PREV_NOADJUST = 0x200,
    FETCH_SKIP_UPDT_CNCY = 0x400, /* of timestamps in keysets, which there are none of */
};

/* A buffer that would begin before the first row begins there; it is full all the same unless
 * `adjust` is false. */
static int32_t fill_before(struct qri_cursor *cursor, int64_t rows, bool adjust)
{
    enum { MOVED_TO_START = 2 };
    int64_t first = cursor->api.first;
    if (first <= 0 || first >= rows) {
        fill(cursor, first <= 0 ? -1 : first - rows, rows);
        return 0;
    }
    fill(cursor, 0, adjust ? rows : first);
    return MOVED_TO_START;
}

static enum qr_status move(struct qri_cursor *cursor, int32_t type, int64_t row, int64_t rows,
                           int32_t *ret_status, struct qr_err *err)
{
    int64_t count = (int64_t)qr_rowset_count(cursor->rows);
    switch (type) {
    case FETCH_FIRST:
        fill(cursor, rows == 0 ? -1 : 0, rows);
        return QR_OK;
    case FETCH_NEXT:
        qri_api_next(cursor, rows);
        return QR_OK;
    case FETCH_PREV:
    case FETCH_PREV_NOADJUST:
        *ret_status = fill_before(cursor, rows, type == FETCH_PREV);
        return QR_OK;
    case FETCH_LAST:
        fill(cursor, rows > count ? 0 : count - rows, rows);
        return QR_OK;
    case FETCH_ABSOLUTE:
        fill(cursor, row > 0 ? row - 1 : row < 0 ? count + row : -1, rows);
        return QR_OK;
    case FETCH_RELATIVE:
        fill(cursor, cursor->api.first + row, rows);
        return QR_OK;
    case FETCH_REFRESH:
        return QR_OK;
    default:
        return qr_sql_fail(err, 16902, "sp_cursorfetch", "fetchtype");
    }
}

static const char *fetch_name(int32_t type)
{
    switch (type) {
    case FETCH_FIRST:
        return "FIRST";
    case FETCH_PREV:
    case FETCH_PREV_NOADJUST:
        return "PREV";
    case FETCH_LAST:
        return "LAST";
    case FETCH_ABSOLUTE:
        return "ABSOLUTE";
    case FETCH_RELATIVE:
        return "RELATIVE";
    default:
        return NULL;
    }
}

static enum qr_status tell_info(struct qr_session *session, const struct qri_cursor *cursor,
                                const struct qri_call_arg *args, size_t arg_count,
                                struct qr_err *err)
{
    int64_t count = cursor->is_open ? (int64_t)qr_rowset_count(cursor->rows) : 0;
    int64_t at = !cursor->is_open || cursor->api.first < 0 ? 0
                 : cursor->api.first >= count              ? -1
                                                           : cursor->api.first + 1;
    QR_TRY(qri_api_give(session, args, arg_count, 2, (int32_t)at, err));
    return qri_api_give(session, args, arg_count, 3,
                        (int32_t)(count > INT32_MAX ? INT32_MAX : count), err);
}

enum qr_status qri_sp_cursorfetch(struct qr_session *session, struct qri_call_arg *args,
                                  size_t count, int32_t *ret_status, struct qr_err *err)
{
    static const char NAME[] = "sp_cursorfetch";
    enum { FAILED = 1, AUTO_CLOSED = 0x10 };
    struct qri_cursor *cursor = NULL;
    int32_t type, row, rows, status = 0;
    qri_api_return(session, ret_status, FAILED);
    QR_TRY(qri_api_find(session, NAME, args, count, &cursor, err));
    QR_TRY(qri_api_int(session, NAME, "fetchtype", args, count, 1, FETCH_NEXT, &type, err));
    type &= ~FETCH_SKIP_UPDT_CNCY;
    if (type == FETCH_INFO) {
        QR_TRY(tell_info(session, cursor, args, count, err));
        qri_api_return(session, ret_status, 0);
        return QR_OK;
    }
    QR_TRY(qri_api_int(session, NAME, "rownum", args, count, 2, 1, &row, err));
    QR_TRY(qri_api_int(session, NAME, "nrows", args, count, 3, ROWS_USUAL, &rows, err));
    bool may_be_none = type == FETCH_FIRST || type == FETCH_LAST || type == FETCH_REFRESH;
    if (rows < 0 || (rows == 0 && !may_be_none))
        return qr_sql_fail(err, 16902, NAME, "nrows");
    if (!cursor->is_open)
        return qr_sql_fail(err, 16917);
    if (!cursor->is_scroll && fetch_name(type) != NULL)
        return qr_sql_fail(err, 16911, NAME, fetch_name(type));
    QR_TRY(move(cursor, type, row, rows, &status, err));
    QR_TRY(qri_api_send(session, cursor, true, err));
    if ((cursor->api.scrollopt & QRI_SCROLL_AUTO_CLOSE) != 0 && at_end(cursor)) {
        qri_cursor_drop(session, cursor);
        status = AUTO_CLOSED;
    }
    qri_api_return(session, ret_status, status);
    return QR_OK;
}

/* ---- options, end ---- */

static enum qr_status name_cursor(struct qr_session *session, struct qri_cursor *cursor,
                                  const struct qri_call_arg *args, size_t count, struct qr_err *err)
{
    enum { NAME_BYTES_MAX = 128 * 3 };
    struct qr_str name;
    QR_TRY(qri_api_text("sp_cursoroption", "value", args, count, 2, &name, err));
    if (name.n == 0 || name.n > NAME_BYTES_MAX)
        return qr_sql_fail(err, 16902, "sp_cursoroption", "value");
    for (struct qri_cursor *c = session->cursors; c != NULL; c = c->next)
        if (c != cursor && qr_str_ieqz(name, c->name))
            return qr_sql_fail(err, 16915, qr_arena_str(&session->frame->arena, name).p);
    char *own = malloc(name.n + 1);
    if (own == NULL)
        return qr_fail(err, QR_NOMEM, "name a cursor");
    memcpy(own, name.p, name.n);
    own[name.n] = '\0';
    free(cursor->name);
    cursor->name = own;
    return QR_OK;
}

enum qr_status qri_sp_cursoroption(struct qr_session *session, struct qri_call_arg *args,
                                   size_t count, int32_t *ret_status, struct qr_err *err)
{
    enum { TEXTPTR_ONLY = 1, CURSOR_NAME, TEXTDATA, SCROLLOPT, CCOPT, ROWCOUNT, FAILED = 1 };
    struct qri_cursor *cursor = NULL;
    int32_t code, value = 0;
    qri_api_return(session, ret_status, FAILED);
    QR_TRY(qri_api_find(session, "sp_cursoroption", args, count, &cursor, err));
    QR_TRY(qri_api_int(session, "sp_cursoroption", "code", args, count, 1, 0, &code, err));
    switch (code) {
    case TEXTPTR_ONLY:
        return qr_sql_fail(err, 40510, "TEXTPTR_ONLY");
    case CURSOR_NAME:
        QR_TRY(name_cursor(session, cursor, args, count, err));
        break;
    case TEXTDATA: /* text is always sent as it is */
        break;
    case SCROLLOPT:
        value = cursor->api.scrollopt & QRI_SCROLL_KINDS;
        break;
    case CCOPT:
        value = cursor->api.ccopt;
        break;
    case ROWCOUNT:
        value = cursor->is_open ? (int32_t)qr_rowset_count(cursor->rows) : 0;
        break;
    default:
        return qr_sql_fail(err, 16902, "sp_cursoroption", "code");
    }
    if (code >= SCROLLOPT)
        QR_TRY(qri_api_give(session, args, count, 2, value, err));
    qri_api_return(session, ret_status, 0);
    return QR_OK;
}

enum qr_status qri_sp_cursorclose(struct qr_session *session, struct qri_call_arg *args,
                                  size_t count, int32_t *ret_status, struct qr_err *err)
{
    enum { ALL = -1, FAILED = 1 };
    int32_t handle;
    qri_api_return(session, ret_status, FAILED);
    QR_TRY(qri_api_int(session, "sp_cursorclose", "cursor", args, count, 0, 0, &handle, err));
    struct qri_cursor *cursor = NULL, *next = handle == ALL ? session->cursors : NULL;
    while ((cursor = next) != NULL) {
        next = cursor->next;
        if (cursor->api.handle != 0)
            qri_cursor_drop(session, cursor);
    }
    if (handle != ALL) {
        QR_TRY(qri_api_find(session, "sp_cursorclose", args, count, &cursor, err));
        qri_cursor_drop(session, cursor);
    }
    qri_api_return(session, ret_status, 0);
    return QR_OK;
}
