/* Implements table-valued parameters (tds/rpc.h). [MS-TDS] 2.2.5.5.5. */
#include "tds/rpc.h"
#include <assert.h>
#include "rpc_int.h"
#include "base/banned.h"

enum {
    TVP_END = 0x00,
    TVP_ROW = 0x01,
    TVP_ORDER_UNIQUE = 0x10,
    TVP_COLUMN_ORDERING = 0x11,
    TVP_NULL = 0xFFFF,
    FLAG_DEFAULT = 0x200,
};

static enum qr_status read_columns(struct qr_tds_cursor *c, struct qr_arena *arena,
                                   struct qr_tds_tvp *tvp, struct qr_err *err)
{
    uint16_t count = qr_tds_take16(c);
    if (c->failed)
        return qr_fail(err, QR_TRUNCATED, "a table-valued parameter is cut");
    tvp->is_null = count == TVP_NULL;
    if (tvp->is_null)
        return QR_OK;
    if (count == 0 || count > QR_TDS_TVP_COLUMNS_MAX)
        return qr_fail(err, QR_PROTOCOL, "a table-valued parameter of %u columns", count);
    tvp->column_count = count;
    tvp->columns = qr_arena_array(arena, count, sizeof *tvp->columns);
    if (tvp->columns == NULL)
        return qr_fail(err, QR_NOMEM, "columns");
    for (size_t i = 0; i < count; i++) {
        struct qr_tds_tvp_column *column = &tvp->columns[i];
        (void)qr_tds_take32(c); /* user type */
        column->is_default = (qr_tds_take16(c) & FLAG_DEFAULT) != 0;
        QR_TRY(qr_tds_read_type(c, QR_TDS_IN_PARAM, &column->wire, err));
        if (column->wire.token == QR_TDS_TVP)
            return qr_fail(err, QR_PROTOCOL, "a table-valued parameter inside another");
        QR_TRY(qri_take_name(c, qr_tds_take8(c), arena, &column->name, err));
    }
    return QR_OK;
}

/* Ordering and uniqueness are hints; both are lists that are skipped. */
static enum qr_status read_optional_metadata(struct qr_tds_cursor *c, struct qr_err *err)
{
    for (;;) {
        uint8_t token = qr_tds_take8(c);
        if (c->failed)
            return qr_fail(err, QR_TRUNCATED, "a table-valued parameter is cut");
        if (token == TVP_END)
            return QR_OK;
        size_t count = qr_tds_take16(c);
        if (token == TVP_ORDER_UNIQUE)
            (void)qr_tds_take(c, count * 3); /* column number, flags */
        else if (token == TVP_COLUMN_ORDERING)
            (void)qr_tds_take(c, count * 2);
        else
            return qr_fail(err, QR_PROTOCOL, "table-valued parameter metadata 0x%02X", token);
    }
}

static enum qr_status read_row(struct qr_tds_cursor *c, const struct qr_tds_tvp *tvp,
                               struct qr_arena *arena, struct qr_value *values, bool *ret_row,
                               struct qr_err *err)
{
    uint8_t token = qr_tds_take8(c);
    if (c->failed)
        return qr_fail(err, QR_TRUNCATED, "a table-valued parameter is cut");
    if (token == TVP_END) {
        *ret_row = false;
        return QR_OK;
    }
    if (token != TVP_ROW)
        return qr_fail(err, QR_PROTOCOL, "table-valued parameter row token 0x%02X", token);
    for (size_t i = 0; i < tvp->column_count; i++) {
        values[i] = qr_value_null();
        if (!tvp->columns[i].is_default)
            QR_TRY(qr_wrap(err, qr_tds_read_value(c, &tvp->columns[i].wire, arena, &values[i], err),
                           "column %zu", i + 1));
    }
    *ret_row = true;
    return QR_OK;
}

/* Walks all rows once with a throw-away arena, so that later reading cannot fail on their form. */
static enum qr_status check_rows(struct qr_tds_cursor *c, struct qr_tds_tvp *tvp,
                                 struct qr_value *values, struct qr_err *err)
{
    enum { ROW_BYTES_MAX = 1 << 30 };
    struct qr_arena arena_row;
    qr_arena_init(&arena_row, ROW_BYTES_MAX);
    enum qr_status status;
    bool row = true;
    do {
        qr_arena_reset(&arena_row);
        status = read_row(c, tvp, &arena_row, values, &row, err);
        if (status == QR_OK && row)
            tvp->row_count++;
    } while (status == QR_OK && row);
    qr_arena_done(&arena_row);
    return status;
}

enum qr_status qri_tvp_read(struct qr_tds_cursor *c, struct qr_arena *arena,
                            struct qr_tds_tvp **ret_tvp, struct qr_err *err)
{
    struct qr_tds_tvp *tvp = qr_arena_alloc(arena, sizeof *tvp);
    if (tvp == NULL)
        return qr_fail(err, QR_NOMEM, "a table-valued parameter");
    struct qr_str database;
    QR_TRY(qri_take_name(c, qr_tds_take8(c), arena, &database, err));
    QR_TRY(qri_take_name(c, qr_tds_take8(c), arena, &tvp->schema, err));
    QR_TRY(qri_take_name(c, qr_tds_take8(c), arena, &tvp->type_name, err));
    if (database.n > 0)
        return qr_fail(err, QR_PROTOCOL, "a table type with a database name");
    QR_TRY(read_columns(c, arena, tvp, err));
    QR_TRY(read_optional_metadata(c, err));
    tvp->rows = *c;
    struct qr_value *values = qr_arena_array(arena, tvp->column_count + 1, sizeof *values);
    if (values == NULL)
        return qr_fail(err, QR_NOMEM, "a row");
    QR_TRY(check_rows(c, tvp, values, err));
    *ret_tvp = tvp;
    return QR_OK;
}

enum qr_status qr_tds_tvp_next(struct qr_tds_tvp *tvp, struct qr_arena *arena,
                               struct qr_value *values, bool *ret_row, struct qr_err *err)
{
    return read_row(&tvp->rows, tvp, arena, values, ret_row, err);
}
