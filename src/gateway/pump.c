/* pump.c - see gateway_int.h: worker threads over one epoll set.
 *
 * Descriptors are edge-triggered, so a request costs no epoll_ctl; an edge that comes while a
 * connection has an owner sets its `pending`. `target` workers run at once. One that is about to
 * block says so and another is woken or started; when it comes back there is one too many, and the
 * next that ends its request parks. Requests are not interrupted: when none was begun for a tick
 * and no worker is idle, long ones hold them all, and `extra` lets one more in, until one is idle
 * again. The number of threads is bounded by that of connections, so a worker can always be had for
 * the one session that others wait for. */
#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "env/thread.h"
#include "gateway_int.h"
#include "base/banned.h"

enum {
    STACK_BYTES = 2 * 1024 * 1024, /* T-SQL nests; untouched stack costs nothing */
    PARKED_MAX = 64,
};
#define READY_ID UINT64_MAX

static void *worker_main(void *arg);

/* Called with pump.mu held. */
static void start_worker(struct qr_gateway *gateway)
{
    struct qri_pump *pump = &gateway->pump;
    pthread_t thread;
    struct qri_worker *worker = malloc(sizeof *worker);
    if (worker == NULL)
        return; /* fewer workers: slower, not wrong, because a blocked one comes back */
    worker->gateway = gateway;
    pump->workers += 1;
    pump->runnable += 1;
    struct qr_err err = {0};
    if (qr_thread_start("worker", STACK_BYTES, worker_main, worker, &thread, &err) != QR_OK) {
        pump->workers -= 1;
        pump->runnable -= 1;
        free(worker);
        QR_LOG(&gateway->options.log, QR_WARN, "worker_not_started", QR_F("reason", &err.text[0]));
        return;
    }
    pthread_detach(thread);
    gateway->metric_values[QR_GATEWAY_WORKERS] = pump->workers;
}

static struct qri_conn *take_ready(struct qri_pump *pump)
{
    uint64_t one;
    if (read(pump->ready_fd, &one, sizeof one) != sizeof one)
        return NULL; /* another worker was faster */
    pthread_mutex_lock(&pump->mu);
    struct qri_conn *conn = pump->ready_head;
    if (conn != NULL) {
        pump->ready_head = conn->ready_next;
        if (pump->ready_head == NULL)
            pump->ready_tail = NULL;
    }
    pthread_mutex_unlock(&pump->mu);
    return conn;
}

/* False: the worker shall end. */
static bool park_if_surplus(struct qri_pump *pump)
{
    pthread_mutex_lock(&pump->mu);
    bool surplus = pump->runnable > pump->target + pump->extra;
    bool ends = pump->stopping || (surplus && pump->parked >= PARKED_MAX);
    if (surplus && !ends) {
        pump->runnable -= 1;
        pump->parked += 1;
        while (pump->wakes == 0 && !pump->stopping)
            pthread_cond_wait(&pump->park, &pump->mu);
        if (pump->wakes > 0)
            pump->wakes -= 1; /* whoever woke us has counted us as runnable */
        else
            pump->runnable += 1;
        ends = pump->stopping;
    }
    pthread_mutex_unlock(&pump->mu);
    return !ends;
}

static void *worker_main(void *arg)
{
    struct qri_worker *worker = arg;
    struct qr_gateway *gateway = worker->gateway;
    struct qri_pump *pump = &gateway->pump;
    while (park_if_surplus(pump)) {
        struct epoll_event event;
        atomic_fetch_add_explicit(&pump->idle, 1, memory_order_relaxed);
        int n = epoll_wait(pump->epoll_fd, &event, 1, -1);
        atomic_fetch_sub_explicit(&pump->idle, 1, memory_order_relaxed);
        if (n != 1)
            continue;
        atomic_fetch_add_explicit(&pump->taken, 1, memory_order_relaxed);
        if (event.data.u64 == READY_ID) {
            struct qri_conn *conn = take_ready(pump);
            if (conn != NULL) {
                qri_conn_run(conn, worker);
                qri_conn_unref(conn);
            }
            continue;
        }
        struct qri_conn *conn = qri_conn_ref_by_id(gateway, event.data.u64);
        if (conn != NULL) {
            enum qri_side side = (event.data.u64 & QRI_NODE_SIDE) != 0 ? SIDE_NODE : SIDE_CLIENT;
            bool half_closed = (event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
            qri_conn_event(conn, worker, side, half_closed);
            qri_conn_unref(conn);
        }
    }
    free(worker);
    /* Else OpenSSL's part of the thread ends after it was counted out, beside the process's exit.
     */
    OPENSSL_thread_stop();
    pthread_mutex_lock(&pump->mu);
    pump->workers -= 1;
    pump->runnable -= 1;
    gateway->metric_values[QR_GATEWAY_WORKERS] = pump->workers;
    pthread_cond_broadcast(&pump->ended);
    pthread_mutex_unlock(&pump->mu);
    return NULL;
}

enum qr_status qri_pump_init(struct qr_gateway *gateway, struct qr_err *err)
{
    struct qri_pump *pump = &gateway->pump;
    pthread_mutex_init(&pump->mu, NULL);
    pthread_cond_init(&pump->park, NULL);
    qr_cond_init(&pump->ended);
    pump->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    pump->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = READY_ID};
    if (pump->epoll_fd < 0 || pump->ready_fd < 0 ||
        epoll_ctl(pump->epoll_fd, EPOLL_CTL_ADD, pump->ready_fd, &event) != 0)
        return qr_fail(err, QR_IO, "make the event queue: error %d", errno);

    uint32_t wanted = gateway->options.workers;
    if (wanted == 0) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        wanted = processors < 2 ? 2 : (uint32_t)processors;
    }
    pthread_mutex_lock(&pump->mu);
    pump->target = wanted;
    pump->workers_max = gateway->options.connections_max + wanted;
    for (uint32_t i = 0; i < wanted; i++)
        start_worker(gateway);
    bool started = pump->workers > 0;
    pthread_mutex_unlock(&pump->mu);
    return started ? QR_OK : qr_fail(err, QR_NOMEM, "start workers");
}

