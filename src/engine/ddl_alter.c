/* ddl_alter.c - ALTER TABLE; see ddl_int.h. */
#include "ddl_alter_int.h"
#include "base/sqlmsg.h"
#include "codec/collation.h"
#include "base/banned.h"

static const char *z(struct qri_alter *a, struct qr_str s)
{
    return qri_z(a->s.arena, s);
}

static bool is_stored(const struct qr_cat_column *c)
{
    return !c->is_computed || c->is_persisted;
}

static bool with_values(const struct qr_ast_table_def *def, struct qr_str column)
{
    for (size_t i = 0; i < def->column_count; i++) {
        if (!qr_str_ieq(def->columns[i].name.text, column))
            continue;
        for (size_t k = 0; k < def->columns[i].constraints.count; k++)
            if (def->columns[i].constraints.items[k].with_values)
                return true;
    }
    return false;
}

/* The definition by which the rows that are there are made anew: a new column that may be NULL gets
 * its default only WITH VALUES. NULL = no memory. */
static const struct qr_cat_object *rows_of(struct qri_alter *a)
{
    struct qr_cat_object *rows = qri_copy_object(a->s.arena, a->now);
    for (size_t i = a->old->column_count; rows != NULL && i < rows->column_count; i++)
        if (rows->columns[i].nullable && !with_values(&a->ast->def, rows->columns[i].name))
            rows->columns[i].default_text = (struct qr_str){NULL, 0};
    return rows;
}

/* Rows and indexes follow the new definition. */
static enum qr_status follow(struct qri_alter *a)
{
    qri_choose_storage(a->now);
    if (a->now->storage != a->old->storage || a->now->rowid_column != a->old->rowid_column)
        a->rebuild = true;
    if (a->rebuild) {
        const struct qr_cat_object *to = rows_of(a);
        if (to == NULL)
            return qr_fail(a->s.err, QR_NOMEM, "table definition");
        for (size_t i = 0; i < a->old->index_count; i++)
            QR_TRY(qri_sqlite_drop_index(&a->s, a->old, &a->old->indexes[i]));
        QR_TRY(qri_sqlite_rebuild(&a->s, a->old, to));
    }
    return QR_OK;
}

enum qr_status qri_alter_finish(struct qri_alter *a)
{
    QR_TRY(follow(a));
    return qri_put_table(&a->s, a->now, a->old);
}

/* ---- ADD ---- */

/* A nullable column without WITH VALUES is NULL in the rows that are there; everything else that is
 * stored must be written into them. */
static enum qr_status add_stored_column(struct qri_alter *a, const struct qr_cat_column *c)
{
    bool fill = !c->nullable || c->is_computed || c->is_identity ||
                c->type.id == QR_TYPE_ROWVERSION ||
                (c->default_text.n > 0 && with_values(&a->ast->def, c->name));
    if (!c->nullable && !c->is_computed && c->default_text.n == 0 && !c->is_identity &&
        c->type.id != QR_TYPE_ROWVERSION && !qri_table_is_empty(&a->s, a->old))
        return qr_sql_fail(a->s.err, 4901, z(a, c->name), z(a, a->now->name));
    a->rebuild |= fill;
    return QR_OK;
}

/* Columns that only need to exist: NULL everywhere. Done by hand so that no row is touched. */
static enum qr_status add_null_columns(struct qri_alter *a)
{
    struct qr_cat_object one = *a->now;
    for (size_t i = a->old->column_count; i < a->now->column_count; i++) {
        const struct qr_cat_column *c = &a->now->columns[i];
        if (!is_stored(c))
            continue;
        one.columns = &a->now->columns[i];
        one.column_count = 1;
        QR_TRY(qri_sqlite_add_column(&a->s, &one));
    }
    return QR_OK;
}

static enum qr_status check_new_constraints(struct qri_alter *a)
{
    bool check = a->ast->with_check != QR_NO;
    for (size_t i = a->old->check_count; i < a->now->check_count; i++) {
        a->now->checks[i].is_not_trusted = !check;
        if (check)
            QR_TRY(qri_validate_check(&a->s, a->now, &a->now->checks[i]));
    }
    for (size_t i = a->old->fk_count; i < a->now->fk_count; i++) {
        a->now->fks[i].is_not_trusted = !check;
        if (check)
            QR_TRY(qri_validate_fk(&a->s, a->now, &a->now->fks[i]));
    }
    return QR_OK;
}

