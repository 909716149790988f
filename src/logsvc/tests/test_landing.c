/* test_landing.c - a journal in a blob store: one writer at a time whatever the store answers, log
 * that was acknowledged is there once, objects are rolled. (test_crash.c runs there, too.) */
#include <string.h>
#include "blob/simblob.h"
#include "helper.h"
#include "logsvc/inspect.h"

enum { EVERYTHING = 1000000 /* parts per million */, APPEND_BYTES = 3000 };

struct fixture {
    struct qr_sim *sim;
    struct qr_blob *store, *blob;
    struct qr_logsvc *svc;
    struct qr_logsvc_options options;
    uint64_t lsn, epoch;
    int fatal_count;
};

static const struct qr_simblob_faults no_faults = {.refuse_ppm = 0};

static void on_fatal(void *ctx, const struct qr_err *err)
{
    (void)err;
    ((struct fixture *)ctx)->fatal_count++;
}

static void begin(struct fixture *f)
{
    *f = (struct fixture){.sim = qr_sim_new(&(struct qr_sim_options){.seed = 6})};
    struct qr_env *env = qr_sim_env(f->sim);
    assert_int_equal(qr_blob_open(env, NULL, "file:///blob", "", &f->store, NULL), QR_OK);
    f->blob = qr_simblob_new(env, f->store, 3, &no_faults);
    f->options = (struct qr_logsvc_options){.env = env,
                                            .dir = "landing",
                                            .landing = f->blob,
                                            .blob = f->store,
                                            .segment_bytes = 256 << 10,
                                            .journal_bytes_max = 64 << 20,
                                            .ring_bytes = 20000,
                                            .fatal = on_fatal,
                                            .fatal_ctx = f,
                                            .threads_off = true};
    struct qr_err err;
    qr_err_reset(&err);
    if (qr_logsvc_open(&f->options, &f->svc, &err) != QR_OK)
        fail_msg("%s", err.text);
    assert_int_equal(t_create(f->svc, 1), QR_OK);
    assert_int_equal(t_fence(f->svc, 1, 1, NULL), QR_OK);
    assert_int_equal(t_append(f->svc, 1, 1, T_START, 100, true, T_START), QR_OK);
    f->lsn = T_START + 100;
    f->epoch = 1;
}

static void end(struct fixture *f)
{
    qr_logsvc_close(f->svc);
    qr_blob_close(f->blob);
    qr_blob_close(f->store);
    qr_sim_free(f->sim);
}

static void must_open(struct fixture *f)
{
    struct qr_err err;
    qr_err_reset(&err);
    if (qr_logsvc_open(&f->options, &f->svc, &err) != QR_OK)
        fail_msg("%s", err.text);
}

static enum qr_status append(struct fixture *f)
{
    enum qr_status status = t_append(f->svc, 1, f->epoch, f->lsn, APPEND_BYTES, false, 0);
    if (status == QR_OK)
        f->lsn += APPEND_BYTES;
    return status;
}

/* What was acknowledged is there; more only if `may_have_more`. */
static void check(struct fixture *f, bool may_have_more)
{
    uint64_t at, bytes = t_read_all(f->svc, 1, T_START, 70000, &at);
    assert_int_equal(bytes, at - T_START);
    assert_true(at == f->lsn || (may_have_more && at == f->lsn + APPEND_BYTES));
    f->lsn = at;
}

struct names {
    int segments;
    char last[256];
};
static bool count_segment(void *arg, const char *name, const struct qr_blob_info *info)
{
    struct names *n = arg;
    (void)info;
    n->segments++;
    snprintf(n->last, sizeof n->last, "%s", name);
    return true;
}
static struct names list_segments(struct fixture *f)
{
    struct names n = {0};
    assert_int_equal(qr_blob_list(f->store, "landing/journal.", count_segment, &n, NULL), QR_OK);
    return n;
}

