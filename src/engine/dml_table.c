/* dml_table.c - the SQL by which the pipeline reads and changes one table; see dml_int.h */
#include <assert.h>
#include <string.h>
#include "dml_int.h"
#include "base/banned.h"

enum { SQL_BYTES_MAX = 1 << 20, NONE = UINT16_MAX };

static enum qr_status no_memory(struct qri_table_set *set)
{
    return qr_fail(set->err, QR_NOMEM, "compile a statement");
}

static enum qr_status keep_sql(struct qri_table_set *set, struct qr_buf *own_buf,
                               struct qri_sql *ret_sql)
{
    enum qr_status status = qr_buf_status(own_buf, set->err);
    if (status == QR_OK) {
        char *copy = qr_arena_dup(set->arena, own_buf->data, own_buf->len);
        if (copy == NULL)
            status = no_memory(set);
        else
            *ret_sql = qri_sql(qr_str_n(copy, own_buf->len));
    }
    qr_buf_done(own_buf);
    return status;
}

static uint32_t column_id(const struct qri_table *table, uint16_t index)
{
    return table->object->columns[index].column_id;
}

static const char *schema_of(bool is_temp)
{
    return is_temp ? "temp." : "main.";
}

/* "c1 = ?4 AND c2 = ?5" with parameters from `first` on; IS where NULL may stand. */
static void add_match(struct qr_buf *buf, const struct qri_table *table, const uint16_t *columns,
                      size_t count, size_t first)
{
    for (size_t i = 0; i < count; i++)
        qr_buf_printf(buf, "%sc%u %s ?%zu", i == 0 ? "" : " AND ", column_id(table, columns[i]),
                      table->object->columns[columns[i]].nullable ? "IS" : "=", first + i);
}

static void add_key_match(struct qr_buf *buf, const struct qri_table *table, size_t first)
{
    if (table->by_rowid)
        qr_buf_printf(buf, "rowid = ?%zu", first);
    else
        add_match(buf, table, table->key, table->key_count, first);
}

/* ---- statements ---- */

static void add_insert(struct qr_buf *buf, const struct qri_table *table, const char *verb)
{
    qr_buf_printf(buf, "%s INTO %st%u(", verb, schema_of(table->is_temp), table->object->object_id);
    for (size_t i = 0; i < table->stored_count; i++)
        qr_buf_printf(buf, "%sc%u", i == 0 ? "" : ",", column_id(table, table->stored[i]));
    if (table->is_heap)
        qr_buf_printf(buf, "%srowid", table->stored_count == 0 ? "" : ",");
}

static enum qr_status insert_sql(struct qri_table_set *set, struct qri_table *table)
{
    struct qr_buf buf;
    qr_buf_init(&buf, SQL_BYTES_MAX);
    add_insert(&buf, table, "INSERT");
    qr_buf_addz(&buf, ")VALUES(");
    for (size_t i = 0; i < table->stored_count + table->is_heap; i++)
        qr_buf_printf(&buf, "%s?%zu", i == 0 ? "" : ",", i + 1);
    qr_buf_addz(&buf, ")");
    return keep_sql(set, &buf, &table->insert);
}

static enum qr_status insert_fed_sql(struct qri_table_set *set, struct qri_table *table)
{
    struct qr_buf buf;
    qr_buf_init(&buf, SQL_BYTES_MAX);
    add_insert(&buf, table, "INSERT OR FAIL");
    qr_buf_addz(&buf, ")SELECT ");
    for (size_t i = 0; i < table->stored_count + table->is_heap; i++)
        qr_buf_printf(&buf, "%sc%zu", i == 0 ? "" : ",", i);
    qr_buf_addz(&buf, " FROM qfeed(?1)");
    return keep_sql(set, &buf, &table->insert_fed);
}

static enum qr_status delete_sql(struct qri_table_set *set, struct qri_table *table)
{
    struct qr_buf buf;
    qr_buf_init(&buf, SQL_BYTES_MAX);
    qr_buf_printf(&buf, "DELETE FROM %st%u WHERE ", schema_of(table->is_temp),
                  table->object->object_id);
    add_key_match(&buf, table, 1);
    return keep_sql(set, &buf, &table->delete);
}

