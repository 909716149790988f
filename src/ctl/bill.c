/* bill.c - see control_int.h: the compute that serverless databases are billed for.
 *
 * Whatever is online costs its least (min vCores, or min memory if that is more), also while no
 * process has it: the thread that pauses databases counts that here. What is used beyond it the
 * nodes count, second by second, and report (cmd/node_report.c). Both add up in telemetry, in one
 * row a minute. Time in which the service does not run is not billed; a crash loses ten seconds. */
#include <stdio.h>
#include "control_int.h"
#include "ctl/slo.h"
#include "ctl/telemetry.h"
#include "base/banned.h"

enum { ROWS_BYTES_MAX = 16 << 20 };
static const int64_t MINUTE_NS = INT64_C(60) * 1000000000, KEEP_NS = INT64_C(10) * 1000000000;

void qri_bill_init(struct qri_bill *bill)
{
    qr_buf_init(&bill->rows, ROWS_BYTES_MAX);
}

void qri_bill_done(struct qri_bill *bill)
{
    qr_buf_done(&bill->rows);
}

static void put_row(struct qri_bill *bill, const struct qr_database_row *row, const char *prefix,
                    int64_t minute_ns, uint64_t *micros)
{
    char key[QR_NAME_BYTES_MAX + 8];
    (void)snprintf(key, sizeof key, "%s%s", prefix, row->name);
    struct qr_telemetry_row t = {.kind = QR_TELEMETRY_BILLED,
                                 .server = qr_server_of(row->id),
                                 .at_wall_ns = minute_ns,
                                 .count = *micros,
                                 .key = qr_str(key)};
    if (*micros > 0)
        qr_telemetry_put(&bill->rows, &t);
    *micros = 0;
}

static void put_owed(struct qri_bill *bill, struct qri_owed *owed,
                     const struct qr_database_row *row)
{
    put_row(bill, row, "", owed->minute_ns, &owed->micros);
    put_row(bill, row, "ha:", owed->minute_ns, &owed->ha_micros);
}

/* For how long it was online since the last look. */
static int64_t online_since(const struct qri_owed *owed, const struct qr_database_row *row,
                            int64_t mono_ns, int64_t wall_ns)
{
    int64_t ns = owed->until_mono_ns == 0 ? 0 : mono_ns - owed->until_mono_ns;
    if (row->paused_wall_ns != 0) /* it was until then */
        ns -= wall_ns - row->paused_wall_ns;
    else if (owed->until_mono_ns == 0 && row->resumed_wall_ns != 0) /* it is since then */
        ns = wall_ns - row->resumed_wall_ns;
    return ns < 0 || ns > MINUTE_NS ? 0 : ns; /* clocks go back, and a start is no resume */
}

void qri_bill_look(struct qr_control *control, struct qri_owed *owed,
                   const struct qr_database_row *row)
{
    const struct qr_slo *slo = qr_slo_find(qr_str(row->objective));
    int64_t mono = qr_env_mono_ns(control->options.env),
            wall = qr_env_wall_ns(control->options.env);
    if (slo == NULL || !slo->is_serverless)
        return;
    if (owed->minute_ns != wall - wall % MINUTE_NS)
        put_owed(&control->bill, owed, row);
    owed->minute_ns = wall - wall % MINUTE_NS;
    uint64_t online = (uint64_t)online_since(owed, row, mono, wall);
    uint64_t micros = online * qr_slo_billed_min_milli(slo, row->traits.min_capacity_pct) / 1000000;
    owed->micros += micros;
    owed->ha_micros += micros * row->ha_replicas;
    owed->until_mono_ns = row->paused_wall_ns != 0 ? 0 : mono;
    if (control->bill.keep_at_ns <= mono || row->paused_wall_ns != 0)
        put_owed(&control->bill, owed, row);
}

void qri_bill_keep(struct qr_control *control)
{
    struct qri_bill *bill = &control->bill;
    int64_t now = qr_env_mono_ns(control->options.env);
    struct qr_err err = {0};
    if (bill->keep_at_ns <= now)
        bill->keep_at_ns = now + KEEP_NS;
    if (bill->rows.len == 0 || control->options.telemetry == NULL)
        return;
    enum qr_status status = qr_buf_status(&bill->rows, &err);
    if (status == QR_OK)
        status = qr_telemetry_add(control->options.telemetry, bill->rows.data, bill->rows.len,
                                  qr_env_wall_ns(control->options.env), &err);
    if (status != QR_OK)
        QR_LOG(&control->options.log, QR_WARN, "billed_lost", QR_F("reason", &err.text[0]));
    qr_buf_clear(&bill->rows);
}
