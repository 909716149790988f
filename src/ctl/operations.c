/* operations.c - see ctl/control.h: databases are made and dropped in recorded steps.
 *
 * Make: row CREATING, its files (the shared node) or its log and pages, new or of another database
 * (copy.c), row ONLINE. Drop: nobody may enter, row DROPPING, its process ends or its files go, row
 * DROPPED, which goes after its retention with its storage or backups (retention.c). A start
 * finishes what a crash left. */
#include <stdio.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "control_int.h"
#include "ctl/place.h"
#include "base/banned.h"

/* ---- what a database consists of ---- */

static enum qr_status make_storage(struct qr_control *control, const struct qr_control_ask *ask,
                                   const struct qri_copy *copy, const struct qr_database_row *row,
                                   struct qr_err *err)
{
    if (ask->copy_of.n > 0)
        return qri_copy_make(control, copy, ask, row, err);
    if (qr_database_is_hyper(row))
        return qri_hyper_make(control, row, err);
    return qri_control_node_call(control, row, QR_NODE_MAKE, err);
}

static void end_processes(struct qr_control *control, const struct qr_database_row *row)
{
    qri_reign_end(control, row->id, true);
    qri_reign_forget(control, row->id);
}

/* The row is CREATING or DROPPING; idempotent. */
static enum qr_status remove_all(struct qr_control *control, const struct qr_database_row *row,
                                 struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    if (row->replica_of != 0) { /* it has no storage of its own */
        end_processes(control, row);
        QR_TRY(qr_registry_remove_database(registry, row->id, err));
        qri_control_forget_rules(control, row->id);
        return QR_OK;
    }
    if (qr_database_is_hyper(row)) {
        end_processes(control, row);
        if (row->state == QR_DATABASE_DROPPING)
            return qr_registry_set_state(registry, row->id, QR_DATABASE_DROPPED, err);
        QR_TRY(qr_registry_set_state(registry, row->id, QR_DATABASE_PURGING, err));
        (void)!qri_retention_purge(control, row, NULL); /* the thread goes on with it */
        return QR_OK;
    }
    QR_TRY(qri_control_node_call(control, row, QR_NODE_REMOVE, err));
    if (row->state == QR_DATABASE_DROPPING) /* its backups are there */
        return qr_registry_set_state(registry, row->id, QR_DATABASE_DROPPED, err);
    QR_TRY(qr_registry_remove_database(registry, row->id, err));
    qri_control_forget_rules(control, row->id);
    return QR_OK;
}

enum qr_status qri_control_finish_steps(struct qr_control *control, struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_database_row row;
    for (size_t i = 0; qr_registry_database_at(registry, i, &row);) {
        if (row.state != QR_DATABASE_CREATING && row.state != QR_DATABASE_DROPPING) {
            i++;
            continue;
        }
        QR_TRY(remove_all(control, &row, err)); /* the row goes, or is in another state */
        QR_LOG(&control->options.log, QR_INFO, "database_tidied", QR_F("db", &row.name[0]));
    }
    return QR_OK;
}

/* ---- CREATE ---- */

static struct qr_database_wish wish_of(const struct qr_control_ask *ask)
{
    return (struct qr_database_wish){
        .edition = ask->edition,
        .objective = ask->objective,
        .collation = ask->collation,
        .max_bytes = ask->max_bytes,
        .max_text = ask->max_text,
        .ha_replicas = ask->ha_replicas,
    };
}

static enum qr_status make(struct qr_control *control, const struct qr_control_ask *ask,
                           const struct qri_copy *copy, const struct qr_database_row *row,
                           struct qr_err *err)
{
    enum qr_status status = make_storage(control, ask, copy, row, err);
    if (status == QR_CLOSED || status == QR_TIMEOUT) /* a process of ours is not there */
        status = qr_sql_fail(err, 40613, row->name,
                             qr_registry_server_name(control->options.registry), "none");
    if (status == QR_OK)
        status = qr_registry_set_state(control->options.registry, row->id, QR_DATABASE_ONLINE, err);
    if (status == QR_OK)
        return QR_OK;
    struct qr_err why = {0};
    if (remove_all(control, row, &why) != QR_OK) /* the next start does it */
        QR_LOG(&control->options.log, QR_WARN, "database_row_left", QR_F("db", &row->name[0]),
               QR_F("reason", &why.text[0]));
    return status;
}

