/* reign.c - see control_int.h: which member of a Hyperscale database is its primary.
 *
 * Of Hyperscale it is stored of those on other machines only: after a start of control the first
 * member is. Of a database with copies the row says who is, and who may be. When the primary's
 * process is gone, a member that is ready becomes the primary at once, in memory, so that whoever
 * starts later is told that it is a replica; then it is asked to take over, again and again until
 * it has or is gone itself. Without a ready member the primary's own process comes back as the
 * primary. Routes wait meanwhile. The fence of the log service decides who can commit; this only
 * decides whom we ask. Of a named replica's members one serves its sessions in the same way, and
 * "primary" means that one here: it writes nothing, and to take over is to know that it is the one
 * now. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "control_int.h"
#include "reign_int.h"
#include "ctl/peer.h"
#include "ctl/place.h"
#include "env/thread.h"
#include "machines_int.h"
#include "base/banned.h"

static const int64_t PROMOTE_NS = INT64_C(10) * 1000000000, PAUSE_NS = 10000000,
                     LOOK_NS = 100000000, REST_LOOK_NS = 1000000000;

/* The name of a member, by its database's id. */
static void member_name(struct qr_control *control, uint32_t id, uint32_t member,
                        char dst[QR_NODE_NAME_BYTES])
{
    struct qr_database_row row;
    if (qr_registry_find_id(control->options.registry, id, &row) != QR_OK)
        row = (struct qr_database_row){.id = id};
    qr_place_member(&row, member, dst);
}

struct qri_reign *qri_reign_find(struct qr_control *control, uint32_t id)
{
    struct qri_reign *reign = control->reigns;
    while (reign != NULL && reign->database_id != id)
        reign = reign->next;
    return reign;
}

/* Who is the primary as far as that is stored. */
static void stored_primary(struct qr_control *control, uint32_t id, char dst[QR_NODE_NAME_BYTES])
{
    struct qr_database_row row;
    bool there = qr_registry_find_id(control->options.registry, id, &row) == QR_OK;
    uint32_t member = !there || !qr_database_has_nodes(&row) ? 0
                      : qr_database_has_copies(&row)         ? row.primary
                      : row.away > 0                         ? row.away - 1
                                                             : 0;
    member_name(control, id, member, dst);
}

struct qri_reign *qri_reign_get(struct qr_control *control, uint32_t id) /* held */
{
    struct qri_reign *reign = qri_reign_find(control, id);
    if (reign == NULL && (reign = calloc(1, sizeof *reign)) != NULL) {
        reign->database_id = id;
        stored_primary(control, id, reign->primary);
        reign->next = control->reigns;
        control->reigns = reign;
    }
    return reign;
}

void qri_reign_primary(struct qr_control *control, uint32_t id, char dst[QR_NODE_NAME_BYTES])
{
    const struct qri_reign *reign = qri_reign_find(control, id);
    if (reign == NULL)
        stored_primary(control, id, dst);
    else
        memcpy(dst, reign->primary, QR_NODE_NAME_BYTES);
}

void qri_reign_place(struct qr_control *control, const struct qr_database_row *row,
                     char dst[QR_NODE_NAME_BYTES])
{
    if (qr_database_has_nodes(row))
        qri_reign_primary(control, row->id, dst);
    else
        qr_place_node(row, dst);
}

/* A ready member that is not the primary, from `turn` on; 0 is a member as good as any. Of a
 * database with copies only those in the record. `silent`: of those that do not answer just now,
 * else of the others. False: there is none. */
static bool choose_of(struct qr_control *control, uint32_t id, uint32_t turn, const char *primary,
                      bool silent, char dst[QR_NODE_NAME_BYTES]) /* held */
{
    struct qr_database_row row;
    uint32_t may = UINT32_MAX;
    if (qr_registry_find_id(control->options.registry, id, &row) == QR_OK &&
        qr_database_has_copies(&row))
        may = row.members;
    for (uint32_t i = 0; i <= QR_HA_REPLICAS_MAX; i++) {
        uint32_t member = (turn + i) % (QR_HA_REPLICAS_MAX + 1);
        member_name(control, id, member, dst);
        if (strcmp(dst, primary) != 0 && (may >> member & 1) != 0 &&
            qri_control_ready(control, dst) && qri_watch_is_silent(control, dst) == silent)
            return true;
    }
    return false;
}

