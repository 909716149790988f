/* Implements the encoders of fixed-size values (encode_int.h). [MS-TDS] 2.2.5.5.1. */
#include "encode_int.h"
#include <assert.h>
#include <string.h>
#include "codec/datetime.h"
#include "base/banned.h"

enum { TICKS_PER_DAY_300 = 86400 * 300, MINUTES_PER_DAY = 1440 };

uint8_t *qri_more(struct qr_tds_rows *rows, uint8_t *p, size_t bytes)
{
    struct qr_buf *buf = &rows->writer->buf;
    buf->len = (size_t)(p - buf->data);
    uint8_t *moved = qr_buf_reserve(buf, bytes + rows->row_bytes);
    if (moved == NULL)
        rows->failed = buf->failed;
    return moved;
}

uint8_t *qri_more_pump(struct qr_tds_rows *rows, uint8_t *p, size_t bytes)
{
    struct qr_tds_writer *w = rows->writer;
    w->buf.len = (size_t)(p - w->buf.data);
    qr_tds_writer_pump(w);
    rows->flushed = true;
    if (w->failed != QR_OK) {
        rows->failed = w->failed;
        return NULL;
    }
    return qri_more(rows, w->buf.data + w->buf.len, bytes);
}

uint8_t *qri_misfit(struct qr_tds_rows *rows, const struct qr_tds_field *field,
                    const struct qr_value *value)
{
    const char *what = value->cell == QR_CELL_NULL ? "NULL" : "a value of another class";
    rows->failed = qr_fail(rows->err, QR_BUG, "result column of type %s%s holds %s",
                           qr_type_name(&field->type), field->can_null ? "" : " NOT NULL", what);
    return NULL;
}

uint8_t qri_time_bytes(uint8_t scale)
{
    return scale <= 2 ? 3 : (scale <= 4 ? 4 : 5);
}

uint8_t qri_decimal_bytes(uint8_t precision)
{
    if (precision <= 9)
        return 5;
    if (precision <= 19)
        return 9;
    return precision <= 28 ? 13 : 17;
}

bool qri_scaled(const struct qr_value *v, qr_i128 *ret_scaled)
{
    if (v->cell == QR_CELL_INT)
        *ret_scaled = v->i;
    else if (v->cell == QR_CELL_WIDE)
        *ret_scaled = v->w;
    else if (v->cell == QR_CELL_BLOB && v->n == 16)
        *ret_scaled = qr_wide_load((const uint8_t *)v->p);
    else
        return false;
    return true;
}

bool qri_dto(const struct qr_value *v, qr_i128 *ret_dto)
{
    if (v->cell == QR_CELL_WIDE)
        *ret_dto = v->w;
    else if (v->cell == QR_CELL_TEXT && v->n == QR_DTO_BYTES)
        *ret_dto = qr_dto_load((const uint8_t *)v->p);
    else
        return false;
    return true;
}

/* ---- raw pieces ---- */

static uint8_t *raw_le(uint8_t *p, uint64_t v, uint8_t bytes)
{
    for (uint8_t i = 0; i < bytes; i++)
        p[i] = (uint8_t)(v >> (8 * i));
    return p + bytes;
}

uint8_t *qri_raw_decimal(uint8_t *p, qr_i128 scaled, uint8_t value_bytes)
{
    qr_u128 magnitude = scaled < 0 ? -(qr_u128)scaled : (qr_u128)scaled;
    *p++ = scaled < 0 ? 0 : 1;
    for (uint8_t i = 1; i < value_bytes; i++) {
        *p++ = (uint8_t)magnitude;
        magnitude >>= 8;
    }
    return p;
}

uint8_t *qri_raw_money(uint8_t *p, int64_t v)
{
    qr_put32le(p, (uint32_t)((uint64_t)v >> 32)); /* the high half first */
    qr_put32le(p + 4, (uint32_t)v);
    return p + 8;
}

static int64_t floor_div(int64_t a, int64_t b, int64_t *ret_rest)
{
    int64_t q = a / b, r = a % b;
    if (r < 0) {
        q--;
        r += b;
    }
    *ret_rest = r;
    return q;
}

uint8_t *qri_raw_datetime(uint8_t *p, int64_t v)
{
    int64_t rest;
    qr_put32le(p, (uint32_t)floor_div(v, TICKS_PER_DAY_300, &rest));
    qr_put32le(p + 4, (uint32_t)rest);
    return p + 8;
}

