/* ddl_permission.c - GRANT, DENY, REVOKE: what they name; the rows are ddl_grant.c's. */
#include "ddl_grant_int.h"
#include <stdlib.h>
#include "base/sqlmsg.h"
#include "base/banned.h"

/* ---- ON ---- */

static enum qr_status not_found(struct qri_grant *g, const char *noun, struct qr_str name)
{
    return qr_sql_fail(g->s.err, 15151, "find", noun, qri_z(g->s.arena, name));
}

static enum qr_status find_object(struct qri_grant *g)
{
    struct qri_target target;
    struct qr_str name = g->ast->on.parts[g->ast->on.count - 1].text;
    struct qr_err ignored = {0};
    enum qr_status status = qri_ddl_resolve(g->s.ddl, &g->ast->on, &target, &ignored);
    if (status == QR_SQL && ignored.number == 40515)
        return qr_sql_fail(g->s.err, 4610);
    if (status != QR_OK || target.object == NULL || target.is_temp ||
        target.object->parent_object_id != 0)
        return not_found(g, "object", name);
    g->object = target.object;
    g->what = qri_securable(&(*g->s.catalog)->cat, target.object);
    return QR_OK;
}

static enum qr_status find_type(struct qri_grant *g)
{
    struct qri_target target;
    const struct qr_catalog *cat = &(*g->s.catalog)->cat;
    struct qr_err ignored = {0};
    const struct qr_cat_usertype *type = NULL;
    if (qri_ddl_resolve(g->s.ddl, &g->ast->on, &target, &ignored) == QR_OK)
        type = qr_cat_usertype_find(cat, target.schema_id, target.name);
    if (type == NULL)
        return not_found(g, "type", g->ast->on.parts[g->ast->on.count - 1].text);
    g->what = qri_securable_type(cat, type);
    return QR_OK;
}

static enum qr_status find_principal(struct qri_grant *g, enum qr_perm_kind kind, const char *noun)
{
    struct qr_str name = g->ast->on.parts[0].text;
    const struct qri_principal *p = qri_principal_by_name(*g->s.catalog, name);
    if (p == NULL || qri_securable_principal(p).kind != kind)
        return not_found(g, noun, name);
    g->what = qri_securable_principal(p);
    if (g->what.owner_id == 0)
        g->what.owner_id = QR_PRINCIPAL_DBO;
    return QR_OK;
}

static enum qr_status find_schema(struct qri_grant *g)
{
    struct qr_str name = g->ast->on.parts[0].text;
    const struct qr_cat_schema *schema = qr_cat_schema_find(&(*g->s.catalog)->cat, name);
    if (schema == NULL)
        return not_found(g, "schema", name);
    g->what = qri_securable_schema(schema);
    return QR_OK;
}

static enum qr_status find_securable(struct qri_grant *g)
{
    const struct qr_ast_permission *ast = g->ast;
    struct qr_str word = ast->on_class;
    g->what = (struct qr_perm_securable){.kind = QR_KIND_DATABASE, .owner_id = QR_PRINCIPAL_DBO};
    if (ast->on.count == 0)
        return QR_OK;
    if (word.n == 0 || qr_str_ieqz(word, "OBJECT"))
        return find_object(g);
    if (qr_str_ieqz(word, "TYPE"))
        return find_type(g);
    if (ast->on.count == 1 && qr_str_ieqz(word, "SCHEMA"))
        return find_schema(g);
    if (ast->on.count == 1 && qr_str_ieqz(word, "ROLE"))
        return find_principal(g, QR_KIND_ROLE, "role");
    if (ast->on.count == 1 && qr_str_ieqz(word, "USER"))
        return find_principal(g, QR_KIND_USER, "user");
    if (ast->on.count == 1 && qr_str_ieqz(word, "APPLICATION ROLE"))
        return find_principal(g, QR_KIND_APPLICATION_ROLE, "application role");
    if (ast->on.count == 1 && qr_str_ieqz(word, "DATABASE") &&
        qr_str_ieq(ast->on.parts[0].text, (*g->s.catalog)->cat.database_name))
        return QR_OK;
    char *noun = qr_arena_dup(g->s.arena, word.p, word.n);
    for (size_t i = 0; noun != NULL && i < word.n; i++)
        if (noun[i] >= 'A' && noun[i] <= 'Z')
            noun[i] = (char)(noun[i] - 'A' + 'a');
    return not_found(g, noun, ast->on.parts[ast->on.count - 1].text);
}

/* ---- permissions ---- */

