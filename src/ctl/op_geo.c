/* op_geo.c - see ops_int.h: geo-secondaries are made, end, and change places with their primaries.
 *
 * What follows whom is in the rows alone, and changes in one transaction (switch). Before it, of a
 * planned failover, the primary's node lets nobody in and sends the rest (drain); a crash forgets
 * that. With the secondary's process ended, and of a failover the primary closed, nobody has the
 * files that change hands. Behind it (open) whoever has them by the new rows opens them. A forced
 * failover leaves out the drain: what the old primary has beyond its successor's history shows when
 * it is to follow, and it gets all pages then (store/README.md). */
#include <stdio.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "ctl/place.h"
#include "ops_int.h"
#include "reign_int.h"
#include "base/banned.h"

static const int64_t PAUSE_NS = 50000000, DRAIN_NS = INT64_C(60) * 1000000000;
enum { SEED_PERCENT = 50, CATCH_UP_PERCENT = 90 };

enum qr_status qri_geo_check_alone(struct qr_control *control, const struct qr_database_row *row,
                                   struct qr_err *err)
{
    struct qr_database_row other;
    if (row->geo_of != 0)
        return qr_sql_fail(err, 40681, row->name);
    return qr_registry_find_geo(control->options.registry, row->id, QR_SERVER_ANY, &other)
               ? qr_sql_fail(err, 40680, row->name)
               : QR_OK;
}

/* ---- a change of tier at one end ---- */

/* Of Premium and Business Critical, which are above the others; whatever runs it. */
static bool is_high(const struct qr_database_row *row)
{
    struct qr_database_row alone = *row;
    alone.geo_of = 0;
    return qr_database_has_copies(&alone);
}

static enum qr_status check_pair(struct qr_control *control, const struct qr_database_row *row,
                                 const struct qr_database_row *wanted,
                                 const struct qr_database_row *other, struct qr_err *err)
{
    const struct qr_database_row *primary = row->geo_of != 0 ? other : row;
    const struct qr_database_row *secondary = row->geo_of != 0 ? row : other;
    bool rises = is_high(wanted) && !is_high(row), falls = !is_high(wanted) && is_high(row);
    if (rises && row == primary && !is_high(other))
        return qr_sql_fail(err, 40848, primary->server, primary->name, secondary->server,
                           secondary->name);
    if (falls && row == secondary && is_high(other))
        return qr_sql_fail(err, 40849, secondary->server, secondary->name, primary->server,
                           primary->name);
    return qri_ops_find_active(control, other->id) == NULL
               ? QR_OK
               : qr_sql_fail(err, 40906, row->name, row->server, other->name, other->server);
}

enum qr_status qri_geo_check_scale(struct qr_control *control, const struct qr_database_row *row,
                                   const struct qr_database_row *wanted, struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_database_row other = {.id = 0};
    bool linked = row->geo_of != 0 ? qr_registry_find_id(registry, row->geo_of, &other) == QR_OK &&
                                         qr_database_is_live(&other)
                                   : qr_registry_find_geo(registry, row->id, QR_SERVER_ANY, &other);
    if (!linked)
        return QR_OK;
    if (strcmp(wanted->edition, "Basic") == 0 && strcmp(row->edition, "Basic") != 0)
        return qr_sql_fail(err, 40851, row->edition, row->name);
    if (row->geo_of != 0)
        return check_pair(control, row, wanted, &other, err);
    for (other.id = 0; qr_registry_next_geo(registry, other.id, &other);)
        if (other.geo_of == row->id)
            QR_TRY(check_pair(control, row, wanted, &other, err));
    return QR_OK;
}

/* ---- a new one ---- */

static enum qr_status check_primary(const struct qri_op *op, const struct qr_database_row *primary,
                                    struct qr_err *err)
{
    if (qr_is_master(primary->id))
        return qr_sql_fail(err, 45149);
    if (primary->replica_of != 0 || primary->geo_of != 0) /* no chains */
        return qr_sql_fail(err, 40694);
    if (qr_database_is_hyper(primary))
        return qr_fail(err, QR_UNSUPPORTED,
                       "Geo-secondaries of Hyperscale databases are not supported by this version; "
                       "SECONDARY_TYPE = Named makes a named replica.");
    if (op->ask.other_server == op->ask.server)
        return qr_sql_fail(err, 40691);
    if (op->ask.new_name.n > 0 && !qr_str_ieqz(op->ask.new_name, primary->name))
        return qr_sql_fail(err, 40690);
    return QR_OK;
}

