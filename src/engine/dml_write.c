/* dml_write.c - applies single rows by key and finds out which key a failure was about. */
#include <assert.h>
#include "dml_int.h"
#include "base/banned.h"

void qri_writer_init(struct qri_writer *writer, struct qri_run *run, const struct qri_table *table)
{
    *writer = (struct qri_writer){.session = run->session,
                                  .run = run,
                                  .table = table,
                                  .update_sql = table->update_all,
                                  .updated = table->stored,
                                  .updated_count = table->stored_count};
}

void qri_writer_done(struct qri_writer *writer)
{
    struct qri_link *link = writer->session->link;
    qri_stmt_put(link, writer->insert);
    qri_stmt_put(link, writer->update);
    qri_stmt_put(link, writer->delete);
    if (writer->history != NULL)
        qri_writer_done(writer->history);
    writer->insert = writer->update = writer->delete = NULL;
}

static enum qr_status want(struct qri_writer *writer, struct qri_stmt **stmt, struct qri_sql sql)
{
    if (*stmt != NULL) {
        sqlite3_reset((*stmt)->stmt);
        return QR_OK;
    }
    return qri_stmt_take(writer->session->link, sql, stmt, writer->run->err);
}

static enum qr_status bind_column(struct qri_writer *writer, struct qri_stmt *stmt, size_t index,
                                  const struct qr_value *row, uint16_t column)
{
    return qri_bind(stmt->stmt, (int)index, &writer->table->object->columns[column].type,
                    &row[column], writer->run->err);
}

enum qr_status qri_bind_key(struct qri_run *run, const struct qri_table *table,
                            struct qri_stmt *stmt, size_t first, const struct qr_value *old,
                            int64_t rowid)
{
    if (table->by_rowid) {
        sqlite3_bind_int64(stmt->stmt, (int)first, rowid);
        return QR_OK;
    }
    for (size_t i = 0; i < table->key_count; i++)
        QR_TRY(qri_bind(stmt->stmt, (int)(first + i), &table->object->columns[table->key[i]].type,
                        &old[table->key[i]], run->err));
    return QR_OK;
}

/* ---- which key ---- */

enum qr_status qri_probe(struct qri_run *run, struct qri_sql sql, const struct qri_table *table,
                         const uint16_t *columns, size_t count, const struct qr_value *row,
                         const struct qr_value *own, int64_t own_rowid, bool *ret_found)
{
    struct qri_link *link = run->session->link;
    struct qri_stmt *stmt = NULL;
    QR_TRY(qri_stmt_take(link, sql, &stmt, run->err));
    enum qr_status status = QR_OK;
    for (size_t i = 0; i < count && status == QR_OK; i++)
        status = qri_bind(stmt->stmt, (int)i + 1, &table->object->columns[columns[i]].type,
                          &row[columns[i]], run->err);
    if (status == QR_OK && own != NULL)
        status = qri_bind_key(run, table, stmt, count + 1, own, own_rowid);
    if (status == QR_OK)
        status = qri_stmt_step(link, stmt, ret_found, run->err);
    qri_stmt_put(link, stmt);
    return status;
}

/* SQLite says only that some key failed. */
static enum qr_status name_failure(struct qri_writer *writer, const struct qr_value *row,
                                   const struct qr_value *old, int64_t rowid,
                                   const struct qri_unique **ret_unique)
{
    const struct qri_table *table = writer->table;
    struct qri_run *run = writer->run;
    *ret_unique = NULL;
    for (int filtered = 0; filtered < 2; filtered++) { /* full indexes tell more surely */
        for (size_t i = 0; i < table->unique_count; i++) {
            const struct qri_unique *unique = &table->uniques[i];
            bool covers = true, found = false;
            if ((unique->filter != NULL) != (filtered == 1))
                continue;
            if (unique->filter != NULL) {
                run->eval.inputs = row;
                run->eval.input_count = table->n;
                QR_TRY(qr_expr_test(unique->filter, &run->eval, false, &covers, run->err));
            }
            if (!covers)
                continue;
            /* an inserted row has no other self: nothing has the rowid -1 or its own key twice */
            const struct qr_value *own = old == NULL ? row : old;
            bool excludes = old != NULL || table->by_rowid;
            int64_t own_rowid = old == NULL ? INT64_MIN : rowid;
            if (excludes)
                QR_TRY(qri_probe(run, unique->probe, table, unique->columns, unique->count, row,
                                 own, own_rowid, &found));
            else
                QR_TRY(qri_probe_insert(run, table, unique, row, &found));
            if (found) {
                *ret_unique = unique;
                return QR_OK;
            }
        }
    }
    return QR_OK;
}

