/* catalog_int.h - where a database's metadata lives, and the statements that change it.
 *
 * Metadata is rows of the table `qcat(kind, id, body)` in the database itself, so a DDL statement
 * commits or rolls back with everything else of its transaction. A body is our own versioned
 * binary form (catalog_body.c), read as hostile input. The picture in memory (struct qri_catalog)
 * is built whole, frozen and reference-counted; a changed one replaces it, nobody changes one.
 * #tables have a picture of their own per session, made of the same bodies but kept in memory. */
#pragma once
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"
#include "expr/eval.h"
#include "perm/perm.h"
#include "tsql/catalog.h"
#include "tsql/parse.h"
#include "tsql/plan.h"

/* Kinds of rows in qcat; part of the on-disk format. */
enum qri_record_kind {
    QRI_REC_META = 0, /* id 0: format, next ids, catalog version */
    QRI_REC_SCHEMA = 1,
    QRI_REC_USERTYPE = 2,
    QRI_REC_OBJECT = 3,
    QRI_REC_PRINCIPAL = 4,
    QRI_REC_PROPERTY = 5,   /* extended properties; id is a sequence */
    QRI_REC_PERMISSION = 6, /* GRANT, DENY; id is a sequence */
};

struct qri_record {
    enum qri_record_kind kind;
    uint32_t id;
    const uint8_t *body;
    size_t body_bytes;
};

struct qr_database_info;
struct qri_principal {
    uint32_t principal_id;
    struct qr_str name;
    char type; /* 'S' SQL user, 'R' role, 'A' application role */
    bool is_fixed_role;
    uint32_t owning_principal_id;
    struct qr_str default_schema;
    struct qr_str login;         /* FOR LOGIN: its name then */
    struct qr_str sid;           /* at most 85 bytes; of a login's user the login's */
    struct qr_str password_hash; /* a user of the database alone (password/password.h); else n = 0
                                  */
    struct qr_str default_language; /* its name; n = 0: the server's */
    bool is_encrypted_writer;       /* ALLOW_ENCRYPTED_VALUE_MODIFICATIONS */
    int64_t create_ticks, modify_ticks;
    uint32_t *member_of; /* roles */
    size_t member_count;
};

struct qri_permission {
    uint32_t id; /* of its row in qcat */
    struct qr_perm_row row;
};

struct qri_property {
    uint8_t class_id; /* 1 object or column, 3 schema, 0 database */
    uint32_t major_id, minor_id;
    struct qr_str name;
    struct qr_str value; /* nvarchar */
};

struct qri_catalog {
    atomic_int refs;
    struct qr_arena arena;
    struct qr_catalog cat;
    struct qri_record *records; /* what it was built from; bodies in the arena */
    size_t record_count;
    struct qri_principal *principals;
    size_t principal_count;
    struct qri_property *properties; /* and configurations: scoped_int.h */
    size_t property_count;
    struct qri_permission *permissions; /* GRANT, DENY; by id */
    size_t permission_count;
    struct qr_perm_book *book;      /* the same, for questions */
    struct qr_perm_member *members; /* of roles */
    size_t member_count;
    struct qr_str owner_sid; /* who the database belongs to, as its info says; it is dbo's SID */
    bool keeps_second_plans; /* OPTIMIZE_FOR_AD_HOC_WORKLOADS: of a text that comes again */
};

struct qri_catalog *qri_catalog_ref(struct qri_catalog *catalog);
void qri_catalog_unref(struct qri_catalog *catalog); /* accepts NULL */

/* Creates qcat and the fixed rows in an empty database; does nothing if they are there. The caller
 * holds the writer lock; runs in the open transaction, or in one of its own. */
QR_NODISCARD enum qr_status qri_catalog_bootstrap(sqlite3 *conn, int64_t now_ticks,
                                                  struct qr_err *err);
