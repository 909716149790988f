/* bind_source.c - sources of rows made from what the catalog or a query gives; see bind_int.h */
#include "mask_int.h"

#include "base/banned.h"

struct qri_source *qri_source_new(struct qri_compile *c, enum qri_source_kind kind,
                                  size_t column_count)
{
    struct qri_source *source = QRI_NEW(c, struct qri_source);
    if (source == NULL)
        return NULL;
    source->kind = kind;
    source->id = kind == QRI_SOURCE_JOIN ? 0 : ++c->next_source;
    source->column_count = column_count;
    source->columns = QRI_ARRAY(c, column_count + 1, struct qri_column);
    return source->columns == NULL ? NULL : source;
}

/* One place past the columns, never found by name: what qri_key needs of tables without one. */
static void add_rowid(struct qri_source *source)
{
    source->columns[source->column_count].type = qr_type_of(QR_TYPE_BIGINT);
}

static void describe_columns(const struct qr_cat_object *object, struct qri_source *source)
{
    for (size_t i = 0; i < object->column_count; i++) {
        const struct qr_cat_column *from = &object->columns[i];
        struct qri_column *to = &source->columns[i];
        to->name = from->name;
        to->type = from->type;
        to->label = qr_type_is_string(&from->type) ? QR_LABEL_IMPLICIT : QR_LABEL_COERCIBLE_DEFAULT;
        to->nullable = from->nullable;
        to->user_type_id = from->user_type_id;
        to->object = object;
        to->column_id = from->column_id;
        bool read_only = from->is_identity || from->is_computed ||
                         from->type.id == QR_TYPE_ROWVERSION || qr_cat_is_period(object, from);
        to->flags = (from->is_identity ? QR_COLUMN_IDENTITY : 0) |
                    (from->is_computed ? QR_COLUMN_COMPUTED : 0) |
                    (from->is_hidden ? QR_COLUMN_HIDDEN : 0) |
                    (read_only ? 0 : QR_COLUMN_UPDATABLE) |
                    (from->nullable ? QR_COLUMN_NULLABLE : 0);
    }
}

enum qr_status qri_table_source(struct qri_compile *c, const struct qri_object *found,
                                struct qri_source **ret_source)
{
    const struct qr_cat_object *object = found->object;
    struct qri_source *source = qri_source_new(c, QRI_SOURCE_TABLE, object->column_count);
    if (source == NULL)
        return qri_nomem(c);
    source->object = object;
    source->is_temp = found->is_temp;
    source->alias = object->name;
    const struct qr_catalog *cat = found->is_system ? c->env->system : c->env->catalog;
    const struct qr_cat_schema *schema = (found->is_temp && !found->is_system) || cat == NULL
                                             ? NULL
                                             : qr_cat_schema_by_id(cat, object->schema_id);
    source->schema = schema == NULL ? qr_str("dbo") : schema->name;
    describe_columns(object, source);
    add_rowid(source);
    QR_TRY(qri_masks_of_table(c, source));
    if (object->storage != QR_STORE_VTAB)
        c->reads_user_tables = true;
    QR_TRY(qri_use_new(c, found, QR_ACCESS_SELECT, &source->use));
    *ret_source = source;
    return QR_OK;
}

enum qr_status qri_rowset_source(struct qri_compile *c, struct qr_str name,
                                 const struct qr_cat_object *shape, struct qri_source **ret_source)
{
    struct qri_source *source = qri_source_new(c, QRI_SOURCE_ROWS, shape->column_count);
    struct qr_plan_rows *rows = QRI_NEW(c, struct qr_plan_rows);
    struct qr_type *types = QRI_ARRAY(c, shape->column_count + 1, struct qr_type);
    if (source == NULL || rows == NULL || types == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < shape->column_count; i++)
        types[i] = shape->columns[i].type;
    rows->kind = QR_ROWS_TABLE;
    rows->name = name;
    rows->object = shape;
    rows->column_types = types;
    rows->column_count = shape->column_count;
    source->rows = rows;
    source->object = shape;
    source->alias = name;
    describe_columns(shape, source);
    add_rowid(source);
    *ret_source = source;
    return QR_OK;
}

enum qr_status qri_no_columns_fail(struct qri_compile *c, struct qr_str what, bool more)
{
    return qr_sql_fail(c->err, more ? 8158 : 8159, qri_text_z(c, what));
}

static enum qr_status check_names(struct qri_compile *c, const struct qri_source *source,
                                  struct qr_str what)
{
    for (size_t i = 0; i < source->column_count; i++) {
        struct qr_str name = source->columns[i].name;
        if (name.n == 0)
            return qr_sql_fail(c->err, 8155, (int)i + 1, qri_text_z(c, what));
        for (size_t k = 0; k < i; k++)
            if (qr_str_ieq(source->columns[k].name, name))
                return qr_sql_fail(c->err, 8156, qri_text_z(c, name), qri_text_z(c, what));
    }
    return QR_OK;
}

enum qr_status qri_query_source(struct qri_compile *c, struct qri_query *query,
                                const struct qr_ast_idents *names, struct qr_str what,
                                struct qri_source **ret_source)
{
    size_t count = query->out_count - query->exposed_count;
    struct qri_source *source = qri_source_new(c, QRI_SOURCE_QUERY, count);
    if (source == NULL)
        return qri_nomem(c);
    source->query = query;
    source->alias = what;
    if (names != NULL && names->count > 0 && names->count != count)
        return qri_no_columns_fail(c, what, count > names->count);
    for (size_t i = 0; i < count; i++) {
        struct qri_column *col = &source->columns[i];
        *col = query->outs[i];
        col->leaf = col->expr = NULL;
        if (qr_type_is_string(&col->type) && col->label < QR_LABEL_IMPLICIT)
            col->label = QR_LABEL_IMPLICIT;
        if (col->type.id == QR_TYPE_NULL) {
            col->is_null = true;
            col->type = qr_type_of(QR_TYPE_INT);
            QR_TRY(qri_query_coerce(c, query, i, col->type));
        }
        if (names != NULL && names->count > 0)
            col->name = names->items[i].text;
    }
    *ret_source = source;
    return check_names(c, source, what);
}
