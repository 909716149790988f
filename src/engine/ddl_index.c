/* ddl_index.c - CREATE, ALTER, DROP INDEX; see ddl_int.h. */
#include "ddl_int.h"
#include "base/sqlmsg.h"
#include "base/banned.h"

/* The base table an index statement names; 1088 / 208-class errors. */
static enum qr_status table_of(struct qri_ddl *ddl, const struct qr_ast_name *name,
                               struct qri_target *ret, struct qr_err *err)
{
    QR_TRY(qri_ddl_resolve(ddl, name, ret, err));
    if (ret->object == NULL ||
        (ret->object->type != QR_CAT_TABLE && ret->object->type != QR_CAT_VIEW))
        return qr_sql_fail(err, 1088, qri_ddl_spell(ddl->arena, name));
    if (ret->object->type == QR_CAT_VIEW)
        return qr_sql_fail(err, 40510, "indexed views");
    return QR_OK;
}

static enum qr_status replace_rows(struct qri_ddl_stmt *s, const struct qr_cat_object *old,
                                   const struct qr_cat_object *now)
{
    for (size_t i = 0; i < old->index_count; i++)
        QR_TRY(qri_sqlite_drop_index(s, old, &old->indexes[i]));
    return qri_sqlite_rebuild(s, old, now);
}

static bool stored_differs(const struct qr_cat_object *old, const struct qr_cat_object *now)
{
    if (old->storage != now->storage || old->rowid_column != now->rowid_column)
        return true;
    for (size_t i = 0; i < old->column_count; i++)
        if (old->columns[i].is_persisted != now->columns[i].is_persisted)
            return true;
    return false;
}

static bool drop_existing(const struct qr_ast_index_def *def)
{
    for (size_t i = 0; i < def->options.count; i++)
        if (qr_str_ieqz(def->options.items[i].name, "DROP_EXISTING"))
            return qr_str_ieqz(def->options.items[i].word, "ON");
    return false;
}

static size_t index_at(const struct qr_cat_object *t, struct qr_str name)
{
    for (size_t i = 0; i < t->index_count; i++)
        if (qr_str_ieq(t->indexes[i].name, name))
            return i;
    return SIZE_MAX;
}

static void remove_index(struct qr_cat_object *t, size_t at)
{
    memmove(&t->indexes[at], &t->indexes[at + 1], (t->index_count - at - 1) * sizeof *t->indexes);
    t->index_count--;
}

enum qr_status qri_ddl_create_index(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                                    struct qr_err *err)
{
    const struct qr_ast_create_index *ast = (const struct qr_ast_create_index *)stmt;
    struct qri_target target;
    struct qri_ddl_stmt s;
    QR_TRY(table_of(ddl, &ast->table, &target, err));
    QR_TRY(qri_ddl_begin(&s, ddl, target.is_temp, err));
    const struct qr_cat_object *old = target.object;
    struct qr_cat_object *now = qri_copy_object(ddl->arena, old);
    if (now == NULL)
        return qr_fail(err, QR_NOMEM, "index definition");
    if (drop_existing(&ast->def)) {
        size_t at = index_at(now, ast->def.name.text);
        if (at == SIZE_MAX)
            return qr_sql_fail(err, 7999, qri_z(ddl->arena, ast->def.name.text));
        if (now->indexes[at].constraint_object_id != 0)
            return qr_sql_fail(err, 1907, qri_z(ddl->arena, ast->def.name.text));
        QR_TRY(qri_sqlite_drop_index(&s, old, &old->indexes[at]));
        remove_index(now, at);
    }
    if (old->history_of != 0 && ast->def.unique)
        return qri_fail_table(&s, 13741, old);
    struct qri_build b;
    qri_build_init(&b, &s, now);
    QR_TRY(qri_build_index(&b, &ast->def));
    QR_TRY(qri_build_done(&b));
    if (stored_differs(old, now)) {
        QR_TRY(replace_rows(&s, old, now));
    } else {
        size_t at = index_at(now, ast->def.name.text);
        QR_TRY(qri_sqlite_create_index(&s, now, &now->indexes[at]));
    }
    QR_TRY(qri_put_table(&s, now, old));
    return qri_ddl_commit(&s);
}

