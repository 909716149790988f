/* test_versions.c - what an open snapshot keeps is shown, lies on disk and has a bound. */
#include <stdlib.h>
#include <unistd.h>
#include "two.h"

enum { CACHE_BYTES = 1 << 20, VERSION_BYTES = 6 << 20 };

/* About 8 MB. */
static const char setup_sql[] =
    "create table t(id int primary key, v int, pad varchar(8000))\n"
    "insert t select value, 10, replicate('x', 7000) from generate_series(1, 1000)\n"
    "create table small(id int primary key, v int)\n"
    "insert small values (1, 10)";
static const char gone[] =
    "MSG 3966 17 1 line 1: Transaction is rolled back when accessing version store. It was earlier "
    "marked as victim when the version store was shrunk due to insufficient space in tempdb. This "
    "transaction was marked as a victim earlier because it may need the row version(s) that have "
    "already been removed to make space in tempdb. Retry the transaction\n"
    "DONE error\n";

struct world {
    struct fixture f;
    struct client writer, old, new;
    struct qr_store *store;
    char dir[64], db[80];
};

static void world_open(struct world *w)
{
    struct qr_err err = {0};
    struct qr_store_options options = {
        .sync_off = true, .cache_bytes = CACHE_BYTES, .version_bytes_max = VERSION_BYTES};
    snprintf(w->dir, sizeof w->dir, "/tmp/quire-versions-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->db, sizeof w->db, "%s/db", w->dir);
    if (qr_store_create(w->db, &options, &w->store, &err) != QR_OK)
        fail_msg("%s", err.text);
    fixture_open_on(&w->f, w->store);
    client_open(&w->f, &w->writer);
    client_open(&w->f, &w->old);
    client_open(&w->f, &w->new);
    (void)run(&w->writer, setup_sql);
    settle(&w->writer);
}

static void world_close(struct world *w)
{
    struct qr_err err = {0};
    client_close(&w->new);
    client_close(&w->old);
    client_close(&w->writer);
    fixture_close(&w->f);
    if (qr_store_remove(qr_env_real(), w->db, &err) != QR_OK)
        fail_msg("%s", err.text);
    rmdir(w->dir);
}

static struct qr_store_versions versions(const struct world *w)
{
    struct qr_store_versions v;
    qr_store_get_versions(w->store, &v);
    return v;
}

static void write_as(struct world *w, const char *sql, const char *want)
{
    answers(&w->writer, sql, want);
    settle(&w->writer);
}

static void test_what_a_snapshot_keeps_is_shown_and_goes_to_disk(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    answers(&w.writer,
            "select count(*) from sys.dm_tran_active_snapshot_database_transactions\n"
            "select database_id, pvs_filegroup_id, oldest_active_transaction_id, "
            "current_aborted_transaction_count from sys.dm_tran_persistent_version_store_stats",
            "ROW 0\nDONE 1\nROW 5|1|0|0\nDONE 1\n");
    answers(&w.old,
            "set transaction isolation level snapshot begin tran select v from small where id = 1",
            "ROW 10\nDONE 1\n");
    write_as(&w, "update t set v = 11 where id <= 500", "DONE 500\n"); /* more than the cache */
    while (versions(&w).disk_bytes < 2 * CACHE_BYTES)
        sched_yield();
    answers(&w.writer,
            "select iif(persistent_version_store_size_kb > 3500, 1, 0), "
            "iif(persistent_version_store_size_kb < 6 * 1024, 1, 0), "
            "iif(pvs_off_row_page_skipped_min_useful_xts > 450, 1, 0), "
            "iif(offrow_version_cleaner_end_time >= offrow_version_cleaner_start_time, 1, 0) "
            "from sys.dm_tran_persistent_version_store_stats\n"
            "select s.reserved_space_kb - p.persistent_version_store_size_kb "
            "from sys.dm_tran_version_store_space_usage s "
            "join sys.dm_tran_persistent_version_store_stats p on p.database_id = s.database_id",
            "ROW 1|1|1|1\nDONE 1\nROW 0\nDONE 1\n");
    answers(&w.writer,
            "select t.is_snapshot, iif(t.session_id = x.session_id, 1, 0), "
            "iif(t.first_snapshot_sequence_num = p.min_transaction_timestamp, 1, 0), "
            "iif(t.transaction_id = p.oldest_active_transaction_id, 1, 0), "
            "t.elapsed_time_seconds / 1000, t.commit_sequence_num "
            "from sys.dm_tran_active_snapshot_database_transactions t "
            "join sys.dm_tran_session_transactions x on x.transaction_id = t.transaction_id "
            "cross join sys.dm_tran_persistent_version_store_stats p",
            "ROW 1|1|1|1|0|NULL\nDONE 1\n");
    answers(&w.old, "select sum(v), count(*) from t", "ROW 10000|1000\nDONE 1\n");
    answers(&w.old, "commit", "");
    while (versions(&w).count > 0)
        sched_yield();
    assert_int_equal(versions(&w).given_up, 0);
    world_close(&w);
}

static void test_over_the_bound_the_oldest_snapshot_ends_with_3966_and_others_go_on(void **state)
{
    struct world w;
    struct client deferred;
    (void)state;
    world_open(&w);
    client_open(&w.f, &deferred);
    /* more changes than are kept without SQLite's transaction: it has a snapshot, but needs none */
    answers(&deferred, "begin tran insert small select value, 1 from generate_series(2, 201)",
            "DONE 200\n");
    answers(&w.old,
            "set transaction isolation level snapshot begin tran select v from small where id = 1",
            "ROW 10\nDONE 1\n");
    write_as(&w, "update t set v = 11", "DONE 1000\n");
    answers(&w.new,
            "set transaction isolation level snapshot begin tran select v from small where id = 1",
            "ROW 10\nDONE 1\n");
    write_as(&w, "update t set v = 12 where id <= 100", "DONE 100\n");
    while (versions(&w).given_up == 0 || versions(&w).bytes > VERSION_BYTES)
        sched_yield();
    answers(&w.old, "select sum(v) from t", gone);
    answers(&w.old, "select @@trancount", "ROW 0\nDONE 1\n");
    answers(&w.old, "set transaction isolation level read committed select sum(v) from t",
            "ROW 11100\nDONE 1\n");
    answers(&w.new, "select sum(v) from t", "ROW 11000\nDONE 1\n");
    answers(&w.new, "update t set v = 0 where id = 1000", "DONE 1\n");
    answers(&w.new, "commit", "");
    settle(&w.new);
    answers(&deferred, "select count(*) from small update small set v = 2 where id = 1 commit",
            "ROW 201\nDONE 1\nDONE 1\n");
    settle(&deferred);
    answers(&w.old, "select count(*), sum(v) from small select sum(v) from t",
            "ROW 201|202\nDONE 1\nROW 11089\nDONE 1\n");
    client_close(&deferred);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_snapshot_keeps_is_shown_and_goes_to_disk),
        cmocka_unit_test(test_over_the_bound_the_oldest_snapshot_ends_with_3966_and_others_go_on),
    };
    return cmocka_run_group_tests_name("engine/versions", tests, NULL, NULL);
}
