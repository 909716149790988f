/* auth.c - see gateway/auth.h and gateway_int.h: password checks that cost an attacker, not us.
 *
 * At most VERIFIERS Argon2id verifications run at once, each on a thread of its own with 19 MiB. A
 * login that was verified is remembered under a keyed hash of login, password and stored hash, so
 * the next one costs a microsecond until the password changes. Failures are counted by (login,
 * server, address): after FREE_FAILURES each further attempt of that pair waits, twice as long as
 * the one before, in a queue that costs no thread. Another address is not delayed: nobody locks
 * another out. A success forgives failures. The wait comes before the remembered logins are asked,
 * or they would tell a guess from the answer's speed. */
#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include "env/thread.h"
#include "gateway_int.h"
#include "base/banned.h"

enum {
    VERIFIERS = 2,
    VERIFIED_SLOTS = 4096, /* 4-way: a login may push another out, which costs a verification */
    VERIFIED_WAYS = 4,
    PENALTY_SLOTS = 4096,
    PENALTY_WAYS = 8,
    FREE_FAILURES = 3,
    PENALTY_MS_FIRST = 250,
    PENALTY_MS_MAX = 8000,
    PENALTY_FORGET_MS = 600000,
    STACK_BYTES = 512 * 1024,
};

/* Of penalties. */
static const uint64_t MANY_PLACES = UINT64_MAX;

struct tag {
    uint8_t bytes[crypto_generichash_BYTES];
};

struct penalty {
    uint64_t key; /* keyed hash of login and address; 0 = free */
    uint32_t failures;
    uint64_t place; /* that all failures were at; MANY_PLACES */
    int64_t last_ns;
    int64_t next_ns; /* the next attempt may start then */
};

struct qri_auth {
    struct qr_env *env;
    const struct qr_login_directory *logins;
    uint8_t key[crypto_generichash_KEYBYTES]; /* of this process */
    atomic_bool dummy_begun;
    pthread_t threads[VERIFIERS];
    size_t thread_count;
    pthread_mutex_t mu; /* guards everything below */
    pthread_cond_t work;
    bool stopping;
    bool has_dummy;                          /* the first verifier makes it: starting is quicker */
    char dummy_hash[QR_PASSWORD_HASH_BYTES]; /* unknown logins are verified too: same time */
    struct qri_auth_job *jobs;               /* by not_before_ns */
    struct tag verified[VERIFIED_SLOTS];
    struct penalty penalties[PENALTY_SLOTS];
};

const char *qri_auth_result_name(enum qri_auth_result result)
{
    static const char *const names[] = {
        [QRI_AUTH_OK] = "ok",
        [QRI_AUTH_UNKNOWN_LOGIN] = "unknown_login",
        [QRI_AUTH_WRONG_PASSWORD] = "wrong_password",
        [QRI_AUTH_DISABLED] = "disabled",
        [QRI_AUTH_TOO_MANY] = "too_many_failures",
        [QRI_AUTH_ERROR] = "internal_error",
    };
    return names[result];
}

/* Lengths go in too, so that (ab, c) and (a, bc) differ. */
static void add_part(crypto_generichash_state *state, struct qr_str part, bool fold)
{
    uint64_t n = part.n;
    crypto_generichash_update(state, (const uint8_t *)&n, sizeof n);
    for (size_t i = 0; i < part.n; i++) {
        uint8_t c = (uint8_t)part.p[i];
        if (fold && c >= 'A' && c <= 'Z')
            c = (uint8_t)(c + 32);
        crypto_generichash_update(state, &c, 1);
    }
}

static struct tag tag_of(const struct qri_auth *auth, struct qr_str login, struct qr_str second,
                         struct qr_str third)
{
    struct tag tag;
    crypto_generichash_state state;
    crypto_generichash_init(&state, auth->key, sizeof auth->key, sizeof tag.bytes);
    add_part(&state, login, true);
    add_part(&state, second, false);
    add_part(&state, third, false);
    crypto_generichash_final(&state, tag.bytes, sizeof tag.bytes);
    sodium_memzero(&state, sizeof state);
    return tag;
}

