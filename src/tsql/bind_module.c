/* bind_module.c - views and inline functions, expanded from their stored text; see bind_int.h */
#include "bind_int.h"

#include "base/banned.h"

struct saved {
    struct qri_scope *scope;
    struct qri_cte *ctes;
    const struct qr_ast_with *namespaces;
    const struct qri_frame *frame;
    enum qri_clause clause;
    uint32_t schema_id;
    const struct qr_cat_object *through;
    bool is_top, lateral;
    int line;
};

static struct saved save(const struct qri_compile *c)
{
    return (struct saved){c->scope,     c->ctes,    c->namespaces,   c->frame,   c->clause,
                          c->schema_id, c->through, c->is_top_query, c->lateral, c->b.line};
}

static void restore(struct qri_compile *c, const struct saved *s)
{
    c->scope = s->scope;
    c->ctes = s->ctes;
    c->namespaces = s->namespaces;
    c->frame = s->frame;
    c->clause = s->clause;
    c->schema_id = s->schema_id;
    c->through = s->through;
    c->is_top_query = s->is_top;
    c->lateral = s->lateral;
    c->b.line = s->line;
}

static enum qr_status parse_module(struct qri_compile *c, const struct qr_cat_object *module,
                                   enum qr_ast_stmt_kind kind, const struct qr_ast_stmt **ret_stmt)
{
    struct qr_tsql_options options = {.quoted_identifier = module->uses_quoted_identifier};
    struct qr_tsql_batch *batch = NULL;
    QR_TRY(qr_tsql_parse(c->arena, module->text.p, module->text.n, &options, &batch, c->err));
    if (batch->stmts.count != 1 || batch->stmts.items[0]->kind != kind)
        return qr_fail(c->err, QR_CORRUPT, "text of module %u", (unsigned)module->object_id);
    *ret_stmt = batch->stmts.items[0];
    return QR_OK;
}

/* Binds the module's SELECT where only its own names count. */
static enum qr_status bind_select(struct qri_compile *c, const struct qr_cat_object *module,
                                  const struct qr_ast_select_stmt *select,
                                  const struct qri_frame *frame, struct qri_query **ret_query)
{
    struct saved saved = save(c);
    struct qri_scope *barrier = NULL;
    QR_TRY(qri_enter(c));
    if (c->scope != NULL) {
        barrier = qri_scope_new(c, c->scope, NULL);
        if (barrier == NULL)
            return qri_nomem(c);
        barrier->is_barrier = true;
    }
    c->apply_scope = c->lateral ? c->scope : NULL;
    struct qri_scope *apply_scope = c->apply_scope;
    c->ctes = NULL;
    c->namespaces = NULL;
    c->frame = frame;
    c->schema_id = module->schema_id;
    c->through = module;
    c->is_top_query = false;
    c->lateral = false;
    c->apply_scope = NULL;
    QR_TRY(qri_with(c, select->with));
    c->apply_scope = apply_scope;
    QR_TRY(qri_bind_query(c, select->query, barrier, ret_query));
    restore(c, &saved);
    qri_leave(c);
    return QR_OK;
}

static void name_source(struct qri_compile *c, const struct qr_cat_object *module,
                        struct qri_source *source)
{
    const struct qr_cat_schema *schema =
        c->env->catalog == NULL ? NULL : qr_cat_schema_by_id(c->env->catalog, module->schema_id);
    source->alias = module->name;
    source->schema = schema == NULL ? qr_str("dbo") : schema->name;
    source->module = module;
}

enum qr_status qri_view_source(struct qri_compile *c, const struct qri_object *found,
                               struct qri_source **ret_source)
{
    const struct qr_cat_object *view = found->object;
    struct qri_use *use = NULL;
    static const struct qri_frame no_vars = {.hides_vars = true};
    const struct qr_ast_stmt *stmt = NULL;
    struct qri_query *query = NULL;
    bool lateral = c->lateral;
    QR_TRY(qri_use_new(c, found, QR_ACCESS_SELECT, &use));
    QR_TRY(parse_module(c, view, QR_AS_VIEW, &stmt));
    const struct qr_ast_view *ast = (const struct qr_ast_view *)stmt;
    c->lateral = false;
    QR_TRY(bind_select(c, view, ast->select, &no_vars, &query));
    c->lateral = lateral;
    QR_TRY(qri_query_source(c, query, &ast->columns, view->name, ret_source));
    name_source(c, view, *ret_source);
    if (use != NULL)
        QR_TRY(qri_use_named(c, *ret_source, use));
    return QR_OK;
}

static enum qr_status inline_source(struct qri_compile *c, const struct qr_cat_object *function,
                                    const struct qr_expr **args, struct qri_source **ret_source)
{
    const struct qr_ast_stmt *stmt = NULL;
    struct qri_query *query = NULL;
    struct qri_frame *frame = QRI_NEW(c, struct qri_frame);
    struct qri_param *params = QRI_ARRAY(c, function->param_count + 1, struct qri_param);
    if (frame == NULL || params == NULL)
        return qri_nomem(c);
    frame->hides_vars = true;
    frame->params = params;
    for (size_t i = 0; i < function->param_count; i++)
        if (function->params[i].parameter_id != 0) {
            params[frame->count].name = function->params[i].name;
            params[frame->count].expr = args[frame->count];
            frame->count++;
        }
    QR_TRY(parse_module(c, function, QR_AS_FUNCTION, &stmt));
    const struct qr_ast_function *ast = (const struct qr_ast_function *)stmt;
    if (ast->select == NULL)
        return qr_fail(c->err, QR_CORRUPT, "text of function %u", (unsigned)function->object_id);
    QR_TRY(bind_select(c, function, ast->select, frame, &query));
    QR_TRY(qri_query_source(c, query, NULL, function->name, ret_source));
    name_source(c, function, *ret_source);
    return QR_OK;
}

static enum qr_status table_function_source(struct qri_compile *c,
                                            const struct qr_cat_object *function,
                                            const struct qr_expr **args, size_t arg_count,
                                            struct qri_source **ret_source)
{
    struct qri_source *source = NULL;
    QR_TRY(qri_rowset_source(c, function->name, function, &source));
    source->rows->kind = QR_ROWS_MODULE;
    QR_TRY(qri_rows_args(c, source, args, arg_count));
    for (size_t i = 0; i < source->column_count; i++)
        source->columns[i].flags = 0;
    name_source(c, function, source);
    source->object = NULL;
    qri_calls_function(c, function);
    *ret_source = source;
    return QR_OK;
}

enum qr_status qri_function_source(struct qri_compile *c, const struct qri_object *found,
                                   const struct qr_ast_exprs *args, struct qri_source **ret_source)
{
    const struct qr_cat_object *function = found->object;
    struct qri_use *use = NULL;
    QR_TRY(qri_use_new(c, found, QR_ACCESS_SELECT, &use));
    const struct qr_expr **bound = NULL;
    size_t count;
    QR_TRY(qri_module_args(c, function, args, &bound, &count));
    QR_TRY(function->type == QR_CAT_FN_INLINE
               ? inline_source(c, function, bound, ret_source)
               : table_function_source(c, function, bound, count, ret_source));
    if (use != NULL)
        QR_TRY(qri_use_named(c, *ret_source, use));
    return QR_OK;
}
