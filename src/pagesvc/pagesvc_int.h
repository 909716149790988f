/* pagesvc_int.h - what the parts of the page server share. README.md has words and invariants. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include "base/buf.h"
#include "crypt/keyring.h"
#include "env/env.h"
#include "page/record.h"
#include "pagesvc/pagesvc.h"

enum {
    QRI_ENTRY_HEADER_BYTES = 16, /* u32 page_no, u32 record bytes, u64 LSN */
    QRI_BLOCK_BYTES = 32 << 10,  /* a layer file's blocks close beyond this */
    QRI_LAYER_PATH_BYTES_MAX = 3200,
    QRI_PARTITION_PAGES = 16384, /* what one image layer covers */
    QRI_COUNTERS_MAX = 1 << 20,
};

/* --- meta.c: the database beside its pages --- */

/* One commit mark. */
struct qri_mark {
    uint64_t lsn, wall_ns, commit_no;
    uint32_t db_pages;
};
/* A counter set (dropped: drop is true), or a new epoch (id 0). */
struct qri_change {
    uint64_t lsn, id;
    int64_t next;
    bool drop;
};
struct qri_counter {
    uint64_t id;
    int64_t next;
};
/* Marks and changes folded up to an LSN. */
struct qri_meta {
    struct qri_mark mark; /* the last one */
    uint64_t epoch;
    struct qri_counter *counters; /* sorted by id */
    size_t count, capacity;
};
void qri_meta_done(struct qri_meta *meta);
QR_NODISCARD enum qr_status qri_meta_copy(const struct qri_meta *meta, struct qri_meta *ret_copy,
                                          struct qr_err *err);
QR_NODISCARD enum qr_status qri_meta_apply(struct qri_meta *meta, const struct qri_change *change,
                                           struct qr_err *err);
void qri_meta_encode(const struct qri_meta *meta, struct qr_buf *buf);
/* Hostile input. `ret_meta` must be zeroed or hold another, which is freed. */
QR_NODISCARD enum qr_status qri_meta_decode(const uint8_t *bytes, size_t count,
                                            struct qri_meta *ret_meta, struct qr_err *err);
void qri_mark_encode(const struct qri_mark *mark, struct qr_buf *buf);
void qri_change_encode(const struct qri_change *change, struct qr_buf *buf);
enum { QRI_MARK_BYTES = 28, QRI_CHANGE_BYTES = 25 };
void qri_mark_decode(const uint8_t bytes[QRI_MARK_BYTES], struct qri_mark *ret_mark);
void qri_change_decode(const uint8_t bytes[QRI_CHANGE_BYTES], struct qri_change *ret_change);
/* Folds what is encoded behind `meta`, up to `lsn`. */
QR_NODISCARD enum qr_status qri_meta_fold(struct qri_meta *meta, const struct qr_buf *marks,
                                          const struct qr_buf *changes, uint64_t lsn,
                                          struct qr_err *err);

/* --- walk.c: entries of one page, collected newest source first --- */

struct qri_found {
    uint64_t lsn;
    const uint8_t *record; /* in a memory layer or in the walk's scratch */
    size_t scratch_at;     /* SIZE_MAX: not in scratch */
    uint32_t bytes;
};
struct qri_walk {
    uint32_t page_no;
    uint64_t lsn;      /* entries at or before it */
    uint64_t base_lsn; /* sources that end at or before it add nothing; 0: no base yet */
    bool base_found;   /* an image, or the proof that there was no page at base_lsn */
    struct qri_found *found;
    size_t count, capacity;
    struct qr_buf scratch;
};
void qri_walk_init(struct qri_walk *walk, uint32_t page_no, uint64_t lsn);
void qri_walk_done(struct qri_walk *walk);
/* `copy`: the record's memory will not stay. */
QR_NODISCARD enum qr_status qri_walk_add(struct qri_walk *walk, uint64_t lsn, const uint8_t *record,
                                         uint32_t bytes, bool copy, struct qr_err *err);
