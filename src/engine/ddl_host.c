/* ddl_host.c - see ddl_host.h */
#include "ddl_host.h"
#include "access_int.h"
#include "dml_int.h"
#include "temp_int.h"
#include "lock_int.h"
#include "shape_int.h"
#include "texts_int.h"
#include "base/banned.h"

/* ---- what the DDL calls back ---- */

static enum qr_status counter_set(void *ctx, uint64_t counter, bool is_temp, int64_t next,
                                  int64_t increment, struct qr_err *err)
{
    return qri_counter_restart(ctx, counter, is_temp, next, increment, err);
}

static enum qr_status counter_drop(void *ctx, uint64_t counter, bool is_temp, struct qr_err *err)
{
    return qri_counter_drop(ctx, counter, is_temp, err);
}

static enum qr_status counter_peek(void *ctx, uint64_t counter, bool is_temp, int64_t *ret_next,
                                   struct qr_err *err)
{
    if (!qri_counter_peek(ctx, counter, is_temp, ret_next))
        return qr_fail(err, QR_NOT_FOUND, "no such counter");
    return QR_OK;
}

static enum qr_status lock(void *ctx, uint32_t object_id, struct qr_err *err)
{
    struct qr_session *session = ctx;
    return session->tran.lockful ? qri_lock_table(session, object_id, QR_LOCK_SCH_M, err) : QR_OK;
}

static bool temp_is_own(void *ctx, uint32_t object_id)
{
    const struct qr_session *session = ctx;
    return qri_temp_is_own(session->frame, object_id);
}

static enum qr_status record(void *ctx, const char *sql, const struct qri_bound *bound,
                             size_t count, struct qr_err *err)
{
    return qri_record_sql(ctx, 0, sql, bound, count, err);
}

static enum qr_status inform(void *ctx, const struct qr_err *message)
{
    struct qr_session *session = ctx;
    if (message->severity >
        10) { /* the statement fails: it is told with its last error, if at all */
        session->err_before = *message;
        return QR_OK;
    }
    return session->sink->message(session->sink->ctx, message);
}

static enum qr_status want(void *ctx, const struct qr_plan_accesses *accesses, struct qr_err *err)
{
    return qri_want_references(ctx, accesses, err);
}

void qri_ddl_init(struct qri_frame *frame, struct qr_bind_env *env, struct qr_eval *eval,
                  struct qri_ddl *ddl)
{
    struct qr_session *session = frame->session;
    qri_bind_env(frame, frame->op, env);
    env->want = want;
    env->want_ctx = session;
    qri_eval_init(eval, session, frame, &frame->arena);
    *ddl = (struct qri_ddl){.conn = session->link->db,
                            .env = env,
                            .arena = &frame->arena,
                            .batch_text = frame->unit->batch->text,
                            .eval = eval,
                            .now_ticks = session->settings.now_utc_ticks,
                            .ctx = session,
                            .counter_set = counter_set,
                            .counter_drop = counter_drop,
                            .counter_peek = counter_peek,
                            .lock = lock,
                            .temp_is_own = temp_is_own,
                            .record = record,
                            .want = qri_want_ddl,
                            .inform = inform};
}

static enum qr_status note_new_temp(struct qri_frame *frame, const struct qri_catalog *before,
                                    const struct qri_catalog *after)
{
    for (size_t i = 0; after != NULL && i < after->cat.object_count; i++) {
        const struct qr_cat_object *object = after->cat.objects[i];
        if (object->type != QR_CAT_TABLE ||
            (before != NULL && qr_cat_by_id(&before->cat, object->object_id) != NULL))
            continue;
        QR_TRY(qri_temp_made(frame, object->object_id, NULL));
    }
    return QR_OK;
}

void qri_ddl_adopt(struct qri_frame *frame, struct qri_catalog *own_main,
                   struct qri_catalog *own_temp)
{
    struct qr_session *session = frame->session;
    if (own_main != session->catalog) {
        qri_session_own_catalog(session, own_main);
    } else {
        qri_catalog_unref(own_main);
    }
    if (own_temp != session->temp) {
        if (note_new_temp(frame, session->temp, own_temp) != QR_OK)
            session->temp_leak = true; /* no memory to note it: it lives until the session ends */
        qri_session_set_temp(session, own_temp);
    } else {
        qri_catalog_unref(own_temp);
    }
}

