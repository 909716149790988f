/* bind_compare.c - comparisons that keep an indexed column bare; see bind_int.h
 *
 * By precedence `varchar_col = @nvarchar` converts the column, and no index on it is used. Where
 * the other side converts to the column's type and back without change, comparing in the column's
 * type gives the same answer; constants are tried here, variables are guarded in the text. */
#include "bind_int.h"

#include "base/banned.h"

static bool is_column(const struct qr_expr *expr)
{
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    return leaf != NULL && leaf->kind == QRI_LEAF_COLUMN;
}

/* Converting the column to the other type keeps order and distinctness. */
static bool may_narrow(const struct qr_type *column, const struct qr_type *other)
{
    enum qr_family from = qr_type_family(column), to = qr_type_family(other);
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

enum qr_status qri_compare(struct qri_compile *c, enum qr_cmp cmp, const struct qr_expr *left,
                           const struct qr_expr *right, const struct qr_expr **ret_expr)
{
    QR_TRY(qri_narrow(c, left, &right));
    QR_TRY(qri_narrow(c, right, &left));
    if (cmp == QR_CMP_EQ) {
        const struct qr_expr *column = is_column(left) ? left : right;
        const struct qr_expr *other = column == left ? right : left;
        struct qr_type t = column->type;
        if (is_column(column) && other->kind != QR_EXPR_CONST && !other->has_foreign &&
            other->volatility != QR_VOLATILE && other->label <= QR_LABEL_COERCIBLE_DEFAULT &&
            may_narrow(&t, &other->type)) {
            bool lossless = qr_type_family(&other->type) == QR_FAMILY_INT &&
                            qr_type_family(&t) == QR_FAMILY_INT;
            if (!lossless)
                return guarded_equal(c, column, other, ret_expr);
        }
    }
    return qr_expr_cmp(&c->b, cmp, left, right, ret_expr);
}
