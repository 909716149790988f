/* ddl_drop.c - DROP of objects, and sp_rename; see ddl_int.h. */
#include "access_int.h"
#include "ddl_int.h"
#include "frame.h"
#include "base/sqlmsg.h"
#include "base/banned.h"

/* What a class word of DROP may name. */
static const struct drop_class {
    const char *word;  /* DROP word */
    const char *shown; /* as message 3701 says it */
    enum qr_cat_type types[3];
    size_t type_count;
} classes[] = {
    {"TABLE", "table", {QR_CAT_TABLE}, 1},
    {"VIEW", "view", {QR_CAT_VIEW}, 1},
    {"PROCEDURE", "procedure", {QR_CAT_PROC}, 1},
    {"FUNCTION", "function", {QR_CAT_FN_SCALAR, QR_CAT_FN_INLINE, QR_CAT_FN_TABLE}, 3},
    {"TRIGGER", "trigger", {QR_CAT_TRIGGER}, 1},
    {"SEQUENCE", "sequence object", {QR_CAT_SEQUENCE}, 1},
    {"SYNONYM", "synonym", {QR_CAT_SYNONYM}, 1},
    {"SECURITY POLICY", "security policy", {QR_CAT_POLICY}, 1},
};

static const struct drop_class *class_of(struct qr_str word)
{
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (qr_str_ieqz(word, classes[i].word))
            return &classes[i];
    return NULL;
}

static bool fits(const struct drop_class *c, const struct qr_cat_object *o)
{
    for (size_t i = 0; i < c->type_count; i++)
        if (c->types[i] == o->type)
            return true;
    return false;
}

/* 3726: another table's foreign key points here. */
static enum qr_status refuse_referenced(struct qri_ddl_stmt *s, const struct qr_cat_object *o)
{
    for (size_t i = 0; i < o->referenced_by_count; i++)
        if (o->referenced_by[i]->parent_object_id != o->object_id)
            return qr_sql_fail(s->err, 3726, qri_z(s->arena, o->name));
    return QR_OK;
}

static bool names_column(struct qr_str text, size_t at, struct qr_str column)
{
    char before = at > 0 ? text.p[at - 1] : ' ';
    char after = at + column.n < text.n ? text.p[at + column.n] : ' ';
    bool word_before = (before >= '0' && before <= '9') || (before >= 'A' && before <= 'Z') ||
                       (before >= 'a' && before <= 'z') || before == '_' || before == '@' ||
                       before == '\'';
    bool word_after = (after >= '0' && after <= '9') || (after >= 'A' && after <= 'Z') ||
                      (after >= 'a' && after <= 'z') || after == '_' || after == '\'' ||
                      after == '(';
    return !word_before && !word_after;
}

/* As far as can be told from a module's text as its author wrote it. */
static bool module_names(struct qr_str text, struct qr_str column)
{
    for (size_t i = 0; i + column.n <= text.n; i++)
        if (qr_str_ieq((struct qr_str){text.p + i, column.n}, column) &&
            names_column(text, i, column))
            return true;
    return false;
}

/* A policy holds its tables and, bound to the schema, its functions and the columns that it reads.
 */
static bool policy_holds(const struct qr_cat_object *policy, const struct qr_cat_object *o,
                         struct qr_str column)
{
    for (size_t i = 0; i < policy->predicate_count; i++) {
        const struct qr_cat_predicate *p = &policy->predicates[i];
        if (p->target_id == o->object_id &&
            (column.n == 0 || (policy->is_schema_bound && qri_text_names(p->text, column))))
            return true;
        if (policy->is_schema_bound && p->function_id == o->object_id && column.n == 0)
            return true;
    }
    return false;
}

const struct qr_cat_object *qri_policy_of(const struct qr_catalog *cat,
                                          const struct qr_cat_object *o)
{
    for (size_t i = 0; i < cat->object_count; i++)
        if (cat->objects[i]->is_schema_bound &&
            policy_holds(cat->objects[i], o, (struct qr_str){NULL, 0}))
            return cat->objects[i];
    return NULL;
}

/* A schema-bound module that names the object, and its column unless that is empty. */
static bool module_holds(const struct qr_cat_object *m, const struct qr_cat_object *o,
                         struct qr_str column)
{
    return m->is_schema_bound && m != o && module_names(m->text, o->name) &&
           (column.n == 0 || module_names(m->text, column));
}

