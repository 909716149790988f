/* ctl/place.h - where a database is: its compute node and its timeline, from its row. Pure. */
#pragma once
#include "ctl/control.h"
#include "page/timeline.h"

/* "shared" or "hs-<id>". */
void qr_place_node(const struct qr_database_row *row, char dst[QR_NODE_NAME_BYTES]);
/* False: it is no node of one database. */
bool qr_place_database_of(const char *node, uint32_t *ret_id);
/* QR_CORRUPT: the row's timeline is no UUID. */
QR_NODISCARD enum qr_status qr_place_timeline(const struct qr_database_row *row,
                                              struct qr_timeline *ret_timeline, struct qr_err *err);
