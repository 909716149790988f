/* rowset.c - see engine/rowset.h and rowset_int.h
 *
 * A row is serialised as: for each column one tag byte (enum qr_cell), then 8 bytes of a number,
 * 16 of a wide one, or a 4-byte length and the bytes. Rows lie in segments (rowset_space.h); the
 * index maps a position to (segment, offset). */
#include "rowset_int.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "memory_int.h"
#include "rowset_keys.h"
#include "rowset_space.h"
#include "base/banned.h"

struct place {
    uint32_t segment; /* UINT32_MAX: a hole */
    uint32_t offset;
};

struct qr_rowset {
    struct qr_type *types;
    size_t column_count;
    struct qri_space space;
    struct place *places;
    size_t place_count, place_capacity;
    uint64_t live_count;
    int64_t next_identity;
    struct qri_keys *keys; /* of a table variable; NULL: none yet */
};

/* ---- making ---- */

enum qr_status qr_rowset_new(const struct qr_type *types, size_t column_count,
                             struct qr_store *store, struct qr_rowset **ret_rowset,
                             struct qr_err *err)
{
    assert(column_count <= QR_ROWSET_COLUMNS_MAX);
    struct qr_rowset *rowset = calloc(1, sizeof *rowset);
    if (rowset != NULL)
        rowset->types = malloc((column_count + 1) * sizeof *types);
    if (rowset == NULL || rowset->types == NULL) {
        free(rowset);
        return qr_fail(err, QR_NOMEM, "make a rowset");
    }
    if (column_count > 0)
        memcpy(rowset->types, types, column_count * sizeof *types);
    rowset->column_count = column_count;
    rowset->space.store = store;
    rowset->next_identity = INT64_MIN;
    *ret_rowset = rowset;
    return QR_OK;
}

void qr_rowset_clear(struct qr_rowset *rowset)
{
    qri_space_clear(&rowset->space);
    rowset->place_count = 0;
    rowset->live_count = 0;
}

void qr_rowset_free(struct qr_rowset *rowset)
{
    if (rowset == NULL)
        return;
    qri_keys_forget(rowset);
    qri_memory_discharge(rowset->place_capacity * sizeof *rowset->places,
                         rowset->space.store != NULL);
    qri_space_done(&rowset->space);
    free(rowset->places);
    free(rowset->types);
    free(rowset);
}

size_t qr_rowset_column_count(const struct qr_rowset *rowset)
{
    return rowset->column_count;
}

const struct qr_type *qr_rowset_types(const struct qr_rowset *rowset)
{
    return rowset->types;
}

uint64_t qr_rowset_count(const struct qr_rowset *rowset)
{
    return rowset->live_count;
}

uint64_t qri_rowset_end(const struct qr_rowset *rowset)
{
    return rowset->place_count;
}

bool qri_rowset_exists(const struct qr_rowset *rowset, uint64_t position)
{
    return rowset->places[position].segment != UINT32_MAX;
}

static size_t row_bytes(const struct qr_rowset *rowset, const struct qr_value *values)
{
    size_t bytes = 0;
    for (size_t i = 0; i < rowset->column_count; i++) {
        static const uint8_t fixed[] = {
            [QR_CELL_NULL] = 1, [QR_CELL_INT] = 9,  [QR_CELL_REAL] = 9,
            [QR_CELL_TEXT] = 5, [QR_CELL_BLOB] = 5, [QR_CELL_WIDE] = 17};
        bytes += fixed[values[i].cell] + values[i].n;
    }
    return bytes;
}

static char *write_value(char *at, const struct qr_value *v)
{
    *at++ = (char)v->cell;
    switch (v->cell) {
    case QR_CELL_NULL:
        return at;
    case QR_CELL_INT:
        memcpy(at, &v->i, 8);
        return at + 8;
    case QR_CELL_REAL:
        memcpy(at, &v->r, 8);
        return at + 8;
    case QR_CELL_WIDE:
        memcpy(at, &v->w, 16);
        return at + 16;
    case QR_CELL_TEXT:
    case QR_CELL_BLOB:
        break;
    }
    uint32_t n = (uint32_t)v->n;
    memcpy(at, &n, 4);
    if (n > 0)
        memcpy(at + 4, v->p, n);
    return at + 4 + n;
}

