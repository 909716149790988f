/* node.c - see cmd_int.h: which databases are open, and their making and dropping in recorded steps
 *
 * A database opens at its first login and closes when nobody has used it for IDLE_NS. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "cmd_int.h"
#include "env/thread.h"
#include "store/store.h"
#include "base/banned.h"

enum { STRINGS_BYTES_MAX = 64 * 1024 };
static const int64_t IDLE_NS = INT64_C(300) * 1000000000;

enum hosted_state { HOSTED_OPENING, HOSTED_OPEN, HOSTED_CLOSING };

struct hosted {
    struct hosted *next;
    uint32_t id;
    enum hosted_state state;
    struct qr_database *db;
    uint32_t refs;
    int64_t idle_since_ns;
};

struct qri_node {
    struct qri_node_options options;
    struct qr_instance *instance;
    struct qr_session_host session_host;
    struct qri_firewall_host firewall;
    pthread_mutex_t firewall_mu; /* of firewall_rules.c */
    pthread_mutex_t mu;          /* guards the list */
    pthread_cond_t changed;      /* a database has opened or closed */
    struct hosted *hosted;
};

struct qr_database_info qri_database_info(const struct qr_database_row *row)
{
    return (struct qr_database_info){
        .database_id = row->id,
        .name = qr_str(row->name),
        .edition = qr_str(row->edition),
        .service_objective = qr_str(row->objective),
        .collation = qr_str(row->collation),
        .create_ticks = row->create_ticks,
        .max_bytes = row->max_bytes,
    };
}

/* ---- files ---- */

static enum qr_status open_files(struct qri_node *node, const struct qr_database_row *row,
                                 bool make, struct qr_database **ret_db, struct qr_err *err)
{
    struct qr_arena arena;
    struct qr_store *store = NULL;
    struct qr_database_info info = qri_database_info(row);
    qr_arena_init(&arena, STRINGS_BYTES_MAX);
    const char *path = qri_datadir_path(node->options.dir, &arena, "databases", row->timeline);
    struct qr_store_options options = {
        .env = node->options.env,
        .log = {.sink = node->options.log.sink, .comp = "store"},
        .tmp_dir = qri_datadir_path(node->options.dir, &arena, "tmp", NULL),
        .cache_bytes = node->options.cache_bytes,
        .max_data_bytes = row->max_bytes,
    };
    enum qr_status status = path == NULL || options.tmp_dir == NULL
                                ? qr_fail(err, QR_NOMEM, "open a database")
                            : make ? qr_store_create(path, &options, &store, err)
                                   : qr_store_open(path, &options, &store, err);
    if (status == QR_OK) {
        status = qr_database_open(node->instance, &info, store, ret_db, err);
        if (status != QR_OK)
            qr_store_abandon(store);
    }
    qr_arena_done(&arena);
    return status;
}

static enum qr_status remove_files(struct qri_node *node, const struct qr_database_row *row,
                                   struct qr_err *err)
{
    struct qr_arena arena;
    qr_arena_init(&arena, STRINGS_BYTES_MAX);
    const char *path = qri_datadir_path(node->options.dir, &arena, "databases", row->timeline);
    enum qr_status status = path == NULL ? qr_fail(err, QR_NOMEM, "remove a database")
                                         : qr_store_remove(node->options.env, path, err);
    qr_arena_done(&arena);
    return status == QR_NOT_FOUND ? QR_OK : status;
}

/* ---- opening and closing; node.mu held where said ---- */

static struct hosted *find_hosted(struct qri_node *node, uint32_t id) /* held */
{
    struct hosted *hosted = node->hosted;
    while (hosted != NULL && hosted->id != id)
        hosted = hosted->next;
    return hosted;
}

static void forget(struct qri_node *node, struct hosted *hosted) /* held */
{
    struct hosted **at = &node->hosted;
    while (*at != hosted)
        at = &(*at)->next;
    *at = hosted->next;
    free(hosted);
    pthread_cond_broadcast(&node->changed);
}

/* Waits while the database is opening or closing; NULL: it is not open. */
static struct hosted *find_settled(struct qri_node *node, uint32_t id) /* held */
{
    struct hosted *hosted;
    while ((hosted = find_hosted(node, id)) != NULL && hosted->state != HOSTED_OPEN)
        pthread_cond_wait(&node->changed, &node->mu);
    return hosted;
}

static enum qr_status open_hosted(struct qri_node *node, const struct qr_database_row *row,
                                  bool make, struct hosted **ret_hosted, struct qr_err *err)
{
    struct hosted *hosted = calloc(1, sizeof *hosted); /* held, and given back for the opening */
    if (hosted == NULL)
        return qr_fail(err, QR_NOMEM, "open a database");
    hosted->id = row->id;
    hosted->state = HOSTED_OPENING;
    hosted->next = node->hosted;
    node->hosted = hosted;
    pthread_mutex_unlock(&node->mu);
    int64_t start = qr_env_mono_ns(node->options.env);
    enum qr_status status = open_files(node, row, make, &hosted->db, err);
    int64_t took_ms = (qr_env_mono_ns(node->options.env) - start) / 1000000;
    pthread_mutex_lock(&node->mu);
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
    pthread_cond_broadcast(&node->changed);
    *ret_hosted = hosted;
    return QR_OK;
}

