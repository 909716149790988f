/* dml_run.c - the order of a DML statement's steps; see dml_int.h */
#include <assert.h>
#include "dml_stage.h"
#include "lock_int.h"
#include "lock_read.h"
#include "sink_kept.h"
#include "base/banned.h"

static const struct kind_row {
    const char *verb;
    uint16_t command; /* DONE.CurCmd */
} kinds[] = {
    [QR_PLAN_INSERT] = {"INSERT", 0xC3},
    [QR_PLAN_UPDATE] = {"UPDATE", 0xC5},
    [QR_PLAN_DELETE] = {"DELETE", 0xC4},
    [QR_PLAN_MERGE] = {"MERGE", 0x117},
};

/* ---- applying ---- */

static enum qr_status apply_insert(struct qri_run *run, struct qri_writer *writer,
                                   uint64_t position)
{
    const struct qri_table *table = run->dml->table;
    bool ignored = false;
    QR_TRY(qri_write_insert(writer, run->row + table->n, run->row[2 * table->n].i, &ignored));
    if (!ignored)
        return QR_OK;
    qri_rowset_delete(run->changes, position);
    return qri_inform(run->session, 3604);
}

/* Phase 1 takes away what phase 2 puts back, so that keys may change places. */
enum phase { PHASE_ONLY, PHASE_TAKE, PHASE_PUT };

static enum qr_status apply_change(struct qri_run *run, struct qri_writer *writer,
                                   uint64_t position, enum phase phase)
{
    const struct qri_table *table = run->dml->table;
    const struct qr_value *old = run->row, *row = run->row + table->n;
    int64_t rowid = run->row[2 * table->n].i, new_rowid = rowid;
    enum qr_merge_action action = (enum qr_merge_action)run->row[run->dml->change_count - 1].i;
    if (action == QR_ACTION_INSERT)
        return phase == PHASE_TAKE ? QR_OK : apply_insert(run, writer, position);
    if (action == QR_ACTION_DELETE)
        return phase == PHASE_PUT ? QR_OK : qri_write_delete(writer, old, rowid);
    if (phase == PHASE_ONLY)
        return run->dml->updated_count == 0 ? QR_OK : qri_write_update(writer, old, row, rowid);
    if (phase == PHASE_TAKE)
        return qri_write_delete(writer, old, rowid);
    bool ignored = false;
    return qri_write_insert(writer, row, new_rowid, &ignored);
}

static enum qr_status apply_phase(struct qri_run *run, enum phase phase)
{
    struct qri_writer writer;
    qri_writer_init(&writer, run, run->dml->table);
    if (run->dml->updated_count > 0) {
        writer.update_sql = run->dml->update;
        writer.updated = run->dml->updated;
        writer.updated_count = run->dml->updated_count;
    }
    enum qr_status status = QR_OK;
    for (uint64_t i = 0; i < qri_rowset_end(run->changes) && status == QR_OK; i++) {
        bool found = false;
        status = qri_rowset_get(run->changes, i, run->row, &found, run->err);
        if (status == QR_OK && found)
            status = apply_change(run, &writer, i, phase);
        if (status == QR_OK && i % 256 == 255)
            status = qri_check_cancelled(run->session, run->err);
    }
    qri_writer_done(&writer);
    return status;
}

struct staged {
    struct qri_feed feed; /* first */
    struct qri_run *run;
    uint64_t position; /* of the next change */
};

static enum qr_status next_staged(struct qri_feed *feed, bool *ret_more, struct qr_err *err)
{
    struct staged *s = (struct staged *)feed;
    struct qri_run *run = s->run;
    *ret_more = false;
    while (!*ret_more && s->position < qri_rowset_end(run->changes)) {
        QR_TRY(qri_rowset_get(run->changes, s->position, run->row, ret_more, err));
        if (++s->position % 256 == 0)
            QR_TRY(qri_check_cancelled(run->session, err));
    }
    feed->rowid = run->row[2 * run->dml->table->n].i;
    return QR_OK;
}

static enum qr_status staged_ignored(struct qri_feed *feed, struct qr_err *err)
{
    struct staged *s = (struct staged *)feed;
    (void)err;
    qri_rowset_delete(s->run->changes, s->position - 1);
    return qri_inform(s->run->session, 3604);
}

