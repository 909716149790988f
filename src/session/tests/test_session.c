/* Goal: every request is answered by one well-formed message, nothing shows a commit before it is
 * durable, and what cannot be read or run is said so. Method: a scripted engine underneath, a
 * channel in memory above. */
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
    bool attention, gone;
    int cancel_after; /* calls of cancelled until it says so; -1: never */
    int releases;
    const uint8_t *stream;
    size_t stream_bytes, stream_step;
    bool stream_ignored;
    uint64_t durable_at_first_send;
};

static enum qr_status channel_send(struct qr_channel *channel, const uint8_t *packets, size_t bytes,
                                   struct qr_err *err)
{
    struct channel *c = (struct channel *)channel;
    if (c->gone)
        return qr_fail(err, QR_CLOSED, "gone");
    if (c->sent.len == 0)
        c->durable_at_first_send = fake.durable_lsn;
    qr_buf_add(&c->sent, packets, bytes);
    return QR_OK;
}
static enum qr_status channel_receive(struct qr_channel *channel, const uint8_t **ret_data,
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
static bool channel_cancelled(struct qr_channel *channel)
{
    struct channel *c = (struct channel *)channel;
    if (c->cancel_after > 0)
        c->cancel_after--;
    return c->cancel_after == 0;
}
static bool channel_take_attention(struct qr_channel *channel)
{
    struct channel *c = (struct channel *)channel;
    bool attention = c->attention;
    c->attention = false;
    return attention;
}
static void channel_block(struct qr_channel *channel)
{
    (void)channel;
}
static void channel_release(struct qr_channel *channel)
{
    ((struct channel *)channel)->releases++;
}

static int aborts, ended_with;
static void channel_abort(struct qr_channel *channel)
{
    (void)channel;
    aborts++;
}
static void channel_end(struct qr_channel *channel, const struct qr_err *why)
{
    (void)channel;
    ended_with = why->number;
}

static const struct qr_channel_ops channel_ops = {
    .send = channel_send,
    .receive = channel_receive,
    .cancelled = channel_cancelled,
    .take_attention = channel_take_attention,
    .block_begin = channel_block,
    .block_end = channel_block,
    .release = channel_release,
    .abort = channel_abort,
    .end = channel_end,
};

static int entered;
static enum qr_status enter(void *ctx, const struct qr_login *login, struct qr_database **ret_db,
                            struct qr_err *err)
{
    (void)ctx;
    if (qr_str_ieqz(login->database, "nosuch"))
        return qr_fail(err, QR_NOT_FOUND, "no such database");
    entered++;
    *ret_db = fake_database();
    return QR_OK;
}
static void leave(void *ctx, struct qr_database *db)
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

static void print_answer(struct fixture *f)
{
    qr_buf_add(&f->c.sent, f->tail.bytes, f->tail.count);
    tokens_print(f->c.sent.data, f->c.sent.len, f->words, sizeof f->words, &f->eom);
    qr_buf_clear(&f->c.sent);
}

static void begin(struct fixture *f)
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

static void end(struct fixture *f)
{
    f->served->ops->free(f->served);
    qr_buf_done(&f->c.sent);
    assert_int_equal(fake.sessions, 0);
    assert_int_equal(fake.rowsets, 0);
    assert_int_equal(entered, 0);
}

static void request(struct fixture *f, uint8_t type, uint8_t status, const void *body, size_t bytes)
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

static size_t put_text(uint8_t *dst, const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        qr_put16le(dst + i * 2, (uint8_t)text[i]);
    return n * 2;
}

static void batch(struct fixture *f, const char *text)
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

static struct call call_id(uint16_t id)
{
    struct call c = {.n = sizeof headers};
    memcpy(c.body, headers, sizeof headers);
    qr_put16le(c.body + c.n, 0xFFFF);
    qr_put16le(c.body + c.n + 2, id);
    c.n += 6;
    return c;
}
static struct call call_name(const char *name)
{
    struct call c = {.n = sizeof headers};
    memcpy(c.body, headers, sizeof headers);
    qr_put16le(c.body + c.n, (uint16_t)strlen(name));
    c.n += 2;
    c.n += put_text(c.body + c.n, name) + 2;
    return c;
}
static void param_head(struct call *c, const char *name, uint8_t status)
{
    c->body[c->n++] = (uint8_t)strlen(name);
    c->n += put_text(c->body + c->n, name);
    c->body[c->n++] = status;
}
static void add_text(struct call *c, const char *name, const char *value)
{
    static const uint8_t info[] = {0xE7, 0x40, 0x1F, 0x09, 0x04, 0xD0, 0x00, 0x34};
    param_head(c, name, 0);
    memcpy(c->body + c->n, info, sizeof info);
    c->n += sizeof info;
    qr_put16le(c->body + c->n, (uint16_t)(strlen(value) * 2));
    c->n += 2;
    c->n += put_text(c->body + c->n, value);
}
static void add_int(struct call *c, const char *name, int value, bool output)
{
    static const uint8_t info[] = {0x26, 4, 4};
    param_head(c, name, output);
    memcpy(c->body + c->n, info, sizeof info);
    c->n += sizeof info;
    qr_put32le(c->body + c->n, (uint32_t)value);
    c->n += 4;
}
static void add_null_output(struct call *c, const char *name)
{
    static const uint8_t info[] = {0x26, 4, 0};
    param_head(c, name, 1);
    memcpy(c->body + c->n, info, sizeof info);
    c->n += sizeof info;
}
static void run_call(struct fixture *f, const struct call *c)
{
    request(f, QR_TDS_PACKET_RPC, 0, c->body, c->n);
}

/* ---- tests ---- */

static void test_login_is_answered_in_the_documented_order(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_string_equal(f.words, "ENV1 INFO5701 ENV7 ENV2 INFO5703 LOGINACK ENV4 DONE");
    assert_int_equal(f.eom, 1);
    assert_int_equal(f.tail.kind, QR_TAIL_SEND);
    end(&f);
}

static void test_a_database_that_is_not_there_refuses_the_login(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct qr_tds_login7 login7 = {.version = QR_TDS_VERSION_74};
    struct qr_login login = {.login7 = &login7, .packet_bytes = 4096, .database = qr_str("nosuch")};
    struct qr_served *served = NULL;
    struct qr_tail tail;
    assert_int_equal(f.service.open(f.service.ctx, &f.c.channel, &login, &served, &tail, NULL),
                     QR_NOT_FOUND);
    assert_null(served);
    end(&f);
}

static void test_batches(void **state)
{
    (void)state;
    static const struct {
        const char *batch, *answer;
    } rows[] = {
        {"rows:2", "COL ROW ROW DONE:count=2"},
        {"rows:1 rows:0", "COL ROW DONE:more,count=1 COL DONE:count=0"},
        {"", "DONE"},
        {"done", "DONE"},
        {"count:5 batch", "DONE:count=5"},
        {"batch", "DONE"},
        {"print", "INFO0 DONE"},
        {"error:208", "ERROR208 DONE:error"},
        {"error:208 count:1", "ERROR208 DONE:more,error DONE:count=1"},
        {"count:1 print count:2", "DONE:more,count=1 INFO0 DONE:count=2"},
        {"error:208 print batch", "ERROR208 DONE:more,error INFO0 DONE"},
        {"error:208 print", "ERROR208 DONE:more,error INFO0 DONE"},
        {"inform:10", "INFO5000 DONE"},
        {"inform:9", "INFO5000/9 DONE"},
        {"begin done", "ENV8 DONE"},
        {"module rows:1 end status:0 proc", "COL ROW DONEINPROC:more,count=1 STATUS=0 DONEPROC"},
        {"module rows:1", "COL ROW DONEINPROC:more,count=1 DONE"},
        {"rows:1 module count:1 end status:3 proc rows:1",
         "COL ROW DONE:more,count=1 DONEINPROC:more,count=1 STATUS=3 DONEPROC:more COL ROW "
         "DONE:count=1"},
        {"print flush rows:1", "INFO0 COL ROW DONE:count=1"},
    };
    struct fixture f;
    begin(&f);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        batch(&f, rows[i].batch);
        assert_string_equal(f.words, rows[i].answer);
        assert_int_equal(f.eom, 1);
        assert_int_equal(f.tail.kind, QR_TAIL_SEND);
    }
    end(&f);
}

