/* Implements the wire forms of encode_int.h: which token, which layout, which encoder. */
#include "encode_int.h"
#include <string.h>
#include "codec/codepage.h"
#include "codec/collation.h"
#include "put_int.h"
#include "base/banned.h"

enum { NULL_LEN8 = 1, NULL_LEN16 = 2, NULL_LEN32 = 4, NULL_PLP = 8, NULL_TEXTPTR = 1 };

static const struct form { /* index: enum qr_type_id; bounds that depend on the type are set below
                            */
    uint8_t token;         /* nullable, or the only one */
    uint8_t fixed_token;   /* of NOT NULL columns; 0: none */
    uint8_t info;
    uint8_t value_bytes;
    uint8_t null_bytes;
    qr_tds_encode_fn *encode;
    qr_tds_encode_fn *encode_fixed;
} forms[QR_TYPE_COUNT] = {
    [QR_TYPE_NULL] = {QR_TDS_INTN, 0, QRI_INFO_LEN8, 4, NULL_LEN8, qri_encode_intn4, NULL},
    [QR_TYPE_BIT] = {QR_TDS_BITN, QR_TDS_BIT, QRI_INFO_LEN8, 1, NULL_LEN8, qri_encode_intn1,
                     qri_encode_int1},
    [QR_TYPE_TINYINT] = {QR_TDS_INTN, QR_TDS_INT1, QRI_INFO_LEN8, 1, NULL_LEN8, qri_encode_intn1,
                         qri_encode_int1},
    [QR_TYPE_SMALLINT] = {QR_TDS_INTN, QR_TDS_INT2, QRI_INFO_LEN8, 2, NULL_LEN8, qri_encode_intn2,
                          qri_encode_int2},
    [QR_TYPE_INT] = {QR_TDS_INTN, QR_TDS_INT4, QRI_INFO_LEN8, 4, NULL_LEN8, qri_encode_intn4,
                     qri_encode_int4},
    [QR_TYPE_BIGINT] = {QR_TDS_INTN, QR_TDS_INT8, QRI_INFO_LEN8, 8, NULL_LEN8, qri_encode_intn8,
                        qri_encode_int8},
    [QR_TYPE_DECIMAL] = {QR_TDS_DECIMALN, 0, QRI_INFO_DECIMAL, 0, NULL_LEN8, qri_encode_decimal,
                         NULL},
    [QR_TYPE_NUMERIC] = {QR_TDS_NUMERICN, 0, QRI_INFO_DECIMAL, 0, NULL_LEN8, qri_encode_decimal,
                         NULL},
    [QR_TYPE_MONEY] = {QR_TDS_MONEYN, QR_TDS_MONEY, QRI_INFO_LEN8, 8, NULL_LEN8, qri_encode_moneyn,
                       qri_encode_money},
    [QR_TYPE_SMALLMONEY] = {QR_TDS_MONEYN, QR_TDS_MONEY4, QRI_INFO_LEN8, 4, NULL_LEN8,
                            qri_encode_intn4, qri_encode_int4},
    [QR_TYPE_REAL] = {QR_TDS_FLTN, QR_TDS_FLT4, QRI_INFO_LEN8, 4, NULL_LEN8, qri_encode_fltn4,
                      qri_encode_flt4},
    [QR_TYPE_FLOAT] = {QR_TDS_FLTN, QR_TDS_FLT8, QRI_INFO_LEN8, 8, NULL_LEN8, qri_encode_fltn8,
                       qri_encode_flt8},
    [QR_TYPE_DATE] = {QR_TDS_DATE, 0, QRI_INFO_NONE, 3, NULL_LEN8, qri_encode_date, NULL},
    [QR_TYPE_TIME] = {QR_TDS_TIME, 0, QRI_INFO_SCALE, 0, NULL_LEN8, qri_encode_time, NULL},
    [QR_TYPE_SMALLDATETIME] = {QR_TDS_DATETIMN, QR_TDS_DATETIM4, QRI_INFO_LEN8, 4, NULL_LEN8,
                               qri_encode_datetimn4, qri_encode_datetim4},
    [QR_TYPE_DATETIME] = {QR_TDS_DATETIMN, QR_TDS_DATETIME, QRI_INFO_LEN8, 8, NULL_LEN8,
                          qri_encode_datetimn, qri_encode_datetime},
    [QR_TYPE_DATETIME2] = {QR_TDS_DATETIME2, 0, QRI_INFO_SCALE, 0, NULL_LEN8, qri_encode_datetime2,
                           NULL},
    [QR_TYPE_DATETIMEOFFSET] = {QR_TDS_DATETIMEOFFSET, 0, QRI_INFO_SCALE, 0, NULL_LEN8,
                                qri_encode_dto, NULL},
    [QR_TYPE_CHAR] = {QR_TDS_BIGCHAR, 0, QRI_INFO_CHAR, 0, NULL_LEN16, qri_encode_varchar, NULL},
    [QR_TYPE_VARCHAR] = {QR_TDS_BIGVARCHAR, 0, QRI_INFO_CHAR, 0, NULL_LEN16, qri_encode_varchar,
                         NULL},
    [QR_TYPE_TEXT] = {QR_TDS_TEXT, 0, QRI_INFO_TEXT, 0, NULL_TEXTPTR, qri_encode_text, NULL},
    [QR_TYPE_NCHAR] = {QR_TDS_NCHAR, 0, QRI_INFO_CHAR, 0, NULL_LEN16, qri_encode_nvarchar, NULL},
    [QR_TYPE_NVARCHAR] = {QR_TDS_NVARCHAR, 0, QRI_INFO_CHAR, 0, NULL_LEN16, qri_encode_nvarchar,
                          NULL},
    [QR_TYPE_NTEXT] = {QR_TDS_NTEXT, 0, QRI_INFO_TEXT, 0, NULL_TEXTPTR, qri_encode_ntext, NULL},
    [QR_TYPE_BINARY] = {QR_TDS_BIGBINARY, 0, QRI_INFO_LEN16, 0, NULL_LEN16, qri_encode_varbinary,
                        NULL},
    [QR_TYPE_VARBINARY] = {QR_TDS_BIGVARBINARY, 0, QRI_INFO_LEN16, 0, NULL_LEN16,
                           qri_encode_varbinary, NULL},
    [QR_TYPE_IMAGE] = {QR_TDS_IMAGE, 0, QRI_INFO_IMAGE, 0, NULL_TEXTPTR, qri_encode_image, NULL},
    [QR_TYPE_ROWVERSION] = {QR_TDS_BIGBINARY, 0, QRI_INFO_LEN16, 0, NULL_LEN16,
                            qri_encode_varbinary, NULL},
    [QR_TYPE_UNIQUEIDENTIFIER] = {QR_TDS_GUID, 0, QRI_INFO_LEN8, 16, NULL_LEN8, qri_encode_guid,
                                  NULL},
    [QR_TYPE_XML] = {QR_TDS_XML, 0, QRI_INFO_XML, 0, NULL_PLP, qri_encode_plp_nchar, NULL},
    [QR_TYPE_SQL_VARIANT] = {QR_TDS_VARIANT, 0, QRI_INFO_VARIANT, 0, NULL_LEN32, qri_encode_variant,
                             NULL},
    /* table and cursor have none */
};

