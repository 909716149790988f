/* test_logsvc.c - appends, fences, leases, feeds and throttles of a service driven by hand. */
#include "helper.h"
#include "logsvc_int.h"

struct fixture {
    struct qr_sim *sim;
    struct qr_blob *blob;
    struct qr_logsvc *svc;
    struct qr_logsvc_options options;
};

static struct fixture *open_with(const struct qr_logsvc_options *options)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->sim = qr_sim_new(&(struct qr_sim_options){.seed = 3});
    assert_int_equal(qr_blob_open(qr_sim_env(f->sim), NULL, "file:///blob", "", &f->blob, NULL),
                     QR_OK);
    f->options = *options;
    f->options.env = qr_sim_env(f->sim);
    f->options.dir = "/log";
    f->options.blob = f->blob;
    f->options.threads_off = true;
    assert_int_equal(qr_logsvc_open(&f->options, &f->svc, NULL), QR_OK);
    return f;
}
static struct fixture *open_default(void)
{
    return open_with(&(struct qr_logsvc_options){.segment_bytes = 256 << 10,
                                                 .journal_bytes_max = 2 << 20,
                                                 .ring_bytes = 64 << 10,
                                                 .object_bytes = 64 << 10});
}
static void reopen(struct fixture *f)
{
    qr_logsvc_close(f->svc);
    assert_int_equal(qr_logsvc_open(&f->options, &f->svc, NULL), QR_OK);
}
static void close_all(struct fixture *f)
{
    qr_logsvc_close(f->svc);
    qr_blob_close(f->blob);
    qr_sim_free(f->sim);
    free(f);
}
static void destage_all(struct fixture *f)
{
    for (bool more = true; more;)
        assert_int_equal(qr_logsvc_destage(f->svc, 64, &more, NULL), QR_OK);
}

/* A timeline with a primary in epoch 1 that has written its first append of 100 bytes. */
static uint64_t begin(struct fixture *f, int timeline)
{
    assert_int_equal(t_create(f->svc, timeline), QR_OK);
    assert_int_equal(t_fence(f->svc, timeline, 1, NULL), QR_OK);
    assert_int_equal(t_append(f->svc, timeline, 1, T_START, 100, true, T_START), QR_OK);
    return T_START + 100;
}

static void test_appended_log_is_read_back_before_and_after_a_restart(void **state)
{
    (void)state;
    struct fixture *f = open_default();
    uint64_t lsn = begin(f, 1), end;
    for (int i = 0; i < 200; i++, lsn += 1000)
        assert_int_equal(t_append(f->svc, 1, 1, lsn, 1000, false, 0), QR_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(t_read_all(f->svc, 1, T_START, 5000, &end), lsn - T_START);
        assert_int_equal(end, lsn);
        assert_int_equal(t_read_all(f->svc, 1, T_START + 12345, 1 << 20, &end),
                         lsn - T_START - 12345);
        reopen(f);
        assert_int_equal(t_state(f->svc, 1).commit_lsn, lsn);
        assert_int_equal(t_state(f->svc, 1).epoch, 1);
    }
    close_all(f);
}

static void test_one_sync_serves_all_who_wait(void **state)
{
    (void)state;
    struct fixture *f = open_default();
    struct t_append *waiting[20];
    uint64_t lsn[20];
    for (int i = 0; i < 20; i++)
        lsn[i] = begin(f, i + 1);
    struct qr_logsvc_stats before, after;
    qr_logsvc_stats(f->svc, &before);
    for (int i = 0; i < 20; i++)
        waiting[i] = t_append_start(f->svc, i + 1, 1, lsn[i], 500, false, 0, true);
    for (int i = 0; i < 20; i++)
        assert_false(waiting[i]->done);
    assert_int_equal(qr_logsvc_flush(f->svc, NULL), QR_OK);
    for (int i = 0; i < 20; i++) {
        assert_true(waiting[i]->done);
        assert_int_equal(waiting[i]->a.hardened_lsn, lsn[i] + 500);
        t_append_free(waiting[i]);
    }
    qr_logsvc_stats(f->svc, &after);
    assert_int_equal(after.syncs, before.syncs + 1);
    assert_int_equal(qr_logsvc_flush(f->svc, NULL), QR_NOT_FOUND);
    close_all(f);
}

