/* emit_driven.c - keys of an index that the rows of another table name, its driver, which SQLite is
 * made to read before it; see emit_lock.c for how they are locked. */
#include "emit_key_int.h"

#include "base/banned.h"

static bool is_in(const struct qri_source *tree, const struct qri_source *s)
{
    if (tree == s)
        return true;
    if (tree->kind == QRI_SOURCE_JOIN)
        return is_in(tree->left, s) || is_in(tree->right, s);
    return tree->kind == QRI_SOURCE_EXPAND && tree->left != NULL && is_in(tree->left, s);
}

/* Joins that keep the order in which SQLite reads their tables as it is written, or leave it open.
 */
static bool is_simple(const struct qri_source *tree)
{
    if (tree->kind != QRI_SOURCE_JOIN)
        return tree->kind != QRI_SOURCE_EXPAND;
    return (tree->join == QR_JOIN_INNER || tree->join == QR_JOIN_CROSS ||
            tree->join == QR_JOIN_LEFT) &&
           is_simple(tree->left) && is_simple(tree->right);
}

/* Does the condition ask nothing of the source's rows? A LEFT JOIN stays one then. */
static bool spares(void *arg, const struct qr_expr *expr)
{
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    return leaf == NULL || (leaf->kind == QRI_LEAF_COLUMN && leaf->source != arg);
}

/* SQLite makes an inner join of a LEFT JOIN whose empty rows WHERE would drop. That of MERGE, "CASE
 * ... END IS NOT NULL", tells it nothing. */
static bool stays_left(const struct qri_query *q, struct qri_source *s)
{
    return q->is_merge || (q->is_top && (q->where == NULL || qr_expr_walk(q->where, spares, s)));
}

/* What stands left of the source is read before it, or can be made so. */
static bool goes_after_left(const struct qri_query *q, struct qri_source *s)
{
    for (size_t i = 0; i < q->from_count; i++) {
        if (!is_simple(q->from[i]))
            return false;
        if (q->from[i] == s)
            return i > 0;
        for (const struct qri_source *at = q->from[i]; at->kind == QRI_SOURCE_JOIN; at = at->left)
            if (at->right == s)
                return at->join != QR_JOIN_LEFT ||
                       (at == q->from[0] && q->from_count == 1 && stays_left(q, s));
    }
    return false;
}

static bool stands_left(const struct qri_query *q, const struct qri_source *s,
                        const struct qri_source *driver)
{
    for (size_t i = 0; i < q->from_count; i++) {
        if (!is_in(q->from[i], s)) {
            if (is_in(q->from[i], driver))
                return true;
            continue;
        }
        for (const struct qri_source *at = q->from[i]; at->kind == QRI_SOURCE_JOIN; at = at->left)
            if (at->right == s)
                return is_in(at->left, driver);
        return false;
    }
    return false;
}

static bool reads_no_tables(const struct qri_query *q);

/* Its rows are in no permanent table, or in none that is named there: nobody else changes them. */
static bool has_no_tables(const struct qri_source *s)
{
    switch (s->kind) {
    case QRI_SOURCE_TABLE:
        return s->is_temp;
    case QRI_SOURCE_QUERY:
        return reads_no_tables(s->query);
    case QRI_SOURCE_JOIN:
        return has_no_tables(s->left) && has_no_tables(s->right);
    case QRI_SOURCE_EXPAND:
        return s->left == NULL || has_no_tables(s->left);
    case QRI_SOURCE_ROWS:
    case QRI_SOURCE_RECURSE:
    case QRI_SOURCE_PSEUDO:
    case QRI_SOURCE_COUNTER:
        return true;
    }
    return false;
}

static bool reads_no_tables(const struct qri_query *q)
{
    for (size_t i = 0; i < q->from_count; i++)
        if (!has_no_tables(q->from[i]))
            return false;
    for (size_t i = 0; i < q->branch_count; i++)
        if (!reads_no_tables(q->branches[i]))
            return false;
    return true;
}

