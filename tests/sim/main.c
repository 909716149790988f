/* main.c - sim: runs seeds of the simulation; see sim.h and README.md.
 *
 *   sim --seeds FROM COUNT [--trace]      ends with "N passed, N failed"
 *   sim --break NAME --seeds FROM COUNT   the same with one safety removed (only where it was built
 *                                         with -DQR_SIM_BREAK): ends well if a seed reports it */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sim.h"
#include "base/sim_break.h"
#include "base/banned.h"

enum { RUN_MS = 250, CALM_MS = 250 };

static bool trace_wanted;

#ifdef __SANITIZE_THREAD__
/* One thread plays every process, each within the calls of others: what looks like an order of
 * locks is of locks that no process has two of. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "detect_deadlocks=0";
}
#endif

#ifdef QR_SIM_BREAK
enum qr_sim_break qr_sim_break;
static const char *const break_names[] = {
    [QR_BREAK_NONE] = "none",   [QR_BREAK_EPOCH] = "epoch", [QR_BREAK_SYNC] = "sync",
    [QR_BREAK_WAIT] = "wait",   [QR_BREAK_VOID] = "void",   [QR_BREAK_PIN] = "pin",
    [QR_BREAK_FETCH] = "fetch", [QR_BREAK_EARLY] = "early", [QR_BREAK_STALE] = "stale",
    [QR_BREAK_LEASE] = "lease", [QR_BREAK_HOLD] = "hold",
};

static bool set_break(const char *name)
{
    for (size_t i = 0; i < sizeof break_names / sizeof break_names[0]; i++) {
        if (strcmp(name, break_names[i]) == 0) {
            qr_sim_break = (enum qr_sim_break)i;
            return true;
        }
    }
    return false;
}
static bool is_broken(void)
{
    return qr_sim_break != QR_BREAK_NONE;
}
#else
static bool set_break(const char *name)
{
    fprintf(stderr, "sim: nothing of '%s' can be broken in this build\n", name);
    return false;
}
static bool is_broken(void)
{
    return false;
}
#endif

/* --- faults --- */

static void network_faults(struct world *w)
{
    if (chance(w, 100) || w->trace_count == 0) {
        uint32_t worse = chance(w, 3000) ? 0 : (uint32_t)pick(w, 4);
        struct qr_simnet_faults faults = {.delay_min_ns = MS / 50,
                                          .delay_max_ns = MS / 2 + (int64_t)pick(w, 2) * MS,
                                          .drop_ppm = worse * 8000,
                                          .duplicate_ppm = worse * 8000,
                                          .hold_ppm = worse * 15000,
                                          .hold_ns = 8 * MS,
                                          .damage_ppm = worse * 1000};
        qr_simnet_set_faults(w->net, &faults);
        say(w, "net: faults of degree %u", worse);
    }
    if (chance(w, 80)) {
        struct qr_simnet_node *nodes[] = {
            w->log.node,         w->servers[0].node, w->servers[1].node,  w->writers[0].node,
            w->computes[0].node, w->control.node,    w->computes[1].node, w->computes[2].node};
        int a = (int)pick(w, 8), b = (int)pick(w, 8);
        qr_simnet_cut(w->net, nodes[a], nodes[b], true);
        say(w, "net: cut from node %d to %d", a, b);
    }
    if (chance(w, 300))
        qr_simnet_heal(w->net);
}

static void disk_faults(struct world *w)
{
    if (w->log.svc != NULL && chance(w, 40))
        qr_sim_fault_next(w->log.disk, 1 + pick(w, 20), true, QR_IO);
    for (int n = 0; n < SERVERS; n++)
        if (w->servers[n].svc != NULL && chance(w, 30))
            qr_sim_fault_next(w->servers[n].disk, 1 + pick(w, 30), true, QR_IO);
    if (w->log.svc != NULL && qr_sim_fault_fired(w->log.disk) && chance(w, 5000))
        log_down(w, true);
    if (chance(w, 60)) {
        struct qr_simblob_faults faults = {0};
        if (chance(w, 5000))
            faults = (struct qr_simblob_faults){.refuse_ppm = 200000, .lose_ppm = 100000};
        qr_simblob_set_faults(w->blob, &faults);
        say(w, "blob: %s", faults.refuse_ppm > 0 ? "fails now and then" : "well");
    }
}

static void crashes(struct world *w)
{
    if (chance(w, 60))
        log_down(w, chance(w, 5000));
    for (int n = 0; n < SERVERS; n++)
        if (chance(w, 50))
            server_down(w, n, chance(w, 5000));
    for (int n = 0; n < WRITERS; n++)
        if (chance(w, 30))
            writer_down(w, n);
    for (int n = 0; n < COMPUTES; n++)
        if (chance(w, 30))
            compute_down(w, n, chance(w, 5000));
    if (chance(w, 30)) {
        struct qr_sim *disks[] = {w->log.disk, w->servers[0].disk, w->servers[1].disk,
                                  w->blob_disk};
        struct qr_sim *disk = disks[pick(w, 4)];
        int64_t step = ((int64_t)pick(w, 7200) - 3600) * 1000 * MS;
        qr_sim_set_wall(disk, qr_env_wall_ns(qr_sim_env(disk)) + step);
        say(w, "clock: a step of %d s", (int)(step / 1000 / MS));
    }
}