static enum qr_status create(struct qr_control *control, const struct qr_control_ask *ask,
                             struct qr_database_row *ret_row, struct qr_err *err)
{
    struct qr_database_wish wish = wish_of(ask);
    struct qri_copy copy = {.claimed = false};
    struct qri_claim claim;
    enum qr_status status = QR_OK;
    if (ask->copy_of.n > 0)
        status = qri_copy_begin(control, ask, &wish, &copy, err);
    if (status == QR_OK)
        status =
            qr_registry_add_database(control->options.registry, ask->name, &wish, ret_row, err);
    if (status == QR_OK) {
        qri_control_claim(control, &claim, ret_row->id);
        status = make(control, ask, &copy, ret_row, err);
        qri_control_unclaim(control, &claim);
    }
    qri_copy_end(control, &copy);
    return status;
}

enum qr_status qr_control_create_database(struct qr_control *control,
                                          const struct qr_control_ask *ask, struct qr_err *err)
{
    struct qr_database_row row;
    QR_TRY(create(control, ask, &row, err));
    QR_LOG(&control->options.log, QR_INFO, "database_made", QR_F("db", &row.name[0]),
           QR_F("objective", &row.objective[0]));
    qri_control_tell_gateway(control, false);
    if (qr_database_is_hyper(&row)) { /* somebody will come */
        char node[QR_NODE_NAME_BYTES];
        qr_place_node(&row, node);
        (void)control->options.host.want(control->options.host.ctx, node, NULL);
    }
    return QR_OK;
}

enum qr_status qr_control_fill_database(struct qr_control *control, struct qr_str name,
                                        struct qr_err *err)
{
    struct qr_database_row row;
    if (qr_registry_find_database(control->options.registry, name, &row) != QR_OK)
        return qr_fail(err, QR_NOT_FOUND, "there is no such database");
    return qri_control_node_call(control, &row, QR_NODE_FILL, err);
}

/* ---- DROP ---- */

/* Nobody uses it, and nobody will until release. */
static enum qr_status hold(struct qr_control *control, const struct qr_database_row *row,
                           struct qr_err *err)
{
    if (!qr_database_is_hyper(row))
        return qri_control_node_call(control, row, QR_NODE_HOLD, err);
    /* a Hyperscale database without a process is used by nobody; one that starts is ended */
    enum qr_status status = qri_reign_each_ready(control, row, QR_NODE_HOLD, err);
    if (status != QR_OK)
        (void)!qri_reign_each_ready(control, row, QR_NODE_RELEASE, NULL);
    return status;
}

static enum qr_status drop(struct qr_control *control, const struct qr_database_row *row,
                           struct qr_err *err);

/* Named replicas go with their primary, and before it. */
static enum qr_status drop_replicas(struct qr_control *control, const struct qr_database_row *row,
                                    struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_database_row replica;
    for (size_t i = 0; qr_registry_database_at(registry, i, &replica);) {
        if (replica.replica_of != row->id)
            i++;
        else
            QR_TRY(drop(control, &replica, err));
    }
    return QR_OK;
}

static enum qr_status drop(struct qr_control *control, const struct qr_database_row *row,
                           struct qr_err *err)
{
    QR_TRY(drop_replicas(control, row, err));
    QR_TRY(hold(control, row, err));
    enum qr_status status =
        qr_registry_set_state(control->options.registry, row->id, QR_DATABASE_DROPPING, err);
    if (status != QR_OK) {
        if (qr_database_is_hyper(row))
            (void)!qri_reign_each_ready(control, row, QR_NODE_RELEASE, NULL);
        else
            (void)!qri_control_node_call(control, row, QR_NODE_RELEASE, NULL);
        return status;
    }
    struct qr_database_row now = *row;
    now.state = QR_DATABASE_DROPPING;
    return remove_all(control, &now, err);
}

/* Claims the database of that name. */
static enum qr_status claim_name(struct qr_control *control, struct qr_str name,
                                 struct qri_claim *claim, struct qr_database_row *ret_row)
{
    struct qr_registry *registry = control->options.registry;
    for (;;) {
        QR_TRY(qr_registry_find_database(registry, name, ret_row));
        uint32_t id = ret_row->id;
        qri_control_claim(control, claim, id);
        if (qr_registry_find_database(registry, name, ret_row) == QR_OK && ret_row->id == id)
            return QR_OK;
        qri_control_unclaim(control, claim); /* another one has it now, or none */
    }
}

