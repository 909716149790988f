/* governor/wait.h - what threads wait for: types, and how often and how long.
 *
 * Types are rows of data/wait_types.csv: QR_WAIT_LOG_RATE_GOVERNOR is LOG_RATE_GOVERNOR. A wait
 * counts for the task of the thread that waits, for its group and its pool; a thread without a task
 * counts nowhere. Threads: any. Counters only grow and are read without a lock: rows that are read
 * together may differ by what happens meanwhile. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "governor_waits.h" /* generated: enum qr_wait, QR_WAIT_NONE = 0 ... QR_WAIT_COUNT */

struct qr_wait_info {
    const char *name;      /* "LOG_RATE_GOVERNOR" */
    const char *kind;      /* "log rate" */
    bool governs_log_rate; /* sys.dm_hs_... and the like name it as a reason for slow writes */
};
const struct qr_wait_info *qr_wait_info(enum qr_wait type);

struct qr_wait_stat {
    _Atomic uint64_t count, ns, max_ns;
    _Atomic uint64_t signal_ns; /* of ns: ready, and waiting for a processor */
};
struct qr_waits {
    struct qr_wait_stat of[QR_WAIT_COUNT];
};

struct qr_wait_mark {
    int64_t start_ns;
    enum qr_wait type, outer;
};
/* The thread's task waits for that from now on, to be seen by other threads; ends pair with begins.
 * A wait inside another one counts as itself and in the outer one. */
struct qr_wait_mark qr_wait_begin(enum qr_wait type);
void qr_wait_end(struct qr_wait_mark mark);
/* The last `signal_ns` of it (< 0: none) were spent ready to run. */
void qr_wait_end_signal(struct qr_wait_mark mark, int64_t signal_ns);
/* One that is over already, for the thread's task. */
void qr_wait_count(enum qr_wait type, int64_t ns, int64_t signal_ns);
/* One of a task that no thread was in meanwhile, nor will be before the caller has said that it is
 * over: what an answer waited for. */
struct qr_gov_task;
void qr_wait_count_of(struct qr_gov_task *task, enum qr_wait type, int64_t ns);
