/* world.c - chance, trace, calls; see sim.h */
#include "sim.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/banned.h"

const int64_t MS = 1000000;

uint64_t pick(struct world *w, uint64_t below)
{
    uint64_t z = (w->random += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return below == 0 ? 0 : z % below;
}

bool chance(struct world *w, uint32_t percent_of_percent)
{
    return pick(w, 10000) < percent_of_percent;
}

int64_t now(struct world *w)
{
    return qr_simnet_now_ns(w->net);
}

void say(struct world *w, const char *fmt, ...)
{
    char *line = w->trace[w->trace_count++ % TRACE_LINES];
    int n = snprintf(line, TRACE_BYTES, "%9.3f ms  ", (double)now(w) / (double)MS);
    va_list args;
    va_start(args, fmt);
    vsnprintf(line + n, TRACE_BYTES - (size_t)n, fmt, args);
    va_end(args);
    for (const char *p = line; *p != 0; p++)
        w->digest = (w->digest ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
}

void violation(struct world *w, const char *fmt, ...)
{
    if (w->failed)
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(w->why, sizeof w->why, fmt, args);
    va_end(args);
    w->failed = true;
    say(w, "VIOLATION %s", w->why);
}

/* --- calls --- */

struct ask {
    struct qr_rpc_call call; /* first */
    struct ask *prev, *next;
    struct world *w;
    struct qr_buf body;
    answered_fn *done;
    uint64_t tag;
};

static void ask_free(struct ask *a)
{
    if (a->prev != NULL)
        a->prev->next = a->next;
    else
        a->w->asks = a->next;
    if (a->next != NULL)
        a->next->prev = a->prev;
    qr_buf_done(&a->body);
    free(a);
}

static void ask_done(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct ask *a = (struct ask *)(void *)call;
    a->done(a->w, a->tag, reply);
    ask_free(a);
}

void ask(struct world *w, struct qr_rpc_peer *peer, uint16_t method, struct qr_buf *own_body,
         int64_t timeout_ns, answered_fn *done, uint64_t tag)
{
    struct ask *a = calloc(1, sizeof *a);
    if (a == NULL)
        abort();
    *a = (struct ask){.w = w, .next = w->asks, .body = *own_body, .done = done, .tag = tag};
    if (w->asks != NULL)
        w->asks->prev = a;
    w->asks = a;
    a->call = (struct qr_rpc_call){.method = method,
                                   .body_count = 1,
                                   .body = {{a->body.data, a->body.len}},
                                   .timeout_ns = timeout_ns,
                                   .done = ask_done};
    qr_rpc_start(peer, &a->call);
}

void asks_free(struct world *w)
{
    while (w->asks != NULL)
        ask_free(w->asks);
}
