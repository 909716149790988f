/* test_hyper_storage.c - a database whose page server hangs or has damage, and clocks that step. */
#include "hyper_sql.h"
#include "page/datafile.h"

enum { ROWS = 400 };

static int64_t now(struct hw *w)
{
    return qr_env_mono_ns(qr_sim_env(w->compute_sim));
}

static struct qr_store *open_store(struct hw *w, const char *name, int64_t page_timeout_ns)
{
    char dir[64];
    snprintf(dir, sizeof dir, "/%s", name);
    struct qr_store_options o = {.env = qr_sim_env(w->compute_sim),
                                 .page_bytes = HW_PAGE_BYTES,
                                 .cache_bytes = HW_CACHE_BYTES,
                                 .threads_off = true,
                                 .fatal = hw_fatal,
                                 .fatal_ctx = w};
    struct qr_hyper_options h = hw_options(w, name);
    h.page_timeout_ns = page_timeout_ns;
    struct qr_store *store = NULL;
    struct qr_err err = {0};
    hw_check(qr_hyper_open(dir, &o, &h, &store, &err), &err);
    return store;
}

/* About six times the cache. */
static void fill(struct qr_conn *conn)
{
    commit(conn, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)");
    for (int i = 0; i < ROWS; i += 20) {
        char sql[256];
        snprintf(sql, sizeof sql,
                 "WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
                 "INSERT INTO t SELECT i, randomblob(3900) FROM n",
                 i, i + 19);
        commit(conn, sql);
    }
}

static void cut_pages(struct hw *w, const char *name, bool cut)
{
    struct qr_simnet_node *node = qr_simnet_node(w->net, name);
    qr_simnet_cut(w->net, node, w->pages_node, cut);
    qr_simnet_cut(w->net, w->pages_node, node, cut);
}

static void test_a_hung_page_server_is_an_error_by_the_deadline_and_commits_go_on(void **state)
{
    (void)state;
    struct hw w;
    hw_begin(&w, 31, NULL);
    struct qr_store *store = open_store(&w, "a", 500 * HW_MS);
    struct qr_conn *conn = connect_to(store);
    fill(conn);
    commit(conn, "CREATE TABLE hot(a)");
    commit(conn, "INSERT INTO hot VALUES(1)");
    cut_pages(&w, "a", true);
    int64_t began = now(&w);
    assert_int_not_equal(run(conn, "SELECT sum(length(b)) FROM t"), SQLITE_OK);
    int64_t took = now(&w) - began;

    assert_true(took >= 400 * HW_MS);
    assert_true(took < 2000 * HW_MS); /* twice: SQLite asks again for what it could not map */
    for (int i = 0; i < 3; i++)       /* what is cached is read and written as ever */
        commit(conn, "UPDATE hot SET a = a + 1");
    assert_int_equal(number(conn, "SELECT a FROM hot"), 4);
    assert_int_equal(w.fatal_count, 0);
    cut_pages(&w, "a", false);
    assert_int_equal(number(conn, "SELECT sum(length(b)) FROM t"), ROWS * 3900);
    assert_sound(conn);
    qr_conn_close(conn);
    assert_int_equal(qr_store_close(store, NULL), QR_OK);
    hw_end(&w);
}

static void idle(struct hw *w, struct qr_store *store, int64_t ns)
{
    for (int64_t until = now(w) + ns; now(w) < until;) {
        qr_hyper_step(store);
        qr_simnet_run(w->net, 50 * HW_MS);
    }
}

/* Until the log service has refused an append. */
static int publish_until_full(struct hw *w, struct qr_store *store, struct qr_conn *conn)
{
    struct qr_logsvc_stats stats = {0};
    int rows = 0;
    for (; stats.refused_busy == 0; rows += 20) {
        assert_true(rows < ROWS * 10);
        publish(conn,
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) "
                "INSERT INTO t SELECT NULL, randomblob(3900) FROM n");
        qr_hyper_step(store);
        qr_simnet_run(w->net, HW_MS);
        qr_logsvc_stats(w->log, &stats);
    }
    return rows;
}

/* A minute is what an append without an answer gets; this one has answers. */
static void test_a_full_disk_of_the_log_service_ends_nobody(void **state)
{
    (void)state;
    struct hw w;
    hw_begin(&w, 33, NULL);
    struct qr_store *store = open_store(&w, "a", 500 * HW_MS);
    struct qr_conn *conn = connect_to(store), *reader = connect_to(store);
    fill(conn);
    struct qr_lsn before = qr_conn_commit_lsn(conn);
    qr_sim_disk_limit(w.log_sim, 1);
    int rows = publish_until_full(&w, store, conn);
    idle(&w, store, 120000 * HW_MS);
    assert_int_equal(w.fatal_count, 0);
    assert_true(qr_store_durable_lsn(store).v >= before.v);
    assert_true(qr_store_durable_lsn(store).v < qr_conn_commit_lsn(conn).v);
    struct qr_err err = {0}; /* who comes now is told, and what is durable is read */
    assert_int_equal(qr_conn_lock_writer(conn, 1, NULL, NULL, &err), QR_FULL);
    assert_true(number(reader, "SELECT count(*) FROM t") >= ROWS);
    qr_sim_disk_limit(w.log_sim, 0);
    hw_check(qr_store_wait_durable(store, qr_conn_commit_lsn(conn), &err), &err);
    commit(conn, "INSERT INTO t VALUES(NULL, randomblob(3900))");
    assert_int_equal(number(conn, "SELECT count(*) FROM t"), ROWS + rows + 1);
    assert_int_equal(w.fatal_count, 0);
    assert_sound(conn);
    qr_conn_close(reader);
    qr_conn_close(conn);
    assert_int_equal(qr_store_close(store, NULL), QR_OK);
    hw_end(&w);
}

