/* unit.c - a text parsed and flattened; see frame.h */
#include <assert.h>
#include <stdlib.h>
#include "texts_int.h"
#include "unit_int.h"
#include "base/banned.h"

struct loop {
    struct loop *outer;
    uint32_t top;     /* where CONTINUE goes */
    uint32_t *breaks; /* jumps whose target is the end */
    size_t break_count, break_capacity;
};

/* A TRY or CATCH block: GOTO may leave it but not enter. */
struct block {
    const struct block *outer;
};

struct label {
    struct qr_str name;
    uint32_t op;
    const struct block *block;
};

struct jump {
    struct qr_str name;
    uint32_t op, line;
    const struct block *block;
};

struct builder {
    struct qri_unit *unit;
    struct qr_bind_env env;
    struct qr_err *err;
    struct loop *loop;
    const struct block *block;
    int32_t handler;
    uint16_t catch_depth;
    struct label *labels;
    size_t label_count, label_capacity;
    struct jump *jumps;
    size_t jump_count, jump_capacity;
};

static enum qr_status no_memory(struct builder *b)
{
    return qr_fail(b->err, QR_NOMEM, "compile a batch");
}

static enum qr_status at_line(struct builder *b, uint32_t line, enum qr_status status)
{
    if (status != QR_OK && b->err != NULL && b->err->line == 0)
        b->err->line = (int)line;
    return status;
}

/* ---- variables ---- */

static enum qr_status add_var(struct builder *b, struct qr_str name, const struct qr_ast_type *type,
                              const struct qr_ast_table_def *table, bool is_cursor, uint32_t line)
{
    struct qri_unit *unit = b->unit;
    for (size_t i = 0; i < unit->var_count; i++)
        if (qr_str_ieq(unit->vars[i].name, name))
            return at_line(b, line, qr_sql_fail(b->err, 134, qr_arena_str(&unit->arena, name).p));
    unit->vars = qr_arena_grow(&unit->arena, unit->vars, unit->var_count, &unit->var_capacity,
                               unit->var_count + 1, sizeof *unit->vars);
    if (unit->vars == NULL)
        return no_memory(b);
    struct qr_bind_var *var = &unit->vars[unit->var_count];
    *var = (struct qr_bind_var){.name = name, .slot = (uint32_t)unit->var_count};
    b->env.vars = unit->vars;
    if (is_cursor) {
        var->type = qr_type_of(QR_TYPE_CURSOR);
    } else if (table != NULL) {
        struct qr_cat_object *shape = NULL;
        QR_TRY(
            at_line(b, line, qri_table_shape(&unit->arena, &b->env, name, table, &shape, b->err)));
        var->type = qr_type_of(QR_TYPE_TABLE);
        var->table = shape;
    } else {
        bool nullable = true;
        QR_TRY(at_line(b, line,
                       qr_tsql_resolve_type(&b->env, type, &var->type, &var->user_type_id,
                                            &nullable, b->err)));
        const struct qr_cat_usertype *user =
            var->user_type_id == 0 ? NULL
                                   : qr_cat_usertype_by_id(b->env.catalog, var->user_type_id);
        unit->has_catalog_types |= var->user_type_id != 0;
        if (user != NULL && user->table_object_id != 0) {
            var->type = qr_type_of(QR_TYPE_TABLE);
            var->table = qr_cat_by_id(b->env.catalog, user->table_object_id);
        }
    }
    unit->var_count++;
    b->env.var_count = unit->var_count;
    return QR_OK;
}

static enum qr_status add_params(struct builder *b, const struct qr_ast_params *params)
{
    struct qri_unit *unit = b->unit;
    unit->params = qr_arena_array(&unit->arena, params->count + 1, sizeof *unit->params);
    if (unit->params == NULL)
        return no_memory(b);
    for (size_t i = 0; i < params->count; i++) {
        const struct qr_ast_param *p = &params->items[i];
        QR_TRY(add_var(b, p->name, &p->type, NULL, p->cursor_varying, p->pos.line));
        unit->params[unit->param_count++] =
            (struct qri_param){p->name, p->output, p->readonly, p->initial};
    }
    return QR_OK;
}

