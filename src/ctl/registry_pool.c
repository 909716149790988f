/* registry_pool.c - see ctl/registry.h: elastic pools, at keys `pool/<server>/<number>` in
 * hexadecimal, and the databases in them. A database's row names its pool. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "registry_int.h"
#include "base/banned.h"

enum { KEY_BYTES = QRI_KEY_BYTES, POOLS_MAX = 5000, PCT = 100 };

static void json_freep(json_t **json)
{
    json_decref(*json);
}

static struct qr_str key_of(const struct qr_pool_row *row, char dst[KEY_BYTES])
{
    snprintf(dst, KEY_BYTES, "pool/%03x/%08x", row->server, row->number);
    return qr_str(dst);
}

/* ---- rows ---- */

static json_t *json_of(const struct qr_pool_row *row)
{
    return json_pack("{s:I, s:I, s:s, s:s, s:I, s:I, s:I, s:i, s:i, s:I, s:s}", "server",
                     (json_int_t)row->server, "number", (json_int_t)row->number, "name", row->name,
                     "size", row->size, "maxBytes", (json_int_t)row->max_bytes, "minPct",
                     (json_int_t)row->min_pct, "maxPct", (json_int_t)row->max_pct, "license",
                     (int)row->license, "zoneRedundant", (int)row->zone_redundant, "createWallNs",
                     (json_int_t)row->create_wall_ns, "tags", row->tags);
}

static bool take(const json_t *o, const char *name, json_int_t max, json_int_t *ret_number)
{
    return qri_take_number(o, name, ret_number) && *ret_number >= 0 && *ret_number <= max;
}

static bool row_of(const json_t *o, struct qr_pool_row *row)
{
    json_int_t server, number, bytes, min, max, license, zone, created;
    if (!take(o, "server", QR_SERVER_NUMBER_MAX, &server) ||
        !take(o, "number", INT32_MAX, &number) || !take(o, "maxBytes", INT64_MAX, &bytes) ||
        !take(o, "minPct", INT32_MAX, &min) || !take(o, "maxPct", INT32_MAX, &max) ||
        !take(o, "license", QR_LICENSE_COUNT - 1, &license) ||
        !take(o, "zoneRedundant", QR_SAID_COUNT - 1, &zone) ||
        !take(o, "createWallNs", INT64_MAX, &created) ||
        !qri_take_text(o, "name", row->name, sizeof row->name) ||
        !qri_take_text(o, "size", row->size, sizeof row->size) ||
        !qri_take_text(o, "tags", row->tags, sizeof row->tags))
        return false;
    row->server = (uint32_t)server;
    row->number = (uint32_t)number;
    row->max_bytes = (uint64_t)bytes;
    row->min_pct = (uint32_t)min;
    row->max_pct = (uint32_t)max;
    row->license = (uint8_t)license;
    row->zone_redundant = (uint8_t)zone;
    row->create_wall_ns = created;
    return true;
}

/* ---- in memory; mu held ---- */

static struct qri_pool *find(struct qr_registry *registry, uint32_t server, struct qr_str name)
{
    for (size_t i = 0; i < registry->pool_count; i++)
        if (registry->pools[i].row.server == server &&
            qr_str_ieqz(name, registry->pools[i].row.name))
            return &registry->pools[i];
    return NULL;
}

/* Behind those of the same server and of lower ones. */
static enum qr_status add(struct qr_registry *registry, const struct qri_pool *pool,
                          struct qr_err *err)
{
    size_t at = registry->pool_count;
    struct qri_pool *pools = realloc(registry->pools, (at + 1) * sizeof *pools);
    if (pools == NULL)
        return qr_fail(err, QR_NOMEM, "add an elastic pool");
    registry->pools = pools;
    registry->pool_count += 1;
    for (; at > 0 && pools[at - 1].row.server > pool->row.server; at--)
        pools[at] = pools[at - 1];
    pools[at] = *pool;
    return QR_OK;
}

