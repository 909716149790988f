/* dropped.c - see resource_int.h: databases that were dropped and can be restored */
#include <stdlib.h>
#include <string.h>
#include "resource_int.h"
#include "base/banned.h"

/* 100 ns between 1601-01-01, where such names count from, and 1970-01-01. */
#define EPOCH_TICKS INT64_C(116444736000000000)
enum { TICKS_DIGITS_MAX = 18 };

bool qri_dropped_name_parse(struct qr_str text, struct qr_str *ret_name, int64_t *ret_wall_ns)
{
    size_t comma = text.n;
    int64_t ticks = 0;
    while (comma > 0 && text.p[comma - 1] != ',')
        comma--;
    if (comma < 2 || text.n == comma || text.n - comma > TICKS_DIGITS_MAX)
        return false;
    for (size_t i = comma; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        ticks = ticks * 10 + (text.p[i] - '0');
    }
    if (ticks < EPOCH_TICKS || (ticks - EPOCH_TICKS) > INT64_MAX / 100)
        return false;
    *ret_wall_ns = (ticks - EPOCH_TICKS) * 100;
    *ret_name = qr_str_n(text.p, comma - 1);
    return true;
}

static json_t *dropped_json(struct qri_request *r, const struct qri_place *place,
                            const struct qr_resource_database *d)
{
    long long ticks = (long long)(d->row.dropped_wall_ns / 100 + EPOCH_TICKS);
    const char *name = qr_arena_printf(&r->arena, "%s,%lld", d->row.name, ticks);
    bool hyper = qr_database_is_hyper(&d->row);
    if (name == NULL)
        return NULL;
    json_t *p = json_pack("{s:s,s:I,s:s,s:s}", "databaseName", d->row.name, "maxSizeBytes",
                          hyper ? (json_int_t)-1 : (json_int_t)d->row.max_bytes, "creationDate",
                          qri_time_text(r, d->create_wall_ns), "deletionDate",
                          qri_time_text(r, d->row.dropped_wall_ns));
    if (p != NULL && d->earliest_restore_wall_ns != 0)
        json_object_set_new(p, "earliestRestoreDate",
                            json_string(qri_time_text(r, d->earliest_restore_wall_ns)));
    return json_pack("{s:o,s:s,s:{},s:o,s:s++,s:s,s:s}", "sku",
                     qri_database_sku_json(d->row.objective, d->row.edition), "location",
                     place->location, "tags", "properties", p, "id", place->server_id,
                     "/restorableDroppedDatabases/", name, "name", name, "type",
                     "Microsoft.Sql/servers/restorableDroppedDatabases");
}

static enum qr_status add(void *ctx, const struct qr_resource_database *d)
{
    struct qri_listing *l = ctx;
    if (d->row.state != QR_DATABASE_DROPPED || d->row.moved_to != 0)
        return QR_OK;
    json_t *json = dropped_json(l->r, l->place, d);
    if (l->of.n > 0 && !qr_str_ieqz(l->of, json_string_value(json_object_get(json, "name")))) {
        json_decref(json);
        return QR_OK;
    }
    return qri_list_append(l, json);
}

void qri_list_dropped(struct qri_request *r)
{
    struct qri_place place;
    if (!qri_place_server(r, &place))
        return;
    struct qri_listing l = {.r = r, .place = &place};
    qri_reply_list(r, qri_list_rows(&l, place.number, add));
}

void qri_get_dropped(struct qri_request *r)
{
    struct qri_place place;
    if (!qri_place_server(r, &place))
        return;
    struct qri_listing l = {.r = r, .place = &place, .of = r->vars[3]};
    json_t *found = qri_list_first(r, qri_list_rows(&l, place.number, add),
                                   "restorableDroppedDatabases", r->vars[3]);
    if (found != NULL)
        qri_reply(r, 200, found);
}

/* Of a kind of which this version has none: PUT and PATCH. */
void qri_refuse_kind(struct qri_request *r)
{
    struct qri_place place;
    if (qri_place_server(r, &place))
        qri_refuse(r, 400, "FeatureNotSupported",
                   "Failover groups are not supported by this version.");
}

void qri_get_none(struct qri_request *r)
{
    struct qri_place place;
    if (qri_place_server(r, &place))
        qri_refuse(r, 404, "ResourceNotFound", "The requested resource '%.400s' was not found.",
                   qri_copy(r, r->vars[3]));
}

void qri_delete_none(struct qri_request *r)
{
    struct qri_place place;
    if (qri_place_server(r, &place))
        qri_reply_empty(r, 204);
}

/* Of a kind of which this version has none. */
void qri_list_none(struct qri_request *r)
{
    struct qri_place place;
    if (qri_place_server(r, &place))
        qri_reply(r, 200, json_pack("{s:[]}", "value"));
}
