/* run_misc.c - transactions, USE, databases, DDL and the table of statements. */
#include <string.h>
#include "access_int.h"
#include "ddl_host.h"
#include "frame.h"
#include "login_int.h"
#include "qstore_int.h"
#include "scoped_int.h"
#include "base/banned.h"

enum {
    COMMAND_BEGIN_TRAN = 0xD4,
    COMMAND_COMMIT = 0xD5,
    COMMAND_ROLLBACK = 0xD2,
    COMMAND_OTHER = 0xFD,
};

static enum qr_status done_plain(struct qr_session *session, uint16_t command)
{
    session->error = 0;
    session->rowcount = 0;
    return qri_send_done(session, false, 0, false, command);
}

/* ---- transactions ---- */

enum qr_status qri_run_transaction(struct qri_frame *frame, const struct qri_op *op,
                                   struct qr_err *err)
{
    const struct qr_ast_transaction *stmt = (const struct qr_ast_transaction *)op->stmt;
    struct qr_session *session = frame->session;
    struct qr_str name = stmt->name.text;
    uint32_t slot = 0;
    if (stmt->distributed)
        return qr_fail(err, QR_UNSUPPORTED, "BEGIN DISTRIBUTED TRANSACTION is not supported.");
    if (stmt->variable.n > 0) {
        if (!qri_var_find(frame, stmt->variable, &slot))
            return qr_sql_fail(err, 137, qr_arena_str(&frame->arena, stmt->variable).p);
        name = frame->vars[slot].cell == QR_CELL_TEXT ? qr_value_bytes(&frame->vars[slot])
                                                      : (struct qr_str){0};
    }
    if (session->collects_exec && stmt->action == QR_ATRAN_ROLLBACK)
        return qr_sql_fail(err, 3915);
    if (session->collects_exec && stmt->action == QR_ATRAN_COMMIT &&
        session->tran.count <= session->exec_tran_count)
        return qr_sql_fail(err, 3916);
    switch (stmt->action) {
    case QR_ATRAN_BEGIN:
        QR_TRY(qri_tran_implicit(session, err)); /* then it is two deep */
        QR_TRY(qri_tran_begin(session, name, err));
        return done_plain(session, COMMAND_BEGIN_TRAN);
    case QR_ATRAN_COMMIT:
        QR_TRY(qri_tran_commit(session, err));
        return done_plain(session, COMMAND_COMMIT);
    case QR_ATRAN_ROLLBACK:
        QR_TRY(qri_tran_rollback(session, name, err));
        return done_plain(session, COMMAND_ROLLBACK);
    case QR_ATRAN_SAVE:
        QR_TRY(qri_tran_save(session, name, err));
        return done_plain(session, COMMAND_OTHER);
    }
    return QR_OK;
}

/* ---- databases ---- */

enum qr_status qri_run_use(struct qri_frame *frame, const struct qri_op *op, struct qr_err *err)
{
    const struct qr_ast_use *stmt = (const struct qr_ast_use *)op->stmt;
    struct qr_session *session = frame->session;
    struct qr_str name = qri_info(session->db)->name;
    if (!qr_str_ieq(stmt->database.text, name))
        return qr_sql_fail(err, 40508);
    QR_TRY(session->sink->env_change(session->sink->ctx, QR_ENV_DATABASE, name, name, 0));
    QR_TRY(qri_inform(session, 5701, qr_arena_str(&frame->arena, name).p));
    return done_plain(session, COMMAND_OTHER);
}

enum qr_status qri_run_database(struct qri_frame *frame, const struct qri_op *op,
                                struct qr_err *err)
{
    struct qr_session *session = frame->session;
    const struct qr_instance_host *host = &session->db->instance->options.host;
    if (session->tran.count > 0)
        return qr_sql_fail(err, 226, qr_ast_stmt_command(op->stmt->kind));
    if (op->stmt->kind == QR_AS_CREATE_DATABASE)
        QR_TRY(qri_want_create_database(session, (const struct qr_ast_create_database *)op->stmt,
                                        err));
    if (op->stmt->kind == QR_AS_ALTER_DATABASE &&
        !qri_may_alter_database(session, (const struct qr_ast_alter_database *)op->stmt))
        return qr_sql_fail(err, 15247);
    if (op->stmt->kind == QR_AS_ALTER_DATABASE &&
        qri_qs_is_wanted((const struct qr_ast_alter_database *)op->stmt))
        QR_TRY(qri_qs_alter(session, (const struct qr_ast_alter_database *)op->stmt, err));
    else if (op->stmt->kind == QR_AS_CREATE_DATABASE)
        QR_TRY(host->create_database(host->ctx, session, op->stmt, err));
    else
        QR_TRY(host->alter_database(host->ctx, session, op->stmt, err));
    return done_plain(session, COMMAND_OTHER);
}

/* ---- DDL ---- */

