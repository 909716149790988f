/* applock.c - see applock_int.h */
#include "applock_int.h"
#include <stdio.h>
#include <string.h>
#include "access_int.h"
#include "hostfn_int.h"
#include "lock_int.h"
#include "base/banned.h"

enum { RESOURCE_CHARS_MAX = 255, SHOWN_CHARS_MAX = 32 };

/* NULL: no name of its own in T-SQL. */
static const char *const mode_names[QR_LOCK_MODES] = {
    [QR_LOCK_NONE] = "NoLock",
    [QR_LOCK_IS] = "IntentShared",
    [QR_LOCK_S] = "Shared",
    [QR_LOCK_U] = "Update",
    [QR_LOCK_IX] = "IntentExclusive",
    [QR_LOCK_SIX] = "SharedIntentExclusive", /* the next two cannot be asked for */
    [QR_LOCK_UIX] = "UpdateIntentExclusive",
    [QR_LOCK_X] = "Exclusive",
};

/* What a call is about. */
struct request {
    struct qr_lock_resource resource;
    char shown[4 * SHOWN_CHARS_MAX + 32]; /* in sys.dm_tran_locks */
    enum qr_lock_mode mode;
    enum qr_lock_scope scope;
};

void qri_applocks_release(struct qr_session *session)
{
    if (session->lock_owner != NULL)
        qr_lock_release_all(session->lock_owner, QR_LOCK_OF_SESSION);
}

enum { GRANTED = 0, GRANTED_LATE = 1, TIMED_OUT = -1, CANCELLED = -2, DEADLOCK = -3 };

static enum qr_status take(struct qr_session *session, const struct request *r, int32_t timeout_ms,
                           int *ret_code, struct qr_err *err)
{
    struct qr_err why = {0};
    enum qr_status status =
        qri_lock_wait(session, r->scope, &r->resource, r->mode, r->shown, 0, &why);
    *ret_code = GRANTED;
    if (status == QR_SQL && why.number == 1222 && timeout_ms != 0) {
        status =
            qri_lock_wait(session, r->scope, &r->resource, r->mode, r->shown, timeout_ms, &why);
        *ret_code = GRANTED_LATE;
    }
    if (status == QR_OK)
        return QR_OK;
    *ret_code = status != QR_SQL     ? CANCELLED
                : why.number == 1222 ? TIMED_OUT
                : why.number == 1205 ? DEADLOCK /* the caller decides what becomes of its work */
                                     : -999;
    if (*ret_code == TIMED_OUT || *ret_code == DEADLOCK)
        return QR_OK;
    if (err != NULL)
        *err = why;
    return status;
}

/* ---- arguments ---- */

static enum qr_status bad_option(const char *proc, int32_t *ret_status, struct qr_err *err)
{
    if (ret_status != NULL)
        *ret_status = -999;
    return qr_sql_fail(err, 15600, proc);
}

static size_t chars_bytes(struct qr_str s, size_t chars_max)
{
    size_t n = 0;
    for (size_t chars = 0; n < s.n && chars < chars_max; chars++) {
        n++;
        while (n < s.n && ((unsigned char)s.p[n] & 0xC0) == 0x80)
            n++;
    }
    return n;
}

static bool set_resource(struct request *r, struct qr_str principal, struct qr_str resource)
{
    char key[4 * (128 + RESOURCE_CHARS_MAX) + 1];
    size_t n = chars_bytes(resource, RESOURCE_CHARS_MAX); /* what is longer is cut */
    if (principal.n + 1 + n > sizeof key)
        return false;
    for (size_t i = 0; i < principal.n; i++)
        key[i] = (char)(principal.p[i] >= 'A' && principal.p[i] <= 'Z' ? principal.p[i] | 32
                                                                       : principal.p[i]);
    key[principal.n] = '\0';
    memcpy(key + principal.n + 1, resource.p, n);
    r->resource = (struct qr_lock_resource){.kind = QR_LOCK_APP,
                                            .hash = qr_hash_bytes(key, principal.n + 1 + n, 0)};
    (void)snprintf(
        r->shown, sizeof r->shown, "%d:[%.*s]:(%08x)", qr_str_ieqz(principal, "public") ? 0 : 1,
        (int)chars_bytes(resource, SHOWN_CHARS_MAX), resource.p, (unsigned)r->resource.hash);
    return true;
}

static bool set_owner(struct request *r, struct qr_str owner)
{
    bool of_session = owner.p != NULL && qr_str_ieqz(owner, "Session");
    r->scope = of_session ? QR_LOCK_OF_SESSION : QR_LOCK_OF_TRAN;
    return owner.p == NULL || of_session || qr_str_ieqz(owner, "Transaction");
}

static bool set_mode(struct request *r, struct qr_str mode)
{
    static const enum qr_lock_mode modes[] = {QR_LOCK_IS, QR_LOCK_S, QR_LOCK_U, QR_LOCK_IX,
                                              QR_LOCK_X};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (qr_str_ieqz(mode, mode_names[modes[i]])) {
            r->mode = modes[i];
            return true;
        }
    return false;
}

static struct qr_str text_arg(const struct qri_call_arg *args, size_t count, const char *name,
                              size_t index)
{
    const struct qri_call_arg *arg = qri_sysproc_arg(args, count, name, index);
    if (arg == NULL || arg->value.cell != QR_CELL_TEXT)
        return (struct qr_str){NULL, 0};
    return qr_value_bytes(&arg->value);
}

