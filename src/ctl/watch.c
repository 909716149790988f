/* watch.c - see control_int.h: processes that do not answer
 *
 * A process may be there and do nothing: stopped, or stuck. Nobody else takes over from it, for it
 * is not gone: a primary holds its lease, the log service its landing zone, the gateway its
 * clients. So each is asked, and killed when it has been silent for too long; what comes then is
 * what comes after a crash.
 *
 * Silence is QR_CLOSED: its loop has answered no ping, or taken no connection. A call that only
 * waits, for what the node does takes long, is answered pings meanwhile. Time is counted in rounds
 * of ours, so that nobody is killed for what it missed while this process, or the machine, stood
 * still. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "control_int.h"
#include "ctl/place.h"
#include "base/banned.h"

/* In as many rounds, and as many pings, a silence is over. */
enum { ROUNDS = 6, PINGS = 6 };
enum { ADDRESS_BYTES = QRI_PATH_BYTES + QR_NODE_NAME_BYTES + 32 };
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

/* Who is no compute node may have a successor beside it for a while, so its socket has its number.
 */
static void put_address(const struct qr_control *control, const struct qri_member *member,
                        char *dst, size_t bytes)
{
    uint32_t id;
    bool is_node =
        strcmp(member->name, QR_NODE_SHARED) == 0 || qr_place_database_of(member->name, &id);
    if (is_node)
        snprintf(dst, bytes, "unix:%s/%s.node", control->run_dir, member->name);
    else
        snprintf(dst, bytes, "unix:%s/%s-%d.node", control->run_dir, member->name, member->pid);
}

void qri_watch_exited(const struct qr_control *control, const struct qri_member *member)
{
    char address[ADDRESS_BYTES];
    put_address(control, member, address, sizeof address);
    (void)!unlink(address + strlen("unix:"));
}

static enum qr_status ask(struct qr_control *control, struct qri_member *member,
                          struct qr_err *err) /* held */
{
    struct qri_watched *watched = &member->watched;
    if (watched->pid != member->pid)
        qr_rpc_client_free(QR_TAKE(watched->client)); /* nothing is in flight */
    if (watched->client == NULL) {
        char address[ADDRESS_BYTES];
        put_address(control, member, address, sizeof address);
        struct qr_rpc_client_options options = {.address = address,
                                                .ping_ns = control->options.silence_ns / PINGS};
        QR_TRY(qr_rpc_client_new(control->loop, &options, &watched->client, err));
    }
    watched->pid = member->pid;
    watched->generation = member->generation;
    atomic_store(&watched->rounds, 0);
    atomic_store(&watched->asked, true);
    watched->call =
        (struct qr_rpc_call){.method = QR_NODE_ANSWER, .timeout_ns = CALL_NS, .done = done};
    qr_rpc_start(qr_rpc_client_peer(watched->client), &watched->call);
    return QR_OK;
}

/* One more round of it. True: it has been silent for too long. */
static bool look_at(struct qr_control *control, struct qri_member *member) /* held */
{
    struct qri_watched *watched = &member->watched;
    struct qr_err err = {0};
    if (!(member->ready || member->drains) || member->is_away)
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
