/* upgrade_ask.c - `quired upgrade`: asks the server that serves a data directory to replace its
 * program, and tells how far it is */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cmd_int.h"
#include "base/endian.h"
#include "upgrade_int.h"
#include "base/banned.h"

enum { PATH_BYTES = 4096, EXIT_USAGE = 2, LINES_BYTES_MAX = 1 << 20 };
static const int64_t LOOK_NS = 50000000, ASK_NS = INT64_C(20) * 1000000000,
                     SILENT_NS = INT64_C(60) * 1000000000;

static int usage(void)
{
    fprintf(stderr, "usage: quired upgrade [--data-dir DIR] [--binary PATH]\n"
                    "Replaces the program of the server that serves DIR [data-dir] by PATH [this "
                    "program].\n");
    return EXIT_USAGE;
}

static enum qr_status call(struct qr_rpc_client *client, uint16_t method, const void *body,
                           size_t bytes, struct qr_buf *reply, struct qr_err *err)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)body, .iov_len = bytes};
    return qr_rpc_call_wait(qr_rpc_client_peer(client), method, &iov, 1, ASK_NS, reply, err);
}

/* Prints what is new of the report. */
static enum qr_status look(struct qr_rpc_client *client, size_t *known,
                           enum qri_upgrade_state *ret_state, struct qr_err *err)
{
    struct qr_buf reply;
    uint8_t body[4];
    qr_put32le(body, (uint32_t)*known);
    qr_buf_init(&reply, LINES_BYTES_MAX);
    enum qr_status status = call(client, QRI_UPGRADE_SEEN, body, sizeof body, &reply, err);
    if (status == QR_OK && (reply.len == 0 || reply.data[0] >= QRI_UPGRADE_STATE_COUNT))
        status = qr_fail(err, QR_PROTOCOL, "the server's answer cannot be read");
    if (status == QR_OK) {
        fwrite(reply.data + 1, 1, reply.len - 1, stdout);
        fflush(stdout);
        *known += reply.len - 1;
        *ret_state = (enum qri_upgrade_state)reply.data[0];
    }
    qr_buf_done(&reply);
    return status;
}

/* While the supervisor becomes the new program there is nobody to ask for a moment. */
static enum qr_status follow(struct qr_rpc_client *client, enum qri_upgrade_state *ret_state,
                             struct qr_err *err)
{
    struct qr_env *env = qr_env_real();
    int64_t heard = qr_env_mono_ns(env);
    size_t known = 0;
    *ret_state = QRI_UPGRADE_RUNS;
    for (;;) {
        enum qr_status status = look(client, &known, ret_state, err);
        int64_t now = qr_env_mono_ns(env);
        if (status == QR_OK && *ret_state != QRI_UPGRADE_RUNS)
            return QR_OK;
        if (status == QR_OK)
            heard = now;
        else if (now - heard > SILENT_NS || status == QR_PROTOCOL || status == QR_CANCELLED)
            return status;
        qr_env_sleep_ns(env, LOOK_NS);
    }
}

static enum qr_status upgrade(const char *data_dir, const char *binary,
                              enum qri_upgrade_state *ret_state, struct qr_err *err)
{
    char dir[PATH_BYTES], path[PATH_BYTES], address[PATH_BYTES];
    struct qr_rpc_loop *loop = NULL;
    struct qr_rpc_client *client = NULL;
    if (realpath(data_dir, dir) == NULL)
        return qr_fail(err, QR_NOT_FOUND, "there is no data directory '%s'", data_dir);
    if (realpath(binary, path) == NULL)
        return qr_fail(err, QR_NOT_FOUND, "there is no program '%s'", binary);
    QR_TRY(qri_datadir_socket(dir, "upgrade", address, sizeof address, err));
    struct qr_rpc_client_options options = {.address = address, .backoff_max_ns = LOOK_NS};
    QR_TRY(qr_rpc_loop_new(&(struct qr_rpc_loop_options){.env = qr_env_real()}, &loop, err));
    enum qr_status status = qr_rpc_client_new(loop, &options, &client, err);
    if (status == QR_OK)
        status = call(client, QRI_UPGRADE_BEGIN, path, strlen(path), NULL, err);
    if (status == QR_CLOSED)
        status = qr_fail(err, QR_CLOSED, "no server serves '%s'", dir);
    else if (status == QR_OK)
        status =
            qr_wrap(err, follow(client, ret_state, err), "the server does not answer any more");
    qr_rpc_client_free(client);
    qr_rpc_loop_free(loop);
    return status;
}

int qri_upgrade_ask(int argc, char **argv)
{
    const char *data_dir = "data-dir", *binary = "/proc/self/exe";
    struct qr_err err = {0};
    enum qri_upgrade_state state = QRI_UPGRADE_IDLE;
    for (int i = 0; i < argc; i += 2) {
        if (i + 1 == argc)
            return usage();
        if (strcmp(argv[i], "--data-dir") == 0)
            data_dir = argv[i + 1];
        else if (strcmp(argv[i], "--binary") == 0)
            binary = argv[i + 1];
        else
            return usage();
    }
    enum qr_status status = upgrade(data_dir, binary, &state, &err);
    if (status == QR_EXISTS) {
        printf("%s\n", err.text);
        return EXIT_SUCCESS;
    }
    if (status != QR_OK) {
        fprintf(stderr, "quired: %s\n", err.text);
        return EXIT_FAILURE;
    }
    return state == QRI_UPGRADE_DONE ? EXIT_SUCCESS : EXIT_FAILURE;
}
