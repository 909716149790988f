/* access_ddl.c - what a DDL statement needs, for who is not dbo; see access_int.h.
 *
 * Asked before the statement runs, in its own transaction, so by the catalog that it changes. What
 * may not be changed is told as what is not there: its error says "or you do not have permission",
 * as SQL Server's does. Principals, permissions and owners ask for themselves (ddl_principal.c and
 * its neighbours). #tables are the session's own. */
#include "access_int.h"
#include "base/sqlmsg.h"
#include "ddl_int.h"
#include "base/banned.h"

struct want {
    const struct qr_session *session;
    struct qri_ddl *ddl;
    struct qr_err *err;
};

static const struct qr_catalog *catalog_of(const struct want *w)
{
    return &(*w->ddl->main)->cat;
}

/* ---- making objects ---- */

/* ALTER on the schema that the new object gets: 2760. */
static enum qr_status want_schema(struct want *w, const struct qr_ast_name *name,
                                  enum qr_perm instead)
{
    struct qri_target target;
    QR_TRY(qri_ddl_resolve(w->ddl, name, &target, w->err));
    const struct qr_catalog *before = &w->session->catalog->cat;
    if (qr_cat_schema_by_id(before, target.schema_id) == NULL) /* an element of CREATE SCHEMA */
        return QR_OK;
    if (qri_may_schema(w->session, target.schema_id, QR_MAY_ALTER) ||
        (instead != QR_MAY_NOTHING && qri_may_schema(w->session, target.schema_id, instead)))
        return QR_OK;
    return qr_sql_fail(w->err, 2760, qri_z(w->ddl->arena, target.schema));
}

static enum qr_status want_new(struct want *w, const struct qr_ast_name *name, enum qr_perm perm)
{
    if (qri_name_is_temp(name))
        return QR_OK;
    if (perm != QR_MAY_NOTHING)
        QR_TRY(qri_want_database(w->session, perm, w->err));
    return want_schema(w, name, QR_MAY_NOTHING);
}

/* REFERENCES on the columns that a foreign key points at, or on the whole table: 229, 230. */
static enum qr_status want_referenced(struct want *w, const struct qr_ast_constraint *fk)
{
    struct qri_target target;
    QR_TRY(qri_ddl_resolve(w->ddl, &fk->ref_table, &target, w->err));
    if (target.object == NULL || target.is_temp)
        return QR_OK; /* it fails by itself */
    if (qri_may_object(w->session, target.object, QR_MAY_REFERENCES))
        return QR_OK;
    for (size_t i = 0; i < fk->ref_columns.count; i++) {
        const struct qr_cat_column *column =
            qr_cat_column_find(target.object, fk->ref_columns.items[i].text);
        if (column == NULL ||
            !qri_may_column(w->session, target.object, column->column_id, QR_MAY_REFERENCES))
            return qri_want_object(w->session, target.object, QR_MAY_REFERENCES, w->err);
    }
    return fk->ref_columns.count > 0
               ? QR_OK
               : qri_want_object(w->session, target.object, QR_MAY_REFERENCES, w->err);
}

static enum qr_status want_constraints(struct want *w, const struct qr_ast_constraints *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].kind == QR_CONSTRAINT_FOREIGN_KEY)
            QR_TRY(want_referenced(w, &list->items[i]));
    return QR_OK;
}

/* The permission on the type, if that is a user's: 229. What is no type is told by the statement.
 */
static enum qr_status want_type(struct want *w, const struct qr_ast_type *ast, enum qr_perm perm)
{
    struct qr_err ignored = {0};
    struct qr_type type;
    uint32_t user_type_id = 0;
    bool nullable = false;
    if (ast->name.count == 0 ||
        qr_tsql_resolve_type(w->ddl->env, ast, &type, &user_type_id, &nullable, &ignored) != QR_OK)
        return QR_OK;
    const struct qr_cat_usertype *found = qr_cat_usertype_by_id(catalog_of(w), user_type_id);
    return found == NULL ? QR_OK : qri_want_type(w->session, found, perm, w->err);
}

static enum qr_status want_definition(struct want *w, const struct qr_ast_table_def *def)
{
    for (size_t i = 0; i < def->column_count; i++) {
        QR_TRY(want_type(w, &def->columns[i].type, QR_MAY_REFERENCES));
        QR_TRY(want_constraints(w, &def->columns[i].constraints));
    }
    return want_constraints(w, &def->constraints);
}

