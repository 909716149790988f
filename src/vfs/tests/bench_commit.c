/* bench_commit.c - commits per second and CPU per commit, beside the disk's own sync rate and
 * beside SQLite's WAL with synchronous=FULL, in one run.
 *
 * usage: bench_commit [DIRECTORY [SECONDS [cpu|wait]]]: "cpu" leaves out what waits for the disk,
 * "wait" the rest. One JSON line per figure. */
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "vfs/conn.h"

enum { ACCOUNTS = 100000, BRANCHES = 10, TELLERS = 100, THREADS_MAX = 64, IN_FLIGHT = 8 };

enum work { INSERT, UPDATE, TPCB, SELECT, WORKS };
static const char *const work_names[] = {"insert", "update", "tpcb", "select"};
enum waits { WAIT_NEVER, WAIT_EACH, WAIT_PIPELINED };

static const char *const sql_of[WORKS][8] = {
    [INSERT] = {"INSERT INTO history VALUES(?1, ?2, ?3, ?4, "
                "'1234567890123456789012345678901234567890123456789012345678901234567890')"},
    [UPDATE] = {"UPDATE accounts SET abalance = abalance + ?4 WHERE aid = ?1"},
    [SELECT] = {"SELECT abalance FROM accounts WHERE aid = ?1"},
    [TPCB] = {"BEGIN", "UPDATE accounts SET abalance = abalance + ?4 WHERE aid = ?1",
              "SELECT abalance FROM accounts WHERE aid = ?1",
              "UPDATE tellers SET tbalance = tbalance + ?4 WHERE tid = ?2",
              "UPDATE branches SET bbalance = bbalance + ?4 WHERE bid = ?3",
              "INSERT INTO history VALUES(?1, ?2, ?3, ?4, '2026-01-01 00:00:00')", "COMMIT"},
};
static const char schema[] =
    "BEGIN IMMEDIATE; CREATE TABLE accounts(aid INTEGER PRIMARY KEY, bid INT, abalance INT, filler "
    "TEXT);"
    "CREATE TABLE tellers(tid INTEGER PRIMARY KEY, bid INT, tbalance INT, filler TEXT);"
    "CREATE TABLE branches(bid INTEGER PRIMARY KEY, bbalance INT, filler TEXT);"
    "CREATE TABLE history(aid INT, tid INT, bid INT, delta INT, filler TEXT);"
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i < 99999)"
    " INSERT INTO accounts SELECT i, i % 10, 0, printf('%084d', i) FROM n;"
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i < 99)"
    " INSERT INTO tellers SELECT i, i % 10, 0, printf('%084d', i) FROM n;"
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i < 9)"
    " INSERT INTO branches SELECT i, 0, printf('%088d', i) FROM n; COMMIT";

static struct qr_store *store;
static char wal_path[256];
static _Atomic bool stop;

