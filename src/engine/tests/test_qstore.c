/* test_qstore.c - Query Store: what is kept of statements, and for how long. */
#include "harness.h"
#include "two.h"

static void open_all(struct fixture *f, struct client *c)
{
    fixture_open(f);
    client_open(f, c);
    replies(c, "alter database current set query_store = on (query_capture_mode = all)", "DONE\n");
    run(c, "create table t(id int primary key, v int) insert t values (1,10),(2,20),(3,30)");
}

static void close_all(struct fixture *f, struct client *c)
{
    client_close(c);
    fixture_close(f);
}

static void flush(struct fixture *f)
{
    struct qr_err err = {0};
    if (qr_database_flush_statistics(f->db, &err) != QR_OK)
        fail_msg("%s", err.text);
}

#define RUNS_OF(like)                                                                              \
    "select sum(s.count_executions), max(s.max_rowcount), min(s.min_rowcount), "                   \
    "sum(s.avg_rowcount * s.count_executions), count(distinct p.plan_id), count(distinct "         \
    "q.query_id) from sys.query_store_query_text t join sys.query_store_query q on "               \
    "q.query_text_id = t.query_text_id join sys.query_store_plan p on p.query_id = q.query_id "    \
    "join sys.query_store_runtime_stats s on s.plan_id = p.plan_id where t.query_sql_text "        \
    "like " like " and s.execution_type = 0"

static void runs_are_kept_with_their_text_and_plan(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    open_all(&f, &c);
    run(&c, "select v from t where id > 1");
    run(&c, "select v from t where id > 1");
    replies(&c, RUNS_OF("'select v from t%'"), "ROW 2|2|2|4|1|1\nDONE 1\n");
    flush(&f);
    replies(&c, RUNS_OF("'select v from t%'"), "ROW 2|2|2|4|1|1\nDONE 1\n");
    run(&c, "select v from t where id > 1");
    replies(&c, RUNS_OF("'select v from t%'"), "ROW 3|2|2|6|1|1\nDONE 1\n");
    flush(&f);
    flush(&f);
    replies(&c, RUNS_OF("'select v from t%'"), "ROW 3|2|2|6|1|1\nDONE 1\n");
    replies(&c,
            "select q.query_parameterization_type_desc, q.object_id, iif(p.query_plan like "
            "'%Table=\"t\"%', 1, 0), iif(i.start_time <= s.first_execution_time and i.end_time > "
            "s.last_execution_time, 1, 0), datediff(minute, i.start_time, i.end_time), "
            "c.date_first from sys.query_store_query_text t join sys.query_store_query q on "
            "q.query_text_id = t.query_text_id join sys.query_store_plan p on p.query_id = "
            "q.query_id join sys.query_store_runtime_stats s on s.plan_id = p.plan_id join "
            "sys.query_store_runtime_stats_interval i on i.runtime_stats_interval_id = "
            "s.runtime_stats_interval_id join sys.query_context_settings c on "
            "c.context_settings_id = q.context_settings_id where t.query_sql_text like 'select v "
            "from t%'",
            "ROW None|0|1|1|60|7\nDONE 1\n");
    close_all(&f, &c);
}

