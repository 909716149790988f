/* print_expr.c - see tsql/print.h */
#include "tsql/print.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/type.h"
#include "expr/func.h"
#include "base/banned.h"

/* ---- words and names ---- */

static void put_lower(struct qr_buf *out, struct qr_str s)
{
    for (size_t i = 0; i < s.n; i++)
        qr_buf_add8(out, (uint8_t)tolower((unsigned char)s.p[i]));
}

static void put_doubled(struct qr_buf *out, struct qr_str s, char quote)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == quote)
            qr_buf_add8(out, (uint8_t)quote);
        qr_buf_add8(out, (uint8_t)s.p[i]);
    }
}

void qr_tsql_print_name(struct qr_buf *out, struct qr_str s)
{
    qr_buf_add8(out, '[');
    put_doubled(out, s, ']');
    qr_buf_add8(out, ']');
}

void qr_tsql_print_names(struct qr_buf *out, const struct qr_ast_name *name)
{
    for (uint32_t i = 0; i < name->count; i++) {
        qr_buf_addz(out, i == 0 ? "" : ".");
        if (name->parts[i].text.n > 0)
            qr_tsql_print_name(out, name->parts[i].text);
    }
}

static void put_type(struct qr_buf *out, const struct qr_ast_type *type)
{
    struct qr_type known;
    if (type->name.count == 1 && qr_type_find(type->name.parts[0].text, &known))
        qr_tsql_print_name(out, qr_str(qr_type_name(&known)));
    else
        qr_tsql_print_names(out, &type->name);
    if (type->max)
        qr_buf_addz(out, "(max)");
    else if (type->arg_count == 1)
        qr_buf_printf(out, "(%d)", (int)type->args[0]);
    else if (type->arg_count == 2)
        qr_buf_printf(out, "(%d,%d)", (int)type->args[0], (int)type->args[1]);
}

/* ---- parts ---- */

typedef bool print_fn(struct qr_buf *out, const struct qr_ast_expr *expr);

/* An operand of an operator: arithmetic stands in parentheses, whatever its precedence. */
static bool put_operand(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    bool wrap = expr->kind == QR_AE_CHAIN;
    qr_buf_addz(out, wrap ? "(" : "");
    bool ok = qr_tsql_print_expr(out, expr);
    qr_buf_addz(out, wrap ? ")" : "");
    return ok;
}

static bool put_list(struct qr_buf *out, const struct qr_ast_exprs *list, size_t first)
{
    for (size_t i = first; i < list->count; i++) {
        qr_buf_addz(out, i == first ? "" : ",");
        if (!qr_tsql_print_expr(out, list->items[i]))
            return false;
    }
    return true;
}

static void put_string(struct qr_buf *out, struct qr_str s, const char *open)
{
    qr_buf_addz(out, open);
    put_doubled(out, s, '\'');
    qr_buf_add8(out, '\'');
}

static void put_float(struct qr_buf *out, const char *sign, struct qr_str text)
{
    char digits[64];
    if (text.n >= sizeof digits) {
        qr_buf_printf(out, "(%s%.*s)", sign, (int)text.n, text.p);
        return;
    }
    memcpy(digits, text.p, text.n);
    digits[text.n] = '\0';
    char made[64];
    (void)snprintf(made, sizeof made, "%.15e", strtod(digits, NULL));
    char *e = strchr(made, 'e');
    int exponent = e == NULL ? 0 : (int)strtol(e + 1, NULL, 10);
    if (e != NULL)
        *e = '\0';
    qr_buf_printf(out, "(%s%se%c%03d)", sign, made, exponent < 0 ? '-' : '+', abs(exponent));
}

static bool put_literal(struct qr_buf *out, const struct qr_ast_literal *l, const char *sign)
{
    switch (l->literal) {
    case QR_LIT_NULL:
        qr_buf_addz(out, "NULL");
        return sign[0] == '\0';
    case QR_LIT_INT:
    case QR_LIT_NUMERIC:
        qr_buf_printf(out, "(%s%s%.*s)", sign, l->text.n > 0 && l->text.p[0] == '.' ? "0" : "",
                      (int)l->text.n, l->text.p);
        return true;
    case QR_LIT_FLOAT:
        put_float(out, sign, l->text);
        return true;
    case QR_LIT_MONEY:
        qr_buf_printf(out, "(%s$%.*s)", sign, (int)l->text.n, l->text.p);
        return true;
    case QR_LIT_STRING:
        put_string(out, l->text, "'");
        return true;
    case QR_LIT_NSTRING:
        put_string(out, l->text, "N'");
        return true;
    case QR_LIT_BINARY:
        qr_buf_printf(out, "(0x%.*s)", (int)l->text.n, l->text.p);
        return true;
    case QR_LIT_DEFAULT:
    case QR_LIT_ODBC_DATE:
    case QR_LIT_ODBC_TIME:
    case QR_LIT_ODBC_TIMESTAMP:
    case QR_LIT_ODBC_GUID:
        break;
    }
    return false;
}

