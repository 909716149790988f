/* run_login.c - see login_int.h: CREATE, ALTER, DROP LOGIN; whose a database is */
#include <string.h>
#include "base/sqlmsg.h"
#include "catalog_change_int.h"
#include "login_int.h"
#include "password/password.h"
#include "base/banned.h"

enum {
    MASTER_ID = 1,
    SID_BYTES = 32,
    SID_GUID_AT = 16,
    NAME_CHARS_MAX = 128,
    COMMAND_OTHER = 0xFD
};

/* ---- roles of master ---- */

enum qr_status qri_master_roles(sqlite3 *conn, int64_t now_ticks, struct qri_catalog **catalog,
                                struct qr_err *err)
{
    static const struct {
        uint32_t id;
        const char *name;
    } roles[] = {{QRI_ROLE_LOGINMANAGER, "loginmanager"}, {QRI_ROLE_DBMANAGER, "dbmanager"}};
    if ((*catalog)->cat.database_id != MASTER_ID ||
        qri_principal_by_id(*catalog, QRI_ROLE_DBMANAGER) != NULL)
        return QR_OK;
    struct qr_arena arena;
    struct qri_change change;
    qr_arena_init(&arena, 1 << 20);
    qri_change_init(&change, &arena, *catalog);
    enum qr_status status = qri_conn_exec(conn, "BEGIN IMMEDIATE", err);
    bool begun = status == QR_OK;
    for (size_t i = 0; i < sizeof roles / sizeof roles[0] && status == QR_OK; i++) {
        const struct qri_principal p = {.principal_id = roles[i].id,
                                        .name = qr_str(roles[i].name),
                                        .type = 'R',
                                        .is_fixed_role = true,
                                        .owning_principal_id = QR_PRINCIPAL_DBO,
                                        .default_schema = qr_str(""),
                                        .create_ticks = now_ticks,
                                        .modify_ticks = now_ticks};
        status = qri_change_put_principal(&change, &p, err);
    }
    if (status == QR_OK)
        status = qri_change_apply(&change, conn, catalog, err);
    if (status == QR_OK)
        status = qri_conn_exec(conn, "COMMIT", err);
    if (begun && status != QR_OK)
        (void)!qri_conn_exec(conn, "ROLLBACK", NULL);
    qr_arena_done(&arena);
    return status;
}

bool qri_in_master(const struct qr_session *session)
{
    return session->db->info.database_id == MASTER_ID;
}

static bool is_admin(const struct qr_session *session)
{
    return session->login.is_admin && session->is_owner;
}

bool qri_may_server(const struct qr_session *session, uint32_t role_id)
{
    enum qr_server_role role =
        role_id == QRI_ROLE_DBMANAGER ? QR_SERVER_DATABASE_MANAGER : QR_SERVER_LOGIN_MANAGER;
    return is_admin(session) || (qri_in_master(session) && (qri_is_member(session, role_id) ||
                                                            qri_has_server_role(session, role)));
}

struct whose {
    struct qr_str name;
    uint8_t sid[QR_SID_BYTES_MAX];
    size_t bytes;
};

static enum qr_status look_at_database(void *ctx, const struct qr_database_info *info)
{
    struct whose *whose = ctx;
    if (!qr_str_ieq(info->name, whose->name))
        return QR_OK;
    whose->bytes = info->owner_sid_bytes;
    memcpy(whose->sid, info->owner_sid, info->owner_sid_bytes);
    return QR_OK;
}

static enum qr_status may_copy(struct qr_session *session, struct qr_str source, struct qr_err *err)
{
    const struct qr_instance_host *host = &session->db->instance->options.host;
    struct qr_str sid = qr_session_login_sid(session);
    struct whose whose = {.name = source};
    QR_TRY(host->each_database(host->ctx, session->db->info.server_id, look_at_database, &whose));
    if (sid.n > 0 && qr_str_eq(sid, qr_str_n((const char *)whose.sid, whose.bytes)))
        return QR_OK;
    return qr_sql_fail(err, 916, qri_z(&session->arena, session->login.login),
                       qri_z(&session->arena, source));
}

