/* ast_dump_expr.c - see ast_dump.h */
#include "ast_dump.h"
#include "base/banned.h"

static const char *const ops[] = {"+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", "||"};
static const char *const compares[] = {"=", "<>", "<", "<=", ">", ">="};

void ast_dump_ident(struct qr_buf *out, const struct qr_ast_ident *ident)
{
    qr_buf_addz(out, ident->quoted ? "[" : "");
    qr_buf_addstr(out, ident->text);
    qr_buf_addz(out, ident->quoted ? "]" : "");
}

void ast_dump_name(struct qr_buf *out, const struct qr_ast_name *name)
{
    for (uint32_t i = 0; i < name->count; i++) {
        qr_buf_addz(out, i == 0 ? "" : ".");
        ast_dump_ident(out, &name->parts[i]);
    }
}

void ast_dump_exprs(struct qr_buf *out, const struct qr_ast_exprs *list)
{
    for (size_t i = 0; i < list->count; i++) {
        qr_buf_addz(out, " ");
        ast_dump_expr(out, list->items[i]);
    }
}

void ast_dump_order(struct qr_buf *out, const struct qr_ast_order *order)
{
    for (size_t i = 0; i < order->count; i++) {
        qr_buf_addz(out, " ");
        ast_dump_expr(out, order->items[i].expr);
        qr_buf_addz(out, order->items[i].descending ? " desc" : "");
    }
}

static void frame_bound(struct qr_buf *out, enum qr_ast_frame_bound bound,
                        const struct qr_ast_expr *value)
{
    static const char *const words[] = {"unbounded-preceding", "preceding", "current", "following",
                                        "unbounded-following"};
    qr_buf_printf(out, " %s", words[bound]);
    if (value != NULL) {
        qr_buf_addz(out, " ");
        ast_dump_expr(out, value);
    }
}

static void window(struct qr_buf *out, const struct qr_ast_window *w)
{
    if (w == NULL)
        return;
    qr_buf_addz(out, " (over");
    if (w->base.text.n > 0) {
        qr_buf_addz(out, " ");
        ast_dump_ident(out, &w->base);
    }
    if (w->partition_by.count > 0) {
        qr_buf_addz(out, " (partition");
        ast_dump_exprs(out, &w->partition_by);
        qr_buf_addz(out, ")");
    }
    if (w->order_by.count > 0) {
        qr_buf_addz(out, " (order");
        ast_dump_order(out, &w->order_by);
        qr_buf_addz(out, ")");
    }
    if (w->frame != NULL) {
        qr_buf_addz(out, w->frame->range ? " (range" : " (rows");
        frame_bound(out, w->frame->start, w->frame->start_value);
        frame_bound(out, w->frame->end, w->frame->end_value);
        qr_buf_addz(out, ")");
    }
    qr_buf_addz(out, ")");
}

static void literal(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    static const struct {
        const char *before, *after;
    } marks[] = {{"null", ""}, {"default", ""}, {"", ""},       {"num:", ""}, {"float:", ""},
                 {"$", ""},    {"'", "'"},      {"N'", "'"},    {"0x", ""},   {"{d ", "}"},
                 {"{t ", "}"}, {"{ts ", "}"},   {"{guid ", "}"}};
    const struct qr_ast_literal *node = (const struct qr_ast_literal *)expr;
    qr_buf_addz(out, marks[node->literal].before);
    qr_buf_addstr(out, node->text);
    qr_buf_addz(out, marks[node->literal].after);
}

static void column(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    ast_dump_name(out, &((const struct qr_ast_column *)expr)->name);
}

static void star(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_star *node = (const struct qr_ast_star *)expr;
    ast_dump_name(out, &node->qualifier);
    qr_buf_addz(out, node->qualifier.count > 0 ? ".*" : "*");
}

static void variable(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    qr_buf_addstr(out, ((const struct qr_ast_variable *)expr)->name);
}

/* Opens "(word", dumps the operands after it, closes. */
static void form(struct qr_buf *out, const char *word, const struct qr_ast_expr *a,
                 const struct qr_ast_expr *b, const struct qr_ast_expr *c)
{
    const struct qr_ast_expr *operands[] = {a, b, c};
    qr_buf_printf(out, "(%s", word);
    for (size_t i = 0; i < 3 && operands[i] != NULL; i++) {
        qr_buf_addz(out, " ");
        ast_dump_expr(out, operands[i]);
    }
    qr_buf_addz(out, ")");
}