enum { TABLES = 1, FUNCTIONS = 2, ROWS = 4, PROCEDURES = 8, SEQUENCES = 16, SYNONYMS = 32 };

static int kind_of_object(const struct qr_cat_object *o)
{
    switch ((int)o->type) {
    case QR_CAT_TABLE:
    case QR_CAT_VIEW:
        return TABLES;
    case QR_CAT_FN_SCALAR:
        return FUNCTIONS;
    case QR_CAT_FN_INLINE:
    case QR_CAT_FN_TABLE:
        return ROWS;
    case QR_CAT_PROC:
        return PROCEDURES;
    case QR_CAT_SEQUENCE:
        return SEQUENCES;
    case QR_CAT_SYNONYM:
        return SYNONYMS;
    default:
        return 0;
    }
}

/* Permissions that not every kind of object has; those that are ALL of it. */
static const struct {
    enum qr_perm perm;
    int kinds, all;
} of_objects[] = {
    {QR_MAY_DELETE, TABLES | ROWS | SYNONYMS, TABLES | ROWS | SYNONYMS},
    {QR_MAY_EXECUTE, FUNCTIONS | PROCEDURES | SYNONYMS, FUNCTIONS | PROCEDURES | SYNONYMS},
    {QR_MAY_INSERT, TABLES | ROWS | SYNONYMS, TABLES | ROWS | SYNONYMS},
    {QR_MAY_REFERENCES, TABLES | ROWS | FUNCTIONS | SEQUENCES, TABLES | ROWS | FUNCTIONS},
    {QR_MAY_SELECT, TABLES | ROWS | SYNONYMS, TABLES | ROWS | SYNONYMS},
    {QR_MAY_UPDATE, TABLES | ROWS | SYNONYMS | SEQUENCES, TABLES | ROWS | SYNONYMS | SEQUENCES},
    {QR_MAY_RECEIVE, 0, 0},
    {QR_MAY_UNMASK, TABLES, 0},
    {QR_MAY_VIEW_CHANGE_TRACKING, TABLES, 0},
};
enum { OF_OBJECTS = sizeof of_objects / sizeof of_objects[0] };

static const enum qr_perm all_of_database[] = {
    QR_MAY_BACKUP_DATABASE,  QR_MAY_BACKUP_LOG,  QR_MAY_CREATE_DEFAULT, QR_MAY_CREATE_FUNCTION,
    QR_MAY_CREATE_PROCEDURE, QR_MAY_CREATE_RULE, QR_MAY_CREATE_TABLE,   QR_MAY_CREATE_VIEW,
};

static bool fits_object(const struct qr_cat_object *o, enum qr_perm perm)
{
    for (size_t i = 0; i < OF_OBJECTS; i++)
        if (of_objects[i].perm == perm)
            return (of_objects[i].kinds & kind_of_object(o)) != 0;
    return true;
}

/* EXEC is short for EXECUTE; SQL Server's own list has it in full. */
static enum qr_perm perm_of(struct qr_str name)
{
    return qr_str_ieqz(name, "EXEC") ? QR_MAY_EXECUTE : qr_perm_by_name(name);
}

/* GRANT role TO user, or a word that is nobody's. */
static enum qr_status unknown_word(struct qri_grant *g, struct qr_str name)
{
    size_t n = 0;
    while (n < name.n && name.p[n] != ' ')
        n++;
    return qr_sql_fail(g->s.err, 102, qri_z(g->s.arena, qr_str_n(name.p, n)));
}

static enum qr_status check_perm(struct qri_grant *g, enum qr_perm perm)
{
    const char *name = qr_perm_name(perm);
    if (!qr_perm_applies(g->what.kind, perm))
        return qr_sql_fail(g->s.err, 4606, name);
    if (g->object != NULL && !fits_object(g->object, perm))
        return qr_sql_fail(g->s.err, 4606, name);
    if (perm == QR_MAY_CREATE_DATABASE && qri_ddl_session(g->s.ddl)->db->info.database_id != 1)
        return qr_sql_fail(g->s.err, 4619);
    return QR_OK;
}

static enum qr_status each_grantee(struct qri_grant *g, enum qr_perm perm, uint32_t column_id)
{
    QR_TRY(qri_grant_by(g, perm, column_id));
    for (size_t i = 0; i < g->ast->principals.count; i++)
        QR_TRY(qri_grant_row(g, perm, column_id, g->grantees[i]));
    return QR_OK;
}

