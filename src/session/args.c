/* Parameters of a call as arguments of the engine. */
#include <string.h>
#include "engine/rowset.h"
#include "session_int.h"
#include "base/banned.h"

static enum qr_status fill_rowset(struct qr_rowset *rowset, struct qr_tds_tvp *tvp,
                                  struct qr_err *err)
{
    enum { ROW_BYTES_MAX = 1 << 30 };
    struct qr_arena arena_row;
    qr_arena_init(&arena_row, ROW_BYTES_MAX);
    struct qr_value *values = NULL;
    enum qr_status status = QR_OK;
    bool row = true;
    while (status == QR_OK && row) {
        qr_arena_reset(&arena_row);
        values = qr_arena_array(&arena_row, tvp->column_count, sizeof *values);
        status = values == NULL ? qr_fail(err, QR_NOMEM, "a row")
                                : qr_tds_tvp_next(tvp, &arena_row, values, &row, err);
        if (status == QR_OK && row)
            status = qr_rowset_append(rowset, values, err);
    }
    qr_arena_done(&arena_row);
    return status;
}

static void free_rowset(struct qr_rowset **rowset)
{
    qr_rowset_free(*rowset);
}

static enum qr_status table_arg(struct qri_served *s, struct qr_tds_tvp *tvp, struct qr_arg *arg,
                                struct qr_err *err)
{
    arg->table_type = tvp->type_name;
    if (tvp->schema.n > 0) {
        char *name = qr_arena_printf(&s->arena_request, "%.*s.%.*s", (int)tvp->schema.n,
                                     tvp->schema.p, (int)tvp->type_name.n, tvp->type_name.p);
        if (name == NULL)
            return qr_fail(err, QR_NOMEM, "a type name");
        arg->table_type = qr_str(name);
    }
    if (tvp->is_null)
        return QR_OK; /* an empty table of the parameter's type */
    struct qr_type *types = qr_arena_array(&s->arena_request, tvp->column_count, sizeof *types);
    bool *defaults = qr_arena_array(&s->arena_request, tvp->column_count, sizeof *defaults);
    bool has_defaults = false;
    if (types == NULL || defaults == NULL)
        return qr_fail(err, QR_NOMEM, "columns");
    for (size_t i = 0; i < tvp->column_count; i++) {
        types[i] = tvp->columns[i].wire.type;
        defaults[i] = tvp->columns[i].is_default;
        has_defaults |= defaults[i];
    }
    arg->column_defaults = has_defaults ? defaults : NULL;
    QR_AUTO(free_rowset) struct qr_rowset *rowset = NULL;
    QR_TRY(qr_rowset_new(types, tvp->column_count, qr_session_store(s->engine), &rowset, err));
    QR_TRY(fill_rowset(rowset, tvp, err));
    arg->rowset = QR_TAKE(rowset);
    return QR_OK;
}

enum qr_status qri_args_make(struct qri_served *s, const struct qr_tds_rpc *rpc, size_t first,
                             struct qr_arg **ret_args, size_t *ret_count, struct qr_err *err)
{
    size_t count = rpc->param_count > first ? rpc->param_count - first : 0;
    struct qr_arg *args = qr_arena_array(&s->arena_request, count + 1, sizeof *args);
    if (args == NULL)
        return qr_fail(err, QR_NOMEM, "%zu arguments", count);
    for (size_t i = 0; i < count; i++) {
        const struct qr_tds_param *p = &rpc->params[first + i];
        args[i] = (struct qr_arg){
            .name = p->name,
            .type = p->type,
            .value = p->value,
            .is_output = p->is_output,
            .is_default = p->is_default,
        };
        enum qr_status status = p->tvp == NULL ? QR_OK : table_arg(s, p->tvp, &args[i], err);
        if (status != QR_OK) {
            qri_args_free(args, i);
            return status;
        }
    }
    *ret_args = args;
    *ret_count = count;
    return QR_OK;
}

void qri_args_free(struct qr_arg *args, size_t count)
{
    for (size_t i = 0; i < count; i++)
        qr_rowset_free(args[i].rowset);
}
