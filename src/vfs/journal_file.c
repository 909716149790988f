/* journal_file.c - the rollback journal, which holds no pages.
 *
 * SQLite journals a page as it was when the transaction began, and that is the page at our
 * snapshot. So of each journal record {page number, page, checksum} only the number is kept; a page
 * read back comes from the store, and the checksum that is read after it is that page's: of a page
 * that was free SQLite may have journalled what it never wrote, and would end the rollback at a
 * checksum of that. With synchronous=OFF the journal has one header and then records of equal
 * length. See vfs_int.h. */
#include "vfs_int.h"
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "base/banned.h"

enum {
    NUMBER_BYTES = 4,
    SUPER_NAME_BYTES =
        16,        /* at a journal's end: length, checksum and magic of a super-journal name */
    NONCE_AT = 12, /* in the header */
    CHECKSUM_STRIDE = 200, /* the nonce and every 200th byte, counted from the page's end */
};

static struct qr_conn *conn_of(sqlite3_file *file)
{
    return ((struct qri_journal_file *)file)->conn;
}

enum part { PART_HEADER, PART_PAGE_NO, PART_PAGE, PART_CHECKSUM, PART_BAD };

/* Which part of the journal an access means; each is read and written by itself. */
static enum part find_part(const struct qr_conn *conn, int amount, sqlite3_int64 offset,
                           size_t *ret_index)
{
    int64_t page_bytes = qr_store_page_bytes(conn->store);
    if (offset < QRI_JOURNAL_HEADER_BYTES)
        return offset + amount <= QRI_JOURNAL_HEADER_BYTES ? PART_HEADER : PART_BAD;
    int64_t record_bytes = page_bytes + 2 * NUMBER_BYTES;
    int64_t at = (offset - QRI_JOURNAL_HEADER_BYTES) % record_bytes;
    *ret_index = (size_t)((offset - QRI_JOURNAL_HEADER_BYTES) / record_bytes);
    if (at == 0 && amount == NUMBER_BYTES)
        return PART_PAGE_NO;
    if (at == NUMBER_BYTES && amount == page_bytes)
        return PART_PAGE;
    if (at == NUMBER_BYTES + page_bytes && amount == NUMBER_BYTES)
        return PART_CHECKSUM;
    return PART_BAD;
}

static bool make_room(struct qri_journal *j, size_t index)
{
    if (index < j->capacity)
        return true;
    size_t capacity = j->capacity == 0 ? 64 : j->capacity * 2;
    if (index >= capacity)
        return false; /* records come one after the other */
    struct qri_journal_entry *entries = realloc(j->entries, capacity * sizeof *entries);
    if (entries == NULL)
        return false;
    j->entries = entries;
    j->capacity = capacity;
    return true;
}

static int journal_write(sqlite3_file *file, const void *src, int amount, sqlite3_int64 offset)
{
    struct qr_conn *conn = conn_of(file);
    struct qri_journal *j = &conn->journal;
    size_t index = 0;
    enum part part = find_part(conn, amount, offset, &index);
    if (part == PART_BAD)
        return SQLITE_IOERR_WRITE;
    if (part == PART_HEADER) {
        memcpy(j->header + offset, src, (size_t)amount);
    } else {
        if (!make_room(j, index))
            return SQLITE_NOMEM;
        if (index >= j->count)
            j->count = index + 1;
        if (part == PART_PAGE_NO)
            memcpy(&j->entries[index].page_no, src, NUMBER_BYTES);
    }
    if (offset + amount > j->bytes)
        j->bytes = offset + amount;
    return SQLITE_OK;
}

static int read_page(struct qr_conn *conn, uint32_t page_no, void *dst)
{
    uint32_t page_bytes = qr_store_page_bytes(conn->store);
    int rc =
        qri_sqlite_code(conn, qr_txn_read(conn->txn, page_no, 0, dst, page_bytes, true, &conn->err),
                        SQLITE_IOERR_READ);
    if (rc == SQLITE_OK && page_no == 1)
        qri_patch_page_1(conn, 0, dst, page_bytes);
    return rc;
}

