/* operations.c - see resource_int.h: long-running operations as ARM's clients follow them. An
 * operation is control's; its id is the id of the request that started it. */
#include <string.h>
#include "resource_int.h"
#include "base/banned.h"

/* ---- …/operations ---- */

static enum qr_status add(void *ctx, const struct qr_operation_row *row)
{
    struct qri_listing *l = ctx;
    return qri_list_append(l, qri_operation_json(l->r, l->place, "databases", row));
}

void qri_list_operations(struct qri_request *r)
{
    struct qri_place place;
    struct qr_err err = {0};
    if (!qri_place_server(r, &place))
        return;
    struct qri_listing listing = {.r = r, .place = &place, .list = json_array()};
    struct qr_rpc_peer *control = r->arm->options.host->control;
    enum qr_status status =
        listing.list == NULL
            ? QR_NOMEM
            : qr_operation_each(control, place.number, r->vars[3], QRI_ASK_NS, add, &listing, &err);
    if (status == QR_OK && json_array_size(listing.list) == 0) {
        struct qr_resource_database d; /* one of which nothing is known is not there */
        if (!qri_database_find(r, &place, r->vars[3], NULL, &d)) {
            json_decref(listing.list);
            return;
        }
    }
    qri_reply_listing(&listing, status, &err);
}

static bool find_operation(struct qri_request *r, struct qr_str id, struct qr_operation_row *ret)
{
    struct qr_err err = {0};
    enum qr_status status =
        qri_is_guid(id) ? qr_operation_get(r->arm->options.host->control, id, QRI_ASK_NS, ret, &err)
                        : QR_NOT_FOUND;
    if (status == QR_NOT_FOUND)
        qri_refuse(r, 404, "OperationIdNotFound", "The operation with Id '%.64s' does not exist.",
                   qri_copy(r, id));
    else if (status != QR_OK)
        qri_refuse_err(r, status, &err);
    return status == QR_OK;
}

void qri_cancel_operation(struct qri_request *r)
{
    struct qri_place place;
    struct qr_operation_row row;
    struct qr_err err = {0};
    if (!qri_place_server(r, &place) || !find_operation(r, r->vars[4], &row))
        return;
    if (!qr_str_ieqz(r->vars[3], row.database) || qr_server_of(row.database_id) != place.number) {
        qri_refuse(r, 404, "OperationIdNotFound",
                   "The operation with Id '%s' is not one of that database.", row.id);
        return;
    }
    enum qr_status status =
        qr_operation_cancel(r->arm->options.host->control, r->vars[4], QRI_ASK_NS, &err);
    if (status == QR_OK)
        qri_reply_empty(r, 200);
    else if (status == QR_SQL || status == QR_CONFLICT)
        qri_refuse(r, 409, "CannotCancelOperation",
                   "Cannot cancel management operation '%s' in the current state.", row.id);
    else
        qri_refuse_err(r, status, &err);
}

static void find_error(const struct qr_operation_row *row, unsigned *ret_status,
                       const char **ret_code)
{
    struct qr_err err = {.number = (int)row->error_number};
    enum qr_status status =
        row->error_status < QR_STATUS_COUNT ? (enum qr_status)row->error_status : QR_BUG;
    qri_error_of(status, &err, ret_status, ret_code);
}

static json_t *error_json(const struct qr_operation_row *row)
{
    unsigned status;
    const char *code;
    find_error(row, &status, &code);
    if (row->state == QR_OPERATION_CANCELLED)
        return json_pack("{s:s,s:s}", "code", "OperationCancelled", "message",
                         "The operation has been cancelled by user.");
    return json_pack("{s:s,s:s}", "code", code, "message",
                     *row->error_text == '\0' ? "The operation has failed." : row->error_text);
}

/* ---- polling: vars are subscription, group, location, id ---- */

