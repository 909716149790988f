/* pause.c - see control_int.h: serverless databases that nobody uses are paused, and who comes
 * brings them back.
 *
 * A thread asks the nodes of a database that has not been used for its delay to close it and to let
 * nobody in; if they do, its processes end and its row says that it is paused. From the moment that
 * they are asked its routes wait here, and each of them wishes it back: another thread does that,
 * so that nobody waits for the pause of another database. A hold keeps out who found the database
 * before its row said so; it asks for a route again. Crashes: a row that says paused is true
 * whatever runs, because the next route resumes it. */
#include <stdlib.h>
#include "base/endian.h"
#include "control_int.h"
#include "machines_int.h"
#include "reign_int.h"
#include "ctl/peer.h"
#include "ctl/place.h"
#include "ctl/slo.h"
#include "env/thread.h"
#include "base/banned.h"

enum { ASK_BYTES_MAX = 16384, LOOKS_A_MINUTE = 60 };
static const int64_t MINUTE_NS = INT64_C(60) * 1000000000, REST_NS = INT64_C(30) * 1000000000,
                     LOOK_MIN_NS = 20000000, FAILED_NS = 200000000;

/* ---- the call, both sides ---- */

void qr_rest_state_put(uint8_t dst[QR_REST_BYTES], const struct qr_rest_state *state)
{
    dst[0] = (uint8_t)(state->rests | state->only_logins << 1);
    qr_put64le(dst + 1, state->idle_ns);
}

enum qr_status qr_node_rest(struct qr_rpc_peer *peer, const struct qr_database_row *row,
                            uint64_t idle_ns, int64_t timeout_ns, struct qr_rest_state *ret_state,
                            struct qr_err *err)
{
    struct qr_buf body, reply;
    qr_buf_init(&body, ASK_BYTES_MAX);
    qr_buf_init(&reply, 64);
    qr_control_row_put(&body, row);
    qr_buf_add64le(&body, idle_ns);
    struct iovec iov = {.iov_base = body.data, .iov_len = body.len};
    enum qr_status status = qr_buf_status(&body, err);
    if (status == QR_OK)
        status = qr_rpc_call_wait(peer, QR_NODE_REST, &iov, 1, timeout_ns, &reply, err);
    if (status == QR_OK && (reply.len != QR_REST_BYTES || reply.data[0] > 3))
        status = qr_fail(err, QR_PROTOCOL, "the answer of a node breaks its format");
    if (status == QR_OK)
        *ret_state = (struct qr_rest_state){(reply.data[0] & 1) != 0, qr_get64le(reply.data + 1),
                                            reply.data[0] > 1};
    qr_buf_done(&body);
    qr_buf_done(&reply);
    return status;
}

/* ---- what is known of each; control.mu held ---- */

static struct qri_rest **bucket_of(struct qr_control *control, uint32_t id)
{
    return &control->rests.buckets[id * UINT32_C(2654435761) >> (32 - QRI_REST_BITS)];
}

static struct qri_rest *find_rest(struct qr_control *control, uint32_t id)
{
    struct qri_rest *rest = *bucket_of(control, id);
    while (rest != NULL && rest->database_id != id)
        rest = rest->next;
    return rest;
}

/* NULL: no memory. */
static struct qri_rest *get_rest(struct qr_control *control, uint32_t id)
{
    struct qri_rest *rest = find_rest(control, id), **at = bucket_of(control, id);
    if (rest == NULL && (rest = calloc(1, sizeof *rest)) != NULL) {
        *rest = (struct qri_rest){
            .next = *at, .database_id = id, .used_ns = qr_env_mono_ns(control->options.env)};
        *at = rest;
    }
    return rest;
}

static bool is_serverless(const struct qr_database_row *row)
{
    const struct qr_slo *slo = qr_slo_find(qr_str(row->objective));
    return slo != NULL && slo->is_serverless;
}

bool qri_pause_parks(struct qr_control *control, const struct qr_database_row *row)
{
    struct qri_rest *rest = find_rest(control, row->id);
    bool parks = row->paused_wall_ns != 0 || (rest != NULL && rest->state != QRI_REST_NONE);
    if (parks && rest == NULL)
        rest = get_rest(control, row->id);
    if (rest != NULL)
        rest->used_ns = qr_env_mono_ns(control->options.env);
    if (parks && rest != NULL && !rest->wanted) {
        rest->wanted = true;
        control->rests.wakes = true;
        pthread_cond_broadcast(&control->changed);
    }
    return parks;
}

