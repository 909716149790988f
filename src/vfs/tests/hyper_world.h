/* hyper_world.h - log service, page server and compute nodes as machines of one simulation. */
#pragma once
#include "qr_test.h"
#include <stdio.h>
#include <stdlib.h>
#include "blob/blob.h"
#include "env/sim.h"
#include "logsvc/logsvc.h"
#include "logsvc/peer.h"
#include "logsvc/piece.h"
#include "logsvc/serve.h"
#include "pagesvc/client.h"
#include "rpc/simnet.h"
#include "store/hyper.h"
#include "vfs/conn.h"

enum {
    HW_PAGE_BYTES = 4096,
    HW_CACHE_BYTES = 256 << 10,
    HW_FEED_BYTES = 1 << 20,
    HW_SLICES_MAX = 64
};
static const int64_t HW_MS = 1000000;

struct hw {
    struct qr_sim *log_sim, *pages_sim, *compute_sim;
    struct qr_simnet *net;
    struct qr_simnet_node *log_node, *pages_node;
    struct qr_blob *blob;
    struct qr_logsvc *log;
    struct qr_pagesvc *pages;
    struct qr_slice_id slice;
    struct qr_logsvc_options log_options;
    int fatal_count;
    bool feeding_stopped;
    uint64_t rbpex_bytes, rbpex_log_bytes;
    uint64_t slice_bytes; /* 0: as they are */
};

static inline void hw_check(enum qr_status status, const struct qr_err *err)
{
    if (status != QR_OK)
        fail_msg("%s: %s", qr_status_info(status)->name, err->text);
}

/* What the log service's threads would do. */
static inline void hw_log_step(void *arg)
{
    struct hw *w = arg;
    while (qr_logsvc_flush(w->log, NULL) == QR_OK)
        continue;
    qr_logsvc_tick(w->log);
    qr_simnet_at(w->net, w->log_node, HW_MS / 5, hw_log_step, w);
}

/* The page server takes what is hardened, and works a little. */
static inline void hw_feed_slice(struct hw *w, const struct qr_slice_cursor *cursor)
{
    struct qr_err err = {0};
    struct qr_logsvc_state state;
    struct qr_buf buf;
    if (qr_logsvc_state(w->log, &cursor->source, &state, NULL) != QR_OK)
        return;
    qr_buf_init(&buf, 4 * HW_FEED_BYTES);
    hw_check(
        qr_logsvc_read(w->log, &cursor->source, cursor->next.v, HW_FEED_BYTES, &buf, &state, &err),
        &err);
    for (size_t at = 0; at < buf.len;) {
        struct qr_piece piece;
        hw_check(qr_piece_next(buf.data, buf.len, &at, &piece, &err), &err);
        /* The rest is of the branch's own log, or of the next ancestor's. */
        (void)!qr_pagesvc_ingest(w->pages, &cursor->id, &cursor->source, piece.epoch,
                                 qr_lsn(piece.first_lsn), piece.data, piece.bytes, &err);
    }
    qr_buf_done(&buf);
}

static inline void hw_feed(struct hw *w)
{
    struct qr_slice_cursor cursors[HW_SLICES_MAX];
    if (w->log == NULL || w->feeding_stopped)
        return;
    size_t count = qr_pagesvc_list(w->pages, cursors, HW_SLICES_MAX);
    assert_true(count <= HW_SLICES_MAX);
    for (size_t i = 0; i < count; i++)
        hw_feed_slice(w, &cursors[i]);
}

static inline void hw_pages_step(void *arg)
{
    struct hw *w = arg;
    bool more;
    hw_feed(w);
    qr_pagesvc_tick(w->pages);
    (void)!qr_pagesvc_work(w->pages, &more, NULL);
    qr_simnet_at(w->net, w->pages_node, HW_MS / 2, hw_pages_step, w);
}

static inline void hw_log_up(void *arg)
{
    struct hw *w = arg;
    struct qr_err err = {0};
    hw_check(qr_logsvc_open(&w->log_options, &w->log, &err), &err);
    qr_simnet_up(w->log_node);
    qr_simnet_serve(w->log_node, 0, qr_logsvc_serve, w->log);
    hw_log_step(w);
}

/* The log service's machine loses power and is back after that time. */
static inline void hw_log_fails(struct hw *w, int64_t back_after_ns)
{
    qr_simnet_down(w->log_node);
    qr_logsvc_abandon(w->log);
    w->log = NULL;
    qr_sim_power_cut(w->log_sim);
    qr_simnet_at(w->net, w->pages_node, back_after_ns, hw_log_up, w);
}

static inline void hw_pause(void *arg, int64_t ns)
{
    struct hw *w = arg;
    qr_simnet_run(w->net, ns);
}

static inline void hw_fatal(void *arg, const struct qr_err *err)
{
    (void)err;
    ((struct hw *)arg)->fatal_count++;
}

