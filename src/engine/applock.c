/* applock.c - see applock_int.h */
#include "applock_int.h"
#include <stdio.h>
#include <stdlib.h>
#include "hostfn_int.h"
#include "base/banned.h"

enum { RESOURCE_CHARS_MAX = 255, WAIT_SLICE_NS = 5000000, HELD_MAX = 10000 };

enum mode { NO_LOCK, INTENT_SHARED, SHARED, UPDATE, INTENT_EXCLUSIVE, SHARED_INTENT, EXCLUSIVE };
enum { MODES = EXCLUSIVE + 1 };

static const char *const mode_names[MODES] = {
    [NO_LOCK] = "NoLock",
    [INTENT_SHARED] = "IntentShared",
    [SHARED] = "Shared",
    [UPDATE] = "Update",
    [INTENT_EXCLUSIVE] = "IntentExclusive",
    [SHARED_INTENT] = "*", /* Shared and IntentExclusive together */
    [EXCLUSIVE] = "Exclusive",
};

/* One bit for each mode that may be held beside it by another. */
static const unsigned goes_with[MODES] = {
    [NO_LOCK] = 0x7F,
    [INTENT_SHARED] = 1 << NO_LOCK | 1 << INTENT_SHARED | 1 << SHARED | 1 << UPDATE |
                      1 << INTENT_EXCLUSIVE | 1 << SHARED_INTENT,
    [SHARED] = 1 << NO_LOCK | 1 << INTENT_SHARED | 1 << SHARED | 1 << UPDATE,
    [UPDATE] = 1 << NO_LOCK | 1 << INTENT_SHARED | 1 << SHARED,
    [INTENT_EXCLUSIVE] = 1 << NO_LOCK | 1 << INTENT_SHARED | 1 << INTENT_EXCLUSIVE,
    [SHARED_INTENT] = 1 << NO_LOCK | 1 << INTENT_SHARED,
    [EXCLUSIVE] = 1 << NO_LOCK,
};

struct qri_applock {
    struct qri_applock *next; /* in the order of coming */
    const struct qr_session *session;
    enum mode mode;
    bool of_session, granted;
    uint32_t count;
    size_t key_bytes;
    char key[]; /* principal, a zero byte, resource */
};

/* What a call is about. */
struct request {
    char key[4 * (128 + RESOURCE_CHARS_MAX) + 1];
    size_t key_bytes;
    enum mode mode;
    bool of_session;
};

static bool is_same(const struct qri_applock *lock, const struct request *r)
{
    return lock->key_bytes == r->key_bytes && memcmp(lock->key, r->key, r->key_bytes) == 0;
}

/* The weakest mode that does what both do. */
static enum mode join(enum mode a, enum mode b)
{
    enum mode low = a < b ? a : b, high = a < b ? b : a;
    if (high == INTENT_EXCLUSIVE && low == SHARED)
        return SHARED_INTENT;
    if ((high == INTENT_EXCLUSIVE || high == SHARED_INTENT) && low == UPDATE)
        return EXCLUSIVE;
    return high;
}

/* May `session` have `mode` now? Not past one that came before and waits, `self` excepted. */
static bool is_free(const struct qr_database *db, const struct qr_session *session,
                    const struct request *r, enum mode mode, const struct qri_applock *self)
{
    bool is_before = true;
    for (const struct qri_applock *lock = db->applocks; lock != NULL; lock = lock->next) {
        is_before &= lock != self;
        if (!is_same(lock, r) || lock->session == session || (!lock->granted && !is_before))
            continue;
        if ((goes_with[mode] & 1U << lock->mode) == 0)
            return false;
    }
    return true;
}

static struct qri_applock **find_held(struct qr_database *db, const struct qr_session *session,
                                      const struct request *r)
{
    for (struct qri_applock **at = &db->applocks; *at != NULL; at = &(*at)->next)
        if ((*at)->session == session && (*at)->granted && (*at)->of_session == r->of_session &&
            is_same(*at, r))
            return at;
    return NULL;
}