static enum qr_status write_row(struct qr_rowset *rowset, const struct qr_value *values,
                                struct place *ret_place, struct qr_err *err)
{
    size_t need = row_bytes(rowset, values);
    if (need > INT32_MAX)
        return qr_fail(err, QR_TOO_BIG, "a row is over 2 GiB");
    char *at = NULL;
    QR_TRY(qri_space_add(&rowset->space, need, &at, &ret_place->segment, &ret_place->offset, err));
    for (size_t i = 0; i < rowset->column_count; i++)
        at = write_value(at, &values[i]);
    return QR_OK;
}

enum qr_status qr_rowset_append(struct qr_rowset *rowset, const struct qr_value *values,
                                struct qr_err *err)
{
    if (rowset->place_count == rowset->place_capacity) {
        size_t capacity = rowset->place_capacity == 0 ? 16 : rowset->place_capacity * 2;
        size_t more = (capacity - rowset->place_capacity) * sizeof(struct place);
        QR_TRY(qri_memory_charge(more, rowset->space.store != NULL, err));
        struct place *grown = realloc(rowset->places, capacity * sizeof *grown);
        if (grown == NULL) {
            qri_memory_discharge(more, rowset->space.store != NULL);
            return qr_fail(err, QR_NOMEM, "grow a rowset");
        }
        rowset->places = grown;
        rowset->place_capacity = capacity;
    }
    QR_TRY(write_row(rowset, values, &rowset->places[rowset->place_count], err));
    rowset->place_count++;
    rowset->live_count++;
    return qri_space_settle(&rowset->space, err); /* after it: `values` may be of this rowset */
}

static const char *read_value(const char *at, struct qr_value *v)
{
    v->cell = (enum qr_cell) * at++;
    v->n = 0;
    switch (v->cell) {
    case QR_CELL_NULL:
        return at;
    case QR_CELL_INT:
        memcpy(&v->i, at, 8);
        return at + 8;
    case QR_CELL_REAL:
        memcpy(&v->r, at, 8);
        return at + 8;
    case QR_CELL_WIDE:
        memcpy(&v->w, at, 16);
        return at + 16;
    case QR_CELL_TEXT:
    case QR_CELL_BLOB:
        break;
    }
    uint32_t n;
    memcpy(&n, at, 4);
    v->n = n;
    v->p = at + 4;
    return at + 4 + n;
}

enum qr_status qri_rowset_get(struct qr_rowset *rowset, uint64_t position, struct qr_value *values,
                              bool *ret_found, struct qr_err *err)
{
    assert(position < rowset->place_count);
    struct place place = rowset->places[position];
    *ret_found = place.segment != UINT32_MAX;
    if (!*ret_found)
        return QR_OK;
    const char *at = NULL;
    QR_TRY(qri_space_at(&rowset->space, place.segment, place.offset, &at, err));
    for (size_t i = 0; i < rowset->column_count; i++)
        at = read_value(at, &values[i]);
    return QR_OK;
}

uint64_t qri_rowset_version(const struct qr_rowset *rowset)
{
    return rowset->space.version;
}

enum qr_status qri_rowset_set(struct qr_rowset *rowset, uint64_t position,
                              const struct qr_value *values, struct qr_err *err)
{
    assert(position < rowset->place_count);
    struct place place;
    QR_TRY(write_row(rowset, values, &place, err));
    if (rowset->places[position].segment == UINT32_MAX)
        rowset->live_count++;
    rowset->places[position] = place;
    return qri_space_settle(&rowset->space, err);
}

void qri_rowset_delete(struct qr_rowset *rowset, uint64_t position)
{
    assert(position < rowset->place_count);
    if (rowset->places[position].segment == UINT32_MAX)
        return;
    rowset->places[position].segment = UINT32_MAX;
    rowset->live_count--;
}

struct qri_keys **qri_rowset_keys(struct qr_rowset *rowset)
{
    return &rowset->keys;
}

int64_t *qri_rowset_identity(struct qr_rowset *rowset)
{
    return &rowset->next_identity;
}

void qri_rowset_cut(struct qr_rowset *rowset, uint64_t count)
{
    while (rowset->place_count > count) {
        rowset->place_count--;
        if (rowset->places[rowset->place_count].segment != UINT32_MAX)
            rowset->live_count--;
    }
}

struct qri_rowset_place qri_rowset_place(const struct qr_rowset *rowset, uint64_t position)
{
    const struct place *place = &rowset->places[position];
    return (struct qri_rowset_place){position, place->segment, place->offset};
}

void qri_rowset_restore(struct qr_rowset *rowset, const struct qri_rowset_place *place)
{
    struct place *now = &rowset->places[place->position];
    rowset->live_count -= now->segment != UINT32_MAX;
    *now = (struct place){place->segment, place->offset};
    rowset->live_count += now->segment != UINT32_MAX;
}
