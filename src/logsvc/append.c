/* append.c - accepts appends and changes, or refuses them; see logsvc_int.h.
 *
 * What is accepted joins the queue and moves the timeline's `queued` state, so the next request is
 * judged as if it were hardened already. A fence takes older epochs' appends out of the queue
 * again: they are not in a block yet, so nobody can have been told anything else. */
#include "logsvc_int.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

static const char why_memory[] = "out of memory";
static const char why_damaged[] = "the journal lost log of this timeline";
static const char why_unknown[] = "no such timeline";
static const char why_closed[] = "the log service is closing or has failed";

/* --- ends --- */

static void end_append(struct qr_logsvc *svc, struct qr_logsvc_append *a, struct qri_timeline *tl,
                       enum qr_status status, const char *why)
{
    a->status = status;
    a->why = why;
    if (tl != NULL) {
        a->hardened_lsn = tl->hard.end_lsn;
        a->visible_lsn = tl->hard.commit_lsn;
        a->end_lsn = tl->queued.end_lsn;
        a->throttle = qri_throttle(svc, tl);
    }
    svc->stats.refused_fenced += status == QR_FENCED;
    svc->stats.refused_conflict += status == QR_CONFLICT;
    svc->stats.refused_busy += status == QR_BUSY || status == QR_FULL;
}

static void end_change(struct qr_logsvc_change *c, const struct qri_timeline *tl,
                       enum qr_status status, const char *why)
{
    c->status = status;
    c->why = why;
    if (tl != NULL && status == QR_OK)
        qri_timeline_state(tl, &c->state);
}

void qri_op_done(struct qr_logsvc *svc, struct qri_op *own_op, enum qr_status status,
                 const char *why)
{
    struct qri_op *op = own_op;
    pthread_mutex_lock(&svc->mu);
    if (op->append != NULL)
        end_append(svc, op->append, op->tl, status, why);
    else
        end_change(op->change, op->tl, status, why);
    qri_timeline_unref(svc, op->tl);
    pthread_mutex_unlock(&svc->mu);
    if (op->append != NULL)
        op->append->done(op->append);
    else
        op->change->done(op->change);
    qri_piece_unref(op->piece);
    free(op);
}

static void finish_all(struct qr_logsvc *svc, struct qri_op *op, enum qr_status status,
                       const char *why)
{
    while (op != NULL) {
        struct qri_op *next = op->next;
        qri_op_done(svc, op, status, why);
        op = next;
    }
}

/* --- the queue; with mu held --- */

static struct qri_op *new_op(struct qri_timeline *tl, const struct qr_journal_entry *entry)
{
    struct qri_op *op = calloc(1, sizeof *op);
    if (op == NULL)
        return NULL;
    op->tl = tl;
    op->entry = *entry;
    return op;
}

static uint64_t cost_of(const struct qri_op *op)
{
    return op->barrier ? 0 : QR_JOURNAL_ENTRY_BYTES + op->entry.data_bytes;
}

static void enqueue(struct qr_logsvc *svc, struct qri_op *op)
{
    op->tl->refs++;
    if (!op->barrier)
        qri_state_apply(&op->tl->queued, &op->entry);
    svc->queue_bytes += cost_of(op);
    qri_ops_push(&svc->queue, op);
    if (svc->flushers_asleep > 0 && !svc->flushing)
        pthread_cond_signal(&svc->wake);
}

/* Takes the appends of this timeline that are not in a block out of the queue. */
static struct qri_op *withdraw_appends(struct qr_logsvc *svc, struct qri_timeline *tl)
{
    struct qri_ops kept = {NULL, NULL}, gone = {NULL, NULL};
    for (struct qri_op *op = svc->queue.first, *next; op != NULL; op = next) {
        next = op->next;
        /* A duplicate waits for its original, which may go as well. */
        bool old = op->tl == tl && op->append != NULL &&
                   (!op->barrier || op->entry.lsn + op->entry.data_bytes > tl->taken.end_lsn);
        qri_ops_push(old ? &gone : &kept, op);
        if (old)
            svc->queue_bytes -= cost_of(op);
    }
    svc->queue = kept;
    if (gone.first != NULL) {
        tl->queued.end_lsn = tl->taken.end_lsn;
        tl->queued.commit_lsn = tl->taken.commit_lsn;
        tl->queued.commit_wall_ns = tl->taken.commit_wall_ns;
        tl->queued.epoch_first_lsn = tl->taken.epoch_first_lsn;
        tl->queued.prev_end_lsn = tl->taken.prev_end_lsn;
    }
    return gone.first;
}

