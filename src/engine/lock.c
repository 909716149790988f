/* lock.c - see lock_int.h */
#include "lock_int.h"
#include <stdio.h>
#include "deadlock_int.h"
#include "grant_int.h"
#include "link.h"
#include "lock/range.h"
#include "oplog_int.h"
#include "base/banned.h"

/* A grant has been asked for to have it once the writer lock is there; that is mostly soon. */
enum { GRANT_KEPT_NS = 500 * 1000 * 1000 };

/* ---- waiting ---- */

enum qr_wait qri_lock_wait_kind(enum qr_lock_kind kind, enum qr_lock_mode mode)
{
    static const enum qr_wait types[QR_LOCK_MODES] = {
        [QR_LOCK_SCH_S] = QR_WAIT_LCK_M_SCH_S, [QR_LOCK_SCH_M] = QR_WAIT_LCK_M_SCH_M,
        [QR_LOCK_IS] = QR_WAIT_LCK_M_IS,       [QR_LOCK_S] = QR_WAIT_LCK_M_S,
        [QR_LOCK_U] = QR_WAIT_LCK_M_U,         [QR_LOCK_IX] = QR_WAIT_LCK_M_IX,
        [QR_LOCK_SIX] = QR_WAIT_LCK_M_SIX,     [QR_LOCK_UIX] = QR_WAIT_LCK_M_UIX,
        [QR_LOCK_X] = QR_WAIT_LCK_M_X,
    };
    static const enum qr_wait of_ranges[QR_LOCK_MODES] = {
        [QR_LOCK_S] = QR_WAIT_LCK_M_RS_S,
        [QR_LOCK_U] = QR_WAIT_LCK_M_RS_U,
        [QR_LOCK_X] = QR_WAIT_LCK_M_RX_X,
        [QR_LOCK_IX] = QR_WAIT_LCK_M_RIn_NL,
    };
    return kind == QR_LOCK_RANGE && of_ranges[mode] != QR_WAIT_NONE ? of_ranges[mode] : types[mode];
}

struct waiting {
    struct qr_session *session;
    int64_t begun_ns;
    int64_t counted_ns; /* since when LOCK_TIMEOUT counts */
    bool blocked;       /* the pool was told */
    bool times_out, is_commit;
    bool has_writer; /* it waits for a lock and has the writer lock */
    bool is_victim;
    enum qr_wait type;
    struct qr_wait_mark mark; /* once blocked */
};

/* ---- the writer lock, which the lock manager knows nothing of ---- */

/* The session has it, and somebody who needs it is in its way. */
static enum qr_status fail_deadlock(struct qr_session *session, struct qr_err *err)
{
    struct qr_deadlock d = {.victim_session_id = session->id};
    (void)snprintf(d.text, sizeof d.text,
                   "victim: session %u, which has the writer lock and wants a lock of a session "
                   "that needs the writer lock",
                   session->id);
    qri_deadlock_found(session->db, &d);
    return qr_sql_fail(err, 1205, (int)session->id, "lock");
}

/* Does one that it waits for, over others that wait for locks, wait for the writer lock? */
static bool is_circle(const struct qr_session *session)
{
    enum { WRITERS_MAX = 1024 };
    struct qr_writer_info writers[WRITERS_MAX];
    uint32_t ids[WRITERS_MAX];
    size_t listed = qr_store_list_writers(session->db->store, writers, WRITERS_MAX), count = 0;
    for (size_t i = 0; i < listed && i < WRITERS_MAX; i++)
        if (writers[i].owner != session->id)
            ids[count++] = (uint32_t)writers[i].owner;
    return count > 0 && qr_lock_waits_for(session->lock_owner, ids, count);
}

static void end_wait(const struct waiting *w)
{
    if (!w->blocked)
        return;
    qr_wait_end(w->mark);
    w->session->sink->block_end(w->session->sink->ctx);
}

/* LOCK_TIMEOUT is about what others keep. The turn of statements that change other rows comes by
 * itself; SQL Server, where they run side by side, knows no time-out of it. */
