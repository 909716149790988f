/* bench_handoff.c - what a session costs that is served here, handed to a node, or relayed to one:
 * SELECT 1 and its answer, one client, wall clock and processor time of all sides together. The
 * best of many short rounds, because the machine has others to serve. */
#include <assert.h>
#include <stdio.h>
#include <time.h>
#include "handoff_world.h"
#include "base/banned.h"

enum { ROUNDS = 30, REQUESTS = 1000 };

static double seconds(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

static void measure(struct world *world, const char *name, bool encrypted)
{
    static struct client client;
    int answer = client_login(&client, world_port(world), encrypted, "");
    assert(answer == 0);
    double best_wall = 1e9, best_cpu = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
        for (int i = 0; i < REQUESTS; i++) {
            bool ok = client_select(&client, i);
            assert(ok);
        }
        best_wall = least(best_wall, seconds(CLOCK_MONOTONIC) - wall);
        best_cpu = least(best_cpu, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    }
    printf("{\"bench\":\"gateway/%s\",\"ns_per_op\":%.0f,\"cpu_ns_per_op\":%.0f}\n", name,
           best_wall / REQUESTS * 1e9, best_cpu / REQUESTS * 1e9);
    client_close(&client);
}

int main(void)
{
    static struct world alone, split;
    world_setup();
    world_init(&alone);
    world_start_alone(&alone);
    world_init(&split);
    world_start_node(&split);
    world_start_front(&split, 0);
    measure(&alone, "clear_served_here", false);
    measure(&split, "clear_handed_off", false);
    measure(&alone, "encrypted_served_here", true);
    measure(&split, "encrypted_relayed", true);
    world_done(&split);
    world_done(&alone);
    world_teardown();
    return 0;
}
