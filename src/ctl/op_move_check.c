/* op_move_check.c - see ops_int.h: what has to be true before a database's data moves to or from
 * Hyperscale, and how large a database may say that it is. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "ctl/peer.h"
#include "machines_int.h"
#include "ops_int.h"
#include "registry_int.h"
#include "reign_int.h"
#include "base/banned.h"

static const int64_t DAY_NS = INT64_C(86400) * 1000000000, SIZE_NS = INT64_C(5) * 1000000000;
enum { REVERSE_DAYS = 45 };

struct qr_database_wish qri_op_wish(const struct qr_control_ask *ask)
{
    return (struct qr_database_wish){
        .edition = ask->edition,
        .objective = ask->objective,
        .pool = ask->pool,
        .max_bytes = ask->max_bytes,
        .max_text = ask->max_text,
        .ha_replicas = ask->ha_replicas,
        .traits = ask->traits,
        .tags = ask->tags,
    };
}

/* The row that an ALTER leads to. False: there is none, and who begins it says why. */
static bool foresee(struct qr_control *control, const struct qr_control_ask *ask,
                    struct qr_database_row *row, struct qr_database_row *wanted)
{
    struct qr_database_wish wish = qri_op_wish(ask);
    if (qr_registry_find_database(control->options.registry, ask->server, ask->name, row) != QR_OK)
        return false;
    *wanted = *row;
    return qri_registry_apply(control->options.registry, &wish, wanted, NULL) == QR_OK;
}

uint8_t qri_move_kind(struct qr_control *control, const struct qr_control_ask *ask)
{
    struct qr_database_row row, wanted;
    if (!foresee(control, ask, &row, &wanted) ||
        qr_database_is_hyper(&row) == qr_database_is_hyper(&wanted))
        return QR_OPERATION_UPDATE;
    return qr_database_is_hyper(&row) ? QR_OPERATION_REVERSE_MIGRATE : QR_OPERATION_MIGRATE;
}

/* Hyperscale's numbers are the log service's: any node can ask for them. */
static enum qr_status find_node(struct qr_control *control, const struct qr_database_row *row,
                                struct qr_rpc_peer **ret_peer)
{
    const struct qr_control_host *host = &control->options.host;
    char node[QR_NODE_NAME_BYTES] = QR_NODE_SHARED;
    if (qr_database_has_copies(row)) {
        pthread_mutex_lock(&control->mu);
        qri_reign_place(control, row, node);
        pthread_mutex_unlock(&control->mu);
        QR_TRY(host->want(host->ctx, node, NULL));
    }
    return qri_control_node(control, node, ret_peer, NULL);
}

enum qr_status qri_move_size(struct qr_control *control, const struct qr_database_row *row,
                             struct qr_move_state *ret_state)
{
    struct qr_rpc_peer *peer = NULL;
    struct qr_database_row primary;
    if (row->geo_of != 0) { /* it has the pages that its primary has */
        QR_TRY(qr_registry_find_id(control->options.registry, row->geo_of, &primary));
        row = &primary;
    }
    QR_TRY(find_node(control, row, &peer));
    return qr_node_move(peer, row, row, QR_MOVE_SIZE, SIZE_NS, ret_state, NULL);
}

uint64_t qri_move_used_bytes(struct qr_control *control, uint16_t method,
                             const struct qr_control_ask *ask)
{
    struct qr_database_row row, wanted;
    struct qr_move_state state;
    if (method != QR_CONTROL_ALTER || !foresee(control, ask, &row, &wanted) ||
        row.replica_of != 0 || qr_is_master(row.id) || row.state != QR_DATABASE_ONLINE)
        return UINT64_MAX;
    bool moves = qr_database_is_hyper(&row) != qr_database_is_hyper(&wanted);
    bool shrinks = !qr_database_is_hyper(&wanted) && wanted.max_bytes < row.max_bytes;
    if ((!moves && !shrinks) || qri_move_size(control, &row, &state) != QR_OK)
        return UINT64_MAX;
    return state.total;
}

/* ---- rules ---- */

