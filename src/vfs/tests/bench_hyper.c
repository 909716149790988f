/* bench_hyper.c - commits and log of a hyper store beside a store of files and beside synced writes
 * of the same disk: log service and page server on sockets, in this process but with their own
 * threads.
 *
 *   bench_hyper [DIRECTORY [seconds of each measure, default 2 [of the log's rate, default 10]]] */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "blob/blob.h"
#include "env/thread.h"
#include "logsvc/logsvc.h"
#include "logsvc/serve.h"
#include "pagesvc/client.h"
#include "pagesvc/feed.h"
#include "rpc/socket.h"
#include "store/hyper.h"
#include "vfs/conn.h"

enum {
    PAGE_BYTES = 8192,
    THREADS_MAX = 16,
    WIDE_ROWS = 64,
    WIDE_BYTES = 3900,
    TICK_US = 100000,
    PAGE_WORKERS = 4
};
static const double MIB = 1 << 20;

static struct {
    char dir[256];
    struct qr_blob *blob;
    struct qr_logsvc *log;
    struct qr_pagesvc *pages;
    struct qr_pagefeed *feed;
    struct qr_rpc_loop *log_loop, *pages_loop, *feed_loop, *client_loop;
    struct qr_rpc_listener *log_listener, *pages_listener;
    struct qr_rpc_client *log_client, *pages_client, *feed_client;
    pthread_t ticker;
    _Atomic bool ends;
} s;

static void check(enum qr_status status, const struct qr_err *err)
{
    if (status != QR_OK) {
        fprintf(stderr, "bench_hyper: %s: %s\n", qr_status_info(status)->name, err->text);
        exit(1);
    }
}

static double now(void)
{
    return (double)qr_env_mono_ns(qr_env_real()) / 1e9;
}

static const char *path(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *p = paths[next++ % 4];
    snprintf(p, sizeof paths[0], "%s/%s", s.dir, name);
    return p;
}

/* ---- services ---- */

static struct qr_rpc_loop *loop_new(const char *name)
{
    struct qr_err err = {0};
    struct qr_rpc_loop *loop = NULL;
    struct qr_rpc_loop_options o = {.env = qr_env_real(), .name = name};
    check(qr_rpc_loop_new(&o, &loop, &err), &err);
    return loop;
}

static struct qr_rpc_client *client_new(struct qr_rpc_loop *loop, const char *name)
{
    struct qr_err err = {0};
    struct qr_rpc_client *client = NULL;
    char address[600];
    snprintf(address, sizeof address, "unix:%s", path(name));
    struct qr_rpc_client_options o = {.address = address, .patient = true};
    check(qr_rpc_client_new(loop, &o, &client, &err), &err);
    return client;
}

static struct qr_rpc_listener *listen_at(struct qr_rpc_loop *loop, const char *name,
                                         qr_rpc_serve_fn *serve, void *ctx, int workers)
{
    struct qr_err err = {0};
    struct qr_rpc_listener *listener = NULL;
    char address[600];
    snprintf(address, sizeof address, "unix:%s", path(name));
    struct qr_rpc_listen_options o = {
        .address = address, .serve = serve, .ctx = ctx, .workers = workers};
    check(qr_rpc_listen(loop, &o, &listener, &err), &err);
    return listener;
}

static void *tick_main(void *arg)
{
    (void)arg;
    while (!atomic_load(&s.ends)) {
        qr_pagefeed_tick(s.feed);
        usleep(TICK_US);
    }
    return NULL;
}

static void begin_services(void)
{
    struct qr_err err = {0};
    char url[600];
    snprintf(url, sizeof url, "file://%s", path("blob"));
    check(qr_blob_open(qr_env_real(), NULL, url, NULL, &s.blob, &err), &err);
    check(qr_logsvc_open(
              &(struct qr_logsvc_options){.env = qr_env_real(), .dir = path("log"), .blob = s.blob},
              &s.log, &err),
          &err);
    check(qr_pagesvc_open(&(struct qr_pagesvc_options){.dir = path("pages"), .blob = s.blob},
                          &s.pages, &err),
          &err);
    s.log_loop = loop_new("log");
    s.pages_loop = loop_new("pages");
    s.feed_loop = loop_new("feed");
    s.client_loop = loop_new("client");
    s.log_listener = listen_at(s.log_loop, "s/log", qr_logsvc_serve, s.log, 0);
    s.pages_listener = listen_at(s.pages_loop, "s/pages", qr_pagesvc_serve, s.pages, PAGE_WORKERS);
    s.log_client = client_new(s.client_loop, "s/log");
    s.pages_client = client_new(s.client_loop, "s/pages");
    s.feed_client = client_new(s.feed_loop, "s/log");
    check(qr_pagefeed_new(&(struct qr_pagefeed_options){.svc = s.pages,
                                                        .logsvc = qr_rpc_client_peer(s.feed_client),
                                                        .reader_id = 1},
                          &s.feed, &err),
          &err);
    check(qr_thread_start("tick", 0, tick_main, NULL, &s.ticker, &err), &err);
}

