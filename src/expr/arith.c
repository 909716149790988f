/* arith.c - see expr/expr.h: + - * / % & | ^ ~ and concatenation, typed */
#include "expr_int.h"
#include "base/banned.h"

enum { CONCAT_ARGS_MAX = 64 }; /* a longer chain nests, so that building it stays linear */

static const char *const op_names[QR_OP_COUNT] = {
    [QR_OP_ADD] = "add",          [QR_OP_SUB] = "subtract", [QR_OP_MUL] = "multiply",
    [QR_OP_DIV] = "divide",       [QR_OP_MOD] = "modulo",   [QR_OP_BIT_AND] = "'&'",
    [QR_OP_BIT_OR] = "'|'",       [QR_OP_BIT_XOR] = "'^'",  [QR_OP_SHIFT_LEFT] = "'<<'",
    [QR_OP_SHIFT_RIGHT] = "'>>'", [QR_OP_NEG] = "minus",    [QR_OP_BIT_NOT] = "'~'",
    [QR_OP_CONCAT] = "add",
};

static enum qr_status new_arith(struct qr_expr_builder *b, enum qr_op op, struct qr_type type,
                                const struct qr_expr *const *args, size_t arg_count,
                                struct qr_expr **ret_node)
{
    struct qr_expr *node;
    QR_TRY(qri_expr_node(b, QR_EXPR_ARITH, args, arg_count, &node));
    node->type = type;
    node->u.arith.op = op;
    qri_arith_prepare(node);
    *ret_node = node;
    return QR_OK;
}

static enum qr_status finish(struct qr_expr_builder *b, enum qr_op op, struct qr_type type,
                             const struct qr_expr *const *args, size_t arg_count,
                             const struct qr_expr **ret_expr)
{
    struct qr_expr *node;
    QR_TRY(new_arith(b, op, type, args, arg_count, &node));
    if (op < QR_OP_BIT_AND) /* out of range and by zero are NULL under some settings */
        node->nullable = true;
    return qri_fold(b, node, ret_expr);
}

/* --- unary --- */

static enum qr_status unary(struct qr_expr_builder *b, enum qr_op op, const struct qr_expr *arg,
                            const struct qr_expr **ret_expr)
{
    struct qr_type type = arg->type;
    enum qr_family family = qr_type_family(&type);
    if (type.id == QR_TYPE_NULL)
        return qri_null_of(b, qr_type_of(QR_TYPE_INT), ret_expr);
    bool good = op == QR_OP_BIT_NOT ? family == QR_FAMILY_INT
                                    : qr_type_is_number(&type) && type.id != QR_TYPE_BIT;
    if (!good)
        return qr_sql_fail(b->err, 8117, qr_type_name(&type), op_names[op]);
    if (op == QR_OP_NEG && type.id == QR_TYPE_TINYINT) {
        type = qr_type_of(QR_TYPE_SMALLINT);
        QR_TRY(qr_expr_convert(b, type, arg, &arg));
    }
    struct qr_expr *node;
    QR_TRY(new_arith(b, op, type, &arg, 1, &node));
    node->is_literal = op == QR_OP_NEG && arg->is_literal;
    return qri_fold(b, node, ret_expr);
}

/* --- concatenation --- */

static bool is_at_cap(const struct qr_type *t)
{
    if (t->is_max)
        return false;
    return t->length >= (qri_is_national(t) ? QR_NCHAR_LENGTH_MAX : QR_CHAR_LENGTH_MAX);
}

/* With CONCAT_NULL_YIELDS_NULL OFF a NULL is an empty string. */
static enum qr_status null_to_empty(struct qr_expr_builder *b, const struct qr_expr **arg)
{
    if (b->concat_null_yields_null || !(*arg)->nullable || !qr_type_is_string(&(*arg)->type))
        return QR_OK;
    const struct qr_expr *empty, *both[2] = {*arg, NULL};
    QR_TRY(qr_expr_string(b, qr_str(""), qri_is_national(&(*arg)->type), &empty));
    both[1] = empty;
    return qr_expr_call(b, qr_str("ISNULL"), both, 2, arg);
}