static enum qr_status apply_inserts(struct qri_run *run)
{
    struct qri_writer writer;
    qri_writer_init(&writer, run, run->dml->table);
    struct staged s = {.feed = {.writer = &writer,
                                .row = run->row + run->dml->table->n,
                                .next = next_staged,
                                .ignored = staged_ignored},
                       .run = run};
    enum qr_status status = qri_write_feed(&s.feed);
    qri_writer_done(&writer);
    return status;
}

static enum qr_status apply(struct qri_run *run)
{
    const struct qri_dml *dml = run->dml;
    bool many = qr_rowset_count(run->changes) > 1;
    if (many && dml->kind == QR_PLAN_INSERT)
        return apply_inserts(run);
    bool phases =
        many && (dml->kind == QR_PLAN_MERGE || (dml->kind == QR_PLAN_UPDATE && dml->key_changes));
    if (!phases)
        return apply_phase(run, PHASE_ONLY);
    QR_TRY(apply_phase(run, PHASE_TAKE));
    return apply_phase(run, PHASE_PUT);
}

/* ---- after ---- */

static enum qr_status fire(struct qri_run *run, bool instead_of)
{
    const struct qri_dml *dml = run->dml;
    for (unsigned event = QRI_INSERT; event <= QRI_DELETE; event *= 2) {
        if ((dml->events & event) == 0 || !qri_table_fires(dml->table->object, event, instead_of))
            continue;
        bool is_update = event == QRI_UPDATE;
        QR_TRY(qri_fire(run, dml->table, run->changes, (enum qri_event)event,
                        is_update ? dml->set_columns : dml->insert_columns,
                        is_update ? dml->plan->set_count : 0, instead_of));
    }
    return QR_OK;
}

static enum qr_status apply_all(struct qri_run *run)
{
    const struct qri_dml *dml = run->dml;
    if (dml->table->is_rowset) {
        QR_TRY(qri_rowset_dml(run));
        run->count = qr_rowset_count(run->changes);
        return qri_output_rows(run);
    }
    if (!run->instead_of)
        QR_TRY(apply(run));
    run->count = qr_rowset_count(run->changes);
    QR_TRY(qri_output_rows(run));
    if (run->instead_of)
        return fire(run, true);
    QR_TRY(qri_check_blocks(run, dml->table, dml->plan, run->changes));
    if (dml->table->fk_count > 0 || dml->table->ref_count > 0)
        QR_TRY(qri_fk_changes(run, dml->table, run->changes, dml->events, 0));
    return dml->fires ? fire(run, false) : QR_OK;
}

/* A statement inside a transaction is undone alone; an autocommit one goes with its transaction. */
static enum qr_status apply_guarded(struct qri_run *run)
{
    struct qr_session *session = run->session;
    /* one row with nothing behind it is changed whole or not at all */
    bool one = run->dml->is_simple && !run->dml->gives_keys && qr_rowset_count(run->changes) <= 1;
    bool guard = session->tran.sqlite_open && !run->dml->table->is_rowset && !one &&
                 (session->tran.count > 0 || session->tran.depth > 1);
    struct qri_guard mark = {0};
    if (guard)
        QR_TRY(qri_guard_begin(session, &mark, run->err));
    return qri_guard_end(session, &mark, apply_all(run), run->err);
}

/* ---- short ways ---- */

/* One native UPDATE or DELETE. QR_EXISTS: SQLite refused; the long way words the error. */
static enum qr_status run_direct(struct qri_run *run)
{
    struct qri_query query;
    QR_TRY(qri_query_open(run->frame, &run->dml->plan->direct, run->dml->direct, NULL, &query,
                          run->err));
    bool row = false;
    struct qr_session *session = run->session;
    session->no_interrupt = true;
    enum qr_status status = qri_stmt_step(session->link, query.stmt, &row, run->err);
    session->no_interrupt = false;
    if (status == QR_OK)
        run->count = (uint64_t)sqlite3_changes64(session->link->db);
    qri_query_close(&query);
    return status;
}

