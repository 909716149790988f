/* vfs.c - the sqlite3_vfs of one connection; see vfs_int.h. */
#include "vfs_int.h"
#include <stdio.h>
#include <string.h>
#include "base/banned.h"

enum {
    NS_PER_MS = 1000000,
    NAME_BYTES_MAX = 512,
};
#define JULIAN_MS_OF_1970 (INT64_C(24405875) * 8640000)

static int vfs_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags,
                    int *ret_flags)
{
    (void)name;
    struct qr_conn *conn = vfs->pAppData;
    file->pMethods = NULL;
    if ((flags & SQLITE_OPEN_MAIN_DB) != 0) {
        ((struct qri_main_file *)file)->conn = conn;
        file->pMethods = &qri_main_methods;
    } else if ((flags & SQLITE_OPEN_MAIN_JOURNAL) != 0) {
        ((struct qri_journal_file *)file)->conn = conn;
        file->pMethods = &qri_journal_methods;
    } else if ((flags & (SQLITE_OPEN_TEMP_DB | SQLITE_OPEN_TRANSIENT_DB | SQLITE_OPEN_TEMP_JOURNAL |
                         SQLITE_OPEN_SUBJOURNAL)) != 0) {
        *(struct qri_temp_file *)file = (struct qri_temp_file){
            .conn = conn,
            .store = conn->store,
            .keeps_tables = (flags & SQLITE_OPEN_TEMP_DB) != 0,
        };
        file->pMethods = &qri_temp_methods;
    } else {
        return SQLITE_CANTOPEN; /* WAL, super-journal: never asked for */
    }
    if (ret_flags != NULL)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    (void)vfs, (void)name, (void)sync_dir;
    return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
    (void)vfs, (void)name, (void)flags;
    *ret = 0; /* no hot journal, no WAL: recovery is the store's */
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *name, int bytes, char *dst)
{
    (void)vfs;
    return snprintf(dst, (size_t)bytes, "%s", name) < bytes ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int vfs_randomness(sqlite3_vfs *vfs, int bytes, char *dst)
{
    struct qr_conn *conn = vfs->pAppData;
    qr_env_random(qr_store_env(conn->store), dst, (size_t)bytes);
    return bytes;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
    struct qr_conn *conn = vfs->pAppData;
    qr_env_sleep_ns(qr_store_env(conn->store), (int64_t)us * 1000);
    return us;
}

static int vfs_time_ms(sqlite3_vfs *vfs, sqlite3_int64 *ret_ms)
{
    struct qr_conn *conn = vfs->pAppData;
    *ret_ms = qr_env_wall_ns(qr_store_env(conn->store)) / NS_PER_MS + JULIAN_MS_OF_1970;
    return SQLITE_OK;
}

static int vfs_time(sqlite3_vfs *vfs, double *ret_days)
{
    sqlite3_int64 ms;
    int rc = vfs_time_ms(vfs, &ms);
    *ret_days = (double)ms / 86400000.0;
    return rc;
}

static int vfs_last_error(sqlite3_vfs *vfs, int bytes, char *dst)
{
    (void)vfs, (void)bytes, (void)dst;
    return 0;
}

static int file_bytes(void)
{
    size_t bytes = sizeof(struct qri_main_file);
    if (bytes < sizeof(struct qri_journal_file))
        bytes = sizeof(struct qri_journal_file);
    if (bytes < sizeof(struct qri_temp_file))
        bytes = sizeof(struct qri_temp_file);
    return (int)bytes;
}

enum qr_status qri_vfs_register(struct qr_conn *conn, struct qr_err *err)
{
    snprintf(conn->vfs_name, sizeof conn->vfs_name, "quire-%p", (void *)conn);
    conn->vfs = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = file_bytes(),
        .mxPathname = NAME_BYTES_MAX,
        .zName = conn->vfs_name,
        .pAppData = conn,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_path,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_time,
        .xCurrentTimeInt64 = vfs_time_ms,
        .xGetLastError = vfs_last_error,
    };
    return sqlite3_vfs_register(&conn->vfs, 0) == SQLITE_OK
               ? QR_OK
               : qr_fail(err, QR_NOMEM, "register the VFS");
}