static void test_calls_of_drivers(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct call c = call_id(10);
    add_text(&c, "", "rows:1");
    add_text(&c, "", "@a int");
    add_int(&c, "@a", 5, false);
    run_call(&f, &c);
    assert_string_equal(f.words, "COL ROW DONEINPROC:more,count=1 STATUS=0 DONEPROC");
    assert_non_null(strstr(fake.log, "sql(rows:1;@a int,@a=5) "));

    c = call_name("[sys].[SP_executesql]");
    add_text(&c, "@stmt", "module count:1 end status:0 value:7 proc");
    run_call(&f, &c);
    assert_string_equal(f.words, "DONEINPROC:more,count=1 STATUS=0 VALUE2=7 DONEPROC");

    c = call_id(11); /* sp_prepare */
    add_null_output(&c, "@handle");
    add_text(&c, "", "@a int");
    add_text(&c, "", "rows:1");
    add_int(&c, "", 1, false);
    run_call(&f, &c);
    assert_string_equal(f.words, "STATUS=0 VALUE0=1 DONEPROC");

    c = call_id(12); /* sp_execute */
    add_int(&c, "", 1, false);
    add_int(&c, "@a", 3, false);
    run_call(&f, &c);
    assert_string_equal(f.words, "COL ROW DONEINPROC:more,count=1 STATUS=0 DONEPROC");
    assert_non_null(strstr(fake.log, "execute(1,@a=3) "));

    c = call_id(13); /* sp_prepexec */
    add_null_output(&c, "");
    add_text(&c, "", "");
    add_text(&c, "", "module rows:1 end status:0 value:8 proc");
    run_call(&f, &c);
    assert_string_equal(f.words,
                        "COL ROW DONEINPROC:more,count=1 STATUS=0 VALUE0=2 VALUE3=8 DONEPROC");

    c = call_id(15); /* sp_unprepare */
    add_int(&c, "", 2, false);
    run_call(&f, &c);
    assert_string_equal(f.words, "STATUS=0 DONEPROC");
    assert_non_null(strstr(fake.log, "unprepare(2) "));

    c = call_name("dbo.p");
    add_int(&c, "@x", 1, true);
    run_call(&f, &c);
    assert_string_equal(f.words, "COL ROW DONEINPROC:more,count=1 STATUS=4 VALUE0=9 DONEPROC");
    assert_non_null(strstr(fake.log, "call(dbo.p,@x=1 out) "));
    end(&f);
}

