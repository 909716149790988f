/* prometheus.c - see arm_int.h: GET /metrics in Prometheus' text format, from what nodes and
 * gateways have reported to control (ctl/telemetry.h): the newest sample of each database, and
 * events since this process began to count. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "ctl/peer.h"
#include "ctl/telemetry.h"
#include "resource_int.h"
#include "router_int.h"
#include "base/banned.h"

static const int64_t SECOND_NS = 1000000000, FRESH_NS = 60 * SECOND_NS,
                     COUNTED_NS = 28 * 24 * 3600 * SECOND_NS, EVENT_NS = 300 * SECOND_NS;
static const char content_type[] = "text/plain; version=0.0.4; charset=utf-8";

/* Numbers of a sample, in the order of its body behind the first word (cmd/node_report.c). */
enum number {
    STORAGE_MB,
    CPU,
    IO,
    LOG_WRITE,
    WORKER_PERCENT,
    SESSION_PERCENT,
    DTUS,
    INSTANCE_CPU,
    INSTANCE_MEMORY,
    VCORES,
    MEMORY,
    WORKERS,
    SESSIONS,
    STORAGE_LIMIT,
    NUMBERS
};

static const struct gauge {
    const char *name, *help;
    enum number number;
    double factor;
} gauges[] = {
    {"quire_database_cpu_percent", "CPU time used, percent of the objective's.", CPU, 1},
    {"quire_database_physical_data_read_percent", "Data I/O, percent of the objective's.", IO, 1},
    {"quire_database_log_write_percent", "Log written, percent of the objective's rate.", LOG_WRITE,
     1},
    {"quire_database_memory_percent", "Memory used, percent of the objective's.", MEMORY, 1},
    {"quire_database_workers", "Requests that ran at once, the most.", WORKERS, 1},
    {"quire_database_workers_percent", "The same, percent of the objective's workers.",
     WORKER_PERCENT, 1},
    {"quire_database_sessions", "Sessions, the most.", SESSIONS, 1},
    {"quire_database_sessions_percent", "The same, percent of the objective's sessions.",
     SESSION_PERCENT, 1},
    {"quire_database_storage_bytes", "Data space used.", STORAGE_MB, 1 << 20},
    {"quire_database_storage_limit_bytes",
     "Data space that the database may use, where its tier limits it.", STORAGE_LIMIT, 1},
    {"quire_database_dtu_limit", "DTUs of the objective; 0 where it is sold by vCores.", DTUS, 1},
    {"quire_database_cpu_limit_vcores", "vCores of the objective.", VCORES, 1},
    {"quire_instance_cpu_percent", "CPU time of the database's process, with internal work.",
     INSTANCE_CPU, 1},
    {"quire_instance_memory_percent", "Memory of the database's process.", INSTANCE_MEMORY, 1},
};

static const struct counter {
    const char *name, *help, *events; /* what the keys of its events begin with */
} counters[] = {
    {"quire_database_connections_successful_total", "Logins that got in.",
     "connection_successful/"},
    {"quire_database_connections_failed_total", "Logins that were refused.", "connection_failed/"},
    {"quire_database_blocked_by_firewall_total", "Logins that the firewall refused.",
     "connection_failed/7/"},
    {"quire_database_deadlocks_total", "Deadlocks.", "deadlock/"},
};
enum { COUNTERS = sizeof counters / sizeof counters[0] };

struct database {
    const char *server, *name; /* escaped, in the arena */
    bool has_sample;
    double numbers[NUMBERS];
    double counts[COUNTERS];
};

struct scrape {
    struct qri_request *r;
    const char *server; /* whose rows come now */
    size_t first;       /* of its databases */
    struct database *list;
    size_t count, capacity;
};

/* ---- labels ---- */

static const char *escaped(struct qri_request *r, struct qr_str text)
{
    char *copy = qr_arena_alloc(&r->arena, 2 * text.n + 1);
    size_t n = 0;
    for (size_t i = 0; copy != NULL && i < text.n; i++) {
        if (text.p[i] == '\\' || text.p[i] == '"' || text.p[i] == '\n')
            copy[n++] = '\\';
        copy[n++] = text.p[i] == '\n' ? 'n' : text.p[i];
    }
    if (copy != NULL)
        copy[n] = '\0';
    return copy;
}

