/* metrics.c - see resource_int.h: Microsoft.Insights/metrics and metricDefinitions of databases and
 * elastic pools, made of telemetry (metrics_points.c). Of backups there is the value of now. */
#include <string.h>
#include "body_int.h"
#include "ctl/backups.h"
#include "metrics_int.h"
#include "base/banned.h"

enum { POINTS_MAX = 5000, SERIES_MAX = 64, BACKUP_WORDS = QR_BACKUP_WORD_LOG + 1 };
static const int64_t HOUR_NS = INT64_C(3600) * 1000000000;

struct asked {
    struct qri_request *r;
    struct qri_place place;
    uint8_t resource;      /* QRI_OF_DATABASE or QRI_OF_POOL */
    const char *name, *id; /* of the resource */
    struct qr_str names;   /* of metrics */
    uint8_t aggregations;  /* 0: each metric's own */
    struct qri_span span;
    const char *interval;
    uint64_t backups[BACKUP_WORDS];
};

static const char *type_of(const struct asked *a)
{
    return a->resource == QRI_OF_POOL ? "servers/elasticPools" : "servers/databases";
}

/* ---- what is asked for ---- */

/* False: answered. */
static bool find_resource(struct qri_request *r, uint8_t resource, struct asked *a)
{
    struct qr_resource_database d;
    struct qr_pool_row pool;
    const char *kind = resource == QRI_OF_POOL ? "elasticPools" : "databases";
    *a = (struct asked){.r = r, .resource = resource};
    if (!qri_place_server(r, &a->place))
        return false;
    if (resource == QRI_OF_POOL) {
        if (!qri_pool_find(r, &a->place, r->vars[3], NULL, &pool))
            return false;
        a->name = qri_copy(r, qr_str(pool.name));
    } else {
        if (!qri_database_find(r, &a->place, r->vars[3], NULL, &d))
            return false;
        a->name = qri_copy(r, qr_str(d.row.name));
    }
    a->id = a->name == NULL
                ? NULL
                : qr_arena_printf(&r->arena, "%s/%s/%s", a->place.server_id, kind, a->name);
    if (a->id == NULL)
        qri_refuse_err(r, QR_NOMEM, &(struct qr_err){0});
    return a->id != NULL;
}

static bool refuse_grain(struct qri_request *r, struct qr_str interval)
{
    struct qr_buf list;
    qr_buf_init(&list, 1024);
    for (size_t i = 0; i < qri_grain_count; i++)
        qr_buf_printf(&list, "%s%s", i == 0 ? "" : ",", qri_grains[i].duration);
    qri_refuse(r, 400, "BadRequest", "Invalid time grain duration: %.40s, supported ones are: %s",
               qri_copy(r, interval), qr_buf_cstr(&list));
    qr_buf_done(&list);
    return false;
}

/* "START/END"; without it the last hour. */
static bool parse_timespan(struct qri_request *r, struct qr_str text, struct qri_span *span)
{
    if (text.n == 0)
        return true;
    if (memchr(text.p, '%', text.n) != NULL) /* az encodes it twice */
        (void)qri_decode(&r->arena, text, false, &text);
    const char *slash = memchr(text.p, '/', text.n);
    size_t first = slash == NULL ? 0 : (size_t)(slash - text.p);
    return slash != NULL && qri_time_parse(qr_str_n(text.p, first), &span->from_ns) &&
           qri_time_parse(qr_str_n(slash + 1, text.n - first - 1), &span->to_ns) &&
           span->from_ns < span->to_ns;
}

/* False: answered. */
static bool parse_span(struct asked *a)
{
    struct qri_request *r = a->r;
    struct qr_str text = {NULL, 0}, interval = {NULL, 0};
    int64_t now = qr_env_wall_ns(r->arm->options.env);
    a->span = (struct qri_span){.from_ns = now - HOUR_NS, .to_ns = now};
    (void)qri_form_get(&r->arena, qr_str(r->query), "timespan", &text);
    (void)qri_form_get(&r->arena, qr_str(r->query), "interval", &interval);
    bool good = parse_timespan(r, text, &a->span), whole = qr_str_ieqz(interval, "FULL");
    const struct qri_grain *grain = qri_grain_find(interval.n == 0 ? qr_str("PT1M") : interval);
    if (grain == NULL && !whole)
        return refuse_grain(r, interval);
    struct qri_span *s = &a->span;
    if (good && !whole) { /* rows begin with minutes, or with five of them */
        int64_t late = s->from_ns % qri_grains[grain->ns > qri_grains[0].ns ? 1 : 0].ns;
        s->from_ns -= late;
        s->to_ns -= late;
    }
    s->step_ns = whole ? s->to_ns - s->from_ns : grain->ns;
    a->interval = whole ? "FULL" : grain->name;
    if (good && (s->to_ns - s->from_ns) / s->step_ns < POINTS_MAX)
        return true;
    qri_refuse(r, 400, "BadRequest",
               "The time span is START/END of ISO 8601, and there are at most %d points in it.",
               POINTS_MAX);
    return false;
}

