/* handoff_world.c - see handoff_world.h */
#include "handoff_world.h"
#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/sqlmsg.h"
#include "gateway/cert.h"
#include "base/banned.h"

static struct qr_buf key_pem, cert_pem;
static struct qr_firewall firewall;
static struct qr_log_sink sink;

void world_setup(void)
{
    qr_log_sink_init_stderr(&sink, qr_env_real(), QR_ERROR);
    qr_buf_init(&key_pem, 65536);
    qr_buf_init(&cert_pem, 65536);
    qr_firewall_init(&firewall);
    bool ok = select1_init() &&
              qr_cert_make(qr_env_real(), "testhost", &key_pem, &cert_pem, NULL) == QR_OK;
    assert(ok);
}

void world_teardown(void)
{
    qr_firewall_done(&firewall);
    qr_buf_done(&key_pem);
    qr_buf_done(&cert_pem);
}

static void route(void *ctx, struct qr_route_job *job)
{
    struct world *world = ctx;
    atomic_fetch_add(&world->routes, 1);
    atomic_store(&world->last_attempt, job->attempt);
    if (job->attempt == 1)
        atomic_fetch_add(&world->retried, 1);
    atomic_store(&world->last_read_only, job->read_only_intent);
    switch (atomic_load(&world->mode)) {
    case ROUTE_TO_NODE:
        memcpy(job->address, world->address, sizeof job->address);
        break;
    case ROUTE_REFUSES:
        job->status = qr_sql_fail(&job->err, 4060, "nowhere");
        break;
    case ROUTE_FAILS:
        job->status = qr_fail(&job->err, QR_BUSY, "not now");
        break;
    case ROUTE_KEEPS:
        atomic_store(&world->kept, job);
        return;
    }
    job->done(job);
}

void world_init(struct world *world)
{
    memset(world, 0, sizeof *world);
    snprintf(world->folder, sizeof world->folder, "/tmp/quire-handoff-XXXXXX");
    const char *folder = mkdtemp(world->folder);
    assert(folder != NULL);
    snprintf(world->path, sizeof world->path, "%s/node.tds", world->folder);
    snprintf(world->address, sizeof world->address, "unix:%s", world->path);
    snprintf(world->return_path, sizeof world->return_path, "%s/front.back", world->folder);
    snprintf(world->return_address, sizeof world->return_address, "unix:%s", world->return_path);
    world->router = (struct qr_router){.ctx = world, .route = route};
}

void world_done(struct world *world)
{
    bool stopped = world_stop_front(world, 3000) && world_stop_node(world, 3000);
    assert(stopped);
    unlink(world->path);
    unlink(world->return_path);
    rmdir(world->folder);
}

static void start_front(struct world *world, uint32_t login_ms_max, int tds_fd,
                        const struct qr_service *service)
{
    struct qr_gateway_options options = {
        .env = qr_env_real(),
        .log = {&sink, "gateway"},
        .listen = "127.0.0.1",
        .tds_fd = tds_fd,
        .key_pem = qr_buf_cstr(&key_pem),
        .cert_pem = qr_buf_cstr(&cert_pem),
        .server_name = "server01",
        .service = service,
        .router = service == NULL ? &world->router : NULL,
        .return_address = service == NULL ? world->return_address : NULL,
        .logins = &select1_logins,
        .firewall = &firewall,
        .allow_plaintext_login = true,
        .workers = 2,
        .login_ms_max = login_ms_max,
    };
    enum qr_status status = qr_gateway_start(&options, &world->front, NULL);
    assert(status == QR_OK);
}

void world_start_front(struct world *world, uint32_t login_ms_max)
{
    start_front(world, login_ms_max, 0, NULL);
}

void world_start_front_at(struct world *world, uint32_t login_ms_max, int tds_fd)
{
    start_front(world, login_ms_max, tds_fd, NULL);
}

void world_start_alone(struct world *world)
{
    start_front(world, 0, 0, &select1_service);
}

void world_start_node(struct world *world)
{
    struct qr_gateway_options options = {
        .env = qr_env_real(),
        .log = {&sink, "node"},
        .handoff_address = world->address,
        .return_address = world->return_address,
        .service = &select1_service,
        .server_name = "server01",
        .workers = 2,
    };
    enum qr_status status = qr_gateway_start(&options, &world->node, NULL);
    assert(status == QR_OK);
}

struct qr_gateway *world_replace_node(struct world *world)
{
    struct qr_gateway *old = world->node;
    static int number;
    memcpy(world->old_path, world->path, sizeof world->old_path);
    snprintf(world->path, sizeof world->path, "%s/node%d.tds", world->folder, ++number);
    snprintf(world->address, sizeof world->address, "unix:%s", world->path);
    world_start_node(world);
    return old;
}

static bool stop(struct qr_gateway **gateway, int64_t grace_ms)
{
    if (*gateway == NULL)
        return true;
    bool stopped = qr_gateway_stop(*gateway, grace_ms);
    if (stopped)
        qr_gateway_free(*gateway);
    *gateway = NULL;
    return stopped;
}

bool world_stop_old(struct world *world, struct qr_gateway *own_old)
{
    bool stopped = stop(&own_old, 0);
    unlink(world->old_path);
    return stopped;
}

bool world_stop_front(struct world *world, int64_t grace_ms)
{
    return stop(&world->front, grace_ms);
}

bool world_stop_node(struct world *world, int64_t grace_ms)
{
    return stop(&world->node, grace_ms);
}

uint16_t world_port(const struct world *world)
{
    return qr_gateway_tds_port(world->front);
}

int64_t world_metric(const struct qr_gateway *gateway, enum qr_gateway_metric metric)
{
    return qr_metric_get(qr_gateway_metrics(gateway), metric);
}

bool world_reaches(const struct qr_gateway *gateway, enum qr_gateway_metric metric, int64_t value)
{
    int64_t until = world_now_ms() + 10000;
    while (world_metric(gateway, metric) != value && world_now_ms() < until)
        world_sleep_ms(1);
    return world_metric(gateway, metric) == value;
}

int64_t world_now_ms(void)
{
    return qr_env_mono_ns(qr_env_real()) / 1000000;
}

void world_sleep_ms(int64_t ms)
{
    qr_env_sleep_ns(qr_env_real(), ms * 1000000);
}

size_t world_descriptors(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert(dir != NULL);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}
