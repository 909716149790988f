/* test_locking.c - reads with locks: what hints and isolation levels make others wait for. */
#include "two.h"

static const char setup_sql[] = "create table t(id int primary key, v int, u int unique)\n"
                                "insert t values (1,10,100),(2,20,200),(3,30,300)\n"
                                "create table q(id int identity primary key, prio int, state int)\n"
                                "insert q(prio, state) values (5,0),(9,0),(7,0)\n"
                                "create table h(a int, b varchar(10))\n"
                                "insert h values (1,'one'),(2,'two')";

static void updlock_keeps_writers_and_others_like_it_off_that_row_alone(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    two_open(&t, setup_sql);
    answers(&t.a, "begin tran select v from t with (updlock) where id = 2", "ROW 20\nDONE 1\n");
    answers(&t.b, "select v from t where id = 2", "ROW 20\nDONE 1\n");
    answers(&t.b, "update t set v = 31 where id = 3", "DONE 1\n");
    answers(&t.b, "set lock_timeout 0 update t set v = 21 where id = 2",
            "MSG 1222 16 51 line 1: Lock request time out period exceeded.\n"
            "INFO 3621: The statement has been terminated.\nDONE error\n");
    answers(&t.b, "select v from t with (updlock) where id = 2",
            "MSG 1222 16 51 line 1: Lock request time out period exceeded.\nDONE error\n");
    answers(&t.b, "set lock_timeout -1", "");
    later_start(&l, &t.b, "select v from t with (updlock) where id = 2");
    answers(&t.a, "update t set v = 22 where id = 2 commit", "DONE 1\n");
    later_end(&l, "ROW 22\nDONE 1\n");
    two_close(&t);
}

static void nowait_fails_at_once(void **state)
{
    (void)state;
    struct two t;
    two_open(&t, setup_sql);
    answers(&t.a, "begin tran update t set v = 11 where id = 1", "DONE 1\n");
    answers(&t.b, "select v from t with (updlock, nowait) where id = 1",
            "MSG 1222 16 51 line 1: Lock request time out period exceeded.\nDONE error\n");
    answers(&t.b, "select v from t with (tablockx, nowait) where id = 2",
            "MSG 1222 16 51 line 1: Lock request time out period exceeded.\nDONE error\n");
    two_close(&t);
}

static void readpast_leaves_out_what_others_have(void **state)
{
    (void)state;
    struct two t;
    two_open(&t, setup_sql);
    answers(&t.a, "begin tran update t set v = 11 where id = 1", "DONE 1\n");
    answers(&t.b, "select id from t with (readpast) order by id", "ROW 2\nROW 3\nDONE 2\n");
    answers(&t.b, "select id from t with (updlock, readpast) order by id",
            "ROW 2\nROW 3\nDONE 2\n");
    answers(&t.b, "update t with (readpast) set v = v + 1", "DONE 2\n");
    answers(&t.b, "delete from t with (readpast, rowlock) where id < 3", "DONE 1\n");
    answers(&t.a, "commit", "");
    settle(&t.a);
    answers(&t.b, "select id, v from t with (readpast) order by id",
            "ROW 1|11\nROW 3|31\nDONE 2\n");
    two_close(&t);
}

