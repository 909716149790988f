/* compute.c - compute nodes: hyper stores as primaries, as replicas, and promoted; see sim.h
 *
 * Their calls wait, and what waits drives the world: the next step runs inside it. So one operation
 * of a node is under way at a time (`busy`), and a node that is killed meanwhile ends when that has
 * returned. */
#include <stdio.h>
#include <stdlib.h>
#include "page/record.h"
#include "sim.h"
#include "base/banned.h"

static const int64_t NESTING_NS = 5000000;
enum { NESTED_MAX = 4, CACHE_PAGES = 6, RBPEX_PAGES = 16, READER_ID = 1000, REPLICA_SHARE = 5500 };

static struct history *history_of(struct world *w, const struct compute *x)
{
    return &w->model.timelines[x->timeline];
}

/* --- calls that wait --- */

/* The first one up the stack can not return before the others have: so not for too long. */
static bool may_nest(struct world *w)
{
    return w->nested == 0 || (w->nested < NESTED_MAX && now(w) - w->first_call_ns < NESTING_NS);
}

static void begin_call(struct world *w, struct compute *x)
{
    if (w->nested++ == 0)
        w->first_call_ns = now(w);
    x->busy = true;
}

static void end_call(struct world *w, struct compute *x)
{
    w->nested--;
    x->busy = false;
}

/* --- processes --- */

static void fatal(void *ctx, const struct qr_err *err)
{
    struct compute *x = ctx;
    say(x->w, "compute %d: fatal: %.110s", x->n, err->text);
    /* What a primary gives up on may have been a damaged frame. */
    bool damage = err->status == QR_CORRUPT && !x->is_primary && history_of(x->w, x)->alive;
    if (err->status == QR_BUG || damage)
        violation(x->w, "compute %d: %.200s", x->n, err->text);
    x->failed = true;
}

static void pause_for(void *ctx, int64_t ns)
{
    struct world *w = ctx;
    qr_simnet_run(w->net, ns);
}

static void end_reading(struct reading *r)
{
    qr_txn_free(r->txn);
    *r = (struct reading){0};
}

static void end_store(struct world *w, struct compute *x, bool power)
{
    qr_simnet_down(x->node);
    for (int i = 0; i < READINGS; i++)
        end_reading(&x->readings[i]);
    qr_store_abandon(x->store);
    while (x->told != NULL) {
        struct told *t = x->told;
        x->told = t->next;
        free(t);
    }
    if (power)
        qr_sim_power_cut(x->disk);
    else
        qr_sim_kill(x->disk);
    x->store = NULL;
    x->timeline = -1;
    x->failed = x->doomed = x->is_primary = false;
    x->up_at_ns = now(w) + (int64_t)pick(w, 10 * (uint64_t)MS);
}

void compute_down(struct world *w, int n, bool power)
{
    struct compute *x = &w->computes[n];
    if (x->timeline < 0)
        return;
    say(w, "compute %d: %s", n, power ? "power cut" : "killed");
    w->crashes++;
    if (x->busy) {
        qr_simnet_down(x->node);
        x->doomed = true;
    } else {
        end_store(w, x, power);
    }
}

static struct qr_hyper_options hyper_options(struct world *w, const struct compute *x)
{
    const struct history *h = &w->model.timelines[x->timeline];
    return (struct qr_hyper_options){.timeline = h->id,
                                     .log = to_log(w, x->node),
                                     .pages = to_server(w, x->node, h->server),
                                     .open_timeout_ns = 60 * MS,
                                     .append_timeout_ns = 60 * MS,
                                     .page_timeout_ns = 30 * MS,
                                     .lease_ttl_ns = 30 * MS,
                                     .snapshot_lease_ns = 40 * MS,
                                     .rbpex_bytes = x->n % 2 == 0 ? 0 : RBPEX_PAGES * PAGE_BYTES,
                                     .reader_id = READER_ID + (uint64_t)x->n,
                                     .feed_bytes = 8 << 10,
                                     .feed_wait_ns = 20 * MS,
                                     .feed_answer_ns = 20 * MS,
                                     .pause = pause_for,
                                     .pause_ctx = w};
}

/* A fence was answered to this node. */
static void reigns(struct world *w, struct compute *x, bool forced)
{
    struct history *h = history_of(w, x);
    uint64_t lsn = qr_store_durable_lsn(x->store).v;
    model_fenced(w, h, x->epoch, lsn);
    struct commit *last = model_find(h, lsn);
    if (last == NULL)
        return;
    if (!forced)
        h->closed[(x->epoch - 1) % EPOCHS] = true;
    x->is_primary = true;
    x->last_commit = (int)(last - h->commits);
}

