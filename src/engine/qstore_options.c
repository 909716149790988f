/* qstore_options.c - ALTER DATABASE SET QUERY_STORE; see qstore_int.h */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "catalog_change_int.h"
#include "qstore_int.h"
#include "base/banned.h"

/* As Azure SQL Database has them. */
const struct qri_qs_option_info qri_qs_option_infos[QRI_QS_OPTIONS] = {
    [QRI_QS_STATE] = {"STATE", QRI_QS_READ_WRITE},
    [QRI_QS_FLUSH_S] = {"FLUSH_S", 900},
    [QRI_QS_INTERVAL_MINUTES] = {"INTERVAL_MINUTES", 60},
    [QRI_QS_MAX_MB] = {"MAX_MB", 100},
    [QRI_QS_STALE_DAYS] = {"STALE_DAYS", 30},
    [QRI_QS_MAX_PLANS] = {"MAX_PLANS", 200},
    [QRI_QS_CAPTURE] = {"CAPTURE", QRI_QS_AUTO},
    [QRI_QS_SIZE_CLEANUP] = {"SIZE_CLEANUP", 1},
    [QRI_QS_WAITS] = {"WAITS", 1},
    [QRI_QS_CAPTURE_COUNT] = {"CAPTURE_COUNT", 30},
    [QRI_QS_CAPTURE_COMPILE_MS] = {"CAPTURE_COMPILE_MS", 1000},
    [QRI_QS_CAPTURE_CPU_MS] = {"CAPTURE_CPU_MS", 100},
    [QRI_QS_CAPTURE_HOURS] = {"CAPTURE_HOURS", 24},
};

/* ---- what is written in the statement ---- */

struct word {
    const char *text;
    int64_t value;
};
static const struct word states[] = {
    {"READ_WRITE", QRI_QS_READ_WRITE}, {"READ_ONLY", QRI_QS_READ_ONLY}, {0}};
static const struct word captures[] = {{"ALL", QRI_QS_ALL},
                                       {"AUTO", QRI_QS_AUTO},
                                       {"NONE", QRI_QS_NONE},
                                       {"CUSTOM", QRI_QS_CUSTOM},
                                       {0}};
static const struct word cleanups[] = {{"OFF", 0}, {"AUTO", 1}, {0}};
static const struct word switches[] = {{"OFF", 0}, {"ON", 1}, {0}};

static const struct option_row {
    const char *name;
    enum qri_qs_option option;
    const struct word *words; /* NULL: a number */
    int64_t min, max;
} rows[] = {
    {"OPERATION_MODE", QRI_QS_STATE, states, 0, 0},
    {"QUERY_CAPTURE_MODE", QRI_QS_CAPTURE, captures, 0, 0},
    {"SIZE_BASED_CLEANUP_MODE", QRI_QS_SIZE_CLEANUP, cleanups, 0, 0},
    {"WAIT_STATS_CAPTURE_MODE", QRI_QS_WAITS, switches, 0, 0},
    {"DATA_FLUSH_INTERVAL_SECONDS", QRI_QS_FLUSH_S, NULL, 1, INT32_MAX},
    {"INTERVAL_LENGTH_MINUTES", QRI_QS_INTERVAL_MINUTES, NULL, 1, 1440},
    {"MAX_STORAGE_SIZE_MB", QRI_QS_MAX_MB, NULL, 1, 10240},
    {"MAX_PLANS_PER_QUERY", QRI_QS_MAX_PLANS, NULL, 0, INT32_MAX},
    {"STALE_QUERY_THRESHOLD_DAYS", QRI_QS_STALE_DAYS, NULL, 0, 36500},
    {"EXECUTION_COUNT", QRI_QS_CAPTURE_COUNT, NULL, 1, INT32_MAX},
    {"TOTAL_COMPILE_CPU_TIME_MS", QRI_QS_CAPTURE_COMPILE_MS, NULL, 1, INT32_MAX},
    {"TOTAL_EXECUTION_CPU_TIME_MS", QRI_QS_CAPTURE_CPU_MS, NULL, 1, INT32_MAX},
    {"STALE_CAPTURE_POLICY_THRESHOLD", QRI_QS_CAPTURE_HOURS, NULL, 1, 168},
};

struct alter {
    struct qr_session *session;
    struct qr_err *err;
    int64_t values[QRI_QS_OPTIONS];
    bool given[QRI_QS_OPTIONS];
    bool clears;
};

static enum qr_status wrong(const struct alter *a, const struct qr_ast_option *option)
{
    return qr_fail(a->err, QR_INVALID, "'%.*s' is not a valid option of QUERY_STORE.",
                   (int)(option->text.n < 200 ? option->text.n : 200), option->text.p);
}

static bool number_of(const struct qr_ast_option *option, int64_t *ret)
{
    const struct qr_ast_literal *literal = (const struct qr_ast_literal *)option->value;
    if (literal == NULL || literal->head.kind != QR_AE_LITERAL || literal->text.n == 0 ||
        literal->text.n > 10)
        return false;
    *ret = 0;
    for (size_t i = 0; i < literal->text.n; i++) {
        if (literal->text.p[i] < '0' || literal->text.p[i] > '9')
            return false;
        *ret = *ret * 10 + (literal->text.p[i] - '0');
    }
    return true;
}

/* Only lengths that divide a day, as SQL Server has them. */
static bool is_interval(int64_t minutes)
{
    static const int64_t lengths[] = {1, 5, 10, 15, 30, 60, 1440};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        if (lengths[i] == minutes)
            return true;
    return false;
}