static bool literal(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    return put_literal(out, (const struct qr_ast_literal *)expr, "");
}

static bool column(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    qr_tsql_print_names(out, &((const struct qr_ast_column *)expr)->name);
    return true;
}

static bool global(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    put_lower(out, ((const struct qr_ast_variable *)expr)->name);
    return true;
}

static bool unary(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    static const char *const signs[] = {
        [QR_UNARY_PLUS] = "", [QR_UNARY_MINUS] = "-", [QR_UNARY_BIT_NOT] = "~"};
    const struct qr_ast_unary *u = (const struct qr_ast_unary *)expr;
    bool is_number = u->operand->kind == QR_AE_LITERAL && u->op != QR_UNARY_BIT_NOT;
    if (is_number && ((const struct qr_ast_literal *)u->operand)->literal <= QR_LIT_MONEY)
        return put_literal(out, (const struct qr_ast_literal *)u->operand, signs[u->op]);
    bool twice = u->operand->kind == QR_AE_UNARY; /* two minus signs are a comment */
    qr_buf_printf(out, "%s%s", signs[u->op], twice ? "(" : "");
    bool ok = put_operand(out, u->operand);
    qr_buf_addz(out, twice ? ")" : "");
    return ok;
}

/* a+b+c is written ([a]+[b])+[c] */
static bool chain(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    static const char *const ops[] = {
        [QR_AOP_ADD] = "+",          [QR_AOP_SUB] = "-",     [QR_AOP_MUL] = "*",
        [QR_AOP_DIV] = "/",          [QR_AOP_MOD] = "%",     [QR_AOP_BIT_AND] = "&",
        [QR_AOP_BIT_OR] = "|",       [QR_AOP_BIT_XOR] = "^", [QR_AOP_SHIFT_LEFT] = "<<",
        [QR_AOP_SHIFT_RIGHT] = ">>", [QR_AOP_CONCAT] = "||",
    };
    const struct qr_ast_chain *c = (const struct qr_ast_chain *)expr;
    for (uint32_t i = 2; i < c->count; i++)
        qr_buf_add8(out, '(');
    for (uint32_t i = 0; i < c->count; i++) {
        if (i > 0)
            qr_buf_addz(out, ops[c->ops[i - 1]]);
        if (!put_operand(out, c->operands[i]))
            return false;
        if (i > 0 && i + 1 < c->count)
            qr_buf_add8(out, ')');
    }
    return true;
}

/* ---- calls ---- */

static const struct part_row {
    const char *name, *shorts; /* between blanks */
} parts[] = {
    {"year", " yy yyyy "},   {"quarter", " qq q "},   {"month", " mm m "},
    {"dayofyear", " dy y "}, {"day", " dd d "},       {"week", " wk ww "},
    {"weekday", " dw w "},   {"hour", " hh "},        {"minute", " mi n "},
    {"second", " ss s "},    {"millisecond", " ms "}, {"microsecond", " mcs "},
    {"nanosecond", " ns "},  {"tzoffset", " tz "},    {"iso_week", " isowk isoww "},
};

static bool put_date_part(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    if (expr->kind != QR_AE_COLUMN || ((const struct qr_ast_column *)expr)->name.count != 1)
        return false;
    struct qr_str word = ((const struct qr_ast_column *)expr)->name.parts[0].text;
    char key[16];
    if (word.n + 3 > sizeof key)
        return false;
    key[0] = ' ';
    for (size_t i = 0; i < word.n; i++)
        key[i + 1] = (char)tolower((unsigned char)word.p[i]);
    memcpy(key + word.n + 1, " ", 2);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (strstr(parts[i].shorts, key) != NULL) {
            qr_buf_addz(out, parts[i].name);
            return true;
        }
    put_lower(out, word);
    return true;
}