/* The queue of every job runner, in its three common forms. */
static void a_queue_hands_out_each_row_once(void **state)
{
    (void)state;
    struct two t;
    two_open(&t, setup_sql);
    const char *take = "select top (1) id from q with (updlock, readpast, rowlock)"
                       " where state = 0 order by prio desc";
    answers(&t.a, "begin tran", "");
    answers(&t.b, "begin tran", "");
    answers(&t.a, take, "ROW 2\nDONE 1\n");
    answers(&t.b, take, "ROW 3\nDONE 1\n");
    answers(&t.a, "update q set state = 1 where id = 2 commit", "DONE 1\n");
    settle(&t.a);
    answers(&t.b, "update q set state = 1 where id = 3 commit", "DONE 1\n");
    settle(&t.b);
    answers(&t.a, "insert q(prio, state) values (1,0),(2,0)", "DONE 2\n");
    const char *remove = "with n as (select top (1) * from q with (readpast, rowlock)"
                         " where state = 0 order by prio desc) delete from n output deleted.prio";
    answers(&t.a, "begin tran", "");
    answers(&t.b, "begin tran", "");
    answers(&t.a, remove, "ROW 5\nDONE 1\n");
    answers(&t.b, remove, "ROW 2\nDONE 1\n");
    answers(&t.b, "rollback", "");
    answers(&t.a, remove, "ROW 2\nDONE 1\n");
    answers(&t.a, "commit", "");
    settle(&t.a);
    const char *update = "update top (1) q with (readpast) set state = 2"
                         " output inserted.id where state = 1";
    answers(&t.a, "begin tran", "");
    answers(&t.a, update, "ROW 2\nDONE 1\n");
    answers(&t.b, update, "ROW 3\nDONE 1\n");
    two_close(&t);
}

static void repeatable_read_keeps_what_it_has_read(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    two_open(&t, setup_sql);
    answers(&t.a,
            "set transaction isolation level repeatable read begin tran\n"
            "select v from t where id = 1",
            "ROW 10\nDONE 1\n");
    answers(&t.b, "select v from t where id = 1", "ROW 10\nDONE 1\n");
    answers(&t.b, "update t set v = 21 where id = 2", "DONE 1\n");
    answers(&t.b, "insert t values (4,40,400)", "DONE 1\n"); /* a phantom */
    settle(&t.b);
    later_start(&l, &t.b, "update t set v = 11 where id = 1");
    answers(&t.a, "select id, v from t where id in (1,4) order by id",
            "ROW 1|10\nROW 4|40\nDONE 2\n");
    answers(&t.a, "commit", "");
    later_end(&l, "DONE 1\n");
    two_close(&t);
}

static void serializable_keeps_others_from_making_rows_it_looked_for(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    two_open(&t, setup_sql);
    answers(&t.a,
            "set transaction isolation level serializable begin tran\n"
            "select v from t where id = 9",
            "DONE 0\n");
    answers(&t.b, "insert t values (8,80,800) update t set v = 21 where id = 2",
            "DONE 1\nDONE 1\n"); /* an idle session stops nobody else */
    later_start(&l, &t.b, "insert t values (9,90,900)");
    answers(&t.a, "select v from t where id = 9", "DONE 0\n");
    answers(&t.a, "commit", "");
    later_end(&l, "DONE 1\n");
    settle(&t.b);
    answers(&t.a, "begin tran select v from t where u = 900", "ROW 90\nDONE 1\n");
    later_start(&l, &t.b, "update t set v = 91 where id = 9"); /* found by its other key */
    answers(&t.a, "commit begin tran", "");
    later_end(&l, "DONE 1\n");
    settle(&t.b);
    answers(&t.a, "select count(*) from h where b = 'one'", "ROW 1\nDONE 1\n");
    later_start(&l, &t.b, "insert h values (3,'one')");
    answers(&t.a, "select count(*) from h where b = 'one'", "ROW 1\nDONE 1\n");
    answers(&t.a, "commit", "");
    later_end(&l, "DONE 1\n");
    two_close(&t);
}

static void an_upsert_under_holdlock_is_had_by_one_at_a_time(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    two_open(&t, setup_sql);
    answers(&t.a, "begin tran", "");
    answers(&t.a,
            "if not exists (select * from t with (updlock, holdlock) where id = 7)\n"
            "insert t values (7,70,700)",
            "DONE 1\n");
    later_start(&l, &t.b,
                "begin tran if not exists (select * from t with (updlock, holdlock) where id = 7)\n"
                "insert t values (7,71,701) else update t set v = v + 1 where id = 7 commit");
    answers(&t.a, "commit", "");
    later_end(&l, "DONE 1\n");
    settle(&t.b);
    answers(&t.a, "select v from t where id = 7", "ROW 71\nDONE 1\n");
    const char *merge = "merge t with (holdlock) using (select 6 as id) s on t.id = s.id"
                        " when matched then update set v = v + 1"
                        " when not matched then insert values (s.id, 60, 600);";
    answers(&t.a, "begin tran", "");
    answers(&t.a, merge, "DONE 1\n");
    later_start(&l, &t.b, merge);
    answers(&t.a, "commit", "");
    later_end(&l, "DONE 1\n");
    settle(&t.b);
    answers(&t.a, "select v from t where id = 6", "ROW 61\nDONE 1\n");
    two_close(&t);
}

