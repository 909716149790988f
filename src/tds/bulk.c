/* Implements tds/bulk.h. */
#include "tds/bulk.h"
#include <assert.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "rpc_int.h"
#include "base/banned.h"

void qr_tds_bulk_init(struct qr_tds_bulk *bulk, enum qr_tds_version version,
                      struct qr_arena *arena_request, size_t row_bytes_max)
{
    *bulk = (struct qr_tds_bulk){.version = version, .arena_request = arena_request};
    qr_buf_init(&bulk->pending, row_bytes_max);
}

void qr_tds_bulk_done(struct qr_tds_bulk *bulk)
{
    qr_buf_done(&bulk->pending);
}

enum qr_status qr_tds_bulk_feed(struct qr_tds_bulk *bulk, const uint8_t *bytes, size_t count,
                                struct qr_err *err)
{
    assert(!bulk->final);
    if (bulk->ended)
        return QR_OK; /* bytes behind DONE are ignored */
    qr_buf_consume(&bulk->pending, bulk->used);
    bulk->used = 0;
    qr_buf_add(&bulk->pending, bytes, count);
    return qr_buf_status(&bulk->pending, err);
}

void qr_tds_bulk_finish(struct qr_tds_bulk *bulk)
{
    bulk->final = true;
}

static enum qr_status read_columns(struct qr_tds_bulk *bulk, struct qr_tds_cursor *c,
                                   struct qr_err *err)
{
    enum { NO_METADATA = 0xFFFF };
    uint16_t count = qr_tds_take16(c);
    if (c->failed)
        return qr_fail(err, QR_TRUNCATED, "bulk metadata is cut");
    if (bulk->has_columns || count == 0 || count == NO_METADATA || count > QR_TDS_BULK_COLUMNS_MAX)
        return qr_fail(err, QR_PROTOCOL, "bulk metadata of %u columns", count);
    struct qr_tds_bulk_column *columns =
        qr_arena_array(bulk->arena_request, count, sizeof *columns);
    if (columns == NULL)
        return qr_fail(err, QR_NOMEM, "bulk columns");
    for (size_t i = 0; i < count; i++) {
        if (bulk->version >= QR_TDS_VERSION_72)
            (void)qr_tds_take32(c); /* user type */
        else
            (void)qr_tds_take16(c);
        columns[i].flags = qr_tds_take16(c);
        enum qr_status status = qr_tds_read_type(c, QR_TDS_IN_BULK, &columns[i].wire, err);
        if (status == QR_PROTOCOL || (status == QR_OK && columns[i].wire.token == QR_TDS_TVP))
            return qr_sql_fail(err, 4816, (int)i + 1);
        QR_TRY(status);
        QR_TRY(qri_take_name(c, qr_tds_take8(c), bulk->arena_request, &columns[i].name, err));
    }
    bulk->columns = columns;
    bulk->column_count = count;
    bulk->has_columns = true;
    return QR_OK;
}

static enum qr_status read_row(struct qr_tds_bulk *bulk, struct qr_tds_cursor *c, bool has_bitmap,
                               struct qr_arena *arena, struct qr_value *values, struct qr_err *err)
{
    if (!bulk->has_columns)
        return qr_fail(err, QR_PROTOCOL, "a bulk row before its metadata");
    const uint8_t *bitmap = has_bitmap ? qr_tds_take(c, (bulk->column_count + 7) / 8) : NULL;
    if (c->failed)
        return qr_fail(err, QR_TRUNCATED, "a bulk row is cut");
    for (size_t i = 0; i < bulk->column_count; i++) {
        if (has_bitmap && (bitmap[i / 8] >> (i % 8) & 1) != 0) {
            values[i] = qr_value_null();
            continue;
        }
        enum qr_status status =
            qr_tds_read_value(c, &bulk->columns[i].wire, arena, &values[i], err);
        if (status == QR_PROTOCOL || status == QR_INVALID)
            return qr_sql_fail(err, 4815, (int)i + 1);
        QR_TRY(status);
    }
    return QR_OK;
}

static enum qr_status read_token(struct qr_tds_bulk *bulk, struct qr_tds_cursor *c,
                                 struct qr_arena *arena_row, struct qr_value *values,
                                 enum qr_tds_bulk_event *ret_event, struct qr_err *err)
{
    uint8_t token = qr_tds_take8(c);
    switch (token) {
    case QR_TDS_TOKEN_COLMETADATA:
        QR_TRY(read_columns(bulk, c, err));
        *ret_event = QR_TDS_BULK_COLUMNS;
        return QR_OK;
    case QR_TDS_TOKEN_ROW:
    case QR_TDS_TOKEN_NBCROW:
        QR_TRY(read_row(bulk, c, token == QR_TDS_TOKEN_NBCROW, arena_row, values, err));
        bulk->row_count++;
        *ret_event = QR_TDS_BULK_ROW;
        return QR_OK;
    case QR_TDS_TOKEN_DONE:
        (void)qr_tds_take(c, bulk->version >= QR_TDS_VERSION_72 ? 12 : 8);
        if (c->failed && !bulk->final)
            return qr_fail(err, QR_TRUNCATED, "bulk end is cut");
        bulk->ended = true;
        *ret_event = QR_TDS_BULK_END;
        return QR_OK;
    default:
        return qr_fail(err, QR_PROTOCOL, "token 0x%02X in a bulk load", token);
    }
}

enum qr_status qr_tds_bulk_next(struct qr_tds_bulk *bulk, struct qr_arena *arena_row,
                                struct qr_value *values, enum qr_tds_bulk_event *ret_event,
                                struct qr_err *err)
{
    size_t left = bulk->pending.len - bulk->used;
    if (bulk->ended || (left == 0 && bulk->final)) {
        bulk->ended = true;
        *ret_event = QR_TDS_BULK_END; /* some clients send no DONE */
        return QR_OK;
    }
    if (left == 0 || (left < bulk->retry_bytes && !bulk->final)) {
        *ret_event = QR_TDS_BULK_MORE;
        return QR_OK;
    }
    struct qr_tds_cursor c = qr_tds_cursor(bulk->pending.data + bulk->used, left);
    enum qr_status status = read_token(bulk, &c, arena_row, values, ret_event, err);
    if (status == QR_TRUNCATED && bulk->final)
        return qr_sql_fail(err, 4804);
    if (status == QR_TRUNCATED) {
        bulk->retry_bytes = left + left / 4 + 1;
        *ret_event = QR_TDS_BULK_MORE;
        return QR_OK;
    }
    QR_TRY(status);
    bulk->used += left - qr_tds_left(&c);
    bulk->retry_bytes = 0;
    return QR_OK;
}
