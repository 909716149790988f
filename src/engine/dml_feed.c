/* dml_feed.c - see dml_int.h: qfeed(?feed), rows that are being made for one INSERT ... SELECT.
 *
 * SQLite takes a row and inserts it before it asks for the next, and keeps its cursors from row to
 * row: a key behind the last one needs no search. OR FAIL, because what a failed statement leaves
 * is undone by its guard or its transaction, so SQLite needs no journal of its own for that. */
#include <assert.h>
#include "dml_int.h"
#include "base/banned.h"

enum { COLUMN_FEED = QR_CAT_COLUMNS_MAX + 1 }; /* hidden, behind the stored columns and the rowid */

struct feed_vtab {
    sqlite3_vtab base;
    struct qri_link *link;
};

struct feed_cursor {
    sqlite3_vtab_cursor base;
    struct qri_feed *feed;
    bool at_end;
};

static int feed_connect(sqlite3 *db, void *aux, int argc, const char *const *argv,
                        sqlite3_vtab **ret_vtab, char **ret_text)
{
    (void)argc;
    (void)argv;
    (void)ret_text;
    struct qr_buf buf;
    qr_buf_init(&buf, 1 << 16);
    qr_buf_addz(&buf, "CREATE TABLE qfeed(");
    for (int i = 0; i < COLUMN_FEED; i++)
        qr_buf_printf(&buf, "c%d,", i);
    qr_buf_addz(&buf, "p HIDDEN)");
    int rc = qr_buf_status(&buf, NULL) == QR_OK ? sqlite3_declare_vtab(db, qr_buf_cstr(&buf))
                                                : SQLITE_NOMEM;
    qr_buf_done(&buf);
    if (rc != SQLITE_OK)
        return rc;
    struct feed_vtab *vtab = sqlite3_malloc(sizeof *vtab);
    if (vtab == NULL)
        return SQLITE_NOMEM;
    *vtab = (struct feed_vtab){.link = aux};
    sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
    *ret_vtab = &vtab->base;
    return SQLITE_OK;
}

static int feed_disconnect(sqlite3_vtab *vtab)
{
    sqlite3_free(vtab);
    return SQLITE_OK;
}

static int feed_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
    (void)vtab;
    if (info->nConstraint != 1 || info->aConstraint[0].iColumn != COLUMN_FEED ||
        !info->aConstraint[0].usable)
        return SQLITE_CONSTRAINT;
    info->aConstraintUsage[0].argvIndex = 1;
    info->aConstraintUsage[0].omit = 1;
    return SQLITE_OK;
}

static int feed_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **ret_cursor)
{
    (void)vtab;
    struct feed_cursor *cursor = sqlite3_malloc(sizeof *cursor);
    if (cursor == NULL)
        return SQLITE_NOMEM;
    *cursor = (struct feed_cursor){0};
    *ret_cursor = &cursor->base;
    return SQLITE_OK;
}

static int feed_close(sqlite3_vtab_cursor *cursor)
{
    sqlite3_free(cursor);
    return SQLITE_OK;
}

static int feed_next(sqlite3_vtab_cursor *base)
{
    struct feed_cursor *cursor = (struct feed_cursor *)base;
    struct qri_feed *feed = cursor->feed;
    bool more = false;
    struct qr_err *err = feed->writer->run->err;
    enum qr_status status = feed->next(feed, &more, err);
    cursor->at_end = !more;
    if (status == QR_OK && more)
        status = qri_lock_change(feed->writer, NULL, feed->row, feed->rowid);
    if (status == QR_OK && more)
        status = qri_record_insert(feed->writer, feed->row, feed->rowid);
    if (status == QR_OK)
        return SQLITE_OK;
    qri_function_fail(((struct feed_vtab *)base->pVtab)->link, NULL, status, err);
    return SQLITE_ERROR;
}

static int feed_filter(sqlite3_vtab_cursor *base, int idx_num, const char *idx_text, int argc,
                       sqlite3_value **argv)
{
    (void)idx_num;
    (void)idx_text;
    (void)argc;
    struct feed_cursor *cursor = (struct feed_cursor *)base;
    cursor->feed = sqlite3_value_pointer(argv[0], "qr_feed");
    assert(cursor->feed != NULL);
    return feed_next(base);
}

static int feed_eof(sqlite3_vtab_cursor *base)
{
    return ((struct feed_cursor *)base)->at_end;
}

static int feed_column(sqlite3_vtab_cursor *base, sqlite3_context *ctx, int column)
{
    const struct qri_feed *feed = ((struct feed_cursor *)base)->feed;
    const struct qri_table *table = feed->writer->table;
    if ((size_t)column < table->stored_count) {
        uint16_t index = table->stored[column];
        qri_result_kept(ctx, &table->object->columns[index].type, &feed->row[index]);
    } else {
        sqlite3_result_int64(ctx, feed->rowid);
    }
    return SQLITE_OK;
}

static int feed_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *ret_rowid)
{
    *ret_rowid = ((struct feed_cursor *)base)->feed->rowid;
    return SQLITE_OK;
}

static const sqlite3_module feed_module = {
    .iVersion = 1,
    .xConnect = feed_connect, /* no xCreate: eponymous only */
    .xBestIndex = feed_best_index,
    .xDisconnect = feed_disconnect,
    .xOpen = feed_open,
    .xClose = feed_close,
    .xFilter = feed_filter,
    .xNext = feed_next,
    .xEof = feed_eof,
    .xColumn = feed_column,
    .xRowid = feed_rowid,
};

enum qr_status qri_feed_register(struct qri_link *link, struct qr_err *err)
{
    int rc = sqlite3_create_module_v2(link->db, "qfeed", &feed_module, link, NULL);
    return rc == SQLITE_OK ? QR_OK : qr_fail(err, QR_NOMEM, "register qfeed: %d", rc);
}

/* For tables with IGNORE_DUP_KEY, whose rows go in one by one. */
static enum qr_status feed_singly(struct qri_feed *feed)
{
    struct qri_writer *writer = feed->writer;
    struct qr_err *err = writer->run->err;
    bool more = false, ignored = false;
    enum qr_status status = feed->next(feed, &more, err);
    while (status == QR_OK && more) {
        status = qri_write_insert(writer, feed->row, feed->rowid, &ignored);
        if (status == QR_OK && ignored)
            status = feed->ignored(feed, err);
        if (status == QR_OK)
            status = feed->next(feed, &more, err);
    }
    return status;
}

enum qr_status qri_write_feed(struct qri_feed *feed)
{
    struct qri_writer *writer = feed->writer;
    struct qri_run *run = writer->run;
    struct qr_session *session = run->session;
    if (qri_ignores_duplicates(writer->table))
        return feed_singly(feed);
    struct qri_stmt *stmt = NULL;
    QR_TRY(qri_stmt_take(session->link, writer->table->insert_fed, &stmt, run->err));
    bool row = false;
    enum qr_status status = QR_OK;
    if (sqlite3_bind_pointer(stmt->stmt, 1, feed, "qr_feed", NULL) != SQLITE_OK) {
        status = qr_fail(run->err, QR_NOMEM, "insert rows");
    } else {
        session->no_interrupt = true; /* an interrupted write would undo the whole transaction */
        status = qri_stmt_step(session->link, stmt, &row, run->err);
        session->no_interrupt = false;
        sqlite3_reset(stmt->stmt);
        sqlite3_bind_null(stmt->stmt, 1);
    }
    qri_stmt_put(session->link, stmt);
    return status == QR_EXISTS ? qri_fail_key(writer, feed->row, NULL, feed->rowid) : status;
}