static uint64_t number_of(const struct tag *tag)
{
    uint64_t number;
    memcpy(&number, tag->bytes, sizeof number);
    return number == 0 ? 1 : number;
}

/* ---- verified logins; mu held ---- */

static struct tag *verified_set(struct qri_auth *auth, const struct tag *tag)
{
    return &auth->verified[number_of(tag) % (VERIFIED_SLOTS / VERIFIED_WAYS) * VERIFIED_WAYS];
}

static bool is_verified(struct qri_auth *auth, const struct tag *tag)
{
    const struct tag *set = verified_set(auth, tag);
    bool found = false;
    for (int i = 0; i < VERIFIED_WAYS; i++)
        found |= sodium_memcmp(set[i].bytes, tag->bytes, sizeof tag->bytes) == 0;
    return found;
}

static void remember(struct qri_auth *auth, const struct tag *tag)
{
    struct tag *set = verified_set(auth, tag);
    memmove(set + 1, set, (VERIFIED_WAYS - 1) * sizeof *set);
    set[0] = *tag;
}

/* ---- penalties; mu held ---- */

static uint64_t penalty_key(const struct qri_auth *auth, const struct qri_auth_job *job)
{
    /* by server too: who has a login on one could else forgive himself guesses on another */
    struct tag tag =
        tag_of(auth, job->login, qr_str_n((const char *)job->address_key, sizeof job->address_key),
               qr_str_n((const char *)&job->server_id, sizeof job->server_id));
    return number_of(&tag);
}

static struct penalty *find_penalty(struct qri_auth *auth, uint64_t key, bool make)
{
    struct penalty *set = &auth->penalties[key % (PENALTY_SLOTS / PENALTY_WAYS) * PENALTY_WAYS];
    struct penalty *oldest = set;
    for (int i = 0; i < PENALTY_WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (set[i].last_ns < oldest->last_ns)
            oldest = &set[i];
    }
    if (!make)
        return NULL;
    *oldest = (struct penalty){.key = key};
    return oldest;
}

static int64_t penalty_ns(uint32_t failures)
{
    if (failures < FREE_FAILURES)
        return 0;
    uint32_t doublings = failures - FREE_FAILURES;
    int64_t ms = doublings > 5 ? PENALTY_MS_MAX : (int64_t)PENALTY_MS_FIRST << doublings;
    return (ms < PENALTY_MS_MAX ? ms : PENALTY_MS_MAX) * 1000000;
}

/* When the attempt may start; attempts of one pair queue up behind each other. */
static int64_t reserve_start(struct qri_auth *auth, const struct qri_auth_job *job, int64_t now)
{
    struct penalty *penalty = find_penalty(auth, penalty_key(auth, job), false);
    if (penalty == NULL || penalty->failures < FREE_FAILURES)
        return now;
    if (now - penalty->last_ns > PENALTY_FORGET_MS * INT64_C(1000000)) {
        *penalty = (struct penalty){0};
        return now;
    }
    int64_t start = penalty->next_ns > now ? penalty->next_ns : now;
    penalty->next_ns = start + penalty_ns(penalty->failures);
    return start;
}

/* The database that was named, which may have users of its own. */
static uint64_t place_of(const struct qri_auth *auth, const struct qri_auth_job *job)
{
    struct tag tag = tag_of(auth, job->place, qr_str(""), qr_str(""));
    return number_of(&tag) - 1;
}

static void count_failure(struct qri_auth *auth, const struct qri_auth_job *job)
{
    int64_t now = qr_env_mono_ns(auth->env);
    struct penalty *penalty = find_penalty(auth, penalty_key(auth, job), true);
    uint64_t place = place_of(auth, job);
    if (penalty->failures == 0)
        penalty->place = place;
    else if (penalty->place != place)
        penalty->place = MANY_PLACES;
    penalty->failures += 1;
    penalty->last_ns = now;
    int64_t next = now + penalty_ns(penalty->failures);
    if (next > penalty->next_ns)
        penalty->next_ns = next;
}