enum qr_pause_state qri_pause_state(struct qr_control *control, const struct qr_database_row *row)
{
    pthread_mutex_lock(&control->mu);
    const struct qri_rest *rest = find_rest(control, row->id);
    enum qri_rest_state state = rest == NULL ? QRI_REST_NONE : rest->state;
    bool wanted = rest != NULL && rest->wanted;
    pthread_mutex_unlock(&control->mu);
    if (state == QRI_REST_RESUMES || (row->paused_wall_ns != 0 && wanted))
        return QR_RESUMING;
    if (state == QRI_REST_PAUSES)
        return QR_PAUSING;
    return row->paused_wall_ns != 0 ? QR_PAUSED : QR_PAUSE_NONE;
}

/* ---- resuming ---- */

/* The name of its i-th process; false: it has fewer. */
static bool node_at(const struct qr_database_row *row, uint32_t i, char dst[QR_NODE_NAME_BYTES])
{
    bool alone = qr_database_has_nodes(row);
    if (alone && i <= QR_HA_REPLICAS_MAX)
        qr_place_member(row, i, dst);
    else if (i == 0)
        qr_place_node(row, dst);
    return i <= (alone ? QR_HA_REPLICAS_MAX : 0);
}

static bool is_ready(struct qr_control *control, const char *name)
{
    pthread_mutex_lock(&control->mu);
    bool ready = qri_control_ready(control, name);
    pthread_mutex_unlock(&control->mu);
    return ready;
}

/* Whoever is not there holds nothing. */
static enum qr_status release(struct qr_control *control, const struct qr_database_row *row,
                              struct qr_err *err)
{
    char name[QR_NODE_NAME_BYTES];
    enum qr_status status = QR_OK;
    for (uint32_t i = 0; status == QR_OK && node_at(row, i, name); i++)
        if (is_ready(control, name))
            status = qri_control_call_node(control, name, row, QR_NODE_RELEASE, err);
    return status;
}

static enum qr_status resume(struct qr_control *control, const struct qr_database_row *row,
                             bool starts, struct qr_err *err)
{
    char node[QR_NODE_NAME_BYTES];
    pthread_mutex_lock(&control->mu);
    qri_reign_place(control, row, node);
    pthread_mutex_unlock(&control->mu);
    if (starts) /* it starts while the row is written */
        QR_TRY(qri_away_want(control, node, err));
    QR_TRY(qr_registry_set_paused(control->options.registry, row->id, false, false,
                                  qr_env_wall_ns(control->options.env), err));
    return release(control, row, err);
}

/* held; waits until nobody pauses or resumes it */
static struct qri_rest *settled(struct qr_control *control, uint32_t id)
{
    struct qri_rest *rest = find_rest(control, id);
    while (rest != NULL && rest->state != QRI_REST_NONE && !control->stopping) {
        (void)qr_cond_wait(&control->changed, &control->mu, -1);
        rest = find_rest(control, id);
    }
    return rest;
}

/* held */
static void settle(struct qr_control *control, struct qri_rest *rest)
{
    rest->state = QRI_REST_NONE;
    control->rests.wakes = control->rests.wakes || rest->wanted;
    qri_control_look_at_parked(control);
    pthread_cond_broadcast(&control->changed);
}

enum qr_status qri_pause_wake(struct qr_control *control, uint32_t id, bool starts,
                              struct qr_err *err)
{
    struct qr_env *env = control->options.env;
    struct qr_database_row row;
    int64_t began_ns = qr_env_mono_ns(env);
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&control->mu);
    struct qri_rest *rest = settled(control, id);
    bool paused = !control->stopping &&
                  qr_registry_find_id(control->options.registry, id, &row) == QR_OK &&
                  row.paused_wall_ns != 0 && (rest = get_rest(control, id)) != NULL;
    if (rest != NULL)
        rest->wanted = false;
    if (paused)
        rest->state = QRI_REST_RESUMES;
    pthread_mutex_unlock(&control->mu);
    if (!paused)
        return QR_OK;
    status = resume(control, &row, starts && qr_database_has_nodes(&row), err);
    pthread_mutex_lock(&control->mu);
    rest->used_ns = qr_env_mono_ns(env); /* it stays, because it has a state */
    if (status != QR_OK)
        rest->wanted = control->rests.wakes = true;
    settle(control, rest);
    pthread_mutex_unlock(&control->mu);
    if (status == QR_OK)
        QR_LOG(&control->options.log, QR_INFO, "database_resumed", QR_F("db", &row.name[0]),
               QR_F("id", row.id), QR_F("took_ms", (qr_env_mono_ns(env) - began_ns) / 1000000));
    return status;
}

/* One that is wished back and that nobody is at; 0: none. held */
static uint32_t next_wanted(struct qr_control *control)
{
    control->rests.wakes = false;
    for (size_t i = 0; i < QRI_REST_BUCKETS; i++)
        for (struct qri_rest *rest = control->rests.buckets[i]; rest != NULL; rest = rest->next)
            if (rest->wanted && rest->state == QRI_REST_NONE) {
                control->rests.wakes = true; /* there may be more */
                return rest->database_id;
            }
    return 0;
}

