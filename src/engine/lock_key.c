/* lock_key.c - see lock_key.h */
#include "lock_key.h"
#include <assert.h>
#include "base/banned.h"

static const uint64_t seed = UINT64_C(0x51ed270b9f652295);

static uint64_t add(uint64_t hash, const struct qr_type *type, const struct qr_value *value)
{
    hash = hash * UINT64_C(0x9e3779b97f4a7c15) + 1; /* so that (NULL, 1) is not (1, NULL) */
    return qr_value_hash(type, value, hash);
}

static uint64_t of_row(const struct qri_table *table, const uint16_t *columns, size_t count,
                       const struct qr_value *row)
{
    uint64_t hash = seed;
    for (size_t i = 0; i < count; i++)
        hash = add(hash, &table->object->columns[columns[i]].type, &row[columns[i]]);
    return hash;
}

static uint64_t of_values(const struct qr_cat_object *object, const struct qr_cat_index *index,
                          const struct qr_value *values)
{
    uint64_t hash = seed;
    for (size_t i = 0; i < index->key_count; i++) {
        const struct qr_cat_column *column =
            qr_cat_column_by_id(object, index->columns[i].column_id);
        hash = add(hash, &column->type, &values[i]);
    }
    return hash;
}

struct qr_lock_resource qri_lock_table_of(uint32_t object_id)
{
    return (struct qr_lock_resource){.kind = QR_LOCK_TABLE, .object = object_id};
}

struct qr_lock_resource qri_lock_row_of_rowid(const struct qr_cat_object *object, int64_t rowid)
{
    assert(object->storage != QR_STORE_KEYED);
    return (struct qr_lock_resource){.kind = QR_LOCK_ROW,
                                     .is_rowid = object->storage == QR_STORE_HEAP,
                                     .object = object->object_id,
                                     .hash = (uint64_t)rowid};
}

struct qr_lock_resource qri_lock_row_of(const struct qri_table *table, const struct qr_value *row,
                                        int64_t rowid)
{
    if (table->by_rowid)
        return qri_lock_row_of_rowid(table->object, rowid);
    return (struct qr_lock_resource){.kind = QR_LOCK_ROW,
                                     .object = table->object->object_id,
                                     .hash = of_row(table, table->key, table->key_count, row)};
}

struct qr_lock_resource qri_lock_key_of(const struct qri_table *table,
                                        const struct qri_unique *unique, const struct qr_value *row)
{
    return (struct qr_lock_resource){.kind = QR_LOCK_KEY,
                                     .object = table->object->object_id,
                                     .index = unique->index->index_id,
                                     .hash = of_row(table, unique->columns, unique->count, row)};
}

bool qri_lock_parent_key_of(const struct qri_fk_out *out, const struct qr_value *row,
                            struct qr_lock_resource *ret_resource)
{
    const struct qr_cat_fk *fk = out->fk;
    const struct qr_cat_object *parent = out->parent;
    const struct qr_cat_index *index = NULL;
    for (size_t i = 0; i < parent->index_count && index == NULL; i++)
        if (parent->indexes[i].index_id == fk->referenced_index_id)
            index = &parent->indexes[i];
    assert(index != NULL && index->key_count == fk->column_count);
    uint64_t hash = seed;
    for (size_t i = 0; i < index->key_count; i++) { /* the index may name them in another order */
        uint32_t id = index->columns[i].column_id;
        size_t k = 0;
        while (fk->referenced_columns[k] != id)
            k++;
        const struct qr_value *value = &row[out->columns[k]];
        if (value->cell == QR_CELL_NULL)
            return false;
        hash = add(hash, &qr_cat_column_by_id(parent, id)->type, value);
    }
    *ret_resource = (struct qr_lock_resource){
        .kind = QR_LOCK_KEY, .object = parent->object_id, .index = index->index_id, .hash = hash};
    return true;
}

struct qr_lock_resource qri_lock_row_of_key(const struct qr_cat_object *object,
                                            const struct qr_cat_index *clustered,
                                            const struct qr_value *values)
{
    if (object->storage == QR_STORE_ROWID)
        return qri_lock_row_of_rowid(object, values[0].i);
    return (struct qr_lock_resource){.kind = QR_LOCK_ROW,
                                     .object = object->object_id,
                                     .hash = of_values(object, clustered, values)};
}

struct qr_lock_resource qri_lock_key_of_key(const struct qr_cat_object *object,
                                            const struct qr_cat_index *index,
                                            const struct qr_value *values)
{
    return (struct qr_lock_resource){.kind = QR_LOCK_KEY,
                                     .object = object->object_id,
                                     .index = index->index_id,
                                     .hash = of_values(object, index, values)};
}
