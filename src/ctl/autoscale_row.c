/* autoscale_row.c - see autoscale_int.h: decisions as rows of telemetry, and what is learnt of
 * them, and of what was used, after a start.
 *
 * A row's key is the database's number. Its UsageInfo has all that the decision was made from, so
 * the scaler that goes through the points again is where it was. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "autoscale_int.h"
#include "ctl/telemetry.h"
#include "base/banned.h"

enum { KEY_BYTES = 16, PIECE_BYTES = 256 * 1024 };
static const int64_t RECALLED_NS = INT64_C(3600) * 1000000000,
                     LEARNT_NS = INT64_C(14) * 86400 * 1000000000;

/* Names of what was used, and of its averages, by enum qr_scale_metric. */
static const struct {
    enum qr_used used;
    const char *name, *average;
} columns[QR_SCALE_METRIC_COUNT] = {
    [QR_SCALE_CPU] = {QR_USED_CPU, "AvgCpuPercent", "MovingAvgCpuPercent"},
    [QR_SCALE_DATA_IO] = {QR_USED_DATA_IO, "AvgDataIoPercent", "MovingAvgDataIoPercent"},
    [QR_SCALE_LOG] = {QR_USED_LOG, "AvgLogWritePercent", "MovingAvgLogWritePercent"},
    [QR_SCALE_WORKERS] = {QR_USED_WORKERS, "MaxWorkerPercent", "MovingAvgWorkerPercent"},
    [QR_SCALE_MEMORY] = {QR_USED_MEMORY, "AvgMemoryUsagePercent", "MovingAvgMemoryUsagePercent"},
};

/* ---- one row ---- */

static json_t *time_of(int64_t wall_ns)
{
    char text[64];
    struct tm tm;
    time_t seconds = (time_t)(wall_ns / 1000000000);
    if (gmtime_r(&seconds, &tm) == NULL || strftime(text, sizeof text, "%FT%TZ", &tm) == 0)
        return json_null();
    return json_string(text);
}

static json_t *rounded(double v)
{
    return json_real(round(v * 1000) / 1000);
}

static json_t *usage_of(const struct qri_autoscale *a, const struct qri_decision *d)
{
    json_t *o =
        json_pack("{s:o, s:s, s:o, s:i, s:s, s:o}", "TimeStamp", time_of(d->used.end_wall_ns),
                  "ServiceObjective", a->ladder[d->point.rung].name, "AvgInstanceCpuPercent",
                  rounded(d->used.percent[QR_USED_INSTANCE_CPU]), "DataPoints", (int)d->wish.points,
                  "Reason", qr_scale_reason_names[d->wish.reason], "Load", rounded(d->wish.load));
    for (int m = 0; o != NULL && m < QR_SCALE_METRIC_COUNT; m++) {
        (void)json_object_set_new(o, columns[m].name, rounded(d->point.percent[m]));
        (void)json_object_set_new(o, columns[m].average, rounded(d->wish.average[m]));
    }
    if (d->wish.has_forecast) {
        (void)json_object_set_new(o, "Expected", rounded(d->wish.expected));
        (void)json_object_set_new(o, "Upper", rounded(d->wish.upper));
    }
    const struct {
        const char *name;
        bool is_so;
    } flags[] = {{"DryRun", d->is_dry}, {"Late", d->is_late}, {"BackedOff", d->is_kept_back}};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (flags[i].is_so)
            (void)json_object_set_new(o, flags[i].name, json_true());
    if (d->error != NULL)
        (void)json_object_set_new(o, "Error", json_string(d->error));
    return o;
}

