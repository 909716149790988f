/* Which conversion runs: codec/convert.h. */
#include "codec/convert.h"

#include <string.h>

#include "base/sqlmsg.h"
#include "codec/codepage.h"
#include "codec/utf.h"
#include "convert_int.h"
#include "base/banned.h"

enum kind {
    K_INT,
    K_BIT,
    K_DEC,
    K_MONEY,
    K_FLOAT,
    K_DATE,
    K_TEXT,
    K_BIN,
    K_GUID,
    K_VARIANT,
    K_JSON,
    K_VECTOR,
    K_COUNT
};

static enum kind kind_of(const struct qr_type *t)
{
    static const uint8_t kinds[] = {
        [QR_FAMILY_INT] = K_INT,       [QR_FAMILY_DECIMAL] = K_DEC,     [QR_FAMILY_MONEY] = K_MONEY,
        [QR_FAMILY_FLOAT] = K_FLOAT,   [QR_FAMILY_DATETIME] = K_DATE,   [QR_FAMILY_CHAR] = K_TEXT,
        [QR_FAMILY_NCHAR] = K_TEXT,    [QR_FAMILY_BINARY] = K_BIN,      [QR_FAMILY_GUID] = K_GUID,
        [QR_FAMILY_XML] = K_TEXT,      [QR_FAMILY_VARIANT] = K_VARIANT, [QR_FAMILY_JSON] = K_JSON,
        [QR_FAMILY_VECTOR] = K_VECTOR,
    };
    return t->id == QR_TYPE_BIT ? K_BIT : (enum kind)kinds[qr_type_family(t)];
}

/* from, to. What the matrix of type_rules.c forbids stays NULL. */
static qr_convert_fn *const functions[K_COUNT][K_COUNT] = {
    /* clang-format off */
    [K_INT]   = {[K_INT] = qri_number_to_int, [K_BIT] = qri_number_to_bit, [K_DEC] = qri_number_to_decimal,
                 [K_MONEY] = qri_number_to_money, [K_FLOAT] = qri_number_to_float, [K_DATE] = qri_number_to_datetime,
                 [K_TEXT] = qri_int_to_text, [K_BIN] = qri_value_to_binary, [K_VARIANT] = qri_to_variant},
    [K_BIT]   = {[K_INT] = qri_number_to_int, [K_BIT] = qri_number_to_bit, [K_DEC] = qri_number_to_decimal,
                 [K_MONEY] = qri_number_to_money, [K_FLOAT] = qri_number_to_float, [K_DATE] = qri_number_to_datetime,
                 [K_TEXT] = qri_int_to_text, [K_BIN] = qri_value_to_binary, [K_VARIANT] = qri_to_variant},
    [K_DEC]   = {[K_INT] = qri_number_to_int, [K_BIT] = qri_number_to_bit, [K_DEC] = qri_number_to_decimal,
                 [K_MONEY] = qri_number_to_money, [K_FLOAT] = qri_number_to_float, [K_DATE] = qri_number_to_datetime,
                 [K_TEXT] = qri_decimal_to_text, [K_BIN] = qri_value_to_binary, [K_VARIANT] = qri_to_variant},
    [K_MONEY] = {[K_INT] = qri_number_to_int, [K_BIT] = qri_number_to_bit, [K_DEC] = qri_number_to_decimal,
                 [K_MONEY] = qri_number_to_money, [K_FLOAT] = qri_number_to_float, [K_DATE] = qri_number_to_datetime,
                 [K_TEXT] = qri_money_to_text, [K_BIN] = qri_value_to_binary, [K_VARIANT] = qri_to_variant},
    [K_FLOAT] = {[K_INT] = qri_number_to_int, [K_BIT] = qri_number_to_bit, [K_DEC] = qri_number_to_decimal,
                 [K_MONEY] = qri_number_to_money, [K_FLOAT] = qri_number_to_float, [K_DATE] = qri_number_to_datetime,
                 [K_TEXT] = qri_float_to_text, [K_BIN] = qri_value_to_binary, [K_VARIANT] = qri_to_variant},
    [K_DATE]  = {[K_INT] = qri_number_to_int, [K_BIT] = qri_number_to_bit, [K_DEC] = qri_number_to_decimal,
                 [K_MONEY] = qri_number_to_money, [K_FLOAT] = qri_number_to_float, [K_DATE] = qri_datetime_to_datetime,
                 [K_TEXT] = qri_datetime_to_text, [K_BIN] = qri_value_to_binary, [K_VARIANT] = qri_to_variant},
    [K_TEXT]  = {[K_INT] = qri_text_to_int, [K_BIT] = qri_text_to_bit, [K_DEC] = qri_text_to_decimal,
                 [K_MONEY] = qri_text_to_money, [K_FLOAT] = qri_text_to_float, [K_DATE] = qri_text_to_datetime,
                 [K_TEXT] = qri_text_to_text, [K_BIN] = qri_text_to_binary, [K_GUID] = qri_text_to_guid, [K_JSON] = qri_text_to_json,
                 [K_VECTOR] = qri_text_to_vector,
                 [K_VARIANT] = qri_to_variant},
    [K_BIN]   = {[K_INT] = qri_binary_to_int, [K_BIT] = qri_binary_to_bit, [K_DEC] = qri_binary_to_decimal,
                 [K_MONEY] = qri_binary_to_money, [K_DATE] = qri_binary_to_datetime, [K_TEXT] = qri_binary_to_text,
                 [K_BIN] = qri_binary_to_binary, [K_GUID] = qri_binary_to_guid, [K_VARIANT] = qri_to_variant},
    [K_GUID]  = {[K_TEXT] = qri_guid_to_text, [K_BIN] = qri_value_to_binary, [K_VARIANT] = qri_to_variant},
    [K_JSON]  = {[K_TEXT] = qri_json_to_text, [K_VECTOR] = qri_text_to_vector},
    [K_VECTOR] = {[K_TEXT] = qri_vector_to_text, [K_JSON] = qri_vector_to_text, [K_VECTOR] = qri_vector_to_vector},
    [K_VARIANT] = {[K_INT] = qri_from_variant, [K_BIT] = qri_from_variant, [K_DEC] = qri_from_variant,
                 [K_MONEY] = qri_from_variant, [K_FLOAT] = qri_from_variant, [K_DATE] = qri_from_variant,
                 [K_TEXT] = qri_from_variant, [K_BIN] = qri_from_variant, [K_GUID] = qri_from_variant},
    /* clang-format on */
};

