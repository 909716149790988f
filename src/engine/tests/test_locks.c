/* test_locks.c - what is seen of locks, how waits for them end, and locks of applications among
 * them. */
#include "two.h"

static void open_two(struct two *t)
{
    two_open(t, "create table t(id int primary key, v int)\n"
                "insert t values (1,10),(2,20),(3,30)\n"
                "create table h(v int) insert h values (7)");
}

static void who_waits_for_whom_is_seen(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    open_two(&t);
    replies(&t.a, "begin tran one update t set v = 0 where id = 1", "ENV BEGIN\nDONE\nDONE 1\n");
    later_start(&l, &t.b,
                "begin tran two update t set v = 2 where id = 2 update t set v = 1 where id = 1");
    replies(&t.a,
            "select session_id, status, blocking_session_id, wait_type, open_transaction_count, "
            "deadlock_priority, case when wait_time >= 0 and wait_resource like 'KEY: %(%)' then 1 "
            "end from sys.dm_exec_requests where session_id = 52",
            "ROW 52|suspended|51|LCK_M_X|1|0|1\nDONE 1\n");
    replies(
        &t.a,
        "select session_id, blocking_session_id, wait_type, case when resource_description like "
        "'keylock hobtid=%mode=X%' then 1 end from sys.dm_os_waiting_tasks",
        "ROW 52|51|LCK_M_X|1\nDONE 1\n");
    replies(&t.a,
            "select l.request_session_id, l.resource_type, l.request_mode, l.request_status, "
            "object_name(p.object_id), p.index_id, l.request_owner_type from sys.dm_tran_locks l "
            "join sys.partitions p on p.hobt_id = l.resource_associated_entity_id order by 1, 4",
            "ROW 51|KEY|X|GRANT|t|1|TRANSACTION\nROW 52|KEY|X|GRANT|t|1|TRANSACTION\n"
            "ROW 52|KEY|X|WAIT|t|1|TRANSACTION\nDONE 3\n");
    replies(&t.a,
            "select l.request_session_id, w.blocking_session_id from sys.dm_tran_locks l join "
            "sys.dm_os_waiting_tasks w on w.resource_address = l.lock_owner_address",
            "ROW 52|51\nDONE 1\n");
    replies(&t.a,
            "select distinct l.request_session_id, a.name from sys.dm_tran_locks l join "
            "sys.dm_tran_active_transactions a on a.transaction_id = l.request_owner_id join "
            "sys.dm_tran_session_transactions s on s.transaction_id = a.transaction_id and "
            "s.session_id = l.request_session_id join sys.dm_tran_database_transactions d on "
            "d.transaction_id = a.transaction_id and d.database_transaction_state = 4 order by 1",
            "ROW 51|one\nROW 52|two\nDONE 2\n");
    replies(&t.a,
            "select spid, blocked, rtrim(lastwaittype) from sys.sysprocesses where blocked > 0",
            "ROW 52|51|LCK_M_X\nDONE 1\n");
    assert_non_null(strstr(run(&t.a, "exec sp_lock 52"), "|KEY |"));
    assert_non_null(strstr(run(&t.a, "exec sp_who2"), "|51   |"));
    replies(&t.a, "commit", "ENV COMMIT\nDONE\n");
    later_end(&l, "DONE 1\nDONE 1\n");
    replies(&t.a,
            "select count(*) from sys.dm_os_waiting_tasks select status, blocking_session_id, "
            "wait_type from sys.dm_exec_requests",
            "ROW 0\nDONE 1\nROW running|0|NULL\nDONE 1\n");
    run(&t.b, "rollback");
    replies(&t.a, "select count(*) from sys.dm_tran_locks", "ROW 0\nDONE 1\n");
    two_close(&t);
}

static void application_locks_are_seen_beside_the_others(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    open_two(&t);
    run(&t.a, "exec sp_getapplock 'orders', 'Shared', 'Session'");
    later_start(
        &l, &t.b,
        "begin tran declare @r int exec @r = sp_getapplock 'orders', 'Exclusive' select @r");
    replies(&t.a,
            "select request_session_id, resource_type, case when resource_description like "
            "'0:\\[orders]:(%' escape '\\' then 1 end, request_mode, request_status, "
            "request_owner_type from sys.dm_tran_locks order by 1",
            "ROW 51|APPLICATION|1|S|GRANT|SESSION\nROW 52|APPLICATION|1|X|WAIT|TRANSACTION\n"
            "DONE 2\n");
    run(&t.a, "exec sp_releaseapplock 'orders', 'Session'");
    later_end(&l, "ROW 1\n");
    run(&t.b, "commit");
    replies(&t.a, "select count(*) from sys.dm_tran_locks", "ROW 0\nDONE 1\n");
    two_close(&t);
}

