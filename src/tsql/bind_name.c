/* bind_name.c - objects, types and variables by name; see bind_int.h */
#include "bind_int.h"

#include "base/banned.h"

enum { SYNONYM_STEPS_MAX = 1 }; /* a synonym of a synonym is not followed, as in SQL Server */

const char *qri_text_z(struct qri_compile *c, struct qr_str s)
{
    const char *z = qr_arena_dup(c->arena, s.p == NULL ? "" : s.p, s.n);
    return z == NULL ? "" : z;
}

const char *qri_name_z(struct qri_compile *c, const struct qr_ast_name *name)
{
    const char *z = "";
    for (uint32_t i = 0; i < name->count; i++) {
        struct qr_str part = name->parts[i].text;
        z = qr_arena_printf(c->arena, "%s%s%.*s", z, i == 0 ? "" : ".", (int)part.n, part.p);
        if (z == NULL)
            return "";
    }
    return z;
}

const struct qr_bind_var *qri_bind_var(const struct qr_bind_env *env, struct qr_str name)
{
    for (size_t i = 0; i < env->var_count; i++)
        if (qr_str_ieq(env->vars[i].name, name))
            return &env->vars[i];
    return NULL;
}

enum qr_status qri_depend(struct qri_compile *c, const struct qr_cat_object *object)
{
    for (size_t i = 0; i < c->depend_count; i++)
        if (c->depends[i] == object)
            return QR_OK;
    c->depends = (const struct qr_cat_object **)qr_arena_grow(
        c->arena, c->depends, c->depend_count, &c->depend_capacity, c->depend_count + 1,
        sizeof(*c->depends));
    if (c->depends == NULL)
        return qri_nomem(c);
    c->depends[c->depend_count++] = object;
    return QR_OK;
}

/* Views of the server alone are not there in its other databases. */
static const struct qr_cat_object *here(const struct qri_compile *c, const struct qr_cat_object *o)
{
    const struct qr_catalog *cat = c->env->catalog;
    bool elsewhere = o != NULL && o->is_in_master_only && cat != NULL &&
                     !qr_str_ieqz(cat->database_name, "master");
    return elsewhere ? NULL : o;
}

/* sys, INFORMATION_SCHEMA, and the names of SQL Server 2000 (sysobjects), which need no schema. */
static const struct qr_cat_object *find_system(struct qri_compile *c, struct qr_str schema,
                                               struct qr_str name)
{
    const struct qr_catalog *sys = c->env->system;
    if (sys == NULL)
        return NULL;
    if (schema.n == 0 || qr_str_ieqz(schema, "dbo"))
        return qr_str_starts_i(name, "sys") || qr_str_starts_i(name, "fn_")
                   ? qr_cat_find(sys, QR_SCHEMA_SYS, name)
                   : NULL;
    if (qr_str_ieqz(schema, "sys"))
        return here(c, qr_cat_find(sys, QR_SCHEMA_SYS, name));
    if (qr_str_ieqz(schema, "INFORMATION_SCHEMA"))
        return qr_cat_find(sys, QR_SCHEMA_INFORMATION_SCHEMA, name);
    return NULL;
}

static const struct qr_cat_object *find_user(struct qri_compile *c, struct qr_str schema,
                                             struct qr_str name)
{
    const struct qr_catalog *cat = c->env->catalog;
    if (cat == NULL)
        return NULL;
    if (schema.n != 0) {
        const struct qr_cat_schema *s = qr_cat_schema_find(cat, schema);
        return s == NULL ? NULL : qr_cat_find(cat, s->schema_id, name);
    }
    const struct qr_cat_object *object = qr_cat_find(cat, c->schema_id, name);
    if (object == NULL && c->schema_id != QR_SCHEMA_DBO) {
        object = qr_cat_find(cat, QR_SCHEMA_DBO, name);
        c->fell_through = true;
    }
    return object;
}

static bool names_tempdb(const struct qr_ast_name *name)
{
    return name->count == 3 && qr_str_ieqz(name->parts[0].text, "tempdb");
}

static enum qr_status check_database(struct qri_compile *c, const struct qr_ast_name *name)
{
    if (name->count > 4)
        return qr_sql_fail(c->err, 117, "object", qri_name_z(c, name), 3);
    if (name->count < 3)
        return QR_OK;
    struct qr_str database = name->parts[name->count - 3].text;
    struct qr_str server = name->count == 4 ? name->parts[0].text : qr_str("");
    bool is_here = database.n == 0 || (c->env->catalog != NULL &&
                                       qr_str_ieq(database, c->env->catalog->database_name));
    if (server.n != 0 || !is_here)
        return qr_sql_fail(c->err, 40515, qri_name_z(c, name));
    return QR_OK;
}

