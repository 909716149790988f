/* copy.c - see control_int.h: a database made from another one, as it is or as it was */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/sqlmsg.h"
#include "control_int.h"
#include "reign_int.h"
#include "ctl/peer.h"
#include "ctl/place.h"
#include "ctl/pool.h"
#include "store/hyper_branch.h"
#include "base/banned.h"

static const int64_t TIME_NS = INT64_C(60) * 1000000000, CALL_NS = INT64_C(2) * 1000000000,
                     FILES_NS = INT64_C(6) * 3600 * 1000000000; /* by size of the data */

/* ---- what is copied ---- */

static enum qr_status no_source(const struct qr_control_ask *ask, struct qr_err *err)
{
    char name[QR_NAME_BYTES_MAX + 1];
    snprintf(name, sizeof name, "%.*s", (int)ask->copy_of.n, ask->copy_of.p);
    return qr_sql_fail(err, 45143, name);
}

/* Error 40653, with the time as people write it. */
static enum qr_status nothing_of_that_time(const struct qr_control_ask *ask, struct qr_err *err)
{
    char name[QR_NAME_BYTES_MAX + 1], text[40] = "now";
    time_t seconds = (time_t)(ask->restore_wall_ns / 1000000000);
    struct tm tm;
    snprintf(name, sizeof name, "%.*s", (int)ask->copy_of.n, ask->copy_of.p);
    if (ask->restore_wall_ns != 0 && gmtime_r(&seconds, &tm) != NULL)
        (void)!strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return qr_sql_fail(err, 40653, name, text);
}

static enum qr_database_state state_of_source(const struct qr_control_ask *ask)
{
    return ask->kept.n > 0 ? QR_DATABASE_KEPT
           : ask->dropped  ? QR_DATABASE_DROPPED
                           : QR_DATABASE_ONLINE;
}

static enum qr_status find_source(struct qr_control *control, const struct qr_control_ask *ask,
                                  struct qr_database_row *ret_row, struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    enum qr_status status =
        ask->kept.n > 0 ? qr_registry_find_kept(registry, ask->kept, ret_row)
        : ask->dropped
            ? qr_registry_find_dropped(registry, ask->other_server, ask->copy_of,
                                       ask->dropped_wall_ns, ret_row)
            : qr_registry_find_database(registry, ask->other_server, ask->copy_of, ret_row);
    if (status != QR_OK || ret_row->state != state_of_source(ask))
        return no_source(ask, err);
    if (qr_is_master(ret_row->id))
        return qr_fail(err, QR_INVALID, "master is not copied");
    if (ret_row->replica_of != 0 || ret_row->geo_of != 0)
        return qr_sql_fail(err, 40681, ret_row->name);
    /* The statement has seen that he owns it: another one may have its name by now. */
    if (ask->owner.n > 0 && !qr_str_eq(ask->owner, qr_str(ret_row->owner)))
        return no_source(ask, err);
    return QR_OK;
}

static uint64_t made_at(const struct qr_database_row *source)
{
    return (uint64_t)qri_made_wall_ns(source);
}

/* earliestRestoreDate is told in whole milliseconds: the one in which the database was made stands
 * for the time when it was. */
static uint64_t restored_to(const struct qr_database_row *source, const struct qr_control_ask *ask)
{
    static const uint64_t told_ns = 1000000;
    uint64_t at = ask->restore_wall_ns, made = made_at(source);
    return at < made && at / told_ns == made / told_ns ? made : at;
}

/* Of a Hyperscale database that came of another one, what was before that is its parent's; of one
 * that was made empty there was nothing. Others have no backup of before. */
static bool is_before_it_was_made(const struct qr_control_ask *ask,
                                  const struct qr_database_row *row)
{
    return ask->restore_wall_ns != 0 && qr_database_is_hyper(row) &&
           restored_to(row, ask) < made_at(row);
}

/* As of a time before its data came to where it is: where it was then. What was before that is gone
 * for good, when its data moved again. */
static enum qr_status find_place_then(struct qr_control *control, const struct qr_control_ask *ask,
                                      struct qr_database_row *row, struct qr_err *err)
{
    struct qr_database_row former;
    if (ask->restore_wall_ns == 0 || ask->restore_wall_ns >= (uint64_t)row->era_wall_ns)
        return QR_OK;
    if (qr_registry_find_former(control->options.registry, row->id, &former) != QR_OK ||
        ask->restore_wall_ns < (uint64_t)former.era_wall_ns || is_before_it_was_made(ask, &former))
        return nothing_of_that_time(ask, err);
    *row = former;
    return QR_OK;
}

