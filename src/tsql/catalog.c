/* catalog.c - see tsql/catalog.h */
#include "tsql/catalog.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/banned.h"

enum { SCHEMA_KEY_BYTES = 8, KEY_BYTES_MAX = SCHEMA_KEY_BYTES + 4 * QR_CAT_NAME_CHARS_MAX };

static const struct type_row {
    const char *code, *desc;
} type_rows[QR_CAT_TYPE_COUNT] = {
    /* clang-format off */
    [QR_CAT_TABLE]       = {"U ", "USER_TABLE"},
    [QR_CAT_VIEW]        = {"V ", "VIEW"},
    [QR_CAT_PROC]        = {"P ", "SQL_STORED_PROCEDURE"},
    [QR_CAT_FN_SCALAR]   = {"FN", "SQL_SCALAR_FUNCTION"},
    [QR_CAT_FN_INLINE]   = {"IF", "SQL_INLINE_TABLE_VALUED_FUNCTION"},
    [QR_CAT_FN_TABLE]    = {"TF", "SQL_TABLE_VALUED_FUNCTION"},
    [QR_CAT_TRIGGER]     = {"TR", "SQL_TRIGGER"},
    [QR_CAT_PK]          = {"PK", "PRIMARY_KEY_CONSTRAINT"},
    [QR_CAT_UNIQUE]      = {"UQ", "UNIQUE_CONSTRAINT"},
    [QR_CAT_FK]          = {"F ", "FOREIGN_KEY_CONSTRAINT"},
    [QR_CAT_CHECK]       = {"C ", "CHECK_CONSTRAINT"},
    [QR_CAT_DEFAULT]     = {"D ", "DEFAULT_CONSTRAINT"},
    [QR_CAT_SYNONYM]     = {"SN", "SYNONYM"},
    [QR_CAT_SEQUENCE]    = {"SO", "SEQUENCE_OBJECT"},
    [QR_CAT_TABLE_TYPE]  = {"TT", "TYPE_TABLE"},
    [QR_CAT_SYSTEM_VIEW] = {"V ", "VIEW"},
    [QR_CAT_POLICY]      = {"SP", "SECURITY_POLICY"},
    /* clang-format on */
};

const char *qr_cat_type_code(enum qr_cat_type type)
{
    return type < QR_CAT_TYPE_COUNT ? type_rows[type].code : "";
}

const char *qr_cat_type_desc(enum qr_cat_type type)
{
    return type < QR_CAT_TYPE_COUNT ? type_rows[type].desc : "";
}

const struct qr_cat_schema *qr_cat_schema_find(const struct qr_catalog *cat, struct qr_str name)
{
    for (size_t i = 0; i < cat->schema_count; i++)
        if (qr_str_ieq(cat->schemas[i].name, name))
            return &cat->schemas[i];
    return NULL;
}

const struct qr_cat_schema *qr_cat_schema_by_id(const struct qr_catalog *cat, uint32_t schema_id)
{
    for (size_t i = 0; i < cat->schema_count; i++)
        if (cat->schemas[i].schema_id == schema_id)
            return &cat->schemas[i];
    return NULL;
}

/* The schema's number is hexadecimal, because the map folds the case of letters in any byte. */
static struct qr_str name_key(char key[KEY_BYTES_MAX + 1], uint32_t schema_id, struct qr_str name)
{
    (void)snprintf(key, SCHEMA_KEY_BYTES + 1, "%08x", (unsigned)schema_id);
    memcpy(key + SCHEMA_KEY_BYTES, name.p, name.n);
    return qr_str_n(key, SCHEMA_KEY_BYTES + name.n);
}

const struct qr_cat_object *qr_cat_find(const struct qr_catalog *cat, uint32_t schema_id,
                                        struct qr_str name)
{
    char key[KEY_BYTES_MAX + 1];
    if (name.n == 0 || name.n > KEY_BYTES_MAX - SCHEMA_KEY_BYTES)
        return NULL;
    return (const struct qr_cat_object *)qr_map_get(&cat->by_name, name_key(key, schema_id, name));
}

