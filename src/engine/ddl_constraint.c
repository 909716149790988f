/* ddl_constraint.c - keys, foreign keys, checks, defaults and indexes of a table under
 * construction; see ddl_int.h. */
#include "ddl_int.h"
#include "base/sqlmsg.h"
#include "base/banned.h"

static const char *table_z(const struct qri_build *b)
{
    return qri_z(b->arena, b->table->name);
}

static enum qr_status column_of(struct qri_build *b, const struct qr_ast_expr *expr,
                                struct qr_cat_column **ret)
{
    if (expr->kind != QR_AE_COLUMN)
        return qr_sql_fail(b->err, 102, "(");
    const struct qr_ast_column *ast = (const struct qr_ast_column *)expr;
    struct qr_str name = ast->name.parts[ast->name.count - 1].text;
    *ret = qri_build_find(b, name);
    if (*ret == NULL)
        return qr_sql_fail(b->err, 1911, qri_z(b->arena, name));
    return QR_OK;
}

static struct qr_str name_or_made(struct qri_build *b, const struct qr_ast_constraint *def,
                                  const char *prefix, struct qr_str column, uint32_t id,
                                  bool *ret_made)
{
    *ret_made = def->name.text.n == 0;
    if (!*ret_made)
        return def->name.text;
    return qri_system_name(b->arena, prefix, b->table->name, column, id);
}

static bool has_clustered(const struct qr_cat_object *t)
{
    return qr_cat_clustered(t) != NULL;
}

uint32_t qri_next_index_id(const struct qr_cat_object *t)
{
    uint32_t id = 2;
    for (size_t i = 0; i < t->index_count; i++)
        if (t->indexes[i].index_id >= id)
            id = t->indexes[i].index_id + 1;
    for (size_t i = 0; i < t->stats_count; i++)
        if (t->stats[i].stats_id >= id)
            id = t->stats[i].stats_id + 1;
    return id;
}

/* Adds the index to the table's list, the clustered one first. */
static enum qr_status add_index(struct qri_build *b, const struct qr_cat_index *index)
{
    struct qr_cat_object *t = b->table;
    for (size_t i = 0; i < t->index_count; i++)
        if (qr_str_ieq(t->indexes[i].name, index->name))
            return qr_sql_fail(b->err, 1913, qri_z(b->arena, index->name), table_z(b));
    for (size_t i = 0; i < t->stats_count; i++)
        if (qr_str_ieq(t->stats[i].name, index->name))
            return qr_sql_fail(b->err, 1913, qri_z(b->arena, index->name), table_z(b));
    if (t->index_count >= 999)
        return qr_sql_fail(b->err, 1910, (int)t->index_count, table_z(b), 999,
                           qri_z(b->arena, index->name));
    void *moved = qr_arena_grow(b->arena, t->indexes, t->index_count, &b->index_capacity,
                                t->index_count + 1, sizeof *t->indexes);
    if (moved == NULL)
        return qr_fail(b->err, QR_NOMEM, "table definition");
    t->indexes = moved;
    size_t at = t->index_count;
    if (index->is_clustered) {
        memmove(&t->indexes[1], &t->indexes[0], t->index_count * sizeof *t->indexes);
        at = 0;
    }
    t->indexes[at] = *index;
    t->index_count++;
    return QR_OK;
}

static enum qr_status set_key(struct qri_build *b, struct qr_cat_index *x,
                              const struct qr_ast_order *columns, size_t include_count)
{
    if (columns->count > QR_CAT_KEY_COLUMNS_MAX)
        return qr_sql_fail(b->err, 1904, qri_z(b->arena, x->name), table_z(b), (int)columns->count,
                           (int)QR_CAT_KEY_COLUMNS_MAX);
    x->columns = qr_arena_array(b->arena, columns->count + include_count, sizeof *x->columns);
    if (x->columns == NULL)
        return qr_fail(b->err, QR_NOMEM, "index definition");
    for (size_t i = 0; i < columns->count; i++) {
        struct qr_cat_column *c = NULL;
        QR_TRY(column_of(b, columns->items[i].expr, &c));
        if (!qr_type_is_comparable(&c->type) || qr_type_is_lob(&c->type))
            return qr_sql_fail(b->err, 1919, qri_z(b->arena, c->name), table_z(b));
        for (size_t k = 0; k < i; k++)
            if (x->columns[k].column_id == c->column_id)
                return qr_sql_fail(b->err, 1909, qri_z(b->arena, c->name));
        if (c->is_computed && !c->is_persisted) /* an index stores it, so it is kept with the row */
            c->is_persisted = true;
        x->columns[i].column_id = c->column_id;
        x->columns[i].is_descending = columns->items[i].descending;
    }
    x->key_count = x->column_count = columns->count;
    return QR_OK;
}

