/* Rules that relate types: codec/type.h. Conversion matrix, result types, literals. */
#include "codec/type.h"

#include <assert.h>
#include <stdio.h>

#include "base/sqlmsg.h"
#include "codec/collation.h"
#include "base/banned.h"

/* --- conversion matrix --- */

enum group {
    G_NONE,
    G_BIN,
    G_CHAR,
    G_NCHAR,
    G_DATETIME,
    G_DATE,
    G_TIME,
    G_DTO,
    G_DT2,
    G_DEC,
    G_FLOAT,
    G_INT,
    G_MONEY,
    G_BIT,
    G_TS,
    G_GUID,
    G_IMAGE,
    G_NTEXT,
    G_TEXT,
    G_VARIANT,
    G_XML,
    G_JSON,
    G_VECTOR,
};

static const uint8_t group_of[QR_TYPE_COUNT] = {
    [QR_TYPE_BIT] = G_BIT,
    [QR_TYPE_TINYINT] = G_INT,
    [QR_TYPE_SMALLINT] = G_INT,
    [QR_TYPE_INT] = G_INT,
    [QR_TYPE_BIGINT] = G_INT,
    [QR_TYPE_DECIMAL] = G_DEC,
    [QR_TYPE_NUMERIC] = G_DEC,
    [QR_TYPE_MONEY] = G_MONEY,
    [QR_TYPE_SMALLMONEY] = G_MONEY,
    [QR_TYPE_REAL] = G_FLOAT,
    [QR_TYPE_FLOAT] = G_FLOAT,
    [QR_TYPE_DATE] = G_DATE,
    [QR_TYPE_TIME] = G_TIME,
    [QR_TYPE_SMALLDATETIME] = G_DATETIME,
    [QR_TYPE_DATETIME] = G_DATETIME,
    [QR_TYPE_DATETIME2] = G_DT2,
    [QR_TYPE_DATETIMEOFFSET] = G_DTO,
    [QR_TYPE_CHAR] = G_CHAR,
    [QR_TYPE_VARCHAR] = G_CHAR,
    [QR_TYPE_TEXT] = G_TEXT,
    [QR_TYPE_NCHAR] = G_NCHAR,
    [QR_TYPE_NVARCHAR] = G_NCHAR,
    [QR_TYPE_NTEXT] = G_NTEXT,
    [QR_TYPE_BINARY] = G_BIN,
    [QR_TYPE_VARBINARY] = G_BIN,
    [QR_TYPE_IMAGE] = G_IMAGE,
    [QR_TYPE_ROWVERSION] = G_TS,
    [QR_TYPE_UNIQUEIDENTIFIER] = G_GUID,
    [QR_TYPE_XML] = G_XML,
    [QR_TYPE_JSON] = G_JSON,
    [QR_TYPE_VECTOR] = G_VECTOR,
    [QR_TYPE_SQL_VARIANT] = G_VARIANT,
};

/* "CAST and CONVERT", the chart: i implicit, e explicit only, - not allowed. Columns are the
 * groups in order: bin char nchar | datetime date time dto dt2 | dec float int money bit | ts guid
 * | image ntext text | variant xml json vector. */
static const char matrix[][23] = {
    /* clang-format off */
    [G_NONE]     = "----------------------",
    [G_BIN]      = "iiiieeeei-iiiiii--ii--",
    [G_CHAR]     = "eiiiiiiiiiiiieiiiiiiii",
    [G_NCHAR]    = "eiiiiiiiiiiiiei-iiiiii",
    [G_DATETIME] = "eiiiiiiieeeeee----i---",
    [G_DATE]     = "eiiii-ii----------i---",
    [G_TIME]     = "eiii-iii----------i---",
    [G_DTO]      = "eiiiiiii----------i---",
    [G_DT2]      = "eiiiiiii----------i---",
    [G_DEC]      = "iiii----iiiiii----i---",
    [G_FLOAT]    = "iiii----iiiii-----i---",
    [G_INT]      = "iiii----iiiiii----i---",
    [G_MONEY]    = "iiii----iiiiii----i---",
    [G_BIT]      = "iiii----iiiiii----i---",
    [G_TS]       = "ii-i----i-iiii-i------",
    [G_GUID]     = "iii-----------i---i---",
    [G_IMAGE]    = "i------------i-i------",
    [G_NTEXT]    = "-ei-------------ii-i--",
    [G_TEXT]     = "-ie-------------ii-i--",
    [G_VARIANT]  = "eeeeeeeeeeeee-e---i---",
    [G_XML]      = "eee----------------i--",
    [G_JSON]     = "-ee-----------------ii",
    [G_VECTOR]   = "-ii-----------------ii",
    /* clang-format on */
};

