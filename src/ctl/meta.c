/* meta.c - see ctl/meta.h */
#include "ctl/meta.h"
#include <assert.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

enum { BUSY_MS = 2000, FORMAT_VERSION = 1, APPLICATION_ID = 0x51724D65 }; /* "QrMe" */

enum statement { ST_GET, ST_RANGE, ST_PUT, ST_DELETE, ST_REVISION, ST_RAISE, ST_COUNT };
static const char *const texts[ST_COUNT] = {
    [ST_GET] = "SELECT value, version FROM kv WHERE key = ?1",
    [ST_RANGE] = "SELECT key, value, version FROM kv WHERE key BETWEEN ?1 AND ?2 ORDER BY key",
    [ST_PUT] = ("INSERT INTO kv VALUES (?1, ?2, ?3) "
                "ON CONFLICT (key) DO UPDATE SET value = ?2, version = ?3"),
    [ST_DELETE] = "DELETE FROM kv WHERE key = ?1",
    [ST_REVISION] = "SELECT revision FROM revision",
    [ST_RAISE] = "UPDATE revision SET revision = ?1",
};

struct watch {
    char prefix[QR_META_KEY_BYTES_MAX];
    size_t prefix_bytes;
    qr_meta_watch_fn *changed;
    void *arg;
};

struct qr_meta {
    pthread_mutex_t mu; /* recursive, because a watch may read; guards everything below */
    sqlite3 *db;
    sqlite3_stmt *statements[ST_COUNT];
    bool in_watch;
    struct watch watches[QR_META_WATCHES_MAX];
    size_t watch_count;
};

static enum qr_status fail(struct qr_meta *meta, struct qr_err *err, const char *words)
{
    int code = sqlite3_errcode(meta->db);
    enum qr_status status = code == SQLITE_FULL                               ? QR_FULL
                            : code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? QR_CORRUPT
                            : code == SQLITE_NOMEM                            ? QR_NOMEM
                                                                              : QR_IO;
    return qr_fail(err, status, "metadata: %s: %s", words, sqlite3_errmsg(meta->db));
}

