/* bind_from.c - FROM: tables, derived tables, joins, APPLY; see bind_int.h */
#include "dml_int.h"
#include "policy_int.h"
#include "temporal_int.h"

#include "base/banned.h"

/* `inserted` or `deleted`: of the shape that the trigger's table has now. */
static enum qr_status trigger_source(struct qri_compile *c, const char *name,
                                     const struct qr_cat_object *shape,
                                     struct qri_source **ret_source)
{
    QR_TRY(qri_depend(c, shape));
    return qri_rowset_source(c, qr_str(name), shape, ret_source);
}

static bool is_versioned(const struct qr_cat_object *object)
{
    return object->type == QR_CAT_TABLE && object->history_id != 0;
}

static enum qr_status object_source(struct qri_compile *c, const struct qr_ast_name *name,
                                    struct qri_source **ret_source)
{
    struct qri_object found;
    const struct qr_ast_ident *last = &name->parts[name->count - 1];
    if (name->count == 1 && c->env->inserted != NULL && qr_str_ieqz(last->text, "inserted"))
        return trigger_source(c, "inserted", c->env->inserted, ret_source);
    if (name->count == 1 && c->env->deleted != NULL && qr_str_ieqz(last->text, "deleted"))
        return trigger_source(c, "deleted", c->env->deleted, ret_source);
    QR_TRY(qri_object_find(c, name, false, &found));
    if (found.object->type == QR_CAT_SYSTEM_VIEW && found.object->vtab == NULL)
        return qr_sql_fail(c->err, 216, qri_name_z(c, name)); /* a function that gives rows */
    bool is_filtered = qri_is_filtered(c, &found), in_filter = c->filtering == found.object;
    c->filtering = NULL;
    if (found.object->type == QR_CAT_TABLE || found.object->type == QR_CAT_SYSTEM_VIEW) {
        bool is_past = c->system_time != NULL && is_versioned(found.object);
        QR_TRY(is_past       ? qri_temporal_source(c, &found, ret_source)
               : is_filtered ? qri_filtered_source(c, &found, ret_source)
                             : qri_table_source(c, &found, ret_source));
        for (size_t i = 0; in_filter && i < (*ret_source)->column_count; i++)
            (*ret_source)->columns[i].flags &= ~(uint32_t)QR_COLUMN_HIDDEN;
        (*ret_source)->is_qualified = name->count > 1 && name->parts[name->count - 2].text.n > 0;
        return QR_OK;
    }
    if (found.object->type == QR_CAT_VIEW && is_filtered)
        return qri_filtered_source(c, &found, ret_source);
    if (found.object->type == QR_CAT_VIEW) {
        bool in_tempdb = c->in_tempdb;
        c->in_tempdb = found.is_temp;
        QR_TRY(qri_view_source(c, &found, ret_source));
        c->in_tempdb = in_tempdb;
        return QR_OK;
    }
    if (found.object->type == QR_CAT_FN_INLINE || found.object->type == QR_CAT_FN_TABLE)
        return qr_sql_fail(c->err, 216, qri_name_z(c, name));
    return qr_sql_fail(c->err, 208, qri_name_z(c, name));
}

/* name FOR SYSTEM_TIME ...: a table with a history, or a view of such ones. */
static enum qr_status system_time_source(struct qri_compile *c,
                                         const struct qr_ast_table_source *ast,
                                         struct qri_source **ret_source)
{
    struct qri_object found = {0};
    struct qri_system_time *outer = c->system_time, time = {0};
    QR_TRY(qri_cte_source(c, &ast->name, ret_source));
    if (*ret_source == NULL)
        QR_TRY(qri_object_find(c, &ast->name, false, &found));
    if (found.object == NULL || (found.object->type != QR_CAT_VIEW && !is_versioned(found.object)))
        return qr_sql_fail(c->err, 13544,
                           found.object == NULL || found.is_system ? qri_name_z(c, &ast->name)
                                                                   : qri_table_z(c, found.object));
    if (outer != NULL)
        return qr_sql_fail(c->err, 13590, qri_table_z(c, found.object));
    QR_TRY(qri_system_time_bind(c, ast, &time));
    c->system_time = &time;
    QR_TRY(object_source(c, &ast->name, ret_source));
    c->system_time = outer;
    return time.use_count > 0 ? QR_OK : qr_sql_fail(c->err, 13544, qri_table_z(c, found.object));
}

