/* bind_target.c - the table that DML changes, also through views and CTEs; see dml_int.h */
#include "dml_int.h"

#include "base/banned.h"

enum qr_status qri_target_of(struct qri_compile *c, const struct qr_ast_source *ast,
                             struct qri_target *ret_target)
{
    struct qri_target t = {0};
    struct qri_object found;
    if (ast->kind == QR_AT_VARIABLE) {
        struct qr_str name = ((const struct qr_ast_variable_source *)ast)->name;
        const struct qr_bind_var *var = qri_bind_var(c->env, name);
        if (var == NULL || var->table == NULL)
            return qr_sql_fail(c->err, 1087, qri_text_z(c, name));
        t.object = var->table;
        t.rowset_name = var->name;
        *ret_target = t;
        return QR_OK;
    }
    if (ast->kind != QR_AT_TABLE)
        return qr_fail(c->err, QR_UNSUPPORTED, "DML on a rowset function is not supported");
    const struct qr_ast_name *name = &((const struct qr_ast_table_source *)ast)->name;
    struct qr_str last = name->parts[name->count - 1].text;
    if (name->count == 1 && c->env->inserted != NULL &&
        (qr_str_ieqz(last, "inserted") || qr_str_ieqz(last, "deleted")))
        return qr_sql_fail(c->err, 286);
    QR_TRY(qri_object_find(c, name, false, &found));
    t.object = found.object;
    t.found = found;
    t.is_temp = found.is_temp;
    if (found.is_system)
        return qr_sql_fail(c->err, 259);
    if (t.object->type != QR_CAT_TABLE && t.object->type != QR_CAT_VIEW)
        return qr_sql_fail(c->err, 208, qri_name_z(c, name));
    *ret_target = t;
    return QR_OK;
}

/* --- reaching the base table through queries --- */

struct reach {
    const struct qr_cat_object *object;
    struct qri_source *base;
    const struct qr_expr **keys, **olds;
    size_t key_count;
    const struct qr_expr *check; /* as in struct qri_target */
};

enum qr_status qri_source_key(struct qri_compile *c, struct qri_source *source,
                              const struct qr_expr ***ret_keys, size_t *ret_count)
{
    const struct qr_cat_object *object = source->object;
    const struct qr_cat_index *clustered = qr_cat_clustered(object);
    bool keyed = object->storage == QR_STORE_KEYED && clustered != NULL;
    size_t count = keyed ? clustered->key_count : 1;
    const struct qr_expr **keys = QRI_ARRAY(c, count, const struct qr_expr *);
    if (keys == NULL)
        return qri_nomem(c);
    source->needs_rid = !keyed && object->storage != QR_STORE_ROWID && qri_may_be_nested(source);
    for (size_t i = 0; i < count; i++) {
        size_t column = source->column_count; /* rowid */
        if (keyed)
            column = qr_cat_column_index(object, clustered->columns[i].column_id);
        else if (object->storage == QR_STORE_ROWID && object->rowid_column != 0)
            column = qr_cat_column_index(object, object->rowid_column);
        QR_TRY(qri_column_leaf(c, source, column, &keys[i]));
    }
    *ret_keys = keys;
    *ret_count = count;
    return QR_OK;
}

static enum qr_status reach_table(struct qri_compile *c, struct qri_source *source, struct reach *r)
{
    const struct qr_cat_object *object = source->object;
    r->object = object;
    r->base = source;
    QR_TRY(qri_source_key(c, source, &r->keys, &r->key_count));
    r->olds = QRI_ARRAY(c, object->column_count + 1, const struct qr_expr *);
    if (r->olds == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < object->column_count; i++)
        QR_TRY(qri_column_leaf(c, source, i, &r->olds[i]));
    return QR_OK;
}

static enum qr_status not_updatable(struct qri_compile *c, const struct qri_source *source)
{
    return qr_sql_fail(c->err, 4405, qri_text_z(c, source->alias));
}

/* Which of the tables of a view's FROM does it change? That whose column is set. */
static struct qri_source *choose(const struct qri_query *q, const struct qri_source *source,
                                 const struct qr_ast_name *wanted)
{
    if (q->scope->count == 1)
        return q->scope->items[0];
    if (wanted == NULL)
        return NULL;
    struct qr_str name = wanted->parts[wanted->count - 1].text;
    for (size_t i = 0; i < source->column_count; i++) {
        const struct qri_leaf *leaf = i < q->out_count && qr_str_ieq(source->columns[i].name, name)
                                          ? qri_leaf_of(q->items[i])
                                          : NULL;
        if (leaf != NULL && leaf->kind == QRI_LEAF_COLUMN)
            return leaf->source;
    }
    return NULL;
}

