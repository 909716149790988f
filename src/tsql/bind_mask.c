/* bind_mask.c - masked columns in what a statement gives away; see mask_int.h */
#include "mask_int.h"

#include "base/banned.h"

static bool has_column(const struct qr_plan_mask *mask, const struct qr_mask_column *column)
{
    for (size_t i = 0; i < mask->count; i++)
        if (mask->columns[i].table == column->table &&
            mask->columns[i].column_id == column->column_id)
            return true;
    return false;
}

static bool is_same(const struct qr_plan_mask *a, const struct qr_plan_mask *b)
{
    return a == b || (a->count == 1 && b->count == 1 && has_column(a, &b->columns[0]) &&
                      qr_str_eq(a->function, b->function));
}

enum qr_status qri_mask_add(struct qri_compile *c, const struct qr_plan_mask *from,
                            const struct qr_plan_mask **mask)
{
    if (from == NULL || (*mask != NULL && is_same(from, *mask)))
        return QR_OK;
    if (*mask == NULL) {
        *mask = from;
        return QR_OK;
    }
    struct qr_plan_mask *both = QRI_NEW(c, struct qr_plan_mask);
    if (both == NULL)
        return qri_nomem(c);
    both->columns = QRI_ARRAY(c, (*mask)->count + from->count, struct qr_mask_column);
    if (both->columns == NULL)
        return qri_nomem(c);
    memcpy(both->columns, (*mask)->columns, (*mask)->count * sizeof *both->columns);
    both->count = (*mask)->count;
    for (size_t i = 0; i < from->count; i++)
        if (!has_column(both, &from->columns[i]))
            both->columns[both->count++] = from->columns[i];
    *mask = both;
    return QR_OK;
}

/* The same columns, masked by default(). */
static enum qr_status as_default(struct qri_compile *c, const struct qr_plan_mask **mask)
{
    if (*mask == NULL || (*mask)->function.n == 0)
        return QR_OK;
    struct qr_plan_mask *copy = QRI_NEW(c, struct qr_plan_mask);
    if (copy == NULL)
        return qri_nomem(c);
    *copy = **mask;
    copy->function = qr_str("");
    *mask = copy;
    return QR_OK;
}

/* ---- tables ---- */

static enum qr_status mask_of_column(struct qri_compile *c, const struct qr_cat_object *table,
                                     const struct qr_cat_column *column,
                                     const struct qr_plan_mask **ret_mask)
{
    struct qr_plan_mask *mask = QRI_NEW(c, struct qr_plan_mask);
    if (mask == NULL)
        return qri_nomem(c);
    mask->columns = QRI_NEW(c, struct qr_mask_column);
    if (mask->columns == NULL)
        return qri_nomem(c);
    mask->columns[0] = (struct qr_mask_column){.table = table, .column_id = column->column_id};
    mask->count = 1;
    mask->function = column->mask;
    *ret_mask = mask;
    return QR_OK;
}

/* "[name]" stands in the text that the catalog keeps. */
static bool names(struct qr_str text, struct qr_str name)
{
    for (size_t i = 0; i + name.n + 2 <= text.n; i++)
        if (text.p[i] == '[' && text.p[i + name.n + 1] == ']' &&
            qr_str_ieq(qr_str_n(text.p + i + 1, name.n), name))
            return true;
    return false;
}

enum qr_status qri_masks_of_table(struct qri_compile *c, struct qri_source *source)
{
    const struct qr_cat_object *table = source->object;
    bool any = false;
    if (source->is_temp || table->type != QR_CAT_TABLE)
        return QR_OK;
    for (size_t i = 0; i < table->column_count; i++) {
        if (table->columns[i].mask.n == 0)
            continue;
        any = true;
        QR_TRY(mask_of_column(c, table, &table->columns[i], &source->columns[i].mask));
    }
    c->has_masks |= any;
    for (size_t i = 0; any && i < table->column_count; i++) {
        struct qri_column *to = &source->columns[i];
        for (size_t k = 0; table->columns[i].is_computed && k < table->column_count; k++)
            if (names(table->columns[i].computed_text, table->columns[k].name))
                QR_TRY(qri_mask_add(c, source->columns[k].mask, &to->mask));
        if (table->columns[i].is_computed)
            QR_TRY(as_default(c, &to->mask));
    }
    return QR_OK;
}

/* ---- expressions ---- */

struct look {
    struct qri_compile *c;
    const struct qr_plan_mask *mask;
    enum qr_status status;
};

