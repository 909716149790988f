/* emit_from.c - FROM; see emit_int.h */
#include "emit_int.h"

#include "base/banned.h"

static bool stands_for_nothing(const struct qri_source *s)
{
    return s->kind == QRI_SOURCE_EXPAND && s->left == NULL && s->on == NULL;
}

static enum qr_status emit_table(struct qr_buf *out, const struct qri_source *s)
{
    if (s->needs_rid)
        qr_buf_addz(out, "(SELECT rowid AS rid, * FROM ");
    if (s->object->storage == QR_STORE_VTAB)
        qr_buf_printf(out, "%s%s", s->is_temp ? "tempdb_" : "", s->object->vtab);
    else
        qr_buf_printf(out, "%st%u", s->is_temp ? "temp." : "", (unsigned)s->object->object_id);
    qr_buf_printf(out, "%s AS s%u", s->needs_rid ? ")" : "", (unsigned)s->id);
    return QR_OK;
}

bool qri_rows_are_kept(const struct qri_source *s)
{
    return s->kind == QRI_SOURCE_ROWS && s->rows->kind == QR_ROWS_TABLE && s->scope != NULL &&
           (s->scope->count > 1 || s->scope->outer != NULL);
}

static enum qr_status emit_kept(struct qri_emit *em, struct qr_buf *out, struct qri_source *s)
{
    struct qr_plan_param param = {.kind = QR_PARAM_ROWS, .rows = s->rows};
    if (s->with_id == 0 || s->with_text != em->text) {
        s->with_id = ++em->c->next_with;
        s->with_text = em->text;
        struct qr_buf *with = &em->with;
        qr_buf_printf(with, "%sw%u(rid", with->len == 0 ? "" : ", ", (unsigned)s->with_id);
        for (size_t i = 0; i < s->column_count; i++)
            qr_buf_printf(with, ", c%u", (unsigned)s->columns[i].column_id);
        qr_buf_addz(with, ") AS MATERIALIZED (SELECT rowid");
        for (size_t i = 0; i < s->column_count; i++)
            qr_buf_printf(with, ", c%u", (unsigned)s->columns[i].column_id);
        qr_buf_addz(with, " FROM qrows(");
        QR_TRY(qri_emit_param(em, with, &param));
        qr_buf_addz(with, "))");
    }
    qr_buf_printf(out, "w%u AS s%u", (unsigned)s->with_id, (unsigned)s->id);
    return QR_OK;
}

static enum qr_status emit_rows(struct qri_emit *em, struct qr_buf *out, const struct qri_source *s)
{
    struct qr_plan_param param = {.kind = QR_PARAM_ROWS, .rows = s->rows};
    qr_buf_addz(out, s->needs_rid ? "(SELECT rowid AS rid, * FROM qrows(" : "qrows(");
    QR_TRY(qri_emit_param(em, out, &param));
    for (size_t i = 0; i < s->arg_count; i++) {
        qr_buf_addz(out, ", ");
        QR_TRY(qri_emit_expr(em, out, s->args[i]));
    }
    qr_buf_printf(out, s->needs_rid ? ")) AS s%u" : ") AS s%u", (unsigned)s->id);
    return QR_OK;
}

/* APPLY over a query that SQLite cannot join: a plan of its own, run for each outer row. */
static enum qr_status make_applied(struct qri_emit *em, struct qri_query *q,
                                   struct qri_emit_args *args, struct qr_plan **ret_plan)
{
    struct qri_compile *c = em->c;
    struct qr_plan *plan = QRI_NEW(c, struct qr_plan);
    struct qri_emit inner;
    if (plan == NULL)
        return qri_nomem(c);
    qri_emit_init(&inner, c);
    inner.args = args;
    struct qr_buf body;
    qr_buf_init(&body, QRI_TEXT_BYTES_MAX);
    enum qr_status status = qri_emit_query(&inner, &body, q, QRI_FORM_PLAIN);
    if (status == QR_OK)
        status = qri_emit_finish(&inner, &body, &plan->select);
    qr_buf_done(&body);
    qri_emit_done(&inner);
    QR_TRY(status);
    plan->kind = QR_PLAN_SELECT;
    QR_TRY(qri_plan_columns(c, q, plan));
    *ret_plan = plan;
    return QR_OK;
}