static void end_services(void)
{
    atomic_store(&s.ends, true);
    pthread_join(s.ticker, NULL);
    qr_pagefeed_free(s.feed);
    qr_rpc_client_free(s.log_client);
    qr_rpc_client_free(s.pages_client);
    qr_rpc_client_free(s.feed_client);
    qr_rpc_listener_free(s.pages_listener);
    qr_rpc_listener_free(s.log_listener);
    qr_rpc_loop_free(s.client_loop);
    qr_rpc_loop_free(s.feed_loop);
    qr_rpc_loop_free(s.pages_loop);
    qr_rpc_loop_free(s.log_loop);
    qr_pagesvc_close(s.pages);
    qr_logsvc_close(s.log);
    qr_blob_close(s.blob);
}

/* ---- stores ---- */

static struct qr_store *open_store(bool hyper)
{
    struct qr_err err = {0};
    struct qr_store *store = NULL;
    struct qr_store_options o = {.page_bytes = PAGE_BYTES, .cache_bytes = 512 << 20};
    if (!hyper) {
        check(qr_store_create(path("files"), &o, &store, &err), &err);
        return store;
    }
    struct qr_hyper_options h = {.timeline = {{0x42}},
                                 .log = qr_rpc_client_peer(s.log_client),
                                 .pages = qr_rpc_client_peer(s.pages_client),
                                 .force = true};
    check(qr_hyper_create(&h, PAGE_BYTES, &err), &err);
    qr_pagefeed_poke(s.feed);
    check(qr_hyper_open(path("compute"), &o, &h, &store, &err), &err);
    return store;
}

static void run_sql(struct qr_conn *conn, const char *sql)
{
    if (sqlite3_exec(qr_conn_db(conn), sql, NULL, NULL, NULL) != SQLITE_OK) {
        fprintf(stderr, "bench_hyper: %s: %s\n", sql, sqlite3_errmsg(qr_conn_db(conn)));
        exit(1);
    }
}

static struct qr_conn *connect_to(struct qr_store *store)
{
    struct qr_err err = {0};
    struct qr_conn *conn = NULL;
    check(qr_conn_open(store, NULL, &conn, &err), &err);
    return conn;
}

static void write_sql(struct qr_conn *conn, const char *sql)
{
    struct qr_err err = {0};
    check(qr_conn_lock_writer(conn, 1, NULL, NULL, &err), &err);
    run_sql(conn, sql);
    qr_conn_unlock_writer(conn);
}

static void wait_durable(struct qr_conn *conn)
{
    struct qr_err err = {0};
    check(qr_store_wait_durable(qr_conn_store(conn), qr_conn_commit_lsn(conn), &err), &err);
}

/* ---- measures ---- */

struct worker {
    pthread_t thread;
    struct qr_store *store;
    const char *sql;
    double until;
    int64_t commits;
};

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct qr_conn *conn = connect_to(w->store);
    while (now() < w->until) {
        write_sql(conn, w->sql);
        wait_durable(conn);
        w->commits++;
    }
    qr_conn_close(conn);
    return NULL;
}

static double commits(struct qr_store *store, int threads, double seconds)
{
    static struct worker workers[THREADS_MAX];
    double begin = now();
    int64_t total = 0;
    for (int i = 0; i < threads; i++) {
        workers[i] = (struct worker){.store = store,
                                     .sql = "INSERT INTO narrow (b) VALUES ('0123456789012345')",
                                     .until = begin + seconds};
        pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        total += workers[i].commits;
    }
    return (double)total / (now() - begin);
}

static void insert_wide(struct qr_conn *conn, sqlite3_stmt *stmt)
{
    static uint8_t row[WIDE_BYTES];
    struct qr_err err = {0};
    check(qr_conn_lock_writer(conn, 1, NULL, NULL, &err), &err);
    run_sql(conn, "BEGIN");
    for (int i = 0; i < WIDE_ROWS; i++) {
        for (size_t at = 0; at < sizeof row; at += 8)
            memcpy(row + at, &(uint64_t){(uint64_t)i * 0x9e3779b97f4a7c15u + at}, 8);
        sqlite3_bind_blob(stmt, 1, row, sizeof row, SQLITE_STATIC);
        if (sqlite3_step(stmt) != SQLITE_DONE)
            run_sql(conn, "a row was not inserted");
        sqlite3_reset(stmt);
    }
    run_sql(conn, "COMMIT");
    qr_conn_unlock_writer(conn);
}

