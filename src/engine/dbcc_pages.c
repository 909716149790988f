/* dbcc_pages.c - the pages, rows and index entries of tables as SQLite checks them; see dbcc_int.h.
 *
 * SQLite 3.40 looks for the NULLs of a table without row ids at the wrong places of its rows where
 * the key does not come first, so those of keyed tables are counted here. */
#include <stdio.h>
#include "dbcc_int.h"
#include "link.h"
#include "base/banned.h"

enum { LINES_MAX = 1 << 30, PROBLEMS_MAX = 100, SQL_BYTES_MAX = 1 << 20 };

static const char *schema_of(const struct qr_cat_object *table)
{
    return qri_dbcc_is_temp(table) ? "temp" : "main";
}

enum qr_status qri_dbcc_problem(struct qri_dbcc *d, uint32_t object_id, const char *what)
{
    struct qr_err message;
    qr_err_reset(&message);
    enum qr_status ignored = qr_sql_fail(&message, 8939, (int)object_id, what);
    (void)ignored;
    message.line = (int)d->stmt->head.pos.line;
    d->problems++;
    return qri_send_error(d->session, &message);
}

static bool is_keyed_null(const struct qri_dbcc *d, const struct qr_cat_object *table,
                          const char *line)
{
    unsigned id = 0, column = 0;
    if (sscanf(line, "NULL value in t%u.c%u", &id, &column) != 2)
        return false;
    if (table == NULL)
        table = qr_cat_by_id(&d->session->catalog->cat, id);
    return table != NULL && table->type == QR_CAT_TABLE && table->storage == QR_STORE_KEYED;
}

static enum qr_status count_nulls(struct qri_dbcc *d, const struct qr_cat_object *table,
                                  sqlite3_stmt *stmt)
{
    if (sqlite3_step(stmt) != SQLITE_ROW)
        return qri_sqlite_fail(d->session->link, sqlite3_errcode(d->session->link->db), d->err);
    int at = 0;
    for (size_t i = 0; i < table->column_count; i++) {
        const struct qr_cat_column *c = &table->columns[i];
        char line[80];
        int64_t found = c->nullable || c->is_computed ? 0 : sqlite3_column_int64(stmt, at++);
        snprintf(line, sizeof line, "NULL value in t%u.c%u (%lld rows)", table->object_id,
                 c->column_id, (long long)found);
        if (found > 0)
            QR_TRY(qri_dbcc_problem(d, table->object_id, line));
    }
    return QR_OK;
}

/* typeof: SQLite takes IS NULL of a NOT NULL column for false. */
static enum qr_status check_nulls(struct qri_dbcc *d, const struct qr_cat_object *table)
{
    struct qr_buf sql;
    sqlite3_stmt *stmt = NULL;
    int count = 0;
    if (table->storage != QR_STORE_KEYED)
        return QR_OK;
    qr_buf_init(&sql, SQL_BYTES_MAX);
    for (size_t i = 0; i < table->column_count; i++)
        if (!table->columns[i].nullable && !table->columns[i].is_computed)
            qr_buf_printf(&sql, "%s sum(typeof(c%u) = 'null')", count++ == 0 ? "SELECT" : ",",
                          table->columns[i].column_id);
    qr_buf_printf(&sql, " FROM %s.t%u", schema_of(table), table->object_id);
    enum qr_status status = qr_buf_status(&sql, d->err);
    if (status == QR_OK) {
        sqlite3 *db = d->session->link->db;
        int rc = sqlite3_prepare_v2(db, qr_buf_cstr(&sql), -1, &stmt, NULL);
        status = rc == SQLITE_OK ? count_nulls(d, table, stmt)
                                 : qri_sqlite_fail(d->session->link, rc, d->err);
    }
    sqlite3_finalize(stmt);
    qr_buf_done(&sql);
    return status;
}

/* Each line of the answer but "ok" is a page, row or index entry that is not as it should be. */
static enum qr_status check_lines(struct qri_dbcc *d, const struct qr_cat_object *table)
{
    char sql[80];
    sqlite3_stmt *stmt = NULL;
    if (table == NULL)
        snprintf(sql, sizeof sql, "PRAGMA main.integrity_check(%d)", LINES_MAX);
    else
        snprintf(sql, sizeof sql, "PRAGMA %s.integrity_check(t%u)", schema_of(table),
                 table->object_id);
    int rc = sqlite3_prepare_v2(d->session->link->db, sql, -1, &stmt, NULL);
    enum qr_status status = QR_OK;
    while (rc == SQLITE_OK && status == QR_OK && d->problems < PROBLEMS_MAX) {
        int step = sqlite3_step(stmt);
        if (step != SQLITE_ROW) {
            rc = step;
            break;
        }
        const char *line = (const char *)sqlite3_column_text(stmt, 0);
        if (line != NULL && strcmp(line, "ok") != 0 && !is_keyed_null(d, table, line))
            status = qri_dbcc_problem(d, table == NULL ? 0 : table->object_id, line);
    }
    if (status == QR_OK && rc != SQLITE_DONE && rc != SQLITE_OK)
        status = qri_sqlite_fail(d->session->link, rc, d->err);
    sqlite3_finalize(stmt);
    return status;
}

enum qr_status qri_dbcc_check_pages(struct qri_dbcc *d, const struct qr_cat_object *table)
{
    const struct qr_catalog *catalog = &d->session->catalog->cat;
    QR_TRY(check_lines(d, table));
    if (table != NULL)
        return check_nulls(d, table);
    for (size_t i = 0; i < catalog->object_count; i++)
        if (catalog->objects[i]->type == QR_CAT_TABLE)
            QR_TRY(check_nulls(d, catalog->objects[i]));
    return QR_OK;
}
