/* watch.c - see control_int.h: nodes of one database that do not answer
 *
 * A process may be there and do nothing: stopped, or stuck. Nobody else takes over from it, for it
 * is not gone, and it may hold the lease of a primary. So each is asked, and killed when it has
 * been silent for too long; what comes then is what comes after a crash.
 *
 * Silence is QR_CLOSED: its loop has answered no ping, or taken no connection. A call that only
 * waits, for what the node does takes long, is answered pings meanwhile. Time is counted in rounds
 * of ours, so that nobody is killed for what it missed while this process, or the machine, stood
 * still. */
#include <stdio.h>
#include <string.h>
#include "control_int.h"
#include "ctl/place.h"
#include "base/banned.h"

/* In as many rounds, and as many pings, a silence is over. */
enum { ROUNDS = 6, PINGS = 6 };
static const int64_t CALL_NS = INT64_C(60) * 1000000000; /* longer than connecting may take */

static void done(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct qri_watched *watched = (struct qri_watched *)call;
    if (reply->status == QR_CLOSED)
        atomic_fetch_add(&watched->silent_rounds, atomic_load(&watched->rounds) + 1);
    else
        atomic_store(&watched->silent_rounds, 0);
    atomic_store(&watched->asked, false);
}

static enum qr_status ask(struct qr_control *control, struct qri_member *member,
                          struct qr_err *err) /* held */
{
    struct qri_watched *watched = &member->watched;
    if (watched->client == NULL) {
        char address[QRI_PATH_BYTES + QR_NODE_NAME_BYTES + 16];
        snprintf(address, sizeof address, "unix:%s/%s.node", control->run_dir, member->name);
        struct qr_rpc_client_options options = {.address = address,
                                                .ping_ns = control->options.silence_ns / PINGS};
        QR_TRY(qr_rpc_client_new(control->loop, &options, &watched->client, err));
    }
    watched->generation = member->generation;
    atomic_store(&watched->rounds, 0);
    atomic_store(&watched->asked, true);
    watched->call =
        (struct qr_rpc_call){.method = QR_NODE_ANSWER, .timeout_ns = CALL_NS, .done = done};
    qr_rpc_start(qr_rpc_client_peer(watched->client), &watched->call);
    return QR_OK;
}

static bool is_watched(struct qr_control *control, const struct qri_member *member) /* held */
{
    struct qr_database_row row;
    uint32_t id;
    return (member->ready || member->drains) && !member->is_away &&
           qr_place_database_of(member->name, &id) &&
           qr_registry_find_id(control->options.registry, id, &row) == QR_OK && row.geo_of == 0;
}

/* One more round of it. True: it has been silent for too long. */
static bool look_at(struct qr_control *control, struct qri_member *member) /* held */
{
    struct qri_watched *watched = &member->watched;
    struct qr_err err = {0};
    if (!is_watched(control, member))
        return false;
    bool asked = atomic_load(&watched->asked); /* first: an end that comes now is the old one's */
    if (watched->generation != member->generation) /* another process than that one */
        atomic_store(&watched->silent_rounds, 0);
    if (!asked) {
        (void)!ask(control, member, &err); /* without memory in the next round */
        return false;
    }
    uint32_t rounds = atomic_fetch_add(&watched->rounds, 1) + 1;
    uint32_t before = atomic_load(&watched->silent_rounds);
    return watched->generation == member->generation && before > 0 && before + rounds >= ROUNDS;
}

static void look(struct qr_control *control)
{
    const struct qr_control_host *host = &control->options.host;
    pthread_mutex_lock(&control->mu);
    for (struct qri_member *member = control->members; member != NULL && !control->stopping;
         member = member->next) {
        if (!look_at(control, member))
            continue;
        atomic_store(&member->watched.silent_rounds, 0);
        QR_LOG(&control->options.log, QR_WARN, "node_silent", QR_F("node", &member->name[0]),
               QR_F("pid", member->pid), QR_F("silent_ms", control->options.silence_ns / 1000000));
        host->kill(host->ctx, member->name, member->pid);
    }
    pthread_mutex_unlock(&control->mu);
}

bool qri_watch_is_silent(struct qr_control *control, const char *name)
{
    const struct qri_member *member = control->members;
    while (member != NULL && strcmp(member->name, name) != 0)
        member = member->next;
    return member != NULL && atomic_load(&member->watched.silent_rounds) > 0;
}

enum qr_status qri_watch_start(struct qr_control *control, struct qr_err *err)
{
    const struct qr_control_options *options = &control->options;
    if (options->silence_ns == 0 || options->host.kill == NULL)
        return QR_OK;
    return qri_rounds_start(&control->watch, control, "qr-watch", options->silence_ns / ROUNDS,
                            look, err);
}
