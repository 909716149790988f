/* state.c - what journal entries do to a timeline, and which may follow; see logsvc_int.h. The same
 * rules judge what is asked for and what is read back from the journal. */
#include "logsvc_int.h"
#include "page/record.h"
#include "base/sim_break.h"
#include "base/banned.h"

static enum qr_status refuse(const char **ret_why, enum qr_status status, const char *why)
{
    *ret_why = why;
    return status;
}

/* The EPOCH record tells every consumer what is void, so it must be right. */
static bool starts_with_epoch(const struct qri_state *s, const struct qr_journal_entry *e)
{
    struct qr_record rec;
    return qr_record_decode(e->data, e->data_bytes, &rec, NULL) == QR_OK &&
           rec.kind == QR_RECORD_EPOCH && rec.epoch.epoch == e->epoch &&
           rec.epoch.last_commit_lsn == s->commit_lsn;
}

static enum qr_status check_append(const struct qri_state *s, const struct qr_journal_entry *e,
                                   const char **ret_why)
{
    if (qr_sim_broken(QR_BREAK_EPOCH) && e->epoch < s->epoch && e->lsn == s->end_lsn)
        return QR_OK;
    if (e->epoch < s->epoch)
        return refuse(ret_why, QR_FENCED, "a newer epoch has taken over");
    if (e->epoch > s->epoch || e->epoch == 0)
        return refuse(ret_why, QR_CONFLICT, "nobody opened this epoch");
    if (e->commit_lsn != 0 && (e->commit_lsn <= e->lsn || e->commit_lsn > e->lsn + e->data_bytes))
        return refuse(ret_why, QR_INVALID, "the commit mark lies outside the append");
    bool first = (e->flags & QR_JOURNAL_NEW_EPOCH) != 0;
    if (s->fresh != first)
        return refuse(ret_why, QR_CONFLICT,
                      first ? "the epoch has begun already" : "the epoch has not begun yet");
    if (!first && e->lsn != s->end_lsn)
        return refuse(ret_why, QR_CONFLICT, "does not start where the log ends");
    if (first && e->lsn < s->end_lsn)
        return refuse(ret_why, QR_CONFLICT, "starts before the log ends");
    if (first && !starts_with_epoch(s, e))
        return refuse(ret_why, QR_CONFLICT,
                      "an epoch starts with an EPOCH record that names the last commit");
    return QR_OK;
}

enum qr_status qri_state_check(const struct qri_state *s, const struct qr_journal_entry *e,
                               const char **ret_why)
{
    if (e->kind == QR_JOURNAL_CREATE)
        return s->live == QRI_NONE ? QR_OK : refuse(ret_why, QR_EXISTS, "the timeline exists");
    if (s->live != QRI_LIVE)
        return refuse(ret_why, QR_NOT_FOUND, "no such timeline");
    if (e->kind == QR_JOURNAL_APPEND)
        return check_append(s, e, ret_why);
    if (e->kind == QR_JOURNAL_FENCE && e->epoch <= s->epoch)
        return refuse(ret_why, QR_FENCED, "the epoch is not above the current one");
    if (e->kind == QR_JOURNAL_TRIM && e->lsn > s->commit_lsn)
        return refuse(ret_why, QR_INVALID, "trims what is not behind the last commit");
    return QR_OK;
}

static void apply_append(struct qri_state *s, const struct qr_journal_entry *e)
{
    if ((e->flags & QR_JOURNAL_NEW_EPOCH) != 0) {
        s->fresh = false;
        s->prev_end_lsn = s->end_lsn;
        s->epoch_first_lsn = e->lsn;
    }
    s->end_lsn = e->lsn + e->data_bytes;
    if (e->commit_lsn != 0) {
        s->commit_lsn = e->commit_lsn;
        s->commit_wall_ns = e->commit_wall_ns;
    }
}

void qri_state_apply(struct qri_state *s, const struct qr_journal_entry *e)
{
    switch (e->kind) {
    case QR_JOURNAL_APPEND:
        apply_append(s, e);
        break;
    case QR_JOURNAL_FENCE:
        s->epoch = e->epoch;
        s->holder = e->extra;
        s->fresh = true;
        break;
    case QR_JOURNAL_CREATE:
        *s = (struct qri_state){.live = QRI_LIVE,
                                .end_lsn = e->lsn,
                                .epoch_first_lsn = e->lsn,
                                .prev_end_lsn = e->lsn,
                                .commit_lsn = e->commit_lsn,
                                .commit_wall_ns = e->commit_wall_ns};
        break;
    case QR_JOURNAL_DROP:
        s->live = QRI_DROPPED;
        break;
    case QR_JOURNAL_TRIM:
        if (e->lsn > s->trimmed_lsn)
            s->trimmed_lsn = e->lsn;
        break;
    }
}
