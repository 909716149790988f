/* bind_compare.c - comparisons that keep an indexed column bare; see bind_int.h
 *
 * By precedence `varchar_col = @nvarchar` converts the column, and no index on it is used. Where
 * the other side converts to the column's type and back without change, comparing in the column's
 * type gives the same answer; constants are tried here, variables are guarded in the text. A range
 * keeps the exact comparison and gets a bound in the column's type beside it. */
#include "bind_int.h"

#include "base/banned.h"

static bool is_column(const struct qr_expr *expr)
{
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    return leaf != NULL && leaf->kind == QRI_LEAF_COLUMN;
}

/* date, smalldatetime, datetime, datetime2: each holds all values of those before it. */
static bool is_day_or_time_of_day(const struct qr_type *t)
{
    return t->id == QR_TYPE_DATE || t->id == QR_TYPE_SMALLDATETIME || t->id == QR_TYPE_DATETIME ||
           t->id == QR_TYPE_DATETIME2;
}

/* Converting the column to the other type keeps order and distinctness. */
static bool may_narrow(const struct qr_type *column, const struct qr_type *other)
{
    enum qr_family from = qr_type_family(column), to = qr_type_family(other);
    if (from == QR_FAMILY_DATETIME)
        return is_day_or_time_of_day(column) && is_day_or_time_of_day(other) &&
               qr_type_info(other->id)->precedence > qr_type_info(column->id)->precedence;
    if (from == QR_FAMILY_CHAR)
        return to == QR_FAMILY_NCHAR && qr_type_is_comparable(column) && !other->is_max;
    return qr_type_is_exact(column) && qr_type_is_exact(other) && column->id != QR_TYPE_BIT &&
           other->id != QR_TYPE_BIT;
}

static struct qr_type narrow_type(const struct qr_type *column)
{
    /* without a length of its own, so that a longer text is not cut to an equal one */
    if (qr_type_family(column) != QR_FAMILY_CHAR)
        return *column;
    struct qr_type t = qr_type_sized(QR_TYPE_VARCHAR, QR_CHAR_LENGTH_MAX);
    t.collation = column->collation;
    return t;
}

static bool same_const(const struct qr_expr *a, const struct qr_expr *b)
{
    if (a->kind != QR_EXPR_CONST || b->kind != QR_EXPR_CONST || !qr_type_eq(&a->type, &b->type))
        return false;
    if (qr_value_is_null(&a->u.value) || qr_value_is_null(&b->u.value))
        return false;
    if (qr_type_is_string(&a->type))
        return qr_str_eq(qr_value_bytes(&a->u.value), qr_value_bytes(&b->u.value));
    return qr_value_compare(&a->type, &a->u.value, &b->u.value) == 0;
}

/* `*other` in the type of `column`, if it stays the same value; else as it is. */
enum qr_status qri_narrow(struct qri_compile *c, const struct qr_expr *column,
                          const struct qr_expr **other)
{
    const struct qr_expr *there = NULL, *back = NULL;
    if (!is_column(column) || (*other)->kind != QR_EXPR_CONST ||
        qr_value_is_null(&(*other)->u.value) || !may_narrow(&column->type, &(*other)->type))
        return QR_OK;
    if (column->label == QR_LABEL_IMPLICIT && (*other)->label != QR_LABEL_COERCIBLE_DEFAULT &&
        qr_type_is_string(&column->type))
        return QR_OK;
    unsigned flags = QR_CAST_EXPLICIT | QR_CAST_TRY;
    QR_TRY(qr_expr_cast(&c->b, narrow_type(&column->type), *other, NULL, flags, &there));
    QR_TRY(qr_expr_cast(&c->b, (*other)->type, there, NULL, flags, &back));
    if (same_const(*other, back))
        *other = there;
    return QR_OK;
}

/* column = x becomes column = narrow(x) AND x is unchanged by narrow(x); x is no constant. */
static enum qr_status guarded_equal(struct qri_compile *c, const struct qr_expr *column,
                                    const struct qr_expr *x, const struct qr_expr **ret_expr)
{
    const struct qr_expr *there = NULL, *back = NULL, *equal = NULL, *guard = NULL;
    unsigned flags = QR_CAST_EXPLICIT | QR_CAST_TRY;
    QR_TRY(qr_expr_cast(&c->b, narrow_type(&column->type), x, NULL, flags, &there));
    QR_TRY(qr_expr_cast(&c->b, x->type, there, NULL, flags, &back));
    QR_TRY(qr_expr_cmp(&c->b, QR_CMP_EQ, column, there, &equal));
    QR_TRY(qr_expr_cmp(&c->b, QR_CMP_EQ, back, x, &guard));
    return qri_and(c, equal, guard, ret_expr);
}

/* Below (or above) all values of the type, in its memory form. */
static struct qr_value beyond(const struct qr_type *type, bool above)
{
    if (qr_type_cell(type) != QR_CELL_WIDE)
        return qr_value_int(above ? INT64_MAX : INT64_MIN);
    qr_i128 most = (qr_i128)1 << 126;
    return qr_value_wide(above ? most : -most);
}

/* column > x implies column >= r, where r is x rounded to either neighbour in the column's type:
 * the index finds the rows from r on, the comparison itself decides. */