/* What the session holds on it, of either owner. */
static enum mode held_mode(const struct qr_database *db, const struct qr_session *session,
                           const struct request *r)
{
    enum mode mode = NO_LOCK;
    for (const struct qri_applock *lock = db->applocks; lock != NULL; lock = lock->next)
        if (lock->session == session && lock->granted && is_same(lock, r))
            mode = join(mode, lock->mode);
    return mode;
}

static void unlink_lock(struct qr_database *db, struct qri_applock *lock)
{
    struct qri_applock **at = &db->applocks;
    while (*at != lock)
        at = &(*at)->next;
    *at = lock->next;
    free(lock);
}

static void forget(struct qr_session *session, struct qri_applock *lock)
{
    unlink_lock(session->db, lock);
    session->applock_count--;
}

void qri_applocks_release(struct qr_session *session, bool all)
{
    struct qr_database *db = session->db;
    if (session->applock_count == 0)
        return;
    pthread_mutex_lock(&db->mu);
    struct qri_applock **at = &db->applocks;
    while (*at != NULL) {
        struct qri_applock *lock = *at;
        if (lock->session != session || (lock->of_session && !all)) {
            at = &lock->next;
            continue;
        }
        *at = lock->next;
        session->applock_count--;
        free(lock);
    }
    pthread_mutex_unlock(&db->mu);
}

/* ---- deadlocks ---- */

enum { CHAIN_MAX = 64 };

/* Does `who` wait, over others that wait, for `whom`? With mu. */
static bool waits_for(const struct qr_database *db, const struct qr_session *who,
                      const struct qr_session *whom, unsigned depth)
{
    const struct qri_applock *wanted = db->applocks;
    while (wanted != NULL && (wanted->granted || wanted->session != who))
        wanted = wanted->next;
    if (wanted == NULL || depth > CHAIN_MAX)
        return false;
    for (const struct qri_applock *lock = db->applocks; lock != NULL; lock = lock->next) {
        if (!lock->granted || lock->session == who || lock->key_bytes != wanted->key_bytes ||
            memcmp(lock->key, wanted->key, lock->key_bytes) != 0 ||
            (goes_with[wanted->mode] & 1U << lock->mode) != 0)
            continue;
        if (lock->session == whom || waits_for(db, lock->session, whom, depth + 1))
            return true;
    }
    return false;
}

/* ---- taking ---- */

enum { GRANTED = 0, GRANTED_LATE = 1, TIMED_OUT = -1, CANCELLED = -2, DEADLOCK = -3 };

/* One more of what is held, or a new entry at the end of the list. With mu. */
static struct qri_applock *enlist(struct qr_session *session, const struct request *r)
{
    struct qri_applock *lock = malloc(sizeof *lock + r->key_bytes);
    if (lock == NULL)
        return NULL;
    *lock = (struct qri_applock){.session = session,
                                 .mode = r->mode,
                                 .of_session = r->of_session,
                                 .count = 1,
                                 .key_bytes = r->key_bytes};
    memcpy(lock->key, r->key, r->key_bytes);
    struct qri_applock **at = &session->db->applocks;
    while (*at != NULL)
        at = &(*at)->next;
    *at = lock;
    session->applock_count++;
    return lock;
}

/* The request is granted: it joins what the session holds already by the same owner. With mu. */
static void grant(struct qr_session *session, const struct request *r, struct qri_applock *lock)
{
    struct qri_applock **held = find_held(session->db, session, r);
    lock->granted = true;
    if (held == NULL)
        return;
    (*held)->mode = join((*held)->mode, lock->mode);
    (*held)->count++;
    forget(session, lock);
}