static bool had_index(const struct qr_cat_object *old, uint32_t index_id)
{
    for (size_t i = 0; i < old->index_count; i++)
        if (old->indexes[i].index_id == index_id)
            return true;
    return false;
}

static enum qr_status alter_add(struct qri_alter *a)
{
    struct qri_build b;
    qri_build_init(&b, &a->s, a->now);
    QR_TRY(qri_build_def(&b, &a->ast->def));
    for (size_t i = a->old->column_count; i < a->now->column_count; i++)
        if (is_stored(&a->now->columns[i]))
            QR_TRY(add_stored_column(a, &a->now->columns[i]));
    for (size_t i = 0; i < a->old->column_count; i++) /* an index has made it persisted */
        a->rebuild |= is_stored(&a->now->columns[i]) != is_stored(&a->old->columns[i]);
    qri_choose_storage(a->now);
    a->rebuild |= a->now->storage != a->old->storage;
    if (!a->rebuild) {
        QR_TRY(add_null_columns(a));
        for (size_t i = 0; i < a->now->index_count; i++)
            if (!had_index(a->old, a->now->indexes[i].index_id))
                QR_TRY(qri_sqlite_create_index(&a->s, a->now, &a->now->indexes[i]));
    }
    QR_TRY(qri_alter_finish(a));
    if (a->old->period_start == 0 && a->now->period_start != 0)
        QR_TRY(qri_check_open_rows(&a->s, a->now));
    return check_new_constraints(a);
}

/* ---- DROP ---- */

static enum qr_status drop_default(struct qri_alter *a, struct qr_str name, bool *ret_found)
{
    for (size_t i = 0; i < a->now->column_count; i++) {
        struct qr_cat_column *c = &a->now->columns[i];
        if (c->default_object_id == 0 || !qr_str_ieq(c->default_name, name))
            continue;
        c->default_object_id = 0;
        c->default_text = c->default_name = (struct qr_str){NULL, 0};
        *ret_found = true;
    }
    return QR_OK;
}

static enum qr_status drop_key(struct qri_alter *a, struct qr_str name, bool *ret_found)
{
    for (size_t i = 0; i < a->now->index_count; i++) {
        const struct qr_cat_index *x = &a->now->indexes[i];
        if (x->constraint_object_id == 0 || !qr_str_ieq(x->name, name))
            continue;
        for (size_t k = 0; k < a->old->referenced_by_count; k++)
            if (a->old->referenced_by[k]->referenced_index_id == x->index_id)
                return qr_sql_fail(a->s.err, 3725, z(a, name),
                                   z(a, qr_cat_by_id(&(*a->s.catalog)->cat,
                                                     a->old->referenced_by[k]->parent_object_id)
                                            ->name),
                                   z(a, a->old->referenced_by[k]->name));
        QR_TRY(qri_sqlite_drop_index(&a->s, a->old, x));
        memmove(&a->now->indexes[i], &a->now->indexes[i + 1],
                (a->now->index_count - i - 1) * sizeof *a->now->indexes);
        a->now->index_count--;
        *ret_found = true;
        return QR_OK;
    }
    return QR_OK;
}

static void drop_check_or_fk(struct qri_alter *a, struct qr_str name, bool *ret_found)
{
    for (size_t i = 0; i < a->now->check_count; i++)
        if (qr_str_ieq(a->now->checks[i].name, name)) {
            memmove(&a->now->checks[i], &a->now->checks[i + 1],
                    (a->now->check_count - i - 1) * sizeof *a->now->checks);
            a->now->check_count--;
            *ret_found = true;
            return;
        }
    for (size_t i = 0; i < a->now->fk_count; i++)
        if (qr_str_ieq(a->now->fks[i].name, name)) {
            memmove(&a->now->fks[i], &a->now->fks[i + 1],
                    (a->now->fk_count - i - 1) * sizeof *a->now->fks);
            a->now->fk_count--;
            *ret_found = true;
            return;
        }
}