void qri_pump_stop(struct qr_gateway *gateway)
{
    struct qri_pump *pump = &gateway->pump;
    pthread_mutex_lock(&pump->mu);
    pump->stopping = true;
    uint64_t wake = pump->workers;
    pthread_cond_broadcast(&pump->park);
    while (pump->workers > 0) {
        ssize_t ignored = write(pump->ready_fd, &wake, sizeof wake);
        (void)ignored;
        qr_cond_wait(&pump->ended, &pump->mu, 10000000);
    }
    pthread_mutex_unlock(&pump->mu);
}

void qri_pump_done(struct qr_gateway *gateway)
{
    struct qri_pump *pump = &gateway->pump;
    if (pump->ready_fd > 0)
        close(pump->ready_fd);
    if (pump->epoll_fd > 0)
        close(pump->epoll_fd);
    pthread_cond_destroy(&pump->ended);
    pthread_cond_destroy(&pump->park);
    pthread_mutex_destroy(&pump->mu);
}

static struct epoll_event events_of(uint64_t id, bool output)
{
    uint32_t events = EPOLLIN | EPOLLRDHUP | EPOLLET | (output ? EPOLLOUT : 0u);
    return (struct epoll_event){.events = events, .data.u64 = id};
}

void qri_pump_watch_output(struct qr_gateway *gateway, int fd, uint64_t id, bool output)
{
    struct epoll_event event = events_of(id, output);
    epoll_ctl(gateway->pump.epoll_fd, EPOLL_CTL_MOD, fd, &event);
}

enum qr_status qri_pump_watch(struct qr_gateway *gateway, int fd, uint64_t id, bool output,
                              struct qr_err *err)
{
    struct epoll_event event = events_of(id, output);
    if (epoll_ctl(gateway->pump.epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        return qr_fail(err, QR_IO, "watch a connection: error %d", errno);
    return QR_OK;
}

void qri_pump_unwatch(struct qr_gateway *gateway, int fd)
{
    epoll_ctl(gateway->pump.epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

void qri_pump_post(struct qri_conn *conn)
{
    struct qri_pump *pump = &conn->gateway->pump;
    atomic_fetch_add(&conn->refs, 1); /* taken over by the worker that takes it */
    pthread_mutex_lock(&pump->mu);
    conn->ready_next = NULL;
    if (pump->ready_tail != NULL)
        pump->ready_tail->ready_next = conn;
    else
        pump->ready_head = conn;
    pump->ready_tail = conn;
    pthread_mutex_unlock(&pump->mu);
    uint64_t one = 1;
    ssize_t n = write(pump->ready_fd, &one, sizeof one);
    assert(n == sizeof one); /* the counter holds 2^64 - 2 */
}

/* Called with pump.mu held. */
static void let_one_in(struct qr_gateway *gateway)
{
    struct qri_pump *pump = &gateway->pump;
    if (pump->stopping || pump->runnable >= pump->target + pump->extra)
        return;
    if (pump->parked > 0) {
        pump->parked -= 1;
        pump->runnable += 1;
        pump->wakes += 1;
        pthread_cond_signal(&pump->park);
    } else if (pump->workers < pump->workers_max) {
        start_worker(gateway);
    }
}

void qri_pump_tick(struct qr_gateway *gateway)
{
    struct qri_pump *pump = &gateway->pump;
    uint64_t taken = atomic_load_explicit(&pump->taken, memory_order_relaxed);
    bool idle = atomic_load_explicit(&pump->idle, memory_order_relaxed) > 0;
    bool stuck = !idle && taken == pump->taken_at_tick;
    pump->taken_at_tick = taken;
    pthread_mutex_lock(&pump->mu);
    if (stuck && pump->runnable >= pump->target + pump->extra)
        pump->extra += 1;
    else if (idle)
        pump->extra = 0;
    if (stuck)
        let_one_in(gateway);
    pthread_mutex_unlock(&pump->mu);
}

void qri_pump_block_begin(struct qr_gateway *gateway)
{
    pthread_mutex_lock(&gateway->pump.mu);
    gateway->pump.runnable -= 1;
    let_one_in(gateway);
    pthread_mutex_unlock(&gateway->pump.mu);
}

void qri_pump_block_end(struct qr_gateway *gateway)
{
    pthread_mutex_lock(&gateway->pump.mu);
    gateway->pump.runnable += 1;
    pthread_mutex_unlock(&gateway->pump.mu);
}