/* ---- operations ---- */

static enum qr_status add_op(struct builder *b, enum qri_op_kind kind,
                             const struct qr_ast_stmt *stmt, uint32_t line, size_t code_count,
                             uint32_t *ret_index)
{
    struct qri_unit *unit = b->unit;
    unit->ops = qr_arena_grow(&unit->arena, unit->ops, unit->op_count, &unit->op_capacity,
                              unit->op_count + 1, sizeof *unit->ops);
    if (unit->ops == NULL)
        return no_memory(b);
    struct qri_op *op = &unit->ops[unit->op_count];
    *op = (struct qri_op){.kind = kind,
                          .line = line,
                          .stmt = stmt,
                          .handler = b->handler,
                          .catch_depth = b->catch_depth,
                          .var_visible = (uint32_t)unit->var_count,
                          .code_count = (uint32_t)code_count};
    if (code_count > 0) {
        op->codes = qr_arena_array(&unit->arena, code_count, sizeof *op->codes);
        if (op->codes == NULL)
            return no_memory(b);
    }
    if (ret_index != NULL)
        *ret_index = (uint32_t)unit->op_count;
    unit->op_count++;
    return QR_OK;
}

static enum qr_status flatten(struct builder *b, const struct qr_ast_stmt *stmt);

static enum qr_status flatten_all(struct builder *b, const struct qr_ast_stmts *stmts)
{
    for (size_t i = 0; i < stmts->count; i++)
        QR_TRY(flatten(b, stmts->items[i]));
    return QR_OK;
}

static enum qr_status flatten_declare(struct builder *b, const struct qr_ast_declare *declare)
{
    bool runs = false; /* with a value, or of a table type, which may be asked for */
    for (size_t i = 0; i < declare->count; i++) {
        const struct qr_ast_declare_item *item = &declare->items[i];
        QR_TRY(add_var(b, item->name, &item->type, item->table, item->is_cursor, item->pos.line));
        const struct qr_bind_var *var = &b->unit->vars[b->unit->var_count - 1];
        runs |= item->init != NULL || (var->table != NULL && var->user_type_id != 0);
    }
    if (!runs)
        return QR_OK;
    return add_op(b, QRI_OP_RUN, &declare->head, declare->head.pos.line, declare->count, NULL);
}

static enum qr_status flatten_if(struct builder *b, const struct qr_ast_if *branch)
{
    struct qr_arena *arena = &b->unit->arena;
    uint32_t *ends = NULL;
    size_t end_count = 0, end_capacity = 0;
    for (;;) {
        uint32_t test = 0;
        QR_TRY(add_op(b, QRI_OP_BRANCH, &branch->head, branch->head.pos.line, 1, &test));
        b->unit->ops[test].condition = branch->condition;
        QR_TRY(flatten(b, branch->then));
        if (branch->otherwise != NULL) {
            ends =
                qr_arena_grow(arena, ends, end_count, &end_capacity, end_count + 1, sizeof *ends);
            if (ends == NULL)
                return no_memory(b);
            QR_TRY(
                add_op(b, QRI_OP_JUMP, &branch->head, branch->head.pos.line, 0, &ends[end_count]));
            end_count++;
        }
        b->unit->ops[test].target = (uint32_t)b->unit->op_count;
        if (branch->otherwise == NULL || branch->otherwise->kind != QR_AS_IF)
            break;
        branch = (const struct qr_ast_if *)branch->otherwise; /* else-if: a loop, not recursion */
    }
    if (branch->otherwise != NULL)
        QR_TRY(flatten(b, branch->otherwise));
    for (size_t i = 0; i < end_count; i++)
        b->unit->ops[ends[i]].target = (uint32_t)b->unit->op_count;
    return QR_OK;
}

