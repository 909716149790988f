/* node_report.c - see node_int.h: what the databases of a compute node used, told to control
 *
 * A report may be made again: rows of one time replace each other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ctl/measure.h"
#include "ctl/slo.h"
#include "ctl/telemetry.h"
#include "engine/engine.h"
#include "governor/sample.h"
#include "node_int.h"
#include "store/store.h"
#include "base/banned.h"

enum { BODY_BYTES = 1024 };
static const int64_t BUCKET_NS = INT64_C(300) * 1000000000, LATE_NS = INT64_C(25) * 1000000000,
                     MINUTE_NS = INT64_C(60) * 1000000000;

/* ---- what is in memory and on disk now ---- */

struct sizes {
    uint64_t cache, allocated, tempdb;
};

static struct sizes note_sizes(struct qr_gov_group *group, struct qr_database *db)
{
    struct qr_store_stats stats;
    qr_store_get_stats(qr_database_store(db), &stats);
    qr_gov_group_set_storage(group, stats.used_bytes > 0 ? stats.used_bytes : stats.data_bytes,
                             stats.data_bytes);
    qr_gov_group_set_memory(group, stats.cache_bytes);
    return (struct sizes){stats.cache_bytes, stats.data_bytes, stats.tmp_bytes};
}

/* ---- rows ---- */

struct sums {
    double cpu, io, log, instance_cpu, instance_memory;
    float worker, session;
    uint64_t storage;
    size_t count;
    struct qr_gov_sample newest;
    struct qr_measured measures[QR_MEASURES];
};

static void measure(struct sums *s, const struct qr_gov_sample *row, const struct sizes *sizes)
{
    float most = row->cpu > row->data_io ? row->cpu : row->data_io;
    const double values[QR_MEASURES] = {
        [QR_MEASURE_CPU] = row->cpu,
        [QR_MEASURE_IO] = row->data_io,
        [QR_MEASURE_LOG] = row->log_write,
        [QR_MEASURE_DTU] = most > row->log_write ? most : row->log_write,
        [QR_MEASURE_WORKERS] = row->workers_max,
        [QR_MEASURE_SESSIONS] = row->sessions_max,
        [QR_MEASURE_INSTANCE_CPU] = row->instance_cpu,
        [QR_MEASURE_INSTANCE_MEMORY] = row->instance_memory,
        [QR_MEASURE_SESSION_COUNT] = row->sessions,
        [QR_MEASURE_STORAGE] = (double)row->storage_bytes,
        [QR_MEASURE_STORAGE_LIMIT] = (double)row->storage_limit,
        [QR_MEASURE_ALLOCATED] = (double)sizes->allocated,
        [QR_MEASURE_TEMPDB_KB] = (double)(sizes->tempdb >> 10),
    };
    for (int i = 0; i < QR_MEASURES; i++)
        qr_measure_add(&s->measures[i], s->count, values[i]);
}

static struct sums sum_up(const struct qr_gov_sample *samples, size_t count, int64_t from,
                          int64_t to, const struct sizes *sizes)
{
    struct sums s = {0};
    for (size_t i = 0; i < count; i++) { /* newest first */
        const struct qr_gov_sample *row = &samples[i];
        if (row->end_wall_ns <= from || row->end_wall_ns > to)
            continue;
        measure(&s, row, sizes);
        if (s.count++ == 0)
            s.newest = *row;
        s.cpu += row->cpu;
        s.io += row->data_io;
        s.log += row->log_write;
        s.instance_cpu += row->instance_cpu;
        s.instance_memory += row->instance_memory;
        s.worker = row->workers_max > s.worker ? row->workers_max : s.worker;
        s.session = row->sessions_max > s.session ? row->sessions_max : s.session;
        s.storage = row->storage_bytes > s.storage ? row->storage_bytes : s.storage;
    }
    qr_measures_end(s.measures, s.count);
    return s;
}

/* Numbers in the order that sysview_used.c reads them; what stands for nothing known is "-". */
static void put_body(char body[BODY_BYTES], struct qr_str sku, const struct sums *s)
{
    double n = s->count == 0 ? 1 : (double)s->count;
    (void)snprintf(body, BODY_BYTES, "%.*s %.2f %.2f %.2f %.2f %.2f %.2f %u %.2f %.2f %.2f",
                   sku.n == 0 ? 1 : (int)sku.n, sku.n == 0 ? "-" : sku.p,
                   (double)s->storage / (1 << 20), s->cpu / n, s->io / n, s->log / n,
                   (double)s->worker, (double)s->session, s->newest.dtus, s->instance_cpu / n,
                   s->instance_memory / n, s->newest.vcores_pct / 100.0);
}

