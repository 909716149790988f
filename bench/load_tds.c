/* load_tds.c - TDS 7.4, as much as the load needs; see load.h. The benchmark's server allows
 * plaintext logins, since PostgreSQL runs without TLS beside it. */
#include "load.h"
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PACKET_BYTES = 8192, BULK_PACKET_BYTES = 32767 };

static size_t packet_bytes = 4096; /* negotiated: what the LOGIN7 asked for */

static void put8(struct load_conn *c, uint8_t v)
{
    load_put(c, &v, 1);
}
static void put16(struct load_conn *c, uint16_t v)
{
    v = htole16(v);
    load_put(c, &v, 2);
}
static void put32(struct load_conn *c, uint32_t v)
{
    v = htole32(v);
    load_put(c, &v, 4);
}
static void put64(struct load_conn *c, uint64_t v)
{
    v = htole64(v);
    load_put(c, &v, 8);
}
static void put_utf16(struct load_conn *c, const char *z)
{
    for (; *z != '\0'; z++)
        put16(c, (uint8_t)*z);
}

/* Payload is gathered behind out_len = start, then cut into packets with headers. */
static void packetise(struct load_conn *c, uint8_t type, size_t start)
{
    size_t n = c->out_len - start, room = packet_bytes - 8;
    uint8_t *payload = malloc(n + 1);
    if (payload == NULL)
        load_die("out of memory");
    /* cppcheck-suppress nullPointerRedundantCheck; load_die does not return */
    memcpy(payload, c->out + start, n);
    c->out_len = start;
    size_t at = 0;
    uint8_t id = 1;
    do {
        size_t part = n - at < room ? n - at : room;
        uint8_t head[8] = {type, at + part == n ? 1 : 0, (uint8_t)((part + 8) >> 8),
                           (uint8_t)(part + 8), 0, 0, id++, 0};
        load_put(c, head, 8);
        load_put(c, payload + at, part);
        at += part;
    } while (at < n);
    free(payload);
}

/* BEGIN TRAN is answered by ENVCHANGE 8 with a descriptor; its end by 9 or 10. */
static void note_tran(struct load_conn *c, const uint8_t *change)
{
    if (change[3] == 8 && change[4] == 8)
        memcpy(&c->tran, change + 5, 8);
    else if (change[3] == 9 || change[3] == 10)
        c->tran = 0;
}

/* Answers end with the packet whose status says so; a DONE in it tells errors. */
static bool answered(struct load_conn *c)
{
    while (c->in_len - c->in_at >= 8) {
        const uint8_t *head = c->in + c->in_at;
        size_t n = (size_t)head[2] << 8 | head[3];
        if (n < 8)
            load_die("bad packet");
        if (c->in_len - c->in_at < n)
            break;
        bool last = (head[1] & 1) != 0;
        if (!c->in_message && head[8] == 0xAA) /* an answer that begins with an error */
            c->failed = true;
        if (!c->in_message && n >= 21 && head[8] == 0xE3) /* it begins with an ENVCHANGE */
            note_tran(c, head + 8);
        c->in_message = !last;
        if (last && n >= 21) { /* DONE: token, status (2), command (2), count (8) */
            const uint8_t *done = head + n - 13;
            if (done[0] < 0xFD || (done[1] & 2) != 0)
                c->failed = true;
        }
        c->in_at += n;
        if (last) {
            memmove(c->in, c->in + c->in_at, c->in_len - c->in_at);
            c->in_len -= c->in_at;
            c->in_at = 0;
            return true;
        }
    }
    if (c->in_at > 65536) {
        memmove(c->in, c->in + c->in_at, c->in_len - c->in_at);
        c->in_len -= c->in_at;
        c->in_at = 0;
    }
    return false;
}

static void prelogin(struct load_conn *c)
{
    static const uint8_t body[] = {0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xFF, /* VERSION, ENCRYPTION */
                                   11, 0, 0, 0, 0, 0, 2 /* ENCRYPT_NOT_SUP */};
    size_t start = c->out_len;
    load_put(c, body, sizeof body);
    packetise(c, 0x12, start);
    load_flush(c);
    load_await(c, &load_tds);
    c->failed = false; /* it ends with no DONE */
}

