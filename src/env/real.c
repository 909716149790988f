/* real.c - see env/env.h: the machine itself */
#include "env/env.h"
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include "base/banned.h"

struct real_file {
    struct qr_file base;
    int fd;
    int direct_fd; /* the same file past the page cache; -1: not wanted, or not possible here */
    bool direct_reads;
    uint32_t direct_offset_align, direct_memory_align;
};

static enum qr_status status_of_errno(int errnum)
{
    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return QR_FULL;
    case ENOENT:
    case ENOTDIR:
        return QR_NOT_FOUND;
    case EEXIST:
    case ENOTEMPTY:
        return QR_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return QR_DENIED;
    case ENOMEM:
        return QR_NOMEM;
    default:
        return QR_IO;
    }
}

static enum qr_status fail_errno(struct qr_err *err, const char *words, const char *path)
{
    int errnum = errno;
    char text[128];
    const char *reason = strerror_r(errnum, text, sizeof text);
    if (path == NULL)
        return qr_fail(err, status_of_errno(errnum), "%s: %s", words, reason);
    return qr_fail(err, status_of_errno(errnum), "%s '%s': %s", words, path, reason);
}

static int fd_of(struct qr_file *file)
{
    return ((struct real_file *)file)->fd;
}

static bool goes_direct(const struct real_file *file, const void *src, size_t bytes,
                        uint64_t offset)
{
    return file->direct_fd >= 0 && (uintptr_t)src % file->direct_memory_align == 0 &&
           (offset | bytes) % file->direct_offset_align == 0;
}

static ssize_t read_some(struct qr_file *base, void *dst, size_t bytes, uint64_t offset)
{
    const struct real_file *file = (const struct real_file *)base;
    if (file->direct_reads && goes_direct(file, dst, bytes, offset)) {
        ssize_t n = pread(file->direct_fd, dst, bytes, (off_t)offset);
        if (n >= 0 || errno != EINVAL)
            return n;
    }
    return pread(file->fd, dst, bytes, (off_t)offset);
}

static enum qr_status real_pread(struct qr_file *file, void *dst, size_t bytes, uint64_t offset,
                                 size_t *ret_bytes, struct qr_err *err)
{
    size_t done = 0;
    while (done < bytes) {
        ssize_t n = read_some(file, (char *)dst + done, bytes - done, offset + done);
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            return fail_errno(err, "read", NULL);
        if (n > 0)
            done += (size_t)n;
    }
    *ret_bytes = done;
    return QR_OK;
}

/* Past the page cache if the bytes fit; a file system that refuses has written nothing. */
static ssize_t write_some(struct qr_file *base, const void *src, size_t bytes, uint64_t offset,
                          int flags)
{
    const struct real_file *file = (const struct real_file *)base;
    struct iovec iov = {.iov_base = (void *)(uintptr_t)src, .iov_len = bytes};
    if (goes_direct(file, src, bytes, offset)) {
        ssize_t n = pwritev2(file->direct_fd, &iov, 1, (off_t)offset, flags);
        if (n >= 0 || errno != EINVAL)
            return n;
    }
    return pwritev2(file->fd, &iov, 1, (off_t)offset, flags);
}

static enum qr_status real_pwrite(struct qr_file *file, const void *src, size_t bytes,
                                  uint64_t offset, struct qr_err *err)
{
    size_t done = 0;
    while (done < bytes) {
        ssize_t n = write_some(file, (const char *)src + done, bytes - done, offset + done, 0);
        if (n < 0 && errno != EINTR)
            return fail_errno(err, "write", NULL);
        if (n > 0)
            done += (size_t)n;
    }
    return QR_OK;
}

static enum qr_status real_pwritev(struct qr_file *file, const struct iovec *iov, int iov_count,
                                   uint64_t offset, struct qr_err *err)
{
    assert(iov_count >= 0 && iov_count <= QR_FILE_IOV_MAX);
    ssize_t n;
    do
        n = pwritev(fd_of(file), iov, iov_count, (off_t)offset);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return fail_errno(err, "write", NULL);

    size_t done = (size_t)n; /* a short write is rare: the rest goes one buffer at a time */
    for (int i = 0; i < iov_count; i++) {
        size_t skip = done < iov[i].iov_len ? done : iov[i].iov_len;
        done -= skip;
        if (skip < iov[i].iov_len)
            QR_TRY(real_pwrite(file, (const char *)iov[i].iov_base + skip, iov[i].iov_len - skip,
                               offset + skip, err));
        offset += iov[i].iov_len;
    }
    return QR_OK;
}

