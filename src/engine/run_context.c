/* run_context.c - EXECUTE AS, REVERT, and EXECUTE ('...') AS USER: who the session is for now. */
#include <string.h>
#include "access_int.h"
#include "base/sqlmsg.h"
#include "frame.h"
#include "base/banned.h"

enum { COMMAND_OTHER = 0xFD, NAME_CHARS = 128 };

static enum qr_status done(struct qr_session *session)
{
    session->error = 0;
    session->rowcount = 0;
    return qri_send_done(session, false, 0, false, COMMAND_OTHER);
}

/* ---- EXECUTE AS ---- */

static bool may_become(const struct qr_session *session, const struct qri_principal *p)
{
    bool can_be = p != NULL && p->type == 'S' && p->principal_id != QR_PRINCIPAL_SYS &&
                  p->principal_id != QR_PRINCIPAL_INFORMATION_SCHEMA;
    return can_be && (p->principal_id == qri_access_user(session) ||
                      qri_may_principal(session, p, QR_MAY_IMPERSONATE));
}

static enum qr_status cannot_become(struct qr_str name, struct qr_err *err)
{
    char text[4 * QR_CAT_NAME_CHARS_MAX + 1];
    size_t n = name.n < sizeof text ? name.n : sizeof text - 1;
    if (n > 0)
        memcpy(text, name.p, n);
    text[n] = '\0';
    return qr_sql_fail(err, 15517, text);
}

enum qr_status qri_impersonate(struct qr_session *session, struct qr_str name, uint32_t *ret_id,
                               struct qr_err *err)
{
    const struct qri_principal *p = qri_principal_by_name(session->catalog, name);
    if (!may_become(session, p))
        return cannot_become(name, err);
    *ret_id = p->principal_id;
    return QR_OK;
}

enum qr_status qri_want_as_owner(const struct qr_session *session, uint32_t owner_id,
                                 struct qr_err *err)
{
    const struct qri_principal *p = qri_principal_by_id(session->catalog, owner_id);
    if (session->is_owner || may_become(session, p))
        return QR_OK;
    return cannot_become(p == NULL ? qr_str("") : p->name, err);
}

/* The one who called the module; in a batch nobody else than he is. */
static enum qr_status as_caller(struct qri_frame *frame, struct qr_err *err)
{
    struct qr_session *session = frame->session;
    if (frame->module == NULL)
        return done(session);
    QR_TRY(qri_access_push(session, frame->context_before->user_id, err));
    return done(session);
}

static enum qr_status new_cookie(struct qri_frame *frame, struct qr_str variable,
                                 uint8_t cookie[QRI_COOKIE_BYTES], struct qr_err *err)
{
    uint32_t slot = 0;
    if (!qri_var_find(frame, variable, &slot))
        return qr_sql_fail(err, 137, qr_arena_str(&frame->arena, variable).p);
    qr_env_random(frame->session->db->instance->options.env, cookie, QRI_COOKIE_BYTES);
    struct qr_type type = qr_type_sized(QR_TYPE_VARBINARY, QRI_COOKIE_BYTES);
    struct qr_value value = qr_value_blob(cookie, QRI_COOKIE_BYTES);
    return qri_var_assign(frame, slot, &type, &value, err);
}

enum qr_status qri_run_execute_as(struct qri_frame *frame, const struct qri_op *op,
                                  struct qr_err *err)
{
    const struct qr_ast_execute_as *stmt = (const struct qr_ast_execute_as *)op->stmt;
    struct qr_session *session = frame->session;
    bool lasts = stmt->no_revert || stmt->cookie_variable.n > 0;
    uint8_t cookie[QRI_COOKIE_BYTES] = {0};
    uint32_t user_id = 0;
    if (stmt->setuser || qr_str_ieqz(stmt->context, "LOGIN"))
        return qr_sql_fail(err, 40510, stmt->setuser ? "SETUSER" : "EXECUTE AS LOGIN");
    if (lasts && frame->is_scope)
        return qr_sql_fail(err, 15590);
    if (stmt->name == NULL)
        return as_caller(frame, err);
    struct qr_type want = qr_type_sized(QR_TYPE_NVARCHAR, NAME_CHARS);
    struct qr_value name;
    QR_TRY(qri_eval_scalar(frame, 0, stmt->name, &want, NULL, &name, err));
    struct qr_str text = name.cell == QR_CELL_TEXT ? qr_value_bytes(&name) : qr_str("");
    QR_TRY(qri_impersonate(session, text, &user_id, err));
    if (stmt->cookie_variable.n > 0)
        QR_TRY(new_cookie(frame, stmt->cookie_variable, cookie, err));
    QR_TRY(qri_access_push(session, user_id, err));
    session->context_now->no_revert = stmt->no_revert;
    memcpy(session->context_now->cookie, cookie, sizeof cookie);
    return done(session);
}

/* ---- REVERT ---- */

/* Without one, zeros: those of a context that has none. */
static enum qr_status given_cookie(struct qri_frame *frame, struct qr_str variable,
                                   uint8_t cookie[QRI_COOKIE_BYTES], struct qr_err *err)
{
    uint32_t slot = 0;
    memset(cookie, 0, QRI_COOKIE_BYTES);
    if (variable.n == 0)
        return QR_OK;
    if (!qri_var_find(frame, variable, &slot))
        return qr_sql_fail(err, 137, qr_arena_str(&frame->arena, variable).p);
    const struct qr_value *value = &frame->vars[slot];
    if (value->cell != QR_CELL_BLOB || value->n != QRI_COOKIE_BYTES)
        return qr_sql_fail(err, 15591);
    memcpy(cookie, value->p, QRI_COOKIE_BYTES);
    return QR_OK;
}

enum qr_status qri_run_revert(struct qri_frame *frame, const struct qri_op *op, struct qr_err *err)
{
    const struct qr_ast_revert *stmt = (const struct qr_ast_revert *)op->stmt;
    struct qr_session *session = frame->session;
    const struct qri_context *now = session->context_now;
    uint8_t cookie[QRI_COOKIE_BYTES];
    bool is_own =
        now->outer != NULL && !now->is_module && !(frame->is_scope && now == frame->context_before);
    if (!is_own) /* nothing began here */
        return done(session);
    QR_TRY(given_cookie(frame, stmt->cookie_variable, cookie, err));
    if (now->no_revert || memcmp(now->cookie, cookie, sizeof cookie) != 0)
        return qr_sql_fail(err, 15591);
    qri_access_pop(session);
    return done(session);
}

/* ---- modules WITH EXECUTE AS ---- */

enum qr_status qri_module_execute_as(struct qr_session *session,
                                     const struct qr_ast_options *options, uint32_t *ret_id,
                                     struct qr_err *err)
{
    *ret_id = 0;
    for (size_t i = 0; i < options->count; i++) {
        const struct qr_ast_option *option = &options->items[i];
        if (!qr_str_ieqz(option->name, "EXECUTE AS"))
            continue;
        if (option->value != NULL)
            return qri_impersonate(session, ((const struct qr_ast_literal *)option->value)->text,
                                   ret_id, err);
        if (qr_str_ieqz(option->word, "OWNER"))
            *ret_id = QR_EXECUTE_AS_OWNER;
        else if (qr_str_ieqz(option->word, "SELF"))
            *ret_id = qri_access_user(session);
        else if (!qr_str_ieqz(option->word, "CALLER"))
            return qr_sql_fail(err, 102, qr_arena_str(&session->frame->arena, option->word).p);
    }
    return QR_OK;
}
