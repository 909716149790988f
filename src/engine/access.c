/* access.c - see access_int.h: security contexts, and what their users may do */
#include "access_int.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "ddl_int.h"
#include "moving_int.h"
#include "base/banned.h"

enum { TOKEN_BYTES_MAX = 4 << 20 };

/* ---- principals of the catalog ---- */

const struct qri_principal *qri_principal_by_id(const struct qri_catalog *catalog, uint32_t id)
{
    for (size_t i = 0; i < catalog->principal_count; i++)
        if (catalog->principals[i].principal_id == id)
            return &catalog->principals[i];
    return NULL;
}

const struct qri_principal *qri_principal_by_name(const struct qri_catalog *catalog,
                                                  struct qr_str name)
{
    for (size_t i = 0; i < catalog->principal_count; i++)
        if (qr_str_ieq(catalog->principals[i].name, name))
            return &catalog->principals[i];
    return NULL;
}

const struct qri_principal *qri_principal_by_sid(const struct qri_catalog *catalog,
                                                 struct qr_str sid)
{
    for (size_t i = 0; i < catalog->principal_count && sid.n > 0; i++)
        if (qr_str_eq(catalog->principals[i].sid, sid))
            return &catalog->principals[i];
    return NULL;
}

enum qr_status qr_database_user_hash(struct qr_database *db, struct qr_str user,
                                     char dst[QR_USER_HASH_BYTES], struct qr_err *err)
{
    if (atomic_load_explicit(&db->follows, memory_order_acquire))
        qri_follow_newest(db);
    pthread_mutex_lock(&db->catalog_mu);
    const struct qri_principal *found = qri_principal_by_name(db->catalog, user);
    size_t n = found == NULL || found->type != 'S' ? 0 : found->password_hash.n;
    if (n > 0 && n < QR_USER_HASH_BYTES) {
        memcpy(dst, found->password_hash.p, n);
        dst[n] = '\0';
    }
    pthread_mutex_unlock(&db->catalog_mu);
    return n > 0 && n < QR_USER_HASH_BYTES ? QR_OK : qr_fail(err, QR_NOT_FOUND, "no such user");
}

bool qr_database_has_passwords(struct qr_database *db)
{
    bool has = false;
    if (atomic_load_explicit(&db->follows, memory_order_acquire))
        qri_follow_newest(db);
    pthread_mutex_lock(&db->catalog_mu);
    for (size_t i = 0; i < db->catalog->principal_count; i++)
        has |= db->catalog->principals[i].type == 'S' &&
               db->catalog->principals[i].password_hash.n > 0;
    pthread_mutex_unlock(&db->catalog_mu);
    return has;
}

/* ---- contexts ---- */

/* Who came in by a login is in its roles of the server, too; who he becomes is not. */
static enum qr_status add_roles(struct qr_session *session, struct qri_context *context,
                                struct qr_err *err)
{
    const struct qri_catalog *c = session->catalog;
    uint32_t roles = context->depth == 0 ? session->login.server_roles : 0;
    const struct qr_perm_member *members = c->members;
    size_t count = c->member_count;
    if (roles != 0) {
        struct qr_perm_member *all =
            qr_arena_array(&context->arena, count + QR_SERVER_ROLE_COUNT, sizeof *all);
        if (all == NULL)
            return qr_fail(err, QR_NOMEM, "a user's roles");
        memcpy(all, members, count * sizeof *all);
        for (uint32_t i = 0; i < QR_SERVER_ROLE_COUNT; i++)
            if ((roles >> i & 1) != 0)
                all[count++] = (struct qr_perm_member){QR_ROLE_OF_SERVER + i, context->user_id};
        members = all;
    }
    return qr_perm_token_make(&context->arena, context->user_id, members, count, &context->token,
                              err);
}

bool qri_has_server_role(const struct qr_session *session, enum qr_server_role role)
{
    return session->context_now->depth == 0 && (session->login.server_roles >> role & 1) != 0;
}

static bool owns_it(const struct qr_session *session)
{
    const struct qr_session_options *login = &session->login;
    return login->is_admin || (!login->is_own_user && login->sid.n > 0 &&
                               qr_str_eq(login->sid, session->catalog->owner_sid));
}

