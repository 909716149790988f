/* nodes.c - the log service and the page servers as processes that die and come back; see sim.h */
#include <stdio.h>
#include <stdlib.h>
#include "sim.h"
#include "base/banned.h"

enum { LOG_PORT = 0, PAGE_PORT = 1 };

struct qr_sim *new_disk(struct world *w)
{
    struct qr_sim *disk = qr_sim_new(&(struct qr_sim_options){.seed = pick(w, UINT64_MAX)});
    if (disk == NULL)
        abort();
    if (w->net != NULL)
        qr_simnet_attach(w->net, disk);
    return disk;
}

struct qr_rpc_peer *to_log(struct world *w, struct qr_simnet_node *from)
{
    return qr_simnet_peer(w->net, from, w->log.node, LOG_PORT);
}
struct qr_rpc_peer *to_server(struct world *w, struct qr_simnet_node *from, int n)
{
    return qr_simnet_peer(w->net, from, w->servers[n].node, PAGE_PORT);
}

/* --- the log service --- */

static void log_fatal(void *ctx, const struct qr_err *err)
{
    struct world *w = ctx;
    say(w, "log: fatal: %.100s", err->text);
    w->log.failed = true;
}

static void log_flush(void *arg)
{
    struct world *w = arg;
    w->log.flush_due = false;
    while (w->log.svc != NULL && !w->log.failed && qr_logsvc_flush(w->log.svc, NULL) == QR_OK)
        continue;
}

static void log_serve(void *ctx, struct qr_rpc_request *own_request)
{
    struct world *w = ctx;
    qr_logsvc_serve(w->log.svc, own_request);
    if (!w->log.flush_due) {
        w->log.flush_due = true;
        qr_simnet_at(w->net, w->log.node, (int64_t)pick(w, (uint64_t)MS / 2), log_flush, w);
    }
}

/* What was real before the crash is there. */
static void check_log_after_start(struct world *w)
{
    for (int i = 0; i < w->model.count; i++) {
        struct history *h = &w->model.timelines[i];
        struct qr_logsvc_state state;
        if (!h->alive)
            continue;
        enum qr_status status = qr_logsvc_state(w->log.svc, &h->id, &state, NULL);
        if (status != QR_OK) {
            violation(w, "the log service does not know timeline %d: %s", h->id.id[1],
                      qr_status_info(status)->name);
            continue;
        }
        for (int j = 1; j < h->commit_count; j++)
            if (h->commits[j].fate == REAL && h->commits[j].lsn > state.commit_lsn)
                violation(
                    w,
                    "after a crash the log of timeline %d ends at LSN %llx; the commit at %llx "
                    "is lost",
                    h->id.id[1], (unsigned long long)state.commit_lsn,
                    (unsigned long long)h->commits[j].lsn);
        if (state.epoch < h->fenced_epoch)
            violation(w, "after a crash epoch %d of timeline %d is forgotten", (int)h->fenced_epoch,
                      h->id.id[1]);
    }
}

/* Every process has its own, which knows nothing at its start. */
static struct qr_keyring *new_keyring(struct world *w, struct qr_env *env)
{
    struct qr_keyring *ring = NULL;
    if (w->server_key != NULL && qr_keyring_new(env, w->server_key, w->blob, &ring, NULL) != QR_OK)
        abort();
    return ring;
}

static void log_up(struct world *w)
{
    struct qr_logsvc_options options = {.env = qr_sim_env(w->log.disk),
                                        .dir = "/log",
                                        .blob = w->blob,
                                        .log = {&w->sink, "log"},
                                        .segment_bytes = 64 << 10,
                                        .journal_bytes_max = 4 << 20,
                                        .ring_bytes = 16 << 10,
                                        .queue_bytes_max = 128 << 10,
                                        .object_bytes = 16 << 10,
                                        .destage_age_ns = 30 * MS,
                                        .busy_bytes_per_s = 300 << 10,
                                        .reader_ttl_ns = 200 * MS,
                                        .lease_ttl_ns_max = 40 * MS,
                                        .fatal = log_fatal,
                                        .fatal_ctx = w,
                                        .threads_off = true};
    struct qr_err err;
    qr_err_reset(&err);
    options.keyring = w->log.keyring = new_keyring(w, options.env);
    enum qr_status status = qr_logsvc_open(&options, &w->log.svc, &err);
    say(w, "log: up: %s", status == QR_OK ? "ok" : err.text);
    if (status != QR_OK) {
        qr_keyring_free(QR_TAKE(w->log.keyring));
        w->log.svc = NULL;
        w->log.up_at_ns = now(w) + 5 * MS;
        if (status == QR_CORRUPT)
            violation(w, "the log service does not open: %s", err.text);
        return;
    }
    w->log.failed = w->log.flush_due = false;
    qr_simnet_up(w->log.node);
    qr_simnet_serve(w->log.node, LOG_PORT, log_serve, w);
    check_log_after_start(w);
}

