/* recoverable.c - see resource_int.h: databases that have copies of their backups in the second
 * store */
#include "ctl/backups.h"
#include "resource_int.h"
#include "base/banned.h"

struct listing {
    struct qri_request *r;
    const struct qri_place *place;
    struct qr_str name; /* n = 0: all */
    json_t *list;
};

static enum qr_status note_last(void *ctx, const struct qr_backup_seen *backup)
{
    int64_t *last = ctx;
    *last = backup->commit_wall_ns > *last ? backup->commit_wall_ns : *last;
    return QR_OK;
}

static json_t *recoverable_json(struct listing *l, const struct qr_resource_database *d,
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
    struct listing *l = ctx;
    struct qr_err err = {0};
    int64_t last = 0;
    bool wants = d->row.traits.redundancy == QR_REDUNDANCY_GEO ||
                 d->row.traits.redundancy == QR_REDUNDANCY_GEO_ZONE;
    if (!wants || !qr_database_is_live(&d->row) || qr_database_is_hyper(&d->row) ||
        qr_is_master(d->row.id) || (l->name.n > 0 && !qr_str_ieqz(l->name, d->row.name)))
        return QR_OK;
    enum qr_status status = qr_control_each_backup(
        l->r->arm->options.host->operate, l->place->number, qr_str(d->row.name), qr_str(""), true,
        QRI_ASK_NS, note_last, &last, &err);
    if (status == QR_NOT_FOUND || (status == QR_OK && last == 0))
        return QR_OK; /* there is no second store, or nothing in it yet */
    if (status != QR_OK)
        return status;
    return json_array_append_new(l->list, recoverable_json(l, d, last)) == 0 ? QR_OK : QR_NOMEM;
}

/* NULL: answered. */
static json_t *read_recoverable(struct qri_request *r, const struct qri_place *place,
                                struct qr_str name)
{
    struct listing l = {r, place, name, json_array()};
    struct qr_err err = {0};
    enum qr_status status =
        l.list == NULL ? QR_NOMEM
                       : qr_resource_each_database(r->arm->options.host->control, place->number,
                                                   QRI_ASK_NS, add, &l, &err);
    if (status == QR_OK)
        return l.list;
    json_decref(l.list);
    qri_refuse_err(r, status, &err);
    return NULL;
}

void qri_list_recoverable(struct qri_request *r)
{
    struct qri_place place;
    json_t *list;
    if (qri_place_server(r, &place) &&
        (list = read_recoverable(r, &place, qr_str_n(NULL, 0))) != NULL)
        qri_reply(r, 200, json_pack("{s:o}", "value", list));
}

void qri_get_recoverable(struct qri_request *r)
{
    struct qri_place place;
    json_t *list;
    if (!qri_place_server(r, &place) || (list = read_recoverable(r, &place, r->vars[3])) == NULL)
        return;
    json_t *found = json_incref(json_array_get(list, 0));
    json_decref(list);
    if (found != NULL)
        qri_reply(r, 200, found);
    else
        qri_refuse(r, 404, "ResourceNotFound",
                   "The requested resource of type 'Microsoft.Sql/servers/recoverableDatabases' "
                   "with name '%.400s' was not found.",
                   qri_copy(r, r->vars[3]));
}
