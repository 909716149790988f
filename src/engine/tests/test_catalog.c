/* test_catalog.c - which tables a session knows while others change them, and after a rollback. */
#include "harness.h"
#include <pthread.h>
#include <sched.h>
#include "base/banned.h"

struct pair {
    struct fixture f;
    struct client a, b;
};

static void open_pair(struct pair *p)
{
    fixture_open(&p->f);
    client_open(&p->f, &p->a);
    client_open(&p->f, &p->b);
}

static void close_pair(struct pair *p)
{
    client_close(&p->a);
    client_close(&p->b);
    fixture_close(&p->f);
}

static void test_what_a_rolled_back_transaction_has_made_is_unknown_to_its_plans(void **state)
{
    struct pair p;
    (void)state;
    open_pair(&p);
    expect(&p.a, "create table y (v int)", "DONE\n");
    expect(&p.a, "begin tran", "ENV BEGIN\nDONE\n");
    expect(&p.a, "create table z (v int)", "DONE\n");
    expect(&p.a, "alter table y add w int", "DONE\n");
    expect(&p.a, "select v from z", "COLS v int\nDONE 0\n");
    expect(&p.a, "select * from y", "COLS v int, w int\nDONE 0\n");
    expect(&p.b, "select v from z", "MSG 208 16 1 line 1: Invalid object name 'z'.\nDONE error\n");
    expect(&p.b, "select * from y", "COLS v int\nDONE 0\n");
    expect(&p.a, "rollback", "ENV ROLLBACK\nDONE\n");
    expect(&p.a, "select v from z", "MSG 208 16 1 line 1: Invalid object name 'z'.\nDONE error\n");
    expect(&p.a, "select * from y", "COLS v int\nDONE 0\n");
    close_pair(&p);
}

static void test_a_savepoint_does_not_bring_back_a_catalog_older_than_the_lock(void **state)
{
    struct pair p;
    (void)state;
    open_pair(&p);
    expect(&p.a, "begin tran save tran s", "ENV BEGIN\nDONE\nDONE\n");
    expect(&p.b, "create table meanwhile (v int)", "DONE\n");
    expect(&p.a, "create table undone (v int) rollback tran s create table kept (v int) commit",
           "DONE\nDONE\nDONE\nENV COMMIT\nDONE\n");
    expect(&p.b, "select * from meanwhile, kept", "COLS v int, v int\nDONE 0\n");
    expect(&p.a, "select * from undone",
           "MSG 208 16 1 line 1: Invalid object name 'undone'.\nDONE error\n");
    close_pair(&p);
}

struct waiter {
    struct client *client;
    const char *sql;
};

static void *run_and_wait(void *arg)
{
    struct waiter *w = arg;
    run(w->client, w->sql);
    return NULL;
}

/* Session a is let go on with `sql`, compiled on the catalog before, when b has changed tables. */
static void wait_while_tables_change(struct pair *p, const char *sql, const char *change,
                                     const char *want)
{
    pthread_t thread;
    struct waiter waiter = {&p->a, sql};
    assert_null(strstr(run(&p->b, change), "MSG"));
    assert_int_equal(pthread_create(&thread, NULL, run_and_wait, &waiter), 0);
    while (!p->a.waits)
        sched_yield();
    expect(&p->b, "commit", "ENV COMMIT\nDONE\n");
    pthread_join(thread, NULL);
    assert_string_equal(qr_buf_cstr(&p->a.out), want);
}

static void test_select_into_works_on_the_catalog_it_finds_under_the_lock(void **state)
{
    struct pair p;
    (void)state;
    open_pair(&p);
    expect(&p.b, "create table source (v int) insert source values (1)", "DONE\nDONE 1\n");
    wait_while_tables_change(
        &p, "select * into made from source",
        "begin tran create table meanwhile (v int) alter table source add w int", "DONE 1\n");
    expect(&p.b, "select * from meanwhile select * from made",
           "COLS v int\nDONE 0\nCOLS v int, w int\nROW 1|NULL\nDONE 1\n");
    close_pair(&p);
}

