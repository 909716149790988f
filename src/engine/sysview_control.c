/* sysview_control.c - what master shows of the control plane's operations; see sysview_int.h. */
#include "sysview_int.h"
#include "codec/datetime.h"
#include "base/banned.h"

static enum qr_status each(struct qri_sysrows *rows, struct qr_session *session,
                           enum qr_status (*row)(void *ctx, const struct qr_operation_seen *seen))
{
    const struct qr_instance_host *host = &session->db->instance->options.host;
    return host->each_operation == NULL
               ? QR_OK
               : host->each_operation(host->ctx, session->db->info.server_id, row, rows);
}

static enum qr_status variant(struct qr_arena *arena, struct qr_str text, struct qr_value *ret)
{
    struct qr_type type = qr_type_of(QR_TYPE_NVARCHAR);
    type.length = 128;
    struct qr_value v = qr_value_str(text);
    return qr_variant_make(arena, &type, &v, ret);
}

/* ---- sys.dm_operation_status ---- */

static enum qr_status status_row(void *ctx, const struct qr_operation_seen *o)
{
    static const char *const states[] = {"PENDING", "IN_PROGRESS", "COMPLETED", "FAILED",
                                         "CANCELLED"};
    struct qri_sysrows *rows = ctx;
    struct qr_arena *arena = qri_sysrows_arena(rows);
    struct qr_str id = qr_arena_str(arena, qr_str_n((const char *)o->id, sizeof o->id));
    struct qr_value name, minor;
    QR_TRY(variant(arena, o->database, &name));
    QR_TRY(variant(arena, qr_str(""), &minor));
    return qri_sysrow(rows, id, &name, &minor, qr_arena_str(arena, o->operation), o->state,
                      qr_str(states[o->state]), o->percent, o->error_number,
                      qr_arena_str(arena, o->error_text), o->error_severity, o->error_state,
                      o->start_ticks, o->modify_ticks);
}

static enum qr_status operation_status(struct qri_sysrows *rows, struct qr_session *session)
{
    return each(rows, session, status_row);
}

/* ---- sys.dm_database_copies ---- */

static enum qr_status offset_value(struct qr_arena *arena, int64_t ticks, struct qr_value *ret)
{
    uint8_t *bytes = qr_arena_alloc(arena, QR_DTO_BYTES);
    if (bytes == NULL)
        return QR_NOMEM;
    qr_dto_store(qr_dto_pack(ticks, 0), bytes);
    *ret = qr_value_str(qr_str_n((const char *)bytes, QR_DTO_BYTES));
    return QR_OK;
}

static enum qr_status copy_end(struct qri_sysrows *rows, const struct qr_operation_seen *o,
                               bool is_target)
{
    struct qr_arena *arena = qri_sysrows_arena(rows);
    struct qr_str id = qr_arena_str(arena, qr_str_n((const char *)o->id, sizeof o->id));
    struct qr_value start, modify;
    QR_TRY(offset_value(arena, o->start_ticks, &start));
    QR_TRY(offset_value(arena, o->modify_ticks, &modify));
    return qri_sysrow(
        rows, (int)(is_target ? o->database_id : o->source_id), &start, &modify, (double)o->percent,
        o->error_number, qr_arena_str(arena, o->error_text), o->error_severity, o->error_state, id,
        qr_arena_str(arena, is_target ? o->source : o->database), o->state == 0 ? 0 : 1,
        qr_str(o->state == 0 ? "PENDING" : "SEEDING"), (int)is_target);
}

/* A row of each end, while the copy runs. */
static enum qr_status copy_row(void *ctx, const struct qr_operation_seen *o)
{
    if (!o->is_copy || o->state > 1)
        return QR_OK;
    QR_TRY(copy_end(ctx, o, false));
    return copy_end(ctx, o, true);
}

static enum qr_status database_copies(struct qri_sysrows *rows, struct qr_session *session)
{
    return each(rows, session, copy_row);
}

/* ---- sys.dm_database_backups ---- */

static enum qr_status backup_row(void *ctx, const struct qr_backup_info *b)
{
    struct qri_sysrows *rows = ctx;
    struct qr_arena *arena = qri_sysrows_arena(rows);
    struct qr_str id = qr_arena_str(arena, qr_str_n((const char *)b->id, sizeof b->id));
    struct qr_str guid =
        qr_arena_str(arena, qr_str_n((const char *)b->database_guid, sizeof b->database_guid));
    return qri_sysrow(rows, id, guid, qr_arena_str(arena, b->physical_name),
                      qr_arena_str(arena, b->server_name), qr_arena_str(arena, b->database_name),
                      b->start_ticks, b->finish_ticks,
                      qr_str(b->type == 'D'   ? "D"
                             : b->type == 'I' ? "I"
                                              : "L"),
                      (int)b->in_retention);
}

static enum qr_status database_backups(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_instance_host *host = &session->db->instance->options.host;
    return host->each_backup == NULL
               ? QR_OK
               : host->each_backup(host->ctx, session->db->info.own_id, backup_row, rows);
}

const struct qri_sysview qri_sysviews_control[] = {
    {"sys", "dm_database_backups",
     "backup_file_id uniqueidentifier, logical_database_id uniqueidentifier, "
     "physical_database_name nvarchar(128), logical_server_name nvarchar(128), "
     "logical_database_name nvarchar(128), backup_start_date datetime2, backup_finish_date "
     "datetime2, backup_type char(1), in_retention bit null",
     database_backups, NULL, false},
    {"sys", "dm_database_copies",
     "database_id int, start_date datetimeoffset, modify_date datetimeoffset, percent_complete "
     "real null, error_code int null, error_desc nvarchar(4000) null, error_severity int null, "
     "error_state int null, copy_guid uniqueidentifier, partner_server sysname null =null, "
     "partner_database sysname, replication_state tinyint, replication_state_desc nvarchar(256) "
     "null, maximum_lag int null =null, is_continuous_copy bit =0, is_target_role bit, "
     "is_interlink_connected bit =1, is_offline_secondary bit =0",
     database_copies, NULL, true},
    {"sys", "dm_operation_status",
     "session_activity_id uniqueidentifier, resource_type int =0, resource_type_desc "
     "nvarchar(2048) null ='Database', major_resource_id sql_variant, minor_resource_id "
     "sql_variant, operation nvarchar(60) null, state tinyint, state_desc nvarchar(120) null, "
     "percent_complete int, error_code int null, error_desc nvarchar(2048) null, error_severity "
     "int null, error_state int null, start_time datetime null, last_modify_time datetime null",
     operation_status, NULL, true},
    {0},
};
