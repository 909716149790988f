/* ddl_table.c - columns and tables from their written definition; see ddl_int.h. */
#include "ddl_int.h"
#include "mask.h"
#include <stdlib.h>
#include "base/sqlmsg.h"
#include "codec/collation.h"
#include "base/banned.h"

void qri_build_init(struct qri_build *b, struct qri_ddl_stmt *s, struct qr_cat_object *table)
{
    *b = (struct qri_build){.s = s,
                            .arena = s->arena,
                            .env = s->ddl->env,
                            .table = table,
                            .err = s->err,
                            .first_column = table->column_count,
                            .column_capacity = table->column_count,
                            .index_capacity = table->index_count,
                            .fk_capacity = table->fk_count,
                            .check_capacity = table->check_count};
    b->said_null = qr_arena_array(s->arena, QR_CAT_COLUMNS_MAX + 2, sizeof(bool));
}

uint32_t qri_build_id(struct qri_build *b)
{
    return b->s != NULL ? qri_new_object_id(b->s) : ++b->next_id;
}

struct qr_cat_column *qri_build_find(const struct qri_build *b, struct qr_str name)
{
    for (size_t i = 0; i < b->table->column_count; i++)
        if (qr_str_ieq(b->table->columns[i].name, name))
            return &b->table->columns[i];
    return NULL;
}

/* IDENTITY's seed and increment: whole constants, maybe signed. */
static enum qr_status constant_int(struct qri_build *b, const struct qr_ast_expr *expr,
                                   int64_t otherwise, int64_t *ret)
{
    *ret = otherwise;
    if (expr == NULL)
        return QR_OK;
    const struct qr_expr *bound = NULL;
    struct qr_plan *plan = NULL;
    struct qr_type want = qr_type_of(QR_TYPE_BIGINT);
    QR_TRY(qr_tsql_bind_scalar(b->arena, b->env, expr, &want, &bound, &plan, NULL, b->err));
    struct qr_eval_settings settings;
    qr_eval_settings_init(&settings);
    struct qr_eval eval = {.arena = b->arena, .settings = &settings};
    struct qr_value v = qr_value_null();
    if (bound != NULL && !bound->has_var)
        QR_TRY(qr_expr_eval(bound, &eval, &v, b->err));
    if (v.cell != QR_CELL_INT)
        return qr_sql_fail(b->err, 102, "identity");
    *ret = v.i;
    return QR_OK;
}

static enum qr_status set_identity(struct qri_build *b, const struct qr_ast_column_def *def,
                                   struct qr_cat_column *c)
{
    bool whole =
        (c->type.id >= QR_TYPE_TINYINT && c->type.id <= QR_TYPE_BIGINT) ||
        ((c->type.id == QR_TYPE_DECIMAL || c->type.id == QR_TYPE_NUMERIC) && c->type.scale == 0);
    if (!whole)
        return qr_sql_fail(b->err, 2749, qri_z(b->arena, c->name));
    if (def->nullable == QR_YES)
        return qr_sql_fail(b->err, 8147, qri_z(b->arena, c->name), qri_z(b->arena, b->table->name));
    for (size_t i = 0; i < b->table->column_count; i++)
        if (b->table->columns[i].is_identity)
            return qr_sql_fail(b->err, 2744, qri_z(b->arena, b->table->name));
    QR_TRY(constant_int(b, def->seed, 1, &c->identity_seed));
    QR_TRY(constant_int(b, def->increment, 1, &c->identity_increment));
    if (c->identity_increment == 0)
        return qr_sql_fail(b->err, 2753, qri_z(b->arena, c->name));
    c->is_identity = true;
    c->identity_not_for_replication = def->not_for_replication;
    c->nullable = false;
    return QR_OK;
}

