/* super/super.h - child processes that are kept running.
 *
 * A child that ends is started again: the first time at once, then with a pause that doubles, until
 * it has been in service for a while. Children die with this process (SIGKILL at the parent's
 * death), and a supervisor that comes after it waits until they have (`lock_path`). Each is in a
 * process group of its own, its standard output is our standard error, and it inherits no other
 * descriptors than those it is given.
 *
 * Threads: any. One thread starts and reaps, the supervisor's own or that of qr_super_loop;
 * `exited` runs on it.
 *
 * A program can be replaced under its children's feet: child by child (qr_super_replace), and that
 * of this process by execve, which leaves the children as they are (qr_super_leave,
 * qr_super_adopt).
 *
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
    int lock_fd;           /* the lock, if it came with the process; 0: none */
    bool no_thread;        /* the caller sees to it that a thread of his calls qr_super_loop */
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
/* SIGKILL, if that process has the name still: it ends as if by itself, and is started again. */
void qr_super_kill(struct qr_super *super, const char *name, int pid);
/* 0: it does not run now. */
int qr_super_pid(struct qr_super *super, const char *name);

/* ---- programs are replaced ---- */

/* With `no_thread`: the supervisor's thread until qr_super_free or qr_super_leave, which wait for
 * it. Whoever means to leave calls this on the first thread of the process: at execve all others
 * end, and the children that they have forked with them. */
void qr_super_loop(struct qr_super *super);

/* What becomes of a child: `next` under the name of one that runs. */
struct qr_super_swap {
    const struct qr_super_child *next, *former; /* of the same name */
    int64_t end_ns;                             /* for the former until it is killed */
    int64_t ready_ns;                           /* for the next until it is ready */
    int retire_signal;                          /* qr_super_replace_beside: tells the former */
    /* QR_OK: that process is ready; QR_TIMEOUT: not by then. Anything else: it never will be. */
    enum qr_status (*wait_ready)(void *ctx, const char *name, int pid, int64_t until_mono_ns);
    /* qr_super_replace_beside: the former goes on under its name after all. */
    void (*kept)(void *ctx, const char *name, int pid);
    void *ctx;
};
/* Whoever has its name ends, within `end_ns` or killed, and this one starts; between the two nobody
 * else has the name. */
QR_NODISCARD enum qr_status qr_super_exchange(struct qr_super *super,
                                              const struct qr_super_child *child, int64_t end_ns,
                                              struct qr_err *err);
/* The former ends, the next starts. If that ends or is not ready in time the former starts again,
 * and this fails with why. The child runs. */
QR_NODISCARD enum qr_status qr_super_replace(struct qr_super *super,
                                             const struct qr_super_swap *swap, struct qr_err *err);
/* The next starts while the former runs on, as NAME.PID; when it is ready the former gets the
 * signal, and from then on its end is the last of it. If it does not come up the former has its
 * name back and has noticed nothing. A former that ended meanwhile by itself does not come back in
 * the first case, and is started again as ever in the second. */
QR_NODISCARD enum qr_status qr_super_replace_beside(struct qr_super *super,
                                                    const struct qr_super_swap *swap,
                                                    struct qr_err *err);

/* A child that runs or is about to, or a retired one. */
struct qr_super_seen {
    const char *name, *path;
    int pid; /* 0: it waits for its start */
    bool retired;
};
/* `each` is called with the table locked: short, no calls. */
void qr_super_each(struct qr_super *super,
                   void (*each)(void *each_ctx, const struct qr_super_seen *seen), void *each_ctx);
/* With `no_thread`: its loop returns, its children run on, and nothing else is to be done with it:
 * the process becomes another program, by execve on its first thread. */
void qr_super_leave(struct qr_super *super);
int qr_super_lock_fd(const struct qr_super *super); /* -1: none */
/* A child that this process had before it was what it is now. One that ended since is started
 * again; the end of a retired one is noted. */
QR_NODISCARD enum qr_status qr_super_adopt(struct qr_super *super,
                                           const struct qr_super_child *child, int pid,
                                           bool retired, struct qr_err *err);
