/* ctl/place.h - where a database is: its compute node and its timeline, from its row. Pure. */
#pragma once
#include "base/region.h"
#include "ctl/control.h"
#include "page/timeline.h"

/* "shared", or the database's first member. */
void qr_place_node(const struct qr_database_row *row, char dst[QR_NODE_NAME_BYTES]);
/* "hs-<id>" of a Hyperscale database, "bc-<id>" of one with copies, or of a geo-secondary; with
 * `member` 1 to QR_HA_REPLICAS_MAX "hs-<id>-r<member>". All members of a database are equal: any of
 * them can be its primary, the others its secondaries. */
void qr_place_member(const struct qr_database_row *row, uint32_t member,
                     char dst[QR_NODE_NAME_BYTES]);
/* Of a node of one database: does it keep a copy of its own? */
bool qr_place_has_copy(const char *node);
/* False: it is no node of one database. */
bool qr_place_database_of(const char *node, uint32_t *ret_id);
/* Of a node of one database: 0 of "hs-5", 2 of "hs-5-r2". */
uint32_t qr_place_member_of(const char *node);
/* QR_CORRUPT: the row's timeline is no UUID. */
QR_NODISCARD enum qr_status qr_place_timeline(const struct qr_database_row *row,
                                              struct qr_timeline *ret_timeline, struct qr_err *err);

/* Regions have numbers, by which timelines name them (base/region.h); the first one's data are in
 * the data directory itself. NULL: there is no such region. */
enum { QR_PLACE_REGIONS = 2 };
const char *qr_place_region_name(uint32_t number);
const char *qr_place_region_display(uint32_t number); /* "East US" */
/* Without case; 0 if there is none of that name. */
uint32_t qr_place_region(struct qr_str name);