static void test_what_does_not_fit_is_refused_and_named(void **state)
{
    (void)state;
    struct fixture *f = open_default();
    uint64_t end = begin(f, 1);
    static const struct {
        const char *name;
        int timeline;
        uint64_t epoch;
        int64_t lsn; /* from the end */
        uint32_t bytes;
        bool first;
        enum qr_status want;
    } cases[] = {
        {"a timeline that nobody created", 9, 1, 0, 10, false, QR_NOT_FOUND},
        {"an epoch that nobody opened", 1, 2, 0, 10, false, QR_CONFLICT},
        {"no epoch", 1, 0, 0, 10, false, QR_FENCED},
        {"a gap", 1, 1, 1, 10, false, QR_CONFLICT},
        {"an overlap", 1, 1, -5, 10, false, QR_CONFLICT},
        {"before the epoch", 1, 1, -101, 10, false, QR_CONFLICT},
        {"a second beginning", 1, 1, 0, 64, true, QR_CONFLICT},
        {"nothing", 1, 1, 0, 0, false, QR_INVALID},
        {"too much", 1, 1, 0, QR_LOGSVC_APPEND_BYTES_MAX + 1, false, QR_INVALID},
        {"an exact duplicate", 1, 1, -50, 50, false, QR_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum qr_status got =
            t_append(f->svc, cases[i].timeline, cases[i].epoch, end + (uint64_t)cases[i].lsn,
                     cases[i].bytes, cases[i].first, T_START);
        if (got != cases[i].want)
            fail_msg("%s: %s", cases[i].name, qr_status_info(got)->name);
        assert_int_equal(t_state(f->svc, 1).hardened_lsn, end);
    }
    close_all(f);
}

static void test_a_duplicate_that_differs_is_refused(void **state)
{
    (void)state;
    struct fixture *f = open_default();
    uint64_t end = begin(f, 1);
    struct t_append *first = t_append_start(f->svc, 1, 1, end, 300, false, 0, true);
    struct t_append *again = t_append_start(f->svc, 1, 1, end, 300, false, 0, true);
    struct t_append *other = t_append_start(f->svc, 2, 1, end, 300, false, 0, true);
    assert_int_equal(other->a.status, QR_NOT_FOUND);
    other->a.timeline = t_timeline(1); /* same place, other bytes */
    other->done = false;
    qr_logsvc_append(f->svc, &other->a);
    assert_true(other->done);
    assert_int_equal(other->a.status, QR_CONFLICT);
    assert_int_equal(other->a.end_lsn, end + 300);
    assert_false(again->done); /* it waits for the same sync */
    t_flush_all(f->svc);
    assert_int_equal(first->a.status, QR_OK);
    assert_int_equal(again->a.status, QR_OK);
    other->done = false;
    qr_logsvc_append(f->svc, &other->a);
    assert_int_equal(other->a.status, QR_CONFLICT);
    t_append_free(first);
    t_append_free(again);
    t_append_free(other);
    close_all(f);
}

static void test_a_fence_ends_older_epochs_for_ever(void **state)
{
    (void)state;
    struct fixture *f = open_default();
    uint64_t end = begin(f, 1);
    struct t_append *queued = t_append_start(f->svc, 1, 1, end, 300, false, 0, true);
    struct t_append *twin = t_append_start(f->svc, 1, 1, end, 300, false, 0, true);
    struct qr_logsvc_state s;
    assert_int_equal(t_fence(f->svc, 1, 5, &s), QR_OK);
    assert_int_equal(queued->a.status, QR_FENCED);
    assert_int_equal(twin->a.status, QR_FENCED);
    assert_int_equal(s.hardened_lsn, end);
    t_append_free(queued);
    t_append_free(twin);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(t_append(f->svc, 1, 1, end, 300, false, 0), QR_FENCED);
        assert_int_equal(t_fence(f->svc, 1, 4, NULL), QR_FENCED);
        assert_int_equal(t_fence(f->svc, 1, 5, &s), QR_OK); /* the same holder asks again */
        struct qr_logsvc_change other = {.kind = QR_LOGSVC_FENCE,
                                         .timeline = t_timeline(1),
                                         .epoch = 5,
                                         .holder = 7,
                                         .force = true};
        assert_int_equal(t_change(f->svc, &other), QR_FENCED);
        reopen(f);
    }
    close_all(f);
}

