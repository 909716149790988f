/* sim.c - see env/sim.h: the environment's slots over the simulated disk */
#include "env/sim.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "sim_int.h"
#include "base/banned.h"

static const int64_t WALL_START_NS = INT64_C(1767225600) * 1000000000; /* 2026-01-01 */

struct sim_file {
    struct qr_file base; /* first */
    struct qr_sim *sim;
    struct qri_inode *inode; /* counted */
    uint64_t boot;
    unsigned flags;
};

/* splitmix64 */
uint64_t qri_sim_random(struct qr_sim *sim)
{
    uint64_t z = (sim->random_state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Counts one I/O; says whether it shall fail. */
static enum qr_status count_io(struct qr_sim *sim)
{
    sim->io_count += 1;
    if (sim->stopped)
        return sim->fault_status;
    if (sim->fault_at == 0 || sim->io_count != sim->fault_at)
        return QR_OK;
    sim->fault_fired = true;
    sim->stopped = sim->fault_stays;
    return sim->fault_status;
}

static enum qr_status explain(struct qr_err *err, enum qr_status status, const char *words)
{
    return status == QR_OK ? QR_OK : qr_fail(err, status, "%s (simulated)", words);
}

/* Locks the simulation and counts an I/O on the file; the caller unlocks in any case. */
static enum qr_status enter_file(struct sim_file *file, bool counts)
{
    pthread_mutex_lock(&file->sim->mu);
    if (file->boot != file->sim->boot)
        return QR_IO;
    return counts ? count_io(file->sim) : QR_OK;
}

static enum qr_status leave(struct qr_sim *sim, enum qr_status status, struct qr_err *err,
                            const char *words)
{
    pthread_mutex_unlock(&sim->mu);
    return explain(err, status, words);
}

static enum qr_status sim_pread(struct qr_file *base, void *dst, size_t bytes, uint64_t offset,
                                size_t *ret_bytes, struct qr_err *err)
{
    struct sim_file *file = (struct sim_file *)base;
    assert((file->flags & QR_OPEN_READ) != 0);
    enum qr_status status = enter_file(file, true);
    if (status == QR_OK) {
        size_t have = file->inode->now_bytes;
        size_t n = offset >= have ? 0 : have - (size_t)offset;
        n = n < bytes ? n : bytes;
        if (n > 0)
            memcpy(dst, file->inode->now + offset, n);
        *ret_bytes = n;
    }
    return leave(file->sim, status, err, "read");
}

static enum qr_status sim_pwritev(struct qr_file *base, const struct iovec *iov, int iov_count,
                                  uint64_t offset, struct qr_err *err)
{
    struct sim_file *file = (struct sim_file *)base;
    assert((file->flags & QR_OPEN_WRITE) != 0);
    assert(iov_count >= 0 && iov_count <= QR_FILE_IOV_MAX);
    enum qr_status status = enter_file(file, true);
    size_t total = 0;
    for (int i = 0; i < iov_count; i++)
        total += iov[i].iov_len;
    size_t left = total; /* a failing write leaves a prefix of itself */
    if (status != QR_OK)
        left = file->boot != file->sim->boot || total == 0
                   ? 0
                   : (size_t)(qri_sim_random(file->sim) % total);
    for (int i = 0; i < iov_count && left > 0; i++) {
        size_t n = iov[i].iov_len < left ? iov[i].iov_len : left;
        enum qr_status written =
            qri_inode_write(file->sim, file->inode, iov[i].iov_base, n, offset);
        if (written != QR_OK) {
            status = written;
            break;
        }
        offset += n;
        left -= n;
    }
    return leave(file->sim, status, err, "write");
}

static enum qr_status sim_pwrite(struct qr_file *base, const void *src, size_t bytes,
                                 uint64_t offset, struct qr_err *err)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)src, .iov_len = bytes};
    return sim_pwritev(base, &iov, 1, offset, err);
}

static enum qr_status sim_sync(struct qr_file *base, struct qr_err *err)
{
    struct sim_file *file = (struct sim_file *)base;
    enum qr_status status = enter_file(file, true);
    if (status == QR_OK)
        qri_inode_sync(file->inode);
    else if (file->boot == file->sim->boot)
        qri_inode_sync_failed(file->sim, file->inode);
    return leave(file->sim, status, err, "sync");
}