static enum qr_status make_rows(struct qri_emit *em, struct qri_query *q,
                                struct qri_source *ret_call)
{
    struct qri_compile *c = em->c;
    struct qri_emit_args args = {0};
    struct qr_plan *plan = NULL;
    struct qr_plan_rows *rows = QRI_NEW(c, struct qr_plan_rows);
    QR_TRY(make_applied(em, q, &args, &plan));
    struct qr_type *arg_types = QRI_ARRAY(c, args.count + 1, struct qr_type);
    struct qr_type *types = QRI_ARRAY(c, plan->column_count + 1, struct qr_type);
    if (rows == NULL || arg_types == NULL || types == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < args.count; i++)
        arg_types[i] = args.exprs[i]->type;
    for (size_t i = 0; i < plan->column_count; i++)
        types[i] = plan->columns[i].type;
    rows->kind = QR_ROWS_PLAN;
    rows->plan = plan;
    rows->arg_types = arg_types;
    rows->arg_count = args.count;
    rows->column_types = types;
    rows->column_count = plan->column_count;
    *ret_call = (struct qri_source){.rows = rows, .args = args.exprs, .arg_count = args.count};
    return QR_OK;
}

static enum qr_status emit_applied(struct qri_emit *em, struct qr_buf *out,
                                   const struct qri_source *s)
{
    struct qri_source call = {.id = 0};
    QR_TRY(make_rows(em, s->query, &call));
    call.id = s->id;
    return emit_rows(em, out, &call);
}

enum qr_status qri_emit_detached(struct qri_emit *em, struct qr_buf *out, struct qri_query *query)
{
    struct qri_source call = {.id = 0};
    QR_TRY(make_rows(em, query, &call));
    call.id = ++em->c->next_source;
    return emit_rows(em, out, &call);
}

static enum qr_status emit_query(struct qri_emit *em, struct qr_buf *out,
                                 const struct qri_source *s)
{
    if (s->query->is_applied)
        return emit_applied(em, out, s);
    if (!s->query->is_correlated) {
        QR_TRY(qri_emit_with(em, s->query));
        if (s->needs_mark)
            qr_buf_printf(out, "(SELECT *, 1 AS km FROM w%u) AS s%u", (unsigned)s->query->with_id,
                          (unsigned)s->id);
        else
            qr_buf_printf(out, "w%u AS s%u", (unsigned)s->query->with_id, (unsigned)s->id);
        return QR_OK;
    }
    qr_buf_addz(out, "(");
    QR_TRY(qri_emit_enter(em, QRI_LEVEL_QUERY));
    QR_TRY(qri_emit_query(em, out, s->query, QRI_FORM_NAMED));
    qri_emit_leave(em, QRI_LEVEL_QUERY);
    qr_buf_printf(out, ") AS s%u", (unsigned)s->id);
    return QR_OK;
}

static enum qr_status emit_counter(struct qr_buf *out, const struct qri_source *s)
{
    qr_buf_addz(out, "(VALUES ");
    for (size_t i = 0; i < s->row_count; i++)
        qr_buf_printf(out, "%s(%zu)", i == 0 ? "" : ", ", i);
    qr_buf_printf(out, ") AS s%u", (unsigned)s->id);
    return QR_OK;
}

static enum qr_status emit_part(struct qri_emit *em, struct qr_buf *out, struct qri_source *s)
{
    while (s->kind == QRI_SOURCE_JOIN && stands_for_nothing(s->right))
        s = s->left; /* one table in parentheses loses its name */
    bool nested = s->kind == QRI_SOURCE_JOIN || (s->kind == QRI_SOURCE_EXPAND && s->left != NULL &&
                                                 s->left->kind == QRI_SOURCE_JOIN);
    qr_buf_addz(out, nested ? "(" : "");
    QR_TRY(qri_emit_source(em, out, s));
    qr_buf_addz(out, nested ? ")" : "");
    return QR_OK;
}

static bool is_settled(void *arg, const struct qr_expr *expr)
{
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    const struct qri_scope *scope = (const struct qri_scope *)arg;
    return leaf == NULL ||
           (leaf->query == NULL && (leaf->source == NULL || leaf->source->scope != scope));
}

/* What names no column of this FROM SQLite tests once, before any row: false, it leaves out also
 * the rows that a RIGHT or FULL JOIN keeps without a partner. It does not so with what may change.
 */
static enum qr_status emit_on(struct qri_emit *em, struct qr_buf *out, const struct qr_expr *on)
{
    em->depth = 0;
    if (em->extending == NULL)
        return qri_emit_expr(em, out, on);
    if (on->kind == QR_EXPR_AND) {
        for (size_t i = 0; i < on->arg_count; i++) {
            qr_buf_addz(out, i == 0 ? "" : " AND ");
            QR_TRY(emit_on(em, out, on->args[i]));
        }
        return QR_OK;
    }
    bool settled = qr_expr_walk(on, is_settled, (void *)em->extending);
    qr_buf_addz(out, settled ? "qstay(" : "(");
    QR_TRY(qri_emit_expr(em, out, on));
    qr_buf_addz(out, ")");
    return QR_OK;
}

