/* subscriptions.c - see arm_int.h: subscriptions, tenants, locations, resource groups, providers */
#include <string.h>
#include "body_int.h"
#include "resource_int.h"
#include "router_int.h"
#include "base/banned.h"

enum { GROUP_NAME_BYTES_MAX = 90 };

/* ---- subscriptions and tenants ---- */

static json_t *subscription_json(struct qri_request *r)
{
    struct qr_err err = {0};
    enum qr_status found;
    json_t *doc = qri_doc_find(r->arm, QR_DOC_SUBSCRIPTION, qr_str("default"), NULL, &found, &err);
    const char *name = doc == NULL ? "" : qri_doc_text(r, doc, "displayName");
    json_decref(doc);
    json_t *policies = json_pack("{s:s,s:s,s:s}", "locationPlacementId", "Public_2014-09-01",
                                 "quotaId", "Selfhosted", "spendingLimit", "Off");
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:o,s:s,s:[]}", "id", qri_subscription_id(r),
                     "subscriptionId", r->arm->subscription, "tenantId", r->arm->tenant,
                     "displayName", *name == '\0' ? "quire" : name, "state", "Enabled",
                     "subscriptionPolicies", policies, "authorizationSource", "RoleBased",
                     "managedByTenants");
}

static void list_subscriptions(struct qri_request *r)
{
    json_t *one = subscription_json(r);
    qri_reply(r, 200, one == NULL ? NULL : json_pack("{s:[o]}", "value", one));
}

static void get_subscription(struct qri_request *r)
{
    if (qri_place_subscription(r))
        qri_reply(r, 200, subscription_json(r));
}

static void list_tenants(struct qri_request *r)
{
    const char *tenant = r->arm->tenant;
    qri_reply(r, 200,
              json_pack("{s:[{s:s+,s:s,s:s,s:s,s:[s],s:s}]}", "value", "id", "/tenants/", tenant,
                        "tenantId", tenant, "displayName", "quire", "countryCode", "US", "domains",
                        "localhost", "tenantCategory", "Home"));
}

/* ---- locations ---- */

static void list_locations(struct qri_request *r)
{
    size_t i;
    json_t *doc, *list = json_array();
    json_t *docs = qri_place_subscription(r) ? qri_doc_list(r, QR_DOC_REGION, qr_str("")) : NULL;
    if (docs == NULL) {
        json_decref(list);
        return;
    }
    json_array_foreach(docs, i, doc)
    {
        const char *name = qri_doc_text(r, doc, "name"),
                   *pair = qri_doc_text(r, doc, "pairedRegion");
        const char *display = qri_doc_text(r, doc, "displayName"), *sub = qri_subscription_id(r);
        json_t *paired = *pair == '\0' ? json_array()
                                       : json_pack("[{s:s,s:s++}]", "name", pair, "id", sub,
                                                   "/locations/", pair);
        json_t *metadata =
            json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:o}", "regionType", "Physical", "regionCategory",
                      "Recommended", "geographyGroup", "US", "longitude", "0", "latitude", "0",
                      "physicalLocation", "local", "pairedRegion", paired);
        json_array_append_new(list, json_pack("{s:s++,s:s,s:s,s:s,s:s,s:o}", "id", sub,
                                              "/locations/", name, "name", name, "type", "Region",
                                              "displayName", display, "regionalDisplayName",
                                              display, "metadata", metadata));
    }
    json_decref(docs);
    qri_reply(r, 200, json_pack("{s:o}", "value", list));
}

/* ---- resource groups ---- */

static json_t *group_json(struct qri_request *r, const json_t *doc)
{
    const char *name = qri_doc_text(r, doc, "name");
    json_t *tags = json_object_get(doc, "tags");
    return json_pack("{s:s++,s:s,s:s,s:s,s:o,s:{s:s}}", "id", qri_subscription_id(r),
                     "/resourceGroups/", name, "name", name, "type",
                     "Microsoft.Resources/resourceGroups", "location",
                     qri_doc_text(r, doc, "location"), "tags",
                     json_is_object(tags) ? json_incref(tags) : json_object(), "properties",
                     "provisioningState", "Succeeded");
}

