/* qstore.c - Query Store in memory: the inbox, queries, plans and runs; see qstore_int.h */
#include "qstore_int.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

enum { INBOX_BYTES_MAX = 16 << 20, CANDIDATES_MAX = 4096, QUERIES_MAX = 20000 };
static const int64_t MINUTE_TICKS = INT64_C(60) * 10000000, HOUR_TICKS = 60 * MINUTE_TICKS;

struct qri_qs_item {
    struct qri_qs_item *next;
    size_t bytes;
    struct qri_shape *shape; /* reference */
    struct qri_runs runs;
    struct qri_makes makes;
    enum qri_run_end end;
    uint32_t object_id;
    bool has_params;
    enum qr_ast_stmt_kind kind;
    uint64_t options, query_hash, batch_id;
    int64_t created_ticks;
    size_t text_bytes;
    char text[];
};

/* ---- life ---- */

struct qri_qstore *qri_qstore_new(struct qr_database *db)
{
    struct qri_qstore *qs = calloc(1, sizeof *qs);
    if (qs == NULL)
        return NULL;
    qs->db = db;
    qs->inbox_end = &qs->inbox;
    pthread_mutex_init(&qs->mu, NULL);
    pthread_mutex_init(&qs->inbox_mu, NULL);
    for (int i = 0; i < QRI_QS_OPTIONS; i++)
        qs->options[i] = qri_qs_option_infos[i].initial;
    for (int i = 0; i < QRI_QS_COUNTERS; i++)
        qs->last_ids[i] = -1;
    bool is_master = db->info.database_id == 1; /* which cannot have one */
    if (is_master)
        qs->options[QRI_QS_STATE] = QRI_QS_OFF;
    atomic_init(&qs->interval_minutes, is_master ? 0 : qs->options[QRI_QS_INTERVAL_MINUTES]);
    atomic_init(&qs->flushed_ns, qr_env_mono_ns(db->instance->options.env));
    atomic_init(&qs->flush_s, qs->options[QRI_QS_FLUSH_S]);
    return qs;
}

static void free_item(struct qri_qs_item *item)
{
    qri_shape_unref(item->shape);
    free(item->runs.waits);
    free(item);
}

static void free_stats(struct qri_qs_stats *stats)
{
    free(stats->runs.waits);
    free(stats);
}

static void free_plan(struct qri_qs_plan *plan)
{
    while (plan->stats != NULL) {
        struct qri_qs_stats *next = plan->stats->next;
        free_stats(plan->stats);
        plan->stats = next;
    }
    qri_shape_unref(plan->shape);
    free(plan->xml);
    free(plan);
}

void qri_qs_query_free(struct qri_qs_query *query)
{
    while (query->plans != NULL) {
        struct qri_qs_plan *next = query->plans->next;
        free_plan(query->plans);
        query->plans = next;
    }
    free((char *)(uintptr_t)query->text.p);
    free(query);
}

static struct qri_qs_item *empty_inbox(struct qri_qstore *qs)
{
    pthread_mutex_lock(&qs->inbox_mu);
    struct qri_qs_item *items = qs->inbox;
    qs->inbox = NULL;
    qs->inbox_end = &qs->inbox;
    qs->inbox_bytes = 0;
    pthread_mutex_unlock(&qs->inbox_mu);
    return items;
}

void qri_qs_forget(struct qri_qstore *qs)
{
    for (struct qri_qs_item *item = empty_inbox(qs), *next; item != NULL; item = next) {
        next = item->next;
        free_item(item);
    }
    for (size_t i = 0; i < QRI_QS_BUCKETS; i++)
        while (qs->buckets[i] != NULL) {
            struct qri_qs_query *next = qs->buckets[i]->next;
            qri_qs_query_free(qs->buckets[i]);
            qs->buckets[i] = next;
        }
    qs->query_count = 0;
}

void qri_qs_forget_captured(struct qri_qstore *qs)
{
    for (size_t i = 0; i < QRI_QS_BUCKETS; i++)
        for (struct qri_qs_query **at = &qs->buckets[i]; *at != NULL;) {
            struct qri_qs_query *query = *at;
            if (!query->is_captured) {
                at = &query->next;
                continue;
            }
            *at = query->next;
            qri_qs_query_free(query);
            qs->query_count--;
        }
}

void qri_qstore_free(struct qri_qstore *qs)
{
    if (qs == NULL)
        return;
    qri_qs_forget(qs);
    pthread_mutex_destroy(&qs->inbox_mu);
    pthread_mutex_destroy(&qs->mu);
    free(qs);
}

/* ---- intervals, by their first minute ---- */

