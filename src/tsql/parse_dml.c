/* parse_dml.c - SELECT as a statement, INSERT, UPDATE, DELETE, TRUNCATE; see parse_int.h */
#include "parse_int.h"
#include "parse_ddl_int.h"
#include "parse_dml_int.h"
#include "base/banned.h"

struct qr_ast_select_stmt *qri_p_select_stmt(struct qri_parser *p)
{
    struct qr_ast_select_stmt *stmt = qri_p_stmt(p, sizeof *stmt, QR_AS_SELECT);
    if (qri_p_accept(p, KW_WITH))
        stmt->with = qri_p_with(p);
    stmt->query = qri_p_query(p);
    qri_p_query_options(p, &stmt->options);
    if (stmt->query->for_clause == NULL && stmt->options.count > 0)
        qri_p_for_clause(p, stmt->query); /* OPTION may stand before it, too */
    qri_p_finish(p, stmt);
    return stmt;
}

struct qr_ast_stmt *qri_p_stmt_select(struct qri_parser *p)
{
    return &qri_p_select_stmt(p)->head;
}

struct qr_ast_stmt *qri_p_stmt_with(struct qri_parser *p)
{
    struct qr_ast_pos pos = qri_p_pos(p);
    qri_p_expect(p, KW_WITH);
    struct qr_ast_with *with = qri_p_with(p);
    struct qr_ast_stmt *stmt;
    if (qri_p_at(p, KW_INSERT)) {
        stmt = qri_p_stmt_insert(p, with);
    } else if (qri_p_at(p, KW_UPDATE)) {
        stmt = qri_p_stmt_update(p, with);
    } else if (qri_p_at(p, KW_DELETE)) {
        stmt = qri_p_stmt_delete(p, with);
    } else if (qri_p_at(p, KW_MERGE)) {
        stmt = qri_p_stmt_merge(p, with);
    } else {
        struct qr_ast_select_stmt *select = qri_p_select_stmt(p);
        if (select->with != NULL)
            qri_p_fail_str(p, &p->last, 156, qr_str("WITH"));
        select->with = with;
        stmt = &select->head;
    }
    stmt->pos = pos;
    return qri_p_finish(p, stmt);
}

/* ---- pieces ---- */

/* Hints of an INSERT need their WITH, for (nowait) alone is its column list. */
static void target_hints(struct qri_parser *p, struct qr_ast_options *hints, bool insert)
{
    if (!insert || qri_p_at(p, KW_WITH))
        qri_p_hints(p, hints);
}

struct qr_ast_source *qri_p_dml_target(struct qri_parser *p, bool insert)
{
    struct qr_ast_pos pos = qri_p_pos(p);
    if (qri_p_at_variable(p)) {
        struct qr_ast_variable_source *target =
            qri_p_source(p, sizeof *target, QR_AT_VARIABLE, pos);
        target->name = qri_p_used_table(p);
        target_hints(p, &target->hints, insert);
        return &target->head;
    }
    struct qr_ast_source *rowset = qri_p_rowset(p);
    if (rowset != NULL)
        return rowset;
    struct qr_ast_table_source *target = qri_p_source(p, sizeof *target, QR_AT_TABLE, pos);
    target->name = qri_p_name(p, 4);
    qri_p_note_temp(p, &target->name);
    target_hints(p, &target->hints, insert);
    return &target->head;
}

static void output_clause(struct qri_parser *p, struct qr_ast_output *output)
{
    output->pos = qri_p_pos(p);
    qri_p_expect(p, KW_OUTPUT);
    qri_p_select_items(p, &output->items);
    if (!qri_p_accept(p, KW_INTO))
        return;
    if (qri_p_at_variable(p))
        output->into_variable = qri_p_used_table(p);
    else
        output->into = qri_p_name(p, 4);
    if (qri_p_at_sym(p, '('))
        output->into_columns = qri_p_ident_list(p);
}

void qri_p_outputs(struct qri_parser *p, struct qr_ast_outputs *outputs)
{
    while (qri_p_at(p, KW_OUTPUT) && outputs->count < 2)
        output_clause(p, &outputs->items[outputs->count++]);
}

/* A column name; $node_id and the like count as one. */
static struct qr_ast_name column_name(struct qri_parser *p)
{
    if (p->tok.kind != TOK_PSEUDO)
        return qri_p_name(p, 4);
    struct qr_ast_name name = {.pos = qri_p_pos(p), .count = 1};
    name.parts = qri_p_alloc(p, sizeof *name.parts);
    name.parts[0].text = qri_token_str(p, &p->tok);
    qri_p_advance(p);
    return name;
}

