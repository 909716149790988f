/* bench_landing.c - a journal in a blob store: how long a commit takes, alone and 16 at a time, and
 * that all of it is read back by the next process.
 *
 * usage: QUIRE_TEST_BLOB_URL=... QUIRE_TEST_BLOB_CREDENTIAL=... bench_landing [APPENDS] */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "blob/blob.h"
#include "env/env.h"
#include "logsvc/logsvc.h"
#include "page/record.h"

enum { BYTES = 1024, THREADS = 16, APPENDS_MAX = 100000, EPOCH_BYTES = 32 };

static struct qr_logsvc *svc;
static struct qr_logsvc_options options;
static int appends = 200;

static void check(enum qr_status status, const char *what, const char *why)
{
    if (status != QR_OK) {
        printf("%s: %s: %s\n", what, qr_status_info(status)->name, why == NULL ? "" : why);
        exit(1);
    }
}

struct wait {
    pthread_mutex_t mu;
    pthread_cond_t done;
    bool is_done;
};
static void wake(struct wait *w)
{
    pthread_mutex_lock(&w->mu);
    w->is_done = true;
    pthread_cond_signal(&w->done);
    pthread_mutex_unlock(&w->mu);
}
static void wait_for(struct wait *w)
{
    pthread_mutex_lock(&w->mu);
    while (!w->is_done)
        pthread_cond_wait(&w->done, &w->mu);
    pthread_mutex_unlock(&w->mu);
}

struct change {
    struct qr_logsvc_change c; /* first */
    struct wait w;
};
static void changed(struct qr_logsvc_change *c)
{
    wake(&((struct change *)c)->w);
}
static void change(struct qr_logsvc_change c)
{
    struct change x = {.c = c, .w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false}};
    x.c.done = changed;
    x.c.force = true;
    qr_logsvc_change(svc, &x.c);
    wait_for(&x.w);
    check(x.c.status, "change", x.c.why);
}

struct append {
    struct qr_logsvc_append a; /* first */
    struct wait w;
};
static void appended(struct qr_logsvc_append *a)
{
    wake(&((struct append *)a)->w);
}
static void append(const struct qr_timeline *t, uint64_t lsn, const uint8_t *bytes, uint32_t count,
                   bool first)
{
    struct append x = {.a = {.timeline = *t,
                             .epoch = 1,
                             .first_lsn = lsn,
                             .bytes = bytes,
                             .byte_count = count,
                             .new_epoch = first,
                             .done = appended},
                       .w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false}};
    qr_logsvc_append(svc, &x.a);
    wait_for(&x.w);
    check(x.a.status, "append", x.a.why);
}

/* One appender with a timeline of its own. */
struct appender {
    struct qr_timeline timeline;
    uint64_t end;
    int64_t *took_ns;
    pthread_t thread;
};

static void *append_all(void *arg)
{
    struct appender *me = arg;
    uint8_t bytes[BYTES];
    memset(bytes, me->timeline.id[1], sizeof bytes);
    for (int i = 0; i < appends; i++) {
        int64_t began = qr_env_mono_ns(qr_env_real());
        append(&me->timeline, me->end, bytes, BYTES, false);
        me->took_ns[i] = qr_env_mono_ns(qr_env_real()) - began;
        me->end += BYTES;
    }
    return NULL;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void run(int count, struct appender *all)
{
    int64_t *took = calloc((size_t)count * (size_t)appends, sizeof *took);
    int64_t began = qr_env_mono_ns(qr_env_real());
    for (int i = 0; i < count; i++) {
        all[i].took_ns = took + (size_t)i * (size_t)appends;
        if (pthread_create(&all[i].thread, NULL, append_all, &all[i]) != 0)
            exit(1);
    }
    for (int i = 0; i < count; i++)
        pthread_join(all[i].thread, NULL);
    double seconds = (double)(qr_env_mono_ns(qr_env_real()) - began) / 1e9;
    size_t n = (size_t)count * (size_t)appends;
    qsort(took, n, sizeof *took, by_time);
    printf("{\"bench\":\"logsvc/landing_%d\",\"appends\":%zu,\"median_ms\":%.2f,\"p99_ms\":%.2f,"
           "\"appends_per_s\":%.0f}\n",
           count, n, (double)took[n / 2] / 1e6, (double)took[n - 1 - n / 100] / 1e6,
           (double)n / seconds);
    free(took);
}

static void begin(struct appender *a, int no)
{
    struct qr_buf buf;
    qr_env_random(qr_env_real(), a->timeline.id, sizeof a->timeline.id);
    a->timeline.id[1] = (uint8_t)no;
    a->end = 4096;
    change((struct qr_logsvc_change){
        .kind = QR_LOGSVC_CREATE, .timeline = a->timeline, .start_lsn = a->end});
    change((struct qr_logsvc_change){
        .kind = QR_LOGSVC_FENCE, .timeline = a->timeline, .epoch = 1, .holder = 1});
    qr_buf_init(&buf, EPOCH_BYTES);
    qr_record_add_epoch(&buf, 1, a->end, 0);
    append(&a->timeline, a->end, buf.data, (uint32_t)buf.len, true);
    a->end += buf.len;
    qr_buf_done(&buf);
}

static void read_back(const struct appender *a)
{
    uint64_t next = 4096;
    while (next < a->end) {
        struct qr_buf buf;
        struct qr_logsvc_state state;
        struct qr_err err;
        qr_err_reset(&err);
        qr_buf_init(&buf, 32 << 20);
        check(qr_logsvc_read(svc, &a->timeline, next, 1 << 20, &buf, &state, &err), "read",
              err.text);
        for (size_t at = 0; at < buf.len;) {
            struct qr_piece p;
            check(qr_piece_next(buf.data, buf.len, &at, &p, &err), "piece", err.text);
            for (uint32_t i = 0; i < p.bytes; i++)
                if (p.first_lsn + i >= 4096 + EPOCH_BYTES && p.data[i] != a->timeline.id[1])
                    check(QR_CORRUPT, "read back", "other bytes");
            next = p.first_lsn + p.bytes;
        }
        if (buf.len == 0)
            check(QR_CORRUPT, "read back", "log is missing");
        qr_buf_done(&buf);
    }
}

int main(int argc, char **argv)
{
    const char *url = getenv("QUIRE_TEST_BLOB_URL"),
               *credential = getenv("QUIRE_TEST_BLOB_CREDENTIAL");
    struct qr_blob *blob = NULL;
    struct appender all[THREADS];
    struct qr_err err;
    qr_err_reset(&err);
    if (argc > 1)
        appends = (int)strtol(argv[1], NULL, 10);
    if (url == NULL || appends < 1 || appends > APPENDS_MAX) {
        printf("usage: QUIRE_TEST_BLOB_URL=URL bench_landing [APPENDS]\n");
        return 0;
    }
    check(qr_blob_open(qr_env_real(), NULL, url, credential == NULL ? "" : credential, &blob, &err),
          "open", err.text);
    options = (struct qr_logsvc_options){
        .env = qr_env_real(), .dir = "landing", .landing = blob, .ring_bytes = 1 << 20};
    check(qr_logsvc_open(&options, &svc, &err), "open the log service", err.text);
    for (int i = 0; i < THREADS; i++)
        begin(&all[i], i + 1);
    run(1, all);
    run(THREADS, all);
    qr_logsvc_close(svc);
    check(qr_logsvc_open(&options, &svc, &err), "open again", err.text);
    for (int i = 0; i < THREADS; i++)
        read_back(&all[i]);
    qr_logsvc_close(svc);
    qr_blob_close(blob);
    printf("read back\n");
    return 0;
}
