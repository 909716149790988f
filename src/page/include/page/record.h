/* page/record.h - log records: what one commit changed, as bytes.
 *
 * A log group is the DELTA and IMAGE records of one commit and its COMMIT record; COUNTER, DROP and
 * EPOCH records stand between groups. All fields are little-endian:
 *   every record  u32 bytes (all of it), u8 kind, u8 flags (0), u16 range_count (else 0)
 *   DELTA, IMAGE  u32 page_no, then range_count times { u16 offset, u16 bytes, the new bytes }
 *   COMMIT        u32 db_pages, u32 page_count, u64 wall_ns, u64 commit_no
 *   EPOCH         u64 epoch, u64 LSN of the last complete commit before it, u64 wall_ns
 *   COUNTER       u64 id, i64 next number after a crash
 *   DROP          u64 id
 * DELTA ranges go onto the page's version before; IMAGE ranges onto a page of zeros.
 *
 * Pure; any thread. Decoded bytes are hostile. Results point into the decoded bytes.
 * Errors: QR_TRUNCATED the record reaches past the bytes, QR_CORRUPT it breaks this format,
 * QR_NOMEM and QR_TOO_BIG from the buffer. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/status.h"

enum {
    QR_PAGE_BYTES_MIN = 4096,
    QR_PAGE_BYTES_MAX = 65536,
    QR_PAGE_RESERVED_BYTES = 32, /* the trailer; no record carries it */
    QR_RECORD_HEADER_BYTES = 8,
    QR_RECORD_BYTES_MAX = 2 * QR_PAGE_BYTES_MAX, /* ranges lie apart, so this is ample */
    QR_COMMIT_RECORD_BYTES = 32,
};

enum qr_record_kind {
    QR_RECORD_DELTA = 1,
    QR_RECORD_IMAGE = 2,
    QR_RECORD_COMMIT = 3,
    QR_RECORD_EPOCH = 4,
    QR_RECORD_COUNTER = 5,
    QR_RECORD_DROP = 6,
};

struct qr_record {
    enum qr_record_kind kind;
    uint32_t bytes; /* of the whole record */
    union {
        struct {
            uint32_t page_no; /* from 1 */
            uint16_t range_count;
            const uint8_t *ranges;
            uint32_t ranges_bytes;
        } page;
        struct {
            uint32_t db_pages, page_count;
            uint64_t wall_ns, commit_no;
        } commit;
        struct {
            uint64_t epoch, last_commit_lsn, wall_ns;
        } epoch;
        struct {
            uint64_t id;
            int64_t next;
        } counter;
    };
};

/* Appends what changed from `old_page` (NULL: a page of zeros, which gives an IMAGE) to `new_page`;
 * nothing at all if a DELTA would be empty. The trailers are not compared. */
void qr_record_add_page(struct qr_buf *buf, uint32_t page_no, const uint8_t *old_page,
                        const uint8_t *new_page, uint32_t page_bytes);
void qr_record_add_commit(struct qr_buf *buf, uint32_t db_pages, uint32_t page_count,
                          uint64_t wall_ns, uint64_t commit_no);
void qr_record_add_epoch(struct qr_buf *buf, uint64_t epoch, uint64_t last_commit_lsn,
                         uint64_t wall_ns);
void qr_record_add_counter(struct qr_buf *buf, uint64_t id, int64_t next);
void qr_record_add_drop(struct qr_buf *buf, uint64_t id);

/* Length of the record that starts here, from its first 4 bytes, so that a reader knows how much to
 * collect. QR_CORRUPT if no record can be that long. */
QR_NODISCARD enum qr_status qr_record_length(const uint8_t *bytes, uint32_t *ret_bytes,
                                             struct qr_err *err);
QR_NODISCARD enum qr_status qr_record_decode(const uint8_t *bytes, size_t count,
                                             struct qr_record *ret_record, struct qr_err *err);
/* `page` holds the version before (DELTA) or anything (IMAGE). QR_CORRUPT leaves `page` undefined.
 */
QR_NODISCARD enum qr_status qr_record_apply(const struct qr_record *record, uint8_t *page,
                                            uint32_t page_bytes, struct qr_err *err);
