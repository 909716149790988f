/* parse_exec.c - EXECUTE in all its forms; see parse_int.h */
#include "parse_int.h"
#include "base/banned.h"

static bool at_argument(struct qri_parser *p)
{
    if (qri_p_at_constant(p) || qri_p_at_variable(p) || qri_p_at_sym(p, '-') ||
        qri_p_at_sym(p, '+') || qri_p_at(p, KW_DEFAULT))
        return true;
    return qri_p_is_ident(p, &p->tok) && !qri_p_peek_sym(p, 1, ':') &&
           !(qri_p_at(p, KW_THROW) && (p->tok.line > p->last.line));
}

/* A constant, a variable, DEFAULT, or a bare word, which means a string. */
static struct qr_ast_expr *argument_value(struct qri_parser *p)
{
    if (qri_p_at(p, KW_DEFAULT))
        return qri_p_word_literal(p, QR_LIT_DEFAULT);
    if (!qri_p_is_ident(p, &p->tok) && p->tok.keyword != KW_ON && p->tok.keyword != KW_OFF)
        return qri_p_simple_value(p);
    struct qr_ast_column *word = qri_p_expr(p, sizeof *word, QR_AE_COLUMN, qri_p_pos(p));
    word->name = (struct qr_ast_name){.pos = qri_p_pos(p), .count = 1};
    word->name.parts = qri_p_alloc(p, sizeof *word->name.parts);
    word->name.parts[0].text = qri_token_str(p, &p->tok);
    qri_p_advance(p);
    return &word->head;
}

static void arguments(struct qri_parser *p, struct qr_ast_exec *exec)
{
    do {
        struct qr_ast_exec_arg arg = {.pos = qri_p_pos(p)};
        if (qri_p_at_variable(p) && qri_p_peek_sym(p, 1, '=')) {
            arg.name = qri_p_variable(p);
            qri_p_advance(p);
        } else if (exec->arg_count > 0 && exec->args[exec->arg_count - 1].name.n > 0) {
            qri_p_fail_int(p, &p->tok, 119, (int)exec->arg_count + 1);
        }
        arg.value = argument_value(p);
        arg.output = qri_p_accept(p, KW_OUTPUT) || qri_p_accept(p, KW_OUT);
        *(struct qr_ast_exec_arg *)qri_p_push(p, &exec->args, &exec->arg_count, sizeof arg) = arg;
    } while (qri_p_accept_sym(p, ','));
}

/* EXEC ('...' + @x [, args]) [AS USER|LOGIN = 'x'] [AT server] */
static void exec_string(struct qri_parser *p, struct qr_ast_exec *exec)
{
    qri_p_expect_sym(p, '(');
    exec->string = qri_p_scalar(p);
    if (qri_p_accept_sym(p, ','))
        arguments(p, exec);
    qri_p_expect_sym(p, ')');
    if (qri_p_at(p, KW_AS) && (qri_p_peek_at(p, 1, KW_USER) || qri_p_peek_at(p, 1, KW_LOGIN))) {
        qri_p_advance(p);
        exec->as_login = qri_p_at(p, KW_LOGIN);
        qri_p_advance(p);
        qri_p_expect_sym(p, '=');
        exec->as_user = (struct qr_ast_name){.pos = qri_p_pos(p), .count = 1};
        exec->as_user.parts = qri_p_alloc(p, sizeof *exec->as_user.parts);
        exec->as_user.parts[0] = qri_p_ident_or_string(p);
    }
    if (qri_p_accept(p, KW_AT)) {
        if (qri_p_at(p, KW_DATA_SOURCE))
            qri_p_advance(p);
        exec->at_server = qri_p_ident(p);
    }
}

static void result_column(struct qri_parser *p, struct qr_ast_result_column *column)
{
    column->name = qri_p_ident(p);
    qri_p_type(p, &column->type);
    if (qri_p_accept(p, KW_COLLATE))
        column->collation = qri_p_ident(p);
    column->not_null = qri_p_accept2(p, KW_NOT, KW_NULL);
    if (!column->not_null)
        (void)qri_p_accept(p, KW_NULL);
}

/* ( column type, ... ) | AS OBJECT name | AS TYPE name | AS FOR XML */
static void result_set(struct qri_parser *p, struct qr_ast_result_set *set)
{
    uint32_t begin = p->tok.begin;
    if (qri_p_accept(p, KW_AS)) {
        if (qri_p_accept(p, KW_FOR)) {
            qri_p_expect(p, KW_XML);
            set->refuse = qri_p_text_from(p, begin);
            return;
        }
        if (!qri_p_accept(p, KW_TYPE) && !qri_p_accept_word(p, "OBJECT"))
            qri_p_syntax(p);
        set->refuse = qri_p_text_from(p, begin);
        (void)qri_p_name(p, 3);
        return;
    }
    qri_p_expect_sym(p, '(');
    do {
        struct qr_ast_result_column column = {0};
        result_column(p, &column);
        *(struct qr_ast_result_column *)qri_p_push(p, &set->columns, &set->count, sizeof column) =
            column;
    } while (qri_p_accept_sym(p, ','));
    qri_p_expect_sym(p, ')');
}