int64_t qri_qstore_interval_end(const struct qr_database *db, int64_t ticks)
{
    int64_t minutes = atomic_load_explicit(&db->qstore->interval_minutes, memory_order_relaxed);
    int64_t length = (minutes == 0 ? 60 : minutes) * MINUTE_TICKS;
    return (ticks / length + 1) * length;
}

int64_t qri_qs_interval_of(const struct qri_qstore *qs, int64_t ticks)
{
    int64_t minutes = qs->options[QRI_QS_INTERVAL_MINUTES];
    return ticks / MINUTE_TICKS / minutes * minutes;
}

int64_t qri_qs_interval_ticks(int64_t interval)
{
    return interval * MINUTE_TICKS;
}

/* ---- the inbox ---- */

static struct qri_qs_item *make_item(const struct qri_text *text, const struct qri_stmt_cost *cost)
{
    struct qr_str all = text->text;
    size_t begin = text->text_at + cost->begin, n = cost->bytes;
    if (begin + n > all.n)
        return NULL;
    struct qri_qs_item *item = calloc(1, sizeof *item + text->text_at + n + 1);
    if (item == NULL)
        return NULL;
    item->text_bytes = text->text_at + n; /* "(@a int)" stands in front */
    memcpy(item->text, all.p, text->text_at);
    memcpy(item->text + text->text_at, all.p + begin, n);
    item->bytes = sizeof *item + item->text_bytes;
    item->shape = qri_shape_share(cost->shape);
    item->object_id = text->object_id;
    item->has_params = text->is_prepared;
    item->kind = cost->kind;
    item->options = cost->options_key;
    item->query_hash = cost->query_hash;
    item->batch_id = text->id;
    item->created_ticks = cost->created_ticks;
    return item;
}

void qri_qstore_add(struct qri_text *text, struct qri_stmt_cost *cost, struct qri_runs *runs,
                    enum qri_run_end end)
{
    struct qri_qstore *qs = text->db->qstore;
    struct qri_qs_item *item = NULL;
    if (atomic_load_explicit(&qs->interval_minutes, memory_order_relaxed) != 0 &&
        cost->shape != NULL)
        item = make_item(text, cost);
    if (item != NULL) {
        item->runs = *runs;
        item->end = end;
        item->makes = cost->makes;
        runs->waits = NULL;
        pthread_mutex_lock(&qs->inbox_mu);
        bool fits = qs->inbox_bytes + item->bytes <= INBOX_BYTES_MAX;
        if (fits) {
            *qs->inbox_end = item;
            qs->inbox_end = &item->next;
            qs->inbox_bytes += item->bytes;
        }
        pthread_mutex_unlock(&qs->inbox_mu);
        if (!fits) /* nobody has emptied it: these are lost */
            free_item(item);
    }
    cost->makes = (struct qri_makes){0};
    free(runs->waits);
    runs->waits = NULL;
}

/* ---- from the inbox to queries ---- */

static struct qri_qs_query *query_of(struct qri_qstore *qs, const struct qri_qs_item *item)
{
    uint64_t text_hash = qr_hash_bytes(item->text, item->text_bytes, 0);
    uint64_t parts[3] = {text_hash, item->object_id, item->options};
    uint64_t key = qr_hash_bytes(parts, sizeof parts, 0);
    struct qri_qs_query **bucket = &qs->buckets[text_hash % QRI_QS_BUCKETS], *query = *bucket;
    while (query != NULL && query->key != key)
        query = query->next;
    if (query != NULL || qs->query_count >= QUERIES_MAX)
        return query;
    query = calloc(1, sizeof *query);
    char *text = malloc(item->text_bytes + 1);
    if (query == NULL || text == NULL) {
        free(query);
        free(text);
        return NULL;
    }
    memcpy(text, item->text, item->text_bytes);
    text[item->text_bytes] = '\0';
    *query = (struct qri_qs_query){.next = *bucket,
                                   .text_hash = text_hash,
                                   .key = key,
                                   .text = qr_str_n(text, item->text_bytes),
                                   .object_id = item->object_id,
                                   .has_params = item->has_params,
                                   .kind = item->kind,
                                   .options = item->options,
                                   .query_hash = item->query_hash,
                                   .batch_id = item->batch_id,
                                   .first_ticks = item->created_ticks};
    *bucket = query;
    qs->query_count++;
    return query;
}

static struct qri_qs_plan *plan_of(struct qri_qs_query *query, const struct qri_qs_item *item)
{
    struct qri_qs_plan *plan = query->plans;
    while (plan != NULL && plan->shape != item->shape)
        plan = plan->next;
    if (plan == NULL && (plan = calloc(1, sizeof *plan)) != NULL) {
        plan->shape = qri_shape_share(item->shape);
        plan->first_ticks = item->created_ticks;
        plan->next = query->plans;
        query->plans = plan;
    }
    return plan;
}