/* Whether every value of `from` is already a value of `to`. */
static bool passes_unchanged(const struct qr_type *from, const struct qr_type *to)
{
    enum kind kind = kind_of(from);
    if (kind != kind_of(to) && !(kind == K_BIT && kind_of(to) == K_INT))
        return false;
    switch ((int)kind) {
    case K_BIT:
        return true;
    case K_INT:
        return qr_type_info(from->id)->precedence <= qr_type_info(to->id)->precedence;
    case K_DEC:
        return from->scale == to->scale && from->precision <= to->precision &&
               qr_type_cell(from) == qr_type_cell(to);
    case K_MONEY:
    case K_FLOAT:
        return qr_type_info(from->id)->precedence <= qr_type_info(to->id)->precedence;
    case K_DATE:
        return from->id == to->id && from->scale <= to->scale;
    case K_VECTOR:
        return from->length == to->length;
    case K_GUID:
    case K_VARIANT:
    case K_JSON:
        return true;
    case K_BIN:
        if (to->is_max || to->id == QR_TYPE_IMAGE)
            return true;
        return from->id != QR_TYPE_ROWVERSION && !from->is_max && from->length <= to->length &&
               from->length > 0 &&
               (to->id == QR_TYPE_VARBINARY || (from->id == to->id && from->length == to->length));
    default:
        break;
    }
    bool narrows =
        qr_type_family(to) == QR_FAMILY_CHAR &&
        (qr_type_family(from) != QR_FAMILY_CHAR || qri_code_page(from) != qri_code_page(to));
    if (narrows)
        return false;
    if (to->is_max || to->length == 0)
        return true;
    if (from->is_max || from->length == 0 || from->length > to->length)
        return false;
    bool bytes_are_units =
        qr_type_family(from) == qr_type_family(to) || qri_code_page(from) != QR_CP_UTF8;
    if (!bytes_are_units && qr_type_family(to) != QR_FAMILY_NCHAR)
        return false;
    return !qr_type_is_fixed(to) || (qr_type_is_fixed(from) && from->length == to->length);
}

