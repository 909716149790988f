/* loop.c - see rpc/socket.h: the thread that waits for sockets and due times */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "socket_int.h"
#include "base/banned.h"

enum { EVENTS_MAX = 64, LOOP_STACK_BYTES = 1 << 20 };

static _Thread_local const struct qr_rpc_loop *here; /* the loop that this thread runs */

static void wake(struct qr_rpc_loop *loop)
{
    uint64_t one = 1;
    ssize_t n = write(loop->wake_fd, &one, sizeof one);
    (void)n; /* EAGAIN: it is awake already */
}

bool qri_loop_is_here(const struct qr_rpc_loop *loop)
{
    return here == loop;
}

void qri_loop_run(struct qr_rpc_loop *loop, void (*run)(void *arg), void *arg)
{
    assert(!qri_loop_is_here(loop));
    struct qri_task task = {.run = run, .arg = arg};
    pthread_mutex_lock(&loop->mu);
    struct qri_task **last = &loop->tasks;
    while (*last != NULL)
        last = &(*last)->next;
    *last = &task;
    wake(loop);
    while (!task.done)
        pthread_cond_wait(&loop->task_done, &loop->mu);
    pthread_mutex_unlock(&loop->mu);
}

enum qr_status qri_source_add(struct qr_rpc_loop *loop, struct qri_source *source,
                              struct qr_err *err)
{
    source->loop = loop;
    source->closed = false;
    if (source->fd >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};
        if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) != 0)
            return qr_fail(err, QR_IO, "watch a socket: error %d", errno);
    }
    source->prev = NULL;
    source->next = loop->sources;
    if (loop->sources != NULL)
        loop->sources->prev = source;
    loop->sources = source;
    return QR_OK;
}

void qri_source_watch(struct qri_source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};
    int rc = epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event);
    assert(rc == 0);
}

void qri_source_close(struct qri_source *source)
{
    struct qr_rpc_loop *loop = source->loop;
    if (source->closed)
        return;
    source->closed = true;
    if (source->fd >= 0) {
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
        close(source->fd);
    }
    source->fd = -1;
    atomic_store(&source->due_ns, INT64_MAX);
    if (source->prev != NULL)
        source->prev->next = source->next;
    else
        loop->sources = source->next;
    if (source->next != NULL)
        source->next->prev = source->prev;
    source->next = loop->closed;
    loop->closed = source;
}

void qri_source_due(struct qri_source *source, int64_t at_ns)
{
    int64_t was = atomic_load(&source->due_ns);
    while (at_ns < was && !atomic_compare_exchange_weak(&source->due_ns, &was, at_ns))
        ;
    if (at_ns < atomic_load(&source->loop->sleep_until_ns))
        wake(source->loop);
}

static void free_closed(struct qr_rpc_loop *loop)
{
    while (loop->closed != NULL) {
        struct qri_source *source = loop->closed;
        loop->closed = source->next;
        if (source->free != NULL)
            source->free(source);
    }
}

/* What a due time calls may close any source: start anew after each call, but once for each. */
static void run_due(struct qr_rpc_loop *loop)
{
    int64_t now = qr_env_mono_ns(loop->env);
    loop->round += 1;
    for (struct qri_source *source = loop->sources; source != NULL;) {
        if (atomic_load(&source->due_ns) > now || source->round == loop->round) {
            source = source->next;
            continue;
        }
        source->round = loop->round;
        atomic_store(&source->due_ns, INT64_MAX);
        source->due(source, now);
        source = loop->sources;
    }
}

static void run_tasks(struct qr_rpc_loop *loop)
{
    pthread_mutex_lock(&loop->mu);
    while (loop->tasks != NULL) {
        struct qri_task *task = loop->tasks;
        loop->tasks = task->next;
        pthread_mutex_unlock(&loop->mu);
        task->run(task->arg);
        free_closed(loop); /* the caller may free what they stood in */
        pthread_mutex_lock(&loop->mu);
        task->done = true;
        pthread_cond_broadcast(&loop->task_done);
    }
    pthread_mutex_unlock(&loop->mu);
}

