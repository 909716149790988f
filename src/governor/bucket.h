/* bucket.h - a rate limit with debt: when will what was charged have been paid?
 *
 * The level of a bucket is kept as the time at which it will be zero (`due`): a charge moves it on
 * by what the units take at the rate, from not more than `burst_ns` ago. Who charges sleeps until
 * the due time that its charge made, so waiters are served in the order of their charges with no
 * list of them. Pure but for atomics; any thread. */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

struct qri_bucket {
    _Atomic int64_t due_ns;
    _Atomic uint64_t per_s; /* 0: no limit */
    int64_t burst_ns;       /* set before anybody charges */
};

static inline int64_t qri_bucket_cost(const struct qri_bucket *b, int64_t units)
{
    uint64_t per_s = atomic_load_explicit(&b->per_s, memory_order_relaxed);
    return per_s == 0 ? 0 : (int64_t)((double)units * 1e9 / (double)per_s);
}

/* Beyond that time, the bucket is in debt; INT64_MIN: there is no limit. */
static inline int64_t qri_bucket_due(const struct qri_bucket *b)
{
    return atomic_load_explicit(&b->per_s, memory_order_relaxed) == 0
               ? INT64_MIN
               : atomic_load_explicit(&b->due_ns, memory_order_relaxed);
}

/* Returns when it is paid. `units` may be negative: given back. */
static inline int64_t qri_bucket_charge(struct qri_bucket *b, int64_t now_ns, int64_t units)
{
    if (atomic_load_explicit(&b->per_s, memory_order_relaxed) == 0)
        return INT64_MIN;
    int64_t cost = qri_bucket_cost(b, units), next;
    int64_t due = atomic_load_explicit(&b->due_ns, memory_order_relaxed);
    do {
        int64_t from = due < now_ns - b->burst_ns ? now_ns - b->burst_ns : due;
        next = from + cost;
    } while (!atomic_compare_exchange_weak_explicit(&b->due_ns, &due, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    return next;
}

/* What is owed is owed at the new rate. One thread at a time. */
static inline void qri_bucket_set(struct qri_bucket *b, int64_t now_ns, uint64_t per_s)
{
    uint64_t before = atomic_load(&b->per_s);
    if (before == per_s)
        return;
    int64_t owed = atomic_load(&b->due_ns) - now_ns;
    if (before == 0 || per_s == 0)
        atomic_store(&b->due_ns, now_ns);
    else if (owed > 0)
        atomic_store(&b->due_ns, now_ns + (int64_t)((double)owed * (double)before / (double)per_s));
    atomic_store(&b->per_s, per_s);
}
