/* rbpex_int.h - the parts of rbpex.h. */
#pragma once
#include <pthread.h>
#include "base/crc.h"
#include "crypt/page.h"
#include "crypt/server_key.h"
#include "base/buf.h"
#include "page/record.h"
#include "rbpex.h"

enum {
    QRI_RB_BATCH = 32,  /* pages written between two looks at the table */
    QRI_RB_REF_MAX = 3, /* times that the clock's hand lets a slot be */
    QRI_RB_RECORD_BYTES = 24,
    QRI_RB_BLOCK_HEADER_BYTES = 40,
    QRI_RB_PENDING_MAX = 1 << 20,      /* records that wait; with more the table is written anew */
    QRI_RB_PENDING_MANY = 64 << 10,    /* worth a block without pages */
    QRI_RB_BLOCK_MAX = 2 << 20,        /* payload of one block */
    QRI_RB_NEW_BYTES_PER_MS = 4 << 10, /* of new pages: 4 MB/s, */
    QRI_RB_NEW_BYTES_MAX = 128 << 20,  /* and this much at once */
    QRI_RB_CHUNK_SLOTS = 2048,         /* of a rewrite, between which others get at the table */
};

enum qri_rb_state { QRI_RB_FREE, QRI_RB_QUEUED, QRI_RB_READY };
enum qri_rb_flag {
    QRI_RB_SUSPECT = 1, /* from before the reopen */
    QRI_RB_LAZY = 2,    /* suspect for good; stands so in the table on disk */
};

struct qri_rb_slot {
    uint64_t lsn;
    uint32_t page_no;
    uint32_t crc;  /* of the page's seal on disk, begun with the timeline; QUEUED: the item */
    uint32_t next; /* slot + 1 in the hash chain, or in the list of free ones; 0: the end */
    uint8_t state, ref, flags;
};

/* A page that waits to be written. It counts only if its slot still says so. */
struct qri_rb_item {
    uint64_t lsn;
    uint32_t slot, page_no;
    uint8_t *page;
};

struct qri_rb_journal {
    struct qr_file *file; /* NULL: nothing may be added, the table must be rewritten */
    uint64_t generation, seq, offset;
    uint64_t records;          /* in it */
    uint64_t snapshot_records; /* of those, by the rewrite that began it */
    int64_t retry_at_ns;       /* after a failed rewrite */
};

enum qri_rb_trust {
    QRI_RB_UNKNOWN,   /* whoever reads the log has not finished */
    QRI_RB_CONFIRMED, /* SUSPECT means nothing any more */
    QRI_RB_IN_DOUBT,  /* SUSPECT means LAZY */
};

struct qri_rbpex {
    struct qr_env *env;
    char *dir;
    struct qr_timeline timeline;
    struct qr_data_key data_key; /* id 0: in clear */
    struct qr_cipher_key cipher;
    uint8_t
        *sealed; /* room for a batch of encrypted pages: readers copy from the queue meanwhile */
    uint32_t page_bytes, slot_count, hash_mask;
    uint32_t key_crc; /* where checksums begin: with the timeline */
    uint64_t data_id, recovered_lsn;
    struct qr_file *data_file;

    pthread_mutex_t step_mu; /* outside mu; guards the journal */
    struct qri_rb_journal journal;
    struct qr_buf writing; /* the block being written; guarded by step_mu */

    pthread_mutex_t mu; /* a leaf; guards what follows */
    pthread_cond_t wake;
    bool stopping, rewrite_wanted;
    enum qri_rb_trust trust;
    struct qri_rb_slot *slots;
    uint32_t *heads;  /* by hash: slot + 1 */
    uint32_t *ghosts; /* by hash: a page that was offered once and not taken */
    uint32_t free_first, used_count, hand;
    struct qri_rb_item *items; /* a ring */
    uint8_t *item_pages;
    uint32_t item_count, item_first, item_len;
    int64_t new_bytes_max, new_ns,
        new_bytes;         /* when new pages were last counted; how much may come now */
    struct qr_buf pending; /* a block header's place, then records */
    uint64_t mark_lsn;
    struct qri_rbpex_stats stats;
};

