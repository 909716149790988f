/* parse_merge.c - MERGE; see parse_int.h */
#include "parse_dml_int.h"
#include "base/banned.h"

static void merge_action(struct qri_parser *p, struct qr_ast_merge_when *when)
{
    if (qri_p_accept(p, KW_UPDATE)) {
        when->action = QR_MERGE_UPDATE;
        qri_p_expect(p, KW_SET);
        qri_p_set_items(p, &when->set);
    } else if (qri_p_accept(p, KW_DELETE)) {
        when->action = QR_MERGE_DELETE;
    } else {
        qri_p_expect(p, KW_INSERT);
        when->action = QR_MERGE_INSERT;
        if (qri_p_at_sym(p, '('))
            qri_p_column_names(p, &when->columns);
        if (qri_p_accept2(p, KW_DEFAULT, KW_VALUES))
            return;
        qri_p_expect(p, KW_VALUES);
        struct qr_ast_rows rows = {0};
        qri_p_rows(p, &rows);
        if (rows.count > 1)
            qri_p_syntax(p);
        when->values = rows.items[0].values;
    }
}

static void merge_when(struct qri_parser *p, struct qr_ast_merge_when *when)
{
    when->pos = qri_p_pos(p);
    qri_p_expect(p, KW_WHEN);
    bool negated = qri_p_accept(p, KW_NOT);
    qri_p_expect(p, KW_MATCHED);
    when->match = negated ? QR_MERGE_NOT_MATCHED : QR_MERGE_MATCHED;
    if (negated && qri_p_accept(p, KW_BY)) {
        if (qri_p_accept(p, KW_SOURCE))
            when->match = QR_MERGE_NOT_MATCHED_BY_SOURCE;
        else
            qri_p_expect(p, KW_TARGET);
    }
    if (qri_p_accept(p, KW_AND))
        when->condition = qri_p_condition(p);
    qri_p_expect(p, KW_THEN);
    merge_action(p, when);
}

struct qr_ast_stmt *qri_p_stmt_merge(struct qri_parser *p, struct qr_ast_with *with)
{
    struct qr_ast_merge *merge = qri_p_stmt(p, sizeof *merge, QR_AS_MERGE);
    merge->with = with;
    qri_p_advance(p);
    merge->top = qri_p_top(p);
    qri_p_accept(p, KW_INTO);
    merge->target = qri_p_dml_target(p, false);
    if (qri_p_accept(p, KW_AS))
        merge->target->alias = qri_p_ident(p);
    else if (qri_p_is_ident(p, &p->tok) && !qri_p_at(p, KW_USING))
        merge->target->alias = qri_p_ident(p);
    qri_p_expect(p, KW_USING);
    struct qr_ast_sources sources = {0};
    qri_p_from(p, &sources);
    if (sources.count > 1)
        qri_p_syntax(p);
    merge->using_source = sources.items[0];
    qri_p_expect(p, KW_ON);
    merge->on = qri_p_condition(p);
    do {
        struct qr_ast_merge_when when = {0};
        merge_when(p, &when);
        *(struct qr_ast_merge_when *)qri_p_push(p, &merge->whens, &merge->when_count, sizeof when) =
            when;
    } while (qri_p_at(p, KW_WHEN));
    qri_p_outputs(p, &merge->outputs);
    qri_p_query_options(p, &merge->options);
    if (!qri_p_at_sym(p, ';') && !qri_p_at_sym(p, ')'))
        qri_p_fail(p, &p->last, 10713);
    return qri_p_finish(p, merge);
}