bool qri_index_uses(const struct qr_cat_index *index, const struct qr_cat_column *c)
{
    for (size_t i = 0; i < index->column_count; i++)
        if (index->columns[i].column_id == c->column_id)
            return true;
    return qri_text_names(index->filter_text, c->name);
}

/* 5074 names the first thing that stands on the column; NULL = nothing does. */
static const char *column_user(struct qri_alter *a, const struct qr_cat_column *c,
                               const char **ret_kind)
{
    const struct qr_cat_object *t = a->now;
    for (size_t i = 0; i < t->index_count; i++)
        if (qri_index_uses(&t->indexes[i], c)) {
            *ret_kind = t->indexes[i].constraint_object_id != 0 ? "object" : "index";
            return z(a, t->indexes[i].name);
        }
    for (size_t i = 0; i < t->stats_count; i++)
        if (qri_statistics_use(&t->stats[i], c)) {
            *ret_kind = "statistics";
            return z(a, t->stats[i].name);
        }
    for (size_t i = 0; i < t->fk_count; i++)
        for (size_t k = 0; k < t->fks[i].column_count; k++)
            if (t->fks[i].parent_columns[k] == c->column_id) {
                *ret_kind = "object";
                return z(a, t->fks[i].name);
            }
    *ret_kind = "object";
    if (c->default_object_id != 0)
        return z(a, c->default_name);
    for (size_t i = 0; i < t->check_count; i++)
        if (qri_text_names(t->checks[i].text, c->name))
            return z(a, t->checks[i].name);
    for (size_t i = 0; i < t->column_count; i++)
        if (t->columns[i].is_computed && qri_text_names(t->columns[i].computed_text, c->name)) {
            *ret_kind = "column";
            return z(a, t->columns[i].name);
        }
    const struct qr_cat_object *module = qri_bound_to(&a->s, a->old, c->name);
    return module == NULL ? NULL : z(a, module->name);
}

static enum qr_status drop_column(struct qri_alter *a, const struct qr_ast_table_drop *d)
{
    const struct qr_cat_column *c = qr_cat_column_find(a->now, d->name.text);
    if (c == NULL)
        return d->if_exists ? QR_OK
                            : qr_sql_fail(a->s.err, 4924, "ALTER TABLE DROP COLUMN",
                                          z(a, d->name.text), z(a, a->now->name));
    const char *kind = NULL;
    const char *user = column_user(a, c, &kind);
    if (user != NULL) {
        struct qr_err note = {0};
        (void)qr_sql_fail(&note, 5074, kind, user, "column", z(a, c->name));
        QR_TRY(a->s.ddl->inform(a->s.ddl->ctx, &note));
        return qr_sql_fail(a->s.err, 4922, "ALTER TABLE DROP COLUMN", z(a, c->name));
    }
    if (a->now->column_count == 1)
        return qr_sql_fail(a->s.err, 4923, z(a, c->name), z(a, a->now->name));
    if (is_stored(c))
        QR_TRY(qri_ddl_sql(&a->s, "ALTER TABLE %st%u DROP COLUMN c%u",
                           a->s.is_temp ? "temp." : "main.", a->now->object_id, c->column_id));
    if (!a->s.is_temp)
        QR_TRY(qri_drop_rights(&a->s, QR_ON_OBJECT, a->now->object_id, c->column_id));
    size_t i = (size_t)(c - a->now->columns);
    memmove(&a->now->columns[i], &a->now->columns[i + 1],
            (a->now->column_count - i - 1) * sizeof *a->now->columns);
    a->now->column_count--;
    return QR_OK;
}

static enum qr_status alter_drop(struct qri_alter *a)
{
    for (size_t i = 0; i < a->ast->drop_count; i++) {
        const struct qr_ast_table_drop *d = &a->ast->drops[i];
        if (d->index)
            return qr_sql_fail(a->s.err, 40510, "DROP INDEX");
        if (d->period) {
            QR_TRY(qri_drop_period(&a->s, a->now));
            continue;
        }
        if (d->column) {
            QR_TRY(drop_column(a, d));
            continue;
        }
        bool found = false;
        QR_TRY(drop_default(a, d->name.text, &found));
        if (!found)
            QR_TRY(drop_key(a, d->name.text, &found));
        if (!found)
            drop_check_or_fk(a, d->name.text, &found);
        if (!found && !d->if_exists)
            return qr_sql_fail(a->s.err, 3728, z(a, d->name.text));
    }
    return qri_alter_finish(a);
}

