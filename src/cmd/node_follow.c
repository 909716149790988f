/* node_follow.c - see cmd_int.h: a primary's log goes to its geo-secondaries.
 *
 * A thread for each, started by control's question and ended when nobody has asked for a while: the
 * row says who follows whom, not this process. It has the primary open meanwhile. Whoever needs the
 * primary for himself lets its links go, and they do not come back while it is held. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "ctl/peer.h"
#include "node_int.h"
#include "store/copies.h"
#include "store/store.h"
#include "base/banned.h"

enum { ADDRESS_BYTES = 256 };
static const int64_t PAUSE_NS = 50000000, BEAT_NS = INT64_C(1) * 1000000000,
                     AGAIN_NS = INT64_C(500) * 1000000, BACKOFF_MAX_NS = 50000000,
                     UNASKED_NS = INT64_C(15) * 1000000000, SECLUDE_NS = INT64_C(20) * 1000000000;

struct link {
    struct link *next;
    struct qri_node *node;
    struct qr_database_row primary, secondary;
    struct qr_database *db; /* entered */
    struct qr_rpc_loop *loop;
    struct qr_rpc_client *client;
    struct qr_follow *follow;
    pthread_t thread;
    pthread_mutex_t mu;
    pthread_cond_t wake;
    bool runs;
    bool ends, cuts; /* guarded by mu, as what follows */
    int64_t asked_ns;
    struct qr_follow_state state;
};

struct qri_follows {
    pthread_mutex_t mu; /* one beginning or end at a time; before node.mu */
    struct link *first;
};

void qri_follows_init(struct qri_follows **ret_follows)
{
    struct qri_follows *follows = calloc(1, sizeof *follows);
    if (follows != NULL)
        pthread_mutex_init(&follows->mu, NULL);
    *ret_follows = follows;
}

/* ---- the thread ---- */

/* Until it has all of it: nobody writes any more, for only this link still has it. */
static enum qr_status cut(struct link *l, struct qr_err *err)
{
    struct qr_store *store = qr_database_store(l->db);
    int64_t until = qr_env_mono_ns(l->node->options.env) + SECLUDE_NS;
    QR_TRY(qri_node_seclude(l->node, &l->primary, 1, until, err));
    QR_TRY(qr_store_flush(store, err));
    QR_TRY(qr_follow_step(l->follow, err));
    return qr_follow_info(l->follow).hardened.v == qr_store_durable_lsn(store).v
               ? QR_OK
               : qr_fail(err, QR_BUSY, "something was written meanwhile");
}

static void note(struct link *l, enum qr_status status, bool is_cut)
{
    struct qr_follow_info info = qr_follow_info(l->follow);
    pthread_mutex_lock(&l->mu);
    l->state.phase = info.seeds        ? QR_FOLLOW_SEEDS
                     : status != QR_OK ? QR_FOLLOW_SUSPENDED
                     : is_cut          ? QR_FOLLOW_IS_CUT
                                       : QR_FOLLOW_CATCH_UP;
    if (status == QR_OK)
        l->state.replicated_wall_ns = (uint64_t)qr_env_wall_ns(l->node->options.env);
    l->state.commit_wall_ns = info.commit_wall_ns;
    pthread_mutex_unlock(&l->mu);
}

/* Waits. True: it goes on; with ret_cuts it is to be cut. */
static bool pause_for(struct link *l, int64_t ns, bool *ret_cuts)
{
    pthread_mutex_lock(&l->mu);
    if (!l->ends && !l->cuts)
        (void)qr_cond_wait(&l->wake, &l->mu, ns);
    bool ends = l->ends || qr_env_mono_ns(l->node->options.env) - l->asked_ns >= UNASKED_NS;
    *ret_cuts = l->cuts;
    pthread_mutex_unlock(&l->mu);
    return !ends;
}

static void *link_main(void *arg)
{
    struct link *l = arg;
    struct qr_env *env = l->node->options.env;
    struct qr_store *store = qr_database_store(l->db);
    struct qr_err err = {0};
    enum qr_status status = QR_OK, before = QR_OK;
    bool cuts = false, is_cut = false;
    struct qr_lsn sent = {0};
    int64_t at_ns = 0;
    do {
        int64_t now = qr_env_mono_ns(env);
        bool is_due = status != QR_OK || now - at_ns >= BEAT_NS ||
                      qr_store_durable_lsn(store).v != sent.v || (cuts && !is_cut);
        if (!is_due)
            continue;
        sent = qr_store_durable_lsn(store);
        status = cuts && !is_cut ? cut(l, &err) : qr_follow_step(l->follow, &err);
        is_cut = is_cut || (cuts && status == QR_OK);
        at_ns = now;
        note(l, status, is_cut);
        if (status != QR_OK && before == QR_OK)
            QR_LOG(&l->node->options.log, QR_INFO, "geo_link_waits",
                   QR_F("db", &l->primary.name[0]), QR_F("server", &l->secondary.server[0]),
                   QR_F("status", qr_status_info(status)->name), QR_F("reason", &err.text[0]));
        before = status;
    } while (pause_for(l, status == QR_OK ? PAUSE_NS : AGAIN_NS, &cuts));
    pthread_mutex_lock(&l->mu);
    l->ends = true;
    pthread_mutex_unlock(&l->mu);
    return NULL;
}

/* ---- beginning and ending; follows.mu held ---- */

