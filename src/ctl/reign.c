/* reign.c - see control_int.h: which member of a Hyperscale database is its primary.
 *
 * Of Hyperscale nothing is stored: after a start of control the first member is. Of a database with
 * copies the row says who is, and who may be. When the primary's process is
 * gone, a member that is ready becomes the primary at once, in memory, so that whoever starts later
 * is told that it is a replica; then it is asked to take over, again and again until it has or is
 * gone itself. Without a ready member the primary's own process comes back as the primary. Routes
 * wait meanwhile. The fence of the log service decides who can commit; this only decides whom we
 * ask. Of a named replica's members one serves its sessions in the same way, and "primary" means
 * that one here: it writes nothing, and to take over is to know that it is the one now. */
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

static struct qri_reign *find_reign(struct qr_control *control, uint32_t id) /* held */
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
    member_name(control, id, there && qr_database_has_copies(&row) ? row.primary : 0, dst);
}

struct qri_reign *qri_reign_get(struct qr_control *control, uint32_t id) /* held */
{
    struct qri_reign *reign = find_reign(control, id);
    if (reign == NULL && (reign = calloc(1, sizeof *reign)) != NULL) {
        reign->database_id = id;
        stored_primary(control, id, reign->primary);
        reign->next = control->reigns;
        control->reigns = reign;
    }
    return reign;
}

static void primary_of(struct qr_control *control, uint32_t id,
                       char dst[QR_NODE_NAME_BYTES]) /* held */
{
    const struct qri_reign *reign = find_reign(control, id);
    if (reign == NULL)
        stored_primary(control, id, dst);
    else
        memcpy(dst, reign->primary, QR_NODE_NAME_BYTES);
}

void qri_reign_place(struct qr_control *control, const struct qr_database_row *row,
                     char dst[QR_NODE_NAME_BYTES])
{
    if (qr_database_has_nodes(row))
        primary_of(control, row->id, dst);
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
    struct qri_reign *reign = find_reign(control, row->id);
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
    struct qri_reign *reign = held_back ? qri_reign_get(control, id) : find_reign(control, id);
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
    primary_of(control, id, primary);
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
    primary_of(control, row->id, primary);
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
    primary_of(control, id, primary);
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
    struct qri_reign *reign = qr_place_database_of(name, &id) ? find_reign(control, id) : NULL;
    if (reign == NULL || strcmp(reign->primary, name) == 0)
        return;
    struct qri_member *before = qri_control_member(control, reign->primary);
    if (before != NULL && before->ready)
        before->moves = true; /* it comes back as a replica */
    snprintf(reign->primary, sizeof reign->primary, "%s", name);
    reign->state = QRI_REIGN_VACANT;
    reign->again_ns = 0;
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
    primary_of(control, row.id, primary);
    bool ready = qri_control_ready(control, primary) && !qri_reign_is_held_back(control, row.id);
    const struct qri_reign *reign = find_reign(control, row.id);
    bool yields = reign != NULL && reign->yields; /* who ended the last primary sees to the rest */
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
    uint32_t count = 0;
    for (uint32_t i = 0; i <= QR_HA_REPLICAS_MAX; i++) {
        qr_place_member(&row, i, name);
        if (strcmp(name, primary) == 0 || qri_ops_has_member(control, row.id, i))
            continue;
        bool wanted = count++ < qr_database_secondaries(&row);
        if (wanted && !qri_machines_is_away(control, name))
            (void)!host->want(host->ctx, name, NULL); /* it is tried again with the next route */
        else if (!wanted && host->pid(host->ctx, name) != 0)
            host->end(host->ctx, name);
    }
}

