/* node.c - see cmd_int.h: which databases are open.
 *
 * A database opens at its first login and closes when nobody has used it for IDLE_NS, and one that
 * was only made soon: there may be thousands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "node_int.h"
#include "store/hyper.h"
#include "store/store.h"
#include "base/banned.h"

static const int64_t UNUSED_NS = INT64_C(10) * 1000000000, CLOSING_NS = INT64_C(2) * 1000000000;
static const int64_t SOON_IDLE_NS = INT64_C(60) * 1000000000;
static const int64_t IDLE_NS = INT64_C(300) * 1000000000, FIND_NS = INT64_C(15) * 1000000000;

/* ---- opening and closing; node.mu held where said ---- */

struct hosted *qri_node_find_hosted(struct qri_node *node, uint32_t id) /* held */
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
struct hosted *qri_node_find_settled(struct qri_node *node, uint32_t id) /* held */
{
    struct hosted *hosted;
    while ((hosted = qri_node_find_hosted(node, id)) != NULL && hosted->state != HOSTED_OPEN)
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
    hosted->retention_days = row->retention_days;
    hosted->has_files = !qr_database_is_hyper(row);
    memcpy(hosted->timeline, row->timeline, sizeof hosted->timeline);
    hosted->state = HOSTED_OPENING;
    hosted->next = node->hosted;
    node->hosted = hosted;
    pthread_mutex_unlock(&node->mu);
    int64_t start = qr_env_mono_ns(node->options.env);
    enum qr_status status = qri_node_open_files(node, row, make, &hosted->db, err);
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

void qri_node_close_hosted(struct qri_node *node, struct hosted *hosted) /* held, given back */
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

struct held *qri_node_find_held(const struct qri_node *node, uint32_t id) /* held */
{
    struct held *held = node->held;
    while (held != NULL && held->id != id)
        held = held->next;
    return held;
}

enum qr_status qri_node_open_own(struct qri_node *node, const struct qr_database_row *row,
                                 struct qr_database **ret_db, struct qr_err *err)
{
    /* who makes it is the first one to open it; one that was made elsewhere is not CREATING here */
    bool make = qr_database_has_copies(row) && row->state == QR_DATABASE_CREATING &&
                atomic_load(&node->duty) == QR_DUTY_PRIMARY;
    if (make)
        QR_TRY(qri_node_make(node, row, err));
    return qri_node_enter_row(node, row, ret_db, err);
}

enum qr_status qri_node_enter_row(struct qri_node *node, const struct qr_database_row *row,
                                  struct qr_database **ret_db, struct qr_err *err)
{
    pthread_mutex_lock(&node->mu);
    struct hosted *hosted = qri_node_find_settled(node, row->id);
    const struct held *held = qri_node_find_held(node, row->id);
    enum qr_status status = held == NULL ? QR_OK : held->moves ? QR_BUSY : QR_NOT_FOUND;
    if (status == QR_OK && hosted == NULL)
        status = open_hosted(node, row, false, &hosted, err);
    if (status == QR_OK) {
        hosted->refs += 1;
        hosted->was_used = true;
        *ret_db = hosted->db;
    }
    pthread_mutex_unlock(&node->mu);
    return status;
}

enum qr_status qri_node_enter(struct qri_node *node, uint32_t server, struct qr_str name,
                              struct qr_database **ret_db, struct qr_err *err)
{
    struct qr_database_row row;
    char text[QR_NAME_BYTES_MAX + 1];
    size_t n = name.n < QR_NAME_BYTES_MAX ? name.n : QR_NAME_BYTES_MAX;
    memcpy(text, n == 0 ? "" : name.p, n);
    text[n] = '\0';
    /* not under mu: control may be waiting for us just now */
    enum qr_status status =
        qr_control_find(node->options.control, server, name, 0, FIND_NS, &row, err);
    if (status == QR_NOT_FOUND || (status == QR_OK && row.state != QR_DATABASE_ONLINE))
        return qr_sql_fail(err, 4060, text);
    if (status == QR_OK) {
        uint32_t own = 0; /* the shared node's database */
        (void)qr_place_database_of(node->options.name, &own);
        status = own == (qr_database_has_nodes(&row) ? row.id : 0)
                     ? qri_node_enter_row(node, &row, ret_db, err)
                     : qr_fail(err, QR_BUSY, "the database is on another node");
    }
    if (status == QR_NOT_FOUND) /* dropped since */
        return qr_sql_fail(err, 4060, text);
    if (status == QR_CORRUPT) /* its log or its first pages; the reason is in our log */
        return qr_sql_fail(err, 824, "incorrect checksum", "read", "(0:0)",
                           (int)qr_number_of(row.id), "0x0000000000000000", text);
    if (status != QR_OK)
        return qr_sql_fail(err, 40613, text, node->options.server_name, "none");
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
    pthread_cond_broadcast(&node->changed);
    pthread_mutex_unlock(&node->mu);
}

/* Who was never entered has all it will ever have in its first backup. */
static int64_t idle_ns_max(const struct hosted *hosted)
{
    return hosted->was_used || !hosted->has_backup ? IDLE_NS : UNUSED_NS;
}

bool qri_node_tick(struct qri_node *node)
{
    int64_t begin = qr_env_mono_ns(node->options.env), now = begin;
    pthread_mutex_lock(&node->mu);
    /* a signal waits for the end of this, and a close for a disk */
    for (struct hosted *hosted = node->hosted; hosted != NULL && now - begin < CLOSING_NS;
         now = qr_env_mono_ns(node->options.env)) {
        /* a replica that can take over is of use without sessions */
        bool idle = hosted->state == HOSTED_OPEN && hosted->refs == 0 &&
                    atomic_load(&node->duty) != QR_DUTY_HA_REPLICA && !hosted->backing_up &&
                    node->copy == NULL && /* its secondaries would begin anew with it */
                    now - hosted->idle_since_ns >= idle_ns_max(hosted);
        if (idle) {
            qri_node_close_hosted(node, hosted);
            hosted = node->hosted; /* the list may have changed meanwhile */
        } else {
            hosted = hosted->next;
        }
    }
    bool any = node->hosted != NULL;
    pthread_mutex_unlock(&node->mu);
    return any;
}

/* ---- for backups ---- */

bool qri_node_next_open(struct qri_node *node, uint32_t after_id,
                        struct qri_open_database *ret_open)
{
    struct hosted *next = NULL;
    pthread_mutex_lock(&node->mu);
    for (struct hosted *h = node->hosted; h != NULL; h = h->next)
        if (h->state == HOSTED_OPEN && h->has_files && h->id > after_id && !qr_is_master(h->id) &&
            (h->was_used || !h->has_backup) && /* else it is about to be closed */
            atomic_load(&node->duty) == QR_DUTY_PRIMARY && (next == NULL || h->id < next->id))
            next = h;
    if (next != NULL) {
        next->backing_up = true;
        *ret_open = (struct qri_open_database){
            .id = next->id,
            .retention_days = next->retention_days,
            .timeline = next->timeline,
            .idle = next->refs == 0 &&
                    qr_env_mono_ns(node->options.env) - next->idle_since_ns >= SOON_IDLE_NS,
            .db = next->db};
    }
    pthread_mutex_unlock(&node->mu);
    return next != NULL;
}

void qri_node_backed_up(struct qri_node *node, uint32_t id, bool has_backup)
{
    pthread_mutex_lock(&node->mu);
    struct hosted *hosted = qri_node_find_hosted(node, id);
    hosted->backing_up = false;
    hosted->has_backup |= has_backup;
    pthread_cond_broadcast(&node->changed);
    pthread_mutex_unlock(&node->mu);
}

/* ---- what control asks for ---- */

enum qr_status qri_node_make(struct qri_node *node, const struct qr_database_row *row,
                             struct qr_err *err)
{
    pthread_mutex_lock(&node->mu);
    struct hosted *hosted =
        qri_node_find_settled(node, row->id); /* the answer to an earlier ask was lost */
    enum qr_status status = hosted != NULL ? QR_OK : open_hosted(node, row, true, &hosted, err);
    if (status == QR_OK)
        hosted->idle_since_ns = qr_env_mono_ns(node->options.env);
    pthread_mutex_unlock(&node->mu);
    return status;
}

/* A new name, objective or size takes effect at once if the database is open. */
enum qr_status qri_node_resize(struct qri_node *node, const struct qr_database_row *row,
                               struct qr_err *err)
{
    struct qr_database_info info = qri_database_info(row);
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&node->mu);
    const struct hosted *hosted = qri_node_find_settled(node, row->id);
    if (hosted != NULL && hosted->has_files)
        qr_store_set_max_data_bytes(qr_database_store(hosted->db), row->max_bytes);
    if (hosted != NULL)
        status = qr_database_update(hosted->db, &info, err);
    pthread_mutex_unlock(&node->mu);
    return status;
}

