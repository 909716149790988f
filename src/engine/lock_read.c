/* lock_read.c - see lock_read.h */
#include "lock_read.h"
#include <assert.h>
#include "functions_int.h"
#include "lock_int.h"
#include "lock_key.h"
#include "rowset_int.h"
#include "base/banned.h"

enum { ESCALATION_ROWS = 5000, ESCALATION_STEP = 1250, KEY_VALUES_MAX = 32 };

static const enum qr_lock_mode modes[] = {
    [QR_PLAN_LOCK_NONE] = QR_LOCK_NONE, [QR_PLAN_LOCK_IS] = QR_LOCK_IS,
    [QR_PLAN_LOCK_IX] = QR_LOCK_IX,     [QR_PLAN_LOCK_S] = QR_LOCK_S,
    [QR_PLAN_LOCK_U] = QR_LOCK_U,       [QR_PLAN_LOCK_X] = QR_LOCK_X,
};

/* ---- levels ---- */

static bool keeps_locks(const struct qr_session *session)
{
    uint8_t level = session->options.isolation;
    return session->tran.count > 0 && (level == QR_REPEATABLE_READ || level == QR_SERIALIZABLE);
}

void qri_lock_env(const struct qr_session *session, struct qr_bind_env *env)
{
    env->isolation = session->options.isolation;
    env->in_transaction = session->tran.count > 0;
    env->takes_locks = !qr_store_is_read_only(session->db->store);
}

/* Low byte: as much of it as QR_HEEDS_LOCKS minds. */
uint16_t qri_lock_level(const struct qr_session *session)
{
    uint16_t kept = keeps_locks(session) ? session->options.isolation : 0;
    uint16_t writable = qr_store_is_read_only(session->db->store) ? 0 : 0x80;
    return (uint16_t)(kept | writable | session->options.isolation << 8);
}

bool qri_lock_level_holds(const struct qr_plan *plan, uint16_t was,
                          const struct qr_session *session)
{
    if (plan == NULL || plan->heeds_level == QR_HEEDS_NOTHING)
        return true;
    uint16_t is = qri_lock_level(session);
    return plan->heeds_level == QR_HEEDS_LOCKS ? (is & 0xFF) == (was & 0xFF) : is == was;
}

enum qr_status qri_level_check(struct qr_session *session, struct qr_err *err)
{
    struct qri_tran *tran = &session->tran;
    uint8_t level = session->options.isolation;
    if (tran->count == 0)
        return QR_OK;
    if (tran->first_level == 0)
        tran->first_level = level;
    if (level == QR_SNAPSHOT && tran->first_level != QR_SNAPSHOT)
        return qr_sql_fail(err, 3951, qri_info(session->db)->name.p);
    return QR_OK;
}

/* ---- before the statement ---- */

/* Waits for it, or leaves that to the statement around this one. */
static enum qr_status lock_now(struct qr_session *session, const struct qr_plan_prelock *how,
                               const struct qr_lock_resource *resource, struct qr_err *err)
{
    enum qr_lock_mode mode = modes[how->mode];
    bool had_some = session->lock_owner != NULL &&
                    qr_lock_held(session->lock_owner, QR_LOCK_OF_TRAN, resource) != QR_LOCK_NONE;
    for (bool again = true; again;) {
        enum qr_status status = qri_lock(session, resource, mode, err);
        if (status == QR_AGAIN && how->no_wait)
            return qr_sql_fail(err, 1222);
        QR_TRY(qri_lock_again(session, status, &again, err));
    }
    if (how->is_brief && !had_some) /* whoever was in it has gone: the snapshot is younger */
        (void)qr_lock_release(session->lock_owner, QR_LOCK_OF_TRAN, resource);
    return QR_OK;
}

