/* perm/perm.h - what the principals of a database may do: permissions and how they imply each
 * other, the rows of sys.database_permissions, and the decision.
 *
 * Pure. A book is made once with a picture of the catalog and read by any number of threads; a
 * token is one security context's and is made anew with each picture. Names and hierarchy come
 * from data/permissions.csv (sys.fn_builtin_permissions); the decision is that of "Permissions
 * (Database Engine)", Summary of the Permission Check Algorithm. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"
#include "perm_names.h" /* generated: enum qr_perm, QR_MAY_SELECT, QR_MAY_CREATE_TABLE, ... */

/* sys.database_permissions.class. */
enum qr_perm_class {
    QR_ON_DATABASE = 0,
    QR_ON_OBJECT = 1, /* or a column of it: the minor id */
    QR_ON_SCHEMA = 3,
    QR_ON_PRINCIPAL = 4,
    QR_ON_TYPE = 6,
};

/* What a securable is, finer than its class: fn_builtin_permissions.class_desc. */
enum qr_perm_kind {
    QR_KIND_DATABASE,
    QR_KIND_OBJECT,
    QR_KIND_SCHEMA,
    QR_KIND_ROLE,
    QR_KIND_USER,
    QR_KIND_APPLICATION_ROLE,
    QR_KIND_TYPE,
    QR_KIND_COUNT
};

/* Principals that every database has. */
enum {
    QR_PRINCIPAL_PUBLIC = 0,
    QR_PRINCIPAL_DBO = 1,
    QR_PRINCIPAL_GUEST = 2,
    QR_PRINCIPAL_INFORMATION_SCHEMA = 3,
    QR_PRINCIPAL_SYS = 4,
    QR_PRINCIPAL_FIRST_USER = 5,
    QR_ROLE_OWNER = 16384,
    QR_ROLE_ACCESSADMIN = 16385,
    QR_ROLE_SECURITYADMIN = 16386,
    QR_ROLE_DDLADMIN = 16387,
    QR_ROLE_BACKUPOPERATOR = 16389,
    QR_ROLE_DATAREADER = 16390,
    QR_ROLE_DATAWRITER = 16391,
    QR_ROLE_DENYDATAREADER = 16392,
    QR_ROLE_DENYDATAWRITER = 16393,
    /* Not of the database: fixed roles of its server, which a login is in (enum qr_server_role). */
    QR_ROLE_OF_SERVER = 0x7FFF0000,
};

/* REVOKE: of a column of what the same grantor has granted the same grantee as a whole. */
enum qr_perm_state {
    QR_PERM_GRANT = 'G',
    QR_PERM_GRANT_OPTION = 'W',
    QR_PERM_DENY = 'D',
    QR_PERM_REVOKE = 'R',
};

/* A row of sys.database_permissions. */
struct qr_perm_row {
    uint8_t on;    /* enum qr_perm_class */
    uint8_t state; /* enum qr_perm_state */
    uint16_t perm; /* enum qr_perm */
    uint32_t major_id, minor_id;
    uint32_t grantee_id, grantor_id;
};

/* ---- names ---- */

/* "SELECT" to QR_MAY_SELECT, without case; QR_MAY_NOTHING: no permission of any class. */
enum qr_perm qr_perm_by_name(struct qr_str name);
const char *qr_perm_name(enum qr_perm perm); /* "SELECT" */
const char *qr_perm_code(enum qr_perm perm); /* "SL  ", four characters */
/* Of four characters; QR_MAY_NOTHING: none has it. */
enum qr_perm qr_perm_by_code(const char code[4]);
const char *qr_perm_kind_name(enum qr_perm_kind kind); /* "OBJECT", as class_desc of fn_builtin */
const char *qr_perm_class_desc(enum qr_perm_class on); /* "OBJECT_OR_COLUMN", of the view */
enum qr_perm_class qr_perm_class_of(enum qr_perm_kind kind);
/* Does the permission exist for securables of that kind? */
bool qr_perm_applies(enum qr_perm_kind kind, enum qr_perm perm);
/* Of OBJECT: SELECT, UPDATE, REFERENCES and UNMASK can be said of columns. */
bool qr_perm_has_columns(enum qr_perm perm);