static void test_prepexecrpc_prepares_an_exec(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct call c = call_id(14);
    add_null_output(&c, "@h");
    add_text(&c, "", "dbo.p");
    add_int(&c, "", 1, false);
    add_int(&c, "", 2, true);
    run_call(&f, &c);
    assert_non_null(
        strstr(fake.log,
               "prepare(EXEC dbo.p @P0, @P1 OUTPUT;@P0 int,@P1 int OUTPUT) execute(1,=1,=2 out) "));
    assert_string_equal(f.words, "STATUS=0 VALUE0=1 DONEPROC");
    end(&f);
}

static void test_calls_that_fail(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct call c = call_id(13);
    add_null_output(&c, "@handle");
    add_text(&c, "", "");
    add_text(&c, "", "bad");
    run_call(&f, &c);
    assert_string_equal(f.words, "ERROR102 STATUS=-6 VALUE0=null DONEPROC:error");

    c = call_id(2); /* sp_cursoropen */
    run_call(&f, &c);
    assert_string_equal(f.words, "ERROR40510 DONEINPROC:more,error STATUS=-6 DONEPROC:error");

    c = call_id(10);
    run_call(&f, &c);
    assert_string_equal(f.words, "ERROR201 DONEINPROC:more,error STATUS=-6 DONEPROC:error");

    c = call_id(10);
    add_int(&c, "", 1, false);
    run_call(&f, &c);
    assert_string_equal(f.words, "ERROR214 DONEINPROC:more,error STATUS=-6 DONEPROC:error");

    c = call_id(12);
    add_text(&c, "", "x");
    run_call(&f, &c);
    assert_string_equal(f.words, "ERROR214 DONEINPROC:more,error STATUS=-6 DONEPROC:error");

    c = call_id(99);
    run_call(&f, &c);
    assert_string_equal(f.words, "ERROR8004 DONEINPROC:more,error STATUS=-6 DONEPROC:error");
    assert_int_equal(f.tail.kind, QR_TAIL_SEND);
    batch(&f, "rows:1"); /* the connection goes on */
    assert_string_equal(f.words, "COL ROW DONE:count=1");
    end(&f);
}