/* The right password of a login does. A database's own user has been let in by the database: that
 * forgives no guess at a login, which is guessed at wherever it is named, nor at another database's
 * user of that name. */
static void forget_failures(struct qri_auth *auth, const struct qri_auth_job *job)
{
    struct penalty *penalty = find_penalty(auth, penalty_key(auth, job), false);
    bool is_his = penalty != NULL && job->result == QRI_AUTH_UNKNOWN_LOGIN &&
                  penalty->place == place_of(auth, job);
    if (penalty != NULL && (job->result == QRI_AUTH_OK || is_his))
        *penalty = (struct penalty){0};
}

/* ---- verifiers ---- */

/* A hash that no password has. Several verifiers may make one at once; the first counts. */
static bool ensure_dummy(struct qri_auth *auth)
{
    pthread_mutex_lock(&auth->mu);
    bool has = auth->has_dummy;
    pthread_mutex_unlock(&auth->mu);
    if (has)
        return true;
    char nobody[32], hash[QR_PASSWORD_HASH_BYTES];
    qr_env_random(auth->env, nobody, sizeof nobody);
    if (qr_password_hash(qr_str_n(nobody, sizeof nobody), hash, NULL) != QR_OK)
        return false;
    pthread_mutex_lock(&auth->mu);
    if (!auth->has_dummy)
        memcpy(auth->dummy_hash, hash, sizeof hash);
    auth->has_dummy = true;
    pthread_mutex_unlock(&auth->mu);
    return true;
}

static enum qri_auth_result check(struct qri_auth *auth, struct qri_auth_job *job)
{
    struct qr_login_record record = {0};
    enum qr_status status = QR_OK;
    if (!job->is_own)
        status = auth->logins->find(auth->logins->ctx, job->server_id, job->login, &record, NULL);
    else if (job->own_hash[0] != '\0')
        memcpy(record.hash, job->own_hash, sizeof record.hash);
    else
        status = QR_NOT_FOUND;
    if (status != QR_OK && status != QR_NOT_FOUND)
        return QRI_AUTH_ERROR;
    bool known = status == QR_OK;
    if (!known && !ensure_dummy(auth))
        return QRI_AUTH_ERROR;
    const char *hash = known ? record.hash : auth->dummy_hash;
    struct tag tag = tag_of(auth, job->login, job->password, qr_str(hash));
    pthread_mutex_lock(&auth->mu);
    bool right = is_verified(auth, &tag);
    pthread_mutex_unlock(&auth->mu);
    if (!right)
        right = qr_password_is_right(hash, job->password);
    job->is_admin = record.is_admin;
    memcpy(job->name, record.name, sizeof job->name);
    memcpy(job->sid, record.sid, sizeof job->sid);
    job->sid_bytes = record.sid_bytes;
    job->roles = record.roles;
    if (!known)
        return QRI_AUTH_UNKNOWN_LOGIN;
    if (!right)
        return QRI_AUTH_WRONG_PASSWORD;
    if (record.is_disabled)
        return QRI_AUTH_DISABLED;
    pthread_mutex_lock(&auth->mu);
    if (!is_verified(auth, &tag))
        remember(auth, &tag);
    pthread_mutex_unlock(&auth->mu);
    return QRI_AUTH_OK;
}

static struct qri_auth_job *next_job(struct qri_auth *auth)
{
    for (;;) {
        if (auth->stopping)
            return NULL;
        struct qri_auth_job *job = auth->jobs;
        int64_t wait_ns = job == NULL ? -1 : job->not_before_ns - qr_env_mono_ns(auth->env);
        if (job != NULL && wait_ns <= 0) {
            auth->jobs = job->next;
            return job;
        }
        qr_cond_wait(&auth->work, &auth->mu, wait_ns);
    }
}