bool qri_reign_choose(struct qr_control *control, uint32_t id, uint32_t turn, const char *primary,
                      char dst[QR_NODE_NAME_BYTES]) /* held */
{
    return choose_of(control, id, turn, primary, false, dst) ||
           choose_of(control, id, turn, primary, true, dst);
}

bool qri_reign_route(struct qr_control *control, const struct qr_database_row *row, bool read_only,
                     char dst[QR_NODE_NAME_BYTES])
{
    char primary[QR_NODE_NAME_BYTES];
    qri_reign_place(control, row, primary);
    struct qri_reign *reign = qri_reign_find(control, row->id);
    if (reign != NULL && reign->held_back) {
        memcpy(dst, primary, QR_NODE_NAME_BYTES);
        return false;
    }
    bool reads = !qr_database_has_copies(row) || row->traits.read_scale != QR_SAID_NO;
    if (read_only && reads && qr_database_secondaries(row) > 0) {
        uint32_t turn = control->turn++;
        if (qri_reign_choose(control, row->id, turn, primary, dst))
            return true;
    }
    memcpy(dst, primary, QR_NODE_NAME_BYTES);
    bool vacant = reign != NULL && qr_database_has_nodes(row) && reign->state == QRI_REIGN_VACANT;
    return !vacant && qri_control_ready(control, primary);
}

enum qr_status qri_reign_restore(struct qr_control *control, const struct qri_reign *was,
                                 struct qr_err *err)
{
    pthread_mutex_lock(&control->mu);
    struct qri_reign *reign = qri_reign_get(control, was->database_id);
    if (reign != NULL) {
        reign->state = was->state;
        memcpy(reign->primary, was->primary, sizeof reign->primary);
    }
    pthread_mutex_unlock(&control->mu);
    return reign == NULL ? qr_fail(err, QR_NOMEM, "remember a primary") : QR_OK;
}

void qri_reign_hold_back(struct qr_control *control, uint32_t id, bool held_back)
{
    pthread_mutex_lock(&control->mu);
    struct qri_reign *reign = held_back ? qri_reign_get(control, id) : qri_reign_find(control, id);
    if (reign != NULL) /* without memory a login may start the node again, and be cut off */
        reign->held_back = held_back;
    if (!held_back)
        qri_control_look_at_parked(control);
    pthread_mutex_unlock(&control->mu);
}

bool qri_reign_is_held_back(const struct qr_control *control, uint32_t id)
{
    const struct qri_reign *reign = control->reigns;
    while (reign != NULL && reign->database_id != id)
        reign = reign->next;
    return reign != NULL && reign->held_back;
}

bool qri_reign_is_primary(struct qr_control *control, const char *name)
{
    char primary[QR_NODE_NAME_BYTES];
    uint32_t id;
    if (!qr_place_database_of(name, &id))
        return false;
    pthread_mutex_lock(&control->mu);
    qri_reign_primary(control, id, primary);
    pthread_mutex_unlock(&control->mu);
    return strcmp(name, primary) == 0;
}

enum qr_duty qri_reign_duty(struct qr_control *control, const struct qr_database_row *row,
                            const char *name)
{
    char primary[QR_NODE_NAME_BYTES];
    if (row->geo_of != 0)
        return QR_DUTY_NAMED_REPLICA;
    pthread_mutex_lock(&control->mu);
    qri_reign_primary(control, row->id, primary);
    pthread_mutex_unlock(&control->mu);
    if (strcmp(name, primary) != 0)
        return QR_DUTY_HA_REPLICA;
    return row->replica_of != 0 ? QR_DUTY_NAMED_REPLICA : QR_DUTY_PRIMARY;
}

void qri_reign_exited(struct qr_control *control, const char *name, bool returns)
{
    uint32_t id;
    char primary[QR_NODE_NAME_BYTES];
    if (!qr_place_database_of(name, &id))
        return;
    qri_reign_primary(control, id, primary);
    struct qri_reign *reign = strcmp(name, primary) == 0 ? qri_reign_get(control, id) : NULL;
    if (reign == NULL)
        return;
    bool yields = reign->yields; /* it was told to: whoever follows, that is no loss */
    bool replaced = (returns || yields) && qri_reign_choose(control, id, 0, name, reign->primary);
    if (replaced && yields && reign->heir[0] != '\0' && qri_control_ready(control, reign->heir))
        memcpy(reign->primary, reign->heir, sizeof reign->primary);
    reign->yields = false;
    reign->heir[0] = '\0';
    /* what has copies does not rest: who ends its primary ends the others, too */
    bool rests = !returns && !qr_place_has_copy(name);
    reign->again_ns = 0;
    reign->state = replaced ? QRI_REIGN_VACANT : rests ? QRI_REIGN_RESTED : QRI_REIGN_STEADY;
    if (!replaced)
        memcpy(reign->primary, primary, sizeof reign->primary);
    else
        QR_LOG(&control->options.log, yields ? QR_INFO : QR_WARN,
               yields ? "primary_yielded" : "primary_lost", QR_F("node", name),
               QR_F("next", &reign->primary[0]));
}

