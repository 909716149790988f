/* rowset_keys.c - see rowset_keys.h */
#include "rowset_keys.h"
#include <stdlib.h>
#include "memory_int.h"
#include "base/banned.h"

enum { SLOTS_MIN = 64 };

struct slot {
    uint32_t hash, position; /* position + 1; 0: free */
};

struct index {
    struct slot *slots;
    size_t slot_count, used;
    uint64_t covered; /* rows before it have entries */
};

struct qri_keys {
    size_t count;
    struct index indexes[]; /* by unique key */
};

/* ---- one index ---- */

static void free_index(struct index *index)
{
    qri_memory_discharge(index->slot_count * sizeof *index->slots, false);
    free(index->slots);
    *index = (struct index){0};
}

static uint32_t hash_of(const struct qri_table *table, const struct qri_unique *unique,
                        const struct qr_value *row)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < unique->count; i++) {
        uint16_t column = unique->columns[i];
        hash = row[column].cell == QR_CELL_NULL
                   ? hash * 31 + 7
                   : qr_value_hash(&table->object->columns[column].type, &row[column], hash);
    }
    return (uint32_t)(hash ^ hash >> 32);
}

static void put(struct index *index, uint32_t hash, uint64_t position)
{
    size_t at = hash % index->slot_count;
    while (index->slots[at].position != 0) {
        if (index->slots[at].hash == hash && index->slots[at].position == position + 1)
            return;
        at = (at + 1) % index->slot_count;
    }
    index->slots[at] = (struct slot){hash, (uint32_t)(position + 1)};
    index->used++;
}

static enum qr_status make_slots(struct index *index, uint64_t rows, struct qr_err *err)
{
    size_t count = SLOTS_MIN;
    while (count < rows * 4) /* a quarter full, for what comes */
        count *= 2;
    if (rows >= UINT32_MAX)
        return qr_fail(err, QR_NOMEM, "index a table variable");
    free_index(index);
    QR_TRY(qri_memory_charge(count * sizeof *index->slots, false, err));
    index->slots = calloc(count, sizeof *index->slots);
    if (index->slots == NULL) {
        qri_memory_discharge(count * sizeof *index->slots, false);
        return qr_fail(err, QR_NOMEM, "index a table variable");
    }
    index->slot_count = count;
    return QR_OK;
}

/* Takes in what has come since; when the slots are half full, all anew, without what is old. */
static enum qr_status cover(struct qri_run *run, const struct qri_table *table,
                            struct qr_rowset *rowset, const struct qri_unique *unique,
                            struct index *index, struct qr_value *other)
{
    uint64_t end = qri_rowset_end(rowset);
    if (index->covered > end)
        index->covered = end;
    if ((index->used + (end - index->covered) + 1) * 2 > index->slot_count)
        QR_TRY(make_slots(index, end + 1, run->err));
    for (; index->covered < end; index->covered++) {
        bool found = false;
        QR_TRY(qri_rowset_get(rowset, index->covered, other, &found, run->err));
        if (found)
            put(index, hash_of(table, unique, other), index->covered);
    }
    return QR_OK;
}

/* ---- all of a rowset ---- */

static enum qr_status keys_of(struct qri_run *run, const struct qri_table *table,
                              struct qr_rowset *rowset, struct qri_keys **ret_keys)
{
    struct qri_keys **keys = qri_rowset_keys(rowset);
    if (*keys == NULL) {
        *keys = calloc(1, sizeof **keys + table->unique_count * sizeof(struct index));
        if (*keys == NULL)
            return qr_fail(run->err, QR_NOMEM, "index a table variable");
        (*keys)->count = table->unique_count;
    }
    *ret_keys = *keys;
    return QR_OK;
}

void qri_keys_forget(struct qr_rowset *rowset)
{
    struct qri_keys **keys = qri_rowset_keys(rowset);
    for (size_t i = 0; *keys != NULL && i < (*keys)->count; i++)
        free_index(&(*keys)->indexes[i]);
    free(*keys);
    *keys = NULL;
}

static bool same_key(const struct qri_table *table, const struct qri_unique *unique,
                     const struct qr_value *a, const struct qr_value *b)
{
    for (size_t i = 0; i < unique->count; i++) {
        uint16_t column = unique->columns[i];
        if (a[column].cell == QR_CELL_NULL || b[column].cell == QR_CELL_NULL) {
            if (a[column].cell != b[column].cell)
                return false;
        } else if (qr_value_compare(&table->object->columns[column].type, &a[column], &b[column]) !=
                   0) {
            return false;
        }
    }
    return true;
}

enum qr_status qri_keys_find(struct qri_run *run, const struct qri_table *table,
                             struct qr_rowset *rowset, size_t unique, const struct qr_value *row,
                             uint64_t own, bool *ret_found)
{
    const struct qri_unique *key = &table->uniques[unique];
    struct qr_value *other = qr_arena_array(&run->arena, table->n + 1, sizeof *other);
    struct qri_keys *keys = NULL;
    if (other == NULL)
        return qr_fail(run->err, QR_NOMEM, "check keys");
    QR_TRY(keys_of(run, table, rowset, &keys));
    struct index *index = &keys->indexes[unique];
    QR_TRY(cover(run, table, rowset, key, index, other));
    uint32_t hash = hash_of(table, key, row);
    *ret_found = false;
    for (size_t at = hash % index->slot_count; index->slots[at].position != 0 && !*ret_found;
         at = (at + 1) % index->slot_count) {
        uint64_t position = index->slots[at].position - 1;
        bool found = false;
        if (index->slots[at].hash != hash || position == own || position >= qri_rowset_end(rowset))
            continue;
        QR_TRY(qri_rowset_get(rowset, position, other, &found, run->err));
        *ret_found = found && same_key(table, key, row, other);
    }
    return QR_OK;
}

enum qr_status qri_keys_changed(struct qri_run *run, const struct qri_table *table,
                                struct qr_rowset *rowset, const struct qr_value *row,
                                uint64_t position)
{
    struct qri_keys *keys = NULL;
    struct qr_value *other = qr_arena_array(&run->arena, table->n + 1, sizeof *other);
    if (table->unique_count == 0)
        return QR_OK;
    if (other == NULL)
        return qr_fail(run->err, QR_NOMEM, "check keys");
    QR_TRY(keys_of(run, table, rowset, &keys));
    for (size_t i = 0; i < table->unique_count; i++) {
        struct index *index = &keys->indexes[i];
        QR_TRY(cover(run, table, rowset, &table->uniques[i], index, other));
        put(index, hash_of(table, &table->uniques[i], row), position);
    }
    return QR_OK;
}
