/* role_join.c - see cmd_int.h: a role that runs on another machine than its service.
 *
 * What it has is a data directory of its own and the file that `quire machine add` made; the rest
 * control tells. A service that is not there is waited for. */
#include <stdlib.h>
#include <string.h>
#include "cmd_int.h"
#include "ctl/control.h"
#include "machine_file.h"
#include "rpc/identity.h"
#include "base/banned.h"

static const int64_t JOIN_NS = INT64_C(10) * 1000000000, DAY_NS = INT64_C(86400) * 1000000000;

/* Whose file is it, what may it play, and where is control? */
static enum qr_status read_file(struct qri_role *role, const char *pem, struct qr_err *err)
{
    static const size_t note_bytes = sizeof QRI_CONTROL_NOTE - 1;
    const char *path = role->settings->join;
    struct qr_identity identity;
    int64_t until_ns = 0;
    size_t line = strcspn(pem, "\r\n");
    if (strncmp(pem, QRI_CONTROL_NOTE, note_bytes) != 0 ||
        qr_identity_read(pem, &identity, &until_ns, err) != QR_OK)
        return qr_fail(err, QR_INVALID, "--join: '%s' was not made by `quire machine add`", path);
    if (!qr_identity_plays(&identity, role->settings->role))
        return qr_fail(err, QR_DENIED, "--join: '%s' is for a machine that may run '%s', not '%s'",
                       path, identity.roles, role->settings->role);
    int64_t left_ns = until_ns - qr_env_wall_ns(role->env);
    if (left_ns <= 0)
        return qr_fail(err, QR_DENIED, "--join: the certificate in '%s' has run out", path);
    if (left_ns < QRI_IDENTITY_WARN_DAYS * DAY_NS)
        QR_LOG(&role->log, QR_WARN, "certificate_ends_soon", QR_F("file", path),
               QR_F("days", left_ns / DAY_NS));
    role->control_address = qr_arena_dup(role->arena, pem + note_bytes, line - note_bytes);
    return role->control_address != NULL ? QR_OK : qr_fail(err, QR_NOMEM, "join");
}

/* Control's answer goes where the options of a role of this machine's own service would be. */
static enum qr_status take_service(struct qri_role *role, const struct qr_control_service *service,
                                   struct qr_err *err)
{
    struct qri_settings *settings = qr_arena_alloc(role->arena, sizeof *settings);
    struct qr_control_service *copy = qr_arena_alloc(role->arena, sizeof *copy);
    if (settings == NULL || copy == NULL)
        return qr_fail(err, QR_NOMEM, "join");
    *copy = *service;
    *settings = *role->settings;
    settings->server_name = copy->server_name;
    settings->admin_login = copy->admin_login;
    settings->landing_zone = copy->landing_zone;
    if (*settings->blob == '\0')
        settings->blob = copy->blob;
    if (*settings->blob == '\0')
        return qr_fail(err, QR_INVALID,
                       "--blob: machines need a blob store that all of them reach");
    if (*settings->server_key_file == '\0')
        QR_TRY(qr_server_key_parse(copy->server_key, "the server key from control",
                                   &role->server_key, err));
    role->service = copy;
    role->settings = settings;
    return QR_OK;
}

enum qr_status qri_role_join(struct qri_role *role, struct qr_err *err)
{
    struct qr_buf pem;
    struct qr_control_service service;
    enum qr_role kind =
        strcmp(role->settings->role, QR_ROLE_NAME_LOG) == 0 ? QR_ROLE_LOG : QR_ROLE_PAGE;
    qr_buf_init(&pem, QR_IDENTITY_PEM_BYTES_MAX);
    enum qr_status status =
        qr_wrap(err, qr_env_read_file(role->env, role->settings->join, &pem, err), "--join");
    if (status == QR_OK)
        status = read_file(role, qr_buf_cstr(&pem), err);
    qr_buf_done(&pem);
    QR_TRY(status);
    role->identity = role->settings->join;
    struct qr_rpc_loop_options loop = qri_role_loop(role, "control");
    QR_TRY(qr_rpc_loop_new(&loop, &role->loop, err));
    QR_TRY(qri_role_client(role, role->loop, "control", true, &role->control, err));
    bool told = false;
    for (;;) {
        status = qr_control_join(qr_rpc_client_peer(role->control), kind, JOIN_NS, &service, err);
        if (status != QR_TIMEOUT && status != QR_CLOSED && status != QR_BUSY)
            break;
        if (!told)
            QR_LOG(&role->log, QR_WARN, "waits_for_control", QR_F("address", role->control_address),
                   QR_F("reason", &err->text[0]));
        told = true;
    }
    return status == QR_OK ? take_service(role, &service, err) : status;
}
