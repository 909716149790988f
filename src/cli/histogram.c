/* histogram.c - see stress_int.h: exact up to 127 us, then 64 buckets for each power of two. */
#include "stress_int.h"
#include "base/banned.h"

enum { EXACT = 128, PER_POWER = 64, EXACT_BITS = 7 };

static size_t bucket_of(uint64_t us)
{
    if (us < EXACT)
        return us;
    unsigned shift = 63u - (unsigned)__builtin_clzll(us) - (EXACT_BITS - 1); /* leaves 64..127 */
    size_t bucket = EXACT + (size_t)(shift - 1) * PER_POWER + (us >> shift) - PER_POWER;
    return bucket < QRI_HISTOGRAM_BUCKETS ? bucket : QRI_HISTOGRAM_BUCKETS - 1;
}

/* The middle of what a bucket stands for. */
static double middle_us(size_t bucket)
{
    if (bucket < EXACT)
        return (double)bucket;
    size_t shift = (bucket - EXACT) / PER_POWER + 1;
    uint64_t low = ((bucket - EXACT) % PER_POWER + PER_POWER) << shift;
    return (double)low + (double)(UINT64_C(1) << shift) / 2;
}

void qri_histogram_add(struct qri_histogram *h, uint64_t us)
{
    h->count += 1;
    h->sum_us += us;
    h->max_us = us > h->max_us ? us : h->max_us;
    h->buckets[bucket_of(us)] += 1;
}

void qri_histogram_merge(struct qri_histogram *into, const struct qri_histogram *from)
{
    if (from->count == 0)
        return;
    into->count += from->count;
    into->sum_us += from->sum_us;
    into->max_us = from->max_us > into->max_us ? from->max_us : into->max_us;
    for (size_t i = 0; i < QRI_HISTOGRAM_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
}

double qri_histogram_ms(const struct qri_histogram *h, double percent)
{
    double wanted = (double)h->count * percent / 100;
    uint64_t seen = 0;
    for (size_t i = 0; h->count > 0 && i < QRI_HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if ((double)seen >= wanted && seen > 0) {
            double us = middle_us(i), most = (double)h->max_us;
            return (us < most ? us : most) / 1000;
        }
    }
    return 0;
}