/* What a client without the new date types sees: nvarchar with the type's text. */
static bool is_new_date_type(enum qr_type_id id)
{
    return id == QR_TYPE_DATE || id == QR_TYPE_TIME || id == QR_TYPE_DATETIME2 ||
           id == QR_TYPE_DATETIMEOFFSET;
}

static uint32_t date_text_units(const struct qr_type *type)
{
    uint32_t fraction = type->scale == 0 ? 0u : type->scale + 1u;
    static const uint8_t whole[QR_TYPE_COUNT] = {[QR_TYPE_DATE] = 10,
                                                 [QR_TYPE_TIME] = 8,
                                                 [QR_TYPE_DATETIME2] = 19,
                                                 [QR_TYPE_DATETIMEOFFSET] = 26};
    return whole[type->id] + (type->id == QR_TYPE_DATE ? 0 : fraction);
}

/* The type whose form is sent instead of `type` (the value stays one of `type`). */
static enum qr_type_id form_type(const struct qr_type *type, struct qr_tds_client client,
                                 uint16_t code_page)
{
    enum qr_type_id id = type->id;
    if (is_new_date_type(id) && !qr_tds_has_date_types(client.version))
        return QR_TYPE_NVARCHAR;
    if (code_page == QR_CP_UTF8 && !client.utf8) {
        if (id == QR_TYPE_CHAR || id == QR_TYPE_VARCHAR)
            id = QR_TYPE_NVARCHAR;
        else if (id == QR_TYPE_TEXT)
            id = QR_TYPE_NTEXT;
    }
    if (qr_tds_has_max_types(client.version))
        return id;
    if (id == QR_TYPE_XML)
        return QR_TYPE_NTEXT;
    if (!type->is_max)
        return id;
    return id == QR_TYPE_VARCHAR ? QR_TYPE_TEXT
                                 : (id == QR_TYPE_NVARCHAR ? QR_TYPE_NTEXT : QR_TYPE_IMAGE);
}

