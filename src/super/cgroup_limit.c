/* cgroup_limit.c - see super/cgroup.h: who is in a group and what it may use */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "cgroup_int.h"
#include "base/banned.h"

enum { PERIOD_US = 100000, QUOTA_US_MIN = 1000, SHARES_MAX = 262144 };

enum qr_status qr_cgroup_enter(const char *dir, int pid, struct qr_err *err)
{
    if (qri_cgroup_put(dir, "cgroup.procs", "%d", pid))
        return QR_OK;
    return qr_fail(err, errno == ESRCH ? QR_NOT_FOUND : QR_IO, "enter '%s': %s", dir,
                   strerrordesc_np(errno));
}

static bool is_v2(const char *dir)
{
    char path[QR_CGROUP_PATH_BYTES];
    return qri_cgroup_join(path, dir, "cgroup.controllers") && access(path, F_OK) == 0;
}

static enum qr_status written(bool good, const char *dir, struct qr_err *err)
{
    return good ? QR_OK
                : qr_fail(err, QR_IO, "limit the control group '%s': %s", dir,
                          strerrordesc_np(errno));
}

static enum qr_status set_cpu(const char *dir, const struct qr_cgroup_limits *limits,
                              struct qr_err *err)
{
    uint64_t quota_us = limits->cpu_ppm * PERIOD_US / 1000000;
    uint32_t weight = limits->cpu_weight < 1 ? 1 : limits->cpu_weight;
    quota_us = quota_us < QUOTA_US_MIN ? QUOTA_US_MIN : quota_us;
    if (is_v2(dir)) {
        weight = weight > QRI_CGROUP_WEIGHT_MAX ? QRI_CGROUP_WEIGHT_MAX : weight;
        QR_TRY(written(qri_cgroup_put(dir, "cpu.weight", "%u", weight), dir, err));
        return written(limits->cpu_ppm == 0
                           ? qri_cgroup_put(dir, "cpu.max", "max %d", PERIOD_US)
                           : qri_cgroup_put(dir, "cpu.max", "%llu %d", (unsigned long long)quota_us,
                                            PERIOD_US),
                       dir, err);
    }
    uint64_t shares = (uint64_t)weight * 1024 / 100;
    shares = shares > SHARES_MAX ? SHARES_MAX : shares;
    QR_TRY(
        written(qri_cgroup_put(dir, "cpu.shares", "%llu", (unsigned long long)shares), dir, err));
    QR_TRY(written(qri_cgroup_put(dir, "cpu.cfs_period_us", "%d", PERIOD_US), dir, err));
    return written(qri_cgroup_put(dir, "cpu.cfs_quota_us", "%lld",
                                  limits->cpu_ppm == 0 ? -1LL : (long long)quota_us),
                   dir, err);
}

static enum qr_status set_memory(const char *dir, uint64_t bytes, struct qr_err *err)
{
    const char *file = is_v2(dir) ? "memory.max" : "memory.limit_in_bytes";
    const char *none = is_v2(dir) ? "max" : "-1";
    return written(bytes == 0 ? qri_cgroup_put(dir, file, "%s", none)
                              : qri_cgroup_put(dir, file, "%llu", (unsigned long long)bytes),
                   dir, err);
}

enum qr_status qr_cgroup_set(const char *const dirs[QR_CGROUP_PARTS],
                             const struct qr_cgroup_limits *limits, struct qr_err *err)
{
    if (*dirs[QR_CGROUP_CPU] != '\0')
        QR_TRY(set_cpu(dirs[QR_CGROUP_CPU], limits, err));
    if (*dirs[QR_CGROUP_MEMORY] != '\0')
        QR_TRY(set_memory(dirs[QR_CGROUP_MEMORY], limits->memory_bytes, err));
    return QR_OK;
}
