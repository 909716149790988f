/* writer.c - a primary that fences, opens from the page servers, and commits; see sim.h */
#include <stdlib.h>
#include "page/record.h"
#include "sim.h"
#include "base/banned.h"

enum { BODY_MAX = 1 << 16, GROUP_MAX = 1 << 17 };
static const uint64_t JUMP = UINT64_C(1) << 32;

static struct history *history_of(struct world *w, const struct writer *x)
{
    return &w->model.timelines[x->timeline];
}

/* Which process an answer is for: its number and life. */
static uint64_t tag_of(const struct world *w, const struct writer *x)
{
    return x->boot << 8 | (uint64_t)(x - w->writers);
}
static struct writer *writer_of(struct world *w, uint64_t tag)
{
    struct writer *x = &w->writers[tag & 0xff];
    return x->boot == tag >> 8 ? x : NULL;
}

static void become_idle(struct world *w, struct writer *x)
{
    for (int i = 0; i < x->append_count; i++)
        free(x->appends[i].bytes);
    x->append_count = 0;
    x->state = W_IDLE;
    x->timeline = -1;
    x->asking = false;
    x->lease_until_ns = 0;
    x->boot++;
    x->retry_at_ns = now(w);
}

void writer_down(struct world *w, int n)
{
    struct writer *x = &w->writers[n];
    if (!qr_simnet_is_up(x->node))
        return;
    qr_simnet_down(x->node);
    become_idle(w, x);
    x->up_at_ns = now(w) + (int64_t)pick(w, 10 * (uint64_t)MS);
}

void writer_start(struct world *w, int n, int timeline)
{
    struct writer *x = &w->writers[n];
    struct history *h = &w->model.timelines[timeline];
    become_idle(w, x);
    x->timeline = timeline;
    x->state = W_FENCE;
    x->epoch = ++h->last_epoch;
    x->holder = pick(w, UINT64_MAX) | 1;
    x->forced = chance(w, 6000);
    say(w, "writer %d: epoch %d of timeline %d%s", n, (int)x->epoch, h->id.id[1],
        x->forced ? ", forced" : "");
}

/* --- the fence --- */

static void retry_in(struct world *w, struct writer *x, int64_t ns)
{
    x->retry_at_ns = now(w) + ns;
}

/* S6: unless it was forced, the older primaries know that their leases are over. */
static void check_leases(struct world *w, const struct writer *x)
{
    for (int n = 0; n < WRITERS; n++) {
        const struct writer *old = &w->writers[n];
        if (old != x && old->timeline == x->timeline && old->epoch + 1 == x->epoch &&
            old->lease_until_ns > now(w))
            violation(w, "epoch %d of timeline %d begins while the lease of epoch %d runs",
                      (int)x->epoch, history_of(w, x)->id.id[1], (int)old->epoch);
    }
}

static void fence_answered(struct world *w, uint64_t tag, const struct qr_rpc_reply *reply)
{
    struct writer *x = writer_of(w, tag);
    if (x == NULL)
        return;
    x->asking = false;
    struct qr_logsvc_change c = {.status = QR_OK};
    retry_in(w, x, (int64_t)pick(w, 3 * (uint64_t)MS));
    if (reply->status != QR_OK ||
        qr_logsvc_change_answer_get(reply->body, reply->bytes, &c, NULL) != QR_OK)
        return;
    struct history *h = history_of(w, x);
    say(w, "writer %d: fence of epoch %d: %s, LSN %llx", (int)(x - w->writers), (int)x->epoch,
        qr_status_info(c.status)->name, (unsigned long long)c.state.commit_lsn);
    if (c.status == QR_CORRUPT)
        violation(w, "timeline %d is damaged", h->id.id[1]);
    if (c.status == QR_FENCED || c.status == QR_NOT_FOUND)
        become_idle(w, x);
    if (c.status != QR_OK)
        return;
    if (!x->forced)
        check_leases(w, x);
    if (c.state.epoch > x->epoch) { /* another one was faster; this answer is of a later moment */
        become_idle(w, x);
        return;
    }
    model_fenced(w, h, x->epoch, c.state.commit_lsn);
    if (!x->forced)
        h->closed[(x->epoch - 1) % EPOCHS] = true;
    struct commit *last = model_find(h, c.state.commit_lsn);
    if (last == NULL)
        return;
    x->last_commit = (int)(last - h->commits);
    /* Two reigns of which one never wrote begin behind the same LSN; the model tells commits by
     * theirs. */
    x->end_lsn = c.state.hardened_lsn + JUMP + (x->epoch << 24);
    x->state = W_OPEN;
}

