/* bind_update.c - UPDATE and DELETE; see dml_int.h */
#include "mask_int.h"
#include "policy_int.h"

#include "base/banned.h"

/* What UPDATE and DELETE have in common. */
struct change {
    struct qri_compile *c;
    const struct qr_ast_source *target;
    const struct qr_ast_sources *from;
    const struct qr_ast_expr *where;
    struct qr_str cursor; /* WHERE CURRENT OF; n = 0: none */
    const struct qr_ast_top *top;
    const struct qr_ast_outputs *outputs;
    const struct qr_ast_name *wanted; /* a column that is set */
    enum qri_change change;
    struct qri_target t;
    struct qri_query *stage;
    size_t capacity;
    struct qr_plan_dml *dml;
    uint32_t hints; /* of the target */
};

/* UPDATE a … FROM t AS a: the target is one of FROM's sources, by alias or by name. */
static struct qri_source *find_in_from(struct qri_compile *c, const struct qr_ast_source *target,
                                       const struct qr_cat_object *object)
{
    const struct qri_scope *scope = c->scope;
    const struct qr_ast_name *name =
        target->kind == QR_AT_TABLE ? &((const struct qr_ast_table_source *)target)->name : NULL;
    for (size_t i = 0; i < scope->count; i++) {
        struct qri_source *source = scope->items[i];
        if (name == NULL) {
            struct qr_str variable = ((const struct qr_ast_variable_source *)target)->name;
            if (source->rows != NULL && qr_str_ieq(source->rows->name, variable))
                return source;
            continue;
        }
        if (name->count == 1 && qr_str_ieq(source->alias, name->parts[0].text))
            return source;
        if (!source->is_aliased && qri_source_matches(source, name->parts, name->count))
            return source;
    }
    /* FROM t AS a does not hide that the target t is meant, if it is there once */
    struct qri_source *found = NULL;
    size_t count = 0;
    for (size_t i = 0; object != NULL && i < scope->count; i++)
        if (scope->items[i]->kind != QRI_SOURCE_ROWS && /* `inserted` has its table's shape */
            (scope->items[i]->object == object || scope->items[i]->module == object)) {
            found = scope->items[i];
            count++;
        }
    return count == 1 ? found : NULL;
}

static enum qr_status bind_from(struct change *ch)
{
    struct qri_compile *c = ch->c;
    struct qri_query *q = ch->stage;
    struct qri_source *source = NULL;
    c->clause = QRI_CLAUSE_FROM;
    QR_TRY(qri_from(c, ch->from, q));
    if (ch->from->count > 0) {
        const struct qr_cat_object *object = NULL;
        if (ch->target->kind == QR_AT_TABLE) {
            struct qri_object found;
            QR_TRY(qri_object_find(c, &((const struct qr_ast_table_source *)ch->target)->name, true,
                                   &found));
            object = found.object;
        }
        source = find_in_from(c, ch->target, object);
    }
    if (source == NULL) {
        QR_TRY(qri_source_bind(c, ch->target, &source));
        size_t capacity = q->from_count;
        q->from = (struct qri_source **)qr_arena_grow(c->arena, q->from, q->from_count, &capacity,
                                                      q->from_count + 1, sizeof(*q->from));
        if (q->from == NULL)
            return qri_nomem(c);
        q->from[q->from_count++] = source;
    }
    QR_TRY(qri_hints_of_target(c, ch->target, source, &ch->hints));
    return qri_target_reach(c, source, ch->wanted, ch->change, &ch->t);
}

/* Where an outer join has found no row of the target there is nothing to change. */
static enum qr_status leave_out_empty(struct change *ch)
{
    const struct qri_target *t = &ch->t;
    const struct qr_expr *is_there = NULL;
    bool extended = (t->source != NULL && t->source->is_null_extended) ||
                    (t->base != NULL && t->base->is_null_extended);
    if (!extended || t->key_count == 0)
        return QR_OK;
    QR_TRY(qr_expr_is_null(&ch->c->b, t->keys[0], true, &is_there));
    return qri_and(ch->c, ch->stage->where, is_there, &ch->stage->where);
}

static enum qr_status begin(struct change *ch, const struct qr_ast_with *with,
                            const struct qr_ast_options *options, struct qr_plan *plan)
{
    struct qri_compile *c = ch->c;
    struct qri_query *q = QRI_NEW(c, struct qri_query);
    if (q == NULL)
        return qri_nomem(c);
    ch->stage = q;
    QR_TRY(qri_bind_options(c, options));
    QR_TRY(qri_with(c, with));
    c->scope = q->scope = qri_scope_new(c, NULL, q);
    if (q->scope == NULL)
        return qri_nomem(c);
    QR_TRY(bind_from(ch));
    QR_TRY(qri_dml_new(c, &ch->t, plan, &ch->dml));
    ch->dml->no_wait = (ch->hints & QRI_HINT_NOWAIT) != 0;
    ch->dml->may_repeat = q->scope->count > 1 && ch->t.key_count > 0;
    if (ch->where != NULL) {
        c->clause = QRI_CLAUSE_WHERE;
        QR_TRY(qri_condition(c, ch->where, &q->where));
        QR_TRY(qri_guard(c, &q->where));
        QR_TRY(qri_push_down(c, q));
    }
    if (ch->cursor.n > 0)
        QR_TRY(qri_current_of(c, &ch->t, ch->cursor, &q->where));
    QR_TRY(leave_out_empty(ch));
    QR_TRY(qri_top_bind(c, ch->top, &q->top));
    return qri_stage_target(c, q, &ch->capacity, &ch->t, ch->dml);
}

