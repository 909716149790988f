/* sku.c - see resource_int.h: an objective is `GP_Gen5_2`; a sku is its base name, tier, family and
 * capacity. Clients write any of these and mixtures of them. */
#include <stdio.h>
#include <string.h>
#include "resource_int.h"
#include "base/banned.h"

struct qr_str qri_sku_base(const struct qr_slo *slo)
{
    if (slo->is_dtu)
        return qr_str(slo->edition);
    const char *end = strrchr(slo->name, '_');
    return end == NULL ? qr_str(slo->name) : qr_str_n(slo->name, (size_t)(end - slo->name));
}

json_t *qri_sku_json(const char *objective)
{
    const struct qr_slo *slo = qr_slo_find(qr_str(objective));
    if (slo == NULL) /* master */
        return json_pack("{s:s,s:s,s:i}", "name", "System", "tier", "System", "capacity", 0);
    struct qr_str base = qri_sku_base(slo);
    json_t *sku = json_pack("{s:s%,s:s}", "name", base.p, base.n, "tier", slo->edition);
    if (sku != NULL && !slo->is_dtu)
        json_object_set_new(sku, "family", json_string(slo->family));
    json_object_set_new(sku, "capacity", json_integer(slo->capacity));
    return sku;
}

json_t *qri_database_sku_json(const char *objective, const char *edition)
{
    if (!qr_str_ieqz(qr_str(objective), QR_POOL_OBJECTIVE))
        return qri_sku_json(objective);
    return json_pack("{s:s,s:s,s:i}", "name", QR_POOL_OBJECTIVE, "tier", edition, "capacity", 0);
}

json_t *qri_pool_sku_json(const struct qr_pool_size *size)
{
    json_t *sku = json_pack("{s:s,s:s}", "name", size->sku, "tier", size->edition);
    if (sku != NULL && !size->is_dtu)
        json_object_set_new(sku, "family", json_string(size->family));
    json_object_set_new(sku, "capacity", json_integer(size->capacity));
    return sku;
}

static bool fail(struct qri_sku_error *error, const char *code, const char *fmt, const char *word)
{
    error->code = code;
    snprintf(error->text, sizeof error->text, fmt, word);
    return false;
}

static const struct qr_slo *with_capacity(struct qr_str base, json_int_t capacity)
{
    for (size_t i = 0; i < qr_slo_count(); i++) {
        const struct qr_slo *slo = qr_slo_at(i);
        if (qr_str_ieq(qri_sku_base(slo), base) && (json_int_t)slo->capacity == capacity)
            return slo;
    }
    return NULL;
}

/* What a base name without a capacity means: its edition's own objective, else the smallest. */
static const struct qr_slo *of_base(struct qr_str base)
{
    const struct qr_slo *found = NULL;
    for (size_t i = 0; i < qr_slo_count(); i++) {
        const struct qr_slo *slo = qr_slo_at(i);
        if (!qr_str_ieq(qri_sku_base(slo), base))
            continue;
        if (slo == qr_slo_default(qr_str(slo->edition)))
            return slo;
        if (found == NULL || slo->capacity < found->capacity)
            found = slo;
    }
    return found;
}

static bool find_name(struct qr_str name, const json_t *capacity, const struct qr_slo **ret_slo,
                      struct qri_sku_error *error)
{
    const struct qr_slo *slo = qr_slo_find(name);
    bool is_base = of_base(name) != NULL;
    if (slo == NULL && is_base) {
        slo = capacity == NULL ? of_base(name) : with_capacity(name, json_integer_value(capacity));
        if (slo == NULL)
            return fail(error, "UnsupportedCapacity",
                        "The capacity is not supported for the sku '%.100s'.", name.p);
    }
    if (slo == NULL)
        return fail(error, "InvalidSkuName", "Invalid SKU name '%.100s'.", name.p);
    /* "Basic" is both */
    if (capacity != NULL && json_integer_value(capacity) != (json_int_t)slo->capacity)
        return fail(error, "MismatchedSkuNameAndCapacity",
                    "The SKU capacity does not match the SKU name '%.100s'.", name.p);
    *ret_slo = slo;
    return true;
}

bool qri_sku_parse(const json_t *sku, const struct qr_slo **ret_slo, bool *ret_in_pool,
                   struct qri_sku_error *ret_error)
{
    *ret_slo = NULL;
    *ret_in_pool = false;
    if (sku == NULL)
        return true;
    const json_t *name = json_object_get(sku, "name"), *tier = json_object_get(sku, "tier"),
                 *capacity = json_object_get(sku, "capacity"),
                 *family = json_object_get(sku, "family");
    if (!json_is_object(sku) || (name != NULL && !json_is_string(name)) ||
        (tier != NULL && !json_is_string(tier)) ||
        (capacity != NULL && !json_is_integer(capacity)) ||
        (family != NULL && !json_is_string(family)))
        return fail(ret_error, "InvalidRequestContent",
                    "A member of '%s' has a value of the wrong type.", "sku");
    const char *tier_text = tier == NULL ? NULL : json_string_value(tier);
    if (name == NULL) {
        if (tier_text == NULL)
            return true;
        *ret_slo = qr_slo_default(qr_str(tier_text));
        return *ret_slo != NULL ||
               fail(ret_error, "InvalidTier", "Invalid tier '%.100s'.", tier_text);
    }
    const char *text = json_string_value(name);
    *ret_in_pool = qr_str_ieqz(qr_str(text), QR_POOL_OBJECTIVE);
    if (*ret_in_pool)
        return true;
    const struct qr_slo *slo = NULL;
    if (!find_name(qr_str(text), capacity, &slo, ret_error))
        return false;
    if (tier_text != NULL && !qr_str_ieqz(qr_str(tier_text), slo->edition))
        return fail(ret_error, "MismatchedSkuNameAndTier",
                    "The tier does not match the SKU name '%.100s'.", text);
    if (family != NULL && !slo->is_dtu &&
        !qr_str_ieqz(qr_str(json_string_value(family)), slo->family))
        return fail(ret_error, "InvalidSkuName", "The family does not match the SKU name '%.100s'.",
                    text);
    *ret_slo = slo;
    return true;
}
