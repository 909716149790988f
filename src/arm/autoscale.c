/* autoscale.c - see resource_int.h: how a database is scaled by its load (ours): its settings, and
 * what was decided. */
#include <stdlib.h>
#include <string.h>
#include "body_int.h"
#include "ctl/autoscale.h"
#include "ctl/telemetry.h"
#include "resource_int.h"
#include "base/banned.h"

enum { TOP = 100, TOP_MAX = 5000 };

/* ---- settings ---- */

static void set(json_t *object, const char *key, json_t *own_value)
{
    (void)json_object_set_new(object, key, own_value);
}

/* A member in nanoseconds becomes a time. */
static void name_time(struct qri_request *r, json_t *o, const char *from, json_t *dst,
                      const char *key)
{
    json_int_t ns = json_integer_value(json_object_get(o, from));
    (void)json_object_del(o, from);
    if (ns != 0)
        set(dst, key, json_string(qri_time_text(r, ns)));
}

static void rename_member(json_t *o, const char *from, json_t *dst, const char *key)
{
    json_t *value = json_object_get(o, from);
    if (value != NULL)
        (void)json_object_set(dst, key, value);
    (void)json_object_del(o, from);
}

static enum qr_status keep(void *ctx, uint32_t id, struct qr_str json)
{
    json_t **ret = ctx;
    (void)id;
    json_decref(*ret);
    *ret = json_loadb(json.p, json.n, JSON_REJECT_DUPLICATES, NULL);
    return *ret == NULL ? QR_PROTOCOL : QR_OK;
}

bool qri_autoscale_find(struct qri_request *r, const struct qri_place *place, const char *name,
                        json_t **ret_settings)
{
    struct qr_err err = {0};
    json_t *o = NULL, *last = NULL;
    enum qr_status status = qr_autoscale_each(r->arm->options.host->control, place->number,
                                              qr_str(name), QRI_ASK_NS, keep, &o, &err);
    *ret_settings = NULL;
    if (status != QR_OK) {
        json_decref(o);
        qri_refuse_err(r, status, &err);
        return false;
    }
    if (o == NULL)
        return true;
    (void)json_object_del(o, "database");
    if (json_object_get(o, "lastDecisionWallNs") != NULL && (last = json_object()) != NULL) {
        name_time(r, o, "lastDecisionWallNs", last, "time");
        rename_member(o, "lastReason", last, "reason");
        rename_member(o, "lastRequestedObjective", last, "requestedObjective");
        set(o, "lastDecision", last);
    }
    name_time(r, o, "retryAfterWallNs", o, "retryAfter");
    *ret_settings = o;
    return true;
}

bool qri_autoscale_store(struct qri_request *r, const struct qri_place *place, const char *name,
                         const json_t *settings)
{
    struct qr_err err = {0};
    char *text = json_dumps(settings, JSON_COMPACT);
    enum qr_status status = text == NULL
                                ? QR_NOMEM
                                : qr_autoscale_set(r->arm->options.host->operate, place->number,
                                                   qr_str(name), qr_str(text), QRI_ASK_NS, &err);
    free(text);
    if (status == QR_OK)
        return true;
    if (status == QR_INVALID)
        qri_refuse(r, 400, "InvalidParameterValue", "%s", err.text);
    else
        qri_refuse_err(r, status, &err);
    return false;
}

static bool find(struct qri_request *r, struct qri_place *place, struct qr_resource_database *d)
{
    return qri_place_server(r, place) && qri_database_find(r, place, r->vars[3], NULL, d);
}

static void reply(struct qri_request *r, const struct qri_place *place, const char *name)
{
    json_t *settings;
    if (!qri_autoscale_find(r, place, name, &settings))
        return;
    if (settings == NULL)
        settings = json_pack("{s:s}", "state", "Disabled");
    qri_reply(r, 200,
              json_pack("{s:o,s:s++++,s:s,s:s}", "properties", settings, "id", place->server_id,
                        "/databases/", name, "/quireAutoscale/current", "", "name", "current",
                        "type", "Microsoft.Sql/servers/databases/quireAutoscale"));
}

void qri_get_autoscale(struct qri_request *r)
{
    struct qri_place place;
    struct qr_resource_database d;
    if (find(r, &place, &d))
        reply(r, &place, d.row.name);
}

void qri_put_autoscale(struct qri_request *r)
{
    struct qri_place place;
    struct qr_resource_database d;
    json_t *p = NULL;
    if (!find(r, &place, &d) || !qri_body_object(r, r->json, "properties", &p))
        return;
    if (p == NULL)
        qri_refuse(r, 400, "InvalidRequestContent", "The request has no properties.");
    else if (qri_autoscale_store(r, &place, d.row.name, p))
        reply(r, &place, d.row.name);
}

/* ---- decisions ---- */

struct listed {
    struct qri_request *r;
    json_t *list;
    size_t top;
    struct qr_str key;
};

static enum qr_status add(void *ctx, const struct qr_telemetry_row *row)
{
    struct listed *l = ctx;
    struct qr_autoscale_decision d;
    if (!qr_str_eq(row->key, l->key) || !qr_autoscale_decision_parse(row->body, &d))
        return QR_OK;
    json_t *usage = json_loadb(d.usage.p, d.usage.n, 0, NULL);
    json_t *requested =
        d.requested.n == 0 ? json_null() : json_stringn(d.requested.p, d.requested.n);
    json_t *json = json_pack(
        "{s:I,s:s,s:s%,s:o,s:o}", "id", (json_int_t)(row->at_wall_ns / 1000000000), "insertedAt",
        qri_time_text(l->r, row->at_wall_ns), "currentSLO", d.current.p, d.current.n,
        "requestedSLO", requested, "usageInfo", usage == NULL ? json_null() : usage);
    if (json_array_size(l->list) == l->top)
        (void)json_array_remove(l->list, 0);
    return json_array_append_new(l->list, json) == 0 ? QR_OK : QR_NOMEM;
}

/* The newest, oldest first: `$top` of them. */
void qri_list_autoscale_decisions(struct qri_request *r)
{
    struct qri_place place;
    struct qr_resource_database d;
    struct qr_str top;
    struct qr_err err = {0};
    if (!find(r, &place, &d))
        return;
    const char *key = qr_arena_printf(&r->arena, "%u", qr_number_of(d.row.id));
    struct listed l = {
        .r = r, .list = json_array(), .top = TOP, .key = qr_str(key == NULL ? "" : key)};
    if (qri_form_get(&r->arena, qr_str(r->query), "$top", &top))
        l.top = (size_t)strtoul(qri_copy(r, top), NULL, 10);
    if (l.top < 1 || l.top > TOP_MAX) {
        json_decref(l.list);
        qri_refuse(r, 400, "InvalidParameterValue", "$top is a number from 1 to %d.", TOP_MAX);
        return;
    }
    enum qr_status status =
        l.list == NULL || key == NULL
            ? QR_NOMEM
            : qr_telemetry_each(r->arm->options.host->control, QR_TELEMETRY_AUTOSCALE, place.number,
                                0, QRI_ASK_NS, add, &l, &err);
    if (status == QR_OK) {
        qri_reply_list(r, l.list);
        return;
    }
    json_decref(l.list);
    qri_refuse_err(r, status, &err);
}