/* Applies what was found; QR_NOT_FOUND if there is no such page at the LSN. */
QR_NODISCARD enum qr_status qri_walk_apply(struct qri_walk *walk, uint8_t *page,
                                           uint32_t page_bytes, uint64_t *ret_lsn,
                                           struct qr_err *err);

/* --- group_file.c: records of an open group that is too large for memory --- */

/* Filled by one thread, then read by any. Its file has no name and is encrypted, when the layers
 * are, under a key that is here only: what a crash takes comes again from the log. */
struct qri_group_file;
#define QRI_GROUP_FILE_PREFIX "group." /* of the name that a kill can leave behind */
QR_NODISCARD enum qr_status qri_group_file_new(struct qr_env *env, const char *dir, bool encrypted,
                                               struct qri_group_file **ret_file,
                                               struct qr_err *err);
void qri_group_file_free(struct qri_group_file *spill); /* NULL is accepted */
uint64_t qri_group_file_bytes(const struct qri_group_file *spill);
/* Does no I/O. */
QR_NODISCARD enum qr_status qri_group_file_add(struct qri_group_file *spill, const uint8_t *record,
                                               uint32_t bytes, uint64_t *ret_offset,
                                               struct qr_err *err);
/* Once there are that many bytes of it in memory they go to the file. Nothing is lost when that
 * fails: it can be tried again. */
QR_NODISCARD enum qr_status qri_group_file_drain(struct qri_group_file *spill,
                                                 size_t tail_bytes_max, struct qr_err *err);
/* What was added at `offset`, in `scratch` until that is used again. */
QR_NODISCARD enum qr_status qri_group_file_read(const struct qri_group_file *spill, uint64_t offset,
                                                uint32_t bytes, struct qr_buf *scratch,
                                                const uint8_t **ret_record, struct qr_err *err);

/* --- mem.c: memory layers --- */

struct qri_mem_entry {
    struct qri_mem_entry *older; /* of the same page */
    uint64_t lsn;
    uint32_t page_no, bytes : 31, is_spilled : 1;
    uint8_t record[]; /* or, of one that is spilled, its u64 offset there */
};
struct qri_mem_chunk;
struct qri_mem_cell {
    uint32_t page_no; /* 0: free */
    struct qri_mem_entry *newest;
};
/* Shared by slices of a parent and its branches once frozen. */
struct qri_mem {
    _Atomic int refs;
    struct qr_timeline timeline;
    uint64_t first_lsn, last_lsn; /* (first, last]; last is 0 while nothing is in */
    int64_t opened_mono_ns;
    pthread_rwlock_t lock; /* chains and marks, while open */
    struct qri_mem_cell *cells;
    uint32_t cell_count, page_count; /* cell_count is a power of 2 */
    struct qri_mem_chunk *chunks;
    _Atomic uint64_t bytes; /* who counts memory reads it while its slice's feed adds */
    _Atomic uint64_t spilled_bytes;
    struct qri_group_file *spill; /* of its last group, which was too large; NULL: none */
    uint64_t entry_count;
    struct qri_meta meta;         /* at first_lsn */
    struct qr_buf marks, changes; /* encoded, in LSN order */
};
QR_NODISCARD enum qr_status qri_mem_new(const struct qr_timeline *timeline, uint64_t first_lsn,
                                        const struct qri_meta *meta, struct qri_mem **ret_mem,
                                        struct qr_err *err);
struct qri_mem *qri_mem_ref(struct qri_mem *mem);
void qri_mem_unref(struct qri_mem *mem); /* NULL is accepted */
/* Room for a record that is filled in now and linked later, or never. */
QR_NODISCARD enum qr_status qri_mem_stage(struct qri_mem *mem, const uint8_t *record,
                                          uint32_t bytes, uint32_t page_no,
                                          struct qri_mem_entry **ret_entry, struct qr_err *err);
/* The same of one that was spilled. */
QR_NODISCARD enum qr_status qri_mem_stage_spilled(struct qri_mem *mem, uint64_t offset,
                                                  uint32_t bytes, uint32_t page_no,
                                                  struct qri_mem_entry **ret_entry,
                                                  struct qr_err *err);
