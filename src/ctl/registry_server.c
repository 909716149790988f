/* registry_server.c - see ctl/registry.h: the logical servers and their logins, at keys `server`
 * (the first one) and `server/<number in hexadecimal>`; their next database numbers, at
 * `next_database_id` and `next_database_id/<number>`; the next server's number, at `next_server` */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "registry_int.h"
#include "base/banned.h"

enum { KEY_BYTES = QRI_KEY_BYTES, SERVERS_MAX = 2000 };

static void json_freep(json_t **json)
{
    json_decref(*json);
}

/* Of the first server the keys are those of releases that had no other. */
static struct qr_str key_of(const char *word, uint32_t number, char dst[KEY_BYTES])
{
    int n = number == 0 ? snprintf(dst, KEY_BYTES, "%s", word)
                        : snprintf(dst, KEY_BYTES, "%s/%03x", word, number);
    return qr_str_n(dst, (size_t)n);
}

struct qr_str qri_registry_next_key(uint32_t server, char dst[QRI_KEY_BYTES])
{
    return key_of("next_database_id", server, dst);
}

/* ---- in memory; mu held ---- */

struct qri_server *qri_registry_server(struct qr_registry *registry, uint32_t number)
{
    for (size_t i = 0; i < registry->server_count; i++)
        if (registry->servers[i].row.number == number)
            return &registry->servers[i];
    return NULL;
}

static struct qri_server *find_name(struct qr_registry *registry, struct qr_str name)
{
    for (size_t i = 0; i < registry->server_count; i++)
        if (qr_str_ieqz(name, registry->servers[i].row.name))
            return &registry->servers[i];
    return NULL;
}

static enum qr_status add_server(struct qr_registry *registry, const struct qri_server *server,
                                 struct qr_err *err)
{
    size_t at = registry->server_count;
    struct qri_server *servers = realloc(registry->servers, (at + 1) * sizeof *servers);
    if (servers == NULL)
        return qr_fail(err, QR_NOMEM, "load the servers");
    registry->servers = servers;
    registry->server_count += 1;
    for (; at > 0 && servers[at - 1].row.number > server->row.number; at--)
        servers[at] = servers[at - 1];
    servers[at] = *server;
    if (server->row.number == 0) {
        memcpy(registry->name, server->row.name, sizeof registry->name);
        memcpy(registry->admin_login, server->row.admin_login, sizeof registry->admin_login);
    }
    return QR_OK;
}

/* ---- loading ---- */

static enum qr_status load_next(struct qr_registry *registry, struct qri_server *server,
                                struct qr_err *err)
{
    char key[KEY_BYTES];
    QR_AUTO(json_freep) json_t *object = NULL;
    json_int_t id;
    (void)qri_registry_next_key(server->row.number, key);
    enum qr_status status = qri_registry_load(registry, key, &object, &server->next_version, err);
    server->next = QRI_NUMBER_FIRST;
    if (status == QR_NOT_FOUND)
        return QR_OK;
    QR_TRY(status);
    if (!qri_take_number(object, "id", &id) || id < QRI_NUMBER_FIRST || id > INT32_MAX)
        return qr_fail(err, QR_CORRUPT, "metadata: '%s' is damaged", key);
    server->next = (uint32_t)id;
    return QR_OK;
}

struct load {
    struct qr_registry *registry;
    struct qr_err *err;
    enum qr_status status;
};