/* Error 45305 with the rule that is not met. */
static enum qr_status not_met(struct qr_err *err, const char *form, ...) QR_PRINTF(2, 3);
static enum qr_status not_met(struct qr_err *err, const char *form, ...)
{
    char rule[500];
    va_list args;
    va_start(args, form);
    vsnprintf(rule, sizeof rule, form, args);
    va_end(args);
    return qr_sql_fail(err, 45305, rule);
}

enum qr_status qri_move_check_size(const struct qri_op *op, const struct qr_database_row *row,
                                   const struct qr_database_row *wanted, struct qr_err *err)
{
    bool matters = qr_database_is_hyper(row) != qr_database_is_hyper(wanted) ||
                   (!qr_database_is_hyper(row) && wanted->max_bytes < row->max_bytes);
    if (!matters || qr_database_is_hyper(wanted))
        return QR_OK;
    if (op->used_bytes == UINT64_MAX)
        return qr_fail(err, QR_BUSY, "How large database '%s' is could not be found out just now.",
                       row->name);
    if (op->used_bytes > wanted->max_bytes)
        return not_met(err,
                       "The allocated size of database '%s', %llu MB, does not fit into its "
                       "maximum size of %llu MB in '%s'.",
                       row->name, (unsigned long long)(op->used_bytes >> 20),
                       (unsigned long long)(wanted->max_bytes >> 20), wanted->objective);
    return QR_OK;
}

static enum qr_status check_to_hyper(const struct qri_op *op, const struct qr_database_row *row,
                                     struct qr_err *err)
{
    if (op->ask.objective.n == 0)
        return not_met(err,
                       "To move database '%s' to Hyperscale, both EDITION and SERVICE_OBJECTIVE "
                       "must be specified.",
                       row->name);
    return QR_OK;
}

static enum qr_status check_from_hyper(struct qr_control *control,
                                       const struct qr_database_row *row,
                                       const struct qr_database_row *wanted, struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    int64_t now = qr_env_wall_ns(control->options.env);
    struct qr_database_row other;
    if (row->migrated_wall_ns == 0)
        return not_met(err,
                       "Reverse migration of database '%s' is not possible: it was created in the "
                       "Hyperscale service tier.",
                       row->name);
    if (now - row->migrated_wall_ns > REVERSE_DAYS * DAY_NS)
        return not_met(err,
                       "Reverse migration of database '%s' is not possible: more than %d days have "
                       "passed since it was migrated to Hyperscale.",
                       row->name, REVERSE_DAYS);
    if (strcmp(wanted->edition, "GeneralPurpose") != 0)
        return not_met(err,
                       "Reverse migration of database '%s' is possible to the General Purpose "
                       "service tier only, not to '%s'.",
                       row->name, wanted->edition);
    pthread_mutex_lock(&control->mu);
    bool is_away = row->away != 0 || qri_away_replicas(control, row, "", NULL) > 0;
    pthread_mutex_unlock(&control->mu);
    if (is_away)
        return not_met(err,
                       "Reverse migration of database '%s' is not possible while a process on "
                       "another machine serves it: end that one first.",
                       row->name);
    for (size_t i = 0; qr_registry_database_at(registry, i, &other); i++)
        if (other.replica_of == row->id)
            return not_met(err,
                           "Reverse migration of database '%s' is not possible: it has the named "
                           "replica '%s'.",
                           row->name, other.name);
    return QR_OK;
}

enum qr_status qri_move_check(struct qr_control *control, const struct qri_op *op,
                              const struct qr_database_row *row,
                              const struct qr_database_row *wanted, struct qr_err *err)
{
    if (qr_is_master(row->id))
        return qr_fail(err, QR_INVALID, "master stays where it is");
    if (row->state != QR_DATABASE_ONLINE)
        return qr_sql_fail(err, 45182, row->name);
    QR_TRY(qri_geo_check_alone(control, row, err));
    QR_TRY(qr_database_is_hyper(row) ? check_from_hyper(control, row, wanted, err)
                                     : check_to_hyper(op, row, err));
    return qri_move_check_size(op, row, wanted, err);
}