/* The same of one that was staged in another memory layer. */
QR_NODISCARD enum qr_status qri_mem_stage_again(struct qri_mem *mem,
                                                const struct qri_mem_entry *entry,
                                                struct qri_mem_entry **ret_entry,
                                                struct qr_err *err);
/* What was staged as spilled is in there. Its commit is the layer's last. */
void qri_mem_take_spill(struct qri_mem *mem, struct qri_group_file *own_file);
/* An entry's record, in the layer or, until that is used again, in `scratch`. */
QR_NODISCARD enum qr_status qri_mem_record(const struct qri_mem *mem,
                                           const struct qri_mem_entry *entry,
                                           struct qr_buf *scratch, const uint8_t **ret_record,
                                           struct qr_err *err);
/* Makes staged entries readable at mark->lsn (G1). Cannot leave half of it. */
QR_NODISCARD enum qr_status qri_mem_commit(struct qri_mem *mem, struct qri_mem_entry **entries,
                                           size_t count, const struct qri_mark *mark,
                                           struct qr_err *err);
QR_NODISCARD enum qr_status qri_mem_change(struct qri_mem *mem, const struct qri_change *change,
                                           struct qr_err *err);
QR_NODISCARD enum qr_status qri_mem_walk(struct qri_mem *mem, struct qri_walk *walk,
                                         uint64_t lsn_max, struct qr_err *err);
/* Every entry with LSN <= lsn_max, by (page, LSN). `entries` is the caller's to free. */
QR_NODISCARD enum qr_status qri_mem_sorted(struct qri_mem *mem, struct qri_mem_entry ***ret_entries,
                                           size_t *ret_count, struct qr_err *err);

/* --- layer_file.c: layers as files --- */

enum qri_layer_kind { QRI_LAYER_DELTA = 1, QRI_LAYER_IMAGE = 2 };

/* What a manifest tells of a layer. */
struct qri_layer_desc {
    struct qr_timeline origin; /* whose object it is */
    uint32_t slice_no;
    uint64_t id; /* generation << 32 | number */
    enum qri_layer_kind kind;
    uint64_t first_lsn, last_lsn;
    uint32_t first_page, last_page;
    uint64_t bytes, entry_count;
    uint64_t raw_bytes; /* what the file would have without compression; 0: not known */
    uint64_t lsn_max;   /* foreign: nothing newer is read (G7); else UINT64_MAX */
};

/* Where a layer is written: an object of a store whose objects are files, or a file of our own that
 * becomes an object then. */
struct qri_layer_place {
    struct qr_env *env;
    struct qr_blob *blob; /* NULL: a file */
    bool read_soon;
    char name[QRI_LAYER_PATH_BYTES_MAX];
};

struct qri_layer_writer;
QR_NODISCARD enum qr_status qri_layer_writer_new(const struct qri_layer_place *place,
                                                 const struct qri_layer_desc *desc,
                                                 uint32_t page_bytes, uint8_t compression,
                                                 const struct qr_cipher_key *key, /* NULL: clear */
                                                 struct qri_layer_writer **ret_writer,
                                                 struct qr_err *err);
/* In (page, LSN) order. */
QR_NODISCARD enum qr_status qri_layer_writer_add(struct qri_layer_writer *writer, uint32_t page_no,
                                                 uint64_t lsn, const uint8_t *record,
                                                 uint32_t bytes, struct qr_err *err);
/* Writes index, filter, meta, marks and footer, syncs, and fills in ret_desc's pages, bytes and
 * count. Frees the writer, also on failure; nothing is left of the layer then, unless it is an
 * object whose store does not tell. */
QR_NODISCARD enum qr_status
qri_layer_writer_end(struct qri_layer_writer *own_writer, const struct qri_meta *meta,
                     const struct qr_buf *marks, const struct qr_buf *changes,
                     struct qri_layer_desc *ret_desc, struct qr_err *err);
void qri_layer_writer_abandon(struct qri_layer_writer *own_writer); /* NULL is accepted */

