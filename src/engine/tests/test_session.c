/* test_session.c - requests other than batches, several sessions, attention, waiting, restart. */
#include "harness.h"
#include <pthread.h>
#include <unistd.h>
#include "base/banned.h"

static void with_table(struct fixture *f, struct client *c)
{
    fixture_open(f);
    client_open(f, c);
    expect(c,
           "create table t (id int not null primary key, v nvarchar(20))\n"
           "insert t values (1, N'one'), (2, N'two')",
           "DONE\nDONE 2\n");
}

static struct qr_arg int_arg(const char *name, int64_t value)
{
    return (struct qr_arg){
        .name = qr_str(name), .type = qr_type_of(QR_TYPE_INT), .value = qr_value_int(value)};
}

static void assert_answer(struct client *c, enum qr_status status, const char *want)
{
    assert_int_equal(status, QR_OK);
    settle(c);
    assert_string_equal(qr_buf_cstr(&c->out), want);
}

static void test_a_prepared_statement_runs_again_after_its_table_has_changed(void **state)
{
    struct fixture f;
    struct client c;
    int32_t handle = 0;
    (void)state;
    with_table(&f, &c);
    assert_int_equal(qr_session_prepare(c.session, qr_str("select * from t where id = @id"),
                                        qr_str("@id int"), client_sink(&c), &handle),
                     QR_OK);
    assert_true(handle > 0);
    struct qr_arg arg = int_arg("@id", 2);
    for (int i = 0; i < 3; i++)
        assert_answer(&c, qr_session_execute(c.session, handle, &arg, 1, client_sink(&c)),
                      "COLS id int, v nvarchar(20)\nROW 2|two\nDONEINPROC 1\nSTATUS 0\nDONEPROC\n");
    expect(&c, "alter table t add w int null", "DONE\n");
    assert_answer(&c, qr_session_execute(c.session, handle, &arg, 1, client_sink(&c)),
                  "COLS id int, v nvarchar(20), w int\nROW 2|two|NULL\nDONEINPROC 1\nSTATUS 0\n"
                  "DONEPROC\n");
    assert_answer(&c, qr_session_unprepare(c.session, handle, client_sink(&c)),
                  "STATUS 0\nDONEPROC\n");
    assert_answer(&c, qr_session_execute(c.session, handle, &arg, 1, client_sink(&c)),
                  "MSG 8179 16 2 line 0: Could not find prepared statement with handle 1.\n"
                  "DONEPROC error\n");
    client_close(&c);
    fixture_close(&f);
}

/* The same text over tables of one name, one id and different shapes: in two sessions, and in one
 * session after a rollback has given the id out again. */
static void test_a_shared_plan_is_not_used_for_another_table_of_the_same_name(void **state)
{
    struct fixture f;
    struct client a, b;
    (void)state;
    fixture_open(&f);
    client_open(&f, &a);
    client_open(&f, &b);
    expect(&a, "create table #x (v varchar(10))", "DONE\n");
    expect(&b, "create table #x (v varbinary(10))", "DONE\n");
    expect(&a, "insert into #x values (0x41)", "DONE 1\n");
    expect(&b, "insert into #x values (0x41)", "DONE 1\n");
    expect(&a, "select v from #x", "COLS v varchar(10)\nROW A\nDONE 1\n");
    expect(&b, "select v from #x", "COLS v varbinary(10)\nROW A\nDONE 1\n");
    run(&a, "begin tran; create table z (v int)");
    expect(&a, "select v from z", "COLS v int\nDONE 0\n");
    run(&a, "rollback");
    expect(&a, "create table z (v varchar(5))", "DONE\n");
    expect(&a, "select v from z", "COLS v varchar(5)\nDONE 0\n");
    client_close(&a);
    client_close(&b);
    fixture_close(&f);
}