static inline struct qr_hyper_options hw_options(struct hw *w, const char *node_name)
{
    struct qr_simnet_node *node = qr_simnet_node(w->net, node_name);
    return (struct qr_hyper_options){.timeline = w->slice.timeline,
                                     .log = qr_simnet_peer(w->net, node, w->log_node, 0),
                                     .pages = qr_simnet_peer(w->net, node, w->pages_node, 0),
                                     .force = true,
                                     .slice_bytes = w->slice_bytes,
                                     .rbpex_bytes = w->rbpex_bytes,
                                     .rbpex_log_bytes = w->rbpex_log_bytes,
                                     .pause = hw_pause,
                                     .pause_ctx = w};
}

/* Each node name is a machine's process with a directory of its own. */
static inline struct qr_store *hw_store(struct hw *w, const char *node_name)
{
    char dir[64];
    snprintf(dir, sizeof dir, "/%s", node_name);
    struct qr_store_options o = {.env = qr_sim_env(w->compute_sim),
                                 .page_bytes = HW_PAGE_BYTES,
                                 .cache_bytes = HW_CACHE_BYTES,
                                 .threads_off = true,
                                 .fatal = hw_fatal,
                                 .fatal_ctx = w};
    struct qr_hyper_options h = hw_options(w, node_name);
    struct qr_store *store = NULL;
    struct qr_err err = {0};
    hw_check(qr_hyper_open(dir, &o, &h, &store, &err), &err);
    return store;
}

static inline void hw_pages_open(struct hw *w)
{
    struct qr_err err = {0};
    hw_check(qr_blob_open(qr_sim_env(w->pages_sim), NULL, "file:///blob", "", &w->blob, &err),
             &err);
    struct qr_pagesvc_options p = {.env = qr_sim_env(w->pages_sim),
                                   .dir = "/pages",
                                   .blob = w->blob,
                                   .open_layer_bytes = 256 << 10,
                                   .grace_ns = HW_MS,
                                   .slice_bytes = w->slice_bytes,
                                   .threads_off = true};
    hw_check(qr_pagesvc_open(&p, &w->pages, &err), &err);
    qr_simnet_up(w->pages_node);
    qr_simnet_serve(w->pages_node, 0, qr_pagesvc_serve, w->pages);
    hw_pages_step(w);
}

/* The page server's machine loses power; it comes back with nothing attached. */
static inline void hw_pages_fail(struct hw *w)
{
    struct qr_pagesvc_stats stats;
    do { /* gets that wait must be over */
        qr_pagesvc_get_stats(w->pages, &stats);
        qr_simnet_run(w->net, stats.waiting_gets > 0 ? 1000 * HW_MS : 0);
    } while (stats.waiting_gets > 0);
    qr_simnet_down(w->pages_node);
    qr_pagesvc_close(w->pages);
    qr_blob_close(w->blob);
    qr_sim_power_cut(w->pages_sim);
    hw_pages_open(w);
}

static inline void hw_begin_sliced(struct hw *w, uint64_t seed, uint64_t slice_bytes,
                                   const struct qr_simnet_faults *faults)
{
    struct qr_err err = {0};
    *w = (struct hw){.slice_bytes = slice_bytes, .slice = {.timeline = {{0x51, (uint8_t)seed}}}};
    w->log_sim = qr_sim_new(&(struct qr_sim_options){.seed = seed});
    w->pages_sim = qr_sim_new(&(struct qr_sim_options){.seed = seed + 1});
    w->compute_sim = qr_sim_new(&(struct qr_sim_options){.seed = seed + 2});
    w->net = qr_simnet_new(
        &(struct qr_simnet_options){.seed = seed, .sim = w->compute_sim, .timeout_ns = 30 * HW_MS});
    qr_simnet_attach(w->net, w->log_sim);
    qr_simnet_attach(w->net, w->pages_sim);
    w->log_node = qr_simnet_node(w->net, "log");
    w->pages_node = qr_simnet_node(w->net, "pages");
    w->log_options = (struct qr_logsvc_options){.env = qr_sim_env(w->log_sim),
                                                .dir = "/log",
                                                .segment_bytes = 1 << 20,
                                                .ring_bytes = 256 << 10,
                                                .threads_off = true};
    hw_log_up(w);
    hw_pages_open(w);
    struct qr_hyper_options h = hw_options(w, "control");
    hw_check(qr_hyper_create(&h, HW_PAGE_BYTES, &err), &err);
    if (faults != NULL)
        qr_simnet_set_faults(w->net, faults);
}

static inline void hw_begin(struct hw *w, uint64_t seed, const struct qr_simnet_faults *faults)
{
    hw_begin_sliced(w, seed, 0, faults);
}

static inline void hw_end(struct hw *w)
{
    qr_simnet_run(w->net, 12000 * HW_MS); /* until every parked request is answered */
    qr_simnet_free(w->net);
    qr_pagesvc_close(w->pages);
    qr_blob_close(w->blob);
    qr_logsvc_close(w->log);
    qr_sim_free(w->log_sim);
    qr_sim_free(w->pages_sim);
    qr_sim_free(w->compute_sim);
}

/* The compute process dies with all that it had not sent. */
static inline void hw_kill(struct hw *w, const char *node_name, struct qr_store *store)
{
    qr_simnet_down(qr_simnet_node(w->net, node_name));
    qr_store_abandon(store);
}
