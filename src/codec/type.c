/* Types and their properties: codec/type.h. */
#include "codec/type.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/sqlmsg.h"
#include "codec/collation.h"
#include "codec/vector.h"
#include "base/banned.h"

const struct qr_type_info qr_type_infos[QR_TYPE_COUNT] = {
    /* clang-format off */
    /* name, system id, precedence, precision, scale, max_length, family, cell */
    [QR_TYPE_NULL]           = {"NULL",              0,  0,  0,  0,    0, QR_FAMILY_NONE,     QR_CELL_NULL},
    [QR_TYPE_BIT]            = {"bit",             104, 14,  1,  0,    1, QR_FAMILY_INT,      QR_CELL_INT },
    [QR_TYPE_TINYINT]        = {"tinyint",          48, 15,  3,  0,    1, QR_FAMILY_INT,      QR_CELL_INT },
    [QR_TYPE_SMALLINT]       = {"smallint",         52, 16,  5,  0,    2, QR_FAMILY_INT,      QR_CELL_INT },
    [QR_TYPE_INT]            = {"int",              56, 17, 10,  0,    4, QR_FAMILY_INT,      QR_CELL_INT },
    [QR_TYPE_BIGINT]         = {"bigint",          127, 18, 19,  0,    8, QR_FAMILY_INT,      QR_CELL_INT },
    [QR_TYPE_DECIMAL]        = {"decimal",         106, 22, 38, 38,   17, QR_FAMILY_DECIMAL,  QR_CELL_INT },
    [QR_TYPE_NUMERIC]        = {"numeric",         108, 21, 38, 38,   17, QR_FAMILY_DECIMAL,  QR_CELL_INT },
    [QR_TYPE_MONEY]          = {"money",            60, 20, 19,  4,    8, QR_FAMILY_MONEY,    QR_CELL_INT },
    [QR_TYPE_SMALLMONEY]     = {"smallmoney",      122, 19, 10,  4,    4, QR_FAMILY_MONEY,    QR_CELL_INT },
    [QR_TYPE_REAL]           = {"real",             59, 23, 24,  0,    4, QR_FAMILY_FLOAT,    QR_CELL_REAL},
    [QR_TYPE_FLOAT]          = {"float",            62, 24, 53,  0,    8, QR_FAMILY_FLOAT,    QR_CELL_REAL},
    [QR_TYPE_DATE]           = {"date",             40, 26, 10,  0,    3, QR_FAMILY_DATETIME, QR_CELL_INT },
    [QR_TYPE_TIME]           = {"time",             41, 25, 16,  7,    5, QR_FAMILY_DATETIME, QR_CELL_INT },
    [QR_TYPE_SMALLDATETIME]  = {"smalldatetime",    58, 27, 16,  0,    4, QR_FAMILY_DATETIME, QR_CELL_INT },
    [QR_TYPE_DATETIME]       = {"datetime",         61, 28, 23,  3,    8, QR_FAMILY_DATETIME, QR_CELL_INT },
    [QR_TYPE_DATETIME2]      = {"datetime2",        42, 29, 27,  7,    8, QR_FAMILY_DATETIME, QR_CELL_INT },
    [QR_TYPE_DATETIMEOFFSET] = {"datetimeoffset",   43, 30, 34,  7,   10, QR_FAMILY_DATETIME, QR_CELL_WIDE},
    [QR_TYPE_CHAR]           = {"char",            175,  3,  0,  0, 8000, QR_FAMILY_CHAR,     QR_CELL_TEXT},
    [QR_TYPE_VARCHAR]        = {"varchar",         167,  4,  0,  0, 8000, QR_FAMILY_CHAR,     QR_CELL_TEXT},
    [QR_TYPE_TEXT]           = {"text",             35, 12,  0,  0,   16, QR_FAMILY_CHAR,     QR_CELL_TEXT},
    [QR_TYPE_NCHAR]          = {"nchar",           239,  5,  0,  0, 8000, QR_FAMILY_NCHAR,    QR_CELL_TEXT},
    [QR_TYPE_NVARCHAR]       = {"nvarchar",        231,  6,  0,  0, 8000, QR_FAMILY_NCHAR,    QR_CELL_TEXT},
    [QR_TYPE_NTEXT]          = {"ntext",            99, 13,  0,  0,   16, QR_FAMILY_NCHAR,    QR_CELL_TEXT},
    [QR_TYPE_BINARY]         = {"binary",          173,  1,  0,  0, 8000, QR_FAMILY_BINARY,   QR_CELL_BLOB},
    [QR_TYPE_VARBINARY]      = {"varbinary",       165,  2,  0,  0, 8000, QR_FAMILY_BINARY,   QR_CELL_BLOB},
    [QR_TYPE_IMAGE]          = {"image",            34, 11,  0,  0,   16, QR_FAMILY_BINARY,   QR_CELL_BLOB},
    [QR_TYPE_ROWVERSION]     = {"timestamp",       189, 10,  0,  0,    8, QR_FAMILY_BINARY,   QR_CELL_BLOB},
    [QR_TYPE_UNIQUEIDENTIFIER] = {"uniqueidentifier", 36, 9, 0,  0,   16, QR_FAMILY_GUID,     QR_CELL_BLOB},
    [QR_TYPE_XML]            = {"xml",             241, 31,  0,  0,   -1, QR_FAMILY_XML,      QR_CELL_TEXT},
    [QR_TYPE_JSON]           = {"json",            244, 33,  0,  0,   -1, QR_FAMILY_JSON,     QR_CELL_TEXT},
    [QR_TYPE_VECTOR]         = {"vector",          255, 34,  0,  0, 8000, QR_FAMILY_VECTOR,   QR_CELL_BLOB},
    [QR_TYPE_SQL_VARIANT]    = {"sql_variant",      98, 32,  0,  0, 8016, QR_FAMILY_VARIANT,  QR_CELL_TEXT},
    [QR_TYPE_TABLE]          = {"table",             0, 35,  0,  0,    0, QR_FAMILY_OTHER,    QR_CELL_NULL},
    [QR_TYPE_CURSOR]         = {"cursor",            0, 36,  0,  0,    0, QR_FAMILY_OTHER,    QR_CELL_NULL},
    /* clang-format on */
};

