/* Binary to and from the other types, and sql_variant: codec/convert.h. */
#include "convert_int.h"

#include <string.h>

#include "base/endian.h"
#include "base/sqlmsg.h"
#include "codec/decimal.h"
#include "base/banned.h"

enum qr_status qri_finish_binary(const struct qr_converter *c, const void *bytes, size_t n,
                                 bool number, const struct qr_convert_env *env,
                                 struct qr_value *ret_value, struct qr_err *err)
{
    const struct qr_type *to = &c->to;
    const uint8_t *p = bytes;
    size_t limit = to->id == QR_TYPE_ROWVERSION ? 8 : to->length;
    if (to->is_max || limit == 0) { /* image too */
        *ret_value = qr_value_blob(p, n);
        return QR_OK;
    }
    if (n > limit) {
        if (c->store && !number && !env->cuts_stored)
            return qri_truncation_fail(c, qr_str(""), err);
        if (number)
            p += n - limit;
        n = limit;
    }
    if ((to->id == QR_TYPE_BINARY || to->id == QR_TYPE_ROWVERSION) && n < limit) {
        uint8_t *padded = qr_arena_alloc(env->arena, limit); /* zeroed */
        if (padded == NULL)
            return QR_NOMEM;
        if (n > 0)
            memcpy(padded + (number ? limit - n : 0), p, n);
        p = padded;
        n = limit;
    }
    *ret_value = qr_value_blob(p, n);
    return QR_OK;
}

enum qr_status qri_binary_to_binary(const struct qr_converter *c, const struct qr_value *in,
                                    const struct qr_convert_env *env, struct qr_value *ret_value,
                                    struct qr_err *err)
{
    return qri_finish_binary(c, in->p, in->n, false, env, ret_value, err);
}

/* --- to binary: the bytes as SQL Server shows them --- */

static size_t put_be(uint8_t *dst, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[n - 1 - i] = (uint8_t)(v >> (8 * i));
    return n;
}
static size_t put_le(uint8_t *dst, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (uint8_t)(v >> (8 * i));
    return n;
}

/* precision, scale, 0, sign (1 = positive), then as many 4-byte words as the value needs,
 * little-endian. */
static size_t put_decimal(uint8_t *dst, const struct qr_type *t, qr_i128 v)
{
    dst[0] = t->precision;
    dst[1] = t->scale;
    dst[2] = 0;
    dst[3] = v >= 0;
    qr_u128 m = v < 0 ? -(qr_u128)v : (qr_u128)v;
    size_t n = 4;
    while (n < 16 && m >> (8 * n) != 0)
        n += 4;
    for (size_t i = 0; i < n; i++)
        dst[4 + i] = (uint8_t)(m >> (8 * i));
    return 4 + n;
}

static size_t fraction_bytes(int scale)
{
    return scale <= 2 ? 3 : scale <= 4 ? 4 : 5;
}

static int64_t ticks_per_unit(int scale)
{
    int64_t unit = 1;
    for (; scale < 7; scale++)
        unit *= 10;
    return unit;
}

static size_t put_new_datetime(uint8_t *dst, const struct qr_type *t, const struct qr_value *v)
{
    struct qr_moment m = qr_moment_of(t, v);
    size_t n = 0;
    if (t->id == QR_TYPE_DATETIMEOFFSET) { /* kept in UTC */
        int64_t ticks = qr_dto_ticks(v->w);
        m.days = (int32_t)(ticks / QR_TICKS_PER_DAY);
        m.ticks = ticks % QR_TICKS_PER_DAY;
    }
    if (t->id != QR_TYPE_DATE) {
        dst[n++] = t->scale;
        n += put_le(dst + n, (uint64_t)(m.ticks / ticks_per_unit(t->scale)),
                    fraction_bytes(t->scale));
    }
    if (t->id != QR_TYPE_TIME)
        n += put_le(dst + n, (uint64_t)m.days, 3);
    if (t->id == QR_TYPE_DATETIMEOFFSET)
        n += put_le(dst + n, (uint16_t)m.offset, 2);
    return n;
}

