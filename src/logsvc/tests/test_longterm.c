/* test_longterm.c - destaging, dropping of segments, trims, drops, search by time; faults of the
 * blob store. */
#include "helper.h"

enum { COMMITS = 400 };

struct fixture {
    struct qr_sim *sim;
    struct qr_blob *blob;
    struct qr_logsvc *svc;
    struct qr_logsvc_options options;
};

static struct fixture *open_fixture(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->sim = qr_sim_new(&(struct qr_sim_options){.seed = 5});
    assert_int_equal(qr_blob_open(qr_sim_env(f->sim), NULL, "file:///blob", "", &f->blob, NULL),
                     QR_OK);
    f->options = (struct qr_logsvc_options){.env = qr_sim_env(f->sim),
                                            .dir = "/log",
                                            .blob = f->blob,
                                            .segment_bytes = 64 << 10,
                                            .journal_bytes_max = 512 << 10,
                                            .ring_bytes = 20000,
                                            .object_bytes = 30000,
                                            .threads_off = true};
    assert_int_equal(qr_logsvc_open(&f->options, &f->svc, NULL), QR_OK);
    return f;
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
/* Also what is young, and what a first object left over. */
static void destage_all(struct fixture *f)
{
    for (int i = 0; i < 2; i++) {
        qr_sim_advance(f->sim, INT64_C(11000000000));
        for (bool more = true; more;)
            assert_int_equal(qr_logsvc_destage(f->svc, 3, &more, NULL), QR_OK);
    }
}

static uint64_t begin(struct fixture *f, int timeline)
{
    assert_int_equal(t_create(f->svc, timeline), QR_OK);
    assert_int_equal(t_fence(f->svc, timeline, 1, NULL), QR_OK);
    assert_int_equal(t_append(f->svc, timeline, 1, T_START, 100, true, T_START), QR_OK);
    return T_START + 100;
}

static void test_segments_go_when_long_term_storage_has_their_log(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    uint64_t lsn = begin(f, 1), idle = begin(f, 2), end;
    struct qr_logsvc_stats s;
    for (int i = 0; i < 300; i++, lsn += 5000) {
        assert_int_equal(t_append(f->svc, 1, 1, lsn, 5000, false, 0), QR_OK);
        if (i % 20 == 19) {
            destage_all(f);
        }
    }
    qr_logsvc_stats(f->svc, &s);
    assert_true(s.segments_dropped > 10);
    assert_true(s.journal_bytes <= 4 * (64 << 10));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(t_read_all(f->svc, 1, T_START, 7000, &end), lsn - T_START);
        assert_int_equal(end, lsn);
        assert_int_equal(t_read_all(f->svc, 1, T_START + 777777, 70000, &end),
                         lsn - T_START - 777777);
        assert_int_equal(t_read_all(f->svc, 2, T_START, 7000, &end), idle - T_START);
        reopen(f);
    }
    close_all(f);
}

static void test_log_of_many_epochs_is_found_across_their_gaps(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    uint64_t lsn = begin(f, 1), total = 100, end;
    for (uint64_t epoch = 2; epoch < 12; epoch++) {
        uint64_t commit = lsn;
        assert_int_equal(t_fence(f->svc, 1, epoch, NULL), QR_OK);
        lsn += T_JUMP;
        for (int i = 0; i < 9; i++, lsn += 4000, total += 4000)
            assert_int_equal(t_append(f->svc, 1, epoch, lsn, 4000, i == 0, commit), QR_OK);
        destage_all(f);
    }
    assert_int_equal(t_state(f->svc, 1).destaged_lsn, lsn);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(t_read_all(f->svc, 1, T_START, 100000, &end), total);
        assert_int_equal(end, lsn);
        assert_int_equal(t_read_all(f->svc, 1, T_START + 101, 100000, &end), total - 100);
        reopen(f);
    }
    close_all(f);
}

/* --- what happens in the middle of a read --- */