static const struct synonym {
    const char *name;
    enum qr_type_id id;
    uint16_t length; /* preset */
} synonyms[] = {
    {"integer", QR_TYPE_INT, 0},
    {"dec", QR_TYPE_DECIMAL, 0},
    {"double precision", QR_TYPE_FLOAT, 0},
    {"character", QR_TYPE_CHAR, 0},
    {"character varying", QR_TYPE_VARCHAR, 0},
    {"char varying", QR_TYPE_VARCHAR, 0},
    {"national character", QR_TYPE_NCHAR, 0},
    {"national char", QR_TYPE_NCHAR, 0},
    {"national character varying", QR_TYPE_NVARCHAR, 0},
    {"national char varying", QR_TYPE_NVARCHAR, 0},
    {"national text", QR_TYPE_NTEXT, 0},
    {"binary varying", QR_TYPE_VARBINARY, 0},
    {"rowversion", QR_TYPE_ROWVERSION, 0},
    {"sysname", QR_TYPE_NVARCHAR, 128},
};

static bool is_sized(enum qr_type_id id)
{
    return id == QR_TYPE_CHAR || id == QR_TYPE_VARCHAR || id == QR_TYPE_NCHAR ||
           id == QR_TYPE_NVARCHAR || id == QR_TYPE_BINARY || id == QR_TYPE_VARBINARY;
}

static bool is_variable(enum qr_type_id id)
{
    return id == QR_TYPE_VARCHAR || id == QR_TYPE_NVARCHAR || id == QR_TYPE_VARBINARY;
}

