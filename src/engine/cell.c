/* cell.c - see link.h */
#include "link.h"
#include <assert.h>
#include "base/banned.h"

/* Types whose stored cell is the value itself, whatever the value. */
static bool is_plain(const struct qr_type *type)
{
    switch ((int)type->id) {
    case QR_TYPE_DECIMAL:
    case QR_TYPE_NUMERIC:
        return type->precision <= 18;
    case QR_TYPE_CHAR:
    case QR_TYPE_NCHAR:
    case QR_TYPE_BINARY:
    case QR_TYPE_DATETIMEOFFSET:
        return false;
    default:
        return true;
    }
}

struct qr_value qri_stored(const struct qr_type *type, const struct qr_value *value,
                           uint8_t scratch[16])
{
    return is_plain(type) ? *value : qr_value_store(type, value, scratch);
}

static enum qr_status bind(sqlite3_stmt *stmt, int index, const struct qr_type *type,
                           const struct qr_value *value, bool copy, struct qr_err *err)
{
    uint8_t scratch[16];
    struct qr_value v = qri_stored(type, value, scratch);
    int rc = SQLITE_OK;
    /* transient for what lies on this stack; the rest lives as long as its frame or row */
    sqlite3_destructor_type keep =
        copy || v.p == (const char *)scratch ? SQLITE_TRANSIENT : SQLITE_STATIC;
    switch (v.cell) {
    case QR_CELL_NULL:
        rc = sqlite3_bind_null(stmt, index);
        break;
    case QR_CELL_INT:
        rc = sqlite3_bind_int64(stmt, index, v.i);
        break;
    case QR_CELL_REAL:
        rc = sqlite3_bind_double(stmt, index, v.r);
        break;
    case QR_CELL_TEXT:
        rc = sqlite3_bind_text64(stmt, index, v.n == 0 ? "" : v.p, v.n, keep, SQLITE_UTF8);
        break;
    case QR_CELL_BLOB:
        rc = sqlite3_bind_blob64(stmt, index, v.n == 0 ? "" : v.p, v.n, keep);
        break;
    case QR_CELL_WIDE:
        assert(false && "a wide value has a stored form");
    }
    if (rc == SQLITE_OK)
        return QR_OK;
    return qr_fail(err, rc == SQLITE_TOOBIG ? QR_TOO_BIG : QR_NOMEM, "bind parameter %d", index);
}

enum qr_status qri_bind(sqlite3_stmt *stmt, int index, const struct qr_type *type,
                        const struct qr_value *value, struct qr_err *err)
{
    return bind(stmt, index, type, value, false, err);
}

enum qr_status qri_bind_copy(sqlite3_stmt *stmt, int index, const struct qr_type *type,
                             const struct qr_value *value, struct qr_err *err)
{
    return bind(stmt, index, type, value, true, err);
}

static enum qr_status load(const struct qr_type *type, struct qr_value cell, struct qr_arena *arena,
                           struct qr_value *ret_value, struct qr_err *err)
{
    if (cell.cell == QR_CELL_INT && qr_type_cell(type) == QR_CELL_REAL)
        cell = qr_value_real((double)cell.i); /* SQLite keeps whole REALs as integers */
    if (cell.cell == QR_CELL_NULL || (is_plain(type) && cell.cell == qr_type_cell(type))) {
        *ret_value = cell;
        return QR_OK;
    }
    return qr_value_load(type, &cell, arena, ret_value, err);
}

enum qr_status qri_column(sqlite3_stmt *stmt, int index, const struct qr_type *type,
                          struct qr_arena *arena, struct qr_value *ret_value, struct qr_err *err)
{
    struct qr_value v;
    switch (sqlite3_column_type(stmt, index)) {
    case SQLITE_INTEGER:
        v = qr_value_int(sqlite3_column_int64(stmt, index));
        break;
    case SQLITE_FLOAT:
        v = qr_value_real(sqlite3_column_double(stmt, index));
        break;
    case SQLITE_TEXT: {
        const char *p = (const char *)sqlite3_column_text(stmt, index);
        v = qr_value_text(p, (size_t)sqlite3_column_bytes(stmt, index));
        break;
    }
    case SQLITE_BLOB: {
        const void *p = sqlite3_column_blob(stmt, index);
        v = qr_value_blob(p == NULL ? "" : p, (size_t)sqlite3_column_bytes(stmt, index));
        break;
    }
    default:
        v = qr_value_null();
    }
    return load(type, v, arena, ret_value, err);
}

enum qr_status qri_from_sqlite(sqlite3_value *cell, const struct qr_type *type,
                               struct qr_arena *arena, struct qr_value *ret_value,
                               struct qr_err *err)
{
    struct qr_value v;
    switch (sqlite3_value_type(cell)) {
    case SQLITE_INTEGER:
        v = qr_value_int(sqlite3_value_int64(cell));
        break;
    case SQLITE_FLOAT:
        v = qr_value_real(sqlite3_value_double(cell));
        break;
    case SQLITE_TEXT: {
        const char *p = (const char *)sqlite3_value_text(cell);
        v = qr_value_text(p, (size_t)sqlite3_value_bytes(cell));
        break;
    }
    case SQLITE_BLOB: {
        const void *p = sqlite3_value_blob(cell);
        v = qr_value_blob(p == NULL ? "" : p, (size_t)sqlite3_value_bytes(cell));
        break;
    }
    default:
        v = qr_value_null();
    }
    return load(type, v, arena, ret_value, err);
}

static void result(sqlite3_context *ctx, const struct qr_type *type, const struct qr_value *value,
                   bool kept)
{
    uint8_t scratch[16];
    struct qr_value v = is_plain(type) ? *value : qr_value_store(type, value, scratch);
    sqlite3_destructor_type keep =
        kept && v.p != (const char *)scratch ? SQLITE_STATIC : SQLITE_TRANSIENT;
    switch (v.cell) {
    case QR_CELL_NULL:
        sqlite3_result_null(ctx);
        break;
    case QR_CELL_INT:
        sqlite3_result_int64(ctx, v.i);
        break;
    case QR_CELL_REAL:
        sqlite3_result_double(ctx, v.r);
        break;
    case QR_CELL_TEXT:
        sqlite3_result_text64(ctx, v.n == 0 ? "" : v.p, v.n, keep, SQLITE_UTF8);
        break;
    case QR_CELL_BLOB:
        sqlite3_result_blob64(ctx, v.n == 0 ? "" : v.p, v.n, keep);
        break;
    case QR_CELL_WIDE:
        assert(false && "a wide value has a stored form");
    }
}

void qri_result(sqlite3_context *ctx, const struct qr_type *type, const struct qr_value *value)
{
    result(ctx, type, value, false);
}

void qri_result_kept(sqlite3_context *ctx, const struct qr_type *type, const struct qr_value *value)
{
    result(ctx, type, value, true);
}
