/* dml_into.c - SELECT INTO, TRUNCATE TABLE. */
#include <assert.h>
#include <stdio.h>
#include "access_int.h"
#include "ddl_host.h"
#include "dml_stage.h"
#include "temp_int.h"
#include "lock_int.h"
#include "lock_read.h"
#include "base/banned.h"

/* ---- SELECT INTO ---- */

struct into {
    struct qri_frame *frame;
    struct qri_code *code;
    const struct qr_cat_object *table;
    struct qri_run run;
    struct qri_writer writer;
    uint64_t count;
    struct qr_err *err;
};

static bool names_temp(const struct qr_ast_name *name)
{
    struct qr_str object = name->parts[name->count - 1].text;
    return object.n > 0 && object.p[0] == '#';
}

static enum qr_status put_row(void *ctx, const struct qr_value *values, size_t count,
                              struct qr_err *err)
{
    struct into *into = ctx;
    const struct qri_table *table = into->writer.table;
    (void)count;
    int64_t rowid = 0;
    bool ignored = false;
    if (table->identity != UINT16_MAX && values[table->identity].cell == QR_CELL_INT)
        QR_TRY(qri_counter_raise(into->frame->session,
                                 qri_counter_id(table->object->object_id, QRI_COUNTER_IDENTITY),
                                 table->is_temp, values[table->identity].i,
                                 table->object->columns[table->identity].identity_increment, err));
    QR_TRY(qri_row_id(&into->run, table, values, &rowid));
    QR_TRY(qri_write_insert(&into->writer, values, rowid, &ignored));
    if ((++into->count & 255) == 0)
        return qri_check_cancelled(into->frame->session, err);
    return QR_OK;
}

static enum qr_status fill(struct into *into, const struct qr_bind_env *env)
{
    struct qri_frame *frame = into->frame;
    struct qri_table *table = NULL;
    struct qri_table_set set = {.arena = &frame->arena, .env = env, .err = into->err};
    QR_TRY(qri_table_get(&set, into->table, NULL, &table));
    into->run = (struct qri_run){
        .frame = frame, .session = frame->session, .err = into->err, .verb = "INSERT"};
    qr_arena_init(&into->run.arena, QRI_STMT_ARENA_BYTES_MAX);
    qri_writer_init(&into->writer, &into->run, table);
    uint64_t count = 0;
    enum qr_status status = qri_select_each(frame, into->code, put_row, into, &count, into->err);
    qri_writer_done(&into->writer);
    qr_arena_done(&into->run.arena);
    return status;
}

/* Makes the table first: the SELECT may not see it, and nobody else does before the commit. */
static enum qr_status make(struct into *into, struct qr_err *err)
{
    struct qri_frame *frame = into->frame;
    struct qr_session *session = frame->session;
    const struct qr_plan *plan = into->code->plan;
    struct qr_bind_env env;
    struct qr_eval eval;
    struct qri_ddl ddl;
    struct qri_catalog *main = qri_catalog_ref(session->catalog);
    struct qri_catalog *temp = session->temp == NULL ? NULL : qri_catalog_ref(session->temp);
    qri_ddl_init(frame, &env, &eval, &ddl);
    ddl.main = &main;
    ddl.temp = &temp;
    session->no_interrupt = true;
    enum qr_status status = qri_ddl_create_from_columns(&ddl, plan->into_name, plan->columns,
                                                        plan->column_count, &into->table, err);
    session->no_interrupt = false;
    if (status != QR_OK) {
        qri_catalog_unref(main);
        qri_catalog_unref(temp);
        return status;
    }
    qri_ddl_adopt(frame, main, temp);
    qri_bind_env(frame, frame->op, &env);
    return fill(into, &env);
}

static enum qr_status make_guarded(struct into *into, struct qr_err *err)
{
    struct qr_session *session = into->frame->session;
    QR_TRY(qri_code_stmt(into->frame, 0, into->frame->op->stmt, &into->code, err));
    if (session->tran.count == 0) /* the statement's transaction takes all of it along */
        return make(into, err);
    struct qri_pictures before;
    struct qri_guard mark = {0};
    qri_pictures_take(session, &before);
    enum qr_status status = qri_guard_begin(session, &mark, err);
    if (status == QR_OK)
        status = make(into, err);
    status = qri_guard_end(session, &mark, status, err);
    if (status != QR_OK) /* the transaction goes on without the table */
        qri_pictures_go_back(session, &before);
    qri_pictures_drop(&before);
    return status;
}

