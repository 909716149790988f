/* parse_set.c - SET of variables and of options; see parse_int.h */
#include "parse_int.h"
#include "base/sqlmsg.h"
#include "base/banned.h"

/* ---- variables ---- */

static struct qr_ast_stmt *set_variable(struct qri_parser *p)
{
    struct qr_ast_set_variable *node = qri_p_stmt(p, sizeof *node, QR_AS_SET_VARIABLE);
    qri_p_advance(p);
    if (qri_p_peek_sym(p, 1, '.')) {
        node->name = qri_token_str(p, &p->tok);
        node->method = qri_p_primary(p, false);
        if (qri_p_assign_op(p, &node->assign)) /* @u.property = value */
            node->value = qri_p_scalar(p);
        return qri_p_finish(p, node);
    }
    node->name = qri_p_used(p);
    if (!qri_p_assign_op(p, &node->assign))
        qri_p_syntax(p);
    if (node->assign == QR_ASSIGN_SET && qri_p_accept(p, KW_CURSOR)) {
        node->cursor = qri_p_alloc(p, sizeof *node->cursor);
        qri_p_cursor_def(p, node->cursor);
    } else {
        node->value = qri_p_scalar(p);
    }
    return qri_p_finish(p, node);
}

/* ---- options ---- */

enum form {
    FORM_SWITCH, /* ON or OFF, several may share one */
    FORM_VALUE,  /* constant, variable or word */
    FORM_STATISTICS,
    FORM_ISOLATION,
    FORM_IDENTITY_INSERT,
    FORM_OFFSETS,
};
static const struct set_form {
    const char *name;
    enum form form;
} forms[] = {
    /* clang-format off */
    {"ANSI_DEFAULTS", FORM_SWITCH},           {"ANSI_NULLS", FORM_SWITCH},
    {"ANSI_NULL_DFLT_OFF", FORM_SWITCH},      {"ANSI_NULL_DFLT_ON", FORM_SWITCH},
    {"ANSI_PADDING", FORM_SWITCH},            {"ANSI_WARNINGS", FORM_SWITCH},
    {"ARITHABORT", FORM_SWITCH},              {"ARITHIGNORE", FORM_SWITCH},
    {"CONCAT_NULL_YIELDS_NULL", FORM_SWITCH}, {"CURSOR_CLOSE_ON_COMMIT", FORM_SWITCH},
    {"DISABLE_DEF_CNST_CHK", FORM_SWITCH},    {"FMTONLY", FORM_SWITCH},
    {"FORCEPLAN", FORM_SWITCH},               {"IMPLICIT_TRANSACTIONS", FORM_SWITCH},
    {"NOCOUNT", FORM_SWITCH},                 {"NOEXEC", FORM_SWITCH},
    {"NO_BROWSETABLE", FORM_SWITCH},          {"NUMERIC_ROUNDABORT", FORM_SWITCH},
    {"PARSEONLY", FORM_SWITCH},               {"QUOTED_IDENTIFIER", FORM_SWITCH},
    {"REMOTE_PROC_TRANSACTIONS", FORM_SWITCH}, {"RESULT_SET_CACHING", FORM_SWITCH},
    {"SHOWPLAN_ALL", FORM_SWITCH},            {"SHOWPLAN_TEXT", FORM_SWITCH},
    {"SHOWPLAN_XML", FORM_SWITCH},            {"XACT_ABORT", FORM_SWITCH},
    {"CONTEXT_INFO", FORM_VALUE},             {"DATEFIRST", FORM_VALUE},
    {"DATEFORMAT", FORM_VALUE},               {"DEADLOCK_PRIORITY", FORM_VALUE},
    {"ERRLVL", FORM_VALUE},                   {"FIPS_FLAGGER", FORM_VALUE},
    {"LANGUAGE", FORM_VALUE},                 {"LOCK_TIMEOUT", FORM_VALUE},
    {"QUERY_GOVERNOR_COST_LIMIT", FORM_VALUE}, {"ROWCOUNT", FORM_VALUE},
    {"TEXTSIZE", FORM_VALUE},
    {"STATISTICS", FORM_STATISTICS},          {"TRANSACTION", FORM_ISOLATION},
    {"TRAN", FORM_ISOLATION},                 {"IDENTITY_INSERT", FORM_IDENTITY_INSERT},
    {"OFFSETS", FORM_OFFSETS},
    /* clang-format on */
};

static const struct set_form *find_form(struct qr_str word)
{
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (qr_str_ieqz(word, forms[i].name))
            return &forms[i];
    }
    return NULL;
}

/* The option at the current token, which is taken. */
static const struct set_form *option_name(struct qri_parser *p)
{
    if (p->tok.kind != TOK_IDENT)
        qri_p_syntax(p);
    struct qr_str word = qri_token_str(p, &p->tok);
    const struct set_form *form = find_form(word);
    if (form == NULL)
        qri_p_fail_str2(p, &p->tok, 195, word, "SET option");
    qri_p_advance(p);
    return form;
}

static void add_option(struct qri_parser *p, struct qr_ast_set_option *node, struct qr_str name)
{
    *(struct qr_str *)qri_p_push(p, &node->options.items, &node->options.count, sizeof name) = name;
}

