/* test_ranges.c - what SERIALIZABLE locks of an index, and what it leaves to others. */
#include "two.h"

static const char busy[] = "MSG 1222 16 51 line 1: Lock request time out period exceeded.\n"
                           "INFO 3621: The statement has been terminated.\nDONE error\n";

/* `b` is to fail at once where it would have to wait. */
static void open_impatient(struct two *t, const char *setup)
{
    two_open(t, setup);
    (void)run(&t->b, "set lock_timeout 0");
}

/* An empty table r(k, v) whose index on k has that direction. */
static void make_indexed(struct two *t, const char *type, const char *direction)
{
    char sql[1000];
    snprintf(sql, sizeof sql,
             "drop table if exists r create table r(k %s null, v int) create index i on r(k %s)",
             type, direction);
    answers(&t->a, sql, "");
    settle(&t->a);
}

static void insert_gives(struct two *t, const char *key, const char *want)
{
    char sql[1000];
    snprintf(sql, sizeof sql, "insert r(k) values (%s)", key);
    answers(&t->b, sql, want);
}

/* It gives no message that has `part` in it. */
static void runs_without(struct client *c, const char *sql, const char *part)
{
    if (strstr(run(c, sql), part) != NULL)
        fail_msg("%s: %s", sql, c->out.data);
}

/* Goal: keys compare in a range as T-SQL compares them. Method: a reader has [low, high), and four
 * others insert the values below it, at its ends and in it. */
static void each_type_has_its_order(void **state)
{
    (void)state;
    static const struct row {
        const char *type, *below, *low, *within, *high, *collate;
    } rows[] = {
        {"int", "-2", "-1", "5", "6", ""},
        {"bigint", "-9000000000", "-8999999999", "70", "9000000000", ""},
        {"tinyint", "0", "1", "200", "255", ""},
        {"decimal(10,2)", "-1.51", "-1.50", "0.01", "99.99", ""},
        {"decimal(38,4)", "-1e20", "-1.5", "123456789012345678901.5", "223456789012345678901.5",
         ""},
        {"money", "$-1.0001", "$-1.0000", "$0", "$12.5", ""},
        {"float", "-1e300", "-1e-300", "0e0", "1e-300", ""},
        {"real", "-2.5e0", "-1.5e0", "-1e-3", "1e3", ""},
        {"date", "'1999-12-31'", "'2000-01-01'", "'2000-02-29'", "'2000-03-01'", ""},
        {"time(3)", "'00:00'", "'00:00:00.001'", "'12:00'", "'23:59:59.999'", ""},
        {"datetime", "'1899-12-31'", "'1900-01-01'", "'2020-01-01 10:00'", "'2020-01-01 10:00:01'",
         ""},
        {"datetime2(7)", "'0001-01-01'", "'0001-01-01 00:00:00.0000001'", "'2020-01-01'",
         "'9999-12-31 23:59:59.9999999'", ""},
        {"datetimeoffset(0)", "'2020-01-01 10:00 +02:00'", "'2020-01-01 09:00 +00:00'",
         "'2020-01-01 12:00 +02:00'", "'2020-01-01 10:00 -01:00'", ""},
        {"varchar(20)", "'abc'", "'abd'", "'ABDa '", "'ac'", ""},
        {"nvarchar(20)", "N'muller'", "N'müller'", "N'Müllers'", "N'muz'", ""},
        {"char(5)", "'a'", "'b'", "'b1'", "'c'", ""},
        {"varchar(20)", "'B'", "'a'", "'aZ'", "'b'", "collate Latin1_General_BIN2"},
        {"varbinary(10)", "0x00FF", "0x01", "0x010001", "0x0101", ""},
        {"uniqueidentifier", "'ff000000-0000-0000-0000-000000000001'",
         "'00000000-0000-0000-0000-000000000002'", "'ff000000-0000-0000-0000-000000000002'",
         "'00000000-0000-0000-0000-000000000003'", ""},
    };
    struct two t;
    char sql[1000];
    open_impatient(&t, "set lock_timeout 0");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *r = &rows[i];
        make_indexed(&t, r->type, "desc");
        snprintf(sql, sizeof sql,
                 "declare @low %s = %s, @high %s = %s begin tran "
                 "select count(*) from r with (holdlock) where k >= @low and k < @high",
                 r->type, r->low, r->type, r->high);
        answers(&t.a, sql, "ROW 0\nDONE 1\n");
        const char *const values[] = {r->below, r->low, r->within, r->high, "null"};
        for (size_t k = 0; k < 5; k++)
            insert_gives(&t, values[k], k == 1 || k == 2 ? busy : "DONE 1\n");
        answers(&t.a, "commit", "");
    }
    two_close(&t);
}

