/* Implements qr_tds_read_type and the framing of values (tds/decode.h). */
#include "tds/decode.h"
#include <assert.h>
#include <string.h>
#include "codec/codepage.h"
#include "codec/collation.h"
#include "decode_int.h"
#include "base/banned.h"

enum info { /* what follows the token */
            INFO_UNKNOWN = 0,
            INFO_NONE,
            INFO_LEN8,
            INFO_SCALE,
            INFO_DECIMAL,
            INFO_LEN16,
            INFO_CHAR16, /* length and collation */
            INFO_TEXT,
            INFO_IMAGE,
            INFO_VARIANT,
            INFO_XML,
            INFO_TVP,
            INFO_REFUSED,
};

static const struct wire_type { /* index: token */
    const char *name;
    uint8_t info, framing;
    uint8_t fixed_bytes;
    enum qr_type_id id; /* of nullable types: set by size below */
    qr_tds_decode_fn *decode;
} wire_types[256] = {
    [QR_TDS_NULL] = {"null", INFO_NONE, QRI_FRAME_NONE, 0, QR_TYPE_NULL, qri_decode_null},
    [QR_TDS_INT1] = {"tinyint", INFO_NONE, QRI_FRAME_FIXED, 1, QR_TYPE_TINYINT, qri_decode_uint1},
    [QR_TDS_BIT] = {"bit", INFO_NONE, QRI_FRAME_FIXED, 1, QR_TYPE_BIT, qri_decode_bit},
    [QR_TDS_INT2] = {"smallint", INFO_NONE, QRI_FRAME_FIXED, 2, QR_TYPE_SMALLINT, qri_decode_intn},
    [QR_TDS_INT4] = {"int", INFO_NONE, QRI_FRAME_FIXED, 4, QR_TYPE_INT, qri_decode_intn},
    [QR_TDS_INT8] = {"bigint", INFO_NONE, QRI_FRAME_FIXED, 8, QR_TYPE_BIGINT, qri_decode_intn},
    [QR_TDS_FLT4] = {"real", INFO_NONE, QRI_FRAME_FIXED, 4, QR_TYPE_REAL, qri_decode_fltn},
    [QR_TDS_FLT8] = {"float", INFO_NONE, QRI_FRAME_FIXED, 8, QR_TYPE_FLOAT, qri_decode_fltn},
    [QR_TDS_MONEY4] = {"smallmoney", INFO_NONE, QRI_FRAME_FIXED, 4, QR_TYPE_SMALLMONEY,
                       qri_decode_moneyn},
    [QR_TDS_MONEY] = {"money", INFO_NONE, QRI_FRAME_FIXED, 8, QR_TYPE_MONEY, qri_decode_moneyn},
    [QR_TDS_DATETIM4] = {"smalldatetime", INFO_NONE, QRI_FRAME_FIXED, 4, QR_TYPE_SMALLDATETIME,
                         qri_decode_datetimn},
    [QR_TDS_DATETIME] = {"datetime", INFO_NONE, QRI_FRAME_FIXED, 8, QR_TYPE_DATETIME,
                         qri_decode_datetimn},
    [QR_TDS_INTN] = {"intn", INFO_LEN8, QRI_FRAME_LEN8, 0, QR_TYPE_INT, qri_decode_intn},
    [QR_TDS_BITN] = {"bit", INFO_LEN8, QRI_FRAME_LEN8, 0, QR_TYPE_BIT, qri_decode_bit},
    [QR_TDS_FLTN] = {"floatn", INFO_LEN8, QRI_FRAME_LEN8, 0, QR_TYPE_FLOAT, qri_decode_fltn},
    [QR_TDS_MONEYN] = {"moneyn", INFO_LEN8, QRI_FRAME_LEN8, 0, QR_TYPE_MONEY, qri_decode_moneyn},
    [QR_TDS_DATETIMN] = {"datetimn", INFO_LEN8, QRI_FRAME_LEN8, 0, QR_TYPE_DATETIME,
                         qri_decode_datetimn},
    [QR_TDS_GUID] = {"uniqueidentifier", INFO_LEN8, QRI_FRAME_LEN8, 0, QR_TYPE_UNIQUEIDENTIFIER,
                     qri_decode_guid},
    [QR_TDS_DECIMALN] = {"decimal", INFO_DECIMAL, QRI_FRAME_LEN8, 0, QR_TYPE_DECIMAL,
                         qri_decode_decimal},
    [QR_TDS_NUMERICN] = {"numeric", INFO_DECIMAL, QRI_FRAME_LEN8, 0, QR_TYPE_NUMERIC,
                         qri_decode_decimal},
    [QR_TDS_OLD_DECIMAL] = {"decimal", INFO_DECIMAL, QRI_FRAME_LEN8, 0, QR_TYPE_DECIMAL,
                            qri_decode_decimal},
    [QR_TDS_OLD_NUMERIC] = {"numeric", INFO_DECIMAL, QRI_FRAME_LEN8, 0, QR_TYPE_NUMERIC,
                            qri_decode_decimal},
    [QR_TDS_DATE] = {"date", INFO_NONE, QRI_FRAME_LEN8, 3, QR_TYPE_DATE, qri_decode_date},
    [QR_TDS_TIME] = {"time", INFO_SCALE, QRI_FRAME_LEN8, 0, QR_TYPE_TIME, qri_decode_time},
    [QR_TDS_DATETIME2] = {"datetime2", INFO_SCALE, QRI_FRAME_LEN8, 0, QR_TYPE_DATETIME2,
                          qri_decode_datetime2},
    [QR_TDS_DATETIMEOFFSET] = {"datetimeoffset", INFO_SCALE, QRI_FRAME_LEN8, 0,
                               QR_TYPE_DATETIMEOFFSET, qri_decode_dto},
    [QR_TDS_OLD_CHAR] = {"char", INFO_LEN8, QRI_FRAME_OLD8, 0, QR_TYPE_CHAR, qri_decode_char},
    [QR_TDS_OLD_VARCHAR] = {"varchar", INFO_LEN8, QRI_FRAME_OLD8, 0, QR_TYPE_VARCHAR,
                            qri_decode_char},
    [QR_TDS_OLD_BINARY] = {"binary", INFO_LEN8, QRI_FRAME_OLD8, 0, QR_TYPE_BINARY,
                           qri_decode_binary},
    [QR_TDS_OLD_VARBINARY] = {"varbinary", INFO_LEN8, QRI_FRAME_OLD8, 0, QR_TYPE_VARBINARY,
                              qri_decode_binary},
    [QR_TDS_BIGCHAR] = {"char", INFO_CHAR16, QRI_FRAME_LEN16, 0, QR_TYPE_CHAR, qri_decode_char},
    [QR_TDS_BIGVARCHAR] = {"varchar", INFO_CHAR16, QRI_FRAME_LEN16, 0, QR_TYPE_VARCHAR,
                           qri_decode_char},
    [QR_TDS_NCHAR] = {"nchar", INFO_CHAR16, QRI_FRAME_LEN16, 0, QR_TYPE_NCHAR, qri_decode_nchar},
    [QR_TDS_NVARCHAR] = {"nvarchar", INFO_CHAR16, QRI_FRAME_LEN16, 0, QR_TYPE_NVARCHAR,
                         qri_decode_nchar},
    [QR_TDS_BIGBINARY] = {"binary", INFO_LEN16, QRI_FRAME_LEN16, 0, QR_TYPE_BINARY,
                          qri_decode_binary},
    [QR_TDS_BIGVARBINARY] = {"varbinary", INFO_LEN16, QRI_FRAME_LEN16, 0, QR_TYPE_VARBINARY,
                             qri_decode_binary},
    [QR_TDS_TEXT] = {"text", INFO_TEXT, QRI_FRAME_LEN32, 0, QR_TYPE_TEXT, qri_decode_char},
    [QR_TDS_NTEXT] = {"ntext", INFO_TEXT, QRI_FRAME_LEN32, 0, QR_TYPE_NTEXT, qri_decode_nchar},
    [QR_TDS_IMAGE] = {"image", INFO_IMAGE, QRI_FRAME_LEN32, 0, QR_TYPE_IMAGE, qri_decode_binary},
    [QR_TDS_VARIANT] = {"sql_variant", INFO_VARIANT, QRI_FRAME_VARIANT, 0, QR_TYPE_SQL_VARIANT,
                        qri_decode_variant},
    [QR_TDS_XML] = {"xml", INFO_XML, QRI_FRAME_PLP, 0, QR_TYPE_XML, qri_decode_xml},
    [QR_TDS_TVP] = {"table", INFO_TVP, QRI_FRAME_NONE, 0, QR_TYPE_TABLE, NULL},
    [QR_TDS_UDT] = {"CLR user-defined type", INFO_REFUSED, 0, 0, QR_TYPE_NULL, NULL},
};