static void test_several_calls_in_one_message(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct call c = call_id(10);
    add_text(&c, "", "error:208");
    c.body[c.n++] = 0xFF;
    struct call second = call_id(10);
    add_text(&second, "", "rows:1");
    memcpy(c.body + c.n, second.body + sizeof headers, second.n - sizeof headers);
    c.n += second.n - sizeof headers;
    run_call(&f, &c);
    assert_string_equal(f.words, "ERROR208 DONEINPROC:more,error STATUS=-6 DONEPROC:more,error "
                                 "COL ROW DONEINPROC:more,count=1 STATUS=0 DONEPROC");
    assert_int_equal(f.eom, 1);
    end(&f);
}

static void test_table_valued_parameters_become_rowsets(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct call c = call_name("p");
    static const uint8_t tvp[] = {0xF3, 0,    1, 's', 0, 1, 't', 0, 1, 0, 0, 0, 0, 0, 0,
                                  0,    0x26, 4, 0,   0, 1, 4,   7, 0, 0, 0, 1, 0, 0};
    param_head(&c, "@t", 0);
    memcpy(c.body + c.n, tvp, sizeof tvp);
    c.n += sizeof tvp;
    run_call(&f, &c);
    assert_non_null(strstr(fake.log, "call(p,@t=s.t[2]) "));
    end(&f);
}

static void test_transaction_requests(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    uint8_t body[64];
    memcpy(body, headers, sizeof headers);
    memcpy(body + sizeof headers, "\x05\x00\x02\x00", 4);
    request(&f, QR_TDS_PACKET_TRANSACTION, 0, body, sizeof headers + 4);
    assert_string_equal(f.words, "ENV8 DONE");
    memcpy(body + sizeof headers, "\x07\x00\x00\x00", 4);
    fake.durable_lsn = 100;
    request(&f, QR_TDS_PACKET_TRANSACTION, 0, body, sizeof headers + 4);
    assert_string_equal(f.words, "ENV9 DONE");
    memcpy(body + sizeof headers, "\x00\x00\x00\x00", 4);
    request(&f, QR_TDS_PACKET_TRANSACTION, 0, body, sizeof headers + 4);
    assert_string_equal(f.words, "ERROR40510 DONE:error");
    assert_non_null(strstr(fake.log, "tran(0,,2,0) tran(1,,0,0) "));
    end(&f);
}

static void test_a_commit_is_held_until_it_is_durable(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    batch(&f, "commit count:1");
    assert_int_equal(f.tail.kind, QR_TAIL_HELD);
    assert_int_equal(f.c.releases, 0);
    fake_harden(99);
    assert_int_equal(f.c.releases, 0);
    fake_harden(100);
    assert_int_equal(f.c.releases, 1);
    batch(&f, "commit count:1"); /* durable already */
    assert_int_equal(f.tail.kind, QR_TAIL_SEND);
    assert_int_equal(f.c.releases, 1);
    end(&f);
}

static void test_a_session_freed_while_its_tail_is_held_is_never_released(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    batch(&f, "commit count:1");
    assert_int_equal(f.tail.kind, QR_TAIL_HELD);
    end(&f);
    assert_null(fake.wait);
    fake_harden(100);
    assert_int_equal(f.c.releases, 0);
}

