/* sysview_governor_int.h - the governor as views see it: which of its groups a session may look at,
 * and numbers as cells. */
#pragma once
#include "governor/governor.h"
#include "governor/sample.h"
#include "governor/task.h"
#include "sysview_int.h"

/* NULL: this process has none, and its views have no rows. */
struct qr_governor *qri_sys_governor(const struct qr_session *session);

/* Groups and pools that the session may look at, copied; in master those of its server. */
struct qri_governed {
    struct qr_gov_seen *groups, *pools;
    size_t group_count, pool_count;
};
QR_NODISCARD enum qr_status qri_sys_governed(struct qri_sysrows *rows, struct qr_session *session,
                                             struct qri_governed *ret_governed);
/* Of the session's database; NULL: none. */
const struct qr_gov_seen *qri_sys_own_group(const struct qri_governed *governed,
                                            const struct qr_session *session);
const struct qr_gov_seen *qri_sys_pool_of(const struct qri_governed *governed,
                                          const struct qr_gov_seen *group);

/* As sys.dm_hs_database_replicas numbers it. */
int qri_sys_replica_role(struct qr_session *session);

/* decimal(p,2) */
static inline struct qr_value qri_sys_hundredths(double value)
{
    return qr_value_int((int64_t)(value * 100 + (value < 0 ? -0.5 : 0.5)));
}
static inline int qri_sys_int(uint64_t value)
{
    return value > INT32_MAX ? INT32_MAX : (int)value;
}
/* What is not limited, or not known, is NULL. */
static inline int qri_sys_known(uint64_t value)
{
    return value == 0 ? QRI_SYS_NULL : qri_sys_int(value);
}
static inline int64_t qri_sys_known_long(uint64_t value)
{
    return value == 0 ? QRI_SYS_NULL_BIGINT : (int64_t)value;
}
static inline uint64_t qri_sys_counted(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* ---- sysview_hardware.c: DTUs as hardware (data/dtu_hardware.csv) ---- */
struct qri_hardware {
    const char *generation; /* "Gen5" */
    int schedulers, cap_cpu;
    int64_t memory_mb; /* of the process */
    int dtus;          /* 0: it is sold by vCores */
};
/* Which of so many a session's requests are counted for. Nothing is bound to one. */
static inline int qri_sys_scheduler(const struct qr_session *session, int schedulers)
{
    return (int)(session->id % (uint32_t)schedulers);
}
struct qri_hardware qri_sys_hardware(const struct qr_session *session,
                                     const struct qri_governed *governed);