/* The same picture of a database of another name or owner. */
QR_NODISCARD enum qr_status qri_catalog_rename(const struct qri_catalog *old, struct qr_str name,
                                               struct qr_str owner_sid,
                                               struct qri_catalog **ret_catalog,
                                               struct qr_err *err);
QR_NODISCARD enum qr_status qri_catalog_load(sqlite3 *conn, const struct qr_database_info *info,
                                             struct qri_catalog **ret_catalog, struct qr_err *err);
/* The version alone, from the body of the META row. */
QR_NODISCARD enum qr_status qri_catalog_version(const uint8_t *body, size_t body_bytes,
                                                uint64_t *ret_version, struct qr_err *err);
/* An empty picture for a session's #tables; object ids begin at QRI_TEMP_OBJECT_FIRST. */
QR_NODISCARD enum qr_status qri_catalog_new_temp(struct qri_catalog **ret_catalog,
                                                 struct qr_err *err);
enum { QRI_TEMP_OBJECT_FIRST = 0x60000000 };

/* Counters beside the transaction ([STORAGE.md] S5). */
enum qri_counter { QRI_COUNTER_IDENTITY = 1, QRI_COUNTER_ROWID = 2, QRI_COUNTER_SEQUENCE = 3 };
static inline uint64_t qri_counter_id(uint32_t object_id, enum qri_counter counter)
{
    return (uint64_t)object_id << 8 | (uint64_t)counter;
}
enum {
    QRI_COUNTER_ROWVERSION = 1, /* one for the database; object ids are above 0 */
    QRI_ROWVERSION_FIRST = 2001,
};

/* Of a datetime2 column: its precision in ticks, and the last moment that it can hold. */
static inline int64_t qri_moment_unit(const struct qr_type *type)
{
    int64_t unit = 1;
    for (int i = type->scale; i < 7; i++)
        unit *= 10;
    return unit;
}
static inline int64_t qri_last_moment(const struct qr_type *type)
{
    const int64_t last = INT64_C(3155378975999999999); /* 9999-12-31 23:59:59.9999999 */
    return last - last % qri_moment_unit(type);
}

/* A parameter's value. */
struct qri_bound {
    const struct qr_type *type;
    struct qr_value value;
};

/* What a DDL statement runs in. The caller has opened a transaction (with the writer lock, unless
 * only #tables are touched) and a savepoint that it rolls back when the statement fails; it then
 * also puts back the pictures it had before. On success *main and *temp may be new references, the
 * old ones released; the caller makes its qr_bind_env anew. */
struct qri_ddl {
    sqlite3 *conn;
    const struct qr_bind_env *env;
    struct qri_catalog **main;
    struct qri_catalog **temp; /* never NULL; *temp may be NULL while there is no #table */
    struct qr_arena *arena;    /* of the statement */
    struct qr_str batch_text;  /* for modules: their text is the whole batch */
    struct qr_eval *eval;      /* settings, host, arena; inputs are set by the DDL */
    int64_t now_ticks;
    void *ctx;
    /* Counters: next value to be given out, and step. `is_temp` ones live in the session. */
    enum qr_status (*counter_set)(void *ctx, uint64_t counter, bool is_temp, int64_t next,
                                  int64_t increment, struct qr_err *err);
    enum qr_status (*counter_drop)(void *ctx, uint64_t counter, bool is_temp, struct qr_err *err);
    /* Next value of the counter without taking it. */
    enum qr_status (*counter_peek)(void *ctx, uint64_t counter, bool is_temp, int64_t *ret_next,
                                   struct qr_err *err);
    /* Sch-M on a table: nobody has a transaction open that changed it. QR_AGAIN. */
    enum qr_status (*lock)(void *ctx, uint32_t object_id, struct qr_err *err);
    /* Did the running scope make this #table? Those of outer scopes may be shadowed. */
    bool (*temp_is_own)(void *ctx, uint32_t object_id);
    /* What was done to a #table: `sql`, with `count` values bound to it. A transaction that is not
     * at the head does it again there. */
    enum qr_status (*record)(void *ctx, const char *sql, const struct qri_bound *bound,
                             size_t count, struct qr_err *err);
    /* May the session run that statement, besides what principals and permissions ask for? */
    enum qr_status (*want)(void *ctx, struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                           struct qr_err *err);
    /* An informational message. */
    enum qr_status (*inform)(void *ctx, const struct qr_err *message);
};

