/* op_make.c - see ops_int.h: databases are made: new, as copies, as named replicas.
 *
 * The row is there first, in state CREATING, and the operation right behind it: a row without its
 * operation is what a crash between the two has left, and a start removes it. */
#include <stdio.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "ctl/place.h"
#include "machines_int.h"
#include "ops_int.h"
#include "reign_int.h"
#include "base/banned.h"

enum { NAME_TAKEN = 1801 };

static struct qr_database_wish wish_of(const struct qr_control_ask *ask)
{
    return (struct qr_database_wish){
        .edition = ask->edition,
        .objective = ask->objective,
        .pool = ask->pool,
        .collation = ask->collation,
        .max_bytes = ask->max_bytes,
        .max_text = ask->max_text,
        .ha_replicas = ask->ha_replicas,
        .traits = ask->traits,
        .tags = ask->tags,
        .owner = ask->owner,
    };
}

enum qr_status qri_op_row(struct qr_control *control, const struct qri_op *op,
                          struct qr_database_row *ret_row, struct qr_err *err)
{
    if (qr_registry_find_id(control->options.registry, op->row.database_id, ret_row) != QR_OK)
        return qr_fail(err, QR_NOT_FOUND, "database %u is not there any more", op->row.database_id);
    return QR_OK;
}

/* Its row, and what the operation remembers of it. */
enum qr_status qri_op_add_row(struct qr_control *control, struct qri_op *op, uint32_t server,
                              struct qr_str name, const struct qr_database_wish *wish,
                              struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_database_row row;
    struct qr_database_wish here = *wish;
    here.region = qri_docs_region_of(control, server);
    QR_TRY(qri_ops_check_server(control, server, err));
    QR_TRY(qr_registry_add_database(registry, server, name, &here, &row, err));
    op->row.database_id = row.id;
    memcpy(op->row.database, row.name, sizeof op->row.database);
    enum qr_status status =
        wish->tags.n == 0 ? QR_OK : qr_registry_set_tags(registry, row.id, wish->tags, err);
    if (status != QR_OK)
        (void)!qr_registry_remove_database(registry, row.id, NULL);
    return status;
}

/* Of copies and replicas the taken name is that of their target. */
enum qr_status qri_op_name_target(struct qr_control *control, enum qr_status status,
                                  uint32_t number, struct qr_str target, struct qr_err *err)
{
    char name[QR_NAME_BYTES_MAX + 1], server[QR_SERVER_NAME_BYTES_MAX + 1];
    if (status != QR_SQL || err->number != NAME_TAKEN)
        return status;
    snprintf(name, sizeof name, "%.*s", (int)target.n, target.p);
    qr_registry_server_name(control->options.registry, number, server);
    return qr_sql_fail(err, 45138, name, server);
}

enum qr_status qri_make_begin(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_database_wish wish = wish_of(&op->ask);
    return qri_op_add_row(control, op, op->ask.server, op->ask.name, &wish, err);
}

enum qr_status qri_copy_begin(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_database_wish wish = wish_of(&op->ask);
    struct qr_database_row source;
    QR_TRY(qri_copy_check(control, &op->ask, &wish, &source, err));
    QR_TRY(qri_ops_check_copies(control, op, source.id, err));
    op->row.source_id = source.id;
    memcpy(op->row.other, source.name, sizeof op->row.other);
    return qri_op_name_target(control,
                              qri_op_add_row(control, op, op->ask.server, op->ask.name, &wish, err),
                              op->ask.server, op->ask.name, err);
}

