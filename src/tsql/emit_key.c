/* emit_key.c - the keys of an index that a query can look at, as its conditions name them: one key
 * of a unique index, or an interval of any.
 *
 * Conditions with a column on one side and something on the other that is known before the
 * statement runs: constants, variables, a row of VALUES. Columns that have to be equal share what
 * is known of each: WHERE o.id = @id names keys of both o and l in o JOIN l ON l.order_id = o.id.
 * Where nothing else does, the terms of an OR do if each of them does.
 * What SERIALIZABLE locks follows from it.
 */
#include "emit_key_int.h"

#include "expr/func.h"
#include "base/banned.h"

enum { POINT_ROWS_MAX = 100, EQUALS_MAX = 16, OR_TERMS_MAX = 32 };

/* ---- conditions ---- */

void qri_point_add(struct qri_point *p, const struct qr_expr *expr)
{
    if (expr == NULL)
        return;
    for (size_t i = 0; expr->kind == QR_EXPR_AND && i < expr->arg_count; i++)
        qri_point_add(p, expr->args[i]);
    if (expr->kind == QR_EXPR_OR && p->or_count < QRI_POINT_ORS_MAX)
        p->ors[p->or_count++] = expr;
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    if (leaf != NULL && leaf->kind == QRI_LEAF_IN && !leaf->negated &&
        p->in_count < QRI_POINT_INS_MAX)
        p->ins[p->in_count++] = leaf;
    bool compares = expr->kind == QR_EXPR_CMP && expr->u.cmp != QR_CMP_NE;
    bool is_in = expr->kind == QR_EXPR_IN && expr->arg_count > 1;
    if ((compares || is_in) && p->condition_count < QRI_POINT_CONDITIONS_MAX)
        p->conditions[p->condition_count++] = expr;
}

bool qri_point_add_joins(struct qri_point *p, const struct qri_source *s)
{
    if (s == p->source)
        return true;
    if (s->kind == QRI_SOURCE_EXPAND)
        return s->left != NULL && qri_point_add_joins(p, s->left);
    if (s->kind != QRI_SOURCE_JOIN)
        return false;
    bool both = s->join == QR_JOIN_INNER || s->join == QR_JOIN_CROSS;
    if (qri_point_add_joins(p, s->left)) {
        qri_point_add(p, both || s->join == QR_JOIN_RIGHT ? s->on : NULL);
        return true;
    }
    if (!qri_point_add_joins(p, s->right))
        return false;
    qri_point_add(p, both || s->join == QR_JOIN_LEFT ? s->on : NULL);
    return true;
}

/* The conditions that every row of the joins meets. */
static void add_inner_joins(struct qri_point *p, const struct qri_source *s)
{
    if (s->kind != QRI_SOURCE_JOIN || (s->join != QR_JOIN_INNER && s->join != QR_JOIN_CROSS))
        return;
    qri_point_add(p, s->on);
    add_inner_joins(p, s->left);
    add_inner_joins(p, s->right);
}

/* What a subquery finds counts for those rows around it that meet the conditions there. */
static void add_outer_blocks(struct qri_point *p, const struct qri_query *q)
{
    for (const struct qri_scope *s = q->scope == NULL ? NULL : q->scope->outer; s != NULL;
         s = s->outer) {
        if (s->query == NULL || s->query->kind != QRI_QUERY_SELECT)
            continue;
        qri_point_add(p, s->query->where);
        for (size_t i = 0; i < s->query->from_count; i++)
            add_inner_joins(p, s->query->from[i]);
    }
}

/* Only one thing may have several values: two would make all their combinations. */
static bool takes_rows(struct qri_point *p, const void *rows, size_t count)
{
    if (count == 1)
        return true;
    if (count > POINT_ROWS_MAX || (p->rows != NULL && p->rows != rows))
        return false;
    p->rows = rows;
    p->row_count = count;
    return true;
}

