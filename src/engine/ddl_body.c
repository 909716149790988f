/* ddl_body.c - what a function's statements may not do; see ddl_int.h */
#include "ddl_int.h"
#include "base/sqlmsg.h"
#include "base/banned.h"

static enum qr_status check(const struct qr_ast_stmt *stmt, struct qr_err *err);

static enum qr_status check_all(const struct qr_ast_stmts *stmts, struct qr_err *err)
{
    for (size_t i = 0; i < stmts->count; i++)
        QR_TRY(check(stmts->items[i], err));
    return QR_OK;
}

static enum qr_status fail_effect(const struct qr_ast_stmt *stmt, const char *what,
                                  struct qr_err *err)
{
    enum qr_status status = qr_sql_fail(err, 443, what);
    if (err != NULL)
        err->line = (int)stmt->pos.line;
    return status;
}

/* Rows may go into the function's own table variables. */
static enum qr_status check_target(const struct qr_ast_stmt *stmt,
                                   const struct qr_ast_source *target,
                                   const struct qr_ast_sources *from, struct qr_err *err)
{
    bool own = target->kind == QR_AT_VARIABLE;
    bool alias = from != NULL && from->count > 0; /* it may stand for one; seen when it runs */
    return own || alias ? QR_OK : fail_effect(stmt, qr_ast_stmt_command(stmt->kind), err);
}

static enum qr_status check_select(const struct qr_ast_select_stmt *stmt, struct qr_err *err)
{
    const struct qr_ast_select *select = (const struct qr_ast_select *)stmt->query;
    bool assigns = stmt->query->kind == QR_AQ_SELECT && select->items.count > 0 &&
                   select->items.items[0].variable.n > 0;
    if (assigns)
        return QR_OK;
    enum qr_status status = stmt->query->kind == QR_AQ_SELECT && select->into.count > 0
                                ? qr_sql_fail(err, 443, "SELECT INTO")
                                : qr_sql_fail(err, 444);
    if (err != NULL)
        err->line = (int)stmt->head.pos.line;
    return status;
}

static enum qr_status check_if(const struct qr_ast_if *branch, struct qr_err *err)
{
    for (;;) {
        QR_TRY(check(branch->then, err));
        if (branch->otherwise == NULL)
            return QR_OK;
        if (branch->otherwise->kind != QR_AS_IF)
            return check(branch->otherwise, err);
        branch = (const struct qr_ast_if *)branch->otherwise;
    }
}

static enum qr_status check(const struct qr_ast_stmt *stmt, struct qr_err *err)
{
    switch ((int)stmt->kind) {
    case QR_AS_BLOCK:
        return check_all(&((const struct qr_ast_block *)stmt)->stmts, err);
    case QR_AS_IF:
        return check_if((const struct qr_ast_if *)stmt, err);
    case QR_AS_WHILE:
        return check(((const struct qr_ast_while *)stmt)->body, err);
    case QR_AS_SELECT:
        return check_select((const struct qr_ast_select_stmt *)stmt, err);
    case QR_AS_INSERT:
        return check_target(stmt, ((const struct qr_ast_insert *)stmt)->target, NULL, err);
    case QR_AS_UPDATE:
        return check_target(stmt, ((const struct qr_ast_update *)stmt)->target,
                            &((const struct qr_ast_update *)stmt)->from, err);
    case QR_AS_DELETE:
        return check_target(stmt, ((const struct qr_ast_delete *)stmt)->target,
                            &((const struct qr_ast_delete *)stmt)->from, err);
    case QR_AS_DECLARE:
    case QR_AS_DECLARE_CURSOR:
    case QR_AS_CURSOR:
    case QR_AS_SET_VARIABLE:
    case QR_AS_BREAK:
    case QR_AS_CONTINUE:
    case QR_AS_GOTO:
    case QR_AS_LABEL:
    case QR_AS_RETURN:
    case QR_AS_EXEC: /* extended procedures may be called; others fail when it runs (557) */
        return QR_OK;
    case QR_AS_TRY:
        return fail_effect(stmt, "BEGIN TRY", err);
    default:
        return fail_effect(stmt, qr_ast_stmt_command(stmt->kind), err);
    }
}

static bool ends_with_return(const struct qr_ast_stmts *stmts)
{
    while (stmts->count > 0) {
        const struct qr_ast_stmt *last = stmts->items[stmts->count - 1];
        if (last->kind != QR_AS_BLOCK)
            return last->kind == QR_AS_RETURN;
        stmts = &((const struct qr_ast_block *)last)->stmts;
    }
    return false;
}

enum qr_status qri_check_body(const struct qr_ast_function *function, struct qr_err *err)
{
    if (function->temp_line != 0) {
        (void)!qr_sql_fail(err, 2772);
        if (err != NULL)
            err->line = (int)function->temp_line;
        return QR_SQL;
    }
    QR_TRY(check_all(&function->body, err));
    return ends_with_return(&function->body) ? QR_OK : qr_sql_fail(err, 455);
}