static void close_hosted(struct qri_node *node, struct hosted *hosted) /* held, given back */
{
    struct qr_err err = {0};
    hosted->state = HOSTED_CLOSING;
    pthread_mutex_unlock(&node->mu);
    enum qr_status status = qr_database_close(hosted->db, &err);
    pthread_mutex_lock(&node->mu);
    if (status != QR_OK)
        QR_LOG(&node->options.log, QR_ERROR, "database_not_closed", QR_F("id", hosted->id),
               QR_F("reason", &err.text[0]));
    forget(node, hosted);
}

enum qr_status qri_node_enter(struct qri_node *node, struct qr_str name,
                              struct qr_database **ret_db, struct qr_err *err)
{
    struct qr_database_row row;
    char text[QR_NAME_BYTES_MAX + 1];
    size_t n = name.n < QR_NAME_BYTES_MAX ? name.n : QR_NAME_BYTES_MAX;
    memcpy(text, n == 0 ? "" : name.p, n);
    text[n] = '\0';
    pthread_mutex_lock(&node->mu); /* also keeps a drop from starting between look-up and open */
    if (qr_registry_find_database(node->options.registry, name, &row) != QR_OK ||
        row.state != QR_DATABASE_ONLINE) {
        pthread_mutex_unlock(&node->mu);
        return qr_sql_fail(err, 4060, text);
    }
    struct hosted *hosted = find_settled(node, row.id);
    enum qr_status status = QR_OK;
    if (hosted == NULL)
        status = open_hosted(node, &row, false, &hosted, err);
    if (status == QR_OK) {
        hosted->refs += 1;
        *ret_db = hosted->db;
    }
    pthread_mutex_unlock(&node->mu);
    if (status == QR_CORRUPT) /* its log or its first pages; the reason is in our log */
        return qr_sql_fail(err, 824, "incorrect checksum", "read", "(0:0)", (int)row.id,
                           "0x0000000000000000", text);
    if (status != QR_OK)
        return qr_sql_fail(err, 40613, text, qr_registry_server_name(node->options.registry),
                           "none");
    return QR_OK;
}

void qri_node_leave(struct qri_node *node, struct qr_database *db)
{
    pthread_mutex_lock(&node->mu);
    struct hosted *hosted = node->hosted;
    while (hosted->db != db)
        hosted = hosted->next;
    hosted->refs -= 1;
    hosted->idle_since_ns = qr_env_mono_ns(node->options.env);
    pthread_mutex_unlock(&node->mu);
}

void qri_node_tick(struct qri_node *node)
{
    int64_t now = qr_env_mono_ns(node->options.env);
    pthread_mutex_lock(&node->mu);
    for (struct hosted *hosted = node->hosted; hosted != NULL;) {
        bool idle = hosted->state == HOSTED_OPEN && hosted->refs == 0 &&
                    now - hosted->idle_since_ns >= IDLE_NS;
        if (idle) {
            close_hosted(node, hosted);
            hosted = node->hosted; /* the list may have changed meanwhile */
        } else {
            hosted = hosted->next;
        }
    }
    pthread_mutex_unlock(&node->mu);
}

void qri_node_resize(struct qri_node *node, uint32_t id, uint64_t max_bytes)
{
    pthread_mutex_lock(&node->mu);
    const struct hosted *hosted = find_settled(node, id);
    if (hosted != NULL)
        qr_store_set_max_data_bytes(qr_database_store(hosted->db), max_bytes);
    pthread_mutex_unlock(&node->mu);
}

/* ---- making and dropping ---- */

enum qr_status qri_node_create_database(struct qri_node *node, struct qr_str name,
                                        const struct qr_database_wish *wish, struct qr_err *err)
{
    struct qr_database_row row;
    struct hosted *hosted = NULL;
    struct qr_registry *registry = node->options.registry;
    QR_TRY(qr_registry_add_database(registry, name, wish, &row, err));
    if (qr_database_is_hyper(&row)) { /* needs processes that are not started yet */
        QR_TRY(qr_registry_remove_database(registry, row.id, err));
        return qr_fail(err, QR_UNSUPPORTED,
                       "Edition 'Hyperscale' is not supported by this version.");
    }
    pthread_mutex_lock(&node->mu);
    enum qr_status status = open_hosted(node, &row, true, &hosted, err);
    if (status == QR_OK)
        hosted->idle_since_ns = qr_env_mono_ns(node->options.env);
    pthread_mutex_unlock(&node->mu);
    if (status == QR_OK)
        return qr_registry_set_state(registry, row.id, QR_DATABASE_ONLINE, err);
    if (remove_files(node, &row, NULL) == QR_OK &&
        qr_registry_remove_database(registry, row.id, NULL) != QR_OK)
        QR_LOG(&node->options.log, QR_WARN, "database_row_left", QR_F("db", &row.name[0]));
    return status;
}