static void list_groups(struct qri_request *r)
{
    size_t i;
    json_t *doc, *list = json_array();
    json_t *docs = qri_place_subscription(r) ? qri_doc_list(r, QR_DOC_GROUP, qr_str("")) : NULL;
    if (docs == NULL) {
        json_decref(list);
        return;
    }
    json_array_foreach(docs, i, doc)
    {
        json_array_append_new(list, group_json(r, doc));
    }
    json_decref(docs);
    qri_reply(r, 200, json_pack("{s:o}", "value", list));
}

/* The document of vars[1]; NULL: there is none, or answered. */
static json_t *find_group(struct qri_request *r, uint64_t *ret_version)
{
    struct qr_err err = {0};
    enum qr_status found;
    if (!qri_place_subscription(r))
        return NULL;
    json_t *doc = qri_doc_find(r->arm, QR_DOC_GROUP, r->vars[1], ret_version, &found, &err);
    if (doc == NULL && found != QR_NOT_FOUND)
        qri_refuse_err(r, found, &err);
    return doc;
}

static void refuse_no_group(struct qri_request *r)
{
    if (r->status == 0)
        qri_refuse(r, 404, "ResourceGroupNotFound", "Resource group '%.90s' could not be found.",
                   qri_copy(r, r->vars[1]));
}

static void get_group(struct qri_request *r)
{
    json_t *doc = find_group(r, NULL);
    if (doc == NULL)
        refuse_no_group(r);
    else
        qri_reply(r, 200, group_json(r, doc));
    json_decref(doc);
}

static void head_group(struct qri_request *r)
{
    json_t *doc = find_group(r, NULL);
    if (r->status == 0)
        qri_reply_empty(r, doc == NULL ? 404 : 204);
    json_decref(doc);
}

static bool is_group_name(struct qr_str name)
{
    bool good = name.n > 0 && name.n <= GROUP_NAME_BYTES_MAX && name.p[name.n - 1] != '.';
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        good = good && (letter || c >= 0x80 || strchr("-_.()", c) != NULL);
    }
    json_t *text = json_stringn(name.p, name.n); /* NULL: it is no UTF-8 */
    json_decref(text);
    return good && text != NULL;
}

/* A location of ours, in its own spelling. */
static bool take_location(struct qri_request *r, struct qr_str location, const char **ret_name)
{
    size_t i;
    json_t *doc, *docs = qri_doc_list(r, QR_DOC_REGION, qr_str(""));
    bool found = false;
    json_array_foreach(docs, i, doc)
    {
        const char *name = qri_doc_text(r, doc, "name");
        if (!found && qri_is_location(location, name)) {
            *ret_name = name;
            found = true;
        }
    }
    json_decref(docs);
    if (!found && r->status == 0)
        qri_refuse(r, 400, "LocationNotAvailableForResourceGroup",
                   "The provided location '%.64s' is not available for resource group.",
                   qri_copy(r, location));
    return found;
}

static void put_group(struct qri_request *r)
{
    struct qr_str location = {NULL, 0}, tags = {NULL, 0};
    const char *place = "";
    uint64_t version = 0;
    if (!is_group_name(r->vars[1])) {
        qri_refuse(r, 400, "InvalidResourceGroup", "The name of the resource group is not valid.");
        return;
    }
    json_t *doc = find_group(r, &version);
    bool is_new = doc == NULL;
    if (r->status == 0 && qri_body_text(r, r->json, "location", &location) &&
        qri_body_tags(r, r->json, &tags) && (!is_new || take_location(r, location, &place))) {
        if (is_new)
            doc = json_pack("{s:s,s:s}", "name", qri_copy(r, r->vars[1]), "location", place);
        const char *was = qri_doc_text(r, doc, "location");
        if (location.n > 0 && !qri_is_location(location, was))
            qri_refuse(r, 409, "InvalidResourceGroupLocation",
                       "Invalid resource group location '%.64s'. The Resource group already "
                       "exists in location '%s'.",
                       qri_copy(r, location), was);
        else if (doc != NULL) {
            if (tags.n > 0)
                json_object_set_new(doc, "tags", json_loads(tags.p, 0, NULL));
            if (qri_doc_store(r, QR_DOC_GROUP, qri_doc_text(r, doc, "name"), doc, version))
                qri_reply(r, is_new ? 201 : 200, group_json(r, doc));
        }
    }
    json_decref(doc);
}

