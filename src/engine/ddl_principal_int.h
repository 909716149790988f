/* ddl_principal_int.h - what the statements about principals and permissions share.
 *
 * A permission's row names its securable, its grantee, its permission and its grantor; there is one
 * row of these four at most. Whoever drops a securable or a principal drops the rows that name it;
 * whoever has given something to others cannot be dropped. */
#pragma once
#include "access_int.h"
#include "ddl_int.h"

static inline struct qr_session *qri_ddl_session(const struct qri_ddl *ddl)
{
    return ddl->ctx;
}

/* May the session's user ...? By the picture as the statement has left it so far. */
bool qri_ddl_may(const struct qri_ddl *ddl, const struct qr_perm_securable *what,
                 enum qr_perm perm);
bool qri_ddl_may_database(const struct qri_ddl *ddl, enum qr_perm perm);
bool qri_ddl_may_principal(const struct qri_ddl *ddl, const struct qri_principal *principal,
                           enum qr_perm perm);
struct qr_perm_securable qri_securable_principal(const struct qri_principal *principal);
struct qr_perm_securable qri_securable_schema(const struct qr_cat_schema *schema);
struct qr_perm_securable qri_securable_type(const struct qr_catalog *cat,
                                            const struct qr_cat_usertype *type);

/* `NAME = 'text'`, or a name, of WITH; "" if it is neither (ddl_principal.c). */
struct qr_str qri_principal_option(const struct qr_ast_option *o);

/* ---- rows of permissions (ddl_right.c) ---- */

/* Another row; it has none of its four yet. */
QR_NODISCARD enum qr_status qri_put_right(struct qri_ddl_stmt *s, const struct qr_perm_row *row);
/* Those that the principal has, and those on it. */
QR_NODISCARD enum qr_status qri_drop_rights_of(struct qri_ddl_stmt *s,
                                               const struct qri_principal *principal);
/* It belongs to another: who owned it gave what he gave in his name. */
QR_NODISCARD enum qr_status qri_hand_on_rights(struct qri_ddl_stmt *s, enum qr_perm_class on,
                                               uint32_t major_id, uint32_t old_owner,
                                               uint32_t new_owner);

/* ---- owners ---- */

/* The principal that is to own something: 15151 if there is none, or the session's user may not act
 * for it. */
QR_NODISCARD enum qr_status qri_find_new_owner(const struct qri_ddl *ddl, struct qr_str name,
                                               const struct qri_principal **ret,
                                               struct qr_err *err);
/* The next free number for a principal. */
uint32_t qri_new_principal_id(const struct qri_catalog *c);
/* A SID of the database's own: S-1-9-3 (users), S-1-9-4 (roles), and 16 random bytes. */
struct qr_str qri_new_sid(const struct qri_ddl *ddl, bool is_role);
/* "user", "role", as 15151 says it. */
const char *qri_principal_noun(const struct qri_principal *principal);
/* 15136, 15138, 15284, 15421: what it owns, executes or has given keeps it from being dropped. */
QR_NODISCARD enum qr_status qri_refuse_drop(struct qri_ddl_stmt *s,
                                            const struct qri_principal *principal);

QRI_DDL_FN(qri_ddl_approle);
QR_NODISCARD enum qr_status qri_ddl_drop_approle(struct qri_ddl *ddl, struct qr_str name,
                                                 bool if_exists, struct qr_err *err);
QRI_DDL_FN(qri_ddl_role);
QR_NODISCARD enum qr_status qri_ddl_drop_role(struct qri_ddl *ddl, struct qr_str name,
                                              bool if_exists, struct qr_err *err);
