/* moving_rows.c - see moving_int.h: cursors with their rows, and #tables with theirs */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "catalog_change_int.h"
#include "link.h"
#include "moving_int.h"
#include "temp_int.h"
#include "base/banned.h"

enum { SQL_BYTES_MAX = 256 * 1024 };

/* ---- cells ---- */

void qri_moving_put_text(struct qr_buf *dst, struct qr_str text)
{
    qr_buf_add32le(dst, (uint32_t)text.n);
    qr_buf_addstr(dst, text);
}

void qri_moving_put_cell(struct qr_buf *dst, const struct qr_value *value)
{
    qr_buf_add8(dst, (uint8_t)value->cell);
    switch (value->cell) {
    case QR_CELL_NULL:
        break;
    case QR_CELL_INT:
        qr_buf_add64le(dst, (uint64_t)value->i);
        break;
    case QR_CELL_REAL:
        qr_buf_add(dst, &value->r, sizeof value->r);
        break;
    case QR_CELL_WIDE:
        qr_buf_add(dst, &value->w, sizeof value->w);
        break;
    case QR_CELL_TEXT:
    case QR_CELL_BLOB:
        qri_moving_put_text(dst, qr_value_bytes(value));
        break;
    }
}

/* ---- cursors ---- */

static void put_type(struct qr_buf *dst, const struct qr_type *type)
{
    qr_buf_add8(dst, qr_type_info(type->id)->system_type_id);
    qr_buf_add8(dst, type->precision);
    qr_buf_add8(dst, type->scale);
    qr_buf_add8(dst, type->is_max);
    qr_buf_add16le(dst, type->length);
    qr_buf_add16le(dst, type->collation);
}

static enum qr_status put_cursor_rows(struct qri_cursor *cursor, struct qr_buf *dst,
                                      struct qr_err *err)
{
    struct qr_value *values = calloc(cursor->column_count + 1, sizeof *values);
    enum qr_status status = values == NULL ? qr_fail(err, QR_NOMEM, "save a cursor") : QR_OK;
    uint64_t end = cursor->rows == NULL ? 0 : qri_rowset_end(cursor->rows);
    for (uint64_t row = 0; row < end && status == QR_OK && dst->failed == QR_OK; row++) {
        bool found = false;
        status = qri_rowset_get(cursor->rows, row, values, &found, err);
        if (status != QR_OK || !found)
            continue;
        qr_buf_add8(dst, 1);
        for (size_t i = 0; i < cursor->column_count; i++)
            qri_moving_put_cell(dst, &values[i]);
    }
    qr_buf_add8(dst, 0);
    free(values);
    return status;
}

static enum qr_status put_cursor(struct qri_cursor *cursor, struct qr_buf *dst, struct qr_err *err)
{
    qri_moving_put_text(dst, qr_str(cursor->name));
    qri_moving_put_text(dst, qr_str(cursor->select_text));
    qr_buf_add8(dst,
                (uint8_t)(cursor->is_scroll | cursor->is_read_only << 1 | cursor->is_open << 2));
    qr_buf_add64le(dst, (uint64_t)cursor->position);
    size_t columns = cursor->rows == NULL ? 0 : cursor->column_count;
    qr_buf_add32le(dst, (uint32_t)columns);
    for (size_t i = 0; i < columns; i++) {
        const struct qr_plan_column *column = &cursor->columns[i];
        qri_moving_put_text(dst, column->name);
        put_type(dst, &column->type);
        qr_buf_add32le(dst, column->user_type_id);
        qr_buf_add32le(dst, column->flags);
        qr_buf_add32le(dst, column->source_column_id);
    }
    return put_cursor_rows(cursor, dst, err);
}

enum qr_status qri_moving_put_cursors(struct qr_session *session, struct qr_buf *dst,
                                      struct qr_err *err)
{
    uint32_t count = 0;
    for (struct qri_cursor *cursor = session->cursors; cursor != NULL; cursor = cursor->next)
        count += cursor->api.handle == 0; /* those by procedure stay behind */
    qr_buf_add32le(dst, count);
    for (struct qri_cursor *cursor = session->cursors; cursor != NULL; cursor = cursor->next)
        if (cursor->api.handle == 0)
            QR_TRY(put_cursor(cursor, dst, err));
    return QR_OK;
}

