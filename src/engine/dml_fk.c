/* dml_fk.c - foreign keys after a statement's rows were applied: rows that point at nothing, rows
 * that are pointed at, and the cascades between. */
#include <assert.h>
#include "dml_int.h"
#include "base/banned.h"

enum { CASCADE_DEPTH_MAX = 32 };

static bool has_null(const struct qr_value *row, const uint16_t *columns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (row[columns[i]].cell == QR_CELL_NULL)
            return true;
    return false;
}

static bool same_key(const struct qri_table *table, const uint16_t *columns, size_t count,
                     const struct qr_value *a, const struct qr_value *b)
{
    for (size_t i = 0; i < count; i++) {
        const struct qr_value *x = &a[columns[i]], *y = &b[columns[i]];
        if (x->cell == QR_CELL_NULL || y->cell == QR_CELL_NULL) {
            if (x->cell != y->cell)
                return false;
        } else if (qr_value_compare(&table->object->columns[columns[i]].type, x, y) != 0) {
            return false;
        }
    }
    return true;
}

static enum qri_event event_of(const struct qr_value *change, size_t count)
{
    switch (change[count - 1].i) {
    case QR_ACTION_INSERT:
        return QRI_INSERT;
    case QR_ACTION_UPDATE:
        return QRI_UPDATE;
    default:
        return QRI_DELETE;
    }
}

/* The statement is named, not what it does to the row: MERGE, and DELETE whose child gets a
 * default.
 */
static const char *verb_of(const struct qri_run *run)
{
    return run->dml == NULL ? "INSERT" : run->verb; /* a bulk load */
}

/* ---- out ---- */

static enum qr_status check_out(struct qri_run *run, const struct qri_table *table,
                                const struct qri_fk_out *out, const struct qr_value *row,
                                const char *verb)
{
    size_t count = out->fk->column_count;
    if (has_null(row, out->columns, count))
        return QR_OK;
    bool found = false;
    QR_TRY(qri_lock_parent(run, out, row));
    QR_TRY(qri_probe(run, out->probe, table, out->columns, count, row, NULL, 0, &found));
    if (found)
        return QR_OK;
    bool self = out->parent == table->object;
    return qri_fail_fk(run, verb, self ? "FOREIGN KEY SAME TABLE" : "FOREIGN KEY", out->fk,
                       out->parent, out->fk->referenced_columns[0]);
}

enum qr_status qri_fk_check_row(struct qri_run *run, const struct qri_table *table,
                                const struct qr_value *row, const char *verb)
{
    for (size_t i = 0; i < table->fk_count; i++)
        QR_TRY(check_out(run, table, &table->fks[i], row, verb));
    return QR_OK;
}

static enum qr_status check_change_out(struct qri_run *run, const struct qri_table *table,
                                       const struct qr_value *change, enum qri_event event)
{
    const struct qr_value *old = change, *row = change + table->n;
    for (size_t i = 0; i < table->fk_count; i++) {
        const struct qri_fk_out *out = &table->fks[i];
        if (event == QRI_UPDATE && same_key(table, out->columns, out->fk->column_count, old, row))
            continue;
        QR_TRY(check_out(run, table, out, row, verb_of(run)));
    }
    return QR_OK;
}

/* ---- in ---- */

struct cascade {
    struct qri_run *run;
    const struct qri_table *table;
    const struct qri_fk_in *in;
    struct qr_rowset *rows; /* changes of the child; NULL: none yet */
    struct qr_value *row;   /* of the child */
    uint32_t depth;
};

static size_t child_count(const struct qri_table *child)
{
    return 2 * child->n + 2;
}

static enum qr_status new_rows(struct cascade *c)
{
    const struct qri_table *child = c->in->child;
    size_t count = child_count(child);
    struct qr_arena *arena = &c->run->frame->arena;
    struct qr_type *types = qr_arena_array(arena, count, sizeof *types);
    c->row = qr_arena_array(arena, count, sizeof *c->row);
    if (types == NULL || c->row == NULL)
        return qr_fail(c->run->err, QR_NOMEM, "cascade");
    for (size_t i = 0; i < child->n; i++)
        types[i] = types[child->n + i] = child->object->columns[i].type;
    types[count - 2] = types[count - 1] = qr_type_of(QR_TYPE_BIGINT);
    return qr_rowset_new(types, count, c->run->session->db->store, &c->rows, c->run->err);
}

