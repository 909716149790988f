/* bench_logsvc.c - appends per second and MB/s beside the disk's own rate, in one run.
 *
 * usage: bench_logsvc [DIRECTORY [SECONDS [destage]]] (an empty directory, absolute): 16 appenders
 * on 16 timelines, each with one append (or a window of several) in flight, of 1 KiB and of 64 KiB;
 * before each, what one thread gets from pwrite and fdatasync of the same size, and of the size
 * that 16 appends make together. One JSON line each. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include "blob/blob.h"
#include "env/thread.h"
#include "logsvc/logsvc.h"
#include "page/record.h"
#include "test_ring.h"

enum { APPENDERS = 16, WINDOW_MAX = 8, RAW_FILE_BYTES = 256 << 20 };

static const char *dir = ".";
static double seconds = 5;
static struct qr_logsvc *svc;
static _Atomic bool stop;
static bool obey; /* the throttle */

static void check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "bench_logsvc: %s failed\n", what);
        exit(1);
    }
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
static double cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* --- the disk alone --- */

static bool write_synced(int fd, const char *block, size_t bytes, off_t at, bool direct)
{
    struct iovec iov = {(void *)(uintptr_t)block, bytes};
    if (direct)
        return pwritev2(fd, &iov, 1, at, RWF_DSYNC) == (ssize_t)bytes;
    return pwrite(fd, block, bytes, at) == (ssize_t)bytes && fdatasync(fd) == 0;
}

