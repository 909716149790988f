/* sink_kept.c - see sink_kept.h */
#include "sink_kept.h"
#include <assert.h>
#include <string.h>
#include "base/banned.h"

enum { KEPT_BYTES_MAX = 1 << 20 };

/* ---- what is kept: kind, then the thing as it was given ---- */

enum kind { SAID_MESSAGE, SAID_DONE };

static enum qr_status say(struct qri_sink_kept *kept)
{
    const struct qr_sink *outer = kept->outer;
    const uint8_t *at = kept->said.data, *end = at + kept->said.len;
    enum qr_status status = QR_OK;
    while (at < end && status == QR_OK) {
        struct qr_err message;
        struct qr_done done;
        switch ((enum kind) * at++) {
        case SAID_MESSAGE:
            memcpy(&message, at, sizeof message);
            at += sizeof message;
            status = outer->message(outer->ctx, &message);
            break;
        case SAID_DONE:
            memcpy(&done, at, sizeof done);
            at += sizeof done;
            status = outer->done(outer->ctx, &done);
            break;
        }
    }
    qr_buf_clear(&kept->said);
    return status;
}

static enum qr_status keep(struct qri_sink_kept *kept, enum kind kind, const void *what, size_t n)
{
    uint8_t tag = (uint8_t)kind;
    if (kept->said.len + n >= KEPT_BYTES_MAX) /* may be said twice: rather than not at all */
        QR_TRY(say(kept));
    qr_buf_add(&kept->said, &tag, 1);
    qr_buf_add(&kept->said, what, n);
    return qr_buf_status(&kept->said, NULL);
}

/* ---- the sink ---- */

static enum qr_status kept_message(void *ctx, const struct qr_err *message)
{
    return keep(ctx, SAID_MESSAGE, message, sizeof *message);
}

static enum qr_status kept_done(void *ctx, const struct qr_done *done)
{
    return keep(ctx, SAID_DONE, done, sizeof *done);
}

static enum qr_status kept_columns(void *ctx, const struct qr_plan_column *columns, size_t count,
                                   const int *order_columns, size_t order_count)
{
    struct qri_sink_kept *kept = ctx;
    QR_TRY(say(kept));
    return kept->outer->columns(kept->outer->ctx, columns, count, order_columns, order_count);
}

static enum qr_status kept_row(void *ctx, const struct qr_value *values, size_t count)
{
    const struct qri_sink_kept *kept = ctx;
    return kept->outer->row(kept->outer->ctx, values, count);
}

static enum qr_status kept_return_status(void *ctx, int32_t status)
{
    struct qri_sink_kept *kept = ctx;
    QR_TRY(say(kept));
    return kept->outer->return_status(kept->outer->ctx, status);
}

static enum qr_status kept_return_value(void *ctx, size_t ordinal, struct qr_str name,
                                        const struct qr_type *type, const struct qr_value *value)
{
    struct qri_sink_kept *kept = ctx;
    QR_TRY(say(kept));
    return kept->outer->return_value(kept->outer->ctx, ordinal, name, type, value);
}

static enum qr_status kept_env_change(void *ctx, enum qr_env_change_kind kind,
                                      struct qr_str new_value, struct qr_str old_value,
                                      uint64_t tran_descriptor)
{
    struct qri_sink_kept *kept = ctx;
    QR_TRY(say(kept));
    return kept->outer->env_change(kept->outer->ctx, kind, new_value, old_value, tran_descriptor);
}

static bool kept_cancelled(void *ctx)
{
    const struct qri_sink_kept *kept = ctx;
    return kept->outer->cancelled(kept->outer->ctx);
}

static void kept_block_begin(void *ctx)
{
    const struct qri_sink_kept *kept = ctx;
    kept->outer->block_begin(kept->outer->ctx);
}

static void kept_block_end(void *ctx)
{
    const struct qri_sink_kept *kept = ctx;
    kept->outer->block_end(kept->outer->ctx);
}

static enum qr_status kept_flush(void *ctx)
{
    struct qri_sink_kept *kept = ctx;
    QR_TRY(say(kept));
    return kept->outer->flush(kept->outer->ctx);
}

static const struct qr_sink slots = {
    .columns = kept_columns,
    .row = kept_row,
    .done = kept_done,
    .message = kept_message,
    .return_status = kept_return_status,
    .return_value = kept_return_value,
    .env_change = kept_env_change,
    .cancelled = kept_cancelled,
    .block_begin = kept_block_begin,
    .block_end = kept_block_end,
    .flush = kept_flush,
};

void qri_sink_keep(struct qri_sink_kept *kept, struct qr_session *session)
{
    *kept = (struct qri_sink_kept){.sink = slots};
    qr_buf_init(&kept->said, KEPT_BYTES_MAX);
    if (session->sink == NULL || session->trigger_level > 0)
        return;
    kept->sink.ctx = kept;
    kept->outer = session->sink;
    session->sink = &kept->sink;
}

enum qr_status qri_sink_restore(struct qri_sink_kept *kept, struct qr_session *session, bool forget)
{
    enum qr_status status = QR_OK;
    if (kept->outer != NULL) {
        assert(session->sink == &kept->sink);
        session->sink = kept->outer;
        if (!forget)
            status = say(kept);
    }
    qr_buf_done(&kept->said);
    return status;
}
