/* agg.c - see expr/agg.h: lookup, binding, driving */
#include "agg_int.h"
#include <ctype.h>
#include <string.h>
#include "base/banned.h"

enum { NAME_BYTES_MAX = 32 };

static const struct qri_agg_family *const families[] = {
    &qri_sum_aggs, &qri_stat_aggs, &qri_text_aggs, &qri_ordered_aggs, &qri_window_aggs};

const struct qr_agg *qr_agg_find(struct qr_str name)
{
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++)
        for (size_t i = 0; i < families[f]->count; i++)
            if (qr_str_ieqz(name, families[f]->aggs[i].name))
                return &families[f]->aggs[i];
    return NULL;
}

static const char *lower_name(const struct qr_agg *agg, char dst[NAME_BYTES_MAX])
{
    size_t n = strlen(agg->name);
    assert(n < NAME_BYTES_MAX);
    for (size_t i = 0; i <= n; i++)
        dst[i] = (char)tolower((unsigned char)agg->name[i]);
    return dst;
}

enum qr_status qri_agg_bad_operand(struct qr_expr_builder *b, const struct qr_agg_call *call)
{
    char name[NAME_BYTES_MAX];
    const struct qr_type *type = &call->args[0]->type;
    return qr_sql_fail(b->err, 8117, type->id == QR_TYPE_NULL ? "NULL" : qr_type_name(type),
                       lower_name(call->agg, name));
}

enum qr_status qr_agg_bind(struct qr_expr_builder *b, const struct qr_agg *agg,
                           const struct qr_expr *const *args, size_t arg_count, bool distinct,
                           struct qr_agg_call *ret_call)
{
    char name[NAME_BYTES_MAX];
    if (arg_count < agg->args_min || arg_count > agg->args_max) {
        if (agg->args_min == agg->args_max || agg->args_max == 1)
            return qr_sql_fail(b->err, 174, lower_name(agg, name), agg->args_max);
        return qr_sql_fail(b->err, 189, lower_name(agg, name), agg->args_min, agg->args_max);
    }
    struct qr_agg_call call = {.agg = agg, .arg_count = arg_count, .distinct = distinct};
    call.args = qr_arena_array(b->arena, arg_count + 1, sizeof *call.args);
    if (call.args == NULL)
        return qri_expr_nomem(b->err);
    for (size_t i = 0; i < arg_count; i++)
        call.args[i] = args[i];
    call.nullable = true; /* also COUNT and ROW_NUMBER are announced so */
    call.label = QR_LABEL_COERCIBLE_DEFAULT;
    QR_TRY(agg->typing(b, &call));
    *ret_call = call;
    return QR_OK;
}

/* NULLs are mostly left out; COUNT(*) has no argument to be NULL. */
static bool is_skipped(const struct qr_agg_call *call, struct qr_eval *ctx,
                       const struct qr_value *args)
{
    if (call->arg_count == 0 || (call->agg->flags & QR_AGG_SEES_NULLS) != 0 ||
        !qr_value_is_null(&args[0]))
        return false;
    ctx->null_eliminated = true;
    return true;
}

enum qr_status qr_agg_step(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                           const struct qr_value *args, struct qr_err *err)
{
    assert(call->agg->step != NULL);
    if (is_skipped(call, ctx, args))
        return QR_OK;
    return call->agg->step(call, state, ctx, args, err);
}

enum qr_status qr_agg_inverse(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                              const struct qr_value *args, struct qr_err *err)
{
    assert(call->agg->inverse != NULL);
    if (is_skipped(call, ctx, args))
        return QR_OK;
    return call->agg->inverse(call, state, ctx, args, err);
}

enum qr_status qr_agg_value(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                            struct qr_value *ret_value, struct qr_err *err)
{
    assert(call->agg->value != NULL);
    if (state == NULL) {
        *ret_value = call->agg->flags & QR_AGG_NOT_NULL ? qr_value_int(0) : qr_value_null();
        return QR_OK;
    }
    return call->agg->value(call, state, ctx, ret_value, err);
}

void qr_agg_done(const struct qr_agg_call *call, void *state)
{
    if (state != NULL && call->agg->done != NULL)
        call->agg->done(state);
}