/* The database of that name, on the server whose rows come. NULL: out of memory. */
static struct database *database_of(struct scrape *s, struct qr_str name)
{
    const char *text = escaped(s->r, name);
    if (text == NULL)
        return NULL;
    for (size_t i = s->first; i < s->count; i++)
        if (strcmp(s->list[i].name, text) == 0)
            return &s->list[i];
    void *grown =
        qr_arena_grow(&s->r->arena, s->list, s->count, &s->capacity, s->count + 1, sizeof *s->list);
    if (grown == NULL)
        return NULL;
    s->list = grown;
    struct database *d = &s->list[s->count++];
    *d = (struct database){.server = s->server, .name = text};
    return d;
}

/* ---- rows ---- */

/* In order of time: the newest is the last. */
static enum qr_status take_sample(void *ctx, const struct qr_telemetry_row *row)
{
    struct scrape *s = ctx;
    char text[QR_TELEMETRY_BODY_BYTES_MAX + 1];
    double numbers[NUMBERS];
    memcpy(text, row->body.p, row->body.n);
    text[row->body.n] = '\0';
    char *at = text + strcspn(text, " ");
    for (int i = 0; i < NUMBERS; i++) {
        char *end = NULL;
        numbers[i] = strtod(at, &end);
        if (end == at)
            return QR_OK;
        at = end;
    }
    if (*at != ' ')
        return QR_OK;
    struct database *d = database_of(s, qr_str(at + 1));
    if (d == NULL)
        return QR_NOMEM;
    d->has_sample = true;
    memcpy(d->numbers, numbers, sizeof numbers);
    return QR_OK;
}

static enum qr_status take_event(void *ctx, const struct qr_telemetry_row *row)
{
    struct scrape *s = ctx;
    const char *slash = row->key.n == 0 ? NULL : memrchr(row->key.p, '/', row->key.n);
    if (slash == NULL)
        return QR_OK;
    struct database *d =
        database_of(s, qr_str_n(slash + 1, row->key.n - (size_t)(slash + 1 - row->key.p)));
    if (d == NULL)
        return QR_NOMEM;
    for (size_t i = 0; i < COUNTERS; i++) {
        size_t n = strlen(counters[i].events);
        if (row->key.n > n && memcmp(row->key.p, counters[i].events, n) == 0)
            d->counts[i] += (double)row->count;
    }
    return QR_OK;
}

/* ---- the text ---- */

static void put_head(struct qr_buf *text, const char *name, const char *help, const char *type)
{
    qr_buf_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_value(struct qr_buf *text, const char *name, const struct database *d, double value)
{
    qr_buf_printf(text, "%s{server=\"%s\",database=\"%s\"} %.17g\n", name, d->server, d->name,
                  value);
}

/* Of the process that answers. */
static void put_process(struct qr_buf *text)
{
    struct rusage usage = {0};
    unsigned long long ignored = 0, pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f != NULL) {
        if (fscanf(f, "%llu %llu", &ignored, &pages) != 2)
            pages = 0;
        fclose(f);
    }
    (void)getrusage(RUSAGE_SELF, &usage);
    double cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    put_head(text, "process_cpu_seconds_total", "CPU time of the management API's process.",
             "counter");
    qr_buf_printf(text, "process_cpu_seconds_total %.6f\n", cpu_s);
    put_head(text, "process_resident_memory_bytes", "Memory of the management API's process.",
             "gauge");
    qr_buf_printf(text, "process_resident_memory_bytes %llu\n",
                  pages * (unsigned long long)sysconf(_SC_PAGESIZE));
}

static void put_cgroups(const struct qr_arm_options *options, struct qr_buf *text)
{
    static const char name[] = "quire_cgroup_limited";
    put_head(text, name, "1: compute nodes run in control groups that limit this.", "gauge");
    qr_buf_printf(text, "%s{controller=\"cpu\"} %d\n%s{controller=\"memory\"} %d\n", name,
                  options->cgroup_cpu, name, options->cgroup_memory);
}

/* Roles on other machines; where there are none there is no metric. */
static void put_machines(struct scrape *s, const struct qr_buf *items, struct qr_buf *text)
{
    static const char name[] = "quire_machine_up";
    struct qr_control_item item;
    if (items->len > 0)
        put_head(text, name, "1: the process on another machine is there.", "gauge");
    for (size_t at = 0; at < items->len;) {
        if (qr_control_item_next(items->data, items->len, &at, &item, NULL) != QR_OK)
            return;
        const char *role = escaped(s->r, item.name), *address = escaped(s->r, item.text);
        if (role != NULL && address != NULL)
            qr_buf_printf(text, "%s{name=\"%s\",address=\"%s\"} %d\n", name, role, address,
                          item.flag);
    }
}