static void test_an_epoch_begins_with_its_record_and_may_jump(void **state)
{
    (void)state;
    struct fixture *f = open_default();
    uint64_t end = begin(f, 1), read_end;
    struct t_append *loose = t_append_start(f->svc, 1, 1, end, 40, false, 0, false);
    t_flush_all(f->svc);
    assert_int_equal(loose->a.status, QR_OK);
    assert_int_equal(loose->a.visible_lsn, end); /* no mark in it */
    t_append_free(loose);
    assert_int_equal(t_fence(f->svc, 1, 2, NULL), QR_OK);
    uint64_t next = end + 40 + T_JUMP;
    assert_int_equal(t_append(f->svc, 1, 2, next, 64, false, 0), QR_CONFLICT);
    assert_int_equal(t_append(f->svc, 1, 2, end, 64, true, end), QR_CONFLICT);
    assert_int_equal(t_append(f->svc, 1, 2, next, 64, true, end - 1), QR_CONFLICT);
    assert_int_equal(t_append(f->svc, 1, 2, next, 64, true, end), QR_OK);
    assert_int_equal(t_append(f->svc, 1, 2, next, 64, true, end), QR_OK); /* duplicate */
    assert_int_equal(t_read_all(f->svc, 1, T_START, 1 << 20, &read_end), end + 40 + 64 - T_START);
    assert_int_equal(read_end, next + 64);
    assert_int_equal(t_read_all(f->svc, 1, end + 1000, 1 << 20, &read_end), 64);
    reopen(f);
    assert_int_equal(t_read_all(f->svc, 1, T_START, 1 << 20, &read_end), end + 40 + 64 - T_START);
    close_all(f);
}

static void test_changes_are_idempotent(void **state)
{
    (void)state;
    struct fixture *f = open_default();
    for (int i = 0; i < 2; i++) {
        assert_int_equal(t_create(f->svc, 1), QR_OK);
        assert_int_equal(t_create(f->svc, 1), QR_OK);
        struct qr_logsvc_change other = {
            .kind = QR_LOGSVC_CREATE, .timeline = t_timeline(1), .start_lsn = T_START + 1};
        assert_int_equal(t_change(f->svc, &other), QR_EXISTS);
        reopen(f);
    }
    struct qr_logsvc_change drop = {.kind = QR_LOGSVC_DROP, .timeline = t_timeline(1)};
    assert_int_equal(t_change(f->svc, &drop), QR_OK);
    assert_int_equal(t_change(f->svc, &drop), QR_OK);
    drop.timeline = t_timeline(8);
    assert_int_equal(t_change(f->svc, &drop), QR_OK);
    struct qr_logsvc_state s;
    struct qr_timeline t = t_timeline(1);
    assert_int_equal(qr_logsvc_state(f->svc, &t, &s, NULL), QR_NOT_FOUND);
    assert_int_equal(t_create(f->svc, 1), QR_EXISTS); /* never used again */
    destage_all(f);
    reopen(f);
    assert_int_equal(qr_logsvc_state(f->svc, &t, &s, NULL), QR_NOT_FOUND);
    close_all(f);
}

