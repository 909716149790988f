/* emit_expr.c - scalar expressions: natively where SQLite means the same, else qx(); see emit_int.h
 */
#include "emit_int.h"

#include "base/banned.h"

typedef enum qr_status (*node_fn)(struct qri_emit *em, struct qr_buf *out,
                                  const struct qr_expr *expr);

enum qr_status qri_emit_sorted(struct qri_emit *em, struct qr_buf *out, const struct qr_expr *expr)
{
    QR_TRY(qri_emit_expr(em, out, expr));
    qri_emit_collate(out, &expr->type);
    return QR_OK;
}

static const char *const cmp_ops[] = {
    [QR_CMP_EQ] = " = ",  [QR_CMP_NE] = " <> ", [QR_CMP_LT] = " < ",
    [QR_CMP_LE] = " <= ", [QR_CMP_GT] = " > ",  [QR_CMP_GE] = " >= ",
};

/* Comparisons ignore trailing blanks, so a change from char(n) to varchar(m) that cuts nothing off
 * changes nothing there: without it the column is bare and its index of use. */
static const struct qr_expr *bare(const struct qr_expr *expr)
{
    while (expr->kind == QR_EXPR_CAST && expr->arg_count == 1 && expr->u.cast.flags == 0 &&
           qr_type_is_string(&expr->type) && qr_type_is_string(&expr->args[0]->type) &&
           qr_type_is_comparable(&expr->args[0]->type) && !expr->args[0]->type.is_max &&
           (expr->type.is_max || expr->type.length >= expr->args[0]->type.length) &&
           !(qr_type_family(&expr->type) == QR_FAMILY_CHAR &&
             qr_type_family(&expr->args[0]->type) == QR_FAMILY_NCHAR))
        expr = expr->args[0];
    return expr;
}

static enum qr_status binary(struct qri_emit *em, struct qr_buf *out, const struct qr_expr *expr,
                             const char *op)
{
    qr_buf_addz(out, "(");
    QR_TRY(qri_emit_expr(em, out, bare(expr->args[0])));
    qri_emit_collate(out, &expr->args[0]->type);
    qr_buf_addz(out, op);
    QR_TRY(qri_emit_expr(em, out, bare(expr->args[1])));
    qr_buf_addz(out, ")");
    return QR_OK;
}

static enum qr_status emit_cmp(struct qri_emit *em, struct qr_buf *out, const struct qr_expr *expr)
{
    return binary(em, out, expr, cmp_ops[expr->u.cmp]);
}

static enum qr_status emit_is_distinct(struct qri_emit *em, struct qr_buf *out,
                                       const struct qr_expr *expr)
{
    return binary(em, out, expr, expr->u.negated ? " IS " : " IS NOT ");
}

/* A balanced tree: chains may be long, SQLite's stack is not. */
static enum qr_status emit_chain(struct qri_emit *em, struct qr_buf *out,
                                 const struct qr_expr *const *args, size_t count, const char *op)
{
    if (count == 1)
        return qri_emit_expr(em, out, args[0]);
    size_t half = count / 2;
    QR_TRY(qri_emit_enter(em, QRI_LEVEL_NODE));
    qr_buf_addz(out, "(");
    QR_TRY(emit_chain(em, out, args, half, op));
    qr_buf_addz(out, op);
    bool conditional = em->conditional;
    em->conditional = true;
    QR_TRY(emit_chain(em, out, args + half, count - half, op));
    em->conditional = conditional;
    qr_buf_addz(out, ")");
    qri_emit_leave(em, QRI_LEVEL_NODE);
    return QR_OK;
}

static enum qr_status emit_logic(struct qri_emit *em, struct qr_buf *out,
                                 const struct qr_expr *expr)
{
    return emit_chain(em, out, expr->args, expr->arg_count,
                      expr->kind == QR_EXPR_AND ? " AND " : " OR ");
}

static enum qr_status emit_not(struct qri_emit *em, struct qr_buf *out, const struct qr_expr *expr)
{
    qr_buf_addz(out, "(NOT ");
    QR_TRY(qri_emit_expr(em, out, expr->args[0]));
    qr_buf_addz(out, ")");
    return QR_OK;
}

