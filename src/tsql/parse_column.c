/* parse_column.c - one column of a table definition; see parse_ddl_int.h */
#include "parse_ddl_int.h"
#include "base/banned.h"

static void identity(struct qri_parser *p, struct qr_ast_column_def *column)
{
    column->identity = true;
    if (!qri_p_accept_sym(p, '('))
        return;
    column->seed = qri_p_simple_value(p);
    qri_p_expect_sym(p, ',');
    column->increment = qri_p_simple_value(p);
    qri_p_expect_sym(p, ')');
}

/* MASKED WITH (FUNCTION = 'default()') */
void qri_p_masked(struct qri_parser *p, struct qr_ast_column_def *column)
{
    qri_p_expect(p, KW_WITH);
    qri_p_expect_sym(p, '(');
    qri_p_expect(p, KW_FUNCTION);
    qri_p_expect_sym(p, '=');
    if (!qri_p_is_string(p, &p->tok))
        qri_p_syntax(p);
    column->mask = qri_p_literal(p);
    qri_p_expect_sym(p, ')');
}

/* GENERATED ALWAYS AS ROW START | ROW END | TRANSACTION_ID START ... */
static void generated(struct qri_parser *p, struct qr_ast_column_def *column)
{
    qri_p_expect(p, KW_ALWAYS);
    qri_p_expect(p, KW_AS);
    uint32_t begin = p->tok.begin;
    for (int i = 0; i < 2; i++) {
        if (p->tok.kind != TOK_IDENT)
            qri_p_syntax(p);
        qri_p_advance(p);
    }
    column->generated = qri_p_upper(p, qri_p_text_from(p, begin));
}

static void all_sparse_columns(struct qri_parser *p, struct qr_ast_column_def *column)
{
    qri_p_expect(p, KW_FOR);
    if (!qri_p_accept_word(p, "ALL_SPARSE_COLUMNS"))
        qri_p_syntax(p);
    column->column_set = true;
}

/* INDEX name, which is over the column that it stands with, or INDEX name (columns). */
static void inline_index(struct qri_parser *p, struct qr_ast_column_def *column)
{
    column->index = qri_p_alloc(p, sizeof *column->index);
    qri_p_inline_index(p, column->index);
    struct qr_ast_order *columns = &column->index->columns;
    if (columns->count > 0 || column->index->columnstore)
        return;
    struct qr_ast_column *own = qri_p_expr(p, sizeof *own, QR_AE_COLUMN, column->pos);
    own->name = (struct qr_ast_name){.pos = column->pos, .count = 1};
    own->name.parts = qri_p_alloc(p, sizeof *own->name.parts);
    own->name.parts[0] = column->name;
    struct qr_ast_order_item item = {.expr = &own->head};
    *(struct qr_ast_order_item *)qri_p_push(p, &columns->items, &columns->count, sizeof item) =
        item;
}

/* One attribute; false if none is next. */
static bool attribute(struct qri_parser *p, struct qr_ast_column_def *column)
{
    if (qri_p_at_constraint(p)) {
        struct qr_ast_constraint constraint = {0};
        bool named_null = qri_p_at(p, KW_CONSTRAINT) &&
                          (qri_p_peek_at(p, 2, KW_NULL) || qri_p_peek_at(p, 2, KW_NOT));
        if (named_null) { /* CONSTRAINT c NOT NULL: the name means nothing */
            qri_p_advance(p);
            qri_p_ident(p);
            return true;
        }
        qri_p_constraint(p, &constraint, false);
        *(struct qr_ast_constraint *)qri_p_push(p, &column->constraints.items,
                                                &column->constraints.count, sizeof constraint) =
            constraint;
    } else if (qri_p_accept(p, KW_NULL)) {
        column->nullable = QR_YES;
    } else if (qri_p_accept2(p, KW_NOT, KW_NULL)) {
        column->nullable = QR_NO;
    } else if (qri_p_accept2(p, KW_NOT, KW_FOR)) {
        qri_p_expect(p, KW_REPLICATION);
        column->not_for_replication = true;
    } else if (qri_p_accept(p, KW_COLLATE)) {
        column->collation = qri_p_ident(p);
    } else if (qri_p_accept(p, KW_IDENTITY)) {
        identity(p, column);
    } else if (qri_p_accept(p, KW_ROWGUIDCOL)) {
        column->rowguidcol = true;
    } else if (qri_p_accept(p, KW_SPARSE)) {
        column->sparse = true;
    } else if (qri_p_accept(p, KW_COLUMN_SET)) {
        all_sparse_columns(p, column);
    } else if (qri_p_accept(p, KW_FILESTREAM)) {
        column->filestream = true;
    } else if (qri_p_accept(p, KW_HIDDEN)) {
        column->hidden = true;
    } else if (qri_p_accept(p, KW_PERSISTED)) {
        column->persisted = true;
    } else if (qri_p_accept(p, KW_MASKED)) {
        qri_p_masked(p, column);
    } else if (qri_p_at(p, KW_ENCRYPTED) && qri_p_peek_at(p, 1, KW_WITH)) {
        qri_p_advance(p);
        qri_p_advance(p);
        qri_p_skip_paren(p);
        column->encrypted = true;
    } else if (qri_p_accept(p, KW_GENERATED)) {
        generated(p, column);
    } else if (qri_p_at(p, KW_INDEX)) {
        inline_index(p, column);
    } else {
        return false;
    }
    return true;
}

void qri_p_column_def(struct qri_parser *p, struct qr_ast_column_def *column)
{
    column->pos = qri_p_pos(p);
    column->name = qri_p_ident(p);
    if (qri_p_accept(p, KW_AS)) {
        uint32_t begin = p->tok.begin;
        column->computed = qri_p_scalar(p);
        column->computed_text = qri_p_text_from(p, begin);
    } else if (!qri_p_at_sym(p, ',') && !qri_p_at_sym(p, ')') && p->tok.kind != TOK_END &&
               !qri_p_at(p, KW_NULL) && !qri_p_at(p, KW_NOT)) {
        qri_p_type(p, &column->type);
    } else if (!qr_str_ieqz(column->name.text, "timestamp")) {
        qri_p_syntax(p);
    }
    while (attribute(p, column))
        continue;
}
