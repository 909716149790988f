/* options.c - SET options: one row is one option. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "access_int.h"
#include "codec/datetime.h"
#include "frame.h"
#include "base/banned.h"

enum { LOCK_TIMEOUT_FOREVER = -1, TEXTSIZE_MAX = INT32_MAX, CONTEXT_INFO_BYTES = 128 };
enum { COMMAND_SET = 0xF9, DEADLOCK_PRIORITY_MAX = 10 };

void qri_options_init(struct qri_options *options, bool is_odbc)
{
    *options = (struct qri_options){
        .quoted_identifier = is_odbc,
        .ansi_nulls = is_odbc,
        .ansi_padding = is_odbc,
        .ansi_warnings = is_odbc,
        .arithabort = is_odbc, /* the compatibility level implies it with ANSI_WARNINGS */
        .concat_null_yields_null = is_odbc,
        .ansi_null_dflt_on = is_odbc,
        .datefirst = 7,
        .dateformat = QR_MDY,
        .isolation = 2,
        .language = "us_english",
        .lock_timeout_ms = LOCK_TIMEOUT_FOREVER,
        .textsize = is_odbc ? TEXTSIZE_MAX : 4096,
    };
}

int32_t qri_options_bits(const struct qri_options *o)
{
    return (o->implicit_transactions ? 2 : 0) | (o->cursor_close_on_commit ? 4 : 0) |
           (o->ansi_warnings ? 8 : 0) | (o->ansi_padding ? 16 : 0) | (o->ansi_nulls ? 32 : 0) |
           (o->arithabort ? 64 : 0) | (o->arithignore ? 128 : 0) |
           (o->quoted_identifier ? 256 : 0) | (o->nocount ? 512 : 0) |
           (o->ansi_null_dflt_on ? 1024 : 0) | (o->ansi_null_dflt_off ? 2048 : 0) |
           (o->concat_null_yields_null ? 4096 : 0) | (o->numeric_roundabort ? 8192 : 0) |
           (o->xact_abort ? 16384 : 0);
}

/* ---- ON and OFF ---- */

#define NOTHING SIZE_MAX /* an enum is an int to clang */

#define FIELD(name) offsetof(struct qri_options, name)
static const struct switch_row {
    const char *name;
    size_t field;  /* of struct qri_options; NOTHING: accepted, there is nothing to change */
    bool only_off; /* ON asks for something that is not there */
} switches[] = {
    /* clang-format off */
    {"ANSI_NULLS",              FIELD(ansi_nulls),              false},
    {"ANSI_NULL_DFLT_OFF",      FIELD(ansi_null_dflt_off),      false},
    {"ANSI_NULL_DFLT_ON",       FIELD(ansi_null_dflt_on),       false},
    {"ANSI_PADDING",            FIELD(ansi_padding),            false},
    {"ANSI_WARNINGS",           FIELD(ansi_warnings),           false},
    {"ARITHABORT",              FIELD(arithabort),              false},
    {"ARITHIGNORE",             FIELD(arithignore),             false},
    {"CONCAT_NULL_YIELDS_NULL", FIELD(concat_null_yields_null), false},
    {"CURSOR_CLOSE_ON_COMMIT",  FIELD(cursor_close_on_commit),  false},
    {"FMTONLY",                 FIELD(fmtonly),                 false},
    {"IMPLICIT_TRANSACTIONS",   FIELD(implicit_transactions),   false},
    {"NOCOUNT",                 FIELD(nocount),                 false},
    {"NOEXEC",                  FIELD(noexec),                  false},
    {"NUMERIC_ROUNDABORT",      FIELD(numeric_roundabort),      false},
    {"PARSEONLY",               FIELD(parseonly),               false},
    {"QUOTED_IDENTIFIER",       FIELD(quoted_identifier),       false},
    {"XACT_ABORT",              FIELD(xact_abort),              false},
    {"FORCEPLAN",               NOTHING,                        false},
    {"NO_BROWSETABLE",          NOTHING,                        false},
    {"REMOTE_PROC_TRANSACTIONS", NOTHING,                       true},
    {"SHOWPLAN_ALL",            NOTHING,                        true},
    {"SHOWPLAN_TEXT",           NOTHING,                        true},
    {"SHOWPLAN_XML",            NOTHING,                        true},
    {"STATISTICS IO",           NOTHING,                        false},
    {"STATISTICS PROFILE",      NOTHING,                        true},
    {"STATISTICS TIME",         NOTHING,                        false},
    {"STATISTICS XML",          NOTHING,                        true},
    {"OFFSETS",                 NOTHING,                        true},
    /* clang-format on */
};