static void end_faults(struct world *w)
{
    w->calm = true;
    qr_simnet_heal(w->net);
    qr_simnet_set_faults(w->net, &(struct qr_simnet_faults){.delay_max_ns = MS / 10});
    qr_simblob_set_faults(w->blob, &(struct qr_simblob_faults){0});
    qr_sim_fault_next(w->log.disk, 0, false, QR_IO);
    for (int n = 0; n < SERVERS; n++)
        qr_sim_fault_next(w->servers[n].disk, 0, false, QR_IO);
    say(w, "all is calm");
}

/* --- one seed --- */

static void reached(void *arg)
{
    *(bool *)arg = true;
}

static void run_ms(struct world *w)
{
    bool over = false;
    qr_simnet_at(w->net, NULL, MS, reached, &over);
    while (!over && !w->failed) {
        qr_simnet_step(w->net);
        check_step(w);
    }
}

/* Comes by itself every millisecond, also while a compute node waits for an answer. */
static void step(void *arg)
{
    struct world *w = arg;
    if (w->failed || w->ms++ >= RUN_MS + CALM_MS)
        return;
    qr_simnet_at(w->net, NULL, MS, step, w);
    if (w->ms == RUN_MS)
        end_faults(w);
    if (!w->calm) {
        network_faults(w);
        disk_faults(w);
        crashes(w);
    }
    nodes_step(w);
    control_step(w);
    for (int n = 0; n < WRITERS; n++)
        writer_step(w, n);
    for (int n = 0; n < COMPUTES; n++)
        compute_step(w, n);
    if (w->model.count > 0 && chance(w, 3000))
        check_reads(w);
    check_step(w);
}

static void print_trace(const struct world *w)
{
    uint64_t from = w->trace_count > TRACE_LINES ? w->trace_count - TRACE_LINES : 0;
    for (uint64_t i = from; i < w->trace_count; i++)
        printf("%s\n", w->trace[i % TRACE_LINES]);
}

struct totals {
    uint64_t commits, acks, reads, crashes, branches, opens, promotions;
};

/* Returns whether all was well; *ret_digest is a number over everything that happened. */
static bool run_seed(uint64_t seed, bool quiet, uint64_t *ret_digest, struct totals *totals)
{
    struct world *w = calloc(1, sizeof *w);
    if (w == NULL)
        abort();
    w->seed = seed;
    w->random = seed * UINT64_C(0x2545f4914f6cdd1d) + 1;
    nodes_init(w);
    qr_simnet_at(w->net, NULL, MS, step, w);
    while (w->ms <= RUN_MS + CALM_MS && !w->failed)
        run_ms(w);
    if (!w->failed)
        check_all(w);
    bool well = !w->failed;
    say(w, "the end");
    *ret_digest = w->digest ^ qr_simnet_digest(w->net);
    if (trace_wanted || (!well && !quiet))
        print_trace(w);
    if (!well && !quiet)
        printf("seed %llu: %s\n", (unsigned long long)seed, w->why);
    else if (!well)
        printf("seed %llu reports: %s\n", (unsigned long long)seed, w->why);
    *totals = (struct totals){totals->commits + w->commits,      totals->acks + w->acks,
                              totals->reads + w->reads,          totals->crashes + w->crashes,
                              totals->branches + w->branches,    totals->opens + w->opens,
                              totals->promotions + w->promotions};
    nodes_done(w);
    model_done(&w->model);
    free(w);
    return well;
}

/* The same seed twice is the same run. */
static bool replays(uint64_t seed)
{
    uint64_t first, second;
    struct totals none = {0};
    (void)run_seed(seed, true, &first, &none);
    (void)run_seed(seed, true, &second, &none);
    if (first != second)
        printf("seed %llu does not replay: %016llx and %016llx\n", (unsigned long long)seed,
               (unsigned long long)first, (unsigned long long)second);
    return first == second;
}

/* One safety is missing: a seed has to report it. */
static int run_broken(uint64_t from, uint64_t count)
{
    struct totals totals = {0};
    uint64_t digest;
    for (uint64_t seed = from; seed < from + count; seed++)
        if (!run_seed(seed, true, &digest, &totals)) {
            printf("1 passed, 0 failed\n");
            return 0;
        }
    printf("no seed of %llu notices it\n0 passed, 1 failed\n", (unsigned long long)count);
    return 1;
}

static int run_well(uint64_t from, uint64_t count)
{
    uint64_t failed = replays(from) ? 0 : 1, digest;
    struct totals totals = {0};
    for (uint64_t seed = from; seed < from + count; seed++)
        failed += !run_seed(seed, false, &digest, &totals);
    printf("%llu commits, %llu acknowledged, %llu pages read, %llu crashes, %llu branches, "
           "%llu compute nodes, %llu promotions\n",
           (unsigned long long)totals.commits, (unsigned long long)totals.acks,
           (unsigned long long)totals.reads, (unsigned long long)totals.crashes,
           (unsigned long long)totals.branches, (unsigned long long)totals.opens,
           (unsigned long long)totals.promotions);
    printf("%llu passed, %llu failed\n", (unsigned long long)(count + 1 - failed),
           (unsigned long long)failed);
    return failed == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    uint64_t from = 1, count = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seeds") == 0 && i + 2 < argc) {
            from = strtoull(argv[++i], NULL, 10);
            count = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--trace") == 0) {
            trace_wanted = true;
        } else if (strcmp(argv[i], "--break") != 0 || i + 1 == argc || !set_break(argv[++i])) {
            fprintf(stderr, "usage: sim --seeds FROM COUNT [--trace] [--break NAME]\n");
            return 2;
        }
    }
    return is_broken() ? run_broken(from, count) : run_well(from, count);
}
