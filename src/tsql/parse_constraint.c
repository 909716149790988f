/* parse_constraint.c - constraints, key lists, index options; see parse_ddl_int.h */
#include "parse_ddl_int.h"
#include "base/banned.h"

bool qri_p_at_constraint(const struct qri_parser *p)
{
    switch ((int)p->tok.keyword) {
    case KW_CONSTRAINT:
    case KW_PRIMARY:
    case KW_UNIQUE:
    case KW_FOREIGN:
    case KW_REFERENCES:
    case KW_CHECK:
    case KW_DEFAULT:
        return true;
    default:
        return false;
    }
}

void qri_p_key_columns(struct qri_parser *p, struct qr_ast_order *columns)
{
    qri_p_expect_sym(p, '(');
    do {
        struct qr_ast_column *column = qri_p_expr(p, sizeof *column, QR_AE_COLUMN, qri_p_pos(p));
        if (p->tok.kind == TOK_PSEUDO) { /* graph columns: $node_id */
            column->name = (struct qr_ast_name){.pos = qri_p_pos(p), .count = 1};
            column->name.parts = qri_p_alloc(p, sizeof *column->name.parts);
            column->name.parts[0].text = qri_token_str(p, &p->tok);
            qri_p_advance(p);
        } else {
            column->name = qri_p_name(p, 1);
        }
        struct qr_ast_order_item item = {.expr = &column->head};
        item.descending = qri_p_at(p, KW_DESC);
        item.explicit_direction = item.descending || qri_p_at(p, KW_ASC);
        if (item.explicit_direction)
            qri_p_advance(p);
        *(struct qr_ast_order_item *)qri_p_push(p, &columns->items, &columns->count, sizeof item) =
            item;
    } while (qri_p_accept_sym(p, ','));
    qri_p_expect_sym(p, ')');
}

/* WITH (a = b, ...), or the old WITH FILLFACTOR = 80, PAD_INDEX. */
void qri_p_index_options(struct qri_parser *p, struct qr_ast_options *options)
{
    if (!qri_p_at(p, KW_WITH) || qri_p_peek_at(p, 1, KW_VALUES) || qri_p_peek_at(p, 1, KW_CHECK) ||
        qri_p_peek_at(p, 1, KW_NOCHECK) || !qri_p_accept(p, KW_WITH))
        return;
    if (qri_p_at_sym(p, '(')) {
        qri_p_options_paren(p, options);
        return;
    }
    do {
        struct qr_ast_option option = {.pos = qri_p_pos(p)};
        if (p->tok.kind != TOK_IDENT)
            qri_p_syntax(p);
        option.name = qri_p_upper(p, qri_token_str(p, &p->tok));
        qri_p_advance(p);
        if (qri_p_accept_sym(p, '=')) {
            if (p->tok.kind == TOK_IDENT) {
                option.word = qri_p_upper(p, qri_token_str(p, &p->tok));
                qri_p_advance(p);
            } else {
                option.value = qri_p_simple_value(p);
            }
        }
        option.text = qri_p_text_from(p, option.pos.offset);
        *(struct qr_ast_option *)qri_p_push(p, &options->items, &options->count, sizeof option) =
            option;
    } while (qri_p_accept_sym(p, ','));
}

struct qr_str qri_p_storage(struct qri_parser *p)
{
    struct qr_str none = qr_str("");
    if (!qri_p_accept(p, KW_ON))
        return none;
    struct qr_str name = qri_p_ident_or_string(p).text;
    if (!qri_p_at_sym(p, '('))
        return none;
    qri_p_skip_paren(p);
    return name;
}

static enum qr_ast_reference_action reference_action(struct qri_parser *p)
{
    if (qri_p_accept(p, KW_CASCADE))
        return QR_REF_CASCADE;
    if (qri_p_accept2(p, KW_SET, KW_NULL))
        return QR_REF_SET_NULL;
    if (qri_p_accept2(p, KW_SET, KW_DEFAULT))
        return QR_REF_SET_DEFAULT;
    qri_p_expect(p, KW_NO);
    qri_p_expect(p, KW_ACTION);
    return QR_REF_NO_ACTION;
}

static bool accept_not_for_replication(struct qri_parser *p)
{
    if (!qri_p_at(p, KW_NOT) || !qri_p_peek_at(p, 1, KW_FOR))
        return false;
    qri_p_advance(p);
    qri_p_advance(p);
    qri_p_expect(p, KW_REPLICATION);
    return true;
}