void qri_auth_settle(struct qri_auth *auth, const struct qri_auth_job *job, bool was_let_in)
{
    pthread_mutex_lock(&auth->mu);
    if (was_let_in)
        forget_failures(auth, job);
    else
        count_failure(auth, job);
    pthread_mutex_unlock(&auth->mu);
}

static void *verifier_main(void *arg)
{
    struct qri_auth *auth = arg;
    if (!atomic_exchange(&auth->dummy_begun, true))
        ensure_dummy(auth);
    pthread_mutex_lock(&auth->mu);
    for (struct qri_auth_job *job; (job = next_job(auth)) != NULL;) {
        pthread_mutex_unlock(&auth->mu);
        job->result = check(auth, job);
        if (!job->defers)
            qri_auth_settle(auth, job, job->result == QRI_AUTH_OK);
        job->done(job);
        pthread_mutex_lock(&auth->mu);
    }
    pthread_mutex_unlock(&auth->mu);
    return NULL;
}

void qri_auth_submit(struct qri_auth *auth, struct qri_auth_job *job)
{
    int64_t now = qr_env_mono_ns(auth->env);
    pthread_mutex_lock(&auth->mu);
    job->not_before_ns = job->is_own ? now : reserve_start(auth, job, now); /* it has waited */
    bool refuse = auth->stopping || job->not_before_ns - now > job->wait_ns_max;
    if (!refuse) {
        struct qri_auth_job **at = &auth->jobs;
        while (*at != NULL && (*at)->not_before_ns <= job->not_before_ns)
            at = &(*at)->next;
        job->next = *at;
        *at = job;
        pthread_cond_signal(&auth->work);
    }
    pthread_mutex_unlock(&auth->mu);
    if (refuse) {
        job->result = QRI_AUTH_TOO_MANY;
        job->done(job);
    }
}

enum qr_status qri_auth_new(struct qr_env *env, const struct qr_login_directory *logins,
                            struct qri_auth **ret_auth, struct qr_err *err)
{
    struct qri_auth *auth = calloc(1, sizeof *auth);
    if (auth == NULL)
        return qr_fail(err, QR_NOMEM, "start password checks");
    auth->env = env;
    auth->logins = logins;
    pthread_mutex_init(&auth->mu, NULL);
    qr_cond_init(&auth->work);
    qr_env_random(env, auth->key, sizeof auth->key);
    enum qr_status status =
        sodium_init() < 0 ? qr_fail(err, QR_BUG, "libsodium did not start") : QR_OK;
    for (size_t i = 0; i < VERIFIERS && status == QR_OK; i++) {
        status =
            qr_thread_start("verifier", STACK_BYTES, verifier_main, auth, &auth->threads[i], err);
        auth->thread_count += status == QR_OK;
    }
    if (status != QR_OK) {
        qri_auth_free(auth);
        return status;
    }
    *ret_auth = auth;
    return QR_OK;
}

void qri_auth_free(struct qri_auth *auth)
{
    if (auth == NULL)
        return;
    pthread_mutex_lock(&auth->mu);
    auth->stopping = true;
    struct qri_auth_job *jobs = auth->jobs;
    auth->jobs = NULL;
    pthread_cond_broadcast(&auth->work);
    pthread_mutex_unlock(&auth->mu);
    for (size_t i = 0; i < auth->thread_count; i++)
        pthread_join(auth->threads[i], NULL);
    while (jobs != NULL) {
        struct qri_auth_job *job = jobs;
        jobs = job->next;
        job->result = QRI_AUTH_ERROR;
        job->done(job);
    }
    pthread_cond_destroy(&auth->work);
    pthread_mutex_destroy(&auth->mu);
    sodium_memzero(auth, sizeof *auth);
    free(auth);
}