/* Milliseconds to sleep, rounded up. A due time set from now on wakes us (sleep_until_ns). */
static int prepare_sleep(struct qr_rpc_loop *loop)
{
    atomic_store(&loop->sleep_until_ns, INT64_MAX);
    int64_t until = INT64_MAX;
    for (struct qri_source *source = loop->sources; source != NULL; source = source->next) {
        int64_t due = atomic_load(&source->due_ns);
        until = due < until ? due : until;
    }
    atomic_store(&loop->sleep_until_ns, until);
    if (until == INT64_MAX)
        return -1;
    int64_t left = until - qr_env_mono_ns(loop->env);
    if (left <= 0)
        return 0;
    int64_t ms = (left + 999999) / 1000000;
    return ms < 60000 ? (int)ms : 60000;
}

static bool stopped(struct qr_rpc_loop *loop)
{
    pthread_mutex_lock(&loop->mu);
    bool stop = loop->stop;
    pthread_mutex_unlock(&loop->mu);
    return stop;
}

static void *loop_main(void *arg)
{
    struct qr_rpc_loop *loop = arg;
    here = loop;
    while (!stopped(loop)) {
        struct epoll_event events[EVENTS_MAX];
        int n = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, prepare_sleep(loop));
        atomic_store(&loop->sleep_until_ns, INT64_MIN);
        bool woken = false;
        for (int i = 0; i < n; i++) {
            struct qri_source *source = events[i].data.ptr;
            if (source == NULL)
                woken = true;
            else if (!source->closed)
                source->ready(source, events[i].events);
        }
        run_due(loop);
        free_closed(loop); /* after the events, which may have named them */
        if (woken) {
            uint64_t count;
            ssize_t got = read(loop->wake_fd, &count, sizeof count);
            (void)got;
            run_tasks(loop);
        }
    }
    return NULL;
}

static void loop_destroy(struct qr_rpc_loop *loop)
{
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    SSL_CTX_free(loop->tls);
    pthread_mutex_destroy(&loop->mu);
    pthread_cond_destroy(&loop->task_done);
    free(loop);
}

static enum qr_status loop_start(struct qr_rpc_loop *loop,
                                 const struct qr_rpc_loop_options *options, struct qr_err *err)
{
    if (options->cert_path != NULL)
        QR_TRY(qri_tls_context_new(options, &loop->tls, err));
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (loop->epoll_fd < 0 || loop->wake_fd < 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event) != 0)
        return qr_fail(err, QR_IO, "make an epoll set: error %d", errno);
    return qr_thread_start(options->name == NULL ? "rpc" : options->name, LOOP_STACK_BYTES,
                           loop_main, loop, &loop->thread, err);
}

enum qr_status qr_rpc_loop_new(const struct qr_rpc_loop_options *options,
                               struct qr_rpc_loop **ret_loop, struct qr_err *err)
{
    struct qr_rpc_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return qr_fail(err, QR_NOMEM, "start an rpc loop");
    loop->env = options->env;
    if (options->log != NULL)
        loop->log = *options->log;
    loop->epoll_fd = loop->wake_fd = -1;
    atomic_init(&loop->sleep_until_ns, INT64_MIN);
    pthread_mutex_init(&loop->mu, NULL);
    qr_cond_init(&loop->task_done);
    enum qr_status status = loop_start(loop, options, err);
    if (status != QR_OK) {
        loop_destroy(loop);
        return qr_wrap(err, status, "start an rpc loop");
    }
    *ret_loop = loop;
    return QR_OK;
}

void qr_rpc_loop_free(struct qr_rpc_loop *loop)
{
    if (loop == NULL)
        return;
    assert(!qri_loop_is_here(loop));
    pthread_mutex_lock(&loop->mu);
    loop->stop = true;
    pthread_mutex_unlock(&loop->mu);
    wake(loop);
    pthread_join(loop->thread, NULL);
    assert(loop->sources == NULL); /* clients and listeners go first */
    free_closed(loop);
    loop_destroy(loop);
}
