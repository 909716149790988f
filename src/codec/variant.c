/* sql_variant: serialised form and comparison: codec/value.h.
 *
 * Bytes: [0] family rank, [1] system type id, [2] precision, [3] scale, [4..5] length, [6..7]
 * collation (little-endian), then the value: INT 8 bytes, REAL 8, WIDE 16 (decimal) or 10
 * (datetimeoffset), TEXT and BLOB as they are. On disk: never changed in place. */
#include "codec/value.h"

#include <assert.h>
#include <string.h>

#include "base/endian.h"
#include "base/map.h"
#include "codec/collation.h"
#include "codec/datetime.h"
#include "codec/decimal.h"
#include "base/banned.h"

/* The documented hierarchy of families; the highest compares greatest. 0: damaged bytes. */
static const uint8_t family_rank[] = {
    [QR_FAMILY_GUID] = 1,    [QR_FAMILY_BINARY] = 2, [QR_FAMILY_CHAR] = 3,
    [QR_FAMILY_NCHAR] = 3,   [QR_FAMILY_INT] = 4,    [QR_FAMILY_MONEY] = 4,
    [QR_FAMILY_DECIMAL] = 4, [QR_FAMILY_FLOAT] = 5,  [QR_FAMILY_DATETIME] = 6,
    [QR_FAMILY_OTHER] = 0,
};

enum qr_status qr_variant_make(struct qr_arena *arena, const struct qr_type *type,
                               const struct qr_value *v, struct qr_value *ret_variant)
{
    assert(v->cell != QR_CELL_NULL && !qr_type_is_lob(type));
    uint8_t scratch[16];
    const void *bytes = v->p;
    size_t n = v->n;
    if (v->cell == QR_CELL_INT || v->cell == QR_CELL_REAL) {
        memcpy(scratch, &v->i, 8);
        bytes = scratch;
        n = 8;
    } else if (v->cell == QR_CELL_WIDE) {
        struct qr_value stored = qr_value_store(type, v, scratch);
        bytes = stored.p;
        n = stored.n;
    }
    uint8_t *out = qr_arena_alloc(arena, QR_VARIANT_HEAD_BYTES + n + 1);
    if (out == NULL)
        return QR_NOMEM;
    out[0] = family_rank[qr_type_family(type)];
    out[1] = qr_type_info(type->id)->system_type_id;
    out[2] = type->precision;
    out[3] = type->scale;
    qr_put16le(out + 4, type->length);
    qr_put16le(out + 6, type->collation);
    if (n > 0)
        memcpy(out + QR_VARIANT_HEAD_BYTES, bytes, n);
    *ret_variant = qr_value_text((const char *)out, QR_VARIANT_HEAD_BYTES + n);
    return QR_OK;
}

static bool open_variant(const uint8_t *p, size_t n, struct qr_type *ret_type,
                         struct qr_value *ret_value)
{
    if (n < QR_VARIANT_HEAD_BYTES)
        return false;
    struct qr_type t = {.id = qr_type_by_system_id(p[1]),
                        .precision = p[2],
                        .scale = p[3],
                        .length = qr_get16le(p + 4),
                        .collation = qr_get16le(p + 6)};
    if (t.id == QR_TYPE_NULL || family_rank[qr_type_family(&t)] == 0 ||
        p[0] != family_rank[qr_type_family(&t)] || t.precision > QR_DECIMAL_PRECISION_MAX ||
        t.scale > QR_DECIMAL_PRECISION_MAX ||
        (t.collation != 0 && qr_collation_get(t.collation) == NULL))
        return false;
    const uint8_t *bytes = p + QR_VARIANT_HEAD_BYTES;
    n -= QR_VARIANT_HEAD_BYTES;
    *ret_type = t;
    switch (qr_type_cell(&t)) {
    case QR_CELL_INT:
    case QR_CELL_REAL:
        ret_value->cell = qr_type_cell(&t);
        ret_value->n = 0;
        if (n == 8)
            memcpy(&ret_value->i, bytes, 8);
        if (n == 8 && qr_type_family(&t) == QR_FAMILY_DATETIME) {
            struct qr_value cell = *ret_value, loaded; /* ranges, before anything computes */
            return qr_value_load(&t, &cell, NULL, &loaded, NULL) == QR_OK;
        }
        return n == 8;
    case QR_CELL_WIDE:
        if (t.id == QR_TYPE_DATETIMEOFFSET ? n != QR_DTO_BYTES : n != 16)
            return false;
        *ret_value = qr_value_wide(t.id == QR_TYPE_DATETIMEOFFSET ? qr_dto_load(bytes)
                                                                  : qr_wide_load(bytes));
        return true;
    case QR_CELL_TEXT:
        *ret_value = qr_value_text((const char *)bytes, n);
        return true;
    case QR_CELL_BLOB:
        *ret_value = qr_value_blob(bytes, n);
        return t.id != QR_TYPE_UNIQUEIDENTIFIER || n == 16;
    case QR_CELL_NULL:
        break;
    }
    return false;
}

