/* operation_body.c - see resource_int.h */
#include "resource_int.h"
#include "base/banned.h"

static void add_urls(struct qri_request *r, const char *group, const char *location,
                     const char *kind, const char *id)
{
    static const struct {
        const char *header, *ending;
    } urls[] = {{"Azure-AsyncOperation", "AzureAsyncOperation"}, {"Location", "OperationResults"}};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++)
        qri_header(r, urls[i].header,
                   "%s/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Sql/locations/%s/"
                   "%s%s/%s?api-version=%s",
                   r->base, r->arm->subscription, group, location, kind, urls[i].ending, id,
                   r->api_version);
    qri_header(r, "Retry-After", "%d", QRI_RETRY_AFTER_S);
}

bool qri_operation_is_of_pool(const struct qr_operation_row *row)
{
    return qr_number_of(row->database_id) == QR_POOL_OPERATION_NUMBER;
}

void qri_reply_started(struct qri_request *r, const struct qri_place *place,
                       const struct qr_operation_row *row)
{
    const struct qr_operation_info *info = qr_operation_info((enum qr_operation_kind)row->kind);
    add_urls(r, place->group, place->location,
             row->kind == QR_OPERATION_DROP_SERVER || row->kind == QR_OPERATION_DROP_GROUP
                 ? "server"
             : qri_operation_is_of_pool(row) ? "elasticPool"
                                             : "database",
             row->id);
    qri_reply(r, 202,
              json_pack("{s:s,s:s}", "operation", info->arm_name, "startTime",
                        qri_time_text(r, row->start_wall_ns)));
}

json_t *qri_operation_json(struct qri_request *r, const struct qri_place *place, const char *kind,
                           const struct qr_operation_row *row)
{
    static const char *const states[QR_OPERATION_STATE_COUNT] = {
        [QR_OPERATION_PENDING] = "Pending",
        [QR_OPERATION_RUNNING] = "InProgress",
        [QR_OPERATION_SUCCEEDED] = "Succeeded",
        [QR_OPERATION_FAILED] = "Failed",
        [QR_OPERATION_CANCELLED] = "Cancelled",
        [QR_OPERATION_UNDOING] = "InProgress",
        [QR_OPERATION_CANCELLING] = "CancelInProgress",
    };
    const struct qr_operation_info *info = qr_operation_info((enum qr_operation_kind)row->kind);
    bool over = qr_operation_is_over((enum qr_operation_state)row->state);
    json_t *p = json_pack(
        "{s:s,s:s,s:s,s:s,s:i,s:s,s:s,s:b}", *kind == 'e' ? "elasticPoolName" : "databaseName",
        row->database, "serverName", place->server, "operation", info->arm_name,
        "operationFriendlyName", info->sql_name, "percentComplete", over ? 100 : (int)row->percent,
        "startTime", qri_time_text(r, row->start_wall_ns), "state",
        row->state < QR_OPERATION_STATE_COUNT ? states[row->state] : "InProgress", "isCancellable",
        row->is_cancellable && !over);
    if (p != NULL && row->state == QR_OPERATION_FAILED) {
        json_object_set_new(p, "errorCode", json_integer(row->error_number));
        json_object_set_new(p, "errorDescription", json_string(row->error_text));
        json_object_set_new(p, "errorSeverity", json_integer(row->error_severity));
        json_object_set_new(p, "isUserError", json_boolean(row->error_severity <= 16));
    }
    if (p != NULL && !over && *row->phase != '\0')
        json_object_set_new(p, "operationPhaseDetails", json_pack("{s:s}", "phase", row->phase));
    return json_pack("{s:s++++++,s:s,s:s++,s:o}", "id", place->server_id, "/", kind, "/",
                     row->database, "/operations/", row->id, "name", row->id, "type",
                     "Microsoft.Sql/servers/", kind, "/operations", "properties", p);
}
