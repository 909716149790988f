/* fn_system.c - see expr/func.h: bits, GREATEST, CHECKSUM, variants, settings, messages */
#include "expr_int.h"
#include <string.h>
#include "expr/format.h"
#include "base/banned.h"

/* --- settings --- */

static enum qr_status fn_datefirst(const struct qr_call *c, struct qr_value *ret,
                                   struct qr_err *err)
{
    (void)err;
    *ret = qr_value_int(c->ctx->settings->datefirst);
    return QR_OK;
}

static enum qr_status fn_language(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    (void)err;
    *ret = qr_value_str(qr_str(c->ctx->settings->language));
    return QR_OK;
}

static enum qr_status fn_langid(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    (void)err;
    *ret = qr_value_int(c->ctx->settings->language_id);
    return QR_OK;
}

static enum qr_status fn_max_precision(const struct qr_call *c, struct qr_value *ret,
                                       struct qr_err *err)
{
    (void)c;
    (void)err;
    *ret = qr_value_int(QR_DECIMAL_PRECISION_MAX);
    return QR_OK;
}

/* 12.0.2000: the version that SERVERPROPERTY('ProductVersion') names. */
static enum qr_status fn_microsoft_version(const struct qr_call *c, struct qr_value *ret,
                                           struct qr_err *err)
{
    (void)c;
    (void)err;
    *ret = qr_value_int(12 << 24 | 2000);
    return QR_OK;
}

static enum qr_status fn_timezone(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    (void)err;
    bool id = c->expr->u.func->name[strlen(c->expr->u.func->name) - 1] == 'D';
    *ret = qr_value_str(qr_str(id ? "UTC" : "(UTC) Coordinated Universal Time"));
    return QR_OK;
}

/* --- arguments of window functions --- */

static enum qr_status fn_tiles(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    if (qr_value_is_null(&c->args[0]) || c->args[0].i <= 0)
        return qr_sql_fail(err, 4116, "ntile");
    *ret = c->args[0];
    return QR_OK;
}

static enum qr_status fn_offset(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    if (qr_value_is_null(&c->args[0]) || c->args[0].i < 0)
        return qr_sql_fail(err, 8730);
    *ret = c->args[0];
    return QR_OK;
}

/* --- bits --- */

static const struct {
    enum qr_type_id id;
    unsigned bits;
} widths[] = {
    {QR_TYPE_BIT, 1},  {QR_TYPE_TINYINT, 8}, {QR_TYPE_SMALLINT, 16},
    {QR_TYPE_INT, 32}, {QR_TYPE_BIGINT, 64},
};

static unsigned width_of(enum qr_type_id id)
{
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++)
        if (widths[i].id == id)
            return widths[i].bits;
    return 0;
}

static uint64_t pattern(const struct qr_call *c)
{
    unsigned bits = width_of(qri_arg_type(c, 0)->id);
    uint64_t u = (uint64_t)c->args[0].i;
    return bits == 64 ? u : u & ((UINT64_C(1) << bits) - 1);
}

static bool is_bytes(const struct qr_type *type)
{
    return qr_type_family(type) == QR_FAMILY_BINARY && !qr_type_is_lob(type);
}

static enum qr_status type_bits(struct qr_func_typing *t)
{
    if (qri_is_null_literal(t->args[0]))
        QR_TRY(qri_null_of(t->b, qr_type_of(QR_TYPE_INT), &t->args[0]));
    if (qri_number_of(&t->args[0]->type) != QRI_INT && !is_bytes(&t->args[0]->type))
        return qri_bad_argument(t, 0);
    t->type = t->args[0]->type;
    return QR_OK;
}

static enum qr_status type_bit_count(struct qr_func_typing *t)
{
    QR_TRY(type_bits(t));
    t->type = qr_type_of(QR_TYPE_BIGINT);
    return QR_OK;
}

static enum qr_status type_get_bit(struct qr_func_typing *t)
{
    QR_TRY(type_bits(t));
    t->type = qr_type_of(QR_TYPE_BIT);
    return QR_OK;
}