static enum qr_status run(struct qri_frame *frame, qri_ddl_fn *change, void *ctx,
                          struct qr_err *err)
{
    struct qr_session *session = frame->session;
    struct qr_bind_env env;
    struct qr_eval eval;
    struct qri_ddl ddl;
    struct qri_catalog *main = qri_catalog_ref(session->catalog);
    struct qri_catalog *temp = session->temp == NULL ? NULL : qri_catalog_ref(session->temp);
    qri_ddl_init(frame, &env, &eval, &ddl);
    ddl.main = &main;
    ddl.temp = &temp;
    struct qri_guard guard;
    enum qr_status status = qri_guard_begin(session, &guard, err);
    if (status == QR_OK) {
        session->no_interrupt = true;
        status = change(&ddl, ctx, err);
        session->no_interrupt = false;
        status = qri_guard_end(session, &guard, status, err);
    }
    if (status == QR_OK) {
        qri_ddl_adopt(frame, main, temp);
        return QR_OK;
    }
    qri_catalog_unref(main);
    qri_catalog_unref(temp);
    return status;
}

/* What has run so far ran by the indexes that there were. */
static void explain_before(struct qr_session *session)
{
    qri_texts_hand_on(session->db->texts);
    qri_shapes_settle(session);
}

/* SQLite compares its schema with the file's when a statement runs, and again when it knows no
 * table of a name; not when it finds a column or an index that another connection has dropped. */
static enum qr_status read_schema(struct qr_session *session, struct qr_err *err)
{
    return qri_exec(session->link, "SELECT 0 FROM main.sqlite_schema LIMIT 0", err);
}

static enum qr_status bracket(struct qri_frame *frame, enum qri_access access, qri_ddl_fn *change,
                              void *ctx, struct qr_err *err)
{
    struct qr_session *session = frame->session;
    for (bool again = true; again;) {
        enum qr_status status = qri_tran_statement_begin(session, access, err);
        if (status == QR_OK && access == QRI_DDL) {
            explain_before(session);
            status = read_schema(session, err);
        }
        if (status == QR_OK) /* the catalog may have changed since the statement began */
            status = qri_access_settle(session, err);
        if (status == QR_OK)
            status = run(frame, change, ctx, err);
        status = qri_tran_statement_end(session, status, err);
        QR_TRY(qri_lock_again(session, status, &again, err));
    }
    return QR_OK;
}

static enum qr_status run_stmt(struct qri_ddl *ddl, void *ctx, struct qr_err *err)
{
    return qri_ddl_run(ddl, ctx, err);
}

/* What SQL Server refuses within a SNAPSHOT transaction: what changes tables that are there. */
static enum qr_status check_snapshot(struct qr_session *session, const struct qr_ast_stmt *stmt,
                                     struct qr_err *err)
{
    bool changes = stmt->kind == QR_AS_ALTER_TABLE || stmt->kind == QR_AS_CREATE_INDEX ||
                   stmt->kind == QR_AS_ALTER_INDEX ||
                   (stmt->kind == QR_AS_DROP &&
                    qr_str_ieqz(((const struct qr_ast_drop *)stmt)->object_class, "INDEX"));
    if (!changes || session->tran.count == 0 || session->options.isolation != QR_SNAPSHOT)
        return QR_OK;
    session->tran.doomed = true;
    return qr_sql_fail(err, 3964);
}

enum qr_status qri_ddl_statement(struct qri_frame *frame, const struct qr_ast_stmt *stmt,
                                 struct qr_err *err)
{
    enum qri_access access = qri_ddl_is_temp_only(stmt) ? QRI_DDL_TEMP : QRI_DDL;
    if (access == QRI_DDL)
        QR_TRY(check_snapshot(frame->session, stmt, err));
    return bracket(frame, access, run_stmt, (void *)(uintptr_t)stmt, err);
}

enum qr_status qri_ddl_call(struct qri_frame *frame, qri_ddl_fn *change, void *ctx,
                            struct qr_err *err)
{
    return bracket(frame, QRI_DDL, change, ctx, err);
}