/* The log service comes back with what is durable, and, since its journal is over the limit, with
 * more room. */
static void restart_log(struct hw *w)
{
    hw_log_fails(w, 10 * HW_MS);
    qr_simnet_run(w->net, 20 * HW_MS);
}

/* The oldest append is told that there is no room, and those behind it only that one is missing
 * before them, which is an answer as well. */
static void test_a_full_journal_ends_nobody(void **state)
{
    (void)state;
    struct hw w;
    hw_begin(&w, 34, NULL);
    w.log_options.journal_bytes_max = 4 << 20;
    restart_log(&w);
    struct qr_store *store = open_store(&w, "a", 500 * HW_MS);
    struct qr_conn *conn = connect_to(store);
    fill(conn);
    int rows = publish_until_full(&w, store, conn);
    for (int i = 0; i < 3; i++) { /* several appends wait */
        publish(conn, "INSERT INTO t VALUES(NULL, randomblob(3900))");
        qr_hyper_step(store);
        qr_simnet_run(w.net, HW_MS);
    }
    idle(&w, store, 120000 * HW_MS);
    assert_int_equal(w.fatal_count, 0);
    struct qr_err err = {0};
    assert_int_equal(qr_conn_lock_writer(conn, 1, NULL, NULL, &err), QR_BUSY);
    restart_log(&w);
    hw_check(qr_store_wait_durable(store, qr_conn_commit_lsn(conn), &err), &err);
    assert_int_equal(number(conn, "SELECT count(*) FROM t"), ROWS + rows + 3);
    assert_int_equal(w.fatal_count, 0);
    assert_sound(conn);
    qr_conn_close(conn);
    assert_int_equal(qr_store_close(store, NULL), QR_OK);
    hw_end(&w);
}

struct damage {
    struct hw *w;
    char folder[128];
    const char *part;
    int count;
};

static bool damage_middle(void *arg, const char *name)
{
    struct damage *d = arg;
    char path[400];
    uint64_t bytes = 0;
    struct qr_file *file = NULL;
    if (strstr(name, d->part) == NULL)
        return true;
    snprintf(path, sizeof path, "%s/%s", d->folder, name);
    assert_int_equal(qr_env_open(qr_sim_env(d->w->pages_sim), path, QR_OPEN_READ, &file, NULL),
                     QR_OK);
    assert_int_equal(qr_file_size(file, &bytes, NULL), QR_OK);
    qr_file_close(file);
    if (bytes > 100000) { /* blocks are most of these */
        assert_int_equal(qr_sim_flip_bit(d->w->pages_sim, path, bytes / 2 * 8), QR_OK);
        d->count++;
    }
    return true;
}

static void damage_in(struct hw *w, const char *folder, const char *part)
{
    struct damage d = {.w = w, .part = part};
    snprintf(d.folder, sizeof d.folder, "%s", folder);
    assert_int_equal(qr_env_list(qr_sim_env(w->pages_sim), folder, damage_middle, &d, NULL), QR_OK);
    assert_true(d.count > 0);
}

static void test_a_page_damaged_in_every_copy_is_824_and_the_rest_answers(void **state)
{
    (void)state;
    struct hw w;
    hw_begin(&w, 32, NULL);
    struct qr_store *store = open_store(&w, "a", 500 * HW_MS);
    struct qr_conn *conn = connect_to(store);
    commit(conn, "CREATE TABLE kept(a)");
    commit(conn, "INSERT INTO kept VALUES(7)");
    fill(conn);
    qr_simnet_run(w.net, 200 * HW_MS);
    hw_check(qr_pagesvc_flush(w.pages, &w.slice, NULL), NULL);
    char hex[QR_TIMELINE_HEX_BYTES], folder[128];
    qr_timeline_hex(&w.slice.timeline, hex);
    snprintf(folder, sizeof folder, "/blob/pages/%s/0", hex);
    damage_in(&w, folder, ".delta");
    struct qr_err err = {0};
    assert_int_not_equal(run(conn, "SELECT sum(length(b)) FROM t"), SQLITE_OK);
    assert_int_equal(qr_conn_last_error(conn, &err), QR_CORRUPT);
    assert_int_equal(err.number, 824);
    assert_int_equal(number(conn, "SELECT a FROM kept"), 7);
    int readable = 0;
    for (int i = 0; i < ROWS; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "SELECT length(b) FROM t WHERE a = %d", i);
        readable += run(conn, sql) == SQLITE_OK;
    }
    assert_true(readable > ROWS / 4);
    assert_true(readable < ROWS);
    assert_int_equal(w.fatal_count, 0);
    qr_conn_close(conn);
    assert_int_equal(qr_store_close(store, NULL), QR_OK);
    hw_end(&w);
}

