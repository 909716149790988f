/* codec/collation.h - collations: lookup, comparison, LIKE, search, and the precedence of labels.
 *
 * Pure, no allocation except where an arena is given, any thread. The tables are ours and
 * versioned (QR_COLLATION_TABLE_VERSION): they are part of the on-disk format, because indexes are
 * ordered by them. One collation name has two orders: `national` (nchar family: Unicode) and not
 * (char family: by the sort order or code page). All text is UTF-8; comparisons ignore trailing
 * blanks. Hash and sort key agree with compare. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"
#include "codec/type.h"

enum { QR_COLLATION_TABLE_VERSION = 1 };

/* Stable: kept on disk. */
enum qr_collation_id {
    QR_COLLATION_NONE = 0,
    QR_COLLATION_SQL_LATIN1_CI_AS = 1, /* SQL_Latin1_General_CP1_CI_AS, the default */
    QR_COLLATION_SQL_LATIN1_CS_AS = 2,
    QR_COLLATION_SQL_LATIN1_CI_AI = 3,
    QR_COLLATION_LATIN1_CI_AS = 4, /* Latin1_General_CI_AS */
    QR_COLLATION_LATIN1_CS_AS = 5,
    QR_COLLATION_LATIN1_CI_AI = 6,
    QR_COLLATION_LATIN1_100_CI_AS = 7,
    QR_COLLATION_LATIN1_100_CS_AS = 8,
    QR_COLLATION_LATIN1_100_CI_AI = 9,
    QR_COLLATION_LATIN1_BIN = 10,
    QR_COLLATION_LATIN1_BIN2 = 11,
    QR_COLLATION_LATIN1_100_BIN2 = 12,
    QR_COLLATION_LATIN1_100_CI_AS_SC = 13,
    QR_COLLATION_LATIN1_100_CS_AS_SC = 14,
    QR_COLLATION_LATIN1_100_CI_AS_SC_UTF8 = 15,
    QR_COLLATION_LATIN1_100_BIN2_UTF8 = 16,
    QR_COLLATION_CATALOG = 17, /* SQL_Latin1_General_CP1_CI_AS_KS_WS: catalog of Azure SQL */
    QR_COLLATION_OWN_COUNT,
    QR_COLLATION_COUNT = 4096, /* all ids are below; 64 and up: tools/gen_collations.py */
    QR_COLLATION_DEFAULT = QR_COLLATION_SQL_LATIN1_CI_AS,
};

/* How an order is made; each has one SQLite collation name. */
enum qr_order {
    QR_ORDER_UNI_CI_AS, /* qr_ci:    Unicode, CI AS, width and kana insensitive */
    QR_ORDER_UNI_CS_AS, /* qr_cs */
    QR_ORDER_UNI_CI_AI, /* qr_ciai */
    QR_ORDER_SQL_CI_AS, /* qr_ci_v:  sort order 52, single bytes of code page 1252 */
    QR_ORDER_SQL_CS_AS, /* qr_cs_v:  sort order 51 */
    QR_ORDER_SQL_CI_AI, /* qr_ciai_v: sort order 54 */
    QR_ORDER_BIN2,      /* qr_bin2:  code points */
    QR_ORDER_UNI_CS_AI, /* qr_csai */
    QR_ORDER_COUNT
};

struct qr_collation {
    const char *name;
    const char *description;
    uint32_t lcid;          /* as COLLATIONPROPERTY */
    uint32_t style;         /* COLLATIONPROPERTY(..., 'ComparisonStyle') */
    enum qr_order order[2]; /* [0] char family, [1] nchar family */
    uint16_t id;
    uint16_t code_page;
    uint8_t tds[5];  /* [MS-TDS] collation rule bytes: LCID+flags+version LE, sort id */
    uint8_t version; /* COLLATIONPROPERTY(..., 'Version') */
};