/* The key's values; false if they name no key. */
static bool eval_key(struct qri_frame *frame, const struct qr_plan_prelock *lock,
                     struct qr_value *values)
{
    struct qr_eval eval;
    qri_eval_init(&eval, frame->session, frame, &frame->arena);
    for (size_t i = 0; i < lock->index->key_count; i++) {
        struct qr_err ignored;
        qr_err_reset(&ignored);
        if (qr_expr_eval(lock->key[i], &eval, &values[i], &ignored) != QR_OK ||
            values[i].cell == QR_CELL_NULL)
            return false;
    }
    return true;
}

static bool has_table(struct qr_session *session, const struct qr_cat_object *table,
                      enum qr_lock_mode mode)
{
    struct qr_lock_resource resource = qri_lock_table_of(table->object_id);
    if (session->lock_owner == NULL)
        return false;
    enum qr_lock_mode held = qr_lock_held(session->lock_owner, QR_LOCK_OF_TRAN, &resource);
    return qr_lock_join(held, mode) == held;
}

static enum qr_status prelock_range(struct qri_frame *frame, const struct qr_plan_prelock *lock,
                                    struct qr_err *err)
{
    struct qr_session *session = frame->session;
    bool known = false;
    bool whole = lock->mode != QR_PLAN_LOCK_IX; /* would do; but IX of the table says less */
    if (has_table(session, lock->table, whole ? modes[lock->mode] : QR_LOCK_X))
        return QR_OK;
    QR_TRY(qri_prelock_range(frame, lock, modes[lock->mode], &known, err));
    if (known)
        return QR_OK;
    struct qr_lock_resource table = qri_lock_table_of(lock->table->object_id);
    return lock_now(session, lock, &table, err);
}

static enum qr_status prelock_one(struct qri_frame *frame, const struct qr_plan_prelock *lock,
                                  struct qr_err *err)
{
    struct qr_session *session = frame->session;
    struct qr_value values[KEY_VALUES_MAX];
    struct qr_lock_resource resource = qri_lock_table_of(lock->table->object_id);
    if (lock->is_range)
        return prelock_range(frame, lock, err);
    if (lock->index == NULL || lock->index->key_count > KEY_VALUES_MAX ||
        !eval_key(frame, lock, values)) {
        struct qr_plan_prelock whole = *lock;
        if (lock->index != NULL && lock->mode == QR_PLAN_LOCK_X)
            whole.mode =
                QR_PLAN_LOCK_U; /* as where no key is named: qri_lock_change does the rest */
        return lock_now(session, &whole, &resource, err);
    }
    if (qri_key_names_row(lock->table, lock->index)) {
        resource = qri_lock_row_of_key(lock->table, lock->index, values);
        QR_TRY(lock_now(session, lock, &resource, err));
    }
    resource = qri_lock_key_of_key(lock->table, lock->index, values);
    return lock_now(session, lock, &resource, err);
}

enum qr_status qri_prelock(struct qri_frame *frame, const struct qr_plan *plan, bool as_read,
                           struct qr_err *err)
{
    struct qr_session *session = frame->session;
    if (plan->reads_user_tables || plan->needs_write_lock)
        QR_TRY(qri_level_check(session, err));
    if (session->tran.depth == 0)
        session->row_lock_count = 0;
    if (plan->prelock_count == 0 || session->tran.holds)
        return QR_OK;
    QR_TRY(qri_link_take(session, err));
    enum qr_status status = QR_OK;
    if (session->tran.count > 0)
        status = qri_locker_begin(session, true, err);
    for (size_t i = 0; i < plan->prelock_count && status == QR_OK; i++)
        if (!as_read || !plan->prelocks[i].is_instead)
            status = prelock_one(frame, &plan->prelocks[i], err);
    if (status != QR_OK) {
        if (session->tran.count == 0 && session->tran.depth == 0)
            qri_locks_release(session);
        return status;
    }
    /* who held them has committed by now, though perhaps not durably yet */
    session->commit_lsn = qr_lsn_max(session->commit_lsn, qr_store_head_lsn(session->db->store));
    return QR_OK;
}

/* ---- rows ---- */