static enum qr_status set_options(struct qri_build *b, struct qr_cat_index *x,
                                  const struct qr_ast_options *options)
{
    for (size_t i = 0; i < options->count; i++) {
        const struct qr_ast_option *o = &options->items[i];
        if (qr_str_ieqz(o->name, "IGNORE_DUP_KEY"))
            x->ignore_dup_key = qr_str_ieqz(o->word, "ON");
        else if (qr_str_ieqz(o->name, "FILLFACTOR") && o->value != NULL &&
                 o->value->kind == QR_AE_LITERAL) {
            const struct qr_ast_literal *n = (const struct qr_ast_literal *)o->value;
            int factor = 0;
            for (size_t k = 0; k < n->text.n && factor <= 100; k++)
                factor = factor * 10 + (n->text.p[k] - '0');
            if (factor < 1 || factor > 100)
                return qr_sql_fail(b->err, 129, factor);
            x->fill_factor = (uint8_t)factor;
        }
    }
    return QR_OK;
}

/* Rows of a table are never split. */
enum qr_status qri_build_scheme(struct qri_build *b, struct qr_str scheme)
{
    return scheme.n == 0 ? QR_OK : qr_sql_fail(b->err, 40510, "ON partition_scheme(column)");
}

static enum qr_status build_key(struct qri_build *b, const struct qr_ast_constraint *def,
                                const struct qr_ast_column_def *column)
{
    bool primary = def->kind == QR_CONSTRAINT_PRIMARY_KEY;
    struct qr_cat_object *t = b->table;
    struct qr_cat_index x = {
        .is_unique = true, .is_primary_key = primary, .is_unique_constraint = !primary};
    QR_TRY(qri_build_scheme(b, def->scheme));
    for (size_t i = 0; primary && i < t->index_count; i++)
        if (t->indexes[i].is_primary_key)
            return qr_sql_fail(b->err, 1779, table_z(b));
    x.constraint_object_id = qri_build_id(b);
    x.name = name_or_made(b, def, primary ? "PK" : "UQ", (struct qr_str){NULL, 0},
                          x.constraint_object_id, &x.is_system_named);
    x.is_clustered = def->clustered == QR_YES || (def->clustered == QR_UNSAID && primary &&
                                                  !b->says_clustered && !has_clustered(t));
    if (x.is_clustered && has_clustered(t))
        return qr_sql_fail(b->err, 1902, table_z(b), qri_z(b->arena, qr_cat_clustered(t)->name));
    x.index_id = x.is_clustered ? 1 : qri_next_index_id(t);
    struct qr_ast_order own = def->columns;
    struct qr_ast_ident part;
    struct qr_ast_column ast = {.head = {.kind = QR_AE_COLUMN}};
    struct qr_ast_order_item item = {.expr = &ast.head};
    if (own.count == 0 && column != NULL) {
        part = column->name;
        ast.name = (struct qr_ast_name){.parts = &part, .count = 1};
        own = (struct qr_ast_order){&item, 1};
    }
    QR_TRY(set_key(b, &x, &own, 0));
    QR_TRY(set_options(b, &x, &def->options));
    for (size_t i = 0; primary && i < x.key_count; i++) {
        struct qr_cat_column *c = &t->columns[qr_cat_column_index(t, x.columns[i].column_id)];
        bool kept_null = b->said_null[c->column_id] || (c->nullable && c->is_computed);
        if (c->nullable && (kept_null || (b->s != NULL && t->version != 0)))
            return qr_sql_fail(b->err, 8111, table_z(b));
        c->nullable = false;
    }
    return add_index(b, &x);
}

