/* capabilities.c - see resource_int.h: what can be ordered, from the table of objectives. Clients
 * find a sku's name in it. */
#include <string.h>
#include "resource_int.h"
#include "base/banned.h"

/* The default edition first. */
static const char *const editions[] = {"GeneralPurpose", "BusinessCritical", "Hyperscale",
                                       "Basic",          "Standard",         "Premium"};
static const json_int_t MIB = 1048576;

static json_t *size_of(json_int_t megabytes)
{
    return json_pack("{s:I,s:s}", "limit", megabytes, "unit", "Megabytes");
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
        json_object_set_new(
            json, "supportedMinCapacities",
            json_pack("[{s:f,s:s}]", "value", slo->min_capacity_pct / 100.0, "status", "Default"));
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
    json_t *all = json_array();
    for (size_t i = 0; all != NULL && i < sizeof editions / sizeof editions[0]; i++)
        json_array_append_new(all, edition_json(r->arm, editions[i], i == 0));
    qri_reply(r, 200,
              json_pack("{s:s,s:s,s:[],s:[{s:s,s:s,s:o,s:[]}]}", "name",
                        qri_doc_text(r, region, "displayName"), "status", "Available",
                        "supportedManagedInstanceVersions", "supportedServerVersions", "name",
                        "12.0", "status", "Default", "supportedEditions", all,
                        "supportedElasticPoolEditions"));
    json_decref(region);
}