static enum qr_status fill_cursor(struct qri_cursor *cursor, const struct qri_moved_cursor *from,
                                  struct qr_store *store, struct qr_err *err)
{
    size_t count = from->rows.column_count;
    struct qr_type *types = qr_arena_array(&cursor->arena, count + 1, sizeof *types);
    struct qr_value *values = qr_arena_array(&cursor->arena, count + 1, sizeof *values);
    cursor->columns = qr_arena_array(&cursor->arena, count + 1, sizeof *cursor->columns);
    if (types == NULL || values == NULL || cursor->columns == NULL)
        return qr_fail(err, QR_NOMEM, "take a cursor");
    for (size_t i = 0; i < count; i++) {
        cursor->columns[i] = from->columns[i];
        cursor->columns[i].name = qr_arena_str(&cursor->arena, from->columns[i].name);
        types[i] = from->columns[i].type;
    }
    cursor->column_count = count;
    QR_TRY(qr_rowset_new(types, count, store, &cursor->rows, err));
    struct qr_str rows = from->rows.bytes;
    while (qri_moved_row(&rows, values, count))
        QR_TRY(qr_rowset_append(cursor->rows, values, err));
    return QR_OK;
}

static char *copy_text(struct qr_str text)
{
    char *copy = malloc(text.n + 1);
    if (copy != NULL) {
        memcpy(copy, text.p, text.n);
        copy[text.n] = '\0';
    }
    return copy;
}

static enum qr_status make_cursor(const struct qri_moved_cursor *from, struct qr_store *store,
                                  struct qri_cursor **ret_cursor, struct qr_err *err)
{
    struct qri_cursor *cursor = calloc(1, sizeof *cursor);
    if (cursor == NULL)
        return qr_fail(err, QR_NOMEM, "take a cursor");
    qr_arena_init(&cursor->arena, QRI_STMT_ARENA_BYTES_MAX);
    cursor->refs = 1;
    cursor->name = copy_text(from->name);
    cursor->select_text = copy_text(from->select);
    cursor->is_scroll = from->is_scroll;
    cursor->is_read_only = from->is_read_only;
    cursor->is_open = from->is_open;
    cursor->position = from->position;
    enum qr_status status = QR_OK;
    if (cursor->name == NULL || cursor->select_text == NULL)
        status = qr_fail(err, QR_NOMEM, "take a cursor");
    if (status == QR_OK && from->rows.column_count > 0)
        status = fill_cursor(cursor, from, store, err);
    if (status != QR_OK) {
        qri_cursor_unref(cursor);
        return status;
    }
    *ret_cursor = cursor;
    return QR_OK;
}

enum qr_status qri_moving_make_cursors(struct qr_session *session, const struct qri_moved *moved,
                                       struct qr_err *err)
{
    struct qri_cursor **end = &session->cursors;
    for (size_t i = 0; i < moved->cursor_count; i++) {
        QR_TRY(make_cursor(&moved->cursors[i], session->db->store, end, err));
        end = &(*end)->next;
    }
    return QR_OK;
}

/* ---- #objects ---- */

static enum qr_status put_objects(const struct qri_catalog *temp, struct qr_buf *dst,
                                  struct qr_err *err)
{
    uint32_t count = 0;
    for (size_t i = 0; i < temp->record_count; i++) {
        if (temp->records[i].kind == QRI_REC_META)
            continue;
        if (temp->records[i].kind != QRI_REC_OBJECT)
            return qr_fail(err, QR_UNSUPPORTED, "a session's own object of kind %d",
                           (int)temp->records[i].kind);
        count++;
    }
    qr_buf_add32le(dst, temp->cat.next_object_id);
    qr_buf_add32le(dst, count);
    for (size_t i = 0; i < temp->record_count; i++) {
        const struct qri_record *r = &temp->records[i];
        if (r->kind != QRI_REC_OBJECT)
            continue;
        qr_buf_add32le(dst, r->id);
        qri_moving_put_text(dst, qr_str_n((const char *)r->body, r->body_bytes));
    }
    return QR_OK;
}

static void put_counters(const struct qr_session *session, struct qr_buf *dst)
{
    size_t index = 0, count = 0;
    struct qri_temp_counter counter;
    while (qri_temp_counter_next(session, &index, &counter))
        count++;
    qr_buf_add32le(dst, (uint32_t)count);
    index = 0;
    while (qri_temp_counter_next(session, &index, &counter)) {
        qr_buf_add64le(dst, counter.id);
        qr_buf_add64le(dst, (uint64_t)counter.next);
    }
}