static bool look_at(void *arg, const struct qr_expr *expr);

static void look_into(struct look *l, const struct qr_expr *expr)
{
    if (expr != NULL && l->status == QR_OK)
        (void)qr_expr_walk(expr, look_at, l);
}

static void look_at_leaf(struct look *l, const struct qri_leaf *leaf)
{
    if (leaf->kind == QRI_LEAF_COLUMN && leaf->column < leaf->source->column_count)
        l->status = qri_mask_add(l->c, leaf->source->columns[leaf->column].mask, &l->mask);
    if (leaf->agg != NULL)
        for (size_t i = 0; i < leaf->agg->arg_count; i++)
            look_into(l, leaf->agg->args[i]);
    look_into(l, leaf->left);
    bool gives_values = leaf->kind == QRI_LEAF_SCALAR || leaf->kind == QRI_LEAF_IN ||
                        leaf->kind == QRI_LEAF_QUANTIFIED;
    if (gives_values && l->status == QR_OK)
        l->status = qri_mask_add(l->c, leaf->query->outs[0].mask, &l->mask);
}

/* INPUTs are those of OUTPUT: columns of the target as they were, then as they are. */
static void look_at_input(struct look *l, uint32_t index)
{
    const struct qri_target *t = l->c->output_of;
    if (t == NULL || t->is_temp || index >= 2 * t->object->column_count)
        return;
    const struct qr_cat_column *column = &t->object->columns[index % t->object->column_count];
    const struct qr_plan_mask *mask = NULL;
    if (column->mask.n == 0)
        return;
    l->status = mask_of_column(l->c, t->object, column, &mask);
    if (l->status == QR_OK)
        l->status = qri_mask_add(l->c, mask, &l->mask);
}

static bool look_at(void *arg, const struct qr_expr *expr)
{
    struct look *l = (struct look *)arg;
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    if (leaf != NULL)
        look_at_leaf(l, leaf);
    else if (expr->kind == QR_EXPR_INPUT)
        look_at_input(l, expr->u.index);
    return l->status == QR_OK;
}

enum qr_status qri_mask_of(struct qri_compile *c, const struct qr_expr *expr,
                           const struct qr_plan_mask **ret_mask)
{
    struct look l = {.c = c, .status = QR_OK};
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    *ret_mask = NULL;
    if (!c->has_masks)
        return QR_OK;
    look_into(&l, expr);
    QR_TRY(l.status);
    bool is_bare =
        expr->kind == QR_EXPR_INPUT ||
        (leaf != NULL && (leaf->kind == QRI_LEAF_COLUMN || leaf->kind == QRI_LEAF_SCALAR));
    if (!is_bare)
        QR_TRY(as_default(c, &l.mask));
    *ret_mask = l.mask;
    return QR_OK;
}

/* ---- queries ---- */

enum qr_status qri_masks_of_args(struct qri_compile *c, struct qri_source *source)
{
    const struct qr_plan_mask *all = NULL, *one = NULL;
    for (size_t i = 0; c->has_masks && i < source->arg_count; i++) {
        QR_TRY(qri_mask_of(c, source->args[i], &one));
        QR_TRY(qri_mask_add(c, one, &all));
    }
    QR_TRY(as_default(c, &all));
    for (size_t i = 0; all != NULL && i < source->column_count; i++)
        source->columns[i].mask = all;
    return QR_OK;
}

enum qr_status qri_mask_of_all(struct qri_compile *c, const struct qri_query *query,
                               const struct qr_plan_mask **ret_mask)
{
    *ret_mask = NULL;
    for (size_t i = 0; c->has_masks && i < query->out_count; i++)
        QR_TRY(qri_mask_add(c, query->outs[i].mask, ret_mask));
    return as_default(c, ret_mask);
}

static enum qr_status join_branches(struct qri_compile *c, struct qri_query *query, size_t count)
{
    for (size_t i = 0; c->has_masks && i < query->out_count; i++) {
        const struct qr_plan_mask *mask = NULL;
        for (size_t k = 0; k < count; k++) {
            const struct qr_plan_mask *before = mask, *of = query->branches[k]->outs[i].mask;
            QR_TRY(qri_mask_add(c, of, &mask));
            if (k > 0 && (of == NULL || before == NULL || !is_same(before, of)))
                QR_TRY(as_default(c, &mask)); /* values of others are among them */
        }
        query->outs[i].mask = mask;
    }
    return QR_OK;
}

