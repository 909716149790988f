/* role_api.c - see cmd_int.h: the process that serves the management API.
 *
 * Its socket is the supervisor's, as the gateway's is. It keeps the key that its tokens are signed
 * with in the data directory, so that they outlive it. */
#include <stdlib.h>
#include "arm/arm.h"
#include "cmd_int.h"
#include "base/banned.h"

enum { TICK_MS = 10000, STOP_MS = 4000, PEM_BYTES_MAX = 64 * 1024 };

struct api_role {
    struct qr_buf key_pem, cert_pem, token_key_pem;
    struct qr_arm_host host;
    struct qr_arm *arm;
};

static enum qr_status read_token_key(struct qri_role *role, struct qr_buf *key_pem,
                                     struct qr_err *err)
{
    const char *path = qri_datadir_path(&role->dir, role->arena, "tls", "token-key.pem");
    if (path == NULL)
        return qr_fail(err, QR_NOMEM, "load the key for tokens");
    enum qr_status status = qr_env_read_file(role->env, path, key_pem, err);
    if (status != QR_NOT_FOUND)
        return status;
    QR_TRY(qr_arm_make_key(key_pem, err));
    return qr_env_replace_file(role->env, path, key_pem->data, key_pem->len, err);
}

/* The first line of the file, if one is given. */
static enum qr_status read_metrics_token(struct qri_role *role, const char **ret_token,
                                         struct qr_err *err)
{
    enum { TOKEN_BYTES_MIN = 16, TOKEN_BYTES_MAX = 4096 };
    const char *path = role->settings->metrics_token_file;
    struct qr_buf text;
    if (*path == '\0')
        return QR_OK;
    qr_buf_init(&text, TOKEN_BYTES_MAX);
    enum qr_status status = qr_env_read_file(role->env, path, &text, err);
    size_t n = 0;
    while (status == QR_OK && n < text.len && text.data[n] != '\n' && text.data[n] != '\r')
        n++;
    if (status == QR_OK && n < TOKEN_BYTES_MIN)
        status = qr_fail(err, QR_INVALID, "'%s' has no token of %d bytes or more", path,
                         TOKEN_BYTES_MIN);
    if (status == QR_OK)
        *ret_token = qr_arena_str(role->arena, qr_str_n((const char *)text.data, n)).p;
    qr_buf_done(&text);
    return status == QR_OK && *ret_token == NULL ? qr_fail(err, QR_NOMEM, "read '%s'", path)
                                                 : qr_wrap(err, status, "metrics-token-file");
}

static enum qr_status open_api(struct qri_role *role, struct api_role *api, struct qr_err *err)
{
    const struct qri_settings *settings = role->settings;
    QR_TRY(qri_datadir_tls(&role->dir, role->arena, &api->key_pem, &api->cert_pem, err));
    QR_TRY(read_token_key(role, &api->token_key_pem, err));
    api->host = (struct qr_arm_host){.control = qr_rpc_client_peer(role->control),
                                     .operate = qr_rpc_client_peer(role->operate),
                                     .server_name = settings->server_name};
    const char *metrics_token = NULL;
    QR_TRY(read_metrics_token(role, &metrics_token, err));
    struct qr_arm_options options = {
        .env = role->env,
        .metrics_token = metrics_token,
        .log = role->log,
        .listen = settings->listen,
        .port = (uint16_t)settings->https_port,
        .listen_fd = (int)settings->https_fd,
        .key_pem = qr_buf_cstr(&api->key_pem),
        .cert_pem = qr_buf_cstr(&api->cert_pem),
        .token_key_pem = qr_buf_cstr(&api->token_key_pem),
        .host = &api->host,
        .cgroup_cpu = *settings->cgroup_cpu != '\0',
        .cgroup_memory = *settings->cgroup_memory != '\0',
    };
    return qr_arm_start(&options, &api->arm, err);
}

static bool tick(void *ctx)
{
    (void)ctx;
    qri_give_back_memory();
    return true;
}

enum qr_status qri_serve_api(struct qri_role *role, struct qr_err *err)
{
    struct api_role api = {.arm = NULL};
    qr_buf_init(&api.key_pem, PEM_BYTES_MAX);
    qr_buf_init(&api.cert_pem, PEM_BYTES_MAX);
    qr_buf_init(&api.token_key_pem, PEM_BYTES_MAX);
    enum qr_status status = open_api(role, &api, err);
    if (status == QR_OK)
        status = qri_role_ready(role, QR_ROLE_API, err);
    if (status == QR_OK) {
        qri_role_wait(role, TICK_MS, tick, NULL);
        qri_role_end_within(role, STOP_MS, 0);
        qr_arm_drain(api.arm);
    }
    qr_rpc_client_stop(role->control); /* requests under way end with what they wait for */
    qr_rpc_client_stop(role->operate);
    qr_arm_free(api.arm);
    qr_buf_done(&api.token_key_pem);
    qr_buf_done(&api.key_pem);
    qr_buf_done(&api.cert_pem);
    return status;
}
