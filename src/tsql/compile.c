/* compile.c - the compiler's entry points; see tsql/plan.h */
#include "dml_int.h"
#include "emit_int.h"

#include "base/banned.h"

enum { RECURSION_MAX_DEFAULT = 100, RECURSION_MAX = 32767 };

void qri_compile_init(struct qri_compile *c, struct qr_arena *arena, const struct qr_bind_env *env,
                      struct qr_err *err)
{
    *c = (struct qri_compile){.arena = arena, .env = env, .err = err};
    c->b.arena = arena;
    c->b.err = err;
    c->b.collation = env->catalog != NULL && env->catalog->collation_id != 0
                         ? env->catalog->collation_id
                         : (uint16_t)QR_COLLATION_DEFAULT;
    c->b.ansi_nulls = env->options.ansi_nulls;
    c->b.untyped = env->untyped;
    c->b.concat_null_yields_null = env->options.concat_null_yields_null;
    c->schema_id = env->default_schema_id == 0 ? QR_SCHEMA_DBO : env->default_schema_id;
    c->recursion_max = RECURSION_MAX_DEFAULT;
}

/* An error without a place gets that of what was being bound. */
static enum qr_status done(struct qri_compile *c, enum qr_status status)
{
    if (status != QR_OK && c->err != NULL && c->err->line == 0)
        c->err->line = c->b.line;
    return status;
}

static enum qr_status max_recursion(struct qri_compile *c, const struct qr_ast_option *option)
{
    int64_t value = 0;
    struct qr_str text = ((const struct qr_ast_literal *)option->value)->text;
    for (size_t i = 0; i < text.n && value <= RECURSION_MAX; i++)
        value = value * 10 + (text.p[i] - '0');
    if (value > RECURSION_MAX)
        return qr_sql_fail(c->err, 310, (int)value, RECURSION_MAX);
    c->recursion_max = (uint32_t)value;
    return QR_OK;
}

enum qr_status qri_bind_options(struct qri_compile *c, const struct qr_ast_options *ast)
{
    for (size_t i = 0; i < ast->count; i++)
        if (qr_str_ieqz(ast->items[i].name, "MAXRECURSION"))
            QR_TRY(max_recursion(c, &ast->items[i]));
    return QR_OK;
}

enum qr_status qri_plan_columns(struct qri_compile *c, const struct qri_query *query,
                                struct qr_plan *plan)
{
    plan->columns = QRI_ARRAY(c, query->out_count + 1, struct qr_plan_column);
    if (plan->columns == NULL)
        return qri_nomem(c);
    plan->column_count = query->out_count;
    for (size_t i = 0; i < query->out_count; i++) {
        const struct qri_column *out = &query->outs[i];
        struct qr_plan_column *col = &plan->columns[i];
        col->name = out->name;
        col->type = out->type.id == QR_TYPE_NULL ? qr_type_of(QR_TYPE_INT) : out->type;
        col->user_type_id = out->user_type_id;
        col->flags =
            (out->flags & ~(uint32_t)QR_COLUMN_NULLABLE) | (out->nullable ? QR_COLUMN_NULLABLE : 0);
        col->source = out->object;
        col->source_column_id = out->column_id;
        col->identity_seed = out->identity_seed;
        col->identity_increment = out->identity_increment;
        col->mask = out->mask;
    }
    return QR_OK;
}

static enum qr_status plan_order(struct qri_compile *c, const struct qri_query *query,
                                 struct qr_plan *plan)
{
    plan->order_columns = QRI_ARRAY(c, query->order_count + 1, int);
    if (plan->order_columns == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < query->order_count && query->for_inner == NULL; i++)
        plan->order_columns[plan->order_count++] =
            query->order[i].item == SIZE_MAX ? 0 : (int)query->order[i].item + 1;
    return QR_OK;
}

static enum qr_status plan_assigns(struct qri_compile *c, const struct qri_query *query,
                                   struct qr_plan *plan)
{
    plan->kind = QR_PLAN_SELECT_ASSIGN;
    plan->assign_count = query->out_count;
    plan->assigns = QRI_ARRAY(c, query->out_count + 1, struct qr_plan_assign);
    if (plan->assigns == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < query->out_count; i++) {
        const struct qr_bind_var *var = qri_bind_var(c->env, query->assign_names[i]);
        plan->assigns[i] =
            (struct qr_plan_assign){.slot = var->slot, .type = var->type, .column_index = i};
    }
    return QR_OK;
}