void qri_reign_lead(struct qr_control *control, const char *name)
{
    uint32_t id;
    struct qri_reign *reign = qr_place_database_of(name, &id) ? qri_reign_find(control, id) : NULL;
    if (reign == NULL || strcmp(reign->primary, name) == 0)
        return;
    struct qri_member *before = qri_control_member(control, reign->primary);
    if (before != NULL && before->ready)
        before->moves = true; /* it comes back as a replica */
    snprintf(reign->primary, sizeof reign->primary, "%s", name);
    reign->state = QRI_REIGN_VACANT;
    reign->again_ns = 0;
}

void qri_reign_give(struct qr_control *control, uint32_t id, const char *name)
{
    struct qri_reign *reign = qri_reign_get(control, id);
    if (reign == NULL) /* without memory it is told that it is a replica */
        return;
    snprintf(reign->primary, sizeof reign->primary, "%s", name);
    reign->state = QRI_REIGN_STEADY;
}

void qri_reign_moved(struct qr_control *control, uint32_t id, const char *from, const char *to)
{
    const struct qri_reign *reign = qri_reign_find(control, id);
    if (reign != NULL && strcmp(reign->primary, from) == 0 && reign->state == QRI_REIGN_RESTED)
        qri_reign_give(control, id, to);
}

/* ---- members ---- */

void qri_reign_want(struct qr_control *control, uint32_t database_id)
{
    const struct qr_control_host *host = &control->options.host;
    struct qr_database_row row;
    char primary[QR_NODE_NAME_BYTES], name[QR_NODE_NAME_BYTES];
    if (qr_registry_find_id(control->options.registry, database_id, &row) != QR_OK ||
        row.geo_of != 0 || !qr_database_is_live(&row) || control->stopping)
        return;
    pthread_mutex_lock(&control->mu);
    qri_reign_primary(control, row.id, primary);
    bool ready = qri_control_ready(control, primary) && !qri_reign_is_held_back(control, row.id);
    const struct qri_reign *reign = qri_reign_find(control, row.id);
    bool yields = reign != NULL && reign->yields; /* who ended the last primary sees to the rest */
    uint32_t count = qri_away_replicas(control, &row, primary, NULL);
    pthread_mutex_unlock(&control->mu);
    if (yields)
        return;
    bool copies = qr_database_has_copies(&row);
    if (copies && row.state != QR_DATABASE_ONLINE)
        return;
    if (copies) /* it waits for those in the record */
        (void)!host->want(host->ctx, primary, NULL);
    else if (!ready) /* it makes the catalog of a new one; without it there is nothing to do */
        return;
    for (uint32_t i = 0; i <= QR_HA_REPLICAS_MAX; i++) {
        qr_place_member(&row, i, name);
        if (strcmp(name, primary) == 0 || qri_ops_has_member(control, row.id, i) ||
            qri_machines_is_away(control, name))
            continue;
        bool wanted = count++ < qr_database_secondaries(&row);
        if (wanted)
            (void)!qri_away_want(control, name, NULL); /* it is tried again with the next route */
        else if (!wanted && host->pid(host->ctx, name) != 0)
            host->end(host->ctx, name);
    }
}

void qri_reign_end(struct qr_control *control, uint32_t database_id, bool primary_too)
{
    const struct qr_control_host *host = &control->options.host;
    char primary[QR_NODE_NAME_BYTES], name[QR_NODE_NAME_BYTES];
    pthread_mutex_lock(&control->mu);
    qri_reign_primary(control, database_id, primary);
    pthread_mutex_unlock(&control->mu);
    for (uint32_t i = 0; i <= QR_HA_REPLICAS_MAX; i++) {
        member_name(control, database_id, i, name);
        if (strcmp(name, primary) != 0)
            host->end(host->ctx, name);
    }
    if (primary_too)
        host->end(host->ctx, primary);
}