static struct fixture *meddles; /* NULL: nobody does */
static const struct qr_env_ops *env_ops;
static const struct qr_file_ops *file_ops;

static enum qr_status meddling_pread(struct qr_file *file, void *dst, size_t bytes, uint64_t offset,
                                     size_t *ret_bytes, struct qr_err *err)
{
    struct fixture *f = meddles;
    meddles = NULL;
    if (f != NULL)
        destage_all(f);
    return file_ops->pread(file, dst, bytes, offset, ret_bytes, err);
}

static enum qr_status meddling_open(struct qr_env *env, const char *path, unsigned flags,
                                    struct qr_file **ret_file, struct qr_err *err)
{
    static struct qr_file_ops ops;
    enum qr_status status = env_ops->open(env, path, flags, ret_file, err);
    if (status == QR_OK && strstr(path, "/journal.") != NULL) {
        file_ops = (*ret_file)->ops;
        ops = *file_ops;
        ops.pread = meddling_pread;
        (*ret_file)->ops = &ops;
    }
    return status;
}

/* The rest of an epoch must not be missed when its segments go under a reader: the next epoch is
 * ahead of it in what is left of the journal. */
static void test_segments_that_go_under_a_reader_hide_no_log(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    struct qr_env *env = qr_sim_env(f->sim);
    struct qr_env_ops ops = *env->ops;
    env_ops = env->ops;
    ops.open = meddling_open;
    env->ops = &ops;
    reopen(f);
    uint64_t lsn = begin(f, 1), total = 100, end;
    for (int i = 0; i < 9; i++, lsn += 18000, total += 18000) /* three fill a segment */
        assert_int_equal(t_append(f->svc, 1, 1, lsn, 18000, false, 0), QR_OK);
    assert_int_equal(t_fence(f->svc, 1, 2, NULL), QR_OK);
    uint64_t next = lsn + T_JUMP;
    assert_int_equal(t_append(f->svc, 1, 2, next, 18000, true, lsn), QR_OK);
    assert_int_equal(t_append(f->svc, 1, 2, next + 18000, 18000, false, 0), QR_OK);
    meddles = f;
    assert_int_equal(t_read_all(f->svc, 1, T_START, 100000, &end), total + 36000);
    assert_int_equal(end, next + 36000);
    assert_null(meddles);
    struct qr_logsvc_stats s;
    qr_logsvc_stats(f->svc, &s);
    assert_in_range(s.segments_dropped, 3, 4);
    env->ops = env_ops;
    close_all(f);
}

static void test_trimmed_log_is_deleted_and_its_readers_are_told(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    uint64_t lsn = begin(f, 1), end;
    for (int i = 0; i < 80; i++, lsn += 5000)
        assert_int_equal(t_append(f->svc, 1, 1, lsn, 5000, false, 0), QR_OK);
    destage_all(f);
    struct qr_logsvc_change trim = {
        .kind = QR_LOGSVC_TRIM, .timeline = t_timeline(1), .lsn = lsn + 1};
    assert_int_equal(t_change(f->svc, &trim), QR_INVALID);
    trim.lsn = lsn - 120000;
    assert_int_equal(t_change(f->svc, &trim), QR_OK);
    assert_int_equal(t_change(f->svc, &trim), QR_OK);
    destage_all(f);
    struct qr_logsvc_stats s;
    qr_logsvc_stats(f->svc, &s);
    assert_in_range(s.objects_deleted, 8, 10);
    reopen(f);
    assert_int_equal(t_state(f->svc, 1).trimmed_lsn, lsn - 120000);
    assert_int_equal(t_read_all(f->svc, 1, lsn - 120000, 50000, &end), 120000);
    struct qr_buf buf;
    struct qr_logsvc_state now;
    struct qr_timeline t = t_timeline(1);
    qr_buf_init(&buf, 1 << 20);
    assert_int_equal(qr_logsvc_read(f->svc, &t, T_START, 1000, &buf, &now, NULL), QR_NOT_FOUND);
    qr_buf_done(&buf);
    close_all(f);
}