static void ask_fence(struct world *w, struct writer *x)
{
    struct qr_logsvc_change c = {.kind = QR_LOGSVC_FENCE,
                                 .timeline = history_of(w, x)->id,
                                 .epoch = x->epoch,
                                 .holder = x->holder,
                                 .force = x->forced};
    struct qr_buf body;
    qr_buf_init(&body, BODY_MAX);
    qr_logsvc_change_put(&body, &c);
    x->asking = true;
    ask(w, to_log(w, x->node), QR_LOGSVC_CALL_CHANGE, &body, 15 * MS, fence_answered, tag_of(w, x));
}

/* --- opening: reads what the fence named, as a compute node does --- */

static void send_append(struct world *w, struct writer *x, int at);

static void add_append(struct world *w, struct writer *x, const uint8_t *bytes, size_t count,
                       uint64_t commit_lsn, bool new_epoch)
{
    struct append *a = &x->appends[x->append_count++];
    *a = (struct append){.first_lsn = x->end_lsn,
                         .commit_lsn = commit_lsn,
                         .bytes = malloc(count),
                         .count = (uint32_t)count,
                         .new_epoch = new_epoch};
    if (a->bytes == NULL)
        abort();
    memcpy(a->bytes, bytes, count);
    x->end_lsn += count;
    send_append(w, x, x->append_count - 1);
}

static void begin_epoch(struct world *w, struct writer *x)
{
    struct qr_buf buf;
    qr_buf_init(&buf, BODY_MAX);
    qr_record_add_epoch(&buf, x->epoch, history_of(w, x)->commits[x->last_commit].lsn,
                        (uint64_t)now(w));
    x->state = W_SERVE;
    add_append(w, x, buf.data, buf.len, 0, true);
    qr_buf_done(&buf);
}

static void pages_answered(struct world *w, uint64_t tag, const struct qr_rpc_reply *reply)
{
    struct writer *x = writer_of(w, tag);
    if (x == NULL)
        return;
    x->asking = false;
    retry_in(w, x, (int64_t)pick(w, 3 * (uint64_t)MS));
    struct history *h = history_of(w, x);
    const struct commit *c = &h->commits[x->last_commit];
    bool all = reply->status == QR_OK && h->alive;
    size_t at = 0;
    for (uint32_t page = 0; page <= c->db_pages && all; page++) {
        struct qr_pages_got got;
        all = qr_pages_got_next(reply->body, reply->bytes, &at, &got, NULL) == QR_OK &&
              got.status == QR_OK;
        if (all && c->lsn >= h->horizon)
            model_check_page(w, h, c, page, got.status, got.version.v, got.page, got.bytes);
    }
    if (all)
        begin_epoch(w, x);
}

static void ask_pages(struct world *w, struct writer *x)
{
    const struct history *h = history_of(w, x);
    const struct commit *c = &h->commits[x->last_commit];
    struct qr_pages_want wants[PAGES_MAX + 1];
    for (uint32_t page = 0; page <= c->db_pages; page++)
        wants[page] = (struct qr_pages_want){
            .page_no = page, .not_modified_since = qr_lsn(c->lsn), .lsn = qr_lsn(c->lsn)};
    struct qr_buf body;
    qr_buf_init(&body, BODY_MAX);
    qr_pages_get_encode(&(struct qr_slice_id){h->id, 0}, wants, c->db_pages + 1, &body);
    x->asking = true;
    ask(w, to_server(w, x->node, h->server), QR_PAGES_GET, &body, 30 * MS, pages_answered,
        tag_of(w, x));
}

