/* test_hyper_threads.c - SQLite on log service and page server over unix sockets, with all their
 * threads: writers and readers at once, a small cache, a compute process that dies. */
#include "qr_test.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "blob/blob.h"
#include "logsvc/logsvc.h"
#include "logsvc/peer.h"
#include "logsvc/piece.h"
#include "logsvc/serve.h"
#include "pagesvc/client.h"
#include "rpc/socket.h"
#include "store/hyper.h"
#include "vfs/conn.h"

enum {
    PAGE_BYTES = 4096,
    CACHE_BYTES = 1 << 20,
    RBPEX_BYTES = 2 << 20, /* less than the data */
    WRITERS = 3,
    READERS = 2,
    ROWS = 4000,
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    WRITES = 60, /* of each writer */
#else
    WRITES = 400,
#endif
    FEED_BYTES = 1 << 20,
};

struct services {
    char dir[64], url[96], log_dir[96], pages_dir[96], log_address[96], pages_address[96];
    struct qr_blob *blob;
    struct qr_logsvc *log;
    struct qr_pagesvc *pages;
    struct qr_rpc_loop *loop, *client_loop;
    struct qr_rpc_listener *log_listener, *pages_listener;
    struct qr_rpc_client *log_client, *pages_client, *feed_client;
    struct qr_slice_id slice;
    pthread_t feeder;
    _Atomic bool feeder_stops;
};

static void check(enum qr_status status, const struct qr_err *err)
{
    if (status != QR_OK) {
        fprintf(stderr, "%s: %s\n", qr_status_info(status)->name, err->text);
        abort();
    }
}

/* Log to the page server as it is hardened, through the log service's calls. */
static void *feeder_main(void *arg)
{
    struct services *s = arg;
    struct qr_rpc_peer *peer = qr_rpc_client_peer(s->feed_client);
    while (!atomic_load(&s->feeder_stops)) {
        struct qr_slice_cursor cursor;
        struct qr_logsvc_state state;
        struct qr_err err = {0};
        struct qr_buf body;
        size_t at = 0;
        qr_buf_init(&body, 8 * FEED_BYTES);
        if (qr_pagesvc_cursor(s->pages, &s->slice, &cursor))
            check(qr_logsvc_peer_read(peer, &cursor.source, cursor.next.v, FEED_BYTES, 0, &body,
                                      &at, &state, &err),
                  &err);
        bool any = at < body.len;
        while (at < body.len) {
            struct qr_piece piece;
            check(qr_piece_next(body.data, body.len, &at, &piece, &err), &err);
            check(qr_pagesvc_ingest(s->pages, &s->slice, &cursor.source, piece.epoch,
                                    qr_lsn(piece.first_lsn), piece.data, piece.bytes, &err),
                  &err);
        }
        qr_buf_done(&body);
        if (!any)
            usleep(1000);
    }
    return NULL;
}

static void listen_at(struct services *s, const char *address, qr_rpc_serve_fn *serve, void *ctx,
                      int workers, struct qr_rpc_listener **ret)
{
    struct qr_err err = {0};
    struct qr_rpc_listen_options o = {
        .address = address, .serve = serve, .ctx = ctx, .workers = workers};
    check(qr_rpc_listen(s->loop, &o, ret, &err), &err);
}

static struct qr_rpc_client *client_of(struct services *s, const char *address)
{
    struct qr_err err = {0};
    struct qr_rpc_client *client = NULL;
    struct qr_rpc_client_options o = {.address = address, .patient = true};
    check(qr_rpc_client_new(s->client_loop, &o, &client, &err), &err);
    return client;
}

static struct qr_hyper_options hyper_options(struct services *s)
{
    return (struct qr_hyper_options){.timeline = s->slice.timeline,
                                     .log = qr_rpc_client_peer(s->log_client),
                                     .pages = qr_rpc_client_peer(s->pages_client),
                                     .rbpex_bytes = RBPEX_BYTES,
                                     .force = true};
}