/* The block could not be placed: nothing of it was written, so all that waits is refused at once.
 */
void qri_queue_refuse(struct qr_logsvc *svc, struct qri_op *taken, enum qr_status status,
                      const char *why)
{
    pthread_mutex_lock(&svc->mu);
    struct qri_op *waiting = svc->queue.first;
    svc->queue = (struct qri_ops){NULL, NULL};
    svc->queue_bytes = 0;
    struct qri_op *lists[] = {taken, waiting};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        for (struct qri_op *op = lists[i]; op != NULL; op = op->next)
            op->tl->queued = op->tl->taken = op->tl->hard;
    pthread_mutex_unlock(&svc->mu);
    finish_all(svc, taken, status, why);
    finish_all(svc, waiting, status, why);
}

/* --- appends --- */

static bool journal_is_full(const struct qr_logsvc *svc)
{
    return svc->segment_count * svc->options.segment_bytes > svc->options.journal_bytes_max;
}

/* Whether what memory still has of the range is the same. Queued appends are looked at, too. */
static bool same_as_before(struct qr_logsvc *svc, const struct qri_timeline *tl,
                           const struct qr_logsvc_append *a)
{
    uint64_t end = a->first_lsn + a->byte_count;
    for (size_t i = qri_ring_find(tl, a->first_lsn); i < tl->piece_count; i++) {
        const struct qri_piece *p = qri_ring_at(tl, i);
        uint64_t from = p->lsn > a->first_lsn ? p->lsn : a->first_lsn;
        uint64_t to = p->lsn + p->bytes < end ? p->lsn + p->bytes : end;
        if (from < to &&
            memcmp(p->data + (from - p->lsn), a->bytes + (from - a->first_lsn), to - from) != 0)
            return false;
    }
    for (const struct qri_op *op = svc->queue.first; op != NULL; op = op->next) {
        const struct qri_piece *p = op->piece;
        if (op->tl != tl || p == NULL)
            continue;
        uint64_t from = p->lsn > a->first_lsn ? p->lsn : a->first_lsn;
        uint64_t to = p->lsn + p->bytes < end ? p->lsn + p->bytes : end;
        if (from < to &&
            memcmp(p->data + (from - p->lsn), a->bytes + (from - a->first_lsn), to - from) != 0)
            return false;
    }
    return true;
}

/* Wholly old log of this very epoch: an answer was lost, or came later than a time-out. */
static bool is_duplicate(const struct qri_timeline *tl, const struct qr_logsvc_append *a)
{
    const struct qri_state *s = &tl->queued;
    return s->live == QRI_LIVE && a->epoch == s->epoch && !s->fresh &&
           a->first_lsn >= s->epoch_first_lsn && a->first_lsn + a->byte_count <= s->end_lsn &&
           (!a->new_epoch || a->first_lsn == s->epoch_first_lsn);
}

static enum qr_status accept_append(struct qr_logsvc *svc, struct qri_timeline *tl,
                                    struct qr_logsvc_append *a, struct qri_piece **piece,
                                    const char **ret_why)
{
    struct qr_journal_entry e = {.kind = QR_JOURNAL_APPEND,
                                 .flags = a->new_epoch ? QR_JOURNAL_NEW_EPOCH : 0,
                                 .timeline = a->timeline,
                                 .epoch = a->epoch,
                                 .lsn = a->first_lsn,
                                 .commit_lsn = a->commit_lsn,
                                 .commit_wall_ns = a->commit_wall_ns,
                                 .data = (*piece)->data,
                                 .data_bytes = a->byte_count};
    bool duplicate = is_duplicate(tl, a);
    *ret_why = "differs from what was appended there";
    if (duplicate && !same_as_before(svc, tl, a))
        return QR_CONFLICT;
    if (!duplicate)
        QR_TRY(qri_state_check(&tl->queued, &e, ret_why));
    *ret_why = "too many appends wait, or the journal is full";
    if (!duplicate &&
        (svc->queue_bytes + a->byte_count > svc->options.queue_bytes_max || journal_is_full(svc)))
        return QR_BUSY;
    struct qri_op *op = new_op(tl, &e);
    *ret_why = why_memory;
    if (op == NULL)
        return QR_NOMEM;
    op->append = a;
    op->barrier = duplicate;
    op->piece = duplicate ? NULL : QR_TAKE(*piece);
    enqueue(svc, op);
    return QR_OK;
}