static bool drops_database(const struct qr_ast_stmt *stmt)
{
    return stmt->kind == QR_AS_DROP &&
           qr_str_ieqz(((const struct qr_ast_drop *)stmt)->object_class, "DATABASE");
}

static enum qr_status drop_databases(struct qr_session *session, const struct qr_ast_drop *stmt,
                                     struct qr_err *err)
{
    const struct qr_instance_host *host = &session->db->instance->options.host;
    if (session->tran.count > 0)
        return qr_sql_fail(err, 226, "DROP DATABASE");
    for (size_t i = 0; i < stmt->count; i++) {
        const struct qr_ast_name *name = &stmt->items[i].name;
        if (!qri_may_server(session, QRI_ROLE_DBMANAGER))
            return qr_sql_fail(err, 3701, "drop", "database",
                               qri_z(&session->arena, name->parts[name->count - 1].text));
        QR_TRY(host->drop_database(host->ctx, session, name->parts[name->count - 1].text,
                                   stmt->if_exists, err));
    }
    return QR_OK;
}

enum qr_status qri_run_ddl(struct qri_frame *frame, const struct qri_op *op, struct qr_err *err)
{
    struct qr_session *session = frame->session;
    if (drops_database(op->stmt)) {
        QR_TRY(drop_databases(session, (const struct qr_ast_drop *)op->stmt, err));
        return done_plain(session, COMMAND_OTHER);
    }
    if (qri_is_login_stmt(op->stmt))
        return qri_run_login(frame, op, err);
    if (qri_is_owner_stmt(op->stmt))
        return qri_run_owner(frame, op, err);
    if (!qri_ddl_handles(op->stmt->kind))
        return qr_fail(err, QR_UNSUPPORTED, "%s is not supported.",
                       qr_ast_stmt_command(op->stmt->kind));
    if (session->options.noexec)
        return QR_OK;
    QR_TRY(qri_tran_implicit(session, err));
    QR_TRY(qri_ddl_statement(frame, op->stmt, err));
    return done_plain(session, COMMAND_OTHER);
}

/* ---- the rest ---- */

enum qr_status qri_run_nothing(struct qri_frame *frame, const struct qri_op *op, struct qr_err *err)
{
    (void)op;
    (void)err;
    return done_plain(frame->session, COMMAND_OTHER);
}

/* A duration is accepted and not kept to: it is only a wish of how fast to go. */
static enum qr_status run_checkpoint(struct qri_frame *frame, const struct qri_op *op,
                                     struct qr_err *err)
{
    (void)op;
    struct qr_session *session = frame->session;
    session->sink->block_begin(session->sink->ctx);
    enum qr_status status = qr_store_checkpoint(session->db->store, err);
    session->sink->block_end(session->sink->ctx);
    QR_TRY(status);
    return done_plain(session, COMMAND_OTHER);
}

enum qr_status qri_run_unsupported(struct qri_frame *frame, const struct qri_op *op,
                                   struct qr_err *err)
{
    (void)frame;
    if (op->stmt->kind == QR_AS_UNSUPPORTED) {
        const struct qr_ast_unsupported *stmt = (const struct qr_ast_unsupported *)op->stmt;
        return qr_fail(err, QR_UNSUPPORTED, "%.*s is not supported.", (int)stmt->what.n,
                       stmt->what.p);
    }
    return qr_fail(err, QR_UNSUPPORTED, "%s is not supported.",
                   qr_ast_stmt_command(op->stmt->kind));
}

enum qr_status qri_run_kill(struct qri_frame *frame, const struct qri_op *op, struct qr_err *err)
{
    const struct qr_ast_kill *stmt = (const struct qr_ast_kill *)op->stmt;
    struct qr_session *session = frame->session;
    if (stmt->session == NULL)
        return qr_fail(err, QR_UNSUPPORTED, "This form of KILL is not supported.");
    struct qr_type want = qr_type_of(QR_TYPE_INT);
    struct qr_value value;
    QR_TRY(qri_eval_scalar(frame, 0, stmt->session, &want, NULL, &value, err));
    int64_t id = value.cell == QR_CELL_INT ? value.i : 0;
    if (id == session->id)
        return qr_sql_fail(err, 6104);
    struct qr_instance *instance = session->db->instance;
    bool found = false;
    pthread_mutex_lock(&instance->mu);
    for (struct qr_session *s = instance->sessions; s != NULL && !found; s = s->next) {
        found = s->id == id && qri_reaches_session(session, s);
        if (found) {
            qr_session_kill(s);
            qri_session_break(s, false); /* its transaction goes now, not at its next request */
        }
    }
    pthread_mutex_unlock(&instance->mu);
    if (!found)
        return qr_sql_fail(err, 6106, (int)id);
    return done_plain(session, COMMAND_OTHER);
}