static void a_circle_over_a_row_and_a_name_is_found(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    open_two(&t);
    run(&t.a, "set deadlock_priority low");
    run(&t.a, "begin tran exec sp_getapplock 'x', 'Exclusive' update t set v = 0 where id = 3");
    run(&t.b, "begin tran update t set v = 0 where id = 1");
    later_start(&l, &t.b, "declare @r int exec @r = sp_getapplock 'x', 'Exclusive' select @r");
    replies(&t.a, "update t set v = 5 where id = 1",
            "MSG 1205 13 51 line 1: Transaction (Process ID 51) was deadlocked on lock resources "
            "with another process and has been chosen as the deadlock victim. Rerun the "
            "transaction.\nDONE error\nENV ROLLBACK\n");
    later_end(&l, "ROW 1\n");
    replies(&t.a, "select @@trancount, v from t where id = 3", "ROW 0|30\nDONE 1\n");
    run(&t.b, "commit");
    two_close(&t);
}

static void the_victim_of_an_application_lock_keeps_its_transaction(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    open_two(&t);
    run(&t.b, "set deadlock_priority -3");
    run(&t.a, "begin tran exec sp_getapplock 'x', 'Exclusive'");
    run(&t.b, "begin tran exec sp_getapplock 'y', 'Exclusive'");
    later_start(
        &l, &t.b,
        "declare @r int exec @r = sp_getapplock 'x', 'Exclusive' select @r, @@trancount rollback");
    replies(&t.a, "declare @r int exec @r = sp_getapplock 'y', 'Exclusive' select @r",
            "STATUS 1\nDONEPROC\nROW 1\nDONE 1\n");
    later_end(&l, "ROW -3|1\n");
    run(&t.a, "rollback");
    two_close(&t);
}

static void a_circle_over_a_name_and_the_writer_lock_is_found(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    open_two(&t);
    run(&t.a, "begin tran exec sp_getapplock 'x', 'Exclusive'");
    run(&t.b, "begin tran create table made(v int)"); /* keeps the writer lock */
    later_start(&l, &t.a, "update t set id = 10 where id = 1");
    replies(&t.b, "declare @r int exec @r = sp_getapplock 'x', 'Shared' select @r",
            "STATUS -3\nDONEPROC\nROW -3\nDONE 1\n");
    run(&t.b, "rollback");
    later_end(&l, "DONE 1\n");
    run(&t.a, "rollback");
    two_close(&t);
}

static void who_waits_for_the_writer_lock_is_seen(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    open_two(&t);
    run(&t.a, "begin tran create table made(v int)");
    later_start(&l, &t.b, "update t set v = 0 where id = 1");
    while (strcmp(strchr(run(&t.a, "select blocking_session_id, wait_type from "
                                   "sys.dm_exec_requests where session_id = 52"),
                         '\n'),
                  "\nROW 51|LCK_M_X\nDONE 1\n") != 0)
        sched_yield();
    run(&t.a, "rollback");
    later_end(&l, "DONE 1\n");
    two_close(&t);
}

static void deadlock_priority_is_a_word_a_number_or_a_variable(void **state)
{
    static const struct {
        const char *value, *want;
    } rows[] = {{"LOW", "-5"},        {"NORMAL", "0"},
                {"HIGH", "5"},        {"-10", "-10"},
                {"10", "10"},         {"3", "3"},
                {"@i", "-7"},         {"@s", "5"},
                {"11", "MSG 155 15"}, {"middle", "MSG 155 15"}};
    (void)state;
    struct two t;
    open_two(&t);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char sql[256], want[32];
        snprintf(sql, sizeof sql,
                 "declare @i int = -7, @s varchar(9) = 'high' set deadlock_priority %s select "
                 "deadlock_priority from sys.dm_exec_requests where session_id = @@spid",
                 rows[i].value);
        snprintf(want, sizeof want, "%s%s", rows[i].want[0] == 'M' ? "" : "ROW ", rows[i].want);
        if (strstr(run(&t.a, sql), want) == NULL)
            fail_msg("%s gave %s", sql, qr_buf_cstr(&t.a.out));
    }
    two_close(&t);
}

