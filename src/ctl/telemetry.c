/* telemetry.c - see ctl/telemetry.h: rows as bytes, and the file that keeps them */
#include "ctl/telemetry.h"
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/endian.h"
#include "base/banned.h"

enum {
    BUSY_MS = 2000,
    FORMAT_VERSION = 1,
    APPLICATION_ID = 0x51725465,
    HEAD_BYTES = 25
}; /* "QrTe" */
#define DAY_NS INT64_C(86400000000000)
static const int64_t kept_ns[QR_TELEMETRY_KINDS] = {
    [QR_TELEMETRY_EVENT] = 30 * DAY_NS,     [QR_TELEMETRY_DATABASE] = 14 * DAY_NS,
    [QR_TELEMETRY_POOL] = 14 * DAY_NS,      [QR_TELEMETRY_BILLED] = 14 * DAY_NS,
    [QR_TELEMETRY_AUTOSCALE] = 14 * DAY_NS, [QR_TELEMETRY_NOW] = INT64_C(600000000000),
    [QR_TELEMETRY_MINUTE] = DAY_NS / 4,
};
static const int64_t forget_every_ns = INT64_C(300) * 1000000000;

/* ---- rows as bytes ---- */

void qr_telemetry_put(struct qr_buf *buf, const struct qr_telemetry_row *row)
{
    qr_buf_add8(buf, row->kind);
    qr_buf_add32le(buf, row->server);
    qr_buf_add64le(buf, (uint64_t)row->at_wall_ns);
    qr_buf_add64le(buf, row->count);
    qr_buf_add16le(buf, (uint16_t)row->key.n);
    qr_buf_add16le(buf, (uint16_t)row->body.n);
    qr_buf_addstr(buf, row->key);
    qr_buf_addstr(buf, row->body);
}

enum qr_status qr_telemetry_next(const uint8_t *bytes, size_t count, size_t *at,
                                 struct qr_telemetry_row *ret_row, struct qr_err *err)
{
    const uint8_t *p = bytes + *at;
    size_t left = count - *at;
    if (left < HEAD_BYTES)
        return qr_fail(err, QR_PROTOCOL, "telemetry is cut off");
    size_t key = qr_get16le(p + 21), body = qr_get16le(p + 23);
    if (left - HEAD_BYTES < key + body || key > QR_TELEMETRY_KEY_BYTES_MAX ||
        body > QR_TELEMETRY_BODY_BYTES_MAX || p[0] == 0 || p[0] >= QR_TELEMETRY_KINDS)
        return qr_fail(err, QR_PROTOCOL, "telemetry breaks its format");
    *ret_row =
        (struct qr_telemetry_row){.kind = p[0],
                                  .server = qr_get32le(p + 1),
                                  .at_wall_ns = (int64_t)qr_get64le(p + 5),
                                  .count = qr_get64le(p + 13),
                                  .key = qr_str_n((const char *)p + HEAD_BYTES, key),
                                  .body = qr_str_n((const char *)p + HEAD_BYTES + key, body)};
    *at += HEAD_BYTES + key + body;
    return QR_OK;
}

/* ---- the file ---- */

enum statement { ST_PUT, ST_LIST, ST_FORGET, ST_COUNT };
static const char *const texts[ST_COUNT] = {
    [ST_PUT] = "INSERT INTO telemetry VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (kind, server, "
               "at, key) DO UPDATE SET count = count + ?5, body = CASE length(?6) WHEN 0 THEN body "
               "ELSE ?6 "
               "END",
    [ST_LIST] = "SELECT at, key, count, body FROM telemetry WHERE kind = ?1 AND server = ?2 AND "
                "(at, key) > (?3, ?4) ORDER BY at, key",
    [ST_FORGET] = "DELETE FROM telemetry WHERE kind = ?1 AND at < ?2",
};

struct qr_telemetry {
    pthread_mutex_t mu; /* guards everything below */
    sqlite3 *db;
    sqlite3_stmt *statements[ST_COUNT];
    int64_t forget_at_ns;
};

static enum qr_status fail(struct qr_telemetry *t, struct qr_err *err)
{
    int code = sqlite3_errcode(t->db);
    enum qr_status status = code == SQLITE_FULL                               ? QR_FULL
                            : code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? QR_CORRUPT
                            : code == SQLITE_NOMEM                            ? QR_NOMEM
                                                                              : QR_IO;
    return qr_fail(err, status, "telemetry: %s", sqlite3_errmsg(t->db));
}

static enum qr_status open_file(struct qr_telemetry *t, const char *path, struct qr_err *err)
{
    static const char make[] =
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE IF NOT EXISTS "
        "telemetry (kind INTEGER, server INTEGER, at INTEGER, key BLOB, count INTEGER NOT NULL, "
        "body BLOB NOT NULL, PRIMARY KEY (kind, server, at, key)) WITHOUT ROWID; "
        "PRAGMA application_id = 0x51725465; PRAGMA user_version = 1";
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &t->db, flags, "unix") != SQLITE_OK)
        return t->db == NULL ? qr_fail(err, QR_NOMEM, "open telemetry") : fail(t, err);
    sqlite3_busy_timeout(t->db, BUSY_MS);
    if (sqlite3_exec(t->db, make, NULL, NULL, NULL) != SQLITE_OK)
        return fail(t, err);
    for (int i = 0; i < ST_COUNT; i++)
        if (sqlite3_prepare_v3(t->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &t->statements[i],
                               NULL) != SQLITE_OK)
            return fail(t, err);
    return QR_OK;
}

static void close_file(struct qr_telemetry *t)
{
    for (int i = 0; i < ST_COUNT; i++)
        sqlite3_finalize(t->statements[i]);
    memset(t->statements, 0, sizeof t->statements);
    sqlite3_close(t->db);
    t->db = NULL;
}

