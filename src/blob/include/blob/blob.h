/* blob/blob.h - objects by name: where log, layers, manifests and backups live for good.
 *
 * Names: [A-Za-z0-9._/-]{1,512}, no part empty, "." or "..", none over 200 bytes. Success of a
 * write means durable. Conditions: `if_tag` NULL writes always; "" only if there is no such object;
 * else only if its tag is this one (QR_CONFLICT otherwise). Tags are opaque, at most 63 bytes, and
 * never repeat for a name. Threads: any; calls block (background threads and drills only; never the
 * loop of an rpc peer). Errors: QR_NOT_FOUND, QR_CONFLICT, QR_DENIED (401, 403), QR_LOCKED
 * (somebody else's lease), QR_BUSY (429, 503 after retries), QR_FULL, QR_IO (also a body shorter
 * than promised), QR_TIMEOUT, QR_CLOSED (the service cannot be reached), QR_CORRUPT (bytes that do
 * not match their checksum), QR_INVALID (name, URL), QR_TOO_BIG (more than `buf` may hold). After
 * QR_IO, QR_TIMEOUT, QR_BUSY and QR_CLOSED a write may have happened. */
#pragma once
#include <stdbool.h>
#include <sys/uio.h>
#include "base/buf.h"
#include "base/status.h"
#include "env/env.h"
#include "obs/log.h"

struct qr_blob;

enum {
    QR_BLOB_NAME_BYTES_MAX = 512,
    QR_BLOB_APPEND_BYTES_MAX = 4 << 20,
    QR_BLOB_LEASE_S_MIN = 15,
    QR_BLOB_LEASE_S_MAX = 60,
};

struct qr_blob_tag {
    char z[64];
};
struct qr_blob_info {
    uint64_t bytes;
    int64_t modified_wall_ns; /* directory: of an append object, when it was made */
    struct qr_blob_tag tag;
};

/* file:///dir (made if missing, its parent must exist) or
 * https://ACCOUNT.blob.HOST/CONTAINER[/prefix] (and http:// for loopback emulators, whose path
 * begins with the account). `credential`: "" or key=BASE64 or sas=QUERY; it is copied and appears
 * in no log. `log` may be NULL. */
QR_NODISCARD enum qr_status qr_blob_open(struct qr_env *env, const struct qr_log *log,
                                         const char *url, const char *credential,
                                         struct qr_blob **ret_blob, struct qr_err *err);
/* The same, but a directory has to be there and be one: QR_NOT_FOUND, for example where a file
 * system is not mounted. */
QR_NODISCARD enum qr_status qr_blob_open_made(struct qr_env *env, const struct qr_log *log,
                                              const char *url, const char *credential,
                                              struct qr_blob **ret_blob, struct qr_err *err);
void qr_blob_close(struct qr_blob *blob); /* NULL is accepted */

/* `ret_tag` may be NULL here and below. */
QR_NODISCARD enum qr_status qr_blob_put(struct qr_blob *blob, const char *name, const void *bytes,
                                        size_t count, const char *if_tag,
                                        struct qr_blob_tag *ret_tag, struct qr_err *err);
/* Large objects: the first `bytes` of a file, in blocks. */
QR_NODISCARD enum qr_status qr_blob_put_file(struct qr_blob *blob, const char *name,
                                             struct qr_file *file, uint64_t bytes,
                                             const char *if_tag, struct qr_blob_tag *ret_tag,
                                             struct qr_err *err);
/* Appends exactly [offset, offset + count) to `buf`; QR_TRUNCATED if the object is shorter; count
 * SIZE_MAX: to its end. After a failure `buf` is as it was. */
QR_NODISCARD enum qr_status qr_blob_get(struct qr_blob *blob, const char *name, uint64_t offset,
                                        size_t count, struct qr_buf *buf,
                                        struct qr_blob_tag *ret_tag, struct qr_err *err);
QR_NODISCARD enum qr_status qr_blob_stat(struct qr_blob *blob, const char *name,
                                         struct qr_blob_info *ret_info, struct qr_err *err);
