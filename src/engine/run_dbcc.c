/* run_dbcc.c - DBCC: CHECKDB, CHECKTABLE, CHECKIDENT, USEROPTIONS, and commands that have nothing
 * to do here; SHRINKDATABASE and SHRINKFILE are in run_shrink.c. */
#include <stdio.h>
#include "codec/collation.h"
#include "codec/datetime.h"
#include "access_int.h"
#include "frame.h"
#include "sysview_int.h"
#include "dbcc_int.h"
#include "temp_int.h"
#include "base/banned.h"

enum { COMMAND_DBCC = 0xE6 };

bool qri_dbcc_has(const struct qri_dbcc *d, const char *option)
{
    for (size_t i = 0; i < d->stmt->options.count; i++)
        if (qr_str_ieqz(d->stmt->options.items[i].name, option))
            return true;
    return false;
}

/* ---- arguments ---- */

struct qr_str qri_dbcc_text(struct qri_dbcc *d, size_t index)
{
    if (index >= d->stmt->args.count)
        return qr_str("");
    const struct qr_ast_expr *arg = d->stmt->args.items[index];
    uint32_t slot = 0;
    if (arg->kind == QR_AE_LITERAL)
        return ((const struct qr_ast_literal *)arg)->text;
    if (arg->kind == QR_AE_COLUMN) {
        const struct qr_ast_name *name = &((const struct qr_ast_column *)arg)->name;
        return qr_str(qri_name_print(&d->frame->arena, name));
    }
    if (arg->kind != QR_AE_VARIABLE ||
        !qri_var_find(d->frame, ((const struct qr_ast_variable *)arg)->name, &slot))
        return qr_str("");
    const struct qr_value *value = &d->frame->vars[slot];
    if (value->cell == QR_CELL_TEXT)
        return qr_value_bytes(value);
    const char *number = value->cell == QR_CELL_INT
                             ? qr_arena_printf(&d->frame->arena, "%lld", (long long)value->i)
                             : NULL;
    return qr_str(number == NULL ? "" : number);
}

bool qri_dbcc_int(struct qri_dbcc *d, size_t index, int64_t *ret_value)
{
    const struct qr_ast_expr *arg = d->stmt->args.items[index];
    bool minus = false;
    struct qr_str text;
    if (arg->kind == QR_AE_UNARY) {
        const struct qr_ast_unary *unary = (const struct qr_ast_unary *)arg;
        minus = unary->op == QR_UNARY_MINUS;
        text = unary->operand->kind == QR_AE_LITERAL
                   ? ((const struct qr_ast_literal *)unary->operand)->text
                   : qr_str("");
    } else {
        text = qri_dbcc_text(d, index);
    }
    size_t i = text.n > 0 && text.p[0] == '-' ? 1 : 0;
    minus ^= i == 1;
    int64_t value = 0;
    if (i == text.n)
        return false;
    for (; i < text.n; i++)
        if (text.p[i] < '0' || text.p[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, text.p[i] - '0', &value))
            return false;
    if (!minus && __builtin_sub_overflow(0, value, &value))
        return false;
    *ret_value = value;
    return true;
}

bool qri_dbcc_is_temp(const struct qr_cat_object *table)
{
    return table->name.n > 0 && table->name.p[0] == '#';
}

static enum qr_status arg_table(struct qri_dbcc *d, const struct qr_cat_object **ret_table)
{
    struct qr_str text = qri_dbcc_text(d, 0);
    const char *shown = qr_arena_str(&d->frame->arena, text).p;
    struct qr_ast_name name;
    if (text.n == 0 || qri_name_parse(&d->frame->arena, text, &name, d->err) != QR_OK) {
        qr_err_reset(d->err);
        return qr_sql_fail(d->err, 2501, shown);
    }
    QR_TRY(qri_find_object(d->session, &name, ret_table, d->err));
    if (*ret_table == NULL || (*ret_table)->type != QR_CAT_TABLE)
        return qr_sql_fail(d->err, 2501, shown);
    if (!qri_dbcc_is_temp(*ret_table) && !qri_sees_object(d->session, *ret_table))
        return qr_sql_fail(d->err, 2501, shown);
    return qri_want_dbcc_of(d->session, d->stmt->command, *ret_table, d->err);
}

/* ---- integrity ---- */