/* A column of (SELECT 1 AS a) or (VALUES (1), (2)) stands for what is written there. */
static const struct qr_expr *written_value(void *arg, const struct qr_expr *expr)
{
    struct qri_point *p = (struct qri_point *)arg;
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    const struct qr_expr *ret = NULL;
    if (leaf == NULL || p->status != QR_OK)
        return NULL;
    p->status = QR_NOT_FOUND;
    if (leaf->kind != QRI_LEAF_COLUMN || leaf->source->kind != QRI_SOURCE_QUERY)
        return NULL;
    const struct qri_query *q = leaf->source->query;
    if (leaf->column >= q->out_count)
        return NULL;
    if (q->kind == QRI_QUERY_VALUES && takes_rows(p, q, q->row_count)) {
        ret = q->rows[q->row_count == 1 ? 0 : p->row][leaf->column];
    } else if (q->kind == QRI_QUERY_SELECT && q->from_count == 0 && q->where == NULL &&
               !q->is_grouped && q->for_inner == NULL) {
        ret = q->items[leaf->column];
    }
    if (ret != NULL && !ret->has_foreign)
        p->status = QR_OK;
    return p->status == QR_OK ? ret : NULL;
}

/* Conversion to and from them does not keep the order. */
static bool is_apart(const struct qr_type *type)
{
    return type->id == QR_TYPE_TIME || type->id == QR_TYPE_DATETIMEOFFSET;
}

/* Is `value` compared with the column as the index compares? */
static bool compares_as_index(const struct qr_type *column, const struct qr_expr *value)
{
    if (!qr_type_is_string(column))
        return qr_type_family(column) == qr_type_family(&value->type) &&
               (column->id == value->type.id || (!is_apart(column) && !is_apart(&value->type)));
    return qr_type_is_string(&value->type) &&
           (value->type.collation == column->collation || value->label < QR_LABEL_IMPLICIT);
}

/* Will it be the same in the lock and in the query? GETDATE() would not. */
static bool is_settled(const struct qr_expr *expr)
{
    bool own = expr->kind == QR_EXPR_CALL &&
               (expr->u.func->flags & (QR_FUNC_STABLE | QR_FUNC_VOLATILE | QR_FUNC_HOST)) != 0;
    if (expr->kind == QR_EXPR_UDF || expr->volatility == QR_VOLATILE || own)
        return false;
    for (size_t i = 0; i < expr->arg_count; i++)
        if (!is_settled(expr->args[i]))
            return false;
    return true;
}

/* What the condition compares its `side` with; NULL: it has more values than can be followed. */
static const struct qr_expr *other_side(struct qri_point *p, const struct qr_expr *condition,
                                        size_t side)
{
    if (condition->kind == QR_EXPR_CMP)
        return condition->args[1 - side];
    size_t count = condition->arg_count - 1;
    if (side != 0 || !takes_rows(p, condition, count))
        return NULL;
    return condition->args[count == 1 ? 1 : 1 + p->row];
}

/* ---- columns that have to be equal ---- */

struct equals {
    struct qri_place places[EQUALS_MAX]; /* the first is the index's own column */
    size_t count;
};

bool qri_shows_private(const struct qri_source *s, size_t column)
{
    if (s->kind != QRI_SOURCE_QUERY)
        return qri_is_private(s);
    const struct qri_query *q = s->query;
    if (q->kind != QRI_QUERY_SELECT || q->from_count != 1 || !qri_is_private(q->from[0]) ||
        q->set_count != 0 || q->is_grouped || q->has_window || q->top.amount != NULL ||
        q->offset != NULL || q->fetch != NULL || q->for_inner != NULL || column >= q->out_count)
        return false;
    const struct qri_leaf *leaf = qri_leaf_of(q->items[column]);
    return leaf != NULL && leaf->kind == QRI_LEAF_COLUMN && leaf->source == q->from[0];
}

bool qri_column_of(const struct qr_expr *condition, size_t side, struct qri_place *ret_place)
{
    const struct qri_leaf *leaf = qri_leaf_of(condition->args[side]);
    if (leaf == NULL || leaf->kind != QRI_LEAF_COLUMN ||
        (leaf->source->kind != QRI_SOURCE_TABLE &&
         !qri_shows_private(leaf->source, leaf->column)) ||
        leaf->column >= leaf->source->column_count)
        return false;
    *ret_place = (struct qri_place){leaf->source, leaf->column};
    return true;
}

