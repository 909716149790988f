/* control.c - makes, branches, drops, moves and trims, one operation at a time; see sim.h */
#include "sim.h"
#include "base/banned.h"

enum { BODY_MAX = 1 << 12, TRIES_MAX = 12 };

static struct history *history_at(struct world *w, int n)
{
    return &w->model.timelines[n];
}

/* --- what the log is still needed for --- */

/* Until which LSN a timeline reads the log of its ancestor; 0: it is none. */
static uint64_t share_of(struct world *w, int timeline, int ancestor)
{
    uint64_t end = UINT64_MAX;
    for (int n = timeline; n != ancestor; n = history_at(w, n)->parent) {
        if (n < 0)
            return 0;
        if (history_at(w, n)->branch_lsn < end)
            end = history_at(w, n)->branch_lsn;
    }
    return end;
}

uint64_t log_needed_from(struct world *w, int timeline)
{
    uint64_t needed = UINT64_MAX;
    for (int n = 0; n < w->model.count; n++) {
        const struct history *h = history_at(w, n);
        uint64_t end = share_of(w, n, timeline);
        if (!h->alive || end == 0)
            continue;
        const struct page_node *p = &w->servers[h->server];
        struct qr_slice_cursor cursor;
        if (p->svc == NULL || !qr_pagesvc_cursor(p->svc, &(struct qr_slice_id){h->id, 0}, &cursor))
            return 0;
        if (cursor.disk.v < end && cursor.disk.v < needed)
            needed = cursor.disk.v;
    }
    return needed;
}

/* --- steps --- */

static void finished(struct world *w, enum qr_status status)
{
    struct control *c = &w->control;
    struct history *h = history_at(w, c->timeline);
    say(w, "control: operation %d on timeline %d: %s", (int)c->kind, c->timeline + 1,
        qr_status_info(status)->name);
    if (status == QR_OK && c->kind == C_CREATE)
        h->alive = true;
    if (status == QR_OK && c->kind == C_BRANCH) {
        history_at(w, c->child)->alive = true;
        w->branches++;
    }
    if (status == QR_OK && c->kind == C_PIN)
        h->pins[c->pin].set = true;
    if (status == QR_OK && c->kind == C_ATTACH)
        h->server = c->server;
    c->kind = C_IDLE;
    c->retry_at_ns = now(w) + (int64_t)pick(w, 5 * (uint64_t)MS);
}

/* Calls of a page server are refused by their status, those of the log service in the answer. */
static enum qr_status outcome(const struct qr_rpc_reply *reply, bool of_log)
{
    struct qr_logsvc_change change = {.status = QR_OK};
    if (reply->status != QR_OK || !of_log)
        return reply->status;
    return qr_logsvc_change_answer_get(reply->body, reply->bytes, &change, NULL) == QR_OK
               ? change.status
               : QR_PROTOCOL;
}

static bool step_is_of_log(const struct control *c)
{
    return c->kind == C_TRIM || c->step == 1;
}
static int step_count(enum control_kind kind)
{
    return kind == C_CREATE || kind == C_BRANCH ? 2 : 1;
}

static void answered(struct world *w, uint64_t tag, const struct qr_rpc_reply *reply)
{
    (void)tag;
    struct control *c = &w->control;
    c->asking = false;
    enum qr_status status = outcome(reply, step_is_of_log(c));
    c->retry_at_ns = now(w) + (int64_t)pick(w, 4 * (uint64_t)MS);
    if (reply->status != QR_OK)
        say(w, "control: %.110s", reply->err->text);
    if (status == QR_OK) {
        c->tries = 0;
        if (++c->step == step_count(c->kind))
            finished(w, QR_OK);
    } else if (++c->tries > TRIES_MAX) {
        finished(w, status);
    }
}

static void ask_pages(struct world *w, struct qr_buf *body, enum qr_pages_method method)
{
    ask(w, to_server(w, w->control.node, w->control.server), (uint16_t)method, body, 15 * MS,
        answered, 0);
}

static void ask_log(struct world *w, struct qr_buf *body, const struct qr_logsvc_change *change)
{
    qr_logsvc_change_put(body, change);
    ask(w, to_log(w, w->control.node), QR_LOGSVC_CALL_CHANGE, body, 15 * MS, answered, 0);
}

