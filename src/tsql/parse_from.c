/* parse_from.c - FROM: tables, joins, derived tables, PIVOT; see parse_int.h */
#include "parse_int.h"
#include "base/banned.h"

static struct qr_ast_source *parse_source(struct qri_parser *p);
static struct qr_ast_source *parse_joined(struct qri_parser *p, struct qr_ast_source *left);

/* ---- hints ---- */

static const char *const old_hints[] = {
    "NOLOCK",
    "READUNCOMMITTED",
    "HOLDLOCK",
    "UPDLOCK",
    "ROWLOCK",
    "TABLOCK",
    "TABLOCKX",
    "PAGLOCK",
    "READPAST",
    "READCOMMITTED",
    "XLOCK",
    "SERIALIZABLE",
    "REPEATABLEREAD",
    "NOWAIT",
    "INDEX",
    "NOEXPAND",
    "FASTFIRSTROW",
    "FORCESEEK",
    "READCOMMITTEDLOCK",
    "FORCESCAN",
};

/* At '(' with a hint word behind it: the old form without WITH. */
static bool at_old_hints(struct qri_parser *p)
{
    if (!qri_p_at_sym(p, '('))
        return false;
    const struct qri_token *word = qri_p_peek(p, 1);
    uint16_t next = qri_p_peek(p, 2)->kind;
    if (word->kind != TOK_IDENT || next == '.')
        return false;
    struct qr_str text = qr_str_n(p->text.p + word->begin, word->end - word->begin);
    for (size_t i = 0; i < sizeof old_hints / sizeof old_hints[0]; i++) {
        if (qr_str_ieqz(text, old_hints[i]))
            return true;
    }
    return false;
}

/* NAME | NAME(args) | NAME = arg, with or without commas between. */
static void hint_list(struct qri_parser *p, struct qr_ast_options *hints)
{
    qri_p_expect_sym(p, '(');
    do {
        struct qr_ast_option *hint = qri_p_push(p, &hints->items, &hints->count, sizeof *hint);
        hint->pos = qri_p_pos(p);
        if (p->tok.kind != TOK_IDENT)
            qri_p_syntax(p);
        hint->name = qri_p_upper(p, qri_token_str(p, &p->tok));
        qri_p_advance(p);
        if (qri_p_accept_sym(p, '=')) {
            hint->value = qri_p_primary(p, false);
        } else if (qri_p_at_sym(p, '(')) {
            struct qr_ast_options subs = {0};
            qri_p_options_paren(p, &subs);
            hint->subs = subs.items;
            hint->sub_count = subs.count;
        }
        hint->text = qri_p_text_from(p, hint->pos.offset);
    } while (qri_p_accept_sym(p, ',') || p->tok.kind == TOK_IDENT);
    qri_p_expect_sym(p, ')');
}

void qri_p_hints(struct qri_parser *p, struct qr_ast_options *hints)
{
    if (qri_p_at(p, KW_WITH) && qri_p_peek_sym(p, 1, '(')) {
        qri_p_advance(p);
        hint_list(p, hints);
    } else if (at_old_hints(p)) {
        hint_list(p, hints);
    }
}

/* ---- aliases ---- */

static bool at_bare_alias(struct qri_parser *p)
{
    if (!qri_p_is_ident(p, &p->tok) || qri_p_at(p, KW_USING) || qri_p_peek_sym(p, 1, ':'))
        return false;
    if (qri_p_at(p, KW_WINDOW))
        return !qri_p_peek_at(p, 2, KW_AS);
    if (qri_p_at(p, KW_ENABLE) || qri_p_at(p, KW_DISABLE))
        return !qri_p_peek_at(p, 1, KW_TRIGGER);
    return true;
}

/* [AS] alias [(columns)] */
static void alias(struct qri_parser *p, struct qr_ast_source *source, bool columns)
{
    if (qri_p_accept(p, KW_AS))
        source->alias = qri_p_is_string(p, &p->tok) ? qri_p_ident_or_string(p) : qri_p_ident(p);
    else if (at_bare_alias(p))
        source->alias = qri_p_ident(p);
    else
        return;
    if (columns && qri_p_at_sym(p, '(') && !at_old_hints(p))
        source->columns = qri_p_ident_list(p);
}