static void test_a_temporary_procedure_is_its_sessions_own(void **state)
{
    struct fixture f;
    struct client a, b;
    (void)state;
    fixture_open(&f);
    client_open(&f, &a);
    client_open(&f, &b);
    expect(&a, "create procedure #p @i int = 3 as select @i as i", "DONE\n");
    expect(&b, "create procedure #p as select 'b' as who", "DONE\n");
    for (int i = 0; i < 2; i++) {
        expect(&a, "exec #p 5", "COLS i int\nROW 5\nDONEINPROC 1\nSTATUS 0\nDONEPROC\n");
        expect(&b, "exec #p", "COLS who varchar(1)\nROW b\nDONEINPROC 1\nSTATUS 0\nDONEPROC\n");
    }
    expect(&a, "drop procedure #p", "DONE\n");
    expect(&a, "exec #p",
           "MSG 2812 16 62 line 1: Could not find stored procedure '#p'.\n"
           "DONE error\n");
    expect(&a, "create procedure #p as select 2 as two", "DONE\n");
    assert_int_equal(qr_session_reset(a.session, false, client_sink(&a)), QR_OK);
    expect(&a, "exec #p",
           "MSG 2812 16 62 line 1: Could not find stored procedure '#p'.\n"
           "DONE error\n");
    client_close(&a);
    client_close(&b);
    fixture_close(&f);
}

static void test_reset_ends_cursors_by_procedure(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    run(&c, "declare @c int; exec sp_cursoropen @c output, N'select 7 as a', 8, 1");
    const char *there = run(&c, "exec sp_cursorfetch 1, 2, 0, 5");
    assert_non_null(strstr(there, "COLS a int, ROWSTAT int\nROW 7|1\n"));
    assert_int_equal(qr_session_reset(c.session, false, client_sink(&c)), QR_OK);
    const char *gone = run(&c, "exec sp_cursorfetch 1, 2, 0, 5");
    assert_non_null(strstr(gone, "MSG 16909 "));
    client_close(&c);
    fixture_close(&f);
}

static void test_output_parameters_come_back_after_the_status(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    with_table(&f, &c);
    struct qr_arg args[2] = {int_arg("@a", 20), int_arg("@b", 0)};
    args[1].is_output = true;
    args[1].value = qr_value_null();
    assert_answer(&c,
                  qr_session_execute_sql(c.session, qr_str("set @b = @a + 1"),
                                         qr_str("@a int, @b int output"), args, 2, client_sink(&c)),
                  "STATUS 0\nRET @b=21\nDONEPROC\n");
    expect(&c, "create procedure p @x int, @y int = 5 output as set @y = @x * @y return 3",
           "DONE\n");
    struct qr_arg call[2] = {int_arg("@x", 4), int_arg("@y", 3)};
    call[1].is_output = true;
    assert_answer(&c, qr_session_call(c.session, qr_str("dbo.p"), call, 2, client_sink(&c)),
                  "STATUS 3\nRET @y=12\nDONEPROC\n");
    call[1].type = qr_type_of(QR_TYPE_BIT); /* what the client has is a bit */
    assert_answer(&c, qr_session_call(c.session, qr_str("dbo.p"), call, 2, client_sink(&c)),
                  "STATUS 3\nRET @y=1\nDONEPROC\n");
    call[0].value = qr_value_int(200);
    call[1].type = qr_type_of(QR_TYPE_TINYINT);
    assert_answer(&c, qr_session_call(c.session, qr_str("dbo.p"), call, 2, client_sink(&c)),
                  "STATUS 3\nMSG 220 16 2 line 0: Arithmetic overflow error for data type tinyint, "
                  "value = 600.\nDONEPROC error\n");
    assert_answer(&c, qr_session_call(c.session, qr_str("dbo.nosuch"), NULL, 0, client_sink(&c)),
                  "MSG 2812 16 62 line 0: Could not find stored procedure 'dbo.nosuch'.\n"
                  "DONEPROC error\n");
    client_close(&c);
    fixture_close(&f);
}

static void test_a_reader_sees_only_what_is_committed(void **state)
{
    struct fixture f;
    struct client a, b;
    (void)state;
    with_table(&f, &a);
    client_open(&f, &b);
    assert_answer(
        &a, qr_session_tran(a.session, QR_TM_BEGIN, (struct qr_str){0}, 0, false, client_sink(&a)),
        "ENV BEGIN\n");
    expect(&a, "insert t values (3, N'three')", "DONE 1\n");
    expect(&b, "select count(*) from t", "COLS int\nROW 2\nDONE 1\n");
    expect(&a, "select count(*) from t", "COLS int\nROW 3\nDONE 1\n");
    assert_answer(
        &a, qr_session_tran(a.session, QR_TM_COMMIT, (struct qr_str){0}, 0, false, client_sink(&a)),
        "ENV COMMIT\n");
    assert_true(qr_session_answer_lsn(a.session) > 0);
    expect(&b, "select count(*) from t", "COLS int\nROW 3\nDONE 1\n");
    client_close(&a);
    client_close(&b);
    fixture_close(&f);
}

