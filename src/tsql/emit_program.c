/* emit_program.c - what SQLite cannot do: one call of our evaluator over the leaves; see emit_int.h
 */
#include "emit_int.h"

#include "base/banned.h"

struct vars {
    struct qri_compile *c;
    const struct qr_expr **seen; /* the leaves made for variables, by slot of first use */
    size_t count, capacity;
    enum qr_status status;
};

/* A variable becomes a leaf, so that a program needs nothing but its arguments. */
static const struct qr_expr *replace_var(void *arg, const struct qr_expr *expr)
{
    struct vars *v = (struct vars *)arg;
    if (expr->kind != QR_EXPR_VAR || v->status != QR_OK)
        return NULL;
    for (size_t i = 0; i < v->count; i++)
        if (qri_leaf_of(v->seen[i])->slot == expr->u.index)
            return v->seen[i];
    struct qri_leaf *leaf = QRI_NEW(v->c, struct qri_leaf);
    v->seen = (const struct qr_expr **)qr_arena_grow(v->c->arena, v->seen, v->count, &v->capacity,
                                                     v->count + 1, sizeof(*v->seen));
    if (leaf == NULL || v->seen == NULL) {
        v->status = qri_nomem(v->c);
        return NULL;
    }
    leaf->kind = QRI_LEAF_VAR;
    leaf->slot = expr->u.index;
    struct qr_expr_foreign shape = {.type = expr->type,
                                    .label = (enum qr_collation_label)expr->label,
                                    .nullable = expr->nullable};
    v->status = qri_leaf(v->c, leaf, &shape, &v->seen[v->count]);
    return v->status == QR_OK ? v->seen[v->count++] : NULL;
}

struct groups {
    struct qri_emit *em;
    enum qr_status status;
};

/* What a grouping set is of, or is not, becomes a leaf as a whole, so that it is NULL as a whole.
 */
static const struct qr_expr *replace_group(void *arg, const struct qr_expr *expr)
{
    struct groups *g = (struct groups *)arg;
    struct qri_compile *c = g->em->c;
    size_t operands = 0;
    int group = g->status == QR_OK && expr->kind != QR_EXPR_FOREIGN
                    ? qri_group_of(g->em, expr, &operands)
                    : QRI_NO_GROUP;
    if (group == QRI_NO_GROUP)
        return NULL;
    const struct qr_expr *now = NULL;
    if (operands > 0) {
        g->status = qri_chain_of(c, expr, g->em->grouping->group[group], operands, &now);
        if (g->status == QR_OK)
            g->status = qr_expr_rewrite(c->arena, now, replace_group, g, &now, c->err);
        return now;
    }
    struct qri_leaf *leaf = QRI_NEW(c, struct qri_leaf);
    if (leaf == NULL) {
        g->status = qri_nomem(c);
        return NULL;
    }
    leaf->kind = QRI_LEAF_GROUP;
    leaf->left = expr;
    struct qr_expr_foreign shape = {
        .type = expr->type, .label = (enum qr_collation_label)expr->label, .nullable = true};
    g->status = qri_leaf(c, leaf, &shape, &now);
    return now;
}

static enum qr_status make_program(struct qri_emit *em, const struct qr_expr *expr,
                                   struct qr_expr_program *ret_cut,
                                   struct qr_plan_program **ret_program)
{
    struct qri_compile *c = em->c;
    struct vars vars = {.c = c};
    struct groups groups = {.em = em};
    struct qr_plan_program *program = QRI_NEW(c, struct qr_plan_program);
    if (program == NULL)
        return qri_nomem(c);
    if (em->set != NULL)
        QR_TRY(qr_expr_rewrite(c->arena, expr, replace_group, &groups, &expr, c->err));
    QR_TRY(groups.status);
    if (expr->has_var)
        QR_TRY(qr_expr_rewrite(c->arena, expr, replace_var, &vars, &expr, c->err));
    QR_TRY(vars.status);
    QR_TRY(qr_expr_program(c->arena, expr, ret_cut, c->err));
    struct qr_type *types = QRI_ARRAY(c, ret_cut->leaf_count + 1, struct qr_type);
    if (types == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < ret_cut->leaf_count; i++)
        types[i] = ret_cut->leaves[i]->type;
    program->expr = ret_cut->expr;
    program->input_types = types;
    program->input_count = ret_cut->leaf_count;
    *ret_program = program;
    return QR_OK;
}

enum qr_status qri_emit_program(struct qri_emit *em, struct qr_buf *out, const struct qr_expr *expr)
{
    enum { LEAVES_MAX = 126 }; /* SQLite: 127 arguments */
    struct qr_expr_program cut;
    struct qr_plan_param param = {.kind = QR_PARAM_PROGRAM, .type = expr->type};
    struct qr_plan_program *program = NULL;
    QR_TRY(make_program(em, expr, &cut, &program));
    if (cut.leaf_count > LEAVES_MAX)
        return qr_sql_fail(em->c->err, 8631);
    param.program = program;
    qr_buf_addz(out, expr->volatility == QR_VOLATILE ? "qv(" : "qx(");
    QR_TRY(qri_emit_param(em, out, &param));
    unsigned depth = em->depth;
    em->depth = 0;
    QR_TRY(qri_emit_enter(em, QRI_LEVEL_CALL));
    for (size_t i = 0; i < cut.leaf_count; i++) {
        qr_buf_addz(out, ", ");
        QR_TRY(qri_emit_expr(em, out, cut.leaves[i]));
    }
    qri_emit_leave(em, QRI_LEVEL_CALL);
    em->depth = depth;
    qr_buf_addz(out, ")");
    return QR_OK;
}