static enum qr_status count_one(struct qri_dbcc *d, const char *sql, int64_t *ret_count)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(d->session->link->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret_count = sqlite3_column_int64(stmt, 0);
    enum qr_status status =
        rc == SQLITE_ROW ? QR_OK : qri_sqlite_fail(d->session->link, rc, d->err);
    sqlite3_finalize(stmt);
    return status;
}

static enum qr_status want_stored(struct qri_dbcc *d, const struct qr_cat_object *table,
                                  const char *kind, const char *name)
{
    char sql[160];
    int64_t found = 0;
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s WHERE type = '%s' AND name = '%s'",
             qri_dbcc_is_temp(table) ? "sqlite_temp_schema" : "main.sqlite_schema", kind, name);
    QR_TRY(count_one(d, sql, &found));
    if (found == 1)
        return QR_OK;
    snprintf(sql, sizeof sql, "the catalog's %s %s is stored", kind, name);
    return qri_dbcc_problem(d, table->object_id, sql);
}

/* What the catalog tells of the table is there. */
static enum qr_status check_catalog(struct qri_dbcc *d, const struct qr_cat_object *table)
{
    char name[40];
    snprintf(name, sizeof name, "t%u", table->object_id);
    QR_TRY(want_stored(d, table, "table", name));
    for (size_t i = 0; i < table->index_count; i++) {
        const struct qr_cat_index *index = &table->indexes[i];
        if (index->is_disabled || (index->is_clustered && table->storage != QR_STORE_HEAP))
            continue;
        snprintf(name, sizeof name, "i%u_%u", table->object_id, index->index_id);
        QR_TRY(want_stored(d, table, "index", name));
    }
    return QR_OK;
}

static enum qr_status tell_table(struct qri_dbcc *d, const struct qr_cat_object *table)
{
    char sql[160];
    int64_t rows = 0, pages = 0;
    if (d->quiet)
        return QR_OK;
    const char *schema = qri_dbcc_is_temp(table) ? "temp" : "main";
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s.t%u", schema, table->object_id);
    QR_TRY(count_one(d, sql, &rows));
    snprintf(sql, sizeof sql,
             "SELECT coalesce(max(pageno), 0) FROM dbstat WHERE name = 't%u' AND aggregate = 1",
             table->object_id);
    if (!qri_dbcc_is_temp(table))
        QR_TRY(count_one(d, sql, &pages));
    const char *name = qr_arena_str(&d->frame->arena, table->name).p;
    QR_TRY(qri_inform(d->session, 2536, name));
    return qri_inform(d->session, 2593, rows, pages, name);
}

static bool has_table(const struct qr_catalog *catalog, uint32_t object_id)
{
    const struct qr_cat_object *object = qr_cat_by_id(catalog, object_id);
    return object != NULL && object->type == QR_CAT_TABLE;
}

/* Nothing is stored that the catalog does not know. */
static enum qr_status check_orphans(struct qri_dbcc *d)
{
    sqlite3_stmt *stmt = NULL;
    int rc =
        sqlite3_prepare_v2(d->session->link->db,
                           "SELECT CAST(substr(name, 2) AS INTEGER), name FROM main.sqlite_schema"
                           " WHERE type = 'table' AND name GLOB 't[0-9]*'",
                           -1, &stmt, NULL);
    enum qr_status status = QR_OK;
    while (rc == SQLITE_OK && status == QR_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        uint32_t id = (uint32_t)sqlite3_column_int64(stmt, 0);
        if (!has_table(&d->session->catalog->cat, id))
            status = qri_dbcc_problem(d, id, "the stored table is in the catalog");
    }
    sqlite3_finalize(stmt);
    return status;
}

static enum qr_status check_all(struct qri_dbcc *d)
{
    const struct qr_catalog *catalog = &d->session->catalog->cat;
    QR_TRY(qri_dbcc_check_pages(d, NULL));
    QR_TRY(check_orphans(d));
    for (size_t i = 0; i < catalog->object_count; i++) {
        const struct qr_cat_object *table = catalog->objects[i];
        if (table->type != QR_CAT_TABLE)
            continue;
        QR_TRY(qri_check_cancelled(d->session, d->err));
        QR_TRY(check_catalog(d, table));
        QR_TRY(tell_table(d, table));
    }
    return QR_OK;
}

static enum qr_status refuse_repair(struct qri_dbcc *d)
{
    for (size_t i = 1; i < d->stmt->args.count; i++) {
        struct qr_str word = qri_dbcc_text(d, i);
        if (!qr_str_ieqz(word, "NOINDEX") && d->stmt->args.items[i]->kind == QR_AE_COLUMN)
            return qr_sql_fail(d->err, 40510, qr_arena_str(&d->frame->arena, word).p);
    }
    return QR_OK;
}

