/* dir_int.h - the directory backend, shared by dir*.c. */
#pragma once
#include <pthread.h>
#include "base/map.h"
#include "blob_int.h"

enum {
    QRI_DIR_STRIPES = 16,
    QRI_DIR_HEADER_BYTES = 64,
    QRI_DIR_ROOT_BYTES_MAX = 1024,
    QRI_DIR_PATH_BYTES_MAX = QRI_DIR_ROOT_BYTES_MAX + QR_BLOB_NAME_BYTES_MAX + 64,
};

struct qri_dir_path {
    char z[QRI_DIR_PATH_BYTES_MAX];
};

struct qri_dir {
    struct qr_blob base; /* first */
    struct qr_env *env;
    struct qr_log log;
    char root[QRI_DIR_ROOT_BYTES_MAX];
    pthread_mutex_t stripes[QRI_DIR_STRIPES]; /* then the lock file of that number */
    pthread_mutex_t mu;
    struct qr_map known; /* guarded by mu: directories whose names are durable */
};

enum qri_dir_kind { QRI_DIR_WHOLE = 1, QRI_DIR_APPEND = 2 };
/* The first bytes of a file: magic "QROB", version u8, kind u8, zero u16, bytes u64, made (wall,
 * ns) i64, tag 16 bytes, CRC-32C of the bytes u32, zero to 60, CRC-32C of bytes 0 to 59.
 * Little-endian. An append object's length is that of its file, and its tag has the length behind
 * it. */
struct qri_dir_header {
    enum qri_dir_kind kind;
    uint64_t bytes;
    int64_t wall_ns;
    uint8_t tag[16];
    uint32_t data_crc;
};

/* dir.c */
struct qri_dir_path qri_dir_path_of(const struct qri_dir *dir, const char *name,
                                    const char *suffix);
void qri_dir_header_put(const struct qri_dir_header *header, uint8_t dst[QRI_DIR_HEADER_BYTES]);
QR_NODISCARD enum qr_status qri_dir_header_get(const uint8_t src[QRI_DIR_HEADER_BYTES],
                                               struct qri_dir_header *ret_header,
                                               struct qr_err *err);
/* Opens an object's file and reads its header; fills in the bytes of an append object. */
QR_NODISCARD enum qr_status qri_dir_open_object(struct qri_dir *dir, const char *path,
                                                unsigned flags, struct qr_file **ret_file,
                                                struct qri_dir_header *ret_header,
                                                struct qr_err *err);
void qri_dir_tag_of(const struct qri_dir_header *header, struct qr_blob_tag *ret_tag);
QR_NODISCARD enum qr_status qri_dir_stat_path(struct qri_dir *dir, const char *path,
                                              struct qr_blob_info *ret_info, struct qr_err *err);

/* dir_write.c */

/* The lock of a name, against threads and processes. */
struct qri_dir_lock {
    pthread_mutex_t *mutex;
    struct qr_file *file;
};
QR_NODISCARD enum qr_status qri_dir_lock(struct qri_dir *dir, const char *name,
                                         struct qri_dir_lock *ret_lock, struct qr_err *err);
void qri_dir_unlock(struct qri_dir_lock *lock);
/* A new file beside the object, with the folders for both. */
QR_NODISCARD enum qr_status qri_dir_open_temp(struct qri_dir *dir, const char *name,
                                              unsigned more_flags, struct qri_dir_path *ret_temp,
                                              struct qr_file **ret_file, struct qr_err *err);
void qri_dir_drop_temp(struct qri_dir *dir, const char *temp);
/* Gives the finished temporary file its name, if the condition holds. */
QR_NODISCARD enum qr_status qri_dir_publish(struct qri_dir *dir, const char *name, const char *temp,
                                            const char *if_tag, struct qr_err *err);
void qri_dir_new_header(struct qri_dir *dir, enum qri_dir_kind kind,
                        struct qri_dir_header *ret_header);
enum qr_status qri_dir_put(struct qr_blob *blob, const char *name, const void *bytes, size_t count,
                           const char *if_tag, struct qr_blob_tag *ret_tag, struct qr_err *err);
enum qr_status qri_dir_remove(struct qr_blob *blob, const char *name, const char *if_tag,
                              struct qr_err *err);
enum qr_status qri_dir_append(struct qr_blob *blob, const char *name, uint64_t at_offset,
                              const struct iovec *iov, int iov_count, const char *lease_id,
                              struct qr_err *err);

/* dir_stage.c */
enum qr_status qri_dir_put_file(struct qr_blob *blob, const char *name, struct qr_file *file,
                                uint64_t bytes, const char *if_tag, struct qr_blob_tag *ret_tag,
                                struct qr_err *err);
enum qr_status qri_dir_put_large(struct qri_dir *dir, const char *name, const void *bytes,
                                 size_t count, const char *if_tag, struct qr_blob_tag *ret_tag,
                                 struct qr_err *err);
enum qr_status qri_dir_stage_begin(struct qr_blob *blob, const char *name, bool read_soon,
                                   struct qr_blob_stage **ret_stage, struct qr_err *err);
enum qr_status qri_dir_stage_add(struct qr_blob *blob, struct qr_blob_stage *stage,
                                 const void *bytes, size_t count, struct qr_err *err);
enum qr_status qri_dir_stage_end(struct qr_blob *blob, struct qr_blob_stage *own_stage,
                                 const void *head, size_t head_count, const char *if_tag,
                                 struct qr_blob_tag *ret_tag, struct qr_err *err);
void qri_dir_stage_abandon(struct qr_blob *blob, struct qr_blob_stage *own_stage);
enum qr_status qri_dir_drop_stages(struct qr_blob *blob, const char *folder, struct qr_err *err);
enum qr_status qri_dir_open_file(struct qr_blob *blob, const char *name, struct qr_file **ret_file,
                                 uint64_t *ret_start, struct qr_err *err);

/* dir_list.c */
enum qr_status qri_dir_list(struct qr_blob *blob, const char *prefix, qr_blob_list_fn *each,
                            void *arg, struct qr_err *err);

/* dir_lease.c */
enum qr_status qri_dir_lease(struct qr_blob *blob, const char *name, int ttl_s,
                             const char *lease_id, struct qr_blob_tag *ret_lease_id,
                             struct qr_err *err);
enum qr_status qri_dir_release(struct qr_blob *blob, const char *name, const char *lease_id,
                               struct qr_err *err);
/* With the name locked: QR_LOCKED if there is a lease that is not this one. */
QR_NODISCARD enum qr_status qri_dir_check_lease(struct qri_dir *dir, const char *name,
                                                const char *lease_id, struct qr_err *err);
