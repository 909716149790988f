/* node_store.c - see node_int.h: stores of the databases that a compute node has */
#include <string.h>
#include <unistd.h>
#include "codec/value.h"
#include "ctl/slo.h"
#include "node_int.h"
#include "store/hyper.h"
#include "store/store.h"
#include "base/banned.h"

enum { STRINGS_BYTES_MAX = 64 * 1024 };
static const int64_t GROW_NS = INT64_C(30) * 1000000000;
/* Who follows a primary that is lost with its machine waits for it (src/ctl, away.c). */
static const int64_t AWAY_LEASE_NS = INT64_C(5) * 1000000000;

/* In an elastic pool, and for Hyperscale, the objective says nothing of sizes. */
static void say_sizes(const struct qr_database_row *row, struct qr_database_info *info)
{
    const struct qr_slo *slo = qr_slo_find(qr_str(row->objective));
    if (slo == NULL || qr_database_is_hyper(row) || qr_is_master(row->id))
        return;
    info->max_bytes_least = qr_slo_least_max_bytes(slo);
    info->max_bytes_most = slo->max_data_bytes;
    info->max_bytes_usual = qr_slo_default_max_bytes(slo);
}

struct qr_database_info qri_database_info(const struct qr_database_row *row)
{
    struct qr_database_info info = {
        .database_id = qr_number_of(row->id),
        .own_id = row->id,
        .server_id = qr_database_id(qr_server_of(row->id), 0),
        .server_name = qr_str(row->server),
        .name = qr_str(row->name),
        .edition = qr_str(row->edition),
        .service_objective = qr_str(row->objective),
        .elastic_pool = qr_str(row->pool),
        .collation = qr_str(row->collation),
        .create_ticks = row->create_ticks,
        .max_bytes = qr_database_is_hyper(row) ? UINT64_MAX /* shown as -1: no limit is set */
                                               : row->max_bytes,
        .is_encrypted = row->encrypted != 0,
    };
    say_sizes(row, &info);
    info.owner_sid_bytes = qr_owner_sid(row->owner, info.owner_sid);
    if (!qr_guid_parse(qr_str(row->guid), info.guid))
        memset(info.guid, 0, sizeof info.guid);
    return info;
}

/* ---- sizes ---- */

/* --cache-mib is that of the objective below; the others' is in proportion to their memory. What is
 * more than the option says takes no more than a quarter of the machine. */
static uint64_t cache_mib(uint64_t option_mib, uint32_t memory_mib)
{
    const struct qr_slo *base = qr_slo_find(qr_str("HS_Gen5_2"));
    long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    uint64_t machine_mib =
        pages <= 0 || page_bytes <= 0 ? 0 : ((uint64_t)pages * (uint64_t)page_bytes) >> 20;
    if (memory_mib == 0)
        return option_mib;
    uint64_t mib = option_mib * memory_mib / base->memory_mib;
    if (mib > option_mib && mib > machine_mib / 4)
        mib = machine_mib / 4 > option_mib ? machine_mib / 4 : option_mib;
    return mib;
}

void qri_node_size(struct qri_node_sizes *sizes, uint32_t memory_mib)
{
    sizes->cache_bytes = cache_mib(sizes->option_mib, memory_mib) << 20;
    sizes->rbpex_bytes = sizes->cache_bytes * sizes->rbpex_percent / 100;
}

/* A process that has the database for itself keeps as much as the new objective is worth. */
enum qr_status qri_node_resize_store(struct qri_node *node, const struct qr_database_row *row,
                                     struct qr_store *store, struct qr_err *err)
{
    const struct qr_slo *slo = qr_slo_find(qr_str(row->objective));
    uint32_t own = 0;
    (void)qr_place_database_of(node->options.name, &own);
    if (own != row->id || slo == NULL)
        return QR_OK;
    qri_node_size(&node->sizes, slo->memory_mib);
    QR_LOG(&node->options.log, QR_INFO, "node_resized",
           QR_F("cache_mib", node->sizes.cache_bytes >> 20),
           QR_F("rbpex_mib", node->sizes.rbpex_bytes >> 20));
    qr_store_set_cache_bytes(store, node->sizes.cache_bytes);
    return qr_database_is_hyper(row) && node->sizes.rbpex_bytes > 0
               ? qr_hyper_set_rbpex_bytes(store, node->sizes.rbpex_bytes, err)
               : QR_OK;
}

/* ---- stores ---- */

/* What this process keeps for itself; nothing of it must survive. */
static enum qr_status hyper_dir(struct qri_node *node, struct qr_arena *arena, const char **ret_dir,
                                struct qr_err *err)
{
    const char *parent = qri_datadir_path(node->options.dir, arena, "compute", NULL);
    *ret_dir = qri_datadir_path(node->options.dir, arena, "compute", node->options.name);
    if (parent == NULL || *ret_dir == NULL)
        return qr_fail(err, QR_NOMEM, "open a database");
    enum qr_status status = qr_env_make_dir(node->options.env, parent, err);
    return status == QR_EXISTS ? QR_OK : status;
}

