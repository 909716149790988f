/* lock/range.h - locks of intervals of keys: what a SERIALIZABLE reader has looked at, against the
 * keys that writers make appear, change and vanish.
 *
 * Keys are bytes in memcmp order (lock/lock.h knows keys by a hash, which has no order). A reader
 * holds intervals in S, U or X. A writer holds the keys it has changed in IX: writers do not mind
 * each other here, for what is between them the locks of rows and keys say. What an owner has in
 * one index in one mode is a resource of its own (QR_LOCK_RANGE; the hash numbers them), so that
 * waiting, deadlocks and lists are those of every lock: whoever is refused is told what to wait for
 * with qr_lock_wait, gives that back (qr_lock_release), and asks again.
 *
 * Who was refused (a reader: twice in a row) is remembered with what it asked for until it has
 * been let in or gives up: those that come after it and do not go with it wait for it, unless they
 * are in its way already. So neither a stream of readers nor one of writers shuts the others out.
 *
 * Memory: what an owner has in an index is merged when it is in many pieces and nobody stands
 * between them; then others may wait that need not. Everything counts against bytes_max. Threads,
 * errors: as lock/lock.h. All is of the transaction's scope. */
#pragma once
#include "lock/lock.h"

enum { QR_LOCK_KEY_BYTES_MAX = 200 }; /* of a bound; what is longer is cut, and so widened */

/* A place between keys: before all keys that begin with these bytes, or after all of them. None and
 * `after`: behind everything. */
struct qr_lock_bound {
    const uint8_t *key;
    size_t n;
    bool after;
};

/* The keys from `lo` on up to `hi`. */
struct qr_lock_range {
    uint32_t object, index;
    struct qr_lock_bound lo, hi;
};

/* A reader: S, U or X. IX: all keys that it may change later, as a writer. QR_BUSY: wait for
 * *ret_in_way. */
QR_NODISCARD enum qr_status
qr_lock_range_try(struct qr_lock_owner *owner, const struct qr_lock_range *range,
                  enum qr_lock_mode mode, struct qr_lock_resource *ret_in_way, struct qr_err *err);
/* A writer. */
QR_NODISCARD enum qr_status qr_lock_key_try(struct qr_lock_owner *owner, uint32_t object,
                                            uint32_t index, const uint8_t *key, size_t key_bytes,
                                            struct qr_lock_resource *ret_in_way,
                                            struct qr_err *err);
/* In how many pieces is what it has? They take memory as locks do. Costs no lock. */
size_t qr_lock_range_pieces(const struct qr_lock_owner *owner);
/* What it was refused is not wanted any more: at the end of whoever asked. NULL is accepted. */
void qr_lock_range_give_up(struct qr_lock_owner *owner);