static enum qr_status make_token(struct qr_session *session, struct qri_context *context,
                                 struct qr_err *err)
{
    const struct qri_catalog *c = session->catalog;
    context->schema_id = QR_SCHEMA_DBO;
    if (context->user_id == QR_PRINCIPAL_DBO) {
        if (context->depth == 0 && !owns_it(session))
            return qr_sql_fail(err, 916, qri_z(&session->arena, session->login.login),
                               qri_z(&session->arena, c->cat.database_name));
        context->token = (struct qr_perm_token){.user_id = QR_PRINCIPAL_DBO, .is_owner = true};
        return QR_OK;
    }
    const struct qri_principal *user = qri_principal_by_id(c, context->user_id);
    if (user == NULL || (context->user_ticks != 0 && context->user_ticks != user->create_ticks))
        return qr_sql_fail(err, 916, qri_z(&session->arena, session->login.login),
                           qri_z(&session->arena, c->cat.database_name));
    qr_arena_done(&context->arena);
    qr_arena_init(&context->arena, TOKEN_BYTES_MAX);
    QR_TRY(add_roles(session, context, err));
    context->catalog_serial = session->catalog_serial;
    const struct qr_cat_schema *schema =
        user->default_schema.n == 0 ? NULL : qr_cat_schema_find(&c->cat, user->default_schema);
    context->schema_id = schema == NULL ? QR_SCHEMA_DBO : schema->schema_id;
    context->user_ticks = user->create_ticks;
    return QR_OK;
}

static void show_innermost(struct qr_session *session)
{
    session->is_owner = session->context_now != NULL && session->context_now->token.is_owner;
}

void qri_access_look_again(struct qr_session *session)
{
    struct qri_context *first = session->context_now;
    while (first != NULL && first->outer != NULL)
        first = first->outer;
    if (first == NULL || first->user_id != QR_PRINCIPAL_DBO || owns_it(session))
        return;
    first->token = (struct qr_perm_token){.user_id = QR_PRINCIPAL_PUBLIC};
    first->catalog_serial = 0;
    show_innermost(session);
}

/* Without a token: who may do nothing. */
static enum qr_status add_context(struct qr_session *session, uint32_t user_id, struct qr_err *err)
{
    struct qri_context *outer = session->context_now;
    unsigned depth = outer == NULL ? 0 : outer->depth + 1;
    if (depth >= QRI_CONTEXTS_MAX)
        return qr_sql_fail(err, 217, (int)QRI_CONTEXTS_MAX);
    struct qri_context *context = calloc(1, sizeof *context);
    if (context == NULL)
        return qr_fail(err, QR_NOMEM, "another user");
    *context = (struct qri_context){.outer = outer,
                                    .depth = depth,
                                    .user_id = user_id,
                                    .token.user_id = user_id,
                                    .schema_id = QR_SCHEMA_DBO};
    qr_arena_init(&context->arena, TOKEN_BYTES_MAX);
    session->context_now = context;
    show_innermost(session);
    return QR_OK;
}

enum qr_status qri_access_push(struct qr_session *session, uint32_t user_id, struct qr_err *err)
{
    QR_TRY(add_context(session, user_id, err));
    enum qr_status status = make_token(session, session->context_now, err);
    if (status != QR_OK)
        qri_access_pop(session);
    else
        show_innermost(session);
    return status;
}

void qri_access_pop(struct qr_session *session)
{
    struct qri_context *context = session->context_now;
    assert(context != NULL);
    session->context_now = context->outer;
    qr_arena_done(&context->arena);
    free(context);
    show_innermost(session);
}

enum qr_status qri_access_restore(struct qr_session *session, const struct qri_moved_user *users,
                                  size_t count, struct qr_err *err)
{
    qri_access_end(session);
    for (size_t i = 0; i < count; i++) {
        struct qr_err gone = {0};
        QR_TRY(add_context(session, users[i].user_id, err));
        struct qri_context *context = session->context_now;
        context->user_ticks = users[i].user_ticks;
        context->no_revert = users[i].no_revert;
        memcpy(context->cookie, users[i].cookie, sizeof context->cookie);
        enum qr_status status = make_token(session, context, &gone);
        if (status != QR_OK && gone.number != 916)
            return qr_fail(err, status, "the users of a session");
        show_innermost(session);
    }
    return QR_OK;
}

enum qr_status qri_access_settle(struct qr_session *session, struct qr_err *err)
{
    struct qri_context *context = session->context_now;
    if (session->is_owner || context->catalog_serial == session->catalog_serial)
        return QR_OK;
    return make_token(session, context, err);
}

enum qr_status qri_access_push_module(struct qr_session *session,
                                      const struct qr_cat_object *module, struct qr_err *err)
{
    uint32_t user_id = module->execute_as;
    if (user_id == QR_EXECUTE_AS_OWNER)
        user_id = qr_cat_owner(&session->catalog->cat, module);
    QR_TRY(qri_access_push(session, user_id, err));
    session->context_now->is_module = true;
    return QR_OK;
}

void qri_access_leave(struct qr_session *session, const struct qri_context *before)
{
    while (session->context_now != before)
        qri_access_pop(session);
}

