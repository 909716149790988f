/* ctl/meta.h - the metadata store: ordered keys with versions (STORAGE.md S16), in one SQLite file.
 *
 * A key's version is the revision of the transaction that last put it; revisions only grow. Keys
 * and values are any bytes within the bounds below. A transaction that returned is durable.
 * Threads: any; one internal lock. SQLite must have been configured (qr_vfs_init) before.
 * Errors: QR_NOT_FOUND, QR_TOO_BIG, QR_FULL, QR_CORRUPT, QR_IO, QR_NOMEM. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/status.h"
#include "base/str.h"

struct qr_meta;

enum {
    QR_META_KEY_BYTES_MAX = 1024,
    QR_META_VALUE_BYTES_MAX = 1024 * 1024,
    QR_META_TXN_OPS_MAX = 100,
};

/* Opens the file or makes it. */
QR_NODISCARD enum qr_status qr_meta_open(const char *path, struct qr_meta **ret_meta,
                                         struct qr_err *err);
void qr_meta_close(struct qr_meta *meta); /* NULL is accepted */

/* Appends the value to `value` (may be NULL). */
QR_NODISCARD enum qr_status qr_meta_get(struct qr_meta *meta, struct qr_str key,
                                        struct qr_buf *value, uint64_t *ret_version,
                                        struct qr_err *err);

/* Calls `each` for every key that starts with `prefix`, in byte order, all from one moment. What
 * `each` gets is borrowed for its call; it must not call the store, nor the registry, which calls
 * the store under its lock. False ends the walk. */
typedef bool qr_meta_each_fn(void *arg, struct qr_str key, struct qr_str value, uint64_t version);
QR_NODISCARD enum qr_status qr_meta_range(struct qr_meta *meta, struct qr_str prefix,
                                          qr_meta_each_fn *each, void *arg, struct qr_err *err);

struct qr_meta_compare {
    struct qr_str key;
    uint64_t version; /* what it has to be; 0: there is no such key */
};
struct qr_meta_op {
    struct qr_str key;
    struct qr_str value;
    bool is_delete; /* of a key that may be absent */
};
/* All or nothing. *ret_applied is false, and nothing changed, if a compare did not hold. */
QR_NODISCARD enum qr_status qr_meta_txn(struct qr_meta *meta,
                                        const struct qr_meta_compare *compares,
                                        size_t compare_count, const struct qr_meta_op *ops,
                                        size_t op_count, bool *ret_applied, uint64_t *ret_revision,
                                        struct qr_err *err);

/* Calls `changed` for every put (value) or delete (value.p NULL) of a key that starts with
 * `prefix`, after its transaction, on the thread that made it, in order of revisions. `changed` may
 * read the store but not write it. There are at most QR_META_WATCHES_MAX; they end with the store.
 */
enum { QR_META_WATCHES_MAX = 16 };
typedef void qr_meta_watch_fn(void *arg, struct qr_str key, struct qr_str value, uint64_t version);
QR_NODISCARD enum qr_status qr_meta_watch(struct qr_meta *meta, struct qr_str prefix,
                                          qr_meta_watch_fn *changed, void *arg, struct qr_err *err);
