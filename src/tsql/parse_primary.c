/* parse_primary.c - constants, columns, variables, parentheses, CASE; see parse_int.h */
#include "parse_int.h"
#include <string.h>
#include "base/banned.h"

static const enum qr_ast_literal_kind literal_of_token[] = {
    /* clang-format off */
    [TOK_INT - TOK_INT]     = QR_LIT_INT,    [TOK_NUMERIC - TOK_INT] = QR_LIT_NUMERIC,
    [TOK_FLOAT - TOK_INT]   = QR_LIT_FLOAT,  [TOK_MONEY - TOK_INT]   = QR_LIT_MONEY,
    [TOK_STRING - TOK_INT]  = QR_LIT_STRING, [TOK_NSTRING - TOK_INT] = QR_LIT_NSTRING,
    [TOK_BINARY - TOK_INT]  = QR_LIT_BINARY,
    /* clang-format on */
};

bool qri_p_at_constant(const struct qri_parser *p)
{
    return (p->tok.kind >= TOK_INT && p->tok.kind <= TOK_BINARY) || qri_p_is_string(p, &p->tok) ||
           p->tok.keyword == KW_NULL;
}

struct qr_ast_expr *qri_p_word_literal(struct qri_parser *p, enum qr_ast_literal_kind kind)
{
    struct qr_ast_literal *literal = qri_p_expr(p, sizeof *literal, QR_AE_LITERAL, qri_p_pos(p));
    literal->literal = kind;
    literal->ordinal = QR_LIT_NO_ORDINAL;
    qri_p_advance(p);
    return &literal->head;
}

struct qr_ast_expr *qri_p_literal(struct qri_parser *p)
{
    if (qri_p_at(p, KW_NULL))
        return qri_p_word_literal(p, QR_LIT_NULL);
    struct qr_ast_literal *literal = qri_p_expr(p, sizeof *literal, QR_AE_LITERAL, qri_p_pos(p));
    literal->literal =
        p->tok.kind == TOK_DQUOTE ? QR_LIT_STRING : literal_of_token[p->tok.kind - TOK_INT];
    literal->ordinal = p->tok.ordinal;
    literal->text = qri_token_str(p, &p->tok);
    qri_p_advance(p);
    return &literal->head;
}

struct qr_ast_expr *qri_p_variable_expr(struct qri_parser *p)
{
    bool global = p->tok.kind == TOK_GLOBAL;
    struct qr_ast_variable *variable =
        qri_p_expr(p, sizeof *variable, global ? QR_AE_GLOBAL : QR_AE_VARIABLE, qri_p_pos(p));
    variable->name = qri_p_used(p);
    return &variable->head;
}

static struct qr_ast_expr *unary(struct qri_parser *p, enum qr_ast_unary_op op)
{
    struct qr_ast_unary *node = qri_p_expr(p, sizeof *node, QR_AE_UNARY, qri_p_pos(p));
    node->op = op;
    qri_p_advance(p);
    return &node->head;
}

struct qr_ast_expr *qri_p_simple_value(struct qri_parser *p)
{
    if (qri_p_at_sym(p, '-') || qri_p_at_sym(p, '+')) {
        struct qr_ast_expr *node = unary(p, qri_p_at_sym(p, '-') ? QR_UNARY_MINUS : QR_UNARY_PLUS);
        if (!qri_p_at_constant(p))
            qri_p_syntax(p);
        ((struct qr_ast_unary *)node)->operand = qri_p_literal(p);
        return node;
    }
    if (qri_p_at_variable(p))
        return qri_p_variable_expr(p);
    if (!qri_p_at_constant(p))
        qri_p_syntax(p);
    return qri_p_literal(p);
}

