/* test_scoped.c - settings of one database: set, shown, kept; and the plan cache, which they and
 * CLEAR PROCEDURE_CACHE empty. */
#include "two.h"

#define SET "alter database scoped configuration set "
#define SECONDARY "alter database scoped configuration for secondary set "
#define CLEAR "alter database scoped configuration clear procedure_cache"
#define SHOWN(name)                                                                                \
    "select cast(value as varchar(30)), cast(value_for_secondary as varchar(30)), "                \
    "is_value_default from sys.database_scoped_configurations where name = '" name "'"
/* How many plans of one text are there. */
#define PLANS(text)                                                                                \
    "select count(*) from sys.dm_exec_cached_plans p cross apply "                                 \
    "sys.dm_exec_sql_text(p.plan_handle) t where t.text = '" text "'"

static void test_what_is_set_is_shown_by_all_kinds_of_values(void **state)
{
    static const struct {
        const char *sql, *name_and_row;
    } cases[] = {
        {"select 1", SHOWN("maxdop") "|ROW 8|NULL|1\n"},
        {SET "maxdop = 4", SHOWN("maxdop") "|ROW 4|NULL|0\n"},
        {SECONDARY "maxdop = 2", SHOWN("maxdop") "|ROW 4|2|0\n"},
        {SET "MAXDOP = 8", SHOWN("maxdop") "|ROW 8|2|1\n"},
        {SECONDARY "maxdop = primary", SHOWN("maxdop") "|ROW 8|NULL|1\n"},
        {SET "legacy_cardinality_estimation = on",
         SHOWN("LEGACY_CARDINALITY_ESTIMATION") "|ROW 1|NULL|0\n"},
        {SET "elevate_online = off", SHOWN("ELEVATE_ONLINE") "|ROW OFF|NULL|1\n"},
        {SET "paused_resumable_index_abort_duration_minutes = 60",
         SHOWN("PAUSED_RESUMABLE_INDEX_ABORT_DURATION_MINUTES") "|ROW 60|NULL|0\n"},
        {SET "identity_cache = on", SHOWN("IDENTITY_CACHE") "|ROW 1|NULL|1\n"},
    };
    struct fixture f;
    struct client c;
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char look[600], want[100];
        const char *row = strchr(cases[i].name_and_row, '|') + 1;
        if (strstr(run(&c, cases[i].sql), "MSG ") != NULL)
            fail_msg("%s", cases[i].sql);
        snprintf(look, sizeof look, "%.*s", (int)(row - 1 - cases[i].name_and_row),
                 cases[i].name_and_row);
        snprintf(want, sizeof want, "%sDONE 1\n", row);
        answers(&c, look, want);
    }
    answers(&c, "select count(*) from sys.extended_properties", "ROW 0\nDONE 1\n");
    client_close(&c);
    fixture_close(&f);
}

static void test_what_cannot_be_is_refused_and_changes_nothing(void **state)
{
    static const struct {
        const char *sql, *want;
    } cases[] = {
        {SET "no_such = on", "MSG 102 15 1 line 1: Incorrect syntax near 'NO_SUCH'."},
        {SET "maxdop = on", "MSG 102 15 1 line 1: Incorrect syntax near 'ON'."},
        {SET "parameter_sniffing = 1", "MSG 102 15 1 line 1: Incorrect syntax near '1'."},
        {SET "parameter_sniffing = maybe", "MSG 102 15 1 line 1: Incorrect syntax near 'MAYBE'."},
        {SET "maxdop = -1", "MSG 12108 16 1 line 1: '-1' is out of range for the database scoped "
                            "configuration option 'MAXDOP'."},
        {SET "maxdop = 99999999999999999999", "MSG 102 "},
        {SET "maxdop = primary", "MSG 12109 16 1 line 1: Statement 'ALTER DATABASE SCOPED "
                                 "CONFIGURATION' failed, because it attempted to set the value to "
                                 "'PRIMARY' for the primary replica."},
        {SECONDARY "identity_cache = on", "MSG 12110 16 1 line 1: Statement 'ALTER DATABASE SCOPED "
                                          "CONFIGURATION' failed, because it attempted to set the "
                                          "'IDENTITY_CACHE' option"},
        {SET "paused_resumable_index_abort_duration_minutes = 71583", "MSG 12121 15 1 line 1: "},
        {SET "identity_cache = off", "IDENTITY_CACHE = OFF is not supported"},
        {SET "elevate_online = when_supported", "ELEVATE_ONLINE = WHEN_SUPPORTED is not supported"},
        {SET "verbose_truncation_warnings = off", "is not supported"},
        {CLEAR " 0x0102", "MSG 12117 16 1 line 1: Cannot free the plan"},
        {"alter database scoped configuration clear no_cache", "MSG 102 "},
    };
    struct fixture f;
    struct client c;
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (strstr(run(&c, cases[i].sql), cases[i].want) == NULL)
            fail_msg("\"%s\" gave\n%s", cases[i].sql, run(&c, cases[i].sql));
    answers(&c,
            "select count(*) from sys.database_scoped_configurations where is_value_default = 0 or "
            "value_for_secondary is not null",
            "ROW 0\nDONE 1\n");
    client_close(&c);
    fixture_close(&f);
}