static bool is_among(const struct equals *equals, const struct qri_place *place)
{
    for (size_t i = 0; i < equals->count; i++)
        if (equals->places[i].source == place->source && equals->places[i].column == place->column)
            return true;
    return false;
}

bool qri_compare_alike(const struct qr_type *a, const struct qr_type *b)
{
    bool is_int = qr_type_family(a) == QR_FAMILY_INT;
    if (qr_type_family(a) != qr_type_family(b))
        return false;
    return qr_type_is_string(a) ? a->collation == b->collation : is_int || a->id == b->id;
}

/* The conditions hold together in every row that counts, so equality goes on from one to the next.
 */
static void find_equals(const struct qri_point *p, uint32_t column_id, struct equals *ret)
{
    size_t own = 0;
    ret->count = 0;
    while (own < p->source->column_count && p->source->columns[own].column_id != column_id)
        own++;
    if (own == p->source->column_count)
        return;
    ret->places[ret->count++] = (struct qri_place){p->source, own};
    for (size_t at = 0; at < ret->count; at++) {
        for (size_t i = 0; i < 2 * p->condition_count && ret->count < EQUALS_MAX; i++) {
            const struct qr_expr *condition = p->conditions[i / 2];
            struct qri_place a, b;
            if (condition->kind != QR_EXPR_CMP || condition->u.cmp != QR_CMP_EQ ||
                !qri_column_of(condition, i % 2, &a) || !qri_column_of(condition, 1 - i % 2, &b) ||
                a.source != ret->places[at].source || a.column != ret->places[at].column ||
                is_among(ret, &b) || !qri_compare_alike(qri_type_at(&a), qri_type_at(&b)))
                continue;
            ret->places[ret->count++] = b;
        }
    }
}

/* Is it the column, or one equal to it, that stands on this side? */
static bool is_column(const struct equals *equals, const struct qr_expr *condition, size_t side,
                      const struct qr_type **ret_type)
{
    struct qri_place place;
    if (!qri_column_of(condition, side, &place) || !is_among(equals, &place))
        return false;
    *ret_type = qri_type_at(&place);
    return true;
}

/* *value without columns; false: it has some, or is compared in another way than the index. */
static enum qr_status settle(struct qri_point *p, const struct qr_type *type,
                             const struct qr_expr **value, bool *ret_settled)
{
    p->status = QR_OK;
    QR_TRY(qr_expr_rewrite(p->c->arena, *value, written_value, p, value, p->c->err));
    *ret_settled = p->status == QR_OK && !(*value)->has_foreign && is_settled(*value) &&
                   compares_as_index(type, *value);
    return QR_OK;
}

static enum qr_status value_of(struct qri_point *p, uint32_t column_id,
                               const struct qr_expr **ret_expr)
{
    struct equals equals;
    find_equals(p, column_id, &equals);
    *ret_expr = NULL;
    for (size_t i = 0; i < 2 * p->condition_count; i++) {
        const struct qr_expr *condition = p->conditions[i / 2];
        const struct qr_type *type = NULL;
        bool equality = condition->kind == QR_EXPR_IN || condition->u.cmp == QR_CMP_EQ;
        if (!equality || !is_column(&equals, condition, i % 2, &type))
            continue;
        const struct qr_expr *value = other_side(p, condition, i % 2);
        bool settled = false;
        if (value != NULL)
            QR_TRY(settle(p, type, &value, &settled));
        if (settled)
            return qr_expr_convert(&p->c->b, *qri_type_at(&equals.places[0]), value, ret_expr);
    }
    return QR_OK;
}

enum qr_status qri_push_prelock(struct qri_compile *c, const struct qr_plan_prelock *prelock)
{
    c->prelocks = (struct qr_plan_prelock *)qr_arena_grow(
        c->arena, c->prelocks, c->prelock_count, &c->prelock_capacity, c->prelock_count + 1,
        sizeof(*c->prelocks));
    if (c->prelocks == NULL)
        return qri_nomem(c);
    c->prelocks[c->prelock_count++] = *prelock;
    return QR_OK;
}