/* A result that is text only: what stands for SELECT NULL must have a type. */
enum qr_status qri_emit_stage(struct qri_compile *c, struct qri_query *query,
                              struct qr_plan_sql *ret_sql)
{
    struct qri_emit em;
    struct qr_buf body;
    qri_emit_init(&em, c);
    qr_buf_init(&body, QRI_TEXT_BYTES_MAX);
    enum qr_status status = qri_emit_query(&em, &body, query, QRI_FORM_PLAIN);
    if (status == QR_OK)
        status = qri_emit_finish(&em, &body, ret_sql);
    qr_buf_done(&body);
    qri_emit_done(&em);
    return status;
}

/* A copied identity column stays one only where rows are copied one by one. */
static void inherit_identity(const struct qri_query *query, struct qr_plan *plan)
{
    bool plain = query->kind == QRI_QUERY_SELECT && !query->is_grouped &&
                 query->scope->count <= 1 && query->for_inner == NULL;
    size_t count = 0;
    for (size_t i = 0; i < plan->column_count; i++)
        count += (plan->columns[i].flags & QR_COLUMN_IDENTITY) != 0;
    for (size_t i = 0; i < plan->column_count; i++) {
        struct qr_plan_column *col = &plan->columns[i];
        if ((col->flags & QR_COLUMN_IDENTITY) == 0 || col->identity_increment != 0)
            continue;
        const struct qr_cat_column *from =
            col->source == NULL ? NULL : qr_cat_column_by_id(col->source, col->source_column_id);
        if (!plain || count > 1 || from == NULL) {
            col->flags &= ~(uint32_t)QR_COLUMN_IDENTITY;
            continue;
        }
        col->identity_seed = from->identity_seed;
        col->identity_increment = from->identity_increment;
    }
}

static enum qr_status check_into(struct qri_compile *c, const struct qri_query *query,
                                 struct qr_str table)
{
    for (size_t i = 0; i < query->out_count; i++) {
        if (query->outs[i].name.n == 0)
            return qr_sql_fail(c->err, 1038);
        for (size_t k = 0; k < i; k++)
            if (qr_str_ieq(query->outs[i].name, query->outs[k].name))
                return qr_sql_fail(c->err, 2705, qri_text_z(c, query->outs[i].name),
                                   qri_text_z(c, table));
    }
    return QR_OK;
}

static enum qr_status compile_select(struct qri_compile *c, const struct qr_ast_select_stmt *ast,
                                     struct qr_plan *plan)
{
    struct qri_query *query = NULL;
    const struct qr_ast_select *first =
        ast->query->kind == QR_AQ_SELECT ? (const struct qr_ast_select *)ast->query : NULL;
    QR_TRY(qri_bind_options(c, &ast->options));
    QR_TRY(qri_with(c, ast->with));
    c->is_top_query = true;
    QR_TRY(qri_bind_query(c, ast->query, NULL, &query));
    plan->kind = QR_PLAN_SELECT;
    if (ast->of_cursor)
        QR_TRY(qri_cursor_keys(c, query));
    QR_TRY(qri_plan_columns(c, query, plan));
    QR_TRY(plan_order(c, query, plan));
    if (query->kind == QRI_QUERY_SELECT && query->assign_names != NULL)
        QR_TRY(plan_assigns(c, query, plan));
    if (ast->query->for_clause != NULL)
        plan->for_kind = query->for_call == NULL ? QR_FORMAT_BROWSE : query->for_call->kind;
    if (first == NULL && ast->query->kind == QR_AQ_SETOP) {
        const struct qr_ast_setop *setop = (const struct qr_ast_setop *)ast->query;
        if (setop->branches[0]->kind == QR_AQ_SELECT)
            first = (const struct qr_ast_select *)setop->branches[0];
    }
    if (first != NULL && first->into.count > 0) {
        plan->kind = QR_PLAN_SELECT_INTO;
        plan->into_name = &first->into;
        plan->needs_write_lock = true;
        inherit_identity(query, plan);
        QR_TRY(check_into(c, query, first->into.parts[first->into.count - 1].text));
    }
    return qri_emit_stage(c, query, &plan->select);
}

static void note_locks(const struct qri_compile *c, struct qr_plan *plan)
{
    const struct qr_bind_env *env = c->env;
    bool keeps = env->in_transaction &&
                 (env->isolation == QR_REPEATABLE_READ || env->isolation == QR_SERIALIZABLE);
    bool in_function = c->udf_locks || (c->udf_reads && keeps);
    plan->locks_rows = c->locks_rows || (in_function && env->takes_locks);
    plan->heeds_level = c->heeds_level;
    if (c->has_udf && plan->heeds_level < QR_HEEDS_LOCKS)
        plan->heeds_level = QR_HEEDS_LOCKS;
    plan->prelocks = c->prelocks;
    plan->prelock_count = c->prelock_count;
}