static enum qr_status fn_bit_count(const struct qr_call *c, struct qr_value *ret,
                                   struct qr_err *err)
{
    (void)err;
    int64_t count = 0;
    if (!is_bytes(qri_arg_type(c, 0)))
        count = __builtin_popcountll(pattern(c));
    else
        for (size_t i = 0; i < c->args[0].n; i++)
            count += __builtin_popcount((uint8_t)c->args[0].p[i]);
    *ret = qr_value_int(count);
    return QR_OK;
}

/* Bit 0 is the lowest of the last byte. */
static int64_t bit_width(const struct qr_call *c)
{
    return is_bytes(qri_arg_type(c, 0)) ? (int64_t)c->args[0].n * 8
                                        : width_of(qri_arg_type(c, 0)->id);
}

static enum qr_status check_offset(const struct qr_call *c, const char *name, struct qr_err *err)
{
    int64_t offset = c->args[1].i;
    return offset < 0 || offset >= bit_width(c) ? qr_sql_fail(err, 4199, (int)offset, 2, name)
                                                : QR_OK;
}

static enum qr_status fn_get_bit(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    int64_t offset = c->args[1].i;
    QR_TRY(check_offset(c, "get_bit", err));
    if (is_bytes(qri_arg_type(c, 0))) {
        uint8_t byte = (uint8_t)c->args[0].p[c->args[0].n - 1 - (size_t)offset / 8];
        *ret = qr_value_int(byte >> offset % 8 & 1);
        return QR_OK;
    }
    *ret = qr_value_int((int64_t)(pattern(c) >> offset & 1));
    return QR_OK;
}

/* A copy to change. */
static uint8_t *copy_bytes(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    uint8_t *bytes = qr_arena_alloc(c->ctx->arena, c->args[0].n + 1);
    if (bytes == NULL) {
        enum qr_status ignored = qri_expr_nomem(err);
        (void)ignored;
        return NULL;
    }
    memcpy(bytes, c->args[0].p, c->args[0].n);
    *ret = qr_value_blob(bytes, c->args[0].n);
    return bytes;
}

static enum qr_status set_in_bytes(const struct qr_call *c, struct qr_value *ret,
                                   struct qr_err *err)
{
    uint8_t *bytes = copy_bytes(c, ret, err);
    if (bytes == NULL)
        return QR_NOMEM;
    size_t offset = (size_t)c->args[1].i;
    uint8_t *byte = &bytes[c->args[0].n - 1 - offset / 8], mask = (uint8_t)(1U << offset % 8);
    *byte = (uint8_t)(c->arg_count == 2 || c->args[2].i != 0 ? *byte | mask : *byte & ~mask);
    return QR_OK;
}

/* The whole is one number, whose first byte is the highest. */
static enum qr_status shift_bytes(const struct qr_call *c, bool left, uint64_t count,
                                  struct qr_value *ret, struct qr_err *err)
{
    const struct qr_value *from = &c->args[0];
    uint8_t *bytes = copy_bytes(c, ret, err);
    if (bytes == NULL)
        return QR_NOMEM;
    uint64_t whole = count / 8, part = count % 8;
    for (size_t i = 0; i < from->n; i++) { /* byte i from the low end */
        unsigned v = 0;
        for (int k = 0; k < 2; k++) { /* it is made of two of them */
            uint64_t step = whole + (uint64_t)k;
            bool inside = left ? step <= i : step < from->n - i;
            if (!inside)
                continue;
            unsigned byte = (uint8_t)from->p[from->n - 1 - (left ? i - step : i + step)];
            v |= left ? (k == 0 ? byte << part : byte >> (8 - part))
                      : (k == 0 ? byte >> part : byte << (8 - part));
        }
        bytes[from->n - 1 - i] = (uint8_t)v;
    }
    return QR_OK;
}

