/* parse_expr.c - operators, by precedence climbing; see parse_int.h
 *
 * Conditions and values are different things in T-SQL, so each operator says which it takes. A
 * parenthesis where a condition may stand can hold either, and what follows it decides. */
#include "parse_int.h"
#include "base/banned.h"

enum level { /* T-SQL's precedence, loosest first */
             LEVEL_OR,
             LEVEL_AND,
             LEVEL_NOT,
             LEVEL_PREDICATE,
             LEVEL_ADD, /* + - & | ^ || and shifts */
             LEVEL_MUL,
};

static struct qr_ast_expr *parse_level(struct qri_parser *p, enum level level,
                                       bool condition_allowed);

static void need_scalar(struct qri_parser *p, const struct qr_ast_expr *expr)
{
    if (qr_ast_is_condition(expr))
        qri_p_syntax(p);
}

static void need_condition(struct qri_parser *p, const struct qr_ast_expr *expr)
{
    if (!qr_ast_is_condition(expr)) {
        const struct qri_token *token = p->tok.kind == TOK_END ? &p->last : &p->tok;
        qri_p_fail_str(p, token, 4145, qri_token_str(p, token));
    }
}

static const struct {
    uint16_t kind;
    uint8_t level;
    uint8_t op;
} arithmetic[] = {
    /* clang-format off */
    {'+', LEVEL_ADD, QR_AOP_ADD},     {'-', LEVEL_ADD, QR_AOP_SUB},
    {'&', LEVEL_ADD, QR_AOP_BIT_AND}, {'|', LEVEL_ADD, QR_AOP_BIT_OR},
    {'^', LEVEL_ADD, QR_AOP_BIT_XOR}, {TOK_CONCAT, LEVEL_ADD, QR_AOP_CONCAT},
    {TOK_SHIFT_LEFT, LEVEL_ADD, QR_AOP_SHIFT_LEFT}, {TOK_SHIFT_RIGHT, LEVEL_ADD, QR_AOP_SHIFT_RIGHT},
    {'*', LEVEL_MUL, QR_AOP_MUL},     {'/', LEVEL_MUL, QR_AOP_DIV},
    {'%', LEVEL_MUL, QR_AOP_MOD},
    /* clang-format on */
};

static bool arithmetic_op(const struct qri_parser *p, enum level level, uint8_t *ret_op)
{
    for (size_t i = 0; i < sizeof arithmetic / sizeof arithmetic[0]; i++) {
        if (arithmetic[i].kind == p->tok.kind && arithmetic[i].level == level) {
            *ret_op = arithmetic[i].op;
            return true;
        }
    }
    return false;
}

/* operand (op operand)*, all of one level, into one node. */
static struct qr_ast_expr *parse_chain(struct qri_parser *p, enum level level,
                                       bool condition_allowed)
{
    struct qr_ast_expr *first = level == LEVEL_ADD ? parse_chain(p, LEVEL_MUL, condition_allowed)
                                                   : qri_p_primary(p, condition_allowed);
    uint8_t op;
    if (!arithmetic_op(p, level, &op))
        return first;
    need_scalar(p, first);
    struct qr_ast_chain *chain = qri_p_expr(p, sizeof *chain, QR_AE_CHAIN, first->pos);
    size_t operand_count = 0, op_count = 0;
    qri_p_push_ptr(p, &chain->operands, &operand_count, first);
    do {
        qri_p_advance(p);
        *(uint8_t *)qri_p_push(p, &chain->ops, &op_count, 1) = op;
        struct qr_ast_expr *next =
            level == LEVEL_ADD ? parse_chain(p, LEVEL_MUL, false) : qri_p_primary(p, false);
        qri_p_push_ptr(p, &chain->operands, &operand_count, next);
    } while (arithmetic_op(p, level, &op));
    chain->count = (uint32_t)operand_count;
    return &chain->head;
}

/* ---- predicates ---- */

static const struct {
    uint16_t kind, next; /* next: the second character if a blank stands between, else 0 */
    uint8_t op;
} compares[] = {
    /* clang-format off */
    {'=', 0, QR_ACMP_EQ},          {TOK_NE, 0, QR_ACMP_NE},
    {TOK_LE, 0, QR_ACMP_LE},       {TOK_GE, 0, QR_ACMP_GE},
    {TOK_NOT_GT, 0, QR_ACMP_LE},   {TOK_NOT_LT, 0, QR_ACMP_GE},
    {'<', '>', QR_ACMP_NE},        {'<', '=', QR_ACMP_LE},
    {'>', '=', QR_ACMP_GE},        {'!', '=', QR_ACMP_NE},
    {'!', '<', QR_ACMP_GE},        {'!', '>', QR_ACMP_LE},
    {'<', 0, QR_ACMP_LT},          {'>', 0, QR_ACMP_GT},
    /* clang-format on */
};

