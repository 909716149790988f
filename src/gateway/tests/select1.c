/* select1.c - a server for the clients' tests: the gateway with the service of select1.h. Never
 * shipped.
 *
 * usage: select1 [plaintext] [handoff SOCKET | node SOCKET]; with handoff the sessions are in a
 * second gateway that the first one hands them to; node is that second one alone. Prints
 * `ready TDS HTTPS`, ends when standard input does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "gateway/cert.h"
#include "gateway/gateway.h"
#include "select1.h"

/* Every database is at the node. */
static void route_to_node(void *ctx, struct qr_route_job *job)
{
    snprintf(job->address, sizeof job->address, "%s", (const char *)ctx);
    job->done(job);
}

static struct qr_gateway *start(const struct qr_gateway_options *options)
{
    struct qr_gateway *gateway = NULL;
    struct qr_err err = {0};
    if (qr_gateway_start(options, &gateway, &err) != QR_OK)
        fprintf(stderr, "%s\n", err.text);
    return gateway;
}

static bool stop(struct qr_gateway *gateway, int64_t grace_ms)
{
    bool stopped = qr_gateway_stop(gateway, grace_ms);
    if (stopped)
        qr_gateway_free(gateway);
    return stopped;
}

static void wait_for_end_of_input(void)
{
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
}

static bool serve(const struct qr_gateway_options *options)
{
    struct qr_gateway *gateway = start(options);
    if (gateway == NULL)
        return false;
    printf("ready %u\n", qr_gateway_tds_port(gateway));
    fflush(stdout);
    wait_for_end_of_input();
    return stop(gateway, 500);
}

static bool serve_through(const struct qr_gateway_options *options, const char *mode,
                          const char *socket_path)
{
    char address[QR_ROUTE_ADDRESS_BYTES];
    snprintf(address, sizeof address, "unix:%s", socket_path);
    struct qr_gateway_options node_options = {
        .env = options->env,
        .log = {options->log.sink, "node"},
        .server_name = options->server_name,
        .handoff_address = address,
        .service = options->service,
        .workers = 2,
        .request_bytes_max = options->request_bytes_max,
    };
    if (strcmp(mode, "node") == 0)
        return serve(&node_options);
    struct qr_router router = {.ctx = address, .route = route_to_node};
    struct qr_gateway_options front_options = *options;
    front_options.service = NULL;
    front_options.router = &router;
    struct qr_gateway *node = start(&node_options);
    if (node == NULL)
        return false;
    bool served = serve(&front_options);
    return stop(node, 500) && served;
}

int main(int argc, char **argv)
{
    struct qr_env *env = qr_env_real();
    struct qr_log_sink sink;
    struct qr_buf key, cert;
    struct qr_firewall firewall;

    qr_log_sink_init_stderr(&sink, env, QR_INFO);
    qr_buf_init(&key, 65536);
    qr_buf_init(&cert, 65536);
    qr_firewall_init(&firewall);
    if (qr_cert_make(env, "testhost", &key, &cert, NULL) != QR_OK || !select1_init())
        return 1;
    struct qr_gateway_options options = {
        .env = env,
        .log = {&sink, "gateway"},
        .listen = "127.0.0.1",
        .key_pem = qr_buf_cstr(&key),
        .cert_pem = qr_buf_cstr(&cert),
        .server_name = "server01",
        .service = &select1_service,
        .logins = &select1_logins,
        .firewall = &firewall,
        .allow_plaintext_login = argc > 1 && strcmp(argv[1], "plaintext") == 0,
        .workers = 2,
        .unauthenticated_max = 20,
        .login_ms_max = 3000,
        .request_bytes_max = 1024 * 1024,
    };
    bool ok = argc > 2 ? serve_through(&options, argv[argc - 2], argv[argc - 1]) : serve(&options);
    qr_firewall_done(&firewall);
    qr_buf_done(&key);
    qr_buf_done(&cert);
    return ok ? 0 : 2;
}
