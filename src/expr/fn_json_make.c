/* fn_json_make.c - see expr/func.h: writing JSON: JSON_OBJECT, JSON_ARRAY, the values of
 * JSON_MODIFY */
#include "expr_int.h"
#include <string.h>
#include "codec/datetime.h"
#include "base/banned.h"

void qri_json_put_string(struct qr_buf *out, struct qr_str s)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    qr_buf_add8(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        const char *at = s.p[i] == '\0' ? NULL : strchr(from, s.p[i]);
        if (at != NULL) {
            qr_buf_add8(out, '\\');
            qr_buf_add8(out, (uint8_t)to[at - from]);
        } else if ((unsigned char)s.p[i] < 0x20) {
            qr_buf_printf(out, "\\u%04x", (unsigned char)s.p[i]);
        } else {
            qr_buf_add8(out, (uint8_t)s.p[i]);
        }
    }
    qr_buf_add8(out, '"');
}

/* Dates in ISO 8601, floats with all their digits, bytes in base64, the rest as text. */
static enum qr_status text_of(const struct qr_call *c, size_t index, struct qr_str *ret_text,
                              struct qr_err *err)
{
    const struct qr_type *type = qri_arg_type(c, index);
    const struct qr_value *v = &c->args[index];
    char *text;
    QR_TRY(qri_room(c, QR_DT_TEXT_BYTES, &text, err));
    if (qr_type_family(type) == QR_FAMILY_DATETIME) {
        *ret_text = qr_str_n(text, qr_datetime_print(type, v, 126, text));
        return QR_OK;
    }
    if (qri_number_of(type) == QRI_FLOAT) {
        *ret_text = qr_str_n(text, qr_float_print(v->r, type->id == QR_TYPE_REAL, 2, text));
        return QR_OK;
    }
    if (qr_type_family(type) == QR_FAMILY_BINARY) {
        QR_TRY(qri_room(c, qri_base64_room(v->n), &text, err));
        *ret_text = qr_str_n(text, qri_base64(qr_value_bytes(v), text));
        return QR_OK;
    }
    struct qr_convert_env env = qri_convert_env(c->ctx);
    return qr_value_text_of(type, v, &env, ret_text, err);
}

enum qr_status qri_json_put_value(const struct qr_call *c, size_t index, struct qr_buf *out,
                                  struct qr_err *err)
{
    const struct qr_value *v = &c->args[index];
    const struct qr_type *type = qri_arg_type(c, index);
    if (qr_value_is_null(v)) {
        qr_buf_addz(out, "null");
        return QR_OK;
    }
    if (type->id == QR_TYPE_BIT) {
        qr_buf_addz(out, v->i != 0 ? "true" : "false");
        return QR_OK;
    }
    struct qr_str text;
    QR_TRY(text_of(c, index, &text, err));
    if (c->expr->args[index]->is_json || type->id == QR_TYPE_JSON || type->id == QR_TYPE_VECTOR ||
        qr_type_is_number(type))
        qr_buf_addstr(out, text);
    else
        qri_json_put_string(out, text);
    return QR_OK;
}

enum qr_status qri_json_return(const struct qr_call *c, enum qr_status status, struct qr_buf *out,
                               struct qr_value *ret_value, struct qr_err *err)
{
    if (status == QR_OK && out->failed != QR_OK)
        status = qri_expr_nomem(err);
    if (status == QR_OK) {
        struct qr_value made = qr_value_text((const char *)out->data, out->len);
        status = qr_value_copy(c->ctx->arena, &made, ret_value);
        if (status != QR_OK)
            status = qri_expr_nomem(err);
    }
    qr_buf_done(out);
    return status;
}

/* NULL ON NULL keeps members without a value; ABSENT ON NULL leaves them out. */
static bool keeps_nulls(const struct qr_call *c, bool by_default)
{
    const char *name = c->expr->u.func->name, *clause = strchr(name, ' ');
    return clause == NULL ? by_default : strncmp(clause, " NULL", 5) == 0;
}

static enum qr_status put_members(const struct qr_call *c, struct qr_buf *out, struct qr_err *err)
{
    bool nulls = keeps_nulls(c, true), any = false;
    qr_buf_add8(out, '{');
    for (size_t i = 0; i + 1 < c->arg_count; i += 2) {
        if (qr_value_is_null(&c->args[i]))
            return qr_sql_fail(err, 8116, "NULL", (int)i + 1, "json_object");
        if (!nulls && qr_value_is_null(&c->args[i + 1]))
            continue;
        if (any)
            qr_buf_add8(out, ',');
        any = true;
        struct qr_str key;
        QR_TRY(text_of(c, i, &key, err));
        qri_json_put_string(out, key);
        qr_buf_add8(out, ':');
        QR_TRY(qri_json_put_value(c, i + 1, out, err));
    }
    qr_buf_add8(out, '}');
    return QR_OK;
}

enum qr_status qri_json_object(const struct qr_call *c, struct qr_value *ret_value,
                               struct qr_err *err)
{
    struct qr_buf out;
    qr_buf_init_counted(&out, QRI_JSON_BYTES_MAX);
    return qri_json_return(c, put_members(c, &out, err), &out, ret_value, err);
}

static enum qr_status put_elements(const struct qr_call *c, struct qr_buf *out, struct qr_err *err)
{
    bool nulls = keeps_nulls(c, false), any = false;
    qr_buf_add8(out, '[');
    for (size_t i = 0; i < c->arg_count; i++) {
        if (!nulls && qr_value_is_null(&c->args[i]))
            continue;
        if (any)
            qr_buf_add8(out, ',');
        any = true;
        QR_TRY(qri_json_put_value(c, i, out, err));
    }
    qr_buf_add8(out, ']');
    return QR_OK;
}

enum qr_status qri_json_array(const struct qr_call *c, struct qr_value *ret_value,
                              struct qr_err *err)
{
    struct qr_buf out;
    qr_buf_init_counted(&out, QRI_JSON_BYTES_MAX);
    return qri_json_return(c, put_elements(c, &out, err), &out, ret_value, err);
}
