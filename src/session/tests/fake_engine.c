/* fake_engine.c - see fake_engine.h */
#include "fake_engine.h"
#include "engine/moving.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/sqlmsg.h"

struct fake_engine fake;

struct qr_session {
    bool in_module;
    int32_t handles;
    char prepared[8][256];
};
struct qr_database {
    int unused;
};
struct qr_rowset {
    size_t columns;
    uint64_t rows;
};
static struct qr_database database;

static void __attribute__((format(printf, 1, 2))) note(const char *fmt, ...)
{
    size_t n = strlen(fake.log);
    va_list args;
    va_start(args, fmt);
    vsnprintf(fake.log + n, sizeof fake.log - n, fmt, args);
    va_end(args);
}

void fake_reset(void)
{
    fake = (struct fake_engine){.answer_lsn = 0};
}

struct qr_database *fake_database(void)
{
    return &database;
}

/* Its one own user is "own". */
enum qr_status qr_database_user_hash(struct qr_database *db, struct qr_str user,
                                     char dst[QR_USER_HASH_BYTES], struct qr_err *err)
{
    assert(db == &database);
    if (!qr_str_ieqz(user, "own"))
        return qr_fail(err, QR_NOT_FOUND, "no such user");
    (void)snprintf(dst, QR_USER_HASH_BYTES, "$hash");
    return QR_OK;
}

/* ---- store ---- */

struct qr_gov_group *qr_database_group(const struct qr_database *db)
{
    (void)db;
    return fake.group;
}

struct qr_str qr_database_server_name(const struct qr_database *db)
{
    (void)db;
    return qr_str("srv");
}

struct qr_store *qr_database_store(struct qr_database *db)
{
    return (struct qr_store *)db;
}
struct qr_lsn qr_store_durable_lsn(const struct qr_store *store)
{
    (void)store;
    return qr_lsn(fake.durable_lsn);
}
bool qr_store_on_durable(struct qr_store *store, struct qr_durable_wait *wait)
{
    (void)store;
    assert(fake.wait == NULL);
    if (wait->lsn.v <= fake.durable_lsn)
        return false;
    fake.wait = wait;
    return true;
}
bool qr_store_cancel_durable(struct qr_store *store, struct qr_durable_wait *wait)
{
    (void)store;
    if (fake.wait != wait)
        return false;
    fake.wait = NULL;
    return true;
}
enum qr_status qr_store_wait_durable(struct qr_store *store, struct qr_lsn lsn, struct qr_err *err)
{
    (void)store, (void)err;
    fake.wait_calls++;
    fake.durable_lsn = lsn.v;
    return QR_OK;
}
void fake_harden(uint64_t lsn)
{
    fake.durable_lsn = lsn;
    struct qr_durable_wait *wait = fake.wait;
    if (wait != NULL && wait->lsn.v <= lsn) {
        fake.wait = NULL;
        wait->reached(wait);
    }
}

/* ---- sessions ---- */

void qr_session_on_break(struct qr_session *session, void (*break_it)(void *ctx, bool at_once),
                         void *ctx)
{
    (void)session;
    fake.break_it = break_it;
    fake.break_ctx = ctx;
}

bool qr_session_is_over(const struct qr_session *session, struct qr_err *ret_why)
{
    (void)session;
    if (fake.is_over)
        *ret_why =
            (struct qr_err){.status = QR_SQL, .number = 40197, .severity = 20, .text = "over"};
    return fake.is_over;
}

bool qr_session_may_move(const struct qr_session *session)
{
    (void)session;
    return !fake.in_tran;
}
void qr_session_make_movable(struct qr_session *session, uint64_t *ret_descriptor)
{
    (void)session;
    note("rollback() ");
    fake.in_tran = false;
    *ret_descriptor = 77;
}
enum qr_status qr_session_save(struct qr_session *session, struct qr_buf *dst, struct qr_err *err)
{
    (void)session;
    note("save() ");
    qr_buf_addz(dst, "state");
    return fake.fail_save ? qr_fail(err, QR_TOO_BIG, "too big") : QR_OK;
}
enum qr_status qr_session_restore(struct qr_session *session, struct qr_str state,
                                  struct qr_err *err)
{
    (void)session;
    note("restore(%.*s) ", (int)state.n, state.p);
    return qr_str_ieqz(state, "state") ? QR_OK : qr_fail(err, QR_CORRUPT, "no state");
}