static void login7(struct load_conn *c, const struct load_options *o)
{
    const char *texts[9] = {"bench", o->user, o->password, "load", o->host, "", "load", "", o->database};
    size_t start = c->out_len;
    uint8_t fixed[94] = {0};
    uint32_t version = htole32(0x74000004), size = htole32((uint32_t)packet_bytes);
    memcpy(fixed + 4, &version, 4);
    memcpy(fixed + 8, &size, 4);
    fixed[24] = 0xE0; /* use database, language: fatal; SET LANG */
    fixed[25] = 0x03; /* fODBC */
    size_t at = 94;
    for (int i = 0; i < 9; i++) {
        uint16_t offset = htole16((uint16_t)at), n = htole16((uint16_t)strlen(texts[i]));
        memcpy(fixed + 36 + i * 4, &offset, 2);
        memcpy(fixed + 38 + i * 4, &n, 2);
        at += strlen(texts[i]) * 2;
    }
    for (int i = 0; i < 3; i++) { /* SSPI, file, new password: empty, at the end */
        uint16_t offset = htole16((uint16_t)at);
        memcpy(fixed + 78 + i * 4, &offset, 2);
    }
    uint32_t length = htole32((uint32_t)at);
    memcpy(fixed, &length, 4);
    load_put(c, fixed, sizeof fixed);
    for (int i = 0; i < 9; i++) {
        size_t text_at = c->out_len;
        put_utf16(c, texts[i]);
        for (size_t k = text_at; i == 2 && k < c->out_len; k++) {
            uint8_t b = c->out[k];
            c->out[k] = (uint8_t)((b << 4 | b >> 4) ^ 0xA5);
        }
    }
    packetise(c, 0x10, start);
    load_flush(c);
    load_await(c, &load_tds);
    if (c->failed)
        load_die("login failed");
}

static void tds_connect(struct load_conn *c, const struct load_options *o)
{
    packet_bytes = strcmp(o->workload, "bulk") == 0 || strcmp(o->workload, "stream") == 0
                       ? BULK_PACKET_BYTES
                       : PACKET_BYTES;
    load_open(c, o->host, o->port);
    prelogin(c);
    login7(c, o);
}

static void all_headers(struct load_conn *c)
{
    put32(c, 22);
    put32(c, 18);
    put16(c, 2); /* transaction descriptor */
    put64(c, c->tran);
    put32(c, 1);
}

static void run(struct load_conn *c, const char *sql)
{
    size_t start = c->out_len;
    all_headers(c);
    put_utf16(c, sql);
    packetise(c, 0x01, start);
    load_flush(c);
    load_await(c, &load_tds);
    if (c->failed)
        load_die("failed: %.300s", sql);
}

/* ---- prepared statements: sp_prepexec would do both; sp_prepare keeps the loop to sp_execute ---- */

static void rpc(struct load_conn *c, uint16_t proc)
{
    all_headers(c);
    put16(c, 0xFFFF);
    put16(c, proc);
    put16(c, 0);
}
static void int_param(struct load_conn *c, int32_t v, bool output, bool null)
{
    put8(c, 0);
    put8(c, output ? 1 : 0);
    put8(c, 0x26);
    put8(c, 4);
    put8(c, null ? 0 : 4);
    if (!null)
        put32(c, (uint32_t)v);
}
static void text_param(struct load_conn *c, const char *z)
{
    static const uint8_t collation[5] = {0x09, 0x04, 0xD0, 0x00, 0x34};
    put8(c, 0);
    put8(c, 0);
    put8(c, 0xE7);
    put16(c, 8000);
    load_put(c, collation, 5);
    put16(c, (uint16_t)(strlen(z) * 2));
    put_utf16(c, z);
}
static void char_param(struct load_conn *c, const char *z)
{
    static const uint8_t collation[5] = {0x09, 0x04, 0xD0, 0x00, 0x34};
    put8(c, 0);
    put8(c, 0);
    put8(c, 0xA7);
    put16(c, 8000);
    load_put(c, collation, 5);
    put16(c, (uint16_t)strlen(z));
    load_put(c, z, strlen(z));
}

/* The handle comes as RETURNVALUE: token 0xAC, ordinal, name, status, type ..., int. */
static int32_t handle_in(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i + 20 < n; i++) {
        if (p[i] != 0xAC)
            continue;
        size_t name = p[i + 3];
        size_t value = i + 4 + name * 2 + 1 + 4 + 2; /* status, user type, flags */
        if (value + 7 <= n && p[value] == 0x26 && p[value + 1] == 4 && p[value + 2] == 4) {
            uint32_t v;
            memcpy(&v, p + value + 3, 4);
            return (int32_t)le32toh(v);
        }
    }
    return 0;
}

