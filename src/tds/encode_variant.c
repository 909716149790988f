/* Implements the encoder of sql_variant (encode_int.h). [MS-TDS] 2.2.5.5.4: base type, count of
 * property bytes, properties, value without a length. */
#include "encode_int.h"
#include <string.h>
#include "codec/codepage.h"
#include "codec/collation.h"
#include "codec/datetime.h"
#include "codec/utf.h"
#include "base/banned.h"

struct variant {
    const struct qr_type *type;
    const struct qr_value *value;
    uint8_t *p; /* where to go on */
};

static void put_int1(struct variant *v)
{
    *v->p++ = (uint8_t)v->value->i;
}
static void put_int2(struct variant *v)
{
    qr_put16le(v->p, (uint16_t)v->value->i);
    v->p += 2;
}
static void put_int4(struct variant *v)
{
    qr_put32le(v->p, (uint32_t)v->value->i);
    v->p += 4;
}
static void put_int8(struct variant *v)
{
    qr_put64le(v->p, (uint64_t)v->value->i);
    v->p += 8;
}
static void put_flt4(struct variant *v)
{
    float f = (float)v->value->r;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    qr_put32le(v->p, bits);
    v->p += 4;
}
static void put_flt8(struct variant *v)
{
    uint64_t bits;
    memcpy(&bits, &v->value->r, sizeof bits);
    qr_put64le(v->p, bits);
    v->p += 8;
}
static void put_money(struct variant *v)
{
    v->p = qri_raw_money(v->p, v->value->i);
}
static void put_datetime(struct variant *v)
{
    v->p = qri_raw_datetime(v->p, v->value->i);
}
static void put_smalldatetime(struct variant *v)
{
    v->p = qri_raw_smalldatetime(v->p, v->value->i);
}
static void put_date(struct variant *v)
{
    v->p = qri_raw_date(v->p, v->value->i);
}
static void put_guid(struct variant *v)
{
    qr_guid_to_wire((const uint8_t *)v->value->p, v->p);
    v->p += 16;
}
static void put_decimal(struct variant *v)
{
    *v->p++ = v->type->precision;
    *v->p++ = v->type->scale;
    v->p = qri_raw_decimal(v->p, qr_value_scaled(v->value), qri_decimal_bytes(v->type->precision));
}
static void put_time(struct variant *v)
{
    *v->p++ = v->type->scale;
    v->p = qri_raw_time(v->p, v->value->i, v->type->scale);
}
static void put_datetime2(struct variant *v)
{
    *v->p++ = v->type->scale;
    v->p = qri_raw_datetime2(v->p, v->value->i, v->type->scale);
}
static void put_dto(struct variant *v)
{
    *v->p++ = v->type->scale;
    v->p = qri_raw_dto(v->p, v->value->w, v->type->scale);
}
static void put_collation(struct variant *v)
{
    const struct qr_collation *c = qr_collation_get(v->type->collation);
    if (c == NULL)
        c = qr_collation_get(QR_COLLATION_DEFAULT);
    memcpy(v->p, c->tds, 5);
    v->p += 5;
}
static void put_length(struct variant *v, size_t bytes_max, size_t value_bytes)
{
    qr_put16le(v->p, (uint16_t)(bytes_max > value_bytes ? bytes_max : value_bytes));
    v->p += 2;
}
static void put_char(struct variant *v)
{
    const struct qr_collation *c = qr_collation_get(v->type->collation);
    uint16_t code_page = c == NULL ? (uint16_t)QR_CP_1252 : c->code_page;
    struct qr_str text = qr_value_bytes(v->value);
    put_collation(v);
    put_length(v, v->type->length, qr_codepage_length(code_page, text));
    v->p += text.n == 0 ? 0 : qr_codepage_encode(code_page, text, v->p);
}
static void put_nchar(struct variant *v)
{
    struct qr_str text = qr_value_bytes(v->value);
    put_collation(v);
    put_length(v, v->type->length * (size_t)2, qr_utf16_units(text) * 2);
    v->p += text.n == 0 ? 0 : qr_utf16le_from_utf8(text, v->p) * 2;
}
static void put_binary(struct variant *v)
{
    put_length(v, v->type->length, v->value->n);
    if (v->value->n > 0)
        memcpy(v->p, v->value->p, v->value->n);
    v->p += v->value->n;
}

