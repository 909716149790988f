/* role_page.c - see cmd_int.h: the process of the page server.
 *
 * It serves only once all slices that control knows are attached: until then its callers wait, as
 * for any process that is starting. */
#include <stdlib.h>
#include "blob/blob.h"
#include "cmd_int.h"
#include "logsvc/peer.h"
#include "pagesvc/client.h"
#include "pagesvc/feed.h"
#include "base/banned.h"

enum { TICK_MS = 100, STOP_MS = 2000, WORKERS = 4, WORKER_STACK_BYTES = 1 << 20, READER_ID = 1 };
static const int64_t READ_LOG_NS = INT64_C(5000000000);
static const int64_t PAUSE_MIN_NS = 500000000, PAUSE_MAX_NS = INT64_C(30000000000);
static const int64_t ASK_AFTER_NS = INT64_C(4000000000);

struct page_role {
    struct qri_role *role;
    struct qr_blob *blob;
    struct qr_keyring *keyring;
    struct qr_pagesvc *svc;
    struct qr_rpc_loop *feed_loop; /* ingest runs on it */
    struct qr_rpc_client *log;
    struct qr_pagefeed *feed;
    struct qri_role_listeners listeners;
    uint64_t attached, not_attached;
    struct qr_slice_id *missing; /* that were not attached, and are tried again */
    size_t missing_count, missing_capacity, missing_next;
    int64_t try_at_ns, pause_ns; /* between rounds of these */
    struct qri_calm calm;
};

static enum qr_status note_missing(struct page_role *p, const struct qr_slice_id *id)
{
    if (p->missing_count == p->missing_capacity) {
        size_t capacity = p->missing_capacity == 0 ? 64 : 2 * p->missing_capacity;
        struct qr_slice_id *more = realloc(p->missing, capacity * sizeof *more);
        if (more == NULL)
            return QR_NOMEM;
        p->missing = more;
        p->missing_capacity = capacity;
    }
    p->missing[p->missing_count++] = *id;
    return QR_OK;
}

static enum qr_status attach(void *ctx, const struct qr_database_row *row)
{
    struct page_role *p = ctx;
    struct qr_err err = {0};
    struct qr_timeline timeline;
    if (!qr_database_is_hyper(row) || qr_place_timeline(row, &timeline, &err) != QR_OK)
        return QR_OK;
    for (uint32_t no = 0; no < row->slices; no++) {
        struct qr_slice_id id = {.timeline = timeline, .no = no};
        enum qr_status status = qr_pagesvc_attach(p->svc, &id, &err);
        p->attached += status == QR_OK;
        bool is_made = row->state == QR_DATABASE_ONLINE || row->state == QR_DATABASE_DROPPED ||
                       row->state == QR_DATABASE_KEPT; /* else not yet, or gone already */
        if (status == QR_OK || (status == QR_NOT_FOUND && !is_made))
            continue;
        p->not_attached += 1;
        QR_TRY(note_missing(p, &id));
        QR_LOG(&p->role->log, QR_ERROR, "slice_not_attached", QR_F("db", &row->name[0]),
               QR_F("slice", no), QR_F("reason", &err.text[0]));
    }
    return QR_OK;
}

static void page_serve(void *ctx, struct qr_rpc_request *own_request)
{
    struct page_role *p = ctx;
    uint16_t method = own_request->method;
    qr_pagesvc_serve(p->svc, own_request);
    if (method != QR_PAGES_GET && method != QR_PAGES_CURSOR && method != QR_PAGES_LEASE &&
        method != QR_PAGES_IMPORT)
        qr_pagefeed_poke(p->feed);
}

/* --- those that are missing --- */

struct missing_rows {
    struct page_role *p;
    bool *is_known; /* as `missing` */
};

static enum qr_status note_known(void *ctx, const struct qr_database_row *row)
{
    struct missing_rows *rows = ctx;
    struct qr_timeline timeline;
    if (!qr_database_is_hyper(row) || qr_place_timeline(row, &timeline, NULL) != QR_OK)
        return QR_OK;
    for (size_t i = 0; i < rows->p->missing_count; i++)
        rows->is_known[i] =
            rows->is_known[i] || qr_timeline_eq(&rows->p->missing[i].timeline, &timeline);
    return QR_OK;
}

/* Of a database that was purged meanwhile nobody wants anything any more. */
static void forget_purged(struct page_role *p)
{
    struct missing_rows rows = {.p = p, .is_known = calloc(p->missing_count + 1, sizeof(bool))};
    if (rows.is_known != NULL &&
        qr_control_each_database(qr_rpc_client_peer(p->role->control), QR_SERVER_ANY, 0, note_known,
                                 &rows, NULL) == QR_OK) {
        size_t kept = 0;
        for (size_t i = 0; i < p->missing_count; i++) {
            if (rows.is_known[i])
                p->missing[kept++] = p->missing[i];
            else
                QR_LOG(&p->role->log, QR_INFO, "missing_slice_purged",
                       QR_F("slice", p->missing[i].no));
        }
        p->missing_count = kept;
    }
    free(rows.is_known);
}