static bool has_timed_out(struct waiting *w, int64_t now_ns)
{
    const struct qr_session *session = w->session;
    int32_t timeout_ms = session->options.lock_timeout_ms;
    if (!atomic_load(&session->db->writer_stays))
        w->counted_ns = INT64_MAX;
    else if (w->counted_ns == INT64_MAX)
        w->counted_ns = now_ns;
    return w->counted_ns != INT64_MAX && timeout_ms >= 0 &&
           (now_ns - w->counted_ns) / 1000000 >= timeout_ms;
}

/* Who waits for a lock has no grant: others sort in it, who may have what it waits for. A
 * function's statement leaves alone what the statement around it works in. */
static void give_grant(struct qr_session *session)
{
    if (session->tran.depth == 0 && session->grant_frame != NULL)
        qri_grant_give(session);
}

static enum qr_status poll_wait(void *ctx)
{
    struct waiting *w = ctx;
    struct qr_session *session = w->session;
    if (!w->blocked && session->sink != NULL) {
        w->blocked = true;
        qri_session_show(session); /* others see what it has changed so far */
        session->sink->block_begin(session->sink->ctx);
        w->mark = qr_wait_begin(w->type);
    }
    if (w->is_commit)
        return QR_OK;
    w->is_victim = w->has_writer && is_circle(session);
    if (w->is_victim)
        return QR_LOCKED;
    if (atomic_load_explicit(&session->killed, memory_order_relaxed))
        return QR_CLOSED;
    if (session->sink != NULL && session->sink->cancelled(session->sink->ctx))
        return QR_CANCELLED;
    int64_t now_ns = qr_env_mono_ns(session->db->instance->options.env);
    if (w->times_out && now_ns - w->begun_ns >= GRANT_KEPT_NS)
        give_grant(session);
    return w->times_out && has_timed_out(w, now_ns) ? QR_TIMEOUT : QR_OK;
}

enum qr_status qri_lock_writer(struct qr_session *session, bool is_commit, struct qr_err *err)
{
    struct qr_conn *conn = session->link->conn;
    if (qr_conn_has_writer(conn))
        return QR_OK;
    struct waiting w = {.session = session,
                        .begun_ns = qr_env_mono_ns(session->db->instance->options.env),
                        .counted_ns = INT64_MAX,
                        .type = QR_WAIT_LCK_M_X, /* of the whole database, as it were */
                        .times_out = true,
                        .is_commit = is_commit};
    enum qr_status status = qr_conn_lock_writer(conn, session->id, poll_wait, &w, err);
    end_wait(&w);
    if (status == QR_TIMEOUT)
        return qr_sql_fail(err, 1222);
    if (status == QR_READ_ONLY)
        return qr_sql_fail(err, 3906, qri_info(session->db)->name.p);
    return status;
}

/* ---- locks ---- */

enum qr_status qri_lock_need_owner(struct qr_session *session, struct qr_err *err)
{
    if (session->lock_owner != NULL)
        return QR_OK;
    return qr_lock_owner_new(session->db->locks, session->id, &session->lock_owner, err);
}

enum qr_status qri_lock_refused(struct qr_session *session, const struct qr_lock_resource *in_way,
                                enum qr_lock_mode mode, struct qr_err *err)
{
    if (session->tran.holds) /* whoever is in the way needs the writer lock to end */
        return fail_deadlock(session, err);
    session->conflict = (struct qri_conflict){.resource = *in_way, .mode = mode};
    return QR_AGAIN;
}

enum qr_status qri_lock(struct qr_session *session, const struct qr_lock_resource *resource,
                        enum qr_lock_mode mode, struct qr_err *err)
{
    QR_TRY(qri_lock_need_owner(session, err));
    enum qr_status status = qr_lock_try(session->lock_owner, QR_LOCK_OF_TRAN, resource, mode, err);
    return status == QR_BUSY ? qri_lock_refused(session, resource, mode, err) : status;
}

bool qri_locks_are_many(struct qr_session *session, bool *ret_due)
{
    enum { MANY = 20000, EACH = 256 }; /* 4 MiB of the lock manager's memory */
    const struct qr_lock_owner *owner = session->lock_owner;
    size_t count =
        owner == NULL ? 0 : qr_lock_count(owner, QR_LOCK_OF_TRAN) + qr_lock_range_pieces(owner);
    size_t last = session->escalated_at; /* it may have less by now */
    *ret_due = count >= MANY && (last == 0 || count < last || count - last >= EACH);
    if (*ret_due)
        session->escalated_at = count;
    return count >= MANY;
}