static enum qr_status checkdb(struct qri_dbcc *d)
{
    struct qr_session *session = d->session;
    struct qr_str own = qri_info(session->db)->name, name = qri_dbcc_text(d, 0);
    if (name.n > 0 && !qr_str_ieqz(name, "0") && !qr_str_ieq(name, own))
        return qr_sql_fail(d->err, 2520, qr_arena_str(&d->frame->arena, name).p);
    QR_TRY(refuse_repair(d));
    const char *shown = qr_arena_str(&d->frame->arena, own).p;
    if (!d->quiet)
        QR_TRY(qri_inform(session, 2536, shown));
    enum qr_status status = qri_tran_statement_begin(session, QRI_READ, d->err);
    if (status == QR_OK)
        status = check_all(d);
    QR_TRY(qri_tran_statement_end(session, status, d->err));
    return d->quiet && d->problems == 0 ? QR_OK : qri_inform(session, 8989, 0, d->problems, shown);
}

static enum qr_status checktable(struct qri_dbcc *d)
{
    struct qr_session *session = d->session;
    const struct qr_cat_object *table = NULL;
    QR_TRY(arg_table(d, &table));
    QR_TRY(refuse_repair(d));
    enum qr_status status = qri_tran_statement_begin(session, QRI_READ, d->err);
    if (status == QR_OK)
        status = qri_dbcc_check_pages(d, table);
    if (status == QR_OK)
        status = check_catalog(d, table);
    if (status == QR_OK)
        status = tell_table(d, table);
    QR_TRY(qri_tran_statement_end(session, status, d->err));
    return d->problems == 0
               ? QR_OK
               : qri_inform(session, 8990, 0, d->problems,
                            qr_arena_str(&d->frame->arena, table->name).p, (int)table->object_id);
}

/* ---- CHECKIDENT ---- */