static enum qr_status emit_is_null(struct qri_emit *em, struct qr_buf *out,
                                   const struct qr_expr *expr)
{
    qr_buf_addz(out, "(");
    QR_TRY(qri_emit_expr(em, out, expr->args[0]));
    qr_buf_addz(out, expr->u.negated ? " IS NOT NULL)" : " IS NULL)");
    return QR_OK;
}

static enum qr_status emit_in(struct qri_emit *em, struct qr_buf *out, const struct qr_expr *expr)
{
    qr_buf_addz(out, "(");
    QR_TRY(qri_emit_expr(em, out, bare(expr->args[0])));
    qri_emit_collate(out, &expr->args[0]->type);
    qr_buf_addz(out, expr->u.negated ? " NOT IN (" : " IN (");
    for (size_t i = 1; i < expr->arg_count; i++) {
        qr_buf_addz(out, i == 1 ? "" : ", ");
        QR_TRY(qri_emit_expr(em, out, bare(expr->args[i])));
    }
    qr_buf_addz(out, "))");
    return QR_OK;
}

static enum qr_status emit_case(struct qri_emit *em, struct qr_buf *out, const struct qr_expr *expr)
{
    bool conditional = em->conditional;
    qr_buf_addz(out, "CASE");
    for (size_t i = 0; i + 1 < expr->arg_count; i += 2) {
        qr_buf_addz(out, " WHEN ");
        QR_TRY(qri_emit_expr(em, out, expr->args[i]));
        em->conditional = true;
        qr_buf_addz(out, " THEN ");
        QR_TRY(qri_emit_expr(em, out, expr->args[i + 1]));
    }
    qr_buf_addz(out, " ELSE ");
    QR_TRY(qri_emit_expr(em, out, expr->args[expr->arg_count - 1]));
    em->conditional = conditional;
    qr_buf_addz(out, " END");
    return QR_OK;
}

static enum qr_status emit_coalesce(struct qri_emit *em, struct qr_buf *out,
                                    const struct qr_expr *expr)
{
    bool conditional = em->conditional;
    qr_buf_addz(out, "coalesce(");
    for (size_t i = 0; i < expr->arg_count; i++) {
        qr_buf_addz(out, i == 0 ? "" : ", ");
        QR_TRY(qri_emit_expr(em, out, expr->args[i]));
        em->conditional = true;
    }
    em->conditional = conditional;
    qr_buf_addz(out, ")");
    return QR_OK;
}

static enum qr_status emit_nullif(struct qri_emit *em, struct qr_buf *out,
                                  const struct qr_expr *expr)
{
    qr_buf_addz(out, "CASE WHEN ");
    QR_TRY(qri_emit_expr(em, out, expr->args[2]));
    qr_buf_addz(out, " THEN NULL ELSE ");
    QR_TRY(qri_emit_expr(em, out, expr->args[0]));
    qr_buf_addz(out, " END");
    return QR_OK;
}

static enum qr_status emit_label(struct qri_emit *em, struct qr_buf *out,
                                 const struct qr_expr *expr)
{
    return qri_emit_expr(em, out, expr->args[0]);
}

/* Native casts keep the stored form, except whole numbers to float. */
static enum qr_status emit_cast(struct qri_emit *em, struct qr_buf *out, const struct qr_expr *expr)
{
    bool to_real = qr_type_cell(&expr->type) == QR_CELL_REAL &&
                   qr_type_cell(&expr->args[0]->type) == QR_CELL_INT;
    qr_buf_addz(out, to_real ? "CAST(" : "");
    QR_TRY(qri_emit_expr(em, out, expr->args[0]));
    qr_buf_addz(out, to_real ? " AS REAL)" : "");
    return QR_OK;
}

static bool is_nonzero(const struct qr_expr *expr)
{
    return expr->kind == QR_EXPR_CONST && expr->u.value.cell == QR_CELL_INT &&
           expr->u.value.i != 0 && expr->u.value.i != -1;
}

static const struct op_row {
    const char *infix, *function; /* function: where SQLite's operator differs */
} op_rows[QR_OP_COUNT] = {
    /* clang-format off */
    [QR_OP_ADD]     = {" + ", NULL},
    [QR_OP_SUB]     = {" - ", NULL},
    [QR_OP_MUL]     = {" * ", NULL},
    [QR_OP_DIV]     = {" / ", "qdiv"},
    [QR_OP_MOD]     = {" % ", "qmod"},
    [QR_OP_BIT_AND] = {" & ", NULL},
    [QR_OP_BIT_OR]  = {" | ", NULL},
    /* clang-format on */
};