static bool load_one(void *arg, struct qr_str key, struct qr_str value, uint64_t version)
{
    struct load *load = arg;
    struct qri_server server = {.version = version};
    const char *slash = memchr(key.p, '/', key.n);
    char digits[8] = "0", *end = digits;
    if (slash != NULL)
        (void)qri_copy_text(digits, sizeof digits,
                            qr_str_n(slash + 1, key.n - (size_t)(slash + 1 - key.p)));
    server.row.number = (uint32_t)strtoul(digits, &end, 16);
    QR_AUTO(json_freep)
    json_t *o = json_loadb(value.p, value.n, JSON_REJECT_DUPLICATES, NULL);
    struct qr_server_row *row = &server.row;
    if (*end != '\0' || row->number > QR_SERVER_NUMBER_MAX ||
        !qri_take_text(o, "name", row->name, sizeof row->name) ||
        !qri_take_text(o, "adminLogin", row->admin_login, sizeof row->admin_login) ||
        !qri_take_text(o, "adminHash", server.admin_hash, sizeof server.admin_hash))
        load->status = qr_fail(load->err, QR_CORRUPT, "metadata: a server's row cannot be read");
    else
        load->status = add_server(load->registry, &server, load->err);
    return load->status == QR_OK;
}

enum qr_status qri_registry_load_servers(struct qr_registry *registry, struct qr_err *err)
{
    struct load load = {registry, err, QR_OK};
    struct qr_buf buf;
    uint64_t version = 0;
    qr_buf_init(&buf, QR_META_VALUE_BYTES_MAX);
    enum qr_status status = qr_meta_get(registry->meta, qr_str("server"), &buf, &version, err);
    if (status == QR_OK)
        (void)load_one(&load, qr_str("server"), qr_str_n((const char *)buf.data, buf.len), version);
    qr_buf_done(&buf);
    if (status != QR_OK && status != QR_NOT_FOUND)
        return status;
    QR_TRY(load.status);
    QR_TRY(qr_meta_range(registry->meta, qr_str("server/"), load_one, &load, err));
    QR_TRY(load.status);
    for (size_t i = 0; i < registry->server_count; i++)
        QR_TRY(load_next(registry, &registry->servers[i], err));
    return QR_OK;
}

/* ---- looking ---- */

bool qr_registry_has_server(struct qr_registry *registry)
{
    pthread_mutex_lock(&registry->mu);
    bool has = registry->server_count > 0;
    pthread_mutex_unlock(&registry->mu);
    return has;
}

enum qr_status qr_registry_find_server(struct qr_registry *registry, struct qr_str name,
                                       struct qr_server_row *ret_row)
{
    pthread_mutex_lock(&registry->mu);
    const struct qri_server *server = find_name(registry, name);
    if (server != NULL)
        *ret_row = server->row;
    pthread_mutex_unlock(&registry->mu);
    return server != NULL ? QR_OK : QR_NOT_FOUND;
}

bool qr_registry_server_at(struct qr_registry *registry, size_t index,
                           struct qr_server_row *ret_row)
{
    pthread_mutex_lock(&registry->mu);
    bool is_there = index < registry->server_count;
    if (is_there)
        *ret_row = registry->servers[index].row;
    pthread_mutex_unlock(&registry->mu);
    return is_there;
}

enum qr_status qr_registry_server(struct qr_registry *registry, uint32_t number,
                                  struct qr_server_row *ret_row)
{
    pthread_mutex_lock(&registry->mu);
    const struct qri_server *server = qri_registry_server(registry, number);
    if (server != NULL)
        *ret_row = server->row;
    pthread_mutex_unlock(&registry->mu);
    return server != NULL ? QR_OK : QR_NOT_FOUND;
}

void qr_registry_server_name(struct qr_registry *registry, uint32_t number,
                             char dst[QR_SERVER_NAME_BYTES_MAX + 1])
{
    pthread_mutex_lock(&registry->mu);
    const struct qri_server *server = qri_registry_server(registry, number);
    snprintf(dst, QR_SERVER_NAME_BYTES_MAX + 1, "%s", server == NULL ? "" : server->row.name);
    pthread_mutex_unlock(&registry->mu);
}

const char *qr_registry_first_name(struct qr_registry *registry)
{
    return registry->name;
}

const char *qr_registry_first_login(struct qr_registry *registry)
{
    return registry->admin_login;
}

