/* super_int.h - what the supervisor's files give each other */
#pragma once
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