struct worker {
    pthread_t thread;
    uint64_t random;
    enum work work;
    enum waits waits;
    bool wal;
    sqlite3_stmt *stmts[8];
    int64_t commits, cpu_ns;
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_commit: %s: %s\n", what, why);
    exit(1);
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void prepare(struct worker *w, sqlite3 *db)
{
    for (int i = 0; sql_of[w->work][i] != NULL; i++)
        if (sqlite3_prepare_v3(db, sql_of[w->work][i], -1, SQLITE_PREPARE_PERSISTENT, &w->stmts[i],
                               NULL) != SQLITE_OK)
            die("prepare", sqlite3_errmsg(db));
}

static void finalize(struct worker *w)
{
    for (int i = 0; i < 8; i++)
        sqlite3_finalize(w->stmts[i]);
    memset(w->stmts, 0, sizeof w->stmts);
}

static bool transact(struct worker *w)
{
    uint64_t r = next_random(&w->random);
    int64_t values[] = {(int64_t)(r % ACCOUNTS), (int64_t)(r / 7 % TELLERS),
                        (int64_t)(r / 11 % BRANCHES), (int64_t)(r >> 40 & 1023)};
    bool ok = true;
    for (int i = 0; w->stmts[i] != NULL && ok; i++) {
        int count = sqlite3_bind_parameter_count(w->stmts[i]);
        for (int k = 0; k < count; k++)
            sqlite3_bind_int64(w->stmts[i], k + 1, values[k]);
        int rc;
        while ((rc = sqlite3_step(w->stmts[i])) == SQLITE_ROW)
            ;
        ok = rc == SQLITE_DONE;
        sqlite3_reset(w->stmts[i]);
    }
    return ok;
}

struct flight {
    struct qr_durable_wait wait; /* first */
    sem_t *room;
};

static void landed(struct qr_durable_wait *wait)
{
    struct flight *f = (struct flight *)wait;
    sem_post(f->room);
    free(f);
}

static void store_loop(struct worker *w)
{
    struct qr_conn *conn = NULL;
    struct qr_err err = {0};
    sem_t room;
    sem_init(&room, 0, IN_FLIGHT);
    if (qr_conn_open(store, NULL, &conn, &err) != QR_OK)
        die("connect", err.text);
    prepare(w, qr_conn_db(conn));
    int64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        if (w->work != SELECT && qr_conn_lock_writer(conn, 1, NULL, NULL, &err) != QR_OK)
            die("lock", err.text);
        if (!transact(w))
            die("transact", sqlite3_errmsg(qr_conn_db(conn)));
        qr_conn_unlock_writer(conn);
        if (w->waits == WAIT_EACH &&
            qr_store_wait_durable(store, qr_conn_commit_lsn(conn), &err) != QR_OK)
            die("wait", err.text);
        if (w->waits == WAIT_PIPELINED) {
            struct flight *f = malloc(sizeof *f);
            *f = (struct flight){.wait = {.lsn = qr_conn_commit_lsn(conn), .reached = landed},
                                 .room = &room};
            if (!qr_store_on_durable(store, &f->wait))
                landed(&f->wait);
            sem_wait(&room);
        }
        w->commits++;
    }
    w->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
    (void)!qr_store_wait_durable(store, qr_store_head_lsn(store), NULL);
    finalize(w);
    qr_conn_close(conn);
}

static void wal_loop(struct worker *w)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(wal_path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK)
        die("open", wal_path);
    sqlite3_busy_timeout(db, 10000);
    sqlite3_exec(db, "PRAGMA synchronous=FULL", NULL, NULL, NULL);
    prepare(w, db);
    if (w->work == TPCB) {
        sqlite3_finalize(w->stmts[0]);
        sqlite3_prepare_v2(db, "BEGIN IMMEDIATE", -1, &w->stmts[0], NULL);
    }
    int64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        if (transact(w))
            w->commits++;
        else if (sqlite3_get_autocommit(db) == 0)
            sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    w->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
    finalize(w);
    sqlite3_close(db);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    if (w->wal)
        wal_loop(w);
    else
        store_loop(w);
    return NULL;
}

static void measure(const char *system, enum work work, int threads, enum waits waits, bool wal,
                    double seconds)
{
    static struct worker workers[THREADS_MAX];
    static const char *const wait_names[] = {"no_wait", "wait_each", "pipelined"};
    int64_t commits = 0, cpu_ns = 0;
    atomic_store(&stop, false);
    for (int i = 0; i < threads; i++) {
        workers[i] = (struct worker){
            .random = 88172645463325252u + (uint64_t)i, .work = work, .waits = waits, .wal = wal};
        pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]);
    }
    int64_t start = clock_ns(CLOCK_MONOTONIC), process_cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    usleep((useconds_t)(seconds * 1e6));
    atomic_store(&stop, true);
    for (int i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        commits += workers[i].commits;
        cpu_ns += workers[i].cpu_ns;
    }
    double elapsed = (double)(clock_ns(CLOCK_MONOTONIC) - start) / 1e9;
    process_cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - process_cpu;
    printf("{\"bench\":\"%s/%s/%d/"
           "%s\",\"commits_per_s\":%.0f,\"thread_us\":%.2f,\"process_us\":%.2f}\n",
           system, work_names[work], threads, wait_names[waits], (double)commits / elapsed,
           (double)cpu_ns / 1e3 / (double)(commits + 1),
           (double)process_cpu / 1e3 / (double)(commits + 1));
    fflush(stdout);
}