static enum qr_status want_create_table(struct want *w, const struct qr_ast_stmt *stmt)
{
    const struct qr_ast_create_table *ast = (const struct qr_ast_create_table *)stmt;
    QR_TRY(want_new(w, &ast->name, QR_MAY_CREATE_TABLE));
    return qri_name_is_temp(&ast->name) ? QR_OK : want_definition(w, &ast->def);
}

/* ---- changing objects ---- */

/* ALTER on the object of that name; what is not there is told by the statement itself. */
static enum qr_status want_alter(struct want *w, const struct qr_ast_name *name, int number,
                                 const struct qr_cat_object **ret_object)
{
    struct qri_target target;
    QR_TRY(qri_ddl_resolve(w->ddl, name, &target, w->err));
    if (ret_object != NULL)
        *ret_object = target.object;
    if (target.object == NULL || target.is_temp ||
        qri_may_object(w->session, target.object, QR_MAY_ALTER))
        return QR_OK;
    return qr_sql_fail(w->err, number, qri_ddl_spell(w->ddl->arena, name));
}

/* Does the new column have a value in rows that are there? */
static bool fills(const struct qr_ast_column_def *column)
{
    bool fills = column->identity;
    for (size_t i = 0; i < column->constraints.count; i++)
        fills |= column->constraints.items[i].kind == QR_CONSTRAINT_DEFAULT &&
                 (column->nullable == QR_NO || column->constraints.items[i].with_values);
    return fills;
}

static bool changes_rows(const struct want *w, const struct qr_ast_alter_table *ast,
                         const struct qr_cat_object *table)
{
    struct qr_err ignored = {0};
    struct qr_type to;
    uint32_t user_type_id = 0;
    bool nullable = false, changes = false;
    for (size_t i = 0; ast->action == QR_ALTER_ADD && i < ast->def.column_count; i++)
        changes |= fills(&ast->def.columns[i]);
    if (ast->action != QR_ALTER_COLUMN || ast->column.type.name.count == 0)
        return changes;
    const struct qr_cat_column *column = qr_cat_column_find(table, ast->column.name.text);
    return column != NULL &&
           qr_tsql_resolve_type(w->ddl->env, &ast->column.type, &to, &user_type_id, &nullable,
                                &ignored) == QR_OK &&
           to.id != column->type.id;
}

/* ALTER ANY MASK for who adds, changes or takes away the mask of a column: 15247. */
static enum qr_status want_mask(struct want *w, const struct qr_ast_alter_table *ast,
                                const struct qr_cat_object *table)
{
    if (ast->action != QR_ALTER_COLUMN)
        return QR_OK;
    const struct qr_cat_column *column = qr_cat_column_find(table, ast->column.name.text);
    bool is_masked = column != NULL && column->mask.n > 0;
    bool changes = ast->column.mask != NULL || qr_str_ieqz(ast->column_change, "DROP MASKED") ||
                   (is_masked && ast->column.type.name.count > 0);
    return !changes || qri_may_database(w->session, QR_MAY_ALTER_ANY_MASK)
               ? QR_OK
               : qr_sql_fail(w->err, 15247);
}

static enum qr_status want_alter_table(struct want *w, const struct qr_ast_stmt *stmt)
{
    const struct qr_ast_alter_table *ast = (const struct qr_ast_alter_table *)stmt;
    const struct qr_cat_object *table = NULL;
    QR_TRY(want_alter(w, &ast->name, 4902, &table));
    if (table == NULL || table->object_id >= QRI_TEMP_OBJECT_FIRST)
        return QR_OK;
    QR_TRY(want_mask(w, ast, table));
    QR_TRY(want_type(w, &ast->column.type, QR_MAY_REFERENCES));
    QR_TRY(want_definition(w, &ast->def));
    struct qri_ddl_stmt s = {.ddl = w->ddl, .err = w->err};
    return changes_rows(w, ast, table) && !qri_table_is_empty(&s, table)
               ? qri_want_object(w->session, table, QR_MAY_UPDATE, w->err)
               : QR_OK;
}

static enum qr_status want_index(struct want *w, const struct qr_ast_stmt *stmt)
{
    switch ((int)stmt->kind) {
    case QR_AS_CREATE_INDEX:
        return want_alter(w, &((const struct qr_ast_create_index *)stmt)->table, 1088, NULL);
    case QR_AS_ALTER_INDEX:
        return want_alter(w, &((const struct qr_ast_alter_index *)stmt)->table, 1088, NULL);
    case QR_AS_CREATE_STATISTICS:
        return want_alter(w, &((const struct qr_ast_create_statistics *)stmt)->table, 1088, NULL);
    default:
        return want_alter(w, &((const struct qr_ast_update_statistics *)stmt)->table, 1088, NULL);
    }
}

