/* emit.c - parameters, collations and the text as a whole; see emit_int.h */
#include "emit_int.h"

#include "base/banned.h"

void qri_emit_init(struct qri_emit *em, struct qri_compile *c)
{
    *em = (struct qri_emit){.c = c, .text = ++c->next_text};
    qr_buf_init(&em->with, QRI_TEXT_BYTES_MAX);
}

void qri_emit_done(struct qri_emit *em)
{
    qr_buf_done(&em->with);
}

enum qr_status qri_emit_enter(struct qri_emit *em, unsigned levels)
{
    if (em->level + levels > QRI_LEVEL_MAX)
        return qr_sql_fail(em->c->err, 8631);
    em->level += levels;
    return QR_OK;
}

enum qr_status qri_emit_finish(struct qri_emit *em, struct qr_buf *body,
                               struct qr_plan_sql *ret_sql)
{
    struct qri_compile *c = em->c;
    QR_TRY(qr_buf_status(&em->with, c->err));
    QR_TRY(qr_buf_status(body, c->err));
    const char *head = em->with.len == 0 ? "" : "WITH RECURSIVE ";
    const char *text =
        qr_arena_printf(c->arena, "%s%.*s%s%.*s", head, (int)em->with.len,
                        em->with.len == 0 ? "" : (const char *)em->with.data,
                        em->with.len == 0 ? "" : " ", (int)body->len, (const char *)body->data);
    if (text == NULL)
        return qri_nomem(c);
    ret_sql->text = qr_str(text);
    ret_sql->params = em->params;
    ret_sql->param_count = em->param_count;
    return QR_OK;
}

static bool same_program(const struct qr_plan_program *a, const struct qr_plan_program *b)
{
    return a == b || (a->input_count == b->input_count && qr_expr_equal(a->expr, b->expr));
}

static bool same_param(const struct qr_plan_param *a, const struct qr_plan_param *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case QR_PARAM_VAR:
    case QR_PARAM_ARG:
        return a->slot == b->slot;
    case QR_PARAM_EXPR:
        /* RAND() is one value a call: two calls are two parameters */
        return a->expr == b->expr ||
               (a->expr->volatility == QR_DETERMINISTIC && qr_expr_equal(a->expr, b->expr));
    case QR_PARAM_PROGRAM:
        return same_program(a->program, b->program);
    case QR_PARAM_AGG:
    case QR_PARAM_AGG_WINDOW:
        return a->agg == b->agg;
    case QR_PARAM_AGG_SORTED:
        return a->sorted == b->sorted;
    case QR_PARAM_ROWS:
        return a->rows == b->rows;
    case QR_PARAM_FOR:
        return a->for_call == b->for_call;
    case QR_PARAM_LOCK:
        return a->lock == b->lock;
    }
    return false;
}

/* Equal parameters share a number, so that equal expressions are equal texts: SQLite recognises
 * GROUP BY and ORDER BY expressions that way. Long lists of constants are not searched through. */
enum qr_status qri_emit_param(struct qri_emit *em, struct qr_buf *out,
                              const struct qr_plan_param *param)
{
    enum { SEARCH_MAX = 256 };
    size_t first = em->param_count > SEARCH_MAX ? em->param_count - SEARCH_MAX : 0;
    for (size_t i = first; i < em->param_count; i++)
        if (same_param(&em->params[i], param)) {
            qr_buf_printf(out, "?%zu", i + 1);
            return QR_OK;
        }
    if (em->param_count >= QRI_PARAMS_MAX)
        return qr_sql_fail(em->c->err, 8623);
    em->params = (struct qr_plan_param *)qr_arena_grow(em->c->arena, em->params, em->param_count,
                                                       &em->param_capacity, em->param_count + 1,
                                                       sizeof(struct qr_plan_param));
    if (em->params == NULL)
        return qri_nomem(em->c);
    em->params[em->param_count++] = *param;
    qr_buf_printf(out, "?%zu", em->param_count);
    return QR_OK;
}

/* An expression without leaves, as a parameter evaluated once. */
enum qr_status qri_emit_value(struct qri_emit *em, struct qr_buf *out, const struct qr_expr *expr)
{
    struct qr_plan_param param = {.type = expr->type};
    if (expr->kind == QR_EXPR_CONST && qr_value_is_null(&expr->u.value)) {
        qr_buf_addz(out, "NULL");
        return QR_OK;
    }
    if (expr->kind == QR_EXPR_VAR) {
        param.kind = QR_PARAM_VAR;
        param.slot = expr->u.index;
    } else {
        param.kind = QR_PARAM_EXPR;
        param.expr = expr;
    }
    return qri_emit_param(em, out, &param);
}

const char *qri_collate_name(const struct qr_type *type)
{
    if (qr_type_is_string(type) || type->id == QR_TYPE_XML)
        return type->id == QR_TYPE_XML ? NULL : qr_order_sqlite_name(qr_order_of(type));
    if (type->id == QR_TYPE_DATETIMEOFFSET)
        return "qr_dto";
    return type->id == QR_TYPE_SQL_VARIANT ? "qr_variant" : NULL;
}

void qri_emit_collate(struct qr_buf *out, const struct qr_type *type)
{
    const char *name = qri_collate_name(type);
    if (name != NULL)
        qr_buf_printf(out, " COLLATE %s", name);
}
