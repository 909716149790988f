/* policy.c - see backup/policy.h */
#include "backup/policy.h"
#include <stddef.h>
#include "base/banned.h"

#define MINUTE_NS INT64_C(60000000000)
#define HOUR_NS (60 * MINUTE_NS)

static int64_t or_default(int64_t ns, int64_t standard)
{
    return ns > 0 ? ns : standard;
}

/* When something taken then is due again: at once, if that was by a clock that has been put back
 * since. */
static int64_t after(int64_t taken_ns, int64_t every_ns, int64_t now_ns)
{
    int64_t at = taken_ns - now_ns > every_ns ? now_ns : taken_ns + every_ns;
    return at > now_ns ? at : now_ns;
}

/* A full backup counts for the others, unless a clock that was ahead says so. */
static int64_t last_of(int64_t own_ns, int64_t full_ns, int64_t now_ns)
{
    return full_ns > own_ns && full_ns <= now_ns ? full_ns : own_ns;
}

struct qr_backup_due qr_backup_next(const struct qr_backup_policy *policy,
                                    const struct qr_backup_past *past, int64_t now_ns)
{
    static const struct qr_backup_policy standard;
    const struct qr_backup_policy *p = policy != NULL ? policy : &standard;
    if (past->full_ns == 0 || past->broken)
        return (struct qr_backup_due){QR_BACKUP_FULL, now_ns};
    if (!past->changed) /* what there is has everything */
        return (struct qr_backup_due){QR_BACKUP_LOG, INT64_MAX};
    uint64_t log_bytes = p->log_bytes != 0 ? p->log_bytes : UINT64_C(64) << 20;
    int64_t log_every = or_default(p->log_every_ns, 10 * MINUTE_NS);
    if (past->log_bytes >= log_bytes)
        log_every = or_default(p->log_soonest_ns, 5 * MINUTE_NS);
    int64_t diff_last = last_of(past->diff_ns, past->full_ns, now_ns);
    int64_t log_last = last_of(past->log_ns, past->full_ns, now_ns);
    const struct qr_backup_due each[] = {
        {QR_BACKUP_FULL, after(past->full_ns, or_default(p->full_every_ns, 168 * HOUR_NS), now_ns)},
        {QR_BACKUP_DIFF, after(diff_last, or_default(p->diff_every_ns, 12 * HOUR_NS), now_ns)},
        {QR_BACKUP_LOG, after(log_last, log_every, now_ns)},
    };
    struct qr_backup_due due = each[0]; /* of two that are due the larger one */
    for (int i = 1; i < 3; i++)
        if (each[i].at_ns < due.at_ns)
            due = each[i];
    return due;
}
