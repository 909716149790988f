/* test_storage.c - long-term storage that fails, is damaged, full or gone: log is not lost, the
 * journal keeps what is not stored, and who reads damage is told where it is. */
#include <string.h>
#include "blob/simblob.h"
#include "helper.h"

enum { EVERYTHING = 1000000 /* parts per million */, APPEND_BYTES = 5000 };

struct fixture {
    struct qr_sim *sim;
    struct qr_blob *store, *blob;
    struct qr_logsvc *svc;
    struct qr_logsvc_options options;
    uint64_t lsn[3]; /* ends of timelines 1 and 2 */
};

static const struct qr_simblob_faults no_faults = {.refuse_ppm = 0};

static void begin(struct fixture *f)
{
    *f = (struct fixture){.sim = qr_sim_new(&(struct qr_sim_options){.seed = 6})};
    struct qr_env *env = qr_sim_env(f->sim);
    assert_int_equal(qr_blob_open(env, NULL, "file:///blob", "", &f->store, NULL), QR_OK);
    f->blob = qr_simblob_new(env, f->store, 3, &no_faults);
    f->options = (struct qr_logsvc_options){.env = env,
                                            .dir = "/log",
                                            .blob = f->blob,
                                            .segment_bytes = 64 << 10,
                                            .journal_bytes_max = 512 << 10,
                                            .ring_bytes = 20000,
                                            .object_bytes = 30000,
                                            .threads_off = true};
    assert_int_equal(qr_logsvc_open(&f->options, &f->svc, NULL), QR_OK);
    for (int t = 1; t <= 2; t++) {
        assert_int_equal(t_create(f->svc, t), QR_OK);
        assert_int_equal(t_fence(f->svc, t, 1, NULL), QR_OK);
        assert_int_equal(t_append(f->svc, t, 1, T_START, 100, true, T_START), QR_OK);
        f->lsn[t] = T_START + 100;
    }
}

static void end(struct fixture *f)
{
    qr_logsvc_close(f->svc);
    qr_blob_close(f->blob);
    qr_blob_close(f->store);
    qr_sim_free(f->sim);
}

static enum qr_status append(struct fixture *f, int timeline)
{
    enum qr_status status = t_append(f->svc, timeline, 1, f->lsn[timeline], APPEND_BYTES, false, 0);
    if (status == QR_OK)
        f->lsn[timeline] += APPEND_BYTES;
    return status;
}

/* How many destages failed. */
static int destage(struct fixture *f)
{
    int failed = 0;
    qr_sim_advance(f->sim, INT64_C(11000000000));
    for (bool more = true; more;) {
        if (qr_logsvc_destage(f->svc, 3, &more, NULL) != QR_OK) {
            failed++;
            break;
        }
    }
    return failed;
}

static void check_all(struct fixture *f)
{
    for (int t = 1; t <= 2; t++) {
        uint64_t at;
        assert_int_equal(t_read_all(f->svc, t, T_START, 7000, &at), f->lsn[t] - T_START);
        assert_int_equal(at, f->lsn[t]);
    }
}

static void test_whatever_long_term_storage_answers_log_is_neither_lost_nor_doubled(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct qr_simblob_faults faults;
        bool gone;
    } cases[] = {
        {"busy, failing, closed", {.refuse_ppm = EVERYTHING}, false},
        {"403", {.deny_ppm = EVERYTHING}, false},
        {"full", {.full_ppm = EVERYTHING}, false},
        {"every answer lost", {.lose_ppm = EVERYTHING}, false},
        {"half of the answers lost", {.lose_ppm = EVERYTHING / 2}, false},
        {"half refused", {.refuse_ppm = EVERYTHING / 2}, false},
        {"gone", {.refuse_ppm = 0}, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture f;
        int failed = 0;
        begin(&f);
        for (int n = 0; n < 20; n++)
            assert_int_equal(append(&f, 1 + n % 2), QR_OK);
        assert_int_equal(destage(&f), 0);
        qr_simblob_set_faults(f.blob, &cases[i].faults);
        qr_simblob_set_gone(f.blob, cases[i].gone);
        for (int n = 0; n < 40; n++) {
            assert_int_equal(append(&f, 1 + n % 2), QR_OK); /* a commit does not wait for it */
            failed += destage(&f);
        }
        if (failed == 0)
            fail_msg("%s: nothing failed", cases[i].name);
        qr_simblob_set_faults(f.blob, &no_faults);
        qr_simblob_set_gone(f.blob, false);
        assert_int_equal(destage(&f), 0);
        check_all(&f);
        qr_logsvc_abandon(f.svc);
        assert_int_equal(qr_logsvc_open(&f.options, &f.svc, NULL), QR_OK);
        check_all(&f);
        end(&f);
    }
}

/* The journal is bounded: when nothing leaves it, writers are slowed, then refused, and go on as
 * soon as it can be emptied. */