enum qr_status qri_want_create_database(struct qr_session *session,
                                        const struct qr_ast_create_database *stmt,
                                        struct qr_err *err)
{
    size_t parts = stmt->copy_of.count;
    if (is_admin(session))
        return QR_OK;
    if (parts > 1 || !qri_may_server(session, QRI_ROLE_DBMANAGER))
        return qr_sql_fail(err, 262, "CREATE DATABASE", "master");
    return parts == 0 ? QR_OK : may_copy(session, stmt->copy_of.parts[0].text, err);
}

bool qri_may_alter_database(const struct qr_session *session,
                            const struct qr_ast_alter_database *stmt)
{
    if (qri_may_server(session, QRI_ROLE_DBMANAGER))
        return true;
    bool is_this =
        stmt->name.text.n == 0 || qr_str_ieq(stmt->name.text, qri_info(session->db)->name);
    return is_this && !qri_in_master(session) && qri_may_database(session, QR_MAY_ALTER);
}

/* ---- what the statement says ---- */

bool qri_is_login_stmt(const struct qr_ast_stmt *stmt)
{
    if (stmt->kind == QR_AS_DROP)
        return qr_str_ieqz(((const struct qr_ast_drop *)stmt)->object_class, "LOGIN");
    struct qr_str word = ((const struct qr_ast_principal *)stmt)->principal_class;
    return stmt->kind == QR_AS_PRINCIPAL &&
           (qr_str_ieqz(word, "LOGIN") || qr_str_ieqz(word, "SERVER ROLE"));
}

static bool text_of(const struct qr_ast_option *o, struct qr_str *ret)
{
    const struct qr_ast_literal *literal = (const struct qr_ast_literal *)o->value;
    if (o->value == NULL || o->value->kind != QR_AE_LITERAL ||
        (literal->literal != QR_LIT_STRING && literal->literal != QR_LIT_NSTRING))
        return false;
    *ret = literal->text;
    return true;
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

/* As Azure makes and takes them: 0x0106000000000064, eight zeros, a GUID. */
static const uint8_t sid_head[SID_GUID_AT] = {1, 6, 0, 0, 0, 0, 0, 100};

static enum qr_status read_sid(struct qr_arena *arena, const struct qr_ast_option *o,
                               struct qr_str *ret, struct qr_err *err)
{
    const struct qr_ast_literal *literal = (const struct qr_ast_literal *)o->value;
    uint8_t bytes[SID_BYTES];
    if (o->value == NULL || o->value->kind != QR_AE_LITERAL || literal->literal != QR_LIT_BINARY)
        return qr_sql_fail(err, 102, "SID");
    struct qr_str digits = literal->text;
    if (digits.n != 2 * sizeof bytes)
        return qr_sql_fail(err, 15419);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(digit_of(digits.p[2 * i]) << 4 | digit_of(digits.p[2 * i + 1]));
    if (memcmp(bytes, sid_head, sizeof sid_head) != 0)
        return qr_sql_fail(err, 15419);
    ret->p = qr_arena_dup(arena, bytes, sizeof bytes);
    ret->n = sizeof bytes;
    return ret->p == NULL ? qr_fail(err, QR_NOMEM, "login") : QR_OK;
}

struct said {
    struct qr_str password, old_password, name, sid; /* p NULL: not said */
    bool enable, disable;
};

static enum qr_status read_options(struct qri_frame *frame, const struct qr_ast_principal *ast,
                                   struct said *said, struct qr_err *err)
{
    for (size_t i = 0; i < ast->options.count; i++) {
        const struct qr_ast_option *o = &ast->options.items[i];
        bool creates = ast->action == QR_ACTION_CREATE, is_text = true;
        if (qr_str_ieqz(o->name, "PASSWORD") && o->word.n == 0)
            is_text = text_of(o, &said->password);
        else if (qr_str_ieqz(o->name, "OLD_PASSWORD") && !creates && o->word.n == 0)
            is_text = text_of(o, &said->old_password);
        else if (qr_str_ieqz(o->name, "SID") && creates)
            QR_TRY(read_sid(&frame->arena, o, &said->sid, err));
        else if (qr_str_ieqz(o->name, "NAME") && !creates && o->value != NULL &&
                 o->value->kind == QR_AE_COLUMN)
            said->name = ((const struct qr_ast_column *)o->value)->name.parts[0].text;
        else if (qr_str_ieqz(o->name, "ENABLE") || qr_str_ieqz(o->name, "DISABLE"))
            *(qr_str_ieqz(o->name, "ENABLE") ? &said->enable : &said->disable) = true;
        else /* HASHED, MUST_CHANGE, CHECK_POLICY, DEFAULT_DATABASE, ...: not in Azure */
            return qr_sql_fail(
                err, 40517,
                qri_z(&frame->arena, o->word.n > 0 && o->value != NULL ? o->word : o->name));
        if (!is_text)
            return qr_sql_fail(err, 102, qri_z(&frame->arena, o->name));
    }
    return QR_OK;
}

/* ---- names and passwords ---- */

static enum qr_status check_name(struct qri_frame *frame, struct qr_str name, struct qr_err *err)
{
    size_t units = 0;
    bool good = name.n > 0;
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = (uint8_t)name.p[i];
        good = good && c >= ' ' && c != '\\' && c != 0x7F;
        units += (c & 0xC0) != 0x80 ? (c >= 0xF0 ? 2 : 1) : 0;
    }
    if (units > NAME_CHARS_MAX)
        return qr_sql_fail(err, 103, "identifier", qri_z(&frame->arena, name), NAME_CHARS_MAX);
    return good ? QR_OK : qr_sql_fail(err, 15006, qri_z(&frame->arena, name));
}