bool qri_access_reset(struct qr_session *session)
{
    bool may = true;
    while (session->context_now != NULL && session->context_now->outer != NULL) {
        static const uint8_t none[QRI_COOKIE_BYTES];
        may &= !session->context_now->no_revert &&
               memcmp(session->context_now->cookie, none, sizeof none) == 0;
        qri_access_pop(session);
    }
    return may;
}

uint32_t qri_access_schema(const struct qr_session *session)
{
    return session->context_now == NULL ? QR_SCHEMA_DBO : session->context_now->schema_id;
}

uint32_t qri_access_became(const struct qr_session *session)
{
    const struct qri_context *now = session->context_now;
    return now == NULL || now->depth == 0 || now->user_id == QR_PRINCIPAL_DBO ? 0 : now->user_id;
}

uint32_t qri_access_user(const struct qr_session *session)
{
    return session->context_now->user_id;
}

/* ---- login ---- */

static enum qr_status cannot_open(struct qr_session *session, struct qr_err *err)
{
    return qr_sql_fail(err, 4060, qri_z(&session->arena, qri_info(session->db)->name));
}

static const struct qri_principal *find_user(const struct qr_session *session)
{
    const struct qr_session_options *login = &session->login;
    if (login->is_own_user) {
        const struct qri_principal *p = qri_principal_by_name(session->catalog, login->login);
        return p != NULL && p->type == 'S' && p->password_hash.n > 0 ? p : NULL;
    }
    const struct qri_principal *p = qri_principal_by_sid(session->catalog, login->sid);
    bool is_his = p != NULL && p->type == 'S' && p->password_hash.n == 0;
    return is_his ? p : qri_principal_by_id(session->catalog, QR_PRINCIPAL_GUEST);
}

enum qr_status qri_access_begin(struct qr_session *session, struct qr_err *err)
{
    assert(session->context_now == NULL);
    if (session->login.is_moved)
        return add_context(session, QR_PRINCIPAL_PUBLIC, err);
    if (session->login.is_admin)
        return qri_access_push(session, QR_PRINCIPAL_DBO, err);
    const struct qri_principal *user = find_user(session);
    if (user == NULL)
        return cannot_open(session, err);
    QR_TRY(qri_access_push(session, user->principal_id, err));
    if (qri_may_database(session, QR_MAY_CONNECT))
        return QR_OK;
    qri_access_pop(session);
    return cannot_open(session, err);
}

void qri_access_end(struct qr_session *session)
{
    while (session->context_now != NULL)
        qri_access_pop(session);
}

/* ---- securables ---- */

static uint32_t schema_owner(const struct qr_catalog *catalog, uint32_t schema_id)
{
    const struct qr_cat_schema *schema = qr_cat_schema_by_id(catalog, schema_id);
    return schema == NULL ? QR_PRINCIPAL_DBO : schema->principal_id;
}

struct qr_perm_securable qri_securable(const struct qr_catalog *catalog,
                                       const struct qr_cat_object *object)
{
    const struct qr_cat_object *parent =
        object->parent_object_id == 0 ? NULL : qr_cat_by_id(catalog, object->parent_object_id);
    if (parent != NULL)
        object = parent;
    return (struct qr_perm_securable){.kind = QR_KIND_OBJECT,
                                      .id = object->object_id,
                                      .owner_id = qr_cat_owner(catalog, object),
                                      .schema_id = object->schema_id,
                                      .schema_owner_id = schema_owner(catalog, object->schema_id)};
}

static const struct qr_perm_token *token_of(const struct qr_session *session)
{
    return &session->context_now->token;
}

static bool ask(const struct qr_session *session, const struct qr_perm_securable *what,
                uint32_t column_id, enum qr_perm perm)
{
    return qr_perm_ask(session->catalog->book, token_of(session), what, column_id, perm) ==
           QR_PERM_ALLOWED;
}

bool qri_may_database(const struct qr_session *session, enum qr_perm perm)
{
    const struct qr_perm_securable what = {.kind = QR_KIND_DATABASE, .owner_id = QR_PRINCIPAL_DBO};
    return session->is_owner || ask(session, &what, 0, perm);
}

bool qri_may_schema(const struct qr_session *session, uint32_t schema_id, enum qr_perm perm)
{
    if (session->is_owner)
        return true;
    const struct qr_perm_securable what = {.kind = QR_KIND_SCHEMA,
                                           .id = schema_id,
                                           .owner_id =
                                               schema_owner(&session->catalog->cat, schema_id)};
    return ask(session, &what, 0, perm);
}

bool qri_may_column(const struct qr_session *session, const struct qr_cat_object *object,
                    uint32_t column_id, enum qr_perm perm)
{
    if (session->is_owner)
        return true;
    struct qr_perm_securable what = qri_securable(&session->catalog->cat, object);
    return ask(session, &what, column_id, perm);
}

