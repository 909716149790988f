/* sql_text.c - see sql_reply.h: values as text, as sqlcmd shows them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "codec/convert.h"
#include "sql_reply.h"
#include "base/banned.h"

enum { STYLE_ODBC = 121, STYLE_ODBC_SECONDS = 120, STYLE_MONEY_4 = 2 };

bool qri_sql_is_number(const struct qr_type *type)
{
    return qr_type_is_number(type);
}

static int style_of(enum qr_type_id id)
{
    static const struct {
        enum qr_type_id id;
        int style;
    } rows[] = {
        {QR_TYPE_DATETIME, STYLE_ODBC},
        {QR_TYPE_SMALLDATETIME, STYLE_ODBC_SECONDS},
        {QR_TYPE_MONEY, STYLE_MONEY_4},
        {QR_TYPE_SMALLMONEY, STYLE_MONEY_4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].id == id)
            return rows[i].style;
    return QR_STYLE_DEFAULT;
}

/* The fewest digits that read back as the same number. */
static struct qr_str float_text(double value, bool is_real, struct qr_arena *arena)
{
    char text[QR_FLOAT_TEXT_BYTES];
    for (int digits = is_real ? 6 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        double back = strtod(text, NULL);
        if (is_real ? (float)back == (float)value : back == value)
            break;
    }
    return qr_arena_str(arena, qr_str(text));
}

static struct qr_str hex_text(struct qr_str bytes, struct qr_arena *arena)
{
    static const char digits[] = "0123456789ABCDEF";
    char *text = qr_arena_alloc(arena, bytes.n * 2 + 3);
    if (text == NULL)
        return (struct qr_str){NULL, 0};
    text[0] = '0';
    text[1] = 'x';
    for (size_t i = 0; i < bytes.n; i++) {
        text[2 + i * 2] = digits[(uint8_t)bytes.p[i] >> 4];
        text[3 + i * 2] = digits[(uint8_t)bytes.p[i] & 15];
    }
    return qr_str_n(text, bytes.n * 2 + 2);
}

enum qr_status qri_sql_text(const struct qr_type *type, const struct qr_value *value,
                            struct qr_arena *arena, struct qr_str *ret_text, struct qr_err *err)
{
    struct qr_convert_env env = {.arena = arena};
    struct qr_type to = qr_type_sized(QR_TYPE_NVARCHAR, 0), inner;
    struct qr_value text, opened;
    struct qr_converter converter;
    *ret_text = qr_str("NULL");
    if (qr_value_is_null(value))
        return QR_OK;
    if (type->id == QR_TYPE_SQL_VARIANT) {
        QR_TRY(qr_variant_open(qr_value_bytes(value), &inner, &opened, err));
        if (inner.id == QR_TYPE_SQL_VARIANT)
            return qr_fail(err, QR_PROTOCOL, "a variant in a variant");
        return qri_sql_text(&inner, &opened, arena, ret_text, err);
    }
    if (qr_type_is_string(type) || type->id == QR_TYPE_TEXT || type->id == QR_TYPE_NTEXT ||
        type->id == QR_TYPE_XML || type->id == QR_TYPE_JSON) {
        *ret_text = qr_value_bytes(value);
        return QR_OK;
    }
    if (value->cell == QR_CELL_REAL)
        *ret_text = float_text(value->r, type->id == QR_TYPE_REAL, arena);
    else if (value->cell == QR_CELL_BLOB && type->id != QR_TYPE_UNIQUEIDENTIFIER)
        *ret_text = hex_text(qr_value_bytes(value), arena);
    else {
        QR_TRY(qr_converter_init(&converter, type, &to, style_of(type->id), QR_CONVERT_CAST, err));
        QR_TRY(qr_convert(&converter, value, &env, &text, err));
        *ret_text = qr_value_bytes(&text);
    }
    return ret_text->p == NULL ? qr_fail(err, QR_NOMEM, "text") : QR_OK;
}