static void table_locks_wait_for_everybody(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    two_open(&t, setup_sql);
    answers(&t.a, "begin tran select count(*) from t with (tablockx)", "ROW 3\nDONE 1\n");
    answers(&t.b, "select count(*) from t", "ROW 3\nDONE 1\n");
    later_start(&l, &t.b, "update t set v = 21 where id = 2");
    answers(&t.a, "commit", "");
    later_end(&l, "DONE 1\n");
    answers(&t.a, "begin tran update t set v = 22 where id = 2", "DONE 1\n");
    later_start(&l, &t.b, "select v from t with (tablock) where id = 2");
    answers(&t.a, "commit", "");
    later_end(&l, "ROW 22\nDONE 1\n");
    settle(&t.b);
    answers(&t.a, "begin tran select v from t with (tablock) where id = 2", "ROW 22\nDONE 1\n");
    answers(&t.b, "update t set v = 23 where id = 2", "DONE 1\n"); /* that lock was brief */
    two_close(&t);
}

static void rows_of_heaps_and_variables_survive_a_wait(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    two_open(&t, setup_sql);
    answers(&t.a, "begin tran update h set b = 'ten' where a = 1", "DONE 1\n");
    later_start(&l, &t.b,
                "declare @s varchar(100) = '' select @s = @s + b + ';' from h with (xlock)"
                " order by a desc select @s");
    answers(&t.a, "commit", "");
    later_end(&l, "ROW two;ten;\nDONE 1\n");
    two_close(&t);
}

static void snapshot_cannot_begin_within_another_level(void **state)
{
    (void)state;
    struct two t;
    two_open(&t, setup_sql);
    answers(&t.a, "begin tran select v from t where id = 1", "ROW 10\nDONE 1\n");
    const char *out = run(&t.a, "set transaction isolation level snapshot select v from t");
    assert_non_null(strstr(out, "MSG 3951 16 1"));
    answers(&t.a, "select @@trancount", "ROW 0\nDONE 1\n");
    answers(&t.a, "begin tran select v from t where id = 1", "ROW 10\nDONE 1\n");
    answers(&t.a, "set transaction isolation level read committed select v from t where id = 2",
            "ROW 20\nDONE 1\n");
    answers(&t.a, "set transaction isolation level snapshot select v from t where id = 3 commit",
            "ROW 30\nDONE 1\n");
    two_close(&t);
}

/* SELECT's level as the session has it now. */
static const char level_sql[] =
    "select transaction_isolation_level from sys.dm_exec_sessions where session_id = @@spid";

static void a_level_lasts_as_long_as_its_scope(void **state)
{
    (void)state;
    struct two t;
    two_open(&t, setup_sql);
    (void)run(&t.a, "create procedure p as begin\n"
                    "set transaction isolation level serializable\n"
                    "select v from t where id = 9\n"
                    "end");
    answers(&t.a, level_sql, "ROW 2\nDONE 1\n");
    (void)run(&t.a, "begin tran exec p");
    answers(&t.a, level_sql, "ROW 2\nDONE 1\n");
    answers(&t.b, "set lock_timeout 0", ""); /* what it has locked stays locked */
    assert_non_null(strstr(run(&t.b, "insert t values (9,90,900)"), "MSG 1222"));
    (void)run(&t.a, "commit exec('set transaction isolation level snapshot')");
    answers(&t.a, level_sql, "ROW 2\nDONE 1\n");
    static const char *const words[] = {"read uncommitted", "read committed", "repeatable read",
                                        "serializable", "snapshot"};
    for (int i = 0; i < 5; i++) {
        char sql[100], want[40];
        snprintf(sql, sizeof sql, "set transaction isolation level %s", words[i]);
        snprintf(want, sizeof want, "ROW %d\nDONE 1\n", i + 1);
        answers(&t.a, sql, "");
        answers(&t.a, level_sql, want);
    }
    two_close(&t);
}