const struct qr_cat_object *qr_cat_by_id(const struct qr_catalog *cat, uint32_t object_id)
{
    size_t low = 0, high = cat->object_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        uint32_t id = cat->objects[mid]->object_id;
        if (id == object_id)
            return cat->objects[mid];
        if (id < object_id)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

const struct qr_cat_column *qr_cat_column_find(const struct qr_cat_object *obj, struct qr_str name)
{
    for (size_t i = 0; i < obj->column_count; i++)
        if (qr_str_ieq(obj->columns[i].name, name))
            return &obj->columns[i];
    return NULL;
}

uint32_t qr_cat_owner(const struct qr_catalog *cat, const struct qr_cat_object *obj)
{
    const struct qr_cat_object *parent =
        obj->parent_object_id == 0 ? NULL : qr_cat_by_id(cat, obj->parent_object_id);
    if (parent != NULL)
        obj = parent;
    if (obj->owner_id != 0)
        return obj->owner_id;
    const struct qr_cat_schema *schema = qr_cat_schema_by_id(cat, obj->schema_id);
    return schema == NULL ? 1 : schema->principal_id; /* dbo */
}

size_t qr_cat_column_index(const struct qr_cat_object *obj, uint32_t column_id)
{
    for (size_t i = 0; i < obj->column_count; i++)
        if (obj->columns[i].column_id == column_id)
            return i;
    return SIZE_MAX;
}

bool qr_cat_is_period(const struct qr_cat_object *obj, const struct qr_cat_column *column)
{
    return obj->period_start != 0 &&
           (column->column_id == obj->period_start || column->column_id == obj->period_end);
}

const struct qr_cat_column *qr_cat_column_by_id(const struct qr_cat_object *obj, uint32_t column_id)
{
    size_t i = qr_cat_column_index(obj, column_id);
    return i == SIZE_MAX ? NULL : &obj->columns[i];
}

const struct qr_cat_usertype *qr_cat_usertype_find(const struct qr_catalog *cat, uint32_t schema_id,
                                                   struct qr_str name)
{
    for (size_t i = 0; i < cat->usertype_count; i++)
        if (cat->usertypes[i].schema_id == schema_id && qr_str_ieq(cat->usertypes[i].name, name))
            return &cat->usertypes[i];
    return NULL;
}

const struct qr_cat_usertype *qr_cat_usertype_by_id(const struct qr_catalog *cat, uint32_t id)
{
    for (size_t i = 0; i < cat->usertype_count; i++)
        if (cat->usertypes[i].user_type_id == id)
            return &cat->usertypes[i];
    return NULL;
}

const struct qr_cat_index *qr_cat_clustered(const struct qr_cat_object *obj)
{
    for (size_t i = 0; i < obj->index_count; i++)
        if (obj->indexes[i].is_clustered)
            return &obj->indexes[i];
    return NULL;
}

static int compare_ids(const void *a, const void *b)
{
    const struct qr_cat_object *const *x = (const struct qr_cat_object *const *)a;
    const struct qr_cat_object *const *y = (const struct qr_cat_object *const *)b;
    return ((*x)->object_id > (*y)->object_id) - ((*x)->object_id < (*y)->object_id);
}

/* The catalog is not shared yet, so its objects may still be written to. */
static struct qr_cat_object *mutable_by_id(struct qr_catalog *cat, uint32_t object_id)
{
    return (struct qr_cat_object *)(uintptr_t)qr_cat_by_id(cat, object_id);
}

/* Versions are not given twice, so what was linked differs if this does. */
static void note_link(struct qr_cat_object *table, const struct qr_cat_object *linked,
                      uint32_t object_id)
{
    static const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t h = (table->links ^ linked->version) * odd;
    h = ((h ^ h >> 32) + object_id) * odd;
    table->links = h ^ h >> 29;
}

static enum qr_status link_triggers(struct qr_catalog *cat, struct qr_arena *arena,
                                    struct qr_err *err)
{
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *trigger = cat->objects[i];
        struct qr_cat_object *table =
            trigger->type == QR_CAT_TRIGGER ? mutable_by_id(cat, trigger->parent_object_id) : NULL;
        if (table == NULL)
            continue;
        size_t capacity = table->trigger_count;
        table->triggers = (const struct qr_cat_object **)qr_arena_grow(
            arena, table->triggers, table->trigger_count, &capacity, table->trigger_count + 1,
            sizeof(*table->triggers));
        if (table->triggers == NULL)
            return qr_fail(err, QR_NOMEM, "catalog triggers");
        table->triggers[table->trigger_count++] = trigger;
        note_link(table, trigger, trigger->object_id);
    }
    return QR_OK;
}

