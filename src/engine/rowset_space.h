/* rowset_space.h - where the rows of a rowset lie: segments in memory, the older of which go to an
 * encrypted temporary file when the rowset, or all of the process, has too many.
 *
 * What was given out for reading stays where it is until `version` changes. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "store/tmp.h"

enum { QRI_SPACE_WINDOWS = 4 }; /* segments of the file that are in memory to be read */

struct qri_segment {
    char *data; /* NULL: in the file, at `offset` */
    size_t used, capacity;
    uint64_t offset;
};

struct qri_window {
    char *data;
    size_t capacity;
    uint32_t segment; /* if data != NULL */
    uint64_t used_at;
};

struct qri_space {
    struct qr_store *store; /* whose temporary files it may use; NULL: all stays in memory */
    struct qri_segment *segments;
    size_t count, capacity;
    size_t spilled; /* segments before it are in the file */
    size_t bytes;   /* of the segments in memory */
    struct qr_tmp_file *file;
    struct qri_window windows[QRI_SPACE_WINDOWS];
    uint64_t clock, version;
};

/* Room for `bytes` behind what there is: in *ret_segment, at *ret_offset. */
QR_NODISCARD enum qr_status qri_space_add(struct qri_space *space, size_t bytes, char **ret_data,
                                          uint32_t *ret_segment, uint32_t *ret_offset,
                                          struct qr_err *err);
/* After the room was written: moves older segments to the file if there are too many. 40551
 * over the limit of temporary files. */
QR_NODISCARD enum qr_status qri_space_settle(struct qri_space *space, struct qr_err *err);
/* What lies there, to be read. */
QR_NODISCARD enum qr_status qri_space_at(struct qri_space *space, uint32_t segment, uint32_t offset,
                                         const char **ret_data, struct qr_err *err);
void qri_space_clear(struct qri_space *space);
void qri_space_done(struct qri_space *space);
