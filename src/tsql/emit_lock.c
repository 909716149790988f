/* emit_lock.c - which rows, keys and tables a query locks, and the text that does it.
 *
 * Rows are locked by qlock() as SQLite finds them, as the last condition of their block:
 *     WHERE (w) AND CASE WHEN (w) THEN (SELECT qlock(?1, key)) END
 * (as a plain term SQLite would call it before others). Where only some of the rows are wanted, it
 * must be called in the order of the result, so that TOP (1) ... ORDER BY locks one row:
 *     SELECT k1, k2 FROM (SELECT ... AS k1, ... AS k2, key AS l1 FROM ... ORDER BY ... LIMIT -1)
 *     WHERE qlock(?1, l1) LIMIT 1
 * (LIMIT -1 keeps SQLite from merging the two). Source: [STORAGE.md] S19.
 *
 * Keys of a table that are known only when the row of another, its driver, is read are locked then:
 *     FROM o CROSS JOIN l ON l.oid = o.id WHERE (w) AND qlockkey(?1, o.id)
 *     EXISTS (SELECT 1 FROM l WHERE l.oid = o.id AND qlockkey(?1, o.id))
 * So are those of a target, in U: MERGE l USING @rows r ON l.oid = r.oid. The values of IN are all
 * of them locked before SQLite reads the first table, or it would not ask for them where that is
 * empty: WITH w1(k1) AS (...) ... FROM (SELECT count(*) AS n FROM w1 WHERE qlockkey(?1, k1)) AS d1
 *     CROSS JOIN l WHERE l.oid IN (SELECT k1 FROM w1)
 * The call names no column of l, so SQLite evaluates it before it opens l: a join reads l after
 * what stands left of CROSS JOIN, and a subquery evaluates what none of its tables is in first (it
 * must be told that the function is deterministic). Nobody commits meanwhile, so that it suffices
 * that all keys have been asked for when the statement ends. */
#include "emit_int.h"

#include "base/banned.h"

struct need {
    enum qr_plan_lock_mode row, table, point;
    bool row_is_brief, table_is_brief;
};

static enum qr_plan_lock_mode mode_of(const struct qri_source *s)
{
    if (s->is_target || (s->hints & (QRI_HINT_XLOCK | QRI_HINT_TABLOCKX)) != 0)
        return QR_PLAN_LOCK_X;
    return (s->hints & QRI_HINT_UPDLOCK) != 0 ? QR_PLAN_LOCK_U : QR_PLAN_LOCK_S;
}

/* The level that counts for the source. One statement alone needs no locks to be repeatable. */
static uint8_t level_of(struct qri_compile *c, const struct qri_source *s)
{
    enum {
        LEVELS = QRI_HINT_NOLOCK | QRI_HINT_READCOMMITTED | QRI_HINT_READCOMMITTEDLOCK |
                 QRI_HINT_REPEATABLEREAD | QRI_HINT_SERIALIZABLE | QRI_HINT_SNAPSHOT
    };
    uint8_t level = qri_hint_level(c, s->hints);
    if ((s->hints & LEVELS) != 0)
        return level;
    if (c->heeds_level < QR_HEEDS_LOCKS)
        c->heeds_level = QR_HEEDS_LOCKS;
    bool locks = level == QR_REPEATABLE_READ || level == QR_SERIALIZABLE;
    return locks && !c->env->in_transaction ? (uint8_t)QR_READ_COMMITTED : level;
}

static struct need need_of(struct qri_compile *c, const struct qri_source *s)
{
    uint32_t h = s->hints;
    uint8_t level = level_of(c, s);
    enum qr_plan_lock_mode mode = mode_of(s);
    bool keeps = level == QR_REPEATABLE_READ || level == QR_SERIALIZABLE;
    if ((h & QRI_HINT_TABLOCKX) != 0 || ((h & QRI_HINT_TABLOCK) != 0 && mode != QR_PLAN_LOCK_S))
        return (struct need){.table = QR_PLAN_LOCK_X};
    if ((h & QRI_HINT_TABLOCK) != 0)
        return (struct need){.table = QR_PLAN_LOCK_S, .table_is_brief = !keeps};
    if (level == QR_SERIALIZABLE) /* U of a target: two who changed S to IX would wait for ever */
        return (struct need){.table = s->is_target ? QR_PLAN_LOCK_U : mode, .point = mode};
    if (s->is_target) {
        bool now = (h & (QRI_HINT_READPAST | QRI_HINT_NOWAIT)) != 0;
        return (struct need){.row = now ? QR_PLAN_LOCK_X : QR_PLAN_LOCK_NONE,
                             .table = now ? QR_PLAN_LOCK_IX : QR_PLAN_LOCK_NONE};
    }
    if (mode != QR_PLAN_LOCK_S)
        return (struct need){.row = mode, .table = QR_PLAN_LOCK_IX};
    if (keeps)
        return (struct need){.row = QR_PLAN_LOCK_S, .table = QR_PLAN_LOCK_IS};
    if ((h & (QRI_HINT_READCOMMITTEDLOCK | QRI_HINT_READPAST)) != 0)
        return (struct need){.row = QR_PLAN_LOCK_S,
                             .table = QR_PLAN_LOCK_IS,
                             .row_is_brief = true,
                             .table_is_brief = true};
    return (struct need){0};
}

