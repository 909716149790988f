/* hyper_branch.c - see store/hyper_branch.h */
#include "store/hyper_branch.h"
#include "logsvc/peer.h"
#include "pagesvc/client.h"
#include "base/banned.h"

static const int64_t TIMEOUT_NS = INT64_C(30000000000), CALL_NS = INT64_C(5000000000),
                     REPEAT_MIN_NS = 1000000, REPEAT_MAX_NS = 256000000;
enum { PAGE_BYTES = 8192 };
/* Log is kept this much longer than pages: the search by time begins at a commit before it. */
static const uint64_t TRIM_SLACK_NS = UINT64_C(3600000000000);

/* One call of ours: when it gives up, and how long its next pause is. */
struct op {
    const struct qr_hyper_services *s;
    struct qr_env *env;
    int64_t until_ns, backoff_ns;
};

static struct op begin(const struct qr_hyper_services *s)
{
    struct op op = {
        .s = s, .env = s->env != NULL ? s->env : qr_env_real(), .backoff_ns = REPEAT_MIN_NS};
    op.until_ns = qr_env_mono_ns(op.env) + (s->timeout_ns != 0 ? s->timeout_ns : TIMEOUT_NS);
    return op;
}

/* After a call without an answer, or one that says "not yet": pauses, unless the time is over. */
static bool again(struct op *op, enum qr_status status)
{
    if (status != QR_TIMEOUT && status != QR_CLOSED && status != QR_BUSY && status != QR_NOMEM)
        return false;
    if (qr_env_mono_ns(op->env) >= op->until_ns)
        return false;
    if (op->s->pause != NULL)
        op->s->pause(op->s->pause_ctx, op->backoff_ns);
    else
        qr_env_sleep_ns(op->env, op->backoff_ns);
    op->backoff_ns = op->backoff_ns < REPEAT_MAX_NS ? op->backoff_ns * 2 : op->backoff_ns;
    return true;
}

static uint32_t page_bytes(const struct op *op)
{
    return op->s->page_bytes != 0 ? op->s->page_bytes : PAGE_BYTES;
}

/* --- the log service --- */

static enum qr_status log_state(struct op *op, const struct qr_timeline *timeline,
                                struct qr_logsvc_state *ret_state, struct qr_err *err)
{
    enum qr_status status;
    do
        status = qr_logsvc_peer_state(op->s->log, timeline, CALL_NS, ret_state, err);
    while (again(op, status));
    return status;
}

static enum qr_status log_change(struct op *op, struct qr_logsvc_change *change, struct qr_err *err)
{
    enum qr_status status;
    do
        status = qr_logsvc_peer_change(op->s->log, change, CALL_NS, err);
    while (again(op, status));
    return status;
}

static enum qr_status log_find(struct op *op, const struct qr_timeline *timeline, uint64_t wall_ns,
                               struct qr_hyper_base *ret_base, struct qr_err *err)
{
    enum qr_status status;
    struct qr_hyper_base base = {{0}, 0};
    do
        status = qr_logsvc_peer_find(op->s->log, timeline, wall_ns, CALL_NS, &base.lsn.v,
                                     &base.wall_ns, err);
    while (again(op, status));
    if (status == QR_OK)
        *ret_base = base;
    return status;
}

/* --- page servers --- */

static enum qr_status pages_simple(struct op *op, enum qr_pages_method method,
                                   const struct qr_slice_id *id, struct qr_err *err)
{
    enum qr_status status;
    do
        status = qr_pages_simple(op->s->pages, method, id, err);
    while (again(op, status));
    return status;
}

/* A page server that was started anew may not serve them yet. */
static enum qr_status attach_all(struct op *op, const struct qr_timeline *timeline,
                                 uint32_t slice_count, struct qr_err *err)
{
    for (uint32_t no = 0; no < slice_count; no++)
        QR_TRY(pages_simple(op, QR_PAGES_ATTACH, &(struct qr_slice_id){*timeline, no}, err));
    return QR_OK;
}

static enum qr_status pages_cursor(struct op *op, const struct qr_slice_id *id,
                                   struct qr_slice_cursor *ret_cursor, struct qr_err *err)
{
    enum qr_status status;
    do
        status = qr_pages_cursor(op->s->pages, id, ret_cursor, err);
    while (again(op, status));
    return status;
}

