/* test_waits.c - the writer lock's queue, and waiting for commits to become durable. */
#include "qr_test.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include "env/thread.h"
#include "vfs/conn.h"

static char dir[64];
static struct qr_store *store;

/* The machine with a clock that tests set forward. */
static struct qr_env env;
static struct qr_env_ops env_ops;
static _Atomic int64_t ahead_ns;

static int64_t ahead_mono_ns(struct qr_env *asked)
{
    (void)asked;
    return qr_env_mono_ns(qr_env_real()) + atomic_load(&ahead_ns);
}

static int set_up(void **state)
{
    (void)state;
    struct qr_err err = {0};
    snprintf(dir, sizeof dir, "/tmp/qr-test-waits.XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    env_ops = *qr_env_real()->ops; /* the real ones keep no state in their environment */
    env_ops.mono_ns = ahead_mono_ns;
    env.ops = &env_ops;
    struct qr_store_options options = {.env = &env};
    return qr_store_create(dir, &options, &store, &err) == QR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    struct qr_err err = {0};
    if (qr_store_close(store, &err) != QR_OK)
        return -1;
    return qr_store_remove(qr_env_real(), dir, &err) == QR_OK ? 0 : -1;
}

static enum qr_status give_up_at_third_poll(void *ctx)
{
    return ++*(int *)ctx == 3 ? QR_TIMEOUT : QR_OK;
}

static void test_a_waiter_gives_up_when_its_poll_says_so(void **state)
{
    (void)state;
    struct qr_writer a = {.owner = 1}, b = {.owner = 2};
    int polls = 0;
    assert_int_equal(qr_writer_acquire(store, &a, NULL, NULL, NULL), QR_OK);
    assert_int_equal(qr_writer_acquire(store, &b, give_up_at_third_poll, &polls, NULL), QR_TIMEOUT);
    assert_int_equal(polls, 3);
    assert_false(qr_writer_is_held(&b));
    struct qr_writer_info infos[4];
    assert_int_equal(qr_store_list_writers(store, infos, 4), 1);
    assert_int_equal(infos[0].owner, 1);
    qr_writer_release(&a);
    qr_writer_release(&a); /* harmless */
    assert_int_equal(qr_writer_acquire(store, &b, NULL, NULL, NULL), QR_OK);
    qr_writer_release(&b);
}

enum { CONTENDERS = 8, ROUNDS = 300, OVERTAKEN_NS_MAX = 3000000 /* more than anybody may be */ };
static int inside, rounds_done[CONTENDERS];
static _Atomic int contenders;

/* The holder lets the time pass in which another may be overtaken, once there is another. */
static void let_another_grow_old(void)
{
    struct qr_writer_info infos[2];
    while (qr_store_list_writers(store, infos, 2) < 2 && atomic_load(&contenders) > 1)
        sched_yield();
    atomic_fetch_add(&ahead_ns, OVERTAKEN_NS_MAX);
}

static void *contend(void *arg)
{
    int id = (int)(intptr_t)arg;
    struct qr_writer w = {.owner = (uint64_t)id + 1};
    for (int i = 0; i < ROUNDS; i++) {
        if (qr_writer_acquire(store, &w, NULL, NULL, NULL) != QR_OK)
            abort();
        if (++inside != 1)
            abort();
        if (i % 50 == 0)
            let_another_grow_old();
        inside--;
        qr_writer_release(&w);
        rounds_done[id]++;
    }
    atomic_fetch_sub(&contenders, 1);
    return NULL;
}

static void test_one_writer_at_a_time_and_all_get_their_turn(void **state)
{
    (void)state;
    pthread_t threads[CONTENDERS];
    contenders = CONTENDERS;
    for (int i = 0; i < CONTENDERS; i++)
        pthread_create(&threads[i], NULL, contend, (void *)(intptr_t)i);
    for (int i = 0; i < CONTENDERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < CONTENDERS; i++)
        assert_int_equal(rounds_done[i], ROUNDS);
}

static struct {
    pthread_mutex_t mu;
    pthread_cond_t cond;
    bool is_waiting; /* guarded by mu */
} queued = {.mu = PTHREAD_MUTEX_INITIALIZER};

/* Polls are made by those who stand in the queue. */
static enum qr_status tell_that_it_waits(void *ctx)
{
    (void)ctx;
    pthread_mutex_lock(&queued.mu);
    queued.is_waiting = true;
    pthread_cond_signal(&queued.cond);
    pthread_mutex_unlock(&queued.mu);
    return QR_OK;
}

static void *release_when_another_waits(void *arg)
{
    pthread_mutex_lock(&queued.mu);
    while (!queued.is_waiting)
        (void)qr_cond_wait(&queued.cond, &queued.mu, -1);
    pthread_mutex_unlock(&queued.mu);
    qr_writer_release(arg);
    return NULL;
}

static void test_another_thread_may_release_a_dead_sessions_lock(void **state)
{
    (void)state;
    struct qr_writer dead = {.owner = 7}, next = {.owner = 8};
    pthread_t thread;
    assert_int_equal(qr_writer_acquire(store, &dead, NULL, NULL, NULL), QR_OK);
    qr_cond_init(&queued.cond);
    pthread_create(&thread, NULL, release_when_another_waits, &dead);
    assert_int_equal(qr_writer_acquire(store, &next, tell_that_it_waits, NULL, NULL), QR_OK);
    qr_writer_release(&next);
    pthread_join(thread, NULL);
    pthread_cond_destroy(&queued.cond);
}

struct reply {
    struct qr_durable_wait wait; /* first */
    _Atomic int called;
};
static _Atomic int too_early, total;

static void reached(struct qr_durable_wait *wait)
{
    struct reply *reply = (struct reply *)wait;
    if (qr_store_durable_lsn(store).v < wait->lsn.v)
        atomic_fetch_add(&too_early, 1);
    atomic_fetch_add(&reply->called, 1);
    atomic_fetch_add(&total, 1);
}

static void commit(struct qr_conn *conn, const char *sql)
{
    assert_int_equal(qr_conn_lock_writer(conn, 1, NULL, NULL, NULL), QR_OK);
    assert_int_equal(sqlite3_exec(qr_conn_db(conn), sql, NULL, NULL, NULL), SQLITE_OK);
    qr_conn_unlock_writer(conn);
}

static void test_replies_are_released_once_and_when_they_are_durable(void **state)
{
    (void)state;
    enum { REPLIES = 500 };
    struct qr_conn *conn = NULL;
    assert_int_equal(qr_conn_open(store, NULL, &conn, NULL), QR_OK);
    commit(conn, "CREATE TABLE t(a)");
    struct reply *replies = calloc(REPLIES, sizeof *replies);
    bool registered[REPLIES];
    int wanted = 0;
    for (int i = 0; i < REPLIES; i++) {
        commit(conn, "INSERT INTO t VALUES(1)");
        replies[i].wait =
            (struct qr_durable_wait){.lsn = qr_conn_commit_lsn(conn), .reached = reached};
        registered[i] = qr_store_on_durable(store, &replies[i].wait);
        wanted += registered[i];
    }
    assert_int_equal(qr_store_wait_durable(store, qr_conn_commit_lsn(conn), NULL), QR_OK);
    while (total < wanted) /* there are two flushers: the other may still be calling */
        sched_yield();
    for (int i = 0; i < REPLIES; i++)
        assert_int_equal(replies[i].called, registered[i]);
    assert_int_equal(too_early, 0);
    free(replies);
    qr_conn_close(conn);
}

static void test_a_cancelled_wait_is_not_called(void **state)
{
    (void)state;
    struct qr_store *manual = NULL;
    struct qr_conn *conn = NULL;
    char path[80];
    snprintf(path, sizeof path, "%s/manual", dir);
    assert_int_equal(
        qr_store_create(path, &(struct qr_store_options){.threads_off = true}, &manual, NULL),
        QR_OK);
    assert_int_equal(qr_conn_open(manual, NULL, &conn, NULL), QR_OK);
    commit(conn, "CREATE TABLE t(a)");
    struct reply a = {.wait = {.lsn = qr_conn_commit_lsn(conn), .reached = reached}}, b = a;
    assert_true(qr_store_on_durable(manual, &a.wait));
    assert_true(qr_store_on_durable(manual, &b.wait));
    assert_true(qr_store_cancel_durable(manual, &a.wait));
    assert_false(qr_store_cancel_durable(manual, &a.wait));
    assert_int_equal(qr_store_flush(manual, NULL), QR_OK);
    assert_int_equal(a.called, 0);
    assert_int_equal(b.called, 1);
    assert_false(qr_store_on_durable(manual, &a.wait)); /* durable already */
    qr_conn_close(conn);
    assert_int_equal(qr_store_close(manual, NULL), QR_OK);
    assert_int_equal(qr_store_remove(qr_env_real(), path, NULL), QR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_waiter_gives_up_when_its_poll_says_so),
        cmocka_unit_test(test_one_writer_at_a_time_and_all_get_their_turn),
        cmocka_unit_test(test_another_thread_may_release_a_dead_sessions_lock),
        cmocka_unit_test(test_replies_are_released_once_and_when_they_are_durable),
        cmocka_unit_test(test_a_cancelled_wait_is_not_called),
    };
    struct qr_err err = {0};
    if (qr_vfs_init(&err) != QR_OK)
        return 99;
    return cmocka_run_group_tests_name("vfs/waits", tests, set_up, tear_down);
}
