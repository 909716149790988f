/* sysview_vtab.c - system views as SQLite virtual tables; see sysview_int.h.
 *
 * Opening a cursor makes all rows of the view, since they come from memory, or what they are made
 * of; equalities on integer columns are tested while scanning, so that joins on object_id do not
 * hand every row to SQLite. */
#include "sysview_rows_int.h"
#include "access_int.h"
#include "link.h"
#include <math.h>
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "codec/collation.h"
#include "codec/datetime.h"
#include "base/banned.h"

enum { ROWS_BYTES_MAX = 512 << 20, EQUALS_MAX = 4 };

struct sys_module {
    const struct qri_sysview_shape *shape;
    struct qri_link *link;
    bool is_tempdb; /* shows the session's #tables instead of the database */
};

struct sys_table {
    sqlite3_vtab base;
    struct sys_module *module;
};

struct sys_cursor {
    sqlite3_vtab_cursor base;
    struct qri_sysrows rows;
    size_t at;
    size_t equal_count;
    int equal_column[EQUALS_MAX];
    int64_t equal_value[EQUALS_MAX];
};

/* ---- making rows ---- */

static struct qr_value datetime_value(const struct qr_type *type, int64_t ticks)
{
    if (ticks == 0)
        return qr_value_null();
    if (type->id == QR_TYPE_DATETIME) { /* 1/300 s since 1900-01-01 */
        const int64_t base = INT64_C(599266080000000000);
        return qr_value_int((ticks - base) * 3 / 100000);
    }
    return qr_value_int(ticks);
}

static struct qr_value take_argument(const struct qr_type *type, va_list *args)
{
    switch ((int)type->id) {
    case QR_TYPE_BIT:
    case QR_TYPE_TINYINT:
    case QR_TYPE_SMALLINT:
    case QR_TYPE_INT: {
        int v = va_arg(*args, int);
        return v == QRI_SYS_NULL ? qr_value_null() : qr_value_int(v);
    }
    case QR_TYPE_BIGINT: {
        int64_t v = va_arg(*args, int64_t);
        return v == QRI_SYS_NULL_BIGINT ? qr_value_null() : qr_value_int(v);
    }
    case QR_TYPE_FLOAT:
    case QR_TYPE_REAL: {
        double v = va_arg(*args, double);
        return isnan(v) ? qr_value_null() : qr_value_real(v);
    }
    case QR_TYPE_DATETIME:
    case QR_TYPE_DATETIME2:
        return datetime_value(type, va_arg(*args, int64_t));
    case QR_TYPE_DECIMAL:
    case QR_TYPE_NUMERIC:
    case QR_TYPE_SQL_VARIANT:
    case QR_TYPE_DATETIMEOFFSET:
        return *va_arg(*args, const struct qr_value *);
    default: {
        struct qr_str s = va_arg(*args, struct qr_str);
        if (s.p == NULL)
            return qr_value_null();
        bool text = qr_type_is_string(type) || type->id == QR_TYPE_XML;
        return text ? qr_value_str(s) : qr_value_blob(s.p, s.n);
    }
    }
}

enum qr_status qri_sysrow(struct qri_sysrows *rows, ...)
{
    size_t n = rows->shape->column_count;
    void *moved = qr_arena_grow(&rows->arena, rows->values, rows->row_count, &rows->capacity,
                                rows->row_count + 1, n * sizeof *rows->values);
    if (moved == NULL)
        return QR_NOMEM;
    rows->values = moved;
    struct qr_value *row = &rows->values[rows->row_count * n];
    va_list args;
    va_start(args, rows);
    for (size_t i = 0; i < n; i++) {
        const struct qri_sysview_column *c = &rows->shape->columns[i];
        row[i] = c->is_constant ? c->constant : take_argument(&c->type, &args);
    }
    va_end(args);
    rows->row_count++;
    return QR_OK;
}

struct qr_arena *qri_sysrows_arena(struct qri_sysrows *rows)
{
    return &rows->arena;
}

