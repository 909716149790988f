/* login_int.h - the logical server's own principals: its logins, which master's statements change,
 * and the roles of master whose members may do what else only the administrator may. */
#pragma once
#include "access_int.h"
#include "ddl_int.h"
#include "frame.h"

enum { QRI_ROLE_LOGINMANAGER = 16394, QRI_ROLE_DBMANAGER = 16395 };

/* Adds these two to a master that has not got them; by who has the writer lock. */
QR_NODISCARD enum qr_status qri_master_roles(sqlite3 *conn, int64_t now_ticks,
                                             struct qri_catalog **catalog, struct qr_err *err);
bool qri_in_master(const struct qr_session *session);
/* The administrator, or in master a member of that role of it. */
bool qri_may_server(const struct qr_session *session, uint32_t role_id);
/* A dbmanager, who owns it then: so he copies only what he owns already (916), and nothing of
 * another server, where he is nobody (262). */
QR_NODISCARD enum qr_status qri_want_create_database(struct qr_session *session,
                                                     const struct qr_ast_create_database *stmt,
                                                     struct qr_err *err);
/* A dbmanager any database, from master; who has ALTER of a database that one, from within. */
bool qri_may_alter_database(const struct qr_session *session,
                            const struct qr_ast_alter_database *stmt);
/* ---- fixed roles of the server (server_role.c) ---- */

enum { QRI_SERVER_ROLE_ID = 1000000001 }; /* of the first, in sys.server_principals */
bool qri_server_role_find(struct qr_str name, enum qr_server_role *ret_role);
const char *qri_server_role_name(enum qr_server_role role);
/* "VIEW SERVER STATE": the administrator, or by a role of the login. */
bool qri_may_on_server(const struct qr_session *session, struct qr_str perm);
/* ADD and DROP MEMBER, by the administrator or a member: what is asked of the host. 15151, 40510.
 */
QR_NODISCARD enum qr_status qri_alter_server_role(struct qri_frame *frame,
                                                  const struct qr_ast_principal *ast,
                                                  struct qr_login_wish *ret_wish,
                                                  struct qr_err *err);

/* CREATE, ALTER, DROP LOGIN, ALTER SERVER ROLE? */
bool qri_is_login_stmt(const struct qr_ast_stmt *stmt);
/* 5001 outside master; 15247 who is no loginmanager and does not change his own password. */
QR_NODISCARD enum qr_status qri_run_login(struct qri_frame *frame, const struct qri_op *op,
                                          struct qr_err *err);
/* ALTER AUTHORIZATION ON DATABASE? */
bool qri_is_owner_stmt(const struct qr_ast_stmt *stmt);
/* Errors 15151, 15109 (master), 15110, 226, 3906 (a replica). */
QR_NODISCARD enum qr_status qri_run_owner(struct qri_frame *frame, const struct qri_op *op,
                                          struct qr_err *err);
