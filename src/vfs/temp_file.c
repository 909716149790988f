/* temp_file.c - SQLite's temporary files (sorts, temporary tables, statement journals): local, with
 * no name, counted against the store's quota. See vfs_int.h. */
#include "vfs_int.h"
#include <string.h>
#include "base/banned.h"

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
    bool full = status == QR_FULL || status == QR_SQL;
    return full ? SQLITE_FULL : status == QR_NOMEM ? SQLITE_NOMEM : SQLITE_IOERR_WRITE;
}

static int temp_read(sqlite3_file *file, void *dst, int amount, sqlite3_int64 offset)
{
    struct qri_temp_file *temp = temp_of(file);
    size_t got = 0;
    enum qr_status status = QR_OK;
    if (temp->file != NULL)
        status = qr_tmp_file_read(temp->file, dst, (size_t)amount, (uint64_t)offset, &got, NULL);
    if (status != QR_OK)
        return SQLITE_IOERR_READ;
    memset((uint8_t *)dst + got, 0, (size_t)amount - got);
    return got == (size_t)amount ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int temp_write(sqlite3_file *file, const void *src, int amount, sqlite3_int64 offset)
{
    struct qri_temp_file *temp = temp_of(file);
    struct qr_err *err = &temp->conn->err;
    enum qr_status status = QR_OK;
    if (temp->file == NULL) {
        status = qr_tmp_file_new(temp->store, &temp->file, err);
        if (status == QR_OK)
            qr_tmp_file_charge(temp->file);
        if (status == QR_OK && temp->keeps_tables)
            qr_tmp_file_keep_tables(temp->file);
    }
    if (status == QR_OK)
        status = qr_tmp_file_write(temp->file, src, (size_t)amount, (uint64_t)offset, err);
    if (status == QR_OK)
        temp->conn->temp_written += (uint64_t)amount;
    return code(temp, status);
}

static int temp_truncate(sqlite3_file *file, sqlite3_int64 bytes)
{
    struct qri_temp_file *temp = temp_of(file);
    if (temp->file == NULL || qr_tmp_file_truncate(temp->file, (uint64_t)bytes, NULL) == QR_OK)
        return SQLITE_OK;
    return SQLITE_IOERR_TRUNCATE;
}

static int temp_size(sqlite3_file *file, sqlite3_int64 *ret_bytes)
{
    struct qri_temp_file *temp = temp_of(file);
    *ret_bytes = temp->file == NULL ? 0 : (sqlite3_int64)qr_tmp_file_bytes(temp->file);
    return SQLITE_OK;
}

static int temp_close(sqlite3_file *file)
{
    qr_tmp_file_free(temp_of(file)->file);
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
