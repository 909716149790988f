/* metrics.c - see resource_int.h: Microsoft.Insights/metrics of a database: what its backups take.
 *
 * Of each metric there is the value of now; nothing keeps a history of them. */
#include "ctl/backups.h"
#include "resource_int.h"
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
static const int64_t HOUR_NS = INT64_C(3600) * 1000000000;

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

static const char *id_of(struct qri_request *r, const struct qri_place *place,
                         const struct qr_resource_database *d)
{
    return qr_arena_printf(&r->arena, "%s/databases/%s", place->server_id, d->row.name);
}

/* NULL: refused, there is a name that is none. */
static json_t *wanted_json(struct qri_request *r, const char *id, struct qr_str names,
                           const uint64_t *sizes)
{
    json_t *list = json_array();
    size_t wished = names.n > 0;
    for (size_t i = 0; i < names.n; i++)
        wished += names.p[i] == ',';
    for (size_t i = 0; i < METRIC_COUNT; i++)
        if (is_wanted(names, metrics[i].name))
            (void)json_array_append_new(list,
                                        metric_json(r, id, &metrics[i], sizes[metrics[i].kind]));
    if (list != NULL && json_array_size(list) >= wished)
        return list;
    json_decref(list);
    qri_refuse(r, 400, "BadRequest", "The metrics of a database here are %s, %s and %s: '%.200s'.",
               metrics[0].name, metrics[1].name, metrics[2].name, qri_copy(r, names));
    return NULL;
}

void qri_list_metrics(struct qri_request *r)
{
    struct qri_place place;
    struct qr_resource_database d;
    struct qr_err err = {0};
    struct qr_str names = {NULL, 0};
    uint64_t sizes[QR_BACKUP_WORD_LOG + 1] = {0};
    if (!qri_place_server(r, &place) || !qri_database_find(r, &place, r->vars[3], NULL, &d))
        return;
    (void)qri_form_get(&r->arena, qr_str(r->query), "metricnames", &names);
    enum qr_status status =
        qr_control_each_backup(r->arm->options.host->operate, place.number, qr_str(d.row.name),
                               qr_str(""), false, QRI_ASK_NS, add_size, sizes, &err);
    const char *id = id_of(r, &place, &d);
    if (status != QR_OK || id == NULL) {
        qri_refuse_err(r, status == QR_OK ? QR_NOMEM : status, &err);
        return;
    }
    json_t *list = wanted_json(r, id, names, sizes);
    int64_t now = qr_env_wall_ns(r->arm->options.env);
    if (list != NULL)
        qri_reply(r, 200,
                  json_pack("{s:i,s:s++,s:s,s:s,s:s,s:o}", "cost", 0, "timespan",
                            qri_time_text(r, now - HOUR_NS), "/", qri_time_text(r, now), "interval",
                            "PT1H", "namespace", "Microsoft.Sql/servers/databases",
                            "resourceregion", place.location, "value", list));
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
    qri_reply(r, 200, json_pack("{s:o}", "value", list));
}