static void test_a_lease_holds_off_a_fence_without_force(void **state)
{
    (void)state;
    struct fixture *f = open_default();
    uint64_t end = begin(f, 1);
    struct qr_timeline t = t_timeline(1);
    int64_t second = 1000000000;
    assert_int_equal(qr_logsvc_renew(f->svc, &t, 1, 5 * second, NULL), QR_OK);
    assert_int_equal(qr_logsvc_renew(f->svc, &t, 2, 5 * second, NULL), QR_FENCED);
    struct qr_logsvc_change fence = {
        .kind = QR_LOGSVC_FENCE, .timeline = t, .epoch = 2, .holder = 1};
    assert_int_equal(t_change(f->svc, &fence), QR_LOCKED);
    assert_int_equal(fence.wait_ns, 5 * second);
    assert_int_equal(qr_logsvc_renew(f->svc, &t, 1, 5 * second, NULL), QR_FENCED);
    assert_int_equal(t_append(f->svc, 1, 1, end, 10, false, 0), QR_OK); /* until the lease ends */
    qr_sim_advance(f->sim, 5 * second);
    assert_int_equal(t_change(f->svc, &fence), QR_OK);
    assert_int_equal(fence.state.hardened_lsn, end + 10);
    assert_int_equal(qr_logsvc_renew(f->svc, &t, 2, second, NULL), QR_OK);
    reopen(f); /* who held a lease before is not known any more */
    fence.epoch = 3;
    assert_int_equal(t_change(f->svc, &fence), QR_LOCKED);
    qr_sim_advance(f->sim, 10 * second);
    assert_int_equal(t_change(f->svc, &fence), QR_OK);
    close_all(f);
}

/* --- feeds --- */

struct t_feed {
    struct qr_logsvc_feed f; /* first */
    struct qr_logsvc_cursor cursors[3];
    struct qr_buf answer;
    int done;
};
static void feed_done(struct qr_logsvc_feed *f)
{
    ((struct t_feed *)f)->done++;
}
static void feed_start(struct fixture *f, struct t_feed *x, int64_t wait_ns)
{
    x->done = 0;
    qr_buf_init(&x->answer, 16 << 20);
    x->f = (struct qr_logsvc_feed){.cursors = x->cursors,
                                   .cursor_count = 3,
                                   .bytes_max = 1 << 20,
                                   .wait_ns = wait_ns,
                                   .answer = &x->answer,
                                   .done = feed_done};
    qr_logsvc_feed(f->svc, &x->f);
}
/* Moves the cursors on; returns the number of entries. */
static int feed_take(struct t_feed *x)
{
    int count = 0;
    assert_int_equal(x->done, 1);
    assert_int_equal(x->f.status, QR_OK);
    for (size_t at = 0; at < x->answer.len; count++) {
        struct qr_feed_entry e;
        assert_int_equal(qr_feed_entry_next(x->answer.data, x->answer.len, &at, &e, NULL), QR_OK);
        struct qr_logsvc_cursor *c = &x->cursors[e.cursor_index];
        assert_int_equal(e.status, QR_OK);
        for (size_t p = 0; p < e.pieces_bytes;) {
            struct qr_piece piece;
            assert_int_equal(qr_piece_next(e.pieces, e.pieces_bytes, &p, &piece, NULL), QR_OK);
            t_check_piece(&c->timeline, &piece);
            c->from_lsn = piece.first_lsn + piece.bytes;
        }
        c->known_epoch = e.epoch;
        c->known_commit_lsn = e.commit_lsn;
    }
    qr_buf_done(&x->answer);
    return count;
}