static bool is_native_arith(const struct qr_expr *expr)
{
    enum qr_op op = expr->u.arith.op;
    if (qr_type_family(&expr->type) != QR_FAMILY_INT)
        return false;
    return op_rows[op].infix != NULL || op == QR_OP_NEG || op == QR_OP_BIT_NOT;
}

/* Without the check of its range; operands that are arithmetic too are not checked either. */
static enum qr_status emit_raw_arith(struct qri_emit *em, struct qr_buf *out,
                                     const struct qr_expr *expr);

static enum qr_status emit_operand(struct qri_emit *em, struct qr_buf *out,
                                   const struct qr_expr *expr)
{
    if (expr->kind == QR_EXPR_ARITH && expr->has_foreign && is_native_arith(expr) &&
        em->depth < QRI_NATIVE_DEPTH_MAX && qr_expr_native(expr) != QR_NATIVE_NO) {
        em->depth++;
        QR_TRY(emit_raw_arith(em, out, expr));
        em->depth--;
        return QR_OK;
    }
    return qri_emit_expr(em, out, expr);
}

static enum qr_status emit_raw_arith(struct qri_emit *em, struct qr_buf *out,
                                     const struct qr_expr *expr)
{
    enum qr_op op = expr->u.arith.op;
    if (expr->arg_count == 1) {
        qr_buf_addz(out, op == QR_OP_NEG ? "(- " : "(~ ");
        QR_TRY(emit_operand(em, out, expr->args[0]));
        qr_buf_addz(out, ")");
        return QR_OK;
    }
    bool infix = op_rows[op].function == NULL || is_nonzero(expr->args[1]);
    qr_buf_printf(out, "%s(", infix ? "" : op_rows[op].function);
    QR_TRY(emit_operand(em, out, expr->args[0]));
    qr_buf_addz(out, infix ? op_rows[op].infix : ", ");
    QR_TRY(emit_operand(em, out, expr->args[1]));
    qr_buf_addz(out, ")");
    return QR_OK;
}

static const char *range_function(enum qr_type_id id)
{
    switch ((int)id) {
    case QR_TYPE_TINYINT:
        return "qi1";
    case QR_TYPE_SMALLINT:
        return "qi2";
    case QR_TYPE_INT:
        return "qi4";
    default:
        return "qi8";
    }
}

static enum qr_status emit_arith(struct qri_emit *em, struct qr_buf *out,
                                 const struct qr_expr *expr)
{
    struct qr_interval have, want = qr_int_range(expr->type.id);
    bool fits = qr_expr_interval(expr, &have) && have.low >= want.low && have.high <= want.high;
    if (!fits)
        qr_buf_printf(out, "%s(", range_function(expr->type.id));
    QR_TRY(emit_raw_arith(em, out, expr));
    qr_buf_addz(out, fits ? "" : ")");
    return QR_OK;
}

static const node_fn node_fns[] = {
    [QR_EXPR_CAST] = emit_cast,
    [QR_EXPR_ARITH] = emit_arith,
    [QR_EXPR_COLLATE] = emit_label,
    [QR_EXPR_CASE] = emit_case,
    [QR_EXPR_COALESCE] = emit_coalesce,
    [QR_EXPR_NULLIF] = emit_nullif,
    [QR_EXPR_CMP] = emit_cmp,
    [QR_EXPR_AND] = emit_logic,
    [QR_EXPR_OR] = emit_logic,
    [QR_EXPR_NOT] = emit_not,
    [QR_EXPR_IS_NULL] = emit_is_null,
    [QR_EXPR_IS_DISTINCT] = emit_is_distinct,
    [QR_EXPR_IN] = emit_in,
    [QR_EXPR_FOREIGN] = qri_emit_leaf,
};

static node_fn native_of(const struct qr_expr *expr)
{
    if ((size_t)expr->kind >= sizeof(node_fns) / sizeof(node_fns[0]))
        return NULL;
    if (expr->kind == QR_EXPR_ARITH && !is_native_arith(expr))
        return NULL;
    if (expr->kind == QR_EXPR_COALESCE && expr->arg_count > 100)
        return NULL;
    if (expr->kind == QR_EXPR_NULLIF && expr->args[0]->volatility == QR_VOLATILE)
        return NULL;
    return qr_expr_native(expr) == QR_NATIVE_NO ? NULL : node_fns[expr->kind];
}