static void a_reset_goes_back_to_read_committed_unless_its_transaction_goes_on(void **state)
{
    (void)state;
    struct two t;
    two_open(&t, setup_sql);
    answers(&t.a, "set transaction isolation level serializable begin tran", "");
    assert_int_equal(qr_session_reset(t.a.session, true, client_sink(&t.a)), QR_OK);
    answers(&t.a, level_sql, "ROW 4\nDONE 1\n");
    assert_int_equal(qr_session_reset(t.a.session, false, client_sink(&t.a)), QR_OK);
    answers(&t.a, level_sql, "ROW 2\nDONE 1\n");
    answers(&t.a, "select @@trancount", "ROW 0\nDONE 1\n");
    two_close(&t);
}

static void the_victim_of_a_deadlock_has_the_lowest_priority(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    two_open(&t, setup_sql);
    answers(&t.a, "set deadlock_priority high begin tran update t set v = 1 where id = 1",
            "DONE 1\n");
    answers(&t.b,
            "set deadlock_priority 4 begin tran update t set v = 2 where id = 2\n"
            "update t set v = 3 where id = 3",
            "DONE 1\nDONE 1\n");
    later_start(&l, &t.b,
                "update t set v = 5 where id = 1"); /* it has done more, but counts less */
    answers(&t.a, "update t set v = 4 where id = 2", "DONE 1\n");
    later_end(&l, "MSG 1205 13");
    answers(&t.a, "commit", "");
    settle(&t.a);
    answers(&t.b, "select @@trancount, v from t order by id",
            "ROW 0|1\nROW 0|4\nROW 0|30\nDONE 3\n");
    answers(
        &t.a, "set deadlock_priority 11",
        "MSG 155 15 2 line 1: '11' is not a recognized DEADLOCK_PRIORITY option.\nDONE error\n");
    answers(&t.a, "set deadlock_priority -10 set deadlock_priority low", "");
    two_close(&t);
}

static const char how_many_sql[] =
    "select iif(count(*) < 25000, 'few', 'many'), max(iif(resource_type = 'OBJECT', request_mode, "
    "'')) from sys.dm_tran_locks where resource_type in ('OBJECT', 'KEY', 'RID')";

static void many_statements_of_one_transaction_end_with_the_table(void **state)
{
    (void)state;
    struct two t;
    two_open(&t, "create table many(id int primary key, v int)");
    (void)run(&t.a, "set nocount on begin tran declare @i int = 0 while @i < 30000 begin "
                    "insert many values (@i, 0) set @i += 1 end");
    answers(&t.a, how_many_sql, "ROW few|X\n");
    answers(&t.a, "set nocount off commit", "");
    (void)run(&t.a, "set nocount on set transaction isolation level repeatable read begin tran "
                    "declare @i int = 0, @v int while @i < 30000 begin "
                    "select @v = v from many where id = @i set @i += 1 end");
    answers(&t.a, how_many_sql, "ROW few|S\n");
    two_close(&t);
}

/* Somebody else is in the table: rows go on being locked one by one. */
static void who_is_in_the_way_keeps_his_rows(void **state)
{
    (void)state;
    struct two t;
    two_open(&t, "create table many(id int primary key, v int) insert many values (-1, 0)");
    answers(&t.b, "begin tran update many set v = 1 where id = -1", "DONE 1\n");
    (void)run(&t.a, "set nocount on begin tran declare @i int = 0 while @i < 21000 begin "
                    "insert many values (@i, 0) set @i += 1 end");
    answers(&t.a,
            "select max(request_mode) from sys.dm_tran_locks where resource_type = 'OBJECT' "
            "and request_session_id = @@spid",
            "ROW IX\n");
    answers(&t.b, "update many set v = 2 where id = -1 commit", "DONE 1\n");
    answers(&t.a, "set nocount off commit", "");
    two_close(&t);
}

