/* parse_call.c - function calls, casts, windows, ODBC escapes; see parse_int.h */
#include "parse_int.h"
#include "base/banned.h"

static void push_expr(struct qri_parser *p, struct qr_ast_exprs *list, struct qr_ast_expr *expr)
{
    qri_p_push_ptr(p, &list->items, &list->count, expr);
}

/* ---- OVER ---- */

static enum qr_ast_frame_bound frame_bound(struct qri_parser *p, struct qr_ast_expr **ret_value)
{
    if (qri_p_accept(p, KW_CURRENT)) {
        qri_p_expect(p, KW_ROW);
        return QR_FRAME_CURRENT_ROW;
    }
    bool unbounded = qri_p_accept(p, KW_UNBOUNDED);
    if (!unbounded)
        *ret_value = qri_p_scalar(p);
    if (qri_p_accept(p, KW_PRECEDING))
        return unbounded ? QR_FRAME_UNBOUNDED_PRECEDING : QR_FRAME_PRECEDING;
    qri_p_expect(p, KW_FOLLOWING);
    return unbounded ? QR_FRAME_UNBOUNDED_FOLLOWING : QR_FRAME_FOLLOWING;
}

static struct qr_ast_frame *parse_frame(struct qri_parser *p)
{
    struct qr_ast_frame *frame = qri_p_alloc(p, sizeof *frame);
    frame->range = qri_p_at(p, KW_RANGE);
    qri_p_advance(p);
    frame->between = qri_p_accept(p, KW_BETWEEN);
    frame->start = frame_bound(p, &frame->start_value);
    frame->end = QR_FRAME_CURRENT_ROW;
    if (frame->between) {
        qri_p_expect(p, KW_AND);
        frame->end = frame_bound(p, &frame->end_value);
    }
    return frame;
}

struct qr_ast_window *qri_p_window_body(struct qri_parser *p)
{
    struct qr_ast_window *window = qri_p_alloc(p, sizeof *window);
    window->pos = qri_p_pos(p);
    qri_p_expect_sym(p, '(');
    if (qri_p_is_ident(p, &p->tok) && !qri_p_at(p, KW_PARTITION) && !qri_p_at(p, KW_ROWS) &&
        !qri_p_at(p, KW_RANGE))
        window->base = qri_p_ident(p);
    if (qri_p_accept(p, KW_PARTITION)) {
        qri_p_expect(p, KW_BY);
        qri_p_scalar_list(p, &window->partition_by);
    }
    if (qri_p_accept(p, KW_ORDER)) {
        qri_p_expect(p, KW_BY);
        qri_p_order_by(p, &window->order_by);
    }
    if (qri_p_at(p, KW_ROWS) || qri_p_at(p, KW_RANGE))
        window->frame = parse_frame(p);
    qri_p_expect_sym(p, ')');
    return window;
}

struct qr_ast_window *qri_p_over(struct qri_parser *p)
{
    if (qri_p_at_sym(p, '('))
        return qri_p_window_body(p);
    struct qr_ast_window *window = qri_p_alloc(p, sizeof *window);
    window->pos = qri_p_pos(p);
    window->base = qri_p_ident(p);
    return window;
}

/* ---- ordinary calls ---- */

static struct qr_ast_expr *parse_argument(struct qri_parser *p)
{
    if (qri_p_at(p, KW_DEFAULT))
        return qri_p_word_literal(p, QR_LIT_DEFAULT);
    if (!qri_p_at_sym(p, '*'))
        return qri_p_scalar(p);
    struct qr_ast_star *star = qri_p_expr(p, sizeof *star, QR_AE_STAR, qri_p_pos(p));
    qri_p_advance(p);
    return &star->head;
}

/* TRIM([LEADING|TRAILING|BOTH] [chars FROM] string) */
static void trim_arguments(struct qri_parser *p, struct qr_ast_call *call)
{
    static const struct {
        enum qri_keyword word;
        enum qr_ast_trim trim;
    } forms[] = {
        {KW_LEADING, QR_TRIM_LEADING}, {KW_TRAILING, QR_TRIM_TRAILING}, {KW_BOTH, QR_TRIM_BOTH}};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (qri_p_at(p, forms[i].word) && !qri_p_peek_sym(p, 1, ')') &&
            !qri_p_peek_sym(p, 1, '.') && qri_p_accept(p, forms[i].word))
            call->trim = forms[i].trim;
    }
    push_expr(p, &call->args, qri_p_scalar(p));
    if (qri_p_accept(p, KW_FROM)) {
        call->trim = call->trim == QR_TRIM_NONE ? QR_TRIM_FROM : call->trim;
        push_expr(p, &call->args, qri_p_scalar(p));
    }
}

