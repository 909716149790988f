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
 * Permissions of statements are asked for in access_want.c, from the accesses of their plans.
 * Ownership chains: what a module or a view does to an object of the same owner is not asked for;
 * who may call the module may do it. Dynamic SQL begins anew, DDL is always asked for. */
#pragma once
#include "engine_int.h"

enum { QRI_COOKIE_BYTES = 16, QRI_CONTEXTS_MAX = 128 };

/* One security context. */
struct qri_context {
    struct qri_context *outer;
    unsigned depth;          /* 0: the login's */
    uint32_t user_id;        /* of sys.database_principals */
    int64_t user_ticks;      /* his create_ticks: a number is given again when he is dropped */
    uint64_t catalog_serial; /* `token` was made with it */
    struct qr_perm_token token;
    struct qr_arena arena; /* of `token` */
    uint32_t schema_id;    /* the user's default schema */
    bool is_module;        /* ends with its frame; REVERT does not end it */
    bool no_revert;
    uint8_t cookie[QRI_COOKIE_BYTES]; /* zeros: none */
};

/* The user that the login is in this database: dbo for the server's administrator, the user of its
 * SID, or the database's own user who was let in by his password. 4060 if there is none, or he may
 * not CONNECT. Once, before the session's first request. One that comes from another process is
 * nobody, who may do nothing, until qri_access_restore. */
QR_NODISCARD enum qr_status qri_access_begin(struct qr_session *session, struct qr_err *err);
void qri_access_end(struct qr_session *session);
/* The user that he has become by EXECUTE AS or sp_setapprole; 0: he is himself. */
uint32_t qri_access_became(const struct qr_session *session);
/* The login's name, or what stands for it: the user's own, or his SID in letters. */
struct qr_str qri_login_of_user(struct qr_arena *arena, const struct qri_principal *user);
/* By the login, unless he has become another user. */
bool qri_has_server_role(const struct qr_session *session, enum qr_server_role role);
/* Before each statement: the token is of the session's catalog. 916 if the user is gone. */
QR_NODISCARD enum qr_status qri_access_settle(struct qr_session *session, struct qr_err *err);
/* The session has another picture of the catalog: who came in as its owner and is not any more may
 * do nothing, and is told so by the next statement. */
void qri_access_look_again(struct qr_session *session);

/* Becomes another user, for a module or until REVERT. 217: QRI_CONTEXTS_MAX of them last. */
QR_NODISCARD enum qr_status qri_access_push(struct qr_session *session, uint32_t user_id,
                                            struct qr_err *err);
void qri_access_pop(struct qr_session *session);
/* The contexts of a session that comes from another process, its login's first, take the place of
 * what it has. A user who is gone meanwhile may do nothing, and hears 916. */
struct qri_moved_user;
QR_NODISCARD enum qr_status qri_access_restore(struct qr_session *session,
                                               const struct qri_moved_user *users, size_t count,
                                               struct qr_err *err);
/* A module WITH EXECUTE AS begins: its frame ends it. */
QR_NODISCARD enum qr_status qri_access_push_module(struct qr_session *session,
                                                   const struct qr_cat_object *module,
                                                   struct qr_err *err);
/* The frame ends, and with it all contexts that began in it. */
void qri_access_leave(struct qr_session *session, const struct qri_context *before);
/* A connection is reset: it is who logged in again. False: it must not be (NO REVERT, COOKIE). */
bool qri_access_reset(struct qr_session *session);
uint32_t qri_access_user(const struct qr_session *session); /* the innermost */

/* The user of that name, whom the session may become: 15517. run_context.c */
QR_NODISCARD enum qr_status qri_impersonate(struct qr_session *session, struct qr_str name,
                                            uint32_t *ret_id, struct qr_err *err);
/* May he make a module run as the principal that owns it: 15517. */
QR_NODISCARD enum qr_status qri_want_as_owner(const struct qr_session *session, uint32_t owner_id,
                                              struct qr_err *err);
/* WITH EXECUTE AS among a module's options, as qr_cat_object.execute_as keeps it. */
struct qr_ast_options;
QR_NODISCARD enum qr_status qri_module_execute_as(struct qr_session *session,
                                                  const struct qr_ast_options *options,
                                                  uint32_t *ret_id, struct qr_err *err);

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
bool qri_sees_type(const struct qr_session *session, const struct qr_cat_usertype *type);
bool qri_sees_principal(const struct qr_session *session, const struct qri_principal *principal);
bool qri_is_member(const struct qr_session *session, uint32_t principal_id);

/* The same, as statements say it: 262 of the database, 229 of an object, 230 of a column. */
QR_NODISCARD enum qr_status qri_want_database(const struct qr_session *session, enum qr_perm perm,
                                              struct qr_err *err);
QR_NODISCARD enum qr_status qri_want_object(const struct qr_session *session,
                                            const struct qr_cat_object *object, enum qr_perm perm,
                                            struct qr_err *err);

/* ---- DDL: access_ddl.c ---- */

/* What the statement needs, as the session's transaction has the catalog now: 262, 2760, and the
 * errors of what is not there. `ctx`: the session. */