static enum qr_status set_type(struct qri_build *b, const struct qr_ast_column_def *def,
                               struct qr_cat_column *c)
{
    bool type_nullable = true;
    if (def->type.name.count == 0) { /* a column named timestamp needs no type */
        if (!qr_str_ieqz(def->name.text, "timestamp"))
            return qr_sql_fail(b->err, 173, qri_z(b->arena, def->name.text));
        c->type = qr_type_of(QR_TYPE_ROWVERSION);
    } else {
        QR_TRY(qr_tsql_resolve_type(b->env, &def->type, &c->type, &c->user_type_id, &type_nullable,
                                    b->err));
    }
    if (c->type.id == QR_TYPE_TABLE || c->type.id == QR_TYPE_CURSOR)
        return qr_sql_fail(b->err, 2715, (int)c->column_id, "table");
    if (def->collation.text.n > 0) {
        const struct qr_collation *collation = qr_collation_find(def->collation.text);
        if (collation == NULL)
            return qr_sql_fail(b->err, 448, qri_z(b->arena, def->collation.text));
        if (!qr_type_is_string(&c->type))
            return qr_sql_fail(b->err, 452);
        c->type.collation = collation->id;
    } else if (qr_type_is_string(&c->type) && b->env->catalog != NULL) {
        c->type.collation = b->env->catalog->collation_id;
    }
    /* An alias type says itself what it is; a shape (no statement) is nullable by default. */
    bool by_session = b->s != NULL && c->user_type_id == 0 && b->env->options.columns_not_null;
    c->nullable =
        def->nullable == QR_UNSAID ? type_nullable && !by_session : def->nullable == QR_YES;
    if (c->type.id == QR_TYPE_ROWVERSION && def->nullable == QR_UNSAID)
        c->nullable = false;
    return QR_OK;
}

static enum qr_status refuse_exotic(struct qri_build *b, const struct qr_ast_column_def *def)
{
    if (def->filestream)
        return qr_sql_fail(b->err, 40510, "FILESTREAM");
    if (def->column_set)
        return qr_sql_fail(b->err, 40510, "COLUMN_SET");
    if (def->encrypted)
        return qr_sql_fail(b->err, 40510, "ENCRYPTED WITH");
    if (def->generated.n > 0 && !qr_str_ieqz(def->generated, "ROW START") &&
        !qr_str_ieqz(def->generated, "ROW END"))
        return qr_sql_fail(b->err, 40510, "GENERATED ALWAYS AS other than ROW START and ROW END");
    if (def->hidden && def->generated.n == 0)
        return qr_sql_fail(b->err, 13735, qri_z(b->arena, def->name.text),
                           qri_z(b->arena, b->table->name));
    return QR_OK;
}

/* GENERATED ALWAYS AS ROW START or END: not NULL, unless that is said, which is an error later. */
static enum qr_status set_generated(struct qri_build *b, const struct qr_ast_column_def *def,
                                    struct qr_cat_column *c)
{
    if (def->generated.n == 0)
        return QR_OK;
    bool is_start = qr_str_ieqz(def->generated, "ROW START");
    uint32_t *column_id = is_start ? &b->row_start : &b->row_end;
    if (*column_id != 0)
        return qr_sql_fail(b->err, is_start ? 13502 : 13503);
    *column_id = c->column_id;
    c->nullable = def->nullable == QR_YES;
    return QR_OK;
}

enum qr_status qri_column_mask(struct qr_arena *arena, const struct qr_ast_column_def *def,
                               struct qr_cat_column *c, struct qr_err *err)
{
    struct qr_str text = ((const struct qr_ast_literal *)def->mask)->text;
    struct qri_mask mask;
    QR_TRY(qri_mask_parse(arena, text, &c->type, qri_z(arena, c->name), &mask, err));
    return qri_mask_print(arena, &mask, &c->mask, err);
}

/* Of a table type, or a table variable, there is nobody to ask for UNMASK on. */
static enum qr_status set_mask(struct qri_build *b, const struct qr_ast_column_def *def,
                               struct qr_cat_column *c)
{
    if (b->s == NULL)
        return qr_sql_fail(b->err, 40510, "MASKED in a table type or variable");
    return qri_column_mask(b->arena, def, c, b->err);
}