/* --- clocks --- */

static void test_commit_times_only_grow_whatever_the_clock_does(void **state)
{
    (void)state;
    static const int64_t hour = INT64_C(3600) * 1000000000;
    const int64_t steps[] = {0, -hour, 1, hour, -48 * hour, 0, 1000000, -1};
    struct hw w;
    hw_begin(&w, 33, NULL);
    int64_t wall = qr_env_wall_ns(qr_sim_env(w.compute_sim));
    uint64_t last = 0;
    for (int epoch = 0; epoch < 3; epoch++) { /* a successor's clock is behind */
        struct qr_store *store = open_store(&w, epoch == 0 ? "a" : epoch == 1 ? "b" : "c", 0);
        struct qr_conn *conn = connect_to(store);
        commit(conn, "CREATE TABLE IF NOT EXISTS t(a)");
        for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
            struct qr_logsvc_state s;
            qr_sim_set_wall(w.compute_sim, wall + steps[i] - epoch * hour);
            commit(conn, "INSERT INTO t VALUES(1)");
            assert_int_equal(qr_logsvc_state(w.log, &w.slice.timeline, &s, NULL), QR_OK);
            assert_true(s.commit_wall_ns > last);
            last = s.commit_wall_ns;
        }
        /* A restore by time finds the last commit by its own time. */
        uint64_t lsn, found;
        assert_int_equal(qr_logsvc_find(w.log, &w.slice.timeline, last, &lsn, &found, NULL), QR_OK);
        assert_int_equal(found, last);
        qr_conn_close(conn);
        qr_store_abandon(store);
    }
    hw_end(&w);
}

static uint64_t data_file_time(struct qr_env *env, const char *path)
{
    struct qr_file *file = NULL;
    uint64_t wall_ns = 0, sequence = 0;
    assert_int_equal(qr_env_open(env, path, QR_OPEN_READ, &file, NULL), QR_OK);
    for (uint64_t i = 0; i < QR_DATA_HEADER_SLOTS; i++) {
        uint8_t slot[QR_DATA_HEADER_SLOT_BYTES];
        struct qr_data_header h;
        if (qr_file_read_exactly(file, slot, sizeof slot, i * sizeof slot, NULL) == QR_OK &&
            qr_data_header_decode(slot, &h, NULL) == QR_OK && h.sequence > sequence) {
            wall_ns = h.commit_wall_ns;
            sequence = h.sequence;
        }
    }
    qr_file_close(file);
    return wall_ns;
}

static void test_commit_times_of_a_general_purpose_database_only_grow(void **state)
{
    (void)state;
    static const int64_t hour = INT64_C(3600) * 1000000000;
    const int64_t steps[] = {0, -hour, 2 * hour, -48 * hour, 1};
    struct qr_sim *sim = qr_sim_new(&(struct qr_sim_options){.seed = 34});
    struct qr_env *env = qr_sim_env(sim);
    int64_t wall = qr_env_wall_ns(env);
    uint64_t last = 0;
    struct qr_store_options o = {.env = env, .page_bytes = HW_PAGE_BYTES, .threads_off = true};
    for (int epoch = 0; epoch < 3; epoch++) {
        struct qr_store *store = NULL;
        struct qr_err err = {0};
        hw_check(epoch == 0 ? qr_store_create("/db", &o, &store, &err)
                            : qr_store_open("/db", &o, &store, &err),
                 &err);
        struct qr_conn *conn = connect_to(store);
        commit(conn, "CREATE TABLE IF NOT EXISTS t(a)");
        for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
            qr_sim_set_wall(sim, wall + steps[i] - epoch * hour);
            commit(conn, "INSERT INTO t VALUES(1)");
            hw_check(qr_store_checkpoint(store, &err), &err);
            uint64_t time = data_file_time(env, "/db/data");
            assert_true(time > last);
            last = time;
        }
        qr_conn_close(conn);
        if (epoch == 0)
            qr_store_abandon(store);
        else
            assert_int_equal(qr_store_close(store, &err), QR_OK);
    }
    qr_sim_free(sim);
}

int main(void)
{
    if (qr_vfs_init(NULL) != QR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_hung_page_server_is_an_error_by_the_deadline_and_commits_go_on),
        cmocka_unit_test(test_a_full_disk_of_the_log_service_ends_nobody),
        cmocka_unit_test(test_a_full_journal_ends_nobody),
        cmocka_unit_test(test_a_page_damaged_in_every_copy_is_824_and_the_rest_answers),
        cmocka_unit_test(test_commit_times_only_grow_whatever_the_clock_does),
        cmocka_unit_test(test_commit_times_of_a_general_purpose_database_only_grow),
    };
    return cmocka_run_group_tests_name("vfs/hyper_storage", tests, NULL, NULL);
}