static const struct niladic_row {
    const char *name, *call;
} niladics[] = {
    {"CURRENT_DATE", "current_date"}, {"CURRENT_TIMESTAMP", "getdate()"},
    {"CURRENT_USER", "user_name()"},  {"SESSION_USER", "user_name()"},
    {"USER", "user_name()"},          {"SYSTEM_USER", "suser_sname()"},
};

static bool put_niladic(struct qr_buf *out, struct qr_str name)
{
    for (size_t i = 0; i < sizeof niladics / sizeof niladics[0]; i++)
        if (qr_str_ieqz(name, niladics[i].name)) {
            qr_buf_addz(out, niladics[i].call);
            return true;
        }
    return false;
}

static bool put_iif(struct qr_buf *out, const struct qr_ast_exprs *args)
{
    static const char *const words[] = {"case when ", " then ", " else "};
    if (args->count != 3)
        return false;
    for (size_t i = 0; i < 3; i++) {
        qr_buf_addz(out, words[i]);
        if (!qr_tsql_print_expr(out, args->items[i]))
            return false;
    }
    qr_buf_addz(out, " end");
    return true;
}

static bool put_builtin(struct qr_buf *out, const struct qr_ast_call *c)
{
    struct qr_str name = c->name.parts[0].text;
    const struct qr_func *func = qr_func_find(name);
    bool is_part = c->args.count == 1 && (qr_str_ieqz(name, "YEAR") || qr_str_ieqz(name, "MONTH") ||
                                          qr_str_ieqz(name, "DAY"));
    if (qr_str_ieqz(name, "IIF"))
        return put_iif(out, &c->args);
    qr_buf_addz(out, is_part ? "datepart(" : "");
    put_lower(out, name);
    qr_buf_addz(out, is_part ? "," : "(");
    size_t first = 0;
    if (func != NULL && (func->flags & QR_FUNC_DATEPART) != 0 && c->args.count > 0) {
        if (!put_date_part(out, c->args.items[0]))
            return false;
        qr_buf_addz(out, c->args.count > 1 ? "," : "");
        first = 1;
    }
    if (!put_list(out, &c->args, first))
        return false;
    qr_buf_add8(out, ')');
    return true;
}

static bool call(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_call *c = (const struct qr_ast_call *)expr;
    if (c->distinct || c->over != NULL || c->within_group.count > 0 || c->trim != QR_TRIM_NONE ||
        c->json_null != QR_JSON_NULL_UNSAID || c->ignore_nulls || c->respect_nulls)
        return false;
    if (c->niladic)
        return put_niladic(out, c->name.parts[0].text);
    struct qr_str name = c->name.parts[0].text;
    if (qr_str_starts_i(name, "JSON_OBJECT") || qr_str_starts_i(name, "JSON_ARRAY") ||
        qr_str_ieqz(name, "ISJSON"))
        return qr_str_ieqz(name, "ISJSON") && c->args.count == 1 && put_builtin(out, c);
    if (c->name.count == 1)
        return put_builtin(out, c);
    qr_tsql_print_names(out, &c->name);
    qr_buf_add8(out, '(');
    bool ok = put_list(out, &c->args, 0);
    qr_buf_add8(out, ')');
    return ok;
}

static bool cast(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_cast *c = (const struct qr_ast_cast *)expr;
    if (c->form == QR_ACAST_PARSE || c->type.xml_schema.count > 0)
        return false;
    if (c->attempt && c->form == QR_ACAST_CAST) {
        qr_buf_addz(out, "TRY_CAST(");
        bool ok = qr_tsql_print_expr(out, c->operand);
        qr_buf_addz(out, " AS ");
        put_type(out, &c->type);
        qr_buf_add8(out, ')');
        return ok;
    }
    qr_buf_addz(out, c->attempt ? "TRY_CONVERT(" : "CONVERT(");
    put_type(out, &c->type);
    qr_buf_add8(out, ',');
    if (!qr_tsql_print_expr(out, c->operand))
        return false;
    qr_buf_addz(out, c->style != NULL ? "," : "");
    bool ok = c->style == NULL || qr_tsql_print_expr(out, c->style);
    qr_buf_add8(out, ')');
    return ok;
}