const struct qr_cat_object *qri_bound_to(const struct qri_ddl_stmt *s,
                                         const struct qr_cat_object *o, struct qr_str column)
{
    const struct qr_catalog *cat = &(*s->catalog)->cat;
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *m = cat->objects[i];
        if (policy_holds(m, o, column) || module_holds(m, o, column))
            return m;
    }
    return NULL;
}

/* 3729: a schema-bound module names it. */
static enum qr_status refuse_bound(struct qri_ddl_stmt *s, const struct qr_cat_object *o)
{
    const struct qr_cat_object *m = qri_bound_to(s, o, (struct qr_str){NULL, 0});
    return m == NULL ? QR_OK
                     : qr_sql_fail(s->err, 3729, "DROP", qri_z(s->arena, o->name),
                                   qri_z(s->arena, m->name));
}

static enum qr_status drop_counters(struct qri_ddl_stmt *s, uint32_t object_id)
{
    static const enum qri_counter counters[] = {QRI_COUNTER_IDENTITY, QRI_COUNTER_ROWID,
                                                QRI_COUNTER_SEQUENCE};
    for (size_t i = 0; i < 3; i++)
        QR_TRY(s->ddl->counter_drop(s->ddl->ctx, qri_counter_id(object_id, counters[i]), s->is_temp,
                                    s->err));
    return QR_OK;
}

static enum qr_status drop_properties(struct qri_ddl_stmt *s, uint32_t object_id)
{
    const struct qri_catalog *c = *s->catalog;
    for (size_t i = 0, at = 0; i < c->record_count; i++) {
        if (c->records[i].kind != QRI_REC_PROPERTY)
            continue;
        const struct qri_property *p = &c->properties[at++];
        if (p->class_id == 1 && p->major_id == object_id)
            QR_TRY(qri_change_drop(&s->change, QRI_REC_PROPERTY, c->records[i].id, s->err));
    }
    return QR_OK;
}

static enum qr_status drop_object(struct qri_ddl *ddl, const struct qr_cat_object *o, bool is_temp,
                                  struct qr_err *err)
{
    struct qri_ddl_stmt s;
    QR_TRY(qri_ddl_begin(&s, ddl, is_temp, err));
    if (o->history_id != 0 || o->history_of != 0)
        return qri_fail_table(&s, 13552, o);
    QR_TRY(refuse_referenced(&s, o));
    if (o->type != QR_CAT_TRIGGER)
        QR_TRY(refuse_bound(&s, o));
    const struct qr_catalog *cat = &(*s.catalog)->cat;
    for (size_t i = 0; i < cat->object_count; i++)
        if (cat->objects[i]->parent_object_id == o->object_id)
            QR_TRY(qri_change_drop(&s.change, QRI_REC_OBJECT, cat->objects[i]->object_id, err));
    if (o->type == QR_CAT_TABLE)
        QR_TRY(qri_sqlite_drop_table(&s, o));
    QR_TRY(drop_counters(&s, o->object_id));
    QR_TRY(drop_properties(&s, o->object_id));
    if (!is_temp)
        QR_TRY(qri_drop_rights(&s, QR_ON_OBJECT, o->object_id, 0));
    QR_TRY(qri_change_drop(&s.change, QRI_REC_OBJECT, o->object_id, err));
    return qri_ddl_commit(&s);
}

/* 3705: DROP VIEW of a table, say */
static enum qr_status fail_other_kind(struct qri_ddl *ddl, struct qr_str object_class,
                                      const struct qr_cat_object *o, struct qr_err *err)
{
    static const struct {
        enum qr_cat_type type;
        const char *noun, *statement;
    } kinds[] = {
        {QR_CAT_TABLE, "table", "DROP TABLE"},
        {QR_CAT_VIEW, "view", "DROP VIEW"},
        {QR_CAT_PROC, "procedure", "DROP PROCEDURE"},
        {QR_CAT_TRIGGER, "trigger", "DROP TRIGGER"},
        {QR_CAT_SEQUENCE, "sequence object", "DROP SEQUENCE"},
        {QR_CAT_SYNONYM, "synonym", "DROP SYNONYM"},
        {QR_CAT_POLICY, "security policy", "DROP SECURITY POLICY"},
    };
    const char *noun = "function", *statement = "DROP FUNCTION";
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].type == o->type) {
            noun = kinds[i].noun;
            statement = kinds[i].statement;
        }
    const char *name = qri_z(ddl->arena, o->name);
    return qr_sql_fail(err, 3705, qri_z(ddl->arena, object_class), name, name, noun, statement);
}