static void result_sets(struct qri_parser *p, struct qr_ast_exec *exec)
{
    if (qri_p_accept(p, KW_UNDEFINED))
        return;
    if (qri_p_accept_word(p, "NONE")) {
        exec->results = QR_RESULTS_NONE;
        return;
    }
    exec->results = QR_RESULTS_DEFINED;
    qri_p_expect_sym(p, '(');
    do {
        struct qr_ast_result_set set = {0};
        result_set(p, &set);
        *(struct qr_ast_result_set *)qri_p_push(p, &exec->sets, &exec->set_count, sizeof set) = set;
    } while (qri_p_accept_sym(p, ','));
    qri_p_expect_sym(p, ')');
}

static void exec_options(struct qri_parser *p, struct qr_ast_exec *exec)
{
    if (!qri_p_at(p, KW_WITH) ||
        (!qri_p_peek_at(p, 1, KW_RECOMPILE) && !qri_p_peek_at(p, 1, KW_RESULT)))
        return;
    qri_p_advance(p);
    do {
        if (qri_p_accept(p, KW_RECOMPILE)) {
            exec->recompile = true;
            continue;
        }
        uint32_t begin = p->tok.begin;
        qri_p_expect(p, KW_RESULT);
        qri_p_expect(p, KW_SETS);
        result_sets(p, exec);
        exec->result_sets = qri_p_text_from(p, begin);
    } while (qri_p_accept_sym(p, ','));
}

/* A password is its argument. */
static void note_secret(struct qri_parser *p, const struct qr_ast_exec *exec)
{
    size_t n = exec->procedure.count;
    p->has_secret |= n > 0 && qr_str_ieqz(exec->procedure.parts[n - 1].text, "sp_setapprole");
}

static void exec_target(struct qri_parser *p, struct qr_ast_exec *exec)
{
    if (qri_p_at_variable(p) && qri_p_peek_sym(p, 1, '=')) {
        exec->return_variable = qri_p_used(p);
        qri_p_advance(p);
    }
    if (qri_p_at_sym(p, '(') && exec->return_variable.n == 0) {
        exec_string(p, exec);
        return;
    }
    if (qri_p_at_variable(p))
        exec->procedure_variable = qri_p_used(p);
    else
        exec->procedure = qri_p_name(p, 4);
    note_secret(p, exec);
    if (qri_p_at_sym(p, ';') && qri_p_peek_sym(p, 1, TOK_INT)) {
        qri_p_advance(p);
        exec->procedure_number = qri_p_int(p);
    }
    if (at_argument(p))
        arguments(p, exec);
}

struct qr_ast_exec *qri_p_exec(struct qri_parser *p)
{
    struct qr_ast_exec *exec = qri_p_stmt(p, sizeof *exec, QR_AS_EXEC);
    qri_p_advance(p);
    exec_target(p, exec);
    exec_options(p, exec);
    qri_p_finish(p, exec);
    return exec;
}

struct qr_ast_stmt *qri_p_stmt_exec(struct qri_parser *p)
{
    if (qri_p_peek_at(p, 1, KW_AS))
        return qri_p_stmt_execute_as(p);
    return &qri_p_exec(p)->head;
}

struct qr_ast_stmt *qri_p_stmt_bare_exec(struct qri_parser *p)
{
    struct qr_ast_exec *exec = qri_p_stmt(p, sizeof *exec, QR_AS_EXEC);
    exec->bare = true;
    exec_target(p, exec);
    exec_options(p, exec);
    return qri_p_finish(p, exec);
}

/* {call p(1, 2)}, {? = call p(1)} */
struct qr_ast_stmt *qri_p_stmt_odbc_call(struct qri_parser *p)
{
    struct qr_ast_exec *exec = qri_p_stmt(p, sizeof *exec, QR_AS_EXEC);
    qri_p_expect_sym(p, '{');
    if (qri_p_at_variable(p)) {
        exec->return_variable = qri_p_used(p);
        qri_p_expect_sym(p, '=');
    }
    qri_p_expect(p, KW_CALL);
    exec->procedure = qri_p_name(p, 4);
    note_secret(p, exec);
    if (qri_p_accept_sym(p, '(') && !qri_p_accept_sym(p, ')')) {
        arguments(p, exec);
        qri_p_expect_sym(p, ')');
    }
    qri_p_expect_sym(p, '}');
    return qri_p_finish(p, exec);
}
