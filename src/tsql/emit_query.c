/* emit_query.c - queries of any kind, set operations, WITH terms, recursion; see emit_int.h */
#include "emit_int.h"

#include <stdio.h>

#include "base/banned.h"

static enum qr_status emit_value_rows(struct qri_emit *em, struct qr_buf *out,
                                      const struct qri_query *q)
{
    qr_buf_addz(out, "VALUES ");
    for (size_t r = 0; r < q->row_count; r++) {
        qr_buf_addz(out, r == 0 ? "(" : ", (");
        for (size_t i = 0; i < q->out_count; i++) {
            qr_buf_addz(out, i == 0 ? "" : ", ");
            em->depth = 0;
            QR_TRY(qri_emit_expr(em, out, q->rows[r][i]));
        }
        qr_buf_addz(out, ")");
    }
    return QR_OK;
}

/* A term names its columns itself: SQLite calls one of VALUES column1 unless it is an outer
 * query's, whose own name it takes. */
static enum qr_status emit_values(struct qri_emit *em, struct qr_buf *out,
                                  const struct qri_query *q, enum qri_form form)
{
    if (form == QRI_FORM_PLAIN)
        return emit_value_rows(em, out, q);
    qr_buf_addz(out, q->is_correlated ? "WITH v(" : "SELECT ");
    for (size_t i = 0; i < q->out_count; i++) {
        qr_buf_addz(out, i == 0 ? "" : ", ");
        if (!q->is_correlated)
            qr_buf_printf(out, "column%zu AS ", i + 1);
        qr_buf_printf(out, "k%zu", i + 1);
    }
    qr_buf_addz(out, q->is_correlated ? ") AS (" : " FROM (");
    QR_TRY(emit_value_rows(em, out, q));
    qr_buf_addz(out, q->is_correlated ? ") SELECT * FROM v" : ")");
    return QR_OK;
}

static enum qr_status emit_branch(struct qri_emit *em, struct qr_buf *out, struct qri_query *branch)
{
    if (branch->kind == QRI_QUERY_SELECT)
        return qri_emit_select(em, out, branch, QRI_FORM_BRANCH);
    if (!branch->is_correlated) {
        QR_TRY(qri_emit_with(em, branch));
        qr_buf_addz(out, "SELECT ");
        for (size_t i = 0; i < branch->out_count; i++) {
            qr_buf_printf(out, "%sk%zu", i == 0 ? "" : ", ", i + 1);
            qri_emit_collate(out, &branch->outs[i].type);
            qr_buf_printf(out, " AS k%zu", i + 1);
        }
        qr_buf_printf(out, " FROM w%u", (unsigned)branch->with_id);
        return QR_OK;
    }
    qr_buf_addz(out, "SELECT * FROM (");
    QR_TRY(qri_emit_enter(em, QRI_LEVEL_QUERY));
    QR_TRY(qri_emit_query(em, out, branch, QRI_FORM_NAMED));
    qri_emit_leave(em, QRI_LEVEL_QUERY);
    qr_buf_addz(out, ")");
    return QR_OK;
}

static const char *const setop_words[] = {
    [QR_SETOP_UNION] = " UNION ",
    [QR_SETOP_UNION_ALL] = " UNION ALL ",
    [QR_SETOP_EXCEPT] = " EXCEPT ",
    [QR_SETOP_INTERSECT] = " INTERSECT ",
};

/* SQLite merges a UNION ALL into the query around it, and does so wrongly where one of its terms
 * has a RIGHT or FULL JOIN: another's WHERE is lost. It never does where a term has no FROM. */
static void emit_unmerged(const struct qri_emit *em, struct qr_buf *out, const struct qri_query *q)
{
    if (!em->c->extends_left)
        return;
    for (size_t k = 0; k + 1 < q->branch_count; k++)
        if (q->ops[k] != QR_SETOP_UNION_ALL)
            return;
    for (size_t i = 0; i < q->out_count; i++)
        qr_buf_addz(out, i == 0 ? " UNION ALL SELECT NULL" : ", NULL");
    qr_buf_addz(out, " WHERE 0");
}