static enum qr_status drop_schema(struct qri_ddl *ddl, const struct qr_ast_name *name,
                                  bool if_exists, struct qr_err *err)
{
    struct qri_ddl_stmt s;
    struct qr_str text = name->parts[name->count - 1].text;
    QR_TRY(qri_ddl_begin(&s, ddl, false, err));
    const struct qr_catalog *cat = &(*ddl->main)->cat;
    const struct qr_cat_schema *schema = qr_cat_schema_find(cat, text);
    if (schema == NULL)
        return if_exists ? QR_OK
                         : qr_sql_fail(err, 15151, "drop", "schema", qri_z(ddl->arena, text));
    if (schema->schema_id < QR_SCHEMA_FIRST_USER)
        return qr_sql_fail(err, 15150, "drop", "schema", qri_z(ddl->arena, text));
    for (size_t i = 0; i < cat->object_count; i++)
        if (cat->objects[i]->schema_id == schema->schema_id)
            return qr_sql_fail(err, 3729, "drop schema", qri_z(ddl->arena, text),
                               qri_z(ddl->arena, cat->objects[i]->name));
    for (size_t i = 0; i < cat->usertype_count; i++)
        if (cat->usertypes[i].schema_id == schema->schema_id)
            return qr_sql_fail(err, 3729, "drop schema", qri_z(ddl->arena, text),
                               qri_z(ddl->arena, cat->usertypes[i].name));
    QR_TRY(qri_drop_rights(&s, QR_ON_SCHEMA, schema->schema_id, 0));
    QR_TRY(qri_change_drop(&s.change, QRI_REC_SCHEMA, schema->schema_id, err));
    return qri_ddl_commit(&s);
}

static bool type_in_use(const struct qr_catalog *cat, uint32_t id, struct qr_str *ret_user)
{
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *o = cat->objects[i];
        *ret_user = o->name;
        for (size_t k = 0; k < o->column_count; k++)
            if (o->columns[k].user_type_id == id)
                return true;
        for (size_t k = 0; k < o->param_count; k++)
            if (o->params[k].user_type_id == id)
                return true;
    }
    return false;
}

static enum qr_status drop_type(struct qri_ddl *ddl, const struct qr_ast_name *name, bool if_exists,
                                struct qr_err *err)
{
    struct qri_ddl_stmt s;
    struct qri_target target;
    struct qr_str user;
    QR_TRY(qri_ddl_resolve(ddl, name, &target, err));
    QR_TRY(qri_ddl_begin(&s, ddl, false, err));
    const struct qr_catalog *cat = &(*ddl->main)->cat;
    const struct qr_cat_usertype *type = qr_cat_usertype_find(cat, target.schema_id, target.name);
    if (type == NULL)
        return if_exists ? QR_OK : qr_sql_fail(err, 218, qri_ddl_spell(ddl->arena, name));
    if (type_in_use(cat, type->user_type_id, &user))
        return qr_sql_fail(err, 3732, qri_ddl_spell(ddl->arena, name), qri_z(ddl->arena, user));
    if (type->table_object_id != 0)
        QR_TRY(qri_change_drop(&s.change, QRI_REC_OBJECT, type->table_object_id, err));
    QR_TRY(qri_drop_rights(&s, QR_ON_TYPE, type->user_type_id, 0));
    QR_TRY(qri_change_drop(&s.change, QRI_REC_USERTYPE, type->user_type_id, err));
    return qri_ddl_commit(&s);
}

