/* registry.c - see ctl/registry.h: the rows, and the copy of them in memory.
 *
 * Keys: `database/<id in hexadecimal>`, and those of registry_server.c, registry_kept.c and
 * firewall_rows.c; values are JSON objects. Every change goes to the metadata store first and
 * then to memory. */
#include "ctl/registry.h"
#include <assert.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/sqlmsg.h"
#include "ctl/slo.h"
#include "registry_int.h"
#include "base/banned.h"

enum { DATABASES_MAX = QRI_DATABASES_MAX, ROWS_MAX = QRI_ROWS_MAX, KEY_BYTES = QRI_KEY_BYTES };

static void json_freep(json_t **json)
{
    json_decref(*json);
}

static void free_textp(char **text)
{
    free(*text);
}

static struct qr_str database_key(uint32_t id, char dst[KEY_BYTES])
{
    snprintf(dst, KEY_BYTES, "database/%08x", id);
    return qr_str(dst);
}

struct qr_str qri_database_key(uint32_t id, char dst[32])
{
    return database_key(id, dst);
}

/* ---- loading ---- */

enum qr_status qri_registry_load(struct qr_registry *registry, const char *key, json_t **ret_object,
                                 uint64_t *ret_version, struct qr_err *err)
{
    struct qr_buf buf;
    qr_buf_init(&buf, QR_META_VALUE_BYTES_MAX);
    enum qr_status status = qr_meta_get(registry->meta, qr_str(key), &buf, ret_version, err);
    if (status == QR_OK) {
        *ret_object = json_loadb((const char *)buf.data, buf.len, JSON_REJECT_DUPLICATES, NULL);
        if (*ret_object == NULL)
            status = qr_fail(err, QR_CORRUPT, "metadata: '%s' is damaged", key);
    }
    qr_buf_done(&buf);
    return status;
}

static void set_server(struct qr_registry *registry, struct qr_database_row *row)
{
    const struct qri_server *server = qri_registry_server(registry, qr_server_of(row->id));
    snprintf(row->server, sizeof row->server, "%s", server == NULL ? "" : server->row.name);
}

