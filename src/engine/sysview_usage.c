/* sysview_usage.c - how indexes are used, which are missing, and how large tables are; see
 * sysview_int.h, shape_int.h and btree.h. */
#include <stdio.h>
#include <string.h>
#include "btree.h"
#include "shape_int.h"
#include "sysview_int.h"
#include "texts_int.h"
#include "base/banned.h"

enum { PAGE_8K = 8192 };

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

static void add_quoted(struct qr_buf *text, struct qr_str name)
{
    qr_buf_addz(text, "[");
    for (size_t i = 0; i < name.n; i++)
        qr_buf_printf(text, name.p[i] == ']' ? "]]" : "%c", name.p[i]);
    qr_buf_addz(text, "]");
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
        add_quoted(&text, c->name);
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
    add_quoted(&text, qri_info(session->db)->name);
    qr_buf_addz(&text, ".");
    add_quoted(&text, schema == NULL ? qr_str("dbo") : schema->name);
    qr_buf_addz(&text, ".");
    add_quoted(&text, table->name);
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

/* ---- sys.dm_db_partition_stats ---- */

static int64_t pages_8k(const struct qr_session *session, uint64_t pages)
{
    uint64_t bytes = pages * qr_store_page_bytes(session->db->store);
    return (int64_t)((bytes + PAGE_8K - 1) / PAGE_8K);
}

static bool has_large_column(const struct qr_cat_object *table)
{
    for (size_t i = 0; i < table->column_count; i++)
        if (qr_type_is_lob(&table->columns[i].type))
            return true;
    return false;
}

/* Of #tables, which are in SQLite's memory, nothing but the rows is counted. */
static struct qri_btree_size size_of(struct qr_session *session, const struct qr_cat_object *table,
                                     const struct qr_cat_index *index)
{
    struct qri_btree_size size = {0}, guard = {0};
    char name[64];
    struct qr_err err = {0};
    if (session->views_tempdb)
        return size;
    if (index == NULL || index->is_clustered)
        (void)snprintf(name, sizeof name, "t%u", table->object_id);
    else
        (void)snprintf(name, sizeof name, "i%u_%u", table->object_id, index->index_id);
    if (qri_btree_size(session->link, name, &size, &err) != QR_OK)
        return (struct qri_btree_size){0};
    if (index == NULL || !index->has_null_guard)
        return size;
    (void)snprintf(name, sizeof name, "i%u_%un", table->object_id, index->index_id);
    if (qri_btree_size(session->link, name, &guard, &err) == QR_OK) {
        size.leaves += guard.leaves;
        size.inner += guard.inner;
        size.entries += guard.entries;
    }
    return size;
}

static enum qr_status partition_row(struct qri_sysrows *rows, struct qr_session *session,
                                    const struct qr_cat_object *table,
                                    const struct qr_cat_index *index, int64_t row_count)
{
    struct qri_btree_size size = size_of(session, table, index);
    bool is_data = index == NULL || index->is_clustered,
         is_lob = is_data && has_large_column(table);
    uint32_t index_id = index == NULL ? 0 : index->index_id;
    int64_t data = pages_8k(session, size.leaves),
            used = pages_8k(session, size.leaves + size.inner);
    int64_t over = pages_8k(session, size.overflow);
    int64_t lob = is_lob ? over : 0, row_over = is_lob ? 0 : over;
    if (index != NULL && index->filter_text.n > 0)
        row_count = (int64_t)size.entries;
    return qri_sysrow(rows, (int64_t)table->object_id << 16 | index_id, (int)table->object_id,
                      (int)index_id, data, used, used, lob, lob, row_over, row_over, used + over,
                      used + over, row_count);
}

static enum qr_status partition_stats(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_catalog *cat = &qri_sys_catalog(session)->cat;
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *o = cat->objects[i];
        if (o->type != QR_CAT_TABLE)
            continue;
        int64_t count = qri_sys_row_count(session, o);
        if (qr_cat_clustered(o) == NULL)
            QR_TRY(partition_row(rows, session, o, NULL, count));
        for (size_t k = 0; k < o->index_count; k++)
            if (!o->indexes[k].is_disabled)
                QR_TRY(partition_row(rows, session, o, &o->indexes[k], count));
    }
    return QR_OK;
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
    {"sys", "dm_db_partition_stats",
     "partition_id bigint, object_id int, index_id int, partition_number int =1, "
     "in_row_data_page_count bigint, in_row_used_page_count bigint, in_row_reserved_page_count "
     "bigint, lob_used_page_count bigint, lob_reserved_page_count bigint, "
     "row_overflow_used_page_count bigint, row_overflow_reserved_page_count bigint, "
     "used_page_count bigint, reserved_page_count bigint, row_count bigint",
     partition_stats, NULL, false},
    {0},
};
