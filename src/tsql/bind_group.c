/* bind_group.c - GROUP BY, grouping sets, and what may stand beside them; see bind_int.h */
#include "bind_int.h"

#include "base/banned.h"

enum { SETS_MAX = 512, GROUP_EXPRS_MAX = 32 };

/* A set is a bit mask over the block's group expressions. */
struct sets {
    uint32_t *items;
    size_t count;
};

static enum qr_status sets_alloc(struct qri_compile *c, size_t count, struct sets *sets)
{
    if (count > SETS_MAX)
        return qr_sql_fail(c->err, 10703, SETS_MAX);
    sets->items = QRI_ARRAY(c, count + 1, uint32_t);
    sets->count = count;
    return sets->items == NULL ? qri_nomem(c) : QR_OK;
}

static bool has_own_column(void *arg, const struct qr_expr *expr)
{
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    const struct qri_scope *scope = (const struct qri_scope *)arg;
    return leaf == NULL || leaf->kind != QRI_LEAF_COLUMN || leaf->source->scope != scope;
}

static enum qr_status group_expr(struct qri_compile *c, struct qri_query *query,
                                 const struct qr_ast_expr *ast, uint32_t *ret_bit)
{
    const struct qr_expr *expr = NULL;
    uint32_t expanded = c->expanded;
    QR_TRY(qri_expr(c, ast, &expr));
    if (c->expanded == expanded && qr_expr_walk(expr, has_own_column, query->scope))
        return qr_sql_fail(c->err, 164);
    QR_TRY(qri_sortable(c, &expr->type));
    for (size_t i = 0; i < query->group_count; i++)
        if (qr_expr_equal(query->group[i], expr)) {
            *ret_bit = i < 32 ? 1u << i : 0;
            return QR_OK;
        }
    size_t capacity = query->group_count;
    query->group = (const struct qr_expr **)qr_arena_grow(
        c->arena, query->group, query->group_count, &capacity, query->group_count + 1,
        sizeof(const struct qr_expr *));
    if (query->group == NULL)
        return qri_nomem(c);
    *ret_bit = query->group_count < 32 ? 1u << query->group_count : 0;
    query->group[query->group_count++] = expr;
    return QR_OK;
}

static enum qr_status group_mask(struct qri_compile *c, struct qri_query *query,
                                 const struct qr_ast_exprs *exprs, uint32_t *ret_mask)
{
    uint32_t mask = 0, bit = 0;
    for (size_t i = 0; i < exprs->count; i++) {
        QR_TRY(group_expr(c, query, exprs->items[i], &bit));
        mask |= bit;
    }
    *ret_mask = mask;
    return QR_OK;
}

static enum qr_status product(struct qri_compile *c, const struct sets *a, const struct sets *b,
                              struct sets *ret_sets)
{
    struct sets out = {0};
    QR_TRY(sets_alloc(c, a->count * b->count, &out));
    for (size_t i = 0; i < a->count; i++)
        for (size_t k = 0; k < b->count; k++)
            out.items[i * b->count + k] = a->items[i] | b->items[k];
    *ret_sets = out;
    return QR_OK;
}

static enum qr_status item_sets(struct qri_compile *c, struct qri_query *query,
                                const struct qr_ast_group_item *item, struct sets *ret_sets);

static enum qr_status rollup(struct qri_compile *c, const uint32_t *masks, size_t n,
                             struct sets *ret_sets)
{
    QR_TRY(sets_alloc(c, n + 1, ret_sets));
    for (size_t i = 0; i <= n; i++) {
        uint32_t mask = 0;
        for (size_t k = 0; k < n - i; k++)
            mask |= masks[k];
        ret_sets->items[i] = mask;
    }
    return QR_OK;
}

static enum qr_status cube(struct qri_compile *c, const uint32_t *masks, size_t n,
                           struct sets *ret_sets)
{
    if (n > 9)
        return qr_sql_fail(c->err, 10703, SETS_MAX);
    QR_TRY(sets_alloc(c, (size_t)1 << n, ret_sets));
    for (size_t i = 0; i < ret_sets->count; i++)
        for (size_t k = 0; k < n; k++)
            if ((i & ((size_t)1 << k)) == 0)
                ret_sets->items[i] |= masks[k];
    return QR_OK;
}