static enum qr_status compile_stmt(struct qri_compile *c, const struct qr_ast_stmt *stmt,
                                   struct qr_plan *plan)
{
    switch ((int)stmt->kind) {
    case QR_AS_SELECT:
        return compile_select(c, (const struct qr_ast_select_stmt *)stmt, plan);
    case QR_AS_INSERT:
        return qri_insert(c, (const struct qr_ast_insert *)stmt, plan);
    case QR_AS_UPDATE:
        return qri_update(c, (const struct qr_ast_update *)stmt, plan);
    case QR_AS_DELETE:
        return qri_delete(c, (const struct qr_ast_delete *)stmt, plan);
    case QR_AS_MERGE:
        return qri_merge(c, (const struct qr_ast_merge *)stmt, plan);
    default:
        return qr_fail(c->err, QR_INVALID, "statement has no plan");
    }
}

enum qr_status qr_tsql_compile(struct qr_arena *arena_plan, const struct qr_bind_env *env,
                               const struct qr_ast_stmt *stmt, struct qr_plan **ret_plan,
                               struct qr_err *err)
{
    struct qri_compile c;
    qri_compile_init(&c, arena_plan, env, err);
    struct qr_plan *plan = QRI_NEW(&c, struct qr_plan);
    if (plan == NULL)
        return qri_nomem(&c);
    c.b.line = (int)stmt->pos.line;
    QR_TRY(done(&c, compile_stmt(&c, stmt, plan)));
    plan->depends = c.depends;
    plan->depend_count = c.depend_count;
    plan->reads_user_tables = c.reads_user_tables;
    plan->warns_null_aggregate = c.warns_null_aggregate;
    plan->is_volatile = c.is_volatile;
    plan->fell_through = c.fell_through;
    plan->is_filtered = c.is_filtered;
    if (plan->dml != NULL)
        plan->dml->is_filtered = c.is_filtered;
    QR_TRY(qri_uses_list(&c, &plan->accesses));
    note_locks(&c, plan);
    *ret_plan = plan;
    return QR_OK;
}

/* SELECT of one expression that has subqueries. */
static enum qr_status scalar_plan(struct qri_compile *c, const struct qr_expr *expr,
                                  bool is_condition, struct qr_plan **ret_plan)
{
    struct qr_plan *plan = QRI_NEW(c, struct qr_plan);
    struct qri_query *query = QRI_NEW(c, struct qri_query);
    size_t capacity = 0;
    if (plan == NULL || query == NULL)
        return qri_nomem(c);
    query->scope = qri_scope_new(c, NULL, query);
    QR_TRY(qri_item_add(c, query, expr, qr_str(""), &capacity));
    if (is_condition) /* it sees what is stored, as WHERE does */
        query->outs[0].mask = NULL;
    QR_TRY(qri_plan_columns(c, query, plan));
    QR_TRY(qri_emit_stage(c, query, &plan->select));
    plan->kind = QR_PLAN_SELECT;
    plan->depends = c->depends;
    plan->depend_count = c->depend_count;
    plan->reads_user_tables = c->reads_user_tables;
    plan->fell_through = c->fell_through;
    plan->is_filtered = c->is_filtered;
    QR_TRY(qri_uses_list(c, &plan->accesses));
    note_locks(c, plan);
    *ret_plan = plan;
    return QR_OK;
}

static enum qr_status finish_scalar(struct qri_compile *c, const struct qr_expr *expr,
                                    bool is_condition, const struct qr_expr **ret_expr,
                                    struct qr_plan **ret_plan,
                                    struct qr_plan_accesses *ret_accesses)
{
    struct qr_plan *plan = NULL;
    if (expr->has_foreign) {
        QR_TRY(scalar_plan(c, expr, is_condition, &plan));
        expr = NULL;
    } else if (ret_accesses != NULL) {
        QR_TRY(qri_uses_list(c, ret_accesses));
    }
    *ret_expr = expr;
    *ret_plan = plan;
    return QR_OK;
}