/* Many rows: the whole table, if nobody else is in it. */
static enum qr_status escalate(struct qr_session *session, const struct qr_plan_lock *lock,
                               struct qr_err *err)
{
    struct qr_lock_resource table = qri_lock_table_of(lock->table->object_id);
    enum qr_lock_mode mode = lock->mode == QR_PLAN_LOCK_S ? QR_LOCK_S : QR_LOCK_X;
    enum qr_status status = qr_lock_try(session->lock_owner, QR_LOCK_OF_TRAN, &table, mode, err);
    return status == QR_BUSY ? QR_OK : status;
}

/* One more. *ret_many: the table may have been locked instead. */
static enum qr_status count_lock(struct qr_session *session, const struct qr_plan_lock *lock,
                                 bool *ret_many, struct qr_err *err)
{
    uint32_t count = ++session->row_lock_count;
    bool due = false;
    *ret_many = qri_locks_are_many(session, &due) || count > ESCALATION_ROWS;
    if (due || (count > ESCALATION_ROWS && count % ESCALATION_STEP == 0))
        return escalate(session, lock, err);
    return QR_OK;
}

static enum qr_status try_row(struct qr_session *session, const struct qr_plan_lock *lock,
                              const struct qr_lock_resource *resource, struct qr_err *err)
{
    struct qr_lock_owner *owner = session->lock_owner;
    if (lock->is_brief)
        return qr_lock_may(owner, resource, QR_LOCK_S) ? QR_OK : QR_BUSY;
    bool many = false;
    QR_TRY(count_lock(session, lock, &many, err));
    if (many && has_table(session, lock->table, modes[lock->mode]))
        return QR_OK;
    return qr_lock_try(owner, QR_LOCK_OF_TRAN, resource, modes[lock->mode], err);
}

/* *ret_kept false: somebody has it, and the statement reads past. */
static enum qr_status lock_row(struct qr_session *session, const struct qr_plan_lock *lock,
                               const struct qr_lock_resource *resource, bool *ret_kept,
                               struct qr_err *err)
{
    *ret_kept = true;
    /* nobody has locks; or it stands in a statement that reads without */
    if (!session->tran.lockful || !qr_conn_has_writer(session->link->conn))
        return QR_OK;
    QR_TRY(qri_lock_need_owner(session, err));
    enum qr_status status = try_row(session, lock, resource, err);
    if (status != QR_BUSY)
        return status;
    *ret_kept = !lock->read_past;
    if (lock->read_past)
        return QR_OK;
    if (lock->no_wait)
        return qr_sql_fail(err, 1222);
    return qri_lock(session, resource, modes[lock->mode], err);
}

/* The keys of a driven table: as many of one statement as rows before the whole table is better. */
static enum qr_status lock_keys(struct qr_session *session, const struct qr_plan_lock *lock,
                                const struct qr_value *values, struct qr_arena *arena,
                                struct qr_err *err)
{
    enum qr_lock_mode mode = modes[lock->mode];
    if (session->tran.holds || has_table(session, lock->table, mode))
        return QR_OK; /* nobody else can write; or it was locked instead */
    if (!qr_conn_has_writer(session->link->conn))
        return qr_fail(err, QR_BUG, "keys are locked without the writer lock");
    if (!session->tran.lockful)
        return QR_OK; /* nobody has locks, and it keeps none */
    QR_TRY(qri_lock_need_owner(session, err));
    bool many = false;
    QR_TRY(count_lock(session, lock, &many, err));
    if (many && has_table(session, lock->table, mode))
        return QR_OK;
    return qri_lock_read_keys(session, lock, mode, values, arena, err);
}