static enum qr_status get_meta(struct op *op, const struct qr_timeline *timeline, struct qr_lsn lsn,
                               struct qr_buf *reply, struct qr_pages_got *ret_got,
                               struct qr_err *err)
{
    struct qr_slice_id id = {*timeline, 0};
    struct qr_pages_want want = {.page_no = 0, .not_modified_since = lsn, .lsn = lsn};
    struct qr_buf ask;
    qr_buf_init(&ask, 4096);
    qr_pages_get_encode(&id, &want, 1, &ask);
    enum qr_status status = qr_buf_status(&ask, err);
    bool repeat = status == QR_OK;
    while (repeat) {
        size_t at = 0;
        struct iovec body = {ask.data, ask.len};
        qr_buf_clear(reply);
        status = qr_rpc_call_wait(op->s->pages, QR_PAGES_GET, &body, 1, CALL_NS, reply, err);
        if (status == QR_OK)
            status = qr_pages_got_next(reply->data, reply->len, &at, ret_got, err);
        if (status == QR_OK && ret_got->status != QR_OK)
            status = qr_fail(err, ret_got->status, "the page server has no meta page");
        repeat = again(op, status);
    }
    qr_buf_done(&ask);
    return status;
}

/* The commit at or before an LSN, when the page server has it. */
static enum qr_status commit_at(struct op *op, const struct qr_timeline *timeline,
                                struct qr_lsn lsn, struct qr_hyper_base *ret_base,
                                uint32_t *ret_db_pages, struct qr_err *err)
{
    struct qr_buf reply;
    struct qr_pages_got got;
    struct qr_pages_meta meta;
    qr_buf_init(&reply, SIZE_MAX / 4);
    enum qr_status status = get_meta(op, timeline, lsn, &reply, &got, err);
    if (status == QR_OK)
        status = qr_pages_meta_decode(got.page, got.bytes, &meta, err);
    if (status == QR_OK && meta.lsn.v > lsn.v)
        status = qr_fail(err, QR_CORRUPT, "the meta page is of a later commit");
    if (status == QR_OK)
        *ret_base = (struct qr_hyper_base){meta.lsn, meta.wall_ns};
    if (status == QR_OK)
        *ret_db_pages = meta.db_pages;
    qr_buf_done(&reply);
    if (status == QR_GONE)
        return qr_fail(err, QR_NOT_FOUND, "the database is not kept from LSN %llu on any more",
                       (unsigned long long)lsn.v);
    return status == QR_TIMEOUT ? qr_wrap(err, QR_BUSY, "page servers are behind") : status;
}

/* --- branch --- */

/* Where a commit mark ends. What the log service says of a time is one; page servers have to have
 * it before they can branch there. */
static enum qr_status resolve(struct op *op, const struct qr_timeline *timeline,
                              const struct qr_hyper_point *point, struct qr_hyper_base *ret_base,
                              struct qr_err *err)
{
    struct qr_logsvc_state state;
    struct qr_hyper_base base = {{0}, 0};
    uint32_t db_pages = 0;
    QR_TRY(log_state(op, timeline, &state, err));
    if (point->kind == QR_POINT_TIME)
        QR_TRY(log_find(op, timeline, point->wall_ns, &base, err));
    else
        base.lsn.v = point->kind == QR_POINT_NOW ? state.commit_lsn : point->lsn.v;
    uint64_t first = state.branch_lsn != 0 ? state.branch_lsn : state.start_lsn;
    if (base.lsn.v < first)
        return qr_fail(err, QR_NOT_FOUND, "the database begins later");
    if (base.lsn.v > state.commit_lsn)
        return qr_fail(err, QR_INVALID, "LSN %llu is behind the last commit",
                       (unsigned long long)base.lsn.v);
    return commit_at(op, timeline, base.lsn, ret_base, &db_pages, err);
}

static enum qr_status check_child(const struct qr_logsvc_state *state,
                                  const struct qr_timeline *parent, struct qr_err *err)
{
    if (qr_timeline_eq(&state->parent, parent))
        return QR_OK;
    return qr_fail(err, QR_EXISTS, "the timeline exists and is no branch of this parent");
}