static enum qr_status wait_turn(struct qr_session *session, const struct request *r,
                                struct qri_applock *lock, int64_t timeout_ms, int *ret_code,
                                struct qr_err *err)
{
    struct qr_database *db = session->db;
    struct qr_env *env = db->instance->options.env;
    int64_t begun_ns = qr_env_mono_ns(env);
    enum qr_status status = QR_OK;
    session->sink->block_begin(session->sink->ctx);
    for (;;) {
        status = qri_check_cancelled(session, err);
        pthread_mutex_lock(&db->mu);
        bool is_mine = status == QR_OK && is_free(db, session, r, lock->mode, lock);
        bool is_dead = !is_mine && waits_for(db, session, session, 0);
        int64_t left_ns = begun_ns + timeout_ms * 1000000 - qr_env_mono_ns(env);
        bool is_late = timeout_ms >= 0 && left_ns <= 0;
        bool ends = status != QR_OK || is_mine || is_dead || is_late;
        if (is_mine)
            grant(session, r, lock);
        else if (ends)
            forget(session, lock);
        pthread_mutex_unlock(&db->mu);
        if (ends) {
            *ret_code = is_mine           ? GRANTED_LATE
                        : status != QR_OK ? CANCELLED
                        : is_dead         ? DEADLOCK
                                          : TIMED_OUT;
            break;
        }
        bool is_last = timeout_ms >= 0 && left_ns < WAIT_SLICE_NS;
        qr_env_sleep_ns(env, is_last ? left_ns : WAIT_SLICE_NS);
    }
    session->sink->block_end(session->sink->ctx);
    return status;
}

static enum qr_status take(struct qr_session *session, const struct request *r, int64_t timeout_ms,
                           int *ret_code, struct qr_err *err)
{
    struct qr_database *db = session->db;
    pthread_mutex_lock(&db->mu);
    struct qri_applock *lock = session->applock_count < HELD_MAX ? enlist(session, r) : NULL;
    bool is_now = false;
    if (lock != NULL) { /* what the session holds already counts into what it asks for */
        lock->mode = join(held_mode(db, session, r), r->mode);
        is_now = is_free(db, session, r, lock->mode, lock);
        if (is_now)
            grant(session, r, lock);
        else if (timeout_ms == 0)
            forget(session, lock);
    }
    pthread_mutex_unlock(&db->mu);
    if (lock == NULL)
        return qr_sql_fail(err, 1204);
    *ret_code = is_now ? GRANTED : TIMED_OUT;
    return is_now || timeout_ms == 0 ? QR_OK
                                     : wait_turn(session, r, lock, timeout_ms, ret_code, err);
}

/* ---- arguments ---- */

static enum qr_status bad_option(const char *proc, int32_t *ret_status, struct qr_err *err)
{
    if (ret_status != NULL)
        *ret_status = -999;
    return qr_sql_fail(err, 15600, proc);
}

static bool set_key(struct request *r, struct qr_str principal, struct qr_str resource)
{
    size_t chars = 0, n = 0;
    while (n < resource.n && chars < RESOURCE_CHARS_MAX) { /* what is longer is cut */
        n++;
        while (n < resource.n && ((unsigned char)resource.p[n] & 0xC0) == 0x80)
            n++;
        chars++;
    }
    if (principal.n + 1 + n > sizeof r->key)
        return false;
    for (size_t i = 0; i < principal.n; i++)
        r->key[i] = (char)(principal.p[i] >= 'A' && principal.p[i] <= 'Z' ? principal.p[i] | 32
                                                                          : principal.p[i]);
    r->key[principal.n] = '\0';
    memcpy(r->key + principal.n + 1, resource.p, n);
    r->key_bytes = principal.n + 1 + n;
    return true;
}

static bool set_owner(struct request *r, struct qr_str owner)
{
    r->of_session = owner.p != NULL && qr_str_ieqz(owner, "Session");
    return owner.p == NULL || r->of_session || qr_str_ieqz(owner, "Transaction");
}

static bool set_mode(struct request *r, struct qr_str mode)
{
    for (int i = INTENT_SHARED; i < MODES; i++)
        if (i != SHARED_INTENT && qr_str_ieqz(mode, mode_names[i])) {
            r->mode = (enum mode)i;
            return true;
        }
    return false;
}

static struct qr_str text_arg(const struct qri_call_arg *args, size_t count, const char *name,
                              size_t index)
{
    const struct qri_call_arg *arg = qri_sysproc_arg(args, count, name, index);
    if (arg == NULL || arg->value.cell != QR_CELL_TEXT)
        return (struct qr_str){NULL, 0};
    return qr_value_bytes(&arg->value);
}

static struct qr_str principal_arg(const struct qri_call_arg *args, size_t count, size_t index)
{
    struct qr_str s = text_arg(args, count, "@DbPrincipal", index);
    return s.p == NULL ? qr_str("public") : s;
}