enum qr_status qri_node_promote(struct qri_node *node, const struct qr_database_row *row,
                                struct qr_err *err)
{
    struct qr_database *db = NULL;
    QR_TRY(qri_node_enter_row(node, row, &db, err));
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&node->promote_mu); /* asked again: the answer to the first time was lost */
    if (atomic_load(&node->duty) == QR_DUTY_NAMED_REPLICA)
        status = qr_fail(err, QR_INVALID, "a named replica does not take over");
    else if (atomic_load(&node->duty) == QR_DUTY_HA_REPLICA)
        status = node->copy != NULL ? qri_copy_promote(node, err)
                                    : qr_hyper_promote(qr_database_store(db), 0, true, err);
    if (status == QR_OK)
        atomic_store(&node->duty, QR_DUTY_PRIMARY);
    pthread_mutex_unlock(&node->promote_mu);
    qri_node_leave(node, db);
    return status;
}

/* ---- start and stop ---- */

static enum qr_status session_enter(void *ctx, const struct qr_login *login,
                                    struct qr_database **ret_db, struct qr_err *err)
{
    struct qri_node *node = ctx;
    struct qr_str name = login->database.n == 0 ? qr_str("master") : login->database;
    /* A gateway's route was older than a takeover: it asks for another one then. */
    if (atomic_load(&node->duty) == QR_DUTY_HA_REPLICA && !login->login7->read_only_intent) {
        char text[QR_NAME_BYTES_MAX + 1];
        snprintf(text, sizeof text, "%.*s", (int)name.n, name.p);
        return qr_sql_fail(err, 40613, text, node->options.server_name, "none");
    }
    return qri_node_enter(node, qr_server_of(login->server_id), name, ret_db, err);
}

