/* op_move.c - see ops_int.h: a database's data moves from files to Hyperscale, or back.
 *
 * The shared node moves it (QR_NODE_MOVE); these steps tell it how far to go, look how far it is,
 * and change the metadata. Copy: pages and log go over while everybody works on. Cutover: nobody is
 * sent to the database any more, its sessions end, the source is marked, the rest follows and is
 * compared. Switch: one transaction, from which on there is only forward. Open: what is new is
 * served, what is old is closed; its files get their last backup and go behind that (retention.c).
 *
 * Whoever is killed begins his step again. A process that comes back finds what is on disk: a
 * timeline with log goes on with the log, one without is given up for another; files are copied
 * anew. A source that is marked and not switched is unmarked by who follows it again. */
#include <stdio.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "ctl/peer.h"
#include "ctl/place.h"
#include "ops_int.h"
#include "registry_int.h"
#include "reign_int.h"
#include "base/banned.h"

enum { COPY_PERCENT = 10, FOLLOW_PERCENT = 80 };
enum { STEP_CUT = 1, STEP_SWITCH = 2 }; /* of both kinds (op_kinds.c) */
static const int64_t CALL_NS = INT64_C(60) * 1000000000, LOOK_NS = 50000000, LOOK_CUT_NS = 2000000,
                     READY_NS = INT64_C(60) * 1000000000, SLICE_BYTES = INT64_C(128) << 30;

/* ---- begin ---- */

static enum qr_status add_target(struct qr_control *control, struct qri_op *op,
                                 const struct qr_database_row *wanted, struct qr_err *err)
{
    struct qr_database_row target;
    QR_TRY(qr_registry_add_target(control->options.registry, wanted, &target, err));
    op->row.source_id = target.id;
    return QR_OK;
}

enum qr_status qri_move_begin(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_database_wish wish = qri_op_wish(&op->ask);
    struct qr_database_row row, wanted;
    char name[QR_NAME_BYTES_MAX + 1];
    snprintf(name, sizeof name, "%.*s", (int)op->ask.name.n, op->ask.name.p);
    if (qr_registry_find_database(registry, op->ask.server, op->ask.name, &row) != QR_OK)
        return qr_sql_fail(err, 911, name);
    op->row.database_id = row.id;
    memcpy(op->row.database, row.name, sizeof op->row.database);
    QR_TRY(qri_ops_check_free(control, op, &row, err));
    wanted = row;
    QR_TRY(qri_registry_apply(registry, &wish, &wanted, err));
    QR_TRY(qri_move_check(control, op, &row, &wanted, err));
    if (op->ask.tags.n > 0)
        QR_TRY(qri_check_tags(op->ask.tags, err));
    const struct qr_slo *slo = qr_slo_find(qr_str(row.objective));
    wanted.reserved_dtus = slo != NULL && slo->is_dtu ? slo->capacity : 0;
    memcpy(wanted.reserved_pool, row.pool, sizeof wanted.reserved_pool);
    if (!qr_database_is_hyper(&wanted))
        wanted.ha_replicas = 0;
    else if (op->used_bytes != UINT64_MAX) /* and what comes while it moves */
        wanted.slices = (uint32_t)((op->used_bytes + op->used_bytes / 4) / SLICE_BYTES) + 1;
    QR_TRY(qri_op_set_text(op, &op->ask.edition, wanted.edition, err));
    QR_TRY(qri_op_set_text(op, &op->ask.objective, wanted.objective, err));
    return add_target(control, op, &wanted, err);
}

bool qri_ops_has_target(struct qr_control *control, uint32_t database_id, uint32_t target_id)
{
    pthread_mutex_lock(&control->ops.mu);
    const struct qri_op *op = qri_ops_find_active(control, database_id);
    bool has = op != NULL && op->row.source_id == target_id;
    pthread_mutex_unlock(&control->ops.mu);
    return has;
}

/* ---- the node's part ---- */