void qri_sysrows_of(struct qri_sysrows *rows, const struct qri_sysitems *items)
{
    assert(rows->row_count == 0 && rows->of.make == NULL);
    rows->of = *items;
}

static void forget_rows(struct qri_sysrows *rows)
{
    rows->values = NULL;
    rows->row_count = rows->capacity = 0;
    qr_arena_reset(&rows->arena);
}

static void forget_items(struct qri_sysrows *rows)
{
    if (rows->of.make != NULL)
        rows->of.done(rows->of.items, rows->of.count);
    rows->of = (struct qri_sysitems){0};
}

static size_t count_of(const struct qri_sysrows *rows)
{
    return rows->of.make != NULL ? rows->of.count : rows->row_count;
}

/* ---- the module ---- */

static const char *column_class(const struct qr_type *type)
{
    switch (qr_type_cell(type)) {
    case QR_CELL_INT:
        return "INTEGER";
    case QR_CELL_REAL:
        return "REAL";
    case QR_CELL_TEXT:
        return "TEXT";
    case QR_CELL_BLOB:
    case QR_CELL_WIDE:
    case QR_CELL_NULL:
        break;
    }
    return "BLOB";
}

static int sys_connect(sqlite3 *db, void *aux, int argc, const char *const *argv,
                       sqlite3_vtab **ret_table, char **ret_error)
{
    (void)argc;
    (void)argv;
    (void)ret_error;
    struct sys_module *module = aux;
    struct qr_buf sql;
    qr_buf_init(&sql, 64 << 10);
    qr_buf_addz(&sql, "CREATE TABLE x(");
    for (size_t i = 0; i < module->shape->column_count; i++) {
        const struct qr_type *type = &module->shape->columns[i].type;
        qr_buf_printf(&sql, "%sc%zu %s", i == 0 ? "" : ", ", i + 1, column_class(type));
        if (qr_type_is_string(type))
            qr_buf_printf(&sql, " COLLATE %s", qr_order_sqlite_name(qr_order_of(type)));
    }
    qr_buf_addz(&sql, ")");
    int rc = sqlite3_declare_vtab(db, qr_buf_cstr(&sql));
    qr_buf_done(&sql);
    if (rc != SQLITE_OK)
        return rc;
    struct sys_table *table = sqlite3_malloc(sizeof *table);
    if (table == NULL)
        return SQLITE_NOMEM;
    memset(table, 0, sizeof *table);
    table->module = module;
    *ret_table = &table->base;
    return SQLITE_OK;
}

static int sys_disconnect(sqlite3_vtab *table)
{
    sqlite3_free(table);
    return SQLITE_OK;
}

/* Rows with one equality, of one object say. Few of its columns are in an index: from
 * sys.index_columns a plan goes on to the columns, so that its rows come in the order of the key.
 * SQL Server's do, and clients that reflect a schema rely on it without an ORDER BY. */
static int rows_of_one(const struct sys_table *table)
{
    return strcmp(table->module->shape->view->name, "index_columns") == 0 ? 5 : 10;
}

/* idxNum is the number of equalities, idxStr their columns: "3,7". */
static int sys_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    const struct sys_table *table = (const struct sys_table *)base;
    char columns[64];
    int used = 0, count = 0;
    columns[0] = '\0';
    for (int i = 0; i < info->nConstraint && count < EQUALS_MAX; i++) {
        const int column = info->aConstraint[i].iColumn;
        if (!info->aConstraint[i].usable || column < 0 ||
            info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ)
            continue;
        const struct qr_type *type = &table->module->shape->columns[column].type;
        if (qr_type_family(type) != QR_FAMILY_INT)
            continue;
        info->aConstraintUsage[i].argvIndex = ++count; /* SQLite tests it again: omit stays 0 */
        used += snprintf(columns + used, sizeof columns - (size_t)used, "%d,", column);
    }
    info->idxNum = count;
    info->idxStr = sqlite3_mprintf("%s", columns);
    info->needToFreeIdxStr = 1;
    info->estimatedRows = count == 0 ? 1000 : count == 1 ? rows_of_one(table) : 1;
    info->estimatedCost = count == 0 ? 2000.0 : count == 1 ? 200.0 : 100.0;
    return info->idxStr == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

