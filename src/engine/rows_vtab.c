/* rows_vtab.c - qrows(?rows, a...): rows that SQLite does not store (tsql/plan.h).
 *
 * Table variables and trigger rows are read in place; functions and APPLY's queries are run when
 * the cursor is filtered, so once for every combination of arguments. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "frame.h"
#include "rows_builtin.h"
#include "base/banned.h"

enum {
    COLUMNS = QR_CAT_COLUMNS_MAX,
    COLUMN_POINTER = COLUMNS,       /* hidden: the bound structure */
    COLUMN_ARG_FIRST = COLUMNS + 1, /* hidden: arguments */
};

struct rows_vtab {
    sqlite3_vtab base;
    struct qri_link *link;
};

struct rows_cursor {
    sqlite3_vtab_cursor base;
    const struct qri_rows_arg *arg;
    struct qr_rowset *rowset; /* read here */
    bool owns_rowset;
    uint64_t position;
    bool at_end;
    /* the row at `position` */
    struct qr_value *values;
    size_t value_capacity;
    uint64_t values_position, values_version; /* UINT64_MAX: not read */
    /* QR_ROWS_PLAN */
    struct qri_query query;
    bool query_open;
    struct qr_arena arena; /* of arguments, and of built-in functions' rows */
};

/* ---- module ---- */

static int declare(sqlite3 *db)
{
    struct qr_buf buf;
    qr_buf_init(&buf, 1 << 16);
    qr_buf_addz(&buf, "CREATE TABLE qrows(");
    for (int i = 1; i <= COLUMNS; i++)
        qr_buf_printf(&buf, "c%d,", i);
    qr_buf_addz(&buf, "p HIDDEN");
    for (int i = 1; i <= QR_ROWS_ARGS_MAX; i++)
        qr_buf_printf(&buf, ",a%d HIDDEN", i);
    qr_buf_addz(&buf, ")");
    int rc = qr_buf_status(&buf, NULL) == QR_OK ? sqlite3_declare_vtab(db, qr_buf_cstr(&buf))
                                                : SQLITE_NOMEM;
    qr_buf_done(&buf);
    return rc;
}

static int rows_connect(sqlite3 *db, void *aux, int argc, const char *const *argv,
                        sqlite3_vtab **ret_vtab, char **ret_text)
{
    (void)argc;
    (void)argv;
    (void)ret_text;
    int rc = declare(db);
    if (rc != SQLITE_OK)
        return rc;
    struct rows_vtab *vtab = sqlite3_malloc(sizeof *vtab);
    if (vtab == NULL)
        return SQLITE_NOMEM;
    *vtab = (struct rows_vtab){.link = aux};
    sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
    *ret_vtab = &vtab->base;
    return SQLITE_OK;
}

static int rows_disconnect(sqlite3_vtab *vtab)
{
    sqlite3_free(vtab);
    return SQLITE_OK;
}

/* idxNum bit 0: the last argument is a rowid to look up; the rest of it counts arguments. */
static int rows_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
    (void)vtab;
    int hidden = 0, rowid = -1;
    bool has_pointer = false;
    for (int i = 0; i < info->nConstraint; i++) {
        const struct sqlite3_index_constraint *c = &info->aConstraint[i];
        if (c->iColumn >= COLUMN_POINTER && c->op == SQLITE_INDEX_CONSTRAINT_EQ) {
            if (!c->usable)
                return SQLITE_CONSTRAINT; /* an argument from a table that comes later: no plan */
            info->aConstraintUsage[i].argvIndex = c->iColumn - COLUMN_POINTER + 1;
            info->aConstraintUsage[i].omit = 1;
            has_pointer |= c->iColumn == COLUMN_POINTER;
            hidden++;
        } else if (c->iColumn == -1 && c->op == SQLITE_INDEX_CONSTRAINT_EQ && c->usable) {
            rowid = i;
        }
    }
    if (!has_pointer)
        return SQLITE_CONSTRAINT;
    info->estimatedCost = 1000;
    info->estimatedRows = 1000;
    if (rowid >= 0) {
        info->aConstraintUsage[rowid].argvIndex = hidden + 1;
        info->aConstraintUsage[rowid].omit = 1;
        info->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
        info->estimatedCost = 1;
        info->estimatedRows = 1;
    }
    info->idxNum = hidden * 2 + (rowid >= 0);
    return SQLITE_OK;
}

