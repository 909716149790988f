/* cursor_api_open.c - sp_cursoropen and the procedures of prepared cursors; see cursor_api.h */
#include "cursor_api.h"
#include <stdio.h>
#include "prepared_int.h"
#include "base/banned.h"

enum { FAILED = 1, ROWS_USUAL = 20, TEXT_BYTES_MAX = 256 << 20 };

/* What to open, and which arguments say how: scrollopt, ccopt and rowcount stand side by side. */
struct request {
    const char *procedure;
    struct qr_str text, params;
    struct qri_call_arg *args;
    size_t count;
    size_t cursor_at, scroll_at; /* indexes of arguments */
    size_t values_at;            /* and those of the statement's own */
    int32_t scrollopt, ccopt, rows;
};

/* ---- the statement ---- */

/* That the text is one statement of that kind: 16937. */
static enum qr_status want_only(struct qr_session *session, struct qr_str text,
                                struct qr_str params, enum qr_ast_stmt_kind kind,
                                struct qr_err *err)
{
    struct qri_source source = {.kind = QRI_UNIT_BATCH, .text = text, .params = params};
    struct qri_unit *unit = NULL;
    QR_TRY(qri_unit_take(session, &source, &unit, err));
    size_t count = 0;
    bool is_kind = true;
    for (size_t i = 0; i < unit->op_count; i++) {
        if (unit->ops[i].stmt == NULL)
            continue;
        count++;
        is_kind &= unit->ops[i].stmt->kind == kind;
    }
    qri_unit_put(session, unit);
    return count == 1 && is_kind ? QR_OK : qr_sql_fail(err, 16937);
}

/* DECLARE and OPEN around a lone SELECT, which may end with FOR UPDATE. */
static enum qr_status declaration(struct qr_session *session, const struct request *r,
                                  const char *name, struct qr_buf *text, struct qr_err *err)
{
    qr_buf_printf(text, "DECLARE [%s] CURSOR GLOBAL FOR %.*s\n", name, (int)r->text.n, r->text.p);
    QR_TRY(qr_buf_status(text, err));
    enum qr_status status = want_only(session, r->text, r->params, QR_AS_SELECT, err);
    if (status == QR_SQL && err->number != 16937) {
        qr_err_reset(err);
        status = want_only(session, qr_str_n((char *)text->data, text->len), r->params,
                           QR_AS_DECLARE_CURSOR, err);
    }
    QR_TRY(status);
    qr_buf_printf(text, "OPEN GLOBAL [%s]", name);
    return qr_buf_status(text, err);
}

/* ---- options ---- */

static int32_t one_of(int32_t wanted, int32_t kinds, int32_t usual)
{
    int32_t kind = wanted & kinds;
    return kind == 0 ? usual : kind & -kind;
}

/* What the cursor is: rows stand still, so that what scrolls is STATIC. */
static void settle(struct qri_cursor *cursor, const struct request *r)
{
    int32_t kind = one_of(r->scrollopt, QRI_SCROLL_KINDS, QRI_SCROLL_KEYSET);
    int32_t cc = one_of(r->ccopt, QRI_CC_KINDS, QRI_CC_OPTIMISTIC);
    bool has_keys = qri_cursor_visible(cursor) < cursor->column_count;
    cursor->is_scroll = kind != QRI_SCROLL_FORWARD_ONLY && kind != QRI_SCROLL_FAST_FORWARD;
    cursor->is_read_only = !has_keys || cc == QRI_CC_READ_ONLY || kind == QRI_SCROLL_STATIC ||
                           kind == QRI_SCROLL_FAST_FORWARD;
    cursor->api.scrollopt = (cursor->is_scroll ? QRI_SCROLL_STATIC : kind) |
                            (r->scrollopt & (QRI_SCROLL_AUTO_FETCH | QRI_SCROLL_AUTO_CLOSE));
    cursor->api.ccopt = cursor->is_read_only ? QRI_CC_READ_ONLY : cc;
    cursor->api.first = -1;
}