static enum qr_status exists_sql(struct qri_table_set *set, struct qri_table *table)
{
    if (table->by_rowid)
        return QR_OK;
    struct qr_buf buf;
    qr_buf_init(&buf, SQL_BYTES_MAX);
    qr_buf_printf(&buf, "SELECT 1 FROM %st%u WHERE ", schema_of(table->is_temp),
                  table->object->object_id);
    add_key_match(&buf, table, 1);
    return keep_sql(set, &buf, &table->exists);
}

static enum qr_status read_sql(struct qri_table_set *set, struct qri_table *table)
{
    struct qr_buf buf;
    qr_buf_init(&buf, SQL_BYTES_MAX);
    qr_buf_addz(&buf, "SELECT ");
    for (size_t i = 0; i < table->stored_count; i++)
        qr_buf_printf(&buf, "%sc%u", i == 0 ? "" : ",", column_id(table, table->stored[i]));
    qr_buf_printf(&buf, "%s FROM %st%u WHERE ", table->stored_count == 0 ? "1" : "",
                  schema_of(table->is_temp), table->object->object_id);
    add_key_match(&buf, table, 1);
    return keep_sql(set, &buf, &table->read);
}

enum qr_status qri_table_update_sql(struct qri_table_set *set, const struct qri_table *table,
                                    const uint16_t *columns, size_t count, struct qri_sql *ret_sql)
{
    struct qr_buf buf;
    qr_buf_init(&buf, SQL_BYTES_MAX);
    qr_buf_printf(&buf, "UPDATE %st%u SET ", schema_of(table->is_temp), table->object->object_id);
    for (size_t i = 0; i < count; i++)
        qr_buf_printf(&buf, "%sc%u=?%zu", i == 0 ? "" : ",", column_id(table, columns[i]), i + 1);
    qr_buf_addz(&buf, " WHERE ");
    add_key_match(&buf, table, count + 1);
    return keep_sql(set, &buf, ret_sql);
}

static enum qr_status unique_sql(struct qri_table_set *set, struct qri_table *table,
                                 struct qri_unique *unique)
{
    struct qr_buf buf;
    qr_buf_init(&buf, SQL_BYTES_MAX);
    qr_buf_printf(&buf, "SELECT 1 FROM %st%u WHERE ", schema_of(table->is_temp),
                  table->object->object_id);
    add_match(&buf, table, unique->columns, unique->count, 1);
    qr_buf_addz(&buf, " AND NOT(");
    add_key_match(&buf, table, unique->count + 1);
    qr_buf_addz(&buf, ")LIMIT 1");
    return keep_sql(set, &buf, &unique->probe);
}

/* ---- columns ---- */

static enum qr_status columns_of(struct qri_table_set *set, const struct qr_cat_object *object,
                                 const uint32_t *ids, size_t count, uint16_t **ret_columns)
{
    uint16_t *columns = qr_arena_array(set->arena, count + 1, sizeof *columns);
    if (columns == NULL)
        return no_memory(set);
    for (size_t i = 0; i < count; i++)
        columns[i] = (uint16_t)qr_cat_column_index(object, ids[i]);
    *ret_columns = columns;
    return QR_OK;
}