static void unary(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    static const char *const words[] = {"+", "-", "~"};
    const struct qr_ast_unary *node = (const struct qr_ast_unary *)expr;
    form(out, words[node->op], node->operand, NULL, NULL);
}

static void chain(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_chain *node = (const struct qr_ast_chain *)expr;
    qr_buf_addz(out, "(");
    for (uint32_t i = 0; i < node->count; i++) {
        if (i > 0)
            qr_buf_printf(out, " %s ", ops[node->ops[i - 1]]);
        ast_dump_expr(out, node->operands[i]);
    }
    qr_buf_addz(out, ")");
}

static void call(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    static const char *const trims[] = {"", " trim-from", " leading", " trailing", " both"};
    static const char *const nulls[] = {"", " null-on-null", " absent-on-null"};
    const struct qr_ast_call *node = (const struct qr_ast_call *)expr;
    qr_buf_addz(out, node->odbc                      ? "(fn "
                     : expr->kind == QR_AE_PREDICATE ? "(predicate "
                                                     : "(call ");
    ast_dump_name(out, &node->name);
    qr_buf_addz(out, node->niladic ? " niladic" : "");
    qr_buf_addz(out, node->distinct ? " distinct" : "");
    qr_buf_addz(out, trims[node->trim]);
    ast_dump_exprs(out, &node->args);
    qr_buf_addz(out, nulls[node->json_null]);
    qr_buf_addz(out, node->ignore_nulls ? " ignore-nulls" : "");
    qr_buf_addz(out, node->respect_nulls ? " respect-nulls" : "");
    if (node->within_group.count > 0) {
        qr_buf_addz(out, " (within");
        ast_dump_order(out, &node->within_group);
        qr_buf_addz(out, ")");
    }
    window(out, node->over);
    qr_buf_addz(out, ")");
}

static void method(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_method *node = (const struct qr_ast_method *)expr;
    qr_buf_addz(out, "(method ");
    if (node->object != NULL)
        ast_dump_expr(out, node->object);
    else
        ast_dump_name(out, &node->static_type);
    qr_buf_addz(out, node->object != NULL ? " ." : " ::");
    ast_dump_ident(out, &node->method);
    ast_dump_exprs(out, &node->args);
    qr_buf_addz(out, ")");
}

static void cast(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    static const char *const words[] = {"cast", "convert", "parse"};
    const struct qr_ast_cast *node = (const struct qr_ast_cast *)expr;
    qr_buf_printf(out, "(%s%s ", node->attempt ? "try-" : "", words[node->form]);
    ast_dump_expr(out, node->operand);
    qr_buf_addz(out, " ");
    ast_dump_name(out, &node->type.name);
    for (int i = 0; i < node->type.arg_count; i++)
        qr_buf_printf(out, ":%d", node->type.args[i]);
    qr_buf_addz(out, node->type.max ? ":max" : "");
    if (node->style != NULL) {
        qr_buf_addz(out, " ");
        ast_dump_expr(out, node->style);
    }
    qr_buf_addz(out, ")");
}

static void case_of(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_case *node = (const struct qr_ast_case *)expr;
    qr_buf_addz(out, "(case");
    if (node->operand != NULL) {
        qr_buf_addz(out, " ");
        ast_dump_expr(out, node->operand);
    }
    for (size_t i = 0; i < node->count; i++) {
        qr_buf_addz(out, " ");
        form(out, "when", node->whens[i].when, node->whens[i].then, NULL);
    }
    if (node->otherwise != NULL) {
        qr_buf_addz(out, " ");
        form(out, "else", node->otherwise, NULL, NULL);
    }
    qr_buf_addz(out, ")");
}

static void subquery(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    qr_buf_addz(out, expr->kind == QR_AE_EXISTS ? "(exists " : "(subquery ");
    ast_dump_query(out, ((const struct qr_ast_subquery *)expr)->query);
    qr_buf_addz(out, ")");
}

static void collate(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_collate *node = (const struct qr_ast_collate *)expr;
    qr_buf_addz(out, "(collate ");
    ast_dump_expr(out, node->operand);
    qr_buf_addz(out, " ");
    ast_dump_ident(out, &node->collation);
    qr_buf_addz(out, ")");
}