static bool names_row(const struct qr_cat_object *table, const struct qr_cat_index *index)
{
    return index->is_clustered && table->storage != QR_STORE_HEAP;
}

/* Rows that are locked in X and not changed stop those who lock a range with them in it; others who
 * lock or change rows they do not. */
static enum qr_status prelock_as_writer(struct qri_compile *c, const struct qri_source *s,
                                        const struct qr_plan_prelock *how)
{
    for (size_t i = 0; i < s->object->index_count; i++) {
        struct qr_plan_prelock lock = *how;
        lock.mode = QR_PLAN_LOCK_IX;
        lock.is_range = true;
        lock.index = &s->object->indexes[i];
        if (qr_cat_range_columns(s->object, lock.index) > 0)
            QR_TRY(qri_push_prelock(c, &lock));
    }
    return QR_OK;
}

/* Not in functions, which may run where nothing is locked as it is read. */
static enum qr_status prelock_driven(struct qri_compile *c, const struct qri_query *q,
                                     struct qri_source *s, const struct qr_plan_prelock *how)
{
    struct qri_row_lock item;
    struct qr_plan_prelock whole = *how;
    whole.mode = s->is_target ? QR_PLAN_LOCK_U : mode_of(s);
    if (c->env->in_function)
        return QR_OK;
    QR_TRY(qri_lock_driven(c, q, s, whole.mode, &item, &s->is_narrow));
    if (!s->is_narrow)
        return QR_OK;
    if (item.in != NULL)
        q->locks->ins[q->locks->in_count++] = item;
    else
        q->locks->driven[q->locks->driven_count++] = item;
    c->locks_rows = true;
    whole.is_instead = true;
    return qri_push_prelock(c, &whole);
}

static enum qr_status prelock(struct qri_compile *c, const struct qri_query *q,
                              struct qri_source *s, struct need *need)
{
    struct qr_plan_prelock lock = {.table = s->object,
                                   .mode = need->point,
                                   .no_wait = (s->hints & QRI_HINT_NOWAIT) != 0,
                                   .is_brief = need->table_is_brief};
    enum qri_named named = QRI_NAMES_NOTHING;
    if (need->point != QR_PLAN_LOCK_NONE)
        QR_TRY(qri_lock_named(c, q, s, &lock, &named));
    if (named == QRI_NAMES_KEY && !s->is_target &&
        !names_row(s->object, c->prelocks[c->prelock_count - 1].index))
        need->row = need->point; /* which row has the key shows only when it is read */
    lock.mode = need->table;
    s->is_narrow = named != QRI_NAMES_NOTHING;
    if (named == QRI_NAMES_NOTHING && need->point != QR_PLAN_LOCK_NONE)
        QR_TRY(prelock_driven(c, q, s, &lock));
    if (s->is_narrow && named != QRI_NAMES_KEY && !s->is_target && need->point != QR_PLAN_LOCK_S)
        need->row = need->point; /* others lock rows so without a range */
    if (s->is_narrow)
        lock.mode = need->point == QR_PLAN_LOCK_S ? QR_PLAN_LOCK_IS : QR_PLAN_LOCK_IX;
    if (lock.mode == QR_PLAN_LOCK_IX && !s->is_target && mode_of(s) == QR_PLAN_LOCK_X)
        QR_TRY(prelock_as_writer(c, s, &lock));
    return lock.mode == QR_PLAN_LOCK_NONE ? QR_OK : qri_push_prelock(c, &lock);
}

