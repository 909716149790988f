/* op_scale.c - see ops_int.h: tier, objective, size, replicas and traits of a database change.
 *
 * Processes that run take another objective's limits in place: nobody notices. To new processes it
 * goes when that is asked for: a Hyperscale database by a node that is a replica until it takes
 * over, with the sessions of the old one, which give way between two requests; then the old nodes
 * go, and new ones come for its HA replicas. What nobody uses gets its node when somebody comes. To
 * and from Hyperscale: op_move.c. */
#include <stdio.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "ctl/place.h"
#include "ctl/slo.h"
#include "ops_int.h"
#include "registry_int.h"
#include "machines_int.h"
#include "reign_int.h"
#include "base/banned.h"

static const int64_t READY_NS = INT64_C(60) * 1000000000, SWITCH_NS = INT64_C(30) * 1000000000;

enum qr_status qri_scale_begin(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_database_wish wish = qri_op_wish(&op->ask);
    struct qr_database_row row;
    char name[QR_NAME_BYTES_MAX + 1];
    snprintf(name, sizeof name, "%.*s", (int)op->ask.name.n, op->ask.name.p);
    if (qr_registry_find_database(registry, op->ask.server, op->ask.name, &row) != QR_OK)
        return qr_sql_fail(err, 911, name);
    op->row.database_id = row.id;
    memcpy(op->row.database, row.name, sizeof op->row.database);
    QR_TRY(qri_ops_check_free(control, op, &row, err));
    struct qr_database_row wanted = row;
    QR_TRY(qri_registry_apply(registry, &wish, &wanted, err));
    QR_TRY(qri_geo_check_scale(control, &row, &wanted, err));
    QR_TRY(qri_move_check_size(op, &row, &wanted, err));
    if (op->ask.tags.n > 0)
        QR_TRY(qri_check_tags(op->ask.tags, err));
    QR_TRY(qri_registry_check_quota(registry, &wanted, err));
    op->ask.resizes = !qr_str_ieqz(qr_str(wanted.objective), row.objective);
    QR_TRY(qri_op_set_text(op, &op->ask.edition, wanted.edition, err));
    QR_TRY(qri_op_set_text(op, &op->ask.pool, wanted.pool, err));
    return qri_op_set_text(op, &op->ask.objective, wanted.objective, err);
}

/* ---- steps ---- */

/* A name that no ready or wanted member has, so that the new node is another process; if all are
 * taken, that of a replica. 0: the primary does not run, or on another machine. */
static uint32_t choose_member(struct qr_control *control, const struct qr_database_row *row)
{
    const struct qr_control_host *host = &control->options.host;
    char primary[QR_NODE_NAME_BYTES], name[QR_NODE_NAME_BYTES];
    uint32_t chosen = 0;
    pthread_mutex_lock(&control->mu);
    qri_reign_place(control, row, primary);
    bool runs = qri_control_ready(control, primary);
    pthread_mutex_unlock(&control->mu);
    runs = runs && !qri_machines_is_away(control, primary);
    for (uint32_t i = 0; runs && i <= QR_HA_REPLICAS_MAX; i++) {
        qr_place_member(row, i, name);
        if (strcmp(name, primary) == 0)
            continue;
        bool is_free = host->pid(host->ctx, name) == 0;
        if (chosen == 0 || is_free)
            chosen = i + 1;
        if (is_free)
            break;
    }
    return chosen;
}

static bool changes_node(const struct qr_database_row *row, const struct qri_op *op)
{
    return qr_database_is_hyper(row) && op->ask.relocate;
}

static enum qr_status wait_new_node(struct qr_control *control, const char *name,
                                    struct qr_err *err)
{
    int64_t until = qr_env_mono_ns(control->options.env) + READY_NS;
    enum qr_status status = qr_control_wait_ready(control, name, 0, until, err);
    return status == QR_TIMEOUT ? qr_sql_fail(err, 40886) : status;
}