/* QR_NOT_FOUND, without words: the statement knows which T-SQL error it is. */
enum qr_status qr_control_drop_database(struct qr_control *control,
                                        const struct qr_control_ask *ask, struct qr_err *err)
{
    struct qr_database_row row;
    struct qri_claim claim;
    QR_TRY(claim_name(control, ask->name, &claim, &row));
    enum qr_status status = row.id == QR_MASTER_ID
                                ? qr_fail(err, QR_INVALID, "master is not dropped")
                                : drop(control, &row, err);
    qri_control_unclaim(control, &claim);
    if (status != QR_OK)
        return status;
    QR_LOG(&control->options.log, QR_INFO, "database_dropped", QR_F("db", &row.name[0]));
    qri_control_tell_gateway(control, false);
    return QR_OK;
}

/* ---- ALTER ---- */

enum qr_status qri_control_alter(struct qr_control *control, const struct qr_control_ask *ask,
                                 struct qr_err *err)
{
    struct qr_database_row row;
    struct qr_database_wish wish = wish_of(ask);
    QR_TRY(qr_registry_alter_database(control->options.registry, ask->name, &wish, &row, err));
    if (!qr_database_is_hyper(&row)) /* the other has no limit to change */
        (void)!qri_control_node_call(control, &row, QR_NODE_RESIZE, NULL);
    else if (ask->ha_replicas > 0)
        qri_reign_want(control, row.id);
    return QR_OK;
}

enum qr_status qri_control_rename(struct qr_control *control, const struct qr_control_ask *ask,
                                  struct qr_err *err)
{
    QR_TRY(qr_registry_rename_database(control->options.registry, ask->name, ask->new_name, err));
    qri_control_tell_gateway(control, false);
    return QR_OK;
}

/* ---- named replicas ---- */

static enum qr_status start_primary(struct qr_control *control, const struct qr_database_row *row,
                                    struct qr_err *err)
{
    const struct qr_control_host *host = &control->options.host;
    int64_t until = qr_env_mono_ns(control->options.env) + INT64_C(30) * 1000000000;
    char node[QR_NODE_NAME_BYTES];
    pthread_mutex_lock(&control->mu);
    qri_reign_place(control, row, node);
    pthread_mutex_unlock(&control->mu);
    QR_TRY(host->want(host->ctx, node, err));
    return qri_control_wait_ready(control, node, until, err);
}

/* There is nothing to make: its node reads what the primary's page servers have. */
enum qr_status qri_control_add_replica(struct qr_control *control, const struct qr_control_ask *ask,
                                       struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_database_row primary, row;
    struct qri_claim claim;
    QR_TRY(claim_name(control, ask->name, &claim, &primary));
    struct qr_database_wish wish = {
        .edition = qr_str(primary.edition),
        .objective = ask->objective.n > 0 ? ask->objective : qr_str(primary.objective),
        .replica_of = &primary,
    };
    enum qr_status status = QR_OK;
    if (!qr_database_is_hyper(&primary) || primary.replica_of != 0)
        status = qr_fail(err, QR_INVALID,
                         "Only the primary of a Hyperscale database has named replicas.");
    if (status == QR_OK) /* the first start of a primary makes its catalog */
        status = start_primary(control, &primary, err);
    if (status == QR_OK)
        status = qr_registry_add_database(registry, ask->new_name, &wish, &row, err);
    if (status == QR_OK)
        status = qr_registry_set_state(registry, row.id, QR_DATABASE_ONLINE, err);
    qri_control_unclaim(control, &claim);
    if (status != QR_OK)
        return status;
    QR_LOG(&control->options.log, QR_INFO, "replica_made", QR_F("db", &row.name[0]),
           QR_F("of", &primary.name[0]));
    qri_control_tell_gateway(control, false);
    char node[QR_NODE_NAME_BYTES];
    qr_place_node(&row, node);
    (void)!control->options.host.want(control->options.host.ctx, node, NULL);
    return QR_OK;
}

/* Waits for an operation that branches or drops the database: it has to know all slices. Named
 * replicas read the same ones. */
enum qr_status qri_control_grow(struct qr_control *control, const struct qr_control_ask *ask,
                                struct qr_err *err)
{
    struct qri_claim claim;
    qri_control_claim(control, &claim, ask->id);
    struct qr_registry *registry = control->options.registry;
    struct qr_database_row row;
    enum qr_status status = qr_registry_grow_database(registry, ask->id, ask->slices, err);
    for (size_t i = 0; status == QR_OK && qr_registry_database_at(registry, i, &row); i++)
        if (row.replica_of == ask->id)
            status = qr_registry_grow_database(registry, row.id, ask->slices, err);
    qri_control_unclaim(control, &claim);
    if (status == QR_OK)
        QR_LOG(&control->options.log, QR_INFO, "database_grown", QR_F("database_id", ask->id),
               QR_F("slices", ask->slices));
    return status;
}
