/* Goal: with many threads nobody is let in beside an interval or a key that it does not go with,
 * no wake-up is missed, and nobody is refused again and again. Method: random transactions over few
 * keys, which wait, give back and ask again as the engine does; what is granted is written into a
 * table beside the lock manager and compared there with everybody else's. A missed wake-up would
 * never end, but for those that are meant to give up. */
#include "qr_test.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include "env/env.h"
#include "lock/lock.h"
#include "lock/range.h"

enum { THREADS = 10, KEYS = 8, TRANSACTIONS = 600, ASKS_MAX = 4, MODES = 3 };
/* A claim lets in front of it who came before and who is in its way already: no more than there are
 * others, each a few times. */
enum { REFUSALS_MAX = 4 * THREADS };

static const enum qr_lock_mode modes[MODES] = {QR_LOCK_S, QR_LOCK_U, QR_LOCK_IX};
static struct qr_locks *locks;
static _Atomic bool shadow[THREADS][MODES][KEYS];
static _Atomic uint64_t committed, victims, gave_up, broken, waited;
static _Atomic int most_refusals;

struct worker {
    int id;
    uint64_t random;
    struct qr_lock_owner *owner;
};

static unsigned pick(struct worker *w, unsigned below)
{
    w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(w->random >> 33) % below;
}

/* Says what it has before it looks: of two that are wrong at least one sees it. */
static void enter(const struct worker *w, unsigned mode, unsigned from, unsigned to)
{
    for (unsigned key = from; key <= to; key++)
        atomic_store(&shadow[w->id][mode][key], true);
    for (unsigned key = from; key <= to; key++)
        for (int i = 0; i < THREADS; i++)
            for (unsigned m = 0; m < MODES; m++)
                if (i != w->id && atomic_load(&shadow[i][m][key]) &&
                    !qr_lock_goes_with(modes[mode], modes[m]))
                    atomic_fetch_add(&broken, 1);
}

static void leave(const struct worker *w)
{
    for (unsigned m = 0; m < MODES; m++)
        for (unsigned key = 0; key < KEYS; key++)
            atomic_store(&shadow[w->id][m][key], false);
    qr_lock_release_all(w->owner, QR_LOCK_OF_TRAN);
}

static enum qr_status ask(struct worker *w, unsigned mode, unsigned from, unsigned to,
                          struct qr_lock_resource *in_way, struct qr_err *err)
{
    uint8_t lo = (uint8_t)('a' + from), hi = (uint8_t)('a' + to);
    struct qr_lock_range range = {
        .object = 7, .index = 1, .lo = {&lo, 1, false}, .hi = {&hi, 1, true}};
    if (modes[mode] == QR_LOCK_IX)
        return qr_lock_key_try(w->owner, 7, 1, &lo, 1, in_way, err);
    return qr_lock_range_try(w->owner, &range, modes[mode], in_way, err);
}

static void note_refusals(int refusals)
{
    int most = atomic_load(&most_refusals);
    while (refusals > most && !atomic_compare_exchange_weak(&most_refusals, &most, refusals))
        ;
}

static enum qr_status take(struct worker *w)
{
    unsigned mode = pick(w, MODES), from = pick(w, KEYS), to = from + pick(w, 4);
    to = modes[mode] == QR_LOCK_IX ? from : to < KEYS ? to : KEYS - 1;
    int32_t timeout_ms = pick(w, 16) == 0 ? 1 : -1;
    struct qr_lock_resource in_way;
    struct qr_err err;
    qr_err_reset(&err);
    enum qr_status status;
    int refusals = 0;
    while ((status = ask(w, mode, from, to, &in_way, &err)) == QR_BUSY) {
        refusals++;
        status = qr_lock_wait(w->owner, QR_LOCK_OF_TRAN, &in_way, modes[mode], NULL, timeout_ms,
                              NULL, NULL, &err);
        if (status != QR_OK)
            break;
        (void)qr_lock_release(w->owner, QR_LOCK_OF_TRAN, &in_way);
    }
    note_refusals(refusals);
    atomic_fetch_add(&waited, refusals > 0);
    qr_lock_range_give_up(w->owner);
    if (status == QR_OK)
        enter(w, mode, from, to);
    else if (status == QR_SQL && err.number == 1205)
        atomic_fetch_add(&victims, 1);
    else if (status == QR_SQL && err.number == 1222)
        atomic_fetch_add(&gave_up, 1);
    else
        atomic_fetch_add(&broken, 1);
    return status == QR_SQL && err.number == 1222 ? QR_OK : status; /* the transaction goes on */
}

static void *work(void *arg)
{
    struct worker *w = arg;
    for (int i = 0; i < TRANSACTIONS; i++) {
        enum qr_status status = QR_OK;
        for (unsigned k = 1 + pick(w, ASKS_MAX); k > 0 && status == QR_OK; k--) {
            status = take(w);
            sched_yield(); /* others come in between, also where there is one core */
        }
        atomic_fetch_add(&committed, status == QR_OK);
        leave(w);
    }
    return NULL;
}

static void test_threads_are_let_in_when_nobody_is_in_their_way(void **state)
{
    (void)state;
    struct qr_lock_options options = {.env = qr_env_real()};
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    assert_int_equal(qr_locks_new(&options, &locks, NULL), QR_OK);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.id = i, .random = (uint64_t)i * 104729};
        assert_int_equal(qr_lock_owner_new(locks, (uint32_t)i, &workers[i].owner, NULL), QR_OK);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++)
        qr_lock_owner_free(workers[i].owner);
    qr_locks_free(locks); /* asserts that nothing is left, no claim either */
    assert_int_equal(atomic_load(&broken), 0);
    assert_int_equal(atomic_load(&committed) + atomic_load(&victims), THREADS * TRANSACTIONS);
    assert_true(atomic_load(&waited) > 0 && atomic_load(&victims) > 0);
    print_message("%d refusals at most, %llu waited, %llu victims, %llu gave up\n",
                  atomic_load(&most_refusals), (unsigned long long)atomic_load(&waited),
                  (unsigned long long)atomic_load(&victims),
                  (unsigned long long)atomic_load(&gave_up));
    assert_in_range(atomic_load(&most_refusals), 0, REFUSALS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_are_let_in_when_nobody_is_in_their_way),
    };
    return cmocka_run_group_tests_name("lock/range_threads", tests, NULL, NULL);
}