static qr_tds_encode_fn *plp_encoder(enum qr_type_id id)
{
    return id == QR_TYPE_VARCHAR
               ? qri_encode_plp_char
               : (id == QR_TYPE_NVARCHAR ? qri_encode_plp_nchar : qri_encode_plp_binary);
}

static uint32_t lob_bytes_max(enum qr_type_id id)
{
    return id == QR_TYPE_NTEXT ? 0x7FFFFFFE : 0x7FFFFFFF;
}

/* Sizes that follow from precision, scale and length. */
static void set_bounds(struct qr_tds_field *f, enum qr_type_id id, const struct qr_type *type)
{
    uint32_t length = type->length == 0 ? 1 : type->length; /* the wire has no zero-length types */
    f->bytes_max = f->value_bytes;
    switch ((int)f->info) {
    case QRI_INFO_DECIMAL:
        f->value_bytes = qri_decimal_bytes(type->precision);
        break;
    case QRI_INFO_SCALE:
        f->value_bytes = qri_time_bytes(type->scale);
        if (id == QR_TYPE_DATETIME2)
            f->value_bytes += 3;
        else if (id == QR_TYPE_DATETIMEOFFSET)
            f->value_bytes += 5;
        break;
    case QRI_INFO_TEXT:
    case QRI_INFO_IMAGE:
        f->bytes_max = lob_bytes_max(id);
        break;
    case QRI_INFO_VARIANT:
        f->bytes_max = 8009; /* 8,000 bytes of value and the longest head */
        break;
    case QRI_INFO_CHAR:
    case QRI_INFO_LEN16:
        if (type->is_max) {
            f->bytes_max = QRI_PLP;
            f->null_bytes = NULL_PLP;
            f->encode = plp_encoder(id);
        } else if (type->id == QR_TYPE_ROWVERSION) {
            f->bytes_max = 8;
        } else {
            f->bytes_max = id == QR_TYPE_NCHAR || id == QR_TYPE_NVARCHAR ? length * 2 : length;
        }
        if (f->bytes_max > 8000 && !type->is_max)
            f->bytes_max = 8000; /* varchar(8000) with UTF-8 sent as nvarchar */
        break;
    default:
        break;
    }
}