/* What the child's row becomes; the parent's new key under ON UPDATE CASCADE. */
static enum qr_status new_child(struct cascade *c, enum qr_cat_fk_action action,
                                const struct qr_value *parent_row)
{
    const struct qri_table *child = c->in->child;
    struct qri_run *run = c->run;
    struct qr_value *old = c->row, *row = c->row + child->n;
    for (size_t i = 0; i < child->n; i++)
        row[i] = old[i];
    for (size_t i = 0; i < c->in->fk->column_count; i++) {
        uint16_t column = c->in->child_columns[i];
        row[column] = qr_value_null();
        if (action == QR_FK_CASCADE)
            row[column] = parent_row[c->in->columns[i]];
        if (action == QR_FK_SET_DEFAULT && child->defaults[column] != NULL) {
            run->eval.inputs = NULL;
            run->eval.input_count = 0;
            QR_TRY(qr_expr_eval(child->defaults[column], &run->eval, &row[column], run->err));
        }
    }
    return qri_row_complete_update(run, child, row);
}

static enum qr_status read_child(struct cascade *c, struct qri_stmt *stmt)
{
    const struct qri_table *child = c->in->child;
    for (size_t i = 0; i < child_count(child); i++)
        c->row[i] = qr_value_null();
    for (size_t i = 0; i < child->stored_count; i++)
        QR_TRY(qri_column(stmt->stmt, (int)i, &child->object->columns[child->stored[i]].type,
                          &c->run->arena, &c->row[child->stored[i]], c->run->err));
    c->row[2 * child->n] = qr_value_int(sqlite3_column_int64(stmt->stmt, (int)child->stored_count));
    return QR_OK;
}

/* A default that was its value before points at the row that has gone: no later check asks for it.
 */
static enum qr_status check_default(const struct cascade *c)
{
    const struct qri_table *child = c->in->child;
    size_t count = c->in->fk->column_count;
    if (has_null(c->row + child->n, c->in->child_columns, count) ||
        !same_key(child, c->in->child_columns, count, c->row, c->row + child->n))
        return QR_OK;
    return qri_fail_fk(c->run, verb_of(c->run),
                       child->object == c->table->object ? "FOREIGN KEY SAME TABLE" : "FOREIGN KEY",
                       c->in->fk, c->table->object, c->in->fk->referenced_columns[0]);
}

static enum qr_status collect(struct cascade *c, struct qri_stmt *stmt,
                              enum qr_cat_fk_action action, bool is_delete,
                              const struct qr_value *parent_row)
{
    struct qri_run *run = c->run;
    for (size_t i = 0; i < c->in->fk->column_count; i++)
        QR_TRY(qri_bind(stmt->stmt, (int)i + 1, &c->table->object->columns[c->in->columns[i]].type,
                        &parent_row[c->in->columns[i]], run->err));
    const struct qr_value *new_key = parent_row + c->table->n;
    for (;;) {
        bool more = false;
        QR_TRY(qri_stmt_step(run->session->link, stmt, &more, run->err));
        if (!more)
            return QR_OK;
        if (action == QR_FK_NO_ACTION)
            return qri_fail_fk(run, verb_of(run),
                               c->in->child->object == c->table->object ? "SAME TABLE REFERENCE"
                                                                        : "REFERENCE",
                               c->in->fk, c->in->child->object, c->in->fk->parent_columns[0]);
        if (c->rows == NULL)
            QR_TRY(new_rows(c));
        QR_TRY(read_child(c, stmt));
        bool deletes = is_delete && action == QR_FK_CASCADE;
        if (!deletes)
            QR_TRY(new_child(c, action, new_key));
        if (action == QR_FK_SET_DEFAULT)
            QR_TRY(check_default(c));
        c->row[child_count(c->in->child) - 1] =
            qr_value_int(deletes ? QR_ACTION_DELETE : QR_ACTION_UPDATE);
        QR_TRY(qr_rowset_append(c->rows, c->row, run->err));
        if (run->arena.chunk != NULL)
            qr_arena_reset(&run->arena);
    }
}

