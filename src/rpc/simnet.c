/* simnet.c - see rpc/simnet.h: events, nodes, the clock */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/crc.h"
#include "simnet_int.h"
#include "base/banned.h"

enum { EVENTS_MAX = 1 << 22 };
static const int64_t DELAY_MIN_NS = 50000, DELAY_MAX_NS = 500000;
static const int64_t TIMEOUT_NS = INT64_C(5000000000);
static const int64_t HOLD_NS = 50000000;

/* splitmix64 */
uint64_t qri_net_random(struct qr_simnet *net, uint64_t below)
{
    uint64_t z = (net->random_state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return below == 0 ? 0 : z % below;
}

int64_t qri_net_delay(struct qr_simnet *net)
{
    const struct qr_simnet_faults *faults = &net->options.faults;
    uint64_t spread = (uint64_t)(faults->delay_max_ns - faults->delay_min_ns) + 1;
    return faults->delay_min_ns + (int64_t)qri_net_random(net, spread);
}

void qr_simnet_set_faults(struct qr_simnet *net, const struct qr_simnet_faults *faults)
{
    struct qr_simnet_faults *own = &net->options.faults;
    *own = *faults;
    if (own->delay_max_ns == 0) {
        own->delay_min_ns = DELAY_MIN_NS;
        own->delay_max_ns = DELAY_MAX_NS;
    }
    if (own->hold_ns == 0)
        own->hold_ns = HOLD_NS;
    assert(own->delay_min_ns >= 0 && own->delay_min_ns <= own->delay_max_ns);
}

static bool earlier(const struct qri_net_event *a, const struct qri_net_event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->sequence < b->sequence;
}

static void swap(struct qri_net_event *a, struct qri_net_event *b)
{
    struct qri_net_event kept = *a;
    *a = *b;
    *b = kept;
}

void qri_net_add(struct qr_simnet *net, struct qri_net_event event, int64_t delay_ns)
{
    assert(delay_ns >= 0 && net->event_count < EVENTS_MAX);
    if (net->event_count == net->event_capacity) {
        size_t capacity = net->event_capacity == 0 ? 256 : 2 * net->event_capacity;
        struct qri_net_event *heap = realloc(net->heap, capacity * sizeof *heap);
        assert(heap != NULL); /* a test without memory has nothing to tell */
        net->heap = heap;
        net->event_capacity = capacity;
    }
    event.at_ns = qr_simnet_now_ns(net) + delay_ns;
    event.sequence = ++net->last_sequence;
    size_t at = net->event_count++;
    net->heap[at] = event;
    for (; at > 0 && earlier(&net->heap[at], &net->heap[(at - 1) / 2]); at = (at - 1) / 2)
        swap(&net->heap[at], &net->heap[(at - 1) / 2]);
}

static struct qri_net_event take_first(struct qr_simnet *net)
{
    struct qri_net_event first = net->heap[0];
    net->heap[0] = net->heap[--net->event_count];
    for (size_t at = 0;;) {
        size_t least = at, left = 2 * at + 1, right = 2 * at + 2;
        if (left < net->event_count && earlier(&net->heap[left], &net->heap[least]))
            least = left;
        if (right < net->event_count && earlier(&net->heap[right], &net->heap[least]))
            least = right;
        if (least == at)
            return first;
        swap(&net->heap[at], &net->heap[least]);
        at = least;
    }
}

int64_t qr_simnet_now_ns(struct qr_simnet *net)
{
    int64_t now = INT64_MIN; /* whoever slept on one machine's clock is ahead of the others */
    for (size_t i = 0; i < net->sim_count; i++) {
        int64_t mono = qr_env_mono_ns(qr_sim_env(net->sims[i]));
        now = mono > now ? mono : now;
    }
    return now;
}

static void move_clocks(struct qr_simnet *net, int64_t to_ns)
{
    for (size_t i = 0; i < net->sim_count; i++) {
        int64_t mono = qr_env_mono_ns(qr_sim_env(net->sims[i]));
        if (mono < to_ns)
            qr_sim_advance(net->sims[i], to_ns - mono);
    }
}

static void note(struct qr_simnet *net, const struct qri_net_event *event)
{
    uint64_t numbers[4] = {(uint64_t)event->at_ns, event->sequence, (uint64_t)event->kind,
                           event->call_id};
    uint32_t crc = qr_crc32c((uint32_t)net->digest, numbers, sizeof numbers);
    if (event->kind == QRI_NET_FRAME)
        crc = qr_crc32c(crc, event->bytes, event->byte_count);
    net->digest = (net->digest * UINT64_C(0x100000001b3)) ^ crc;
}

static void run_event(struct qr_simnet *net, struct qri_net_event *event)
{
    switch (event->kind) {
    case QRI_NET_FRAME:
        qri_net_frame_arrived(net, event);
        free(event->bytes);
        break;
    case QRI_NET_TIMER:
        if (event->node == NULL || (event->node->up && event->node->boot == event->from_boot))
            event->fn(event->arg);
        break;
    case QRI_NET_DEADLINE:
        qri_net_end_call(event->peer, event->call_id, QR_TIMEOUT);
        break;
    case QRI_NET_OUTCOME:
        qri_net_end_call(event->peer, event->call_id, event->outcome);
        break;
    }
}

bool qr_simnet_step(struct qr_simnet *net)
{
    if (net->event_count == 0)
        return false;
    assert(net->depth < QR_SIMNET_DEPTH_MAX);
    struct qri_net_event event = take_first(net);
    int64_t now = qr_simnet_now_ns(net);
    move_clocks(net, event.at_ns > now ? event.at_ns : now);
    note(net, &event);
    net->depth += 1;
    run_event(net, &event);
    net->depth -= 1;
    return true;
}

void qr_simnet_run(struct qr_simnet *net, int64_t ns)
{
    int64_t until = qr_simnet_now_ns(net) + ns;
    while (net->event_count > 0 && net->heap[0].at_ns <= until)
        qr_simnet_step(net);
    move_clocks(net, until);
}

uint64_t qr_simnet_digest(const struct qr_simnet *net)
{
    return net->digest;
}

void qr_simnet_stats(const struct qr_simnet *net, struct qr_simnet_stats *ret_stats)
{
    *ret_stats = net->stats;
}

struct qr_simnet *qr_simnet_new(const struct qr_simnet_options *options)
{
    struct qr_simnet *net = calloc(1, sizeof *net);
    if (net == NULL)
        return NULL;
    net->options = *options;
    if (net->options.timeout_ns == 0)
        net->options.timeout_ns = TIMEOUT_NS;
    qr_simnet_set_faults(net, &options->faults);
    net->random_state = options->seed;
    net->sims[net->sim_count++] = options->sim;
    return net;
}

void qr_simnet_attach(struct qr_simnet *net, struct qr_sim *sim)
{
    assert(net->sim_count < QRI_NET_SIMS_MAX);
    net->sims[net->sim_count++] = sim;
    move_clocks(net, qr_simnet_now_ns(net));
}

void qr_simnet_free(struct qr_simnet *net)
{
    if (net == NULL)
        return;
    for (size_t i = 0; i < net->event_count; i++)
        free(net->heap[i].bytes);
    free(net->heap);
    while (net->requests != NULL) {
        struct qri_net_request *request = net->requests;
        net->requests = request->next;
        free(request);
    }
    while (net->peers != NULL) {
        struct qri_net_peer *peer = net->peers;
        net->peers = peer->next;
        free(peer);
    }
    for (size_t i = 0; i < net->node_count; i++)
        free(net->nodes[i]);
    free(net);
}

struct qr_simnet_node *qr_simnet_node(struct qr_simnet *net, const char *name)
{
    for (size_t i = 0; i < net->node_count; i++) {
        if (strcmp(net->nodes[i]->name, name) == 0)
            return net->nodes[i];
    }
    assert(net->node_count < QRI_NET_NODES_MAX);
    struct qr_simnet_node *node = calloc(1, sizeof *node);
    assert(node != NULL && strlen(name) < sizeof node->name);
    snprintf(node->name, sizeof node->name, "%s", name);
    node->net = net;
    node->index = net->node_count;
    node->up = true;
    net->nodes[net->node_count++] = node;
    return node;
}

void qr_simnet_serve(struct qr_simnet_node *node, int port, qr_rpc_serve_fn *serve, void *ctx)
{
    assert(node->up && port >= 0 && port < QR_SIMNET_PORTS);
    node->ports[port].serve = serve;
    node->ports[port].ctx = ctx;
}

struct qr_rpc_peer *qr_simnet_peer(struct qr_simnet *net, struct qr_simnet_node *from,
                                   struct qr_simnet_node *to, int port)
{
    assert(port >= 0 && port < QR_SIMNET_PORTS);
    for (struct qri_net_peer *peer = net->peers; peer != NULL; peer = peer->next) {
        if (peer->from == from && peer->to == to && peer->port == port)
            return &peer->base;
    }
    struct qri_net_peer *peer = calloc(1, sizeof *peer);
    assert(peer != NULL);
    *peer = (struct qri_net_peer){.base.ops = &qri_net_peer_ops,
                                  .next = net->peers,
                                  .net = net,
                                  .from = from,
                                  .to = to,
                                  .port = port};
    net->peers = peer;
    return &peer->base;
}

/* Others notice that the connection is gone, unless nothing comes through. */
static void reset_askers(struct qri_net_peer *peer)
{
    struct qr_simnet *net = peer->net;
    if (net->cuts[peer->to->index][peer->from->index])
        return;
    for (struct qr_rpc_call *call = peer->calls; call != NULL; call = call->next) {
        struct qri_net_event event = {
            .kind = QRI_NET_OUTCOME, .peer = peer, .call_id = call->id, .outcome = QR_CLOSED};
        qri_net_add(net, event, qri_net_delay(net));
    }
}

void qr_simnet_down(struct qr_simnet_node *node)
{
    struct qr_simnet *net = node->net;
    if (!node->up)
        return;
    node->up = false;
    node->boot += 1;
    memset(node->ports, 0, sizeof node->ports);
    for (struct qri_net_peer *peer = net->peers; peer != NULL; peer = peer->next) {
        if (peer->from == node) {
            qri_net_forget_requests(peer);
            qri_net_end_all(peer, QR_CLOSED);
        } else if (peer->to == node) {
            reset_askers(peer);
        }
    }
}

void qr_simnet_up(struct qr_simnet_node *node)
{
    node->up = true;
}

bool qr_simnet_is_up(const struct qr_simnet_node *node)
{
    return node->up;
}

void qr_simnet_cut(struct qr_simnet *net, struct qr_simnet_node *from, struct qr_simnet_node *to,
                   bool cut)
{
    net->cuts[from->index][to->index] = cut;
}

void qr_simnet_heal(struct qr_simnet *net)
{
    memset(net->cuts, 0, sizeof net->cuts);
}

void qr_simnet_at(struct qr_simnet *net, struct qr_simnet_node *node, int64_t delay_ns,
                  void (*fn)(void *arg), void *arg)
{
    if (node != NULL && !node->up)
        return; /* a dead process sets no timers */
    struct qri_net_event event = {.kind = QRI_NET_TIMER,
                                  .node = node,
                                  .from_boot = node == NULL ? 0 : node->boot,
                                  .fn = fn,
                                  .arg = arg};
    qri_net_add(net, event, delay_ns);
}
