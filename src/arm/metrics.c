/* metrics.c - see resource_int.h: Microsoft.Insights/metrics of a database: what its backups take,
 * of which there is the value of now, and what it used (metrics_used.c). */
#include "ctl/backups.h"
#include "metrics_int.h"
#include "base/banned.h"

static const struct metric {
    const char *name, *display;
    uint8_t kind; /* enum qr_backup_word */
} metrics[] = {
    {"full_backup_size_bytes", "Full backup storage size", QR_BACKUP_WORD_FULL},
    {"diff_backup_size_bytes", "Differential backup storage size", QR_BACKUP_WORD_DIFF},
    {"log_backup_size_bytes", "Log backup storage size", QR_BACKUP_WORD_LOG},
};
enum { METRIC_COUNT = sizeof metrics / sizeof metrics[0] };

static enum qr_status add_size(void *ctx, const struct qr_backup_seen *backup)
{
    uint64_t *sizes = ctx;
    sizes[backup->kind] += backup->bytes;
    return QR_OK;
}

static json_t *name_json(const struct metric *m)
{
    return json_pack("{s:s,s:s}", "value", m->name, "localizedValue", m->display);
}

static json_t *metric_json(struct qri_request *r, const char *id, const struct metric *m,
                           uint64_t bytes)
{
    return json_pack(
        "{s:s++,s:s,s:o,s:s,s:s,s:s,s:[{s:[],s:[{s:s,s:f}]}]}", "id", id,
        "/providers/Microsoft.Insights/metrics/", m->name, "type", "Microsoft.Insights/metrics",
        "name", name_json(m), "displayDescription", m->display, "unit", "Bytes", "errorCode",
        "Success", "timeseries", "metadatavalues", "data", "timeStamp",
        qri_time_text(r, qr_env_wall_ns(r->arm->options.env)), "maximum", (double)bytes);
}

/* Is it among the names, which commas separate? No names: all. */
static bool is_wanted(struct qr_str names, const char *name)
{
    if (names.n == 0)
        return true;
    for (size_t at = 0, n; at <= names.n; at += n + 1) {
        for (n = 0; at + n < names.n && names.p[at + n] != ','; n++)
            ;
        if (qr_str_ieqz(qr_str_n(names.p + at, n), name))
            return true;
    }
    return false;
}

struct wanted {
    const char *id;
    struct qr_str names, database;
    uint32_t server;
    const uint64_t *sizes;
    struct qri_used_span span;
};

static const char *id_of(struct qri_request *r, const struct qri_place *place,
                         const struct qr_resource_database *d)
{
    return qr_arena_printf(&r->arena, "%s/databases/%s", place->server_id, d->row.name);
}

static json_t *used_json(struct qri_request *r, const char *id, const struct qri_used_metric *m,
                         json_t *own_points)
{
    (void)r;
    return json_pack("{s:s++,s:s,s:{s:s,s:s},s:s,s:s,s:s,s:[{s:[],s:o}]}", "id", id,
                     "/providers/Microsoft.Insights/metrics/", m->name, "type",
                     "Microsoft.Insights/metrics", "name", "value", m->name, "localizedValue",
                     m->display, "displayDescription", m->display, "unit", m->unit, "errorCode",
                     "Success", "timeseries", "metadatavalues", "data", own_points);
}

/* NULL: refused, there is a name that is none. */
static json_t *wanted_json(struct qri_request *r, const struct wanted *w)
{
    json_t *list = json_array();
    size_t wished = w->names.n > 0;
    for (size_t i = 0; i < w->names.n; i++)
        wished += w->names.p[i] == ',';
    for (size_t i = 0; i < METRIC_COUNT; i++)
        if (is_wanted(w->names, metrics[i].name))
            (void)json_array_append_new(
                list, metric_json(r, w->id, &metrics[i], w->sizes[metrics[i].kind]));
    const struct qri_used_metric *m = NULL;
    for (size_t i = 0; (m = qri_used_metric_at(i)) != NULL; i++) {
        if (!is_wanted(w->names, m->name))
            continue;
        json_t *points = qri_used_points(r, w->server, w->database, m, &w->span);
        if (points == NULL) {
            json_decref(list);
            qri_refuse(r, 503, "ServiceUnavailable", "The metrics could not be read.");
            return NULL;
        }
        (void)json_array_append_new(list, used_json(r, w->id, m, points));
    }
    if (list != NULL && json_array_size(list) >= wished)
        return list;
    json_decref(list);
    qri_refuse(r, 400, "BadRequest", "Not a metric of a database here: '%.200s'.",
               qri_copy(r, w->names));
    return NULL;
}

