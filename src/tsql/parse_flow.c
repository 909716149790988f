/* parse_flow.c - IF, WHILE, blocks, TRY, RETURN, GOTO and labels; see parse_int.h */
#include "parse_int.h"
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

/* ELSE may follow the semicolon of the statement before it. */
static bool accept_else(struct qri_parser *p)
{
    if (qri_p_at_sym(p, ';') && qri_p_peek_at(p, 1, KW_ELSE))
        qri_p_advance(p);
    return qri_p_accept(p, KW_ELSE);
}

/* An else-if chain is read by this loop, so that its length is no depth. */
struct qr_ast_stmt *qri_p_stmt_if(struct qri_parser *p)
{
    struct qr_ast_if *first = NULL, **link = &first;
    for (;;) {
        struct qr_ast_if *node = qri_p_stmt(p, sizeof *node, QR_AS_IF);
        *link = node;
        qri_p_expect(p, KW_IF);
        node->condition = qri_p_condition(p);
        node->then = qri_p_statement(p);
        if (!accept_else(p))
            break;
        if (!qri_p_at(p, KW_IF)) {
            node->otherwise = qri_p_statement(p);
            break;
        }
        link = (struct qr_ast_if **)&node->otherwise;
    }
    for (struct qr_ast_if *node = first; node != NULL && node->head.kind == QR_AS_IF;
         node = (struct qr_ast_if *)node->otherwise)
        qri_p_finish(p, node);
    return &first->head;
}

struct qr_ast_stmt *qri_p_stmt_while(struct qri_parser *p)
{
    struct qr_ast_while *node = qri_p_stmt(p, sizeof *node, QR_AS_WHILE);
    qri_p_advance(p);
    node->condition = qri_p_condition(p);
    p->loops++;
    node->body = qri_p_statement(p);
    p->loops--;
    return qri_p_finish(p, node);
}

static void block_body(struct qri_parser *p, struct qr_ast_stmts *list, bool may_be_empty)
{
    bool semicolon = qri_p_at_sym(p, ';');
    qri_p_statements(p, list);
    if (list->count == 0 && !semicolon && !may_be_empty)
        qri_p_syntax(p);
    qri_p_expect(p, KW_END);
}

static struct qr_ast_stmt *parse_try(struct qri_parser *p)
{
    struct qr_ast_try *node = qri_p_stmt(p, sizeof *node, QR_AS_TRY);
    qri_p_advance(p);
    qri_p_advance(p);
    block_body(p, &node->body, true);
    qri_p_expect(p, KW_TRY);
    qri_p_accept_sym(p, ';');
    qri_p_expect(p, KW_BEGIN);
    qri_p_expect(p, KW_CATCH);
    block_body(p, &node->handler, true);
    qri_p_expect(p, KW_CATCH);
    return qri_p_finish(p, node);
}

struct qr_ast_stmt *qri_p_stmt_begin(struct qri_parser *p)
{
    static const enum qri_keyword tran_words[] = {KW_TRAN, KW_TRANSACTION, KW_DISTRIBUTED};
    for (size_t i = 0; i < sizeof tran_words / sizeof tran_words[0]; i++) {
        if (qri_p_peek_at(p, 1, tran_words[i]))
            return qri_p_stmt_tran(p);
    }
    if (qri_p_peek_at(p, 1, KW_TRY))
        return parse_try(p);
    if (qri_p_peek_at(p, 1, KW_DIALOG))
        return qri_p_unsupported(p, "BEGIN DIALOG");
    if (qri_p_peek_at(p, 1, KW_CONVERSATION))
        return qri_p_unsupported(p, "BEGIN CONVERSATION TIMER");
    struct qr_ast_block *node = qri_p_stmt(p, sizeof *node, QR_AS_BLOCK);
    qri_p_advance(p);
    if (qri_p_at(p, KW_ATOMIC) && qri_p_peek_at(p, 1, KW_WITH)) {
        node->atomic = true;
        qri_p_advance(p);
        qri_p_advance(p);
        qri_p_skip_paren(p);
    }
    block_body(p, &node->stmts, false);
    return qri_p_finish(p, node);
}