static int rows_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **ret_cursor)
{
    (void)vtab;
    struct rows_cursor *cursor = calloc(1, sizeof *cursor);
    if (cursor == NULL)
        return SQLITE_NOMEM;
    qr_arena_init(&cursor->arena, QRI_STMT_ARENA_BYTES_MAX);
    *ret_cursor = &cursor->base;
    return SQLITE_OK;
}

static void release(struct rows_cursor *cursor)
{
    if (cursor->query_open)
        qri_query_close(&cursor->query);
    cursor->query_open = false;
    if (cursor->owns_rowset)
        qr_rowset_free(cursor->rowset);
    cursor->rowset = NULL;
    cursor->owns_rowset = false;
    qr_arena_reset(&cursor->arena);
}

static int rows_close(sqlite3_vtab_cursor *base)
{
    struct rows_cursor *cursor = (struct rows_cursor *)base;
    release(cursor);
    qr_arena_done(&cursor->arena);
    free(cursor->values);
    free(cursor);
    return SQLITE_OK;
}

/* ---- rows ---- */

static int fail(struct rows_cursor *cursor, enum qr_status status, struct qr_err *err)
{
    struct rows_vtab *vtab = (struct rows_vtab *)cursor->base.pVtab;
    if (!vtab->link->session->has_pending)
        qri_function_fail(vtab->link, NULL, status, err);
    return SQLITE_ERROR;
}

static enum qr_status read_args(struct rows_cursor *cursor, int argc, sqlite3_value **argv,
                                struct qr_value **ret_args, struct qr_err *err)
{
    const struct qr_plan_rows *rows = cursor->arg->rows;
    struct qr_value *args = qr_arena_array(&cursor->arena, (size_t)argc + 1, sizeof *args);
    if (args == NULL)
        return qr_fail(err, QR_NOMEM, "read arguments");
    assert((size_t)argc == rows->arg_count);
    for (int i = 0; i < argc; i++) {
        struct qr_value v;
        QR_TRY(qri_from_sqlite(argv[i], &rows->arg_types[i], &cursor->arena, &v, err));
        if (qr_value_copy(&cursor->arena, &v, &args[i]) != QR_OK)
            return qr_fail(err, QR_NOMEM, "read arguments");
    }
    *ret_args = args;
    return QR_OK;
}

static enum qr_status start_plan(struct rows_cursor *cursor, const struct qr_value *args,
                                 struct qr_err *err)
{
    const struct qr_plan_sql *sql = &cursor->arg->rows->plan->select;
    QR_TRY(qri_query_open(cursor->arg->frame, sql, qri_sql(sql->text), args, &cursor->query, err));
    cursor->query_open = true;
    return QR_OK;
}

static enum qr_status start(struct rows_cursor *cursor, int argc, sqlite3_value **argv,
                            struct qr_err *err)
{
    const struct qr_plan_rows *rows = cursor->arg->rows;
    if (rows->kind == QR_ROWS_TABLE) {
        cursor->rowset = cursor->arg->rowset;
        return QR_OK;
    }
    struct qr_value *args = NULL;
    QR_TRY(read_args(cursor, argc, argv, &args, err));
    if (rows->kind == QR_ROWS_PLAN)
        return start_plan(cursor, args, err);
    struct qri_frame *frame = cursor->arg->frame;
    cursor->owns_rowset = true;
    if (rows->kind == QR_ROWS_MODULE)
        return qri_call_table_function(frame->session, rows->object, rows->arg_types, args,
                                       rows->arg_count, &cursor->rowset, err);
    return qri_rows_builtin(frame, rows, args, &cursor->rowset, err);
}

static int rows_next(sqlite3_vtab_cursor *base)
{
    struct rows_cursor *cursor = (struct rows_cursor *)base;
    cursor->position++;
    cursor->values_position = UINT64_MAX;
    if (cursor->query_open) {
        struct qr_err err;
        qr_err_reset(&err);
        bool more = false;
        enum qr_status status = qri_query_next(&cursor->query, &more, &err);
        if (status != QR_OK)
            return fail(cursor, status, &err);
        cursor->at_end = !more;
        return SQLITE_OK;
    }
    uint64_t end = qri_rowset_end(cursor->rowset);
    while (cursor->position < end && !qri_rowset_exists(cursor->rowset, cursor->position))
        cursor->position++;
    cursor->at_end = cursor->position >= end;
    return SQLITE_OK;
}

