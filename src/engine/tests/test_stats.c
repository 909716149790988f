/* test_stats.c - what the plan cache tells of the statements that have run. */
#include "harness.h"
#include "two.h"
#include <stdlib.h>
#include <unistd.h>
#include "governor/task.h"

#define STATEMENT                                                                                  \
    "substring(x.text, s.statement_start_offset / 2 + 1, (case s.statement_end_offset when -1 "    \
    "then datalength(x.text) else s.statement_end_offset end - s.statement_start_offset) / 2 + 1)"

static void runs_of_a_statement_are_counted(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    fixture_open(&f);
    client_open(&f, &c);
    run(&c, "create table t(id int primary key, v int) insert t values (1,10),(2,20),(3,30)");
    run(&c, "/* \xc3\xa4 */ select v from t where id > 1; update t set v = v + 1 where id = 1");
    run(&c, "/* \xc3\xa4 */ select v from t where id > 1; update t set v = v + 1 where id = 1");
    run(&c, "select v from t  where id > 7");
    /* texts with one shape have one query_hash; rows are those that came or were changed */
    replies(&c,
            "select max(execution_count), sum(s.total_rows), min(min_rows), max(max_rows), "
            "sum(case when s.total_elapsed_time >= s.max_elapsed_time and s.last_execution_time >= "
            "s.creation_time then 0 else 1 end), count(*) from sys.dm_exec_query_stats s cross "
            "apply sys.dm_exec_sql_text(s.sql_handle) x where " STATEMENT
            " like 'select v from t%' group by query_hash",
            "ROW 2|4|0|2|0|2\nDONE 1\n");
    replies(&c,
            "select s.execution_count, s.total_rows, " STATEMENT
            " from sys.dm_exec_query_stats s cross apply sys.dm_exec_sql_text(s.sql_handle) x "
            "where x.text like '/* %' order by s.statement_start_offset",
            "ROW 2|4|select v from t where id > 1;\n"
            "ROW 2|2|update t set v = v + 1 where id = 1\nDONE 2\n");
    replies(&c,
            "select objtype, usecounts from sys.dm_exec_cached_plans p cross apply "
            "sys.dm_exec_sql_text(p.plan_handle) x where x.text like '/* %'",
            "ROW Adhoc|2\nDONE 1\n");
    client_close(&c);
    fixture_close(&f);
}

static void modules_are_counted_apart(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    fixture_open(&f);
    client_open(&f, &c);
    run(&c, "create table t(id int primary key, v int) insert t values (1,10),(2,20)");
    run(&c,
        "create procedure p as begin set nocount on; update t set v = v + 1; update t set v = v "
        "- 1 where id = 1 end");
    run(&c, "exec p");
    run(&c, "exec p");
    replies(&c,
            "select object_name(object_id), rtrim(type), execution_count from "
            "sys.dm_exec_procedure_stats",
            "ROW p|P|2\nDONE 1\n");
    replies(&c,
            "select " STATEMENT ", s.execution_count, s.total_rows, object_name(x.objectid) from "
            "sys.dm_exec_query_stats s cross apply sys.dm_exec_sql_text(s.sql_handle) x where "
            "x.objectid = object_id('p') order by s.statement_start_offset",
            "ROW update t set v = v + 1;|2|4|p\nROW update t set v = v - 1 where id = 1 |2|2|p\n"
            "DONE 2\n");
    client_close(&c);
    fixture_close(&f);
}

static void a_plan_names_tables_and_indexes(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    fixture_open(&f);
    client_open(&f, &c);
    run(&c, "create table t(id int primary key, v int, w int) create index by_v on t(v)");
    run(&c, "select w from t where v = 1 order by w");
    const char *plan =
        run(&c, "select p.query_plan from sys.dm_exec_query_stats s cross apply "
                "sys.dm_exec_sql_text(s.sql_handle) x cross apply "
                "sys.dm_exec_query_plan(s.plan_handle) p where x.text like 'select w from t%'");
    assert_non_null(strstr(plan, "PhysicalOp=\"Index Seek\""));
    assert_non_null(strstr(plan, "Table=\"t\" Index=\"by_v\""));
    assert_non_null(strstr(plan, "PhysicalOp=\"Sort\""));
    replies(&c, "select count(*) from sys.dm_exec_query_plan(0x06)", "ROW 0\nDONE 1\n");
    assert_non_null(strstr(run(&c, "select * from sys.dm_exec_query_plan()"), "MSG 313"));
    client_close(&c);
    fixture_close(&f);
}

