/* test_copies.c - copies, restores and replicas of a database, and who is told that it is too early
 * or that there are too many. */
#include "control_bed.h"

static void test_a_primary_has_thirty_named_replicas(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row row;
    struct qr_err err = {0};
    struct qr_database_wish wish = {.edition = qr_str("Hyperscale")};
    char name[16];
    struct qr_control_ask ask = {.name = qr_str("h")};
    create(f, "gp");
    create(f, "master");
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("h"), &wish, &row, NULL),
                     QR_OK);
    assert_int_equal(qr_registry_set_state(f->registry, row.id, QR_DATABASE_ONLINE, NULL), QR_OK);
    assert_int_equal(make_ready(f, QR_ROLE_COMPUTE, "hs-6"), QR_OK);
    for (int i = 0; i <= 30; i++) {
        snprintf(name, sizeof name, "r%d", i);
        ask.new_name = qr_str(name);
        assert_int_equal(call(f->operate, QR_CONTROL_ADD_REPLICA, &ask, NULL, &err),
                         i < 30 ? QR_OK : QR_SQL);
    }
    assert_int_equal(err.number, 40689);
    static const struct {
        const char *primary;
        int number;
    } others[] = {{"gp", 45148}, {"master", 45149}, {"none", 45143}};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        ask.name = qr_str(others[i].primary);
        assert_int_equal(call(f->operate, QR_CONTROL_ADD_REPLICA, &ask, NULL, &err), QR_SQL);
        assert_int_equal(err.number, others[i].number);
    }
    ask = (struct qr_control_ask){.name = qr_str("r7")};
    assert_int_equal(call(f->operate, QR_CONTROL_DROP, &ask, NULL, NULL), QR_OK);
    ask = (struct qr_control_ask){.name = qr_str("h"), .new_name = qr_str("r30")};
    assert_int_equal(call(f->operate, QR_CONTROL_ADD_REPLICA, &ask, NULL, NULL), QR_OK);
}

/* ---- copies and restores that take their time ---- */

struct copying {
    struct fixture *f;
    struct qr_control_ask ask;
    pthread_t thread;
    enum qr_status status;
};

static void *copy_main(void *arg)
{
    struct copying *c = arg;
    c->status = call(c->f->operate, QR_CONTROL_CREATE, &c->ask, NULL, NULL);
    return NULL;
}

/* Returns when the node was asked to make the copy. */
static void begin_copy(struct fixture *f, struct copying *c, const char *target, const char *source,
                       uint64_t restore_wall_ns)
{
    *c = (struct copying){.f = f,
                          .ask = {.name = qr_str(target),
                                  .copy_of = qr_str(source),
                                  .restore_wall_ns = restore_wall_ns}};
    pthread_mutex_lock(&f->mu);
    int before = f->kept_count;
    f->keep_method = QR_NODE_COPY;
    pthread_mutex_unlock(&f->mu);
    assert_int_equal(pthread_create(&c->thread, NULL, copy_main, c), 0);
    pthread_mutex_lock(&f->mu);
    while (f->kept_count == before)
        (void)qr_cond_wait(&f->changed, &f->mu, TIME_NS);
    pthread_mutex_unlock(&f->mu);
}

static void end_copies(struct fixture *f, struct copying *copies, int count)
{
    for (int i = 0; i < f->kept_count; i++)
        qr_rpc_answer(f->kept[i], NULL, 0);
    f->kept_count = 0;
    f->keep_method = 0;
    for (int i = 0; i < count; i++) {
        pthread_join(copies[i].thread, NULL);
        assert_int_equal(copies[i].status, QR_OK);
    }
}

static int number_of(struct fixture *f, enum qr_control_method method,
                     const struct qr_control_ask *ask)
{
    struct qr_err err = {0};
    assert_int_equal(call(f->operate, method, ask, NULL, &err), QR_SQL);
    return err.number;
}

static void test_a_source_is_copied_once_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct copying copies[2];
    create(f, "shop");
    create(f, "other");
    assert_int_equal(make_ready(f, QR_ROLE_COMPUTE, QR_NODE_SHARED), QR_OK);
    begin_copy(f, &copies[0], "a", "shop", 0);
    struct qr_control_ask ask = {.name = qr_str("b"), .copy_of = qr_str("shop")};
    assert_int_equal(number_of(f, QR_CONTROL_CREATE, &ask), 40565);
    begin_copy(f, &copies[1], "b", "other", 0); /* of another source */
    end_copies(f, copies, 2);
    assert_int_equal(number_of(f, QR_CONTROL_CREATE, &ask), 45138);
    ask.name = qr_str("c");
    assert_int_equal(call(f->operate, QR_CONTROL_CREATE, &ask, NULL, NULL), QR_OK);
}