const struct qr_collation *qr_collation_get(uint16_t id); /* NULL if unknown or NONE */
/* Walks all: starts with 0, gives the next id that exists, 0 at the end. */
uint16_t qr_collation_next(uint16_t id);
/* Without case; NULL if unknown. database_default and catalog_default mean the default. */
const struct qr_collation *qr_collation_find(struct qr_str name);
/* From the 5 wire bytes; what is unknown gives the default. */
const struct qr_collation *qr_collation_by_tds(const uint8_t tds[5]);

/* --- orders --- */

const char *qr_order_sqlite_name(enum qr_order order);
/* Of a string type: its collation's order for its family. */
enum qr_order qr_order_of(const struct qr_type *type);

int qr_order_compare(enum qr_order order, struct qr_str a, struct qr_str b);
bool qr_order_equal(enum qr_order order, struct qr_str a, struct qr_str b); /* faster */
uint64_t qr_order_hash(enum qr_order order, struct qr_str s, uint64_t seed);
/* Bytes whose memcmp order is the order; equal texts give equal keys. dst of at least
 * QR_ORDER_KEY_BYTES(n) bytes. Returns the length. */
#define QR_ORDER_KEY_BYTES(n) ((n)*8 + 8)
size_t qr_order_key(enum qr_order order, struct qr_str s, uint8_t *dst);

/* CHARINDEX, REPLACE, STRING_SPLIT, TRIM sets: the first place at or after byte `from` where
 * `needle` (not empty) stands; trailing blanks count here. False if none. */
bool qr_order_search(enum qr_order order, struct qr_str text, struct qr_str needle, size_t from,
                     size_t *ret_at, size_t *ret_bytes);

/* --- LIKE and PATINDEX --- */

/* escape: 0 = none, else a code point. For the char family trailing blanks of `text` are ignored
 * where the pattern has ended; the pattern's own count. Bounded: no recursion, time at most
 * |text| * |pattern|. A bad pattern (open '[', escape at the end) matches nothing, as in T-SQL. */
bool qr_like(enum qr_order order, bool national, struct qr_str text, struct qr_str pattern,
             uint32_t escape);
/* PATINDEX: the byte where `pattern`, which usually has % at its ends, matches first. */
bool qr_like_index(enum qr_order order, bool national, struct qr_str text, struct qr_str pattern,
                   size_t *ret_at);
/* The literal prefix that every match begins with (unescaped, in the arena); n = 0 if there is
 * none. ret_exact: the pattern is nothing but that prefix followed by one %. QR_NOMEM. */
QR_NODISCARD enum qr_status qr_like_prefix(struct qr_str pattern, uint32_t escape,
                                           struct qr_arena *arena, struct qr_str *ret_prefix,
                                           bool *ret_exact);

/* --- collation labels ("Collation precedence" in the documentation), for the binder --- */

enum qr_collation_label {
    QR_LABEL_COERCIBLE_DEFAULT, /* variables, parameters, literals, function results */
    QR_LABEL_IMPLICIT,          /* a column */
    QR_LABEL_NO_COLLATION,      /* two implicit ones differ */
    QR_LABEL_EXPLICIT,          /* COLLATE */
};
struct qr_collation_use {
    enum qr_collation_label label;
    uint16_t collation;
};
/* The result for an operator over both; 468 if two explicit ones differ. `op` names the operation
 * in the message ("equal to", "add", "UNION" ...). An outcome of NO_COLLATION is an error only
 * where a collation is needed: qr_collation_need. */
QR_NODISCARD enum qr_status qr_collation_mix(struct qr_collation_use a, struct qr_collation_use b,
                                             const char *op, struct qr_collation_use *ret_use,
                                             struct qr_err *err);
/* 468 for a comparison of two NO_COLLATION-making sides: call with the two sides when the mix has
 * label NO_COLLATION and `op` compares. */
QR_NODISCARD enum qr_status qr_collation_need(struct qr_collation_use a, struct qr_collation_use b,
                                              const char *op, struct qr_err *err);
