/* test_faults.c - SQLite on a store on a simulated machine: every I/O fails once, the power goes at
 * every I/O, the disk fills, bits flip. */
#include "qr_test.h"
#include <stdlib.h>
#include "env/sim.h"
#include "vfs/conn.h"
#include "test_ring.h"

enum { COMMITS = 18, SEEDS = 3, SHRINKS_AT = 12 };

/* Every so manyth fault of a sweep is tried: all of them in the long run, in clear; not so many
 * encrypted, where the faults are the same; still less with a sanitizer, where each try takes
 * ten times as long and what is looked for is there on most paths. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { STRIDE = 11 };
#elif defined(QR_TEST_KEYS)
enum { STRIDE = 3 };
#else
enum { STRIDE = 1 };
#endif

/* What the outside was told. */
struct history {
    int acknowledged; /* commits 1 ... this are durable */
    int started;      /* commits that may be there */
    bool fatal;
};

static void note_fatal(void *ctx, const struct qr_err *err)
{
    (void)err;
    ((struct history *)ctx)->fatal = true;
}

static struct qr_store_options options_on(struct qr_sim *sim, struct history *h)
{
    return (struct qr_store_options){.env = qr_sim_env(sim),
                                     .server_key = t_server_key(),
                                     .threads_off = true,
                                     .log_segment_bytes = 256 << 10,
                                     .cache_bytes = 300 << 10,
                                     .txn_memory_bytes = 64 << 10,
                                     .fatal = note_fatal,
                                     .fatal_ctx = h};
}

static int run(struct qr_conn *conn, const char *sql)
{
    return sqlite3_exec(qr_conn_db(conn), sql, NULL, NULL, NULL);
}

/* One commit that touches several tables and pages, so that half of it would show. */
static bool commit_once(struct qr_store *store, struct qr_conn *conn, int n, struct history *h)
{
    char sql[400];
    int64_t id = 0;
    snprintf(sql, sizeof sql,
             "BEGIN; INSERT INTO t VALUES(%d, zeroblob(%d)); UPDATE total SET n = %d;"
             "INSERT OR REPLACE INTO r VALUES(%d %% 7, randomblob(%d));%s COMMIT",
             n, n % 5 * 9000, n, n, n == 11 ? 1200000 : 3000, /* one spans blocks and segments */
             n == SHRINKS_AT ? "UPDATE r SET b = NULL WHERE a = 4; PRAGMA incremental_vacuum;"
                             : "");
    if (qr_counter_next(store, 1, 1, 1, &id, NULL) != QR_OK ||
        qr_conn_lock_writer(conn, 1, NULL, NULL, NULL) != QR_OK)
        return false;
    h->started = n;
    int rc = run(conn, sql);
    if (rc != SQLITE_OK && sqlite3_get_autocommit(qr_conn_db(conn)) == 0)
        (void)run(conn, "ROLLBACK");
    qr_conn_unlock_writer(conn);
    if (rc != SQLITE_OK || qr_store_wait_durable(store, qr_conn_commit_lsn(conn), NULL) != QR_OK)
        return false;
    h->acknowledged = n;
    return true;
}

/* Creates, writes, checkpoints, closes, opens again and goes on; stops at the first failure. */
static void work(struct qr_sim *sim, struct history *h)
{
    struct qr_store_options options = options_on(sim, h);
    struct qr_store *store = NULL;
    struct qr_conn *conn = NULL;
    bool ok = qr_store_create("db", &options, &store, NULL) == QR_OK &&
              qr_conn_open(store, NULL, &conn, NULL) == QR_OK &&
              qr_counter_set(store, 1, 1, NULL) == QR_OK &&
              qr_conn_lock_writer(conn, 1, NULL, NULL, NULL) == QR_OK &&
              run(conn, "PRAGMA auto_vacuum = INCREMENTAL;"
                        "BEGIN; CREATE TABLE t(a INTEGER PRIMARY KEY, b); CREATE TABLE total(n);"
                        "CREATE TABLE r(a INTEGER PRIMARY KEY, b);"
                        "INSERT INTO total VALUES(0); COMMIT") == SQLITE_OK;
    if (conn != NULL)
        qr_conn_unlock_writer(conn);
    for (int n = 1; ok && n <= COMMITS; n++) {
        ok = commit_once(store, conn, n, h);
        if (ok && (n % 8 == 0 || n == SHRINKS_AT)) /* the file gets shorter, and grows again */
            ok = qr_store_checkpoint(store, NULL) == QR_OK;
        if (ok && n == COMMITS / 2) {
            qr_conn_close(conn);
            conn = NULL;
            ok = qr_store_close(store, NULL) == QR_OK;
            store = NULL;
            ok = ok && qr_store_open("db", &options, &store, NULL) == QR_OK &&
                 qr_conn_open(store, NULL, &conn, NULL) == QR_OK;
        }
    }
    qr_conn_close(conn);
    qr_store_abandon(store);
}

