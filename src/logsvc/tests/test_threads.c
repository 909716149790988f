/* test_threads.c - the service with its threads on the machine's disk: many appenders, readers,
 * fences, destaging and dropped segments at once. Meant for TSan, too. */
#include "helper.h"
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>
#include "env/thread.h"

enum { WRITERS = 6, IN_FLIGHT = 8, APPENDS = 400, FEEDERS = 3 };

static struct qr_logsvc *svc;
static struct qr_blob *blob;
static struct qr_env *env;
static char dir[64];
static _Atomic int writers_left;

static void open_service(void)
{
    char log_dir[128], url[128];
    snprintf(log_dir, sizeof log_dir, "%s/log", dir);
    snprintf(url, sizeof url, "file://%s/blob", dir);
    assert_int_equal(qr_blob_open(env, NULL, url, "", &blob, NULL), QR_OK);
    struct qr_logsvc_options o = {.env = env,
                                  .dir = log_dir,
                                  .blob = blob,
                                  .segment_bytes = 512 << 10,
                                  .journal_bytes_max = 16 << 20,
                                  .ring_bytes = 100000,
                                  .object_bytes = 64 << 10,
                                  .destage_age_ns = 100000000};
    assert_int_equal(qr_logsvc_open(&o, &svc, NULL), QR_OK);
}
static void close_service(void)
{
    qr_logsvc_close(svc);
    qr_blob_close(blob);
}

/* --- waiting --- */

struct latch {
    pthread_mutex_t mu;
    pthread_cond_t cond;
};
static void latch_init(struct latch *l)
{
    pthread_mutex_init(&l->mu, NULL);
    qr_cond_init(&l->cond);
}
static void latch_signal(struct latch *l, bool *flag)
{
    pthread_mutex_lock(&l->mu);
    *flag = true;
    pthread_cond_signal(&l->cond);
    pthread_mutex_unlock(&l->mu);
}
static void latch_wait(struct latch *l, const bool *flag)
{
    pthread_mutex_lock(&l->mu);
    while (!*flag)
        pthread_cond_wait(&l->cond, &l->mu);
    pthread_mutex_unlock(&l->mu);
}

struct waited_change {
    struct qr_logsvc_change c; /* first */
    struct latch latch;
    bool done;
};
static void waited_done(struct qr_logsvc_change *c)
{
    struct waited_change *w = (struct waited_change *)c;
    latch_signal(&w->latch, &w->done);
}
static enum qr_status change(struct qr_logsvc_change *c)
{
    struct waited_change w = {.c = *c};
    latch_init(&w.latch);
    w.c.done = waited_done;
    qr_logsvc_change(svc, &w.c);
    latch_wait(&w.latch, &w.done);
    *c = w.c;
    return c->status;
}

/* --- writers --- */

struct flight {
    struct qr_logsvc_append a; /* first */
    struct latch *latch;
    bool done;
    uint8_t bytes[4000];
};
static void flight_done(struct qr_logsvc_append *a)
{
    struct flight *f = (struct flight *)a;
    latch_signal(f->latch, &f->done);
}

struct writer {
    pthread_t thread;
    int timeline;
    uint64_t end, total;
};

