/* for.c - what FOR JSON and FOR XML share; see for_int.h */
#include "for_int.h"
#include <stdlib.h>
#include <string.h>
#include "codec/convert.h"
#include "codec/datetime.h"
#include "base/banned.h"

enum { TEXT_BYTES_MAX = 256 << 20, STYLE_ISO = 126, STYLE_FLOAT = 2 };

static bool is_json(const struct qri_for *f)
{
    return f->call->kind == QR_FORMAT_JSON_AUTO || f->call->kind == QR_FORMAT_JSON_PATH;
}

static bool is_auto(const struct qri_for *f)
{
    return f->call->kind == QR_FORMAT_JSON_AUTO || f->call->kind == QR_FORMAT_XML_AUTO;
}

enum qr_status qri_for_begin(struct qri_for *f, const struct qr_plan_for *call, struct qr_err *err)
{
    *f = (struct qri_for){.call = call};
    qr_buf_init(&f->out, TEXT_BYTES_MAX);
    for (size_t i = 0; i < call->column_count; i++)
        if (call->columns[i].level > f->level_max)
            f->level_max = call->columns[i].level;
    if (is_json(f))
        qri_json_begin(f);
    else
        qri_xml_begin(f);
    if (!is_auto(f))
        return QR_OK;
    struct qr_type *types = calloc(call->column_count + 1, sizeof *types);
    f->values_before = calloc(call->column_count + 1, sizeof *f->values_before);
    enum qr_status status = QR_NOMEM;
    if (types != NULL && f->values_before != NULL) {
        for (size_t i = 0; i < call->column_count; i++)
            types[i] = call->columns[i].type;
        status = qr_rowset_new(types, call->column_count, NULL, &f->before, err);
    }
    free(types);
    return status == QR_NOMEM ? qr_fail(err, QR_NOMEM, "format rows") : status;
}

void qri_for_done(struct qri_for *f)
{
    qr_buf_done(&f->out);
    qr_rowset_free(f->before);
    free(f->values_before);
    *f = (struct qri_for){0};
}

static bool is_same(const struct qr_value *a, const struct qr_value *b)
{
    if (a->cell != b->cell || a->n != b->n)
        return false;
    switch (a->cell) {
    case QR_CELL_NULL:
        return true;
    case QR_CELL_INT:
        return a->i == b->i;
    case QR_CELL_REAL:
        return a->r == b->r; /* never a NaN */
    case QR_CELL_WIDE:
        return a->w == b->w;
    case QR_CELL_TEXT:
    case QR_CELL_BLOB:
        break;
    }
    return a->n == 0 || memcmp(a->p, b->p, a->n) == 0;
}

/* The innermost level always makes a new element or object. */
static enum qr_status changed_level(struct qri_for *f, const struct qr_value *values,
                                    uint16_t *ret_level, struct qr_err *err)
{
    const struct qr_plan_for *call = f->call;
    uint16_t level = f->level_max;
    bool found = false;
    if (f->row_count > 0) {
        QR_TRY(qri_rowset_get(f->before, 0, f->values_before, &found, err));
        for (size_t i = 0; i < call->column_count; i++)
            if (call->columns[i].level < level && !is_same(&values[i], &f->values_before[i]))
                level = call->columns[i].level;
    }
    qr_rowset_clear(f->before);
    *ret_level = f->row_count == 0 ? 0 : level;
    return qr_rowset_append(f->before, values, err);
}

enum qr_status qri_for_row(struct qri_for *f, struct qr_arena *arena, const struct qr_value *values,
                           struct qr_err *err)
{
    uint16_t level = 0;
    if (is_auto(f))
        QR_TRY(changed_level(f, values, &level, err));
    enum qr_status status;
    if (f->call->kind == QR_FORMAT_JSON_AUTO)
        status = qri_json_auto_row(f, arena, values, level, err);
    else if (f->call->kind == QR_FORMAT_JSON_PATH)
        status = qri_json_path_row(f, arena, values, err);
    else if (f->call->kind == QR_FORMAT_XML_PATH)
        status = qri_xml_path_row(f, arena, values, err);
    else if (f->call->kind == QR_FORMAT_XML_EXPLICIT)
        status = qri_xml_explicit_row(f, arena, values, err);
    else
        status = qri_xml_auto_row(f, arena, values, level, err);
    f->row_count++;
    return status;
}

enum qr_status qri_for_end(struct qri_for *f, struct qr_str *ret_text, struct qr_err *err)
{
    if (is_json(f))
        qri_json_end(f);
    else
        qri_xml_end(f);
    QR_TRY(qr_buf_status(&f->out, err));
    *ret_text = qr_str_n(qr_buf_cstr(&f->out), f->out.len);
    return QR_OK;
}

static enum qr_status base64(struct qr_arena *arena, struct qr_str bytes, struct qr_str *ret_text,
                             struct qr_err *err)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = (bytes.n + 2) / 3 * 4, at = 0;
    char *dst = qr_arena_alloc(arena, n + 1);
    if (dst == NULL)
        return qr_fail(err, QR_NOMEM, "format bytes");
    for (size_t i = 0; i < bytes.n; i += 3) {
        uint32_t v = (uint32_t)(uint8_t)bytes.p[i] << 16;
        v |= i + 1 < bytes.n ? (uint32_t)(uint8_t)bytes.p[i + 1] << 8 : 0;
        v |= i + 2 < bytes.n ? (uint32_t)(uint8_t)bytes.p[i + 2] : 0;
        dst[at++] = digits[v >> 18];
        dst[at++] = digits[v >> 12 & 63];
        dst[at++] = i + 1 < bytes.n ? digits[v >> 6 & 63] : '=';
        dst[at++] = i + 2 < bytes.n ? digits[v & 63] : '=';
    }
    *ret_text = qr_str_n(dst, n);
    return QR_OK;
}

enum qr_status qri_for_text(struct qr_arena *arena, const struct qr_type *type,
                            const struct qr_value *value, struct qr_str *ret_text,
                            struct qr_err *err)
{
    struct qr_convert_env env = {.arena = arena};
    switch ((int)qr_type_family(type)) {
    case QR_FAMILY_BINARY:
        return base64(arena, qr_value_bytes(value), ret_text, err);
    case QR_FAMILY_DATETIME: {
        char dst[QR_DT_TEXT_BYTES];
        size_t n = qr_datetime_print(type, value, STYLE_ISO, dst);
        *ret_text = qr_arena_str(arena, qr_str_n(dst, n));
        break;
    }
    case QR_FAMILY_FLOAT: {
        char dst[QR_FLOAT_TEXT_BYTES];
        size_t n = qr_float_print(value->r, type->id == QR_TYPE_REAL, STYLE_FLOAT, dst);
        *ret_text = qr_arena_str(arena, qr_str_n(dst, n));
        break;
    }
    case QR_FAMILY_MONEY: { /* all four digits */
        struct qr_type four = qr_type_decimal(19, 4);
        struct qr_value v = qr_value_decimal(&four, value->i);
        return qr_value_text_of(&four, &v, &env, ret_text, err);
    }
    default:
        return qr_value_text_of(type, value, &env, ret_text, err);
    }
    return ret_text->p == NULL ? qr_fail(err, QR_NOMEM, "format a value") : QR_OK;
}
