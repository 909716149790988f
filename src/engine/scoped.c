/* scoped.c - see scoped_int.h */
#include "scoped_int.h"
#include <stdio.h>
#include "base/sqlmsg.h"
#include "catalog_change_int.h"
#include "ddl_host.h"
#include "sysview_int.h"
#include "texts_int.h"
#include "base/banned.h"

static const char statement[] = "ALTER DATABASE SCOPED CONFIGURATION";

enum effect {
    KEPT,  /* shown; no plan depends on it, or it is done */
    FIXED, /* what there is cannot be told to do otherwise */
};
enum { OPTIMIZE_AD_HOC = 13, PAUSED_MINUTES = 25 };

static const char *const switches[] = {"OFF", "ON", NULL};
static const char *const elevations[] = {"OFF", "WHEN_SUPPORTED", "FAIL_UNSUPPORTED", NULL};

/* Those of Azure SQL Database at compatibility level 150, by their ids. */
static const struct option {
    int id;
    const char *name;
    const char *const *words; /* NULL: a number up to `max` */
    int usual, max;
    enum effect effect;
    bool for_secondaries; /* they may have a value of their own */
} options[] = {
    /* clang-format off */
    { 1, "MAXDOP",                              NULL,       8, 32767, KEPT,  true },
    { 2, "LEGACY_CARDINALITY_ESTIMATION",       switches,   0, 0,     KEPT,  true },
    { 3, "PARAMETER_SNIFFING",                  switches,   1, 0,     KEPT,  true },
    { 4, "QUERY_OPTIMIZER_HOTFIXES",            switches,   0, 0,     KEPT,  true },
    { 6, "IDENTITY_CACHE",                      switches,   1, 0,     FIXED, false},
    { 7, "INTERLEAVED_EXECUTION_TVF",           switches,   1, 0,     KEPT,  false},
    { 8, "BATCH_MODE_MEMORY_GRANT_FEEDBACK",    switches,   1, 0,     KEPT,  false},
    { 9, "BATCH_MODE_ADAPTIVE_JOINS",           switches,   1, 0,     KEPT,  false},
    {10, "TSQL_SCALAR_UDF_INLINING",            switches,   1, 0,     KEPT,  false},
    {11, "ELEVATE_ONLINE",                      elevations, 0, 0,     FIXED, false},
    {12, "ELEVATE_RESUMABLE",                   elevations, 0, 0,     FIXED, false},
    {OPTIMIZE_AD_HOC, "OPTIMIZE_FOR_AD_HOC_WORKLOADS", switches, 0, 0, KEPT, false},
    {14, "XTP_PROCEDURE_EXECUTION_STATISTICS",  switches,   0, 0,     KEPT,  false},
    {15, "XTP_QUERY_EXECUTION_STATISTICS",      switches,   0, 0,     KEPT,  false},
    {16, "ROW_MODE_MEMORY_GRANT_FEEDBACK",      switches,   1, 0,     KEPT,  false},
    {17, "ISOLATE_SECURITY_POLICY_CARDINALITY", switches,   0, 0,     KEPT,  false},
    {18, "BATCH_MODE_ON_ROWSTORE",              switches,   1, 0,     KEPT,  false},
    {19, "DEFERRED_COMPILATION_TV",             switches,   1, 0,     KEPT,  false},
    {20, "ACCELERATED_PLAN_FORCING",            switches,   1, 0,     KEPT,  false},
    {21, "GLOBAL_TEMPORARY_TABLE_AUTO_DROP",    switches,   1, 0,     FIXED, false},
    {22, "LIGHTWEIGHT_QUERY_PROFILING",         switches,   1, 0,     KEPT,  false},
    {23, "VERBOSE_TRUNCATION_WARNINGS",         switches,   1, 0,     FIXED, false},
    {24, "LAST_QUERY_PLAN_STATS",               switches,   0, 0,     FIXED, false},
    {PAUSED_MINUTES, "PAUSED_RESUMABLE_INDEX_ABORT_DURATION_MINUTES", NULL, 1440, 71582, KEPT, false},
    {27, "EXEC_QUERY_STATS_FOR_SCALAR_FUNCTIONS", switches, 1, 0,     FIXED, false},
    {29, "ASYNC_STATS_UPDATE_WAIT_AT_LOW_PRIORITY", switches, 0, 0,   KEPT,  false},
    /* clang-format on */
};
enum { OPTIONS = sizeof options / sizeof options[0] };

/* ---- values that are set ---- */

