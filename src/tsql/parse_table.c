/* parse_table.c - table definitions and CREATE TABLE; see parse_ddl_int.h */
#include "parse_ddl_int.h"
#include "base/banned.h"

static void period(struct qri_parser *p, struct qr_ast_table_def *def)
{
    qri_p_expect(p, KW_PERIOD);
    qri_p_expect(p, KW_FOR);
    qri_p_expect(p, KW_SYSTEM_TIME);
    qri_p_expect_sym(p, '(');
    def->period_start = qri_p_ident(p);
    qri_p_expect_sym(p, ',');
    def->period_end = qri_p_ident(p);
    qri_p_expect_sym(p, ')');
}

void qri_p_table_element(struct qri_parser *p, struct qr_ast_table_def *def)
{
    if (qri_p_at_constraint(p)) {
        struct qr_ast_constraint constraint = {0};
        qri_p_constraint(p, &constraint, true);
        *(struct qr_ast_constraint *)qri_p_push(p, &def->constraints.items, &def->constraints.count,
                                                sizeof constraint) = constraint;
    } else if (qri_p_at(p, KW_INDEX)) {
        struct qr_ast_index_def index = {0};
        qri_p_inline_index(p, &index);
        if (index.columns.count == 0 && !index.columnstore)
            qri_p_syntax(p);
        *(struct qr_ast_index_def *)qri_p_push(p, &def->indexes, &def->index_count, sizeof index) =
            index;
    } else if (qri_p_at(p, KW_PERIOD) && qri_p_peek_at(p, 1, KW_FOR)) {
        period(p, def);
    } else {
        struct qr_ast_column_def column = {0};
        qri_p_column_def(p, &column);
        *(struct qr_ast_column_def *)qri_p_push(p, &def->columns, &def->column_count,
                                                sizeof column) = column;
    }
}

/* A comma before the parenthesis is allowed, and a constraint may follow a column without one. */
void qri_p_table_def(struct qri_parser *p, struct qr_ast_table_def *def)
{
    qri_p_expect_sym(p, '(');
    do {
        if (qri_p_at_sym(p, ')') && def->column_count > 0)
            break;
        qri_p_table_element(p, def);
    } while (qri_p_accept_sym(p, ',') || qri_p_at(p, KW_CONSTRAINT));
    qri_p_expect_sym(p, ')');
}

/* ON x TEXTIMAGE_ON y FILESTREAM_ON z, in any order */
static void table_storage(struct qri_parser *p, struct qr_ast_create_table *node)
{
    for (;;) {
        if (qri_p_at(p, KW_ON)) {
            node->scheme = qri_p_storage(p);
        } else if (qri_p_accept(p, KW_TEXTIMAGE_ON) || qri_p_accept(p, KW_FILESTREAM_ON)) {
            qri_p_ident_or_string(p);
        } else {
            return;
        }
    }
}

struct qr_ast_stmt *qri_p_create_table(struct qri_parser *p)
{
    struct qr_ast_create_table *node = qri_p_ddl_stmt(p, sizeof *node, QR_AS_CREATE_TABLE);
    qri_p_expect(p, KW_TABLE);
    node->name = qri_p_name(p, 4);
    if (qri_p_accept2(p, KW_AS, KW_FILETABLE))
        node->exotic = qr_str("FILETABLE");
    else if (qri_p_accept2(p, KW_AS, KW_CLONE)) {
        node->exotic = qr_str("CLONE");
        qri_p_skip_statement(p);
    } else if (qri_p_at_sym(p, '('))
        qri_p_table_def(p, &node->def);
    else if (!qri_p_at(p, KW_AS) ||
             (!qri_p_peek_at(p, 1, KW_NODE) && !qri_p_peek_at(p, 1, KW_EDGE)))
        qri_p_syntax(p);
    if (qri_p_accept2(p, KW_AS, KW_NODE))
        node->exotic = qr_str("NODE");
    else if (qri_p_accept2(p, KW_AS, KW_EDGE))
        node->exotic = qr_str("EDGE");
    table_storage(p, node);
    if (qri_p_at(p, KW_WITH) && qri_p_peek_sym(p, 1, '(')) {
        qri_p_advance(p);
        qri_p_options_paren(p, &node->options);
    }
    table_storage(p, node);
    return qri_p_finish(p, node);
}
