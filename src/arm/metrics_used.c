/* metrics_used.c - see metrics_int.h: metrics of a database from what control keeps of its use and
 * of events, by intervals of five minutes or more */
#include "metrics_int.h"
#include <stdlib.h>
#include <string.h>
#include "ctl/telemetry.h"
#include "base/banned.h"

enum { POINTS_MAX = 5000, NUMBERS = 10 };
static const int64_t SECOND_NS = 1000000000, GRAIN_NS = QRI_USED_GRAIN_NS;

/* What a row's body says, in this order behind the first word (cmd/node_report.c). */
enum {
    STORAGE_MB,
    CPU,
    IO,
    LOG_WRITE,
    WORKER,
    SESSION,
    DTUS,
    INSTANCE_CPU,
    INSTANCE_MEMORY,
    VCORES
};
enum { DTU_PERCENT = NUMBERS, EVENTS, BILLED, APP_CPU, APP_MEMORY };
static const int64_t MINUTE_NS = INT64_C(60) * 1000000000; /* the grain of the last three */

static const struct qri_used_metric metrics[] = {
    /* clang-format off */
    {"cpu_percent", "CPU percentage", "Percent", "Average", CPU, NULL},
    {"physical_data_read_percent", "Data IO percentage", "Percent", "Average", IO, NULL},
    {"log_write_percent", "Log IO percentage", "Percent", "Average", LOG_WRITE, NULL},
    {"dtu_consumption_percent", "DTU percentage", "Percent", "Average", DTU_PERCENT, NULL},
    {"dtu_limit", "DTU Limit", "Count", "Average", DTUS, NULL},
    {"cpu_limit", "CPU limit", "Count", "Average", VCORES, NULL},
    {"workers_percent", "Workers percentage", "Percent", "Maximum", WORKER, NULL},
    {"sessions_percent", "Sessions percentage", "Percent", "Maximum", SESSION, NULL},
    {"storage", "Data space used", "Bytes", "Maximum", STORAGE_MB, NULL},
    {"sqlserver_process_core_percent", "SQL Server process core percent", "Percent", "Maximum", INSTANCE_CPU, NULL},
    {"sqlserver_process_memory_percent", "SQL Server process memory percent", "Percent", "Maximum", INSTANCE_MEMORY, NULL},
    {"connection_successful", "Successful Connections", "Count", "Total", EVENTS, "connection_successful/"},
    {"connection_failed", "Failed Connections", "Count", "Total", EVENTS, "connection_failed/"},
    {"blocked_by_firewall", "Blocked by Firewall", "Count", "Total", EVENTS, "connection_failed/7/"},
    {"deadlock", "Deadlocks", "Count", "Total", EVENTS, "deadlock/"},
    {"app_cpu_billed", "App CPU billed", "Count", "Total", BILLED, ""},
    {"app_cpu_billed_ha_replicas", "App CPU billed HA replicas", "Count", "Total", BILLED, "ha:"},
    {"app_cpu_percent", "App CPU percentage", "Percent", "Average", APP_CPU, ""},
    {"app_memory_percent", "App memory percentage", "Percent", "Average", APP_MEMORY, ""},
    /* clang-format on */
};

const struct qri_used_metric *qri_used_metric_at(size_t index)
{
    return index < sizeof metrics / sizeof metrics[0] ? &metrics[index] : NULL;
}

/* ---- the span and its intervals ---- */

/* PT5M, PT1H, P1D. */
static int64_t interval_of(struct qr_str text)
{
    char word[16] = {0};
    if (text.n >= sizeof word)
        return 0;
    memcpy(word, text.p == NULL ? "" : text.p, text.n);
    bool is_time = strncmp(word, "PT", 2) == 0;
    char *end = NULL;
    int64_t n = strtoll(word + (is_time ? 2 : 1), &end, 10);
    int64_t unit = is_time && *end == 'M'    ? 60
                   : is_time && *end == 'H'  ? 3600
                   : !is_time && *end == 'D' ? 86400
                                             : 0;
    return word[0] != 'P' || n < 1 || n > 10000 || *end == '\0' || end[1] != '\0'
               ? 0
               : n * unit * SECOND_NS;
}