/* CREATE, ALTER and CREATE OR ALTER of a module. */
static enum qr_status want_module_of(struct want *w, enum qr_ast_action action,
                                     const struct qr_ast_name *name, enum qr_perm perm)
{
    const struct qr_cat_object *object = NULL;
    struct qri_target target;
    QR_TRY(qri_ddl_resolve(w->ddl, name, &target, w->err));
    object = target.object;
    if (action == QR_ACTION_CREATE || (action == QR_ACTION_CREATE_OR_ALTER && object == NULL))
        return want_new(w, name, perm);
    if (object == NULL || qri_may_object(w->session, object, QR_MAY_ALTER))
        return QR_OK;
    return qr_sql_fail(w->err, 208, qri_ddl_spell(w->ddl->arena, name));
}

static enum qr_status want_module(struct want *w, const struct qr_ast_stmt *stmt)
{
    const struct qr_ast_view *view = (const struct qr_ast_view *)stmt;
    const struct qr_ast_procedure *procedure = (const struct qr_ast_procedure *)stmt;
    const struct qr_ast_function *function = (const struct qr_ast_function *)stmt;
    if (stmt->kind == QR_AS_VIEW)
        return want_module_of(w, view->action, &view->name, QR_MAY_CREATE_VIEW);
    if (stmt->kind == QR_AS_PROCEDURE)
        return want_module_of(w, procedure->action, &procedure->name, QR_MAY_CREATE_PROCEDURE);
    QR_TRY(want_module_of(w, function->action, &function->name, QR_MAY_CREATE_FUNCTION));
    for (size_t i = 0; i < function->params.count; i++)
        QR_TRY(want_type(w, &function->params.items[i].type, QR_MAY_EXECUTE));
    return want_type(w, &function->returns, QR_MAY_EXECUTE);
}

static enum qr_status want_trigger(struct want *w, const struct qr_ast_stmt *stmt)
{
    const struct qr_ast_trigger *ast = (const struct qr_ast_trigger *)stmt;
    if (ast->table.count == 0)
        return QR_OK; /* it is refused */
    return want_alter(w, &ast->table, 8197, NULL);
}

static enum qr_status want_enable_trigger(struct want *w, const struct qr_ast_stmt *stmt)
{
    const struct qr_ast_enable_trigger *ast = (const struct qr_ast_enable_trigger *)stmt;
    return ast->table.count == 0 ? QR_OK : want_alter(w, &ast->table, 1088, NULL);
}

/* ---- schemas, types, sequences, synonyms ---- */

static enum qr_status want_create_schema(struct want *w, const struct qr_ast_stmt *stmt)
{
    const struct qr_ast_create_schema *ast = (const struct qr_ast_create_schema *)stmt;
    struct qr_str name = ast->name.text.n > 0 ? ast->name.text : ast->authorization.text;
    return qri_may_database(w->session, QR_MAY_CREATE_SCHEMA)
               ? QR_OK
               : qr_sql_fail(w->err, 2760, qri_z(w->ddl->arena, name));
}

/* ALTER on the schema that it goes to, CONTROL of what goes. */
static enum qr_status want_alter_schema(struct want *w, const struct qr_ast_stmt *stmt)
{
    const struct qr_ast_alter_schema *ast = (const struct qr_ast_alter_schema *)stmt;
    const struct qr_cat_schema *to = qr_cat_schema_find(catalog_of(w), ast->name.text);
    if (to != NULL && !qri_may_schema(w->session, to->schema_id, QR_MAY_ALTER))
        return qr_sql_fail(w->err, 15151, "alter", "schema", qri_z(w->ddl->arena, ast->name.text));
    struct qri_target target;
    QR_TRY(qri_ddl_resolve(w->ddl, &ast->object, &target, w->err));
    bool is_type = qr_str_ieqz(ast->object_class, "TYPE");
    const struct qr_cat_usertype *type =
        is_type ? qr_cat_usertype_find(catalog_of(w), target.schema_id, target.name) : NULL;
    bool may = is_type ? type == NULL || qri_may_type(w->session, type, QR_MAY_CONTROL)
                       : target.object == NULL ||
                             qri_may_object(w->session, target.object, QR_MAY_CONTROL);
    return may ? QR_OK
               : qr_sql_fail(w->err, 15151, "find", is_type ? "type" : "object",
                             qri_z(w->ddl->arena, target.name));
}

