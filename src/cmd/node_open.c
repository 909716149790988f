/* node_open.c - see node_int.h: which databases are open, and who closes them.
 *
 * A database opens at its first login and closes when nobody has used it for IDLE_NS. There may be
 * thousands, and each open one has threads, descriptors and memory, so no more than `open_max` are
 * open, and no more than `idle_max` that nobody has: the one that was used longest ago goes. What
 * was only made goes as soon as it has its first backup. Before somebody's turn to be closed comes
 * for any other reason than time, what it has is in a backup, too: who opens it next may come in a
 * year. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "governor/governor.h"
#include "node_int.h"
#include "base/banned.h"

/* Threads bound it, too: three each, and a service of systemd may have some thousands. */
enum { OPEN_MAX = 1024, OPEN_MIN = 16, IDLE_MAX = 512, UNUSED_MAX = 64 };
enum { OPEN_FILES = 8 /* of one in use */, SPARE_FILES = 512, TRIM_COUNT = 32 };
static const uint64_t OPEN_BYTES = UINT64_C(1) << 20;
static const int64_t LOOK_NS = INT64_C(1) * 1000000000, ROOM_NS = INT64_C(2) * 1000000000;
static const int64_t UNUSED_NS = INT64_C(10) * 1000000000, IDLE_NS = QR_NODE_IDLE_NS;

/* ---- rings ---- */

static void ring_init(struct hosted_link *ring)
{
    *ring = (struct hosted_link){ring, ring};
}

static void ring_add(struct hosted_link *ring, struct hosted_link *link)
{
    *link = (struct hosted_link){.before = ring->before, .after = ring};
    ring->before->after = link;
    ring->before = link;
}

static void ring_take(struct hosted_link *link)
{
    link->before->after = link->after;
    link->after->before = link->before;
}

struct hosted *qri_hosted_of(struct hosted_link *link)
{
    return (struct hosted *)((char *)link - offsetof(struct hosted, opened));
}

static struct hosted *of_idle(struct hosted_link *link)
{
    return (struct hosted *)((char *)link - offsetof(struct hosted, idle));
}

/* ---- the table; node.mu held from here on ---- */

static struct hosted **bucket_of(struct qri_node *node, uint32_t id)
{
    return &node->buckets[(id * UINT32_C(2654435761)) >> (32 - HOSTED_BUCKET_BITS)];
}

struct hosted *qri_node_find_hosted(struct qri_node *node, uint32_t id)
{
    struct hosted *hosted = *bucket_of(node, id);
    while (hosted != NULL && hosted->id != id)
        hosted = hosted->next;
    return hosted;
}

static void remember(struct qri_node *node, struct hosted *hosted)
{
    struct hosted **at = bucket_of(node, hosted->id);
    hosted->next = *at;
    *at = hosted;
    ring_add(&node->opened, &hosted->opened);
    node->open_count += 1;
}

static void forget(struct qri_node *node, struct hosted *hosted)
{
    struct hosted **at = bucket_of(node, hosted->id);
    while (*at != hosted)
        at = &(*at)->next;
    *at = hosted->next;
    ring_take(&hosted->opened);
    node->open_count -= 1;
    free(hosted);
    pthread_cond_broadcast(&node->changed);
}

struct hosted *qri_node_find_settled(struct qri_node *node, uint32_t id)
{
    struct hosted *hosted;
    while ((hosted = qri_node_find_hosted(node, id)) != NULL && hosted->state != HOSTED_OPEN)
        pthread_cond_wait(&node->changed, &node->mu);
    return hosted;
}

/* ---- who has it ---- */

static void begin_idle(struct qri_node *node, struct hosted *hosted)
{
    hosted->idle_since_ns = qr_env_mono_ns(node->options.env);
    ring_add(&node->idle, &hosted->idle);
    node->idle_count += 1;
}

static void end_idle(struct qri_node *node, struct hosted *hosted)
{
    ring_take(&hosted->idle);
    node->idle_count -= 1;
}

void qri_hosted_enter(struct qri_node *node, struct hosted *hosted)
{
    if (hosted->refs++ == 0)
        end_idle(node, hosted);
    hosted->was_used = true;
    hosted->was_touched = true;
    hosted->wants_rest = false;
    hosted->is_backed_up = false;
}

bool qri_node_is_short(const struct qri_node *node)
{
    return node->waiting > 0 || node->memory_is_short || node->idle_count > node->idle_max ||
           node->open_count > node->open_max - node->open_max / 8;
}

/* What is idle gets its backup, and is closed. */
static void hasten_if_short(struct qri_node *node)
{
    if (!qri_node_is_short(node))
        return;
    node->wants_look = true;
    pthread_cond_signal(&node->look_wake);
    pthread_cond_signal(&node->close_wake);
}

void qri_hosted_leave(struct qri_node *node, struct hosted *hosted)
{
    if (--hosted->refs == 0)
        begin_idle(node, hosted);
    pthread_cond_broadcast(&node->changed);
    hasten_if_short(node);
}

