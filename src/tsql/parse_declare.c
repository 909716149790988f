/* parse_declare.c - DECLARE of variables, table variables and cursors; see parse_int.h */
#include "parse_int.h"
#include "parse_ddl_int.h"
#include "base/banned.h"

static const char *const cursor_options[] = {
    "LOCAL",      "GLOBAL",       "FORWARD_ONLY", "SCROLL",    "STATIC",
    "KEYSET",     "DYNAMIC",      "FAST_FORWARD", "READ_ONLY", "SCROLL_LOCKS",
    "OPTIMISTIC", "TYPE_WARNING", "INSENSITIVE",
};

static bool cursor_option(struct qri_parser *p, struct qr_ast_words *options)
{
    for (size_t i = 0; i < sizeof cursor_options / sizeof cursor_options[0]; i++) {
        if (qri_p_accept_word(p, cursor_options[i])) {
            struct qr_str *word = qri_p_push(p, &options->items, &options->count, sizeof *word);
            *word = qr_str(cursor_options[i]);
            return true;
        }
    }
    return false;
}

void qri_p_cursor_def(struct qri_parser *p, struct qr_ast_cursor_def *def)
{
    while (cursor_option(p, &def->options))
        continue;
    qri_p_expect(p, KW_FOR);
    def->select = qri_p_stmt_select(p);
    if (def->select->kind == QR_AS_SELECT)
        ((struct qr_ast_select_stmt *)def->select)->of_cursor = true;
    if (!qri_p_accept(p, KW_FOR))
        return;
    if (qri_p_accept(p, KW_READ)) {
        qri_p_expect(p, KW_ONLY);
        def->for_read_only = true;
        return;
    }
    qri_p_expect(p, KW_UPDATE);
    def->for_update = true;
    if (!qri_p_accept(p, KW_OF))
        return;
    do {
        struct qr_ast_name name = qri_p_name(p, 4);
        *(struct qr_ast_name *)qri_p_push(p, &def->update_of.items, &def->update_of.count,
                                          sizeof name) = name;
    } while (qri_p_accept_sym(p, ','));
}

static struct qr_ast_stmt *declare_cursor(struct qri_parser *p)
{
    struct qr_ast_declare_cursor *node = qri_p_stmt(p, sizeof *node, QR_AS_DECLARE_CURSOR);
    qri_p_advance(p);
    node->name = qri_p_ident(p);
    while (cursor_option(p, &node->def.options)) /* old form: INSENSITIVE SCROLL CURSOR */
        continue;
    qri_p_expect(p, KW_CURSOR);
    qri_p_cursor_def(p, &node->def);
    return qri_p_finish(p, node);
}

static void declare_item(struct qri_parser *p, struct qr_ast_declare_item *item)
{
    item->pos = qri_p_pos(p);
    item->name = qri_p_declared(p);
    qri_p_accept(p, KW_AS);
    if (qri_p_accept(p, KW_CURSOR)) {
        item->is_cursor = true;
        return;
    }
    if (qri_p_accept(p, KW_TABLE)) {
        item->table = qri_p_alloc(p, sizeof *item->table);
        qri_p_table_def(p, item->table);
        return;
    }
    qri_p_type(p, &item->type);
    if (!qri_p_accept2(p, KW_NOT, KW_NULL)) /* natively compiled modules say so */
        qri_p_accept(p, KW_NULL);
    if (qri_p_accept_sym(p, '='))
        item->init = qri_p_scalar(p);
}

struct qr_ast_stmt *qri_p_stmt_declare(struct qri_parser *p)
{
    if (qri_p_is_ident(p, qri_p_peek(p, 1)))
        return declare_cursor(p);
    struct qr_ast_declare *node = qri_p_stmt(p, sizeof *node, QR_AS_DECLARE);
    qri_p_advance(p);
    do {
        struct qr_ast_declare_item item = {0};
        declare_item(p, &item);
        *(struct qr_ast_declare_item *)qri_p_push(p, &node->items, &node->count, sizeof item) =
            item;
    } while (qri_p_accept_sym(p, ','));
    return qri_p_finish(p, node);
}