static int32_t prepare_text(struct load_conn *c, const char *params, const char *text)
{
    size_t start = c->out_len;
    rpc(c, 11); /* sp_prepare */
    int_param(c, 0, true, true);
    text_param(c, params);
    text_param(c, text);
    int_param(c, 1, false, false);
    packetise(c, 0x03, start);
    load_flush(c);
    while (c->in_len < 8 || c->in_len < ((size_t)c->in[2] << 8 | c->in[3])) /* one packet */
        if (!load_read(c))
            load_die("the server closed the connection");
    int32_t handle = handle_in(c->in, c->in_len);
    load_await(c, &load_tds);
    if (c->failed || handle == 0)
        load_die("prepare failed: %.300s", text);
    return handle;
}

static const char tpcb_text[] =
    "BEGIN TRAN UPDATE accounts SET abalance = abalance + @delta WHERE aid = @aid "
    "SELECT abalance FROM accounts WHERE aid = @aid "
    "UPDATE tellers SET tbalance = tbalance + @delta WHERE tid = @tid "
    "UPDATE branches SET bbalance = bbalance + @delta WHERE bid = @bid "
    "INSERT INTO history (tid, bid, aid, delta, mtime) VALUES (@tid, @bid, @aid, @delta, "
    "SYSDATETIME()) COMMIT";

static void prepare(struct load_conn *c, enum load_workload w, const struct load_options *o)
{
    static const struct {
        const char *params, *text;
    } texts[LOAD_WORKLOADS] = {
        [LOAD_TPCB] = {"@aid int, @tid int, @bid int, @delta int", tpcb_text},
        [LOAD_INSERT] = {"@a int, @b varchar(100)", "INSERT INTO bench_insert (a, b) VALUES (@a, @b)"},
        [LOAD_POINT] = {"@aid int", "SELECT abalance FROM accounts WHERE aid = @aid"},
        [LOAD_STREAM] = {"", "SELECT a, b, c, d, e, f FROM bench_stream"},
    };
    (void)o;
    if (w == LOAD_POINT_TEXT)
        return;
    if (texts[w].text == NULL)
        load_die("this workload is for PostgreSQL");
    c->handle = prepare_text(c, texts[w].params, texts[w].text);
}

static void text_request(struct load_conn *c, const struct load_options *o)
{
    char text[80];
    snprintf(text, sizeof text, "SELECT abalance FROM accounts WHERE aid = %u",
             1 + load_random(c, (uint32_t)o->scale * 100000));
    size_t start = c->out_len;
    all_headers(c);
    put_utf16(c, text);
    packetise(c, 0x01, start);
}

static bool request(struct load_conn *c, enum load_workload w, const struct load_options *o,
                    int step)
{
    (void)step;
    if (w == LOAD_POINT_TEXT) {
        text_request(c, o);
        return true;
    }
    size_t start = c->out_len;
    rpc(c, 12); /* sp_execute */
    int_param(c, c->handle, false, false);
    if (w == LOAD_TPCB) {
        int_param(c, (int32_t)(1 + load_random(c, (uint32_t)o->scale * 100000)), false, false);
        int_param(c, (int32_t)(1 + load_random(c, (uint32_t)o->scale * 10)), false, false);
        int_param(c, (int32_t)(1 + load_random(c, (uint32_t)o->scale)), false, false);
        int_param(c, (int32_t)load_random(c, 10001) - 5000, false, false);
    } else if (w == LOAD_INSERT) {
        int_param(c, (int32_t)load_random(c, 1000000), false, false);
        char_param(c, "0123456789012345678901234567890123456789012345678901234567890123456789"
                      "012345678901234567890123456789");
    } else if (w == LOAD_POINT) {
        int_param(c, (int32_t)(1 + load_random(c, (uint32_t)o->scale * 100000)), false, false);
    }
    packetise(c, 0x03, start);
    return true;
}

/* ---- bulk load ---- */

static void column(struct load_conn *c, const void *type, size_t type_bytes, const char *name)
{
    put32(c, 0);
    put16(c, 8); /* updatable */
    load_put(c, type, type_bytes);
    put8(c, (uint8_t)strlen(name));
    put_utf16(c, name);
}