const struct qri_stmt_kind qri_stmt_kinds[QR_AS_KIND_COUNT] = {
    /* clang-format off */
    [QR_AS_DECLARE]           = {qri_run_declare,        0}, /* one code an item */
    [QR_AS_DECLARE_CURSOR]    = {qri_run_declare_cursor, 1},
    [QR_AS_SET_VARIABLE]      = {qri_run_set_variable,   1},
    [QR_AS_SET_OPTION]        = {qri_run_set_option,     1},
    [QR_AS_IF]                = {qri_run_nothing,        1},
    [QR_AS_WHILE]             = {qri_run_nothing,        1},
    [QR_AS_BLOCK]             = {qri_run_nothing,        0},
    [QR_AS_TRY]               = {qri_run_nothing,        0},
    [QR_AS_BREAK]             = {qri_run_nothing,        0},
    [QR_AS_CONTINUE]          = {qri_run_nothing,        0},
    [QR_AS_GOTO]              = {qri_run_nothing,        0},
    [QR_AS_LABEL]             = {qri_run_nothing,        0},
    [QR_AS_RETURN]            = {qri_run_return,         1},
    [QR_AS_PRINT]             = {qri_run_print,          1},
    [QR_AS_RAISERROR]         = {qri_run_raiserror,      0}, /* counted by its arguments */
    [QR_AS_THROW]             = {qri_run_throw,          3},
    [QR_AS_WAITFOR]           = {qri_run_waitfor,        1},
    [QR_AS_EXEC]              = {qri_run_exec,           0}, /* counted by its arguments */
    [QR_AS_TRANSACTION]       = {qri_run_transaction,    0},
    [QR_AS_CURSOR]            = {qri_run_cursor,         1},
    [QR_AS_SELECT]            = {qri_run_select,         1},
    [QR_AS_INSERT]            = {qri_run_dml,            0}, /* counted by its source */
    [QR_AS_UPDATE]            = {qri_run_dml,            1},
    [QR_AS_DELETE]            = {qri_run_dml,            1},
    [QR_AS_MERGE]             = {qri_run_dml,            1},
    [QR_AS_TRUNCATE]          = {qri_run_truncate,       0},
    [QR_AS_INSERT_BULK]       = {qri_run_insert_bulk,    0},
    [QR_AS_CREATE_TABLE]      = {qri_run_ddl,            0},
    [QR_AS_ALTER_TABLE]       = {qri_run_ddl,            0},
    [QR_AS_CREATE_INDEX]      = {qri_run_ddl,            0},
    [QR_AS_ALTER_INDEX]       = {qri_run_ddl,            0},
    [QR_AS_VIEW]              = {qri_run_ddl,            0},
    [QR_AS_PROCEDURE]         = {qri_run_ddl,            0},
    [QR_AS_FUNCTION]          = {qri_run_ddl,            0},
    [QR_AS_TRIGGER]           = {qri_run_ddl,            0},
    [QR_AS_CREATE_SCHEMA]     = {qri_run_ddl,            0},
    [QR_AS_ALTER_SCHEMA]      = {qri_run_ddl,            0},
    [QR_AS_CREATE_TYPE]       = {qri_run_ddl,            0},
    [QR_AS_SEQUENCE]          = {qri_run_ddl,            0},
    [QR_AS_CREATE_SYNONYM]    = {qri_run_ddl,            0},
    [QR_AS_SECURITY_POLICY]   = {qri_run_ddl,            0},
    [QR_AS_CREATE_STATISTICS] = {qri_run_ddl,            0},
    [QR_AS_UPDATE_STATISTICS] = {qri_run_ddl,            0},
    [QR_AS_CREATE_DEFAULT_RULE] = {qri_run_ddl,          0},
    [QR_AS_ENABLE_TRIGGER]    = {qri_run_ddl,            0},
    [QR_AS_DROP]              = {qri_run_ddl,            0},
    [QR_AS_PRINCIPAL]         = {qri_run_ddl,            0},
    [QR_AS_PERMISSION]        = {qri_run_ddl,            0},
    [QR_AS_AUTHORIZATION]     = {qri_run_ddl,            0},
    [QR_AS_EXECUTE_AS]        = {qri_run_execute_as,     1},
    [QR_AS_REVERT]            = {qri_run_revert,         0},
    [QR_AS_USE]               = {qri_run_use,            0},
    [QR_AS_CREATE_DATABASE]   = {qri_run_database,       0},
    [QR_AS_ALTER_DATABASE]    = {qri_run_database,       0},
    [QR_AS_SCOPED_CONFIGURATION] = {qri_run_scoped,      1},
    [QR_AS_DBCC]              = {qri_run_dbcc,           0},
    [QR_AS_CHECKPOINT]        = {run_checkpoint,         0},
    [QR_AS_KILL]              = {qri_run_kill,           1},
    [QR_AS_SHUTDOWN]          = {qri_run_unsupported,    0},
    [QR_AS_RECONFIGURE]       = {qri_run_nothing,        0},
    [QR_AS_UNSUPPORTED]       = {qri_run_unsupported,    0},
    /* clang-format on */
};
