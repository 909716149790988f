/* env/env.h - clock, randomness and files as an interface that a simulation can replace.
 *
 * Everything above src/env takes a `struct qr_env *` and asks it for time, random bytes and files;
 * nobody calls open() or clock_gettime(). qr_env_real() is the machine, env/sim.h the simulation.
 *
 * Threads: every call may come from any thread. A qr_file may be used by several threads at once,
 * except that nobody may use it during or after close.
 * Paths: NUL-terminated; a directory must exist before a file in it. New files have mode 0600 and
 * new directories 0700.
 * Errors, for every slot: QR_OK or one of QR_IO, QR_FULL (no space or quota), QR_NOT_FOUND,
 * QR_EXISTS, QR_DENIED, QR_LOCKED, QR_NOMEM, QR_INVALID; `err` may be NULL; ret_x is set on success
 * only. Interrupted calls are repeated inside; a short read happens at end of file only.
 * Cost: each inline wrapper is one indirect call. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include "base/buf.h"
#include "base/status.h"

struct qr_env;
struct qr_file;

enum qr_open_flags {
    QR_OPEN_READ = 1,
    QR_OPEN_WRITE = 2,
    QR_OPEN_CREATE = 4,    /* make it when it is not there */
    QR_OPEN_EXCLUSIVE = 8, /* with CREATE: QR_EXISTS when it is there */
    QR_OPEN_TRUNCATE = 16,
    /* For log files: writes go around the machine's page cache where it can be done, and `src` is
     * aligned to 4096, bytes and offset to 512. Nobody may write the same 4096 bytes of the file
     * in both ways at the same time. */
    QR_OPEN_DIRECT = 32,
    QR_OPEN_DIRECT_READ = 64, /* with it: so do reads into such memory, of files read once */
    QR_OPEN_RW = QR_OPEN_READ | QR_OPEN_WRITE,
};

enum { QR_FILE_IOV_MAX = 64 }; /* buffers in one pwritev */

struct qr_file_ops {
    /* Reads up to `bytes` at `offset`; *ret_bytes is less than `bytes` only at end of file. */
    enum qr_status (*pread)(struct qr_file *file, void *dst, size_t bytes, uint64_t offset,
                            size_t *ret_bytes, struct qr_err *err);
    /* Writes all of it or fails; after a failure any part of it may have been written. */
    enum qr_status (*pwrite)(struct qr_file *file, const void *src, size_t bytes, uint64_t offset,
                             struct qr_err *err);
    /* The same from up to QR_FILE_IOV_MAX buffers, placed one behind the other. */
    enum qr_status (*pwritev)(struct qr_file *file, const struct iovec *iov, int iov_count,
                              uint64_t offset, struct qr_err *err);
    /* What was written before the call survives a power cut, and so does the size needed to read
     * it (fdatasync). After a failure the kernel may have dropped the writes: never retry it. The
     * file's name is durable only after sync_dir on its directory. */
    enum qr_status (*sync)(struct qr_file *file, struct qr_err *err);
    /* pwrite, and what this call wrote survives a power cut when it returns; what was written
     * before it and not synced may not. Never repeat one that failed. */
    enum qr_status (*pwrite_sync)(struct qr_file *file, const void *src, size_t bytes,
                                  uint64_t offset, struct qr_err *err);
    /* Reserves space for [offset, offset + bytes): the size grows to cover it, new bytes read as
     * zeros, later writes inside do not fail with QR_FULL. */
    enum qr_status (*preallocate)(struct qr_file *file, uint64_t offset, uint64_t bytes,
                                  struct qr_err *err);
    /* Cuts, or grows with zeros. */
    enum qr_status (*truncate)(struct qr_file *file, uint64_t bytes, struct qr_err *err);
    enum qr_status (*size)(struct qr_file *file, uint64_t *ret_bytes, struct qr_err *err);
    /* Takes the exclusive lock on the file without waiting; QR_LOCKED when another open of the same
     * file has it, in this process too. Held until close or the end of the process. */
    enum qr_status (*lock)(struct qr_file *file, struct qr_err *err);
    /* Frees the handle. What was not synced may still be lost. */
    void (*close)(struct qr_file *file);
    /* A hint, may be NULL: what was written and synced will hardly be read again, so other files
     * may have the memory that caches it. */
    void (*uncache)(struct qr_file *file);
    /* A hint, may be NULL: the disk may begin with what was written there, so that a sync finds
     * little left to do. Does not wait. */
    void (*write_back)(struct qr_file *file, uint64_t offset, uint64_t bytes);
    /* A hint, may be NULL: that will be read soon, so it may come in one go. Does not wait. */
    void (*read_ahead)(struct qr_file *file, uint64_t offset, uint64_t bytes);
};