static void begin(struct services *s)
{
    struct qr_err err = {0};
    *s = (struct services){.slice = {.timeline = {{0x77}}}};
    snprintf(s->dir, sizeof s->dir, "/tmp/quire-test-hyper-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->url, sizeof s->url, "file://%s/blob", s->dir);
    snprintf(s->log_dir, sizeof s->log_dir, "%s/log", s->dir);
    snprintf(s->pages_dir, sizeof s->pages_dir, "%s/pages", s->dir);
    snprintf(s->log_address, sizeof s->log_address, "unix:%s/s/log", s->dir);
    snprintf(s->pages_address, sizeof s->pages_address, "unix:%s/s/pages", s->dir);
    struct qr_env *env = qr_env_real();
    check(qr_blob_open(env, NULL, s->url, "", &s->blob, &err), &err);
    struct qr_logsvc_options l = {.env = env, .dir = s->log_dir};
    check(qr_logsvc_open(&l, &s->log, &err), &err);
    struct qr_pagesvc_options p = {
        .env = env, .dir = s->pages_dir, .blob = s->blob, .open_layer_bytes = 1 << 20};
    check(qr_pagesvc_open(&p, &s->pages, &err), &err);
    struct qr_rpc_loop_options o = {.env = env};
    check(qr_rpc_loop_new(&o, &s->loop, &err), &err);
    check(qr_rpc_loop_new(&o, &s->client_loop, &err), &err);
    listen_at(s, s->log_address, qr_logsvc_serve, s->log, 0, &s->log_listener);
    listen_at(s, s->pages_address, qr_pagesvc_serve, s->pages, 2, &s->pages_listener);
    s->log_client = client_of(s, s->log_address);
    s->pages_client = client_of(s, s->pages_address);
    s->feed_client = client_of(s, s->log_address);
    struct qr_hyper_options h = hyper_options(s);
    check(qr_hyper_create(&h, PAGE_BYTES, &err), &err);
    assert_int_equal(pthread_create(&s->feeder, NULL, feeder_main, s), 0);
}

static void end(struct services *s)
{
    atomic_store(&s->feeder_stops, true);
    pthread_join(s->feeder, NULL);
    qr_rpc_client_free(s->log_client);
    qr_rpc_client_free(s->pages_client);
    qr_rpc_client_free(s->feed_client);
    qr_rpc_listener_free(s->log_listener);
    qr_rpc_listener_free(s->pages_listener);
    qr_logsvc_close(s->log);
    qr_pagesvc_close(s->pages);
    qr_rpc_loop_free(s->loop);
    qr_rpc_loop_free(s->client_loop);
    qr_blob_close(s->blob);
    char command[160];
    snprintf(command, sizeof command, "rm -rf '%s'", s->dir);
    assert_int_equal(system(command), 0);
}

static _Atomic int fatal_count;
static void count_fatal(void *ctx, const struct qr_err *err)
{
    (void)ctx;
    (void)err;
    atomic_fetch_add(&fatal_count, 1);
}

static struct qr_store *open_store(struct services *s, const char *name)
{
    char dir[128];
    struct qr_err err = {0};
    struct qr_store *store = NULL;
    struct qr_store_options o = {
        .page_bytes = PAGE_BYTES, .cache_bytes = CACHE_BYTES, .fatal = count_fatal};
    struct qr_hyper_options h = hyper_options(s);
    snprintf(dir, sizeof dir, "%s/%s", s->dir, name);
    check(qr_hyper_open(dir, &o, &h, &store, &err), &err);
    return store;
}

static struct qr_store *open_replica(struct services *s, const char *name)
{
    char dir[128];
    struct qr_err err = {0};
    struct qr_store *store = NULL;
    struct qr_store_options o = {
        .page_bytes = PAGE_BYTES, .cache_bytes = CACHE_BYTES, .fatal = count_fatal};
    struct qr_hyper_options h = hyper_options(s);
    snprintf(dir, sizeof dir, "%s/%s", s->dir, name);
    check(qr_hyper_open_replica(dir, &o, &h, &store, &err), &err);
    return store;
}

static struct qr_conn *connect_to(struct qr_store *store)
{
    struct qr_conn *conn = NULL;
    struct qr_err err = {0};
    check(qr_conn_open(store, NULL, &conn, &err), &err);
    return conn;
}

static void must_run(struct qr_conn *conn, const char *sql)
{
    if (sqlite3_exec(qr_conn_db(conn), sql, NULL, NULL, NULL) == SQLITE_OK)
        return;
    struct qr_err err = {0};
    (void)qr_conn_last_error(conn, &err);
    fprintf(stderr, "%s: %s: %s\n", sql, sqlite3_errmsg(qr_conn_db(conn)), err.text);
    abort();
}

static void commit(struct qr_conn *conn, const char *sql)
{
    struct qr_err err = {0};
    check(qr_conn_lock_writer(conn, 1, NULL, NULL, &err), &err);
    must_run(conn, sql);
    qr_conn_unlock_writer(conn);
    check(qr_store_wait_durable(qr_conn_store(conn), qr_conn_commit_lsn(conn), &err), &err);
}

static int64_t number(struct qr_conn *conn, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(qr_conn_db(conn), sql, -1, &stmt, NULL);
    if (rc != SQLITE_OK || sqlite3_step(stmt) != SQLITE_ROW) {
        fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(qr_conn_db(conn)));
        abort();
    }
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

#define SOUND "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"

static struct qr_store *shared;
static _Atomic int writers_left, wrong;

/* Moves amounts about; the sum never changes. */
static void *writer_main(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    struct qr_conn *conn = connect_to(shared);
    for (int i = 0; i < WRITES; i++) {
        char sql[256];
        int from = 1 + rand_r(&seed) % ROWS, to = 1 + rand_r(&seed) % ROWS;
        snprintf(sql, sizeof sql,
                 "BEGIN; UPDATE t SET v = v - 1 WHERE a = %d; UPDATE t SET v = v + 1 WHERE a = %d;"
                 "INSERT INTO log(w) VALUES(%d); COMMIT",
                 from, to, (int)(uintptr_t)arg);
        commit(conn, sql);
    }
    qr_conn_close(conn);
    atomic_fetch_sub(&writers_left, 1);
    return NULL;
}

static void *reader_main(void *arg)
{
    (void)arg;
    struct qr_conn *conn = connect_to(shared);
    while (atomic_load(&writers_left) > 0)
        if (number(conn, "SELECT sum(v) FROM t") != 0)
            atomic_fetch_add(&wrong, 1);
    qr_conn_close(conn);
    return NULL;
}

static void test_writers_and_readers_share_a_small_cache_over_sockets(void **state)
{
    (void)state;
    struct services s;
    struct qr_err err = {0};
    begin(&s);
    shared = open_store(&s, "a");
    struct qr_conn *conn = connect_to(shared);
    commit(conn, "CREATE TABLE t(a INTEGER PRIMARY KEY, v INTEGER, b TEXT);"
                 "CREATE TABLE log(id INTEGER PRIMARY KEY, w INTEGER);"
                 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 4000)"
                 "INSERT INTO t SELECT i, 0, hex(zeroblob(400)) FROM n");
    pthread_t threads[WRITERS + READERS];
    atomic_store(&writers_left, WRITERS);
    for (int i = 0; i < WRITERS + READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, i < WRITERS ? writer_main : reader_main,
                                        (void *)(uintptr_t)(i + 1)),
                         0);
    for (int i = 0; i < WRITERS + READERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&wrong), 0);
    struct qr_store_stats stats;
    qr_store_get_stats(shared, &stats);
    assert_true(stats.evictions > 100 && stats.pages_read > 100);
    assert_true(stats.rbpex.hits > 0 && stats.rbpex.written > 0);
    assert_int_equal(stats.rbpex.damaged + stats.rbpex.failed, 0);
    qr_conn_close(conn);
    qr_store_abandon(shared);

    shared = open_store(&s, "a");
    conn = connect_to(shared);
    assert_int_equal(number(conn, "SELECT count(*) FROM log"), WRITERS * WRITES);
    assert_int_equal(number(conn, "SELECT sum(v) FROM t"), 0);
    assert_int_equal(number(conn, SOUND), 1);
    qr_conn_close(conn);
    check(qr_store_close(shared, &err), &err);
    assert_int_equal(atomic_load(&fatal_count), 0);
    end(&s);
}