/* Behind the numbers; versions before did not tell it. In MB. */
static void put_allocated(char body[BODY_BYTES], const struct qr_gov_sample *newest)
{
    size_t used = strlen(body);
    (void)snprintf(body + used, BODY_BYTES - used, " %.2f",
                   (double)newest->allocated_bytes / (1 << 20));
}

/* Behind all else of a body. */
static void put_measures(char body[BODY_BYTES], const struct sums *s)
{
    size_t used = strlen(body);
    qr_measures_put(s->measures, body + used, BODY_BYTES - used);
}

enum { POOLS_TOLD_MAX = 64 };

struct report {
    uint64_t told[POOLS_TOLD_MAX]; /* pools, so that each is told once */
    size_t told_count;
    struct qri_node *node;
    struct sizes sizes;
    struct qr_str edition; /* borrowed for the call */
    int64_t now_ns;
    struct qr_gov_seen seen;
    bool found;
};

static void keep_seen(void *ctx, const struct qr_gov_seen *seen)
{
    struct report *r = ctx;
    r->seen = *seen;
    r->found = true;
}

/* ---- serverless: what is billed beyond the least ---- */

enum { MINUTE_SAMPLES = 4 };

/* How much of what it may have it uses: of this minute so far. "": not known yet. */
static void put_percents(const struct qr_gov_group *group, uint32_t id, int64_t minute_ns,
                         char body[BODY_BYTES])
{
    struct qr_gov_sample samples[MINUTE_SAMPLES];
    size_t n = qr_gov_group_samples(qr_gov_group_governor(group), id, samples, MINUTE_SAMPLES);
    double cpu = 0, memory = 0, count = 0;
    for (size_t i = 0; i < n; i++) {
        if (samples[i].end_wall_ns < minute_ns)
            continue;
        cpu += samples[i].cpu;
        memory += samples[i].memory;
        count += 1;
    }
    body[0] = '\0';
    if (count > 0)
        (void)snprintf(body, BODY_BYTES, "%.2f %.2f", cpu / count, memory / count);
}

void qri_node_report_billed(struct qri_node *node, const struct hosted *hosted)
{
    char body[BODY_BYTES], key[QR_NAME_BYTES_MAX + 8];
    struct report r = {.node = node, .now_ns = qr_env_wall_ns(node->options.env)};
    struct qr_governor *gov = node->options.governor;
    if (hosted->group == NULL || node->options.reports == NULL ||
        !qr_gov_find_group(gov, hosted->id, keep_seen, &r) || !r.found ||
        r.seen.limits.billed_min_milli == 0)
        return;
    bool is_ha = atomic_load(&node->duty) == QR_DUTY_HA_REPLICA;
    int64_t minute = r.now_ns - r.now_ns % MINUTE_NS;
    put_percents(hosted->group, hosted->id, minute, body);
    (void)snprintf(key, sizeof key, "%s%s", is_ha ? "ha:" : "", r.seen.database);
    struct qr_telemetry_row row = {.kind = QR_TELEMETRY_BILLED,
                                   .server = qr_server_of(hosted->id),
                                   .at_wall_ns = minute,
                                   .count = qr_gov_group_take_billed(hosted->group),
                                   .key = qr_str(key),
                                   .body = qr_str(body)};
    if (row.count > 0 || row.body.n > 0)
        qri_reports_row(node->options.reports, &row);
}

/* The interval of that length that has just ended, told for a while. */
static void report_database(struct report *r, uint32_t id, uint8_t kind, int64_t ns,
                            const struct qr_gov_sample *samples, size_t count)
{
    char body[BODY_BYTES];
    int64_t end = r->now_ns - r->now_ns % ns;
    struct sums s = sum_up(samples, count, end - ns, end, &r->sizes);
    if (r->now_ns - end > LATE_NS || s.count == 0)
        return;
    put_body(body, r->edition, &s);
    put_allocated(body, &s.newest);
    put_measures(body, &s);
    struct qr_telemetry_row row = {.kind = kind,
                                   .server = qr_server_of(id),
                                   .at_wall_ns = end,
                                   .key = qr_str(r->seen.database),
                                   .body = qr_str(body)};
    qri_reports_row(r->node->options.reports, &row);
}