static enum qr_status bind_table(struct qri_compile *c, const struct qr_ast_source *head,
                                 struct qri_source **ret_source)
{
    const struct qr_ast_table_source *ast = (const struct qr_ast_table_source *)head;
    uint32_t hints = 0;
    QR_TRY(qri_hints_bind(c, &ast->hints, &hints));
    if (ast->for_path)
        return qr_fail(c->err, QR_UNSUPPORTED, "FOR PATH is not supported");
    if (ast->temporal != QR_TEMPORAL_NONE && ast->sample != NULL)
        return qr_fail(c->err, QR_UNSUPPORTED, "FOR SYSTEM_TIME with TABLESAMPLE is not supported");
    if (ast->temporal != QR_TEMPORAL_NONE)
        QR_TRY(system_time_source(c, ast, ret_source));
    else if (ast->sample != NULL)
        QR_TRY(qri_sample_source(c, ast, ret_source));
    else
        QR_TRY(qri_cte_source(c, &ast->name, ret_source));
    if (*ret_source == NULL)
        QR_TRY(object_source(c, &ast->name, ret_source));
    qri_hints_add(*ret_source, hints);
    return QR_OK;
}

static enum qr_status bind_variable(struct qri_compile *c, const struct qr_ast_source *head,
                                    struct qri_source **ret_source)
{
    const struct qr_ast_variable_source *ast = (const struct qr_ast_variable_source *)head;
    bool hidden = c->frame != NULL && c->frame->hides_vars;
    const struct qr_bind_var *var = hidden ? NULL : qri_bind_var(c->env, ast->name);
    if (var == NULL || var->table == NULL)
        return qr_sql_fail(c->err, 1087, qri_text_z(c, ast->name));
    uint32_t unused = 0; /* nobody else sees a table variable */
    QR_TRY(qri_hints_bind(c, &ast->hints, &unused));
    return qri_rowset_source(c, var->name, var->table, ret_source);
}

/* What stands beside other tables does not see them, except right of APPLY. The scope in between
 * carries no names, only the mark that the block is correlated if its part is. */
struct qri_scope *qri_inner_scope(struct qri_compile *c)
{
    if (c->lateral || c->scope == NULL)
        return c->scope;
    return qri_scope_new(c, c->scope->outer, c->scope->query);
}

static enum qr_status bind_derived(struct qri_compile *c, const struct qr_ast_source *head,
                                   struct qri_source **ret_source)
{
    const struct qr_ast_derived_source *ast = (const struct qr_ast_derived_source *)head;
    struct qri_query *query = NULL;
    c->apply_scope = c->lateral ? c->scope : NULL;
    QR_TRY(qri_bind_query(c, ast->query, qri_inner_scope(c), &query));
    return qri_query_source(c, query, &head->columns, head->alias.text, ret_source);
}

static enum qr_status bind_values(struct qri_compile *c, const struct qr_ast_source *head,
                                  struct qri_source **ret_source)
{
    const struct qr_ast_values_source *ast = (const struct qr_ast_values_source *)head;
    struct qr_ast_values_query query_ast = {.head = {.kind = QR_AQ_VALUES, .pos = head->pos},
                                            .rows = ast->rows};
    struct qri_query *query = NULL;
    c->apply_scope = c->lateral ? c->scope : NULL;
    QR_TRY(qri_bind_query(c, &query_ast.head, qri_inner_scope(c), &query));
    query->ast = NULL;
    return qri_query_source(c, query, &head->columns, head->alias.text, ret_source);
}

/* f(...) AS alias (column, ...) */
static enum qr_status name_columns(struct qri_compile *c, struct qri_source *source,
                                   const struct qr_ast_source *head)
{
    if (head->columns.count == 0)
        return QR_OK;
    if (head->columns.count != source->column_count)
        return qri_no_columns_fail(c, head->alias.text, source->column_count > head->columns.count);
    for (size_t i = 0; i < head->columns.count; i++)
        source->columns[i].name = head->columns.items[i].text;
    return QR_OK;
}

static enum qr_status bind_call(struct qri_compile *c, const struct qr_ast_source *head,
                                struct qri_source **ret_source)
{
    struct qri_scope *scope = c->scope;
    c->scope = qri_inner_scope(c);
    QR_TRY(qri_call_source(c, (const struct qr_ast_call_source *)head, ret_source));
    c->scope = scope;
    return name_columns(c, *ret_source, head);
}

static enum qr_status bind_rowset(struct qri_compile *c, const struct qr_ast_source *head,
                                  struct qri_source **ret_source)
{
    const struct qr_ast_rowset_source *ast = (const struct qr_ast_rowset_source *)head;
    (void)ret_source;
    return qr_fail(c->err, QR_UNSUPPORTED, "%.*s is not supported", (int)ast->function.n,
                   ast->function.p);
}

static enum qr_status bind_dml_source(struct qri_compile *c, const struct qr_ast_source *head,
                                      struct qri_source **ret_source)
{
    (void)head;
    (void)ret_source;
    return qr_fail(c->err, QR_UNSUPPORTED,
                   "a nested INSERT, UPDATE, DELETE or MERGE in FROM is not supported");
}