static void what_was_written_is_there_after_the_database_was_closed(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    open_all(&f, &c);
    run(&c, "create procedure p @a int as select v from t where id = @a");
    run(&c, "exec p 1 exec p 2");
    run(&c, "exec sp_executesql N'select id from t where v > @x', N'@x int', 5");
    run(&c, "begin try select 1/v - v/0 from t end try begin catch end catch");
    client_close(&c);
    fixture_reopen(&f); /* closing writes */
    client_open(&f, &c);
    replies(&c, RUNS_OF("'select v from t where id = @a%'"), "ROW 2|1|1|2|1|1\nDONE 1\n");
    replies(&c,
            "select t.query_sql_text, q.query_parameterization_type_desc from "
            "sys.query_store_query_text t join sys.query_store_query q on q.query_text_id = "
            "t.query_text_id where t.query_sql_text like '%select id%'",
            "ROW (@x int)select id from t where v > @x|User\nDONE 1\n");
    replies(&c,
            "select object_name(q.object_id) from sys.query_store_query q where q.object_id <> 0",
            "ROW p\nDONE 1\n");
    replies(&c,
            "select execution_type, execution_type_desc, count_executions from "
            "sys.query_store_runtime_stats where execution_type <> 0",
            "ROW 4|Exception|1\nDONE 1\n");
    /* ids go on where they ended */
    run(&c, "exec p 3");
    run(&c, "select count(*) from t where v = 77");
    replies(&c, RUNS_OF("'select v from t where id = @a%'"), "ROW 3|1|1|3|1|1\nDONE 1\n");
    flush(&f);
    replies(&c,
            "select count(*) - count(distinct query_id) from sys.query_store_query union all "
            "select count(*) - count(distinct plan_id) from sys.query_store_plan union all select "
            "count(*) - count(distinct query_text_id) from sys.query_store_query_text union all "
            "select count(*) - count(distinct context_settings_id) from sys.query_context_settings",
            "ROW 0\nROW 0\nROW 0\nROW 0\nDONE 4\n");
    close_all(&f, &c);
}

static void another_index_makes_another_plan(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    open_all(&f, &c);
    run(&c, "select id from t where v = 10");
    run(&c, "create table other(id int)"); /* the same plan again */
    run(&c, "select id from t where v = 10");
    replies(&c, RUNS_OF("'select id from t%'"), "ROW 2|1|1|2|1|1\nDONE 1\n");
    flush(&f);
    run(&c, "create index by_v on t(v)");
    run(&c, "select id from t where v = 10");
    replies(&c, RUNS_OF("'select id from t%'"), "ROW 3|1|1|3|2|1\nDONE 1\n");
    replies(&c,
            "select iif(p.query_plan like '%Index=\"by_v\"%', 'seek', 'scan') from "
            "sys.query_store_plan p join sys.query_store_query q on q.query_id = p.query_id join "
            "sys.query_store_query_text t on t.query_text_id = q.query_text_id where "
            "t.query_sql_text like 'select id from t%' order by 1",
            "ROW scan\nROW seek\nDONE 2\n");
    close_all(&f, &c);
}

static void auto_keeps_what_runs_often(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    fixture_open(&f);
    client_open(&f, &c);
    replies(&c,
            "select actual_state_desc, query_capture_mode_desc, interval_length_minutes, "
            "flush_interval_seconds, stale_query_threshold_days, size_based_cleanup_mode_desc, "
            "wait_stats_capture_mode_desc, readonly_reason from sys.database_query_store_options",
            "ROW READ_WRITE|AUTO|60|900|30|AUTO|ON|0\nDONE 1\n");
    run(&c, "create table t(id int primary key, v int) insert t values (1,10)");
    for (int i = 0; i < 29; i++)
        run(&c, "select v from t where id = 1");
    flush(&f);
    replies(&c, "select count(*) from sys.query_store_query", "ROW 0\nDONE 1\n");
    run(&c, "select v from t where id = 1");
    replies(&c, RUNS_OF("'select v from t%'"), "ROW 30|1|1|30|1|1\nDONE 1\n");
    replies(&c, "select count(*) from sys.query_store_query", "ROW 1\nDONE 1\n");
    /* what is kept goes on being kept, however seldom it runs */
    for (int i = 0; i < 3; i++) {
        flush(&f);
        run(&c, "select v from t where id = 1");
    }
    replies(&c, RUNS_OF("'select v from t%'"), "ROW 33|1|1|33|1|1\nDONE 1\n");
    client_close(&c);
    fixture_reopen(&f);
    client_open(&f, &c);
    run(&c, "select v from t where id = 1");
    replies(&c, RUNS_OF("'select v from t%'"), "ROW 34|1|1|34|1|1\nDONE 1\n");
    close_all(&f, &c);
}

