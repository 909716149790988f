/* pools.c - see resource_int.h: elastic pools */
#include <math.h>
#include <string.h>
#include "body_int.h"
#include "ctl/pool.h"
#include "resource_int.h"
#include "base/banned.h"

enum { PCT = 100 };

static json_t *pool_json(struct qri_request *r, const struct qri_place *place,
                         const struct qr_pool_row *pool)
{
    const struct qr_pool_size *size = qr_pool_size_find(qr_str(pool->size));
    const char *maintenance = qr_arena_printf(
        &r->arena,
        "/subscriptions/%s/providers/Microsoft.Maintenance/publicMaintenanceConfigurations/"
        "SQL_Default",
        r->arm->subscription);
    if (size == NULL || maintenance == NULL)
        return NULL;
    json_t *tags = json_loads(*pool->tags == '\0' ? "{}" : pool->tags, 0, NULL);
    json_t *p = json_pack(
        "{s:s,s:s,s:I,s:{s:f,s:f},s:b,s:s,s:s}", "state", "Ready", "creationDate",
        qri_time_text(r, pool->create_wall_ns), "maxSizeBytes", (json_int_t)pool->max_bytes,
        "perDatabaseSettings", "minCapacity", (double)pool->min_pct / PCT, "maxCapacity",
        (double)pool->max_pct / PCT, "zoneRedundant", pool->zone_redundant == QR_SAID_YES,
        "maintenanceConfigurationId", maintenance, "availabilityZone", "NoPreference");
    if (p != NULL && !size->is_dtu)
        json_object_set_new(
            p, "licenseType",
            json_string(pool->license == QR_LICENSE_BASE_PRICE ? "BasePrice" : "LicenseIncluded"));
    return json_pack("{s:o,s:s,s:s,s:o,s:s++,s:s,s:s,s:o}", "sku", qri_pool_sku_json(size), "kind",
                     size->is_dtu ? "pool" : "vcore,pool", "location", place->location, "tags",
                     tags == NULL ? json_object() : tags, "id", place->server_id, "/elasticPools/",
                     pool->name, "name", pool->name, "type", "Microsoft.Sql/servers/elasticPools",
                     "properties", p);
}

bool qri_pool_find(struct qri_request *r, const struct qri_place *place, struct qr_str name,
                   bool *ret_found, struct qr_pool_row *ret_pool)
{
    struct qr_err err = {0};
    enum qr_status status = name.n == 0 || name.n > QR_NAME_BYTES_MAX
                                ? QR_NOT_FOUND
                                : qr_resource_pool_get(r->arm->options.host->control, place->number,
                                                       name, QRI_ASK_NS, ret_pool, &err);
    if (ret_found != NULL)
        *ret_found = status == QR_OK;
    if (status == QR_OK || (status == QR_NOT_FOUND && ret_found != NULL))
        return true;
    if (status == QR_NOT_FOUND)
        qri_refuse(r, 404, "ResourceNotFound",
                   "The requested resource of type 'Microsoft.Sql/servers/elasticPools' with name "
                   "'%.400s' was not found.",
                   qri_copy(r, name));
    else
        qri_refuse_err(r, status, &err);
    return false;
}

/* ---- looking ---- */

void qri_get_pool(struct qri_request *r)
{
    struct qri_place place;
    struct qr_pool_row pool;
    if (qri_place_server(r, &place) && qri_pool_find(r, &place, r->vars[3], NULL, &pool))
        qri_reply(r, 200, pool_json(r, &place, &pool));
}

static enum qr_status add_pool(void *ctx, const struct qr_pool_row *pool)
{
    struct qri_listing *l = ctx;
    return qri_list_append(l, pool_json(l->r, l->place, pool));
}

void qri_list_pools(struct qri_request *r)
{
    struct qri_place place;
    struct qr_err err = {0};
    if (!qri_place_server(r, &place))
        return;
    struct qri_listing l = {.r = r, .place = &place, .list = json_array()};
    enum qr_status status = qr_resource_each_pool(r->arm->options.host->control, place.number,
                                                  QRI_ASK_NS, add_pool, &l, &err);
    qri_reply_listing(&l, status, &err);
}

static enum qr_status add_database(void *ctx, const struct qr_resource_database *d)
{
    struct qri_listing *l = ctx;
    if (!qr_database_is_live(&d->row) || !qr_str_ieqz(l->of, d->row.pool))
        return QR_OK;
    return qri_list_append(l, qri_database_json(l->r, l->place, d));
}

void qri_list_pool_databases(struct qri_request *r)
{
    struct qri_place place;
    struct qr_pool_row pool;
    if (!qri_place_server(r, &place) || !qri_pool_find(r, &place, r->vars[3], NULL, &pool))
        return;
    struct qri_listing l = {.r = r, .place = &place, .of = qr_str(pool.name)};
    qri_reply_list(r, qri_list_rows(&l, place.number, add_database));
}

static enum qr_status add_operation(void *ctx, const struct qr_operation_row *row)
{
    struct qri_listing *l = ctx;
    return qri_list_append(l, qri_operation_json(l->r, l->place, "elasticPools", row));
}

