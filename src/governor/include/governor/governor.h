/* governor/governor.h - the governor of a process that runs databases: pools, groups, limits.
 *
 * A group (workload group) is what one database's sessions do, or internal work of one kind. A pool
 * (resource pool) holds the group of a single database, or those of all databases of an elastic
 * pool. The governor itself is what the docs call the job object: what the process may use.
 *
 * Every limit is a rate with debt: who uses more than it gave waits until it is paid (task.h).
 * With `enforce` false everything is counted and nothing is limited.
 * Threads: any; new, start, stop and free from one thread. Errors: QR_NOMEM. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "env/env.h"
#include "governor/wait.h"

struct qr_governor;
struct qr_gov_pool;
struct qr_gov_group;

enum { QR_GOV_NAME_BYTES_MAX = 127 };

/* 0: not limited, or not known. */
struct qr_gov_limits {
    uint32_t vcores_pct;     /* hundredths of a vCore: of CPU time, and its weight among others */
    uint32_t vcores_min_pct; /* that a database is promised */
    uint32_t dtus;           /* 0: it is not sold by them */
    uint32_t
        billed_min_milli; /* serverless: thousandths of a vCore, billed also when less is used */
    uint32_t workers_max, sessions_max, logins_max;
    uint32_t iops;
    uint32_t temp_iops; /* of temporary files; 0: they count among `iops` */
    uint64_t io_bytes_per_s, log_bytes_per_s;
    uint64_t memory_bytes;
    uint64_t data_bytes, log_bytes, tempdb_bytes, local_bytes; /* that they may have */
    uint64_t max_least, max_most, max_usual; /* MAXSIZE of a database in an elastic pool may be */
};

/* What temporary files are for: rows of #tables, or what statements work with. */
enum qr_gov_temp { QR_GOV_TEMP_INTERNAL, QR_GOV_TEMP_USER, QR_GOV_TEMP_COUNT };

/* Counters only grow. */
struct qr_gov_usage {
    _Atomic uint64_t cpu_ns, cpu_delayed_ns; /* delayed: waited for more */
    /* of data and of temporary files */
    _Atomic uint64_t reads, read_bytes, read_stall_ns, read_queued_ns;
    _Atomic uint64_t writes, write_bytes, write_stall_ns, write_queued_ns;
    _Atomic uint64_t reads_queued, writes_queued; /* that had to wait */
    _Atomic uint64_t io_units; /* against the limit of data: large ones are several */
    _Atomic uint64_t log_bytes, log_delayed_ns;
    _Atomic uint64_t log_writes; /* to files of this machine; the process's only */
    _Atomic uint64_t logical_reads, logical_writes;
    _Atomic uint64_t page_server_reads, temp_bytes; /* written to temporary files; a task's only */
    _Atomic uint64_t temp_taken[QR_GOV_TEMP_COUNT]; /* room in temporary files; a task's only */
    _Atomic uint64_t temp_freed[QR_GOV_TEMP_COUNT];
    _Atomic uint64_t requests, logins;
    _Atomic uint64_t optimizations;      /* plans of statements that were made */
    _Atomic uint64_t out_of_memory;      /* statements that ended for want of it */
    _Atomic uint64_t yields;             /* slices of CPU time that ended, others may go on */
    _Atomic uint64_t request_cpu_max_ns; /* of one request; a group's only */
    _Atomic uint64_t workers_refused, sessions_refused;
    _Atomic uint64_t reduced_grants, grant_max_bytes; /* memory.h */
};

struct qr_gov_options {
    struct qr_env *env;
    bool enforce;
    uint64_t host_cpu_ns_per_s;     /* of all user work [0: no limit] */
    uint64_t log_bytes_per_s;       /* of all databases [0: no limit] */
    uint32_t workers_max;           /* of all databases; error 10929 beyond [0: no limit] */
    uint64_t grant_bytes;           /* of all databases' grants of memory [0: no limit] */
    uint32_t sample_s;              /* between rows of sample.h [0: QR_GOV_SAMPLE_S] */
    uint64_t (*cpu_ns)(void);       /* of the calling thread [the machine's clock] */
    uint64_t (*memory_bytes)(void); /* that the process has now [NULL: not known] */
    uint64_t memory_bytes_max;      /* that it may have */
};
QR_NODISCARD enum qr_status qr_governor_new(const struct qr_gov_options *options,
                                            struct qr_governor **ret_gov, struct qr_err *err);
