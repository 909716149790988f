/* capabilities.c - see resource_int.h: what can be ordered, from the table of objectives. Clients
 * find a sku's name in it. */
#include <string.h>
#include "resource_int.h"
#include "base/banned.h"

/* The default edition first. */
static const char *const editions[] = {"GeneralPurpose", "BusinessCritical", "Hyperscale",
                                       "Basic",          "Standard",         "Premium"};
static const json_int_t MIB = 1048576;
enum { PCT = 100 };

static json_t *size_of(json_int_t megabytes)
{
    return json_pack("{s:I,s:s}", "limit", megabytes, "unit", "Megabytes");
}

static json_t *min_capacities_json(const struct qr_slo *slo)
{
    uint32_t pct[QR_SLO_MIN_CAPACITIES_MAX];
    size_t count = qr_slo_min_capacities(slo, pct);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_pack("{s:f,s:s}", "value", (double)pct[i] / PCT, "status",
                                              i == 0 ? "Default" : "Available"));
    return list;
}

static json_t *objective_json(const struct qr_arm *arm, const struct qr_slo *slo, bool is_default)
{
    char id[QRI_GUID_BYTES + 1];
    qri_signer_guid(arm->signer, slo->name, id);
    json_int_t largest = (json_int_t)(slo->max_data_bytes / (uint64_t)MIB);
    json_t *licenses = slo->is_dtu
                           ? json_array()
                           : json_pack("[{s:s,s:s},{s:s,s:s}]", "name", "LicenseIncluded", "status",
                                       "Default", "name", "BasePrice", "status", "Available");
    json_t *sizes =
        json_pack("[{s:o,s:o,s:o,s:{s:i,s:s},s:s}]", "minValue", size_of(slo->is_dtu ? 100 : 1024),
                  "maxValue", size_of(largest), "scaleSize", size_of(slo->is_dtu ? 0 : 1024),
                  "logSize", "limit", 30, "unit", "Percent", "status", "Default");
    json_t *json = json_pack("{s:s,s:s,s:o,s:{s:f,s:s},s:s,s:b,s:o,s:o}", "id", id, "name",
                             slo->name, "sku", qri_sku_json(slo->name), "performanceLevel", "value",
                             (double)slo->capacity, "unit", slo->is_dtu ? "DTU" : "VCores",
                             "status", is_default ? "Default" : "Available", "zoneRedundant", 0,
                             "supportedLicenseTypes", licenses, "supportedMaxSizes", sizes);
    if (json != NULL && !slo->is_dtu)
        json_object_set_new(json, "computeModel",
                            json_string(slo->is_serverless ? "Serverless" : "Provisioned"));
    if (json != NULL && slo->is_serverless)
        json_object_set_new(json, "supportedMinCapacities", min_capacities_json(slo));
    if (json != NULL && slo->is_serverless)
        json_object_set_new(json, "supportedAutoPauseDelay",
                            json_pack("{s:i,s:i,s:i,s:i,s:s,s:i}", "minValue",
                                      (int)slo->pause_minutes_min, "maxValue",
                                      (int)slo->pause_minutes_max, "stepSize", 1, "default", 60,
                                      "unit", "Minutes", "doNotPauseValue", -1));
    return json;
}

static json_t *edition_json(const struct qr_arm *arm, const char *edition, bool is_default)
{
    const struct qr_slo *chosen = qr_slo_default(qr_str(edition));
    json_t *objectives = json_array();
    int replicas = 0;
    for (size_t i = 0; objectives != NULL && i < qr_slo_count(); i++) {
        const struct qr_slo *slo = qr_slo_at(i);
        if (strcmp(slo->edition, edition) != 0)
            continue;
        replicas = (int)slo->ha_replicas_max > replicas ? (int)slo->ha_replicas_max : replicas;
        json_array_append_new(objectives, objective_json(arm, slo, slo == chosen));
    }
    return json_pack("{s:s,s:s,s:b,s:{s:i},s:o}", "name", edition, "status",
                     is_default ? "Default" : "Available", "zoneRedundant", 0, "readScale",
                     "maxNumberOfReplicas", replicas, "supportedServiceLevelObjectives",
                     objectives);
}

/* ---- elastic pools ---- */