static void test_log_is_there_after_a_close_and_after_a_kill(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    for (int i = 0; i < 6; i++) {
        for (int n = 0; n < 20; n++)
            assert_int_equal(append(&f), QR_OK);
        int64_t began = qr_env_mono_ns(qr_sim_env(f.sim));
        if (i % 2 == 0)
            qr_logsvc_close(f.svc);
        else
            qr_logsvc_abandon(f.svc);
        must_open(&f);
        int64_t waited = qr_env_mono_ns(qr_sim_env(f.sim)) - began;
        if (i % 2 == 0)
            assert_true(waited < INT64_C(1000000000)); /* a clean close gives its leases back */
        else
            assert_true(waited < INT64_C(32000000000));
        check(&f, false);
    }
    end(&f);
}

/* The supervisor starts it again at once, on the same machine. */
static void test_who_was_killed_gets_its_leases_back_at_once(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    qr_logsvc_close(f.svc);
    f.options.landing_leases = "/leases";
    must_open(&f);
    for (int i = 0; i < 4; i++) {
        for (int n = 0; n < 120; n++) /* more than a segment */
            assert_int_equal(append(&f), QR_OK);
        int64_t began = qr_env_mono_ns(qr_sim_env(f.sim));
        qr_logsvc_abandon(f.svc);
        qr_sim_kill(f.sim);
        must_open(&f);
        assert_true(qr_env_mono_ns(qr_sim_env(f.sim)) - began < INT64_C(1000000000));
        check(&f, false);
    }
    /* What it had under way then does not come behind what follows. */
    struct fixture old = f;
    f.svc = NULL;
    must_open(&f);
    assert_int_equal(append(&old), QR_CLOSED);
    qr_logsvc_abandon(old.svc);
    assert_int_equal(append(&f), QR_OK);
    check(&f, false);

    qr_logsvc_abandon(f.svc); /* another machine has not got the file */
    f.options.landing_leases = "/others";
    int64_t began = qr_env_mono_ns(qr_sim_env(f.sim));
    must_open(&f);
    assert_true(qr_env_mono_ns(qr_sim_env(f.sim)) - began >= INT64_C(10000000000));
    check(&f, false);
    end(&f);
}

static void test_objects_are_rolled_before_the_service_refuses_appends(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    qr_logsvc_close(f.svc);
    f.options.landing_appends_max = 10;
    must_open(&f);
    int before = list_segments(&f).segments;
    for (int n = 0; n < 55; n++)
        assert_int_equal(append(&f), QR_OK);
    assert_int_equal(list_segments(&f).segments, before + 5);
    check(&f, false);
    qr_logsvc_abandon(f.svc);
    must_open(&f);
    check(&f, false);
    end(&f);
}

/* The old process lives on and does not know. */
static void test_who_lost_the_lease_hardens_nothing_more(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    for (int n = 0; n < 10; n++)
        assert_int_equal(append(&f), QR_OK);
    struct fixture old = f;
    old.options.fatal_ctx = &old;
    f.svc = NULL;
    int64_t began = qr_env_mono_ns(qr_sim_env(f.sim));
    must_open(&f); /* waits until the lease has run out */
    assert_true(qr_env_mono_ns(qr_sim_env(f.sim)) - began >= INT64_C(10000000000));
    assert_int_equal(append(&old), QR_CLOSED);
    assert_int_equal(f.fatal_count, 1); /* `old` was opened with f as its context */
    check(&f, false);
    assert_int_equal(append(&f), QR_OK);
    qr_logsvc_abandon(old.svc);
    check(&f, false);
    end(&f);
}

static void test_a_living_holder_keeps_others_out(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    /* The second one waits by sleeping; its clock is ours, so we renew as our thread would. */
    struct qr_blob_tag id;
    assert_int_equal(qr_blob_lease(f.store, "landing/lock", 60, "", &id, NULL), QR_LOCKED);
    for (int i = 0; i < 20; i++) {
        qr_sim_advance(f.sim, INT64_C(5000000000));
        assert_int_equal(append(&f), QR_OK); /* a write renews what is old */
        assert_int_equal(qr_blob_lease(f.store, "landing/lock", 60, "", &id, NULL), QR_LOCKED);
    }
    check(&f, false);
    end(&f);
}