static void nothing_new_writes_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    open_all(&f, &c);
    run(&c, "select v from t");
    flush(&f);
    uint64_t head = qr_store_head_lsn(qr_database_store(f.db)).v;
    flush(&f);
    flush(&f);
    assert_int_equal(qr_store_head_lsn(qr_database_store(f.db)).v, head);
    close_all(&f, &c);
}

static void it_is_turned_off_cleared_and_refuses_what_it_has_not(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    open_all(&f, &c);
    run(&c, "select v from t");
    flush(&f);
    replies(&c,
            "alter database testdb set query_store (interval_length_minutes = 5, "
            "cleanup_policy = (stale_query_threshold_days = 7), max_storage_size_mb = 50)",
            "DONE\n");
    replies(&c,
            "select interval_length_minutes, stale_query_threshold_days, max_storage_size_mb, "
            "query_capture_mode_desc from sys.database_query_store_options",
            "ROW 5|7|50|ALL\nDONE 1\n");
    assert_non_null(strstr(run(&c, "alter database current set query_store "
                                   "(interval_length_minutes = 7)"),
                           "is not a valid option of QUERY_STORE"));
    assert_non_null(strstr(run(&c, "alter database current set query_store (colour = 7)"),
                           "is not a valid option of QUERY_STORE"));
    assert_non_null(strstr(run(&c, "exec sp_query_store_force_plan 1, 1"), "not supported"));
    assert_non_null(strstr(run(&c, "exec sp_query_store_remove_query 4711"), "MSG 12402"));
    replies(&c, "alter database current set query_store = off", "DONE\n");
    run(&c, "select v + 1 from t");
    replies(&c, "select actual_state_desc from sys.database_query_store_options",
            "ROW OFF\nDONE 1\n");
    replies(&c,
            "select count(*) from sys.query_store_query_text where query_sql_text like 'select "
            "v + 1%'",
            "ROW 0\nDONE 1\n");
    replies(&c, RUNS_OF("'select v from t%'"), "ROW 1|3|3|3|1|1\nDONE 1\n");
    replies(&c, "alter database current set query_store clear", "DONE\n");
    replies(&c, "select count(*) from sys.query_store_query", "ROW 0\nDONE 1\n");
    client_close(&c);
    fixture_reopen(&f);
    client_open(&f, &c);
    replies(&c,
            "select actual_state_desc, max_storage_size_mb from sys.database_query_store_options",
            "ROW OFF|50\nDONE 1\n");
    close_all(&f, &c);
}

static void queries_plans_and_runs_are_removed(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    open_all(&f, &c);
    run(&c, "select v from t where id = 1");
    run(&c, "select id from t where v = 10");
    run(&c, "declare @q bigint = (select q.query_id from sys.query_store_query q join "
            "sys.query_store_query_text t on t.query_text_id = q.query_text_id where "
            "t.query_sql_text like 'select v from t%') exec sp_query_store_remove_query @q");
    replies(&c, RUNS_OF("'select v from t%'"), "ROW NULL|NULL|NULL|NULL|0|0\nDONE 1\n");
    replies(&c, RUNS_OF("'select id from t%'"), "ROW 1|1|1|1|1|1\nDONE 1\n");
    run(&c, "declare @p bigint = (select p.plan_id from sys.query_store_plan p join "
            "sys.query_store_query q on q.query_id = p.query_id join sys.query_store_query_text t "
            "on t.query_text_id = q.query_text_id where t.query_sql_text like 'select id from "
            "t%') exec sp_query_store_reset_exec_stats @p");
    replies(&c, RUNS_OF("'select id from t%'"), "ROW NULL|NULL|NULL|NULL|0|0\nDONE 1\n");
    run(&c, "select v from t where id = 1");
    run(&c, "select id from t where v = 10");
    replies(&c, RUNS_OF("'select v from t%'"), "ROW 1|1|1|1|1|1\nDONE 1\n");
    replies(&c, RUNS_OF("'select id from t%'"), "ROW 1|1|1|1|1|1\nDONE 1\n");
    replies(&c, "exec sp_query_store_flush_db", "");
    close_all(&f, &c);
}