/* What SQLite keeps of the statements that made the tables and indexes, in their order. */
static enum qr_status put_sql(sqlite3 *conn, struct qr_buf *dst, struct qr_err *err)
{
    sqlite3_stmt *stmt = NULL;
    uint32_t count = 0;
    size_t at = dst->len;
    qr_buf_add32le(dst, 0);
    if (sqlite3_prepare_v2(conn,
                           "SELECT sql FROM temp.sqlite_schema WHERE sql IS NOT NULL "
                           "AND name NOT LIKE 'sqlite%' ORDER BY type = 'table' DESC, rowid",
                           -1, &stmt, NULL) != SQLITE_OK)
        return qri_conn_fail(conn, err, "save #tables");
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        qri_moving_put_text(dst, qr_str(text == NULL ? "" : text));
        count++;
    }
    enum qr_status status = rc == SQLITE_DONE ? QR_OK : qri_conn_fail(conn, err, "save #tables");
    sqlite3_finalize(stmt);
    if (dst->failed == QR_OK)
        qr_put32le(dst->data + at, count);
    return status;
}

static struct qr_value cell_of(sqlite3_stmt *stmt, int column)
{
    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER:
        return qr_value_int(sqlite3_column_int64(stmt, column));
    case SQLITE_FLOAT:
        return qr_value_real(sqlite3_column_double(stmt, column));
    case SQLITE_TEXT: {
        const char *text = (const char *)sqlite3_column_text(stmt, column);
        return qr_value_text(text, (size_t)sqlite3_column_bytes(stmt, column));
    }
    case SQLITE_BLOB: {
        const void *bytes = sqlite3_column_blob(stmt, column);
        return qr_value_blob(bytes, (size_t)sqlite3_column_bytes(stmt, column));
    }
    default:
        return qr_value_null();
    }
}

/* A rowid that no column shows goes along: positions in heaps are what counters count on. */
static bool has_hidden_rowid(const struct qr_cat_object *table)
{
    return table->storage != QR_STORE_KEYED && table->rowid_column == 0;
}

static enum qr_status put_table(sqlite3 *conn, const struct qr_cat_object *table,
                                struct qr_buf *dst, struct qr_err *err)
{
    bool has_rowid = has_hidden_rowid(table);
    sqlite3_stmt *stmt = NULL;
    char sql[64];
    snprintf(sql, sizeof sql, "SELECT %s* FROM temp.t%u", has_rowid ? "rowid, " : "",
             table->object_id);
    if (sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL) != SQLITE_OK)
        return qri_conn_fail(conn, err, "save a #table");
    int cells = sqlite3_column_count(stmt), rc;
    qr_buf_add32le(dst, table->object_id);
    qr_buf_add8(dst, has_rowid);
    qr_buf_add32le(dst, (uint32_t)(cells - has_rowid));
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && dst->failed == QR_OK) {
        qr_buf_add8(dst, 1);
        for (int i = 0; i < cells; i++) {
            struct qr_value cell = cell_of(stmt, i);
            qri_moving_put_cell(dst, &cell);
        }
    }
    enum qr_status status = rc == SQLITE_DONE || dst->failed != QR_OK
                                ? QR_OK
                                : qri_conn_fail(conn, err, "save a #table");
    qr_buf_add8(dst, 0);
    sqlite3_finalize(stmt);
    return status;
}

enum qr_status qri_moving_put_temp(struct qr_session *session, struct qr_buf *dst,
                                   struct qr_err *err)
{
    const struct qri_catalog *temp = session->temp;
    qr_buf_add8(dst, temp != NULL);
    if (temp == NULL)
        return QR_OK;
    QR_TRY(put_objects(temp, dst, err));
    put_counters(session, dst);
    if (session->link == NULL) { /* only procedures */
        qr_buf_add64le(dst, 0);
        return QR_OK;
    }
    QR_TRY(put_sql(session->link->db, dst, err));
    uint32_t count = 0;
    size_t at = dst->len;
    qr_buf_add32le(dst, 0);
    for (size_t i = 0; i < temp->cat.object_count; i++) {
        if (temp->cat.objects[i]->type != QR_CAT_TABLE)
            continue;
        QR_TRY(put_table(session->link->db, temp->cat.objects[i], dst, err));
        count++;
    }
    if (dst->failed == QR_OK)
        qr_put32le(dst->data + at, count);
    return QR_OK;
}