/* More than one pass takes, each with an object's log before every pass. */
static void test_many_busy_timelines_take_turns(void **state)
{
    enum { TIMELINES = 150, PASSES = 4 };
    (void)state;
    struct fixture *f = open_fixture();
    f->options.journal_bytes_max = 64 << 20;
    reopen(f);
    uint64_t lsn = T_START;
    for (int t = 1; t <= TIMELINES; t++)
        lsn = begin(f, t);
    for (int pass = 0; pass < PASSES; pass++) {
        bool more;
        for (int i = 0; i < 6; i++, lsn += 6000)
            for (int t = 1; t <= TIMELINES; t++)
                assert_int_equal(t_append(f->svc, t, 1, lsn, 6000, false, 0), QR_OK);
        assert_int_equal(qr_logsvc_destage(f->svc, 1, &more, NULL), QR_OK);
    }
    for (int t = 1; t <= TIMELINES; t++)
        assert_true(t_state(f->svc, t).destaged_lsn > T_START + 100);
    close_all(f);
}

/* Appends for so long, at 5000 bytes each 10 ms, and destages after each. */
static uint64_t append_fast(struct fixture *f, uint64_t lsn, int count)
{
    for (int i = 0; i < count; i++, lsn += 5000) {
        bool more;
        assert_int_equal(t_append(f->svc, 1, 1, lsn, 5000, false, 0), QR_OK);
        qr_sim_advance(f->sim, 10000000);
        assert_int_equal(qr_logsvc_destage(f->svc, 3, &more, NULL), QR_OK);
    }
    return lsn;
}

static void test_destaging_waits_while_log_comes_fast(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    f->options.busy_bytes_per_s = 400000;
    f->options.destage_age_ns = 1000000000;
    f->options.journal_bytes_max = 32 << 20;
    reopen(f);
    uint64_t end, lsn = append_fast(f, begin(f, 1), 300); /* 3 s, 1.5 MB */
    uint64_t early = t_state(f->svc, 1).destaged_lsn;
    assert_true(early < T_START + 100000); /* what came before the rate was known */
    assert_int_equal(t_read_all(f->svc, 1, T_START, 70000, &end), lsn - T_START);
    bool more = true;
    for (int i = 0; i < 12; i++) { /* calm for longer than a tenth of the age */
        qr_sim_advance(f->sim, 30000000);
        for (more = true; more;)
            assert_int_equal(qr_logsvc_destage(f->svc, 3, &more, NULL), QR_OK);
    }
    assert_true(lsn - t_state(f->svc, 1).destaged_lsn < 30000); /* less than an object */
    early = t_state(f->svc, 1).destaged_lsn;
    lsn = append_fast(f, lsn, 500);
    assert_true(t_state(f->svc, 1).destaged_lsn < early + 100000);
    lsn = append_fast(f, lsn, 500); /* six ages are over: not for ever */
    assert_true(lsn - t_state(f->svc, 1).destaged_lsn < 30000);
    destage_all(f);
    assert_int_equal(t_read_all(f->svc, 1, T_START, 70000, &end), lsn - T_START);
    close_all(f);
}

static void test_destaging_waits_only_while_the_journal_has_room(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    f->options.busy_bytes_per_s = 400000;
    f->options.journal_bytes_max = 1 << 20;
    reopen(f);
    struct qr_logsvc_stats s;
    uint64_t end, lsn = begin(f, 1);
    for (int i = 0; i < 60; i++) {
        lsn = append_fast(f, lsn, 10);
        qr_logsvc_stats(f->svc, &s);
        assert_true(s.journal_bytes <= (512 << 10) + 3 * (64 << 10)); /* half, and what is ahead */
    }
    assert_int_equal(s.refused_busy, 0);
    assert_true(lsn - t_state(f->svc, 1).destaged_lsn > 300000); /* it did wait */
    assert_int_equal(t_read_all(f->svc, 1, T_START, 70000, &end), lsn - T_START);
    close_all(f);
}

