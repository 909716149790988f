/* load.h - one load generator for quire (TDS) and PostgreSQL: the same loop, two wire protocols.
 *
 * Each protocol is a struct of functions that write one request into a connection's buffer and say
 * where an answer ends. Both speak plain TCP on loopback, prepared statements where the protocol
 * has them, and read whole answers. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOAD_SLOTS = 32 }; /* prepared statements of a connection of txn.c */

struct load_conn {
    int fd;
    uint32_t random; /* xorshift state */
    uint8_t *out, *in;
    size_t out_len, out_cap, in_len, in_cap, in_at; /* in_at: how far the answer was looked at */
    int32_t handle;                                 /* of the prepared statement */
    int32_t handles[LOAD_SLOTS];
    uint64_t tran; /* TDS: descriptor of the open transaction */
    int64_t started_ns;
    uint64_t answer_bytes;
    bool in_message; /* TDS: packets of one answer have come, more follow */
    bool failed;
};

struct load_options {
    const char *target, *host, *user, *password, *database, *workload;
    int port, clients, seconds, scale;
    long rows;
};

enum load_workload {
    LOAD_TPCB,      /* one transaction in one message */
    LOAD_TPCB_STEP, /* PostgreSQL only: pgbench's own form, a message a statement */
    LOAD_INSERT,
    LOAD_POINT,
    LOAD_POINT_TEXT, /* the same without parameters, every text a new one: ad-hoc SQL */
    LOAD_STREAM,     /* one connection, one big answer */
    LOAD_BULK,       /* one connection, one bulk load */
    LOAD_WORKLOADS
};

struct load_protocol {
    /* Connects and logs in; blocking. Exits with a message on failure. */
    void (*connect)(struct load_conn *c, const struct load_options *o);
    void (*prepare)(struct load_conn *c, enum load_workload w, const struct load_options *o);
    /* Runs SQL without results; blocking. */
    void (*run)(struct load_conn *c, const char *sql);
    /* Appends a request to c->out. False: no more requests in this transaction (TPCB_STEP). */
    bool (*request)(struct load_conn *c, enum load_workload w, const struct load_options *o,
                    int step);
    /* True when c->in holds the end of an answer; consumes it and sets c->failed. */
    bool (*answered)(struct load_conn *c);
    /* Sends `rows` rows and waits for the answer; blocking. */
    void (*bulk)(struct load_conn *c, long rows);
    /* txn.c: prepares a text with int parameters @1, @2, ... (blocking); appends its execution, or
     * a text, to c->out. */
    void (*prepare_slot)(struct load_conn *c, int slot, const char *text, int count);
    void (*execute_slot)(struct load_conn *c, int slot, const int32_t *values, int count);
    void (*query)(struct load_conn *c, const char *text);
};
extern const struct load_protocol load_tds, load_pg;

/* load_io.c: buffers and blocking I/O that the protocols share */
int64_t load_now_ns(void);
void load_put(struct load_conn *c, const void *bytes, size_t n);
void load_flush(struct load_conn *c); /* writes all of c->out, blocking */
void load_await(struct load_conn *c,
                const struct load_protocol *p); /* reads one answer, blocking */
/* Reads what is there, or waits for some. False at the end of the connection. */
bool load_read(struct load_conn *c);
void load_open(struct load_conn *c, const char *host, int port);
_Noreturn void load_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
uint32_t load_random(struct load_conn *c, uint32_t below);
