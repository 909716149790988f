/* test_dbcc.c - DBCC: transcripts, and a table that lost its index behind the catalog's back */
#include "harness.h"
#include "two.h"
#include "vfs/conn.h"

static const struct batch batches[] = {
    /* clang-format off */
    {"create table k(id int identity(1,1) primary key, v varchar(10), u int unique)\n"
     "create index ik on k(v)\n"
     "insert k(v,u) values('a',1),('b',2)\n"
     "create table #k(id int identity(5,5), v int)\n"
     "insert #k values(1)",
     "DONE\n"
     "DONE\n"
     "DONE 2\n"
     "DONE\n"
     "DONE 1\n"},
    {"dbcc checkdb",
     "INFO 2536: DBCC results for 'testdb'.\n"
     "INFO 2536: DBCC results for 'k'.\n"
     "INFO 2593: There are 2 rows in 1 pages for object \"k\".\n"
     "INFO 8989: CHECKDB found 0 allocation errors and 0 consistency errors in database"
     " 'testdb'.\n"
     "INFO 2528: DBCC execution completed. If DBCC printed error messages, contact your"
     " system administrator.\n"
     "DONE\n"},
    {"dbcc checkdb with no_infomsgs",
     "DONE\n"},
    {"dbcc checkdb('testdb', noindex) with no_infomsgs, all_errormsgs",
     "DONE\n"},
    {"dbcc checkdb(nosuch)",
     "MSG 2520 16 5 line 1: Could not find database 'nosuch'. The database either does"
     " not exist, or was dropped before a statement tried to use it. Verify if the"
     " database exists by querying the sys.databases catalog view.\n"
     "DONE error\n"},
    {"dbcc checkdb(testdb, repair_rebuild)",
     "MSG 40510 16 1 line 1: Statement 'repair_rebuild' is not supported in this version"
     " of SQL Server.\n"
     "DONE error\n"},
    {"dbcc checktable('dbo.k')",
     "INFO 2536: DBCC results for 'k'.\n"
     "INFO 2593: There are 2 rows in 1 pages for object \"k\".\n"
     "INFO 2528: DBCC execution completed. If DBCC printed error messages, contact your"
     " system administrator.\n"
     "DONE\n"},
    {"dbcc checktable('#k') with no_infomsgs",
     "DONE\n"},
    {"dbcc checktable('nosuch')",
     "MSG 2501 16 45 line 1: Cannot find a table or object with the name \"nosuch\"."
     " Check the system catalog.\n"
     "DONE error\n"},
    {"set transaction isolation level repeatable read set nocount on dbcc useroptions",
     "COLS Set Option nvarchar(128), Value nvarchar(128)\n"
     "ROW textsize|2147483647\n"
     "ROW language|us_english\n"
     "ROW dateformat|mdy\n"
     "ROW datefirst|7\n"
     "ROW lock_timeout|-1\n"
     "ROW quoted_identifier|SET\n"
     "ROW arithabort|SET\n"
     "ROW nocount|SET\n"
     "ROW ansi_null_dflt_on|SET\n"
     "ROW ansi_warnings|SET\n"
     "ROW ansi_padding|SET\n"
     "ROW ansi_nulls|SET\n"
     "ROW concat_null_yields_null|SET\n"
     "ROW isolation level|repeatable read\n"
     "DONE 14\n"
     "INFO 2528: DBCC execution completed. If DBCC printed error messages, contact your"
     " system administrator.\n"
     "DONE\n"},
    {"set transaction isolation level read committed set nocount off", ""},
    {"dbcc checkident('k')",
     "INFO 7998: Checking identity information: current identity value '2', current"
     " column value '2'.\n"
     "INFO 2528: DBCC execution completed. If DBCC printed error messages, contact your"
     " system administrator.\n"
     "DONE\n"},
    {"dbcc checkident('k', reseed, 50)\n"
     "insert k(v,u) values('c',3)\n"
     "select max(id) from k",
     "INFO 7998: Checking identity information: current identity value '2'.\n"
     "INFO 2528: DBCC execution completed. If DBCC printed error messages, contact your"
     " system administrator.\n"
     "DONE\n"
     "DONE 1\n"
     "COLS int\n"
     "ROW 51\n"
     "DONE 1\n"},
    {"truncate table k\n"
     "dbcc checkident(k, reseed, 7)\n"
     "insert k(v,u) values('c',3)\n"
     "select id from k\n"
     "dbcc checkident(k, reseed, 1) with no_infomsgs\n"
     "dbcc checkident('k', noreseed)\n"
     "dbcc checkident('k', reseed)\n"
     "insert k(v,u) values('d',4)\n"
     "select id from k",
     "DONE\n"
     "INFO 7998: Checking identity information: current identity value 'NULL'.\n"
     "INFO 2528: DBCC execution completed. If DBCC printed error messages, contact your"
     " system administrator.\n"
     "DONE\n"
     "DONE 1\n"
     "COLS id int\n"
     "ROW 7\n"
     "DONE 1\n"
     "DONE\n"
     "INFO 7998: Checking identity information: current identity value '1', current"
     " column value '7'.\n"
     "INFO 2528: DBCC execution completed. If DBCC printed error messages, contact your"
     " system administrator.\n"
     "DONE\n"
     "INFO 7998: Checking identity information: current identity value '1', current"
     " column value '7'.\n"
     "INFO 2528: DBCC execution completed. If DBCC printed error messages, contact your"
     " system administrator.\n"
     "DONE\n"
     "DONE 1\n"
     "COLS id int\n"
     "ROW 7\n"
     "ROW 8\n"
     "DONE 2\n"},
    {"dbcc checkident('#k', reseed, -10)\n"
     "insert #k values(2)\n"
     "select id from #k",
     "INFO 7998: Checking identity information: current identity value '5'.\n"
     "INFO 2528: DBCC execution completed. If DBCC printed error messages, contact your"
     " system administrator.\n"
     "DONE\n"
     "DONE 1\n"
     "COLS id int\n"
     "ROW 5\n"
     "ROW -5\n"
     "DONE 2\n"},
    {"create table nk(a int)\n"
     "dbcc checkident('nk')",
     "DONE\n"
     "MSG 7997 16 1 line 2: 'nk' does not contain an identity column.\n"
     "DONE error\n"},
    {"dbcc freeproccache",
     "INFO 2528: DBCC execution completed. If DBCC printed error messages, contact your"
     " system administrator.\n"
     "DONE\n"},
    /* clang-format on */
};