void qri_list_pool_operations(struct qri_request *r)
{
    struct qri_place place;
    struct qr_pool_row pool;
    struct qr_err err = {0};
    if (!qri_place_server(r, &place) || !qri_pool_find(r, &place, r->vars[3], NULL, &pool))
        return;
    struct qri_listing l = {.r = r, .place = &place, .list = json_array()};
    enum qr_status status =
        qr_operation_each_of_pool(r->arm->options.host->control, place.number, qr_str(pool.name),
                                  QRI_ASK_NS, add_operation, &l, &err);
    qri_reply_listing(&l, status, &err);
}

bool qri_pool_reply(struct qri_request *r, const struct qri_place *place, struct qr_str name)
{
    struct qr_pool_row pool;
    if (!qri_pool_find(r, place, name, NULL, &pool))
        return false;
    qri_reply(r, 200, pool_json(r, place, &pool));
    return true;
}

/* ---- changing ---- */

static void start(struct qri_request *r, const struct qri_place *place,
                  enum qr_control_method method, const struct qr_control_ask *ask)
{
    struct qr_operation_row row;
    struct qr_err err = {0};
    enum qr_status status =
        qr_operation_start(r->arm->options.host->operate, method, ask, QRI_ASK_NS, &row, &err);
    if (status == QR_OK)
        qri_reply_started(r, place, &row);
    else if (status == QR_NOT_FOUND)
        qri_reply_empty(r, 204); /* it went meanwhile */
    else
        qri_refuse_err(r, status, &err);
}

static bool refuse(struct qri_request *r, const char *code, const char *text)
{
    qri_refuse(r, 400, code, "%s", text);
    return false;
}

static const char *sku_of(const struct qr_pool_size *base, struct qr_str family)
{
    for (size_t i = 0; family.n > 0 && i < qr_pool_size_count(); i++) {
        const struct qr_pool_size *size = qr_pool_size_at(i);
        if (strcmp(size->edition, base->edition) == 0 && qr_str_ieqz(family, size->family))
            return size->sku;
    }
    return base->sku;
}

/* "GP_Gen5" and 4, "GP_Gen5_4", "StandardPool" and 100, a tier alone: a name of the table of sizes,
 * or one that control will refuse with the right words. */
static bool take_sku(struct qri_request *r, const struct qr_pool_row *now, struct qr_str *ret_size)
{
    json_t *sku = NULL;
    struct qr_str name = {NULL, 0}, tier = {NULL, 0}, family = {NULL, 0};
    int64_t capacity = INT64_MIN;
    if (!qri_body_object(r, r->json, "sku", &sku) || !qri_body_text(r, sku, "name", &name) ||
        !qri_body_text(r, sku, "tier", &tier) || !qri_body_text(r, sku, "family", &family) ||
        !qri_body_integer(r, sku, "capacity", &capacity))
        return false;
    const struct qr_pool_size *size = qr_pool_size_find(name), *of_sku = NULL, *base;
    base = now == NULL ? qr_pool_size_default(qr_str("GeneralPurpose"))
                       : qr_pool_size_find(qr_str(now->size));
    if (tier.n > 0 && base != NULL && !qr_str_ieqz(tier, base->edition))
        base = qr_pool_size_default(tier);
    if (name.n == 0 && base != NULL) /* what is not said is as it is, or Azure's */
        name = qr_str(sku_of(base, family));
    if (base != NULL && capacity == INT64_MIN && qr_str_ieqz(name, base->sku))
        capacity = base->capacity;
    for (size_t i = 0; name.n > 0 && size == NULL && i < qr_pool_size_count(); i++) {
        const struct qr_pool_size *s = qr_pool_size_at(i);
        if (!qr_str_ieqz(name, s->sku) && !(s->is_dtu && qr_str_ieqz(name, s->edition)))
            continue;
        of_sku = of_sku == NULL ? s : of_sku;
        size = (int64_t)s->capacity == capacity ? s : size;
    }
    if (size == NULL && of_sku == NULL)
        return refuse(r, name.n == 0 ? "InvalidTier" : "InvalidSkuName",
                      "There are no elastic pools of this sku.");
    const struct qr_pool_size *any = size != NULL ? size : of_sku;
    if ((tier.n > 0 && !qr_str_ieqz(tier, any->edition)) ||
        (family.n > 0 && !any->is_dtu && !qr_str_ieqz(family, any->family)))
        return refuse(r, "ElasticPoolSkuCombinationInvalid",
                      "The tier or the family does not match the name of the sku.");
    if (size == NULL && capacity == INT64_MIN)
        size = qr_pool_size_default(qr_str(of_sku->edition));
    if (size == NULL && !of_sku->is_dtu)
        return refuse(r, "UnsupportedCapacity",
                      "The capacity is not one of an elastic pool of this sku.");
    if (size != NULL && capacity != INT64_MIN && capacity != (int64_t)size->capacity)
        return refuse(r, "MismatchedSkuNameAndCapacity",
                      "The capacity does not match the name of the sku.");
    *ret_size = size != NULL ? qr_str(size->name)
                             : qr_str(qr_arena_printf(&r->arena, "%s_%lld", of_sku->sku,
                                                      (long long)(capacity < 0 ? 0 : capacity)));
    return true;
}