static enum qr_status fn_set_bit(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    int64_t offset = c->args[1].i;
    unsigned bits = width_of(qri_arg_type(c, 0)->id);
    QR_TRY(check_offset(c, "set_bit", err));
    if (c->arg_count == 3 && c->args[2].i != 0 && c->args[2].i != 1)
        return qr_sql_fail(err, 4199, (int)c->args[2].i, 3, "set_bit");
    if (is_bytes(qri_arg_type(c, 0)))
        return set_in_bytes(c, ret, err);
    uint64_t mask = UINT64_C(1) << offset, u = pattern(c);
    u = c->arg_count == 2 || c->args[2].i != 0 ? u | mask : u & ~mask;
    bool is_signed = qri_arg_type(c, 0)->id >= QR_TYPE_SMALLINT;
    if (is_signed && bits < 64 && (u >> (bits - 1)) != 0)
        u |= ~UINT64_C(0) << bits;
    *ret = qr_value_int((int64_t)u);
    return QR_OK;
}

static enum qr_status fn_shift(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    bool left = c->expr->u.func->name[0] == 'L';
    int64_t count = c->args[1].i;
    unsigned bits = width_of(qri_arg_type(c, 0)->id);
    if (count < 0) {
        left = !left;
        count = count == INT64_MIN ? INT64_MAX : -count;
    }
    if (is_bytes(qri_arg_type(c, 0)))
        return shift_bytes(c, left, (uint64_t)count, ret, err);
    uint64_t u = count >= bits ? 0 : left ? pattern(c) << count : pattern(c) >> count;
    if (bits < 64) {
        u &= (UINT64_C(1) << bits) - 1;
        if (qri_arg_type(c, 0)->id >= QR_TYPE_SMALLINT && (u >> (bits - 1)) != 0)
            u |= ~UINT64_C(0) << bits;
    }
    *ret = qr_value_int((int64_t)u);
    return QR_OK;
}

/* --- GREATEST, LEAST --- */

static enum qr_status type_greatest(struct qr_func_typing *t)
{
    enum qr_collation_label label;
    QR_TRY(qr_expr_common_type(t->b, t->args, t->arg_count, &t->type, &label));
    t->use = (struct qr_collation_use){label, t->type.collation};
    if (!qr_type_is_comparable(&t->type))
        return qri_bad_argument(t, 0);
    t->nullable = true;
    for (size_t i = 0; i < t->arg_count; i++) {
        QR_TRY(qri_coerce(t->b, t->type, t->args[i], &t->args[i]));
        t->nullable = t->nullable && t->args[i]->nullable;
    }
    return QR_OK;
}

/* NULLs do not take part. */
static enum qr_status fn_greatest(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    (void)err;
    bool greatest = c->expr->u.func->name[0] == 'G';
    *ret = qr_value_null();
    for (size_t i = 0; i < c->arg_count; i++) {
        if (qr_value_is_null(&c->args[i]))
            continue;
        int order = qr_value_is_null(ret)
                        ? 1
                        : qr_value_compare(&c->expr->type, &c->args[i], ret) * (greatest ? 1 : -1);
        if (order > 0)
            *ret = c->args[i];
    }
    return QR_OK;
}

/* --- CHECKSUM, BINARY_CHECKSUM --- */

static uint32_t rotate4(uint32_t v)
{
    return v << 4 | v >> 28;
}

/* Folds the bytes as they are, or as the collation sees them. */
static uint32_t checksum_of(const struct qr_type *type, const struct qr_value *v, bool binary)
{
    if (v->cell == QR_CELL_INT)
        return (uint32_t)v->i ^
               (v->i >= INT32_MIN && v->i <= INT32_MAX ? 0 : (uint32_t)(v->i >> 32));
    uint32_t sum = 0;
    bool bytes = v->cell == QR_CELL_TEXT || v->cell == QR_CELL_BLOB;
    if (bytes && (binary || !qr_type_is_string(type))) {
        size_t n = v->n;
        while (n > 0 && v->cell == QR_CELL_TEXT && v->p[n - 1] == ' ')
            n--;
        for (size_t i = 0; i < n; i++)
            sum = rotate4(sum) ^ (uint8_t)v->p[i];
        return sum;
    }
    uint64_t h = qr_value_hash(type, v, 0);
    return (uint32_t)(h ^ h >> 32);
}

static enum qr_status fn_checksum(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    (void)err;
    bool binary = c->expr->u.func->name[0] == 'B';
    uint32_t sum = 0;
    for (size_t i = 0; i < c->arg_count; i++) {
        const struct qr_value *v = &c->args[i];
        uint32_t one =
            qr_value_is_null(v) ? UINT32_C(0x7FFFFFFF) : checksum_of(qri_arg_type(c, i), v, binary);
        sum = rotate4(sum) ^ one;
    }
    *ret = qr_value_int((int32_t)sum);
    return QR_OK;
}