void qr_logsvc_append(struct qr_logsvc *svc, struct qr_logsvc_append *a)
{
    const char *why = "an append has 1 byte to 1 MiB";
    enum qr_status status = QR_INVALID;
    struct qri_timeline *tl = NULL;
    struct qri_piece *piece = NULL;
    if (a->byte_count > 0 && a->byte_count <= svc->append_bytes_max &&
        a->first_lsn <= UINT64_MAX / 2 - a->byte_count) {
        piece = qri_piece_new(a);
        status = piece == NULL ? QR_NOMEM : QR_OK;
        why = why_memory;
    } else {
        free(QR_TAKE(a->own_memory));
    }
    pthread_mutex_lock(&svc->mu);
    if (status == QR_OK && qri_check_health(svc, NULL) != QR_OK) {
        status = QR_CLOSED;
        why = why_closed;
    }
    if (status == QR_OK) {
        tl = qri_timeline_find(svc, &a->timeline);
        status = tl == NULL ? QR_NOT_FOUND : tl->damaged ? QR_CORRUPT : QR_OK;
        why = tl == NULL ? why_unknown : why_damaged;
    }
    if (status == QR_OK)
        status = accept_append(svc, tl, a, &piece, &why);
    if (status != QR_OK)
        end_append(svc, a, tl, status, why);
    pthread_mutex_unlock(&svc->mu);
    qri_piece_unref(piece);
    if (status != QR_OK)
        a->done(a);
}

/* --- changes --- */

struct acceptance {
    enum qr_status status;
    const char *why;
    struct qri_timeline *tl;
    struct qri_op *withdrawn; /* appends that a fence refuses */
    bool barrier;             /* it was so already */
    bool nothing;             /* and nothing need be waited for */
};

static enum qr_status check_create(struct qr_logsvc *svc, const struct qr_logsvc_change *c,
                                   struct acceptance *x)
{
    if (x->tl == NULL) {
        x->why = "too many timelines";
        if (svc->timelines.count >= svc->options.timelines_max)
            return QR_BUSY;
        x->why = why_memory;
        x->tl = qri_timeline_add(svc, &c->timeline);
        return x->tl == NULL ? QR_NOMEM : QR_OK;
    }
    x->why = "the timeline exists";
    x->barrier = true;
    bool same = x->tl->queued.live == QRI_LIVE && x->tl->start_lsn == c->start_lsn &&
                x->tl->branch_lsn == c->branch_lsn && qr_timeline_eq(&x->tl->parent, &c->parent);
    return same ? QR_OK : QR_EXISTS;
}

static int64_t lease_end(const struct qr_logsvc *svc, const struct qri_timeline *tl)
{
    int64_t at_open = svc->opened_ns + svc->options.lease_ttl_ns_max;
    bool had_primary = tl->queued.epoch > 0 && svc->generation > 1;
    return had_primary && tl->lease_until_ns == 0 ? at_open : tl->lease_until_ns;
}

static enum qr_status check_fence(struct qr_logsvc *svc, struct qr_logsvc_change *c,
                                  struct acceptance *x)
{
    struct qri_timeline *tl = x->tl;
    if (c->epoch == tl->queued.epoch && c->holder == tl->queued.holder && c->epoch > 0) {
        x->barrier = true;
        return QR_OK;
    }
    x->why = "the epoch is not above the current one";
    if (c->epoch <= tl->queued.epoch)
        return QR_FENCED;
    int64_t now = qr_env_mono_ns(svc->env), end = lease_end(svc, tl);
    if (c->force || now >= end) {
        tl->lease_until_ns = now; /* the next reign takes a lease of its own */
        tl->lease_blocked_until_ns = 0;
        return QR_OK;
    }
    x->why = "the primary's lease still runs";
    tl->lease_blocked_until_ns = end + svc->options.lease_ttl_ns_max;
    c->wait_ns = end - now;
    return QR_LOCKED;
}

static enum qr_status check_change(struct qr_logsvc *svc, struct qr_logsvc_change *c,
                                   struct acceptance *x)
{
    x->tl = qri_timeline_find(svc, &c->timeline);
    if (c->kind == QR_LOGSVC_CREATE)
        return check_create(svc, c, x);
    x->why = why_unknown;
    bool live = x->tl != NULL && x->tl->queued.live == QRI_LIVE;
    if (c->kind == QR_LOGSVC_DROP) {
        x->barrier = !live;
        x->nothing = x->tl == NULL;
        return QR_OK;
    }
    if (!live)
        return QR_NOT_FOUND;
    x->why = why_damaged;
    if (x->tl->damaged)
        return QR_CORRUPT;
    if (c->kind == QR_LOGSVC_FENCE)
        return check_fence(svc, c, x);
    x->why = "trims what is not behind the last commit";
    x->barrier = c->lsn <= x->tl->queued.trimmed_lsn;
    return c->lsn <= x->tl->hard.commit_lsn ? QR_OK : QR_INVALID;
}