/* ---- CHECK and NOCHECK CONSTRAINT ---- */

static bool is_named(const struct qr_ast_alter_table *ast, struct qr_str name)
{
    if (ast->all)
        return true;
    for (size_t i = 0; i < ast->names.count; i++)
        if (qr_str_ieq(ast->names.items[i].text, name))
            return true;
    return false;
}

static enum qr_status switch_constraints(struct qri_alter *a)
{
    bool enable = a->ast->action == QR_ALTER_CHECK;
    bool validate = enable && a->ast->with_check == QR_YES;
    size_t found = 0;
    for (size_t i = 0; i < a->now->check_count; i++) {
        struct qr_cat_check *c = &a->now->checks[i];
        if (!is_named(a->ast, c->name))
            continue;
        found++;
        if (validate)
            QR_TRY(qri_validate_check(&a->s, a->now, c));
        c->is_disabled = !enable;
        c->is_not_trusted = validate ? false : (c->is_not_trusted || !enable);
    }
    for (size_t i = 0; i < a->now->fk_count; i++) {
        struct qr_cat_fk *fk = &a->now->fks[i];
        if (!is_named(a->ast, fk->name))
            continue;
        found++;
        if (validate)
            QR_TRY(qri_validate_fk(&a->s, a->now, fk));
        fk->is_disabled = !enable;
        fk->is_not_trusted = validate ? false : (fk->is_not_trusted || !enable);
    }
    if (!a->ast->all && found < a->ast->names.count)
        return qr_sql_fail(a->s.err, 4917, z(a, a->ast->names.items[0].text));
    return qri_alter_finish(a);
}

static enum qr_status switch_triggers(struct qri_alter *a)
{
    bool enable = a->ast->action == QR_ALTER_ENABLE_TRIGGER;
    for (size_t i = 0; i < a->old->trigger_count; i++) {
        if (!is_named(a->ast, a->old->triggers[i]->name))
            continue;
        struct qr_cat_object trigger = *a->old->triggers[i];
        trigger.is_disabled = !enable;
        QR_TRY(qri_change_put_object(&a->s.change, &trigger, a->s.err));
    }
    return qri_alter_finish(a);
}

static enum qr_status alter_set(struct qri_alter *a)
{
    for (size_t i = 0; i < a->ast->options.count; i++) {
        const struct qr_ast_option *o = &a->ast->options.items[i];
        if (qr_str_ieqz(o->name, "SYSTEM_VERSIONING")) {
            QR_TRY(qr_str_ieqz(o->word, "OFF") ? qri_versioning_off(&a->s, a->now)
                                               : qri_versioning_on(&a->s, a->now, o));
            QR_TRY(qri_put_table(&a->s, a->now, a->old));
        } else if (!qr_str_ieqz(o->name, "LOCK_ESCALATION")) {
            return qr_sql_fail(a->s.err, 40510, z(a, o->name));
        }
    }
    return QR_OK;
}

/* ---- what a history follows ---- */

/* New columns have in old versions what they have got in the rows. */
static enum qr_status add_to_history(struct qri_alter *a, const struct qr_cat_object *table,
                                     size_t first)
{
    size_t count = a->old->column_count;
    uint32_t id = 0;
    for (size_t i = 0; i < count; i++)
        id = a->old->columns[i].column_id > id ? a->old->columns[i].column_id : id;
    a->now->columns =
        qr_arena_array(a->s.arena, count + table->column_count, sizeof *a->now->columns);
    if (a->now->columns == NULL)
        return qr_fail(a->s.err, QR_NOMEM, "table definition");
    memcpy(a->now->columns, a->old->columns, count * sizeof *a->now->columns);
    for (size_t i = first; i < table->column_count; i++) {
        struct qr_cat_column *c = &a->now->columns[a->now->column_count++];
        *c = qri_history_column(&table->columns[i]);
        c->column_id = ++id;
        c->default_text = table->columns[i].default_text;
        QR_TRY(add_stored_column(a, c));
    }
    if (!a->rebuild)
        QR_TRY(add_null_columns(a));
    QR_TRY(follow(a));
    for (size_t i = count; i < a->now->column_count; i++)
        a->now->columns[i].default_text = (struct qr_str){NULL, 0};
    return qri_put_table(&a->s, a->now, a->old);
}