/* Statements that qri_ddl_run knows. */
bool qri_ddl_handles(enum qr_ast_stmt_kind kind);
/* True if only #objects are named, so that no writer lock is needed. */
bool qri_ddl_is_temp_only(const struct qr_ast_stmt *stmt);
QR_NODISCARD enum qr_status qri_ddl_run(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                                        struct qr_err *err);

/* SELECT INTO: makes the table from result columns. `identity_column`: index or SIZE_MAX. */
QR_NODISCARD enum qr_status
qri_ddl_create_from_columns(struct qri_ddl *ddl, const struct qr_ast_name *name,
                            const struct qr_plan_column *columns, size_t column_count,
                            const struct qr_cat_object **ret_table, struct qr_err *err);

/* The shape of a table variable, RETURNS @t TABLE or table type: columns, keys, checks, defaults;
 * storage QR_STORE_ROWSET. Lives in `arena`. */
QR_NODISCARD enum qr_status qri_table_shape(struct qr_arena *arena, const struct qr_bind_env *env,
                                            struct qr_str name, const struct qr_ast_table_def *def,
                                            struct qr_cat_object **ret_shape, struct qr_err *err);

/* The key of a uniqueness failure as message 2627 prints it: "(1, abc)". */
void qri_print_key(const struct qr_type *types, const struct qr_value *values, size_t count,
                   struct qr_buf *dst);

/* sys, INFORMATION_SCHEMA: the same for every database; built once, lives for the process. */
QR_NODISCARD enum qr_status qri_system_catalog(const struct qr_catalog **ret_catalog,
                                               struct qr_err *err);

/* ---- inside catalog_*.c and ddl_*.c ---- */

void qri_body_encode_object(struct qr_buf *buf, const struct qr_cat_object *obj);
void qri_body_encode_schema(struct qr_buf *buf, const struct qr_cat_schema *schema);
void qri_body_encode_usertype(struct qr_buf *buf, const struct qr_cat_usertype *type);
void qri_body_encode_principal(struct qr_buf *buf, const struct qri_principal *principal);
void qri_body_encode_permission(struct qr_buf *buf, const struct qr_perm_row *row);
QR_NODISCARD enum qr_status qri_body_decode_permission(const uint8_t *body, size_t body_bytes,
                                                       struct qr_perm_row *ret, struct qr_err *err);
void qri_body_encode_property(struct qr_buf *buf, const struct qri_property *property);
QR_NODISCARD enum qr_status qri_body_decode_object(struct qr_arena *arena, const uint8_t *body,
                                                   size_t body_bytes, struct qr_cat_object *ret,
                                                   struct qr_err *err);
QR_NODISCARD enum qr_status qri_body_decode_schema(struct qr_arena *arena, const uint8_t *body,
                                                   size_t body_bytes, struct qr_cat_schema *ret,
                                                   struct qr_err *err);
QR_NODISCARD enum qr_status qri_body_decode_usertype(struct qr_arena *arena, const uint8_t *body,
                                                     size_t body_bytes, struct qr_cat_usertype *ret,
                                                     struct qr_err *err);
QR_NODISCARD enum qr_status qri_body_decode_principal(struct qr_arena *arena, const uint8_t *body,
                                                      size_t body_bytes, struct qri_principal *ret,
                                                      struct qr_err *err);
QR_NODISCARD enum qr_status qri_body_decode_property(struct qr_arena *arena, const uint8_t *body,
                                                     size_t body_bytes, struct qri_property *ret,
                                                     struct qr_err *err);
