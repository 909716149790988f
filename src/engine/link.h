/* link.h - a SQLite connection with quire's functions, its cached statements, and cells to values.
 *
 * A link is used by one session at a time; an idle one waits in its database's pool. */
#pragma once
#include "engine_int.h"

enum { QRI_LINK_STMTS_MAX = 256, QRI_LINK_BUCKETS = 256 };

/* SQL text with its hash, so that finding a cached statement does not read the text twice. */
struct qri_sql {
    struct qr_str text;
    uint64_t hash;
};
static inline struct qri_sql qri_sql(struct qr_str text)
{
    return (struct qri_sql){text, qr_hash_bytes(text.p, text.n, 0)};
}

struct qri_stmt {
    sqlite3_stmt *stmt;
    uint64_t hash;
    struct qr_str text; /* sqlite3_sql's copy */
    struct qri_stmt *bucket_next;
    struct qri_stmt *newer, *older; /* idle ones by use */
};

struct qri_link {
    struct qr_conn *conn;
    sqlite3 *db;
    struct qr_database *database;
    struct qr_session *session;                 /* whose request runs on it */
    struct qri_link *next;                      /* in the pool */
    struct qri_stmt *buckets[QRI_LINK_BUCKETS]; /* idle statements */
    struct qri_stmt *newest, *oldest;
    size_t idle_count;
    uint32_t savepoint_depth;
    bool has_grant; /* its cache is larger than others': grant_int.h */
};

/* The session's link, taken from the pool if it has none. */
QR_NODISCARD enum qr_status qri_link_take(struct qr_session *session, struct qr_err *err);
/* Gives it back unless a transaction or #tables hold it. */
void qri_link_put(struct qr_session *session);
/* A session is about to leave: the link that is one too many without it goes. */
void qri_link_trim(struct qr_database *db);
void qri_link_drop(struct qr_session *session); /* closes it */
void qri_link_free(struct qri_link *link);

/* A prepared statement for `sql`, idle and without bindings of its own; give it back after use. */
QR_NODISCARD enum qr_status qri_stmt_take(struct qri_link *link, struct qri_sql sql,
                                          struct qri_stmt **ret_stmt, struct qr_err *err);
void qri_stmt_put(struct qri_link *link, struct qri_stmt *stmt); /* resets; accepts NULL */
/* One step: *ret_row tells a row from the end. Clears the session's pending error before and turns
 * SQLite's failure into `err` after. *ret_rc (may be NULL) is SQLite's extended code: a constraint
 * failure leaves `err` alone and returns QR_EXISTS. */
QR_NODISCARD enum qr_status qri_stmt_step(struct qri_link *link, struct qri_stmt *stmt,
                                          bool *ret_row, struct qr_err *err);
/* Runs SQL without parameters or rows. */
QR_NODISCARD enum qr_status qri_exec(struct qri_link *link, const char *sql, struct qr_err *err);
/* What a failed SQLite call means. */
enum qr_status qri_sqlite_fail(struct qri_link *link, int rc, struct qr_err *err);

/* ---- cell.c: values in and out of SQLite ---- */
QR_NODISCARD enum qr_status qri_bind(sqlite3_stmt *stmt, int index, const struct qr_type *type,
                                     const struct qr_value *value, struct qr_err *err);
/* What SQLite is given for the value: never QR_CELL_WIDE. */
struct qr_value qri_stored(const struct qr_type *type, const struct qr_value *value,
                           uint8_t scratch[16]);
/* The same; the bytes may change while the statement runs. */
QR_NODISCARD enum qr_status qri_bind_copy(sqlite3_stmt *stmt, int index, const struct qr_type *type,
                                          const struct qr_value *value, struct qr_err *err);
/* Bytes are borrowed from the statement until its next step, or live in `arena`. */
QR_NODISCARD enum qr_status qri_column(sqlite3_stmt *stmt, int index, const struct qr_type *type,
                                       struct qr_arena *arena, struct qr_value *ret_value,
                                       struct qr_err *err);
QR_NODISCARD enum qr_status qri_from_sqlite(sqlite3_value *cell, const struct qr_type *type,
                                            struct qr_arena *arena, struct qr_value *ret_value,
                                            struct qr_err *err);
void qri_result(sqlite3_context *ctx, const struct qr_type *type, const struct qr_value *value);
/* The same; the bytes stay where they are for as long as SQLite uses the cell. */
void qri_result_kept(sqlite3_context *ctx, const struct qr_type *type,
                     const struct qr_value *value);

/* ---- functions.c, rows_vtab.c, dml_feed.c ---- */
QR_NODISCARD enum qr_status qri_functions_register(struct qri_link *link, struct qr_err *err);
QR_NODISCARD enum qr_status qri_rows_register(struct qri_link *link, struct qr_err *err);
QR_NODISCARD enum qr_status qri_feed_register(struct qri_link *link, struct qr_err *err);
/* Keeps `err` for the session and tells SQLite that the function failed. */
void qri_function_fail(struct qri_link *link, sqlite3_context *ctx, enum qr_status status,
                       const struct qr_err *err);
