/* metrics_points.c - see metrics_int.h: what control keeps of use and of events, by intervals */
#include <stdlib.h>
#include <string.h>
#include "metrics_int.h"
#include "base/banned.h"

static const int64_t SECOND_NS = 1000000000;

/* Numbers of a body behind its first word (cmd/node_report.c). */
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
    VCORES,
    NUMBERS
};

bool qri_series_alloc(struct qr_arena *arena, struct qri_series_set *set)
{
    const struct qri_span *span = set->span;
    int64_t ns = span->to_ns - span->from_ns;
    set->point_count = (size_t)(ns / span->step_ns) + (ns % span->step_ns != 0);
    for (size_t i = 0; i < set->count; i++) {
        struct qri_point *points = qr_arena_array(arena, set->point_count, sizeof *points);
        if (points == NULL)
            return false;
        memset(points, 0, set->point_count * sizeof *points);
        set->list[i].points = points;
    }
    return true;
}

int64_t qri_row_interval_ns(uint8_t kind, bool *ret_at_end)
{
    *ret_at_end = kind != QR_TELEMETRY_EVENT && kind != QR_TELEMETRY_BILLED;
    switch (kind) {
    case QR_TELEMETRY_POOL:
        return 15 * SECOND_NS;
    case QR_TELEMETRY_MINUTE:
    case QR_TELEMETRY_BILLED:
        return 60 * SECOND_NS;
    default:
        return 300 * SECOND_NS;
    }
}

static void add(const struct qri_series_set *set, const struct qri_series *series,
                const struct qr_telemetry_row *row, const struct qr_measured *m)
{
    const struct qri_span *span = set->span;
    bool at_end = false;
    int64_t at = row->at_wall_ns, ns = qri_row_interval_ns(row->kind, &at_end);
    at -= at_end ? ns : 0;
    size_t i =
        at < span->from_ns ? set->point_count : (size_t)((at - span->from_ns) / span->step_ns);
    if (i >= set->point_count || at >= span->to_ns)
        return;
    struct qri_point *point = &series->points[i];
    point->least = point->count == 0 || m->least < point->least ? m->least : point->least;
    point->most = point->count == 0 || m->most > point->most ? m->most : point->most;
    point->sum += m->average;
    point->count += 1;
}

/* ---- samples ---- */

struct sample {
    double numbers[NUMBERS];
    struct qr_measured measures[QR_MEASURES];
    uint64_t known; /* bits of measures */
};

static struct qr_measured just(double value)
{
    return (struct qr_measured){value, value, value};
}

static struct qr_measured times(struct qr_measured m, double factor)
{
    return (struct qr_measured){m.average * factor, m.least * factor, m.most * factor};
}

/* Rows that an earlier version wrote have averages only, and not all of them. */
static void know_averages(struct sample *s)
{
    const double *n = s->numbers;
    double most = n[CPU] > n[IO] ? n[CPU] : n[IO];
    s->measures[QR_MEASURE_CPU] = just(n[CPU]);
    s->measures[QR_MEASURE_IO] = just(n[IO]);
    s->measures[QR_MEASURE_LOG] = just(n[LOG_WRITE]);
    s->measures[QR_MEASURE_DTU] = just(most > n[LOG_WRITE] ? most : n[LOG_WRITE]);
    s->measures[QR_MEASURE_WORKERS] = just(n[WORKER]);
    s->measures[QR_MEASURE_SESSIONS] = just(n[SESSION]);
    s->measures[QR_MEASURE_STORAGE] = just(n[STORAGE_MB] * (1 << 20));
    s->known = UINT64_C(1) << QR_MEASURE_CPU | UINT64_C(1) << QR_MEASURE_IO |
               UINT64_C(1) << QR_MEASURE_LOG | UINT64_C(1) << QR_MEASURE_DTU |
               UINT64_C(1) << QR_MEASURE_WORKERS | UINT64_C(1) << QR_MEASURE_SESSIONS |
               UINT64_C(1) << QR_MEASURE_STORAGE;
}

static bool parse_sample(struct qr_str body, struct sample *s)
{
    char text[QR_TELEMETRY_BODY_BYTES_MAX + 1];
    if (body.n > QR_TELEMETRY_BODY_BYTES_MAX)
        return false;
    memcpy(text, body.p, body.n);
    text[body.n] = '\0';
    char *at = text + strcspn(text, " ");
    for (size_t i = 0; i < NUMBERS; i++) {
        char *end = NULL;
        s->numbers[i] = strtod(at, &end);
        if (end == at)
            return false;
        at = end;
    }
    s->known = UINT64_MAX;
    if (!qr_measures_parse(body, s->measures))
        know_averages(s);
    return true;
}

static bool part_of(const struct sample *s, enum qr_measure whole, enum qr_measure part,
                    struct qr_measured *ret)
{
    double limit = s->measures[whole].average;
    bool known = (s->known >> whole & s->known >> part & 1) != 0 && limit > 0;
    if (known)
        *ret = times(s->measures[part], 100 / limit);
    return known;
}

