/* test_grants.c - who waits for a lock has no grant of memory, so nobody waits for memory because
 * somebody else waits for him. */
#include "two.h"
#include "engine_int.h"
#include "governor/memory.h"

enum { POOL_BYTES = 64 << 20, POOL_KEY = 9, OTHERS = 3 };

/* Two sessions of a pool with room for four large grants, three of which others have. */
struct stand {
    struct two two;
    struct qr_governor *gov;
    struct qr_gov_group *group;
    struct qr_gov_task a, b, other;
    struct qr_gov_grant grants[OTHERS];
    struct later writer;
};

static struct qr_gov_semaphore_seen seen(const struct stand *s)
{
    struct qr_gov_semaphore_seen all[QR_GOV_SEMAPHORES];
    qr_gov_semaphores(s->gov, POOL_KEY, all);
    return all[QR_GOV_LARGE];
}

static uint64_t waits_for_memory(const struct qr_gov_task *task)
{
    return atomic_load(&task->waits.of[QR_WAIT_RESOURCE_SEMAPHORE].count);
}

/* Sessions of the engine run on this thread and on later_run's; each has its task. */
static const char *run_as(struct client *c, const char *sql)
{
    qr_gov_enter(c->session->login.task);
    const char *out = run(c, sql);
    qr_gov_leave(c->session->login.task);
    return out;
}

static void *later_run_governed(void *arg)
{
    struct later *l = arg;
    snprintf(l->out, sizeof l->out, "%s", run_as(l->client, l->sql));
    atomic_store(&l->done, true);
    return NULL;
}

/* Until it waits for a lock; waiting for memory tells nobody here. */
static void write_later(struct stand *s, const char *sql)
{
    s->writer = (struct later){.client = &s->two.b, .sql = sql};
    atomic_store(&s->two.b.waits, false);
    assert_int_equal(pthread_create(&s->writer.thread, NULL, later_run_governed, &s->writer), 0);
    while (!atomic_load(&s->two.b.waits) && !atomic_load(&s->writer.done))
        sched_yield();
    if (atomic_load(&s->writer.done))
        fail_msg("it did not wait: %s", s->writer.out);
}

/* What `a` sorts, and what `b` does of k, once the plan is known. */
#define SORTED "(select max(r) n from (select row_number() over (order by b, a) r from big) y)"
#define WRITE "update k set v += x.n from k cross join " SORTED " x where k.id = 1"
#define NAMED                                                                                      \
    "update k set v += x.n from k with (serializable) cross join " SORTED " x where k.id = 1"
#define MAKE "select x.n into sorted from " SORTED " x"
#define READ "select x.n + v from k with (updlock) cross join " SORTED " x where k.id = 1"

static void stand_open(struct stand *s, const char *sql)
{
    struct qr_gov_options options = {.env = qr_env_real(), .enforce = true};
    struct qr_gov_group_options of = {.database_id = 5,
                                      .shown_id = 5,
                                      .pool_key = POOL_KEY,
                                      .database = "d",
                                      .objective = "GP_Gen5_2",
                                      .pool_limits = {.memory_bytes = POOL_BYTES}};
    *s = (struct stand){0};
    two_open(&s->two, "create table big(a int primary key, b varchar(8000)) "
                      "create table k(id int primary key, v bigint) "
                      "insert k values(1, 0), (2, 0) insert big select value, "
                      "concat(value % 97, replicate('x', 8000)) from generate_series(1, 2500)");
    assert_int_equal(qr_governor_new(&options, &s->gov, NULL), QR_OK);
    assert_int_equal(qr_gov_group_open(s->gov, &of, &s->group, NULL), QR_OK);
    qr_gov_task_init(&s->a, s->group, NULL, NULL, false);
    qr_gov_task_init(&s->b, s->group, NULL, NULL, false);
    qr_gov_task_init(&s->other, s->group, NULL, NULL, false);
    s->two.a.session->login.task = &s->a;
    s->two.b.session->login.task = &s->b;
    (void)run_as(&s->two.b, sql); /* its plan is known now, and what it needs */
    settle(&s->two.b);
    for (int i = 0; i < OTHERS; i++) {
        s->grants[i] = (struct qr_gov_grant){.required_bytes = 1 << 20, .ideal_bytes = POOL_BYTES};
        assert_int_equal(qr_gov_grant_take(&s->other, &s->grants[i], NULL), QR_OK);
        assert_true(s->grants[i].granted_bytes > POOL_BYTES / 8);
    }
}

static void stand_close(struct stand *s)
{
    for (int i = 0; i < OTHERS; i++)
        qr_gov_grant_give(&s->grants[i]);
    assert_int_equal(seen(s).granted_bytes, 0);
    s->two.a.session->login.task = s->two.b.session->login.task = NULL;
    two_close(&s->two);
    qr_gov_task_done(&s->a);
    qr_gov_task_done(&s->b);
    qr_gov_task_done(&s->other);
    qr_gov_group_close(s->group);
    qr_governor_free(s->gov);
}

/* `a` has what `b` waits for, and sorts. */
static void sort_beside(struct stand *s)
{
    assert_int_equal(seen(s).grantees, OTHERS);
    uint64_t before = seen(s).grants;
    assert_non_null(strstr(run_as(&s->two.a, "select n from " SORTED " x"), "ROW 2500\n"));
    assert_int_equal(seen(s).grants, before + 1);
    assert_int_equal(waits_for_memory(&s->a), 0);
}

static void test_who_waits_for_a_key_asks_for_memory_when_he_has_it(void **state)
{
    static const struct {
        const char *sql, *want;
    } cases[] = {{NAMED, "DONE 1\n"},
                 {WRITE, "DONE 1\n"},
                 {"begin tran " WRITE " commit", "DONE 1\n"},
                 {READ, "DONE 1\n"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stand s;
        stand_open(&s, cases[i].sql);
        (void)run_as(&s.two.a, "begin tran update k set v = 7 where id = 1");
        write_later(&s, cases[i].sql);
        sort_beside(&s);
        uint64_t before = seen(&s).grants;
        (void)run_as(&s.two.a, "commit");
        later_end(&s.writer, cases[i].want);
        assert_int_equal(seen(&s).grants, before + 1); /* it had one, too */
        assert_int_equal(waits_for_memory(&s.b), 0);
        stand_close(&s);
    }
}

/* It asked before it stood in line for the writer lock, which is held for long. */
static void test_who_waits_long_for_the_writer_lock_gives_his_memory_back(void **state)
{
    static const char *const cases[] = {WRITE, MAKE};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stand s;
        stand_open(&s, cases[i]);
        (void)run_as(&s.two.a, "drop table if exists sorted");
        (void)run_as(&s.two.a, "begin tran create table made(a int)");
        uint64_t before = seen(&s).grants;
        write_later(&s, cases[i]);
        assert_int_equal(seen(&s).grants, before + 1);
        while (seen(&s).grantees > OTHERS)
            sched_yield();
        sort_beside(&s);
        (void)run_as(&s.two.a, "commit");
        later_end(&s.writer, "DONE 1\n");
        stand_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_waits_for_a_key_asks_for_memory_when_he_has_it),
        cmocka_unit_test(test_who_waits_long_for_the_writer_lock_gives_his_memory_back),
    };
    return cmocka_run_group_tests_name("engine/grants", tests, NULL, NULL);
}