enum qr_conversion qr_type_conversion(enum qr_type_id from, enum qr_type_id to)
{
    if (from == to || from == QR_TYPE_NULL)
        return QR_CONVERSION_IMPLICIT;
    if (group_of[from] == G_NONE || group_of[to] == G_NONE)
        return QR_CONVERSION_NONE;
    switch (matrix[group_of[from]][group_of[to] - 1]) {
    case 'i':
        return QR_CONVERSION_IMPLICIT;
    case 'e':
        return QR_CONVERSION_EXPLICIT;
    default:
        return QR_CONVERSION_NONE;
    }
}

enum qr_status qr_type_check_implicit(const struct qr_type *from, const struct qr_type *to,
                                      struct qr_err *err)
{
    switch (qr_type_conversion(from->id, to->id)) {
    case QR_CONVERSION_IMPLICIT:
        return QR_OK;
    case QR_CONVERSION_EXPLICIT:
        return qr_sql_fail(err, 257, qr_type_name(from), qr_type_name(to));
    case QR_CONVERSION_NONE:
        break;
    }
    return qr_sql_fail(err, 206, qr_type_name(from), qr_type_name(to));
}

enum qr_status qr_type_check_explicit(const struct qr_type *from, const struct qr_type *to,
                                      struct qr_err *err)
{
    if (qr_type_conversion(from->id, to->id) != QR_CONVERSION_NONE)
        return QR_OK;
    return qr_sql_fail(err, 529, qr_type_name(from), qr_type_name(to));
}

/* --- decimals --- */

struct qr_type qr_type_as_decimal(const struct qr_type *t)
{
    assert(qr_type_is_exact(t));
    if (qr_type_family(t) == QR_FAMILY_DECIMAL)
        return *t;
    const struct qr_type_info *info = qr_type_info(t->id);
    struct qr_type d = qr_type_decimal(info->precision, info->scale);
    if (t->id == QR_TYPE_INT && t->precision != 0) /* a literal */
        d.precision = t->precision;
    d.id = QR_TYPE_NUMERIC; /* the weaker of the two names */
    return d;
}

static enum qr_type_id decimal_name(const struct qr_type *a, const struct qr_type *b)
{
    return a->id == QR_TYPE_DECIMAL || b->id == QR_TYPE_DECIMAL ? QR_TYPE_DECIMAL : QR_TYPE_NUMERIC;
}

static int max_int(int a, int b)
{
    return a > b ? a : b;
}
static int min_int(int a, int b)
{
    return a < b ? a : b;
}

/* Above 38 digits the scale gives way to the integral part, for + and - and set operations down
 * to 0, for * and / only down to 6. */
static void reduce(enum qr_arith op, int *p, int *s)
{
    if (*p <= QR_DECIMAL_PRECISION_MAX)
        return;
    int integral = *p - *s;
    if (op == QR_ARITH_MUL || op == QR_ARITH_DIV)
        *s = integral < 32 ? min_int(*s, QR_DECIMAL_PRECISION_MAX - integral) : min_int(*s, 6);
    else
        *s = max_int(0, min_int(*s, QR_DECIMAL_PRECISION_MAX - integral));
    *p = QR_DECIMAL_PRECISION_MAX;
}