/* One row of VALUES that needs nothing after it is in. */
static enum qr_status run_one_row(struct qri_run *run)
{
    const struct qri_table *table = run->dml->table;
    struct qr_value *row = run->row;
    int64_t rowid = 0;
    QR_TRY(qri_one_row(run, &rowid));
    QR_TRY(qri_fk_check_row(run, table, row, "INSERT"));
    struct qri_writer writer;
    qri_writer_init(&writer, run, table);
    bool ignored = false;
    enum qr_status status = qri_write_insert(&writer, row, rowid, &ignored);
    qri_writer_done(&writer);
    QR_TRY(status);
    run->count = ignored ? 0 : 1;
    return ignored ? qri_inform(run->session, 3604) : QR_OK;
}

/* ---- the statement ---- */

static enum qr_status check_identity_insert(struct qri_run *run)
{
    const struct qri_dml *dml = run->dml;
    const struct qr_cat_object *object = dml->table->object;
    if (object->identity_column == 0 || (dml->kind != QR_PLAN_INSERT && dml->kind != QR_PLAN_MERGE))
        return QR_OK;
    bool on = object->object_id != 0 && /* table variables have no id */
              run->session->options.identity_insert == object->object_id;
    if (dml->plan->identity_insert_needed && (!on || dml->table->is_rowset))
        return qr_sql_fail(run->err, 544, qr_arena_str(&run->frame->arena, object->name).p);
    if (on && !dml->plan->identity_insert_needed && dml->kind == QR_PLAN_INSERT)
        return qr_sql_fail(run->err, 545, qr_arena_str(&run->frame->arena, object->name).p);
    return QR_OK;
}

static enum qr_status begin_run(struct qri_run *run, struct qri_frame *frame,
                                const struct qri_dml *dml, struct qr_err *err)
{
    *run = (struct qri_run){.frame = frame,
                            .session = frame->session,
                            .dml = dml,
                            .err = err,
                            .verb = kinds[dml->kind].verb};
    qr_arena_init(&run->arena, QRI_STMT_ARENA_BYTES_MAX);
    qri_eval_init(&run->eval, frame->session, frame, &run->arena);
    run->row = qr_arena_array(&frame->arena, dml->change_count, sizeof *run->row);
    if (run->row == NULL)
        return qr_fail(err, QR_NOMEM, "change rows");
    run->instead_of =
        dml->instead_of && !(frame->session->trigger_level > 0 &&
                             qri_stands_aside(frame->session, dml->plan->target, dml->events));
    QR_TRY(check_identity_insert(run));
    uint32_t slot = 0;
    if (!dml->table->is_rowset)
        return QR_OK;
    if (!qri_var_find(frame, dml->plan->rowset_name, &slot))
        return qr_fail(err, QR_BUG, "no table variable to change");
    return qri_var_rowset(frame, slot, &run->rowset, err);
}

static void end_run(struct qri_run *run)
{
    qr_rowset_free(run->changes);
    qr_rowset_free(run->output);
    qr_arena_done(&run->arena);
}

static bool is_one_row(const struct qri_dml *dml)
{
    return dml->kind == QR_PLAN_INSERT && dml->is_simple && dml->plan->value_row_count == 1 &&
           !dml->table->is_rowset;
}

static bool is_direct(const struct qri_run *run)
{
    return run->dml->plan->direct.text.n > 0 && run->session->options.rowcount == 0;
}

/* What is the session's own is changed without the writer lock, unless it is made of rows that are
 * to be locked. */
static enum qri_access access_of(const struct qri_run *run, const struct qr_plan *plan, bool single)
{
    const struct qri_table *table = run->dml->table, *into = run->dml->output_table;
    bool locks = qri_read_locks(run->session, plan);
    if (table->is_rowset && into == NULL && !locks)
        return QRI_READ;
    if (table->is_temp && (into == NULL || into->is_temp || into->is_rowset) && !locks)
        return QRI_WRITE_TEMP;
    return single ? QRI_WRITE_SINGLE : QRI_WRITE;
}

/* Somebody may hold rows: they are locked one by one, which the direct way does not do. */
static bool takes_locks(const struct qri_run *run)
{
    return run->session->tran.lockful && !run->dml->table->is_temp;
}