static enum qr_status hash_password(struct qri_frame *frame, struct qr_str password,
                                    struct qr_login_wish *wish, struct qr_err *err)
{
    char hash[QR_PASSWORD_HASH_BYTES];
    QR_TRY(qr_password_check_policy(password, wish->name, err));
    QR_TRY(qr_password_hash(password, hash, err));
    wish->hash = qr_arena_str(&frame->arena, qr_str(hash));
    return wish->hash.p == NULL ? qr_fail(err, QR_NOMEM, "login") : QR_OK;
}

/* ---- the statements ---- */

static enum qr_status send(struct qr_session *session, const struct qr_login_wish *wish,
                           struct qr_err *err)
{
    const struct qr_instance_host *host = &session->db->instance->options.host;
    if (host->change_login == NULL)
        return qr_sql_fail(err, 40510, "LOGIN");
    return host->change_login(host->ctx, session->db->info.server_id, wish, err);
}

static enum qr_status create_login(struct qri_frame *frame, const struct qr_ast_principal *ast,
                                   struct qr_err *err)
{
    struct qr_session *session = frame->session;
    struct said said = {.enable = false};
    uint8_t sid[SID_BYTES];
    struct qr_login_wish wish = {.kind = QR_WISH_CREATE_LOGIN, .name = ast->name.text};
    if (!qri_may_server(session, QRI_ROLE_LOGINMANAGER))
        return qr_sql_fail(err, 15247);
    if (ast->from_external || ast->from_what.n > 0)
        return qr_sql_fail(err, 40517, qri_z(&frame->arena, ast->from_what));
    QR_TRY(read_options(frame, ast, &said, err));
    if (said.password.p == NULL)
        return qr_sql_fail(err, 102, qri_z(&frame->arena, ast->name.text));
    QR_TRY(check_name(frame, ast->name.text, err));
    wish.sid = said.sid;
    if (said.sid.p == NULL) {
        memcpy(sid, sid_head, sizeof sid_head);
        qr_env_random(session->db->instance->options.env, sid + SID_GUID_AT,
                      SID_BYTES - SID_GUID_AT);
        wish.sid = qr_str_n((const char *)sid, sizeof sid);
    }
    QR_TRY(hash_password(frame, said.password, &wish, err));
    return send(session, &wish, err);
}