static void what_runs_is_seen_with_its_text(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    two_open(&t, "create table t(id int primary key, v int) insert t values (1,10)");
    replies(&t.a,
            "select command, x.text from sys.dm_exec_requests r cross apply "
            "sys.dm_exec_sql_text(r.sql_handle) x",
            "ROW SELECT|select command, x.text from sys.dm_exec_requests r cross apply "
            "sys.dm_exec_sql_text(r.sql_handle) x\nDONE 1\n");
    replies(&t.a, "begin tran update t set v = 0", "ENV BEGIN\nDONE\nDONE 1\n");
    later_start(&l, &t.b, "select 1; delete t where id = 1");
    replies(&t.a,
            "select s.session_id, command, " STATEMENT
            ", b.event_info from sys.dm_exec_requests s cross apply "
            "sys.dm_exec_sql_text(s.sql_handle) x cross apply "
            "sys.dm_exec_input_buffer(s.session_id, 0) b where s.session_id = 52",
            "ROW 52|DELETE|delete t where id = 1|select 1; delete t where id = 1\nDONE 1\n");
    replies(&t.a, "commit", "ENV COMMIT\nDONE\n");
    later_end(&l, "COLS int\nROW 1\nDONE 1\nDONE 1\n");
    replies(&t.a,
            "select b.event_type, b.event_info from sys.dm_exec_connections c cross apply "
            "sys.dm_exec_input_buffer(c.session_id, null) b cross apply "
            "sys.dm_exec_sql_text(c.most_recent_sql_handle) x where session_id = 52 and x.text = "
            "b.event_info",
            "ROW Language Event|select 1; delete t where id = 1\nDONE 1\n");
    two_close(&t);
}

static void statistics_go_when_their_plan_goes(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    fixture_open(&f);
    client_open(&f, &c);
    run(&c, "create table t(id int primary key) insert t values (1)");
    run(&c, "select id as keep from t");
    replies(&c,
            "select count(*) from sys.dm_exec_query_stats s cross apply "
            "sys.dm_exec_sql_text(s.sql_handle) x where x.text = 'select id as keep from t'",
            "ROW 1\nDONE 1\n");
    for (int i = 0; i < 20000; i++) { /* more than the cache holds */
        char sql[64];
        (void)snprintf(sql, sizeof sql, "select id from t where id = %d", i);
        run(&c, sql);
    }
    replies(&c,
            "select count(*) from sys.dm_exec_query_stats s cross apply "
            "sys.dm_exec_sql_text(s.sql_handle) x where x.text = 'select id as keep from t'",
            "ROW 0\nDONE 1\n");
    client_close(&c);
    fixture_close(&f);
}

static void *run_on(void *arg)
{
    for (int i = 0; i < 100; i++)
        replies(arg, "select count(*) as n from t", "ROW 1\nDONE 1\n");
    return NULL;
}

/* What it looks at is being counted meanwhile. */
static void texts_are_looked_at_beside_those_that_run_them(void **state)
{
    (void)state;
    struct two t;
    pthread_t thread;
    two_open(&t, "create table t(id int primary key) insert t values (1)");
    assert_int_equal(pthread_create(&thread, NULL, run_on, &t.a), 0);
    for (int i = 0; i < 50; i++)
        replies(&t.b,
                "select iif(count(*) >= 1, 1, 0) from sys.dm_exec_requests r "
                "cross apply sys.dm_exec_sql_text(r.sql_handle) x where r.session_id = @@spid",
                "ROW 1\nDONE 1\n");
    pthread_join(thread, NULL);
    two_close(&t);
}

/* Writers that are faster than checkpoints. */
static void test_writers_wait_for_a_log_that_is_too_long(void **state)
{
    struct fixture f;
    struct client c;
    struct qr_store *store = NULL;
    struct qr_governor *gov = NULL;
    struct qr_gov_task task;
    struct qr_gov_options governed = {.env = qr_env_real()};
    struct qr_store_options options = {.sync_off = true, .log_bytes_max = 64 << 10};
    char dir[64], path[80];
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/quire-stats-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/db", dir);
    assert_int_equal(qr_store_create(path, &options, &store, NULL), QR_OK);
    assert_int_equal(qr_governor_new(&governed, &gov, NULL), QR_OK);
    fixture_open_on(&f, store);
    client_open(&f, &c);
    qr_gov_task_init(&task, qr_gov_internal_group(gov, QR_GOV_SYSTEM), NULL, NULL, false);
    qr_gov_enter(&task);
    (void)run(&c, "create table t(a int identity primary key, b varchar(8000))");
    const struct qr_wait_stat *waits = &task.waits.of[QR_WAIT_HADR_THROTTLE_LOG_RATE_LOG_SIZE];
    for (int i = 0; i < 2000 && atomic_load(&waits->count) == 0; i++)
        (void)run(&c, "insert t select replicate('x', 8000) from generate_series(1, 20)");
    assert_int_not_equal(atomic_load(&waits->count), 0);
    assert_true(qr_wait_info(QR_WAIT_HADR_THROTTLE_LOG_RATE_LOG_SIZE)->governs_log_rate);
    qr_gov_leave(&task);
    qr_gov_task_done(&task);
    client_close(&c);
    fixture_close(&f);
    qr_governor_free(gov);
    assert_int_equal(qr_store_remove(qr_env_real(), path, NULL), QR_OK);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writers_wait_for_a_log_that_is_too_long),
        cmocka_unit_test(runs_of_a_statement_are_counted),
        cmocka_unit_test(modules_are_counted_apart),
        cmocka_unit_test(a_plan_names_tables_and_indexes),
        cmocka_unit_test(what_runs_is_seen_with_its_text),
        cmocka_unit_test(statistics_go_when_their_plan_goes),
        cmocka_unit_test(texts_are_looked_at_beside_those_that_run_them),
    };
    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
