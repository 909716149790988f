/* logins.c - see control_int.h: logins as statements change them and as the others see them. The
 * administrator is in his server's row; all others have rows of their own. */
#include <string.h>
#include "base/sqlmsg.h"
#include "control_int.h"
#include "registry_int.h"
#include "base/banned.h"

static enum qr_status exists(struct qr_str name, struct qr_err *err)
{
    char shown[QR_NAME_BYTES_MAX + 1];
    (void)qri_copy_text(shown, sizeof shown, name);
    return qr_sql_fail(err, 15025, shown);
}

static enum qr_status missing(const struct qr_control_ask *ask, const char *verb,
                              struct qr_err *err)
{
    char shown[QR_NAME_BYTES_MAX + 1];
    (void)qri_copy_text(shown, sizeof shown, ask->name);
    return qr_sql_fail(err, 15151, verb, "login", shown);
}

/* He has a password, is always there and can always log in. */
static enum qr_status change_admin(struct qr_control *control, const struct qr_control_ask *ask,
                                   struct qr_err *err)
{
    if (ask->login_change == QR_LOGIN_CREATE)
        return exists(ask->name, err);
    if (ask->login_change == QR_LOGIN_PASSWORD)
        return qr_registry_set_admin_hash(control->options.registry, ask->server, ask->hash, err);
    if (ask->login_change == QR_LOGIN_ENABLE)
        return QR_OK;
    char shown[QR_NAME_BYTES_MAX + 1];
    (void)qri_copy_text(shown, sizeof shown, ask->name);
    return qr_sql_fail(err, 15150, ask->login_change == QR_LOGIN_DROP ? "drop" : "alter", "login",
                       shown);
}

static enum qr_status create_login(struct qr_control *control, const struct qr_control_ask *ask,
                                   struct qr_err *err)
{
    struct qr_login_row row = {.server = ask->server, .sid_bytes = ask->sid.n};
    if (!qri_copy_text(row.name, sizeof row.name, ask->name) ||
        !qri_copy_text(row.hash, sizeof row.hash, ask->hash) || ask->sid.n > sizeof row.sid)
        return qr_fail(err, QR_INVALID, "a login's name, hash or SID is too long");
    memcpy(row.sid, ask->sid.p, ask->sid.n);
    enum qr_status status = qr_registry_add_login(control->options.registry, &row, err);
    return status == QR_EXISTS ? exists(ask->name, err) : status;
}

static enum qr_status drop_login(struct qr_registry *registry, const struct qr_login_row *row,
                                 struct qr_err *err)
{
    char owner[QR_OWNER_TEXT_BYTES + 1];
    qr_owner_text(qr_str_n((const char *)row->sid, row->sid_bytes), owner);
    if (qr_registry_owns_any(registry, row->server, qr_str(owner)))
        return qr_sql_fail(err, 15174, row->name);
    return qr_registry_remove_login(registry, row->server, qr_str(row->name), err);
}

static enum qr_status alter_login(struct qr_control *control, const struct qr_control_ask *ask,
                                  const char *admin, struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_login_row row;
    enum qr_status status = qr_registry_find_login(registry, ask->server, ask->name, &row, err);
    if (status == QR_NOT_FOUND)
        return missing(ask, ask->login_change == QR_LOGIN_DROP ? "drop" : "alter", err);
    QR_TRY(status);
    if (ask->login_change == QR_LOGIN_DROP)
        return drop_login(registry, &row, err);
    bool renames = ask->login_change == QR_LOGIN_RENAME;
    if (renames && qr_str_ieqz(ask->new_name, admin))
        return exists(ask->new_name, err);
    bool fits = !renames || qri_copy_text(row.name, sizeof row.name, ask->new_name);
    if (ask->login_change == QR_LOGIN_PASSWORD)
        fits = ask->hash.n > 0 && qri_copy_text(row.hash, sizeof row.hash, ask->hash);
    if (!fits)
        return qr_fail(err, QR_INVALID, "a login's name or hash does not fit");
    if (ask->login_change == QR_LOGIN_JOIN || ask->login_change == QR_LOGIN_LEAVE)
        row.roles = ask->login_change == QR_LOGIN_JOIN ? row.roles | ask->id : row.roles & ~ask->id;
    if (ask->login_change == QR_LOGIN_ENABLE || ask->login_change == QR_LOGIN_DISABLE)
        row.is_disabled = ask->login_change == QR_LOGIN_DISABLE;
    status = qr_registry_put_login(registry, ask->name, &row, err);
    return status == QR_EXISTS ? exists(ask->new_name, err) : status;
}