static bool parse_aggregations(struct asked *a)
{
    struct qr_str text = {NULL, 0};
    (void)qri_form_get(&a->r->arena, qr_str(a->r->query), "aggregation", &text);
    a->aggregations = qri_aggregations_parse(text);
    if (text.n == 0 || a->aggregations != 0)
        return true;
    qri_refuse(a->r, 400, "BadRequest",
               "Invalid aggregation: '%.100s', supported ones are: Average,Minimum,Maximum,Total",
               qri_copy(a->r, text));
    return false;
}

static bool is_of(const struct qri_metric *m, const struct asked *a)
{
    return (m->resources & a->resource) != 0;
}

/* The first name that is none; "": there is no such. */
static const char *find_bad_name(const struct asked *a)
{
    const char *bad = "", *name;
    char *copy = (char *)(uintptr_t)qri_copy(a->r, a->names);
    while (copy != NULL && *bad == '\0' && (name = strsep(&copy, ",")) != NULL) {
        bool known = false;
        for (size_t i = 0; i < qri_metric_count; i++)
            known =
                known || (is_of(&qri_metrics[i], a) &&
                          qri_metric_is_wanted(qr_str(name), qri_metrics[i].name) && *name != '\0');
        bad = known ? "" : *name == '\0' ? "''" : name;
    }
    return bad;
}

/* As Azure Monitor says it. */
static void refuse_name(const struct asked *a, const char *bad)
{
    struct qr_buf list;
    qr_buf_init(&list, 4096);
    for (size_t i = 0; i < qri_metric_count; i++)
        if (is_of(&qri_metrics[i], a))
            qr_buf_printf(&list, "%s%s", list.len == 0 ? "" : ",", qri_metrics[i].name);
    qri_refuse(a->r, 400, "BadRequest",
               "Failed to find metric configuration for provider: Microsoft.Sql, resource Type: "
               "%s, metric: %.100s, Valid metrics: %s",
               type_of(a), bad, qr_buf_cstr(&list));
    qr_buf_done(&list);
}

/* The metrics that are asked for; false: answered. */
static bool choose(struct asked *a, struct qri_series_set *set)
{
    const char *bad = a->names.n == 0 ? "" : find_bad_name(a);
    for (size_t i = 0; i < qri_metric_count && set->count < SERIES_MAX; i++)
        if (is_of(&qri_metrics[i], a) && qri_metric_is_wanted(a->names, qri_metrics[i].name))
            set->list[set->count++] = (struct qri_series){.metric = &qri_metrics[i]};
    if (*bad != '\0')
        refuse_name(a, bad);
    return *bad == '\0';
}

/* ---- what control knows ---- */

static enum qr_status add_size(void *ctx, const struct qr_backup_seen *backup)
{
    uint64_t *sizes = ctx;
    sizes[backup->kind] += backup->bytes;
    return QR_OK;
}

static bool has_source(const struct qri_series_set *set, enum qri_metric_source source)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->list[i].metric->source == source)
            return true;
    return false;
}