static int seek(struct rows_cursor *cursor, int64_t rowid)
{
    uint64_t position = (uint64_t)rowid;
    cursor->at_end = rowid < 0 || position >= qri_rowset_end(cursor->rowset) ||
                     !qri_rowset_exists(cursor->rowset, position);
    cursor->position = position;
    return SQLITE_OK;
}

static int rows_filter(sqlite3_vtab_cursor *base, int idx_num, const char *idx_text, int argc,
                       sqlite3_value **argv)
{
    (void)idx_text;
    struct rows_cursor *cursor = (struct rows_cursor *)base;
    bool by_rowid = (idx_num & 1) != 0;
    release(cursor);
    cursor->values_position = UINT64_MAX;
    cursor->arg = sqlite3_value_pointer(argv[0], "qr_rows");
    assert(cursor->arg != NULL);
    struct qr_err err;
    qr_err_reset(&err);
    enum qr_status status = start(cursor, argc - 1 - by_rowid, argv + 1, &err);
    if (status != QR_OK)
        return fail(cursor, status, &err);
    if (by_rowid && !cursor->query_open)
        return seek(cursor, sqlite3_value_int64(argv[argc - 1]));
    cursor->position = UINT64_MAX; /* next makes it 0 */
    return rows_next(base);
}

static int rows_eof(sqlite3_vtab_cursor *base)
{
    return ((struct rows_cursor *)base)->at_end;
}

/* c<column_id> of tables; by position of the others. */
static size_t index_of(const struct qr_plan_rows *rows, int column)
{
    if (rows->object == NULL || rows->kind != QR_ROWS_TABLE)
        return (size_t)column;
    return qr_cat_column_index(rows->object, (uint32_t)column + 1);
}

static enum qr_status load_row(struct rows_cursor *cursor, struct qr_err *err)
{
    size_t count = qr_rowset_column_count(cursor->rowset);
    if (count > cursor->value_capacity) {
        struct qr_value *grown = realloc(cursor->values, count * sizeof *grown);
        if (grown == NULL)
            return qr_fail(err, QR_NOMEM, "read a row");
        cursor->values = grown;
        cursor->value_capacity = count;
    }
    bool found = false;
    QR_TRY(qri_rowset_get(cursor->rowset, cursor->position, cursor->values, &found, err));
    cursor->values_position = cursor->position;
    cursor->values_version = qri_rowset_version(cursor->rowset); /* other cursors read it, too */
    return QR_OK;
}

static int rows_column(sqlite3_vtab_cursor *base, sqlite3_context *ctx, int column)
{
    struct rows_cursor *cursor = (struct rows_cursor *)base;
    if (column >= COLUMN_POINTER)
        return SQLITE_OK;
    if (cursor->query_open) {
        sqlite3_result_value(ctx, sqlite3_column_value(cursor->query.stmt->stmt, column));
        return SQLITE_OK;
    }
    size_t index = index_of(cursor->arg->rows, column);
    struct qr_err err;
    qr_err_reset(&err);
    if (cursor->values_position != cursor->position ||
        cursor->values_version != qri_rowset_version(cursor->rowset)) {
        enum qr_status status = load_row(cursor, &err);
        if (status != QR_OK)
            return fail(cursor, status, &err);
    }
    if (index < qr_rowset_column_count(cursor->rowset))
        qri_result(ctx, &qr_rowset_types(cursor->rowset)[index], &cursor->values[index]);
    return SQLITE_OK;
}

static int rows_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *ret_rowid)
{
    *ret_rowid = (sqlite3_int64)((struct rows_cursor *)base)->position;
    return SQLITE_OK;
}

static const sqlite3_module rows_module = {
    .iVersion = 1,
    .xConnect = rows_connect, /* no xCreate: eponymous only */
    .xBestIndex = rows_best_index,
    .xDisconnect = rows_disconnect,
    .xOpen = rows_open,
    .xClose = rows_close,
    .xFilter = rows_filter,
    .xNext = rows_next,
    .xEof = rows_eof,
    .xColumn = rows_column,
    .xRowid = rows_rowid,
};

enum qr_status qri_rows_register(struct qri_link *link, struct qr_err *err)
{
    int rc = sqlite3_create_module_v2(link->db, "qrows", &rows_module, link, NULL);
    return rc == SQLITE_OK ? QR_OK : qr_fail(err, QR_NOMEM, "register qrows: %d", rc);
}
