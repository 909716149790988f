/* bind_merge.c - MERGE as one staging SELECT with an action column; see dml_int.h
 *
 * The source is joined to the target (LEFT, or FULL if rows BY SOURCE are wanted); the action is a
 * CASE over which side is there and the conditions of the WHEN clauses, in their order. Rows
 * without an action are left out. An update sets all columns that any UPDATE clause sets: those of
 * another clause keep their old value. */
#include "mask_int.h"
#include "policy_int.h"

#include "base/banned.h"

struct merge {
    struct qri_compile *c;
    const struct qr_ast_merge *ast;
    struct qri_target t;
    struct qri_query *stage;
    size_t capacity;
    struct qr_plan_dml *dml;
    struct qri_source *source;
    const struct qr_expr *has_target, *has_source; /* predicates */
    const struct qr_expr **fires; /* pairwise with whens: this clause acts, if none before did */
    const struct qr_expr *action;
    uint32_t hints; /* of the target */
};

static bool has_match(const struct qr_ast_merge *ast, enum qr_ast_merge_match match)
{
    for (size_t i = 0; i < ast->when_count; i++)
        if (ast->whens[i].match == match)
            return true;
    return false;
}

/* MERGE … USING (query): a column that is never NULL where the source has a row. */
static enum qr_status mark_source(struct merge *m)
{
    struct qri_compile *c = m->c;
    struct qri_source *s = m->source;
    const struct qr_expr *mark = NULL;
    if (s->kind == QRI_SOURCE_QUERY) {
        s->needs_mark = true;
    }
    QR_TRY(qri_mark_leaf(c, s, &mark));
    return qr_expr_is_null(&c->b, mark, true, &m->has_source);
}

static void null_extend(struct qri_source *source)
{
    source->is_null_extended = true;
    for (size_t i = 0; i < source->column_count; i++)
        source->columns[i].leaf = NULL;
}

static enum qr_status bind_from(struct merge *m)
{
    struct qri_compile *c = m->c;
    const struct qr_ast_merge *ast = m->ast;
    struct qri_source *join = qri_source_new(c, QRI_SOURCE_JOIN, 0), *target;
    bool by_source = has_match(ast, QR_MERGE_NOT_MATCHED_BY_SOURCE);
    if (join == NULL)
        return qri_nomem(c);
    QR_TRY(qri_source_bind(c, ast->using_source, &join->left));
    QR_TRY(qri_source_bind(c, ast->target, &target));
    join->right = target;
    join->join = by_source                              ? QR_JOIN_FULL
                 : has_match(ast, QR_MERGE_NOT_MATCHED) ? QR_JOIN_LEFT
                                                        : QR_JOIN_INNER;
    m->source = join->left;
    while (m->source->kind == QRI_SOURCE_JOIN)
        m->source = m->source->left;
    if (join->join != QR_JOIN_INNER)
        null_extend(target);
    for (size_t i = 0; by_source && i + 1 < c->scope->count; i++)
        null_extend(c->scope->items[i]);
    c->clause = QRI_CLAUSE_FROM;
    QR_TRY(qri_condition(c, ast->on, &join->on));
    QR_TRY(qri_guard(c, &join->on));
    m->stage->from = QRI_ARRAY(c, 1, struct qri_source *);
    if (m->stage->from == NULL)
        return qri_nomem(c);
    m->stage->from[0] = join;
    m->stage->from_count = 1;
    m->stage->is_merge = true;
    QR_TRY(qri_hints_of_target(c, ast->target, target, &m->hints));
    QR_TRY(qri_target_reach(c, target, NULL, QRI_CHANGE_NONE, &m->t));
    QR_TRY(qr_expr_is_null(&c->b, m->t.keys[0], true, &m->has_target));
    return mark_source(m);
}

/* A clause fires when its sides are there and its condition holds. */
static enum qr_status bind_fire(struct merge *m, const struct qr_ast_merge_when *when,
                                const struct qr_expr **ret_fire)
{
    struct qri_compile *c = m->c;
    const struct qr_expr *a = m->has_source, *b = m->has_target, *condition = NULL;
    if (when->match == QR_MERGE_NOT_MATCHED)
        QR_TRY(qr_expr_not(&c->b, b, &b));
    if (when->match == QR_MERGE_NOT_MATCHED_BY_SOURCE)
        QR_TRY(qr_expr_not(&c->b, a, &a));
    QR_TRY(qri_and(c, a, b, &a));
    c->clause = QRI_CLAUSE_WHERE;
    if (when->condition != NULL)
        QR_TRY(qri_condition(c, when->condition, &condition));
    return qri_and(c, a, condition, ret_fire);
}

