/* dml_loose.c - a statement of a transaction that changes a few rows by noting them in the op log;
 * see dml_int.h.
 *
 * It runs without the writer lock. Rows are found in what is durable, and locked; if the last
 * commit that changed any of them is in there too, they are as they were found, and stay so; else
 * the statement runs again on a snapshot that has it. Commits that are not durable yet and touch
 * none of the rows come after the statement. What the transaction has changed itself is in no
 * snapshot: a statement that could meet it takes the ordinary way, where SQLite gets to know it. */
#include <assert.h>
#include "dml_stage.h"
#include "link.h"
#include "lock_int.h"
#include "lock_key.h"
#include "lock_read.h"
#include "oplog_int.h"
#include "base/banned.h"

enum {
    ROWS_MAX = 64,
    PINS_MAX = 8,
    QUOTA_RESERVE_BYTES = 1 << 20, /* what is noted has not grown the database yet */
};

/* ---- which ---- */

bool qri_dml_can_be_loose(const struct qri_dml *dml, const struct qr_plan *plan)
{
    const struct qri_table *table = dml->table;
    if (!dml->is_simple || table->is_temp || table->is_rowset || plan->locks_rows ||
        plan->prelock_count > 0 || dml->plan->exec != NULL || table->object->type != QR_CAT_TABLE ||
        table->object->storage == QR_STORE_VTAB)
        return false;
    for (size_t i = 0; i < table->unique_count; i++)
        if (table->uniques[i].filter != NULL || table->uniques[i].index->ignore_dup_key)
            return false;
    switch ((int)dml->kind) {
    case QR_PLAN_INSERT:
        return dml->plan->value_row_count == 1;
    case QR_PLAN_UPDATE:
        return !dml->key_changes && dml->updated_count > 0 && !dml->gives_keys;
    case QR_PLAN_DELETE:
        return true;
    default:
        return false;
    }
}

static bool has_table_lock(const struct qr_session *session, uint32_t object_id)
{
    struct qr_lock_resource table = qri_lock_table_of(object_id);
    return session->lock_owner != NULL &&
           qr_lock_held(session->lock_owner, QR_LOCK_OF_TRAN, &table) == QR_LOCK_X;
}

/* Rows of the target that the transaction has changed are known by their locks. */
static bool knows_own_rows(const struct qri_run *run)
{
    const struct qri_dml *dml = run->dml;
    if (has_table_lock(run->session, dml->table->object->object_id))
        return false;
    return dml->kind == QR_PLAN_INSERT || dml->plan->direct.text.n > 0;
}

static bool changed_target(const struct qri_run *run)
{
    return qri_oplog_changes(run->session->tran.oplog, run->dml->table->object->object_id);
}

bool qri_dml_is_loose(const struct qri_run *run, const struct qr_plan *plan)
{
    const struct qri_dml *dml = run->dml;
    const struct qri_tran *tran = &run->session->tran;
    if (!dml->can_be_loose || !qri_tran_may_write_loose(run->session))
        return false;
    if (changed_target(run) && !knows_own_rows(run))
        return false;
    for (size_t i = 0; i < dml->table->fk_count; i++)
        if (qri_oplog_changes(tran->oplog, dml->table->fks[i].parent->object_id))
            return false;
    return qri_tran_reads_apart(tran, plan, dml->table->object);
}

/* Perhaps the shape of the table, until it was locked. */
static bool catalog_has_changed(const struct qr_session *session)
{
    return atomic_load(&session->db->catalog_serial) != session->catalog_serial;
}

/* ---- INSERT ---- */

static bool has_own_key(const struct qri_run *run, const struct qr_value *row)
{
    const struct qri_table *table = run->dml->table;
    for (size_t i = 0; i < table->unique_count; i++) {
        struct qr_lock_resource key = qri_lock_key_of(table, &table->uniques[i], row);
        if (qr_lock_held(run->session->lock_owner, QR_LOCK_OF_TRAN, &key) != QR_LOCK_NONE)
            return true;
    }
    return false;
}

