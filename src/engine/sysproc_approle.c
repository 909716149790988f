/* sysproc_approle.c - sp_setapprole, sp_unsetapprole: who knows its password becomes an application
 * role, until he gives the cookie back or the connection ends; see sysproc.h.
 *
 * It is a security context like EXECUTE AS WITH NO REVERT: it lasts beyond its batch, moves with
 * the session, and a connection that is reset in it is closed. */
#include <stdio.h>
#include <string.h>
#include "access_int.h"
#include "base/sqlmsg.h"
#include "frame.h"
#include "password/password.h"
#include "sysproc.h"
#include "base/banned.h"

static struct qr_str text_of(const struct qri_call_arg *arg)
{
    return arg == NULL || arg->value.cell != QR_CELL_TEXT ? (struct qr_str){NULL, 0}
                                                          : qr_value_bytes(&arg->value);
}

/* 1, or the word true, which comes as a text. */
static bool is_true(const struct qri_call_arg *arg)
{
    return arg != NULL && ((arg->value.cell == QR_CELL_INT && arg->value.i != 0) ||
                           qr_str_ieqz(text_of(arg), "true"));
}

/* Not in a transaction, and by the batch or call itself. */
static enum qr_status want_outermost(const struct qr_session *session, const char *proc,
                                     struct qr_err *err)
{
    if (session->tran.count > 0)
        return qr_sql_fail(err, 15002, proc);
    return session->frame != NULL && session->frame->is_scope ? qr_sql_fail(err, 15422) : QR_OK;
}

static enum qr_status give_cookie(struct qr_session *session, const struct qri_call_arg *arg,
                                  const uint8_t cookie[QRI_COOKIE_BYTES], struct qr_err *err)
{
    struct qr_type type = qr_type_sized(QR_TYPE_VARBINARY, QRI_COOKIE_BYTES);
    struct qr_value value = qr_value_blob(cookie, QRI_COOKIE_BYTES);
    if (arg == NULL || !arg->is_output)
        return QR_OK;
    if (session->frame != NULL)
        return arg->out_slot == UINT32_MAX
                   ? QR_OK
                   : qri_var_assign(session->frame, arg->out_slot, &type, &value, err);
    if (arg->out_arg == NULL)
        return QR_OK;
    QR_TRY(session->sink->return_status(session->sink->ctx, 0));
    return session->sink->return_value(session->sink->ctx, arg->out_ordinal, qr_str("@cookie"),
                                       &type, &value);
}

/* A password is checked in any case: the time tells nothing. */
static bool knows(const struct qr_session *session, const struct qri_principal *role,
                  struct qr_str password)
{
    char hash[QR_PASSWORD_HASH_BYTES] = "";
    (void)session;
    if (role == NULL || role->password_hash.n >= sizeof hash) {
        (void)!qr_password_hash(password, hash, NULL);
        return false;
    }
    memcpy(hash, role->password_hash.p, role->password_hash.n);
    return qr_password_is_right(hash, password);
}

enum qr_status qri_sp_setapprole(struct qr_session *session, struct qri_call_arg *args,
                                 size_t count, int32_t *ret_status, struct qr_err *err)
{
    struct qr_str name = text_of(qri_sysproc_arg(args, count, "@rolename", 0));
    struct qr_str password = text_of(qri_sysproc_arg(args, count, "@password", 1));
    struct qr_str encrypt = text_of(qri_sysproc_arg(args, count, "@encrypt", 2));
    const struct qri_call_arg *cookie_arg = qri_sysproc_arg(args, count, "@cookie", 4);
    bool has_cookie = is_true(qri_sysproc_arg(args, count, "@fCreateCookie", 3));
    uint8_t cookie[QRI_COOKIE_BYTES] = {0};
    char shown[4 * QR_CAT_NAME_CHARS_MAX + 1];
    (void)ret_status;
    QR_TRY(want_outermost(session, "sp_setapprole", err));
    if (encrypt.n > 0 && !qr_str_ieqz(encrypt, "none"))
        return qr_sql_fail(err, 40510, "sp_setapprole with @encrypt");
    const struct qri_principal *role = qri_principal_by_name(session->catalog, name);
    role = role != NULL && role->type == 'A' ? role : NULL;
    if (!knows(session, role, password)) {
        (void)snprintf(shown, sizeof shown, "%.*s", (int)name.n, name.n == 0 ? "" : name.p);
        return qr_sql_fail(err, 15161, shown);
    }
    QR_TRY(qri_access_push(session, role->principal_id, err));
    session->context_now->no_revert = true;
    if (!has_cookie)
        return QR_OK;
    qr_env_random(session->db->instance->options.env, cookie, sizeof cookie);
    memcpy(session->context_now->cookie, cookie, sizeof cookie);
    enum qr_status status = give_cookie(session, cookie_arg, cookie, err);
    if (status != QR_OK)
        qri_access_pop(session);
    return status;
}

enum qr_status qri_sp_unsetapprole(struct qr_session *session, struct qri_call_arg *args,
                                   size_t count, int32_t *ret_status, struct qr_err *err)
{
    static const uint8_t none[QRI_COOKIE_BYTES];
    const struct qri_call_arg *arg = qri_sysproc_arg(args, count, "@cookie", 0);
    const struct qri_context *now = session->context_now;
    const struct qri_principal *role = qri_principal_by_id(session->catalog, now->user_id);
    (void)ret_status;
    QR_TRY(want_outermost(session, "sp_unsetapprole", err));
    bool is_right = now->outer != NULL && role != NULL && role->type == 'A' && arg != NULL &&
                    arg->value.cell == QR_CELL_BLOB && arg->value.n == QRI_COOKIE_BYTES &&
                    memcmp(now->cookie, none, sizeof none) != 0 &&
                    memcmp(now->cookie, arg->value.p, sizeof none) == 0;
    if (!is_right)
        return qr_sql_fail(err, 15592);
    qri_access_pop(session);
    return QR_OK;
}
