/* txn_int.h - a transaction's private pages, which may lie in a temporary file, and its commit.
 *
 * A transaction is *large* when some of its pages are in its file. Then its log group is written to
 * a temporary file, too, and its versions are linked as stubs (stub.c): neither needs memory for
 * all pages at once. */
#pragma once
#include "store/limit.h"
#include "store_int.h"

enum { QRI_DB_PAGES_OFFSET = 28 }; /* in page 1, big-endian */

struct qri_entry {
    uint32_t page_no, slot;  /* of the transaction's file, from 1 on; 0: it never was there */
    struct qri_frame *frame; /* private; NULL: in the file */
    /* From prepare to publish: what is linked, and what it replaces (pinned, or a stub that stays);
     * NULL if nothing changed, or if the page is new. */
    struct qri_frame *link, *old;
};

struct qr_txn {
    struct qr_store *store;
    struct qri_slot slot;
    uint64_t snapshot;        /* 0: not pinned */
    struct qri_frame *page_1; /* pinned with the snapshot; NULL: empty database */
    uint32_t snapshot_db_pages, db_pages;
    enum qr_store_limit over; /* the last QR_FULL was that */
    bool over_limit, over_log;
    bool prepared;
    uint64_t hits; /* pages found in memory in this read transaction */

    struct qri_entry *entries;
    size_t count, capacity;
    size_t in_memory, hand;  /* entries with a frame; the next to look at for one to write out */
    uint32_t *index;         /* of entries by page number: index + 1, 0 free */
    size_t index_count;      /* a power of 2 */
    struct qri_pages *pages; /* its file; NULL: none */
    uint32_t slot_count;

    struct qr_buf group;              /* records, from prepare on: the last ones */
    struct qr_tmp_file *group_file;   /* of a large one: those before; NULL: none */
    struct qri_log_chunk *chunk;      /* carries group to the log */
    struct qri_log_chunk *file_chunk; /* carries group_file */
    uint8_t *scratch;                 /* two pages, while a large one is prepared */
    int64_t log_cost;
    uint32_t new_db_pages, new_pages_max, page_count;
};

/* txn.c: what the transaction has just published is its snapshot. */
void qri_txn_pin_new(struct qr_txn *txn, uint64_t lsn);

/* txn_private.c */
struct qri_entry *qri_txn_find(const struct qr_txn *txn, uint32_t page_no);
QR_NODISCARD enum qr_status qri_txn_add(struct qr_txn *txn, uint32_t page_no,
                                        struct qri_entry **ret_entry, struct qr_err *err);
QR_NODISCARD enum qr_status qri_txn_read_private(struct qr_txn *txn, const struct qri_entry *e,
                                                 uint32_t offset, void *dst, uint32_t bytes,
                                                 struct qr_err *err);
/* QR_FULL if the database must not have so many pages. */
QR_NODISCARD enum qr_status qri_txn_check_size(struct qr_txn *txn, uint32_t pages,
                                               struct qr_err *err);
/* To one of its files. No space for that, for whatever reason, is QR_FULL and over_limit: the
 * transaction is too large, which is not what who fills tempdb is told (40551). */
QR_NODISCARD enum qr_status qri_txn_write_file(struct qr_txn *txn, struct qr_tmp_file *file,
                                               const void *src, size_t bytes, uint64_t offset,
                                               struct qr_err *err);
void qri_txn_clear(struct qr_txn *txn); /* the frames are somebody else's by now */

/* txn_commit.c: takes prepare back, whole or half done. */
void qri_txn_unprepare(struct qr_txn *txn);