static void test_a_feed_waits_for_any_of_its_timelines(void **state)
{
    (void)state;
    struct fixture *f = open_default();
    struct t_feed x = {.done = 0};
    uint64_t end[3];
    for (int i = 0; i < 3; i++) {
        end[i] = begin(f, i);
        x.cursors[i] = (struct qr_logsvc_cursor){.timeline = t_timeline(i), .from_lsn = T_START};
    }
    feed_start(f, &x, 1000000000);
    assert_int_equal(feed_take(&x), 3);
    feed_start(f, &x, 1000000000);
    assert_int_equal(x.done, 0);
    assert_int_equal(t_append(f->svc, 2, 1, end[2], 777, false, 0), QR_OK);
    assert_int_equal(feed_take(&x), 1);
    assert_int_equal(x.cursors[2].from_lsn, end[2] + 777);
    feed_start(f, &x, 1000000000);
    assert_int_equal(t_fence(f->svc, 0, 2, NULL), QR_OK); /* an epoch is news, too */
    assert_int_equal(feed_take(&x), 1);
    assert_int_equal(x.cursors[0].known_epoch, 2);
    feed_start(f, &x, 1000000000);
    qr_logsvc_tick(f->svc);
    assert_int_equal(x.done, 0);
    qr_sim_advance(f->sim, 1000000000);
    qr_logsvc_tick(f->svc);
    assert_int_equal(feed_take(&x), 0);
    feed_start(f, &x, 1000000000);
    qr_logsvc_feed_cancel(f->svc, &x.f);
    assert_int_equal(x.f.status, QR_CANCELLED);
    qr_buf_done(&x.answer);
    feed_start(f, &x, 1000000000);
    close_all(f);
    assert_int_equal(x.f.status, QR_CLOSED);
    qr_buf_done(&x.answer);
}

static void test_a_feed_takes_a_bounded_amount_and_every_cursor_has_its_turn(void **state)
{
    (void)state;
    struct fixture *f = open_default();
    struct t_feed x = {.done = 0};
    uint64_t end[3];
    for (int i = 0; i < 3; i++) {
        end[i] = begin(f, i);
        x.cursors[i] = (struct qr_logsvc_cursor){.timeline = t_timeline(i), .from_lsn = T_START};
        for (int k = 0; k < 40; k++, end[i] += 2000)
            assert_int_equal(t_append(f->svc, i, 1, end[i], 2000, false, 0), QR_OK);
    }
    int rounds = 0;
    for (bool all = false; !all; rounds++) {
        x.done = 0;
        qr_buf_init(&x.answer, 1 << 20);
        x.f = (struct qr_logsvc_feed){.cursors = x.cursors,
                                      .cursor_count = 3,
                                      .bytes_max = 10000,
                                      .answer = &x.answer,
                                      .done = feed_done};
        qr_logsvc_feed(f->svc, &x.f);
        assert_true(x.answer.len < 13000);
        feed_take(&x);
        if (rounds == 5)
            for (int i = 0; i < 3; i++)
                assert_true(x.cursors[i].from_lsn > T_START);
        all = true;
        for (int i = 0; i < 3; i++)
            all = all && x.cursors[i].from_lsn == end[i];
        assert_true(rounds < 100);
    }
    close_all(f);
}

static void test_who_is_behind_slows_the_primary_down(void **state)
{
    (void)state;
    struct fixture *f = open_with(&(struct qr_logsvc_options){
        .segment_bytes = 256 << 10, .storage_lag_bytes = 50000, .delay_us_max = 1000});
    uint64_t end = begin(f, 0);
    for (int i = 0; i < 3; i++)
        begin(f, i + 1);
    struct t_feed x = {.done = 0};
    for (int i = 0; i < 3; i++)
        x.cursors[i] = (struct qr_logsvc_cursor){.timeline = t_timeline(i),
                                                 .from_lsn = T_START,
                                                 .reader_id = 7,
                                                 .kind = QR_READER_PAGES,
                                                 .applied_lsn = T_START};
    feed_start(f, &x, 1);
    feed_take(&x);
    for (int i = 0; i < 2; i++) {
        struct t_append *a = t_append_start(f->svc, 0, 1, end, 74900, false, 0, true);
        t_flush_all(f->svc);
        end += 74900;
        assert_int_equal(a->a.status, QR_OK);
        assert_int_equal(a->a.throttle.reason, QR_THROTTLE_STORAGE);
        assert_int_equal(a->a.throttle.delay_us, i == 0 ? 500 : 1000);
        t_append_free(a);
    }
    qr_sim_advance(f->sim, INT64_C(61000000000));
    struct t_append *a = t_append_start(f->svc, 0, 1, end, 100, false, 0, true);
    t_flush_all(f->svc);
    assert_int_equal(a->a.throttle.reason, QR_THROTTLE_NONE); /* silent for too long */
    t_append_free(a);
    close_all(f);
}

