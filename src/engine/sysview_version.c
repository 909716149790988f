/* sysview_version.c - old versions that snapshots keep, and whose snapshots these are; see
 * sysview_int.h.
 *
 * Versions are of pages and are in memory until the page cache is full, then on disk: both are the
 * size that is shown. LSNs stand where SQL Server has its transactions' sequence numbers. */
#include "store/store.h"
#include "sysview_int.h"
#include "base/banned.h"

enum { PAGE_BYTES = 8192, KB = 1024, TICKS_PER_SECOND = 10000000 };

typedef enum qr_status row_fn(struct qri_sysrows *rows, struct qr_database *db);

/* The session's database; from master all of the server that are here. */
static enum qr_status each_database(struct qri_sysrows *rows, struct qr_session *session,
                                    row_fn *row)
{
    struct qr_instance *instance = session->db->instance;
    bool all = session->db->info.database_id == 1;
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&instance->mu);
    for (struct qr_database *db = instance->databases; status == QR_OK && db != NULL; db = db->next)
        if (db == session->db || (all && db->info.server_id == session->db->info.server_id))
            status = row(rows, db);
    pthread_mutex_unlock(&instance->mu);
    return status;
}

/* With instance.mu held. 0: none. */
static uint64_t oldest_transaction(const struct qr_database *db)
{
    uint64_t oldest = 0;
    for (struct qr_session *s = db->instance->sessions; s != NULL; s = s->next) {
        if (s->db != db)
            continue;
        struct qri_session_seen seen = qri_session_shown(s);
        if (seen.tran_count > 0 && (oldest == 0 || seen.tran_id < oldest))
            oldest = seen.tran_id;
    }
    return oldest;
}

/* Nothing of an aborted transaction is ever left: it was private. */
static enum qr_status stats_row(struct qri_sysrows *rows, struct qr_database *db)
{
    struct qr_store_versions v;
    qr_store_get_versions(db->store, &v);
    return qri_sysrow(rows, (int)db->info.database_id, (int64_t)(v.bytes / KB),
                      (int64_t)oldest_transaction(db), (int64_t)v.oldest.v,
                      v.swept_from_ns == 0 ? 0 : qri_ticks_of_wall(v.swept_from_ns),
                      v.swept_ns == 0 ? 0 : qri_ticks_of_wall(v.swept_ns), (int64_t)v.count);
}

static enum qr_status store_stats(struct qri_sysrows *rows, struct qr_session *session)
{
    return each_database(rows, session, stats_row);
}

static enum qr_status space_row(struct qri_sysrows *rows, struct qr_database *db)
{
    struct qr_store_versions v;
    qr_store_get_versions(db->store, &v);
    return qri_sysrow(rows, (int)db->info.database_id,
                      (int64_t)((v.bytes + PAGE_BYTES - 1) / PAGE_BYTES), (int64_t)(v.bytes / KB));
}

static enum qr_status space_usage(struct qri_sysrows *rows, struct qr_session *session)
{
    return each_database(rows, session, space_row);
}

static enum qr_status snapshot_row(struct qri_sysrows *rows, const struct qr_session *s,
                                   const struct qri_session_seen *seen, int64_t now_ticks)
{
    bool is_snapshot = seen->options.isolation == QR_SNAPSHOT;
    return qri_sysrow(rows, (int64_t)seen->tran_id, (int64_t)seen->snapshot_lsn, is_snapshot,
                      (int)s->id, is_snapshot ? (int64_t)seen->snapshot_lsn : (int64_t)0,
                      (now_ticks - seen->tran_ticks) / TICKS_PER_SECOND);
}

/* Transactions that have a snapshot now, and keep the versions it reads. */
static enum qr_status active_snapshots(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qr_instance *instance = session->db->instance;
    int64_t now_ticks = qri_now_ticks(session);
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&instance->mu);
    for (struct qr_session *s = instance->sessions; status == QR_OK && s != NULL; s = s->next) {
        if (s->db != session->db)
            continue;
        struct qri_session_seen seen = s == session ? qri_session_look(s) : qri_session_shown(s);
        if (seen.tran_count > 0 && seen.snapshot_lsn != 0)
            status = snapshot_row(rows, s, &seen, now_ticks);
    }
    pthread_mutex_unlock(&instance->mu);
    return status;
}

/* The session's own; without a transaction its number is 0, as CURRENT_TRANSACTION_ID() has it. */
static enum qr_status current_transaction(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qri_session_seen seen = qri_session_look(session);
    struct qr_store_stats store;
    struct qr_store_versions v;
    qr_store_get_stats(session->db->store, &store);
    qr_store_get_versions(session->db->store, &v);
    bool is_snapshot = seen.snapshot_lsn != 0 && seen.options.isolation == QR_SNAPSHOT;
    uint64_t head = store.head_lsn.v, oldest = v.oldest.v == 0 ? head : v.oldest.v;
    return qri_sysrow(rows, (int64_t)seen.tran_id, (int64_t)seen.snapshot_lsn, (int)is_snapshot,
                      is_snapshot ? (int64_t)seen.snapshot_lsn : (int64_t)0, (int64_t)head,
                      (int64_t)oldest);
}

const struct qri_sysview qri_sysviews_version[] = {
    {"sys", "dm_tran_persistent_version_store_stats",
     "database_id int, pvs_filegroup_id smallint =1, persistent_version_store_size_kb bigint, "
     "online_index_version_store_size_kb bigint =0, current_aborted_transaction_count bigint =0, "
     "oldest_active_transaction_id bigint, oldest_aborted_transaction_id bigint =0, "
     "min_transaction_timestamp bigint, online_index_min_transaction_timestamp bigint =0, "
     "secondary_low_water_mark bigint =0, offrow_version_cleaner_start_time datetime2(7) null, "
     "offrow_version_cleaner_end_time datetime2(7) null, "
     "aborted_version_cleaner_start_time datetime2(7) null =null, "
     "aborted_version_cleaner_end_time datetime2(7) null =null, "
     "pvs_off_row_page_skipped_low_water_mark bigint =0, "
     "pvs_off_row_page_skipped_transaction_not_cleaned bigint =0, "
     "pvs_off_row_page_skipped_oldest_active_xdesid bigint =0, "
     "pvs_off_row_page_skipped_min_useful_xts bigint, "
     "pvs_off_row_page_skipped_oldest_snapshot bigint =0",
     store_stats, NULL, false},
    {"sys", "dm_tran_version_store_space_usage",
     "database_id int, reserved_page_count bigint, reserved_space_kb bigint", space_usage, NULL,
     false},
    {"sys", "dm_tran_active_snapshot_database_transactions",
     "transaction_id bigint, transaction_sequence_num bigint, "
     "commit_sequence_num bigint null =null, is_snapshot int, session_id int, "
     "first_snapshot_sequence_num bigint, max_version_chain_traversed int =0, "
     "average_version_chain_traversed real =0, elapsed_time_seconds bigint",
     active_snapshots, NULL, false},
    {"sys", "dm_tran_current_transaction",
     "transaction_id bigint, transaction_sequence_num bigint, transaction_is_snapshot bit, "
     "first_snapshot_sequence_num bigint, last_transaction_sequence_num bigint, "
     "first_useful_sequence_num bigint",
     current_transaction, NULL, false},
    {0},
};
