/* bind_cte.c - WITH: common table expressions, recursion; see bind_int.h */
#include "bind_int.h"

#include "base/banned.h"

/* The recursive members must have exactly the anchors' types. */
enum qr_status qri_check_recursion(struct qri_compile *c, struct qri_query *query,
                                   const struct qri_cte *cte)
{
    const char *name = qri_text_z(c, cte->name);
    for (size_t k = query->anchor_count; k < query->branch_count; k++) {
        struct qri_query *member = query->branches[k];
        if (member->out_count != query->out_count)
            return qr_sql_fail(c->err, 205);
        if (member->is_grouped || (member->kind == QRI_QUERY_SELECT && member->group_count > 0))
            return qr_sql_fail(c->err, 467, name);
        if (member->kind == QRI_QUERY_SELECT && member->distinct)
            return qr_sql_fail(c->err, 460, name);
        if (member->top.amount != NULL)
            return qr_sql_fail(c->err, 461, name);
        for (size_t i = 0; i < query->out_count; i++) {
            const struct qr_type *want = &query->outs[i].type, *have = &member->outs[i].type;
            if (have->id != QR_TYPE_NULL &&
                (have->id != want->id || have->length != want->length ||
                 have->is_max != want->is_max || have->precision != want->precision ||
                 have->scale != want->scale))
                return qr_sql_fail(c->err, 240,
                                   qri_text_z(c, i < cte->ast->columns.count
                                                     ? cte->ast->columns.items[i].text
                                                     : query->outs[i].name),
                                   name);
            QR_TRY(qri_query_coerce(c, member, i, *want));
            query->outs[i].nullable = true;
        }
    }
    query->recursion_max = c->recursion_max;
    return QR_OK;
}

static enum qr_status bind_cte(struct qri_compile *c, struct qri_cte *cte)
{
    enum qri_clause clause = c->clause;
    struct qri_scope *scope = c->scope;
    bool is_top = c->is_top_query;
    struct qri_query *query = NULL;
    c->scope = NULL;
    c->is_top_query = false;
    c->recursing = cte->ast->query->kind == QR_AQ_SETOP ? cte : NULL;
    QR_TRY(qri_bind_query(c, cte->ast->query, NULL, &query));
    c->recursing = NULL;
    c->scope = scope;
    c->clause = clause;
    c->is_top_query = is_top;
    cte->query = query;
    /* names are checked here, once, not at each use */
    struct qri_source *unused = NULL;
    return qri_query_source(c, query, &cte->ast->columns, cte->name, &unused);
}

enum qr_status qri_with(struct qri_compile *c, const struct qr_ast_with *ast)
{
    if (ast == NULL)
        return QR_OK;
    if (ast->namespace_count > 0)
        c->namespaces = ast;
    for (size_t i = 0; i < ast->count; i++) {
        for (size_t k = 0; k < i; k++)
            if (qr_str_ieq(ast->ctes[i].name.text, ast->ctes[k].name.text))
                return qr_sql_fail(c->err, 239, qri_text_z(c, ast->ctes[i].name.text));
        struct qri_cte *cte = QRI_NEW(c, struct qri_cte);
        if (cte == NULL)
            return qri_nomem(c);
        cte->name = ast->ctes[i].name.text;
        cte->ast = &ast->ctes[i];
        cte->next = c->ctes;
        c->ctes = cte;
        QR_TRY(bind_cte(c, cte));
    }
    return QR_OK;
}

/* A reference by a recursive member to the rows found so far. */
static enum qr_status recurse_source(struct qri_compile *c, struct qri_cte *cte,
                                     struct qri_source **ret_source)
{
    QR_TRY(qri_query_source(c, cte->partial, &cte->ast->columns, cte->name, ret_source));
    (*ret_source)->kind = QRI_SOURCE_RECURSE;
    for (size_t i = 0; i < (*ret_source)->column_count; i++)
        (*ret_source)->columns[i].nullable = true;
    if (cte->uses_itself)
        return qr_sql_fail(c->err, 253, qri_text_z(c, cte->name));
    cte->uses_itself = true;
    return QR_OK;
}

enum qr_status qri_cte_source(struct qri_compile *c, const struct qr_ast_name *name,
                              struct qri_source **ret_source)
{
    *ret_source = NULL;
    if (name->count != 1)
        return QR_OK;
    for (struct qri_cte *cte = c->ctes; cte != NULL; cte = cte->next) {
        if (!qr_str_ieq(cte->name, name->parts[0].text))
            continue;
        if (cte->query != NULL)
            return qri_query_source(c, cte->query, &cte->ast->columns, cte->name, ret_source);
        if (cte->partial == NULL) {
            /* inside itself: what it hides is meant, if there is such a thing */
            struct qri_object found;
            QR_TRY(qri_object_find(c, name, true, &found));
            if (found.object != NULL)
                return QR_OK;
            return qr_sql_fail(c->err, cte->ast->query->kind == QR_AQ_SETOP ? 246 : 252,
                               qri_text_z(c, cte->name));
        }
        return recurse_source(c, cte, ret_source);
    }
    return QR_OK;
}
