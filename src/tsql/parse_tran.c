/* parse_tran.c - transactions, and OPEN, FETCH, CLOSE, DEALLOCATE; see parse_int.h */
#include "parse_int.h"
#include "base/banned.h"

static void tran_name(struct qri_parser *p, struct qr_ast_transaction *node)
{
    if (qri_p_at_variable(p))
        node->variable = qri_p_variable(p);
    else if (qri_p_is_ident(p, &p->tok) && !qri_p_peek_sym(p, 1, ':') && !qri_p_at(p, KW_THROW))
        node->name = qri_p_ident(p);
}

static void begin_mark(struct qri_parser *p, struct qr_ast_transaction *node)
{
    if (!qri_p_accept2(p, KW_WITH, KW_MARK))
        return;
    node->with_mark = true;
    if (qri_p_at_constant(p) || qri_p_at_variable(p))
        node->mark = qri_p_simple_value(p);
}

static void commit_options(struct qri_parser *p, struct qr_ast_transaction *node)
{
    if (!qri_p_at(p, KW_WITH) || !qri_p_peek_sym(p, 1, '('))
        return;
    qri_p_advance(p);
    struct qr_ast_options options = {0};
    qri_p_options_paren(p, &options);
    for (size_t i = 0; i < options.count; i++)
        node->delayed_durability |= qr_str_ieqz(options.items[i].name, "DELAYED_DURABILITY") &&
                                    qr_str_ieqz(options.items[i].word, "ON");
}

/* BEGIN, COMMIT, ROLLBACK, SAVE */
struct qr_ast_stmt *qri_p_stmt_tran(struct qri_parser *p)
{
    static const struct {
        enum qri_keyword word;
        enum qr_ast_tran action;
    } actions[] = {{KW_BEGIN, QR_ATRAN_BEGIN},
                   {KW_COMMIT, QR_ATRAN_COMMIT},
                   {KW_ROLLBACK, QR_ATRAN_ROLLBACK},
                   {KW_SAVE, QR_ATRAN_SAVE}};
    struct qr_ast_transaction *node = qri_p_stmt(p, sizeof *node, QR_AS_TRANSACTION);
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (qri_p_at(p, actions[i].word))
            node->action = actions[i].action;
    }
    qri_p_advance(p);
    node->distributed = node->action == QR_ATRAN_BEGIN && qri_p_accept(p, KW_DISTRIBUTED);
    bool word = qri_p_accept(p, KW_TRAN) || qri_p_accept(p, KW_TRANSACTION);
    if (!word && (node->action == QR_ATRAN_BEGIN || node->action == QR_ATRAN_SAVE))
        qri_p_syntax(p);
    if (!word)
        qri_p_accept(p, KW_WORK);
    else
        tran_name(p, node);
    if (node->action == QR_ATRAN_SAVE && node->name.text.n == 0 && node->variable.n == 0)
        qri_p_syntax(p);
    if (node->action == QR_ATRAN_BEGIN)
        begin_mark(p, node);
    else if (node->action == QR_ATRAN_COMMIT)
        commit_options(p, node);
    return qri_p_finish(p, node);
}

/* ---- cursors ---- */

static void fetch_position(struct qri_parser *p, struct qr_ast_cursor *node)
{
    static const struct {
        enum qri_keyword word;
        enum qr_ast_fetch fetch;
        bool counted;
    } forms[] = {{KW_NEXT, QR_FETCH_NEXT, false},        {KW_PRIOR, QR_FETCH_PRIOR, false},
                 {KW_FIRST, QR_FETCH_FIRST, false},      {KW_LAST, QR_FETCH_LAST, false},
                 {KW_ABSOLUTE, QR_FETCH_ABSOLUTE, true}, {KW_RELATIVE, QR_FETCH_RELATIVE, true}};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (!qri_p_at(p, forms[i].word) || (!forms[i].counted && !qri_p_peek_at(p, 1, KW_FROM)))
            continue;
        qri_p_advance(p);
        node->fetch = forms[i].fetch;
        if (forms[i].counted)
            node->fetch_row = qri_p_simple_value(p);
        break;
    }
    qri_p_accept(p, KW_FROM);
}

static void cursor_name(struct qri_parser *p, struct qr_ast_cursor *node)
{
    if (qri_p_at_variable(p)) {
        node->variable = qri_p_variable(p);
        return;
    }
    if (qri_p_at(p, KW_GLOBAL) && qri_p_is_ident(p, qri_p_peek(p, 1))) {
        qri_p_advance(p);
        node->global = true;
    }
    node->name = qri_p_ident(p);
}

struct qr_ast_stmt *qri_p_stmt_cursor(struct qri_parser *p)
{
    static const struct {
        enum qri_keyword word;
        enum qr_ast_cursor_action action;
    } actions[] = {{KW_OPEN, QR_CURSOR_OPEN},
                   {KW_FETCH, QR_CURSOR_FETCH},
                   {KW_CLOSE, QR_CURSOR_CLOSE},
                   {KW_DEALLOCATE, QR_CURSOR_DEALLOCATE}};
    bool close = qri_p_at(p, KW_CLOSE);
    if (qri_p_peek_at(p, 1, KW_SYMMETRIC) || (close && qri_p_peek_at(p, 1, KW_ALL)))
        return qri_p_unsupported(p, close ? "CLOSE SYMMETRIC KEY" : "OPEN SYMMETRIC KEY");
    if (qri_p_peek_at(p, 1, KW_MASTER) && qri_p_peek_at(p, 2, KW_KEY))
        return qri_p_unsupported(p, close ? "CLOSE MASTER KEY" : "OPEN MASTER KEY");
    struct qr_ast_cursor *node = qri_p_stmt(p, sizeof *node, QR_AS_CURSOR);
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (qri_p_at(p, actions[i].word))
            node->action = actions[i].action;
    }
    qri_p_advance(p);
    if (node->action == QR_CURSOR_FETCH)
        fetch_position(p, node);
    cursor_name(p, node);
    if (node->action == QR_CURSOR_FETCH && qri_p_accept(p, KW_INTO)) {
        do {
            struct qr_str *name =
                qri_p_push(p, &node->into.items, &node->into.count, sizeof *node->into.items);
            *name = qri_p_variable(p);
        } while (qri_p_accept_sym(p, ','));
    }
    return qri_p_finish(p, node);
}