static void at_time_zone(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_at_time_zone *node = (const struct qr_ast_at_time_zone *)expr;
    form(out, "at-time-zone", node->operand, node->zone, NULL);
}

static void next_value(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_next_value *node = (const struct qr_ast_next_value *)expr;
    qr_buf_addz(out, "(next-value ");
    ast_dump_name(out, &node->sequence);
    window(out, node->over);
    qr_buf_addz(out, ")");
}

static void pseudo(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_pseudo *node = (const struct qr_ast_pseudo *)expr;
    ast_dump_name(out, &node->qualifier);
    qr_buf_addz(out, node->qualifier.count > 0 ? "." : "");
    qr_buf_addstr(out, node->name);
}

static void identity(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_identity_call *node = (const struct qr_ast_identity_call *)expr;
    form(out, "identity", node->seed, node->increment, NULL);
}

static void compare(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_compare *node = (const struct qr_ast_compare *)expr;
    form(out, compares[node->op], node->left, node->right, NULL);
}

static void logical(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_logical *node = (const struct qr_ast_logical *)expr;
    qr_buf_addz(out, node->is_or ? "(or" : "(and");
    ast_dump_exprs(out, &node->terms);
    qr_buf_addz(out, ")");
}

static void not_of(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    form(out, "not", ((const struct qr_ast_not *)expr)->operand, NULL, NULL);
}

static void in(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_in *node = (const struct qr_ast_in *)expr;
    qr_buf_addz(out, node->negated ? "(not-in " : "(in ");
    ast_dump_expr(out, node->operand);
    ast_dump_exprs(out, &node->list);
    if (node->query != NULL) {
        qr_buf_addz(out, " ");
        ast_dump_query(out, node->query);
    }
    qr_buf_addz(out, ")");
}

static void between(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_between *node = (const struct qr_ast_between *)expr;
    form(out, node->negated ? "not-between" : "between", node->operand, node->low, node->high);
}

static void like(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_like *node = (const struct qr_ast_like *)expr;
    form(out, node->negated ? "not-like" : "like", node->operand, node->pattern, node->escape);
}

static void is_null(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_is_null *node = (const struct qr_ast_is_null *)expr;
    form(out, node->negated ? "is-not-null" : "is-null", node->operand, NULL, NULL);
}

static void distinct_from(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_distinct_from *node = (const struct qr_ast_distinct_from *)expr;
    form(out, node->negated ? "not-distinct" : "distinct", node->left, node->right, NULL);
}

static void quantified(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_quantified *node = (const struct qr_ast_quantified *)expr;
    qr_buf_printf(out, "(%s-%s ", compares[node->op], node->all ? "all" : "any");
    ast_dump_expr(out, node->operand);
    qr_buf_addz(out, " ");
    ast_dump_query(out, node->query);
    qr_buf_addz(out, ")");
}

static void (*const dumpers[QR_AE_KIND_COUNT])(struct qr_buf *, const struct qr_ast_expr *) = {
    /* clang-format off */
    [QR_AE_LITERAL] = literal,       [QR_AE_COLUMN] = column,         [QR_AE_STAR] = star,
    [QR_AE_VARIABLE] = variable,     [QR_AE_GLOBAL] = variable,       [QR_AE_UNARY] = unary,
    [QR_AE_CHAIN] = chain,           [QR_AE_CALL] = call,             [QR_AE_METHOD] = method,
    [QR_AE_CAST] = cast,             [QR_AE_CASE] = case_of,          [QR_AE_SUBQUERY] = subquery,
    [QR_AE_COLLATE] = collate,       [QR_AE_AT_TIME_ZONE] = at_time_zone,
    [QR_AE_NEXT_VALUE] = next_value, [QR_AE_PSEUDO] = pseudo,         [QR_AE_IDENTITY] = identity,
    [QR_AE_COMPARE] = compare,       [QR_AE_LOGICAL] = logical,       [QR_AE_NOT] = not_of,
    [QR_AE_IN] = in,                 [QR_AE_BETWEEN] = between,       [QR_AE_LIKE] = like,
    [QR_AE_IS_NULL] = is_null,       [QR_AE_DISTINCT_FROM] = distinct_from,
    [QR_AE_EXISTS] = subquery,       [QR_AE_QUANTIFIED] = quantified, [QR_AE_PREDICATE] = call,
    /* clang-format on */
};

void ast_dump_expr(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    dumpers[expr->kind](out, expr);
}