enum qr_status qri_build_column(struct qri_build *b, const struct qr_ast_column_def *def)
{
    struct qr_cat_object *t = b->table;
    if (qri_build_find(b, def->name.text) != NULL)
        return qr_sql_fail(b->err, 2705, qri_z(b->arena, def->name.text), qri_z(b->arena, t->name));
    if (t->column_count >= QR_CAT_COLUMNS_MAX)
        return qr_sql_fail(b->err, 1702, qri_z(b->arena, t->name), (int)QR_CAT_COLUMNS_MAX);
    QR_TRY(refuse_exotic(b, def));
    uint32_t id = 1;
    for (size_t i = 0; i < t->column_count; i++)
        if (t->columns[i].column_id >= id)
            id = t->columns[i].column_id + 1;
    void *moved = qr_arena_grow(b->arena, t->columns, t->column_count, &b->column_capacity,
                                t->column_count + 1, sizeof *t->columns);
    if (moved == NULL)
        return qr_fail(b->err, QR_NOMEM, "table definition");
    t->columns = moved;
    struct qr_cat_column c = {.column_id = id, .name = def->name.text, .nullable = true};
    if (def->computed != NULL) {
        c.is_computed = true;
        c.is_persisted = def->persisted;
        c.computed_text =
            qri_normal_text(b->arena, def->computed_text, b->env->options.quoted_identifier);
        c.nullable = def->nullable != QR_NO;
        c.type = qr_type_of(QR_TYPE_INT); /* until qri_build_computed */
    } else {
        QR_TRY(set_type(b, def, &c));
        if (def->identity)
            QR_TRY(set_identity(b, def, &c));
        QR_TRY(set_generated(b, def, &c));
        c.is_rowguidcol = def->rowguidcol;
        c.is_sparse = def->sparse;
        c.is_hidden = def->hidden;
        if (def->mask != NULL)
            QR_TRY(set_mask(b, def, &c));
    }
    if (c.type.id == QR_TYPE_ROWVERSION && t->rowversion_column != 0)
        return qr_sql_fail(b->err, 2738, qri_z(b->arena, t->name), qri_z(b->arena, c.name));
    if (c.type.id == QR_TYPE_ROWVERSION)
        t->rowversion_column = id;
    if (id <= QR_CAT_COLUMNS_MAX + 1)
        b->said_null[id] = def->nullable == QR_YES;
    t->columns[t->column_count++] = c;
    return QR_OK;
}

enum qr_status qri_build_computed(struct qri_build *b, size_t first)
{
    for (size_t i = first; i < b->table->column_count; i++) {
        struct qr_cat_column *c = &b->table->columns[i];
        if (!c->is_computed)
            continue;
        const struct qr_expr *expr = NULL;
        QR_TRY(qr_tsql_bind_row_expr(b->arena, b->env, b->table, c->computed_text, false, NULL,
                                     &expr, b->err));
        c->type = expr->type;
        if (c->type.id == QR_TYPE_NULL)
            c->type = qr_type_of(QR_TYPE_INT);
        if (c->is_persisted && expr->volatility != QR_DETERMINISTIC)
            return qr_sql_fail(b->err, 4936, qri_z(b->arena, c->name),
                               qri_z(b->arena, b->table->name));
        if (c->nullable)
            c->nullable = expr->nullable;
    }
    return QR_OK;
}

static size_t clustered_among(const struct qr_ast_constraints *list)
{
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++)
        count += list->items[i].clustered == QR_YES;
    return count;
}

/* A PRIMARY KEY that does not say is clustered only where nothing else says that it is. */
static enum qr_status find_clustered(struct qri_build *b, const struct qr_ast_table_def *def)
{
    size_t constraints = clustered_among(&def->constraints), indexes = 0;
    for (size_t i = 0; i < def->column_count; i++) {
        constraints += clustered_among(&def->columns[i].constraints);
        indexes += def->columns[i].index != NULL && def->columns[i].index->clustered == QR_YES;
    }
    for (size_t i = 0; i < def->index_count; i++)
        indexes += def->indexes[i].clustered == QR_YES;
    b->says_clustered = constraints + indexes > 0;
    return constraints > 1 ? qr_sql_fail(b->err, 8112, qr_arena_str(b->arena, b->table->name).p)
                           : QR_OK;
}

enum qr_status qri_build_def(struct qri_build *b, const struct qr_ast_table_def *def)
{
    size_t first = b->table->column_count, first_fk = b->table->fk_count;
    QR_TRY(find_clustered(b, def));
    for (size_t i = 0; i < def->column_count; i++)
        QR_TRY(qri_build_column(b, &def->columns[i]));
    QR_TRY(qri_build_period(b, def));
    QR_TRY(qri_build_computed(b, first));
    for (size_t i = 0; i < def->column_count; i++) {
        const struct qr_ast_column_def *column = &def->columns[i];
        for (size_t k = 0; k < column->constraints.count; k++)
            QR_TRY(qri_build_constraint(b, &column->constraints.items[k], column));
    }
    for (size_t i = 0; i < def->constraints.count; i++)
        QR_TRY(qri_build_constraint(b, &def->constraints.items[i], NULL));
    for (size_t i = 0; i < def->column_count; i++)
        if (def->columns[i].index != NULL)
            QR_TRY(qri_build_index(b, def->columns[i].index));
    for (size_t i = 0; i < def->index_count; i++)
        QR_TRY(qri_build_index(b, &def->indexes[i]));
    for (size_t i = first_fk; i < b->table->fk_count; i++)
        QR_TRY(qri_constraint_failed(qri_build_cascade(b, i), b->err));
    return qri_build_done(b);
}

