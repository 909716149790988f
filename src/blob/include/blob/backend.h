/* blob/backend.h - what a blob store implements. Callers use blob/blob.h; tests wrap one store in
 * another.
 *
 * Slots are called with names, counts and leases that were checked; ret_tag is never NULL. Errors,
 * threads and meaning are those of blob/blob.h. */
#pragma once
#include "blob/blob.h"

struct qr_blob_ops {
    enum qr_status (*put)(struct qr_blob *blob, const char *name, const void *bytes, size_t count,
                          const char *if_tag, struct qr_blob_tag *ret_tag, struct qr_err *err);
    enum qr_status (*put_file)(struct qr_blob *blob, const char *name, struct qr_file *file,
                               uint64_t bytes, const char *if_tag, struct qr_blob_tag *ret_tag,
                               struct qr_err *err);
    enum qr_status (*get)(struct qr_blob *blob, const char *name, uint64_t offset, size_t count,
                          struct qr_buf *buf, struct qr_blob_tag *ret_tag, struct qr_err *err);
    enum qr_status (*stat)(struct qr_blob *blob, const char *name, struct qr_blob_info *ret_info,
                           struct qr_err *err);
    enum qr_status (*remove)(struct qr_blob *blob, const char *name, const char *if_tag,
                             struct qr_err *err);
    enum qr_status (*list)(struct qr_blob *blob, const char *prefix, qr_blob_list_fn *each,
                           void *arg, struct qr_err *err);
    enum qr_status (*append)(struct qr_blob *blob, const char *name, uint64_t at_offset,
                             const struct iovec *iov, int iov_count, const char *lease_id,
                             struct qr_err *err);
    enum qr_status (*lease)(struct qr_blob *blob, const char *name, int ttl_s, const char *lease_id,
                            struct qr_blob_tag *ret_lease_id, struct qr_err *err);
    enum qr_status (*release)(struct qr_blob *blob, const char *name, const char *lease_id,
                              struct qr_err *err);
    /* Of a store whose objects are files here; NULL in others. stage_end frees the stage always. */
    bool (*has_files)(struct qr_blob *blob);
    enum qr_status (*stage_begin)(struct qr_blob *blob, const char *name, bool read_soon,
                                  struct qr_blob_stage **ret_stage, struct qr_err *err);
    enum qr_status (*stage_add)(struct qr_blob *blob, struct qr_blob_stage *stage,
                                const void *bytes, size_t count, struct qr_err *err);
    enum qr_status (*stage_end)(struct qr_blob *blob, struct qr_blob_stage *own_stage,
                                const void *head, size_t head_count, const char *if_tag,
                                struct qr_blob_tag *ret_tag, struct qr_err *err);
    void (*stage_abandon)(struct qr_blob *blob, struct qr_blob_stage *own_stage);
    enum qr_status (*drop_stages)(struct qr_blob *blob, const char *folder, struct qr_err *err);
    enum qr_status (*open_file)(struct qr_blob *blob, const char *name, struct qr_file **ret_file,
                                uint64_t *ret_start, struct qr_err *err);
    void (*close)(struct qr_blob *blob);
};
/* First member of every backend's store. */
struct qr_blob {
    const struct qr_blob_ops *ops;
};
