/* bind_access.c - what a statement does to which objects: struct qr_plan_access; see bind_int.h
 *
 * A use is made where a name becomes a source, a target or a call. Columns are noted where the
 * statement names them, not where the binder itself needs them (keys, old values). */
#include "dml_int.h"

#include "base/banned.h"

enum qr_status qri_use_new(struct qri_compile *c, const struct qri_object *found, uint8_t needs,
                           struct qri_use **ret_use)
{
    *ret_use = NULL;
    if (found->object == NULL || (found->is_temp && !found->is_system))
        return QR_OK;
    struct qri_use *use = QRI_NEW(c, struct qri_use);
    if (use == NULL)
        return qri_nomem(c);
    use->object = found->object;
    use->synonym = found->synonym;
    use->through = c->through;
    use->needs = needs;
    *(c->last_use == NULL ? &c->uses : &c->last_use->next) = use;
    c->last_use = use;
    *ret_use = use;
    return QR_OK;
}

enum qr_status qri_use_call(struct qri_compile *c, const struct qri_object *found, uint8_t needs)
{
    struct qri_use *unused = NULL;
    return qri_use_new(c, found, needs, &unused);
}

const struct qr_cat_object *qri_through(const struct qri_compile *c,
                                        const struct qr_cat_object *table)
{
    bool is_of_database = table != NULL && c->env->catalog != NULL &&
                          qr_cat_by_id(c->env->catalog, table->object_id) != NULL;
    return is_of_database ? table : c->through;
}

/* ---- columns ---- */

static enum qr_status set_bit(struct qri_compile *c, struct qri_columns *set, uint32_t column_id)
{
    size_t at = (column_id - 1) / 8;
    if (at >= set->bytes) {
        size_t bytes = at + 8;
        uint8_t *bits = QRI_ARRAY(c, bytes, uint8_t); /* zeroed */
        if (bits == NULL)
            return qri_nomem(c);
        if (set->bytes > 0)
            memcpy(bits, set->bits, set->bytes);
        set->bits = bits;
        set->bytes = bytes;
    }
    set->bits[at] |= (uint8_t)(1 << ((column_id - 1) % 8));
    return QR_OK;
}

enum qr_status qri_use_named(struct qri_compile *c, struct qri_source *source, struct qri_use *use)
{
    const struct qr_cat_object *module = source->module;
    uint32_t *ids = QRI_ARRAY(c, source->column_count + 1, uint32_t);
    if (ids == NULL)
        return qri_nomem(c);
    source->use = use;
    for (size_t i = 0; i < source->column_count; i++) {
        const struct qr_cat_column *col = qr_cat_column_find(module, source->columns[i].name);
        /* SELECT * of a table that has got columns since: of nobody's but who may the whole */
        ids[i] = col != NULL ? col->column_id : (uint32_t)(module->column_count + i + 1);
    }
    use->ids = ids;
    return QR_OK;
}

static uint32_t id_in_source(const struct qri_source *source, size_t column)
{
    if (source->use->ids != NULL)
        return source->use->ids[column];
    return source->object != NULL && column < source->object->column_count
               ? source->object->columns[column].column_id
               : (uint32_t)column + 1;
}

/* The base table's column, as the statement may name it through `source`; false: it cannot. */
static bool find_in_source(const struct qri_source *source, const struct qr_cat_object *table,
                           size_t column, size_t *ret_column)
{
    if (source->module == NULL && source->object == table) {
        *ret_column = column;
        return true;
    }
    for (size_t i = 0; i < source->column_count; i++) {
        const struct qri_column *col = &source->columns[i];
        if (col->name.n > 0 && col->object == table &&
            col->column_id == table->columns[column].column_id) {
            *ret_column = i;
            return true;
        }
    }
    return false;
}

enum qr_status qri_use_target_column(struct qri_compile *c, const struct qri_target *t,
                                     size_t column)
{
    const struct qri_source *source = t->source;
    size_t at = 0;
    if (t->use == NULL)
        return QR_OK; /* a #table, a table variable */
    while (source != NULL && source->use != t->use)
        source = source->reached;
    if (source == NULL || t->object == source->module)
        return set_bit(c, &t->use->selects, t->object->columns[column].column_id);
    if (find_in_source(source, t->object, column, &at))
        return set_bit(c, &source->use->selects, id_in_source(source, at));
    /* OUTPUT of what the view does not show: as if the statement named the table itself */
    const struct qri_object found = {.object = t->object, .is_temp = t->is_temp};
    const struct qr_cat_object *through = c->through;
    struct qri_use *use = NULL;
    c->through = NULL;
    enum qr_status status = qri_use_new(c, &found, 0, &use);
    c->through = through;
    if (status != QR_OK || use == NULL)
        return status;
    use->is_target = true;
    return set_bit(c, &use->selects, t->object->columns[column].column_id);
}

