/* parse_merge.c - MERGE; see parse_int.h */
#include "parse_dml_int.h"
#include "base/banned.h"

static void merge_action(struct qri_parser *p, struct qr_ast_merge_when *when)
{
    if (qri_accept(p, KW_UPDATE)) {
        when->action = QR_MERGE_UPDATE;
        qri_expect(p, KW_SET);
        qri_set_items(p, &when->set);
    } else if (qri_accept(p, KW_DELETE)) {
        when->action = QR_MERGE_DELETE;
    } else {
        qri_expect(p, KW_INSERT);
        when->action = QR_MERGE_INSERT;
        if (qri_at_sym(p, '('))
            qri_column_names(p, &when->columns);
        if (qri_accept2(p, KW_DEFAULT, KW_VALUES))
            return;
        qri_expect(p, KW_VALUES);
        struct qr_ast_rows rows = {0};
        qri_rows(p, &rows);
        if (rows.count > 1)
            qri_syntax(p);
        when->values = rows.items[0].values;
    }
}

static void merge_when(struct qri_parser *p, struct qr_ast_merge_when *when)
{
    when->pos = qri_pos(p);
    qri_expect(p, KW_WHEN);
    bool negated = qri_accept(p, KW_NOT);
    qri_expect(p, KW_MATCHED);
    when->match = negated ? QR_MERGE_NOT_MATCHED : QR_MERGE_MATCHED;
    if (negated && qri_accept(p, KW_BY)) {
        if (qri_accept(p, KW_SOURCE))
            when->match = QR_MERGE_NOT_MATCHED_BY_SOURCE;
        else
            qri_expect(p, KW_TARGET);
    }
    if (qri_accept(p, KW_AND))
        when->condition = qri_condition(p);
    qri_expect(p, KW_THEN);
    merge_action(p, when);
}

struct qr_ast_stmt *qri_stmt_merge(struct qri_parser *p, struct qr_ast_with *with)
{
    struct qr_ast_merge *merge = qri_stmt(p, sizeof *merge, QR_AS_MERGE);
    merge->with = with;
    qri_advance(p);
    merge->top = qri_top(p);
    qri_accept(p, KW_INTO);
    merge->target = qri_dml_target(p);
    if (qri_accept(p, KW_AS))
        merge->target->alias = qri_ident(p);
    else if (qri_is_ident(p, &p->tok) && !qri_at(p, KW_USING))
        merge->target->alias = qri_ident(p);
    qri_expect(p, KW_USING);
    struct qr_ast_sources sources = {0};
    qri_from(p, &sources);
    if (sources.count > 1)
        qri_syntax(p);
    merge->using_source = sources.items[0];
    qri_expect(p, KW_ON);
    merge->on = qri_condition(p);
    do {
        struct qr_ast_merge_when when = {0};
        merge_when(p, &when);
        *(struct qr_ast_merge_when *)qri_push(p, &merge->whens, &merge->when_count, sizeof when) =
            when;
    } while (qri_at(p, KW_WHEN));
    qri_outputs(p, &merge->outputs);
    qri_query_options(p, &merge->options);
    if (!qri_at_sym(p, ';') && !qri_at_sym(p, ')'))
        qri_fail(p, &p->last, 10713);
    return qri_finish(p, merge);
}