enum qr_status qr_session_new(struct qr_database *db, const struct qr_session_options *options,
                              struct qr_session **ret_session, struct qr_err *err)
{
    (void)err;
    assert(db == &database);
    note("open(%.*s) ", (int)options->login.n, options->login.p);
    *ret_session = calloc(1, sizeof **ret_session);
    fake.sessions++;
    return QR_OK;
}
void qr_session_let_go(struct qr_session *session)
{
    (void)session;
    fake.let_go++;
}
void qr_session_free(struct qr_session *session)
{
    fake.sessions -= session != NULL;
    free(session);
}
void qr_session_add_packets(struct qr_session *session, uint64_t read, uint64_t written)
{
    (void)session;
    (void)read;
    (void)written;
}

uint16_t qr_session_id(const struct qr_session *session)
{
    (void)session;
    return 51;
}
uint64_t qr_session_answer_lsn(const struct qr_session *session)
{
    (void)session;
    return fake.answer_lsn;
}
struct qr_str qr_session_language(const struct qr_session *session)
{
    (void)session;
    return qr_str("us_english");
}

struct qr_str qr_session_database_name(const struct qr_session *session)
{
    (void)session;
    return qr_str("db1");
}

static enum qr_status put_done(struct qr_session *session, const struct qr_sink *sink,
                               bool has_count, uint64_t count, bool is_error)
{
    struct qr_done done = {.kind = QR_DONE_STATEMENT,
                           .has_count = has_count,
                           .count = count,
                           .is_error = is_error,
                           .in_module = session->in_module,
                           .command = 0xC1};
    return sink->done(sink->ctx, &done);
}

static enum qr_status put_rows(struct qr_session *session, const struct qr_sink *sink, int count,
                               bool bad)
{
    struct qr_plan_column column = {.name = qr_str("a"), .type = qr_type_of(QR_TYPE_INT)};
    QR_TRY(sink->columns(sink->ctx, &column, 1, NULL, 0));
    for (int i = 0; i < count; i++) {
        struct qr_value value = bad ? qr_value_null() : qr_value_int(i);
        QR_TRY(sink->row(sink->ctx, &value, 1));
    }
    return put_done(session, sink, true, (uint64_t)count, false);
}

static enum qr_status put_message(const struct qr_sink *sink, int number, uint8_t severity)
{
    struct qr_err err = {.number = number, .severity = severity, .state = 1, .line = 3};
    snprintf(err.text, sizeof err.text, "m%d", number);
    return sink->message(sink->ctx, &err);
}

