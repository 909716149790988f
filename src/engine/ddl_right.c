/* ddl_right.c - rows of permissions, owners: see ddl_principal_int.h */
#include "ddl_principal_int.h"
#include "base/endian.h"
#include "base/sqlmsg.h"
#include "base/banned.h"

/* ---- may he? ---- */

bool qri_ddl_may(const struct qri_ddl *ddl, const struct qr_perm_securable *what, enum qr_perm perm)
{
    const struct qr_session *session = qri_ddl_session(ddl);
    return session->is_owner || qr_perm_ask((*ddl->main)->book, &session->context_now->token, what,
                                            0, perm) == QR_PERM_ALLOWED;
}

bool qri_ddl_may_database(const struct qri_ddl *ddl, enum qr_perm perm)
{
    const struct qr_perm_securable what = {.kind = QR_KIND_DATABASE, .owner_id = QR_PRINCIPAL_DBO};
    return qri_ddl_may(ddl, &what, perm);
}

bool qri_ddl_may_principal(const struct qri_ddl *ddl, const struct qri_principal *principal,
                           enum qr_perm perm)
{
    const struct qr_perm_securable what = qri_securable_principal(principal);
    return qri_ddl_may(ddl, &what, perm);
}

struct qr_perm_securable qri_securable_principal(const struct qri_principal *principal)
{
    return (struct qr_perm_securable){.kind = principal->type == 'R'   ? QR_KIND_ROLE
                                              : principal->type == 'A' ? QR_KIND_APPLICATION_ROLE
                                                                       : QR_KIND_USER,
                                      .id = principal->principal_id,
                                      .owner_id = principal->owning_principal_id};
}

struct qr_perm_securable qri_securable_schema(const struct qr_cat_schema *schema)
{
    return (struct qr_perm_securable){
        .kind = QR_KIND_SCHEMA, .id = schema->schema_id, .owner_id = schema->principal_id};
}

struct qr_perm_securable qri_securable_type(const struct qr_catalog *cat,
                                            const struct qr_cat_usertype *type)
{
    const struct qr_cat_schema *schema = qr_cat_schema_by_id(cat, type->schema_id);
    uint32_t owner = schema == NULL ? (uint32_t)QR_PRINCIPAL_DBO : schema->principal_id;
    return (struct qr_perm_securable){.kind = QR_KIND_TYPE,
                                      .id = type->user_type_id,
                                      .owner_id = type->owner_id != 0 ? type->owner_id : owner,
                                      .schema_id = type->schema_id,
                                      .schema_owner_id = owner};
}

/* ---- rows ---- */

static uint32_t new_right_id(const struct qri_ddl_stmt *s)
{
    const struct qri_catalog *c = *s->catalog;
    uint32_t id = 1;
    for (size_t i = 0; i < c->permission_count; i++)
        if (c->permissions[i].id >= id)
            id = c->permissions[i].id + 1;
    for (size_t i = 0; i < s->change.count; i++)
        if (s->change.records[i].kind == QRI_REC_PERMISSION && s->change.records[i].id >= id)
            id = s->change.records[i].id + 1;
    return id;
}

enum qr_status qri_put_right(struct qri_ddl_stmt *s, const struct qr_perm_row *row)
{
    return qri_change_put_permission(&s->change, new_right_id(s), row, s->err);
}

enum qr_status qri_drop_rights(struct qri_ddl_stmt *s, enum qr_perm_class on, uint32_t major_id,
                               uint32_t minor_id)
{
    const struct qri_catalog *c = *s->catalog;
    for (size_t i = 0; i < c->permission_count; i++) {
        const struct qr_perm_row *row = &c->permissions[i].row;
        if (row->on == on && row->major_id == major_id &&
            (minor_id == 0 || row->minor_id == minor_id))
            QR_TRY(qri_change_drop(&s->change, QRI_REC_PERMISSION, c->permissions[i].id, s->err));
    }
    return QR_OK;
}

enum qr_status qri_drop_rights_of(struct qri_ddl_stmt *s, const struct qri_principal *principal)
{
    const struct qri_catalog *c = *s->catalog;
    for (size_t i = 0; i < c->permission_count; i++)
        if (c->permissions[i].row.grantee_id == principal->principal_id)
            QR_TRY(qri_change_drop(&s->change, QRI_REC_PERMISSION, c->permissions[i].id, s->err));
    return qri_drop_rights(s, QR_ON_PRINCIPAL, principal->principal_id, 0);
}

/* There is one of the same four: securable, grantee, permission, grantor. */
static bool has_right(const struct qri_catalog *c, const struct qr_perm_row *row)
{
    for (size_t i = 0; i < c->permission_count; i++) {
        const struct qr_perm_row *p = &c->permissions[i].row;
        if (p->on == row->on && p->major_id == row->major_id && p->minor_id == row->minor_id &&
            p->perm == row->perm && p->grantee_id == row->grantee_id &&
            p->grantor_id == row->grantor_id)
            return true;
    }
    return false;
}