static enum qr_status max_identity(struct qri_dbcc *d, const struct qr_cat_object *table,
                                   bool *ret_any, int64_t *ret_max)
{
    char sql[96];
    sqlite3_stmt *stmt = NULL;
    const struct qr_cat_column *c = qr_cat_column_by_id(table, table->identity_column);
    snprintf(sql, sizeof sql, "SELECT %s(c%u) FROM %s.t%u",
             c->identity_increment < 0 ? "min" : "max", c->column_id,
             qri_dbcc_is_temp(table) ? "temp" : "main", table->object_id);
    int rc = sqlite3_prepare_v2(d->session->link->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    *ret_any = rc == SQLITE_ROW && sqlite3_column_type(stmt, 0) == SQLITE_INTEGER;
    *ret_max = *ret_any ? sqlite3_column_int64(stmt, 0) : 0;
    enum qr_status status =
        rc == SQLITE_ROW ? QR_OK : qri_sqlite_fail(d->session->link, rc, d->err);
    sqlite3_finalize(stmt);
    return status;
}

static const char *number_or_null(struct qri_dbcc *d, bool known, int64_t value)
{
    const char *text = known ? qr_arena_printf(&d->frame->arena, "%lld", (long long)value) : "NULL";
    return text == NULL ? "" : text;
}

/* Under the writer lock. RESEED alone makes up for rows beyond the counter; with a value it sets
 * it: the next row gets the value itself where no row was ever there, else the one after it. */
static enum qr_status reseed(struct qri_dbcc *d, const struct qr_cat_object *table)
{
    struct qr_session *session = d->session;
    const struct qr_cat_column *c = qr_cat_column_by_id(table, table->identity_column);
    uint64_t counter = qri_counter_id(table->object_id, QRI_COUNTER_IDENTITY);
    bool temp = qri_dbcc_is_temp(table), any = false;
    int64_t next = 0, max = 0, want = 0;
    QR_TRY(max_identity(d, table, &any, &max));
    bool used = qri_counter_peek(session, counter, temp, &next) && next != c->identity_seed;
    bool noreseed = d->stmt->args.count > 1 && qr_str_ieqz(qri_dbcc_text(d, 1), "NORESEED");
    if (d->stmt->args.count > 2) {
        if (!qri_dbcc_int(d, 2, &want))
            return qr_sql_fail(d->err, 2560, 3);
        int64_t first = used ? want + c->identity_increment : want;
        QR_TRY(qri_counter_set(session, counter, temp, first, d->err));
        return d->quiet ? QR_OK
                        : qri_inform(session, 7998,
                                     number_or_null(d, used, next - c->identity_increment), "");
    }
    int64_t current = next - c->identity_increment;
    bool behind = any && (!used || (c->identity_increment > 0 ? current < max : current > max));
    const char *column = qr_arena_printf(&d->frame->arena, ", current column value '%s'",
                                         number_or_null(d, any, max));
    if (!d->quiet)
        QR_TRY(qri_inform(session, 7998, number_or_null(d, used, current),
                          column == NULL ? "" : column));
    return behind && !noreseed
               ? qri_counter_set(session, counter, temp, max + c->identity_increment, d->err)
               : QR_OK;
}

static enum qr_status checkident(struct qri_dbcc *d)
{
    const struct qr_cat_object *table = NULL;
    QR_TRY(arg_table(d, &table));
    if (table->identity_column == 0)
        return qr_sql_fail(d->err, 7997, qr_arena_str(&d->frame->arena, table->name).p);
    enum qri_access access = qri_dbcc_is_temp(table) ? QRI_WRITE_TEMP : QRI_WRITE;
    enum qr_status status = qri_tran_statement_begin(d->session, access, d->err);
    if (status == QR_OK)
        status = reseed(d, table);
    return qri_tran_statement_end(d->session, status, d->err);
}

/* ---- USEROPTIONS ---- */

static enum qr_status tell_option(struct qri_dbcc *d, const char *name, const char *value)
{
    const struct qr_sink *sink = d->session->sink;
    if (value == NULL)
        return qr_fail(d->err, QR_NOMEM, "list options");
    struct qr_value row[] = {qr_value_text(name, strlen(name)),
                             qr_value_text(value, strlen(value))};
    d->rows++;
    return sink->row(sink->ctx, row, 2);
}

static enum qr_status tell_number(struct qri_dbcc *d, const char *name, int number)
{
    return tell_option(d, name, qr_arena_printf(&d->frame->arena, "%d", number));
}

static enum qr_status tell_switches(struct qri_dbcc *d)
{
    const struct qri_options *o = &d->session->options;
    const struct {
        const char *name;
        bool is_on;
    } switches[] = {
        {"quoted_identifier", o->quoted_identifier},
        {"arithabort", o->arithabort},
        {"nocount", o->nocount},
        {"xact_abort", o->xact_abort},
        {"implicit_transactions", o->implicit_transactions},
        {"cursor_close_on_commit", o->cursor_close_on_commit},
        {"ansi_null_dflt_on", o->ansi_null_dflt_on},
        {"ansi_null_dflt_off", o->ansi_null_dflt_off},
        {"ansi_warnings", o->ansi_warnings},
        {"ansi_padding", o->ansi_padding},
        {"ansi_nulls", o->ansi_nulls},
        {"concat_null_yields_null", o->concat_null_yields_null},
        {"numeric_roundabort", o->numeric_roundabort},
    };
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++)
        if (switches[i].is_on)
            QR_TRY(tell_option(d, switches[i].name, "SET"));
    return QR_OK;
}

static enum qr_status useroptions(struct qri_dbcc *d)
{
    static const char *const formats[] = {[QR_MDY] = "mdy", [QR_DMY] = "dmy", [QR_YMD] = "ymd",
                                          [QR_YDM] = "ydm", [QR_MYD] = "myd", [QR_DYM] = "dym"};
    static const char *const levels[] = {"",
                                         "read uncommitted",
                                         "read committed snapshot", /* as the database is set */
                                         "repeatable read",
                                         "serializable",
                                         "snapshot"};
    const struct qri_options *o = &d->session->options;
    const struct qr_sink *sink = d->session->sink;
    struct qr_plan_column columns[2] = {{.name = qr_str("Set Option")}, {.name = qr_str("Value")}};
    for (size_t i = 0; i < 2; i++) {
        columns[i].type = qr_type_sized(QR_TYPE_NVARCHAR, 128);
        columns[i].type.collation = QR_COLLATION_DEFAULT;
        columns[i].flags = QR_COLUMN_NULLABLE;
    }
    QR_TRY(sink->columns(sink->ctx, columns, 2, NULL, 0));
    d->session->result_open = true;
    QR_TRY(tell_number(d, "textsize", o->textsize));
    QR_TRY(tell_option(d, "language", o->language));
    QR_TRY(tell_option(d, "dateformat", formats[o->dateformat]));
    QR_TRY(tell_number(d, "datefirst", o->datefirst));
    QR_TRY(tell_number(d, "lock_timeout", o->lock_timeout_ms));
    QR_TRY(tell_switches(d));
    return tell_option(d, "isolation level", levels[o->isolation]);
}