static void forget(struct qr_registry *registry, struct qri_pool *pool)
{
    size_t after = registry->pool_count - (size_t)(pool - registry->pools) - 1;
    memmove(pool, pool + 1, after * sizeof *pool);
    registry->pool_count -= 1;
}

struct load {
    struct qr_registry *registry;
    enum qr_status status;
};

static bool load_one(void *arg, struct qr_str key, struct qr_str value, uint64_t version)
{
    struct load *load = arg;
    struct qri_pool pool = {.version = version};
    (void)key;
    QR_AUTO(json_freep)
    json_t *o = json_loadb(value.p, value.n, JSON_REJECT_DUPLICATES, NULL);
    load->status = row_of(o, &pool.row) ? add(load->registry, &pool, NULL) : QR_CORRUPT;
    return load->status == QR_OK;
}

enum qr_status qri_registry_load_pools(struct qr_registry *registry, struct qr_err *err)
{
    struct load load = {registry, QR_OK};
    QR_TRY(qr_meta_range(registry->meta, qr_str("pool/"), load_one, &load, err));
    return load.status == QR_OK
               ? QR_OK
               : qr_fail(err, load.status, "metadata: an elastic pool cannot be read");
}

/* A place that is kept for who may come back counts as taken. */
static bool is_in(const struct qr_database_row *row, const struct qr_pool_row *pool)
{
    const char *name = row->pool[0] != '\0' ? row->pool : row->reserved_pool;
    return qr_server_of(row->id) == pool->server && row->state <= QR_DATABASE_DROPPING &&
           name[0] != '\0' && qr_str_ieqz(qr_str(name), pool->name);
}

static uint32_t count_in(const struct qr_registry *registry, const struct qr_pool_row *pool,
                         uint32_t but)
{
    uint32_t count = 0;
    for (size_t i = 0; i < registry->count; i++) {
        const struct qr_database_row *row = &registry->entries[i].row;
        /* the target of a move stands for its database */
        count += row->id != but && (row->moved_to == 0 || row->moved_to != but) && is_in(row, pool);
    }
    return count;
}

/* ---- what has to stay true ---- */

static enum qr_status check_count(const struct qr_pool_row *pool, uint32_t count,
                                  struct qr_err *err)
{
    const struct qr_pool_size *size = qr_pool_size_find(qr_str(pool->size));
    if (size == NULL)
        return qr_fail(err, QR_CORRUPT, "metadata: an elastic pool has no size");
    if (count > size->databases_max)
        return qr_sql_fail(err, 40881, pool->name, (int)size->databases_max, size->edition);
    if ((uint64_t)count * pool->min_pct <= (uint64_t)size->capacity * PCT)
        return QR_OK;
    if (size->is_dtu)
        return qr_sql_fail(err, 40873, (int)count, (int)(pool->min_pct / PCT), (int)size->capacity);
    return qr_fail(err, QR_INVALID,
                   "The number of databases (%u) times the vCores that each has at least (%u.%02u) "
                   "cannot exceed the vCores of the elastic pool (%u).",
                   count, pool->min_pct / PCT, pool->min_pct % PCT, size->capacity);
}

enum qr_status qri_registry_check_in_pool(struct qr_registry *registry,
                                          const struct qr_database_row *row, struct qr_err *err)
{
    uint32_t server = qr_server_of(row->id);
    const struct qri_pool *pool = find(registry, server, qr_str(row->pool));
    const struct qri_server *owner = qri_registry_server(registry, server);
    if (pool == NULL)
        return qr_sql_fail(err, 40857, owner == NULL ? "" : owner->row.name, row->pool);
    return check_count(&pool->row, count_in(registry, &pool->row, row->id) + 1, err);
}

