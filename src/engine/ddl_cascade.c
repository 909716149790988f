/* ddl_cascade.c - which referential actions a foreign key may have; see ddl_int.h.
 *
 * Whatever a DELETE or an UPDATE of one table starts may come to each table on one way only, as SQL
 * Server has it ("Primary and foreign key constraints", cascading referential integrity): ways are
 * counted by tables, not by rows or columns. */
#include "ddl_int.h"
#include "base/sqlmsg.h"
#include "base/banned.h"

struct walk {
    struct qri_build *b;
    size_t own_count; /* of the table's own foreign keys: those up to the one in question */
    uint32_t *seen;
    size_t count, capacity;
    bool no_memory;
};

static bool acts(const struct qr_cat_fk *fk)
{
    return fk->on_delete != QR_FK_NO_ACTION || fk->on_update != QR_FK_NO_ACTION;
}

/* False: it was there. */
static bool add(struct walk *w, uint32_t table_id)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->seen[i] == table_id)
            return false;
    void *moved =
        qr_arena_grow(w->b->arena, w->seen, w->count, &w->capacity, w->count + 1, sizeof *w->seen);
    if (moved == NULL) {
        w->no_memory = true;
        return false;
    }
    w->seen = moved;
    w->seen[w->count++] = table_id;
    return true;
}

static bool goes_once(struct walk *w, uint32_t table_id, bool is_update);

static bool follow(struct walk *w, const struct qr_cat_fk *fk, bool is_update)
{
    enum qr_cat_fk_action action = is_update ? fk->on_update : fk->on_delete;
    if (action == QR_FK_NO_ACTION)
        return true;
    return add(w, fk->parent_object_id) &&
           goes_once(w, fk->parent_object_id, is_update || action != QR_FK_CASCADE);
}

/* What a DELETE or UPDATE of the table starts comes to no table that has been seen. */
static bool goes_once(struct walk *w, uint32_t table_id, bool is_update)
{
    const struct qr_cat_object *own = w->b->table;
    const struct qr_cat_object *table = qr_cat_by_id(w->b->env->catalog, table_id);
    for (size_t i = 0; i < w->own_count; i++)
        if (own->fks[i].referenced_object_id == table_id && !follow(w, &own->fks[i], is_update))
            return false;
    for (size_t i = 0; table != NULL && i < table->referenced_by_count; i++)
        if (table->referenced_by[i]->parent_object_id != own->object_id &&
            !follow(w, table->referenced_by[i], is_update))
            return false;
    return true;
}

/* All tables whose changes come to those that are seen. */
static void add_origins(struct walk *w)
{
    const struct qr_cat_object *own = w->b->table;
    for (size_t i = 0; i < w->count; i++) {
        bool is_own = w->seen[i] == own->object_id;
        const struct qr_cat_object *table =
            is_own ? own : qr_cat_by_id(w->b->env->catalog, w->seen[i]);
        size_t count = table == NULL ? 0 : is_own ? w->own_count : table->fk_count;
        for (size_t k = 0; k < count; k++)
            if (acts(&table->fks[k]))
                (void)!add(w, table->fks[k].referenced_object_id);
    }
}

static enum qr_status check_ways(struct qri_build *b, size_t index)
{
    const struct qr_cat_fk *fk = &b->table->fks[index];
    struct walk origins = {.b = b, .own_count = index + 1};
    struct walk w = {.b = b, .own_count = index + 1};
    (void)!add(&origins, fk->referenced_object_id);
    add_origins(&origins);
    bool once = true;
    for (size_t i = 0; once && i < 2 * origins.count; i++) {
        w.count = 0;
        (void)!add(&w, origins.seen[i / 2]);
        once = goes_once(&w, origins.seen[i / 2], i % 2 == 1);
    }
    if (w.no_memory || origins.no_memory)
        return qr_fail(b->err, QR_NOMEM, "foreign key");
    return once ? QR_OK
                : qr_sql_fail(b->err, 1785, qri_z(b->arena, fk->name),
                              qri_z(b->arena, b->table->name));
}

static enum qr_status check_columns(struct qri_build *b, const struct qr_cat_fk *fk)
{
    bool sets_null = fk->on_delete == QR_FK_SET_NULL || fk->on_update == QR_FK_SET_NULL;
    bool sets_default = fk->on_delete == QR_FK_SET_DEFAULT || fk->on_update == QR_FK_SET_DEFAULT;
    for (size_t i = 0; i < fk->column_count; i++) {
        const struct qr_cat_column *c = qr_cat_column_by_id(b->table, fk->parent_columns[i]);
        if (sets_null && !c->nullable)
            return qr_sql_fail(b->err, 1761, qri_z(b->arena, fk->name));
        if (sets_default && !c->nullable && c->default_object_id == 0)
            return qr_sql_fail(b->err, 1762, qri_z(b->arena, fk->name));
    }
    return QR_OK;
}

bool qri_cascade_meets(const struct qr_cat_fk *fk, const struct qr_cat_object *trigger)
{
    enum { UPDATE = 2, DELETE = 4 };
    return trigger->trigger_instead_of &&
           ((fk->on_delete != QR_FK_NO_ACTION && (trigger->trigger_events & DELETE) != 0) ||
            (fk->on_update != QR_FK_NO_ACTION && (trigger->trigger_events & UPDATE) != 0));
}

enum qr_status qri_build_cascade(struct qri_build *b, size_t index)
{
    const struct qr_cat_object *t = b->table;
    const struct qr_cat_fk *fk = &t->fks[index];
    if (!acts(fk))
        return QR_OK;
    QR_TRY(check_columns(b, fk));
    for (size_t i = 0; i < t->trigger_count; i++)
        if (qri_cascade_meets(fk, t->triggers[i]))
            return qr_sql_fail(b->err, 1787, qri_z(b->arena, fk->name), qri_z(b->arena, t->name));
    return check_ways(b, index);
}