static enum qr_status set_identity_insert(struct qri_frame *frame,
                                          const struct qr_ast_set_option *stmt, struct qr_err *err)
{
    struct qr_session *session = frame->session;
    const struct qr_cat_object *table = NULL;
    QR_TRY(qri_find_object(session, &stmt->table, &table, err));
    const char *name = qri_name_print(&frame->arena, &stmt->table);
    if (table == NULL || table->type != QR_CAT_TABLE)
        return qr_sql_fail(err, 1088, name);
    QR_TRY(qri_want_alter(session, table, name, err));
    if (table->identity_column == 0)
        return qr_sql_fail(err, 8106, name);
    uint32_t *now = &session->options.identity_insert;
    if (!stmt->on) {
        if (*now == table->object_id)
            *now = 0;
        return QR_OK;
    }
    const struct qr_cat_object *other =
        *now == 0 || *now == table->object_id ? NULL : qri_object_by_id(session, *now);
    if (other != NULL)
        return qr_sql_fail(err, 8107, qri_info(session->db)->name.p, "dbo",
                           qr_arena_str(&frame->arena, other->name).p, name);
    *now = table->object_id;
    return QR_OK;
}

static enum qr_status set_switch(struct qri_frame *frame, const struct qr_ast_set_option *stmt,
                                 struct qr_str name, struct qr_err *err)
{
    struct qr_session *session = frame->session;
    if (qr_str_ieqz(name, "IDENTITY_INSERT"))
        return set_identity_insert(frame, stmt, err);
    if (qr_str_ieqz(name, "ANSI_DEFAULTS")) {
        struct qri_options *o = &session->options;
        o->ansi_nulls = o->ansi_null_dflt_on = o->ansi_padding = o->ansi_warnings = stmt->on;
        o->cursor_close_on_commit = o->implicit_transactions = o->quoted_identifier = stmt->on;
        return QR_OK;
    }
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        const struct switch_row *row = &switches[i];
        if (!qr_str_ieqz(name, row->name))
            continue;
        if (row->only_off && stmt->on)
            return qr_fail(err, QR_UNSUPPORTED, "SET %s ON is not supported.", row->name);
        if (row->field != NOTHING)
            memcpy((char *)&session->options + row->field, &stmt->on, sizeof stmt->on);
        if (row->field == FIELD(ansi_warnings) && stmt->on)
            session->options.arithabort = true;
        if (row->field == FIELD(ansi_null_dflt_on) && stmt->on)
            session->options.ansi_null_dflt_off = false;
        if (row->field == FIELD(ansi_null_dflt_off) && stmt->on)
            session->options.ansi_null_dflt_on = false;
        return QR_OK;
    }
    return qr_sql_fail(err, 195, qr_arena_str(&frame->arena, name).p, "SET option");
}

/* ---- options with a value ---- */

void qri_options_language(struct qri_options *options, const struct qr_language *language)
{
    options->language = language->name;
    options->language_id = language->id;
    if (!options->has_dateformat)
        options->dateformat = (uint8_t)language->dateformat;
    if (!options->has_datefirst)
        options->datefirst = language->datefirst;
}

static enum qr_status set_language(struct qri_frame *frame, struct qr_str name, struct qr_err *err)
{
    struct qr_session *session = frame->session;
    const struct qr_language *language = qr_language_find(name);
    if (language == NULL)
        return qr_sql_fail(err, 2740, qr_arena_str(&frame->arena, name).p);
    const char *old = session->options.language;
    qri_options_language(&session->options, language);
    QR_TRY(session->sink->env_change(session->sink->ctx, QR_ENV_LANGUAGE, qr_str(language->name),
                                     qr_str(old), 0));
    return qri_inform(session, 5703, language->name);
}

