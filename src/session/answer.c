/* Implements the answer of session_int.h: the engine's sink, and DONE tokens held back until it is
 * known whether more follows. */
#include <assert.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "session_int.h"
#include "tds/token.h"
#include "base/banned.h"

enum { SEVERITY_FATAL = 20 };

static void hold_done(struct qri_served *s, uint8_t token, uint16_t status, uint16_t command,
                      uint64_t count)
{
    qri_answer_go_on(s);
    s->answer.held = (struct qri_held_done){true, token, status, command, count};
    s->answer.last_is_error = (status & QR_TDS_DONE_ERROR) != 0;
}

static void let_done_go(struct qri_served *s, uint16_t more)
{
    struct qri_held_done *held = &s->answer.held;
    if (!held->is_held)
        return;
    held->is_held = false;
    if (more == 0 && s->answer.is_fatal) /* pools throw the connection away ([MS-TDS] 2.2.7.6) */
        held->status |= QR_TDS_DONE_SRVERROR;
    qr_tds_put_done(&s->writer, s->client.version, held->token, held->status | more, held->command,
                    held->count);
}

void qri_answer_go_on(struct qri_served *s)
{
    let_done_go(s, QR_TDS_DONE_MORE);
}

void qri_answer_begin(struct qri_served *s)
{
    struct qri_answer *a = &s->answer;
    struct qr_arena arena = a->arena_result;
    *a = (struct qri_answer){.arena_result = arena};
    qr_tds_writer_reset(&s->writer, s->packet_bytes);
    qr_tds_writer_begin(&s->writer, QR_TDS_PACKET_REPLY);
}

/* What a sink slot answers: the engine need not go on writing for a client that is gone. */
static enum qr_status writer_verdict(struct qri_served *s)
{
    return qr_tds_writer_status(&s->writer) == QR_OK ? QR_OK : QR_CLOSED;
}

/* ---- the sink ---- */

static uint16_t column_flags(const struct qr_plan_column *c)
{
    static const struct {
        uint32_t plan;
        uint16_t wire;
    } bits[] = {
        {QR_COLUMN_NULLABLE, QR_TDS_COLUMN_NULLABLE},
        {QR_COLUMN_IDENTITY, QR_TDS_COLUMN_IDENTITY},
        {QR_COLUMN_COMPUTED, QR_TDS_COLUMN_COMPUTED},
        {QR_COLUMN_UPDATABLE, QR_TDS_COLUMN_UPDATABLE_UNKNOWN},
        {QR_COLUMN_HIDDEN, QR_TDS_COLUMN_HIDDEN},
        {QR_COLUMN_KEY, QR_TDS_COLUMN_KEY},
    };
    uint16_t flags = c->source == NULL ? QR_TDS_COLUMN_COMPUTED : 0;
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++)
        flags |= (c->flags & bits[i].plan) != 0 ? bits[i].wire : 0;
    return flags;
}

static void describe_column(const struct qr_plan_column *from, struct qr_tds_column *to)
{
    enum { USER_TYPE_TIMESTAMP = 80 };
    *to = (struct qr_tds_column){
        .name = from->name,
        .type = from->type,
        .flags = column_flags(from),
        .user_type = from->type.id == QR_TYPE_ROWVERSION ? USER_TYPE_TIMESTAMP : 0,
    };
    if (from->source != NULL) {
        to->table.parts[3] = from->source->name;
        to->table.part_count = 1;
    }
}

/* Of results with hidden columns, which some clients know by COLINFO only. No tables are named. */
static enum qr_status put_colinfo(struct qri_served *s, const struct qr_plan_column *columns,
                                  size_t count)
{
    bool has_hidden = false;
    for (size_t i = 0; i < count; i++)
        has_hidden |= (columns[i].flags & QR_COLUMN_HIDDEN) != 0;
    if (!has_hidden)
        return QR_OK;
    struct qr_tds_colinfo *infos =
        qr_arena_array(&s->answer.arena_result, count + 1, sizeof *infos);
    if (infos == NULL)
        return QR_NOMEM;
    for (size_t i = 0; i < count; i++) {
        infos[i].status = (columns[i].flags & QR_COLUMN_KEY) != 0 ? QR_TDS_COLINFO_KEY : 0;
        if ((columns[i].flags & QR_COLUMN_HIDDEN) != 0)
            infos[i].status |= QR_TDS_COLINFO_HIDDEN;
    }
    qr_tds_put_colinfo(&s->writer, infos, count);
    return QR_OK;
}