static enum qr_status sim_pwrite_sync(struct qr_file *base, const void *src, size_t bytes,
                                      uint64_t offset, struct qr_err *err)
{
    struct sim_file *file = (struct sim_file *)base;
    assert((file->flags & QR_OPEN_WRITE) != 0);
    enum qr_status status = enter_file(file, true);
    bool alive = file->boot == file->sim->boot;
    enum qr_status written = QR_OK;
    size_t wanted = status == QR_OK ? bytes : 0; /* a failing one leaves any part of itself */
    if (status != QR_OK && alive && bytes > 0)
        wanted = (size_t)(qri_sim_random(file->sim) % bytes);
    written = qri_inode_write(file->sim, file->inode, src, wanted, offset);
    if (status == QR_OK)
        status = written;
    if (status == QR_OK)
        qri_inode_sync_range(file->inode, (size_t)offset, bytes);
    else if (alive)
        qri_inode_sync_failed(file->sim, file->inode);
    return leave(file->sim, status, err, "write and sync");
}

static enum qr_status sim_preallocate(struct qr_file *base, uint64_t offset, uint64_t bytes,
                                      struct qr_err *err)
{
    struct sim_file *file = (struct sim_file *)base;
    enum qr_status status = enter_file(file, true);
    if (status == QR_OK && offset + bytes > file->inode->now_bytes)
        status = qri_inode_resize(file->sim, file->inode, offset + bytes);
    return leave(file->sim, status, err, "preallocate");
}

static enum qr_status sim_truncate(struct qr_file *base, uint64_t bytes, struct qr_err *err)
{
    struct sim_file *file = (struct sim_file *)base;
    enum qr_status status = enter_file(file, true);
    if (status == QR_OK)
        status = qri_inode_resize(file->sim, file->inode, bytes);
    return leave(file->sim, status, err, "truncate");
}

static enum qr_status sim_size(struct qr_file *base, uint64_t *ret_bytes, struct qr_err *err)
{
    struct sim_file *file = (struct sim_file *)base;
    enum qr_status status = enter_file(file, false);
    if (status == QR_OK)
        *ret_bytes = file->inode->now_bytes;
    return leave(file->sim, status, err, "stat");
}

static enum qr_status sim_lock(struct qr_file *base, struct qr_err *err)
{
    struct sim_file *file = (struct sim_file *)base;
    enum qr_status status = enter_file(file, false);
    if (status == QR_OK && file->inode->locker != NULL && file->inode->locker != file)
        status = QR_LOCKED;
    if (status == QR_OK)
        file->inode->locker = file;
    return leave(file->sim, status, err, "lock");
}

static void sim_close(struct qr_file *base)
{
    struct sim_file *file = (struct sim_file *)base;
    struct qr_sim *sim = file->sim;
    pthread_mutex_lock(&sim->mu);
    if (file->inode->locker == file)
        file->inode->locker = NULL;
    qri_inode_unref(sim, file->inode);
    pthread_mutex_unlock(&sim->mu);
    free(file);
}

static const struct qr_file_ops sim_file_ops = {
    .pread = sim_pread,
    .pwrite = sim_pwrite,
    .pwritev = sim_pwritev,
    .sync = sim_sync,
    .pwrite_sync = sim_pwrite_sync,
    .preallocate = sim_preallocate,
    .truncate = sim_truncate,
    .size = sim_size,
    .lock = sim_lock,
    .close = sim_close,
};

static struct qr_sim *enter(struct qr_env *env, enum qr_status *ret_status)
{
    struct qr_sim *sim = (struct qr_sim *)env;
    pthread_mutex_lock(&sim->mu);
    *ret_status = count_io(sim);
    return sim;
}

static int64_t sim_wall_ns(struct qr_env *env)
{
    struct qr_sim *sim = (struct qr_sim *)env;
    pthread_mutex_lock(&sim->mu);
    int64_t ns = sim->wall_ns;
    pthread_mutex_unlock(&sim->mu);
    return ns;
}