/* Every new primary begins 4 GiB of LSNs behind the last: that is no log which anybody lacks. */
static void test_jumps_between_epochs_are_no_lag(void **state)
{
    (void)state;
    struct fixture *f = open_with(&(struct qr_logsvc_options){
        .segment_bytes = 256 << 10, .storage_lag_bytes = 50000, .delay_us_max = 1000});
    uint64_t end = begin(f, 0);
    struct t_feed x = {.done = 0};
    for (int i = 0; i < 3; i++)
        x.cursors[i] = (struct qr_logsvc_cursor){.timeline = t_timeline(i),
                                                 .from_lsn = T_START,
                                                 .reader_id = 7,
                                                 .kind = QR_READER_PAGES,
                                                 .applied_lsn = end};
    begin(f, 1);
    begin(f, 2);
    feed_start(f, &x, 1);
    feed_take(&x);
    enum qr_logsvc_reason reasons[4];
    for (uint64_t epoch = 2; epoch <= 5; epoch++) { /* 20000 bytes of log each */
        uint64_t last = end;
        assert_int_equal(t_fence(f->svc, 0, epoch, NULL), QR_OK);
        end += T_JUMP;
        struct t_append *a = t_append_start(f->svc, 0, epoch, end, 20000, true, last, true);
        t_flush_all(f->svc);
        end += 20000;
        assert_int_equal(a->a.status, QR_OK);
        reasons[epoch - 2] = a->a.throttle.reason;
        t_append_free(a);
    }
    assert_int_equal(reasons[0], QR_THROTTLE_NONE);
    assert_int_equal(reasons[1], QR_THROTTLE_NONE);
    assert_int_equal(reasons[2], QR_THROTTLE_STORAGE); /* 60000 */
    assert_int_equal(reasons[3], QR_THROTTLE_STORAGE);
    struct qr_logsvc_readers readers;
    struct qr_timeline t = t_timeline(0);
    assert_int_equal(qr_logsvc_readers(f->svc, &t, &readers, NULL), QR_OK);
    assert_int_equal(readers.items[0].lag_bytes, 80000);
    close_all(f);
}

/* The segments of an epoch are dropped: its log still ends where it did. */
static void test_a_jump_is_no_lag_when_the_journal_begins_behind_it(void **state)
{
    (void)state;
    const uint64_t end = T_START + 90000;
    struct qri_place place = {.lsn = end - 1000, .end_lsn = end};
    struct qri_timeline tl = {.hard = {.epoch_first_lsn = end + T_JUMP,
                                       .prev_end_lsn = end,
                                       .end_lsn = end + T_JUMP + 20000},
                              .journal_floor = end - 1000,
                              .places = &place,
                              .place_count = 1,
                              .place_capacity = 1};
    assert_int_equal(qri_timeline_lag(&tl, end - 1500), 21500);
    assert_int_equal(qri_timeline_lag(&tl, end - 300), 20300);
    tl.journal_floor = end + T_JUMP + 5000;
    tl.place_count = 0;
    assert_int_equal(qri_timeline_lag(&tl, end - 1500), 21500);
    assert_int_equal(qri_timeline_lag(&tl, end), 20000);
}

/* --- limits --- */

