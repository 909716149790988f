/* backup_int.h - what the parts of the component share. README.md has words and invariants. */
#pragma once
#include "backup/backup.h"
#include "base/buf.h"
#include "crypt/keyring.h"
#include "logsvc/piece.h"
#include "page/record.h"

enum {
    QRI_PART_HEADER_BYTES = 128,
    QRI_PART_RAW_BYTES = 8 << 20,      /* a part closes beyond this */
    QRI_PART_RAW_BYTES_MAX = 16 << 20, /* ... and is never larger */
    QRI_PART_STORED_BYTES_MAX = 17 << 20,
    QRI_MANIFEST_HEADER_BYTES = 64,
    QRI_ROW_BYTES = 128,
    QRI_ROWS_MAX = 1 << 17,
    QRI_OBJECT_NAME_BYTES = QR_BACKUP_PREFIX_BYTES_MAX + 64,
    QRI_PAGE_ITEM_BYTES = 12, /* before each page */
};

/* --- part.c: one object of a backup as bytes --- */

enum qri_content { QRI_CONTENT_PAGES = 1, QRI_CONTENT_COUNTERS = 2, QRI_CONTENT_LOG = 3 };

struct qri_part {
    enum qri_content content;
    struct qr_timeline timeline;
    uint64_t set_id;
    uint32_t chain, seq, part_no; /* whose it is */
    uint32_t page_bytes;
    uint32_t raw_bytes, stored_bytes;
    uint32_t key_id; /* 0: in clear */
    uint8_t salt[QR_SALT_BYTES];
};
/* Compresses `raw`, encrypts it unless `ring` is NULL, and fills in lengths, key id and salt. */
QR_NODISCARD enum qr_status qri_part_encode(struct qri_part *part, const struct qr_buf *raw,
                                            struct qr_keyring *ring, struct qr_env *env,
                                            struct qr_buf *dst, struct qr_err *err);
/* Verifies, decrypts and decompresses. Hostile input; memory is bounded by QRI_PART_RAW_BYTES_MAX.
 */
QR_NODISCARD enum qr_status qri_part_decode(const uint8_t *bytes, size_t count,
                                            struct qr_keyring *ring, struct qri_part *ret_part,
                                            struct qr_buf *raw, struct qr_err *err);

/* A page in a part; its reserved bytes are not stored. */
void qri_page_add(struct qr_buf *raw, uint32_t page_no, struct qr_lsn version, const uint8_t *page,
                  uint32_t page_bytes);
/* The page at *at, which moves behind it; `page` gets page_bytes. QR_CORRUPT for a broken one. */
QR_NODISCARD enum qr_status qri_page_next(const struct qr_buf *raw, size_t *at, uint32_t page_bytes,
                                          uint32_t *ret_page_no, struct qr_lsn *ret_version,
                                          uint8_t *page, struct qr_err *err);

/* --- manifest.c: the rows of a chain as bytes --- */

/* One row at least. */
void qri_chain_encode(uint32_t chain, const struct qr_backup_row *rows, size_t count,
                      struct qr_buf *dst);
/* Appends to the catalog's rows. Hostile input. */
QR_NODISCARD enum qr_status qri_chain_decode(const uint8_t *bytes, size_t count, uint32_t chain,
                                             struct qr_backup_catalog *catalog, struct qr_err *err);

/* --- catalog.c --- */

void qri_chain_name(const struct qr_backup_place *place, uint32_t chain,
                    char dst[QRI_OBJECT_NAME_BYTES]);
/* part_no SIZE_MAX: the prefix of the backup's parts; seq too: that of the chain's. */
void qri_backup_part_name(const struct qr_backup_place *place, uint32_t chain, uint64_t seq,
                          uint64_t part_no, char dst[QRI_OBJECT_NAME_BYTES]);
QR_NODISCARD enum qr_status qri_backup_delete_prefix(const struct qr_backup_place *place,
                                                     const char *prefix, struct qr_err *err);
QR_NODISCARD enum qr_status qri_backup_delete_chain(const struct qr_backup_place *place,
                                                    uint32_t chain, struct qr_err *err);
QR_NODISCARD enum qr_status qri_part_get(const struct qr_backup_place *place,
                                         const struct qr_backup_row *row, uint32_t part_no,
                                         struct qri_part *ret_part, struct qr_buf *raw,
                                         struct qr_err *err);
/* --- choose.c: which backups lead to a time --- */
struct qri_choice {
    const struct qr_backup_row *full, *diff; /* diff: NULL if none */
    const struct qr_backup_row *base;        /* of both the one whose commit the pages are of */
};
/* attempt 0: the newest; those above are older. QR_NOT_FOUND: there is none any more. */
QR_NODISCARD enum qr_status qri_choose_base(const struct qr_backup_catalog *catalog,
                                            uint64_t until_wall_ns, uint32_t attempt,
                                            struct qri_choice *ret_choice, struct qr_err *err);
/* The log backup that holds `lsn`; NULL: none. */
const struct qr_backup_row *qri_log_at(const struct qr_backup_catalog *catalog, uint64_t lsn);

/* QR_CORRUPT: a chain behind `full`'s, or all there are, cannot be read, so that what is newest is
 * not known. `full` may be NULL. */
QR_NODISCARD enum qr_status qri_check_newest(const struct qr_backup_catalog *catalog,
                                             const struct qr_backup_row *full, struct qr_err *err);
/* Those of one store, in the catalog's memory. */
struct qr_backup_catalog qri_backups_of(const struct qr_backup_catalog *catalog,
                                        const struct qr_timeline *timeline);
/* The newest full backup; NULL: none. */
const struct qr_backup_row *qri_newest_full(const struct qr_backup_catalog *catalog);
/* The log backup that reaches furthest; NULL: none. */
const struct qr_backup_row *qri_last_log(const struct qr_backup_catalog *catalog);

/* --- log_walk.c: records out of pieces --- */

struct qri_log_walk {
    struct qr_buf carry; /* the start of a record whose rest comes with the next piece */
    uint64_t carry_lsn, next_lsn;
    bool over; /* set by `each`: no more */
};
typedef enum qr_status qri_log_record_fn(void *ctx, const struct qr_record *record,
                                         uint64_t start_lsn, struct qr_err *err);
void qri_log_walk_init(struct qri_log_walk *walk, uint64_t first_lsn);
void qri_log_walk_done(struct qri_log_walk *walk);
/* Pieces that end before `first_lsn` are skipped, and what of one lies before it. */
QR_NODISCARD enum qr_status qri_log_walk_piece(struct qri_log_walk *walk,
                                               const struct qr_piece *piece,
                                               qri_log_record_fn *each, void *ctx,
                                               struct qr_err *err);