static enum qr_status type_checksum(struct qr_func_typing *t)
{
    for (size_t i = 0; i < t->arg_count; i++)
        if (!qr_type_is_comparable(&t->args[i]->type))
            return qri_bad_argument(t, i);
    t->type = qr_type_of(QR_TYPE_INT);
    t->nullable = false;
    return QR_OK;
}

/* --- SQL_VARIANT_PROPERTY --- */

static enum qr_status variant_int(const struct qr_call *c, int64_t v, struct qr_value *ret)
{
    struct qr_type type = qr_type_of(QR_TYPE_INT);
    struct qr_value value = qr_value_int(v);
    return qr_variant_make(c->ctx->arena, &type, &value, ret);
}

static enum qr_status variant_name(const struct qr_call *c, const char *name, struct qr_value *ret)
{
    struct qr_type type = qr_type_sized(QR_TYPE_NVARCHAR, 128);
    struct qr_value value = qr_value_str(qr_str(name));
    return qr_variant_make(c->ctx->arena, &type, &value, ret);
}

static enum qr_status variant_property(const struct qr_call *c, const struct qr_type *type,
                                       const struct qr_value *v, struct qr_str property,
                                       struct qr_value *ret)
{
    if (qr_str_ieqz(property, "BaseType"))
        return variant_name(c, qr_type_name(type), ret);
    if (qr_str_ieqz(property, "Precision"))
        return variant_int(c, qr_type_precision(type), ret);
    if (qr_str_ieqz(property, "Scale"))
        return variant_int(c, qr_type_scale(type), ret);
    if (qr_str_ieqz(property, "MaxLength"))
        return variant_int(c, qr_type_max_length(type), ret);
    if (qr_str_ieqz(property, "TotalBytes")) {
        int64_t head =
            qr_type_is_string(type) ? 8
            : qr_type_family(type) == QR_FAMILY_BINARY || qr_type_family(type) == QR_FAMILY_DECIMAL
                ? 4
                : 2;
        return variant_int(c, head + (int64_t)qr_value_datalength(type, v), ret);
    }
    if (qr_str_ieqz(property, "Collation") && qr_type_is_string(type))
        return variant_name(c, qr_collation_get(type->collation)->name, ret);
    *ret = qr_value_null();
    return QR_OK;
}

static enum qr_status fn_variant_property(const struct qr_call *c, struct qr_value *ret,
                                          struct qr_err *err)
{
    struct qr_type type = *qri_arg_type(c, 0);
    struct qr_value v = c->args[0];
    if (type.id == QR_TYPE_SQL_VARIANT)
        QR_TRY(qr_variant_open(qri_arg_str(c, 0), &type, &v, err));
    enum qr_status status = variant_property(c, &type, &v, qri_arg_str(c, 1), ret);
    return status == QR_OK ? QR_OK : qri_expr_nomem(err);
}

/* --- FORMATMESSAGE --- */

static enum qr_status type_formatmessage(struct qr_func_typing *t)
{
    const struct qr_type *type = &t->args[0]->type;
    if (!qr_type_is_string(type) && qri_number_of(type) != QRI_INT && type->id != QR_TYPE_NULL)
        return qri_bad_argument(t, 0);
    qri_result_string(t, true, 2048);
    t->nullable = true;
    return QR_OK;
}

static enum qr_status fn_formatmessage(const struct qr_call *c, struct qr_value *ret,
                                       struct qr_err *err)
{
    struct qr_type types[QR_EXPR_ARGS_MAX];
    *ret = qr_value_null();
    if (qr_value_is_null(&c->args[0]))
        return QR_OK;
    struct qr_str text = qri_arg_str(c, 0);
    if (c->args[0].cell == QR_CELL_INT) {
        const struct qr_sqlmsg *msg = qr_sqlmsg_find((int)c->args[0].i);
        if (msg == NULL)
            return QR_OK;
        text = qr_str(msg->text);
    }
    for (size_t i = 1; i < c->arg_count; i++)
        types[i - 1] = *qri_arg_type(c, i);
    QR_TRY(
        qr_format_message(c->ctx->arena, text, types, c->args + 1, c->arg_count - 1, &text, err));
    return qri_return_text(c, text, ret, err);
}