/* The next of those that are missing. */
static void attach_next(struct page_role *p)
{
    struct qr_slice_id *id = &p->missing[p->missing_next];
    if (qr_pagesvc_attach(p->svc, id, NULL) != QR_OK) {
        p->missing_next += 1;
        return;
    }
    *id = p->missing[--p->missing_count];
    qr_pagefeed_poke(p->feed);
}

/* A store that answered wrongly for a while, or whose object somebody has put back. With a store
 * that hangs each slice takes long, and neither the feed nor a stop waits for all of them. */
static void attach_missing(struct page_role *p)
{
    int64_t begun_ns = qr_env_mono_ns(p->role->env), now = begun_ns;
    if (p->missing_count == 0 || now < p->try_at_ns)
        return;
    while (p->missing_next < p->missing_count && now - begun_ns < TICK_MS * INT64_C(1000000)) {
        attach_next(p);
        now = qr_env_mono_ns(p->role->env);
    }
    if (p->missing_next < p->missing_count) /* goes on with the next tick */
        return;
    p->missing_next = 0;
    if (p->missing_count > 0 && p->pause_ns >= ASK_AFTER_NS)
        forget_purged(p);
    p->pause_ns = p->pause_ns * 2 < PAUSE_MAX_NS ? p->pause_ns * 2 : PAUSE_MAX_NS;
    p->try_at_ns = now + p->pause_ns;
}

static bool tick(void *ctx)
{
    struct page_role *p = ctx;
    struct qr_pagesvc_stats stats;
    attach_missing(p);
    qr_pagefeed_tick(p->feed);
    qr_pagesvc_get_stats(p->svc, &stats);
    qri_give_back_when_calm(&p->calm, stats.ingested_bytes + stats.flushed_bytes);
    return true;
}

/* For layers that are damaged. Not on the loop thread of the log's client. */
static enum qr_status read_log(void *ctx, const struct qr_timeline *source, uint64_t from_lsn,
                               size_t bytes_max, struct qr_buf *buf, size_t *ret_pieces_at,
                               uint64_t *ret_start_lsn, struct qr_err *err)
{
    struct page_role *p = ctx;
    struct qr_logsvc_state state;
    QR_TRY(qr_logsvc_peer_read(qr_rpc_client_peer(p->log), source, from_lsn, bytes_max, READ_LOG_NS,
                               buf, ret_pieces_at, &state, err));
    *ret_start_lsn = state.start_lsn;
    return QR_OK;
}

static enum qr_status open_pages(struct page_role *p, struct qr_err *err)
{
    struct qri_role *role = p->role;
    struct qr_pagesvc_options options = {
        .env = role->env,
        .log = role->log,
        .dir = qri_datadir_path(&role->dir, role->arena, "page", NULL),
        .blob = p->blob,
        .keyring = p->keyring,
        .read_log = read_log,
        .read_log_ctx = p,
    };
    struct qr_rpc_loop_options loop = qri_role_loop(role, "feed");
    if (options.dir == NULL)
        return qr_fail(err, QR_NOMEM, "start the page server");
    QR_TRY(qr_rpc_loop_new(&loop, &p->feed_loop, err));
    QR_TRY(qri_role_client(role, p->feed_loop, QR_ROLE_NAME_LOG, false, &p->log, err));
    QR_TRY(qr_pagesvc_open(&options, &p->svc, err));
    QR_TRY(qr_control_each_database(qr_rpc_client_peer(role->control), QR_SERVER_ANY, 0, attach, p,
                                    err));
    struct qr_pagefeed_options feed = {
        .env = role->env,
        .log = role->log,
        .svc = p->svc,
        .logsvc = qr_rpc_client_peer(p->log),
        .reader_id = READER_ID,
    };
    QR_TRY(qr_pagefeed_new(&feed, &p->feed, err));
    qr_pagefeed_tick(p->feed);
    struct qr_rpc_listen_options listen = {
        .serve = page_serve,
        .ctx = p,
        .workers = WORKERS,
        .worker_stack_bytes = WORKER_STACK_BYTES,
    };
    return qri_role_listen(role, &listen, "control compute", &p->listeners, err);
}

enum qr_status qri_serve_page(struct qri_role *role, struct qr_err *err)
{
    struct page_role p = {.role = role, .pause_ns = PAUSE_MIN_NS};
    qri_keep_memory();
    enum qr_status status = qri_role_blob(role, &p.blob, err);
    if (status == QR_OK)
        status = qr_keyring_new(role->env, role->server_key, p.blob, &p.keyring, err);
    if (status == QR_OK)
        status = open_pages(&p, err);
    if (status == QR_OK) {
        QR_LOG(&role->log, QR_INFO, "slices_attached", QR_F("slices", p.attached),
               QR_F("failed", p.not_attached));
        status = qri_role_ready(role, QR_ROLE_PAGE, err);
    }
    if (status == QR_OK) {
        qri_role_wait(role, TICK_MS, tick, &p);
        qri_role_end_within(role, STOP_MS, 0);
    }
    qri_role_unlisten(&p.listeners);
    qr_pagefeed_free(p.feed);
    qr_pagesvc_close(p.svc); /* its worker may be reading log */
    qr_rpc_client_free(p.log);
    qr_rpc_loop_free(p.feed_loop);
    qr_keyring_free(p.keyring);
    qr_blob_close(p.blob);
    free(p.missing);
    return status;
}