enum qr_status qri_scale_prepare(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    const struct qr_control_host *host = &control->options.host;
    struct qr_database_row row;
    char name[QR_NODE_NAME_BYTES], primary[QR_NODE_NAME_BYTES];
    QR_TRY(qri_op_row(control, op, &row, err));
    op->member = changes_node(&row, op) ? choose_member(control, &row) : 0;
    if (qr_database_has_copies(&row)) { /* all of its processes come back */
        op->member = op->ask.relocate ? 1 : 0;
        return qri_ops_save(control, op, err);
    }
    if (op->member == 0)
        return QR_OK;
    QR_TRY(qri_ops_save(control, op, err)); /* its size is the operation's from now on */
    qr_place_member(&row, op->member - 1, name);
    if (host->pid(host->ctx, name) != 0)
        host->end(host->ctx, name); /* one of the old size */
    QR_TRY(host->want(host->ctx, name, err));
    qri_ops_progress(control, op, QRI_WARM_PERCENT_FROM);
    QR_TRY(wait_new_node(control, name, err));
    pthread_mutex_lock(&control->mu);
    qri_reign_place(control, &row, primary);
    pthread_mutex_unlock(&control->mu);
    qri_warm(control, op, &row, primary, name);
    return wait_new_node(control, name, err); /* in case that it started anew meanwhile */
}

enum qr_status qri_scale_unprepare(struct qr_control *control, struct qri_op *op,
                                   struct qr_err *err)
{
    const struct qr_control_host *host = &control->options.host;
    char name[QR_NODE_NAME_BYTES], primary[QR_NODE_NAME_BYTES];
    struct qr_database_row row;
    (void)err;
    if (op->member == 0 || qri_op_row(control, op, &row, NULL) != QR_OK)
        return QR_OK;
    if (!qr_database_is_hyper(&row))
        return QR_OK;
    qr_place_member(&row, op->member - 1, name);
    op->member = 0;
    pthread_mutex_lock(&control->mu);
    qri_reign_place(control, &row, primary);
    pthread_mutex_unlock(&control->mu);
    if (strcmp(name, primary) != 0)
        host->end(host->ctx, name);
    qri_reign_want(control, row.id);
    return QR_OK;
}

enum qr_status qri_scale_record(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_database_wish wish = qri_op_wish(&op->ask);
    struct qr_database_row row, wanted;
    QR_TRY(qri_op_row(control, op, &row, err));
    wanted = row;
    QR_TRY(qri_registry_apply(registry, &wish, &wanted, err));
    if (qri_home_moves(&row, &wanted))
        QR_TRY(qri_home_leave(control, &row, err));
    if (op->ask.tags.n > 0)
        QR_TRY(qr_registry_set_tags(registry, row.id, op->ask.tags, err));
    enum qr_status status = qr_registry_alter_database(registry, qr_server_of(row.id),
                                                       qr_str(row.name), &wish, &row, err);
    if (status != QR_OK && qri_home_moves(&row, &wanted))
        qri_home_settle(control, &row); /* it stays where it was */
    return status;
}

/* The processes that it has learn of their new limits. One that starts just now may have asked for
 * the old ones already. */
static void resize_nodes(struct qr_control *control, const struct qr_database_row *row)
{
    const struct qr_control_host *host = &control->options.host;
    char name[QR_NODE_NAME_BYTES];
    int64_t until = qr_env_mono_ns(control->options.env) + READY_NS;
    for (uint32_t i = 0; i <= QR_HA_REPLICAS_MAX; i++) {
        qr_place_member(row, i, name);
        if (host->pid(host->ctx, name) == 0 && !qri_machines_is_away(control, name))
            continue;
        struct qr_err err = {0};
        enum qr_status status = qr_control_wait_ready(control, name, 0, until, &err);
        if (status == QR_OK)
            status = qri_control_call_node(control, name, row, QR_NODE_RESIZE, &err);
        if (status != QR_OK) /* its next process has them */
            QR_LOG(&control->options.log, QR_INFO, "node_not_resized", QR_F("name", &name[0]),
                   QR_F("reason", &err.text[0]));
    }
}