static size_t put_value(uint8_t *dst, const struct qr_type *t, const struct qr_value *v)
{
    switch ((int)t->id) {
    case QR_TYPE_DATETIME: {
        int64_t days = v->i / 25920000 - (v->i % 25920000 < 0);
        put_be(dst, (uint32_t)days, 4);
        return 4 + put_be(dst + 4, (uint64_t)(v->i - days * 25920000), 4);
    }
    case QR_TYPE_SMALLDATETIME:
        put_be(dst, (uint64_t)(v->i / 1440), 2);
        return 2 + put_be(dst + 2, (uint64_t)(v->i % 1440), 2);
    case QR_TYPE_FLOAT: {
        uint64_t bits;
        memcpy(&bits, &v->r, 8);
        return put_be(dst, bits, 8);
    }
    case QR_TYPE_REAL: {
        float f = (float)v->r;
        uint32_t bits;
        memcpy(&bits, &f, 4);
        return put_be(dst, bits, 4);
    }
    case QR_TYPE_UNIQUEIDENTIFIER:
        qr_guid_to_wire((const uint8_t *)v->p, dst);
        return 16;
    case QR_TYPE_DECIMAL:
    case QR_TYPE_NUMERIC:
        return put_decimal(dst, t, qr_value_scaled(v));
    case QR_TYPE_DATE:
    case QR_TYPE_TIME:
    case QR_TYPE_DATETIME2:
    case QR_TYPE_DATETIMEOFFSET:
        return put_new_datetime(dst, t, v);
    default: /* bit to bigint, money */
        return put_be(dst, (uint64_t)v->i, (size_t)qr_type_info(t->id)->max_length);
    }
}

enum qr_status qri_value_to_binary(const struct qr_converter *c, const struct qr_value *in,
                                   const struct qr_convert_env *env, struct qr_value *ret_value,
                                   struct qr_err *err)
{
    uint8_t *out = qr_arena_alloc(env->arena, 32);
    if (out == NULL)
        return QR_NOMEM;
    size_t n = put_value(out, &c->from, in);
    enum qr_family f = qr_type_family(&c->from);
    bool number = f == QR_FAMILY_INT || f == QR_FAMILY_MONEY || f == QR_FAMILY_FLOAT ||
                  c->from.id == QR_TYPE_DATETIME || c->from.id == QR_TYPE_SMALLDATETIME;
    return qri_finish_binary(c, out, n, number, env, ret_value, err);
}

/* --- from binary --- */

/* The last `n` bytes as a big-endian number, zeros to the left. */
static uint64_t get_be(const struct qr_value *in, size_t n)
{
    uint64_t v = 0;
    size_t start = in->n > n ? in->n - n : 0;
    for (size_t i = start; i < in->n; i++)
        v = v << 8 | (uint8_t)in->p[i];
    return v;
}

static int64_t sign_extend(uint64_t v, size_t bytes)
{
    int shift = (int)(64 - 8 * bytes);
    return (int64_t)(v << shift) >> shift;
}

enum qr_status qri_binary_to_int(const struct qr_converter *c, const struct qr_value *in,
                                 const struct qr_convert_env *env, struct qr_value *ret_value,
                                 struct qr_err *err)
{
    (void)env;
    (void)err;
    size_t n = (size_t)qr_type_info(c->to.id)->max_length;
    uint64_t v = get_be(in, n);
    *ret_value = qr_value_int(c->to.id == QR_TYPE_TINYINT ? (int64_t)v : sign_extend(v, n));
    return QR_OK;
}

enum qr_status qri_binary_to_bit(const struct qr_converter *c, const struct qr_value *in,
                                 const struct qr_convert_env *env, struct qr_value *ret_value,
                                 struct qr_err *err)
{
    (void)c;
    (void)env;
    (void)err;
    *ret_value = qr_value_int(get_be(in, 1) != 0);
    return QR_OK;
}

enum qr_status qri_binary_to_money(const struct qr_converter *c, const struct qr_value *in,
                                   const struct qr_convert_env *env, struct qr_value *ret_value,
                                   struct qr_err *err)
{
    (void)env;
    (void)err;
    size_t n = (size_t)qr_type_info(c->to.id)->max_length;
    *ret_value = qr_value_int(sign_extend(get_be(in, n), n));
    return QR_OK;
}

enum qr_status qri_binary_to_decimal(const struct qr_converter *c, const struct qr_value *in,
                                     const struct qr_convert_env *env, struct qr_value *ret_value,
                                     struct qr_err *err)
{
    (void)env;
    const uint8_t *p = (const uint8_t *)in->p;
    qr_u128 m = 0;
    if (in->n < 5 || in->n > 20 || p[0] < 1 || p[0] > QR_DECIMAL_PRECISION_MAX || p[1] > p[0])
        return qr_sql_fail(err, 8114, qr_type_name(&c->from), "numeric");
    for (size_t i = in->n; i > 4; i--)
        m = m << 8 | p[i - 1];
    qr_i128 v;
    if (m >= (qr_u128)qr_dec_pow10(QR_DECIMAL_PRECISION_MAX) ||
        qr_dec_rescale(p[3] != 0 ? (qr_i128)m : -(qr_i128)m, p[1], c->to.scale, c->to.precision,
                       &v) != QR_NUM_OK)
        return qr_sql_fail(err, 8115, qr_type_name(&c->from), "numeric");
    *ret_value = qr_value_decimal(&c->to, v);
    return QR_OK;
}