void qri_p_column_names(struct qri_parser *p, struct qr_ast_names *names)
{
    qri_p_expect_sym(p, '(');
    do {
        struct qr_ast_name name = column_name(p);
        *(struct qr_ast_name *)qri_p_push(p, &names->items, &names->count, sizeof name) = name;
    } while (qri_p_accept_sym(p, ','));
    qri_p_expect_sym(p, ')');
}

static struct qr_ast_expr *value_or_default(struct qri_parser *p)
{
    return qri_p_at(p, KW_DEFAULT) ? qri_p_word_literal(p, QR_LIT_DEFAULT) : qri_p_scalar(p);
}

/* @v = column = value: is a column with an assignment behind it next? */
static bool column_assignment(struct qri_parser *p, struct qr_ast_set_item *item)
{
    if (!qri_p_is_ident(p, &p->tok))
        return false;
    struct qri_place place;
    qri_p_mark(p, &place);
    struct qr_ast_name name = qri_p_name(p, 4);
    if (qri_p_assign_op(p, &item->assign)) {
        item->column = name;
        return true;
    }
    qri_p_rewind(p, &place);
    return false;
}

static void set_item(struct qri_parser *p, struct qr_ast_set_item *item)
{
    item->pos = qri_p_pos(p);
    if (qri_p_at_variable(p)) {
        item->variable = qri_p_variable(p);
        if (!qri_p_assign_op(p, &item->assign))
            qri_p_syntax(p);
        if (item->assign == QR_ASSIGN_SET)
            column_assignment(p, item);
        item->value = value_or_default(p);
        return;
    }
    item->column = column_name(p);
    if (qri_p_at_sym(p, '(')) { /* column.WRITE(...) */
        if (item->column.count < 2)
            qri_p_syntax(p);
        item->method = item->column.parts[--item->column.count];
        qri_p_advance(p);
        if (!qri_p_at_sym(p, ')'))
            qri_p_scalar_list(p, &item->method_args);
        qri_p_expect_sym(p, ')');
        return;
    }
    if (!qri_p_assign_op(p, &item->assign))
        qri_p_syntax(p);
    item->value = value_or_default(p);
}

void qri_p_set_items(struct qri_parser *p, struct qr_ast_set_items *items)
{
    do {
        struct qr_ast_set_item item = {0};
        set_item(p, &item);
        *(struct qr_ast_set_item *)qri_p_push(p, &items->items, &items->count, sizeof item) = item;
    } while (qri_p_accept_sym(p, ','));
}

/* WHERE condition, or WHERE CURRENT OF cursor. */
static struct qr_ast_expr *where_clause(struct qri_parser *p, struct qr_ast_ident *cursor,
                                        struct qr_str *cursor_variable)
{
    if (!qri_p_accept(p, KW_WHERE))
        return NULL;
    if (!qri_p_accept2(p, KW_CURRENT, KW_OF))
        return qri_p_condition(p);
    if (qri_p_at_variable(p)) {
        *cursor_variable = qri_p_variable(p);
        return NULL;
    }
    if (qri_p_at(p, KW_GLOBAL) && qri_p_is_ident(p, qri_p_peek(p, 1)))
        qri_p_advance(p);
    *cursor = qri_p_ident(p);
    return NULL;
}

/* ---- INSERT ---- */

static struct qr_ast_query *values_query(struct qri_parser *p)
{
    struct qr_ast_values_query *values = qri_p_alloc(p, sizeof *values);
    values->head.kind = QR_AQ_VALUES;
    values->head.pos = qri_p_pos(p);
    qri_p_expect(p, KW_VALUES);
    qri_p_rows(p, &values->rows);
    values->head.text = qri_p_text_from(p, values->head.pos.offset);
    return &values->head;
}

static void insert_source(struct qri_parser *p, struct qr_ast_insert *insert)
{
    if (qri_p_accept2(p, KW_DEFAULT, KW_VALUES)) {
        insert->source = QR_INSERT_DEFAULT_VALUES;
    } else if (qri_p_at(p, KW_VALUES)) {
        insert->query = values_query(p);
    } else if (qri_p_at(p, KW_EXEC) || qri_p_at(p, KW_EXECUTE)) {
        insert->source = QR_INSERT_EXEC;
        insert->exec = qri_p_exec(p);
    } else {
        if (qri_p_at(p, KW_WITH) && !qri_p_peek_sym(p, 1, '(') && insert->with == NULL) {
            qri_p_advance(p);
            insert->with = qri_p_with(p);
        }
        insert->query = qri_p_query(p);
    }
    qri_p_query_options(p, &insert->options);
}

