/* pagesvc/client.h - a page server's calls as bytes, for those who make them and for serve.
 *
 * All begin with the slice: 16 bytes of timeline, u32 slice number. Little-endian.
 *   GET      u32 count, then { u32 page, u64 not modified since, u64 LSN, u64 version had }
 *            answer: { u32 status, u64 version, u32 bytes, the page } in the same order
 *   CREATE   u32 page bytes, u64 start LSN        ATTACH, DROP, FLUSH   nothing more
 *   BRANCH   u64 LSN, 16 bytes of child, u64 the child's start
 *   PIN      16 bytes of name, u64 LSN            UNPIN   16 bytes of name
 *   HORIZON  u64 LSN
 *   LEASE    u64 holder, u64 LSN, u64 ns; answer: u64 horizon; of all slices of the timeline
 *   IMPORT   u64 LSN, u32 first page, u32 count, u8 flags (1 begins, 2 ends), then the pages as
 *            struct qr_pages_import has them; answer: u32 sum
 *   CURSOR   answer: 16 bytes of source, u64 next, u64 visible, u64 disk LSN
 * Every method may be repeated. Pure; any thread; decoded bytes are hostile. */
#pragma once
#include "pagesvc/pagesvc.h"
#include "rpc/rpc.h"

enum qr_pages_method {
    QR_PAGES_GET = 0x201,
    QR_PAGES_CREATE,
    QR_PAGES_ATTACH,
    QR_PAGES_BRANCH,
    QR_PAGES_PIN,
    QR_PAGES_UNPIN,
    QR_PAGES_HORIZON,
    QR_PAGES_DROP,
    QR_PAGES_FLUSH,
    QR_PAGES_CURSOR,
    QR_PAGES_LEASE,
    QR_PAGES_IMPORT,
};

enum { QR_PAGES_GET_MAX = 512 }; /* pages in one call: 4 MiB of 8 KiB */

struct qr_pages_want {
    uint32_t page_no;
    struct qr_lsn not_modified_since, lsn, have;
};
void qr_pages_get_encode(const struct qr_slice_id *id, const struct qr_pages_want *wants,
                         uint32_t count, struct qr_buf *buf);

struct qr_pages_got {
    enum qr_status status; /* QR_OK, QR_NOT_FOUND, QR_CORRUPT ... of this page */
    struct qr_lsn version;
    const uint8_t *page; /* NULL: not modified */
    uint32_t bytes;
};
/* The answer at *at, which moves behind it. */
QR_NODISCARD enum qr_status qr_pages_got_next(const uint8_t *bytes, size_t count, size_t *at,
                                              struct qr_pages_got *ret_got, struct qr_err *err);

/* What a compute node reads from the meta page (page 0) before it opens. */
struct qr_pages_meta {
    struct qr_lsn lsn; /* the commit mark it is of */
    uint64_t wall_ns, commit_no, epoch;
    uint32_t db_pages;
    size_t counter_count;
    const uint8_t *counters; /* { u64 id, i64 next }, sorted by id */
};
QR_NODISCARD enum qr_status qr_pages_meta_decode(const uint8_t *bytes, size_t count,
                                                 struct qr_pages_meta *ret_meta,
                                                 struct qr_err *err);

/* Calls that wait. */
QR_NODISCARD enum qr_status qr_pages_create(struct qr_rpc_peer *peer, const struct qr_slice_id *id,
                                            uint32_t page_bytes, struct qr_lsn start_lsn,
                                            struct qr_err *err);
/* ATTACH, DROP or FLUSH. */
QR_NODISCARD enum qr_status qr_pages_simple(struct qr_rpc_peer *peer, enum qr_pages_method method,
                                            const struct qr_slice_id *id, struct qr_err *err);
QR_NODISCARD enum qr_status qr_pages_branch(struct qr_rpc_peer *peer, const struct qr_slice_id *id,
                                            struct qr_lsn lsn, const struct qr_timeline *child,
                                            struct qr_lsn child_start, struct qr_err *err);
QR_NODISCARD enum qr_status qr_pages_pin(struct qr_rpc_peer *peer, const struct qr_slice_id *id,
                                         const struct qr_timeline *name, struct qr_lsn lsn,
                                         struct qr_err *err);
QR_NODISCARD enum qr_status qr_pages_unpin(struct qr_rpc_peer *peer, const struct qr_slice_id *id,
                                           const struct qr_timeline *name, struct qr_err *err);
QR_NODISCARD enum qr_status qr_pages_horizon(struct qr_rpc_peer *peer, const struct qr_slice_id *id,
                                             struct qr_lsn lsn, struct qr_err *err);
/* A LEASE and its answer, for those who make the call themselves. */
enum { QR_PAGES_LEASE_BYTES = 44 };
void qr_pages_lease_encode(const struct qr_timeline *timeline, uint64_t holder, struct qr_lsn lsn,
                           int64_t ttl_ns, struct qr_buf *buf);
QR_NODISCARD enum qr_status qr_pages_lease_answer(const uint8_t *bytes, size_t count,
                                                  struct qr_lsn *ret_horizon, struct qr_err *err);
QR_NODISCARD enum qr_status qr_pages_cursor(struct qr_rpc_peer *peer, const struct qr_slice_id *id,
                                            struct qr_slice_cursor *ret_cursor, struct qr_err *err);

/* An IMPORT for who has many on their way: the header; the pages follow it. */
enum { QR_PAGES_IMPORT_HEADER_BYTES = 37 };
void qr_pages_import_encode(const struct qr_slice_id *id, const struct qr_pages_import *import,
                            uint8_t dst[QR_PAGES_IMPORT_HEADER_BYTES]);
/* The same with its pages, which ret_import points to. Hostile input; whether there are as many
 * bytes as pages only the slice knows. */
QR_NODISCARD enum qr_status qr_pages_import_decode(const uint8_t *bytes, size_t count,
                                                   struct qr_pages_import *ret_import,
                                                   struct qr_err *err);

/* The serving side: a qr_rpc_serve_fn whose ctx is the struct qr_pagesvc. Blocks in some methods:
 * give the listener workers. */
void qr_pagesvc_serve(void *svc, struct qr_rpc_request *own_request);