static enum qr_status classify_columns(struct qri_table_set *set, struct qri_table *table)
{
    const struct qr_cat_object *object = table->object;
    table->stored = qr_arena_array(set->arena, table->n + 1, sizeof *table->stored);
    table->not_null = qr_arena_array(set->arena, table->n + 1, sizeof *table->not_null);
    if (table->stored == NULL || table->not_null == NULL)
        return no_memory(set);
    table->identity = table->rowversion = table->rowid_column = NONE;
    table->period_start = table->period_end = NONE;
    assert(table->n <= QR_CAT_COLUMNS_MAX);
    for (size_t n = 0; n < table->n; n++) {
        const struct qr_cat_column *column = &object->columns[n];
        uint16_t i = (uint16_t)n;
        if (!column->is_computed || column->is_persisted)
            table->stored[table->stored_count++] = i;
        if (!column->nullable && !column->is_computed)
            table->not_null[table->not_null_count++] = i;
        if (column->column_id == object->identity_column)
            table->identity = i;
        if (column->column_id == object->rowversion_column)
            table->rowversion = i;
        if (column->column_id == object->period_start)
            table->period_start = i;
        if (column->column_id == object->period_end)
            table->period_end = i;
        if (column->column_id == object->rowid_column)
            table->rowid_column = i;
    }
    const struct qr_cat_index *clustered = qr_cat_clustered(object);
    if (table->by_rowid || clustered == NULL)
        return QR_OK;
    table->key = qr_arena_array(set->arena, clustered->key_count + 1, sizeof *table->key);
    if (table->key == NULL)
        return no_memory(set);
    for (size_t i = 0; i < clustered->key_count; i++)
        table->key[table->key_count++] =
            (uint16_t)qr_cat_column_index(object, clustered->columns[i].column_id);
    return QR_OK;
}

static enum qr_status bind_exprs(struct qri_table_set *set, struct qri_table *table)
{
    const struct qr_cat_object *object = table->object;
    table->defaults = qr_arena_array(set->arena, table->n + 1, sizeof *table->defaults);
    table->computed = qr_arena_array(set->arena, table->n + 1, sizeof *table->computed);
    table->checks = qr_arena_array(set->arena, object->check_count + 1, sizeof *table->checks);
    if (table->defaults == NULL || table->computed == NULL || table->checks == NULL)
        return no_memory(set);
    for (size_t i = 0; i < table->n; i++) {
        const struct qr_cat_column *column = &object->columns[i];
        if (column->default_text.n > 0)
            QR_TRY(qr_tsql_bind_row_expr(set->arena, set->env, NULL, column->default_text, false,
                                         &column->type, &table->defaults[i], set->err));
        if (column->is_computed)
            QR_TRY(qr_tsql_bind_row_expr(set->arena, set->env, object, column->computed_text, false,
                                         &column->type, &table->computed[i], set->err));
    }
    for (size_t i = 0; i < object->check_count; i++)
        if (!object->checks[i].is_disabled)
            QR_TRY(qr_tsql_bind_row_expr(set->arena, set->env, object, object->checks[i].text, true,
                                         NULL, &table->checks[i], set->err));
    return QR_OK;
}

static enum qr_status add_uniques(struct qri_table_set *set, struct qri_table *table)
{
    const struct qr_cat_object *object = table->object;
    table->uniques = qr_arena_array(set->arena, object->index_count + 1, sizeof *table->uniques);
    if (table->uniques == NULL)
        return no_memory(set);
    for (size_t i = 0; i < object->index_count; i++) {
        const struct qr_cat_index *index = &object->indexes[i];
        if (!index->is_unique || index->is_disabled)
            continue;
        struct qri_unique *unique = &table->uniques[table->unique_count++];
        unique->index = index;
        unique->columns = qr_arena_array(set->arena, index->key_count + 1, sizeof(uint16_t));
        if (unique->columns == NULL)
            return no_memory(set);
        for (size_t k = 0; k < index->key_count; k++)
            unique->columns[unique->count++] =
                (uint16_t)qr_cat_column_index(object, index->columns[k].column_id);
        if (index->filter_text.n > 0)
            QR_TRY(qr_tsql_bind_row_expr(set->arena, set->env, object, index->filter_text, true,
                                         NULL, &unique->filter, set->err));
        if (!table->is_rowset)
            QR_TRY(unique_sql(set, table, unique));
    }
    return QR_OK;
}

/* ---- foreign keys ---- */