static struct qr_ast_expr *parse_case(struct qri_parser *p)
{
    struct qr_ast_case *node = qri_p_expr(p, sizeof *node, QR_AE_CASE, qri_p_pos(p));
    qri_p_expect(p, KW_CASE);
    if (!qri_p_at(p, KW_WHEN))
        node->operand = qri_p_scalar(p);
    do {
        qri_p_expect(p, KW_WHEN);
        struct qr_ast_when when;
        when.when = node->operand != NULL ? qri_p_scalar(p) : qri_p_condition(p);
        qri_p_expect(p, KW_THEN);
        when.then = qri_p_scalar(p);
        *(struct qr_ast_when *)qri_p_push(p, &node->whens, &node->count, sizeof when) = when;
    } while (qri_p_at(p, KW_WHEN));
    if (qri_p_accept(p, KW_ELSE))
        node->otherwise = qri_p_scalar(p);
    qri_p_expect(p, KW_END);
    return &node->head;
}

static struct qr_ast_expr *subquery_node(struct qri_parser *p, enum qr_ast_expr_kind kind,
                                         struct qr_ast_pos pos, struct qr_ast_query *query)
{
    struct qr_ast_subquery *node = qri_p_expr(p, sizeof *node, kind, pos);
    node->query = query;
    return &node->head;
}

/* (query) or (value) or (condition). ((SELECT ...) UNION ...) shows itself only behind its first
 * inner parenthesis: then what was read as a scalar subquery becomes the first branch. */
static struct qr_ast_expr *parse_paren(struct qri_parser *p, bool condition_allowed)
{
    struct qr_ast_pos pos = qri_p_pos(p);
    struct qr_ast_expr *expr;
    qri_p_expect_sym(p, '(');
    if (qri_p_at(p, KW_SELECT)) {
        expr = subquery_node(p, QR_AE_SUBQUERY, pos, qri_p_query(p));
    } else {
        expr = condition_allowed ? qri_p_any_expr(p) : qri_p_scalar(p);
        if (expr->kind == QR_AE_SUBQUERY && qri_p_at_setop(p))
            expr = subquery_node(p, QR_AE_SUBQUERY, pos,
                                 qri_p_query_rest(p, ((struct qr_ast_subquery *)expr)->query, pos));
    }
    qri_p_expect_sym(p, ')');
    return expr;
}

static struct qr_ast_expr *parse_exists(struct qri_parser *p)
{
    struct qr_ast_pos pos = qri_p_pos(p);
    qri_p_expect(p, KW_EXISTS);
    qri_p_expect_sym(p, '(');
    struct qr_ast_query *query = qri_p_query(p);
    qri_p_expect_sym(p, ')');
    return subquery_node(p, QR_AE_EXISTS, pos, query);
}

static struct qr_ast_expr *pseudo(struct qri_parser *p, struct qr_ast_name qualifier)
{
    struct qr_ast_pseudo *node = qri_p_expr(p, sizeof *node, QR_AE_PSEUDO, qri_p_pos(p));
    node->qualifier = qualifier;
    node->name = qri_p_upper(p, qri_token_str(p, &p->tok));
    qri_p_advance(p);
    return &node->head;
}

/* $PARTITION.f(x), db.$PARTITION.f(x): a call whose name begins with $PARTITION. */
static struct qr_ast_expr *parse_pseudo(struct qri_parser *p)
{
    struct qr_ast_pos pos = qri_p_pos(p);
    struct qr_ast_expr *node = pseudo(p, (struct qr_ast_name){0});
    if (!qri_p_accept_sym(p, '.'))
        return node;
    struct qr_ast_name name = {.pos = pos, .count = 2};
    name.parts = qri_p_alloc(p, 2 * sizeof *name.parts);
    name.parts[0].text = ((struct qr_ast_pseudo *)node)->name;
    name.parts[1] = qri_p_ident(p);
    return qri_p_call(p, name);
}

static struct qr_ast_expr *special_column(struct qri_parser *p, struct qr_ast_name qualifier,
                                          const char *name)
{
    struct qr_ast_pseudo *node = qri_p_expr(p, sizeof *node, QR_AE_PSEUDO, qri_p_pos(p));
    node->qualifier = qualifier;
    node->name = qr_str(name);
    qri_p_advance(p);
    return &node->head;
}

