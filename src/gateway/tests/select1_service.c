/* select1_service.c - see select1.h */
#include "select1.h"
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "base/endian.h"
#include "base/sqlmsg.h"
#include "env/thread.h"
#include "gateway/gateway.h"
#include "tds/token.h"

enum { ATTENTION_POLL_NS = 1000000 };

struct session {
    struct qr_served served; /* first */
    struct session *next;    /* of `held` */
    struct qr_channel *channel;
    struct qr_tds_writer writer;
    enum qr_tds_version version;
    pthread_t releaser;
    bool has_releaser;
    bool is_busy, is_stuck, has_lost;
    int32_t kept;
};

static char password_hash[QR_PASSWORD_HASH_BYTES];
atomic_bool select1_is_away;
atomic_uint select1_refused;
atomic_ullong select1_flood_rows;
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t held_changed; /* with mu */
static atomic_bool ends_all;        /* until the next session opens */
static struct session *held;        /* guarded by mu: whose answers wait for RELEASE */

static enum qr_status flush(void *ctx, const uint8_t *packets, size_t bytes, struct qr_err *err)
{
    struct session *s = ctx;
    return s->channel->ops->send(s->channel, packets, bytes, err);
}

static void put(struct session *s, const void *bytes, size_t count)
{
    uint8_t *dst = qr_tds_writer_reserve(&s->writer, count);
    if (dst == NULL)
        return; /* the client is gone */
    memcpy(dst, bytes, count);
    qr_tds_writer_advance(&s->writer, count);
    qr_tds_writer_pump(&s->writer);
}

static void put_columns(struct session *s)
{
    static const uint8_t head[] = {QR_TDS_TOKEN_COLMETADATA, 1, 0, 0, 0};
    static const uint8_t type[] = {0, 0, QR_TDS_INT4, 0};
    put(s, head, sizeof head);
    if (s->version >= QR_TDS_VERSION_72)
        put(s, "\0", 2); /* UserType grew to four bytes */
    put(s, type, sizeof type);
}

static void put_row(struct session *s, int32_t value)
{
    uint8_t row[5] = {QR_TDS_TOKEN_ROW};
    memcpy(row + 1, &value, sizeof value);
    put(s, row, sizeof row);
}

static void done(struct session *s, uint16_t status, uint64_t count)
{
    qr_tds_put_done(&s->writer, s->version, QR_TDS_TOKEN_DONE, status, 0xC1, count);
}

static void end(struct session *s, enum qr_tail_kind kind, struct qr_tail *ret_tail)
{
    if (s->channel->ops->take_attention(s->channel))
        done(s, QR_TDS_DONE_ATTN, 0);
    if (qr_tds_writer_end(&s->writer, true) != QR_OK)
        kind = QR_TAIL_CLOSE;
    *ret_tail = (struct qr_tail){kind, s->writer.buf.data, s->writer.buf.len};
}

static void *release_at_once(void *arg)
{
    struct session *s = arg;
    s->channel->ops->release(s->channel);
    return NULL;
}

static void hold(struct session *s)
{
    pthread_mutex_lock(&mu);
    s->next = held;
    held = s;
    pthread_cond_broadcast(&held_changed);
    pthread_mutex_unlock(&mu);
}

static void unhold(struct session *s)
{
    struct session **link = &held;
    pthread_mutex_lock(&mu);
    while (*link != NULL && *link != s)
        link = &(*link)->next;
    if (*link != NULL)
        *link = s->next;
    pthread_mutex_unlock(&mu);
}

static void release_held(void)
{
    pthread_mutex_lock(&mu);
    for (; held != NULL; held = held->next)
        held->channel->ops->release(held->channel);
    pthread_mutex_unlock(&mu);
}

static void run_flood(struct session *s)
{
    uint64_t rows = 0;
    put_columns(s);
    while (s->writer.failed == QR_OK && !s->channel->ops->cancelled(s->channel)) {
        put_row(s, (int32_t)rows);
        rows += 1;
        atomic_fetch_add(&select1_flood_rows, 1);
    }
    done(s, 0, rows);
}

static void put_over(struct session *s, uint8_t severity)
{
    struct qr_err why = {0};
    (void)!qr_sql_fail(&why, 40197, 40166);
    struct qr_tds_notice notice = {.number = why.number,
                                   .state = 1,
                                   .severity = severity,
                                   .text = qr_str(why.text),
                                   .line = 1};
    qr_tds_put_notice(&s->writer, s->version, &notice);
}