static void test_a_journal_that_cannot_be_emptied_says_so_and_recovers(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    qr_simblob_set_gone(f.blob, true);
    enum qr_status status = QR_OK;
    for (int n = 0; n < 400 && status == QR_OK; n++) {
        status = append(&f, 1);
        (void)destage(&f);
    }
    assert_int_equal(status, QR_BUSY);
    assert_int_equal(append(&f, 2), QR_BUSY);
    qr_simblob_set_gone(f.blob, false);
    assert_int_equal(destage(&f), 0);
    for (int n = 0; n < 20; n++)
        assert_int_equal(append(&f, 1 + n % 2), QR_OK);
    check_all(&f);
    end(&f);
}

struct object {
    char path[256];
    int skip;
};
static bool pick(void *arg, const char *name, const struct qr_blob_info *info)
{
    struct object *o = arg;
    (void)info;
    if (o->skip-- > 0)
        return true;
    snprintf(o->path, sizeof o->path, "/blob/%s~", name);
    return false;
}

static void test_a_damaged_object_is_named_and_what_lies_behind_it_is_read(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    for (int n = 0; n < 80; n++)
        assert_int_equal(append(&f, 1 + n % 2), QR_OK);
    assert_int_equal(destage(&f), 0);
    struct object o = {.skip = 2};
    assert_int_equal(qr_blob_list(f.store, "log/7a", pick, &o, NULL), QR_OK);
    assert_int_equal(qr_sim_flip_bit(f.sim, o.path, 8 * 200), QR_OK);
    uint64_t first = strtoull(strrchr(o.path, '/') + 1, NULL, 16);
    struct qr_timeline t = t_timeline(1);
    struct qr_buf buf;
    struct qr_logsvc_state s;
    struct qr_err err;
    qr_err_reset(&err);
    qr_buf_init(&buf, 1 << 20);
    assert_int_equal(qr_logsvc_read(f.svc, &t, first, 1000, &buf, &s, &err), QR_CORRUPT);
    char name[64];
    snprintf(name, sizeof name, "log/%.32s/%016llx", strstr(o.path, "log/") + 4,
             (unsigned long long)first);
    if (strstr(err.text, name) == NULL)
        fail_msg("'%s' does not name %s", err.text, name);
    qr_buf_clear(&buf);
    uint64_t at;
    assert_int_equal(t_read_all(f.svc, 2, T_START, 7000, &at), f.lsn[2] - T_START);
    assert_int_equal(qr_logsvc_read(f.svc, &t, f.lsn[1] - 100, 1000, &buf, &s, &err), QR_OK);
    assert_int_equal(append(&f, 1), QR_OK);
    assert_int_equal(qr_sim_flip_bit(f.sim, o.path, 8 * 200), QR_OK);
    check_all(&f);
    qr_buf_done(&buf);
    end(&f);
}

/* The object's own header is damaged: a listing must not fail for all others. */
static void test_an_object_without_a_header_does_not_hide_the_others(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    for (int n = 0; n < 80; n++)
        assert_int_equal(append(&f, 1 + n % 2), QR_OK);
    assert_int_equal(destage(&f), 0);
    struct object o = {.skip = 1};
    assert_int_equal(qr_blob_list(f.store, "log/7a", pick, &o, NULL), QR_OK);
    assert_int_equal(qr_sim_flip_bit(f.sim, o.path, 8 * 10), QR_OK);
    struct qr_timeline t = t_timeline(1);
    struct qr_buf buf;
    struct qr_logsvc_state s;
    struct qr_err err;
    qr_err_reset(&err);
    qr_buf_init(&buf, 1 << 20);
    /* In the middle of an object: it is found by listing its neighbours. */
    if (qr_logsvc_read(f.svc, &t, T_START + 140000, 1000, &buf, &s, &err) != QR_OK)
        fail_msg("%s", err.text);
    assert_true(buf.len > 0);
    qr_buf_done(&buf);
    assert_int_equal(qr_sim_flip_bit(f.sim, o.path, 8 * 10), QR_OK);
    check_all(&f);
    end(&f);
}

/* A crash forgets what was destaged, and the object that is there already cannot be read: the
 * journal has its log, so nothing is lost, whichever it is. */
static void test_a_damaged_object_that_is_met_again_costs_no_log(void **state)
{
    enum { HEADER_BIT = 8 * (64 + 20), MANY = 100000 }; /* behind the store's own header */
    (void)state;
    for (int skip = 0; skip < 3; skip++) {
        struct fixture f;
        begin(&f);
        for (int n = 0; n < 6; n++) {
            assert_int_equal(append(&f, 1), QR_OK);
            assert_int_equal(destage(&f), 0);
        }
        struct object o = {.skip = skip}, all = {.skip = MANY};
        assert_int_equal(qr_blob_list(f.store, "log/7a", pick, &all, NULL), QR_OK);
        int count = MANY - all.skip;
        bool is_last = skip == 2;
        o.skip = is_last ? count - 1 : skip;
        assert_true(count > 3);
        assert_int_equal(qr_blob_list(f.store, "log/7a", pick, &o, NULL), QR_OK);
        assert_int_equal(qr_sim_flip_bit(f.sim, o.path, HEADER_BIT), QR_OK);
        qr_logsvc_abandon(f.svc);
        assert_int_equal(qr_logsvc_open(&f.options, &f.svc, NULL), QR_OK);
        assert_int_equal(destage(&f), 0);
        for (int n = 0; n < 6; n++)
            assert_int_equal(append(&f, 1), QR_OK);
        assert_int_equal(destage(&f), 0);
        struct qr_logsvc_stats s;
        qr_logsvc_stats(f.svc, &s);
        assert_int_equal(s.damaged_timelines, 0);
        if (!is_last) /* else it was written anew */
            assert_int_equal(qr_sim_flip_bit(f.sim, o.path, HEADER_BIT), QR_OK);
        check_all(&f);
        end(&f);
    }
}