/* False: the row does not say, or it is not of what is sold so. */
static bool value_of(const struct qri_metric *metric, const struct sample *s,
                     struct qr_measured *ret)
{
    double dtus = s->numbers[DTUS], vcores = s->numbers[VCORES];
    bool is_dtu = dtus > 0, is_vcore = !is_dtu && vcores > 0;
    if (metric->what < QR_MEASURES) {
        *ret = s->measures[metric->what];
        return (s->known >> metric->what & 1) != 0 && (metric->what != QR_MEASURE_DTU || is_dtu);
    }
    switch ((enum qri_metric_made)metric->what) {
    case QRI_MADE_STORAGE_PERCENT:
        return part_of(s, QR_MEASURE_STORAGE_LIMIT, QR_MEASURE_STORAGE, ret);
    case QRI_MADE_ALLOCATED_PERCENT:
        return part_of(s, QR_MEASURE_STORAGE_LIMIT, QR_MEASURE_ALLOCATED, ret);
    case QRI_MADE_DTU_LIMIT:
        *ret = just(dtus);
        return is_dtu;
    case QRI_MADE_DTU_USED:
        *ret = times(s->measures[QR_MEASURE_DTU], dtus / 100);
        return is_dtu;
    case QRI_MADE_CPU_LIMIT:
        *ret = just(vcores);
        return is_vcore;
    case QRI_MADE_CPU_USED:
        *ret = times(s->measures[QR_MEASURE_CPU], vcores / 100);
        return is_vcore;
    case QRI_MADE_NOTHING:
        *ret = just(0);
        return true;
    case QRI_MADE_APP_CPU:
    case QRI_MADE_APP_MEMORY:
    case QRI_MADE_APP_BILLED:
        break;
    }
    return false;
}

static void take_sample(const struct qri_series_set *set, const struct qr_telemetry_row *row)
{
    struct sample s;
    struct qr_measured m;
    if (!qr_str_ieq(row->key, set->resource) || !parse_sample(row->body, &s))
        return;
    for (size_t i = 0; i < set->count; i++)
        if (set->list[i].metric->source == QRI_OF_SAMPLES && value_of(set->list[i].metric, &s, &m))
            add(set, &set->list[i], row, &m);
}

/* ---- events, and compute that is billed ---- */

static bool begins(struct qr_str key, const char *prefix)
{
    size_t n = strlen(prefix);
    return key.n >= n && memcmp(key.p, prefix, n) == 0;
}

static void take_event(const struct qri_series_set *set, const struct qr_telemetry_row *row)
{
    const char *slash = row->key.n == 0 ? NULL : memrchr(row->key.p, '/', row->key.n);
    if (slash == NULL ||
        !qr_str_ieq(qr_str_n(slash + 1, row->key.n - (size_t)(slash + 1 - row->key.p)),
                    set->resource))
        return;
    struct qr_measured m = just((double)row->count);
    for (size_t i = 0; i < set->count; i++)
        if (set->list[i].metric->source == QRI_OF_EVENTS &&
            begins(row->key, set->list[i].metric->key))
            add(set, &set->list[i], row, &m);
}

static bool billed_of(const struct qri_metric *metric, const struct qr_telemetry_row *row,
                      struct qr_measured *ret)
{
    char text[QR_TELEMETRY_BODY_BYTES_MAX + 1];
    if (metric->what == QRI_MADE_APP_BILLED) {
        *ret = just((double)row->count / 1e6);
        return true;
    }
    memcpy(text, row->body.p == NULL ? "" : row->body.p, row->body.n);
    text[row->body.n] = '\0';
    char *second = NULL;
    double cpu = strtod(text, &second), memory = strtod(second, NULL);
    *ret = just(metric->what == QRI_MADE_APP_CPU ? cpu : memory);
    return second != text;
}

static void take_billed(const struct qri_series_set *set, const struct qr_telemetry_row *row)
{
    struct qr_measured m;
    for (size_t i = 0; i < set->count; i++) {
        const struct qri_metric *metric = set->list[i].metric;
        if (metric->source != QRI_OF_BILLED || !begins(row->key, metric->key))
            continue;
        size_t n = strlen(metric->key);
        if (qr_str_ieq(qr_str_n(row->key.p + n, row->key.n - n), set->resource) &&
            row->body.n <= QR_TELEMETRY_BODY_BYTES_MAX && billed_of(metric, row, &m))
            add(set, &set->list[i], row, &m);
    }
}

enum qr_status qri_series_take(void *ctx, const struct qr_telemetry_row *row)
{
    const struct qri_series_set *set = ctx;
    if (row->kind == QR_TELEMETRY_EVENT)
        take_event(set, row);
    else if (row->kind == QR_TELEMETRY_BILLED)
        take_billed(set, row);
    else
        take_sample(set, row);
    return QR_OK;
}

bool qri_point_value(const struct qri_point *point, uint8_t aggregation, double *ret_value)
{
    bool is_total = aggregation == QRI_TOTAL;
    *ret_value = is_total                     ? point->sum
                 : aggregation == QRI_MINIMUM ? point->least
                 : aggregation == QRI_MAXIMUM ? point->most
                 : point->count == 0          ? 0
                                              : point->sum / (double)point->count;
    return point->count > 0 || is_total; /* nothing happened, or nothing is known */
}