static void test_no_answer_of_the_store_loses_or_doubles_log(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct qr_simblob_faults faults;
    } cases[] = {
        {"a third of the answers lost", {.lose_ppm = EVERYTHING / 3}},
        {"a third refused", {.refuse_ppm = EVERYTHING / 3}},
        {"both", {.refuse_ppm = EVERYTHING / 4, .lose_ppm = EVERYTHING / 4}},
        {"full now and then", {.full_ppm = EVERYTHING / 3}},
        {"slow", {.delay_max_ns = INT64_C(900000000)}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture f;
        begin(&f);
        for (int life = 0; life < 4; life++) {
            qr_simblob_set_faults(f.blob, &cases[i].faults);
            enum qr_status status = QR_OK;
            for (int n = 0; n < 60 && status == QR_OK; n++)
                status = append(&f);
            if (status != QR_OK && status != QR_CLOSED)
                fail_msg("%s: %s", cases[i].name, qr_status_info(status)->name);
            qr_simblob_set_faults(f.blob, &no_faults);
            qr_logsvc_abandon(f.svc);
            must_open(&f);
            check(&f, status != QR_OK);
        }
        end(&f);
    }
}

static void test_a_store_that_is_gone_ends_the_service_and_nothing_is_lost(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    for (int n = 0; n < 10; n++)
        assert_int_equal(append(&f), QR_OK);
    qr_simblob_set_gone(f.blob, true);
    int64_t began = qr_env_mono_ns(qr_sim_env(f.sim));
    assert_int_equal(append(&f), QR_CLOSED);
    int64_t took = qr_env_mono_ns(qr_sim_env(f.sim)) - began;
    assert_true(took < INT64_C(30000000000)); /* it waits for it, but not for ever */
    assert_int_equal(f.fatal_count, 1);
    qr_logsvc_abandon(f.svc);
    qr_simblob_set_gone(f.blob, false);
    must_open(&f);
    check(&f, false);
    assert_int_equal(append(&f), QR_OK);
    end(&f);
}

/* As the store keeps them: of a header that is damaged it cannot even tell the object's state. */
static void test_a_damaged_or_missing_table_is_made_from_the_other(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int64_t bit; /* -1: the object goes */
    } damages[] = {{"/blob/landing/timelines~", -1},       {"/blob/landing/timelines~", 100},
                   {"/blob/landing/timelines~", 800},      {"/blob/landing/timelines.copy~", -1},
                   {"/blob/landing/timelines.copy~", 100}, {"/blob/landing/timelines.copy~", 800}};
    struct fixture f;
    begin(&f);
    for (size_t i = 0; i < 2 * sizeof damages / sizeof damages[0]; i++) {
        size_t k = i * 7 % (sizeof damages / sizeof damages[0]); /* one after the other */
        assert_int_equal(append(&f), QR_OK);
        if (i % 2 == 0)
            qr_logsvc_close(f.svc);
        else
            qr_logsvc_abandon(f.svc);
        struct qr_env *env = qr_sim_env(f.sim);
        assert_int_equal(damages[k].bit < 0
                             ? qr_env_unlink(env, damages[k].path, NULL)
                             : qr_sim_flip_bit(f.sim, damages[k].path, (uint64_t)damages[k].bit),
                         QR_OK);
        must_open(&f);
        check(&f, false);
    }
    qr_logsvc_close(f.svc);
    assert_int_equal(qr_env_unlink(qr_sim_env(f.sim), damages[0].path, NULL), QR_OK);
    assert_int_equal(qr_env_unlink(qr_sim_env(f.sim), damages[3].path, NULL), QR_OK);
    assert_int_equal(qr_logsvc_open(&f.options, &f.svc, NULL), QR_CORRUPT);
    f.svc = NULL;
    end(&f);
}

