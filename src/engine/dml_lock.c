/* dml_lock.c - the locks of a row that is about to change, and its place in the op log.
 *
 * Keys that appear or vanish are locked apart from the row itself: a foreign key that points at a
 * row holds its key, not the row, so that the row's other columns may change meanwhile. A row that
 * is inserted needs no lock of its own: nobody sees it before the commit. */
#include <string.h>
#include "dml_int.h"
#include "lock_int.h"
#include "lock_key.h"
#include "oplog_int.h"
#include "base/banned.h"

enum { ESCALATION_ROWS = 5000 };

static bool takes_locks(const struct qri_writer *writer)
{
    const struct qri_table *table = writer->table;
    return writer->session->tran.lockful && !table->is_temp && !table->is_rowset;
}

/* Many rows of one table: the whole of it, if nobody else is in it. */
static enum qr_status escalate(struct qri_writer *writer, struct qr_err *err)
{
    struct qr_lock_resource table = qri_lock_table_of(writer->table->object->object_id);
    writer->lock_count = 0;
    enum qr_status status =
        qr_lock_try(writer->session->lock_owner, QR_LOCK_OF_TRAN, &table, QR_LOCK_X, err);
    writer->has_table = status == QR_OK;
    if (writer->has_table)
        qri_stamp_all(writer->session);
    return status == QR_BUSY ? QR_OK : status;
}

static enum qr_status begin_table(struct qri_writer *writer, struct qr_err *err)
{
    struct qr_session *session = writer->session;
    struct qr_lock_resource table = qri_lock_table_of(writer->table->object->object_id);
    QR_TRY(qri_lock(session, &table, QR_LOCK_IX, err));
    writer->is_locked = true;
    writer->has_table = qr_lock_held(session->lock_owner, QR_LOCK_OF_TRAN, &table) == QR_LOCK_X;
    if (writer->has_table)
        qri_stamp_all(session);
    return QR_OK;
}

static enum qr_status lock_one(struct qri_writer *writer, const struct qr_lock_resource *resource,
                               struct qr_err *err)
{
    bool due = false;
    (void)qri_locks_are_many(writer->session, &due);
    if (++writer->lock_count > ESCALATION_ROWS || due)
        QR_TRY(escalate(writer, err));
    if (writer->has_table)
        return QR_OK;
    QR_TRY(qri_lock(writer->session, resource, QR_LOCK_X, err));
    qri_stamp_note(writer->session, resource);
    return QR_OK;
}

static bool same_key(const struct qri_table *table, const struct qri_unique *unique,
                     const struct qr_value *a, const struct qr_value *b)
{
    struct qr_lock_resource x = qri_lock_key_of(table, unique, a);
    struct qr_lock_resource y = qri_lock_key_of(table, unique, b);
    return x.hash == y.hash;
}

/* A row with the clustered key that `row` is to get, which another is changing, keeps `row` waiting
 * as in SQL Server: that one may delete it yet. Before the key is locked, which it would need for
 * that. Nothing is kept: who is told of a duplicate after all has locked nothing of that row. */
static enum qr_status wait_for_row(struct qri_writer *writer, const struct qr_value *row)
{
    const struct qri_table *table = writer->table;
    struct qr_session *session = writer->session;
    bool is_named = false;
    for (size_t i = 0; i < table->unique_count; i++)
        is_named |= qri_key_names_row(table->object, table->uniques[i].index);
    if (!is_named)
        return QR_OK;
    int64_t rowid = table->by_rowid ? row[table->rowid_column].i : 0;
    struct qr_lock_resource there = qri_lock_row_of(table, row, rowid);
    if (qr_lock_may(session->lock_owner, &there, QR_LOCK_S))
        return QR_OK;
    enum qr_status status = qri_lock_refused(session, &there, QR_LOCK_S, writer->run->err);
    session->conflict.is_brief = true;
    return status;
}

static bool is_key_new(const struct qri_table *table, const struct qr_value *old,
                       const struct qr_value *row)
{
    if (old == NULL || row == NULL)
        return row != NULL;
    for (size_t i = 0; i < table->unique_count; i++)
        if (qri_key_names_row(table->object, table->uniques[i].index))
            return !same_key(table, &table->uniques[i], old, row);
    return false;
}

/* Is the row in the index? */
static enum qr_status is_covered(struct qri_writer *writer, const struct qri_unique *unique,
                                 const struct qr_value *row, bool *ret_covered)
{
    struct qri_run *run = writer->run;
    *ret_covered = row != NULL;
    if (row == NULL || unique->filter == NULL)
        return QR_OK;
    const struct qr_value *inputs = run->eval.inputs;
    size_t count = run->eval.input_count;
    run->eval.inputs = row;
    run->eval.input_count = writer->table->n;
    enum qr_status status = qr_expr_test(unique->filter, &run->eval, false, ret_covered, run->err);
    run->eval.inputs = inputs;
    run->eval.input_count = count;
    return status;
}