static void bounds_that_do_not_fit_the_column_lock_no_less(void **state)
{
    (void)state;
    static const struct row {
        const char *type, *condition, *stopped, *free;
    } rows[] = {
        {"decimal(9,1)", "k > 1.04 and k < 2.06", "1.1", "0.9"},
        {"decimal(9,1)", "k > 1.04 and k < 2.06", "2.0", "2.2"},
        {"date", "k < cast('2020-01-02 10:00' as datetime2)", "'2020-01-02'", "'2020-01-03'"},
        {"varchar(3)", "k < 'abcd'", "'abc'", "'abe'"},
        {"bit", "k < 5", "0", NULL}, /* 5 is not a bit: all of it */
        {"int", "k > null", "1", NULL},
        {"int", "k > datepart(year, getdate())", "1", NULL}, /* another one by then */
        {"int", "k > 99999999999", "1", NULL},   /* no int: as if nothing had been said */
        {"varchar(9)", "k > N'b'", "'c'", NULL}, /* compared as nvarchar */
        {"varchar(9)", "k > 'b' collate Latin1_General_BIN2", "'c'", NULL},
    };
    struct two t;
    char sql[1000];
    open_impatient(&t, "set lock_timeout 0");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *r = &rows[i];
        make_indexed(&t, r->type, "");
        snprintf(sql, sizeof sql, "begin tran select count(*) from r with (holdlock) where %s",
                 r->condition);
        answers(&t.a, sql, "ROW 0\nDONE 1\n");
        insert_gives(&t, r->stopped, busy);
        if (r->free != NULL)
            insert_gives(&t, r->free, "DONE 1\n");
        answers(&t.a, "commit", "");
    }
    two_close(&t);
}

static const char setup_sql[] =
    "create table p(id int primary key)\n"
    "create table t(id int primary key, g int, name varchar(20), p int references p(id)"
    " on delete cascade)\n"
    "create index by_g on t(g, name)\n"
    "insert p values (1),(2)\n"
    "insert t values (1,10,'a',1),(2,20,'b',1),(3,30,'c',2)";

static void every_change_of_a_row_in_the_range_waits(void **state)
{
    (void)state;
    static const char *const stopped[] = {
        "insert t values (9, 20, 'z', 2)",
        "insert t select id + 100, g, name, p from t",
        "update t set name = 'bb' where id = 2",
        "update t set p = 2 where id = 2", /* a column that the index has not */
        "update t set g = 21 where id = 3",
        "update t set g = 99 where id = 2",
        "delete t where id = 2",
        "delete p where id = 1",
        "merge t using (values (2)) s(id) on t.id = s.id when matched then update set name = 'q';",
    };
    static const char *const left_alone[] = {
        "insert t values (10, 19, 'z', 2)",
        "update t set name = 'cc' where id = 3",
        "update t set g = 26 where id = 3",
        "delete p where id = 2",
    };
    struct two t;
    open_impatient(&t, setup_sql);
    answers(&t.a, "begin tran select name from t with (holdlock) where g between 20 and 25",
            "ROW b\nDONE 1\n");
    for (size_t i = 0; i < sizeof stopped / sizeof stopped[0]; i++)
        answers(&t.b, stopped[i], busy);
    answers(&t.b, "begin tran", "");
    for (size_t i = 0; i < sizeof left_alone / sizeof left_alone[0]; i++)
        runs_without(&t.b, left_alone[i], "MSG");
    answers(&t.b, "rollback", "");
    answers(&t.a, "commit", "");
    settle(&t.a);
    for (size_t i = 0; i < sizeof stopped / sizeof stopped[0]; i++)
        runs_without(&t.b, stopped[i], "MSG 1222");
    two_close(&t);
}

static void a_reader_waits_for_changes_in_its_range_alone(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "insert t values (9, 22, 'z', 2)", "update t set name = 'x' where id = 2",
        "delete t where id = 2", "update t set g = 25 where id = 3", "delete p where id = 1"};
    struct two t;
    struct later l;
    two_open(&t, setup_sql);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        answers(&t.a, "begin tran", "");
        runs_without(&t.a, changes[i], "MSG");
        answers(&t.b, "select count(*) from t with (holdlock) where g > 30", "ROW 0\nDONE 1\n");
        later_start(&l, &t.b, "select count(*) from t with (holdlock) where g between 20 and 29");
        answers(&t.a, "rollback", "");
        later_end(&l, "ROW 1\nDONE 1\n");
    }
    two_close(&t);
}

