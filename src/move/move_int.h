/* move_int.h - what the files of move give each other */
#pragma once
#include "base/buf.h"
#include "logsvc/piece.h"
#include "move/move.h"
#include "page/record.h"
#include "pagesvc/client.h"

enum { QRI_GET_PAGES = 256 /* in one call */, QR_PAGE_BYTES_DEFAULT = 8192 };

/* --- pace.c: M5 --- */

/* Who moves data asks for a rest where nothing of his is on its way. If the source's log has become
 * longer since the last time, it is one in proportion to the time since then. */
struct qri_pace {
    struct qr_env *env;
    uint64_t (*log_end)(void *ctx,
                        uint64_t known); /* of the source; `known` if it cannot be told */
    void *ctx;
    int64_t since_ns; /* the last rest's end */
    uint64_t lsn;     /* log_end then */
};
/* What was before does not count. */
void qri_pace_begin(struct qri_pace *p);
void qri_pace_rest(struct qri_pace *p);
void qri_pace_end(struct qri_pace *p); /* nobody writes any more: no rest from here on */

/* --- remote.c: the other side --- */

struct qri_remote {
    const struct qr_move_options *options;
    struct qr_env *env;
    uint64_t holder; /* of our fences */
    struct qr_buf reply;
    struct qri_pace pace; /* qri_remote_get rests; log_end by who has the source */
};
void qri_remote_init(struct qri_remote *r, const struct qr_move_options *options);
void qri_remote_done(struct qri_remote *r);
/* QR_CANCELLED if somebody wishes the end. */
QR_NODISCARD enum qr_status qri_remote_check(const struct qri_remote *r, struct qr_err *err);
/* After a call without an answer: pauses and says true, until it has lasted too long. */
bool qri_remote_repeats(const struct qri_remote *r, enum qr_status status, int64_t until_ns);
int64_t qri_remote_until(const struct qri_remote *r);
struct qr_logsvc_state;
/* struct qri_pace.log_end of a source there; `ctx` is the remote. */
uint64_t qri_remote_log_end(void *ctx, uint64_t known);
QR_NODISCARD enum qr_status qri_remote_state(struct qri_remote *r,
                                             struct qr_logsvc_state *ret_state, struct qr_err *err);
/* The meta page as of an LSN that has been hardened; its counters point into r->reply. */
QR_NODISCARD enum qr_status qri_remote_meta(struct qri_remote *r, struct qr_lsn lsn,
                                            struct qr_pages_meta *ret_meta, struct qr_err *err);
/* Pages as of an LSN, in the order asked for. `each` gets them one by one; page NULL: there is no
 * such page. */
typedef enum qr_status qri_page_fn(void *ctx, uint32_t page_no, struct qr_lsn version,
                                   const uint8_t *page, uint32_t bytes, struct qr_err *err);
QR_NODISCARD enum qr_status qri_remote_get(struct qri_remote *r, const uint32_t *pages,
                                           uint32_t count, struct qr_lsn lsn, qri_page_fn *each,
                                           void *ctx, struct qr_err *err);

/* --- changes.c: pages that log changes --- */

struct qri_changes {
    uint8_t *bits; /* by page number */
    size_t bytes;
};
void qri_changes_done(struct qri_changes *c);
void qri_changes_swap(struct qri_changes *a, struct qri_changes *b);
QR_NODISCARD enum qr_status qri_changes_add(struct qri_changes *c, uint32_t page_no,
                                            struct qr_err *err);
QR_NODISCARD enum qr_status qri_changes_add_all(struct qri_changes *c, uint32_t pages,
                                                struct qr_err *err);
/* Up to `max` of them from *at on and not behind `last`; *at moves behind. */
uint32_t qri_changes_next(const struct qri_changes *c, uint32_t *at, uint32_t last, uint32_t *dst,
                          uint32_t max);

/* Log as it comes, record by record. */
struct qri_scan {
    struct qr_buf carry; /* of a record whose rest has not come */
    uint64_t lsn;        /* of its first byte, or of what comes next */
};
void qri_scan_init(struct qri_scan *s);
void qri_scan_done(struct qri_scan *s);
/* Whole records only: their bytes, and where the log goes on behind them. */
typedef enum qr_status qri_record_fn(void *ctx, const struct qr_record *record,
                                     const uint8_t *bytes, uint64_t lsn, struct qr_err *err);
QR_NODISCARD enum qr_status qri_scan_piece(struct qri_scan *s, const struct qr_piece *piece,
                                           qri_record_fn *each, void *ctx, struct qr_err *err);