/* ---- which ---- */

static enum qr_status nothing(struct qri_dbcc *d)
{
    (void)d;
    return QR_OK;
}

static enum qr_status tell_flag(struct qri_dbcc *d, int64_t flag)
{
    static const char *const names[] = {"TraceFlag", "Status", "Global", "Session"};
    const struct qr_sink *sink = d->session->sink;
    struct qr_plan_column columns[4] = {{.flags = 0}};
    struct qr_value row[4] = {qr_value_int(flag), qr_value_int(0), qr_value_int(0),
                              qr_value_int(0)};
    for (size_t i = 0; i < 4; i++)
        columns[i] =
            (struct qr_plan_column){.name = qr_str(names[i]), .type = qr_type_of(QR_TYPE_SMALLINT)};
    if (d->rows == 0)
        QR_TRY(sink->columns(sink->ctx, columns, 4, NULL, 0));
    d->session->result_open = true;
    d->rows++;
    return sink->row(sink->ctx, row, 4);
}

/* No trace flag means anything here, so none is on; -1 asks for those that are. */
static enum qr_status tracestatus(struct qri_dbcc *d)
{
    for (size_t i = 0; i < d->stmt->args.count; i++) {
        int64_t flag = 0;
        if (!qri_dbcc_int(d, i, &flag) || flag < -1 || flag > INT16_MAX)
            return qr_sql_fail(d->err, 2560, (int)i + 1);
        if (flag >= 0)
            QR_TRY(tell_flag(d, flag));
    }
    return QR_OK;
}

static enum qr_status free_plans(struct qri_dbcc *d)
{
    qri_cache_clear(d->session->db, 0);
    return QR_OK;
}

static const struct command {
    const char *name;
    enum qr_status (*run)(struct qri_dbcc *d);
    bool is_quiet; /* NO_INFOMSGS silences its end as well */
} commands[] = {
    /* clang-format off */
    {"CHECKDB",          checkdb,    true },
    {"CHECKTABLE",       checktable, true },
    {"CHECKIDENT",       checkident, true },
    {"USEROPTIONS",      useroptions, true },
    {"TRACEON",          nothing,    false},
    {"TRACEOFF",         nothing,    false},
    {"TRACESTATUS",      tracestatus, true },
    {"FREEPROCCACHE",    free_plans, true },
    {"DROPCLEANBUFFERS", nothing,    true },
    {"FLUSHAUTHCACHE",   nothing,    true }, /* what master says counts at once */
    {"UPDATEUSAGE",      nothing,    true },
    {"SHRINKDATABASE",   qri_dbcc_shrink_database, true},
    {"SHRINKFILE",       qri_dbcc_shrink_file,     true},
    {"OPENTRAN",         qri_dbcc_open_tran,       true},
    {"INPUTBUFFER",      qri_dbcc_input_buffer,    true},
    /* clang-format on */
};

enum qr_status qri_run_dbcc(struct qri_frame *frame, const struct qri_op *op, struct qr_err *err)
{
    const struct qr_ast_dbcc *stmt = (const struct qr_ast_dbcc *)op->stmt;
    struct qr_session *session = frame->session;
    struct qri_dbcc d = {.frame = frame, .session = session, .stmt = stmt, .err = err};
    d.quiet = qri_dbcc_has(&d, "NO_INFOMSGS");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (!qr_str_ieqz(stmt->command, commands[i].name))
            continue;
        qri_session_refresh_catalog(session);
        QR_TRY(qri_want_dbcc(session, stmt->command, err));
        QR_TRY(commands[i].run(&d));
        if (d.rows > 0)
            QR_TRY(qri_send_done(session, true, d.rows, false, COMMAND_DBCC));
        if (!(d.quiet && commands[i].is_quiet))
            QR_TRY(qri_inform(session, 2528));
        session->error = 0;
        session->rowcount = 0;
        return qri_send_done(session, false, 0, false, COMMAND_DBCC);
    }
    return qr_fail(err, QR_UNSUPPORTED, "DBCC %.*s is not supported.", (int)stmt->command.n,
                   stmt->command.p);
}
