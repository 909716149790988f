/* parse_alter_table.c - ALTER TABLE; see parse_ddl_int.h */
#include "parse_ddl_int.h"
#include "base/banned.h"

static void add_elements(struct qri_parser *p, struct qr_ast_alter_table *node)
{
    node->action = QR_ALTER_ADD;
    qri_p_advance(p);
    do {
        qri_p_table_element(p, &node->def);
    } while (qri_p_accept_sym(p, ','));
}

/* ALTER COLUMN c ADD|DROP ROWGUIDCOL, PERSISTED, NOT FOR REPLICATION, SPARSE, HIDDEN, MASKED ... */
static void column_change(struct qri_parser *p, struct qr_ast_alter_table *node)
{
    uint32_t begin = p->tok.begin;
    if (qri_p_accept2(p, KW_ADD, KW_MASKED)) {
        node->column_change = qr_str("ADD MASKED");
        qri_p_masked(p, &node->column);
        return;
    }
    qri_p_advance(p);
    while (p->tok.kind == TOK_IDENT && p->tok.line == p->last.line &&
           (p->tok.reserved || p->tok.keyword != KW_NONE))
        qri_p_advance(p);
    node->column_change = qri_p_upper(p, qri_p_text_from(p, begin));
    if (p->tok.kind == '(')
        qri_p_skip_paren(p);
}

static void alter_column(struct qri_parser *p, struct qr_ast_alter_table *node)
{
    node->action = QR_ALTER_COLUMN;
    qri_p_advance(p);
    qri_p_expect(p, KW_COLUMN);
    if (qri_p_is_ident(p, &p->tok) &&
        (qri_p_peek_at(p, 1, KW_ADD) || qri_p_peek_at(p, 1, KW_DROP))) {
        node->column.pos = qri_p_pos(p);
        node->column.name = qri_p_ident(p);
        column_change(p, node);
        return;
    }
    qri_p_column_def(p, &node->column);
    if (node->column.type.name.count == 0)
        qri_p_syntax(p);
    if (qri_p_at(p, KW_WITH) && qri_p_peek_sym(p, 1, '(')) {
        qri_p_advance(p);
        qri_p_options_paren(p, &node->options);
    }
}

/* DROP [CONSTRAINT] [IF EXISTS] c [WITH (...)], COLUMN [IF EXISTS] a, b, ... */
static void drop_elements(struct qri_parser *p, struct qr_ast_alter_table *node)
{
    node->action = QR_ALTER_DROP;
    qri_p_advance(p);
    bool column = false, index = false, if_exists = false;
    do {
        struct qr_ast_table_drop drop = {.pos = qri_p_pos(p)};
        if (qri_p_accept2(p, KW_PERIOD, KW_FOR)) {
            qri_p_expect(p, KW_SYSTEM_TIME);
            drop.period = true;
        } else {
            bool word =
                qri_p_at(p, KW_COLUMN) || qri_p_at(p, KW_CONSTRAINT) || qri_p_at(p, KW_INDEX);
            if (word) {
                column = qri_p_at(p, KW_COLUMN);
                index = qri_p_at(p, KW_INDEX);
                qri_p_advance(p);
                if_exists = false;
            }
            if_exists = qri_p_accept2(p, KW_IF, KW_EXISTS) || if_exists;
            drop.column = column;
            drop.index = index;
            drop.if_exists = if_exists;
            drop.name = qri_p_ident(p);
            if (qri_p_at(p, KW_WITH) && qri_p_peek_sym(p, 1, '('))
                qri_p_index_options(p, &drop.options);
        }
        *(struct qr_ast_table_drop *)qri_p_push(p, &node->drops, &node->drop_count, sizeof drop) =
            drop;
    } while (qri_p_accept_sym(p, ','));
}

static void names_or_all(struct qri_parser *p, struct qr_ast_alter_table *node)
{
    if (qri_p_accept(p, KW_ALL)) {
        node->all = true;
        return;
    }
    do {
        struct qr_ast_ident *name =
            qri_p_push(p, &node->names.items, &node->names.count, sizeof *name);
        *name = qri_p_ident(p);
    } while (qri_p_accept_sym(p, ','));
}