static void json_null_clause(struct qri_parser *p, struct qr_ast_call *call)
{
    if (!qri_p_at(p, KW_NULL) && !qri_p_at(p, KW_ABSENT))
        return;
    call->json_null = qri_p_at(p, KW_NULL) ? QR_JSON_NULL_ON_NULL : QR_JSON_ABSENT_ON_NULL;
    qri_p_advance(p);
    qri_p_expect(p, KW_ON);
    qri_p_expect(p, KW_NULL);
}

/* JSON_OBJECT(key : value, ... [NULL ON NULL]), JSON_ARRAY(value, ...) */
static void json_arguments(struct qri_parser *p, struct qr_ast_call *call, bool pairs)
{
    while (!qri_p_at_sym(p, ')')) {
        if ((qri_p_at(p, KW_NULL) || qri_p_at(p, KW_ABSENT)) && qri_p_peek_at(p, 1, KW_ON))
            break;
        if (qri_p_at_word(p, "RETURNING") && qri_p_peek_at(p, 1, KW_JSON))
            break;
        push_expr(p, &call->args, qri_p_scalar(p));
        if (pairs) {
            qri_p_expect_sym(p, ':');
            push_expr(p, &call->args, qri_p_scalar(p));
        }
        if (!qri_p_accept_sym(p, ','))
            break;
    }
    if (qri_p_accept2(p, KW_ORDER, KW_BY)) /* JSON_ARRAYAGG */
        qri_p_order_by(p, &call->within_group);
    json_null_clause(p, call);
    if (qri_p_accept_word(p, "RETURNING")) {
        qri_p_expect(p, KW_JSON);
        call->returns_json = true;
    }
}

static void plain_arguments(struct qri_parser *p, struct qr_ast_call *call)
{
    if (qri_p_accept(p, KW_DISTINCT))
        call->distinct = true;
    else
        qri_p_accept(p, KW_ALL);
    do {
        push_expr(p, &call->args, parse_argument(p));
    } while (qri_p_accept_sym(p, ','));
}

/* Behind the ')': IGNORE NULLS, WITHIN GROUP (ORDER BY ...), OVER (...). */
static void call_suffix(struct qri_parser *p, struct qr_ast_call *call)
{
    if (qri_p_at(p, KW_IGNORE) || qri_p_at(p, KW_RESPECT)) {
        const struct qri_token *next = qri_p_peek(p, 1);
        if (next->kind == TOK_IDENT && next->end - next->begin == 5 && !next->reserved &&
            (p->text.p[next->begin] | 32) == 'n') {
            call->ignore_nulls = qri_p_at(p, KW_IGNORE);
            call->respect_nulls = !call->ignore_nulls;
            qri_p_advance(p);
            if (!qri_p_accept_word(p, "NULLS"))
                qri_p_syntax(p);
        }
    }
    if (qri_p_accept2(p, KW_WITHIN, KW_GROUP)) {
        qri_p_expect_sym(p, '(');
        qri_p_expect(p, KW_ORDER);
        qri_p_expect(p, KW_BY);
        qri_p_order_by(p, &call->within_group);
        qri_p_expect_sym(p, ')');
    }
    if (qri_p_accept(p, KW_OVER))
        call->over = qri_p_over(p);
}

struct qr_ast_expr *qri_p_call(struct qri_parser *p, struct qr_ast_name name)
{
    struct qr_ast_call *call = qri_p_expr(p, sizeof *call, QR_AE_CALL, name.pos);
    bool reserved = false;
    enum qri_keyword word = KW_NONE;
    if (name.count == 1)
        word = qri_keyword_find(name.parts[0].text.p, name.parts[0].text.n, &reserved);
    call->name = name;
    qri_p_expect_sym(p, '(');
    if (!qri_p_at_sym(p, ')')) {
        if (word == KW_TRIM) {
            trim_arguments(p, call);
        } else if (word == KW_JSON_OBJECT || word == KW_JSON_ARRAY) {
            json_arguments(p, call, word == KW_JSON_OBJECT);
        } else if (name.count == 1 && (qr_str_ieqz(name.parts[0].text, "JSON_ARRAYAGG") ||
                                       qr_str_ieqz(name.parts[0].text, "JSON_OBJECTAGG"))) {
            json_arguments(p, call, qr_str_ieqz(name.parts[0].text, "JSON_OBJECTAGG"));
        } else if (word == KW_IIF) {
            push_expr(p, &call->args, qri_p_condition(p));
            if (qri_p_accept_sym(p, ','))
                qri_p_scalar_list(p, &call->args);
        } else {
            plain_arguments(p, call);
        }
    }
    qri_p_expect_sym(p, ')');
    call_suffix(p, call);
    return &call->head;
}

