/* access_int.h - who a session is in its database, and what it may do there.
 *
 * A session has a stack of security contexts: the one that it logged in with, and on top of it one
 * for each EXECUTE AS that lasts, of a statement or of a module. The user of the innermost one is
 * CURRENT_USER, and his permissions count. Whoever is dbo is asked nothing: `session->is_owner` is
 * the one test on the way of a statement. Everybody else's token is made when he comes and again
 * whenever the catalog has changed, so a GRANT or DENY counts from the next statement on.
 * Permissions are in the catalog, and so they are the transaction's that gives them, and its
 * rollback takes them back.
 *
 * Ownership chains: what a module or a view does to an object of the same owner is not asked for;
 * who may call the module may do it. Dynamic SQL begins anew, DDL is always asked for. */
#pragma once
#include "engine_int.h"

/* One security context. */
struct qri_context {
    struct qri_context *outer;
    uint32_t user_id;        /* of sys.database_principals */
    uint64_t catalog_serial; /* `token` was made with it */
    struct qr_perm_token token;
    struct qr_arena arena; /* of `token` */
    /* EXECUTE AS of a statement: REVERT ends it where it began. */
    uint32_t nest_level; /* of the frame that began it */
    bool is_module;      /* ends with its frame; REVERT does not end it */
    bool no_revert;
    uint8_t cookie[16]; /* zeros: none */
};

/* The user that the login is in this database: dbo for the server's administrator, the user of its
 * SID, or the database's own user who was let in by his password. 4060 if there is none, or he may
 * not CONNECT. Once, before the session's first request. */
QR_NODISCARD enum qr_status qri_access_begin(struct qr_session *session, struct qr_err *err);
void qri_access_end(struct qr_session *session);
/* Before each statement: the token is of the session's catalog. 916 if the user is gone. */
QR_NODISCARD enum qr_status qri_access_settle(struct qr_session *session, struct qr_err *err);

/* Becomes another user, for a module or until REVERT. */
QR_NODISCARD enum qr_status qri_access_push(struct qr_session *session, uint32_t user_id,
                                            struct qr_err *err);
void qri_access_pop(struct qr_session *session);
uint32_t qri_access_user(const struct qr_session *session); /* the innermost */

/* ---- may the session ...? All answer true to dbo at once. ---- */

bool qri_may_database(const struct qr_session *session, enum qr_perm perm);
bool qri_may_schema(const struct qr_session *session, uint32_t schema_id, enum qr_perm perm);
bool qri_may_object(const struct qr_session *session, const struct qr_cat_object *object,
                    enum qr_perm perm);
bool qri_may_column(const struct qr_session *session, const struct qr_cat_object *object,
                    uint32_t column_id, enum qr_perm perm);
bool qri_may_type(const struct qr_session *session, const struct qr_cat_usertype *type,
                  enum qr_perm perm);
bool qri_may_principal(const struct qr_session *session, const struct qri_principal *principal,
                       enum qr_perm perm);
/* Metadata: constraints, indexes and triggers are seen with their table. */
bool qri_sees_object(const struct qr_session *session, const struct qr_cat_object *object);
bool qri_sees_schema(const struct qr_session *session, const struct qr_cat_schema *schema);
bool qri_sees_principal(const struct qr_session *session, const struct qri_principal *principal);
bool qri_is_member(const struct qr_session *session, uint32_t principal_id);

/* The same, as statements say it: 262 of the database, 229 of an object, 230 of a column. */
QR_NODISCARD enum qr_status qri_want_database(const struct qr_session *session, enum qr_perm perm,
                                              struct qr_err *err);
QR_NODISCARD enum qr_status qri_want_object(const struct qr_session *session,
                                            const struct qr_cat_object *object, enum qr_perm perm,
                                            struct qr_err *err);

/* ---- of the catalog ---- */

const struct qri_principal *qri_principal_by_id(const struct qri_catalog *catalog, uint32_t id);
const struct qri_principal *qri_principal_by_name(const struct qri_catalog *catalog,
                                                  struct qr_str name);
const struct qri_principal *qri_principal_by_sid(const struct qri_catalog *catalog,
                                                 struct qr_str sid);
struct qr_perm_securable qri_securable(const struct qr_catalog *catalog,
                                       const struct qr_cat_object *object);
