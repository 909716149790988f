/* analyze.c - see expr/analyze.h */
#include "expr/analyze.h"
#include "expr_int.h"
#include "base/banned.h"

/* --- walking --- */

bool qr_expr_walk(const struct qr_expr *expr, bool (*visit)(void *arg, const struct qr_expr *expr),
                  void *arg)
{
    if (!visit(arg, expr))
        return false;
    for (size_t i = 0; i < expr->arg_count; i++)
        if (!qr_expr_walk(expr->args[i], visit, arg))
            return false;
    return true;
}

/* --- intervals --- */

static qr_i128 clamp_i128(qr_i128 v)
{
    const qr_i128 limit = (qr_i128)1 << 100;
    return v > limit ? limit : v < -limit ? -limit : v;
}

struct qr_interval qr_int_range(enum qr_type_id id)
{
    static const int64_t low[] = {[QR_TYPE_BIT] = 0,
                                  [QR_TYPE_TINYINT] = 0,
                                  [QR_TYPE_SMALLINT] = INT16_MIN,
                                  [QR_TYPE_INT] = INT32_MIN,
                                  [QR_TYPE_BIGINT] = INT64_MIN};
    static const int64_t high[] = {[QR_TYPE_BIT] = 1,
                                   [QR_TYPE_TINYINT] = UINT8_MAX,
                                   [QR_TYPE_SMALLINT] = INT16_MAX,
                                   [QR_TYPE_INT] = INT32_MAX,
                                   [QR_TYPE_BIGINT] = INT64_MAX};
    assert(id >= QR_TYPE_BIT && id <= QR_TYPE_BIGINT);
    return (struct qr_interval){low[id], high[id]};
}

static struct qr_interval around(struct qr_interval a, qr_i128 v)
{
    v = clamp_i128(v);
    if (v < a.low)
        a.low = v;
    if (v > a.high)
        a.high = v;
    return a;
}

static bool fits_i64(struct qr_interval a)
{
    return a.low >= INT64_MIN && a.high <= INT64_MAX;
}

/* Of + - *, from the operands' intervals, which fit in int64. */
static struct qr_interval combine(enum qr_op op, struct qr_interval a, struct qr_interval b)
{
    struct qr_interval r;
    if (op == QR_OP_ADD)
        return (struct qr_interval){clamp_i128(a.low + b.low), clamp_i128(a.high + b.high)};
    if (op == QR_OP_SUB)
        return (struct qr_interval){clamp_i128(a.low - b.high), clamp_i128(a.high - b.low)};
    if (!fits_i64(a) || !fits_i64(b)) {
        const qr_i128 limit = (qr_i128)1 << 100;
        return (struct qr_interval){-limit, limit};
    }
    r.low = r.high = clamp_i128(a.low * b.low);
    r = around(r, a.low * b.high);
    r = around(r, a.high * b.low);
    return around(r, a.high * b.high);
}

static bool choice_interval(const struct qr_expr *e, struct qr_interval *ret)
{
    bool any = false;
    for (size_t i = 0; i < e->arg_count; i++) {
        bool is_when = e->kind == QR_EXPR_CASE && i % 2 == 0 && i + 1 < e->arg_count;
        struct qr_interval one;
        if (is_when || (e->kind == QR_EXPR_CHOOSE && i == 0) ||
            (e->kind == QR_EXPR_NULLIF && i > 0))
            continue;
        if (qri_is_const(e->args[i]) && qr_value_is_null(&e->args[i]->u.value))
            continue;
        if (!qr_expr_interval(e->args[i], &one))
            return false;
        *ret = any ? around(around(*ret, one.low), one.high) : one;
        any = true;
    }
    return any;
}

