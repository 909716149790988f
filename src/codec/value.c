/* Values: stored forms, comparison, hashing: codec/value.h. */
#include "codec/value.h"

#include <assert.h>
#include <string.h>

#include "base/endian.h"
#include "base/map.h"
#include "codec/codepage.h"
#include "codec/collation.h"
#include "codec/utf.h"
#include "base/banned.h"

enum qr_status qr_value_copy(struct qr_arena *arena, const struct qr_value *v,
                             struct qr_value *ret_value)
{
    *ret_value = *v;
    if (v->cell != QR_CELL_TEXT && v->cell != QR_CELL_BLOB)
        return QR_OK;
    ret_value->p = qr_arena_dup(arena, v->p, v->n);
    return ret_value->p == NULL ? QR_NOMEM : QR_OK;
}

/* --- byte forms --- */

void qr_wide_store(qr_i128 w, uint8_t dst[16])
{
    qr_u128 u = (qr_u128)w ^ ((qr_u128)1 << 127);
    for (int i = 15; i >= 0; i--) {
        dst[i] = (uint8_t)u;
        u >>= 8;
    }
}

qr_i128 qr_wide_load(const uint8_t src[16])
{
    qr_u128 u = 0;
    for (int i = 0; i < 16; i++)
        u = u << 8 | src[i];
    return (qr_i128)(u ^ ((qr_u128)1 << 127));
}

void qr_dto_store(qr_i128 w, uint8_t dst[QR_DTO_BYTES])
{
    uint64_t ticks = (uint64_t)qr_dto_ticks(w) ^ (UINT64_C(1) << 63);
    for (int i = 7; i >= 0; i--) {
        dst[i] = (uint8_t)ticks;
        ticks >>= 8;
    }
    qr_put16be(dst + 8, (uint16_t)w);
}

qr_i128 qr_dto_load(const uint8_t src[QR_DTO_BYTES])
{
    int64_t ticks = (int64_t)(qr_get64be(src) ^ (UINT64_C(1) << 63));
    return ((qr_i128)ticks << 16) | qr_get16be(src + 8);
}

static int compare_bytes(const void *a, size_t an, const void *b, size_t bn)
{
    size_t n = an < bn ? an : bn;
    int c = n == 0 ? 0 : memcmp(a, b, n);
    return c != 0 ? c : (an > bn) - (an < bn);
}

int qr_dto_compare_stored(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
    if (a_bytes == QR_DTO_BYTES && b_bytes == QR_DTO_BYTES)
        return memcmp(a, b, 8);
    return compare_bytes(a, a_bytes, b, b_bytes);
}

/* --- stored form --- */

static size_t without_trailing_blanks(const char *p, size_t n)
{
    while (n > 0 && p[n - 1] == ' ')
        n--;
    return n;
}

struct qr_value qr_value_store(const struct qr_type *type, const struct qr_value *v,
                               uint8_t scratch[16])
{
    if (v->cell == QR_CELL_WIDE) {
        if (type->id == QR_TYPE_DATETIMEOFFSET) {
            qr_dto_store(v->w, scratch);
            return qr_value_text((const char *)scratch, QR_DTO_BYTES);
        }
        qr_wide_store(v->w, scratch);
        return qr_value_blob(scratch, 16);
    }
    if (v->cell == QR_CELL_TEXT && (type->id == QR_TYPE_CHAR || type->id == QR_TYPE_NCHAR))
        return qr_value_text(v->p, without_trailing_blanks(v->p, v->n));
    return *v;
}

static enum qr_status load_padded(const struct qr_type *type, const struct qr_value *cell,
                                  struct qr_arena *arena, struct qr_value *ret_value)
{
    size_t have;
    if (type->id == QR_TYPE_NCHAR) {
        have = qr_utf16_units(qr_value_bytes(cell));
    } else {
        const struct qr_collation *c = qr_collation_get(type->collation);
        have = qr_codepage_length(c == NULL ? QR_CP_1252 : c->code_page, qr_value_bytes(cell));
    }
    if (have >= type->length) {
        *ret_value = *cell;
        return QR_OK;
    }
    size_t pad = type->length - have;
    char *p = qr_arena_alloc(arena, cell->n + pad);
    if (p == NULL)
        return QR_NOMEM;
    if (cell->n > 0)
        memcpy(p, cell->p, cell->n);
    memset(p + cell->n, ' ', pad);
    *ret_value = qr_value_text(p, cell->n + pad);
    return QR_OK;
}

static const struct int_range {
    int64_t min, max;
} int_ranges[QR_TYPE_COUNT] = {
    [QR_TYPE_BIT] = {0, 1},
    [QR_TYPE_TINYINT] = {0, 255},
    [QR_TYPE_SMALLINT] = {INT16_MIN, INT16_MAX},
    [QR_TYPE_INT] = {INT32_MIN, INT32_MAX},
    [QR_TYPE_BIGINT] = {INT64_MIN, INT64_MAX},
    [QR_TYPE_DECIMAL] = {-999999999999999999, 999999999999999999},
    [QR_TYPE_NUMERIC] = {-999999999999999999, 999999999999999999},
    [QR_TYPE_MONEY] = {INT64_MIN, INT64_MAX},
    [QR_TYPE_SMALLMONEY] = {INT32_MIN, INT32_MAX},
    [QR_TYPE_DATE] = {0, 3652058},
    [QR_TYPE_TIME] = {0, INT64_C(864000000000) - 1},
    [QR_TYPE_SMALLDATETIME] = {0, INT64_C(65536) * 1440 - 1},
    [QR_TYPE_DATETIME] = {INT64_C(-53690) * 25920000, INT64_C(2958464) * 25920000 - 1},
    [QR_TYPE_DATETIME2] = {0, INT64_C(3652059) * INT64_C(864000000000) - 1},
};

