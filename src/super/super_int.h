/* super_int.h - what the supervisor's files give each other */
#pragma once
#include <poll.h>
#include <pthread.h>
#include "super/super.h"

/* backoff.c; pure */
struct qri_backoff {
    int64_t next_ns; /* the pause after the next end; 0: none */
};
/* The pause before the restart of a child that ran for `ran_ns`. */
int64_t qri_backoff_next(struct qri_backoff *backoff, int64_t ran_ns,
                         const struct qr_super_options *options);

/* spawn.c: must run on a thread that lives as long as the children shall: the kernel counts the
 * end of that thread as the parent's death. `lock_fd` -1: none. */
QR_NODISCARD enum qr_status qri_spawn(const char *path, char *const *argv, const int *fds,
                                      size_t fd_count, int lock_fd, int *ret_pid, int *ret_pidfd,
                                      struct qr_err *err);
/* Opens the file and locks it, waiting for those who have it. */
QR_NODISCARD enum qr_status qri_lock_children(struct qr_env *env, const char *path, int64_t wait_ns,
                                              int *ret_fd, struct qr_err *err);

/* ---- super.c: the table ---- */
enum qri_child_state {
    QRI_CHILD_WAITING, /* for its start */
    QRI_CHILD_RUNNING,
    QRI_CHILD_RESTING
};

struct qri_child {
    struct qri_child *next;
    char name[QR_SUPER_NAME_BYTES_MAX + 1];
    char *path, *args[QR_SUPER_ARGS_MAX + 1], *groups[QR_SUPER_GROUPS_MAX];
    int fds[QR_SUPER_FDS_MAX];
    size_t fd_count;
    bool may_rest;
    enum qri_child_state state;
    bool ending, killed;
    bool retired; /* its end is its own affair, and the last of it */
    uint32_t starts;
    int64_t due_ns; /* WAITING: when; ending: when it is killed */
    int64_t since_ns;
    int pid, pidfd;
    struct qri_backoff backoff;
};

struct qr_super {
    struct qr_super_options options;
    int lock_fd, wake_fd;
    pthread_t thread;
    bool thread_runs;
    pthread_mutex_t mu;  /* guards everything below */
    pthread_cond_t gone; /* a child was started, reaped or forgotten; the loop is over */
    bool closing, loops;
    struct qri_child *children;
    size_t count;
    struct pollfd *polled; /* the loop's; [0] is wake_fd */
    struct qri_child **polled_children;
    size_t polled_max;
};

struct qri_child *qri_super_find(struct qr_super *super, const char *name); /* mu held */
void qri_super_forget(struct qr_super *super, struct qri_child *child);     /* mu held */
/* Ends whoever has the name, waits until it is gone (from then on with SIGKILL), and forgets it; mu
 * is held, but for the waiting, so that nobody else has the name when this returns. */
void qri_super_remove(struct qr_super *super, const char *name, int64_t until_mono_ns);
void qri_super_wake(struct qr_super *super);
QR_NODISCARD enum qr_status qri_super_add(struct qr_super *super, const struct qr_super_child *spec,
                                          struct qri_child **ret_child,
                                          struct qr_err *err); /* mu held */