static bool arith_interval(const struct qr_expr *e, struct qr_interval *ret)
{
    struct qr_interval a, b = {0, 0};
    if (!qr_expr_interval(e->args[0], &a))
        return false;
    if (e->arg_count == 2 && !qr_expr_interval(e->args[1], &b))
        return false;
    switch (e->u.arith.op) {
    case QR_OP_ADD:
    case QR_OP_SUB:
    case QR_OP_MUL:
        *ret = combine(e->u.arith.op, a, b);
        return true;
    case QR_OP_NEG:
        *ret = (struct qr_interval){clamp_i128(-a.high), clamp_i128(-a.low)};
        return true;
    case QR_OP_DIV:
        if (b.low == b.high && b.low != 0) {
            *ret = around((struct qr_interval){a.low / b.low, a.low / b.low}, a.high / b.low);
            return true;
        } /* no further from zero than the dividend, either sign */
        *ret = around(around(a, -a.low), -a.high);
        *ret = around(*ret, 0);
        return true;
    case QR_OP_MOD:
        *ret = around(a, 0);
        return true;
    case QR_OP_BIT_AND:
    case QR_OP_BIT_OR:
    case QR_OP_BIT_XOR:
    case QR_OP_SHIFT_LEFT:
    case QR_OP_SHIFT_RIGHT:
    case QR_OP_BIT_NOT:
    case QR_OP_CONCAT:
    case QR_OP_COUNT:
        break;
    }
    *ret = qr_int_range(e->type.id);
    return true;
}

bool qr_expr_interval(const struct qr_expr *expr, struct qr_interval *ret_interval)
{
    if (qr_type_family(&expr->type) != QR_FAMILY_INT)
        return false;
    if (expr->kind == QR_EXPR_CONST && expr->u.value.cell == QR_CELL_INT) {
        *ret_interval = (struct qr_interval){expr->u.value.i, expr->u.value.i};
        return true;
    }
    if (expr->kind == QR_EXPR_ARITH)
        return arith_interval(expr, ret_interval);
    bool choice = expr->kind == QR_EXPR_CASE || expr->kind == QR_EXPR_COALESCE ||
                  expr->kind == QR_EXPR_NULLIF || expr->kind == QR_EXPR_CHOOSE;
    if (choice && choice_interval(expr, ret_interval))
        return true;
    bool widening = expr->kind == QR_EXPR_CAST && qr_expr_native(expr) == QR_NATIVE_YES;
    if (widening && qr_expr_interval(expr->args[0], ret_interval))
        return true;
    *ret_interval = qr_int_range(expr->type.id);
    return true;
}

/* --- what SQLite computes by itself --- */

static bool divisor_is_safe(const struct qr_expr *e)
{
    return qri_is_const(e) && e->u.value.cell == QR_CELL_INT && e->u.value.i != 0 &&
           e->u.value.i != -1;
}

static enum qr_native native_arith(const struct qr_expr *e)
{
    struct qr_interval all, part, range;
    if (qri_number_of(&e->type) != QRI_INT)
        return QR_NATIVE_NO;
    enum qr_op op = e->u.arith.op;
    if (op == QR_OP_BIT_AND || op == QR_OP_BIT_OR)
        return QR_NATIVE_YES; /* both operands sign-extended: so is the result */
    bool known = op == QR_OP_ADD || op == QR_OP_SUB || op == QR_OP_MUL || op == QR_OP_NEG ||
                 ((op == QR_OP_DIV || op == QR_OP_MOD) && divisor_is_safe(e->args[1]));
    if (!known || !qr_expr_interval(e, &all) || !fits_i64(all))
        return QR_NATIVE_NO;
    for (size_t i = 0; i < e->arg_count; i++)
        if (!qr_expr_interval(e->args[i], &part) || !fits_i64(part))
            return QR_NATIVE_NO;
    range = qr_int_range(e->type.id);
    return all.low >= range.low && all.high <= range.high ? QR_NATIVE_YES : QR_NATIVE_RANGE;
}

/* A CAST that keeps the stored bytes. */
static bool keeps_stored_form(const struct qr_expr *e)
{
    const struct qr_type *from = &e->args[0]->type, *to = &e->type;
    if (e->u.cast.flags & (QR_CAST_PARSE | QR_CAST_ASSIGN) || e->u.cast.converter == NULL)
        return false;
    if (qri_number_of(from) == QRI_INT && qri_number_of(to) == QRI_INT) {
        struct qr_interval range = qr_int_range(to->id), value = qr_int_range(from->id);
        return value.low >= range.low && value.high <= range.high;
    }
    if (qr_type_is_fixed(from) || qr_type_is_fixed(to))
        return false;
    return e->u.cast.converter->fn == NULL && qr_type_cell(from) == qr_type_cell(to) &&
           qri_same_form(from, to);
}