/* --- commits --- */

static uint32_t change_pages(struct world *w, struct commit *next, struct qr_buf *buf)
{
    uint32_t pages[PAGES_MAX];
    int count = model_choose_pages(w, next, pages);
    for (int i = 0; i < count; i++)
        model_change_page(w, next, pages[i], buf);
    return (uint32_t)count;
}

/* Up to three appends, in flight together; the last one carries the mark. */
static void propose(struct world *w, struct writer *x)
{
    struct history *h = history_of(w, x);
    if (h->commit_count == COMMITS_MAX || w->model.image_count > IMAGES_MAX - PAGES_MAX)
        return;
    const struct commit *last = &h->commits[x->last_commit];
    struct commit *next = &h->commits[h->commit_count];
    *next = *last;
    next->acked = false;
    next->fate = PROPOSED;
    next->prev = x->last_commit;
    next->epoch = x->epoch;
    next->commit_no++;
    struct qr_buf buf;
    qr_buf_init(&buf, GROUP_MAX);
    uint32_t changed = change_pages(w, next, &buf);
    qr_record_add_commit(&buf, next->db_pages, changed, (uint64_t)now(w), next->commit_no);
    next->lsn = x->end_lsn + buf.len;
    for (uint32_t page = 1; page <= next->db_pages; page++)
        if (next->version[page] != last->version[page])
            w->model.image_lsn[next->version[page]] = next->lsn;
    x->last_commit = h->commit_count++;
    w->commits++;
    say(w, "writer %d: timeline %d commit %d at LSN %llx", (int)(x - w->writers), h->id.id[1],
        (int)next->commit_no, (unsigned long long)next->lsn);
    size_t cuts[2] = {1 + pick(w, buf.len), 1 + pick(w, buf.len)};
    size_t first = chance(w, 3000) ? cuts[0] : buf.len, at = 0;
    if (first < buf.len) {
        add_append(w, x, buf.data, first, 0, false);
        at = first;
        if (cuts[1] > at && cuts[1] < buf.len) {
            add_append(w, x, buf.data + at, cuts[1] - at, 0, false);
            at = cuts[1];
        }
    }
    add_append(w, x, buf.data + at, buf.len - at, next->lsn, false);
    qr_buf_done(&buf);
}

/* The appends up to this one are hardened, because the log has no gap. */
static void appended(struct world *w, struct writer *x, uint64_t first_lsn)
{
    int done = 0;
    uint64_t commit_lsn = 0;
    while (done < x->append_count && x->appends[done].first_lsn <= first_lsn) {
        const struct append *a = &x->appends[done++];
        commit_lsn = a->commit_lsn != 0 ? a->commit_lsn : commit_lsn;
        free(a->bytes);
    }
    x->append_count -= done;
    memmove(x->appends, x->appends + done, (size_t)x->append_count * sizeof x->appends[0]);
    if (commit_lsn != 0) {
        say(w, "writer %d: LSN %llx is durable", (int)(x - w->writers),
            (unsigned long long)commit_lsn);
        model_acked(w, history_of(w, x), commit_lsn, x->epoch);
    }
}

/* Appends are known by where they begin, which fits 40 bits here. */
static uint64_t tag_of_append(const struct world *w, const struct writer *x, uint64_t first_lsn)
{
    return first_lsn << 24 | (tag_of(w, x) & 0xffffff);
}

