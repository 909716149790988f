/* super/super.h - child processes that are kept running.
 *
 * A child that ends is started again: the first time at once, then with a pause that doubles, until
 * it has been in service for a while. Children die with this process (SIGKILL at the parent's
 * death), and a supervisor that comes after it waits until they have (`lock_path`). Each is in a
 * process group of its own, its standard output is our standard error, and it inherits no other
 * descriptors than those it is given.
 *
 * Threads: any. One thread of the supervisor's own starts and reaps; `exited` runs on it.
 * Errors: QR_LOCKED an earlier supervisor's children do not end, QR_INVALID, QR_FULL, QR_NOMEM,
 * QR_IO. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "env/env.h"
#include "obs/log.h"

struct qr_super;

enum {
    QR_SUPER_NAME_BYTES_MAX = 63,
    QR_SUPER_CHILDREN_MAX = 8192,
    QR_SUPER_ARGS_MAX = 96,
    QR_SUPER_FDS_MAX = 4,
    QR_SUPER_GROUPS_MAX = 2,
};

/* Borrowed for the call of `exited`. */
struct qr_super_exit {
    const char *name;
    int pid;
    int code; /* exit status, or minus the signal that ended it */
    int64_t ran_ns;
    int64_t pause_ns; /* until it is started again; -1: it is not */
};

/* Zero means the default in brackets. */
struct qr_super_options {
    struct qr_env *env;
    struct qr_log log;
    const char *lock_path; /* file that all children hold locked together; NULL: none */
    int64_t lock_wait_ns;  /* how long an earlier supervisor's children may take to die [10 s] */
    int64_t pause_min_ns, pause_max_ns; /* of the second and later restarts [10 ms, 5 s] */
    int64_t service_ns;                 /* who ran for so long begins anew with no pause [10 s] */
    /* A child was reaped: that process is gone. Short; may call start, not end or reap. May be
     * NULL. */
    void (*exited)(void *ctx, const struct qr_super_exit *exit);
    void *ctx;
};

QR_NODISCARD enum qr_status qr_super_new(const struct qr_super_options *options,
                                         struct qr_super **ret_super, struct qr_err *err);
/* Kills the children that are left. NULL is accepted. */
void qr_super_free(struct qr_super *super);

struct qr_super_child { /* copied */
    const char *name;
    const char *path;          /* of the program */
    char *const *argv;         /* ended by NULL */
    int fds[QR_SUPER_FDS_MAX]; /* given under the same numbers */
    size_t fd_count;
    const char *groups[QR_SUPER_GROUPS_MAX]; /* directories of control groups that it is put into,
                                                whether it works or not; NULL: no more */
    bool
        may_rest; /* exit status 0 means that it has nothing to do: not started again until asked */
};
/* Returns at once. Nothing happens to a child that runs or waits for its restart. */
QR_NODISCARD enum qr_status qr_super_start(struct qr_super *super,
                                           const struct qr_super_child *child, struct qr_err *err);
/* SIGTERM, and it is not started again. Unknown names are fine, as below. */
void qr_super_end(struct qr_super *super, const char *name);
/* Waits until an ended child is gone, from `until_mono_ns` on with SIGKILL, and forgets it. Its
 * `exited` may still run when this returns: who waits may hold what that needs. */
void qr_super_reap(struct qr_super *super, const char *name, int64_t until_mono_ns);
/* The same for all children but those named (the list ends with NULL), and for all ended ones. */
void qr_super_end_but(struct qr_super *super, const char *const *kept);
void qr_super_reap_ended(struct qr_super *super, int64_t until_mono_ns);
/* 0: it does not run now. */
int qr_super_pid(struct qr_super *super, const char *name);