bool qri_may_object(const struct qr_session *session, const struct qr_cat_object *object,
                    enum qr_perm perm)
{
    return qri_may_column(session, object, 0, perm);
}

bool qri_may_type(const struct qr_session *session, const struct qr_cat_usertype *type,
                  enum qr_perm perm)
{
    if (session->is_owner)
        return true;
    uint32_t owner = schema_owner(&session->catalog->cat, type->schema_id);
    const struct qr_perm_securable what = {.kind = QR_KIND_TYPE,
                                           .id = type->user_type_id,
                                           .owner_id = type->owner_id != 0 ? type->owner_id : owner,
                                           .schema_id = type->schema_id,
                                           .schema_owner_id = owner};
    return ask(session, &what, 0, perm);
}

static struct qr_perm_securable principal_securable(const struct qri_principal *principal)
{
    return (struct qr_perm_securable){.kind = principal->type == 'R'   ? QR_KIND_ROLE
                                              : principal->type == 'A' ? QR_KIND_APPLICATION_ROLE
                                                                       : QR_KIND_USER,
                                      .id = principal->principal_id,
                                      .owner_id = principal->owning_principal_id};
}

bool qri_may_principal(const struct qr_session *session, const struct qri_principal *principal,
                       enum qr_perm perm)
{
    const struct qr_perm_securable what = principal_securable(principal);
    return session->is_owner || ask(session, &what, 0, perm);
}

/* ---- metadata ---- */

bool qri_sees_object(const struct qr_session *session, const struct qr_cat_object *object)
{
    if (session->is_owner)
        return true;
    struct qr_perm_securable what = qri_securable(&session->catalog->cat, object);
    return qr_perm_sees(session->catalog->book, token_of(session), &what);
}

bool qri_sees_schema(const struct qr_session *session, const struct qr_cat_schema *schema)
{
    const struct qr_perm_securable what = {
        .kind = QR_KIND_SCHEMA, .id = schema->schema_id, .owner_id = schema->principal_id};
    return session->is_owner || qr_perm_sees(session->catalog->book, token_of(session), &what);
}

bool qri_sees_principal(const struct qr_session *session, const struct qri_principal *principal)
{
    const struct qr_perm_securable what = principal_securable(principal);
    return session->is_owner || principal->is_fixed_role ||
           principal->principal_id < QR_PRINCIPAL_FIRST_USER ||
           qri_is_member(session, principal->principal_id) ||
           qr_perm_sees(session->catalog->book, token_of(session), &what);
}

bool qri_is_member(const struct qr_session *session, uint32_t principal_id)
{
    return qr_perm_token_has(token_of(session), principal_id);
}

bool qri_sees_logins(const struct qr_session *session)
{
    const struct qri_principal *manager =
        qri_principal_by_name(session->catalog, qr_str("loginmanager"));
    if (qri_has_server_role(session, QR_SERVER_LOGIN_MANAGER) ||
        qri_has_server_role(session, QR_SERVER_DEFINITION_READER) ||
        qri_has_server_role(session, QR_SERVER_SECURITY_DEFINITION_READER))
        return true;
    return session->is_owner || (manager != NULL && manager->is_fixed_role &&
                                 qri_is_member(session, manager->principal_id));
}

/* ---- as statements say it ---- */

enum qr_status qri_want_database(const struct qr_session *session, enum qr_perm perm,
                                 struct qr_err *err)
{
    if (qri_may_database(session, perm))
        return QR_OK;
    char name[4 * QR_CAT_NAME_CHARS_MAX];
    struct qr_str database = session->catalog->cat.database_name;
    (void)snprintf(name, sizeof name, "%.*s", (int)database.n, database.p);
    return qr_sql_fail(err, 262, qr_perm_name(perm), name);
}

enum qr_status qri_want_object(const struct qr_session *session, const struct qr_cat_object *object,
                               enum qr_perm perm, struct qr_err *err)
{
    if (qri_may_object(session, object, perm))
        return QR_OK;
    const struct qr_catalog *cat = &session->catalog->cat;
    const struct qr_cat_schema *schema = qr_cat_schema_by_id(cat, object->schema_id);
    char texts[3][4 * QR_CAT_NAME_CHARS_MAX];
    struct qr_str from[3] = {object->name, cat->database_name,
                             schema == NULL ? qr_str("") : schema->name};
    for (size_t i = 0; i < 3; i++)
        (void)snprintf(texts[i], sizeof texts[i], "%.*s", (int)from[i].n, from[i].p);
    return qr_sql_fail(err, 229, qr_perm_name(perm), texts[0], texts[1], texts[2]);
}