enum qr_status qri_prelock_target(struct qri_compile *c, const struct qr_cat_object *table,
                                  uint32_t hints)
{
    struct qr_plan_prelock lock = {
        .table = table, .mode = QR_PLAN_LOCK_X, .no_wait = (hints & QRI_HINT_NOWAIT) != 0};
    bool whole = (hints & (QRI_HINT_TABLOCK | QRI_HINT_TABLOCKX)) != 0;
    return whole && c->env->takes_locks ? qri_push_prelock(c, &lock) : QR_OK;
}

/* ---- rows ---- */

static bool has_rows_to_lock(const struct qri_source *s)
{
    return s->kind == QRI_SOURCE_TABLE && !s->is_temp && s->object->type == QR_CAT_TABLE &&
           (s->object->storage == QR_STORE_ROWID || s->object->storage == QR_STORE_KEYED ||
            s->object->storage == QR_STORE_HEAP);
}

static enum qr_status row_lock(struct qri_compile *c, struct qri_source *s, const struct need *need,
                               struct qri_row_lock *item)
{
    struct qr_plan_lock *lock = QRI_NEW(c, struct qr_plan_lock);
    if (lock == NULL)
        return qri_nomem(c);
    struct qri_scope *scope = c->scope;
    c->scope = s->scope;
    enum qr_status status = qri_source_key(c, s, &item->keys, &item->key_count);
    c->scope = scope;
    QR_TRY(status);
    struct qr_type *types = QRI_ARRAY(c, item->key_count, struct qr_type);
    if (types == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < item->key_count; i++)
        types[i] = item->keys[i]->type;
    lock->table = s->object;
    lock->mode = need->row;
    lock->read_past = (s->hints & QRI_HINT_READPAST) != 0;
    lock->no_wait = (s->hints & QRI_HINT_NOWAIT) != 0;
    lock->is_brief = need->row_is_brief;
    lock->key_types = types;
    lock->key_count = item->key_count;
    item->lock = lock;
    c->locks_rows = true;
    return QR_OK;
}

/* `on`: rows that are read past are left out of an outer join, which goes on without them. */
static enum qr_status lock_table(struct qri_compile *c, struct qri_query *q, struct qri_source *s,
                                 bool on)
{
    if (!has_rows_to_lock(s))
        return QR_OK;
    struct need need = need_of(c, s);
    if (!c->env->takes_locks)
        return QR_OK;
    QR_TRY(prelock(c, q, s, &need));
    if (need.row == QR_PLAN_LOCK_NONE)
        return QR_OK;
    if (!on)
        return row_lock(c, s, &need, &q->locks->items[q->locks->count++]);
    s->on_lock = QRI_NEW(c, struct qri_row_lock);
    return s->on_lock == NULL ? qri_nomem(c) : row_lock(c, s, &need, s->on_lock);
}

static enum qr_status lock_source(struct qri_compile *c, struct qri_query *q, struct qri_source *s)
{
    if (s->kind == QRI_SOURCE_JOIN) {
        struct qri_source *sides[] = {s->left, s->right};
        for (size_t i = 0; i < 2; i++) {
            bool may_be_null = s->join == (i == 0 ? QR_JOIN_RIGHT : QR_JOIN_LEFT) &&
                               sides[i]->kind == QRI_SOURCE_TABLE && s->on != NULL;
            if (may_be_null && (sides[i]->hints & QRI_HINT_READPAST) != 0)
                QR_TRY(lock_table(c, q, sides[i], true));
            else
                QR_TRY(lock_source(c, q, sides[i]));
        }
        return QR_OK;
    }
    if (s->kind == QRI_SOURCE_EXPAND)
        return s->left == NULL ? QR_OK : lock_source(c, q, s->left);
    return lock_table(c, q, s, false);
}

static size_t count_sources(const struct qri_source *s)
{
    if (s == NULL)
        return 0;
    return s->kind == QRI_SOURCE_JOIN     ? count_sources(s->left) + count_sources(s->right)
           : s->kind == QRI_SOURCE_EXPAND ? count_sources(s->left)
                                          : 1;
}