static uint64_t get_le(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    while (n > 0)
        v = v << 8 | p[--n];
    return v;
}

/* The forms that put_new_datetime writes. */
static bool get_new_datetime(const struct qr_type *to, const uint8_t *p, size_t n,
                             struct qr_value *ret_value)
{
    struct qr_moment m = {.days = QR_DAYS_1900};
    if (to->id != QR_TYPE_DATE) {
        if (n < 1 || p[0] > 7 || n < 1 + fraction_bytes(p[0]))
            return false;
        size_t bytes = fraction_bytes(p[0]);
        uint64_t units = get_le(p + 1, bytes);
        if (units >= (uint64_t)(QR_TICKS_PER_DAY / ticks_per_unit(p[0])))
            return false;
        m.ticks = (int64_t)units * ticks_per_unit(p[0]);
        p += 1 + bytes;
        n -= 1 + bytes;
    }
    if (to->id != QR_TYPE_TIME) {
        if (n < 3 || get_le(p, 3) > QR_DAYS_MAX)
            return false;
        m.days = (int32_t)get_le(p, 3);
        p += 3;
        n -= 3;
    }
    if (to->id == QR_TYPE_DATETIMEOFFSET) {
        int16_t offset = n == 2 ? (int16_t)get_le(p, 2) : INT16_MAX;
        if (offset > QR_OFFSET_MINUTES_MAX || offset < -QR_OFFSET_MINUTES_MAX)
            return false;
        *ret_value = qr_value_wide(qr_dto_pack(m.days * QR_TICKS_PER_DAY + m.ticks, offset));
        return true;
    }
    return n == 0 && qr_moment_to(to, &m, ret_value) == QR_DT_OK;
}

enum qr_status qri_binary_to_datetime(const struct qr_converter *c, const struct qr_value *in,
                                      const struct qr_convert_env *env, struct qr_value *ret_value,
                                      struct qr_err *err)
{
    (void)env;
    bool good;
    int64_t v;
    if (c->to.id == QR_TYPE_DATETIME) {
        uint64_t bits = get_be(in, 8);
        int32_t days = (int32_t)(bits >> 32);
        good = (uint32_t)bits < 25920000;
        v = days * INT64_C(25920000) + (uint32_t)bits;
    } else if (c->to.id == QR_TYPE_SMALLDATETIME) {
        uint64_t bits = get_be(in, 4);
        good = (bits & 0xffff) < 1440;
        v = (int64_t)(bits >> 16) * 1440 + (int64_t)(bits & 0xffff);
    } else {
        if (!get_new_datetime(&c->to, (const uint8_t *)in->p, in->n, ret_value))
            return qr_sql_fail(err, 241);
        return QR_OK;
    }
    struct qr_value cell = qr_value_int(v);
    if (!good || qr_value_load(&c->to, &cell, NULL, ret_value, NULL) != QR_OK)
        return qr_sql_fail(err, 8115, "expression", qr_type_name(&c->to));
    return QR_OK;
}

enum qr_status qri_binary_to_guid(const struct qr_converter *c, const struct qr_value *in,
                                  const struct qr_convert_env *env, struct qr_value *ret_value,
                                  struct qr_err *err)
{
    (void)c;
    (void)err;
    uint8_t wire[16] = {0};
    size_t n = in->n < 16 ? in->n : 16;
    if (n > 0)
        memcpy(wire, in->p, n);
    uint8_t *out = qr_arena_alloc(env->arena, 16);
    if (out == NULL)
        return QR_NOMEM;
    qr_guid_from_wire(wire, out);
    *ret_value = qr_value_blob(out, 16);
    return QR_OK;
}

/* --- sql_variant --- */

enum qr_status qri_to_variant(const struct qr_converter *c, const struct qr_value *in,
                              const struct qr_convert_env *env, struct qr_value *ret_value,
                              struct qr_err *err)
{
    (void)err;
    return qr_variant_make(env->arena, &c->from, in, ret_value);
}

enum qr_status qri_from_variant(const struct qr_converter *c, const struct qr_value *in,
                                const struct qr_convert_env *env, struct qr_value *ret_value,
                                struct qr_err *err)
{
    struct qr_type base;
    struct qr_value v;
    struct qr_converter inner;
    QR_TRY(qr_variant_open(qr_value_bytes(in), &base, &v, err));
    QR_TRY(qr_converter_init(&inner, &base, &c->to, c->style, QR_CONVERT_CAST, err));
    inner.store = c->store;
    inner.table = c->table;
    inner.column = c->column;
    return qr_convert(&inner, &v, env, ret_value, err);
}
