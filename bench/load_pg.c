/* load_pg.c - PostgreSQL's protocol 3.0, as much as the load needs; see load.h. Trust or no
 * password: the benchmark's own cluster listens on loopback only. */
#include "load.h"
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put32(struct load_conn *c, int32_t v)
{
    uint32_t b = htobe32((uint32_t)v);
    load_put(c, &b, 4);
}
static void put16(struct load_conn *c, int v)
{
    uint16_t b = htobe16((uint16_t)v);
    load_put(c, &b, 2);
}
static void putz(struct load_conn *c, const char *z)
{
    load_put(c, z, strlen(z) + 1);
}
/* A message: type, length filled in by message_end. */
static size_t message(struct load_conn *c, char type)
{
    load_put(c, &type, 1);
    put32(c, 0);
    return c->out_len - 4;
}
static void message_end(struct load_conn *c, size_t at)
{
    uint32_t n = htobe32((uint32_t)(c->out_len - at));
    memcpy(c->out + at, &n, 4);
}

static bool answered(struct load_conn *c)
{
    while (c->in_len - c->in_at >= 5) {
        uint32_t n;
        char type = (char)c->in[c->in_at];
        memcpy(&n, c->in + c->in_at + 1, 4);
        n = be32toh(n);
        if (c->in_len - c->in_at < (size_t)n + 1)
            break;
        if (type == 'E') {
            c->failed = true;
            fprintf(stderr, "pg: %.*s\n", (int)n - 4, (const char *)c->in + c->in_at + 5);
        }
        c->in_at += (size_t)n + 1;
        if (type == 'Z' || type == 'G') {
            memmove(c->in, c->in + c->in_at, c->in_len - c->in_at);
            c->in_len -= c->in_at;
            c->in_at = 0;
            return true;
        }
    }
    if (c->in_at > 65536) { /* rows that were looked at */
        memmove(c->in, c->in + c->in_at, c->in_len - c->in_at);
        c->in_len -= c->in_at;
        c->in_at = 0;
    }
    return false;
}

static void pg_connect(struct load_conn *c, const struct load_options *o)
{
    load_open(c, o->host, o->port);
    size_t at = c->out_len;
    put32(c, 0);
    put32(c, 196608);
    putz(c, "user");
    putz(c, o->user);
    putz(c, "database");
    putz(c, o->database);
    load_put(c, "", 1);
    message_end(c, at);
    load_flush(c);
    load_await(c, &load_pg);
    if (c->failed)
        load_die("login failed");
}

static void run(struct load_conn *c, const char *sql)
{
    size_t at = message(c, 'Q');
    putz(c, sql);
    message_end(c, at);
    load_flush(c);
    load_await(c, &load_pg);
    if (c->failed)
        load_die("failed: %.200s", sql);
}

static const char *const step_sql[] = {
    "BEGIN",
    "UPDATE accounts SET abalance = abalance + $1 WHERE aid = $2",
    "SELECT abalance FROM accounts WHERE aid = $1",
    "UPDATE tellers SET tbalance = tbalance + $1 WHERE tid = $2",
    "UPDATE branches SET bbalance = bbalance + $1 WHERE bid = $2",
    "INSERT INTO history (tid, bid, aid, delta, mtime) VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP)",
    "END",
};

static void parse(struct load_conn *c, const char *name, const char *sql)
{
    size_t at = message(c, 'P');
    putz(c, name);
    putz(c, sql);
    put16(c, 0);
    message_end(c, at);
}

static void sync(struct load_conn *c)
{
    size_t at = message(c, 'S');
    message_end(c, at);
}

static void prepare(struct load_conn *c, enum load_workload w, const struct load_options *o)
{
    (void)o;
    char name[16];
    if (w == LOAD_TPCB || w == LOAD_POINT_TEXT)
        return;
    if (w == LOAD_TPCB_STEP) {
        for (int i = 0; i < 7; i++) {
            snprintf(name, sizeof name, "s%d", i);
            parse(c, name, step_sql[i]);
        }
    } else if (w == LOAD_INSERT) {
        parse(c, "s0", "INSERT INTO bench_insert (a, b) VALUES ($1, $2)");
    } else if (w == LOAD_POINT) {
        parse(c, "s0", "SELECT abalance FROM accounts WHERE aid = $1");
    } else {
        parse(c, "s0", "SELECT a, b, c, d, e, f FROM bench_stream");
    }
    sync(c);
    load_flush(c);
    load_await(c, &load_pg);
    if (c->failed)
        load_die("prepare failed");
}

/* Bind with text parameters, Execute, Sync. */
static void execute(struct load_conn *c, const char *name, const char *const *values, int count)
{
    size_t at = message(c, 'B');
    putz(c, "");
    putz(c, name);
    put16(c, 0);
    put16(c, count);
    for (int i = 0; i < count; i++) {
        put32(c, (int32_t)strlen(values[i]));
        load_put(c, values[i], strlen(values[i]));
    }
    put16(c, 0);
    message_end(c, at);
    at = message(c, 'E');
    putz(c, "");
    put32(c, 0);
    message_end(c, at);
    sync(c);
}

static _Thread_local struct {
    char aid[16], tid[16], bid[16], delta[16];
} step_values[256];