QR_NODISCARD enum qr_status qri_want_ddl(void *ctx, struct qri_ddl *ddl,
                                         const struct qr_ast_stmt *stmt, struct qr_err *err);

/* ---- what statements do: access_want.c ---- */

struct qri_frame;
/* All that a plan or an expression of the frame does: 229, 230. Ownership chains are free. */
QR_NODISCARD enum qr_status qri_want_accesses(struct qr_session *session,
                                              const struct qri_frame *frame,
                                              const struct qr_plan_accesses *accesses,
                                              struct qr_err *err);
/* Functions and sequences that a DEFAULT, CHECK or computed column names: REFERENCES, or what their
 * use needs; in no chain, since who may use the table may use them through it. */
QR_NODISCARD enum qr_status qri_want_references(struct qr_session *session,
                                                const struct qr_plan_accesses *accesses,
                                                struct qr_err *err);
/* ALTER of a table, for what is not DDL: 1088, as if it were not there. In no chain. */
QR_NODISCARD enum qr_status qri_want_alter(struct qr_session *session,
                                           const struct qr_cat_object *table, const char *name,
                                           struct qr_err *err);
/* CREATE TABLE, and ALTER of the schema that the table without a prefix, or with one, comes into:
 * 262, 2760. */
QR_NODISCARD enum qr_status qri_want_new_table(struct qr_session *session,
                                               const struct qr_ast_name *name, struct qr_err *err);
/* EXECUTE, unless the running module's owner is the called one's. */
QR_NODISCARD enum qr_status qri_want_call(struct qr_session *session,
                                          const struct qr_cat_object *module,
                                          const struct qr_cat_object *synonym, struct qr_err *err);
/* What asking a view or function of the system needs of the database; QR_MAY_NOTHING: it is public.
 * False: nobody has said so, and who asks needs VIEW DATABASE STATE. */
bool qri_view_right(struct qr_str name, enum qr_perm *ret_perm);
/* A view or function of the system catalog that a statement of the frame names: 262.
 * access_view.c */
QR_NODISCARD enum qr_status qri_want_system_view(const struct qr_session *session,
                                                 const struct qri_frame *frame,
                                                 const struct qr_cat_object *view,
                                                 struct qr_err *err);
/* 229: that permission on a type. */
QR_NODISCARD enum qr_status qri_want_type(const struct qr_session *session,
                                          const struct qr_cat_usertype *type, enum qr_perm perm,
                                          struct qr_err *err);
/* A variable of that type: EXECUTE on it, if it is a table type. */
QR_NODISCARD enum qr_status qri_want_table_type(struct qr_session *session,
                                                const struct qri_frame *frame,
                                                uint32_t user_type_id, struct qr_err *err);
bool qri_is_system_object(const struct qr_cat_object *object);
/* Where names without a schema are looked for first, and made. */
uint32_t qri_access_schema(const struct qr_session *session);

/* ---- system views: access_view.c ---- */

struct qri_sysrows;
/* Takes the rows away that the session may not see; not for dbo. */
void qri_hide_rows(struct qri_sysrows *rows, const struct qr_session *session);
/* Those of others, in master. */
bool qri_sees_logins(const struct qr_session *session);

/* ---- administration: access_admin.c ---- */

/* What a statement that is no query, no change of rows and no DDL needs: 262, 5812, 6102,
 * 15247. Not for dbo. Of databases: login_int.h. */
QR_NODISCARD enum qr_status qri_want_statement(const struct qr_session *session,
                                               const struct qr_ast_stmt *stmt, struct qr_err *err);
/* A DBCC command: 2571; of a table: 2557, when the command names it. */
QR_NODISCARD enum qr_status qri_want_dbcc(const struct qr_session *session, struct qr_str command,
                                          struct qr_err *err);
QR_NODISCARD enum qr_status qri_want_dbcc_of(const struct qr_session *session,
                                             struct qr_str command,
                                             const struct qr_cat_object *table, struct qr_err *err);
/* A system procedure is called: 262, 15247. */
QR_NODISCARD enum qr_status qri_want_procedure(const struct qr_session *session, struct qr_str name,
                                               struct qr_err *err);
/* Sessions that it may ask about or end, if it may at all: those of its database, and of all of the
 * logical server for who administers it. */
bool qri_reaches_session(const struct qr_session *session, const struct qr_session *other);
/* False: it has no line in the table, and needs CONTROL of the database. */
bool qri_procedure_right(struct qr_str name, enum qr_perm *ret_perm);

/* ---- of the catalog ---- */

const struct qri_principal *qri_principal_by_id(const struct qri_catalog *catalog, uint32_t id);
const struct qri_principal *qri_principal_by_name(const struct qri_catalog *catalog,
                                                  struct qr_str name);
const struct qri_principal *qri_principal_by_sid(const struct qri_catalog *catalog,
                                                 struct qr_str sid);
struct qr_perm_securable qri_securable(const struct qr_catalog *catalog,
                                       const struct qr_cat_object *object);
