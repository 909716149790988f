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

/* A statement that was compiled before finds what was hung on its tables since then. */
static void test_plans_know_new_triggers_and_foreign_keys(void **state)
{
    static const char update[] = "update t set v = v where k = 1",
                      cascade[] = "delete t where k = (select n from u where n > 0)";
    struct pair p;
    (void)state;
    open_pair(&p);
    expect(&p.b, "create table t (k int primary key, v int); create table u (n int)",
           "DONE\nDONE\n");
    expect(&p.b, "insert t values (1, 0), (2, 0), (3, 0); insert u values (0)", "DONE 3\nDONE 1\n");
    expect(&p.a, update, "DONE 1\n");
    expect(&p.b, "create trigger tr on t after update as update u set n = n + 1", "DONE\n");
    expect(&p.a, update, "DONEINPROC 1\nDONE 1\n");
    expect(&p.b, "alter trigger tr on t after update as update u set n = n + 10", "DONE\n");
    expect(&p.a, update, "DONEINPROC 1\nDONE 1\n");
    expect(&p.a, "select n from u", "COLS n int\nROW 11\nDONE 1\n");
    expect(&p.b, "drop trigger tr", "DONE\n");
    expect(&p.a, update, "DONE 1\n");
    expect(&p.b, "create table c (a int primary key, z int)", "DONE\n");
    expect(&p.b, "insert c values (1, 1), (2, 1), (3, 1); update u set n = 0", "DONE 3\nDONE 1\n");
    expect(&p.a, cascade, "DONE 0\n");
    expect(&p.b,
           "alter table c add constraint f foreign key (a) references t (k) on delete cascade",
           "DONE\n");
    expect(&p.a, cascade, "DONE 0\n");
    expect(&p.b, "create trigger trc on c after delete as update u set n = n + 100", "DONE\n");
    expect(&p.b, "update u set n = 1", "DONE 1\n");
    expect(&p.a, cascade, "DONEINPROC 1\nDONE 1\n");
    expect(&p.a, "select n from u; select a from c",
           "COLS n int\nROW 101\nDONE 1\nCOLS a int\nROW 2\nROW 3\nDONE 2\n");
    expect(&p.b, "drop trigger trc; create table g (b int); insert g values (2)",
           "DONE\nDONE\nDONE 1\n");
    expect(&p.b, "update u set n = 0", "DONE 1\n");
    expect(&p.a, cascade, "DONE 0\n");
    expect(&p.b,
           "alter table g add constraint fg foreign key (b) references c (a); update u set n = 2",
           "DONE\nDONE 1\n");
    expect(&p.a, cascade,
           "MSG 547 16 0 line 1: The DELETE statement conflicted with the REFERENCE constraint "
           "\"fg\". The conflict occurred in database \"testdb\", table \"dbo.g\", column 'b'.\n"
           "INFO 3621: The statement has been terminated.\nDONE error\n");
    close_pair(&p);
}

/* Of another session, while the transaction keeps its changes in SQLite. */
static void test_a_transaction_with_temporary_tables_finds_new_tables(void **state)
{
    struct pair p;
    (void)state;
    open_pair(&p);
    expect(&p.b, "create table t (k int)", "DONE\n");
    expect(&p.a, "begin tran; create table #x (i int); insert t values (1)",
           "ENV BEGIN\nDONE\nDONE\nDONE 1\n");
    expect(&p.b, "create table y (v int); insert y values (3)", "DONE\nDONE 1\n");
    expect(&p.a, "select v from y; update y set v = 4; select k from t",
           "COLS v int\nROW 3\nDONE 1\nDONE 1\nCOLS k int\nROW 1\nDONE 1\n");
    expect(&p.a, "commit; select v from y", "ENV COMMIT\nDONE\nCOLS v int\nROW 4\nDONE 1\n");
    close_pair(&p);
}

#define MSG_3961                                                                                   \
    "MSG 3961 16 1 line 1: Snapshot isolation transaction failed in database 'testdb' because "    \
    "the "                                                                                         \
    "object accessed by the statement has been modified by a DDL statement in another "            \
    "concurrent transaction since the start of this transaction.  It is disallowed because the "   \
    "metadata is not versioned. A concurrent update to metadata can lead to inconsistency if "     \
    "mixed with snapshot isolation.\nDONE error\n"