void log_down(struct world *w, bool power)
{
    if (w->log.svc == NULL)
        return;
    say(w, "log: %s", power ? "power cut" : "killed");
    w->crashes++;
    qr_simnet_down(w->log.node);
    qr_logsvc_abandon(w->log.svc);
    qr_keyring_free(QR_TAKE(w->log.keyring));
    w->log.svc = NULL;
    w->log.flush_due = false;
    w->log.up_at_ns = now(w) + (int64_t)pick(w, 20 * (uint64_t)MS);
    if (power)
        qr_sim_power_cut(w->log.disk);
    else
        qr_sim_kill(w->log.disk);
    qr_sim_fault_next(w->log.disk, 0, false, QR_IO);
}

static void log_step(struct world *w)
{
    if (w->log.svc == NULL) {
        if (now(w) >= w->log.up_at_ns)
            log_up(w);
        return;
    }
    if (w->log.failed) {
        log_down(w, true);
        return;
    }
    qr_logsvc_tick(w->log.svc);
    bool more;
    if (chance(w, 1000))
        (void)!qr_logsvc_destage(w->log.svc, 1 + (uint32_t)pick(w, 3), &more, NULL);
}

/* --- page servers --- */

struct served { /* the context of a page server's port */
    struct world *w;
    int n;
};
static struct served contexts[SERVERS];

static void page_serve(void *ctx, struct qr_rpc_request *own_request)
{
    const struct served *s = ctx;
    struct page_node *p = &s->w->servers[s->n];
    bool changes = own_request->method != QR_PAGES_GET && own_request->method != QR_PAGES_CURSOR &&
                   own_request->method != QR_PAGES_LEASE;
    qr_pagesvc_serve(p->svc, own_request);
    if (changes)
        qr_pagefeed_poke(p->feed);
}

static void server_up(struct world *w, int n)
{
    struct page_node *p = &w->servers[n];
    struct qr_pagesvc_options options = {.env = qr_sim_env(p->disk),
                                         .dir = p->dir,
                                         .blob = w->blob,
                                         .log = {&w->sink, n == 0 ? "page0" : "page1"},
                                         .open_layer_bytes = 6 << 10,
                                         .group_memory_bytes = 4 << 10,
                                         .flush_age_ns = 20 * MS,
                                         .grace_ns = 30 * MS,
                                         .lease_ns_max = 40 * MS,
                                         .fan_in = 3,
                                         .threads_off = true};
    options.keyring = p->keyring = new_keyring(w, options.env);
    enum qr_status status = qr_pagesvc_open(&options, &p->svc, NULL);
    say(w, "page %d: up: %s", n, qr_status_info(status)->name);
    if (status != QR_OK) {
        qr_keyring_free(QR_TAKE(p->keyring));
        p->svc = NULL;
        p->up_at_ns = now(w) + 5 * MS;
        return;
    }
    qr_simnet_up(p->node);
    struct qr_pagefeed_options feed = {.env = options.env,
                                       .log = options.log,
                                       .svc = p->svc,
                                       .logsvc = to_log(w, p->node),
                                       .reader_id = 100 * (uint64_t)(n + 1),
                                       .bytes_max = 8 << 10,
                                       .wait_ns = 20 * MS,
                                       .answer_ns = 20 * MS,
                                       .rest_ns = 5 * MS};
    if (qr_pagefeed_new(&feed, &p->feed, NULL) != QR_OK)
        abort();
    contexts[n] = (struct served){w, n};
    qr_simnet_serve(p->node, PAGE_PORT, page_serve, &contexts[n]);
}

void server_down(struct world *w, int n, bool power)
{
    struct page_node *p = &w->servers[n];
    if (p->svc == NULL)
        return;
    say(w, "page %d: %s", n, power ? "power cut" : "killed");
    w->crashes++;
    qr_simnet_down(p->node);
    qr_pagefeed_free(p->feed);
    qr_pagesvc_close(p->svc);
    qr_keyring_free(QR_TAKE(p->keyring));
    p->svc = NULL;
    p->feed = NULL;
    memset(p->visible, 0, sizeof p->visible);
    p->up_at_ns = now(w) + (int64_t)pick(w, 20 * (uint64_t)MS);
    if (power)
        qr_sim_power_cut(p->disk);
    else
        qr_sim_kill(p->disk);
    qr_sim_fault_next(p->disk, 0, false, QR_IO);
}