static void need_alias(struct qri_parser *p, struct qr_ast_source *source)
{
    alias(p, source, true);
    if (source->alias.text.n == 0)
        qri_p_syntax(p);
}

/* ---- tables ---- */

static void table_sample(struct qri_parser *p, struct qr_ast_table_source *table)
{
    if (!qri_p_accept(p, KW_TABLESAMPLE))
        return;
    struct qr_ast_tablesample *sample = qri_p_alloc(p, sizeof *sample);
    qri_p_accept(p, KW_SYSTEM);
    qri_p_expect_sym(p, '(');
    sample->amount = qri_p_scalar(p);
    sample->rows = qri_p_accept(p, KW_ROWS);
    if (!sample->rows)
        qri_p_accept(p, KW_PERCENT);
    qri_p_expect_sym(p, ')');
    if (qri_p_accept(p, KW_REPEATABLE)) {
        qri_p_expect_sym(p, '(');
        sample->repeatable = qri_p_scalar(p);
        qri_p_expect_sym(p, ')');
    }
    table->sample = sample;
}

/* A constant, {ts '...'} among them, or a variable. */
static struct qr_ast_expr *system_time_value(struct qri_parser *p)
{
    if (!qri_p_at_sym(p, '{'))
        return qri_p_simple_value(p);
    struct qr_ast_expr *value = qri_p_odbc_escape(p);
    if (value->kind != QR_AE_LITERAL)
        qri_p_syntax(p);
    return value;
}

static void system_time(struct qri_parser *p, struct qr_ast_table_source *table)
{
    if (!qri_p_accept2(p, KW_FOR, KW_SYSTEM_TIME))
        return;
    if (qri_p_accept(p, KW_ALL)) {
        table->temporal = QR_TEMPORAL_ALL;
    } else if (qri_p_accept(p, KW_AS)) {
        qri_p_expect(p, KW_OF);
        table->temporal = QR_TEMPORAL_AS_OF;
        table->time_from = system_time_value(p);
    } else if (qri_p_accept(p, KW_FROM)) {
        table->temporal = QR_TEMPORAL_FROM_TO;
        table->time_from = system_time_value(p);
        qri_p_expect(p, KW_TO);
        table->time_to = system_time_value(p);
    } else if (qri_p_accept(p, KW_BETWEEN)) {
        table->temporal = QR_TEMPORAL_BETWEEN;
        table->time_from = system_time_value(p);
        qri_p_expect(p, KW_AND);
        table->time_to = system_time_value(p);
    } else {
        qri_p_expect(p, KW_CONTAINED);
        qri_p_expect(p, KW_IN);
        qri_p_expect_sym(p, '(');
        table->temporal = QR_TEMPORAL_CONTAINED_IN;
        table->time_from = system_time_value(p);
        qri_p_expect_sym(p, ',');
        table->time_to = system_time_value(p);
        qri_p_expect_sym(p, ')');
    }
}

void qri_p_note_temp(struct qri_parser *p, const struct qr_ast_name *name)
{
    struct qr_str last = name->parts[name->count - 1].text;
    if (last.n > 0 && last.p[0] == '#' && p->temp_line == 0)
        p->temp_line = name->pos.line;
}

static struct qr_ast_source *table_source(struct qri_parser *p, struct qr_ast_name name)
{
    struct qr_ast_table_source *table = qri_p_source(p, sizeof *table, QR_AT_TABLE, name.pos);
    table->name = name;
    qri_p_note_temp(p, &name);
    table_sample(p, table);
    if (qri_p_at(p, KW_FOR) && qri_p_peek_at(p, 1, KW_PATH)) {
        qri_p_advance(p);
        qri_p_advance(p);
        table->for_path = true;
    }
    system_time(p, table);
    qri_p_hints(p, &table->hints);
    alias(p, &table->head, false);
    table_sample(p, table);
    qri_p_hints(p, &table->hints);
    return &table->head;
}