/* After its groups are closed and its ticker has stopped. NULL is accepted. */
void qr_governor_free(struct qr_governor *gov);
/* A thread that calls qr_governor_tick every second. */
QR_NODISCARD enum qr_status qr_governor_start(struct qr_governor *gov, struct qr_err *err);
void qr_governor_stop(struct qr_governor *gov);
void qr_governor_tick(struct qr_governor *gov);
bool qr_governor_enforces(const struct qr_governor *gov);
/* The one of this process, for work that nobody hands it to (internal groups). NULL: none. */
void qr_governor_set_process(struct qr_governor *gov);
struct qr_governor *qr_governor_process(void);

/* How much of a processor a vCore is, in millionths; takes effect at once. 0: CPU time is not
 * limited. */
void qr_governor_set_vcore(struct qr_governor *gov, uint32_t vcore_ppm);
uint32_t qr_governor_vcore(const struct qr_governor *gov);

/* What the process runs internally, besides the requests of sessions. */
enum qr_gov_internal {
    QR_GOV_CHECKPOINT,
    QR_GOV_CLEANING, /* row versions, layers, leftovers */
    QR_GOV_BACKUP,
    QR_GOV_SEEDING, /* copies, replicas, moves */
    QR_GOV_SYSTEM,  /* what control asks for, statistics */
    QR_GOV_INTERNALS
};
struct qr_gov_group *qr_gov_internal_group(struct qr_governor *gov, enum qr_gov_internal kind);

struct qr_gov_group_options {
    uint32_t
        database_id;   /* of the process's databases: names the group, UserPrimaryGroup.DBId[N] */
    uint32_t shown_id; /* N */
    uint64_t pool_key; /* groups with one key share a pool; never 0 */
    const char *database, *objective, *pool; /* names; `pool`: of the elastic pool, "": none */
    struct qr_gov_limits limits, pool_limits;
};
/* The group of that database: a new one, or the one it had before it was closed. Pairs with close;
 * open twice at one time it is an error of the caller's. */
QR_NODISCARD enum qr_status qr_gov_group_open(struct qr_governor *gov,
                                              const struct qr_gov_group_options *options,
                                              struct qr_gov_group **ret_group, struct qr_err *err);
/* Nothing uses it any more. What it counted stays to be seen for an hour. */
void qr_gov_group_close(struct qr_gov_group *group);
/* New limits and names count at once; nothing is dropped. */
QR_NODISCARD enum qr_status qr_gov_group_update(struct qr_gov_group *group,
                                                const struct qr_gov_group_options *options,
                                                struct qr_err *err);
/* As resource governor's views number it. */
uint32_t qr_gov_group_id(const struct qr_gov_group *group);
struct qr_governor *qr_gov_group_governor(const struct qr_gov_group *group);
struct qr_gov_limits qr_gov_group_limits(const struct qr_gov_group *group);
const struct qr_gov_usage *qr_gov_group_usage(const struct qr_gov_group *group);
const struct qr_waits *qr_gov_group_waits(const struct qr_gov_group *group);

/* ---- for views: copies ---- */

struct qr_gov_seen {                      /* a group or a pool */
    char name[QR_GOV_NAME_BYTES_MAX + 1]; /* "UserPrimaryGroup.DBId[5]", "SloSharedPool1" */
    char database[QR_GOV_NAME_BYTES_MAX + 1];
    char objective[QR_GOV_NAME_BYTES_MAX + 1];
    char elastic_pool[QR_GOV_NAME_BYTES_MAX + 1]; /* "": none */
    char pool_name[QR_GOV_NAME_BYTES_MAX + 1];    /* a group's */
    uint32_t id, pool_id;                         /* as resource governor's views number them */
    uint32_t database_id;                         /* a group's; as in its options; 0: internal */
    uint64_t pool_key;
    bool is_internal, is_open;
    struct qr_gov_limits limits;
    uint64_t cpu_ns_per_s;   /* that the limits come to here; 0: no limit */
    int64_t limited_wall_ns; /* since when those limits hold; a group's */
    uint32_t workers, workers_waiting, sessions;
    uint64_t memory_bytes;            /* that it was said to have: its pages */
    const struct qr_gov_usage *usage; /* borrowed for the call */
    const struct qr_waits *waits;
};
typedef void qr_gov_each_fn(void *ctx, const struct qr_gov_seen *seen);
/* Called with the governor's mutex held: it only copies. In order of id. */
void qr_gov_each_group(struct qr_governor *gov, qr_gov_each_fn *each, void *ctx);
void qr_gov_each_pool(struct qr_governor *gov, qr_gov_each_fn *each, void *ctx);
bool qr_gov_find_group(struct qr_governor *gov, uint32_t database_id, qr_gov_each_fn *each,
                       void *ctx);
/* Of all groups, since the governor was made. */
const struct qr_gov_usage *qr_governor_usage(const struct qr_governor *gov);
const struct qr_waits *qr_governor_waits(const struct qr_governor *gov);
const struct qr_gov_options *qr_governor_options(const struct qr_governor *gov);
