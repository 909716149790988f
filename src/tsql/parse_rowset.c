/* parse_rowset.c - OPENJSON columns, OPENXML, OPENROWSET and the like; see parse_int.h */
#include "parse_int.h"
#include "base/banned.h"

/* ( name type ['path'] [AS JSON], ... ) */
void qri_p_rowset_columns(struct qri_parser *p, struct qr_ast_rowset_column **columns,
                          size_t *count)
{
    qri_p_expect_sym(p, '(');
    do {
        struct qr_ast_rowset_column column = {.pos = qri_p_pos(p)};
        column.name = qri_p_ident(p);
        qri_p_type(p, &column.type);
        if (qri_p_accept(p, KW_COLLATE))
            column.collation = qri_p_ident(p);
        if (qri_p_at_constant(p) || qri_p_at_variable(p))
            column.path = qri_p_simple_value(p);
        if (qri_p_accept2(p, KW_AS, KW_JSON))
            column.as_json = true;
        *(struct qr_ast_rowset_column *)qri_p_push(p, columns, count, sizeof column) = column;
    } while (qri_p_accept_sym(p, ','));
    qri_p_expect_sym(p, ')');
}

static const enum qri_keyword rowset_words[] = {
    KW_OPENROWSET,
    KW_OPENQUERY,
    KW_OPENDATASOURCE,
    KW_OPENXML,
    KW_CONTAINSTABLE,
    KW_FREETEXTTABLE,
    KW_CHANGETABLE,
    KW_PREDICT,
    KW_SEMANTICKEYPHRASETABLE,
    KW_SEMANTICSIMILARITYTABLE,
    KW_SEMANTICSIMILARITYDETAILSTABLE,
};

static void rowset_alias(struct qri_parser *p, struct qr_ast_source *source)
{
    bool as = qri_p_accept(p, KW_AS);
    if (!as && (!qri_p_is_ident(p, &p->tok) || qri_p_peek_sym(p, 1, ':')))
        return;
    source->alias = qri_p_ident(p);
    if (qri_p_at_sym(p, '('))
        source->columns = qri_p_ident_list(p);
}

struct qr_ast_source *qri_p_rowset(struct qri_parser *p)
{
    bool known = false;
    for (size_t i = 0; i < sizeof rowset_words / sizeof rowset_words[0]; i++)
        known = known || (p->tok.keyword != KW_NONE && qri_p_at(p, rowset_words[i]));
    if (!known || !qri_p_peek_sym(p, 1, '('))
        return NULL;
    struct qr_ast_rowset_source *source =
        qri_p_source(p, sizeof *source, QR_AT_ROWSET, qri_p_pos(p));
    bool xml = qri_p_at(p, KW_OPENXML);
    source->function = qr_str(qri_keyword_name((enum qri_keyword)p->tok.keyword));
    qri_p_advance(p);
    uint32_t begin = p->tok.end;
    if (xml) {
        qri_p_advance(p);
        qri_p_scalar_list(p, &source->args);
        qri_p_expect_sym(p, ')');
    } else {
        qri_p_skip_paren(p);
    }
    source->text = qr_str_n(p->text.p + begin, p->last.begin - begin);
    while (qri_p_accept_sym(p, '.')) /* OPENDATASOURCE(...).db.schema.table */
        if (!qri_p_at_sym(p, '.'))
            qri_p_ident(p);
    if (qri_p_at(p, KW_WITH) && qri_p_peek_sym(p, 1, '(')) {
        struct qri_place place;
        qri_p_advance(p);
        qri_p_mark(p, &place);
        qri_p_advance(p);
        bool table =
            qri_p_is_ident(p, &p->tok) && (qri_p_peek_sym(p, 1, ')') || qri_p_peek_sym(p, 1, '.'));
        if (table) {
            source->with_table = qri_p_name(p, 4);
            qri_p_expect_sym(p, ')');
        } else {
            qri_p_rewind(p, &place);
            qri_p_rowset_columns(p, &source->with, &source->with_count);
        }
    }
    rowset_alias(p, &source->head);
    return &source->head;
}