static enum qr_status drop_item(struct qri_ddl *ddl, const struct qr_ast_drop *ast,
                                const struct qr_ast_drop_item *item, struct qr_err *err)
{
    const struct drop_class *c = class_of(ast->object_class);
    struct qri_target target;
    if (qr_str_ieqz(ast->object_class, "INDEX"))
        return qri_ddl_drop_index(ddl, item, ast->if_exists, err);
    if (qr_str_ieqz(ast->object_class, "STATISTICS"))
        return qri_ddl_drop_statistics(ddl, item, err);
    if (qr_str_ieqz(ast->object_class, "SCHEMA"))
        return drop_schema(ddl, &item->name, ast->if_exists, err);
    if (qr_str_ieqz(ast->object_class, "TYPE"))
        return drop_type(ddl, &item->name, ast->if_exists, err);
    if (qr_str_ieqz(ast->object_class, "USER") || qr_str_ieqz(ast->object_class, "ROLE") ||
        qr_str_ieqz(ast->object_class, "APPLICATION ROLE"))
        return qri_ddl_drop_principal(ddl, item, ast->object_class, ast->if_exists, err);
    if (c == NULL) {
        const char *what =
            qr_arena_printf(ddl->arena, "DROP %s", qri_z(ddl->arena, ast->object_class));
        return qr_sql_fail(err, 40510, what == NULL ? "DROP" : what);
    }
    enum qr_status status = qri_ddl_resolve(ddl, &item->name, &target, err);
    if (status == QR_SQL && ast->if_exists) {
        qr_err_reset(err);
        return QR_OK;
    }
    QR_TRY(status);
    if (target.object == NULL) {
        if (ast->if_exists)
            return QR_OK;
        if (c->types[0] == QR_CAT_SEQUENCE || c->types[0] == QR_CAT_SYNONYM)
            return qr_sql_fail(err, 15151, "drop", c->shown, qri_z(ddl->arena, target.name));
        return qr_sql_fail(err, 3701, "drop", c->shown, qri_ddl_spell(ddl->arena, &item->name));
    }
    if (!fits(c, target.object))
        return fail_other_kind(ddl, ast->object_class, target.object, err);
    return drop_object(ddl, target.object, target.is_temp, err);
}

enum qr_status qri_ddl_drop(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt, struct qr_err *err)
{
    const struct qr_ast_drop *ast = (const struct qr_ast_drop *)stmt;
    struct qr_bind_env env = *ddl->env;
    struct qri_ddl inner = *ddl;
    inner.env = &env;
    for (size_t i = 0; i < ast->count; i++) {
        env.catalog = &(*ddl->main)->cat;
        env.temp = *ddl->temp == NULL ? NULL : &(*ddl->temp)->cat;
        QR_TRY(drop_item(&inner, ast, &ast->items[i], err));
    }
    return QR_OK;
}

/* ---- sp_rename ---- */

static enum qr_status parse_name(struct qri_ddl *ddl, struct qr_str text, struct qr_ast_name *ret,
                                 struct qr_err *err)
{
    struct qr_err ignored = {0};
    enum qr_status status = qri_name_parse(ddl->arena, text, ret, &ignored);
    return status == QR_SQL ? qr_sql_fail(err, 15253, qri_z(ddl->arena, text)) : status;
}

/* A constraint, computed column or filtered index of the table names the column in its text. */
static bool is_enforced(const struct qr_cat_object *table, struct qr_str column)
{
    for (size_t i = 0; i < table->check_count; i++)
        if (qri_text_names(table->checks[i].text, column))
            return true;
    for (size_t i = 0; i < table->column_count; i++)
        if (table->columns[i].is_computed &&
            qri_text_names(table->columns[i].computed_text, column))
            return true;
    for (size_t i = 0; i < table->index_count; i++)
        if (qri_text_names(table->indexes[i].filter_text, column))
            return true;
    for (size_t i = 0; i < table->stats_count; i++)
        if (qri_text_names(table->stats[i].filter_text, column))
            return true;
    return false;
}

/* A policy or a module that is bound to the schema names the object. */
static bool is_bound(const struct qr_catalog *cat, const struct qr_cat_object *o)
{
    for (size_t i = 0; i < cat->object_count; i++)
        if (module_holds(cat->objects[i], o, (struct qr_str){NULL, 0}))
            return true;
    return qri_policy_of(cat, o) != NULL;
}

/* The constraint that an index belongs to has its name. */
static enum qr_status rename_key(struct qri_ddl_stmt *s, const struct qr_cat_index *index)
{
    const struct qr_catalog *cat = &(*s->catalog)->cat;
    const struct qr_cat_object *key = qr_cat_by_id(cat, index->constraint_object_id);
    if (index->constraint_object_id == 0 || key == NULL)
        return QR_OK;
    if (qr_cat_find(cat, key->schema_id, index->name) != NULL)
        return qr_sql_fail(s->err, 15335, qri_z(s->arena, index->name), "OBJECT");
    struct qr_cat_object now = *key;
    now.name = index->name;
    now.modify_ticks = s->ddl->now_ticks;
    return qri_change_put_object(&s->change, &now, s->err);
}

/* What may not be renamed is not there. */
static bool may_rename(const struct qri_ddl *ddl, const struct qri_target *target)
{
    return target->object != NULL &&
           (target->is_temp || qri_may_object(ddl->ctx, target->object, QR_MAY_ALTER));
}

