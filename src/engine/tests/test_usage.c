/* test_usage.c - how indexes are used, which are missing, how large tables are. */
#include "harness.h"
#include "two.h"

#define USES                                                                                       \
    "select i.name, s.user_seeks, s.user_scans, s.user_lookups, s.user_updates, iif("              \
    "s.last_user_seek is null, 0, 1), iif(s.last_user_update is null, 0, 1) from "                 \
    "sys.dm_db_index_usage_stats s join sys.indexes i on i.object_id = s.object_id and "           \
    "i.index_id = s.index_id where s.database_id = db_id() and s.object_id = object_id('t') "      \
    "order by i.index_id"

static void open_one(struct fixture *f, struct client *c)
{
    fixture_open(f);
    client_open(f, c);
}

static void close_one(struct fixture *f, struct client *c)
{
    client_close(c);
    fixture_close(f);
}

static void uses_of_indexes_are_counted_by_kind(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    open_one(&f, &c);
    run(&c, "create table t(id int constraint pk primary key, v int, w int) create index by_v on "
            "t(v)");
    replies(&c, USES, "DONE 0\n");
    run(&c, "insert t values (1,1,1),(2,2,2)");
    run(&c, "select w from t where v = 1"); /* seek, and the row */
    run(&c, "select w from t where v = 1");
    run(&c, "select v from t where v = 2"); /* covered */
    run(&c, "select w from t where id = 1");
    run(&c, "select sum(w) from t");
    run(&c, "update t set w = 3 where id = 1"); /* by_v stays as it is */
    run(&c, "update t set v = 3 where id = 1");
    run(&c, "delete t where id = 2");
    replies(&c, USES, "ROW pk|4|1|2|4|1|1\nROW by_v|3|0|0|3|1|1\nDONE 2\n");
    /* an index that comes later has not been used before */
    run(&c, "select v from t where w = 3");
    run(&c, "create index by_w on t(w)");
    run(&c, "select v from t where w = 3");
    replies(&c, USES, "ROW pk|4|2|3|4|1|1\nROW by_v|3|0|0|3|1|1\nROW by_w|1|0|0|0|1|0\nDONE 3\n");
    run(&c, "drop index by_v on t");
    replies(&c, USES, "ROW pk|4|2|3|4|1|1\nROW by_w|1|0|0|0|1|0\nDONE 2\n");
    close_one(&f, &c);
}

static void heaps_and_keys_of_several_columns_are_counted(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    open_one(&f, &c);
    run(&c,
        "create table h(v int) create table k(a int, b nvarchar(10), d int, primary key(a, b))");
    run(&c, "insert h values (1) insert k values (1, N'x', 5)");
    run(&c, "select * from h");
    run(&c, "select q.d from k as q where q.a = 1 and q.b = N'x'");
    replies(&c,
            "select object_name(object_id), index_id, user_seeks, user_scans, user_updates from "
            "sys.dm_db_index_usage_stats order by 1, 2",
            "ROW h|0|0|1|1\nROW k|1|1|0|1\nDONE 2\n");
    close_one(&f, &c);
}

static void an_index_that_is_missing_is_named(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    open_one(&f, &c);
    run(&c,
        "create table t(id int primary key, name nvarchar(20), [od]]d] int, v int, pad char(400)"
        " default 'x')");
    run(&c, "insert t(id, name, [od]]d], v) select value, concat('n', value), value % 10, value "
            "from generate_series(1, 500)");
    run(&c, "select v from t where name = N'n7' and [od]]d] > 3");
    run(&c, "select v from t where name = N'n8' and [od]]d] > 3");
    replies(&c,
            "select replace(statement, quotename(db_name()), '[db]'), equality_columns, "
            "inequality_columns, included_columns from sys.dm_db_missing_index_details",
            "ROW [db].[dbo].[t]|[name]|[od]]d]|[v]\nDONE 1\n");
    /* Microsoft's query for the indexes that would help most */
    replies(&c,
            "SELECT TOP 10 mid.index_handle, migs.user_seeks, migs.unique_compiles FROM "
            "sys.dm_db_missing_index_groups AS mig INNER JOIN sys.dm_db_missing_index_group_stats "
            "AS migs ON migs.group_handle = mig.index_group_handle INNER JOIN "
            "sys.dm_db_missing_index_details AS mid ON mig.index_handle = mid.index_handle ORDER "
            "BY migs.avg_total_user_cost * migs.avg_user_impact * (migs.user_seeks + "
            "migs.user_scans) DESC",
            "ROW 1|2|2\nDONE 1\n");
    replies(&c,
            "select d.index_handle, c.* from sys.dm_db_missing_index_details d cross apply "
            "sys.dm_db_missing_index_columns(d.index_handle) c order by c.column_id",
            "ROW 1|2|name|EQUALITY\nROW 1|3|od]d|INEQUALITY\nROW 1|4|v|INCLUDE\nDONE 3\n");
    run(&c, "create index by_name on t(name) include (v)");
    replies(&c, "select count(*) from sys.dm_db_missing_index_details", "ROW 0\nDONE 1\n");
    close_one(&f, &c);
}

