/* throttle.c - see arm_int.h: token buckets in a table of fixed size */
#include <pthread.h>
#include <stdlib.h>
#include "arm_int.h"
#include "base/map.h"
#include "base/banned.h"

enum { SETS = 1024, WAYS = 8 };

struct bucket {
    uint64_t key;    /* 0: free */
    int64_t full_ns; /* when all will be there again; each one taken moves it */
};

struct qri_throttle {
    struct qr_env *env;
    int64_t one_ns;    /* until one more is there */
    int64_t window_ns; /* until all are */
    uint64_t seed;
    pthread_mutex_t mu; /* guards what follows */
    struct bucket buckets[SETS * WAYS];
};

enum qr_status qri_throttle_new(struct qr_env *env, uint32_t per_minute,
                                struct qri_throttle **ret_throttle, struct qr_err *err)
{
    struct qri_throttle *throttle = calloc(1, sizeof *throttle);
    if (throttle == NULL)
        return qr_fail(err, QR_NOMEM, "count requests");
    throttle->env = env;
    throttle->one_ns = INT64_C(60000000000) / (per_minute == 0 ? 1 : per_minute);
    throttle->window_ns = throttle->one_ns * (per_minute == 0 ? 1 : per_minute);
    qr_env_random(env, &throttle->seed, sizeof throttle->seed);
    pthread_mutex_init(&throttle->mu, NULL);
    *ret_throttle = throttle;
    return QR_OK;
}

void qri_throttle_free(struct qri_throttle *throttle)
{
    if (throttle == NULL)
        return;
    pthread_mutex_destroy(&throttle->mu);
    free(throttle);
}

/* The bucket that has been full for longest makes room. */
static struct bucket *find(struct qri_throttle *throttle, struct qr_str key) /* mu held */
{
    uint64_t hash = qr_hash_bytes(key.p, key.n, throttle->seed) | 1;
    struct bucket *set = &throttle->buckets[(hash >> 32) % SETS * WAYS], *oldest = set;
    for (int i = 0; i < WAYS; i++) {
        if (set[i].key == hash)
            return &set[i];
        if (set[i].full_ns < oldest->full_ns)
            oldest = &set[i];
    }
    *oldest = (struct bucket){.key = hash};
    return oldest;
}

uint32_t qri_throttle_take(struct qri_throttle *throttle, struct qr_str key)
{
    int64_t now = qr_env_mono_ns(throttle->env);
    pthread_mutex_lock(&throttle->mu);
    struct bucket *bucket = find(throttle, key);
    int64_t full = bucket->full_ns > now ? bucket->full_ns : now;
    int64_t over = full + throttle->one_ns - now - throttle->window_ns;
    if (over <= 0)
        bucket->full_ns = full + throttle->one_ns;
    pthread_mutex_unlock(&throttle->mu);
    return over <= 0 ? 0 : (uint32_t)(over / 1000000000 + 1);
}

void qri_throttle_forgive(struct qri_throttle *throttle, struct qr_str key)
{
    pthread_mutex_lock(&throttle->mu);
    find(throttle, key)->full_ns = 0;
    pthread_mutex_unlock(&throttle->mu);
}