enum qr_status qri_geo_add_begin(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_database_row primary;
    char name[QR_NAME_BYTES_MAX + 1];
    snprintf(name, sizeof name, "%.*s", (int)op->ask.name.n, op->ask.name.p);
    if (qr_registry_find_database(control->options.registry, op->ask.server, op->ask.name,
                                  &primary) != QR_OK)
        return qr_sql_fail(err, 45143, name);
    QR_TRY(check_primary(op, &primary, err));
    QR_TRY(qri_ops_check_free(control, op, &primary, err));
    struct qr_database_wish wish = {
        .edition = qr_str(primary.edition),
        .objective = op->ask.objective.n > 0 ? op->ask.objective : qr_str(primary.objective),
        .collation = qr_str(primary.collation),
        .max_bytes = primary.max_bytes,
        .tags = op->ask.tags,
        .geo_of = &primary,
    };
    if (primary.pool[0] != '\0' && op->ask.objective.n == 0)
        return qr_fail(err, QR_INVALID,
                       "The secondary of a database in an elastic pool needs a SERVICE_OBJECTIVE.");
    op->row.source_id = primary.id;
    memcpy(op->row.other, primary.name, sizeof op->row.other);
    return qri_op_name_target(
        control,
        qri_op_add_row(control, op, op->ask.other_server, qr_str(primary.name), &wish, err),
        op->ask.other_server, qr_str(primary.name), err);
}

static bool is_cancelled(struct qr_control *control, const struct qri_op *op)
{
    pthread_mutex_lock(&control->ops.mu);
    bool wished = op->cancel_wished;
    pthread_mutex_unlock(&control->ops.mu);
    return wished;
}

enum qr_status qri_geo_seed(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_database_row row;
    char node[QR_NODE_NAME_BYTES];
    for (;;) {
        QR_TRY(qri_op_row(control, op, &row, err));
        qri_geo_look(control, row.id);
        struct qr_follow_state state = qri_geo_state(control, row.id);
        qr_place_node(&row, node);
        pthread_mutex_lock(&control->mu);
        bool ready = qri_control_ready(control, node);
        pthread_mutex_unlock(&control->mu);
        if (ready && state.phase == QR_FOLLOW_CATCH_UP)
            return QR_OK;
        uint32_t percent = state.phase == QR_FOLLOW_SEEDS      ? SEED_PERCENT
                           : state.phase == QR_FOLLOW_CATCH_UP ? CATCH_UP_PERCENT
                                                               : 0;
        if (percent > op->row.percent)
            qri_ops_progress(control, op, percent);
        if (control->stopping)
            return qr_fail(err, QR_CANCELLED, "it is being stopped");
        if (is_cancelled(control, op))
            return qr_fail(err, QR_CANCELLED, "it is cancelled");
        qr_env_sleep_ns(control->options.env, PAUSE_NS);
    }
}

/* ---- a change ---- */

enum qr_status qri_geo_begin(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_database_row row, primary;
    char name[QR_NAME_BYTES_MAX + 1];
    snprintf(name, sizeof name, "%.*s", (int)op->ask.name.n, op->ask.name.p);
    if (qr_registry_find_database(registry, op->ask.server, op->ask.name, &row) != QR_OK)
        return qr_sql_fail(err, 911, name);
    op->row.database_id = row.id;
    memcpy(op->row.database, row.name, sizeof op->row.database);
    bool is_primary = qr_registry_find_geo(registry, row.id, QR_SERVER_ANY, &primary);
    if (row.geo_of == 0 && is_primary)
        return qr_sql_fail(err, 40683, row.name);
    if (row.geo_of == 0 || (op->ask.id != 0 && op->ask.id != row.geo_of))
        return qr_sql_fail(err, 40679, row.name);
    op->row.source_id = row.geo_of;
    QR_TRY(qri_ops_check_free(control, op, &row, err));
    bool has_primary = qr_registry_find_id(registry, row.geo_of, &primary) == QR_OK &&
                       qr_database_is_live(&primary);
    if (has_primary)
        QR_TRY(qri_ops_check_free(control, op, &primary, err));
    bool follows = row.state == QR_DATABASE_ONLINE &&
                   qri_geo_state(control, row.id).phase == QR_FOLLOW_CATCH_UP;
    if (op->ask.geo_change == QR_GEO_FAILOVER && (!follows || !has_primary))
        return qr_sql_fail(err, 40855, row.name, "CATCH_UP");
    return QR_OK;
}

/* Both rows; false: it has no primary (any more). */
static bool get_rows(struct qr_control *control, const struct qri_op *op,
                     struct qr_database_row *secondary, struct qr_database_row *primary)
{
    struct qr_registry *registry = control->options.registry;
    return qr_registry_find_id(registry, op->row.database_id, secondary) == QR_OK &&
           qr_registry_find_id(registry, op->row.source_id, primary) == QR_OK;
}

