/* ddl_alter_column.c - ALTER TABLE ... ALTER COLUMN; see ddl_alter_int.h. */
#include "ddl_alter_int.h"
#include "base/sqlmsg.h"
#include "codec/collation.h"
#include "base/banned.h"

static const char *z(struct qri_alter *a, struct qr_str s)
{
    return qri_z(a->s.arena, s);
}

/* True if every stored value of `from` is, as it stands, a stored value of `to`. */
static bool stays_as_stored(const struct qr_type *from, const struct qr_type *to)
{
    bool ints = from->id >= QR_TYPE_TINYINT && from->id <= QR_TYPE_BIGINT &&
                to->id >= QR_TYPE_TINYINT && to->id <= QR_TYPE_BIGINT;
    if (ints)
        return to->id >= from->id;
    if (from->id != to->id || from->collation != to->collation)
        return false;
    switch ((int)to->id) {
    case QR_TYPE_VARCHAR:
    case QR_TYPE_NVARCHAR:
    case QR_TYPE_VARBINARY:
    case QR_TYPE_CHAR: /* kept without trailing blanks */
    case QR_TYPE_NCHAR:
        return to->is_max || (!from->is_max && to->length >= from->length);
    default:
        return qr_type_eq(from, to);
    }
}

static enum qr_status refuse_change(struct qri_alter *a, const struct qr_cat_column *c,
                                    const char *kind, struct qr_str user)
{
    struct qr_err note = {0};
    (void)qr_sql_fail(&note, 5074, kind, z(a, user), "column", z(a, c->name));
    QR_TRY(a->s.ddl->inform(a->s.ddl->ctx, &note));
    return qr_sql_fail(a->s.err, 4922, "ALTER TABLE ALTER COLUMN", z(a, c->name));
}

/* ADD MASKED WITH (...), DROP MASKED */
static enum qr_status alter_mask(struct qri_alter *a, struct qr_cat_column *c, bool is_drop)
{
    const struct qr_cat_object *t = a->old;
    if (c->is_computed)
        return qr_sql_fail(a->s.err, 4928, z(a, c->name), "COMPUTED");
    for (size_t i = 0; i < t->column_count; i++)
        if (t->columns[i].is_computed && qri_text_names(t->columns[i].computed_text, c->name))
            return refuse_change(a, c, "column", t->columns[i].name);
    if (is_drop && c->mask.n == 0)
        return qr_sql_fail(a->s.err, 16007, z(a, c->name));
    c->mask = (struct qr_str){NULL, 0};
    if (!is_drop)
        QR_TRY(qri_column_mask(a->s.arena, &a->ast->column, c, a->s.err));
    return qri_alter_finish(a);
}

static enum qr_status alter_column_flag(struct qri_alter *a, struct qr_cat_column *c)
{
    bool drops = qr_str_ieqz(a->ast->column_change, "DROP MASKED");
    if (drops || qr_str_ieqz(a->ast->column_change, "ADD MASKED"))
        return alter_mask(a, c, drops);
    if (qr_str_ieqz(a->ast->column_change, "ADD ROWGUIDCOL"))
        c->is_rowguidcol = true;
    else if (qr_str_ieqz(a->ast->column_change, "DROP ROWGUIDCOL"))
        c->is_rowguidcol = false;
    else if (qr_str_ieqz(a->ast->column_change, "ADD HIDDEN") ||
             qr_str_ieqz(a->ast->column_change, "DROP HIDDEN"))
        c->is_hidden = qr_str_ieqz(a->ast->column_change, "ADD HIDDEN");
    else
        return qr_sql_fail(a->s.err, 40510, z(a, a->ast->column_change));
    return qri_alter_finish(a);
}

/* What is computed from a column keeps its type and NULLs, what is checked its type; a longer
 * string is allowed in a check. */