static int sys_open(sqlite3_vtab *base, sqlite3_vtab_cursor **ret_cursor)
{
    struct sys_cursor *cursor = sqlite3_malloc(sizeof *cursor);
    if (cursor == NULL)
        return SQLITE_NOMEM;
    memset(cursor, 0, sizeof *cursor);
    cursor->rows.shape = ((struct sys_table *)base)->module->shape;
    qr_arena_init(&cursor->rows.arena, ROWS_BYTES_MAX);
    *ret_cursor = &cursor->base;
    return SQLITE_OK;
}

static int sys_close(sqlite3_vtab_cursor *base)
{
    struct sys_cursor *cursor = (struct sys_cursor *)base;
    forget_items(&cursor->rows);
    qr_arena_done(&cursor->rows.arena);
    sqlite3_free(cursor);
    return SQLITE_OK;
}

static const struct qr_value *row_of(const struct sys_cursor *cursor)
{
    size_t at = cursor->rows.of.make != NULL ? 0 : cursor->at;
    return &cursor->rows.values[at * cursor->rows.shape->column_count];
}

static const void *item_of(const struct sys_cursor *cursor)
{
    const struct qri_sysitems *of = &cursor->rows.of;
    return (const char *)of->items + cursor->at * of->item_bytes;
}

static bool item_fits(const struct sys_cursor *cursor)
{
    const struct qri_sysitems *of = &cursor->rows.of;
    for (size_t i = 0; i < cursor->equal_count; i++)
        if ((size_t)cursor->equal_column[i] == of->key_column &&
            of->key(item_of(cursor)) != cursor->equal_value[i])
            return false;
    return true;
}

static bool row_fits(const struct sys_cursor *cursor)
{
    const struct qr_value *row = row_of(cursor);
    for (size_t i = 0; i < cursor->equal_count; i++) {
        const struct qr_value *v = &row[cursor->equal_column[i]];
        if (v->cell != QR_CELL_INT || v->i != cursor->equal_value[i])
            return false;
    }
    return true;
}

/* To the next row that fits, from this one on. */
static int skip_rows(struct sys_cursor *cursor)
{
    struct qri_sysrows *rows = &cursor->rows;
    for (; cursor->at < count_of(rows); cursor->at++) {
        if (rows->of.make != NULL) {
            if (!item_fits(cursor))
                continue;
            forget_rows(rows);
            if (rows->of.make(rows, item_of(cursor)) != QR_OK)
                return SQLITE_NOMEM;
        }
        if (row_fits(cursor))
            break;
    }
    return SQLITE_OK;
}

static enum qr_status make_rows(const struct sys_module *module, struct qri_sysrows *rows)
{
    struct qr_session *session = module->link->session;
    struct qri_catalog *empty = NULL; /* what tempdb is before the first #table */
    if (module->is_tempdb && session->temp == NULL)
        QR_TRY(qri_catalog_new_temp(&empty, NULL));
    if (empty != NULL)
        session->temp = empty;
    session->views_tempdb = module->is_tempdb;
    enum qr_status status = module->shape->view->rows(rows, session);
    session->views_tempdb = false;
    if (!session->is_owner && status == QR_OK && !module->is_tempdb)
        qri_hide_rows(rows, session);
    if (empty != NULL)
        session->temp = NULL;
    qri_catalog_unref(empty);
    return status;
}

