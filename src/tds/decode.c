/* Implements the decoders of fixed-size values and of strings (decode_int.h). */
#include "decode_int.h"
#include <assert.h>
#include <math.h>
#include <string.h>
#include "codec/codepage.h"
#include "codec/datetime.h"
#include "codec/utf.h"
#include "base/endian.h"
#include "base/banned.h"

enum {
    DATETIME_DAYS_MIN = -53690, /* 1753-01-01, from 1900-01-01 */
    DATETIME_DAYS_MAX = 2958463,
    DATETIME_TICKS_PER_DAY = 86400 * 300,
    MINUTES_PER_DAY = 1440,
};

enum qr_status qri_not_an_instance(const struct qr_tds_wire_type *type, struct qr_err *err)
{
    return qr_fail(err, QR_INVALID, "the supplied value is not a valid instance of data type %s",
                   qr_type_name(&type->type));
}

enum qr_status qri_decode_null(const struct qr_tds_wire_type *type, const uint8_t *p, size_t n,
                               struct qr_arena *arena, struct qr_value *ret_value,
                               struct qr_err *err)
{
    (void)type, (void)p, (void)n, (void)arena, (void)err;
    *ret_value = qr_value_null();
    return QR_OK;
}

enum qr_status qri_decode_uint1(const struct qr_tds_wire_type *type, const uint8_t *p, size_t n,
                                struct qr_arena *arena, struct qr_value *ret_value,
                                struct qr_err *err)
{
    (void)type, (void)arena, (void)err;
    assert(n == 1);
    *ret_value = qr_value_int(p[0]);
    return QR_OK;
}

enum qr_status qri_decode_bit(const struct qr_tds_wire_type *type, const uint8_t *p, size_t n,
                              struct qr_arena *arena, struct qr_value *ret_value,
                              struct qr_err *err)
{
    (void)type, (void)arena, (void)err;
    assert(n == 1);
    *ret_value = qr_value_int(p[0] != 0);
    return QR_OK;
}

enum qr_status qri_decode_intn(const struct qr_tds_wire_type *type, const uint8_t *p, size_t n,
                               struct qr_arena *arena, struct qr_value *ret_value,
                               struct qr_err *err)
{
    (void)type, (void)arena, (void)err;
    assert(n == 2 || n == 4 || n == 8);
    int64_t v = n == 2 ? (int16_t)qr_get16le(p)
                       : (n == 4 ? (int32_t)qr_get32le(p) : (int64_t)qr_get64le(p));
    *ret_value = qr_value_int(v);
    return QR_OK;
}

enum qr_status qri_decode_fltn(const struct qr_tds_wire_type *type, const uint8_t *p, size_t n,
                               struct qr_arena *arena, struct qr_value *ret_value,
                               struct qr_err *err)
{
    (void)arena;
    assert(n == 4 || n == 8);
    double d;
    if (n == 4) {
        uint32_t bits = qr_get32le(p);
        float f;
        memcpy(&f, &bits, sizeof f);
        d = (double)f;
    } else {
        uint64_t bits = qr_get64le(p);
        memcpy(&d, &bits, sizeof d);
    }
    if (!isfinite(d))
        return qri_not_an_instance(type, err); /* T-SQL has no NaN and no infinity */
    *ret_value = qr_value_real(d);
    return QR_OK;
}

enum qr_status qri_decode_moneyn(const struct qr_tds_wire_type *type, const uint8_t *p, size_t n,
                                 struct qr_arena *arena, struct qr_value *ret_value,
                                 struct qr_err *err)
{
    (void)type, (void)arena, (void)err;
    assert(n == 4 || n == 8);
    int64_t v = n == 4 ? (int32_t)qr_get32le(p)
                       : (int64_t)((uint64_t)qr_get32le(p) << 32 | qr_get32le(p + 4));
    *ret_value = qr_value_int(v);
    return QR_OK;
}

enum qr_status qri_decode_datetimn(const struct qr_tds_wire_type *type, const uint8_t *p, size_t n,
                                   struct qr_arena *arena, struct qr_value *ret_value,
                                   struct qr_err *err)
{
    (void)arena;
    assert(n == 4 || n == 8);
    if (n == 4) {
        if (qr_get16le(p + 2) >= MINUTES_PER_DAY)
            return qri_not_an_instance(type, err);
        *ret_value = qr_value_int((int64_t)qr_get16le(p) * MINUTES_PER_DAY + qr_get16le(p + 2));
        return QR_OK;
    }
    int32_t days = (int32_t)qr_get32le(p);
    uint32_t ticks = qr_get32le(p + 4);
    if (days < DATETIME_DAYS_MIN || days > DATETIME_DAYS_MAX || ticks >= DATETIME_TICKS_PER_DAY)
        return qri_not_an_instance(type, err);
    *ret_value = qr_value_int((int64_t)days * DATETIME_TICKS_PER_DAY + ticks);
    return QR_OK;
}