static bool has_fraction_digits(enum qr_type_id id)
{
    return id == QR_TYPE_TIME || id == QR_TYPE_DATETIME2 || id == QR_TYPE_DATETIMEOFFSET;
}

struct qr_type qr_type_of(enum qr_type_id id)
{
    assert(id < QR_TYPE_COUNT);
    struct qr_type t = {.id = id};
    enum qr_family family = qr_type_infos[id].family;
    if (family == QR_FAMILY_DECIMAL)
        t.precision = 18;
    if (has_fraction_digits(id))
        t.scale = 7;
    if (is_sized(id))
        t.length = 1;
    if (family == QR_FAMILY_CHAR || family == QR_FAMILY_NCHAR)
        t.collation = QR_COLLATION_DEFAULT;
    return t;
}

struct qr_type qr_type_decimal(uint8_t precision, uint8_t scale)
{
    assert(precision >= 1 && precision <= QR_DECIMAL_PRECISION_MAX && scale <= precision);
    return (struct qr_type){.id = QR_TYPE_DECIMAL, .precision = precision, .scale = scale};
}

struct qr_type qr_type_sized(enum qr_type_id id, size_t length)
{
    assert(is_sized(id));
    struct qr_type t = qr_type_of(id);
    size_t max =
        qr_type_infos[id].family == QR_FAMILY_NCHAR ? QR_NCHAR_LENGTH_MAX : QR_CHAR_LENGTH_MAX;
    if (is_variable(id) && (length == 0 || length > max)) {
        t.is_max = true;
        t.length = 0;
    } else {
        t.length = (uint16_t)(length > max ? max : length == 0 ? 1 : length);
    }
    return t;
}

struct qr_type qr_type_time(enum qr_type_id id, uint8_t scale)
{
    assert(has_fraction_digits(id) && scale <= 7);
    return (struct qr_type){.id = id, .scale = scale};
}

bool qr_type_find(struct qr_str name, struct qr_type *ret_type)
{
    for (int id = QR_TYPE_BIT; id <= QR_TYPE_SQL_VARIANT; id++) {
        if (qr_str_ieqz(name, qr_type_infos[id].name)) {
            *ret_type = qr_type_of((enum qr_type_id)id);
            return true;
        }
    }
    for (size_t i = 0; i < sizeof synonyms / sizeof synonyms[0]; i++) {
        if (qr_str_ieqz(name, synonyms[i].name)) {
            *ret_type = qr_type_of(synonyms[i].id);
            if (synonyms[i].length != 0)
                ret_type->length = synonyms[i].length;
            return true;
        }
    }
    return false;
}

int qr_type_shown_id(enum qr_type_id id)
{
    return qr_type_infos[id == QR_TYPE_VECTOR ? QR_TYPE_VARBINARY : id].system_type_id;
}

enum qr_type_id qr_type_by_system_id(uint8_t system_type_id)
{
    for (int id = QR_TYPE_BIT; id <= QR_TYPE_SQL_VARIANT; id++)
        if (qr_type_infos[id].system_type_id == system_type_id)
            return (enum qr_type_id)id;
    return QR_TYPE_NULL;
}

static enum qr_status apply_length(struct qr_type *type, const int *args, size_t count,
                                   bool in_cast, struct qr_err *err)
{
    int max = qr_type_family(type) == QR_FAMILY_NCHAR ? QR_NCHAR_LENGTH_MAX : QR_CHAR_LENGTH_MAX;
    if (count == 0) {
        type->length = in_cast ? 30 : 1;
        return QR_OK;
    }
    if (args[0] == -1 && is_variable(type->id)) {
        type->is_max = true;
        type->length = 0;
        return QR_OK;
    }
    if (args[0] <= 0)
        return qr_sql_fail(err, 1001, 1, args[0]);
    if (args[0] > QR_CHAR_LENGTH_MAX)
        return qr_sql_fail(err, 131, args[0], "type", qr_type_name(type), QR_CHAR_LENGTH_MAX);
    if (args[0] > max)
        return qr_sql_fail(err, 2717, args[0], "type", qr_type_name(type), max);
    type->length = (uint16_t)args[0];
    return QR_OK;
}

