/* parse_message.c - PRINT, RAISERROR, THROW, WAITFOR; see parse_int.h */
#include "parse_int.h"
#include "base/banned.h"

struct qr_ast_stmt *qri_p_stmt_print(struct qri_parser *p)
{
    struct qr_ast_print *node = qri_p_stmt(p, sizeof *node, QR_AS_PRINT);
    qri_p_advance(p);
    node->value = qri_p_scalar(p);
    return qri_p_finish(p, node);
}

static void raiserror_args(struct qri_parser *p, struct qr_ast_raiserror *node)
{
    while (qri_p_accept_sym(p, ',')) {
        struct qr_ast_expr *arg = qri_p_simple_value(p);
        qri_p_push_ptr(p, &node->args.items, &node->args.count, arg);
    }
}

static void raiserror_options(struct qri_parser *p, struct qr_ast_raiserror *node)
{
    if (!qri_p_accept(p, KW_WITH))
        return;
    do {
        if (qri_p_accept(p, KW_LOG))
            node->with_log = true;
        else if (qri_p_accept(p, KW_NOWAIT))
            node->with_nowait = true;
        else if (qri_p_accept(p, KW_SETERROR))
            node->with_seterror = true;
        else
            qri_p_syntax(p);
    } while (qri_p_accept_sym(p, ','));
}

struct qr_ast_stmt *qri_p_stmt_raiserror(struct qri_parser *p)
{
    struct qr_ast_raiserror *node = qri_p_stmt(p, sizeof *node, QR_AS_RAISERROR);
    qri_p_advance(p);
    if (qri_p_accept_sym(p, '(')) {
        node->message = qri_p_simple_value(p);
        qri_p_expect_sym(p, ',');
        node->severity = qri_p_simple_value(p);
        qri_p_expect_sym(p, ',');
        node->state = qri_p_simple_value(p);
        raiserror_args(p, node);
        qri_p_expect_sym(p, ')');
    } else { /* RAISERROR 50001 'text' */
        node->old_form = true;
        node->message = qri_p_simple_value(p);
        if (qri_p_at_constant(p) || qri_p_at_variable(p)) {
            struct qr_ast_expr *text = qri_p_simple_value(p);
            qri_p_push_ptr(p, &node->args.items, &node->args.count, text);
        }
        raiserror_args(p, node);
    }
    raiserror_options(p, node);
    return qri_p_finish(p, node);
}

struct qr_ast_stmt *qri_p_stmt_throw(struct qri_parser *p)
{
    struct qr_ast_throw *node = qri_p_stmt(p, sizeof *node, QR_AS_THROW);
    qri_p_advance(p);
    if (qri_p_at_constant(p) || qri_p_at_variable(p)) {
        node->number = qri_p_simple_value(p);
        qri_p_expect_sym(p, ',');
        node->message = qri_p_simple_value(p);
        qri_p_expect_sym(p, ',');
        node->state = qri_p_simple_value(p);
    }
    return qri_p_finish(p, node);
}

struct qr_ast_stmt *qri_p_stmt_waitfor(struct qri_parser *p)
{
    struct qr_ast_waitfor *node = qri_p_stmt(p, sizeof *node, QR_AS_WAITFOR);
    qri_p_advance(p);
    if (qri_p_at_sym(p, '(')) { /* a RECEIVE or GET CONVERSATION GROUP */
        node->wait = QR_WAITFOR_STATEMENT;
        qri_p_skip_paren(p);
        if (qri_p_accept_sym(p, ',')) {
            if (!qri_p_accept_word(p, "TIMEOUT"))
                qri_p_syntax(p);
            node->value = qri_p_simple_value(p);
        }
        return qri_p_finish(p, node);
    }
    node->wait = qri_p_at(p, KW_TIME) ? QR_WAITFOR_TIME : QR_WAITFOR_DELAY;
    if (!qri_p_accept(p, KW_TIME))
        qri_p_expect(p, KW_DELAY);
    node->value = qri_p_simple_value(p);
    return qri_p_finish(p, node);
}