static void test_the_answer_of_a_statement_that_ran_at_the_head_waits_for_what_it_read(void **state)
{
    struct fixture f;
    struct client a, b;
    (void)state;
    with_table(&f, &a);
    client_open(&f, &b);
    expect(&b, "insert t values (3, N'three')", "DONE 1\n");
    uint64_t committed = qr_session_answer_lsn(b.session);
    expect(&a, "begin transaction", "ENV BEGIN\nDONE\n");
    expect(&a, "update t set v = N'x' where id = 3", "DONE 1\n");
    assert_true(qr_session_answer_lsn(a.session) >= committed);
    expect(&a, "select count(*) from t", "COLS int\nROW 3\nDONE 1\n");
    assert_true(qr_session_answer_lsn(a.session) >= committed);
    client_close(&a);
    client_close(&b);
    fixture_close(&f);
}

static void test_a_second_writer_gives_up_after_lock_timeout(void **state)
{
    struct fixture f;
    struct client a, b;
    (void)state;
    with_table(&f, &a);
    client_open(&f, &b);
    expect(&a, "begin tran delete t where id = 1", "ENV BEGIN\nDONE\nDONE 1\n");
    expect(&b, "set lock_timeout 50 delete t where id = 1 select @@error",
           "MSG 1222 16 51 line 1: Lock request time out period exceeded.\n"
           "INFO 3621: The statement has been terminated.\nDONE error\n"
           "COLS int\nROW 1222\nDONE 1\n");
    expect(&b, "delete t where id = 2", "DONE 1\n");
    expect(&a, "rollback", "ENV ROLLBACK\nDONE\n");
    expect(&b, "delete t where id = 1", "DONE 1\n");
    client_close(&a);
    client_close(&b);
    fixture_close(&f);
}

static void test_a_session_that_ends_lets_the_writer_lock_go(void **state)
{
    struct fixture f;
    struct client a, b;
    (void)state;
    with_table(&f, &a);
    client_open(&f, &b);
    expect(&a, "begin tran delete t", "ENV BEGIN\nDONE\nDONE 2\n");
    client_close(&a);
    expect(&b, "set lock_timeout 1000 delete t where id = 2", "DONE 1\n");
    client_close(&b);
    fixture_close(&f);
}

static void *change_options(void *arg)
{
    for (int i = 0; i < 200; i++)
        run(arg, "set language french set datefirst 3 set textsize 100 set lock_timeout 5\n"
                 "set language us_english set textsize 4096 set lock_timeout -1");
    return NULL;
}

/* The thread is for ThreadSanitizer: a session's own state has no lock. */
static void test_a_session_sees_how_another_ended_its_last_request(void **state)
{
    struct fixture f;
    struct client a, b;
    char sql[256], want[256];
    pthread_t thread;
    (void)state;
    fixture_open(&f);
    client_open(&f, &a);
    client_open(&f, &b);
    run(&b, "set lock_timeout 70 set datefirst 2\nbegin tran\nselect 1 union all select 2");
    snprintf(sql, sizeof sql,
             "select status, lock_timeout, date_first, row_count, open_transaction_count "
             "from sys.dm_exec_sessions where session_id in (%d, @@spid) order by lock_timeout",
             qr_session_id(b.session));
    snprintf(want, sizeof want,
             "COLS status nvarchar(30), lock_timeout int, date_first smallint, row_count bigint, "
             "open_transaction_count int\nROW running|-1|7|0|0\nROW sleeping|70|2|2|1\nDONE 2\n");
    expect(&a, sql, want);
    pthread_create(&thread, NULL, change_options, &b);
    for (int i = 0; i < 200; i++)
        run(&a, sql);
    pthread_join(thread, NULL);
    client_close(&a);
    client_close(&b);
    fixture_close(&f);
}