void qri_reign_drain_replicas(struct qr_control *control, const struct qr_database_row *row)
{
    char primary[QR_NODE_NAME_BYTES], name[QR_NODE_NAME_BYTES];
    pthread_mutex_lock(&control->mu);
    qri_reign_primary(control, row->id, primary);
    pthread_mutex_unlock(&control->mu);
    for (uint32_t i = 0; i <= QR_HA_REPLICAS_MAX; i++) {
        member_name(control, row->id, i, name);
        if (strcmp(name, primary) != 0)
            (void)qri_control_drain_node(control, row, name);
    }
}

void qri_reign_forget(struct qr_control *control, uint32_t database_id)
{
    char name[QR_NODE_NAME_BYTES];
    pthread_mutex_lock(&control->mu);
    struct qri_reign **at = &control->reigns;
    while (*at != NULL && (*at)->database_id != database_id)
        at = &(*at)->next;
    struct qri_reign *reign = *at;
    if (reign != NULL)
        *at = reign->next;
    pthread_mutex_unlock(&control->mu);
    free(reign);
    for (uint32_t i = 0; i <= QR_HA_REPLICAS_MAX; i++) {
        member_name(control, database_id, i, name);
        qri_control_forget_node(control, name);
    }
}

enum qr_status qri_reign_each_ready(struct qr_control *control, const struct qr_database_row *row,
                                    enum qr_control_method method, struct qr_err *err)
{
    char name[QR_NODE_NAME_BYTES];
    enum qr_status status = QR_OK;
    for (uint32_t i = 0; i <= QR_HA_REPLICAS_MAX && status == QR_OK; i++) {
        qr_place_member(row, i, name);
        pthread_mutex_lock(&control->mu);
        bool ready = qri_control_ready(control, name);
        pthread_mutex_unlock(&control->mu);
        if (ready)
            status = qri_control_call_node(control, name, row, method, err);
    }
    return status;
}

enum qr_status qri_reign_wait(struct qr_control *control, const struct qr_database_row *row,
                              int64_t until_ns, struct qr_err *err)
{
    char node[QR_NODE_NAME_BYTES];
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&control->mu);
    while (status == QR_OK && !qri_reign_route(control, row, false, node)) {
        int64_t left = until_ns - qr_env_mono_ns(control->options.env);
        if (control->stopping)
            status = qr_fail(err, QR_CANCELLED, "it is being stopped");
        else if (left <= 0)
            status = qr_sql_fail(err, 40613, row->name, row->server, "none");
        else
            (void)qr_cond_wait(&control->changed, &control->mu, left < LOOK_NS ? left : LOOK_NS);
        pthread_mutex_unlock(&control->mu);
        if (status == QR_OK) /* whoever was to be it may be gone */
            status = qri_away_want(control, node, err);
        pthread_mutex_lock(&control->mu);
    }
    pthread_mutex_unlock(&control->mu);
    return status;
}

/* ---- the threads that carry it out: several, because who takes over may wait for its storage, or
 * for its own process, and those of a machine that is gone are many ---- */

/* NULL: none yet; *ret_wait_ns is when to look again, -1 when something changes. */
static struct qri_reign *find_work(struct qr_control *control, int64_t *ret_wait_ns) /* held */
{
    int64_t now = qr_env_mono_ns(control->options.env);
    *ret_wait_ns = -1;
    for (struct qri_reign *reign = control->reigns; reign != NULL; reign = reign->next) {
        if (reign->state == QRI_REIGN_STEADY || reign->is_busy)
            continue;
        int64_t left = reign->again_ns - now;
        if (left <= 0)
            return reign;
        if (*ret_wait_ns < 0 || left < *ret_wait_ns)
            *ret_wait_ns = left;
    }
    return NULL;
}

