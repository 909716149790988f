/* Implements the decoder of sql_variant (decode_int.h). [MS-TDS] 2.2.5.5.4. */
#include "decode_int.h"
#include <string.h>
#include "codec/collation.h"
#include "base/banned.h"

enum property { NO_PROPERTY, SCALE, PRECISION_SCALE, LENGTH, COLLATION_LENGTH };

static const struct base { /* index: base type token */
    enum property property;
    uint8_t property_bytes;
    uint8_t bytes; /* of the value; 0: what is left */
    enum qr_type_id id;
    qr_tds_decode_fn *decode;
} bases[256] = {
    /* clang-format off */
    [QR_TDS_BIT]          = {NO_PROPERTY, 0,  1, QR_TYPE_BIT,           qri_decode_bit},
    [QR_TDS_INT1]         = {NO_PROPERTY, 0,  1, QR_TYPE_TINYINT,       qri_decode_uint1},
    [QR_TDS_INT2]         = {NO_PROPERTY, 0,  2, QR_TYPE_SMALLINT,      qri_decode_intn},
    [QR_TDS_INT4]         = {NO_PROPERTY, 0,  4, QR_TYPE_INT,           qri_decode_intn},
    [QR_TDS_INT8]         = {NO_PROPERTY, 0,  8, QR_TYPE_BIGINT,        qri_decode_intn},
    [QR_TDS_FLT4]         = {NO_PROPERTY, 0,  4, QR_TYPE_REAL,          qri_decode_fltn},
    [QR_TDS_FLT8]         = {NO_PROPERTY, 0,  8, QR_TYPE_FLOAT,         qri_decode_fltn},
    [QR_TDS_MONEY4]       = {NO_PROPERTY, 0,  4, QR_TYPE_SMALLMONEY,    qri_decode_moneyn},
    [QR_TDS_MONEY]        = {NO_PROPERTY, 0,  8, QR_TYPE_MONEY,         qri_decode_moneyn},
    [QR_TDS_DATETIM4]     = {NO_PROPERTY, 0,  4, QR_TYPE_SMALLDATETIME, qri_decode_datetimn},
    [QR_TDS_DATETIME]     = {NO_PROPERTY, 0,  8, QR_TYPE_DATETIME,      qri_decode_datetimn},
    [QR_TDS_DATE]         = {NO_PROPERTY, 0,  3, QR_TYPE_DATE,          qri_decode_date},
    [QR_TDS_GUID]         = {NO_PROPERTY, 0, 16, QR_TYPE_UNIQUEIDENTIFIER, qri_decode_guid},
    [QR_TDS_TIME]         = {SCALE,       1,  0, QR_TYPE_TIME,          qri_decode_time},
    [QR_TDS_DATETIME2]    = {SCALE,       1,  0, QR_TYPE_DATETIME2,     qri_decode_datetime2},
    [QR_TDS_DATETIMEOFFSET] = {SCALE,     1,  0, QR_TYPE_DATETIMEOFFSET, qri_decode_dto},
    [QR_TDS_DECIMALN]     = {PRECISION_SCALE, 2, 0, QR_TYPE_DECIMAL,    qri_decode_decimal},
    [QR_TDS_NUMERICN]     = {PRECISION_SCALE, 2, 0, QR_TYPE_NUMERIC,    qri_decode_decimal},
    [QR_TDS_BIGBINARY]    = {LENGTH,      2,  0, QR_TYPE_BINARY,        qri_decode_binary},
    [QR_TDS_BIGVARBINARY] = {LENGTH,      2,  0, QR_TYPE_VARBINARY,     qri_decode_binary},
    [QR_TDS_BIGCHAR]      = {COLLATION_LENGTH, 7, 0, QR_TYPE_CHAR,      qri_decode_char},
    [QR_TDS_BIGVARCHAR]   = {COLLATION_LENGTH, 7, 0, QR_TYPE_VARCHAR,   qri_decode_char},
    [QR_TDS_NCHAR]        = {COLLATION_LENGTH, 7, 0, QR_TYPE_NCHAR,     qri_decode_nchar},
    [QR_TDS_NVARCHAR]     = {COLLATION_LENGTH, 7, 0, QR_TYPE_NVARCHAR,  qri_decode_nchar},
    /* clang-format on */
};

/* Fills in what the properties say; false if they make no type. */
static bool apply_properties(struct qr_tds_wire_type *t, const struct base *base,
                             const uint8_t *props)
{
    bool national = base->id == QR_TYPE_NCHAR || base->id == QR_TYPE_NVARCHAR;
    size_t length;
    switch (base->property) {
    case NO_PROPERTY:
        t->type = qr_type_of(base->id);
        t->fixed_bytes = base->bytes;
        return true;
    case SCALE:
        if (props[0] > 7)
            return false;
        t->type = qr_type_time(base->id, props[0]);
        t->fixed_bytes = qri_decode_time_bytes(props[0]);
        if (base->id == QR_TYPE_DATETIME2)
            t->fixed_bytes += 3;
        else if (base->id == QR_TYPE_DATETIMEOFFSET)
            t->fixed_bytes += 5;
        return true;
    case PRECISION_SCALE:
        if (props[0] < 1 || props[0] > QR_DECIMAL_PRECISION_MAX || props[1] > props[0])
            return false;
        t->type = qr_type_decimal(props[0], props[1]);
        t->type.id = base->id;
        return true;
    case LENGTH:
    case COLLATION_LENGTH:
        length = qr_get16le(props + base->property_bytes - 2);
        if (length > QR_CHAR_LENGTH_MAX)
            return false;
        length = national ? length / 2 : length;
        t->type = qr_type_sized(base->id, length == 0 ? 1 : length);
        if (base->property == COLLATION_LENGTH) {
            const struct qr_collation *c = qr_collation_by_tds(props);
            t->type.collation = c->id;
            t->code_page = c->code_page;
        }
        return true;
    }
    return false;
}

enum qr_status qri_decode_variant(const struct qr_tds_wire_type *type, const uint8_t *p, size_t n,
                                  struct qr_arena *arena, struct qr_value *ret_value,
                                  struct qr_err *err)
{
    if (n < 2)
        return qri_not_an_instance(type, err);
    const struct base *base = &bases[p[0]];
    if (base->decode == NULL || p[1] != base->property_bytes || n - 2 < base->property_bytes)
        return qri_not_an_instance(type, err);
    struct qr_tds_wire_type inner = {.token = p[0]};
    if (!apply_properties(&inner, base, p + 2))
        return qri_not_an_instance(type, err);
    const uint8_t *bytes = p + 2 + base->property_bytes;
    size_t count = n - 2 - base->property_bytes;
    if ((inner.fixed_bytes != 0 && count != inner.fixed_bytes) ||
        count > QR_VARIANT_VALUE_BYTES_MAX)
        return qri_not_an_instance(type, err);
    struct qr_value value;
    QR_TRY(base->decode(&inner, bytes, count, arena, &value, err));
    return qr_wrap(err, qr_variant_make(arena, &inner.type, &value, ret_value), "make a variant");
}
