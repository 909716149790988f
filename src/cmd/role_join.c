/* role_join.c - see cmd_int.h: a role that runs on another machine than its service.
 *
 * What it has is a data directory of its own and the file that `quire machine add` made; the rest
 * control tells. A service that is not there is waited for. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cmd_int.h"
#include "ctl/control.h"
#include "machine_file.h"
#include "rpc/identity.h"
#include "base/banned.h"

static const int64_t JOIN_NS = INT64_C(10) * 1000000000, BEAT_NS = INT64_C(1000000000),
                     BEAT_TIMEOUT_NS = INT64_C(10000000000), DAY_NS = INT64_C(86400) * 1000000000;

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

/* The node of a database by its name, and a directory for sockets. */
static enum qr_status take_node(struct qri_role *role, struct qri_settings *settings,
                                struct qr_err *err)
{
    struct qr_database_row row;
    uint32_t id;
    QR_TRY(qri_datadir_run(&role->dir, role->arena, &settings->run_dir, err));
    QR_TRY(qri_role_client(role, role->loop, "operate", true, &role->operate, err));
    if (!qr_place_database_of(settings->name, &id)) {
        char node[QR_NODE_NAME_BYTES];
        enum qr_status status = qr_control_find(qr_rpc_client_peer(role->control), 0,
                                                qr_str(settings->name), 0, 0, &row, err);
        if (status == QR_NOT_FOUND)
            return qr_fail(err, status, "--name: there is no database '%s'", settings->name);
        QR_TRY(status);
        if (!qr_database_is_hyper(&row))
            return qr_fail(err, QR_DENIED,
                           "--name: database '%s' is not of the Hyperscale tier, and others are "
                           "served by the service's own machine only",
                           row.name);
        qr_place_member(&row, (uint32_t)settings->replica, node);
        settings->name = qr_arena_dup(role->arena, node, strlen(node));
        if (settings->name == NULL)
            return qr_fail(err, QR_NOMEM, "join");
    }
    role->name = settings->name;
    return QR_OK;
}

/* Control's answer goes where the options of a role of this machine's own service would be. */
static enum qr_status take_service(struct qri_role *role, enum qr_role kind,
                                   const struct qr_control_service *service, struct qr_err *err)
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
    if (*settings->blob == '\0' && kind != QR_ROLE_COMPUTE)
        return qr_fail(err, QR_INVALID,
                       "--blob: machines need a blob store that all of them reach");
    if (kind != QR_ROLE_COMPUTE && *settings->server_key_file == '\0')
        QR_TRY(qr_server_key_parse(copy->server_key, "the server key from control",
                                   &role->server_key, err));
    role->service = copy;
    role->settings = settings;
    return kind == QR_ROLE_COMPUTE ? take_node(role, settings, err) : QR_OK;
}

void qri_role_stay_registered(struct qri_role *role, struct qr_control_ask *ask)
{
    char node[QR_CONTROL_PLACE_BYTES], session[QR_CONTROL_PLACE_BYTES];
    struct qr_err err = {0};
    const char *advertise = role->settings->advertise;
    bool is_node = ask->role == QR_ROLE_COMPUTE;
    enum qr_status status = qri_machine_address("advertise", advertise, QRI_PORT_NODE, node, &err);
    if (status == QR_OK)
        status = qri_machine_address("advertise", advertise, QRI_PORT_SESSION, session, &err);
    ask->node_address = qr_str(is_node ? node : "");
    ask->session_address = qr_str(is_node ? session : "");
    while (status == QR_OK && !atomic_load(&role->leaves)) {
        status = qr_control_call(qr_rpc_client_peer(role->control), QR_CONTROL_REGISTER, ask,
                                 BEAT_TIMEOUT_NS, NULL, &err);
        bool soon = status == QR_BUSY; /* it ends the process that it has in our place */
        if (status == QR_TIMEOUT || status == QR_CLOSED || status == QR_BUSY)
            status = QR_OK;
        if (status == QR_OK)
            qr_env_sleep_ns(role->env, soon ? BEAT_NS / 10 : BEAT_NS);
    }
    if (status == QR_OK || status == QR_CANCELLED || atomic_load(&role->leaves))
        return;
    if (!is_node) { /* it serves who asks it, whatever control thinks of it */
        QR_LOG(&role->log, QR_WARN, "not_registered", QR_F("name", role->name),
               QR_F("reason", &err.text[0]));
        return;
    }
    QR_LOG(&role->log, status == QR_NOT_FOUND ? QR_INFO : QR_ERROR, "place_lost",
           QR_F("name", role->name), QR_F("reason", &err.text[0]));
    kill(getpid(), SIGTERM); /* as a person would end it */
}

enum qr_status qri_role_join(struct qri_role *role, struct qr_err *err)
{
    struct qr_buf pem;
    struct qr_control_service service;
    enum qr_role kind = strcmp(role->settings->role, QR_ROLE_NAME_LOG) == 0    ? QR_ROLE_LOG
                        : strcmp(role->settings->role, QR_ROLE_NAME_PAGE) == 0 ? QR_ROLE_PAGE
                                                                               : QR_ROLE_COMPUTE;
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
    return status == QR_OK ? take_service(role, kind, &service, err) : status;
}