/* One parent row that changed: whose rows point at its old key? */
static enum qr_status visit(struct cascade *c, const struct qr_value *change, size_t count,
                            bool cascading)
{
    struct qri_run *run = c->run;
    const struct qri_fk_in *in = c->in;
    enum qri_event event = event_of(change, count);
    enum qr_cat_fk_action action = event == QRI_DELETE ? in->fk->on_delete : in->fk->on_update;
    const struct qr_value *old = change, *row = change + c->table->n;
    size_t columns = in->fk->column_count;
    if (event == QRI_INSERT || (action != QR_FK_NO_ACTION) != cascading ||
        has_null(old, in->columns, columns))
        return QR_OK;
    if (event == QRI_UPDATE && same_key(c->table, in->columns, columns, old, row))
        return QR_OK;
    bool still = false;
    QR_TRY(qri_probe(run, in->parent_probe, c->table, in->columns, columns, old, NULL, 0, &still));
    if (still)
        return QR_OK;
    struct qri_stmt *stmt = NULL;
    if (action == QR_FK_NO_ACTION && in->child == NULL)
        return QR_OK;
    QR_TRY(qri_stmt_take(run->session->link, in->child_rows, &stmt, run->err));
    enum qr_status status = collect(c, stmt, action, event == QRI_DELETE, old);
    qri_stmt_put(run->session->link, stmt);
    return status;
}

static enum qr_status apply_child(struct cascade *c)
{
    const struct qri_table *child = c->in->child;
    struct qri_run *run = c->run;
    struct qri_writer writer;
    qri_writer_init(&writer, run, child);
    unsigned events = 0;
    enum qr_status status = QR_OK;
    for (uint64_t i = 0; i < qri_rowset_end(c->rows) && status == QR_OK; i++) {
        bool found = false;
        status = qri_rowset_get(c->rows, i, c->row, &found, run->err);
        enum qri_event event = event_of(c->row, child_count(child));
        events |= event;
        int64_t rowid = c->row[2 * child->n].i;
        if (status == QR_OK && event == QRI_DELETE)
            status = qri_write_delete(&writer, c->row, rowid);
        else if (status == QR_OK)
            status = qri_write_update(&writer, c->row, c->row + child->n, rowid);
    }
    qri_writer_done(&writer);
    QR_TRY(status);
    QR_TRY(qri_fk_changes(run, child, c->rows, events, c->depth + 1));
    for (unsigned event = QRI_INSERT; event <= QRI_DELETE; event *= 2)
        if ((events & event) != 0 && qri_table_fires(child->object, event, false))
            QR_TRY(qri_fire(run, child, c->rows, (enum qri_event)event, c->in->child_columns,
                            c->in->fk->column_count, false));
    return QR_OK;
}

static enum qr_status follow(struct cascade *c, struct qr_rowset *changes, bool cascading)
{
    size_t count = qr_rowset_column_count(changes);
    struct qr_value *change = qr_arena_array(&c->run->frame->arena, count, sizeof *change);
    if (change == NULL)
        return qr_fail(c->run->err, QR_NOMEM, "cascade");
    for (uint64_t i = 0; i < qri_rowset_end(changes); i++) {
        bool found = false;
        QR_TRY(qri_rowset_get(changes, i, change, &found, c->run->err));
        if (found)
            QR_TRY(visit(c, change, count, cascading));
    }
    return c->rows == NULL ? QR_OK : apply_child(c);
}

enum qr_status qri_fk_changes(struct qri_run *run, const struct qri_table *table,
                              struct qr_rowset *changes, unsigned events, uint32_t depth)
{
    if (depth > CASCADE_DEPTH_MAX)
        return qr_sql_fail(run->err, 217, CASCADE_DEPTH_MAX);
    size_t count = qr_rowset_column_count(changes);
    struct qr_value *change = qr_arena_array(&run->frame->arena, count, sizeof *change);
    if (change == NULL)
        return qr_fail(run->err, QR_NOMEM, "check foreign keys");
    bool inserts = (events & (QRI_INSERT | QRI_UPDATE)) != 0 && table->fk_count > 0;
    for (uint64_t i = 0; inserts && i < qri_rowset_end(changes); i++) {
        bool found = false;
        QR_TRY(qri_rowset_get(changes, i, change, &found, run->err));
        enum qri_event event = event_of(change, count);
        if (found && event != QRI_DELETE)
            QR_TRY(check_change_out(run, table, change, event));
    }
    if ((events & (QRI_UPDATE | QRI_DELETE)) == 0)
        return QR_OK;
    for (int cascading = 1; cascading >= 0; cascading--) { /* then what may not be left behind */
        for (size_t i = 0; i < table->ref_count; i++) {
            struct cascade c = {.run = run, .table = table, .in = &table->refs[i], .depth = depth};
            enum qr_status status = follow(&c, changes, cascading == 1);
            qr_rowset_free(c.rows);
            QR_TRY(status);
        }
    }
    return QR_OK;
}