enum qr_status qri_hand_on_rights(struct qri_ddl_stmt *s, enum qr_perm_class on, uint32_t major_id,
                                  uint32_t old_owner, uint32_t new_owner)
{
    const struct qri_catalog *c = *s->catalog;
    for (size_t i = 0; i < c->permission_count; i++) {
        struct qr_perm_row row = c->permissions[i].row;
        uint32_t id = c->permissions[i].id;
        if (row.on != on || row.major_id != major_id)
            continue;
        if (row.grantee_id == new_owner) { /* an owner is given nothing: he has it all */
            QR_TRY(qri_change_drop(&s->change, QRI_REC_PERMISSION, id, s->err));
        } else if (row.grantor_id == old_owner) {
            row.grantor_id = new_owner;
            QR_TRY(has_right(c, &row) ? qri_change_drop(&s->change, QRI_REC_PERMISSION, id, s->err)
                                      : qri_change_put_permission(&s->change, id, &row, s->err));
        }
    }
    return QR_OK;
}

/* ---- principals ---- */

const char *qri_principal_noun(const struct qri_principal *principal)
{
    return principal->type == 'R' ? "role" : principal->type == 'A' ? "application role" : "user";
}

uint32_t qri_new_principal_id(const struct qri_catalog *c)
{
    uint32_t id = QR_PRINCIPAL_FIRST_USER;
    for (size_t i = 0; i < c->principal_count; i++)
        if (c->principals[i].principal_id >= id && c->principals[i].principal_id < QR_ROLE_OWNER)
            id = c->principals[i].principal_id + 1;
    if (id < QR_ROLE_OWNER)
        return id;
    for (id = QR_PRINCIPAL_FIRST_USER; qri_principal_by_id(c, id) != NULL;)
        id = id + 1 == QR_ROLE_OWNER ? QR_ROLE_DENYDATAWRITER + 1 : id + 1;
    return id;
}

struct qr_str qri_new_sid(const struct qri_ddl *ddl, bool is_role)
{
    enum { HEAD = 12, BYTES = HEAD + 16 };
    char *sid = qr_arena_alloc(ddl->arena, BYTES);
    if (sid == NULL)
        return (struct qr_str){NULL, 0};
    memcpy(sid, "\1\5\0\0\0\0\0\11\3\0\0\0", HEAD);
    if (is_role)
        sid[8] = 4;
    qr_env_random(qri_ddl_session(ddl)->db->instance->options.env, sid + HEAD, BYTES - HEAD);
    return qr_str_n(sid, BYTES);
}

enum qr_status qri_find_new_owner(const struct qri_ddl *ddl, struct qr_str name,
                                  const struct qri_principal **ret, struct qr_err *err)
{
    const struct qri_principal *p = qri_principal_by_name(*ddl->main, name);
    const struct qr_session *session = qri_ddl_session(ddl);
    bool may = p != NULL && p->principal_id != QR_PRINCIPAL_PUBLIC &&
               p->principal_id != QR_PRINCIPAL_GUEST &&
               p->principal_id != QR_PRINCIPAL_INFORMATION_SCHEMA &&
               p->principal_id != QR_PRINCIPAL_SYS;
    if (may && !session->is_owner && p->principal_id != qri_access_user(session))
        may = p->type == 'R' ? qr_perm_token_has(&session->context_now->token, p->principal_id) ||
                                   qri_ddl_may_principal(ddl, p, QR_MAY_ALTER)
                             : qri_ddl_may_principal(ddl, p, QR_MAY_IMPERSONATE);
    if (!may)
        return qr_sql_fail(err, 15151, "find", p == NULL ? "principal" : qri_principal_noun(p),
                           qri_z(ddl->arena, name));
    *ret = p;
    return QR_OK;
}

enum qr_status qri_refuse_drop(struct qri_ddl_stmt *s, const struct qri_principal *principal)
{
    const struct qri_catalog *c = *s->catalog;
    uint32_t id = principal->principal_id;
    for (size_t i = 0; i < c->cat.schema_count; i++)
        if (c->cat.schemas[i].principal_id == id)
            return qr_sql_fail(s->err, 15138, "schema");
    for (size_t i = 0; i < c->cat.object_count; i++) {
        if (c->cat.objects[i]->owner_id == id)
            return qr_sql_fail(s->err, 15138, "object");
        if (c->cat.objects[i]->execute_as == id)
            return qr_sql_fail(s->err, 15136);
    }
    for (size_t i = 0; i < c->cat.usertype_count; i++)
        if (c->cat.usertypes[i].owner_id == id)
            return qr_sql_fail(s->err, 15138, "type");
    for (size_t i = 0; i < c->principal_count; i++)
        if (c->principals[i].owning_principal_id == id)
            return qr_sql_fail(s->err, 15421);
    for (size_t i = 0; i < c->permission_count; i++)
        if (c->permissions[i].row.grantor_id == id)
            return qr_sql_fail(s->err, 15284);
    return QR_OK;
}