static enum qr_status sink_columns(void *ctx, const struct qr_plan_column *columns, size_t count,
                                   const int *order_columns, size_t order_count)
{
    struct qri_served *s = ctx;
    struct qri_answer *a = &s->answer;
    struct qr_err err;
    qr_arena_reset(&a->arena_result);
    a->has_rows = false;
    struct qr_tds_column *wire = qr_arena_array(&a->arena_result, count + 1, sizeof *wire);
    if (wire == NULL)
        return QR_NOMEM;
    for (size_t i = 0; i < count; i++)
        describe_column(&columns[i], &wire[i]);
    enum qr_status status =
        qr_tds_rows_init(&a->rows, &a->arena_result, wire, count, s->client, &err);
    if (status != QR_OK) {
        qri_answer_fail(s, &err);
        return QR_CANCELLED;
    }
    a->has_rows = true;
    a->last_is_error = false;
    qri_answer_go_on(s);
    qr_tds_rows_put_metadata(&a->rows, &s->writer);
    if (put_colinfo(s, columns, count) != QR_OK)
        return QR_NOMEM;
    qr_tds_put_order(&s->writer, order_columns, order_count);
    return writer_verdict(s);
}

static enum qr_status sink_row(void *ctx, const struct qr_value *values, size_t count)
{
    struct qri_served *s = ctx;
    assert(s->answer.has_rows && count == s->answer.rows.count);
    struct qr_err err;
    enum qr_status status = qr_tds_rows_put(&s->answer.rows, &s->writer, values, &err);
    if (status == QR_OK)
        return QR_OK;
    if (writer_verdict(s) != QR_OK || status == QR_CLOSED) {
        s->answer.is_broken = true;
        return QR_CLOSED;
    }
    qri_answer_fail(s, &err);
    return QR_CANCELLED;
}

static enum qr_status sink_done(void *ctx, const struct qr_done *done)
{
    struct qri_served *s = ctx;
    s->answer.has_rows = false;
    bool after_error = s->answer.after_error;
    s->answer.after_error = false;
    if (done->kind == QR_DONE_BATCH && s->answer.held.is_held)
        return QR_OK; /* the last statement's DONE is the last word */
    uint8_t token = QR_TDS_TOKEN_DONE;
    if (done->kind == QR_DONE_PROC)
        token = QR_TDS_TOKEN_DONEPROC;
    else if (done->kind == QR_DONE_STATEMENT && (done->in_module || s->answer.in_call))
        token = QR_TDS_TOKEN_DONEINPROC;
    bool is_error = done->is_error || (done->kind == QR_DONE_BATCH && after_error);
    uint16_t status = is_error ? QR_TDS_DONE_ERROR : 0;
    if (done->has_count)
        status |= QR_TDS_DONE_COUNT;
    hold_done(s, token, status, done->command, done->has_count ? done->count : 0);
    return writer_verdict(s);
}

void qri_answer_message(struct qri_served *s, const struct qr_err *message)
{
    qri_answer_go_on(s);
    if (message->severity > 10)
        s->answer.has_error = s->answer.after_error = s->answer.last_is_error = true;
    s->answer.is_fatal |= message->severity >= SEVERITY_FATAL;
    /* Severity 10 goes out as 0, for the sake of old clients (SQL Server's documentation of
     * severities); ERROR_SEVERITY() and the message table keep 10. */
    enum { SEVERITY_INFORM = 10 };
    qr_tds_put_notice(
        &s->writer, s->client.version,
        &(struct qr_tds_notice){
            .number = message->number,
            .state = message->state == 0 ? 1 : message->state,
            .severity = message->severity == SEVERITY_INFORM ? 0 : message->severity,
            .text = qr_str(message->text),
            .server = s->db == NULL ? s->host->server_name : qr_database_server_name(s->db),
            .procedure = qr_str(message->procedure),
            .line = message->line <= 0 ? 1 : (uint32_t)message->line,
        });
}