struct qr_cat_object *qri_copy_object(struct qr_arena *arena, const struct qr_cat_object *object)
{
    struct qr_cat_object *o = qr_arena_alloc(arena, sizeof *o);
    if (o == NULL)
        return NULL;
    *o = *object;
    o->columns = qr_arena_array(arena, o->column_count, sizeof *o->columns);
    o->indexes = qr_arena_array(arena, o->index_count, sizeof *o->indexes);
    o->fks = qr_arena_array(arena, o->fk_count, sizeof *o->fks);
    o->checks = qr_arena_array(arena, o->check_count, sizeof *o->checks);
    o->stats = qr_arena_array(arena, o->stats_count, sizeof *o->stats);
    if (o->columns == NULL || o->indexes == NULL || o->fks == NULL || o->checks == NULL ||
        o->stats == NULL)
        return NULL;
    if (o->column_count > 0)
        memcpy(o->columns, object->columns, o->column_count * sizeof *o->columns);
    if (o->index_count > 0)
        memcpy(o->indexes, object->indexes, o->index_count * sizeof *o->indexes);
    if (o->fk_count > 0)
        memcpy(o->fks, object->fks, o->fk_count * sizeof *o->fks);
    if (o->check_count > 0)
        memcpy(o->checks, object->checks, o->check_count * sizeof *o->checks);
    if (o->stats_count > 0)
        memcpy(o->stats, object->stats, o->stats_count * sizeof *o->stats);
    return o;
}

/* ---- constraints as objects ---- */

static enum qr_status put_child(struct qri_ddl_stmt *s, const struct qr_cat_object *table,
                                uint32_t id, struct qr_str name, enum qr_cat_type type,
                                bool system_named)
{
    if (id == 0)
        return QR_OK;
    struct qr_cat_object child = {.object_id = id,
                                  .schema_id = table->schema_id,
                                  .parent_object_id = table->object_id,
                                  .name = name,
                                  .type = type,
                                  .storage = QR_STORE_HEAP,
                                  .create_ticks = s->ddl->now_ticks,
                                  .modify_ticks = s->ddl->now_ticks,
                                  .is_system_named = system_named};
    const struct qr_cat_object *same = qr_cat_find(&(*s->catalog)->cat, table->schema_id, name);
    if (same != NULL && same->object_id != id)
        return qr_sql_fail(s->err, 2714, qri_z(s->arena, name));
    return qri_change_put_object(&s->change, &child, s->err);
}

static bool has_child(const struct qr_cat_object *t, uint32_t id)
{
    for (size_t i = 0; i < t->index_count; i++)
        if (t->indexes[i].constraint_object_id == id)
            return true;
    for (size_t i = 0; i < t->fk_count; i++)
        if (t->fks[i].object_id == id)
            return true;
    for (size_t i = 0; i < t->check_count; i++)
        if (t->checks[i].object_id == id)
            return true;
    for (size_t i = 0; i < t->column_count; i++)
        if (t->columns[i].default_object_id == id)
            return true;
    return false;
}

static enum qr_status drop_gone(struct qri_ddl_stmt *s, const struct qr_cat_object *now,
                                const struct qr_cat_object *old)
{
    const struct qr_catalog *cat = &(*s->catalog)->cat;
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *o = cat->objects[i];
        if (o->parent_object_id != old->object_id || o->type == QR_CAT_TRIGGER)
            continue;
        if (now == NULL || !has_child(now, o->object_id))
            QR_TRY(qri_change_drop(&s->change, QRI_REC_OBJECT, o->object_id, s->err));
    }
    return QR_OK;
}

