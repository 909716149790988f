/* session_bed.h - a session over a channel in memory, with a scripted engine underneath
 * (fake_engine.h): what is asked of it, and its answers in words (tokens.h). */
#pragma once
#include "qr_test.h"
#include <stdlib.h>
#include "base/buf.h"
#include "base/endian.h"
#include "fake_engine.h"
#include "session/session.h"
#include "tds/defs.h"
#include "tokens.h"

struct channel {
    struct qr_channel channel;
    struct qr_buf sent;
    bool attention, gone, evicts;
    int cancel_after; /* calls of cancelled until it says so; -1: never */
    int releases;
    const uint8_t *stream;
    size_t stream_bytes, stream_step;
    bool stream_ignored;
    uint64_t durable_at_first_send;
};

static inline enum qr_status channel_send(struct qr_channel *channel, const uint8_t *packets,
                                          size_t bytes, struct qr_err *err)
{
    struct channel *c = (struct channel *)channel;
    if (c->gone)
        return qr_fail(err, QR_CLOSED, "gone");
    if (c->sent.len == 0)
        c->durable_at_first_send = fake.durable_lsn;
    qr_buf_add(&c->sent, packets, bytes);
    return QR_OK;
}
static inline enum qr_status channel_receive(struct qr_channel *channel, const uint8_t **ret_data,
                                             size_t *ret_bytes, bool *ret_end, bool *ret_ignored,
                                             struct qr_err *err)
{
    struct channel *c = (struct channel *)channel;
    if (c->gone)
        return qr_fail(err, QR_CLOSED, "gone");
    size_t n = c->stream_bytes < c->stream_step ? c->stream_bytes : c->stream_step;
    *ret_data = c->stream;
    *ret_bytes = n;
    *ret_end = n == 0;
    *ret_ignored = n == 0 && c->stream_ignored;
    c->stream += n;
    c->stream_bytes -= n;
    return QR_OK;
}
static inline bool channel_cancelled(struct qr_channel *channel)
{
    struct channel *c = (struct channel *)channel;
    if (c->cancel_after > 0)
        c->cancel_after--;
    return c->cancel_after == 0;
}
static inline bool channel_evicted(struct qr_channel *channel)
{
    struct channel *c = (struct channel *)channel;
    return c->evicts && c->cancel_after == 0 && !c->attention;
}
static inline bool channel_take_attention(struct qr_channel *channel)
{
    struct channel *c = (struct channel *)channel;
    bool attention = c->attention;
    c->attention = false;
    return attention;
}
static inline void channel_block(struct qr_channel *channel)
{
    (void)channel;
}
static inline void channel_release(struct qr_channel *channel)
{
    ((struct channel *)channel)->releases++;
}

static int aborts, ended_with;
static inline void channel_abort(struct qr_channel *channel)
{
    (void)channel;
    aborts++;
}
static inline void channel_end(struct qr_channel *channel, const struct qr_err *why)
{
    (void)channel;
    ended_with = why->number;
}

static const struct qr_channel_ops channel_ops = {
    .send = channel_send,
    .receive = channel_receive,
    .cancelled = channel_cancelled,
    .evicted = channel_evicted,
    .take_attention = channel_take_attention,
    .block_begin = channel_block,
    .block_end = channel_block,
    .release = channel_release,
    .abort = channel_abort,
    .end = channel_end,
};

static int entered;
static inline enum qr_status enter(void *ctx, const struct qr_login *login,
                                   struct qr_database **ret_db, struct qr_err *err)
{
    (void)ctx;
    if (qr_str_ieqz(login->database, "nosuch"))
        return qr_fail(err, QR_NOT_FOUND, "no such database");
    entered++;
    *ret_db = fake_database();
    return QR_OK;
}
static inline void leave(void *ctx, struct qr_database *db)
{
    (void)ctx, (void)db;
    entered--;
}

static const struct qr_session_host host = {
    .enter = enter, .leave = leave, .server_name = {"srv", 3}};

struct fixture {
    struct channel c;
    struct qr_service service;
    struct qr_served *served;
    struct qr_tail tail;
    enum qr_tds_version version;
    char words[65536];
    int eom;
};

static inline void print_answer(struct fixture *f)
{
    qr_buf_add(&f->c.sent, f->tail.bytes, f->tail.count);
    tokens_print(f->c.sent.data, f->c.sent.len, f->words, sizeof f->words, &f->eom);
    qr_buf_clear(&f->c.sent);
}