/* ---- opening ---- */

static enum qr_status open_hosted(struct qri_node *node, const struct qr_database_row *row,
                                  bool make, struct hosted **ret_hosted, struct qr_err *err)
{
    struct hosted *hosted = calloc(1, sizeof *hosted); /* mu is given back for the opening */
    if (hosted == NULL)
        return qr_fail(err, QR_NOMEM, "open a database");
    hosted->id = row->id;
    hosted->retention_days = row->retention_days;
    hosted->has_files = !qr_database_is_hyper(row);
    memcpy(hosted->timeline, row->timeline, sizeof hosted->timeline);
    hosted->state = HOSTED_OPENING;
    remember(node, hosted);
    pthread_mutex_unlock(&node->mu);
    int64_t start = qr_env_mono_ns(node->options.env);
    struct qr_gov_group_options limits;
    qri_node_limits(node, row, &limits);
    enum qr_status status = qri_node_govern(node, row, &limits, hosted, err);
    if (status == QR_OK)
        status = qri_node_open_files(node, row, make, &hosted->db, err);
    if (status == QR_OK)
        qr_database_set_group(hosted->db, hosted->group);
    else
        qr_gov_group_close(hosted->group);
    int64_t took_ms = (qr_env_mono_ns(node->options.env) - start) / 1000000;
    pthread_mutex_lock(&node->mu);
    if (status == QR_OK)
        qri_node_bound_store(node, row, &limits, qr_database_store(hosted->db));
    qri_node_bound_process(node);
    if (status != QR_OK) {
        QR_LOG(&node->options.log, QR_ERROR, "database_not_opened", QR_F("db", &row->name[0]),
               QR_F("status", qr_status_info(status)->name),
               QR_F("reason", err == NULL ? "" : (const char *)err->text));
        forget(node, hosted);
        return status;
    }
    QR_LOG(&node->options.log, QR_INFO, "database_opened", QR_F("db", &row->name[0]),
           QR_F("took_ms", took_ms));
    hosted->state = HOSTED_OPEN;
    begin_idle(node, hosted);
    pthread_cond_broadcast(&node->changed);
    hasten_if_short(node);
    *ret_hosted = hosted;
    return QR_OK;
}

/* QR_OK at once if one more may be open; QR_TRUNCATED: one may now, but everything may have changed
 * meanwhile. */
static enum qr_status wait_for_room(struct qri_node *node, bool make, struct qr_err *err)
{
    int64_t until = qr_env_mono_ns(node->options.env) + ROOM_NS, now = until - ROOM_NS;
    /* thousands that are made at once leave room for logins */
    uint32_t open_max = make ? node->open_max - node->open_max / 4 : node->open_max;
    if (node->open_count < open_max)
        return QR_OK;
    node->waiting += 1;
    hasten_if_short(node);
    while (node->open_count >= open_max && now < until) {
        (void)qr_cond_wait(&node->changed, &node->mu, until - now);
        now = qr_env_mono_ns(node->options.env);
    }
    node->waiting -= 1;
    return node->open_count < open_max
               ? QR_TRUNCATED
               : qr_fail(err, QR_BUSY, "%u databases are open, and none of them can be closed now",
                         node->open_count);
}

enum qr_status qri_node_need_open(struct qri_node *node, const struct qr_database_row *row,
                                  bool make, struct hosted **ret_hosted, struct qr_err *err)
{
    for (;;) {
        struct hosted *hosted = qri_node_find_settled(node, row->id);
        const struct held *held = qri_node_find_held(node, row->id);
        if (held != NULL && !make)
            return held->moves ? QR_BUSY : QR_NOT_FOUND;
        if (hosted != NULL) {
            *ret_hosted = hosted;
            return QR_OK;
        }
        enum qr_status room = wait_for_room(node, make, err);
        if (room == QR_OK)
            return open_hosted(node, row, make, ret_hosted, err);
        if (room != QR_TRUNCATED)
            return room;
    }
}

/* ---- closing ---- */

void qri_node_close_hosted(struct qri_node *node, struct hosted *hosted)
{
    struct qr_err err = {0};
    hosted->state = HOSTED_CLOSING;
    qri_node_report_billed(node, hosted);
    if (hosted->refs == 0)
        end_idle(node, hosted);
    while (hosted->is_shrinking)
        pthread_cond_wait(&node->changed, &node->mu);
    pthread_mutex_unlock(&node->mu);
    enum qr_status status = qr_database_close(hosted->db, &err);
    qr_gov_group_close(hosted->group);
    pthread_mutex_lock(&node->mu);
    /* a store that has failed said so; one that was stopped waits for copies that are gone, too */
    if (status != QR_OK)
        QR_LOG(&node->options.log, status == QR_CLOSED ? QR_INFO : QR_ERROR, "database_not_closed",
               QR_F("id", hosted->id), QR_F("reason", &err.text[0]));
    forget(node, hosted);
}