/* One lock of the key, or one for each row of VALUES that it is compared with. */
static enum qr_status lock_index(struct qri_point *p, const struct qr_cat_index *index,
                                 const struct qr_plan_prelock *how, bool *ret_done)
{
    struct qri_compile *c = p->c;
    size_t before = c->prelock_count;
    p->row_count = 1;
    p->rows = NULL;
    for (p->row = 0; p->row < p->row_count; p->row++) {
        struct qr_plan_prelock prelock = *how;
        prelock.index = index;
        prelock.key = QRI_ARRAY(c, index->key_count, const struct qr_expr *);
        if (prelock.key == NULL)
            return qri_nomem(c);
        for (size_t k = 0; k < index->key_count; k++) {
            QR_TRY(value_of(p, index->columns[k].column_id, &prelock.key[k]));
            if (prelock.key[k] == NULL) {
                c->prelock_count = before;
                return QR_OK;
            }
        }
        QR_TRY(qri_push_prelock(c, &prelock));
    }
    *ret_done = true;
    return QR_OK;
}

static enum qr_status lock_point(struct qri_point *p, const struct qr_plan_prelock *how,
                                 bool *ret_done)
{
    const struct qr_cat_object *table = p->source->object;
    for (size_t i = 0; i < table->index_count && !*ret_done; i++) {
        const struct qr_cat_index *index = &table->indexes[i];
        if (index->is_unique && !index->is_disabled && index->filter_text.n == 0 &&
            index->key_count <= QRI_POINT_COLUMNS_MAX)
            QR_TRY(lock_index(p, index, how, ret_done));
    }
    return QR_OK;
}

/* ---- intervals ---- */

/* Is what is above the value still above it when both are of the column's type? Texts are taken as
 * they are: made to fit the column they could change places. */
static bool keeps_order(const struct qr_type *column, const struct qr_expr *value)
{
    if (column->id == QR_TYPE_BIT) /* 5 becomes 1 */
        return value->type.id == QR_TYPE_BIT;
    return !qr_type_is_string(column) || qr_type_family(column) == QR_FAMILY_NCHAR ||
           qr_type_family(&value->type) == QR_FAMILY_CHAR;
}

/* Could other numbers become this one when it is made to fit the column? Then the column's value is
 * on this side of what was written, or on it. */
static bool is_exact(const struct qr_type *column, const struct qr_expr *value)
{
    return qr_type_is_string(column) || qr_type_family(column) == QR_FAMILY_INT ||
           qr_type_eq(column, &value->type);
}

/* The first condition that the column's value has to be above (or below) something. */
static enum qr_status bound_of(struct qri_point *p, uint32_t column_id, bool is_upper,
                               const struct qr_expr **ret_expr, bool *ret_open)
{
    struct equals equals;
    find_equals(p, column_id, &equals);
    for (size_t i = 0; i < 2 * p->condition_count; i++) {
        const struct qr_expr *condition = p->conditions[i / 2];
        const struct qr_type *type = NULL;
        if (condition->kind != QR_EXPR_CMP || condition->u.cmp == QR_CMP_EQ ||
            !is_column(&equals, condition, i % 2, &type))
            continue;
        bool is_less = condition->u.cmp == QR_CMP_LT || condition->u.cmp == QR_CMP_LE;
        if ((is_less == (i % 2 == 0)) != is_upper)
            continue;
        const struct qr_expr *value = condition->args[1 - i % 2];
        bool settled = false;
        QR_TRY(settle(p, type, &value, &settled));
        const struct qr_type *own = qri_type_at(&equals.places[0]);
        if (!settled || !keeps_order(own, value))
            continue;
        bool strict = condition->u.cmp == QR_CMP_LT || condition->u.cmp == QR_CMP_GT;
        *ret_open = strict && is_exact(own, value);
        if (!qr_type_is_string(own))
            return qr_expr_convert(&p->c->b, *own, value, ret_expr);
        *ret_expr = value;
        return QR_OK;
    }
    return QR_OK;
}

/* What the conditions say of the index's leading columns: some that are equal to something, then
 * bounds of the next one. *ret_worth: how narrow that is; 0: they say nothing. */