/* CASE WHEN fires[0] THEN 1 WHEN fires[1] THEN 2 … END: which clause acts. */
static enum qr_status bind_action(struct merge *m)
{
    static const int actions[] = {[QR_MERGE_UPDATE] = QR_ACTION_UPDATE,
                                  [QR_MERGE_DELETE] = QR_ACTION_DELETE,
                                  [QR_MERGE_INSERT] = QR_ACTION_INSERT};
    struct qri_compile *c = m->c;
    size_t n = m->ast->when_count;
    const struct qr_expr **thens = QRI_ARRAY(c, n + 1, const struct qr_expr *);
    m->fires = QRI_ARRAY(c, n + 1, const struct qr_expr *);
    if (thens == NULL || m->fires == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < n; i++) {
        QR_TRY(bind_fire(m, &m->ast->whens[i], &m->fires[i]));
        QR_TRY(qr_expr_int(&c->b, actions[m->ast->whens[i].action], &thens[i]));
        m->dml->merge_actions |= 1u << actions[m->ast->whens[i].action];
    }
    return qr_expr_case(&c->b, m->fires, thens, n, NULL, &m->action);
}

/* The value that clause `k`, when it acts, gives; otherwise the next, at the end `last`. */
struct choice {
    const struct qr_expr **whens, **thens;
    size_t count;
};

static enum qr_status choice_init(struct merge *m, struct choice *choice)
{
    choice->whens = QRI_ARRAY(m->c, m->ast->when_count + 1, const struct qr_expr *);
    choice->thens = QRI_ARRAY(m->c, m->ast->when_count + 1, const struct qr_expr *);
    choice->count = 0;
    return choice->whens == NULL || choice->thens == NULL ? qri_nomem(m->c) : QR_OK;
}

static enum qr_status stage_updates(struct merge *m)
{
    struct qri_compile *c = m->c;
    const struct qr_cat_object *table = m->t.object;
    size_t n = m->ast->when_count;
    struct qri_sets *all = QRI_ARRAY(c, n + 1, struct qri_sets);
    m->dml->sets = QRI_ARRAY(c, table->column_count + 1, struct qr_plan_set);
    if (all == NULL || m->dml->sets == NULL)
        return qri_nomem(c);
    for (size_t k = 0; k < n; k++) {
        static const uint8_t needs[] = {[QR_MERGE_UPDATE] = QR_ACCESS_UPDATE,
                                        [QR_MERGE_DELETE] = QR_ACCESS_DELETE,
                                        [QR_MERGE_INSERT] = QR_ACCESS_INSERT};
        if (m->ast->whens[k].action == QR_MERGE_UPDATE)
            QR_TRY(qri_set_items(c, &m->ast->whens[k].set, &m->t, &all[k]));
        QR_TRY(qri_use_change(c, &m->t, needs[m->ast->whens[k].action], all[k].values));
    }
    for (size_t i = 0; i < table->column_count; i++) {
        struct choice choice;
        const struct qr_expr *value = NULL;
        bool any = false;
        QR_TRY(choice_init(m, &choice));
        for (size_t k = 0; k < n; k++) {
            const struct qr_expr *set = all[k].values == NULL ? NULL : all[k].values[i];
            any = any || set != NULL;
            choice.whens[choice.count] = m->fires[k];
            choice.thens[choice.count++] = set == NULL ? m->t.olds[i] : set;
        }
        if (!any)
            continue;
        QR_TRY(qr_expr_case(&c->b, choice.whens, choice.thens, choice.count, NULL, &value));
        QR_TRY(qr_expr_convert(&c->b, table->columns[i].type, value, &value));
        struct qr_plan_set *set = &m->dml->sets[m->dml->set_count++];
        set->column_id = table->columns[i].column_id;
        QR_TRY(qri_stage_add(c, m->stage, &m->capacity, value, &set->stage_index));
        m->stage->outs[set->stage_index].mask = NULL; /* what stays as it is is not masked */
        for (size_t k = 0; k < n; k++) {
            const struct qr_plan_mask *mask = NULL;
            if (all[k].values != NULL && all[k].values[i] != NULL)
                QR_TRY(qri_mask_of(c, all[k].values[i], &mask));
            QR_TRY(qri_mask_add(c, mask, &m->stage->outs[set->stage_index].mask));
        }
    }
    return QR_OK;
}

static bool is_default(const struct qr_ast_expr *ast)
{
    return ast->kind == QR_AE_LITERAL &&
           ((const struct qr_ast_literal *)ast)->literal == QR_LIT_DEFAULT;
}

static enum qr_status stage_insert_value(struct merge *m, const struct qr_expr *fire, size_t column,
                                         const struct qr_ast_expr *ast)
{
    struct qri_compile *c = m->c;
    struct qr_plan_set *set = &m->dml->merge_insert_sets[m->dml->merge_insert_count++];
    const struct qr_expr *value = NULL;
    const struct qr_cat_column *col = &m->t.object->columns[column];
    set->column_id = col->column_id;
    set->is_default = is_default(ast);
    if (col->is_identity)
        m->dml->identity_insert_needed = true;
    if (set->is_default)
        return QR_OK;
    if (qr_cat_is_period(m->t.object, col))
        return qr_sql_fail(c->err, 13536, qri_table_z(c, m->t.object));
    c->clause = QRI_CLAUSE_SET;
    const struct qr_plan_mask *mask = NULL;
    QR_TRY(qri_expr(c, ast, &value));
    QR_TRY(qri_mask_of(c, value, &mask));
    QR_TRY(qri_assign(c, m->t.object, column, value, &value));
    if (!(value->kind == QR_EXPR_CONST && qr_value_is_null(&value->u.value)))
        QR_TRY(qr_expr_case(&c->b, &fire, &value, 1, NULL, &value));
    QR_TRY(qr_expr_convert(&c->b, col->type, value, &value));
    QR_TRY(qri_stage_add(c, m->stage, &m->capacity, value, &set->stage_index));
    m->stage->outs[set->stage_index].mask = mask;
    return QR_OK;
}

