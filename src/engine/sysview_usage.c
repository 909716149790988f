/* sysview_usage.c - how indexes are used, and which are missing; see
 * sysview_int.h and shape_int.h. */
#include <string.h>
#include "shape_int.h"
#include "sysview_int.h"
#include "texts_int.h"
#include "tsql/print.h"
#include "base/banned.h"

static void settle(struct qr_session *session)
{
    qri_texts_hand_on(session->db->texts);
    qri_shapes_settle(session);
}

/* ---- sys.dm_db_index_usage_stats ---- */

static enum qr_status usage_row(struct qri_sysrows *rows, struct qr_session *session,
                                const struct qri_index_use *u)
{
    const int64_t *n = u->counts, *at = u->last_ticks;
    return qri_sysrow(rows, (int)session->db->info.database_id, (int)u->object_id, (int)u->index_id,
                      n[QRI_USE_SEEK], n[QRI_USE_SCAN], n[QRI_USE_LOOKUP], n[QRI_USE_UPDATE],
                      at[QRI_USE_SEEK], at[QRI_USE_SCAN], at[QRI_USE_LOOKUP], at[QRI_USE_UPDATE]);
}

static bool has_index(const struct qr_cat_object *table, uint32_t index_id)
{
    if (index_id == 0)
        return qr_cat_clustered(table) == NULL;
    for (size_t i = 0; i < table->index_count; i++)
        if (table->indexes[i].index_id == index_id)
            return true;
    return false;
}

/* Indexes that have gone since they were used have no row. */
static enum qr_status index_usage_stats(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qri_index_use *list = NULL;
    size_t count = 0;
    const struct qr_catalog *cat = &qri_sys_catalog(session)->cat;
    if (session->views_tempdb)
        return QR_OK;
    settle(session);
    QR_TRY(qri_shapes_uses(session->db->shapes, qri_sysrows_arena(rows), &list, &count));
    for (size_t i = 0; i < count; i++) {
        const struct qr_cat_object *table = qr_cat_by_id(cat, list[i].object_id);
        if (table != NULL && has_index(table, list[i].index_id))
            QR_TRY(usage_row(rows, session, &list[i]));
    }
    return QR_OK;
}

/* ---- sys.dm_db_missing_index_* ---- */

typedef enum qr_status wanted_fn(struct qri_sysrows *rows, struct qr_session *session,
                                 const struct qr_cat_object *table, const struct qri_wanted *wanted,
                                 int handle);

/* An index that would serve has been made since: it is not missing any more. */
static bool is_there(const struct qr_cat_object *table, const struct qri_want *want)
{
    const struct qri_want_columns *first = want->equal.count > 0 ? &want->equal : &want->unequal;
    for (size_t i = 0; i < table->index_count; i++)
        for (uint32_t k = 0; k < first->count; k++)
            if (table->indexes[i].columns[0].column_id == first->ids[k])
                return true;
    return false;
}

static enum qr_status each_wanted(struct qri_sysrows *rows, struct qr_session *session,
                                  wanted_fn *row)
{
    struct qri_wanted *list = NULL;
    size_t count = 0;
    const struct qr_catalog *cat = &qri_sys_catalog(session)->cat;
    if (session->views_tempdb)
        return QR_OK;
    settle(session);
    QR_TRY(qri_shapes_wanted(session->db->shapes, qri_sysrows_arena(rows), &list, &count));
    for (size_t i = 0; i < count; i++) {
        const struct qr_cat_object *table = qr_cat_by_id(cat, list[i].want.object_id);
        if (table != NULL && !is_there(table, &list[i].want))
            QR_TRY(row(rows, session, table, &list[i], (int)i + 1));
    }
    return QR_OK;
}

static const struct qr_cat_column *column_of(const struct qr_cat_object *table, uint32_t id)
{
    for (size_t i = 0; i < table->column_count; i++)
        if (table->columns[i].column_id == id)
            return &table->columns[i];
    return NULL;
}

/* "[a], [b]"; NULL for none. */
static struct qr_str list_of(struct qri_sysrows *rows, const struct qr_cat_object *table,
                             const struct qri_want_columns *columns)
{
    struct qr_buf text;
    struct qr_str kept = {NULL, 0};
    qr_buf_init(&text, 64 << 10);
    for (uint32_t i = 0; i < columns->count; i++) {
        const struct qr_cat_column *c = column_of(table, columns->ids[i]);
        if (c == NULL)
            continue;
        if (text.len > 0)
            qr_buf_addz(&text, ", ");
        qr_tsql_print_name(&text, c->name);
    }
    if (text.len > 0)
        kept = qr_arena_str(qri_sysrows_arena(rows), qr_str_n((char *)text.data, text.len));
    qr_buf_done(&text);
    return kept;
}

static struct qr_str statement_of(struct qri_sysrows *rows, struct qr_session *session,
                                  const struct qr_cat_object *table)
{
    struct qr_buf text;
    const struct qr_cat_schema *schema =
        qr_cat_schema_by_id(&session->catalog->cat, table->schema_id);
    qr_buf_init(&text, 64 << 10);
    qr_tsql_print_name(&text, qri_info(session->db)->name);
    qr_buf_addz(&text, ".");
    qr_tsql_print_name(&text, schema == NULL ? qr_str("dbo") : schema->name);
    qr_buf_addz(&text, ".");
    qr_tsql_print_name(&text, table->name);
    struct qr_str kept =
        qr_arena_str(qri_sysrows_arena(rows), qr_str_n((char *)text.data, text.len));
    qr_buf_done(&text);
    return kept;
}

