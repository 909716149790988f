/* reports.c - see cmd_int.h: events counted in memory until control has been told */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "cmd_int.h"
#include "ctl/telemetry.h"
#include "base/banned.h"

enum {
    ROWS_BYTES_MAX = 4 << 20,
    COUNTS_MAX = 2048
}; /* of different ones between two reports; more are not counted */
static const int64_t BUCKET_NS = INT64_C(300) * 1000000000, REPORT_NS = INT64_C(5) * 1000000000;

struct counted {
    uint32_t server;
    int64_t at_wall_ns;
    uint64_t count;
    char key[QR_TELEMETRY_KEY_BYTES_MAX];
};

struct qri_reports {
    struct qr_env *env;
    struct qr_log log;
    pthread_mutex_t mu; /* guards what follows */
    struct qr_buf rows; /* as they are sent */
    size_t count;
    struct counted counted[COUNTS_MAX];
};

struct qri_reports *qri_reports_new(struct qr_env *env, const struct qr_log *log)
{
    struct qri_reports *reports = calloc(1, sizeof *reports);
    if (reports == NULL)
        return NULL;
    reports->env = env;
    reports->log = *log;
    pthread_mutex_init(&reports->mu, NULL);
    qr_buf_init(&reports->rows, ROWS_BYTES_MAX);
    return reports;
}

void qri_reports_free(struct qri_reports *reports)
{
    if (reports == NULL)
        return;
    pthread_mutex_destroy(&reports->mu);
    qr_buf_done(&reports->rows);
    free(reports);
}

void qri_reports_count(struct qri_reports *reports, uint32_t server, const char *type, int subtype,
                       struct qr_str database)
{
    char key[QR_TELEMETRY_KEY_BYTES_MAX];
    int64_t now = qr_env_wall_ns(reports->env);
    int64_t at = now - now % BUCKET_NS;
    if (database.n == 0)
        database = qr_str("master");
    (void)snprintf(key, sizeof key, "%s/%d/%.*s", type, subtype, (int)database.n, database.p);
    pthread_mutex_lock(&reports->mu);
    size_t i = 0;
    while (i < reports->count &&
           (reports->counted[i].server != server || reports->counted[i].at_wall_ns != at ||
            strcmp(reports->counted[i].key, key) != 0))
        i++;
    if (i == reports->count && i < COUNTS_MAX) {
        reports->counted[i] = (struct counted){.server = server, .at_wall_ns = at};
        memcpy(reports->counted[i].key, key, sizeof key);
        reports->count++;
    }
    if (i < COUNTS_MAX)
        reports->counted[i].count++;
    pthread_mutex_unlock(&reports->mu);
}

void qri_reports_row(struct qri_reports *reports, const struct qr_telemetry_row *row)
{
    pthread_mutex_lock(&reports->mu);
    if (reports->rows.len + QR_TELEMETRY_KEY_BYTES_MAX + QR_TELEMETRY_BODY_BYTES_MAX <
        ROWS_BYTES_MAX)
        qr_telemetry_put(&reports->rows, row);
    pthread_mutex_unlock(&reports->mu);
}

/* Whole rows, as many as one report holds. */
static void take_rows(struct qri_reports *reports, struct qr_buf *buf)
{
    struct qr_telemetry_row row;
    size_t at = 0, next = 0;
    while (next < reports->rows.len &&
           qr_telemetry_next(reports->rows.data, reports->rows.len, &next, &row, NULL) == QR_OK &&
           next < QR_TELEMETRY_REPORT_BYTES_MAX)
        at = next;
    qr_buf_add(buf, reports->rows.data, at);
    size_t left = reports->rows.len - at;
    memmove(reports->rows.data, reports->rows.data + at, left);
    reports->rows.len = left;
}

/* As much as one report holds, taken out. */
static void take(struct qri_reports *reports, struct qr_buf *buf)
{
    pthread_mutex_lock(&reports->mu);
    if (reports->rows.len > 0)
        take_rows(reports, buf);
    while (reports->count > 0 &&
           buf->len + sizeof(struct counted) < QR_TELEMETRY_REPORT_BYTES_MAX) {
        const struct counted *c = &reports->counted[--reports->count];
        struct qr_telemetry_row row = {.kind = QR_TELEMETRY_EVENT,
                                       .server = c->server,
                                       .at_wall_ns = c->at_wall_ns,
                                       .count = c->count,
                                       .key = qr_str(c->key)};
        qr_telemetry_put(buf, &row);
    }
    pthread_mutex_unlock(&reports->mu);
}

void qri_reports_send(struct qri_reports *reports, struct qr_rpc_peer *control)
{
    struct qr_buf buf;
    enum qr_status status = QR_OK;
    qr_buf_init(&buf, QR_TELEMETRY_REPORT_BYTES_MAX);
    do {
        struct qr_err err = {0};
        qr_buf_clear(&buf);
        take(reports, &buf);
        if (buf.len > 0)
            status = qr_telemetry_report(control, buf.data, buf.len, REPORT_NS, &err);
        if (status != QR_OK)
            QR_LOG(&reports->log, QR_INFO, "report_lost", QR_F("reason", &err.text[0]));
    } while (buf.len > 0 && status == QR_OK);
    qr_buf_done(&buf);
}
