/* crash_store.c - kills a process that writes, at a random moment, and looks at what is left.
 *
 * usage: crash_store [--rounds N] [--seed N]
 * Goal: what was acknowledged is there, what a reader was shown is there, no commit is half there.
 * Method: a child runs writers and readers on a store and keeps, in memory that it shares with us,
 * what it acknowledged and showed; we kill it with SIGKILL, open the store and compare. */
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "vfs/conn.h"

enum { WRITERS = 4, READERS = 2, ACCOUNTS = 50, START_BALANCE = 1000, ROUNDS_PER_STORE = 20 };

struct shared {
    _Atomic int64_t acknowledged[WRITERS]; /* sequence numbers */
    _Atomic int64_t shown[WRITERS];
    _Atomic int64_t counter_given;
    _Atomic bool started, failed;
};

static struct shared *shared;
static char dir[64];

struct worker {
    struct qr_store *store;
    uint64_t random;
    int id;
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "crash_store: %s: %s\n", what, why);
    if (shared != NULL)
        atomic_store(&shared->failed, true);
    _exit(3);
}

static void check(enum qr_status status, const struct qr_err *err, const char *what)
{
    if (status != QR_OK)
        die(what, err->text);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void run(struct qr_conn *conn, const char *sql)
{
    if (sqlite3_exec(qr_conn_db(conn), sql, NULL, NULL, NULL) != SQLITE_OK)
        die(sql, sqlite3_errmsg(qr_conn_db(conn)));
}

static int64_t number(struct qr_conn *conn, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(qr_conn_db(conn), sql, -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW)
        die(sql, sqlite3_errmsg(qr_conn_db(conn)));
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static void make_tables(struct qr_store *store)
{
    struct qr_conn *conn = NULL;
    struct qr_err err = {0};
    check(qr_conn_open(store, NULL, &conn, &err), &err, "connect");
    check(qr_conn_lock_writer(conn, 1, NULL, NULL, &err), &err, "lock");
    char sql[512];
    snprintf(sql, sizeof sql,
             "BEGIN; CREATE TABLE history(id INTEGER PRIMARY KEY, writer INT, seq INT, "
             "UNIQUE(writer, seq));"
             "CREATE TABLE account(id INTEGER PRIMARY KEY, balance INT);"
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
             "INSERT INTO account SELECT i, %d FROM n;"
             "CREATE TABLE blob(writer INT, k INT, v BLOB, PRIMARY KEY(writer, k));"
             "CREATE TABLE total(writer INTEGER PRIMARY KEY, seq INT, bytes INT);"
             "INSERT INTO total VALUES(0,0,0),(1,0,0),(2,0,0),(3,0,0); COMMIT",
             ACCOUNTS, START_BALANCE);
    run(conn, sql);
    qr_conn_unlock_writer(conn);
    check(qr_counter_set(store, 1, 1, &err), &err, "counter");
    check(qr_store_wait_durable(store, qr_conn_commit_lsn(conn), &err), &err, "wait");
    qr_conn_close(conn);
}

/* One transaction: history, a transfer, some blobs, and totals that must agree with all of it. */
static void write_once(struct worker *w, struct qr_conn *conn, int64_t seq)
{
    struct qr_err err = {0};
    char sql[512];
    int64_t id = 0;
    int from = (int)(next_random(&w->random) % ACCOUNTS) + 1;
    int to = (int)(next_random(&w->random) % ACCOUNTS) + 1;
    check(qr_counter_next(w->store, 1, 1, 1, &id, &err), &err, "counter");
    check(qr_conn_lock_writer(conn, (uint64_t)w->id + 1, NULL, NULL, &err), &err, "lock");
    snprintf(sql, sizeof sql,
             "BEGIN; INSERT INTO history VALUES(%lld, %d, %lld);"
             "UPDATE account SET balance = balance - 1 WHERE id = %d;"
             "UPDATE account SET balance = balance + 1 WHERE id = %d;",
             (long long)id, w->id, (long long)seq, from, to);
    run(conn, sql);
    int blobs = next_random(&w->random) % 50 == 0 ? 60 : (int)(next_random(&w->random) % 3);
    for (int i = 0; i < blobs; i++) {
        uint64_t r = next_random(&w->random);
        int k = (int)(r % 300), bytes = r % 16 == 1 ? (int)(r >> 32) % 30000 : (int)(r >> 32) % 600;
        if (r % 5 == 0)
            snprintf(sql, sizeof sql, "DELETE FROM blob WHERE writer = %d AND k = %d", w->id, k);
        else
            snprintf(sql, sizeof sql, "INSERT OR REPLACE INTO blob VALUES(%d, %d, randomblob(%d))",
                     w->id, k, bytes);
        run(conn, sql);
    }
    snprintf(sql, sizeof sql,
             "UPDATE total SET seq = %lld, bytes = (SELECT ifnull(sum(length(v)), 0) FROM blob "
             "WHERE writer = %d) WHERE writer = %d; %s",
             (long long)seq, w->id, w->id,
             next_random(&w->random) % 10 == 0 ? "ROLLBACK" : "COMMIT");
    run(conn, sql);
    qr_conn_unlock_writer(conn);
}

static void *writer_main(void *arg)
{
    struct worker *w = arg;
    struct qr_conn *conn = NULL;
    struct qr_err err = {0};
    check(qr_conn_open(w->store, NULL, &conn, &err), &err, "connect");
    char sql[100];
    snprintf(sql, sizeof sql, "SELECT seq FROM total WHERE writer = %d", w->id);
    int64_t seq = number(conn, sql);
    while (!atomic_load(&shared->failed)) {
        struct qr_lsn before = qr_conn_commit_lsn(conn);
        write_once(w, conn, seq + 1);
        if (qr_lsn_eq(before, qr_conn_commit_lsn(conn)))
            continue; /* rolled back */
        seq++;
        check(qr_store_wait_durable(w->store, qr_conn_commit_lsn(conn), &err), &err, "wait");
        atomic_store(&shared->acknowledged[w->id], seq);
        atomic_store(&shared->started, true);
    }
    return NULL;
}

static void *reader_main(void *arg)
{
    struct worker *w = arg;
    struct qr_conn *conn = NULL;
    struct qr_err err = {0};
    check(qr_conn_open(w->store, NULL, &conn, &err), &err, "connect");
    while (!atomic_load(&shared->failed)) {
        run(conn, "BEGIN");
        if (number(conn, "SELECT sum(balance) FROM account") != ACCOUNTS * START_BALANCE)
            die("reader", "the balances do not add up");
        int64_t seen[WRITERS];
        for (int i = 0; i < WRITERS; i++) {
            char sql[100];
            snprintf(sql, sizeof sql, "SELECT ifnull(max(seq), 0) FROM history WHERE writer = %d",
                     i);
            seen[i] = number(conn, sql);
        }
        if (next_random(&w->random) % 8 == 0)
            usleep(20000); /* a long snapshot */
        run(conn, "COMMIT");
        for (int i = 0; i < WRITERS; i++)
            if (seen[i] > atomic_load(&shared->shown[i]))
                atomic_store(&shared->shown[i], seen[i]);
    }
    return NULL;
}

static struct qr_store_options options_for(uint64_t *random)
{
    struct qr_store_options o = {
        .log_segment_bytes = 256 << 10, .checkpoint_bytes = 200 << 10, .cache_bytes = 1 << 20};
    uint64_t r = next_random(random);
    if (r % 3 == 0)
        o.checkpoint_bytes = 2 << 20;
    if (r / 3 % 3 == 0)
        o.cache_bytes = 64 << 20;
    return o;
}

static void child_main(uint64_t seed)
{
    struct qr_err err = {0};
    struct qr_store *store = NULL;
    struct qr_store_options options = options_for(&seed);
    check(qr_store_open(dir, &options, &store, &err), &err, "open");
    static struct worker workers[WRITERS + READERS];
    for (int i = 0; i < WRITERS + READERS; i++) {
        pthread_t thread;
        workers[i] =
            (struct worker){.store = store, .random = seed + (uint64_t)i * 77 + 1, .id = i};
        if (pthread_create(&thread, NULL, i < WRITERS ? writer_main : reader_main, &workers[i]) !=
            0)
            die("thread", "cannot start");
    }
    for (;;)
        pause();
}

static void expect(bool ok, const char *what, int writer, int64_t found, int64_t wanted)
{
    if (ok)
        return;
    fprintf(stderr, "crash_store: writer %d: %s: found %lld, wanted %lld\n", writer, what,
            (long long)found, (long long)wanted);
    exit(1);
}

static void verify_writer(struct qr_conn *conn, int w)
{
    char sql[200];
    int64_t acknowledged = atomic_load(&shared->acknowledged[w]);
    int64_t shown = atomic_load(&shared->shown[w]);
    snprintf(sql, sizeof sql, "SELECT ifnull(max(seq), 0) FROM history WHERE writer = %d", w);
    int64_t last = number(conn, sql);
    expect(last >= acknowledged, "an acknowledged commit is lost", w, last, acknowledged);
    expect(last >= shown, "a commit that was shown is lost", w, last, shown);
    expect(last <= acknowledged + 1, "a commit nobody made", w, last, acknowledged + 1);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM history WHERE writer = %d", w);
    expect(number(conn, sql) == last, "gaps in the history", w, number(conn, sql), last);
    snprintf(sql, sizeof sql, "SELECT seq FROM total WHERE writer = %d", w);
    expect(number(conn, sql) == last, "half a commit", w, number(conn, sql), last);
    snprintf(sql, sizeof sql,
             "SELECT (SELECT ifnull(sum(length(v)), 0) FROM blob WHERE writer = %d) - bytes "
             "FROM total WHERE writer = %d",
             w, w);
    expect(number(conn, sql) == 0, "blobs do not add up", w, number(conn, sql), 0);
    atomic_store(&shared->acknowledged[w], last);
    atomic_store(&shared->shown[w], last);
}

static void verify(void)
{
    struct qr_err err = {0};
    struct qr_store *store = NULL;
    struct qr_conn *conn = NULL;
    check(qr_store_open(dir, NULL, &store, &err), &err, "open after the kill");
    check(qr_conn_open(store, NULL, &conn, &err), &err, "connect");
    for (int w = 0; w < WRITERS; w++)
        verify_writer(conn, w);
    int64_t sum = number(conn, "SELECT sum(balance) FROM account");
    expect(sum == ACCOUNTS * START_BALANCE, "balances", -1, sum, ACCOUNTS * START_BALANCE);
    int64_t next = 0, max_id = number(conn, "SELECT ifnull(max(id), 0) FROM history");
    expect(qr_counter_peek(store, 1, &next) && next > max_id, "a counter went back", -1, next,
           max_id);
    expect(number(conn, "SELECT integrity_check = 'ok' FROM pragma_integrity_check") == 1,
           "integrity check", -1, 0, 1);
    qr_conn_close(conn);
    if (max_id % 2 == 0)
        check(qr_store_close(store, &err), &err, "close");
    else
        qr_store_abandon(store); /* the next child recovers what we recovered */
}

static void new_store(void)
{
    struct qr_err err = {0};
    struct qr_store *store = NULL;
    memset(shared, 0, sizeof *shared);
    check(qr_store_create(dir, NULL, &store, &err), &err, "create");
    make_tables(store);
    check(qr_store_close(store, &err), &err, "close");
}

static int64_t one_round(uint64_t seed)
{
    atomic_store(&shared->started, false);
    int64_t before = 0, after = 0;
    for (int w = 0; w < WRITERS; w++)
        before += atomic_load(&shared->acknowledged[w]);
    pid_t child = fork();
    if (child == 0)
        child_main(seed);
    for (int i = 0; i < 2000 && !atomic_load(&shared->started) && !atomic_load(&shared->failed);
         i++)
        usleep(5000);
    usleep((useconds_t)(next_random(&seed) % 400000));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    if (atomic_load(&shared->failed) || !WIFSIGNALED(status)) {
        fprintf(stderr, "crash_store: the child failed, status %x; left in %s\n", status, dir);
        exit(1);
    }
    for (int w = 0; w < WRITERS; w++)
        after += atomic_load(&shared->acknowledged[w]);
    verify();
    return after - before;
}

int main(int argc, char **argv)
{
    int rounds = 10;
    uint64_t seed = 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--rounds") == 0)
            rounds = (int)strtol(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 10) + 1;
    }
    struct qr_err err = {0};
    if (qr_vfs_init(&err) != QR_OK)
        return 2;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert(shared != MAP_FAILED);
    snprintf(dir, sizeof dir, "/tmp/qr-crash.XXXXXX");
    if (mkdtemp(dir) == NULL)
        return 2;
    int64_t commits = 0;
    for (int round = 0; round < rounds; round++) {
        if (round % ROUNDS_PER_STORE == 0) {
            if (round > 0)
                check(qr_store_remove(qr_env_real(), dir, &err), &err, "remove");
            new_store();
        }
        commits += one_round(seed * 1000003 + (uint64_t)round);
    }
    check(qr_store_remove(qr_env_real(), dir, &err), &err, "remove");
    printf("crash_store: %lld acknowledged commits, all there\n%d passed, 0 failed\n",
           (long long)commits, rounds);
    return 0;
}