enum qr_status qri_expose(struct qri_compile *c, struct qri_source *source,
                          const struct qr_expr *inner, const struct qr_expr **ret_outer)
{
    struct qri_query *q = source->query;
    size_t item = 0;
    while (item < q->out_count && q->items[item] != inner)
        item++;
    if (item == q->out_count) {
        size_t capacity = q->out_count;
        QR_TRY(qri_item_add(c, q, inner, qr_str(""), &capacity));
        q->exposed_count++;
    }
    if (item >= source->column_count) {
        size_t capacity = source->column_count;
        source->columns =
            (struct qri_column *)qr_arena_grow(c->arena, source->columns, source->column_count,
                                               &capacity, q->out_count, sizeof(struct qri_column));
        if (source->columns == NULL)
            return qri_nomem(c);
        for (size_t i = source->column_count; i < q->out_count; i++) {
            source->columns[i] = q->outs[i];
            source->columns[i].name = qr_str("");
            source->columns[i].leaf = source->columns[i].expr = NULL;
            source->columns[i].flags |= QR_COLUMN_HIDDEN;
        }
        source->column_count = q->out_count;
    }
    return qri_column_leaf(c, source, item, ret_outer);
}

struct check {
    struct qri_compile *c;
    const struct qri_source *base;
    enum qr_status status;
};

/* A column of the base table becomes an input, one of a query in between what stands for it. */
static const struct qr_expr *check_leaf(void *arg, const struct qr_expr *expr)
{
    struct check *k = (struct check *)arg;
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    const struct qr_expr *ret = NULL;
    if (leaf == NULL || k->status != QR_OK)
        return NULL;
    if (leaf->kind == QRI_LEAF_COLUMN && leaf->source == k->base &&
        leaf->column < k->base->column_count) {
        const struct qri_column *col = &k->base->columns[leaf->column];
        k->status = qr_expr_input(&k->c->b, (uint32_t)leaf->column, col->type, col->nullable,
                                  expr->label, &ret);
    } else if (leaf->kind == QRI_LEAF_COLUMN && leaf->source->kind == QRI_SOURCE_QUERY &&
               leaf->source->query->kind == QRI_QUERY_SELECT) {
        k->status = qr_expr_rewrite(k->c->arena, leaf->source->query->items[leaf->column],
                                    check_leaf, k, &ret, k->c->err);
    } else {
        k->status = qr_fail(k->c->err, QR_UNSUPPORTED,
                            "changes through a view WITH CHECK OPTION whose condition needs other "
                            "rows are not supported");
    }
    return k->status == QR_OK ? ret : NULL;
}

static enum qr_status add_check(struct qri_compile *c, const struct qr_expr *where, struct reach *r)
{
    struct check k = {.c = c, .base = r->base};
    const struct qr_expr *both[] = {r->check, where};
    QR_TRY(qr_expr_rewrite(c->arena, where, check_leaf, &k, &both[1], c->err));
    QR_TRY(k.status);
    if (r->check != NULL)
        return qr_expr_logic(&c->b, QR_EXPR_AND, both, 2, &r->check);
    r->check = both[1];
    return QR_OK;
}

/* `checked`: a view above has WITH CHECK OPTION, which holds for all that it is made of. */
static enum qr_status reach(struct qri_compile *c, struct qri_source *source,
                            const struct qr_ast_name *wanted, unsigned depth, bool checked,
                            struct reach *r)
{
    if (source->kind == QRI_SOURCE_TABLE)
        return source->object->storage == QR_STORE_VTAB ? qr_sql_fail(c->err, 259)
                                                        : reach_table(c, source, r);
    if (source->kind == QRI_SOURCE_ROWS && source->rows->kind == QR_ROWS_TABLE)
        return reach_table(c, source, r);
    struct qri_query *q = source->query;
    if (source->kind != QRI_SOURCE_QUERY || q->kind != QRI_QUERY_SELECT || q->is_grouped ||
        q->distinct || q->for_inner != NULL || depth > QRI_NEST_MAX)
        return qr_sql_fail(c->err, 4403, qri_text_z(c, source->alias));
    struct qri_source *inner = choose(q, source, wanted);
    if (inner == NULL)
        return not_updatable(c, source);
    struct reach below = {0};
    source->reached = inner;
    checked = checked || (source->module != NULL && source->module->with_check_option);
    QR_TRY(reach(c, inner, wanted, depth + 1, checked, &below));
    *r = below;
    if (checked && q->where != NULL && !source->is_filter)
        QR_TRY(add_check(c, q->where, r));
    r->keys = QRI_ARRAY(c, below.key_count, const struct qr_expr *);
    r->olds = QRI_ARRAY(c, below.object->column_count + 1, const struct qr_expr *);
    if (r->keys == NULL || r->olds == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < below.key_count; i++)
        QR_TRY(qri_expose(c, source, below.keys[i], &r->keys[i]));
    for (size_t i = 0; i < below.object->column_count; i++)
        QR_TRY(qri_expose(c, source, below.olds[i], &r->olds[i]));
    return QR_OK;
}

