/* database_change.c - see resource_int.h: PUT, PATCH, DELETE and what else changes databases */
#include <stdio.h>
#include "body_int.h"
#include "ctl/peer.h"
#include "resource_int.h"
#include "base/banned.h"

/* If-Match and If-None-Match against what is there. False: answered. */
static bool check_tag(struct qri_request *r, const struct qr_resource_database *now)
{
    char tag[32];
    snprintf(tag, sizeof tag, "\"%llu\"", now == NULL ? 0ULL : (unsigned long long)now->version);
    struct qr_str wanted = qr_str(r->if_match), unwanted = qr_str(r->if_none_match);
    bool holds =
        wanted.n == 0 || (now != NULL && (qr_str_ieqz(wanted, "*") || qr_str_ieqz(wanted, tag)));
    if (now != NULL && (qr_str_ieqz(unwanted, "*") || qr_str_ieqz(unwanted, tag)))
        holds = false;
    if (!holds)
        qri_refuse(r, 412, "PreconditionFailed",
                   "The condition of the request's headers does not hold.");
    return holds;
}

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
        qri_refuse_no_database(r, ask->name);
    else
        qri_refuse_err(r, status, &err);
}

/* Ours, of a database that is there: settings of autoscale, which hold at once. False: answered. */
static bool take_autoscale(struct qri_request *r, const struct qri_place *place, const char *name)
{
    json_t *p = NULL, *settings = NULL;
    if (!qri_body_object(r, r->json, "properties", &p) ||
        !qri_body_object(r, p, "quireAutoscale", &settings))
        return false;
    if (settings == NULL)
        return true;
    if (name == NULL) {
        qri_refuse(r, 400, "InvalidParameterValue",
                   "The property 'quireAutoscale' is for a database that is there.");
        return false;
    }
    return qri_autoscale_store(r, place, name, settings);
}

static void change(struct qri_request *r, bool may_make)
{
    struct qri_place place;
    struct qr_resource_database now;
    struct qri_database_change wished;
    bool found = false;
    if (!qri_place_server(r, &place) ||
        !qri_database_find(r, &place, r->vars[3], may_make ? &found : NULL, &now))
        return;
    found |= !may_make;
    if (r->json == NULL) {
        qri_refuse(r, 400, "InvalidRequestContent", "The request has no body.");
        return;
    }
    if (!check_tag(r, found ? &now : NULL) ||
        !qri_database_change(r, &place, found ? qr_str(now.row.name) : r->vars[3],
                             found ? &now : NULL, &wished))
        return;
    if (!take_autoscale(r, &place, found ? now.row.name : NULL))
        return;
    if (found && !wished.changes)
        qri_reply_database(r, &place, &now);
    else
        start(r, &place, wished.method, &wished.ask);
}

void qri_put_database(struct qri_request *r)
{
    change(r, true);
}

void qri_patch_database(struct qri_request *r)
{
    change(r, false);
}

void qri_delete_database(struct qri_request *r)
{
    struct qri_place place;
    struct qr_resource_database now;
    bool found = false;
    if (!qri_place_server(r, &place) || !qri_database_find(r, &place, r->vars[3], &found, &now))
        return;
    if (!found) {
        qri_reply_empty(r, 204);
        return;
    }
    if (qr_is_master(now.row.id)) {
        qri_refuse(r, 400, "CannotUseReservedDatabaseName",
                   "Cannot use reserved database name 'master' in this operation.");
        return;
    }
    struct qr_control_ask ask = {.server = place.number,
                                 .name = qr_str(now.row.name),
                                 .no_wait = true,
                                 .operation_id = qr_str(r->id)};
    if (check_tag(r, &now))
        start(r, &place, QR_CONTROL_DROP, &ask);
}

/* Done when it is answered, as clients expect of a rename. */
void qri_move_database(struct qri_request *r)
{
    struct qri_place place;
    struct qr_resource_database now;
    struct qr_str id = {NULL, 0}, server, name;
    struct qr_err err = {0};
    if (!qri_place_server(r, &place) || !qri_database_find(r, &place, r->vars[3], NULL, &now) ||
        !qri_body_text(r, r->json, "id", &id))
        return;
    if (!qri_id_parse(r, id, "databases", &server, &name) || !qr_str_ieqz(server, place.server)) {
        qri_refuse(r, 400, "InvalidParameterValue",
                   "The member 'id' is the new id of a database of the same server.");
        return;
    }
    struct qr_control_ask ask = {.server = place.number,
                                 .name = qr_str(now.row.name),
                                 .new_name = name,
                                 .operation_id = qr_str(r->id)};
    enum qr_status status = qr_control_call(r->arm->options.host->operate, QR_CONTROL_RENAME, &ask,
                                            QRI_WAIT_NS, NULL, &err);
    if (status == QR_OK)
        qri_reply_empty(r, 200);
    else
        qri_refuse_err(r, status, &err);
}

void qri_failover_database(struct qri_request *r)
{
    struct qri_place place;
    struct qr_resource_database now;
    if (!qri_place_server(r, &place) || !qri_database_find(r, &place, r->vars[3], NULL, &now))
        return;
    struct qr_control_ask ask = {.server = place.number,
                                 .name = qr_str(now.row.name),
                                 .no_wait = true,
                                 .operation_id = qr_str(r->id)};
    start(r, &place, QR_CONTROL_FAILOVER, &ask);
}
