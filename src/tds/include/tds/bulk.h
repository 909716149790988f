/* tds/bulk.h - the BULK message: COLMETADATA, rows and DONE that a client streams after INSERT BULK
 * ([MS-TDS] 2.2.6.1).
 *
 * Pure; one thread at a time. Input is hostile and may be any bytes. Fed in slices of any size;
 * keeps no more than one row that is not complete, bounded by row_bytes_max. Use: feed a slice,
 * then call next until it says MORE; after the last slice call finish, then next until it says END.
 * Values live until the next feed (bytes may be borrowed) and until the arena given is reset.
 * Errors: QR_PROTOCOL, QR_TOO_BIG for a row over its bound, QR_SQL 4804 if the message ends inside
 * a row, 4815 and 4816 for a column whose length or type is not valid; after one nothing more can
 * be read. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"
#include "codec/value.h"
#include "tds/decode.h"
#include "tds/defs.h"

enum { QR_TDS_BULK_COLUMNS_MAX = 4096 };

struct qr_tds_bulk_column {
    struct qr_tds_wire_type wire;
    struct qr_str name; /* in the arena given to init */
    uint16_t flags;
};

struct qr_tds_bulk {
    enum qr_tds_version version;
    struct qr_arena *arena_request; /* columns and names */
    struct qr_buf pending;          /* what is not consumed yet */
    size_t used;                    /* of pending */
    size_t retry_bytes; /* do not try again before this much is pending: an incomplete long row
                           would be parsed over and over */
    bool final, ended;
    bool has_columns;
    struct qr_tds_bulk_column *columns;
    size_t column_count;
    uint64_t row_count; /* read so far */
};

enum qr_tds_bulk_event {
    QR_TDS_BULK_MORE,    /* feed the next slice */
    QR_TDS_BULK_COLUMNS, /* columns and column_count are set; comes once, before all rows */
    QR_TDS_BULK_ROW,     /* values[column_count] are set */
    QR_TDS_BULK_END,
};

void qr_tds_bulk_init(struct qr_tds_bulk *bulk, enum qr_tds_version version,
                      struct qr_arena *arena_request, size_t row_bytes_max);
void qr_tds_bulk_done(struct qr_tds_bulk *bulk);
QR_NODISCARD enum qr_status qr_tds_bulk_feed(struct qr_tds_bulk *bulk, const uint8_t *bytes,
                                             size_t count, struct qr_err *err);
void qr_tds_bulk_finish(struct qr_tds_bulk *bulk); /* the message has ended */
/* `values` has room for the columns once they are known (before that it may be NULL). */
QR_NODISCARD enum qr_status qr_tds_bulk_next(struct qr_tds_bulk *bulk, struct qr_arena *arena_row,
                                             struct qr_value *values,
                                             enum qr_tds_bulk_event *ret_event, struct qr_err *err);