/* Are the keys that its rows name worth asking for, one by one? Those of a table of a join that is
 * locked whole are not, but for the rows that a statement changes: SQLite may read them in any
 * order. A subquery is asked for each row around it anyway. */
static bool drives(const struct qri_source *driver, const struct qri_source *s, bool beside)
{
    return s->is_target || !beside || driver->is_narrow || has_no_tables(driver);
}

/* The first of a join whose other side, read before it, is its driver. Whether a table is narrow
 * shows only once it is looked at itself, so this is for what needs no locks, and for targets. */
static bool goes_after_right(const struct qri_query *q, const struct qri_source *s,
                             const struct qri_source *driver)
{
    for (size_t i = 0; i < q->from_count; i++) {
        const struct qri_source *at = q->from[i];
        if (!is_simple(at))
            continue;
        while (at->kind == QRI_SOURCE_JOIN && at->left->kind == QRI_SOURCE_JOIN)
            at = at->left;
        if (at->kind == QRI_SOURCE_JOIN && at->left == s && at->right == driver)
            return (s->is_target || has_no_tables(driver)) &&
                   (at->join == QR_JOIN_INNER || at->join == QR_JOIN_CROSS);
    }
    return false;
}

/* Is the other read after this one, which it would drive? */
static bool comes_after(const struct qri_query *q, const struct qri_source *s,
                        const struct qri_source *other)
{
    return other->is_after_right && goes_after_right(q, other, s);
}

static bool is_of_block(const struct qri_query *q, const struct qri_source *s)
{
    for (size_t i = 0; i < q->from_count; i++)
        if (is_in(q->from[i], s))
            return true;
    return false;
}

/* Its values are bytes of the index's keys as they are. */
static bool has_bytes_of(const struct qr_type *column, const struct qr_type *other)
{
    return qri_compare_alike(column, other) &&
           (qr_type_is_string(column) || qr_type_family(column) == QR_FAMILY_INT ||
            qr_type_eq(column, other));
}

/* Where the driver stands that is read before the table. */
struct beside {
    bool left, right;
};

/* The column that stands on this side, of whatever has rows. */
static bool any_column_of(const struct qr_expr *condition, size_t side, struct qri_place *ret_place)
{
    const struct qri_leaf *leaf = qri_leaf_of(condition->args[side]);
    if (leaf == NULL || leaf->kind != QRI_LEAF_COLUMN ||
        (leaf->source->kind != QRI_SOURCE_TABLE && leaf->source->kind != QRI_SOURCE_ROWS &&
         leaf->source->kind != QRI_SOURCE_QUERY))
        return false;
    *ret_place = (struct qri_place){leaf->source, leaf->column};
    return true;
}

/* A driver's column that the index's has to be equal to; NULL: none. */
static const struct qr_expr *driver_of(const struct qri_point *p, const struct qri_query *q,
                                       uint32_t column_id, struct beside *ret_beside)
{
    bool after_left = goes_after_left(q, p->source);
    for (size_t i = 0; i < 2 * p->condition_count; i++) {
        const struct qr_expr *condition = p->conditions[i / 2];
        struct qri_place own, other;
        if (condition->kind != QR_EXPR_CMP || condition->u.cmp != QR_CMP_EQ ||
            !qri_column_of(condition, i % 2, &own) || own.source != p->source ||
            own.source->columns[own.column].column_id != column_id ||
            !any_column_of(condition, 1 - i % 2, &other) || other.source == p->source ||
            !has_bytes_of(qri_type_at(&own), qri_type_at(&other)))
            continue;
        bool beside = is_of_block(q, other.source);
        bool left = beside && after_left && stands_left(q, p->source, other.source);
        bool right = beside && !left && goes_after_right(q, p->source, other.source);
        if (!drives(other.source, p->source, beside) || (beside && !left && !right) ||
            comes_after(q, p->source, other.source))
            continue;
        ret_beside->left |= left;
        ret_beside->right |= right;
        return condition->args[1 - i % 2];
    }
    return NULL;
}