static void test_a_journal_that_was_larger_takes_appends_and_shrinks(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    f->options.journal_bytes_max = 8 << 20;
    reopen(f);
    uint64_t end, lsn = begin(f, 1);
    for (int i = 0; i < 500; i++, lsn += 5000)
        assert_int_equal(t_append(f->svc, 1, 1, lsn, 5000, false, 0), QR_OK);
    f->options.journal_bytes_max = 512 << 10;
    reopen(f);
    assert_int_equal(t_append(f->svc, 1, 1, lsn, 5000, false, 0), QR_OK);
    lsn += 5000;
    bool more;
    struct qr_logsvc_stats s;
    assert_int_equal(qr_logsvc_destage(f->svc, 1, &more, NULL), QR_OK); /* it is pressed */
    assert_true(more && t_state(f->svc, 1).destaged_lsn > T_START);
    destage_all(f);
    qr_logsvc_stats(f->svc, &s);
    assert_true(s.journal_bytes <= 4 * (64 << 10));
    assert_int_equal(t_read_all(f->svc, 1, T_START, 70000, &end), lsn - T_START);
    close_all(f);
}

/* A crash forgets what was destaged, and a trim may be ahead of destaging: log behind the trim
 * stays whole, though what comes before it can no longer be read. */
static void test_log_behind_a_trim_stays_whatever_was_destaged_before(void **state)
{
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        struct fixture *f = open_fixture();
        uint64_t lsn = begin(f, 1), end, trimmed;
        for (int i = 0; i < 10; i++, lsn += 2000)
            assert_int_equal(t_append(f->svc, 1, 1, lsn, 2000, false, lsn), QR_OK);
        if (variant & 1)
            destage_all(f);
        trimmed = lsn - 9000;
        struct qr_logsvc_change trim = {
            .kind = QR_LOGSVC_TRIM, .timeline = t_timeline(1), .lsn = trimmed};
        assert_int_equal(t_change(f->svc, &trim), QR_OK);
        if (variant & 2) {
            qr_logsvc_abandon(f->svc);
            qr_sim_kill(f->sim);
            assert_int_equal(qr_logsvc_open(&f->options, &f->svc, NULL), QR_OK);
        }
        for (int i = 0; i < 60; i++, lsn += 5000) {
            assert_int_equal(t_append(f->svc, 1, 1, lsn, 5000, false, lsn), QR_OK);
            if (i % 10 == 0)
                destage_all(f);
        }
        destage_all(f);
        struct qr_logsvc_stats s;
        qr_logsvc_stats(f->svc, &s);
        assert_true(s.segments_dropped > 0);
        reopen(f);
        for (uint64_t from = trimmed; from < lsn; from += 1500) {
            assert_int_equal(t_read_all(f->svc, 1, from, 50000, &end), lsn - from);
            assert_int_equal(end, lsn);
        }
        close_all(f);
    }
}

static bool count_name(void *arg, const char *name, const struct qr_blob_info *info)
{
    (void)name;
    (void)info;
    ++*(int *)arg;
    return true;
}