enum { GLOBAL = QR_FUNC_STABLE | QR_FUNC_GLOBAL | QR_FUNC_NOT_NULL };
enum { SESSION = QR_FUNC_STABLE | QR_FUNC_NOT_NULL };
enum { CHECKED = QR_FUNC_NULLS | QR_FUNC_NOT_NULL };
static const struct qr_func system_funcs[] = {
    /* clang-format off */
    {"@@DATEFIRST", 0, 0, "", NULL, QR_TYPE_TINYINT, 0, fn_datefirst, GLOBAL, QR_HOST_NONE},
    {"@@LANGID",   0, 0, "", NULL, QR_TYPE_SMALLINT, 0, fn_langid, GLOBAL, QR_HOST_NONE},
    {"@@LANGUAGE", 0, 0, "", NULL, QR_TYPE_NVARCHAR, 128, fn_language, GLOBAL, QR_HOST_NONE},
    {"@@MAX_PRECISION", 0, 0, "", NULL, QR_TYPE_TINYINT, 0, fn_max_precision, GLOBAL, QR_HOST_NONE},
    {"@@MICROSOFTVERSION", 0, 0, "", NULL, QR_TYPE_INT, 0, fn_microsoft_version, GLOBAL,
     QR_HOST_NONE},
    {"BINARY_CHECKSUM", 1, 254, "*", type_checksum, 0, 0, fn_checksum, QR_FUNC_NULLS, QR_HOST_NONE},
    {"BIT_COUNT",  1, 1, "*", type_bit_count, 0, 0, fn_bit_count, 0, QR_HOST_NONE},
    {"CHECKSUM",   1, 254, "*", type_checksum, 0, 0, fn_checksum, QR_FUNC_NULLS, QR_HOST_NONE},
    {"CURRENT_TIMEZONE", 0, 0, "", NULL, QR_TYPE_VARCHAR, 128, fn_timezone, SESSION, QR_HOST_NONE},
    {"CURRENT_TIMEZONE_ID", 0, 0, "", NULL, QR_TYPE_VARCHAR, 128, fn_timezone, SESSION,
     QR_HOST_NONE},
    {"FORMATMESSAGE", 1, 254, "*", type_formatmessage, 0, 0, fn_formatmessage, QR_FUNC_NULLS,
     QR_HOST_NONE},
    {"GET_BIT",    2, 2, "*i", type_get_bit, 0, 0, fn_get_bit, 0, QR_HOST_NONE},
    {"GREATEST",   1, 254, "*", type_greatest, 0, 0, fn_greatest, QR_FUNC_NULLS, QR_HOST_NONE},
    {"LEAST",      1, 254, "*", type_greatest, 0, 0, fn_greatest, QR_FUNC_NULLS, QR_HOST_NONE},
    {"LAG OFFSET", 1, 1, "I", NULL, QR_TYPE_BIGINT, 0, fn_offset, CHECKED, QR_HOST_NONE},
    {"LEFT_SHIFT", 2, 2, "*I", type_bits, 0, 0, fn_shift, 0, QR_HOST_NONE},
    {"NTILE TILES", 1, 1, "I", NULL, QR_TYPE_BIGINT, 0, fn_tiles, CHECKED, QR_HOST_NONE},
    {"RIGHT_SHIFT", 2, 2, "*I", type_bits, 0, 0, fn_shift, 0, QR_HOST_NONE},
    {"SET_BIT",    2, 3, "*ii", type_bits, 0, 0, fn_set_bit, 0, QR_HOST_NONE},
    {"SQL_VARIANT_PROPERTY", 2, 2, "*n", NULL, QR_TYPE_SQL_VARIANT, 0, fn_variant_property,
     QR_FUNC_NULLABLE, QR_HOST_NONE},
    /* clang-format on */
};
const struct qri_family qri_system_funcs = {system_funcs,
                                            sizeof system_funcs / sizeof system_funcs[0]};