static enum qr_status details_row(struct qri_sysrows *rows, struct qr_session *session,
                                  const struct qr_cat_object *table, const struct qri_wanted *w,
                                  int handle)
{
    return qri_sysrow(rows, handle, (int)session->db->info.database_id, (int)table->object_id,
                      list_of(rows, table, &w->want.equal), list_of(rows, table, &w->want.unequal),
                      list_of(rows, table, &w->want.included), statement_of(rows, session, table));
}

static enum qr_status missing_details(struct qri_sysrows *rows, struct qr_session *session)
{
    return each_wanted(rows, session, details_row);
}

static enum qr_status group_row(struct qri_sysrows *rows, struct qr_session *session,
                                const struct qr_cat_object *table, const struct qri_wanted *w,
                                int handle)
{
    (void)session;
    (void)table;
    (void)w;
    return qri_sysrow(rows, handle, handle);
}

static enum qr_status missing_groups(struct qri_sysrows *rows, struct qr_session *session)
{
    return each_wanted(rows, session, group_row);
}

/* Cost: 0.74 ms for each page that a run reads, which is what SQL Server takes for a page of a
 * scan. With the index a run would read its rows and the way down to them. */
static enum qr_status group_stats_row(struct qri_sysrows *rows, struct qr_session *session,
                                      const struct qr_cat_object *table, const struct qri_wanted *w,
                                      int handle)
{
    static const double page_cost = 0.00074, way_down = 3;
    (void)session;
    (void)table;
    double runs = w->seeks == 0 ? 1 : (double)w->seeks;
    double reads = w->reads / runs, with_index = way_down + w->rows / runs;
    double impact = reads <= with_index ? 0 : 100 * (1 - with_index / reads);
    return qri_sysrow(rows, handle, w->compiles, w->seeks, w->last_ticks, reads * page_cost,
                      impact);
}

static enum qr_status missing_group_stats(struct qri_sysrows *rows, struct qr_session *session)
{
    return each_wanted(rows, session, group_stats_row);
}

static enum qr_status column_rows(struct qri_sysrows *rows, struct qr_session *session,
                                  const struct qr_cat_object *table, const struct qri_wanted *w,
                                  int handle)
{
    const struct {
        const struct qri_want_columns *columns;
        const char *usage;
    } kinds[] = {{&w->want.equal, "EQUALITY"},
                 {&w->want.unequal, "INEQUALITY"},
                 {&w->want.included, "INCLUDE"}};
    (void)session;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        for (uint32_t k = 0; k < kinds[i].columns->count; k++) {
            const struct qr_cat_column *c = column_of(table, kinds[i].columns->ids[k]);
            if (c != NULL)
                QR_TRY(
                    qri_sysrow(rows, handle, (int)c->column_id, c->name, qr_str(kinds[i].usage)));
        }
    return QR_OK;
}

static enum qr_status missing_columns(struct qri_sysrows *rows, struct qr_session *session)
{
    return each_wanted(rows, session, column_rows);
}

#define SYSTEM_USE                                                                                 \
    "system_seeks bigint =0, system_scans bigint =0, system_lookups bigint =0, system_updates "    \
    "bigint =0, last_system_seek datetime null =null, last_system_scan datetime null =null, "      \
    "last_system_lookup datetime null =null, last_system_update datetime null =null"

const struct qri_sysview qri_sysviews_usage[] = {
    {"sys", "dm_db_index_usage_stats",
     "database_id smallint, object_id int, index_id int, user_seeks bigint, user_scans bigint, "
     "user_lookups bigint, user_updates bigint, last_user_seek datetime null, last_user_scan "
     "datetime null, last_user_lookup datetime null, last_user_update datetime null, " SYSTEM_USE,
     index_usage_stats, NULL, false},
    {"sys", "dm_db_missing_index_details",
     "index_handle int, database_id smallint, object_id int, equality_columns nvarchar(4000) null, "
     "inequality_columns nvarchar(4000) null, included_columns nvarchar(4000) null, statement "
     "nvarchar(4000)",
     missing_details, NULL, false},
    {"sys", "dm_db_missing_index_groups", "index_group_handle int, index_handle int",
     missing_groups, NULL, false},
    {"sys", "dm_db_missing_index_group_stats",
     "group_handle int, unique_compiles bigint, user_seeks bigint, user_scans bigint =0, "
     "last_user_seek datetime null, last_user_scan datetime null =null, avg_total_user_cost float "
     "null, avg_user_impact float null, system_seeks bigint =0, system_scans bigint =0, "
     "last_system_seek datetime null =null, last_system_scan datetime null =null, "
     "avg_total_system_cost float null =null, avg_system_impact float null =null",
     missing_group_stats, NULL, false},
    {"sys", "missing_index_columns$",
     "index_handle int, column_id int, column_name sysname, column_usage varchar(20)",
     missing_columns, NULL, false},
    {0},
};
