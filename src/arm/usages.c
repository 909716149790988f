/* usages.c - see resource_int.h: how much of what is bounded is in use */
#include "resource_int.h"
#include "base/banned.h"

enum { DATABASES_MAX = 5000, DTUS_MAX = 54000, VCORES_MAX = 540 };

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
    struct usage servers = {"ServerQuota", "Regional Server Quota", "Count", 0,
                            QR_SERVERS_A_REGION};
    size_t i;
    json_t *doc,
        *docs = qri_place_subscription(r) ? qri_doc_list(r, QR_DOC_SERVER, qr_str("")) : NULL;
    if (docs == NULL)
        return;
    json_array_foreach(docs, i, doc)
    {
        servers.value += qri_is_location(r->vars[1], qri_doc_text(r, doc, "location"));
    }
    json_decref(docs);
    const char *owner =
        qr_arena_printf(&r->arena, "/subscriptions/%s/providers/Microsoft.Sql/locations/%s",
                        r->arm->subscription, qri_copy(r, r->vars[1]));
    json_t *one =
        owner == NULL ? NULL : usage_json(owner, "Microsoft.Sql/locations/usages", &servers);
    qri_reply(r, 200, one == NULL ? NULL : json_pack("{s:[o]}", "value", one));
}

struct used {
    double databases, dtus, vcores;
};

static enum qr_status count(void *ctx, const struct qr_resource_database *d)
{
    struct used *used = ctx;
    const struct qr_slo *slo = qr_slo_find(qr_str(d->row.objective));
    if (!qr_database_is_live(&d->row) || qr_is_master(d->row.id))
        return QR_OK;
    used->databases += 1;
    if (slo != NULL)
        *(slo->is_dtu ? &used->dtus : &used->vcores) += (double)slo->capacity;
    return QR_OK;
}

static json_t *old_usage_json(const struct qri_place *place, const struct usage *u)
{
    return json_pack("{s:s,s:s,s:s,s:f,s:f,s:s,s:n}", "name", u->name, "resourceName",
                     place->server, "displayName", u->display, "currentValue", u->value, "limit",
                     u->limit, "unit", u->unit, "nextResetTime");
}

static enum qr_status count_pool(void *ctx, const struct qr_pool_row *pool)
{
    struct used *used = ctx;
    const struct qr_pool_size *size = qr_pool_size_find(qr_str(pool->size));
    if (size != NULL)
        *(size->is_dtu ? &used->dtus : &used->vcores) += (double)size->capacity;
    return QR_OK;
}

/* Two shapes: that of 2014, flat, and the later one. */
void qri_list_server_usages(struct qri_request *r)
{
    struct qri_place place;
    struct qr_err err = {0};
    struct used used = {0, 0, 0};
    bool flat = qr_str_ieqz(qr_str(r->api_version), "2014-04-01");
    if (!qri_place_server(r, &place))
        return;
    enum qr_status status = qr_resource_each_database(r->arm->options.host->control, place.number,
                                                      QRI_ASK_NS, count, &used, &err);
    if (status == QR_OK)
        status = qr_resource_each_pool(r->arm->options.host->control, place.number, QRI_ASK_NS,
                                       count_pool, &used, &err);
    if (status != QR_OK) {
        qri_refuse_err(r, status, &err);
        return;
    }
    const struct usage rows[] = {
        {"database_count", "Databases", "Count", used.databases, DATABASES_MAX},
        {"server_dtu_quota_current", "Database Throughput Unit Quota", "DTUs", used.dtus, DTUS_MAX},
        {"server_vcore_quota_current", "vCores", "Count", used.vcores, VCORES_MAX}};
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        json_array_append_new(
            list, flat ? old_usage_json(&place, &rows[i])
                       : usage_json(place.server_id, "Microsoft.Sql/servers/usages", &rows[i]));
    qri_reply(r, 200, json_pack("{s:o}", "value", list));
}

/* Hyperscale has no limit but that of the service. */
void qri_list_database_usages(struct qri_request *r)
{
    static const double hyper_bytes = 100.0 * 1024 * 1024 * 1024 * 1024;
    struct qri_place place;
    struct qr_resource_database d;
    struct qr_err err = {0};
    uint64_t used = 0, allocated = 0;
    if (!qri_place_server(r, &place) || !qri_database_find(r, &place, r->vars[3], NULL, &d))
        return;
    json_t *list = json_array();
    enum qr_status status = QR_OK;
    if (d.row.state == QR_DATABASE_ONLINE)
        status = qr_resource_usage(r->arm->options.host->operate, place.number, qr_str(d.row.name),
                                   QRI_ASK_NS, &used, &allocated, &err);
    double limit = qr_database_is_hyper(&d.row) ? hyper_bytes : (double)d.row.max_bytes;
    const struct usage rows[] = {
        {"database_size", "Database Size", "Bytes", (double)used, limit},
        {"database_allocated_size", "Database Allocated Size", "Bytes", (double)allocated, limit}};
    const char *owner = qr_arena_printf(&r->arena, "%s/databases/%s", place.server_id, d.row.name);
    bool told = status == QR_OK && d.row.state == QR_DATABASE_ONLINE && owner != NULL;
    for (size_t i = 0; told && i < sizeof rows / sizeof rows[0]; i++)
        json_array_append_new(
            list, usage_json(owner, "Microsoft.Sql/servers/databases/usages", &rows[i]));
    if (status == QR_OK) {
        qri_reply(r, 200, json_pack("{s:o}", "value", list));
        return;
    }
    json_decref(list);
    qri_refuse_err(r, status, &err);
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

/* One server and its databases. */
static enum qr_status add_server(struct qri_request *r, const json_t *doc, json_t *list,
                                 struct qr_err *err)
{
    struct qri_place place;
    if (!qri_place_named(r, qr_str(qri_doc_text(r, doc, "name")), &place))
        return QR_OK; /* gone meanwhile */
    struct listing l = {list, place.server_id, place.location};
    json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s}", "id", place.server_id, "name",
                                          place.server, "type", "Microsoft.Sql/servers", "location",
                                          place.location));
    return qr_resource_each_database(r->arm->options.host->control, place.number, QRI_ASK_NS, add,
                                     &l, err);
}

/* vars[1], if there is one, is a group. */
void qri_list_resources(struct qri_request *r)
{
    struct qr_err err = {0};
    struct qri_place group;
    enum qr_status status = QR_OK;
    size_t i;
    bool of_group = r->vars[1].n > 0;
    if (of_group ? !qri_place_group(r, &group) : !qri_place_subscription(r))
        return;
    json_t *doc, *list = json_array(), *docs = qri_doc_list(r, QR_DOC_SERVER, qr_str(""));
    json_array_foreach(docs, i, doc)
    {
        const char *owner = qri_doc_text(r, doc, "group");
        if (status == QR_OK && (!of_group || qr_str_ieqz(qr_str(owner), group.group)))
            status = add_server(r, doc, list, &err);
    }
    json_decref(docs);
    if (docs != NULL && status == QR_OK) {
        qri_reply(r, 200, json_pack("{s:o}", "value", list));
        return;
    }
    json_decref(list);
    if (docs != NULL)
        qri_refuse_err(r, status, &err);
}