bool qri_used_span(struct qri_request *r, int64_t grain_ns, struct qri_used_span *ret_span)
{
    struct qr_str text = {NULL, 0}, interval = {NULL, 0};
    int64_t now = qr_env_wall_ns(r->arm->options.env);
    *ret_span = (struct qri_used_span){now - 3600 * SECOND_NS, now, GRAIN_NS};
    (void)qri_form_get(&r->arena, qr_str(r->query), "timespan", &text);
    (void)qri_form_get(&r->arena, qr_str(r->query), "interval", &interval);
    if (text.n > 0 && memchr(text.p, '%', text.n) != NULL) /* az encodes it twice */
        (void)qri_decode(&r->arena, text, false, &text);
    const char *slash = text.n == 0 ? NULL : memchr(text.p, '/', text.n);
    size_t first = slash == NULL ? 0 : (size_t)(slash - text.p);
    bool good = text.n == 0 ||
                (slash != NULL && qri_time_parse(qr_str_n(text.p, first), &ret_span->from_ns) &&
                 qri_time_parse(qr_str_n(slash + 1, text.n - first - 1), &ret_span->to_ns));
    if (interval.n > 0 && !qr_str_ieqz(interval, "FULL"))
        ret_span->step_ns = interval_of(interval);
    good = good && ret_span->step_ns > 0 && ret_span->from_ns < ret_span->to_ns;
    if (good && ret_span->step_ns < grain_ns) /* there is nothing finer */
        ret_span->step_ns = grain_ns;
    if (good && (ret_span->to_ns - ret_span->from_ns) / ret_span->step_ns < POINTS_MAX)
        return true;
    qri_refuse(r, 400, "BadRequest",
               "The time span is START/END of ISO 8601, the interval PTnM, PTnH or PnD, and there "
               "are at most %d points of them.",
               POINTS_MAX);
    return false;
}

/* ---- points ---- */

struct point {
    double sum, max;
    uint64_t count;
};

struct points {
    const struct qri_used_metric *metric;
    const struct qri_used_span *span;
    struct qr_str database;
    struct point *list;
    size_t count;
};

static void add(struct points *p, int64_t at_ns, double value, uint64_t weight)
{
    if (at_ns < p->span->from_ns || at_ns >= p->span->to_ns)
        return;
    size_t i = (size_t)((at_ns - p->span->from_ns) / p->span->step_ns);
    if (i >= p->count)
        return;
    struct point *point = &p->list[i];
    point->max = point->count == 0 || value > point->max ? value : point->max;
    point->sum += value;
    point->count += weight;
}

static double number_of(const struct qri_used_metric *m, const double n[NUMBERS])
{
    double most = n[CPU] > n[IO] ? n[CPU] : n[IO];
    if (m->number == DTU_PERCENT)
        return most > n[LOG_WRITE] ? most : n[LOG_WRITE];
    return m->number == STORAGE_MB ? n[STORAGE_MB] * (1 << 20) : n[m->number];
}

static enum qr_status take_sample(void *ctx, const struct qr_telemetry_row *row)
{
    struct points *p = ctx;
    char text[QR_TELEMETRY_BODY_BYTES_MAX + 1];
    double n[NUMBERS];
    if (!qr_str_ieq(row->key, p->database))
        return QR_OK;
    memcpy(text, row->body.p, row->body.n);
    text[row->body.n] = '\0';
    char *at = text + strcspn(text, " ");
    for (size_t i = 0; i < NUMBERS; i++) {
        char *end = NULL;
        n[i] = strtod(at, &end);
        if (end == at)
            return QR_OK;
        at = end;
    }
    bool is_dtu = n[DTUS] > 0;
    bool applies = p->metric->number == DTU_PERCENT || p->metric->number == DTUS ? is_dtu
                   : p->metric->number == VCORES                                 ? !is_dtu
                                                                                 : true;
    if (applies)
        add(p, row->at_wall_ns - GRAIN_NS, number_of(p->metric, n), 1);
    return QR_OK;
}

