/* sysview_replica.c - who serves a database, and how far behind; see sysview_int.h. */
#include "sysview_int.h"
#include "base/banned.h"

struct walk {
    struct qri_sysrows *rows;
    struct qr_session *session;
    bool on_primary;
};

static struct qr_str guid(struct qr_arena *arena, const uint8_t bytes[16])
{
    return qr_arena_str(arena, qr_str_n((const char *)bytes, 16));
}

/* ---- sys.dm_database_replica_states ---- */

struct lsns {
    struct qr_value null, applied, commit;
};

static enum qr_status own_row(const struct walk *w, const struct qr_replica_info *r,
                              const struct lsns *v)
{
    struct qr_arena *arena = qri_sysrows_arena(w->rows);
    bool primary = r->role == QR_REPLICA_PRIMARY;
    const struct qr_value *redone = primary ? &v->null : &v->applied;
    bool synchronous = primary || r->is_synchronous;
    int state = r->is_silent ? 0 : synchronous ? 2 : 1;
    struct qr_str state_desc = qr_str(r->is_silent  ? "NOT SYNCHRONIZING"
                                      : synchronous ? "SYNCHRONIZED"
                                                    : "SYNCHRONIZING");
    int64_t bytes = (int64_t)r->lag_bytes;
    return qri_sysrow(
        w->rows, (int)r->database_id, guid(arena, r->group_id), guid(arena, r->id),
        guid(arena, r->group_id), (int)r->is_local, (int)primary, state, state_desc,
        (int)synchronous, r->is_silent ? 0 : 2, qr_str(r->is_silent ? "NOT_HEALTHY" : "HEALTHY"),
        /* sent: all that is hardened, as soon as it is asked for; received is applied at once */
        primary ? &v->null : &v->commit, redone, &v->commit, r->commit_ticks, redone,
        primary ? 0 : r->applied_ticks, primary ? QRI_SYS_NULL_BIGINT : (bytes + 1023) / 1024,
        &v->commit, &v->applied, r->applied_ticks,
        primary ? QRI_SYS_NULL_BIGINT : r->lag_ns / 1000000000, &v->commit, r->commit_ticks);
}

static enum qr_status state_row(void *ctx, const struct qr_replica_info *r)
{
    struct walk *w = ctx;
    struct qr_type type = qr_type_of(QR_TYPE_DECIMAL);
    type.precision = 25;
    w->on_primary |= r->is_local && r->role == QR_REPLICA_PRIMARY;
    if (!r->is_local && !w->on_primary) /* a replica knows of itself only */
        return QR_OK;
    struct lsns v = {.null = qr_value_null(),
                     .applied = qr_value_decimal(&type, r->applied_lsn),
                     .commit = qr_value_decimal(&type, r->commit_lsn)};
    return own_row(w, r, &v);
}

static enum qr_status each(struct qri_sysrows *rows, struct qr_session *session,
                           enum qr_status (*row)(void *ctx, const struct qr_replica_info *info))
{
    struct walk w = {.rows = rows, .session = session};
    const struct qr_instance_host *host = &session->db->instance->options.host;
    if (host->each_replica == NULL || session->db->info.database_id == 1)
        return QR_OK;
    return host->each_replica(host->ctx, session->db->info.own_id, session->db->store, row, &w);
}

static enum qr_status replica_states(struct qri_sysrows *rows, struct qr_session *session)
{
    return each(rows, session, state_row);
}

/* ---- sys.dm_hs_database_replicas ---- */

static enum qr_status replica_row(void *ctx, const struct qr_replica_info *r)
{
    static const char *const names[] = {"Primary", "HA secondary", "Geo-replication forwarder",
                                        "Named replica"};
    struct walk *w = ctx;
    struct qr_arena *arena = qri_sysrows_arena(w->rows);
    return qri_sysrow(w->rows, guid(arena, r->id), qr_arena_str(arena, r->server_name),
                      qr_arena_str(arena, r->database_name), (int)r->is_local, (int)r->role,
                      qr_str(names[r->role]), (int)r->database_id,
                      r->role == QR_REPLICA_HA ? guid(arena, r->parent_id)
                                               : (struct qr_str){NULL, 0});
}

static enum qr_status hs_replicas(struct qri_sysrows *rows, struct qr_session *session)
{
    return qr_str_ieqz(qri_info(session->db)->edition, "Hyperscale")
               ? each(rows, session, replica_row)
               : QR_OK;
}