static bool number_of(struct qr_str text, int *ret)
{
    int64_t value = 0;
    bool minus = text.n > 0 && text.p[0] == '-';
    for (size_t i = minus; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9' || value > INT32_MAX)
            return false;
        value = value * 10 + (text.p[i] - '0');
    }
    if (text.n == minus || value > INT32_MAX)
        return false;
    *ret = (int)(minus ? -value : value);
    return true;
}

/* False: nobody has set it. */
static bool value_of(const struct qri_catalog *catalog, int id, bool secondary, int *ret)
{
    for (size_t i = 0; i < catalog->property_count; i++) {
        const struct qri_property *p = &catalog->properties[i];
        if (p->class_id == QRI_PROPERTY_CONFIGURATION && p->major_id == (uint32_t)id &&
            p->minor_id == secondary)
            return number_of(p->value, ret);
    }
    return false;
}

void qri_scoped_read(struct qri_catalog *catalog)
{
    int value = 0;
    catalog->keeps_second_plans = value_of(catalog, OPTIMIZE_AD_HOC, false, &value) && value != 0;
}

/* ---- the statement ---- */

struct setting {
    const struct option *option;
    bool for_secondary, is_primary; /* PRIMARY: secondaries have none of their own */
    int value;
};

static bool literal_of(struct qr_arena *arena, const struct qr_ast_expr *expr, struct qr_str *ret)
{
    const struct qr_ast_unary *unary = (const struct qr_ast_unary *)expr;
    bool minus = expr->kind == QR_AE_UNARY && unary->op == QR_UNARY_MINUS;
    if (expr->kind == QR_AE_UNARY)
        expr = unary->operand;
    if (expr->kind != QR_AE_LITERAL)
        return false;
    struct qr_str text = ((const struct qr_ast_literal *)expr)->text;
    if (minus)
        text = qr_str(qr_arena_printf(arena, "-%.*s", (int)(text.n < 20 ? text.n : 20), text.p));
    *ret = text;
    return text.p != NULL;
}

static enum qr_status check_range(const struct option *o, int value, struct qr_err *err)
{
    if (value >= 0 && value <= o->max)
        return QR_OK;
    if (o->id == PAUSED_MINUTES)
        return qr_sql_fail(err, 12121, value, o->max);
    return qr_sql_fail(err, 12108, value, o->name, "max degree of parallelism");
}

static enum qr_status take_value(struct qr_arena *arena,
                                 const struct qr_ast_scoped_configuration *stmt, struct setting *s,
                                 struct qr_err *err)
{
    const struct option *o = s->option;
    struct qr_str text = stmt->word;
    if (stmt->value != NULL && !literal_of(arena, stmt->value, &text))
        text = stmt->name;
    int at = 0;
    while (stmt->value == NULL && o->words != NULL && o->words[at] != NULL &&
           !qr_str_ieqz(text, o->words[at]))
        at++;
    bool is_word = stmt->value == NULL && o->words != NULL && o->words[at] != NULL;
    bool is_number = stmt->value != NULL && o->words == NULL && number_of(text, &s->value);
    if (!is_word && !is_number)
        return qr_sql_fail(err, 102, qr_arena_str(arena, text).p);
    if (is_number)
        return check_range(o, s->value, err);
    s->value = at;
    return QR_OK;
}

static enum qr_status read_statement(struct qr_arena *arena,
                                     const struct qr_ast_scoped_configuration *stmt,
                                     struct setting *s, struct qr_err *err)
{
    size_t i = 0;
    while (i < OPTIONS && !qr_str_ieqz(stmt->name, options[i].name))
        i++;
    if (i == OPTIONS)
        return qr_sql_fail(err, 102, qr_arena_str(arena, stmt->name).p);
    *s = (struct setting){.option = &options[i],
                          .for_secondary = stmt->for_secondary,
                          .is_primary = stmt->value == NULL && qr_str_ieqz(stmt->word, "PRIMARY")};
    if (s->for_secondary && !s->option->for_secondaries)
        return qr_sql_fail(err, 12110, statement, s->option->name);
    if (s->is_primary && !s->for_secondary && s->option->for_secondaries)
        return qr_sql_fail(err, 12109, statement, "PRIMARY", "PRIMARY");
    if (s->is_primary && s->for_secondary)
        return QR_OK;
    QR_TRY(take_value(arena, stmt, s, err));
    if (s->option->effect == FIXED && s->value != s->option->usual)
        return qr_fail(err, QR_UNSUPPORTED, "%s SET %s = %s is not supported.", statement,
                       s->option->name, s->option->words[s->value]);
    return QR_OK;
}

