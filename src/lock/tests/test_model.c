/* Goal: whatever is asked in whatever order, holds, queues and victims are those of a model that is
 * too simple to be wrong. Method: one thread plays all owners; a wait is a place in the queue. */
#include "lock_int.h"
#include "qr_test.h"

enum { OWNERS = 6, THINGS = 4, STEPS = 3000, SEEDS = 60 };

/* The modes that are asked for of each thing, a letter for each. */
static const struct {
    struct qr_lock_resource resource;
    enum qr_lock_mode modes[8];
} things[THINGS] = {
    {{.kind = QR_LOCK_TABLE, .object = 1},
     {QR_LOCK_IS, QR_LOCK_IX, QR_LOCK_S, QR_LOCK_X, QR_LOCK_SCH_S, QR_LOCK_SCH_M, QR_LOCK_IX,
      QR_LOCK_SIX}},
    {{.kind = QR_LOCK_ROW, .object = 1, .hash = 5},
     {QR_LOCK_S, QR_LOCK_U, QR_LOCK_X, QR_LOCK_S, QR_LOCK_U, QR_LOCK_X, QR_LOCK_S, QR_LOCK_U}},
    {{.kind = QR_LOCK_KEY, .object = 1, .hash = 5},
     {QR_LOCK_S, QR_LOCK_X, QR_LOCK_X, QR_LOCK_X, QR_LOCK_S, QR_LOCK_X, QR_LOCK_X, QR_LOCK_X}},
    {{.kind = QR_LOCK_APP, .hash = 5},
     {QR_LOCK_IS, QR_LOCK_IX, QR_LOCK_S, QR_LOCK_U, QR_LOCK_X, QR_LOCK_S, QR_LOCK_IX, QR_LOCK_U}},
};

struct naive_wait {
    bool active, is_conversion;
    int thing, scope;
    enum qr_lock_mode mode;
    uint64_t turn;
};
struct naive {
    enum qr_lock_mode held[OWNERS][2][THINGS];
    uint32_t count[OWNERS][2][THINGS];
    struct naive_wait waits[OWNERS];
    uint64_t turn;
};
struct world {
    struct naive naive;
    struct qr_locks *locks;
    struct qr_lock_owner *owners[OWNERS];
    uint64_t random, grants, circles;
};

static unsigned pick(struct world *w, unsigned below)
{
    w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(w->random >> 33) % below;
}

static enum qr_lock_mode naive_held(const struct naive *n, int owner, int thing)
{
    return qr_lock_join(n->held[owner][0][thing], n->held[owner][1][thing]);
}

static bool goes_with_holders(const struct naive *n, int owner, int thing, enum qr_lock_mode mode)
{
    for (int o = 0; o < OWNERS; o++)
        if (o != owner && !qr_lock_goes_with(naive_held(n, o, thing), mode))
            return false;
    return true;
}

static bool is_in_front(const struct naive_wait *a, const struct naive_wait *b)
{
    if (!a->active || a->thing != b->thing)
        return false;
    return a->is_conversion != b->is_conversion ? a->is_conversion : a->turn < b->turn;
}

static void naive_grant(struct naive *n, int owner, int scope, int thing, enum qr_lock_mode mode)
{
    bool counts = things[thing].resource.kind == QR_LOCK_APP;
    n->held[owner][scope][thing] = qr_lock_join(n->held[owner][scope][thing], mode);
    n->count[owner][scope][thing] = counts ? n->count[owner][scope][thing] + 1 : 1;
}

/* Does `a`, which waits, wait for `b`? */
static bool naive_waits_for(const struct naive *n, int a, int b)
{
    const struct naive_wait *w = &n->waits[a], *other = &n->waits[b];
    if (a == b || !w->active)
        return false;
    if (!qr_lock_goes_with(naive_held(n, b, w->thing), w->mode))
        return true;
    return !w->is_conversion && is_in_front(other, w) && !qr_lock_goes_with(other->mode, w->mode);
}

static bool naive_may_go(const struct naive *n, int owner)
{
    bool may = n->waits[owner].active;
    for (int o = 0; o < OWNERS; o++)
        may &= !naive_waits_for(n, owner, o);
    return may;
}

/* Again and again the one furthest in front of those that nobody stops. */
static void naive_settle(struct naive *n)
{
    for (;;) {
        int first = -1;
        for (int o = 0; o < OWNERS; o++)
            if (naive_may_go(n, o) && (first < 0 || n->waits[o].thing < n->waits[first].thing ||
                                       is_in_front(&n->waits[o], &n->waits[first])))
                first = o;
        if (first < 0)
            return;
        struct naive_wait *w = &n->waits[first];
        w->active = false;
        naive_grant(n, first, w->scope, w->thing, w->mode);
    }
}

static void close_over(const struct naive *n, bool reach[OWNERS][OWNERS])
{
    for (int a = 0; a < OWNERS; a++)
        for (int b = 0; b < OWNERS; b++)
            reach[a][b] = naive_waits_for(n, a, b);
    for (int k = 0; k < OWNERS; k++)
        for (int a = 0; a < OWNERS; a++)
            for (int b = 0; b < OWNERS; b++)
                reach[a][b] |= reach[a][k] && reach[k][b];
}

static void compare(struct world *w)
{
    for (int o = 0; o < OWNERS; o++) {
        assert_int_equal(w->owners[o]->wait.state == QRI_WAITS, w->naive.waits[o].active);
        for (int s = 0; s < 2; s++)
            for (int t = 0; t < THINGS; t++)
                assert_int_equal(
                    qr_lock_held(w->owners[o], (enum qr_lock_scope)s, &things[t].resource),
                    w->naive.held[o][s][t]);
    }
}