static enum qr_status fill(struct asked *a, struct qri_series_set *set, struct qr_err *err)
{
    const struct qr_arm_host *host = a->r->arm->options.host;
    uint8_t samples = a->resource == QRI_OF_POOL              ? QR_TELEMETRY_POOL
                      : set->span->step_ns < qri_grains[1].ns ? QR_TELEMETRY_MINUTE
                                                              : QR_TELEMETRY_DATABASE;
    const struct {
        enum qri_metric_source source;
        uint8_t kind;
    } kinds[] = {{QRI_OF_SAMPLES, samples},
                 {QRI_OF_EVENTS, QR_TELEMETRY_EVENT},
                 {QRI_OF_BILLED, QR_TELEMETRY_BILLED}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (has_source(set, kinds[i].source))
            QR_TRY(qr_telemetry_each(host->control, kinds[i].kind, a->place.number,
                                     set->span->from_ns - 1, QRI_ASK_NS, qri_series_take, set,
                                     err));
    if (has_source(set, QRI_OF_BACKUPS))
        QR_TRY(qr_control_each_backup(host->operate, a->place.number, qr_str(a->name), qr_str(""),
                                      false, QRI_ASK_NS, add_size, a->backups, err));
    return QR_OK;
}

/* ---- answers ---- */

static json_t *points_json(struct asked *a, const struct qri_series *series, size_t count)
{
    json_t *data = json_array();
    const struct qri_metric *m = series->metric;
    uint8_t wanted = a->aggregations == 0 ? m->primary : a->aggregations & m->aggregations;
    if (m->source == QRI_OF_BACKUPS) { /* there is one point: now */
        (void)json_array_append_new(
            data, json_pack("{s:s,s:f}", "timeStamp",
                            qri_time_text(a->r, qr_env_wall_ns(a->r->arm->options.env)), "maximum",
                            (double)a->backups[m->what]));
        return data;
    }
    for (size_t i = 0; i < count; i++) {
        int64_t at = a->span.from_ns + (int64_t)i * a->span.step_ns;
        json_t *one = json_pack("{s:s}", "timeStamp", qri_time_text(a->r, at));
        for (uint8_t bit = QRI_AVERAGE; bit <= QRI_TOTAL; bit = (uint8_t)(bit << 1)) {
            double value;
            if ((wanted & bit) != 0 && qri_point_value(&series->points[i], bit, &value))
                (void)json_object_set_new(one, qri_aggregation_name(bit, false), json_real(value));
        }
        (void)json_array_append_new(data, one);
    }
    return data;
}

static json_t *name_json(const struct qri_metric *m)
{
    return json_pack("{s:s,s:s}", "value", m->name, "localizedValue", m->display);
}

static json_t *series_json(struct asked *a, const struct qri_series *series, size_t count)
{
    const struct qri_metric *m = series->metric;
    return json_pack("{s:s++,s:s,s:o,s:s,s:s,s:s,s:[{s:[],s:o}]}", "id", a->id,
                     "/providers/Microsoft.Insights/metrics/", m->name, "type",
                     "Microsoft.Insights/metrics", "name", name_json(m), "displayDescription",
                     m->display, "unit", m->unit, "errorCode", "Success", "timeseries",
                     "metadatavalues", "data", points_json(a, series, count));
}

static void list_metrics(struct qri_request *r, uint8_t resource)
{
    struct asked a;
    struct qr_err err = {0};
    struct qri_series list[SERIES_MAX];
    struct qri_series_set set = {.list = list};
    if (!find_resource(r, resource, &a))
        return;
    (void)qri_form_get(&r->arena, qr_str(r->query), "metricnames", &a.names);
    if (!parse_span(&a) || !parse_aggregations(&a) || !choose(&a, &set))
        return;
    set.span = &a.span;
    set.resource = qr_str(a.name);
    enum qr_status status = qri_series_alloc(&r->arena, &set) ? fill(&a, &set, &err) : QR_NOMEM;
    if (status != QR_OK) {
        qri_refuse_err(r, status, &err);
        return;
    }
    json_t *value = json_array();
    for (size_t i = 0; i < set.count; i++)
        (void)json_array_append_new(value, series_json(&a, &list[i], set.point_count));
    qri_reply(r, 200,
              json_pack("{s:i,s:s++,s:s,s:s+,s:s,s:o}", "cost", 0, "timespan",
                        qri_time_text(r, a.span.from_ns), "/", qri_time_text(r, a.span.to_ns),
                        "interval", a.interval, "namespace", "Microsoft.Sql/", type_of(&a),
                        "resourceregion", a.place.location, "value", value));
}

/* ---- definitions ---- */

/* How long values of a grain are kept: telemetry.h. */
static const char *retention_of(const struct asked *a, const struct qri_metric *m, size_t grain)
{
    bool by_minutes = a->resource == QRI_OF_POOL || m->source != QRI_OF_SAMPLES;
    return grain == 0 && !by_minutes ? "PT6H" : m->source == QRI_OF_EVENTS ? "P30D" : "P14D";
}

static json_t *definition_json(const struct asked *a, const struct qri_metric *m)
{
    json_t *grains = json_array(), *supported = json_array();
    for (uint8_t bit = QRI_AVERAGE; bit <= QRI_TOTAL; bit = (uint8_t)(bit << 1))
        if ((m->aggregations & bit) != 0)
            (void)json_array_append_new(supported, json_string(qri_aggregation_name(bit, true)));
    for (size_t i = 0; i < qri_grain_count; i++)
        (void)json_array_append_new(grains, json_pack("{s:s,s:s}", "timeGrain", qri_grains[i].name,
                                                      "retention", retention_of(a, m, i)));
    return json_pack("{s:s++,s:s,s:s+,s:o,s:s,s:s,s:s,s:o,s:b,s:o}", "id", a->id,
                     "/providers/Microsoft.Insights/metricdefinitions/", m->name, "resourceId",
                     a->id, "namespace", "Microsoft.Sql/", type_of(a), "name", name_json(m),
                     "displayDescription", m->display, "unit", m->unit, "primaryAggregationType",
                     qri_aggregation_name(m->primary, true), "supportedAggregationTypes", supported,
                     "isDimensionRequired", 0, "metricAvailabilities", grains);
}

static void list_definitions(struct qri_request *r, uint8_t resource)
{
    struct asked a;
    if (!find_resource(r, resource, &a))
        return;
    json_t *list = json_array();
    for (size_t i = 0; i < qri_metric_count; i++)
        if (is_of(&qri_metrics[i], &a))
            (void)json_array_append_new(list, definition_json(&a, &qri_metrics[i]));
    qri_reply(r, 200, json_pack("{s:o}", "value", list));
}

void qri_list_metrics(struct qri_request *r)
{
    list_metrics(r, QRI_OF_DATABASE);
}

void qri_list_metric_definitions(struct qri_request *r)
{
    list_definitions(r, QRI_OF_DATABASE);
}

void qri_list_pool_metrics(struct qri_request *r)
{
    list_metrics(r, QRI_OF_POOL);
}

void qri_list_pool_metric_definitions(struct qri_request *r)
{
    list_definitions(r, QRI_OF_POOL);
}