enum qr_status qri_geo_drain(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    int64_t until = qr_env_mono_ns(control->options.env) + DRAIN_NS;
    struct qr_follow_state state = {.phase = QR_FOLLOW_NONE};
    struct qr_database_row row, primary;
    if (op->ask.geo_change != QR_GEO_FAILOVER)
        return QR_OK;
    while (state.phase != QR_FOLLOW_IS_CUT) {
        if (!get_rows(control, op, &row, &primary))
            return qr_fail(err, QR_NOT_FOUND, "the database is not there any more");
        if (row.geo_of == 0) /* it was done before a crash */
            return QR_OK;
        qri_reign_hold_back(control, primary.id,
                            true); /* also if its node is another process then */
        pthread_mutex_lock(&control->geo_mu);
        enum qr_status status = qri_geo_ask(control, &row, QR_FOLLOW_CUT, &state, err);
        pthread_mutex_unlock(&control->geo_mu);
        if (status != QR_OK && !qri_control_repeats(control, status, until))
            return status;
        if (control->stopping)
            return qr_fail(err, QR_CANCELLED, "it is being stopped");
        if (state.phase != QR_FOLLOW_IS_CUT && qr_env_mono_ns(control->options.env) > until)
            return qr_sql_fail(err, 40855, row.name, "CATCH_UP");
        qr_env_sleep_ns(control->options.env, PAUSE_NS);
    }
    return QR_OK;
}

/* Whoever may be led to them by what the rows say now. */
static void let_in(struct qr_control *control, const struct qr_database_row *row)
{
    (void)!qri_control_call_node(control, QR_NODE_SHARED, row, QR_NODE_RELEASE, NULL);
    if (qr_database_has_copies(row))
        (void)!qri_reign_each_ready(control, row, QR_NODE_RELEASE, NULL);
    qri_reign_hold_back(control, row->id, false);
}

enum qr_status qri_geo_undrain(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_database_row row, primary;
    (void)err;
    if (get_rows(control, op, &row, &primary)) {
        let_in(control, &primary);
        let_in(control, &row);
    }
    return QR_OK;
}

/* Nobody has the primary's files, and nobody gets in until it is let in. */
static enum qr_status leave(struct qr_control *control, const struct qr_database_row *primary,
                            struct qr_err *err)
{
    qri_reign_hold_back(control, primary->id, true);
    if (!qr_database_has_copies(primary))
        return qri_control_call_node(control, QR_NODE_SHARED, primary, QR_NODE_VACATE, err);
    qri_reign_end(control, primary->id, true);
    return QR_OK;
}

static enum qr_status change_hands(struct qr_control *control, const struct qr_database_row *row,
                                   const struct qr_database_row *primary, bool swap,
                                   struct qr_err *err)
{
    struct qr_follow_state state;
    if (primary != NULL) /* a node that is not there sends nothing */
        (void)!qri_geo_ask(control, row, QR_FOLLOW_END, &state, NULL);
    qri_reign_hold_back(control, row->id, true);
    if (swap)
        QR_TRY(leave(control, primary, err));
    qri_reign_end(control, row->id, true);
    QR_TRY(qr_registry_end_geo(control->options.registry, row->id, swap, err));
    qri_reign_forget(control, row->id); /* who its primary is begins anew */
    qri_reign_hold_back(control, row->id, true);
    if (swap)
        qri_reign_forget(control, primary->id);
    return QR_OK;
}

enum qr_status qri_geo_switch(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_database_row row, primary;
    QR_TRY(qri_op_row(control, op, &row, err));
    bool has_primary = get_rows(control, op, &row, &primary) && qr_database_is_live(&primary);
    bool swap = op->ask.geo_change != QR_GEO_END && has_primary;
    if (row.geo_of == 0)
        return QR_OK;
    pthread_mutex_lock(&control->geo_mu);
    enum qr_status status = change_hands(control, &row, has_primary ? &primary : NULL, swap, err);
    pthread_mutex_unlock(&control->geo_mu);
    return status;
}

enum qr_status qri_geo_set_free(struct qr_control *control, uint32_t primary_id, struct qr_err *err)
{
    struct qr_database_row row;
    while (qr_registry_find_geo(control->options.registry, primary_id, QR_SERVER_ANY, &row)) {
        pthread_mutex_lock(&control->geo_mu);
        enum qr_status status = change_hands(control, &row, NULL, false, err);
        pthread_mutex_unlock(&control->geo_mu);
        QR_TRY(status);
        let_in(control, &row);
        if (qr_database_has_copies(&row))
            qri_reign_want(control, row.id);
    }
    return QR_OK;
}

enum qr_status qri_geo_open(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_database_row row, other;
    (void)err;
    if (qri_op_row(control, op, &row, NULL) != QR_OK)
        return QR_OK;
    let_in(control, &row);
    if (qr_registry_find_id(control->options.registry, op->row.source_id, &other) == QR_OK) {
        if (other.geo_of != 0) /* members that it had; the first one's files are its own */
            (void)!qri_control_call_node(control, QR_NODE_SHARED, &other, QR_NODE_TIDY, NULL);
        let_in(control, &other);
    }
    if (qr_database_has_copies(&row))
        qri_reign_want(control, row.id);
    return QR_OK;
}