enum qr_status qri_lock_table(struct qr_session *session, uint32_t object_id,
                              enum qr_lock_mode mode, struct qr_err *err)
{
    struct qr_lock_resource table = {.kind = QR_LOCK_TABLE, .object = object_id};
    return qri_lock(session, &table, mode, err);
}

enum qr_status qri_lock_wait(struct qr_session *session, enum qr_lock_scope scope,
                             const struct qr_lock_resource *resource, enum qr_lock_mode mode,
                             const char *name, int32_t timeout_ms, struct qr_err *err)
{
    if (session->tran.depth == 0) /* between two statements: nobody needs to wait for us */
        qri_tran_rest(session);
    bool has_writer = session->link != NULL && qr_conn_has_writer(session->link->conn);
    struct waiting w = {.session = session,
                        .has_writer = has_writer,
                        .type = qri_lock_wait_kind((enum qr_lock_kind)resource->kind, mode)};
    QR_TRY(qri_lock_need_owner(session, err));
    qr_lock_owner_set(session->lock_owner, session->options.deadlock_priority,
                      qri_oplog_mark(session->tran.oplog).count);
    enum qr_status status = qr_lock_wait(session->lock_owner, scope, resource, mode, name,
                                         timeout_ms, poll_wait, &w, err);
    end_wait(&w);
    if (status == QR_OK || !w.is_victim)
        return status;
    return fail_deadlock(session, err);
}

enum qr_status qri_lock_again(struct qr_session *session, enum qr_status status, bool *ret_again,
                              struct qr_err *err)
{
    *ret_again = false;
    bool within = session->tran.depth > 0 && qr_conn_has_writer(session->link->conn);
    if (status != QR_AGAIN || within)
        return status;
    const struct qr_lock_resource resource = session->conflict.resource;
    give_grant(session);
    status = qri_lock_wait(session, QR_LOCK_OF_TRAN, &resource, session->conflict.mode, NULL,
                           session->options.lock_timeout_ms, err);
    bool is_brief = session->conflict.is_brief || resource.kind == QR_LOCK_RANGE;
    if (is_brief && status == QR_OK) /* a range was another's; see lock/range.h */
        (void)qr_lock_release(session->lock_owner, QR_LOCK_OF_TRAN, &resource);
    if (status == QR_OK) {
        qri_stamp_look(session, &resource);
        status = qri_check_cancelled(session, err); /* who gave up changes nothing any more */
    }
    if (status != QR_OK)
        qr_lock_range_give_up(session->lock_owner);
    *ret_again = status == QR_OK;
    if (status != QR_OK && session->tran.count == 0)
        qri_locks_release(session);
    return status;
}

/* ---- lockers ---- */

enum qr_status qri_locker_begin(struct qr_session *session, bool passes_by, struct qr_err *err)
{
    QR_TRY(qri_lock_need_owner(session, err));
    if (session->is_locker)
        return QR_OK;
    QR_TRY(qri_stamps_make(session->db, err));
    session->is_locker = true;
    atomic_fetch_add(&session->db->lockers, 1);
    if (!passes_by || qr_conn_has_writer(session->link->conn) ||
        !atomic_load(&session->db->lockless))
        return QR_OK;
    QR_TRY(qri_lock_writer(session, false, err));
    qr_conn_unlock_writer(session->link->conn);
    return QR_OK;
}

void qri_locks_release(struct qr_session *session)
{
    if (session->lock_owner != NULL)
        qr_lock_release_all(session->lock_owner, QR_LOCK_OF_TRAN);
    if (session->is_locker)
        atomic_fetch_sub(&session->db->lockers, 1);
    session->is_locker = false;
    session->escalated_at = 0;
    session->stamps = (struct qri_stamps){0};
    atomic_store(&session->first_rowversion, 0); /* committed, or undone */
}

void qri_locks_leave(struct qr_session *session)
{
    qri_locks_release(session);
    qr_lock_owner_free(session->lock_owner);
    session->lock_owner = NULL;
}
