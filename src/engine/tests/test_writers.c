/* test_writers.c - transactions beside each other: what waits, what does not, what is seen. */
#include "two.h"

static void open_two(struct two *t)
{
    two_open(t, "create table t(id int primary key, v int, u int unique)\n"
                "insert t values (1,10,100),(2,20,200),(3,30,300)\n"
                "create table c(id int primary key, p int references t(id) on delete cascade)");
}

static void open_transactions_on_different_rows_do_not_wait(void **state)
{
    (void)state;
    struct two t;
    open_two(&t);
    replies(&t.a, "begin tran update t set v = 11 where id = 1", "ENV BEGIN\nDONE\nDONE 1\n");
    replies(&t.b, "begin tran update t set v = 22 where id = 2", "ENV BEGIN\nDONE\nDONE 1\n");
    replies(&t.a, "select v from t where id <= 2 order by id", "ROW 11\nROW 20\nDONE 2\n");
    replies(&t.b, "select v from t where id <= 2 order by id", "ROW 10\nROW 22\nDONE 2\n");
    replies(&t.b, "commit", "ENV COMMIT\nDONE\n");
    settle(&t.b);
    replies(&t.a, "select v from t where id <= 2 order by id", "ROW 11\nROW 22\nDONE 2\n");
    replies(&t.a, "insert t values (4,40,400) update t set v = v + 1 where id in (1,2)",
            "DONE 1\nDONE 2\n");
    replies(&t.a, "commit", "ENV COMMIT\nDONE\n");
    settle(&t.a);
    replies(&t.b, "select id, v from t order by id",
            "ROW 1|12\nROW 2|23\nROW 3|30\nROW 4|40\nDONE 4\n");
    two_close(&t);
}

static void the_second_writer_of_a_row_waits_and_sees_the_first_ones_value(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    open_two(&t);
    replies(&t.a, "begin tran update t set v = v + 1 where id = 1", "ENV BEGIN\nDONE\nDONE 1\n");
    later_start(&l, &t.b, "update t set v = v * 2 where id = 1");
    replies(&t.a, "commit", "ENV COMMIT\nDONE\n");
    later_is(&l, "DONE 1\n");
    settle(&t.b);
    replies(&t.a, "select v from t where id = 1", "ROW 22\nDONE 1\n");
    replies(&t.a, "begin tran update t set v = 0 where id = 1", "ENV BEGIN\nDONE\nDONE 1\n");
    later_start(&l, &t.b, "begin tran update t set v = v + 1 where id = 1 commit");
    replies(&t.a, "rollback", "ENV ROLLBACK\nDONE\n");
    later_is(&l, "ENV BEGIN\nDONE\nDONE 1\nENV COMMIT\nDONE\n");
    settle(&t.b);
    replies(&t.a, "select v from t where id = 1", "ROW 23\nDONE 1\n");
    two_close(&t);
}

static void a_unique_key_that_is_being_inserted_is_waited_for(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    open_two(&t);
    replies(&t.a, "begin tran insert t values (9,9,9)", "ENV BEGIN\nDONE\nDONE 1\n");
    later_start(&l, &t.b, "insert t values (10,9,9)");
    replies(&t.a, "rollback", "ENV ROLLBACK\nDONE\n");
    later_is(&l, "DONE 1\n");
    replies(&t.a, "begin tran delete t where id = 10", "ENV BEGIN\nDONE\nDONE 1\n");
    later_start(&l, &t.b, "insert t values (11,9,9)");
    replies(&t.a, "rollback", "ENV ROLLBACK\nDONE\n");
    pthread_join(l.thread, NULL);
    assert_non_null(strstr(l.out, "MSG 2627 14 1 line 1: Violation of UNIQUE KEY constraint"));
    two_close(&t);
}

static void a_parent_stays_while_a_child_is_being_inserted(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    open_two(&t);
    replies(&t.a, "begin tran insert c values (1, 3)", "ENV BEGIN\nDONE\nDONE 1\n");
    replies(&t.b, "update t set v = 31 where id = 3", "DONE 1\n"); /* not its key */
    later_start(&l, &t.b, "delete t where id = 3");
    replies(&t.a, "commit", "ENV COMMIT\nDONE\n");
    later_is(&l, "DONE 1\n");
    settle(&t.b);
    replies(&t.a, "select count(*) from c", "ROW 0\nDONE 1\n");
    replies(&t.a, "begin tran delete t where id = 2", "ENV BEGIN\nDONE\nDONE 1\n");
    later_start(&l, &t.b, "insert c values (2, 2)");
    replies(&t.a, "commit", "ENV COMMIT\nDONE\n");
    pthread_join(l.thread, NULL);
    assert_non_null(strstr(l.out, "MSG 547 16 0 line 1: The INSERT statement conflicted"));
    two_close(&t);
}

