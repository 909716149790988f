/* pagesvc/pagesvc.h - the page server: slices of timelines, log in, pages at an LSN out.
 *
 * A slice is 128 GiB of page numbers of one timeline; page_no / (128 GiB / page_bytes) is its
 * number. The log comes in pieces as the log service gives them; layers and manifests go to the
 * blob store; unless its objects are files of this machine a copy of every layer stays in `dir`.
 *
 * Threads: any. Ingest of one slice is one call at a time (calls wait for each other). Without
 * threads (a simulation) the caller drives qr_pagesvc_work.
 * Errors: QR_NOT_FOUND no such slice or page, QR_CORRUPT damage that no other copy
 * mends, QR_GONE it is not kept any more, QR_FENCED another server has attached the slice, QR_FULL,
 * QR_IO, QR_NOMEM, QR_BUSY. */
#pragma once
#include <stdbool.h>
#include "base/buf.h"
#include "blob/blob.h"
#include "env/env.h"
#include "obs/log.h"
#include "page/lsn.h"
#include "page/timeline.h"

#define QR_SLICE_BYTES (UINT64_C(128) << 30)

struct qr_pagesvc;
struct qr_keyring;

/* Zero means the default in brackets. */
struct qr_pagesvc_options {
    struct qr_env *env; /* [qr_env_real()] */
    struct qr_log log;  /* [none] */
    const char *dir;    /* local copies of layers, if there are any, and large open groups of log;
                           made then; copied */
    struct qr_blob *blob;
    struct qr_keyring *keyring;  /* encrypts layers, seals manifests; NULL: in clear */
    uint64_t open_layer_bytes;   /* [64 MiB] */
    uint64_t group_memory_bytes; /* of a commit that is not complete; more is in a file [128 MiB] */
    int64_t flush_age_ns;        /* an open layer is frozen after this long [60 s] */
    int64_t grace_ns;            /* between leaving the manifest and being deleted [10 min] */
    int64_t lease_ns_max;        /* of snapshot leases [30 s] */
    bool compression_off;        /* of layers' blocks */
    uint32_t fan_in;             /* layers merged at once [8] */
    /* Pieces of log (logsvc/piece.h) of `source` from there on, about as many bytes, from
     * *ret_pieces_at of `buf` on, and where the timeline's log begins; QR_NOT_FOUND: it is not
     * kept. Blocks; called by the worker and by attach. NULL: damaged layers are not made again. */
    enum qr_status (*read_log)(void *ctx, const struct qr_timeline *source, uint64_t from_lsn,
                               size_t bytes_max, struct qr_buf *buf, size_t *ret_pieces_at,
                               uint64_t *ret_start_lsn, struct qr_err *err);
    void *read_log_ctx;
    uint64_t slice_bytes; /* for tests; of all page servers the same [QR_SLICE_BYTES] */
    bool threads_off;
};

QR_NODISCARD enum qr_status qr_pagesvc_open(const struct qr_pagesvc_options *options,
                                            struct qr_pagesvc **ret_svc, struct qr_err *err);
/* Stops threads and frees; what is not in layers yet comes from the log again. NULL is accepted.
 * No get may be waiting. */
void qr_pagesvc_close(struct qr_pagesvc *svc);

/* --- slices --- */

struct qr_slice_id {
    struct qr_timeline timeline;
    uint32_t no;
};

/* A new timeline's slice: no pages before start_lsn. Durable, then attached. Again with the same
 * arguments: QR_OK. */
QR_NODISCARD enum qr_status qr_pagesvc_create(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                              uint32_t page_bytes, struct qr_lsn start_lsn,
                                              struct qr_err *err);
/* Serves a slice from its manifest; whoever had it before can change nothing any more. QR_OK if it
 * is attached here already. */
QR_NODISCARD enum qr_status qr_pagesvc_attach(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                              struct qr_err *err);
void qr_pagesvc_detach(struct qr_pagesvc *svc, const struct qr_slice_id *id);
/* Makes `child` equal to the slice at `lsn` (a commit mark), in time that does not depend on its
 * size; the child's own log begins at child_start. Idempotent. QR_BUSY until the parent has
 * ingested up to `lsn`; QR_INVALID if `lsn` is before the horizon and no pin is there. */
QR_NODISCARD enum qr_status qr_pagesvc_branch(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                              struct qr_lsn lsn, const struct qr_timeline *child,
                                              struct qr_lsn child_start, struct qr_err *err);
/* Keeps the pages as of `lsn` (a backup) until unpin. The name is the caller's; again: QR_OK. */
QR_NODISCARD enum qr_status qr_pagesvc_pin(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                           const struct qr_timeline *name, struct qr_lsn lsn,
                                           struct qr_err *err);
QR_NODISCARD enum qr_status qr_pagesvc_unpin(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                             const struct qr_timeline *name, struct qr_err *err);
/* Pages before `lsn` need not be kept but for pins; QR_GONE is what who asks for them gets. Only
 * grows, and no further than leases let it: ask again later. */
QR_NODISCARD enum qr_status qr_pagesvc_set_horizon(struct qr_pagesvc *svc,
                                                   const struct qr_slice_id *id, struct qr_lsn lsn,
                                                   struct qr_err *err);
/* Somebody reads the timeline as of `lsn` and later (S13): no horizon passes that for `ttl_ns`, or
 * lease_ns_max if that is shorter. Replaces what this holder had. *ret_horizon is the highest
 * one of the timeline's slices: what is before it may be gone already. */
