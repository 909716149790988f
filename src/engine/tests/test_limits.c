/* test_limits.c - a database that has reached its size: growth is refused and nothing else is, and
 * DBCC SHRINKDATABASE and SHRINKFILE make the database smaller. */
#include <stdlib.h>
#include <string.h>
#include "harness.h"
#include "store/limit.h"
#include "vfs/conn.h"

enum { QUOTA_BYTES = 4 << 20 };

#define FULL                                                                                       \
    "MSG 40544 17 2 line 1: The database 'testdb' has reached its size quota. Partition or "       \
    "delete data, drop indexes, or consult the documentation for possible resolutions.\n"          \
    "INFO 3621: The statement has been terminated.\n"                                              \
    "DONE error\n"
#define ROWS_OF(n)                                                                                 \
    "insert t(b) select top " #n " replicate('x', 7000) from sys.all_columns a cross join "        \
    "sys.all_columns c"

static struct qr_store *open_full(struct fixture *f, struct client *c)
{
    fixture_open(f);
    client_open(f, c);
    struct qr_store *store = qr_database_store(f->db);
    qr_store_set_max_data_bytes(store, QUOTA_BYTES);
    expect(c, "create table t(id int identity primary key, b varchar(8000))", "DONE\n");
    expect(c, ROWS_OF(300), "DONE 300\n");
    return store;
}

static void test_growth_is_refused_and_the_statement_undone(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    open_full(&f, &c);
    expect(&c, ROWS_OF(1000), FULL);
    expect(&c, "select count(*) from t", "COLS int\nROW 300\nDONE 1\n");
    expect(&c, "begin tran insert t(b) values('kept')", "ENV BEGIN\nDONE\nDONE 1\n");
    expect(&c, ROWS_OF(1000), FULL);
    expect(&c, "select @@trancount, xact_state()", "COLS int, smallint\nROW 1|1\nDONE 1\n");
    expect(&c, "commit", "ENV COMMIT\nDONE\n");
    expect(&c, "select count(*) from t", "COLS int\nROW 301\nDONE 1\n");
    client_close(&c);
    fixture_close(&f);
}

/* To the last page. Which number of rows that is depends on SQLite. */
static void fill_up(struct client *c)
{
    while (strstr(run(c, "insert t(b) values(replicate('x', 7000))"), "MSG") == NULL)
        ;
}

static void test_what_does_not_grow_goes_on_and_deletes_make_room(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    open_full(&f, &c);
    fill_up(&c);
    expect(&c, "insert t(b) values(replicate('x', 7000))", FULL);
    expect(&c, "update t set b = replicate('y', 7000) where id < 50", "DONE 49\n");
    expect(&c, "select count(*) from t where b like 'y%'", "COLS int\nROW 49\nDONE 1\n");
    expect(&c, "delete t where id <= 100", "DONE 100\n");
    expect(&c, ROWS_OF(90), "DONE 90\n");
    client_close(&c);
    fixture_close(&f);
}

static void test_another_limit_holds_at_once(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    struct qr_store *store = open_full(&f, &c);
    qr_store_set_max_data_bytes(store, 1 << 20); /* less than there is */
    expect(&c, ROWS_OF(50), FULL);
    expect(&c, "delete t where id <= 250", "DONE 250\n");
    expect(&c, ROWS_OF(50), "DONE 50\n");
    assert_non_null(strstr(run(&c, "dbcc shrinkdatabase(0)"), "ROW 5|1|"));
    expect(&c, ROWS_OF(50), FULL); /* it is as small as the limit now, and stays so */
    qr_store_set_max_data_bytes(store, 2 * QUOTA_BYTES);
    expect(&c, ROWS_OF(300), "DONE 300\n");
    client_close(&c);
    fixture_close(&f);
}

static uint64_t data_bytes(struct qr_store *store, bool of_file)
{
    struct qr_store_stats stats;
    qr_store_get_stats(store, &stats);
    return of_file ? stats.file_bytes : stats.data_bytes;
}