struct rows {
    struct qr_database_row row, target;
};

static enum qr_status get_rows(struct qr_control *control, const struct qri_op *op,
                               struct rows *rows, struct qr_err *err)
{
    QR_TRY(qri_op_row(control, op, &rows->row, err));
    if (qr_registry_find_id(control->options.registry, op->row.source_id, &rows->target) != QR_OK)
        return qr_fail(err, QR_NOT_FOUND, "the target of a move is not there any more");
    return QR_OK;
}

static bool is_cancelled(struct qr_control *control, const struct qri_op *op)
{
    pthread_mutex_lock(&control->ops.mu);
    bool wished = op->cancel_wished;
    pthread_mutex_unlock(&control->ops.mu);
    return wished;
}

/* A node that is not there comes back, and begins again where it can. */
static enum qr_status ask_node(struct qr_control *control, const struct rows *rows,
                               enum qr_move_wish wish, struct qr_move_state *ret_state,
                               struct qr_err *err)
{
    struct qr_rpc_peer *peer = NULL;
    QR_TRY(qri_control_node(control, QR_NODE_SHARED, &peer, err));
    enum qr_status status;
    do
        status = qr_node_move(peer, &rows->row, &rows->target, wish, CALL_NS, ret_state, err);
    while (qri_control_repeats(control, status, INT64_MAX));
    return status;
}

static void show_progress(struct qr_control *control, struct qri_op *op,
                          const struct qr_move_state *state)
{
    uint32_t percent = COPY_PERCENT;
    if (state->phase >= QR_MOVE_FOLLOWING)
        percent = FOLLOW_PERCENT;
    else if (state->total > 0 && state->done <= state->total)
        percent += (uint32_t)((FOLLOW_PERCENT - COPY_PERCENT) * state->done / state->total);
    if (percent > op->row.percent)
        qri_ops_progress(control, op, percent);
}

static enum qr_status drive(struct qr_control *control, struct qri_op *op, enum qr_move_wish wish,
                            enum qr_move_phase until, struct qr_err *err)
{
    struct qr_move_state state = {.phase = QR_MOVE_NONE};
    struct rows rows;
    while (state.phase < until) {
        QR_TRY(get_rows(control, op, &rows, err));
        QR_TRY(ask_node(control, &rows, wish, &state, err));
        show_progress(control, op, &state);
        if (control->stopping)
            return qr_fail(err, QR_CANCELLED, "it is being stopped");
        if (wish == QR_MOVE_FOLLOW && is_cancelled(control, op))
            return qr_fail(err, QR_CANCELLED, "it is cancelled");
        if (state.phase < until)
            qr_env_sleep_ns(control->options.env, wish == QR_MOVE_CUT ? LOOK_CUT_NS : LOOK_NS);
    }
    return QR_OK;
}

static enum qr_status remove_target(struct qr_control *control, uint32_t target_id,
                                    struct qr_err *err)
{
    struct qr_database_row target;
    if (qr_registry_find_id(control->options.registry, target_id, &target) != QR_OK ||
        target.state != QR_DATABASE_CREATING)
        return QR_OK;
    if (qr_database_is_hyper(
            &target)) /* no process serves it; the retention thread does the rest */
        return qr_registry_set_state(control->options.registry, target.id, QR_DATABASE_PURGING,
                                     err);
    return qri_remove_all(control, &target, err);
}

/* What an earlier try has left is of no use: another target. */
static enum qr_status begin_anew(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_move_state state;
    struct rows rows;
    QR_TRY(get_rows(control, op, &rows, err));
    QR_TRY(ask_node(control, &rows, QR_MOVE_UNDO, &state, err));
    struct qr_database_row wanted = rows.target;
    wanted.id = rows.row.id;
    QR_LOG(&control->options.log, QR_INFO, "move_begins_anew", QR_F("db", &rows.row.name[0]));
    QR_TRY(add_target(control, op, &wanted, err));
    QR_TRY(qri_ops_save(control, op, err));
    return remove_target(control, rows.target.id, err);
}

