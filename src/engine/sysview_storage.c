/* sysview_storage.c - file I/O as the stores count it; see sysview_int.h. */
#include "sysview_int.h"
#include <string.h>
#include "store/store.h"
#include "base/banned.h"

enum { NS_PER_MS = 1000000, PAGE_8K = 8192, TEMPDB_ID = 2 };

static int64_t ms_of(uint64_t ns)
{
    return (int64_t)(ns / NS_PER_MS);
}

/* ---- files ---- */

static enum qr_status file_rows(struct qri_sysrows *rows, const struct qr_database *db)
{
    struct qr_store_stats s;
    qr_store_get_stats(db->store, &s);
    int64_t page_bytes = qr_store_page_bytes(db->store);
    int64_t since_ms = qr_env_mono_ns(db->instance->options.env) / NS_PER_MS;
    int64_t read_ms = ms_of(s.page_waits.ns), write_ms = ms_of(s.log_writes.ns),
            pages_ms = ms_of(s.pages_write_ns);
    int64_t data_bytes = (int64_t)(s.file_bytes > 0 ? s.file_bytes : s.data_bytes);
    int64_t log_bytes = (int64_t)(s.log_file_bytes > 0 ? s.log_file_bytes : s.log_bytes);
    QR_TRY(qri_sysrow(rows, (int)db->info.database_id, 1, since_ms, (int64_t)s.pages_read,
                      (int64_t)s.pages_read * page_bytes, read_ms, (int64_t)s.pages_written,
                      (int64_t)s.pages_written * page_bytes, pages_ms, read_ms + pages_ms,
                      data_bytes, ms_of(s.read_queued_ns), (int64_t)0));
    return qri_sysrow(rows, (int)db->info.database_id, 2, since_ms, (int64_t)0, (int64_t)0,
                      (int64_t)0, (int64_t)s.log_writes.count, (int64_t)s.log_bytes_written,
                      write_ms, write_ms, log_bytes, (int64_t)0, (int64_t)0);
}

/* What a Hyperscale database keeps on the node's own disk (RBPEX) is file 0 of database 0. */
static enum qr_status rbpex_row(struct qri_sysrows *rows, const struct qr_database *db)
{
    struct qr_store_stats s;
    qr_store_get_stats(db->store, &s);
    if (s.rbpex.bytes_max == 0)
        return QR_OK;
    int64_t page_bytes = qr_store_page_bytes(db->store);
    int64_t since_ms = qr_env_mono_ns(db->instance->options.env) / NS_PER_MS;
    return qri_sysrow(rows, 0, 0, since_ms, (int64_t)s.rbpex.hits,
                      (int64_t)s.rbpex.hits * page_bytes, (int64_t)0, (int64_t)s.rbpex.written,
                      (int64_t)s.rbpex.written * page_bytes, (int64_t)0, (int64_t)0,
                      (int64_t)s.rbpex.bytes, ms_of(s.read_queued_ns), (int64_t)0);
}

/* Temporary files of databases: what they do in tempdb. */
struct temp_io {
    struct qr_store_tmp_io reads, writes;
    uint64_t bytes;
};

static void add_io(struct qr_store_tmp_io *sum, const struct qr_store_tmp_io *io)
{
    sum->count += io->count;
    sum->bytes += io->bytes;
    sum->stall_ns += io->stall_ns;
    sum->queued_ns += io->queued_ns;
}

static void add_temp(struct temp_io *sum, const struct qr_database *db)
{
    struct qr_store_stats s;
    qr_store_get_stats(db->store, &s);
    add_io(&sum->reads, &s.tmp_reads);
    add_io(&sum->writes, &s.tmp_writes);
    sum->bytes += s.tmp_bytes;
}

static enum qr_status temp_row(struct qri_sysrows *rows, struct qr_session *session,
                               const struct temp_io *t)
{
    int64_t since_ms = qr_env_mono_ns(session->db->instance->options.env) / NS_PER_MS;
    return qri_sysrow(rows, (int)TEMPDB_ID, 1, since_ms, (int64_t)t->reads.count,
                      (int64_t)t->reads.bytes, ms_of(t->reads.stall_ns), (int64_t)t->writes.count,
                      (int64_t)t->writes.bytes, ms_of(t->writes.stall_ns),
                      ms_of(t->reads.stall_ns + t->writes.stall_ns), (int64_t)t->bytes,
                      ms_of(t->reads.queued_ns), ms_of(t->writes.queued_ns));
}