/* MiB of log a second of transactions with wide rows, as a bulk load makes them; each is waited for
 * only once the next has run. */
static double log_rate(struct qr_store *store, double seconds)
{
    struct qr_store_stats a, b;
    struct qr_err err = {0};
    sqlite3_stmt *stmt = NULL;
    struct qr_conn *conn = connect_to(store);
    sqlite3_prepare_v3(qr_conn_db(conn), "INSERT INTO wide (b) VALUES (?)", -1,
                       SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
    qr_store_get_stats(store, &a);
    double begin = now();
    while (now() - begin < seconds) {
        struct qr_lsn last = qr_conn_commit_lsn(conn);
        insert_wide(conn, stmt);
        check(qr_store_wait_durable(store, last, &err), &err);
    }
    wait_durable(conn);
    double took = now() - begin;
    qr_store_get_stats(store, &b);
    sqlite3_finalize(stmt);
    qr_conn_close(conn);
    for (int r = 1; r < QR_RBIO_COUNT; r++)
        if (b.rbio[r].waits > a.rbio[r].waits)
            printf("  slowed down %llu times, %.1f s, for reason %d\n",
                   (unsigned long long)(b.rbio[r].waits - a.rbio[r].waits),
                   (double)(b.rbio[r].wait_ns - a.rbio[r].wait_ns) / 1e9, r);
    return (double)(b.log_bytes_written - a.log_bytes_written) / MIB / took;
}

/* MiB/s of sequential synced writes into a file that is there already. */
static double disk_rate(double seconds)
{
    enum { BLOCK = 1 << 20, FILE_BLOCKS = 256 };
    uint8_t *block = aligned_alloc(4096, BLOCK);
    int fd = open(path("raw"), O_RDWR | O_CREAT | O_TRUNC | O_DSYNC, 0600);
    if (block == NULL || fd < 0)
        exit(1);
    memset(block, 0x5a, BLOCK);
    for (int64_t i = 0; i < FILE_BLOCKS; i++)
        if (pwrite(fd, block, BLOCK, i * BLOCK) != BLOCK)
            exit(1);
    double begin = now();
    int64_t count = 0;
    for (; now() - begin < seconds; count++)
        if (pwrite(fd, block, BLOCK, count % FILE_BLOCKS * BLOCK) != BLOCK)
            exit(1);
    double rate = (double)count * BLOCK / MIB / (now() - begin);
    close(fd);
    unlink(path("raw"));
    free(block);
    return rate;
}

int main(int argc, char **argv)
{
    struct qr_err err = {0};
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 2;
    double log_seconds = argc > 3 ? strtod(argv[3], NULL) : 10;
    snprintf(s.dir, sizeof s.dir, "%s/quire-bench-hyper-XXXXXX", argc > 1 ? argv[1] : "/tmp");
    if (mkdtemp(s.dir) == NULL)
        return 1;
    check(qr_vfs_init(&err), &err);
    begin_services();
    struct qr_store *stores[] = {open_store(false), open_store(true)};
    for (int i = 0; i < 2; i++) {
        struct qr_conn *conn = connect_to(stores[i]);
        write_sql(conn, "CREATE TABLE narrow (a INTEGER PRIMARY KEY, b TEXT)");
        write_sql(conn, "CREATE TABLE wide (a INTEGER PRIMARY KEY, b BLOB)");
        wait_durable(conn);
        qr_conn_close(conn);
    }
    for (int threads = 1; threads <= THREADS_MAX; threads *= 4) {
        double files = commits(stores[0], threads, seconds);
        double hyper = commits(stores[1], threads, seconds);
        printf("commits of %2d threads    hyper %8.0f /s  files %8.0f /s  ratio %.2f\n", threads,
               hyper, files, hyper / files);
        fflush(stdout);
    }
    double disk = disk_rate(seconds), files = log_rate(stores[0], log_seconds);
    double hyper = log_rate(stores[1], log_seconds), again = disk_rate(seconds);
    disk = disk > again ? disk : again;
    printf("log of wide rows         hyper %8.1f MiB/s  files %8.1f MiB/s  disk %.1f MiB/s  of "
           "disk %.2f\n",
           hyper, files, disk, hyper / disk);
    for (int i = 0; i < 2; i++)
        check(qr_store_close(stores[i], &err), &err);
    end_services();
    char command[400];
    snprintf(command, sizeof command, "rm -rf '%s'", s.dir);
    return system(command) == 0 ? 0 : 1;
}
