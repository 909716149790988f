/* main_file.c - the database file as SQLite sees it: pages of a snapshot, private writes, and the
 * commit in two steps. See vfs_int.h and README.md. */
#include "vfs_int.h"
#include <assert.h>
#include <string.h>
#include "base/endian.h"
#include "page/record.h"
#include "base/banned.h"

enum { RESERVED_OFFSET = 20, CHANGE_COUNTER_OFFSET = 24, VERSION_VALID_OFFSET = 92 };

static struct qr_conn *conn_of(sqlite3_file *file)
{
    return ((struct qri_main_file *)file)->conn;
}

int qri_sqlite_code(struct qr_conn *conn, enum qr_status status, int io_code)
{
    if (status == QR_OK)
        return SQLITE_OK;
    conn->err.status = status;
    if (status == QR_NOMEM)
        return SQLITE_NOMEM;
    if (status == QR_FULL) {
        conn->over = qr_txn_over(conn->txn);
        conn->over_limit = qr_txn_over_limit(conn->txn);
        conn->over_log = qr_txn_over_log(conn->txn);
        return SQLITE_FULL;
    }
    return status == QR_CORRUPT ? SQLITE_CORRUPT : io_code;
}

static void patch_field(uint32_t field, uint32_t value, uint32_t offset, uint8_t *dst,
                        uint32_t bytes)
{
    uint8_t be[4];
    qr_put32be(be, value);
    for (uint32_t i = 0; i < 4; i++)
        if (field + i >= offset && field + i < offset + bytes)
            dst[field + i - offset] = be[i];
}

void qri_patch_page_1(const struct qr_conn *conn, uint32_t offset, void *dst, uint32_t bytes)
{
    patch_field(CHANGE_COUNTER_OFFSET, conn->counter, offset, dst, bytes);
    patch_field(VERSION_VALID_OFFSET, conn->counter, offset, dst, bytes);
}

/* --- locks: a shared lock is a snapshot --- */

int qri_pin(struct qr_conn *conn)
{
    if (conn->held)
        return SQLITE_OK;
    enum qr_status status = conn->uses_kept ? qr_txn_pin_as(conn->txn, conn->kept, &conn->err)
                            : qr_conn_has_writer(conn)
                                ? qr_txn_pin_head(conn->txn, &conn->err)
                                : qr_txn_pin(conn->txn, conn->at_least, &conn->err);
    if (status != QR_OK)
        return qri_sqlite_code(conn, status, SQLITE_IOERR_LOCK);
    conn->pinned = qr_txn_pinned(conn->txn);
    if (!qr_lsn_eq(conn->pinned, conn->counter_lsn)) {
        uint32_t newest = conn->counter;
        if ((int32_t)(conn->counter_written - newest) > 0)
            newest = conn->counter_written; /* never show a number again for something else */
        conn->counter = newest + 1;
        conn->counter_lsn = conn->pinned;
    }
    return SQLITE_OK;
}

static int main_lock(sqlite3_file *file, int level)
{
    struct qr_conn *conn = conn_of(file);
    if (level <= conn->lock)
        return SQLITE_OK;
    if (conn->lock == SQLITE_LOCK_NONE) {
        qr_err_reset(&conn->err);
        conn->over = QR_LIMIT_NONE;
        conn->over_limit = conn->over_log = false;
        int rc = qri_pin(conn);
        if (rc != SQLITE_OK)
            return rc;
    }
    if (level >= SQLITE_LOCK_RESERVED && conn->lock < SQLITE_LOCK_RESERVED && !conn->is_private) {
        if (!qr_conn_has_writer(conn))
            return SQLITE_BUSY;
        if (!qr_txn_at_head(conn->txn))
            return SQLITE_BUSY_SNAPSHOT;
    }
    conn->lock = level;
    return SQLITE_OK;
}

