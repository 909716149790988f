/* place.c - see resource_int.h */
#include "resource_int.h"
#include "base/banned.h"

const char *qri_subscription_id(struct qri_request *r)
{
    const char *id = qr_arena_printf(&r->arena, "/subscriptions/%s", r->arm->subscription);
    return id == NULL ? "" : id;
}

bool qri_is_location(struct qr_str text, const char *location)
{
    size_t at = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == ' ')
            continue;
        if (location[at] == '\0' ||
            !qr_str_ieq(qr_str_n(text.p + i, 1), qr_str_n(location + at, 1)))
            return false;
        at++;
    }
    return location[at] == '\0';
}

bool qri_place_subscription(struct qri_request *r)
{
    if (qr_str_ieqz(r->vars[0], r->arm->subscription))
        return true;
    qri_refuse(r, 404, "SubscriptionNotFound", "The subscription '%.64s' could not be found.",
               qri_copy(r, r->vars[0]));
    return false;
}

bool qri_place_group(struct qri_request *r, struct qri_place *ret_place)
{
    struct qr_err err = {0};
    enum qr_status status;
    if (!qri_place_subscription(r))
        return false;
    json_t *group = qri_doc_find(r->arm, QR_DOC_GROUP, r->vars[1], NULL, &status, &err);
    if (group == NULL) {
        if (status == QR_NOT_FOUND)
            qri_refuse(r, 404, "ResourceGroupNotFound",
                       "Resource group '%.90s' could not be found.", qri_copy(r, r->vars[1]));
        else
            qri_refuse_err(r, status, &err);
        return false;
    }
    *ret_place = (struct qri_place){.group = qri_doc_text(r, group, "name"),
                                    .group_location = qri_doc_text(r, group, "location")};
    json_decref(group);
    return true;
}

static void take_server(struct qri_request *r, const json_t *server, struct qri_place *place)
{
    place->server = qri_doc_text(r, server, "name");
    place->location = qri_doc_text(r, server, "location");
    place->number = (uint32_t)json_integer_value(json_object_get(server, "number"));
    place->server_id = qr_arena_printf(
        &r->arena, "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Sql/servers/%s",
        r->arm->subscription, place->group, place->server);
}

bool qri_place_named(struct qri_request *r, struct qr_str name, struct qri_place *ret_place)
{
    struct qr_err err = {0};
    enum qr_status status;
    json_t *server = qri_doc_find(r->arm, QR_DOC_SERVER, name, NULL, &status, &err);
    if (server == NULL)
        return false;
    *ret_place = (struct qri_place){.group = qri_doc_text(r, server, "group")};
    take_server(r, server, ret_place);
    json_decref(server);
    return ret_place->server_id != NULL;
}

bool qri_place_server(struct qri_request *r, struct qri_place *ret_place)
{
    struct qr_err err = {0};
    struct qri_place place;
    enum qr_status status;
    if (!qri_place_group(r, &place))
        return false;
    json_t *server = qri_doc_find(r->arm, QR_DOC_SERVER, r->vars[2], NULL, &status, &err);
    bool here =
        server != NULL && qr_str_ieqz(qr_str(qri_doc_text(r, server, "group")), place.group);
    if (here)
        take_server(r, server, &place);
    json_decref(server);
    if (here && place.server_id != NULL) {
        *ret_place = place;
        return true;
    }
    if (server == NULL && status != QR_NOT_FOUND)
        qri_refuse_err(r, status, &err);
    else
        qri_refuse(r, 404, "ResourceNotFound",
                   "The Resource 'Microsoft.Sql/servers/%.128s' under resource group '%s' was not "
                   "found. For more details please go to "
                   "https://aka.ms/ARMResourceNotFoundFix",
                   qri_copy(r, r->vars[2]), place.group);
    return false;
}

void qri_refuse_no_database(struct qri_request *r, struct qr_str name)
{
    qri_refuse(r, 404, "ResourceNotFound",
               "The requested resource of type 'Microsoft.Sql/servers/databases' with name "
               "'%.400s' was not found.",
               qri_copy(r, name));
}

bool qri_database_find(struct qri_request *r, const struct qri_place *place, struct qr_str name,
                       bool *ret_found, struct qr_resource_database *ret_database)
{
    struct qr_err err = {0};
    enum qr_status status =
        name.n == 0 || name.n > QR_NAME_BYTES_MAX
            ? QR_NOT_FOUND
            : qr_resource_database_get(r->arm->options.host->control, place->number, name,
                                       QRI_ASK_NS, ret_database, &err);
    bool found = status == QR_OK && qr_database_is_live(&ret_database->row);
    if (ret_found != NULL)
        *ret_found = found;
    if (found)
        return true;
    if (status != QR_OK && status != QR_NOT_FOUND) {
        qri_refuse_err(r, status, &err);
        return false;
    }
    if (ret_found != NULL)
        return true;
    qri_refuse_no_database(r, name);
    return false;
}