static enum qr_status row_resource(const struct qr_plan_lock *lock, sqlite3_value **argv,
                                   struct qr_arena *arena, struct qr_lock_resource *ret_resource,
                                   bool *ret_found, struct qr_err *err)
{
    struct qr_value values[KEY_VALUES_MAX];
    assert(lock->key_count <= KEY_VALUES_MAX);
    *ret_found = true;
    for (size_t i = 0; i < lock->key_count; i++) {
        QR_TRY(qri_from_sqlite(argv[i], &lock->key_types[i], arena, &values[i], err));
        *ret_found &= values[i].cell != QR_CELL_NULL;
    }
    if (!*ret_found)
        return QR_OK;
    if (lock->table->storage == QR_STORE_KEYED)
        *ret_resource = qri_lock_row_of_key(lock->table, qr_cat_clustered(lock->table), values);
    else
        *ret_resource = qri_lock_row_of_rowid(lock->table, values[0].i);
    return QR_OK;
}

static void fn_qlock(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct qri_link *link = sqlite3_user_data(ctx);
    const struct qr_plan_lock *lock = sqlite3_value_pointer(argv[0], "qr_lock");
    assert(lock != NULL && (size_t)argc == lock->key_count + 1);
    struct qr_arena own, *arena = qri_function_begin(link->session, &own);
    struct qr_lock_resource resource = {0};
    bool found = false, kept = true;
    struct qr_err err;
    qr_err_reset(&err);
    enum qr_status status = row_resource(lock, argv + 1, arena, &resource, &found, &err);
    if (status == QR_OK && found)
        status = lock_row(link->session, lock, &resource, &kept, &err);
    if (status == QR_OK)
        sqlite3_result_int(ctx, kept);
    else
        qri_function_fail(link, ctx, status, &err);
    qri_function_end(link->session, arena, &own);
}

static void fn_qlockkey(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct qri_link *link = sqlite3_user_data(ctx);
    const struct qr_plan_lock *lock = sqlite3_value_pointer(argv[0], "qr_lock");
    struct qr_value values[KEY_VALUES_MAX];
    assert(lock != NULL && (size_t)argc == lock->key_count + 1 && argc <= KEY_VALUES_MAX + 1);
    struct qr_arena own, *arena = qri_function_begin(link->session, &own);
    enum qr_status status = QR_OK;
    bool found = true;
    struct qr_err err;
    qr_err_reset(&err);
    for (size_t i = 0; i < lock->key_count && status == QR_OK; i++) {
        status = qri_from_sqlite(argv[i + 1], &lock->key_types[i], arena, &values[i], &err);
        found &= status == QR_OK && values[i].cell != QR_CELL_NULL;
    }
    if (status == QR_OK && found)
        status = lock_keys(link->session, lock, values, arena, &err);
    if (status == QR_OK)
        sqlite3_result_int(ctx, 1);
    else
        qri_function_fail(link, ctx, status, &err);
    qri_function_end(link->session, arena, &own);
}

int qri_lock_register(struct qri_link *link)
{
    int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY | SQLITE_DETERMINISTIC;
    int rc = sqlite3_create_function_v2(link->db, "qlockkey", -1, flags, link, fn_qlockkey, NULL,
                                        NULL, NULL);
    if (rc != SQLITE_OK)
        return rc;
    return sqlite3_create_function_v2(link->db, "qlock", -1, SQLITE_UTF8 | SQLITE_DIRECTONLY, link,
                                      fn_qlock, NULL, NULL, NULL);
}

/* ---- statements that lock rows ---- */

/* SELECT @v = @v + x runs again from what @v was. */
struct kept_vars {
    struct qr_value *values;
};

static enum qr_status keep_vars(struct qri_frame *frame, const struct qr_plan *plan,
                                struct kept_vars *kept, struct qr_err *err)
{
    kept->values = qr_arena_array(&frame->arena, plan->assign_count + 1, sizeof *kept->values);
    bool fits = kept->values != NULL;
    for (size_t i = 0; i < plan->assign_count && fits; i++)
        fits = qr_value_copy(&frame->arena, &frame->vars[plan->assigns[i].slot],
                             &kept->values[i]) == QR_OK;
    return fits ? QR_OK : qr_fail(err, QR_NOMEM, "keep variables");
}