static void test_each_batch_answers_as_written(void **state)
{
    (void)state;
    answer_as_written(batches, sizeof batches / sizeof batches[0]);
}

/* Runs SQL of SQLite's own in a committed transaction, which no statement of ours could. */
static void behind_the_back(struct client *c, const char *sql)
{
    struct qr_conn *conn = NULL;
    assert_int_equal(qr_conn_open(c->store, NULL, &conn, NULL), QR_OK);
    assert_int_equal(qr_conn_lock_writer(conn, 99, NULL, NULL, NULL), QR_OK);
    sqlite3_db_config(qr_conn_db(conn), SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
    assert_int_equal(sqlite3_exec(qr_conn_db(conn), sql, NULL, NULL, NULL), SQLITE_OK);
    qr_conn_unlock_writer(conn);
    assert_int_equal(qr_store_wait_durable(c->store, qr_conn_commit_lsn(conn), NULL), QR_OK);
    qr_conn_close(conn);
}

static void test_a_lost_index_is_found(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    expect(&c, "create table k(id int primary key, v int)\ncreate index ik on k(v)",
           "DONE\nDONE\n");
    const char *id = strstr(run(&c, "select object_id('k')"), "ROW ");
    assert_non_null(id);
    char sql[64];
    snprintf(sql, sizeof sql, "DROP INDEX i%.*s_2", (int)strcspn(id + 4, "\n"), id + 4);
    settle(&c);
    behind_the_back(&c, sql);
    const char *out = run(&c, "dbcc checkdb with no_infomsgs");
    assert_non_null(strstr(out, "MSG 8939 16"));
    assert_non_null(strstr(out, "found 0 allocation errors and 1 consistency errors"));
    out = run(&c, "dbcc checktable('k')");
    assert_non_null(strstr(out, "MSG 8939 16"));
    client_close(&c);
    fixture_close(&f);
}

static void test_pages_that_a_savepoint_restores(void **state)
{
    (void)state;
    struct two t;
    two_open(&t,
             "create table a(id int primary key, v varchar(8000)) insert a select value, "
             "replicate('a', 3000) from generate_series(1, 60) create table b(id int primary key, "
             "v int) create table c(id int primary key, v int) insert c values (1, 1)");
    run(&t.a, "drop table a");
    run(&t.a, "begin transaction create index ib on b(v) save transaction s drop table c "
              "rollback transaction s commit");
    answers(&t.b, "dbcc checkdb with no_infomsgs", "");
    answers(&t.b, "select id, v from c", "ROW 1|1\nDONE 1\n");
    two_close(&t);
}

/* SQLite 3.40 has wrong words for sound tables without row ids whose key comes last. */
static void test_a_key_behind_other_columns_is_sound(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    fixture_open(&f);
    client_open(&f, &c);
    run(&c,
        "create table k(v varchar(10) not null, w float not null, a int not null, b int not null, "
        "primary key(a, b)) insert k select 'x', 1, value, value from generate_series(1, 300)");
    expect(&c, "dbcc checkdb with no_infomsgs dbcc checktable('k') with no_infomsgs",
           "DONE\nDONE\n");
    const char *id = strstr(run(&c, "select object_id('k')"), "ROW ");
    char sql[800];
    int n = (int)strcspn(id + 4, "\n");
    snprintf(
        sql, sizeof sql,
        "PRAGMA writable_schema=ON;"
        "UPDATE sqlite_schema SET sql = replace(sql, 'c2 REAL NOT NULL', 'c2 REAL') WHERE name = "
        "'t%.*s'; PRAGMA writable_schema=RESET; UPDATE t%.*s SET c2 = NULL WHERE c3 < 3;"
        "PRAGMA writable_schema=ON;"
        "UPDATE sqlite_schema SET sql = replace(sql, 'c2 REAL', 'c2 REAL NOT NULL') WHERE name = "
        "'t%.*s'; PRAGMA writable_schema=RESET",
        n, id + 4, n, id + 4, n, id + 4);
    settle(&c);
    behind_the_back(&c, sql);
    const char *out = run(&c, "dbcc checkdb with no_infomsgs");
    assert_non_null(strstr(out, ".c2 (2 rows)"));
    assert_non_null(strstr(out, "found 0 allocation errors and 1 consistency errors"));
    client_close(&c);
    fixture_close(&f);
}

/* The oldest one that has changed something, of any session. */
static void test_the_oldest_open_transaction(void **state)
{
    static const char none[] = "INFO 7969: No active open transactions.\n";
    (void)state;
    struct two t;
    two_open(&t, "create table k(id int primary key, v int) insert k values (1, 1), (2, 2)");
    run(&t.b, "begin transaction; select * from k"); /* not in the log */
    answers(&t.a, "dbcc opentran with no_infomsgs", none);
    run(&t.a, "begin transaction named; update k set v = 5 where id = 1");
    const char *out = run(&t.b, "update k set v = 6 where id = 2; dbcc opentran(testdb)");
    assert_non_null(strstr(out, "INFO 7968: Transaction information for database 'testdb'.\n"
                                "INFO 7970: Oldest active transaction:\n"
                                "INFO 7971:     SPID (server process ID): "));
    assert_non_null(strstr(out, "INFO 7974:     Name          : user_transaction\n"));
    assert_non_null(strstr(out, "INFO 2528: "));
    assert_true(strstr(out, "AM\nINFO 7979") != NULL || strstr(out, "PM\nINFO 7979") != NULL);
    run(&t.b, "rollback");
    run(&t.b, "create table #o(name varchar(25), details sql_variant)");
    answers(&t.b,
            "insert #o exec('dbcc opentran with tableresults, no_infomsgs') select count(*), "
            "max(case name when 'OLDACT_NAME' then cast(details as varchar(20)) end), abs(max(case "
            "name when 'OLDACT_STARTTIME' then datediff(minute, cast(details as varchar(30)), "
            "sysutcdatetime()) end)) from #o",
            "DONE 6\nROW 6|named|0\nDONE 1\n");
    run(&t.a, "commit");
    answers(&t.a, "dbcc opentran(0) with no_infomsgs", none);
    static const char *const nothing[] = {"declare @d sysname dbcc opentran(@d)",
                                          "dbcc opentran('')", "dbcc opentran(-1)"};
    for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++)
        answers(&t.a, nothing[i],
                "MSG 2560 16 9 line 1: Parameter 1 is incorrect for this DBCC statement.\n"
                "DONE error\n");
    two_close(&t);
}

