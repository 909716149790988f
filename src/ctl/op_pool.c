/* op_pool.c - see ops_int.h: elastic pools are made, changed and dropped, and told of. No data
 * moves for that: a pool is a row. An operation on one has no database, but an id of its server
 * that no database ever has. */
#include <stdio.h>
#include "base/sqlmsg.h"
#include "ops_int.h"
#include "registry_int.h"
#include "resources_int.h"
#include "base/banned.h"

enum { ANSWER_BYTES = 256 * 1024 };

static struct qr_pool_wish wish_of(const struct qr_control_ask *ask)
{
    return (struct qr_pool_wish){.name = ask->pool,
                                 .size = ask->objective,
                                 .max_bytes = ask->max_bytes,
                                 .min_pct = ask->pool_min_pct,
                                 .max_pct = ask->pool_max_pct,
                                 .traits = ask->traits,
                                 .tags = ask->tags};
}

static bool is_new(const struct qri_op *op)
{
    return op->row.kind == QR_OPERATION_POOL_CREATE;
}

/* Error 40890 while another operation is on it. */
static enum qr_status check_free(struct qr_control *control, const struct qri_op *op,
                                 struct qr_err *err)
{
    for (const struct qri_op *other = control->ops.active; other != NULL;
         other = other->next_active)
        if (!qr_operation_is_over(other->row.state) &&
            other->row.database_id == op->row.database_id &&
            qr_str_ieqz(op->ask.pool, other->row.database))
            return qr_sql_fail(err, 40890);
    return qri_ops_check_server(control, op->ask.server, err);
}

static enum qr_status name_op(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    if (op->ask.server > QR_SERVER_NUMBER_MAX)
        return qr_fail(err, QR_NOT_FOUND, "There is no such server.");
    op->row.database_id = qr_database_id(op->ask.server, QR_POOL_OPERATION_NUMBER);
    snprintf(op->row.database, sizeof op->row.database, "%.*s", (int)op->ask.pool.n,
             op->ask.pool.p);
    return check_free(control, op, err);
}

enum qr_status qri_pool_begin(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_pool_wish wish = wish_of(&op->ask);
    struct qr_pool_row row;
    QR_TRY(name_op(control, op, err));
    return qr_registry_put_pool(control->options.registry, op->ask.server, &wish, is_new(op), true,
                                &row, err);
}

enum qr_status qri_pool_record(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_pool_wish wish = wish_of(&op->ask);
    struct qr_pool_row row;
    /* it may have been recorded before a crash */
    bool makes = is_new(op) && !(op->resumed && qr_registry_find_pool(registry, op->ask.server,
                                                                      op->ask.pool, &row) == QR_OK);
    return qr_registry_put_pool(registry, op->ask.server, &wish, makes, false, &row, err);
}

enum qr_status qri_pool_drop_begin(struct qr_control *control, struct qri_op *op,
                                   struct qr_err *err)
{
    QR_TRY(name_op(control, op, err));
    return qr_registry_remove_pool(control->options.registry, op->ask.server, op->ask.pool, true,
                                   err);
}

enum qr_status qri_pool_drop_record(struct qr_control *control, struct qri_op *op,
                                    struct qr_err *err)
{
    enum qr_status status = qr_registry_remove_pool(control->options.registry, op->ask.server,
                                                    op->ask.pool, false, err);
    return status == QR_NOT_FOUND ? QR_OK : status;
}

/* ---- answers ---- */

enum qr_status qri_pool_get(struct qr_control *control, const struct qr_control_ask *ask,
                            struct qr_buf *answer, struct qr_err *err)
{
    struct qr_pool_row row;
    (void)err;
    QR_TRY(qr_registry_find_pool(control->options.registry, ask->server, ask->pool, &row));
    qri_pool_put(answer, &row);
    return QR_OK;
}

enum qr_status qri_pool_list(struct qr_control *control, const struct qr_control_ask *ask,
                             struct qr_buf *answer, struct qr_err *err)
{
    struct qr_pool_row row;
    uint32_t after = ask->id;
    (void)err;
    while (answer->len < ANSWER_BYTES &&
           qr_registry_pool_after(control->options.registry, ask->server, after, &row)) {
        after = row.number;
        qri_pool_put(answer, &row);
    }
    return QR_OK;
}
