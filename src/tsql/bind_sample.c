/* bind_sample.c - t TABLESAMPLE (...): a query of those rows of the table that chance takes, or
 * with REPEATABLE the seed and what is in the row. SQL Server takes whole pages; here it is rows,
 * so that a sample of a small table is neither empty nor all of it. See bind_int.h. */
#include "bind_int.h"

#include <math.h>
#include <stdio.h>
#include "base/banned.h"

enum { PERCENT_MAX = 100, PARTS = 1000000, TEXT_BYTES = 256 };

static enum qr_status number_of(struct qri_compile *c, const struct qr_ast_expr *ast,
                                double *ret_number)
{
    struct qri_scope *scope = c->scope;
    const struct qr_expr *expr = NULL;
    c->scope = NULL;
    enum qr_status status = qri_expr(c, ast, &expr);
    c->scope = scope;
    QR_TRY(status);
    QR_TRY(qr_expr_convert(&c->b, qr_type_of(QR_TYPE_FLOAT), expr, &expr));
    if (expr->kind != QR_EXPR_CONST || expr->u.value.cell != QR_CELL_REAL)
        return qr_sql_fail(c->err, 482);
    *ret_number = expr->u.value.r;
    return QR_OK;
}

static enum qr_status whole_number_of(struct qri_compile *c, const struct qr_ast_expr *ast,
                                      const char *table, int64_t *ret_number)
{
    double number = 0;
    QR_TRY(number_of(c, ast, &number));
    if (number != floor(number) || fabs(number) > (double)INT32_MAX)
        return qr_sql_fail(c->err, 477, table);
    *ret_number = (int64_t)number;
    return *ret_number > 0 ? QR_OK : qr_sql_fail(c->err, 479, *ret_number, table);
}

/* The query's text, with t for the table. */
static enum qr_status write_query(struct qri_compile *c, const struct qr_ast_tablesample *sample,
                                  const char *table, char text[TEXT_BYTES])
{
    char chance[TEXT_BYTES / 2] = "NEWID()";
    int64_t number = 0;
    double percent = 0;
    if (sample->repeatable != NULL) {
        QR_TRY(whole_number_of(c, sample->repeatable, table, &number));
        (void)snprintf(chance, sizeof chance,
                       "HASHBYTES('MD5', CONCAT(BINARY_CHECKSUM(*), '/', %lld))",
                       (long long)number);
    }
    if (sample->rows) {
        QR_TRY(whole_number_of(c, sample->amount, table, &number));
        (void)snprintf(text, TEXT_BYTES, "SELECT TOP (%lld) * FROM t ORDER BY CHECKSUM(%s)",
                       (long long)number, chance);
        return QR_OK;
    }
    QR_TRY(number_of(c, sample->amount, &percent));
    if (!(percent >= 0 && percent <= PERCENT_MAX))
        return qr_sql_fail(c->err, 476, percent, table);
    (void)snprintf(text, TEXT_BYTES,
                   "SELECT * FROM t WHERE ABS(CAST(CHECKSUM(%s) AS bigint)) %% %d < %lld", chance,
                   PARTS, (long long)(percent * PARTS / PERCENT_MAX));
    return QR_OK;
}

enum qr_status qri_sample_source(struct qri_compile *c, const struct qr_ast_table_source *ast,
                                 struct qri_source **ret_source)
{
    static const struct qr_tsql_options options = {.quoted_identifier = true};
    struct qri_object found = {0};
    struct qr_tsql_batch *batch = NULL;
    struct qri_query *query = NULL;
    char *text = QRI_ARRAY(c, TEXT_BYTES, char);
    if (text == NULL)
        return qri_nomem(c);
    QR_TRY(qri_cte_source(c, &ast->name, ret_source));
    if (c->env->in_view)
        return qr_sql_fail(c->err, 478);
    if (*ret_source == NULL)
        QR_TRY(qri_object_find(c, &ast->name, false, &found));
    if (found.object == NULL || found.object->type != QR_CAT_TABLE || found.is_system)
        return qr_sql_fail(c->err, 475);
    QR_TRY(write_query(c, ast->sample, qri_name_z(c, &ast->name), text));
    QR_TRY(qr_tsql_parse(c->arena, text, strlen(text), &options, &batch, c->err));
    struct qr_ast_select *select =
        (struct qr_ast_select *)((struct qr_ast_select_stmt *)batch->stmts.items[0])->query;
    ((struct qr_ast_table_source *)select->from.items[0])->name = ast->name;
    c->apply_scope = NULL;
    QR_TRY(qri_bind_query(c, &select->head, qri_inner_scope(c), &query));
    QR_TRY(qri_query_source(c, query, NULL, found.object->name, ret_source));
    (*ret_source)->schema = query->from[0]->schema;
    return QR_OK;
}