static enum qr_status run(struct qr_meta *meta, const char *sql, struct qr_err *err)
{
    if (sqlite3_exec(meta->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return fail(meta, err, sql);
    return QR_OK;
}

static int64_t pragma(struct qr_meta *meta, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int64_t value = -1;
    if (sqlite3_prepare_v2(meta->db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

static enum qr_status make_tables(struct qr_meta *meta, struct qr_err *err)
{
    if (pragma(meta, "PRAGMA user_version") == 0) {
        QR_TRY(run(meta,
                   "BEGIN;"
                   "CREATE TABLE IF NOT EXISTS kv (key BLOB PRIMARY KEY, value BLOB NOT NULL, "
                   "version INTEGER NOT NULL) WITHOUT ROWID;"
                   "CREATE TABLE IF NOT EXISTS revision (revision INTEGER NOT NULL);"
                   "DELETE FROM revision; INSERT INTO revision VALUES (0);"
                   "PRAGMA application_id = 0x51724D65; PRAGMA user_version = 1; COMMIT",
                   err));
    }
    if (pragma(meta, "PRAGMA application_id") != APPLICATION_ID ||
        pragma(meta, "PRAGMA user_version") != FORMAT_VERSION)
        return qr_fail(err, QR_CORRUPT, "metadata: not a metadata file of this version");
    return QR_OK;
}

static enum qr_status prepare_all(struct qr_meta *meta, struct qr_err *err)
{
    for (int i = 0; i < ST_COUNT; i++)
        if (sqlite3_prepare_v3(meta->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &meta->statements[i], NULL) != SQLITE_OK)
            return fail(meta, err, texts[i]);
    return QR_OK;
}

enum qr_status qr_meta_open(const char *path, struct qr_meta **ret_meta, struct qr_err *err)
{
    struct qr_meta *meta = calloc(1, sizeof *meta);
    if (meta == NULL)
        return qr_fail(err, QR_NOMEM, "open metadata");
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&meta->mu, &attr);
    pthread_mutexattr_destroy(&attr);

    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    enum qr_status status = QR_OK;
    if (sqlite3_open_v2(path, &meta->db, flags, "unix") != SQLITE_OK)
        status =
            meta->db == NULL ? qr_fail(err, QR_NOMEM, "open metadata") : fail(meta, err, "open");
    if (status == QR_OK) {
        sqlite3_busy_timeout(meta->db, BUSY_MS);
        status = run(meta, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", err);
    }
    if (status == QR_OK)
        status = make_tables(meta, err);
    if (status == QR_OK)
        status = prepare_all(meta, err);
    if (status != QR_OK) {
        qr_meta_close(meta);
        return qr_wrap(err, status, "'%s'", path);
    }
    *ret_meta = meta;
    return QR_OK;
}

void qr_meta_close(struct qr_meta *meta)
{
    if (meta == NULL)
        return;
    for (int i = 0; i < ST_COUNT; i++)
        sqlite3_finalize(meta->statements[i]);
    sqlite3_close(meta->db);
    pthread_mutex_destroy(&meta->mu);
    free(meta);
}

static struct qr_str blob_at(sqlite3_stmt *statement, int column)
{
    const char *p = sqlite3_column_blob(statement, column);
    return qr_str_n(p == NULL ? "" : p, (size_t)sqlite3_column_bytes(statement, column));
}

static void bind_blob(sqlite3_stmt *statement, int index, struct qr_str s)
{
    sqlite3_bind_blob(statement, index, s.n == 0 ? "" : s.p, (int)s.n, SQLITE_STATIC);
}

/* The statement is left on its row; reset it. */
static enum qr_status find(struct qr_meta *meta, struct qr_str key, sqlite3_stmt **ret_row,
                           struct qr_err *err)
{
    sqlite3_stmt *statement = meta->statements[ST_GET];
    bind_blob(statement, 1, key);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *ret_row = statement;
        return QR_OK;
    }
    enum qr_status status =
        code == SQLITE_DONE ? qr_fail(err, QR_NOT_FOUND, "no such key") : fail(meta, err, "read");
    sqlite3_reset(statement);
    return status;
}

enum qr_status qr_meta_get(struct qr_meta *meta, struct qr_str key, struct qr_buf *value,
                           uint64_t *ret_version, struct qr_err *err)
{
    sqlite3_stmt *row = NULL;
    pthread_mutex_lock(&meta->mu);
    enum qr_status status = find(meta, key, &row, err);
    if (status == QR_OK) {
        if (value != NULL) {
            qr_buf_addstr(value, blob_at(row, 0));
            status = qr_buf_status(value, err);
        }
        if (status == QR_OK && ret_version != NULL)
            *ret_version = (uint64_t)sqlite3_column_int64(row, 1);
        sqlite3_reset(row);
    }
    pthread_mutex_unlock(&meta->mu);
    return status;
}

enum qr_status qr_meta_range(struct qr_meta *meta, struct qr_str prefix, qr_meta_each_fn *each,
                             void *arg, struct qr_err *err)
{
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&meta->mu);
    sqlite3_stmt *statement = meta->statements[ST_RANGE];
    char last[QR_META_KEY_BYTES_MAX]; /* no key that begins so comes behind it */
    assert(prefix.n <= sizeof last);
    memcpy(last, prefix.p, prefix.n);
    memset(last + prefix.n, 0xff, sizeof last - prefix.n);
    bind_blob(statement, 1, prefix);
    bind_blob(statement, 2, (struct qr_str){last, sizeof last});
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        if (!each(arg, blob_at(statement, 0), blob_at(statement, 1),
                  (uint64_t)sqlite3_column_int64(statement, 2)))
            break;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        status = fail(meta, err, "read");
    sqlite3_reset(statement);
    pthread_mutex_unlock(&meta->mu);
    return status;
}

/* ---- transactions ---- */

static enum qr_status step_once(struct qr_meta *meta, enum statement which, struct qr_err *err)
{
    int code = sqlite3_step(meta->statements[which]);
    enum qr_status status = code == SQLITE_DONE ? QR_OK : fail(meta, err, "write");
    sqlite3_reset(meta->statements[which]);
    sqlite3_clear_bindings(meta->statements[which]);
    return status;
}

static enum qr_status compare_all(struct qr_meta *meta, const struct qr_meta_compare *compares,
                                  size_t count, bool *ret_equal, struct qr_err *err)
{
    *ret_equal = true;
    for (size_t i = 0; i < count && *ret_equal; i++) {
        sqlite3_stmt *row = NULL;
        uint64_t version = 0;
        enum qr_status status = find(meta, compares[i].key, &row, err);
        if (status == QR_OK) {
            version = (uint64_t)sqlite3_column_int64(row, 1);
            sqlite3_reset(row);
        } else if (status != QR_NOT_FOUND) {
            return status;
        }
        *ret_equal = version == compares[i].version;
    }
    return QR_OK;
}

static enum qr_status next_revision(struct qr_meta *meta, uint64_t *ret_revision,
                                    struct qr_err *err)
{
    sqlite3_stmt *statement = meta->statements[ST_REVISION];
    if (sqlite3_step(statement) != SQLITE_ROW) {
        sqlite3_reset(statement);
        return fail(meta, err, "read the revision");
    }
    uint64_t revision = (uint64_t)sqlite3_column_int64(statement, 0) + 1;
    sqlite3_reset(statement);
    sqlite3_bind_int64(meta->statements[ST_RAISE], 1, (int64_t)revision);
    QR_TRY(step_once(meta, ST_RAISE, err));
    *ret_revision = revision;
    return QR_OK;
}

static enum qr_status apply_all(struct qr_meta *meta, const struct qr_meta_op *ops, size_t count,
                                uint64_t revision, struct qr_err *err)
{
    for (size_t i = 0; i < count; i++) {
        enum statement which = ops[i].is_delete ? ST_DELETE : ST_PUT;
        bind_blob(meta->statements[which], 1, ops[i].key);
        if (!ops[i].is_delete) {
            bind_blob(meta->statements[which], 2, ops[i].value);
            sqlite3_bind_int64(meta->statements[which], 3, (int64_t)revision);
        }
        QR_TRY(step_once(meta, which, err));
    }
    return QR_OK;
}

static void tell_watches(struct qr_meta *meta, const struct qr_meta_op *ops, size_t count,
                         uint64_t revision)
{
    meta->in_watch = true;
    for (size_t i = 0; i < count; i++) {
        struct qr_str value = ops[i].is_delete ? (struct qr_str){NULL, 0} : ops[i].value;
        for (size_t w = 0; w < meta->watch_count; w++) {
            const struct watch *watch = &meta->watches[w];
            if (ops[i].key.n >= watch->prefix_bytes &&
                memcmp(ops[i].key.p, watch->prefix, watch->prefix_bytes) == 0)
                watch->changed(watch->arg, ops[i].key, value, revision);
        }
    }
    meta->in_watch = false;
}

static enum qr_status check_bounds(const struct qr_meta_op *ops, size_t count, struct qr_err *err)
{
    if (count > QR_META_TXN_OPS_MAX)
        return qr_fail(err, QR_TOO_BIG, "metadata: %zu changes in one transaction", count);
    for (size_t i = 0; i < count; i++)
        if (ops[i].key.n == 0 || ops[i].key.n > QR_META_KEY_BYTES_MAX ||
            ops[i].value.n > QR_META_VALUE_BYTES_MAX)
            return qr_fail(err, QR_TOO_BIG, "metadata: key of %zu, value of %zu bytes",
                           ops[i].key.n, ops[i].value.n);
    return QR_OK;
}

enum qr_status qr_meta_txn(struct qr_meta *meta, const struct qr_meta_compare *compares,
                           size_t compare_count, const struct qr_meta_op *ops, size_t op_count,
                           bool *ret_applied, uint64_t *ret_revision, struct qr_err *err)
{
    QR_TRY(check_bounds(ops, op_count, err));
    uint64_t revision = 0;
    bool equal = false;
    pthread_mutex_lock(&meta->mu);
    assert(!meta->in_watch);
    enum qr_status status = run(meta, "BEGIN IMMEDIATE", err);
    if (status == QR_OK) {
        status = compare_all(meta, compares, compare_count, &equal, err);
        if (status == QR_OK && equal)
            status = next_revision(meta, &revision, err);
        if (status == QR_OK && equal)
            status = apply_all(meta, ops, op_count, revision, err);
        if (status == QR_OK && equal)
            status = run(meta, "COMMIT", err);
        if (status != QR_OK || !equal)
            sqlite3_exec(meta->db, "ROLLBACK", NULL, NULL, NULL); /* after COMMIT failed too */
    }
    if (status == QR_OK && equal)
        tell_watches(meta, ops, op_count, revision);
    pthread_mutex_unlock(&meta->mu);
    if (status != QR_OK)
        return status;
    *ret_applied = equal;
    if (equal && ret_revision != NULL)
        *ret_revision = revision;
    return QR_OK;
}

enum qr_status qr_meta_watch(struct qr_meta *meta, struct qr_str prefix, qr_meta_watch_fn *changed,
                             void *arg, struct qr_err *err)
{
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&meta->mu);
    if (meta->watch_count == QR_META_WATCHES_MAX || prefix.n > QR_META_KEY_BYTES_MAX) {
        status = qr_fail(err, QR_FULL, "metadata: no more watches");
    } else {
        struct watch *watch = &meta->watches[meta->watch_count++];
        memcpy(watch->prefix, prefix.p, prefix.n);
        watch->prefix_bytes = prefix.n;
        watch->changed = changed;
        watch->arg = arg;
    }
    pthread_mutex_unlock(&meta->mu);
    return status;
}