static enum qr_status check_keys(struct qri_run *run, const struct qr_value *row)
{
    const struct qri_table *table = run->dml->table;
    for (size_t i = 0; i < table->unique_count; i++) {
        const struct qri_unique *unique = &table->uniques[i];
        bool found = false;
        if (table->by_rowid)
            QR_TRY(qri_probe(run, unique->probe, table, unique->columns, unique->count, row, row,
                             INT64_MIN, &found));
        else
            QR_TRY(qri_probe_insert(run, table, unique, row, &found));
        if (found)
            return qri_fail_unique(run, table, unique, row);
    }
    return QR_OK;
}

/* What a locked row and its parents meet. */
static enum qr_status check_row(struct qri_run *run, struct qri_code *code,
                                const struct qr_value *row, enum qri_loose *ret_outcome)
{
    const struct qri_table *table = run->dml->table;
    struct qr_session *session = run->session;
    if (table->unique_count == 0 && table->fk_count == 0)
        return QR_OK;
    for (int i = 0; i < PINS_MAX; i++) {
        if (!qri_tran_sees_locked(session))
            QR_TRY(qri_tran_pin_again(session, run->err));
        if (!qri_code_holds(code, session))
            break;
        enum qr_status status = qri_fk_check_row(run, table, row, "INSERT");
        if (status == QR_AGAIN || qri_tran_sees_locked(session))
            return status == QR_OK ? check_keys(run, row) : status;
    }
    *ret_outcome = QRI_LOOSE_NOT;
    return QR_OK;
}

static enum qr_status insert(struct qri_run *run, struct qri_code *code,
                             enum qri_loose *ret_outcome)
{
    const struct qri_table *table = run->dml->table;
    const struct qr_session *session = run->session;
    struct qr_value *row = run->row;
    int64_t rowid = 0;
    QR_TRY(qri_one_row(run, &rowid));
    *ret_outcome = changed_target(run) && has_own_key(run, row) ? QRI_LOOSE_NOT : QRI_LOOSE_DONE;
    if (*ret_outcome == QRI_LOOSE_NOT)
        return QR_OK;
    struct qri_writer writer;
    qri_writer_init(&writer, run, table);
    enum qr_status status = qri_lock_change(&writer, NULL, row, rowid);
    if (status == QR_OK && catalog_has_changed(session))
        *ret_outcome = QRI_LOOSE_AGAIN;
    if (status == QR_OK && *ret_outcome == QRI_LOOSE_DONE)
        status = check_row(run, code, row, ret_outcome);
    if (status == QR_OK && *ret_outcome == QRI_LOOSE_DONE)
        status = qri_record_insert(&writer, row, rowid);
    qri_writer_done(&writer);
    run->count = 1;
    return status;
}

/* ---- UPDATE, DELETE ---- */

static enum qr_status get_change(struct qri_run *run, uint64_t i, int64_t *ret_rowid)
{
    bool found = false;
    QR_TRY(qri_rowset_get(run->changes, i, run->row, &found, run->err));
    assert(found);
    *ret_rowid = run->row[2 * run->dml->table->n].i;
    return QR_OK;
}

static const struct qr_value *new_row(const struct qri_run *run)
{
    return run->dml->kind == QR_PLAN_DELETE ? NULL : run->row + run->dml->table->n;
}

/* Is one of the rows found the transaction's own, or could there be more of its own? */
static enum qr_status meets_own(struct qri_run *run, bool *ret_meets)
{
    *ret_meets = changed_target(run) && qri_rowset_end(run->changes) == 0;
    for (uint64_t i = 0; changed_target(run) && i < qri_rowset_end(run->changes); i++) {
        int64_t rowid = 0;
        QR_TRY(get_change(run, i, &rowid));
        struct qr_lock_resource own = qri_lock_row_of(run->dml->table, run->row, rowid);
        *ret_meets |= qr_lock_held(run->session->lock_owner, QR_LOCK_OF_TRAN, &own) != QR_LOCK_NONE;
    }
    return QR_OK;
}