static enum qr_status put(struct qri_ddl *ddl, void *ctx, struct qr_err *err)
{
    const struct setting *s = ctx;
    const struct qri_catalog *c = *ddl->main;
    char text[16];
    (void)snprintf(text, sizeof text, "%d", s->value);
    struct qri_property p = {.class_id = QRI_PROPERTY_CONFIGURATION,
                             .major_id = (uint32_t)s->option->id,
                             .minor_id = s->for_secondary,
                             .name = qr_str(s->option->name),
                             .value = qr_str(text)};
    uint32_t found = 0, next = 1;
    for (size_t i = 0, at = 0; i < c->record_count; i++) {
        if (c->records[i].kind != QRI_REC_PROPERTY)
            continue;
        const struct qri_property *q = &c->properties[at++];
        next = c->records[i].id >= next ? c->records[i].id + 1 : next;
        if (q->class_id == p.class_id && q->major_id == p.major_id && q->minor_id == p.minor_id)
            found = c->records[i].id;
    }
    if (s->is_primary && found == 0)
        return QR_OK;
    struct qri_change change;
    qri_change_init(&change, ddl->arena, c);
    if (s->is_primary)
        QR_TRY(qri_change_drop(&change, QRI_REC_PROPERTY, found, err));
    else
        QR_TRY(qri_change_put_property(&change, found != 0 ? found : next, &p, err));
    return qri_change_apply(&change, ddl->conn, ddl->main, err);
}

/* With a plan's handle: of that alone. */
static enum qr_status clear(struct qri_frame *frame, const struct qr_ast_scoped_configuration *stmt,
                            struct qr_err *err)
{
    struct qr_database *db = frame->session->db;
    uint64_t id = 0;
    if (!qr_str_ieqz(stmt->name, "PROCEDURE_CACHE") || stmt->for_secondary)
        return qr_sql_fail(err, 102, qr_arena_str(&frame->arena, stmt->name).p);
    if (stmt->value != NULL) {
        struct qr_value handle;
        struct qri_text copy;
        QR_TRY(qri_eval_scalar(frame, 0, stmt->value, NULL, NULL, &handle, err));
        if (!qri_handle_id(qr_value_bytes(&handle), &id) ||
            !qri_text_find(db->texts, id, &frame->arena, &copy) || copy.unit_bytes == 0)
            return qr_sql_fail(err, 12117);
    }
    qri_cache_clear(db, id);
    return QR_OK;
}

enum qr_status qri_run_scoped(struct qri_frame *frame, const struct qri_op *op, struct qr_err *err)
{
    const struct qr_ast_scoped_configuration *stmt =
        (const struct qr_ast_scoped_configuration *)op->stmt;
    struct qr_session *session = frame->session;
    struct setting setting;
    if (session->options.noexec)
        return QR_OK;
    if (stmt->clear) {
        QR_TRY(clear(frame, stmt, err));
    } else {
        QR_TRY(read_statement(&frame->arena, stmt, &setting, err));
        QR_TRY(qri_tran_implicit(session, err));
        QR_TRY(qri_ddl_call(frame, put, &setting, err));
        qri_cache_clear(session->db, 0);
    }
    session->error = 0;
    return qri_send_done(session, false, 0, false, 0xFD);
}

/* ---- sys.database_scoped_configurations ---- */

static enum qr_status variant_of(struct qri_sysrows *rows, const struct option *o, int value,
                                 struct qr_value *ret)
{
    bool is_text = o->words == elevations;
    struct qr_type type = is_text ? qr_type_sized(QR_TYPE_NVARCHAR, 60) : qr_type_of(QR_TYPE_INT);
    if (is_text && (value < 0 || value > 2)) /* no statement has made that */
        return QR_CORRUPT;
    struct qr_value plain = is_text ? qr_value_str(qr_str(o->words[value])) : qr_value_int(value);
    return qr_variant_make(qri_sysrows_arena(rows), &type, &plain, ret);
}

static enum qr_status configurations(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qri_catalog *c = qri_sys_catalog(session);
    for (size_t i = 0; i < OPTIONS; i++) {
        const struct option *o = &options[i];
        struct qr_value value, secondary = qr_value_null();
        int own = o->usual, of_secondaries = 0;
        (void)value_of(c, o->id, false, &own);
        QR_TRY(variant_of(rows, o, own, &value));
        if (value_of(c, o->id, true, &of_secondaries))
            QR_TRY(variant_of(rows, o, of_secondaries, &secondary));
        QR_TRY(
            qri_sysrow(rows, o->id, qr_str(o->name), &value, &secondary, (int)(own == o->usual)));
    }
    return QR_OK;
}

const struct qri_sysview qri_sysviews_scoped[] = {
    {"sys", "database_scoped_configurations",
     "configuration_id int null, name nvarchar(60) null, value sql_variant null, "
     "value_for_secondary sql_variant null, is_value_default bit null",
     configurations, NULL, false},
    {0},
};