static enum qr_status read_range(struct qri_point *p, struct qr_plan_prelock *lock,
                                 size_t *ret_worth)
{
    struct qri_compile *c = p->c;
    size_t count = qr_cat_range_columns(lock->table, lock->index);
    *ret_worth = 0;
    lock->key = QRI_ARRAY(c, count + 1, const struct qr_expr *);
    if (lock->key == NULL)
        return qri_nomem(c);
    lock->key_count = 0;
    for (size_t k = 0; k < count && k < QRI_POINT_COLUMNS_MAX; k++) {
        QR_TRY(value_of(p, lock->index->columns[k].column_id, &lock->key[k]));
        if (lock->key[k] == NULL)
            break;
        lock->key_count++;
    }
    if (lock->key_count < count && lock->key_count < QRI_POINT_COLUMNS_MAX) {
        uint32_t id = lock->index->columns[lock->key_count].column_id;
        QR_TRY(bound_of(p, id, false, &lock->lo, &lock->lo_is_open));
        QR_TRY(bound_of(p, id, true, &lock->hi, &lock->hi_is_open));
    }
    *ret_worth = 3 * lock->key_count + (lock->lo != NULL) + (lock->hi != NULL);
    return QR_OK;
}

static struct qr_plan_prelock range_of(const struct qr_plan_prelock *how,
                                       const struct qr_cat_index *index)
{
    struct qr_plan_prelock lock = *how;
    lock.is_range = true;
    lock.index = index;
    return lock;
}

static enum qr_status lock_range(struct qri_point *p, const struct qr_plan_prelock *how,
                                 bool *ret_done)
{
    const struct qr_cat_object *table = p->source->object;
    const struct qr_cat_index *best = NULL;
    size_t most = 0, worth = 0;
    for (size_t i = 0; i < table->index_count; i++) {
        struct qr_plan_prelock lock = range_of(how, &table->indexes[i]);
        if (qr_cat_range_columns(table, lock.index) == 0)
            continue;
        p->row = 0;
        p->row_count = 1;
        p->rows = NULL;
        QR_TRY(read_range(p, &lock, &worth));
        best = worth > most ? lock.index : best;
        most = worth > most ? worth : most;
    }
    if (best == NULL)
        return QR_OK;
    p->row_count = 1;
    p->rows = NULL;
    for (p->row = 0; p->row < p->row_count; p->row++) {
        struct qr_plan_prelock lock = range_of(how, best);
        QR_TRY(read_range(p, &lock, &worth));
        QR_TRY(qri_push_prelock(p->c, &lock));
    }
    *ret_done = true;
    return QR_OK;
}

/* The intervals of all terms of `any`, where each names one, perhaps of another index. */
static enum qr_status lock_terms(struct qri_point *p, const struct qr_expr *any,
                                 const struct qr_plan_prelock *how, bool *ret_done)
{
    size_t before = p->c->prelock_count;
    bool done = any->arg_count <= OR_TERMS_MAX;
    for (size_t i = 0; i < any->arg_count && done; i++) {
        struct qri_point term = *p;
        done = false;
        qri_point_add(&term, any->args[i]);
        QR_TRY(lock_range(&term, how, &done));
    }
    if (!done)
        p->c->prelock_count = before;
    *ret_done = done;
    return QR_OK;
}

enum qr_status qri_lock_named(struct qri_compile *c, const struct qri_query *q,
                              struct qri_source *s, const struct qr_plan_prelock *how,
                              enum qri_named *ret_named)
{
    struct qri_point p = {.c = c, .source = s};
    bool done = false;
    qri_point_add(&p, q->where);
    for (size_t i = 0; i < q->from_count; i++)
        (void)qri_point_add_joins(&p, q->from[i]);
    add_outer_blocks(&p, q);
    QR_TRY(lock_point(&p, how, &done));
    *ret_named = done ? QRI_NAMES_KEY : QRI_NAMES_NOTHING;
    if (done)
        return QR_OK;
    struct qr_plan_prelock range = *how;
    if (s->is_target) /* what it changes it locks as it does so */
        range.mode = QR_PLAN_LOCK_U;
    QR_TRY(lock_range(&p, &range, &done));
    for (size_t i = 0; i < p.or_count && !done; i++)
        QR_TRY(lock_terms(&p, p.ors[i], &range, &done));
    *ret_named = done ? QRI_NAMES_RANGE : QRI_NAMES_NOTHING;
    return QR_OK;
}
