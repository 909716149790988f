/* control_bed.h - control over its real sockets, with a node that does what the test says. */
#pragma once
#include "qr_test.h"
#include <stdlib.h>
#include <unistd.h>
#include "base/endian.h"
#include "ctl/control.h"
#include "ctl/peer.h"
#include "ctl/place.h"
#include "ctl/telemetry.h"
#include "env/thread.h"
#include "rpc/socket.h"

enum { CALLS_MAX = 32 };
static const int64_t TIME_NS = INT64_C(60) * 1000000000;

static struct qr_env *bed_env;             /* NULL: the real one */
static int64_t bed_pause_minute_ns;        /* 0: a minute */
static struct qr_telemetry *bed_telemetry; /* NULL: none */
static const char *bed_handed;             /* NULL: it is no other program's successor */
static int64_t bed_warm_up_ns;
static int64_t bed_round_ns; /* 0: seconds */

struct fixture {
    char dir[64], path[96], run[96];
    struct qr_meta *meta;
    struct qr_registry *registry;
    struct qr_control *control;
    struct qr_rpc_loop *loop;
    struct qr_rpc_client *brief, *operate;
    struct qr_rpc_listener *node;
    pthread_mutex_t mu;
    pthread_cond_t changed;
    int pid;          /* what the host says of every name */
    const char *ends; /* but that one ends for good when it is to; NULL: none ever ends */
    bool has_ended;
    int wanted;
    char wanted_name[QR_NODE_NAME_BYTES];
    uint16_t calls[CALLS_MAX]; /* what the node was asked */
    int call_count;
    /* What the node answers first; true: it has. */
    bool (*serve)(struct fixture *f, struct qr_rpc_request *own_request);
    uint16_t fail_method; /* the node refuses it with error 3702 */
    uint16_t keep_method; /* the node does not answer it before answer_kept */
    struct qr_rpc_request *kept[CALLS_MAX];
    int kept_count;
    struct qr_rest_state rest; /* what the node says to REST */
    int rest_count;            /* how often it was asked */
};

static inline enum qr_status want(void *ctx, const char *node, struct qr_err *err)
{
    struct fixture *f = ctx;
    (void)err;
    pthread_mutex_lock(&f->mu);
    f->wanted += 1;
    snprintf(f->wanted_name, sizeof f->wanted_name, "%s", node);
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->mu);
    return QR_OK;
}

static inline void end(void *ctx, const char *node)
{
    struct fixture *f = ctx;
    if (f->ends == NULL || strcmp(node, f->ends) != 0)
        return;
    pthread_mutex_lock(&f->mu);
    f->has_ended = true;
    pthread_mutex_unlock(&f->mu);
    qr_control_exited(f->control, node, false);
}

static inline int pid_of(void *ctx, const char *name)
{
    struct fixture *f = ctx;
    pthread_mutex_lock(&f->mu);
    bool has_ended = f->has_ended && strcmp(name, f->ends) == 0;
    pthread_mutex_unlock(&f->mu);
    return has_ended ? 0 : f->pid;
}

static inline void serve_node(void *ctx, struct qr_rpc_request *own_request)
{
    struct fixture *f = ctx;
    struct qr_err err = {0};
    if (f->serve != NULL && f->serve(f, own_request))
        return;
    pthread_mutex_lock(&f->mu);
    if (f->call_count < CALLS_MAX)
        f->calls[f->call_count++] = own_request->method;
    bool fails = own_request->method == f->fail_method;
    bool keeps = own_request->method == f->keep_method && f->kept_count < CALLS_MAX;
    if (keeps)
        f->kept[f->kept_count++] = own_request;
    bool rests = own_request->method == QR_NODE_REST;
    uint8_t rest[QR_REST_BYTES];
    qr_rest_state_put(rest, &f->rest);
    f->rest_count += rests;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->mu);
    if (keeps)
        return;
    if (rests) {
        qr_rpc_answer(own_request, &(struct iovec){rest, sizeof rest}, 1);
        return;
    }
    if (!fails) {
        qr_rpc_answer(own_request, NULL, 0);
        return;
    }
    (void)qr_fail(&err, QR_SQL, "in use");
    err.number = 3702;
    qr_rpc_refuse(own_request, QR_SQL, &err);
}