static enum qr_status real_sync(struct qr_file *file, struct qr_err *err)
{
    if (fdatasync(fd_of(file)) != 0) /* not repeated on EINTR either: env.h says why */
        return fail_errno(err, "sync", NULL);
    return QR_OK;
}

static enum qr_status real_pwrite_sync(struct qr_file *file, const void *src, size_t bytes,
                                       uint64_t offset, struct qr_err *err)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n =
            write_some(file, (const char *)src + done, bytes - done, offset + done, RWF_DSYNC);
        if (n < 0 && errno == EOPNOTSUPP && done == 0) { /* no such flag: nothing is written */
            QR_TRY(real_pwrite(file, src, bytes, offset, err));
            return real_sync(file, err);
        }
        if (n < 0) /* not repeated on EINTR either, as it syncs, too */
            return fail_errno(err, "write", NULL);
        done += (size_t)n;
    }
    return QR_OK;
}

static enum qr_status real_preallocate(struct qr_file *file, uint64_t offset, uint64_t bytes,
                                       struct qr_err *err)
{
    int errnum;
    do
        errnum = posix_fallocate(fd_of(file), (off_t)offset, (off_t)bytes);
    while (errnum == EINTR);
    errno = errnum;
    return errnum == 0 ? QR_OK : fail_errno(err, "preallocate", NULL);
}

static enum qr_status real_truncate(struct qr_file *file, uint64_t bytes, struct qr_err *err)
{
    int rc;
    do
        rc = ftruncate(fd_of(file), (off_t)bytes);
    while (rc != 0 && errno == EINTR);
    return rc == 0 ? QR_OK : fail_errno(err, "truncate", NULL);
}

static enum qr_status real_size(struct qr_file *file, uint64_t *ret_bytes, struct qr_err *err)
{
    struct stat st;
    if (fstat(fd_of(file), &st) != 0)
        return fail_errno(err, "stat", NULL);
    *ret_bytes = (uint64_t)st.st_size;
    return QR_OK;
}

static enum qr_status real_lock(struct qr_file *file, struct qr_err *err)
{
    int rc;
    do
        rc = flock(fd_of(file), LOCK_EX | LOCK_NB);
    while (rc != 0 && errno == EINTR);
    if (rc != 0 && errno == EWOULDBLOCK)
        return qr_fail(err, QR_LOCKED, "lock: held by another process");
    return rc == 0 ? QR_OK : fail_errno(err, "lock", NULL);
}

static void real_close(struct qr_file *file)
{
    int direct_fd = ((struct real_file *)file)->direct_fd;
    if (direct_fd >= 0)
        close(direct_fd);
    close(fd_of(file));
    free(file);
}

static void real_uncache(struct qr_file *file)
{
    (void)posix_fadvise(fd_of(file), 0, 0, POSIX_FADV_DONTNEED);
}

static void real_write_back(struct qr_file *file, uint64_t offset, uint64_t bytes)
{
    (void)sync_file_range(fd_of(file), (off_t)offset, (off_t)bytes, SYNC_FILE_RANGE_WRITE);
}

static void real_read_ahead(struct qr_file *file, uint64_t offset, uint64_t bytes)
{
    (void)posix_fadvise(fd_of(file), (off_t)offset, (off_t)bytes, POSIX_FADV_WILLNEED);
}

static const struct qr_file_ops real_file_ops = {
    .write_back = real_write_back,
    .read_ahead = real_read_ahead,
    .uncache = real_uncache,
    .pread = real_pread,
    .pwrite = real_pwrite,
    .pwritev = real_pwritev,
    .sync = real_sync,
    .pwrite_sync = real_pwrite_sync,
    .preallocate = real_preallocate,
    .truncate = real_truncate,
    .size = real_size,
    .lock = real_lock,
    .close = real_close,
};