struct qr_type qr_type_decimal_arith(enum qr_arith op, const struct qr_type *a,
                                     const struct qr_type *b)
{
    int p1 = a->precision, s1 = a->scale, p2 = b->precision, s2 = b->scale;
    int p = 0, s = max_int(s1, s2);
    switch (op) {
    case QR_ARITH_ADD:
    case QR_ARITH_SUB: {
        int integral = max_int(p1 - s1, p2 - s2);
        p = integral + s + 1;
        if (p > QR_DECIMAL_PRECISION_MAX) { /* the carry digit does not cost scale */
            p = QR_DECIMAL_PRECISION_MAX;
            s = min_int(s, p - integral);
        }
        break;
    }
    case QR_ARITH_MUL:
        s = s1 + s2;
        p = p1 + p2 + 1;
        break;
    case QR_ARITH_DIV:
        s = max_int(6, s1 + p2 + 1);
        p = p1 - s1 + s2 + s;
        break;
    case QR_ARITH_MOD:
        p = min_int(p1 - s1, p2 - s2) + s;
        break;
    }
    reduce(op, &p, &s);
    struct qr_type t = qr_type_decimal((uint8_t)max_int(p, 1), (uint8_t)s);
    t.id = decimal_name(a, b);
    return t;
}

static struct qr_type decimal_union(const struct qr_type *a, const struct qr_type *b)
{
    int s = max_int(a->scale, b->scale);
    int p = max_int(a->precision - a->scale, b->precision - b->scale) + s;
    reduce(QR_ARITH_ADD, &p, &s);
    struct qr_type t = qr_type_decimal((uint8_t)p, (uint8_t)s);
    t.id = decimal_name(a, b);
    return t;
}

/* --- strings --- */

static bool is_binary_string(const struct qr_type *t)
{
    return qr_type_family(t) == QR_FAMILY_BINARY && t->id != QR_TYPE_IMAGE;
}

/* char, varchar, nchar, nvarchar, binary, varbinary and rowversion as one sized type. */
static struct qr_type sized_view(const struct qr_type *t)
{
    struct qr_type v = *t;
    if (v.id == QR_TYPE_ROWVERSION) {
        v.id = QR_TYPE_BINARY;
        v.length = 8;
    }
    return v;
}

static struct qr_type sized_result(const struct qr_type *a, const struct qr_type *b, bool add)
{
    struct qr_type x = sized_view(a), y = sized_view(b);
    bool binary = qr_type_family(&x) == QR_FAMILY_BINARY && qr_type_family(&y) == QR_FAMILY_BINARY;
    bool national = qr_type_family(&x) == QR_FAMILY_NCHAR || qr_type_family(&y) == QR_FAMILY_NCHAR;
    bool fixed = qr_type_is_fixed(&x) && qr_type_is_fixed(&y);
    enum qr_type_id id = binary     ? (fixed ? QR_TYPE_BINARY : QR_TYPE_VARBINARY)
                         : national ? (fixed ? QR_TYPE_NCHAR : QR_TYPE_NVARCHAR)
                                    : (fixed ? QR_TYPE_CHAR : QR_TYPE_VARCHAR);
    struct qr_type t = qr_type_of(id);
    if (!binary)
        t.collation = x.collation != 0 ? x.collation : y.collation;
    if (x.is_max || y.is_max) {
        t = qr_type_sized(id, 0); /* one side is variable, so `id` is */
        t.collation = !binary ? (x.collation != 0 ? x.collation : y.collation) : 0;
        return t;
    }
    int cap = national ? QR_NCHAR_LENGTH_MAX : QR_CHAR_LENGTH_MAX;
    int length = add ? x.length + y.length : max_int(x.length, y.length);
    t.length = (uint16_t)min_int(length, cap);
    return t;
}

struct qr_type qr_type_concat(const struct qr_type *a, const struct qr_type *b)
{
    if (a->id == QR_TYPE_NULL)
        return *b;
    if (b->id == QR_TYPE_NULL)
        return *a;
    return sized_result(a, b, true);
}

static bool is_concat_operand(const struct qr_type *t)
{
    return (qr_type_is_string(t) && t->id != QR_TYPE_TEXT && t->id != QR_TYPE_NTEXT) ||
           is_binary_string(t);
}

/* --- arithmetic --- */

static const char *const arith_names[] = {"add", "subtract", "multiply", "divide", "modulo"};

static bool is_old_datetime(const struct qr_type *t)
{
    return t->id == QR_TYPE_DATETIME || t->id == QR_TYPE_SMALLDATETIME;
}