static enum qr_status bind_pivot(struct qri_compile *c, const struct qr_ast_source *head,
                                 struct qri_source **ret_source)
{
    return qri_pivot_source(c, (const struct qr_ast_pivot *)head, ret_source);
}

static enum qr_status bind_unpivot(struct qri_compile *c, const struct qr_ast_source *head,
                                   struct qri_source **ret_source)
{
    return qri_unpivot_source(c, (const struct qr_ast_unpivot *)head, ret_source);
}

/* Leaves made before were without the nullability that the outer join gives. */
static void null_extend(struct qri_scope *scope, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++) {
        struct qri_source *source = scope->items[i];
        source->is_null_extended = true;
        for (size_t k = 0; k < source->column_count; k++)
            source->columns[k].leaf = NULL;
    }
}

static enum qr_status bind_join(struct qri_compile *c, const struct qr_ast_source *head,
                                struct qri_source **ret_source)
{
    const struct qr_ast_join *ast = (const struct qr_ast_join *)head;
    struct qri_source *source = qri_source_new(c, QRI_SOURCE_JOIN, 0);
    struct qri_scope *scope = c->scope;
    size_t first = scope->first, begin = scope->count;
    bool apply = ast->join == QR_JOIN_CROSS_APPLY || ast->join == QR_JOIN_OUTER_APPLY;
    if (source == NULL)
        return qri_nomem(c);
    source->join = ast->join;
    bool extends_left = ast->join == QR_JOIN_RIGHT || ast->join == QR_JOIN_FULL;
    bool extends_right = ast->join == QR_JOIN_LEFT || ast->join == QR_JOIN_FULL;
    bool lateral = c->lateral, extended = c->extended;
    c->extended = extended || extends_left;
    c->extends_left = c->extends_left || extends_left;
    QR_TRY(qri_source_bind(c, ast->left, &source->left));
    size_t middle = scope->count;
    c->lateral = apply;
    c->extended = extended || extends_right;
    QR_TRY(qri_source_bind(c, ast->right, &source->right));
    c->lateral = lateral;
    c->extended = extended;
    if (apply)
        QR_TRY(qri_apply_lower(c, source->right, ast->join == QR_JOIN_OUTER_APPLY));
    if (extends_right || ast->join == QR_JOIN_OUTER_APPLY)
        null_extend(scope, middle, scope->count);
    if (extends_left)
        null_extend(scope, begin, middle);
    if (ast->on != NULL) {
        enum qri_clause clause = c->clause;
        c->clause = QRI_CLAUSE_FROM;
        scope->first = begin;
        QR_TRY(qri_condition(c, ast->on, &source->on));
        QR_TRY(qri_guard(c, &source->on));
        scope->first = first;
        c->clause = clause;
    }
    *ret_source = source;
    return QR_OK;
}

static enum qr_status (*const source_binders[QR_AT_KIND_COUNT])(struct qri_compile *c,
                                                                const struct qr_ast_source *head,
                                                                struct qri_source **ret_source) = {
    [QR_AT_TABLE] = bind_table,     [QR_AT_VARIABLE] = bind_variable,
    [QR_AT_DERIVED] = bind_derived, [QR_AT_VALUES] = bind_values,
    [QR_AT_CALL] = bind_call,       [QR_AT_ROWSET] = bind_rowset,
    [QR_AT_DML] = bind_dml_source,  [QR_AT_JOIN] = bind_join,
    [QR_AT_PIVOT] = bind_pivot,     [QR_AT_UNPIVOT] = bind_unpivot,
};

enum qr_status qri_source_bind(struct qri_compile *c, const struct qr_ast_source *ast,
                               struct qri_source **ret_source)
{
    struct qri_source *source = NULL;
    c->b.line = (int)ast->pos.line;
    QR_TRY(source_binders[ast->kind](c, ast, &source));
    *ret_source = source;
    if (source->kind == QRI_SOURCE_JOIN)
        return QR_OK;
    if (ast->alias.text.n != 0) {
        source->alias = ast->alias.text;
        source->is_aliased = true;
    }
    if (c->scope->count >= QRI_JOIN_TABLES_MAX)
        return qr_sql_fail(c->err, 106, QRI_JOIN_TABLES_MAX);
    return qri_scope_add(c, c->scope, source);
}

enum qr_status qri_from(struct qri_compile *c, const struct qr_ast_sources *ast,
                        struct qri_query *query)
{
    bool lateral = c->lateral, extended = c->extended;
    c->lateral = c->extended = false;
    query->from = QRI_ARRAY(c, ast->count + 1, struct qri_source *);
    if (query->from == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < ast->count; i++) {
        QR_TRY(qri_source_bind(c, ast->items[i], &query->from[i]));
        query->from_count = i + 1;
    }
    c->lateral = lateral;
    c->extended = extended;
    return QR_OK;
}