enum qr_status qr_value_load(const struct qr_type *type, const struct qr_value *cell,
                             struct qr_arena *arena, struct qr_value *ret_value, struct qr_err *err)
{
    if (cell->cell == QR_CELL_NULL) {
        *ret_value = *cell;
        return QR_OK;
    }
    enum qr_cell want = qr_type_cell(type);
    if (want == QR_CELL_WIDE) {
        bool dto = type->id == QR_TYPE_DATETIMEOFFSET;
        if (cell->cell != (dto ? QR_CELL_TEXT : QR_CELL_BLOB) ||
            cell->n != (dto ? (size_t)QR_DTO_BYTES : 16))
            return qr_fail(err, QR_CORRUPT, "stored %s has the wrong form", qr_type_name(type));
        *ret_value = qr_value_wide(dto ? qr_dto_load((const uint8_t *)cell->p)
                                       : qr_wide_load((const uint8_t *)cell->p));
        return QR_OK;
    }
    if (want == QR_CELL_REAL && cell->cell == QR_CELL_INT) { /* SQLite keeps 1.0 as 1 on disk */
        *ret_value = qr_value_real((double)cell->i);
        return QR_OK;
    }
    if (cell->cell != want)
        return qr_fail(err, QR_CORRUPT, "stored %s has the wrong class", qr_type_name(type));
    if (want == QR_CELL_INT &&
        (cell->i < int_ranges[type->id].min || cell->i > int_ranges[type->id].max))
        return qr_fail(err, QR_CORRUPT, "stored %s is out of range", qr_type_name(type));
    if (type->id == QR_TYPE_UNIQUEIDENTIFIER && cell->n != 16)
        return qr_fail(err, QR_CORRUPT, "stored uniqueidentifier has %zu bytes", cell->n);
    if (type->id == QR_TYPE_CHAR || type->id == QR_TYPE_NCHAR)
        return load_padded(type, cell, arena, ret_value);
    *ret_value = *cell;
    return QR_OK;
}

/* --- comparison --- */

static size_t without_trailing_zeros(const char *p, size_t n)
{
    while (n > 0 && p[n - 1] == 0)
        n--;
    return n;
}

int qr_value_compare(const struct qr_type *type, const struct qr_value *a, const struct qr_value *b)
{
    switch (a->cell) {
    case QR_CELL_INT:
        return (a->i > b->i) - (a->i < b->i);
    case QR_CELL_REAL:
        return (a->r > b->r) - (a->r < b->r);
    case QR_CELL_WIDE:
        if (type->id == QR_TYPE_DATETIMEOFFSET)
            return (qr_dto_ticks(a->w) > qr_dto_ticks(b->w)) -
                   (qr_dto_ticks(a->w) < qr_dto_ticks(b->w));
        return (a->w > b->w) - (a->w < b->w);
    case QR_CELL_TEXT:
        if (type->id == QR_TYPE_SQL_VARIANT)
            return qr_variant_compare(a->p, a->n, b->p, b->n);
        return qr_order_compare(qr_order_of(type), qr_value_bytes(a), qr_value_bytes(b));
    case QR_CELL_BLOB:
        return compare_bytes(a->p, without_trailing_zeros(a->p, a->n), b->p,
                             without_trailing_zeros(b->p, b->n));
    case QR_CELL_NULL:
        break;
    }
    return 0;
}

uint64_t qr_value_hash(const struct qr_type *type, const struct qr_value *v, uint64_t seed)
{
    switch (v->cell) {
    case QR_CELL_INT:
        return qr_hash_bytes(&v->i, sizeof v->i, seed);
    case QR_CELL_REAL: {
        double r = v->r == 0 ? 0 : v->r; /* -0.0 equals 0.0 */
        return qr_hash_bytes(&r, sizeof r, seed);
    }
    case QR_CELL_WIDE: {
        int64_t ticks = qr_dto_ticks(v->w);
        return type->id == QR_TYPE_DATETIMEOFFSET ? qr_hash_bytes(&ticks, sizeof ticks, seed)
                                                  : qr_hash_bytes(&v->w, sizeof v->w, seed);
    }
    case QR_CELL_TEXT:
        if (type->id == QR_TYPE_SQL_VARIANT)
            return qr_variant_hash(v->p, v->n, seed);
        return qr_order_hash(qr_order_of(type), qr_value_bytes(v), seed);
    case QR_CELL_BLOB:
        return qr_hash_bytes(v->p, without_trailing_zeros(v->p, v->n), seed);
    case QR_CELL_NULL:
        break;
    }
    return seed;
}
