/* listing.c - see resource_int.h */
#include "resource_int.h"
#include "base/banned.h"

enum qr_status qri_list_append(struct qri_listing *l, json_t *own_json)
{
    return json_array_append_new(l->list, own_json) == 0 ? QR_OK : QR_NOMEM;
}

json_t *qri_list_rows(struct qri_listing *l, uint32_t server, qr_resource_database_fn *add)
{
    struct qr_err err = {0};
    l->list = json_array();
    enum qr_status status = l->list == NULL
                                ? QR_NOMEM
                                : qr_resource_each_database(l->r->arm->options.host->control,
                                                            server, QRI_ASK_NS, add, l, &err);
    if (status == QR_OK)
        return l->list;
    json_decref(l->list);
    qri_refuse_err(l->r, status, &err);
    return NULL;
}

void qri_reply_list(struct qri_request *r, json_t *own_list)
{
    if (own_list != NULL)
        qri_reply(r, 200, json_pack("{s:o}", "value", own_list));
}

void qri_reply_listing(struct qri_listing *l, enum qr_status status, const struct qr_err *err)
{
    if (status == QR_OK) {
        qri_reply_list(l->r, l->list);
        return;
    }
    json_decref(l->list);
    qri_refuse_err(l->r, status, err);
}

json_t *qri_list_first(struct qri_request *r, json_t *own_list, const char *kind,
                       struct qr_str name)
{
    json_t *found = json_incref(json_array_get(own_list, 0));
    if (own_list != NULL && found == NULL)
        qri_refuse(r, 404, "ResourceNotFound",
                   "The requested resource of type 'Microsoft.Sql/servers/%s' with name '%.400s' "
                   "was not found.",
                   kind, qri_copy(r, name));
    json_decref(own_list);
    return found;
}