/* One reign: pipelined appends, then the next epoch. */
static void reign(struct writer *w, uint64_t epoch, struct flight *flights, struct latch *latch)
{
    struct qr_timeline t = t_timeline(w->timeline);
    struct qr_logsvc_change c = {
        .kind = QR_LOGSVC_FENCE, .timeline = t, .epoch = epoch, .holder = epoch, .force = true};
    assert_int_equal(change(&c), QR_OK);
    assert_int_equal(c.state.hardened_lsn, w->end);
    uint64_t commit = c.state.commit_lsn;
    w->end += T_JUMP;
    for (int i = 0; i < APPENDS / 4 + IN_FLIGHT; i++) {
        struct flight *f = &flights[i % IN_FLIGHT];
        if (i >= IN_FLIGHT) {
            latch_wait(latch, &f->done);
            assert_int_equal(f->a.status, QR_OK);
        }
        if (i >= APPENDS / 4)
            continue;
        uint32_t bytes = 100 + (uint32_t)(i * 131 + w->timeline) % 3900;
        t_fill(f->bytes, &t, epoch, w->end, bytes, i == 0, commit);
        f->done = false;
        f->a = (struct qr_logsvc_append){.timeline = t,
                                         .epoch = epoch,
                                         .first_lsn = w->end,
                                         .bytes = f->bytes,
                                         .byte_count = bytes,
                                         .new_epoch = i == 0,
                                         .commit_lsn = w->end + bytes,
                                         .commit_wall_ns = w->end,
                                         .done = flight_done};
        w->end += bytes;
        w->total += bytes;
        qr_logsvc_append(svc, &f->a);
    }
}

static void *write_log(void *arg)
{
    struct writer *w = arg;
    struct flight *flights = calloc(IN_FLIGHT, sizeof *flights);
    struct latch latch;
    latch_init(&latch);
    for (int i = 0; i < IN_FLIGHT; i++)
        flights[i].latch = &latch;
    struct qr_logsvc_change c = {
        .kind = QR_LOGSVC_CREATE, .timeline = t_timeline(w->timeline), .start_lsn = T_START};
    assert_int_equal(change(&c), QR_OK);
    w->end = T_START;
    for (uint64_t epoch = 1; epoch <= 4; epoch++)
        reign(w, epoch, flights, &latch);
    free(flights);
    atomic_fetch_sub(&writers_left, 1);
    return NULL;
}

/* --- readers --- */

struct feeder {
    pthread_t thread;
    struct qr_logsvc_feed feed;
    struct latch latch;
    bool done;
    struct qr_logsvc_cursor cursors[WRITERS];
    uint64_t total[WRITERS];
    struct qr_buf answer;
};
static void feeder_done(struct qr_logsvc_feed *feed)
{
    struct feeder *f = (struct feeder *)((char *)feed - offsetof(struct feeder, feed));
    latch_signal(&f->latch, &f->done);
}

static void take_answer(struct feeder *f)
{
    for (size_t at = 0; at < f->answer.len;) {
        struct qr_feed_entry e;
        assert_int_equal(qr_feed_entry_next(f->answer.data, f->answer.len, &at, &e, NULL), QR_OK);
        struct qr_logsvc_cursor *c = &f->cursors[e.cursor_index];
        if (e.status == QR_NOT_FOUND)
            continue; /* its writer has not made it yet */
        assert_int_equal(e.status, QR_OK);
        for (size_t p = 0; p < e.pieces_bytes;) {
            struct qr_piece piece;
            assert_int_equal(qr_piece_next(e.pieces, e.pieces_bytes, &p, &piece, NULL), QR_OK);
            t_check_piece(&c->timeline, &piece);
            if ((piece.flags & QR_PIECE_NEW_EPOCH) == 0)
                assert_int_equal(piece.first_lsn, c->from_lsn);
            c->from_lsn = piece.first_lsn + piece.bytes;
            f->total[e.cursor_index] += piece.bytes;
        }
        c->applied_lsn = c->from_lsn;
        c->known_epoch = e.epoch;
        c->known_commit_lsn = e.commit_lsn;
    }
}

static void *feed_log(void *arg)
{
    struct feeder *f = arg;
    latch_init(&f->latch);
    for (bool last = false, idle = false; !idle;) {
        last = atomic_load(&writers_left) == 0;
        qr_buf_init(&f->answer, 8 << 20);
        f->done = false;
        f->feed = (struct qr_logsvc_feed){.cursors = f->cursors,
                                          .cursor_count = WRITERS,
                                          .bytes_max = 50000,
                                          .wait_ns = last ? 0 : 20000000,
                                          .answer = &f->answer,
                                          .done = feeder_done};
        qr_logsvc_feed(svc, &f->feed);
        latch_wait(&f->latch, &f->done);
        assert_int_equal(f->feed.status, QR_OK);
        take_answer(f);
        idle = last && f->answer.len == 0;
        qr_buf_done(&f->answer);
    }
    return NULL;
}

