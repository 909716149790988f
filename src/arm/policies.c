/* policies.c - see resource_int.h: settings of a database or the server beside its row. The
 * retention of backups for restores to a point in time is the row's; the others are documents that
 * control keeps. */
#include <string.h>
#include "body_int.h"
#include "ctl/peer.h"
#include "resource_int.h"
#include "base/banned.h"

/* The document, or an empty one. NULL: answered. */
static json_t *find_policy(struct qri_request *r, const char *owner, const char *kind)
{
    struct qr_err err = {0};
    enum qr_status found;
    const char *name = qr_arena_printf(&r->arena, "%s/%s", owner, kind);
    json_t *doc = qri_doc_find(r->arm, QR_DOC_POLICY, qr_str(name), NULL, &found, &err);
    if (doc != NULL)
        return doc;
    if (found == QR_NOT_FOUND)
        return json_object();
    qri_refuse_err(r, found, &err);
    return NULL;
}

static bool store_policy(struct qri_request *r, const char *owner, const char *kind, json_t *doc)
{
    const char *name = qr_arena_printf(&r->arena, "%s/%s", owner, kind);
    return name != NULL && qri_doc_store(r, QR_DOC_POLICY, name, doc, UINT64_MAX);
}

static bool find(struct qri_request *r, struct qri_place *place, struct qr_resource_database *d)
{
    return qri_place_server(r, place) && qri_database_find(r, place, r->vars[3], NULL, d);
}

static json_t *part_json(const struct qri_place *place, const char *database, const char *kind,
                         const char *name, json_t *own_properties)
{
    return json_pack("{s:o,s:s+++++++,s:s,s:s+}", "properties", own_properties, "id",
                     place->server_id, "/databases/", database, "/", kind, "/", name, "", "name",
                     name, "type", "Microsoft.Sql/servers/databases/", kind);
}

/* ---- short-term retention ---- */

static void reply_short(struct qri_request *r, const struct qri_place *place,
                        const struct qr_resource_database *d, int64_t days, int64_t hours)
{
    json_t *p = json_pack("{s:I}", "retentionDays", (json_int_t)days);
    if (p != NULL && !qr_database_is_hyper(&d->row))
        json_object_set_new(p, "diffBackupIntervalInHours", json_integer(hours));
    qri_reply(r, 200,
              part_json(place, d->row.name, "backupShortTermRetentionPolicies", "default", p));
}

void qri_get_short_policy(struct qri_request *r)
{
    struct qri_place place;
    struct qr_resource_database d;
    if (find(r, &place, &d))
        reply_short(r, &place, &d, d.row.retention_days, d.row.diff_hours);
}

void qri_put_short_policy(struct qri_request *r)
{
    struct qri_place place;
    struct qr_resource_database d;
    struct qr_err err = {0};
    json_t *p = NULL;
    int64_t days, hours;
    if (!find(r, &place, &d))
        return;
    days = d.row.retention_days;
    hours = d.row.diff_hours;
    if (!qri_body_object(r, r->json, "properties", &p) ||
        !qri_body_integer(r, p, "retentionDays", &days) ||
        !qri_body_integer(r, p, "diffBackupIntervalInHours", &hours))
        return;
    int most = qr_str_ieqz(qr_str(d.row.edition), "Basic") ? QR_RETENTION_DAYS_BASIC
                                                           : QR_RETENTION_DAYS_MAX;
    if (days < QR_RETENTION_DAYS_MIN || days > most ||
        (hours != QR_DIFF_HOURS && hours != QR_DIFF_HOURS_LONG)) {
        qri_refuse(r, 400, "InvalidBackupRetentionPeriod",
                   "retentionDays is %d to %d, diffBackupIntervalInHours is %d or %d.",
                   QR_RETENTION_DAYS_MIN, most, QR_DIFF_HOURS, QR_DIFF_HOURS_LONG);
        return;
    }
    struct qr_control_ask ask = {.server = place.number,
                                 .name = qr_str(d.row.name),
                                 .id = (uint32_t)days,
                                 .diff_hours = (uint32_t)hours};
    enum qr_status status = qr_control_call(r->arm->options.host->operate, QR_CONTROL_RETENTION,
                                            &ask, QRI_ASK_NS, NULL, &err);
    if (status == QR_OK)
        reply_short(r, &place, &d, days, hours);
    else
        qri_refuse_err(r, status, &err);
}

/* ---- transparent data encryption ---- */

static void reply_encryption(struct qri_request *r, const struct qri_place *place,
                             const struct qr_resource_database *d)
{
    qri_reply(r, 200,
              part_json(place, d->row.name, "transparentDataEncryption", "current",
                        json_pack("{s:s}", "state", d->row.encrypted ? "Enabled" : "Disabled")));
}

void qri_get_encryption(struct qri_request *r)
{
    struct qri_place place;
    struct qr_resource_database d;
    if (find(r, &place, &d))
        reply_encryption(r, &place, &d);
}

void qri_put_encryption(struct qri_request *r)
{
    static const char *const states[] = {"Disabled", "Enabled", NULL};
    struct qri_place place;
    struct qr_resource_database d;
    json_t *p = NULL;
    int state = 0;
    if (!find(r, &place, &d))
        return;
    state = d.row.encrypted ? 1 : 0;
    if (!qri_body_object(r, r->json, "properties", &p) ||
        !qri_body_word(r, p, "state", states, &state))
        return;
    if (state == (d.row.encrypted ? 1 : 0))
        reply_encryption(r, &place, &d);
    else
        qri_refuse(r, 400, "FeatureNotSupported",
                   "Whether a database is encrypted at rest is decided when it is made.");
}

/* ---- connection policy of the server ---- */

static const char *const connection_types[] = {"Default", "Proxy", "Redirect", NULL};

static void reply_connection(struct qri_request *r, const struct qri_place *place, const char *type)
{
    qri_reply(r, 200,
              json_pack("{s:{s:s},s:s,s:s,s:s+,s:s,s:s}", "properties", "connectionType", type,
                        "location", place->location, "kind", "", "id", place->server_id,
                        "/connectionPolicies/default", "name", "default", "type",
                        "Microsoft.Sql/servers/connectionPolicies"));
}

void qri_get_connection_policy(struct qri_request *r)
{
    struct qri_place place;
    if (!qri_place_server(r, &place))
        return;
    json_t *doc = find_policy(r, place.server, "connection");
    if (doc == NULL)
        return;
    const char *type = qri_doc_text(r, doc, "connectionType");
    reply_connection(r, &place, *type == '\0' ? "Default" : type);
    json_decref(doc);
}

void qri_put_connection_policy(struct qri_request *r)
{
    struct qri_place place;
    json_t *p = NULL;
    int type = 0;
    if (!qri_place_server(r, &place) || !qri_body_object(r, r->json, "properties", &p) ||
        !qri_body_word(r, p, "connectionType", connection_types, &type))
        return;
    json_t *doc = json_pack("{s:s}", "connectionType", connection_types[type]);
    if (store_policy(r, place.server, "connection", doc))
        reply_connection(r, &place, connection_types[type]);
    else if (r->status == 0)
        qri_refuse_err(r, QR_NOMEM, &(struct qr_err){0});
    json_decref(doc);
}