static enum qr_status grown(void *ctx, uint32_t slice_count, struct qr_err *err)
{
    struct qri_node *node = ctx;
    struct qr_control_ask ask = {.id = node->hyper_id, .slices = slice_count};
    return qr_control_call(node->options.operate, QR_CONTROL_GROW, &ask, GROW_NS, NULL, err);
}

static enum qr_status open_hyper(struct qri_node *node, const struct qr_database_row *row,
                                 const struct qr_store_options *options, struct qr_arena *arena,
                                 struct qr_store **ret_store, struct qr_err *err)
{
    struct qr_hyper_options hyper = {
        .log = node->options.log_service,
        .pages = node->options.pages,
        .slice_count = row->slices,
        .reader_id = qri_node_reader_id(row->id, qr_place_member_of(node->options.name)),
        .rbpex_bytes = node->sizes.rbpex_bytes,
        .grown = grown,
        .grown_ctx = node,
        /* else: one process a name, and the one before it was reaped (super.h, U2, U3) */
        .force = !node->options.waits,
        .lease_ttl_ns = node->options.is_away ? AWAY_LEASE_NS : 0,
    };
    struct qr_store_options with_pages = *options;
    const char *dir = NULL;
    with_pages.page_bytes = QR_CONTROL_PAGE_BYTES;
    node->hyper_id = row->id;
    QR_TRY(qr_place_timeline(row, &hyper.timeline, err));
    QR_TRY(hyper_dir(node, arena, &dir, err));
    return atomic_load(&node->duty) == QR_DUTY_PRIMARY
               ? qr_hyper_open(dir, &with_pages, &hyper, ret_store, err)
               : qr_hyper_open_replica(dir, &with_pages, &hyper, ret_store, err);
}

static enum qr_status open_store(struct qri_node *node, const struct qr_database_row *row,
                                 bool make, struct qr_arena *arena, struct qr_store **ret_store,
                                 struct qr_err *err)
{
    bool copies = qr_database_has_copies(row) || row->geo_of != 0;
    uint32_t member = copies ? qr_place_member_of(node->options.name) : 0;
    const char *path = qri_copy_path(node->options.dir, arena, row, member);
    struct qr_store_options options = {
        .env = node->options.env,
        .log = {.sink = node->options.log.sink, .comp = "store"},
        .server_key = node->options.server_key,
        .tmp_dir = qri_datadir_path(node->options.dir, arena, "tmp", NULL),
        .cache_bytes = node->sizes.cache_bytes,
        .txn_memory_bytes = node->options.transaction_memory_bytes,
        .txn_bytes_max = node->options.transaction_bytes_max,
        .version_bytes_max = node->options.version_bytes_max,
        .max_data_bytes = row->max_bytes,
        .epoch_min = copies ? 0 : row->epoch,
        .fatal = node->options.fatal,
        .fatal_ctx = node->options.fatal_ctx,
    };
    if (path == NULL || options.tmp_dir == NULL)
        return qr_fail(err, QR_NOMEM, "open a database");
    if (qr_database_is_hyper(row))
        return open_hyper(node, row, &options, arena, ret_store, err);
    if (node->options.blob != NULL && !qr_is_master(row->id))
        options.log_hold_bytes = QRI_LOG_HOLD_BYTES;
    if (!make)
        return copies ? qri_copy_open(node, row, &options, path, ret_store, err)
                      : qr_store_open(path, &options, ret_store, err);
    enum qr_status status = qr_store_create(path, &options, ret_store, err);
    if (status == QR_EXISTS) {
        /* made by a node that died before it could say so; nobody has entered it yet */
        QR_TRY(qr_store_remove(node->options.env, path, err));
        status = qr_store_create(path, &options, ret_store, err);
    }
    if (status != QR_OK || !copies)
        return status;
    QR_TRY(qr_store_close(*ret_store, err));
    *ret_store = NULL;
    return qri_copy_open(node, row, &options, path, ret_store, err);
}

enum qr_status qri_node_open_files(struct qri_node *node, const struct qr_database_row *row,
                                   bool make, struct qr_database **ret_db, struct qr_err *err)
{
    struct qr_arena arena;
    struct qr_store *store = NULL;
    struct qr_database_info info = qri_database_info(row);
    qr_arena_init(&arena, STRINGS_BYTES_MAX);
    enum qr_status status = open_store(node, row, make, &arena, &store, err);
    if (status == QR_OK) {
        status = qr_database_open(node->instance, &info, store, ret_db, err);
        if (status != QR_OK)
            qr_store_abandon(store);
    }
    qr_arena_done(&arena);
    return status;
}

enum qr_status qri_node_remove(struct qri_node *node, const struct qr_database_row *row,
                               struct qr_err *err)
{
    struct qr_arena arena;
    qr_arena_init(&arena, STRINGS_BYTES_MAX);
    const char *path = qri_copy_path(node->options.dir, &arena, row, row->primary);
    enum qr_status others = qri_copy_remove_others(node, row, err);
    enum qr_status status = others != QR_OK ? others
                            : path == NULL  ? qr_fail(err, QR_NOMEM, "remove a database")
                                            : qri_backup_and_remove(node, row, path, err);
    qr_arena_done(&arena);
    if (status != QR_OK && status != QR_NOT_FOUND)
        return status;
    return qri_node_release(node, row, err);
}