static void test_rows_after_a_commit_wait_before_they_leave(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    batch(&f, "commit rows:10000"); /* more than the writer keeps */
    assert_int_equal(fake.wait_calls, 1);
    assert_int_equal(f.c.durable_at_first_send, 100);
    assert_int_equal(f.eom, 1);
    end(&f);
}

static void test_attention_stops_a_request_and_is_acknowledged(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.c.cancel_after = 5;
    f.c.attention = true;
    batch(&f, "rows:1 wait rows:1");
    assert_string_equal(f.words, "COL ROW DONE:count=1 DONE:attn");
    assert_int_equal(f.eom, 2);
    f.c.cancel_after = -1;
    f.c.attention = true; /* it came while the answer was being made */
    batch(&f, "rows:1");
    assert_string_equal(f.words, "COL ROW DONE:count=1 DONE:attn");
    request(&f, QR_TDS_PACKET_ATTENTION, 0, "", 0);
    assert_string_equal(f.words, "DONE:attn");
    batch(&f, "rows:0");
    assert_string_equal(f.words, "COL DONE:count=0");
    end(&f);
}

static void test_reset_is_acknowledged_before_the_answer(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    uint8_t body[64];
    memcpy(body, headers, sizeof headers);
    size_t n = sizeof headers + put_text(body + sizeof headers, "rows:0");
    request(&f, QR_TDS_PACKET_BATCH, QR_TDS_STATUS_RESET, body, n);
    assert_string_equal(f.words, "ENV18 COL DONE:count=0");
    request(&f, QR_TDS_PACKET_BATCH, QR_TDS_STATUS_RESET_SKIP_TRAN, body, n);
    assert_string_equal(f.words, "ENV18 COL DONE:count=0");
    assert_non_null(strstr(fake.log, "reset(0) batch(rows:0) reset(1) batch(rows:0) "));
    struct call c = call_name("sp_reset_connection");
    run_call(&f, &c);
    assert_string_equal(f.words, "STATUS=0 DONEPROC");
    end(&f);
}

static void test_a_wrong_value_is_an_error_and_not_a_damaged_stream(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    batch(&f, "null");
    assert_string_equal(f.words, "COL ERROR40197 DONE:error");
    end(&f);
}

static void test_unreadable_requests(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    uint8_t odd[sizeof headers + 1];
    memcpy(odd, headers, sizeof headers);
    odd[sizeof headers] = 'S';
    request(&f, QR_TDS_PACKET_BATCH, 0, odd, sizeof odd);
    assert_string_equal(f.words, "ERROR4002 DONE:error");
    assert_int_equal(f.tail.kind, QR_TAIL_SEND);
    request(&f, QR_TDS_PACKET_BATCH, 0, "\x01", 1);
    assert_string_equal(f.words, "ERROR4002 DONE:error");
    assert_int_equal(f.tail.kind, QR_TAIL_CLOSE);
    end(&f);
    begin(&f);
    request(&f, 0x42, 0, "", 0);
    assert_int_equal(f.tail.kind, QR_TAIL_CLOSE);
    end(&f);
    begin(&f);
    batch(&f, "close");
    assert_int_equal(f.tail.kind, QR_TAIL_CLOSE);
    end(&f);
}

/* An answer without the error would tell the client that all of it was done. */
static void test_a_request_of_a_session_that_is_ended_says_so(void **state)
{
    (void)state;
    static const struct {
        const char *batch, *words;
        enum qr_tail_kind tail;
    } rows[] = {
        {"over", "ERROR40197 DONE:error", QR_TAIL_CLOSE},
        {"count:1 over count:2", "DONE:more,count=1 ERROR40197 DONE:error", QR_TAIL_CLOSE},
        {"count:1 late", "DONE:count=1", QR_TAIL_SEND}, /* its next request is told */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture f;
        begin(&f);
        batch(&f, rows[i].batch);
        assert_string_equal(f.words, rows[i].words);
        assert_int_equal(f.tail.kind, rows[i].tail);
        end(&f);
    }
    struct fixture f;
    begin(&f);
    fake.is_over = true; /* before the call */
    struct call c = call_id(10);
    add_text(&c, "", "over");
    run_call(&f, &c);
    assert_string_equal(f.words, "ERROR40197 STATUS=-6 DONEPROC:error");
    assert_int_equal(f.tail.kind, QR_TAIL_CLOSE);
    end(&f);
}