enum qr_status qr_telemetry_open(const char *path, struct qr_telemetry **ret_telemetry,
                                 struct qr_err *err)
{
    struct qr_telemetry *t = calloc(1, sizeof *t);
    if (t == NULL)
        return qr_fail(err, QR_NOMEM, "open telemetry");
    pthread_mutex_init(&t->mu, NULL);
    enum qr_status status = open_file(t, path, err);
    if (status == QR_CORRUPT) { /* nothing in it is worth a server that does not start */
        close_file(t);
        (void)unlink(path);
        qr_err_reset(err);
        status = open_file(t, path, err);
    }
    if (status != QR_OK) {
        qr_telemetry_close(t);
        return qr_wrap(err, status, "'%s'", path);
    }
    *ret_telemetry = t;
    return QR_OK;
}

void qr_telemetry_close(struct qr_telemetry *telemetry)
{
    if (telemetry == NULL)
        return;
    close_file(telemetry);
    pthread_mutex_destroy(&telemetry->mu);
    free(telemetry);
}

static enum qr_status step(struct qr_telemetry *t, sqlite3_stmt *s, struct qr_err *err)
{
    int code = sqlite3_step(s);
    enum qr_status status = code == SQLITE_DONE ? QR_OK : fail(t, err);
    sqlite3_reset(s);
    return status;
}

static enum qr_status put_row(struct qr_telemetry *t, const struct qr_telemetry_row *row,
                              struct qr_err *err)
{
    sqlite3_stmt *s = t->statements[ST_PUT];
    sqlite3_bind_int(s, 1, row->kind);
    sqlite3_bind_int64(s, 2, row->server);
    sqlite3_bind_int64(s, 3, row->at_wall_ns);
    sqlite3_bind_blob(s, 4, row->key.n == 0 ? "" : row->key.p, (int)row->key.n, SQLITE_STATIC);
    sqlite3_bind_int64(s, 5, (int64_t)row->count);
    sqlite3_bind_blob(s, 6, row->body.n == 0 ? "" : row->body.p, (int)row->body.n, SQLITE_STATIC);
    return step(t, s, err);
}

static enum qr_status forget(struct qr_telemetry *t, int64_t now_wall_ns, struct qr_err *err)
{
    if (now_wall_ns < t->forget_at_ns && t->forget_at_ns - now_wall_ns <= forget_every_ns)
        return QR_OK;
    t->forget_at_ns = now_wall_ns + forget_every_ns;
    for (int kind = 1; kind < QR_TELEMETRY_KINDS; kind++) {
        sqlite3_bind_int(t->statements[ST_FORGET], 1, kind);
        sqlite3_bind_int64(t->statements[ST_FORGET], 2, now_wall_ns - kept_ns[kind]);
        QR_TRY(step(t, t->statements[ST_FORGET], err));
    }
    return QR_OK;
}

static enum qr_status add_all(struct qr_telemetry *t, const uint8_t *bytes, size_t count,
                              int64_t now_wall_ns, struct qr_err *err)
{
    struct qr_telemetry_row row;
    for (size_t at = 0; at < count;) {
        QR_TRY(qr_telemetry_next(bytes, count, &at, &row, err));
        QR_TRY(put_row(t, &row, err));
    }
    return forget(t, now_wall_ns, err);
}

enum qr_status qr_telemetry_add(struct qr_telemetry *telemetry, const uint8_t *bytes, size_t count,
                                int64_t now_wall_ns, struct qr_err *err)
{
    struct qr_telemetry *t = telemetry;
    pthread_mutex_lock(&t->mu);
    enum qr_status status =
        sqlite3_exec(t->db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK ? QR_OK : fail(t, err);
    if (status == QR_OK)
        status = add_all(t, bytes, count, now_wall_ns, err);
    if (status == QR_OK && sqlite3_exec(t->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        status = fail(t, err);
    if (status != QR_OK && !sqlite3_get_autocommit(t->db))
        sqlite3_exec(t->db, "ROLLBACK", NULL, NULL, NULL);
    pthread_mutex_unlock(&t->mu);
    return status;
}

enum qr_status qr_telemetry_list(struct qr_telemetry *telemetry, uint8_t kind, uint32_t server,
                                 int64_t after_wall_ns, struct qr_str after_key, size_t bytes_max,
                                 struct qr_buf *out, struct qr_err *err)
{
    struct qr_telemetry *t = telemetry;
    int code = SQLITE_DONE;
    pthread_mutex_lock(&t->mu);
    sqlite3_stmt *s = t->statements[ST_LIST];
    sqlite3_bind_int(s, 1, kind);
    sqlite3_bind_int64(s, 2, server);
    sqlite3_bind_int64(s, 3, after_wall_ns);
    sqlite3_bind_blob(s, 4, after_key.n == 0 ? "" : after_key.p, (int)after_key.n, SQLITE_STATIC);
    while (out->len < bytes_max && (code = sqlite3_step(s)) == SQLITE_ROW) {
        struct qr_telemetry_row row = {
            .kind = kind,
            .server = server,
            .at_wall_ns = sqlite3_column_int64(s, 0),
            .count = (uint64_t)sqlite3_column_int64(s, 2),
            .key = qr_str_n(sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1)),
            .body = qr_str_n(sqlite3_column_blob(s, 3), (size_t)sqlite3_column_bytes(s, 3))};
        qr_telemetry_put(out, &row);
    }
    enum qr_status status = code == SQLITE_DONE || code == SQLITE_ROW ? QR_OK : fail(t, err);
    sqlite3_reset(s);
    pthread_mutex_unlock(&t->mu);
    return status == QR_OK ? qr_buf_status(out, err) : status;
}