void compute_start(struct world *w, int n, int timeline)
{
    struct compute *x = &w->computes[n];
    struct history *h = &w->model.timelines[timeline];
    if (!may_nest(w))
        return;
    bool replica = chance(w, REPLICA_SHARE), forced = chance(w, 6000);
    x->timeline = timeline;
    x->server = h->server;
    x->moves = h->moves;
    x->applied = 0;
    struct qr_store_options o = {.env = qr_sim_env(x->disk),
                                 .server_key = w->server_key,
                                 .log = {&w->sink, "store"},
                                 .page_bytes = PAGE_BYTES,
                                 .cache_bytes = CACHE_PAGES * PAGE_BYTES,
                                 .threads_off = true,
                                 .fatal = fatal,
                                 .fatal_ctx = x};
    struct qr_hyper_options hyper = hyper_options(w, x);
    if (!replica)
        x->epoch = hyper.epoch = ++h->last_epoch;
    hyper.force = forced;
    say(w, "compute %d: %s of timeline %d, epoch %d%s", n, replica ? "replica" : "primary",
        timeline + 1, replica ? 0 : (int)x->epoch, forced ? ", forced" : "");
    struct qr_err err;
    qr_err_reset(&err);
    begin_call(w, x);
    enum qr_status status = replica ? qr_hyper_open_replica("/c", &o, &hyper, &x->store, &err)
                                    : qr_hyper_open("/c", &o, &hyper, &x->store, &err);
    end_call(w, x);
    say(w, "compute %d: opens: %.120s", n, status == QR_OK ? "ok" : err.text);
    if (status == QR_OK && !replica && !x->doomed)
        reigns(w, x, forced);
    x->late = w->calm; /* a lost frame can cost it seconds, so maybe all is over now */
    if (status == QR_OK)
        w->opens++;
    if (status != QR_OK || x->doomed)
        end_store(w, x, false);
}

/* --- what is told --- */

/* Another epoch has begun without force: it has no lease any more (S6). */
static bool is_over(struct world *w, const struct compute *x)
{
    return x->is_primary && history_of(w, x)->closed[x->epoch % EPOCHS];
}

static void check_lease(struct world *w, const struct compute *x, bool over, const char *what)
{
    const struct history *h = history_of(w, x);
    if (over)
        violation(w, "compute %d %s timeline %d in epoch %d, which is over", x->n, what,
                  h->id.id[1], (int)x->epoch);
}

static void reached(struct qr_durable_wait *wait)
{
    struct told *t = (struct told *)(void *)wait; /* it is first */
    struct compute *x = t->compute;
    struct world *w = x->w;
    say(w, "compute %d: LSN %llx is durable", x->n, (unsigned long long)wait->lsn.v);
    check_lease(w, x, is_over(w, x), "acknowledges a commit to");
    model_acked(w, history_of(w, x), wait->lsn.v, x->epoch);
    struct told **place = &x->told;
    while (*place != t)
        place = &(*place)->next;
    *place = t->next;
    free(t);
}

static void want_told(struct compute *x, uint64_t lsn)
{
    struct told *t = calloc(1, sizeof *t);
    if (t == NULL)
        abort();
    *t = (struct told){
        .wait = {.lsn = qr_lsn(lsn), .reached = reached}, .compute = x, .next = x->told};
    x->told = t;
    if (!qr_store_on_durable(x->store, &t->wait))
        reached(&t->wait);
}

/* --- commits --- */

static enum qr_status write_pages(struct world *w, struct qr_txn *txn, struct commit *next)
{
    uint32_t pages[PAGES_MAX];
    struct qr_buf scratch;
    qr_buf_init(&scratch, 1 << 18);
    enum qr_status status = QR_OK;
    for (int i = 0, count = model_choose_pages(w, next, pages); i < count && status == QR_OK; i++) {
        uint32_t image = model_change_page(w, next, pages[i], &scratch);
        status = qr_txn_write(txn, pages[i], w->model.images[image], NULL);
    }
    qr_buf_done(&scratch);
    return status;
}