enum qr_status qr_registry_login_hash(struct qr_registry *registry, uint32_t number,
                                      struct qr_str login, char dst[QR_HASH_BYTES_MAX + 1],
                                      bool *ret_is_admin, struct qr_err *err)
{
    enum qr_status status = QR_NOT_FOUND;
    pthread_mutex_lock(&registry->mu);
    const struct qri_server *server = qri_registry_server(registry, number);
    if (server != NULL && qr_str_ieqz(login, server->row.admin_login)) {
        memcpy(dst, server->admin_hash, sizeof server->admin_hash);
        *ret_is_admin = true;
        status = QR_OK;
    }
    pthread_mutex_unlock(&registry->mu);
    return status == QR_OK ? QR_OK : qr_fail(err, status, "no such login");
}

/* ---- changes; mu held ---- */

static json_t *json_of(const struct qri_server *server)
{
    return json_pack("{s:s, s:s, s:s}", "name", server->row.name, "adminLogin",
                     server->row.admin_login, "adminHash", server->admin_hash);
}

/* The next that was never used; after the last one, one that nothing is left of. */
static enum qr_status choose_number(struct qr_registry *registry, uint32_t *ret_number,
                                    uint64_t *ret_version, struct qr_err *err)
{
    QR_AUTO(json_freep) json_t *object = NULL;
    json_int_t next = 1;
    *ret_version = 0;
    enum qr_status status = qri_registry_load(registry, "next_server", &object, ret_version, err);
    if (status == QR_OK && (!qri_take_number(object, "number", &next) || next < 1))
        return qr_fail(err, QR_CORRUPT, "metadata: 'next_server' is damaged");
    if (status != QR_OK && status != QR_NOT_FOUND)
        return status;
    for (uint32_t tries = 0; tries <= QR_SERVER_NUMBER_MAX; tries++, next++) {
        if (next > QR_SERVER_NUMBER_MAX)
            next = 1;
        *ret_number = (uint32_t)next;
        if (qri_registry_server(registry, *ret_number) == NULL &&
            !qri_registry_has_rows(registry, *ret_number))
            return QR_OK;
    }
    return qr_fail(err, QR_FULL, "There are no numbers left for servers.");
}

static enum qr_status take_texts(struct qri_server *server, struct qr_str name, struct qr_str login,
                                 struct qr_str hash, struct qr_err *err)
{
    struct qr_server_row *row = &server->row;
    if (name.n == 0 || login.n == 0 || hash.n == 0 ||
        !qri_copy_text(row->name, sizeof row->name, name) ||
        !qri_copy_text(row->admin_login, sizeof row->admin_login, login) ||
        !qri_copy_text(server->admin_hash, sizeof server->admin_hash, hash))
        return qr_fail(err, QR_INVALID,
                       "the names of a server and its login have 1 to %d and %d bytes",
                       QR_SERVER_NAME_BYTES_MAX, QR_NAME_BYTES_MAX);
    return QR_OK;
}

static enum qr_status make_server(struct qr_registry *registry, struct qri_server *server,
                                  const struct qr_meta_op *with, struct qr_err *err)
{
    char key[KEY_BYTES], next[32];
    uint64_t next_version = 0;
    bool applied = false;
    if (find_name(registry, qr_str(server->row.name)) != NULL)
        return qr_fail(err, QR_EXISTS, "There is a server '%s' already.", server->row.name);
    if (registry->server_count >= SERVERS_MAX)
        return qr_fail(err, QR_FULL, "There are %d servers, the most possible.", SERVERS_MAX);
    server->row.number = 0;
    if (registry->server_count > 0)
        QR_TRY(choose_number(registry, &server->row.number, &next_version, err));
    QR_AUTO(json_freep) json_t *object = json_of(server);
    char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
    if (text == NULL)
        return qr_fail(err, QR_INVALID, "the name of a server is not UTF-8");
    snprintf(next, sizeof next, "{\"number\":%u}", server->row.number + 1);
    struct qr_str own = key_of("server", server->row.number, key);
    struct qr_meta_compare compares[] = {{own, 0}, {qr_str("next_server"), next_version}};
    struct qr_meta_op ops[3] = {{.key = own, .value = qr_str(text)},
                                {.key = qr_str("next_server"), .value = qr_str(next)}};
    if (with != NULL)
        ops[2] = *with;
    enum qr_status status = qr_meta_txn(registry->meta, compares, 2, ops, with == NULL ? 2 : 3,
                                        &applied, &server->version, err);
    free(text);
    QR_TRY(status);
    if (!applied)
        return qr_fail(err, QR_BUSY, "metadata: the list of servers has changed");
    QR_TRY(load_next(registry, server, err)); /* of an earlier one of that number, if any */
    return add_server(registry, server, err);
}