static void test_a_dropped_timeline_leaves_nothing(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    uint64_t lsn = begin(f, 1), other = begin(f, 2);
    for (int i = 0; i < 80; i++, lsn += 5000)
        assert_int_equal(t_append(f->svc, 1, 1, lsn, 5000, false, 0), QR_OK);
    destage_all(f);
    struct qr_logsvc_change drop = {.kind = QR_LOGSVC_DROP, .timeline = t_timeline(1)};
    assert_int_equal(t_change(f->svc, &drop), QR_OK);
    for (int i = 0; i < 60; i++, other += 5000)
        assert_int_equal(t_append(f->svc, 2, 1, other, 5000, false, 0), QR_OK);
    destage_all(f);
    int names = 0;
    char prefix[4 + QR_TIMELINE_HEX_BYTES] = "log/";
    struct qr_timeline t = t_timeline(1);
    qr_timeline_hex(&t, prefix + 4);
    assert_int_equal(qr_blob_list(f->blob, prefix, count_name, &names, NULL), QR_OK);
    assert_int_equal(names, 0);
    struct qr_logsvc_stats s;
    qr_logsvc_stats(f->svc, &s);
    assert_int_equal(s.timelines, 1);
    close_all(f);
}

/* Real records, commits one second apart; returns the LSN of each. */
static void write_commits(struct fixture *f, uint64_t commit_lsn[COMMITS])
{
    uint64_t lsn = T_START, last_commit = T_START, epoch = 0;
    struct qr_timeline t = t_timeline(1);
    uint8_t *page = calloc(1, 8192);
    assert_int_equal(t_create(f->svc, 1), QR_OK);
    for (int i = 0; i < COMMITS; i++) {
        bool first = i % 100 == 0;
        struct qr_buf buf;
        qr_buf_init(&buf, 1 << 20);
        if (first) {
            epoch++;
            assert_int_equal(t_fence(f->svc, 1, epoch, NULL), QR_OK);
            lsn += T_JUMP;
            qr_record_add_epoch(&buf, epoch, last_commit, 0);
        }
        memset(page, i + 1, 8192);
        qr_record_add_page(&buf, 3, NULL, page, 8192);
        qr_record_add_commit(&buf, 10, 1, (uint64_t)(i + 1) * 1000, (uint64_t)i + 1);
        uint64_t end = lsn + buf.len;
        /* in pieces that end in the middle of records */
        for (size_t at = 0; at < buf.len;) {
            size_t n = buf.len - at < 3000 ? buf.len - at : 3000;
            bool last = at + n == buf.len;
            struct t_append x = {.a = {.timeline = t,
                                       .epoch = epoch,
                                       .first_lsn = lsn + at,
                                       .bytes = buf.data + at,
                                       .byte_count = (uint32_t)n,
                                       .new_epoch = first && at == 0,
                                       .commit_lsn = last ? end : 0,
                                       .commit_wall_ns = last ? (uint64_t)(i + 1) * 1000 : 0,
                                       .done = t_append_done}};
            qr_logsvc_append(f->svc, &x.a);
            t_flush_all(f->svc);
            assert_int_equal(x.a.status, QR_OK);
            at += n;
        }
        lsn = last_commit = commit_lsn[i] = end;
        qr_buf_done(&buf);
        if (i % 50 == 49 && i < COMMITS - 60) {
            destage_all(f);
        }
    }
    free(page);
}

static void test_a_time_finds_the_last_commit_before_it(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    uint64_t commit_lsn[COMMITS];
    f->options.journal_bytes_max = 8 << 20;
    reopen(f);
    write_commits(f, commit_lsn);
    struct qr_timeline t = t_timeline(1);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < COMMITS; i += i % 7 + 1) {
            for (int off = 0; off < 1000; off += 999) {
                uint64_t lsn = 0, wall = 0;
                struct qr_err err;
                qr_err_reset(&err);
                if (qr_logsvc_find(f->svc, &t, (uint64_t)(i + 1) * 1000 + (uint64_t)off, &lsn,
                                   &wall, &err) != QR_OK)
                    fail_msg("commit %d: %s", i, err.text);
                assert_int_equal(lsn, commit_lsn[i]);
                assert_int_equal(wall, (uint64_t)(i + 1) * 1000);
            }
        }
        uint64_t lsn = 0, wall = 0;
        assert_int_equal(qr_logsvc_find(f->svc, &t, 999, &lsn, &wall, NULL), QR_OK);
        assert_int_equal(lsn, T_START); /* before the first commit */
        reopen(f);
    }
    struct qr_logsvc_change trim = {.kind = QR_LOGSVC_TRIM, .timeline = t, .lsn = commit_lsn[200]};
    assert_int_equal(t_change(f->svc, &trim), QR_OK);
    destage_all(f);
    uint64_t lsn = 0, wall = 0;
    assert_int_equal(qr_logsvc_find(f->svc, &t, 100 * 1000, &lsn, &wall, NULL), QR_NOT_FOUND);
    assert_int_equal(qr_logsvc_find(f->svc, &t, 300 * 1000, &lsn, &wall, NULL), QR_OK);
    assert_int_equal(lsn, commit_lsn[299]);
    close_all(f);
}