static int sys_filter(sqlite3_vtab_cursor *base, int equal_count, const char *columns, int argc,
                      sqlite3_value **argv)
{
    struct sys_cursor *cursor = (struct sys_cursor *)base;
    const struct sys_module *module = ((struct sys_table *)base->pVtab)->module;
    assert(argc == equal_count && equal_count <= EQUALS_MAX);
    cursor->equal_count = 0;
    cursor->at = 0;
    for (int i = 0; i < argc; i++) {
        char *end = NULL;
        long column = strtol(columns, &end, 10);
        columns = end + 1;
        if (sqlite3_value_type(argv[i]) != SQLITE_INTEGER) {
            if (sqlite3_value_type(argv[i]) == SQLITE_NULL) { /* equals nothing */
                cursor->at = SIZE_MAX;
                return SQLITE_OK;
            }
            continue; /* left to SQLite */
        }
        cursor->equal_column[cursor->equal_count] = (int)column;
        cursor->equal_value[cursor->equal_count++] = sqlite3_value_int64(argv[i]);
    }
    if (count_of(&cursor->rows) == 0) {
        forget_items(&cursor->rows);
        forget_rows(&cursor->rows);
        enum qr_status status = make_rows(module, &cursor->rows);
        if (status != QR_OK)
            return status == QR_CANCELLED || status == QR_CLOSED ? SQLITE_INTERRUPT : SQLITE_NOMEM;
    }
    return skip_rows(cursor);
}

static int sys_next(sqlite3_vtab_cursor *base)
{
    struct sys_cursor *cursor = (struct sys_cursor *)base;
    cursor->at++;
    return skip_rows(cursor);
}

static int sys_eof(sqlite3_vtab_cursor *base)
{
    const struct sys_cursor *cursor = (const struct sys_cursor *)base;
    return cursor->at >= count_of(&cursor->rows);
}

static int sys_column(sqlite3_vtab_cursor *base, sqlite3_context *ctx, int column)
{
    const struct sys_cursor *cursor = (const struct sys_cursor *)base;
    const struct qri_sysview_shape *shape = cursor->rows.shape;
    qri_result(ctx, &shape->columns[column].type, &row_of(cursor)[column]);
    return SQLITE_OK;
}

static int sys_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *ret_rowid)
{
    *ret_rowid = (sqlite3_int64)((const struct sys_cursor *)base)->at + 1;
    return SQLITE_OK;
}

static const sqlite3_module sys_methods = {
    .iVersion = 1,
    .xConnect = sys_connect,
    .xBestIndex = sys_best_index,
    .xDisconnect = sys_disconnect,
    .xOpen = sys_open,
    .xClose = sys_close,
    .xFilter = sys_filter,
    .xNext = sys_next,
    .xEof = sys_eof,
    .xColumn = sys_column,
    .xRowid = sys_rowid,
};

static enum qr_status register_view(struct qri_link *link, const struct qri_sysview_shape *shape,
                                    bool is_tempdb, struct qr_err *err)
{
    char name[160];
    struct sys_module *module = malloc(sizeof *module);
    if (module == NULL)
        return qr_fail(err, QR_NOMEM, "system views");
    *module = (struct sys_module){shape, link, is_tempdb};
    (void)snprintf(name, sizeof name, "%s%s", is_tempdb ? "tempdb_" : "", shape->vtab);
    if (sqlite3_create_module_v2(link->db, name, &sys_methods, module, free) != SQLITE_OK)
        return qr_fail(err, QR_NOMEM, "system views");
    return QR_OK;
}

enum qr_status qri_sysviews_register(struct qri_link *link, struct qr_err *err)
{
    const struct qr_catalog *catalog = NULL;
    size_t count = 0;
    QR_TRY(qri_system_catalog(&catalog, err));
    const struct qri_sysview_shape *shapes = qri_sysview_shapes(&count);
    for (size_t i = 0; i < count; i++) {
        if (shapes[i].view->rows == NULL)
            continue;
        QR_TRY(register_view(link, &shapes[i], false, err));
        QR_TRY(register_view(link, &shapes[i], true, err));
    }
    return QR_OK;
}
