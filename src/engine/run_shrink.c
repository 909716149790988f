/* run_shrink.c - DBCC SHRINKDATABASE and SHRINKFILE: pages from the end move into free ones, a few
 * at a time, each step a transaction of its own, so that others write between them; then the store
 * gives the space back that nobody reads any more. */
#include <stdio.h>
#include "codec/collation.h"
#include "dbcc_int.h"
#include "store/store.h"
#include "base/banned.h"

enum {
    STEP_PAGES = 128, /* some milliseconds under the writer lock */
    PAGE_8K = 8192,
    SIZE_MIN_BYTES = 1 << 20, /* a file's MinimumSize: it is not made shorter than this */
    DATA_FILE = 1,
    LOG_FILE = 2,
    ROW_COLUMNS = 6,
};
#define MIB (UINT64_C(1) << 20)

struct shrink {
    struct qri_dbcc *d;
    bool moves;     /* pages: not with TRUNCATEONLY or NOTRUNCATE */
    bool truncates; /* not with NOTRUNCATE */
};

static struct qr_store_stats stats_of(const struct qri_dbcc *d)
{
    struct qr_store_stats stats;
    qr_store_get_stats(d->session->db->store, &stats);
    return stats;
}

/* ---- moving ---- */

/* Databases of earlier versions have no way from a page to the one that points at it. */
static enum qr_status check_movable(struct qri_dbcc *d)
{
    sqlite3_stmt *stmt = NULL;
    bool movable = sqlite3_prepare_v2(d->session->link->db, "PRAGMA main.auto_vacuum", -1, &stmt,
                                      NULL) == SQLITE_OK &&
                   sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 0) != 0;
    sqlite3_finalize(stmt);
    return movable ? QR_OK
                   : qr_fail(d->err, QR_UNSUPPORTED,
                             "DBCC %.*s cannot move pages in a database that an earlier version "
                             "has made; with TRUNCATEONLY it gives back what it need not move.",
                             (int)d->stmt->command.n, d->stmt->command.p);
}