/* Takes = <> < <= > >= != !< !>; *= and =* have their own error. */
static bool compare_op(struct qri_parser *p, enum qr_ast_compare_op *ret_op)
{
    uint16_t kind = p->tok.kind;
    if (kind == TOK_MUL_EQ || (kind == '=' && qri_p_peek_sym(p, 1, '*')))
        qri_p_fail(p, &p->tok, 4147);
    for (size_t i = 0; i < sizeof compares / sizeof compares[0]; i++) {
        if (compares[i].kind != kind ||
            (compares[i].next != 0 && !qri_p_peek_sym(p, 1, compares[i].next)))
            continue;
        *ret_op = (enum qr_ast_compare_op)compares[i].op;
        if (compares[i].next != 0)
            qri_p_advance(p);
        qri_p_advance(p);
        return true;
    }
    return false;
}

static struct qr_ast_query *paren_query(struct qri_parser *p)
{
    qri_p_expect_sym(p, '(');
    struct qr_ast_query *query = qri_p_query(p);
    qri_p_expect_sym(p, ')');
    return query;
}

static struct qr_ast_expr *parse_compare(struct qri_parser *p, struct qr_ast_expr *left,
                                         enum qr_ast_compare_op op)
{
    if (qri_p_at(p, KW_ALL) || qri_p_at(p, KW_ANY) || qri_p_at(p, KW_SOME)) {
        struct qr_ast_quantified *q = qri_p_expr(p, sizeof *q, QR_AE_QUANTIFIED, left->pos);
        q->op = op;
        q->all = qri_p_at(p, KW_ALL);
        q->operand = left;
        qri_p_advance(p);
        q->query = paren_query(p);
        return &q->head;
    }
    struct qr_ast_compare *compare = qri_p_expr(p, sizeof *compare, QR_AE_COMPARE, left->pos);
    compare->op = op;
    compare->left = left;
    compare->right = parse_level(p, LEVEL_ADD, false);
    return &compare->head;
}

static struct qr_ast_expr *parse_in(struct qri_parser *p, struct qr_ast_expr *left, bool negated)
{
    struct qr_ast_in *in = qri_p_expr(p, sizeof *in, QR_AE_IN, left->pos);
    in->operand = left;
    in->negated = negated;
    if (!qri_p_at_sym(p, '('))
        qri_p_syntax(p);
    if (qri_p_peek_at(p, 1, KW_SELECT)) {
        in->query = paren_query(p);
        return &in->head;
    }
    struct qr_ast_pos pos = qri_p_pos(p);
    qri_p_advance(p);
    qri_p_scalar_list(p, &in->list);
    if (in->list.count == 1 && in->list.items[0]->kind == QR_AE_SUBQUERY && qri_p_at_setop(p)) {
        in->query = qri_p_query_rest(p, ((struct qr_ast_subquery *)in->list.items[0])->query, pos);
        in->list.count = 0;
    }
    qri_p_expect_sym(p, ')');
    return &in->head;
}

static struct qr_ast_expr *parse_between(struct qri_parser *p, struct qr_ast_expr *left,
                                         bool negated)
{
    struct qr_ast_between *between = qri_p_expr(p, sizeof *between, QR_AE_BETWEEN, left->pos);
    between->operand = left;
    between->negated = negated;
    between->low = parse_level(p, LEVEL_ADD, false);
    qri_p_expect(p, KW_AND);
    between->high = parse_level(p, LEVEL_ADD, false);
    return &between->head;
}

static struct qr_ast_expr *parse_like(struct qri_parser *p, struct qr_ast_expr *left, bool negated)
{
    struct qr_ast_like *like = qri_p_expr(p, sizeof *like, QR_AE_LIKE, left->pos);
    like->operand = left;
    like->negated = negated;
    like->pattern = parse_level(p, LEVEL_ADD, false);
    if (qri_p_at_sym(p, '{') && qri_p_peek_at(p, 1, KW_ESCAPE)) {
        qri_p_advance(p);
        qri_p_advance(p);
        like->escape = parse_level(p, LEVEL_ADD, false);
        qri_p_expect_sym(p, '}');
    } else if (qri_p_accept(p, KW_ESCAPE)) {
        like->escape = parse_level(p, LEVEL_ADD, false);
    }
    return &like->head;
}