static void a_wait_ends_by_lock_timeout_and_the_transaction_stays(void **state)
{
    (void)state;
    struct two t;
    open_two(&t);
    run(&t.a, "begin tran update t set v = 0 where id = 1");
    replies(&t.b,
            "set lock_timeout 30 begin tran update t set v = 9 where id = 2 update t set v = 1 "
            "where id = 1",
            "ENV BEGIN\nDONE\nDONE 1\nMSG 1222 16 51 line 1: Lock request time out period "
            "exceeded.\nINFO 3621: The statement has been terminated.\nDONE error\n");
    replies(&t.b, "select @@trancount, @@lock_timeout", "ROW 1|30\nDONE 1\n");
    replies(&t.b, "set lock_timeout 0 update t set v = 1 where id = 1",
            "MSG 1222 16 51 line 1: Lock request time out period exceeded.\nINFO 3621: The "
            "statement has been terminated.\nDONE error\n");
    replies(&t.b, "declare @r int exec @r = sp_getapplock 'z', 'Update', 'Session' select @r",
            "STATUS 0\nDONEPROC\nROW 0\nDONE 1\n");
    run(&t.b, "commit");
    run(&t.a, "rollback");
    replies(&t.a, "select v from t where id < 3 order by id", "ROW 10\nROW 9\nDONE 2\n");
    two_close(&t);
}

static void attention_ends_a_wait_at_once(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    open_two(&t);
    run(&t.a, "begin tran update t set v = 0 where id = 1");
    later_start(&l, &t.b,
                "begin tran update t set v = 9 where id = 2 update t set v = 1 where id = 1");
    atomic_store(&t.b.cancel, true);
    later_end(&l, "DONE 1\n");
    atomic_store(&t.b.cancel, false);
    replies(&t.a, "select count(*) from sys.dm_os_waiting_tasks", "ROW 0\nDONE 1\n");
    replies(&t.b, "select @@trancount rollback", "ROW 1\nDONE 1\nENV ROLLBACK\nDONE\n");
    run(&t.a, "rollback");
    two_close(&t);
}

static void whoever_is_killed_while_it_waits_frees_what_it_held(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    open_two(&t);
    run(&t.a, "begin tran update t set v = 0 where id = 1");
    later_start(
        &l, &t.b,
        "exec sp_getapplock 'k', 'Exclusive', 'Session' begin tran update t set v = 9 where id = 2 "
        "update t set v = 1 where id = 1");
    qr_session_kill(t.b.session);
    later_end(&l, "DONE 1\n");
    client_close(&t.b);
    replies(&t.a,
            "update t set v = v + 1 where id = 2 select v from t where id = 2 select applock_test("
            "'public', 'k', 'Exclusive', 'Session')",
            "DONE 1\nROW 21\nDONE 1\nROW 1\nDONE 1\n");
    run(&t.a, "commit");
    replies(&t.a, "select count(*) from sys.dm_tran_locks", "ROW 0\nDONE 1\n");
    client_close(&t.a);
    fixture_close(&t.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_for_whom_is_seen),
        cmocka_unit_test(application_locks_are_seen_beside_the_others),
        cmocka_unit_test(a_circle_over_a_row_and_a_name_is_found),
        cmocka_unit_test(the_victim_of_an_application_lock_keeps_its_transaction),
        cmocka_unit_test(a_circle_over_a_name_and_the_writer_lock_is_found),
        cmocka_unit_test(who_waits_for_the_writer_lock_is_seen),
        cmocka_unit_test(deadlock_priority_is_a_word_a_number_or_a_variable),
        cmocka_unit_test(a_wait_ends_by_lock_timeout_and_the_transaction_stays),
        cmocka_unit_test(attention_ends_a_wait_at_once),
        cmocka_unit_test(whoever_is_killed_while_it_waits_frees_what_it_held),
    };
    return cmocka_run_group_tests_name("engine/locks", tests, NULL, NULL);
}
