/* dml_prepare.c - what a DML plan needs to run, made once when it is compiled; see dml_int.h */
#include <assert.h>
#include "dml_int.h"
#include "base/banned.h"

static enum qr_status no_memory(struct qr_err *err)
{
    return qr_fail(err, QR_NOMEM, "compile a statement");
}

static enum qr_status columns_of_sets(struct qr_arena *arena, const struct qri_table *table,
                                      const struct qr_plan_set *sets, size_t count,
                                      uint16_t **ret_columns, struct qr_err *err)
{
    uint16_t *columns = qr_arena_array(arena, count + 1, sizeof *columns);
    if (columns == NULL)
        return no_memory(err);
    for (size_t i = 0; i < count; i++)
        columns[i] = (uint16_t)qr_cat_column_index(table->object, sets[i].column_id);
    *ret_columns = columns;
    return QR_OK;
}

static bool contains(const uint16_t *columns, size_t count, uint16_t column)
{
    for (size_t i = 0; i < count; i++)
        if (columns[i] == column)
            return true;
    return false;
}

static enum qr_status list_updated(struct qr_arena *arena, struct qri_dml *dml, struct qr_err *err)
{
    const struct qri_table *table = dml->table;
    dml->updated = qr_arena_array(arena, table->n + 1, sizeof *dml->updated);
    if (dml->updated == NULL)
        return no_memory(err);
    for (size_t i = 0; i < table->stored_count; i++) {
        uint16_t column = table->stored[i];
        bool set = contains(dml->set_columns, dml->plan->set_count, column);
        if (set || table->object->columns[column].is_computed || column == table->rowversion ||
            column == table->period_start)
            dml->updated[dml->updated_count++] = column;
    }
    for (size_t i = 0; i < table->key_count; i++)
        dml->key_changes |= contains(dml->updated, dml->updated_count, table->key[i]);
    dml->key_changes |= contains(dml->updated, dml->updated_count, table->rowid_column);
    for (size_t i = 0; i < table->unique_count; i++)
        for (size_t k = 0; k < table->uniques[i].count; k++)
            dml->key_changes |=
                contains(dml->updated, dml->updated_count, table->uniques[i].columns[k]);
    return QR_OK;
}

static unsigned events_of(const struct qr_plan *plan)
{
    unsigned events = 0;
    switch ((int)plan->kind) {
    case QR_PLAN_INSERT:
        return QRI_INSERT;
    case QR_PLAN_UPDATE:
        return QRI_UPDATE;
    case QR_PLAN_DELETE:
        return QRI_DELETE;
    default:
        for (unsigned action = QR_ACTION_INSERT; action <= QR_ACTION_DELETE; action++)
            if ((plan->dml->merge_actions & (1u << action)) != 0)
                events |= 1u << (action - QR_ACTION_INSERT); /* they are in one order */
        return events;
    }
}

static bool gives_keys(const struct qri_dml *dml)
{
    const struct qri_table *table = dml->table;
    if (dml->kind == QR_PLAN_DELETE)
        return false;
    if (dml->kind != QR_PLAN_UPDATE)
        return table->fk_count > 0;
    for (size_t i = 0; i < table->fk_count; i++)
        for (size_t k = 0; k < table->fks[i].fk->column_count; k++)
            if (contains(dml->updated, dml->updated_count, table->fks[i].columns[k]))
                return true;
    return false;
}

static enum qr_status check_instead_of(const struct qri_dml *dml, struct qr_arena *arena,
                                       struct qr_err *err)
{
    const struct qr_cat_object *target = dml->plan->target;
    for (unsigned event = QRI_INSERT; dml->instead_of && event <= QRI_DELETE; event *= 2)
        if ((dml->events & event) != 0 && !qri_table_fires(target, event, true))
            return qr_sql_fail(err, 5316, qr_arena_str(arena, target->name).p);
    return QR_OK;
}

static enum qr_status shape_changes(struct qr_arena *arena, struct qri_dml *dml, struct qr_err *err)
{
    const struct qri_table *table = dml->table;
    const struct qr_plan_dml *plan = dml->plan;
    size_t n = table->n;
    dml->change_count = 2 * n + 1 + plan->extra_count + 1;
    dml->change_types = qr_arena_array(arena, dml->change_count, sizeof *dml->change_types);
    if (dml->change_types == NULL)
        return no_memory(err);
    for (size_t i = 0; i < n; i++)
        dml->change_types[i] = dml->change_types[n + i] = table->object->columns[i].type;
    dml->change_types[2 * n] = qr_type_of(QR_TYPE_BIGINT);
    for (size_t i = 0; i < plan->extra_count; i++)
        dml->change_types[2 * n + 1 + i] = plan->stage_types[plan->extra_index + i];
    dml->change_types[dml->change_count - 1] = qr_type_of(QR_TYPE_INT);
    return QR_OK;
}