/* Goal: destaging may fail anywhere and be done again, and what is destaged is the log. Method:
 * fail the n-th I/O of destage, sometimes with a power cut behind it, then do it again. */
static void test_destage_survives_every_io_fault(void **state)
{
    (void)state;
    bool fired = true;
    int nth = 1;
    for (; fired; nth++) {
        struct fixture *f = open_fixture();
        uint64_t lsn = begin(f, 1), end;
        for (int i = 0; i < 30; i++, lsn += 5000)
            assert_int_equal(t_append(f->svc, 1, 1, lsn, 5000, false, 0), QR_OK);
        qr_sim_advance(f->sim, INT64_C(11000000000));
        uint64_t fault_at = (uint64_t)nth;
        qr_sim_fault_next(f->sim, fault_at, nth % 3 == 0, QR_IO);
        enum qr_status status = QR_OK;
        for (bool more = true; more && status == QR_OK;)
            status = qr_logsvc_destage(f->svc, 3, &more, NULL);
        fired = qr_sim_fault_fired(f->sim);
        if (nth % 2 == 0) {
            qr_sim_power_cut(f->sim);
            qr_logsvc_abandon(f->svc);
            qr_blob_close(f->blob);
            qr_sim_fault_next(f->sim, 0, false, QR_OK);
            assert_int_equal(
                qr_blob_open(qr_sim_env(f->sim), NULL, "file:///blob", "", &f->blob, NULL), QR_OK);
            f->options.blob = f->blob;
            assert_int_equal(qr_logsvc_open(&f->options, &f->svc, NULL), QR_OK);
        }
        qr_sim_fault_next(f->sim, 0, false, QR_OK);
        if (nth % 3 != 0 || nth % 2 == 0) { /* else the disk is gone for good */
            destage_all(f);
            assert_int_equal(t_state(f->svc, 1).destaged_lsn, lsn);
            assert_int_equal(t_read_all(f->svc, 1, T_START, 9000, &end), lsn - T_START);
            assert_int_equal(end, lsn);
        }
        close_all(f);
    }
    assert_true(nth > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments_go_when_long_term_storage_has_their_log),
        cmocka_unit_test(test_log_of_many_epochs_is_found_across_their_gaps),
        cmocka_unit_test(test_segments_that_go_under_a_reader_hide_no_log),
        cmocka_unit_test(test_trimmed_log_is_deleted_and_its_readers_are_told),
        cmocka_unit_test(test_log_behind_a_trim_stays_whatever_was_destaged_before),
        cmocka_unit_test(test_a_dropped_timeline_leaves_nothing),
        cmocka_unit_test(test_many_busy_timelines_take_turns),
        cmocka_unit_test(test_destaging_waits_while_log_comes_fast),
        cmocka_unit_test(test_destaging_waits_only_while_the_journal_has_room),
        cmocka_unit_test(test_a_journal_that_was_larger_takes_appends_and_shrinks),
        cmocka_unit_test(test_a_time_finds_the_last_commit_before_it),
        cmocka_unit_test(test_destage_survives_every_io_fault),
    };
    return cmocka_run_group_tests_name("logsvc/longterm", tests, NULL, NULL);
}
