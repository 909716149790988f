/* registry.c - see ctl/registry.h: the rows, and the copy of them in memory.
 *
 * Keys: `server`, `next_database_id`, `database/<id in hexadecimal>`, and those of
 * firewall_rows.c; values are JSON objects. Every change goes to the metadata store first and then
 * to memory. */
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

enum { DATABASES_MAX = 5000, KEY_BYTES = 32, DATABASE_ID_FIRST = 5, SLICES_DEFAULT = 1 };
#define MAX_BYTES_DEFAULT (UINT64_C(32) << 30)

struct entry {
    struct qr_database_row row;
    uint64_t version;
};

struct qr_registry {
    struct qr_meta *meta;
    struct qr_env *env;
    pthread_mutex_t mu; /* guards everything below */
    bool has_server;
    char name[QR_NAME_BYTES_MAX + 1], admin_login[QR_NAME_BYTES_MAX + 1];
    char admin_hash[QR_HASH_BYTES_MAX + 1];
    struct entry *entries; /* by id */
    size_t count, capacity;
    uint32_t next_id;
    uint64_t next_id_version;
};

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

/* ---- loading ---- */

static enum qr_status load_object(struct qr_registry *registry, const char *key,
                                  json_t **ret_object, uint64_t *ret_version, struct qr_err *err)
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

static enum qr_status load_server(struct qr_registry *registry, struct qr_err *err)
{
    QR_AUTO(json_freep) json_t *object = NULL;
    enum qr_status status = load_object(registry, "server", &object, NULL, err);
    if (status == QR_NOT_FOUND)
        return QR_OK;
    QR_TRY(status);
    registry->has_server =
        qri_take_text(object, "name", registry->name, sizeof registry->name) &&
        qri_take_text(object, "adminLogin", registry->admin_login, sizeof registry->admin_login) &&
        qri_take_text(object, "adminHash", registry->admin_hash, sizeof registry->admin_hash);
    return registry->has_server ? QR_OK : qr_fail(err, QR_CORRUPT, "metadata: the server's row");
}

static enum qr_status load_next_id(struct qr_registry *registry, struct qr_err *err)
{
    QR_AUTO(json_freep) json_t *object = NULL;
    enum qr_status status =
        load_object(registry, "next_database_id", &object, &registry->next_id_version, err);
    registry->next_id = DATABASE_ID_FIRST;
    if (status == QR_NOT_FOUND)
        return QR_OK;
    QR_TRY(status);
    json_int_t id;
    if (!qri_take_number(object, "id", &id) || id < DATABASE_ID_FIRST || id > INT32_MAX)
        return qr_fail(err, QR_CORRUPT, "metadata: 'next_database_id' is damaged");
    registry->next_id = (uint32_t)id;
    return QR_OK;
}

