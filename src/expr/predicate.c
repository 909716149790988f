/* predicate.c - see expr/expr.h: comparisons, three-valued logic, LIKE, IN, BETWEEN */
#include "expr_int.h"
#include "base/banned.h"

static const char *const cmp_names[] = {
    [QR_CMP_EQ] = "equal to",     [QR_CMP_NE] = "not equal to",
    [QR_CMP_LT] = "less than",    [QR_CMP_LE] = "less than or equal to",
    [QR_CMP_GT] = "greater than", [QR_CMP_GE] = "greater than or equal to",
};

static enum qr_status new_predicate(struct qr_expr_builder *b, enum qr_expr_kind kind,
                                    const struct qr_expr *const *args, size_t arg_count,
                                    struct qr_expr **ret_node)
{
    struct qr_expr *node;
    QR_TRY(qri_expr_node(b, kind, args, arg_count, &node));
    node->type = qr_type_of(QR_TYPE_BIT);
    node->is_predicate = true;
    *ret_node = node;
    return QR_OK;
}

/* Gives `arg` the collation that won, so that either operand tells how to compare. */
static enum qr_status adopt(struct qr_expr_builder *b, struct qr_collation_use use,
                            const struct qr_expr **arg)
{
    if (!qr_type_is_string(&(*arg)->type) || (*arg)->type.collation == use.collation)
        return QR_OK;
    return qr_expr_collate(b, *arg, use.collation, arg);
}

static enum qr_status cmp_strings(struct qr_expr_builder *b, const char *name,
                                  const struct qr_expr **left, const struct qr_expr **right)
{
    const struct qr_expr *both[2] = {*left, *right};
    struct qr_collation_use use;
    QR_TRY(qri_mix(b, both, 2, name, &use));
    if (use.label == QR_LABEL_NO_COLLATION)
        QR_TRY(qr_collation_need(qri_use_of(b, *left), qri_use_of(b, *right), name, b->err));
    bool national = qri_is_national(&both[0]->type) || qri_is_national(&both[1]->type);
    for (int i = 0; i < 2; i++) {
        QR_TRY(adopt(b, use, &both[i]));
        if (!qr_type_is_string(&both[i]->type) || (national && !qri_is_national(&both[i]->type))) {
            struct qr_type want = qri_as_string(&both[i]->type, national, use.collation);
            QR_TRY(qr_expr_convert(b, want, both[i], &both[i]));
        }
    }
    *left = both[0];
    *right = both[1];
    return QR_OK;
}

static enum qr_status check_comparable(struct qr_expr_builder *b, const char *name,
                                       const struct qr_expr *left, const struct qr_expr *right)
{
    if (left->type.id == QR_TYPE_XML || right->type.id == QR_TYPE_XML)
        return qr_sql_fail(b->err, 305);
    bool json = left->type.id == QR_TYPE_JSON || right->type.id == QR_TYPE_JSON;
    bool alike =
        left->type.id == right->type.id || qri_is_null_literal(left) || qri_is_null_literal(right);
    if (json && alike)
        return qr_sql_fail(b->err, 13636);
    if (!qr_type_is_comparable(&left->type) || !qr_type_is_comparable(&right->type))
        return qr_sql_fail(b->err, 402, qr_type_name(&left->type), qr_type_name(&right->type),
                           name);
    return QR_OK;
}

static enum qr_status operands(struct qr_expr_builder *b, const char *name,
                               const struct qr_expr **left, const struct qr_expr **right)
{
    const struct qr_expr *both[2] = {*left, *right};
    QR_TRY(check_comparable(b, name, *left, *right));
    for (int i = 0; i < 2; i++)
        if (qri_is_null_literal(both[i])) {
            struct qr_type other = both[1 - i]->type;
            QR_TRY(qri_null_for(b, both[i],
                                other.id == QR_TYPE_NULL ? qr_type_of(QR_TYPE_INT) : other, false,
                                &both[i]));
        }
    struct qr_type types[2] = {both[0]->type, both[1]->type}, common;
    for (int i = 0; i < 2; i++)
        if (qr_type_family(&types[1 - i]) == QR_FAMILY_DECIMAL &&
            qr_type_family(&types[i]) == QR_FAMILY_INT)
            types[i] = qri_literal_decimal(both[i]);
    QR_TRY(qr_type_combine(&types[0], &types[1], &common, b->err));
    if (qr_type_is_string(&common)) {
        QR_TRY(cmp_strings(b, name, &both[0], &both[1]));
    } else {
        for (int i = 0; i < 2; i++)
            if (!qri_same_form(&both[i]->type, &common))
                QR_TRY(qr_expr_convert(b, common, both[i], &both[i]));
    }
    *left = both[0];
    *right = both[1];
    return QR_OK;
}

