/* parse_message.c - PRINT, RAISERROR, THROW, WAITFOR; see parse_int.h */
#include "parse_int.h"
#include "base/banned.h"

struct qr_ast_stmt *qri_stmt_print(struct qri_parser *p)
{
    struct qr_ast_print *node = qri_stmt(p, sizeof *node, QR_AS_PRINT);
    qri_advance(p);
    node->value = qri_scalar(p);
    return qri_finish(p, node);
}

static void raiserror_args(struct qri_parser *p, struct qr_ast_raiserror *node)
{
    while (qri_accept_sym(p, ',')) {
        struct qr_ast_expr *arg = qri_simple_value(p);
        *(struct qr_ast_expr **)qri_push(p, &node->args.items, &node->args.count, sizeof arg) = arg;
    }
}

static void raiserror_options(struct qri_parser *p, struct qr_ast_raiserror *node)
{
    if (!qri_accept(p, KW_WITH))
        return;
    do {
        if (qri_accept(p, KW_LOG))
            node->with_log = true;
        else if (qri_accept(p, KW_NOWAIT))
            node->with_nowait = true;
        else if (qri_accept(p, KW_SETERROR))
            node->with_seterror = true;
        else
            qri_syntax(p);
    } while (qri_accept_sym(p, ','));
}

struct qr_ast_stmt *qri_stmt_raiserror(struct qri_parser *p)
{
    struct qr_ast_raiserror *node = qri_stmt(p, sizeof *node, QR_AS_RAISERROR);
    qri_advance(p);
    if (qri_accept_sym(p, '(')) {
        node->message = qri_simple_value(p);
        qri_expect_sym(p, ',');
        node->severity = qri_simple_value(p);
        qri_expect_sym(p, ',');
        node->state = qri_simple_value(p);
        raiserror_args(p, node);
        qri_expect_sym(p, ')');
    } else { /* RAISERROR 50001 'text' */
        node->old_form = true;
        node->message = qri_simple_value(p);
        if (qri_at_constant(p) || p->tok.kind == TOK_VARIABLE) {
            struct qr_ast_expr *text = qri_simple_value(p);
            *(struct qr_ast_expr **)qri_push(p, &node->args.items, &node->args.count, sizeof text) =
                text;
        }
        raiserror_args(p, node);
    }
    raiserror_options(p, node);
    return qri_finish(p, node);
}

struct qr_ast_stmt *qri_stmt_throw(struct qri_parser *p)
{
    struct qr_ast_throw *node = qri_stmt(p, sizeof *node, QR_AS_THROW);
    qri_advance(p);
    if (qri_at_constant(p) || p->tok.kind == TOK_VARIABLE) {
        node->number = qri_simple_value(p);
        qri_expect_sym(p, ',');
        node->message = qri_simple_value(p);
        qri_expect_sym(p, ',');
        node->state = qri_simple_value(p);
    }
    return qri_finish(p, node);
}

struct qr_ast_stmt *qri_stmt_waitfor(struct qri_parser *p)
{
    struct qr_ast_waitfor *node = qri_stmt(p, sizeof *node, QR_AS_WAITFOR);
    qri_advance(p);
    if (qri_at_sym(p, '(')) { /* a RECEIVE or GET CONVERSATION GROUP */
        node->wait = QR_WAITFOR_STATEMENT;
        qri_skip_paren(p);
        if (qri_accept_sym(p, ',')) {
            if (!qri_accept_word(p, "TIMEOUT"))
                qri_syntax(p);
            node->value = qri_simple_value(p);
        }
        return qri_finish(p, node);
    }
    node->wait = qri_at(p, KW_TIME) ? QR_WAITFOR_TIME : QR_WAITFOR_DELAY;
    if (!qri_accept(p, KW_TIME))
        qri_expect(p, KW_DELAY);
    node->value = qri_simple_value(p);
    return qri_finish(p, node);
}