static int64_t number(struct qr_conn *conn, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    int64_t value = -1;
    if (sqlite3_prepare_v2(qr_conn_db(conn), sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        value = sqlite3_column_int64(stmt, 0);
    else
        print_message("%s: %s\n", sql, sqlite3_errmsg(qr_conn_db(conn)));
    sqlite3_finalize(stmt);
    return value;
}

/* Opens what is left and compares; returns the number of commits found, -1 if there is no database.
 */
static int64_t open_and_compare(struct qr_sim *sim, const struct history *h,
                                struct qr_store **ret_store, struct qr_conn **ret_conn)
{
    struct history later = {0};
    struct qr_store_options options = options_on(sim, &later);
    struct qr_err err = {0};
    int64_t found = 0;
    enum qr_status status = qr_store_open("db", &options, ret_store, &err);
    if (status == QR_NOT_FOUND && h->acknowledged == 0) {
        assert_int_equal(qr_store_create("db", &options, ret_store, &err),
                         QR_OK); /* and it can be */
        assert_int_equal(qr_store_close(*ret_store, &err), QR_OK);
        return -1;
    }
    if (status != QR_OK)
        fail_msg("open: %s: %s", qr_status_info(status)->name, err.text);
    assert_int_equal(qr_conn_open(*ret_store, NULL, ret_conn, &err), QR_OK);
    struct qr_conn *conn = *ret_conn;
    bool tables = number(conn, "SELECT count(*) FROM sqlite_schema") == 3;
    if (!tables)
        assert_int_equal(h->acknowledged, 0);
    if (tables) {
        found = number(conn, "SELECT count(*) FROM t");
        assert_in_range(found, h->acknowledged, h->started);
        assert_int_equal(number(conn, "SELECT n FROM total"), found);
        assert_int_equal(number(conn, "SELECT count(*) FROM r"), found < 7 ? found : 7);
        int64_t next = 0;
        assert_true(qr_counter_peek(*ret_store, 1, &next));
        assert_true(next > found);
    }
    assert_int_equal(number(conn, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
    return tables ? found : -1;
}

/* Compares, goes on for a few commits in the new epoch, crashes again, compares again. */
static void assert_history_holds(struct qr_sim *sim, const struct history *h, bool power_cut)
{
    struct qr_store *store = NULL;
    struct qr_conn *conn = NULL;
    struct history again = *h;
    int64_t found = open_and_compare(sim, h, &store, &conn);
    if (conn == NULL)
        return;
    again.acknowledged = again.started = found < 0 ? 0 : (int)found;
    for (int n = 1; found >= 0 && n <= 3; n++)
        assert_true(commit_once(store, conn, (int)found + n, &again));
    qr_conn_close(conn);
    qr_store_abandon(store);
    if (power_cut)
        qr_sim_power_cut(sim);
    else
        qr_sim_kill(sim);
    conn = NULL;
    (void)open_and_compare(sim, &again, &store, &conn);
    if (conn == NULL)
        return;
    qr_conn_close(conn);
    assert_int_equal(qr_store_close(store, NULL), QR_OK);
}

enum mishap { FAILS_ONCE, FAILS_FOR_EVER, DISK_FULL };

/* Fails the n-th I/O, ends the process or the machine, opens again; raises n until nothing fails.
 * A seed that is a multiple of 4 takes every n, others jump. */
static void sweep(enum mishap mishap, bool power_cut, uint64_t seed)
{
    bool fired = true;
    for (uint64_t nth = 1; fired; nth += (1 + seed % 4) * STRIDE) {
        struct qr_sim *sim = qr_sim_new(
            &(struct qr_sim_options){.seed = seed + nth,
                                     .io_fault_at = nth,
                                     .io_fault_stays = mishap == FAILS_FOR_EVER,
                                     .io_fault_status = mishap == DISK_FULL ? QR_FULL : QR_IO});
        struct history h = {0};
        work(sim, &h);
        fired = qr_sim_fault_fired(sim);
        if (!fired)
            assert_int_equal(h.acknowledged, COMMITS);
        if (power_cut)
            qr_sim_power_cut(sim);
        else
            qr_sim_kill(sim);
        qr_sim_fault_next(sim, 0, false, QR_OK);
        assert_history_holds(sim, &h, power_cut);
        qr_sim_free(sim);
    }
}

static void test_nothing_acknowledged_is_lost_when_one_io_fails(void **state)
{
    (void)state;
    sweep(FAILS_ONCE, false, 102);
    sweep(FAILS_ONCE, true, 201);
}

static void test_nothing_acknowledged_is_lost_when_the_power_goes_at_any_io(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        sweep(FAILS_FOR_EVER, true, seed * 100003);
    sweep(FAILS_FOR_EVER, false, 303);
}

/* A sync that fails leaves blocks that only the kernel has. Who opens then reads them and shows
 * what is in them, so they must last from there on. */
static void test_what_an_open_found_outlasts_a_power_cut(void **state)
{
    (void)state;
    bool fired = true;
    for (uint64_t nth = 1; fired; nth += STRIDE) {
        struct qr_sim *sim =
            qr_sim_new(&(struct qr_sim_options){.seed = 7 + nth, .io_fault_at = nth});
        struct qr_store *store = NULL;
        struct qr_conn *conn = NULL;
        struct history h = {0};
        work(sim, &h);
        fired = qr_sim_fault_fired(sim);
        qr_sim_kill(sim);
        int64_t found = open_and_compare(sim, &h, &store, &conn);
        if (conn != NULL) {
            qr_conn_close(conn);
            qr_store_abandon(store);
            qr_sim_power_cut(sim);
            if (found > h.acknowledged)
                h.acknowledged = (int)found;
            conn = NULL;
            (void)open_and_compare(sim, &h, &store, &conn);
            if (conn != NULL) {
                qr_conn_close(conn);
                qr_store_abandon(store);
            }
        }
        qr_sim_free(sim);
    }
}

static void test_a_write_that_finds_no_space_loses_nothing(void **state)
{
    (void)state;
    sweep(DISK_FULL, true, 401);
}

/* Fills the disk until commits fail, gives space back, and goes on with the same store. */
static void test_service_goes_on_when_a_full_disk_gets_space_again(void **state)
{
    (void)state;
    struct qr_sim *sim = qr_sim_new(&(struct qr_sim_options){.seed = 5});
    struct history h = {0};
    struct qr_store_options options = options_on(sim, &h);
    struct qr_store *store = NULL;
    struct qr_conn *conn = NULL;
    assert_int_equal(qr_store_create("db", &options, &store, NULL), QR_OK);
    assert_int_equal(qr_conn_open(store, NULL, &conn, NULL), QR_OK);
    assert_int_equal(qr_conn_lock_writer(conn, 1, NULL, NULL, NULL), QR_OK);
    assert_int_equal(run(conn, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)"), SQLITE_OK);
    qr_sim_disk_limit(sim, 3 << 20);
    int rc = SQLITE_OK, count = 0;
    while (rc == SQLITE_OK && count < 10000) {
        rc = run(conn, "INSERT INTO t(b) VALUES(randomblob(5000))");
        count += rc == SQLITE_OK;
        (void)!qr_store_flush(store, NULL);
        if (count % 50 == 0)
            (void)!qr_store_checkpoint(store, NULL); /* fails, too, sooner or later */
    }
    assert_int_equal(rc, SQLITE_FULL);
    assert_int_equal(qr_conn_last_error(conn, NULL), QR_FULL);
    assert_int_equal(qr_conn_over(conn), QR_LIMIT_NONE);
    assert_int_equal(number(conn, "SELECT count(*) FROM t"), count); /* still answers */
    qr_sim_disk_limit(sim, 0);
    for (int i = 0; i < 20; i++, count++)
        assert_int_equal(run(conn, "INSERT INTO t(b) VALUES(randomblob(5000))"), SQLITE_OK);
    assert_int_equal(qr_store_checkpoint(store, NULL), QR_OK);
    qr_conn_unlock_writer(conn);
    qr_conn_close(conn);
    assert_int_equal(qr_store_wait_durable(store, qr_store_head_lsn(store), NULL), QR_OK);
    qr_store_abandon(store);
    qr_sim_power_cut(sim);
    assert_int_equal(qr_store_open("db", &options, &store, NULL), QR_OK);
    assert_int_equal(qr_conn_open(store, NULL, &conn, NULL), QR_OK);
    assert_int_equal(number(conn, "SELECT count(*) FROM t"), count);
    assert_int_equal(number(conn, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
    assert_false(h.fatal);
    qr_conn_close(conn);
    assert_int_equal(qr_store_close(store, NULL), QR_OK);
    qr_sim_free(sim);
}

static struct qr_sim *with_data(uint64_t seed, bool close)
{
    struct qr_sim *sim = qr_sim_new(&(struct qr_sim_options){.seed = seed});
    struct history h = {0};
    struct qr_store_options options = options_on(sim, &h);
    struct qr_store *store = NULL;
    struct qr_conn *conn = NULL;
    assert_int_equal(qr_store_create("db", &options, &store, NULL), QR_OK);
    assert_int_equal(qr_conn_open(store, NULL, &conn, NULL), QR_OK);
    assert_int_equal(qr_conn_lock_writer(conn, 1, NULL, NULL, NULL), QR_OK);
    assert_int_equal(run(conn, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)"), SQLITE_OK);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(run(conn, "INSERT INTO t(b) VALUES(randomblob(3000))"), SQLITE_OK);
        assert_int_equal(qr_store_flush(store, NULL), QR_OK);
    }
    qr_conn_unlock_writer(conn);
    qr_conn_close(conn);
    if (close)
        assert_int_equal(qr_store_close(store, NULL), QR_OK);
    else
        qr_store_abandon(store);
    return sim;
}

static void test_a_damaged_page_is_error_824_and_the_rest_still_answers(void **state)
{
    (void)state;
    struct qr_sim *sim = with_data(6, true);
    uint64_t page_offset = 65536 + 12 * 8192;
    assert_int_equal(qr_sim_flip_bit(sim, "db/data", (page_offset + 4000) * 8), QR_OK);
    struct history h = {0};
    struct qr_store_options options = options_on(sim, &h);
    struct qr_store *store = NULL;
    struct qr_conn *conn = NULL;
    struct qr_err err = {0};
    assert_int_equal(qr_store_open("db", &options, &store, NULL), QR_OK);
    assert_int_equal(qr_conn_open(store, NULL, &conn, NULL), QR_OK);
    assert_int_equal(run(conn, "SELECT sum(length(b)) FROM t"), SQLITE_CORRUPT);
    assert_int_equal(qr_conn_last_error(conn, &err), QR_CORRUPT);
    assert_int_equal(err.number, 824);
    assert_int_equal(run(conn, "SELECT b FROM t WHERE a = 1"), SQLITE_OK);
    qr_conn_close(conn);
    qr_store_abandon(store);
    qr_sim_free(sim);
}

static void test_a_damaged_block_inside_the_log_is_error_824(void **state)
{
    (void)state;
    int corrupt = 0;
    for (uint64_t sector = 8; sector < 8 + 7 * 20; sector += 7) {
        struct qr_sim *sim = with_data(7, false);
        assert_int_equal(qr_sim_flip_bit(sim, "db/log.0000000000000001", (sector * 512 + 100) * 8),
                         QR_OK);
        struct history h = {0};
        struct qr_store_options options = options_on(sim, &h);
        struct qr_store *store = NULL;
        struct qr_err err = {0};
        enum qr_status status = qr_store_open("db", &options, &store, &err);
        if (status == QR_CORRUPT) {
            assert_int_equal(err.number, 824);
            corrupt++;
        } else {
            assert_int_equal(status, QR_OK); /* the bit was in padding */
            qr_store_abandon(store);
        }
        qr_sim_free(sim);
    }
    assert_true(corrupt >= 15);
}

static void test_damaged_headers_never_open_as_something_else(void **state)
{
    (void)state;
    static const char *const files[] = {"db/data", "db/log.0000000000000001", "db/double-write"};
    for (size_t f = 0; f < 3; f++) {
        for (uint64_t bit = 0; bit < 8 * 120; bit += 37 * STRIDE) {
            struct qr_sim *sim = with_data(8, f != 1);
            for (uint64_t copy = 0; copy < 2; copy++) /* both header slots */
                (void)!qr_sim_flip_bit(sim, files[f], bit + (f == 0 ? copy * 4096 * 8 : 0));
            struct history h = {0};
            struct qr_store_options options = options_on(sim, &h);
            struct qr_store *store = NULL;
            struct qr_conn *conn = NULL;
            enum qr_status status = qr_store_open("db", &options, &store, NULL);
            if (status == QR_OK) {
                assert_int_equal(qr_conn_open(store, NULL, &conn, NULL), QR_OK);
                assert_int_equal(number(conn, "SELECT count(*) FROM t"), 40);
                qr_conn_close(conn);
                qr_store_abandon(store);
            } else {
                assert_true(status == QR_CORRUPT || status == QR_UNSUPPORTED);
            }
            qr_sim_free(sim);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_acknowledged_is_lost_when_one_io_fails),
        cmocka_unit_test(test_nothing_acknowledged_is_lost_when_the_power_goes_at_any_io),
        cmocka_unit_test(test_what_an_open_found_outlasts_a_power_cut),
        cmocka_unit_test(test_a_write_that_finds_no_space_loses_nothing),
        cmocka_unit_test(test_service_goes_on_when_a_full_disk_gets_space_again),
        cmocka_unit_test(test_a_damaged_page_is_error_824_and_the_rest_still_answers),
        cmocka_unit_test(test_a_damaged_block_inside_the_log_is_error_824),
        cmocka_unit_test(test_damaged_headers_never_open_as_something_else),
    };
    struct qr_err err = {0};
    if (qr_vfs_init(&err) != QR_OK)
        return 99;
    return cmocka_run_group_tests_name("vfs/faults", tests, NULL, NULL);
}