static enum qr_status incompatible(enum qr_arith op, const struct qr_type *a,
                                   const struct qr_type *b, struct qr_err *err)
{
    if (a->id == b->id && a->id != QR_TYPE_BIT)
        return qr_sql_fail(err, 8117, qr_type_name(a), arith_names[op]);
    return qr_sql_fail(err, 402, qr_type_name(a), qr_type_name(b), arith_names[op]);
}

/* `a` is a number of the higher or equal precedence. */
static enum qr_status number_arith(enum qr_arith op, const struct qr_type *a,
                                   const struct qr_type *b, struct qr_type *ret_type,
                                   struct qr_err *err)
{
    const struct qr_type *hi =
        qr_type_info(a->id)->precedence >= qr_type_info(b->id)->precedence ? a : b;
    switch ((int)qr_type_family(hi)) {
    case QR_FAMILY_DECIMAL: {
        struct qr_type x = qr_type_as_decimal(a), y = qr_type_as_decimal(b);
        *ret_type = qr_type_decimal_arith(op, &x, &y);
        return QR_OK;
    }
    case QR_FAMILY_FLOAT:
        if (op == QR_ARITH_MOD)
            return incompatible(op, a, b, err);
        *ret_type = qr_type_of(hi->id);
        return QR_OK;
    case QR_FAMILY_INT:
        if (hi->id == QR_TYPE_BIT)
            return incompatible(op, a, b, err);
        *ret_type = qr_type_of(hi->id);
        return QR_OK;
    default: /* money */
        *ret_type = qr_type_of(hi->id);
        return QR_OK;
    }
}

static enum qr_status datetime_arith(enum qr_arith op, const struct qr_type *a,
                                     const struct qr_type *b, struct qr_type *ret_type,
                                     struct qr_err *err)
{
    bool a_new = qr_type_family(a) == QR_FAMILY_DATETIME && !is_old_datetime(a);
    bool b_new = qr_type_family(b) == QR_FAMILY_DATETIME && !is_old_datetime(b);
    if (a_new || b_new) {
        const struct qr_type *other = a_new ? b : a;
        if (qr_type_is_number(other)) /* DATEADD is the way */
            return qr_sql_fail(err, 206, qr_type_name(a), qr_type_name(b));
        return incompatible(op, a, b, err);
    }
    if (op != QR_ARITH_ADD && op != QR_ARITH_SUB)
        return incompatible(op, is_old_datetime(a) ? a : b, is_old_datetime(a) ? a : b, err);
    const struct qr_type *hi =
        qr_type_info(a->id)->precedence >= qr_type_info(b->id)->precedence ? a : b;
    const struct qr_type *lo = hi == a ? b : a;
    QR_TRY(qr_type_check_implicit(lo, hi, err));
    *ret_type = qr_type_of(hi->id);
    return QR_OK;
}

/* A number with a string, binary or variant: the other becomes the number's type. */
static enum qr_status mixed_arith(enum qr_arith op, const struct qr_type *a,
                                  const struct qr_type *b, struct qr_type *ret_type,
                                  struct qr_err *err)
{
    const struct qr_type *number = qr_type_is_number(a) ? a : qr_type_is_number(b) ? b : NULL;
    const struct qr_type *other = number == a ? b : a;
    if (number == NULL || number->id == QR_TYPE_BIT ||
        !(is_concat_operand(other) || other->id == QR_TYPE_SQL_VARIANT))
        return incompatible(op, a, b, err);
    QR_TRY(qr_type_check_implicit(other, number, err));
    return number_arith(op, number, number, ret_type, err);
}

/* May stand beside a date or time in + and -. */
static bool is_datetime_operand(const struct qr_type *t)
{
    return is_concat_operand(t) || qr_type_is_number(t) || qr_type_family(t) == QR_FAMILY_DATETIME;
}

enum qr_status qr_type_arith(enum qr_arith op, const struct qr_type *a, const struct qr_type *b,
                             struct qr_type *ret_type, struct qr_err *err)
{
    static const struct qr_type integer = {.id = QR_TYPE_INT};
    if (a->id == QR_TYPE_NULL)
        a = b->id == QR_TYPE_NULL ? &integer : b;
    if (b->id == QR_TYPE_NULL)
        b = a;
    if (qr_type_is_number(a) && qr_type_is_number(b))
        return number_arith(op, a, b, ret_type, err);
    if (qr_type_family(a) == QR_FAMILY_DATETIME || qr_type_family(b) == QR_FAMILY_DATETIME) {
        if (!is_datetime_operand(a) || !is_datetime_operand(b))
            return incompatible(op, a, b, err);
        return datetime_arith(op, a, b, ret_type, err);
    }
    if (!is_concat_operand(a) || !is_concat_operand(b))
        return mixed_arith(op, a, b, ret_type, err);
    if (op != QR_ARITH_ADD)
        return incompatible(op, a, b, err);
    *ret_type = qr_type_concat(a, b);
    return QR_OK;
}

