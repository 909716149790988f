/* test_vault.c - long-term backups are made when their policy says so, outlive their database, can
 * be restored, and go when they expire or somebody says so; a clock is moved for it. */
#include "control_bed.h"
#include "control_int.h"
#include "ctl/keep.h"

static const int64_t DAY = INT64_C(86400) * 1000000000, ROUND_NS = 50000000;

/* The machine's environment with a clock of its own. */
static int64_t start_ns;
static _Atomic int64_t moved_ns;

static int64_t moved_wall_ns(struct qr_env *env)
{
    (void)env;
    return start_ns + atomic_load(&moved_ns);
}

static int setup_moved(void **state)
{
    static struct qr_env_ops ops;
    static struct qr_env moved = {&ops};
    ops = *qr_env_real()->ops;
    ops.wall_ns = moved_wall_ns;
    start_ns = INT64_C(1700000000) * 1000000000; /* Tuesday, 14 November 2023 */
    atomic_store(&moved_ns, 0);
    bed_env = &moved;
    return setup(state);
}

static int teardown_moved(void **state)
{
    int code = teardown(state);
    bed_env = NULL;
    return code;
}

static void put_policy(struct fixture *f, const char *name, const char *weekly)
{
    struct qr_database_row row;
    char doc_name[80], text[200];
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str(name), &row), QR_OK);
    snprintf(doc_name, sizeof doc_name, "%s" QRI_LONG_POLICY, row.guid);
    snprintf(
        text, sizeof text,
        "{\"weeklyRetention\":\"%s\",\"monthlyRetention\":\"PT0S\",\"yearlyRetention\":\"PT0S\","
        "\"weekOfYear\":0}",
        weekly);
    struct qr_doc doc = {qr_str(doc_name), qr_str(text), 0};
    assert_int_equal(qr_doc_put(qr_rpc_client_peer(f->brief), QR_DOC_POLICY, &doc, TIME_NS, NULL),
                     QR_OK);
}

/* How many rows are in that state; one of them. */
static int count_rows(struct fixture *f, enum qr_database_state state, struct qr_database_row *one)
{
    struct qr_database_row row;
    int count = 0;
    for (size_t i = 0; qr_registry_database_at(f->registry, i, &row); i++) {
        if (row.state != state)
            continue;
        count++;
        *one = row;
    }
    return count;
}

static void wait_rows(struct fixture *f, enum qr_database_state state, int count,
                      struct qr_database_row *one)
{
    int64_t until = qr_env_mono_ns(qr_env_real()) + TIME_NS;
    while (count_rows(f, state, one) != count) {
        assert_true(qr_env_mono_ns(qr_env_real()) < until);
        qr_env_sleep_ns(qr_env_real(), 5000000);
    }
}

static int count_calls(struct fixture *f, uint16_t method)
{
    int count = 0;
    pthread_mutex_lock(&f->mu);
    for (int i = 0; i < f->call_count; i++)
        count += f->calls[i] == method;
    pthread_mutex_unlock(&f->mu);
    return count;
}

static enum qr_status unkeep(struct fixture *f, const struct qr_database_row *kept)
{
    return call(f->operate, QR_CONTROL_UNKEEP, &(struct qr_control_ask){.kept = qr_str(kept->guid)},
                NULL, NULL);
}

static void test_a_policy_makes_one_a_week(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row kept, row;
    create(f, "db");
    create(f, "other");
    put_policy(f, "db", "P4W");
    assert_int_equal(qri_vault_start(f->control, NULL), QR_OK);
    wait_rows(f, QR_DATABASE_KEPT, 1, &kept);
    assert_int_equal(count_calls(f, QR_NODE_KEEP), 1);
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str("db"), &row), QR_OK);
    assert_string_equal(kept.kept_of, row.guid);
    assert_string_equal(kept.name, "db");
    assert_string_equal(kept.kept_server, "server01");
    assert_string_not_equal(kept.timeline, row.timeline);
    assert_int_equal(kept.kept_wall_ns, start_ns);
    assert_int_equal(kept.expires_wall_ns, start_ns + 28 * DAY);
    assert_int_equal(kept.dropped_wall_ns, 0);
    atomic_store(&moved_ns, 6 * DAY); /* Monday */
    wait_rows(f, QR_DATABASE_KEPT, 2, &kept);
    do /* its database's row follows */
        assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str("db"), &row), QR_OK);
    while (row.kept_wall_ns == start_ns);
    assert_int_equal(row.kept_wall_ns, start_ns + 6 * DAY);
    assert_int_equal(count_calls(f, QR_NODE_KEEP), 2);
}