static enum qr_status make_objects(struct qr_session *session, const struct qri_moved *moved,
                                   struct qr_arena *arena, struct qr_err *err)
{
    struct qri_catalog *temp = NULL;
    struct qri_change change;
    QR_TRY(qri_catalog_new_temp(&temp, err));
    qri_change_init(&change, arena, temp);
    change.next_object_id = moved->next_object_id;
    enum qr_status status = QR_OK;
    for (size_t i = 0; i < moved->object_count && status == QR_OK; i++) {
        const struct qri_moved_object *from = &moved->objects[i];
        struct qr_cat_object *object = qr_arena_alloc(arena, sizeof *object);
        status = object == NULL ? qr_fail(err, QR_NOMEM, "take #tables")
                                : qri_body_decode_object(arena, (const uint8_t *)from->body.p,
                                                         from->body.n, object, err);
        if (status == QR_OK && object->object_id != from->id)
            status = qr_fail(err, QR_CORRUPT, "an object %u under the id %u", object->object_id,
                             from->id);
        if (status == QR_OK)
            status = qri_change_put_object(&change, object, err);
    }
    if (status == QR_OK)
        status = qri_change_apply(&change, NULL, &temp, err);
    if (status != QR_OK) {
        qri_catalog_unref(temp);
        return status;
    }
    qri_session_set_temp(session, temp);
    for (size_t i = 0; i < moved->counter_count; i++)
        QR_TRY(qri_counter_set(session, moved->counters[i].id, true, moved->counters[i].next, err));
    return QR_OK;
}

/* "CREATE TABLE t5(...)" becomes "CREATE TABLE temp.t5(...)". */
static enum qr_status make_sql(sqlite3 *conn, struct qr_str text, struct qr_err *err)
{
    static const char *const heads[] = {"CREATE TABLE ", "CREATE INDEX ", "CREATE UNIQUE INDEX "};
    struct qr_buf sql;
    size_t i = 0, n = 0;
    for (; i < sizeof heads / sizeof heads[0]; i++) {
        n = strlen(heads[i]);
        if (text.n > n && memcmp(text.p, heads[i], n) == 0)
            break;
    }
    if (i == sizeof heads / sizeof heads[0])
        return qr_fail(err, QR_CORRUPT, "a #table made by '%.*s'", (int)(text.n < 40 ? text.n : 40),
                       text.p);
    qr_buf_init(&sql, SQL_BYTES_MAX);
    qr_buf_addz(&sql, heads[i]);
    qr_buf_addz(&sql, "temp.");
    qr_buf_addstr(&sql, qr_str_n(text.p + n, text.n - n));
    enum qr_status status = qri_conn_exec(conn, qr_buf_cstr(&sql), err);
    if (sql.failed != QR_OK)
        status = qr_buf_status(&sql, err);
    qr_buf_done(&sql);
    return status;
}

static int bind_cell(sqlite3_stmt *stmt, int index, const struct qr_value *value)
{
    switch (value->cell) {
    case QR_CELL_INT:
        return sqlite3_bind_int64(stmt, index, value->i);
    case QR_CELL_REAL:
        return sqlite3_bind_double(stmt, index, value->r);
    case QR_CELL_TEXT:
        return sqlite3_bind_text64(stmt, index, value->p, value->n, SQLITE_STATIC, SQLITE_UTF8);
    case QR_CELL_BLOB: /* a NULL pointer would be NULL */
        return value->n == 0 ? sqlite3_bind_zeroblob(stmt, index, 0)
                             : sqlite3_bind_blob64(stmt, index, value->p, value->n, SQLITE_STATIC);
    case QR_CELL_NULL:
    case QR_CELL_WIDE:
        break;
    }
    return sqlite3_bind_null(stmt, index);
}