static void test_what_a_session_sent_last(void **state)
{
    (void)state;
    struct two t;
    two_open(&t, "create table k(id int)");
    run(&t.b, "select 'x' from k");
    const char *id = strstr(run(&t.a, "select max(session_id) from sys.dm_exec_sessions"), "ROW ");
    char sql[64];
    snprintf(sql, sizeof sql, "dbcc inputbuffer(%.*s) with no_infomsgs", (int)strcspn(id + 4, "\n"),
             id + 4);
    answers(&t.a, sql, "ROW Language Event|0|select 'x' from k\nDONE 1\n");
    answers(&t.a, "dbcc inputbuffer(32000)",
            "MSG 7955 16 2 line 1: Invalid SPID 32000 specified.\nDONE error\n");
    answers(&t.a, "dbcc inputbuffer(-99999999999)",
            "MSG 7955 16 2 line 1: Invalid SPID -2147483648 specified.\nDONE error\n");
    answers(&t.a, "dbcc inputbuffer",
            "MSG 2560 16 9 line 1: Parameter 1 is incorrect for this DBCC statement.\n"
            "DONE error\n");
    two_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_batch_answers_as_written),
        cmocka_unit_test(test_a_lost_index_is_found),
        cmocka_unit_test(test_a_key_behind_other_columns_is_sound),
        cmocka_unit_test(test_pages_that_a_savepoint_restores),
        cmocka_unit_test(test_the_oldest_open_transaction),
        cmocka_unit_test(test_what_a_session_sent_last),
    };
    return cmocka_run_group_tests_name("engine/dbcc", tests, NULL, NULL);
}