static struct qr_journal_entry entry_of(const struct qr_logsvc_change *c,
                                        const struct qri_timeline *tl)
{
    struct qr_journal_entry e = {
        .kind = (enum qr_journal_kind)c->kind, .timeline = c->timeline, .lsn = c->lsn};
    if (c->kind == QR_LOGSVC_CREATE) {
        e.lsn = c->start_lsn;
        e.commit_lsn = c->commit_lsn == 0 ? c->start_lsn : c->commit_lsn;
        e.commit_wall_ns = c->commit_wall_ns;
        e.extra = c->branch_lsn;
        e.data = c->parent.id; /* the change stays in place until done */
        e.data_bytes = QR_TIMELINE_BYTES;
    } else if (c->kind == QR_LOGSVC_FENCE) {
        e.epoch = c->epoch;
        e.extra = c->holder;
        e.lsn = tl->queued.end_lsn;
        e.commit_lsn = tl->queued.commit_lsn;
        e.commit_wall_ns = tl->queued.commit_wall_ns;
    }
    return e;
}

static void accept_change(struct qr_logsvc *svc, struct qr_logsvc_change *c, struct acceptance *x)
{
    x->status = check_change(svc, c, x);
    if (x->status != QR_OK || x->nothing)
        return;
    if (c->kind == QR_LOGSVC_FENCE && !x->barrier)
        x->withdrawn = withdraw_appends(svc, x->tl);
    struct qr_journal_entry e = entry_of(c, x->tl);
    if (!x->barrier)
        x->status = qri_state_check(&x->tl->queued, &e, &x->why);
    struct qri_op *op = x->status == QR_OK ? new_op(x->tl, &e) : NULL;
    if (op == NULL && x->status == QR_OK) {
        x->status = QR_NOMEM;
        x->why = why_memory;
    }
    if (op != NULL) {
        op->change = c;
        op->barrier = x->barrier;
        if (c->kind == QR_LOGSVC_CREATE && !x->barrier)
            qri_timeline_created(x->tl, &e);
        enqueue(svc, op);
    } else if (c->kind == QR_LOGSVC_CREATE && !x->barrier) {
        qri_timeline_remove(svc, x->tl);
        x->tl = NULL;
    }
}

void qr_logsvc_change(struct qr_logsvc *svc, struct qr_logsvc_change *c)
{
    struct acceptance x = {.status = QR_CLOSED, .why = why_closed};
    pthread_mutex_lock(&svc->mu);
    bool lsns_ok =
        c->start_lsn <= UINT64_MAX / 2 && c->lsn <= UINT64_MAX / 2 && c->commit_lsn <= c->start_lsn;
    if (!lsns_ok)
        x = (struct acceptance){.status = QR_INVALID, .why = "an LSN is out of its range"};
    else if (qri_check_health(svc, NULL) == QR_OK)
        accept_change(svc, c, &x);
    bool ends = x.status != QR_OK || x.nothing;
    if (ends)
        end_change(c, x.nothing ? NULL : x.tl, x.status, x.why);
    pthread_mutex_unlock(&svc->mu);
    finish_all(svc, x.withdrawn, QR_FENCED, "a newer epoch has taken over");
    if (ends)
        c->done(c);
}

enum qr_status qr_logsvc_renew(struct qr_logsvc *svc, const struct qr_timeline *timeline,
                               uint64_t epoch, int64_t ttl_ns, struct qr_err *err)
{
    int64_t max = svc->options.lease_ttl_ns_max;
    int64_t now = qr_env_mono_ns(svc->env);
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&svc->mu);
    struct qri_timeline *tl = qri_timeline_find(svc, timeline);
    if (tl == NULL || tl->queued.live != QRI_LIVE)
        status = qr_fail(err, QR_NOT_FOUND, "no such timeline");
    else if (ttl_ns <= 0 || ttl_ns > max) /* who got less than it asked for would not know */
        status = qr_fail(err, QR_INVALID, "a lease of %lld ns, at most %lld", (long long)ttl_ns,
                         (long long)max);
    else if (epoch != tl->queued.epoch || epoch == 0)
        status =
            qr_fail(err, QR_FENCED, "epoch %llu is not the current one", (unsigned long long)epoch);
    else if (now < tl->lease_blocked_until_ns)
        status = qr_fail(err, QR_FENCED, "a newer epoch waits for the lease to end");
    else
        tl->lease_until_ns = now + ttl_ns;
    pthread_mutex_unlock(&svc->mu);
    return status;
}
