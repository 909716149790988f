/* parse_module.c - procedures and views, and what all modules share; see parse_ddl_int.h */
#include "parse_ddl_int.h"
#include "base/banned.h"

/* ---- parameters ---- */

static struct qr_ast_expr *param_default(struct qri_parser *p)
{
    if (!qri_p_is_ident(p, &p->tok))
        return qri_p_simple_value(p);
    struct qr_ast_column *word = qri_p_expr(p, sizeof *word, QR_AE_COLUMN, qri_p_pos(p));
    word->name = qri_p_name(p, 1);
    return &word->head;
}

static void param(struct qri_parser *p, struct qr_ast_param *param)
{
    param->pos = qri_p_pos(p);
    param->name = qri_p_declared(p);
    qri_p_accept(p, KW_AS);
    if (qri_p_accept(p, KW_CURSOR))
        param->cursor_varying = qri_p_accept(p, KW_VARYING);
    else
        qri_p_type(p, &param->type);
    for (;;) {
        if (qri_p_accept2(p, KW_NOT, KW_NULL))
            param->nullable = QR_NO;
        else if (qri_p_accept(p, KW_NULL))
            param->nullable = QR_YES;
        else if (qri_p_accept(p, KW_VARYING))
            param->cursor_varying = true;
        else if (qri_p_accept_sym(p, '='))
            param->initial = param_default(p);
        else if (qri_p_accept(p, KW_OUTPUT) || qri_p_accept(p, KW_OUT))
            param->output = true;
        else if (qri_p_accept(p, KW_READONLY))
            param->readonly = true;
        else
            return;
    }
}

void qri_p_params(struct qri_parser *p, struct qr_ast_params *params)
{
    do {
        struct qr_ast_param item = {0};
        param(p, &item);
        *(struct qr_ast_param *)qri_p_push(p, &params->items, &params->count, sizeof item) = item;
    } while (qri_p_accept_sym(p, ','));
}

/* ---- WITH options ---- */

static const char *const option_words[] = {"RECOMPILE",     "ENCRYPTION",         "SCHEMABINDING",
                                           "VIEW_METADATA", "NATIVE_COMPILATION", "DISTRIBUTION"};

/* RETURNS NULL ON NULL INPUT, CALLED ON NULL INPUT */
static bool null_input(struct qri_parser *p, struct qr_ast_option *option)
{
    bool returns = qri_p_accept2(p, KW_RETURNS, KW_NULL);
    if (!returns && !qri_p_accept(p, KW_CALLED))
        return false;
    qri_p_expect(p, KW_ON);
    qri_p_expect(p, KW_NULL);
    qri_p_expect(p, KW_INPUT);
    option->name = qr_str(returns ? "RETURNS NULL ON NULL INPUT" : "CALLED ON NULL INPUT");
    return true;
}

static bool execute_as(struct qri_parser *p, struct qr_ast_option *option)
{
    if (!qri_p_accept(p, KW_EXECUTE) && !qri_p_accept(p, KW_EXEC))
        return false;
    qri_p_expect(p, KW_AS);
    option->name = qr_str("EXECUTE AS");
    if (qri_p_is_string(p, &p->tok)) {
        option->value = qri_p_literal(p);
        return true;
    }
    option->word = qri_p_upper(p, qri_p_ident(p).text);
    return true;
}

static void module_option(struct qri_parser *p, struct qr_ast_option *option)
{
    option->pos = qri_p_pos(p);
    if (null_input(p, option) || execute_as(p, option)) {
        option->text = qri_p_text_from(p, option->pos.offset);
        return;
    }
    for (size_t i = 0; i < sizeof option_words / sizeof option_words[0]; i++) {
        if (option->name.n == 0 && qri_p_accept_word(p, option_words[i]))
            option->name = qr_str(option_words[i]);
    }
    if (option->name.n == 0 && qri_p_accept_word(p, "INLINE")) {
        qri_p_expect_sym(p, '=');
        option->name = qr_str("INLINE");
        option->word = qr_str(qri_p_at(p, KW_ON) ? "ON" : "OFF");
        if (!qri_p_accept(p, KW_ON))
            qri_p_expect(p, KW_OFF);
    }
    if (option->name.n == 0)
        qri_p_syntax(p);
    if (qri_p_at_sym(p, '='))
        qri_p_syntax(p);
    option->text = qri_p_text_from(p, option->pos.offset);
}

void qri_p_module_options(struct qri_parser *p, struct qr_ast_options *options)
{
    if (!qri_p_accept(p, KW_WITH))
        return;
    do {
        struct qr_ast_option *option =
            qri_p_push(p, &options->items, &options->count, sizeof *option);
        module_option(p, option);
    } while (qri_p_accept_sym(p, ','));
}

struct qr_str qri_p_external_name(struct qri_parser *p)
{
    if (!qri_p_accept(p, KW_EXTERNAL))
        return qr_str("");
    qri_p_expect(p, KW_NAME);
    uint32_t begin = p->tok.begin;
    qri_p_name(p, 3);
    return qri_p_text_from(p, begin);
}

/* ---- bodies ---- */

void qri_p_module_body(struct qri_parser *p, struct qr_ast_stmts *body, bool value_returned)
{
    p->in_module = true;
    p->value_returned = value_returned;
    qri_p_statements(p, body);
    qri_p_check_labels(p);
}

void qri_p_expect_alone(struct qri_parser *p)
{
    while (qri_p_accept_sym(p, ';'))
        continue;
    bool element = p->tok.keyword == KW_CREATE || p->tok.keyword == KW_GRANT; /* of CREATE SCHEMA */
    if (p->tok.kind != TOK_END && !element)
        qri_p_syntax(p);
}

struct qr_ast_stmt *qri_p_procedure(struct qri_parser *p, enum qr_ast_action action)
{
    struct qr_ast_procedure *node = qri_p_ddl_stmt(p, sizeof *node, QR_AS_PROCEDURE);
    node->action = action;
    qri_p_advance(p);
    node->name = qri_p_name(p, 3);
    if (qri_p_accept_sym(p, ';'))
        node->number = qri_p_int(p);
    bool paren = qri_p_accept_sym(p, '(');
    if (qri_p_at_variable(p))
        qri_p_params(p, &node->params);
    if (paren)
        qri_p_expect_sym(p, ')');
    qri_p_module_options(p, &node->options);
    if (qri_p_accept2(p, KW_FOR, KW_REPLICATION))
        node->for_replication = true;
    qri_p_expect(p, KW_AS);
    node->external_name = qri_p_external_name(p);
    if (node->external_name.n == 0)
        qri_p_module_body(p, &node->body, true);
    return qri_p_finish(p, node);
}

struct qr_ast_stmt *qri_p_view(struct qri_parser *p, enum qr_ast_action action)
{
    struct qr_ast_view *node = qri_p_ddl_stmt(p, sizeof *node, QR_AS_VIEW);
    node->action = action;
    node->materialized = qri_p_accept(p, KW_MATERIALIZED);
    qri_p_expect(p, KW_VIEW);
    node->name = qri_p_name(p, 3);
    if (qri_p_at_sym(p, '('))
        node->columns = qri_p_ident_list(p);
    qri_p_module_options(p, &node->options);
    qri_p_expect(p, KW_AS);
    node->select = qri_p_select_stmt(p);
    if (qri_p_accept2(p, KW_WITH, KW_CHECK)) {
        qri_p_expect(p, KW_OPTION);
        node->check_option = true;
    }
    struct qr_ast_stmt *stmt = qri_p_finish(p, node);
    qri_p_expect_alone(p);
    return stmt;
}
