/* ddl_statistics.c - CREATE, UPDATE, DROP STATISTICS; see ddl_int.h.
 *
 * Plans here depend on no statistics. What is created is kept with its table: it shows in
 * sys.stats, shares numbers and names with the table's indexes, and stands on its columns. */
#include "ddl_int.h"
#include "base/sqlmsg.h"
#include "base/banned.h"

enum { COLUMNS_MAX = 32 };

static size_t statistics_at(const struct qr_cat_object *t, struct qr_str name)
{
    for (size_t i = 0; i < t->stats_count; i++)
        if (qr_str_ieq(t->stats[i].name, name))
            return i;
    return SIZE_MAX;
}

static bool is_index(const struct qr_cat_object *t, struct qr_str name)
{
    for (size_t i = 0; i < t->index_count; i++)
        if (qr_str_ieq(t->indexes[i].name, name))
            return true;
    return false;
}

bool qri_statistics_use(const struct qr_cat_stats *stats, const struct qr_cat_column *c)
{
    for (size_t i = 0; i < stats->column_count; i++)
        if (stats->columns[i] == c->column_id)
            return true;
    return qri_text_names(stats->filter_text, c->name);
}

static bool says(const struct qr_ast_options *options, const char *name)
{
    for (size_t i = 0; i < options->count; i++)
        if (qr_str_ieqz(options->items[i].name, name))
            return !qr_str_ieqz(options->items[i].word, "OFF");
    return false;
}

static enum qr_status find_columns(struct qri_ddl *ddl, const struct qr_cat_object *t,
                                   const struct qr_ast_idents *names, struct qr_cat_stats *stats,
                                   struct qr_err *err)
{
    if (names->count > COLUMNS_MAX)
        return qr_sql_fail(err, 1904, qri_z(ddl->arena, stats->name), qri_z(ddl->arena, t->name),
                           (int)names->count, COLUMNS_MAX);
    stats->columns = qr_arena_array(ddl->arena, names->count, sizeof *stats->columns);
    if (stats->columns == NULL)
        return qr_fail(err, QR_NOMEM, "statistics");
    for (size_t i = 0; i < names->count; i++) {
        const char *name = qri_z(ddl->arena, names->items[i].text);
        const struct qr_cat_column *c = qr_cat_column_find(t, names->items[i].text);
        if (c == NULL)
            return qr_sql_fail(err, 1911, name);
        for (size_t k = 0; k < i; k++)
            if (stats->columns[k] == c->column_id)
                return qr_sql_fail(err, 1909, name);
        stats->columns[stats->column_count++] = c->column_id;
    }
    return QR_OK;
}

/* A filter that cannot be evaluated for a row is refused, as that of an index. */
static enum qr_status take_filter(struct qri_ddl *ddl, const struct qr_cat_object *t,
                                  const struct qr_ast_create_statistics *ast,
                                  struct qr_cat_stats *stats, struct qr_err *err)
{
    const struct qr_expr *bound = NULL;
    if (ast->where == NULL)
        return QR_OK;
    stats->filter_text =
        qri_filter_text(ddl->arena, ast->where_text, ddl->env->options.quoted_identifier);
    return qr_tsql_bind_row_expr(ddl->arena, ddl->env, t, stats->filter_text, true, NULL, &bound,
                                 err);
}

static enum qr_status put(struct qri_ddl *ddl, const struct qri_target *target,
                          struct qr_cat_stats *stats, size_t count, struct qr_err *err)
{
    struct qri_ddl_stmt s;
    QR_TRY(qri_ddl_begin(&s, ddl, target->is_temp, err));
    struct qr_cat_object *now = qri_copy_object(ddl->arena, target->object);
    if (now == NULL)
        return qr_fail(err, QR_NOMEM, "statistics");
    now->stats = stats;
    now->stats_count = count;
    QR_TRY(qri_put_table(&s, now, target->object));
    return qri_ddl_commit(&s);
}

