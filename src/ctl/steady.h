/* steady.h - a wall clock for what cannot be undone: one that is put ahead is not believed at once.
 *
 * A clock that is wrong for a minute must not cost what is kept for weeks. So a jump ahead, seen
 * against the monotonic clock or against when the service ran last, counts only once it has lasted
 * for QRI_STEADY_DOUBT_NS; until then time goes on as before. A clock that is put back is believed:
 * things are kept longer then. Pure functions; one user at a time. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define QRI_STEADY_DOUBT_NS (INT64_C(3600) * 1000000000)
#define QRI_STEADY_JUMP_NS (INT64_C(600) * 1000000000)
/* Who was off for longer than that, or for as long as its clock says, waits at its start, too. */
#define QRI_STEADY_OFF_NS (INT64_C(86400) * 1000000000)

/* The key of the metadata under which the thread of retention notes when it has looked at all that
 * is kept, and what a clock that is ahead said first, or 0: ns since 1970, decimal. */
#define QRI_RETAINED_KEY "retained"
enum { QRI_RETAINED_BYTES = 48 };

struct qri_steady {
    int64_t wall_ns, mono_ns; /* when both were believed last */
    int64_t ahead_since_ns;   /* monotonic */
    int64_t ahead_wall_ns;    /* what the clock said then; 0: it is not ahead */
};

/* `last_wall_ns`: when the service ran last, 0 if that is not known; `ahead_wall_ns` as it was
 * then: so doubt lasts no longer for restarts. */
void qri_steady_begin(struct qri_steady *s, int64_t last_wall_ns, int64_t ahead_wall_ns,
                      int64_t wall_ns, int64_t mono_ns);
/* The time that counts now. *ret_jumped: the clock has just been found to be ahead of it. */
int64_t qri_steady_now(struct qri_steady *s, int64_t wall_ns, int64_t mono_ns, bool *ret_jumped);