enum qr_status qri_select_into(struct qri_frame *frame, struct qri_code **code, uint64_t *ret_count,
                               struct qr_err *err)
{
    struct qr_session *session = frame->session;
    bool is_temp = names_temp((*code)->plan->into_name);
    if (!is_temp)
        QR_TRY(qri_want_new_table(session, (*code)->plan->into_name, err));
    for (bool again = true; again;) {
        struct into into = {.frame = frame, .code = *code, .err = err};
        bool locks = qri_read_locks(session, (*code)->plan);
        enum qri_access access = !is_temp ? QRI_DDL : locks ? QRI_WRITE : QRI_DDL_TEMP;
        QR_TRY(qri_prelock(frame, (*code)->plan, locks, err));
        QR_TRY(qri_grant_early(frame, &(*code)->need, err));
        enum qr_status status = qri_tran_statement_begin(session, access, err);
        if (status == QR_OK)
            status = make_guarded(&into, err);
        status = qri_tran_statement_end(session, status, err);
        *code = into.code;
        *ret_count = into.count;
        QR_TRY(qri_lock_again(session, status, &again, err));
    }
    return QR_OK;
}

/* ---- TRUNCATE TABLE ---- */

static const char *three_parts(struct qri_frame *frame, const struct qr_cat_object *table)
{
    const struct qr_catalog *cat = &frame->session->catalog->cat;
    const struct qr_cat_schema *schema = qr_cat_schema_by_id(cat, table->schema_id);
    const char *name =
        qr_arena_printf(&frame->arena, "%.*s.%.*s.%.*s", (int)cat->database_name.n,
                        cat->database_name.p, schema == NULL ? 0 : (int)schema->name.n,
                        schema == NULL ? "" : schema->name.p, (int)table->name.n, table->name.p);
    return name == NULL ? "" : name;
}

static enum qr_status check_truncate(struct qri_frame *frame, const struct qr_cat_object *table,
                                     const char *name, struct qr_err *err)
{
    if (table == NULL || table->type != QR_CAT_TABLE)
        return qr_sql_fail(err, 4701, name);
    QR_TRY(qri_want_alter(frame->session, table, name, err));
    if (table->history_id != 0 || table->history_of != 0)
        return qr_sql_fail(err, 13545, three_parts(frame, table));
    for (size_t i = 0; i < table->referenced_by_count; i++)
        if (table->referenced_by[i]->parent_object_id != table->object_id)
            return qr_sql_fail(err, 4712, name);
    return QR_OK;
}

static enum qr_status truncate(struct qri_frame *frame, const struct qr_cat_object *table,
                               bool is_temp, struct qr_err *err)
{
    struct qr_session *session = frame->session;
    char sql[64];
    snprintf(sql, sizeof sql, "DELETE FROM %s.t%u", is_temp ? "temp" : "main", table->object_id);
    bool guard = session->tran.count > 0;
    struct qri_guard mark = {0};
    if (guard)
        QR_TRY(qri_guard_begin(session, &mark, err));
    session->no_interrupt = true;
    enum qr_status status = QR_OK;
    if (session->tran.lockful && !is_temp)
        status = qri_lock_table(session, table->object_id, QR_LOCK_X, err);
    if (status == QR_OK)
        status = qri_exec(session->link, sql, err);
    if (status == QR_OK)
        status = qri_record_sql(session, table->object_id, sql, NULL, 0, err);
    session->no_interrupt = false;
    const struct qr_cat_column *identity =
        table->identity_column == 0 ? NULL : qr_cat_column_by_id(table, table->identity_column);
    if (status == QR_OK && identity != NULL)
        status = qri_counter_restart(
            session, qri_counter_id(table->object_id, QRI_COUNTER_IDENTITY), is_temp,
            identity->identity_seed, identity->identity_increment, err);
    return qri_guard_end(session, &mark, status, err);
}

enum qr_status qri_run_truncate(struct qri_frame *frame, const struct qri_op *op,
                                struct qr_err *err)
{
    const struct qr_ast_truncate *stmt = (const struct qr_ast_truncate *)op->stmt;
    struct qr_session *session = frame->session;
    const struct qr_cat_object *table = NULL;
    if (stmt->with_partitions)
        return qr_fail(err, QR_UNSUPPORTED, "TRUNCATE TABLE WITH (PARTITIONS) is not supported.");
    QR_TRY(qri_tran_implicit(session, err));
    bool is_temp = names_temp(&stmt->table);
    for (bool again = true; again;) {
        QR_TRY(qri_tran_statement_begin(session, is_temp ? QRI_WRITE_TEMP : QRI_WRITE, err));
        enum qr_status status = qri_find_object(session, &stmt->table, &table, err);
        if (status == QR_OK)
            status = check_truncate(frame, table, qri_name_print(&frame->arena, &stmt->table), err);
        if (status == QR_OK)
            status = qri_tran_to_head(session, err);
        if (status == QR_OK)
            status = truncate(frame, table, is_temp, err);
        status = qri_tran_statement_end(session, status, err);
        QR_TRY(qri_lock_again(session, status, &again, err));
    }
    session->error = 0;
    session->rowcount = 0;
    return qri_send_done(session, false, 0, false, 0xFD);
}