static void foreign_key(struct qri_parser *p, struct qr_ast_constraint *c)
{
    c->kind = QR_CONSTRAINT_FOREIGN_KEY;
    if (qri_p_accept(p, KW_FOREIGN)) {
        qri_p_expect(p, KW_KEY);
        if (qri_p_at_sym(p, '('))
            qri_p_key_columns(p, &c->columns);
    }
    qri_p_expect(p, KW_REFERENCES);
    c->ref_table = qri_p_name(p, 4);
    if (qri_p_at_sym(p, '('))
        c->ref_columns = qri_p_ident_list(p);
    for (;;) {
        if (qri_p_accept2(p, KW_ON, KW_DELETE))
            c->on_delete = reference_action(p);
        else if (qri_p_accept2(p, KW_ON, KW_UPDATE))
            c->on_update = reference_action(p);
        else if (accept_not_for_replication(p))
            c->not_for_replication = true;
        else
            return;
    }
}

static void key_constraint(struct qri_parser *p, struct qr_ast_constraint *c)
{
    c->kind = qri_p_at(p, KW_UNIQUE) ? QR_CONSTRAINT_UNIQUE : QR_CONSTRAINT_PRIMARY_KEY;
    qri_p_advance(p);
    if (c->kind == QR_CONSTRAINT_PRIMARY_KEY)
        qri_p_expect(p, KW_KEY);
    if (qri_p_accept(p, KW_CLUSTERED))
        c->clustered = QR_YES;
    else if (qri_p_accept(p, KW_NONCLUSTERED))
        c->clustered = QR_NO;
    qri_p_accept(p, KW_HASH);
    if (qri_p_at_sym(p, '('))
        qri_p_key_columns(p, &c->columns);
    qri_p_index_options(p, &c->options);
    c->scheme = qri_p_storage(p);
}

static void check_constraint(struct qri_parser *p, struct qr_ast_constraint *c)
{
    c->kind = QR_CONSTRAINT_CHECK;
    qri_p_expect(p, KW_CHECK);
    c->not_for_replication = accept_not_for_replication(p);
    uint32_t begin = p->tok.begin;
    qri_p_expect_sym(p, '(');
    c->expr = qri_p_condition(p);
    qri_p_expect_sym(p, ')');
    c->expr_text = qri_p_text_from(p, begin);
}

void qri_p_default(struct qri_parser *p, struct qr_ast_constraint *c)
{
    c->kind = QR_CONSTRAINT_DEFAULT;
    qri_p_expect(p, KW_DEFAULT);
    uint32_t begin = p->tok.begin;
    c->expr = qri_p_scalar(p);
    c->expr_text = qri_p_text_from(p, begin);
    if (qri_p_accept(p, KW_FOR))
        c->for_column = qri_p_ident(p);
    c->with_values = qri_p_accept2(p, KW_WITH, KW_VALUES);
}

static void connection(struct qri_parser *p, struct qr_ast_constraint *c)
{
    c->kind = QR_CONSTRAINT_CONNECTION;
    qri_p_expect(p, KW_CONNECTION);
    qri_p_skip_paren(p);
    if (qri_p_accept2(p, KW_ON, KW_DELETE))
        c->on_delete = reference_action(p);
}

void qri_p_constraint(struct qri_parser *p, struct qr_ast_constraint *c, bool table_level)
{
    c->pos = qri_p_pos(p);
    if (qri_p_accept(p, KW_CONSTRAINT))
        c->name = qri_p_ident(p);
    if (qri_p_at(p, KW_PRIMARY) || qri_p_at(p, KW_UNIQUE))
        key_constraint(p, c);
    else if (qri_p_at(p, KW_FOREIGN) || qri_p_at(p, KW_REFERENCES))
        foreign_key(p, c);
    else if (qri_p_at(p, KW_CHECK))
        check_constraint(p, c);
    else if (qri_p_at(p, KW_DEFAULT))
        qri_p_default(p, c);
    else if (qri_p_at(p, KW_CONNECTION))
        connection(p, c);
    else
        qri_p_syntax(p);
    if (qri_p_at(p, KW_NOT) && qri_p_peek_at(p, 1, KW_ENFORCED)) {
        qri_p_advance(p);
        qri_p_advance(p);
        c->not_enforced = true;
    }
    bool key = c->kind <= QR_CONSTRAINT_FOREIGN_KEY;
    if (table_level && key && c->columns.count == 0)
        qri_p_syntax(p);
}