/* Attention comes by looking: a blocked request of the engine looks for it in the same way. */
static enum qr_tail_kind run_wait(struct session *s, bool for_held)
{
    bool there = false;
    s->channel->ops->block_begin(s->channel);
    while (!there && !atomic_load(&ends_all) && !s->channel->ops->cancelled(s->channel)) {
        pthread_mutex_lock(&mu);
        there = for_held && held != NULL;
        if (!there)
            (void)qr_cond_wait(&held_changed, &mu, ATTENTION_POLL_NS);
        pthread_mutex_unlock(&mu);
    }
    s->channel->ops->block_end(s->channel);
    bool evicted = !there && s->channel->ops->evicted(s->channel);
    bool ended = !there && !evicted && atomic_load(&ends_all);
    if (ended || evicted)
        put_over(s, ended ? 20 : 17);
    done(s, there ? 0 : QR_TDS_DONE_ERROR, 0);
    return ended ? QR_TAIL_CLOSE : QR_TAIL_SEND;
}

/* UTF-16LE after the headers to ASCII. */
static void text_of(const struct session *s, const struct qr_request *request, char *dst,
                    size_t dst_bytes)
{
    size_t at = 0, n = 0;
    if (s->version >= QR_TDS_VERSION_72 && request->body_bytes >= 4)
        at = request->body[0] | (size_t)request->body[1] << 8;
    for (; at + 1 < request->body_bytes && n + 1 < dst_bytes; at += 2)
        dst[n++] = (char)request->body[at];
    dst[n] = '\0';
}

static void start_releaser(struct session *s)
{
    if (s->has_releaser)
        pthread_join(s->releaser, NULL);
    s->has_releaser =
        qr_thread_start("releaser", 0, release_at_once, s, &s->releaser, NULL) == QR_OK;
    assert(s->has_releaser);
}

static void run_batch(struct session *s, const struct qr_request *request, struct qr_tail *ret_tail)
{
    char text[64];
    enum qr_tail_kind kind = QR_TAIL_SEND;
    text_of(s, request, text, sizeof text);
    bool is_hold = strncmp(text, "HOLD", 4) == 0;
    s->is_busy = strncmp(text, "BEGIN", 5) == 0 || (s->is_busy && strncmp(text, "END", 3) != 0);
    s->is_stuck |= strncmp(text, "STUCK", 5) == 0;
    if (strncmp(text, "KEEP ", 5) == 0)
        s->kept = (int32_t)strtol(text + 5, NULL, 10);
    if (strncasecmp(text, "SELECT ", 7) == 0) {
        put_columns(s);
        put_row(s, (int32_t)strtol(text + 7, NULL, 10));
        done(s, QR_TDS_DONE_COUNT, 1);
    } else if (strncmp(text, "KEPT", 4) == 0) {
        put_columns(s);
        put_row(s, s->has_lost ? -1 : s->kept);
        s->has_lost = false;
        done(s, QR_TDS_DONE_COUNT, 1);
    } else if (strncmp(text, "FLOOD", 5) == 0) {
        run_flood(s);
    } else if (strncmp(text, "WAIT", 4) == 0) {
        kind = run_wait(s, false);
    } else if (strncmp(text, "AWAIT", 5) == 0) {
        kind = run_wait(s, true);
    } else if (strncmp(text, "RELEASE", 7) == 0) {
        release_held();
        done(s, 0, 0);
    } else if (strncmp(text, "OVER", 4) == 0) {
        struct qr_err why = {0};
        (void)!qr_sql_fail(&why, 596);
        s->channel->ops->end(s->channel, &why);
        done(s, 0, 0);
    } else if (strncmp(text, "BURN", 4) == 0) {
        int64_t until = qr_env_mono_ns(qr_env_real()) + INT64_C(1000000000);
        while (qr_env_mono_ns(qr_env_real()) < until)
            ;
        done(s, 0, 0);
    } else {
        done(s, 0, 0); /* SET statements that clients begin with, and HOLD, HASTE, CLOSE */
        if (is_hold || strncmp(text, "HASTE", 5) == 0)
            kind = QR_TAIL_HELD;
        else if (strncmp(text, "CLOSE", 5) == 0)
            kind = QR_TAIL_CLOSE;
    }
    end(s, kind, ret_tail);
    if (ret_tail->kind == QR_TAIL_HELD)
        (is_hold ? hold : start_releaser)(s);
}

static void run_bulk(struct session *s)
{
    const uint8_t *data = NULL;
    size_t bytes = 0, total = 0;
    bool is_end = false, ignored = false;
    while (!is_end &&
           s->channel->ops->receive(s->channel, &data, &bytes, &is_end, &ignored, NULL) == QR_OK)
        total += bytes;
    done(s, QR_TDS_DONE_COUNT, total);
}

static void request(struct qr_served *served, const struct qr_request *request,
                    struct qr_tail *ret_tail)
{
    struct session *s = (struct session *)served;
    qr_buf_clear(&s->writer.buf);
    qr_tds_writer_begin(&s->writer, QR_TDS_PACKET_REPLY);
    if (request->type == QR_TDS_PACKET_BATCH) {
        run_batch(s, request, ret_tail);
        return;
    }
    if (request->type == QR_TDS_PACKET_BULK)
        run_bulk(s);
    else
        done(s, request->type == QR_TDS_PACKET_ATTENTION ? QR_TDS_DONE_ATTN : QR_TDS_DONE_ERROR, 0);
    end(s, QR_TAIL_SEND, ret_tail);
}