static enum qr_status each_column(struct qri_grant *g, const struct qr_ast_permission_item *item,
                                  enum qr_perm perm)
{
    const struct qr_ast_idents *columns =
        item->columns.count > 0 ? &item->columns : &g->ast->on_columns;
    if (columns->count == 0)
        return each_grantee(g, perm, 0);
    if (item->columns.count > 0 && g->ast->on_columns.count > 0)
        return qr_sql_fail(g->s.err, 1020);
    if (g->object == NULL || (kind_of_object(g->object) & (TABLES | ROWS)) == 0 ||
        !qr_perm_has_columns(perm))
        return qr_sql_fail(g->s.err, 1020);
    for (size_t i = 0; i < columns->count; i++) {
        struct qr_str name = columns->items[i].text;
        const struct qr_cat_column *c = qr_cat_column_find(g->object, name);
        if (c == NULL)
            return qr_sql_fail(g->s.err, 4615, qri_z(g->s.arena, name));
        QR_TRY(each_grantee(g, perm, c->column_id));
    }
    return QR_OK;
}

static enum qr_status all_perms(struct qri_grant *g, const struct qr_ast_permission_item *item)
{
    if (g->what.kind == QR_KIND_DATABASE) {
        for (size_t i = 0; i < sizeof all_of_database / sizeof all_of_database[0]; i++)
            QR_TRY(each_column(g, item, all_of_database[i]));
        return QR_OK;
    }
    if (g->object == NULL)
        return qr_sql_fail(g->s.err, 4623);
    bool of_columns = item->columns.count > 0 || g->ast->on_columns.count > 0;
    for (size_t i = 0; i < OF_OBJECTS; i++)
        if ((of_objects[i].all & kind_of_object(g->object)) != 0 &&
            (!of_columns || qr_perm_has_columns(of_objects[i].perm)))
            QR_TRY(each_column(g, item, of_objects[i].perm));
    return QR_OK;
}

static enum qr_status each_item(struct qri_grant *g)
{
    for (size_t i = 0; i < g->ast->count; i++) {
        const struct qr_ast_permission_item *item = &g->ast->items[i];
        if (qr_str_ieqz(item->name, "ALL") || qr_str_ieqz(item->name, "ALL PRIVILEGES")) {
            QR_TRY(all_perms(g, item));
            continue;
        }
        enum qr_perm perm = perm_of(item->name);
        if (perm == QR_MAY_NOTHING)
            return unknown_word(g, item->name);
        QR_TRY(check_perm(g, perm));
        QR_TRY(each_column(g, item, perm));
    }
    return QR_OK;
}

/* ---- TO, FROM ---- */

static enum qr_status find_grantees(struct qri_grant *g)
{
    const struct qr_ast_idents *names = &g->ast->principals;
    uint32_t self = qri_access_user(qri_ddl_session(g->s.ddl));
    g->grantees = qr_arena_array(g->s.arena, names->count, sizeof *g->grantees);
    if (g->grantees == NULL)
        return qr_fail(g->s.err, QR_NOMEM, "permissions");
    for (size_t i = 0; i < names->count; i++) {
        const struct qri_principal *p = qri_principal_by_name(*g->s.catalog, names->items[i].text);
        if (p == NULL)
            return not_found(g, "user", names->items[i].text);
        uint32_t id = p->principal_id;
        if (p->is_fixed_role)
            return qr_sql_fail(g->s.err, 4617);
        if (id == QR_PRINCIPAL_DBO || id == QR_PRINCIPAL_INFORMATION_SCHEMA ||
            id == QR_PRINCIPAL_SYS || id == g->what.owner_id || id == self)
            return qr_sql_fail(g->s.err, 4624);
        g->grantees[i] = id;
    }
    return QR_OK;
}

enum qr_status qri_ddl_permission(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                                  struct qr_err *err)
{
    struct qri_grant g = {.ast = (const struct qr_ast_permission *)stmt};
    QR_TRY(qri_ddl_begin(&g.s, ddl, false, err));
    for (size_t i = 0; i < g.ast->count; i++) /* what is no permission is no statement */
        if (perm_of(g.ast->items[i].name) == QR_MAY_NOTHING &&
            !qr_str_ieqz(g.ast->items[i].name, "ALL") &&
            !qr_str_ieqz(g.ast->items[i].name, "ALL PRIVILEGES"))
            return unknown_word(&g, g.ast->items[i].name);
    QR_TRY(find_securable(&g));
    QR_TRY(find_grantees(&g));
    QR_TRY(qri_grant_begin(&g));
    QR_TRY(each_item(&g));
    return qri_ddl_commit(&g.s);
}
