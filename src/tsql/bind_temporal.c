/* bind_temporal.c - t FOR SYSTEM_TIME ...: a query of the table's rows and its history's whose
 * periods are meant. The times are the query's parameters, bound where they stand. A version that
 * began and ended at one time was never seen by anybody, and one past its retention is as good as
 * gone: neither is there. See bind_int.h. */
#include "temporal_int.h"

#include "tsql/print.h"
#include "base/banned.h"

enum { TEXT_BYTES_MAX = 1 << 20 };

static bool can_be_time(const struct qr_type *type)
{
    switch ((int)qr_type_family(type)) {
    case QR_FAMILY_NONE: /* NULL */
    case QR_FAMILY_CHAR:
    case QR_FAMILY_NCHAR:
    case QR_FAMILY_VARIANT:
        return true;
    case QR_FAMILY_DATETIME:
        return type->id != QR_TYPE_TIME;
    default:
        return false;
    }
}

static enum qr_status bind_time(struct qri_compile *c, const struct qr_ast_expr *ast,
                                const char *name, struct qri_param *ret_param)
{
    struct qri_scope *scope = c->scope;
    ret_param->name = qr_str(name);
    if (ast == NULL)
        return qr_expr_null(&c->b, &ret_param->expr);
    c->scope = NULL;
    enum qr_status status = qri_expr(c, ast, &ret_param->expr);
    c->scope = scope;
    QR_TRY(status);
    if (!can_be_time(&ret_param->expr->type))
        return qr_sql_fail(c->err, 206, "datetime2", qr_type_name(&ret_param->expr->type));
    return qr_expr_convert(&c->b, qr_type_of(QR_TYPE_DATETIME2), ret_param->expr, &ret_param->expr);
}

enum qr_status qri_system_time_bind(struct qri_compile *c, const struct qr_ast_table_source *ast,
                                    struct qri_system_time *ret_time)
{
    struct qri_param *params = QRI_ARRAY(c, 2, struct qri_param);
    if (params == NULL)
        return qri_nomem(c);
    QR_TRY(bind_time(c, ast->time_from, "@from", &params[0]));
    QR_TRY(bind_time(c, ast->time_to, "@to", &params[1]));
    *ret_time = (struct qri_system_time){
        .kind = ast->temporal, .times = {.params = params, .count = 2, .hides_vars = true}};
    return QR_OK;
}

static void add_condition(struct qr_buf *text, struct qr_str column, const char *rest)
{
    qr_buf_addz(text, " AND ");
    qr_tsql_print_name(text, column);
    qr_buf_addz(text, rest);
}

/* Columns go by the current table's names and places. */
static void add_select(struct qr_buf *text, const struct qr_catalog *cat,
                       const struct qr_cat_object *columns, const struct qr_cat_object *from,
                       enum qr_ast_temporal kind)
{
    static const struct {
        const char *start, *end;
    } conditions[] = {
        [QR_TEMPORAL_AS_OF] = {" <= @from", " > @from"},
        [QR_TEMPORAL_FROM_TO] = {" < @to", " > @from"},
        [QR_TEMPORAL_BETWEEN] = {" <= @to", " > @from"},
        [QR_TEMPORAL_CONTAINED_IN] = {" >= @from", " <= @to"},
        [QR_TEMPORAL_ALL] = {NULL, NULL},
    };
    static const char *const units[] = {[QR_RETENTION_DAY] = "DAY",
                                        [QR_RETENTION_WEEK] = "WEEK",
                                        [QR_RETENTION_MONTH] = "MONTH",
                                        [QR_RETENTION_YEAR] = "YEAR"};
    struct qr_str start = qr_cat_column_by_id(columns, columns->period_start)->name;
    struct qr_str end = qr_cat_column_by_id(columns, columns->period_end)->name;
    for (size_t i = 0; i < columns->column_count; i++) {
        qr_buf_addz(text, i == 0 ? "SELECT " : ", ");
        qr_tsql_print_name(text, columns->columns[i].name);
    }
    qr_buf_addz(text, " FROM ");
    qr_tsql_print_name(text, qr_cat_schema_by_id(cat, from->schema_id)->name);
    qr_buf_addz(text, ".");
    qr_tsql_print_name(text, from->name);
    qr_buf_addz(text, " WHERE 1 = 1");
    if (conditions[kind].start != NULL) {
        add_condition(text, start, conditions[kind].start);
        add_condition(text, end, conditions[kind].end);
    }
    if (from == columns)
        return;
    add_condition(text, start, " <> ");
    qr_tsql_print_name(text, end);
    if (columns->retention == QR_RETENTION_INFINITE)
        return;
    add_condition(text, end, " >= ");
    qr_buf_printf(text, "DATEADD(%s, -%u, SYSUTCDATETIME())", units[columns->retention],
                  (unsigned)columns->retention_count);
}

static enum qr_status parse_query(struct qri_compile *c, const struct qr_cat_object *table,
                                  const struct qr_cat_object *history,
                                  const struct qr_ast_query **ret_query)
{
    static const struct qr_tsql_options options = {.quoted_identifier = true};
    struct qr_tsql_batch *batch = NULL;
    struct qr_buf text;
    qr_buf_init(&text, TEXT_BYTES_MAX);
    add_select(&text, c->env->catalog, table, table, c->system_time->kind);
    qr_buf_addz(&text, " UNION ALL ");
    add_select(&text, c->env->catalog, table, history, c->system_time->kind);
    enum qr_status status = qr_buf_status(&text, c->err);
    char *copy = status == QR_OK ? qr_arena_dup(c->arena, text.data, text.len) : NULL;
    size_t bytes = text.len;
    qr_buf_done(&text);
    QR_TRY(status);
    if (copy == NULL)
        return qri_nomem(c);
    QR_TRY(qr_tsql_parse(c->arena, copy, bytes, &options, &batch, c->err));
    *ret_query = ((const struct qr_ast_select_stmt *)batch->stmts.items[0])->query;
    return QR_OK;
}

enum qr_status qri_temporal_source(struct qri_compile *c, const struct qri_object *found,
                                   struct qri_source **ret_source)
{
    const struct qr_cat_object *table = found->object;
    const struct qr_cat_object *history = qr_cat_by_id(c->env->catalog, table->history_id);
    struct qri_system_time *time = c->system_time;
    const struct qri_frame *frame = c->frame;
    const struct qr_ast_query *ast = NULL;
    struct qri_query *query = NULL;
    if (history == NULL)
        return qr_fail(c->err, QR_CORRUPT, "history of table %u", (unsigned)table->object_id);
    time->use_count++;
    QR_TRY(parse_query(c, table, history, &ast));
    c->system_time = NULL; /* the names in the query are of the tables themselves */
    c->frame = &time->times;
    c->apply_scope = NULL;
    QR_TRY(qri_bind_query(c, ast, qri_inner_scope(c), &query));
    c->frame = frame;
    c->system_time = time;
    QR_TRY(qri_query_source(c, query, NULL, table->name, ret_source));
    struct qri_source *source = *ret_source;
    source->schema = qr_cat_schema_by_id(c->env->catalog, table->schema_id)->name;
    for (size_t i = 0; i < source->column_count; i++) {
        source->columns[i].flags &= ~(uint32_t)(QR_COLUMN_UPDATABLE | QR_COLUMN_HIDDEN);
        if (table->columns[i].is_hidden)
            source->columns[i].flags |= QR_COLUMN_HIDDEN;
    }
    return QR_OK;
}