static enum qr_status apply_decimal(struct qr_type *type, const int *args, size_t count,
                                    struct qr_err *err)
{
    int precision = count > 0 ? args[0] : 18;
    int scale = count > 1 ? args[1] : 0;
    if (precision < 1)
        return qr_sql_fail(err, 1001, 1, precision);
    if (precision > QR_DECIMAL_PRECISION_MAX)
        return qr_sql_fail(err, 2750, 1, precision, QR_DECIMAL_PRECISION_MAX);
    if (scale < 0)
        return qr_sql_fail(err, 1002, 1, scale);
    if (scale > precision)
        return qr_sql_fail(err, 192);
    type->precision = (uint8_t)precision;
    type->scale = (uint8_t)scale;
    return QR_OK;
}

static enum qr_status apply_float(struct qr_type *type, const int *args, size_t count,
                                  struct qr_err *err)
{
    if (count == 0)
        return QR_OK;
    if (args[0] < 1)
        return qr_sql_fail(err, 1001, 1, args[0]);
    if (args[0] > 53)
        return qr_sql_fail(err, 2750, 1, args[0], 53);
    type->id = args[0] <= 24 ? QR_TYPE_REAL : QR_TYPE_FLOAT;
    return QR_OK;
}

static enum qr_status apply_dimensions(struct qr_type *type, const int *args, size_t count,
                                       struct qr_err *err)
{
    if (count != 1 || args[0] < 1)
        return qr_sql_fail(err, 1001, 1, count == 0 ? 0 : args[0]);
    if (args[0] > QR_VECTOR_DIMENSIONS_MAX)
        return qr_sql_fail(err, 2717, args[0], "type", qr_type_name(type),
                           QR_VECTOR_DIMENSIONS_MAX);
    type->length = (uint16_t)args[0];
    return QR_OK;
}

enum qr_status qr_type_apply_args(struct qr_type *type, const int *args, size_t count, bool in_cast,
                                  struct qr_err *err)
{
    if (is_sized(type->id) && count <= 1) {
        /* sysname has brought its length along. */
        return count == 0 && type->length > 1 ? QR_OK
                                              : apply_length(type, args, count, in_cast, err);
    }
    if (qr_type_family(type) == QR_FAMILY_DECIMAL && count <= 2)
        return apply_decimal(type, args, count, err);
    if (type->id == QR_TYPE_FLOAT && count <= 1)
        return apply_float(type, args, count, err);
    if (has_fraction_digits(type->id) && count <= 1) {
        if (count == 1 && (args[0] < 0 || args[0] > 7))
            return qr_sql_fail(err, 1002, 1, args[0]);
        if (count == 1)
            type->scale = (uint8_t)args[0];
        return QR_OK;
    }
    if (type->id == QR_TYPE_VECTOR)
        return apply_dimensions(type, args, count, err);
    if (count == 0)
        return QR_OK;
    if (in_cast)
        return qr_sql_fail(err, 291, qr_type_name(type));
    return qr_sql_fail(err, 2716, 1, qr_type_name(type));
}

bool qr_type_eq(const struct qr_type *a, const struct qr_type *b)
{
    if (a->id != b->id || a->scale != b->scale || a->is_max != b->is_max || a->length != b->length)
        return false;
    return qr_type_family(a) != QR_FAMILY_DECIMAL || a->precision == b->precision;
}

bool qr_type_is_string(const struct qr_type *t)
{
    return qr_type_family(t) == QR_FAMILY_CHAR || qr_type_family(t) == QR_FAMILY_NCHAR;
}

bool qr_type_is_exact(const struct qr_type *t)
{
    enum qr_family f = qr_type_family(t);
    return f == QR_FAMILY_INT || f == QR_FAMILY_DECIMAL || f == QR_FAMILY_MONEY;
}