static void propose(struct world *w, struct compute *x)
{
    struct history *h = history_of(w, x);
    if (h->commit_count > COMMITS_MAX - 8 || w->model.image_count > IMAGES_MAX - 100)
        return;
    struct qr_writer writer = {.owner = 1};
    struct qr_txn *txn = NULL;
    if (qr_writer_acquire(x->store, &writer, NULL, NULL, NULL) != QR_OK)
        return;
    struct commit next = h->commits[x->last_commit];
    uint64_t before = next.lsn;
    next.acked = false;
    next.fate = PROPOSED;
    next.prev = x->last_commit;
    next.epoch = x->epoch;
    next.commit_no++;
    enum qr_status status = qr_txn_new(x->store, &txn, NULL);
    if (status == QR_OK)
        status = qr_txn_pin_head(txn, NULL);
    if (status == QR_OK && qr_txn_pinned(txn).v != before)
        violation(w, "compute %d: the head is LSN %llx, the last commit %llx", x->n,
                  (unsigned long long)qr_txn_pinned(txn).v, (unsigned long long)before);
    if (status == QR_OK)
        status = write_pages(w, txn, &next);
    if (status == QR_OK)
        status = qr_txn_prepare(txn, NULL);
    if (status == QR_OK)
        next.lsn = qr_txn_publish(txn).v;
    qr_txn_free(txn);
    qr_writer_release(&writer);
    if (status != QR_OK || next.lsn == before)
        return;
    const struct commit *last = &h->commits[next.prev];
    for (uint32_t page = 1; page <= next.db_pages; page++)
        if (next.version[page] != last->version[page])
            w->model.image_lsn[next.version[page]] = next.lsn;
    x->last_commit = h->commit_count;
    h->commits[h->commit_count++] = next;
    w->commits++;
    say(w, "compute %d: timeline %d commit %d at LSN %llx", x->n, h->id.id[1], (int)next.commit_no,
        (unsigned long long)next.lsn);
    want_told(x, next.lsn);
}

/* --- reads --- */

static void begin_reading(struct world *w, struct compute *x, struct reading *r)
{
    struct history *h = history_of(w, x);
    bool over = is_over(w, x);
    if (qr_txn_new(x->store, &r->txn, NULL) != QR_OK)
        abort();
    if (qr_txn_pin(r->txn, qr_lsn(0), NULL) != QR_OK) {
        end_reading(r);
        return;
    }
    uint64_t lsn = qr_txn_pinned(r->txn).v;
    check_lease(w, x, over, "reads");
    model_real(w, h, lsn, x->is_primary ? "a reader of a primary" : "a reader of a replica");
    const struct commit *c = model_find(h, lsn);
    if (c == NULL)
        return;
    if (qr_txn_db_pages(r->txn) != c->db_pages)
        violation(w, "compute %d: a snapshot at LSN %llx has %u pages, not %u", x->n,
                  (unsigned long long)lsn, qr_txn_db_pages(r->txn), c->db_pages);
    r->commit = (int)(c - h->commits);
    r->left = 1 + (int)pick(w, chance(w, 2000) ? 60 : 6);
}

/* The page server said that it has given up what this snapshot reads (S13). */
static void check_hold(struct world *w, struct compute *x, const struct qr_hyper_hold *hold,
                       uint64_t lsn)
{
    const struct history *h = history_of(w, x);
    bool held = lsn >= hold->lsn.v && qr_env_mono_ns(qr_sim_env(x->disk)) < hold->until_ns;
    if (held && h->moves == x->moves)
        violation(w, "compute %d: a snapshot at LSN %llx of timeline %d is gone, leased is %llx",
                  x->n, (unsigned long long)lsn, h->id.id[1], (unsigned long long)hold->lsn.v);
}

/* Whole but for what no record carries. */
static void check_page(struct world *w, struct compute *x, const struct reading *r, uint32_t page)
{
    struct history *h = history_of(w, x);
    const struct commit *c = &h->commits[r->commit];
    uint8_t bytes[PAGE_BYTES];
    struct qr_hyper_hold hold;
    qr_hyper_get_hold(x->store, &hold);
    enum qr_status status = qr_txn_read(r->txn, page, 0, bytes, PAGE_BYTES, false, NULL);
    if (status == QR_GONE)
        check_hold(w, x, &hold, c->lsn);
    if (status != QR_OK) {
        if (h->server != x->server)
            x->doomed = true; /* its slice is elsewhere now */
        return;
    }
    w->reads++;
    const uint8_t *want = w->model.images[c->version[page]];
    if (memcmp(bytes, want, PAGE_BYTES - QR_PAGE_RESERVED_BYTES) != 0)
        violation(w, "compute %d (%s): page %u of timeline %d at LSN %llx has other bytes", x->n,
                  x->is_primary ? "primary" : "replica", page, h->id.id[1],
                  (unsigned long long)c->lsn);
}

