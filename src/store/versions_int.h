/* versions_int.h - the part of store_int.h about versions of pages that are not the newest, or not
 * in memory. */
#pragma once
#include "store_int.h"

/* store/tmp.h */
struct qr_tmp_file {
    struct qr_store *store;
    struct qr_file *file;   /* NULL until the first write */
    _Atomic uint64_t bytes; /* who reads may not be who writes */
    uint64_t counted_bytes;
    struct qr_cipher_key cipher; /* off: in clear */
    uint8_t *buffer;             /* for units on their way to an encrypted file */
    bool is_charged, keeps_tables;
    uint64_t uncharged_bytes[2]; /* if it is: since the last charge */
    struct qr_tmp_file *next;
};

/* gc.c: snapshots and the versions they keep */
void qri_slot_add(struct qr_store *store, struct qri_slot *slot);
void qri_slot_remove(struct qr_store *store, struct qri_slot *slot);
/* Pins the durable LSN, or at_least if later; returns it. */
uint64_t qri_slot_pin(struct qr_store *store, struct qri_slot *slot, uint64_t at_least);
/* What the oldest snapshot reads, of those that are open and those that may begin. */
uint64_t qri_slot_oldest(struct qr_store *store);
void qri_retire(struct qr_store *store, struct qri_frame *list, size_t count);
/* Frees versions that nobody needs; a bounded piece of work, true if there is more. `waits`: it may
 * wait for locks. */
bool qri_collect(struct qr_store *store, bool waits);
/* spill.c. Moves needed versions from memory to the version file while the cache is over its limit.
 */
void qri_spill(struct qr_store *store);
void qri_spill_free(struct qr_store *store, struct qri_frame *stub); /* with gc_mu held */
/* Writes a page into the version file; with gc_mu held. */
QR_NODISCARD enum qr_status qri_spill_add(struct qr_store *store, const uint8_t *page,
                                          uint64_t *ret_slot, struct qr_err *err);
void qri_spill_done(struct qr_store *store);
/* give_up.c. Brings the versions below their bound by giving up the oldest snapshots. */
void qri_versions_bound(struct qr_store *store);
/* What the snapshot reads may be gone. Looked at after a read, since it is said before the first
 * version goes. */
bool qri_snapshot_is_gone(struct qr_store *store, uint64_t lsn);
enum qr_status qri_fail_gone(struct qr_err *err);
/* Its versions stay: it is no transaction's, or was not given up. */
bool qri_slot_counts(struct qr_store *store, const struct qri_slot *slot, uint64_t lsn);
void qri_collect_all(struct qr_store *store); /* looks at every version that is held again */

/* tmp.c: closes what was freed and is large. */
void qri_tmp_bury(struct qr_store *store);

/* stub.c. `pages` NULL: a base. */
struct qri_frame *qri_stub_new(uint32_t page_no, struct qri_pages *pages, uint64_t slot);
void qri_stub_free(struct qri_frame *stub);
void qri_pages_unref(struct qri_pages *pages); /* NULL is accepted */
/* With the page's stripe held, for a snapshot at `lsn`. */
QR_NODISCARD enum qr_status qri_stub_read(struct qr_store *store, const struct qri_frame *stub,
                                          uint64_t lsn, uint8_t *dst, uint64_t *ret_lsn,
                                          struct qr_err *err);
/* Makes a frame of a stub that was its page's newest version with the stripe held, as it is. If a
 * transaction supersedes it, perhaps just now, it stays: *ret_frame is NULL with QR_OK. */
QR_NODISCARD enum qr_status qri_stub_load(struct qr_store *store,
                                          _Atomic(struct qri_frame *) *entry,
                                          struct qri_frame *stub, bool must,
                                          struct qri_frame **ret_frame, struct qr_err *err);
/* With the stripe held: a version of the page is only where the backend has it. */
bool qri_base_is_there(struct qr_store *store, uint32_t page_no);
/* Moves it to the version file. `scratch` is one page. */
QR_NODISCARD enum qr_status qri_base_keep(struct qr_store *store, uint32_t page_no,
                                          uint8_t *scratch, struct qr_err *err);
/* Takes out of the table what can be read again. */
void qri_stubs_sweep(struct qr_store *store);
void qri_stubs_done(struct qr_store *store);
