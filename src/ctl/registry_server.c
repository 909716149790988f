/* registry_server.c - see ctl/registry.h: the logical server and its login */
#include <assert.h>
#include <string.h>
#include "registry_int.h"
#include "base/banned.h"

static void json_freep(json_t **json)
{
    json_decref(*json);
}

enum qr_status qri_registry_load_server(struct qr_registry *registry, struct qr_err *err)
{
    QR_AUTO(json_freep) json_t *object = NULL;
    enum qr_status status = qri_registry_load(registry, "server", &object, NULL, err);
    if (status == QR_NOT_FOUND)
        return QR_OK;
    QR_TRY(status);
    registry->has_server =
        qri_take_text(object, "name", registry->name, sizeof registry->name) &&
        qri_take_text(object, "adminLogin", registry->admin_login, sizeof registry->admin_login) &&
        qri_take_text(object, "adminHash", registry->admin_hash, sizeof registry->admin_hash);
    return registry->has_server ? QR_OK : qr_fail(err, QR_CORRUPT, "metadata: the server's row");
}

bool qr_registry_has_server(struct qr_registry *registry)
{
    return registry->has_server;
}

static enum qr_status store_server(struct qr_registry *registry, struct qr_str name,
                                   struct qr_str login, struct qr_str hash, struct qr_err *err)
{
    uint64_t version = 0;
    char texts[3][QR_NAME_BYTES_MAX + 1];
    if (name.n == 0 || login.n == 0 || !qri_copy_text(texts[0], sizeof texts[0], name) ||
        !qri_copy_text(texts[1], sizeof texts[1], login) ||
        !qri_copy_text(texts[2], sizeof registry->admin_hash, hash))
        return qr_fail(err, QR_INVALID, "the names of a server and its login have 1 to %d bytes",
                       QR_NAME_BYTES_MAX);
    enum qr_status status = qr_meta_get(registry->meta, qr_str("server"), NULL, &version, err);
    if (status != QR_OK && status != QR_NOT_FOUND)
        return status;
    QR_TRY(qri_registry_put(registry, qr_str("server"),
                            json_pack("{s:s, s:s, s:s}", "name", texts[0], "adminLogin", texts[1],
                                      "adminHash", texts[2]),
                            version, NULL, err));
    memcpy(registry->name, texts[0], sizeof registry->name);
    memcpy(registry->admin_login, texts[1], sizeof registry->admin_login);
    memcpy(registry->admin_hash, texts[2], sizeof registry->admin_hash);
    registry->has_server = true;
    return QR_OK;
}

enum qr_status qr_registry_make_server(struct qr_registry *registry, struct qr_str name,
                                       struct qr_str admin_login, struct qr_str admin_hash,
                                       struct qr_err *err)
{
    assert(!registry->has_server);
    pthread_mutex_lock(&registry->mu);
    enum qr_status status = store_server(registry, name, admin_login, admin_hash, err);
    pthread_mutex_unlock(&registry->mu);
    return status;
}

const char *qr_registry_server_name(struct qr_registry *registry)
{
    return registry->name;
}

const char *qr_registry_admin_login(struct qr_registry *registry)
{
    return registry->admin_login;
}

enum qr_status qr_registry_login_hash(struct qr_registry *registry, struct qr_str login,
                                      char dst[QR_HASH_BYTES_MAX + 1], bool *ret_is_admin,
                                      struct qr_err *err)
{
    enum qr_status status = QR_NOT_FOUND;
    pthread_mutex_lock(&registry->mu);
    if (registry->has_server && qr_str_ieqz(login, registry->admin_login)) {
        memcpy(dst, registry->admin_hash, sizeof registry->admin_hash);
        *ret_is_admin = true;
        status = QR_OK;
    }
    pthread_mutex_unlock(&registry->mu);
    return status == QR_OK ? QR_OK : qr_fail(err, status, "no such login");
}

enum qr_status qr_registry_set_admin_hash(struct qr_registry *registry, struct qr_str hash,
                                          struct qr_err *err)
{
    pthread_mutex_lock(&registry->mu);
    enum qr_status status =
        store_server(registry, qr_str(registry->name), qr_str(registry->admin_login), hash, err);
    pthread_mutex_unlock(&registry->mu);
    return status;
}
