/* page/lsn.h - log sequence numbers: byte positions in a database's log stream. Pure.
 *
 * Counted in uncompressed, unencrypted record bytes; block headers and padding do not count. The
 * LSN of a commit is the position behind its commit mark, so "everything up to L" is exact. LSNs
 * are never reused (STORAGE.md S4). 0 is before everything. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct qr_lsn {
    uint64_t v;
};

static inline struct qr_lsn qr_lsn(uint64_t v)
{
    return (struct qr_lsn){v};
}
static inline bool qr_lsn_le(struct qr_lsn a, struct qr_lsn b)
{
    return a.v <= b.v;
}
static inline bool qr_lsn_eq(struct qr_lsn a, struct qr_lsn b)
{
    return a.v == b.v;
}
static inline struct qr_lsn qr_lsn_max(struct qr_lsn a, struct qr_lsn b)
{
    return a.v >= b.v ? a : b;
}