enum qr_status qri_put_table(struct qri_ddl_stmt *s, struct qr_cat_object *table,
                             const struct qr_cat_object *old)
{
    table->modify_ticks = s->ddl->now_ticks;
    if (old != NULL)
        QR_TRY(drop_gone(s, table, old));
    QR_TRY(qri_change_put_object(&s->change, table, s->err));
    for (size_t i = 0; i < table->column_count; i++) {
        const struct qr_cat_column *c = &table->columns[i];
        if (old == NULL || !has_child(old, c->default_object_id))
            QR_TRY(put_child(s, table, c->default_object_id, c->default_name, QR_CAT_DEFAULT,
                             c->default_is_system_named));
    }
    for (size_t i = 0; i < table->index_count; i++) {
        const struct qr_cat_index *x = &table->indexes[i];
        if (old == NULL || !has_child(old, x->constraint_object_id))
            QR_TRY(put_child(s, table, x->constraint_object_id, x->name,
                             x->is_primary_key ? QR_CAT_PK : QR_CAT_UNIQUE, x->is_system_named));
    }
    for (size_t i = 0; i < table->fk_count; i++) {
        const struct qr_cat_fk *fk = &table->fks[i];
        if (old == NULL || !has_child(old, fk->object_id))
            QR_TRY(put_child(s, table, fk->object_id, fk->name, QR_CAT_FK, fk->is_system_named));
    }
    for (size_t i = 0; i < table->check_count; i++) {
        const struct qr_cat_check *c = &table->checks[i];
        if (old == NULL || !has_child(old, c->object_id))
            QR_TRY(put_child(s, table, c->object_id, c->name, QR_CAT_CHECK, c->is_system_named));
    }
    return QR_OK;
}

/* ---- CREATE TABLE ---- */

enum qr_status qri_start_counters(struct qri_ddl_stmt *s, const struct qr_cat_object *table)
{
    struct qri_ddl *d = s->ddl;
    const struct qr_cat_column *identity = qr_cat_column_by_id(table, table->identity_column);
    if (identity != NULL)
        QR_TRY(d->counter_set(d->ctx, qri_counter_id(table->object_id, QRI_COUNTER_IDENTITY),
                              s->is_temp, identity->identity_seed, identity->identity_increment,
                              s->err));
    if (table->storage == QR_STORE_HEAP)
        QR_TRY(d->counter_set(d->ctx, qri_counter_id(table->object_id, QRI_COUNTER_ROWID),
                              s->is_temp, 1, 1, s->err));
    return QR_OK;
}

static enum qr_status make_table(struct qri_ddl_stmt *s, struct qr_cat_object *table)
{
    QR_TRY(qri_sqlite_create_table(s, table, "t"));
    for (size_t i = 0; i < table->index_count; i++)
        QR_TRY(qri_sqlite_create_index(s, table, &table->indexes[i]));
    QR_TRY(qri_put_table(s, table, NULL));
    QR_TRY(qri_start_counters(s, table));
    return qri_ddl_commit(s);
}

static struct qr_cat_object new_table(struct qri_ddl_stmt *s, const struct qri_target *target)
{
    return (struct qr_cat_object){.object_id = qri_new_object_id(s),
                                  .schema_id = target->schema_id,
                                  .name = target->name,
                                  .type = QR_CAT_TABLE,
                                  .create_ticks = s->ddl->now_ticks,
                                  .modify_ticks = s->ddl->now_ticks};
}

/* How rows are compressed is the store's affair. What makes another kind of table is refused. */
static enum qr_status check_options(const struct qr_ast_options *options, struct qr_arena *arena,
                                    struct qr_err *err)
{
    static const char *const kinds[] = {"LEDGER", "MEMORY_OPTIMIZED", "REMOTE_DATA_ARCHIVE",
                                        "DISTRIBUTION"};
    for (size_t i = 0; i < options->count; i++) {
        const struct qr_ast_option *o = &options->items[i];
        bool is_known = qr_str_ieqz(o->name, "DATA_COMPRESSION") ||
                        qr_str_ieqz(o->name, "XML_COMPRESSION") ||
                        qr_str_ieqz(o->name, "SYSTEM_VERSIONING");
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
            if (!qr_str_ieqz(o->name, kinds[k]))
                continue;
            if (!qr_str_ieqz(o->word, "OFF"))
                return qr_sql_fail(err, 40510, kinds[k]);
            is_known = true;
        }
        if (!is_known)
            return qr_sql_fail(err, 155, qri_z(arena, o->name), "CREATE TABLE");
    }
    return QR_OK;
}

