/* away.c - see machines_int.h: primaries and HA replicas of Hyperscale on other machines.
 *
 * Such a process takes the place of the member whose name it has: ours gives up its sessions and
 * ends first. Nobody can tell whether a primary on another machine is gone: the row says that it
 * was there (`away`), and whoever follows waits for its lease (S6), which the log service does not
 * renew any more once somebody waits. */
#include <stdio.h>
#include <string.h>
#include "control_int.h"
#include "ctl/peer.h"
#include "ctl/place.h"
#include "machines_int.h"
#include "reign_int.h"
#include "base/banned.h"

static const int64_t ENDS_NS = INT64_C(3) * 1000000000, OPENS_NS = INT64_C(15) * 1000000000,
                     RETURNS_NS = INT64_C(5) * 1000000000, LEAVE_NS = INT64_C(5) * 1000000000;

enum qr_status qri_away_want(struct qr_control *control, const char *name, struct qr_err *err)
{
    const struct qr_control_host *host = &control->options.host;
    pthread_mutex_lock(&control->mu);
    const struct qri_member *member = qri_control_find_member(control, name);
    bool elsewhere = member != NULL && (member->is_away || qri_machines_comes(control, member));
    pthread_mutex_unlock(&control->mu);
    return elsewhere ? QR_OK : host->want(host->ctx, name, err);
}

/* The first member of a database without HA replicas is the primary, whoever was it so far. */
static bool leads(const struct qr_database_row *row, const char *name)
{
    return qr_place_member_of(name) == 0 && qr_database_secondaries(row) == 0;
}

uint32_t qri_away_replicas(struct qr_control *control, const struct qr_database_row *row,
                           const char *primary, const char *but)
{
    char name[QR_NODE_NAME_BYTES];
    uint32_t count = 0;
    for (uint32_t i = 0; i <= QR_HA_REPLICAS_MAX; i++) {
        qr_place_member(row, i, name);
        const struct qri_member *member = qri_control_find_member(control, name);
        if (member != NULL && member->is_away && strcmp(name, primary) != 0 &&
            (but == NULL || strcmp(name, but) != 0))
            count++;
    }
    return count;
}

enum qr_status qri_away_check(struct qr_control *control, const struct qr_database_row *row,
                              const char *name, struct qr_err *err)
{
    char primary[QR_NODE_NAME_BYTES];
    if (row->replica_of != 0 && qr_place_member_of(name) == 0)
        return QR_OK;
    if (row->replica_of != 0 || !qr_database_is_hyper(row))
        return qr_fail(err, QR_DENIED,
                       "'%s' is no node for another machine: those of Hyperscale databases are, "
                       "and named replicas without HA replicas",
                       name);
    pthread_mutex_lock(&control->mu);
    qri_reign_place(control, row, primary);
    uint32_t others = qri_away_replicas(control, row, primary, name);
    pthread_mutex_unlock(&control->mu);
    uint32_t room = qr_database_secondaries(row);
    if (strcmp(name, primary) == 0 || others < room ||
        (leads(row, name) && !qri_machines_is_away(control, primary)))
        return QR_OK;
    return qr_fail(err, QR_DENIED,
                   "database '%s' is to have %u HA replicas, and its primary and %u of them are on "
                   "other machines",
                   row->name, room, others);
}

/* Who has to end before that process begins; NULL: nobody. */
static struct qri_member *who_ends(struct qr_control *control, const struct qr_database_row *row,
                                   const char *name) /* held */
{
    const struct qr_control_host *host = &control->options.host;
    char primary[QR_NODE_NAME_BYTES];
    qri_reign_place(control, row, primary);
    if (host->pid(host->ctx, name) != 0)
        return qri_control_member(control, name);
    bool runs = leads(row, name) && host->pid(host->ctx, primary) != 0;
    return runs ? qri_control_member(control, primary) : NULL;
}

/* QR_BUSY: somebody has to end first. */
static enum qr_status take(struct qr_control *control, const struct qr_database_row *row,
                           const char *name, const char *machine, struct qr_err *err) /* held */
{
    struct qri_member *member = qri_control_member(control, name);
    int64_t now = qr_env_mono_ns(control->options.env);
    if (member == NULL)
        return qr_fail(err, QR_NOMEM, "take the place of '%s'", name);
    if (member->is_away && strcmp(member->machine, machine) != 0)
        return qr_fail(err, QR_CONFLICT, "'%s' is on machine '%s'", name, member->machine);
    if (member->is_away) /* it has started again before it was missed */
        qri_machines_lose(control, member);
    struct qri_member *ends = who_ends(control, row, name);
    member->comes_until_ns = now + (ends != NULL ? ENDS_NS : OPENS_NS);
    if (ends != NULL) {
        ends->moves |= !ends->is_moving;
        snprintf(ends->moves_to, sizeof ends->moves_to, "%s", name);
        pthread_cond_broadcast(&control->changed);
        return qr_fail(err, QR_BUSY, "'%s' still runs here", ends->name);
    }
    if (leads(row, name))
        qri_reign_give(control, row->id, name);
    return QR_OK;
}

