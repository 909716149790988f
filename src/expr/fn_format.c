/* fn_format.c - see expr/func.h: FORMAT */
#include "culture.h"
#include "expr_int.h"
#include "base/banned.h"

enum { FORMATTED_BYTES_MAX = 64 * 1024 };

static enum qr_status type_format(struct qr_func_typing *t)
{
    const struct qr_type *type = &t->args[0]->type;
    bool good = (qr_type_is_number(type) && type->id != QR_TYPE_BIT) ||
                qr_type_family(type) == QR_FAMILY_DATETIME || type->id == QR_TYPE_NULL;
    if (!good)
        return qri_bad_argument(t, 0);
    qri_result_string(t, true, QR_NCHAR_LENGTH_MAX);
    t->nullable = true;
    return QR_OK;
}

static enum qr_status fn_format(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    struct qr_str name = c->arg_count == 3 ? qri_arg_str(c, 2) : qr_str("en-US");
    const struct qri_culture *culture = qri_culture_find(name);
    if (culture == NULL) {
        char *z = qr_arena_dup(c->ctx->arena, name.p, name.n);
        return z == NULL ? qri_expr_nomem(err) : qr_sql_fail(err, 9818, z);
    }
    const struct qr_type *type = qri_arg_type(c, 0);
    struct qr_buf out;
    qr_buf_init(&out, FORMATTED_BYTES_MAX);
    bool good = qr_type_family(type) == QR_FAMILY_DATETIME
                    ? qri_format_moment(culture, qri_arg_str(c, 1), type, &c->args[0], &out)
                    : qri_format_number(culture, qri_arg_str(c, 1), type, &c->args[0], &out);
    enum qr_status status = QR_OK;
    *ret = qr_value_null(); /* what a format makes of nothing is NULL, not an error */
    if (out.failed == QR_NOMEM) {
        status = qri_expr_nomem(err);
    } else if (good && out.failed == QR_OK) {
        struct qr_str text = qri_cut(&c->expr->type, qr_str_n((const char *)out.data, out.len));
        char *copy = qr_arena_dup(c->ctx->arena, text.p, text.n);
        if (copy == NULL)
            status = qri_expr_nomem(err);
        else
            *ret = qr_value_text(copy, text.n);
    }
    qr_buf_done(&out);
    return status;
}

static const struct qr_func format_funcs[] = {
    {"FORMAT", 2, 3, "*nn", type_format, 0, 0, fn_format, 0, QR_HOST_NONE},
};
const struct qri_family qri_format_funcs = {format_funcs,
                                            sizeof format_funcs / sizeof format_funcs[0]};
