/* governor/sample.h - what groups and pools used, every 15 seconds of the last hour.
 *
 * Taken by qr_governor_tick, which runs every second: maxima are those of its looks. Percents are
 * of the limits that held then. Threads: any. */
#pragma once
#include "governor/governor.h"

enum { QR_GOV_SAMPLE_S = 15, QR_GOV_SAMPLES_MAX = 3600 / QR_GOV_SAMPLE_S };

struct qr_gov_sample {
    int64_t end_wall_ns, ns; /* the interval */
    /* percents of the limits; 0 where there is none */
    float cpu, data_io, log_write, memory, storage;
    float workers_max, sessions_max; /* of the looks */
    float login_rate;
    float instance_cpu, instance_memory; /* of all that the process may use, internal work too */
    /* what was used */
    uint64_t cpu_ns, cpu_delayed_ns, reads, read_bytes, writes, write_bytes, io_units, log_bytes;
    uint64_t read_stall_ns, read_queued_ns, write_stall_ns, write_queued_ns;
    uint64_t reads_queued, writes_queued, optimizations, out_of_memory;
    uint64_t memory_bytes, storage_bytes, allocated_bytes;
    uint32_t workers, sessions; /* the most */
    uint32_t requests;
    uint64_t requests_total, cpu_total_ns; /* at its end, since the group began */
    /* grants of memory, a pool's: at its end, and what the interval added */
    uint64_t granted_bytes, grant_used_bytes;
    uint32_t grantees, grant_waiters, grant_timeouts;
    /* the limits that held at its end */
    uint32_t vcores_pct, dtus, iops, workers_limit, sessions_limit;
    uint64_t cpu_ns_per_s, io_bytes_per_s, log_bytes_per_s, memory_limit, storage_limit;
};

/* Memory and storage that a group has just now, for the samples; said by who knows it. Allocated:
 * with pages that are free. */
void qr_gov_group_set_memory(struct qr_gov_group *group, uint64_t bytes);
void qr_gov_group_set_storage(struct qr_gov_group *group, uint64_t bytes, uint64_t allocated_bytes);
/* Of the group's pool, with databases that are not open; its memory is that of its groups. */
void qr_gov_group_set_pool_storage(struct qr_gov_group *group, uint64_t bytes,
                                   uint64_t allocated_bytes);
/* Of a group with billed_min_milli: what it used beyond that since the last call, in millionths of
 * a vCore second. Of each second the more of CPU time and memory counts, where 3 GB are a vCore. */
enum { QR_GOV_GIB_PER_VCORE = 3 };
uint64_t qr_gov_group_take_billed(struct qr_gov_group *group);

/* Copies the newest `max` rows, newest first; how many. 0: it is not known, or there is none yet.
 */
size_t qr_gov_group_samples(struct qr_governor *gov, uint32_t database_id,
                            struct qr_gov_sample *dst, size_t max);
size_t qr_gov_pool_samples(struct qr_governor *gov, uint64_t pool_key, struct qr_gov_sample *dst,
                           size_t max);
/* What the last second was; false: none yet. */
bool qr_gov_group_last(struct qr_governor *gov, uint32_t database_id, struct qr_gov_sample *dst);
