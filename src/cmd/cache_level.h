/* cache_level.h - how large each page cache of a process may be, so that all together fit; pure. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* What each may keep from now on: with `used` bytes in each, which could grow to `level`, and
 * `bound` for all. When they pass the bound, the largest level that they would fit in; while they
 * fit, those that are as good as full share what is left, up to `full`. At least
 * QRI_CACHE_LEAST_BYTES. */
enum { QRI_CACHE_LEAST_BYTES = 1 << 20 };
uint64_t qri_cache_level(const uint64_t *used, size_t count, uint64_t level, uint64_t full,
                         uint64_t bound);

/* The limit of a cache with so many bytes in it, `limit` until now, that is to come down to
 * `level`: it takes no more pages, but its limit falls only as pages go, since writers wait while a
 * cache is far above its limit. */
uint64_t qri_cache_limit(uint64_t used, uint64_t limit, uint64_t level);