static struct qr_ast_stmt *insert_bulk(struct qri_parser *p)
{
    struct qr_ast_insert_bulk *stmt = qri_p_stmt(p, sizeof *stmt, QR_AS_INSERT_BULK);
    qri_p_advance(p);
    qri_p_advance(p);
    stmt->table = qri_p_name(p, 4);
    if (qri_p_accept_sym(p, '(')) {
        do {
            struct qr_ast_bulk_column column = {.pos = qri_p_pos(p)};
            column.name = qri_p_ident(p);
            qri_p_type(p, &column.type);
            if (qri_p_accept(p, KW_COLLATE))
                column.collation = qri_p_ident(p);
            if (!qri_p_accept2(p, KW_NOT, KW_NULL))
                qri_p_accept(p, KW_NULL);
            *(struct qr_ast_bulk_column *)qri_p_push(p, &stmt->columns, &stmt->count,
                                                     sizeof column) = column;
        } while (qri_p_accept_sym(p, ','));
        qri_p_expect_sym(p, ')');
    }
    if (qri_p_accept(p, KW_WITH)) {
        qri_p_expect_sym(p, '(');
        do {
            if (qri_p_at(p, KW_ORDER)) {
                qri_p_advance(p);
                qri_p_key_columns(p, &stmt->order);
            } else {
                qri_p_option(p, qri_p_push(p, &stmt->options.items, &stmt->options.count,
                                           sizeof *stmt->options.items));
            }
        } while (qri_p_accept_sym(p, ','));
        qri_p_expect_sym(p, ')');
    }
    return qri_p_finish(p, stmt);
}

struct qr_ast_stmt *qri_p_stmt_insert(struct qri_parser *p, struct qr_ast_with *with)
{
    if (qri_p_peek_at(p, 1, KW_BULK))
        return insert_bulk(p);
    struct qr_ast_insert *insert = qri_p_stmt(p, sizeof *insert, QR_AS_INSERT);
    insert->with = with;
    qri_p_advance(p);
    insert->top = qri_p_top(p);
    qri_p_accept(p, KW_INTO);
    insert->target = qri_p_dml_target(p, true);
    if (qri_p_at_sym(p, '(') && !qri_p_peek_at(p, 1, KW_SELECT) && !qri_p_peek_sym(p, 1, '('))
        qri_p_column_names(p, &insert->columns);
    qri_p_outputs(p, &insert->outputs);
    insert_source(p, insert);
    return qri_p_finish(p, insert);
}

/* ---- UPDATE, DELETE ---- */

struct qr_ast_stmt *qri_p_stmt_update(struct qri_parser *p, struct qr_ast_with *with)
{
    struct qr_ast_update *update = qri_p_stmt(p, sizeof *update, QR_AS_UPDATE);
    update->with = with;
    qri_p_advance(p);
    update->top = qri_p_top(p);
    update->target = qri_p_dml_target(p, false);
    qri_p_expect(p, KW_SET);
    qri_p_set_items(p, &update->set);
    qri_p_outputs(p, &update->outputs);
    if (qri_p_accept(p, KW_FROM))
        qri_p_from(p, &update->from);
    update->where = where_clause(p, &update->current_of, &update->current_of_variable);
    qri_p_query_options(p, &update->options);
    return qri_p_finish(p, update);
}

struct qr_ast_stmt *qri_p_stmt_delete(struct qri_parser *p, struct qr_ast_with *with)
{
    struct qr_ast_delete *stmt = qri_p_stmt(p, sizeof *stmt, QR_AS_DELETE);
    stmt->with = with;
    qri_p_advance(p);
    stmt->top = qri_p_top(p);
    qri_p_accept(p, KW_FROM);
    stmt->target = qri_p_dml_target(p, false);
    qri_p_outputs(p, &stmt->outputs);
    if (qri_p_accept(p, KW_FROM))
        qri_p_from(p, &stmt->from);
    stmt->where = where_clause(p, &stmt->current_of, &stmt->current_of_variable);
    qri_p_query_options(p, &stmt->options);
    return qri_p_finish(p, stmt);
}

struct qr_ast_stmt *qri_p_stmt_truncate(struct qri_parser *p)
{
    struct qr_ast_truncate *stmt = qri_p_stmt(p, sizeof *stmt, QR_AS_TRUNCATE);
    qri_p_advance(p);
    qri_p_expect(p, KW_TABLE);
    stmt->table = qri_p_name(p, 4);
    if (qri_p_at(p, KW_WITH) && qri_p_peek_sym(p, 1, '(')) {
        stmt->with_partitions = true;
        qri_p_advance(p);
        qri_p_skip_paren(p);
    }
    return qri_p_finish(p, stmt);
}