/* The table of OUTPUT INTO, or the shape of its table variable. */
static const struct qr_cat_object *output_target(const struct qr_bind_env *env,
                                                 const struct qr_plan_dml *p)
{
    const struct qr_plan_output *outputs[] = {&p->output_into, &p->output};
    for (size_t i = 0; i < 2; i++) {
        if (outputs[i]->into != NULL)
            return outputs[i]->into;
        for (size_t k = 0; k < env->var_count && outputs[i]->into_rowset.n > 0; k++)
            if (qr_str_ieq(env->vars[k].name, outputs[i]->into_rowset))
                return env->vars[k].table;
    }
    return NULL;
}

/* What `dml` was prepared from, beside what the statement names. */
static enum qr_status list_reached(struct qr_arena *arena, const struct qri_table_set *set,
                                   struct qri_dml *dml, struct qr_err *err)
{
    size_t count = set->count;
    for (size_t i = 0; i < set->count; i++)
        count += set->items[i]->fk_count;
    dml->reached = qr_arena_array(arena, count, sizeof *dml->reached);
    if (dml->reached == NULL)
        return no_memory(err);
    for (size_t i = 0; i < set->count; i++) {
        const struct qri_table *table = set->items[i];
        dml->reached[dml->reached_count++] = table->object;
        for (size_t k = 0; k < table->fk_count; k++)
            dml->reached[dml->reached_count++] = table->fks[k].parent;
    }
    return QR_OK;
}

enum qr_status qri_dml_prepare(struct qr_arena *arena, const struct qr_bind_env *env,
                               const struct qr_plan *plan, struct qri_dml **ret_dml,
                               struct qr_err *err)
{
    struct qri_dml *dml = qr_arena_alloc(arena, sizeof *dml);
    if (dml == NULL)
        return no_memory(err);
    const struct qr_plan_dml *p = plan->dml;
    dml->plan = p;
    dml->kind = plan->kind;
    struct qri_table_set set = {.arena = arena, .env = env, .err = err};
    QR_TRY(qri_table_get(&set, p->target, p, &dml->table));
    dml->stage = qri_sql(p->stage.text);
    dml->direct = qri_sql(p->direct.text);
    bool is_insert = plan->kind == QR_PLAN_INSERT;
    QR_TRY(columns_of_sets(arena, dml->table, is_insert ? p->sets : p->merge_insert_sets,
                           is_insert ? p->set_count : p->merge_insert_count, &dml->insert_columns,
                           err));
    unsigned events = dml->events = events_of(plan);
    if ((events & QRI_UPDATE) != 0) {
        QR_TRY(columns_of_sets(arena, dml->table, p->sets, p->set_count, &dml->set_columns, err));
        QR_TRY(list_updated(arena, dml, err));
        if (!dml->table->is_rowset && dml->updated_count > 0 &&
            dml->table->object->type == QR_CAT_TABLE)
            QR_TRY(qri_table_update_sql(&set, dml->table, dml->updated, dml->updated_count,
                                        &dml->update));
    }
    dml->instead_of = qri_table_fires(p->target, events, true);
    QR_TRY(check_instead_of(dml, arena, err));
    dml->fires = dml->instead_of || qri_table_fires(p->target, events, false);
    bool to_client = p->output.count > 0 && p->output.into == NULL && p->output.into_rowset.n == 0;
    if (to_client && dml->fires && !dml->instead_of)
        return qr_sql_fail(err, 334, qr_arena_str(arena, p->target->name).p);
    QR_TRY(shape_changes(arena, dml, err));
    const struct qr_cat_object *into = output_target(env, p);
    if (into != NULL)
        QR_TRY(qri_table_get(&set, into, NULL, &dml->output_table));
    QR_TRY(list_reached(arena, &set, dml, err));
    bool self = false;
    for (size_t i = 0; i < dml->table->fk_count; i++)
        self |= dml->table->fks[i].parent == p->target;
    dml->is_simple = !dml->fires && p->block_count == 0 && !self && p->output.count == 0 &&
                     p->output_into.count == 0 &&
                     (is_insert || (dml->table->ref_count == 0 && dml->table->history == NULL));
    dml->gives_keys = gives_keys(dml);
    dml->can_be_loose = qri_dml_can_be_loose(dml, plan);
    *ret_dml = dml;
    return QR_OK;
}