/* ---- sys.dm_hs_database_log_rate ---- */

static enum qr_status rate_row(void *ctx, const struct qr_log_rate *r)
{
    static const char *const names[] = {
        [QR_LOG_UNKNOWN] = "Unknown",       [QR_LOG_STORAGE] = "Storage",
        [QR_LOG_PRIMARY] = "Primary",       [QR_LOG_REPLICA] = "Replica",
        [QR_LOG_DESTAGE] = "Destage",       [QR_LOG_LOCALDESTAGE] = "LocalDestage",
        [QR_LOG_GEOREPLICA] = "GeoReplica",
    };
    struct walk *w = ctx;
    struct qr_arena *arena = qri_sysrows_arena(w->rows);
    return qri_sysrow(w->rows, (int)w->session->db->info.database_id, guid(arena, r->replica_id),
                      r->role == QR_LOG_STORAGE ? 1 : QRI_SYS_NULL, (int64_t)r->max_rate,
                      guid(arena, r->component_id), (int)r->role, qr_str(names[r->role]),
                      (int64_t)r->catchup_rate, (int64_t)r->catchup_bytes, r->reported_ticks);
}

static enum qr_status log_rates(struct qri_sysrows *rows, struct qr_session *session)
{
    struct walk w = {.rows = rows, .session = session};
    const struct qr_instance_host *host = &session->db->instance->options.host;
    if (host->each_log_rate == NULL || session->db->info.database_id == 1)
        return QR_OK;
    return host->each_log_rate(host->ctx, session->db->info.own_id, session->db->store, rate_row,
                               &w);
}

/* ---- sys.query_store_replicas ---- */

/* Only what primaries run is collected: the group that the statistics' replica_group_id names. */
static enum qr_status store_replicas(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qr_str server = qr_database_server_name(session->db);
    return qri_sysrow(rows, qr_arena_str(qri_sysrows_arena(rows), server));
}

const struct qri_sysview qri_sysviews_replica[] = {
    {"sys", "query_store_replicas",
     "replica_group_id bigint =1, role_type tinyint =1, replica_name nvarchar(max) null",
     store_replicas, NULL, false},
    {"sys", "hs_database_log_rate$",
     "database_id int, replica_id uniqueidentifier, file_id int null, current_max_log_rate bigint, "
     "component_id uniqueidentifier, role smallint, role_desc nvarchar(60), catchup_rate bigint, "
     "catchup_bytes bigint, last_reported_time datetime null",
     log_rates, NULL, false},
    {"sys", "dm_database_replica_states",
     "database_id int, group_id uniqueidentifier, replica_id uniqueidentifier, "
     "group_database_id uniqueidentifier, is_local bit null, is_primary_replica bit null, "
     "synchronization_state tinyint null, synchronization_state_desc nvarchar(60) null, "
     "is_commit_participant bit null, synchronization_health tinyint null, "
     "synchronization_health_desc nvarchar(60) null, database_state tinyint null =0, "
     "database_state_desc nvarchar(60) null ='ONLINE', is_suspended bit null =0, "
     "suspend_reason tinyint null =null, suspend_reason_desc nvarchar(60) null =null, "
     "recovery_lsn numeric(25,0) null =null, truncation_lsn numeric(25,0) null =null, "
     "last_sent_lsn numeric(25,0) null, last_sent_time datetime null =null, "
     "last_received_lsn numeric(25,0) null, last_received_time datetime null =null, "
     "last_hardened_lsn numeric(25,0) null, last_hardened_time datetime null, "
     "last_redone_lsn numeric(25,0) null, last_redone_time datetime null, "
     "log_send_queue_size bigint null =null, log_send_rate bigint null =null, "
     "redo_queue_size bigint null, redo_rate bigint null =null, "
     "filestream_send_rate bigint null =null, end_of_log_lsn numeric(25,0) null, "
     "last_commit_lsn numeric(25,0) null, last_commit_time datetime null, "
     "low_water_mark_for_ghosts bigint null =null, secondary_lag_seconds bigint null, "
     "quorum_commit_lsn numeric(25,0) null, quorum_commit_time datetime null",
     replica_states, NULL, false},
    {"sys", "hs_database_replicas$",
     "replica_id uniqueidentifier, replica_server_name sysname, replica_database_name sysname, "
     "is_local bit null, replica_role tinyint, replica_role_desc nvarchar(256), "
     "local_database_id int null, parent_replica_id uniqueidentifier null",
     hs_replicas, NULL, false},
    {0},
};
