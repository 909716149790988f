/* dml_stage.c - stage 1: what a statement would change, as a rowset of changes. */
#include <assert.h>
#include <string.h>
#include "dml_int.h"
#include "dml_stage.h"
#include "mask.h"
#include "base/banned.h"

static enum qr_status no_memory(struct qri_run *run)
{
    return qr_fail(run->err, QR_NOMEM, "stage rows");
}

static void clear_change(struct qri_run *run)
{
    for (size_t i = 0; i < run->dml->change_count; i++)
        run->row[i] = qr_value_null();
}

static enum qr_status append(struct qri_run *run, enum qr_merge_action action)
{
    run->row[run->dml->change_count - 1] = qr_value_int(action);
    QR_TRY(qr_rowset_append(run->changes, run->row, run->err));
    if (run->arena.chunk != NULL)
        qr_arena_reset(&run->arena);
    return QR_OK;
}

/* ---- INSERT ---- */

/* The new part of run->row is filled where `given`; completes and stages it. */
static enum qr_status add_insert(struct qri_run *run, const bool *given)
{
    const struct qri_table *table = run->dml->table;
    struct qr_value *row = run->row + table->n;
    int64_t rowid = 0;
    if (!run->instead_of) {
        QR_TRY(qri_row_complete_insert(run, table, row, given));
        if (!table->is_rowset)
            QR_TRY(qri_row_id(run, table, row, &rowid));
    }
    run->row[2 * table->n] = qr_value_int(rowid);
    return append(run, QR_ACTION_INSERT);
}

/* One row of VALUES into `row`; `given` tells which columns it supplies. */
static enum qr_status values_row(struct qri_run *run, const struct qr_plan_set *sets,
                                 struct qr_value *row, bool *given)
{
    const struct qri_dml *dml = run->dml;
    memset(given, 0, dml->table->n * sizeof *given);
    for (size_t i = 0; i < dml->plan->set_count; i++) {
        uint16_t column = dml->insert_columns[i];
        if (sets[i].is_default)
            continue;
        given[column] = true;
        QR_TRY(qr_expr_eval(sets[i].expr, &run->eval, &row[column], run->err));
    }
    return QR_OK;
}

enum qr_status qri_one_row(struct qri_run *run, int64_t *ret_rowid)
{
    const struct qri_table *table = run->dml->table;
    bool *given = qr_arena_array(&run->frame->arena, table->n + 1, sizeof *given);
    if (given == NULL)
        return no_memory(run);
    for (size_t i = 0; i < table->n; i++)
        run->row[i] = qr_value_null();
    QR_TRY(values_row(run, run->dml->plan->value_rows[0], run->row, given));
    QR_TRY(qri_row_complete_insert(run, table, run->row, given));
    return qri_row_id(run, table, run->row, ret_rowid);
}

static enum qr_status stage_values(struct qri_run *run, bool *given)
{
    const struct qr_plan_dml *plan = run->dml->plan;
    for (size_t i = 0; i < plan->value_row_count; i++) {
        clear_change(run);
        QR_TRY(values_row(run, plan->value_rows[i], run->row + run->dml->table->n, given));
        QR_TRY(add_insert(run, given));
    }
    return QR_OK;
}

static enum qr_status stage_insert_row(struct qri_run *run, const struct qr_value *staged,
                                       const struct qr_plan_set *sets, size_t count, bool *given)
{
    const struct qri_dml *dml = run->dml;
    memset(given, 0, dml->table->n * sizeof *given);
    struct qr_value *row = run->row + dml->table->n;
    for (size_t i = 0; i < count; i++) {
        uint16_t column = dml->insert_columns[i];
        if (sets[i].is_default)
            continue;
        given[column] = true;
        if (sets[i].expr != NULL)
            QR_TRY(qr_expr_eval(sets[i].expr, &run->eval, &row[column], run->err));
        else
            row[column] = staged[sets[i].stage_index];
    }
    return add_insert(run, given);
}