void qri_decision_keep(struct qr_control *control, uint32_t id, const struct qri_autoscale *a,
                       const struct qri_decision *d)
{
    char key[KEY_BYTES];
    struct qr_buf body, bytes;
    struct qr_err err = {0};
    if (control->options.telemetry == NULL)
        return;
    json_t *usage = usage_of(a, d);
    char *text = usage == NULL ? NULL : json_dumps(usage, JSON_COMPACT | JSON_REAL_PRECISION(7));
    json_decref(usage);
    snprintf(key, sizeof key, "%u", qr_number_of(id));
    qr_buf_init(&body, QR_TELEMETRY_BODY_BYTES_MAX);
    qr_buf_init(&bytes, QR_TELEMETRY_REPORT_BYTES_MAX);
    qr_buf_printf(&body, "%s %s %s", a->ladder[d->point.rung].name,
                  d->wish.is_decided ? a->ladder[d->wish.rung].name : "-",
                  text == NULL ? "{}" : text);
    free(text);
    enum qr_status status = qr_buf_status(&body, &err);
    struct qr_telemetry_row row = {.kind = QR_TELEMETRY_AUTOSCALE,
                                   .server = qr_server_of(id),
                                   .at_wall_ns = d->used.end_wall_ns,
                                   .key = qr_str(key),
                                   .body = qr_str_n((const char *)body.data, body.len)};
    if (status == QR_OK) {
        qr_telemetry_put(&bytes, &row);
        status = qr_buf_status(&bytes, &err);
    }
    if (status == QR_OK)
        status = qr_telemetry_add(control->options.telemetry, bytes.data, bytes.len,
                                  qr_env_wall_ns(control->options.env), &err);
    if (status != QR_OK)
        QR_LOG(&control->options.log, QR_WARN, "autoscale_decision_lost", QR_F("id", id),
               QR_F("reason", &err.text[0]));
    qr_buf_done(&body);
    qr_buf_done(&bytes);
}

bool qr_autoscale_decision_parse(struct qr_str body, struct qr_autoscale_decision *ret_decision)
{
    const char *first = memchr(body.p, ' ', body.n), *end = body.p + body.n;
    const char *second = first == NULL ? NULL : memchr(first + 1, ' ', (size_t)(end - (first + 1)));
    if (second == NULL)
        return false;
    struct qr_str requested = qr_str_n(first + 1, (size_t)(second - first - 1));
    if (qr_str_eq(requested, qr_str("-")))
        requested.n = 0;
    *ret_decision =
        (struct qr_autoscale_decision){qr_str_n(body.p, (size_t)(first - body.p)), requested,
                                       qr_str_n(second + 1, (size_t)(end - (second + 1)))};
    return true;
}

/* ---- after a start ---- */

struct recall {
    const struct qri_autoscale *a;
    struct qr_scaler *scaler;
    struct qr_str key;
    int64_t until_wall_ns;               /* nothing behind it is taken */
    int64_t first_wall_ns, last_wall_ns; /* of what was found; 0: nothing */
    void (*take)(struct recall *r, int64_t at_s, struct qr_str body);
};

/* As cmd/node_report.c writes it: a word, then numbers. */
static void learn_row(struct recall *r, int64_t at_s, struct qr_str body)
{
    enum { CPU = 1, IO, LOG, WORKER, DTUS = 6, VCORES = 9, NUMBERS };
    char text[QR_TELEMETRY_BODY_BYTES_MAX + 1];
    double n[NUMBERS] = {0};
    snprintf(text, sizeof text, "%.*s", (int)body.n, body.p);
    const char *at = text + strcspn(text, " ");
    for (int i = 0; i < NUMBERS; i++) {
        char *end = NULL;
        n[i] = strtod(at, &end);
        if (end == at || !(n[i] >= 0 && n[i] < 1e15))
            return;
        at = end;
    }
    struct qr_scale_point point = {
        .at_s = at_s,
        .rung =
            qri_autoscale_rung(r->a, (uint32_t)lround(n[VCORES] * 100), (uint32_t)lround(n[DTUS])),
        .percent = {[QR_SCALE_CPU] = n[CPU],
                    [QR_SCALE_DATA_IO] = n[IO],
                    [QR_SCALE_LOG] = n[LOG],
                    [QR_SCALE_WORKERS] = n[WORKER]}};
    qr_scaler_learn(r->scaler, &point);
}