/* A history's columns have the names of its table's. */
static enum qr_status rename_in_history(struct qri_ddl_stmt *s, const struct qr_cat_object *table,
                                        struct qr_str part, struct qr_str new_name)
{
    const struct qr_cat_object *old = qr_cat_by_id(&(*s->catalog)->cat, table->history_id);
    if (table->history_id == 0 || old == NULL)
        return QR_OK;
    struct qr_cat_object *now = qri_copy_object(s->arena, old);
    if (now == NULL)
        return qr_fail(s->err, QR_NOMEM, "rename");
    for (size_t i = 0; i < now->column_count; i++)
        if (qr_str_ieq(now->columns[i].name, part))
            now->columns[i].name = new_name;
    return qri_put_table(s, now, old);
}

static enum qr_status rename_column(struct qri_ddl_stmt *s, struct qr_cat_object *now,
                                    const struct qr_ast_name *name, struct qr_str new_name,
                                    bool *ret_found)
{
    struct qr_str part = name->parts[name->count - 1].text;
    const struct qr_cat_column *renamed = qr_cat_column_find(now, part);
    if (now->history_of != 0)
        return qri_fail_table(s, 13759, now);
    if (renamed != NULL && (is_enforced(now, part) || qri_bound_to(s, now, renamed->name) != NULL))
        return qr_sql_fail(s->err, 15336, qri_ddl_spell(s->arena, name));
    for (size_t i = 0; i < now->column_count; i++) {
        if (qr_str_ieq(now->columns[i].name, new_name) && !qr_str_ieq(part, new_name))
            return qr_sql_fail(s->err, 15335, qri_z(s->arena, new_name), "COLUMN");
        if (qr_str_ieq(now->columns[i].name, part)) {
            now->columns[i].name = new_name;
            *ret_found = true;
        }
    }
    return *ret_found ? rename_in_history(s, now, part, new_name) : QR_OK;
}

/* Indexes and statistics of a table share names. */
static enum qr_status rename_index(struct qri_ddl_stmt *s, struct qr_cat_object *now,
                                   struct qr_str part, struct qr_str new_name, const char *kind,
                                   bool *ret_found)
{
    bool is_index = qr_str_ieqz(qr_str("INDEX"), kind), taken = false;
    struct qr_cat_index *index = NULL;
    struct qr_str *at = NULL;
    for (size_t i = 0; i < now->index_count; i++) {
        taken |= qr_str_ieq(now->indexes[i].name, new_name);
        if (is_index && qr_str_ieq(now->indexes[i].name, part)) {
            index = &now->indexes[i];
            at = &index->name;
        }
    }
    for (size_t i = 0; i < now->stats_count; i++) {
        taken |= qr_str_ieq(now->stats[i].name, new_name);
        if (!is_index && qr_str_ieq(now->stats[i].name, part))
            at = &now->stats[i].name;
    }
    *ret_found = at != NULL;
    if (at == NULL)
        return QR_OK;
    *at = new_name;
    if (index != NULL)
        QR_TRY(rename_key(s, index)); /* a key's name is first an object's */
    if (taken && !qr_str_ieq(part, new_name))
        return qr_sql_fail(s->err, 15335, qri_z(s->arena, new_name), kind);
    return QR_OK;
}

/* `kind`: COLUMN, INDEX or STATISTICS. */
static enum qr_status rename_part(struct qri_ddl *ddl, struct qr_ast_name *name,
                                  struct qr_str new_name, const char *kind, struct qr_err *err)
{
    struct qri_ddl_stmt s;
    struct qri_target target;
    struct qr_ast_name table = *name;
    table.count--;
    if (table.count == 0)
        return qr_sql_fail(err, 15248, kind);
    QR_TRY(qri_ddl_resolve(ddl, &table, &target, err));
    if (!may_rename(ddl, &target) || target.object->type != QR_CAT_TABLE)
        return qr_sql_fail(err, 15248, kind);
    QR_TRY(qri_ddl_begin(&s, ddl, target.is_temp, err));
    struct qr_cat_object *now = qri_copy_object(ddl->arena, target.object);
    if (now == NULL)
        return qr_fail(err, QR_NOMEM, "rename");
    bool found = false;
    if (qr_str_ieqz(qr_str("COLUMN"), kind))
        QR_TRY(rename_column(&s, now, name, new_name, &found));
    else
        QR_TRY(rename_index(&s, now, name->parts[name->count - 1].text, new_name, kind, &found));
    if (!found)
        return qr_sql_fail(err, 15248, kind);
    QR_TRY(qri_put_table(&s, now, target.object));
    return qri_ddl_commit(&s);
}