/* The finest that somebody asks for by name. */
static int64_t grain_of(struct qr_str names)
{
    const struct qri_used_metric *m = NULL;
    int64_t grain = QRI_USED_GRAIN_NS;
    for (size_t i = 0; names.n > 0 && (m = qri_used_metric_at(i)) != NULL; i++)
        if (is_wanted(names, m->name) && qri_used_grain(m) < grain)
            grain = qri_used_grain(m);
    return grain;
}

void qri_list_metrics(struct qri_request *r)
{
    struct qri_place place;
    struct qr_resource_database d;
    struct qr_err err = {0};
    struct qr_str names = {NULL, 0};
    uint64_t sizes[QR_BACKUP_WORD_LOG + 1] = {0};
    struct wanted wanted = {.sizes = sizes};
    (void)qri_form_get(&r->arena, qr_str(r->query), "metricnames", &names);
    if (!qri_place_server(r, &place) || !qri_database_find(r, &place, r->vars[3], NULL, &d) ||
        !qri_used_span(r, grain_of(names), &wanted.span))
        return;
    enum qr_status status =
        qr_control_each_backup(r->arm->options.host->operate, place.number, qr_str(d.row.name),
                               qr_str(""), false, QRI_ASK_NS, add_size, sizes, &err);
    const char *id = id_of(r, &place, &d);
    if (status != QR_OK || id == NULL) {
        qri_refuse_err(r, status == QR_OK ? QR_NOMEM : status, &err);
        return;
    }
    wanted.id = id;
    wanted.names = names;
    wanted.database = qr_str(d.row.name);
    wanted.server = place.number;
    json_t *list = wanted_json(r, &wanted);
    if (list != NULL)
        qri_reply(r, 200,
                  json_pack("{s:i,s:s++,s:s,s:s,s:s,s:o}", "cost", 0, "timespan",
                            qri_time_text(r, wanted.span.from_ns), "/",
                            qri_time_text(r, wanted.span.to_ns), "interval",
                            qr_arena_printf(&r->arena, "PT%dM",
                                            (int)(wanted.span.step_ns / INT64_C(60000000000))),
                            "namespace", "Microsoft.Sql/servers/databases", "resourceregion",
                            place.location, "value", list));
}

void qri_list_metric_definitions(struct qri_request *r)
{
    struct qri_place place;
    struct qr_resource_database d;
    if (!qri_place_server(r, &place) || !qri_database_find(r, &place, r->vars[3], NULL, &d))
        return;
    json_t *list = json_array();
    const char *id = id_of(r, &place, &d);
    for (size_t i = 0; i < METRIC_COUNT && id != NULL; i++)
        (void)json_array_append_new(
            list,
            json_pack("{s:s++,s:s,s:s,s:o,s:s,s:s,s:[s],s:b,s:[{s:s,s:s}]}", "id", id,
                      "/providers/Microsoft.Insights/metricdefinitions/", metrics[i].name,
                      "resourceId", id, "namespace", "Microsoft.Sql/servers/databases", "name",
                      name_json(&metrics[i]), "unit", "Bytes", "primaryAggregationType", "Maximum",
                      "supportedAggregationTypes", "Maximum", "isDimensionRequired", 0,
                      "metricAvailabilities", "timeGrain", "PT1H", "retention", "PT1H"));
    const struct qri_used_metric *m = NULL;
    for (size_t i = 0; (m = qri_used_metric_at(i)) != NULL && id != NULL; i++)
        (void)json_array_append_new(
            list, json_pack("{s:s++,s:s,s:s,s:{s:s,s:s},s:s,s:s,s:[s],s:b,s:[{s:s,s:s}]}", "id", id,
                            "/providers/Microsoft.Insights/metricdefinitions/", m->name,
                            "resourceId", id, "namespace", "Microsoft.Sql/servers/databases",
                            "name", "value", m->name, "localizedValue", m->display, "unit", m->unit,
                            "primaryAggregationType", m->aggregation, "supportedAggregationTypes",
                            m->aggregation, "isDimensionRequired", 0, "metricAvailabilities",
                            "timeGrain", qri_used_grain(m) < QRI_USED_GRAIN_NS ? "PT1M" : "PT5M",
                            "retention", "P14D"));
    qri_reply(r, 200, json_pack("{s:o}", "value", list));
}