static enum qr_status put_vars_back(struct qri_frame *frame, const struct qr_plan *plan,
                                    const struct kept_vars *kept, struct qr_err *err)
{
    for (size_t i = 0; i < plan->assign_count; i++)
        QR_TRY(qri_var_set(frame, plan->assigns[i].slot, &kept->values[i], err));
    return QR_OK;
}

static enum qr_status spool_row(void *ctx, const struct qr_value *values, size_t count,
                                struct qr_err *err)
{
    (void)count;
    return qr_rowset_append(ctx, values, err);
}

static enum qr_status new_spool(struct qri_frame *frame, const struct qr_plan *plan,
                                struct qr_rowset **ret_spool, struct qr_err *err)
{
    struct qr_type *types = qr_arena_array(&frame->arena, plan->column_count + 1, sizeof *types);
    if (types == NULL)
        return qr_fail(err, QR_NOMEM, "keep rows back");
    for (size_t i = 0; i < plan->column_count; i++)
        types[i] = plan->columns[i].type;
    return qr_rowset_new(types, plan->column_count, frame->session->db->store, ret_spool, err);
}

bool qri_read_locks(const struct qr_session *session, const struct qr_plan *plan)
{
    return plan->locks_rows &&
           (session->tran.depth == 0 || qr_conn_has_writer(session->link->conn));
}

/* *ret_again: what was compiled does not hold any more. */
static enum qr_status run_once(struct qri_locked_read *read, struct qri_code **code,
                               struct qr_rowset **spool, bool *ret_again, struct qr_err *err)
{
    struct qri_frame *frame = read->frame;
    struct qr_session *session = frame->session;
    struct kept_vars kept = {0};
    QR_TRY(qri_prelock(frame, (*code)->plan, qri_read_locks(session, (*code)->plan), err));
    QR_TRY(qri_grant_early(frame, &(*code)->need, err));
    QR_TRY(keep_vars(frame, (*code)->plan, &kept, err));
    QR_TRY(qri_link_take(session, err));
    enum qri_access access = qri_read_locks(session, (*code)->plan) ? QRI_WRITE : QRI_READ;
    QR_TRY(qri_tran_statement_begin(session, access, err));
    enum qr_status status = QR_OK;
    *ret_again = !qri_code_holds(*code, session);
    if (*ret_again)
        return qri_tran_statement_end(session, QR_OK, err);
    status = new_spool(frame, (*code)->plan, spool, err);
    if (status == QR_OK) {
        session->copies_vars = (*code)->plan->assign_count > 0;
        status = qri_select_each(frame, *code, spool_row, *spool, &read->count, err);
        session->copies_vars = false;
    }
    status = qri_tran_statement_end(session, status, err);
    if (status == QR_AGAIN)
        QR_TRY(put_vars_back(frame, (*code)->plan, &kept, err));
    return qri_lock_again(session, status, ret_again, err);
}

static enum qr_status deliver(struct qri_locked_read *read, struct qr_rowset *spool,
                              struct qr_err *err)
{
    size_t count = qr_rowset_column_count(spool);
    struct qr_value *values = qr_arena_array(&read->frame->arena, count + 1, sizeof *values);
    if (values == NULL)
        return qr_fail(err, QR_NOMEM, "send rows");
    for (uint64_t i = 0; i < qri_rowset_end(spool); i++) {
        bool found = false;
        QR_TRY(qri_rowset_get(spool, i, values, &found, err));
        QR_TRY(read->row(read->row_ctx, values, count, err));
    }
    return QR_OK;
}

enum qr_status qri_read_locked(struct qri_locked_read *read, struct qri_code **code,
                               struct qr_err *err)
{
    struct qr_rowset *spool = NULL;
    enum qr_status status = QR_OK;
    for (bool again = true; again && status == QR_OK;) {
        qr_rowset_free(spool);
        spool = NULL;
        again = false;
        status = read->compile(read->compile_ctx, code, err);
        if (status == QR_OK)
            status = run_once(read, code, &spool, &again, err);
    }
    if (status == QR_OK)
        status = deliver(read, spool, err);
    qr_rowset_free(spool);
    return status;
}