static int main_unlock(sqlite3_file *file, int level)
{
    struct qr_conn *conn = conn_of(file);
    if (level >= conn->lock)
        return SQLITE_OK;
    if (conn->lock > SQLITE_LOCK_SHARED) {
        qr_txn_discard(conn->txn); /* nothing is left of it after a publish */
        /* A pager that failed leaves its journal for the next reader to play back, who would have
         * to be a writer for it. The pages it is about are gone. */
        qri_journal_drop(&conn->journal);
    }
    if (level == SQLITE_LOCK_NONE && !conn->held)
        qr_txn_unpin(conn->txn);
    conn->lock = level;
    return SQLITE_OK;
}

static int main_check_reserved(sqlite3_file *file, int *ret)
{
    (void)file;
    *ret = 0;
    return SQLITE_OK;
}

/* SQLite looks at the header and the size once before it takes its first lock. */
static bool pin_briefly(struct qr_conn *conn, int *rc)
{
    *rc = SQLITE_OK;
    if (conn->lock != SQLITE_LOCK_NONE || conn->held)
        return false;
    *rc = qri_pin(conn);
    return *rc == SQLITE_OK;
}

/* --- pages --- */

static int main_read(sqlite3_file *file, void *dst, int amount, sqlite3_int64 offset)
{
    struct qr_conn *conn = conn_of(file);
    uint32_t page_bytes = qr_store_page_bytes(conn->store), bytes = (uint32_t)amount;
    uint32_t page_no = (uint32_t)((uint64_t)offset / page_bytes) + 1;
    uint32_t in_page = (uint32_t)((uint64_t)offset % page_bytes);
    int rc;
    bool brief = pin_briefly(conn, &rc);
    if (rc != SQLITE_OK)
        return rc;
    if (page_no > qr_txn_db_pages(conn->txn) || in_page + bytes > page_bytes) {
        memset(dst, 0, bytes);
        rc = SQLITE_IOERR_SHORT_READ;
    } else {
        rc = qri_sqlite_code(
            conn, qr_txn_read(conn->txn, page_no, in_page, dst, bytes, false, &conn->err),
            SQLITE_IOERR_READ);
        if (rc == SQLITE_OK && page_no == 1)
            qri_patch_page_1(conn, in_page, dst, bytes);
    }
    if (brief)
        qr_txn_unpin(conn->txn);
    return rc;
}

static int main_write(sqlite3_file *file, const void *src, int amount, sqlite3_int64 offset)
{
    struct qr_conn *conn = conn_of(file);
    uint32_t page_bytes = qr_store_page_bytes(conn->store);
    if (conn->lock < SQLITE_LOCK_RESERVED || (uint32_t)amount != page_bytes ||
        (uint64_t)offset % page_bytes != 0)
        return SQLITE_IOERR_WRITE;
    uint32_t page_no = (uint32_t)((uint64_t)offset / page_bytes) + 1;
    if (page_no == 1) {
        const uint8_t *header = src;
        if (header[RESERVED_OFFSET] != QR_PAGE_RESERVED_BYTES)
            return SQLITE_IOERR_WRITE; /* our trailer would overwrite data */
        conn->counter_written = qr_get32be(header + CHANGE_COUNTER_OFFSET);
    }
    return qri_sqlite_code(conn, qr_txn_write(conn->txn, page_no, src, &conn->err),
                           SQLITE_IOERR_WRITE);
}

static int main_truncate(sqlite3_file *file, sqlite3_int64 bytes)
{
    struct qr_conn *conn = conn_of(file);
    if (conn->lock < SQLITE_LOCK_RESERVED)
        return SQLITE_IOERR_TRUNCATE;
    qr_txn_truncate(conn->txn, (uint32_t)((uint64_t)bytes / qr_store_page_bytes(conn->store)));
    return SQLITE_OK;
}

