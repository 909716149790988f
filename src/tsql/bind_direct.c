/* bind_direct.c - UPDATE and DELETE of one row by a unique key as one native statement
 *
 * Taken only where nothing but the row changes: no trigger, no OUTPUT, no index, key, foreign key,
 * CHECK or computed column is touched ([TSQL.md] 3; plan.h). */
#include "dml_int.h"
#include "emit_int.h"

#include "base/banned.h"

static bool is_set(const struct qri_target *t, const struct qri_sets *sets, uint32_t column_id)
{
    size_t i = qr_cat_column_index(t->object, column_id);
    return sets != NULL && i != SIZE_MAX && sets->values[i] != NULL;
}

static bool indexes_stay(const struct qri_target *t, const struct qri_sets *sets)
{
    for (size_t i = 0; i < t->object->index_count; i++) {
        const struct qr_cat_index *index = &t->object->indexes[i];
        if (sets != NULL && index->filter_text.n != 0)
            return false;
        for (size_t k = 0; k < index->column_count; k++)
            if (is_set(t, sets, index->columns[k].column_id))
                return false;
    }
    return true;
}

static bool foreign_keys_stay(const struct qri_target *t, const struct qri_sets *sets)
{
    const struct qr_cat_object *table = t->object;
    if (sets == NULL)
        return table->referenced_by_count == 0;
    for (size_t i = 0; i < table->fk_count; i++)
        for (size_t k = 0; k < table->fks[i].column_count; k++)
            if (is_set(t, sets, table->fks[i].parent_columns[k]))
                return false;
    for (size_t i = 0; i < table->referenced_by_count; i++)
        for (size_t k = 0; k < table->referenced_by[i]->column_count; k++)
            if (is_set(t, sets, table->referenced_by[i]->referenced_columns[k]))
                return false;
    return true;
}

static bool rules_allow(const struct qri_target *t, const struct qri_sets *sets)
{
    const struct qr_cat_object *table = t->object;
    for (size_t i = 0; i < table->trigger_count; i++)
        if (!table->triggers[i]->is_disabled)
            return false;
    if (table->history_id != 0)
        return false;
    if (sets == NULL)
        return true;
    if (t->check != NULL || table->period_start != 0)
        return false;
    for (size_t i = 0; i < table->check_count; i++)
        if (!table->checks[i].is_disabled)
            return false;
    for (size_t i = 0; i < table->column_count; i++)
        if (table->columns[i].is_computed && table->columns[i].is_persisted)
            return false;
    return table->rowversion_column == 0 && sets->var_count == 0;
}

static bool has_simple_values(const struct qri_target *t, const struct qri_sets *sets)
{
    for (size_t i = 0; sets != NULL && i < t->object->column_count; i++)
        if (sets->values[i] != NULL && sets->values[i]->volatility == QR_VOLATILE)
            return false;
    return true;
}

/* Does `where` say column = something known before the row is read? */
static bool fixes_column(const struct qr_expr *where, const struct qri_target *t,
                         uint32_t column_id)
{
    if (where->kind == QR_EXPR_AND) {
        for (size_t i = 0; i < where->arg_count; i++)
            if (fixes_column(where->args[i], t, column_id))
                return true;
        return false;
    }
    if (where->kind != QR_EXPR_CMP || where->u.cmp != QR_CMP_EQ)
        return false;
    for (size_t i = 0; i < 2; i++) {
        const struct qri_leaf *leaf = qri_leaf_of(where->args[i]);
        if (leaf != NULL && leaf->kind == QRI_LEAF_COLUMN && leaf->source == t->base &&
            leaf->source->columns[leaf->column].column_id == column_id &&
            !where->args[1 - i]->has_foreign)
            return true;
    }
    return false;
}

static bool names_one_row(const struct qri_target *t, const struct qr_expr *where)
{
    if (where == NULL)
        return false;
    for (size_t i = 0; i < t->object->index_count; i++) {
        const struct qr_cat_index *index = &t->object->indexes[i];
        bool all = index->is_unique && index->filter_text.n == 0 && !index->is_disabled;
        for (size_t k = 0; all && k < index->key_count; k++)
            all = fixes_column(where, t, index->columns[k].column_id);
        if (all)
            return true;
    }
    return false;
}

static enum qr_status emit_sets(struct qri_emit *em, struct qr_buf *out, const struct qri_target *t,
                                const struct qri_sets *sets)
{
    const char *separator = " SET ";
    for (size_t i = 0; i < t->object->column_count; i++) {
        if (sets->values[i] == NULL)
            continue;
        qr_buf_printf(out, "%sc%u = ", separator, (unsigned)t->object->columns[i].column_id);
        separator = ", ";
        em->depth = 0;
        QR_TRY(qri_emit_expr(em, out, sets->values[i]));
    }
    return QR_OK;
}

static enum qr_status emit_direct(struct qri_emit *em, struct qr_buf *out,
                                  const struct qri_target *t, const struct qri_query *stage,
                                  const struct qri_sets *sets)
{
    qr_buf_printf(out, "%s%st%u AS s%u", sets == NULL ? "DELETE FROM " : "UPDATE ",
                  t->is_temp ? "temp." : "", (unsigned)t->object->object_id, (unsigned)t->base->id);
    if (sets != NULL)
        QR_TRY(emit_sets(em, out, t, sets));
    em->depth = 0;
    qr_buf_addz(out, " WHERE ");
    return qri_emit_expr(em, out, stage->where);
}

enum qr_status qri_direct(struct qri_compile *c, const struct qri_target *t,
                          const struct qri_query *stage, const struct qri_sets *sets,
                          struct qr_plan_dml *dml)
{
    bool plain = t->source == t->base && t->base->kind == QRI_SOURCE_TABLE &&
                 stage->scope->count == 1 && stage->top.amount == NULL && !c->has_subquery &&
                 !c->has_udf && dml->block_count == 0 && dml->stage_masks == NULL &&
                 dml->output.count == 0 && dml->output_into.count == 0;
    if (!plain || !names_one_row(t, stage->where) || !indexes_stay(t, sets) ||
        !foreign_keys_stay(t, sets) || !rules_allow(t, sets) || !has_simple_values(t, sets))
        return QR_OK;
    struct qri_emit em;
    struct qr_buf body;
    qri_emit_init(&em, c);
    qr_buf_init(&body, QRI_TEXT_BYTES_MAX);
    enum qr_status status = emit_direct(&em, &body, t, stage, sets);
    if (status == QR_OK)
        status = qri_emit_finish(&em, &body, &dml->direct);
    qr_buf_done(&body);
    qri_emit_done(&em);
    return status;
}
