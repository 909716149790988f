/* log_reader_int.h - the files' log, block by block (log_reader.c). Not thread-safe. */
#pragma once
#include "store_int.h"

struct qri_reader {
    struct qr_store *store;
    struct qri_segment *segment;
    uint64_t offset;     /* of the next block */
    uint64_t lsn;        /* first LSN of the next block */
    uint64_t epoch;      /* of the block before; 0: none was read */
    uint64_t until;      /* stop behind this LSN */
    uint64_t synced_lsn; /* the last block knew that everything before was synced */
    uint8_t *block;      /* as stored */
    uint8_t *payload;    /* its log, decrypted */
    struct qr_buf carry; /* the start of a record whose rest is in the next block */
    uint64_t carry_lsn;  /* where that record starts */
};
QR_NODISCARD enum qr_status qri_reader_init(struct qri_reader *r, struct qr_store *store,
                                            struct qri_segment *segment, uint64_t offset,
                                            uint64_t lsn, struct qr_err *err);
void qri_reader_done(struct qri_reader *r);
/* The block at a place of the segment; QR_CORRUPT if none is there. */
QR_NODISCARD enum qr_status qri_reader_load(struct qri_reader *r, uint64_t offset,
                                            struct qr_block_header *ret_header, struct qr_err *err);
/* The block that was loaded; *ret_last_commit, which may be NULL, is the commit that it names. */
bool qri_reader_begins_epoch(const struct qri_reader *r, const struct qr_block_header *header,
                             uint64_t *ret_last_commit);
bool qri_reader_next_segment(struct qri_reader *r); /* false: there is none */
/* QR_OK with *ret_end at the end of the log; other failures are those of reading. */
QR_NODISCARD enum qr_status qri_reader_next_block(struct qri_reader *r,
                                                  struct qr_block_header *ret_header, bool *ret_end,
                                                  struct qr_err *err);
