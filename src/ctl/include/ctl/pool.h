/* ctl/pool.h - elastic pools: the sizes that they come in, generated from data/pools.csv, and a
 * pool's row. Pure. Capacities of a database are in hundredths of a vCore or DTU ("pct"). */
#pragma once
#include "ctl/registry.h"
#include "ctl/slo.h"

#define QR_POOL_OBJECTIVE "ElasticPool" /* the objective of every database in a pool */

struct qr_pool_size {
    const char *name; /* "GP_Gen5_2", "StandardPool_50" */
    const char *sku;  /* "GP_Gen5", "StandardPool" */
    const char *edition, *family;
    uint32_t capacity; /* vCores, or DTUs */
    bool is_dtu;
    uint64_t max_bytes, included_bytes;
    uint64_t database_max_bytes; /* 0: what the pool may have */
    uint32_t databases_max;
    const char *minima, *maxima; /* that a database may have, with blanks between; "": any whole
                                    number up to the capacity */
    const char *storages;        /* GiB, in the same way; "": any up to the most */
    struct qr_slo_limits limits; /* of all databases in it together */
};
size_t qr_pool_size_count(void);
const struct qr_pool_size *qr_pool_size_at(size_t index);
const struct qr_pool_size *qr_pool_size_find(struct qr_str name); /* without case; or NULL */
/* What a pool of that edition gets unless it is said; NULL: the edition has no pools. */
const struct qr_pool_size *qr_pool_size_default(struct qr_str edition);
/* Capacities per database that are the least and the most; 0 and false: any whole number. */
bool qr_pool_choice_at(const char *choices, size_t index, uint32_t *ret_pct);

struct qr_pool_row {
    uint32_t server, number; /* the number is that of no other pool of the server */
    char name[QR_NAME_BYTES_MAX + 1];
    char size[QR_WORD_BYTES_MAX + 1]; /* the name of a row of the table */
    uint64_t max_bytes;
    uint32_t min_pct, max_pct;       /* of a database */
    uint8_t license, zone_redundant; /* enum qr_license, enum qr_said */
    int64_t create_wall_ns;
    char tags[QR_TAGS_BYTES_MAX + 1]; /* a JSON object */
};

/* What is wished of a pool. */
struct qr_pool_wish {
    struct qr_str name;
    struct qr_str size;               /* n = 0: kept, or the default */
    uint64_t max_bytes;               /* 0: the same */
    uint32_t min_pct, max_pct;        /* one more than wished; 0: the same */
    struct qr_database_traits traits; /* license and zone_redundant count */
    struct qr_str tags;               /* n = 0: the same */
};
/* It becomes part of the row, if the tables allow it; a row without a size is new. Errors 40859,
 * 40864 to 40875, 40891, 40900, QR_INVALID; the row is then as before. */
QR_NODISCARD enum qr_status qr_pool_apply(const struct qr_pool_wish *wish, struct qr_pool_row *row,
                                          struct qr_err *err);

/* The limits that a database in it has: the largest objective of its hardware that is not above
 * what the pool allows one database, or the smallest there is. */
const struct qr_slo *qr_pool_database_slo(const struct qr_pool_row *row);
/* A database in it may be bounded by that, and by no more. */
uint64_t qr_pool_database_max_bytes(const struct qr_pool_row *row);