static void server_step(struct world *w, int n)
{
    struct page_node *p = &w->servers[n];
    if (p->svc == NULL) {
        if (now(w) >= p->up_at_ns)
            server_up(w, n);
        return;
    }
    bool more = false;
    struct qr_err err;
    qr_err_reset(&err);
    if (chance(w, 4000) && qr_pagesvc_work(p->svc, &more, &err) == QR_CORRUPT)
        violation(w, "page server %d: work: %s", n, err.text);
    if (qr_sim_fault_fired(p->disk)) {
        server_down(w, n, true);
        return;
    }
    qr_pagesvc_tick(p->svc);
    if (chance(w, 5000))
        qr_pagefeed_tick(p->feed);
}

void nodes_step(struct world *w)
{
    log_step(w);
    for (int n = 0; n < SERVERS; n++)
        server_step(w, n);
}

/* --- all --- */

/* Without the time, which the trace has. A slice that is attached begins anew from its manifest, so
 * that its visible LSN may be an older one. */
static void log_line(void *arg, const char *line, size_t bytes)
{
    struct world *w = arg;
    const char *comp = strstr(line, "comp=");
    if (comp == NULL)
        return;
    say(w, "%.*s", (int)(bytes - (size_t)(comp - line) - 1), comp);
    for (int n = 0; n < SERVERS; n++)
        if (strncmp(comp, n == 0 ? "comp=page0 " : "comp=page1 ", 11) == 0 &&
            strstr(comp, "ev=slice_attached ") != NULL)
            memset(w->servers[n].visible, 0, sizeof w->servers[n].visible);
}

void nodes_init(struct world *w)
{
    w->blob_disk = new_disk(w);
    struct qr_simnet_options options = {
        .seed = pick(w, UINT64_MAX), .sim = w->blob_disk, .timeout_ns = 50 * MS};
    w->net = qr_simnet_new(&options);
    w->sink = (struct qr_log_sink){
        .env = qr_sim_env(w->blob_disk), .write = log_line, .arg = w, .level = QR_INFO};
    w->log.disk = new_disk(w);
    w->log.node = qr_simnet_node(w->net, "log");
    struct qr_env *env = qr_sim_env(w->blob_disk);
    if (qr_blob_open(env, NULL, "file:///blob", "", &w->store, NULL) != QR_OK)
        abort();
    w->blob = qr_simblob_new(env, w->store, pick(w, UINT64_MAX), &(struct qr_simblob_faults){0});
    qr_simblob_set_remote(w->blob, w->seed / 2 % 2 == 0);
    if (w->seed % 2 == 0 &&
        qr_server_key_open(env, "/server.key", true, &w->server_key, NULL) != QR_OK)
        abort();
    log_up(w);
    for (int n = 0; n < SERVERS; n++) {
        struct page_node *p = &w->servers[n];
        char name[16];
        snprintf(name, sizeof name, "page%d", n);
        snprintf(p->dir, sizeof p->dir, "/page");
        p->node = qr_simnet_node(w->net, name);
        p->disk = new_disk(w);
        server_up(w, n);
    }
    for (int n = 0; n < WRITERS; n++) {
        char name[16];
        snprintf(name, sizeof name, "writer%d", n);
        w->writers[n].node = qr_simnet_node(w->net, name);
        w->writers[n].timeline = -1;
    }
    w->control.node = qr_simnet_node(w->net, "control");
    computes_init(w);
}

void nodes_done(struct world *w)
{
    for (int n = 0; n < COMPUTES; n++)
        compute_down(w, n, false);
    for (int n = 0; n < WRITERS; n++)
        writer_down(w, n);
    for (int n = 0; n < SERVERS; n++)
        server_down(w, n, false);
    log_down(w, false);
    qr_simnet_free(w->net);
    asks_free(w);
    qr_server_key_close(w->server_key);
    qr_blob_close(w->blob);
    qr_blob_close(w->store);
    for (int n = 0; n < COMPUTES; n++)
        qr_sim_free(w->computes[n].disk);
    for (int n = 0; n < SERVERS; n++)
        qr_sim_free(w->servers[n].disk);
    qr_sim_free(w->log.disk);
    qr_sim_free(w->blob_disk);
}
