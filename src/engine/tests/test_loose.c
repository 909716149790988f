/* test_loose.c - a transaction whose changes SQLite gets to know late behaves like one whose
 * changes it makes at once. Method: the same requests run in two databases, in one of them in a
 * session that has a #table, whose transactions stay in SQLite; all answers are the same. */
#include "two.h"
#include "env/env.h"

enum { TRANSACTIONS = 150, REQUESTS = 12, TEXT_BYTES = 256 };

static const char setup[] =
    "create table p(id int not null constraint p_pk primary key, v int)\n"
    "create table x(id int not null constraint x_pk primary key, u int not null constraint x_u "
    "unique, v int not null constraint x_v check (v >= 0))\n"
    "create table k(a int not null, b varchar(10) not null, v int, constraint k_pk primary key (a, "
    "b))\n"
    "create table h(n int, v int)\n"
    "create table c(n int not null constraint c_pk primary key, p int constraint c_p references "
    "p)\n"
    "insert p values (1,0),(2,0),(3,0)\n"
    "insert x select value, value * 10, 0 from generate_series(1, 12)\n"
    "insert k select value % 4, char(65 + value / 4), 0 from generate_series(0, 11)\n"
    "insert h select value % 5, 0 from generate_series(1, 20)";

/* %1$d and %2$d are small numbers, %3$d a fresh one. */
static const char *const statements[] = {
    "update x set v = v + %1$d where id = %2$d",
    "update x set v = v + 1 where u = %2$d * 10",
    "update x set v = v - 2 where id = %2$d",
    "update x set v = v + 1 where id = %2$d and v < 5",
    "update x set u = u + %1$d where id = %2$d",
    "update x set id = id + 1 where id = %2$d",
    "update x set v = v + 1 where v %% 3 = 1",
    "declare @o int = 0 update x set @o = v = v + 1 where id = %2$d select @o",
    "insert x values (%2$d, %1$d * 10, %1$d)",
    "insert x values (%2$d + 8, (%2$d + 8) * 10, 1)",
    "delete x where id = %2$d",
    "delete x where u = %2$d * 10",
    "delete x where v > 20",
    "update k set v = v + 1 where a = %2$d %% 4 and b = 'B'",
    "insert k values (%2$d %% 5, 'b ', %1$d)",
    "delete k where a = %2$d %% 4 and b = 'b'",
    "insert h values (%1$d, %2$d)",
    "update h set v = v + %1$d where n = %2$d %% 5",
    "delete h where n = %2$d %% 7 and v > 3",
    "insert c values (%3$d, %2$d %% 5)",
    "delete c where n %% 7 = %1$d",
    "update c set p = %2$d %% 5 where n = %3$d - 3",
    "insert p values (%2$d, 0)",
    "delete p where id = %2$d",
    "update p set v = v + (select count(*) from x) where id = %2$d %% 4",
    "select count(*), sum(v), sum(u) from x",
    "select v from x where id = %2$d",
    "select (select max(v) from h), (select count(*) from c)",
    "select a, b, v from k where a = %2$d %% 4 order by b",
    "save tran s",
    "if @@trancount > 0 rollback tran s",
    "update x set v = v + 1 where id = %2$d insert h values (%1$d, 1) select sum(v) from h",
};
enum { STATEMENTS = sizeof statements / sizeof statements[0] };

struct sides {
    struct fixture f[2];
    struct client client[2], other[2];
};

static void both_run(struct sides *s, const char *sql, bool by_other)
{
    char first[16384];
    snprintf(first, sizeof first, "%s", run(by_other ? &s->other[0] : &s->client[0], sql));
    const char *second = run(by_other ? &s->other[1] : &s->client[1], sql);
    if (strcmp(first, second) != 0)
        fail_msg("\"%s\" gave\n%s\nand without a #table\n%s", sql, first, second);
    for (int i = 0; i < 2; i++)
        settle(by_other ? &s->other[i] : &s->client[i]);
}

static uint32_t next(uint32_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 17;
    *random ^= *random << 5;
    return *random;
}

static void compare_tables(struct sides *s)
{
    both_run(s, "select * from x order by id select * from k order by a, b", false);
    both_run(s, "select * from h order by n, v select * from c order by n", false);
    both_run(s, "select * from p order by id dbcc checkdb with no_infomsgs", false);
}

static void play_transaction(struct sides *s, uint32_t *random, int *fresh)
{
    both_run(s, "set xact_abort off begin tran", false);
    both_run(s, "save tran s", false);
    for (int i = 0; i < REQUESTS; i++) {
        char sql[TEXT_BYTES];
        int small = (int)(next(random) % 4), number = 1 + (int)(next(random) % 12);
        const char *text = statements[next(random) % STATEMENTS];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
        snprintf(sql, sizeof sql, text, small, number, ++*fresh);
#pragma GCC diagnostic pop
        both_run(s, sql, false);
        if (next(random) % 2 == 0) /* somebody else commits, and everything moves */
            both_run(s, "insert other values (1)", true);
    }
    bool commits = next(random) % 4 != 0;
    both_run(s,
             commits ? "if @@trancount > 0 commit else select 'ended'"
                     : "if @@trancount > 0 rollback",
             false);
}

