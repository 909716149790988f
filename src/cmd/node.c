/* node.c - see cmd_int.h: who enters the databases of a compute node. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "governor/governor.h"
#include "node_int.h"
#include "store/hyper.h"
#include "store/store.h"
#include "base/banned.h"

static const int64_t SOON_IDLE_NS = INT64_C(60) * 1000000000;
static const int64_t FIND_NS = INT64_C(15) * 1000000000, LOOK_PAUSE_NS = 50000000;

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
    struct hosted *hosted = NULL;
    enum qr_status status = qri_node_need_open(node, row, false, &hosted, err);
    if (status == QR_OK) {
        qri_hosted_enter(node, hosted);
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
    if (status == QR_OK && row.paused_wall_ns != 0) /* the way here was older */
        status = qr_fail(err, QR_BUSY, "the database is paused");
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
    qri_hosted_leave(node, qri_node_find_hosted(node, qr_database_own_id(db)));
    pthread_mutex_unlock(&node->mu);
}

bool qri_node_has_open(struct qri_node *node)
{
    pthread_mutex_lock(&node->mu);
    bool any = node->open_count > 0;
    pthread_mutex_unlock(&node->mu);
    return any;
}

/* ---- for backups ---- */

static bool wants_look(const struct qri_node *node, const struct hosted *hosted) /* held */
{
    return hosted->state == HOSTED_OPEN && hosted->has_files && !hosted->backing_up &&
           !qr_is_master(hosted->id) &&
           (hosted->was_used || !hosted->has_backup) && /* else it is about to be closed */
           atomic_load(&node->duty) == QR_DUTY_PRIMARY;
}

/* How the look ended that `open` was for. */
static void end_look(struct qri_node *node, const struct qri_open_database *open) /* held */
{
    struct hosted *hosted = qri_node_find_hosted(node, open->id);
    hosted->backing_up = false;
    hosted->has_backup |= open->has_backup;
    hosted->is_backed_up = open->is_backed_up && !hosted->was_touched;
    pthread_cond_broadcast(&node->changed);
    if (hosted->has_backup && (qri_node_is_short(node) || node->idle_count > node->unused_max))
        pthread_cond_signal(&node->close_wake);
}

void qri_node_wait_look(struct qri_node *node, int64_t ns, const _Atomic bool *stops)
{
    qr_env_sleep_ns(node->options.env, LOOK_PAUSE_NS); /* who closes may be about to */
    pthread_mutex_lock(&node->mu);
    if (!node->wants_look && !atomic_load(stops))
        (void)qr_cond_wait(&node->look_wake, &node->mu, ns);
    node->wants_look = false;
    pthread_mutex_unlock(&node->mu);
}

void qri_node_wake_look(struct qri_node *node)
{
    pthread_mutex_lock(&node->mu);
    pthread_cond_signal(&node->look_wake);
    pthread_mutex_unlock(&node->mu);
}

bool qri_node_next_open(struct qri_node *node, struct qri_open_database *open)
{
    pthread_mutex_lock(&node->mu);
    struct hosted_link *at =
        open->id == 0 ? node->opened.after : qri_node_find_hosted(node, open->id)->opened.after;
    while (at != &node->opened && !wants_look(node, qri_hosted_of(at)))
        at = at->after;
    if (open->id != 0)
        end_look(node, open);
    struct hosted *next = at == &node->opened ? NULL : qri_hosted_of(at);
    *open = (struct qri_open_database){.id = 0};
    if (next != NULL) {
        int64_t idle_ns = qr_env_mono_ns(node->options.env) - next->idle_since_ns;
        next->backing_up = true;
        next->was_touched = next->refs > 0;
        *open = (struct qri_open_database){
            .id = next->id,
            .retention_days = next->retention_days,
            .timeline = next->timeline,
            .idle = next->refs == 0 &&
                    (idle_ns >= SOON_IDLE_NS || next->wants_rest || qri_node_is_short(node)),
            .db = next->db};
    }
    pthread_mutex_unlock(&node->mu);
    return next != NULL;
}

/* ---- what control asks for ---- */

enum qr_status qri_node_make(struct qri_node *node, const struct qr_database_row *row,
                             struct qr_err *err)
{
    pthread_mutex_lock(&node->mu);
    struct hosted *hosted = NULL; /* open already: the answer to an earlier ask was lost */
    enum qr_status status = qri_node_need_open(node, row, true, &hosted, err);
    pthread_mutex_unlock(&node->mu);
    return status;
}