/* Asks the primary to be to take over. */
static bool promote(struct qr_control *control, const struct qr_database_row *row, const char *name)
{
    struct qr_err err = {0};
    struct qr_rpc_peer *peer = NULL;
    int64_t began_ns = qr_env_mono_ns(control->options.env);
    bool is_away = row->replica_of == 0 && qri_machines_is_away(control, name);
    enum qr_control_method method = row->away != 0 ? QR_NODE_SUCCEED : QR_NODE_PROMOTE;
    enum qr_status status = QR_OK;
    if (is_away)
        status = qr_registry_set_away(control->options.registry, row->id,
                                      qr_place_member_of(name) + 1, &err);
    if (status == QR_OK)
        status = qri_control_node(control, name, &peer, &err);
    if (status == QR_OK)
        status = qr_node_call(peer, method, row, PROMOTE_NS, &err);
    if (status == QR_OK && !is_away)
        qri_away_ended(control, name);
    QR_LOG(&control->options.log, status == QR_OK ? QR_INFO : QR_WARN, "promoted",
           QR_F("node", name), QR_F("status", qr_status_info(status)->name),
           QR_F("reason", &err.text[0]),
           QR_F("took_ms", (qr_env_mono_ns(control->options.env) - began_ns) / 1000000));
    return status == QR_OK;
}

/* The primary has ended because nobody used it. A replica ends when the same is true of it: readers
 * need no primary. True: none is left, or the primary is back. */
static bool rest(struct qr_control *control, const struct qr_database_row *row, const char *primary)
{
    const struct qr_control_host *host = &control->options.host;
    char name[QR_NODE_NAME_BYTES];
    bool any = false;
    for (uint32_t i = 0; i <= QR_HA_REPLICAS_MAX; i++) {
        struct qr_rest_state state = {.rests = true};
        struct qr_rpc_peer *peer = NULL;
        qr_place_member(row, i, name);
        pthread_mutex_lock(&control->mu);
        bool ready = qri_control_ready(control, name);
        bool back = qri_control_ready(control, primary);
        pthread_mutex_unlock(&control->mu);
        if (back)
            return true;
        if (strcmp(name, primary) == 0 || host->pid(host->ctx, name) == 0)
            continue;
        /* who does not answer is watched */
        if (ready && (qri_control_node(control, name, &peer, NULL) != QR_OK ||
                      qr_node_rest(peer, row, QR_NODE_IDLE_NS, PROMOTE_NS, &state, NULL) != QR_OK ||
                      !state.rests))
            any = true;
        else
            host->end(host->ctx, name);
    }
    return !any;
}

static void carry_out(struct qr_control *control, const struct qri_reign *seen)
{
    struct qr_database_row row;
    uint32_t id = seen->database_id;
    int64_t pause_ns = seen->state == QRI_REIGN_RESTED ? REST_LOOK_NS : PAUSE_NS;
    bool done = true;
    if (qr_registry_find_id(control->options.registry, id, &row) != QR_OK)
        done = true; /* dropped since; its reign is forgotten then */
    else if (seen->state == QRI_REIGN_RESTED)
        done = rest(control, &row, seen->primary);
    else
        done = promote(control, &row, seen->primary);
    pthread_mutex_lock(&control->mu);
    struct qri_reign *reign = qri_reign_find(control, id);
    bool same =
        reign != NULL && reign->state == seen->state && strcmp(reign->primary, seen->primary) == 0;
    if (same && done)
        reign->state = QRI_REIGN_STEADY;
    if (reign != NULL)
        reign->is_busy = false;
    if (same && !done)
        reign->again_ns = qr_env_mono_ns(control->options.env) + pause_ns;
    qri_control_look_at_parked(control);
    pthread_cond_broadcast(&control->changed);
    pthread_mutex_unlock(&control->mu);
    if (done && seen->state == QRI_REIGN_VACANT)
        qri_reign_want(control, id);
}

void *qri_reign_main(void *arg)
{
    struct qr_control *control = arg;
    pthread_mutex_lock(&control->mu);
    while (!control->stopping) {
        if (qri_machines_move(control))
            continue;
        int64_t wait_ns;
        struct qri_reign *reign = find_work(control, &wait_ns);
        if (reign == NULL) {
            (void)qr_cond_wait(&control->changed, &control->mu, wait_ns);
            continue;
        }
        reign->is_busy = true;
        struct qri_reign seen = *reign;
        pthread_mutex_unlock(&control->mu);
        carry_out(control, &seen);
        pthread_mutex_lock(&control->mu);
    }
    pthread_mutex_unlock(&control->mu);
    return NULL;
}

void qri_reign_done(struct qr_control *control)
{
    while (control->reigns != NULL) {
        struct qri_reign *reign = control->reigns;
        control->reigns = reign->next;
        free(reign);
    }
}
