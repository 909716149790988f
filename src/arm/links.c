/* links.c - see resource_int.h: replication links. A named replica is linked with its primary; the
 * link's id is the replica's own. */
#include "resource_int.h"
#include "base/banned.h"

/* `place` is the server of the end that is shown; the other end may be on another one. */
static json_t *link_json(struct qri_request *r, const struct qri_place *place,
                         const struct qr_resource_database *replica, bool of_primary)
{
    const char *own = of_primary ? replica->primary : replica->row.name;
    const char *other = of_primary ? replica->row.name : replica->primary;
    const char *partner = of_primary ? replica->row.server : replica->primary_server;
    struct qri_place far = *place;
    if (!qr_str_ieqz(qr_str(partner), place->server) && !qri_place_named(r, qr_str(partner), &far))
        return NULL;
    json_t *p = json_pack(
        "{s:s,s:s,s:s,s:s,s:s++,s:s,s:s,s:s,s:s,s:i,s:s,s:b}", "linkType", "NAMED", "partnerServer",
        far.server, "partnerDatabase", other, "partnerLocation", far.location, "partnerDatabaseId",
        far.server_id, "/databases/", other, "role", of_primary ? "Primary" : "Secondary",
        "partnerRole", of_primary ? "Secondary" : "Primary", "replicationMode", "ASYNC",
        "replicationState", "CATCH_UP", "percentComplete", 100, "startTime",
        qri_time_text(r, replica->create_wall_ns), "isTerminationAllowed", 0);
    return json_pack("{s:s++++,s:s,s:s,s:o}", "id", place->server_id, "/databases/", own,
                     "/replicationLinks/", replica->row.guid, "name", replica->row.guid, "type",
                     "Microsoft.Sql/servers/databases/replicationLinks", "properties", p);
}

static enum qr_status add(void *ctx, const struct qr_resource_database *d)
{
    struct qri_listing *l = ctx;
    if (d->row.replica_of == 0 || !qr_database_is_live(&d->row) ||
        (l->id.n > 0 && !qr_str_ieqz(l->id, d->row.guid)))
        return QR_OK;
    for (int of_primary = 0; of_primary < 2; of_primary++) {
        const char *owner = of_primary ? d->primary : d->row.name;
        uint32_t server = qr_server_of(of_primary ? d->row.replica_of : d->row.id);
        if (server == l->place->number && (l->of.n == 0 || qr_str_ieqz(l->of, owner)) &&
            qri_list_append(l, link_json(l->r, l->place, d, of_primary)) != QR_OK)
            return QR_NOMEM;
    }
    return QR_OK;
}

void qri_list_links(struct qri_request *r)
{
    struct qri_place place;
    struct qr_resource_database d;
    if (!qri_place_server(r, &place) || !qri_database_find(r, &place, r->vars[3], NULL, &d))
        return;
    struct qri_listing l = {.r = r, .place = &place, .of = r->vars[3]};
    qri_reply_list(r, qri_list_rows(&l, QR_SERVER_ANY, add));
}

void qri_list_server_links(struct qri_request *r)
{
    struct qri_place place;
    if (!qri_place_server(r, &place))
        return;
    struct qri_listing l = {.r = r, .place = &place};
    qri_reply_list(r, qri_list_rows(&l, QR_SERVER_ANY, add));
}

static json_t *find_link(struct qri_request *r)
{
    struct qri_place place;
    if (!qri_place_server(r, &place))
        return NULL;
    struct qri_listing l = {.r = r, .place = &place, .of = r->vars[3], .id = r->vars[4]};
    return qri_list_first(r, qri_list_rows(&l, QR_SERVER_ANY, add), "databases/replicationLinks",
                          r->vars[4]);
}

void qri_get_link(struct qri_request *r)
{
    json_t *found = find_link(r);
    if (found != NULL)
        qri_reply(r, 200, found);
}

/* DELETE, and the two POSTs that change roles: a named replica has neither. */
void qri_delete_link(struct qri_request *r)
{
    json_t *found = find_link(r);
    if (found != NULL)
        qri_refuse(r, 400, "DatabaseNamedReplicaInvalidOperation",
                   "The operation is not supported for named replicas; drop the replica instead.");
    json_decref(found);
}