/* Decides the branch, or finds what was decided before. */
static enum qr_status decide(struct op *op, const struct qr_timeline *parent,
                             const struct qr_hyper_point *point, const struct qr_timeline *child,
                             struct qr_hyper_base *ret_base, struct qr_err *err)
{
    struct qr_logsvc_state state;
    enum qr_status status = log_state(op, child, &state, err);
    if (status == QR_NOT_FOUND) {
        struct qr_hyper_base base;
        QR_TRY(resolve(op, parent, point, &base, err));
        struct qr_logsvc_change create = {.kind = QR_LOGSVC_CREATE,
                                          .timeline = *child,
                                          .parent = *parent,
                                          .branch_lsn = base.lsn.v,
                                          .start_lsn = base.lsn.v,
                                          .commit_lsn = base.lsn.v,
                                          .commit_wall_ns = base.wall_ns};
        status = log_change(op, &create, err);
        if (status == QR_OK) {
            *ret_base = base;
            return QR_OK;
        }
        if (status == QR_EXISTS) /* another try of this call came through meanwhile */
            status = log_state(op, child, &state, err);
    }
    QR_TRY(status);
    QR_TRY(check_child(&state, parent, err));
    *ret_base = (struct qr_hyper_base){qr_lsn(state.branch_lsn), state.commit_wall_ns};
    return QR_OK;
}

static enum qr_status branch_slice(struct op *op, const struct qr_slice_id *id, struct qr_lsn lsn,
                                   const struct qr_timeline *child, struct qr_err *err)
{
    enum qr_status status;
    do
        status = qr_pages_branch(op->s->pages, id, lsn, child, lsn, err);
    while (again(op, status));
    return status;
}

/* A slice that had no page then: the parent may have made it later. The child gets one of its own.
 */
static enum qr_status new_slice(struct op *op, const struct qr_slice_id *id, struct qr_lsn lsn,
                                struct qr_err *err)
{
    enum qr_status status;
    do
        status = qr_pages_create(op->s->pages, id, page_bytes(op), lsn, err);
    while (again(op, status));
    return status;
}

static enum qr_status branch_slices(struct op *op, const struct qr_timeline *parent,
                                    uint32_t slice_count, struct qr_lsn lsn,
                                    const struct qr_timeline *child, struct qr_err *err)
{
    uint64_t slice_bytes = op->s->slice_bytes != 0 ? op->s->slice_bytes : QR_SLICE_BYTES;
    struct qr_hyper_base base;
    uint32_t db_pages = 0;
    if (slice_count > 1)
        QR_TRY(commit_at(op, parent, lsn, &base, &db_pages, err));
    for (uint32_t no = 0; no < slice_count; no++) {
        bool had_pages = no == 0 || no * slice_bytes / page_bytes(op) <= db_pages;
        enum qr_status status =
            had_pages ? branch_slice(op, &(struct qr_slice_id){*parent, no}, lsn, child, err)
                      : new_slice(op, &(struct qr_slice_id){*child, no}, lsn, err);
        QR_TRY(qr_wrap(err, status, "branch slice %u", no));
    }
    return QR_OK;
}

enum qr_status qr_hyper_branch(const struct qr_hyper_services *services,
                               const struct qr_timeline *parent, uint32_t slice_count,
                               const struct qr_hyper_point *point, const struct qr_timeline *child,
                               struct qr_hyper_base *ret_base, struct qr_err *err)
{
    struct op op = begin(services);
    struct qr_hyper_base base;
    QR_TRY(qr_wrap(err, attach_all(&op, parent, slice_count, err), "serve the parent"));
    QR_TRY(qr_wrap(err, decide(&op, parent, point, child, &base, err), "choose the commit"));
    QR_TRY(branch_slices(&op, parent, slice_count, base.lsn, child, err));
    *ret_base = base;
    return QR_OK;
}

/* --- what is still needed --- */

/* Where the page servers of a timeline would go on reading after a crash, from layers of their own
 * or, with `flush`, of right now. UINT64_MAX: they have given it up. */