static void test_memory_and_journal_are_bounded(void **state)
{
    (void)state;
    struct fixture *f = open_with(&(struct qr_logsvc_options){.segment_bytes = 64 << 10,
                                                              .journal_bytes_max = 256 << 10,
                                                              .queue_bytes_max = 20000,
                                                              .ring_bytes = 10000});
    uint64_t lsn = begin(f, 1);
    struct t_append *a = t_append_start(f->svc, 1, 1, lsn, 15000, false, 0, true);
    struct t_append *b = t_append_start(f->svc, 1, 1, lsn + 15000, 15000, false, 0, true);
    assert_int_equal(b->a.status, QR_BUSY);
    assert_int_equal(b->a.end_lsn, lsn + 15000);
    t_flush_all(f->svc);
    assert_int_equal(a->a.status, QR_OK);
    t_append_free(a);
    t_append_free(b);
    lsn += 15000;
    enum qr_status status = QR_OK;
    for (int i = 0; i < 100 && status == QR_OK; i++) {
        status = t_append(f->svc, 1, 1, lsn, 10000, false, 0);
        lsn += status == QR_OK ? 10000 : 0;
        struct qr_logsvc_stats s;
        qr_logsvc_stats(f->svc, &s);
        assert_true(s.ring_bytes <= 10000);
        assert_true(s.journal_bytes <= (256 + 64) << 10);
    }
    assert_int_equal(status, QR_BUSY);                    /* nothing was destaged */
    assert_int_equal(t_fence(f->svc, 1, 2, NULL), QR_OK); /* but control goes on */
    destage_all(f);
    uint64_t end;
    assert_int_equal(t_append(f->svc, 1, 2, lsn, 100, true, lsn), QR_OK);
    assert_int_equal(t_read_all(f->svc, 1, T_START, 30000, &end), lsn + 100 - T_START);
    close_all(f);
}

static void test_a_full_disk_refuses_and_goes_on_when_there_is_room(void **state)
{
    (void)state;
    struct fixture *f = open_default();
    uint64_t lsn = begin(f, 1), end;
    qr_sim_disk_limit(f->sim, 300 << 10);
    enum qr_status status = QR_OK;
    for (int i = 0; i < 20 && status == QR_OK; i++) {
        status = t_append(f->svc, 1, 1, lsn, 60000, false, 0);
        lsn += status == QR_OK ? 60000 : 0;
    }
    assert_int_equal(status, QR_FULL);
    assert_int_equal(t_state(f->svc, 1).hardened_lsn, lsn);
    qr_sim_disk_limit(f->sim, 0);
    assert_int_equal(t_append(f->svc, 1, 1, lsn, 60000, false, 0), QR_OK);
    assert_int_equal(t_read_all(f->svc, 1, T_START, 1 << 20, &end), lsn + 60000 - T_START);
    close_all(f);
}

static void test_a_directory_has_one_service(void **state)
{
    (void)state;
    struct fixture *f = open_default();
    struct qr_logsvc *other = NULL;
    struct qr_logsvc_stats s;
    assert_int_equal(qr_logsvc_open(&f->options, &other, NULL), QR_LOCKED);
    reopen(f);
    qr_logsvc_stats(f->svc, &s);
    assert_int_equal(s.generation, 2);
    close_all(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appended_log_is_read_back_before_and_after_a_restart),
        cmocka_unit_test(test_one_sync_serves_all_who_wait),
        cmocka_unit_test(test_what_does_not_fit_is_refused_and_named),
        cmocka_unit_test(test_a_duplicate_that_differs_is_refused),
        cmocka_unit_test(test_a_fence_ends_older_epochs_for_ever),
        cmocka_unit_test(test_an_epoch_begins_with_its_record_and_may_jump),
        cmocka_unit_test(test_changes_are_idempotent),
        cmocka_unit_test(test_a_lease_holds_off_a_fence_without_force),
        cmocka_unit_test(test_a_feed_waits_for_any_of_its_timelines),
        cmocka_unit_test(test_a_feed_takes_a_bounded_amount_and_every_cursor_has_its_turn),
        cmocka_unit_test(test_who_is_behind_slows_the_primary_down),
        cmocka_unit_test(test_jumps_between_epochs_are_no_lag),
        cmocka_unit_test(test_a_jump_is_no_lag_when_the_journal_begins_behind_it),
        cmocka_unit_test(test_memory_and_journal_are_bounded),
        cmocka_unit_test(test_a_full_disk_refuses_and_goes_on_when_there_is_room),
        cmocka_unit_test(test_a_directory_has_one_service),
    };
    return cmocka_run_group_tests_name("logsvc/service", tests, NULL, NULL);
}
