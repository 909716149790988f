/* dml_row.c - completes new rows: defaults, identity, computed columns, NOT NULL, CHECK. */
#include <assert.h>
#include <string.h>
#include "dml_int.h"
#include "temp_int.h"
#include "base/banned.h"

enum { NONE = UINT16_MAX };

static enum qr_status eval_default(struct qri_run *run, const struct qri_table *table,
                                   uint16_t column, struct qr_value *ret_value)
{
    *ret_value = qr_value_null();
    if (table->defaults[column] == NULL)
        return QR_OK;
    run->eval.inputs = NULL;
    run->eval.input_count = 0;
    return qr_expr_eval(table->defaults[column], &run->eval, ret_value, run->err);
}

static enum qr_status set_rowversion(struct qri_run *run, const struct qri_table *table,
                                     struct qr_value *row)
{
    if (table->rowversion == NONE)
        return QR_OK;
    int64_t next = QRI_ROWVERSION_FIRST;
    if (atomic_load(&run->session->first_rowversion) == 0) { /* shown before it is taken */
        (void)!qri_counter_peek(run->session, QRI_COUNTER_ROWVERSION, false, &next);
        atomic_store(&run->session->first_rowversion, next);
    }
    enum qr_status status =
        qri_counter_take(run->session, QRI_COUNTER_ROWVERSION, false, 1, 1, &next, run->err);
    if (status == QR_NOT_FOUND) {
        QR_TRY(qri_counter_set(run->session, QRI_COUNTER_ROWVERSION, false, QRI_ROWVERSION_FIRST,
                               run->err));
        status =
            qri_counter_take(run->session, QRI_COUNTER_ROWVERSION, false, 1, 1, &next, run->err);
    }
    QR_TRY(status);
    uint8_t *bytes = qr_arena_alloc(&run->arena, 8);
    if (bytes == NULL)
        return qr_fail(run->err, QR_NOMEM, "make a rowversion");
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)((uint64_t)next >> (56 - 8 * i));
    row[table->rowversion] = qr_value_blob(bytes, 8);
    return QR_OK;
}

static enum qr_status finish(struct qri_run *run, const struct qri_table *table,
                             struct qr_value *row, bool is_new)
{
    QR_TRY(set_rowversion(run, table, row));
    qri_begin_version(run, table, row, is_new);
    run->eval.inputs = row;
    run->eval.input_count = table->n;
    for (size_t i = 0; i < table->n; i++)
        if (table->computed[i] != NULL)
            QR_TRY(qr_expr_eval(table->computed[i], &run->eval, &row[i], run->err));
    for (size_t i = 0; i < table->not_null_count; i++)
        if (row[table->not_null[i]].cell == QR_CELL_NULL)
            return qri_fail_null(run, table, table->not_null[i]);
    for (size_t i = 0; i < table->object->check_count; i++) {
        bool holds = true;
        if (table->checks[i] == NULL)
            continue;
        QR_TRY(qr_expr_test(table->checks[i], &run->eval, true, &holds, run->err));
        if (!holds)
            return qri_fail_check(run, table, &table->object->checks[i]);
    }
    bool qualifies = true;
    if (table->view_check != NULL)
        QR_TRY(qr_expr_test(table->view_check, &run->eval, false, &qualifies, run->err));
    return qualifies ? QR_OK : qr_sql_fail(run->err, 550);
}

/* ---- identity ---- */

static struct qr_value identity_value(const struct qr_type *type, int64_t number)
{
    if (qr_type_family(type) != QR_FAMILY_DECIMAL)
        return qr_value_int(number);
    qr_i128 scaled = number;
    for (int i = 0; i < type->scale; i++)
        scaled *= 10;
    return qr_value_decimal(type, scaled);
}

static bool fits(const struct qr_type *type, int64_t number)
{
    switch ((int)type->id) {
    case QR_TYPE_TINYINT:
        return number >= 0 && number <= UINT8_MAX;
    case QR_TYPE_SMALLINT:
        return number >= INT16_MIN && number <= INT16_MAX;
    case QR_TYPE_INT:
        return number >= INT32_MIN && number <= INT32_MAX;
    default:
        return true;
    }
}