static enum qr_status refuse_used_change(struct qri_alter *a, const struct qr_cat_column *c,
                                         const struct qr_type *to, bool nullable)
{
    const struct qr_cat_object *t = a->old;
    if (qr_type_eq(&c->type, to) && nullable == c->nullable)
        return QR_OK;
    for (size_t i = 0; i < t->column_count; i++)
        if (t->columns[i].is_computed && qri_text_names(t->columns[i].computed_text, c->name))
            return refuse_change(a, c, "column", t->columns[i].name);
    bool grows = stays_as_stored(&c->type, to) && c->type.id == to->id;
    for (size_t i = 0; i < t->check_count && !grows; i++)
        if (qri_text_names(t->checks[i].text, c->name))
            return refuse_change(a, c, "object", t->checks[i].name);
    if (c->default_object_id != 0 && !grows)
        return refuse_change(a, c, "object", c->default_name);
    for (size_t i = 0; i < t->fk_count && !grows; i++)
        for (size_t k = 0; k < t->fks[i].column_count; k++)
            if (t->fks[i].parent_columns[k] == c->column_id)
                return refuse_change(a, c, "object", t->fks[i].name);
    const struct qr_cat_object *module = qri_bound_to(&a->s, t, c->name);
    return module == NULL ? QR_OK : refuse_change(a, c, "object", module->name);
}

static bool is_varying(const struct qr_type *type)
{
    return type->id == QR_TYPE_VARCHAR || type->id == QR_TYPE_NVARCHAR ||
           type->id == QR_TYPE_VARBINARY;
}

/* Only what varies in length may change in an index, to no less, and not in a primary key. */
static enum qr_status refuse_key_change(struct qri_alter *a, const struct qr_cat_column *c,
                                        const struct qr_type *to, bool nullable)
{
    const struct qr_cat_object *t = a->old;
    if (qr_type_eq(&c->type, to) && nullable == c->nullable)
        return QR_OK;
    bool grows = is_varying(to) && stays_as_stored(&c->type, to);
    for (size_t i = 0; i < t->index_count; i++)
        if ((!grows || t->indexes[i].is_primary_key) && qri_index_uses(&t->indexes[i], c))
            return refuse_change(a, c, t->indexes[i].constraint_object_id != 0 ? "object" : "index",
                                 t->indexes[i].name);
    for (size_t i = 0; !grows && i < t->stats_count; i++)
        if (qri_statistics_use(&t->stats[i], c))
            return refuse_change(a, c, "statistics", t->stats[i].name);
    return QR_OK;
}

enum qr_status qri_alter_column(struct qri_alter *a)
{
    struct qr_cat_column *c = NULL;
    for (size_t i = 0; i < a->now->column_count; i++)
        if (qr_str_ieq(a->now->columns[i].name, a->ast->column.name.text))
            c = &a->now->columns[i];
    if (c == NULL)
        return qr_sql_fail(a->s.err, 4924, "ALTER TABLE ALTER COLUMN",
                           z(a, a->ast->column.name.text), z(a, a->now->name));
    if (a->ast->column_change.n > 0)
        return alter_column_flag(a, c);
    if (c->is_computed || c->type.id == QR_TYPE_ROWVERSION)
        return qr_sql_fail(a->s.err, 4928, z(a, c->name),
                           c->is_computed ? "COMPUTED" : "timestamp");
    struct qr_type to;
    uint32_t user_type_id = 0;
    bool type_nullable = true;
    QR_TRY(qr_tsql_resolve_type(a->s.ddl->env, &a->ast->column.type, &to, &user_type_id,
                                &type_nullable, a->s.err));
    if (qr_type_is_string(&to)) {
        const struct qr_collation *collation = qr_collation_find(a->ast->column.collation.text);
        if (a->ast->column.collation.text.n > 0 && collation == NULL)
            return qr_sql_fail(a->s.err, 448, z(a, a->ast->column.collation.text));
        to.collation = collation != NULL ? collation->id : (*a->s.ddl->main)->cat.collation_id;
    }
    bool nullable = a->ast->column.nullable == QR_UNSAID ? type_nullable && !c->is_identity
                                                         : a->ast->column.nullable == QR_YES;
    QR_TRY(refuse_key_change(a, c, &to, nullable));
    QR_TRY(refuse_used_change(a, c, &to, nullable));
    a->rebuild = !stays_as_stored(&c->type, &to) || (nullable && !c->nullable);
    if (!nullable && c->nullable)
        QR_TRY(qri_validate_not_null(&a->s, a->old, c));
    c->type = to;
    c->user_type_id = user_type_id;
    c->nullable = nullable;
    c->mask = (struct qr_str){NULL, 0}; /* it goes unless it is said again */
    if (a->ast->column.mask != NULL)
        QR_TRY(qri_column_mask(a->s.arena, &a->ast->column, c, a->s.err));
    struct qri_build b;
    qri_build_init(&b, &a->s, a->now);
    QR_TRY(qri_build_computed(&b, 0));
    QR_TRY(qri_build_done(&b));
    return qri_alter_finish(a);
}