/* Nobody can tell where the first of two damaged objects ended: its timeline waits for help, and no
 * other with it. */
static void test_damaged_objects_of_a_timeline_hold_up_no_other(void **state)
{
    enum { HEADER_BIT = 8 * (64 + 20) };
    (void)state;
    for (int t = 1; t <= 2; t++) { /* whichever comes first in a pass */
        struct fixture f;
        int other = 3 - t;
        begin(&f);
        for (int n = 0; n < 6; n++) {
            assert_int_equal(append(&f, t), QR_OK);
            assert_int_equal(destage(&f), 0);
        }
        for (int i = 0; i < 2; i++) {
            struct object o = {.skip = t - 1 + i}; /* of the other there is one */
            assert_int_equal(qr_blob_list(f.store, "log/7a", pick, &o, NULL), QR_OK);
            assert_int_equal(qr_sim_flip_bit(f.sim, o.path, HEADER_BIT), QR_OK);
        }
        qr_logsvc_abandon(f.svc);
        assert_int_equal(qr_logsvc_open(&f.options, &f.svc, NULL), QR_OK);
        for (int n = 0; n < 6; n++)
            assert_int_equal(append(&f, other), QR_OK);
        for (int n = 0; n < 4; n++)
            assert_int_equal(destage(&f), 1); /* it is told */
        assert_int_equal(t_state(f.svc, other).destaged_lsn, f.lsn[other]);
        struct qr_logsvc_stats s;
        qr_logsvc_stats(f.svc, &s);
        assert_int_equal(s.damaged_timelines, 0);
        end(&f);
    }
}

static void test_objects_with_and_without_compression_live_side_by_side(void **state)
{
    (void)state;
    struct fixture f;
    uint8_t log[APPEND_BYTES];
    uint64_t written[2] = {0};
    begin(&f);
    for (int i = 0; i < 6; i++) {
        struct qr_logsvc_stats s;
        for (int n = 0; n < 20; n++) { /* log that repeats itself, as pages do */
            struct t_append x = {.done = false};
            memset(log, n, sizeof log);
            x.a = (struct qr_logsvc_append){.timeline = t_timeline(1),
                                            .epoch = 1,
                                            .first_lsn = f.lsn[1],
                                            .bytes = log,
                                            .byte_count = sizeof log,
                                            .done = t_append_done};
            qr_logsvc_append(f.svc, &x.a);
            t_flush_all(f.svc);
            assert_true(x.done);
            assert_int_equal(x.a.status, QR_OK);
            f.lsn[1] += sizeof log;
        }
        assert_int_equal(destage(&f), 0);
        qr_logsvc_stats(f.svc, &s);
        written[i % 2] += s.object_bytes_written;
        qr_logsvc_close(f.svc);
        f.options.compression_off = i % 2 == 0;
        assert_int_equal(qr_logsvc_open(&f.options, &f.svc, NULL), QR_OK);
    }
    assert_true(written[0] < written[1] / 4);
    struct qr_timeline t = t_timeline(1);
    uint64_t next = T_START + 100;
    while (next < f.lsn[1]) {
        struct qr_buf buf;
        struct qr_logsvc_state s;
        qr_buf_init(&buf, 1 << 20);
        assert_int_equal(qr_logsvc_read(f.svc, &t, next, 7777, &buf, &s, NULL), QR_OK);
        for (size_t at = 0; at < buf.len;) {
            struct qr_piece p;
            assert_int_equal(qr_piece_next(buf.data, buf.len, &at, &p, NULL), QR_OK);
            assert_int_equal(p.first_lsn, next);
            for (uint32_t k = 0; k < p.bytes; k++)
                assert_int_equal(p.data[k], (next + k - T_START - 100) / APPEND_BYTES % 20);
            next += p.bytes;
        }
        qr_buf_done(&buf);
    }
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whatever_long_term_storage_answers_log_is_neither_lost_nor_doubled),
        cmocka_unit_test(test_a_journal_that_cannot_be_emptied_says_so_and_recovers),
        cmocka_unit_test(test_a_damaged_object_is_named_and_what_lies_behind_it_is_read),
        cmocka_unit_test(test_a_damaged_object_that_is_met_again_costs_no_log),
        cmocka_unit_test(test_damaged_objects_of_a_timeline_hold_up_no_other),
        cmocka_unit_test(test_objects_with_and_without_compression_live_side_by_side),
        cmocka_unit_test(test_an_object_without_a_header_does_not_hide_the_others),
    };
    return cmocka_run_group_tests_name("logsvc/storage", tests, NULL, NULL);
}
