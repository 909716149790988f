/* dml_output.c - OUTPUT and OUTPUT INTO over the staged changes. */
#include <assert.h>
#include "dml_int.h"
#include "mask.h"
#include "codec/convert.h"
#include "base/banned.h"

static enum qr_status no_memory(struct qri_run *run)
{
    return qr_fail(run->err, QR_NOMEM, "output rows");
}

/* What OUTPUT's expressions see; see struct qr_plan_output. */
static void fill_inputs(const struct qri_run *run, const struct qr_value *change,
                        struct qr_value *inputs)
{
    static const char *const actions[] = {[QR_ACTION_INSERT] = "INSERT",
                                          [QR_ACTION_UPDATE] = "UPDATE",
                                          [QR_ACTION_DELETE] = "DELETE"};
    size_t n2 = 2 * run->dml->table->n, extras = run->dml->plan->extra_count;
    for (size_t i = 0; i < n2; i++)
        inputs[i] = change[i];
    inputs[n2] = qr_value_str(qr_str(actions[change[run->dml->change_count - 1].i]));
    for (size_t i = 0; i < extras; i++)
        inputs[n2 + 1 + i] = change[n2 + 1 + i];
}

static enum qr_status into_table(struct qri_run *run, const struct qr_plan_output *output,
                                 struct qri_writer *writer, const struct qri_table *table,
                                 struct qr_rowset *rowset, const struct qr_value *values)
{
    struct qr_value *row = qr_arena_array(&run->arena, table->n + 1, sizeof *row);
    bool *given = qr_arena_array(&run->arena, table->n + 1, sizeof *given);
    if (row == NULL || given == NULL)
        return no_memory(run);
    for (size_t i = 0; i < output->count; i++) {
        size_t column = qr_cat_column_index(table->object, output->into_column_ids[i]);
        const struct qr_cat_column *to = &table->object->columns[column];
        given[column] = true;
        QR_TRY(qr_eval_cast(&run->eval, &output->exprs[i]->type, &values[i], &to->type,
                            QR_STYLE_DEFAULT, QR_CAST_ASSIGN, table->full_name, to->name.p,
                            &row[column], run->err));
    }
    struct qr_rowset *target = run->rowset;
    run->rowset = rowset; /* identity values come from there */
    enum qr_status status = qri_row_complete_insert(run, table, row, given);
    if (status == QR_OK && rowset != NULL)
        status = qri_rowset_insert(run, table, rowset, row);
    run->rowset = target;
    if (status != QR_OK || rowset != NULL)
        return status;
    int64_t rowid = 0;
    bool ignored = false;
    QR_TRY(qri_row_id(run, table, row, &rowid));
    return qri_write_insert(writer, row, rowid, &ignored);
}

static enum qr_status to_client(struct qri_run *run, const struct qr_plan_output *output,
                                const struct qr_value *values)
{
    if (run->output == NULL) {
        struct qr_type *types =
            qr_arena_array(&run->frame->arena, output->count + 1, sizeof *types);
        if (types == NULL)
            return no_memory(run);
        for (size_t i = 0; i < output->count; i++)
            types[i] = output->columns[i].type;
        QR_TRY(
            qr_rowset_new(types, output->count, run->session->db->store, &run->output, run->err));
    }
    return qr_rowset_append(run->output, values, run->err);
}

static enum qr_status target_of(struct qri_run *run, const struct qr_plan_output *output,
                                const struct qri_table **ret_table, struct qr_rowset **ret_rowset)
{
    *ret_table = NULL;
    *ret_rowset = NULL;
    if (output->into == NULL && output->into_rowset.n == 0)
        return QR_OK;
    *ret_table = run->dml->output_table;
    uint32_t slot = 0;
    if (output->into_rowset.n == 0)
        return QR_OK;
    if (!qri_var_find(run->frame, output->into_rowset, &slot) || *ret_table == NULL)
        return qr_fail(run->err, QR_BUG, "OUTPUT INTO has no target");
    return qri_var_rowset(run->frame, slot, ret_rowset, run->err);
}

static enum qr_status each_change(struct qri_run *run, const struct qr_plan_output *output,
                                  struct qri_writer *writer, const struct qri_table *table,
                                  struct qr_rowset *rowset)
{
    size_t input_count = 2 * run->dml->table->n + run->dml->plan->extra_count + 1;
    struct qr_arena *arena = &run->frame->arena;
    struct qr_value *inputs = qr_arena_array(arena, input_count, sizeof *inputs);
    struct qr_value *values = qr_arena_array(arena, output->count + 1, sizeof *values);
    struct qri_masks masks;
    if (inputs == NULL || values == NULL)
        return no_memory(run);
    QR_TRY(qri_masks_of_columns(run->session, arena, output->columns, output->count, &masks,
                                run->err));
    for (uint64_t i = 0; i < qri_rowset_end(run->changes); i++) {
        bool found = false;
        QR_TRY(qri_rowset_get(run->changes, i, run->row, &found, run->err));
        if (!found)
            continue;
        fill_inputs(run, run->row, inputs);
        for (size_t k = 0; k < output->count; k++) {
            run->eval.inputs = inputs;
            run->eval.input_count = input_count;
            QR_TRY(qr_expr_eval(output->exprs[k], &run->eval, &values[k], run->err));
        }
        if (masks.count > 0)
            QR_TRY(qri_masks_apply(&masks, values, &run->arena, run->err));
        if (table != NULL)
            QR_TRY(into_table(run, output, writer, table, rowset, values));
        else
            QR_TRY(to_client(run, output, values));
        if (run->arena.chunk != NULL)
            qr_arena_reset(&run->arena);
    }
    return QR_OK;
}

static enum qr_status one_output(struct qri_run *run, const struct qr_plan_output *output)
{
    if (output->count == 0)
        return QR_OK;
    const struct qri_table *table = NULL;
    struct qr_rowset *rowset = NULL;
    QR_TRY(target_of(run, output, &table, &rowset));
    struct qri_writer writer;
    if (table != NULL)
        qri_writer_init(&writer, run, table);
    enum qr_status status = each_change(run, output, &writer, table, rowset);
    if (table != NULL)
        qri_writer_done(&writer);
    return status;
}

enum qr_status qri_output_rows(struct qri_run *run)
{
    QR_TRY(one_output(run, &run->dml->plan->output_into));
    return one_output(run, &run->dml->plan->output);
}

/* After the commit, so that no lock is held while the client reads. */
enum qr_status qri_output_send(struct qri_run *run)
{
    const struct qr_plan_output *output = &run->dml->plan->output;
    const struct qr_sink *sink = run->session->sink;
    if (output->count == 0 || output->into != NULL || output->into_rowset.n > 0)
        return QR_OK;
    QR_TRY(sink->columns(sink->ctx, output->columns, output->count, NULL, 0));
    struct qr_value *values = qr_arena_array(&run->frame->arena, output->count + 1, sizeof *values);
    if (values == NULL)
        return no_memory(run);
    for (uint64_t i = 0; run->output != NULL && i < qri_rowset_end(run->output); i++) {
        bool found = false;
        QR_TRY(qri_rowset_get(run->output, i, values, &found, run->err));
        QR_TRY(sink->row(sink->ctx, values, output->count));
    }
    return QR_OK;
}