/* A new name, objective or size takes effect at once if the database is open. */
enum qr_status qri_node_resize(struct qri_node *node, const struct qr_database_row *row,
                               struct qr_err *err)
{
    struct qr_database_info info = qri_database_info(row);
    struct qr_gov_group_options limits;
    enum qr_status status = QR_OK;
    qri_node_limits(node, row, &limits);
    pthread_mutex_lock(&node->mu);
    struct hosted *hosted = qri_node_find_settled(node, row->id);
    if (hosted != NULL)
        status = qr_database_update(hosted->db, &info, err);
    if (hosted != NULL && status == QR_OK)
        status = qri_node_resize_store(node, row, qr_database_store(hosted->db), err);
    if (hosted != NULL)
        qri_node_bound_store(node, row, &limits, qr_database_store(hosted->db));
    if (hosted != NULL)
        hosted->in_pool = row->pool[0] != '\0';
    if (status == QR_OK && hosted != NULL && hosted->group != NULL)
        status = qr_gov_group_update(hosted->group, &limits, err);
    qri_node_bound_process(node);
    pthread_mutex_unlock(&node->mu);
    return status;
}

static enum qr_status promote(struct qri_node *node, const struct qr_database_row *row,
                              bool is_gone, struct qr_err *err)
{
    struct qr_database *db = NULL;
    QR_TRY(qri_node_enter_row(node, row, &db, err));
    enum qr_status status = QR_OK;
    bool writes = row->replica_of == 0;    /* else there is no log to be fenced */
    pthread_mutex_lock(&node->promote_mu); /* asked again: the answer to the first time was lost */
    if (writes && atomic_load(&node->duty) == QR_DUTY_NAMED_REPLICA)
        status = qr_fail(err, QR_INVALID, "a geo-secondary does not take over");
    else if (writes && atomic_load(&node->duty) == QR_DUTY_HA_REPLICA)
        status = node->copy != NULL ? qri_copy_promote(node, err)
                                    : qr_hyper_promote(qr_database_store(db), 0, is_gone, err);
    if (status == QR_OK)
        atomic_store(&node->duty, writes ? QR_DUTY_PRIMARY : QR_DUTY_NAMED_REPLICA);
    pthread_mutex_unlock(&node->promote_mu);
    qri_node_leave(node, db);
    return status;
}

enum qr_status qri_node_promote(struct qri_node *node, const struct qr_database_row *row,
                                struct qr_err *err)
{
    return promote(node, row, true, err);
}

enum qr_status qri_node_succeed(struct qri_node *node, const struct qr_database_row *row,
                                struct qr_err *err)
{
    return promote(node, row, false, err);
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
    QR_TRY(qri_node_enter(node, qr_server_of(login->server_id), name, ret_db, err));
    pthread_mutex_lock(&node->mu);
    qri_node_find_hosted(node, qr_database_own_id(*ret_db))->sessions += 1;
    pthread_mutex_unlock(&node->mu);
    return QR_OK;
}

static void session_leave(void *ctx, struct qr_database *db)
{
    struct qri_node *node = ctx;
    pthread_mutex_lock(&node->mu);
    struct hosted *hosted = qri_node_find_hosted(node, qr_database_own_id(db));
    hosted->sessions -= 1;
    hosted->rest_since_ns = qr_env_mono_ns(node->options.env);
    qri_hosted_leave(node, hosted);
    pthread_mutex_unlock(&node->mu);
}

static void session_end_all(void *ctx)
{
    struct qri_node *node = ctx;
    pthread_mutex_lock(&node->mu);
    for (struct hosted_link *at = node->opened.after; at != &node->opened; at = at->after)
        if (qri_hosted_of(at)->state == HOSTED_OPEN)
            qr_database_end_sessions(qri_hosted_of(at)->db, QR_END_MOVED, false);
    pthread_mutex_unlock(&node->mu);
}

enum qr_status qri_node_open(const struct qri_node_options *options, struct qri_node **ret_node,
                             struct qr_err *err)
{
    struct qri_node *node = calloc(1, sizeof *node);
    if (node == NULL)
        return qr_fail(err, QR_NOMEM, "open the databases");
    node->options = *options;
    node->sizes = options->sizes;
    atomic_init(&node->duty, options->duty);
    pthread_mutex_init(&node->promote_mu, NULL);
    pthread_mutex_init(&node->mu, NULL);
    qr_cond_init(&node->changed);
    qri_node_init_table(node);
    qri_moves_init(&node->moves);
    qri_follows_init(&node->follows);
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
    if (status == QR_OK)
        status = qri_node_begin_closing(node, err);
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
    qri_follows_end(node);
    qri_moves_end(node, node->moves);
    qri_copy_stop(node);
    qri_node_close_all(node);
    qri_copy_close(node);
    if (node->instance != NULL)
        qr_instance_free(node->instance);
    qri_node_free_pools(node);
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

bool qri_node_is_primary(const struct qri_node *node)
{
    return atomic_load(&node->duty) == QR_DUTY_PRIMARY;
}

bool qri_node_takes_over(struct qri_node *node)
{
    bool takes_over = pthread_mutex_trylock(&node->promote_mu) != 0;
    if (!takes_over)
        pthread_mutex_unlock(&node->promote_mu);
    return takes_over;
}

const struct qri_node_options *qri_node_options_of(const struct qri_node *node)
{
    return &node->options;
}
