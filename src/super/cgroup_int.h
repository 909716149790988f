/* cgroup_int.h - control groups: between cgroup.c, cgroup_find.c and cgroup_limit.c */
#pragma once
#include "super/cgroup.h"

enum { QRI_CGROUP_WEIGHT_MAX = 10000 }; /* the kernel's, for cpu.weight */

struct qri_cgroup_place {
    char dir[QR_CGROUP_PATH_BYTES]; /* where the group of this process is seen */
    bool is_root;                   /* of its hierarchy, or of what this namespace has of it */
};
/* The group of this process in version 1's hierarchy of that controller (NULL: in version 2's),
 * from the kernel's two lists (proc(5), cgroups(7)). False: there is none, or it is not to be seen.
 */
bool qri_cgroup_find(const char *mountinfo, const char *own, const char *controller,
                     struct qri_cgroup_place *ret_place);

/* False: it does not fit. */
bool qri_cgroup_join(char dst[QR_CGROUP_PATH_BYTES], const char *dir, const char *name);
/* Writes one of a group's files at once; errno says why not. */
bool qri_cgroup_put(const char *dir, const char *file, const char *format, ...) QR_PRINTF(3, 4);