/* The keys that appear in the index or vanish from it. */
static enum qr_status lock_unique(struct qri_writer *writer, const struct qri_unique *unique,
                                  const struct qr_value *old, const struct qr_value *row)
{
    const struct qr_value *sides[] = {old, row};
    bool covered[2];
    for (size_t k = 0; k < 2; k++)
        QR_TRY(is_covered(writer, unique, sides[k], &covered[k]));
    if (covered[0] && covered[1] && same_key(writer->table, unique, old, row))
        return QR_OK;
    for (size_t k = 0; k < 2; k++) {
        if (!covered[k])
            continue;
        struct qr_lock_resource key = qri_lock_key_of(writer->table, unique, sides[k]);
        QR_TRY(lock_one(writer, &key, writer->run->err));
    }
    return QR_OK;
}

static enum qr_status lock_change(struct qri_writer *writer, const struct qr_value *old,
                                  const struct qr_value *row, int64_t rowid)
{
    const struct qri_table *table = writer->table;
    struct qr_err *err = writer->run->err;
    if (!takes_locks(writer))
        return QR_OK;
    if (!writer->is_locked)
        QR_TRY(begin_table(writer, err));
    if (writer->has_table)
        return QR_OK;
    if (is_key_new(table, old, row))
        QR_TRY(wait_for_row(writer, row));
    if (old != NULL) {
        struct qr_lock_resource own = qri_lock_row_of(table, old, rowid);
        QR_TRY(lock_one(writer, &own, err));
    }
    for (size_t i = 0; i < table->unique_count; i++)
        QR_TRY(lock_unique(writer, &table->uniques[i], old, row));
    return writer->has_table ? QR_OK : qri_lock_keys(writer, old, row);
}

enum qr_status qri_lock_change(struct qri_writer *writer, const struct qr_value *old,
                               const struct qr_value *row, int64_t rowid)
{
    struct qri_run *run = writer->run;
    enum qr_status status = lock_change(writer, old, row, rowid);
    bool no_wait = run->dml != NULL && run->dml->plan->no_wait && writer->table == run->dml->table;
    return status == QR_AGAIN && no_wait ? qr_sql_fail(run->err, 1222) : status;
}

/* ---- SNAPSHOT ---- */

static bool is_cell(sqlite3_stmt *stmt, int index, const struct qr_value *v)
{
    switch (sqlite3_column_type(stmt, index)) {
    case SQLITE_INTEGER:
        if (v->cell == QR_CELL_REAL) /* SQLite keeps whole ones as integers */
            return sqlite3_column_double(stmt, index) == v->r;
        return v->cell == QR_CELL_INT && sqlite3_column_int64(stmt, index) == v->i;
    case SQLITE_FLOAT:
        return v->cell == QR_CELL_REAL && sqlite3_column_double(stmt, index) == v->r;
    case SQLITE_NULL:
        return v->cell == QR_CELL_NULL;
    default: {
        const void *bytes = sqlite3_column_blob(stmt, index);
        size_t n = (size_t)sqlite3_column_bytes(stmt, index);
        return (v->cell == QR_CELL_TEXT || v->cell == QR_CELL_BLOB) && v->n == n &&
               (n == 0 || memcmp(bytes, v->p, n) == 0);
    }
    }
}

static bool is_row(const struct qri_table *table, sqlite3_stmt *stmt, const struct qr_value *old)
{
    for (size_t i = 0; i < table->stored_count; i++) {
        uint8_t scratch[16];
        uint16_t column = table->stored[i];
        struct qr_value v = qri_stored(&table->object->columns[column].type, &old[column], scratch);
        if (!is_cell(stmt, (int)i, &v))
            return false;
    }
    return true;
}

enum qr_status qri_check_found(struct qri_writer *writer, const struct qr_value *old, int64_t rowid)
{
    const struct qri_table *table = writer->table;
    struct qr_session *session = writer->session;
    struct qri_run *run = writer->run;
    if (!session->tran.moved || session->trigger_level > 0 || table->is_temp)
        return QR_OK;
    struct qri_stmt *stmt = NULL;
    QR_TRY(qri_stmt_take(session->link, table->read, &stmt, run->err));
    bool found = false;
    enum qr_status status = qri_bind_key(run, table, stmt, 1, old, rowid);
    if (status == QR_OK)
        status = qri_stmt_step(session->link, stmt, &found, run->err);
    found = found && status == QR_OK && is_row(table, stmt->stmt, old);
    qri_stmt_put(session->link, stmt);
    if (status != QR_OK || found)
        return status;
    return qr_sql_fail(run->err, 3960, table->name, qri_info(session->db)->name.p);
}

/* ---- foreign keys ---- */