static int64_t sim_mono_ns(struct qr_env *env)
{
    struct qr_sim *sim = (struct qr_sim *)env;
    pthread_mutex_lock(&sim->mu);
    int64_t ns = sim->mono_ns;
    pthread_mutex_unlock(&sim->mu);
    return ns;
}

static void sim_sleep_ns(struct qr_env *env, int64_t ns)
{
    qr_sim_advance((struct qr_sim *)env, ns > 0 ? ns : 0);
}

static void sim_random(struct qr_env *env, void *dst, size_t bytes)
{
    struct qr_sim *sim = (struct qr_sim *)env;
    pthread_mutex_lock(&sim->mu);
    for (size_t i = 0; i < bytes; i++)
        ((uint8_t *)dst)[i] = (uint8_t)(qri_sim_random(sim) >> 56);
    pthread_mutex_unlock(&sim->mu);
}

static enum qr_status find_or_create(struct qr_sim *sim, const char *path, unsigned flags,
                                     struct qri_inode **ret_inode)
{
    struct qri_inode *dir;
    char name[QRI_NAME_BYTES_MAX + 1];
    QR_TRY(qri_names_find_parent(sim, path, &dir, name));
    struct qri_inode *inode = qri_names_get(&dir->entries, name);
    if (inode != NULL) {
        if ((flags & QR_OPEN_EXCLUSIVE) != 0)
            return QR_EXISTS;
        if (inode->is_dir)
            return QR_IO;
        inode->refs += 1;
    } else {
        if ((flags & QR_OPEN_CREATE) == 0)
            return QR_NOT_FOUND;
        inode = qri_inode_new(sim, false);
        if (inode == NULL)
            return QR_NOMEM;
        enum qr_status status = qri_names_change(sim, NULL, NULL, dir, name, inode);
        if (status != QR_OK) {
            qri_inode_unref(sim, inode);
            return status;
        }
    }
    *ret_inode = inode;
    return QR_OK;
}

static enum qr_status sim_open(struct qr_env *env, const char *path, unsigned flags,
                               struct qr_file **ret_file, struct qr_err *err)
{
    struct sim_file *file = calloc(1, sizeof *file);
    if (file == NULL)
        return qr_fail(err, QR_NOMEM, "open '%s'", path);
    enum qr_status status;
    struct qr_sim *sim = enter(env, &status);
    if (status == QR_OK)
        status = find_or_create(sim, path, flags, &file->inode);
    if (status == QR_OK && (flags & QR_OPEN_TRUNCATE) != 0)
        status = qri_inode_resize(sim, file->inode, 0);
    if (status == QR_OK) {
        file->base.ops = &sim_file_ops;
        file->sim = sim;
        file->boot = sim->boot;
        file->flags = flags;
        *ret_file = &file->base;
    } else {
        qri_inode_unref(sim, file->inode);
        free(file);
    }
    return leave(sim, status, err, path);
}

static enum qr_status do_rename(struct qr_sim *sim, const char *from, const char *to)
{
    struct qri_inode *from_dir, *to_dir;
    char from_name[QRI_NAME_BYTES_MAX + 1], to_name[QRI_NAME_BYTES_MAX + 1];
    QR_TRY(qri_names_find_parent(sim, from, &from_dir, from_name));
    QR_TRY(qri_names_find_parent(sim, to, &to_dir, to_name));
    struct qri_inode *inode = qri_names_get(&from_dir->entries, from_name);
    if (inode == NULL)
        return QR_NOT_FOUND;
    const struct qri_inode *target = qri_names_get(&to_dir->entries, to_name);
    if (target == inode)
        return QR_OK;
    if (target != NULL && (target->is_dir || inode->is_dir))
        return QR_EXISTS;
    return qri_names_change(sim, from_dir, from_name, to_dir, to_name, inode);
}

static enum qr_status sim_rename(struct qr_env *env, const char *from, const char *to,
                                 struct qr_err *err)
{
    enum qr_status status;
    struct qr_sim *sim = enter(env, &status);
    if (status == QR_OK)
        status = do_rename(sim, from, to);
    return leave(sim, status, err, from);
}