static int main_size(sqlite3_file *file, sqlite3_int64 *ret_bytes)
{
    struct qr_conn *conn = conn_of(file);
    int rc;
    bool brief = pin_briefly(conn, &rc);
    if (rc != SQLITE_OK)
        return rc;
    *ret_bytes = (sqlite3_int64)qr_txn_db_pages(conn->txn) * qr_store_page_bytes(conn->store);
    if (brief)
        qr_txn_unpin(conn->txn);
    return SQLITE_OK;
}

static int main_fetch(sqlite3_file *file, sqlite3_int64 offset, int amount, void **ret_page)
{
    struct qr_conn *conn = conn_of(file);
    uint32_t page_bytes = qr_store_page_bytes(conn->store);
    *ret_page = NULL;
    /* Page 1 must be patched, so it is copied. */
    if (conn->lock != SQLITE_LOCK_NONE && offset >= page_bytes && (uint32_t)amount == page_bytes)
        *ret_page = (void *)(uintptr_t)qr_txn_fetch(conn->txn,
                                                    (uint32_t)((uint64_t)offset / page_bytes) + 1);
    return SQLITE_OK;
}

static int main_unfetch(sqlite3_file *file, sqlite3_int64 offset, void *page)
{
    (void)offset;
    if (page != NULL) /* NULL is a hint that the mapping may go */
        qr_txn_unfetch(conn_of(file)->txn, page);
    return SQLITE_OK;
}

/* --- commit --- */

static int publish(struct qr_conn *conn)
{
    if (!qr_txn_has_writes(conn->txn))
        return SQLITE_OK;
    struct qr_lsn before = qr_txn_pinned(conn->txn);
    struct qr_lsn lsn = qr_txn_publish(conn->txn);
    if (!qr_lsn_eq(lsn, before))
        conn->committed = lsn;
    conn->pinned = lsn;
    conn->counter = conn->counter_written; /* SQLite knows that this is its own change */
    conn->counter_lsn = lsn;
    return SQLITE_OK;
}

static int main_control(sqlite3_file *file, int op, void *arg)
{
    struct qr_conn *conn = conn_of(file);
    (void)arg;
    if (op == SQLITE_FCNTL_SYNC) { /* the last point that may fail: SQLite then rolls back */
        if (!qr_txn_has_writes(conn->txn))
            return SQLITE_OK;
        if (!qr_conn_has_writer(conn) || !qr_txn_at_head(conn->txn))
            return SQLITE_IOERR_FSYNC; /* private pages: nobody may commit them as they are */
        return qri_sqlite_code(conn, qr_txn_prepare(conn->txn, &conn->err), SQLITE_IOERR_FSYNC);
    }
    if (op == SQLITE_FCNTL_COMMIT_PHASETWO)
        return publish(conn);
    return SQLITE_NOTFOUND;
}

static int main_sync(sqlite3_file *file, int flags)
{
    (void)file, (void)flags; /* synchronous is OFF; durability is the log's */
    return SQLITE_OK;
}

static int main_close(sqlite3_file *file)
{
    (void)file; /* the connection owns everything */
    return SQLITE_OK;
}

static int main_sector_size(sqlite3_file *file)
{
    (void)file;
    return QRI_JOURNAL_HEADER_BYTES;
}

static int main_characteristics(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE | SQLITE_IOCAP_SAFE_APPEND | SQLITE_IOCAP_SEQUENTIAL |
           SQLITE_IOCAP_UNDELETABLE_WHEN_OPEN; /* the last keeps the journal open */
}

const sqlite3_io_methods qri_main_methods = {
    .iVersion = 3, /* xShm* are absent: no WAL */
    .xClose = main_close,
    .xRead = main_read,
    .xWrite = main_write,
    .xTruncate = main_truncate,
    .xSync = main_sync,
    .xFileSize = main_size,
    .xLock = main_lock,
    .xUnlock = main_unlock,
    .xCheckReservedLock = main_check_reserved,
    .xFileControl = main_control,
    .xSectorSize = main_sector_size,
    .xDeviceCharacteristics = main_characteristics,
    .xFetch = main_fetch,
    .xUnfetch = main_unfetch,
};
