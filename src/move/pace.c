/* pace.c - see move_int.h: those who write come first */
#include "move_int.h"
#include "base/banned.h"

/* A part of rest for two of work: a move takes half as long again, and leaves processors and disk
 * alone for a third of that time. Clients that use all of a small machine so keep more than 60 % of
 * their commits while the move has more than half of the rate of `cp` (bench/move.py). */
enum { WORK_PARTS = 2 };
/* Work is looked at in pieces: long enough that asking costs nothing, short enough that a commit
 * waits for none. A rest is no longer than the one of a second's work, which was spent waiting. */
static const int64_t PIECE_NS = 20000000, WORK_NS_MAX = 1000000000;

void qri_pace_begin(struct qri_pace *p)
{
    p->since_ns = qr_env_mono_ns(p->env);
    if (p->log_end != NULL)
        p->lsn = p->log_end(p->ctx, p->lsn);
}

void qri_pace_end(struct qri_pace *p)
{
    p->log_end = NULL;
}

void qri_pace_rest(struct qri_pace *p)
{
    int64_t now_ns = qr_env_mono_ns(p->env), work_ns = now_ns - p->since_ns;
    if (work_ns < PIECE_NS || p->log_end == NULL)
        return;
    uint64_t lsn = p->log_end(p->ctx, p->lsn);
    if (lsn != p->lsn)
        qr_env_sleep_ns(p->env, (work_ns < WORK_NS_MAX ? work_ns : WORK_NS_MAX) / WORK_PARTS);
    p->lsn = lsn;
    p->since_ns = qr_env_mono_ns(p->env);
}