/* ROLLUP and CUBE take single expressions and composites: one mask each. */
static enum qr_status sub_masks(struct qri_compile *c, struct qri_query *query,
                                const struct qr_ast_group_item *item, uint32_t **ret_masks)
{
    uint32_t *masks = QRI_ARRAY(c, item->sub_count + 1, uint32_t);
    if (masks == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < item->sub_count; i++)
        QR_TRY(group_mask(c, query, &item->subs[i].exprs, &masks[i]));
    *ret_masks = masks;
    return QR_OK;
}

static enum qr_status union_sets(struct qri_compile *c, struct qri_query *query,
                                 const struct qr_ast_group_item *item, struct sets *ret_sets)
{
    struct sets all = {0};
    QR_TRY(sets_alloc(c, 0, &all));
    for (size_t i = 0; i < item->sub_count; i++) {
        struct sets one = {0}, joined = {0};
        QR_TRY(item_sets(c, query, &item->subs[i], &one));
        QR_TRY(sets_alloc(c, all.count + one.count, &joined));
        memcpy(joined.items, all.items, all.count * sizeof(uint32_t));
        memcpy(joined.items + all.count, one.items, one.count * sizeof(uint32_t));
        all = joined;
    }
    *ret_sets = all;
    return QR_OK;
}

static enum qr_status item_sets(struct qri_compile *c, struct qri_query *query,
                                const struct qr_ast_group_item *item, struct sets *ret_sets)
{
    uint32_t *masks = NULL;
    switch (item->kind) {
    case QR_GROUP_ROLLUP:
        QR_TRY(sub_masks(c, query, item, &masks));
        return rollup(c, masks, item->sub_count, ret_sets);
    case QR_GROUP_CUBE:
        QR_TRY(sub_masks(c, query, item, &masks));
        return cube(c, masks, item->sub_count, ret_sets);
    case QR_GROUP_SETS:
        return union_sets(c, query, item, ret_sets);
    case QR_GROUP_EXPR:
    case QR_GROUP_COMPOSITE:
    default:
        QR_TRY(sets_alloc(c, 1, ret_sets));
        return group_mask(c, query, &item->exprs, &ret_sets->items[0]);
    }
}

static enum qr_status old_style(struct qri_compile *c, const struct qr_ast_group *ast,
                                struct qri_query *query, struct sets *sets)
{
    uint32_t masks[GROUP_EXPRS_MAX];
    size_t n = query->group_count < GROUP_EXPRS_MAX ? query->group_count : GROUP_EXPRS_MAX;
    for (size_t i = 0; i < n; i++)
        masks[i] = 1u << i;
    return ast->with_rollup ? rollup(c, masks, n, sets) : cube(c, masks, n, sets);
}

enum qr_status qri_group_by(struct qri_compile *c, const struct qr_ast_select *ast,
                            struct qri_query *query)
{
    const struct qr_ast_group *group = &ast->group_by;
    struct sets sets;
    bool is_plain = !group->with_rollup && !group->with_cube;
    if (group->count == 0)
        return QR_OK;
    if (group->all && ast->where != NULL) /* groups of which no row is left have NULL and 0 */
        return qr_fail(c->err, QR_UNSUPPORTED, "GROUP BY ALL with WHERE is not supported");
    c->clause = QRI_CLAUSE_GROUP;
    query->is_grouped = true;
    QR_TRY(sets_alloc(c, 1, &sets));
    for (size_t i = 0; i < group->count; i++) {
        struct sets one = {0};
        is_plain = is_plain && group->items[i].kind == QR_GROUP_EXPR;
        QR_TRY(item_sets(c, query, &group->items[i], &one));
        QR_TRY(product(c, &sets, &one, &sets));
    }
    if (group->with_rollup || group->with_cube)
        QR_TRY(old_style(c, group, query, &sets));
    if (is_plain)
        return QR_OK;
    if (query->group_count > GROUP_EXPRS_MAX)
        return qr_sql_fail(c->err, 10706, GROUP_EXPRS_MAX);
    query->sets = QRI_ARRAY(c, sets.count, struct qri_grouping);
    if (query->sets == NULL)
        return qri_nomem(c);
    query->set_count = sets.count;
    for (size_t i = 0; i < sets.count; i++) {
        query->sets[i].in = QRI_ARRAY(c, query->group_count + 1, uint8_t);
        if (query->sets[i].in == NULL)
            return qri_nomem(c);
        for (size_t k = 0; k < query->group_count; k++)
            query->sets[i].in[k] = (sets.items[i] >> k & 1) != 0;
    }
    return QR_OK;
}