static enum qr_status remove_name(struct qr_sim *sim, const char *path, bool want_dir)
{
    struct qri_inode *dir;
    char name[QRI_NAME_BYTES_MAX + 1];
    QR_TRY(qri_names_find_parent(sim, path, &dir, name));
    const struct qri_inode *inode = qri_names_get(&dir->entries, name);
    if (inode == NULL)
        return QR_NOT_FOUND;
    if (inode->is_dir != want_dir)
        return QR_IO;
    if (want_dir && inode->entries.count > 0)
        return QR_EXISTS;
    return qri_names_change(sim, dir, name, NULL, NULL, NULL);
}

static enum qr_status sim_unlink(struct qr_env *env, const char *path, struct qr_err *err)
{
    enum qr_status status;
    struct qr_sim *sim = enter(env, &status);
    if (status == QR_OK)
        status = remove_name(sim, path, false);
    return leave(sim, status, err, path);
}

static enum qr_status sim_remove_dir(struct qr_env *env, const char *path, struct qr_err *err)
{
    enum qr_status status;
    struct qr_sim *sim = enter(env, &status);
    if (status == QR_OK)
        status = remove_name(sim, path, true);
    return leave(sim, status, err, path);
}

static enum qr_status do_make_dir(struct qr_sim *sim, const char *path)
{
    struct qri_inode *dir;
    char name[QRI_NAME_BYTES_MAX + 1];
    QR_TRY(qri_names_find_parent(sim, path, &dir, name));
    if (qri_names_get(&dir->entries, name) != NULL)
        return QR_EXISTS;
    struct qri_inode *inode = qri_inode_new(sim, true);
    if (inode == NULL)
        return QR_NOMEM;
    enum qr_status status = qri_names_change(sim, NULL, NULL, dir, name, inode);
    qri_inode_unref(sim, inode);
    return status;
}

static enum qr_status sim_make_dir(struct qr_env *env, const char *path, struct qr_err *err)
{
    enum qr_status status;
    struct qr_sim *sim = enter(env, &status);
    if (status == QR_OK)
        status = do_make_dir(sim, path);
    return leave(sim, status, err, path);
}

static enum qr_status sim_sync_dir(struct qr_env *env, const char *path, struct qr_err *err)
{
    enum qr_status status;
    struct qr_sim *sim = enter(env, &status);
    struct qri_inode *dir;
    if (status == QR_OK)
        status = qri_names_find(sim, path, &dir);
    if (status == QR_OK)
        qri_names_sync_dir(sim, dir);
    return leave(sim, status, err, path);
}

static enum qr_status sim_list(struct qr_env *env, const char *path, qr_env_list_fn *each,
                               void *arg, struct qr_err *err)
{
    enum qr_status status;
    struct qr_sim *sim = enter(env, &status);
    struct qri_inode *dir;
    if (status == QR_OK)
        status = qri_names_find(sim, path, &dir);
    if (status == QR_OK && !dir->is_dir)
        status = QR_NOT_FOUND; /* as the machine says it */
    struct qri_entry *copy = NULL; /* the callback may come back into the environment */
    size_t count = 0;
    if (status == QR_OK && dir->entries.count > 0) {
        count = dir->entries.count;
        copy = malloc(count * sizeof *copy);
        if (copy != NULL)
            memcpy(copy, dir->entries.items, count * sizeof *copy);
        else
            status = QR_NOMEM;
    }
    pthread_mutex_unlock(&sim->mu);
    for (size_t i = 0; status == QR_OK && i < count; i++)
        if (!each(arg, copy[i].name))
            break;
    free(copy);
    return explain(err, status, path);
}

static const struct qr_env_ops sim_ops = {
    .wall_ns = sim_wall_ns,
    .mono_ns = sim_mono_ns,
    .sleep_ns = sim_sleep_ns,
    .random = sim_random,
    .open = sim_open,
    .rename = sim_rename,
    .unlink = sim_unlink,
    .make_dir = sim_make_dir,
    .remove_dir = sim_remove_dir,
    .sync_dir = sim_sync_dir,
    .list = sim_list,
};

