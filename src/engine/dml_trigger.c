/* dml_trigger.c - triggers, once a statement, over the sets of inserted and deleted rows. */
#include <assert.h>
#include "access_int.h"
#include "dml_int.h"
#include "temp_int.h"
#include "base/banned.h"

bool qri_table_fires(const struct qr_cat_object *object, unsigned events, bool instead_of)
{
    for (size_t i = 0; i < object->trigger_count; i++) {
        const struct qr_cat_object *trigger = object->triggers[i];
        if (!trigger->is_disabled && trigger->trigger_instead_of == instead_of &&
            (trigger->trigger_events & events) != 0)
            return true;
    }
    return false;
}

enum qr_status qri_split_changes(struct qri_run *run, const struct qri_table *table,
                                 struct qr_rowset *changes, enum qri_event event,
                                 struct qri_trigger_rows *rows)
{
    static const int64_t actions[] = {[QRI_INSERT] = QR_ACTION_INSERT,
                                      [QRI_UPDATE] = QR_ACTION_UPDATE,
                                      [QRI_DELETE] = QR_ACTION_DELETE};
    size_t n = table->n, count = qr_rowset_column_count(changes);
    const struct qr_type *types = qr_rowset_types(changes);
    struct qr_store *store = run->session->db->store;
    QR_TRY(qr_rowset_new(types, n, store, &rows->inserted, run->err));
    QR_TRY(qr_rowset_new(types, n, store, &rows->deleted, run->err));
    struct qr_value *change = qr_arena_array(&run->frame->arena, count, sizeof *change);
    if (change == NULL)
        return qr_fail(run->err, QR_NOMEM, "fire a trigger");
    for (uint64_t i = 0; i < qri_rowset_end(changes); i++) {
        bool found = false;
        QR_TRY(qri_rowset_get(changes, i, change, &found, run->err));
        if (!found || change[count - 1].i != actions[event])
            continue;
        if (event != QRI_DELETE)
            QR_TRY(qr_rowset_append(rows->inserted, change + n, run->err));
        if (event != QRI_INSERT)
            QR_TRY(qr_rowset_append(rows->deleted, change, run->err));
    }
    return QR_OK;
}

/* RECURSIVE_TRIGGERS is off: a trigger does not fire itself. */
static bool is_recursive(const struct qr_session *session, const struct qr_cat_object *trigger)
{
    for (const struct qri_frame *f = session->frame; f != NULL; f = f->outer)
        if (f->module != NULL && f->trigger != NULL)
            return f->module->object_id == trigger->object_id;
    return false;
}

/* An INSTEAD OF trigger's own change of its table is carried out as if there were no trigger. */
bool qri_stands_aside(const struct qr_session *session, const struct qr_cat_object *object,
                      unsigned events)
{
    for (size_t i = 0; i < object->trigger_count; i++) {
        const struct qr_cat_object *trigger = object->triggers[i];
        if (!trigger->is_disabled && trigger->trigger_instead_of &&
            (trigger->trigger_events & events) != 0 && is_recursive(session, trigger))
            return true;
    }
    return false;
}

static enum qr_status run_trigger(struct qri_run *run, const struct qr_cat_object *trigger,
                                  const struct qri_trigger_rows *rows)
{
    struct qr_session *session = run->session;
    struct qri_source source = {.kind = QRI_UNIT_TRIGGER, .text = trigger->text, .module = trigger};
    struct qri_unit *unit = NULL;
    if (session->nest_level >= QRI_NEST_MAX)
        return qr_sql_fail(run->err, 217, QRI_NEST_MAX);
    QR_TRY(qri_unit_take(session, &source, &unit, run->err));
    struct qri_frame frame;
    enum qr_status status = qri_frame_push(session, &frame, unit, run->err);
    if (status == QR_OK) {
        frame.module = trigger;
        frame.is_scope = true;
        frame.trigger = rows;
        session->nest_level++;
        session->trigger_level++;
        session->rowcount = (int64_t)run->count;
        session->options.xact_abort = true;
        session->options.quoted_identifier = trigger->uses_quoted_identifier;
        session->options.ansi_nulls = trigger->uses_ansi_nulls;
        if (trigger->execute_as != 0)
            status = qri_access_push_module(session, trigger, run->err);
        if (status == QR_OK)
            status = qri_frame_run(&frame);
        qri_temp_drop_scope(&frame);
        session->options = frame.options_before;
        session->trigger_level--;
        session->nest_level--;
        qri_frame_pop(&frame);
    }
    qri_unit_put(session, unit);
    return status;
}

/* Inside a trigger there is always a transaction; an autocommit statement's own counts as one. */
static enum qr_status run_in_tran(struct qri_run *run, const struct qr_cat_object *trigger,
                                  const struct qri_trigger_rows *rows)
{
    struct qr_session *session = run->session;
    struct qri_tran *tran = &session->tran;
    bool autocommit = tran->count == 0;
    if (autocommit)
        qri_tran_count_own(session);
    enum qr_status status = run_trigger(run, trigger, rows);
    if (tran->count == 0 && status == QR_OK)
        status = qr_sql_fail(run->err, 3609);
    else if (tran->doomed && status == QR_OK)
        status = qr_sql_fail(run->err, 3616);
    if (autocommit && tran->count == 1 && tran->depth == 0) { /* one begun after a ROLLBACK */
        if (status == QR_OK)
            return qri_tran_commit(session, run->err);
        qri_tran_abort(session);
    } else if (autocommit && tran->count > 0) {
        qri_tran_uncount_own(session);
    }
    return status;
}

enum qr_status qri_fire(struct qri_run *run, const struct qri_table *table,
                        struct qr_rowset *changes, enum qri_event event, const uint16_t *updated,
                        size_t updated_count, bool instead_of)
{
    struct qri_trigger_rows rows = {.table = table->object, .event = (uint8_t)event};
    bool all = event == QRI_INSERT; /* gives every column a value */
    size_t count = all ? table->object->column_count : updated_count;
    for (size_t i = 0; i < count; i++) {
        uint32_t bit = table->object->columns[all ? i : updated[i]].column_id - 1;
        if (bit / 8 < sizeof rows.updated)
            rows.updated[bit / 8] |= (uint8_t)(1 << (bit % 8));
    }
    struct qri_catalog *hold = qri_catalog_ref(run->session->catalog);
    enum qr_status status = qri_split_changes(run, table, changes, event, &rows);
    for (size_t i = 0; i < table->object->trigger_count && status == QR_OK; i++) {
        const struct qr_cat_object *trigger = table->object->triggers[i];
        if (!trigger->is_disabled && trigger->trigger_instead_of == instead_of &&
            (trigger->trigger_events & event) != 0 && !is_recursive(run->session, trigger))
            status = run_in_tran(run, trigger, &rows);
    }
    qr_rowset_free(rows.inserted);
    qr_rowset_free(rows.deleted);
    qri_catalog_unref(hold);
    return status;
}
