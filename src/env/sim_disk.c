/* sim_disk.c - see sim_int.h: file contents with what is synced and what is not */
#include "sim_int.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

static size_t sectors_of(size_t bytes)
{
    return (bytes + QRI_SECTOR_BYTES - 1) / QRI_SECTOR_BYTES;
}

struct qri_inode *qri_inode_new(struct qr_sim *sim, bool is_dir)
{
    struct qri_inode *inode = calloc(1, sizeof *inode);
    if (inode == NULL)
        return NULL;
    inode->refs = 1;
    inode->is_dir = is_dir;
    inode->next = sim->inodes;
    if (sim->inodes != NULL)
        sim->inodes->prev = inode;
    sim->inodes = inode;
    return inode;
}

void qri_inode_unref(struct qr_sim *sim, struct qri_inode *inode)
{
    if (inode == NULL || --inode->refs > 0)
        return;
    if (inode->prev != NULL)
        inode->prev->next = inode->next;
    else
        sim->inodes = inode->next;
    if (inode->next != NULL)
        inode->next->prev = inode->prev;
    sim->used_bytes -= inode->now_bytes;
    free(inode->now);
    free(inode->disk);
    free(inode->dirty);
    qri_entries_done(sim, &inode->entries);
    qri_entries_done(sim, &inode->disk_entries);
    free(inode);
}

static enum qr_status ensure_capacity(struct qri_inode *inode, size_t bytes)
{
    if (bytes <= inode->capacity)
        return QR_OK;
    size_t capacity = inode->capacity == 0 ? 16 * QRI_SECTOR_BYTES : inode->capacity;
    while (capacity < bytes)
        capacity *= 2;
    uint8_t *now = calloc(1, capacity), *disk = calloc(1, capacity);
    uint8_t *dirty = calloc(1, sectors_of(capacity));
    if (now == NULL || disk == NULL || dirty == NULL) {
        free(now);
        free(disk);
        free(dirty);
        return QR_NOMEM;
    }
    if (inode->capacity > 0) {
        memcpy(now, inode->now, inode->capacity);
        memcpy(disk, inode->disk, inode->capacity);
        memcpy(dirty, inode->dirty, sectors_of(inode->capacity));
    }
    free(inode->now);
    free(inode->disk);
    free(inode->dirty);
    inode->now = now;
    inode->disk = disk;
    inode->dirty = dirty;
    inode->capacity = capacity;
    return QR_OK;
}

static void mark_dirty(struct qri_inode *inode, size_t from, size_t to)
{
    if (from < to)
        memset(inode->dirty + from / QRI_SECTOR_BYTES, 1, sectors_of(to) - from / QRI_SECTOR_BYTES);
}

enum qr_status qri_inode_resize(struct qr_sim *sim, struct qri_inode *inode, uint64_t bytes)
{
    size_t old = inode->now_bytes;
    uint64_t grown = bytes > old ? bytes - old : 0;
    if (sim->options.disk_bytes_max != 0 && grown > 0 &&
        (grown > sim->options.disk_bytes_max ||
         sim->used_bytes > sim->options.disk_bytes_max - grown))
        return QR_FULL;
    QR_TRY(ensure_capacity(inode, (size_t)bytes));
    if (bytes < old) {
        memset(inode->now + bytes, 0, old - (size_t)bytes);
        mark_dirty(inode, (size_t)bytes, old);
    } else {
        mark_dirty(inode, old, (size_t)bytes);
    }
    inode->now_bytes = (size_t)bytes;
    sim->used_bytes = sim->used_bytes - old + bytes;
    return QR_OK;
}

enum qr_status qri_inode_write(struct qr_sim *sim, struct qri_inode *inode, const void *src,
                               size_t bytes, uint64_t offset)
{
    if (bytes == 0)
        return QR_OK;
    if (offset + bytes > inode->now_bytes)
        QR_TRY(qri_inode_resize(sim, inode, offset + bytes));
    memcpy(inode->now + offset, src, bytes);
    mark_dirty(inode, (size_t)offset, (size_t)offset + bytes);
    return QR_OK;
}

static void keep_sector(struct qri_inode *inode, size_t sector)
{
    size_t at = sector * QRI_SECTOR_BYTES;
    memcpy(inode->disk + at, inode->now + at, QRI_SECTOR_BYTES);
}

static void set_disk_size(struct qri_inode *inode, size_t bytes)
{
    if (inode->capacity > bytes)
        memset(inode->disk + bytes, 0, inode->capacity - bytes);
    inode->disk_bytes = bytes;
}

void qri_inode_sync(struct qri_inode *inode)
{
    for (size_t i = 0; i < sectors_of(inode->capacity); i++)
        if (inode->dirty[i] != 0)
            keep_sector(inode, i);
    if (inode->capacity > 0)
        memset(inode->dirty, 0, sectors_of(inode->capacity));
    set_disk_size(inode, inode->now_bytes);
}

void qri_inode_sync_range(struct qri_inode *inode, size_t offset, size_t bytes)
{
    for (size_t i = offset / QRI_SECTOR_BYTES; i < sectors_of(offset + bytes); i++) {
        keep_sector(inode, i);
        inode->dirty[i] = 0;
    }
    if (inode->disk_bytes < offset + bytes)
        inode->disk_bytes = offset + bytes;
}

/* Some of the unsynced sectors reach the disk, some do not. */
static void keep_some(struct qr_sim *sim, struct qri_inode *inode)
{
    for (size_t i = 0; i < sectors_of(inode->capacity); i++) {
        if (inode->dirty[i] != 0 && (qri_sim_random(sim) & 1) != 0)
            keep_sector(inode, i);
        inode->dirty[i] = 0;
    }
    bool new_size = (qri_sim_random(sim) & 1) != 0;
    set_disk_size(inode, new_size ? inode->now_bytes : inode->disk_bytes);
}

void qri_inode_sync_failed(struct qr_sim *sim, struct qri_inode *inode)
{
    keep_some(sim, inode);
}

void qri_inode_power_cut(struct qr_sim *sim, struct qri_inode *inode)
{
    inode->locker = NULL;
    if (inode->is_dir)
        return;
    keep_some(sim, inode);
    if (inode->capacity > 0)
        memcpy(inode->now, inode->disk, inode->capacity);
    sim->used_bytes = sim->used_bytes - inode->now_bytes + inode->disk_bytes;
    inode->now_bytes = inode->disk_bytes;
}
