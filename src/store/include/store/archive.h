/* store/archive.h - what backups and restores need of a filestore: pages with their versions as of
 * one commit, the counters, the log, and a way to make a store of them.
 *
 * Reading does not stop writers, and pages that are not in memory do not push out others. The store
 * must be of files (store/store.h). Log stays for who reads it if options.log_hold_bytes says so:
 * at first all that there is, after qr_archive_release what comes behind. Threads: any; each
 * archive and builder belongs to one at a time. Errors: those of store.h. */
#pragma once
#include "base/buf.h"
#include "page/timeline.h"
#include "store/store.h"

/* A commit, and what makes the database as of it beside pages and counters. */
struct qr_archive_point {
    struct qr_timeline timeline;
    uint32_t page_bytes;
    uint32_t pages; /* that exist: each of 1..pages was written */
    struct qr_lsn lsn;
    uint64_t commit_no, commit_wall_ns;
    uint64_t epoch; /* not before the commit's; of log that begins another behind it, before that */
};

struct qr_timeline qr_store_timeline(const struct qr_store *store);

struct qr_archive;
/* Pins the newest commit, waits until it is durable. */
QR_NODISCARD enum qr_status qr_archive_open(struct qr_store *store, struct qr_archive **ret_archive,
                                            struct qr_err *err);
void qr_archive_close(struct qr_archive *archive); /* NULL is accepted */
const struct qr_archive_point *qr_archive_point(const struct qr_archive *archive);
/* COUNTER records (page/record.h) of all counters as a crash after that commit would leave them. */
const struct qr_buf *qr_archive_counters(const struct qr_archive *archive);
/* A page (page_bytes of it) as of the commit; its last QR_PAGE_RESERVED_BYTES mean nothing. */
QR_NODISCARD enum qr_status qr_archive_read(struct qr_archive *archive, uint32_t page_no,
                                            uint8_t *dst, struct qr_lsn *ret_version,
                                            struct qr_err *err);

/* Appends pieces (logsvc/piece.h, without commit LSNs) of the log from `from` on up to the newest
 * durable commit, about bytes_max of it. *ret_end is where they end: `from` if there is nothing
 * more, the durable LSN when all came. QR_NOT_FOUND: log at `from` is not kept any more;
 * QR_CORRUPT: it is damaged. */
QR_NODISCARD enum qr_status qr_archive_log(struct qr_store *store, struct qr_lsn from,
                                           size_t bytes_max, struct qr_buf *pieces,
                                           struct qr_lsn *ret_end, struct qr_err *err);
/* Nobody will ask for log before `before`. */
void qr_archive_release(struct qr_store *store, struct qr_lsn before);

/* All log stays, whatever backups release, while somebody follows it; until false. Not over a
 * restart. */
void qr_archive_keep_log(struct qr_store *store, bool keep);

/* --- a database that moves elsewhere (S18) --- */

/* Nobody writes any more. What is published is hardened, and the data file says, durably, that the
 * database was moved at that LSN: from then on it does not open (QR_FENCED). This store stays as it
 * is. */
QR_NODISCARD enum qr_status qr_archive_mark_moved(struct qr_store *store, struct qr_lsn *ret_lsn,
                                                  struct qr_err *err);
/* It was not moved after all. */
QR_NODISCARD enum qr_status qr_archive_clear_moved(struct qr_store *store, struct qr_err *err);
/* The same of a store that is not open; QR_OK if it was not marked. */
QR_NODISCARD enum qr_status
qr_archive_reclaim(const char *dir, const struct qr_store_options *options, struct qr_err *err);

/* --- making a store --- */

struct qr_archive_builder;
/* Makes `dir` (its parent must exist). Nothing is a store there before finish. QR_EXISTS if one is.
 */
QR_NODISCARD enum qr_status
qr_archive_build(struct qr_env *env, const char *dir, const struct qr_archive_point *point,
                 const struct qr_server_key *server_key, /* NULL: in clear */
                 struct qr_archive_builder **ret_builder, struct qr_err *err);
/* The pages are those of this later commit: what was built and has changed since is built again. */
void qr_archive_build_point(struct qr_archive_builder *builder,
                            const struct qr_archive_point *point);
/* In any order; the last one of a page counts. The trailer in `page` is overwritten. That a page
 * could not be written may be told by a later call, by sync or finish at the latest. */
QR_NODISCARD enum qr_status qr_archive_build_page(struct qr_archive_builder *builder,
                                                  uint32_t page_no, struct qr_lsn version,
                                                  uint8_t *page, struct qr_err *err);
/* What was built is on the disk, so that finish does not take long. */
QR_NODISCARD enum qr_status qr_archive_build_sync(struct qr_archive_builder *builder,
                                                  struct qr_err *err);
/* The log behind point.lsn, in order, without a gap but for new epochs. */
struct qr_piece;
QR_NODISCARD enum qr_status qr_archive_build_log(struct qr_archive_builder *builder,
                                                 const struct qr_piece *piece, struct qr_err *err);
/* `counters`: records as of the end of the log. The store is there, durably, with a timeline of its
 * own, when this returns QR_OK; opening it applies the log. Frees the builder in any case. */
QR_NODISCARD enum qr_status qr_archive_finish(struct qr_archive_builder *own_builder,
                                              const struct qr_buf *counters, struct qr_err *err);
/* Leaves files that qr_store_create and qr_archive_build take for leftovers. NULL is accepted. */
void qr_archive_abandon(struct qr_archive_builder *own_builder);