/* BREAK, CONTINUE */
struct qr_ast_stmt *qri_p_stmt_break(struct qri_parser *p)
{
    bool is_break = qri_p_at(p, KW_BREAK);
    if (p->loops == 0)
        qri_p_fail(p, &p->tok, is_break ? 135 : 136);
    struct qr_ast_stmt *node = qri_p_stmt(p, sizeof *node, is_break ? QR_AS_BREAK : QR_AS_CONTINUE);
    qri_p_advance(p);
    return qri_p_finish(p, node);
}

static bool at_value(struct qri_parser *p)
{
    switch ((int)p->tok.kind) {
    case TOK_VARIABLE:
    case TOK_GLOBAL:
    case TOK_PSEUDO:
    case '(':
    case '-':
    case '+':
    case '~':
    case '{':
        return true;
    default:
        break;
    }
    if (qri_p_at_constant(p))
        return true;
    if (qri_p_is_ident(p, &p->tok))
        return !qri_p_peek_sym(p, 1, ':') && !qri_p_at(p, KW_THROW);
    switch ((int)p->tok.keyword) {
    case KW_CASE:
    case KW_CONVERT:
    case KW_TRY_CONVERT:
    case KW_COALESCE:
    case KW_NULLIF:
    case KW_LEFT:
    case KW_RIGHT:
    case KW_USER:
    case KW_CURRENT_DATE:
    case KW_CURRENT_TIMESTAMP:
    case KW_CURRENT_USER:
    case KW_SESSION_USER:
    case KW_SYSTEM_USER:
        return true;
    default:
        return false;
    }
}

struct qr_ast_stmt *qri_p_stmt_return(struct qri_parser *p)
{
    struct qr_ast_return *node = qri_p_stmt(p, sizeof *node, QR_AS_RETURN);
    struct qri_token word = p->tok;
    qri_p_advance(p);
    if (at_value(p)) {
        if (!p->value_returned)
            qri_p_fail(p, &word, 178);
        node->value = qri_p_scalar(p);
    }
    return qri_p_finish(p, node);
}

/* ---- GOTO ---- */

struct qr_ast_stmt *qri_p_stmt_goto(struct qri_parser *p)
{
    struct qr_ast_goto *node = qri_p_stmt(p, sizeof *node, QR_AS_GOTO);
    qri_p_advance(p);
    node->label = qri_p_ident(p);
    struct qri_label *entry = qri_p_push(p, &p->gotos, &p->goto_count, sizeof *entry);
    *entry = (struct qri_label){node->label, node->head.pos.line};
    return qri_p_finish(p, node);
}

struct qr_ast_stmt *qri_p_stmt_label(struct qri_parser *p)
{
    struct qr_ast_goto *node = qri_p_stmt(p, sizeof *node, QR_AS_LABEL);
    node->label = qri_p_ident(p);
    qri_p_expect_sym(p, ':');
    struct qri_label *entry = qri_p_push(p, &p->labels, &p->label_count, sizeof *entry);
    *entry = (struct qri_label){node->label, node->head.pos.line};
    return qri_p_finish(p, node);
}

static int by_name(const void *a, const void *b)
{
    struct qr_str x = ((const struct qri_label *)a)->name.text;
    struct qr_str y = ((const struct qri_label *)b)->name.text;
    int order = strncasecmp(x.p, y.p, x.n < y.n ? x.n : y.n);
    return order != 0 ? order : (x.n > y.n) - (x.n < y.n);
}

/* Sorted first, so that a text of nothing but labels costs no square. */
void qri_p_check_labels(struct qri_parser *p)
{
    if (p->label_count > 1)
        qsort(p->labels, p->label_count, sizeof *p->labels, by_name);
    for (size_t i = 1; i < p->label_count; i++) {
        if (by_name(&p->labels[i - 1], &p->labels[i]) == 0)
            qri_p_fail_str(p, &(struct qri_token){.line = p->labels[i].line}, 132,
                           p->labels[i].name.text);
    }
    for (size_t i = 0; i < p->goto_count; i++) {
        if (p->label_count == 0 ||
            bsearch(&p->gotos[i], p->labels, p->label_count, sizeof *p->labels, by_name) == NULL)
            qri_p_fail_str(p, &(struct qri_token){.line = p->gotos[i].line}, 133,
                           p->gotos[i].name.text);
    }
    p->label_count = p->goto_count = 0;
    p->labels = p->gotos = NULL;
}