enum qr_status qri_table_key(struct qri_compile *c, struct qri_source *source,
                             const struct qr_cat_object **ret_table,
                             const struct qr_expr ***ret_keys, size_t *ret_count)
{
    bool is_table = source->kind == QRI_SOURCE_TABLE && source->module == NULL;
    const struct qr_cat_object *object = source->is_filter ? source->module : source->object;
    struct reach r = {0};
    *ret_table = NULL;
    if (!(is_table || source->is_filter) || object == NULL || object->type != QR_CAT_TABLE)
        return QR_OK;
    QR_TRY(reach(c, source, NULL, 0, false, &r));
    *ret_table = object;
    *ret_keys = r.keys;
    *ret_count = r.key_count;
    return QR_OK;
}

bool qri_view_has_trigger(const struct qr_cat_object *view, enum qri_change change)
{
    if (view == NULL || view->type != QR_CAT_VIEW)
        return false;
    for (size_t i = 0; i < view->trigger_count; i++)
        if (view->triggers[i]->trigger_instead_of && !view->triggers[i]->is_disabled &&
            (view->triggers[i]->trigger_events & change) != 0)
            return true;
    return false;
}

static enum qr_status reach_view(struct qri_compile *c, struct qri_source *source,
                                 struct qri_target *t)
{
    t->object = source->module;
    t->source = t->base = source;
    t->olds = QRI_ARRAY(c, t->object->column_count + 1, const struct qr_expr *);
    if (t->olds == NULL)
        return qri_nomem(c);
    struct qri_scope *scope = c->scope;
    c->scope = source->scope;
    for (size_t i = 0; i < t->object->column_count; i++)
        QR_TRY(qri_column_leaf(c, source, i, &t->olds[i]));
    c->scope = scope;
    qri_use_as_target(t);
    return QR_OK;
}

enum qr_status qri_target_reach(struct qri_compile *c, struct qri_source *source,
                                const struct qr_ast_name *wanted, enum qri_change change,
                                struct qri_target *t)
{
    struct reach r = {0};
    if (qri_view_has_trigger(source->module, change))
        return reach_view(c, source, t);
    struct qri_scope *scope = c->scope;
    c->scope = source->scope; /* columns of inner queries are taken where they stand */
    QR_TRY(reach(c, source, wanted, 0, false, &r));
    c->scope = scope;
    t->source = source;
    t->base = r.base;
    r.base->is_target = true;
    t->object = r.object;
    t->is_temp = r.base->is_temp;
    t->rowset_name = r.base->kind == QRI_SOURCE_ROWS ? r.base->rows->name : qr_str("");
    t->keys = r.keys;
    t->key_count = r.key_count;
    t->olds = r.olds;
    t->check = r.check;
    qri_use_as_target(t);
    return QR_OK;
}

static enum qr_status check_writable(struct qri_compile *c, const struct qr_cat_object *table,
                                     const struct qr_cat_column *col, bool is_insert)
{
    const char *name = qri_text_z(c, col->name);
    if (col->is_computed)
        return qr_sql_fail(c->err, 271, name);
    if (is_insert)
        return QR_OK;
    if (col->is_identity)
        return qr_sql_fail(c->err, 8102, name);
    if (qr_cat_is_period(table, col))
        return qr_sql_fail(c->err, 13537, qri_table_z(c, table));
    return col->type.id == QR_TYPE_ROWVERSION ? qr_sql_fail(c->err, 272) : QR_OK;
}

/* Through a view the name is the view's, the column the table's. */
static enum qr_status through_source(struct qri_compile *c, const struct qri_target *t,
                                     struct qr_str name, size_t *ret_column)
{
    const struct qri_source *source = t->source;
    for (size_t i = 0; i < source->column_count; i++) {
        if (!qr_str_ieq(source->columns[i].name, name))
            continue;
        if (source->columns[i].object == NULL)
            return qr_sql_fail(c->err, 4406, qri_text_z(c, source->alias));
        if (source->columns[i].object != t->object)
            return qr_sql_fail(c->err, 4405, qri_text_z(c, source->alias));
        *ret_column = qr_cat_column_index(t->object, source->columns[i].column_id);
        return QR_OK;
    }
    return qr_sql_fail(c->err, 207, qri_text_z(c, name));
}

enum qr_status qri_target_column(struct qri_compile *c, const struct qri_target *t,
                                 const struct qr_ast_name *name, bool is_insert, size_t *ret_column)
{
    struct qr_str last = name->parts[name->count - 1].text;
    size_t column = 0;
    if (t->source != NULL && t->source != t->base) {
        QR_TRY(through_source(c, t, last, &column));
    } else {
        const struct qr_cat_column *col = qr_cat_column_find(t->object, last);
        if (col == NULL)
            return qr_sql_fail(c->err, 207, qri_text_z(c, last));
        column = (size_t)(col - t->object->columns);
    }
    *ret_column = column;
    return check_writable(c, t->object, &t->object->columns[column], is_insert);
}
