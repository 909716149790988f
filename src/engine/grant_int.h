/* grant_int.h - memory that a statement works in: what its plan needs, and its grant.
 *
 * SQLite sorts in as much memory as the connection's cache may take, and keeps each table that it
 * makes for a statement in 2 MiB; the rest goes to temporary files. Every statement may use that
 * much. One that sorts or collects what it reads of a large table asks the governor for more
 * (governor/memory.h) before it begins, and gives it back when it ends. Which those are is found
 * out once for each plan, by EXPLAIN QUERY PLAN and the sizes of the tables that it scans, and of
 * texts that can sort only; it is corrected by what runs write to temporary files.
 * A session has one grant at a time: what runs inside its statement makes do with it. */
#pragma once
#include "engine_int.h"

struct qri_frame;
struct qri_code;

enum qri_need_state {
    QRI_NEED_NOTHING, /* it does not sort */
    QRI_NEED_UNKNOWN,
    QRI_NEED_LITTLE, /* what every statement may use */
    QRI_NEED_GRANT,
};

struct qri_need {
    enum qri_need_state state;
    uint32_t sorts, tables; /* that SQLite makes at one time, at most */
    uint64_t ideal_bytes;
    double cost;                               /* seconds, as SQL Server would think */
    uint64_t written_before;                   /* to temporary files, when the run began */
    uint64_t learned_granted, learned_written; /* of the run that it learned from last */
};

/* By the text alone: NOTHING or UNKNOWN. */
struct qri_need qri_need_of(struct qr_str sql, size_t table_count);

enum qr_status qri_grant_find(struct qri_frame *frame, struct qri_need *need, struct qr_str sql,
                              struct qr_err *err);
enum qr_status qri_grant_ask(struct qri_frame *frame, const struct qri_need *need,
                             struct qr_err *err);
/* Before its SQL runs, on the session's link with a snapshot pinned. Waits unless the session has
 * the writer lock. 8645; QR_CANCELLED. */
QR_NODISCARD static inline enum qr_status qri_grant_before(struct qri_frame *frame,
                                                           struct qri_need *need, struct qr_str sql,
                                                           struct qr_err *err)
{
    return need->state == QRI_NEED_NOTHING ? QR_OK : qri_grant_find(frame, need, sql, err);
}
/* The same for who is going to take the writer lock, when it is known already what it needs, and
 * after it has waited for the locks that it needs first: who has a grant waits for no lock, or it
 * gives the grant back (lock.c), so that a wait for a grant ends. Only what waits inside a function
 * cannot: the statement around it works in the grant (I11). */
QR_NODISCARD static inline enum qr_status
qri_grant_early(struct qri_frame *frame, const struct qri_need *need, struct qr_err *err)
{
    return need->state != QRI_NEED_GRANT ? QR_OK : qri_grant_ask(frame, need, err);
}
/* After it has run: learns from what went to files. */
void qri_grant_learn(const struct qr_session *session, struct qri_need *need);
static inline void qri_grant_after(const struct qr_session *session, struct qri_need *need)
{
    if (need->state != QRI_NEED_NOTHING)
        qri_grant_learn(session, need);
}
/* At the end of a frame's statement, and of the frame: if the session's grant is its. */
void qri_grant_give(struct qr_session *session);
static inline void qri_grant_end(struct qr_session *session, const struct qri_frame *frame)
{
    if (session->grant_frame == frame)
        qri_grant_give(session);
}
/* The link's cache is as large as any other's again. */
void qri_grant_shrink(struct qri_link *link);