static enum qr_status disk_lsn(struct op *op, const struct qr_timeline *timeline,
                               uint32_t slice_count, bool flush, uint64_t *ret_lsn,
                               struct qr_err *err)
{
    uint64_t least = UINT64_MAX;
    for (uint32_t no = 0; no < slice_count; no++) {
        struct qr_slice_id id = {*timeline, no};
        struct qr_slice_cursor cursor;
        enum qr_status status = pages_simple(op, QR_PAGES_ATTACH, &id, err);
        if (status == QR_OK && flush)
            status = pages_simple(op, QR_PAGES_FLUSH, &id, err);
        if (status == QR_OK)
            status = pages_cursor(op, &id, &cursor, err);
        if (status == QR_NOT_FOUND)
            continue;
        QR_TRY(status);
        least = cursor.disk.v < least ? cursor.disk.v : least;
    }
    *ret_lsn = least;
    return QR_OK;
}

/* The first LSN of a timeline's log that a branch of it may have to read again. */
static enum qr_status needed_by_heirs(struct op *op, uint32_t slice_count,
                                      const struct qr_hyper_heir *heirs, size_t heir_count,
                                      uint64_t *ret_lsn, struct qr_err *err)
{
    uint64_t needed = UINT64_MAX;
    for (size_t i = 0; i < heir_count; i++) {
        uint64_t lsn = 0;
        QR_TRY(disk_lsn(op, &heirs[i].timeline, slice_count, false, &lsn, err));
        if (lsn < heirs[i].until.v) /* what it has so far is in memory only */
            QR_TRY(disk_lsn(op, &heirs[i].timeline, slice_count, true, &lsn, err));
        if (lsn < heirs[i].until.v && lsn < needed)
            needed = lsn;
    }
    *ret_lsn = needed;
    return QR_OK;
}

/* --- drop --- */

static enum qr_status drop_slice(struct op *op, const struct qr_slice_id *id, struct qr_err *err)
{
    enum qr_status status = pages_simple(op, QR_PAGES_ATTACH, id, err);
    if (status == QR_OK)
        status = pages_simple(op, QR_PAGES_DROP, id, err);
    return status == QR_NOT_FOUND ? QR_OK : status; /* it is gone, or was never made */
}

enum qr_status qr_hyper_drop(const struct qr_hyper_services *services,
                             const struct qr_timeline *timeline, uint32_t slice_count,
                             const struct qr_hyper_heir *heirs, size_t heir_count,
                             struct qr_err *err)
{
    struct op op = begin(services);
    for (uint32_t no = 0; no < slice_count; no++)
        QR_TRY(qr_wrap(err, drop_slice(&op, &(struct qr_slice_id){*timeline, no}, err),
                       "drop slice %u", no));
    uint64_t needed = 0;
    QR_TRY(needed_by_heirs(&op, slice_count, heirs, heir_count, &needed, err));
    if (needed != UINT64_MAX)
        return qr_fail(err, QR_BUSY, "a branch still reads the log from LSN %llu on",
                       (unsigned long long)needed);
    struct qr_logsvc_change drop = {.kind = QR_LOGSVC_DROP, .timeline = *timeline};
    return qr_wrap(err, log_change(&op, &drop, err), "drop the log");
}

enum qr_status qr_hyper_is_gone(const struct qr_hyper_services *services,
                                const struct qr_timeline *timeline, uint32_t slice_count,
                                bool *ret_gone, struct qr_err *err)
{
    struct op op = begin(services);
    bool gone = true;
    for (uint32_t no = 0; no < slice_count; no++) {
        enum qr_status status =
            pages_simple(&op, QR_PAGES_ATTACH, &(struct qr_slice_id){*timeline, no}, err);
        if (status != QR_OK && status != QR_NOT_FOUND)
            return status;
        gone = gone && status == QR_NOT_FOUND;
    }
    *ret_gone = gone;
    return QR_OK;
}

/* --- retention --- */

static enum qr_status raise_horizon(struct op *op, const struct qr_timeline *timeline,
                                    uint32_t slice_count, struct qr_lsn lsn, struct qr_err *err)
{
    QR_TRY(attach_all(op, timeline, slice_count, err));
    for (uint32_t no = 0; no < slice_count; no++) {
        enum qr_status status;
        do
            status = qr_pages_horizon(op->s->pages, &(struct qr_slice_id){*timeline, no}, lsn, err);
        while (again(op, status));
        QR_TRY(status);
    }
    return QR_OK;
}