/* After IS. */
static struct qr_ast_expr *parse_is(struct qri_parser *p, struct qr_ast_expr *left)
{
    bool negated = qri_p_accept(p, KW_NOT);
    if (qri_p_accept(p, KW_DISTINCT)) {
        qri_p_expect(p, KW_FROM);
        struct qr_ast_distinct_from *d = qri_p_expr(p, sizeof *d, QR_AE_DISTINCT_FROM, left->pos);
        d->left = left;
        d->negated = negated;
        d->right = parse_level(p, LEVEL_ADD, false);
        return &d->head;
    }
    qri_p_expect(p, KW_NULL);
    struct qr_ast_is_null *is_null = qri_p_expr(p, sizeof *is_null, QR_AE_IS_NULL, left->pos);
    is_null->operand = left;
    is_null->negated = negated;
    return &is_null->head;
}

static bool at_negatable(const struct qri_token *token)
{
    return token->keyword == KW_IN || token->keyword == KW_BETWEEN || token->keyword == KW_LIKE;
}

static struct qr_ast_expr *parse_predicate(struct qri_parser *p, bool condition_allowed)
{
    struct qr_ast_expr *left = parse_chain(p, LEVEL_ADD, condition_allowed);
    if (qr_ast_is_condition(left))
        return left;
    enum qr_ast_compare_op op;
    if (compare_op(p, &op))
        return parse_compare(p, left, op);
    if (qri_p_accept(p, KW_IS))
        return parse_is(p, left);
    bool negated = qri_p_at(p, KW_NOT) && at_negatable(qri_p_peek(p, 1));
    if (negated)
        qri_p_advance(p);
    if (qri_p_accept(p, KW_IN))
        return parse_in(p, left, negated);
    if (qri_p_accept(p, KW_BETWEEN))
        return parse_between(p, left, negated);
    if (qri_p_accept(p, KW_LIKE))
        return parse_like(p, left, negated);
    return left;
}

static struct qr_ast_expr *parse_not(struct qri_parser *p)
{
    if (!qri_p_at(p, KW_NOT))
        return parse_predicate(p, true);
    qri_p_enter(p);
    struct qr_ast_not *not_node = qri_p_expr(p, sizeof *not_node, QR_AE_NOT, qri_p_pos(p));
    qri_p_advance(p);
    not_node->operand = parse_not(p);
    need_condition(p, not_node->operand);
    qri_p_leave(p);
    return &not_node->head;
}

static struct qr_ast_expr *parse_logical(struct qri_parser *p, enum level level)
{
    enum qri_keyword word = level == LEVEL_OR ? KW_OR : KW_AND;
    struct qr_ast_expr *first = level == LEVEL_OR ? parse_logical(p, LEVEL_AND) : parse_not(p);
    if (!qri_p_at(p, word))
        return first;
    need_condition(p, first);
    struct qr_ast_logical *logical = (struct qr_ast_logical *)first;
    if (first->kind != QR_AE_LOGICAL || logical->is_or != (level == LEVEL_OR)) {
        logical = qri_p_expr(p, sizeof *logical, QR_AE_LOGICAL, first->pos);
        logical->is_or = level == LEVEL_OR;
        qri_p_push_ptr(p, &logical->terms.items, &logical->terms.count, first);
    } /* else ((a OR b) OR c) OR d, as query generators write it, stays flat */
    struct qr_ast_exprs *terms = &logical->terms;
    while (qri_p_accept(p, word)) {
        struct qr_ast_expr *next = level == LEVEL_OR ? parse_logical(p, LEVEL_AND) : parse_not(p);
        need_condition(p, next);
        qri_p_push_ptr(p, &terms->items, &terms->count, next);
    }
    return &logical->head;
}

static struct qr_ast_expr *parse_level(struct qri_parser *p, enum level level,
                                       bool condition_allowed)
{
    qri_p_enter(p);
    struct qr_ast_expr *expr = level <= LEVEL_AND ? parse_logical(p, level)
                               : level <= LEVEL_PREDICATE
                                   ? parse_predicate(p, condition_allowed)
                                   : parse_chain(p, level, condition_allowed);
    if (!condition_allowed)
        need_scalar(p, expr);
    qri_p_leave(p);
    return expr;
}

struct qr_ast_expr *qri_p_scalar(struct qri_parser *p)
{
    return parse_level(p, LEVEL_ADD, false);
}

struct qr_ast_expr *qri_p_condition(struct qri_parser *p)
{
    struct qr_ast_expr *expr = parse_level(p, LEVEL_OR, true);
    need_condition(p, expr);
    return expr;
}

struct qr_ast_expr *qri_p_any_expr(struct qri_parser *p)
{
    return parse_level(p, LEVEL_OR, true);
}

void qri_p_scalar_list(struct qri_parser *p, struct qr_ast_exprs *list)
{
    do {
        struct qr_ast_expr *item = qri_p_scalar(p);
        qri_p_push_ptr(p, &list->items, &list->count, item);
    } while (qri_p_accept_sym(p, ','));
}