static bool take_capacity(struct qri_request *r, const json_t *settings, const char *name,
                          uint32_t *ret_pct)
{
    double number = NAN;
    if (!qri_body_number(r, settings, name, &number))
        return false;
    if (isnan(number))
        return true;
    if (!(number >= 0 && number <= 100000))
        return refuse(r, "InvalidParameterValue",
                      "minCapacity and maxCapacity are numbers of vCores or DTUs.");
    *ret_pct = (uint32_t)(number * PCT + 0.5) + 1;
    return true;
}

static bool take_body(struct qri_request *r, const struct qri_place *place,
                      const struct qr_pool_row *now, struct qr_control_ask *ask)
{
    static const char *const licenses[] = {"LicenseIncluded", "BasePrice", NULL};
    json_t *p = NULL, *settings = NULL;
    struct qr_str location = {NULL, 0};
    int64_t max_bytes = INT64_MIN;
    int license = -1;
    bool zone_given = false, zone = false;
    if (!take_sku(r, now, &ask->objective) || !qri_body_object(r, r->json, "properties", &p) ||
        !qri_body_text(r, r->json, "location", &location) ||
        !qri_body_tags(r, r->json, &ask->tags) ||
        !qri_body_object(r, p, "perDatabaseSettings", &settings) ||
        !take_capacity(r, settings, "minCapacity", &ask->pool_min_pct) ||
        !take_capacity(r, settings, "maxCapacity", &ask->pool_max_pct) ||
        !qri_body_integer(r, p, "maxSizeBytes", &max_bytes) ||
        !qri_body_word(r, p, "licenseType", licenses, &license) ||
        !qri_body_bool(r, p, "zoneRedundant", &zone_given, &zone))
        return false;
    if (location.n > 0 && !qri_is_location(location, place->location)) {
        qri_refuse(r, 409, "InvalidResourceLocation",
                   "The location '%.100s' is not that of the server, '%s'.", qri_copy(r, location),
                   place->location);
        return false;
    }
    if (max_bytes != INT64_MIN && max_bytes <= 0)
        return refuse(r, "InvalidParameterValue", "maxSizeBytes is a number of bytes.");
    /* `az sql elastic-pool update` sends all back that was: with another sku it is no wish */
    bool is_echo = now != NULL && (uint64_t)max_bytes == now->max_bytes;
    if (max_bytes != INT64_MIN && !is_echo)
        ask->max_bytes = (uint64_t)max_bytes;
    if (now != NULL && !qr_str_ieqz(ask->objective, now->size)) {
        ask->pool_min_pct = ask->pool_min_pct == now->min_pct + 1 ? 0 : ask->pool_min_pct;
        ask->pool_max_pct = ask->pool_max_pct == now->max_pct + 1 ? 0 : ask->pool_max_pct;
    }
    ask->traits.license = (uint8_t)(license < 0 ? 0 : QR_LICENSE_INCLUDED + license);
    ask->traits.zone_redundant = !zone_given ? QR_NOT_SAID : zone ? QR_SAID_YES : QR_SAID_NO;
    return true;
}

static void change(struct qri_request *r, bool may_make)
{
    struct qri_place place;
    struct qr_pool_row now;
    bool found = false;
    if (!qri_place_server(r, &place) ||
        !qri_pool_find(r, &place, r->vars[3], may_make ? &found : NULL, &now))
        return;
    found |= !may_make;
    if (r->json == NULL) {
        qri_refuse(r, 400, "InvalidRequestContent", "The request has no body.");
        return;
    }
    struct qr_control_ask ask = {.server = place.number,
                                 .pool = found ? qr_str(now.name) : r->vars[3],
                                 .no_wait = true,
                                 .operation_id = qr_str(r->id)};
    if (take_body(r, &place, found ? &now : NULL, &ask))
        start(r, &place, found ? QR_CONTROL_POOL_ALTER : QR_CONTROL_POOL_CREATE, &ask);
}

void qri_put_pool(struct qri_request *r)
{
    change(r, true);
}

void qri_patch_pool(struct qri_request *r)
{
    change(r, false);
}

void qri_delete_pool(struct qri_request *r)
{
    struct qri_place place;
    struct qr_pool_row pool;
    bool found = false;
    if (!qri_place_server(r, &place) || !qri_pool_find(r, &place, r->vars[3], &found, &pool))
        return;
    struct qr_control_ask ask = {.server = place.number,
                                 .pool = qr_str(pool.name),
                                 .no_wait = true,
                                 .operation_id = qr_str(r->id)};
    if (found)
        start(r, &place, QR_CONTROL_POOL_DROP, &ask);
    else
        qri_reply_empty(r, 204);
}