/* The file of slots: one page's room for a header, then the slots, each a sealed page
 * (page/trailer.h). Header, little-endian: 0 u32 magic "QRRX", 4 u8 version, 5 u8 checksum
 * algorithm, 6 u16 0, 8 u32 key id (0: in clear), 12 u32 page bytes, 16 16 bytes of timeline, 32
 * u64 id of the file, 40 u32 crc of all before it. */
#define QRI_RB_MAGIC UINT32_C(0x58525251)
enum { QRI_RB_HEADER_BYTES = 44, QRI_RB_HEADER_CRC_OFFSET = 40 };

/* The seal has the page's checksum, number and version in it, this one the seal and the timeline.
 */
static inline uint32_t qri_rb_seal_crc(const struct qri_rbpex *rb, const uint8_t *page)
{
    return qr_crc32c(rb->key_crc, page + rb->page_bytes - QR_PAGE_RESERVED_BYTES,
                     QR_PAGE_RESERVED_BYTES);
}

static inline uint64_t qri_rb_slot_offset(const struct qri_rbpex *rb, uint32_t slot_no)
{
    return ((uint64_t)slot_no + 1) * rb->page_bytes;
}

/* rbpex_table.c; all with mu held */
QR_NODISCARD enum qr_status qri_rb_table_init(struct qri_rbpex *rb, uint32_t slot_count,
                                              struct qr_err *err);
void qri_rb_table_done(struct qri_rbpex *rb);
/* With step_mu held too. Slots behind the new end are forgotten. On failure nothing has changed. */
QR_NODISCARD enum qr_status qri_rb_table_resize(struct qri_rbpex *rb, uint32_t slot_count,
                                                struct qr_err *err);
struct qri_rb_slot *qri_rb_find(struct qri_rbpex *rb, uint32_t page_no); /* NULL: none */
/* Links a slot that is free or, at recovery, any: what it held and what held the page go. */
void qri_rb_put(struct qri_rbpex *rb, uint32_t slot_no, const struct qri_rb_slot *slot);
/* Unlinks; the journal hears of it if the page is on disk. */
void qri_rb_forget(struct qri_rbpex *rb, struct qri_rb_slot *slot);
/* A free slot, perhaps one that the clock has emptied; false: the page is not to be taken. */
bool qri_rb_take_slot(struct qri_rbpex *rb, uint32_t page_no, enum qri_rbpex_offer kind,
                      uint32_t *ret_slot);
void qri_rb_build_free_list(struct qri_rbpex *rb);
bool qri_rb_is_suspect(const struct qri_rbpex *rb, const struct qri_rb_slot *slot);

/* rbpex_journal.c */
/* With mu held. */
void qri_rb_note_put(struct qri_rbpex *rb, const struct qri_rb_slot *slot);
void qri_rb_note_drop(struct qri_rbpex *rb, const struct qri_rb_slot *slot);
void qri_rb_note_mark(struct qri_rbpex *rb);
/* Before others see rb: the table as far as the file has it whole. What is no table of this file
 * of slots gives an empty one. */
QR_NODISCARD enum qr_status qri_rb_journal_read(struct qri_rbpex *rb, uint64_t trust_lsn,
                                                struct qr_err *err);
/* With step_mu held: a new file with all of the table; later records follow in it. */
QR_NODISCARD enum qr_status qri_rb_journal_rewrite(struct qri_rbpex *rb, struct qr_err *err);
/* With step_mu held: writes pending records, or rewrites; failures are counted and tried again. */
void qri_rb_journal_flush(struct qri_rbpex *rb);
void qri_rb_path(const struct qri_rbpex *rb, char *dst, size_t bytes, const char *name);
