/* parse_index.c - indexes and statistics; see parse_ddl_int.h */
#include "parse_ddl_int.h"
#include "base/banned.h"

static void clustered(struct qri_parser *p, struct qr_ast_index_def *def)
{
    if (qri_p_accept(p, KW_CLUSTERED))
        def->clustered = QR_YES;
    else if (qri_p_accept(p, KW_NONCLUSTERED))
        def->clustered = QR_NO;
}

/* INCLUDE (...), WHERE, WITH, ON: what may follow the key columns. */
static void index_rest(struct qri_parser *p, struct qr_ast_index_def *def)
{
    if (qri_p_accept(p, KW_INCLUDE))
        def->include = qri_p_ident_list(p);
    if (qri_p_at(p, KW_ORDER) && qri_p_peek_sym(p, 1, '(')) {
        qri_p_advance(p);
        qri_p_skip_paren(p);
    }
    if (qri_p_accept(p, KW_WHERE)) {
        uint32_t begin = p->tok.begin;
        def->where = qri_p_condition(p);
        def->where_text = qri_p_text_from(p, begin);
    }
    qri_p_index_options(p, &def->options);
    def->scheme = qri_p_storage(p);
    if (qri_p_accept(p, KW_FILESTREAM_ON))
        qri_p_ident_or_string(p);
}

/* INDEX name [UNIQUE] [CLUSTERED] [COLUMNSTORE | HASH] [(columns)] ... in a table definition */
void qri_p_inline_index(struct qri_parser *p, struct qr_ast_index_def *def)
{
    def->pos = qri_p_pos(p);
    qri_p_expect(p, KW_INDEX);
    def->name = qri_p_ident(p);
    def->unique = qri_p_accept(p, KW_UNIQUE);
    clustered(p, def);
    if (qri_p_accept(p, KW_COLUMNSTORE))
        def->columnstore = true;
    if (qri_p_accept(p, KW_HASH))
        def->exotic = qr_str("HASH");
    if (qri_p_at_sym(p, '('))
        qri_p_key_columns(p, &def->columns);
    index_rest(p, def);
}

/* At the first word behind CREATE: UNIQUE, CLUSTERED, INDEX, XML, ... */
struct qr_ast_stmt *qri_p_create_index(struct qri_parser *p)
{
    struct qr_ast_create_index *node = qri_p_ddl_stmt(p, sizeof *node, QR_AS_CREATE_INDEX);
    struct qr_ast_index_def *def = &node->def;
    def->pos = node->head.pos;
    if (qri_p_accept2(p, KW_PRIMARY, KW_XML))
        def->exotic = qr_str("PRIMARY XML");
    else if (qri_p_accept(p, KW_XML) || qri_p_accept2(p, KW_SELECTIVE, KW_XML))
        def->exotic = qr_str("XML");
    else if (qri_p_accept(p, KW_SPATIAL))
        def->exotic = qr_str("SPATIAL");
    def->unique = qri_p_accept(p, KW_UNIQUE);
    clustered(p, def);
    def->columnstore = qri_p_accept(p, KW_COLUMNSTORE);
    qri_p_expect(p, KW_INDEX);
    def->name = qri_p_ident(p);
    qri_p_expect(p, KW_ON);
    node->table = qri_p_name(p, 4);
    if (!def->columnstore || qri_p_at_sym(p, '('))
        qri_p_key_columns(p, &def->columns);
    if (def->exotic.n > 0)
        qri_p_skip_statement(p);
    else
        index_rest(p, def);
    return qri_p_finish(p, node);
}

