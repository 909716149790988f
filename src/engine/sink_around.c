/* sink_around.c - see sink_around.h */
#include "sink_around.h"
#include "base/banned.h"

static const struct qr_sink *outer_of(void *ctx)
{
    return ((const struct qri_sink_around *)ctx)->outer;
}

static enum qr_status on_done(void *ctx, const struct qr_done *done)
{
    const struct qr_sink *outer = outer_of(ctx);
    return outer->done(outer->ctx, done);
}

static enum qr_status on_message(void *ctx, const struct qr_err *message)
{
    const struct qr_sink *outer = outer_of(ctx);
    return outer->message(outer->ctx, message);
}

static enum qr_status on_return_status(void *ctx, int32_t status)
{
    const struct qr_sink *outer = outer_of(ctx);
    return outer->return_status(outer->ctx, status);
}

static enum qr_status on_return_value(void *ctx, size_t ordinal, struct qr_str name,
                                      const struct qr_type *type, const struct qr_value *value)
{
    const struct qr_sink *outer = outer_of(ctx);
    return outer->return_value(outer->ctx, ordinal, name, type, value);
}

static enum qr_status on_env_change(void *ctx, enum qr_env_change_kind kind,
                                    struct qr_str new_value, struct qr_str old_value,
                                    uint64_t tran_descriptor)
{
    const struct qr_sink *outer = outer_of(ctx);
    return outer->env_change(outer->ctx, kind, new_value, old_value, tran_descriptor);
}

static bool on_cancelled(void *ctx)
{
    const struct qr_sink *outer = outer_of(ctx);
    return outer->cancelled(outer->ctx);
}

static void on_block_begin(void *ctx)
{
    const struct qr_sink *outer = outer_of(ctx);
    outer->block_begin(outer->ctx);
}

static void on_block_end(void *ctx)
{
    const struct qr_sink *outer = outer_of(ctx);
    outer->block_end(outer->ctx);
}

static enum qr_status on_flush(void *ctx)
{
    const struct qr_sink *outer = outer_of(ctx);
    return outer->flush(outer->ctx);
}

struct qr_sink qri_sink_around(struct qri_sink_around *around)
{
    return (struct qr_sink){.ctx = around,
                            .done = on_done,
                            .message = on_message,
                            .return_status = on_return_status,
                            .return_value = on_return_value,
                            .env_change = on_env_change,
                            .cancelled = on_cancelled,
                            .block_begin = on_block_begin,
                            .block_end = on_block_end,
                            .flush = on_flush};
}
