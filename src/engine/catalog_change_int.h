/* catalog_change_int.h - a set of catalog rows to put or drop, applied at once; used by ddl_*.c. */
#pragma once
#include "catalog_int.h"

struct qri_change {
    struct qr_arena *arena;
    struct qri_record *records; /* body NULL = dropped; the last for an id counts */
    size_t count, capacity;
    uint32_t next_object_id, next_user_type_id, next_schema_id; /* taken by incrementing */
    uint64_t version; /* of the picture to come; objects put get it */
};

void qri_change_init(struct qri_change *change, struct qr_arena *arena,
                     const struct qri_catalog *catalog);
QR_NODISCARD enum qr_status qri_change_put_object(struct qri_change *change,
                                                  struct qr_cat_object *obj, struct qr_err *err);
QR_NODISCARD enum qr_status qri_change_put_schema(struct qri_change *change,
                                                  const struct qr_cat_schema *schema,
                                                  struct qr_err *err);
QR_NODISCARD enum qr_status qri_change_put_usertype(struct qri_change *change,
                                                    const struct qr_cat_usertype *type,
                                                    struct qr_err *err);
QR_NODISCARD enum qr_status qri_change_put_principal(struct qri_change *change,
                                                     const struct qri_principal *principal,
                                                     struct qr_err *err);
QR_NODISCARD enum qr_status qri_change_put_property(struct qri_change *change, uint32_t id,
                                                    const struct qri_property *property,
                                                    struct qr_err *err);
QR_NODISCARD enum qr_status qri_change_put_permission(struct qri_change *change, uint32_t id,
                                                      const struct qr_perm_row *row,
                                                      struct qr_err *err);
QR_NODISCARD enum qr_status qri_change_drop(struct qri_change *change, enum qri_record_kind kind,
                                            uint32_t id, struct qr_err *err);
/* The rows of an empty database: its schemas, fixed roles and users. */
QR_NODISCARD enum qr_status qri_change_put_first(struct qri_change *change, int64_t now,
                                                 struct qr_err *err);
/* Writes the rows through `conn` (NULL for #tables) and replaces *catalog. */
QR_NODISCARD enum qr_status qri_change_apply(struct qri_change *change, sqlite3 *conn,
                                             struct qri_catalog **catalog, struct qr_err *err);

/* Fails by what SQLite reported last on the connection. */
enum qr_status qri_conn_fail(sqlite3 *conn, struct qr_err *err, const char *what);
QR_NODISCARD enum qr_status qri_conn_exec(sqlite3 *conn, const char *sql, struct qr_err *err);