/* A row of data/permissions.csv; false: index is behind the last. */
struct qr_perm_builtin {
    enum qr_perm_kind kind;
    enum qr_perm perm, covering;  /* covering: in the kind; QR_MAY_NOTHING: none */
    enum qr_perm parent_covering; /* in the kind around it (`parent`) */
    enum qr_perm_kind parent;     /* counts with parent_covering */
};
bool qr_perm_builtin(size_t index, struct qr_perm_builtin *ret);

/* ---- the decision ---- */

struct qr_perm_book;

/* Sorts the rows; all memory is the arena's. `rows` are copied. */
QR_NODISCARD enum qr_status qr_perm_book_new(struct qr_arena *arena, const struct qr_perm_row *rows,
                                             size_t count, struct qr_perm_book **ret_book,
                                             struct qr_err *err);
/* In order of class, major, minor, grantee, permission. */
const struct qr_perm_row *qr_perm_book_rows(const struct qr_perm_book *book, size_t *ret_count);

/* Who asks: a user, public, and the roles that either is a member of, through other roles too. */
struct qr_perm_token {
    uint32_t user_id;
    bool is_owner;       /* dbo: everything is allowed, nothing is looked up */
    const uint32_t *ids; /* ascending; the user's own is among them */
    size_t count;
};
/* One member_of row: `member_id` is a member of `role_id`. */
struct qr_perm_member {
    uint32_t role_id, member_id;
};
QR_NODISCARD enum qr_status qr_perm_token_make(struct qr_arena *arena, uint32_t user_id,
                                               const struct qr_perm_member *members, size_t count,
                                               struct qr_perm_token *ret, struct qr_err *err);
/* Is that principal the user, public, or a role of his? dbo is a member of db_owner. */
bool qr_perm_token_has(const struct qr_perm_token *token, uint32_t principal_id);

/* What is asked for. Owners: who owns it has CONTROL of it, whatever is denied to him. */
struct qr_perm_securable {
    enum qr_perm_kind kind;
    uint32_t id;              /* object, schema, principal, user type; 0 for the database */
    uint32_t owner_id;        /* OBJECT, TYPE: its schema's unless it has one of its own; for
                                 QR_KIND_DATABASE dbo */
    uint32_t schema_id;       /* OBJECT, TYPE */
    uint32_t schema_owner_id; /* OBJECT, TYPE */
};

enum qr_perm_answer { QR_PERM_NONE, QR_PERM_ALLOWED, QR_PERM_DENIED };

/* May he? `column_id` 0: the whole (what is said of single columns does not count, but that any
 * column is allowed is qr_perm_any_column). Denied wins over allowed, but for a column's own row
 * over its object's. */
enum qr_perm_answer qr_perm_ask(const struct qr_perm_book *book, const struct qr_perm_token *token,
                                const struct qr_perm_securable *what, uint32_t column_id,
                                enum qr_perm perm);
/* One of the object's columns is allowed by a row of its own. */
bool qr_perm_any_column(const struct qr_perm_book *book, const struct qr_perm_token *token,
                        const struct qr_perm_securable *what, enum qr_perm perm);
/* May he give it to others: WITH GRANT OPTION on it or on what covers it, or CONTROL of it; members
 * of db_securityadmin manage all permissions but those to act as another user. */
bool qr_perm_may_grant(const struct qr_perm_book *book, const struct qr_perm_token *token,
                       const struct qr_perm_securable *what, uint32_t column_id, enum qr_perm perm);
/* Does he see its metadata: he owns it, or any permission on it is his, and VIEW DEFINITION is not
 * denied? */
bool qr_perm_sees(const struct qr_perm_book *book, const struct qr_perm_token *token,
                  const struct qr_perm_securable *what);