static void test_a_primary_that_lost_its_epoch_ends_without_a_commit(void **state)
{
    (void)state;
    struct services s;
    begin(&s);
    atomic_store(&fatal_count, 0);
    struct qr_store *old = open_store(&s, "a");
    struct qr_conn *old_conn = connect_to(old);
    commit(old_conn, "CREATE TABLE t(a); INSERT INTO t VALUES(1)");
    struct qr_store *new = open_store(&s, "b");
    struct qr_conn *new_conn = connect_to(new);
    struct qr_err err = {0};
    check(qr_conn_lock_writer(old_conn, 1, NULL, NULL, &err), &err);
    must_run(old_conn, "INSERT INTO t VALUES(2)");
    qr_conn_unlock_writer(old_conn);
    assert_int_equal(qr_store_wait_durable(old, qr_conn_commit_lsn(old_conn), &err), QR_CLOSED);
    assert_int_equal(atomic_load(&fatal_count), 1);
    assert_int_equal(number(new_conn, "SELECT sum(a) FROM t"), 1);
    commit(new_conn, "INSERT INTO t VALUES(3)");
    assert_int_equal(number(new_conn, "SELECT sum(a) FROM t"), 4);
    qr_conn_close(old_conn);
    qr_store_abandon(old);
    qr_conn_close(new_conn);
    check(qr_store_close(new, &err), &err);
    end(&s);
}