static bool orders_natively(const struct qr_type *t)
{
    return qr_type_is_comparable(t) && qr_type_family(t) != QR_FAMILY_BINARY;
}

enum qr_native qr_expr_native(const struct qr_expr *expr)
{
    switch (expr->kind) {
    case QR_EXPR_CONST:
    case QR_EXPR_INPUT:
    case QR_EXPR_VAR:
    case QR_EXPR_FOREIGN:
    case QR_EXPR_COLLATE:
    case QR_EXPR_CASE:
    case QR_EXPR_COALESCE:
    case QR_EXPR_AND:
    case QR_EXPR_OR:
    case QR_EXPR_NOT:
    case QR_EXPR_IS_NULL:
        return QR_NATIVE_YES;
    case QR_EXPR_CMP:
    case QR_EXPR_IS_DISTINCT:
    case QR_EXPR_IN:
    case QR_EXPR_NULLIF:
        return orders_natively(&expr->args[0]->type) ? QR_NATIVE_YES : QR_NATIVE_NO;
    case QR_EXPR_CAST:
        return keeps_stored_form(expr) ? QR_NATIVE_YES : QR_NATIVE_NO;
    case QR_EXPR_ARITH:
        return native_arith(expr);
    case QR_EXPR_CALL:
    case QR_EXPR_UDF:
    case QR_EXPR_CHOOSE:
    case QR_EXPR_LIKE:
        break;
    }
    return QR_NATIVE_NO;
}

bool qr_expr_is_hoistable(const struct qr_expr *expr)
{
    return !expr->has_foreign && !expr->has_input && expr->volatility <= QR_STABLE;
}

/* --- rebuilding --- */

static enum qr_status rebuild(struct qr_arena *arena, const struct qr_expr *expr,
                              const struct qr_expr **args, const struct qr_expr **ret_expr,
                              struct qr_err *err)
{
    struct qr_expr *copy = qr_arena_alloc(arena, sizeof *copy);
    if (copy == NULL)
        return qri_expr_nomem(err);
    *copy = *expr;
    copy->args = args;
    copy->has_foreign = copy->has_input = copy->has_var = false;
    for (size_t i = 0; i < expr->arg_count; i++) {
        copy->has_foreign = copy->has_foreign || args[i]->has_foreign;
        copy->has_input = copy->has_input || args[i]->has_input;
        copy->has_var = copy->has_var || args[i]->has_var;
    }
    *ret_expr = copy;
    return QR_OK;
}

enum qr_status qr_expr_rewrite(struct qr_arena *arena, const struct qr_expr *expr,
                               const struct qr_expr *(*replace)(void *arg,
                                                                const struct qr_expr *expr),
                               void *arg, const struct qr_expr **ret_expr, struct qr_err *err)
{
    const struct qr_expr *other = replace(arg, expr);
    if (other != NULL || expr->arg_count == 0) {
        *ret_expr = other != NULL ? other : expr;
        return QR_OK;
    }
    const struct qr_expr **args = qr_arena_array(arena, expr->arg_count, sizeof *args);
    if (args == NULL)
        return qri_expr_nomem(err);
    bool changed = false;
    for (size_t i = 0; i < expr->arg_count; i++) {
        QR_TRY(qr_expr_rewrite(arena, expr->args[i], replace, arg, &args[i], err));
        changed = changed || args[i] != expr->args[i];
    }
    if (!changed) {
        *ret_expr = expr;
        return QR_OK;
    }
    return rebuild(arena, expr, args, ret_expr, err);
}

struct cutter {
    struct qr_arena *arena;
    const struct qr_expr **leaves, **inputs;
    size_t count, capacity, inputs_capacity;
    bool failed;
};