enum qr_status qr_expr_cmp_operands(struct qr_expr_builder *b, enum qr_cmp op,
                                    const struct qr_expr **left, const struct qr_expr **right)
{
    return operands(b, cmp_names[op], left, right);
}

enum qr_status qr_expr_cmp(struct qr_expr_builder *b, enum qr_cmp op, const struct qr_expr *left,
                           const struct qr_expr *right, const struct qr_expr **ret_expr)
{
    bool null_test = qri_is_null_literal(left) || qri_is_null_literal(right) ||
                     left->kind == QR_EXPR_VAR || right->kind == QR_EXPR_VAR;
    if (!b->ansi_nulls && null_test && (op == QR_CMP_EQ || op == QR_CMP_NE))
        return qr_expr_is_distinct(b, left, right, op == QR_CMP_EQ, ret_expr);
    const struct qr_expr *both[2] = {left, right};
    QR_TRY(operands(b, cmp_names[op], &both[0], &both[1]));
    struct qr_expr *node;
    QR_TRY(new_predicate(b, QR_EXPR_CMP, both, 2, &node));
    node->u.cmp = op;
    return qri_fold(b, node, ret_expr);
}

enum qr_status qr_expr_is_distinct(struct qr_expr_builder *b, const struct qr_expr *left,
                                   const struct qr_expr *right, bool negated,
                                   const struct qr_expr **ret_expr)
{
    const struct qr_expr *both[2] = {left, right};
    QR_TRY(operands(b, "is distinct from", &both[0], &both[1]));
    struct qr_expr *node;
    QR_TRY(new_predicate(b, QR_EXPR_IS_DISTINCT, both, 2, &node));
    node->u.negated = negated;
    node->nullable = false;
    return qri_fold(b, node, ret_expr);
}

static size_t flat_count(enum qr_expr_kind kind, const struct qr_expr *const *args, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += args[i]->kind == kind ? args[i]->arg_count : 1;
    return total;
}

enum qr_status qr_expr_logic(struct qr_expr_builder *b, enum qr_expr_kind kind,
                             const struct qr_expr *const *args, size_t arg_count,
                             const struct qr_expr **ret_expr)
{
    assert((kind == QR_EXPR_AND || kind == QR_EXPR_OR) && arg_count > 0);
    if (arg_count == 1) {
        *ret_expr = args[0];
        return QR_OK;
    }
    size_t total = flat_count(kind, args, arg_count), used = 0;
    const struct qr_expr **flat = qr_arena_array(b->arena, total, sizeof *flat);
    if (flat == NULL)
        return qri_expr_nomem(b->err);
    for (size_t i = 0; i < arg_count; i++) {
        bool same = args[i]->kind == kind;
        for (size_t k = 0; k < (same ? args[i]->arg_count : 1); k++)
            flat[used++] = same ? args[i]->args[k] : args[i];
    }
    struct qr_expr *node;
    QR_TRY(new_predicate(b, kind, flat, total, &node));
    return qri_fold(b, node, ret_expr);
}

enum qr_status qr_expr_not(struct qr_expr_builder *b, const struct qr_expr *arg,
                           const struct qr_expr **ret_expr)
{
    struct qr_expr *node;
    QR_TRY(new_predicate(b, QR_EXPR_NOT, &arg, 1, &node));
    return qri_fold(b, node, ret_expr);
}

enum qr_status qr_expr_is_null(struct qr_expr_builder *b, const struct qr_expr *arg, bool negated,
                               const struct qr_expr **ret_expr)
{
    struct qr_expr *node;
    QR_TRY(new_predicate(b, QR_EXPR_IS_NULL, &arg, 1, &node));
    node->u.negated = negated;
    node->nullable = false;
    return qri_fold(b, node, ret_expr);
}