#define STATE                                                                                      \
    "select actual_state_desc, readonly_reason, size_based_cleanup_mode_desc, "                    \
    "max_storage_size_mb from sys.database_query_store_options"
#define COUNT_OF(like)                                                                             \
    "select iif(count(*) > 0, 1, 0) from sys.query_store_query_text where query_sql_text "         \
    "like " like

static void run_many(struct client *c, int from, int to)
{
    char sql[1200], filler[1001];
    memset(filler, 'x', sizeof filler - 1);
    filler[sizeof filler - 1] = '\0';
    for (int i = from; i < to; i++) {
        snprintf(sql, sizeof sql, "select v from t where id = %d and '%s' <> ''", i, filler);
        run(c, sql);
    }
}

static void a_full_store_is_read_only_until_there_is_room(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    open_all(&f, &c);
    replies(&c,
            "alter database current set query_store (max_storage_size_mb = 1, "
            "size_based_cleanup_mode = off)",
            "DONE\n");
    run_many(&c, 1000, 1600);
    flush(&f);
    replies(&c, STATE, "ROW READ_ONLY|65536|OFF|1\nDONE 1\n");
    run(&c, "select v + 7 from t");
    flush(&f);
    flush(&f);
    client_close(&c);
    fixture_reopen(&f); /* what was not written is gone, and nothing goes by itself */
    client_open(&f, &c);
    replies(&c, STATE, "ROW READ_ONLY|65536|OFF|1\nDONE 1\n");
    replies(&c, COUNT_OF("'select v + 7%'"), "ROW 0\nDONE 1\n");
    replies(&c, COUNT_OF("'select v from t where id = 1000 %'"), "ROW 1\nDONE 1\n");
    replies(&c, "alter database current set query_store (size_based_cleanup_mode = auto)",
            "DONE\n");
    run(&c, "select v + 8 from t");
    flush(&f); /* the half that ran first goes */
    replies(&c, COUNT_OF("'select v from t where id = 1000 %'"), "ROW 0\nDONE 1\n");
    flush(&f);
    replies(&c, STATE, "ROW READ_WRITE|0|AUTO|1\nDONE 1\n");
    replies(&c, COUNT_OF("'select v + 8%'"), "ROW 1\nDONE 1\n");
    client_close(&c);
    fixture_reopen(&f);
    client_open(&f, &c);
    replies(&c, COUNT_OF("'select v + 8%'"), "ROW 1\nDONE 1\n");
    replies(&c, /* every query has its text, every plan its query, all runs their plan */
            "select (select count(*) from sys.query_store_query where query_text_id not in (select "
            "query_text_id from sys.query_store_query_text)) + (select count(*) from "
            "sys.query_store_plan where query_id not in (select query_id from "
            "sys.query_store_query)) + (select count(*) from sys.query_store_runtime_stats where "
            "plan_id not in (select plan_id from sys.query_store_plan))",
            "ROW 0\nDONE 1\n");
    close_all(&f, &c);
}

static void what_runs_again_after_a_cleaning_is_whole(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    open_all(&f, &c);
    replies(&c, "alter database current set query_store (max_storage_size_mb = 1)", "DONE\n");
    for (int round = 0; round < 6; round++) { /* the same queries, in and out of the store */
        run_many(&c, 1000, 1300);
        flush(&f);
        run_many(&c, 2000 + 300 * round, 2300 + 300 * round);
        flush(&f);
    }
    replies(&c,
            "select iif(count(*) > 100, 1, 0), sum(iif(t.query_text_id is null, 1, 0)), "
            "sum(iif(p.plan_id is null, 1, 0)) from sys.query_store_query q left join "
            "sys.query_store_query_text t on t.query_text_id = q.query_text_id left join "
            "sys.query_store_plan p on p.query_id = q.query_id",
            "ROW 1|0|0\nDONE 1\n");
    close_all(&f, &c);
}