/* type::Method(...) */
static struct qr_ast_expr *static_method(struct qri_parser *p, struct qr_ast_name type)
{
    struct qr_ast_method *node = qri_p_expr(p, sizeof *node, QR_AE_METHOD, type.pos);
    qri_p_expect_sym(p, TOK_COLONS);
    node->static_type = type;
    node->method = qri_p_ident(p);
    node->property = !qri_p_accept_sym(p, '(');
    if (!node->property && !qri_p_accept_sym(p, ')')) {
        qri_p_scalar_list(p, &node->args);
        qri_p_expect_sym(p, ')');
    }
    return &node->head;
}

/* Column, function call, t.*, t.$identity, type::Method: whatever begins with a name. */
static struct qr_ast_expr *parse_named(struct qri_parser *p)
{
    struct qr_ast_ident parts[5];
    struct qr_ast_name name = {.pos = qri_p_pos(p), .parts = parts};
    struct qri_token first = p->tok;
    for (;;) {
        if (name.count == 5)
            qri_p_fail_str(p, &first, 4104, qri_p_text_from(p, first.begin));
        if (qri_p_at_sym(p, '.'))
            parts[name.count++] = (struct qr_ast_ident){{"", 0}, false};
        else
            parts[name.count++] = qri_p_ident(p);
        if (!qri_p_at_sym(p, '.'))
            break;
        uint16_t next = qri_p_peek(p, 1)->kind;
        uint16_t keyword = qri_p_peek(p, 1)->keyword;
        qri_p_advance(p);
        if (next == '*' || next == TOK_PSEUDO || keyword == KW_IDENTITYCOL ||
            keyword == KW_ROWGUIDCOL)
            break;
    }
    name.parts = qri_p_alloc(p, name.count * sizeof *name.parts);
    memcpy(name.parts, parts, name.count * sizeof *name.parts);
    if (p->last.kind == '.') {
        if (p->tok.kind == TOK_PSEUDO)
            return pseudo(p, name);
        if (!qri_p_at_sym(p, '*'))
            return special_column(p, name, qri_p_at(p, KW_IDENTITYCOL) ? "$IDENTITY" : "$ROWGUID");
        struct qr_ast_star *star = qri_p_expr(p, sizeof *star, QR_AE_STAR, name.pos);
        star->qualifier = name;
        qri_p_advance(p);
        return &star->head;
    }
    if (qri_p_at_sym(p, '('))
        return qri_p_call(p, name);
    if (qri_p_at_sym(p, TOK_COLONS))
        return static_method(p, name);
    struct qr_ast_column *column = qri_p_expr(p, sizeof *column, QR_AE_COLUMN, name.pos);
    column->name = name;
    return &column->head;
}

static struct qr_ast_expr *parse_next_value(struct qri_parser *p)
{
    struct qr_ast_next_value *node = qri_p_expr(p, sizeof *node, QR_AE_NEXT_VALUE, qri_p_pos(p));
    qri_p_advance(p);
    qri_p_advance(p);
    qri_p_expect(p, KW_FOR);
    node->sequence = qri_p_name(p, 3);
    if (qri_p_accept(p, KW_OVER))
        node->over = qri_p_over(p);
    return &node->head;
}

static struct qr_ast_expr *parse_atom(struct qri_parser *p, bool condition_allowed)
{
    if (qri_p_at_constant(p))
        return qri_p_literal(p);
    if (qri_p_at_variable(p))
        return qri_p_variable_expr(p);
    if (qri_p_at_sym(p, '('))
        return parse_paren(p, condition_allowed);
    if (qri_p_at_sym(p, '{'))
        return qri_p_odbc_escape(p);
    if (p->tok.kind == TOK_PSEUDO)
        return parse_pseudo(p);
    if (qri_p_at(p, KW_CASE))
        return parse_case(p);
    if (qri_p_at(p, KW_NEXT) && qri_p_peek_at(p, 1, KW_VALUE))
        return parse_next_value(p);
    if (qri_p_at(p, KW_EXISTS) && condition_allowed)
        return parse_exists(p);
    if (qri_p_at(p, KW_IDENTITYCOL) || qri_p_at(p, KW_ROWGUIDCOL))
        return special_column(p, (struct qr_ast_name){0},
                              qri_p_at(p, KW_IDENTITYCOL) ? "$IDENTITY" : "$ROWGUID");
    if (qri_p_at(p, KW_REGEXP_LIKE) && qri_p_peek_sym(p, 1, '(') && !condition_allowed)
        qri_p_fail_str(p, &p->tok, 156, qr_str("REGEXP_LIKE"));
    struct qr_ast_expr *call = qri_p_special_call(p);
    if (call == NULL)
        call = parse_named(p);
    if (qr_ast_is_condition(call) && !condition_allowed)
        qri_p_syntax(p);
    return call;
}