/* ---- special forms ---- */

static struct qr_ast_name word_name(struct qri_parser *p)
{
    struct qr_ast_name name = {.pos = qri_p_pos(p), .count = 1};
    name.parts = qri_p_alloc(p, sizeof *name.parts);
    name.parts[0].text = qri_token_str(p, &p->tok);
    return name;
}

static struct qr_ast_expr *reserved_call(struct qri_parser *p)
{
    struct qr_ast_name name = word_name(p);
    qri_p_advance(p);
    return qri_p_call(p, name);
}

static struct qr_ast_expr *niladic(struct qri_parser *p)
{
    struct qr_ast_call *call = qri_p_expr(p, sizeof *call, QR_AE_CALL, qri_p_pos(p));
    call->name = word_name(p);
    call->niladic = true;
    qri_p_advance(p);
    return &call->head;
}

/* CAST(x AS type), TRY_CAST, PARSE(x AS type USING culture), TRY_PARSE */
static struct qr_ast_expr *cast_as(struct qri_parser *p)
{
    struct qr_ast_cast *cast = qri_p_expr(p, sizeof *cast, QR_AE_CAST, qri_p_pos(p));
    bool parse = qri_p_at(p, KW_PARSE) || qri_p_at(p, KW_TRY_PARSE);
    cast->form = parse ? QR_ACAST_PARSE : QR_ACAST_CAST;
    cast->attempt = qri_p_at(p, KW_TRY_CAST) || qri_p_at(p, KW_TRY_PARSE);
    qri_p_advance(p);
    qri_p_expect_sym(p, '(');
    cast->operand = qri_p_scalar(p);
    qri_p_expect(p, KW_AS);
    qri_p_type(p, &cast->type);
    if (parse && qri_p_accept(p, KW_USING))
        cast->style = qri_p_scalar(p);
    qri_p_expect_sym(p, ')');
    return &cast->head;
}

static struct qr_ast_expr *convert(struct qri_parser *p)
{
    struct qr_ast_cast *cast = qri_p_expr(p, sizeof *cast, QR_AE_CAST, qri_p_pos(p));
    cast->form = QR_ACAST_CONVERT;
    cast->attempt = qri_p_at(p, KW_TRY_CONVERT);
    qri_p_advance(p);
    qri_p_expect_sym(p, '(');
    qri_p_type(p, &cast->type);
    qri_p_expect_sym(p, ',');
    cast->operand = qri_p_scalar(p);
    if (qri_p_accept_sym(p, ','))
        cast->style = qri_p_scalar(p);
    qri_p_expect_sym(p, ')');
    return &cast->head;
}

static struct qr_ast_expr *identity_call(struct qri_parser *p)
{
    struct qr_ast_identity_call *node = qri_p_expr(p, sizeof *node, QR_AE_IDENTITY, qri_p_pos(p));
    qri_p_advance(p);
    qri_p_expect_sym(p, '(');
    qri_p_type(p, &node->type);
    if (qri_p_accept_sym(p, ',')) {
        node->seed = qri_p_simple_value(p);
        qri_p_expect_sym(p, ',');
        node->increment = qri_p_simple_value(p);
    }
    qri_p_expect_sym(p, ')');
    return &node->head;
}

/* UPDATE(column) in a trigger. */
static struct qr_ast_expr *update_predicate(struct qri_parser *p)
{
    struct qr_ast_call *call = qri_p_expr(p, sizeof *call, QR_AE_PREDICATE, qri_p_pos(p));
    call->name = word_name(p);
    qri_p_advance(p);
    qri_p_expect_sym(p, '(');
    struct qr_ast_column *column = qri_p_expr(p, sizeof *column, QR_AE_COLUMN, qri_p_pos(p));
    column->name = qri_p_name(p, 1);
    push_expr(p, &call->args, &column->head);
    qri_p_expect_sym(p, ')');
    return &call->head;
}