static enum qr_status flatten_while(struct builder *b, const struct qr_ast_while *stmt)
{
    struct loop loop = {.outer = b->loop, .top = (uint32_t)b->unit->op_count};
    uint32_t test = 0, back = 0;
    QR_TRY(add_op(b, QRI_OP_BRANCH, &stmt->head, stmt->head.pos.line, 1, &test));
    b->unit->ops[test].condition = stmt->condition;
    b->loop = &loop;
    enum qr_status status = flatten(b, stmt->body);
    b->loop = loop.outer;
    QR_TRY(status);
    QR_TRY(add_op(b, QRI_OP_JUMP, &stmt->head, stmt->head.pos.line, 0, &back));
    b->unit->ops[back].target = loop.top;
    b->unit->ops[test].target = (uint32_t)b->unit->op_count;
    for (size_t i = 0; i < loop.break_count; i++)
        b->unit->ops[loop.breaks[i]].target = (uint32_t)b->unit->op_count;
    return QR_OK;
}

static enum qr_status flatten_leave(struct builder *b, const struct qr_ast_stmt *stmt)
{
    bool is_break = stmt->kind == QR_AS_BREAK;
    if (b->loop == NULL)
        return at_line(b, stmt->pos.line, qr_sql_fail(b->err, is_break ? 135 : 136));
    uint32_t jump = 0;
    QR_TRY(add_op(b, QRI_OP_JUMP, stmt, stmt->pos.line, 0, &jump));
    b->unit->ops[jump].target = b->loop->top;
    if (!is_break)
        return QR_OK;
    struct loop *loop = b->loop;
    loop->breaks =
        qr_arena_grow(&b->unit->arena, loop->breaks, loop->break_count, &loop->break_capacity,
                      loop->break_count + 1, sizeof *loop->breaks);
    if (loop->breaks == NULL)
        return no_memory(b);
    loop->breaks[loop->break_count++] = jump;
    return QR_OK;
}

static enum qr_status flatten_in_block(struct builder *b, const struct qr_ast_stmts *stmts)
{
    struct block *block = qr_arena_alloc(&b->unit->arena, sizeof *block);
    if (block == NULL)
        return no_memory(b);
    block->outer = b->block;
    b->block = block;
    enum qr_status status = flatten_all(b, stmts);
    b->block = block->outer;
    return status;
}

static enum qr_status flatten_try(struct builder *b, const struct qr_ast_try *stmt)
{
    int32_t outer_handler = b->handler;
    size_t first = b->unit->op_count;
    b->handler = -2; /* known when the body is laid out */
    enum qr_status status = flatten_in_block(b, &stmt->body);
    b->handler = outer_handler;
    QR_TRY(status);
    uint32_t over = 0;
    QR_TRY(add_op(b, QRI_OP_JUMP, &stmt->head, stmt->head.pos.line, 0, &over));
    for (size_t i = first; i < b->unit->op_count - 1; i++)
        if (b->unit->ops[i].handler == -2)
            b->unit->ops[i].handler = (int32_t)b->unit->op_count;
    b->catch_depth++;
    status = flatten_in_block(b, &stmt->handler);
    b->catch_depth--;
    QR_TRY(status);
    /* a jump of its own, so that the block's end leaves the error context even when empty */
    uint32_t end = 0;
    QR_TRY(add_op(b, QRI_OP_JUMP, &stmt->head, stmt->head.pos.line, 0, &end));
    b->unit->ops[end].target = (uint32_t)b->unit->op_count;
    b->unit->ops[over].target = (uint32_t)b->unit->op_count;
    return QR_OK;
}

static enum qr_status add_label(struct builder *b, const struct qr_ast_goto *stmt)
{
    struct qr_str name = stmt->label.text;
    for (size_t i = 0; i < b->label_count; i++)
        if (qr_str_ieq(b->labels[i].name, name))
            return at_line(b, stmt->head.pos.line,
                           qr_sql_fail(b->err, 132, qr_arena_str(&b->unit->arena, name).p));
    b->labels = qr_arena_grow(&b->unit->arena, b->labels, b->label_count, &b->label_capacity,
                              b->label_count + 1, sizeof *b->labels);
    if (b->labels == NULL)
        return no_memory(b);
    b->labels[b->label_count++] = (struct label){name, (uint32_t)b->unit->op_count, b->block};
    return QR_OK;
}

