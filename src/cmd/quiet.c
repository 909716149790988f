/* quiet.c - see cmd_int.h: batches of our own, of which only the first error is of use */
#include "cmd_int.h"
#include "base/banned.h"

static enum qr_status on_columns(void *ctx, const struct qr_plan_column *columns, size_t count,
                                 const int *order_columns, size_t order_count)
{
    (void)ctx;
    (void)columns;
    (void)count;
    (void)order_columns;
    (void)order_count;
    return QR_OK;
}

static enum qr_status on_row(void *ctx, const struct qr_value *values, size_t count)
{
    (void)ctx;
    (void)values;
    (void)count;
    return QR_OK;
}

static enum qr_status on_done(void *ctx, const struct qr_done *done)
{
    (void)ctx;
    (void)done;
    return QR_OK;
}

static enum qr_status on_message(void *ctx, const struct qr_err *message)
{
    struct qr_err *first = ctx;
    if (message->severity > 10 && first->number == 0)
        *first = *message;
    return QR_OK;
}

static enum qr_status on_return_status(void *ctx, int32_t status)
{
    (void)ctx;
    (void)status;
    return QR_OK;
}

static enum qr_status on_return_value(void *ctx, size_t ordinal, struct qr_str name,
                                      const struct qr_type *type, const struct qr_value *value)
{
    (void)ctx;
    (void)ordinal;
    (void)name;
    (void)type;
    (void)value;
    return QR_OK;
}

static enum qr_status on_env_change(void *ctx, enum qr_env_change_kind kind,
                                    struct qr_str new_value, struct qr_str old_value,
                                    uint64_t tran_descriptor)
{
    (void)ctx;
    (void)kind;
    (void)new_value;
    (void)old_value;
    (void)tran_descriptor;
    return QR_OK;
}

static bool never_cancelled(void *ctx)
{
    (void)ctx;
    return false;
}

static void nothing(void *ctx)
{
    (void)ctx;
}

static enum qr_status no_flush(void *ctx)
{
    (void)ctx;
    return QR_OK;
}

struct qr_sink qri_quiet_sink(struct qr_err *first)
{
    return (struct qr_sink){
        .ctx = first,
        .columns = on_columns,
        .row = on_row,
        .done = on_done,
        .message = on_message,
        .return_status = on_return_status,
        .return_value = on_return_value,
        .env_change = on_env_change,
        .cancelled = never_cancelled,
        .block_begin = nothing,
        .block_end = nothing,
        .flush = no_flush,
    };
}