static enum qr_status drop_from_history(struct qri_alter *a)
{
    for (size_t i = 0; i < a->ast->drop_count; i++)
        if (a->ast->drops[i].column)
            QR_TRY(drop_column(a, &a->ast->drops[i]));
    return qri_alter_finish(a);
}

/* The columns of a history are those of its table. */
/* Who is not to see a column's values is not to see earlier ones. */
static enum qr_status mask_history(struct qri_alter *a, const struct qr_cat_object *table)
{
    bool differs = false;
    for (size_t i = 0; i < table->column_count; i++) {
        differs |= !qr_str_eq(a->now->columns[i].mask, table->columns[i].mask);
        a->now->columns[i].mask = table->columns[i].mask;
    }
    return differs ? qri_alter_finish(a) : QR_OK;
}

static enum qr_status change_history(struct qri_alter *a)
{
    const struct qr_cat_object *table = a->now;
    size_t first = a->old->column_count;
    if (a->old->history_id == 0 || (a->ast->action == QR_ALTER_SET))
        return QR_OK;
    a->old = qr_cat_by_id(&(*a->s.catalog)->cat, table->history_id);
    if (a->old == NULL)
        return qr_fail(a->s.err, QR_CORRUPT, "history of table %u", (unsigned)table->object_id);
    a->now = qri_copy_object(a->s.arena, a->old);
    if (a->now == NULL)
        return qr_fail(a->s.err, QR_NOMEM, "table definition");
    a->rebuild = false;
    switch ((int)a->ast->action) {
    case QR_ALTER_ADD:
        return table->column_count > first ? add_to_history(a, table, first) : QR_OK;
    case QR_ALTER_COLUMN:
        return a->ast->column_change.n > 0 ? mask_history(a, table) : qri_alter_column(a);
    case QR_ALTER_DROP:
        return drop_from_history(a);
    default:
        return QR_OK;
    }
}

static enum qr_status run_action(struct qri_alter *a)
{
    switch (a->ast->action) {
    case QR_ALTER_ADD:
        return alter_add(a);
    case QR_ALTER_COLUMN:
        return qri_alter_column(a);
    case QR_ALTER_DROP:
        return alter_drop(a);
    case QR_ALTER_CHECK:
    case QR_ALTER_NOCHECK:
        return switch_constraints(a);
    case QR_ALTER_ENABLE_TRIGGER:
    case QR_ALTER_DISABLE_TRIGGER:
        return switch_triggers(a);
    case QR_ALTER_REBUILD: /* pages are always in order here */
        return QR_OK;
    case QR_ALTER_SET:
        return alter_set(a);
    case QR_ALTER_SWITCH:
        return qr_sql_fail(a->s.err, 40510, "ALTER TABLE SWITCH");
    case QR_ALTER_CHANGE_TRACKING:
        return qr_sql_fail(a->s.err, 40510, "CHANGE_TRACKING");
    case QR_ALTER_OTHER:
        break;
    }
    return qr_sql_fail(a->s.err, 40510, z(a, a->ast->what));
}

enum qr_status qri_ddl_alter_table(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                                   struct qr_err *err)
{
    struct qri_alter a = {.ast = (const struct qr_ast_alter_table *)stmt};
    struct qri_target target;
    QR_TRY(qri_ddl_resolve(ddl, &a.ast->name, &target, err));
    if (target.object == NULL)
        return qr_sql_fail(err, 4902, qri_ddl_spell(ddl->arena, &a.ast->name));
    if (target.object->type != QR_CAT_TABLE)
        return qr_sql_fail(err, 4909, qri_z(ddl->arena, target.name));
    QR_TRY(qri_ddl_begin(&a.s, ddl, target.is_temp, err));
    a.old = target.object;
    a.now = qri_copy_object(ddl->arena, target.object);
    if (a.now == NULL)
        return qr_fail(err, QR_NOMEM, "table definition");
    QR_TRY(qri_refuse_alter(&a.s, a.ast, a.old));
    QR_TRY(run_action(&a));
    QR_TRY(change_history(&a));
    return qri_ddl_commit(&a.s);
}