/* --- 8120: columns that are neither grouped nor aggregated --- */

struct check {
    struct qri_compile *c;
    const struct qri_query *query;
    int number;
};

static enum qr_status check_expr(struct check *k, const struct qr_expr *expr);

static enum qr_status check_window(struct check *k, const struct qri_leaf *leaf)
{
    for (size_t i = 0; i < leaf->agg->arg_count; i++)
        QR_TRY(check_expr(k, leaf->agg->args[i]));
    for (size_t i = 0; i < leaf->window->partition_count; i++)
        QR_TRY(check_expr(k, leaf->window->partition[i]));
    for (size_t i = 0; i < leaf->window->order_count; i++)
        QR_TRY(check_expr(k, leaf->window->order[i].expr));
    return QR_OK;
}

static enum qr_status check_leaf(struct check *k, const struct qri_leaf *leaf)
{
    if (leaf->kind == QRI_LEAF_WINDOW)
        return check_window(k, leaf);
    if (leaf->left != NULL)
        return check_expr(k, leaf->left);
    if (leaf->kind != QRI_LEAF_COLUMN || leaf->source->scope != k->query->scope)
        return QR_OK;
    const struct qri_source *source = leaf->source;
    struct qr_str table =
        source->object != NULL && !source->is_aliased ? source->object->name : source->alias;
    const char *prefix = qri_text_z(k->c, table);
    if (source->object != NULL && !source->is_aliased && source->is_qualified)
        prefix = qr_arena_printf(k->c->arena, "%.*s.%s", (int)source->schema.n, source->schema.p,
                                 prefix);
    return qr_sql_fail(k->c->err, k->number, prefix,
                       qri_text_z(k->c, source->columns[leaf->column].name));
}

size_t qri_group_operands(const struct qr_expr *group, const struct qr_expr *expr)
{
    bool are_chains = group->kind == QR_EXPR_ARITH && expr->kind == QR_EXPR_ARITH &&
                      group->u.arith.op == QR_OP_CONCAT && expr->u.arith.op == QR_OP_CONCAT;
    if (!are_chains || group->arg_count >= expr->arg_count)
        return 0;
    for (size_t i = 0; i < group->arg_count; i++)
        if (!qr_expr_equal(group->args[i], expr->args[i]))
            return 0;
    return group->arg_count;
}

static enum qr_status check_expr(struct check *k, const struct qr_expr *expr)
{
    size_t grouped = 0;
    for (size_t i = 0; i < k->query->group_count; i++) {
        if (qr_expr_equal(k->query->group[i], expr))
            return QR_OK;
        size_t n = qri_group_operands(k->query->group[i], expr);
        grouped = n > grouped ? n : grouped;
    }
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    if (leaf != NULL)
        return check_leaf(k, leaf);
    for (size_t i = grouped; i < expr->arg_count; i++)
        QR_TRY(check_expr(k, expr->args[i]));
    return QR_OK;
}

static bool uses_group(const struct qri_query *query, const struct qr_expr *expr)
{
    for (size_t i = 0; i < query->group_count; i++)
        if (qr_expr_equal(query->group[i], expr) || qri_group_operands(query->group[i], expr) > 0)
            return true;
    for (size_t i = 0; i < expr->arg_count; i++)
        if (uses_group(query, expr->args[i]))
            return true;
    return false;
}

enum qr_status qri_group_check(struct qri_compile *c, struct qri_query *query)
{
    if (!query->is_grouped)
        return QR_OK;
    for (size_t i = 0; query->set_count > 0 && i < query->out_count; i++)
        if (uses_group(query, query->items[i]))
            query->outs[i].nullable = true; /* NULL in the sets it is not part of */
    struct check k = {c, query, 8120};
    for (size_t i = 0; i < query->out_count; i++)
        QR_TRY(check_expr(&k, query->items[i]));
    k.number = 8121;
    if (query->having != NULL)
        QR_TRY(check_expr(&k, query->having));
    k.number = 8127;
    for (size_t i = 0; i < query->order_count; i++)
        if (query->order[i].item == SIZE_MAX)
            QR_TRY(check_expr(&k, query->order[i].expr));
    return QR_OK;
}