static enum qr_status want_create_type(struct want *w, const struct qr_ast_stmt *stmt)
{
    const struct qr_ast_create_type *ast = (const struct qr_ast_create_type *)stmt;
    QR_TRY(qri_want_database(w->session, QR_MAY_CREATE_TYPE, w->err)); /* "#t" is no #table */
    QR_TRY(want_schema(w, &ast->name, QR_MAY_NOTHING));
    return ast->table == NULL ? QR_OK : want_definition(w, ast->table);
}

static enum qr_status want_synonym(struct want *w, const struct qr_ast_stmt *stmt)
{
    QR_TRY(qri_want_database(w->session, QR_MAY_CREATE_SYNONYM, w->err));
    return want_schema(w, &((const struct qr_ast_create_synonym *)stmt)->name, QR_MAY_NOTHING);
}

static enum qr_status want_sequence(struct want *w, const struct qr_ast_stmt *stmt)
{
    const struct qr_ast_sequence *ast = (const struct qr_ast_sequence *)stmt;
    struct qri_target target;
    if (ast->action == QR_ACTION_CREATE) {
        QR_TRY(want_schema(w, &ast->name, QR_MAY_CREATE_SEQUENCE));
        return want_type(w, &ast->type, QR_MAY_REFERENCES);
    }
    QR_TRY(qri_ddl_resolve(w->ddl, &ast->name, &target, w->err));
    if (target.object == NULL || qri_may_object(w->session, target.object, QR_MAY_ALTER))
        return QR_OK;
    return qr_sql_fail(w->err, 15151, "alter", "sequence", qri_z(w->ddl->arena, target.name));
}

/* The policy itself; what its predicates need is asked for when they are made. */
static enum qr_status want_policy(struct want *w, const struct qr_ast_stmt *stmt)
{
    const struct qr_ast_security_policy *ast = (const struct qr_ast_security_policy *)stmt;
    if (ast->action == QR_ACTION_CREATE)
        return want_new(w, &ast->name, QR_MAY_ALTER_ANY_SECURITY_POLICY);
    return qri_may_database(w->session, QR_MAY_ALTER_ANY_SECURITY_POLICY)
               ? QR_OK
               : qr_sql_fail(w->err, 33268, qri_ddl_spell(w->ddl->arena, &ast->name));
}

/* ---- DROP ---- */

/* CONTROL of the object, or ALTER on its schema; of a trigger ALTER on its table. A policy needs a
 * permission of its own besides. */
static bool may_drop(const struct want *w, const struct qr_cat_object *object)
{
    if (object->type == QR_CAT_TRIGGER)
        return qri_may_object(w->session, object, QR_MAY_ALTER);
    if (object->type == QR_CAT_POLICY)
        return qri_may_database(w->session, QR_MAY_ALTER_ANY_SECURITY_POLICY) &&
               qri_may_schema(w->session, object->schema_id, QR_MAY_ALTER);
    return qri_may_object(w->session, object, QR_MAY_CONTROL) ||
           qri_may_schema(w->session, object->schema_id, QR_MAY_ALTER);
}

static enum qr_status want_drop_schema(struct want *w, struct qr_str name)
{
    const struct qr_cat_schema *schema = qr_cat_schema_find(catalog_of(w), name);
    if (schema == NULL || qri_may_schema(w->session, schema->schema_id, QR_MAY_CONTROL) ||
        qri_may_database(w->session, QR_MAY_ALTER_ANY_SCHEMA))
        return QR_OK;
    return qr_sql_fail(w->err, 15151, "drop", "schema", qri_z(w->ddl->arena, name));
}

static enum qr_status want_drop_type(struct want *w, const struct qr_ast_name *name)
{
    struct qri_target target;
    QR_TRY(qri_ddl_resolve(w->ddl, name, &target, w->err));
    const struct qr_cat_usertype *type =
        qr_cat_usertype_find(catalog_of(w), target.schema_id, target.name);
    if (type == NULL || qri_may_type(w->session, type, QR_MAY_CONTROL) ||
        qri_may_schema(w->session, target.schema_id, QR_MAY_ALTER))
        return QR_OK;
    return qr_sql_fail(w->err, 15151, "drop", "type", qri_z(w->ddl->arena, target.name));
}

