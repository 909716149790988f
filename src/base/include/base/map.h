/* base/map.h - a hash map from bytes to pointers. One thread at a time.
 *
 * Keys are copied; values are borrowed. Iteration order is that of insertion while nothing is
 * removed. With fold_case, ASCII letters of keys compare without case. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "base/str.h"

struct qr_map_entry {
    char *key;
    size_t key_bytes;
    uint64_t hash;
    void *value; /* NULL marks a removed entry */
};
struct qr_map {
    struct qr_map_entry *entries; /* insertion order */
    uint32_t *slots;              /* index + 1 into entries, 0 = free */
    size_t count, used, entries_capacity, slot_count;
    bool fold_case;
};

void qr_map_init(struct qr_map *map, bool fold_case);
void qr_map_done(struct qr_map *map);
void *qr_map_get(const struct qr_map *map, struct qr_str key); /* NULL if absent */
/* Replaces an existing value. `value` must not be NULL. */
QR_NODISCARD enum qr_status qr_map_put(struct qr_map *map, struct qr_str key, void *value);
void *qr_map_remove(struct qr_map *map, struct qr_str key); /* the value, NULL if absent */
/* for (size_t i = 0; qr_map_next(map, &i, &entry);) */
bool qr_map_next(const struct qr_map *map, size_t *index, const struct qr_map_entry **ret_entry);

/* FNV-like 64-bit hash, stable only within a process. */
uint64_t qr_hash_bytes(const void *bytes, size_t count, uint64_t seed);