/* The new node takes over. If it is gone meanwhile, the old one comes back in the new size. */
enum qr_status qri_scale_switch(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_database_row row;
    char name[QR_NODE_NAME_BYTES];
    if (qri_op_row(control, op, &row, NULL) != QR_OK)
        return QR_OK;
    if (!qr_database_is_hyper(&row)) {
        qri_home_settle(control, &row);
        if (qr_database_has_copies(&row) && op->member != 0)
            return qri_home_restart(control, &row);
        /* it has just come to processes of its own, perhaps: this waits for the first of them */
        (void)!qri_control_node_call(control, &row, QR_NODE_RESIZE, NULL);
    }
    if (op->member == 0 && op->ask.resizes && qr_database_has_nodes(&row))
        resize_nodes(control, &row);
    if (!qr_database_is_hyper(&row) || op->member == 0)
        return QR_OK;
    qr_place_member(&row, op->member - 1, name);
    QR_TRY(qri_reign_yield(control, &row, name, err));
    return qri_reign_wait(control, &row, qr_env_mono_ns(control->options.env) + SWITCH_NS, err);
}

/* HA replicas share what is read of them, so the pages of one do for all. Those that are wanted
 * (qri_reign_want) are the first members but the primary and what the operation made. */
static void replace_replicas(struct qr_control *control, struct qri_op *op,
                             const struct qr_database_row *row)
{
    const struct qr_control_host *host = &control->options.host;
    char name[QR_NODE_NAME_BYTES], from[QR_NODE_NAME_BYTES] = "";
    struct qri_warm_list list;
    for (uint32_t i = 0; *from == '\0' && i <= QR_HA_REPLICAS_MAX; i++) {
        qr_place_member(row, i, name);
        if (host->pid(host->ctx, name) != 0 && !qri_reign_is_primary(control, name))
            memcpy(from, name, sizeof from);
    }
    qri_warm_begin(control, row, from, &list);
    qri_reign_drain_replicas(control, row);
    qri_reign_end(control, row->id, false);
    qri_reign_want(control, row->id);
    uint32_t wanted = qr_database_secondaries(row);
    for (uint32_t i = 0; wanted > 0 && i <= QR_HA_REPLICAS_MAX; i++) {
        qr_place_member(row, i, name);
        if (qri_reign_is_primary(control, name) || qri_ops_has_member(control, row->id, i))
            continue;
        qri_warm_bring(control, op, row, name, &list);
        wanted -= 1;
    }
    qri_warm_end(&list);
}

/* Replicas on other machines take another size as they are. */
static bool has_away(struct qr_control *control, const struct qr_database_row *row)
{
    pthread_mutex_lock(&control->mu);
    uint32_t count = qri_away_replicas(control, row, "", NULL);
    pthread_mutex_unlock(&control->mu);
    return count > 0;
}

enum qr_status qri_scale_replace(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_database_row row;
    (void)err;
    if (qri_op_row(control, op, &row, NULL) != QR_OK || !qr_database_is_hyper(&row))
        return QR_OK;
    if (op->member != 0) /* replicas of the old size */
        replace_replicas(control, op, &row);
    else
        qri_reign_want(control, row.id);
    if (op->member != 0 && has_away(control, &row))
        resize_nodes(control, &row);
    return QR_OK;
}

/* ---- the size of a node ---- */

const struct qr_slo *qr_control_node_slo(struct qr_control *control, const char *node)
{
    struct qr_database_row row;
    char name[QR_NODE_NAME_BYTES];
    uint32_t id;
    if (!qr_place_database_of(node, &id) ||
        qr_registry_find_id(control->options.registry, id, &row) != QR_OK)
        return NULL;
    struct qr_database_row wished = row;
    bool is_wished = false;
    pthread_mutex_lock(&control->ops.mu);
    for (struct qri_op *op = control->ops.active; op != NULL && !is_wished; op = op->next_active) {
        if (op->row.database_id != id || op->row.state != QR_OPERATION_RUNNING || op->member == 0)
            continue;
        qr_place_member(&row, op->member - 1, name);
        is_wished = strcmp(name, node) == 0 &&
                    qri_copy_text(wished.objective, sizeof wished.objective, op->ask.objective) &&
                    qri_copy_text(wished.pool, sizeof wished.pool, op->ask.pool);
    }
    pthread_mutex_unlock(&control->ops.mu);
    const struct qr_slo *slo =
        is_wished ? qr_registry_limits(control->options.registry, &wished) : NULL;
    return slo != NULL ? slo : qr_registry_limits(control->options.registry, &row);
}
