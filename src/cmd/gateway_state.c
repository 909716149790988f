/* gateway_state.c - see cmd_int.h: one thread asks control for news, over and over */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "cmd_int.h"
#include "env/thread.h"
#include "gateway/auth.h"
#include "gateway/firewall.h"
#include "base/banned.h"

enum { THREAD_STACK_BYTES = 512 * 1024, VERSION_BYTES = 8, ARENA_BYTES_MAX = 256 << 20 };
static const int64_t ASK_NS = INT64_C(30) * 1000000000, AGAIN_NS = 20000000;

struct known_login {
    uint32_t server_id;
    struct qr_str name, hash, sid;
    bool is_admin, is_disabled;
    uint16_t roles;
};
/* With number 0 a server. */
struct known_database {
    struct qr_str name;
    uint32_t id;
};
/* All of one version; the arena holds the rest. */
struct version {
    struct qr_arena arena;
    uint64_t number;
    struct known_login *logins;
    struct known_database *databases;
    size_t login_count, login_max, database_count, database_max;
};

struct qri_gateway_state {
    struct qri_role *role;
    struct qr_rpc_client *client; /* its own, so that closing ends the call under way */
    struct qr_firewall firewall;
    pthread_t thread;
    bool thread_runs;
    pthread_rwlock_t lock; /* guards `now` */
    struct version *now;
    pthread_mutex_t mu; /* guards what follows */
    pthread_cond_t changed;
    enum qr_status outcome; /* of the first answer; QR_BUSY: it has not come */
};

/* ---- one answer ---- */

static void version_free(struct version *version)
{
    if (version == NULL)
        return;
    qr_arena_done(&version->arena);
    free(version);
}

static bool take_item(struct version *version, struct qr_firewall *firewall,
                      const struct qr_control_item *item, const struct qr_log *log)
{
    struct qr_err err = {0};
    if (item->kind == QR_ITEM_RULE) {
        if (qr_firewall_set(firewall, item->database_id, item->name, item->start, item->end,
                            &err) != QR_OK)
            QR_LOG(log, QR_WARN, "firewall_rule_skipped", QR_F("rule", item->name),
                   QR_F("reason", &err.text[0]));
        return true;
    }
    struct qr_str name = qr_arena_str(&version->arena, item->name);
    if (item->kind == QR_ITEM_LOGIN) {
        struct known_login *logins =
            qr_arena_grow(&version->arena, version->logins, version->login_count,
                          &version->login_max, version->login_count + 1, sizeof *logins);
        struct qr_str hash = qr_arena_str(&version->arena, item->text);
        struct qr_str sid = qr_arena_str(&version->arena, item->sid);
        if (logins == NULL || name.p == NULL || hash.p == NULL || sid.p == NULL)
            return false;
        version->logins = logins;
        logins[version->login_count++] = (struct known_login){
            item->database_id,    name, hash, sid, item->flag, item->is_disabled,
            (uint16_t)item->roles};
        return true;
    }
    struct known_database *databases =
        qr_arena_grow(&version->arena, version->databases, version->database_count,
                      &version->database_max, version->database_count + 1, sizeof *databases);
    if (databases == NULL || name.p == NULL)
        return false;
    version->databases = databases;
    databases[version->database_count++] = (struct known_database){name, item->database_id};
    return true;
}

static enum qr_status read_version(struct qri_gateway_state *state, const struct qr_buf *reply,
                                   struct version *version, struct qr_firewall *firewall,
                                   struct qr_err *err)
{
    struct qr_control_item item;
    if (reply->len < VERSION_BYTES)
        return qr_fail(err, QR_PROTOCOL, "the gateway's state breaks its format");
    version->number = qr_get64le(reply->data);
    for (size_t at = VERSION_BYTES; at < reply->len;) {
        QR_TRY(qr_control_item_next(reply->data, reply->len, &at, &item, err));
        if (!take_item(version, firewall, &item, &state->role->log))
            return qr_fail(err, QR_NOMEM, "the gateway's state");
    }
    return QR_OK;
}

/* The new one takes the place of the old one, all at once for those who look at either part. */
static enum qr_status apply(struct qri_gateway_state *state, const struct qr_buf *reply,
                            struct qr_err *err)
{
    struct qr_firewall firewall;
    struct version *version = calloc(1, sizeof *version);
    if (version == NULL)
        return qr_fail(err, QR_NOMEM, "the gateway's state");
    qr_arena_init(&version->arena, ARENA_BYTES_MAX);
    qr_firewall_init(&firewall);
    enum qr_status status = read_version(state, reply, version, &firewall, err);
    if (status == QR_OK) {
        qr_firewall_swap(&state->firewall, &firewall);
        pthread_rwlock_wrlock(&state->lock);
        struct version *old = state->now;
        state->now = version;
        pthread_rwlock_unlock(&state->lock);
        version = old;
    }
    qr_firewall_done(&firewall);
    version_free(version);
    return status;
}

/* ---- the thread ---- */

static void tell_first(struct qri_gateway_state *state, enum qr_status status)
{
    pthread_mutex_lock(&state->mu);
    if (state->outcome == QR_BUSY)
        state->outcome = status;
    pthread_cond_broadcast(&state->changed);
    pthread_mutex_unlock(&state->mu);
}