static enum qr_status run_long(struct qri_run *run, struct qr_rowset *exec_rows)
{
    QR_TRY(qr_rowset_new(run->dml->change_types, run->dml->change_count, run->session->db->store,
                         &run->changes, run->err));
    if (exec_rows != NULL)
        QR_TRY(qri_stage_exec(run, exec_rows));
    else
        QR_TRY(qri_stage(run));
    QR_TRY(qri_tran_to_head(run->session, run->err));
    return apply_guarded(run);
}

/* One attempt with the compiled code. *ret_again: another shape of tables was found under the lock,
 * or the direct way failed. */
static enum qr_status attempt(struct qri_run *run, struct qri_code *code, bool allow_direct,
                              struct qr_rowset *exec_rows, bool *ret_again)
{
    struct qr_session *session = run->session;
    bool direct = allow_direct && is_direct(run) && session->tran.count == 0;
    bool one_row = is_one_row(run->dml);
    QR_TRY(qri_prelock(run->frame, code->plan, qri_read_locks(session, code->plan), run->err));
    QR_TRY(qri_grant_early(run->frame, &code->need, run->err));
    QR_TRY(
        qri_tran_statement_begin(session, access_of(run, code->plan, direct || one_row), run->err));
    enum qr_status status = QR_OK;
    if (!qri_code_holds(code, session) || (direct && takes_locks(run)))
        *ret_again = true;
    else if (direct)
        status = run_direct(run);
    else if (one_row)
        status = run_one_row(run);
    else
        status = run_long(run, exec_rows);
    *ret_again |= status == QR_EXISTS;
    return qri_tran_statement_end(session, status, run->err);
}

static enum qr_status finish(struct qri_run *run)
{
    struct qr_session *session = run->session;
    QR_TRY(qri_output_send(run));
    session->rowcount = (int64_t)run->count;
    session->error = 0;
    const struct qr_plan_output *output = &run->dml->plan->output;
    bool has_result = output->count > 0 && output->into == NULL && output->into_rowset.n == 0;
    if (session->options.nocount && !has_result)
        return QR_OK;
    return qri_send_done(session, !session->options.nocount, run->count, false,
                         kinds[run->dml->kind].command);
}

/* What one statement's tries have in common. */
struct tries {
    struct qr_rowset *exec_rows; /* of INSERT ... EXEC, which runs once */
    bool allow_direct, allow_loose, again;
    struct qr_value *vars; /* what the variables that it assigns held before */
    uint64_t output_end;   /* of the table variable that takes OUTPUT's rows */
    int64_t output_identity;
};

/* The table variable of OUTPUT INTO; NULL: there is none. */
static struct qr_rowset *output_rowset(struct qri_run *run)
{
    const struct qr_plan_dml *plan = run->dml->plan;
    const struct qr_plan_output *outputs[] = {&plan->output_into, &plan->output};
    for (size_t i = 0; i < 2; i++) {
        uint32_t slot = 0;
        struct qr_rowset *rowset = NULL;
        if (outputs[i]->count > 0 && outputs[i]->into_rowset.n > 0 &&
            qri_var_find(run->frame, outputs[i]->into_rowset, &slot) &&
            qri_var_rowset(run->frame, slot, &rowset, NULL) == QR_OK)
            return rowset;
    }
    return NULL;
}

/* Variables are no part of a transaction: what a statement that runs again did to them is taken
 * back by hand. */
static enum qr_status keep_vars(struct qri_run *run, struct tries *tries)
{
    const struct qr_plan_dml *plan = run->dml->plan;
    struct qri_frame *frame = run->frame;
    struct qr_rowset *rowset = output_rowset(run);
    if (rowset != NULL) {
        tries->output_end = qri_rowset_end(rowset);
        tries->output_identity = *qri_rowset_identity(rowset);
    }
    if (plan->assign_count == 0)
        return QR_OK;
    tries->vars = qr_arena_array(&frame->arena, plan->assign_count, sizeof *tries->vars);
    if (tries->vars == NULL)
        return qr_fail(run->err, QR_NOMEM, "keep variables");
    for (size_t i = 0; i < plan->assign_count; i++)
        if (qr_value_copy(&frame->arena, &frame->vars[plan->assigns[i].slot], &tries->vars[i]) !=
            QR_OK)
            return qr_fail(run->err, QR_NOMEM, "keep variables");
    return QR_OK;
}