static inline void begin(struct fixture *f)
{
    *f = (struct fixture){.version = QR_TDS_VERSION_74};
    fake_reset();
    f->c.channel.ops = &channel_ops;
    f->c.cancel_after = -1;
    qr_buf_init(&f->c.sent, 64 << 20);
    qr_session_service_init(&f->service, &host);
    struct qr_tds_login7 login7 = {.version = f->version};
    struct qr_login login = {
        .login7 = &login7, .user = qr_str("me"), .packet_bytes = 4096, .database = qr_str("db1")};
    assert_int_equal(
        f->service.open(f->service.ctx, &f->c.channel, &login, &f->served, &f->tail, NULL), QR_OK);
    print_answer(f);
}

static inline void end(struct fixture *f)
{
    f->served->ops->free(f->served);
    qr_buf_done(&f->c.sent);
    assert_int_equal(fake.sessions, 0);
    assert_int_equal(fake.rowsets, 0);
    assert_int_equal(entered, 0);
}

static inline void request(struct fixture *f, uint8_t type, uint8_t status, const void *body,
                           size_t bytes)
{
    uint8_t *exact = malloc(bytes + 1);
    memcpy(exact, body, bytes);
    f->served->ops->request(f->served,
                            &(struct qr_request){.type = type,
                                                 .status = status,
                                                 .streams = type == QR_TDS_PACKET_BULK,
                                                 .body = exact,
                                                 .body_bytes = bytes},
                            &f->tail);
    free(exact);
    print_answer(f);
}

static const uint8_t headers[22] = {22, 0, 0, 0, 18, 0, 0, 0, 2, 0, 0,
                                    0,  0, 0, 0, 0,  0, 0, 1, 0, 0, 0};

static inline size_t put_text(uint8_t *dst, const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        qr_put16le(dst + i * 2, (uint8_t)text[i]);
    return n * 2;
}

static inline void batch(struct fixture *f, const char *text)
{
    uint8_t body[4096];
    memcpy(body, headers, sizeof headers);
    size_t n = sizeof headers + put_text(body + sizeof headers, text);
    request(f, QR_TDS_PACKET_BATCH, 0, body, n);
}

/* A call being built: parameters are nvarchar(max)-free on purpose, each a plain nvarchar or int.
 */
struct call {
    uint8_t body[4096];
    size_t n;
};

static inline struct call call_id(uint16_t id)
{
    struct call c = {.n = sizeof headers};
    memcpy(c.body, headers, sizeof headers);
    qr_put16le(c.body + c.n, 0xFFFF);
    qr_put16le(c.body + c.n + 2, id);
    c.n += 6;
    return c;
}
static inline struct call call_name(const char *name)
{
    struct call c = {.n = sizeof headers};
    memcpy(c.body, headers, sizeof headers);
    qr_put16le(c.body + c.n, (uint16_t)strlen(name));
    c.n += 2;
    c.n += put_text(c.body + c.n, name) + 2;
    return c;
}
static inline void param_head(struct call *c, const char *name, uint8_t status)
{
    c->body[c->n++] = (uint8_t)strlen(name);
    c->n += put_text(c->body + c->n, name);
    c->body[c->n++] = status;
}
static inline void add_text(struct call *c, const char *name, const char *value)
{
    static const uint8_t info[] = {0xE7, 0x40, 0x1F, 0x09, 0x04, 0xD0, 0x00, 0x34};
    param_head(c, name, 0);
    memcpy(c->body + c->n, info, sizeof info);
    c->n += sizeof info;
    qr_put16le(c->body + c->n, (uint16_t)(strlen(value) * 2));
    c->n += 2;
    c->n += put_text(c->body + c->n, value);
}
static inline void add_int(struct call *c, const char *name, int value, bool output)
{
    static const uint8_t info[] = {0x26, 4, 4};
    param_head(c, name, output);
    memcpy(c->body + c->n, info, sizeof info);
    c->n += sizeof info;
    qr_put32le(c->body + c->n, (uint32_t)value);
    c->n += 4;
}
static inline void add_null_output(struct call *c, const char *name)
{
    static const uint8_t info[] = {0x26, 4, 0};
    param_head(c, name, 1);
    memcpy(c->body + c->n, info, sizeof info);
    c->n += sizeof info;
}
/* `text` in a call of sp_executesql behind those of `c`. */
static inline void add_call(struct call *c, const char *text)
{
    struct call next = call_id(10);
    add_text(&next, "", text);
    c->body[c->n++] = 0xFF;
    memcpy(c->body + c->n, next.body + sizeof headers, next.n - sizeof headers);
    c->n += next.n - sizeof headers;
}
static inline void run_call(struct fixture *f, const struct call *c)
{
    request(f, QR_TDS_PACKET_RPC, 0, c->body, c->n);
}