static enum qr_status concat(struct qr_expr_builder *b, const struct qr_expr *left,
                             const struct qr_expr *right, const struct qr_expr **ret_expr)
{
    const struct qr_expr *args[CONCAT_ARGS_MAX + 1] = {left, right};
    if (qri_is_null_literal(left))
        QR_TRY(qri_null_for(b, left, right->type, false, &args[0]));
    if (qri_is_null_literal(right))
        QR_TRY(qri_null_for(b, right, left->type, false, &args[1]));
    struct qr_type type = qr_type_concat(&args[0]->type, &args[1]->type);
    struct qr_collation_use use;
    QR_TRY(qri_mix(b, args, 2, op_names[QR_OP_CONCAT], &use));
    if (qr_type_is_string(&type))
        type.collation = use.collation;
    QR_TRY(null_to_empty(b, &args[0]));
    QR_TRY(null_to_empty(b, &args[1]));
    size_t count = 2;
    const struct qr_expr *first = args[0];
    bool flat = first->kind == QR_EXPR_ARITH && first->u.arith.op == QR_OP_CONCAT &&
                first->arg_count < CONCAT_ARGS_MAX && !is_at_cap(&first->type);
    if (flat) {
        args[first->arg_count] = args[1];
        count = first->arg_count + 1;
        for (size_t i = 0; i < first->arg_count; i++)
            args[i] = first->args[i];
    }
    struct qr_expr *node;
    QR_TRY(new_arith(b, QR_OP_CONCAT, type, args, count, &node));
    node->label = (uint8_t)use.label;
    return qri_fold(b, node, ret_expr);
}

/* ||: of texts or of bytes; a NULL makes NULL whatever the session has set. */
static enum qr_status ansi_concat(struct qr_expr_builder *b, const struct qr_expr *left,
                                  const struct qr_expr *right, const struct qr_expr **ret_expr)
{
    const struct qr_expr *known = qri_is_null_literal(left) ? right : left;
    const struct qr_expr *args[2] = {left, right};
    bool bytes = qr_type_family(&known->type) == QR_FAMILY_BINARY;
    for (int i = 0; i < 2; i++) {
        const struct qr_type *type = &args[i]->type;
        bool fits = bytes ? qr_type_family(type) == QR_FAMILY_BINARY : qr_type_is_string(type);
        if (!qri_is_null_literal(args[i]) && (!fits || !qr_type_is_comparable(type)))
            return qr_sql_fail(b->err, 402, qr_type_name(&left->type), qr_type_name(&right->type),
                               "concat");
    }
    if (qri_is_null_literal(known))
        return qri_null_of(b, qr_type_sized(QR_TYPE_VARCHAR, 1), ret_expr);
    bool set = b->concat_null_yields_null;
    b->concat_null_yields_null = true;
    enum qr_status status = concat(b, left, right, ret_expr);
    b->concat_null_yields_null = set;
    return status;
}

/* --- bits --- */

static bool is_bits_operand(const struct qr_type *t)
{
    return t->id == QR_TYPE_NULL || qr_type_family(t) == QR_FAMILY_INT || t->id == QR_TYPE_BINARY ||
           t->id == QR_TYPE_VARBINARY;
}

static enum qr_status bits(struct qr_expr_builder *b, enum qr_op op, const struct qr_expr *left,
                           const struct qr_expr *right, const struct qr_expr **ret_expr)
{
    const struct qr_expr *args[2] = {left, right};
    bool left_binary = qr_type_family(&left->type) == QR_FAMILY_BINARY;
    bool right_binary = qr_type_family(&right->type) == QR_FAMILY_BINARY;
    if (left_binary && !right_binary && (op == QR_OP_SHIFT_LEFT || op == QR_OP_SHIFT_RIGHT))
        return qr_expr_call(b, qr_str(op == QR_OP_SHIFT_LEFT ? "LEFT_SHIFT" : "RIGHT_SHIFT"), args,
                            2, ret_expr);
    if (!is_bits_operand(&left->type) || !is_bits_operand(&right->type) ||
        (left_binary && right_binary))
        return qr_sql_fail(b->err, 402, qr_type_name(&left->type), qr_type_name(&right->type),
                           op_names[op]);
    struct qr_type type = left_binary ? right->type : left->type;
    if (!left_binary && !right_binary)
        QR_TRY(qr_type_combine(&left->type, &right->type, &type, b->err));
    if (op == QR_OP_SHIFT_LEFT || op == QR_OP_SHIFT_RIGHT)
        type = left->type;
    if (qr_type_family(&type) != QR_FAMILY_INT)
        type = qr_type_of(QR_TYPE_INT);
    for (int i = 0; i < 2; i++)
        if (qr_type_family(&args[i]->type) != QR_FAMILY_INT)
            QR_TRY(qr_expr_cast(b, type, args[i], NULL, 0, &args[i]));
    return finish(b, op, type, args, 2, ret_expr);
}

