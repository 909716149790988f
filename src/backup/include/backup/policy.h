/* backup/policy.h - which backup is due when: the documented schedule as a pure function.
 *
 * A full backup each week, a differential every 12 or 24 hours, the log every 5 to 10 minutes, or
 * sooner when much of it waits. Times are wall clock nanoseconds; 0 is never. Pure; any thread. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum qr_backup_kind { QR_BACKUP_FULL = 1, QR_BACKUP_DIFF = 2, QR_BACKUP_LOG = 3 };

enum {
    QR_BACKUP_RETENTION_DAYS_MIN = 1,
    QR_BACKUP_RETENTION_DAYS_MAX = 35,
    QR_BACKUP_RETENTION_DAYS = 7, /* the default */
};

/* Zero means the default in brackets. */
struct qr_backup_policy {
    int64_t full_every_ns;  /* [7 days] */
    int64_t diff_every_ns;  /* [12 hours] */
    int64_t log_every_ns;   /* [10 minutes] */
    int64_t log_soonest_ns; /* with log_bytes waiting [5 minutes] */
    uint64_t log_bytes;     /* [64 MiB] */
};

/* What there is, and what waits. */
struct qr_backup_past {
    int64_t full_ns, diff_ns, log_ns; /* when the last of each was taken */
    bool broken;                      /* log that no backup has is lost: only a full one helps */
    bool changed;                     /* something was committed since the last backup */
    uint64_t log_bytes;               /* that no backup has */
};

struct qr_backup_due {
    enum qr_backup_kind kind;
    int64_t at_ns; /* now or later; INT64_MAX: nothing, as long as nothing changes */
};
/* The next one. A clock that went back makes nothing wait for longer than its period. */
struct qr_backup_due qr_backup_next(const struct qr_backup_policy *policy,
                                    const struct qr_backup_past *past, int64_t now_ns);
