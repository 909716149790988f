/* node_cgroup.c - see node_int.h: the limits of this process's control group
 *
 * The governor's limits come first, so the group's leave room above them: in one period of the
 * group (100 ms) the governor may give out what a period has and its burst of as much again, and
 * internal work borrows. What the group keeps off is what the governor does not see: threads that
 * run wild, memory that nobody counts. */
#include <unistd.h>
#include "governor/governor.h"
#include "node_int.h"
#include "super/cgroup.h"
#include "base/banned.h"

enum { PPM = 1000000, INTERNAL_PPM = 500000 };
static const uint64_t MEMORY_BYTES = UINT64_C(1) << 30; /* code, stacks, plans, statistics */

struct sum {
    uint64_t cpu_ppm, memory_bytes;
    uint32_t vcores_pct;
};

static void add(struct sum *sum, const struct qr_gov_seen *seen)
{
    sum->cpu_ppm += seen->cpu_ns_per_s / 1000;
    sum->memory_bytes += seen->limits.memory_bytes;
    sum->vcores_pct += seen->limits.vcores_pct;
}

static void add_group(void *ctx, const struct qr_gov_seen *seen)
{
    if (seen->is_open && !seen->is_internal && seen->elastic_pool[0] == '\0')
        add(ctx, seen);
}

static void add_pool(void *ctx, const struct qr_gov_seen *seen)
{
    if (seen->is_open && !seen->is_internal && seen->elastic_pool[0] != '\0')
        add(ctx, seen);
}

/* What its own bounds come to (options.c). */
static uint64_t bounded_memory(const struct qri_node *node)
{
    const struct qri_node_options *o = &node->options;
    uint64_t query = o->query_memory_bytes == 0 ? node->machine_bytes / 4 : o->query_memory_bytes;
    uint64_t caches = node->open_count * node->sizes.cache_bytes;
    uint64_t bound = qri_node_cache_bound(node);
    return query + 4 * o->transaction_memory_bytes + (caches < bound ? caches : bound);
}

static struct qr_cgroup_limits limits_of(const struct qri_node *node)
{
    struct qr_governor *gov = node->options.governor;
    struct sum sum = {0};
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    qr_gov_each_group(gov, add_group, &sum);
    qr_gov_each_pool(gov, add_pool, &sum);
    uint64_t memory = sum.memory_bytes + sum.memory_bytes / 4, bounded = bounded_memory(node);
    struct qr_cgroup_limits limits = {
        .cpu_ppm = 2 * sum.cpu_ppm + INTERNAL_PPM,
        .cpu_weight = sum.vcores_pct < 100 ? 100 : sum.vcores_pct,
        .memory_bytes = (memory > bounded ? memory : bounded) + MEMORY_BYTES,
    };
    if (sum.cpu_ppm == 0 || limits.cpu_ppm >= (uint64_t)(processors < 1 ? 1 : processors) * PPM)
        limits.cpu_ppm = 0; /* nothing is limited, or the machine has no more */
    if (*node->options.cgroup_cpu == '\0')
        limits.cpu_ppm = limits.cpu_weight = 0;
    if (limits.memory_bytes >= node->machine_bytes || *node->options.cgroup_memory == '\0')
        limits.memory_bytes = 0;
    return limits;
}

void qri_node_bound_process(struct qri_node *node)
{
    const char *const dirs[QR_CGROUP_PARTS] = {node->options.cgroup_cpu,
                                               node->options.cgroup_memory};
    struct qr_governor *gov = node->options.governor;
    struct qr_err err = {0};
    if ((*dirs[0] == '\0' && *dirs[1] == '\0') || gov == NULL || !qr_governor_enforces(gov))
        return;
    struct qr_cgroup_limits limits = limits_of(node), *last = &node->cgroup;
    if (limits.cpu_ppm == last->cpu_ppm && limits.cpu_weight == last->cpu_weight &&
        limits.memory_bytes == last->memory_bytes)
        return;
    enum qr_status status = qr_cgroup_set(dirs, &limits, &err);
    *last = limits; /* also if it failed: said once, and tried again when they change */
    if (status != QR_OK)
        QR_LOG(&node->options.log, QR_WARN, "cgroup_not_set", QR_F("reason", &err.text[0]));
    else
        QR_LOG(&node->options.log, QR_INFO, "cgroup_set", QR_F("cpu_ppm", limits.cpu_ppm),
               QR_F("cpu_weight", limits.cpu_weight),
               QR_F("memory_mib", limits.memory_bytes >> 20));
}
