/* scene.h - a lock manager and some owners, each with a thread while it waits. For tests. */
#pragma once
#include "qr_test.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include "env/env.h"
#include "lock/lock.h"

enum { OWNERS = 8, MS = 1000 * 1000 };

struct owner {
    struct qr_lock_owner *o;
    uint32_t id;
    pthread_t thread;
    bool is_away; /* its thread is not joined yet */
    _Atomic bool is_back;
    _Atomic bool is_cancelled; /* what its poll says */
    struct qr_lock_resource resource;
    enum qr_lock_mode mode;
    int32_t timeout_ms;
    enum qr_status status;
    struct qr_err err;
};

struct scene {
    struct qr_locks *locks;
    struct owner owners[OWNERS];
    _Atomic int deadlocks;
    _Atomic uint32_t victim;
    struct qr_deadlock deadlock;           /* the last; as: */
    char report[QR_LOCK_REPORT_BYTES_MAX]; /* of the last; read when its closer is waiting */
};

static inline void on_deadlock(void *ctx, const struct qr_deadlock *d)
{
    struct scene *s = ctx;
    snprintf(s->report, sizeof s->report, "%s", d->text);
    atomic_store(&s->victim, d->victim_session_id);
    s->deadlock = *d;
    atomic_fetch_add(&s->deadlocks, 1);
}

static inline void scene_open(struct scene *s, size_t bytes_max)
{
    *s = (struct scene){0};
    const struct qr_lock_options options = {
        .env = qr_env_real(), .bytes_max = bytes_max, .on_deadlock = on_deadlock, .ctx = s};
    assert_int_equal(qr_locks_new(&options, &s->locks, NULL), QR_OK);
    for (uint32_t i = 0; i < OWNERS; i++) {
        s->owners[i].id = i;
        assert_int_equal(qr_lock_owner_new(s->locks, i, &s->owners[i].o, NULL), QR_OK);
    }
}

static inline void count_one(void *ctx, const struct qr_lock_info *info)
{
    (void)info;
    ++*(size_t *)ctx;
}

static inline size_t count_listed(struct scene *s)
{
    size_t count = 0;
    qr_locks_list(s->locks, count_one, &count);
    return count;
}

static inline void scene_close(struct scene *s)
{
    for (int i = 0; i < OWNERS; i++) {
        assert_false(s->owners[i].is_away);
        qr_lock_owner_free(s->owners[i].o);
    }
    assert_int_equal(count_listed(s), 0);
    qr_locks_free(s->locks);
}

/* 'a', 'b', ...: rows; 'A', 'B', ...: tables; '0', '1', ...: names of applications. */
static inline struct qr_lock_resource thing(char name)
{
    if (name >= 'a')
        return (struct qr_lock_resource){.kind = QR_LOCK_ROW, .object = 1, .hash = (uint64_t)name};
    if (name >= 'A')
        return (struct qr_lock_resource){.kind = QR_LOCK_TABLE, .object = (uint32_t)name};
    return (struct qr_lock_resource){.kind = QR_LOCK_APP, .hash = (uint64_t)name};
}

static inline enum qr_status try_it(struct scene *s, int owner, char name, enum qr_lock_mode mode)
{
    struct qr_lock_resource r = thing(name);
    return qr_lock_try(s->owners[owner].o, QR_LOCK_OF_TRAN, &r, mode, NULL);
}

static inline void release(struct scene *s, int owner)
{
    qr_lock_release_all(s->owners[owner].o, QR_LOCK_OF_TRAN);
}

static inline enum qr_lock_mode held(struct scene *s, int owner, char name)
{
    struct qr_lock_resource r = thing(name);
    return qr_lock_held(s->owners[owner].o, QR_LOCK_OF_TRAN, &r);
}

/* ---- waiting ---- */

static inline enum qr_status poll_owner(void *ctx)
{
    struct owner *owner = ctx;
    return atomic_load(&owner->is_cancelled) ? QR_CANCELLED : QR_OK;
}

static inline void *wait_main(void *arg)
{
    struct owner *owner = arg;
    owner->status = qr_lock_wait(owner->o, QR_LOCK_OF_TRAN, &owner->resource, owner->mode, NULL,
                                 owner->timeout_ms, poll_owner, owner, &owner->err);
    atomic_store(&owner->is_back, true);
    return NULL;
}

static inline void set_out(struct scene *s, int n, char name, enum qr_lock_mode mode,
                           int32_t timeout_ms)
{
    struct owner *owner = &s->owners[n];
    assert_false(owner->is_away);
    owner->resource = thing(name);
    owner->mode = mode;
    owner->timeout_ms = timeout_ms;
    atomic_store(&owner->is_back, false);
    owner->is_away = true;
    assert_int_equal(pthread_create(&owner->thread, NULL, wait_main, owner), 0);
}

struct look_up {
    uint32_t id;
    bool found;
    struct qr_lock_info info;
};

static inline void match_wait(void *ctx, const struct qr_lock_info *info)
{
    struct look_up *look = ctx;
    assert_true(info->is_waiting);
    if (info->session_id != look->id)
        return;
    look->found = true;
    look->info = *info;
}

static inline bool is_waiting(struct scene *s, int owner, struct qr_lock_info *ret_info)
{
    struct look_up look = {.id = (uint32_t)owner};
    qr_locks_list_waits(s->locks, match_wait, &look);
    if (look.found && ret_info != NULL)
        *ret_info = look.info;
    return look.found;
}

/* Returns when it stands in the queue. */
static inline void start_waiting(struct scene *s, int owner, char name, enum qr_lock_mode mode)
{
    set_out(s, owner, name, mode, -1);
    while (!is_waiting(s, owner, NULL))
        sched_yield();
}

static inline enum qr_status come_back(struct scene *s, int owner)
{
    assert_true(s->owners[owner].is_away);
    pthread_join(s->owners[owner].thread, NULL);
    s->owners[owner].is_away = false;
    return s->owners[owner].status;
}
