/* page/datafile.h - headers of the data file and of the double-write area.
 *
 * The data file starts with two header slots of 4,096 bytes, written in turn; the valid one with
 * the higher sequence counts. Pages follow from QR_DATA_PAGES_OFFSET. The double-write area is a
 * header that lists page numbers, then those pages' images, sealed by trailers. Pure; any thread;
 * hostile input. QR_CORRUPT for what is damaged or breaks the format, QR_UNSUPPORTED for an intact
 * header of a version or algorithm that is not ours. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "page/block.h"

enum {
    QR_DATA_HEADER_SLOT_BYTES = 4096,
    QR_DATA_HEADER_SLOTS = 2,
    QR_DATA_PAGES_OFFSET = 65536,
    QR_DW_HEADER_BYTES = 4096,
    QR_DW_PAGES_MAX = 512,
};

enum qr_data_state { QR_DATA_ACTIVE = 1, QR_DATA_MOVED = 2 }; /* moved at log_end_lsn (S18) */

struct qr_data_header {
    uint64_t sequence; /* of header writes */
    uint32_t page_bytes;
    uint32_t key_id; /* pages and log are encrypted under it; 0: in clear */
    enum qr_data_state state;
    uint8_t timeline[QR_TIMELINE_BYTES];
    uint64_t epoch;          /* raised by every open (S7) */
    uint64_t checkpoint_lsn; /* pages hold this commit, or newer ones of a running checkpoint */
    uint64_t log_segment_no; /* the log behind checkpoint_lsn starts here ... */
    uint64_t log_offset;     /* ... at this block */
    uint64_t log_lsn;        /* ... whose first LSN is this */
    uint64_t log_end_lsn;    /* the log was hardened up to here when this was written */
    uint64_t commit_no, commit_wall_ns; /* of checkpoint_lsn */
    uint32_t db_pages;                  /* at checkpoint_lsn */
    uint32_t clean; /* 1: closed, nothing is behind checkpoint_lsn but counters */
};

void qr_data_header_encode(uint8_t slot[QR_DATA_HEADER_SLOT_BYTES],
                           const struct qr_data_header *header);
QR_NODISCARD enum qr_status qr_data_header_decode(const uint8_t slot[QR_DATA_HEADER_SLOT_BYTES],
                                                  struct qr_data_header *ret_header,
                                                  struct qr_err *err);

struct qr_dw_header {
    uint32_t page_bytes, page_count;
    uint8_t timeline[QR_TIMELINE_BYTES];
    uint32_t page_no[QR_DW_PAGES_MAX];
};
void qr_dw_header_encode(uint8_t dst[QR_DW_HEADER_BYTES], const struct qr_dw_header *header);
QR_NODISCARD enum qr_status qr_dw_header_decode(const uint8_t src[QR_DW_HEADER_BYTES],
                                                struct qr_dw_header *ret_header,
                                                struct qr_err *err);