static const struct sized { /* nullable tokens whose size picks the type */
    uint8_t token, bytes;
    enum qr_type_id id;
    qr_tds_decode_fn *decode; /* NULL: the token's */
} sized_types[] = {
    {QR_TDS_INTN, 1, QR_TYPE_TINYINT, qri_decode_uint1},
    {QR_TDS_INTN, 2, QR_TYPE_SMALLINT, NULL},
    {QR_TDS_INTN, 4, QR_TYPE_INT, NULL},
    {QR_TDS_INTN, 8, QR_TYPE_BIGINT, NULL},
    {QR_TDS_BITN, 1, QR_TYPE_BIT, NULL},
    {QR_TDS_FLTN, 4, QR_TYPE_REAL, NULL},
    {QR_TDS_FLTN, 8, QR_TYPE_FLOAT, NULL},
    {QR_TDS_MONEYN, 4, QR_TYPE_SMALLMONEY, NULL},
    {QR_TDS_MONEYN, 8, QR_TYPE_MONEY, NULL},
    {QR_TDS_DATETIMN, 4, QR_TYPE_SMALLDATETIME, NULL},
    {QR_TDS_DATETIMN, 8, QR_TYPE_DATETIME, NULL},
    {QR_TDS_GUID, 16, QR_TYPE_UNIQUEIDENTIFIER, NULL},
};