static void session_leave(void *ctx, struct qr_database *db)
{
    qri_node_leave(ctx, db);
}

static void session_end_all(void *ctx)
{
    struct qri_node *node = ctx;
    pthread_mutex_lock(&node->mu);
    for (struct hosted *hosted = node->hosted; hosted != NULL; hosted = hosted->next)
        if (hosted->state == HOSTED_OPEN)
            qr_database_end_sessions(hosted->db, false);
    pthread_mutex_unlock(&node->mu);
}

enum qr_status qri_node_open(const struct qri_node_options *options, struct qri_node **ret_node,
                             struct qr_err *err)
{
    struct qri_node *node = calloc(1, sizeof *node);
    if (node == NULL)
        return qr_fail(err, QR_NOMEM, "open the databases");
    node->options = *options;
    atomic_init(&node->duty, options->duty);
    pthread_mutex_init(&node->promote_mu, NULL);
    pthread_mutex_init(&node->mu, NULL);
    qr_cond_init(&node->changed);
    qri_moves_init(&node->moves);
    node->session_host = (struct qr_session_host){.ctx = node,
                                                  .enter = session_enter,
                                                  .leave = session_leave,
                                                  .end_sessions = session_end_all,
                                                  .server_name = qr_str(options->server_name)};
    struct qr_instance_options instance = {
        .env = options->env,
        .log = &node->options.log,
        .server_name = qr_str(options->server_name),
        .version = qr_str(QUIRE_VERSION),
        .host = qri_database_ddl_host(node),
        .query_memory_bytes_max = options->query_memory_bytes,
    };
    if (options->server_key != NULL)
        qr_server_key_id_raw(options->server_key, instance.server_key_id);
    enum qr_status status = qr_instance_new(&instance, &node->instance, err);
    if (status != QR_OK)
        qri_node_close(node);
    else
        *ret_node = node;
    return status;
}

void qri_node_close(struct qri_node *node)
{
    if (node == NULL)
        return;
    qri_moves_end(node, node->moves);
    qri_copy_stop(node);
    pthread_mutex_lock(&node->mu);
    while (node->hosted != NULL)
        qri_node_close_hosted(node, node->hosted);
    pthread_mutex_unlock(&node->mu);
    qri_copy_close(node);
    if (node->instance != NULL)
        qr_instance_free(node->instance);
    while (node->held != NULL) {
        struct held *held = node->held;
        node->held = held->next;
        free(held);
    }
    pthread_cond_destroy(&node->changed);
    pthread_mutex_destroy(&node->promote_mu);
    pthread_mutex_destroy(&node->mu);
    free(node);
}

struct qr_session_host *qri_node_session_host(struct qri_node *node)
{
    return &node->session_host;
}

struct qri_moves *qri_node_moves(const struct qri_node *node)
{
    return node->moves;
}

const struct qri_node_options *qri_node_options_of(const struct qri_node *node)
{
    return &node->options;
}