static void test_it_goes_with_its_transaction_and_is_kept_on_disk(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    (void)run(&c, "exec sp_addextendedproperty 'maxdop', 'mine'");
    (void)run(&c, "begin tran " SET "maxdop = 3 rollback");
    answers(&c, SHOWN("MAXDOP"), "ROW 8|NULL|1\nDONE 1\n");
    (void)run(&c, SET "maxdop = 5");
    settle(&c);
    client_close(&c);
    fixture_reopen(&f);
    client_open(&f, &c);
    answers(&c, SHOWN("MAXDOP"), "ROW 5|NULL|0\nDONE 1\n");
    answers(&c, "select cast(value as varchar(9)) from sys.extended_properties",
            "ROW mine\nDONE 1\n");
    client_close(&c);
    fixture_close(&f);
}

static void test_plans_go_with_the_cache_or_alone(void **state)
{
    static const char *const clears[] = {CLEAR, SET "parameter_sniffing = off",
                                         "dbcc freeproccache"};
    struct two t;
    (void)state;
    two_open(&t, "create table t(a int)");
    for (size_t i = 0; i < sizeof clears / sizeof clears[0]; i++) {
        (void)run(&t.a, "select a from t");
        answers(&t.b, PLANS("select a from t"), "ROW 1\nDONE 1\n");
        assert_null(strstr(run(&t.b, clears[i]), "MSG "));
        answers(&t.b, PLANS("select a from t"), "ROW 0\nDONE 1\n");
    }
    (void)run(&t.a, "select a from t");
    (void)run(&t.a, "select a + 1 from t");
    assert_null(strstr(run(&t.b, "declare @s nvarchar(400) = concat('" CLEAR " ', (select top 1 "
                                 "convert(varchar(200), plan_handle, 1) from "
                                 "sys.dm_exec_cached_plans p cross apply "
                                 "sys.dm_exec_sql_text(p.plan_handle) t "
                                 "where t.text = 'select a from t')) exec(@s)"),
                       "MSG "));
    answers(&t.b, PLANS("select a from t"), "ROW 0\nDONE 1\n");
    answers(&t.b, PLANS("select a + 1 from t"), "ROW 1\nDONE 1\n");
    two_close(&t);
}

/* A batch that runs is known by its text; its plan is in the cache when it has come back. */
static void test_a_plan_that_only_runs_is_not_in_the_cache(void **state)
{
    static const char statement[] = "update t set v = v + 1 where id = 1";
    struct two t;
    struct later l;
    (void)state;
    two_open(&t, "create table t(id int primary key, v int) insert t values (1, 0)");
    for (int i = 0; i < 2; i++) {
        bool was_cleared = i == 1;
        (void)run(&t.b, "begin tran update t set v = v + 10");
        later_start(&l, &t.a, statement);
        answers(&t.b, PLANS("update t set v = v + 1 where id = 1"),
                i == 0 ? "ROW 0\nDONE 1\n" : "ROW 1\nDONE 1\n");
        if (was_cleared)
            assert_null(strstr(run(&t.b, CLEAR), "MSG "));
        answers(&t.b, PLANS("update t set v = v + 1 where id = 1"), "ROW 0\nDONE 1\n");
        assert_non_null(
            strstr(run(&t.b, "declare @s nvarchar(400) = concat('" CLEAR " ', (select "
                             "convert(varchar(200), r.plan_handle, 1) from sys.dm_exec_requests r "
                             "cross apply sys.dm_exec_sql_text(r.sql_handle) x "
                             "where x.text = 'update t set v = v + 1 where id = 1')) exec(@s)"),
                   "MSG 12117 "));
        (void)run(&t.b, "commit");
        later_end(&l, "DONE 1\n");
        answers(&t.b, PLANS("update t set v = v + 1 where id = 1"),
                was_cleared ? "ROW 0\nDONE 1\n" : "ROW 1\nDONE 1\n");
    }
    two_close(&t);
}

static void test_optimized_for_ad_hoc_work_only_the_second_time_leaves_a_plan(void **state)
{
    struct two t;
    (void)state;
    two_open(&t, "create table t(a int) insert t values(7)");
    (void)run(&t.a, "exec('create procedure p as select a from t')");
    (void)run(&t.a, SET "optimize_for_ad_hoc_workloads = on");
    for (int i = 0; i < 3; i++) {
        answers(&t.a, "select a from t", "ROW 7\nDONE 1\n");
        answers(&t.b, PLANS("select a from t"), i == 0 ? "ROW 0\nDONE 1\n" : "ROW 1\nDONE 1\n");
    }
    answers(&t.b,
            "select count(*) from sys.dm_exec_cached_plans where objtype in ('Proc', 'Prepared')",
            "ROW 0\nDONE 1\n");
    (void)run(&t.a, "exec p exec sp_executesql N'select @x', N'@x int', 1");
    answers(&t.b,
            "select count(*) from sys.dm_exec_cached_plans where objtype in ('Proc', 'Prepared')",
            "ROW 2\nDONE 1\n");
    (void)run(&t.a, SET "optimize_for_ad_hoc_workloads = off");
    (void)run(&t.a, "select a + 1 from t");
    answers(&t.b, PLANS("select a + 1 from t"), "ROW 1\nDONE 1\n");
    two_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_set_is_shown_by_all_kinds_of_values),
        cmocka_unit_test(test_what_cannot_be_is_refused_and_changes_nothing),
        cmocka_unit_test(test_it_goes_with_its_transaction_and_is_kept_on_disk),
        cmocka_unit_test(test_plans_go_with_the_cache_or_alone),
        cmocka_unit_test(test_a_plan_that_only_runs_is_not_in_the_cache),
        cmocka_unit_test(test_optimized_for_ad_hoc_work_only_the_second_time_leaves_a_plan),
    };
    return cmocka_run_group_tests_name("engine/scoped", tests, NULL, NULL);
}