static enum qr_status bad_length(const struct qr_tds_wire_type *t, struct qr_err *err)
{
    return qr_fail(err, QR_PROTOCOL, "data type 0x%02X has an invalid length or metadata",
                   t->token);
}

static enum qr_status read_len8(struct qr_tds_cursor *c, struct qr_tds_wire_type *t,
                                struct qr_err *err)
{
    uint8_t bytes = qr_tds_take8(c);
    t->bytes_max = bytes;
    if (c->failed)
        return QR_OK;
    if (t->framing == QRI_FRAME_OLD8) {
        t->type = qr_type_sized(t->type.id, bytes == 0 ? 1 : bytes);
        return QR_OK;
    }
    for (size_t i = 0; i < sizeof sized_types / sizeof sized_types[0]; i++) {
        const struct sized *s = &sized_types[i];
        if (s->token != t->token || s->bytes != bytes)
            continue;
        t->type = qr_type_of(s->id);
        t->fixed_bytes = bytes;
        t->decode = s->decode != NULL ? s->decode : t->decode;
        return QR_OK;
    }
    return bad_length(t, err);
}

static enum qr_status read_decimal_info(struct qr_tds_cursor *c, struct qr_tds_wire_type *t,
                                        struct qr_err *err)
{
    t->bytes_max = qr_tds_take8(c);
    uint8_t precision = qr_tds_take8(c), scale = qr_tds_take8(c);
    if (c->failed)
        return QR_OK;
    if (precision < 1 || precision > QR_DECIMAL_PRECISION_MAX || scale > precision ||
        t->bytes_max > 17)
        return bad_length(t, err);
    enum qr_type_id id = t->type.id;
    t->type = qr_type_decimal(precision, scale);
    t->type.id = id;
    return QR_OK;
}

static enum qr_status read_scale_info(struct qr_tds_cursor *c, struct qr_tds_wire_type *t,
                                      struct qr_err *err)
{
    uint8_t scale = qr_tds_take8(c);
    if (c->failed)
        return QR_OK;
    if (scale > 7)
        return bad_length(t, err);
    t->type = qr_type_time(t->type.id, scale);
    t->fixed_bytes = qri_decode_time_bytes(scale);
    if (t->token == QR_TDS_DATETIME2)
        t->fixed_bytes += 3;
    else if (t->token == QR_TDS_DATETIMEOFFSET)
        t->fixed_bytes += 5;
    return QR_OK;
}

static void read_collation(struct qr_tds_cursor *c, struct qr_tds_wire_type *t)
{
    const uint8_t *bytes = qr_tds_take(c, 5);
    if (bytes == NULL)
        return;
    const struct qr_collation *collation = qr_collation_by_tds(bytes);
    t->type.collation = collation->id;
    t->code_page = collation->code_page;
}

