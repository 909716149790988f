/* access_want.c - see access_int.h: whether a statement may do what it does to each object */
#include "access_int.h"
#include <stdio.h>
#include "base/sqlmsg.h"
#include "frame.h"
#include "base/banned.h"

/* ---- ownership chains ---- */

bool qri_is_system_object(const struct qr_cat_object *object)
{
    return object->schema_id == QR_SCHEMA_SYS || object->schema_id == QR_SCHEMA_INFORMATION_SCHEMA;
}

/* As it is owned now: ALTER AUTHORIZATION of a schema leaves its objects' versions alone. */
static uint32_t owner_of(const struct qr_session *session, const struct qr_cat_object *object)
{
    const struct qr_catalog *cat = &session->catalog->cat;
    const struct qr_cat_object *now = qr_cat_by_id(cat, object->object_id);
    return qr_cat_owner(cat, now == NULL ? object : now);
}

/* Has it an owner in this database who answers for what it does? Temporary objects are their
 * session's, whose user may not lend himself dbo's name by them. */
static bool has_owner(const struct qr_cat_object *object)
{
    return !qri_is_system_object(object) && object->object_id < QRI_TEMP_OBJECT_FIRST;
}

/* Is what the running module does to the object free? Dynamic SQL, the system's own modules and
 * temporary ones have no owner that would answer for it. */
static bool module_chains(const struct qr_session *session, const struct qri_frame *frame,
                          uint32_t owner_id)
{
    return frame != NULL && frame->module != NULL && has_owner(frame->module) &&
           owner_of(session, frame->module) == owner_id;
}

static bool is_chained(const struct qr_session *session, const struct qri_frame *frame,
                       const struct qr_plan_access *access)
{
    if (access->through != NULL)
        return has_owner(access->through) &&
               owner_of(session, access->through) == owner_of(session, access->object);
    return module_chains(session, frame, owner_of(session, access->object));
}

/* ---- columns ---- */

struct ask {
    const struct qr_session *session;
    const struct qr_cat_object *object;
    struct qr_perm_securable what;
    enum qr_perm perm;
    struct qr_err *err;
};

static enum qr_perm_answer answer(const struct ask *a, uint32_t column_id)
{
    return qr_perm_ask(a->session->catalog->book, &a->session->context_now->token, &a->what,
                       column_id, a->perm);
}

static enum qr_status denied(const struct ask *a, struct qr_str column)
{
    const struct qr_catalog *cat = &a->session->catalog->cat;
    const struct qr_cat_schema *schema = qr_cat_schema_by_id(cat, a->object->schema_id);
    char texts[4][4 * QR_CAT_NAME_CHARS_MAX];
    struct qr_str from[4] = {column, a->object->name, cat->database_name,
                             schema == NULL ? qr_str("") : schema->name};
    for (size_t i = 0; i < 4; i++)
        (void)snprintf(texts[i], sizeof texts[i], "%.*s", (int)from[i].n, from[i].p);
    const char *perm = qr_perm_name(a->perm);
    return column.n == 0 ? qr_sql_fail(a->err, 229, perm, texts[1], texts[2], texts[3])
                         : qr_sql_fail(a->err, 230, perm, texts[0], texts[1], texts[2], texts[3]);
}

/* Who may some of the columns is told which he may not; who may none, that it is the object. */
static enum qr_status want_columns(const struct ask *a, const struct qr_columns *columns)
{
    bool may_whole = answer(a, 0) == QR_PERM_ALLOWED;
    const struct qr_perm_book *book = a->session->catalog->book;
    bool may_any =
        may_whole || qr_perm_any_column(book, &a->session->context_now->token, &a->what, a->perm);
    if (!may_any)
        return denied(a, qr_str(""));
    for (uint32_t i = 0; i < columns->bytes * 8; i++) {
        if ((columns->bits[i / 8] & 1 << (i % 8)) == 0)
            continue;
        const struct qr_cat_column *column = qr_cat_column_by_id(a->object, i + 1);
        if (column == NULL && may_whole) /* a view's, that ALTER has given its table since */
            continue;
        if (column == NULL || answer(a, i + 1) != QR_PERM_ALLOWED)
            return denied(a, column == NULL ? qr_str("") : column->name);
    }
    return QR_OK;
}