static void measure_disk(const char *dir, double seconds)
{
    char path[300];
    static char zeros[1 << 20];
    snprintf(path, sizeof path, "%s/raw", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, zeros, sizeof zeros) != sizeof zeros || fdatasync(fd) != 0)
        die("raw file", path);
    int64_t count = 0, start = clock_ns(CLOCK_MONOTONIC);
    while ((double)(clock_ns(CLOCK_MONOTONIC) - start) < seconds * 1e9) {
        if (pwrite(fd, zeros, 512, count * 512 % (1 << 20)) != 512 || fdatasync(fd) != 0)
            die("fdatasync", path);
        count++;
    }
    printf("{\"bench\":\"disk/fdatasync_512\",\"per_s\":%.0f}\n",
           (double)count * 1e9 / (double)(clock_ns(CLOCK_MONOTONIC) - start));
    close(fd);
    unlink(path);
}

static void make_stores(const char *dir)
{
    char path[300];
    struct qr_err err = {0};
    struct qr_conn *conn = NULL;
    snprintf(path, sizeof path, "%s/store", dir);
    if (qr_store_create(path, &(struct qr_store_options){.cache_bytes = 512 << 20}, &store, &err) !=
            QR_OK ||
        qr_conn_open(store, NULL, &conn, &err) != QR_OK ||
        qr_conn_lock_writer(conn, 1, NULL, NULL, &err) != QR_OK)
        die("create", err.text);
    int64_t start = clock_ns(CLOCK_MONOTONIC);
    if (sqlite3_exec(qr_conn_db(conn), schema, NULL, NULL, NULL) != SQLITE_OK)
        die("schema", sqlite3_errmsg(qr_conn_db(conn)));
    qr_conn_close(conn);
    if (qr_store_wait_durable(store, qr_store_head_lsn(store), &err) != QR_OK)
        die("load", err.text);
    printf("{\"bench\":\"store/load_100000_rows\",\"ms\":%lld}\n",
           (long long)((clock_ns(CLOCK_MONOTONIC) - start) / 1000000));
    snprintf(wal_path, sizeof wal_path, "%s/wal.db", dir);
    sqlite3 *db = NULL;
    if (sqlite3_open(wal_path, &db) != SQLITE_OK ||
        sqlite3_exec(db, "PRAGMA page_size=8192; PRAGMA journal_mode=WAL", NULL, NULL, NULL) !=
            SQLITE_OK ||
        sqlite3_exec(db, schema, NULL, NULL, NULL) != SQLITE_OK)
        die("wal schema", sqlite3_errmsg(db));
    sqlite3_close(db);
}

int main(int argc, char **argv)
{
    char dir[200];
    struct qr_err err = {0};
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 1;
    snprintf(dir, sizeof dir, "%s/qr-bench.XXXXXX", argc > 1 ? argv[1] : "/tmp");
    if (mkdtemp(dir) == NULL || qr_vfs_init(&err) != QR_OK)
        die("start", dir);
    make_stores(dir);
    measure_disk(dir, seconds);
    const char *only = argc > 3 ? argv[3] : "";
    for (enum work w = INSERT; w < WORKS && strcmp(only, "wait") != 0; w++)
        measure("store", w, 1, WAIT_NEVER, false, seconds);
    static const int threads[] = {1, 4, 16};
    for (enum work w = INSERT; w < SELECT && strcmp(only, "cpu") != 0; w++) {
        for (int t = 0; t < 3; t++) {
            measure("store", w, threads[t], WAIT_EACH, false, seconds);
            measure("wal_full", w, threads[t], WAIT_EACH, true, seconds);
        }
        measure("store", w, 2, WAIT_PIPELINED, false, seconds);
    }
    measure_disk(dir, seconds);
    if (qr_store_close(store, &err) != QR_OK)
        die("close", err.text);
    char command[400];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command) == 0 ? 0 : 1;
}