static enum qr_status read_len16(struct qr_tds_cursor *c, struct qr_tds_wire_type *t,
                                 struct qr_err *err)
{
    enum { PLP = 0xFFFF };
    uint32_t bytes = qr_tds_take16(c);
    t->bytes_max = bytes;
    if (c->failed)
        return QR_OK;
    bool national = t->token == QR_TDS_NCHAR || t->token == QR_TDS_NVARCHAR;
    bool variable = t->token == QR_TDS_NVARCHAR || t->token == QR_TDS_BIGVARCHAR ||
                    t->token == QR_TDS_BIGVARBINARY;
    if (bytes == PLP && variable) {
        t->framing = QRI_FRAME_PLP;
        t->type = qr_type_sized(t->type.id, 0);
        return QR_OK;
    }
    if (bytes > QR_CHAR_LENGTH_MAX || (national && bytes % 2 != 0))
        return bad_length(t, err);
    size_t length = national ? bytes / 2 : bytes;
    t->type = qr_type_sized(t->type.id, length == 0 ? 1 : length);
    return QR_OK;
}

static void read_long_info(struct qr_tds_cursor *c, struct qr_tds_wire_type *t, bool has_collation,
                           enum qr_tds_place place)
{
    t->bytes_max = qr_tds_take32(c);
    t->type = qr_type_of(t->type.id);
    if (has_collation)
        read_collation(c, t);
    if (place == QR_TDS_IN_BULK) {
        t->framing = QRI_FRAME_TEXTPTR;
        (void)qr_tds_take_utf16(c, qr_tds_take16(c)); /* table name: INSERT BULK named it */
    }
}

static void read_xml_info(struct qr_tds_cursor *c)
{
    if (qr_tds_take8(c) == 0)
        return;
    (void)qr_tds_take_utf16(c, qr_tds_take8(c));  /* database */
    (void)qr_tds_take_utf16(c, qr_tds_take8(c));  /* schema */
    (void)qr_tds_take_utf16(c, qr_tds_take16(c)); /* collection */
}

static enum qr_status read_info(struct qr_tds_cursor *c, enum info info, enum qr_tds_place place,
                                struct qr_tds_wire_type *t, struct qr_err *err)
{
    switch (info) {
    case INFO_NONE:
    case INFO_TVP:
        t->type = qr_type_of(t->type.id);
        return QR_OK;
    case INFO_LEN8:
        return read_len8(c, t, err);
    case INFO_SCALE:
        return read_scale_info(c, t, err);
    case INFO_DECIMAL:
        return read_decimal_info(c, t, err);
    case INFO_LEN16:
        return read_len16(c, t, err);
    case INFO_CHAR16:
        QR_TRY(read_len16(c, t, err));
        read_collation(c, t);
        return QR_OK;
    case INFO_TEXT:
        read_long_info(c, t, true, place);
        return QR_OK;
    case INFO_IMAGE:
        read_long_info(c, t, false, place);
        return QR_OK;
    case INFO_VARIANT:
        t->bytes_max = qr_tds_take32(c);
        t->type = qr_type_of(t->type.id);
        return QR_OK;
    case INFO_XML:
        read_xml_info(c);
        t->type = qr_type_of(t->type.id);
        return QR_OK;
    case INFO_REFUSED:
        return qr_fail(err, QR_UNSUPPORTED, "a %s", wire_types[t->token].name);
    case INFO_UNKNOWN:
        break;
    }
    return qr_fail(err, QR_PROTOCOL, "data type 0x%02X is unknown", t->token);
}

bool qr_tds_type_known(uint8_t token)
{
    return wire_types[token].info != INFO_UNKNOWN;
}

enum qr_status qr_tds_read_type(struct qr_tds_cursor *c, enum qr_tds_place place,
                                struct qr_tds_wire_type *ret_type, struct qr_err *err)
{
    uint8_t token = qr_tds_take8(c);
    if (c->failed)
        return qr_fail(err, QR_TRUNCATED, "the input ends in a type");
    const struct wire_type *w = &wire_types[token];
    struct qr_tds_wire_type t = {.token = token,
                                 .type = {.id = w->id},
                                 .framing = w->framing,
                                 .fixed_bytes = w->fixed_bytes,
                                 .code_page = QR_CP_1252,
                                 .decode = w->decode};
    QR_TRY(read_info(c, (enum info)w->info, place, &t, err));
    if (c->failed)
        return qr_fail(err, QR_TRUNCATED, "the input ends in a type");
    *ret_type = t;
    return QR_OK;
}

/* ---- framing of values ---- */