static void add_slice(struct qr_buf *body, const struct history *h)
{
    qr_buf_add(body, h->id.id, QR_TIMELINE_BYTES);
    qr_buf_add32le(body, 0);
}

static void ask_create(struct world *w, struct qr_buf *body)
{
    struct control *c = &w->control;
    struct history *h = history_at(w, c->timeline);
    if (c->step == 1) {
        ask_log(w, body,
                &(struct qr_logsvc_change){
                    .kind = QR_LOGSVC_CREATE, .timeline = h->id, .start_lsn = h->start_lsn});
        return;
    }
    add_slice(body, h);
    qr_buf_add32le(body, PAGE_BYTES);
    qr_buf_add64le(body, h->start_lsn);
    ask_pages(w, body, QR_PAGES_CREATE);
}

static void ask_branch(struct world *w, struct qr_buf *body)
{
    struct control *c = &w->control;
    struct history *h = history_at(w, c->timeline), *child = history_at(w, c->child);
    if (c->step == 1) {
        ask_log(w, body,
                &(struct qr_logsvc_change){.kind = QR_LOGSVC_CREATE,
                                           .timeline = child->id,
                                           .parent = h->id,
                                           .branch_lsn = child->branch_lsn,
                                           .start_lsn = child->start_lsn,
                                           .commit_lsn = child->branch_lsn});
        return;
    }
    add_slice(body, h);
    qr_buf_add64le(body, child->branch_lsn);
    qr_buf_add(body, child->id.id, QR_TIMELINE_BYTES);
    qr_buf_add64le(body, child->start_lsn);
    ask_pages(w, body, QR_PAGES_BRANCH);
}

static void ask_step(struct world *w)
{
    struct control *c = &w->control;
    struct history *h = history_at(w, c->timeline);
    struct qr_buf body;
    qr_buf_init(&body, BODY_MAX);
    c->asking = true;
    switch (c->kind) {
    case C_IDLE:
        return;
    case C_CREATE:
        ask_create(w, &body);
        return;
    case C_BRANCH:
        ask_branch(w, &body);
        return;
    case C_TRIM:
        ask_log(w, &body,
                &(struct qr_logsvc_change){.kind = c->lsn == UINT64_MAX ? QR_LOGSVC_DROP
                                                                        : QR_LOGSVC_TRIM,
                                           .timeline = h->id,
                                           .lsn = c->lsn == UINT64_MAX ? 0 : c->lsn});
        return;
    case C_DROP:
    case C_ATTACH:
        add_slice(&body, h);
        ask_pages(w, &body, c->kind == C_DROP ? QR_PAGES_DROP : QR_PAGES_ATTACH);
        return;
    case C_HORIZON:
        add_slice(&body, h);
        qr_buf_add64le(&body, c->lsn);
        ask_pages(w, &body, QR_PAGES_HORIZON);
        return;
    case C_PIN:
    case C_UNPIN:
        add_slice(&body, h);
        qr_buf_add(&body, h->pins[c->pin].name.id, QR_TIMELINE_BYTES);
        if (c->kind == C_PIN)
            qr_buf_add64le(&body, c->lsn);
        ask_pages(w, &body, c->kind == C_PIN ? QR_PAGES_PIN : QR_PAGES_UNPIN);
        return;
    }
}

/* --- what to do next --- */

static void begin(struct world *w, enum control_kind kind, int timeline)
{
    struct control *c = &w->control;
    c->kind = kind;
    c->step = c->tries = 0;
    c->timeline = timeline;
    c->server = history_at(w, timeline)->server;
    say(w, "control: begins operation %d on timeline %d at LSN %llx", (int)kind, timeline + 1,
        (unsigned long long)c->lsn);
}

static bool begin_branch(struct world *w, int timeline)
{
    struct history *h = history_at(w, timeline);
    int at = model_pick(w, h);
    if (at < 0 || w->model.count == TIMELINES_MAX)
        return false;
    const struct commit *base = &h->commits[at];
    w->control.child = model_new(w, timeline, base, base->lsn + pick(w, 2) * 512);
    history_at(w, w->control.child)->server = h->server;
    w->control.lsn = base->lsn;
    begin(w, C_BRANCH, timeline);
    return true;
}

static bool begin_horizon(struct world *w, int timeline)
{
    struct history *h = history_at(w, timeline);
    int at = model_pick(w, h);
    if (at < 0)
        return false;
    h->horizon = w->control.lsn = h->commits[at].lsn;
    begin(w, C_HORIZON, timeline);
    return true;
}

