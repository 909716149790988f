/* logsvc/inspect.h - the journal's directory looked at from outside, for tools: no lock is taken,
 * nothing is changed, what is read may be somebody's who writes.
 *
 * Threads: each call on its own. Input is hostile. */
#pragma once
#include "logsvc/logsvc.h"

/* The file `timelines`: where reading the journal starts, and the states after a block. */
struct qr_timelines_head {
    uint8_t journal_id[QR_JOURNAL_ID_BYTES];
    uint64_t generation;
    uint64_t first_segment_no, first_block_no;
    uint64_t state_block_no;
    uint64_t count;
};
struct qr_timelines_row {
    struct qr_timeline timeline;
    bool dropped, damaged;
    struct qr_logsvc_state state;
    uint64_t journal_floor; /* log from here on is in the journal */
};
QR_NODISCARD enum qr_status
qr_timelines_decode(const uint8_t *bytes, size_t count, struct qr_timelines_head *ret_head,
                    void (*each)(void *ctx, const struct qr_timelines_row *row), void *ctx,
                    struct qr_err *err);

/* What a walk meets, in order. Each slot may be NULL; pointers live until it returns. */
struct qr_journal_sight {
    /* Of an encrypted journal: the key that wraps the one beside it; the keys of a blob store.
     * NULL: QR_DENIED at its first block. */
    const struct qr_server_key *server_key;
    struct qr_keyring *keyring;
    void *ctx;
    void (*head)(void *ctx, const struct qr_timelines_head *head);
    void (*row)(void *ctx, const struct qr_timelines_row *row); /* of `timelines` */
    /* `blocks`: how many of the journal's are in it; end_offset: behind the last one. */
    void (*segment)(void *ctx, const struct qr_journal_segment *segment, uint64_t first_block_no,
                    uint64_t blocks, uint64_t end_offset);
    void (*entry)(void *ctx, const struct qr_journal_entry *entry, uint64_t block_no,
                  uint64_t segment_no, uint64_t offset);
    void (*state)(void *ctx, const struct qr_timelines_row *row); /* at the end of the journal */
    void (*damage)(void *ctx, const char *file, uint64_t offset, const char *text);
};
/* Reads `timelines` and all blocks behind it, as opening does: a torn tail is no damage, a block
 * that a later one proves to have been hardened is. Damage is reported and counted; QR_NOT_FOUND if
 * there is no journal in `dir`. */
QR_NODISCARD enum qr_status qr_journal_look(struct qr_env *env, const char *dir,
                                            const struct qr_journal_sight *sight,
                                            uint64_t *ret_damage_count, struct qr_err *err);
/* The same of a journal in a blob store; `dir` is what its objects begin with. */
QR_NODISCARD enum qr_status qr_journal_look_in_blob(struct qr_env *env, struct qr_blob *blob,
                                                    const char *dir,
                                                    const struct qr_journal_sight *sight,
                                                    uint64_t *ret_damage_count, struct qr_err *err);
/* One segment's file alone: its header and its blocks, which have numbers without gaps. `dir`:
 * where it is, for its key. */
QR_NODISCARD enum qr_status qr_journal_look_at_segment(struct qr_env *env, const char *dir,
                                                       struct qr_file *file,
                                                       const struct qr_journal_sight *sight,
                                                       uint64_t *ret_damage_count,
                                                       struct qr_err *err);