static void test_shrinking_gives_space_back_to_the_disk(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    struct qr_store *store = open_full(&f, &c);
    qr_store_set_max_data_bytes(store, 0);
    expect(&c, ROWS_OF(2000), "DONE 2000\n");
    expect(&c, "create table u(a int primary key, b varchar(300))", "DONE\n");
    expect(&c, "insert u select id, replicate('u', 300) from t", "DONE 2300\n");
    assert_true(data_bytes(store, false) > UINT64_C(16) << 20);
    expect(&c, "delete t", "DONE 2300\n");
    const char *told = run(&c, "dbcc shrinkdatabase(testdb, 25) with no_infomsgs");
    assert_non_null(strstr(told, "COLS DbId smallint, FileId int, CurrentSize int, MinimumSize "
                                 "int, UsedPages int, EstimatedPages int\nROW 5|1|"));
    struct qr_store_stats s;
    qr_store_get_stats(store, &s);
    assert_in_range(s.data_bytes, s.used_bytes, s.used_bytes * 4 / 3 + (1 << 20));
    assert_true(s.file_bytes < s.data_bytes + (1 << 20));
    expect(&c, "select count(*), sum(len(b)) from u", "COLS int, int\nROW 2300|690000\nDONE 1\n");
    expect(&c, "dbcc checkdb with no_infomsgs", "DONE\n");
    client_close(&c);
    fixture_reopen(&f);
    client_open(&f, &c);
    expect(&c, "select count(*), sum(len(b)) from u", "COLS int, int\nROW 2300|690000\nDONE 1\n");
    expect(&c, ROWS_OF(300), "DONE 300\n");
    expect(&c, "dbcc checkdb with no_infomsgs", "DONE\n");
    client_close(&c);
    fixture_close(&f);
}

/* Without a governor nothing bounds the log but this. */
static void test_one_transaction_may_take_so_much_log(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    struct qr_store *store = open_full(&f, &c);
    qr_store_set_max_data_bytes(store, 0);
    qr_store_set_log_txn_bytes(store, 1 << 20);
    expect(&c, ROWS_OF(300),
           "MSG 9002 17 2 line 1: The transaction log for database 'testdb' is full due to "
           "'ACTIVE_TRANSACTION'.\nINFO 3621: The statement has been terminated.\nDONE error\n");
    expect(&c, ROWS_OF(100), "DONE 100\n");
    expect(&c, "begin tran", "ENV BEGIN\nDONE\n");
    expect(&c, ROWS_OF(100), "DONE 100\n");
    expect(&c, ROWS_OF(100), "DONE 100\n");
    assert_non_null(strstr(run(&c, "commit"), "MSG 9002 17 2"));
    expect(&c, "select count(*), @@trancount from t", "COLS int, int\nROW 400|0\nDONE 1\n");
    client_close(&c);
    fixture_close(&f);
}

static void test_tempdb_over_its_limit_ends_the_session(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    struct qr_store *store = open_full(&f, &c);
    qr_store_set_max_data_bytes(store, 0);
    qr_store_set_tmp_bytes(store, 4 << 20);
    const char *told = run(&c, "select b into #t from t; insert #t select b from #t;"
                               "insert #t select b from #t; select count(*) from #t");
    assert_non_null(strstr(told, "MSG 40551 16 1 line 1: The session has been terminated because "
                                 "of excessive TEMPDB usage."));
    assert_null(strstr(told, "COLS"));
    client_close(&c);
    client_open(&f, &c);
    expect(&c, "select count(*) from t", "COLS int\nROW 300\nDONE 1\n");
    client_close(&c);
    fixture_close(&f);
}

/* Two databases' limit; the other one grows meanwhile. */
static void test_an_elastic_pool_that_is_full_refuses_growth_of_its_databases(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    struct qr_store *store = open_full(&f, &c);
    struct qr_store_pool pool = {.bytes = data_bytes(store, false), .bytes_max = 16 << 20};
    qr_store_set_max_data_bytes(store, 0);
    qr_store_set_pool(store, &pool);
    expect(&c, ROWS_OF(300), "DONE 300\n");
    assert_int_equal(atomic_load(&pool.bytes), data_bytes(store, false));
    atomic_fetch_add(&pool.bytes, 10 << 20);
    expect(&c, ROWS_OF(300),
           "MSG 1132 17 1 line 1: The elastic pool has reached its storage limit. The storage "
           "usage for the elastic pool cannot exceed (16) MBs.\n"
           "INFO 3621: The statement has been terminated.\nDONE error\n");
    expect(&c, "delete t where id <= 300", "DONE 300\n");
    assert_non_null(strstr(run(&c, "dbcc shrinkdatabase(0)"), "ROW 5|1|"));
    assert_true(atomic_load(&pool.bytes) == data_bytes(store, false) + (10 << 20));
    expect(&c, ROWS_OF(200), "DONE 200\n");
    qr_store_set_pool(store, NULL);
    expect(&c, ROWS_OF(1500), "DONE 1500\n");
    client_close(&c);
    fixture_close(&f);
}

/* Of Premium and Business Critical: what temporary files take there is no room for data. */
static void test_local_storage_is_for_data_log_and_temporary_files(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    struct qr_store *store = open_full(&f, &c);
    struct qr_store_stats stats;
    qr_store_set_max_data_bytes(store, 0);
    qr_store_get_stats(store, &stats);
    qr_store_set_local_bytes(store, stats.data_bytes + stats.log_file_bytes + (6 << 20));
    expect(&c, ROWS_OF(300), "DONE 300\n");
    assert_non_null(strstr(run(&c, ROWS_OF(900)),
                           "MSG 1105 17 2 line 1: Could not allocate space for object 'data_0' in "
                           "database 'testdb' because the 'PRIMARY' filegroup is full."));
    expect(&c, "select count(*) from t", "COLS int\nROW 600\nDONE 1\n");
    qr_store_set_local_bytes(store, 0);
    expect(&c, ROWS_OF(900), "DONE 900\n");
    client_close(&c);
    fixture_close(&f);
}