static enum qr_status emit_join(struct qri_emit *em, struct qr_buf *out, struct qri_source *s)
{
    static const char *const words[] = {
        [QR_JOIN_INNER] = " JOIN ",
        [QR_JOIN_LEFT] = " LEFT JOIN ",
        [QR_JOIN_RIGHT] = " RIGHT JOIN ",
        [QR_JOIN_FULL] = " FULL JOIN ",
        [QR_JOIN_CROSS] = " JOIN ",
        [QR_JOIN_CROSS_APPLY] = " JOIN ",
        [QR_JOIN_OUTER_APPLY] = " LEFT JOIN ",
    };
    struct qri_source *right = s->right;
    if (stands_for_nothing(right))
        return qri_emit_source(em, out, s->left);
    bool swapped = s->left->is_after_right;
    QR_TRY(qri_emit_source(em, out, swapped ? right : s->left));
    bool in_order = swapped || right->is_driven;
    qr_buf_addz(out, in_order && s->join != QR_JOIN_LEFT ? " CROSS JOIN " : words[s->join]);
    QR_TRY(emit_part(em, out, swapped ? s->left : right));
    const struct qr_expr *on = right->kind == QRI_SOURCE_EXPAND ? right->on : s->on;
    if (on == NULL) {
        qr_buf_addz(out, s->join == QR_JOIN_OUTER_APPLY ? " ON 1" : "");
        return QR_OK;
    }
    const struct qri_row_lock *lock = s->join == QR_JOIN_LEFT    ? right->on_lock
                                      : s->join == QR_JOIN_RIGHT ? s->left->on_lock
                                                                 : NULL;
    qr_buf_addz(out, " ON ");
    return lock != NULL ? qri_emit_on_locked(em, out, lock, on) : emit_on(em, out, on);
}

enum qr_status qri_emit_source(struct qri_emit *em, struct qr_buf *out, struct qri_source *s)
{
    switch (s->kind) {
    case QRI_SOURCE_TABLE:
        return emit_table(out, s);
    case QRI_SOURCE_ROWS:
        return qri_rows_are_kept(s) ? emit_kept(em, out, s) : emit_rows(em, out, s);
    case QRI_SOURCE_QUERY:
        return emit_query(em, out, s);
    case QRI_SOURCE_RECURSE:
        qr_buf_printf(out, "w%u AS s%u", (unsigned)s->query->with_id, (unsigned)s->id);
        return QR_OK;
    case QRI_SOURCE_COUNTER:
        return emit_counter(out, s);
    case QRI_SOURCE_EXPAND:
        if (s->left != NULL)
            return qri_emit_source(em, out, s->left);
        qr_buf_printf(out, "(SELECT 1) AS s%u", (unsigned)s->id);
        return QR_OK;
    case QRI_SOURCE_JOIN:
        return emit_join(em, out, s);
    case QRI_SOURCE_PSEUDO:
        break;
    }
    return qr_fail(em->c->err, QR_BUG, "source that has no rows");
}

static bool has_outer_right(const struct qri_source *s)
{
    return s->kind == QRI_SOURCE_JOIN && (s->join == QR_JOIN_RIGHT || s->join == QR_JOIN_FULL ||
                                          has_outer_right(s->left) || has_outer_right(s->right));
}

static const struct qri_scope *scope_of(const struct qri_source *s)
{
    while (s->kind == QRI_SOURCE_JOIN)
        s = s->left;
    return s->scope;
}

/* In SQLite a comma is a join of the same rank as the others, so later items may need parentheses.
 */
enum qr_status qri_emit_from(struct qri_emit *em, struct qr_buf *out, const struct qri_query *q)
{
    struct qri_source *const *from = q->from;
    size_t count = q->from_count;
    const struct qri_scope *extending = em->extending;
    em->extending = NULL;
    for (size_t i = 0; i < count && em->extending == NULL; i++)
        if (has_outer_right(from[i]))
            em->extending = scope_of(from[i]);
    for (size_t i = 0; i < count; i++) {
        bool nested = i > 0 && has_outer_right(from[i]);
        qr_buf_addz(out, i == 0 ? " FROM " : from[i]->is_driven ? " CROSS JOIN " : ", ");
        if (i == 0)
            QR_TRY(qri_emit_driving(em, out, q));
        qr_buf_addz(out, nested ? "(" : "");
        QR_TRY(qri_emit_source(em, out, from[i]));
        qr_buf_addz(out, nested ? ")" : "");
    }
    em->extending = extending;
    return QR_OK;
}