enum qr_status qri_use_column(struct qri_compile *c, const struct qri_source *source, size_t column)
{
    if (source->pseudo_of != NULL)
        return qri_use_target_column(c, source->pseudo_of, column);
    if (source->use == NULL || column >= source->column_count)
        return QR_OK;
    return set_bit(c, &source->use->selects, id_in_source(source, column));
}

/* ---- changes ---- */

static enum qr_status set_updates(struct qri_compile *c, const struct qri_target *t,
                                  const struct qri_source *source, struct qri_use *use,
                                  const struct qr_expr *const *values)
{
    for (size_t i = 0; i < t->object->column_count; i++) {
        size_t at = i;
        if (values[i] == NULL)
            continue;
        bool is_view = source != NULL && t->object != source->module;
        if (is_view && !find_in_source(source, t->object, i, &at))
            continue;
        QR_TRY(set_bit(c, &use->updates,
                       is_view ? id_in_source(source, at) : t->object->columns[i].column_id));
    }
    return QR_OK;
}

enum qr_status qri_use_change(struct qri_compile *c, const struct qri_target *t, uint8_t need,
                              const struct qr_expr *const *values)
{
    if (t->source == NULL && t->use != NULL) {
        t->use->needs |= need;
        return values == NULL ? QR_OK : set_updates(c, t, NULL, t->use, values);
    }
    for (struct qri_source *s = t->source; s != NULL; s = s->reached) {
        if (s->use == NULL)
            continue;
        s->use->needs |= need;
        if (values != NULL)
            QR_TRY(set_updates(c, t, s, s->use, values));
    }
    return QR_OK;
}

void qri_use_as_target(struct qri_target *t)
{
    for (struct qri_source *s = t->source; s != NULL; s = s->reached) {
        if (s->use == NULL)
            continue; /* a common table expression */
        s->use->is_target = true;
        if (t->use == NULL)
            t->use = s->use;
    }
}

/* ---- the list ---- */

static struct qr_plan_access *find_access(struct qr_plan_access *list, size_t count,
                                          const struct qri_use *use)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].object == use->object && list[i].through == use->through &&
            list[i].synonym == use->synonym)
            return &list[i];
    return NULL;
}

static enum qr_status add_columns(struct qri_compile *c, const struct qri_columns *from,
                                  struct qr_columns *to)
{
    if (from->bytes == 0)
        return QR_OK;
    size_t bytes = from->bytes > to->bytes ? from->bytes : to->bytes;
    uint8_t *bits = QRI_ARRAY(c, bytes, uint8_t);
    if (bits == NULL)
        return qri_nomem(c);
    if (to->bytes > 0)
        memcpy(bits, to->bits, to->bytes);
    for (size_t i = 0; i < from->bytes; i++)
        bits[i] |= from->bits[i];
    *to = (struct qr_columns){.bits = bits, .bytes = bytes};
    return QR_OK;
}

enum qr_status qri_uses_list(struct qri_compile *c, struct qr_plan_accesses *ret)
{
    size_t count = 0, n = 0;
    for (const struct qri_use *use = c->uses; use != NULL; use = use->next)
        count++;
    struct qr_plan_access *list = QRI_ARRAY(c, count + 1, struct qr_plan_access);
    if (list == NULL)
        return qri_nomem(c);
    for (const struct qri_use *use = c->uses; use != NULL; use = use->next) {
        struct qr_plan_access *access = find_access(list, n, use);
        bool reads_columns = use->selects.bytes > 0;
        uint8_t needs =
            (uint8_t)(use->needs & ~(use->is_target && !reads_columns ? QR_ACCESS_SELECT : 0)) |
            (reads_columns ? QR_ACCESS_SELECT : 0);
        if (needs == 0)
            continue;
        if (access == NULL) {
            access = &list[n++];
            *access = (struct qr_plan_access){
                .object = use->object, .through = use->through, .synonym = use->synonym};
        }
        access->needs |= needs;
        QR_TRY(add_columns(c, &use->selects, &access->selects));
        QR_TRY(add_columns(c, &use->updates, &access->updates));
    }
    *ret = (struct qr_plan_accesses){.items = list, .count = n};
    return QR_OK;
}

enum qr_status qri_uses_adopt(struct qri_compile *c, const struct qri_compile *part)
{
    if (part->uses == NULL)
        return QR_OK;
    *(c->last_use == NULL ? &c->uses : &c->last_use->next) = part->uses;
    c->last_use = part->last_use;
    return QR_OK;
}