static void read_some(struct world *w, struct compute *x)
{
    struct reading *r = &x->readings[pick(w, READINGS)];
    if (r->txn == NULL) {
        begin_reading(w, x, r);
        return;
    }
    const struct commit *c = &history_of(w, x)->commits[r->commit];
    if (c->db_pages > 0)
        check_page(w, x, r, 1 + (uint32_t)pick(w, c->db_pages));
    if (--r->left <= 0)
        end_reading(r);
}

/* All pages of the newest commit. */
static void read_all(struct world *w, struct compute *x)
{
    struct reading r = {0};
    begin_reading(w, x, &r);
    const struct commit *c = &history_of(w, x)->commits[r.commit];
    for (uint32_t page = 1; r.txn != NULL && page <= c->db_pages && !w->failed; page++)
        check_page(w, x, &r, page);
    end_reading(&r);
}

/* --- steps --- */

static void promote(struct world *w, struct compute *x)
{
    struct history *h = history_of(w, x);
    bool forced = chance(w, 6000);
    struct qr_err err;
    qr_err_reset(&err);
    uint64_t epoch = ++h->last_epoch;
    say(w, "compute %d: promoted to epoch %d%s", x->n, (int)epoch, forced ? ", forced" : "");
    enum qr_status status = qr_hyper_promote(x->store, epoch, forced, &err);
    say(w, "compute %d: promotion: %.120s", x->n, status == QR_OK ? "ok" : err.text);
    if (status != QR_OK || x->failed)
        return;
    x->epoch = epoch;
    w->promotions++;
    reigns(w, x, forced);
}

static void serve(struct world *w, struct compute *x)
{
    if (chance(w, 5000))
        read_some(w, x);
    if (x->failed || x->doomed)
        return;
    if (!x->is_primary && chance(w, 1500))
        read_all(w, x);
    if (x->is_primary && !w->calm && chance(w, 3500))
        propose(w, x);
    if (!x->is_primary && !w->calm && !x->failed && chance(w, 40))
        promote(w, x);
}

void compute_step(struct world *w, int n)
{
    struct compute *x = &w->computes[n];
    if (x->store != NULL && !x->failed && !x->doomed)
        qr_hyper_step(x->store); /* its threads go on whatever its callers wait for */
    if (x->busy || !may_nest(w))
        return;
    if (!qr_simnet_is_up(x->node)) {
        if (x->timeline < 0 && now(w) >= x->up_at_ns)
            qr_simnet_up(x->node);
        return;
    }
    if (x->store == NULL)
        return;
    if (!x->failed && history_of(w, x)->alive) {
        begin_call(w, x);
        serve(w, x);
        end_call(w, x);
    }
    if (x->failed || x->doomed || !history_of(w, x)->alive)
        end_store(w, x, false);
}

/* --- checks --- */

void compute_check(struct world *w, int n)
{
    struct compute *x = &w->computes[n];
    if (x->store == NULL || x->failed || x->doomed)
        return;
    struct history *h = history_of(w, x);
    uint64_t durable = qr_store_durable_lsn(x->store).v;
    if (durable == x->applied)
        return;
    if (durable < x->applied)
        violation(w, "compute %d goes back from LSN %llx to %llx of timeline %d", n,
                  (unsigned long long)x->applied, (unsigned long long)durable, h->id.id[1]);
    x->applied = durable;
    model_real(w, h, durable, x->is_primary ? "a primary" : "a replica");
}

void compute_check_end(struct world *w, int n)
{
    struct compute *x = &w->computes[n];
    if (x->store == NULL || x->failed)
        return;
    struct history *h = history_of(w, x);
    if (!h->alive) /* dropped, and its step did not come before the end */
        return;
    uint64_t durable = qr_store_durable_lsn(x->store).v;
    if (!x->is_primary && !x->late && durable != h->log_visible)
        violation(w, "compute %d, a replica, stays at LSN %llx of timeline %d, %llx is hardened", n,
                  (unsigned long long)durable, h->id.id[1], (unsigned long long)h->log_visible);
    if (h->server == x->server && !w->failed)
        read_all(w, x);
}

void computes_init(struct world *w)
{
    for (int n = 0; n < COMPUTES; n++) {
        struct compute *x = &w->computes[n];
        char name[16];
        snprintf(name, sizeof name, "compute%d", n);
        *x = (struct compute){.w = w,
                              .n = n,
                              .node = qr_simnet_node(w->net, name),
                              .disk = new_disk(w),
                              .timeline = -1};
    }
}
