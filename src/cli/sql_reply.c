/* sql_reply.c - see sql_reply.h: the token stream. */
#include "sql_reply.h"
#include <string.h>
#include "tds/defs.h"
#include "base/banned.h"

enum { RESULT_BYTES_MAX = 4 * 1024 * 1024, NO_METADATA = 0xFFFF };
enum { ENV_BEGIN = 8, ENV_COMMIT = 9, ENV_ROLLBACK = 10, TRANSACTION_BYTES = 8 };

void qri_sql_reply_init(struct qri_sql_reply *reply, size_t bytes_max)
{
    *reply = (struct qri_sql_reply){.used = 0};
    qr_arena_init(&reply->arena_result, RESULT_BYTES_MAX);
    qr_buf_init(&reply->pending, bytes_max);
}

void qri_sql_reply_done(struct qri_sql_reply *reply)
{
    qr_arena_done(&reply->arena_result);
    qr_buf_done(&reply->pending);
}

enum qr_status qri_sql_reply_feed(struct qri_sql_reply *reply, const uint8_t *bytes, size_t count,
                                  struct qr_err *err)
{
    qr_buf_consume(&reply->pending, reply->used);
    reply->used = 0;
    reply->final = false;
    qr_buf_add(&reply->pending, bytes, count);
    return qr_buf_status(&reply->pending, err);
}

void qri_sql_reply_finish(struct qri_sql_reply *reply)
{
    reply->final = true;
}

bool qri_sql_reply_is_used_up(const struct qri_sql_reply *reply)
{
    return reply->used == reply->pending.len;
}

static enum qr_status cut(const struct qr_tds_cursor *c, struct qr_err *err)
{
    return c->failed ? qr_fail(err, QR_TRUNCATED, "the token is cut") : QR_OK;
}

/* ---- results ---- */

static enum qr_status read_columns(struct qri_sql_reply *reply, struct qr_tds_cursor *c,
                                   enum qri_sql_event *ret_event, struct qr_err *err)
{
    uint16_t count = qr_tds_take16(c);
    QR_TRY(cut(c, err));
    if (count == NO_METADATA || count == 0) {
        *ret_event = QRI_SQL_OTHER;
        reply->column_count = 0;
        return QR_OK;
    }
    if (count > QRI_SQL_COLUMNS_MAX)
        return qr_fail(err, QR_PROTOCOL, "a result of %u columns", count);
    qr_arena_reset(&reply->arena_result);
    reply->column_count = 0;
    reply->columns = qr_arena_array(&reply->arena_result, count, sizeof *reply->columns);
    reply->values = qr_arena_array(&reply->arena_result, count, sizeof *reply->values);
    if (reply->columns == NULL || reply->values == NULL)
        return qr_fail(err, QR_NOMEM, "columns");
    for (size_t i = 0; i < count; i++) {
        struct qri_sql_column *column = &reply->columns[i];
        (void)qr_tds_take(c, 6); /* user type and flags */
        QR_TRY(cut(c, err));
        QR_TRY(qr_tds_read_type(c, QR_TDS_IN_BULK, &column->wire, err));
        if (column->wire.token == QR_TDS_TVP)
            return qr_fail(err, QR_PROTOCOL, "a table as a column");
        struct qr_tds_utf16 name = qr_tds_take_utf16(c, qr_tds_take8(c));
        QR_TRY(cut(c, err));
        column->name = qr_tds_utf16_dup(&reply->arena_result, name);
        if (column->name.p == NULL)
            return qr_fail(err, QR_NOMEM, "columns");
    }
    reply->column_count = count;
    *ret_event = QRI_SQL_COLUMNS;
    return QR_OK;
}

static enum qr_status read_row(struct qri_sql_reply *reply, struct qr_tds_cursor *c,
                               bool has_bitmap, struct qr_arena *arena, struct qr_err *err)
{
    if (reply->column_count == 0)
        return qr_fail(err, QR_PROTOCOL, "a row before its columns");
    const uint8_t *bitmap = has_bitmap ? qr_tds_take(c, (reply->column_count + 7) / 8) : NULL;
    QR_TRY(cut(c, err));
    for (size_t i = 0; i < reply->column_count; i++) {
        if (has_bitmap && (bitmap[i / 8] >> (i % 8) & 1) != 0)
            reply->values[i] = qr_value_null();
        else
            QR_TRY(qr_tds_read_value(c, &reply->columns[i].wire, arena, &reply->values[i], err));
    }
    return QR_OK;
}

/* ---- the rest ---- */

static enum qr_status read_message(struct qri_sql_reply *reply, struct qr_tds_cursor *c,
                                   struct qr_arena *arena, struct qr_err *err)
{
    struct qri_sql_message *m = &reply->message;
    m->number = qr_tds_take32(c);
    m->state = qr_tds_take8(c);
    m->severity = qr_tds_take8(c);
    m->text = qr_tds_utf16_dup(arena, qr_tds_take_utf16(c, qr_tds_take16(c)));
    m->server = qr_tds_utf16_dup(arena, qr_tds_take_utf16(c, qr_tds_take8(c)));
    m->procedure = qr_tds_utf16_dup(arena, qr_tds_take_utf16(c, qr_tds_take8(c)));
    m->line = qr_tds_take32(c);
    if (c->failed)
        return qr_fail(err, QR_PROTOCOL, "a message of the wrong length");
    return m->text.p == NULL || m->server.p == NULL || m->procedure.p == NULL
               ? qr_fail(err, QR_NOMEM, "message")
               : QR_OK;
}