/* `direct`: past the page cache, in one call that also syncs, as the service does it. */
static double raw(size_t bytes, bool direct)
{
    char path[1100];
    snprintf(path, sizeof path, "%s/raw", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    char *block = aligned_alloc(4096, 1 << 20);
    check(block != NULL, "memory");
    memset(block, 7, 1 << 20);
    check(fd >= 0 && block != NULL, "raw file");
    for (size_t at = 0; at < RAW_FILE_BYTES; at += 1 << 20)
        check(pwrite(fd, block, 1 << 20, (off_t)at) == 1 << 20, "raw file");
    fsync(fd);
    if (direct) {
        close(fd);
        fd = open(path, O_RDWR | O_DIRECT);
    }
    double start = now_s(), took;
    uint64_t count = 0;
    size_t at = 0;
    do {
        check(write_synced(fd, block, bytes, (off_t)at, direct), "raw write");
        at = at + 2 * bytes > RAW_FILE_BYTES ? 0 : at + bytes;
        count++;
        took = now_s() - start;
    } while (took < seconds);
    close(fd);
    unlink(path);
    free(block);
    double mb = (double)count * (double)bytes / took / 1e6;
    printf("{\"bench\":\"logsvc/raw_%s\",\"bytes\":%zu,\"syncs_per_s\":%.0f,"
           "\"mb_per_s\":%.1f}\n",
           direct ? "direct_dsync" : "pwrite_fdatasync", bytes, (double)count / took, mb);
    fflush(stdout);
    return mb;
}

/* --- the service --- */

struct appender;
struct flight {
    struct qr_logsvc_append a; /* first */
    struct appender *owner;
    double started;
};
struct appender {
    pthread_t thread;
    pthread_mutex_t mu;
    pthread_cond_t cond;
    struct qr_timeline timeline;
    uint64_t epoch, lsn, commit_lsn;
    uint32_t bytes;
    int window, free_count;
    struct flight flights[WINDOW_MAX], *free[WINDOW_MAX];
    uint8_t *data;
    uint64_t count;
    double waited;
};

static void append_done(struct qr_logsvc_append *a)
{
    struct flight *f = (struct flight *)a;
    struct appender *p = f->owner;
    check(a->status == QR_OK || (obey && a->status == QR_BUSY), a->why == NULL ? "append" : a->why);
    pthread_mutex_lock(&p->mu);
    p->free[p->free_count++] = f;
    p->count += a->status == QR_OK;
    p->waited += now_s() - f->started;
    pthread_cond_signal(&p->cond);
    pthread_mutex_unlock(&p->mu);
}

static void start(struct appender *p, struct flight *f, const uint8_t *bytes, uint32_t count,
                  bool first)
{
    f->owner = p;
    f->started = now_s();
    f->a = (struct qr_logsvc_append){.timeline = p->timeline,
                                     .epoch = p->epoch,
                                     .first_lsn = p->lsn,
                                     .bytes = bytes,
                                     .byte_count = count,
                                     .new_epoch = first,
                                     .commit_lsn = p->lsn + count,
                                     .commit_wall_ns = p->lsn,
                                     .done = append_done};
    p->lsn += count;
    qr_logsvc_append(svc, &f->a);
}

/* As a primary does: waits as long as it was told, and sends again what was not taken. */
static void slow_down(struct appender *p, const struct flight *f)
{
    if (f->a.status == QR_BUSY)
        p->lsn = f->a.first_lsn;
    if (f->a.throttle.delay_us > 0)
        usleep(f->a.throttle.delay_us);
}

static void *append_main(void *arg)
{
    struct appender *p = arg;
    struct qr_buf record;
    qr_buf_init(&record, 64);
    qr_record_add_epoch(&record, p->epoch, p->commit_lsn, 0);
    for (bool first = true; !atomic_load(&stop); first = false) {
        pthread_mutex_lock(&p->mu);
        while (p->free_count == 0)
            pthread_cond_wait(&p->cond, &p->mu);
        struct flight *f = p->free[--p->free_count];
        pthread_mutex_unlock(&p->mu);
        if (obey && !first)
            slow_down(p, f);
        if (first)
            start(p, f, record.data, (uint32_t)record.len, true);
        else
            start(p, f, p->data, p->bytes, false);
    }
    pthread_mutex_lock(&p->mu);
    while (p->free_count < p->window)
        pthread_cond_wait(&p->cond, &p->mu);
    pthread_mutex_unlock(&p->mu);
    qr_buf_done(&record);
    return NULL;
}

struct waiter {
    struct qr_logsvc_change c; /* first */
    _Atomic bool done;
};
static void change_done(struct qr_logsvc_change *c)
{
    atomic_store(&((struct waiter *)c)->done, true);
}
static struct qr_logsvc_state change(const struct qr_logsvc_change *c)
{
    struct waiter w = {.c = *c};
    w.c.done = change_done;
    qr_logsvc_change(svc, &w.c);
    while (!atomic_load(&w.done))
        usleep(200);
    check(w.c.status == QR_OK, "change");
    return w.c.state;
}

static void prepare(struct appender *p, int i, uint32_t bytes, int window)
{
    static uint64_t epoch;
    *p = (struct appender){.bytes = bytes, .window = window, .free_count = window};
    pthread_mutex_init(&p->mu, NULL);
    qr_cond_init(&p->cond);
    p->timeline.id[0] = (uint8_t)(i + 1);
    for (int k = 0; k < window; k++)
        p->free[k] = &p->flights[k];
    p->data = malloc(bytes);
    check(p->data != NULL, "memory");
    for (uint32_t k = 0; k < bytes; k++)
        p->data[k] = (uint8_t)(k * 31 + (uint32_t)i);
    change(&(struct qr_logsvc_change){
        .kind = QR_LOGSVC_CREATE, .timeline = p->timeline, .start_lsn = 4096});
    p->epoch = ++epoch;
    struct qr_logsvc_state s = change(&(struct qr_logsvc_change){
        .kind = QR_LOGSVC_FENCE, .timeline = p->timeline, .epoch = p->epoch, .force = true});
    p->lsn = s.hardened_lsn + (UINT64_C(1) << 32);
    p->commit_lsn = s.commit_lsn;
}

static double served(uint32_t bytes, int window)
{
    struct appender *appenders = calloc(APPENDERS, sizeof *appenders);
    struct qr_logsvc_stats before, after;
    check(appenders != NULL, "memory");
    for (int i = 0; i < APPENDERS; i++)
        prepare(&appenders[i], i, bytes, window);
    atomic_store(&stop, false);
    qr_logsvc_stats(svc, &before);
    double cpu = cpu_s(), begin = now_s();
    for (int i = 0; i < APPENDERS; i++)
        check(pthread_create(&appenders[i].thread, NULL, append_main, &appenders[i]) == 0,
              "thread");
    usleep((useconds_t)(seconds * 1e6));
    atomic_store(&stop, true);
    uint64_t count = 0;
    double waited = 0;
    for (int i = 0; i < APPENDERS; i++) {
        pthread_join(appenders[i].thread, NULL);
        count += appenders[i].count;
        waited += appenders[i].waited;
        free(appenders[i].data);
    }
    double took = now_s() - begin;
    cpu = cpu_s() - cpu;
    qr_logsvc_stats(svc, &after);
    double mb = (double)count * bytes / took / 1e6;
    double syncs = (double)(after.syncs - before.syncs);
    printf(
        "{\"bench\":\"logsvc/append\",\"appenders\":%d,\"in_flight\":%d,\"bytes\":%u,"
        "\"appends_per_s\":%.0f,\"mb_per_s\":%.1f,\"syncs_per_s\":%.0f,\"appends_per_sync\":%.1f,"
        "\"mean_us\":%.0f,\"cpu_us_per_append\":%.1f,\"journal_bytes_per_byte\":%.2f}\n",
        APPENDERS, window, bytes, (double)count / took, mb, syncs / took, (double)count / syncs,
        waited / (double)count * 1e6, cpu / (double)count * 1e6,
        (double)(after.journal_bytes_written - before.journal_bytes_written) /
            ((double)count * bytes));
    fflush(stdout);
    free(appenders);
    return mb;
}

/* Longer than the landing zone lasts: what long-term storage takes over decides. */
static void sustained(void)
{
    struct qr_logsvc_stats before, after;
    qr_logsvc_stats(svc, &before);
    obey = true;
    double start = now_s(), one = seconds;
    seconds = 30;
    served(65536, 1);
    seconds = one;
    double took = now_s() - start;
    qr_logsvc_stats(svc, &after);
    double log = (double)(after.append_bytes - before.append_bytes);
    double objects = (double)(after.object_bytes_written - before.object_bytes_written);
    double journal = (double)(after.journal_bytes_written - before.journal_bytes_written);
    printf("{\"bench\":\"logsvc/sustained\",\"seconds\":%.0f,\"mb_per_s\":%.1f,"
           "\"destaged_mb_per_s\":%.1f,\"written_per_byte\":%.2f}\n",
           took, log / took / 1e6, objects / took / 1e6, (journal + objects) / log);
}

int main(int argc, char **argv)
{
    static const uint32_t sizes[] = {1024, 65536};
    static const int windows[] = {1, 4};
    char log_dir[1100], url[1100];
    struct qr_blob *blob = NULL, *key_store = NULL;
    char key_path[1100];
    if (argc > 1)
        dir = argv[1];
    if (argc > 2)
        seconds = strtod(argv[2], NULL);
    snprintf(log_dir, sizeof log_dir, "%s/bench-log", dir);
    snprintf(url, sizeof url, "file://%s/bench-blob", dir);
    bool with_blob = argc > 3 && strcmp(argv[3], "destage") == 0;
    if (with_blob)
        check(qr_blob_open(qr_env_real(), NULL, url, "", &blob, NULL) == QR_OK, "blob store");
    struct qr_logsvc_options o = {.env = qr_env_real(),
                                  .dir = log_dir,
                                  .blob = blob,
                                  .journal_bytes_max = (with_blob ? UINT64_C(1) : UINT64_C(16))
                                                       << 30};
    struct t_ring keys = {.ring = NULL};
    if (strcmp(argv[argc - 1], "keys") == 0) { /* encrypted */
        if (blob == NULL)
            check(qr_blob_open(qr_env_real(), NULL, url, "", &key_store, NULL) == QR_OK, "keys");
        snprintf(key_path, sizeof key_path, "%s/bench-server.key", dir);
        check(t_ring_open_at(&keys, o.env, key_path, blob == NULL ? key_store : blob) == QR_OK,
              "keys");
        o.keyring = keys.ring;
    }
    check(qr_logsvc_open(&o, &svc, NULL) == QR_OK, "open");
    if (with_blob) {
        raw(sizes[1] * APPENDERS, true);
        sustained();
    }
    for (int i = 0; i < 2 && !with_blob; i++) {
        double one = raw(sizes[i], false), all = raw(sizes[i] * APPENDERS, false);
        double direct = raw(sizes[i] * APPENDERS, true);
        for (int w = 0; w < 2; w++) {
            double mb = served(sizes[i], windows[w]);
            printf("{\"bench\":\"logsvc/ratio\",\"bytes\":%u,\"in_flight\":%d,\"to_raw_one\":%.2f,"
                   "\"to_raw_sixteen\":%.2f,\"to_raw_direct_sixteen\":%.2f}\n",
                   sizes[i], windows[w], mb / one, mb / all, mb / direct);
        }
    }
    qr_logsvc_close(svc);
    t_ring_close(&keys);
    qr_blob_close(key_store);
    qr_blob_close(blob);
    return 0;
}