static void test_commits_and_log_writes_are_counted_in_the_storage_views(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    with_table(&f, &c);
    settle(&c);
    run(&c, "declare @n bigint = 0, @io bigint; select @n = waiting_tasks_count from "
            "sys.dm_os_wait_stats where wait_type = 'WRITELOG'; select @io = num_of_bytes_written "
            "from sys.dm_io_virtual_file_stats(db_id(), 2); create table #n (n bigint, io bigint) "
            "insert #n values (@n, @io)");
    run(&c, "insert t values (77, N'x')");
    settle(&c); /* no wait is counted if it was durable before anybody looked */
    expect(
        &c,
        "select case when s.waiting_tasks_count - n in (0, 1) then 1 end waited, "
        "case when f.num_of_bytes_written > io then 1 end wrote from #n, sys.dm_os_wait_stats s, "
        "sys.dm_io_virtual_file_stats(db_id(), 2) f where s.wait_type = 'WRITELOG'",
        "COLS waited int, wrote int\nROW 1|1\nDONE 1\n");
    expect(&c, "select file_id from sys.dm_io_virtual_file_stats(db_id(), null) order by 1",
           "COLS file_id smallint\nROW 1\nROW 2\nDONE 2\n");
    client_close(&c);
    fixture_close(&f);
}

static void test_attention_ends_a_running_select_and_keeps_the_transaction(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    with_table(&f, &c);
    expect(&c, "begin tran insert t values (3, N'x')", "ENV BEGIN\nDONE\nDONE 1\n");
    c.cancel = true;
    const char *got = run(&c, "select count(*) from generate_series(1, 100000) a cross join "
                              "generate_series(1, 100000) b");
    assert_non_null(strstr(got, "END CANCELLED"));
    c.cancel = false;
    expect(&c, "select @@trancount, count(*) from t", "COLS int, int\nROW 1|3\nDONE 1\n");
    expect(&c, "commit", "ENV COMMIT\nDONE\n");
    client_close(&c);
    fixture_close(&f);
}

static void test_attention_ends_a_loop(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    with_table(&f, &c);
    c.cancel = true;
    assert_non_null(strstr(run(&c, "while 1 = 1 set rowcount 0"), "END CANCELLED"));
    c.cancel = false;
    expect(&c, "select 1", "COLS int\nROW 1\nDONE 1\n");
    client_close(&c);
    fixture_close(&f);
}

static void test_reset_takes_options_temporary_tables_and_the_transaction(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    with_table(&f, &c);
    expect(&c, "set nocount on create table #x (a int) insert #x values (1) begin tran delete t",
           "DONE\nENV BEGIN\nDONE\n");
    assert_int_equal(qr_session_reset(c.session, false, client_sink(&c)), QR_OK);
    expect(&c, "select @@trancount, count(*) from t", "COLS int, int\nROW 0|2\nDONE 1\n");
    expect(&c, "select * from #x", "MSG 208 16 1 line 1: Invalid object name '#x'.\nDONE error\n");
    client_close(&c);
    fixture_close(&f);
}

static void test_everything_is_there_after_a_restart(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    with_table(&f, &c);
    expect(&c,
           "create table u (id int identity(10,5), v varchar(5) default 'd')\n"
           "insert u default values insert u default values\n"
           "create view w as select v, count(*) as n from u group by v",
           "MSG 111 15 1 line 3: 'CREATE VIEW' must be the first statement in a query batch.\n"
           "DONE error\n");
    expect(&c,
           "create table u (id int identity(10,5), v varchar(5) default 'd')\n"
           "insert u default values insert u default values",
           "DONE\nDONE 1\nDONE 1\n");
    expect(&c, "create view w as select v, count(*) as n from u group by v", "DONE\n");
    client_close(&c);
    fixture_reopen(&f);
    client_open(&f, &c);
    expect(&c, "select * from w insert u default values select * from u",
           "COLS v varchar(5), n int\nROW d|2\nDONE 1\nDONE 1\n"
           "COLS id int, v varchar(5)\nROW 10|d\nROW 15|d\nROW 20|d\nDONE 3\n");
    client_close(&c);
    fixture_close(&f);
}