/* A copy is of its source's tier; what is not said is as there. */
static enum qr_status inherit(struct qr_control *control, uint32_t server,
                              const struct qr_database_row *source, struct qr_database_wish *wish,
                              struct qr_err *err)
{
    const struct qr_slo *slo = qr_slo_find(wish->objective);
    struct qr_pool_row pool;
    bool unsaid = wish->edition.n == 0 && wish->objective.n == 0 && wish->pool.n == 0;
    struct qr_str edition = wish->edition.n != 0 ? wish->edition
                            : slo != NULL        ? qr_str(slo->edition)
                                                 : qr_str(source->edition);
    if (wish->pool.n > 0 &&
        qr_registry_find_pool(control->options.registry, server, wish->pool, &pool) == QR_OK)
        edition = qr_str(qr_pool_database_slo(&pool)->edition);
    if (unsaid && source->pool[0] == '\0')
        wish->objective = qr_str(source->objective);
    else if (unsaid && qr_server_of(source->id) == server &&
             qr_registry_find_pool(control->options.registry, server, qr_str(source->pool),
                                   &pool) == QR_OK &&
             qr_str_ieqz(edition, qr_pool_database_slo(&pool)->edition))
        wish->pool = qr_str(source->pool); /* it is beside its source */
    if (!qr_str_ieqz(edition, source->edition))
        return qr_fail(err, QR_UNSUPPORTED,
                       "A copy of a database of edition '%s' has that edition, too.",
                       source->edition);
    if (wish->edition.n == 0 && slo == NULL && wish->pool.n == 0)
        wish->edition = qr_str(source->edition);
    if (wish->collation.n == 0)
        wish->collation = qr_str(source->collation);
    wish->in_clear = qr_database_is_hyper(source) && !source->encrypted; /* it reads its pages */
    if (wish->max_bytes == 0 && !qr_database_is_hyper(source))
        wish->max_bytes = source->max_bytes;
    return QR_OK;
}

/* To the time that may be asked for: within retention, and not in the future. */
static enum qr_status check_time(struct qr_control *control, const struct qr_control_ask *ask,
                                 const struct qr_database_row *source, struct qr_err *err)
{
    int64_t now = qr_env_wall_ns(control->options.env);
    int64_t end = source->state == QR_DATABASE_DROPPED ? source->dropped_wall_ns : now;
    uint64_t first = (uint64_t)(end - qri_retention_ns(source));
    if (ask->kept.n > 0) /* of one moment */
        return ask->restore_wall_ns == 0 ? QR_OK : nothing_of_that_time(ask, err);
    if (is_before_it_was_made(ask, source))
        return nothing_of_that_time(ask, err);
    if (ask->restore_wall_ns == 0 ||
        (ask->restore_wall_ns >= first && ask->restore_wall_ns <= (uint64_t)now))
        return QR_OK;
    return nothing_of_that_time(ask, err);
}

enum qr_status qri_copy_check(struct qr_control *control, const struct qr_control_ask *ask,
                              struct qr_database_wish *wish, struct qr_database_row *ret_source,
                              struct qr_err *err)
{
    QR_TRY(find_source(control, ask, ret_source, err));
    QR_TRY(check_time(control, ask, ret_source, err));
    QR_TRY(find_place_then(control, ask, ret_source, err));
    if (ask->geo && qr_database_is_hyper(ret_source))
        return qr_fail(err, QR_UNSUPPORTED,
                       "A Hyperscale database has no copies of its backups in a second store.");
    return inherit(control, ask->server, ret_source, wish, err);
}

/* ---- Hyperscale: a branch ---- */

struct qr_hyper_services qri_hyper_services(struct qr_control *control)
{
    return (struct qr_hyper_services){.log = qr_rpc_client_peer(control->log),
                                      .pages = qr_rpc_client_peer(control->pages),
                                      .env = control->options.env,
                                      .timeout_ns = CALL_NS};
}

enum qr_status qri_hyper_words(struct qr_control *control, const char *event,
                               const struct qr_database_row *row, enum qr_status status,
                               struct qr_err *err)
{
    static const enum qr_status stores[] = {QR_DENIED, QR_NOT_FOUND, QR_INVALID, QR_CONFLICT,
                                            QR_IO};
    for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++) {
        if (status != stores[i])
            continue;
        QR_LOG(&control->options.log, QR_WARN, event, QR_F("db", &row->name[0]),
               QR_F("reason", err != NULL ? &err->text[0] : ""));
        return qr_sql_fail(err, 40197, (int)status);
    }
    return status;
}