void qri_reign_end(struct qr_control *control, uint32_t database_id, bool primary_too)
{
    const struct qr_control_host *host = &control->options.host;
    char primary[QR_NODE_NAME_BYTES], name[QR_NODE_NAME_BYTES];
    pthread_mutex_lock(&control->mu);
    primary_of(control, database_id, primary);
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
    primary_of(control, row->id, primary);
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

bool qri_reign_heir(struct qr_control *control, const struct qr_database_row *row,
                    char ret_primary[QR_NODE_NAME_BYTES], char ret_heir[QR_NODE_NAME_BYTES])
{
    pthread_mutex_lock(&control->mu);
    primary_of(control, row->id, ret_primary);
    bool any = qri_control_ready(control, ret_primary) &&
               qri_reign_choose(control, row->id, 0, ret_primary, ret_heir);
    pthread_mutex_unlock(&control->mu);
    return any;
}

void qri_reign_wait_heir(struct qr_control *control, const struct qr_database_row *row,
                         int64_t until_mono_ns)
{
    static const int64_t look_ns = INT64_C(100000000); /* nobody tells that a copy has caught up */
    char primary[QR_NODE_NAME_BYTES], heir[QR_NODE_NAME_BYTES];
    pthread_mutex_lock(&control->mu);
    for (;;) {
        int64_t left = until_mono_ns - qr_env_mono_ns(control->options.env);
        primary_of(control, row->id, primary);
        if (left <= 0 || control->stopping || !qri_control_ready(control, primary) ||
            qri_reign_choose(control, row->id, 0, primary, heir))
            break;
        (void)qr_cond_wait(&control->changed, &control->mu, left < look_ns ? left : look_ns);
    }
    pthread_mutex_unlock(&control->mu);
}

/* A primary that has no session any more, and has resigned: the next one takes over while its
 * process ends. Of a database with copies the files are its own until then. */
static void pass_on(struct qr_control *control, const struct qr_database_row *row,
                    const char *primary, const char *next)
{
    char heir[QR_NODE_NAME_BYTES];
    pthread_mutex_lock(&control->mu);
    struct qri_reign *reign = find_reign(control, row->id);
    bool passes = reign != NULL && reign->yields && strcmp(reign->primary, primary) == 0 &&
                  qri_reign_choose(control, row->id, 0, primary, heir);
    if (passes && next != NULL && qri_control_ready(control, next))
        snprintf(heir, sizeof heir, "%s", next);
    if (passes) {
        memcpy(reign->primary, heir, sizeof reign->primary);
        reign->heir[0] = '\0';
        reign->state = QRI_REIGN_VACANT;
        reign->again_ns = 0;
        pthread_cond_broadcast(&control->changed);
    }
    pthread_mutex_unlock(&control->mu);
    if (passes)
        QR_LOG(&control->options.log, QR_INFO, "primary_yielded", QR_F("node", primary),
               QR_F("next", &heir[0]));
}

/* Its process has ended: members may come and go again. */
static void passed_on(struct qr_control *control, uint32_t id)
{
    pthread_mutex_lock(&control->mu);
    struct qri_reign *reign = find_reign(control, id);
    if (reign != NULL)
        reign->yields = false;
    pthread_mutex_unlock(&control->mu);
}

enum qr_status qri_reign_yield(struct qr_control *control, const struct qr_database_row *row,
                               const char *next, struct qr_err *err)
{
    const struct qr_control_host *host = &control->options.host;
    char primary[QR_NODE_NAME_BYTES], other[QR_NODE_NAME_BYTES];
    pthread_mutex_lock(&control->mu);
    primary_of(control, row->id, primary);
    bool is_it = next != NULL && strcmp(next, primary) == 0;
    bool any = qri_reign_choose(control, row->id, 0, primary, other);
    struct qri_reign *reign =
        any && qri_control_ready(control, primary) ? qri_reign_get(control, row->id) : NULL;
    if (reign != NULL && !is_it) {
        reign->yields = true;
        snprintf(reign->heir, sizeof reign->heir, "%s", next == NULL ? "" : next);
    }
    pthread_mutex_unlock(&control->mu);
    if (is_it) /* it has taken over before */
        return QR_OK;
    if (qri_control_drain_node(control, row, primary) && qr_database_is_hyper(row))
        pass_on(control, row, primary, next);
    host->end(host->ctx, primary);
    passed_on(control, row->id);
    if (next != NULL && any)
        return QR_OK;
    return host->want(host->ctx, primary, err);
}

enum qr_status qri_reign_wait(struct qr_control *control, const struct qr_database_row *row,
                              int64_t until_ns, struct qr_err *err)
{
    const struct qr_control_host *host = &control->options.host;
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
            status = host->want(host->ctx, node, err);
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
    enum qr_status status = qri_control_node(control, name, &peer, &err);
    if (status == QR_OK)
        status = qr_node_call(peer, QR_NODE_PROMOTE, row, PROMOTE_NS, &err);
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
    struct qri_reign *reign = find_reign(control, id);
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