/* First member of every implementation's file. */
struct qr_file {
    const struct qr_file_ops *ops;
};

/* Called once per directory entry, in byte order of the names; false stops the listing. */
typedef bool qr_env_list_fn(void *arg, const char *name);

struct qr_env_ops {
    /* Nanoseconds since 1970-01-01 UTC; may jump either way when somebody sets the clock. */
    int64_t (*wall_ns)(struct qr_env *env);
    /* Nanoseconds since some start; never goes back. For time-outs and durations. */
    int64_t (*mono_ns)(struct qr_env *env);
    /* Blocks the calling thread; the simulation advances its clock instead. */
    void (*sleep_ns)(struct qr_env *env, int64_t ns);
    /* Fit for keys and salts in the real environment; from the seed in the simulation. */
    void (*random)(struct qr_env *env, void *dst, size_t bytes);

    /* `flags` are of enum qr_open_flags. */
    enum qr_status (*open)(struct qr_env *env, const char *path, unsigned flags,
                           struct qr_file **ret_file, struct qr_err *err);
    /* Replaces `to` in one step. Durable after sync_dir on the directories of both. */
    enum qr_status (*rename)(struct qr_env *env, const char *from, const char *to,
                             struct qr_err *err);
    /* Removes a file's name; open handles stay good. Durable after sync_dir. */
    enum qr_status (*unlink)(struct qr_env *env, const char *path, struct qr_err *err);
    /* QR_EXISTS when anything has that name. Durable after sync_dir on the parent. */
    enum qr_status (*make_dir)(struct qr_env *env, const char *path, struct qr_err *err);
    /* Removes an empty directory. */
    enum qr_status (*remove_dir)(struct qr_env *env, const char *path, struct qr_err *err);
    /* Names created, renamed and removed in this directory before the call survive a power cut. */
    enum qr_status (*sync_dir)(struct qr_env *env, const char *path, struct qr_err *err);
    /* Entries of a directory without "." and "..". */
    enum qr_status (*list)(struct qr_env *env, const char *path, qr_env_list_fn *each, void *arg,
                           struct qr_err *err);
};

/* First member of every implementation's environment. */
struct qr_env {
    const struct qr_env_ops *ops;
};

/* Of a file of qr_env_real: for who hands it to another program. NULL: -1. */
int qr_env_real_descriptor(struct qr_file *file);
/* The machine's clock, getrandom and file system. One per process, never freed. */
struct qr_env *qr_env_real(void);