/* ---- one access ---- */

static const struct {
    enum qr_access access;
    enum qr_perm perm;
} perms[] = {
    {QR_ACCESS_SELECT, QR_MAY_SELECT},   {QR_ACCESS_INSERT, QR_MAY_INSERT},
    {QR_ACCESS_UPDATE, QR_MAY_UPDATE},   {QR_ACCESS_DELETE, QR_MAY_DELETE},
    {QR_ACCESS_EXECUTE, QR_MAY_EXECUTE}, {QR_ACCESS_REFERENCES, QR_MAY_REFERENCES},
};

/* A synonym's own rows count where its owner is the object's: they give and deny what it names. */
static enum qr_status by_synonym(const struct ask *a, const struct qr_cat_object *synonym,
                                 bool *ret_may)
{
    struct ask of = *a;
    of.object = synonym;
    of.what = qri_securable(&a->session->catalog->cat, synonym);
    enum qr_perm_answer said = answer(&of, 0);
    if (said == QR_PERM_DENIED)
        return denied(&of, qr_str(""));
    *ret_may =
        said == QR_PERM_ALLOWED && owner_of(a->session, synonym) == owner_of(a->session, a->object);
    return QR_OK;
}

static enum qr_status want_object(const struct qr_session *session,
                                  const struct qr_plan_access *access, struct qr_err *err)
{
    const struct qr_columns none = {0};
    struct ask a = {.session = session,
                    .object = access->object,
                    .what = qri_securable(&session->catalog->cat, access->object),
                    .err = err};
    for (size_t i = 0; i < sizeof perms / sizeof perms[0]; i++) {
        bool may = false;
        if ((access->needs & perms[i].access) == 0)
            continue;
        a.perm = perms[i].perm;
        if (access->synonym != NULL)
            QR_TRY(by_synonym(&a, access->synonym, &may));
        const struct qr_columns *columns = perms[i].access == QR_ACCESS_SELECT   ? &access->selects
                                           : perms[i].access == QR_ACCESS_UPDATE ? &access->updates
                                                                                 : &none;
        bool by_column = perms[i].access == QR_ACCESS_SELECT || columns->bytes > 0;
        if (may)
            continue;
        if (by_column)
            QR_TRY(want_columns(&a, columns));
        else if (answer(&a, 0) != QR_PERM_ALLOWED)
            return denied(&a, qr_str(""));
    }
    return QR_OK;
}

enum qr_status qri_want_accesses(struct qr_session *session, const struct qri_frame *frame,
                                 const struct qr_plan_accesses *accesses, struct qr_err *err)
{
    if (session->is_owner)
        return QR_OK;
    QR_TRY(qri_access_settle(session, err));
    for (size_t i = 0; i < accesses->count; i++) {
        const struct qr_plan_access *access = &accesses->items[i];
        if (!qri_is_system_object(access->object)) {
            if (!is_chained(session, frame, access))
                QR_TRY(want_object(session, access, err));
        } else if (access->through == NULL) { /* what a system view is made of is its own affair */
            QR_TRY(qri_want_system_view(session, frame, access->object, err));
        }
    }
    return QR_OK;
}

enum qr_status qri_want_code_slowly(struct qri_frame *frame, struct qri_code *code,
                                    struct qr_err *err)
{
    struct qr_session *session = frame->session;
    uint32_t user_id = qri_access_user(session);
    if (code->allowed_serial == session->catalog_serial && code->allowed_user == user_id)
        return QR_OK;
    QR_TRY(qri_want_accesses(session, frame, &code->accesses, err));
    code->allowed_serial = session->catalog_serial;
    code->allowed_user = user_id;
    return QR_OK;
}

/* ---- what is asked for like DDL ---- */