static bool case_of(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_case *c = (const struct qr_ast_case *)expr;
    qr_buf_addz(out, c->operand != NULL ? "case " : "case");
    bool ok = c->operand == NULL || qr_tsql_print_expr(out, c->operand);
    for (size_t i = 0; i < c->count && ok; i++) {
        qr_buf_addz(out, " when ");
        ok = qr_tsql_print_expr(out, c->whens[i].when);
        qr_buf_addz(out, " then ");
        ok = ok && qr_tsql_print_expr(out, c->whens[i].then);
    }
    if (c->otherwise != NULL && ok) {
        qr_buf_addz(out, " else ");
        ok = qr_tsql_print_expr(out, c->otherwise);
    }
    qr_buf_addz(out, " end");
    return ok;
}

static bool collate(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_collate *c = (const struct qr_ast_collate *)expr;
    bool ok = put_operand(out, c->operand);
    qr_buf_addz(out, " collate ");
    qr_buf_addstr(out, c->collation.text);
    return ok;
}

static bool at_time_zone(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_at_time_zone *a = (const struct qr_ast_at_time_zone *)expr;
    bool ok = put_operand(out, a->operand);
    qr_buf_addz(out, " AT TIME ZONE ");
    return put_operand(out, a->zone) && ok;
}

static bool next_value(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_next_value *n = (const struct qr_ast_next_value *)expr;
    qr_buf_addz(out, "NEXT VALUE FOR ");
    qr_tsql_print_names(out, &n->sequence);
    return n->over == NULL;
}

/* ---- conditions ---- */

static const char *const compares[] = {
    [QR_ACMP_EQ] = "=",  [QR_ACMP_NE] = "<>", [QR_ACMP_LT] = "<",
    [QR_ACMP_LE] = "<=", [QR_ACMP_GT] = ">",  [QR_ACMP_GE] = ">=",
};

static bool put_compare(struct qr_buf *out, const struct qr_ast_expr *left,
                        enum qr_ast_compare_op op, const struct qr_ast_expr *right)
{
    bool ok = put_operand(out, left);
    qr_buf_addz(out, compares[op]);
    return put_operand(out, right) && ok;
}

static bool compare(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_compare *c = (const struct qr_ast_compare *)expr;
    return put_compare(out, c->left, c->op, c->right);
}

/* What is written as several comparisons joined by AND or OR. */
static bool is_joined(const struct qr_ast_expr *expr, bool *ret_is_or)
{
    if (expr->kind == QR_AE_LOGICAL) {
        *ret_is_or = ((const struct qr_ast_logical *)expr)->is_or;
        return true;
    }
    if (expr->kind == QR_AE_BETWEEN) {
        *ret_is_or = false;
        return !((const struct qr_ast_between *)expr)->negated;
    }
    const struct qr_ast_in *in = (const struct qr_ast_in *)expr;
    *ret_is_or = true;
    return expr->kind == QR_AE_IN && !in->negated && in->list.count > 1;
}

static bool logical(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_logical *l = (const struct qr_ast_logical *)expr;
    for (size_t i = 0; i < l->terms.count; i++) {
        bool is_or = false;
        bool wrap = is_joined(l->terms.items[i], &is_or) && is_or && !l->is_or;
        qr_buf_printf(out, "%s%s", i == 0 ? "" : l->is_or ? " OR " : " AND ", wrap ? "(" : "");
        if (!qr_tsql_print_expr(out, l->terms.items[i]))
            return false;
        qr_buf_addz(out, wrap ? ")" : "");
    }
    return true;
}

static bool says_not(const struct qr_ast_expr *expr)
{
    return expr->kind == QR_AE_NOT ||
           (expr->kind == QR_AE_IN && ((const struct qr_ast_in *)expr)->negated) ||
           (expr->kind == QR_AE_LIKE && ((const struct qr_ast_like *)expr)->negated) ||
           (expr->kind == QR_AE_BETWEEN && ((const struct qr_ast_between *)expr)->negated);
}

static bool not_of(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_expr *operand = ((const struct qr_ast_not *)expr)->operand;
    bool is_or = false, wrap = is_joined(operand, &is_or) || says_not(operand);
    qr_buf_printf(out, "NOT %s", wrap ? "(" : "");
    bool ok = qr_tsql_print_expr(out, operand);
    qr_buf_addz(out, wrap ? ")" : "");
    return ok;
}