enum qr_status qr_registry_make_server(struct qr_registry *registry, struct qr_str name,
                                       struct qr_str admin_login, struct qr_str admin_hash,
                                       const struct qr_meta_op *with, uint32_t *ret_server,
                                       struct qr_err *err)
{
    struct qri_server server = {.version = 0};
    QR_TRY(take_texts(&server, name, admin_login, admin_hash, err));
    pthread_mutex_lock(&registry->mu);
    enum qr_status status = make_server(registry, &server, with, err);
    pthread_mutex_unlock(&registry->mu);
    if (status == QR_OK && ret_server != NULL)
        *ret_server = server.row.number;
    return status;
}

static enum qr_status remove_server(struct qr_registry *registry, struct qri_server *server,
                                    const struct qr_meta_op *with, struct qr_err *err)
{
    char key[KEY_BYTES], next[KEY_BYTES];
    bool applied = false;
    struct qr_meta_op ops[3] = {
        {.key = key_of("server", server->row.number, key), .is_delete = true},
        {.key = qri_registry_next_key(server->row.number, next), .is_delete = true}};
    if (with != NULL)
        ops[2] = *with;
    QR_TRY(qr_meta_txn(registry->meta, NULL, 0, ops, with == NULL ? 2 : 3, &applied, NULL, err));
    QR_TRY(qri_registry_remove_pools(registry, server->row.number, err));
    QR_TRY(qri_registry_remove_logins(registry, server->row.number, err));
    qri_registry_orphan(registry, server->row.number);
    size_t after = registry->server_count - (size_t)(server - registry->servers) - 1;
    memmove(server, server + 1, after * sizeof *server);
    registry->server_count -= 1;
    return QR_OK;
}

enum qr_status qr_registry_remove_server(struct qr_registry *registry, uint32_t number,
                                         const struct qr_meta_op *with, struct qr_err *err)
{
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&registry->mu);
    struct qri_server *server = qri_registry_server(registry, number);
    if (number == 0)
        status = qr_fail(err, QR_CONFLICT, "The first server is not deleted.");
    else if (server != NULL)
        status = remove_server(registry, server, with, err);
    pthread_mutex_unlock(&registry->mu);
    return status;
}

enum qr_status qr_registry_set_admin_hash(struct qr_registry *registry, uint32_t number,
                                          struct qr_str hash, struct qr_err *err)
{
    char key[KEY_BYTES];
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&registry->mu);
    struct qri_server *server = qri_registry_server(registry, number);
    struct qri_server changed = {.version = 0};
    if (server == NULL) {
        status = qr_fail(err, QR_NOT_FOUND, "There is no such server.");
    } else {
        changed = *server;
        status = take_texts(&changed, qr_str(server->row.name), qr_str(server->row.admin_login),
                            hash, err);
    }
    if (status == QR_OK)
        status = qri_registry_put(registry, key_of("server", number, key), json_of(&changed),
                                  changed.version, &changed.version, err);
    if (status == QR_OK)
        *server = changed;
    pthread_mutex_unlock(&registry->mu);
    return status;
}