static enum qr_status insert_rows(sqlite3 *conn, sqlite3_stmt *stmt, struct qr_str rows,
                                  struct qr_value *values, size_t cells, struct qr_err *err)
{
    while (qri_moved_row(&rows, values, cells)) {
        int rc = SQLITE_OK;
        for (size_t i = 0; i < cells && rc == SQLITE_OK; i++)
            rc = bind_cell(stmt, (int)i + 1, &values[i]);
        if (rc == SQLITE_OK)
            rc = sqlite3_step(stmt);
        sqlite3_reset(stmt);
        if (rc != SQLITE_DONE)
            return qri_conn_fail(conn, err, "fill a #table");
    }
    return QR_OK;
}

/* The stored columns by name, as SELECT * gave them. */
static enum qr_status add_columns(sqlite3 *conn, const struct qri_moved_table *from,
                                  struct qr_buf *sql, struct qr_err *err)
{
    sqlite3_stmt *stmt = NULL;
    char text[64];
    snprintf(text, sizeof text, "SELECT * FROM temp.t%u", from->id);
    if (sqlite3_prepare_v2(conn, text, -1, &stmt, NULL) != SQLITE_OK)
        return qri_conn_fail(conn, err, "fill a #table");
    int count = sqlite3_column_count(stmt);
    for (int i = 0; i < count; i++)
        qr_buf_printf(sql, "%s%s", i == 0 ? "" : ", ", sqlite3_column_name(stmt, i));
    sqlite3_finalize(stmt);
    return (size_t)count == from->rows.column_count
               ? QR_OK
               : qr_fail(err, QR_CORRUPT, "a #table of %d columns, not %zu", count,
                         from->rows.column_count);
}

static enum qr_status fill_table(sqlite3 *conn, struct qr_arena *arena,
                                 const struct qri_moved_table *from, struct qr_err *err)
{
    size_t cells = from->rows.column_count + from->has_rowid;
    struct qr_value *values = qr_arena_array(arena, cells, sizeof *values);
    struct qr_buf sql;
    sqlite3_stmt *stmt = NULL;
    if (values == NULL)
        return qr_fail(err, QR_NOMEM, "fill a #table");
    qr_buf_init(&sql, SQL_BYTES_MAX);
    qr_buf_printf(&sql, "INSERT INTO temp.t%u(%s", from->id, from->has_rowid ? "rowid, " : "");
    enum qr_status status = add_columns(conn, from, &sql, err);
    qr_buf_addz(&sql, ") VALUES(");
    for (size_t i = 0; i < cells; i++)
        qr_buf_addz(&sql, i == 0 ? "?" : ", ?");
    qr_buf_addz(&sql, ")");
    if (status == QR_OK)
        status = qr_buf_status(&sql, err);
    if (status == QR_OK &&
        sqlite3_prepare_v2(conn, qr_buf_cstr(&sql), -1, &stmt, NULL) != SQLITE_OK)
        status = qri_conn_fail(conn, err, "fill a #table");
    if (status == QR_OK)
        status = insert_rows(conn, stmt, from->rows.bytes, values, cells, err);
    sqlite3_finalize(stmt);
    qr_buf_done(&sql);
    return status;
}

static enum qr_status make_tables(struct qr_session *session, const struct qri_moved *moved,
                                  struct qr_arena *arena, struct qr_err *err)
{
    sqlite3 *conn = session->link->db;
    for (size_t i = 0; i < moved->sql_count; i++)
        QR_TRY(make_sql(conn, moved->sql[i], err));
    for (size_t i = 0; i < moved->table_count; i++)
        QR_TRY(fill_table(conn, arena, &moved->tables[i], err));
    return QR_OK;
}

enum qr_status qri_moving_make_temp(struct qr_session *session, const struct qri_moved *moved,
                                    struct qr_err *err)
{
    if (!moved->has_temp)
        return QR_OK;
    struct qr_arena arena;
    qr_arena_init(&arena, QRI_UNIT_ARENA_BYTES_MAX);
    enum qr_status status = make_objects(session, moved, &arena, err);
    if (status == QR_OK)
        status = qri_link_take(session, err);
    bool all = status == QR_OK && moved->sql_count > 0;
    if (all)
        status = qri_conn_exec(session->link->db, "BEGIN", err);
    if (all && status == QR_OK) {
        status = make_tables(session, moved, &arena, err);
        enum qr_status ended =
            qri_conn_exec(session->link->db, status == QR_OK ? "COMMIT" : "ROLLBACK",
                          status == QR_OK ? err : NULL);
        status = status == QR_OK ? ended : status;
    }
    qr_arena_done(&arena);
    return status;
}
