/* node_limits.c - see node_int.h: what the databases of a compute node may use
 *
 * Control knows objectives and pools; what they come to is in the tables of ctl/slo.h and
 * ctl/pool.h. Without an answer of control's the row's objective counts. */
#include <string.h>
#include <unistd.h>
#include "ctl/peer.h"
#include "ctl/pool.h"
#include "engine/engine.h"
#include "governor/governor.h"
#include "node_int.h"
#include "base/banned.h"

enum { HOST_PERCENT = 75 /* of the machine for the work of users */, PPM = 1000000 };
static const int64_t ASK_NS = INT64_C(5) * 1000000000;
static const uint64_t POOL_KEYS = UINT64_C(1) << 32; /* above those of databases on their own */

static uint64_t host_cpu_ppm(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return (uint64_t)(processors < 1 ? 1 : processors) * PPM * HOST_PERCENT / 100;
}

uint64_t qri_host_cpu_ns_per_s(void)
{
    return host_cpu_ppm() * 1000;
}

/* auto: the largest objective in use has all that users may have. */
static void set_scale(struct qri_node *node, uint32_t largest_pct)
{
    uint64_t ppm = node->options.vcore_ppm;
    if (ppm == 0)
        ppm = largest_pct == 0 ? PPM : host_cpu_ppm() * 100 / largest_pct;
    ppm = ppm > PPM ? PPM : ppm;
    if (ppm == qr_governor_vcore(node->options.governor))
        return;
    qr_governor_set_vcore(node->options.governor, (uint32_t)ppm);
    QR_LOG(&node->options.log, QR_INFO, "vcore_sized", QR_F("cpu_ppm", ppm),
           QR_F("largest_vcores_pct", largest_pct));
}

/* Where data is on remote storage, tempdb, which is not, has higher limits than data: what local
 * storage gives a Business Critical database of the size. */
static uint32_t temp_iops(const struct qr_slo *slo)
{
    enum { PER_VCORE = 4000 };
    bool is_remote = strcmp(slo->edition, "GeneralPurpose") == 0 ||
                     strcmp(slo->edition, "Standard") == 0 || strcmp(slo->edition, "Basic") == 0;
    return is_remote ? slo->limits.vcores_pct * (PER_VCORE / 100) : 0;
}

static struct qr_gov_limits limits_of(const struct qr_slo_limits *l)
{
    return (struct qr_gov_limits){
        .vcores_pct = l->vcores_pct,
        .dtus = l->dtus,
        .workers_max = l->workers_max,
        .sessions_max = l->sessions_max,
        .logins_max = l->logins_max,
        .iops = l->iops,
        .log_bytes_per_s = l->log_bytes_per_s,
        .memory_bytes = l->memory_bytes,
        .log_bytes = l->log_bytes,
        .tempdb_bytes = l->tempdb_bytes,
        .local_bytes = l->local_bytes,
    };
}

/* The pool's size bounds it, its edition's least and usual sizes count (ctl/wish.c). */
static void say_sizes(const struct qr_pool_size *size, const struct qr_slo *slo,
                      struct qr_gov_limits *limits)
{
    struct qr_slo bound = *slo;
    bound.max_data_bytes =
        size->database_max_bytes != 0 ? size->database_max_bytes : size->max_bytes;
    uint64_t usual = qr_slo_default_max_bytes(&bound);
    limits->max_least = qr_slo_least_max_bytes(&bound);
    limits->max_most = bound.max_data_bytes;
    limits->max_usual = usual < bound.max_data_bytes ? usual : bound.max_data_bytes;
}

static void apply_pool(const struct qr_control_limits *told, const struct qr_slo *slo,
                       struct qr_gov_group_options *options)
{
    const struct qr_pool_size *size = qr_pool_size_find(qr_str(told->pool_size));
    if (told->pool == 0 || size == NULL)
        return;
    options->pool_key = POOL_KEYS + told->pool;
    options->pool_limits = limits_of(&size->limits);
    options->pool_limits.data_bytes = told->pool_max_bytes;
    /* what one database may have is said in hundredths of vCores or DTUs */
    uint64_t whole = (uint64_t)size->capacity * 100, vcores = size->limits.vcores_pct;
    options->limits.vcores_pct = (uint32_t)(vcores * told->max_pct / whole);
    options->limits.vcores_min_pct = (uint32_t)(vcores * told->min_pct / whole);
    options->limits.tempdb_bytes = options->pool_limits.tempdb_bytes;
    options->limits.local_bytes = options->pool_limits.local_bytes;
    options->limits.dtus = size->is_dtu ? told->max_pct / 100 : 0;
    if (slo != NULL)
        say_sizes(size, slo, &options->limits);
}

