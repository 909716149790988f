/* ddl_grant_int.h - one GRANT, DENY or REVOKE; what ddl_permission.c and ddl_grant.c share. */
#pragma once
#include "ddl_principal_int.h"

struct qri_grant {
    struct qri_ddl_stmt s;
    const struct qr_ast_permission *ast;
    struct qr_perm_securable what;
    const struct qr_cat_object *object; /* of kind OBJECT */
    uint32_t *grantees;                 /* as `ast` names them */
    uint32_t grantor_id;
    struct qri_permission *rows; /* all of the database, as they become */
    size_t count, capacity;
    uint32_t next_id;
};

/* Takes the rows, and who AS says: 15151, 4618. */
QR_NODISCARD enum qr_status qri_grant_begin(struct qri_grant *g);
/* In whose name the permission is given: the owner's if the session's user may all, else his own.
 * 4613, 15151: he may not. */
QR_NODISCARD enum qr_status qri_grant_by(struct qri_grant *g, enum qr_perm perm,
                                         uint32_t column_id);
/* One row becomes what the statement says. 4611 */
QR_NODISCARD enum qr_status qri_grant_row(struct qri_grant *g, enum qr_perm perm,
                                          uint32_t column_id, uint32_t grantee_id);