/* The log service reports nothing of what was trimmed before: more is no harm. */
static enum qr_status trim(struct op *op, const struct qr_timeline *timeline, uint32_t slice_count,
                           uint64_t horizon_wall_ns, const struct qr_hyper_heir *heirs,
                           size_t heir_count, struct qr_lsn *ret_trimmed, struct qr_err *err)
{
    struct qr_hyper_base base;
    uint64_t own = 0, theirs = 0;
    if (horizon_wall_ns < TRIM_SLACK_NS)
        return QR_OK;
    enum qr_status status = log_find(op, timeline, horizon_wall_ns - TRIM_SLACK_NS, &base, err);
    if (status == QR_NOT_FOUND)
        return QR_OK;
    QR_TRY(status);
    QR_TRY(disk_lsn(op, timeline, slice_count, false, &own, err));
    QR_TRY(needed_by_heirs(op, slice_count, heirs, heir_count, &theirs, err));
    uint64_t needed = own < theirs ? own : theirs;
    struct qr_logsvc_change change = {.kind = QR_LOGSVC_TRIM,
                                      .timeline = *timeline,
                                      .lsn = base.lsn.v < needed ? base.lsn.v : needed};
    QR_TRY(log_change(op, &change, err));
    *ret_trimmed = qr_lsn(change.state.trimmed_lsn);
    return QR_OK;
}

enum qr_status qr_hyper_retain(const struct qr_hyper_services *services,
                               const struct qr_timeline *timeline, uint32_t slice_count,
                               uint64_t horizon_wall_ns, const struct qr_hyper_heir *heirs,
                               size_t heir_count, struct qr_hyper_retained *ret_retained,
                               struct qr_err *err)
{
    struct op op = begin(services);
    struct qr_hyper_retained r = {.trimmed = {0}};
    enum qr_status status = log_find(&op, timeline, horizon_wall_ns, &r.horizon, err);
    if (status == QR_OK) {
        QR_TRY(qr_wrap(err, raise_horizon(&op, timeline, slice_count, r.horizon.lsn, err),
                       "raise the horizon"));
        QR_TRY(qr_wrap(
            err,
            trim(&op, timeline, slice_count, horizon_wall_ns, heirs, heir_count, &r.trimmed, err),
            "trim the log"));
    } else if (status != QR_NOT_FOUND) { /* that: it is younger, or it was trimmed to later */
        return qr_wrap(err, status, "find the horizon");
    }
    *ret_retained = r;
    return QR_OK;
}

/* --- pins --- */

enum qr_status qr_hyper_pin(const struct qr_hyper_services *services,
                            const struct qr_timeline *timeline, uint32_t slice_count,
                            const struct qr_hyper_point *point, const struct qr_timeline *name,
                            struct qr_hyper_base *ret_base, struct qr_err *err)
{
    struct op op = begin(services);
    struct qr_hyper_base base;
    QR_TRY(attach_all(&op, timeline, slice_count, err));
    QR_TRY(resolve(&op, timeline, point, &base, err));
    for (uint32_t no = 0; no < slice_count; no++) {
        enum qr_status status;
        do
            status = qr_pages_pin(op.s->pages, &(struct qr_slice_id){*timeline, no}, name, base.lsn,
                                  err);
        while (again(&op, status));
        QR_TRY(qr_wrap(err, status, "pin slice %u", no));
    }
    *ret_base = base;
    return QR_OK;
}

enum qr_status qr_hyper_unpin(const struct qr_hyper_services *services,
                              const struct qr_timeline *timeline, uint32_t slice_count,
                              const struct qr_timeline *name, struct qr_err *err)
{
    struct op op = begin(services);
    QR_TRY(attach_all(&op, timeline, slice_count, err));
    for (uint32_t no = 0; no < slice_count; no++) {
        enum qr_status status;
        do
            status = qr_pages_unpin(op.s->pages, &(struct qr_slice_id){*timeline, no}, name, err);
        while (again(&op, status));
        QR_TRY(qr_wrap(err, status, "unpin slice %u", no));
    }
    return QR_OK;
}