/* a IN (1,2) is written [a]=(2) OR [a]=(1) */
static bool in(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_in *n = (const struct qr_ast_in *)expr;
    if (n->query != NULL)
        return false;
    bool wrap = n->negated && n->list.count > 1;
    qr_buf_printf(out, "%s%s", n->negated ? "NOT " : "", wrap ? "(" : "");
    for (size_t i = n->list.count; i > 0; i--) {
        if (!put_compare(out, n->operand, QR_ACMP_EQ, n->list.items[i - 1]))
            return false;
        qr_buf_addz(out, i > 1 ? " OR " : "");
    }
    qr_buf_addz(out, wrap ? ")" : "");
    return true;
}

static bool between(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_between *b = (const struct qr_ast_between *)expr;
    qr_buf_addz(out, b->negated ? "NOT (" : "");
    bool ok = put_compare(out, b->operand, QR_ACMP_GE, b->low);
    qr_buf_addz(out, " AND ");
    ok = ok && put_compare(out, b->operand, QR_ACMP_LE, b->high);
    qr_buf_addz(out, b->negated ? ")" : "");
    return ok;
}

static bool like(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_like *l = (const struct qr_ast_like *)expr;
    qr_buf_addz(out, l->negated ? "NOT " : "");
    bool ok = put_operand(out, l->operand);
    qr_buf_addz(out, " like ");
    ok = ok && put_operand(out, l->pattern);
    if (l->escape == NULL)
        return ok;
    qr_buf_addz(out, " escape ");
    return ok && put_operand(out, l->escape);
}

static bool is_null(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    const struct qr_ast_is_null *n = (const struct qr_ast_is_null *)expr;
    bool ok = put_operand(out, n->operand);
    qr_buf_addz(out, n->negated ? " IS NOT NULL" : " IS NULL");
    return ok;
}

static print_fn *const printers[QR_AE_KIND_COUNT] = {
    [QR_AE_LITERAL] = literal,
    [QR_AE_COLUMN] = column,
    [QR_AE_GLOBAL] = global,
    [QR_AE_UNARY] = unary,
    [QR_AE_CHAIN] = chain,
    [QR_AE_CALL] = call,
    [QR_AE_CAST] = cast,
    [QR_AE_CASE] = case_of,
    [QR_AE_COLLATE] = collate,
    [QR_AE_AT_TIME_ZONE] = at_time_zone,
    [QR_AE_NEXT_VALUE] = next_value,
    [QR_AE_COMPARE] = compare,
    [QR_AE_LOGICAL] = logical,
    [QR_AE_NOT] = not_of,
    [QR_AE_IN] = in,
    [QR_AE_BETWEEN] = between,
    [QR_AE_LIKE] = like,
    [QR_AE_IS_NULL] = is_null,
    [QR_AE_PREDICATE] = call,
};

bool qr_tsql_print_expr(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    print_fn *print = printers[expr->kind];
    return print != NULL && print(out, expr);
}

/* ---- filters ---- */

static bool is_list(const struct qr_ast_expr *expr)
{
    const struct qr_ast_in *in = (const struct qr_ast_in *)expr;
    return expr->kind == QR_AE_IN && !in->negated && in->query == NULL && in->list.count > 1;
}

static bool put_in(struct qr_buf *out, const struct qr_ast_in *in)
{
    bool ok = put_operand(out, in->operand);
    for (size_t i = 0; ok && i < in->list.count; i++) {
        qr_buf_addz(out, i == 0 ? " IN (" : ", ");
        ok = qr_tsql_print_expr(out, in->list.items[i]);
    }
    qr_buf_addz(out, ")");
    return ok;
}

bool qr_tsql_print_filter(struct qr_buf *out, const struct qr_ast_expr *expr)
{
    if (is_list(expr))
        return put_in(out, (const struct qr_ast_in *)expr);
    const struct qr_ast_logical *l = (const struct qr_ast_logical *)expr;
    if (expr->kind != QR_AE_LOGICAL || l->is_or)
        return qr_tsql_print_expr(out, expr);
    for (size_t i = 0; i < l->terms.count; i++) {
        bool wrap = is_list(l->terms.items[i]);
        qr_buf_printf(out, "%s%s", i == 0 ? "" : " AND ", wrap ? "(" : "");
        if (!qr_tsql_print_filter(out, l->terms.items[i]))
            return false;
        qr_buf_addz(out, wrap ? ")" : "");
    }
    return true;
}
