/* bind_scope.c - columns by name, through the scopes; see bind_int.h */
#include "bind_int.h"

#include "base/banned.h"

struct qri_scope *qri_scope_new(struct qri_compile *c, struct qri_scope *outer,
                                struct qri_query *query)
{
    struct qri_scope *scope = QRI_NEW(c, struct qri_scope);
    if (scope != NULL) {
        scope->outer = outer;
        scope->query = query;
    }
    return scope;
}

enum qr_status qri_scope_add(struct qri_compile *c, struct qri_scope *scope,
                             struct qri_source *source)
{
    for (size_t i = 0; i < scope->count; i++) {
        const struct qri_source *other = scope->items[i];
        if (source->alias.n == 0 || !qr_str_ieq(other->alias, source->alias))
            continue;
        if (source->is_aliased || other->is_aliased) {
            if (source->is_aliased && other->is_aliased)
                return qr_sql_fail(c->err, 1011, qri_text_z(c, source->alias));
            return qr_sql_fail(c->err, 1012, qri_text_z(c, source->alias),
                               qri_text_z(c, other->alias));
        }
        if (qr_str_ieq(other->schema, source->schema))
            return qr_sql_fail(c->err, 1013, qri_text_z(c, other->alias),
                               qri_text_z(c, source->alias));
    }
    scope->items =
        (struct qri_source **)qr_arena_grow(c->arena, scope->items, scope->count, &scope->capacity,
                                            scope->count + 1, sizeof(struct qri_source *));
    if (scope->items == NULL)
        return qri_nomem(c);
    source->scope = scope;
    scope->items[scope->count++] = source;
    return QR_OK;
}

/* Does `parts` (what stands before the column's name) name this source? */
bool qri_source_matches(const struct qri_source *source, const struct qr_ast_ident *parts,
                        size_t count)
{
    if (count == 0)
        return true;
    if (!qr_str_ieq(source->alias, parts[count - 1].text))
        return false;
    if (count == 1)
        return true;
    if (source->is_aliased)
        return false;
    struct qr_str schema = parts[count - 2].text;
    return schema.n == 0 || qr_str_ieq(schema, source->schema);
}

void qri_mark_correlated(struct qri_compile *c, const struct qri_source *source)
{
    for (struct qri_scope *s = c->scope; s != NULL && s != source->scope; s = s->outer)
        if (s->query != NULL) {
            s->query->is_correlated = true;
            if (s->query->apply_scope == source->scope)
                s->query->uses_siblings = true;
        }
}

enum qr_status qri_leaf(struct qri_compile *c, struct qri_leaf *leaf,
                        const struct qr_expr_foreign *shape, const struct qr_expr **ret_expr)
{
    struct qr_expr_foreign f = *shape;
    f.ref = leaf;
    leaf->type = f.type;
    return qr_expr_foreign(&c->b, &f, ret_expr);
}

/* The computed text is bound where only the table itself can be seen. */
static enum qr_status expand_computed(struct qri_compile *c, struct qri_source *source,
                                      size_t column)
{
    const struct qr_cat_column *col = &source->object->columns[column];
    struct qri_scope alone = {.items = &source, .count = 1}, *scope = c->scope;
    enum qri_clause clause = c->clause;
    const struct qr_cat_object *through = c->through;
    struct qri_use *use = source->use;
    QR_TRY(qri_enter(c));
    c->through = qri_through(c, source->object);
    source->use = NULL; /* who may read the column need not be allowed what it is made of */
    /* cppcheck-suppress autoVariables; taken back before the end */
    c->scope = &alone;
    c->clause = QRI_CLAUSE_WHERE;
    const struct qr_expr *expr = NULL;
    enum qr_status status = qri_text_expr(c, col->computed_text, false, &expr);
    if (status == QR_OK)
        status = qr_expr_convert(&c->b, col->type, expr, &source->columns[column].expr);
    c->scope = scope;
    c->clause = clause;
    c->through = through;
    source->use = use;
    qri_leave(c);
    return status;
}

bool qri_may_be_nested(const struct qri_source *source)
{
    const struct qri_scope *scope = source->scope;
    for (size_t i = 0; i < scope->count; i++)
        if (scope->items[i] == source)
            return scope->count > 2;
    return true; /* of a query that was merged into this FROM */
}

/* A row that the outer join has not found gives NULL, whatever the column is computed from. */
static enum qr_status extend_computed(struct qri_compile *c, struct qri_source *source,
                                      const struct qr_expr *expr, const struct qr_expr **ret_expr)
{
    const struct qr_cat_object *object = source->object;
    const struct qr_expr *mark = NULL, *found = NULL;
    for (size_t i = 0; mark == NULL && i < object->column_count; i++)
        if (!object->columns[i].nullable && !object->columns[i].is_computed)
            QR_TRY(qri_column_leaf(c, source, i, &mark));
    if (mark == NULL) {
        source->needs_rid = qri_may_be_nested(source);
        QR_TRY(qri_mark_leaf(c, source, &mark));
    }
    QR_TRY(qr_expr_is_null(&c->b, mark, true, &found));
    return qr_expr_case(&c->b, &found, &expr, 1, NULL, ret_expr);
}