static enum qr_status add_jump(struct builder *b, const struct qr_ast_goto *stmt)
{
    b->jumps = qr_arena_grow(&b->unit->arena, b->jumps, b->jump_count, &b->jump_capacity,
                             b->jump_count + 1, sizeof *b->jumps);
    if (b->jumps == NULL)
        return no_memory(b);
    struct jump *jump = &b->jumps[b->jump_count++];
    *jump = (struct jump){.name = stmt->label.text, .line = stmt->head.pos.line, .block = b->block};
    return add_op(b, QRI_OP_JUMP, &stmt->head, stmt->head.pos.line, 0, &jump->op);
}

static enum qr_status resolve_jumps(struct builder *b)
{
    for (size_t i = 0; i < b->jump_count; i++) {
        size_t k = 0;
        while (k < b->label_count && !qr_str_ieq(b->labels[k].name, b->jumps[i].name))
            k++;
        if (k == b->label_count)
            return at_line(
                b, b->jumps[i].line,
                qr_sql_fail(b->err, 133, qr_arena_str(&b->unit->arena, b->jumps[i].name).p));
        const struct block *block = b->jumps[i].block;
        while (block != NULL && block != b->labels[k].block)
            block = block->outer;
        if (block != b->labels[k].block)
            return at_line(b, b->jumps[i].line, qr_sql_fail(b->err, 1026));
        b->unit->ops[b->jumps[i].op].target = b->labels[k].op;
    }
    return QR_OK;
}

static size_t count_codes(const struct qr_ast_stmt *stmt)
{
    switch ((int)stmt->kind) {
    case QR_AS_EXEC: /* the text, then the arguments */
        return 1 + ((const struct qr_ast_exec *)stmt)->arg_count;
    case QR_AS_RAISERROR: /* message, severity, state, arguments */
        return 3 + ((const struct qr_ast_raiserror *)stmt)->args.count;
    case QR_AS_INSERT: /* the statement, then EXEC's own */
        return 2 + (((const struct qr_ast_insert *)stmt)->exec == NULL
                        ? 0
                        : ((const struct qr_ast_insert *)stmt)->exec->arg_count);
    default:
        return qri_stmt_kinds[stmt->kind].code_count;
    }
}

static enum qr_status flatten(struct builder *b, const struct qr_ast_stmt *stmt)
{
    switch ((int)stmt->kind) {
    case QR_AS_BLOCK:
        return flatten_all(b, &((const struct qr_ast_block *)stmt)->stmts);
    case QR_AS_DECLARE:
        return flatten_declare(b, (const struct qr_ast_declare *)stmt);
    case QR_AS_IF:
        return flatten_if(b, (const struct qr_ast_if *)stmt);
    case QR_AS_WHILE:
        return flatten_while(b, (const struct qr_ast_while *)stmt);
    case QR_AS_BREAK:
    case QR_AS_CONTINUE:
        return flatten_leave(b, stmt);
    case QR_AS_TRY:
        return flatten_try(b, (const struct qr_ast_try *)stmt);
    case QR_AS_LABEL:
        return add_label(b, (const struct qr_ast_goto *)stmt);
    case QR_AS_GOTO:
        return add_jump(b, (const struct qr_ast_goto *)stmt);
    default:
        return add_op(b, QRI_OP_RUN, stmt, stmt->pos.line, count_codes(stmt), NULL);
    }
}

/* ---- units ---- */

static enum qr_status build_module(struct builder *b, enum qri_unit_kind kind)
{
    if (b->unit->batch->stmts.count != 1)
        return qr_fail(b->err, QR_CORRUPT, "a module's text is not one statement");
    const struct qr_ast_stmt *stmt = b->unit->batch->stmts.items[0];
    if (kind == QRI_UNIT_PROC && stmt->kind == QR_AS_PROCEDURE) {
        const struct qr_ast_procedure *proc = (const struct qr_ast_procedure *)stmt;
        QR_TRY(add_params(b, &proc->params));
        return flatten_all(b, &proc->body);
    }
    if (kind == QRI_UNIT_TRIGGER && stmt->kind == QR_AS_TRIGGER)
        return flatten_all(b, &((const struct qr_ast_trigger *)stmt)->body);
    if (stmt->kind != QR_AS_FUNCTION)
        return qr_fail(b->err, QR_CORRUPT, "a module's text is of another kind");
    const struct qr_ast_function *fn = (const struct qr_ast_function *)stmt;
    QR_TRY(add_params(b, &fn->params));
    if (kind == QRI_UNIT_TABLE) {
        b->unit->return_slot = (uint32_t)b->unit->var_count;
        QR_TRY(add_var(b, fn->return_variable, NULL, fn->return_table, false, stmt->pos.line));
    } else {
        uint32_t user_type = 0;
        bool nullable = true;
        QR_TRY(qr_tsql_resolve_type(&b->env, &fn->returns, &b->unit->return_type, &user_type,
                                    &nullable, b->err));
        b->unit->has_catalog_types |= user_type != 0;
    }
    return flatten_all(b, &fn->body);
}