static enum qr_status vacuum(struct qri_dbcc *d, uint64_t pages)
{
    struct qr_session *session = d->session;
    char sql[64];
    QR_TRY(check_movable(d));
    snprintf(sql, sizeof sql, "PRAGMA main.incremental_vacuum(%llu)", (unsigned long long)pages);
    int rc = sqlite3_exec(session->link->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? QR_OK : qri_sqlite_fail(session->link, rc, d->err);
}

static enum qr_status step(struct qri_dbcc *d, uint64_t pages)
{
    QR_TRY(qri_check_cancelled(d->session, d->err));
    enum qr_status status = qri_tran_statement_begin(d->session, QRI_WRITE, d->err);
    if (status == QR_OK)
        status = vacuum(d, pages);
    return qri_tran_statement_end(d->session, status, d->err);
}

/* Until the database takes `want` bytes or has no free page left. */
static enum qr_status move_pages(struct qri_dbcc *d, uint64_t want)
{
    uint64_t page_bytes = qr_store_page_bytes(d->session->db->store);
    struct qr_store_stats now = stats_of(d);
    uint64_t from = now.data_bytes;
    while (now.data_bytes > want && now.used_bytes < now.data_bytes) {
        uint64_t pages = (now.data_bytes - want + page_bytes - 1) / page_bytes;
        QR_TRY(step(d, pages < STEP_PAGES ? pages : STEP_PAGES));
        now = stats_of(d);
        if (from > want)
            atomic_store(&d->session->percent_complete,
                         (uint32_t)((from - now.data_bytes) * 100 / (from - want)));
    }
    return QR_OK;
}

/* What is not in the database any more leaves the file, and old log its own. */
static enum qr_status give_back(struct qri_dbcc *d)
{
    const struct qr_sink *sink = d->session->sink;
    struct qr_store *store = d->session->db->store;
    sink->block_begin(sink->ctx);
    enum qr_status status = qr_store_flush(store, d->err);
    if (status == QR_OK)
        status = qr_store_checkpoint(store, d->err);
    sink->block_end(sink->ctx);
    return status;
}

/* ---- the answer ---- */

static enum qr_status send_columns(struct qri_dbcc *d)
{
    static const char *const names[ROW_COLUMNS] = {"DbId",        "FileId",    "CurrentSize",
                                                   "MinimumSize", "UsedPages", "EstimatedPages"};
    struct qr_plan_column columns[ROW_COLUMNS] = {0};
    const struct qr_sink *sink = d->session->sink;
    for (size_t i = 0; i < ROW_COLUMNS; i++) {
        columns[i].name = qr_str(names[i]);
        columns[i].type = qr_type_of(i == 0 ? QR_TYPE_SMALLINT : QR_TYPE_INT);
        columns[i].flags = QR_COLUMN_NULLABLE;
    }
    QR_TRY(sink->columns(sink->ctx, columns, ROW_COLUMNS, NULL, 0));
    d->session->result_open = true;
    return QR_OK;
}

static struct qr_value pages_8k(uint64_t bytes)
{
    uint64_t pages = (bytes + PAGE_8K - 1) / PAGE_8K;
    return qr_value_int(pages > INT32_MAX ? INT32_MAX : (int64_t)pages);
}

static enum qr_status send_file(struct qri_dbcc *d, int file)
{
    const struct qr_sink *sink = d->session->sink;
    struct qr_store_stats now = stats_of(d);
    uint64_t size = file == DATA_FILE ? now.data_bytes : now.log_file_bytes;
    uint64_t used = file == DATA_FILE ? now.used_bytes : now.log_bytes;
    uint64_t least = used < SIZE_MIN_BYTES ? SIZE_MIN_BYTES : used;
    struct qr_value row[ROW_COLUMNS] = {
        qr_value_int(qri_info(d->session->db)->database_id),
        qr_value_int(file),
        pages_8k(size),
        pages_8k(SIZE_MIN_BYTES),
        pages_8k(used),
        pages_8k(file == DATA_FILE ? used : least),
    };
    d->rows++;
    return sink->row(sink->ctx, row, ROW_COLUMNS);
}

/* ---- the two commands ---- */

static enum qr_status begin(struct qri_dbcc *d, size_t option_index, struct shrink *ret_shrink)
{
    struct qr_session *session = d->session;
    *ret_shrink = (struct shrink){.d = d, .moves = true, .truncates = true};
    if (session->tran.count > 0)
        return qr_sql_fail(d->err, 8920, qr_arena_str(&d->frame->arena, d->stmt->command).p);
    if (qr_store_is_read_only(session->db->store))
        return qr_sql_fail(d->err, 3906,
                           qr_arena_str(&d->frame->arena, qri_info(session->db)->name).p);
    for (size_t i = option_index; i < d->stmt->args.count; i++) {
        struct qr_str word = qri_dbcc_text(d, i);
        if (qr_str_ieqz(word, "TRUNCATEONLY"))
            ret_shrink->moves = false;
        else if (qr_str_ieqz(word, "NOTRUNCATE"))
            ret_shrink->moves = ret_shrink->truncates = false;
        else if (qr_str_ieqz(word, "EMPTYFILE"))
            return qr_sql_fail(d->err, 2555, qr_arena_str(&d->frame->arena, qri_dbcc_text(d, 0)).p);
        else if (i != 1)
            return qr_sql_fail(d->err, 2560, (int)i + 1);
    }
    return QR_OK;
}

/* TRUNCATEONLY moves no page, so only what the database has left already is given back. */
static enum qr_status shrink_data(const struct shrink *s, uint64_t want)
{
    if (s->moves)
        QR_TRY(move_pages(s->d, want < SIZE_MIN_BYTES ? SIZE_MIN_BYTES : want));
    return s->truncates ? give_back(s->d) : QR_OK;
}

enum qr_status qri_dbcc_shrink_database(struct qri_dbcc *d)
{
    struct shrink s;
    struct qr_str own = qri_info(d->session->db)->name, name = qri_dbcc_text(d, 0);
    int64_t percent = 0;
    QR_TRY(begin(d, 1, &s));
    if (d->stmt->args.count == 0)
        return qr_sql_fail(d->err, 2560, 1);
    if (!qr_str_ieqz(name, "0") && !qr_str_ieq(name, own))
        return qr_sql_fail(d->err, 2520, qr_arena_str(&d->frame->arena, name).p);
    bool has_percent = d->stmt->args.count > 1 && qri_dbcc_int(d, 1, &percent);
    if (has_percent && (percent < 0 || percent > 99))
        return qr_sql_fail(d->err, 2560, 2);
    struct qr_store_stats before = stats_of(d);
    enum qr_status status = shrink_data(&s, before.used_bytes / (100 - (uint64_t)percent) * 100);
    atomic_store(&d->session->percent_complete, 0);
    QR_TRY(status);
    struct qr_store_stats after = stats_of(d);
    QR_TRY(send_columns(d));
    if (after.data_bytes < before.data_bytes || after.file_bytes < before.file_bytes)
        QR_TRY(send_file(d, DATA_FILE));
    return after.log_file_bytes < before.log_file_bytes ? send_file(d, LOG_FILE) : QR_OK;
}

static int file_of(struct qr_str name)
{
    static const struct {
        const char *name;
        int file;
    } files[] = {{"data_0", DATA_FILE}, {"1", DATA_FILE}, {"log", LOG_FILE}, {"2", LOG_FILE}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (qr_str_ieqz(name, files[i].name))
            return files[i].file;
    return 0;
}

enum qr_status qri_dbcc_shrink_file(struct qri_dbcc *d)
{
    struct shrink s;
    struct qr_str name = qri_dbcc_text(d, 0);
    int file = file_of(name);
    int64_t want_mib = 0;
    if (file == 0)
        return qr_sql_fail(d->err, 8985, qr_arena_str(&d->frame->arena, name).p,
                           qr_arena_str(&d->frame->arena, qri_info(d->session->db)->name).p);
    QR_TRY(begin(d, 1, &s));
    if (d->stmt->args.count > 1 && qri_dbcc_int(d, 1, &want_mib) &&
        (want_mib < 0 || want_mib > INT32_MAX))
        return qr_sql_fail(d->err, 2560, 2);
    enum qr_status status =
        file == DATA_FILE ? shrink_data(&s, (uint64_t)want_mib * MIB) : give_back(d);
    atomic_store(&d->session->percent_complete, 0);
    QR_TRY(status);
    QR_TRY(send_columns(d));
    return send_file(d, file);
}