/* From master every database of this compute node is seen. */
static enum qr_status virtual_file_stats(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qr_instance *instance = session->db->instance;
    enum qr_status status = QR_OK;
    struct temp_io temp = {0};
    if (session->db->info.database_id != 1) {
        add_temp(&temp, session->db);
        QR_TRY(file_rows(rows, session->db));
        QR_TRY(temp_row(rows, session, &temp));
        return rbpex_row(rows, session->db);
    }
    pthread_mutex_lock(&instance->mu);
    for (const struct qr_database *db = instance->databases; status == QR_OK && db != NULL;
         db = db->next)
        if (db->info.server_id == session->db->info.server_id) {
            add_temp(&temp, db);
            status = file_rows(rows, db);
        }
    pthread_mutex_unlock(&instance->mu);
    return status == QR_OK ? temp_row(rows, session, &temp) : status;
}

/* In tempdb the store's temporary files, among them the rows of #tables. */
static enum qr_status file_space_usage(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qr_store_stats s;
    qr_store_get_stats(session->db->store, &s);
    bool temp = session->views_tempdb;
    uint64_t total = temp ? s.tmp_bytes : s.data_bytes, used = temp ? s.tmp_bytes : s.used_bytes;
    int64_t pages = (int64_t)(total / PAGE_8K), used_pages = (int64_t)(used / PAGE_8K);
    return qri_sysrow(
        rows, temp ? TEMPDB_ID : (int)session->db->info.database_id, pages, used_pages,
        pages - used_pages,
        (int64_t)(temp ? s.versions_spilled * qr_store_page_bytes(session->db->store) / PAGE_8K
                       : 0),
        used_pages);
}

/* ---- sys.dm_database_encryption_keys ---- */

struct key_walk {
    struct qri_sysrows *rows;
    struct qr_session *session;
};

/* One key for each database that is encrypted; the server's wraps it. */
static enum qr_status key_row(void *ctx, const struct qr_database_info *info)
{
    struct key_walk *w = ctx;
    const struct qr_instance_options *options = &w->session->db->instance->options;
    uint32_t own = w->session->db->info.database_id;
    if (!info->is_encrypted || (own != 1 && info->database_id != own))
        return QR_OK;
    return qri_sysrow(
        w->rows, (int)info->database_id, info->create_ticks, info->create_ticks, info->create_ticks,
        info->create_ticks, info->create_ticks,
        qr_str_n((const char *)options->server_key_id, sizeof options->server_key_id));
}

static enum qr_status encryption_keys(struct qri_sysrows *rows, struct qr_session *session)
{
    struct key_walk w = {rows, session};
    const struct qr_instance_host *host = &session->db->instance->options.host;
    return host->each_database(host->ctx, session->db->info.server_id, key_row, &w);
}

const struct qri_sysview qri_sysviews_storage[] = {
    {"sys", "dm_database_encryption_keys",
     "database_id int, encryption_state int =3, create_date datetime, regenerate_date datetime, "
     "modify_date datetime, set_date datetime, opened_date datetime, "
     "key_algorithm nvarchar(32) ='AES', key_length int =256, encryptor_thumbprint varbinary(20), "
     "encryptor_type nvarchar(32) ='CERTIFICATE', percent_complete real =0, "
     "encryption_state_desc nvarchar(32) ='ENCRYPTED', encryption_scan_state int =4, "
     "encryption_scan_state_desc nvarchar(32) ='COMPLETE', "
     "encryption_scan_modify_date datetime null =null",
     encryption_keys, NULL, false},
    {"sys", "dm_db_file_space_usage",
     "database_id smallint, file_id smallint =1, filegroup_id smallint =1, total_page_count "
     "bigint, "
     "allocated_extent_page_count bigint, unallocated_extent_page_count bigint, "
     "version_store_reserved_page_count bigint, user_object_reserved_page_count bigint, "
     "internal_object_reserved_page_count bigint =0, mixed_extent_page_count bigint =0, "
     "modified_extent_page_count bigint null =null",
     file_space_usage, NULL, false},
    {"sys", "virtual_file_stats$",
     "database_id smallint, file_id smallint, sample_ms bigint, num_of_reads bigint, "
     "num_of_bytes_read bigint, io_stall_read_ms bigint, num_of_writes bigint, "
     "num_of_bytes_written bigint, io_stall_write_ms bigint, io_stall bigint, "
     "size_on_disk_bytes bigint, file_handle varbinary(8) =null, "
     "io_stall_queued_read_ms bigint, io_stall_queued_write_ms bigint",
     virtual_file_stats, NULL, false},
    {0},
};