static void check_constraints(struct qri_parser *p, struct qr_ast_alter_table *node)
{
    node->action = qri_p_at(p, KW_CHECK) ? QR_ALTER_CHECK : QR_ALTER_NOCHECK;
    qri_p_advance(p);
    qri_p_expect(p, KW_CONSTRAINT);
    names_or_all(p, node);
}

static void enable(struct qri_parser *p, struct qr_ast_alter_table *node)
{
    bool on = qri_p_at(p, KW_ENABLE);
    qri_p_advance(p);
    if (qri_p_accept(p, KW_TRIGGER)) {
        node->action = on ? QR_ALTER_ENABLE_TRIGGER : QR_ALTER_DISABLE_TRIGGER;
        names_or_all(p, node);
        return;
    }
    node->action = QR_ALTER_CHANGE_TRACKING;
    node->what = qr_str(on ? "ENABLE CHANGE_TRACKING" : "DISABLE CHANGE_TRACKING");
    qri_p_expect(p, KW_CHANGE_TRACKING);
    if (qri_p_accept(p, KW_WITH))
        qri_p_options_paren(p, &node->options);
}

static void partition_number(struct qri_parser *p)
{
    if (qri_p_accept(p, KW_PARTITION))
        qri_p_scalar(p);
}

static void switch_to(struct qri_parser *p, struct qr_ast_alter_table *node)
{
    node->action = QR_ALTER_SWITCH;
    qri_p_advance(p);
    partition_number(p);
    qri_p_expect(p, KW_TO);
    node->switch_to = qri_p_name(p, 4);
    partition_number(p);
    qri_p_index_options(p, &node->options);
}

static void rebuild(struct qri_parser *p, struct qr_ast_alter_table *node)
{
    node->action = QR_ALTER_REBUILD;
    qri_p_advance(p);
    if (qri_p_accept(p, KW_PARTITION)) {
        qri_p_expect_sym(p, '=');
        if (!qri_p_accept(p, KW_ALL))
            qri_p_simple_value(p);
    }
    if (qri_p_at(p, KW_WITH) && qri_p_peek_sym(p, 1, '('))
        qri_p_index_options(p, &node->options);
}

static void set_options(struct qri_parser *p, struct qr_ast_alter_table *node)
{
    node->action = QR_ALTER_SET;
    qri_p_advance(p);
    qri_p_options_paren(p, &node->options);
}

static const struct {
    uint16_t word;
    void (*parse)(struct qri_parser *p, struct qr_ast_alter_table *node);
} actions[] = {
    {KW_ADD, add_elements},        {KW_ALTER, alter_column},        {KW_DROP, drop_elements},
    {KW_CHECK, check_constraints}, {KW_NOCHECK, check_constraints}, {KW_ENABLE, enable},
    {KW_DISABLE, enable},          {KW_SWITCH, switch_to},          {KW_REBUILD, rebuild},
    {KW_SET, set_options},
};

struct qr_ast_stmt *qri_p_alter_table(struct qri_parser *p)
{
    struct qr_ast_alter_table *node = qri_p_ddl_stmt(p, sizeof *node, QR_AS_ALTER_TABLE);
    qri_p_expect(p, KW_TABLE);
    node->name = qri_p_name(p, 4);
    if (qri_p_accept2(p, KW_WITH, KW_CHECK))
        node->with_check = QR_YES;
    else if (qri_p_accept2(p, KW_WITH, KW_NOCHECK))
        node->with_check = QR_NO;
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (qri_p_at(p, (enum qri_keyword)actions[i].word)) {
            actions[i].parse(p, node);
            return qri_p_finish(p, node);
        }
    }
    if (p->tok.kind != TOK_IDENT || p->tok.keyword == KW_NONE)
        qri_p_syntax(p);
    node->action = QR_ALTER_OTHER;
    node->what = qri_p_upper(p, qri_token_str(p, &p->tok));
    qri_p_skip_statement(p);
    return qri_p_finish(p, node);
}
