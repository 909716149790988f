/* parse_select.c - one SELECT: its list, TOP, GROUP BY, WINDOW; see parse_int.h */
#include "parse_int.h"
#include "base/banned.h"

struct qr_ast_top *qri_p_top(struct qri_parser *p)
{
    if (!qri_p_accept(p, KW_TOP))
        return NULL;
    struct qr_ast_top *top = qri_p_alloc(p, sizeof *top);
    if (qri_p_accept_sym(p, '(')) {
        top->amount = qri_p_at(p, KW_SELECT) ? NULL : qri_p_scalar(p);
        if (top->amount == NULL) {
            struct qr_ast_subquery *sub = qri_p_expr(p, sizeof *sub, QR_AE_SUBQUERY, qri_p_pos(p));
            sub->query = qri_p_query(p);
            top->amount = &sub->head;
        }
        qri_p_expect_sym(p, ')');
    } else {
        top->amount = qri_p_simple_value(p);
    }
    top->percent = qri_p_accept(p, KW_PERCENT);
    top->with_ties = qri_p_accept2(p, KW_WITH, KW_TIES);
    return top;
}

static bool at_bare_alias(struct qri_parser *p)
{
    return (qri_p_is_ident(p, &p->tok) || qri_p_is_string(p, &p->tok)) &&
           !qri_p_peek_sym(p, 1, ':');
}

static void select_item(struct qri_parser *p, struct qr_ast_select_item *item)
{
    item->pos = qri_p_pos(p);
    if (qri_p_at_variable(p) && !qri_p_peek_sym(p, 1, '.')) {
        struct qri_place place;
        qri_p_mark(p, &place);
        struct qr_str name = qri_p_variable(p);
        if (qri_p_assign_op(p, &item->assign)) {
            item->variable = name;
            item->expr = qri_p_scalar(p);
            return;
        }
        qri_p_rewind(p, &place);
    }
    if (qri_p_at_sym(p, '*')) {
        item->expr = qri_p_expr(p, sizeof(struct qr_ast_star), QR_AE_STAR, qri_p_pos(p));
        qri_p_advance(p);
        return;
    }
    bool named = qri_p_is_ident(p, &p->tok) || qri_p_is_string(p, &p->tok);
    if (named && qri_p_peek_sym(p, 1, '=')) {
        item->alias = qri_p_ident_or_string(p);
        qri_p_advance(p);
        item->expr = qri_p_scalar(p);
        return;
    }
    item->expr = qri_p_scalar(p);
    if (qri_p_accept(p, KW_AS))
        item->alias = qri_p_ident_or_string(p);
    else if (at_bare_alias(p))
        item->alias = qri_p_ident_or_string(p);
}

void qri_p_select_items(struct qri_parser *p, struct qr_ast_select_items *items)
{
    do {
        struct qr_ast_select_item item = {0};
        select_item(p, &item);
        *(struct qr_ast_select_item *)qri_p_push(p, &items->items, &items->count, sizeof item) =
            item;
    } while (qri_p_accept_sym(p, ','));
}

/* ---- GROUP BY ---- */

static void group_item(struct qri_parser *p, struct qr_ast_group_item *item);

static void group_subs(struct qri_parser *p, struct qr_ast_group_item *item)
{
    qri_p_expect_sym(p, '(');
    do {
        struct qr_ast_group_item sub = {0};
        group_item(p, &sub);
        *(struct qr_ast_group_item *)qri_p_push(p, &item->subs, &item->sub_count, sizeof sub) = sub;
    } while (qri_p_accept_sym(p, ','));
    qri_p_expect_sym(p, ')');
}

/* () and (a, b); (a) alone is an expression, and so is (a + b) * c. */
static bool composite(struct qri_parser *p, struct qr_ast_group_item *item)
{
    struct qri_place place;
    qri_p_mark(p, &place);
    qri_p_expect_sym(p, '(');
    item->kind = QR_GROUP_COMPOSITE;
    if (qri_p_accept_sym(p, ')'))
        return true;
    if (!qri_p_at(p, KW_SELECT)) {
        qri_p_scalar_list(p, &item->exprs);
        if (item->exprs.count > 1) {
            qri_p_expect_sym(p, ')');
            return true;
        }
    }
    item->exprs = (struct qr_ast_exprs){0};
    qri_p_rewind(p, &place);
    return false;
}