static struct qr_ast_source *call_source(struct qri_parser *p, struct qr_ast_expr *call)
{
    struct qr_ast_call_source *source = qri_p_source(p, sizeof *source, QR_AT_CALL, call->pos);
    source->call = call;
    if (qri_p_at(p, KW_WITH) && qri_p_peek_sym(p, 1, '(') &&
        (qri_p_is_ident(p, qri_p_peek(p, 2)) && !qri_p_peek_sym(p, 3, ')') &&
         !qri_p_peek_sym(p, 3, ','))) {
        qri_p_advance(p);
        qri_p_rowset_columns(p, &source->with, &source->with_count);
    }
    alias(p, &source->head, true);
    qri_p_hints(p, &source->hints);
    return &source->head;
}

static struct qr_ast_source *named_source(struct qri_parser *p)
{
    qri_p_accept_sym(p, TOK_COLONS); /* ::fn_x(...), the old way to a system function */
    struct qr_ast_name name = qri_p_name(p, 4);
    if (qri_p_at_sym(p, '(') && !at_old_hints(p))
        return call_source(p, qri_p_call(p, name));
    return table_source(p, name);
}

static struct qr_ast_source *variable_source(struct qri_parser *p)
{
    if (qri_p_peek_sym(p, 1, '.'))
        return call_source(p, qri_p_primary(p, false));
    struct qr_ast_variable_source *source =
        qri_p_source(p, sizeof *source, QR_AT_VARIABLE, qri_p_pos(p));
    source->name = qri_p_used_table(p);
    alias(p, &source->head, false);
    qri_p_hints(p, &source->hints);
    return &source->head;
}

/* ---- parentheses ---- */

void qri_p_rows(struct qri_parser *p, struct qr_ast_rows *rows)
{
    do {
        struct qr_ast_row row = {.pos = qri_p_pos(p)};
        qri_p_expect_sym(p, '(');
        do {
            struct qr_ast_expr *value =
                qri_p_at(p, KW_DEFAULT) ? qri_p_word_literal(p, QR_LIT_DEFAULT) : qri_p_scalar(p);
            qri_p_push_ptr(p, &row.values.items, &row.values.count, value);
        } while (qri_p_accept_sym(p, ','));
        qri_p_expect_sym(p, ')');
        if (rows->count > 0 && rows->items[0].values.count != row.values.count)
            qri_p_fail(p, &p->last, 10709);
        *(struct qr_ast_row *)qri_p_push(p, &rows->items, &rows->count, sizeof row) = row;
    } while (qri_p_accept_sym(p, ','));
}

static struct qr_ast_source *derived(struct qri_parser *p, struct qr_ast_query *query,
                                     struct qr_ast_pos pos)
{
    struct qr_ast_derived_source *source = qri_p_source(p, sizeof *source, QR_AT_DERIVED, pos);
    source->query = query;
    need_alias(p, &source->head);
    return &source->head;
}

/* ( ... ) holding a query, VALUES, a DML statement with OUTPUT, or a join. Of ((SELECT ...) ... the
 * first is known only behind the inner parenthesis: ret_query is set if it was a query without
 * alias, else the result is a source. */