enum qr_status qr_variant_open(struct qr_str variant, struct qr_type *ret_type,
                               struct qr_value *ret_value, struct qr_err *err)
{
    struct qr_type t;
    struct qr_value v;
    if (!open_variant((const uint8_t *)variant.p, variant.n, &t, &v))
        return qr_fail(err, QR_CORRUPT, "stored sql_variant is damaged");
    *ret_type = t;
    *ret_value = v;
    return QR_OK;
}

/* UTC ticks since 0001-01-01 (time: on 1900-01-01). */
static qr_i128 instant_of(const struct qr_type *t, const struct qr_value *v)
{
    if (t->id == QR_TYPE_DATETIMEOFFSET)
        return qr_dto_ticks(v->w);
    struct qr_moment m = qr_moment_of(t, v);
    return (qr_i128)m.days * QR_TICKS_PER_DAY + m.ticks;
}

static int exact_scale(const struct qr_type *t)
{
    return qr_type_family(t) == QR_FAMILY_INT ? 0 : qr_type_scale(t);
}

int qr_variant_compare(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
    struct qr_type ta = {0}, tb = {0};
    struct qr_value va = {0}, vb = {0};
    bool ok_a = open_variant(a, a_bytes, &ta, &va), ok_b = open_variant(b, b_bytes, &tb, &vb);
    if (!ok_a || !ok_b) { /* damaged bytes come first, in byte order */
        if (ok_a != ok_b)
            return ok_a ? 1 : -1;
        size_t n = a_bytes < b_bytes ? a_bytes : b_bytes;
        int c = n == 0 ? 0 : memcmp(a, b, n);
        return c != 0 ? c : (a_bytes > b_bytes) - (a_bytes < b_bytes);
    }
    int rank_a = family_rank[qr_type_family(&ta)], rank_b = family_rank[qr_type_family(&tb)];
    if (rank_a != rank_b)
        return rank_a < rank_b ? -1 : 1;
    if (rank_a == family_rank[QR_FAMILY_INT])
        return qr_dec_compare(qr_value_scaled(&va), exact_scale(&ta), qr_value_scaled(&vb),
                              exact_scale(&tb));
    if (rank_a == family_rank[QR_FAMILY_DATETIME]) {
        qr_i128 x = instant_of(&ta, &va), y = instant_of(&tb, &vb);
        return (x > y) - (x < y);
    }
    if (rank_a == family_rank[QR_FAMILY_CHAR]) {
        if (ta.collation != tb.collation)
            return ta.collation < tb.collation ? -1 : 1;
        ta.id = QR_TYPE_NVARCHAR; /* one order for both kinds of strings */
    }
    return qr_value_compare(&ta, &va, &vb);
}

uint64_t qr_variant_hash(const void *a, size_t a_bytes, uint64_t seed)
{
    struct qr_type t = {0};
    struct qr_value v = {0};
    if (!open_variant(a, a_bytes, &t, &v))
        return qr_hash_bytes(a, a_bytes, seed);
    seed ^= family_rank[qr_type_family(&t)];
    switch ((int)qr_type_family(&t)) {
    case QR_FAMILY_INT:
    case QR_FAMILY_DECIMAL:
    case QR_FAMILY_MONEY: {
        qr_i128 scaled = qr_value_scaled(&v);
        int scale = exact_scale(&t);
        while (scale > 0 && scaled % 10 == 0) {
            scaled /= 10;
            scale--;
        }
        return qr_hash_bytes(&scaled, sizeof scaled, seed + (uint64_t)scale);
    }
    case QR_FAMILY_DATETIME: {
        qr_i128 instant = instant_of(&t, &v);
        return qr_hash_bytes(&instant, sizeof instant, seed);
    }
    case QR_FAMILY_CHAR:
    case QR_FAMILY_NCHAR:
        t.id = QR_TYPE_NVARCHAR;
        return qr_value_hash(&t, &v, seed);
    default:
        return qr_value_hash(&t, &v, seed);
    }
}