/* SQLite takes 500 terms in a compound: longer chains are cut into WITH terms, left to right. */
static enum qr_status emit_setop(struct qri_emit *em, struct qr_buf *out, struct qri_query *q,
                                 size_t first, size_t count)
{
    if (count > QRI_UNION_TERMS_MAX) {
        size_t head = count - QRI_UNION_TERMS_MAX / 2;
        qr_buf_addz(out, "SELECT * FROM (");
        QR_TRY(qri_emit_enter(em, QRI_LEVEL_QUERY));
        QR_TRY(emit_setop(em, out, q, first, head));
        emit_unmerged(em, out, q);
        qri_emit_leave(em, QRI_LEVEL_QUERY);
        qr_buf_addz(out, ")");
        for (size_t k = first + head; k < first + count; k++) {
            qr_buf_addz(out, setop_words[q->ops[k - 1]]);
            QR_TRY(emit_branch(em, out, q->branches[k]));
        }
        return QR_OK;
    }
    for (size_t k = first; k < first + count; k++) {
        if (k > first)
            qr_buf_addz(out, setop_words[q->ops[k - 1]]);
        QR_TRY(emit_branch(em, out, q->branches[k]));
    }
    return QR_OK;
}

static enum qr_status emit_for(struct qri_emit *em, struct qr_buf *out, struct qri_query *q)
{
    struct qr_plan_param param = {.kind = QR_PARAM_FOR, .for_call = q->for_call};
    qr_buf_addz(out, "SELECT qfor(");
    QR_TRY(qri_emit_param(em, out, &param));
    for (size_t i = 0; i < q->for_call->column_count; i++)
        qr_buf_printf(out, ", k%zu", i + 1);
    qr_buf_addz(out, ") AS k1 FROM (");
    QR_TRY(qri_emit_enter(em, QRI_LEVEL_QUERY));
    QR_TRY(qri_emit_query(em, out, q->for_inner, QRI_FORM_NAMED));
    qri_emit_leave(em, QRI_LEVEL_QUERY);
    qr_buf_addz(out, ")");
    return QR_OK;
}

enum qr_status qri_emit_query(struct qri_emit *em, struct qr_buf *out, struct qri_query *q,
                              enum qri_form form)
{
    const struct qri_query *grouping = em->grouping;
    const struct qri_grouping *set = em->set;
    unsigned depth = em->depth;
    bool conditional = em->conditional;
    if (q->for_inner != NULL)
        return emit_for(em, out, q);
    em->set = NULL;
    em->depth = 0;
    em->conditional = false;
    switch (q->kind) {
    case QRI_QUERY_SELECT:
        QR_TRY(qri_emit_select(em, out, q, form));
        break;
    case QRI_QUERY_VALUES:
        QR_TRY(emit_values(em, out, q, form));
        break;
    case QRI_QUERY_SETOP:
        QR_TRY(emit_setop(em, out, q, 0, q->branch_count));
        emit_unmerged(em, out, q);
        QR_TRY(qri_emit_tail(em, out, q));
        break;
    }
    em->grouping = grouping;
    em->set = set;
    em->depth = depth;
    em->conditional = conditional;
    return QR_OK;
}

/* --- WITH terms --- */

static const struct qri_source *find_recursion(const struct qri_source *s,
                                               const struct qri_query *q)
{
    if (s->kind == QRI_SOURCE_RECURSE && s->query == q)
        return s;
    if (s->kind != QRI_SOURCE_JOIN)
        return NULL;
    const struct qri_source *left = find_recursion(s->left, q);
    return left != NULL ? left : find_recursion(s->right, q);
}

/* The column kd counts how deep a row was found, for MAXRECURSION. */
static enum qr_status emit_member(struct qri_emit *em, struct qr_buf *out, struct qri_query *q,
                                  struct qri_query *member)
{
    const struct qri_source *self = NULL;
    for (size_t i = 0; self == NULL && member->kind == QRI_QUERY_SELECT && i < member->from_count;
         i++)
        self = find_recursion(member->from[i], q);
    if (self == NULL)
        return qr_fail(em->c->err, QR_UNSUPPORTED,
                       "a recursive reference inside a derived table or subquery is not supported");
    char extra[96];
    if (q->recursion_max == 0)
        (void)snprintf(extra, sizeof(extra), ", 0");
    else
        (void)snprintf(extra, sizeof(extra), ", qdepth(s%u.kd + 1, %u)", (unsigned)self->id,
                       (unsigned)q->recursion_max);
    return qri_emit_block(em, out, member, QRI_FORM_PLAIN, false, extra);
}