static enum qr_status like_operand(struct qr_expr_builder *b, size_t index, bool national,
                                   uint16_t collation, const struct qr_expr **arg)
{
    const struct qr_type *t = &(*arg)->type;
    bool good = t->id == QR_TYPE_NULL || qr_type_is_string(t) || qr_type_is_number(t) ||
                qr_type_family(t) == QR_FAMILY_DATETIME || t->id == QR_TYPE_UNIQUEIDENTIFIER;
    if (!good)
        return qr_sql_fail(b->err, 8116, qr_type_name(t), (int)index + 1, "like");
    if (qr_type_is_string(t) && (!national || qri_is_national(t)))
        return QR_OK;
    struct qr_type want = qri_as_string(t, national, collation);
    /* money, dates: implicit conversion to a string is allowed for all that passed */
    return qr_expr_convert(b, want, *arg, arg);
}

enum qr_status qr_expr_like(struct qr_expr_builder *b, const struct qr_expr *value,
                            const struct qr_expr *pattern, const struct qr_expr *escape,
                            bool negated, const struct qr_expr **ret_expr)
{
    const struct qr_expr *args[3] = {value, pattern, escape};
    size_t count = escape == NULL ? 2 : 3;
    struct qr_collation_use use;
    QR_TRY(qri_mix(b, args, 2, "like", &use));
    if (use.label == QR_LABEL_NO_COLLATION)
        QR_TRY(qr_collation_need(qri_use_of(b, value), qri_use_of(b, pattern), "like", b->err));
    bool national = qri_is_national(&value->type) || qri_is_national(&pattern->type);
    for (size_t i = 0; i < count; i++) {
        QR_TRY(like_operand(b, i, national, use.collation, &args[i]));
        if (i < 2)
            QR_TRY(adopt(b, use, &args[i]));
    }
    struct qr_expr *node;
    QR_TRY(new_predicate(b, QR_EXPR_LIKE, args, count, &node));
    node->u.negated = negated;
    return qri_fold(b, node, ret_expr);
}

static enum qr_status maybe_not(struct qr_expr_builder *b, bool negated, const struct qr_expr *expr,
                                const struct qr_expr **ret_expr)
{
    if (negated)
        return qr_expr_not(b, expr, ret_expr);
    *ret_expr = expr;
    return QR_OK;
}

enum qr_status qr_expr_between(struct qr_expr_builder *b, const struct qr_expr *value,
                               const struct qr_expr *low, const struct qr_expr *high, bool negated,
                               const struct qr_expr **ret_expr)
{
    const struct qr_expr *both[2], *all;
    QR_TRY(qr_expr_cmp(b, QR_CMP_GE, value, low, &both[0]));
    QR_TRY(qr_expr_cmp(b, QR_CMP_LE, value, high, &both[1]));
    QR_TRY(qr_expr_logic(b, QR_EXPR_AND, both, 2, &all));
    return maybe_not(b, negated, all, ret_expr);
}

/* Every member compares with `value` as it stands: one IN will do. */
static enum qr_status in_operands(struct qr_expr_builder *b, const struct qr_expr *value,
                                  const struct qr_expr *const *members, size_t count,
                                  const struct qr_expr **args, bool *ret_plain)
{
    args[0] = value;
    for (size_t i = 0; i < count; i++) {
        const struct qr_expr *left = value, *right = members[i];
        QR_TRY(qr_expr_cmp_operands(b, QR_CMP_EQ, &left, &right));
        args[i + 1] = right;
        if (left != value || !qri_same_form(&left->type, &right->type)) {
            *ret_plain = false;
            return QR_OK;
        }
    }
    *ret_plain = true;
    return QR_OK;
}

enum qr_status qr_expr_in(struct qr_expr_builder *b, const struct qr_expr *value,
                          const struct qr_expr *const *members, size_t member_count, bool negated,
                          const struct qr_expr **ret_expr)
{
    assert(member_count > 0);
    const struct qr_expr **args = qr_arena_array(b->arena, member_count + 1, sizeof *args);
    if (args == NULL)
        return qri_expr_nomem(b->err);
    bool plain;
    QR_TRY(in_operands(b, value, members, member_count, args, &plain));
    if (plain && b->ansi_nulls) {
        struct qr_expr *node;
        QR_TRY(new_predicate(b, QR_EXPR_IN, args, member_count + 1, &node));
        node->u.negated = negated;
        return qri_fold(b, node, ret_expr);
    }
    for (size_t i = 0; i < member_count; i++)
        QR_TRY(qr_expr_cmp(b, QR_CMP_EQ, value, members[i], &args[i]));
    const struct qr_expr *any = NULL;
    QR_TRY(qr_expr_logic(b, QR_EXPR_OR, args, member_count, &any));
    return maybe_not(b, negated, any, ret_expr);
}
