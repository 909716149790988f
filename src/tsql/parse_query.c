/* parse_query.c - query expressions, WITH, ORDER BY, FOR, OPTION; see parse_int.h */
#include "parse_int.h"
#include "base/banned.h"

bool qri_p_at_query(struct qri_parser *p)
{
    if (!qri_p_at_sym(p, '('))
        return qri_p_at(p, KW_SELECT);
    struct qri_place place;
    qri_p_mark(p, &place);
    for (uint32_t i = 0; qri_p_at_sym(p, '('); i++) {
        if (i == QR_TSQL_DEPTH_MAX)
            qri_p_fail(p, &p->tok, 191);
        qri_p_advance(p);
    }
    bool query = qri_p_at(p, KW_SELECT);
    qri_p_rewind(p, &place);
    return query;
}

bool qri_p_at_setop(const struct qri_parser *p)
{
    return qri_p_at(p, KW_UNION) || qri_p_at(p, KW_EXCEPT) || qri_p_at(p, KW_INTERSECT);
}

/* ---- set operations ---- */

static struct qr_ast_query *parse_branch(struct qri_parser *p)
{
    if (!qri_p_accept_sym(p, '('))
        return qri_p_select(p);
    struct qr_ast_query *query = qri_p_query(p);
    qri_p_expect_sym(p, ')');
    return query;
}

static bool setop(struct qri_parser *p, bool intersect, uint8_t *ret_op)
{
    if (intersect) {
        *ret_op = QR_SETOP_INTERSECT;
        return qri_p_accept(p, KW_INTERSECT);
    }
    if (qri_p_accept(p, KW_UNION)) {
        *ret_op = qri_p_accept(p, KW_ALL) ? QR_SETOP_UNION_ALL : QR_SETOP_UNION;
        return true;
    }
    *ret_op = QR_SETOP_EXCEPT;
    return qri_p_accept(p, KW_EXCEPT);
}

/* `first` is NULL unless it was read already. */
static struct qr_ast_query *parse_set(struct qri_parser *p, bool intersect,
                                      struct qr_ast_query *first, struct qr_ast_pos pos)
{
    if (!intersect)
        first = parse_set(p, true, first, pos);
    else if (first == NULL)
        first = parse_branch(p);
    uint8_t op;
    if (!setop(p, intersect, &op))
        return first;
    struct qr_ast_setop *node = qri_p_alloc(p, sizeof *node);
    node->head.kind = QR_AQ_SETOP;
    node->head.pos = pos;
    size_t op_count = 0;
    qri_p_push_ptr(p, &node->branches, &node->count, first);
    do {
        *(uint8_t *)qri_p_push(p, &node->ops, &op_count, 1) = op;
        struct qr_ast_query *next =
            intersect ? parse_branch(p) : parse_set(p, true, NULL, qri_p_pos(p));
        qri_p_push_ptr(p, &node->branches, &node->count, next);
    } while (setop(p, intersect, &op));
    node->head.text = qri_p_text_from(p, pos.offset);
    return &node->head;
}

/* ---- ORDER BY, OFFSET, FOR ---- */

void qri_p_order_by(struct qri_parser *p, struct qr_ast_order *order)
{
    do {
        struct qr_ast_order_item item = {.expr = qri_p_scalar(p)};
        item.explicit_direction = qri_p_at(p, KW_ASC) || qri_p_at(p, KW_DESC);
        item.descending = qri_p_at(p, KW_DESC);
        if (item.explicit_direction)
            qri_p_advance(p);
        *(struct qr_ast_order_item *)qri_p_push(p, &order->items, &order->count, sizeof item) =
            item;
    } while (qri_p_accept_sym(p, ','));
}

static void row_word(struct qri_parser *p)
{
    if (!qri_p_accept(p, KW_ROW))
        qri_p_expect(p, KW_ROWS);
}

static void offset_fetch(struct qri_parser *p, struct qr_ast_query *query)
{
    if (!qri_p_accept(p, KW_OFFSET))
        return;
    query->offset = qri_p_scalar(p);
    row_word(p);
    if (!qri_p_at(p, KW_FETCH) ||
        (!qri_p_peek_at(p, 1, KW_NEXT) && !qri_p_peek_at(p, 1, KW_FIRST)) ||
        qri_p_peek_at(p, 2, KW_FROM))
        return;
    qri_p_advance(p);
    qri_p_advance(p);
    query->fetch = qri_p_scalar(p);
    row_word(p);
    qri_p_expect(p, KW_ONLY);
}

static struct qr_str one_word(struct qri_parser *p)
{
    if (p->tok.kind != TOK_IDENT)
        qri_p_syntax(p);
    struct qr_str word = qri_p_upper(p, qri_token_str(p, &p->tok));
    qri_p_advance(p);
    return word;
}

static struct qr_str paren_string(struct qri_parser *p)
{
    qri_p_expect_sym(p, '(');
    if (!qri_p_is_string(p, &p->tok))
        qri_p_syntax(p);
    struct qr_str text = qri_token_str(p, &p->tok);
    qri_p_advance(p);
    qri_p_expect_sym(p, ')');
    return text;
}