static void group_item(struct qri_parser *p, struct qr_ast_group_item *item)
{
    qri_p_enter(p);
    item->pos = qri_p_pos(p);
    if ((qri_p_at(p, KW_ROLLUP) || qri_p_at(p, KW_CUBE)) && qri_p_peek_sym(p, 1, '(')) {
        item->kind = qri_p_at(p, KW_ROLLUP) ? QR_GROUP_ROLLUP : QR_GROUP_CUBE;
        qri_p_advance(p);
        group_subs(p, item);
    } else if (qri_p_accept2(p, KW_GROUPING, KW_SETS)) {
        item->kind = QR_GROUP_SETS;
        group_subs(p, item);
    } else if (!qri_p_at_sym(p, '(') || !composite(p, item)) {
        item->kind = QR_GROUP_EXPR;
        struct qr_ast_expr *expr = qri_p_scalar(p);
        qri_p_push_ptr(p, &item->exprs.items, &item->exprs.count, expr);
    }
    qri_p_leave(p);
}

static void group_by(struct qri_parser *p, struct qr_ast_group *group)
{
    qri_p_expect(p, KW_BY);
    group->all = qri_p_accept(p, KW_ALL);
    do {
        struct qr_ast_group_item item = {0};
        group_item(p, &item);
        *(struct qr_ast_group_item *)qri_p_push(p, &group->items, &group->count, sizeof item) =
            item;
    } while (qri_p_accept_sym(p, ','));
    if (qri_p_accept2(p, KW_WITH, KW_ROLLUP))
        group->with_rollup = true;
    else if (qri_p_accept2(p, KW_WITH, KW_CUBE))
        group->with_cube = true;
}

static void named_windows(struct qri_parser *p, struct qr_ast_select *select)
{
    do {
        struct qr_ast_named_window *window =
            qri_p_push(p, &select->windows, &select->window_count, sizeof *window);
        struct qr_ast_ident name = qri_p_ident(p);
        qri_p_expect(p, KW_AS);
        struct qr_ast_window *body = qri_p_window_body(p);
        window->name = name;
        window->window = body;
    } while (qri_p_accept_sym(p, ','));
}

struct qr_ast_query *qri_p_select(struct qri_parser *p)
{
    struct qr_ast_select *select = qri_p_alloc(p, sizeof *select);
    select->head.kind = QR_AQ_SELECT;
    select->head.pos = qri_p_pos(p);
    qri_p_expect(p, KW_SELECT);
    if (qri_p_accept(p, KW_DISTINCT))
        select->distinct = true;
    else
        qri_p_accept(p, KW_ALL);
    select->top = qri_p_top(p);
    qri_p_select_items(p, &select->items);
    if (qri_p_accept(p, KW_INTO)) {
        select->into = qri_p_name(p, 4);
        qri_p_note_temp(p, &select->into);
        if (qri_p_accept(p, KW_ON))
            select->into_filegroup = qri_p_ident_or_string(p);
    }
    if (qri_p_accept(p, KW_FROM))
        qri_p_from(p, &select->from);
    if (qri_p_accept(p, KW_WHERE))
        select->where = qri_p_condition(p);
    if (qri_p_accept(p, KW_GROUP))
        group_by(p, &select->group_by);
    if (qri_p_accept(p, KW_HAVING))
        select->having = qri_p_condition(p);
    if (qri_p_at(p, KW_WINDOW) && qri_p_peek_at(p, 2, KW_AS) && qri_p_accept(p, KW_WINDOW))
        named_windows(p, select);
    select->head.text = qri_p_text_from(p, select->head.pos.offset);
    return &select->head;
}