enum qr_status qri_build_index(struct qri_build *b, const struct qr_ast_index_def *def)
{
    struct qr_cat_object *t = b->table;
    if (def->exotic.n > 0)
        return qr_sql_fail(b->err, 40510, qri_z(b->arena, def->exotic));
    QR_TRY(qri_build_scheme(b, def->scheme));
    struct qr_cat_index x = {.name = def->name.text,
                             .is_unique = def->unique,
                             .is_clustered = def->clustered == QR_YES && !def->columnstore};
    if (x.is_clustered && has_clustered(t))
        return qr_sql_fail(b->err, 1902, table_z(b), qri_z(b->arena, qr_cat_clustered(t)->name));
    x.index_id = x.is_clustered ? 1 : qri_next_index_id(t);
    if (def->columnstore)
        return qr_sql_fail(b->err, 40510, "COLUMNSTORE");
    QR_TRY(set_key(b, &x, &def->columns, def->include.count));
    for (size_t i = 0; i < def->include.count; i++) {
        const struct qr_cat_column *c = qri_build_find(b, def->include.items[i].text);
        if (c == NULL)
            return qr_sql_fail(b->err, 1911, qri_z(b->arena, def->include.items[i].text));
        for (size_t k = 0; k < x.column_count; k++)
            if (x.columns[k].column_id == c->column_id)
                return qr_sql_fail(b->err, 1909, qri_z(b->arena, c->name));
        x.columns[x.column_count++] =
            (struct qr_cat_index_column){.column_id = c->column_id, .is_included = true};
    }
    QR_TRY(set_options(b, &x, &def->options));
    if (def->where != NULL)
        x.filter_text =
            qri_filter_text(b->arena, def->where_text, b->env->options.quoted_identifier);
    return add_index(b, &x);
}

/* `own`: the constraint stands in the column's definition. */
static enum qr_status want_persisted(struct qri_build *b, const struct qr_cat_column *c, bool own,
                                     const char *constraint)
{
    if (!c->is_computed || c->is_persisted)
        return QR_OK;
    if (own)
        return qr_sql_fail(b->err, 8183);
    return qr_sql_fail(b->err, 1764, qri_z(b->arena, c->name), table_z(b), constraint);
}

static enum qr_status build_check(struct qri_build *b, const struct qr_ast_constraint *def,
                                  const struct qr_ast_column_def *column)
{
    struct qr_cat_object *t = b->table;
    void *moved = qr_arena_grow(b->arena, t->checks, t->check_count, &b->check_capacity,
                                t->check_count + 1, sizeof *t->checks);
    if (moved == NULL)
        return qr_fail(b->err, QR_NOMEM, "table definition");
    t->checks = moved;
    struct qr_cat_check c = {
        .object_id = qri_build_id(b),
        .text = qri_normal_text(b->arena, def->expr_text, b->env->options.quoted_identifier),
        .not_for_replication = def->not_for_replication};
    struct qr_str column_name = {NULL, 0};
    if (column != NULL) {
        column_name = column->name.text;
        const struct qr_cat_column *of = qri_build_find(b, column_name);
        QR_TRY(want_persisted(b, of, true, NULL));
        c.column_id = of->column_id;
    }
    for (size_t i = 0; i < t->column_count; i++)
        if (qri_text_names(c.text, t->columns[i].name))
            QR_TRY(want_persisted(b, &t->columns[i], false, "CHECK CONSTRAINT"));
    c.name = name_or_made(b, def, "CK", column_name, c.object_id, &c.is_system_named);
    t->checks[t->check_count++] = c;
    return QR_OK;
}

static enum qr_status build_default(struct qri_build *b, const struct qr_ast_constraint *def,
                                    const struct qr_ast_column_def *column)
{
    struct qr_str name = column != NULL ? column->name.text : def->for_column.text;
    struct qr_cat_column *c = qri_build_find(b, name);
    if (c == NULL)
        return qr_sql_fail(b->err, 1752, qri_z(b->arena, name), table_z(b));
    if (c->default_text.n > 0)
        return qr_sql_fail(b->err, 1781);
    if (c->is_identity)
        return qr_sql_fail(b->err, 1754, table_z(b), qri_z(b->arena, name));
    if (c->type.id == QR_TYPE_ROWVERSION)
        return qr_sql_fail(b->err, 1755, table_z(b), qri_z(b->arena, name));
    if (c->is_computed)
        return qr_sql_fail(b->err, 1759, qri_z(b->arena, name), table_z(b));
    c->default_object_id = qri_build_id(b);
    c->default_text = qri_normal_text(b->arena, def->expr_text, b->env->options.quoted_identifier);
    c->default_name =
        name_or_made(b, def, "DF", name, c->default_object_id, &c->default_is_system_named);
    return QR_OK;
}