static void test_ending_a_session_tells_its_connection_why(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    aborts = ended_with = 0;
    fake.is_over = true;
    fake.break_it(fake.break_ctx, false);
    assert_int_equal(ended_with, 40197);
    assert_int_equal(aborts, 0);
    fake.break_it(fake.break_ctx, true);
    assert_int_equal(aborts, 1);
    end(&f);
}

static void test_a_client_that_is_gone_ends_the_request(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.c.gone = true;
    batch(&f, "rows:100000");
    assert_int_equal(f.tail.kind, QR_TAIL_CLOSE);
    end(&f);
}

/* COLMETADATA of one int column and `rows` rows. */
static size_t bulk_stream(uint8_t *dst, int rows)
{
    static const uint8_t head[] = {0x81, 1, 0, 0, 0, 0, 0, 8, 0, 0x38, 1, 'i', 0};
    memcpy(dst, head, sizeof head);
    size_t n = sizeof head;
    for (int i = 0; i < rows; i++, n += 5) {
        dst[n] = 0xD1;
        qr_put32le(dst + n + 1, (uint32_t)i);
    }
    memset(dst + n, 0, 13);
    dst[n] = 0xFD;
    return n + 13;
}

static void test_bulk_loads_stream(void **state)
{
    (void)state;
    static uint8_t stream[16384];
    struct fixture f;
    begin(&f);
    f.c.stream = stream;
    f.c.stream_step = 100;
    f.c.stream_bytes = bulk_stream(stream, 1000);
    request(&f, QR_TDS_PACKET_BULK, 0, "", 0);
    assert_string_equal(f.words, "DONE:count=1000");
    assert_non_null(strstr(fake.log, "bulk(1,i) bulk_end(0,1000) "));

    fake.fail_row = true; /* the rest is read and dropped */
    f.c.stream = stream;
    f.c.stream_bytes = bulk_stream(stream, 1000);
    request(&f, QR_TDS_PACKET_BULK, 0, "", 0);
    assert_string_equal(f.words, "ERROR2627 DONE:error");
    assert_int_equal(f.c.stream_bytes, 0);
    fake.fail_row = false;

    f.c.stream = stream;
    f.c.stream_bytes = bulk_stream(stream, 1000) - 15; /* cut inside the last row */
    request(&f, QR_TDS_PACKET_BULK, 0, "", 0);
    assert_string_equal(f.words, "ERROR4804 DONE:error");

    f.c.stream = stream;
    f.c.stream_bytes = bulk_stream(stream, 10);
    f.c.stream_ignored = true;
    request(&f, QR_TDS_PACKET_BULK, 0, "", 0);
    assert_string_equal(f.words, "DONE:error");
    assert_non_null(strstr(fake.log, "bulk_end(1,10) "));
    end(&f);
}

/* The session is saved, freed, and made again as in another process. */
static void move(struct fixture *f, bool late)
{
    struct qr_buf state;
    struct qr_str database = {0};
    struct qr_tds_login7 login7 = {.version = f->version};
    qr_buf_init(&state, 4096);
    assert_int_equal(f->served->ops->save(f->served, late, &state, &database, NULL), QR_OK);
    f->served->ops->free(f->served);
    struct qr_login login = {.login7 = &login7,
                             .user = qr_str("me"),
                             .packet_bytes = 4096,
                             .database = database,
                             .is_moved = true,
                             .moved = qr_str_n((const char *)state.data, state.len)};
    assert_int_equal(
        f->service.open(f->service.ctx, &f->c.channel, &login, &f->served, &f->tail, NULL), QR_OK);
    assert_int_equal(f->tail.count, 0); /* its client expects no answer */
    assert_int_equal(f->tail.kind, QR_TAIL_SEND);
    qr_buf_done(&state);
}

static void test_a_session_that_moved_goes_on(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f);
    move(&f, false);
    assert_non_null(strstr(fake.log, "save() "));
    assert_non_null(strstr(fake.log, "restore(state) "));
    batch(&f, "rows:1");
    assert_string_equal(f.words, "COL ROW DONE:count=1");
    end(&f);
}