static enum qr_status run_word(struct qr_session *session, const char *word,
                               const struct qr_sink *sink)
{
    const char *colon = strchr(word, ':');
    long n = colon == NULL ? 0 : strtol(colon + 1, NULL, 10);
    if (strncmp(word, "rows", 4) == 0)
        return put_rows(session, sink, (int)n, false);
    if (strcmp(word, "null") == 0)
        return put_rows(session, sink, 1, true);
    if (strncmp(word, "count", 5) == 0)
        return put_done(session, sink, true, (uint64_t)n, false);
    if (strcmp(word, "done") == 0)
        return put_done(session, sink, false, 0, false);
    if (strncmp(word, "error", 5) == 0) {
        QR_TRY(put_message(sink, (int)n, 16));
        return put_done(session, sink, false, 0, true);
    }
    if (strcmp(word, "print") == 0)
        return put_message(sink, 0, 0);
    if (strncmp(word, "inform", 6) == 0) /* inform:severity */
        return put_message(sink, 5000, (uint8_t)n);
    if (strcmp(word, "begin") == 0)
        return sink->env_change(sink->ctx, QR_ENV_BEGIN_TRAN, qr_str(""), qr_str(""), 7);
    if (strcmp(word, "commit") == 0) {
        fake.answer_lsn = 100;
        return sink->env_change(sink->ctx, QR_ENV_COMMIT_TRAN, qr_str(""), qr_str(""), 7);
    }
    if (strncmp(word, "status", 6) == 0)
        return sink->return_status(sink->ctx, (int32_t)n);
    if (strncmp(word, "value", 5) == 0) {
        struct qr_type type = qr_type_of(QR_TYPE_INT);
        struct qr_value value = qr_value_int(n);
        return sink->return_value(sink->ctx, 0, qr_str("@o"), &type, &value);
    }
    if (strcmp(word, "proc") == 0)
        return sink->done(sink->ctx, &(struct qr_done){.kind = QR_DONE_PROC, .command = 0xE0});
    if (strcmp(word, "batch") == 0)
        return sink->done(sink->ctx, &(struct qr_done){.kind = QR_DONE_BATCH});
    if (strcmp(word, "flush") == 0)
        return sink->flush(sink->ctx);
    if (strcmp(word, "wait") == 0) {
        while (!sink->cancelled(sink->ctx)) {
        }
        return QR_CANCELLED;
    }
    if (strcmp(word, "cancel") == 0) /* by nobody who waits */
        return QR_CANCELLED;
    if (strcmp(word, "close") == 0)
        return QR_CLOSED;
    if (strcmp(word, "over") == 0) { /* ended from outside while it runs */
        fake.is_over = true;
        return QR_CANCELLED;
    }
    if (strcmp(word, "late") == 0) /* the same, when all is done */
        fake.is_over = true;
    session->in_module = strcmp(word, "module") == 0;
    return QR_OK;
}

static enum qr_status run_script(struct qr_session *session, struct qr_str text,
                                 const struct qr_sink *sink)
{
    char copy[1024], *save = NULL;
    snprintf(copy, sizeof copy, "%.*s", (int)text.n, text.p);
    fake.answer_lsn = 0;
    session->in_module = false;
    for (char *word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save))
        QR_TRY(run_word(session, word, sink));
    return QR_OK;
}

enum qr_status qr_session_batch(struct qr_session *session, struct qr_str text,
                                const struct qr_sink *sink)
{
    note("batch(%.*s) ", (int)text.n, text.p);
    return run_script(session, text, sink);
}

static void note_args(const struct qr_arg *args, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct qr_arg *a = &args[i];
        note(",%.*s", (int)a->name.n, a->name.p);
        if (a->rowset != NULL)
            note("=%.*s[%llu]", (int)a->table_type.n, a->table_type.p,
                 (unsigned long long)a->rowset->rows);
        else if (a->value.cell == QR_CELL_INT)
            note("=%lld", (long long)a->value.i);
        else if (a->value.cell == QR_CELL_TEXT)
            note("='%.*s'", (int)a->value.n, a->value.p);
        else
            note("=null");
        note("%s%s", a->is_output ? " out" : "", a->is_default ? " default" : "");
    }
}