void qri_node_limits(struct qri_node *node, const struct qr_database_row *row,
                     struct qr_gov_group_options *ret_options)
{
    struct qr_control_limits told = {.pool = 0};
    enum qr_status asked = qr_control_limits(node->options.control, qr_str(node->options.name),
                                             row->id, ASK_NS, &told, NULL);
    /* A row that somebody hands over may be newer than control's own, which follows; but a node
     * that starts for another size has to know that one. */
    const struct qr_slo *slo = qr_database_has_nodes(row) ? qr_slo_find(qr_str(told.objective))
                                                          : qr_slo_find(qr_str(row->objective));
    struct qr_gov_group_options options = {
        .database_id = row->id,
        .shown_id = qr_number_of(row->id),
        .pool_key = (uint64_t)row->id + 1,
        .database = row->name,
        .objective = row->objective,
        .pool = row->pool,
    };
    if (slo == NULL)
        slo = qr_slo_find(
            qr_str(told.objective[0] != '\0' ? told.objective : (const char *)row->objective));
    if (slo != NULL && !qr_is_master(row->id)) {
        options.limits = limits_of(&slo->limits);
        options.limits.temp_iops = temp_iops(slo);
        options.limits.vcores_min_pct =
            slo->is_serverless ? row->traits.min_capacity_pct : options.limits.vcores_pct;
        if (slo->is_serverless)
            options.limits.billed_min_milli =
                qr_slo_billed_min_milli(slo, row->traits.min_capacity_pct);
        options.pool_limits = options.limits;
        options.pool_limits.iops = 0; /* the group's come first */
        options.pool_limits.log_bytes_per_s = 0;
    }
    options.limits.data_bytes = row->max_bytes;
    if (asked == QR_OK && node->options.governor != NULL) {
        apply_pool(&told, slo, &options);
        set_scale(node, told.largest_pct);
    }
    *ret_options = options;
}

enum qr_status qri_node_govern(struct qri_node *node, const struct qr_database_row *row,
                               const struct qr_gov_group_options *options, struct hosted *hosted,
                               struct qr_err *err)
{
    if (node->options.governor == NULL)
        return QR_OK;
    hosted->in_pool = row->pool[0] != '\0';
    return qr_gov_group_open(node->options.governor, options, &hosted->group, err);
}

/* ---- what changes without the node's being told ---- */

enum { POOLED_MAX = 256 };

static size_t list_pooled(struct qri_node *node, uint32_t *ids)
{
    size_t count = 0;
    pthread_mutex_lock(&node->mu);
    for (struct hosted_link *at = node->opened.after; at != &node->opened && count < POOLED_MAX;
         at = at->after) {
        const struct hosted *hosted = qri_hosted_of(at);
        if (hosted->state == HOSTED_OPEN && hosted->in_pool)
            ids[count++] = hosted->id;
    }
    pthread_mutex_unlock(&node->mu);
    return count;
}

void qri_node_look_at_limits(struct qri_node *node)
{
    struct qr_control_limits told;
    uint32_t ids[POOLED_MAX];
    if (node->options.governor == NULL ||
        qr_control_limits(node->options.control, qr_str(node->options.name), 0, ASK_NS, &told,
                          NULL) != QR_OK)
        return;
    set_scale(node, told.largest_pct);
    qri_node_sum_pools(node);
    size_t count = list_pooled(node, ids);
    for (size_t i = 0; i < count; i++) {
        struct qr_database_row row;
        struct qr_gov_group_options options;
        if (qr_control_find(node->options.control, 0, qr_str(""), ids[i], ASK_NS, &row, NULL) !=
            QR_OK)
            continue;
        qri_node_limits(node, &row, &options);
        pthread_mutex_lock(&node->mu);
        const struct hosted *hosted = qri_node_find_hosted(node, ids[i]);
        if (hosted != NULL && hosted->state == HOSTED_OPEN) {
            (void)!qr_gov_group_update(hosted->group, &options, NULL); /* next time, then */
            qri_node_bound_store(node, &row, &options, qr_database_store(hosted->db));
        }
        pthread_mutex_unlock(&node->mu);
    }
    pthread_mutex_lock(&node->mu);
    qri_node_bound_process(node);
    pthread_mutex_unlock(&node->mu);
}