static inline enum qr_status new_client(struct fixture *f, const char *name,
                                        struct qr_rpc_client **client)
{
    char address[128];
    snprintf(address, sizeof address, "unix:%s/%s.sock", f->run, name);
    return qr_rpc_client_new(f->loop, &(struct qr_rpc_client_options){.address = address}, client,
                             NULL);
}

static inline enum qr_status open_control(struct fixture *f)
{
    char address[128];
    struct qr_control_options options = {
        .env = bed_env != NULL ? bed_env : qr_env_real(),
        .registry = f->registry,
        .run_dir = f->run,
        .host = {.ctx = f, .want = want, .end = end, .pid = pid_of},
        .pause_minute_ns = bed_pause_minute_ns,
        .warm_up_ns = bed_warm_up_ns,
        .telemetry = bed_telemetry,
        .round_ns = bed_round_ns,
        .handed = bed_handed,
    };
    QR_TRY(qr_control_new(&options, &f->control, NULL));
    QR_TRY(qr_rpc_loop_new(&(struct qr_rpc_loop_options){.env = qr_env_real()}, &f->loop, NULL));
    QR_TRY(new_client(f, "control", &f->brief));
    QR_TRY(new_client(f, "operate", &f->operate));
    snprintf(address, sizeof address, "unix:%s/shared.node", f->run);
    struct qr_rpc_listen_options listen = {.address = address, .serve = serve_node, .ctx = f};
    return qr_rpc_listen(f->loop, &listen, &f->node, NULL);
}

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    memcpy(f->dir, "/tmp/qr_test_control_XXXXXX", 28);
    if (mkdtemp(f->dir) == NULL)
        return 1;
    snprintf(f->path, sizeof f->path, "%s/meta.db", f->dir);
    snprintf(f->run, sizeof f->run, "%s/run", f->dir);
    pthread_mutex_init(&f->mu, NULL);
    qr_cond_init(&f->changed);
    f->pid = (int)getpid();
    *state = f;
    return qr_meta_open(f->path, &f->meta, NULL) != QR_OK ||
           qr_registry_open(f->meta, bed_env != NULL ? bed_env : qr_env_real(), &f->registry,
                            NULL) != QR_OK ||
           qr_registry_make_server(f->registry, qr_str("server01"), qr_str("boss"), qr_str("hash"),
                                   NULL, NULL, NULL) != QR_OK ||
           open_control(f) != QR_OK;
}

static inline void close_control(struct fixture *f)
{
    qr_rpc_client_free(f->brief);
    qr_rpc_client_free(f->operate);
    if (f->control != NULL)
        qr_control_stop(f->control);
    qr_rpc_listener_free(f->node);
    qr_control_free(f->control);
    qr_rpc_loop_free(f->loop);
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    close_control(f);
    qr_registry_close(f->registry);
    qr_meta_close(f->meta);
    snprintf(command, sizeof command, "rm -r '%s'", f->dir);
    int code = system(command);
    free(f);
    return code;
}

/* ---- asking ---- */

static inline enum qr_status call(struct qr_rpc_client *client, enum qr_control_method method,
                                  const struct qr_control_ask *ask, struct qr_buf *reply,
                                  struct qr_err *err)
{
    return qr_control_call(qr_rpc_client_peer(client), method, ask, TIME_NS, reply, err);
}

static inline enum qr_status make_ready(struct fixture *f, enum qr_role role, const char *name)
{
    struct qr_control_ask ask = {
        .role = (uint8_t)role, .name = qr_str(name), .pid = (uint32_t)getpid()};
    return call(f->brief, QR_CONTROL_REGISTER, &ask, NULL, NULL);
}

static inline void create(struct fixture *f, const char *name)
{
    struct qr_control_ask ask = {.name = qr_str(name)};
    assert_int_equal(call(f->operate, QR_CONTROL_CREATE, &ask, NULL, NULL), QR_OK);
}