static void two_who_wait_for_each_other_are_a_deadlock(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    open_two(&t);
    replies(&t.a, "begin tran update t set v = 1 where id = 1", "ENV BEGIN\nDONE\nDONE 1\n");
    replies(&t.b, "begin tran update t set v = 2 where id = 2 update t set v = 3 where id = 3",
            "ENV BEGIN\nDONE\nDONE 1\nDONE 1\n");
    later_start(&l, &t.b, "update t set v = 5 where id = 1");
    const char *out = run(&t.a, "update t set v = 4 where id = 2"); /* has done less */
    assert_non_null(strstr(out, "MSG 1205 13"));
    assert_non_null(strstr(out, "ENV ROLLBACK"));
    later_is(&l, "DONE 1\n");
    replies(&t.b, "commit", "ENV COMMIT\nDONE\n");
    settle(&t.b);
    replies(&t.a, "select @@trancount, v from t order by id",
            "ROW 0|5\nROW 0|2\nROW 0|3\nDONE 3\n");
    two_close(&t);
}

static void lock_timeout_ends_the_statement_alone(void **state)
{
    (void)state;
    struct two t;
    open_two(&t);
    replies(&t.a, "begin tran update t set v = 1 where id = 1", "ENV BEGIN\nDONE\nDONE 1\n");
    (void)run(&t.b, "set lock_timeout 0 begin tran update t set v = 2 where id = 2");
    const char *out = run(&t.b, "update t set v = 2 where id = 1");
    assert_non_null(strstr(out, "MSG 1222 16"));
    replies(&t.b, "select @@trancount commit", "ROW 1\nDONE 1\nENV COMMIT\nDONE\n");
    replies(&t.a, "rollback select v from t where id < 3",
            "ENV ROLLBACK\nDONE\nROW 10\nROW 2\nDONE 2\n");
    two_close(&t);
}

static void savepoints_outlive_what_others_commit_between(void **state)
{
    (void)state;
    struct two t;
    open_two(&t);
    replies(&t.a,
            "begin tran update t set v = 11 where id = 1 save tran one "
            "update t set v = 12 where id = 1 insert t values (7,7,7)",
            "ENV BEGIN\nDONE\nDONE 1\nDONE\nDONE 1\nDONE 1\n");
    replies(&t.b, "update t set v = 22 where id = 2", "DONE 1\n");
    settle(&t.b);
    replies(&t.a, "update t set v = 13 where id = 1 save tran two delete t where id = 7",
            "DONE 1\nDONE\nDONE 1\n");
    replies(&t.b, "update t set v = 33 where id = 3", "DONE 1\n");
    settle(&t.b);
    replies(&t.a, "rollback tran two select v from t order by id",
            "DONE\nROW 13\nROW 22\nROW 33\nROW 7\nDONE 4\n");
    replies(&t.b, "update t set v = 34 where id = 3", "DONE 1\n");
    settle(&t.b);
    replies(&t.a, "rollback tran one commit", "DONE\nENV COMMIT\nDONE\n");
    settle(&t.a);
    replies(&t.b, "select v from t order by id", "ROW 11\nROW 22\nROW 34\nDONE 3\n");
    two_close(&t);
}

static void what_a_statement_did_to_variables_is_taken_back_when_it_runs_again(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    open_two(&t);
    (void)run(&t.b, "create table log_of_t(id int)");
    (void)run(&t.b,
              "create trigger tr on t after update as insert log_of_t select id from inserted");
    replies(&t.a, "begin tran update t set v = 1 where id = 3",
            "ENV BEGIN\nDONE\nDONEINPROC 1\nDONE 1\n");
    later_start(&l, &t.b,
                "declare @n int = 0, @o table(id int)\n"
                "update t set v = v + 1, @n = @n + 1 output inserted.id into @o\n"
                "select @n, (select count(*) from @o), (select count(*) from log_of_t)");
    replies(&t.a, "commit", "ENV COMMIT\nDONE\n");
    pthread_join(l.thread, NULL);
    assert_non_null(strstr(l.out, "ROW 3|3|4\n")); /* once for each row */
    two_close(&t);
}