static void ranges_are_shown_as_sql_server_shows_them(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    static const char locks[] =
        "select resource_type, request_mode, request_status, i.name from sys.dm_tran_locks l"
        " left join sys.indexes i on i.object_id = l.resource_associated_entity_id / 65536"
        " and i.index_id = l.resource_associated_entity_id % 65536 and resource_type = 'KEY'"
        " where request_mode like 'Range%' order by request_mode";
    two_open(&t, setup_sql);
    answers(&t.a, "begin tran select count(*) from t with (holdlock) where g > 25",
            "ROW 1\nDONE 1\n");
    answers(&t.a, locks, "ROW KEY|RangeS-S|GRANT|by_g\nDONE 1\n");
    later_start(&l, &t.b, "insert t values (7, 70, 'x', 1)");
    answers(&t.a, locks, "ROW KEY|RangeI-N|WAIT|by_g\nROW KEY|RangeS-S|GRANT|by_g\nDONE 2\n");
    answers(&t.a, "select wait_type, blocking_session_id - @@spid from sys.dm_os_waiting_tasks",
            "ROW LCK_M_RIn_NL|0\nDONE 1\n");
    answers(&t.a, "commit", "");
    settle(&t.a);
    later_end(&l, "DONE 1\n");
    answers(&t.a,
            "begin tran select count(*) from t with (updlock, holdlock) where g > 75"
            " select count(*) from t with (xlock, holdlock) where g > 85",
            "ROW 0\nDONE 1\nROW 0\nDONE 1\n");
    answers(&t.a, locks, "ROW KEY|RangeS-U|GRANT|by_g\nROW KEY|RangeX-X|GRANT|by_g\nDONE 2\n");
    answers(&t.a, "update t set name = 'y' where id = 1", "DONE 1\n");
    answers(&t.a, locks, "ROW KEY|RangeS-U|GRANT|by_g\nROW KEY|RangeX-X|GRANT|by_g\nDONE 2\n");
    two_close(&t);
}

static void statements_of_serializable_transactions_change_what_they_have_read(void **state)
{
    (void)state;
    struct two t;
    two_open(&t, setup_sql);
    (void)run(&t.b, "set lock_timeout 0 set transaction isolation level serializable");
    answers(&t.a,
            "set transaction isolation level serializable begin tran "
            "select sum(g) from t where g >= 20 update t set g = g + 1 where g >= 20 "
            "select sum(g) from t where g >= 20",
            "ROW 50\nDONE 1\nDONE 2\nROW 52\nDONE 1\n");
    answers(&t.b, "begin tran update t set name = 'q' where g < 20", "DONE 1\n");
    answers(&t.b, "update t set name = 'q' where g < 21", busy);
    answers(&t.b, "delete t where g = 31", busy);
    answers(&t.b, "commit", "");
    answers(&t.a, "commit", "");
    two_close(&t);
}

static void many_ranges_of_one_session_are_merged(void **state)
{
    (void)state;
    struct two t;
    open_impatient(&t, setup_sql);
    answers(&t.a,
            "set nocount on declare @i int = 100, @n int begin tran while @i < 4100 begin "
            "select @n = count(*) from t with (holdlock) where g = @i set @i += 2 end",
            "");
    answers(&t.b, "insert t values (9, 4098, 'z', 1)", busy);
    answers(&t.b, "insert t values (9, 99, 'z', 1)", "DONE 1\n");
    answers(&t.a, "select count(*) from sys.dm_tran_locks where request_mode = 'RangeS-S'",
            "ROW 1\n");
    two_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_has_its_order),
        cmocka_unit_test(bounds_that_do_not_fit_the_column_lock_no_less),
        cmocka_unit_test(every_change_of_a_row_in_the_range_waits),
        cmocka_unit_test(a_reader_waits_for_changes_in_its_range_alone),
        cmocka_unit_test(ranges_are_shown_as_sql_server_shows_them),
        cmocka_unit_test(statements_of_serializable_transactions_change_what_they_have_read),
        cmocka_unit_test(many_ranges_of_one_session_are_merged),
    };
    return cmocka_run_group_tests_name("engine/ranges", tests, NULL, NULL);
}