static enum qr_status create(struct qri_ddl *ddl, const struct qr_ast_create_statistics *ast,
                             const struct qri_target *target, struct qr_err *err)
{
    const struct qr_cat_object *t = target->object;
    struct qr_str name = ast->name.text;
    struct qr_cat_stats x = {.stats_id = qri_next_index_id(t),
                             .name = name,
                             .no_recompute = says(&ast->options, "NORECOMPUTE"),
                             .is_incremental = says(&ast->options, "INCREMENTAL")};
    if (is_index(t, name) || statistics_at(t, name) != SIZE_MAX)
        return qr_sql_fail(err, 1927, qri_z(ddl->arena, t->name), qri_z(ddl->arena, name));
    if (x.is_incremental) /* of partitions */
        return qr_sql_fail(err, 9108);
    QR_TRY(find_columns(ddl, t, &ast->columns, &x, err));
    QR_TRY(take_filter(ddl, t, ast, &x, err));
    struct qr_cat_stats *all = qr_arena_array(ddl->arena, t->stats_count + 1, sizeof *all);
    if (all == NULL)
        return qr_fail(err, QR_NOMEM, "statistics");
    if (t->stats_count > 0)
        memcpy(all, t->stats, t->stats_count * sizeof *all);
    all[t->stats_count] = x;
    return put(ddl, target, all, t->stats_count + 1, err);
}

static enum qr_status update(struct qri_ddl *ddl, const struct qr_ast_update_statistics *ast,
                             const struct qr_cat_object *t, struct qr_err *err)
{
    for (size_t i = 0; i < ast->names.count; i++) {
        struct qr_str name = ast->names.items[i].text;
        if (!is_index(t, name) && statistics_at(t, name) == SIZE_MAX)
            return qr_sql_fail(err, 2767, qri_z(ddl->arena, name));
    }
    return QR_OK;
}

enum qr_status qri_ddl_statistics(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                                  struct qr_err *err)
{
    bool creates = stmt->kind == QR_AS_CREATE_STATISTICS;
    const struct qr_ast_create_statistics *made = (const struct qr_ast_create_statistics *)stmt;
    const struct qr_ast_update_statistics *old = (const struct qr_ast_update_statistics *)stmt;
    const struct qr_ast_name *name = creates ? &made->table : &old->table;
    struct qri_target target;
    QR_TRY(qri_ddl_resolve(ddl, name, &target, err));
    if (target.object == NULL ||
        (target.object->type != QR_CAT_TABLE && target.object->type != QR_CAT_VIEW))
        return qr_sql_fail(err, 1088, qri_ddl_spell(ddl->arena, name));
    if (target.object->type == QR_CAT_VIEW)
        return qr_sql_fail(err, 40510, "statistics on views");
    return creates ? create(ddl, made, &target, err) : update(ddl, old, target.object, err);
}

enum qr_status qri_ddl_drop_statistics(struct qri_ddl *ddl, const struct qr_ast_drop_item *item,
                                       struct qr_err *err)
{
    struct qri_target target;
    struct qr_str name = item->name.parts[0].text;
    QR_TRY(qri_ddl_resolve(ddl, &item->on, &target, err));
    const struct qr_cat_object *t = target.object;
    const char *full = qr_arena_printf(ddl->arena, "%s.%s", qri_ddl_spell(ddl->arena, &item->on),
                                       qri_z(ddl->arena, name));
    if (t != NULL && is_index(t, name))
        return qr_sql_fail(err, 3739, "drop", full == NULL ? "" : full);
    size_t at = t == NULL ? SIZE_MAX : statistics_at(t, name);
    if (at == SIZE_MAX)
        return qr_sql_fail(err, 3701, "drop", "statistics", full == NULL ? "" : full);
    struct qr_cat_stats *left = qr_arena_array(ddl->arena, t->stats_count, sizeof *left);
    if (left == NULL)
        return qr_fail(err, QR_NOMEM, "statistics");
    memcpy(left, t->stats, at * sizeof *left);
    memcpy(left + at, t->stats + at + 1, (t->stats_count - at - 1) * sizeof *left);
    return put(ddl, &target, left, t->stats_count - 1, err);
}