static enum qr_status probe_sql(struct qri_table_set *set, const struct qr_cat_object *object,
                                const uint32_t *ids, size_t count, bool whole,
                                const struct qri_table *table, struct qri_sql *ret_sql)
{
    struct qr_buf buf;
    qr_buf_init(&buf, SQL_BYTES_MAX);
    qr_buf_addz(&buf, "SELECT ");
    if (!whole) {
        qr_buf_addz(&buf, "1");
    } else {
        for (size_t i = 0; i < table->stored_count; i++)
            qr_buf_printf(&buf, "c%u,", column_id(table, table->stored[i]));
        qr_buf_addz(&buf, table->by_rowid ? "rowid" : "0");
    }
    qr_buf_printf(&buf, " FROM main.t%u WHERE ", object->object_id);
    for (size_t i = 0; i < count; i++)
        qr_buf_printf(&buf, "%sc%u=?%zu", i == 0 ? "" : " AND ", ids[i], i + 1);
    if (!whole)
        qr_buf_addz(&buf, " LIMIT 1");
    return keep_sql(set, &buf, ret_sql);
}

static enum qr_status add_fks(struct qri_table_set *set, struct qri_table *table)
{
    const struct qr_cat_object *object = table->object;
    table->fks = qr_arena_array(set->arena, object->fk_count + 1, sizeof *table->fks);
    if (table->fks == NULL)
        return no_memory(set);
    for (size_t i = 0; i < object->fk_count; i++) {
        const struct qr_cat_fk *fk = &object->fks[i];
        const struct qr_cat_object *parent =
            qr_cat_by_id(set->env->catalog, fk->referenced_object_id);
        if (fk->is_disabled || parent == NULL)
            continue;
        struct qri_fk_out *out = &table->fks[table->fk_count++];
        *out = (struct qri_fk_out){.fk = fk, .parent = parent};
        QR_TRY(columns_of(set, object, fk->parent_columns, fk->column_count, &out->columns));
        QR_TRY(probe_sql(set, parent, fk->referenced_columns, fk->column_count, false, NULL,
                         &out->probe));
    }
    return QR_OK;
}

static enum qr_status add_refs(struct qri_table_set *set, struct qri_table *table)
{
    const struct qr_cat_object *object = table->object;
    table->refs = qr_arena_array(set->arena, object->referenced_by_count + 1, sizeof *table->refs);
    if (table->refs == NULL)
        return no_memory(set);
    for (size_t i = 0; i < object->referenced_by_count; i++) {
        const struct qr_cat_fk *fk = object->referenced_by[i];
        const struct qr_cat_object *child = qr_cat_by_id(set->env->catalog, fk->parent_object_id);
        if (fk->is_disabled || child == NULL)
            continue;
        struct qri_fk_in *in = &table->refs[table->ref_count];
        *in = (struct qri_fk_in){.fk = fk};
        QR_TRY(columns_of(set, object, fk->referenced_columns, fk->column_count, &in->columns));
        QR_TRY(columns_of(set, child, fk->parent_columns, fk->column_count, &in->child_columns));
        QR_TRY(qri_table_get(set, child, NULL, &in->child));
        QR_TRY(probe_sql(set, object, fk->referenced_columns, fk->column_count, false, NULL,
                         &in->parent_probe));
        QR_TRY(probe_sql(set, child, fk->parent_columns, fk->column_count, true, in->child,
                         &in->child_rows));
        table->ref_count++;
    }
    return QR_OK;
}

/* ---- tables ---- */

static enum qr_status name_table(struct qri_table_set *set, struct qri_table *table)
{
    const struct qr_cat_object *object = table->object;
    const struct qr_cat_schema *schema = qr_cat_schema_by_id(set->env->catalog, object->schema_id);
    struct qr_str schema_name = schema == NULL ? qr_str("dbo") : schema->name;
    struct qr_str db = table->is_temp ? qr_str("tempdb") : set->env->catalog->database_name;
    table->name = qr_arena_printf(set->arena, "%.*s.%.*s", (int)schema_name.n, schema_name.p,
                                  (int)object->name.n, object->name.p);
    if (table->name == NULL)
        return no_memory(set);
    table->full_name = table->is_rowset
                           ? qr_arena_str(set->arena, object->name).p
                           : qr_arena_printf(set->arena, "%.*s.%s", (int)db.n, db.p, table->name);
    return table->full_name == NULL ? no_memory(set) : QR_OK;
}

