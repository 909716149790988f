/* parse_admin.c - USE, DBCC, KILL and statements of one word; see parse_int.h */
#include "parse_int.h"
#include "base/banned.h"

struct qr_ast_stmt *qri_p_stmt_use(struct qri_parser *p)
{
    struct qr_ast_use *node = qri_p_stmt(p, sizeof *node, QR_AS_USE);
    qri_p_advance(p);
    node->database = qri_p_ident(p);
    return qri_p_finish(p, node);
}

static struct qr_ast_expr *dbcc_argument(struct qri_parser *p)
{
    if (p->tok.kind != TOK_IDENT && p->tok.kind != TOK_BRACKET && !qri_p_is_ident(p, &p->tok))
        return qri_p_simple_value(p);
    struct qr_ast_column *word = qri_p_expr(p, sizeof *word, QR_AE_COLUMN, qri_p_pos(p));
    if (!p->tok.reserved) {
        word->name = qri_p_name(p, 4);
        return &word->head;
    }
    word->name = (struct qr_ast_name){.pos = qri_p_pos(p), .count = 1};
    word->name.parts = qri_p_alloc(p, sizeof *word->name.parts);
    word->name.parts[0].text = qri_token_str(p, &p->tok);
    qri_p_advance(p);
    return &word->head;
}

struct qr_ast_stmt *qri_p_stmt_dbcc(struct qri_parser *p)
{
    struct qr_ast_dbcc *node = qri_p_stmt(p, sizeof *node, QR_AS_DBCC);
    qri_p_advance(p);
    if (p->tok.kind != TOK_IDENT)
        qri_p_syntax(p);
    node->command = qri_p_upper(p, qri_token_str(p, &p->tok));
    qri_p_advance(p);
    if (qri_p_accept_sym(p, '(') && !qri_p_accept_sym(p, ')')) {
        do {
            struct qr_ast_expr *arg = dbcc_argument(p);
            qri_p_push_ptr(p, &node->args.items, &node->args.count, arg);
        } while (qri_p_accept_sym(p, ','));
        qri_p_expect_sym(p, ')');
    }
    if (!qri_p_accept(p, KW_WITH))
        return qri_p_finish(p, node);
    do {
        struct qr_ast_option *option =
            qri_p_push(p, &node->options.items, &node->options.count, sizeof *option);
        option->pos = qri_p_pos(p);
        option->name = qri_p_upper(p, qri_p_ident(p).text);
        if (qri_p_accept_sym(p, '='))
            option->value = qri_p_simple_value(p);
        option->text = qri_p_text_from(p, option->pos.offset);
    } while (qri_p_accept_sym(p, ','));
    return qri_p_finish(p, node);
}

struct qr_ast_stmt *qri_p_stmt_kill(struct qri_parser *p)
{
    struct qr_ast_kill *node = qri_p_stmt(p, sizeof *node, QR_AS_KILL);
    qri_p_advance(p);
    if (qri_p_accept2(p, KW_QUERY, KW_NOTIFICATION)) {
        qri_p_expect(p, KW_SUBSCRIPTION);
        node->what = qr_str("QUERY NOTIFICATION SUBSCRIPTION");
        if (!qri_p_accept(p, KW_ALL))
            node->session = qri_p_simple_value(p);
    } else if (qri_p_accept2(p, KW_STATS, KW_JOB)) {
        node->what = qr_str("STATS JOB");
        node->session = qri_p_simple_value(p);
    } else {
        node->session = qri_p_simple_value(p);
    }
    if (qri_p_accept(p, KW_WITH)) {
        node->status_only = qri_p_accept_word(p, "STATUSONLY");
        if (!node->status_only && !qri_p_accept(p, KW_COMMIT))
            qri_p_expect(p, KW_ROLLBACK);
    }
    return qri_p_finish(p, node);
}

struct qr_ast_stmt *qri_p_stmt_revert(struct qri_parser *p)
{
    struct qr_ast_revert *node = qri_p_stmt(p, sizeof *node, QR_AS_REVERT);
    qri_p_advance(p);
    if (qri_p_accept(p, KW_WITH)) {
        qri_p_expect(p, KW_COOKIE);
        qri_p_expect_sym(p, '=');
        node->cookie_variable = qri_p_used(p);
    }
    return qri_p_finish(p, node);
}

/* CHECKPOINT [n], SHUTDOWN [WITH NOWAIT], RECONFIGURE [WITH OVERRIDE] */
struct qr_ast_stmt *qri_p_stmt_word(struct qri_parser *p)
{
    static const struct {
        enum qri_keyword word;
        enum qr_ast_stmt_kind kind;
    } words[] = {{KW_CHECKPOINT, QR_AS_CHECKPOINT},
                 {KW_SHUTDOWN, QR_AS_SHUTDOWN},
                 {KW_RECONFIGURE, QR_AS_RECONFIGURE}};
    struct qr_ast_stmt *node = qri_p_stmt(p, sizeof *node, QR_AS_CHECKPOINT);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (qri_p_at(p, words[i].word))
            node->kind = words[i].kind;
    }
    qri_p_advance(p);
    if (node->kind == QR_AS_CHECKPOINT && p->tok.kind == TOK_INT)
        qri_p_int(p);
    if (node->kind == QR_AS_SHUTDOWN && qri_p_accept(p, KW_WITH)) {
        qri_p_expect(p, KW_NOWAIT);
    } else if (node->kind == QR_AS_RECONFIGURE && qri_p_accept(p, KW_WITH)) {
        if (!qri_p_accept_word(p, "OVERRIDE"))
            qri_p_syntax(p);
    }
    return qri_p_finish(p, node);
}