static void test_bulk_load_fills_the_announced_columns(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    with_table(&f, &c);
    expect(&c, "insert bulk t (id int, v nvarchar(20)) with (tablock)", "");
    struct qr_plan_column columns[2] = {
        {.name = qr_str("id"), .type = qr_type_of(QR_TYPE_INT)},
        {.name = qr_str("v"), .type = qr_type_sized(QR_TYPE_NVARCHAR, 20)}};
    const struct qr_sink *sink = client_sink(&c);
    assert_int_equal(qr_session_bulk_begin(c.session, columns, 2, sink), QR_OK);
    for (int i = 10; i < 1010; i++) {
        struct qr_value row[2] = {qr_value_int(i), qr_value_text("bulk", 4)};
        assert_int_equal(qr_session_bulk_row(c.session, row), QR_OK);
    }
    assert_answer(&c, qr_session_bulk_end(c.session, false, sink), "DONE 1000\n");
    expect(&c, "select count(*), max(id) from t where v = 'bulk'",
           "COLS int, int\nROW 1000|1009\nDONE 1\n");
    expect(&c, "insert bulk t (id int)", "");
    sink = client_sink(&c);
    assert_int_equal(qr_session_bulk_begin(c.session, columns, 1, sink), QR_OK);
    struct qr_value twice = qr_value_int(10);
    assert_int_equal(qr_session_bulk_row(c.session, &twice), QR_OK);
    assert_int_equal(qr_session_bulk_end(c.session, false, sink), QR_OK);
    assert_non_null(strstr(qr_buf_cstr(&c.out), "MSG 2627"));
    client_close(&c);
    fixture_close(&f);
}

/* ---- many sessions at once ---- */

enum { THREADS = 4, ROUNDS = 200 };

struct worker {
    struct fixture *f;
    pthread_t thread;
    int number;
    bool failed;
};

static void *transfer(void *arg)
{
    struct worker *w = arg;
    struct client c;
    client_open(w->f, &c);
    for (int i = 0; i < ROUNDS && !w->failed; i++) {
        char sql[300];
        snprintf(sql, sizeof sql,
                 "begin tran update acct set b = b - 1 where id = %d update acct set b = b + 1 "
                 "where id = %d %s",
                 i % 10, (i + w->number) % 10, i % 7 == 3 ? "rollback" : "commit");
        w->failed = strstr(run(&c, sql), "MSG") != NULL;
        if (i % 5 == 0)
            w->failed |= strstr(run(&c, "select sum(b) from acct"), "ROW 1000\n") == NULL;
    }
    client_close(&c);
    return NULL;
}

static void test_the_sum_stays_while_many_sessions_transfer(void **state)
{
    struct fixture f;
    struct client c;
    struct worker workers[THREADS];
    (void)state;
    with_table(&f, &c);
    expect(&c,
           "set nocount on create table acct (id int not null primary key, b int not null)\n"
           "insert acct select value - 1, 100 from generate_series(1, 10)",
           "DONE\n");
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.f = &f, .number = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, transfer, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_false(workers[i].failed);
    }
    expect(&c, "select sum(b) from acct", "COLS int\nROW 1000\nDONE\n");
    client_close(&c);
    fixture_close(&f);
}

/* ---- application locks ---- */

static void *wait_for_applock(void *arg)
{
    struct client *c = arg;
    run(c, "declare @r int exec @r = sp_getapplock 'a', 'Shared', 'Session', 30000 select @r");
    return NULL;
}

static void test_an_application_lock_is_waited_for_until_its_session_gives_it_up(void **state)
{
    static const char *const try = "declare @r int\n"
                                   "exec @r = sp_getapplock 'a', 'Shared', 'Session', 20\n"
                                   "select @r";
    struct fixture f;
    struct client a, b;
    pthread_t thread;
    (void)state;
    fixture_open(&f);
    client_open(&f, &a);
    client_open(&f, &b);
    run(&a, "exec sp_getapplock 'a', 'Exclusive', 'Session'");
    run(&b, try);
    assert_non_null(strstr(qr_buf_cstr(&b.out), "ROW -1\n"));
    assert_int_equal(pthread_create(&thread, NULL, wait_for_applock, &b), 0);
    while (strcmp(run(&a, "select 1 where applock_test('public', 'a', 'Update', 'Session') = 1"),
                  "COLS int\nROW 1\nDONE 1\n") != 0)
        usleep(1000);
    run(&a, "exec sp_releaseapplock 'a', 'Session'");
    pthread_join(thread, NULL);
    assert_true(strstr(qr_buf_cstr(&b.out), "ROW 1\n") != NULL ||
                strstr(qr_buf_cstr(&b.out), "ROW 0\n") != NULL);
    run(&a, "begin tran declare @r int exec @r = sp_getapplock 'a', 'Exclusive', "
            "@LockTimeout = 0 select @r rollback");
    assert_non_null(strstr(qr_buf_cstr(&a.out), "ROW -1\n"));
    client_close(&b);
    run(&a, "begin tran declare @r int exec @r = sp_getapplock 'a', 'Exclusive', "
            "@LockTimeout = 0 select @r rollback");
    assert_non_null(strstr(qr_buf_cstr(&a.out), "ROW 0\n"));
    client_close(&a);
    fixture_close(&f);
}