/* ---- a source with nodes of its own ---- */

static enum qr_status change_home(struct qr_control *control, struct qr_database_row *row,
                                  struct qr_str objective, struct qr_str pool, bool is_back,
                                  struct qr_err *err)
{
    enum qr_status (*alter)(struct qr_registry *, uint32_t, struct qr_str,
                            const struct qr_database_wish *, struct qr_database_row *,
                            struct qr_err *) =
        is_back ? qri_registry_alter_reserved : qr_registry_alter_database;
    struct qr_database_wish wish = {
        .objective = objective, .pool = pool, .max_bytes = row->max_bytes};
    QR_TRY(qri_home_leave(control, row, err));
    enum qr_status status =
        alter(control->options.registry, qr_server_of(row->id), qr_str(row->name), &wish, row, err);
    qri_home_settle(control, row); /* where it is now, or where it was */
    if (!is_back || status != QR_SQL)
        return status;
    QR_LOG(&control->options.log, QR_WARN, "no_way_back", QR_F("db", &row->name[0]),
           QR_F("objective", objective), QR_F("error", err->number));
    return QR_OK; /* a rule says so, and will say so again: it stays where it is served */
}

/* The smallest of General Purpose that is as large. */
static const struct qr_slo *general_purpose_of(const struct qr_database_row *row)
{
    const struct qr_slo *slo = qr_slo_find(qr_str(row->objective)), *found = NULL;
    for (size_t i = 0; i < qr_slo_count(); i++) {
        const struct qr_slo *s = qr_slo_at(i);
        bool large = slo == NULL || slo->is_dtu || s->capacity >= slo->capacity;
        if (strcmp(s->edition, "GeneralPurpose") == 0 && strcmp(s->family, "Gen5") == 0 &&
            !s->is_serverless && large && qr_slo_takes_max_bytes(s, row->max_bytes) &&
            (found == NULL || s->capacity < found->capacity))
            found = s;
    }
    return found;
}

/* The shared node moves data, so it has to have the files: of Business Critical it gets them first.
 * No data moves for that. The objective from before is kept in the ask, for the way back. */
static enum qr_status come_home(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_database_row row;
    QR_TRY(qri_op_row(control, op, &row, err));
    if (!qr_database_has_copies(&row))
        return QR_OK;
    const struct qr_slo *slo = general_purpose_of(&row);
    if (slo == NULL)
        return qr_fail(err, QR_UNSUPPORTED, "no objective of General Purpose is as large as '%s'",
                       row.objective);
    QR_TRY(qri_op_set_text(op, &op->ask.new_name, row.objective, err));
    QR_TRY(qri_op_set_text(op, &op->ask.pool, row.pool, err));
    QR_TRY(qri_ops_save(control, op, err));
    return change_home(control, &row, qr_str(slo->name), qr_str(""), false, err);
}

/* While its target is there, what it had is kept for it (registry_quota.c). */
static enum qr_status go_back(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_database_row row;
    if (op->ask.new_name.n == 0)
        return QR_OK;
    QR_TRY(qri_op_row(control, op, &row, err));
    return qr_database_has_copies(&row)
               ? QR_OK
               : change_home(control, &row, op->ask.new_name, op->ask.pool, true, err);
}

/* ---- steps ---- */

enum qr_status qri_move_copy(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    const struct qr_control_host *host = &control->options.host;
    enum qr_status status;
    QR_TRY(come_home(control, op, err));
    QR_TRY(host->want(host->ctx, QR_ROLE_NAME_LOG, err));
    QR_TRY(host->want(host->ctx, QR_ROLE_NAME_PAGE, err));
    while ((status = drive(control, op, QR_MOVE_FOLLOW, QR_MOVE_FOLLOWING, err)) == QR_GONE)
        QR_TRY(begin_anew(control, op, err));
    return status;
}