struct qr_sim *qr_sim_new(const struct qr_sim_options *options)
{
    struct qr_sim *sim = calloc(1, sizeof *sim);
    if (sim == NULL)
        return NULL;
    sim->env.ops = &sim_ops;
    sim->options = *options;
    sim->random_state = options->seed;
    sim->wall_ns = options->wall_ns != 0 ? options->wall_ns : WALL_START_NS;
    sim->fault_at = options->io_fault_at;
    sim->fault_stays = options->io_fault_stays;
    sim->fault_status = options->io_fault_status != QR_OK ? options->io_fault_status : QR_IO;
    pthread_mutex_init(&sim->mu, NULL);
    sim->root = qri_inode_new(sim, true);
    if (sim->root == NULL) {
        qr_sim_free(sim);
        return NULL;
    }
    return sim;
}

void qr_sim_free(struct qr_sim *sim)
{
    if (sim == NULL)
        return;
    qri_names_drop_ops(sim);
    qri_inode_unref(sim, sim->root);
    assert(sim->inodes == NULL); /* a file was not closed */
    free(sim->ops);
    pthread_mutex_destroy(&sim->mu);
    free(sim);
}

struct qr_env *qr_sim_env(struct qr_sim *sim)
{
    return &sim->env;
}

static void new_boot(struct qr_sim *sim)
{
    sim->boot += 1;
    sim->stopped = false;
    sim->fault_at = 0;
}

void qr_sim_power_cut(struct qr_sim *sim)
{
    pthread_mutex_lock(&sim->mu);
    for (struct qri_inode *inode = sim->inodes; inode != NULL; inode = inode->next)
        qri_inode_power_cut(sim, inode);
    qri_names_power_cut(sim);
    new_boot(sim);
    pthread_mutex_unlock(&sim->mu);
}

void qr_sim_kill(struct qr_sim *sim)
{
    pthread_mutex_lock(&sim->mu);
    for (struct qri_inode *inode = sim->inodes; inode != NULL; inode = inode->next)
        inode->locker = NULL;
    new_boot(sim);
    pthread_mutex_unlock(&sim->mu);
}

bool qr_sim_fault_fired(const struct qr_sim *sim)
{
    return sim->fault_fired;
}

uint64_t qr_sim_io_count(const struct qr_sim *sim)
{
    return sim->io_count;
}

void qr_sim_fault_next(struct qr_sim *sim, uint64_t nth, bool stays, enum qr_status status)
{
    pthread_mutex_lock(&sim->mu);
    sim->fault_at = nth == 0 ? 0 : sim->io_count + nth;
    sim->fault_stays = stays;
    sim->fault_status = status != QR_OK ? status : QR_IO;
    sim->fault_fired = false;
    sim->stopped = false;
    pthread_mutex_unlock(&sim->mu);
}

void qr_sim_disk_limit(struct qr_sim *sim, uint64_t disk_bytes_max)
{
    pthread_mutex_lock(&sim->mu);
    sim->options.disk_bytes_max = disk_bytes_max;
    pthread_mutex_unlock(&sim->mu);
}

enum qr_status qr_sim_flip_bit(struct qr_sim *sim, const char *path, uint64_t bit_index)
{
    pthread_mutex_lock(&sim->mu);
    struct qri_inode *inode;
    enum qr_status status = qri_names_find(sim, path, &inode);
    if (status == QR_OK && bit_index / 8 >= inode->now_bytes)
        status = QR_INVALID;
    if (status == QR_OK) {
        uint8_t mask = (uint8_t)(1u << (bit_index % 8));
        inode->now[bit_index / 8] ^= mask;
        inode->disk[bit_index / 8] ^= mask;
    }
    pthread_mutex_unlock(&sim->mu);
    return status;
}

void qr_sim_advance(struct qr_sim *sim, int64_t ns)
{
    assert(ns >= 0);
    pthread_mutex_lock(&sim->mu);
    sim->mono_ns += ns;
    sim->wall_ns += ns;
    pthread_mutex_unlock(&sim->mu);
}

void qr_sim_set_wall(struct qr_sim *sim, int64_t wall_ns)
{
    pthread_mutex_lock(&sim->mu);
    sim->wall_ns = wall_ns;
    pthread_mutex_unlock(&sim->mu);
}