struct qr_ast_stmt *qri_p_alter_index(struct qri_parser *p)
{
    static const char *const actions[] = {"REBUILD", "REORGANIZE", "DISABLE", "SET",
                                          "PAUSE",   "RESUME",     "ABORT"};
    struct qr_ast_alter_index *node = qri_p_ddl_stmt(p, sizeof *node, QR_AS_ALTER_INDEX);
    qri_p_expect(p, KW_INDEX);
    if (!qri_p_accept(p, KW_ALL))
        node->name = qri_p_ident(p);
    qri_p_expect(p, KW_ON);
    node->table = qri_p_name(p, 4);
    for (size_t i = 0; i < sizeof actions / sizeof actions[0] && node->action.n == 0; i++) {
        if (qri_p_accept_word(p, actions[i]))
            node->action = qr_str(actions[i]);
    }
    if (node->action.n == 0)
        qri_p_syntax(p);
    if (qri_p_accept(p, KW_PARTITION)) {
        qri_p_expect_sym(p, '=');
        if (!qri_p_accept(p, KW_ALL))
            qri_p_simple_value(p);
    }
    if (qri_p_at_sym(p, '('))
        qri_p_options_paren(p, &node->options);
    else if (qri_p_at(p, KW_WITH) && qri_p_peek_sym(p, 1, '('))
        qri_p_index_options(p, &node->options);
    return qri_p_finish(p, node);
}

/* WITH FULLSCAN, SAMPLE 10 PERCENT, NORECOMPUTE, INCREMENTAL = ON */
static void statistics_options(struct qri_parser *p, struct qr_ast_options *options)
{
    if (!qri_p_accept(p, KW_WITH))
        return;
    do {
        struct qr_ast_option option = {.pos = qri_p_pos(p)};
        if (p->tok.kind != TOK_IDENT)
            qri_p_syntax(p);
        option.name = qri_p_upper(p, qri_token_str(p, &p->tok));
        qri_p_advance(p);
        if (qri_p_accept_sym(p, '=') || p->tok.kind == TOK_INT || p->tok.kind == TOK_NUMERIC) {
            if (qri_p_at(p, KW_ON) || qri_p_at(p, KW_OFF)) {
                option.word = qri_p_upper(p, qri_token_str(p, &p->tok));
                qri_p_advance(p);
            } else {
                option.value = qri_p_simple_value(p);
                if (qri_p_at(p, KW_PERCENT) || qri_p_at(p, KW_ROWS)) {
                    option.word = qr_str(qri_p_at(p, KW_ROWS) ? "ROWS" : "PERCENT");
                    qri_p_advance(p);
                }
            }
        } else if (qri_p_at(p, KW_ON) && qri_p_peek_at(p, 1, KW_PARTITIONS)) {
            qri_p_advance(p);
            qri_p_advance(p);
            qri_p_skip_paren(p);
        }
        option.text = qri_p_text_from(p, option.pos.offset);
        *(struct qr_ast_option *)qri_p_push(p, &options->items, &options->count, sizeof option) =
            option;
    } while (qri_p_accept_sym(p, ','));
}

struct qr_ast_stmt *qri_p_create_statistics(struct qri_parser *p)
{
    struct qr_ast_create_statistics *node =
        qri_p_ddl_stmt(p, sizeof *node, QR_AS_CREATE_STATISTICS);
    qri_p_expect(p, KW_STATISTICS);
    node->name = qri_p_ident(p);
    qri_p_expect(p, KW_ON);
    node->table = qri_p_name(p, 4);
    node->columns = qri_p_ident_list(p);
    if (qri_p_accept(p, KW_WHERE)) {
        uint32_t begin = p->tok.begin;
        node->where = qri_p_condition(p);
        node->where_text = qri_p_text_from(p, begin);
    }
    statistics_options(p, &node->options);
    return qri_p_finish(p, node);
}

struct qr_ast_stmt *qri_p_stmt_update_statistics(struct qri_parser *p)
{
    struct qr_ast_update_statistics *node = qri_p_stmt(p, sizeof *node, QR_AS_UPDATE_STATISTICS);
    qri_p_advance(p);
    qri_p_advance(p);
    node->table = qri_p_name(p, 4);
    if (qri_p_at_sym(p, '(')) {
        node->names = qri_p_ident_list(p);
    } else if (qri_p_is_ident(p, &p->tok) && !qri_p_peek_sym(p, 1, ':')) {
        struct qr_ast_ident *name =
            qri_p_push(p, &node->names.items, &node->names.count, sizeof *name);
        *name = qri_p_ident(p);
    }
    statistics_options(p, &node->options);
    return qri_p_finish(p, node);
}