/* Only the primary has one to start from: its first start makes the catalog. */
enum qr_status qri_replica_begin(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_database_row primary;
    if (op->ask.geo)
        return qri_geo_add_begin(control, op, err);
    if (qr_registry_find_database(registry, op->ask.server, op->ask.name, &primary) != QR_OK) {
        char name[QR_NAME_BYTES_MAX + 1];
        snprintf(name, sizeof name, "%.*s", (int)op->ask.name.n, op->ask.name.p);
        return qr_sql_fail(err, 45143, name);
    }
    if (qr_is_master(primary.id))
        return qr_sql_fail(err, 45149);
    if (primary.replica_of != 0)
        return qr_sql_fail(err, 40694); /* no chains */
    if (!qr_database_is_hyper(&primary))
        return qr_sql_fail(err, 45148, "SECONDARY_TYPE = Named", primary.name);
    QR_TRY(qri_ops_check_free(control, op, &primary, err));
    struct qr_database_wish wish = {
        .edition = qr_str(primary.edition),
        .objective = op->ask.objective.n > 0 ? op->ask.objective : qr_str(primary.objective),
        .ha_replicas = op->ask.ha_replicas,
        .tags = op->ask.tags,
        .replica_of = &primary,
    };
    op->row.source_id = primary.id;
    memcpy(op->row.other, primary.name, sizeof op->row.other);
    return qri_op_name_target(
        control, qri_op_add_row(control, op, op->ask.other_server, op->ask.new_name, &wish, err),
        op->ask.other_server, op->ask.new_name, err);
}

/* ---- steps ---- */

/* A process of ours that is not there is nothing that a statement knows. */
static enum qr_status as_statement(const struct qr_database_row *row, enum qr_status status,
                                   struct qr_err *err)
{
    if (status != QR_CLOSED && status != QR_TIMEOUT)
        return status;
    return qr_sql_fail(err, 40613, row->name, row->server, "none");
}

/* A database with copies is made by its own first process. */
static enum qr_status make_files(struct qr_control *control, const struct qr_database_row *row,
                                 struct qr_err *err)
{
    const struct qr_control_host *host = &control->options.host;
    char node[QR_NODE_NAME_BYTES];
    qr_place_node(row, node);
    if (qr_database_has_copies(row))
        QR_TRY(host->want(host->ctx, node, err));
    return qri_control_call_node(control, node, row, QR_NODE_MAKE, err);
}

enum qr_status qri_make_storage(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_database_row row;
    QR_TRY(qri_op_row(control, op, &row, err));
    enum qr_status status = op->row.source_id != 0
                                ? qri_copy_make(control, op->row.source_id, &op->ask, &row, err)
                            : qr_database_is_hyper(&row) ? qri_hyper_make(control, &row, err)
                                                         : make_files(control, &row, err);
    if (op->row.kind == QR_OPERATION_COPY && (status == QR_CLOSED || status == QR_TIMEOUT))
        return qr_sql_fail(err, 40568);
    return as_statement(&row, status, err);
}

enum qr_status qri_replica_primary(struct qr_control *control, struct qri_op *op,
                                   struct qr_err *err)
{
    int64_t until = qr_env_mono_ns(control->options.env) + INT64_C(30) * 1000000000;
    struct qr_database_row primary;
    char node[QR_NODE_NAME_BYTES];
    if (op->ask.geo)
        return qri_geo_seed(control, op, err);
    if (qr_registry_find_id(control->options.registry, op->row.source_id, &primary) != QR_OK ||
        primary.state != QR_DATABASE_ONLINE)
        return qr_sql_fail(err, 40562);
    pthread_mutex_lock(&control->mu);
    qri_reign_place(control, &primary, node);
    pthread_mutex_unlock(&control->mu);
    QR_TRY(qri_away_want(control, node, err));
    return as_statement(&primary, qr_control_wait_ready(control, node, 0, until, err), err);
}

enum qr_status qri_make_online(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    return qr_registry_set_state(control->options.registry, op->row.database_id, QR_DATABASE_ONLINE,
                                 err);
}

enum qr_status qri_make_undo(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_database_row row;
    if (qr_registry_find_id(control->options.registry, op->row.database_id, &row) != QR_OK ||
        !qr_database_is_live(&row))
        return QR_OK;
    return qri_remove_all(control, &row, err);
}

void qri_make_done(struct qr_control *control, struct qri_op *op)
{
    struct qr_database_row row;
    qri_control_tell_gateway(control, false);
    if (qri_op_row(control, op, &row, NULL) != QR_OK || !qr_database_has_nodes(&row))
        return;
    char node[QR_NODE_NAME_BYTES]; /* somebody will come */
    qr_place_node(&row, node);
    (void)!control->options.host.want(control->options.host.ctx, node, NULL);
    if (qr_database_has_copies(&row))
        qri_reign_want(control, row.id);
}

