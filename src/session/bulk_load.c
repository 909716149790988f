/* Runs the BULK message that follows INSERT BULK: rows stream from the channel into the engine. */
#include <string.h>
#include "base/sqlmsg.h"
#include "session_int.h"
#include "tds/bulk.h"
#include "base/banned.h"

enum { ROW_BYTES_MAX = 256 << 20 };

struct load {
    struct qri_served *s;
    struct qr_tds_bulk bulk;
    struct qr_arena arena_row;
    struct qr_value *values;
    bool has_begun;  /* the engine has a load open */
    bool has_failed; /* read on to the end, but apply nothing more */
};

static void fail_load(struct load *l, const struct qr_err *err)
{
    if (!l->has_failed && err != NULL)
        qri_answer_message(l->s, err);
    l->has_failed = true;
}

static enum qr_status begin_load(struct load *l, struct qr_err *err)
{
    struct qri_served *s = l->s;
    size_t count = l->bulk.column_count;
    struct qr_plan_column *columns = qr_arena_array(&s->arena_request, count, sizeof *columns);
    l->values = qr_arena_array(&s->arena_request, count, sizeof *l->values);
    if (columns == NULL || l->values == NULL)
        return qr_fail(err, QR_NOMEM, "bulk columns");
    for (size_t i = 0; i < count; i++) {
        bool nullable = (l->bulk.columns[i].flags &
                         (QR_TDS_COLUMN_NULLABLE | QR_TDS_COLUMN_NULLABLE_UNKNOWN)) != 0;
        columns[i] = (struct qr_plan_column){.name = l->bulk.columns[i].name,
                                             .type = l->bulk.columns[i].wire.type,
                                             .flags = nullable ? QR_COLUMN_NULLABLE : 0};
    }
    enum qr_status status = qr_session_bulk_begin(s->engine, columns, count, &s->sink);
    qri_answer_verdict(s, status);
    l->has_begun = status == QR_OK;
    if (status != QR_OK)
        fail_load(l, NULL); /* the engine has told the client */
    return QR_OK;
}

/* Works off what has been fed. */
static enum qr_status take_rows(struct load *l, struct qr_err *err)
{
    for (;;) {
        enum qr_tds_bulk_event event;
        QR_TRY(qr_tds_bulk_next(&l->bulk, &l->arena_row, l->values, &event, err));
        switch (event) {
        case QR_TDS_BULK_MORE:
        case QR_TDS_BULK_END:
            return QR_OK;
        case QR_TDS_BULK_COLUMNS:
            QR_TRY(begin_load(l, err));
            if (l->has_failed)
                return QR_OK;
            break;
        case QR_TDS_BULK_ROW:
            if (qr_session_bulk_row(l->s->engine, l->values) != QR_OK) {
                fail_load(l, NULL); /* bulk_end tells the client why */
                return QR_OK;
            }
            qr_arena_reset(&l->arena_row);
            break;
        }
    }
}

/* QR_CLOSED: the connection is over. */
static enum qr_status receive_all(struct load *l, bool *ret_ignored)
{
    struct qri_served *s = l->s;
    size_t total = 0;
    for (;;) {
        const uint8_t *data = NULL;
        size_t bytes = 0;
        bool end = false;
        struct qr_err err;
        QR_TRY(s->channel->ops->receive(s->channel, &data, &bytes, &end, ret_ignored, &err));
        if (end)
            qr_tds_bulk_finish(&l->bulk);
        if (!l->has_failed && !*ret_ignored) {
            enum qr_status status = end ? QR_OK : qr_tds_bulk_feed(&l->bulk, data, bytes, &err);
            if (status == QR_OK)
                status = take_rows(l, &err);
            if (status != QR_OK)
                fail_load(l, &err);
        }
        total += bytes;
        if (end) {
            qri_count_read(s, total);
            return QR_OK;
        }
    }
}

void qri_run_bulk(struct qri_served *s)
{
    struct load l = {.s = s};
    bool ignored = false;
    qr_tds_bulk_init(&l.bulk, s->client.version, &s->arena_request, ROW_BYTES_MAX);
    qr_arena_init(&l.arena_row, ROW_BYTES_MAX);
    if (receive_all(&l, &ignored) != QR_OK)
        s->answer.is_broken = true;
    bool cancelled = ignored || s->answer.is_broken || (l.has_failed && s->answer.has_error) ||
                     s->channel->ops->cancelled(s->channel);
    enum qr_status status = QR_OK;
    if (l.has_begun)
        status = qr_session_bulk_end(s->engine, cancelled, &s->sink);
    bool evicted = cancelled && !ignored && !s->answer.has_error;
    qri_answer_verdict(s, evicted && status == QR_OK ? QR_CANCELLED : status);
    qr_tds_bulk_done(&l.bulk);
    qr_arena_done(&l.arena_row);
}