static struct qr_ast_source *paren(struct qri_parser *p, struct qr_ast_query **ret_query)
{
    struct qr_ast_pos pos = qri_p_pos(p);
    qri_p_enter(p);
    qri_p_expect_sym(p, '(');
    struct qr_ast_source *source = NULL;
    struct qr_ast_query *query = NULL;
    if (qri_p_at(p, KW_SELECT)) {
        query = qri_p_query(p);
    } else if (qri_p_accept(p, KW_VALUES)) {
        struct qr_ast_values_source *values = qri_p_source(p, sizeof *values, QR_AT_VALUES, pos);
        qri_p_rows(p, &values->rows);
        qri_p_expect_sym(p, ')');
        need_alias(p, &values->head);
        qri_p_leave(p);
        return &values->head;
    } else if (qri_p_at(p, KW_INSERT) || qri_p_at(p, KW_UPDATE) || qri_p_at(p, KW_DELETE) ||
               qri_p_at(p, KW_MERGE)) {
        struct qr_ast_dml_source *dml = qri_p_source(p, sizeof *dml, QR_AT_DML, pos);
        dml->dml = qri_p_statement(p);
        qri_p_expect_sym(p, ')');
        need_alias(p, &dml->head);
        qri_p_leave(p);
        return &dml->head;
    } else if (qri_p_at_sym(p, '(')) {
        struct qr_ast_pos inner = qri_p_pos(p);
        source = paren(p, &query);
        if (query != NULL && qri_p_at_setop(p)) {
            query = qri_p_query_rest(p, query, inner);
        } else if (query != NULL && !qri_p_at_sym(p, ')')) {
            source = derived(p, query, inner);
            query = NULL;
        }
        if (query == NULL)
            source = parse_joined(p, source);
    } else {
        source = parse_joined(p, parse_source(p));
    }
    qri_p_expect_sym(p, ')');
    qri_p_leave(p);
    *ret_query = query;
    return source;
}

static struct qr_ast_source *paren_source(struct qri_parser *p)
{
    struct qr_ast_pos pos = qri_p_pos(p);
    struct qr_ast_query *query = NULL;
    struct qr_ast_source *source = paren(p, &query);
    if (query != NULL)
        return derived(p, query, pos);
    return source;
}

static struct qr_ast_source *parse_source(struct qri_parser *p)
{
    if (qri_p_at_sym(p, '('))
        return paren_source(p);
    if (qri_p_at_variable(p))
        return variable_source(p);
    if (qri_p_at_sym(p, '{') && qri_p_peek_at(p, 1, KW_OJ)) {
        qri_p_advance(p);
        qri_p_advance(p);
        qri_p_enter(p);
        struct qr_ast_source *joined = parse_joined(p, parse_source(p));
        qri_p_leave(p);
        qri_p_expect_sym(p, '}');
        return joined;
    }
    struct qr_ast_source *rowset = qri_p_rowset(p);
    return rowset != NULL ? rowset : named_source(p);
}

/* ---- joins ---- */

static bool at_join_hint(const struct qri_token *token)
{
    return token->keyword == KW_LOOP || token->keyword == KW_HASH || token->keyword == KW_MERGE ||
           token->keyword == KW_REMOTE;
}

static bool at_join(struct qri_parser *p)
{
    switch ((int)p->tok.keyword) {
    case KW_JOIN:
    case KW_INNER:
    case KW_LEFT:
    case KW_RIGHT:
    case KW_FULL:
    case KW_CROSS:
    case KW_PIVOT:
    case KW_UNPIVOT:
        return true;
    case KW_OUTER:
        return qri_p_peek_at(p, 1, KW_APPLY);
    default:
        return false;
    }
}

/* Takes the words of a join. */
static enum qr_ast_join_kind join_words(struct qri_parser *p, struct qr_str *ret_hint)
{
    static const struct {
        enum qri_keyword word;
        enum qr_ast_join_kind kind;
    } sides[] = {{KW_LEFT, QR_JOIN_LEFT}, {KW_RIGHT, QR_JOIN_RIGHT}, {KW_FULL, QR_JOIN_FULL}};
    if (qri_p_accept(p, KW_CROSS)) {
        if (qri_p_accept(p, KW_APPLY))
            return QR_JOIN_CROSS_APPLY;
        qri_p_expect(p, KW_JOIN);
        return QR_JOIN_CROSS;
    }
    if (qri_p_accept2(p, KW_OUTER, KW_APPLY))
        return QR_JOIN_OUTER_APPLY;
    enum qr_ast_join_kind kind = QR_JOIN_INNER;
    if (!qri_p_accept(p, KW_INNER)) {
        for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
            if (qri_p_accept(p, sides[i].word)) {
                kind = sides[i].kind;
                qri_p_accept(p, KW_OUTER);
                break;
            }
        }
    }
    if (at_join_hint(&p->tok)) {
        *ret_hint = qri_p_upper(p, qri_token_str(p, &p->tok));
        qri_p_advance(p);
    }
    qri_p_expect(p, KW_JOIN);
    return kind;
}