enum qr_status qri_sp_getapplock(struct qr_session *session, struct qri_call_arg *args,
                                 size_t count, int32_t *ret_status, struct qr_err *err)
{
    struct request r = {0};
    struct qr_str resource = text_arg(args, count, "@Resource", 0);
    const struct qri_call_arg *timeout = qri_sysproc_arg(args, count, "@LockTimeout", 3);
    int64_t timeout_ms = session->options.lock_timeout_ms;
    if (timeout != NULL && timeout->value.cell == QR_CELL_INT)
        timeout_ms = timeout->value.i;
    if (resource.p == NULL || !set_mode(&r, text_arg(args, count, "@LockMode", 1)) ||
        !set_owner(&r, text_arg(args, count, "@LockOwner", 2)) || timeout_ms < -1 ||
        !set_key(&r, principal_arg(args, count, 4), resource))
        return bad_option("sys.sp_getapplock", ret_status, err);
    if (!r.of_session && session->tran.count == 0)
        return qr_sql_fail(err, 3918);
    int code = TIMED_OUT;
    enum qr_status status = take(session, &r, timeout_ms, &code, err);
    if (ret_status != NULL)
        *ret_status = code;
    return status;
}

enum qr_status qri_sp_releaseapplock(struct qr_session *session, struct qri_call_arg *args,
                                     size_t count, int32_t *ret_status, struct qr_err *err)
{
    struct request r = {0};
    struct qr_database *db = session->db;
    struct qr_str resource = text_arg(args, count, "@Resource", 0);
    struct qr_str principal = principal_arg(args, count, 2);
    if (resource.p == NULL || !set_owner(&r, text_arg(args, count, "@LockOwner", 1)) ||
        !set_key(&r, principal, resource))
        return bad_option("sys.sp_releaseapplock", ret_status, err);
    pthread_mutex_lock(&db->mu);
    struct qri_applock **held = find_held(db, session, &r);
    bool found = held != NULL;
    if (found && --(*held)->count == 0)
        forget(session, *held);
    pthread_mutex_unlock(&db->mu);
    if (ret_status != NULL)
        *ret_status = found ? 0 : -999;
    if (found)
        return QR_OK;
    char name[128 + 1], shown[RESOURCE_CHARS_MAX + 1];
    (void)snprintf(name, sizeof name, "%.*s", (int)principal.n, principal.p);
    (void)snprintf(shown, sizeof shown, "%.*s", (int)resource.n, resource.p);
    return qr_sql_fail(err, 1223, name, shown);
}

/* ---- functions ---- */

static bool host_key(const struct qri_host_call *h, struct request *r, size_t owner)
{
    return h->args[0].cell == QR_CELL_TEXT && h->args[1].cell == QR_CELL_TEXT &&
           h->args[owner].cell == QR_CELL_TEXT && set_owner(r, qri_host_arg_text(h, owner)) &&
           set_key(r, qri_host_arg_text(h, 0), qri_host_arg_text(h, 1));
}

enum qr_status qri_fn_applock_mode(struct qri_host_call *h)
{
    struct request r = {0};
    struct qr_database *db = h->session->db;
    *h->ret_value = qr_value_null();
    if (!host_key(h, &r, 2))
        return QR_OK;
    pthread_mutex_lock(&db->mu);
    struct qri_applock **held = find_held(db, h->session, &r);
    enum mode mode = held == NULL ? NO_LOCK : (*held)->mode;
    pthread_mutex_unlock(&db->mu);
    return qri_host_text(h, qr_str(mode_names[mode]));
}

enum qr_status qri_fn_applock_test(struct qri_host_call *h)
{
    struct request r = {0};
    struct qr_database *db = h->session->db;
    *h->ret_value = qr_value_null();
    if (!host_key(h, &r, 3) || h->args[2].cell != QR_CELL_TEXT ||
        !set_mode(&r, qri_host_arg_text(h, 2)))
        return QR_OK;
    pthread_mutex_lock(&db->mu);
    bool is_now = is_free(db, h->session, &r, r.mode, NULL);
    pthread_mutex_unlock(&db->mu);
    *h->ret_value = qr_value_int(is_now);
    return QR_OK;
}