static void *wake_main(void *arg)
{
    struct qr_control *control = arg;
    pthread_mutex_lock(&control->mu);
    while (!control->stopping) {
        struct qr_err err = {0};
        uint32_t id = control->rests.wakes ? next_wanted(control) : 0;
        if (id == 0) {
            (void)qr_cond_wait(&control->changed, &control->mu, -1);
            continue;
        }
        pthread_mutex_unlock(&control->mu);
        enum qr_status status = qri_pause_wake(control, id, true, &err);
        if (status != QR_OK && !control->stopping) {
            QR_LOG(&control->options.log, QR_WARN, "database_not_resumed", QR_F("id", id),
                   QR_F("reason", &err.text[0]));
            qr_env_sleep_ns(control->options.env, FAILED_NS);
        }
        pthread_mutex_lock(&control->mu);
    }
    pthread_mutex_unlock(&control->mu);
    return NULL;
}

/* ---- pausing ---- */

/* What keeps a database online however long nobody uses it, as Azure documents it. */
static bool is_kept_online(struct qr_control *control, const struct qr_database_row *row)
{
    struct qr_keep_policy policy;
    return row->traits.auto_pause_minutes <= 0 || !is_serverless(row) || row->replica_of != 0 ||
           row->geo_of != 0 || row->away != 0 ||
           qr_registry_has_followers(control->options.registry, row->id) ||
           qri_vault_policy(control, row->guid, &policy, NULL) != QR_OK ||
           !qr_keep_policy_is_off(&policy);
}

static int64_t minute_of(const struct qr_control *control)
{
    return control->options.pause_minute_ns == 0 ? MINUTE_NS : control->options.pause_minute_ns;
}

static int64_t delay_of(const struct qr_control *control, const struct qr_database_row *row)
{
    return row->traits.auto_pause_minutes * minute_of(control);
}

/* Its nodes close it or let nobody in; one that does not spoils it for the others. */
static enum qr_status ask_nodes(struct qr_control *control, const struct qr_database_row *row,
                                struct qr_rest_state *ret_state, struct qr_err *err)
{
    uint64_t delay = (uint64_t)delay_of(control, row);
    char name[QR_NODE_NAME_BYTES];
    *ret_state = (struct qr_rest_state){.rests = true, .idle_ns = UINT64_MAX};
    for (uint32_t i = 0; ret_state->rests && node_at(row, i, name); i++) {
        struct qr_rest_state state = {.rests = false};
        struct qr_rpc_peer *peer = NULL;
        if (!is_ready(control, name))
            continue; /* who is not there has no session */
        QR_TRY(qri_control_node(control, name, &peer, err));
        QR_TRY(qr_node_rest(peer, row, delay, REST_NS, &state, err));
        ret_state->only_logins |= state.only_logins; /* of those who have it open */
        if (!state.rests)
            *ret_state = state;
    }
    return QR_OK;
}

static void try_pause(struct qr_control *control, const struct qr_database_row *row) /* claimed */
{
    struct qr_env *env = control->options.env;
    int64_t began_ns = qr_env_mono_ns(env), delay = delay_of(control, row);
    struct qr_rest_state state = {.rests = false};
    struct qr_err err = {0};
    pthread_mutex_lock(&control->mu);
    struct qri_rest *rest = find_rest(control, row->id);
    bool is_free = rest != NULL && rest->state == QRI_REST_NONE && !rest->wanted;
    if (is_free)
        rest->state = QRI_REST_PAUSES;
    pthread_mutex_unlock(&control->mu);
    if (!is_free)
        return;
    enum qr_status status = ask_nodes(control, row, &state, &err);
    pthread_mutex_lock(&control->mu);
    bool pauses = status == QR_OK && state.rests && !rest->wanted && !control->stopping;
    pthread_mutex_unlock(&control->mu);
    if (pauses && qr_database_has_nodes(row))
        qri_reign_end(control, row->id, true);
    if (pauses)
        status = qr_registry_set_paused(control->options.registry, row->id, true, state.only_logins,
                                        qr_env_wall_ns(env), &err);
    if (!pauses || status != QR_OK)
        (void)!release(control, row, NULL);
    pthread_mutex_lock(&control->mu);
    if (status != QR_OK || (!state.rests && state.idle_ns < (uint64_t)delay))
        rest->used_ns = began_ns - (status != QR_OK ? 0 : (int64_t)state.idle_ns);
    if (!pauses)
        rest->wanted = false; /* who waits goes on at once */
    settle(control, rest);
    pthread_mutex_unlock(&control->mu);
    if (status != QR_OK && !control->stopping)
        QR_LOG(&control->options.log, QR_WARN, "database_not_paused", QR_F("db", &row->name[0]),
               QR_F("reason", &err.text[0]));
    else if (pauses)
        QR_LOG(&control->options.log, QR_INFO, "database_paused", QR_F("db", &row->name[0]),
               QR_F("id", row->id), QR_F("took_ms", (qr_env_mono_ns(env) - began_ns) / 1000000));
}

