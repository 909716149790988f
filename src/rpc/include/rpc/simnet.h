/* rpc/simnet.h - a simulated network: the same frames and peers as rpc/socket.h, in one thread, on
 * the clock of env/sim.h, replayed exactly by its seed.
 *
 * Nodes stand for processes. A frame becomes an event; events run in the order of (time, sequence),
 * the clock jumps from one to the next. Between two nodes frames keep their order unless the faults
 * say otherwise; each can be delayed, dropped, doubled, held back, damaged. What a node says to one
 * that is down is refused (QR_CLOSED), what it says across a cut is lost (QR_TIMEOUT), a damaged
 * frame ends the connection of its two nodes (QR_CORRUPT where it arrived, QR_CLOSED on the other
 * side).
 *
 * Threads: one. `done`, `serve` and timers run inside wait, step and run; each of them may wait in
 * turn (SIMNET_DEPTH_MAX deep). Everything is freed with the network. */
#pragma once
#include "env/sim.h"
#include "rpc/rpc.h"

enum { QR_SIMNET_PORTS = 8, QR_SIMNET_DEPTH_MAX = 64 };

struct qr_simnet;
struct qr_simnet_node;

/* Rates are parts per million of frames. */
struct qr_simnet_faults {
    int64_t delay_min_ns, delay_max_ns; /* both 0: 50 to 500 microseconds */
    uint32_t drop_ppm, duplicate_ppm, damage_ppm;
    uint32_t hold_ppm; /* held back up to hold_ns, so that later frames overtake it */
    int64_t hold_ns;   /* 0: 50 ms */
};
struct qr_simnet_options {
    uint64_t seed;
    struct qr_sim *sim; /* its clock moves with the events */
    struct qr_simnet_faults faults;
    int64_t timeout_ns; /* of a call that names none; 0: 5 s */
};

/* NULL when out of memory. */
struct qr_simnet *qr_simnet_new(const struct qr_simnet_options *options);
/* Ends as a power cut does: no `done` is called any more, parked requests are freed. NULL is
 * accepted. */
void qr_simnet_free(struct qr_simnet *net);
/* Another machine of the test, whose clock is to move along (and is moved to this moment now). */
void qr_simnet_attach(struct qr_simnet *net, struct qr_sim *sim);
void qr_simnet_set_faults(struct qr_simnet *net, const struct qr_simnet_faults *faults);

/* The node of that name, made if it is new; it is up. Names are copied. */
struct qr_simnet_node *qr_simnet_node(struct qr_simnet *net, const char *name);
/* What answers at a port (0 to QR_SIMNET_PORTS - 1) until the node goes down. NULL: nothing. */
void qr_simnet_serve(struct qr_simnet_node *node, int port, qr_rpc_serve_fn *serve, void *ctx);
/* How `from` sees that port of `to`; the same peer each time. */
struct qr_rpc_peer *qr_simnet_peer(struct qr_simnet *net, struct qr_simnet_node *from,
                                   struct qr_simnet_node *to, int port);

/* The process dies: `done` of its calls runs now with QR_CLOSED (what they start anew is
 * forgotten), its timers and services are gone, requests that it has not answered are dropped when
 * it or qr_simnet_free lets them go; calls of others to it end with QR_CLOSED a little later. */
void qr_simnet_down(struct qr_simnet_node *node);
void qr_simnet_up(struct qr_simnet_node *node); /* a new process: call qr_simnet_serve again */
bool qr_simnet_is_up(const struct qr_simnet_node *node);
/* Frames from one to the other are lost (one direction). */
void qr_simnet_cut(struct qr_simnet *net, struct qr_simnet_node *from, struct qr_simnet_node *to,
                   bool cut);
void qr_simnet_heal(struct qr_simnet *net); /* ends all cuts */

/* `fn` runs after `delay_ns`. With a node: not if it goes down before. */
void qr_simnet_at(struct qr_simnet *net, struct qr_simnet_node *node, int64_t delay_ns,
                  void (*fn)(void *arg), void *arg);
int64_t qr_simnet_now_ns(struct qr_simnet *net); /* the monotonic clock of all machines */
/* Runs the next event, moving the clock to it; false when there is none. */
bool qr_simnet_step(struct qr_simnet *net);
/* Runs what is due in the next `ns`, and moves the clock to their end. */
void qr_simnet_run(struct qr_simnet *net, int64_t ns);
/* A number over all events so far, their order and bytes: equal for equal runs. */
uint64_t qr_simnet_digest(const struct qr_simnet *net);

struct qr_simnet_stats {
    uint64_t sent, delivered, dropped, duplicated, held, damaged, cut;
};
void qr_simnet_stats(const struct qr_simnet *net, struct qr_simnet_stats *ret_stats);