/* Nothing of what a process that has been replaced still writes counts, and none of it ends the
 * one that has replaced it. */
static void test_a_late_copy_of_who_was_replaced_is_written_over(void **state)
{
    (void)state;
    struct fixture f;
    struct qr_buf old;
    begin(&f);
    qr_buf_init(&old, 1 << 20);
    assert_int_equal(qr_blob_get(f.store, "landing/timelines.copy", 0, SIZE_MAX, &old, NULL, NULL),
                     QR_OK);
    qr_logsvc_close(f.svc);
    must_open(&f); /* knows the copy that it has put */
    assert_int_equal(append(&f), QR_OK);
    assert_int_equal(
        qr_blob_put(f.store, "landing/timelines.copy", old.data, old.len, NULL, NULL, NULL), QR_OK);
    for (int n = 0; n < 300; n++) { /* segments come and go */
        assert_int_equal(append(&f), QR_OK);
        bool more = false;
        qr_sim_advance(f.sim, INT64_C(1000000000));
        assert_int_equal(qr_logsvc_destage(f.svc, 100, &more, NULL), QR_OK);
    }
    assert_int_equal(f.fatal_count, 0);
    qr_logsvc_abandon(f.svc);
    assert_int_equal(qr_env_unlink(qr_sim_env(f.sim), "/blob/landing/timelines~", NULL), QR_OK);
    must_open(&f);
    check(&f, false);
    qr_buf_done(&old);
    end(&f);
}

/* --- tools --- */

static void note_damage(void *ctx, const char *file, uint64_t offset, const char *text)
{
    (void)ctx;
    print_message("%s at %llu: %s\n", file, (unsigned long long)offset, text);
}

static void test_a_tool_looks_at_it_while_it_is_written(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    for (int n = 0; n < 30; n++)
        assert_int_equal(append(&f), QR_OK);
    struct qr_journal_sight sight = {.damage = note_damage};
    uint64_t damage_count = 99;
    struct qr_err err;
    qr_err_reset(&err);
    if (qr_journal_look_in_blob(qr_sim_env(f.sim), f.store, "landing", &sight, &damage_count,
                                &err) != QR_OK)
        fail_msg("%s", err.text);
    assert_int_equal(damage_count, 0);
    assert_int_equal(append(&f), QR_OK);
    struct names n = list_segments(&f);
    char path[300];
    snprintf(path, sizeof path, "/blob/%s~", n.last);
    assert_int_equal(qr_sim_flip_bit(f.sim, path, 8 * (64 + 4096 + 9000)), QR_OK);
    assert_int_equal(
        qr_journal_look_in_blob(qr_sim_env(f.sim), f.store, "landing", &sight, &damage_count, &err),
        QR_OK);
    assert_true(damage_count >= 1);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_is_there_after_a_close_and_after_a_kill),
        cmocka_unit_test(test_objects_are_rolled_before_the_service_refuses_appends),
        cmocka_unit_test(test_who_was_killed_gets_its_leases_back_at_once),
        cmocka_unit_test(test_who_lost_the_lease_hardens_nothing_more),
        cmocka_unit_test(test_a_living_holder_keeps_others_out),
        cmocka_unit_test(test_no_answer_of_the_store_loses_or_doubles_log),
        cmocka_unit_test(test_a_store_that_is_gone_ends_the_service_and_nothing_is_lost),
        cmocka_unit_test(test_a_damaged_or_missing_table_is_made_from_the_other),
        cmocka_unit_test(test_a_late_copy_of_who_was_replaced_is_written_over),
        cmocka_unit_test(test_a_tool_looks_at_it_while_it_is_written),
    };
    return cmocka_run_group_tests_name("logsvc/landing", tests, NULL, NULL);
}