enum qr_status qr_session_execute_sql(struct qr_session *session, struct qr_str text,
                                      struct qr_str params, const struct qr_arg *args,
                                      size_t arg_count, const struct qr_sink *sink)
{
    note("sql(%.*s;%.*s", (int)text.n, text.p, (int)params.n, params.p);
    note_args(args, arg_count);
    note(") ");
    return run_script(session, text, sink);
}
enum qr_status qr_session_prepare(struct qr_session *session, struct qr_str text,
                                  struct qr_str params, const struct qr_sink *sink,
                                  int32_t *ret_handle)
{
    note("prepare(%.*s;%.*s) ", (int)text.n, text.p, (int)params.n, params.p);
    if (text.n >= 3 && memcmp(text.p, "bad", 3) == 0)
        return put_message(sink, 102, 15);
    snprintf(session->prepared[session->handles % 8], 256, "%.*s", (int)text.n, text.p);
    *ret_handle = ++session->handles;
    return QR_OK;
}
enum qr_status qr_session_execute(struct qr_session *session, int32_t handle,
                                  const struct qr_arg *args, size_t arg_count,
                                  const struct qr_sink *sink)
{
    note("execute(%d", handle);
    note_args(args, arg_count);
    note(") ");
    if (handle > session->handles) {
        QR_TRY(put_message(sink, 8179, 16));
        return put_done(session, sink, false, 0, true);
    }
    return run_script(session, qr_str(session->prepared[(handle - 1) % 8]), sink);
}
enum qr_status qr_session_unprepare(struct qr_session *session, int32_t handle,
                                    const struct qr_sink *sink)
{
    (void)session, (void)sink;
    note("unprepare(%d) ", handle);
    return QR_OK;
}
enum qr_status qr_session_call(struct qr_session *session, struct qr_str procedure,
                               const struct qr_arg *args, size_t arg_count,
                               const struct qr_sink *sink)
{
    note("call(%.*s", (int)procedure.n, procedure.p);
    note_args(args, arg_count);
    note(") ");
    return run_script(session, qr_str("module rows:1 end status:4 value:9 proc"), sink);
}
enum qr_status qr_session_tran(struct qr_session *session, enum qr_tran_request request,
                               struct qr_str name, uint8_t isolation, bool begin_after,
                               const struct qr_sink *sink)
{
    note("tran(%d,%.*s,%u,%d) ", (int)request, (int)name.n, name.p, isolation, begin_after);
    return run_script(session, qr_str(request == QR_TM_COMMIT ? "commit done" : "begin done"),
                      sink);
}
enum qr_status qr_session_reset(struct qr_session *session, bool keep_tran,
                                const struct qr_sink *sink)
{
    (void)session, (void)sink;
    note("reset(%d) ", keep_tran);
    return QR_OK;
}

/* ---- bulk and rowsets ---- */

enum qr_status qr_session_bulk_begin(struct qr_session *session,
                                     const struct qr_plan_column *columns, size_t column_count,
                                     const struct qr_sink *sink)
{
    (void)session, (void)sink;
    note("bulk(%zu,%.*s) ", column_count, (int)columns[0].name.n, columns[0].name.p);
    fake.bulk_rows = 0;
    return QR_OK;
}
enum qr_status qr_session_bulk_row(struct qr_session *session, const struct qr_value *values)
{
    (void)session, (void)values;
    fake.bulk_rows++;
    return fake.fail_row ? QR_SQL : QR_OK;
}
enum qr_status qr_session_bulk_end(struct qr_session *session, bool cancelled,
                                   const struct qr_sink *sink)
{
    note("bulk_end(%d,%llu) ", cancelled, (unsigned long long)fake.bulk_rows);
    if (fake.fail_row) {
        QR_TRY(put_message(sink, 2627, 14));
        return put_done(session, sink, false, 0, true);
    }
    return put_done(session, sink, !cancelled, fake.bulk_rows, cancelled);
}
struct qr_store *qr_session_store(const struct qr_session *session)
{
    (void)session;
    return NULL;
}
enum qr_status qr_rowset_new(const struct qr_type *types, size_t column_count,
                             struct qr_store *store, struct qr_rowset **ret_rowset,
                             struct qr_err *err)
{
    (void)types, (void)store, (void)err;
    *ret_rowset = calloc(1, sizeof **ret_rowset);
    (*ret_rowset)->columns = column_count;
    fake.rowsets++;
    return QR_OK;
}
void qr_rowset_free(struct qr_rowset *rowset)
{
    fake.rowsets -= rowset != NULL;
    free(rowset);
}
enum qr_status qr_rowset_append(struct qr_rowset *rowset, const struct qr_value *values,
                                struct qr_err *err)
{
    (void)values, (void)err;
    rowset->rows++;
    return QR_OK;
}

void qr_session_kill(struct qr_session *session)
{
    (void)session;
}