static void inserters_do_not_wait_for_each_other(void **state)
{
    (void)state;
    struct two t;
    open_two(&t);
    (void)run(
        &t.a,
        "create table h(x int identity, y int) create table k(x int identity primary key, y int)");
    settle(&t.a);
    replies(&t.a, "begin tran insert h values (1) insert k values (1)",
            "ENV BEGIN\nDONE\nDONE 1\nDONE 1\n");
    replies(&t.b, "begin tran insert h values (2) insert k values (2) commit",
            "ENV BEGIN\nDONE\nDONE 1\nDONE 1\nENV COMMIT\nDONE\n");
    replies(&t.a, "insert h values (3) insert k values (3) commit",
            "DONE 1\nDONE 1\nENV COMMIT\nDONE\n");
    settle(&t.a);
    replies(&t.b, "select h.x, h.y, k.y from h join k on h.x = k.x order by 1",
            "ROW 1|1|1\nROW 2|2|2\nROW 3|3|3\nDONE 3\n");
    two_close(&t);
}

static void temporary_tables_follow_their_transaction(void **state)
{
    (void)state;
    struct two t;
    open_two(&t);
    (void)run(&t.a, "create table #x(a int) insert #x values (1)");
    replies(&t.a, "begin tran insert #x values (2) update t set v = 11 where id = 1",
            "ENV BEGIN\nDONE\nDONE 1\nDONE 1\n");
    replies(&t.b, "update t set v = 22 where id = 2", "DONE 1\n");
    settle(&t.b);
    replies(&t.a, "update #x set a = a * 10 select a, (select v from t where id = 2) from #x",
            "DONE 2\nROW 10|22\nROW 20|22\nDONE 2\n");
    replies(&t.b, "update t set v = 23 where id = 2", "DONE 1\n");
    settle(&t.b);
    replies(&t.a, "commit select a from #x", "ENV COMMIT\nDONE\nROW 10\nROW 20\nDONE 2\n");
    replies(&t.a, "begin tran delete #x rollback select a from #x",
            "ENV BEGIN\nDONE\nDONE 2\nENV ROLLBACK\nDONE\nROW 10\nROW 20\nDONE 2\n");
    two_close(&t);
}

static void a_failed_statement_leaves_its_transaction_whole(void **state)
{
    (void)state;
    struct two t;
    open_two(&t);
    (void)run(&t.a, "begin tran update t set v = 11 where id = 1");
    const char *out = run(&t.a, "insert t values (5,5,5),(6,6,5)");
    assert_non_null(strstr(out, "MSG 2627"));
    replies(&t.b, "insert t values (8,8,8)", "DONE 1\n");
    settle(&t.b);
    replies(&t.a, "select id, v from t order by id",
            "ROW 1|11\nROW 2|20\nROW 3|30\nROW 8|8\nDONE 4\n");
    replies(&t.a, "commit", "ENV COMMIT\nDONE\n");
    two_close(&t);
}

static void a_snapshot_stays_while_others_commit_and_rows_that_changed_are_conflicts(void **state)
{
    (void)state;
    struct two t;
    open_two(&t);
    replies(&t.a,
            "set transaction isolation level snapshot begin tran select v from t where id = 1",
            "ENV BEGIN\nDONE\nROW 10\nDONE 1\n");
    replies(&t.b, "update t set v = 22 where id = 2 insert t values (5,50,500)",
            "DONE 1\nDONE 1\n");
    settle(&t.b);
    replies(&t.a, "update t set v = v + 1 where id = 1 select v from t order by id",
            "DONE 1\nROW 11\nROW 20\nROW 30\nDONE 3\n");
    replies(&t.b, "update t set v = 33 where id = 3", "DONE 1\n");
    settle(&t.b);
    replies(&t.a, "insert t values (6,60,600) select v from t order by id",
            "DONE 1\nROW 11\nROW 20\nROW 30\nROW 60\nDONE 4\n");
    replies(&t.a, "commit select v from t order by id",
            "ENV COMMIT\nDONE\nROW 11\nROW 22\nROW 33\nROW 50\nROW 60\nDONE 5\n");
    replies(&t.a, "begin tran select v from t where id = 6", "ENV BEGIN\nDONE\nROW 60\nDONE 1\n");
    replies(&t.b, "update t set v = 21 where id = 2", "DONE 1\n");
    settle(&t.b);
    replies(&t.a, "update t set v = 61 where id = 6 select v from t where id in (2,6) commit",
            "DONE 1\nROW 22\nROW 61\nDONE 2\nENV COMMIT\nDONE\n");
    replies(&t.a, "begin tran select count(*) from t", "ENV BEGIN\nDONE\nROW 5\nDONE 1\n");
    replies(&t.b, "update t set v = 0 where id = 1", "DONE 1\n");
    settle(&t.b);
    const char *out = run(&t.a, "update t set v = v + 1 where id = 1");
    assert_non_null(strstr(out, "MSG 3960 16"));
    replies(&t.a, "select @@trancount, v from t where id = 1", "ROW 0|0\nDONE 1\n");
    two_close(&t);
}