/* Somebody that owns no lock waits no more by the same rules, only its place goes. */
static void break_circles(struct world *w, int start)
{
    struct qr_deadlock deadlock = {0};
    bool reach[OWNERS][OWNERS];
    struct naive *n = &w->naive;
    while (n->waits[start].active) {
        close_over(n, reach);
        bool found = qri_break_circle(w->owners[start], &deadlock);
        assert_int_equal(found, reach[start][start]);
        if (!found)
            break;
        w->circles++;
        uint32_t victim = deadlock.victim_session_id;
        assert_true(deadlock.count >= 2);
        assert_true((int)victim == start || (reach[start][victim] && reach[victim][start]));
        assert_true(atomic_load(&w->owners[victim]->priority) <=
                    atomic_load(&w->owners[start]->priority));
        n->waits[victim].active = false;
        naive_settle(n);
    }
    close_over(n, reach);
    for (int o = 0; o < OWNERS; o++)
        assert_false(reach[o][o]);
}

static void ask(struct world *w, int owner, bool may_wait)
{
    int t = (int)pick(w, THINGS), scope = (int)pick(w, 4) == 0;
    enum qr_lock_mode mode = things[t].modes[pick(w, 8)];
    struct naive *n = &w->naive;
    bool is_conversion = naive_held(n, owner, t) != QR_LOCK_NONE;
    bool want = goes_with_holders(n, owner, t, mode);
    for (int o = 0; o < OWNERS && !is_conversion; o++)
        want &= !n->waits[o].active || n->waits[o].thing != t ||
                qr_lock_goes_with(n->waits[o].mode, mode);
    assert_int_equal(qr_lock_may(w->owners[owner], &things[t].resource, mode), want);
    enum qr_status status =
        qr_lock_try(w->owners[owner], (enum qr_lock_scope)scope, &things[t].resource, mode, NULL);
    assert_int_equal(status, want ? QR_OK : QR_BUSY);
    if (want) {
        naive_grant(n, owner, scope, t, mode);
        w->grants++;
        return;
    }
    if (!may_wait)
        return;
    struct qri_ask request;
    qri_lock_ask(w->owners[owner], (enum qr_lock_scope)scope, &things[t].resource, mode, &request);
    assert_true(qri_enqueue(&request));
    n->waits[owner] = (struct naive_wait){.active = true,
                                          .is_conversion = is_conversion,
                                          .thing = t,
                                          .scope = scope,
                                          .mode = qr_lock_join(n->held[owner][scope][t], mode),
                                          .turn = ++n->turn};
    break_circles(w, owner);
}

static void give_back(struct world *w, int owner, int scope)
{
    int t = (int)pick(w, THINGS);
    struct naive *n = &w->naive;
    if (pick(w, 3) == 0) {
        bool has = n->count[owner][scope][t] > 0;
        assert_int_equal(
            qr_lock_release(w->owners[owner], (enum qr_lock_scope)scope, &things[t].resource),
            has ? QR_OK : QR_NOT_FOUND);
        if (has && --n->count[owner][scope][t] == 0)
            n->held[owner][scope][t] = QR_LOCK_NONE;
    } else {
        qr_lock_release_all(w->owners[owner], (enum qr_lock_scope)scope);
        for (t = 0; t < THINGS; t++) {
            n->held[owner][scope][t] = QR_LOCK_NONE;
            n->count[owner][scope][t] = 0;
        }
    }
    naive_settle(n);
}

static void step(struct world *w)
{
    int owner = (int)pick(w, OWNERS);
    if (w->naive.waits[owner].active) {
        if (pick(w, 12) == 0) {
            qri_dequeue(&w->owners[owner]->wait, QRI_WAIT_NONE);
            w->naive.waits[owner].active = false;
            naive_settle(&w->naive);
        }
    } else if (pick(w, 4) == 0) {
        give_back(w, owner, (int)pick(w, 4) == 0);
    } else {
        ask(w, owner, pick(w, 3) != 0);
    }
    compare(w);
}

static void test_every_order_of_requests_ends_as_in_the_model(void **state)
{
    (void)state;
    uint64_t grants = 0, circles = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world w = {.random = seed};
        struct qr_lock_options options = {.env = qr_env_real()};
        assert_int_equal(qr_locks_new(&options, &w.locks, NULL), QR_OK);
        for (uint32_t i = 0; i < OWNERS; i++) {
            assert_int_equal(qr_lock_owner_new(w.locks, i, &w.owners[i], NULL), QR_OK);
            qr_lock_owner_set(w.owners[i], (int)(i % 3), i);
        }
        for (int i = 0; i < STEPS; i++)
            step(&w);
        for (int i = 0; i < OWNERS; i++)
            if (w.owners[i]->wait.state == QRI_WAITS)
                qri_dequeue(&w.owners[i]->wait, QRI_WAIT_NONE);
        for (int i = 0; i < OWNERS; i++)
            qr_lock_owner_free(w.owners[i]);
        assert_int_equal(w.locks->locks.count + w.locks->holds.count, 0);
        qr_locks_free(w.locks);
        grants += w.grants;
        circles += w.circles;
    }
    assert_true(grants > 10000 && circles > 1000); /* it has been somewhere */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_order_of_requests_ends_as_in_the_model),
    };
    return cmocka_run_group_tests_name("lock/model", tests, NULL, NULL);
}
