/* temp_file.c - SQLite's temporary files (sorts, temporary tables, statement journals): local, with
 * no name, counted against the store's quota. See vfs_int.h. */
#include "vfs_int.h"
#include <stdio.h>
#include <string.h>
#include "base/banned.h"

enum { PATH_BYTES = QR_STORE_PATH_BYTES_MAX + 64 };

static struct qri_temp_file *temp_of(sqlite3_file *file)
{
    return (struct qri_temp_file *)file;
}

/* Keeps a shortage of space or memory as the connection's error, so that it is not taken for the
 * database's quota. */
static int code(struct qri_temp_file *temp, enum qr_status status)
{
    if (status == QR_OK)
        return SQLITE_OK;
    temp->conn->err.status = status;
    return status == QR_FULL ? SQLITE_FULL : status == QR_NOMEM ? SQLITE_NOMEM : SQLITE_IOERR_WRITE;
}

static enum qr_status open_file(struct qri_temp_file *temp, struct qr_err *err)
{
    struct qr_env *env = qr_store_env(temp->store);
    uint64_t number;
    char path[PATH_BYTES];
    qr_env_random(env, &number, sizeof number);
    snprintf(path, sizeof path, "%s/tmp.%016llx", qr_store_tmp_dir(temp->store),
             (unsigned long long)number);
    QR_TRY(
        qr_env_open(env, path, QR_OPEN_RW | QR_OPEN_CREATE | QR_OPEN_EXCLUSIVE, &temp->file, err));
    (void)!qr_env_unlink(env, path, NULL); /* it goes with its handle */
    return QR_OK;
}

static int temp_read(sqlite3_file *file, void *dst, int amount, sqlite3_int64 offset)
{
    struct qri_temp_file *temp = temp_of(file);
    size_t got = 0;
    enum qr_status status = QR_OK;
    if (temp->file != NULL)
        status = qr_file_pread(temp->file, dst, (size_t)amount, (uint64_t)offset, &got, NULL);
    if (status != QR_OK)
        return SQLITE_IOERR_READ;
    memset((uint8_t *)dst + got, 0, (size_t)amount - got);
    return got == (size_t)amount ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int temp_write(sqlite3_file *file, const void *src, int amount, sqlite3_int64 offset)
{
    struct qri_temp_file *temp = temp_of(file);
    struct qr_err *err = &temp->conn->err;
    uint64_t end = (uint64_t)offset + (uint64_t)amount;
    enum qr_status status = QR_OK;
    if (end > temp->bytes) {
        status = qr_store_tmp_grow(temp->store, end - temp->bytes, err);
        if (status == QR_OK)
            temp->bytes = end;
    }
    if (status == QR_OK && temp->file == NULL)
        status = open_file(temp, err);
    if (status == QR_OK)
        status = qr_file_pwrite(temp->file, src, (size_t)amount, (uint64_t)offset, err);
    return code(temp, status);
}

static int temp_truncate(sqlite3_file *file, sqlite3_int64 bytes)
{
    struct qri_temp_file *temp = temp_of(file);
    if ((uint64_t)bytes >= temp->bytes)
        return SQLITE_OK;
    if (temp->file != NULL && qr_file_truncate(temp->file, (uint64_t)bytes, NULL) != QR_OK)
        return SQLITE_IOERR_TRUNCATE;
    qr_store_tmp_shrink(temp->store, temp->bytes - (uint64_t)bytes);
    temp->bytes = (uint64_t)bytes;
    return SQLITE_OK;
}

static int temp_size(sqlite3_file *file, sqlite3_int64 *ret_bytes)
{
    *ret_bytes = (sqlite3_int64)temp_of(file)->bytes;
    return SQLITE_OK;
}

static int temp_close(sqlite3_file *file)
{
    struct qri_temp_file *temp = temp_of(file);
    qr_file_close(temp->file);
    qr_store_tmp_shrink(temp->store, temp->bytes);
    return SQLITE_OK;
}

static int temp_sync(sqlite3_file *file, int flags)
{
    (void)file, (void)flags; /* means nothing after a restart */
    return SQLITE_OK;
}

static int temp_lock(sqlite3_file *file, int level)
{
    (void)file, (void)level;
    return SQLITE_OK;
}

static int temp_check_reserved(sqlite3_file *file, int *ret)
{
    (void)file;
    *ret = 0;
    return SQLITE_OK;
}

static int temp_control(sqlite3_file *file, int op, void *arg)
{
    (void)file, (void)op, (void)arg;
    return SQLITE_NOTFOUND;
}

static int temp_sector_size(sqlite3_file *file)
{
    (void)file;
    return QRI_JOURNAL_HEADER_BYTES;
}

static int temp_characteristics(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE | SQLITE_IOCAP_SAFE_APPEND | SQLITE_IOCAP_SEQUENTIAL;
}

const sqlite3_io_methods qri_temp_methods = {
    .iVersion = 1,
    .xClose = temp_close,
    .xRead = temp_read,
    .xWrite = temp_write,
    .xTruncate = temp_truncate,
    .xSync = temp_sync,
    .xFileSize = temp_size,
    .xLock = temp_lock,
    .xUnlock = temp_lock,
    .xCheckReservedLock = temp_check_reserved,
    .xFileControl = temp_control,
    .xSectorSize = temp_sector_size,
    .xDeviceCharacteristics = temp_characteristics,
};
