/* sysview_space.c - pages and bytes that tables, indexes and the log take; see sysview_int.h and
 * btree.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "btree.h"
#include "sysview_int.h"
#include "store/store.h"
#include "base/banned.h"

enum { PAGE_8K = 8192 };

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
        size.fragments += guard.fragments;
        size.backwards += guard.backwards;
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

/* ---- sys.dm_db_index_physical_stats ---- */

static double ratio(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (double)part / (double)whole;
}

/* Fragmentation is known of leaves; what hangs on them has no order. */
static enum qr_status physical_row(struct qri_sysrows *rows, struct qr_session *session,
                                   const struct qr_cat_object *table,
                                   const struct qr_cat_index *index)
{
    QR_TRY(qri_check_cancelled(session, NULL));
    struct qri_btree_size s = size_of(session, table, index);
    bool is_data = index == NULL || index->is_clustered;
    uint32_t index_id = index == NULL ? 0 : index->index_id;
    const char *type = index == NULL         ? "HEAP"
                       : index->is_clustered ? "CLUSTERED INDEX"
                                             : "NONCLUSTERED INDEX";
    if (s.levels == 0)
        return QR_OK; /* its pages are not in this database's file */
    int64_t hobt = (int64_t)table->object_id << 16 | index_id;
    uint64_t page = qr_store_page_bytes(session->db->store);
    int64_t pages = pages_8k(session, s.leaves);
    QR_TRY(qri_sysrow(
        rows, (int)session->db->info.database_id, (int)table->object_id, (int)index_id,
        qr_str(type), qr_str("IN_ROW_DATA"), (int)s.levels, 100 * ratio(s.backwards, s.leaves),
        (int64_t)s.fragments, ratio((uint64_t)pages, s.fragments), pages,
        100 * ratio(s.sampled_used, s.sampled * page), (int64_t)s.entries, (int)s.payload_min,
        (int)s.payload_max, ratio(s.sampled_payload, s.sampled_entries), hobt));
    if (s.overflow == 0)
        return QR_OK;
    bool is_lob = is_data && has_large_column(table);
    return qri_sysrow(rows, (int)session->db->info.database_id, (int)table->object_id,
                      (int)index_id, qr_str(type),
                      qr_str(is_lob ? "LOB_DATA" : "ROW_OVERFLOW_DATA"), 1, (double)NAN,
                      QRI_SYS_NULL_BIGINT, (double)NAN, pages_8k(session, s.overflow), (double)NAN,
                      QRI_SYS_NULL_BIGINT, QRI_SYS_NULL, QRI_SYS_NULL, (double)NAN, hobt);
}

static enum qr_status physical_stats(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_catalog *cat = &qri_sys_catalog(session)->cat;
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *o = cat->objects[i];
        if (o->type != QR_CAT_TABLE)
            continue;
        if (qr_cat_clustered(o) == NULL)
            QR_TRY(physical_row(rows, session, o, NULL));
        for (size_t k = 0; k < o->index_count; k++)
            if (!o->indexes[k].is_disabled)
                QR_TRY(physical_row(rows, session, o, &o->indexes[k]));
    }
    return QR_OK;
}

/* ---- sys.dm_db_log_space_usage ---- */

/* Checkpoints cut the log; it is backed up before that. */
static enum qr_status log_space(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qr_store_stats s;
    qr_store_get_stats(session->db->store, &s);
    uint64_t used = s.log_bytes, total = s.log_file_bytes > used ? s.log_file_bytes : used;
    return qri_sysrow(rows, (int)session->db->info.database_id, (int64_t)total, (int64_t)used,
                      100 * ratio(used, total), (int64_t)used);
}

/* ---- sys.dm_db_log_stats ---- */

/* "00000001:600000a8:0001"; NULL: there is none. */
static struct qr_str lsn_text(struct qri_sysrows *rows, struct qr_lsn lsn)
{
    char text[32];
    if (lsn.v == 0)
        return (struct qr_str){NULL, 0};
    (void)snprintf(text, sizeof text, "%08x:%08x:0001", (unsigned)(lsn.v >> 32), (unsigned)lsn.v);
    return qr_arena_str(qri_sysrows_arena(rows), qr_str(text));
}

/* Recovery begins at the last checkpoint, and nothing before it is kept here. */
static enum qr_status log_stats(struct qri_sysrows *rows, struct qr_session *session)
{
    static const double mib = 1 << 20;
    struct qr_store_stats s;
    qr_store_get_stats(session->db->store, &s);
    uint64_t total = s.log_file_bytes > s.log_bytes ? s.log_file_bytes : s.log_bytes;
    double since = (double)s.log_bytes / mib;
    struct qr_str checkpoint = lsn_text(rows, s.checkpoint_lsn);
    return qri_sysrow(rows, (int)session->db->info.database_id, checkpoint,
                      lsn_text(rows, s.head_lsn), (double)total / mib, since, checkpoint, since,
                      checkpoint, since);
}

const struct qri_sysview qri_sysviews_space[] = {
    {"sys", "log_stats$",
     "database_id int, recovery_model nvarchar(60) ='FULL', log_min_lsn nvarchar(24) null, "
     "log_end_lsn nvarchar(24) null, current_vlf_sequence_number bigint null =null, "
     "current_vlf_size_mb float null =null, total_vlf_count bigint null =null, total_log_size_mb "
     "float, active_vlf_count bigint null =null, active_log_size_mb float, "
     "log_truncation_holdup_reason nvarchar(60) ='NOTHING', log_backup_time datetime null =null, "
     "log_backup_lsn nvarchar(24) null =null, log_since_last_log_backup_mb float null =null, "
     "log_checkpoint_lsn nvarchar(24) null, log_since_last_checkpoint_mb float, log_recovery_lsn "
     "nvarchar(24) null, log_recovery_size_mb float, recovery_vlf_count bigint null =null",
     log_stats, NULL, false},
    {"sys", "dm_db_log_space_usage",
     "database_id smallint, total_log_size_in_bytes bigint, used_log_space_in_bytes bigint, "
     "used_log_space_in_percent real, log_space_in_bytes_since_last_backup bigint",
     log_space, NULL, false},
    {"sys", "dm_db_partition_stats",
     "partition_id bigint, object_id int, index_id int, partition_number int =1, "
     "in_row_data_page_count bigint, in_row_used_page_count bigint, in_row_reserved_page_count "
     "bigint, lob_used_page_count bigint, lob_reserved_page_count bigint, "
     "row_overflow_used_page_count bigint, row_overflow_reserved_page_count bigint, "
     "used_page_count bigint, reserved_page_count bigint, row_count bigint",
     partition_stats, NULL, false},
    {"sys", "index_physical_stats$",
     "database_id smallint, object_id int, index_id int, partition_number int =1, "
     "index_type_desc nvarchar(60), alloc_unit_type_desc nvarchar(60), index_depth tinyint, "
     "index_level tinyint =0, avg_fragmentation_in_percent float null, fragment_count bigint null, "
     "avg_fragment_size_in_pages float null, page_count bigint, avg_page_space_used_in_percent "
     "float null, record_count bigint null, min_record_size_in_bytes int null, "
     "max_record_size_in_bytes int null, avg_record_size_in_bytes float null, hobt_id bigint",
     physical_stats, NULL, false},
    {0},
};