static bool tpcb_step(struct load_conn *c, const struct load_options *o, int step)
{
    char name[16];
    int at = c->fd & 255;
    if (step == 0) {
        snprintf(step_values[at].aid, 16, "%u", 1 + load_random(c, (uint32_t)o->scale * 100000));
        snprintf(step_values[at].tid, 16, "%u", 1 + load_random(c, (uint32_t)o->scale * 10));
        snprintf(step_values[at].bid, 16, "%u", 1 + load_random(c, (uint32_t)o->scale));
        snprintf(step_values[at].delta, 16, "%d", (int)load_random(c, 10001) - 5000);
    }
    const char *aid = step_values[at].aid, *tid = step_values[at].tid, *bid = step_values[at].bid,
               *delta = step_values[at].delta;
    const char *args[7][4] = {{0},          {delta, aid}, {aid},                 {delta, tid},
                              {delta, bid}, {tid, bid, aid, delta}, {0}};
    static const int counts[7] = {0, 2, 1, 2, 2, 4, 0};
    snprintf(name, sizeof name, "s%d", step);
    execute(c, name, args[step], counts[step]);
    return true;
}

static void query(struct load_conn *c, const char *text)
{
    size_t at = message(c, 'Q');
    putz(c, text);
    message_end(c, at);
}

static bool request(struct load_conn *c, enum load_workload w, const struct load_options *o,
                    int step)
{
    char text[1024];
    if (w == LOAD_TPCB_STEP)
        return tpcb_step(c, o, step);
    if (w == LOAD_TPCB) {
        unsigned aid = 1 + load_random(c, (uint32_t)o->scale * 100000),
                 tid = 1 + load_random(c, (uint32_t)o->scale * 10),
                 bid = 1 + load_random(c, (uint32_t)o->scale);
        int delta = (int)load_random(c, 10001) - 5000;
        snprintf(text, sizeof text,
                 "BEGIN; UPDATE accounts SET abalance = abalance + %d WHERE aid = %u; "
                 "SELECT abalance FROM accounts WHERE aid = %u; "
                 "UPDATE tellers SET tbalance = tbalance + %d WHERE tid = %u; "
                 "UPDATE branches SET bbalance = bbalance + %d WHERE bid = %u; "
                 "INSERT INTO history (tid, bid, aid, delta, mtime) VALUES (%u, %u, %u, %d, "
                 "CURRENT_TIMESTAMP); COMMIT",
                 delta, aid, aid, delta, tid, delta, bid, tid, bid, aid, delta);
        query(c, text);
        return true;
    }
    char number[16];
    snprintf(number, sizeof number, "%u", 1 + load_random(c, (uint32_t)o->scale * 100000));
    if (w == LOAD_POINT_TEXT) {
        snprintf(text, sizeof text, "SELECT abalance FROM accounts WHERE aid = %s", number);
        query(c, text);
    } else if (w == LOAD_INSERT) {
        const char *values[] = {
            number, "0123456789012345678901234567890123456789012345678901234567890123456789"
                    "012345678901234567890123456789"};
        execute(c, "s0", values, 2);
    } else if (w == LOAD_POINT) {
        const char *values[] = {number};
        execute(c, "s0", values, 1);
    } else {
        execute(c, "s0", NULL, 0);
    }
    return true;
}

static void bulk(struct load_conn *c, long rows)
{
    size_t at = message(c, 'Q');
    putz(c, "COPY bench_bulk (a, b, c, d, e, f) FROM STDIN");
    message_end(c, at);
    load_flush(c);
    load_await(c, &load_pg); /* CopyInResponse */
    for (long i = 0; i < rows; i++) {
        char line[256];
        int n = snprintf(line, sizeof line, "%ld\t%ld\t%ld.%02ld\tname of row %ld\t%ld\t%f\n", i,
                         i * 7, i % 10000, i % 100, i, i % 1000, (double)i / 3);
        at = message(c, 'd');
        load_put(c, line, (size_t)n);
        message_end(c, at);
        if (c->out_len > 60000)
            load_flush(c);
    }
    at = message(c, 'c');
    message_end(c, at);
    load_flush(c);
    load_await(c, &load_pg);
}

static void prepare_slot(struct load_conn *c, int slot, const char *text, int count)
{
    char name[16], numbered[1024];
    size_t at = 0;
    (void)count;
    for (; *text != '\0' && at + 2 < sizeof numbered; text++)
        numbered[at++] = *text == '@' ? '$' : *text;
    numbered[at] = '\0';
    snprintf(name, sizeof name, "s%d", slot);
    parse(c, name, numbered);
    sync(c);
    load_flush(c);
    load_await(c, &load_pg);
    if (c->failed)
        load_die("prepare failed: %.300s", numbered);
}

static void execute_slot(struct load_conn *c, int slot, const int32_t *values, int count)
{
    char name[16], texts[8][16];
    const char *pointers[8];
    snprintf(name, sizeof name, "s%d", slot);
    for (int i = 0; i < count; i++) {
        snprintf(texts[i], sizeof texts[i], "%d", (int)values[i]);
        pointers[i] = texts[i];
    }
    execute(c, name, pointers, count);
}

const struct load_protocol load_pg = {
    pg_connect, prepare, run, request, answered, bulk, prepare_slot, execute_slot, query};