static void a_table_that_a_transaction_has_changed_keeps_its_shape_until_the_end(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    open_two(&t);
    replies(&t.a, "begin tran update t set v = 11 where id = 1", "ENV BEGIN\nDONE\nDONE 1\n");
    replies(&t.b, "create table other(x int)", "DONE\n");
    settle(&t.b);
    later_start(&l, &t.b, "alter table t add w int null");
    replies(&t.a, "insert t values (4,40,400) commit", "DONE 1\nENV COMMIT\nDONE\n");
    later_is(&l, "DONE\n");
    settle(&t.b);
    replies(&t.a, "begin tran create table third(x int) insert third values (1)",
            "ENV BEGIN\nDONE\nDONE\nDONE 1\n");
    later_start(&l, &t.b, "update t set w = 1 where id = 4"); /* it waits for the writer */
    replies(&t.a, "rollback", "ENV ROLLBACK\nDONE\n");
    later_is(&l, "DONE 1\n");
    replies(&t.b, "begin tran update t set v = 5 where id = 2", "ENV BEGIN\nDONE\nDONE 1\n");
    const char *out = run(&t.a, "begin tran create table third(x int) alter table t add z int");
    assert_non_null(strstr(out, "MSG 1205"));
    replies(&t.b, "commit select count(*) from t", "ENV COMMIT\nDONE\nROW 4\nDONE 1\n");
    two_close(&t);
}

static void a_batch_that_waits_between_its_statements_lets_others_write(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    struct client c;
    open_two(&t);
    client_open(&t.f, &c);
    replies(&t.a, "begin tran update t set v = 11 where id = 1", "ENV BEGIN\nDONE\nDONE 1\n");
    later_start(&l, &t.b,
                "begin tran update t set v = 22 where id = 2\n"
                "select v from t with (holdlock) where id = 1 commit");
    replies(&c, "update t set v = 33 where id = 3", "DONE 1\n");
    replies(&t.a, "commit", "ENV COMMIT\nDONE\n");
    pthread_join(l.thread, NULL);
    assert_non_null(strstr(l.out, "ROW 11\nDONE 1\nENV COMMIT\n"));
    client_close(&c);
    two_close(&t);
}

