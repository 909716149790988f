/* Implements tds/row.h. */
#include "tds/row.h"
#include <assert.h>
#include <string.h>
#include "encode_int.h"
#include "put_int.h"
#include "base/banned.h"

enum qr_status qr_tds_rows_init(struct qr_tds_rows *rows, struct qr_arena *arena,
                                const struct qr_tds_column *columns, size_t count,
                                struct qr_tds_client client, struct qr_err *err)
{
    struct qr_tds_rows r = {.client = client, .count = count, .columns = columns};
    struct qr_tds_field *fields = qr_arena_array(arena, count + 1, sizeof *fields);
    if (fields == NULL)
        return qr_fail(err, QR_NOMEM, "%zu result columns", count);
    r.fields = fields;
    r.row_bytes = 1 + (count + 7) / 8;
    for (size_t i = 0; i < count; i++) {
        bool can_null = (columns[i].flags & QR_TDS_COLUMN_NULLABLE) != 0;
        QR_TRY(qr_wrap(err, qri_field_init(&fields[i], &columns[i].type, can_null, client, err),
                       "column %zu", i + 1));
        r.row_bytes += qri_field_bytes(&fields[i]);
        r.use_nbc |= can_null;
    }
    r.use_nbc &= client.version >= QR_TDS_VERSION_73B;
    *rows = r;
    return QR_OK;
}

static void put_user_type(struct qr_tds_writer *w, struct qr_tds_client client, uint32_t user_type)
{
    if (client.version >= QR_TDS_VERSION_72)
        qri_put32(w, user_type);
    else
        qri_put16(w, (uint16_t)user_type);
}

void qr_tds_rows_put_metadata(const struct qr_tds_rows *rows, struct qr_tds_writer *w)
{
    qri_put8(w, QR_TDS_TOKEN_COLMETADATA);
    qri_put16(w, (uint16_t)rows->count);
    for (size_t i = 0; i < rows->count; i++) {
        const struct qr_tds_column *c = &rows->columns[i];
        put_user_type(w, rows->client, c->user_type);
        qri_put16(w, c->flags);
        qri_put_type_info(w, &rows->fields[i], rows->client, &c->table);
        qri_put_bvarchar(w, c->name);
        qr_tds_writer_pump(w);
    }
}

/* A NULL bitmap pays when the NULLs it replaces are longer than itself. */
static bool nbc_pays(const struct qr_tds_rows *rows, const struct qr_value *values)
{
    size_t saved = 0, bitmap_bytes = (rows->count + 7) / 8;
    for (size_t i = 0; i < rows->count; i++) {
        if (values[i].cell == QR_CELL_NULL)
            saved += rows->fields[i].null_bytes;
    }
    return saved > bitmap_bytes;
}

static uint8_t *put_values(struct qr_tds_rows *rows, const struct qr_value *values, uint8_t *p)
{
    *p++ = QR_TDS_TOKEN_ROW;
    for (size_t i = 0; i < rows->count && p != NULL; i++)
        p = rows->fields[i].encode(rows, &rows->fields[i], &values[i], p);
    return p;
}

static uint8_t *put_values_nbc(struct qr_tds_rows *rows, const struct qr_value *values, uint8_t *p)
{
    size_t bitmap_bytes = (rows->count + 7) / 8;
    *p++ = QR_TDS_TOKEN_NBCROW;
    memset(p, 0, bitmap_bytes);
    for (size_t i = 0; i < rows->count; i++) {
        if (values[i].cell != QR_CELL_NULL)
            continue;
        if (!rows->fields[i].can_null)
            return qri_misfit(rows, &rows->fields[i], &values[i]);
        p[i / 8] |= (uint8_t)(1u << (i % 8));
    }
    p += bitmap_bytes;
    for (size_t i = 0; i < rows->count && p != NULL; i++) {
        if (values[i].cell != QR_CELL_NULL)
            p = rows->fields[i].encode(rows, &rows->fields[i], &values[i], p);
    }
    return p;
}

enum qr_status qr_tds_rows_put(struct qr_tds_rows *rows, struct qr_tds_writer *w,
                               const struct qr_value *values, struct qr_err *err)
{
    uint8_t *p = qr_tds_writer_reserve(w, rows->row_bytes);
    if (p == NULL)
        return qr_buf_status(&w->buf, err);
    size_t row_start = w->buf.len;
    rows->writer = w;
    rows->err = err;
    rows->failed = QR_OK;
    rows->flushed = false;
    p = rows->use_nbc && nbc_pays(rows, values) ? put_values_nbc(rows, values, p)
                                                : put_values(rows, values, p);
    if (p == NULL) {
        if (!rows->flushed)
            w->buf.len = row_start;
        assert(rows->failed != QR_OK);
        return rows->flushed && rows->failed == QR_BUG
                   ? qr_fail(err, QR_CLOSED, "a row failed after part of it had been sent")
                   : rows->failed;
    }
    w->buf.len = (size_t)(p - w->buf.data);
    qr_tds_writer_pump(w);
    return w->failed;
}

enum qr_status qr_tds_put_return_value(struct qr_tds_writer *w, struct qr_tds_client client,
                                       uint16_t ordinal, const struct qr_tds_column *column,
                                       uint8_t kind, const struct qr_value *value,
                                       struct qr_err *err)
{
    struct qr_tds_field field;
    QR_TRY(qri_field_init(&field, &column->type, true, client, err));
    size_t start = w->buf.len;
    qri_put8(w, QR_TDS_TOKEN_RETURNVALUE);
    qri_put16(w, ordinal);
    qri_put_bvarchar(w, column->name);
    qri_put8(w, kind);
    put_user_type(w, client, column->user_type);
    qri_put16(w, column->flags);
    qri_put_type_info(w, &field, client, NULL);
    struct qr_tds_rows rows = {.client = client,
                               .count = 1,
                               .columns = column,
                               .fields = &field,
                               .row_bytes = qri_field_bytes(&field),
                               .writer = w,
                               .err = err};
    uint8_t *p = qr_tds_writer_reserve(w, rows.row_bytes);
    if (p == NULL)
        return qr_buf_status(&w->buf, err);
    p = field.encode(&rows, &field, value, p);
    if (p == NULL) {
        if (!rows.flushed)
            w->buf.len = start;
        return rows.failed;
    }
    w->buf.len = (size_t)(p - w->buf.data);
    qr_tds_writer_pump(w);
    return w->failed;
}