/* .method(...) and .property behind a value. A column's methods were read as its name's last
 * parts and are told apart by the binder; those with '(' came out as a call. */
static struct qr_ast_expr *parse_method(struct qri_parser *p, struct qr_ast_expr *object)
{
    struct qr_ast_method *node = qri_p_expr(p, sizeof *node, QR_AE_METHOD, object->pos);
    qri_p_expect_sym(p, '.');
    node->object = object;
    node->method = qri_p_ident(p);
    node->property = !qri_p_accept_sym(p, '(');
    if (!node->property && !qri_p_accept_sym(p, ')')) {
        qri_p_scalar_list(p, &node->args);
        qri_p_expect_sym(p, ')');
    }
    return &node->head;
}

static bool at_time_zone(struct qri_parser *p)
{
    return qri_p_at(p, KW_AT) && qri_p_peek_at(p, 1, KW_TIME) && qri_p_peek_at(p, 2, KW_ZONE);
}

enum { POSTFIX_MAX = 8 }; /* each nests around the one before */

/* COLLATE, AT TIME ZONE, .method() */
static struct qr_ast_expr *parse_postfix(struct qri_parser *p, struct qr_ast_expr *expr, bool zone)
{
    uint32_t levels = 0;
    for (; !qr_ast_is_condition(expr); levels++) {
        if (qri_p_at(p, KW_COLLATE)) {
            qri_p_advance(p);
            struct qr_ast_collate *node = qri_p_expr(p, sizeof *node, QR_AE_COLLATE, expr->pos);
            node->operand = expr;
            node->collation = qri_p_ident(p);
            expr = &node->head;
        } else if (zone && at_time_zone(p)) {
            qri_p_advance(p);
            qri_p_advance(p);
            qri_p_advance(p);
            struct qr_ast_at_time_zone *node =
                qri_p_expr(p, sizeof *node, QR_AE_AT_TIME_ZONE, expr->pos);
            node->operand = expr;
            node->zone = qri_p_primary_no_zone(p);
            expr = &node->head;
        } else if (qri_p_at_sym(p, '.') && expr->kind != QR_AE_LITERAL) {
            expr = parse_method(p, expr);
        } else {
            break;
        }
        if (levels == POSTFIX_MAX)
            qri_p_fail(p, &p->tok, 191);
    }
    return expr;
}

static struct qr_ast_expr *parse_primary(struct qri_parser *p, bool condition_allowed, bool zone)
{
    static const struct {
        uint16_t kind;
        enum qr_ast_unary_op op;
    } signs[] = {{'-', QR_UNARY_MINUS}, {'+', QR_UNARY_PLUS}, {'~', QR_UNARY_BIT_NOT}};
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        if (qri_p_at_sym(p, signs[i].kind)) {
            qri_p_enter(p);
            struct qr_ast_expr *node = unary(p, signs[i].op);
            ((struct qr_ast_unary *)node)->operand = parse_primary(p, false, zone);
            qri_p_leave(p);
            return node;
        }
    }
    return parse_postfix(p, parse_atom(p, condition_allowed), zone);
}

struct qr_ast_expr *qri_p_primary(struct qri_parser *p, bool condition_allowed)
{
    return parse_primary(p, condition_allowed, true);
}

struct qr_ast_expr *qri_p_primary_no_zone(struct qri_parser *p)
{
    return parse_primary(p, false, false);
}