static void all_answers_are_the_same(void **state)
{
    (void)state;
    struct sides s;
    uint32_t random = 2463534242u;
    int fresh = 100;
    for (int i = 0; i < 2; i++) {
        fixture_open(&s.f[i]);
        client_open(&s.f[i], &s.client[i]);
        client_open(&s.f[i], &s.other[i]);
    }
    both_run(&s, setup, false);
    both_run(&s, "create table other(v int)", true);
    (void)run(&s.client[0], "create table #kept(v int)");
    for (int i = 0; i < TRANSACTIONS; i++) {
        play_transaction(&s, &random, &fresh);
        compare_tables(&s);
    }
    for (int i = 0; i < 2; i++) {
        client_close(&s.client[i]);
        client_close(&s.other[i]);
        fixture_close(&s.f[i]);
    }
}

/* What was found at the head was changed by whoever committed before the row was locked. */
static void a_row_that_was_waited_for_is_read_again(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    two_open(&t, "create table t(id int primary key, v int)\ninsert t values (1,10),(2,20)");
    replies(&t.a, "begin tran update t set v = v + 1 where id = 1", "ENV BEGIN\nDONE\nDONE 1\n");
    replies(&t.b, "begin tran update t set v = v + 5 where id = 2", "ENV BEGIN\nDONE\nDONE 1\n");
    later_start(&l, &t.b, "update t set v = v * 2 where id = 1 select v from t order by id");
    replies(&t.a, "commit", "ENV COMMIT\nDONE\n");
    settle(&t.a);
    later_end(&l, "ROW 22\nROW 25\nDONE 2\n");
    replies(&t.b, "commit", "ENV COMMIT\nDONE\n");
    settle(&t.b);
    replies(&t.a, "select v from t order by id", "ROW 22\nROW 25\nDONE 2\n");
    two_close(&t);
}

/* A table that a transaction has changed keeps its shape; others do not, and rows that were noted
 * before still get there. */
static void tables_change_their_shape_beside_a_transaction(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    two_open(&t, "create table t(id int primary key, v int) create table h(v int)");
    replies(&t.a, "begin tran insert t values (1,1)", "ENV BEGIN\nDONE\nDONE 1\n");
    later_start(&l, &t.b, "alter table t add w int not null default 7");
    replies(&t.a, "insert h values (1)", "DONE 1\n");
    replies(&t.a, "commit", "ENV COMMIT\nDONE\n");
    pthread_join(l.thread, NULL);
    settle(&t.b);
    replies(&t.a, "begin tran insert t values (2,2,2)", "ENV BEGIN\nDONE\nDONE 1\n");
    (void)run(&t.b, "alter table h add w int");
    settle(&t.b);
    replies(&t.a, "insert h values (2,2) select * from h order by v",
            "DONE 1\nROW 1|NULL\nROW 2|2\nDONE 2\n");
    replies(&t.a, "commit select * from t order by id",
            "ENV COMMIT\nDONE\nROW 1|1|7\nROW 2|2|2\nDONE 2\n");
    two_close(&t);
}

static void the_statement_that_passes_the_quota_is_told_and_not_commit(void **state)
{
    (void)state;
    struct two t;
    bool full = false;
    two_open(&t, "create table t(id int identity primary key, v varchar(4000) not null)");
    struct qr_store_stats stats;
    qr_store_get_stats(t.a.store, &stats);
    qr_store_set_max_data_bytes(t.a.store, stats.data_bytes + (512 << 10));
    replies(&t.a, "begin tran", "ENV BEGIN\nDONE\n");
    for (int i = 0; i < 400 && !full; i++)
        full = strstr(run(&t.a, "insert t values (replicate('x', 4000))"), "MSG 40544 ") != NULL;
    assert_true(full);
    (void)run(&t.a, "if @@trancount > 0 rollback");
    qr_store_set_max_data_bytes(t.a.store, 0);
    replies(&t.b, "select count(*) from t", "ROW 0\nDONE 1\n");
    two_close(&t);
}

/* Each statement in a request of its own: between them the transaction is in its op log alone. */
static void a_transaction_sees_what_it_has_truncated(void **state)
{
    (void)state;
    struct two t;
    two_open(&t, "create table t(id int primary key, v int) create table o(v int) "
                 "insert t values (1,1),(2,2) insert o values (7)");
    (void)run(&t.a, "begin tran");
    (void)run(&t.a, "truncate table o");
    answers(&t.a, "select count(*) from o", "ROW 0\nDONE 1\n");
    answers(&t.a, "update o set v = 8", "DONE 0\n");
    answers(&t.a, "insert o values (9)", "DONE 1\n");
    answers(&t.a, "select v from o", "ROW 9\nDONE 1\n");
    (void)run(&t.a, "rollback");
    answers(&t.a, "select v from o", "ROW 7\nDONE 1\n");
    (void)run(&t.a, "begin tran");
    (void)run(&t.a, "truncate table t");
    answers(&t.a, "select count(*) from t", "ROW 0\nDONE 1\n");
    answers(&t.a, "delete t where id = 2", "DONE 0\n");
    answers(&t.a, "insert t values (1,10)", "DONE 1\n");
    answers(&t.a, "update t set v = v + 1 where id = 1", "DONE 1\n");
    answers(&t.a, "select * from t", "ROW 1|11\nDONE 1\n");
    (void)run(&t.a, "commit");
    settle(&t.a);
    answers(&t.b, "select * from t", "ROW 1|11\nDONE 1\n");
    two_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_answers_are_the_same),
        cmocka_unit_test(a_row_that_was_waited_for_is_read_again),
        cmocka_unit_test(tables_change_their_shape_beside_a_transaction),
        cmocka_unit_test(the_statement_that_passes_the_quota_is_told_and_not_commit),
        cmocka_unit_test(a_transaction_sees_what_it_has_truncated),
    };
    return cmocka_run_group_tests_name("engine/loose", tests, NULL, NULL);
}
