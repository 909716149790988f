/* dml_rowset.c - table variables as targets: rows of our own, outside transactions. */
#include <assert.h>
#include <stdlib.h>
#include "rowset_keys.h"
#include "base/banned.h"

/* Is there another row with the key of `row`? */
static enum qr_status check_unique(struct qri_run *run, const struct qri_table *table,
                                   struct qr_rowset *rowset, const struct qr_value *row,
                                   uint64_t own)
{
    for (size_t k = 0; k < table->unique_count; k++) {
        bool found = false;
        QR_TRY(qri_keys_find(run, table, rowset, k, row, own, &found));
        if (found)
            return qri_fail_unique(run, table, &table->uniques[k], row);
    }
    return QR_OK;
}

enum qr_status qri_rowset_insert(struct qri_run *run, const struct qri_table *table,
                                 struct qr_rowset *rowset, const struct qr_value *row)
{
    QR_TRY(check_unique(run, table, rowset, row, UINT64_MAX));
    return qr_rowset_append(rowset, row, run->err);
}

/* ---- statements ---- */

struct undo {
    struct qri_rowset_place *places;
    size_t count, capacity;
    uint64_t end; /* positions before the statement */
};

static enum qr_status remember(struct qri_run *run, struct undo *undo, uint64_t position)
{
    if (undo->count == undo->capacity) {
        size_t capacity = undo->capacity == 0 ? 16 : undo->capacity * 2;
        struct qri_rowset_place *grown = realloc(undo->places, capacity * sizeof *grown);
        if (grown == NULL)
            return qr_fail(run->err, QR_NOMEM, "change a table variable");
        undo->places = grown;
        undo->capacity = capacity;
    }
    undo->places[undo->count++] = qri_rowset_place(run->rowset, position);
    return QR_OK;
}

static enum qr_status take_phase(struct qri_run *run, struct undo *undo)
{
    const struct qri_table *table = run->dml->table;
    for (uint64_t i = 0; i < qri_rowset_end(run->changes); i++) {
        bool found = false;
        QR_TRY(qri_rowset_get(run->changes, i, run->row, &found, run->err));
        if (run->row[run->dml->change_count - 1].i == QR_ACTION_INSERT)
            continue;
        uint64_t position = (uint64_t)run->row[2 * table->n].i;
        QR_TRY(remember(run, undo, position));
        qri_rowset_delete(run->rowset, position);
    }
    return QR_OK;
}

static enum qr_status put_phase(struct qri_run *run)
{
    const struct qri_table *table = run->dml->table;
    for (uint64_t i = 0; i < qri_rowset_end(run->changes); i++) {
        bool found = false;
        QR_TRY(qri_rowset_get(run->changes, i, run->row, &found, run->err));
        const struct qr_value *row = run->row + table->n;
        int64_t action = run->row[run->dml->change_count - 1].i;
        uint64_t position = (uint64_t)run->row[2 * table->n].i;
        if (action == QR_ACTION_INSERT) {
            QR_TRY(qri_rowset_insert(run, table, run->rowset, row));
        } else if (action == QR_ACTION_UPDATE) {
            QR_TRY(check_unique(run, table, run->rowset, row, position));
            QR_TRY(qri_rowset_set(run->rowset, position, row, run->err));
            QR_TRY(qri_keys_changed(run, table, run->rowset, row, position));
        }
        if (run->arena.chunk != NULL)
            qr_arena_reset(&run->arena);
    }
    return QR_OK;
}

enum qr_status qri_rowset_dml(struct qri_run *run)
{
    struct undo undo = {.end = qri_rowset_end(run->rowset)};
    enum qr_status status = take_phase(run, &undo);
    if (status == QR_OK)
        status = put_phase(run);
    if (status != QR_OK) {
        qri_keys_forget(run->rowset);
        qri_rowset_cut(run->rowset, undo.end);
        for (size_t i = undo.count; i > 0; i--)
            qri_rowset_restore(run->rowset, &undo.places[i - 1]);
    }
    free(undo.places);
    return status;
}