static void look_at(struct qr_control *control, const struct qr_database_row *seen)
{
    int64_t now = qr_env_mono_ns(control->options.env), used_ns = now, check_ns = now + 1;
    bool paused = seen->paused_wall_ns != 0;
    struct qr_database_row row;
    struct qri_claim claim;
    pthread_mutex_lock(&control->mu);
    struct qri_rest *rest = get_rest(control, seen->id);
    if (rest != NULL) {
        rest->is_seen = true;
        used_ns = rest->used_ns;
        check_ns = rest->check_ns;
    }
    pthread_mutex_unlock(&control->mu);
    if (rest != NULL) /* we alone free it */
        qri_bill_look(control, &rest->owed, seen);
    if (now < check_ns || (!paused && now - used_ns < delay_of(control, seen)))
        return;
    bool kept = is_kept_online(control, seen);
    if (kept || paused)
        rest->check_ns = now + minute_of(control); /* ours alone */
    if (kept && paused)                            /* since it was paused */
        (void)!qri_pause_wake(control, seen->id, false, NULL);
    if (kept || paused || !qri_control_try_claim(control, &claim, seen->id))
        return;
    if (!qri_ops_is_active(control, seen->id) &&
        qr_registry_find_id(control->options.registry, seen->id, &row) == QR_OK &&
        row.state == QR_DATABASE_ONLINE && row.paused_wall_ns == 0 &&
        !is_kept_online(control, &row))
        try_pause(control, &row);
    qri_control_unclaim(control, &claim);
}

/* Those that are not there any more, or serverless no more. */
static void forget_others(struct qr_control *control)
{
    pthread_mutex_lock(&control->mu);
    for (size_t i = 0; i < QRI_REST_BUCKETS; i++)
        for (struct qri_rest **at = &control->rests.buckets[i]; *at != NULL;) {
            struct qri_rest *rest = *at;
            bool stays = rest->is_seen || rest->state != QRI_REST_NONE || rest->wanted;
            rest->is_seen = false;
            if (stays) {
                at = &rest->next;
            } else {
                *at = rest->next;
                free(rest);
            }
        }
    pthread_mutex_unlock(&control->mu);
}

static void look(struct qr_control *control)
{
    struct qr_database_row row;
    size_t index = 0;
    while (!control->stopping &&
           qr_registry_next_serverless(control->options.registry, &index, &row))
        look_at(control, &row);
    qri_bill_keep(control);
    if (!control->stopping) /* all have been seen */
        forget_others(control);
}

/* ---- start and stop ---- */

enum qr_status qri_pause_start(struct qr_control *control, struct qr_err *err)
{
    int64_t every = minute_of(control) / LOOKS_A_MINUTE;
    qri_bill_init(&control->bill);
    QR_TRY(qr_thread_start("qr-resume", 0, wake_main, control, &control->rests.waker, err));
    control->rests.waker_runs = true;
    return qri_rounds_start(&control->rests.rounds, control, "qr-pause",
                            every < LOOK_MIN_NS ? LOOK_MIN_NS : every, look, err);
}

void qri_pause_stop(struct qr_control *control)
{
    qri_rounds_stop(&control->rests.rounds);
    if (control->rests.waker_runs)
        pthread_join(control->rests.waker, NULL);
    control->rests.waker_runs = false;
}

/* What is owed is kept before everything ends. */
static void keep_all(struct qr_control *control)
{
    struct qr_database_row row;
    control->bill.keep_at_ns = 0;
    for (size_t i = 0; i < QRI_REST_BUCKETS; i++)
        for (struct qri_rest *rest = control->rests.buckets[i]; rest != NULL; rest = rest->next)
            if (qr_registry_find_id(control->options.registry, rest->database_id, &row) == QR_OK)
                qri_bill_look(control, &rest->owed, &row);
    qri_bill_keep(control);
}

void qri_pause_done(struct qr_control *control)
{
    if (control->rests.rounds.control != NULL) /* it was started */
        keep_all(control);
    qri_bill_done(&control->bill);
    for (size_t i = 0; i < QRI_REST_BUCKETS; i++)
        while (control->rests.buckets[i] != NULL) {
            struct qri_rest *rest = control->rests.buckets[i];
            control->rests.buckets[i] = rest->next;
            free(rest);
        }
}