static void free_link(struct link *l)
{
    if (l->follow != NULL)
        qr_follow_free(l->follow);
    qr_rpc_client_free(l->client);
    qr_rpc_loop_free(l->loop);
    if (l->db != NULL)
        qri_node_leave(l->node, l->db);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->mu);
    free(l);
}

static enum qr_status open_link(struct link *l, struct qr_err *err)
{
    const struct qri_node_options *o = &l->node->options;
    char address[ADDRESS_BYTES], name[QR_NODE_NAME_BYTES];
    struct qr_rpc_loop_options loop = {.env = o->env, .log = &o->log, .name = "follow"};
    struct qr_rpc_client_options client = {.address = address, .backoff_max_ns = BACKOFF_MAX_NS};
    qr_place_node(&l->secondary, name);
    int n = snprintf(address, sizeof address, "unix:%s/%s.copy", o->run_dir, name);
    if (n < 0 || n >= ADDRESS_BYTES)
        return qr_fail(err, QR_TOO_BIG, "a copy's address is too long");
    QR_TRY(qri_node_enter_row(l->node, &l->primary, &l->db, err));
    QR_TRY(qr_rpc_loop_new(&loop, &l->loop, err));
    QR_TRY(qr_rpc_client_new(l->loop, &client, &l->client, err));
    struct qr_follow_options follow = {.store = qr_database_store(l->db),
                                       .peer = qr_rpc_client_peer(l->client)};
    QR_TRY(qr_follow_new(&follow, &l->follow, err));
    QR_TRY(qr_thread_start("qr-follow", 0, link_main, l, &l->thread, err));
    l->runs = true;
    return QR_OK;
}

static enum qr_status begin(struct qri_node *node, const struct qr_database_row *primary,
                            const struct qr_database_row *secondary, struct link **ret_link,
                            struct qr_err *err)
{
    struct link *l = calloc(1, sizeof *l);
    if (l == NULL)
        return qr_fail(err, QR_NOMEM, "follow a database");
    *l = (struct link){.node = node,
                       .primary = *primary,
                       .secondary = *secondary,
                       .asked_ns = qr_env_mono_ns(node->options.env)};
    pthread_mutex_init(&l->mu, NULL);
    qr_cond_init(&l->wake);
    enum qr_status status = open_link(l, err);
    if (status != QR_OK) {
        free_link(l);
        return status;
    }
    l->next = node->follows->first;
    node->follows->first = *ret_link = l;
    return QR_OK;
}

static void end(struct qri_follows *follows, struct link *l)
{
    struct link **at = &follows->first;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    pthread_mutex_lock(&l->mu);
    l->ends = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->mu);
    qr_follow_stop(l->follow);
    qr_rpc_client_stop(l->client); /* a call that waits is over */
    pthread_join(l->thread, NULL);
    free_link(l);
}

static bool has_ended(struct link *l)
{
    pthread_mutex_lock(&l->mu);
    bool ended = l->ends;
    pthread_mutex_unlock(&l->mu);
    return ended;
}

static void end_all(struct qri_follows *follows, uint32_t primary_id, const struct link *but)
{
    for (struct link *l = follows->first, *next; l != NULL; l = next) {
        next = l->next;
        if (l != but && (primary_id == 0 || l->primary.id == primary_id))
            end(follows, l);
    }
}

void qri_follows_let_go(struct qri_node *node, uint32_t primary_id)
{
    if (node->follows == NULL)
        return;
    pthread_mutex_lock(&node->follows->mu);
    end_all(node->follows, primary_id, NULL);
    pthread_mutex_unlock(&node->follows->mu);
}

void qri_follows_end(struct qri_node *node)
{
    if (node->follows == NULL)
        return;
    qri_follows_let_go(node, 0);
    pthread_mutex_destroy(&node->follows->mu);
    free(node->follows);
    node->follows = NULL;
}

/* ---- what control asks ---- */

static void ask(struct link *l, bool cuts, struct qr_follow_state *ret_state)
{
    struct qr_follow_info info = qr_follow_info(l->follow);
    pthread_mutex_lock(&l->mu);
    l->asked_ns = qr_env_mono_ns(l->node->options.env);
    l->cuts = l->cuts || cuts;
    pthread_cond_signal(&l->wake);
    *ret_state = l->state;
    if (info.seeds)
        ret_state->phase = QR_FOLLOW_SEEDS;
    pthread_mutex_unlock(&l->mu);
}

enum qr_status qri_node_follow(struct qri_node *node, const struct qr_database_row *primary,
                               const struct qr_database_row *secondary, uint8_t wish,
                               struct qr_follow_state *ret_state, struct qr_err *err)
{
    struct qri_follows *follows = node->follows;
    enum qr_status status = QR_OK;
    if (follows == NULL)
        return qr_fail(err, QR_NOMEM, "follow a database");
    pthread_mutex_lock(&follows->mu);
    struct link *l = follows->first;
    while (l != NULL && l->secondary.id != secondary->id)
        l = l->next;
    if (l != NULL && (wish == QR_FOLLOW_END || l->primary.id != primary->id || has_ended(l))) {
        end(follows, l);
        l = NULL;
    }
    if (l == NULL && wish != QR_FOLLOW_END)
        status = begin(node, primary, secondary, &l, err);
    if (status == QR_OK && wish == QR_FOLLOW_CUT) /* control asks for no other one meanwhile */
        end_all(follows, primary->id, l);
    if (status == QR_OK && l != NULL)
        ask(l, wish == QR_FOLLOW_CUT, ret_state);
    pthread_mutex_unlock(&follows->mu);
    return status;
}