/* A statement takes away no more aged versions than this, so that none waits long for it. */
enum { CLEAN_UP_ROWS = 256 };

static enum qr_status add_history(struct qri_table_set *set, struct qri_table *table)
{
    const struct qr_cat_object *object = table->object;
    const struct qr_cat_object *history = qr_cat_by_id(set->env->catalog, object->history_id);
    struct qr_buf buf;
    if (history == NULL || history->column_count != object->column_count)
        return qr_fail(set->err, QR_CORRUPT, "history of table %u", (unsigned)object->object_id);
    QR_TRY(qri_table_get(set, history, NULL, &table->history));
    if (object->retention == QR_RETENTION_INFINITE)
        return QR_OK;
    uint32_t end = column_id(table->history, table->period_end);
    qr_buf_init(&buf, SQL_BYTES_MAX);
    qr_buf_printf(&buf,
                  "DELETE FROM main.t%u WHERE rowid IN (SELECT rowid FROM main.t%u WHERE c%u<?1 "
                  "ORDER BY c%u LIMIT %d)",
                  object->history_id, object->history_id, end, end, (int)CLEAN_UP_ROWS);
    return keep_sql(set, &buf, &table->clean_up);
}

static enum qr_status build(struct qri_table_set *set, struct qri_table *table,
                            const struct qr_plan_dml *plan)
{
    QR_TRY(name_table(set, table));
    QR_TRY(classify_columns(set, table));
    if (plan != NULL && plan->defaults != NULL && plan->computed != NULL && plan->checks != NULL) {
        table->defaults = plan->defaults;
        table->computed = plan->computed;
        table->checks = plan->checks;
        table->view_check = plan->view_check;
    } else {
        QR_TRY(bind_exprs(set, table));
    }
    QR_TRY(add_uniques(set, table));
    if (table->is_rowset || table->object->storage == QR_STORE_VTAB ||
        table->object->type != QR_CAT_TABLE)
        return QR_OK;
    QR_TRY(insert_sql(set, table));
    QR_TRY(insert_fed_sql(set, table));
    QR_TRY(delete_sql(set, table));
    QR_TRY(exists_sql(set, table));
    QR_TRY(read_sql(set, table));
    QR_TRY(
        qri_table_update_sql(set, table, table->stored, table->stored_count, &table->update_all));
    if (table->object->history_id != 0)
        QR_TRY(add_history(set, table));
    if (table->is_temp)
        return QR_OK; /* foreign keys of #tables are not enforced */
    QR_TRY(add_fks(set, table));
    return add_refs(set, table);
}

enum qr_status qri_table_get(struct qri_table_set *set, const struct qr_cat_object *object,
                             const struct qr_plan_dml *plan, struct qri_table **ret_table)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->items[i]->object == object) {
            *ret_table = set->items[i];
            return QR_OK;
        }
    }
    set->items = qr_arena_grow(set->arena, set->items, set->count, &set->capacity, set->count + 1,
                               sizeof(struct qri_table *));
    struct qri_table *table = qr_arena_alloc(set->arena, sizeof *table);
    if (set->items == NULL || table == NULL)
        return no_memory(set);
    table->object = object;
    table->n = object->column_count;
    table->is_rowset = object->storage == QR_STORE_ROWSET;
    table->is_temp = !table->is_rowset && object->object_id >= QRI_TEMP_OBJECT_FIRST;
    table->is_heap = object->storage == QR_STORE_HEAP;
    table->by_rowid = object->storage != QR_STORE_KEYED;
    set->items[set->count++] = table; /* before its foreign keys: they may lead back */
    QR_TRY(build(set, table, plan));
    *ret_table = table;
    return QR_OK;
}
