/* table_arg.c - an argument that is a table becomes a parameter's table variable; see frame.h.
 *
 * What another variable of the type holds is looked at where it is. Rows of a client have the types
 * that it chose: they are converted to the columns by their order, get what its columns of defaults
 * leave out, and are held to NOT NULL, keys and CHECKs, as rows of an INSERT are. */
#include <stdio.h>
#include "access_int.h"
#include "dml_int.h"
#include "base/banned.h"

struct load {
    struct qri_run run;
    struct qri_table *table;
    struct qr_rowset *from;
    struct qr_converter *converters;
    struct qr_value *values, *row; /* as they came, as they are kept */
    bool *given;
};

static const char *param_name(struct qri_frame *frame, uint32_t slot)
{
    return qr_arena_str(&frame->arena, frame->unit->vars[slot].name).p;
}

static enum qr_status no_memory(struct qr_err *err)
{
    return qr_fail(err, QR_NOMEM, "read a table-valued parameter");
}

/* Rows of the very types, and nothing that a row could break or lack. */
static bool fits_as_it_is(const struct qr_cat_object *shape, const struct qri_call_arg *arg)
{
    const struct qr_type *types = qr_rowset_types(arg->rowset);
    if (qr_rowset_column_count(arg->rowset) != shape->column_count ||
        arg->column_defaults != NULL || shape->index_count > 0 || shape->check_count > 0)
        return false;
    for (size_t i = 0; i < shape->column_count; i++) {
        const struct qr_cat_column *column = &shape->columns[i];
        if (!column->nullable || column->is_computed ||
            column->column_id == shape->identity_column ||
            column->column_id == shape->rowversion_column || !qr_type_eq(&types[i], &column->type))
            return false;
    }
    return true;
}

/* ---- rows of a client ---- */

static bool is_made_here(const struct qri_table *table, size_t column)
{
    return column == table->identity || column == table->rowversion ||
           table->object->columns[column].is_computed;
}

static enum qr_status prepare(struct load *l, struct qri_frame *frame, uint32_t slot,
                              const struct qri_call_arg *arg, struct qr_err *err)
{
    const struct qr_cat_object *shape = frame->unit->vars[slot].table;
    size_t n = shape->column_count;
    struct qr_bind_env env;
    qri_bind_env(frame, NULL, &env);
    struct qri_table_set set = {.arena = &frame->arena, .env = &env, .err = err};
    QR_TRY(qri_table_get(&set, shape, NULL, &l->table));
    const char *name = param_name(frame, slot);
    l->table->full_name = name;
    l->table->name = qr_arena_printf(&frame->arena, "dbo.%s", name);
    l->from = arg->rowset;
    l->converters = qr_arena_array(&frame->arena, n, sizeof *l->converters);
    l->values = qr_arena_array(&frame->arena, n, sizeof *l->values);
    l->row = qr_arena_array(&frame->arena, n, sizeof *l->row);
    l->given = qr_arena_array(&frame->arena, n, sizeof *l->given);
    if (l->table->name == NULL || l->converters == NULL || l->values == NULL || l->row == NULL ||
        l->given == NULL)
        return no_memory(err);
    const struct qr_type *types = qr_rowset_types(arg->rowset);
    for (size_t i = 0; i < n; i++) {
        l->given[i] = (arg->column_defaults == NULL || !arg->column_defaults[i]) &&
                      !is_made_here(l->table, i);
        if (!l->given[i])
            continue;
        QR_TRY(qr_converter_init(&l->converters[i], &types[i], &shape->columns[i].type,
                                 QR_STYLE_DEFAULT, QR_CONVERT_STORE, err));
        l->converters[i].table = name;
        l->converters[i].column = qr_arena_str(&frame->arena, shape->columns[i].name).p;
    }
    return qri_var_rowset(frame, slot, &l->run.rowset, err);
}

static enum qr_status convert_row(struct load *l)
{
    const struct qri_table *table = l->table;
    struct qr_convert_env env = {.arena = &l->run.arena,
                                 .dateformat = l->run.session->options.dateformat};
    for (size_t i = 0; i < table->n; i++) {
        l->row[i] = qr_value_null();
        if (l->given[i])
            QR_TRY(qr_convert(&l->converters[i], &l->values[i], &env, &l->row[i], l->run.err));
        else if (i == table->identity && l->values[i].cell != QR_CELL_NULL)
            return qr_sql_fail(l->run.err, 1077);
    }
    return QR_OK;
}