struct who {
    struct qr_str name;
    bool is_admin;
};

static enum qr_status look_at(void *ctx, const struct qr_login_seen *seen)
{
    struct who *who = ctx;
    who->is_admin |= seen->is_admin && qr_str_ieq(seen->name, who->name);
    return QR_OK;
}

/* Who has the administrator's password is the administrator: he alone gives him another. */
static enum qr_status want_alter(struct qri_frame *frame, struct qr_str name, struct qr_err *err)
{
    struct qr_session *session = frame->session;
    const struct qr_instance_host *host = &session->db->instance->options.host;
    struct who who = {.name = name};
    if (is_admin(session))
        return QR_OK;
    bool may = qri_may_server(session, QRI_ROLE_LOGINMANAGER);
    if (may && host->each_login != NULL)
        QR_TRY(host->each_login(host->ctx, session->db->info.server_id, look_at, &who));
    return may && !who.is_admin
               ? QR_OK
               : qr_sql_fail(err, 15151, "alter", "login", qri_z(&frame->arena, name));
}

static enum qr_status alter_login(struct qri_frame *frame, const struct qr_ast_principal *ast,
                                  struct qr_err *err)
{
    struct qr_session *session = frame->session;
    struct said said = {.enable = false};
    struct qr_login_wish wish = {.kind = QR_WISH_LOGIN_PASSWORD, .name = ast->name.text};
    bool is_own = !session->login.is_own_user && qr_str_ieq(ast->name.text, session->login.login);
    QR_TRY(read_options(frame, ast, &said, err));
    int count = (said.password.p != NULL) + (said.name.p != NULL) + said.enable + said.disable;
    if (count != 1 || (said.old_password.p != NULL && said.password.p == NULL))
        return qr_sql_fail(err, 102, "LOGIN");
    bool own_password = is_own && said.password.p != NULL && said.old_password.p != NULL;
    if (!own_password)
        QR_TRY(want_alter(frame, ast->name.text, err));
    wish.old_password = said.old_password;
    if (said.password.p != NULL)
        QR_TRY(hash_password(frame, said.password, &wish, err));
    if (said.name.p != NULL) {
        QR_TRY(check_name(frame, said.name, err));
        wish.kind = QR_WISH_LOGIN_NAME;
        wish.new_name = said.name;
    } else if (said.enable || said.disable) {
        wish.kind = said.enable ? QR_WISH_LOGIN_ENABLE : QR_WISH_LOGIN_DISABLE;
    }
    return send(session, &wish, err);
}

static enum qr_status drop_logins(struct qri_frame *frame, const struct qr_ast_drop *ast,
                                  struct qr_err *err)
{
    for (size_t i = 0; i < ast->count; i++) {
        const struct qr_ast_name *name = &ast->items[i].name;
        struct qr_login_wish wish = {.kind = QR_WISH_DROP_LOGIN,
                                     .name = name->parts[name->count - 1].text};
        if (!qri_may_server(frame->session, QRI_ROLE_LOGINMANAGER))
            return qr_sql_fail(err, 15151, "drop", "login", qri_z(&frame->arena, wish.name));
        QR_TRY(send(frame->session, &wish, err));
    }
    return QR_OK;
}

/* ---- whose a database is ---- */

bool qri_is_owner_stmt(const struct qr_ast_stmt *stmt)
{
    return stmt->kind == QR_AS_AUTHORIZATION &&
           qr_str_ieqz(((const struct qr_ast_authorization *)stmt)->object_class, "DATABASE");
}

static enum qr_status no_such(struct qri_frame *frame, const char *noun, struct qr_str name,
                              struct qr_err *err)
{
    return qr_sql_fail(err, 15151, "find", noun, qri_z(&frame->arena, name));
}