/* Keyed tables: a row with the same clustered key is itself the conflict. */
enum qr_status qri_probe_insert(struct qri_run *run, const struct qri_table *table,
                                const struct qri_unique *unique, const struct qr_value *row,
                                bool *ret_found)
{
    if (unique->index->is_clustered) {
        QR_TRY(qri_probe(run, table->exists, table, table->key, table->key_count, row, NULL, 0,
                         ret_found));
        return QR_OK;
    }
    return qri_probe(run, unique->probe, table, unique->columns, unique->count, row, row, 0,
                     ret_found);
}

enum qr_status qri_fail_key(struct qri_writer *writer, const struct qr_value *row,
                            const struct qr_value *old, int64_t rowid)
{
    const struct qri_unique *unique = NULL;
    QR_TRY(name_failure(writer, row, old, rowid, &unique));
    if (unique == NULL)
        return qr_fail(writer->run->err, QR_CORRUPT, "%s",
                       sqlite3_errmsg(writer->session->link->db));
    return qri_fail_unique(writer->run, writer->table, unique, row);
}

/* ---- rows ---- */

static enum qr_status ignore_duplicate(struct qri_writer *writer, const struct qr_value *row,
                                       int64_t rowid, bool *ret_ignored)
{
    const struct qri_unique *unique = NULL;
    QR_TRY(name_failure(writer, row, NULL, rowid, &unique));
    if (unique != NULL && !unique->index->ignore_dup_key)
        return qri_fail_unique(writer->run, writer->table, unique, row);
    *ret_ignored = unique != NULL;
    return unique == NULL ? qri_fail_key(writer, row, NULL, rowid) : QR_OK;
}

bool qri_ignores_duplicates(const struct qri_table *table)
{
    for (size_t i = 0; i < table->unique_count; i++)
        if (table->uniques[i].index->ignore_dup_key)
            return true;
    return false;
}

static enum qr_status step(struct qri_writer *writer, struct qri_stmt *stmt)
{
    bool row = false;
    struct qr_session *session = writer->session;
    session->no_interrupt = true; /* an interrupted write would undo the whole transaction */
    enum qr_status status = qri_stmt_step(session->link, stmt, &row, writer->run->err);
    session->no_interrupt = false;
    if (status != QR_OK)
        sqlite3_reset(stmt->stmt);
    return status;
}

enum qr_status qri_write_insert(struct qri_writer *writer, const struct qr_value *row,
                                int64_t rowid, bool *ret_ignored)
{
    const struct qri_table *table = writer->table;
    *ret_ignored = false;
    QR_TRY(qri_lock_change(writer, NULL, row, rowid));
    QR_TRY(want(writer, &writer->insert, table->insert));
    struct qri_stmt *stmt = writer->insert;
    for (size_t i = 0; i < table->stored_count; i++)
        QR_TRY(bind_column(writer, stmt, i + 1, row, table->stored[i]));
    if (table->is_heap)
        sqlite3_bind_int64(stmt->stmt, (int)table->stored_count + 1, rowid);
    enum qr_status status = step(writer, stmt);
    if (status == QR_OK)
        return qri_record_insert(writer, row, rowid);
    if (status != QR_EXISTS)
        return status;
    if (qri_ignores_duplicates(table))
        return ignore_duplicate(writer, row, rowid, ret_ignored);
    return qri_fail_key(writer, row, NULL, rowid);
}

enum qr_status qri_write_update(struct qri_writer *writer, const struct qr_value *old,
                                const struct qr_value *row, int64_t rowid)
{
    QR_TRY(qri_lock_change(writer, old, row, rowid));
    QR_TRY(qri_check_found(writer, old, rowid));
    QR_TRY(qri_end_version(writer, old));
    QR_TRY(want(writer, &writer->update, writer->update_sql));
    struct qri_stmt *stmt = writer->update;
    for (size_t i = 0; i < writer->updated_count; i++)
        QR_TRY(bind_column(writer, stmt, i + 1, row, writer->updated[i]));
    QR_TRY(qri_bind_key(writer->run, writer->table, stmt, writer->updated_count + 1, old, rowid));
    enum qr_status status = step(writer, stmt);
    if (status == QR_OK)
        return qri_record_update(writer, old, row, rowid);
    return status == QR_EXISTS ? qri_fail_key(writer, row, old, rowid) : status;
}

enum qr_status qri_write_delete(struct qri_writer *writer, const struct qr_value *old,
                                int64_t rowid)
{
    QR_TRY(qri_lock_change(writer, old, NULL, rowid));
    QR_TRY(qri_check_found(writer, old, rowid));
    QR_TRY(qri_end_version(writer, old));
    QR_TRY(want(writer, &writer->delete, writer->table->delete));
    QR_TRY(qri_bind_key(writer->run, writer->table, writer->delete, 1, old, rowid));
    enum qr_status status = step(writer, writer->delete);
    if (status == QR_OK)
        return qri_record_delete(writer, old, rowid);
    return status == QR_EXISTS ? qr_fail(writer->run->err, QR_CORRUPT, "a delete broke a key")
                               : status;
}
