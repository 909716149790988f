/* dml_history.c - system-versioned tables: periods of rows, and versions that end. A writer of such
 * a table has one of its history beside it, so that whoever changes a row (statement, MERGE,
 * cascade) leaves its old version there, in the same transaction, locked and in its op log; see
 * dml_int.h. */
#include "dml_int.h"
#include "codec/datetime.h"
#include "base/banned.h"

enum { NONE = UINT16_MAX };

/* The transaction's time, as the column can hold it. */
static struct qr_value now(const struct qri_run *run, const struct qri_table *table,
                           uint16_t column)
{
    int64_t ticks = run->session->tran.begin_ticks;
    return qr_value_int(ticks - ticks % qri_moment_unit(&table->object->columns[column].type));
}

void qri_begin_version(const struct qri_run *run, const struct qri_table *table,
                       struct qr_value *row, bool is_new)
{
    if (table->period_start == NONE)
        return;
    row[table->period_start] = now(run, table, table->period_start);
    if (is_new)
        row[table->period_end] =
            qr_value_int(qri_last_moment(&table->object->columns[table->period_end].type));
}

bool qri_retention_begin(const struct qr_cat_object *table, int64_t now_ticks, int64_t *ret_ticks)
{
    static const enum qr_datepart parts[] = {[QR_RETENTION_DAY] = QR_PART_DAY,
                                             [QR_RETENTION_WEEK] = QR_PART_WEEK,
                                             [QR_RETENTION_MONTH] = QR_PART_MONTH,
                                             [QR_RETENTION_YEAR] = QR_PART_YEAR};
    struct qr_type type = qr_type_of(QR_TYPE_DATETIME2);
    struct qr_value now_value = qr_value_int(now_ticks), begin;
    if (table->retention == QR_RETENTION_INFINITE ||
        qr_dateadd(parts[table->retention], -(int64_t)table->retention_count, &type, &now_value,
                   &begin) != QR_DT_OK)
        return false;
    *ret_ticks = begin.i;
    return true;
}

/* Takes away what is past its retention, if nobody could hold a lock on it and no transaction has
 * to do it again on another snapshot: sooner or later there is such a moment. */
static enum qr_status clean_up(struct qri_writer *writer)
{
    const struct qri_table *table = writer->table;
    struct qr_session *session = writer->session;
    int64_t begin = 0;
    if (session->tran.lockful || session->tran.count > 0 ||
        !qri_retention_begin(table->object, session->tran.begin_ticks, &begin))
        return QR_OK;
    struct qri_stmt *stmt = NULL;
    QR_TRY(qri_stmt_take(session->link, table->clean_up, &stmt, writer->run->err));
    bool row = false;
    sqlite3_bind_int64(stmt->stmt, 1, begin);
    session->no_interrupt = true;
    enum qr_status status = qri_stmt_step(session->link, stmt, &row, writer->run->err);
    session->no_interrupt = false;
    qri_stmt_put(session->link, stmt);
    return status;
}

static enum qr_status start_history(struct qri_writer *writer)
{
    struct qr_arena *arena = &writer->run->frame->arena;
    writer->version = qr_arena_array(arena, writer->table->n, sizeof *writer->version);
    struct qri_writer *history = qr_arena_alloc(arena, sizeof *history);
    if (history == NULL || writer->version == NULL)
        return qr_fail(writer->run->err, QR_NOMEM, "keep a version");
    qri_writer_init(history, writer->run, writer->table->history);
    writer->history = history;
    return clean_up(writer);
}

/* What the table computes and does not keep, its history does. */
static enum qr_status make_version(struct qri_writer *writer, const struct qr_value *old)
{
    const struct qri_table *table = writer->table;
    struct qri_run *run = writer->run;
    run->eval.inputs = old;
    run->eval.input_count = table->n;
    for (size_t i = 0; i < table->n; i++) {
        writer->version[i] = old[i];
        if (table->computed[i] != NULL && !table->object->columns[i].is_persisted)
            QR_TRY(qr_expr_eval(table->computed[i], &run->eval, &writer->version[i], run->err));
    }
    return QR_OK;
}

enum qr_status qri_end_version(struct qri_writer *writer, const struct qr_value *old)
{
    const struct qri_table *table = writer->table;
    struct qri_run *run = writer->run;
    if (table->history == NULL)
        return QR_OK;
    struct qr_value end = now(run, table, table->period_end);
    if (end.i < old[table->period_start].i)
        return qr_sql_fail(run->err, 13535, table->full_name);
    if (writer->history == NULL)
        QR_TRY(start_history(writer));
    QR_TRY(make_version(writer, old));
    writer->version[table->period_end] = end;
    int64_t rowid = 0;
    bool ignored = false;
    QR_TRY(qri_row_id(run, table->history, writer->version, &rowid));
    QR_TRY(qri_write_insert(writer->history, writer->version, rowid, &ignored));
    if (run->arena.chunk != NULL) /* what was computed */
        qr_arena_reset(&run->arena);
    return QR_OK;
}