static void test_what_has_expired_goes_with_its_storage(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row kept;
    create(f, "db");
    put_policy(f, "db", "P1W");
    assert_int_equal(qri_vault_start(f->control, NULL), QR_OK);
    wait_rows(f, QR_DATABASE_KEPT, 1, &kept);
    assert_int_equal(call(f->operate, QR_CONTROL_DROP,
                          &(struct qr_control_ask){.name = qr_str("db")}, NULL, NULL),
                     QR_OK);
    assert_int_equal(count_rows(f, QR_DATABASE_KEPT, &kept), 1);
    atomic_store(&moved_ns, 8 * DAY); /* the dropped database and its long-term backup */
    assert_int_equal(qri_retention_start(f->control, NULL), QR_OK);
    wait_rows(f, QR_DATABASE_KEPT, 0, &kept);
    wait_rows(f, QR_DATABASE_DROPPED, 0, &kept);
    wait_rows(f, QR_DATABASE_PURGING, 0, &kept);
    assert_int_equal(count_calls(f, QR_NODE_FORGET), 2);
}

struct restoring {
    struct fixture *f;
    const struct qr_database_row *kept;
    enum qr_status status;
};

static void *restore_main(void *arg)
{
    struct restoring *r = arg;
    struct qr_control_ask ask = {
        .name = qr_str("back"), .copy_of = qr_str("db"), .kept = qr_str(r->kept->guid)};
    r->status = call(r->f->operate, QR_CONTROL_CREATE, &ask, NULL, NULL);
    return NULL;
}

/* Its database and that one's backups are gone for good. */
static void test_one_is_restored_and_cannot_go_meanwhile(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row kept, row;
    pthread_t thread;
    create(f, "db");
    put_policy(f, "db", "P10Y");
    assert_int_equal(qri_vault_start(f->control, NULL), QR_OK);
    wait_rows(f, QR_DATABASE_KEPT, 1, &kept);
    assert_int_equal(call(f->operate, QR_CONTROL_DROP,
                          &(struct qr_control_ask){.name = qr_str("db")}, NULL, NULL),
                     QR_OK);
    assert_int_equal(qr_registry_find_dropped(f->registry, 0, qr_str("db"), 0, &row), QR_OK);
    assert_int_equal(qri_retention_purge(f->control, &row, NULL), QR_OK);
    assert_int_equal(count_rows(f, QR_DATABASE_KEPT, &kept), 1);
    assert_int_equal(kept.dropped_wall_ns, row.dropped_wall_ns);
    f->keep_method = QR_NODE_COPY;
    struct restoring r = {f, &kept, QR_BUG};
    assert_int_equal(pthread_create(&thread, NULL, restore_main, &r), 0);
    pthread_mutex_lock(&f->mu);
    while (f->kept_count == 0)
        (void)qr_cond_wait(&f->changed, &f->mu, TIME_NS);
    pthread_mutex_unlock(&f->mu);
    assert_int_equal(unkeep(f, &kept), QR_BUSY);
    qr_rpc_answer(f->kept[0], NULL, 0);
    pthread_join(thread, NULL);
    assert_int_equal(r.status, QR_OK);
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str("back"), &row), QR_OK);
    assert_int_equal(row.state, QR_DATABASE_ONLINE);
    assert_int_equal(unkeep(f, &kept), QR_OK);
    assert_int_equal(unkeep(f, &kept), QR_NOT_FOUND);
    assert_int_equal(count_rows(f, QR_DATABASE_KEPT, &kept), 0);
    assert_int_equal(count_rows(f, QR_DATABASE_PURGING, &kept), 0);
}

static void test_one_that_failed_leaves_nothing_and_is_tried_again_later(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row row;
    create(f, "db");
    put_policy(f, "db", "P1W");
    f->fail_method = QR_NODE_KEEP;
    assert_int_equal(qri_vault_start(f->control, NULL), QR_OK);
    wait_rows(f, QR_DATABASE_PURGING, 1, &row);
    while (atomic_load(&f->control->vault_makes))
        qr_env_sleep_ns(qr_env_real(), 1000000);
    assert_int_equal(count_rows(f, QR_DATABASE_KEPT, &row), 0);
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str("db"), &row), QR_OK);
    assert_int_equal(row.kept_wall_ns, 0);
    assert_int_equal(count_rows(f, QR_DATABASE_PURGING, &row), 1);
    assert_int_equal(qri_retention_purge(f->control, &row, NULL), QR_OK);
    assert_int_equal(count_rows(f, QR_DATABASE_PURGING, &row), 0);
    assert_int_equal(count_calls(f, QR_NODE_KEEP), 1);
}