/* CONTAINS(columns, 'text' [, LANGUAGE x]): columns are a name, *, a list, or PROPERTY(c, 'p'). */
static struct qr_ast_expr *fulltext_predicate(struct qri_parser *p)
{
    struct qr_ast_call *call = qri_p_expr(p, sizeof *call, QR_AE_PREDICATE, qri_p_pos(p));
    call->name = word_name(p);
    qri_p_advance(p);
    qri_p_expect_sym(p, '(');
    if (qri_p_accept_sym(p, '(')) {
        do {
            push_expr(p, &call->args, parse_argument(p));
        } while (qri_p_accept_sym(p, ','));
        qri_p_expect_sym(p, ')');
    } else {
        push_expr(p, &call->args, parse_argument(p));
    }
    qri_p_expect_sym(p, ',');
    push_expr(p, &call->args, qri_p_scalar(p));
    if (qri_p_accept_sym(p, ',')) {
        qri_p_expect(p, KW_LANGUAGE);
        push_expr(p, &call->args, qri_p_simple_value(p));
    }
    qri_p_expect_sym(p, ')');
    return &call->head;
}

/* REGEXP_LIKE(text, pattern [, flags]) */
static struct qr_ast_expr *regexp_predicate(struct qri_parser *p)
{
    struct qr_ast_call *call = qri_p_expr(p, sizeof *call, QR_AE_PREDICATE, qri_p_pos(p));
    call->name = word_name(p);
    qri_p_advance(p);
    qri_p_expect_sym(p, '(');
    push_expr(p, &call->args, qri_p_scalar(p));
    qri_p_expect_sym(p, ',');
    push_expr(p, &call->args, qri_p_scalar(p));
    if (qri_p_accept_sym(p, ','))
        push_expr(p, &call->args, qri_p_scalar(p));
    qri_p_expect_sym(p, ')');
    return &call->head;
}

/* MATCH(a-(e)->b) of graph tables: kept as a predicate without arguments, for the refusal. */
static struct qr_ast_expr *match_predicate(struct qri_parser *p)
{
    struct qr_ast_call *call = qri_p_expr(p, sizeof *call, QR_AE_PREDICATE, qri_p_pos(p));
    call->name = word_name(p);
    qri_p_advance(p);
    qri_p_skip_paren(p);
    return &call->head;
}

static const struct special {
    uint16_t keyword; /* enum qri_keyword */
    bool paren;       /* only if '(' follows */
    struct qr_ast_expr *(*parse)(struct qri_parser *p);
} specials[] = {
    /* clang-format off */
    {KW_CAST,              true,  cast_as},
    {KW_TRY_CAST,          true,  cast_as},
    {KW_PARSE,             true,  cast_as},
    {KW_TRY_PARSE,         true,  cast_as},
    {KW_CONVERT,           true,  convert},
    {KW_TRY_CONVERT,       true,  convert},
    {KW_IDENTITY,          true,  identity_call},
    {KW_COALESCE,          true,  reserved_call},
    {KW_NULLIF,            true,  reserved_call},
    {KW_LEFT,              true,  reserved_call},
    {KW_RIGHT,             true,  reserved_call},
    {KW_UPDATE,            true,  update_predicate},
    {KW_CONTAINS,          true,  fulltext_predicate},
    {KW_FREETEXT,          true,  fulltext_predicate},
    {KW_MATCH,             true,  match_predicate},
    {KW_REGEXP_LIKE,       true,  regexp_predicate},
    {KW_CURRENT_TIMESTAMP, false, niladic},
    {KW_CURRENT_DATE,      false, niladic},
    {KW_CURRENT_TIME,      false, niladic},
    {KW_CURRENT_USER,      false, niladic},
    {KW_SESSION_USER,      false, niladic},
    {KW_SYSTEM_USER,       false, niladic},
    {KW_USER,              false, niladic},
    /* clang-format on */
};

struct qr_ast_expr *qri_p_special_call(struct qri_parser *p)
{
    if (p->tok.keyword == KW_NONE)
        return NULL;
    for (size_t i = 0; i < sizeof specials / sizeof specials[0]; i++) {
        if (specials[i].keyword == p->tok.keyword)
            return !specials[i].paren || qri_p_peek_sym(p, 1, '(') ? specials[i].parse(p) : NULL;
    }
    return NULL;
}