/* 10^precision as a bound of the magnitude. */
static qr_u128 power_of_ten(uint8_t exponent)
{
    qr_u128 v = 1;
    for (uint8_t i = 0; i < exponent; i++)
        v *= 10;
    return v;
}

enum qr_status qri_decode_decimal(const struct qr_tds_wire_type *type, const uint8_t *p, size_t n,
                                  struct qr_arena *arena, struct qr_value *ret_value,
                                  struct qr_err *err)
{
    (void)arena;
    if (n < 2 || n > 17)
        return qri_not_an_instance(type, err);
    qr_u128 magnitude = 0;
    for (size_t i = n - 1; i > 0; i--)
        magnitude = magnitude << 8 | p[i];
    if (p[0] > 1 || magnitude >= power_of_ten(type->type.precision))
        return qri_not_an_instance(type, err);
    qr_i128 scaled = p[0] == 0 ? -(qr_i128)magnitude : (qr_i128)magnitude;
    *ret_value = qr_value_decimal(&type->type, scaled);
    return QR_OK;
}

uint8_t qri_decode_time_bytes(uint8_t scale)
{
    assert(scale <= 7);
    return scale <= 2 ? 3 : (scale <= 4 ? 4 : 5);
}

static uint64_t take_le(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = n; i > 0; i--)
        v = v << 8 | p[i - 1];
    return v;
}

/* False outside the day. */
static bool time_ticks(const uint8_t *p, uint8_t scale, int64_t *ret_ticks)
{
    static const int64_t ticks_per_unit[8] = {10000000, 1000000, 100000, 10000, 1000, 100, 10, 1};
    uint64_t units = take_le(p, qri_decode_time_bytes(scale));
    if (units >= (uint64_t)(QR_TICKS_PER_DAY / ticks_per_unit[scale]))
        return false;
    *ret_ticks = (int64_t)units * ticks_per_unit[scale];
    return true;
}

enum qr_status qri_decode_date(const struct qr_tds_wire_type *type, const uint8_t *p, size_t n,
                               struct qr_arena *arena, struct qr_value *ret_value,
                               struct qr_err *err)
{
    (void)arena;
    assert(n == 3);
    int64_t days = (int64_t)take_le(p, n);
    if (days > QR_DAYS_MAX)
        return qri_not_an_instance(type, err);
    *ret_value = qr_value_int(days);
    return QR_OK;
}

enum qr_status qri_decode_time(const struct qr_tds_wire_type *type, const uint8_t *p, size_t n,
                               struct qr_arena *arena, struct qr_value *ret_value,
                               struct qr_err *err)
{
    (void)n, (void)arena;
    int64_t ticks;
    if (!time_ticks(p, type->type.scale, &ticks))
        return qri_not_an_instance(type, err);
    *ret_value = qr_value_int(ticks);
    return QR_OK;
}

static bool datetime2_ticks(const uint8_t *p, uint8_t scale, int64_t *ret_ticks)
{
    int64_t ticks;
    if (!time_ticks(p, scale, &ticks))
        return false;
    int64_t days = (int64_t)take_le(p + qri_decode_time_bytes(scale), 3);
    if (days > QR_DAYS_MAX)
        return false;
    *ret_ticks = days * QR_TICKS_PER_DAY + ticks;
    return true;
}

enum qr_status qri_decode_datetime2(const struct qr_tds_wire_type *type, const uint8_t *p, size_t n,
                                    struct qr_arena *arena, struct qr_value *ret_value,
                                    struct qr_err *err)
{
    (void)n, (void)arena;
    int64_t ticks;
    if (!datetime2_ticks(p, type->type.scale, &ticks))
        return qri_not_an_instance(type, err);
    *ret_value = qr_value_int(ticks);
    return QR_OK;
}

enum qr_status qri_decode_dto(const struct qr_tds_wire_type *type, const uint8_t *p, size_t n,
                              struct qr_arena *arena, struct qr_value *ret_value,
                              struct qr_err *err)
{
    (void)arena;
    int64_t ticks;
    int offset = (int16_t)qr_get16le(p + n - 2);
    if (!datetime2_ticks(p, type->type.scale, &ticks) || offset < -QR_OFFSET_MINUTES_MAX ||
        offset > QR_OFFSET_MINUTES_MAX)
        return qri_not_an_instance(type, err);
    *ret_value = qr_value_wide(qr_dto_pack(ticks, offset));
    return QR_OK;
}

