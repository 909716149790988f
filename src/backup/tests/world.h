/* world.h - a simulated machine with a store and a blob store on it. */
#pragma once
#include "qr_test.h"
#include <stdio.h>
#include <stdlib.h>
#include "backup/backup.h"
#include "backup/restore.h"
#include "env/sim.h"
#include "store/archive.h"
#include "vfs/conn.h"
#include "test_ring.h"

enum { PAGE_BYTES = 4096 };
static const uint64_t MIB = 1 << 20;
static const int64_t SECOND = INT64_C(1000000000);

struct world {
    struct qr_sim *sim;
    struct qr_blob *blob;
    struct qr_backup_place place;
    struct qr_store *store;
    struct qr_conn *conn;
    uint64_t hold_bytes;
};

static inline void check(enum qr_status status, const struct qr_err *err)
{
    if (status != QR_OK)
        fail_msg("%s: %s", qr_status_info(status)->name, err->text);
}

static inline struct qr_store_options options_of(const struct world *w)
{
    return (struct qr_store_options){.env = qr_sim_env(w->sim),
                                     .server_key = t_server_key(),
                                     .page_bytes = PAGE_BYTES,
                                     .cache_bytes = MIB,
                                     .log_segment_bytes = 256 << 10,
                                     .log_hold_bytes = w->hold_bytes,
                                     .threads_off = true};
}

static inline void open_blob(struct world *w)
{
    struct qr_err err = {0};
    check(qr_blob_open(qr_sim_env(w->sim), NULL, "file:///blob", "", &w->blob, &err), &err);
    w->place = (struct qr_backup_place){
        .env = qr_sim_env(w->sim), .blob = w->blob, .prefix = "backups/one"};
    if (t_server_key() != NULL)
        check(qr_keyring_new(w->place.env, t_server_key(), w->blob, &w->place.keyring, &err), &err);
}

static inline void close_blob(struct world *w)
{
    qr_keyring_free(w->place.keyring);
    qr_blob_close(w->blob);
    w->place.keyring = NULL;
    w->blob = NULL;
}

static inline void open_store(struct world *w, const char *dir, bool make)
{
    struct qr_err err = {0};
    struct qr_store_options o = options_of(w);
    check(make ? qr_store_create(dir, &o, &w->store, &err)
               : qr_store_open(dir, &o, &w->store, &err),
          &err);
    check(qr_conn_open(w->store, NULL, &w->conn, &err), &err);
}

static inline void begin(struct world *w, uint64_t seed)
{
    *w = (struct world){.hold_bytes = 64 * MIB};
    w->sim = qr_sim_new(&(struct qr_sim_options){.seed = seed});
    open_blob(w);
    open_store(w, "/db", true);
}

static inline void close_store(struct world *w)
{
    struct qr_err err = {0};
    qr_conn_close(w->conn);
    check(qr_store_close(w->store, &err), &err);
    w->store = NULL;
    w->conn = NULL;
}

static inline void crash(struct world *w)
{
    if (w->conn != NULL)
        qr_conn_close(w->conn);
    qr_store_abandon(w->store);
    close_blob(w);
    w->conn = NULL;
    w->store = NULL;
    qr_sim_power_cut(w->sim);
    open_blob(w);
}

static inline void end(struct world *w)
{
    if (w->store != NULL)
        close_store(w);
    close_blob(w);
    qr_sim_free(w->sim);
}

static inline void commit(struct world *w, const char *sql)
{
    struct qr_err err = {0};
    check(qr_conn_lock_writer(w->conn, 1, NULL, NULL, &err), &err);
    if (sqlite3_exec(qr_conn_db(w->conn), sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(qr_conn_db(w->conn)));
    qr_conn_unlock_writer(w->conn);
    check(qr_store_wait_durable(w->store, qr_conn_commit_lsn(w->conn), &err), &err);
    qr_sim_advance(w->sim, SECOND);
}

static inline int64_t number(struct qr_conn *conn, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(qr_conn_db(conn), sql, -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW)
        fail_msg("%s: %s", sql, sqlite3_errmsg(qr_conn_db(conn)));
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static inline uint64_t wall(const struct world *w)
{
    return (uint64_t)qr_env_wall_ns(qr_sim_env(w->sim));
}

static inline struct qr_backup_row take(struct world *w, enum qr_backup_kind kind)
{
    struct qr_err err = {0};
    struct qr_backup_row row;
    bool taken = false;
    check(qr_backup_take(&w->place, w->store, kind, &taken, &row, &err), &err);
    assert_true(taken);
    return row;
}

#define SOUND "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"

/* Restores, opens what came of it, asks, closes, removes. */
static inline int64_t ask_restored(struct world *w, uint64_t wall_ns, const char *sql)
{
    struct qr_err err = {0};
    struct qr_restored restored;
    struct qr_store *store = NULL;
    struct qr_conn *conn = NULL;
    struct qr_store_options o = options_of(w);
    check(qr_backup_restore(&w->place, wall_ns, "/restored", &restored, &err), &err);
    assert_true(restored.wall_ns <= wall_ns);
    check(qr_store_open("/restored", &o, &store, &err), &err);
    assert_int_equal(qr_store_durable_lsn(store).v, restored.lsn.v);
    check(qr_conn_open(store, NULL, &conn, &err), &err);
    int64_t value = number(conn, sql);
    assert_int_equal(number(conn, SOUND), 1);
    qr_conn_close(conn);
    check(qr_store_close(store, &err), &err);
    check(qr_store_remove(o.env, "/restored", &err), &err);
    return value;
}
