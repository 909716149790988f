/* cache_level.c - see cache_level.h */
#include "cache_level.h"
#include "base/banned.h"

static uint64_t total_of(const uint64_t *used, size_t count, uint64_t level)
{
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += used[i] < level ? used[i] : level;
    return total;
}

/* The largest that they fit in. */
static uint64_t lower(const uint64_t *used, size_t count, uint64_t full, uint64_t bound)
{
    uint64_t fits = QRI_CACHE_LEAST_BYTES, too_much = full;
    while (too_much > fits + 1) {
        uint64_t middle = fits + (too_much - fits) / 2;
        *(total_of(used, count, middle) <= bound ? &fits : &too_much) = middle;
    }
    return fits;
}

uint64_t qri_cache_level(const uint64_t *used, size_t count, uint64_t level, uint64_t full,
                         uint64_t bound)
{
    uint64_t total = total_of(used, count, UINT64_MAX), at_level = 0;
    if (total > bound)
        return lower(used, count, full, bound);
    if (level >= full)
        return full;
    for (size_t i = 0; i < count; i++)
        at_level += used[i] >= level / 8 * 7;
    uint64_t more = (bound - total) / (at_level == 0 ? 1 : at_level);
    return more >= full - level ? full : level + more;
}

uint64_t qri_cache_limit(uint64_t used, uint64_t limit, uint64_t level)
{
    uint64_t now = used < limit ? used : limit;
    return now > level ? now : level;
}