static void delete_group(struct qri_request *r)
{
    struct qr_err err = {0};
    struct qr_operation_row row;
    struct qri_place place;
    if (!qri_place_group(r, &place))
        return;
    place.location = place.group_location;
    struct qr_control_ask ask = {.name = qr_str(place.group), .operation_id = qr_str(r->id)};
    enum qr_status status = qr_operation_start(r->arm->options.host->operate, QR_CONTROL_DROP_GROUP,
                                               &ask, QRI_ASK_NS, &row, &err);
    if (status == QR_OK)
        qri_reply_started(r, &place, &row);
    else if (status == QR_NOT_FOUND)
        refuse_no_group(r);
    else
        qri_refuse_err(r, status, &err);
}

/* ---- providers ---- */

static json_t *provider_json(struct qri_request *r)
{
    static const char *const types[] = {"servers", "servers/databases", "servers/firewallRules",
                                        "locations/capabilities"};
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < sizeof types / sizeof types[0]; i++)
        json_array_append_new(list,
                              json_pack("{s:s,s:[s,s],s:[s,s,s,s],s:s}", "resourceType", types[i],
                                        "locations", "East US", "West US", "apiVersions",
                                        "2024-05-01-preview", "2022-08-01-preview", "2021-11-01",
                                        "2014-04-01", "capabilities", "None"));
    return json_pack("{s:s+,s:s,s:s,s:s,s:o}", "id", qri_subscription_id(r),
                     "/providers/Microsoft.Sql", "namespace", "Microsoft.Sql", "registrationPolicy",
                     "RegistrationRequired", "registrationState", "Registered", "resourceTypes",
                     list);
}

static void get_provider(struct qri_request *r)
{
    if (qri_place_subscription(r))
        qri_reply(r, 200, provider_json(r));
}

static void list_providers(struct qri_request *r)
{
    json_t *one = qri_place_subscription(r) ? provider_json(r) : NULL;
    if (one != NULL)
        qri_reply(r, 200, json_pack("{s:[o]}", "value", one));
}

#define SUB "/subscriptions/{}"
const struct qri_route qri_routes_subscription[] = {
    /* clang-format off */
    {QRI_GET,    "/subscriptions",                          QRI_SIGNED_IN, list_subscriptions, true, false},
    {QRI_GET,    SUB,                                       QRI_READ,  get_subscription, true, false},
    {QRI_GET,    "/tenants",                                QRI_SIGNED_IN, list_tenants, true, false},
    {QRI_GET,    SUB "/locations",                          QRI_READ,  list_locations, true, false},
    {QRI_GET,    SUB "/resourceGroups",                     QRI_READ,  list_groups, true, false},
    {QRI_GET,    SUB "/resourceGroups/{}",                  QRI_READ,  get_group, true, false},
    {QRI_HEAD,   SUB "/resourceGroups/{}",                  QRI_READ,  head_group, true, false},
    {QRI_PUT,    SUB "/resourceGroups/{}",                  QRI_WRITE, put_group, true, false},
    {QRI_DELETE, SUB "/resourceGroups/{}",                  QRI_WRITE, delete_group, true, false},
    {QRI_GET,    SUB "/resources",                          QRI_READ,  qri_list_resources, true, false},
    {QRI_GET,    SUB "/resourceGroups/{}/resources",        QRI_READ,  qri_list_resources, true, false},
    {QRI_GET,    SUB "/providers",                          QRI_READ,  list_providers, true, false},
    {QRI_GET,    SUB "/providers/Microsoft.Sql",            QRI_READ,  get_provider, true, false},
    {QRI_POST,   SUB "/providers/Microsoft.Sql/register",   QRI_WRITE, get_provider, true, false},
    {0},
    /* clang-format on */
};