/* A constraint's name stands in its table as well. */
static enum qr_status rename_constraint(struct qri_ddl_stmt *s, const struct qr_cat_object *o,
                                        struct qr_str new_name)
{
    const struct qr_cat_object *old = qr_cat_by_id(&(*s->catalog)->cat, o->parent_object_id);
    struct qr_cat_object *table = old == NULL ? NULL : qri_copy_object(s->arena, old);
    if (table == NULL || o->type == QR_CAT_TRIGGER)
        return QR_OK;
    for (size_t i = 0; i < table->index_count; i++)
        if (table->indexes[i].constraint_object_id == o->object_id)
            table->indexes[i].name = new_name;
    for (size_t i = 0; i < table->fk_count; i++)
        if (table->fks[i].object_id == o->object_id)
            table->fks[i].name = new_name;
    for (size_t i = 0; i < table->check_count; i++)
        if (table->checks[i].object_id == o->object_id)
            table->checks[i].name = new_name;
    for (size_t i = 0; i < table->column_count; i++)
        if (table->columns[i].default_object_id == o->object_id)
            table->columns[i].default_name = new_name;
    return qri_change_put_object(&s->change, table, s->err);
}

/* Without a class the last part may be a column, index or statistics: there is no such object, but
 * its table is there. The class, or `class_name`. */
static struct qr_str rename_class(struct qri_ddl *ddl, const struct qr_ast_name *name,
                                  struct qr_str class_name)
{
    struct qr_err ignored = {0};
    struct qri_target target;
    struct qr_ast_name table = *name;
    struct qr_str part = name->parts[name->count - 1].text;
    if (class_name.n > 0 || --table.count == 0 ||
        (qri_ddl_resolve(ddl, name, &target, &ignored) == QR_OK && target.object != NULL) ||
        qri_ddl_resolve(ddl, &table, &target, &ignored) != QR_OK || !may_rename(ddl, &target) ||
        target.object->type != QR_CAT_TABLE)
        return class_name;
    if (qr_cat_column_find(target.object, part) != NULL)
        return qr_str("COLUMN");
    for (size_t i = 0; i < target.object->index_count; i++)
        if (qr_str_ieq(target.object->indexes[i].name, part))
            return qr_str("INDEX");
    for (size_t i = 0; i < target.object->stats_count; i++)
        if (qr_str_ieq(target.object->stats[i].name, part))
            return qr_str("STATISTICS");
    return class_name;
}

enum qr_status qri_ddl_rename(struct qri_ddl *ddl, struct qr_str name, struct qr_str new_name,
                              struct qr_str class_name, struct qr_err *err)
{
    struct qr_ast_name parsed;
    struct qri_target target;
    struct qri_ddl_stmt s;
    QR_TRY(parse_name(ddl, name, &parsed, err));
    class_name = rename_class(ddl, &parsed, class_name);
    static const char *const parts[] = {"COLUMN", "INDEX", "STATISTICS"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (qr_str_ieqz(class_name, parts[i]))
            return rename_part(ddl, &parsed, new_name, parts[i], err);
    if (qr_str_ieqz(class_name, "USERDATATYPE"))
        return qr_sql_fail(err, 40510, "sp_rename of a type");
    enum qr_status status = qri_ddl_resolve(ddl, &parsed, &target, err);
    if (status != QR_OK && (status != QR_SQL || parsed.count != 2))
        return status;
    if (status != QR_OK || !may_rename(ddl, &target)) /* of two names the first may be a table's */
        return qr_sql_fail(err, 15225, qri_z(ddl->arena, name),
                           qri_z(ddl->arena, (*ddl->main)->cat.database_name),
                           class_name.n > 0 ? qri_z(ddl->arena, class_name) : "(null)");
    if (qr_cat_find(&(*ddl->main)->cat, target.schema_id, new_name) != NULL)
        return qr_sql_fail(err, 15335, qri_z(ddl->arena, new_name), "OBJECT");
    if (!target.is_temp && is_bound(&(*ddl->main)->cat, target.object))
        return qr_sql_fail(err, 15336, qri_z(ddl->arena, name));
    QR_TRY(qri_ddl_begin(&s, ddl, target.is_temp, err));
    struct qr_cat_object now = *target.object;
    now.name = new_name;
    now.modify_ticks = ddl->now_ticks;
    QR_TRY(qri_change_put_object(&s.change, &now, err));
    QR_TRY(rename_constraint(&s, &now, new_name));
    return qri_ddl_commit(&s);
}