enum qr_status qri_want_references(struct qr_session *session,
                                   const struct qr_plan_accesses *accesses, struct qr_err *err)
{
    if (session->is_owner)
        return QR_OK;
    QR_TRY(qri_access_settle(session, err));
    for (size_t i = 0; i < accesses->count; i++) {
        const struct qr_plan_access *access = &accesses->items[i];
        enum qr_perm use = (access->needs & QR_ACCESS_EXECUTE) != 0  ? QR_MAY_EXECUTE
                           : (access->needs & QR_ACCESS_UPDATE) != 0 ? QR_MAY_UPDATE
                                                                     : QR_MAY_SELECT;
        if (!qri_is_system_object(access->object) && !qri_may_object(session, access->object, use))
            QR_TRY(qri_want_object(session, access->object, QR_MAY_REFERENCES, err));
    }
    return QR_OK;
}

enum qr_status qri_want_alter(struct qr_session *session, const struct qr_cat_object *table,
                              const char *name, struct qr_err *err)
{
    if (session->is_owner || table->object_id >= QRI_TEMP_OBJECT_FIRST)
        return QR_OK;
    QR_TRY(qri_access_settle(session, err));
    return qri_may_object(session, table, QR_MAY_ALTER) ? QR_OK : qr_sql_fail(err, 1088, name);
}

enum qr_status qri_want_new_table(struct qr_session *session, const struct qr_ast_name *name,
                                  struct qr_err *err)
{
    if (session->is_owner)
        return QR_OK;
    QR_TRY(qri_access_settle(session, err));
    const struct qr_catalog *cat = &session->catalog->cat;
    struct qr_str prefix = name->count >= 2 ? name->parts[name->count - 2].text : qr_str("");
    const struct qr_cat_schema *schema =
        prefix.n > 0 ? qr_cat_schema_find(cat, prefix)
                     : qr_cat_schema_by_id(cat, qri_frame_schema(session->frame));
    QR_TRY(qri_want_database(session, QR_MAY_CREATE_TABLE, err));
    if (schema != NULL && qri_may_schema(session, schema->schema_id, QR_MAY_ALTER))
        return QR_OK;
    char text[4 * QR_CAT_NAME_CHARS_MAX];
    struct qr_str shown = schema == NULL ? prefix : schema->name;
    (void)snprintf(text, sizeof text, "%.*s", (int)shown.n, shown.p);
    return qr_sql_fail(err, 2760, text);
}

/* ---- calls ---- */

enum qr_status qri_want_call(struct qr_session *session, const struct qr_cat_object *module,
                             const struct qr_cat_object *synonym, struct qr_err *err)
{
    if (session->is_owner || qri_is_system_object(module) ||
        module->object_id >= QRI_TEMP_OBJECT_FIRST)
        return QR_OK;
    const struct qr_plan_access access = {
        .object = module, .synonym = synonym, .needs = QR_ACCESS_EXECUTE};
    const struct qr_plan_accesses one = {.items = &access, .count = 1};
    return qri_want_accesses(session, session->frame, &one, err);
}

/* ---- types ---- */

enum qr_status qri_want_type(const struct qr_session *session, const struct qr_cat_usertype *type,
                             enum qr_perm perm, struct qr_err *err)
{
    const struct qr_cat_object named = {
        .name = type->name, .schema_id = type->schema_id, .owner_id = type->owner_id};
    const struct ask a = {.session = session, .object = &named, .perm = perm, .err = err};
    return qri_may_type(session, type, perm) ? QR_OK : denied(&a, qr_str(""));
}

enum qr_status qri_want_table_type(struct qr_session *session, const struct qri_frame *frame,
                                   uint32_t user_type_id, struct qr_err *err)
{
    const struct qr_catalog *cat = &session->catalog->cat;
    const struct qr_cat_usertype *type = qr_cat_usertype_by_id(cat, user_type_id);
    if (session->is_owner || type == NULL || type->table_object_id == 0)
        return QR_OK;
    QR_TRY(qri_access_settle(session, err));
    const struct qr_cat_object named = {
        .name = type->name, .schema_id = type->schema_id, .owner_id = type->owner_id};
    if (module_chains(session, frame, qr_cat_owner(cat, &named)) ||
        qri_may_type(session, type, QR_MAY_REFERENCES))
        return QR_OK;
    return qri_want_type(session, type, QR_MAY_EXECUTE, err);
}