static enum qr_status lock_all(struct qri_run *run, struct qri_writer *writer)
{
    for (uint64_t i = 0; i < qri_rowset_end(run->changes); i++) {
        int64_t rowid = 0;
        QR_TRY(get_change(run, i, &rowid));
        QR_TRY(qri_lock_change(writer, run->row, new_row(run), rowid));
    }
    return QR_OK;
}

static enum qr_status record_all(struct qri_run *run, struct qri_writer *writer)
{
    for (uint64_t i = 0; i < qri_rowset_end(run->changes); i++) {
        int64_t rowid = 0;
        QR_TRY(get_change(run, i, &rowid));
        QR_TRY(new_row(run) == NULL ? qri_record_delete(writer, run->row, rowid)
                                    : qri_record_update(writer, run->row, new_row(run), rowid));
    }
    return QR_OK;
}

static enum qr_status change(struct qri_run *run, enum qri_loose *ret_outcome)
{
    const struct qri_dml *dml = run->dml;
    bool meets = false;
    QR_TRY(qr_rowset_new(dml->change_types, dml->change_count, run->session->db->store,
                         &run->changes, run->err));
    run->stage_max = ROWS_MAX + 1;
    QR_TRY(qri_stage(run));
    QR_TRY(meets_own(run, &meets));
    *ret_outcome = QRI_LOOSE_NOT;
    if (meets || qri_rowset_end(run->changes) > ROWS_MAX)
        return QR_OK;
    struct qri_writer writer;
    qri_writer_init(&writer, run, dml->table);
    if (dml->kind == QR_PLAN_UPDATE) {
        writer.update_sql = dml->update;
        writer.updated = dml->updated;
        writer.updated_count = dml->updated_count;
    }
    enum qr_status status = lock_all(run, &writer);
    if (status == QR_OK &&
        (catalog_has_changed(run->session) || !qri_tran_sees_locked(run->session))) {
        /* once more; but a long search would meet others' changes again and again */
        *ret_outcome = dml->plan->direct.text.n > 0 ? QRI_LOOSE_AGAIN : QRI_LOOSE_NOT;
    } else if (status == QR_OK) {
        *ret_outcome = QRI_LOOSE_DONE;
        status = record_all(run, &writer);
        run->count = qr_rowset_count(run->changes);
    }
    qri_writer_done(&writer);
    return status;
}

/* ---- the statement ---- */

enum qr_status qri_run_loose(struct qri_run *run, struct qri_code *code,
                             enum qri_loose *ret_outcome)
{
    struct qr_session *session = run->session;
    QR_TRY(qri_prelock(run->frame, code->plan, false, run->err));
    QR_TRY(qri_grant_early(run->frame, &code->need, run->err));
    QR_TRY(qri_tran_statement_begin(session, QRI_WRITE_LOOSE, run->err));
    struct qri_oplog_mark mark = qri_oplog_mark(session->tran.oplog);
    enum qr_status status = QR_OK;
    *ret_outcome = QRI_LOOSE_AGAIN;
    if (qr_conn_near_limit(session->link->conn, 2 * mark.bytes + QUOTA_RESERVE_BYTES))
        *ret_outcome = QRI_LOOSE_NOT; /* SQLite tells now, and not at COMMIT */
    else if (qri_code_holds(code, session))
        status = run->dml->kind == QR_PLAN_INSERT ? insert(run, code, ret_outcome)
                                                  : change(run, ret_outcome);
    if (status != QR_OK)
        qri_oplog_cut(session->tran.oplog, mark);
    return qri_tran_statement_end(session, status, run->err);
}
