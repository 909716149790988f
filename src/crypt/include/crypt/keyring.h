/* crypt/keyring.h - the data keys of timelines, kept wrapped in the blob store beside what they
 * encrypt, as objects `keys/<timeline>`.
 *
 * Every role that reads or writes a timeline's layers, long-term log or backups has one of its own.
 * Keys are read once and kept in memory. A branch has a key of its own for what it writes; what it
 * inherits names its parent's timeline, whose key is there as long as its storage is.
 * Threads: any; calls block on the blob store when they meet a timeline for the first time.
 * Errors: those of the blob store and of crypt/server_key.h; QR_DENIED the key of that id is gone.
 */
#pragma once
#include "blob/blob.h"
#include "crypt/server_key.h"
#include "page/timeline.h"

struct qr_keyring;

/* Both are borrowed. */
QR_NODISCARD enum qr_status qr_keyring_new(struct qr_env *env, const struct qr_server_key *key,
                                           struct qr_blob *blob, struct qr_keyring **ret_ring,
                                           struct qr_err *err);
void qr_keyring_free(struct qr_keyring *ring); /* NULL is accepted */

const struct qr_server_key *qr_keyring_server_key(const struct qr_keyring *ring);

/* For writing: the timeline's key, which is made (and durable) if there is none. Each key has a copy
 * in the store; one that is lost or damaged is read from that, and written again. */
QR_NODISCARD enum qr_status qr_keyring_take(struct qr_keyring *ring,
                                            const struct qr_timeline *timeline,
                                            struct qr_data_key *ret_key, struct qr_err *err);
/* QR_NOT_FOUND: it has none. */
QR_NODISCARD enum qr_status qr_keyring_read(struct qr_keyring *ring,
                                            const struct qr_timeline *timeline,
                                            struct qr_data_key *ret_key, struct qr_err *err);
/* For reading what was encrypted under the key of this id. `ring` NULL: QR_DENIED, in words. */
QR_NODISCARD enum qr_status qr_keyring_find(struct qr_keyring *ring,
                                            const struct qr_timeline *timeline, uint32_t key_id,
                                            struct qr_data_key *ret_key, struct qr_err *err);
/* The timeline's key, as it is wrapped, into another store. QR_OK also if it has none. */
QR_NODISCARD enum qr_status qr_keyring_copy(struct qr_keyring *ring,
                                            const struct qr_timeline *timeline,
                                            struct qr_keyring *to, struct qr_err *err);
/* Wraps all of the store's keys with the server key in use. */
QR_NODISCARD enum qr_status qr_keyring_rewrap(struct qr_keyring *ring, uint64_t *ret_changed,
                                              struct qr_err *err);
/* What it encrypted cannot be read any more. QR_OK also if there is none. */
QR_NODISCARD enum qr_status
qr_keyring_destroy(struct qr_keyring *ring, const struct qr_timeline *timeline, struct qr_err *err);