static enum qr_status sink_message(void *ctx, const struct qr_err *message)
{
    struct qri_served *s = ctx;
    qri_answer_message(s, message);
    return writer_verdict(s);
}

/* The handle of sp_prepare and sp_prepexec is the first output parameter; NULL if there is none. */
static void put_handle(struct qri_served *s)
{
    struct qri_answer *a = &s->answer;
    if (a->handle_param == NULL)
        return;
    qri_answer_go_on(s);
    struct qr_tds_column column = {.name = a->handle_param->name, .type = qr_type_of(QR_TYPE_INT)};
    struct qr_value value = *a->handle > 0 ? qr_value_int(*a->handle) : qr_value_null();
    struct qr_err err;
    enum qr_status status = qr_tds_put_return_value(&s->writer, s->client, 0, &column,
                                                    QR_TDS_RETURN_OUTPUT, &value, &err);
    assert(status == QR_OK || qr_tds_writer_status(&s->writer) != QR_OK);
    a->handle_param = NULL;
}

static enum qr_status sink_return_status(void *ctx, int32_t status)
{
    struct qri_served *s = ctx;
    qri_answer_go_on(s);
    qr_tds_put_return_status(&s->writer, status);
    s->answer.has_status = true;
    if (s->answer.handle_param != NULL && *s->answer.handle > 0)
        put_handle(s);
    return writer_verdict(s);
}

static enum qr_status sink_return_value(void *ctx, size_t ordinal, struct qr_str name,
                                        const struct qr_type *type, const struct qr_value *value)
{
    struct qri_served *s = ctx;
    struct qr_err err;
    qri_answer_go_on(s);
    struct qr_tds_column column = {.name = name, .type = *type, .flags = QR_TDS_COLUMN_NULLABLE};
    enum qr_status status =
        qr_tds_put_return_value(&s->writer, s->client, (uint16_t)(s->answer.ordinal_base + ordinal),
                                &column, QR_TDS_RETURN_OUTPUT, value, &err);
    if (status != QR_OK && writer_verdict(s) == QR_OK)
        qri_answer_fail(s, &err);
    return writer_verdict(s);
}

static enum qr_status sink_env_change(void *ctx, enum qr_env_change_kind kind,
                                      struct qr_str new_value, struct qr_str old_value,
                                      uint64_t tran_descriptor)
{
    struct qri_served *s = ctx;
    qri_answer_go_on(s);
    switch (kind) {
    case QR_ENV_DATABASE:
        qr_tds_put_env_text(&s->writer, QR_TDS_ENV_DATABASE, new_value, old_value);
        break;
    case QR_ENV_LANGUAGE:
        qr_tds_put_env_text(&s->writer, QR_TDS_ENV_LANGUAGE, new_value, old_value);
        break;
    case QR_ENV_BEGIN_TRAN:
        qr_tds_put_env_tran(&s->writer, s->client.version, QR_TDS_ENV_BEGIN, tran_descriptor);
        break;
    case QR_ENV_COMMIT_TRAN:
        qr_tds_put_env_tran(&s->writer, s->client.version, QR_TDS_ENV_COMMIT, tran_descriptor);
        break;
    case QR_ENV_ROLLBACK_TRAN:
        qr_tds_put_env_tran(&s->writer, s->client.version, QR_TDS_ENV_ROLLBACK, tran_descriptor);
        break;
    }
    return writer_verdict(s);
}

static bool sink_cancelled(void *ctx)
{
    struct qri_served *s = ctx;
    return s->channel->ops->cancelled(s->channel);
}

static void sink_block_begin(void *ctx)
{
    struct qri_served *s = ctx;
    s->channel->ops->block_begin(s->channel);
}

static void sink_block_end(void *ctx)
{
    struct qri_served *s = ctx;
    s->channel->ops->block_end(s->channel);
}

static enum qr_status sink_flush(void *ctx)
{
    struct qri_served *s = ctx;
    return qr_tds_writer_push(&s->writer) == QR_OK ? QR_OK : QR_CLOSED;
}