static struct qr_str principal_arg(const struct qri_call_arg *args, size_t count, size_t index)
{
    struct qr_str s = text_arg(args, count, "@DbPrincipal", index);
    return s.p == NULL ? qr_str("public") : s;
}

/* Who takes the lock for a principal is it, or a member of it. */
static enum qr_status want_principal(const struct qr_session *session, struct qr_str name,
                                     int32_t *ret_status, struct qr_err *err)
{
    const struct qri_principal *p = qri_principal_by_name(session->catalog, name);
    if (p != NULL &&
        (session->is_owner || p->principal_id == QR_PRINCIPAL_PUBLIC ||
         qri_is_member(session, p->principal_id) || qri_is_member(session, QR_ROLE_OWNER)))
        return QR_OK;
    char text[4 * QR_CAT_NAME_CHARS_MAX];
    (void)snprintf(text, sizeof text, "%.*s", (int)name.n, name.p);
    if (ret_status != NULL)
        *ret_status = -999;
    return qr_sql_fail(err, 1202, text);
}

enum qr_status qri_sp_getapplock(struct qr_session *session, struct qri_call_arg *args,
                                 size_t count, int32_t *ret_status, struct qr_err *err)
{
    struct request r = {0};
    struct qr_str resource = text_arg(args, count, "@Resource", 0);
    const struct qri_call_arg *timeout = qri_sysproc_arg(args, count, "@LockTimeout", 3);
    int64_t timeout_ms = session->options.lock_timeout_ms;
    if (timeout != NULL && timeout->value.cell == QR_CELL_INT)
        timeout_ms = timeout->value.i;
    if (resource.p == NULL || !set_mode(&r, text_arg(args, count, "@LockMode", 1)) ||
        !set_owner(&r, text_arg(args, count, "@LockOwner", 2)) || timeout_ms < -1 ||
        !set_resource(&r, principal_arg(args, count, 4), resource))
        return bad_option("sys.sp_getapplock", ret_status, err);
    QR_TRY(want_principal(session, principal_arg(args, count, 4), ret_status, err));
    if (r.scope == QR_LOCK_OF_TRAN && session->tran.count == 0)
        return qr_sql_fail(err, 3918);
    int code = -999;
    enum qr_status status =
        take(session, &r, timeout_ms > INT32_MAX ? -1 : (int32_t)timeout_ms, &code, err);
    if (ret_status != NULL)
        *ret_status = code;
    return status;
}

enum qr_status qri_sp_releaseapplock(struct qr_session *session, struct qri_call_arg *args,
                                     size_t count, int32_t *ret_status, struct qr_err *err)
{
    struct request r = {0};
    struct qr_str resource = text_arg(args, count, "@Resource", 0);
    struct qr_str principal = principal_arg(args, count, 2);
    if (resource.p == NULL || !set_owner(&r, text_arg(args, count, "@LockOwner", 1)) ||
        !set_resource(&r, principal, resource))
        return bad_option("sys.sp_releaseapplock", ret_status, err);
    QR_TRY(want_principal(session, principal, ret_status, err));
    bool found = session->lock_owner != NULL &&
                 qr_lock_release(session->lock_owner, r.scope, &r.resource) == QR_OK;
    if (ret_status != NULL)
        *ret_status = found ? 0 : -999;
    if (found)
        return QR_OK;
    char name[128 + 1], shown[RESOURCE_CHARS_MAX + 1];
    (void)snprintf(name, sizeof name, "%.*s", (int)principal.n, principal.p);
    (void)snprintf(shown, sizeof shown, "%.*s", (int)resource.n, resource.p);
    return qr_sql_fail(err, 1223, name, shown);
}

/* ---- functions ---- */

static bool host_key(const struct qri_host_call *h, struct request *r, size_t owner)
{
    return h->args[0].cell == QR_CELL_TEXT && h->args[1].cell == QR_CELL_TEXT &&
           h->args[owner].cell == QR_CELL_TEXT && set_owner(r, qri_host_arg_text(h, owner)) &&
           set_resource(r, qri_host_arg_text(h, 0), qri_host_arg_text(h, 1));
}

enum qr_status qri_fn_applock_mode(struct qri_host_call *h)
{
    struct request r = {0};
    *h->ret_value = qr_value_null();
    if (!host_key(h, &r, 2))
        return QR_OK;
    enum qr_lock_mode mode = QR_LOCK_NONE;
    if (h->session->lock_owner != NULL)
        mode = qr_lock_held(h->session->lock_owner, r.scope, &r.resource);
    return qri_host_text(h, qr_str(mode_names[mode]));
}

enum qr_status qri_fn_applock_test(struct qri_host_call *h)
{
    struct request r = {0};
    *h->ret_value = qr_value_null();
    if (!host_key(h, &r, 3) || h->args[2].cell != QR_CELL_TEXT ||
        !set_mode(&r, qri_host_arg_text(h, 2)))
        return QR_OK;
    QR_TRY(qri_lock_need_owner(h->session, h->err));
    bool is_now = qr_lock_may(h->session->lock_owner, &r.resource, r.mode);
    *h->ret_value = qr_value_int(is_now);
    return QR_OK;
}