static void add_runs(struct qri_qstore *qs, struct qri_qs_plan *plan, struct qri_qs_item *item)
{
    int64_t interval = qri_qs_interval_of(qs, item->runs.last_ticks);
    struct qri_qs_stats *stats = plan->stats;
    while (stats != NULL &&
           (stats->lsn != 0 || stats->interval != interval || stats->end != item->end))
        stats = stats->next;
    if (stats == NULL) {
        if ((stats = calloc(1, sizeof *stats)) == NULL)
            return;
        stats->interval = interval;
        stats->minutes = qs->options[QRI_QS_INTERVAL_MINUTES];
        stats->end = item->end;
        stats->next = plan->stats;
        plan->stats = stats;
    }
    qri_runs_merge(&stats->runs, &item->runs);
}

static void capture(const struct qri_qstore *qs, struct qri_qs_query *query)
{
    const int64_t *o = qs->options;
    switch ((enum qri_qs_capture)o[QRI_QS_CAPTURE]) {
    case QRI_QS_ALL:
        query->is_captured = true;
        break;
    case QRI_QS_AUTO:
    case QRI_QS_CUSTOM:
        query->is_captured |= query->count >= o[QRI_QS_CAPTURE_COUNT] ||
                              query->cpu_us >= o[QRI_QS_CAPTURE_CPU_MS] * 1000 ||
                              query->make_cpu_us >= o[QRI_QS_CAPTURE_COMPILE_MS] * 1000;
        break;
    case QRI_QS_NONE: /* those that are known go on */
        break;
    }
}

static void take_item(struct qri_qstore *qs, struct qri_qs_item *item)
{
    struct qri_qs_query *query = query_of(qs, item);
    struct qri_qs_plan *plan = query == NULL ? NULL : plan_of(query, item);
    if (plan == NULL)
        return;
    if (item->created_ticks > plan->last_ticks) {
        plan->last_ticks = item->created_ticks;
        plan->new_compiles++;
    }
    if (item->created_ticks > query->last_ticks) {
        query->last_ticks = item->created_ticks;
        query->new_compiles++;
    }
    if (item->runs.last_ticks > plan->last_run_ticks)
        plan->last_run_ticks = item->runs.last_ticks;
    if (item->runs.last_ticks > query->last_run_ticks)
        query->last_run_ticks = item->runs.last_ticks;
    query->count += item->runs.count;
    query->cpu_us += item->runs.cost[QRI_COST_WORKER_US].total;
    query->make_cpu_us += (item->makes.of[QRI_MADE_BIND_CPU_NS].total +
                           item->makes.of[QRI_MADE_OPTIMIZE_CPU_NS].total) /
                          1000;
    qri_makes_merge(&plan->makes, &item->makes);
    add_runs(qs, plan, item);
    capture(qs, query);
}

/* Those that were not worth keeping within the time that the policy gives them. */
static void drop_candidates(struct qri_qstore *qs)
{
    int64_t now = qri_ticks_of_wall(qr_env_wall_ns(qs->db->instance->options.env));
    int64_t since = now - qs->options[QRI_QS_CAPTURE_HOURS] * HOUR_TICKS;
    size_t candidates = 0;
    for (size_t i = 0; i < QRI_QS_BUCKETS; i++)
        for (const struct qri_qs_query *q = qs->buckets[i]; q != NULL; q = q->next)
            candidates += !q->is_captured;
    bool many = candidates > CANDIDATES_MAX;
    for (size_t i = 0; i < QRI_QS_BUCKETS; i++)
        for (struct qri_qs_query **at = &qs->buckets[i]; *at != NULL;) {
            struct qri_qs_query *query = *at;
            if (query->is_captured || (!many && query->first_ticks >= since)) {
                at = &query->next;
                continue;
            }
            *at = query->next;
            qri_qs_query_free(query);
            qs->query_count--;
        }
}

void qri_qs_take_inbox(struct qri_qstore *qs)
{
    for (struct qri_qs_item *item = empty_inbox(qs), *next; item != NULL; item = next) {
        next = item->next;
        take_item(qs, item);
        free_item(item);
    }
    drop_candidates(qs);
}

static void drop_stats(struct qri_qs_plan *plan, bool written_only)
{
    for (struct qri_qs_stats **at = &plan->stats; *at != NULL;) {
        struct qri_qs_stats *stats = *at;
        if (written_only && stats->lsn == 0) {
            stats->id = 0;
            at = &stats->next;
            continue;
        }
        *at = stats->next;
        free_stats(stats);
    }
}