/* Starts a long-term backup; returns when the node was asked for it, and does not answer. */
static void begin_keep(struct fixture *f)
{
    create(f, "db");
    put_policy(f, "db", "P1W");
    pthread_mutex_lock(&f->mu);
    f->keep_method = QR_NODE_KEEP;
    pthread_mutex_unlock(&f->mu);
    assert_int_equal(qri_vault_start(f->control, NULL), QR_OK);
    pthread_mutex_lock(&f->mu);
    while (f->kept_count == 0)
        (void)qr_cond_wait(&f->changed, &f->mu, TIME_NS);
    f->keep_method = 0;
    pthread_mutex_unlock(&f->mu);
}

static void test_a_drop_waits_for_the_backup_that_is_made(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row row;
    struct qr_operation_row op;
    begin_keep(f);
    struct qr_control_ask drop = {.name = qr_str("db"), .no_wait = true};
    assert_int_equal(qr_operation_start(qr_rpc_client_peer(f->operate), QR_CONTROL_DROP, &drop,
                                        TIME_NS, &op, NULL),
                     QR_OK);
    for (int i = 0; i < 20; i++) { /* longer than an operation waits between two looks */
        qr_env_sleep_ns(qr_env_real(), 5000000);
        assert_int_equal(count_rows(f, QR_DATABASE_DROPPED, &row), 0);
    }
    qr_rpc_answer(f->kept[0], NULL, 0);
    wait_rows(f, QR_DATABASE_DROPPED, 1, &row);
    assert_int_equal(count_rows(f, QR_DATABASE_KEPT, &row), 1);
    assert_int_equal(count_rows(f, QR_DATABASE_PURGING, &row), 0);
}

static void test_what_a_crash_leaves_of_one_goes_and_it_is_made_again(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row row;
    begin_keep(f);
    assert_int_equal(count_rows(f, QR_DATABASE_PURGING, &row), 1);
    assert_int_equal(qri_retention_start(f->control, NULL), QR_OK);
    qr_env_sleep_ns(qr_env_real(), 10 * ROUND_NS);                 /* looks at all rows */
    assert_int_equal(count_rows(f, QR_DATABASE_PURGING, &row), 1); /* it is being made */
    qr_control_stop(f->control);
    qr_rpc_refuse(f->kept[0], QR_CLOSED, NULL); /* the node dies with it */
    close_control(f);
    f->control = NULL;
    assert_int_equal(count_rows(f, QR_DATABASE_PURGING, &row), 1);
    assert_int_equal(count_rows(f, QR_DATABASE_KEPT, &row), 0);
    assert_int_equal(open_control(f), QR_OK);
    assert_int_equal(qri_vault_start(f->control, NULL), QR_OK);
    assert_int_equal(qri_retention_start(f->control, NULL), QR_OK);
    wait_rows(f, QR_DATABASE_KEPT, 1, &row);
    wait_rows(f, QR_DATABASE_PURGING, 0, &row);
    assert_int_equal(count_calls(f, QR_NODE_FORGET), 1);
}

static int64_t retained_ns(struct fixture *f)
{
    struct qr_buf value;
    qr_buf_init(&value, QRI_RETAINED_BYTES);
    assert_int_equal(qr_meta_get(f->meta, qr_str(QRI_RETAINED_KEY), &value, NULL, NULL), QR_OK);
    int64_t wall_ns = strtoll(qr_buf_cstr(&value), NULL, 10);
    qr_buf_done(&value);
    return wall_ns;
}

static void restart_after(struct fixture *f, int64_t s)
{
    atomic_fetch_add(&moved_ns, s * INT64_C(1000000000));
    close_control(f);
    f->control = NULL;
    assert_int_equal(open_control(f), QR_OK);
    assert_int_equal(qri_retention_start(f->control, NULL), QR_OK);
}

static void test_retention_has_its_turn_in_a_service_that_is_often_restarted(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(qri_retention_start(f->control, NULL), QR_OK);
    assert_int_equal(retained_ns(f), start_ns);
    restart_after(f, 400); /* of the 600 */
    qr_env_sleep_ns(qr_env_real(), 4 * ROUND_NS);
    assert_int_equal(retained_ns(f), start_ns);
    restart_after(f, 300);
    int64_t until = qr_env_mono_ns(qr_env_real()) + TIME_NS;
    while (retained_ns(f) != start_ns + atomic_load(&moved_ns)) {
        assert_true(qr_env_mono_ns(qr_env_real()) < until);
        qr_env_sleep_ns(qr_env_real(), ROUND_NS / 10);
    }
}