bool qr_type_is_number(const struct qr_type *t)
{
    return qr_type_is_exact(t) || qr_type_family(t) == QR_FAMILY_FLOAT;
}

static bool is_old_lob(enum qr_type_id id)
{
    return id == QR_TYPE_TEXT || id == QR_TYPE_NTEXT || id == QR_TYPE_IMAGE;
}

bool qr_type_is_lob(const struct qr_type *t)
{
    return t->is_max || is_old_lob(t->id) || t->id == QR_TYPE_XML || t->id == QR_TYPE_JSON;
}

bool qr_type_is_fixed(const struct qr_type *t)
{
    return is_sized(t->id) && !is_variable(t->id);
}

bool qr_type_is_comparable(const struct qr_type *t)
{
    return !is_old_lob(t->id) && t->id != QR_TYPE_XML && t->id != QR_TYPE_JSON &&
           t->id != QR_TYPE_VECTOR && qr_type_family(t) != QR_FAMILY_OTHER;
}

enum qr_cell qr_type_cell(const struct qr_type *t)
{
    if (qr_type_family(t) == QR_FAMILY_DECIMAL && t->precision > 18)
        return QR_CELL_WIDE;
    return qr_type_infos[t->id].cell;
}

/* Bytes that sys.columns shows for a precision or a number of fractional digits. */
static int decimal_bytes(int precision)
{
    return precision <= 9 ? 5 : precision <= 19 ? 9 : precision <= 28 ? 13 : 17;
}

static int fraction_bytes(int scale)
{
    return scale <= 2 ? 3 : scale <= 4 ? 4 : 5;
}

int qr_type_max_length(const struct qr_type *t)
{
    if (t->is_max)
        return -1;
    if (is_sized(t->id))
        return qr_type_family(t) == QR_FAMILY_NCHAR ? t->length * 2 : t->length;
    if (t->id == QR_TYPE_VECTOR && t->length > 0)
        return QR_VECTOR_HEAD_BYTES + 4 * t->length;
    if (qr_type_family(t) == QR_FAMILY_DECIMAL)
        return decimal_bytes(t->precision);
    if (has_fraction_digits(t->id))
        return fraction_bytes(t->scale) + (t->id == QR_TYPE_TIME        ? 0
                                           : t->id == QR_TYPE_DATETIME2 ? 3
                                                                        : 5);
    return qr_type_infos[t->id].max_length;
}

int qr_type_precision(const struct qr_type *t)
{
    if (qr_type_family(t) == QR_FAMILY_DECIMAL)
        return t->precision;
    if (has_fraction_digits(t->id)) {
        int whole = t->id == QR_TYPE_TIME ? 8 : t->id == QR_TYPE_DATETIME2 ? 19 : 26;
        return whole + (t->scale > 0 ? 1 + t->scale : 0);
    }
    return qr_type_infos[t->id].precision;
}

int qr_type_scale(const struct qr_type *t)
{
    if (qr_type_family(t) == QR_FAMILY_DECIMAL || has_fraction_digits(t->id))
        return t->scale;
    return qr_type_infos[t->id].scale;
}

char *qr_type_print(const struct qr_type *t, char dst[QR_TYPE_NAME_BYTES])
{
    const char *name = qr_type_name(t);
    if (t->is_max)
        snprintf(dst, QR_TYPE_NAME_BYTES, "%s(max)", name);
    else if (is_sized(t->id) || (t->id == QR_TYPE_VECTOR && t->length > 0))
        snprintf(dst, QR_TYPE_NAME_BYTES, "%s(%d)", name, t->length);
    else if (qr_type_family(t) == QR_FAMILY_DECIMAL)
        snprintf(dst, QR_TYPE_NAME_BYTES, "%s(%d,%d)", name, t->precision, t->scale);
    else if (has_fraction_digits(t->id))
        snprintf(dst, QR_TYPE_NAME_BYTES, "%s(%d)", name, t->scale);
    else
        snprintf(dst, QR_TYPE_NAME_BYTES, "%s", name);
    return dst;
}