static enum qr_status put_vars_back(struct qri_run *run, const struct tries *tries)
{
    const struct qr_plan_dml *plan = run->dml->plan;
    struct qr_rowset *rowset = output_rowset(run);
    if (rowset != NULL) {
        qri_rowset_cut(rowset, tries->output_end);
        *qri_rowset_identity(rowset) = tries->output_identity;
    }
    for (size_t i = 0; tries->vars != NULL && i < plan->assign_count; i++)
        QR_TRY(qri_var_set(run->frame, plan->assigns[i].slot, &tries->vars[i], run->err));
    return QR_OK;
}

static enum qr_status attempt_loose(struct qri_run *run, struct qri_code *code, struct tries *tries)
{
    enum qri_loose outcome = QRI_LOOSE_DONE;
    QR_TRY(qri_run_loose(run, code, &outcome));
    tries->again = outcome != QRI_LOOSE_DONE;
    tries->allow_loose = outcome != QRI_LOOSE_NOT;
    return QR_OK;
}

/* What triggers say is said once, however often they run. */
static enum qr_status attempt_quietly(struct qri_run *run, struct qri_code *code,
                                      struct tries *tries)
{
    struct qr_session *session = run->session;
    if (run->dml->is_simple)
        return attempt(run, code, tries->allow_direct, tries->exec_rows, &tries->again);
    struct qri_sink_kept kept;
    qri_sink_keep(&kept, session);
    enum qr_status status =
        attempt(run, code, tries->allow_direct, tries->exec_rows, &tries->again);
    bool forget = status == QR_AGAIN || (status == QR_OK && tries->again);
    enum qr_status said = qri_sink_restore(&kept, session, forget);
    return status != QR_OK ? status : said;
}

static enum qr_status compile_and_run(struct qri_frame *frame, const struct qr_ast_stmt *stmt,
                                      struct tries *tries, struct qri_run *run, struct qr_err *err)
{
    struct qr_session *session = frame->session;
    struct qri_code *code = NULL;
    tries->again = false;
    qri_session_refresh_catalog(session);
    QR_TRY(qri_code_stmt(frame, 0, stmt, &code, err));
    if (session->options.noexec || session->options.fmtonly)
        return QR_OK;
    QR_TRY(qri_tran_implicit(session, err));
    QR_TRY(begin_run(run, frame, code->dml, err));
    if (code->plan->dml->exec != NULL && tries->exec_rows == NULL)
        QR_TRY(qri_collect_exec(run, &tries->exec_rows));
    QR_TRY(keep_vars(run, tries));
    enum qr_status status = tries->allow_loose && qri_dml_is_loose(run, code->plan)
                                ? attempt_loose(run, code, tries)
                                : attempt_quietly(run, code, tries);
    if (status == QR_AGAIN || (status == QR_OK && tries->again))
        QR_TRY(put_vars_back(run, tries));
    return status;
}

enum qr_status qri_run_dml(struct qri_frame *frame, const struct qri_op *op, struct qr_err *err)
{
    enum { TRIES_WITHOUT_LOCK = 3 };
    struct qr_session *session = frame->session;
    struct tries tries = {.allow_direct = true, .allow_loose = true, .again = true};
    enum qr_status status = QR_OK;
    for (int i = 0; tries.again; i++) {
        struct qri_run run = {0};
        /* others change the tables between compiling and running, again and again: no more */
        bool hold = i >= TRIES_WITHOUT_LOCK;
        status = hold ? qri_tran_statement_begin(session, QRI_WRITE, err) : QR_OK;
        if (status == QR_OK)
            status = compile_and_run(frame, op->stmt, &tries, &run, err);
        else
            tries.again = false;
        if (hold)
            status = qri_tran_statement_end(session, status, err);
        bool waited = false;
        status = qri_lock_again(session, status, &waited, err);
        tries.again |= waited;
        tries.allow_direct = false;
        if (status == QR_OK && !tries.again && run.dml != NULL)
            status = finish(&run);
        end_run(&run);
    }
    qr_rowset_free(tries.exec_rows);
    return status;
}