static void test_many_appenders_and_readers_at_once(void **state)
{
    (void)state;
    struct writer writers[WRITERS] = {0};
    struct feeder *feeders = calloc(FEEDERS, sizeof *feeders);
    open_service();
    atomic_store(&writers_left, WRITERS);
    for (int i = 0; i < WRITERS; i++) {
        writers[i].timeline = i;
        pthread_create(&writers[i].thread, NULL, write_log, &writers[i]);
    }
    for (int i = 0; i < FEEDERS; i++) {
        for (int k = 0; k < WRITERS; k++)
            feeders[i].cursors[k] = (struct qr_logsvc_cursor){.timeline = t_timeline(k),
                                                              .from_lsn = T_START,
                                                              .reader_id = (uint64_t)i + 1,
                                                              .kind = QR_READER_PAGES};
        pthread_create(&feeders[i].thread, NULL, feed_log, &feeders[i]);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i].thread, NULL);
    for (int i = 0; i < FEEDERS; i++)
        pthread_join(feeders[i].thread, NULL);
    for (int i = 0; i < WRITERS; i++) {
        for (int k = 0; k < FEEDERS; k++) {
            assert_int_equal(feeders[k].cursors[i].from_lsn, writers[i].end);
            assert_int_equal(feeders[k].total[i], writers[i].total);
        }
        uint64_t end;
        assert_int_equal(t_read_all(svc, i, T_START, 300000, &end), writers[i].total);
        assert_int_equal(end, writers[i].end);
    }
    struct qr_logsvc_stats s;
    qr_logsvc_stats(svc, &s);
    for (int i = 0; i < 3000 && s.segments_dropped == 0; i++) { /* the destager comes to it */
        usleep(10000);
        qr_logsvc_stats(svc, &s);
    }
    assert_true(s.objects_written > 0);
    assert_true(s.segments_dropped > 0);
    assert_true(s.blocks < s.appends);
    close_service();
    open_service();
    for (int i = 0; i < WRITERS; i++) {
        uint64_t end;
        assert_int_equal(t_read_all(svc, i, T_START, 300000, &end), writers[i].total);
        assert_int_equal(end, writers[i].end);
    }
    close_service();
    free(feeders);
}

static void test_closing_ends_who_waits(void **state)
{
    (void)state;
    struct feeder *f = calloc(1, sizeof *f);
    latch_init(&f->latch);
    open_service();
    struct qr_logsvc_state s = t_state(svc, 0);
    f->cursors[0] = (struct qr_logsvc_cursor){.timeline = t_timeline(0),
                                              .from_lsn = s.hardened_lsn,
                                              .known_epoch = s.epoch,
                                              .known_commit_lsn = s.commit_lsn};
    qr_buf_init(&f->answer, 1 << 20);
    f->feed = (struct qr_logsvc_feed){.cursors = f->cursors,
                                      .cursor_count = 1,
                                      .bytes_max = 50000,
                                      .wait_ns = INT64_C(3600000000000),
                                      .answer = &f->answer,
                                      .done = feeder_done};
    qr_logsvc_feed(svc, &f->feed);
    assert_false(f->done);
    close_service();
    assert_true(f->done);
    assert_int_equal(f->feed.status, QR_CLOSED);
    qr_buf_done(&f->answer);
    free(f);
}

static void remove_all(const char *path)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    if (system(command) != 0)
        fprintf(stderr, "'%s' stays\n", path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_appenders_and_readers_at_once),
        cmocka_unit_test(test_closing_ends_who_waits),
    };
    env = qr_env_real();
    snprintf(dir, sizeof dir, "/tmp/qr-logsvc-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return 1;
    int failed = cmocka_run_group_tests_name("logsvc/threads", tests, NULL, NULL);
    remove_all(dir);
    return failed;
}