uint8_t *qri_raw_smalldatetime(uint8_t *p, int64_t v)
{
    int64_t rest;
    qr_put16le(p, (uint16_t)floor_div(v, MINUTES_PER_DAY, &rest));
    qr_put16le(p + 2, (uint16_t)rest);
    return p + 4;
}

uint8_t *qri_raw_date(uint8_t *p, int64_t days)
{
    return raw_le(p, (uint64_t)days, 3);
}

uint8_t *qri_raw_time(uint8_t *p, int64_t ticks, uint8_t scale)
{
    static const int64_t ticks_per_unit[8] = {10000000, 1000000, 100000, 10000, 1000, 100, 10, 1};
    return raw_le(p, (uint64_t)(ticks / ticks_per_unit[scale]), qri_time_bytes(scale));
}

uint8_t *qri_raw_datetime2(uint8_t *p, int64_t ticks, uint8_t scale)
{
    int64_t rest;
    int64_t days = floor_div(ticks, QR_TICKS_PER_DAY, &rest);
    return qri_raw_date(qri_raw_time(p, rest, scale), days);
}

uint8_t *qri_raw_dto(uint8_t *p, qr_i128 dto, uint8_t scale)
{
    p = qri_raw_datetime2(p, qr_dto_ticks(dto), scale);
    qr_put16le(p, (uint16_t)(int16_t)qr_dto_offset(dto));
    return p + 2;
}

/* ---- integers, and what is sent as one ---- */

/* NOT NULL: the value alone. The size is a constant where this is inlined. */
static inline uint8_t *encode_int(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                                  const struct qr_value *v, uint8_t *p, uint8_t bytes)
{
    if (v->cell != QR_CELL_INT)
        return qri_misfit(rows, f, v);
    uint64_t le = htole64((uint64_t)v->i);
    memcpy(p, &le, bytes);
    return p + bytes;
}

static inline uint8_t *encode_intn(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                                   const struct qr_value *v, uint8_t *p, uint8_t bytes)
{
    if (v->cell == QR_CELL_NULL) {
        *p = 0;
        return p + 1;
    }
    *p = bytes;
    return encode_int(rows, f, v, p + 1, bytes);
}

uint8_t *qri_encode_int1(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                         const struct qr_value *v, uint8_t *p)
{
    return encode_int(rows, f, v, p, 1);
}
uint8_t *qri_encode_int2(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                         const struct qr_value *v, uint8_t *p)
{
    return encode_int(rows, f, v, p, 2);
}
uint8_t *qri_encode_int4(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                         const struct qr_value *v, uint8_t *p)
{
    return encode_int(rows, f, v, p, 4);
}
uint8_t *qri_encode_int8(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                         const struct qr_value *v, uint8_t *p)
{
    return encode_int(rows, f, v, p, 8);
}
uint8_t *qri_encode_intn1(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                          const struct qr_value *v, uint8_t *p)
{
    return encode_intn(rows, f, v, p, 1);
}
uint8_t *qri_encode_intn2(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                          const struct qr_value *v, uint8_t *p)
{
    return encode_intn(rows, f, v, p, 2);
}
uint8_t *qri_encode_intn4(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                          const struct qr_value *v, uint8_t *p)
{
    return encode_intn(rows, f, v, p, 4);
}
uint8_t *qri_encode_intn8(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                          const struct qr_value *v, uint8_t *p)
{
    return encode_intn(rows, f, v, p, 8);
}

/* ---- the other fixed sizes: NOT NULL forms, and nullable ones around them ---- */

static uint8_t *encode_null(uint8_t *p)
{
    *p = 0;
    return p + 1;
}

static bool real_of(const struct qr_value *v, double *ret_real)
{
    if (v->cell == QR_CELL_REAL)
        *ret_real = v->r;
    else if (v->cell == QR_CELL_INT)
        *ret_real = (double)v->i; /* SQLite keeps a whole REAL as an integer now and then */
    else
        return false;
    return true;
}

uint8_t *qri_encode_flt4(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                         const struct qr_value *v, uint8_t *p)
{
    double d;
    if (!real_of(v, &d))
        return qri_misfit(rows, f, v);
    float single = (float)d;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    qr_put32le(p, bits);
    return p + 4;
}