/* QR_OK also if it is gone already (with a condition that names a tag: QR_CONFLICT). */
QR_NODISCARD enum qr_status qr_blob_delete(struct qr_blob *blob, const char *name,
                                           const char *if_tag, struct qr_err *err);
/* In byte order of the names; false stops. Prefix is of the name, not of a folder. Objects that
 * come or go meanwhile are there or not. An object that cannot be read (directory) has no
 * tag and no bytes in the list. `each` may use the store. */
typedef bool qr_blob_list_fn(void *arg, const char *name, const struct qr_blob_info *info);
QR_NODISCARD enum qr_status qr_blob_list(struct qr_blob *blob, const char *prefix,
                                         qr_blob_list_fn *each, void *arg, struct qr_err *err);

/* --- objects that are files here --- */

/* Does the store keep each object in a file of this machine? Then a large object needs no copy of
 * its own beside it, before it is put or while it is read. Other stores answer QR_UNSUPPORTED to
 * what follows. */
bool qr_blob_has_files(struct qr_blob *blob);

/* An object on its way: written from front to back, and there only at its end. One thread's. */
struct qr_blob_stage;
enum { QR_BLOB_HEAD_BYTES_MAX = 4096 };
/* `read_soon`: it may stay in the machine's page cache. */
QR_NODISCARD enum qr_status qr_blob_stage_begin(struct qr_blob *blob, const char *name,
                                                bool read_soon, struct qr_blob_stage **ret_stage,
                                                struct qr_err *err);
/* After a failure it can only be abandoned. */
QR_NODISCARD enum qr_status qr_blob_stage_add(struct qr_blob *blob, struct qr_blob_stage *stage,
                                              const void *bytes, size_t count, struct qr_err *err);
/* The first `head_count` bytes that were added become `head`: for what is known at the end only.
 * Then as qr_blob_put. Frees the stage, also on failure. */
QR_NODISCARD enum qr_status qr_blob_stage_end(struct qr_blob *blob, struct qr_blob_stage *own_stage,
                                              const void *head, size_t head_count,
                                              const char *if_tag, struct qr_blob_tag *ret_tag,
                                              struct qr_err *err);
/* As if it had not begun. NULL is accepted. */
void qr_blob_stage_abandon(struct qr_blob *blob, struct qr_blob_stage *own_stage);
/* What was begun in this folder (a prefix with the slash at its end) by a process that is gone. Who
 * lives and has not ended yet fails then. */
QR_NODISCARD enum qr_status qr_blob_drop_stages(struct qr_blob *blob, const char *folder,
                                                struct qr_err *err);
/* For reading; the object's bytes are those from *ret_start to the file's end. No checksum is
 * looked at: who reads a piece of it has one for the piece. What is open can be read to the end,
 * also when the object is replaced or deleted meanwhile. */
QR_NODISCARD enum qr_status qr_blob_open_file(struct qr_blob *blob, const char *name,
                                              struct qr_file **ret_file, uint64_t *ret_start,
                                              struct qr_err *err);

/* Append objects with a position condition and a lease, for a landing zone that is not on this
 * machine. Offset 0 makes the object if there is none. QR_CONFLICT if the object does not end at
 * `at_offset`; at most QR_BLOB_APPEND_BYTES_MAX at once. `lease_id` "": without. */
QR_NODISCARD enum qr_status qr_blob_append(struct qr_blob *blob, const char *name,
                                           uint64_t at_offset, const struct iovec *iov,
                                           int iov_count, const char *lease_id, struct qr_err *err);
/* `lease_id`: "" to take it, else to renew that one. QR_LOCKED while somebody else has it. */
QR_NODISCARD enum qr_status qr_blob_lease(struct qr_blob *blob, const char *name, int ttl_s,
                                          const char *lease_id, struct qr_blob_tag *ret_lease_id,
                                          struct qr_err *err);
QR_NODISCARD enum qr_status qr_blob_release(struct qr_blob *blob, const char *name,
                                            const char *lease_id, struct qr_err *err);