/* What one database may have at least, for each that it may have at most. */
static json_t *choices_json(const struct qr_pool_size *size)
{
    const char *unit = size->is_dtu ? "DTU" : "VCores";
    json_t *all = json_array();
    bool any = *size->maxima == '\0'; /* any whole number: the most stands for them */
    uint32_t most, least;
    for (size_t i = 0; any ? i == 0 : qr_pool_choice_at(size->maxima, i, &most); i++) {
        json_t *minima = json_array();
        if (any)
            most = size->capacity * PCT;
        if (any)
            json_array_append_new(minima, json_pack("{s:f,s:s,s:s}", "limit", 0.0, "unit", unit,
                                                    "status", "Default"));
        for (size_t k = 0; qr_pool_choice_at(size->minima, k, &least); k++)
            if (least <= most)
                json_array_append_new(minima, json_pack("{s:f,s:s,s:s}", "limit",
                                                        (double)least / PCT, "unit", unit, "status",
                                                        k == 0 ? "Default" : "Available"));
        json_array_append_new(all, json_pack("{s:f,s:s,s:s,s:o}", "limit", (double)most / PCT,
                                             "unit", unit, "status",
                                             most == size->capacity * PCT ? "Default" : "Available",
                                             "supportedPerDatabaseMinPerformanceLevels", minima));
    }
    return all;
}

static json_t *pool_size_json(const struct qr_pool_size *size)
{
    uint64_t included = size->is_dtu ? size->included_bytes : UINT64_C(32) << 30;
    json_int_t most = (json_int_t)(size->max_bytes / (uint64_t)MIB);
    uint64_t of_one = size->database_max_bytes != 0 ? size->database_max_bytes : size->max_bytes;
    return json_pack(
        "{s:{s:f,s:s},s:o,s:s,s:[],s:i,s:o,s:[{s:o,s:o,s:o,s:s}],s:[{s:o,s:o,s:o,s:s}],s:o,s:b}",
        "performanceLevel", "value", (double)size->capacity, "unit",
        size->is_dtu ? "DTU" : "VCores", "sku", qri_pool_sku_json(size), "status",
        size == qr_pool_size_default(qr_str(size->edition)) ? "Default" : "Available",
        "supportedLicenseTypes", "maxDatabaseCount", (int)size->databases_max, "includedMaxSize",
        size_of((json_int_t)(included / (uint64_t)MIB)), "supportedMaxSizes", "minValue",
        size_of(1024), "maxValue", size_of(most), "scaleSize", size_of(1024), "status", "Default",
        "supportedPerDatabaseMaxSizes", "minValue", size_of(1024), "maxValue",
        size_of((json_int_t)(of_one / (uint64_t)MIB)), "scaleSize", size_of(1024), "status",
        "Default", "supportedPerDatabaseMaxPerformanceLevels", choices_json(size), "zoneRedundant",
        0);
}

static json_t *pool_edition_json(const char *edition, bool is_default)
{
    json_t *sizes = json_array();
    for (size_t i = 0; i < qr_pool_size_count(); i++)
        if (strcmp(qr_pool_size_at(i)->edition, edition) == 0)
            json_array_append_new(sizes, pool_size_json(qr_pool_size_at(i)));
    return json_pack("{s:s,s:s,s:b,s:o}", "name", edition, "status",
                     is_default ? "Default" : "Available", "zoneRedundant", 0,
                     "supportedElasticPoolPerformanceLevels", sizes);
}

void qri_capabilities(struct qri_request *r)
{
    struct qr_err err = {0};
    enum qr_status found;
    if (!qri_place_subscription(r))
        return;
    const char *wanted = qri_copy(r, r->vars[1]);
    json_t *region = qri_doc_find(r->arm, QR_DOC_REGION, r->vars[1], NULL, &found, &err);
    if (region == NULL) {
        if (found == QR_NOT_FOUND)
            qri_refuse(r, 400, "LocationNotAvailableForResourceType",
                       "The provided location '%.64s' is not available.", wanted);
        else
            qri_refuse_err(r, found, &err);
        return;
    }
    json_t *all = json_array(), *pools = json_array();
    for (size_t i = 0; all != NULL && i < sizeof editions / sizeof editions[0]; i++) {
        json_array_append_new(all, edition_json(r->arm, editions[i], i == 0));
        if (qr_pool_size_default(qr_str(editions[i])) != NULL)
            json_array_append_new(pools, pool_edition_json(editions[i], i == 0));
    }
    qri_reply(r, 200,
              json_pack("{s:s,s:s,s:[],s:[{s:s,s:s,s:o,s:o}]}", "name",
                        qri_doc_text(r, region, "displayName"), "status", "Available",
                        "supportedManagedInstanceVersions", "supportedServerVersions", "name",
                        "12.0", "status", "Default", "supportedEditions", all,
                        "supportedElasticPoolEditions", pools));
    json_decref(region);
}
