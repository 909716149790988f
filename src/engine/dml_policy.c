/* dml_policy.c - block predicates of security policies, asked about the rows that a statement has
 * changed before its triggers run; see dml_int.h. Each is a query of the plan over `inserted` or
 * `deleted`, which the frame shows it as it shows a trigger its rows. */
#include "dml_int.h"
#include "base/banned.h"

static enum qr_status check_block(struct qri_run *run, const struct qri_table *table,
                                  const struct qr_plan_block *block)
{
    struct qri_query query;
    bool is_refused = false;
    QR_TRY(
        qri_query_open(run->frame, &block->sql, qri_sql(block->sql.text), NULL, &query, run->err));
    enum qr_status status = qri_query_next(&query, &is_refused, run->err);
    qri_query_close(&query);
    QR_TRY(status);
    return is_refused ? qr_sql_fail(run->err, 33504, table->full_name) : QR_OK;
}

static enum qr_status check_event(struct qri_run *run, const struct qri_table *table,
                                  const struct qr_plan_dml *plan, struct qr_rowset *changes,
                                  enum qri_event event)
{
    struct qri_trigger_rows rows = {.table = table->object, .event = (uint8_t)event};
    const struct qri_trigger_rows *outer = run->frame->trigger;
    enum qr_status status = qri_split_changes(run, table, changes, event, &rows);
    run->frame->trigger = &rows;
    for (size_t i = 0; i < plan->block_count && status == QR_OK; i++)
        if ((plan->blocks[i].change & event) != 0)
            status = check_block(run, table, &plan->blocks[i]);
    run->frame->trigger = outer;
    qr_rowset_free(rows.inserted);
    qr_rowset_free(rows.deleted);
    return status;
}

enum qr_status qri_check_blocks(struct qri_run *run, const struct qri_table *table,
                                const struct qr_plan_dml *plan, struct qr_rowset *changes)
{
    unsigned events = 0;
    for (size_t i = 0; i < plan->block_count; i++)
        events |= plan->blocks[i].change;
    for (unsigned event = QRI_INSERT; event <= QRI_DELETE; event *= 2)
        if ((events & event) != 0)
            QR_TRY(check_event(run, table, plan, changes, (enum qri_event)event));
    return QR_OK;
}
