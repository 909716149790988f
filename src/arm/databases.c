/* databases.c - see resource_int.h: databases as ARM shows them */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "resource_int.h"
#include "base/banned.h"

enum { PAGE_ROWS = 1000 };

/* ---- one ---- */

static bool is_edition(const char *edition, const char *name)
{
    return qr_str_ieqz(qr_str(edition), name);
}

static const char *kind_of(const struct qr_resource_database *d)
{
    const struct qr_slo *slo = qr_slo_find(qr_str(d->row.objective)),
                        *of_edition = qr_slo_default(qr_str(d->row.edition));
    if (qr_is_master(d->row.id) || of_edition == NULL)
        return "v12.0,system";
    if (slo == NULL)
        return of_edition->is_dtu ? "v12.0,user,pool" : "v12.0,user,vcore,pool";
    if (slo->is_dtu)
        return "v12.0,user";
    if (is_edition(slo->edition, "Hyperscale"))
        return slo->is_serverless ? "v12.0,user,vcore,hyperscale,serverless"
                                  : "v12.0,user,vcore,hyperscale";
    return slo->is_serverless ? "v12.0,user,vcore,serverless" : "v12.0,user,vcore";
}

static const char *redundancy_of(uint8_t redundancy)
{
    static const char *const words[QR_REDUNDANCY_COUNT] = {"Local", "Local", "Zone", "Geo",
                                                           "GeoZone"};
    return redundancy < QR_REDUNDANCY_COUNT ? words[redundancy] : words[0];
}

static void set(json_t *object, const char *key, json_t *own_value)
{
    (void)json_object_set_new(object, key, own_value); /* a member that is missing is no lie */
}

/* What depends on the tier that it has now. */
static void add_tier(struct qri_request *r, const struct qri_place *place, json_t *p,
                     const struct qr_resource_database *d)
{
    const struct qr_database_traits *traits = &d->row.traits;
    const struct qr_slo *slo = qr_slo_find(qr_str(d->row.objective));
    bool hyper = is_edition(d->row.edition, "Hyperscale");
    set(p, "maxSizeBytes", json_integer(hyper ? -1 : (json_int_t)d->row.max_bytes));
    set(p, "readScale", json_string(traits->read_scale == QR_SAID_YES ? "Enabled" : "Disabled"));
    set(p, "zoneRedundant", json_boolean(traits->zone_redundant == QR_SAID_YES));
    if (hyper)
        set(p, "highAvailabilityReplicaCount", json_integer(d->row.ha_replicas));
    if (slo != NULL && !slo->is_dtu && !slo->is_serverless)
        set(p, "licenseType",
            json_string(traits->license == QR_LICENSE_BASE_PRICE ? "BasePrice"
                                                                 : "LicenseIncluded"));
    if (slo != NULL && slo->is_serverless) {
        set(p, "minCapacity", json_real(traits->min_capacity_pct / 100.0));
        set(p, "autoPauseDelay", json_integer(traits->auto_pause_minutes));
        if (d->row.paused_wall_ns != 0)
            set(p, "pausedDate", json_string(qri_time_text(r, d->row.paused_wall_ns)));
        if (d->row.resumed_wall_ns != 0)
            set(p, "resumedDate", json_string(qri_time_text(r, d->row.resumed_wall_ns)));
    }
    if (d->row.pool[0] != '\0')
        set(p, "elasticPoolId",
            json_pack("s++", place->server_id, "/elasticPools/", &d->row.pool[0]));
    if (d->row.replica_of != 0)
        set(p, "secondaryType", json_string("Named"));
    if (d->row.geo_of != 0)
        set(p, "secondaryType", json_string("Geo"));
    if (d->earliest_restore_wall_ns != 0)
        set(p, "earliestRestoreDate", json_string(qri_time_text(r, d->earliest_restore_wall_ns)));
}

