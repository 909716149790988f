/* map.c - see base/map.h */
#include "base/map.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

uint64_t qr_hash_bytes(const void *bytes, size_t count, uint64_t seed)
{
    const unsigned char *p = bytes;
    uint64_t h = seed ^ 0xcbf29ce484222325u;
    for (size_t i = 0; i < count; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h ^ (h >> 32);
}

static uint64_t hash_key(const struct qr_map *map, struct qr_str key)
{
    if (!map->fold_case)
        return qr_hash_bytes(key.p, key.n, 0);
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < key.n; i++) {
        unsigned char c = (unsigned char)key.p[i];
        c = c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
        h = (h ^ c) * 0x100000001b3u;
    }
    return h ^ (h >> 32);
}

void qr_map_init(struct qr_map *map, bool fold_case)
{
    *map = (struct qr_map){.fold_case = fold_case};
}

void qr_map_done(struct qr_map *map)
{
    if (map == NULL)
        return;
    for (size_t i = 0; i < map->used; i++)
        free(map->entries[i].key);
    free(map->entries);
    free(map->slots);
    *map = (struct qr_map){.fold_case = map->fold_case};
}

static bool same_key(const struct qr_map *map, const struct qr_map_entry *e, uint64_t hash,
                     struct qr_str key)
{
    if (e->hash != hash || e->value == NULL)
        return false;
    struct qr_str mine = {e->key, e->key_bytes};
    return map->fold_case ? qr_str_ieq(mine, key) : qr_str_eq(mine, key);
}

static struct qr_map_entry *find(const struct qr_map *map, uint64_t hash, struct qr_str key)
{
    if (map->slot_count == 0)
        return NULL;
    for (size_t i = hash & (map->slot_count - 1);; i = (i + 1) & (map->slot_count - 1)) {
        uint32_t slot = map->slots[i];
        if (slot == 0)
            return NULL;
        if (same_key(map, &map->entries[slot - 1], hash, key))
            return &map->entries[slot - 1];
    }
}

void *qr_map_get(const struct qr_map *map, struct qr_str key)
{
    const struct qr_map_entry *e = find(map, hash_key(map, key), key);
    return e == NULL ? NULL : e->value;
}

static void place(struct qr_map *map, size_t index)
{
    size_t i = map->entries[index].hash & (map->slot_count - 1);
    while (map->slots[i] != 0)
        i = (i + 1) & (map->slot_count - 1);
    map->slots[i] = (uint32_t)index + 1;
}

/* Drops removed entries and makes room for one more. */
static enum qr_status rebuild(struct qr_map *map)
{
    size_t capacity = map->count < 4 ? 8 : map->count * 2;
    size_t slot_count = 16;
    while (slot_count < capacity * 2)
        slot_count *= 2;
    struct qr_map_entry *entries = calloc(capacity, sizeof *entries);
    uint32_t *slots = calloc(slot_count, sizeof *slots);
    if (entries == NULL || slots == NULL) {
        free(entries);
        free(slots);
        return QR_NOMEM;
    }
    size_t kept = 0;
    for (size_t i = 0; i < map->used; i++) {
        if (map->entries[i].value == NULL)
            free(map->entries[i].key);
        else
            entries[kept++] = map->entries[i];
    }
    free(map->entries);
    free(map->slots);
    map->entries = entries;
    map->entries_capacity = capacity;
    map->slots = slots;
    map->slot_count = slot_count;
    map->used = kept;
    for (size_t i = 0; i < kept; i++)
        place(map, i);
    return QR_OK;
}

enum qr_status qr_map_put(struct qr_map *map, struct qr_str key, void *value)
{
    assert(value != NULL);
    uint64_t hash = hash_key(map, key);
    struct qr_map_entry *e = find(map, hash, key);
    if (e != NULL) {
        e->value = value;
        return QR_OK;
    }
    if (map->used == map->entries_capacity)
        QR_TRY(rebuild(map));
    char *copy = malloc(key.n + 1);
    if (copy == NULL)
        return QR_NOMEM;
    if (key.n > 0)
        memcpy(copy, key.p, key.n);
    copy[key.n] = '\0';
    map->entries[map->used] = (struct qr_map_entry){copy, key.n, hash, value};
    place(map, map->used);
    map->used++;
    map->count++;
    return QR_OK;
}

void *qr_map_remove(struct qr_map *map, struct qr_str key)
{
    struct qr_map_entry *e = find(map, hash_key(map, key), key);
    if (e == NULL)
        return NULL;
    void *value = e->value;
    e->value = NULL;
    map->count--;
    return value;
}

bool qr_map_next(const struct qr_map *map, size_t *index, const struct qr_map_entry **ret_entry)
{
    while (*index < map->used) {
        const struct qr_map_entry *e = &map->entries[(*index)++];
        if (e->value != NULL) {
            *ret_entry = e;
            return true;
        }
    }
    return false;
}
