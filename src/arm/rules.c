/* rules.c - see resource_int.h: the server's firewall rules */
#include <arpa/inet.h>
#include <stdio.h>
#include "body_int.h"
#include "ctl/peer.h"
#include "resource_int.h"
#include "base/banned.h"

static const char *address_text(struct qri_request *r, uint32_t address)
{
    const char *text = qr_arena_printf(&r->arena, "%u.%u.%u.%u", address >> 24, address >> 16 & 255,
                                       address >> 8 & 255, address & 255);
    return text == NULL ? "" : text;
}

static json_t *rule_json(struct qri_request *r, const struct qri_place *place, struct qr_str name,
                         const char *start, const char *end)
{
    const char *text = qri_copy(r, name);
    return json_pack("{s:{s:s,s:s},s:s++,s:s,s:s}", "properties", "startIpAddress", start,
                     "endIpAddress", end, "id", place->server_id, "/firewallRules/", text, "name",
                     text, "type", "Microsoft.Sql/servers/firewallRules");
}

/* The rules, or only the one of that name. NULL: answered. */
static json_t *read_rules(struct qri_request *r, const struct qri_place *place, struct qr_str only)
{
    struct qr_buf reply;
    struct qr_err err = {0};
    struct qr_control_item item;
    json_t *list = json_array();
    struct qr_control_ask ask = {.id = qr_database_id(place->number, 0)};
    qr_buf_init(&reply, QR_CONTROL_ANSWER_BYTES_MAX);
    enum qr_status status = list == NULL
                                ? QR_NOMEM
                                : qr_control_call(r->arm->options.host->control, QR_CONTROL_RULES,
                                                  &ask, QRI_ASK_NS, &reply, &err);
    for (size_t at = 0; status == QR_OK && at < reply.len;) {
        status = qr_control_item_next(reply.data, reply.len, &at, &item, &err);
        if (status != QR_OK || (only.p != NULL && !qr_str_ieq(only, item.name)))
            continue;
        json_t *rule =
            rule_json(r, place, item.name, address_text(r, item.start), address_text(r, item.end));
        if (json_array_append_new(list, rule) != 0)
            status = QR_NOMEM;
    }
    qr_buf_done(&reply);
    if (status == QR_OK)
        return list;
    json_decref(list);
    qri_refuse_err(r, status, &err);
    return NULL;
}

void qri_list_rules(struct qri_request *r)
{
    struct qri_place place;
    if (!qri_place_server(r, &place))
        return;
    json_t *list = read_rules(r, &place, (struct qr_str){NULL, 0});
    if (list != NULL)
        qri_reply(r, 200, json_pack("{s:o}", "value", list));
}

/* Is there one? *ret_answered: it could not be told. */
static json_t *find_rule(struct qri_request *r, const struct qri_place *place, bool *ret_answered)
{
    json_t *list = read_rules(r, place, r->vars[3]);
    json_t *rule = json_incref(json_array_get(list, 0));
    *ret_answered = list == NULL;
    json_decref(list);
    return rule;
}

void qri_get_rule(struct qri_request *r)
{
    struct qri_place place;
    bool answered = false;
    if (!qri_place_server(r, &place))
        return;
    json_t *rule = find_rule(r, &place, &answered);
    if (rule != NULL)
        qri_reply(r, 200, rule);
    else if (!answered)
        qri_refuse(r, 404, "ResourceNotFound",
                   "The requested resource of type 'Microsoft.Sql/servers/firewallRules' with name "
                   "'%.400s' was not found.",
                   qri_copy(r, r->vars[3]));
}

void qri_put_rule(struct qri_request *r)
{
    struct qri_place place;
    struct qr_str start = {NULL, 0}, end = {NULL, 0};
    struct qr_err err = {0};
    json_t *p = NULL;
    bool answered = false;
    if (!qri_place_server(r, &place) || !qri_body_object(r, r->json, "properties", &p) ||
        !qri_body_text(r, p, "startIpAddress", &start) ||
        !qri_body_text(r, p, "endIpAddress", &end))
        return;
    json_t *old = find_rule(r, &place, &answered);
    json_decref(old);
    if (answered)
        return;
    struct qr_control_ask ask = {
        .id = qr_database_id(place.number, 0), .name = r->vars[3], .start = start, .end = end};
    enum qr_status status = qr_control_call(r->arm->options.host->operate, QR_CONTROL_SET_RULE,
                                            &ask, QRI_ASK_NS, NULL, &err);
    if (status != QR_OK)
        qri_refuse_err(r, status, &err);
    else
        qri_reply(r, old == NULL ? 201 : 200,
                  rule_json(r, &place, r->vars[3], qri_copy(r, start), qri_copy(r, end)));
}

void qri_delete_rule(struct qri_request *r)
{
    struct qri_place place;
    struct qr_err err = {0};
    bool answered = false;
    if (!qri_place_server(r, &place))
        return;
    json_t *old = find_rule(r, &place, &answered);
    json_decref(old);
    if (answered)
        return;
    struct qr_control_ask ask = {.id = qr_database_id(place.number, 0), .name = r->vars[3]};
    enum qr_status status = qr_control_call(r->arm->options.host->operate, QR_CONTROL_DELETE_RULE,
                                            &ask, QRI_ASK_NS, NULL, &err);
    if (status == QR_OK || status == QR_NOT_FOUND)
        qri_reply_empty(r, old != NULL ? 200 : 204);
    else
        qri_refuse_err(r, status, &err);
}
