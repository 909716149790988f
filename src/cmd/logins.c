/* logins.c - see cmd_int.h: the server's logins as statements see and change them, by control */
#include <string.h>
#include "base/sqlmsg.h"
#include "cmd_int.h"
#include "password/password.h"
#include "base/banned.h"

static const int64_t CHANGE_NS = INT64_C(60) * 1000000000;
static const uint8_t admin_sid[8] = {1, 6, 0, 0, 0, 0, 0, 100};

typedef enum qr_status login_fn(void *arg, const struct qr_control_item *item);

/* Items of the server's logins; with the hash of that name's. */
static enum qr_status each_item(void *ctx, uint32_t server_id, struct qr_str with_hash,
                                login_fn *call, void *arg, struct qr_err *err)
{
    struct qr_control_ask ask = {.server = qr_server_of(server_id), .name = with_hash};
    struct qr_control_item item;
    struct qr_buf reply;
    qr_buf_init(&reply, QR_CONTROL_ANSWER_BYTES_MAX);
    enum qr_status status = qri_node_asked(
        qr_control_call(qri_node_options_of(ctx)->control, QR_CONTROL_LOGINS, &ask, 0, &reply, err),
        err);
    for (size_t at = 0; status == QR_OK && at < reply.len;) {
        status = qr_control_item_next(reply.data, reply.len, &at, &item, err);
        if (status == QR_OK && item.kind != QR_ITEM_LOGIN)
            status = qr_fail(err, QR_PROTOCOL, "control lists what is no login");
        if (status == QR_OK && item.flag)
            item.sid = qr_str_n((const char *)admin_sid, sizeof admin_sid);
        if (status == QR_OK)
            status = call(arg, &item);
    }
    qr_buf_done(&reply);
    return status;
}

/* ---- looking ---- */

struct find {
    struct qr_str name;
    uint8_t *sid;
    size_t sid_bytes;
    char hash[QR_PASSWORD_HASH_BYTES];
};

static enum qr_status look_at(void *arg, const struct qr_control_item *item)
{
    struct find *find = arg;
    if (!qr_str_ieq(item->name, find->name) || item->sid.n > QR_SID_BYTES_MAX)
        return QR_OK;
    if (find->sid != NULL)
        memcpy(find->sid, item->sid.p, item->sid.n);
    find->sid_bytes = item->sid.n;
    if (item->text.n < sizeof find->hash)
        memcpy(find->hash, item->text.p, item->text.n);
    return QR_OK;
}

enum qr_status qri_logins_find(void *ctx, uint32_t server_id, struct qr_str name,
                               uint8_t sid[QR_SID_BYTES_MAX], size_t *ret_sid_bytes,
                               struct qr_err *err)
{
    struct find find = {.name = name, .sid = sid};
    QR_TRY(each_item(ctx, server_id, qr_str(""), look_at, &find, err));
    *ret_sid_bytes = find.sid_bytes;
    return find.sid_bytes > 0 ? QR_OK : qr_fail(err, QR_NOT_FOUND, "no such login");
}

struct show {
    enum qr_status (*each)(void *each_ctx, const struct qr_login_seen *seen);
    void *each_ctx;
};

static enum qr_status show_login(void *arg, const struct qr_control_item *item)
{
    const struct show *show = arg;
    const struct qr_login_seen seen = {
        .principal_id = item->id,
        .name = item->name,
        .sid = item->sid,
        .create_ticks = item->create_ticks,
        .modify_ticks = item->modify_ticks,
        .is_admin = item->flag,
        .is_disabled = item->is_disabled,
        .roles = item->roles,
    };
    return show->each(show->each_ctx, &seen);
}

enum qr_status qri_logins_each(void *ctx, uint32_t server_id,
                               enum qr_status (*each)(void *each_ctx,
                                                      const struct qr_login_seen *seen),
                               void *each_ctx)
{
    struct show show = {each, each_ctx};
    enum qr_status status = each_item(ctx, server_id, qr_str(""), show_login, &show, NULL);
    return status == QR_CANCELLED ? QR_CLOSED : status; /* no client has cancelled anything */
}

/* ---- changing ---- */

static enum qr_status check_old_password(void *ctx, uint32_t server_id,
                                         const struct qr_login_wish *wish, struct qr_err *err)
{
    struct find find = {.name = wish->name};
    char shown[QR_NAME_BYTES_MAX + 1];
    QR_TRY(each_item(ctx, server_id, wish->name, look_at, &find, err));
    if (find.hash[0] != '\0' && qr_password_is_right(find.hash, wish->old_password))
        return QR_OK;
    (void)snprintf(shown, sizeof shown, "%.*s", (int)wish->name.n, wish->name.p);
    return qr_sql_fail(err, 15151, "alter", "login", shown);
}

enum qr_status qri_logins_change(void *ctx, uint32_t server_id, const struct qr_login_wish *wish,
                                 struct qr_err *err)
{
    _Static_assert((int)QR_WISH_CREATE_LOGIN == QR_LOGIN_CREATE &&
                       (int)QR_WISH_LOGIN_PASSWORD == QR_LOGIN_PASSWORD &&
                       (int)QR_WISH_LOGIN_NAME == QR_LOGIN_RENAME &&
                       (int)QR_WISH_LOGIN_ENABLE == QR_LOGIN_ENABLE &&
                       (int)QR_WISH_LOGIN_DISABLE == QR_LOGIN_DISABLE &&
                       (int)QR_WISH_DROP_LOGIN == QR_LOGIN_DROP &&
                       (int)QR_WISH_LOGIN_JOIN == QR_LOGIN_JOIN &&
                       (int)QR_WISH_LOGIN_LEAVE == QR_LOGIN_LEAVE,
                   "two headers, one numbering");
    struct qr_control_ask ask = {.server = qr_server_of(server_id),
                                 .name = wish->name,
                                 .new_name = wish->new_name,
                                 .hash = wish->hash,
                                 .sid = wish->sid,
                                 .id = wish->roles,
                                 .login_change = (uint8_t)wish->kind};
    if (wish->old_password.p != NULL)
        QR_TRY(check_old_password(ctx, server_id, wish, err));
    return qri_node_asked(qr_control_call(qri_node_options_of(ctx)->operate, QR_CONTROL_SET_LOGIN,
                                          &ask, CHANGE_NS, NULL, err),
                          err);
}

/* The administrator is said by no SID: his name may be another one's tomorrow. */
enum qr_status qri_logins_own(void *ctx, uint32_t database_id, struct qr_str sid,
                              struct qr_err *err)
{
    char owner[QR_OWNER_TEXT_BYTES + 1];
    if (qr_str_eq(sid, qr_str_n((const char *)admin_sid, sizeof admin_sid)))
        sid = qr_str("");
    qr_owner_text(sid, owner);
    struct qr_control_ask ask = {.id = database_id, .owner = qr_str(owner)};
    return qri_node_asked(qr_control_call(qri_node_options_of(ctx)->operate, QR_CONTROL_SET_OWNER,
                                          &ask, CHANGE_NS, NULL, err),
                          err);
}