/* ---- ODBC escapes ---- */

/* {fn NAME(args)}: any word may be the name; EXTRACT(part FROM x), POSITION(a IN b). */
static struct qr_ast_expr *odbc_function(struct qri_parser *p)
{
    if (p->tok.kind != TOK_IDENT && p->tok.kind != TOK_BRACKET)
        qri_p_syntax(p);
    struct qr_ast_call *call = qri_p_expr(p, sizeof *call, QR_AE_CALL, qri_p_pos(p));
    enum qri_keyword word = (enum qri_keyword)p->tok.keyword;
    call->name = word_name(p);
    call->odbc = true;
    qri_p_advance(p);
    if (word == KW_CONVERT && qri_p_at_sym(p, '(')) {
        qri_p_advance(p);
        push_expr(p, &call->args, qri_p_scalar(p));
        while (qri_p_accept_sym(p, ','))
            push_expr(p, &call->args, qri_p_scalar(p));
        qri_p_expect_sym(p, ')');
        return &call->head;
    }
    if (!qri_p_at_sym(p, '(')) { /* {fn CURRENT_USER} */
        call->niladic = true;
        return &call->head;
    }
    if (word != KW_EXTRACT && word != KW_POSITION) {
        struct qr_ast_call *inner = (struct qr_ast_call *)qri_p_call(p, call->name);
        inner->odbc = true;
        return &inner->head;
    }
    qri_p_advance(p);
    push_expr(p, &call->args, qri_p_scalar(p));
    qri_p_expect(p, word == KW_EXTRACT ? KW_FROM : KW_IN);
    push_expr(p, &call->args, qri_p_scalar(p));
    qri_p_expect_sym(p, ')');
    return &call->head;
}

struct qr_ast_expr *qri_p_odbc_escape(struct qri_parser *p)
{
    static const struct {
        enum qri_keyword word;
        enum qr_ast_literal_kind literal;
    } literals[] = {{KW_D, QR_LIT_ODBC_DATE},
                    {KW_T, QR_LIT_ODBC_TIME},
                    {KW_TS, QR_LIT_ODBC_TIMESTAMP},
                    {KW_GUID, QR_LIT_ODBC_GUID}};
    struct qr_ast_pos pos = qri_p_pos(p);
    struct qr_ast_expr *expr = NULL;
    qri_p_expect_sym(p, '{');
    if (qri_p_accept(p, KW_FN)) {
        expr = odbc_function(p);
    } else {
        for (size_t i = 0; i < sizeof literals / sizeof literals[0]; i++) {
            if (!qri_p_accept(p, literals[i].word))
                continue;
            if (!qri_p_is_string(p, &p->tok))
                qri_p_syntax(p);
            expr = qri_p_literal(p);
            expr->pos = pos;
            ((struct qr_ast_literal *)expr)->literal = literals[i].literal;
            break;
        }
    }
    if (expr == NULL)
        qri_p_syntax(p);
    qri_p_expect_sym(p, '}');
    return expr;
}

bool qri_p_assign_op(struct qri_parser *p, enum qr_ast_assign *ret_op)
{
    static const struct {
        uint16_t kind;
        enum qr_ast_assign op;
    } ops[] = {
        {'=', QR_ASSIGN_SET},        {TOK_ADD_EQ, QR_ASSIGN_ADD}, {TOK_SUB_EQ, QR_ASSIGN_SUB},
        {TOK_MUL_EQ, QR_ASSIGN_MUL}, {TOK_DIV_EQ, QR_ASSIGN_DIV}, {TOK_MOD_EQ, QR_ASSIGN_MOD},
        {TOK_AND_EQ, QR_ASSIGN_AND}, {TOK_OR_EQ, QR_ASSIGN_OR},   {TOK_XOR_EQ, QR_ASSIGN_XOR}};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (qri_p_accept_sym(p, ops[i].kind)) {
            *ret_op = ops[i].op;
            return true;
        }
    }
    if (qri_p_at_sym(p, TOK_CONCAT) && qri_p_peek_sym(p, 1, '=')) {
        qri_p_advance(p);
        qri_p_advance(p);
        *ret_op = QR_ASSIGN_CONCAT;
        return true;
    }
    return false;
}
