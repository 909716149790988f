/* rows.c - see expr/rows.h */
#include "expr/rows.h"
#include "codec/utf.h"
#include "expr_int.h"
#include "base/banned.h"

enum qr_status qr_split_open(const struct qr_type *type, struct qr_str text,
                             struct qr_str separator, struct qr_split *ret_split,
                             struct qr_err *err)
{
    if (qr_utf16_units(separator) != 1)
        return qr_sql_fail(err, 214, "separator", "nchar(1)/nvarchar(1)");
    *ret_split = (struct qr_split){.text = text, .separator = separator};
    ret_split->order = qr_order_of(type);
    return QR_OK;
}

bool qr_split_next(struct qr_split *split, struct qr_str *ret_value, int64_t *ret_ordinal)
{
    if (split->done)
        return false;
    size_t at, bytes, from = split->pos;
    if (qr_order_search(split->order, split->text, split->separator, from, &at, &bytes)) {
        split->pos = at + bytes;
    } else {
        at = split->text.n;
        split->done = true;
    }
    *ret_value = qr_str_n(split->text.p + from, at - from);
    *ret_ordinal = ++split->ordinal;
    return true;
}

enum qr_status qr_series_bind(struct qr_expr_builder *b, const struct qr_expr **args,
                              size_t arg_count, struct qr_type *ret_type)
{
    const struct qr_expr *first = NULL;
    struct qr_type type;
    for (size_t i = 0; i < arg_count; i++) {
        enum qri_number kind = qri_number_of(&args[i]->type);
        if (qri_is_null_literal(args[i]))
            continue;
        if (kind != QRI_INT && kind != QRI_DECIMAL)
            return qr_sql_fail(b->err, 8116, qr_type_name(&args[i]->type), (int)i + 1,
                               "generate_series");
        if (first == NULL)
            first = args[i];
        if (kind != qri_number_of(&first->type) ||
            (kind == QRI_INT && args[i]->type.id != first->type.id))
            return qr_sql_fail(b->err, 5373);
    }
    QR_TRY(qr_expr_common_type(b, args, arg_count, &type, NULL));
    for (size_t i = 0; i < arg_count; i++)
        QR_TRY(qr_expr_convert(b, type, args[i], &args[i]));
    *ret_type = type;
    return QR_OK;
}

enum qr_status qr_series_open(const struct qr_type *type, const struct qr_value *start,
                              const struct qr_value *stop, const struct qr_value *step,
                              struct qr_series *ret_series, struct qr_err *err)
{
    struct qr_series s = {.type = *type};
    bool null = qr_value_is_null(start) || qr_value_is_null(stop) ||
                (step != NULL && qr_value_is_null(step));
    s.done = null;
    if (!null) {
        qr_i128 one = qri_number_of(type) == QRI_DECIMAL ? qr_dec_pow10(type->scale) : 1;
        s.next = qr_value_scaled(start);
        s.stop = qr_value_scaled(stop);
        s.step = step != NULL ? qr_value_scaled(step) : s.next <= s.stop ? one : -one;
        if (s.step == 0)
            return qr_sql_fail(err, 4199, 0, 3, "GENERATE_SERIES");
        s.done = s.step > 0 ? s.next > s.stop : s.next < s.stop;
    }
    *ret_series = s;
    return QR_OK;
}

bool qr_series_next(struct qr_series *series, struct qr_value *ret_value)
{
    if (series->done)
        return false;
    *ret_value = qri_number_of(&series->type) == QRI_DECIMAL
                     ? qr_value_decimal(&series->type, series->next)
                     : qr_value_int((int64_t)series->next);
    bool over = __builtin_add_overflow(series->next, series->step, &series->next);
    series->done =
        over || (series->step > 0 ? series->next > series->stop : series->next < series->stop);
    return true;
}