static const struct qr_expr *add_leaf(struct cutter *c, const struct qr_expr *leaf)
{
    struct qr_expr *input = qr_arena_alloc(c->arena, sizeof *input);
    c->leaves =
        qr_arena_grow(c->arena, c->leaves, c->count, &c->capacity, c->count + 1, sizeof *c->leaves);
    c->inputs = qr_arena_grow(c->arena, c->inputs, c->count, &c->inputs_capacity, c->count + 1,
                              sizeof *c->inputs);
    if (input == NULL || c->leaves == NULL || c->inputs == NULL) {
        c->failed = true;
        return NULL;
    }
    *input = *leaf;
    input->kind = QR_EXPR_INPUT;
    input->has_foreign = false;
    input->has_input = true;
    input->u.index = (uint32_t)c->count;
    c->leaves[c->count] = leaf;
    c->inputs[c->count++] = input;
    return input;
}

static const struct qr_expr *cut_leaf(void *arg, const struct qr_expr *expr)
{
    struct cutter *c = arg;
    if (!expr->has_foreign)
        return expr; /* nothing to find below */
    if (expr->kind != QR_EXPR_FOREIGN || c->failed)
        return NULL;
    for (size_t i = 0; i < c->count; i++)
        if (c->leaves[i]->u.ref == expr->u.ref)
            return c->inputs[i];
    return add_leaf(c, expr);
}

enum qr_status qr_expr_program(struct qr_arena *arena, const struct qr_expr *expr,
                               struct qr_expr_program *ret_program, struct qr_err *err)
{
    struct cutter c = {.arena = arena};
    const struct qr_expr *cut;
    QR_TRY(qr_expr_rewrite(arena, expr, cut_leaf, &c, &cut, err));
    if (c.failed)
        return qri_expr_nomem(err);
    *ret_program = (struct qr_expr_program){cut, c.leaves, c.count};
    return QR_OK;
}

/* --- equality --- */

static bool same_value(const struct qr_value *a, const struct qr_value *b)
{
    if (a->cell != b->cell)
        return false;
    switch (a->cell) {
    case QR_CELL_NULL:
        return true;
    case QR_CELL_INT:
        return a->i == b->i;
    case QR_CELL_REAL:
        return a->r == b->r;
    case QR_CELL_TEXT:
    case QR_CELL_BLOB:
        return qr_str_eq(qr_value_bytes(a), qr_value_bytes(b));
    case QR_CELL_WIDE:
        return a->w == b->w;
    }
    return false;
}

static bool same_node(const struct qr_expr *a, const struct qr_expr *b)
{
    switch (a->kind) {
    case QR_EXPR_CONST:
        return same_value(&a->u.value, &b->u.value);
    case QR_EXPR_INPUT:
    case QR_EXPR_VAR:
        return a->u.index == b->u.index;
    case QR_EXPR_CALL:
        return a->u.func == b->u.func;
    case QR_EXPR_UDF:
    case QR_EXPR_FOREIGN:
        return a->u.ref == b->u.ref;
    case QR_EXPR_ARITH:
        return a->u.arith.op == b->u.arith.op;
    case QR_EXPR_CMP:
        return a->u.cmp == b->u.cmp;
    case QR_EXPR_IS_NULL:
    case QR_EXPR_IS_DISTINCT:
    case QR_EXPR_LIKE:
    case QR_EXPR_IN:
        return a->u.negated == b->u.negated;
    case QR_EXPR_CAST:
        return a->u.cast.flags == b->u.cast.flags;
    case QR_EXPR_COLLATE:
    case QR_EXPR_CASE:
    case QR_EXPR_COALESCE:
    case QR_EXPR_NULLIF:
    case QR_EXPR_CHOOSE:
    case QR_EXPR_AND:
    case QR_EXPR_OR:
    case QR_EXPR_NOT:
        return true;
    }
    return false;
}

bool qr_expr_equal(const struct qr_expr *a, const struct qr_expr *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind || a->arg_count != b->arg_count || !qr_type_eq(&a->type, &b->type) ||
        !same_node(a, b))
        return false;
    for (size_t i = 0; i < a->arg_count; i++)
        if (!qr_expr_equal(a->args[i], b->args[i]))
            return false;
    return true;
}