static void *follow(void *arg)
{
    struct qri_gateway_state *state = arg;
    struct qr_rpc_peer *peer = qr_rpc_client_peer(state->client);
    struct qr_buf reply;
    qr_buf_init(&reply, QR_RPC_BODY_BYTES_MAX);
    for (;;) {
        struct qr_control_ask ask = {.version = state->now == NULL ? 0 : state->now->number};
        struct qr_err err = {0};
        qr_buf_clear(&reply);
        enum qr_status status = qr_control_call(peer, QR_CONTROL_STATE, &ask, ASK_NS, &reply, &err);
        if (status == QR_OK)
            status = apply(state, &reply, &err);
        if (status == QR_OK) {
            tell_first(state, QR_OK);
            continue;
        }
        if (status == QR_CANCELLED)
            break;
        if (status != QR_TIMEOUT && status != QR_CLOSED) /* we go on with what we have */
            QR_LOG(&state->role->log, QR_WARN, "state_not_read", QR_F("reason", &err.text[0]));
        qr_env_sleep_ns(state->role->env, AGAIN_NS);
    }
    tell_first(state, QR_CANCELLED);
    qr_buf_done(&reply);
    return NULL;
}

/* ---- the calls ---- */

enum qr_status qri_gateway_state_open(struct qri_role *role, struct qri_gateway_state **ret_state,
                                      struct qr_err *err)
{
    struct qri_gateway_state *state = calloc(1, sizeof *state);
    if (state == NULL)
        return qr_fail(err, QR_NOMEM, "the gateway's state");
    state->role = role;
    state->outcome = QR_BUSY;
    qr_firewall_init(&state->firewall);
    pthread_rwlock_init(&state->lock, NULL);
    pthread_mutex_init(&state->mu, NULL);
    qr_cond_init(&state->changed);
    enum qr_status status = qri_role_client(role, role->loop, "control", true, &state->client, err);
    if (status == QR_OK)
        status = qr_thread_start("state", THREAD_STACK_BYTES, follow, state, &state->thread, err);
    state->thread_runs = status == QR_OK;
    if (status == QR_OK) {
        pthread_mutex_lock(&state->mu);
        while (state->outcome == QR_BUSY)
            (void)qr_cond_wait(&state->changed, &state->mu, -1);
        status = state->outcome;
        pthread_mutex_unlock(&state->mu);
    }
    if (status != QR_OK)
        qri_gateway_state_close(state);
    else
        *ret_state = state;
    return status;
}

void qri_gateway_state_stop(struct qri_gateway_state *state)
{
    qr_rpc_client_stop(state->client);
    if (state->thread_runs)
        pthread_join(state->thread, NULL);
    state->thread_runs = false;
}

void qri_gateway_state_close(struct qri_gateway_state *state)
{
    if (state == NULL)
        return;
    qri_gateway_state_stop(state);
    qr_rpc_client_free(state->client);
    version_free(state->now);
    qr_firewall_done(&state->firewall);
    pthread_cond_destroy(&state->changed);
    pthread_mutex_destroy(&state->mu);
    pthread_rwlock_destroy(&state->lock);
    free(state);
}

struct qr_firewall *qri_gateway_state_firewall(struct qri_gateway_state *state)
{
    return &state->firewall;
}

static void copy_text(char *dst, size_t dst_bytes, struct qr_str s)
{
    size_t n = s.n < dst_bytes ? s.n : dst_bytes - 1;
    memcpy(dst, s.p, n);
    dst[n] = '\0';
}

enum qr_status qri_gateway_state_login(void *ctx, uint32_t server_id, struct qr_str login,
                                       struct qr_login_record *ret_record, struct qr_err *err)
{
    struct qri_gateway_state *state = ctx;
    enum qr_status status = QR_NOT_FOUND;
    pthread_rwlock_rdlock(&state->lock);
    for (size_t i = 0; i < state->now->login_count && status != QR_OK; i++) {
        const struct known_login *known = &state->now->logins[i];
        if (known->server_id != server_id || !qr_str_ieq(known->name, login))
            continue;
        copy_text(ret_record->hash, sizeof ret_record->hash, known->hash);
        copy_text(ret_record->name, sizeof ret_record->name, known->name);
        ret_record->is_admin = known->is_admin;
        ret_record->is_disabled = known->is_disabled;
        ret_record->roles = known->roles;
        ret_record->sid_bytes =
            known->sid.n < sizeof ret_record->sid ? known->sid.n : sizeof ret_record->sid;
        memcpy(ret_record->sid, known->sid.p, ret_record->sid_bytes);
        status = QR_OK;
    }
    pthread_rwlock_unlock(&state->lock);
    return status == QR_OK ? QR_OK : qr_fail(err, status, "no such login");
}

uint32_t qri_gateway_state_database(void *ctx, uint32_t server_id, struct qr_str name)
{
    struct qri_gateway_state *state = ctx;
    uint32_t server = qr_server_of(server_id);
    uint32_t id = name.n == 0 ? qr_database_id(server, QR_MASTER_ID) : 0;
    pthread_rwlock_rdlock(&state->lock);
    for (size_t i = 0; id == 0 && i < state->now->database_count; i++) {
        const struct known_database *known = &state->now->databases[i];
        if (qr_server_of(known->id) == server && qr_number_of(known->id) != 0 &&
            qr_str_ieq(known->name, name))
            id = known->id;
    }
    pthread_rwlock_unlock(&state->lock);
    return id;
}

bool qri_gateway_state_server(void *ctx, struct qr_str name, uint32_t *ret_id)
{
    struct qri_gateway_state *state = ctx;
    bool found = false;
    pthread_rwlock_rdlock(&state->lock);
    for (size_t i = 0; !found && i < state->now->database_count; i++) {
        const struct known_database *known = &state->now->databases[i];
        if (qr_number_of(known->id) != 0)
            break; /* servers come first */
        found = qr_str_ieq(known->name, name);
        if (found)
            *ret_id = known->id;
    }
    pthread_rwlock_unlock(&state->lock);
    return found;
}