enum qr_status qri_ddl_alter_index(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                                   struct qr_err *err)
{
    const struct qr_ast_alter_index *ast = (const struct qr_ast_alter_index *)stmt;
    struct qri_target target;
    struct qri_ddl_stmt s;
    QR_TRY(table_of(ddl, &ast->table, &target, err));
    QR_TRY(qri_ddl_begin(&s, ddl, target.is_temp, err));
    struct qr_cat_object *now = qri_copy_object(ddl->arena, target.object);
    if (now == NULL)
        return qr_fail(err, QR_NOMEM, "index definition");
    bool all = ast->name.text.n == 0, found = all;
    for (size_t i = 0; i < now->index_count; i++) {
        struct qr_cat_index *x = &now->indexes[i];
        if (!all && !qr_str_ieq(x->name, ast->name.text))
            continue;
        found = true;
        if (qr_str_ieqz(ast->action, "DISABLE")) {
            if (x->is_clustered)
                return qr_sql_fail(err, 40510, "ALTER INDEX DISABLE of a clustered index");
            QR_TRY(qri_sqlite_drop_index(&s, now, x));
            x->is_disabled = true;
        } else if (qr_str_ieqz(ast->action, "REBUILD") && x->is_disabled) {
            x->is_disabled = false;
            QR_TRY(qri_sqlite_create_index(&s, now, x));
        } else if (qr_str_ieqz(ast->action, "SET")) {
            for (size_t k = 0; k < ast->options.count; k++)
                if (qr_str_ieqz(ast->options.items[k].name, "IGNORE_DUP_KEY"))
                    x->ignore_dup_key = qr_str_ieqz(ast->options.items[k].word, "ON");
        }
    }
    if (!found)
        return qr_sql_fail(err, 2727, qri_z(ddl->arena, ast->name.text));
    QR_TRY(qri_put_table(&s, now, target.object));
    return qri_ddl_commit(&s);
}

enum qr_status qri_ddl_drop_index(struct qri_ddl *ddl, const struct qr_ast_drop_item *item,
                                  bool if_exists, struct qr_err *err)
{
    struct qri_target target;
    struct qri_ddl_stmt s;
    struct qr_str name = item->name.parts[item->name.count - 1].text;
    QR_TRY(qri_ddl_resolve(ddl, &item->on, &target, err));
    size_t at = target.object == NULL ? SIZE_MAX : index_at(target.object, name);
    if (at == SIZE_MAX) {
        const char *full = qr_arena_printf(
            ddl->arena, "%s.%s", qri_ddl_spell(ddl->arena, &item->on), qri_z(ddl->arena, name));
        return if_exists ? QR_OK
                         : qr_sql_fail(err, 3701, "drop", "index", full == NULL ? "" : full);
    }
    const struct qr_cat_object *old = target.object;
    if (old->indexes[at].constraint_object_id != 0) {
        const char *full = qr_arena_printf(ddl->arena, "%s.%s", qri_z(ddl->arena, old->name),
                                           qri_z(ddl->arena, name));
        return qr_sql_fail(err, 3723, full == NULL ? "" : full,
                           old->indexes[at].is_primary_key ? "PRIMARY KEY" : "UNIQUE KEY");
    }
    for (size_t k = 0; k < old->referenced_by_count; k++)
        if (old->referenced_by[k]->referenced_index_id == old->indexes[at].index_id)
            return qr_sql_fail(err, 3723, qri_z(ddl->arena, name), "FOREIGN KEY");
    QR_TRY(qri_ddl_begin(&s, ddl, target.is_temp, err));
    QR_TRY(qri_refuse_drop_index(&s, old, &old->indexes[at]));
    struct qr_cat_object *now = qri_copy_object(ddl->arena, old);
    if (now == NULL)
        return qr_fail(err, QR_NOMEM, "index definition");
    QR_TRY(qri_sqlite_drop_index(&s, old, &old->indexes[at]));
    remove_index(now, at);
    qri_choose_storage(now);
    if (stored_differs(old, now))
        QR_TRY(replace_rows(&s, old, now));
    QR_TRY(qri_put_table(&s, now, old));
    return qri_ddl_commit(&s);
}