static void read_change(struct qri_sql_reply *reply, struct qr_tds_cursor *c)
{
    uint8_t type = qr_tds_take8(c);
    if (type != ENV_BEGIN && type != ENV_COMMIT && type != ENV_ROLLBACK)
        return;
    const uint8_t *now =
        qr_tds_take8(c) == TRANSACTION_BYTES ? qr_tds_take(c, TRANSACTION_BYTES) : NULL;
    memset(reply->transaction, 0, sizeof reply->transaction);
    if (type == ENV_BEGIN && now != NULL)
        memcpy(reply->transaction, now, TRANSACTION_BYTES);
}

/* Tokens that say how long they are. */
static enum qr_status read_sized(struct qri_sql_reply *reply, uint8_t token,
                                 struct qr_tds_cursor *c, struct qr_arena *arena,
                                 enum qri_sql_event *ret_event, struct qr_err *err)
{
    uint16_t bytes = qr_tds_take16(c);
    const uint8_t *p = qr_tds_take(c, bytes);
    QR_TRY(cut(c, err));
    struct qr_tds_cursor inner = qr_tds_cursor(p, bytes);
    *ret_event = QRI_SQL_OTHER;
    if (token == QR_TDS_TOKEN_ERROR || token == QR_TDS_TOKEN_INFO) {
        *ret_event = QRI_SQL_MESSAGE;
        return read_message(reply, &inner, arena, err);
    }
    if (token == QR_TDS_TOKEN_ENVCHANGE)
        read_change(reply, &inner);
    else if (token == QR_TDS_TOKEN_LOGINACK)
        *ret_event = QRI_SQL_LOGGED_IN;
    return QR_OK;
}

static enum qr_status read_done(struct qri_sql_reply *reply, struct qr_tds_cursor *c,
                                struct qr_err *err)
{
    reply->done_status = qr_tds_take16(c);
    (void)qr_tds_take16(c);
    reply->row_count = qr_tds_take64(c);
    return cut(c, err);
}

static enum qr_status read_token(struct qri_sql_reply *reply, struct qr_tds_cursor *c,
                                 struct qr_arena *arena, enum qri_sql_event *ret_event,
                                 struct qr_err *err)
{
    uint8_t token = qr_tds_take8(c);
    switch (token) {
    case QR_TDS_TOKEN_COLMETADATA:
        return read_columns(reply, c, ret_event, err);
    case QR_TDS_TOKEN_ROW:
    case QR_TDS_TOKEN_NBCROW:
        *ret_event = QRI_SQL_ROW;
        return read_row(reply, c, token == QR_TDS_TOKEN_NBCROW, arena, err);
    case QR_TDS_TOKEN_DONE:
    case QR_TDS_TOKEN_DONEPROC:
    case QR_TDS_TOKEN_DONEINPROC:
        *ret_event = QRI_SQL_DONE;
        return read_done(reply, c, err);
    case QR_TDS_TOKEN_RETURNSTATUS:
        *ret_event = QRI_SQL_OTHER;
        (void)qr_tds_take32(c);
        return cut(c, err);
    case QR_TDS_TOKEN_TABNAME:
    case QR_TDS_TOKEN_COLINFO:
    case QR_TDS_TOKEN_ORDER:
    case QR_TDS_TOKEN_ERROR:
    case QR_TDS_TOKEN_INFO:
    case QR_TDS_TOKEN_LOGINACK:
    case QR_TDS_TOKEN_ENVCHANGE:
        return read_sized(reply, token, c, arena, ret_event, err);
    default:
        return qr_fail(err, QR_PROTOCOL, "token 0x%02X is not one of an answer", token);
    }
}

enum qr_status qri_sql_reply_next(struct qri_sql_reply *reply, struct qr_arena *arena_row,
                                  enum qri_sql_event *ret_event, struct qr_err *err)
{
    size_t left = reply->pending.len - reply->used;
    if (left == 0 || (left < reply->retry_bytes && !reply->final)) {
        *ret_event = QRI_SQL_MORE;
        return QR_OK;
    }
    struct qr_tds_cursor c = qr_tds_cursor(reply->pending.data + reply->used, left);
    struct qr_err own = {0};
    enum qr_status status = read_token(reply, &c, arena_row, ret_event, &own);
    if (status == QR_TRUNCATED) {
        reply->retry_bytes = left + 1; /* a slice is 4 KiB at most: few tries for a long row */
        if (left > 65536)
            reply->retry_bytes = left + left / 4;
        *ret_event = QRI_SQL_MORE;
        return QR_OK;
    }
    if (status != QR_OK)
        return qr_fail(err, status == QR_SQL ? QR_PROTOCOL : status, "%s", own.text);
    reply->used += left - qr_tds_left(&c);
    reply->retry_bytes = 0;
    return QR_OK;
}
