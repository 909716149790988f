/* subscriptions.c - see arm_int.h: what stands above resource groups */
#include "router_int.h"
#include "base/banned.h"

static json_t *subscription_of(const struct qr_arm *arm)
{
    json_t *policies = json_pack("{s:s,s:s,s:s}", "locationPlacementId", "Public_2014-09-01",
                                 "quotaId", "Selfhosted", "spendingLimit", "Off");
    return json_pack("{s:s+,s:s,s:s,s:s,s:s,s:o,s:s,s:[]}", "id", "/subscriptions/",
                     arm->subscription, "subscriptionId", arm->subscription, "tenantId",
                     arm->tenant, "displayName", "quire", "state", "Enabled",
                     "subscriptionPolicies", policies, "authorizationSource", "RoleBased",
                     "managedByTenants");
}

static void list_subscriptions(struct qri_request *r)
{
    json_t *one = subscription_of(r->arm);
    qri_reply(r, 200, one == NULL ? NULL : json_pack("{s:[o]}", "value", one));
}

static void get_subscription(struct qri_request *r)
{
    if (!qr_str_ieqz(r->vars[0], r->arm->subscription)) {
        qri_refuse(r, 404, "SubscriptionNotFound", "The subscription '%.36s' could not be found.",
                   qri_copy(r, r->vars[0]));
        return;
    }
    qri_reply(r, 200, subscription_of(r->arm));
}

static void list_tenants(struct qri_request *r)
{
    const char *tenant = r->arm->tenant;
    qri_reply(r, 200,
              json_pack("{s:[{s:s+,s:s,s:s,s:s,s:[s],s:s}]}", "value", "id", "/tenants/", tenant,
                        "tenantId", tenant, "displayName", "quire", "countryCode", "US", "domains",
                        "localhost", "tenantCategory", "Home"));
}

const struct qri_route qri_routes_subscription[] = {
    {QRI_GET, "/subscriptions", QRI_READ, list_subscriptions, true, false},
    {QRI_GET, "/subscriptions/{}", QRI_READ, get_subscription, true, false},
    {QRI_GET, "/tenants", QRI_READ, list_tenants, true, false},
    {0},
};