static void decide_row(struct recall *r, int64_t at_s, struct qr_str body)
{
    struct qr_autoscale_decision d;
    struct qr_scale_wish wish;
    struct qr_scale_point point = {.at_s = at_s, .rung = -1};
    if (!qr_autoscale_decision_parse(body, &d))
        return;
    for (size_t i = 0; i < r->a->rung_count; i++)
        if (qr_str_ieqz(d.current, r->a->ladder[i].name))
            point.rung = (int)i;
    json_t *usage = json_loadb(d.usage.p, d.usage.n, 0, NULL);
    for (int m = 0; m < QR_SCALE_METRIC_COUNT; m++)
        point.percent[m] = json_number_value(json_object_get(usage, columns[m].name));
    json_decref(usage);
    if (point.rung >= 0)
        qr_scaler_next(r->scaler, &point, &wish);
}

/* Rows of that kind behind a time. */
static void walk(struct qr_control *control, uint8_t kind, uint32_t server, int64_t after_wall_ns,
                 struct recall *r)
{
    char key[QR_TELEMETRY_KEY_BYTES_MAX];
    struct qr_telemetry_row row = {.at_wall_ns = after_wall_ns};
    struct qr_buf piece;
    enum qr_status status = QR_OK;
    qr_buf_init(&piece, 2 * PIECE_BYTES);
    do {
        qr_buf_clear(&piece);
        status = qr_telemetry_list(control->options.telemetry, kind, server, row.at_wall_ns,
                                   row.key, PIECE_BYTES, &piece, NULL);
        for (size_t at = 0; status == QR_OK && at < piece.len;) {
            status = qr_telemetry_next(piece.data, piece.len, &at, &row, NULL);
            if (status != QR_OK || !qr_str_eq(row.key, r->key) || row.at_wall_ns > r->until_wall_ns)
                continue;
            if (r->first_wall_ns == 0)
                r->first_wall_ns = row.at_wall_ns;
            r->last_wall_ns = row.at_wall_ns;
            if (r->take != NULL)
                r->take(r, row.at_wall_ns / 1000000000, row.body);
        }
        memcpy(key, row.key.n == 0 ? "" : row.key.p, row.key.n);
        row.key = qr_str_n(key, row.key.n);
    } while (status == QR_OK && piece.len > 0);
    qr_buf_done(&piece);
}

void qri_decisions_recall(struct qr_control *control, const struct qr_database_row *row,
                          const struct qri_autoscale *a, struct qr_scaler *scaler,
                          int64_t *ret_last_wall_ns)
{
    char key[KEY_BYTES];
    int64_t now = qr_env_wall_ns(control->options.env);
    uint32_t server = qr_server_of(row->id);
    *ret_last_wall_ns = 0;
    if (control->options.telemetry == NULL)
        return;
    snprintf(key, sizeof key, "%u", qr_number_of(row->id));
    struct recall looks = {.key = qr_str(key), .until_wall_ns = now};
    walk(control, QR_TELEMETRY_AUTOSCALE, server, now - RECALLED_NS, &looks);
    struct recall learns = {.a = a,
                            .scaler = scaler,
                            .key = qr_str(row->name),
                            .until_wall_ns =
                                looks.first_wall_ns == 0 ? now : looks.first_wall_ns - 1,
                            .take = learn_row};
    if (a->policy.kind == QR_SCALE_FORECAST)
        walk(control, QR_TELEMETRY_DATABASE, server, now - LEARNT_NS, &learns);
    struct recall again = {
        .a = a, .scaler = scaler, .key = qr_str(key), .until_wall_ns = now, .take = decide_row};
    walk(control, QR_TELEMETRY_AUTOSCALE, server, now - RECALLED_NS, &again);
    *ret_last_wall_ns = again.last_wall_ns;
}
