/* recoverable.c - see resource_int.h: databases that have copies of their backups in the second
 * store */
#include "ctl/backups.h"
#include "resource_int.h"
#include "base/banned.h"

static enum qr_status note_last(void *ctx, const struct qr_backup_seen *backup)
{
    int64_t *last = ctx;
    *last = backup->commit_wall_ns > *last ? backup->commit_wall_ns : *last;
    return QR_OK;
}

static json_t *recoverable_json(struct qri_listing *l, const struct qr_resource_database *d,
                                int64_t last_wall_ns)
{
    return json_pack("{s:s++,s:s,s:s,s:{s:s,s:s,s:s?,s:s}}", "id", l->place->server_id,
                     "/recoverableDatabases/", d->row.name, "name", d->row.name, "type",
                     "Microsoft.Sql/servers/recoverableDatabases", "properties", "edition",
                     d->row.edition, "serviceLevelObjective", d->row.objective, "elasticPoolName",
                     *d->row.pool == '\0' ? NULL : &d->row.pool[0], "lastAvailableBackupDate",
                     qri_time_text(l->r, last_wall_ns));
}

/* The copies themselves say how new they are. */
static enum qr_status add(void *ctx, const struct qr_resource_database *d)
{
    struct qri_listing *l = ctx;
    struct qr_err err = {0};
    int64_t last = 0;
    bool wants = d->row.traits.redundancy == QR_REDUNDANCY_GEO ||
                 d->row.traits.redundancy == QR_REDUNDANCY_GEO_ZONE;
    if (!wants || !qr_database_is_live(&d->row) || qr_database_is_hyper(&d->row) ||
        qr_is_master(d->row.id) || (l->of.n > 0 && !qr_str_ieqz(l->of, d->row.name)))
        return QR_OK;
    enum qr_status status = qr_control_each_backup(
        l->r->arm->options.host->operate, l->place->number, qr_str(d->row.name), qr_str(""), true,
        QRI_ASK_NS, note_last, &last, &err);
    if (status == QR_NOT_FOUND || (status == QR_OK && last == 0))
        return QR_OK; /* there is no second store, or nothing in it yet */
    if (status != QR_OK)
        return status;
    return qri_list_append(l, recoverable_json(l, d, last));
}

void qri_list_recoverable(struct qri_request *r)
{
    struct qri_place place;
    if (!qri_place_server(r, &place))
        return;
    struct qri_listing l = {.r = r, .place = &place};
    qri_reply_list(r, qri_list_rows(&l, place.number, add));
}

void qri_get_recoverable(struct qri_request *r)
{
    struct qri_place place;
    if (!qri_place_server(r, &place))
        return;
    struct qri_listing l = {.r = r, .place = &place, .of = r->vars[3]};
    json_t *found =
        qri_list_first(r, qri_list_rows(&l, place.number, add), "recoverableDatabases", r->vars[3]);
    if (found != NULL)
        qri_reply(r, 200, found);
}