static struct qri_source *recursing_source(const struct qri_query *branch)
{
    for (size_t i = 0; branch->kind == QRI_QUERY_SELECT && i < branch->scope->count; i++)
        if (branch->scope->items[i]->kind == QRI_SOURCE_RECURSE)
            return branch->scope->items[i];
    return NULL;
}

/* What the query shows goes into the branch again. *ret_any: that shows more now. */
static enum qr_status feed_branch(struct qri_compile *c, const struct qri_query *query,
                                  struct qri_query *branch, bool *ret_any)
{
    struct qri_source *source = recursing_source(branch);
    for (size_t i = 0; source != NULL && i < query->out_count && i < source->column_count; i++)
        source->columns[i].mask = query->outs[i].mask;
    for (size_t i = 0; i < branch->out_count; i++) {
        const struct qr_plan_mask *before = branch->outs[i].mask;
        if (source != NULL)
            QR_TRY(qri_mask_of(c, branch->items[i], &branch->outs[i].mask));
        else
            QR_TRY(qri_mask_of_all(c, query, &branch->outs[i].mask));
        size_t had = before == NULL ? 0 : before->count;
        *ret_any |= branch->outs[i].mask != NULL && branch->outs[i].mask->count > had;
    }
    return QR_OK;
}

enum qr_status qri_masks_of_branches(struct qri_compile *c, struct qri_query *query, size_t count)
{
    bool again = c->has_masks && query->is_recursive && count == query->branch_count;
    QR_TRY(join_branches(c, query, count));
    while (again) { /* each time some column shows one masked column more */
        again = false;
        for (size_t k = query->anchor_count; k < count; k++)
            QR_TRY(feed_branch(c, query, query->branches[k], &again));
        QR_TRY(join_branches(c, query, count));
    }
    return QR_OK;
}

enum qr_status qri_masks_of_rows(struct qri_compile *c, struct qri_query *query)
{
    for (size_t i = 0; c->has_masks && i < query->out_count; i++) {
        const struct qr_plan_mask *mask = NULL, *one = NULL;
        for (size_t r = 0; r < query->row_count; r++) {
            QR_TRY(qri_mask_of(c, query->rows[r][i], &one));
            QR_TRY(qri_mask_add(c, one, &mask));
        }
        if (query->row_count > 1)
            QR_TRY(as_default(c, &mask));
        query->outs[i].mask = mask;
    }
    return QR_OK;
}

static bool is_not_live(void *arg, const struct qr_expr *expr)
{
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    (void)arg;
    return leaf == NULL || leaf->kind != QRI_LEAF_LIVE;
}

enum qr_status qri_masks_of_live(struct qri_compile *c, struct qri_query *query)
{
    const struct qr_plan_mask *all = NULL;
    for (size_t i = 0; c->has_masks && i < query->out_count; i++)
        if (query->assign_names[i].n > 0)
            QR_TRY(qri_mask_add(c, query->outs[i].mask, &all));
    QR_TRY(as_default(c, &all));
    for (size_t i = 0; all != NULL && i < query->out_count; i++)
        if (!qr_expr_walk(query->items[i], is_not_live, NULL))
            query->outs[i].mask = all;
    return QR_OK;
}

/* ---- changes ---- */

static void mask_sets(const struct qri_query *stage, const struct qr_plan_set *sets, size_t count,
                      struct qr_plan_dml *dml)
{
    for (size_t i = 0; i < count; i++)
        if (!sets[i].is_default && sets[i].expr == NULL)
            dml->stage_masks[sets[i].stage_index] = stage->outs[sets[i].stage_index].mask;
}

enum qr_status qri_masks_of_stage(struct qri_compile *c, const struct qri_query *stage,
                                  struct qr_plan_dml *dml)
{
    bool any = false;
    if (!c->has_masks)
        return QR_OK;
    dml->stage_masks = QRI_ARRAY(c, stage->out_count + 1, const struct qr_plan_mask *);
    if (dml->stage_masks == NULL)
        return qri_nomem(c);
    mask_sets(stage, dml->sets, dml->set_count, dml);
    mask_sets(stage, dml->merge_insert_sets, dml->merge_insert_count, dml);
    for (size_t i = 0; i < dml->assign_count; i++)
        dml->stage_masks[dml->assigns[i].column_index] =
            stage->outs[dml->assigns[i].column_index].mask;
    for (size_t i = 0; i < stage->out_count; i++)
        any |= dml->stage_masks[i] != NULL;
    if (!any)
        dml->stage_masks = NULL;
    return QR_OK;
}