static enum qr_status load_rows(struct load *l)
{
    for (uint64_t i = 0; i < qri_rowset_end(l->from); i++) {
        bool found = false;
        if ((i & 1023) == 1023)
            QR_TRY(qri_check_cancelled(l->run.session, l->run.err));
        if (l->run.arena.chunk != NULL)
            qr_arena_reset(&l->run.arena);
        QR_TRY(qri_rowset_get(l->from, i, l->values, &found, l->run.err));
        QR_TRY(convert_row(l));
        QR_TRY(qri_row_complete_insert(&l->run, l->table, l->row, l->given));
        QR_TRY(qri_rowset_insert(&l->run, l->table, l->run.rowset, l->row));
    }
    return QR_OK;
}

/* What was wrong with the rows is told first, then whose rows they were. */
static enum qr_status fail_rows(struct qri_frame *frame, uint32_t slot, struct qr_err *err)
{
    struct qr_err first = *err;
    if (frame->module != NULL)
        (void)snprintf(first.procedure, sizeof first.procedure, "%.*s", (int)frame->module->name.n,
                       frame->module->name.p);
    QR_TRY(qri_send_error(frame->session, &first));
    qr_err_reset(err);
    return qr_sql_fail(err, 8061, param_name(frame, slot), first.number, (int)first.state);
}

static enum qr_status take_rows(struct qri_frame *frame, uint32_t slot,
                                const struct qri_call_arg *arg, struct qr_err *err)
{
    struct qr_session *session = frame->session;
    size_t sent = qr_rowset_column_count(arg->rowset);
    size_t wanted = frame->unit->vars[slot].table->column_count;
    if (sent != wanted)
        return qr_sql_fail(err, 500, (int)sent, (int)wanted);
    struct load l = {.run = {.frame = frame, .session = session, .err = err, .verb = "INSERT"}};
    qr_arena_init(&l.run.arena, QRI_STMT_ARENA_BYTES_MAX);
    qri_eval_init(&l.run.eval, session, frame, &l.run.arena);
    struct qr_value last = session->last_identity, batch = session->batch_identity;
    enum qr_status status = prepare(&l, frame, slot, arg, err);
    if (status == QR_OK)
        status = load_rows(&l);
    session->last_identity = last;
    session->batch_identity = batch;
    frame->scope_identity = qr_value_null();
    qr_arena_done(&l.run.arena);
    return status == QR_SQL ? fail_rows(frame, slot, err) : status;
}

/* ---- the argument ---- */

static struct qr_str type_name(const struct qr_session *session, uint32_t user_type_id)
{
    const struct qr_cat_usertype *type =
        qr_cat_usertype_by_id(&session->catalog->cat, user_type_id);
    return type == NULL ? qr_str("table") : type->name;
}

enum qr_status qri_table_arg(struct qri_frame *frame, uint32_t slot, const struct qri_call_arg *arg,
                             struct qr_err *err)
{
    struct qr_session *session = frame->session;
    const struct qr_bind_var *var = &frame->unit->vars[slot];
    bool is_table = arg->type.id == QR_TYPE_TABLE;
    bool is_of_client = frame->outer == NULL;
    if (!is_table || (!is_of_client && arg->user_type_id != var->user_type_id)) {
        struct qr_str is =
            is_table ? type_name(session, arg->user_type_id) : qr_str(qr_type_name(&arg->type));
        return qr_sql_fail(err, 206, qr_arena_str(&frame->arena, is).p,
                           qr_arena_str(&frame->arena, type_name(session, var->user_type_id)).p);
    }
    if (is_of_client) /* no DECLARE has asked */
        QR_TRY(qri_want_table_type(session, NULL, var->user_type_id, err));
    if (arg->rowset == NULL)
        return QR_OK; /* no table: an empty one */
    if (is_of_client && !fits_as_it_is(var->table, arg))
        return take_rows(frame, slot, arg, err);
    frame->slots[slot].rowset = arg->rowset;
    frame->slots[slot].rowset_borrowed = true;
    return QR_OK;
}