/* Only for the objects that a statement uses. */
static void test_snapshot_transactions_outlive_ddl_of_other_objects(void **state)
{
    static const char *const others[] = {"create table made (i int)", "drop table made",
                                         "alter table w add x int", "create index ix on w (v)",
                                         "create user somebody without login"},
                             *const its[] = {"alter table t add x int", "create index it on t (v)",
                                             "create trigger tr on t after update as return"};
    struct pair p;
    (void)state;
    open_pair(&p);
    expect(&p.b, "create table t (k int primary key, v int); insert t values (1, 0), (2, 0)",
           "DONE\nDONE 2\n");
    expect(&p.b, "create table w (k int, v int)", "DONE\n");
    expect(&p.a, "set transaction isolation level snapshot", "");
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        expect(&p.a, "begin tran; select max(v) - min(v) as d from t",
               "ENV BEGIN\nDONE\nCOLS d int\nROW 0\nDONE 1\n");
        expect(&p.b, others[i], "DONE\n");
        expect(&p.b, "insert w (k) values (7)", "DONE 1\n");
        expect(&p.a, "update t set v += 1 where k = 1; update t set v += 1 where v = 0 and k = 2",
               i == 0 ? "DONE 1\nDONE 1\n" : "DONE 1\nDONE 0\n");
        expect(&p.a, "update t set v = 1", "DONE 2\n");
        expect(&p.a, "select count(*) as c from w where k = 7",
               i == 0   ? "COLS c int\nROW 0\nDONE 1\n"
               : i == 1 ? "COLS c int\nROW 1\nDONE 1\n"
               : i == 4 ? "COLS c int\nROW 4\nDONE 1\n"
                        : MSG_3961 "ENV ROLLBACK\n");
        if (i == 2 || i == 3)
            continue;
        expect(&p.a, "commit", "ENV COMMIT\nDONE\n");
    }
    for (size_t i = 0; i < sizeof its / sizeof its[0]; i++) {
        expect(&p.a, "begin tran; select v from t where k = 1",
               "ENV BEGIN\nDONE\nCOLS v int\nROW 1\nDONE 1\n");
        expect(&p.b, its[i], "DONE\n");
        expect(&p.a, "select c = count(*) from w where k = 0", "COLS c int\nROW 0\nDONE 1\n");
        expect(&p.a, "update t set v = 5 where k = 1", MSG_3961 "ENV ROLLBACK\n");
    }
    close_pair(&p);
}

/* What only reads gets it, too, for whatever its statement uses. */
static void test_a_snapshot_does_not_read_what_ddl_has_changed(void **state)
{
    static const struct {
        const char *ddl, *reads;
    } cases[] = {
        {"alter table t add x int", "select k from t"},
        {"create index it on t (v)", "select k from t where k = 1"},
        {"drop index it on t", "select (select max(k) from t) as m from w"},
        {"create trigger tr on t after update as return",
         "declare @n int = (select max(k) from t)"},
        {"alter view ov as select k + 1 as k from t", "select k from ov"},
        {"alter table t add y int", "select k from ov"},
        {"alter function f() returns int as begin return 2 end", "select dbo.f() as f"},
        {"alter procedure pr as print 'new'", "exec pr"},
        {"exec sp_rename 'u', 'renamed'", "if exists (select * from u) print 'there'"},
        {"drop view ov", "select k from ov"},
        {"drop table t", "select k from t"},
    };
    struct pair p;
    (void)state;
    open_pair(&p);
    expect(&p.b, "create table t (k int primary key, v int); insert t values (1, 0), (2, 0)",
           "DONE\nDONE 2\n");
    expect(&p.b, "create table u (k int); create table w (k int); insert w values (7)",
           "DONE\nDONE\nDONE 1\n");
    expect(&p.b, "create view ov as select k from t", "DONE\n");
    expect(&p.b, "create function f() returns int as begin return 1 end", "DONE\n");
    expect(&p.b, "create procedure pr as print 'old'", "DONE\n");
    expect(&p.a, "set transaction isolation level snapshot", "");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool has_written = i % 2 == 1;
        expect(&p.a,
               has_written ? "begin tran; insert w values (1)" : "begin tran; select k from w",
               has_written ? "ENV BEGIN\nDONE\nDONE 1\n"
                           : "ENV BEGIN\nDONE\nCOLS k int\nROW 7\nDONE 1\n");
        assert_null(strstr(run(&p.b, cases[i].ddl), "MSG"));
        expect(&p.a, "select top (1) k from w order by k desc", "COLS k int\nROW 7\nDONE 1\n");
        expect(&p.a, "select count(*) as c from sys.tables where name = 'w'",
               "COLS c int\nROW 1\nDONE 1\n");
        expect(&p.a, cases[i].reads, MSG_3961 "ENV ROLLBACK\n");
    }
    expect(&p.a, "set transaction isolation level read committed", "");
    expect(&p.a, "begin tran; select k from w", "ENV BEGIN\nDONE\nCOLS k int\nROW 7\nDONE 1\n");
    expect(&p.b, "alter table w add x int", "DONE\n");
    expect(&p.a, "select * from w; commit",
           "COLS k int, x int\nROW 7|NULL\nDONE 1\nENV COMMIT\nDONE\n");
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
        cmocka_unit_test(test_plans_know_new_triggers_and_foreign_keys),
        cmocka_unit_test(test_a_transaction_with_temporary_tables_finds_new_tables),
        cmocka_unit_test(test_snapshot_transactions_outlive_ddl_of_other_objects),
        cmocka_unit_test(test_a_snapshot_does_not_read_what_ddl_has_changed),
    };
    return cmocka_run_group_tests_name("engine/catalog", tests, NULL, NULL);
}