static struct entry *add_entry(struct qr_registry *registry)
{
    if (registry->count == registry->capacity) {
        size_t capacity = registry->capacity == 0 ? 16 : registry->capacity * 2;
        struct entry *entries = realloc(registry->entries, capacity * sizeof *entries);
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
    struct entry *entry = add_entry(load->registry);
    if (entry == NULL)
        load->status = QR_NOMEM;
    else if (object == NULL || !qri_row_of_json(object, &entry->row))
        load->status = QR_CORRUPT;
    else
        entry->version = version;
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
    enum qr_status status = load_server(registry, err);
    if (status == QR_OK)
        status = load_next_id(registry, err);
    if (status == QR_OK)
        status = qr_meta_range(meta, qr_str("database/"), load_database, &load, err);
    if (status == QR_OK && load.status != QR_OK)
        status = qr_fail(err, load.status, "metadata: a database's row cannot be read");
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
    free(registry->entries);
    free(registry);
}

/* ---- the server and its login ---- */

/* Puts one key whose version has to be `version`; fails if another writer was there. */
static enum qr_status put(struct qr_registry *registry, struct qr_str key, json_t *own_object,
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

bool qr_registry_has_server(struct qr_registry *registry)
{
    return registry->has_server;
}

static enum qr_status store_server(struct qr_registry *registry, struct qr_str name,
                                   struct qr_str login, struct qr_str hash, struct qr_err *err)
{
    uint64_t version = 0;
    char texts[3][QR_NAME_BYTES_MAX + 1];
    if (name.n == 0 || login.n == 0 || !qri_copy_text(texts[0], sizeof texts[0], name) ||
        !qri_copy_text(texts[1], sizeof texts[1], login) ||
        !qri_copy_text(texts[2], sizeof registry->admin_hash, hash))
        return qr_fail(err, QR_INVALID, "the names of a server and its login have 1 to %d bytes",
                       QR_NAME_BYTES_MAX);
    enum qr_status status = qr_meta_get(registry->meta, qr_str("server"), NULL, &version, err);
    if (status != QR_OK && status != QR_NOT_FOUND)
        return status;
    QR_TRY(put(registry, qr_str("server"),
               json_pack("{s:s, s:s, s:s}", "name", texts[0], "adminLogin", texts[1], "adminHash",
                         texts[2]),
               version, NULL, err));
    memcpy(registry->name, texts[0], sizeof registry->name);
    memcpy(registry->admin_login, texts[1], sizeof registry->admin_login);
    memcpy(registry->admin_hash, texts[2], sizeof registry->admin_hash);
    registry->has_server = true;
    return QR_OK;
}

enum qr_status qr_registry_make_server(struct qr_registry *registry, struct qr_str name,
                                       struct qr_str admin_login, struct qr_str admin_hash,
                                       struct qr_err *err)
{
    assert(!registry->has_server);
    pthread_mutex_lock(&registry->mu);
    enum qr_status status = store_server(registry, name, admin_login, admin_hash, err);
    pthread_mutex_unlock(&registry->mu);
    return status;
}

const char *qr_registry_server_name(struct qr_registry *registry)
{
    return registry->name;
}

const char *qr_registry_admin_login(struct qr_registry *registry)
{
    return registry->admin_login;
}

enum qr_status qr_registry_login_hash(struct qr_registry *registry, struct qr_str login,
                                      char dst[QR_HASH_BYTES_MAX + 1], bool *ret_is_admin,
                                      struct qr_err *err)
{
    enum qr_status status = QR_NOT_FOUND;
    pthread_mutex_lock(&registry->mu);
    if (registry->has_server && qr_str_ieqz(login, registry->admin_login)) {
        memcpy(dst, registry->admin_hash, sizeof registry->admin_hash);
        *ret_is_admin = true;
        status = QR_OK;
    }
    pthread_mutex_unlock(&registry->mu);
    return status == QR_OK ? QR_OK : qr_fail(err, status, "no such login");
}

enum qr_status qr_registry_set_admin_hash(struct qr_registry *registry, struct qr_str hash,
                                          struct qr_err *err)
{
    pthread_mutex_lock(&registry->mu);
    enum qr_status status =
        store_server(registry, qr_str(registry->name), qr_str(registry->admin_login), hash, err);
    pthread_mutex_unlock(&registry->mu);
    return status;
}

/* ---- databases ---- */

static struct entry *find_name(struct qr_registry *registry, struct qr_str name)
{
    for (size_t i = 0; i < registry->count; i++)
        if (qr_database_is_live(&registry->entries[i].row) &&
            qr_str_ieqz(name, registry->entries[i].row.name))
            return &registry->entries[i];
    return NULL;
}

static struct entry *find_id(struct qr_registry *registry, uint32_t id)
{
    for (size_t i = 0; i < registry->count; i++)
        if (registry->entries[i].row.id == id)
            return &registry->entries[i];
    return NULL;
}

static bool is_hyperscale(struct qr_str edition)
{
    return qr_str_ieqz(edition, "Hyperscale");
}

/* The objective of a wish, or of the row, or the edition's own. */
static enum qr_status choose_objective(const struct qr_database_wish *wish,
                                       const struct qr_database_row *row, struct qr_str edition,
                                       const struct qr_slo **ret_slo, struct qr_err *err)
{
    const struct qr_slo *slo = NULL;
    if (wish->objective.n != 0) {
        slo = qr_slo_find(wish->objective);
        if (slo == NULL) {
            char text[QR_NAME_BYTES_MAX + 1];
            if (!qri_copy_text(text, sizeof text, wish->objective))
                text[0] = '\0';
            return qr_sql_fail(err, 40804, text);
        }
        if (wish->edition.n == 0)
            edition = qr_str(slo->edition);
    } else {
        slo = qr_slo_find(qr_str(row->objective));
        if (slo == NULL || !qr_str_ieqz(edition, slo->edition))
            slo = qr_slo_default(edition);
    }
    if (slo == NULL || (!qr_str_ieqz(edition, "GeneralPurpose") && !is_hyperscale(edition)))
        return qr_fail(err, QR_UNSUPPORTED, "Edition '%.*s' is not supported by this version.",
                       (int)edition.n, edition.p);
    if (!qr_str_ieqz(edition, slo->edition))
        return qr_sql_fail(err, 40808, slo->edition, slo->name);
    *ret_slo = slo;
    return QR_OK;
}

/* Applies what is wished to the row, checked against the table of objectives. */
static enum qr_status apply_wish(const struct qr_database_wish *wish, struct qr_database_row *row,
                                 struct qr_err *err)
{
    struct qr_str edition = wish->edition.n != 0 ? wish->edition : qr_str(row->edition);
    const struct qr_slo *slo = NULL;
    QR_TRY(choose_objective(wish, row, edition, &slo, err));
    bool hyper = is_hyperscale(qr_str(slo->edition));
    if (row->edition[0] != '\0' && hyper != qr_database_is_hyper(row))
        return qr_fail(err, QR_UNSUPPORTED,
                       "A change between Hyperscale and other editions is not supported by this "
                       "version.");
    uint64_t max_bytes = wish->max_bytes != 0 ? wish->max_bytes : row->max_bytes;
    bool fits = hyper ? wish->max_bytes == 0 /* it grows as it needs to, there is nothing to set */
                      : max_bytes <= slo->max_data_bytes && max_bytes >= UINT64_C(1) << 20;
    if (!fits) {
        char text[QR_WORD_BYTES_MAX + 1];
        if (!qri_copy_text(text, sizeof text, wish->max_text))
            text[0] = '\0';
        return qr_sql_fail(err, 40619, slo->edition, text);
    }
    row->max_bytes = hyper ? 0 : max_bytes;
    row->slices = hyper ? (row->slices == 0 ? SLICES_DEFAULT : row->slices) : 0;
    if (wish->ha_replicas > 0 &&
        (!hyper || row->replica_of != 0 || wish->ha_replicas > QR_HA_REPLICAS_MAX + 1))
        return qr_fail(err, QR_INVALID, "HA_REPLICAS is 0 to %d, of a primary in Hyperscale.",
                       QR_HA_REPLICAS_MAX);
    if (wish->ha_replicas > 0)
        row->ha_replicas = wish->ha_replicas - 1;
    snprintf(row->edition, sizeof row->edition, "%s", slo->edition);
    snprintf(row->objective, sizeof row->objective, "%s", slo->name);
    return QR_OK;
}

static bool is_master(struct qr_str name)
{
    return qr_str_ieqz(name, "master");
}

/* The row and the next id in one transaction. */
static enum qr_status insert_row(struct qr_registry *registry, const struct qr_database_row *row,
                                 uint64_t *ret_version, struct qr_err *err)
{
    char key[KEY_BYTES], next[64];
    QR_AUTO(json_freep) json_t *object = qri_json_of_row(row);
    QR_AUTO(free_textp) char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
    if (text == NULL)
        return qr_fail(err, QR_INVALID, "the name of a database is not UTF-8");
    bool counts = row->id != QR_MASTER_ID;
    snprintf(next, sizeof next, "{\"id\":%u}", row->id + 1);
    struct qr_meta_compare compares[] = {{database_key(row->id, key), 0},
                                         {qr_str("next_database_id"), registry->next_id_version}};
    struct qr_meta_op ops[] = {{.key = qr_str(key), .value = qr_str(text)},
                               {.key = qr_str("next_database_id"), .value = qr_str(next)}};
    bool applied = false;
    QR_TRY(qr_meta_txn(registry->meta, compares, 1 + counts, ops, 1 + counts, &applied, ret_version,
                       err));
    if (!applied)
        return qr_fail(err, QR_BUSY, "metadata: the list of databases has changed");
    if (counts) {
        registry->next_id = row->id + 1;
        registry->next_id_version = *ret_version;
    }
    return QR_OK;
}

/* The row of a named replica: it has nothing of its own but its name and its objective. */
static enum qr_status follow(const struct qr_registry *registry,
                             const struct qr_database_row *primary, struct qr_database_row *row,
                             struct qr_err *err)
{
    size_t others = 0;
    for (size_t i = 0; i < registry->count; i++)
        others += registry->entries[i].row.replica_of == primary->id;
    if (others >= QR_NAMED_REPLICAS_MAX)
        return qr_fail(err, QR_FULL, "A database has at most %d named replicas.",
                       QR_NAMED_REPLICAS_MAX);
    row->replica_of = primary->id;
    row->slices = primary->slices;
    row->ha_replicas = 0;
    memcpy(row->timeline, primary->timeline, sizeof row->timeline);
    memcpy(row->collation, primary->collation, sizeof row->collation);
    return QR_OK;
}

static enum qr_status add_database(struct qr_registry *registry, struct qr_str name,
                                   const struct qr_database_wish *wish,
                                   struct qr_database_row *ret_row, struct qr_err *err)
{
    struct qr_database_row row = {.max_bytes = MAX_BYTES_DEFAULT,
                                  .retention_days = QR_RETENTION_DAYS};
    if (name.n == 0 || !qri_copy_text(row.name, sizeof row.name, name))
        return qr_fail(err, QR_INVALID, "The name of a database has 1 to 128 characters.");
    if (find_name(registry, name) != NULL)
        return qr_sql_fail(err, 1801, row.name);
    if (registry->count >= DATABASES_MAX)
        return qr_fail(err, QR_FULL, "A server has at most %d databases.", DATABASES_MAX);
    struct qr_database_wish defaulted = *wish;
    if (defaulted.edition.n == 0 && defaulted.objective.n == 0)
        defaulted.edition = qr_str("GeneralPurpose");
    QR_TRY(apply_wish(&defaulted, &row, err));
    struct qr_str collation =
        wish->collation.n != 0 ? wish->collation : qr_str("SQL_Latin1_General_CP1_CI_AS");
    if (!qri_copy_text(row.collation, sizeof row.collation, collation))
        return qr_fail(err, QR_INVALID, "The name of a collation is too long.");
    row.id = is_master(name) ? QR_MASTER_ID : registry->next_id;
    row.create_ticks = qri_registry_now_ticks(registry);
    if (wish->replica_of == NULL)
        qri_new_timeline(registry->env, row.timeline);
    else
        QR_TRY(follow(registry, wish->replica_of, &row, err));

    uint64_t version = 0;
    QR_TRY(insert_row(registry, &row, &version, err));
    struct entry *entry = add_entry(registry);
    if (entry == NULL)
        return qr_fail(err, QR_NOMEM, "add a database"); /* the row stays CREATING: tidied up */
    struct entry *at = entry;
    while (at > registry->entries && at[-1].row.id > row.id) {
        at[0] = at[-1];
        at--;
    }
    *at = (struct entry){row, version};
    *ret_row = row;
    return QR_OK;
}

enum qr_status qr_registry_add_database(struct qr_registry *registry, struct qr_str name,
                                        const struct qr_database_wish *wish,
                                        struct qr_database_row *ret_row, struct qr_err *err)
{
    pthread_mutex_lock(&registry->mu);
    enum qr_status status = add_database(registry, name, wish, ret_row, err);
    pthread_mutex_unlock(&registry->mu);
    return status;
}

/* Writes a changed row; memory follows when it is durable. */
static enum qr_status update(struct qr_registry *registry, struct entry *entry,
                             const struct qr_database_row *row, struct qr_err *err)
{
    char key[KEY_BYTES];
    uint64_t version = 0;
    QR_TRY(put(registry, database_key(row->id, key), qri_json_of_row(row), entry->version, &version,
               err));
    entry->row = *row;
    entry->version = version;
    return QR_OK;
}

enum qr_status qr_registry_alter_database(struct qr_registry *registry, struct qr_str name,
                                          const struct qr_database_wish *wish,
                                          struct qr_database_row *ret_row, struct qr_err *err)
{
    enum qr_status status;
    pthread_mutex_lock(&registry->mu);
    struct entry *entry = find_name(registry, name);
    if (entry == NULL) {
        status = qri_fail_no_database(name, err);
    } else {
        struct qr_database_row row = entry->row;
        status = apply_wish(wish, &row, err);
        if (status == QR_OK)
            status = update(registry, entry, &row, err);
        if (status == QR_OK)
            *ret_row = row;
    }
    pthread_mutex_unlock(&registry->mu);
    return status;
}

enum qr_status qr_registry_rename_database(struct qr_registry *registry, struct qr_str name,
                                           struct qr_str new_name, struct qr_err *err)
{
    enum qr_status status;
    pthread_mutex_lock(&registry->mu);
    struct entry *entry = find_name(registry, name);
    struct qr_database_row row;
    if (entry == NULL) {
        status = qri_fail_no_database(name, err);
    } else {
        row = entry->row;
        const struct entry *other = find_name(registry, new_name);
        if (is_master(name) || new_name.n == 0 ||
            !qri_copy_text(row.name, sizeof row.name, new_name))
            status = qr_fail(err, QR_INVALID, "This name is not possible for the database.");
        else if (other != NULL && other != entry)
            status = qr_sql_fail(err, 1801, row.name);
        else
            status = update(registry, entry, &row, err);
    }
    pthread_mutex_unlock(&registry->mu);
    return status;
}

enum qr_status qri_registry_change(struct qr_registry *registry, uint32_t id,
                                   void (*change)(struct qr_database_row *row, const void *arg),
                                   const void *arg, struct qr_err *err)
{
    pthread_mutex_lock(&registry->mu);
    struct entry *entry = find_id(registry, id);
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
    struct entry *entry = find_id(registry, id);
    enum qr_status status = QR_OK;
    if (entry == NULL) {
        status = qr_fail(err, QR_NOT_FOUND, "no database has the id %u", id);
    } else {
        struct qr_meta_op op = {.key = database_key(id, key), .is_delete = true};
        status = qr_meta_txn(registry->meta, NULL, 0, &op, 1, &applied, NULL, err);
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
static enum qr_status give_row(struct qr_registry *registry, const struct entry *entry,
                               struct qr_database_row *ret_row)
{
    if (entry != NULL)
        *ret_row = entry->row;
    pthread_mutex_unlock(&registry->mu);
    return entry != NULL ? QR_OK : QR_NOT_FOUND;
}

enum qr_status qr_registry_find_database(struct qr_registry *registry, struct qr_str name,
                                         struct qr_database_row *ret_row)
{
    pthread_mutex_lock(&registry->mu);
    return give_row(registry, find_name(registry, name), ret_row);
}

enum qr_status qr_registry_find_id(struct qr_registry *registry, uint32_t id,
                                   struct qr_database_row *ret_row)
{
    pthread_mutex_lock(&registry->mu);
    return give_row(registry, find_id(registry, id), ret_row);
}

bool qr_registry_database_at(struct qr_registry *registry, size_t index,
                             struct qr_database_row *ret_row)
{
    pthread_mutex_lock(&registry->mu);
    const struct entry *entry = index < registry->count ? &registry->entries[index] : NULL;
    return give_row(registry, entry, ret_row) == QR_OK;
}