enum qr_status qri_decode_guid(const struct qr_tds_wire_type *type, const uint8_t *p, size_t n,
                               struct qr_arena *arena, struct qr_value *ret_value,
                               struct qr_err *err)
{
    (void)type;
    assert(n == 16);
    uint8_t *ordered = qr_arena_alloc(arena, 16);
    if (ordered == NULL)
        return qr_fail(err, QR_NOMEM, "a value");
    qr_guid_from_wire(p, ordered);
    *ret_value = qr_value_blob(ordered, 16);
    return QR_OK;
}

/* ---- strings ---- */

static bool is_ascii(const uint8_t *p, size_t n)
{
    return qr_utf_is_ascii(qr_str_n((const char *)p, n));
}

/* char(n) and nchar(n) are padded in memory; `have` is in the type's units. */
static size_t padding(const struct qr_type *type, size_t have)
{
    return qr_type_is_fixed(type) && have < type->length ? type->length - have : 0;
}

enum qr_status qri_decode_char(const struct qr_tds_wire_type *type, const uint8_t *p, size_t n,
                               struct qr_arena *arena, struct qr_value *ret_value,
                               struct qr_err *err)
{
    size_t pad = padding(&type->type, n);
    if (pad == 0 && is_ascii(p, n)) {
        *ret_value = qr_value_text((const char *)p, n);
        return QR_OK;
    }
    char *text = qr_arena_alloc(arena, n * 3 + pad + 1);
    if (text == NULL)
        return qr_fail(err, QR_NOMEM, "a value of %zu bytes", n);
    size_t bytes = 0;
    if (type->code_page == QR_CP_UTF8) {
        if (!qr_utf_valid(qr_str_n((const char *)p, n)))
            return qri_not_an_instance(type, err);
        memcpy(text, p, n);
        bytes = n;
    } else if (n > 0) {
        bytes = qr_codepage_decode(type->code_page, p, n, text);
    }
    memset(text + bytes, ' ', pad);
    *ret_value = qr_value_text(text, bytes + pad);
    return QR_OK;
}

enum qr_status qri_decode_nchar(const struct qr_tds_wire_type *type, const uint8_t *p, size_t n,
                                struct qr_arena *arena, struct qr_value *ret_value,
                                struct qr_err *err)
{
    if (n % 2 != 0)
        return qri_not_an_instance(type, err);
    size_t pad = padding(&type->type, n / 2);
    char *text = qr_arena_alloc(arena, n / 2 * 3 + pad + 1);
    if (text == NULL)
        return qr_fail(err, QR_NOMEM, "a value of %zu bytes", n);
    size_t bytes = n == 0 ? 0 : qr_utf8_from_utf16le(p, n / 2, text);
    memset(text + bytes, ' ', pad);
    *ret_value = qr_value_text(text, bytes + pad);
    return QR_OK;
}

enum qr_status qri_decode_binary(const struct qr_tds_wire_type *type, const uint8_t *p, size_t n,
                                 struct qr_arena *arena, struct qr_value *ret_value,
                                 struct qr_err *err)
{
    size_t pad = padding(&type->type, n);
    if (pad == 0) {
        *ret_value = qr_value_blob(p, n);
        return QR_OK;
    }
    uint8_t *padded = qr_arena_alloc(arena, n + pad); /* zeroed */
    if (padded == NULL)
        return qr_fail(err, QR_NOMEM, "a value of %zu bytes", n);
    memcpy(padded, p, n);
    *ret_value = qr_value_blob(padded, n + pad);
    return QR_OK;
}

/* UTF-16 with or without a byte order mark, or UTF-8; binary XML is refused. */
enum qr_status qri_decode_xml(const struct qr_tds_wire_type *type, const uint8_t *p, size_t n,
                              struct qr_arena *arena, struct qr_value *ret_value,
                              struct qr_err *err)
{
    if (n >= 2 && p[0] == 0xDF && p[1] == 0xFF)
        return qr_fail(err, QR_UNSUPPORTED, "xml in binary form");
    if (n >= 2 && p[0] == 0xFF && p[1] == 0xFE)
        return qri_decode_nchar(type, p + 2, n - 2, arena, ret_value, err);
    if (n >= 2 && p[1] == 0)
        return qri_decode_nchar(type, p, n, arena, ret_value, err);
    if (n >= 3 && p[0] == 0xEF && p[1] == 0xBB && p[2] == 0xBF) {
        p += 3;
        n -= 3;
    }
    if (!qr_utf_valid(qr_str_n((const char *)p, n)))
        return qri_not_an_instance(type, err);
    *ret_value = qr_value_text((const char *)p, n);
    return QR_OK;
}