static void an_index_made_for_a_join_is_missing(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    open_one(&f, &c);
    run(&c, "create table a(id int primary key, v int) create table b(id int primary key, w int)");
    run(&c,
        "insert a select value, value from generate_series(1, 100) insert b select value, value "
        "from generate_series(1, 100)");
    run(&c, "select count(*) from a join b on a.v = b.w");
    replies(&c,
            "select count(*), min(iif(equality_columns in ('[v]', '[w]'), 1, 0)) from "
            "sys.dm_db_missing_index_details",
            "ROW 1|1\nDONE 1\n");
    close_one(&f, &c);
}

static void pages_of_tables_and_indexes_are_counted(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    open_one(&f, &c);
    run(&c, "create table t(id int primary key, v int, pad char(1000)) create index by_v "
            "on t(v) create table big(id int primary key, x varchar(max))");
    run(&c, "insert t select value, value, replicate('x', 1000) from generate_series(1, 2000)");
    run(&c, "insert big values (1, replicate(cast('x' as varchar(max)), 100000))");
    /* 2,000 rows of somewhat more than 1,000 bytes: 7 on a page of 8 KiB */
    replies(&c,
            "select index_id, row_count, iif(in_row_data_page_count between 250 and 340, 1, 0), "
            "iif(in_row_used_page_count > in_row_data_page_count, 1, 0), lob_used_page_count, "
            "row_overflow_used_page_count, used_page_count - in_row_used_page_count, "
            "reserved_page_count - used_page_count from sys.dm_db_partition_stats where object_id "
            "= object_id('t') and index_id = 1",
            "ROW 1|2000|1|1|0|0|0|0\nDONE 1\n");
    replies(&c,
            "select row_count, iif(used_page_count between 2 and 12, 1, 0) from "
            "sys.dm_db_partition_stats where object_id = object_id('t') and index_id = 2",
            "ROW 2000|1\nDONE 1\n");
    replies(&c,
            "select row_count, in_row_used_page_count, iif(lob_used_page_count between 12 and 14, "
            "1, 0) from sys.dm_db_partition_stats where object_id = object_id('big')",
            "ROW 1|1|1\nDONE 1\n");
    close_one(&f, &c);
}

static void how_pages_of_indexes_lie_is_told(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    open_one(&f, &c);
    run(&c, "create table grown(id int primary key, pad char(1000)) create table mixed(id int "
            "primary key, pad char(1000)) create table big(id int primary key, x varchar(max)) "
            "create table h(v int) create index by_v on h(v)");
    run(&c, "insert grown select value, replicate('x', 1000) from generate_series(1, 2000)");
    run(&c, "insert mixed select value * 7919 % 2003, replicate('x', 1000) from generate_series(1, "
            "2000)");
    run(&c, "insert big values (1, replicate(cast('x' as varchar(max)), 100000))");
    run(&c, "insert h values (1), (2)");
    replies(&c,
            "select index_type_desc, index_depth, index_level, iif(avg_fragmentation_in_percent < "
            "10, 1, 0), iif(page_count between 250 and 340, 1, 0), "
            "iif(avg_page_space_used_in_percent between 75 and 100, 1, 0), iif(record_count "
            "between 1990 and 2010, 1, 0), iif(avg_record_size_in_bytes between 1000 and 1010, 1, "
            "0) from sys.dm_db_index_physical_stats(db_id(), object_id('grown'), 1, 1, 'SAMPLED')",
            "ROW CLUSTERED INDEX|2|0|1|1|1|1|1\nDONE 1\n");
    replies(&c,
            "select iif(avg_fragmentation_in_percent between 20 and 80, 1, 0), iif(fragment_count "
            "> page_count / 2, 1, 0), record_count, avg_page_space_used_in_percent from "
            "sys.dm_db_index_physical_stats(null, object_id('mixed'), null, null, null)",
            "ROW 1|1|NULL|NULL\nDONE 1\n");
    replies(&c,
            "select alloc_unit_type_desc, index_depth, iif(page_count between 12 and 14, 1, 0), "
            "avg_fragmentation_in_percent from sys.dm_db_index_physical_stats(0, "
            "object_id('big'), -1, 0, default)",
            "ROW IN_ROW_DATA|1|0|0\nROW LOB_DATA|1|1|NULL\nDONE 2\n");
    replies(&c,
            "select object_name(object_id), index_type_desc, record_count, "
            "min_record_size_in_bytes from sys.dm_db_index_physical_stats(db_id(), "
            "object_id('h'), null, null, 'DETAILED') order by index_id",
            "ROW h|HEAP|2|2\nROW h|NONCLUSTERED INDEX|2|3\nDONE 2\n");
    replies(&c,
            "select database_id - db_id(), iif(used_log_space_in_bytes between 1 and "
            "total_log_size_in_bytes, 1, 0) from sys.dm_db_log_space_usage",
            "ROW 0|1\nDONE 1\n");
    close_one(&f, &c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uses_of_indexes_are_counted_by_kind),
        cmocka_unit_test(heaps_and_keys_of_several_columns_are_counted),
        cmocka_unit_test(an_index_that_is_missing_is_named),
        cmocka_unit_test(an_index_made_for_a_join_is_missing),
        cmocka_unit_test(pages_of_tables_and_indexes_are_counted),
        cmocka_unit_test(how_pages_of_indexes_lie_is_told),
    };
    return cmocka_run_group_tests_name("engine/usage", tests, NULL, NULL);
}