/* Its databases still fit: in number, and each by its own size. */
static enum qr_status check_members(const struct qr_registry *registry,
                                    const struct qr_pool_row *pool, struct qr_err *err)
{
    QR_TRY(check_count(pool, count_in(registry, pool, 0), err));
    for (size_t i = 0; i < registry->count; i++)
        if (is_in(&registry->entries[i].row, pool) &&
            registry->entries[i].row.max_bytes > qr_pool_database_max_bytes(pool))
            return qr_sql_fail(err, 40889, pool->name);
    return QR_OK;
}

static enum qr_status check_name(struct qr_str name, struct qr_err *err)
{
    if (name.n > 0 && name.n <= QR_NAME_BYTES_MAX && qri_is_plain_name(name))
        return QR_OK;
    return qr_fail(err, QR_INVALID,
                   "The name of an elastic pool has 1 to 128 characters, none of <>*%%&:\\/?, and "
                   "does not end with '.' or a blank.");
}

static uint32_t next_number(const struct qr_registry *registry, uint32_t server)
{
    uint32_t next = 1;
    for (size_t i = 0; i < registry->pool_count; i++)
        if (registry->pools[i].row.server == server && registry->pools[i].row.number >= next)
            next = registry->pools[i].row.number + 1;
    return next;
}

/* ---- changes ---- */

static enum qr_status put_pool(struct qr_registry *registry, uint32_t server,
                               const struct qr_pool_wish *wish, bool is_new, bool only_check,
                               struct qr_pool_row *ret_row, struct qr_err *err)
{
    struct qri_pool *there = find(registry, server, wish->name), changed = {.version = 0};
    const struct qri_server *owner = qri_registry_server(registry, server);
    char key[KEY_BYTES];
    if (owner == NULL)
        return qr_fail(err, QR_NOT_FOUND, "There is no such server.");
    QR_TRY(check_name(wish->name, err));
    (void)qri_copy_text(changed.row.name, sizeof changed.row.name, wish->name);
    if (is_new && there != NULL)
        return qr_sql_fail(err, 40858, there->row.name, owner->row.name);
    if (!is_new && there == NULL)
        return qr_sql_fail(err, 40857, owner->row.name, changed.row.name);
    if (is_new && registry->pool_count >= POOLS_MAX)
        return qr_fail(err, QR_FULL, "There are %d elastic pools, the most possible.", POOLS_MAX);
    if (is_new) {
        changed.row.server = server;
        changed.row.number = next_number(registry, server);
        changed.row.create_wall_ns = qr_env_wall_ns(registry->env);
        snprintf(changed.row.tags, sizeof changed.row.tags, "{}");
    } else {
        changed = *there;
    }
    QR_TRY(qr_pool_apply(wish, &changed.row, err));
    QR_TRY(check_members(registry, &changed.row, err));
    QR_TRY(qri_registry_check_pool_quota(registry, &changed.row, err));
    *ret_row = changed.row;
    if (only_check)
        return QR_OK;
    QR_TRY(qri_registry_put(registry, key_of(&changed.row, key), json_of(&changed.row),
                            changed.version, &changed.version, err));
    if (there == NULL)
        return add(registry, &changed, err);
    *there = changed;
    return QR_OK;
}

enum qr_status qr_registry_put_pool(struct qr_registry *registry, uint32_t server,
                                    const struct qr_pool_wish *wish, bool is_new, bool only_check,
                                    struct qr_pool_row *ret_row, struct qr_err *err)
{
    pthread_mutex_lock(&registry->mu);
    enum qr_status status = put_pool(registry, server, wish, is_new, only_check, ret_row, err);
    pthread_mutex_unlock(&registry->mu);
    return status;
}

static enum qr_status remove_pool(struct qr_registry *registry, struct qri_pool *pool,
                                  struct qr_err *err)
{
    char key[KEY_BYTES];
    bool applied = false;
    struct qr_meta_op op = {.key = key_of(&pool->row, key), .is_delete = true};
    QR_TRY(qr_meta_txn(registry->meta, NULL, 0, &op, 1, &applied, NULL, err));
    forget(registry, pool);
    return QR_OK;
}