/* Many keys: the whole parent, if nobody else is in it. */
static enum qr_status try_parent(struct qr_session *session, uint32_t object_id, bool *ret_has,
                                 struct qr_err *err)
{
    struct qr_lock_resource table = qri_lock_table_of(object_id);
    bool due = false;
    *ret_has = false;
    if (!qri_locks_are_many(session, &due))
        return QR_OK;
    enum qr_lock_mode held = qr_lock_held(session->lock_owner, QR_LOCK_OF_TRAN, &table);
    *ret_has = qr_lock_join(held, QR_LOCK_S) == held;
    if (*ret_has || !due)
        return QR_OK;
    enum qr_status status =
        qr_lock_try(session->lock_owner, QR_LOCK_OF_TRAN, &table, QR_LOCK_S, err);
    *ret_has = status == QR_OK;
    if (*ret_has)
        qri_stamp_all(session);
    return status == QR_BUSY ? QR_OK : status;
}

enum qr_status qri_lock_parent(struct qri_run *run, const struct qri_fk_out *out,
                               const struct qr_value *row)
{
    struct qr_session *session = run->session;
    struct qr_lock_resource key;
    if (!session->tran.lockful || !qri_lock_parent_key_of(out, row, &key))
        return QR_OK;
    bool has_parent = false;
    QR_TRY(try_parent(session, out->parent->object_id, &has_parent, run->err));
    if (has_parent)
        return QR_OK;
    QR_TRY(qri_lock_table(session, out->parent->object_id, QR_LOCK_IS, run->err));
    QR_TRY(qri_lock(session, &key, QR_LOCK_S, run->err));
    qri_stamp_look(session, &key);
    return QR_OK;
}

/* ---- the op log ---- */

static bool records(const struct qr_session *session)
{
    const struct qri_tran *tran = &session->tran;
    return tran->count > 0 && !tran->holds && !tran->is_ddl && !tran->statement_open;
}

static enum qr_status begin_op(struct qr_session *session, uint32_t object_id, struct qri_sql sql,
                               struct qr_err *err)
{
    if (session->tran.oplog == NULL)
        QR_TRY(qri_oplog_new(session->db->store, &session->tran.oplog, err));
    return qri_oplog_begin(session->tran.oplog, object_id, sql, err);
}

static void add_columns(const struct qri_writer *writer, const uint16_t *columns, size_t count,
                        const struct qr_value *row)
{
    for (size_t i = 0; i < count; i++)
        qri_oplog_cell(writer->session->tran.oplog,
                       &writer->table->object->columns[columns[i]].type, &row[columns[i]]);
}

static void add_key(const struct qri_writer *writer, const struct qr_value *old, int64_t rowid)
{
    const struct qri_table *table = writer->table;
    if (table->by_rowid)
        qri_oplog_int(writer->session->tran.oplog, rowid);
    else
        add_columns(writer, table->key, table->key_count, old);
}

enum qr_status qri_record_insert(struct qri_writer *writer, const struct qr_value *row,
                                 int64_t rowid)
{
    const struct qri_table *table = writer->table;
    struct qr_session *session = writer->session;
    if (!records(session))
        return QR_OK;
    QR_TRY(begin_op(session, table->object->object_id, table->insert, writer->run->err));
    add_columns(writer, table->stored, table->stored_count, row);
    if (table->is_heap)
        qri_oplog_int(session->tran.oplog, rowid);
    return qri_oplog_end(session->tran.oplog, writer->run->err);
}

enum qr_status qri_record_update(struct qri_writer *writer, const struct qr_value *old,
                                 const struct qr_value *row, int64_t rowid)
{
    struct qr_session *session = writer->session;
    if (!records(session))
        return QR_OK;
    QR_TRY(
        begin_op(session, writer->table->object->object_id, writer->update_sql, writer->run->err));
    add_columns(writer, writer->updated, writer->updated_count, row);
    add_key(writer, old, rowid);
    return qri_oplog_end(session->tran.oplog, writer->run->err);
}

enum qr_status qri_record_delete(struct qri_writer *writer, const struct qr_value *old,
                                 int64_t rowid)
{
    struct qr_session *session = writer->session;
    if (!records(session))
        return QR_OK;
    QR_TRY(begin_op(session, writer->table->object->object_id, writer->table->delete,
                    writer->run->err));
    add_key(writer, old, rowid);
    return qri_oplog_end(session->tran.oplog, writer->run->err);
}

enum qr_status qri_record_sql(struct qr_session *session, uint32_t object_id, const char *sql,
                              const struct qri_bound *bound, size_t count, struct qr_err *err)
{
    if (!records(session))
        return QR_OK;
    QR_TRY(begin_op(session, object_id, qri_sql(qr_str(sql)), err));
    for (size_t i = 0; i < count; i++)
        qri_oplog_cell(session->tran.oplog, bound[i].type, &bound[i].value);
    return qri_oplog_end(session->tran.oplog, err);
}