static enum qr_status link_foreign_keys(struct qr_catalog *cat, struct qr_arena *arena,
                                        struct qr_err *err)
{
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *referencing = cat->objects[i];
        for (size_t k = 0; k < referencing->fk_count; k++) {
            const struct qr_cat_fk *fk = &referencing->fks[k];
            struct qr_cat_object *table = mutable_by_id(cat, fk->referenced_object_id);
            if (table == NULL)
                continue;
            size_t capacity = table->referenced_by_count;
            table->referenced_by = (const struct qr_cat_fk **)qr_arena_grow(
                arena, table->referenced_by, table->referenced_by_count, &capacity,
                table->referenced_by_count + 1, sizeof(*table->referenced_by));
            if (table->referenced_by == NULL)
                return qr_fail(err, QR_NOMEM, "catalog foreign keys");
            table->referenced_by[table->referenced_by_count++] = fk;
            note_link(table, referencing, fk->object_id);
        }
    }
    return QR_OK;
}

static bool is_linked(const struct qr_cat_object *table, const struct qr_cat_object *policy)
{
    for (size_t i = 0; i < table->policy_count; i++)
        if (table->policies[i] == policy)
            return true;
    return false;
}

static enum qr_status link_policies(struct qr_catalog *cat, struct qr_arena *arena,
                                    struct qr_err *err)
{
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *policy = cat->objects[i];
        for (size_t k = 0; k < policy->predicate_count; k++) {
            struct qr_cat_object *table = mutable_by_id(cat, policy->predicates[k].target_id);
            if (table == NULL || is_linked(table, policy))
                continue;
            size_t capacity = table->policy_count;
            table->policies = (const struct qr_cat_object **)qr_arena_grow(
                arena, table->policies, table->policy_count, &capacity, table->policy_count + 1,
                sizeof(*table->policies));
            if (table->policies == NULL)
                return qr_fail(err, QR_NOMEM, "catalog policies");
            table->policies[table->policy_count++] = policy;
            note_link(table, policy, policy->object_id);
        }
    }
    return QR_OK;
}

enum qr_status qr_cat_freeze(struct qr_catalog *cat, struct qr_arena *arena, struct qr_err *err)
{
    qr_map_init(&cat->by_name, true);
    if (cat->object_count > 1)
        qsort(cat->objects, cat->object_count, sizeof(*cat->objects), compare_ids);
    for (size_t i = 0; i < cat->object_count; i++) {
        struct qr_cat_object *object = mutable_by_id(cat, cat->objects[i]->object_id);
        object->triggers = NULL;
        object->trigger_count = 0;
        object->referenced_by = NULL;
        object->referenced_by_count = 0;
        object->policies = NULL;
        object->policy_count = 0;
        object->links = 0;
        char key[KEY_BYTES_MAX + 1];
        if (object->name.n == 0 || object->name.n > KEY_BYTES_MAX - SCHEMA_KEY_BYTES)
            return qr_fail(err, QR_CORRUPT, "name of object %u", (unsigned)object->object_id);
        QR_TRY(qr_map_put(&cat->by_name, name_key(key, object->schema_id, object->name), object));
    }
    QR_TRY(link_triggers(cat, arena, err));
    QR_TRY(link_policies(cat, arena, err));
    return link_foreign_keys(cat, arena, err);
}

void qr_cat_done(struct qr_catalog *cat)
{
    qr_map_done(&cat->by_name);
}

size_t qr_cat_range_columns(const struct qr_cat_object *obj, const struct qr_cat_index *index)
{
    if (index->is_disabled || index->filter_text.n > 0)
        return 0;
    size_t count = 0;
    for (; count < index->key_count; count++) {
        const struct qr_cat_column *column =
            qr_cat_column_by_id(obj, index->columns[count].column_id);
        bool has_order =
            qr_type_is_comparable(&column->type) && column->type.id != QR_TYPE_SQL_VARIANT;
        if (!has_order || (column->is_computed && !column->is_persisted))
            break;
    }
    return count;
}
