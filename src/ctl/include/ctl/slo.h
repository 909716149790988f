/* ctl/slo.h - service objectives, generated from data/slo.csv. Pure. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/str.h"

/* What it may use; 0: not limited. `is_derived`: the table states some of it not, and README.md
 * says where it comes from. */
struct qr_slo_limits {
    uint32_t vcores_pct, dtus; /* hundredths of a vCore; dtus: 0 if it is not sold by them */
    uint32_t workers_max, logins_max, sessions_max;
    uint32_t iops;
    uint64_t log_bytes_per_s, memory_bytes;
    uint64_t log_bytes, tempdb_bytes, local_bytes; /* that they may take */
    bool is_derived;
};

struct qr_slo {
    const char *name;    /* "GP_Gen5_2" */
    const char *edition; /* "GeneralPurpose" */
    const char *family;  /* "Gen5"; "" for DTUs */
    uint32_t capacity;   /* vCores, or DTUs */
    bool is_dtu, is_serverless;
    uint32_t min_capacity_pct; /* serverless: hundredths of a vCore that are the least */
    uint32_t ha_replicas_max;
    uint32_t memory_mib;       /* 0: the table states none */
    uint64_t max_data_bytes;   /* the same */
    uint64_t min_memory_bytes; /* serverless: that it has at least, however few its min vCores */
    uint32_t pause_minutes_min, pause_minutes_max; /* serverless: of the auto-pause delay */
    struct qr_slo_limits limits;
};

size_t qr_slo_count(void);
const struct qr_slo *qr_slo_at(size_t index);
const struct qr_slo *qr_slo_find(struct qr_str name); /* without case; NULL if none */
const struct qr_slo *
qr_slo_default(struct qr_str edition); /* what a database of that edition gets; NULL if none */
/* Serverless: the min vCores that it may have, in hundredths, rising; how many there are. */
enum { QR_SLO_MIN_CAPACITIES_MAX = 32 };
size_t qr_slo_min_capacities(const struct qr_slo *slo, uint32_t dst[QR_SLO_MIN_CAPACITIES_MAX]);
bool qr_slo_takes_min_capacity(const struct qr_slo *slo, uint32_t min_capacity_pct);
/* Serverless: the memory that belongs to those min vCores, of which 3 GB count as one. */
enum { QR_SLO_MEMORY_GIB_PER_VCORE = 3 };
uint64_t qr_slo_min_memory(const struct qr_slo *slo, uint32_t min_capacity_pct);
/* Serverless: what is billed at least, in thousandths of a vCore. */
uint32_t qr_slo_billed_min_milli(const struct qr_slo *slo, uint32_t min_capacity_pct);
/* What a database gets of which no size is said. */
uint64_t qr_slo_default_max_bytes(const struct qr_slo *slo);
/* The least that a database can be bounded by. */
uint64_t qr_slo_least_max_bytes(const struct qr_slo *slo);
/* May a database of that objective be bounded so? Not for Hyperscale, which has no bound. */
bool qr_slo_takes_max_bytes(const struct qr_slo *slo, uint64_t max_bytes);