enum qr_status qri_stage_exec(struct qri_run *run, struct qr_rowset *rows)
{
    const struct qri_dml *dml = run->dml;
    bool *given = qr_arena_array(&run->frame->arena, dml->table->n + 1, sizeof *given);
    size_t count = qr_rowset_column_count(rows);
    struct qr_value *values = qr_arena_array(&run->frame->arena, count + 1, sizeof *values);
    if (given == NULL || values == NULL)
        return no_memory(run);
    for (uint64_t i = 0; i < qri_rowset_end(rows); i++) {
        bool found = false;
        QR_TRY(qri_rowset_get(rows, i, values, &found, run->err));
        clear_change(run);
        memset(given, 0, dml->table->n * sizeof *given);
        for (size_t k = 0; k < count; k++) {
            given[dml->insert_columns[k]] = true;
            run->row[dml->table->n + dml->insert_columns[k]] = values[k];
        }
        QR_TRY(add_insert(run, given));
    }
    return QR_OK;
}

/* ---- UPDATE, DELETE, MERGE ---- */

static void copy_old(struct qri_run *run, const struct qr_value *staged)
{
    const struct qri_dml *dml = run->dml;
    const struct qri_table *table = dml->table;
    for (size_t i = 0; i < table->n; i++)
        run->row[i] = staged[dml->plan->old_index + i];
    if (table->by_rowid && dml->plan->key_count > 0)
        run->row[2 * table->n] = staged[0];
    for (size_t i = 0; i < dml->plan->extra_count; i++)
        run->row[2 * table->n + 1 + i] = staged[dml->plan->extra_index + i];
}

static enum qr_status stage_update_row(struct qri_run *run, const struct qr_value *staged)
{
    const struct qri_dml *dml = run->dml;
    const struct qri_table *table = dml->table;
    struct qr_value *row = run->row + table->n;
    for (size_t i = 0; i < table->n; i++)
        row[i] = run->row[i];
    for (size_t i = 0; i < dml->plan->set_count; i++) {
        const struct qr_plan_set *set = &dml->plan->sets[i];
        uint16_t column = dml->set_columns[i];
        if (set->is_default) {
            row[column] = qr_value_null();
            run->eval.inputs = NULL;
            run->eval.input_count = 0;
            if (table->defaults[column] != NULL)
                QR_TRY(qr_expr_eval(table->defaults[column], &run->eval, &row[column], run->err));
        } else if (set->expr != NULL) {
            QR_TRY(qr_expr_eval(set->expr, &run->eval, &row[column], run->err));
        } else {
            row[column] = staged[set->stage_index];
        }
    }
    if (!run->instead_of)
        QR_TRY(qri_row_complete_update(run, table, row));
    for (size_t i = 0; i < dml->plan->assign_count; i++) {
        const struct qr_plan_assign *assign = &dml->plan->assigns[i];
        QR_TRY(qri_var_assign(run->frame, assign->slot, &assign->type,
                              &staged[assign->column_index], run->err));
    }
    return append(run, QR_ACTION_UPDATE);
}

/* A join may stage one target row more than once: remembers the keys seen. */
static enum qr_status is_repeated(struct qri_run *run, struct qr_map *seen,
                                  const struct qr_value *staged, bool *ret_repeated)
{
    const struct qr_plan_dml *plan = run->dml->plan;
    struct qr_buf key;
    qr_buf_init(&key, 1 << 20);
    for (size_t i = 0; i < plan->key_count; i++) {
        uint64_t hash = qr_value_hash(&plan->stage_types[i], &staged[i], 7);
        if (staged[i].cell == QR_CELL_INT)
            qr_buf_add64le(&key, (uint64_t)staged[i].i);
        else if (staged[i].cell == QR_CELL_TEXT || staged[i].cell == QR_CELL_BLOB)
            qr_buf_add(&key, staged[i].p, staged[i].n);
        qr_buf_add64le(&key, hash);
    }
    struct qr_str bytes = qr_str_n((const char *)key.data, key.len);
    *ret_repeated = qr_map_get(seen, bytes) != NULL;
    enum qr_status status = qr_buf_status(&key, run->err);
    if (status == QR_OK && !*ret_repeated)
        status = qr_map_put(seen, bytes, seen) == QR_OK ? QR_OK : no_memory(run);
    qr_buf_done(&key);
    return status;
}

static enum qr_merge_action action_of(const struct qri_run *run, const struct qr_value *staged)
{
    const struct qri_dml *dml = run->dml;
    if (dml->kind == QR_PLAN_INSERT)
        return QR_ACTION_INSERT;
    if (dml->kind == QR_PLAN_UPDATE)
        return QR_ACTION_UPDATE;
    if (dml->kind == QR_PLAN_DELETE)
        return QR_ACTION_DELETE;
    const struct qr_value *action = &staged[dml->plan->action_index];
    return action->cell == QR_CELL_INT ? (enum qr_merge_action)action->i : 0;
}