void qri_away_serve_take(struct qr_control *control, const struct qr_control_ask *ask,
                         struct qr_rpc_request *own_request)
{
    char name[QR_NODE_NAME_BYTES];
    struct qr_database_row row;
    struct qr_err err = {0};
    struct qr_buf buf;
    snprintf(name, sizeof name, "%.*s", (int)ask->name.n, ask->name.p);
    qr_buf_init(&buf, 16);
    enum qr_status status = qri_machines_row(control, name, &row, &err);
    if (status == QR_OK)
        status = qri_away_check(control, &row, name, &err);
    if (status == QR_OK && row.replica_of == 0) {
        pthread_mutex_lock(&control->mu);
        status = take(control, &row, name, own_request->from->name, &err);
        pthread_mutex_unlock(&control->mu);
    }
    if (status == QR_OK && qri_reign_duty(control, &row, name) == QR_DUTY_PRIMARY)
        status = qr_registry_set_away(control->options.registry, row.id,
                                      qr_place_member_of(name) + 1, &err);
    if (status == QR_OK) /* what the row said before: that process is the one to be waited for */
        qri_put_duty(control, &row, name, &buf);
    qr_rpc_finish(own_request, &buf, status, &err);
}

void qri_away_serve_gone(struct qr_control *control, const struct qr_control_ask *ask,
                         struct qr_rpc_request *own_request)
{
    char name[QR_NODE_NAME_BYTES];
    struct qr_database_row row;
    snprintf(name, sizeof name, "%.*s", (int)ask->name.n, ask->name.p);
    pthread_mutex_lock(&control->mu);
    struct qri_member *member = qri_control_find_member(control, name);
    bool was_there = member != NULL && member->is_away && member->away_pid == ask->pid &&
                     strcmp(member->machine, own_request->from->name) == 0;
    pthread_mutex_unlock(&control->mu);
    /* it answers nobody any more, and has given its lease back: nobody waits for that */
    if (was_there && qri_machines_row(control, name, &row, NULL) == QR_OK &&
        row.away == qr_place_member_of(name) + 1)
        (void)!qr_registry_set_away(control->options.registry, row.id, 0, NULL);
    pthread_mutex_lock(&control->mu);
    member = qri_control_find_member(control, name);
    if (was_there && member != NULL && member->is_away) {
        member->has_left = true;
        qri_machines_lose(control, member);
    }
    pthread_mutex_unlock(&control->mu);
    if (was_there)
        QR_LOG(&control->options.log, QR_INFO, "node_gone", QR_F("node", &name[0]));
    qr_rpc_answer(own_request, NULL, 0);
}

bool qri_away_leave(struct qr_control *control, const struct qr_database_row *row, const char *name)
{
    struct qr_rpc_peer *peer = NULL;
    struct qr_err err = {0};
    if (!qri_machines_is_away(control, name))
        return false;
    enum qr_status status = qri_control_node(control, name, &peer, &err);
    if (status == QR_OK)
        status = qr_node_call(peer, QR_NODE_LEAVE, row, LEAVE_NS, &err);
    QR_LOG(&control->options.log, status == QR_OK ? QR_INFO : QR_WARN, "node_left",
           QR_F("node", name), QR_F("reason", &err.text[0]));
    pthread_mutex_lock(&control->mu);
    struct qri_member *member = qri_control_member(control, name);
    if (member != NULL && member->is_away)
        qri_machines_lose(control, member);
    if (member != NULL) /* whoever watches it starts it again */
        member->comes_until_ns = qr_env_mono_ns(control->options.env) + RETURNS_NS;
    pthread_mutex_unlock(&control->mu);
    return true;
}

void qri_away_expect(struct qr_control *control)
{
    struct qr_database_row row;
    char name[QR_NODE_NAME_BYTES];
    if (control->options.machines == NULL)
        return;
    for (size_t i = 0; qr_registry_database_at(control->options.registry, i, &row); i++) {
        if (row.away == 0 || !qr_database_is_live(&row) || !qr_database_is_hyper(&row))
            continue;
        qr_place_member(&row, row.away - 1, name);
        pthread_mutex_lock(&control->mu);
        struct qri_member *member = qri_control_member(control, name);
        if (member != NULL)
            member->comes_until_ns = qr_env_mono_ns(control->options.env) + RETURNS_NS;
        pthread_mutex_unlock(&control->mu);
    }
}

void qri_away_ended(struct qr_control *control, const char *name)
{
    struct qr_database_row row;
    struct qr_err err = {0};
    uint32_t id;
    if (!qr_place_database_of(name, &id) ||
        qr_registry_find_id(control->options.registry, id, &row) != QR_OK || row.away == 0 ||
        qri_reign_duty(control, &row, name) != QR_DUTY_PRIMARY)
        return;
    if (qr_registry_set_away(control->options.registry, id, 0, &err) != QR_OK)
        QR_LOG(&control->options.log, QR_WARN, "away_not_cleared", QR_F("node", name),
               QR_F("reason", &err.text[0])); /* the next one waits for nobody */
}
