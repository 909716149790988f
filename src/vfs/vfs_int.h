/* vfs_int.h - what the parts of the SQLite adapter share. */
#pragma once
#include <sqlite3.h>
#include "store/tmp.h"
#include "store/txn.h"
#include "vfs/conn.h"

enum { QRI_JOURNAL_HEADER_BYTES = 512, QRI_VFS_NAME_BYTES = 32 };

/* All that is kept of a journalled page. Big-endian, as written and read. */
struct qri_journal_entry {
    uint32_t page_no;
    uint32_t checksum; /* of the page that was read back last */
};

struct qri_journal {
    uint8_t header[QRI_JOURNAL_HEADER_BYTES];
    struct qri_journal_entry *entries;
    size_t count, capacity;
    int64_t bytes; /* size of the file that SQLite believes in */
};

struct qr_conn {
    sqlite3_vfs vfs; /* one per connection: its xOpen knows where it belongs */
    char vfs_name[QRI_VFS_NAME_BYTES];
    struct qr_store *store;
    struct qr_txn *txn;
    struct qr_txn *kept; /* holds a snapshot to come back to; NULL: none */
    bool uses_kept;
    sqlite3 *db;
    struct qr_writer writer;
    struct qri_journal journal;
    int lock;        /* SQLITE_LOCK_* of the main file */
    bool held;       /* qr_conn_pin: the snapshot stays without a lock of SQLite's */
    bool is_private; /* writes without the writer lock are allowed, commits are not */

    /* SQLite keeps its cache while the change counter stays; this one is the connection's own and
     * moves exactly when the snapshot does. */
    uint32_t counter;         /* shown in page 1 */
    uint32_t counter_written; /* SQLite's own last increment */
    struct qr_lsn counter_lsn;

    struct qr_lsn at_least, pinned, committed;
    struct qr_err err;
    enum qr_store_limit over;
    bool over_limit, over_log;
    uint32_t page_limit;   /* what SQLite was told last */
    uint64_t temp_written; /* bytes, in temporary files */
};

struct qri_main_file {
    sqlite3_file base;
    struct qr_conn *conn;
};

struct qri_journal_file {
    sqlite3_file base;
    struct qr_conn *conn;
};

struct qri_temp_file {
    sqlite3_file base;
    struct qr_conn *conn;
    struct qr_store *store;
    bool keeps_tables;        /* #tables; else sorts, journals … */
    struct qr_tmp_file *file; /* NULL until the first write */
};

extern const sqlite3_io_methods qri_main_methods, qri_journal_methods, qri_temp_methods;

/* vfs.c: fills conn->vfs and registers it. */
QR_NODISCARD enum qr_status qri_vfs_register(struct qr_conn *conn, struct qr_err *err);

/* journal_file.c: forgets all of it. */
void qri_journal_drop(struct qri_journal *j);

/* main_file.c: puts the connection's change counter into a piece of page 1. */
/* A snapshot for SQLite, if none is held; an SQLite code. */
int qri_pin(struct qr_conn *conn);
void qri_patch_page_1(const struct qr_conn *conn, uint32_t offset, void *dst, uint32_t bytes);
/* SQLite's code for a store's status kept in conn->err; `io_code` for what is no other. */
int qri_sqlite_code(struct qr_conn *conn, enum qr_status status, int io_code);