static enum qr_status emit_recursion(struct qri_emit *em, struct qr_buf *out, struct qri_query *q)
{
    qr_buf_addz(out, "SELECT *, 0 FROM (");
    QR_TRY(emit_setop(em, out, q, 0, q->anchor_count));
    qr_buf_addz(out, ")");
    for (size_t k = q->anchor_count; k < q->branch_count; k++) {
        qr_buf_addz(out, " UNION ALL ");
        QR_TRY(emit_member(em, out, q, q->branches[k]));
    }
    return QR_OK;
}

/* How many queries q's text expands to in SQLite, which copies a WITH term for each use. */
static uint32_t weight_of(struct qri_query *q)
{
    enum { FAR_TOO_MANY = 1u << 20 };
    if (q->weight != 0)
        return q->weight;
    uint32_t weight = 1;
    for (size_t i = 0; q->kind == QRI_QUERY_SELECT && q->scope != NULL && i < q->scope->count;
         i++) {
        const struct qri_source *s = q->scope->items[i];
        if (s->kind == QRI_SOURCE_QUERY && weight < FAR_TOO_MANY)
            weight += weight_of(s->query);
    }
    for (size_t i = 0; i < q->branch_count && weight < FAR_TOO_MANY; i++)
        weight += weight_of(q->branches[i]);
    q->weight = weight;
    return weight;
}

/* A term used twice is computed once, unless conditions on it had better reach the tables inside.
 */
static bool is_better_inlined(struct qri_query *q)
{
    return weight_of(q) <= 8 && !q->is_driver && q->kind == QRI_QUERY_SELECT && !q->is_grouped &&
           !q->distinct && !q->has_window && q->top.amount == NULL && q->offset == NULL &&
           q->for_inner == NULL && q->set_count == 0;
}

static enum qr_status emit_term(struct qri_emit *em, struct qr_buf *term, struct qri_query *q)
{
    struct qri_emit_args *args = em->args;
    unsigned level = em->level;
    em->level = 0;
    em->args = NULL; /* it names nothing around it: of a plan for APPLY all columns are its own */
    qr_buf_printf(term, "w%u(", (unsigned)q->with_id);
    for (size_t i = 0; i < q->out_count; i++)
        qr_buf_printf(term, "%sk%zu", i == 0 ? "" : ", ", i + 1);
    qr_buf_addz(term, q->is_recursive ? ", kd)" : ")");
    qr_buf_addz(term, is_better_inlined(q) ? " AS NOT MATERIALIZED (" : " AS (");
    QR_TRY(q->is_recursive ? emit_recursion(em, term, q)
                           : qri_emit_query(em, term, q, QRI_FORM_PLAIN));
    qr_buf_addz(term, ")");
    em->level = level;
    em->args = args;
    return QR_OK;
}

enum qr_status qri_emit_with(struct qri_emit *em, struct qri_query *q)
{
    if (q->with_id != 0 && q->with_text == em->text)
        return QR_OK;
    if (weight_of(q) > QRI_QUERIES_MAX)
        return qr_sql_fail(em->c->err, 8623);
    unsigned depth = em->depth;
    bool conditional = em->conditional;
    const struct qri_grouping *set = em->set;
    em->set = NULL;
    em->conditional = false;
    q->with_id = ++em->c->next_with;
    q->with_text = em->text;
    struct qr_buf term;
    qr_buf_init(&term, QRI_TEXT_BYTES_MAX);
    enum qr_status status = emit_term(em, &term, q);
    if (status == QR_OK)
        status = qr_buf_status(&term, em->c->err);
    if (status == QR_OK) {
        qr_buf_addz(&em->with, em->with.len == 0 ? "" : ", ");
        qr_buf_add(&em->with, term.data, term.len);
    }
    qr_buf_done(&term);
    em->depth = depth;
    em->conditional = conditional;
    em->set = set;
    return status;
}