static struct qr_store *followed;
static _Atomic int readers_stop;

static void *replica_reader_main(void *arg)
{
    (void)arg;
    struct qr_conn *conn = connect_to(followed);
    while (!atomic_load(&readers_stop)) {
        struct qr_err err = {0};
        check(qr_conn_pin(conn, &err), &err);
        int64_t rows = number(conn, "SELECT count(*) FROM log");
        if (number(conn, "SELECT sum(v) FROM t") != 0 ||
            number(conn, "SELECT count(*) FROM log") != rows)
            atomic_fetch_add(&wrong, 1);
        qr_conn_unpin(conn);
    }
    qr_conn_close(conn);
    return NULL;
}

static void wait_for(struct qr_store *store, struct qr_lsn lsn)
{
    struct qr_err err = {0};
    check(qr_store_wait_durable(store, lsn, &err), &err);
}

/* Readers of a replica go on through its promotion, and while it is written to. */
static void test_readers_of_a_replica_see_whole_commits_before_and_after_its_promotion(void **state)
{
    (void)state;
    struct services s;
    struct qr_err err = {0};
    begin(&s);
    atomic_store(&fatal_count, 0);
    atomic_store(&wrong, 0);
    atomic_store(&readers_stop, 0);
    struct qr_store *first = shared = open_store(&s, "a");
    struct qr_conn *conn = connect_to(shared);
    commit(conn, "CREATE TABLE t(a INTEGER PRIMARY KEY, v INTEGER, b TEXT);"
                 "CREATE TABLE log(id INTEGER PRIMARY KEY, w INTEGER);"
                 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 4000)"
                 "INSERT INTO t SELECT i, 0, hex(zeroblob(400)) FROM n");
    followed = open_replica(&s, "r");
    pthread_t readers[READERS], writers[WRITERS];
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, replica_reader_main, NULL), 0);
    for (int round = 0; round < 2; round++) {
        atomic_store(&writers_left, WRITERS);
        for (int i = 0; i < WRITERS; i++)
            assert_int_equal(
                pthread_create(&writers[i], NULL, writer_main, (void *)(uintptr_t)(i + 1)), 0);
        for (int i = 0; i < WRITERS; i++)
            pthread_join(writers[i], NULL);
        if (round > 0)
            break;
        check(qr_hyper_promote(followed, 0, true, &err), &err);
        assert_int_equal(qr_store_durable_lsn(followed).v, qr_store_durable_lsn(shared).v);
        shared = followed;
    }
    struct qr_store *last = open_replica(&s, "u");
    wait_for(last, qr_store_durable_lsn(followed));
    atomic_store(&readers_stop, 1);
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    struct qr_conn *last_conn = connect_to(last);
    assert_int_equal(number(last_conn, "SELECT count(*) FROM log"), 2 * WRITERS * WRITES);
    assert_int_equal(number(last_conn, SOUND), 1);
    assert_int_equal(atomic_load(&wrong), 0);
    qr_conn_close(last_conn);
    check(qr_store_close(last, &err), &err);
    qr_conn_close(conn);
    qr_store_abandon(first);
    check(qr_store_close(followed, &err), &err);
    end(&s);
}

int main(void)
{
    if (qr_vfs_init(NULL) != QR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writers_and_readers_share_a_small_cache_over_sockets),
        cmocka_unit_test(test_a_primary_that_lost_its_epoch_ends_without_a_commit),
        cmocka_unit_test(
            test_readers_of_a_replica_see_whole_commits_before_and_after_its_promotion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