static void for_option(struct qri_parser *p, struct qr_ast_options *options)
{
    struct qr_ast_option *option =
        qri_p_push(p, &options->items, &options->count, sizeof *options->items);
    option->pos = qri_p_pos(p);
    option->name = one_word(p);
    if (qr_str_ieqz(option->name, "BINARY")) {
        qri_p_expect(p, KW_BASE64);
        option->name = qr_str("BINARY BASE64");
    } else if (qr_str_ieqz(option->name, "ELEMENTS") &&
               (qri_p_at_word(p, "XSINIL") || qri_p_at(p, KW_ABSENT))) {
        option->word = one_word(p);
    } else if (qri_p_at_sym(p, '(')) {
        qri_p_advance(p);
        if (!qri_p_is_string(p, &p->tok))
            qri_p_syntax(p);
        option->value = qri_p_literal(p);
        qri_p_expect_sym(p, ')');
    }
    option->text = qri_p_text_from(p, option->pos.offset);
}

void qri_p_for_clause(struct qri_parser *p, struct qr_ast_query *query)
{
    if (!qri_p_at(p, KW_FOR))
        return;
    bool xml = qri_p_peek_at(p, 1, KW_XML), json = qri_p_peek_at(p, 1, KW_JSON);
    if (!xml && !json && !qri_p_peek_at(p, 1, KW_BROWSE))
        return;
    struct qr_ast_for *node = qri_p_alloc(p, sizeof *node);
    node->pos = qri_p_pos(p);
    node->kind = xml ? QR_FOR_XML : json ? QR_FOR_JSON : QR_FOR_BROWSE;
    qri_p_advance(p);
    qri_p_advance(p);
    query->for_clause = node;
    if (node->kind == QR_FOR_BROWSE)
        return;
    node->mode = one_word(p);
    node->has_element = qri_p_at_sym(p, '(');
    if (node->has_element)
        node->element = paren_string(p);
    while (qri_p_accept_sym(p, ','))
        for_option(p, &node->options);
}

static struct qr_ast_query *finish_query(struct qri_parser *p, struct qr_ast_query *query,
                                         struct qr_ast_pos pos)
{
    bool ordered = qri_p_at(p, KW_ORDER);
    if (ordered || qri_p_at(p, KW_FOR)) {
        /* A parenthesised branch alone may have an ORDER BY of its own: keep it apart. */
        if (ordered && query->order_by.count > 0)
            qri_p_syntax(p);
        if (qri_p_accept(p, KW_ORDER)) {
            qri_p_expect(p, KW_BY);
            qri_p_order_by(p, &query->order_by);
            offset_fetch(p, query);
        }
        qri_p_for_clause(p, query);
    }
    query->text = qri_p_text_from(p, pos.offset);
    return query;
}

struct qr_ast_query *qri_p_query(struct qri_parser *p)
{
    qri_p_enter(p);
    struct qr_ast_pos pos = qri_p_pos(p);
    struct qr_ast_query *query = finish_query(p, parse_set(p, false, NULL, pos), pos);
    qri_p_leave(p);
    return query;
}

struct qr_ast_query *qri_p_query_rest(struct qri_parser *p, struct qr_ast_query *first,
                                      struct qr_ast_pos pos)
{
    qri_p_enter(p);
    struct qr_ast_query *query = finish_query(p, parse_set(p, false, first, pos), pos);
    qri_p_leave(p);
    return query;
}

/* ---- WITH ---- */

static void xml_namespaces(struct qri_parser *p, struct qr_ast_with *with)
{
    qri_p_expect_sym(p, '(');
    do {
        struct qr_ast_xml_namespace *item =
            qri_p_push(p, &with->namespaces, &with->namespace_count, sizeof *item);
        bool is_default = qri_p_accept(p, KW_DEFAULT);
        if (!qri_p_is_string(p, &p->tok))
            qri_p_syntax(p);
        item->uri = qri_token_str(p, &p->tok);
        qri_p_advance(p);
        if (!is_default) {
            qri_p_expect(p, KW_AS);
            item->prefix = qri_p_ident(p);
        }
    } while (qri_p_accept_sym(p, ','));
    qri_p_expect_sym(p, ')');
}

struct qr_ast_with *qri_p_with(struct qri_parser *p)
{
    struct qr_ast_with *with = qri_p_alloc(p, sizeof *with);
    do {
        if (qri_p_at(p, KW_XMLNAMESPACES) && qri_p_peek_sym(p, 1, '(')) {
            qri_p_advance(p);
            xml_namespaces(p, with);
            continue;
        }
        struct qr_ast_cte cte = {.pos = qri_p_pos(p)};
        cte.name = qri_p_ident(p);
        if (qri_p_at_sym(p, '('))
            cte.columns = qri_p_ident_list(p);
        qri_p_expect(p, KW_AS);
        qri_p_expect_sym(p, '(');
        cte.query = qri_p_query(p);
        qri_p_expect_sym(p, ')');
        *(struct qr_ast_cte *)qri_p_push(p, &with->ctes, &with->count, sizeof cte) = cte;
    } while (qri_p_accept_sym(p, ','));
    return with;
}