static inline int64_t qr_env_wall_ns(struct qr_env *env)
{
    return env->ops->wall_ns(env);
}
static inline int64_t qr_env_mono_ns(struct qr_env *env)
{
    return env->ops->mono_ns(env);
}
static inline void qr_env_sleep_ns(struct qr_env *env, int64_t ns)
{
    env->ops->sleep_ns(env, ns);
}
static inline void qr_env_random(struct qr_env *env, void *dst, size_t bytes)
{
    env->ops->random(env, dst, bytes);
}
QR_NODISCARD static inline enum qr_status qr_env_open(struct qr_env *env, const char *path,
                                                      unsigned flags, struct qr_file **ret_file,
                                                      struct qr_err *err)
{
    return env->ops->open(env, path, flags, ret_file, err);
}
QR_NODISCARD static inline enum qr_status qr_env_rename(struct qr_env *env, const char *from,
                                                        const char *to, struct qr_err *err)
{
    return env->ops->rename(env, from, to, err);
}
QR_NODISCARD static inline enum qr_status qr_env_unlink(struct qr_env *env, const char *path,
                                                        struct qr_err *err)
{
    return env->ops->unlink(env, path, err);
}
QR_NODISCARD static inline enum qr_status qr_env_make_dir(struct qr_env *env, const char *path,
                                                          struct qr_err *err)
{
    return env->ops->make_dir(env, path, err);
}
QR_NODISCARD static inline enum qr_status qr_env_remove_dir(struct qr_env *env, const char *path,
                                                            struct qr_err *err)
{
    return env->ops->remove_dir(env, path, err);
}
QR_NODISCARD static inline enum qr_status qr_env_sync_dir(struct qr_env *env, const char *path,
                                                          struct qr_err *err)
{
    return env->ops->sync_dir(env, path, err);
}
QR_NODISCARD static inline enum qr_status qr_env_list(struct qr_env *env, const char *path,
                                                      qr_env_list_fn *each, void *arg,
                                                      struct qr_err *err)
{
    return env->ops->list(env, path, each, arg, err);
}
QR_NODISCARD static inline enum qr_status qr_file_pread(struct qr_file *file, void *dst,
                                                        size_t bytes, uint64_t offset,
                                                        size_t *ret_bytes, struct qr_err *err)
{
    return file->ops->pread(file, dst, bytes, offset, ret_bytes, err);
}
QR_NODISCARD static inline enum qr_status qr_file_pwrite(struct qr_file *file, const void *src,
                                                         size_t bytes, uint64_t offset,
                                                         struct qr_err *err)
{
    return file->ops->pwrite(file, src, bytes, offset, err);
}
QR_NODISCARD static inline enum qr_status qr_file_pwritev(struct qr_file *file,
                                                          const struct iovec *iov, int iov_count,
                                                          uint64_t offset, struct qr_err *err)
{
    return file->ops->pwritev(file, iov, iov_count, offset, err);
}
QR_NODISCARD static inline enum qr_status qr_file_sync(struct qr_file *file, struct qr_err *err)
{
    return file->ops->sync(file, err);
}
QR_NODISCARD static inline enum qr_status qr_file_pwrite_sync(struct qr_file *file, const void *src,
                                                              size_t bytes, uint64_t offset,
                                                              struct qr_err *err)
{
    return file->ops->pwrite_sync(file, src, bytes, offset, err);
}
static inline void qr_file_uncache(struct qr_file *file)
{
    if (file->ops->uncache != NULL)
        file->ops->uncache(file);
}
static inline void qr_file_write_back(struct qr_file *file, uint64_t offset, uint64_t bytes)
{
    if (file->ops->write_back != NULL)
        file->ops->write_back(file, offset, bytes);
}
static inline void qr_file_read_ahead(struct qr_file *file, uint64_t offset, uint64_t bytes)
{
    if (file->ops->read_ahead != NULL)
        file->ops->read_ahead(file, offset, bytes);
}
QR_NODISCARD static inline enum qr_status qr_file_preallocate(struct qr_file *file, uint64_t offset,
                                                              uint64_t bytes, struct qr_err *err)
{
    return file->ops->preallocate(file, offset, bytes, err);
}
QR_NODISCARD static inline enum qr_status qr_file_truncate(struct qr_file *file, uint64_t bytes,
                                                           struct qr_err *err)
{
    return file->ops->truncate(file, bytes, err);
}
QR_NODISCARD static inline enum qr_status qr_file_size(struct qr_file *file, uint64_t *ret_bytes,
                                                       struct qr_err *err)
{
    return file->ops->size(file, ret_bytes, err);
}
QR_NODISCARD static inline enum qr_status qr_file_lock(struct qr_file *file, struct qr_err *err)
{
    return file->ops->lock(file, err);
}
/* NULL is accepted. */
static inline void qr_file_close(struct qr_file *file)
{
    if (file != NULL)
        file->ops->close(file);
}
/* For QR_AUTO. */
static inline void qr_file_closep(struct qr_file **file)
{
    qr_file_close(*file);
}

/* QR_TRUNCATED when the file ends before `bytes` were read. */
QR_NODISCARD enum qr_status qr_file_read_exactly(struct qr_file *file, void *dst, size_t bytes,
                                                 uint64_t offset, struct qr_err *err);
/* Appends the whole file to `buf`; its maximum bounds what is read. */
QR_NODISCARD enum qr_status qr_env_read_file(struct qr_env *env, const char *path,
                                             struct qr_buf *buf, struct qr_err *err);
/* Replaces `path` so that after a crash at any moment the old or the new contents are there, and
 * after success the new: writes path.tmp, syncs, renames, syncs the directory. */
QR_NODISCARD enum qr_status qr_env_replace_file(struct qr_env *env, const char *path,
                                                const void *bytes, size_t count,
                                                struct qr_err *err);
/* The directory part of `path`: "." when it has none, "/" for the root. Truncates never: `dst` must
 * have room for strlen(path) + 2 bytes. */
void qr_env_dir_name(const char *path, char *dst);