static void test_a_clock_that_jumps_ahead_costs_nothing_that_is_kept(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row row;
    create(f, "db");
    assert_int_equal(qri_retention_start(f->control, NULL), QR_OK);
    assert_int_equal(call(f->operate, QR_CONTROL_DROP,
                          &(struct qr_control_ask){.name = qr_str("db")}, NULL, NULL),
                     QR_OK);
    atomic_store(&moved_ns, 40 * DAY);
    qr_env_sleep_ns(qr_env_real(), 4 * ROUND_NS);
    assert_int_equal(count_rows(f, QR_DATABASE_DROPPED, &row), 1);
    restart_after(f, 0); /* nor over a restart */
    qr_env_sleep_ns(qr_env_real(), 4 * ROUND_NS);
    assert_int_equal(count_rows(f, QR_DATABASE_DROPPED, &row), 1);
    assert_int_equal(count_calls(f, QR_NODE_FORGET), 0);
}

/* Hours of a clock that goes right, is wrong for a while, is put right, and was off. */
static void test_a_jump_ahead_counts_once_it_has_lasted(void **state)
{
    (void)state;
    static const int64_t s = 1000000000, hour = INT64_C(3600) * 1000000000;
    struct qri_steady c;
    bool jumped;
    qri_steady_begin(&c, 0, 0, 1000 * hour, 5 * s);
    assert_int_equal(qri_steady_now(&c, 1000 * hour + 60 * s, 65 * s, &jumped),
                     1000 * hour + 60 * s);
    assert_false(jumped);
    assert_int_equal(qri_steady_now(&c, 2000 * hour, 70 * s, &jumped), 1000 * hour + 65 * s);
    assert_true(jumped);
    assert_int_equal(qri_steady_now(&c, 2000 * hour + 30 * s, 100 * s, &jumped),
                     1000 * hour + 95 * s);
    assert_false(jumped);
    assert_int_equal(qri_steady_now(&c, 1000 * hour + 100 * s, 105 * s, &jumped),
                     1000 * hour + 100 * s);                                        /* put right */
    assert_int_equal(qri_steady_now(&c, 900 * hour, 110 * s, &jumped), 900 * hour); /* and back */
    assert_int_equal(qri_steady_now(&c, 2000 * hour, 115 * s, &jumped), 900 * hour + 5 * s);
    assert_true(jumped);
    assert_int_equal(qri_steady_now(&c, 2001 * hour, 115 * s + hour, &jumped), 2001 * hour);
    qri_steady_begin(&c, 1000 * hour, 0, 1023 * hour, 0);
    assert_int_equal(qri_steady_now(&c, 1023 * hour, 0, &jumped), 1023 * hour);
    qri_steady_begin(&c, 1000 * hour, 0, 1025 * hour, 0);
    assert_int_equal(qri_steady_now(&c, 1025 * hour, 0, &jumped), 1000 * hour);
    assert_true(jumped);
    qri_steady_begin(&c, 1000 * hour, c.ahead_wall_ns, 1025 * hour + 1800 * s, 7 * s); /* again */
    assert_int_equal(qri_steady_now(&c, 1025 * hour + 1810 * s, 17 * s, &jumped),
                     1000 * hour + 10 * s);
    assert_false(jumped);
    assert_int_equal(qri_steady_now(&c, 1026 * hour, 1807 * s, &jumped), 1026 * hour);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup_moved, teardown_moved)
int main(void)
{
    bed_round_ns = ROUND_NS;
    const struct CMUnitTest tests[] = {
        T(test_a_policy_makes_one_a_week),
        T(test_what_has_expired_goes_with_its_storage),
        T(test_one_is_restored_and_cannot_go_meanwhile),
        T(test_one_that_failed_leaves_nothing_and_is_tried_again_later),
        T(test_a_drop_waits_for_the_backup_that_is_made),
        T(test_retention_has_its_turn_in_a_service_that_is_often_restarted),
        T(test_a_clock_that_jumps_ahead_costs_nothing_that_is_kept),
        cmocka_unit_test(test_a_jump_ahead_counts_once_it_has_lasted),
        T(test_what_a_crash_leaves_of_one_goes_and_it_is_made_again),
    };
    return cmocka_run_group_tests_name("ctl/vault", tests, NULL, NULL);
}