static void test_a_transaction_lost_on_the_way_is_told_once(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f);
    fake.in_tran = true;
    assert_true(f.served->ops->is_busy(f.served));
    struct qr_buf none;
    struct qr_str database;
    qr_buf_init(&none, 4096);
    assert_int_equal(f.served->ops->save(f.served, false, &none, &database, NULL), QR_BUSY);
    assert_int_equal(none.len, 0);
    move(&f, true);
    assert_non_null(strstr(fake.log, "rollback() "));
    move(&f, false); /* and again, before it was told */
    batch(&f, "rows:1");
    assert_string_equal(f.words, "ENV10 ERROR40197 DONE:error");
    batch(&f, "rows:1");
    assert_string_equal(f.words, "COL ROW DONE:count=1");
    end(&f);
}

static void test_a_reset_connection_is_not_told_of_its_last_user_s_transaction(void **state)
{
    struct fixture f;
    uint8_t body[64];
    (void)state;
    begin(&f);
    fake.in_tran = true;
    move(&f, true);
    memcpy(body, headers, sizeof headers);
    size_t n = sizeof headers + put_text(body + sizeof headers, "done");
    request(&f, QR_TDS_PACKET_BATCH, QR_TDS_STATUS_RESET, body, n);
    assert_null(strstr(f.words, "40197"));
    end(&f);
}

static void test_what_cannot_be_read_is_no_session(void **state)
{
    struct fixture f;
    struct qr_err err;
    (void)state;
    begin(&f);
    struct qr_tds_login7 login7 = {.version = f.version};
    static const char *const states[] = {"", "\1", "\2\0\0\0\0\0\0\0\0\0state"};
    static const size_t lengths[] = {0, 1, 15};
    for (size_t i = 0; i < 3; i++) {
        struct qr_served *served = NULL;
        struct qr_tail tail;
        struct qr_login login = {.login7 = &login7,
                                 .packet_bytes = 4096,
                                 .is_moved = true,
                                 .moved = qr_str_n(states[i], lengths[i])};
        assert_int_equal(f.service.open(f.service.ctx, &f.c.channel, &login, &served, &tail, &err),
                         QR_UNSUPPORTED);
        assert_null(served);
    }
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_login_is_answered_in_the_documented_order),
        cmocka_unit_test(test_a_database_that_is_not_there_refuses_the_login),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_calls_of_drivers),
        cmocka_unit_test(test_prepexecrpc_prepares_an_exec),
        cmocka_unit_test(test_calls_that_fail),
        cmocka_unit_test(test_several_calls_in_one_message),
        cmocka_unit_test(test_table_valued_parameters_become_rowsets),
        cmocka_unit_test(test_transaction_requests),
        cmocka_unit_test(test_a_commit_is_held_until_it_is_durable),
        cmocka_unit_test(test_a_session_freed_while_its_tail_is_held_is_never_released),
        cmocka_unit_test(test_rows_after_a_commit_wait_before_they_leave),
        cmocka_unit_test(test_attention_stops_a_request_and_is_acknowledged),
        cmocka_unit_test(test_reset_is_acknowledged_before_the_answer),
        cmocka_unit_test(test_a_wrong_value_is_an_error_and_not_a_damaged_stream),
        cmocka_unit_test(test_unreadable_requests),
        cmocka_unit_test(test_a_request_of_a_session_that_is_ended_says_so),
        cmocka_unit_test(test_ending_a_session_tells_its_connection_why),
        cmocka_unit_test(test_a_client_that_is_gone_ends_the_request),
        cmocka_unit_test(test_bulk_loads_stream),
        cmocka_unit_test(test_a_session_that_moved_goes_on),
        cmocka_unit_test(test_a_transaction_lost_on_the_way_is_told_once),
        cmocka_unit_test(test_a_reset_connection_is_not_told_of_its_last_user_s_transaction),
        cmocka_unit_test(test_what_cannot_be_read_is_no_session),
    };
    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
