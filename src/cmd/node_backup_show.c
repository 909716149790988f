/* node_backup_show.c - see cmd_int.h: which backups there are */
#include <stdio.h>
#include <string.h>
#include "backup/backup.h"
#include "base/endian.h"
#include "cmd_int.h"
#include "codec/value.h"
#include "ctl/backups.h"
#include "base/banned.h"

static const int64_t DAY_NS = INT64_C(86400) * 1000000000;

/* A backup has no GUID; its set's number is random, and chain and sequence number are the rest. */
static void id_of(const struct qr_backup_row *b, uint8_t id[16])
{
    qr_put64le(id, b->set_id);
    qr_put32le(id + 8, b->chain);
    qr_put32le(id + 12, b->seq);
}

typedef enum qr_status row_fn(void *ctx, const struct qr_database_row *row,
                              const struct qr_backup_row *backup, bool in_retention);

static enum qr_status each_row(struct qri_node *node, const struct qr_database_row *row, bool geo,
                               row_fn *each, void *ctx, struct qr_err *err)
{
    const struct qri_node_options *o = qri_node_options_of(node);
    char prefix[QRI_BACKUP_PREFIX_BYTES];
    struct qr_backup_place place = qri_backup_place(node, geo, row->timeline, prefix);
    struct qr_backup_catalog catalog;
    if (geo && o->geo_blob == NULL)
        return qr_fail(err, QR_NOT_FOUND, "there is no second store of backups");
    int64_t end = row->state == QR_DATABASE_DROPPED ? row->dropped_wall_ns : qr_env_wall_ns(o->env);
    int64_t first = row->state == QR_DATABASE_KEPT ? 0 : end - row->retention_days * DAY_NS;
    if (o->blob == NULL || qr_database_is_hyper(row) || qr_is_master(row->id))
        return QR_OK;
    QR_TRY(qr_backup_list(&place, &catalog, err));
    enum qr_status status = QR_OK;
    for (size_t i = 0; i < catalog.count && status == QR_OK; i++)
        status = each(ctx, row, &catalog.rows[i], (int64_t)catalog.rows[i].taken_wall_ns >= first);
    qr_backup_catalog_done(&catalog);
    return status;
}

/* ---- for control ---- */

static enum qr_status put_row(void *ctx, const struct qr_database_row *row,
                              const struct qr_backup_row *backup, bool in_retention)
{
    (void)row;
    uint8_t id[16];
    struct qr_backup_seen seen = {.kind = (uint8_t)backup->kind,
                                  .start_wall_ns = (int64_t)backup->taken_wall_ns,
                                  .end_wall_ns = (int64_t)backup->end_wall_ns,
                                  .commit_wall_ns = (int64_t)backup->wall_ns,
                                  .bytes = backup->stored_bytes,
                                  .in_retention = in_retention};
    id_of(backup, id);
    qr_guid_print(id, seen.id);
    qr_backup_seen_put(ctx, &seen);
    return QR_OK;
}

enum qr_status qri_node_list_backups(struct qri_node *node, const struct qr_database_row *row,
                                     bool geo, struct qr_buf *buf, struct qr_err *err)
{
    return each_row(node, row, geo, put_row, buf, err);
}

/* ---- for sys.dm_database_backups ---- */

struct show {
    struct qri_node *node;
    uint32_t database_id;
    enum qr_status (*each)(void *ctx, const struct qr_backup_info *info);
    void *each_ctx;
};

static int64_t ticks_of(int64_t wall_ns)
{
    static const int64_t days_to_1970 = 719162;
    return wall_ns / 100 + days_to_1970 * 86400 * INT64_C(10000000);
}

static enum qr_status show_backup(void *ctx, const struct qr_database_row *row,
                                  const struct qr_backup_row *backup, bool in_retention)
{
    const struct show *show = ctx;
    uint64_t end = backup->end_wall_ns != 0 ? backup->end_wall_ns : backup->taken_wall_ns;
    struct qr_backup_info info = {
        .physical_name = qr_str(row->timeline),
        .server_name = qr_str(row->server),
        .database_name = qr_str(row->name),
        .start_ticks = ticks_of((int64_t)backup->taken_wall_ns),
        .finish_ticks = ticks_of((int64_t)end),
        .type = backup->kind == QR_BACKUP_FULL   ? 'D'
                : backup->kind == QR_BACKUP_DIFF ? 'I'
                                                 : 'L',
        .in_retention = in_retention,
    };
    id_of(backup, info.id);
    if (!qr_guid_parse(qr_str(row->guid), info.database_guid))
        return QR_OK;
    return show->each(show->each_ctx, &info);
}

static enum qr_status show_row(void *ctx, const struct qr_database_row *row)
{
    struct show *show = ctx;
    if (row->state != QR_DATABASE_ONLINE || row->replica_of != 0 ||
        (!qr_is_master(show->database_id) && show->database_id != row->id))
        return QR_OK;
    return each_row(show->node, row, false, show_backup, show, NULL);
}

enum qr_status qri_node_each_backup(void *node, uint32_t database_id,
                                    enum qr_status (*each)(void *ctx,
                                                           const struct qr_backup_info *info),
                                    void *each_ctx)
{
    struct show show = {node, database_id, each, each_ctx};
    struct qr_rpc_peer *control = qri_node_options_of(node)->control;
    enum qr_status status =
        qr_control_each_database(control, qr_server_of(database_id), 0, show_row, &show, NULL);
    return status == QR_CANCELLED ? QR_CLOSED : status; /* no client has cancelled anything */
}