/* Column `column`'s new value, unless it is staged already. */
static enum qr_status stage_set(struct change *ch, const struct qri_sets *sets, size_t column,
                                bool *staged)
{
    struct qr_plan_dml *dml = ch->dml;
    size_t i = 0;
    while (dml->sets[i].column_id != ch->t.object->columns[column].column_id)
        i++;
    if (staged[i])
        return QR_OK;
    staged[i] = true;
    return qri_stage_add(ch->c, ch->stage, &ch->capacity, sets->values[column],
                         &dml->sets[i].stage_index);
}

/* Variables first, as a column's new value sees what this row has given them; but where both are
 * given one value, the column, whose value is computed from what they were. */
static enum qr_status stage_sets(struct change *ch, const struct qri_sets *sets)
{
    struct qri_compile *c = ch->c;
    struct qr_plan_dml *dml = ch->dml;
    const struct qr_cat_object *table = ch->t.object;
    bool *staged = QRI_ARRAY(c, sets->count + 1, bool);
    dml->sets = QRI_ARRAY(c, sets->count + 1, struct qr_plan_set);
    dml->assigns = QRI_ARRAY(c, sets->var_count + 1, struct qr_plan_assign);
    if (staged == NULL || dml->sets == NULL || dml->assigns == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < table->column_count; i++)
        if (sets->values[i] != NULL)
            dml->sets[dml->set_count++].column_id = table->columns[i].column_id;
    for (size_t i = 0; i < sets->var_count; i++) {
        const struct qri_var_set *var = &sets->vars[i];
        struct qr_plan_assign *assign = &dml->assigns[dml->assign_count++];
        assign->slot = var->var->slot;
        assign->type = var->var->type;
        if (var->column != SIZE_MAX)
            QR_TRY(stage_set(ch, sets, var->column, staged));
        QR_TRY(qri_stage_add(c, ch->stage, &ch->capacity, var->value, &assign->column_index));
    }
    for (size_t i = 0; i < table->column_count; i++)
        if (sets->values[i] != NULL)
            QR_TRY(stage_set(ch, sets, i, staged));
    return QR_OK;
}

/* Each assigns its variable as SQLite computes it (emit_assign.c), if others read it. */
static enum qr_status name_assigned(struct change *ch, const struct qri_sets *sets)
{
    struct qri_query *q = ch->stage;
    if (sets == NULL || sets->var_count == 0)
        return QR_OK;
    q->assign_names = QRI_ARRAY(ch->c, q->out_count + 1, struct qr_str);
    if (q->assign_names == NULL)
        return qri_nomem(ch->c);
    for (size_t i = 0; i < sets->var_count; i++)
        q->assign_names[ch->dml->assigns[i].column_index] = sets->vars[i].var->name;
    return qri_masks_of_live(ch->c, q);
}

static enum qr_status finish(struct change *ch, const struct qri_sets *sets, bool has_inserted)
{
    struct qri_compile *c = ch->c;
    struct qri_extras extras = {0};
    QR_TRY(qri_outputs(c, ch->outputs, &ch->t, true, has_inserted, &extras, ch->dml));
    QR_TRY(qri_stage_extras(c, ch->stage, &ch->capacity, &extras, ch->dml));
    QR_TRY(name_assigned(ch, sets));
    QR_TRY(qri_stage_finish(c, ch->stage, ch->dml));
    return qri_direct(c, &ch->t, ch->stage, sets, ch->dml);
}

enum qr_status qri_update(struct qri_compile *c, const struct qr_ast_update *ast,
                          struct qr_plan *plan)
{
    struct change ch = {.c = c,
                        .target = ast->target,
                        .from = &ast->from,
                        .where = ast->where,
                        .cursor = ast->current_of.text.n > 0 ? ast->current_of.text
                                                             : ast->current_of_variable,
                        .top = ast->top,
                        .outputs = &ast->outputs,
                        .change = QRI_CHANGE_UPDATE};
    struct qri_sets sets;
    plan->kind = QR_PLAN_UPDATE;
    for (size_t i = 0; ch.wanted == NULL && i < ast->set.count; i++)
        if (ast->set.items[i].column.count > 0)
            ch.wanted = &ast->set.items[i].column;
    QR_TRY(begin(&ch, ast->with, &ast->options, plan));
    c->setting = &ast->set;
    QR_TRY(qri_set_items(c, &ast->set, &ch.t, &sets));
    c->setting = NULL;
    QR_TRY(qri_use_change(c, &ch.t, QR_ACCESS_UPDATE, sets.values));
    QR_TRY(stage_sets(&ch, &sets));
    qri_blocks_settle(ch.dml);
    return finish(&ch, &sets, true);
}

enum qr_status qri_delete(struct qri_compile *c, const struct qr_ast_delete *ast,
                          struct qr_plan *plan)
{
    struct change ch = {.c = c,
                        .target = ast->target,
                        .from = &ast->from,
                        .where = ast->where,
                        .cursor = ast->current_of.text.n > 0 ? ast->current_of.text
                                                             : ast->current_of_variable,
                        .top = ast->top,
                        .outputs = &ast->outputs,
                        .change = QRI_CHANGE_DELETE};
    plan->kind = QR_PLAN_DELETE;
    QR_TRY(begin(&ch, ast->with, &ast->options, plan));
    QR_TRY(qri_use_change(c, &ch.t, QR_ACCESS_DELETE, NULL));
    return finish(&ch, NULL, false);
}