/* Styles that a pair knows; others are 281 where text is made. */
static bool style_known(const struct qr_type *from, int style)
{
    switch ((int)kind_of(from)) {
    case K_DATE:
        return qr_datetime_style_known(style);
    case K_MONEY:
        return style == QR_STYLE_DEFAULT || (style >= 0 && style <= 2) || style == 126;
    case K_FLOAT:
        return style == QR_STYLE_DEFAULT || (style >= 0 && style <= 3) || style == 126 ||
               style == 128 || style == 129;
    case K_BIN:
        return style == QR_STYLE_DEFAULT || (style >= 0 && style <= 2);
    default:
        return true;
    }
}

enum qr_status qr_converter_init(struct qr_converter *c, const struct qr_type *from,
                                 const struct qr_type *to, int style, enum qr_convert_mode mode,
                                 struct qr_err *err)
{
    *c = (struct qr_converter){
        .from = *from, .to = *to, .style = style, .store = mode == QR_CONVERT_STORE};
    if (from->id == QR_TYPE_NULL)
        return QR_OK;
    if (mode == QR_CONVERT_CAST)
        QR_TRY(qr_type_check_explicit(from, to, err));
    else
        QR_TRY(qr_type_check_implicit(from, to, err));
    if (from->id == to->id && qr_type_family(from) == QR_FAMILY_OTHER)
        return QR_OK;
    if (to->id == QR_TYPE_SQL_VARIANT && qr_type_is_lob(from)) {
        char name[QR_TYPE_NAME_BYTES];
        return qr_sql_fail(err, 206, qr_type_print(from, name), qr_type_name(to));
    }
    if (kind_of(to) == K_TEXT && !style_known(from, style))
        return qr_sql_fail(err, 281, style, qr_type_name(from));
    if (!passes_unchanged(from, to))
        c->fn = functions[kind_of(from)][kind_of(to)];
    return QR_OK;
}

enum qr_status qr_convert_once(const struct qr_type *from, const struct qr_value *in,
                               const struct qr_type *to, const struct qr_convert_env *env,
                               struct qr_value *ret_value, struct qr_err *err)
{
    struct qr_converter c;
    QR_TRY(qr_converter_init(&c, from, to, QR_STYLE_DEFAULT, QR_CONVERT_CAST, err));
    return qr_convert(&c, in, env, ret_value, err);
}

enum qr_status qr_value_text_of(const struct qr_type *type, const struct qr_value *v,
                                const struct qr_convert_env *env, struct qr_str *ret_text,
                                struct qr_err *err)
{
    struct qr_type text = qr_type_sized(QR_TYPE_NVARCHAR, 0);
    struct qr_value out;
    if (v->cell == QR_CELL_NULL) {
        *ret_text = qr_str("");
        return QR_OK;
    }
    if (type->id == QR_TYPE_IMAGE || type->id == QR_TYPE_ROWVERSION) {
        struct qr_type binary = qr_type_sized(QR_TYPE_VARBINARY, 0);
        QR_TRY(qr_convert_once(&binary, v, &text, env, &out, err));
    } else {
        QR_TRY(qr_convert_once(type, v, &text, env, &out, err));
    }
    *ret_text = qr_value_bytes(&out);
    return QR_OK;
}

size_t qr_value_datalength(const struct qr_type *type, const struct qr_value *v)
{
    if (v->cell == QR_CELL_NULL)
        return 0;
    switch ((int)qr_type_family(type)) {
    case QR_FAMILY_CHAR:
        return qr_codepage_length(qri_code_page(type), qr_value_bytes(v));
    case QR_FAMILY_NCHAR:
    case QR_FAMILY_XML:
        return 2 * qr_utf16_units(qr_value_bytes(v));
    case QR_FAMILY_BINARY:
    case QR_FAMILY_JSON:
    case QR_FAMILY_VECTOR:
        return v->n;
    case QR_FAMILY_DECIMAL: { /* a sign and the words that the value needs */
        qr_i128 scaled = qr_value_scaled(v);
        qr_u128 m = scaled < 0 ? -(qr_u128)scaled : (qr_u128)scaled;
        size_t n = 4;
        while (n < 16 && m >> (8 * n) != 0)
            n += 4;
        return n + 1;
    }
    case QR_FAMILY_VARIANT: {
        struct qr_type base;
        struct qr_value inner;
        if (qr_variant_open(qr_value_bytes(v), &base, &inner, NULL) != QR_OK)
            return 0;
        return qr_value_datalength(&base, &inner);
    }
    default:
        return (size_t)qr_type_max_length(type);
    }
}
