/* bench_lock.c - what a free row lock costs: try, and its part of the release of all.
 *
 * usage: bench_lock [TRANSACTIONS]; one JSON line a figure. */
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "env/env.h"
#include "lock/lock.h"

enum { THREADS_MAX = 16, ROWS = 10 };
static long rounds = 200000;
static struct qr_locks *locks;

static void *run(void *arg)
{
    struct qr_lock_owner *owner = NULL;
    uint32_t id = *(uint32_t *)arg;
    if (qr_lock_owner_new(locks, id, &owner, NULL) != QR_OK)
        return NULL;
    struct qr_lock_resource r = {.kind = QR_LOCK_ROW, .object = 7, .hash = (uint64_t)id << 40};
    for (long i = 0; i < rounds; i++) {
        for (int k = 0; k < ROWS; k++, r.hash += 977)
            if (qr_lock_try(owner, QR_LOCK_OF_TRAN, &r, QR_LOCK_X, NULL) != QR_OK)
                abort();
        qr_lock_release_all(owner, QR_LOCK_OF_TRAN);
    }
    qr_lock_owner_free(owner);
    return NULL;
}

static void bench(int threads)
{
    struct qr_lock_options options = {.env = qr_env_real()};
    pthread_t handles[THREADS_MAX];
    uint32_t ids[THREADS_MAX];
    if (qr_locks_new(&options, &locks, NULL) != QR_OK)
        return;
    int64_t begun = qr_env_mono_ns(options.env);
    for (int i = 0; i < threads; i++) {
        ids[i] = (uint32_t)i;
        if (pthread_create(&handles[i], NULL, run, &ids[i]) != 0)
            abort();
    }
    for (int i = 0; i < threads; i++)
        pthread_join(handles[i], NULL);
    double ns = (double)(qr_env_mono_ns(options.env) - begun);
    printf("{\"bench\":\"lock/try_release_%d\",\"ns_per_op\":%.1f}\n", threads,
           ns / ((double)threads * (double)rounds * ROWS));
    qr_locks_free(locks);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        rounds = strtol(argv[1], NULL, 10);
    bench(1);
    rounds /= 8;
    bench(16);
    return 0;
}