/* As earlier versions made them: without SQLite's pointer pages. */
static struct qr_store *make_earlier_store(char dir[])
{
    struct qr_err err = {0};
    struct qr_store *store = NULL;
    struct qr_conn *conn = NULL;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(qr_store_create(dir, NULL, &store, &err), QR_OK);
    assert_int_equal(qr_conn_open(store, NULL, &conn, &err), QR_OK);
    assert_int_equal(qr_conn_lock_writer(conn, 1, NULL, NULL, &err), QR_OK);
    assert_int_equal(
        sqlite3_exec(qr_conn_db(conn), "CREATE TABLE x(a); DROP TABLE x", NULL, NULL, NULL),
        SQLITE_OK);
    qr_conn_unlock_writer(conn);
    qr_conn_close(conn);
    return store;
}

static void test_a_database_of_an_earlier_version_works_and_says_what_it_cannot(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    char dir[] = "/tmp/quire-engine-XXXXXX";
    struct qr_store *store = make_earlier_store(dir);
    fixture_open_on(&f, store);
    client_open(&f, &c);
    expect(&c, "create table t(id int identity primary key, b varchar(8000))", "DONE\n");
    expect(&c, ROWS_OF(1000), "DONE 1000\n");
    expect(&c, "delete t where id > 100", "DONE 900\n");
    const char *told = run(&c, "dbcc shrinkdatabase(0)");
    assert_non_null(strstr(told, "DBCC SHRINKDATABASE cannot move pages in a database that an "
                                 "earlier version has made; with TRUNCATEONLY"));
    assert_non_null(strstr(run(&c, "dbcc shrinkfile(1, truncateonly)"), "ROW 5|1|"));
    qr_store_set_max_data_bytes(store, data_bytes(store, false));
    expect(&c, ROWS_OF(800), "DONE 800\n");
    expect(&c, ROWS_OF(800), FULL);
    expect(&c, "dbcc checkdb with no_infomsgs", "DONE\n");
    client_close(&c);
    fixture_close(&f);
    struct qr_err err = {0};
    assert_int_equal(qr_store_remove(qr_env_real(), dir, &err), QR_OK);
}

static const struct batch refused[] = {
    /* clang-format off */
    {"begin tran dbcc shrinkdatabase(0) rollback",
     "ENV BEGIN\n"
     "DONE\n"
     "MSG 8920 16 1 line 1: Cannot perform a SHRINKDATABASE operation inside a user transaction."
     " Terminate the transaction and reissue the statement.\n"
     "DONE error\n"
     "ENV ROLLBACK\n"
     "DONE\n"},
    {"dbcc shrinkfile(1, emptyfile)",
     "MSG 2555 16 1 line 1: Cannot move all contents of file \"1\" to other places to complete the"
     " emptyfile operation.\n"
     "DONE error\n"},
    {"dbcc shrinkfile(nosuch)",
     "MSG 8985 16 1 line 1: Could not locate file 'nosuch' for database 'testdb' in"
     " sys.database_files. The file either does not exist, or was dropped.\n"
     "DONE error\n"},
    {"dbcc shrinkdatabase(testdb, 100)",
     "MSG 2560 16 9 line 1: Parameter 2 is incorrect for this DBCC statement.\n"
     "DONE error\n"},
    /* clang-format on */
};

static void test_what_cannot_be_shrunk_is_refused(void **state)
{
    (void)state;
    answer_as_written(refused, sizeof refused / sizeof refused[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growth_is_refused_and_the_statement_undone),
        cmocka_unit_test(test_what_does_not_grow_goes_on_and_deletes_make_room),
        cmocka_unit_test(test_another_limit_holds_at_once),
        cmocka_unit_test(test_shrinking_gives_space_back_to_the_disk),
        cmocka_unit_test(test_one_transaction_may_take_so_much_log),
        cmocka_unit_test(test_tempdb_over_its_limit_ends_the_session),
        cmocka_unit_test(test_an_elastic_pool_that_is_full_refuses_growth_of_its_databases),
        cmocka_unit_test(test_local_storage_is_for_data_log_and_temporary_files),
        cmocka_unit_test(test_a_database_of_an_earlier_version_works_and_says_what_it_cannot),
        cmocka_unit_test(test_what_cannot_be_shrunk_is_refused),
    };
    return cmocka_run_group_tests_name("engine/limits", tests, NULL, NULL);
}
