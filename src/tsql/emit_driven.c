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

/* The first of a join whose other side, read before it, is its driver. Whether a table drives shows
 * only once it is looked at itself, so this is for what needs no locks. */
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
            return qri_is_private(driver) &&
                   (at->join == QR_JOIN_INNER || at->join == QR_JOIN_CROSS);
    }
    return false;
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
            !qri_column_of(condition, 1 - i % 2, &other) || other.source == p->source ||
            !has_bytes_of(qri_type_at(&own), qri_type_at(&other)))
            continue;
        bool beside = is_of_block(q, other.source);
        bool left = beside && after_left && stands_left(q, p->source, other.source);
        bool right = beside && !left && goes_after_right(q, p->source, other.source);
        if (!(other.source->is_narrow || qri_shows_private(other.source, other.column)) ||
            (beside && !left && !right))
            continue;
        ret_beside->left |= left;
        ret_beside->right |= right;
        return condition->args[1 - i % 2];
    }
    return NULL;
}

enum qr_status qri_lock_driven(struct qri_compile *c, const struct qri_query *q,
                               struct qri_source *s, struct qri_row_lock *item, bool *ret_found)
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
                                  .mode = s->is_target ? QR_PLAN_LOCK_U : QR_PLAN_LOCK_S,
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
    *ret_found = lock->index != NULL;
    return QR_OK;
}