void qri_poll_operation(struct qri_request *r)
{
    static const char *const states[QR_OPERATION_STATE_COUNT] = {
        [QR_OPERATION_PENDING] = "InProgress",    [QR_OPERATION_RUNNING] = "InProgress",
        [QR_OPERATION_SUCCEEDED] = "Succeeded",   [QR_OPERATION_FAILED] = "Failed",
        [QR_OPERATION_CANCELLED] = "Canceled",    [QR_OPERATION_UNDOING] = "InProgress",
        [QR_OPERATION_CANCELLING] = "InProgress",
    };
    struct qr_operation_row row;
    if (!qri_place_subscription(r) || !find_operation(r, r->vars[3], &row))
        return;
    bool over = qr_operation_is_over((enum qr_operation_state)row.state);
    json_t *answer =
        json_pack("{s:s,s:s,s:s}", "name", row.id, "status",
                  row.state < QR_OPERATION_STATE_COUNT ? states[row.state] : "InProgress",
                  "startTime", qri_time_text(r, row.start_wall_ns));
    if (answer != NULL && over && row.state != QR_OPERATION_SUCCEEDED)
        json_object_set_new(answer, "error", error_json(&row));
    if (!over)
        qri_header(r, "Retry-After", "%d", QRI_RETRY_AFTER_S);
    qri_reply(r, 200, answer);
}

/* The server that its database is of; false: that is gone. */
static bool place_of_operation(struct qri_request *r, const struct qr_operation_row *row,
                               struct qri_place *ret_place)
{
    size_t i;
    json_t *doc;
    bool found = false;
    json_t *docs = qri_doc_list(r, QR_DOC_SERVER, qr_str(""));
    json_array_foreach(docs, i, doc)
    {
        if (!found && json_integer_value(json_object_get(doc, "number")) ==
                          (json_int_t)qr_server_of(row->database_id))
            found = qri_place_named(r, qr_str(qri_doc_text(r, doc, "name")), ret_place);
    }
    json_decref(docs);
    return found;
}

/* What the operation was for, as its GET shows it. */
static void reply_result(struct qri_request *r, const struct qr_operation_row *row)
{
    struct qri_place place;
    struct qr_resource_database d;
    if (row->kind == QR_OPERATION_DROP || row->kind == QR_OPERATION_DROP_SERVER ||
        row->kind == QR_OPERATION_POOL_DROP || row->kind == QR_OPERATION_DROP_GROUP) {
        qri_reply_empty(r, 204);
        return;
    }
    const char *name = row->kind == QR_OPERATION_RENAME ? row->other : row->database;
    if (!place_of_operation(r, row, &place))
        qri_refuse_no_database(r, qr_str(name));
    else if (qri_operation_is_of_pool(row))
        (void)qri_pool_reply(r, &place, qr_str(name));
    else if (qri_database_find(r, &place, qr_str(name), NULL, &d))
        qri_reply(r, 200, qri_database_json(r, &place, &d));
}

void qri_operation_result(struct qri_request *r)
{
    struct qr_operation_row row;
    unsigned status;
    const char *code;
    if (!qri_place_subscription(r) || !find_operation(r, r->vars[3], &row))
        return;
    if (!qr_operation_is_over((enum qr_operation_state)row.state)) {
        qri_header(r, "Location", "%s%s?%s", r->base, r->raw_path, r->query);
        qri_header(r, "Retry-After", "%d", QRI_RETRY_AFTER_S);
        qri_reply(r, 202,
                  json_pack("{s:s,s:s,s:s}", "name", row.id, "status", "InProgress", "startTime",
                            qri_time_text(r, row.start_wall_ns)));
        return;
    }
    if (row.state == QR_OPERATION_SUCCEEDED) {
        reply_result(r, &row);
        return;
    }
    find_error(&row, &status, &code);
    json_t *error = error_json(&row);
    r->error_code = code;
    qri_reply(r,
              row.state == QR_OPERATION_CANCELLED ? 409
              : status < 500                      ? status
                                                  : 409,
              error == NULL ? NULL : json_pack("{s:o}", "error", error));
}
