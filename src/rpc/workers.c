/* workers.c - see rpc/socket.h: a bounded pool of threads that serve */
#include <stdlib.h>
#include "socket_int.h"
#include "base/banned.h"

enum { QUEUE_MAX_DEFAULT = 4096, WORKERS_MAX = 256 };

struct qri_workers {
    struct qr_env *env;
    qr_rpc_serve_fn *serve;
    void *ctx;
    pthread_t *threads;
    int thread_count;
    pthread_mutex_t mu;
    pthread_cond_t more;
    struct qr_rpc_request **ring; /* guarded by mu, like what follows */
    size_t ring_size, first, count;
    bool stop;
};

static struct qr_rpc_request *take(struct qri_workers *workers)
{
    struct qr_rpc_request *request = NULL;
    pthread_mutex_lock(&workers->mu);
    while (workers->count == 0 && !workers->stop)
        pthread_cond_wait(&workers->more, &workers->mu);
    if (!workers->stop) {
        request = workers->ring[workers->first];
        workers->first = (workers->first + 1) % workers->ring_size;
        workers->count -= 1;
    }
    pthread_mutex_unlock(&workers->mu);
    return request;
}

static void *worker_main(void *arg)
{
    struct qri_workers *workers = arg;
    struct qr_rpc_request *request;
    while ((request = take(workers)) != NULL) {
        if (qr_rpc_request_gone(request) ||
            request->deadline_mono_ns <= qr_env_mono_ns(workers->env))
            qr_rpc_refuse(request, QR_TIMEOUT, NULL); /* nobody waits for it any more */
        else
            workers->serve(workers->ctx, request);
    }
    return NULL;
}

bool qri_workers_put(struct qri_workers *workers, struct qr_rpc_request *own_request)
{
    pthread_mutex_lock(&workers->mu);
    bool room = workers->count < workers->ring_size;
    if (room) {
        workers->ring[(workers->first + workers->count) % workers->ring_size] = own_request;
        workers->count += 1;
        pthread_cond_signal(&workers->more);
    }
    pthread_mutex_unlock(&workers->mu);
    return room;
}

void qri_workers_free(struct qri_workers *workers)
{
    if (workers == NULL)
        return;
    pthread_mutex_lock(&workers->mu);
    workers->stop = true;
    pthread_cond_broadcast(&workers->more);
    pthread_mutex_unlock(&workers->mu);
    for (int i = 0; i < workers->thread_count; i++)
        pthread_join(workers->threads[i], NULL);
    for (; workers->count > 0; workers->count--) {
        qr_rpc_refuse(workers->ring[workers->first], QR_CLOSED, NULL);
        workers->first = (workers->first + 1) % workers->ring_size;
    }
    pthread_mutex_destroy(&workers->mu);
    pthread_cond_destroy(&workers->more);
    free(workers->ring);
    free(workers->threads);
    free(workers);
}

enum qr_status qri_workers_new(const struct qr_rpc_listen_options *options, struct qr_env *env,
                               struct qri_workers **ret_workers, struct qr_err *err)
{
    if (options->workers > WORKERS_MAX)
        return qr_fail(err, QR_INVALID, "%d workers are more than %d", options->workers,
                       WORKERS_MAX);
    struct qri_workers *workers = calloc(1, sizeof *workers);
    if (workers == NULL)
        return qr_fail(err, QR_NOMEM, "start workers");
    workers->env = env;
    workers->serve = options->serve;
    workers->ctx = options->ctx;
    workers->ring_size =
        options->worker_queue_max > 0 ? (size_t)options->worker_queue_max : QUEUE_MAX_DEFAULT;
    pthread_mutex_init(&workers->mu, NULL);
    pthread_cond_init(&workers->more, NULL);
    workers->ring = calloc(workers->ring_size, sizeof workers->ring[0]);
    workers->threads = calloc((size_t)options->workers, sizeof workers->threads[0]);
    enum qr_status status = QR_OK;
    if (workers->ring == NULL || workers->threads == NULL)
        status = qr_fail(err, QR_NOMEM, "start workers");
    for (; status == QR_OK && workers->thread_count < options->workers; workers->thread_count++) {
        status = qr_thread_start("rpc worker", options->worker_stack_bytes, worker_main, workers,
                                 &workers->threads[workers->thread_count], err);
        if (status != QR_OK)
            break;
    }
    if (status != QR_OK) {
        qri_workers_free(workers);
        return status;
    }
    *ret_workers = workers;
    return QR_OK;
}