/* The query whose values an index's first column has to be among; NULL: none. */
static struct qri_query *query_of(const struct qri_point *p, const struct qri_query *q,
                                  const struct qr_cat_index *index)
{
    for (size_t i = 0; i < q->from_count; i++)
        if (!is_simple(q->from[i]))
            return NULL;
    for (size_t i = 0; i < p->in_count && !q->is_correlated; i++) {
        struct qri_query *in = p->ins[i]->query;
        const struct qri_leaf *left = qri_leaf_of(p->ins[i]->left);
        if (in->is_correlated || left == NULL || left->kind != QRI_LEAF_COLUMN ||
            left->source != p->source)
            continue;
        const struct qri_column *column = &p->source->columns[left->column];
        if (column->column_id == index->columns[0].column_id &&
            has_bytes_of(&column->type, &in->outs[0].type))
            return in;
    }
    return NULL;
}

/* Where no driver names keys. */
static void lock_among(const struct qri_point *p, const struct qri_query *q,
                       struct qr_plan_lock *lock, struct qr_type *types, struct qri_row_lock *item)
{
    const struct qr_cat_object *table = p->source->object;
    for (size_t i = 0; i < table->index_count && lock->index == NULL; i++) {
        if (qr_cat_range_columns(table, &table->indexes[i]) == 0)
            continue;
        item->in = query_of(p, q, &table->indexes[i]);
        if (item->in == NULL)
            continue;
        item->in->is_driver = true;
        lock->index = &table->indexes[i];
        lock->key_count = 1;
        types[0] = item->in->outs[0].type;
    }
}

enum qr_status qri_lock_driven(struct qri_compile *c, const struct qri_query *q,
                               struct qri_source *s, enum qr_plan_lock_mode mode,
                               struct qri_row_lock *item, bool *ret_found)
{
    const struct qr_cat_object *table = s->object;
    struct qr_plan_lock *lock = QRI_NEW(c, struct qr_plan_lock);
    const struct qr_expr **keys = QRI_ARRAY(c, QRI_POINT_COLUMNS_MAX, const struct qr_expr *);
    struct qr_type *types = QRI_ARRAY(c, QRI_POINT_COLUMNS_MAX, struct qr_type);
    struct qri_point p = {.c = c, .source = s};
    *ret_found = false;
    if (lock == NULL || keys == NULL || types == NULL)
        return qri_nomem(c);
    qri_point_add(&p, q->where);
    for (size_t i = 0; i < q->from_count; i++)
        (void)qri_point_add_joins(&p, q->from[i]);
    *lock = (struct qr_plan_lock){.table = table,
                                  .mode = mode,
                                  .no_wait = (s->hints & QRI_HINT_NOWAIT) != 0,
                                  .key_types = types};
    for (size_t i = 0; i < table->index_count; i++) {
        size_t n = 0, count = qr_cat_range_columns(table, &table->indexes[i]);
        struct beside beside = {0};
        while (n < count && n < QRI_POINT_COLUMNS_MAX &&
               driver_of(&p, q, table->indexes[i].columns[n].column_id, &beside) != NULL)
            n++;
        if (n <= lock->key_count)
            continue;
        lock->index = &table->indexes[i];
        lock->key_count = n;
        s->is_driven = beside.left;
        s->is_after_right = beside.right;
        for (size_t k = 0; k < n; k++) {
            keys[k] = driver_of(&p, q, lock->index->columns[k].column_id, &beside);
            types[k] = keys[k]->type;
        }
    }
    *item = (struct qri_row_lock){.lock = lock, .keys = keys, .key_count = lock->key_count};
    if (lock->index == NULL)
        lock_among(&p, q, lock, types, item);
    *ret_found = lock->index != NULL;
    return QR_OK;
}