static int read_record(struct qr_conn *conn, struct qri_journal_entry *entry, uint8_t *dst)
{
    int rc = read_page(conn, qr_get32be(&entry->page_no), dst);
    uint32_t sum = qr_get32be(conn->journal.header + NONCE_AT);
    for (int at = (int)qr_store_page_bytes(conn->store) - CHECKSUM_STRIDE;
         at > 0 && rc == SQLITE_OK; at -= CHECKSUM_STRIDE)
        sum += dst[at];
    qr_put32be(&entry->checksum, sum);
    return rc;
}

static int journal_read(sqlite3_file *file, void *dst, int amount, sqlite3_int64 offset)
{
    struct qr_conn *conn = conn_of(file);
    struct qri_journal *j = &conn->journal;
    size_t index = 0;
    enum part part = find_part(conn, amount, offset, &index);
    if (offset + amount > j->bytes) {
        memset(dst, 0, (size_t)amount);
        return SQLITE_IOERR_SHORT_READ;
    }
    if (part == PART_BAD && offset >= j->bytes - SUPER_NAME_BYTES) {
        memset(dst, 0,
               (size_t)amount); /* SQLite looks for a super-journal; a length of 0 is none */
        return SQLITE_OK;
    }
    if (part == PART_BAD || (part != PART_HEADER && index >= j->count))
        return SQLITE_IOERR_READ;
    if (part == PART_HEADER)
        memcpy(dst, j->header + offset, (size_t)amount);
    else if (part == PART_PAGE_NO)
        memcpy(dst, &j->entries[index].page_no, NUMBER_BYTES);
    else if (part == PART_CHECKSUM)
        memcpy(dst, &j->entries[index].checksum, NUMBER_BYTES);
    else
        return read_record(conn, &j->entries[index], dst);
    return SQLITE_OK;
}

static void drop_entries(struct qri_journal *j)
{
    j->count = 0;
    if (j->capacity > 4096) { /* a large transaction leaves nothing behind */
        free(j->entries);
        j->entries = NULL;
        j->capacity = 0;
    }
}

void qri_journal_drop(struct qri_journal *j)
{
    drop_entries(j);
    j->bytes = 0;
}

static int journal_truncate(sqlite3_file *file, sqlite3_int64 bytes)
{
    struct qri_journal *j = &conn_of(file)->journal;
    if (bytes == 0)
        drop_entries(j);
    if (bytes < j->bytes)
        j->bytes = bytes;
    return SQLITE_OK;
}

static int journal_size(sqlite3_file *file, sqlite3_int64 *ret_bytes)
{
    *ret_bytes = conn_of(file)->journal.bytes;
    return SQLITE_OK;
}

static int journal_close(sqlite3_file *file)
{
    struct qri_journal *j = &conn_of(file)->journal;
    drop_entries(j);
    j->bytes = 0;
    return SQLITE_OK;
}

static int journal_sync(sqlite3_file *file, int flags)
{
    (void)file, (void)flags;
    return SQLITE_OK;
}

static int journal_lock(sqlite3_file *file, int level)
{
    (void)file, (void)level;
    return SQLITE_OK;
}

static int journal_check_reserved(sqlite3_file *file, int *ret)
{
    (void)file;
    *ret = 0;
    return SQLITE_OK;
}

static int journal_control(sqlite3_file *file, int op, void *arg)
{
    (void)file, (void)op, (void)arg;
    return SQLITE_NOTFOUND;
}

static int journal_sector_size(sqlite3_file *file)
{
    (void)file;
    return QRI_JOURNAL_HEADER_BYTES;
}

static int journal_characteristics(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE | SQLITE_IOCAP_SAFE_APPEND | SQLITE_IOCAP_SEQUENTIAL |
           SQLITE_IOCAP_UNDELETABLE_WHEN_OPEN;
}

const sqlite3_io_methods qri_journal_methods = {
    .iVersion = 1,
    .xClose = journal_close,
    .xRead = journal_read,
    .xWrite = journal_write,
    .xTruncate = journal_truncate,
    .xSync = journal_sync,
    .xFileSize = journal_size,
    .xLock = journal_lock,
    .xUnlock = journal_lock,
    .xCheckReservedLock = journal_check_reserved,
    .xFileControl = journal_control,
    .xSectorSize = journal_sector_size,
    .xDeviceCharacteristics = journal_characteristics,
};