void qri_answer_init_sink(struct qri_served *s)
{
    s->sink = (struct qr_sink){
        .ctx = s,
        .columns = sink_columns,
        .row = sink_row,
        .done = sink_done,
        .message = sink_message,
        .return_status = sink_return_status,
        .return_value = sink_return_value,
        .env_change = sink_env_change,
        .cancelled = sink_cancelled,
        .block_begin = sink_block_begin,
        .block_end = sink_block_end,
        .flush = sink_flush,
    };
}

/* ---- ends ---- */

void qri_answer_fail(struct qri_served *s, const struct qr_err *err)
{
    enum { COMMAND_NONE = 0 };
    qri_answer_message(s, err);
    uint8_t token = s->answer.in_call ? QR_TDS_TOKEN_DONEINPROC : QR_TDS_TOKEN_DONE;
    hold_done(s, token, QR_TDS_DONE_ERROR, COMMAND_NONE, 0);
    if (err->severity >= SEVERITY_FATAL)
        s->answer.is_broken = true;
}

/* Cancelled, but not by who waits for the answer: a call to another process was, as this one ends.
 */
static bool is_stray(const struct qri_served *s, enum qr_status status)
{
    return status == QR_CANCELLED && !s->answer.told_evicted &&
           !s->channel->ops->cancelled(s->channel) && !s->answer.last_is_error;
}

/* The log cannot be written any more, or no page be read: without an error the answer would say
 * that all was done. */
static void tell_failed(struct qri_served *s)
{
    enum { NOT_PRIMARY = 40143 }; /* a code within 40197 */
    struct qr_err err;
    qr_err_reset(&err);
    (void)!qr_sql_fail(&err, 40197, NOT_PRIMARY);
    err.severity = SEVERITY_FATAL;
    qri_answer_fail(s, &err);
}

void qri_answer_verdict(struct qri_served *s, enum qr_status status)
{
    struct qr_err why;
    if (status == QR_OK || s->answer.is_broken)
        return;
    if (qr_session_is_over(s->engine, &why)) {
        qri_answer_message(s, &why);
        s->answer.is_broken = true;
    } else if (status == QR_CLOSED || is_stray(s, status)) {
        if (!s->answer.last_is_error)
            tell_failed(s);
        s->answer.is_broken = true;
    } else if (status == QR_CANCELLED && !s->answer.told_evicted &&
               s->channel->ops->evicted(s->channel)) {
        s->answer.told_evicted = true;
        qri_moving_tell_evicted(s);
    }
}

void qri_answer_end_call(struct qri_served *s)
{
    enum { COMMAND_EXECUTE = 0xE0, STATUS_FAILED = -6 };
    struct qri_answer *a = &s->answer;
    uint16_t status = a->has_error ? QR_TDS_DONE_ERROR : 0;
    struct qri_held_done last = {true, QR_TDS_TOKEN_DONEPROC, status, COMMAND_EXECUTE, 0};
    if (a->held.is_held && a->held.token == QR_TDS_TOKEN_DONEPROC) {
        last = a->held;
        a->held.is_held = false;
    }
    qri_answer_go_on(s);
    if (!a->has_status)
        qr_tds_put_return_status(&s->writer, a->has_error ? STATUS_FAILED : 0);
    a->has_status = true;
    put_handle(s);
    a->held = last;
}

void qri_answer_end(struct qri_served *s)
{
    struct qri_answer *a = &s->answer;
    uint16_t status = a->after_error ? QR_TDS_DONE_ERROR : 0;
    if (!a->held.is_held || a->held.token == QR_TDS_TOKEN_DONEINPROC)
        hold_done(s, QR_TDS_TOKEN_DONE, status, 0, 0);
    let_done_go(s, 0);
    if (!s->channel->ops->take_attention(s->channel))
        return;
    /* A message of its own: clients read the answer to its end before they look for this. */
    if (qr_tds_writer_end(&s->writer, true) != QR_OK)
        a->is_broken = true;
    qr_tds_writer_begin(&s->writer, QR_TDS_PACKET_REPLY);
    qr_tds_put_done(&s->writer, s->client.version, QR_TDS_TOKEN_DONE, QR_TDS_DONE_ATTN, 0, 0);
}