enum qr_status qri_ddl_create_table(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                                    struct qr_err *err)
{
    const struct qr_ast_create_table *ast = (const struct qr_ast_create_table *)stmt;
    struct qri_target target;
    if (ast->exotic.n > 0)
        return qr_sql_fail(err, 40510, qri_z(ddl->arena, ast->exotic));
    QR_TRY(check_options(&ast->options, ddl->arena, err));
    QR_TRY(qri_ddl_resolve(ddl, &ast->name, &target, err));
    QR_TRY(qri_ddl_want_free(&target, err));
    if (!target.is_temp &&
        (target.schema_id == QR_SCHEMA_SYS || target.schema_id == QR_SCHEMA_INFORMATION_SCHEMA))
        return qr_sql_fail(err, 2760, qri_z(ddl->arena, target.schema));
    struct qri_ddl_stmt s;
    QR_TRY(qri_ddl_begin(&s, ddl, target.is_temp, err));
    struct qr_cat_object table = new_table(&s, &target);
    struct qri_build b;
    qri_build_init(&b, &s, &table);
    QR_TRY(qri_build_scheme(&b, ast->scheme));
    QR_TRY(qri_build_def(&b, &ast->def));
    for (size_t i = 0; i < ast->options.count; i++)
        if (qr_str_ieqz(ast->options.items[i].name, "SYSTEM_VERSIONING") &&
            !qr_str_ieqz(ast->options.items[i].word, "OFF"))
            QR_TRY(qri_versioning_on(&s, &table, &ast->options.items[i]));
    return make_table(&s, &table);
}

enum qr_status qri_ddl_create_from_columns(struct qri_ddl *ddl, const struct qr_ast_name *name,
                                           const struct qr_plan_column *columns,
                                           size_t column_count,
                                           const struct qr_cat_object **ret_table,
                                           struct qr_err *err)
{
    struct qri_target target;
    QR_TRY(qri_ddl_resolve(ddl, name, &target, err));
    QR_TRY(qri_ddl_want_free(&target, err));
    struct qri_ddl_stmt s;
    QR_TRY(qri_ddl_begin(&s, ddl, target.is_temp, err));
    struct qr_cat_object table = new_table(&s, &target);
    struct qri_build b;
    qri_build_init(&b, &s, &table);
    for (size_t i = 0; i < column_count; i++) {
        const struct qr_plan_column *from = &columns[i];
        if (from->name.n == 0)
            return qr_sql_fail(err, 1038);
        if (qri_build_find(&b, from->name) != NULL)
            return qr_sql_fail(err, 2705, qri_z(ddl->arena, from->name),
                               qri_z(ddl->arena, table.name));
        void *moved = qr_arena_grow(s.arena, table.columns, table.column_count, &b.column_capacity,
                                    table.column_count + 1, sizeof *table.columns);
        if (moved == NULL)
            return qr_fail(err, QR_NOMEM, "table definition");
        table.columns = moved;
        struct qr_cat_column *c = &table.columns[table.column_count++];
        *c = (struct qr_cat_column){.column_id = (uint32_t)i + 1,
                                    .name = from->name,
                                    .type = from->type,
                                    .user_type_id = from->user_type_id,
                                    .nullable = (from->flags & QR_COLUMN_NULLABLE) != 0};
        if (c->type.id == QR_TYPE_NULL)
            c->type = qr_type_of(QR_TYPE_INT);
        if ((from->flags & QR_COLUMN_IDENTITY) != 0) {
            c->is_identity = true;
            c->nullable = false;
            c->identity_seed = from->identity_seed;
            c->identity_increment = from->identity_increment;
        }
    }
    QR_TRY(qri_build_done(&b));
    QR_TRY(make_table(&s, &table));
    const struct qri_catalog *picture = *s.catalog;
    *ret_table = qr_cat_by_id(&picture->cat, table.object_id);
    return QR_OK;
}

enum qr_status qri_table_shape(struct qr_arena *arena, const struct qr_bind_env *env,
                               struct qr_str name, const struct qr_ast_table_def *def,
                               struct qr_cat_object **ret_shape, struct qr_err *err)
{
    struct qr_cat_object *shape = qr_arena_alloc(arena, sizeof *shape);
    struct qri_build b = {.arena = arena, .env = env, .table = shape, .err = err};
    b.said_null = qr_arena_array(arena, QR_CAT_COLUMNS_MAX + 2, sizeof(bool));
    if (shape == NULL || b.said_null == NULL)
        return qr_fail(err, QR_NOMEM, "table definition");
    shape->name = name;
    shape->type = QR_CAT_TABLE_TYPE;
    QR_TRY(qri_build_def(&b, def));
    shape->storage = QR_STORE_ROWSET;
    *ret_shape = shape;
    return QR_OK;
}