static int64_t clock_ns(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int64_t real_wall_ns(struct qr_env *env)
{
    (void)env;
    return clock_ns(CLOCK_REALTIME);
}

static int64_t real_mono_ns(struct qr_env *env)
{
    (void)env;
    return clock_ns(CLOCK_MONOTONIC);
}

static void real_sleep_ns(struct qr_env *env, int64_t ns)
{
    (void)env;
    struct timespec left = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    while (ns > 0 && nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

static void real_random(struct qr_env *env, void *dst, size_t bytes)
{
    (void)env;
    for (size_t done = 0; done < bytes;) {
        ssize_t n = getrandom((char *)dst + done, bytes - done, 0);
        assert(n > 0 || errno == EINTR); /* no other failure is documented for valid memory */
        if (n > 0)
            done += (size_t)n;
    }
}

/* A file system that does not tell its alignment, or needs more than sectors, gets no direct
 * writes. */
static void open_direct(struct real_file *file, const char *path, unsigned flags)
{
    enum { ALIGN_MAX = 4096 };
    struct statx st;
    if (statx(file->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) != 0 ||
        (st.stx_mask & STATX_DIOALIGN) == 0 || st.stx_dio_offset_align == 0 ||
        st.stx_dio_offset_align > ALIGN_MAX || st.stx_dio_mem_align > ALIGN_MAX)
        return;
    file->direct_offset_align = st.stx_dio_offset_align;
    file->direct_memory_align = st.stx_dio_mem_align;
    file->direct_reads = (flags & QR_OPEN_DIRECT_READ) != 0;
    file->direct_fd = open(path, (file->direct_reads ? O_RDWR : O_WRONLY) | O_DIRECT | O_CLOEXEC);
}

static enum qr_status real_open(struct qr_env *env, const char *path, unsigned flags,
                                struct qr_file **ret_file, struct qr_err *err)
{
    (void)env;
    int how = O_CLOEXEC;
    if ((flags & QR_OPEN_RW) == QR_OPEN_RW)
        how |= O_RDWR;
    else if ((flags & QR_OPEN_WRITE) != 0)
        how |= O_WRONLY;
    if ((flags & QR_OPEN_CREATE) != 0)
        how |= O_CREAT;
    if ((flags & QR_OPEN_EXCLUSIVE) != 0)
        how |= O_EXCL;
    if ((flags & QR_OPEN_TRUNCATE) != 0)
        how |= O_TRUNC;

    struct real_file *file = malloc(sizeof *file);
    if (file == NULL)
        return qr_fail(err, QR_NOMEM, "open '%s'", path);
    *file = (struct real_file){.base.ops = &real_file_ops, .direct_fd = -1};
    do
        file->fd = open(path, how, 0600);
    while (file->fd < 0 && errno == EINTR);
    if (file->fd < 0) {
        enum qr_status status = fail_errno(err, "open", path);
        free(file);
        return status;
    }
    if ((flags & QR_OPEN_DIRECT) != 0)
        open_direct(file, path, flags);
    *ret_file = &file->base;
    return QR_OK;
}

static enum qr_status real_rename(struct qr_env *env, const char *from, const char *to,
                                  struct qr_err *err)
{
    (void)env;
    return rename(from, to) == 0 ? QR_OK : fail_errno(err, "rename", from);
}

static enum qr_status real_unlink(struct qr_env *env, const char *path, struct qr_err *err)
{
    (void)env;
    return unlink(path) == 0 ? QR_OK : fail_errno(err, "remove", path);
}

static enum qr_status real_make_dir(struct qr_env *env, const char *path, struct qr_err *err)
{
    (void)env;
    return mkdir(path, 0700) == 0 ? QR_OK : fail_errno(err, "make directory", path);
}

static enum qr_status real_remove_dir(struct qr_env *env, const char *path, struct qr_err *err)
{
    (void)env;
    return rmdir(path) == 0 ? QR_OK : fail_errno(err, "remove directory", path);
}

static enum qr_status real_sync_dir(struct qr_env *env, const char *path, struct qr_err *err)
{
    (void)env;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, "open directory", path);
    enum qr_status status = fsync(fd) == 0 ? QR_OK : fail_errno(err, "sync directory", path);
    close(fd);
    return status;
}

static int skip_dots(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static enum qr_status real_list(struct qr_env *env, const char *path, qr_env_list_fn *each,
                                void *arg, struct qr_err *err)
{
    (void)env;
    struct dirent **entries;
    int count = scandir(path, &entries, skip_dots, by_bytes);
    if (count < 0)
        return fail_errno(err, "list directory", path);
    bool go_on = true;
    for (int i = 0; i < count; i++) {
        if (go_on)
            go_on = each(arg, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return QR_OK;
}

static const struct qr_env_ops real_ops = {
    .wall_ns = real_wall_ns,
    .mono_ns = real_mono_ns,
    .sleep_ns = real_sleep_ns,
    .random = real_random,
    .open = real_open,
    .rename = real_rename,
    .unlink = real_unlink,
    .make_dir = real_make_dir,
    .remove_dir = real_remove_dir,
    .sync_dir = real_sync_dir,
    .list = real_list,
};

int qr_env_real_descriptor(struct qr_file *file)
{
    return file == NULL ? -1 : fd_of(file);
}

struct qr_env *qr_env_real(void)
{
    static struct qr_env real = {.ops = &real_ops};
    return &real;
}