static enum qr_status set_dateformat(struct qri_frame *frame, struct qr_str word,
                                     struct qr_err *err)
{
    enum qr_dateformat format;
    if (!qr_dateformat_find(word, &format))
        return qr_sql_fail(err, 2741, qr_arena_str(&frame->arena, word).p);
    frame->session->options.dateformat = (uint8_t)format;
    frame->session->options.has_dateformat = true;
    return QR_OK;
}

static enum qr_status set_isolation(struct qri_frame *frame, struct qr_str word, struct qr_err *err)
{
    static const char *const levels[] = {"READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ",
                                         "SERIALIZABLE", "SNAPSHOT"};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (qr_str_ieqz(word, levels[i])) {
            QR_TRY(qri_kept_stays(frame->session, err));
            frame->session->options.isolation = (uint8_t)(i + 1);
            return QR_OK;
        }
    }
    return qr_sql_fail(err, 102, qr_arena_str(&frame->arena, word).p);
}

struct number {
    bool is_null;
    int64_t value;
};

static enum qr_status set_datefirst(struct qri_options *o, int64_t n, struct qr_err *err)
{
    if (n < 1 || n > 7)
        return qr_sql_fail(err, 2742, (int)n);
    o->datefirst = (uint8_t)n;
    o->has_datefirst = true;
    return QR_OK;
}
static enum qr_status set_lock_timeout(struct qri_options *o, int64_t n, struct qr_err *err)
{
    (void)err;
    o->lock_timeout_ms = n < 0 ? LOCK_TIMEOUT_FOREVER : n > INT32_MAX ? INT32_MAX : (int32_t)n;
    return QR_OK;
}
static enum qr_status set_rowcount(struct qri_options *o, int64_t n, struct qr_err *err)
{
    if (n < 0)
        return qr_sql_fail(err, 507);
    o->rowcount = (uint64_t)n;
    return QR_OK;
}
static enum qr_status set_textsize(struct qri_options *o, int64_t n, struct qr_err *err)
{
    (void)err;
    o->textsize = n == 0 ? 4096 : n < 0 ? -1 : n > TEXTSIZE_MAX ? TEXTSIZE_MAX : (int32_t)n;
    return QR_OK;
}
static enum qr_status set_nothing(struct qri_options *o, int64_t n, struct qr_err *err)
{
    (void)o;
    (void)n;
    (void)err;
    return QR_OK;
}

static const struct number_row {
    const char *name;
    enum qr_status (*set)(struct qri_options *options, int64_t n, struct qr_err *err);
} numbers[] = {
    /* clang-format off */
    {"DATEFIRST",                 set_datefirst},
    {"LOCK_TIMEOUT",              set_lock_timeout},
    {"ROWCOUNT",                  set_rowcount},
    {"TEXTSIZE",                  set_textsize},
    {"QUERY_GOVERNOR_COST_LIMIT", set_nothing}, /* Azure SQL Database accepts and ignores it */
    /* clang-format on */
};

static enum qr_status set_context_info(struct qri_frame *frame, const struct qr_ast_expr *ast,
                                       struct qr_err *err)
{
    struct qr_session *session = frame->session;
    struct qr_type want = qr_type_sized(QR_TYPE_VARBINARY, CONTEXT_INFO_BYTES);
    struct qr_value value;
    QR_TRY(qri_eval_scalar(frame, 0, ast, &want, NULL, &value, err));
    session->context_info_bytes = 0;
    if (value.cell != QR_CELL_BLOB)
        return QR_OK;
    session->context_info_bytes = value.n < CONTEXT_INFO_BYTES ? value.n : CONTEXT_INFO_BYTES;
    memset(session->context_info, 0, sizeof session->context_info);
    memcpy(session->context_info, value.p, session->context_info_bytes);
    return QR_OK;
}