static void *take_second(void *arg)
{
    run(arg, "declare @r int exec @r = sp_getapplock 'x', 'Exclusive' select @r rollback");
    return NULL;
}

static void test_of_two_application_locks_in_a_circle_one_is_given_up(void **state)
{
    struct fixture f;
    struct client a, b;
    pthread_t thread;
    (void)state;
    fixture_open(&f);
    client_open(&f, &a);
    client_open(&f, &b);
    run(&a, "begin tran exec sp_getapplock 'x', 'Exclusive'");
    run(&b, "begin tran exec sp_getapplock 'y', 'Exclusive'");
    assert_int_equal(pthread_create(&thread, NULL, take_second, &b), 0);
    run(&a, "declare @r int exec @r = sp_getapplock 'y', 'Exclusive' select @r rollback");
    pthread_join(thread, NULL);
    bool a_lost = strstr(qr_buf_cstr(&a.out), "ROW -3\n") != NULL;
    bool b_lost = strstr(qr_buf_cstr(&b.out), "ROW -3\n") != NULL;
    assert_true(a_lost != b_lost);
    assert_non_null(strstr(qr_buf_cstr(a_lost ? &b.out : &a.out), "ROW 1\n"));
    client_close(&a);
    client_close(&b);
    fixture_close(&f);
}

static void test_checkpoint_brings_the_data_file_up_to_the_newest_commit(void **state)
{
    struct fixture f;
    struct client c;
    struct qr_store_stats before, after;
    (void)state;
    with_table(&f, &c);
    qr_store_get_stats(c.store, &before);
    assert_true(before.checkpoint_lsn.v < before.durable_lsn.v);
    expect(&c, "checkpoint 5", "DONE\n");
    qr_store_get_stats(c.store, &after);
    assert_int_equal(after.checkpoints, before.checkpoints + 1);
    assert_int_equal(after.checkpoint_lsn.v, before.durable_lsn.v);
    client_close(&c);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_prepared_statement_runs_again_after_its_table_has_changed),
        cmocka_unit_test(test_a_shared_plan_is_not_used_for_another_table_of_the_same_name),
        cmocka_unit_test(test_a_temporary_procedure_is_its_sessions_own),
        cmocka_unit_test(test_reset_ends_cursors_by_procedure),
        cmocka_unit_test(test_output_parameters_come_back_after_the_status),
        cmocka_unit_test(test_a_reader_sees_only_what_is_committed),
        cmocka_unit_test(
            test_the_answer_of_a_statement_that_ran_at_the_head_waits_for_what_it_read),
        cmocka_unit_test(test_a_second_writer_gives_up_after_lock_timeout),
        cmocka_unit_test(test_a_session_that_ends_lets_the_writer_lock_go),
        cmocka_unit_test(test_a_session_sees_how_another_ended_its_last_request),
        cmocka_unit_test(test_attention_ends_a_running_select_and_keeps_the_transaction),
        cmocka_unit_test(test_attention_ends_a_loop),
        cmocka_unit_test(test_reset_takes_options_temporary_tables_and_the_transaction),
        cmocka_unit_test(test_everything_is_there_after_a_restart),
        cmocka_unit_test(test_checkpoint_brings_the_data_file_up_to_the_newest_commit),
        cmocka_unit_test(test_bulk_load_fills_the_announced_columns),
        cmocka_unit_test(test_commits_and_log_writes_are_counted_in_the_storage_views),
        cmocka_unit_test(test_the_sum_stays_while_many_sessions_transfer),
        cmocka_unit_test(test_an_application_lock_is_waited_for_until_its_session_gives_it_up),
        cmocka_unit_test(test_of_two_application_locks_in_a_circle_one_is_given_up),
    };
    return cmocka_run_group_tests_name("engine/session", tests, NULL, NULL);
}
