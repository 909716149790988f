/* check.c - asks the processes whether the model is right; see sim.h */
#include <stdlib.h>
#include "sim.h"
#include "base/banned.h"

/* --- after every event --- */

static void check_server(struct world *w, int n)
{
    struct page_node *p = &w->servers[n];
    struct qr_slice_cursor list[2 * TIMELINES_MAX];
    uint64_t seen[TIMELINES_MAX] = {0};
    size_t count = qr_pagesvc_list(p->svc, list, 2 * TIMELINES_MAX);
    for (size_t i = 0; i < count && i < 2 * TIMELINES_MAX; i++) {
        int t = list[i].id.timeline.id[1] - 1;
        struct history *h = &w->model.timelines[t];
        uint64_t visible = list[i].visible.v;
        seen[t] = visible;
        if (visible == p->visible[t])
            continue;
        if (visible < p->visible[t])
            violation(
                w, "the visible LSN of timeline %d on page server %d goes back from %llx to %llx",
                h->id.id[1], n, (unsigned long long)p->visible[t], (unsigned long long)visible);
        if (visible >= h->commits[0].lsn) /* before it: a branch whose parent's log comes again */
            model_real(w, h, visible, "a page server");
    }
    memcpy(p->visible, seen, sizeof seen);
}

static void check_log(struct world *w)
{
    for (int i = 0; i < w->model.count; i++) {
        struct history *h = &w->model.timelines[i];
        struct qr_logsvc_state state;
        if (!h->alive || qr_logsvc_state(w->log.svc, &h->id, &state, NULL) != QR_OK)
            continue;
        if (state.commit_lsn < h->log_visible)
            violation(w, "the visible LSN of the log of timeline %d goes back from %llx to %llx",
                      h->id.id[1], (unsigned long long)h->log_visible,
                      (unsigned long long)state.commit_lsn);
        h->log_visible = state.commit_lsn;
        for (int n = 0; n < SERVERS; n++)
            if (w->servers[n].visible[i] > state.commit_lsn)
                violation(w, "page server %d has timeline %d up to %llx, of which %llx is hardened",
                          n, h->id.id[1], (unsigned long long)w->servers[n].visible[i],
                          (unsigned long long)state.commit_lsn);
    }
}

void check_step(struct world *w)
{
    for (int n = 0; n < SERVERS; n++)
        if (w->servers[n].svc != NULL)
            check_server(w, n);
    if (w->log.svc != NULL && !w->log.failed)
        check_log(w);
    for (int n = 0; n < COMPUTES; n++)
        compute_check(w, n);
}

/* --- pages --- */

struct read {
    struct qr_page_get get; /* first */
    struct world *w;
    struct qr_buf buf;
    int timeline, commit, server;
    bool attached, strict, pinned;
};

static void read_done(struct qr_page_get *get, enum qr_status status, const struct qr_err *err)
{
    struct read *r = (struct read *)(void *)get;
    struct world *w = r->w;
    struct history *h = &w->model.timelines[r->timeline];
    const struct commit *c = &h->commits[r->commit];
    bool readable = h->alive && (c->lsn >= h->horizon || r->pinned);
    /* Who has lost the slice to the other may find that its layers are gone. */
    bool owner = h->server == r->server && w->control.kind != C_ATTACH;
    bool says = status == QR_OK || (status == QR_NOT_FOUND && r->attached && owner) ||
                (status == QR_CORRUPT && owner);
    if (readable && (says || r->strict)) {
        if (status == QR_CORRUPT)
            say(w, "corrupt: %.100s", err->text);
        model_check_page(w, h, c, get->page_no, status, get->version.v, r->buf.data, r->buf.len);
    }
    qr_buf_done(&r->buf);
    free(r);
}

static void read_page(struct world *w, int timeline, int commit, uint32_t page, int server,
                      bool strict, bool pinned)
{
    struct history *h = &w->model.timelines[timeline];
    struct read *r = calloc(1, sizeof *r);
    if (r == NULL)
        abort();
    struct qr_slice_cursor cursor;
    struct page_node *p = &w->servers[server];
    struct qr_lsn lsn = qr_lsn(h->commits[commit].lsn);
    *r = (struct read){.w = w,
                       .timeline = timeline,
                       .commit = commit,
                       .server = server,
                       .strict = strict,
                       .pinned = pinned,
                       .get = {.id = {h->id, 0},
                               .page_no = page,
                               .not_modified_since = lsn,
                               .lsn = lsn,
                               .deadline_mono_ns = qr_env_mono_ns(qr_sim_env(p->disk)) + 20 * MS,
                               .dst = &r->buf,
                               .done = read_done}};
    qr_buf_init(&r->buf, 1 << 16);
    r->attached = qr_pagesvc_cursor(p->svc, &r->get.id, &cursor);
    qr_pagesvc_get(p->svc, &r->get);
}

void check_reads(struct world *w)
{
    int timeline = (int)pick(w, (uint64_t)w->model.count), server = (int)pick(w, SERVERS);
    struct history *h = &w->model.timelines[timeline];
    if (w->servers[server].svc == NULL || !h->alive)
        return;
    int at = model_pick(w, h);
    bool pinned = false;
    const struct pin *pin = &h->pins[pick(w, PINS_MAX)];
    if (pin->set && chance(w, 3000)) {
        pinned = true;
        at = (int)(model_find(h, pin->lsn) - h->commits);
    }
    if (at < 0)
        return;
    for (int n = 0; n < 3; n++)
        read_page(w, timeline, at, (uint32_t)pick(w, h->commits[at].db_pages + 2), server, false,
                  pinned);
}

/* --- the end --- */

static void read_all(struct world *w, int timeline, int commit, bool pinned)
{
    const struct history *h = &w->model.timelines[timeline];
    uint32_t pages = h->commits[commit].db_pages;
    for (uint32_t page = 0; page <= pages + 1 && page <= PAGES_MAX; page++)
        read_page(w, timeline, commit, page, h->server, true, pinned);
}

static void check_timeline(struct world *w, int timeline)
{
    struct history *h = &w->model.timelines[timeline];
    const struct page_node *p = &w->servers[h->server];
    if (p->svc == NULL || p->visible[timeline] == 0) {
        violation(w, "timeline %d is not served at the end", h->id.id[1]);
        return;
    }
    if (p->visible[timeline] < h->log_visible) {
        violation(w, "page server %d stays at LSN %llx of timeline %d, %llx is hardened", h->server,
                  (unsigned long long)p->visible[timeline], h->id.id[1],
                  (unsigned long long)h->log_visible);
        return;
    }
    int last = (int)(model_find(h, h->log_visible) - h->commits);
    read_all(w, timeline, last, false);
    if (h->commits[0].lsn >= h->horizon) /* a branch equals its parent there, for ever */
        read_all(w, timeline, 0, false);
    for (int n = 0; n < 4; n++) {
        int at = model_pick(w, h);
        if (at >= 0)
            read_all(w, timeline, at, false);
    }
    for (int n = 0; n < PINS_MAX; n++)
        if (h->pins[n].set)
            read_all(w, timeline, (int)(model_find(h, h->pins[n].lsn) - h->commits), true);
}

void check_all(struct world *w)
{
    if (w->log.svc == NULL) {
        violation(w, "the log service is not up at the end");
        return;
    }
    check_step(w);
    for (int n = 0; n < w->model.count && !w->failed; n++)
        if (w->model.timelines[n].alive)
            check_timeline(w, n);
    for (int n = 0; n < COMPUTES && !w->failed; n++)
        compute_check_end(w, n);
}