QR_NODISCARD enum qr_status qr_pagesvc_lease(struct qr_pagesvc *svc,
                                             const struct qr_timeline *timeline, uint64_t holder,
                                             struct qr_lsn lsn, int64_t ttl_ns,
                                             struct qr_lsn *ret_horizon, struct qr_err *err);
/* Its objects go once no pin is left (work does it). */
QR_NODISCARD enum qr_status qr_pagesvc_drop(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                            struct qr_err *err);

/* --- pages in --- */

/* Pages of a database that was elsewhere, as of `lsn`: some of one part, which is 16,384 page
 * numbers from a multiple of that on (the first part begins with page 1), in order and without a
 * gap. Its last call makes it an image layer; the log that leads from `lsn` on may come then. */
struct qr_pages_import {
    struct qr_lsn lsn;
    uint32_t first_page, count;
    bool begins, ends;    /* a part; what was there of it without its end is forgotten */
    const uint8_t *pages; /* count times { u64 version LSN, the page } */
    size_t bytes;
};
enum { QR_PAGES_PART = 16384 };
/* *ret_sum, at a part's end: of what its layer has, read from its file. A part may be imported
 * again. QR_CONFLICT: the call before this one did not come: begin the part anew; or log has come,
 * and nothing can be imported any more. */
QR_NODISCARD enum qr_status qr_pagesvc_import(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                              const struct qr_pages_import *import,
                                              uint32_t *ret_sum, struct qr_err *err);
/* Continues from `sum` (0 to start) with one page. Its trailer does not count. */
uint32_t qr_pages_import_sum(uint32_t sum, uint32_t page_no, struct qr_lsn version,
                             const uint8_t *page, uint32_t page_bytes);

/* --- log in --- */

/* What a slice wants next. */
struct qr_slice_cursor {
    struct qr_slice_id id;
    struct qr_timeline source; /* whose log: its own, or an ancestor's */
    struct qr_lsn next;        /* first byte not ingested */
    struct qr_lsn visible, disk;
    uint64_t frozen_bytes; /* of memory layers that wait to be written; of what is in files 1/16 */
    bool is_broken;        /* only attaching it anew helps */
};
/* Returns how many there are (may exceed max). */
size_t qr_pagesvc_list(struct qr_pagesvc *svc, struct qr_slice_cursor *dst, size_t count_max);
bool qr_pagesvc_cursor(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                       struct qr_slice_cursor *ret_cursor);

/* Hardened log of `source` from `first` on, any cut. Bytes already ingested are skipped. A jump is
 * accepted only into a higher epoch; QR_INVALID otherwise. QR_CORRUPT: the log breaks its form;
 * nothing behind the damage is applied. */
QR_NODISCARD enum qr_status qr_pagesvc_ingest(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                              const struct qr_timeline *source, uint64_t epoch,
                                              struct qr_lsn first, const uint8_t *bytes,
                                              size_t count, struct qr_err *err);

/* --- pages out --- */

struct qr_page_get {
    struct qr_slice_id id;            /* set by the caller, like what follows */
    uint32_t page_no;                 /* 0: the meta page, in slice 0 */
    struct qr_lsn not_modified_since; /* waits until this much is ingested */
    struct qr_lsn lsn;                /* the newest version at or before it */
    struct qr_lsn have;               /* 0, or a version that the asker has */
    int64_t deadline_mono_ns;         /* 0: none */
    struct qr_buf *dst;               /* the page is appended */
    /* Called once, on the caller's thread or on the one that ingests; `get` is the caller's again.
     * QR_OK with dst unchanged and version = have: not modified. */
    void (*done)(struct qr_page_get *get, enum qr_status status, const struct qr_err *err);
    struct qr_lsn version;           /* set before done(QR_OK) */
    struct qr_page_get *prev, *next; /* the service's from here */
    uint32_t mend_count;
    uint64_t mend_no; /* it met damage, and waits for that; 0: not so */
};
void qr_pagesvc_get(struct qr_pagesvc *svc, struct qr_page_get *get);
/* Ends waiting gets whose deadline is over (QR_TIMEOUT). With threads this happens by itself. */
void qr_pagesvc_tick(struct qr_pagesvc *svc);

/* --- work in the background --- */

/* One piece of it: flush, merge, image, collect or delete; *ret_more is false when there is nothing
 * to do now. A failure leaves everything as it was and is tried again. */
QR_NODISCARD enum qr_status qr_pagesvc_work(struct qr_pagesvc *svc, bool *ret_more,
                                            struct qr_err *err);
/* Freezes and flushes everything that is visible now. */
QR_NODISCARD enum qr_status qr_pagesvc_flush(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                             struct qr_err *err);

enum { QR_PAGESVC_LEVELS = 4 }; /* of merges that are counted apart */

struct qr_pagesvc_stats {
    uint64_t slices, layers, layer_bytes, memory_bytes, waiting_gets, page_gets;
    uint64_t ingested_bytes, flushed_bytes, merged_bytes, image_bytes; /* written in all */
    uint64_t level_bytes[QR_PAGESVC_LEVELS]; /* of merged_bytes; the last: of all behind it, too */
};
void qr_pagesvc_get_stats(struct qr_pagesvc *svc, struct qr_pagesvc_stats *ret_stats);
