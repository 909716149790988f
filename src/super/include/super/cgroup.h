/* super/cgroup.h - a control group for each child process, where the machine lets us make them.
 *
 * The groups are made beneath the one that this process runs in: OWN/quire-ID/NODE, of version 1
 * or 2, for processor time and for memory, each if it can be had. That is so if OWN is the root of
 * its hierarchy (or of this container's part of it), or has been delegated: by its owner, who is
 * not root and is us, or by the mark that systemd's Delegate= leaves. A group that somebody else
 * manages is left alone unless `anyway` says otherwise.
 * Version 2 wants no processes in a group that has limited groups beneath it, so there this
 * process and those that it starts move to OWN/quire-ID/main, and back at the end.
 *
 * Threads: one at a time; qr_cgroup_set of one group from one thread. Errors: QR_IO, QR_NOMEM. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"

enum { QR_CGROUP_PATH_BYTES = 512 };

struct qr_cgroups;

struct qr_cgroups_options {
    const char *id; /* tells this service's groups from others'; stays the same over starts */
    const char *mountinfo; /* [/proc/self/mountinfo] */
    const char *own;       /* which group this process is in [/proc/self/cgroup] */
    bool anyway;
    int pid; /* of this process, which moves if it has to */
};

/* Also removes what a start with this id left behind that ended with no time for it. That nothing
 * can be made is no error: see below. */
QR_NODISCARD enum qr_status qr_cgroups_open(const struct qr_cgroups_options *options,
                                            struct qr_cgroups **ret_cgroups, struct qr_err *err);
/* Removes the groups; their processes have ended. NULL is accepted. */
void qr_cgroups_close(struct qr_cgroups *cgroups);

enum qr_cgroup_part { QR_CGROUP_CPU, QR_CGROUP_MEMORY, QR_CGROUP_PARTS };
/* Whether children are limited in this. Borrowed: the directory in which their groups are, or, if
 * there are none, the reason. */
bool qr_cgroups_hold(const struct qr_cgroups *cgroups, enum qr_cgroup_part part,
                     const char **ret_text);
/* Makes the group if it is not there, and tells its directory of each part ("": none; one
 * directory for both in version 2). */
QR_NODISCARD enum qr_status qr_cgroups_make(struct qr_cgroups *cgroups, const char *name,
                                            char ret_dirs[QR_CGROUP_PARTS][QR_CGROUP_PATH_BYTES],
                                            struct qr_err *err);
/* Its processes have ended; no error if it is not there. */
void qr_cgroups_remove(struct qr_cgroups *cgroups, const char *name);

/* Puts a process, with all its threads, into the group of a directory. QR_NOT_FOUND: it has ended.
 */
QR_NODISCARD enum qr_status qr_cgroup_enter(const char *dir, int pid, struct qr_err *err);

/* 0: no limit. */
struct qr_cgroup_limits {
    uint64_t cpu_ppm;    /* millionths of a processor */
    uint32_t cpu_weight; /* among its neighbours, in hundredths of a thread's outside of groups */
    uint64_t memory_bytes;
};
/* `dirs`: as qr_cgroups_make told them; any process of the same user may. What is not written is
 * as it was. */
QR_NODISCARD enum qr_status qr_cgroup_set(const char *const dirs[QR_CGROUP_PARTS],
                                          const struct qr_cgroup_limits *limits,
                                          struct qr_err *err);
