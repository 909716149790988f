/* server_role.c - see login_int.h: the fixed roles of a logical server and their members */
#include "base/sqlmsg.h"
#include "login_int.h"
#include "base/banned.h"

static const char *const roles[QR_SERVER_ROLE_COUNT] = {
    [QR_SERVER_DATABASE_CONNECTOR] = "##MS_DatabaseConnector##",
    [QR_SERVER_DATABASE_MANAGER] = "##MS_DatabaseManager##",
    [QR_SERVER_DEFINITION_READER] = "##MS_DefinitionReader##",
    [QR_SERVER_LOGIN_MANAGER] = "##MS_LoginManager##",
    [QR_SERVER_SECURITY_DEFINITION_READER] = "##MS_SecurityDefinitionReader##",
    [QR_SERVER_STATE_READER] = "##MS_ServerStateReader##",
    [QR_SERVER_STATE_MANAGER] = "##MS_ServerStateManager##",
};

/* What they may on the server; with ALTER ANY DATABASE and the like nobody else may, but the
 * administrator. */
static const struct {
    const char *perm;
    uint32_t roles;
} perms[] = {
#define BIT(role) (1u << (role))
    {"ALTER ANY DATABASE", BIT(QR_SERVER_DATABASE_MANAGER)},
    {"ALTER ANY LOGIN", BIT(QR_SERVER_LOGIN_MANAGER)},
    {"ALTER SERVER STATE", BIT(QR_SERVER_STATE_MANAGER)},
    {"CONNECT ANY DATABASE", BIT(QR_SERVER_DATABASE_CONNECTOR)},
    {"CREATE ANY DATABASE", BIT(QR_SERVER_DATABASE_MANAGER)},
    {"CREATE LOGIN", BIT(QR_SERVER_LOGIN_MANAGER)},
    {"VIEW ANY DEFINITION", BIT(QR_SERVER_DEFINITION_READER)},
    {"VIEW ANY SECURITY DEFINITION",
     BIT(QR_SERVER_DEFINITION_READER) | BIT(QR_SERVER_SECURITY_DEFINITION_READER)},
    {"VIEW SERVER STATE", BIT(QR_SERVER_STATE_READER) | BIT(QR_SERVER_STATE_MANAGER)},
    {"VIEW SERVER PERFORMANCE STATE", BIT(QR_SERVER_STATE_READER) | BIT(QR_SERVER_STATE_MANAGER)},
    {"VIEW SERVER SECURITY STATE", BIT(QR_SERVER_STATE_READER) | BIT(QR_SERVER_STATE_MANAGER)},
};

bool qri_server_role_find(struct qr_str name, enum qr_server_role *ret_role)
{
    for (size_t i = 0; i < QR_SERVER_ROLE_COUNT; i++)
        if (qr_str_ieqz(name, roles[i])) {
            *ret_role = (enum qr_server_role)i;
            return true;
        }
    return false;
}

const char *qri_server_role_name(enum qr_server_role role)
{
    return roles[role];
}

bool qri_may_on_server(const struct qr_session *session, struct qr_str perm)
{
    for (size_t i = 0; i < sizeof perms / sizeof perms[0]; i++)
        if (qr_str_ieqz(perm, perms[i].perm))
            for (uint32_t k = 0; k < QR_SERVER_ROLE_COUNT; k++)
                if ((perms[i].roles >> k & 1) != 0 &&
                    qri_has_server_role(session, (enum qr_server_role)k))
                    return true;
    return session->login.is_admin && session->is_owner;
}

/* ---- ALTER SERVER ROLE ---- */

enum qr_status qri_alter_server_role(struct qri_frame *frame, const struct qr_ast_principal *ast,
                                     struct qr_login_wish *ret_wish, struct qr_err *err)
{
    struct qr_session *session = frame->session;
    const struct qr_instance_host *host = &session->db->instance->options.host;
    bool adds = ast->add_member.text.n > 0;
    struct qr_str member = adds ? ast->add_member.text : ast->drop_member.text;
    uint8_t sid[QR_SID_BYTES_MAX];
    enum qr_server_role role;
    size_t bytes = 0;
    if (ast->action == QR_ACTION_CREATE || member.n == 0)
        return qr_sql_fail(err, 40510,
                           ast->action == QR_ACTION_CREATE ? "CREATE SERVER ROLE"
                                                           : "ALTER SERVER ROLE");
    if (!qri_server_role_find(ast->name.text, &role) ||
        (!qri_has_server_role(session, role) && !(session->login.is_admin && session->is_owner)))
        return qr_sql_fail(err, 15151, "alter", "server role",
                           qri_z(&frame->arena, ast->name.text));
    enum qr_status status =
        host->find_login == NULL
            ? QR_NOT_FOUND
            : host->find_login(host->ctx, session->db->info.server_id, member, sid, &bytes, err);
    if (status == QR_NOT_FOUND) {
        qr_err_reset(err);
        return qr_sql_fail(err, 15151, adds ? "add" : "drop", "principal",
                           qri_z(&frame->arena, member));
    }
    *ret_wish = (struct qr_login_wish){.kind = adds ? QR_WISH_LOGIN_JOIN : QR_WISH_LOGIN_LEAVE,
                                       .name = member,
                                       .roles = 1u << role};
    return status;
}