static enum qr_status take_value(struct alter *a, const struct qr_ast_option *option,
                                 const struct option_row *row)
{
    int64_t value = 0;
    bool found = false;
    for (const struct word *w = row->words; w != NULL && w->text != NULL && !found; w++) {
        found = qr_str_ieqz(option->word, w->text);
        value = w->value;
    }
    if (row->words == NULL)
        found = number_of(option, &value) && value >= row->min && value <= row->max;
    if (!found || (row->option == QRI_QS_INTERVAL_MINUTES && !is_interval(value)))
        return wrong(a, option);
    a->values[row->option] = value;
    a->given[row->option] = true;
    return QR_OK;
}

/* `STALE_CAPTURE_POLICY_THRESHOLD = 2 DAYS` */
static void take_days(struct alter *a, const struct qr_ast_option *option)
{
    for (size_t i = 0; i + 3 < option->text.n; i++)
        if (qr_str_ieqz(qr_str_n(option->text.p + i, 3), "DAY"))
            a->values[QRI_QS_CAPTURE_HOURS] *= 24;
}

static enum qr_status take_list(struct alter *a, const struct qr_ast_option *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct qr_ast_option *option = &list[i];
        if (qr_str_ieqz(option->name, "CLEANUP_POLICY") ||
            qr_str_ieqz(option->name, "QUERY_CAPTURE_POLICY")) {
            for (size_t k = 0; k < option->sub_count; k++)
                QR_TRY(take_list(a, &option->subs[k], 1));
            continue;
        }
        size_t r = 0, n = sizeof rows / sizeof rows[0];
        while (r < n && !qr_str_ieqz(option->name, rows[r].name))
            r++;
        if (r == n)
            return wrong(a, option);
        QR_TRY(take_value(a, option, &rows[r]));
        if (rows[r].option == QRI_QS_CAPTURE_HOURS)
            take_days(a, option);
    }
    return QR_OK;
}

static enum qr_status take_statement(struct alter *a, const struct qr_ast_option *option)
{
    bool on = qr_str_ieqz(option->word, "ON"), off = qr_str_ieqz(option->word, "OFF");
    a->clears = qr_str_ieqz(option->word, "CLEAR") || qr_str_ieqz(option->word, "CLEAR ALL");
    if (!on && !off && !a->clears && (option->word.n > 0 || option->sub_count == 0))
        return wrong(a, option);
    if (on || off) {
        a->values[QRI_QS_STATE] = on ? QRI_QS_READ_WRITE : QRI_QS_OFF;
        a->given[QRI_QS_STATE] = true;
    }
    if (off && option->sub_count == 1 && qr_str_ieqz(option->subs[0].word, "FORCED"))
        return QR_OK;
    if (off && option->sub_count == 1 && qr_str_ieqz(option->subs[0].name, "FORCED"))
        return QR_OK;
    return take_list(a, option->subs, option->sub_count);
}

/* ---- carried out ---- */

static enum qr_status write_option(sqlite3 *db, enum qri_qs_option option, int64_t value,
                                   struct qr_err *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc =
        sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO qs_option VALUES (?1, ?2)", -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(stmt, 1, qri_qs_option_infos[option].name, -1, SQLITE_STATIC);
        sqlite3_bind_int64(stmt, 2, value);
        rc = sqlite3_step(stmt);
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? QR_OK : qri_conn_fail(db, err, "set an option of Query Store");
}

static enum qr_status clear(struct qri_qstore *qs, sqlite3 *db, struct qr_err *err)
{
    qri_qs_forget(qs);
    return sqlite3_exec(db,
                        "DELETE FROM qs_wait; DELETE FROM qs_runs; DELETE FROM qs_make; DELETE "
                        "FROM qs_plan; DELETE FROM "
                        "qs_query; DELETE FROM qs_text; DELETE FROM qs_context",
                        NULL, NULL, NULL) == SQLITE_OK
               ? QR_OK
               : qri_conn_fail(db, err, "clear Query Store");
}

static enum qr_status change(struct qri_qstore *qs, sqlite3 *db, void *ctx, struct qr_err *err)
{
    const struct alter *a = ctx;
    if (a->clears)
        QR_TRY(clear(qs, db, err));
    for (int i = 0; i < QRI_QS_OPTIONS; i++)
        if (a->given[i])
            QR_TRY(write_option(db, (enum qri_qs_option)i, a->values[i], err));
    qri_qs_read_options(qs, db);
    return QR_OK;
}

bool qri_qs_is_wanted(const struct qr_ast_alter_database *stmt)
{
    return qr_str_ieqz(stmt->action, "SET") && stmt->options.count > 0 &&
           qr_str_ieqz(stmt->options.items[0].name, "QUERY_STORE");
}

/* The database that is named, of this logical server and open here; the session's own if none is.
 */
enum qr_status qri_qs_alter(struct qr_session *session, const struct qr_ast_alter_database *stmt,
                            struct qr_err *err)
{
    struct alter a = {.session = session, .err = err};
    struct qr_str own = qri_info(session->db)->name;
    if (stmt->name.text.n > 0 && !qr_str_ieq(stmt->name.text, own))
        return qr_fail(err, QR_UNSUPPORTED,
                       "ALTER DATABASE SET QUERY_STORE has to be run in the database itself.");
    if (session->db->info.database_id == 1)
        return qr_sql_fail(err, 12438, "master");
    QR_TRY(take_statement(&a, &stmt->options.items[0]));
    for (size_t i = 1; i < stmt->options.count; i++)
        if (!qr_str_ieqz(stmt->options.items[i].name, "WITH"))
            return wrong(&a, &stmt->options.items[i]);
    return qri_qstore_change(session, !a.clears, change, &a, err);
}