/* Its data was a Hyperscale database's, which may have been a copy: what was before is not its own.
 */
static void test_a_time_before_it_was_made_is_not_restored_after_a_move(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row row, wanted, target;
    struct qr_database_wish wish = {.edition = qr_str("Hyperscale")};
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("h"), &wish, &row, NULL),
                     QR_OK);
    assert_int_equal(qr_registry_set_state(f->registry, row.id, QR_DATABASE_ONLINE, NULL), QR_OK);
    uint64_t before = (uint64_t)qr_env_wall_ns(qr_env_real()) - UINT64_C(3600000000000);
    struct qr_control_ask ask = {
        .name = qr_str("then"), .copy_of = qr_str("h"), .restore_wall_ns = before};
    assert_int_equal(number_of(f, QR_CONTROL_CREATE, &ask), 40653);
    assert_int_equal(qr_registry_find_id(f->registry, row.id, &wanted), QR_OK);
    snprintf(wanted.edition, sizeof wanted.edition, "GeneralPurpose");
    snprintf(wanted.objective, sizeof wanted.objective, "GP_Gen5_2");
    wanted.slices = 0;
    assert_int_equal(qr_registry_add_target(f->registry, &wanted, &target, NULL), QR_OK);
    assert_int_equal(qr_registry_switch(f->registry, row.id, target.id, NULL), QR_OK);
    assert_int_equal(number_of(f, QR_CONTROL_CREATE, &ask), 40653);
}

static void test_restores_have_a_quota_and_are_not_dropped(void **state)
{
    struct fixture *f = *state;
    enum { QUOTA = 4 };
    struct copying copies[QUOTA];
    char sources[QUOTA][8], targets[QUOTA][8];
    uint64_t now = (uint64_t)qr_env_wall_ns(qr_env_real());
    for (int i = 0; i < QUOTA; i++) {
        snprintf(sources[i], sizeof sources[i], "s%d", i);
        snprintf(targets[i], sizeof targets[i], "t%d", i);
        create(f, sources[i]);
    }
    assert_int_equal(make_ready(f, QR_ROLE_COMPUTE, QR_NODE_SHARED), QR_OK);
    for (int i = 0; i < QUOTA; i++)
        begin_copy(f, &copies[i], targets[i], sources[i], now);
    struct qr_control_ask ask = {
        .name = qr_str("more"), .copy_of = qr_str("s0"), .restore_wall_ns = now};
    assert_int_equal(number_of(f, QR_CONTROL_CREATE, &ask), 40656);
    ask = (struct qr_control_ask){.name = qr_str("t2")};
    assert_int_equal(number_of(f, QR_CONTROL_DROP, &ask), 40663);
    end_copies(f, copies, QUOTA);
    assert_int_equal(call(f->operate, QR_CONTROL_DROP, &ask, NULL, NULL), QR_OK);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Whoever has its name when the copy begins. */
static void test_a_login_copies_only_what_it_owns(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row row;
    create(f, "shop");
    assert_int_equal(make_ready(f, QR_ROLE_COMPUTE, QR_NODE_SHARED), QR_OK);
    struct qr_control_ask ask = {
        .name = qr_str("a"), .copy_of = qr_str("shop"), .owner = qr_str("01ff")};
    assert_int_equal(number_of(f, QR_CONTROL_CREATE, &ask), 45143);
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str("shop"), &row), QR_OK);
    assert_int_equal(qr_registry_set_owner(f->registry, row.id, ask.owner, NULL), QR_OK);
    assert_int_equal(call(f->operate, QR_CONTROL_CREATE, &ask, NULL, NULL), QR_OK);
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str("a"), &row), QR_OK);
    assert_string_equal(row.owner, "01ff");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_primary_has_thirty_named_replicas),
        T(test_a_source_is_copied_once_at_a_time),
        T(test_a_login_copies_only_what_it_owns),
        T(test_a_time_before_it_was_made_is_not_restored_after_a_move),
        T(test_restores_have_a_quota_and_are_not_dropped),
    };
    return cmocka_run_group_tests_name("ctl/copies", tests, NULL, NULL);
}