/* Where the first row with that id or a higher one is; they are in order. */
static size_t lower_bound(const struct qr_registry *registry, uint32_t id)
{
    size_t low = 0;
    for (size_t high = registry->count; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (registry->entries[middle].row.id >= id)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static struct qri_entry *find_id(struct qr_registry *registry, uint32_t id)
{
    size_t at = lower_bound(registry, id);
    bool is_there = at < registry->count && registry->entries[at].row.id == id;
    return is_there ? &registry->entries[at] : NULL;
}

struct qri_entry *qri_registry_entry(struct qr_registry *registry, uint32_t id)
{
    return find_id(registry, id);
}

uint64_t qri_registry_version(struct qr_registry *registry, uint32_t id)
{
    pthread_mutex_lock(&registry->mu);
    const struct qri_entry *entry = find_id(registry, id);
    uint64_t version = entry == NULL ? 0 : entry->version;
    pthread_mutex_unlock(&registry->mu);
    return version;
}

static struct qri_entry *add_entry(struct qr_registry *registry)
{
    if (registry->count == registry->capacity) {
        size_t capacity = registry->capacity == 0 ? 16 : registry->capacity * 2;
        struct qri_entry *entries = realloc(registry->entries, capacity * sizeof *entries);
        if (entries == NULL)
            return NULL;
        registry->entries = entries;
        registry->capacity = capacity;
    }
    return &registry->entries[registry->count++];
}

struct load {
    struct qr_registry *registry;
    enum qr_status status;
};

static bool load_database(void *arg, struct qr_str key, struct qr_str value, uint64_t version)
{
    struct load *load = arg;
    (void)key;
    QR_AUTO(json_freep)
    json_t *object = json_loadb(value.p, value.n, JSON_REJECT_DUPLICATES, NULL);
    struct qri_entry *entry = add_entry(load->registry);
    if (entry == NULL)
        load->status = QR_NOMEM;
    else if (object == NULL || !qri_row_of_json(object, &entry->row))
        load->status = QR_CORRUPT;
    else
        *entry = (struct qri_entry){entry->row, version, qr_slo_find(qr_str(entry->row.objective))};
    if (load->status == QR_OK)
        set_server(load->registry, &entry->row);
    return load->status == QR_OK;
}

enum qr_status qr_registry_open(struct qr_meta *meta, struct qr_env *env,
                                struct qr_registry **ret_registry, struct qr_err *err)
{
    struct qr_registry *registry = calloc(1, sizeof *registry);
    if (registry == NULL)
        return qr_fail(err, QR_NOMEM, "load the registry");
    registry->meta = meta;
    registry->env = env;
    pthread_mutex_init(&registry->mu, NULL);
    struct load load = {registry, QR_OK};
    enum qr_status status = qri_registry_load_servers(registry, err);
    if (status == QR_OK)
        status = qri_registry_load_pools(registry, err);
    if (status == QR_OK)
        status = qr_meta_range(meta, qr_str("database/"), load_database, &load, err);
    if (status == QR_OK && load.status != QR_OK)
        status = qr_fail(err, load.status, "metadata: a database's row cannot be read");
    if (status == QR_OK)
        status = qri_registry_upgrade(registry, err);
    if (status != QR_OK) {
        qr_registry_close(registry);
        return status;
    }
    *ret_registry = registry;
    return QR_OK;
}

void qr_registry_close(struct qr_registry *registry)
{
    if (registry == NULL)
        return;
    pthread_mutex_destroy(&registry->mu);
    free(registry->servers);
    free(registry->entries);
    free(registry->pools);
    free(registry);
}

/* ---- for the other files ---- */

enum qr_status qri_registry_put(struct qr_registry *registry, struct qr_str key, json_t *own_object,
                                uint64_t version, uint64_t *ret_version, struct qr_err *err)
{
    QR_AUTO(json_freep) json_t *object = own_object;
    QR_AUTO(free_textp) char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
    if (text == NULL)
        return qr_fail(err, QR_INVALID, "metadata: a name is not UTF-8");
    struct qr_meta_compare compare = {key, version};
    struct qr_meta_op op = {.key = key, .value = qr_str(text)};
    bool applied = false;
    QR_TRY(qr_meta_txn(registry->meta, &compare, 1, &op, 1, &applied, ret_version, err));
    if (!applied)
        return qr_fail(err, QR_BUSY, "metadata: '%.*s' has changed", (int)key.n, key.p);
    return QR_OK;
}

struct qr_meta *qri_registry_meta(const struct qr_registry *registry)
{
    return registry->meta;
}

struct qr_env *qri_registry_env(const struct qr_registry *registry)
{
    return registry->env;
}

int64_t qri_registry_now_ticks(const struct qr_registry *registry)
{
    static const int64_t days_to_1970 = 719162;
    return qr_env_wall_ns(registry->env) / 100 + days_to_1970 * 86400 * INT64_C(10000000);
}

/* ---- databases ---- */

static struct qri_entry *find_name(struct qr_registry *registry, uint32_t server,
                                   struct qr_str name)
{
    for (size_t i = lower_bound(registry, qr_database_id(server, 0));
         i < registry->count && qr_server_of(registry->entries[i].row.id) == server; i++)
        if (qr_database_is_live(&registry->entries[i].row) &&
            qr_str_ieqz(name, registry->entries[i].row.name))
            return &registry->entries[i];
    return NULL;
}

static bool is_master(struct qr_str name)
{
    return qr_str_ieqz(name, "master");
}

bool qri_registry_has_rows(const struct qr_registry *registry, uint32_t server)
{
    size_t at = lower_bound(registry, qr_database_id(server, 0));
    return at < registry->count && qr_server_of(registry->entries[at].row.id) == server;
}

void qri_registry_orphan(struct qr_registry *registry, uint32_t server)
{
    for (size_t i = 0; i < registry->count; i++)
        if (qr_server_of(registry->entries[i].row.id) == server)
            registry->entries[i].row.server[0] = '\0';
}

/* Its next number; when all were used, one that nothing is left of. */
static enum qr_status choose_id(struct qr_registry *registry, const struct qri_server *server,
                                uint32_t *ret_id, struct qr_err *err)
{
    uint32_t number = server->next;
    for (uint32_t tries = 0; tries <= ROWS_MAX; tries++, number++) {
        if (number > QR_DATABASE_NUMBER_MAX)
            number = QRI_NUMBER_FIRST;
        *ret_id = qr_database_id(server->row.number, number);
        if (find_id(registry, *ret_id) == NULL)
            return QR_OK;
    }
    return qr_fail(err, QR_FULL, "There are no ids left for databases.");
}

/* The row and the next id in one transaction. */
static enum qr_status insert_row(struct qr_registry *registry, struct qri_server *server,
                                 const struct qr_database_row *row, uint64_t *ret_version,
                                 struct qr_err *err)
{
    char key[KEY_BYTES], next[64], next_key[KEY_BYTES];
    QR_AUTO(json_freep) json_t *object = qri_json_of_row(row);
    QR_AUTO(free_textp) char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
    if (text == NULL)
        return qr_fail(err, QR_INVALID, "the name of a database is not UTF-8");
    bool counts = !qr_is_master(row->id);
    struct qr_str number = qri_registry_next_key(server->row.number, next_key);
    snprintf(next, sizeof next, "{\"id\":%u}", qr_number_of(row->id) + 1);
    struct qr_meta_compare compares[] = {{database_key(row->id, key), 0},
                                         {number, server->next_version}};
    struct qr_meta_op ops[] = {{.key = qr_str(key), .value = qr_str(text)},
                               {.key = number, .value = qr_str(next)}};
    bool applied = false;
    QR_TRY(qr_meta_txn(registry->meta, compares, 1 + counts, ops, 1 + counts, &applied, ret_version,
                       err));
    if (!applied)
        return qr_fail(err, QR_BUSY, "metadata: the list of databases has changed");
    if (counts) {
        server->next = qr_number_of(row->id) + 1;
        server->next_version = *ret_version;
    }
    return QR_OK;
}

/* The row of a named replica: it has nothing of its own but its name, its objective and the number
 * of its HA replicas. */
static enum qr_status follow(const struct qr_registry *registry,
                             const struct qr_database_row *primary, struct qr_database_row *row,
                             struct qr_err *err)
{
    size_t others = 0;
    for (size_t i = 0; i < registry->count; i++)
        others += registry->entries[i].row.replica_of == primary->id;
    if (others >= QR_NAMED_REPLICAS_MAX)
        return qr_sql_fail(err, 40689, primary->name, (int)QR_NAMED_REPLICAS_MAX);
    row->replica_of = primary->id;
    row->slices = primary->slices;
    row->encrypted = primary->encrypted;
    memcpy(row->timeline, primary->timeline, sizeof row->timeline);
    memcpy(row->collation, primary->collation, sizeof row->collation);
    memcpy(row->owner, primary->owner, sizeof row->owner);
    return QR_OK;
}

static enum qr_status insert_entry(struct qr_registry *registry, struct qri_server *server,
                                   const struct qr_database_row *row, struct qr_err *err)
{
    uint64_t version = 0;
    QR_TRY(insert_row(registry, server, row, &version, err));
    struct qri_entry *entry = add_entry(registry);
    if (entry == NULL)
        return qr_fail(err, QR_NOMEM, "add a database"); /* the row stays CREATING: tidied up */
    struct qri_entry *at = entry;
    while (at > registry->entries && at[-1].row.id > row->id) {
        at[0] = at[-1];
        at--;
    }
    *at = (struct qri_entry){*row, version, qr_slo_find(qr_str(row->objective))};
    return QR_OK;
}

enum qr_status qri_registry_insert(struct qr_registry *registry, struct qr_database_row *row,
                                   struct qr_err *err)
{
    if (registry->count >= ROWS_MAX)
        return qr_fail(err, QR_FULL, "there are too many databases");
    struct qri_server *server = qri_registry_server(registry, qr_server_of(row->id));
    if (server == NULL)
        return qr_fail(err, QR_NOT_FOUND, "the server is gone");
    QR_TRY(choose_id(registry, server, &row->id, err));
    return insert_entry(registry, server, row, err);
}

static enum qr_status add_database(struct qr_registry *registry, uint32_t server_number,
                                   struct qr_str name, const struct qr_database_wish *wish,
                                   struct qr_database_row *ret_row, struct qr_err *err)
{
    struct qr_database_row row = {.id = qr_database_id(server_number, 0),
                                  .retention_days = QR_RETENTION_DAYS,
                                  .diff_hours = QR_DIFF_HOURS};
    struct qri_server *server = qri_registry_server(registry, server_number);
    if (server == NULL)
        return qr_fail(err, QR_NOT_FOUND, "There is no such server.");
    QR_TRY(qri_check_name(name, err));
    (void)qri_copy_text(row.name, sizeof row.name, name);
    if (find_name(registry, server_number, name) != NULL)
        return qr_sql_fail(err, 1801, row.name);
    if (wish->geo_of != NULL) /* as one that is altered: its objective bounds them */
        row.traits = wish->geo_of->traits;
    struct qr_database_wish defaulted = *wish;
    if (defaulted.edition.n == 0 && defaulted.objective.n == 0 && defaulted.pool.n == 0)
        defaulted.edition = qr_str("GeneralPurpose");
    QR_TRY(qri_registry_apply_held(registry, &defaulted, &row, err));
    QR_TRY(qri_registry_check_quota_held(registry, &row, true, err));
    struct qr_str collation =
        wish->collation.n != 0 ? wish->collation : qr_str("SQL_Latin1_General_CP1_CI_AS");
    if (!qri_copy_text(row.collation, sizeof row.collation, collation))
        return qr_fail(err, QR_INVALID, "The name of a collation is too long.");
    row.id = qr_database_id(server_number, QR_MASTER_ID);
    if (!is_master(name))
        QR_TRY(choose_id(registry, server, &row.id, err));
    set_server(registry, &row);
    row.create_ticks = row.made_ticks = qri_registry_now_ticks(registry);
    row.encrypted = !wish->in_clear;
    qri_new_guid(registry->env, row.guid);
    QR_TRY(qri_set_owner(&row, wish->owner, err));
    if (wish->replica_of == NULL)
        qri_new_timeline(registry->env, wish->region, row.timeline);
    else
        QR_TRY(follow(registry, wish->replica_of, &row, err));
    if (wish->geo_of != NULL)
        QR_TRY(qri_registry_link(registry, wish->geo_of, &row, err));
    QR_TRY(insert_entry(registry, server, &row, err));
    *ret_row = row;
    return QR_OK;
}

enum qr_status qr_registry_add_database(struct qr_registry *registry, uint32_t server,
                                        struct qr_str name, const struct qr_database_wish *wish,
                                        struct qr_database_row *ret_row, struct qr_err *err)
{
    pthread_mutex_lock(&registry->mu);
    enum qr_status status = add_database(registry, server, name, wish, ret_row, err);
    pthread_mutex_unlock(&registry->mu);
    return status;
}

enum qr_status qr_registry_add_kept(struct qr_registry *registry,
                                    const struct qr_database_row *source, int64_t expires_wall_ns,
                                    struct qr_database_row *ret_row, struct qr_err *err)
{
    struct qr_database_row row = *source;
    row.state = QR_DATABASE_PURGING;
    row.ha_replicas = 0;
    row.dropped_wall_ns = 0;
    row.parent[0] = '\0';
    row.branch_lsn = 0;
    row.kept_wall_ns = qr_env_wall_ns(registry->env);
    row.expires_wall_ns = expires_wall_ns;
    memcpy(row.kept_of, source->guid, sizeof row.kept_of);
    (void)!qri_copy_text(row.kept_server, sizeof row.kept_server, qr_str(source->server));
    qri_new_guid(registry->env, row.guid);
    qri_new_timeline(registry->env, qri_region_of(source), row.timeline);
    pthread_mutex_lock(&registry->mu);
    struct qri_server *server = qri_registry_server(registry, qr_server_of(source->id));
    enum qr_status status = server == NULL ? qr_fail(err, QR_NOT_FOUND, "the server is gone")
                            : registry->count >= ROWS_MAX - 2 * DATABASES_MAX
                                ? qr_fail(err, QR_FULL, "there are too many long-term backups")
                                : choose_id(registry, server, &row.id, err);
    if (status == QR_OK)
        status = insert_entry(registry, server, &row, err);
    pthread_mutex_unlock(&registry->mu);
    if (status == QR_OK)
        *ret_row = row;
    return status;
}

/* Writes a changed row; memory follows when it is durable. */
static enum qr_status update(struct qr_registry *registry, struct qri_entry *entry,
                             const struct qr_database_row *row, struct qr_err *err)
{
    char key[KEY_BYTES];
    uint64_t version = 0;
    QR_TRY(qri_registry_put(registry, database_key(row->id, key), qri_json_of_row(row),
                            entry->version, &version, err));
    *entry = (struct qri_entry){*row, version, qr_slo_find(qr_str(row->objective))};
    return QR_OK;
}

static enum qr_status alter(struct qr_registry *registry, uint32_t server, struct qr_str name,
                            const struct qr_database_wish *wish, bool is_reserved,
                            struct qr_database_row *ret_row, struct qr_err *err)
{
    enum qr_status status;
    pthread_mutex_lock(&registry->mu);
    struct qri_entry *entry = find_name(registry, server, name);
    if (entry == NULL) {
        status = qri_fail_no_database(name, err);
    } else {
        struct qr_database_row row = entry->row;
        status = qri_registry_apply_held(registry, wish, &row, err);
        if (status == QR_OK && qr_database_is_hyper(&row) != qr_database_is_hyper(&entry->row))
            status = qr_fail(err, QR_UNSUPPORTED, "a row alone does not move data");
        if (status == QR_OK && !is_reserved)
            status = qri_registry_check_quota_held(registry, &row, false, err);
        if (status == QR_OK)
            status = update(registry, entry, &row, err);
        if (status == QR_OK)
            *ret_row = row;
    }
    pthread_mutex_unlock(&registry->mu);
    return status;
}

enum qr_status qr_registry_alter_database(struct qr_registry *registry, uint32_t server,
                                          struct qr_str name, const struct qr_database_wish *wish,
                                          struct qr_database_row *ret_row, struct qr_err *err)
{
    return alter(registry, server, name, wish, false, ret_row, err);
}

enum qr_status qri_registry_alter_reserved(struct qr_registry *registry, uint32_t server,
                                           struct qr_str name, const struct qr_database_wish *wish,
                                           struct qr_database_row *ret_row, struct qr_err *err)
{
    return alter(registry, server, name, wish, true, ret_row, err);
}

enum qr_status qr_registry_rename_database(struct qr_registry *registry, uint32_t server,
                                           struct qr_str name, struct qr_str new_name,
                                           struct qr_err *err)
{
    enum qr_status status;
    pthread_mutex_lock(&registry->mu);
    struct qri_entry *entry = find_name(registry, server, name);
    struct qr_database_row row;
    if (entry == NULL) {
        status = qri_fail_no_database(name, err);
    } else {
        row = entry->row;
        const struct qri_entry *other = find_name(registry, server, new_name);
        if (is_master(name) || new_name.n == 0 ||
            !qri_copy_text(row.name, sizeof row.name, new_name))
            status = qr_fail(err, QR_INVALID, "This name is not possible for the database.");
        else if (other != NULL && other != entry)
            status = qr_sql_fail(err, 1801, row.name);
        else {
            row.create_ticks = qri_registry_now_ticks(registry); /* "creation or rename" */
            status = update(registry, entry, &row, err);
        }
    }
    pthread_mutex_unlock(&registry->mu);
    return status;
}

enum qr_status qri_registry_change(struct qr_registry *registry, uint32_t id,
                                   void (*change)(struct qr_database_row *row, const void *arg),
                                   const void *arg, struct qr_err *err)
{
    pthread_mutex_lock(&registry->mu);
    struct qri_entry *entry = find_id(registry, id);
    enum qr_status status = QR_OK;
    if (entry == NULL) {
        status = qr_fail(err, QR_NOT_FOUND, "no database has the id %u", id);
    } else {
        struct qr_database_row row = entry->row;
        change(&row, arg);
        status = update(registry, entry, &row, err);
    }
    pthread_mutex_unlock(&registry->mu);
    return status;
}

enum qr_status qr_registry_remove_database(struct qr_registry *registry, uint32_t id,
                                           struct qr_err *err)
{
    char key[KEY_BYTES];
    bool applied = false;
    pthread_mutex_lock(&registry->mu);
    struct qri_entry *entry = find_id(registry, id);
    enum qr_status status = QR_OK;
    if (entry == NULL) {
        status = qr_fail(err, QR_NOT_FOUND, "no database has the id %u", id);
    } else {
        char tags[KEY_BYTES];
        struct qr_meta_op ops[] = {{.key = database_key(id, key), .is_delete = true},
                                   {.key = qri_tags_key(id, tags), .is_delete = true}};
        status = qr_meta_txn(registry->meta, NULL, 0, ops, 2, &applied, NULL, err);
    }
    if (status == QR_OK) {
        size_t after = registry->count - (size_t)(entry - registry->entries) - 1;
        memmove(entry, entry + 1, after * sizeof *entry);
        registry->count -= 1;
    }
    pthread_mutex_unlock(&registry->mu);
    return status;
}

/* Ends the look. */
static enum qr_status give_row(struct qr_registry *registry, const struct qri_entry *entry,
                               struct qr_database_row *ret_row)
{
    if (entry != NULL)
        *ret_row = entry->row;
    pthread_mutex_unlock(&registry->mu);
    return entry != NULL ? QR_OK : QR_NOT_FOUND;
}

enum qr_status qr_registry_find_database(struct qr_registry *registry, uint32_t server,
                                         struct qr_str name, struct qr_database_row *ret_row)
{
    pthread_mutex_lock(&registry->mu);
    return give_row(registry, find_name(registry, server, name), ret_row);
}

enum qr_status qr_registry_find_id(struct qr_registry *registry, uint32_t id,
                                   struct qr_database_row *ret_row)
{
    pthread_mutex_lock(&registry->mu);
    return give_row(registry, find_id(registry, id), ret_row);
}

size_t qr_registry_index_after(struct qr_registry *registry, uint32_t id)
{
    pthread_mutex_lock(&registry->mu);
    size_t index = lower_bound(registry, id + 1);
    pthread_mutex_unlock(&registry->mu);
    return index;
}

bool qr_registry_database_at(struct qr_registry *registry, size_t index,
                             struct qr_database_row *ret_row)
{
    pthread_mutex_lock(&registry->mu);
    const struct qri_entry *entry = index < registry->count ? &registry->entries[index] : NULL;
    return give_row(registry, entry, ret_row) == QR_OK;
}

void qr_registry_each_live(struct qr_registry *registry,
                           void (*each)(void *ctx, const struct qr_database_row *row), void *ctx)
{
    pthread_mutex_lock(&registry->mu);
    for (size_t i = 0; i < registry->count; i++)
        if (qr_database_is_live(&registry->entries[i].row))
            each(ctx, &registry->entries[i].row);
    pthread_mutex_unlock(&registry->mu);
}