/* --- numbers and dates --- */

/* What the operands of a result of this type are cast to. */
static struct qr_type operand_type(const struct qr_expr *arg, const struct qr_type *result)
{
    switch (qri_number_of(result)) {
    case QRI_DECIMAL:
        return qr_type_is_exact(&arg->type) ? qri_literal_decimal(arg) : *result;
    case QRI_INT: /* int operands stay what they are: int64 arithmetic, range checked after */
        return qri_number_of(&arg->type) == QRI_INT ? arg->type : *result;
    case QRI_FLOAT:
        return qri_number_of(&arg->type) == QRI_FLOAT ? arg->type : qr_type_of(QR_TYPE_FLOAT);
    case QRI_MONEY:
        return qr_type_of(QR_TYPE_MONEY);
    case QRI_OTHER:
        break;
    }
    return *result;
}

/* A string beside a number or a date takes that type before anything else. */
static enum qr_status adapt_string(struct qr_expr_builder *b, const struct qr_expr **arg,
                                   const struct qr_expr *other)
{
    bool wants = qr_type_is_number(&other->type) || other->type.id == QR_TYPE_DATETIME ||
                 other->type.id == QR_TYPE_SMALLDATETIME;
    if (!qr_type_is_string(&(*arg)->type) || qr_type_is_lob(&(*arg)->type) || !wants)
        return QR_OK;
    return qr_expr_convert(b, other->type, *arg, arg);
}

static enum qr_status numbers(struct qr_expr_builder *b, enum qr_op op, const struct qr_expr *left,
                              const struct qr_expr *right, const struct qr_expr **ret_expr)
{
    const struct qr_expr *args[2] = {left, right};
    QR_TRY(adapt_string(b, &args[0], right));
    QR_TRY(adapt_string(b, &args[1], left));
    struct qr_type types[2] = {args[0]->type, args[1]->type};
    for (int i = 0; i < 2; i++)
        if (qr_type_family(&types[1 - i]) == QR_FAMILY_DECIMAL &&
            qr_type_family(&types[i]) == QR_FAMILY_INT)
            types[i] = qri_literal_decimal(args[i]);
    struct qr_type type;
    QR_TRY(qr_type_arith((enum qr_arith)op, &types[0], &types[1], &type, b->err));
    if (qr_type_is_string(&type) || qr_type_family(&type) == QR_FAMILY_BINARY)
        return concat(b, left, right, ret_expr);
    for (int i = 0; i < 2; i++)
        if (qri_is_null_literal(args[i]))
            QR_TRY(qri_null_for(b, args[i], type, false, &args[i]));
    if (qr_type_family(&type) == QR_FAMILY_DECIMAL) {
        struct qr_type a = operand_type(args[0], &type), c = operand_type(args[1], &type);
        (void)qr_dec_op_of((enum qr_arith)op, &a, &c, &type);
    }
    for (int i = 0; i < 2; i++)
        QR_TRY(qr_expr_convert(b, operand_type(args[i], &type), args[i], &args[i]));
    return finish(b, op, type, args, 2, ret_expr);
}

enum qr_status qr_expr_arith(struct qr_expr_builder *b, enum qr_op op, const struct qr_expr *left,
                             const struct qr_expr *right, const struct qr_expr **ret_expr)
{
    if (right == NULL)
        return unary(b, op, left, ret_expr);
    if (op == QR_OP_CONCAT)
        return ansi_concat(b, left, right, ret_expr);
    if (op >= QR_OP_BIT_AND)
        return bits(b, op, left, right, ret_expr);
    if (qri_is_null_literal(left) && qri_is_null_literal(right))
        return qri_null_of(b, qr_type_of(QR_TYPE_INT), ret_expr);
    return numbers(b, op, left, right, ret_expr);
}