enum qr_status qri_column_leaf(struct qri_compile *c, struct qri_source *source, size_t column,
                               const struct qr_expr **ret_expr)
{
    struct qri_column *col = &source->columns[column];
    qri_mark_correlated(c, source);
    if (col->expr == NULL && source->kind == QRI_SOURCE_TABLE && column < source->column_count &&
        source->object->columns[column].is_computed &&
        !source->object->columns[column].is_persisted)
        QR_TRY(expand_computed(c, source, column));
    if (col->expr != NULL) {
        c->expanded += source->scope == c->scope;
        if (source->kind == QRI_SOURCE_TABLE && source->is_null_extended)
            return extend_computed(c, source, col->expr, ret_expr);
        *ret_expr = col->expr;
        return QR_OK;
    }
    if (col->leaf == NULL) {
        struct qri_leaf *leaf = QRI_NEW(c, struct qri_leaf);
        if (leaf == NULL)
            return qri_nomem(c);
        leaf->kind = QRI_LEAF_COLUMN;
        leaf->source = source;
        leaf->column = column;
        struct qr_expr_foreign shape = {.type = col->type,
                                        .label = col->label,
                                        .nullable = col->nullable || source->is_null_extended};
        QR_TRY(qri_leaf(c, leaf, &shape, &col->leaf));
    }
    *ret_expr = col->leaf;
    return QR_OK;
}

enum qr_status qri_mark_leaf(struct qri_compile *c, struct qri_source *source,
                             const struct qr_expr **ret_expr)
{
    struct qri_leaf *leaf = QRI_NEW(c, struct qri_leaf);
    if (leaf == NULL)
        return qri_nomem(c);
    leaf->kind = QRI_LEAF_MARK;
    leaf->source = source;
    struct qr_expr_foreign shape = {.type = qr_type_of(QR_TYPE_BIGINT), .nullable = true};
    return qri_leaf(c, leaf, &shape, ret_expr);
}

struct found {
    struct qri_source *source;
    size_t column;
    size_t count;
};

static void look_in(const struct qri_scope *scope, const struct qr_ast_name *name,
                    struct found *found)
{
    struct qr_str column = name->parts[name->count - 1].text;
    for (size_t i = scope->first; i < scope->count; i++) {
        struct qri_source *source = scope->items[i];
        if (!qri_source_matches(source, name->parts, name->count - 1))
            continue;
        for (size_t k = 0; k < source->column_count; k++) {
            if (!qr_str_ieq(source->columns[k].name, column))
                continue;
            found->source = source;
            found->column = k;
            found->count++;
        }
    }
}

static enum qr_status row_column(struct qri_compile *c, const struct qr_ast_name *name,
                                 const struct qr_expr **ret_expr)
{
    const struct qr_cat_object *table = c->row_table;
    const struct qr_cat_column *col = qr_cat_column_find(table, name->parts[name->count - 1].text);
    if (col == NULL)
        return qr_sql_fail(c->err, 207, qri_text_z(c, name->parts[name->count - 1].text));
    return qr_expr_input(&c->b, (uint32_t)(col - table->columns), col->type, col->nullable,
                         QR_LABEL_IMPLICIT, ret_expr);
}

enum qr_status qri_bind_column(struct qri_compile *c, const struct qr_ast_name *name,
                               const struct qr_expr **ret_expr)
{
    if (c->row_table != NULL && c->scope == NULL)
        return row_column(c, name, ret_expr);
    for (struct qri_scope *s = c->scope; s != NULL; s = s->outer) {
        struct found found = {0};
        look_in(s, name, &found);
        if (found.count > 1)
            return qr_sql_fail(c->err, 209, qri_text_z(c, name->parts[name->count - 1].text));
        if (found.count == 1) {
            QR_TRY(qri_use_column(c, found.source, found.column));
            return qri_column_leaf(c, found.source, found.column, ret_expr);
        }
        if (s->is_barrier)
            break;
    }
    if (name->count > 1) {
        /* the table is there but has no such column: 207 names the column alone */
        for (struct qri_scope *s = c->scope; s != NULL; s = s->outer)
            for (size_t i = s->first; i < s->count; i++)
                if (qri_source_matches(s->items[i], name->parts, name->count - 1))
                    return qr_sql_fail(c->err, 207,
                                       qri_text_z(c, name->parts[name->count - 1].text));
        return qr_sql_fail(c->err, 4104, qri_name_z(c, name));
    }
    if (c->scope == NULL && c->row_table == NULL && c->clause == QRI_CLAUSE_NONE)
        return qr_sql_fail(c->err, 128, qri_name_z(c, name));
    return qr_sql_fail(c->err, 207, qri_text_z(c, name->parts[0].text));
}