/* Joins the chunks; one chunk alone is borrowed. */
static enum qr_status read_plp(struct qr_tds_cursor *c, struct qr_arena *arena,
                               const uint8_t **ret_bytes, size_t *ret_count, struct qr_err *err)
{
    struct qr_tds_cursor scan = *c;
    const uint8_t *first = NULL;
    size_t total = 0, chunk_count = 0;
    for (;;) { /* a first pass, because the stated length may be unknown or a lie */
        uint32_t n = qr_tds_take32(&scan);
        if (n == 0)
            break;
        const uint8_t *p = qr_tds_take(&scan, n);
        if (scan.failed)
            break;
        first = chunk_count++ == 0 ? p : first;
        total += n;
    }
    if (scan.failed)
        return qr_fail(err, QR_TRUNCATED, "the input ends in a value");
    if (chunk_count > 1) {
        uint8_t *joined = qr_arena_alloc(arena, total);
        if (joined == NULL)
            return qr_fail(err, QR_NOMEM, "a value of %zu bytes", total);
        size_t at = 0;
        for (uint32_t n; (n = qr_tds_take32(c)) != 0; at += n)
            memcpy(joined + at, qr_tds_take(c, n), n);
        first = joined;
    }
    *c = scan;
    *ret_bytes = first == NULL ? (const uint8_t *)"" : first;
    *ret_count = total;
    return QR_OK;
}

struct frame {
    bool is_null;
    const uint8_t *bytes;
    size_t count;
};

static enum qr_status read_plp_frame(struct qr_tds_cursor *c, struct qr_arena *arena,
                                     struct frame *f, struct qr_err *err)
{
    enum { UNKNOWN_LENGTH = 1 }; /* 0xFF..FE: one below NULL */
    uint64_t stated = qr_tds_take64(c);
    if (c->failed)
        return QR_OK;
    f->is_null = stated == UINT64_MAX;
    if (f->is_null)
        return QR_OK;
    QR_TRY(read_plp(c, arena, &f->bytes, &f->count, err));
    if (stated != UINT64_MAX - UNKNOWN_LENGTH && stated != f->count)
        return qr_fail(err, QR_PROTOCOL, "a value's chunks do not add up to its length");
    return QR_OK;
}

static void read_counted(struct qr_tds_cursor *c, size_t count, bool is_null, struct frame *f)
{
    f->is_null = is_null;
    f->count = is_null ? 0 : count;
    f->bytes = qr_tds_take(c, f->count);
}

static enum qr_status read_frame(struct qr_tds_cursor *c, const struct qr_tds_wire_type *type,
                                 struct qr_arena *arena, struct frame *f, struct qr_err *err)
{
    size_t n;
    switch ((enum qri_framing)type->framing) {
    case QRI_FRAME_NONE:
        f->is_null = true;
        break;
    case QRI_FRAME_FIXED:
        read_counted(c, type->fixed_bytes, false, f);
        break;
    case QRI_FRAME_LEN8:
        n = qr_tds_take8(c);
        read_counted(c, n, n == 0, f);
        if (n != 0 && type->fixed_bytes != 0 && n != type->fixed_bytes && !c->failed)
            return qri_not_an_instance(type, err);
        break;
    case QRI_FRAME_OLD8:
        n = qr_tds_take8(c);
        read_counted(c, n, n == 0, f);
        break;
    case QRI_FRAME_LEN16:
        n = qr_tds_take16(c);
        read_counted(c, n, n == UINT16_MAX, f);
        if (!c->failed && f->count > type->bytes_max)
            return qri_not_an_instance(type, err);
        break;
    case QRI_FRAME_LEN32:
        n = qr_tds_take32(c);
        read_counted(c, n, n == UINT32_MAX, f);
        break;
    case QRI_FRAME_TEXTPTR:
        n = qr_tds_take8(c);
        f->is_null = n == 0;
        if (f->is_null)
            break;
        (void)qr_tds_take(c, n + 8); /* pointer and timestamp mean nothing here */
        n = qr_tds_take32(c);
        read_counted(c, n, n == UINT32_MAX, f);
        break;
    case QRI_FRAME_VARIANT:
        n = qr_tds_take32(c);
        read_counted(c, n, n == 0, f);
        break;
    case QRI_FRAME_PLP:
        return read_plp_frame(c, arena, f, err);
    }
    return QR_OK;
}

enum qr_status qr_tds_read_value(struct qr_tds_cursor *c, const struct qr_tds_wire_type *type,
                                 struct qr_arena *arena, struct qr_value *ret_value,
                                 struct qr_err *err)
{
    struct frame f = {0};
    QR_TRY(read_frame(c, type, arena, &f, err));
    if (c->failed)
        return qr_fail(err, QR_TRUNCATED, "the input ends in a value");
    if (f.is_null) {
        *ret_value = qr_value_null();
        return QR_OK;
    }
    return type->decode(type, f.bytes, f.count, arena, ret_value, err);
}