/* Variables are known for the whole batch before any of it runs. */
static enum qr_status check_declared(struct builder *b)
{
    const struct qr_tsql_batch *batch = b->unit->batch;
    for (size_t i = 0; i < batch->undeclared_count; i++) {
        const struct qr_tsql_var_use *use = &batch->undeclared[i];
        size_t k = 0; /* the parameters of sp_executesql are declared outside the text */
        while (k < b->unit->param_count && !qr_str_ieq(b->unit->params[k].name, use->name))
            k++;
        if (k == b->unit->param_count)
            return at_line(b, use->line,
                           qr_sql_fail(b->err, use->is_table ? 1087 : 137,
                                       qr_arena_str(&b->unit->arena, use->name).p));
    }
    return QR_OK;
}

static enum qr_status build(struct builder *b, const struct qri_source *source,
                            const struct qr_tsql_options *options)
{
    struct qri_unit *unit = b->unit;
    if (source->params.n > 0) {
        struct qr_ast_params params = {0};
        QR_TRY(qr_tsql_parse_params(&unit->arena, source->params.p, source->params.n, &params,
                                    b->err));
        QR_TRY(add_params(b, &params));
    }
    QR_TRY(
        qr_tsql_parse(&unit->arena, source->text.p, source->text.n, options, &unit->batch, b->err));
    QR_TRY(check_declared(b));
    if (source->kind == QRI_UNIT_BATCH)
        QR_TRY(flatten_all(b, &unit->batch->stmts));
    else
        QR_TRY(build_module(b, source->kind));
    return resolve_jumps(b);
}

enum qr_status qri_unit_new(struct qr_session *session, const struct qri_source *source,
                            bool quoted_identifier, struct qri_unit **ret_unit, struct qr_err *err)
{
    struct qri_unit *unit = calloc(1, sizeof *unit);
    if (unit == NULL)
        return qr_fail(err, QR_NOMEM, "compile a batch");
    qr_arena_init(&unit->arena, QRI_UNIT_ARENA_BYTES_MAX);
    unit->kind = source->kind;
    unit->catalog = qri_catalog_ref(session->catalog);
    unit->catalog_serial = session->catalog_serial;
    struct builder b = {.unit = unit, .err = err, .handler = -1};
    struct qri_frame frame = {.session = session, .unit = unit};
    qri_bind_env(&frame, NULL, &b.env);
    b.env.catalog = &unit->catalog->cat;
    struct qr_tsql_options options = {.quoted_identifier = quoted_identifier};
    enum qr_status status = build(&b, source, &options);
    if (status != QR_OK) {
        qri_unit_free(unit);
        return status;
    }
    *ret_unit = unit;
    return QR_OK;
}

void qri_code_free(struct qri_code *code)
{
    if (code == NULL)
        return;
    qri_catalog_unref(code->catalog);
    qri_catalog_unref(code->temp);
    qr_arena_done(&code->arena);
    free(code);
}

void qri_unit_free(struct qri_unit *unit)
{
    if (unit == NULL)
        return;
    for (size_t i = 0; i < unit->op_count; i++)
        for (uint32_t k = 0; k < unit->ops[i].code_count; k++)
            qri_code_free(unit->ops[i].codes[k]);
    qri_catalog_unref(unit->catalog);
    qri_text_unref(unit->text);
    qr_arena_done(&unit->arena);
    free(unit);
}