/* By the administrator or the owner, who come in as dbo, and in the database itself. The new owner
 * must be no user there. */
static enum qr_status give_database(struct qri_frame *frame, const struct qr_ast_authorization *ast,
                                    struct qr_err *err)
{
    struct qr_session *session = frame->session;
    const struct qr_instance_host *host = &session->db->instance->options.host;
    struct qr_str login = ast->owner.text, name = ast->object.parts[0].text;
    uint8_t bytes[QR_SID_BYTES_MAX];
    size_t count = 0;
    bool is_his = session->is_owner &&
                  (session->login.is_admin || qr_session_login_sid(session).n > 0) &&
                  session->context_now->depth == 0;
    if (ast->object.count != 1 || !qr_str_ieq(name, qri_info(session->db)->name) || !is_his)
        return no_such(frame, "database", name, err);
    if (qri_in_master(session))
        return qr_sql_fail(err, 15109);
    enum qr_status status =
        host->find_login == NULL || login.n == 0
            ? QR_NOT_FOUND
            : host->find_login(host->ctx, session->db->info.server_id, login, bytes, &count, err);
    if (status == QR_NOT_FOUND) {
        qr_err_reset(err);
        return no_such(frame, "principal", login, err);
    }
    QR_TRY(status);
    struct qr_str sid = qr_str_n((const char *)bytes, count);
    const struct qri_principal *other = qri_principal_by_sid(session->catalog, sid);
    if (other != NULL && other->principal_id != QR_PRINCIPAL_DBO)
        return qr_sql_fail(err, 15110);
    if (qr_store_is_read_only(session->db->store))
        return qr_sql_fail(err, 3906, qri_z(&frame->arena, name));
    return host->set_owner == NULL ? qr_sql_fail(err, 40510, "ALTER AUTHORIZATION")
                                   : host->set_owner(host->ctx, session->db->info.own_id, sid, err);
}

enum qr_status qri_run_owner(struct qri_frame *frame, const struct qri_op *op, struct qr_err *err)
{
    struct qr_session *session = frame->session;
    if (session->options.noexec)
        return QR_OK;
    if (session->tran.count > 0)
        return qr_sql_fail(err, 226, "ALTER AUTHORIZATION");
    QR_TRY(give_database(frame, (const struct qr_ast_authorization *)op->stmt, err));
    session->error = 0;
    session->rowcount = 0;
    return qri_send_done(session, false, 0, false, COMMAND_OTHER);
}

enum qr_status qri_run_login(struct qri_frame *frame, const struct qri_op *op, struct qr_err *err)
{
    struct qr_session *session = frame->session;
    if (!qri_in_master(session))
        return qr_sql_fail(err, 5001);
    if (session->options.noexec)
        return QR_OK;
    if (op->stmt->kind == QR_AS_DROP) {
        if (session->tran.count > 0)
            return qr_sql_fail(err, 226, "DROP LOGIN");
        QR_TRY(drop_logins(frame, (const struct qr_ast_drop *)op->stmt, err));
    } else {
        const struct qr_ast_principal *ast = (const struct qr_ast_principal *)op->stmt;
        bool creates = ast->action == QR_ACTION_CREATE;
        bool is_role = qr_str_ieqz(ast->principal_class, "SERVER ROLE");
        struct qr_login_wish wish;
        if (is_role && session->tran.count > 0)
            return qr_sql_fail(err, 226, "ALTER SERVER ROLE");
        if (session->tran.count > 0)
            return qr_sql_fail(err, 226, creates ? "CREATE LOGIN" : "ALTER LOGIN");
        if (is_role)
            QR_TRY(qri_alter_server_role(frame, ast, &wish, err));
        QR_TRY(is_role   ? send(session, &wish, err)
               : creates ? create_login(frame, ast, err)
                         : alter_login(frame, ast, err));
    }
    session->error = 0;
    session->rowcount = 0;
    return qri_send_done(session, false, 0, false, COMMAND_OTHER);
}