/* Full packets go out as the payload grows; the rest at the end. */
static void drain(struct load_conn *c, uint8_t *payload, size_t *n, bool end)
{
    static uint8_t id;
    size_t room = packet_bytes - 8, at = 0;
    while (*n - at >= room || (end && at <= *n)) {
        size_t part = *n - at < room ? *n - at : room;
        bool last = end && at + part == *n;
        uint8_t head[8] = {0x07, last ? 1 : 0, (uint8_t)((part + 8) >> 8), (uint8_t)(part + 8), 0,
                           0, ++id, 0};
        load_put(c, head, 8);
        load_put(c, payload + at, part);
        at += part;
        if (last)
            break;
    }
    load_flush(c);
    memmove(payload, payload + at, *n - at);
    *n -= at;
}

static void bulk_row(struct load_conn *c, long i)
{
    char name[64];
    int n = snprintf(name, sizeof name, "name of row %ld", i);
    double f = (double)i / 3;
    put8(c, 0xD1);
    put32(c, (uint32_t)i);
    put64(c, (uint64_t)i * 7);
    put8(c, 9); /* decimal(12,2): sign and 8 bytes */
    put8(c, 1);
    put64(c, (uint64_t)(i % 10000 * 100 + i % 100));
    put16(c, (uint16_t)n);
    load_put(c, name, (size_t)n);
    put32(c, (uint32_t)(i % 1000));
    load_put(c, &f, 8);
}

static void bulk(struct load_conn *c, long rows)
{
    static const uint8_t type_int[] = {0x38}, type_bigint[] = {0x7F}, type_float[] = {0x3E},
                         type_decimal[] = {0x6A, 9, 12, 2},
                         type_varchar[] = {0xA7, 64, 0, 0x09, 0x04, 0xD0, 0x00, 0x34};
    run(c, "INSERT BULK bench_bulk (a int, b bigint, c decimal(12,2), d varchar(64), e int, f "
           "float)");
    static uint8_t payload[1 << 20];
    size_t n = 0;
    put8(c, 0x81);
    put16(c, 6);
    column(c, type_int, sizeof type_int, "a");
    column(c, type_bigint, sizeof type_bigint, "b");
    column(c, type_decimal, sizeof type_decimal, "c");
    column(c, type_varchar, sizeof type_varchar, "d");
    column(c, type_int, sizeof type_int, "e");
    column(c, type_float, sizeof type_float, "f");
    for (long i = 0; i < rows; i++) {
        bulk_row(c, i);
        if (c->out_len > 200000 || i == rows - 1) {
            if (i == rows - 1) {
                put8(c, 0xFD); /* DONE */
                put16(c, 0);
                put16(c, 0);
                put64(c, 0);
            }
            memcpy(payload + n, c->out, c->out_len);
            n += c->out_len;
            c->out_len = 0;
            drain(c, payload, &n, i == rows - 1);
        }
    }
    load_await(c, &load_tds);
}

/* ---- transactions of several requests (txn.c) ---- */

static void prepare_slot(struct load_conn *c, int slot, const char *text, int count)
{
    char params[256] = "", named[1024];
    size_t n = 0, at = 0;
    for (int i = 1; i <= count; i++)
        n += (size_t)snprintf(params + n, sizeof params - n, "%s@p%d int", i > 1 ? ", " : "", i);
    for (; *text != '\0' && at + 3 < sizeof named; text++) {
        named[at++] = *text;
        if (*text == '@')
            named[at++] = 'p';
    }
    named[at] = '\0';
    c->handles[slot] = prepare_text(c, params, named);
}

static void execute_slot(struct load_conn *c, int slot, const int32_t *values, int count)
{
    size_t start = c->out_len;
    rpc(c, 12); /* sp_execute */
    int_param(c, c->handles[slot], false, false);
    for (int i = 0; i < count; i++)
        int_param(c, values[i], false, false);
    packetise(c, 0x03, start);
}

static void query(struct load_conn *c, const char *text)
{
    size_t start = c->out_len;
    all_headers(c);
    put_utf16(c, text);
    packetise(c, 0x01, start);
}

const struct load_protocol load_tds = {
    tds_connect, prepare, run, request, answered, bulk, prepare_slot, execute_slot, query};