static enum qr_status stage_insert(struct merge *m)
{
    struct qri_compile *c = m->c;
    const struct qr_cat_object *table = m->t.object;
    const struct qr_ast_merge_when *when = NULL;
    const struct qr_expr *fire = NULL;
    for (size_t k = 0; k < m->ast->when_count; k++)
        if (m->ast->whens[k].action == QR_MERGE_INSERT) {
            when = &m->ast->whens[k];
            fire = m->fires[k];
        }
    if (when == NULL)
        return QR_OK;
    size_t n = 0, *columns = QRI_ARRAY(c, table->column_count + when->columns.count + 1, size_t);
    m->dml->merge_insert_sets =
        QRI_ARRAY(c, table->column_count + when->columns.count + 1, struct qr_plan_set);
    if (columns == NULL || m->dml->merge_insert_sets == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < when->columns.count; i++)
        QR_TRY(qri_target_column(c, &m->t, &when->columns.items[i], true, &columns[n++]));
    for (size_t i = 0; when->columns.count == 0 && i < table->column_count; i++)
        if (!table->columns[i].is_identity && !table->columns[i].is_computed &&
            !table->columns[i].is_hidden)
            columns[n++] = i;
    if (when->values.count == 0)
        return QR_OK; /* DEFAULT VALUES */
    if (when->values.count != n)
        return qr_sql_fail(c->err, when->columns.count == 0 ? 213
                                   : when->values.count < n ? 109
                                                            : 110);
    for (size_t i = 0; i < n; i++)
        QR_TRY(stage_insert_value(m, fire, columns[i], when->values.items[i]));
    return QR_OK;
}

static enum qr_status check_whens(struct merge *m)
{
    static const char *const actions[] = {
        [QR_MERGE_UPDATE] = "UPDATE", [QR_MERGE_DELETE] = "DELETE", [QR_MERGE_INSERT] = "INSERT"};
    static const char *const matches[] = {[QR_MERGE_MATCHED] = "WHEN MATCHED",
                                          [QR_MERGE_NOT_MATCHED] = "WHEN NOT MATCHED",
                                          [QR_MERGE_NOT_MATCHED_BY_SOURCE] =
                                              "WHEN NOT MATCHED BY SOURCE"};
    size_t counts[3][3] = {{0}};
    for (size_t i = 0; i < m->ast->when_count; i++) {
        const struct qr_ast_merge_when *w = &m->ast->whens[i];
        if (++counts[w->match][w->action] > 1)
            return qr_sql_fail(m->c->err, 10714, actions[w->action], matches[w->match]);
    }
    return QR_OK;
}

enum qr_status qri_merge(struct qri_compile *c, const struct qr_ast_merge *ast,
                         struct qr_plan *plan)
{
    struct merge m = {.c = c, .ast = ast, .stage = QRI_NEW(c, struct qri_query)};
    struct qri_extras extras = {0};
    if (m.stage == NULL)
        return qri_nomem(c);
    plan->kind = QR_PLAN_MERGE;
    c->in_merge = true;
    QR_TRY(check_whens(&m));
    QR_TRY(qri_bind_options(c, &ast->options));
    QR_TRY(qri_with(c, ast->with));
    c->scope = m.stage->scope = qri_scope_new(c, NULL, m.stage);
    if (c->scope == NULL)
        return qri_nomem(c);
    QR_TRY(bind_from(&m));
    QR_TRY(qri_dml_new(c, &m.t, plan, &m.dml));
    QR_TRY(bind_action(&m));
    m.dml->no_wait = (m.hints & QRI_HINT_NOWAIT) != 0;
    m.dml->may_repeat = true;
    QR_TRY(qri_stage_target(c, m.stage, &m.capacity, &m.t, m.dml));
    QR_TRY(qri_stage_add(c, m.stage, &m.capacity, m.action, &m.dml->action_index));
    QR_TRY(stage_updates(&m));
    qri_blocks_settle(m.dml);
    QR_TRY(stage_insert(&m));
    QR_TRY(qr_expr_is_null(&c->b, m.action, true, &m.stage->where));
    c->clause = QRI_CLAUSE_FROM;
    QR_TRY(qri_top_bind(c, ast->top, &m.stage->top));
    QR_TRY(qri_outputs(c, &ast->outputs, &m.t, true, true, &extras, m.dml));
    QR_TRY(qri_stage_extras(c, m.stage, &m.capacity, &extras, m.dml));
    return qri_stage_finish(c, m.stage, m.dml);
}