/* ---- foreign keys ---- */

static const struct qr_cat_index *primary_key(const struct qr_cat_object *t)
{
    for (size_t i = 0; i < t->index_count; i++)
        if (t->indexes[i].is_primary_key)
            return &t->indexes[i];
    return NULL;
}

/* The unique index whose key is exactly these columns, in any order. */
static const struct qr_cat_index *candidate_key(const struct qr_cat_object *t,
                                                const uint32_t *columns, size_t count)
{
    for (size_t i = 0; i < t->index_count; i++) {
        const struct qr_cat_index *x = &t->indexes[i];
        if (!x->is_unique || x->key_count != count || x->filter_text.n > 0 || x->is_disabled)
            continue;
        size_t found = 0;
        for (size_t k = 0; k < count; k++)
            for (size_t j = 0; j < count; j++)
                found += x->columns[k].column_id == columns[j] ? 1 : 0;
        if (found == count)
            return x;
    }
    return NULL;
}

static enum qr_status fk_columns(struct qri_build *b, const struct qr_ast_constraint *def,
                                 const struct qr_ast_column_def *column, struct qr_cat_fk *fk)
{
    fk->column_count = def->columns.count > 0 ? def->columns.count : 1;
    fk->parent_columns = qr_arena_array(b->arena, fk->column_count, sizeof(uint32_t));
    fk->referenced_columns = qr_arena_array(b->arena, fk->column_count, sizeof(uint32_t));
    if (fk->parent_columns == NULL || fk->referenced_columns == NULL)
        return qr_fail(b->err, QR_NOMEM, "foreign key");
    for (size_t i = 0; i < fk->column_count; i++) {
        struct qr_str name = {NULL, 0};
        if (def->columns.count == 0 && column != NULL) {
            name = column->name.text;
        } else if (def->columns.items[i].expr->kind == QR_AE_COLUMN) {
            const struct qr_ast_column *ast =
                (const struct qr_ast_column *)def->columns.items[i].expr;
            name = ast->name.parts[ast->name.count - 1].text;
        }
        const struct qr_cat_column *c = qri_build_find(b, name);
        if (c == NULL)
            return qr_sql_fail(b->err, 1769, qri_z(b->arena, fk->name), qri_z(b->arena, name),
                               table_z(b));
        QR_TRY(want_persisted(b, c, column != NULL, "FOREIGN KEY"));
        if (c->is_computed && fk->on_delete > QR_FK_CASCADE)
            return qr_sql_fail(b->err, 1765, qri_z(b->arena, fk->name), qri_z(b->arena, c->name));
        if (c->is_computed && fk->on_update != QR_FK_NO_ACTION)
            return qr_sql_fail(b->err, 1715, qri_z(b->arena, fk->name), qri_z(b->arena, c->name));
        fk->parent_columns[i] = c->column_id;
    }
    return QR_OK;
}

static enum qr_status fk_referenced(struct qri_build *b, const struct qr_ast_constraint *def,
                                    const struct qr_cat_object *target, struct qr_cat_fk *fk)
{
    if (def->ref_columns.count == 0) {
        const struct qr_cat_index *pk = primary_key(target);
        if (pk == NULL)
            return qr_sql_fail(b->err, 1773, qri_z(b->arena, fk->name),
                               qri_z(b->arena, target->name));
        if (pk->key_count != fk->column_count)
            return qr_sql_fail(b->err, 8139, qri_z(b->arena, fk->name), table_z(b));
        for (size_t i = 0; i < pk->key_count; i++)
            fk->referenced_columns[i] = pk->columns[i].column_id;
    } else {
        if (def->ref_columns.count != fk->column_count)
            return qr_sql_fail(b->err, 8139, qri_z(b->arena, fk->name), table_z(b));
        for (size_t i = 0; i < fk->column_count; i++) {
            const struct qr_cat_column *c =
                qr_cat_column_find(target, def->ref_columns.items[i].text);
            if (c == NULL)
                return qr_sql_fail(b->err, 1770, qri_z(b->arena, fk->name),
                                   qri_z(b->arena, def->ref_columns.items[i].text),
                                   qri_z(b->arena, target->name));
            fk->referenced_columns[i] = c->column_id;
        }
    }
    const struct qr_cat_index *key =
        candidate_key(target, fk->referenced_columns, fk->column_count);
    if (key == NULL)
        return qr_sql_fail(b->err, 1776, qri_z(b->arena, target->name), qri_z(b->arena, fk->name));
    fk->referenced_index_id = key->index_id;
    return QR_OK;
}