enum qr_status qri_block_locks(struct qri_emit *em, struct qri_query *q)
{
    struct qri_compile *c = em->c;
    if (q->locks != NULL)
        return QR_OK;
    size_t count = 0;
    for (size_t i = 0; i < q->from_count; i++)
        count += count_sources(q->from[i]);
    q->locks = QRI_NEW(c, struct qri_row_locks);
    if (q->locks == NULL)
        return qri_nomem(c);
    q->locks->items = QRI_ARRAY(c, count + 1, struct qri_row_lock);
    q->locks->driven = QRI_ARRAY(c, count + 1, struct qri_row_lock);
    q->locks->ins = QRI_ARRAY(c, count + 1, struct qri_row_lock);
    if (q->locks->items == NULL || q->locks->driven == NULL || q->locks->ins == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < q->from_count; i++)
        QR_TRY(lock_source(c, q, q->from[i]));
    return QR_OK;
}

/* ---- text ---- */

bool qri_locks_outside(const struct qri_query *q)
{
    bool limited = q->top.amount != NULL || q->offset != NULL || q->fetch != NULL;
    return q->locks->count > 0 && limited && !q->is_grouped && !q->distinct && !q->has_window &&
           q->set_count == 0 && !q->top.percent && !q->top.with_ties && !qri_assigns_live(q);
}

enum qr_status qri_emit_lock_keys(struct qri_emit *em, struct qr_buf *out,
                                  const struct qri_query *q)
{
    size_t n = 0;
    for (size_t i = 0; i < q->locks->count; i++)
        for (size_t k = 0; k < q->locks->items[i].key_count; k++) {
            qr_buf_addz(out, ", ");
            em->depth = 0;
            QR_TRY(qri_emit_expr(em, out, q->locks->items[i].keys[k]));
            qr_buf_printf(out, " AS l%zu", ++n);
        }
    return QR_OK;
}

/* "qlock(?1, key)" or "qlockkey(...)"; n: NULL, or how many names of keys were used. */
static enum qr_status emit_lock(struct qri_emit *em, struct qr_buf *out,
                                const struct qri_row_lock *item, size_t *n)
{
    struct qr_plan_param param = {.kind = QR_PARAM_LOCK, .lock = item->lock};
    qr_buf_addz(out, item->lock->index != NULL ? "qlockkey(" : "qlock(");
    QR_TRY(qri_emit_param(em, out, &param));
    for (size_t k = 0; k < item->key_count; k++) {
        qr_buf_addz(out, ", ");
        em->depth = 0;
        if (n != NULL)
            qr_buf_printf(out, "l%zu", ++*n);
        else
            QR_TRY(qri_emit_expr(em, out, item->keys[k]));
    }
    qr_buf_addz(out, ")");
    return QR_OK;
}

enum qr_status qri_emit_locks(struct qri_emit *em, struct qr_buf *out, const struct qri_query *q,
                              bool by_name)
{
    size_t n = 0;
    for (size_t i = 0; i < q->locks->count; i++) {
        qr_buf_addz(out, i == 0 ? "" : " AND ");
        QR_TRY(emit_lock(em, out, &q->locks->items[i], by_name ? &n : NULL));
    }
    return QR_OK;
}

enum qr_status qri_emit_driving(struct qri_emit *em, struct qr_buf *out, const struct qri_query *q)
{
    for (size_t i = 0; i < q->locks->in_count; i++) {
        const struct qri_row_lock *item = &q->locks->ins[i];
        struct qr_plan_param param = {.kind = QR_PARAM_LOCK, .lock = item->lock};
        QR_TRY(qri_emit_with(em, item->in));
        qr_buf_printf(out, "(SELECT count(*) AS n FROM w%u WHERE qlockkey(",
                      (unsigned)item->in->with_id);
        QR_TRY(qri_emit_param(em, out, &param));
        qr_buf_printf(out, ", k1)) AS d%zu CROSS JOIN ", i + 1);
    }
    return QR_OK;
}

enum qr_status qri_emit_driven(struct qri_emit *em, struct qr_buf *out, const struct qri_query *q)
{
    for (size_t i = 0; i < q->locks->driven_count; i++) {
        qr_buf_addz(out, i == 0 ? "" : " AND ");
        QR_TRY(emit_lock(em, out, &q->locks->driven[i], NULL));
    }
    return QR_OK;
}