/* What it used last, if that was just now. */
static void report_now(struct report *r, uint32_t id, struct qr_gov_sample *samples, size_t count)
{
    char body[BODY_BYTES + QR_GOV_NAME_BYTES_MAX], key[16];
    if (count == 0 || r->now_ns - samples[0].end_wall_ns > LATE_NS)
        return;
    const struct qr_gov_sample *newest = &samples[0];
    struct sums s = sum_up(samples, 1, newest->end_wall_ns - 1, newest->end_wall_ns, &r->sizes);
    put_body(body, qr_str(""), &s);
    size_t used = strlen(body);
    (void)snprintf(body + used, sizeof body - used, " %.2f %u %u %llu %s", (double)newest->memory,
                   newest->workers, newest->sessions, (unsigned long long)newest->storage_limit,
                   r->seen.database);
    (void)snprintf(key, sizeof key, "%u", id);
    struct qr_telemetry_row row = {.kind = QR_TELEMETRY_NOW,
                                   .server = qr_server_of(id),
                                   .at_wall_ns = newest->end_wall_ns,
                                   .key = qr_str(key),
                                   .body = qr_str(body)};
    qri_reports_row(r->node->options.reports, &row);
}

/* Of more than that many pools some are told more than once, which changes nothing. */
static bool is_told(struct report *r, uint64_t pool_key)
{
    for (size_t i = 0; i < r->told_count; i++)
        if (r->told[i] == pool_key)
            return true;
    if (r->told_count < POOLS_TOLD_MAX)
        r->told[r->told_count++] = pool_key;
    return false;
}

static void report_pool(struct report *r, uint32_t id, struct qr_gov_sample *samples, size_t count)
{
    char body[BODY_BYTES];
    for (size_t i = 0; i < count && i < 2; i++) {
        struct sums s = sum_up(&samples[i], 1, samples[i].end_wall_ns - 1, samples[i].end_wall_ns,
                               &(struct sizes){.allocated = samples[i].allocated_bytes});
        put_body(body, qr_str(""), &s);
        size_t used = strlen(body);
        (void)snprintf(body + used, sizeof body - used, " %.2f %llu", (double)samples[i].storage,
                       (unsigned long long)(samples[i].storage_limit >> 20));
        put_allocated(body, &samples[i]);
        put_measures(body, &s);
        struct qr_telemetry_row row = {.kind = QR_TELEMETRY_POOL,
                                       .server = qr_server_of(id),
                                       .at_wall_ns = samples[i].end_wall_ns,
                                       .key = qr_str(r->seen.elastic_pool),
                                       .body = qr_str(body)};
        qri_reports_row(r->node->options.reports, &row);
    }
}

void qri_node_report(struct qri_node *node)
{
    struct qr_governor *gov = node->options.governor;
    struct qr_gov_sample *samples = calloc(QR_GOV_SAMPLES_MAX, sizeof *samples);
    if (gov == NULL || node->options.reports == NULL || samples == NULL) {
        free(samples);
        return;
    }
    struct report r = {.node = node, .now_ns = qr_env_wall_ns(node->options.env)};
    pthread_mutex_lock(&node->mu);
    for (struct hosted_link *at = node->opened.after; at != &node->opened; at = at->after) {
        struct hosted *h = qri_hosted_of(at);
        if (h->state != HOSTED_OPEN || h->group == NULL)
            continue;
        r.sizes = note_sizes(h->group, h->db);
        r.edition = qr_database_edition(h->db);
        qri_node_reclaim(node, h, r.sizes.cache);
        qri_node_report_billed(node, h);
        r.found = false;
        if (qr_is_master(h->id) || !qr_gov_find_group(gov, h->id, keep_seen, &r) || !r.found)
            continue;
        size_t count = qr_gov_group_samples(gov, h->id, samples, QR_GOV_SAMPLES_MAX);
        report_database(&r, h->id, QR_TELEMETRY_DATABASE, BUCKET_NS, samples, count);
        report_database(&r, h->id, QR_TELEMETRY_MINUTE, MINUTE_NS, samples, count);
        if (atomic_load(&node->duty) == QR_DUTY_PRIMARY)
            report_now(&r, h->id, samples, count);
        if (r.seen.elastic_pool[0] == '\0' || is_told(&r, r.seen.pool_key))
            continue;
        uint64_t used = 0, allocated = qri_node_pool_bytes(node, qr_server_of(h->id),
                                                           r.seen.elastic_pool, &used);
        qr_gov_group_set_pool_storage(h->group, used, allocated);
        report_pool(&r, h->id, samples, qr_gov_pool_samples(gov, r.seen.pool_key, samples, 2));
    }
    pthread_mutex_unlock(&node->mu);
    free(samples);
}
