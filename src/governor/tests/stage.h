/* stage.h - threads that take turns on a clock of their own: a second of governance is played in
 * microseconds, and the same every time. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <cmocka.h>
#include "env/env.h"
#include "../governor_int.h"

enum { STAGE_ACTORS_MAX = 160, STAGE_STACK_BYTES = 128 * 1024 };
#define MS INT64_C(1000000)
#define S INT64_C(1000000000)

struct actor {
    ucontext_t context;
    char *stack;
    struct qri_gov_thread thread; /* while it is not on */
    struct qr_gov_task task;
    int64_t cpu_ns, wake_ns, until_ns;
    int64_t burst_ns; /* of CPU in a request */
    int64_t pause_ns; /* between requests */
    void (*play)(struct actor *a);
    uint64_t requests;
    int64_t worst_ns; /* of a request, its CPU time left out */
    bool is_over, is_cancelled;
};

struct stage {
    struct qr_env env; /* first */
    struct qr_env_ops ops;
    int64_t now_ns;
    ucontext_t main;
    struct actor actors[STAGE_ACTORS_MAX], *on;
    size_t count;
    struct qr_governor *gov;
};
extern struct stage stage;

void stage_open(struct qr_gov_options options, uint32_t vcore_ppm);
void stage_close(void);
struct qr_gov_group *stage_group(uint32_t id, uint64_t pool_key, struct qr_gov_limits limits,
                                 struct qr_gov_limits pool_limits);
/* It makes requests of `burst_ns` of CPU until then. */
struct actor *stage_enter(struct qr_gov_group *group, int64_t burst_ns, int64_t until_ns);
/* The same with any play. */
struct actor *stage_enter_play(struct qr_gov_group *group, void (*play)(struct actor *a),
                               int64_t until_ns);
void stage_run(void); /* until all are over */
/* For plays: uses the processor, polling as an engine does. */
void stage_use_cpu(struct actor *a, int64_t ns);
uint64_t stage_cpu_of(const struct qr_gov_group *group);