static enum qr_status read_options(struct qr_session *session, struct request *r,
                                   struct qr_err *err)
{
    QR_TRY(qri_api_int(session, r->procedure, "scrollopt", r->args, r->count, r->scroll_at, 0,
                       &r->scrollopt, err));
    QR_TRY(qri_api_int(session, r->procedure, "ccopt", r->args, r->count, r->scroll_at + 1, 0,
                       &r->ccopt, err));
    QR_TRY(qri_api_int(session, r->procedure, "rowcount", r->args, r->count, r->scroll_at + 2,
                       ROWS_USUAL, &r->rows, err));
    if (r->rows < 0 && (r->scrollopt & QRI_SCROLL_AUTO_FETCH) != 0)
        return qr_sql_fail(err, 16902, r->procedure, "rowcount");
    return QR_OK;
}

/* ---- opening ---- */

static enum qr_status tell(struct qr_session *session, const struct request *r,
                           const struct qri_cursor *cursor, struct qr_err *err)
{
    uint64_t count = qr_rowset_count(cursor->rows);
    int32_t rows = !cursor->is_scroll ? -1 : count > INT32_MAX ? INT32_MAX : (int32_t)count;
    QR_TRY(qri_api_give(session, r->args, r->count, r->cursor_at, cursor->api.handle, err));
    QR_TRY(qri_api_give(session, r->args, r->count, r->scroll_at,
                        cursor->api.scrollopt & QRI_SCROLL_KINDS, err));
    QR_TRY(qri_api_give(session, r->args, r->count, r->scroll_at + 1, cursor->api.ccopt, err));
    return qri_api_give(session, r->args, r->count, r->scroll_at + 2, rows, err);
}

static enum qr_status send_opened(struct qr_session *session, const struct request *r,
                                  struct qri_cursor *cursor, int32_t *ret_status,
                                  struct qr_err *err)
{
    enum { AUTO_CLOSED = 0x10 };
    bool fetches = (cursor->api.scrollopt & QRI_SCROLL_AUTO_FETCH) != 0;
    if (fetches)
        qri_api_next(cursor, r->rows);
    QR_TRY(qri_api_send(session, cursor, fetches, err));
    QR_TRY(tell(session, r, cursor, err));
    bool is_over = fetches && (cursor->api.scrollopt & QRI_SCROLL_AUTO_CLOSE) != 0 &&
                   (uint64_t)cursor->api.rows >= qr_rowset_count(cursor->rows);
    if (is_over)
        qri_cursor_drop(session, cursor);
    qri_api_return(session, ret_status, is_over ? AUTO_CLOSED : 0);
    return QR_OK;
}

static enum qr_status open_named(struct qr_session *session, const struct request *r,
                                 const char *name, int32_t handle, int32_t *ret_status,
                                 struct qr_err *err)
{
    struct qr_buf text;
    qr_buf_init(&text, TEXT_BYTES_MAX);
    enum qr_status status = declaration(session, r, name, &text, err);
    size_t first = r->values_at < r->count ? r->values_at : r->count;
    if (status == QR_OK)
        status = qri_call_text(session, qr_str_n((char *)text.data, text.len), r->params,
                               r->args + first, r->params.n > 0 ? r->count - first : 0, false, NULL,
                               err);
    qr_buf_done(&text);
    struct qri_cursor *cursor = qri_cursor_find_global(session, qr_str(name));
    if (cursor != NULL && (status != QR_OK || !cursor->is_open)) {
        qri_cursor_drop(session, cursor);
        cursor = NULL;
    }
    QR_TRY(status);
    if (cursor == NULL) /* why was said */
        return qr_sql_fail(err, 16945);
    cursor->api.handle = handle;
    settle(cursor, r);
    return send_opened(session, r, cursor, ret_status, err);
}

static enum qr_status open_request(struct qr_session *session, struct request *r,
                                   int32_t *ret_status, struct qr_err *err)
{
    enum { CURSORS_MAX = 1000, NAME_BYTES = 40 };
    char name[NAME_BYTES];
    size_t cursors = 0;
    QR_TRY(qri_api_give(session, r->args, r->count, r->cursor_at, 0, err));
    QR_TRY(read_options(session, r, err));
    for (const struct qri_cursor *c = session->cursors; c != NULL; c = c->next)
        cursors += c->api.handle != 0;
    if (cursors >= CURSORS_MAX)
        return qr_sql_fail(err, 16960);
    int32_t handle = ++session->last_handle;
    (void)snprintf(name, sizeof name, "sp_cursor %d", (int)handle);
    return open_named(session, r, name, handle, ret_status, err);
}