/* ---- what a database consists of goes ---- */

/* A node leaves the socket of its calls behind, and one that was killed that of handoffs, too. */
static void remove_sockets(struct qr_control *control, const char *node)
{
    static const char *const kinds[] = {"node", "tds"};
    char path[QRI_PATH_BYTES + QR_NODE_NAME_BYTES + 16];
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        snprintf(path, sizeof path, "%s/%s.%s", control->run_dir, node, kinds[i]);
        (void)!qr_env_unlink(control->options.env, path, NULL); /* there may be none */
    }
}

static void end_processes(struct qr_control *control, const struct qr_database_row *row)
{
    char node[QR_NODE_NAME_BYTES];
    qri_reign_end(control, row->id, true);
    qri_reign_forget(control, row->id);
    for (uint32_t i = 0; i <= QR_HA_REPLICAS_MAX; i++) { /* nobody gets its id again */
        qr_place_member(row, i, node);
        remove_sockets(control, node);
    }
}

static enum qr_status remove_it(struct qr_control *control, const struct qr_database_row *row,
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
    if (qr_database_has_nodes(row))
        end_processes(control, row);
    QR_TRY(qri_control_call_node(control, QR_NODE_SHARED, row, QR_NODE_REMOVE, err));
    if (row->state == QR_DATABASE_DROPPING) /* its backups are there */
        return qr_registry_set_state(registry, row->id, QR_DATABASE_DROPPED, err);
    QR_TRY(qr_registry_remove_database(registry, row->id, err));
    qri_control_forget_rules(control, row->id);
    return QR_OK;
}

enum qr_status qri_remove_all(struct qr_control *control, const struct qr_database_row *row,
                              struct qr_err *err)
{
    struct qr_follow_state state;
    if (row->geo_of == 0)
        return remove_it(control, row, err);
    pthread_mutex_lock(&control->geo_mu); /* nobody sends it anything, or starts its process */
    (void)!qri_geo_ask(control, row, QR_FOLLOW_END, &state, NULL);
    enum qr_status status = remove_it(control, row, err);
    pthread_mutex_unlock(&control->geo_mu);
    return status;
}

enum qr_status qri_control_tidy(struct qr_control *control, struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_database_row row;
    for (size_t i = 0; qr_registry_database_at(registry, i, &row);) {
        bool half = row.state == QR_DATABASE_CREATING || row.state == QR_DATABASE_DROPPING;
        uint32_t owner =
            row.replica_of != 0 && row.state == QR_DATABASE_DROPPING ? row.replica_of : row.id;
        uint32_t server = qr_database_id(qr_server_of(row.id), 0);
        bool is_target = row.moved_to != 0 && row.state == QR_DATABASE_CREATING &&
                         qri_ops_has_target(control, row.moved_to, row.id);
        if (!half || is_target || qri_ops_is_active(control, row.id) ||
            qri_ops_is_active(control, owner) || qri_ops_is_active(control, server)) {
            i++;
            continue;
        }
        QR_TRY(qri_remove_all(control, &row, err)); /* the row goes, or is in another state */
        QR_LOG(&control->options.log, QR_INFO, "database_tidied", QR_F("db", &row.name[0]));
    }
    return QR_OK;
}

/* ---- for the supervisor ---- */

enum qr_status qr_control_create_database(struct qr_control *control,
                                          const struct qr_control_ask *ask, struct qr_err *err)
{
    return qri_ops_run(control, QR_CONTROL_CREATE, ask, err);
}

enum qr_status qr_control_drop_database(struct qr_control *control,
                                        const struct qr_control_ask *ask, struct qr_err *err)
{
    return qri_ops_run(control, QR_CONTROL_DROP, ask, err);
}

enum qr_status qr_control_fill_database(struct qr_control *control, struct qr_str name,
                                        struct qr_err *err)
{
    struct qr_database_row row;
    if (qr_registry_find_database(control->options.registry, 0, name, &row) != QR_OK)
        return qr_fail(err, QR_NOT_FOUND, "there is no such database");
    return qri_control_node_call(control, &row, QR_NODE_FILL, err);
}