static const struct base { /* index: enum qr_type_id of the base type */
    uint8_t token;
    uint8_t property_bytes;
    enum qr_cell cell; /* NULL: decimals, which have several */
    void (*put)(struct variant *v);
} bases[QR_TYPE_COUNT] = {
    /* clang-format off */
    [QR_TYPE_BIT]              = {QR_TDS_BIT,            0, QR_CELL_INT,  put_int1},
    [QR_TYPE_TINYINT]          = {QR_TDS_INT1,           0, QR_CELL_INT,  put_int1},
    [QR_TYPE_SMALLINT]         = {QR_TDS_INT2,           0, QR_CELL_INT,  put_int2},
    [QR_TYPE_INT]              = {QR_TDS_INT4,           0, QR_CELL_INT,  put_int4},
    [QR_TYPE_BIGINT]           = {QR_TDS_INT8,           0, QR_CELL_INT,  put_int8},
    [QR_TYPE_DECIMAL]          = {QR_TDS_DECIMALN,       2, QR_CELL_NULL, put_decimal},
    [QR_TYPE_NUMERIC]          = {QR_TDS_NUMERICN,       2, QR_CELL_NULL, put_decimal},
    [QR_TYPE_MONEY]            = {QR_TDS_MONEY,          0, QR_CELL_INT,  put_money},
    [QR_TYPE_SMALLMONEY]       = {QR_TDS_MONEY4,         0, QR_CELL_INT,  put_int4},
    [QR_TYPE_REAL]             = {QR_TDS_FLT4,           0, QR_CELL_REAL, put_flt4},
    [QR_TYPE_FLOAT]            = {QR_TDS_FLT8,           0, QR_CELL_REAL, put_flt8},
    [QR_TYPE_DATE]             = {QR_TDS_DATE,           0, QR_CELL_INT,  put_date},
    [QR_TYPE_TIME]             = {QR_TDS_TIME,           1, QR_CELL_INT,  put_time},
    [QR_TYPE_SMALLDATETIME]    = {QR_TDS_DATETIM4,       0, QR_CELL_INT,  put_smalldatetime},
    [QR_TYPE_DATETIME]         = {QR_TDS_DATETIME,       0, QR_CELL_INT,  put_datetime},
    [QR_TYPE_DATETIME2]        = {QR_TDS_DATETIME2,      1, QR_CELL_INT,  put_datetime2},
    [QR_TYPE_DATETIMEOFFSET]   = {QR_TDS_DATETIMEOFFSET, 1, QR_CELL_WIDE, put_dto},
    [QR_TYPE_CHAR]             = {QR_TDS_BIGCHAR,        7, QR_CELL_TEXT, put_char},
    [QR_TYPE_VARCHAR]          = {QR_TDS_BIGVARCHAR,     7, QR_CELL_TEXT, put_char},
    [QR_TYPE_NCHAR]            = {QR_TDS_NCHAR,          7, QR_CELL_TEXT, put_nchar},
    [QR_TYPE_NVARCHAR]         = {QR_TDS_NVARCHAR,       7, QR_CELL_TEXT, put_nchar},
    [QR_TYPE_BINARY]           = {QR_TDS_BIGBINARY,      2, QR_CELL_BLOB, put_binary},
    [QR_TYPE_VARBINARY]        = {QR_TDS_BIGVARBINARY,   2, QR_CELL_BLOB, put_binary},
    [QR_TYPE_UNIQUEIDENTIFIER] = {QR_TDS_GUID,           0, QR_CELL_BLOB, put_guid},
    /* clang-format on */
};

static bool fits(const struct base *base, const struct qr_value *v)
{
    if (base->put == NULL)
        return false;
    if (base->cell == QR_CELL_NULL)
        return v->cell == QR_CELL_INT || v->cell == QR_CELL_WIDE;
    return v->cell == base->cell && (base->token != QR_TDS_GUID || v->n == 16);
}

uint8_t *qri_encode_variant(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                            const struct qr_value *value, uint8_t *p)
{
    if (value->cell == QR_CELL_NULL) {
        qr_put32le(p, 0);
        return p + 4;
    }
    if (value->cell != QR_CELL_TEXT && value->cell != QR_CELL_BLOB)
        return qri_misfit(rows, f, value);
    struct qr_type type;
    struct qr_value inner;
    rows->failed = qr_variant_open(qr_value_bytes(value), &type, &inner, rows->err);
    if (rows->failed != QR_OK)
        return NULL;
    char text[QR_DT_TEXT_BYTES];
    bool new_date = type.id == QR_TYPE_DATE || type.id == QR_TYPE_TIME ||
                    type.id == QR_TYPE_DATETIME2 || type.id == QR_TYPE_DATETIMEOFFSET;
    if (new_date && !qr_tds_has_date_types(rows->client.version)) {
        inner = qr_value_text(text, qr_datetime_print(&type, &inner, -1, text));
        type = qr_type_sized(QR_TYPE_NVARCHAR, inner.n);
    }
    const struct base *base = &bases[type.id];
    if (!fits(base, &inner) || inner.n > QR_VARIANT_VALUE_BYTES_MAX * 3)
        return qri_misfit(rows, f, value);
    p = qri_more(rows, p, inner.n * 2 + 32);
    if (p == NULL)
        return NULL;
    p[4] = base->token;
    p[5] = base->property_bytes;
    struct variant v = {&type, &inner, p + 6};
    base->put(&v);
    qr_put32le(p, (uint32_t)(v.p - p - 4));
    return v.p;
}