static enum qr_status take_event(void *ctx, const struct qr_telemetry_row *row)
{
    struct points *p = ctx;
    size_t n = strlen(p->metric->events);
    if (row->key.n < n || memcmp(row->key.p, p->metric->events, n) != 0)
        return QR_OK;
    const char *slash = memrchr(row->key.p, '/', row->key.n);
    struct qr_str name = qr_str_n(slash + 1, row->key.n - (size_t)(slash + 1 - row->key.p));
    if (qr_str_ieq(name, p->database))
        add(p, row->at_wall_ns, (double)row->count, 1);
    return QR_OK;
}

/* Compute that is billed: count and body as ctl/telemetry.h says. */
static enum qr_status take_billed(void *ctx, const struct qr_telemetry_row *row)
{
    struct points *p = ctx;
    char text[QR_TELEMETRY_BODY_BYTES_MAX + 1];
    struct qr_str name = row->key;
    size_t n = strlen(p->metric->events);
    if (name.n < n || memcmp(name.p, p->metric->events, n) != 0 ||
        !qr_str_ieq(qr_str_n(name.p + n, name.n - n), p->database))
        return QR_OK;
    if (p->metric->number == BILLED) {
        add(p, row->at_wall_ns, (double)row->count / 1e6, 1);
        return QR_OK;
    }
    memcpy(text, row->body.p, row->body.n);
    text[row->body.n] = '\0';
    char *second = NULL;
    double cpu = strtod(text, &second), memory = strtod(second, NULL);
    if (second != text)
        add(p, row->at_wall_ns, p->metric->number == APP_CPU ? cpu : memory, 1);
    return QR_OK;
}

/* Who asks for less gets its grain. */
int64_t qri_used_grain(const struct qri_used_metric *metric)
{
    return metric->number >= BILLED ? MINUTE_NS : GRAIN_NS;
}

static json_t *points_json(struct qri_request *r, const struct points *p)
{
    json_t *data = json_array();
    bool is_total = strcmp(p->metric->aggregation, "Total") == 0;
    bool is_max = strcmp(p->metric->aggregation, "Maximum") == 0;
    const char *name = is_total ? "total" : is_max ? "maximum" : "average";
    for (size_t i = 0; i < p->count; i++) {
        const struct point *point = &p->list[i];
        json_t *one = json_pack("{s:s}", "timeStamp",
                                qri_time_text(r, p->span->from_ns + (int64_t)i * p->span->step_ns));
        double value = is_total ? point->sum
                       : is_max ? point->max
                                : point->sum / (double)(point->count == 0 ? 1 : point->count);
        if (point->count > 0 || is_total) /* nothing happened, or nothing is known */
            (void)json_object_set_new(one, name, json_real(value));
        (void)json_array_append_new(data, one);
    }
    return data;
}

json_t *qri_used_points(struct qri_request *r, uint32_t server, struct qr_str database,
                        const struct qri_used_metric *metric, const struct qri_used_span *span)
{
    struct qri_used_span own = *span;
    struct points p = {.metric = metric, .span = &own, .database = database};
    struct qr_err err = {0};
    if (own.step_ns < qri_used_grain(metric))
        own.step_ns = qri_used_grain(metric);
    span = &own;
    p.count = (size_t)((span->to_ns - span->from_ns + span->step_ns - 1) / span->step_ns);
    p.list = qr_arena_array(&r->arena, p.count, sizeof *p.list);
    if (p.list == NULL)
        return NULL;
    memset(p.list, 0, p.count * sizeof *p.list);
    bool is_event = metric->number == EVENTS, is_billed = metric->number >= BILLED;
    enum qr_status status = qr_telemetry_each(r->arm->options.host->control,
                                              is_event    ? QR_TELEMETRY_EVENT
                                              : is_billed ? QR_TELEMETRY_BILLED
                                                          : QR_TELEMETRY_DATABASE,
                                              server, span->from_ns - 1, QRI_ASK_NS,
                                              is_event    ? take_event
                                              : is_billed ? take_billed
                                                          : take_sample,
                                              &p, &err);
    return status == QR_OK ? points_json(r, &p) : NULL;
}