enum qr_status qri_sp_cursoropen(struct qr_session *session, struct qri_call_arg *args,
                                 size_t count, int32_t *ret_status, struct qr_err *err)
{
    enum { CURSOR, STATEMENT, SCROLLOPT, PARAMS = 5 };
    struct request r = {.procedure = "sp_cursoropen",
                        .args = args,
                        .count = count,
                        .scroll_at = SCROLLOPT,
                        .values_at = PARAMS + 1};
    int32_t scrollopt;
    qri_api_return(session, ret_status, FAILED);
    if (count <= STATEMENT)
        return qr_sql_fail(err, 16903, r.procedure);
    QR_TRY(qri_api_text(r.procedure, "stmt", args, count, STATEMENT, &r.text, err));
    QR_TRY(
        qri_api_int(session, r.procedure, "scrollopt", args, count, SCROLLOPT, 0, &scrollopt, err));
    if ((scrollopt & QRI_SCROLL_PARAMETERIZED) != 0)
        QR_TRY(qri_api_text(r.procedure, "paramdef", args, count, PARAMS, &r.params, err));
    return open_request(session, &r, ret_status, err);
}

/* ---- prepared ones: handles of sp_prepare ---- */

static enum qr_status prepare(struct qr_session *session, struct request *r, size_t params_at,
                              int32_t *ret_handle, struct qr_err *err)
{
    qri_api_return(session, NULL, FAILED);
    if (r->count <= params_at + 1)
        return qr_sql_fail(err, 16903, r->procedure);
    QR_TRY(qri_api_give(session, r->args, r->count, 0, 0, err));
    QR_TRY(qri_api_text(r->procedure, "paramdef", r->args, r->count, params_at, &r->params, err));
    QR_TRY(qri_api_text(r->procedure, "stmt", r->args, r->count, params_at + 1, &r->text, err));
    QR_TRY(qri_prepare(session, r->text, r->params, ret_handle));
    return qri_api_give(session, r->args, r->count, 0, *ret_handle, err);
}

enum qr_status qri_sp_cursorprepare(struct qr_session *session, struct qri_call_arg *args,
                                    size_t count, int32_t *ret_status, struct qr_err *err)
{
    enum { PARAMS = 1 };
    struct request r = {.procedure = "sp_cursorprepare", .args = args, .count = count};
    int32_t handle;
    QR_TRY(prepare(session, &r, PARAMS, &handle, err));
    qri_api_return(session, ret_status, 0);
    return QR_OK;
}

enum qr_status qri_sp_cursorexecute(struct qr_session *session, struct qri_call_arg *args,
                                    size_t count, int32_t *ret_status, struct qr_err *err)
{
    enum { CURSOR = 1, SCROLLOPT, VALUES = 5 };
    struct request r = {.procedure = "sp_cursorexecute",
                        .args = args,
                        .count = count,
                        .cursor_at = CURSOR,
                        .scroll_at = SCROLLOPT,
                        .values_at = VALUES};
    int32_t handle;
    qri_api_return(session, ret_status, FAILED);
    if (count <= CURSOR)
        return qr_sql_fail(err, 16903, r.procedure);
    QR_TRY(qri_api_int(session, r.procedure, "prepared_handle", args, count, 0, 0, &handle, err));
    QR_TRY(qri_prepared_text(session, handle, &session->frame->arena, &r.text, &r.params));
    return open_request(session, &r, ret_status, err);
}

enum qr_status qri_sp_cursorprepexec(struct qr_session *session, struct qri_call_arg *args,
                                     size_t count, int32_t *ret_status, struct qr_err *err)
{
    enum { CURSOR = 1, PARAMS, SCROLLOPT = 4, VALUES = 7 };
    struct request r = {.procedure = "sp_cursorprepexec",
                        .args = args,
                        .count = count,
                        .cursor_at = CURSOR,
                        .scroll_at = SCROLLOPT,
                        .values_at = VALUES};
    int32_t handle;
    QR_TRY(prepare(session, &r, PARAMS, &handle, err));
    return open_request(session, &r, ret_status, err);
}

enum qr_status qri_sp_cursorunprepare(struct qr_session *session, struct qri_call_arg *args,
                                      size_t count, int32_t *ret_status, struct qr_err *err)
{
    int32_t handle;
    qri_api_return(session, ret_status, FAILED);
    QR_TRY(qri_api_int(session, "sp_cursorunprepare", "handle", args, count, 0, 0, &handle, err));
    QR_TRY(qri_unprepare(session, handle));
    qri_api_return(session, ret_status, 0);
    return QR_OK;
}