/* Safe to evaluate although the row may not need it. */
static bool cannot_fail(const struct qr_expr *expr)
{
    if (expr->kind == QR_EXPR_CALL)
        return expr->arg_count == 0;
    return expr->kind == QR_EXPR_CONST || expr->kind == QR_EXPR_VAR;
}

int qri_group_of(const struct qri_emit *em, const struct qr_expr *expr, size_t *ret_operands)
{
    int group = QRI_NO_GROUP;
    *ret_operands = 0;
    for (size_t i = 0; em->set != NULL && i < em->grouping->group_count; i++) {
        size_t n = qri_group_operands(em->grouping->group[i], expr);
        if (qr_expr_equal(em->grouping->group[i], expr)) {
            *ret_operands = 0;
            return (int)i;
        }
        if (n <= *ret_operands)
            continue;
        *ret_operands = n;
        group = (int)i;
    }
    return group;
}

enum qr_status qri_chain_of(struct qri_compile *c, const struct qr_expr *expr,
                            const struct qr_expr *group, size_t operands,
                            const struct qr_expr **ret_chain)
{
    size_t count = expr->arg_count - operands + 1;
    struct qr_expr *chain = QRI_NEW(c, struct qr_expr);
    const struct qr_expr **args = QRI_ARRAY(c, count, const struct qr_expr *);
    if (chain == NULL || args == NULL)
        return qri_nomem(c);
    args[0] = group;
    for (size_t i = 1; i < count; i++)
        args[i] = expr->args[operands + i - 1];
    *chain = *expr;
    chain->args = args;
    chain->arg_count = count;
    *ret_chain = chain;
    return QR_OK;
}

/* What is not grouped by there is NULL. */
static bool is_nulled(const struct qri_emit *em, const struct qr_expr *expr)
{
    size_t operands;
    int group = qri_group_of(em, expr, &operands);
    return group != QRI_NO_GROUP && em->set->in[group] == 0;
}

/* What the set groups by is what it says, also where other sets group by a column in it. */
static enum qr_status emit_grouped(struct qri_emit *em, struct qr_buf *out,
                                   const struct qr_expr *expr, int group, size_t operands)
{
    const struct qri_grouping *set = em->set;
    if (operands == 0) {
        em->set = NULL;
        QR_TRY(qri_emit_expr(em, out, expr));
        em->set = set;
        return QR_OK;
    }
    const struct qr_expr *chain = NULL;
    QR_TRY(qri_chain_of(em->c, expr, em->grouping->group[group], operands, &chain));
    return qri_emit_expr(em, out, chain);
}

static bool names_nulled(void *arg, const struct qr_expr *expr)
{
    return !is_nulled((const struct qri_emit *)arg, expr);
}

enum qr_status qri_emit_expr(struct qri_emit *em, struct qr_buf *out, const struct qr_expr *expr)
{
    size_t operands;
    int group = qri_group_of(em, expr, &operands);
    if (group != QRI_NO_GROUP && em->set->in[group] == 0) {
        qr_buf_addz(out, "NULL");
        return QR_OK;
    }
    if (group != QRI_NO_GROUP)
        return emit_grouped(em, out, expr, group, operands);
    if (!expr->has_foreign && expr->volatility != QR_VOLATILE &&
        (!em->conditional || cannot_fail(expr)))
        return qri_emit_value(em, out, expr);
    node_fn fn = native_of(expr);
    bool must = expr->kind == QR_EXPR_FOREIGN || !qr_expr_walk(expr, names_nulled, em);
    bool flat = expr->kind == QR_EXPR_AND || expr->kind == QR_EXPR_OR;
    if (fn == NULL ||
        (!must && (em->level > QRI_LEVEL_EXPR_MAX || (em->depth >= QRI_NATIVE_DEPTH_MAX && !flat))))
        return qri_emit_program(em, out, expr);
    unsigned depth = em->depth;
    em->depth = expr->kind == QR_EXPR_FOREIGN ? depth : depth + (flat ? 0 : 1);
    unsigned levels = expr->kind == QR_EXPR_FOREIGN ? 0 : QRI_LEVEL_NODE;
    QR_TRY(qri_emit_enter(em, levels));
    QR_TRY(fn(em, out, expr));
    qri_emit_leave(em, levels);
    em->depth = depth;
    return QR_OK;
}
