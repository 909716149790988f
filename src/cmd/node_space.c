/* node_space.c - see node_int.h: space that databases may take, alone and together in an elastic
 * pool
 *
 * A pool's databases may be open here, or in other processes of this machine, or nowhere: what they
 * take is in their rows' files. Here it is summed up from time to time; between that the stores
 * that are open here add what they grow by (store/limit.h). */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "ctl/peer.h"
#include "engine/engine.h"
#include "governor/governor.h"
#include "node_int.h"
#include "store/limit.h"
#include "base/banned.h"

enum { PATH_BYTES = 8192, LOG_PERCENT = 30 };
static const int64_t ASK_NS = INT64_C(5) * 1000000000, SUM_NS = INT64_C(30) * 1000000000;

struct node_pool {
    struct node_pool *next;
    uint32_t server;
    char name[QR_NAME_BYTES_MAX + 1];
    struct qr_store_pool limit; /* of stores; lives as long as the node */
    uint64_t unused;            /* of `limit.bytes`: free pages of databases that are open */
    uint64_t sum, used_sum;     /* of the look that goes on */
};

/* With node.mu held. */
static struct node_pool *find_pool(struct qri_node *node, const struct qr_database_row *row)
{
    struct node_pool *pool = node->pools;
    while (pool != NULL &&
           (pool->server != qr_server_of(row->id) || strcmp(pool->name, row->pool) != 0))
        pool = pool->next;
    return pool;
}

static struct node_pool *need_pool(struct qri_node *node, const struct qr_database_row *row)
{
    struct node_pool *pool = find_pool(node, row);
    if (pool != NULL)
        return pool;
    pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return NULL; /* without a limit, until it is looked at again */
    pool->server = qr_server_of(row->id);
    memcpy(pool->name, row->pool, sizeof pool->name);
    pool->next = node->pools;
    node->pools = pool;
    node->pools_summed_ns = 0; /* soon */
    return pool;
}

void qri_node_bound_store(struct qri_node *node, const struct qr_database_row *row,
                          const struct qr_gov_group_options *options, struct qr_store *store)
{
    const struct qr_gov_limits *limits = &options->limits;
    if (!qr_database_is_hyper(row)) {
        qr_store_set_max_data_bytes(store, row->max_bytes);
        /* Beside the data there is room for log, 30 % of it (server_limits.csv,
         * log_space_added_to_data_max): one transaction may take all of that. On Hyperscale the
         * pages of a transaction are its bound. */
        qr_store_set_log_txn_bytes(store, row->max_bytes / 100 * LOG_PERCENT);
        qr_store_set_local_bytes(store, limits->local_bytes);
    }
    if (limits->tempdb_bytes != 0)
        qr_store_set_tmp_bytes(store, limits->tempdb_bytes);
    struct node_pool *pool = row->pool[0] == '\0' ? NULL : need_pool(node, row);
    if (pool != NULL)
        atomic_store(&pool->limit.bytes_max, options->pool_limits.data_bytes);
    qr_store_set_pool(store, pool == NULL ? NULL : &pool->limit);
}

uint64_t qri_node_pool_bytes(const struct qri_node *node, uint32_t server, const char *name,
                             uint64_t *ret_used)
{
    for (const struct node_pool *p = node->pools; p != NULL; p = p->next)
        if (p->server == server && strcmp(p->name, name) == 0) {
            uint64_t bytes = atomic_load(&p->limit.bytes);
            *ret_used = p->unused < bytes ? bytes - p->unused : bytes;
            return bytes;
        }
    return *ret_used = 0;
}

/* ---- what the databases of pools have ---- */

static uint64_t closed_bytes(struct qri_node *node, const struct qr_database_row *row)
{
    struct qr_arena arena;
    struct stat st;
    uint64_t bytes = 0;
    qr_arena_init(&arena, PATH_BYTES);
    uint32_t member = qr_database_has_copies(row) ? row->primary : 0;
    const char *dir = qri_copy_path(node->options.dir, &arena, row, member);
    const char *path = dir == NULL ? NULL : qr_arena_printf(&arena, "%s/data", dir);
    if (path != NULL && stat(path, &st) == 0)
        bytes = (uint64_t)st.st_size;
    qr_arena_done(&arena);
    return bytes;
}

static enum qr_status add_row(void *ctx, const struct qr_database_row *row)
{
    struct qri_node *node = ctx;
    if (row->pool[0] == '\0' || !qr_database_is_live(row))
        return QR_OK;
    uint64_t bytes = closed_bytes(node, row), used = bytes;
    pthread_mutex_lock(&node->mu);
    struct node_pool *pool = find_pool(node, row);
    const struct hosted *hosted = qri_node_find_hosted(node, row->id);
    if (hosted != NULL && hosted->state == HOSTED_OPEN) {
        struct qr_store_stats stats;
        qr_store_get_stats(qr_database_store(hosted->db), &stats);
        bytes = stats.data_bytes;
        used = stats.used_bytes > 0 ? stats.used_bytes : bytes;
    }
    if (pool != NULL) {
        pool->sum += bytes;
        pool->used_sum += used;
    }
    pthread_mutex_unlock(&node->mu);
    return QR_OK;
}

/* Of the server of `pool` and of all that share it. */
static void sum_server(struct qri_node *node, uint32_t server)
{
    pthread_mutex_lock(&node->mu);
    for (struct node_pool *p = node->pools; p != NULL; p = p->next)
        if (p->server == server)
            p->sum = p->used_sum = 0;
    pthread_mutex_unlock(&node->mu);
    if (qr_control_each_database(node->options.control, server, ASK_NS, add_row, node, NULL) !=
        QR_OK)
        return;
    pthread_mutex_lock(&node->mu);
    for (struct node_pool *p = node->pools; p != NULL; p = p->next)
        if (p->server == server) {
            atomic_store(&p->limit.bytes, p->sum);
            p->unused = p->sum - p->used_sum;
        }
    pthread_mutex_unlock(&node->mu);
}

void qri_node_sum_pools(struct qri_node *node)
{
    int64_t now = qr_env_mono_ns(node->options.env);
    uint32_t servers[64];
    size_t count = 0;
    pthread_mutex_lock(&node->mu);
    bool due = node->pools_summed_ns == 0 || now - node->pools_summed_ns >= SUM_NS;
    for (const struct node_pool *p = node->pools; due && p != NULL; p = p->next) {
        bool known = false;
        for (size_t i = 0; i < count; i++)
            known = known || servers[i] == p->server;
        if (!known && count < sizeof servers / sizeof servers[0])
            servers[count++] = p->server;
    }
    if (due)
        node->pools_summed_ns = now;
    pthread_mutex_unlock(&node->mu);
    for (size_t i = 0; i < count; i++)
        sum_server(node, servers[i]);
}

void qri_node_free_pools(struct qri_node *node)
{
    while (node->pools != NULL) {
        struct node_pool *pool = node->pools;
        node->pools = pool->next;
        free(pool);
    }
}