enum qr_status qri_node_drop_database(struct qri_node *node, struct qr_str name, struct qr_err *err)
{
    struct qr_database_row row;
    struct qr_registry *registry = node->options.registry;
    if (qr_registry_find_database(registry, name, &row) != QR_OK)
        return QR_NOT_FOUND;
    pthread_mutex_lock(&node->mu);
    struct hosted *hosted = find_settled(node, row.id);
    enum qr_status status = QR_OK;
    if (hosted != NULL && hosted->refs > 0)
        status = qr_sql_fail(err, 3702, row.name);
    if (status == QR_OK) /* from here on nobody enters it */
        status = qr_registry_set_state(registry, row.id, QR_DATABASE_DROPPING, err);
    if (status == QR_OK && hosted != NULL)
        close_hosted(node, hosted);
    pthread_mutex_unlock(&node->mu);
    if (status == QR_OK)
        status = remove_files(node, &row, err);
    if (status == QR_OK)
        status = qr_registry_remove_database(registry, row.id, err);
    if (status != QR_OK)
        return status;
    qri_firewall_forget_database(&node->firewall, row.id);
    QR_LOG(&node->options.log, QR_INFO, "database_dropped", QR_F("db", &row.name[0]));
    return QR_OK;
}

/* ---- start and stop ---- */

/* What a crash left between the steps of CREATE or DROP DATABASE. */
static enum qr_status finish_steps(struct qri_node *node, struct qr_err *err)
{
    struct qr_registry *registry = node->options.registry;
    struct qr_database_row row;
    for (size_t i = 0; qr_registry_database_at(registry, i, &row);) {
        if (row.state == QR_DATABASE_ONLINE) {
            i++;
            continue;
        }
        QR_TRY(remove_files(node, &row, err));
        QR_TRY(qr_registry_remove_database(registry, row.id, err));
        QR_LOG(&node->options.log, QR_INFO, "database_tidied", QR_F("db", &row.name[0]));
    }
    return QR_OK;
}

static enum qr_status session_enter(void *ctx, const struct qr_login *login,
                                    struct qr_database **ret_db, struct qr_err *err)
{
    struct qr_str name = login->database.n == 0 ? qr_str("master") : login->database;
    return qri_node_enter(ctx, name, ret_db, err);
}

static void session_leave(void *ctx, struct qr_database *db)
{
    qri_node_leave(ctx, db);
}

enum qr_status qri_node_open(const struct qri_node_options *options, struct qri_node **ret_node,
                             struct qr_err *err)
{
    struct qri_node *node = calloc(1, sizeof *node);
    if (node == NULL)
        return qr_fail(err, QR_NOMEM, "open the databases");
    node->options = *options;
    pthread_mutex_init(&node->mu, NULL);
    pthread_mutex_init(&node->firewall_mu, NULL);
    node->firewall = (struct qri_firewall_host){options->firewall, options->registry,
                                                &node->options.log, &node->firewall_mu};
    pthread_cond_init(&node->changed, NULL);
    const char *server = qr_registry_server_name(options->registry);
    node->session_host = (struct qr_session_host){
        .ctx = node, .enter = session_enter, .leave = session_leave, .server_name = qr_str(server)};
    struct qr_instance_options instance = {
        .env = options->env,
        .log = &node->options.log,
        .server_name = qr_str(server),
        .version = qr_str(QUIRE_VERSION),
        .host = qri_database_ddl_host(node),
        .query_memory_bytes_max = options->query_memory_bytes,
    };
    enum qr_status status = qr_instance_new(&instance, &node->instance, err);
    if (status == QR_OK)
        status = finish_steps(node, err);
    struct qr_database_row row;
    if (status == QR_OK &&
        qr_registry_find_database(options->registry, qr_str("master"), &row) != QR_OK)
        status =
            qri_node_create_database(node, qr_str("master"), &(struct qr_database_wish){0}, err);
    if (status != QR_OK) {
        qri_node_close(node);
        return status;
    }
    *ret_node = node;
    return QR_OK;
}

void qri_node_close(struct qri_node *node)
{
    if (node == NULL)
        return;
    pthread_mutex_lock(&node->mu);
    while (node->hosted != NULL)
        close_hosted(node, node->hosted);
    pthread_mutex_unlock(&node->mu);
    qr_instance_free(node->instance);
    pthread_cond_destroy(&node->changed);
    pthread_mutex_destroy(&node->mu);
    pthread_mutex_destroy(&node->firewall_mu);
    free(node);
}

struct qr_session_host *qri_node_session_host(struct qri_node *node)
{
    return &node->session_host;
}

const struct qri_firewall_host *qri_node_firewall(const struct qri_node *node)
{
    return &node->firewall;
}

uint32_t qri_node_database_id(void *node, struct qr_str name)
{
    struct qr_database_row row;
    if (name.n == 0)
        return QR_MASTER_ID;
    struct qr_registry *registry = qri_node_registry(node);
    return qr_registry_find_database(registry, name, &row) == QR_OK ? row.id : 0;
}

struct qr_registry *qri_node_registry(const struct qri_node *node)
{
    return node->options.registry;
}