static void more_plans_than_a_query_may_have_are_not_kept(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    open_all(&f, &c);
    replies(&c, "alter database current set query_store (max_plans_per_query = 2)", "DONE\n");
    run(&c, "select id from t where v = 10");
    run(&c, "create index by_v on t(v)");
    run(&c, "select id from t where v = 10");
    flush(&f);
    run(&c, "create index by_v_too on t(v, id) drop index by_v on t");
    run(&c, "select id from t where v = 10");
    replies(&c, RUNS_OF("'select id from t%'"), "ROW 2|1|1|2|2|1\nDONE 1\n");
    flush(&f);
    replies(&c, RUNS_OF("'select id from t%'"), "ROW 2|1|1|2|2|1\nDONE 1\n");
    run(&c, "drop index by_v_too on t"); /* a plan that is there goes on */
    run(&c, "select id from t where v = 10");
    replies(&c, RUNS_OF("'select id from t%'"), "ROW 3|1|1|3|2|1\nDONE 1\n");
    replies(&c, "alter database current set query_store (max_plans_per_query = 0)", "DONE\n");
    run(&c, "create index pad on t(id) create index by_v_too on t(v)"); /* of another number */
    run(&c, "select id from t where v = 10");
    replies(&c, RUNS_OF("'select id from t%'"), "ROW 4|1|1|4|3|1\nDONE 1\n");
    close_all(&f, &c);
}

/* Of the plans in memory, of those on disk and of both: what they took, their sum, and how many. */
static void making_plans_is_measured(void **state)
{
    (void)state;
    static const char makes[] =
        "select iif(q.avg_bind_duration > 0 and q.avg_optimize_duration > 0 and "
        "abs(q.avg_compile_duration - q.avg_bind_duration - q.avg_optimize_duration) < 0.01, 1, 0),"
        " iif(q.avg_bind_cpu_time between 0 and q.avg_bind_duration and q.avg_optimize_cpu_time "
        "between 0 and q.avg_optimize_duration, 1, 0), iif(q.last_compile_memory_kb > 0 and "
        "q.max_compile_memory_kb >= q.last_compile_memory_kb, 1, 0), q.count_compiles, (select "
        "count(p.avg_compile_duration) from sys.query_store_plan p where p.query_id = q.query_id) "
        "from sys.query_store_query_text t join sys.query_store_query q on q.query_text_id = "
        "t.query_text_id where t.query_sql_text like 'select id from t%'";
    struct fixture f;
    struct client c;
    open_all(&f, &c);
    run(&c, "select id from t where v = 10");
    run(&c, "select id from t where v = 10"); /* nothing is made */
    replies(&c, makes, "ROW 1|1|1|1|1\nDONE 1\n");
    flush(&f);
    replies(&c, makes, "ROW 1|1|1|1|1\nDONE 1\n");
    run(&c, "create index by_v on t(v)");
    run(&c, "select id from t where v = 10");
    flush(&f);
    replies(&c, makes, "ROW 1|1|1|2|2\nDONE 1\n");
    client_close(&c);
    fixture_reopen(&f);
    client_open(&f, &c);
    replies(&c, makes, "ROW 1|1|1|2|2\nDONE 1\n");
    run(&c, "alter database current set query_store clear");
    replies(&c, makes, "DONE 0\n");
    close_all(&f, &c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_are_kept_with_their_text_and_plan),
        cmocka_unit_test(what_was_written_is_there_after_the_database_was_closed),
        cmocka_unit_test(another_index_makes_another_plan),
        cmocka_unit_test(auto_keeps_what_runs_often),
        cmocka_unit_test(nothing_new_writes_nothing),
        cmocka_unit_test(it_is_turned_off_cleared_and_refuses_what_it_has_not),
        cmocka_unit_test(queries_plans_and_runs_are_removed),
        cmocka_unit_test(a_full_store_is_read_only_until_there_is_room),
        cmocka_unit_test(what_runs_again_after_a_cleaning_is_whole),
        cmocka_unit_test(more_plans_than_a_query_may_have_are_not_kept),
        cmocka_unit_test(making_plans_is_measured),
    };
    return cmocka_run_group_tests_name("engine/qstore", tests, NULL, NULL);
}