static void test_a_change_that_waited_works_on_the_table_it_finds_under_the_lock(void **state)
{
    struct pair p;
    (void)state;
    open_pair(&p);
    expect(&p.b, "create table t (v int)", "DONE\n");
    wait_while_tables_change(&p, "insert t values (1)", "begin tran alter table t add w int",
                             "MSG 213 16 1 line 1: Column name or number of supplied values does "
                             "not match table definition.\nDONE error\n");
    wait_while_tables_change(&p, "insert t (v) values (1), (2)",
                             "begin tran alter table t alter column v varchar(5)", "DONE 2\n");
    wait_while_tables_change(&p, "update t set w = v + 1",
                             "begin tran drop table t create table t (w char(3), v int) "
                             "insert t values ('x', 4)",
                             "DONE 1\n");
    expect(&p.b, "select * from t", "COLS w char(3), v int\nROW 5  |4\nDONE 1\n");
    close_pair(&p);
}

static void *change_shape(void *arg)
{
    struct pair *p = arg;
    for (int i = 0; i < 100; i++) {
        run(&p->b,
            "begin tran drop table t create table t (v varchar(5)) insert t values ('x') commit");
        run(&p->b, "alter table t add w int null alter table t drop column w");
        run(&p->b, "begin tran drop table t create table t (v int) insert t values (1) commit");
        run(&p->b, "alter table t alter column v varchar(5) alter table t alter column v int");
    }
    p->b.cancel = true; /* over */
    return NULL;
}

static bool is_one_of_its_shapes(const char *got)
{
    static const char *const want[] = {
        "COLS v int\nROW 1\nDONE 1\n",
        "COLS v varchar(5)\nROW 1\nDONE 1\n",
        "COLS v varchar(5)\nROW x\nDONE 1\n",
        "COLS v varchar(5), w int\nROW x|NULL\nDONE 1\n",
    };
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
        if (strcmp(got, want[i]) == 0)
            return true;
    return false;
}

static void test_a_reader_sees_a_table_with_the_shape_of_the_same_commit(void **state)
{
    struct pair p;
    pthread_t thread;
    (void)state;
    open_pair(&p);
    expect(&p.b, "create table t (v int) insert t values (1)", "DONE\nDONE 1\n");
    assert_int_equal(pthread_create(&thread, NULL, change_shape, &p), 0);
    while (!p.b.cancel) {
        const char *got = run(&p.a, "select * from t");
        if (!is_one_of_its_shapes(got))
            fail_msg("%s", got);
        got = run(&p.a, "declare @v varchar(5) = (select v from t) print @v");
        assert_null(strstr(got, "MSG"));
    }
    pthread_join(thread, NULL);
    close_pair(&p);
}

/* Each of the sessions has a connection of its own, as it has a #table. */
static void test_ddl_finds_what_the_ddl_of_another_connection_has_left(void **state)
{
    static const char *const pairs[][2] = {
        {"alter table t add w int", "alter table t drop column w"},
        {"create index i on t (v)", "drop index i on t"},
    };
    struct pair p;
    (void)state;
    open_pair(&p);
    expect(&p.a, "create table t (v int) create table #own (v int)", "DONE\nDONE\n");
    expect(&p.b, "create table #own (v int)", "DONE\n");
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        for (int turn = 0; turn < 3; turn++) {
            expect(turn % 2 == 0 ? &p.a : &p.b, pairs[i][0], "DONE\n");
            expect(turn % 2 == 0 ? &p.b : &p.a, pairs[i][1], "DONE\n");
            expect(turn % 2 == 0 ? &p.a : &p.b, pairs[i][0], "DONE\n");
            expect(turn % 2 == 0 ? &p.a : &p.b, pairs[i][1], "DONE\n");
        }
    close_pair(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_rolled_back_transaction_has_made_is_unknown_to_its_plans),
        cmocka_unit_test(test_a_savepoint_does_not_bring_back_a_catalog_older_than_the_lock),
        cmocka_unit_test(test_select_into_works_on_the_catalog_it_finds_under_the_lock),
        cmocka_unit_test(test_a_change_that_waited_works_on_the_table_it_finds_under_the_lock),
        cmocka_unit_test(test_a_reader_sees_a_table_with_the_shape_of_the_same_commit),
        cmocka_unit_test(test_ddl_finds_what_the_ddl_of_another_connection_has_left),
    };
    return cmocka_run_group_tests_name("engine/catalog", tests, NULL, NULL);
}