static json_t *properties_of(struct qri_request *r, const struct qri_place *place,
                             const struct qr_resource_database *d)
{
    bool is_master = qr_is_master(d->row.id);
    const char *objective = is_master ? "System0" : d->row.objective;
    const char *requested = is_master ? "System0" : d->requested_objective;
    const char *redundancy = redundancy_of(d->row.traits.redundancy);
    json_t *p = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:s,s:s,s:b,s:b,s:s}", "collation",
                          d->row.collation, "catalogCollation", "SQL_Latin1_General_CP1_CI_AS",
                          "status", qr_resource_status(d), "databaseId", d->row.guid,
                          "creationDate", qri_time_text(r, d->create_wall_ns),
                          "currentServiceObjectiveName", objective, "requestedServiceObjectiveName",
                          requested, "currentSku", qri_database_sku_json(objective, d->row.edition),
                          "currentBackupStorageRedundancy", redundancy,
                          "requestedBackupStorageRedundancy", redundancy, "isLedgerOn", 0,
                          "isInfraEncryptionEnabled", 0, "availabilityZone", "NoPreference");
    const char *maintenance = qr_arena_printf(
        &r->arena,
        "/subscriptions/%s/providers/Microsoft.Maintenance/publicMaintenanceConfigurations/"
        "SQL_Default",
        r->arm->subscription);
    if (p != NULL && maintenance != NULL)
        set(p, "maintenanceConfigurationId", json_string(maintenance));
    if (p != NULL)
        add_tier(r, place, p, d);
    return p;
}

json_t *qri_database_json(struct qri_request *r, const struct qri_place *place,
                          const struct qr_resource_database *d)
{
    bool is_master = qr_is_master(d->row.id);
    const char *objective = is_master ? "System0" : d->requested_objective;
    json_t *tags = json_loads(*d->tags == '\0' ? "{}" : d->tags, 0, NULL);
    return json_pack("{s:o,s:s,s:s,s:o,s:s++,s:s,s:s,s:o}", "sku",
                     qri_database_sku_json(objective, d->requested_edition), "kind", kind_of(d),
                     "location", place->location, "tags", tags == NULL ? json_object() : tags, "id",
                     place->server_id, "/databases/", d->row.name, "name", d->row.name, "type",
                     "Microsoft.Sql/servers/databases", "properties", properties_of(r, place, d));
}

void qri_reply_database(struct qri_request *r, const struct qri_place *place,
                        const struct qr_resource_database *d)
{
    json_t *settings = NULL;
    if (!qri_autoscale_find(r, place, d->row.name, &settings))
        return;
    json_t *json = qri_database_json(r, place, d);
    if (settings != NULL)
        set(json_object_get(json, "properties"), "quireAutoscale", settings);
    qri_reply(r, 200, json);
}

void qri_get_database(struct qri_request *r)
{
    struct qri_place place;
    struct qr_resource_database d;
    if (!qri_place_server(r, &place) || !qri_database_find(r, &place, r->vars[3], NULL, &d))
        return;
    qri_header(r, "ETag", "\"%llu\"", (unsigned long long)d.version);
    qri_reply_database(r, &place, &d);
}

/* ---- all ---- */

struct page {
    struct qri_request *r;
    const struct qri_place *place;
    json_t *list;
    uint32_t after_id, last_id;
    bool more;
};

static enum qr_status add(void *ctx, const struct qr_resource_database *d)
{
    struct page *page = ctx;
    if (!qr_database_is_live(&d->row) || d->row.id <= page->after_id)
        return QR_OK;
    if (json_array_size(page->list) == PAGE_ROWS) {
        page->more = true;
        return QR_CANCELLED; /* enough */
    }
    page->last_id = d->row.id;
    json_t *json = qri_database_json(page->r, page->place, d);
    return json_array_append_new(page->list, json) == 0 ? QR_OK : QR_NOMEM;
}

void qri_list_databases(struct qri_request *r)
{
    struct qri_place place;
    struct qr_str token;
    struct qr_err err = {0};
    if (!qri_place_server(r, &place))
        return;
    struct page page = {.r = r, .place = &place, .list = json_array()};
    if (qri_form_get(&r->arena, qr_str(r->query), "$skiptoken", &token))
        page.after_id = (uint32_t)strtoul(qri_copy(r, token), NULL, 10);
    enum qr_status status =
        page.list == NULL ? QR_NOMEM
                          : qr_resource_each_database(r->arm->options.host->control, place.number,
                                                      QRI_ASK_NS, add, &page, &err);
    if (status != QR_OK && !page.more) {
        json_decref(page.list);
        qri_refuse_err(r, status, &err);
        return;
    }
    json_t *answer = json_pack("{s:o}", "value", page.list);
    const char *next = qr_arena_printf(&r->arena, "%s%s/databases?api-version=%s&$skiptoken=%u",
                                       r->base, place.server_id, r->api_version, page.last_id);
    if (page.more && answer != NULL && next != NULL)
        set(answer, "nextLink", json_string(next));
    qri_reply(r, 200, answer);
}