enum qr_status qr_tsql_bind_scalar(struct qr_arena *arena_plan, const struct qr_bind_env *env,
                                   const struct qr_ast_expr *ast, const struct qr_type *want,
                                   const struct qr_expr **ret_expr, struct qr_plan **ret_plan,
                                   struct qr_plan_accesses *ret_accesses, struct qr_err *err)
{
    struct qri_compile c;
    const struct qr_expr *expr = NULL;
    qri_compile_init(&c, arena_plan, env, err);
    QR_TRY(done(&c, qri_expr(&c, ast, &expr)));
    if (want != NULL)
        QR_TRY(done(&c, qr_expr_convert(&c.b, *want, expr, &expr)));
    return done(&c, finish_scalar(&c, expr, false, ret_expr, ret_plan, ret_accesses));
}

enum qr_status qr_tsql_bind_condition(struct qr_arena *arena_plan, const struct qr_bind_env *env,
                                      const struct qr_ast_expr *ast,
                                      const struct qr_expr **ret_expr, struct qr_plan **ret_plan,
                                      struct qr_plan_accesses *ret_accesses, struct qr_err *err)
{
    struct qri_compile c;
    const struct qr_expr *expr = NULL;
    qri_compile_init(&c, arena_plan, env, err);
    QR_TRY(done(&c, qri_condition(&c, ast, &expr)));
    return done(&c, finish_scalar(&c, expr, true, ret_expr, ret_plan, ret_accesses));
}

enum qr_status qri_row_expr(struct qri_compile *c, const struct qr_cat_object *table,
                            struct qr_str text, bool is_condition, const struct qr_type *want,
                            const struct qr_expr **ret_expr)
{
    struct qri_compile row;
    const struct qr_expr *expr = NULL;
    qri_compile_init(&row, c->arena, c->env, c->err);
    row.row_table = table;
    row.in_default = table == NULL;
    row.completes_rows = c->completes_rows;
    row.drawn = c->drawn;
    row.schema_id = table == NULL ? c->schema_id : table->schema_id;
    row.through = table == NULL ? c->through : qri_through(c, table);
    QR_TRY(qri_text_expr(&row, text, is_condition, &expr));
    if (want != NULL)
        QR_TRY(qr_expr_convert(&row.b, *want, expr, &expr));
    for (size_t i = 0; i < row.depend_count; i++)
        QR_TRY(qri_depend(c, row.depends[i]));
    QR_TRY(qri_uses_adopt(c, &row));
    c->drawn = row.drawn;
    *ret_expr = expr;
    return QR_OK;
}

enum qr_status qr_tsql_bind_row_expr(struct qr_arena *arena_plan, const struct qr_bind_env *env,
                                     const struct qr_cat_object *table, struct qr_str text,
                                     bool is_condition, const struct qr_type *want,
                                     const struct qr_expr **ret_expr, struct qr_err *err)
{
    struct qri_compile c;
    struct qr_plan_accesses accesses = {0};
    qri_compile_init(&c, arena_plan, env, err);
    c.completes_rows = true;
    QR_TRY(done(&c, qri_row_expr(&c, table, text, is_condition, want, ret_expr)));
    if (env->want == NULL)
        return QR_OK;
    QR_TRY(qri_uses_list(&c, &accesses));
    return env->want(env->want_ctx, &accesses, err);
}

enum qr_status qr_tsql_resolve_type(const struct qr_bind_env *env, const struct qr_ast_type *ast,
                                    struct qr_type *ret_type, uint32_t *ret_user_type_id,
                                    bool *ret_nullable, struct qr_err *err)
{
    enum { MESSAGE_BYTES_MAX = 1 << 16 };
    struct qr_arena arena; /* of names in messages only */
    struct qri_compile c;
    qr_arena_init(&arena, MESSAGE_BYTES_MAX);
    qri_compile_init(&c, &arena, env, err);
    enum qr_status status = qri_type(&c, ast, false, ret_type, ret_user_type_id, ret_nullable);
    qr_arena_done(&arena);
    return status;
}

enum qr_status qr_tsql_describe(struct qr_arena *arena, const struct qr_bind_env *env,
                                const struct qr_ast_stmt *stmt, struct qr_plan_column **ret_columns,
                                size_t *ret_count, struct qr_plan_accesses *ret_accesses,
                                struct qr_err *err)
{
    struct qr_plan *plan = NULL;
    QR_TRY(qr_tsql_compile(arena, env, stmt, &plan, err));
    bool is_dml = plan->dml != NULL;
    *ret_columns = is_dml ? plan->dml->output.columns : plan->columns;
    *ret_count = is_dml ? plan->dml->output.count : plan->column_count;
    if (ret_accesses != NULL)
        *ret_accesses = plan->accesses;
    return QR_OK;
}