/* The value as text: a word, or a string constant or variable. */
static enum qr_status word_value(struct qri_frame *frame, const struct qr_ast_set_option *stmt,
                                 struct qr_str *ret_word, struct qr_err *err)
{
    *ret_word = stmt->word;
    if (stmt->value == NULL)
        return QR_OK;
    struct qr_type want = qr_type_sized(QR_TYPE_NVARCHAR, 128);
    struct qr_value value;
    QR_TRY(qri_eval_scalar(frame, 0, stmt->value, &want, NULL, &value, err));
    *ret_word = value.cell == QR_CELL_TEXT ? qr_value_bytes(&value) : (struct qr_str){0};
    return QR_OK;
}

/* LOW, NORMAL, HIGH, or a number as text. */
static enum qr_status set_deadlock_priority(struct qri_frame *frame, struct qr_str word,
                                            struct qr_err *err)
{
    static const struct {
        const char *name;
        int8_t priority;
    } names[] = {{"LOW", -5}, {"NORMAL", 0}, {"HIGH", 5}};
    int8_t *place = &frame->session->options.deadlock_priority;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (word.p != NULL && qr_str_ieqz(word, names[i].name)) {
            *place = names[i].priority;
            return QR_OK;
        }
    const char *text = qr_arena_str(&frame->arena, word).p;
    char *end = NULL;
    long n = text == NULL ? 0 : strtol(text, &end, 10);
    if (text == NULL || end == text || *end != '\0' || n < -DEADLOCK_PRIORITY_MAX ||
        n > DEADLOCK_PRIORITY_MAX)
        return qr_sql_fail(err, 155, text, "DEADLOCK_PRIORITY");
    *place = (int8_t)n;
    return QR_OK;
}

static enum qr_status set_value(struct qri_frame *frame, const struct qr_ast_set_option *stmt,
                                struct qr_str name, struct qr_err *err)
{
    if (qr_str_ieqz(name, "CONTEXT_INFO") && stmt->value != NULL)
        return set_context_info(frame, stmt->value, err);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (!qr_str_ieqz(name, numbers[i].name) || stmt->value == NULL)
            continue;
        struct qr_type want = qr_type_of(QR_TYPE_BIGINT);
        struct qr_value value;
        QR_TRY(qri_eval_scalar(frame, 0, stmt->value, &want, NULL, &value, err));
        return numbers[i].set(&frame->session->options, value.cell == QR_CELL_INT ? value.i : 0,
                              err);
    }
    struct qr_str word;
    QR_TRY(word_value(frame, stmt, &word, err));
    if (qr_str_ieqz(name, "LANGUAGE"))
        return set_language(frame, word, err);
    if (qr_str_ieqz(name, "DATEFORMAT"))
        return set_dateformat(frame, word, err);
    if (qr_str_ieqz(name, "TRANSACTION ISOLATION LEVEL"))
        return set_isolation(frame, word, err);
    if (qr_str_ieqz(name, "DEADLOCK_PRIORITY"))
        return set_deadlock_priority(frame, word, err);
    if (qr_str_ieqz(name, "FIPS_FLAGGER"))
        return QR_OK; /* warns of nothing in Azure SQL Database either */
    return qr_sql_fail(err, 195, qr_arena_str(&frame->arena, name).p, "SET option");
}

enum qr_status qri_run_set_option(struct qri_frame *frame, const struct qri_op *op,
                                  struct qr_err *err)
{
    const struct qr_ast_set_option *stmt = (const struct qr_ast_set_option *)op->stmt;
    for (size_t i = 0; i < stmt->options.count; i++)
        QR_TRY(stmt->on_off ? set_switch(frame, stmt, stmt->options.items[i], err)
                            : set_value(frame, stmt, stmt->options.items[i], err));
    frame->session->error = 0;
    frame->session->rowcount = 0;
    /* A batch has a DONE for every statement but DECLARE; clients count on SET's. */
    if (qri_in_module(frame->session))
        return QR_OK;
    return qri_send_done(frame->session, false, 0, false, COMMAND_SET);
}