struct qri_layer_block {
    uint32_t page_no, bytes;
    uint64_t lsn, offset;
};
struct qri_layer_section {
    uint64_t offset;
    uint32_t bytes, crc;
};
enum qri_layer_section_no {
    QRI_SECTION_INDEX,
    QRI_SECTION_FILTER,
    QRI_SECTION_META,
    QRI_SECTION_MARKS,
    QRI_SECTION_CHANGES,
    QRI_SECTION_COUNT,
};
struct qri_layer_footer {
    struct qri_layer_section sections[QRI_SECTION_COUNT];
    uint64_t entry_count;
};
enum qri_layer_end { QRI_END_LAST, QRI_END_COPY, QRI_END_COUNT }; /* two of the same */
struct qri_layer {
    _Atomic int refs;
    struct qri_layer_desc desc;
    struct qr_file *file;
    uint64_t start;       /* of the layer in its file */
    _Atomic bool damaged; /* a checksum was wrong: not merged, not believed to replace another */
    _Atomic bool told;    /* of that */
    _Atomic int64_t mend_after_ns; /* it could not be mended: not tried again until then */
    bool lost;                     /* it could not be opened: whatever needs it is QR_CORRUPT */
    uint32_t page_bytes;
    uint8_t compression;
    struct qr_cipher_key key;       /* off: in clear */
    struct qri_layer_block *blocks; /* by (page, LSN) of the first entry */
    size_t block_count;
    uint8_t *filter;
    uint32_t filter_bits;
    struct qri_layer_footer footers[QRI_END_COUNT];
    bool has_footer[QRI_END_COUNT];
    _Atomic bool is_hurt; /* one of two headers, footers or sections is damaged; the other serves */
    uint64_t serial;      /* of this opening of it, in this process */
};
/* Reads and verifies header, footer, index and filter against `desc`, or their copies. Hostile
 * input. */
QR_NODISCARD enum qr_status qri_layer_open(struct qr_env *env, struct qr_keyring *ring,
                                           const char *path, const struct qri_layer_desc *desc,
                                           struct qri_layer **ret_layer, struct qr_err *err);
/* The same of an open file in which the layer begins at `start`. */
QR_NODISCARD enum qr_status qri_layer_open_file(struct qr_file *own_file, uint64_t start,
                                                struct qr_keyring *ring,
                                                const struct qri_layer_desc *desc,
                                                struct qri_layer **ret_layer, struct qr_err *err);
/* In the place of one that cannot be opened, so that what does not need it can be read. */
QR_NODISCARD enum qr_status qri_layer_lost(const struct qri_layer_desc *desc,
                                           struct qri_layer **ret_layer, struct qr_err *err);
struct qri_layer *qri_layer_ref(struct qri_layer *layer);
void qri_layer_unref(struct qri_layer *layer); /* NULL is accepted */
QR_NODISCARD enum qr_status qri_layer_walk(struct qri_layer *layer, struct qri_walk *walk,
                                           uint64_t lsn_max, struct qr_err *err);
/* Meta at the layer's first LSN, marks and changes, into empty results. */
QR_NODISCARD enum qr_status qri_layer_meta(struct qri_layer *layer, struct qri_meta *ret_meta,
                                           struct qr_buf *marks, struct qr_buf *changes,
                                           struct qr_err *err);
/* All entries in order. */
struct qri_layer_scan {
    struct qri_layer *layer;
    size_t block_index;
    uint64_t ahead; /* the file is being brought up to here */
    struct qr_buf block;
    size_t at;
    uint32_t page_no, bytes;
    uint64_t lsn;
    const uint8_t *record; /* until the next call */
};
void qri_layer_scan_init(struct qri_layer_scan *scan, struct qri_layer *layer);
void qri_layer_scan_done(struct qri_layer_scan *scan);
/* false in *ret_more at the end. */
QR_NODISCARD enum qr_status qri_layer_scan_next(struct qri_layer_scan *scan, bool *ret_more,
                                                struct qr_err *err);