static struct qr_ast_source *parse_pivot(struct qri_parser *p, struct qr_ast_source *input)
{
    struct qr_ast_pivot *pivot = qri_p_source(p, sizeof *pivot, QR_AT_PIVOT, input->pos);
    pivot->input = input;
    qri_p_advance(p);
    qri_p_expect_sym(p, '(');
    struct qr_ast_name name = qri_p_name(p, 3);
    pivot->aggregate = (struct qr_ast_call *)qri_p_call(p, name);
    qri_p_expect(p, KW_FOR);
    pivot->for_column = qri_p_name(p, 4);
    qri_p_expect(p, KW_IN);
    pivot->values = qri_p_ident_list(p);
    qri_p_expect_sym(p, ')');
    need_alias(p, &pivot->head);
    return &pivot->head;
}

static struct qr_ast_source *parse_unpivot(struct qri_parser *p, struct qr_ast_source *input)
{
    struct qr_ast_unpivot *unpivot = qri_p_source(p, sizeof *unpivot, QR_AT_UNPIVOT, input->pos);
    unpivot->input = input;
    qri_p_advance(p);
    qri_p_expect_sym(p, '(');
    unpivot->value_column = qri_p_ident(p);
    qri_p_expect(p, KW_FOR);
    unpivot->for_column = qri_p_ident(p);
    qri_p_expect(p, KW_IN);
    qri_p_expect_sym(p, '(');
    do {
        struct qr_ast_name column = qri_p_name(p, 4);
        *(struct qr_ast_name *)qri_p_push(p, &unpivot->columns.items, &unpivot->columns.count,
                                          sizeof column) = column;
    } while (qri_p_accept_sym(p, ','));
    qri_p_expect_sym(p, ')');
    qri_p_expect_sym(p, ')');
    need_alias(p, &unpivot->head);
    return &unpivot->head;
}

/* Exactly one join with `left`. In a JOIN b JOIN c ON x ON y the inner join is b's. */
static struct qr_ast_source *parse_join(struct qri_parser *p, struct qr_ast_source *left)
{
    if (++p->joins > QR_TSQL_JOINS_MAX)
        qri_p_fail(p, &p->tok, 191);
    if (qri_p_at(p, KW_PIVOT))
        return parse_pivot(p, left);
    if (qri_p_at(p, KW_UNPIVOT))
        return parse_unpivot(p, left);
    qri_p_enter(p);
    struct qr_ast_join *join = qri_p_source(p, sizeof *join, QR_AT_JOIN, left->pos);
    join->left = left;
    join->join = join_words(p, &join->hint);
    join->right = parse_source(p);
    if (join->join < QR_JOIN_CROSS) {
        while (!qri_p_at(p, KW_ON) && at_join(p))
            join->right = parse_join(p, join->right);
        qri_p_expect(p, KW_ON);
        join->on = qri_p_condition(p);
    }
    qri_p_leave(p);
    return &join->head;
}

static struct qr_ast_source *parse_joined(struct qri_parser *p, struct qr_ast_source *left)
{
    uint32_t count = 0;
    while (at_join(p)) {
        if (++count >= QR_TSQL_TABLES_MAX)
            qri_p_fail_int(p, &p->tok, 106, QR_TSQL_TABLES_MAX);
        left = parse_join(p, left);
    }
    return left;
}

void qri_p_from(struct qri_parser *p, struct qr_ast_sources *sources)
{
    do {
        struct qr_ast_source *source = parse_joined(p, parse_source(p));
        qri_p_push_ptr(p, &sources->items, &sources->count, source);
    } while (qri_p_accept_sym(p, ','));
}