static bool same_key_type(const struct qr_type *a, const struct qr_type *b)
{
    struct qr_type x = *a, y = *b;
    if (x.id == QR_TYPE_NUMERIC)
        x.id = QR_TYPE_DECIMAL;
    if (y.id == QR_TYPE_NUMERIC)
        y.id = QR_TYPE_DECIMAL;
    if (qr_type_is_string(&x) || qr_type_family(&x) == QR_FAMILY_BINARY) {
        bool national = qr_type_family(&x) == QR_FAMILY_NCHAR;
        return (qr_type_family(&x) == qr_type_family(&y)) &&
               national == (qr_type_family(&y) == QR_FAMILY_NCHAR);
    }
    return x.id == y.id && x.precision == y.precision && x.scale == y.scale;
}

static enum qr_status fk_types(struct qri_build *b, const struct qr_cat_object *target,
                               const struct qr_cat_fk *fk)
{
    for (size_t i = 0; i < fk->column_count; i++) {
        const struct qr_cat_column *mine = qr_cat_column_by_id(b->table, fk->parent_columns[i]);
        const struct qr_cat_column *its = qr_cat_column_by_id(target, fk->referenced_columns[i]);
        if (!same_key_type(&mine->type, &its->type)) {
            const char *a = qr_arena_printf(b->arena, "%s.%s", qri_z(b->arena, target->name),
                                            qri_z(b->arena, its->name));
            const char *c =
                qr_arena_printf(b->arena, "%s.%s", table_z(b), qri_z(b->arena, mine->name));
            return qr_sql_fail(b->err, 1778, a == NULL ? "" : a, c == NULL ? "" : c,
                               qri_z(b->arena, fk->name));
        }
    }
    return QR_OK;
}

static enum qr_status build_fk(struct qri_build *b, const struct qr_ast_constraint *def,
                               const struct qr_ast_column_def *column)
{
    static const enum qr_cat_fk_action actions[] = {
        [QR_REF_NO_ACTION] = QR_FK_NO_ACTION,
        [QR_REF_CASCADE] = QR_FK_CASCADE,
        [QR_REF_SET_NULL] = QR_FK_SET_NULL,
        [QR_REF_SET_DEFAULT] = QR_FK_SET_DEFAULT,
    };
    struct qr_cat_object *t = b->table;
    struct qr_cat_fk fk = {.object_id = qri_build_id(b),
                           .parent_object_id = t->object_id,
                           .on_delete = actions[def->on_delete],
                           .on_update = actions[def->on_update],
                           .not_for_replication = def->not_for_replication};
    struct qr_str of = column != NULL ? column->name.text : (struct qr_str){NULL, 0};
    if (def->columns.count == 1 && def->columns.items[0].expr->kind == QR_AE_COLUMN) {
        const struct qr_ast_column *only = (const struct qr_ast_column *)def->columns.items[0].expr;
        of = only->name.parts[only->name.count - 1].text;
    }
    fk.name = name_or_made(b, def, "FK", of, fk.object_id, &fk.is_system_named);
    if (b->s == NULL)
        return qr_sql_fail(b->err, 156, "FOREIGN");
    if (b->s->is_temp) {
        struct qr_err note = {0};
        (void)qr_sql_fail(&note, 1766, qri_z(b->arena, fk.name));
        return b->s->ddl->inform(b->s->ddl->ctx, &note);
    }
    struct qri_target target;
    QR_TRY(qri_ddl_resolve(b->s->ddl, &def->ref_table, &target, b->err));
    if (target.object == NULL && target.schema_id == t->schema_id &&
        qr_str_ieq(target.name, t->name))
        target.object = t; /* itself, being created */
    if (target.object != NULL && target.object->object_id == t->object_id)
        target.object = t;
    if (target.object == NULL || target.object->type != QR_CAT_TABLE)
        return qr_sql_fail(b->err, 1767, qri_z(b->arena, fk.name),
                           qri_ddl_spell(b->arena, &def->ref_table));
    fk.referenced_object_id = target.object->object_id;
    QR_TRY(fk_columns(b, def, column, &fk));
    QR_TRY(fk_referenced(b, def, target.object, &fk));
    QR_TRY(fk_types(b, target.object, &fk));
    void *moved = qr_arena_grow(b->arena, t->fks, t->fk_count, &b->fk_capacity, t->fk_count + 1,
                                sizeof *t->fks);
    if (moved == NULL)
        return qr_fail(b->err, QR_NOMEM, "foreign key");
    t->fks = moved;
    t->fks[t->fk_count++] = fk;
    return QR_OK;
}