static void what_a_function_reads_is_locked_as_it_says(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    two_open(&t, setup_sql);
    (void)run(&t.a, "create function held(@id int) returns int as begin\n"
                    "return (select v from t with (updlock) where id = @id) end");
    (void)run(&t.a, "create function plain(@id int) returns int as begin\n"
                    "declare @v int select @v = v from t where id = @id return @v end");
    (void)run(&t.a, "create function rows_of(@v int) returns @r table(id int) as begin\n"
                    "insert @r select id from t where v >= @v return end");
    settle(&t.a);
    (void)run(&t.b, "set lock_timeout 0");
    static const char *const held[] = {
        "select dbo.held(2)", "declare @v int select @v = dbo.held(2)",
        "declare @v int = dbo.held(2)", "if dbo.held(2) = 20 select 20",
        "select top (1) dbo.held(id) from t where id = 2"};
    for (size_t i = 0; i < sizeof held / sizeof held[0]; i++) {
        (void)run(&t.a, "begin tran");
        (void)run(&t.a, held[i]);
        if (strstr(run(&t.b, "update t set v = 21 where id = 2"), "MSG 1222") == NULL)
            fail_msg("%s locked nothing", held[i]);
        answers(&t.b, "update t set v = 10 where id = 1", "DONE 1\n");
        (void)run(&t.a, "commit");
    }
    (void)run(&t.a, "begin tran select dbo.plain(2)");
    answers(&t.b, "update t set v = 20 where id = 2", "DONE 1\n");
    settle(&t.b);
    (void)run(&t.a, "commit set transaction isolation level repeatable read begin tran");
    answers(&t.a, "select dbo.plain(2)", "ROW 20\nDONE 1\n");
    assert_non_null(strstr(run(&t.b, "update t set v = 21 where id = 2"), "MSG 1222"));
    (void)run(&t.a, "commit set transaction isolation level serializable begin tran");
    answers(&t.a, "select count(*) from rows_of(25)", "ROW 1\nDONE 1\n");
    assert_non_null(strstr(run(&t.b, "insert t values (8, 80, 800)"), "MSG 1222"));
    (void)run(&t.a, "commit set transaction isolation level read committed");
    (void)run(&t.b, "set lock_timeout -1");
    answers(&t.a, "begin tran update t set v = 25 where id = 2", "DONE 1\n");
    later_start(&l, &t.b, "select dbo.held(2)");
    answers(&t.a, "commit", "");
    later_end(&l, "ROW 25\n");
    two_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_function_reads_is_locked_as_it_says),
        cmocka_unit_test(many_statements_of_one_transaction_end_with_the_table),
        cmocka_unit_test(who_is_in_the_way_keeps_his_rows),
        cmocka_unit_test(updlock_keeps_writers_and_others_like_it_off_that_row_alone),
        cmocka_unit_test(nowait_fails_at_once),
        cmocka_unit_test(readpast_leaves_out_what_others_have),
        cmocka_unit_test(a_queue_hands_out_each_row_once),
        cmocka_unit_test(repeatable_read_keeps_what_it_has_read),
        cmocka_unit_test(serializable_keeps_others_from_making_rows_it_looked_for),
        cmocka_unit_test(an_upsert_under_holdlock_is_had_by_one_at_a_time),
        cmocka_unit_test(table_locks_wait_for_everybody),
        cmocka_unit_test(rows_of_heaps_and_variables_survive_a_wait),
        cmocka_unit_test(snapshot_cannot_begin_within_another_level),
        cmocka_unit_test(the_victim_of_a_deadlock_has_the_lowest_priority),
        cmocka_unit_test(a_level_lasts_as_long_as_its_scope),
        cmocka_unit_test(a_reset_goes_back_to_read_committed_unless_its_transaction_goes_on),
    };
    return cmocka_run_group_tests_name("engine/locking", tests, NULL, NULL);
}