/* --- combination --- */

static int fraction_digits(const struct qr_type *t)
{
    return qr_type_family(t) != QR_FAMILY_DATETIME ? 0 : t->id == QR_TYPE_DATETIME ? 3 : t->scale;
}

enum qr_status qr_type_combine(const struct qr_type *a, const struct qr_type *b,
                               struct qr_type *ret_type, struct qr_err *err)
{
    if (a->id == QR_TYPE_NULL || b->id == QR_TYPE_NULL) {
        const struct qr_type *other = a->id == QR_TYPE_NULL ? b : a;
        *ret_type = other->id == QR_TYPE_NULL ? qr_type_of(QR_TYPE_INT) : *other;
        return QR_OK;
    }
    bool a_wins = qr_type_info(a->id)->precedence >= qr_type_info(b->id)->precedence;
    const struct qr_type *hi = a_wins ? a : b;
    const struct qr_type *lo = a_wins ? b : a;
    QR_TRY(qr_type_check_implicit(lo, hi, err));
    if (is_concat_operand(hi) && is_concat_operand(lo) && hi->id != QR_TYPE_ROWVERSION) {
        *ret_type = sized_result(hi, lo, false);
    } else if (qr_type_family(hi) == QR_FAMILY_DECIMAL && qr_type_is_exact(lo)) {
        struct qr_type x = qr_type_as_decimal(a), y = qr_type_as_decimal(b);
        *ret_type = decimal_union(&x, &y);
    } else {
        *ret_type = *hi;
        if (hi->id == QR_TYPE_INT)
            ret_type->precision = 0;
        if (qr_type_family(hi) == QR_FAMILY_DATETIME && !is_old_datetime(hi) &&
            hi->id != QR_TYPE_DATE)
            ret_type->scale = (uint8_t)max_int(fraction_digits(hi), fraction_digits(lo));
    }
    return QR_OK;
}

/* --- literals --- */

enum qr_status qr_type_number_literal(struct qr_str digits, struct qr_type *ret_type,
                                      struct qr_err *err)
{
    size_t whole = 0, fraction = 0;
    bool point = false, significant = false;
    int64_t value = 0;
    for (size_t i = 0; i < digits.n; i++) {
        char c = digits.p[i];
        if (c == '.') {
            point = true;
            continue;
        }
        assert(c >= '0' && c <= '9');
        if (point) {
            fraction++;
            continue;
        }
        significant |= c != '0';
        if (!significant)
            continue;
        whole++;
        if (whole <= 18)
            value = value * 10 + (c - '0');
    }
    if (!point && whole <= 10 && value <= INT32_MAX) {
        *ret_type = qr_type_of(QR_TYPE_INT);
        ret_type->precision = (uint8_t)max_int((int)whole, 1);
        return QR_OK;
    }
    if (whole + fraction > QR_DECIMAL_PRECISION_MAX) {
        char text[128];
        snprintf(text, sizeof text, "%.*s", (int)(digits.n < 127 ? digits.n : 127), digits.p);
        return qr_sql_fail(err, 1007, "number", text);
    }
    *ret_type = qr_type_decimal((uint8_t)max_int((int)(whole + fraction), 1), (uint8_t)fraction);
    ret_type->id = QR_TYPE_NUMERIC;
    return QR_OK;
}

struct qr_type qr_type_string_literal(bool national, size_t length)
{
    return qr_type_sized(national ? QR_TYPE_NVARCHAR : QR_TYPE_VARCHAR, length == 0 ? 1 : length);
}

struct qr_type qr_type_binary_literal(size_t bytes)
{
    return qr_type_sized(QR_TYPE_VARBINARY, bytes == 0 ? 1 : bytes);
}