void qri_qs_drop_stats(struct qri_qs_plan *plan)
{
    drop_stats(plan, false);
}

void qri_qs_forget_ids(struct qri_qstore *qs)
{
    for (size_t i = 0; i < QRI_QS_BUCKETS; i++)
        for (struct qri_qs_query *q = qs->buckets[i]; q != NULL; q = q->next) {
            if (!q->is_captured)
                continue;
            q->id = q->text_id = q->context_id = 0;
            q->lsn = 0;
            q->was_on_disk = q->has_text = q->has_context = false;
            for (struct qri_qs_plan *p = q->plans; p != NULL; p = p->next) {
                drop_stats(p, true);
                free(p->xml);
                p->xml = NULL;
                p->id = 0;
                p->lsn = 0;
                p->was_on_disk = false;
            }
        }
}

bool qri_qs_has_news(struct qri_qstore *qs)
{
    for (size_t i = 0; i < QRI_QS_BUCKETS; i++)
        for (const struct qri_qs_query *q = qs->buckets[i]; q != NULL; q = q->next)
            for (const struct qri_qs_plan *p = q->is_captured ? q->plans : NULL; p != NULL;
                 p = p->next)
                for (const struct qri_qs_stats *s = p->stats; s != NULL; s = s->next)
                    if (s->lsn == 0)
                        return true;
    return false;
}

/* ---- waits by category ---- */

static const char *const categories[QRI_WAIT_CATEGORIES] = {"Unknown",
                                                            "CPU",
                                                            "Worker Thread",
                                                            "Lock",
                                                            "Latch",
                                                            "Buffer Latch",
                                                            "Buffer IO",
                                                            "Compilation",
                                                            "SQL CLR",
                                                            "Mirroring",
                                                            "Transaction",
                                                            "Idle",
                                                            "Preemptive",
                                                            "Service Broker",
                                                            "Tran Log IO",
                                                            "Network IO",
                                                            "Parallelism",
                                                            "Memory",
                                                            "User Wait",
                                                            "Tracing",
                                                            "Full Text Search",
                                                            "Other Disk IO",
                                                            "Replication",
                                                            "Log Rate Governor"};

/* As the documentation of sys.query_store_wait_stats has them; a name that ends with _ is the
 * beginning of many. */
static const struct {
    const char *name;
    int category;
} wait_rows[] = {
    {"SOS_SCHEDULER_YIELD", 1},
    {"THREADPOOL", 2},
    {"LCK_M_", 3},
    {"LATCH_", 4},
    {"PAGELATCH_", 5},
    {"PAGEIOLATCH_", 6},
    {"RESOURCE_SEMAPHORE_QUERY_COMPILE", 7},
    {"LOGBUFFER", 14},
    {"WRITELOG", 14},
    {"ASYNC_NETWORK_IO", 15},
    {"CXPACKET", 16},
    {"CXCONSUMER", 16},
    {"RESOURCE_SEMAPHORE", 17},
    {"RESERVED_MEMORY_ALLOCATION_EXT", 17},
    {"WAITFOR", 18},
    {"ASYNC_IO_COMPLETION", 21},
    {"IO_COMPLETION", 21},
    {"BACKUPIO", 21},
    {"IO_QUEUE_LIMIT", 21},
    {"HADR_THROTTLE_LOG_RATE_GOVERNOR", 23},
    {"SE_REPL_", 22},
    {"HADR_", 22},
    {"LOG_RATE_GOVERNOR", 23},
    {"POOL_LOG_RATE_GOVERNOR", 23},
    {"INSTANCE_LOG_RATE_GOVERNOR", 23},
    {"RBIO_RG_", 23},
};

static struct {
    pthread_once_t once;
    uint8_t of[QR_WAIT_COUNT];
} wait_categories = {.once = PTHREAD_ONCE_INIT};

static void find_categories(void)
{
    for (int i = 1; i < QR_WAIT_COUNT; i++) {
        const char *name = qr_wait_info((enum qr_wait)i)->name;
        for (size_t k = 0; k < sizeof wait_rows / sizeof wait_rows[0]; k++) {
            size_t n = strlen(wait_rows[k].name);
            bool is_prefix = wait_rows[k].name[n - 1] == '_';
            if (strncmp(name, wait_rows[k].name, is_prefix ? n : n + 1) == 0) {
                wait_categories.of[i] = (uint8_t)wait_rows[k].category;
                break;
            }
        }
    }
}

int qri_wait_category(enum qr_wait type)
{
    pthread_once(&wait_categories.once, find_categories);
    return wait_categories.of[type];
}

const char *qri_wait_category_name(int category)
{
    return categories[category];
}