enum qr_status qri_emit_on_locked(struct qri_emit *em, struct qr_buf *out,
                                  const struct qri_row_lock *item, const struct qr_expr *on)
{
    QR_TRY(qri_emit_enter(em, QRI_LEVEL_NODE + QRI_LEVEL_QUERY));
    qr_buf_addz(out, "(");
    QR_TRY(qri_emit_expr(em, out, on));
    qr_buf_addz(out, ") AND CASE WHEN (");
    em->depth = 0;
    QR_TRY(qri_emit_expr(em, out, on));
    qr_buf_addz(out, ") THEN (SELECT ");
    QR_TRY(emit_lock(em, out, item, NULL));
    qr_buf_addz(out, ") END");
    qri_emit_leave(em, QRI_LEVEL_NODE + QRI_LEVEL_QUERY);
    return QR_OK;
}

static bool stands_in(const struct qri_source *tree, const struct qri_source *s)
{
    if (tree->kind == QRI_SOURCE_JOIN)
        return stands_in(tree->left, s) || stands_in(tree->right, s);
    if (tree->kind == QRI_SOURCE_EXPAND && tree->left != NULL)
        return stands_in(tree->left, s);
    return tree == s;
}

/* A column that is NULL only where the outer join has not found the tree's rows; NULL: nothing in
 * it is locked by rows. */
static const struct qr_expr *key_in(const struct qri_query *q, const struct qri_source *tree)
{
    for (size_t i = 0; i < q->locks->count; i++) {
        const struct qri_row_lock *item = &q->locks->items[i];
        const struct qri_leaf *leaf = item->key_count > 0 ? qri_leaf_of(item->keys[0]) : NULL;
        if (item->lock->index == NULL && leaf != NULL && leaf->source != NULL &&
            stands_in(tree, leaf->source))
            return item->keys[0];
    }
    return NULL;
}

/* What the joins ask. `extended`: the tree is on the inner side of an outer join, around these. */
static enum qr_status emit_conditions(struct qri_emit *em, struct qr_buf *out,
                                      const struct qri_query *q, const struct qri_source *s,
                                      bool extended, size_t *count)
{
    if (s->kind != QRI_SOURCE_JOIN)
        return QR_OK;
    bool full = extended || s->join == QR_JOIN_FULL;
    QR_TRY(emit_conditions(em, out, q, s->left, full || s->join == QR_JOIN_RIGHT, count));
    QR_TRY(emit_conditions(em, out, q, s->right, full || s->join == QR_JOIN_LEFT, count));
    const struct qr_expr *on = s->right->kind == QRI_SOURCE_EXPAND ? s->right->on : s->on;
    const struct qr_expr *key = extended ? key_in(q, s) : NULL;
    if (on == NULL || (s->join != QR_JOIN_INNER && s->join != QR_JOIN_CROSS_APPLY) ||
        (extended && key == NULL))
        return QR_OK;
    qr_buf_addz(out, (*count)++ == 0 ? "(" : " AND (");
    em->depth = 0;
    QR_TRY(qri_emit_expr(em, out, on));
    if (key != NULL) {
        qr_buf_addz(out, " OR ");
        em->depth = 0;
        QR_TRY(qri_emit_expr(em, out, key));
        qr_buf_addz(out, " IS NULL");
    }
    qr_buf_addz(out, ")");
    return QR_OK;
}

enum qr_status qri_emit_where_locked(struct qri_emit *em, struct qr_buf *out, struct qri_query *q)
{
    size_t count = 0;
    qr_buf_addz(out, " WHERE ");
    QR_TRY(qri_emit_enter(em, QRI_LEVEL_NODE + QRI_LEVEL_QUERY));
    if (q->where != NULL) {
        qr_buf_addz(out, "(");
        QR_TRY(qri_emit_expr(em, out, q->where));
        qr_buf_addz(out, ") AND ");
    }
    qr_buf_addz(out, "CASE WHEN ");
    for (size_t i = 0; i < q->from_count; i++)
        QR_TRY(emit_conditions(em, out, q, q->from[i], false, &count));
    em->depth = 0;
    if (q->where != NULL) {
        qr_buf_addz(out, count++ == 0 ? "(" : " AND (");
        QR_TRY(qri_emit_expr(em, out, q->where));
        qr_buf_addz(out, ")");
    }
    /* SQLite leaves conditions with subqueries to the end, also behind those of a query around a
     * view, and so locks what passes all of them */
    qr_buf_addz(out, count == 0 ? "1 THEN (SELECT " : " THEN (SELECT ");
    QR_TRY(qri_emit_locks(em, out, q, false));
    qr_buf_addz(out, ") END");
    qri_emit_leave(em, QRI_LEVEL_NODE + QRI_LEVEL_QUERY);
    return QR_OK;
}