enum qr_status qri_move_uncopy(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_move_state state;
    struct rows rows;
    if (get_rows(control, op, &rows, NULL) != QR_OK)
        return go_back(control, op, err);
    QR_TRY(ask_node(control, &rows, QR_MOVE_UNDO, &state, err));
    QR_TRY(go_back(control, op, err));
    return remove_target(control, op->row.source_id, err);
}

static enum qr_status cut(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_database_row row;
    QR_TRY(qri_op_row(control, op, &row, err));
    qri_reign_hold_back(control, row.id, true);
    if (qr_database_is_hyper(&row))
        qri_reign_end(control, row.id, true);
    return drive(control, op, QR_MOVE_CUT, QR_MOVE_IS_CUT, err);
}

enum qr_status qri_move_cut(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    enum qr_status status;
    while ((status = cut(control, op, err)) == QR_GONE) {
        qri_reign_hold_back(control, op->row.database_id, false); /* it takes long again */
        QR_TRY(begin_anew(control, op, err));
        QR_TRY(qri_move_copy(control, op, err));
    }
    return status;
}

enum qr_status qri_move_uncut(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_move_state state;
    struct rows rows;
    if (get_rows(control, op, &rows, NULL) != QR_OK || rows.target.state != QR_DATABASE_CREATING)
        return QR_OK; /* switched: there is only forward */
    QR_TRY(ask_node(control, &rows, QR_MOVE_UNDO, &state, err));
    qri_reign_hold_back(control, op->row.database_id, false);
    return QR_OK;
}

enum qr_status qri_move_switch(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    const struct qr_control_host *host = &control->options.host;
    struct qr_database_row row;
    char node[QR_NODE_NAME_BYTES];
    QR_TRY(qr_registry_switch(registry, op->row.database_id, op->row.source_id, err));
    if (op->ask.tags.n > 0)
        (void)!qr_registry_set_tags(registry, op->row.database_id, op->ask.tags, NULL);
    QR_TRY(qri_op_row(control, op, &row, err));
    qr_place_node(&row, node);
    (void)!host->want(host->ctx, node, NULL); /* it is tried again with the next route */
    qri_reign_hold_back(control, row.id, false);
    return QR_OK;
}

enum qr_status qri_move_open(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    int64_t until = qr_env_mono_ns(control->options.env) + READY_NS;
    char node[QR_NODE_NAME_BYTES];
    struct qr_move_state state;
    struct rows rows; /* `target` is now what was */
    if (get_rows(control, op, &rows, NULL) != QR_OK)
        return QR_OK;
    QR_TRY(ask_node(control, &rows, QR_MOVE_END, &state, err));
    if (qr_database_is_hyper(&rows.target)) {
        qri_reign_end(control, rows.row.id, true);
        qri_reign_forget(control, rows.row.id);
        return QR_OK;
    }
    qr_place_node(&rows.row, node);
    if (control->options.host.want(control->options.host.ctx, node, NULL) == QR_OK)
        (void)!qr_control_wait_ready(control, node, 0, until,
                                     NULL); /* else it comes with a route */
    return QR_OK;
}

void qri_move_done(struct qr_control *control, struct qri_op *op)
{
    qri_control_tell_gateway(control, false);
    qri_reign_want(control, op->row.database_id);
}

/* ---- after a start ---- */

void qri_move_resume(struct qr_control *control)
{
    for (const struct qri_op *op = control->ops.active; op != NULL; op = op->next_active) {
        bool is_move =
            op->row.kind == QR_OPERATION_MIGRATE || op->row.kind == QR_OPERATION_REVERSE_MIGRATE;
        /* what was cut must not be written before it is switched */
        if (is_move && op->row.state == QR_OPERATION_RUNNING &&
            (op->step == STEP_CUT || op->step == STEP_SWITCH))
            qri_reign_hold_back(control, op->row.database_id, true);
    }
}