static void remember_identity(struct qri_run *run, int64_t number)
{
    struct qr_session *session = run->session;
    struct qri_frame *frame = run->frame;
    while (!frame->is_scope && frame->outer != NULL)
        frame = frame->outer;
    session->last_identity = qr_value_int(number);
    if (frame->outer == NULL)
        session->batch_identity = session->last_identity;
    frame->scope_identity = session->last_identity;
}

static enum qr_status identity_overflow(struct qri_run *run, const struct qr_cat_column *column)
{
    enum qr_status status = qr_sql_fail(run->err, 8115, "IDENTITY", qr_type_name(&column->type));
    if (run->err != NULL)
        run->err->state = 1;
    return status;
}

static enum qr_status new_identity(struct qri_run *run, const struct qri_table *table,
                                   struct qr_value *row)
{
    const struct qr_cat_column *column = &table->object->columns[table->identity];
    int64_t number = 0;
    if (table->is_rowset) {
        int64_t *next = qri_rowset_identity(run->rowset);
        if (*next == INT64_MIN)
            *next = column->identity_seed;
        number = *next;
        *next += column->identity_increment;
    } else {
        enum qr_status status = qri_counter_take(
            run->session, qri_counter_id(table->object->object_id, QRI_COUNTER_IDENTITY),
            table->is_temp, 1, column->identity_increment, &number, run->err);
        if (status == QR_TOO_BIG)
            return identity_overflow(run, column);
        QR_TRY(status);
    }
    if (!fits(&column->type, number))
        return identity_overflow(run, column);
    row[table->identity] = identity_value(&column->type, number);
    remember_identity(run, number);
    return QR_OK;
}

/* A value given under IDENTITY_INSERT pushes the counter. */
static enum qr_status given_identity(struct qri_run *run, const struct qri_table *table,
                                     const struct qr_value *row)
{
    const struct qr_cat_column *column = &table->object->columns[table->identity];
    const struct qr_value *v = &row[table->identity];
    if (v->cell == QR_CELL_NULL)
        return qri_fail_null(run, table, table->identity);
    qr_i128 scaled = qr_value_scaled(v);
    for (int i = 0; i < column->type.scale && qr_type_family(&column->type) == QR_FAMILY_DECIMAL;
         i++)
        scaled /= 10;
    int64_t number = (int64_t)scaled;
    remember_identity(run, number);
    if (table->is_rowset)
        return QR_OK;
    return qri_counter_raise(run->session,
                             qri_counter_id(table->object->object_id, QRI_COUNTER_IDENTITY),
                             table->is_temp, number, column->identity_increment, run->err);
}

/* ---- rows ---- */

enum qr_status qri_row_complete_insert(struct qri_run *run, const struct qri_table *table,
                                       struct qr_value *row, const bool *given)
{
    run->eval.row++;
    for (uint16_t i = 0; i < table->n; i++)
        if (!given[i] && i != table->identity && i != table->rowversion)
            QR_TRY(eval_default(run, table, i, &row[i]));
    if (table->identity != NONE) {
        if (given[table->identity])
            QR_TRY(given_identity(run, table, row));
        else
            QR_TRY(new_identity(run, table, row));
    }
    return finish(run, table, row, true);
}

enum qr_status qri_row_complete_update(struct qri_run *run, const struct qri_table *table,
                                       struct qr_value *row)
{
    return finish(run, table, row, false);
}

enum qr_status qri_row_id(struct qri_run *run, const struct qri_table *table,
                          const struct qr_value *row, int64_t *ret_rowid)
{
    *ret_rowid = 0;
    if (table->rowid_column != NONE)
        *ret_rowid = row[table->rowid_column].i;
    if (!table->is_heap)
        return QR_OK;
    return qri_counter_take(run->session,
                            qri_counter_id(table->object->object_id, QRI_COUNTER_ROWID),
                            table->is_temp, 1, 1, ret_rowid, run->err);
}