static enum qr_status stage_row(struct qri_run *run, struct qr_map *seen,
                                const struct qr_value *staged, bool *given)
{
    const struct qri_dml *dml = run->dml;
    const struct qr_plan_dml *plan = dml->plan;
    enum qr_merge_action action = action_of(run, staged);
    clear_change(run);
    if (action == QR_ACTION_INSERT) {
        bool merge = dml->kind == QR_PLAN_MERGE;
        for (size_t i = 0; i < plan->extra_count; i++)
            run->row[2 * dml->table->n + 1 + i] = staged[plan->extra_index + i];
        return stage_insert_row(run, staged, merge ? plan->merge_insert_sets : plan->sets,
                                merge ? plan->merge_insert_count : plan->set_count, given);
    }
    if (action == 0)
        return QR_OK;
    if (plan->may_repeat) {
        bool repeated = false;
        QR_TRY(is_repeated(run, seen, staged, &repeated));
        if (repeated && dml->kind == QR_PLAN_MERGE)
            return qr_sql_fail(run->err, 8672);
        if (repeated)
            return QR_OK;
    }
    copy_old(run, staged);
    return action == QR_ACTION_UPDATE ? stage_update_row(run, staged)
                                      : append(run, QR_ACTION_DELETE);
}

static enum qr_status each_staged(struct qri_run *run, struct qri_query *query,
                                  const struct qri_masks *masks, struct qr_map *seen,
                                  struct qr_value *staged, bool *given)
{
    const struct qr_plan_dml *plan = run->dml->plan;
    uint64_t limit = run->session->options.rowcount;
    for (;;) {
        bool more = false;
        uint64_t staged_count = qr_rowset_count(run->changes);
        if ((limit != 0 && staged_count >= limit) ||
            (run->stage_max != 0 && staged_count >= run->stage_max))
            return QR_OK;
        QR_TRY(qri_query_next(query, &more, run->err));
        if (!more)
            return QR_OK;
        for (size_t i = 0; i < plan->stage_column_count; i++)
            QR_TRY(qri_column(query->stmt->stmt, (int)i, &plan->stage_types[i], &run->arena,
                              &staged[i], run->err));
        if (masks->count > 0)
            QR_TRY(qri_masks_apply(masks, staged, &run->arena, run->err));
        QR_TRY(stage_row(run, seen, staged, given));
    }
}

static enum qr_status stage_select(struct qri_run *run, bool *given)
{
    const struct qr_plan_dml *plan = run->dml->plan;
    struct qr_value *staged =
        qr_arena_array(&run->frame->arena, plan->stage_column_count + 1, sizeof *staged);
    if (staged == NULL)
        return no_memory(run);
    struct qri_masks masks;
    QR_TRY(qri_masks_open(run->session, &run->frame->arena, plan->stage_masks, plan->stage_types,
                          plan->stage_column_count, &masks, run->err));
    struct qri_need *need = &run->frame->op->codes[0]->need; /* of the statement that runs */
    QR_TRY(qri_grant_before(run->frame, need, plan->stage.text, run->err));
    struct qri_query query;
    run->session->copies_vars = plan->assign_count > 0;
    enum qr_status opened =
        qri_query_open(run->frame, &plan->stage, run->dml->stage, NULL, &query, run->err);
    run->session->copies_vars = false;
    QR_TRY(opened);
    struct qr_map seen;
    qr_map_init(&seen, false);
    enum qr_status status =
        qri_redact(plan->is_filtered || masks.count > 0,
                   each_staged(run, &query, &masks, &seen, staged, given), run->err);
    qr_map_done(&seen);
    qri_query_close(&query);
    qri_grant_after(run->session, need);
    return status;
}

enum qr_status qri_stage(struct qri_run *run)
{
    bool *given = qr_arena_array(&run->frame->arena, run->dml->table->n + 1, sizeof *given);
    if (given == NULL)
        return no_memory(run);
    if (run->dml->plan->value_row_count > 0)
        return stage_values(run, given);
    return stage_select(run, given);
}
