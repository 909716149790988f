/* Goal: with many threads two owners never hold what does not go together, no wake-up is missed and
 * every thread comes to its end. Method: random transactions over few rows; each grant is written
 * into a table beside the lock manager and compared there with everybody else's. Nobody but the
 * victims of deadlocks gives up, so a missed wake-up would never end. */
#include "qr_test.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include "env/env.h"
#include "lock/lock.h"

enum { THREADS = 12, ROWS = 8, TRANSACTIONS = 1500, LOCKS_MAX = 6 };

static struct qr_locks *locks;
static _Atomic int shadow[THREADS][ROWS]; /* enum qr_lock_mode */
static _Atomic uint64_t committed, victims, reports, gave_up, broken;

struct worker {
    int id;
    bool gives_up; /* now and then: by time-out or by its poll */
    uint64_t random;
    struct qr_lock_owner *owner;
};

static unsigned pick(struct worker *w, unsigned below)
{
    w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(w->random >> 33) % below;
}

static void note_deadlock(void *ctx, const struct qr_deadlock *d)
{
    (void)ctx;
    if (d->victim_session_id >= THREADS || strncmp(d->text, "victim: session ", 16) != 0)
        atomic_fetch_add(&broken, 1);
    atomic_fetch_add(&reports, 1);
}

/* Says what it has before it looks: of two that are wrong at least one sees it. */
static void enter(struct worker *w, unsigned row, enum qr_lock_mode mode)
{
    mode = qr_lock_join(mode, (enum qr_lock_mode)atomic_load(&shadow[w->id][row]));
    atomic_store(&shadow[w->id][row], (int)mode);
    for (int i = 0; i < THREADS; i++)
        if (i != w->id && !qr_lock_goes_with(mode, (enum qr_lock_mode)atomic_load(&shadow[i][row])))
            atomic_fetch_add(&broken, 1);
}

static enum qr_status poll_give_up(void *ctx)
{
    return *(int *)ctx > 0 && --*(int *)ctx == 0 ? QR_CANCELLED : QR_OK;
}

static enum qr_status take(struct worker *w, unsigned row)
{
    static const enum qr_lock_mode modes[] = {QR_LOCK_S, QR_LOCK_X,  QR_LOCK_S,
                                              QR_LOCK_U, QR_LOCK_IX, QR_LOCK_S};
    enum qr_lock_mode mode = modes[pick(w, 6)];
    struct qr_lock_resource r = {.kind = QR_LOCK_ROW, .object = 1, .hash = row};
    struct qr_err err = {0};
    enum qr_status status = qr_lock_try(w->owner, QR_LOCK_OF_TRAN, &r, mode, &err);
    if (status == QR_BUSY) {
        int polls = w->gives_up && pick(w, 4) == 0 ? 2 : 0;
        int32_t timeout_ms = w->gives_up && pick(w, 4) == 0 ? 1 : -1;
        status = qr_lock_wait(w->owner, QR_LOCK_OF_TRAN, &r, mode, NULL, timeout_ms, poll_give_up,
                              &polls, &err);
    }
    if (status == QR_OK)
        enter(w, row, mode);
    else if (status == QR_SQL && err.number == 1205)
        atomic_fetch_add(&victims, 1);
    else if (w->gives_up && (status == QR_CANCELLED || err.number == 1222))
        atomic_fetch_add(&gave_up, 1);
    else
        atomic_fetch_add(&broken, 1);
    return status;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    for (int i = 0; i < TRANSACTIONS; i++) {
        unsigned count = 1 + pick(w, LOCKS_MAX);
        enum qr_status status = QR_OK;
        qr_lock_owner_set(w->owner, (int)pick(w, 3), 0);
        for (unsigned k = 0; k < count && status == QR_OK; k++) {
            status = take(w, pick(w, ROWS));
            sched_yield(); /* others come in between, also where there is one core */
        }
        if (status == QR_OK)
            atomic_fetch_add(&committed, 1);
        for (int row = 0; row < ROWS; row++)
            atomic_store(&shadow[w->id][row], QR_LOCK_NONE);
        qr_lock_release_all(w->owner, QR_LOCK_OF_TRAN);
    }
    return NULL;
}

static void run(bool gives_up)
{
    struct qr_lock_options options = {.env = qr_env_real(), .on_deadlock = note_deadlock};
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    atomic_store(&committed, 0);
    atomic_store(&victims, 0);
    atomic_store(&reports, 0);
    atomic_store(&gave_up, 0);
    assert_int_equal(qr_locks_new(&options, &locks, NULL), QR_OK);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.id = i, .gives_up = gives_up, .random = (uint64_t)i * 7919};
        assert_int_equal(qr_lock_owner_new(locks, (uint32_t)i, &workers[i].owner, NULL), QR_OK);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++)
        qr_lock_owner_free(workers[i].owner);
    qr_locks_free(locks); /* asserts that nothing is left */
    assert_int_equal(atomic_load(&broken), 0);
    assert_int_equal(atomic_load(&reports), atomic_load(&victims));
    assert_int_equal(atomic_load(&committed) + atomic_load(&victims) + atomic_load(&gave_up),
                     THREADS * TRANSACTIONS);
}

static void test_threads_never_hold_what_does_not_go_together(void **state)
{
    (void)state;
    run(false);
    assert_int_equal(atomic_load(&gave_up), 0);
    assert_true(atomic_load(&victims) > 0);
}

static void test_threads_that_give_up_leave_nothing_behind(void **state)
{
    (void)state;
    run(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_never_hold_what_does_not_go_together),
        cmocka_unit_test(test_threads_that_give_up_leave_nothing_behind),
    };
    return cmocka_run_group_tests_name("lock/threads", tests, NULL, NULL);
}
