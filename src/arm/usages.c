/* usages.c - see resource_int.h: how much of what is bounded is in use */
#include "resource_int.h"
#include "base/banned.h"

enum { SERVERS_MAX = 1, DATABASES_MAX = 5000 };

struct usage {
    const char *name, *display, *unit;
    double value, limit;
};

static json_t *usage_json(const char *owner, const char *type, const struct usage *u)
{
    return json_pack("{s:s++,s:s,s:s,s:{s:s,s:f,s:f,s:s}}", "id", owner, "/usages/", u->name,
                     "name", u->name, "type", type, "properties", "displayName", u->display,
                     "currentValue", u->value, "limit", u->limit, "unit", u->unit);
}

void qri_list_location_usages(struct qri_request *r)
{
    struct usage servers = {"ServerQuota", "Regional Server Quota", "Count", 1, SERVERS_MAX};
    if (!qri_place_subscription(r))
        return;
    const char *owner =
        qr_arena_printf(&r->arena, "/subscriptions/%s/providers/Microsoft.Sql/locations/%s",
                        r->arm->subscription, qri_copy(r, r->vars[1]));
    json_t *one =
        owner == NULL ? NULL : usage_json(owner, "Microsoft.Sql/locations/usages", &servers);
    qri_reply(r, 200, one == NULL ? NULL : json_pack("{s:[o]}", "value", one));
}

static enum qr_status count(void *ctx, const struct qr_resource_database *d)
{
    *(double *)ctx += qr_database_is_live(&d->row);
    return QR_OK;
}

/* Two shapes: that of 2014, flat, and the later one. */
void qri_list_server_usages(struct qri_request *r)
{
    struct qri_place place;
    struct qr_err err = {0};
    struct usage u = {"database_count", "Databases", "Count", 0, DATABASES_MAX};
    if (!qri_place_server(r, &place))
        return;
    enum qr_status status =
        qr_resource_each_database(r->arm->options.host->control, QRI_ASK_NS, count, &u.value, &err);
    if (status != QR_OK) {
        qri_refuse_err(r, status, &err);
        return;
    }
    json_t *one = qr_str_ieqz(qr_str(r->api_version), "2014-04-01")
                      ? json_pack("{s:s,s:s,s:s,s:f,s:f,s:s,s:n}", "name", u.name, "resourceName",
                                  place.server, "displayName", u.display, "currentValue", u.value,
                                  "limit", u.limit, "unit", u.unit, "nextResetTime")
                      : usage_json(place.server_id, "Microsoft.Sql/servers/usages", &u);
    qri_reply(r, 200, one == NULL ? NULL : json_pack("{s:[o]}", "value", one));
}

/* ---- all resources, as `az resource list` wants them ---- */

struct listing {
    json_t *list;
    const char *server_id, *location;
};

static json_t *resource_json(const char *owner, const char *middle, const char *name,
                             const char *type, const char *location)
{
    return json_pack("{s:s++,s:s,s:s,s:s}", "id", owner, middle, name, "name", name, "type", type,
                     "location", location);
}

static enum qr_status add(void *ctx, const struct qr_resource_database *d)
{
    struct listing *l = ctx;
    if (!qr_database_is_live(&d->row))
        return QR_OK;
    json_t *one = resource_json(l->server_id, "/databases/", d->row.name,
                                "Microsoft.Sql/servers/databases", l->location);
    return json_array_append_new(l->list, one) == 0 ? QR_OK : QR_NOMEM;
}

/* There is one server; vars[1], if there is one, is a group. */
void qri_list_resources(struct qri_request *r)
{
    struct qr_err err = {0};
    enum qr_status found;
    struct qri_place group;
    bool of_group = r->vars[1].n > 0;
    if (of_group ? !qri_place_group(r, &group) : !qri_place_subscription(r))
        return;
    json_t *doc = qri_doc_find(r->arm, QR_DOC_SERVER, qr_str(r->arm->options.host->server_name),
                               NULL, &found, &err);
    if (doc == NULL) {
        qri_refuse_err(r, found, &err);
        return;
    }
    const char *name = qri_doc_text(r, doc, "name"), *owner = qri_doc_text(r, doc, "group");
    struct listing l = {.list = json_array(), .location = qri_doc_text(r, doc, "location")};
    json_decref(doc);
    l.server_id = qr_arena_printf(
        &r->arena, "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Sql/servers/%s",
        r->arm->subscription, owner, name);
    enum qr_status status = l.list == NULL || l.server_id == NULL ? QR_NOMEM : QR_OK;
    if (status == QR_OK && (!of_group || qr_str_ieqz(qr_str(owner), group.group))) {
        json_array_append_new(l.list,
                              json_pack("{s:s,s:s,s:s,s:s}", "id", l.server_id, "name", name,
                                        "type", "Microsoft.Sql/servers", "location", l.location));
        status =
            qr_resource_each_database(r->arm->options.host->control, QRI_ASK_NS, add, &l, &err);
    }
    if (status == QR_OK) {
        qri_reply(r, 200, json_pack("{s:o}", "value", l.list));
        return;
    }
    json_decref(l.list);
    qri_refuse_err(r, status, &err);
}
