/* links.c - see resource_int.h: replication links. A named replica or geo-secondary is linked with
 * its primary; the link's id is its own. */
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
    bool is_geo = replica->row.geo_of != 0;
    bool seeds = is_geo && replica->row.state == QR_DATABASE_CREATING;
    json_t *p = json_pack(
        "{s:s,s:s,s:s,s:s,s:s++,s:s,s:s,s:s,s:s,s:i,s:s,s:b}", "linkType", is_geo ? "GEO" : "NAMED",
        "partnerServer", far.server, "partnerDatabase", other, "partnerLocation", far.location,
        "partnerDatabaseId", far.server_id, "/databases/", other, "role",
        of_primary ? "Primary" : "Secondary", "partnerRole", of_primary ? "Secondary" : "Primary",
        "replicationMode", "ASYNC", "replicationState", seeds ? "SEEDING" : "CATCH_UP",
        "percentComplete", seeds ? 0 : 100, "startTime", qri_time_text(r, replica->create_wall_ns),
        "isTerminationAllowed", is_geo);
    return json_pack("{s:s++++,s:s,s:s,s:o}", "id", place->server_id, "/databases/", own,
                     "/replicationLinks/", replica->row.guid, "name", replica->row.guid, "type",
                     "Microsoft.Sql/servers/databases/replicationLinks", "properties", p);
}

static enum qr_status add(void *ctx, const struct qr_resource_database *d)
{
    struct qri_listing *l = ctx;
    uint32_t primary = d->row.replica_of != 0 ? d->row.replica_of : d->row.geo_of;
    if (primary == 0 || *d->primary == '\0' || !qr_database_is_live(&d->row) ||
        (l->id.n > 0 && !qr_str_ieqz(l->id, d->row.guid)))
        return QR_OK;
    for (int of_primary = 0; of_primary < 2; of_primary++) {
        const char *owner = of_primary ? d->primary : d->row.name;
        uint32_t server = qr_server_of(of_primary ? primary : d->row.id);
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

struct search {
    struct qr_str id;
    struct qr_resource_database *found;
};

static enum qr_status match(void *ctx, const struct qr_resource_database *d)
{
    const struct search *search = ctx;
    if (!qr_str_ieqz(search->id, d->row.guid))
        return QR_OK;
    *search->found = *d;
    return QR_CANCELLED; /* it is found */
}

static void change(struct qri_request *r, enum qr_geo_change change)
{
    struct qr_rpc_peer *control = r->arm->options.host->control;
    struct qr_resource_database d = {.row = {.id = 0}};
    struct search search = {r->vars[4], &d};
    struct qr_operation_row row;
    struct qri_place place;
    struct qr_err err = {0};
    json_t *found = find_link(r);
    if (found == NULL || !qri_place_server(r, &place)) {
        json_decref(found);
        return;
    }
    json_decref(found);
    (void)!qr_resource_each_database(control, QR_SERVER_ANY, QRI_ASK_NS, match, &search, NULL);
    if (d.row.geo_of == 0) {
        qri_refuse(r, 400, "DatabaseNamedReplicaInvalidOperation",
                   "The operation is not supported for named replicas; drop the replica instead.");
        return;
    }
    if (change != QR_GEO_END && qr_server_of(d.row.id) != place.number) {
        qri_refuse(r, 400, "InvalidReplicationRole",
                   "A failover is asked for on the server of the secondary, '%s'.", d.row.server);
        return;
    }
    struct qr_control_ask ask = {.server = qr_server_of(d.row.id),
                                 .name = qr_str(d.row.name),
                                 .geo_change = (uint8_t)change,
                                 .operation_id = qr_str(r->id),
                                 .no_wait = true};
    enum qr_status status = qr_operation_start(r->arm->options.host->operate, QR_CONTROL_GEO_CHANGE,
                                               &ask, QRI_ASK_NS, &row, &err);
    if (status == QR_OK)
        qri_reply_started(r, &place, &row);
    else
        qri_refuse_err(r, status, &err);
}

void qri_delete_link(struct qri_request *r)
{
    change(r, QR_GEO_END);
}

void qri_failover_link(struct qri_request *r)
{
    change(r, QR_GEO_FAILOVER);
}

void qri_force_link(struct qri_request *r)
{
    change(r, QR_GEO_FORCE);
}