static bool begin_pin(struct world *w, int timeline)
{
    struct history *h = history_at(w, timeline);
    int at = model_pick(w, h), n = (int)pick(w, PINS_MAX);
    struct pin *pin = &h->pins[n];
    w->control.pin = n;
    if (pin->set) {
        pin->set = false;
        begin(w, C_UNPIN, timeline);
        return true;
    }
    if (at < 0 || pin->lsn != 0) /* a name is used once, so that no late frame ends its successor */
        return false;
    pin->lsn = w->control.lsn = h->commits[at].lsn;
    pin->name = (struct qr_timeline){{0x90, (uint8_t)timeline, (uint8_t)n}};
    begin(w, C_PIN, timeline);
    return true;
}

static bool begin_drop(struct world *w, int timeline)
{
    struct history *h = history_at(w, timeline);
    int alive = 0;
    for (int n = 0; n < w->model.count; n++)
        alive += history_at(w, n)->alive;
    if (alive < 2)
        return false;
    h->alive = false;
    h->dropped = true;
    begin(w, C_DROP, timeline);
    return true;
}

/* The log of one that is dropped goes whole, else what the page servers have in layers. */
static bool begin_trim(struct world *w, int timeline)
{
    struct history *h = history_at(w, timeline);
    uint64_t needed = log_needed_from(w, timeline);
    if (needed == 0 || (needed == UINT64_MAX && !h->dropped) || h->log_dropped)
        return false;
    h->log_dropped = needed == UINT64_MAX;
    w->control.lsn = needed;
    begin(w, C_TRIM, timeline);
    return true;
}

/* A slice that nobody serves where it should be, or a move for no reason. */
static bool begin_attach(struct world *w, int timeline, bool move)
{
    struct history *h = history_at(w, timeline);
    struct control *c = &w->control;
    if (!move &&
        (w->servers[h->server].svc == NULL || w->servers[h->server].visible[timeline] != 0))
        return false;
    begin(w, C_ATTACH, timeline);
    h->moves += move;
    c->server = move ? (h->server + 1) % SERVERS : h->server;
    return true;
}

static bool begin_something(struct world *w)
{
    int timeline = (int)pick(w, (uint64_t)w->model.count);
    struct history *h = history_at(w, timeline);
    uint64_t what = pick(w, 100);
    if (what < 20)
        return begin_trim(w, timeline);
    if (!h->alive)
        return false;
    return what < 40   ? begin_horizon(w, timeline)
           : what < 60 ? begin_branch(w, timeline)
           : what < 80 ? begin_pin(w, timeline)
           : what < 95 ? begin_attach(w, timeline, true)
                       : begin_drop(w, timeline);
}

/* Primaries are started without asking whether an older one still runs. */
static void start_writers(struct world *w)
{
    for (int n = 0; n < WRITERS; n++) {
        int timeline = (int)pick(w, (uint64_t)w->model.count);
        if (qr_simnet_is_up(w->writers[n].node) && history_at(w, timeline)->alive &&
            chance(w, w->writers[n].state == W_IDLE ? 150 : 10))
            writer_start(w, n, timeline);
    }
    for (int n = 0; n < COMPUTES; n++) {
        int timeline = (int)pick(w, (uint64_t)w->model.count);
        const struct compute *x = &w->computes[n];
        if (x->timeline < 0 && !x->busy && qr_simnet_is_up(x->node) &&
            history_at(w, timeline)->alive && chance(w, 700))
            compute_start(w, n, timeline);
    }
}

void control_step(struct world *w)
{
    struct control *c = &w->control;
    if (!w->calm)
        start_writers(w);
    if (c->asking || c->retry_at_ns > now(w))
        return;
    if (c->kind != C_IDLE) {
        ask_step(w);
        return;
    }
    if (w->model.count == 0 || (w->model.count < 2 && chance(w, 300))) {
        c->lsn = 0;
        begin(w, C_CREATE, model_new(w, -1, NULL, 4096));
        return;
    }
    for (int n = 0; n < w->model.count; n++)
        if (history_at(w, n)->alive && begin_attach(w, n, false))
            return;
    if (!w->calm && chance(w, 2500))
        (void)begin_something(w);
}