static void on_or_off(struct qri_parser *p, struct qr_ast_set_option *node)
{
    node->on_off = true;
    node->on = qri_p_accept(p, KW_ON);
    if (!node->on)
        qri_p_expect(p, KW_OFF);
}

static void set_switches(struct qri_parser *p, struct qr_ast_set_option *node)
{
    while (qri_p_accept_sym(p, ',')) {
        const struct set_form *form = option_name(p);
        if (form->form != FORM_SWITCH)
            qri_p_syntax(p);
        add_option(p, node, qr_str(form->name));
    }
    on_or_off(p, node);
    for (size_t i = 0; i < node->options.count && !p->in_module; i++) {
        bool quoted = qr_str_ieqz(node->options.items[i], "QUOTED_IDENTIFIER");
        if (quoted || qr_str_ieqz(node->options.items[i], "ANSI_DEFAULTS")) {
            p->quoted_identifier = node->on;
            p->sets_quoted_identifier = true;
        }
        if (qr_str_ieqz(node->options.items[i], "PARSEONLY")) {
            p->parse_only = node->on;
            p->sets_parse_only = true;
        }
    }
}

static void set_value(struct qri_parser *p, struct qr_ast_set_option *node)
{
    qri_p_accept_sym(p, '=');
    if (qri_p_at_constant(p) || qri_p_at_sym(p, '-') || qri_p_at_sym(p, '+') ||
        qri_p_at_variable(p)) {
        node->value = qri_p_simple_value(p);
        return;
    }
    if (p->tok.kind != TOK_IDENT && p->tok.kind != TOK_BRACKET && p->tok.kind != TOK_DQUOTE)
        qri_p_syntax(p);
    node->word = qri_token_str(p, &p->tok);
    qri_p_advance(p);
}

/* SET STATISTICS IO, TIME ON: options "STATISTICS IO" and "STATISTICS TIME". */
static void set_statistics(struct qri_parser *p, struct qr_ast_set_option *node)
{
    static const char *const kinds[][2] = {{"IO", "STATISTICS IO"},
                                           {"TIME", "STATISTICS TIME"},
                                           {"PROFILE", "STATISTICS PROFILE"},
                                           {"XML", "STATISTICS XML"}};
    node->options.count = 0;
    do {
        size_t i = 0;
        while (i < 4 && !qri_p_at_word(p, kinds[i][0]))
            i++;
        if (i == 4)
            qri_p_syntax(p);
        add_option(p, node, qr_str(kinds[i][1]));
        qri_p_advance(p);
    } while (qri_p_accept_sym(p, ','));
    on_or_off(p, node);
}

static void set_isolation(struct qri_parser *p, struct qr_ast_set_option *node)
{
    static const struct {
        const char *first, *second;
        const char *level;
    } levels[] = {{"READ", "UNCOMMITTED", "READ UNCOMMITTED"},
                  {"READ", "COMMITTED", "READ COMMITTED"},
                  {"REPEATABLE", "READ", "REPEATABLE READ"},
                  {"SNAPSHOT", NULL, "SNAPSHOT"},
                  {"SERIALIZABLE", NULL, "SERIALIZABLE"}};
    qri_p_expect(p, KW_ISOLATION);
    qri_p_expect(p, KW_LEVEL);
    node->options.items[0] = qr_str("TRANSACTION ISOLATION LEVEL");
    struct qri_place place;
    qri_p_mark(p, &place);
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        qri_p_rewind(p, &place);
        if (qri_p_accept_word(p, levels[i].first) &&
            (levels[i].second == NULL || qri_p_accept_word(p, levels[i].second))) {
            node->word = qr_str(levels[i].level);
            return;
        }
    }
    qri_p_syntax(p);
}

static struct qr_ast_stmt *set_option(struct qri_parser *p)
{
    struct qr_ast_set_option *node = qri_p_stmt(p, sizeof *node, QR_AS_SET_OPTION);
    qri_p_advance(p);
    const struct set_form *form = option_name(p);
    add_option(p, node, qr_str(form->name));
    switch (form->form) {
    case FORM_SWITCH:
        set_switches(p, node);
        break;
    case FORM_VALUE:
        set_value(p, node);
        break;
    case FORM_STATISTICS:
        set_statistics(p, node);
        break;
    case FORM_ISOLATION:
        set_isolation(p, node);
        break;
    case FORM_IDENTITY_INSERT:
        node->table = qri_p_name(p, 3);
        on_or_off(p, node);
        break;
    case FORM_OFFSETS:
        while (!qri_p_at(p, KW_ON) && !qri_p_at(p, KW_OFF)) {
            if (p->tok.kind != TOK_IDENT && !qri_p_at_sym(p, ','))
                qri_p_syntax(p);
            qri_p_advance(p);
        }
        on_or_off(p, node);
        break;
    }
    return qri_p_finish(p, node);
}

struct qr_ast_stmt *qri_p_stmt_set(struct qri_parser *p)
{
    bool variable = qri_p_peek_sym(p, 1, TOK_VARIABLE) || qri_p_peek_sym(p, 1, TOK_GLOBAL);
    return variable ? set_variable(p) : set_option(p);
}