static void append_answered(struct world *w, uint64_t tag, const struct qr_rpc_reply *reply)
{
    struct writer *x = writer_of(w, tag & 0xffffff);
    uint64_t first_lsn = tag >> 24;
    if (x == NULL)
        return;
    struct append *a = NULL;
    for (int i = 0; i < x->append_count; i++)
        if (x->appends[i].first_lsn == first_lsn)
            a = &x->appends[i];
    if (a == NULL)
        return; /* a later one's answer was faster */
    a->in_flight = false;
    a->retry_at_ns = now(w) + (int64_t)pick(w, 2 * (uint64_t)MS);
    struct qr_logsvc_append answer = {.status = QR_OK};
    if (reply->status != QR_OK ||
        qr_logsvc_append_answer_get(reply->body, reply->bytes, &answer, NULL) != QR_OK)
        return;
    if (answer.status == QR_OK) {
        appended(w, x, first_lsn);
        return;
    }
    if (answer.status == QR_CORRUPT || answer.status == QR_INVALID)
        violation(w, "an append to timeline %d is refused: %s", history_of(w, x)->id.id[1],
                  qr_status_info(answer.status)->name);
    if (answer.status == QR_FENCED || answer.status == QR_NOT_FOUND) {
        say(w, "writer %d: epoch %d is over", (int)(x - w->writers), (int)x->epoch);
        become_idle(w, x);
    }
}

static void send_append(struct world *w, struct writer *x, int at)
{
    struct append *a = &x->appends[at];
    struct qr_logsvc_append append = {.timeline = history_of(w, x)->id,
                                      .epoch = x->epoch,
                                      .first_lsn = a->first_lsn,
                                      .byte_count = a->count,
                                      .new_epoch = a->new_epoch,
                                      .commit_lsn = a->commit_lsn,
                                      .commit_wall_ns = a->commit_lsn};
    uint8_t header[QR_LOGSVC_APPEND_HEADER_BYTES];
    qr_logsvc_append_put(header, &append);
    struct qr_buf body;
    qr_buf_init(&body, GROUP_MAX + sizeof header);
    qr_buf_add(&body, header, sizeof header);
    qr_buf_add(&body, a->bytes, a->count);
    a->in_flight = true;
    ask(w, to_log(w, x->node), QR_LOGSVC_CALL_APPEND, &body, 10 * MS, append_answered,
        tag_of_append(w, x, a->first_lsn));
}

/* --- the lease --- */

static void renewed(struct world *w, uint64_t tag, const struct qr_rpc_reply *reply)
{
    struct writer *x = writer_of(w, tag);
    if (x == NULL || reply->status != QR_OK)
        return;
    x->lease_until_ns = x->renew_at_ns + 20 * MS; /* counted from before it was asked for */
}

static void renew(struct world *w, struct writer *x)
{
    struct qr_logsvc_ask question = {
        .timeline = history_of(w, x)->id, .epoch = x->epoch, .ttl_ns = 30 * MS};
    struct qr_buf body;
    qr_buf_init(&body, BODY_MAX);
    qr_logsvc_ask_put(&body, &question);
    x->renew_at_ns = now(w) + 10 * MS; /* so the lease asked for ends 20 ms after this */
    ask(w, to_log(w, x->node), QR_LOGSVC_CALL_RENEW, &body, 9 * MS, renewed, tag_of(w, x));
}

/* --- steps --- */

static void serve(struct world *w, struct writer *x)
{
    for (int i = 0; i < x->append_count; i++)
        if (!x->appends[i].in_flight && x->appends[i].retry_at_ns <= now(w))
            send_append(w, x, i);
    if (x->renew_at_ns <= now(w))
        renew(w, x);
    if (!w->calm && x->append_count <= APPENDS_MAX - 3 && chance(w, 3500))
        propose(w, x);
}

void writer_step(struct world *w, int n)
{
    struct writer *x = &w->writers[n];
    if (!qr_simnet_is_up(x->node)) {
        if (now(w) < x->up_at_ns)
            return;
        qr_simnet_up(x->node);
    }
    if (x->state == W_SERVE)
        serve(w, x);
    else if (x->state != W_IDLE && !x->asking && x->retry_at_ns <= now(w)) {
        if (x->state == W_FENCE)
            ask_fence(w, x);
        else
            ask_pages(w, x);
    }
}