static enum qr_status build_constraint(struct qri_build *b, const struct qr_ast_constraint *def,
                                       const struct qr_ast_column_def *column)
{
    switch (def->kind) {
    case QR_CONSTRAINT_PRIMARY_KEY:
    case QR_CONSTRAINT_UNIQUE:
        return build_key(b, def, column);
    case QR_CONSTRAINT_FOREIGN_KEY:
        return build_fk(b, def, column);
    case QR_CONSTRAINT_CHECK:
        return build_check(b, def, column);
    case QR_CONSTRAINT_DEFAULT:
        return build_default(b, def, column);
    case QR_CONSTRAINT_CONNECTION:
        break;
    }
    return qr_sql_fail(b->err, 40510, "CONNECTION");
}

enum qr_status qri_constraint_failed(enum qr_status status, struct qr_err *err)
{
    enum { NOT_SUPPORTED = 40510, SEE_PREVIOUS_ERRORS = 1750 };
    if (status == QR_SQL && err != NULL && err->number != NOT_SUPPORTED)
        err->also = SEE_PREVIOUS_ERRORS;
    return status;
}

enum qr_status qri_build_constraint(struct qri_build *b, const struct qr_ast_constraint *def,
                                    const struct qr_ast_column_def *column)
{
    return qri_constraint_failed(build_constraint(b, def, column), b->err);
}

static bool had_default(const struct qr_cat_object *old, const struct qr_cat_column *c)
{
    const struct qr_cat_column *was = old == NULL ? NULL : qr_cat_column_by_id(old, c->column_id);
    return was != NULL && qr_str_eq(was->default_text, c->default_text);
}

static bool had_check(const struct qr_cat_object *old, const struct qr_cat_check *check)
{
    for (size_t i = 0; old != NULL && i < old->check_count; i++)
        if (old->checks[i].object_id == check->object_id &&
            qr_str_eq(old->checks[i].text, check->text))
            return true;
    return false;
}

/* Everything is there: storage is chosen, and texts are bound once so that mistakes show now. What
 * the table had before is not asked for again. */
enum qr_status qri_build_done(struct qri_build *b)
{
    struct qr_cat_object *t = b->table;
    const struct qr_cat_object *old =
        b->env->catalog == NULL ? NULL : qr_cat_by_id(b->env->catalog, t->object_id);
    struct qr_bind_env unasked = *b->env;
    const struct qr_expr *expr = NULL;
    unasked.want = NULL;
    qri_choose_storage(t);
    for (size_t i = 0; i < t->column_count; i++) {
        const struct qr_cat_column *c = &t->columns[i];
        if (c->default_text.n > 0)
            QR_TRY(qr_tsql_bind_row_expr(b->arena, had_default(old, c) ? &unasked : b->env, NULL,
                                         c->default_text, false, &c->type, &expr, b->err));
    }
    for (size_t i = 0; i < t->check_count; i++)
        QR_TRY(qr_tsql_bind_row_expr(b->arena, had_check(old, &t->checks[i]) ? &unasked : b->env, t,
                                     t->checks[i].text, true, NULL, &expr, b->err));
    for (size_t i = 0; i < t->index_count; i++)
        if (t->indexes[i].filter_text.n > 0)
            QR_TRY(qr_tsql_bind_row_expr(b->arena, b->env, t, t->indexes[i].filter_text, true, NULL,
                                         &expr, b->err));
    return QR_OK;
}