static enum qr_status bounded_range(struct qri_compile *c, enum qr_cmp cmp,
                                    const struct qr_expr *column, const struct qr_expr *x,
                                    const struct qr_expr *exact, const struct qr_expr **ret_expr)
{
    const struct qr_expr *rounded[2] = {NULL}, *bound = NULL, *range = NULL;
    bool from = cmp == QR_CMP_GT || cmp == QR_CMP_GE;
    struct qr_value far = beyond(&column->type, !from);
    unsigned flags = QR_CAST_EXPLICIT | QR_CAST_TRY;
    QR_TRY(qr_expr_cast(&c->b, column->type, x, NULL, flags, &rounded[0]));
    QR_TRY(qr_expr_const(&c->b, column->type, &far, &rounded[1]));
    QR_TRY(qr_expr_coalesce(&c->b, rounded, 2, &bound));
    QR_TRY(qr_expr_cmp(&c->b, from ? QR_CMP_GE : QR_CMP_LE, column, bound, &range));
    return qri_and(c, range, exact, ret_expr);
}

static bool is_known_before(const struct qr_expr *expr)
{
    return !expr->has_foreign && !expr->has_input && expr->volatility != QR_VOLATILE &&
           expr->label <= QR_LABEL_COERCIBLE_DEFAULT;
}

static bool is_lossless(const struct qr_type *column, const struct qr_type *other)
{
    return qr_type_family(other) == QR_FAMILY_INT && qr_type_family(column) == QR_FAMILY_INT;
}

enum qr_status qri_compare(struct qri_compile *c, enum qr_cmp cmp, const struct qr_expr *left,
                           const struct qr_expr *right, const struct qr_expr **ret_expr)
{
    static const enum qr_cmp mirrored[] = {
        [QR_CMP_EQ] = QR_CMP_EQ, [QR_CMP_NE] = QR_CMP_NE, [QR_CMP_LT] = QR_CMP_GT,
        [QR_CMP_LE] = QR_CMP_GE, [QR_CMP_GT] = QR_CMP_LT, [QR_CMP_GE] = QR_CMP_LE,
    };
    const struct qr_expr *exact = NULL;
    QR_TRY(qri_narrow(c, left, &right));
    QR_TRY(qri_narrow(c, right, &left));
    const struct qr_expr *column = is_column(left) ? left : right;
    const struct qr_expr *other = column == left ? right : left;
    QR_TRY(qr_expr_cmp(&c->b, cmp, left, right, &exact));
    *ret_expr = exact;
    if (!is_column(column) || !is_known_before(other) || cmp == QR_CMP_NE ||
        !may_narrow(&column->type, &other->type) || is_lossless(&column->type, &other->type) ||
        qr_type_eq(&column->type, &other->type))
        return QR_OK;
    bool is_null = other->kind == QR_EXPR_CONST && qr_value_is_null(&other->u.value);
    if (cmp == QR_CMP_EQ)
        return other->kind == QR_EXPR_CONST ? QR_OK : guarded_equal(c, column, other, ret_expr);
    if (is_null || qr_type_is_string(&column->type))
        return QR_OK;
    return bounded_range(c, column == left ? cmp : mirrored[cmp], column, other, exact, ret_expr);
}

/* x LIKE 'abc%' lies between abc and abc followed by the character that every order puts last.
 * Only plain letters and digits are taken, which all orders hold one by one. */
enum qr_status qri_like_range(struct qri_compile *c, const struct qr_expr *value,
                              const struct qr_expr *pattern, const struct qr_expr **expr)
{
    enum { PREFIX_BYTES_MAX = 64 };
    static const char last[] = "\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf";
    struct qr_str prefix = {0};
    bool is_exact = false;
    size_t n = 0;
    if (!is_column(value) || pattern->kind != QR_EXPR_CONST || !qr_type_is_string(&value->type) ||
        pattern->u.value.cell != QR_CELL_TEXT || !qr_type_is_comparable(&value->type) ||
        pattern->label > QR_LABEL_COERCIBLE_DEFAULT)
        return QR_OK;
    QR_TRY(qr_like_prefix(qr_value_bytes(&pattern->u.value), 0, c->arena, &prefix, &is_exact));
    while (n < prefix.n && n < PREFIX_BYTES_MAX &&
           ((prefix.p[n] >= '0' && prefix.p[n] <= '9') ||
            ((prefix.p[n] | 32) >= 'a' && (prefix.p[n] | 32) <= 'z')))
        n++;
    if (n == 0)
        return QR_OK;
    bool national = qr_type_family(&value->type) == QR_FAMILY_NCHAR;
    struct qr_type type = qr_type_sized(national ? QR_TYPE_NVARCHAR : QR_TYPE_VARCHAR,
                                        value->type.is_max ? 0 : value->type.length);
    type.collation = value->type.collation;
    const char *text = qr_arena_printf(c->arena, "%.*s%s", (int)n, prefix.p, last);
    if (text == NULL)
        return qri_nomem(c);
    struct qr_value low = qr_value_text(prefix.p, n), high = qr_value_str(qr_str(text));
    const struct qr_expr *ends[2] = {NULL}, *terms[3] = {NULL, NULL, *expr};
    QR_TRY(qr_expr_const(&c->b, type, &low, &ends[0]));
    QR_TRY(qr_expr_const(&c->b, type, &high, &ends[1]));
    QR_TRY(qr_expr_cmp(&c->b, QR_CMP_GE, value, ends[0], &terms[0]));
    QR_TRY(qr_expr_cmp(&c->b, QR_CMP_LE, value, ends[1], &terms[1]));
    return qr_expr_logic(&c->b, QR_EXPR_AND, terms, 3, expr);
}