enum qr_status qri_copy_branch(struct qr_control *control, const struct qr_database_row *source,
                               const struct qr_control_ask *ask, const struct qr_database_row *row,
                               struct qr_err *err)
{
    struct qr_hyper_services services = qri_hyper_services(control);
    struct qr_timeline parent, child;
    struct qr_hyper_base base;
    struct qr_hyper_point point = {
        .kind = ask->restore_wall_ns == 0 ? QR_POINT_NOW : QR_POINT_TIME,
        .wall_ns = restored_to(source, ask),
    };
    QR_TRY(qr_place_timeline(source, &parent, err));
    QR_TRY(qr_place_timeline(row, &child, err));
    int64_t until = qr_env_mono_ns(control->options.env) + TIME_NS;
    enum qr_status status;
    do
        status = qr_hyper_branch(&services, &parent, source->slices, &point, &child, &base, err);
    while (qri_control_repeats(control, status, until));
    if (ask->restore_wall_ns != 0 && (status == QR_NOT_FOUND || status == QR_INVALID))
        return nothing_of_that_time(ask, err);
    QR_TRY(qri_hyper_words(control, "branch_failed", row, status, err));
    QR_LOG(&control->options.log, QR_INFO, "database_branched", QR_F("db", &row->name[0]),
           QR_F("from", &source->name[0]), QR_F("lsn", base.lsn.v));
    return qr_registry_set_branch(control->options.registry, row->id, source, base.lsn.v, err);
}

/* ---- others: by backups ---- */

enum qr_status qri_copy_node(struct qr_control *control, const struct qr_database_row *source,
                             struct qr_rpc_peer **ret_peer, struct qr_err *err)
{
    const struct qr_control_host *host = &control->options.host;
    char node[QR_NODE_NAME_BYTES] = QR_NODE_SHARED;
    if (qr_database_has_copies(source) && source->state == QR_DATABASE_ONLINE) {
        /* what is in no backup yet, only its own process can put there */
        pthread_mutex_lock(&control->mu);
        qri_reign_place(control, source, node);
        pthread_mutex_unlock(&control->mu);
        QR_TRY(host->want(host->ctx, node, err));
    }
    return qri_control_node(control, node, ret_peer, err);
}

static enum qr_status copy_files(struct qr_control *control, const struct qr_database_row *source,
                                 const struct qr_control_ask *ask,
                                 const struct qr_database_row *row, struct qr_err *err)
{
    struct qr_rpc_peer *peer = NULL;
    if (ask->geo) /* nothing is taken for it */
        QR_TRY(qri_control_node(control, QR_NODE_SHARED, &peer, err));
    else
        QR_TRY(qri_copy_node(control, source, &peer, err));
    int64_t until = qr_env_mono_ns(control->options.env) + TIME_NS;
    enum qr_status status;
    do
        status = qr_node_copy(peer, row, source, ask->restore_wall_ns, ask->geo, FILES_NS, err);
    while (status != QR_CORRUPT && /* that is a backup's: it stays damaged */
           qri_control_repeats(control, status, until));
    return status == QR_NOT_FOUND ? nothing_of_that_time(ask, err) : status;
}

enum qr_status qri_copy_make(struct qr_control *control, uint32_t source_id,
                             const struct qr_control_ask *ask, const struct qr_database_row *row,
                             struct qr_err *err)
{
    const struct qr_control_host *host = &control->options.host;
    struct qr_database_row source;
    bool found = qr_registry_find_id(control->options.registry, source_id, &source) == QR_OK;
    bool was_moved = found && source.moved_to != 0;
    if (!found || source.state != (was_moved ? QR_DATABASE_DROPPED : state_of_source(ask)))
        return qr_sql_fail(err, 40562); /* it went, or came back, before its turn was here */
    if (!qr_database_is_hyper(&source))
        return copy_files(control, &source, ask, row, err);
    QR_TRY(host->want(host->ctx, QR_ROLE_NAME_LOG, err));
    QR_TRY(host->want(host->ctx, QR_ROLE_NAME_PAGE, err));
    return qri_copy_branch(control, &source, ask, row, err);
}