enum qr_status qr_registry_remove_pool(struct qr_registry *registry, uint32_t server,
                                       struct qr_str name, bool only_check, struct qr_err *err)
{
    pthread_mutex_lock(&registry->mu);
    struct qri_pool *pool = find(registry, server, name);
    enum qr_status status = pool == NULL                            ? QR_NOT_FOUND
                            : count_in(registry, &pool->row, 0) > 0 ? qr_sql_fail(err, 40877)
                            : only_check                            ? QR_OK
                                         : remove_pool(registry, pool, err);
    pthread_mutex_unlock(&registry->mu);
    return status;
}

enum qr_status qri_registry_remove_pools(struct qr_registry *registry, uint32_t server,
                                         struct qr_err *err)
{
    for (size_t i = registry->pool_count; i > 0; i--)
        if (registry->pools[i - 1].row.server == server)
            QR_TRY(remove_pool(registry, &registry->pools[i - 1], err));
    return QR_OK;
}

/* ---- looking ---- */

enum qr_status qr_registry_find_pool(struct qr_registry *registry, uint32_t server,
                                     struct qr_str name, struct qr_pool_row *ret_row)
{
    pthread_mutex_lock(&registry->mu);
    const struct qri_pool *pool = find(registry, server, name);
    if (pool != NULL)
        *ret_row = pool->row;
    pthread_mutex_unlock(&registry->mu);
    return pool != NULL ? QR_OK : QR_NOT_FOUND;
}

bool qr_registry_pool_after(struct qr_registry *registry, uint32_t server, uint32_t number,
                            struct qr_pool_row *ret_row)
{
    bool found = false;
    pthread_mutex_lock(&registry->mu);
    for (size_t i = 0; !found && i < registry->pool_count; i++) {
        found = registry->pools[i].row.server == server && registry->pools[i].row.number > number;
        if (found)
            *ret_row = registry->pools[i].row;
    }
    pthread_mutex_unlock(&registry->mu);
    return found;
}

const struct qr_slo *qr_registry_limits(struct qr_registry *registry,
                                        const struct qr_database_row *row)
{
    struct qr_pool_row pool;
    if (row->pool[0] == '\0')
        return qr_slo_find(qr_str(row->objective));
    return qr_registry_find_pool(registry, qr_server_of(row->id), qr_str(row->pool), &pool) == QR_OK
               ? qr_pool_database_slo(&pool)
               : NULL;
}

/* ---- wishes ---- */

enum qr_status qri_registry_apply_held(struct qr_registry *registry,
                                       const struct qr_database_wish *wish,
                                       struct qr_database_row *row, struct qr_err *err)
{
    uint32_t server = qr_server_of(row->id);
    struct qr_str name = wish->pool.n > 0 ? wish->pool : qr_str(row->pool);
    const struct qri_pool *pool = name.n == 0 ? NULL : find(registry, server, name);
    if (wish->pool.n > 0 && pool == NULL) {
        char text[QR_NAME_BYTES_MAX + 1];
        const struct qri_server *owner = qri_registry_server(registry, server);
        snprintf(text, sizeof text, "%.*s", (int)name.n, name.p);
        return qr_sql_fail(err, 40857, owner == NULL ? "" : owner->row.name, text);
    }
    return qri_wish_apply(wish, pool == NULL ? NULL : &pool->row, row, err);
}

enum qr_status qri_registry_apply(struct qr_registry *registry, const struct qr_database_wish *wish,
                                  struct qr_database_row *row, struct qr_err *err)
{
    pthread_mutex_lock(&registry->mu);
    enum qr_status status = qri_registry_apply_held(registry, wish, row, err);
    pthread_mutex_unlock(&registry->mu);
    return status;
}