/* An ALTER that changes the definition of a #table alone leaves nothing in the op log. */
static void what_changes_a_temporary_tables_definition_alone_stays_with_commit(void **state)
{
    static const struct {
        const char *before, *alter, *probe, *made, *undone;
    } cases[] = {
        {"", "alter table #t add constraint d default 5 for a",
         "insert #t(id) values (1) select a from #t", "DONE 1\nROW 5\nDONE 1\n",
         "DONE 1\nROW NULL\nDONE 1\n"},
        {"alter table #t add constraint d default 5 for a", "alter table #t drop constraint d",
         "insert #t(id) values (1) select a from #t", "DONE 1\nROW NULL\nDONE 1\n",
         "DONE 1\nROW 5\nDONE 1\n"},
        {"", "alter table #t add constraint k check (a > 0)",
         "begin try insert #t values (1, 0) end try begin catch select 0 end catch",
         "ROW 0\nDONE 1\n", "DONE 1\n"},
        {"alter table #t add constraint k check (a > 0)", "alter table #t drop constraint k",
         "begin try insert #t values (1, 0) end try begin catch select 0 end catch", "DONE 1\n",
         "ROW 0\nDONE 1\n"},
        {"alter table #t add constraint k check (a > 0)", "alter table #t nocheck constraint k",
         "begin try insert #t values (1, 0) end try begin catch select 0 end catch", "DONE 1\n",
         "ROW 0\nDONE 1\n"},
        {"alter table #t add constraint k check (a > 0) alter table #t nocheck constraint k",
         "alter table #t check constraint k",
         "begin try insert #t values (1, 0) end try begin catch select 0 end catch",
         "ROW 0\nDONE 1\n", "DONE 1\n"},
        {"", "alter table #t add c as id + 1", "insert #t(id) values (1) select * from #t",
         "DONE 1\nROW 1|NULL|2\nDONE 1\n", "DONE 1\nROW 1|NULL\nDONE 1\n"},
    };
    (void)state;
    struct two t;
    open_two(&t);
    char sql[512];
    for (size_t i = 0; i < 3 * (sizeof cases / sizeof cases[0]); i++) {
        size_t at = i / 3;
        bool commits = i % 3 > 0, is_beside_write = i % 3 == 2;
        (void)run(&t.a, "drop table if exists #t create table #t(id int, a int)");
        (void)run(&t.a, cases[at].before);
        snprintf(sql, sizeof sql, "begin tran %s %s",
                 is_beside_write ? "update t set v = 0 where id = 9" : "", cases[at].alter);
        (void)run(&t.a, sql);
        (void)run(&t.b, "update t set v = v + 1 where id = 1"); /* nobody is kept waiting */
        settle(&t.b);
        (void)run(&t.a, "select count(*) from #t");
        (void)run(&t.a, commits ? "commit" : "rollback");
        answers(&t.a, cases[at].probe, commits ? cases[at].made : cases[at].undone);
    }
    two_close(&t);
}

static void a_long_transaction_with_tables_of_its_own_is_played_once_more(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    open_two(&t);
    (void)run(&t.a, "begin tran create table #t(v varchar(8000))");
    (void)run(&t.a, "insert #t select replicate('x', 8000) from generate_series(1, 4500)");
    answers(&t.b, "update t set v = 31 where id = 3", "DONE 1\n"); /* not kept by making it */
    settle(&t.b);
    answers(&t.a, "update t set v = 11 where id = 1", "DONE 1\n");
    later_start(&l, &t.b, "update t set v = 32 where id = 3");
    answers(&t.a, "update t set v = 22 where id = 2 save tran s", "DONE 1\n");
    answers(&t.a, "update t set v = 0 rollback tran s select count(*) from #t",
            "DONE 3\nROW 4500\nDONE 1\n");
    (void)run(&t.a, "commit");
    later_end(&l, "DONE 1\n");
    settle(&t.b);
    answers(&t.a, "select v from t order by id", "ROW 11\nROW 22\nROW 32\nDONE 3\n");
    two_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_transactions_on_different_rows_do_not_wait),
        cmocka_unit_test(the_second_writer_of_a_row_waits_and_sees_the_first_ones_value),
        cmocka_unit_test(a_unique_key_that_is_being_inserted_is_waited_for),
        cmocka_unit_test(a_parent_stays_while_a_child_is_being_inserted),
        cmocka_unit_test(two_who_wait_for_each_other_are_a_deadlock),
        cmocka_unit_test(lock_timeout_ends_the_statement_alone),
        cmocka_unit_test(savepoints_outlive_what_others_commit_between),
        cmocka_unit_test(what_a_statement_did_to_variables_is_taken_back_when_it_runs_again),
        cmocka_unit_test(inserters_do_not_wait_for_each_other),
        cmocka_unit_test(temporary_tables_follow_their_transaction),
        cmocka_unit_test(a_failed_statement_leaves_its_transaction_whole),
        cmocka_unit_test(a_batch_that_waits_between_its_statements_lets_others_write),
        cmocka_unit_test(a_table_that_a_transaction_has_changed_keeps_its_shape_until_the_end),
        cmocka_unit_test(a_snapshot_stays_while_others_commit_and_rows_that_changed_are_conflicts),
        cmocka_unit_test(what_changes_a_temporary_tables_definition_alone_stays_with_commit),
        cmocka_unit_test(a_long_transaction_with_tables_of_its_own_is_played_once_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