/* "table", as messages 3701 and 15151 say it. */
static const char *shown_class(const struct want *w, struct qr_str object_class)
{
    char *text = qr_arena_dup(w->ddl->arena, object_class.p, object_class.n);
    for (char *p = text; p != NULL && *p != '\0'; p++)
        *p = (char)(*p >= 'A' && *p <= 'Z' ? *p | 32 : *p);
    return text == NULL ? "" : text;
}

static enum qr_status want_drop_item(struct want *w, struct qr_str object_class,
                                     const struct qr_ast_drop_item *item)
{
    struct qr_str last = item->name.parts[item->name.count - 1].text;
    bool on_table = qr_str_ieqz(object_class, "INDEX") || qr_str_ieqz(object_class, "STATISTICS");
    struct qri_target target;
    if (qr_str_ieqz(object_class, "SCHEMA"))
        return want_drop_schema(w, last);
    if (qr_str_ieqz(object_class, "TYPE"))
        return want_drop_type(w, &item->name);
    if (qr_str_ieqz(object_class, "USER") || qr_str_ieqz(object_class, "ROLE") ||
        qr_str_ieqz(object_class, "APPLICATION ROLE"))
        return QR_OK; /* they ask for themselves */
    if (on_table && item->on.count == 0)
        return QR_OK;
    enum qr_status status =
        qri_ddl_resolve(w->ddl, on_table ? &item->on : &item->name, &target, w->err);
    if (status != QR_OK) { /* the statement tells, unless it says IF EXISTS */
        qr_err_reset(w->err);
        return QR_OK;
    }
    if (target.object == NULL || target.is_temp ||
        (on_table ? qri_may_object(w->session, target.object, QR_MAY_ALTER)
                  : may_drop(w, target.object)))
        return QR_OK;
    bool by_name = target.object->type == QR_CAT_SEQUENCE || target.object->type == QR_CAT_SYNONYM;
    const char *shown = shown_class(w, object_class);
    return by_name ? qr_sql_fail(w->err, 15151, "drop", shown, qri_z(w->ddl->arena, last))
                   : qr_sql_fail(w->err, 3701, "drop", shown,
                                 qri_ddl_spell(w->ddl->arena, &item->name));
}

static enum qr_status want_drop(struct want *w, const struct qr_ast_stmt *stmt)
{
    const struct qr_ast_drop *ast = (const struct qr_ast_drop *)stmt;
    for (size_t i = 0; i < ast->count; i++)
        QR_TRY(want_drop_item(w, ast->object_class, &ast->items[i]));
    return QR_OK;
}

/* ---- all of them ---- */

typedef enum qr_status want_fn(struct want *w, const struct qr_ast_stmt *stmt);

static want_fn *const statements[QR_AS_KIND_COUNT] = {
    [QR_AS_CREATE_TABLE] = want_create_table,
    [QR_AS_ALTER_TABLE] = want_alter_table,
    [QR_AS_CREATE_INDEX] = want_index,
    [QR_AS_ALTER_INDEX] = want_index,
    [QR_AS_CREATE_STATISTICS] = want_index,
    [QR_AS_UPDATE_STATISTICS] = want_index,
    [QR_AS_VIEW] = want_module,
    [QR_AS_PROCEDURE] = want_module,
    [QR_AS_FUNCTION] = want_module,
    [QR_AS_TRIGGER] = want_trigger,
    [QR_AS_ENABLE_TRIGGER] = want_enable_trigger,
    [QR_AS_CREATE_SCHEMA] = want_create_schema,
    [QR_AS_ALTER_SCHEMA] = want_alter_schema,
    [QR_AS_CREATE_TYPE] = want_create_type,
    [QR_AS_SEQUENCE] = want_sequence,
    [QR_AS_CREATE_SYNONYM] = want_synonym,
    [QR_AS_SECURITY_POLICY] = want_policy,
    [QR_AS_DROP] = want_drop,
};

enum qr_status qri_want_ddl(void *ctx, struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                            struct qr_err *err)
{
    struct qr_session *session = ctx;
    struct want w = {session, ddl, err};
    if (session->is_owner || statements[stmt->kind] == NULL)
        return QR_OK;
    QR_TRY(qri_access_settle(session, err));
    return statements[stmt->kind](&w, stmt);
}