static void session_free(struct qr_served *served)
{
    struct session *s = (struct session *)served;
    unhold(s);
    if (s->has_releaser)
        pthread_join(s->releaser, NULL);
    qr_tds_writer_done(&s->writer);
    free(s);
}

static enum qr_status save(struct qr_served *served, bool late, struct qr_buf *dst,
                           struct qr_str *ret_database, struct qr_err *err)
{
    struct session *s = (struct session *)served;
    if (s->is_stuck)
        return qr_fail(err, QR_TOO_BIG, "it cannot move");
    if (s->is_busy && !late)
        return qr_fail(err, QR_BUSY, "not now");
    qr_buf_add32le(dst, (uint32_t)s->kept);
    qr_buf_add8(dst, s->is_busy);
    *ret_database = qr_str("elsewhere");
    return QR_OK;
}

static bool is_busy(struct qr_served *served)
{
    return ((struct session *)served)->is_busy;
}

static const struct qr_served_ops served_ops = {
    .request = request, .free = session_free, .save = save, .is_busy = is_busy};

static void put_login_answer(struct session *s, const struct qr_login *login)
{
    static const uint8_t collation[5] = {0x09, 0x04, 0xD0, 0x00, 0x34};
    static const uint8_t version[4] = {12, 0, 0x07, 0xD0};
    char size[16];
    snprintf(size, sizeof size, "%u", login->packet_bytes);
    qr_tds_put_env_text(&s->writer, QR_TDS_ENV_DATABASE, qr_str("master"), qr_str("master"));
    qr_tds_put_env_collation(&s->writer, collation, NULL);
    qr_tds_put_env_text(&s->writer, QR_TDS_ENV_LANGUAGE, qr_str("us_english"), qr_str(""));
    qr_tds_put_loginack(&s->writer, s->version, qr_str("test"), version);
    qr_tds_put_env_text(&s->writer, QR_TDS_ENV_PACKET_SIZE, qr_str(size), qr_str("4096"));
    qr_tds_put_feature_ack(&s->writer, login->login7);
    qr_tds_put_done(&s->writer, s->version, QR_TDS_TOKEN_DONE, 0, 0, 0);
}

static enum qr_status open_session(void *ctx, struct qr_channel *channel,
                                   const struct qr_login *login, struct qr_served **ret_served,
                                   struct qr_tail *ret_tail, struct qr_err *err)
{
    (void)ctx;
    if (qr_str_ieqz(login->database, "missing"))
        return qr_sql_fail(err, 4060, "missing");
    if (qr_str_ieqz(login->database, "away") && atomic_load(&select1_is_away)) {
        atomic_fetch_add(&select1_refused, 1);
        return qr_sql_fail(err, 40613, "away", "server01", "");
    }
    atomic_store(&ends_all, false);
    struct session *s = calloc(1, sizeof *s);
    assert(s != NULL);
    s->served.ops = &served_ops;
    s->channel = channel;
    s->version = login->login7->version;
    qr_tds_writer_init(&s->writer, QR_TDS_PACKET_BYTES_DEFAULT, 51, flush, s);
    if (login->is_moved) {
        assert(login->moved.n == 5 && qr_str_ieqz(login->database, "elsewhere"));
        s->kept = (int32_t)qr_get32le((const uint8_t *)login->moved.p);
        s->has_lost = login->moved.p[4] != 0;
        s->writer.packet_bytes = login->packet_bytes;
        *ret_tail = (struct qr_tail){.kind = QR_TAIL_SEND};
        *ret_served = &s->served;
        return QR_OK;
    }
    qr_tds_writer_begin(&s->writer, QR_TDS_PACKET_REPLY);
    put_login_answer(s, login);
    end(s, QR_TAIL_SEND, ret_tail);
    s->writer.packet_bytes = login->packet_bytes;
    *ret_served = &s->served;
    return QR_OK;
}

static enum qr_status find_login(void *ctx, uint32_t server_id, struct qr_str login,
                                 struct qr_login_record *ret_record, struct qr_err *err)
{
    (void)ctx;
    (void)server_id;
    if (!qr_str_ieqz(login, "admin") && !qr_str_ieqz(login, "sleeper"))
        return qr_fail(err, QR_NOT_FOUND, "no such login");
    memcpy(ret_record->hash, password_hash, sizeof password_hash);
    ret_record->is_admin = true;
    ret_record->is_disabled = qr_str_ieqz(login, "sleeper");
    return QR_OK;
}

static void end_all(void *ctx)
{
    (void)ctx;
    atomic_store(&ends_all, true);
}

const struct qr_service select1_service = {.open = open_session, .end_all = end_all};
const struct qr_login_directory select1_logins = {.find = find_login};

bool select1_init(void)
{
    qr_cond_init(&held_changed);
    return qr_password_hash(qr_str("secret-1"), password_hash, NULL) == QR_OK;
}