uint8_t *qri_encode_flt8(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                         const struct qr_value *v, uint8_t *p)
{
    double d;
    if (!real_of(v, &d))
        return qri_misfit(rows, f, v);
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    qr_put64le(p, bits);
    return p + 8;
}

uint8_t *qri_encode_money(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                          const struct qr_value *v, uint8_t *p)
{
    return v->cell == QR_CELL_INT ? qri_raw_money(p, v->i) : qri_misfit(rows, f, v);
}

uint8_t *qri_encode_datetime(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                             const struct qr_value *v, uint8_t *p)
{
    return v->cell == QR_CELL_INT ? qri_raw_datetime(p, v->i) : qri_misfit(rows, f, v);
}

uint8_t *qri_encode_datetim4(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                             const struct qr_value *v, uint8_t *p)
{
    return v->cell == QR_CELL_INT ? qri_raw_smalldatetime(p, v->i) : qri_misfit(rows, f, v);
}

static inline uint8_t *nullable(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                                const struct qr_value *v, uint8_t *p, qr_tds_encode_fn *encode)
{
    if (v->cell == QR_CELL_NULL)
        return encode_null(p);
    *p = f->value_bytes;
    return encode(rows, f, v, p + 1);
}

uint8_t *qri_encode_fltn4(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                          const struct qr_value *v, uint8_t *p)
{
    return nullable(rows, f, v, p, qri_encode_flt4);
}
uint8_t *qri_encode_fltn8(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                          const struct qr_value *v, uint8_t *p)
{
    return nullable(rows, f, v, p, qri_encode_flt8);
}
uint8_t *qri_encode_moneyn(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                           const struct qr_value *v, uint8_t *p)
{
    return nullable(rows, f, v, p, qri_encode_money);
}
uint8_t *qri_encode_datetimn(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                             const struct qr_value *v, uint8_t *p)
{
    return nullable(rows, f, v, p, qri_encode_datetime);
}
uint8_t *qri_encode_datetimn4(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                              const struct qr_value *v, uint8_t *p)
{
    return nullable(rows, f, v, p, qri_encode_datetim4);
}

/* ---- types whose values always have a length byte ---- */

uint8_t *qri_encode_decimal(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                            const struct qr_value *v, uint8_t *p)
{
    if (v->cell == QR_CELL_NULL)
        return encode_null(p);
    qr_i128 scaled;
    if (!qri_scaled(v, &scaled))
        return qri_misfit(rows, f, v);
    *p = f->value_bytes;
    return qri_raw_decimal(p + 1, scaled, f->value_bytes);
}

uint8_t *qri_encode_date(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                         const struct qr_value *v, uint8_t *p)
{
    if (v->cell == QR_CELL_NULL)
        return encode_null(p);
    if (v->cell != QR_CELL_INT)
        return qri_misfit(rows, f, v);
    *p = f->value_bytes;
    return qri_raw_date(p + 1, v->i);
}

uint8_t *qri_encode_time(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                         const struct qr_value *v, uint8_t *p)
{
    if (v->cell == QR_CELL_NULL)
        return encode_null(p);
    if (v->cell != QR_CELL_INT)
        return qri_misfit(rows, f, v);
    *p = f->value_bytes;
    return qri_raw_time(p + 1, v->i, f->type.scale);
}

uint8_t *qri_encode_datetime2(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                              const struct qr_value *v, uint8_t *p)
{
    if (v->cell == QR_CELL_NULL)
        return encode_null(p);
    if (v->cell != QR_CELL_INT)
        return qri_misfit(rows, f, v);
    *p = f->value_bytes;
    return qri_raw_datetime2(p + 1, v->i, f->type.scale);
}

uint8_t *qri_encode_dto(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                        const struct qr_value *v, uint8_t *p)
{
    if (v->cell == QR_CELL_NULL)
        return encode_null(p);
    qr_i128 dto;
    if (!qri_dto(v, &dto))
        return qri_misfit(rows, f, v);
    *p = f->value_bytes;
    return qri_raw_dto(p + 1, dto, f->type.scale);
}

uint8_t *qri_encode_guid(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                         const struct qr_value *v, uint8_t *p)
{
    if (v->cell == QR_CELL_NULL)
        return encode_null(p);
    if (v->cell != QR_CELL_BLOB || v->n != 16)
        return qri_misfit(rows, f, v);
    *p = 16;
    qr_guid_to_wire((const uint8_t *)v->p, p + 1);
    return p + 17;
}