static enum qr_status change(struct qr_control *control, const struct qr_control_ask *ask,
                             struct qr_err *err) /* rules_mu */
{
    struct qr_server_row server;
    if (qr_registry_server(control->options.registry, ask->server, &server) != QR_OK)
        return qr_fail(err, QR_NOT_FOUND, "There is no such server.");
    if (qr_str_ieqz(ask->name, server.admin_login))
        return change_admin(control, ask, err);
    return ask->login_change == QR_LOGIN_CREATE
               ? create_login(control, ask, err)
               : alter_login(control, ask, server.admin_login, err);
}

enum qr_status qri_control_set_login(struct qr_control *control, const struct qr_control_ask *ask,
                                     struct qr_err *err)
{
    static const char *const words[QR_LOGIN_CHANGE_COUNT] = {
        [QR_LOGIN_CREATE] = "create",   [QR_LOGIN_PASSWORD] = "password",
        [QR_LOGIN_RENAME] = "rename",   [QR_LOGIN_ENABLE] = "enable",
        [QR_LOGIN_DISABLE] = "disable", [QR_LOGIN_DROP] = "drop",
        [QR_LOGIN_JOIN] = "join",       [QR_LOGIN_LEAVE] = "leave"};
    pthread_mutex_lock(&control->rules_mu);
    enum qr_status status = change(control, ask, err);
    pthread_mutex_unlock(&control->rules_mu);
    QR_TRY(status);
    QR_LOG(&control->options.log, QR_INFO, "login_changed", QR_F("server", ask->server),
           QR_F("login", ask->name), QR_F("change", words[ask->login_change]));
    qri_control_tell_gateway(control, true);
    return QR_OK;
}

/* ---- showing ---- */

struct show {
    struct qr_buf *buf;
    struct qr_str with_hash; /* of the login of that name */
    bool all_hashes;
};

static void show_login(void *arg, const struct qr_login_row *row)
{
    struct show *show = arg;
    bool tells = show->all_hashes || qr_str_ieqz(show->with_hash, row->name);
    qr_control_item_put(show->buf, &(struct qr_control_item){
                                       .kind = QR_ITEM_LOGIN,
                                       .name = qr_str(row->name),
                                       .text = qr_str(tells ? row->hash : ""),
                                       .sid = qr_str_n((const char *)row->sid, row->sid_bytes),
                                       .database_id = qr_database_id(row->server, 0),
                                       .id = row->id,
                                       .create_ticks = row->create_ticks,
                                       .modify_ticks = row->modify_ticks,
                                       .is_disabled = row->is_disabled,
                                       .roles = row->roles,
                                   });
}

enum qr_status qri_control_put_logins(struct qr_control *control, uint32_t server, bool all_hashes,
                                      struct qr_str with_hash, struct qr_buf *buf,
                                      struct qr_err *err)
{
    struct show show = {buf, with_hash, all_hashes};
    return qr_registry_each_login(control->options.registry, server, show_login, &show, err);
}

void qri_logins_serve(struct qr_control *control, const struct qr_control_ask *ask,
                      struct qr_rpc_request *own_request)
{
    struct qr_registry *registry = control->options.registry;
    char hash[QR_HASH_BYTES_MAX + 1] = "";
    struct qr_server_row server;
    struct qr_err err = {0};
    struct qr_buf buf;
    struct qr_control_item admin = {.kind = QR_ITEM_LOGIN,
                                    .database_id = qr_database_id(ask->server, 0),
                                    .id = 1,
                                    .flag = true};
    /* hashes stay on this machine */
    struct qr_str with_hash = own_request->from == NULL ? ask->name : qr_str("");
    qr_buf_init(&buf, QR_CONTROL_ANSWER_BYTES_MAX);
    enum qr_status status = qr_registry_server(registry, ask->server, &server);
    if (status == QR_OK) {
        admin.name = qr_str(server.admin_login);
        if (qr_str_ieq(with_hash, admin.name))
            (void)!qr_registry_login_hash(registry, ask->server, admin.name, hash, &admin.flag,
                                          NULL);
        admin.text = qr_str(hash);
        qr_control_item_put(&buf, &admin);
        status = qri_control_put_logins(control, ask->server, false, with_hash, &buf, &err);
    } else {
        (void)qr_fail(&err, status, "There is no such server.");
    }
    qr_rpc_finish(own_request, &buf, status, &err);
}