static enum qr_status follow_synonym(struct qri_compile *c, const struct qr_ast_name *name,
                                     struct qri_object *found)
{
    const struct qr_cat_object *synonym = found->object;
    found->synonym = synonym;
    struct qr_ast_type base; /* a synonym's text is a multi-part name, as a type's is */
    QR_TRY(qri_depend(c, synonym));
    QR_TRY(qr_tsql_parse_type(c->arena, synonym->text.p, synonym->text.n, &base, c->err));
    QR_TRY(check_database(c, &base.name));
    uint32_t n = base.name.count;
    struct qr_str schema = n >= 2 ? base.name.parts[n - 2].text : qr_str("");
    struct qr_str last = base.name.parts[n - 1].text;
    found->object = find_system(c, schema, last);
    found->is_system = found->object != NULL;
    if (found->object == NULL)
        found->object = find_user(c, schema, last);
    if (found->object == NULL || found->object->type == QR_CAT_SYNONYM)
        return qr_sql_fail(c->err, 5313, qri_name_z(c, name));
    return QR_OK;
}

enum qr_status qri_object_find(struct qri_compile *c, const struct qr_ast_name *name, bool may_miss,
                               struct qri_object *ret_object)
{
    struct qri_object found = {0};
    struct qr_str last = name->parts[name->count - 1].text;
    struct qr_str schema = name->count >= 2 ? name->parts[name->count - 2].text : qr_str("");
    if (last.n > 0 && last.p[0] == '#') {
        if (c->env->in_view)
            return qr_sql_fail(c->err, 4508);
        if (c->env->in_function)
            return qr_sql_fail(c->err, 2772);
        if (c->env->temp != NULL)
            found.object = qr_cat_find(c->env->temp, QR_SCHEMA_DBO, last);
        found.is_temp = found.object != NULL;
    } else {
        found.object = find_system(c, schema, last);
        found.is_system = found.object != NULL;
        found.is_temp = found.is_system && (c->in_tempdb || names_tempdb(name));
        if (!found.is_temp)
            QR_TRY(check_database(c, name));
        if (found.object == NULL)
            found.object = find_user(c, schema, last);
    }
    if (found.object != NULL && found.object->type == QR_CAT_SYNONYM)
        QR_TRY(follow_synonym(c, name, &found));
    if (found.object == NULL && !may_miss)
        return qr_sql_fail(c->err, 208, qri_name_z(c, name));
    if (found.object != NULL)
        QR_TRY(qri_depend(c, found.object));
    *ret_object = found;
    return QR_OK;
}

static const struct qr_cat_usertype *find_usertype(struct qri_compile *c,
                                                   const struct qr_ast_name *name)
{
    const struct qr_catalog *cat = c->env->catalog;
    if (cat == NULL)
        return NULL;
    struct qr_str last = name->parts[name->count - 1].text;
    if (name->count >= 2) {
        const struct qr_cat_schema *s = qr_cat_schema_find(cat, name->parts[name->count - 2].text);
        return s == NULL ? NULL : qr_cat_usertype_find(cat, s->schema_id, last);
    }
    const struct qr_cat_usertype *type = qr_cat_usertype_find(cat, c->schema_id, last);
    return type != NULL ? type : qr_cat_usertype_find(cat, QR_SCHEMA_DBO, last);
}

enum qr_status qri_type(struct qri_compile *c, const struct qr_ast_type *ast, bool in_cast,
                        struct qr_type *ret_type, uint32_t *ret_user_type_id, bool *ret_nullable)
{
    const struct qr_ast_name *name = &ast->name;
    struct qr_str last = name->parts[name->count - 1].text;
    struct qr_type type;
    bool is_qualified = name->count >= 2 && name->parts[name->count - 2].text.n != 0 &&
                        !qr_str_ieqz(name->parts[name->count - 2].text, "sys");
    if (!is_qualified && qr_type_find(last, &type)) {
        int args[2] = {ast->max ? -1 : ast->args[0], ast->args[1]};
        QR_TRY(qr_type_apply_args(&type, args, ast->max ? 1 : ast->arg_count, in_cast, c->err));
        if (qr_type_is_string(&type))
            type.collation = c->b.collation;
        *ret_type = type;
        *ret_user_type_id = qr_str_ieqz(last, "sysname") ? 256 : 0;
        *ret_nullable = *ret_user_type_id == 0;
        return QR_OK;
    }
    const struct qr_cat_usertype *user = find_usertype(c, name);
    if (user == NULL)
        return name->count > 1 || in_cast ? qr_sql_fail(c->err, 243, qri_name_z(c, name))
                                          : qr_sql_fail(c->err, 2715, 1, qri_name_z(c, name));
    *ret_type = user->type;
    if (user->table_object_id != 0)
        *ret_type = qr_type_of(QR_TYPE_TABLE);
    *ret_user_type_id = user->user_type_id;
    *ret_nullable = user->nullable;
    return QR_OK;
}