enum qr_status qri_field_init(struct qr_tds_field *ret_field, const struct qr_type *type,
                              bool can_null, struct qr_tds_client client, struct qr_err *err)
{
    struct qr_type text = qr_type_sized(QR_TYPE_VARCHAR, 0);
    bool vector = type->id == QR_TYPE_VECTOR;
    if (vector || type->id == QR_TYPE_JSON) { /* clients see UTF-8 text, older ones nvarchar */
        text.collation = qr_collation_find(qr_str("Latin1_General_100_BIN2_UTF8"))->id;
        type = &text;
    }
    const struct qr_collation *collation = qr_collation_get(type->collation);
    uint16_t code_page = collation == NULL ? (uint16_t)QR_CP_1252 : collation->code_page;
    enum qr_type_id id = form_type(type, client, code_page);
    const struct form *form = &forms[id];
    if (form->encode == NULL)
        return qr_fail(err, QR_UNSUPPORTED, "a result column of type %s", qr_type_name(type));
    bool fixed = !can_null && form->encode_fixed != NULL;
    struct qr_tds_field f = {
        .encode = fixed ? form->encode_fixed : form->encode,
        .type = *type,
        .token = fixed ? form->fixed_token : form->token,
        .info = fixed ? QRI_INFO_NONE : form->info,
        .value_bytes = form->value_bytes,
        .null_bytes = form->null_bytes,
        .can_null = can_null,
        .code_page = code_page,
    };
    set_bounds(&f, id, type);
    if (id == QR_TYPE_NVARCHAR && is_new_date_type(type->id)) {
        f.encode = qri_encode_date_as_text;
        f.bytes_max = date_text_units(type) * 2;
    }
    if (vector) {
        f.encode_text = f.encode;
        f.encode = qri_encode_vector;
    }
    *ret_field = f;
    return QR_OK;
}

static const uint8_t *collation_bytes(const struct qr_type *type)
{
    const struct qr_collation *c = qr_collation_get(type->collation);
    return c == NULL ? qr_collation_get(QR_COLLATION_DEFAULT)->tds : c->tds;
}

static void put_table(struct qr_tds_writer *w, struct qr_tds_client client,
                      const struct qr_tds_table_name *table)
{
    uint8_t count = table->part_count;
    if (client.version >= QR_TDS_VERSION_72) {
        qri_put8(w, count);
        for (size_t k = 4u - count; k < 4; k++)
            qri_put_usvarchar(w, table->parts[k]);
    } else {
        qri_put_usvarchar(w, count == 0 ? qr_str("") : table->parts[3]);
    }
}

void qri_put_type_info(struct qr_tds_writer *w, const struct qr_tds_field *field,
                       struct qr_tds_client client, const struct qr_tds_table_name *table)
{
    qri_put8(w, field->token);
    switch ((enum qri_info)field->info) {
    case QRI_INFO_NONE:
        break;
    case QRI_INFO_LEN8:
        qri_put8(w, (uint8_t)field->bytes_max);
        break;
    case QRI_INFO_LEN16:
        qri_put16(w, (uint16_t)field->bytes_max);
        break;
    case QRI_INFO_CHAR:
        qri_put16(w, (uint16_t)field->bytes_max);
        qri_put(w, collation_bytes(&field->type), 5);
        break;
    case QRI_INFO_DECIMAL:
        qri_put8(w, field->value_bytes);
        qri_put8(w, field->type.precision);
        qri_put8(w, field->type.scale);
        break;
    case QRI_INFO_SCALE:
        qri_put8(w, field->type.scale);
        break;
    case QRI_INFO_TEXT:
        qri_put32(w, field->bytes_max);
        qri_put(w, collation_bytes(&field->type), 5);
        if (table != NULL)
            put_table(w, client, table);
        break;
    case QRI_INFO_IMAGE:
        qri_put32(w, field->bytes_max);
        if (table != NULL)
            put_table(w, client, table);
        break;
    case QRI_INFO_VARIANT:
        qri_put32(w, field->bytes_max);
        break;
    case QRI_INFO_XML:
        qri_put8(w, 0);
        break;
    }
}

size_t qri_field_bytes(const struct qr_tds_field *field)
{
    /* Variable parts ask for more; what is fixed about them is at most a text pointer with its
     * timestamp and length (29 bytes) or a PLP head and tail (16). */
    if (field->value_bytes > 0)
        return field->value_bytes + 1u;
    bool is_short = field->info == QRI_INFO_CHAR || field->info == QRI_INFO_LEN16;
    return 32u + (is_short && field->bytes_max <= QRI_SHORT_ROOM_MAX ? field->bytes_max : 0);
}