static bool may_close(const struct qri_node *node, const struct hosted *hosted, int64_t now)
{
    int64_t idle_ns = now - hosted->idle_since_ns;
    if (hosted->backing_up)
        return false;
    if (!hosted->was_used && hosted->has_backup) /* it has all it will ever have in that one */
        return idle_ns >= UNUSED_NS || node->idle_count > node->unused_max;
    return idle_ns >= IDLE_NS || (hosted->is_backed_up && qri_node_is_short(node));
}

static struct hosted *next_to_close(struct qri_node *node)
{
    int64_t now = qr_env_mono_ns(node->options.env);
    enum qr_duty duty = atomic_load(&node->duty);
    bool holds = node->options.is_away && duty == QR_DUTY_PRIMARY; /* its place, while it is open */
    if (duty == QR_DUTY_HA_REPLICA || /* it is of use without sessions */
        holds || node->copy != NULL)  /* its secondaries would begin anew */
        return NULL;
    for (struct hosted_link *at = node->idle.after; at != &node->idle; at = at->after)
        if (may_close(node, of_idle(at), now))
            return of_idle(at);
    return NULL;
}

uint64_t qri_process_memory(void)
{
    unsigned long long pages = 0, ignored = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL)
        return 0;
    int n = fscanf(f, "%llu %llu", &ignored, &pages);
    fclose(f);
    return n == 2 ? pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

uint64_t qri_machine_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    return pages <= 0 || page_bytes <= 0 ? UINT64_MAX : (uint64_t)pages * (uint64_t)page_bytes;
}

/* More than half of the machine's memory, or an eighth more than all caches may have: full caches
 * alone are no reason to close what is idle. */
static bool is_memory_short(const struct qri_node *node)
{
    uint64_t half = node->machine_bytes / 2;
    uint64_t room = qri_node_cache_bound(node) + node->machine_bytes / 8;
    return qri_process_memory() > (half > room ? half : room);
}

static void *close_main(void *arg)
{
    struct qri_node *node = arg;
    int closed = 0;
    pthread_mutex_lock(&node->mu);
    while (!node->ends) {
        struct hosted *hosted = next_to_close(node);
        if (hosted != NULL && (closed < TRIM_COUNT || !node->memory_is_short)) {
            qri_node_close_hosted(node, hosted);
            closed += 1;
            continue;
        }
        /* else the role's tick does it: it looks at all memory, which is much for one database */
        bool gives_back = closed >= TRIM_COUNT || (closed > 0 && node->memory_is_short);
        pthread_mutex_unlock(&node->mu);
        if (gives_back)
            qri_give_back_memory();
        bool is_short = is_memory_short(node);
        pthread_mutex_lock(&node->mu);
        closed = gives_back ? 0 : closed;
        node->memory_is_short = is_short;
        if (!node->ends)
            qri_node_share_caches(node);
        if (!node->ends)
            (void)qr_cond_wait(&node->close_wake, &node->mu, LOOK_NS);
    }
    pthread_mutex_unlock(&node->mu);
    return NULL;
}

/* ---- start and stop ---- */

static uint32_t least(uint64_t a, uint64_t b)
{
    return (uint32_t)(a < b ? a : b);
}

enum qr_status qri_node_begin_closing(struct qri_node *node, struct qr_err *err)
{
    struct rlimit files = {.rlim_cur = RLIM_INFINITY};
    (void)getrlimit(RLIMIT_NOFILE, &files);
    uint64_t taken = SPARE_FILES + node->options.connections_max;
    uint64_t left = files.rlim_cur > taken ? files.rlim_cur - taken : 0;
    node->machine_bytes = qri_machine_memory();
    node->open_max =
        least(least(left / OPEN_FILES, node->machine_bytes / 4 / OPEN_BYTES), OPEN_MAX);
    node->open_max = node->open_max < OPEN_MIN ? OPEN_MIN : node->open_max;
    node->idle_max = least(node->open_max / 2, IDLE_MAX);
    node->unused_max = least(node->open_max / 8, UNUSED_MAX);
    QR_TRY(qr_thread_start("qr-close", 0, close_main, node, &node->closer, err));
    node->closes = true;
    return QR_OK;
}

void qri_node_init_table(struct qri_node *node)
{
    ring_init(&node->opened);
    ring_init(&node->idle);
    qr_cond_init(&node->close_wake);
    qr_cond_init(&node->look_wake);
}

void qri_node_close_all(struct qri_node *node)
{
    pthread_mutex_lock(&node->mu);
    node->ends = true;
    pthread_cond_signal(&node->close_wake);
    pthread_mutex_unlock(&node->mu);
    if (node->closes)
        pthread_join(node->closer, NULL);
    pthread_mutex_lock(&node->mu);
    while (node->opened.after != &node->opened)
        qri_node_close_hosted(node, qri_hosted_of(node->opened.after));
    pthread_mutex_unlock(&node->mu);
    pthread_cond_destroy(&node->close_wake);
    pthread_cond_destroy(&node->look_wake);
}