static void put_all(const struct scrape *s, struct qr_buf *text)
{
    for (size_t i = 0; i < sizeof gauges / sizeof gauges[0]; i++) {
        put_head(text, gauges[i].name, gauges[i].help, "gauge");
        for (size_t k = 0; k < s->count; k++) {
            double value = s->list[k].numbers[gauges[i].number];
            bool is_known = gauges[i].number != STORAGE_LIMIT || value != 0;
            if (s->list[k].has_sample && is_known)
                put_value(text, gauges[i].name, &s->list[k], value * gauges[i].factor);
        }
    }
    for (size_t i = 0; i < COUNTERS; i++) {
        put_head(text, counters[i].name, counters[i].help, "counter");
        for (size_t k = 0; k < s->count; k++)
            put_value(text, counters[i].name, &s->list[k], s->list[k].counts[i]);
    }
    put_cgroups(&s->r->arm->options, text);
    put_process(text);
}

/* ---- the request ---- */

/* Those of the subscription: a reader of all of it may, and who has the token. */
static bool may(struct qri_request *r)
{
    static const struct qri_route reading = {.method = QRI_GET, .right = QRI_READ};
    if (r->is_scraper)
        return true;
    const struct qri_route *route = r->route;
    struct qri_path path = r->path;
    const char *scope = qr_arena_printf(&r->arena, "/subscriptions/%s", r->arm->subscription);
    r->route = &reading;
    bool good = scope != NULL && qri_path_parse(&r->arena, qr_str(scope), &r->path) && qri_may(r);
    r->route = route;
    r->path = path;
    if (!good && r->status == 0)
        qri_refuse(r, 403, "AuthorizationFailed",
                   "The client '%s' may not read the subscription, which /metrics needs.",
                   r->who.name);
    return good;
}

/* Events are kept for 30 days: before the first would go, counting begins anew, which whoever reads
 * counters understands. */
static int64_t counted_from(struct qr_arm *arm, int64_t now)
{
    int64_t from = atomic_load(&arm->counted_from_ns);
    if (from == 0 || now - from > COUNTED_NS) {
        from = now - now % EVENT_NS;
        atomic_store(&arm->counted_from_ns, from);
    }
    return from;
}

static enum qr_status take_server(struct scrape *s, uint32_t number, int64_t now, int64_t from,
                                  struct qr_err *err)
{
    struct qr_rpc_peer *control = s->r->arm->options.host->control;
    s->first = s->count;
    QR_TRY(qr_telemetry_each(control, QR_TELEMETRY_NOW, number, now - FRESH_NS, QRI_ASK_NS,
                             take_sample, s, err));
    return qr_telemetry_each(control, QR_TELEMETRY_EVENT, number, from - 1, QRI_ASK_NS, take_event,
                             s, err);
}

static void show(struct qri_request *r)
{
    size_t i;
    json_t *doc;
    struct scrape s = {.r = r};
    struct qr_err err = {0};
    enum qr_status status = QR_OK;
    json_t *docs = may(r) ? qri_doc_list(r, QR_DOC_SERVER, qr_str("")) : NULL;
    if (docs == NULL)
        return;
    int64_t now = qr_env_wall_ns(r->arm->options.env), from = counted_from(r->arm, now);
    json_array_foreach(docs, i, doc)
    {
        const char *name = json_string_value(json_object_get(doc, "name"));
        s.server = escaped(r, qr_str(name == NULL ? "" : name));
        if (status == QR_OK && s.server != NULL)
            status = take_server(&s, (uint32_t)json_integer_value(json_object_get(doc, "number")),
                                 now, from, &err);
    }
    json_decref(docs);
    struct qr_buf text, machines;
    qr_buf_init(&machines, QR_CONTROL_ANSWER_BYTES_MAX);
    if (status == QR_OK)
        status = qr_control_call(r->arm->options.host->control, QR_CONTROL_MACHINES,
                                 &(struct qr_control_ask){0}, QRI_ASK_NS, &machines, &err);
    if (status != QR_OK) {
        qr_buf_done(&machines);
        qri_refuse_err(r, status, &err);
        return;
    }
    qr_buf_init(&text, QRI_ANSWER_BYTES_MAX);
    put_all(&s, &text);
    put_machines(&s, &machines, &text);
    qr_buf_done(&machines);
    qri_reply_text(r, content_type, &text);
}

const struct qri_route qri_routes_metrics[] = {
    {QRI_GET, "/metrics", QRI_SIGNED_IN, show, false, true},
    {0},
};
