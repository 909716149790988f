/* host.c - functions whose answer is the session's: globals, ERROR_*(), settings; see
 * expr/host.def. Metadata functions are in hostfn_*.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cursor_int.h"
#include "applock_int.h"
#include "hostfn.h"
#include "temp_int.h"
#include "base/banned.h"

enum { LANGUAGE_US = 0 };

void qri_settings_stamp(struct qr_session *session)
{
    const struct qri_options *o = &session->options;
    session->statement_serial++;
    session->settings = (struct qr_eval_settings){
        .now_utc_ticks = qri_now_ticks(session),
        .datefirst = o->datefirst,
        .dateformat = o->dateformat,
        .language = o->language,
        .language_id = o->language_id,
        .ansi_warnings = o->ansi_warnings,
        .arithabort = o->arithabort,
        .numeric_roundabort = o->numeric_roundabort,
    };
}

void qri_eval_init(struct qr_eval *eval, struct qr_session *session, struct qri_frame *frame,
                   struct qr_arena *arena)
{
    *eval = (struct qr_eval){.arena = arena,
                             .settings = &session->settings,
                             .host_ops = &qri_eval_host,
                             .host = session,
                             .regexps = &session->regexps,
                             .random_state = &session->rand_state};
    if (frame != NULL) {
        eval->vars = frame->vars;
        eval->var_count = frame->var_count;
    }
}

/* ---- answers ---- */

static enum qr_status text(struct qri_host_call *h, const char *p, size_t n)
{
    struct qr_str copy = qr_arena_str(h->eval->arena, qr_str_n(p, n));
    if (copy.p == NULL)
        return qr_fail(h->err, QR_NOMEM, "return text");
    *h->ret_value = qr_value_str(copy);
    return QR_OK;
}

static enum qr_status number(struct qri_host_call *h, int64_t value)
{
    *h->ret_value = qr_value_int(value);
    return QR_OK;
}

static enum qr_status wide(struct qri_host_call *h, struct qr_value value) /* numeric(38,0) */
{
    *h->ret_value = value.cell == QR_CELL_INT ? qr_value_wide(value.i) : qr_value_null();
    return QR_OK;
}

static enum qr_status null(struct qri_host_call *h)
{
    *h->ret_value = qr_value_null();
    return QR_OK;
}

static enum qr_status fn_zero(struct qri_host_call *h)
{
    return number(h, 0);
}
static enum qr_status fn_rowcount(struct qri_host_call *h)
{
    int64_t n = h->session->rowcount;
    return number(h, n > INT32_MAX && h->func == QR_HOST_ROWCOUNT ? INT32_MAX : n);
}
static enum qr_status fn_error(struct qri_host_call *h)
{
    return number(h, h->session->error);
}
static enum qr_status fn_trancount(struct qri_host_call *h)
{
    /* a trigger runs inside its statement's transaction, whoever began that */
    uint32_t count = h->session->tran.count;
    return number(h, count == 0 && h->session->trigger_level > 0 ? 1 : count);
}
static enum qr_status fn_spid(struct qri_host_call *h)
{
    return number(h, h->session->id);
}
static enum qr_status fn_nestlevel(struct qri_host_call *h)
{
    return number(h, h->session->nest_level);
}
static enum qr_status fn_fetch_status(struct qri_host_call *h)
{
    return number(h, h->session->fetch_status);
}
static enum qr_status fn_cursor_rows(struct qri_host_call *h)
{
    return number(h, h->session->cursor_rows);
}
static enum qr_status fn_options(struct qri_host_call *h)
{
    return number(h, qri_options_bits(&h->session->options));
}
static enum qr_status fn_procid(struct qri_host_call *h)
{
    const struct qri_frame *frame = h->session->frame;
    return number(h, frame == NULL || frame->module == NULL ? 0 : frame->module->object_id);
}
static enum qr_status fn_lock_timeout(struct qri_host_call *h)
{
    return number(h, h->session->options.lock_timeout_ms);
}
static enum qr_status fn_textsize(struct qri_host_call *h)
{
    return number(h, h->session->options.textsize);
}
static enum qr_status fn_version(struct qri_host_call *h)
{
    char dst[300];
    struct qr_str version = h->session->db->instance->options.version;
    int n = snprintf(dst, sizeof dst,
                     "Microsoft SQL Azure (RTM) - 12.0.2000.8 \n\tquire %.*s \n\tLinux\n",
                     (int)version.n, version.p);
    return text(h, dst, (size_t)n);
}
static enum qr_status fn_servername(struct qri_host_call *h)
{
    struct qr_str name = qr_database_server_name(h->session->db);
    return text(h, name.p, name.n);
}
static enum qr_status fn_servicename(struct qri_host_call *h)
{
    return text(h, "MSSQLSERVER", 11);
}
static enum qr_status fn_max_connections(struct qri_host_call *h)
{
    return number(h, 32767);
}
static enum qr_status fn_timeticks(struct qri_host_call *h)
{
    return number(h, 31250);
}
/* Whoever takes a rowversion says so before, and no more when its rows are committed: what is not
 * found here was taken after `next` was asked for, or is in every snapshot from the head on. */
static int64_t least_active(struct qr_session *session, int64_t next)
{
    struct qr_instance *instance = session->db->instance;
    int64_t least = next;
    pthread_mutex_lock(&instance->mu);
    for (const struct qr_session *s = instance->sessions; s != NULL; s = s->next) {
        int64_t first = s->db == session->db ? atomic_load(&s->first_rowversion) : 0;
        if (first != 0 && first < least)
            least = first;
    }
    pthread_mutex_unlock(&instance->mu);
    if (!qr_store_is_read_only(session->db->store)) /* the session's next snapshot */
        session->commit_lsn =
            qr_lsn_max(session->commit_lsn, qr_store_head_lsn(session->db->store));
    return least;
}

static enum qr_status fn_dbts(struct qri_host_call *h)
{
    int64_t next = 1;
    if (!qri_counter_peek(h->session, QRI_COUNTER_ROWVERSION, false, &next))
        next = 1;
    uint64_t last =
        h->func == QR_HOST_DBTS ? (uint64_t)next - 1 : (uint64_t)least_active(h->session, next);
    uint8_t *bytes = qr_arena_alloc(h->eval->arena, 8);
    if (bytes == NULL)
        return qr_fail(h->err, QR_NOMEM, "return a rowversion");
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(last >> (56 - 8 * i));
    *h->ret_value = qr_value_blob(bytes, 8);
    return QR_OK;
}
static enum qr_status fn_identity(struct qri_host_call *h)
{
    return wide(h, h->session->last_identity);
}
static enum qr_status fn_scope_identity(struct qri_host_call *h)
{
    const struct qri_frame *frame = h->session->frame;
    while (frame != NULL && !frame->is_scope && frame->outer != NULL)
        frame = frame->outer;
    if (frame == NULL || frame->outer == NULL) /* a batch's scope is the session's outermost */
        return wide(h, h->session->batch_identity);
    return wide(h, frame->scope_identity);
}
static enum qr_status fn_xact_state(struct qri_host_call *h)
{
    const struct qri_tran *tran = &h->session->tran;
    return number(h, tran->count == 0 ? 0 : tran->doomed ? -1 : 1);
}
static enum qr_status fn_transaction_id(struct qri_host_call *h)
{
    return number(h, (int64_t)h->session->tran.descriptor);
}

static enum qr_status fn_error_field(struct qri_host_call *h)
{
    const struct qri_caught *caught = h->session->caught;
    if (caught == NULL)
        return null(h);
    const struct qr_err *e = &caught->err;
    switch ((int)h->func) {
    case QR_HOST_ERROR_NUMBER:
        return number(h, e->number);
    case QR_HOST_ERROR_SEVERITY:
        return number(h, e->severity);
    case QR_HOST_ERROR_STATE:
        return number(h, e->state);
    case QR_HOST_ERROR_LINE:
        return number(h, e->line);
    case QR_HOST_ERROR_PROCEDURE:
        return e->procedure[0] == '\0' ? null(h) : text(h, e->procedure, strlen(e->procedure));
    default:
        return text(h, e->text, strlen(e->text));
    }
}

static enum qr_status variant(struct qri_host_call *h, struct qr_type type, struct qr_value value)
{
    return qr_variant_make(h->eval->arena, &type, &value, h->ret_value);
}

static enum qr_status fn_sessionproperty(struct qri_host_call *h)
{
    const struct qri_options *o = &h->session->options;
    const struct {
        const char *name;
        bool on;
    } rows[] = {
        {"ANSI_NULLS", o->ansi_nulls},
        {"ANSI_PADDING", o->ansi_padding},
        {"ANSI_WARNINGS", o->ansi_warnings},
        {"ARITHABORT", o->arithabort},
        {"CONCAT_NULL_YIELDS_NULL", o->concat_null_yields_null},
        {"NUMERIC_ROUNDABORT", o->numeric_roundabort},
        {"QUOTED_IDENTIFIER", o->quoted_identifier},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (qr_str_ieqz(qr_value_bytes(&h->args[0]), rows[i].name))
            return variant(h, qr_type_of(QR_TYPE_INT), qr_value_int(rows[i].on));
    return null(h);
}

static enum qr_status fn_connectionproperty(struct qri_host_call *h)
{
    const struct qr_session_options *login = &h->session->login;
    if (qr_str_ieqz(qr_value_bytes(&h->args[0]), "local_tcp_port") && login->local_port > 0)
        return variant(h, qr_type_of(QR_TYPE_INT), qr_value_int(login->local_port));
    const struct {
        const char *name;
        struct qr_str value;
    } rows[] = {
        {"net_transport", qr_str("TCP")},
        {"protocol_type", qr_str("TSQL")},
        {"auth_scheme", qr_str("SQL")},
        {"client_net_address", login->client_address},
        {"local_net_address", login->local_address},
        {"physical_net_transport", qr_str("TCP")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (qr_str_ieqz(qr_value_bytes(&h->args[0]), rows[i].name))
            return rows[i].value.n == 0 ? null(h)
                                        : variant(h, qr_type_sized(QR_TYPE_NVARCHAR, 48),
                                                  qr_value_str(rows[i].value));
    return null(h);
}

static enum qr_status fn_session_context(struct qri_host_call *h)
{
    const struct qri_context_value *v =
        qr_map_get(&h->session->context, qr_value_bytes(&h->args[0]));
    return v == NULL ? null(h) : text(h, v->bytes, v->n);
}

static enum qr_status fn_context_info(struct qri_host_call *h)
{
    if (h->session->context_info_bytes == 0)
        return null(h);
    char *copy = qr_arena_dup(h->eval->arena, h->session->context_info, 128);
    if (copy == NULL)
        return qr_fail(h->err, QR_NOMEM, "return bytes");
    *h->ret_value = qr_value_blob(copy, 128);
    return QR_OK;
}

static enum qr_status fn_host_name(struct qri_host_call *h)
{
    return text(h, h->session->login.host_name.p, h->session->login.host_name.n);
}
static enum qr_status fn_app_name(struct qri_host_call *h)
{
    return text(h, h->session->login.app_name.p, h->session->login.app_name.n);
}
static enum qr_status fn_host_id(struct qri_host_call *h)
{
    char dst[16];
    int n = snprintf(dst, sizeof dst, "%-10u", h->session->login.client_pid);
    return text(h, dst, n < 10 ? (size_t)n : 10);
}
static enum qr_status fn_cursor_status(struct qri_host_call *h)
{
    return number(h, qri_cursor_status(h->session->frame, qr_value_bytes(&h->args[0]),
                                       qr_value_bytes(&h->args[1])));
}
static enum qr_status fn_current_of(struct qri_host_call *h)
{
    return qri_cursor_key(h->session->frame, qr_value_bytes(&h->args[0]), (uint32_t)h->args[1].i,
                          (size_t)h->args[2].i, h->eval->arena, h->ret_value, h->err);
}
static enum qr_status fn_trigger_nestlevel(struct qri_host_call *h)
{
    return number(h, h->session->trigger_level);
}
static enum qr_status fn_getansinull(struct qri_host_call *h)
{
    return number(h, 1);
}

static const struct qri_trigger_rows *trigger_of(const struct qr_session *session)
{
    const struct qri_frame *frame = session->frame;
    while (frame != NULL && frame->trigger == NULL)
        frame = frame->outer;
    return frame == NULL ? NULL : frame->trigger;
}

static enum qr_status fn_columns_updated(struct qri_host_call *h)
{
    const struct qri_trigger_rows *trigger = trigger_of(h->session);
    if (trigger == NULL)
        return null(h);
    size_t n = (trigger->table->column_count + 7) / 8;
    char *copy = qr_arena_dup(h->eval->arena, trigger->updated, n);
    if (copy == NULL)
        return qr_fail(h->err, QR_NOMEM, "return bytes");
    *h->ret_value = qr_value_blob(copy, n);
    return QR_OK;
}

static enum qr_status fn_newsequentialid(struct qri_host_call *h)
{
    uint8_t wire[16], *ordered = qr_arena_alloc(h->eval->arena, 16);
    if (ordered == NULL)
        return qr_fail(h->err, QR_NOMEM, "return a uniqueidentifier");
    /* version 1 layout: time first, so that values of one process grow in SQL Server's order */
    struct qr_env *env = h->session->db->instance->options.env;
    uint64_t ticks = (uint64_t)qri_now_ticks(h->session) + h->session->guid_serial++;
    qr_env_random(env, wire, sizeof wire);
    for (int i = 0; i < 8; i++)
        wire[i] = (uint8_t)(ticks >> (8 * i));
    qr_guid_from_wire(wire, ordered);
    *h->ret_value = qr_value_blob(ordered, 16);
    return QR_OK;
}

/* The number that a row got from a sequence is kept for what else names it there. */
static enum qr_status drawn_of(struct qri_host_call *h, uint32_t object_id,
                               struct qri_drawn_number **ret_drawn)
{
    struct qr_session *session = h->session;
    size_t i = 0;
    while (i < session->drawn_count && session->drawn[i].object_id != object_id)
        i++;
    if (i == session->drawn_capacity) {
        size_t n = i == 0 ? 4 : 2 * i;
        struct qri_drawn_number *more = realloc(session->drawn, n * sizeof *more);
        if (more == NULL)
            return qr_fail(h->err, QR_NOMEM, "numbers of sequences");
        session->drawn = more;
        session->drawn_capacity = n;
    }
    *ret_drawn = &session->drawn[i];
    if (i == session->drawn_count) {
        session->drawn_count++;
        **ret_drawn = (struct qri_drawn_number){.object_id = object_id};
    }
    return QR_OK;
}

static enum qr_status take_next(struct qri_host_call *h, const struct qr_cat_object *seq,
                                int64_t *ret_value)
{
    uint64_t counter = qri_counter_id(seq->object_id, QRI_COUNTER_SEQUENCE);
    int64_t value = 0;
    enum qr_status status =
        qri_counter_take(h->session, counter, false, 1, seq->sequence_increment, &value, h->err);
    bool past = status == QR_TOO_BIG ||
                (status == QR_OK && (value > seq->sequence_max || value < seq->sequence_min));
    if (past && seq->sequence_cycle) {
        value = seq->sequence_increment > 0 ? seq->sequence_min : seq->sequence_max;
        QR_TRY(
            qri_counter_set(h->session, counter, false, value + seq->sequence_increment, h->err));
    } else if (past) {
        return qr_sql_fail(h->err, 11728, qr_arena_str(h->eval->arena, seq->name).p);
    } else {
        QR_TRY(status);
    }
    *ret_value = value;
    return QR_OK;
}

static enum qr_status fn_next_value(struct qri_host_call *h)
{
    uint64_t statement = h->session->statement_serial;
    int64_t place = h->args[1].i;
    const struct qr_cat_object *seq = qri_object_by_id(h->session, (uint32_t)h->args[0].i);
    struct qri_drawn_number *drawn = NULL;
    if (seq == NULL || seq->type != QR_CAT_SEQUENCE)
        return qr_fail(h->err, QR_NOT_FOUND, "no such sequence");
    QR_TRY(drawn_of(h, seq->object_id, &drawn));
    if (place == QR_NEXT_AGAIN)
        return number(h, drawn->value);
    if (place == QR_NEXT_OF_ROW)
        place = -1 - (int64_t)h->eval->row;
    if (place == QR_NEXT_NEW || drawn->place != place || drawn->statement != statement)
        QR_TRY(take_next(h, seq, &drawn->value));
    drawn->place = place;
    drawn->statement = statement;
    return number(h, drawn->value);
}

/* ---- the table ---- */

static qri_host_fn *const host_fns[QR_HOST_COUNT] = {
    /* clang-format off */
    [QR_HOST_ROWCOUNT] = fn_rowcount,           [QR_HOST_ROWCOUNT_BIG] = fn_rowcount,
    [QR_HOST_ERROR] = fn_error,                 [QR_HOST_TRANCOUNT] = fn_trancount,
    [QR_HOST_SPID] = fn_spid,                   [QR_HOST_NESTLEVEL] = fn_nestlevel,
    [QR_HOST_FETCH_STATUS] = fn_fetch_status,   [QR_HOST_CURSOR_ROWS] = fn_cursor_rows,
    [QR_HOST_OPTIONS] = fn_options,             [QR_HOST_PROCID] = fn_procid,
    [QR_HOST_LOCK_TIMEOUT] = fn_lock_timeout,   [QR_HOST_TEXTSIZE] = fn_textsize,
    [QR_HOST_VERSION] = fn_version,             [QR_HOST_SERVERNAME] = fn_servername,
    [QR_HOST_SERVICENAME] = fn_servicename,     [QR_HOST_MAX_CONNECTIONS] = fn_max_connections,
    [QR_HOST_CONNECTIONS] = fn_zero,            [QR_HOST_CPU_BUSY] = fn_zero,
    [QR_HOST_IDLE] = fn_zero,                   [QR_HOST_IO_BUSY] = fn_zero,
    [QR_HOST_PACK_RECEIVED] = fn_zero,          [QR_HOST_PACK_SENT] = fn_zero,
    [QR_HOST_PACKET_ERRORS] = fn_zero,          [QR_HOST_TIMETICKS] = fn_timeticks,
    [QR_HOST_TOTAL_ERRORS] = fn_zero,           [QR_HOST_TOTAL_READ] = fn_zero,
    [QR_HOST_TOTAL_WRITE] = fn_zero,            [QR_HOST_DBTS] = fn_dbts,
    [QR_HOST_REMSERVER] = null,                 [QR_HOST_IDENTITY] = fn_identity,
    [QR_HOST_SCOPE_IDENTITY] = fn_scope_identity, [QR_HOST_XACT_STATE] = fn_xact_state,
    [QR_HOST_CURRENT_TRANSACTION_ID] = fn_transaction_id,
    [QR_HOST_CURRENT_REQUEST_ID] = fn_zero,
    [QR_HOST_ERROR_NUMBER] = fn_error_field,    [QR_HOST_ERROR_SEVERITY] = fn_error_field,
    [QR_HOST_ERROR_STATE] = fn_error_field,     [QR_HOST_ERROR_LINE] = fn_error_field,
    [QR_HOST_ERROR_PROCEDURE] = fn_error_field, [QR_HOST_ERROR_MESSAGE] = fn_error_field,
    [QR_HOST_SESSION_CONTEXT] = fn_session_context,
    [QR_HOST_CONTEXT_INFO] = fn_context_info,   [QR_HOST_SESSIONPROPERTY] = fn_sessionproperty,
    [QR_HOST_CONNECTIONPROPERTY] = fn_connectionproperty,
    [QR_HOST_HOST_NAME] = fn_host_name,         [QR_HOST_HOST_ID] = fn_host_id,
    [QR_HOST_APP_NAME] = fn_app_name,           [QR_HOST_CURSOR_STATUS] = fn_cursor_status,
    [QR_HOST_CURRENT_OF] = fn_current_of,
    [QR_HOST_TRIGGER_NESTLEVEL] = fn_trigger_nestlevel,
    [QR_HOST_COLUMNS_UPDATED] = fn_columns_updated,
    [QR_HOST_EVENTDATA] = null,                 [QR_HOST_GETANSINULL] = fn_getansinull,
    [QR_HOST_MIN_ACTIVE_ROWVERSION] = fn_dbts,
    [QR_HOST_NEWSEQUENTIALID] = fn_newsequentialid, [QR_HOST_NEXT_VALUE] = fn_next_value,
    [QR_HOST_APPLOCK_MODE] = qri_fn_applock_mode, [QR_HOST_APPLOCK_TEST] = qri_fn_applock_test,
    /* clang-format on */
};

bool qri_host_answers(enum qr_host_func func)
{
    return host_fns[func] != NULL || qri_hostfn_find(func) != NULL;
}

static enum qr_status host_call(void *host, struct qr_eval *ctx, enum qr_host_func func,
                                const struct qr_call *call, struct qr_value *ret_value,
                                struct qr_err *err)
{
    struct qri_host_call h = {.session = host,
                              .eval = ctx,
                              .func = func,
                              .args = call->args,
                              .arg_count = call->arg_count,
                              .ret_value = ret_value,
                              .err = err};
    qri_host_fn *fn = host_fns[func] != NULL ? host_fns[func] : qri_hostfn_find(func);
    if (fn == NULL)
        return qr_fail(err, QR_UNSUPPORTED, "The function %s is not supported.",
                       call->expr->u.func->name);
    return fn(&h);
}

static enum qr_status host_udf(void *host, struct qr_eval *ctx, const struct qr_expr *expr,
                               const struct qr_value *args, struct qr_value *ret_value,
                               struct qr_err *err)
{
    struct qr_session *session = host;
    struct qr_type types[QR_EXPR_ARGS_MAX];
    for (size_t i = 0; i < expr->arg_count; i++)
        types[i] = expr->args[i]->type;
    return qri_call_scalar(session, expr->u.ref, types, args, expr->arg_count, &expr->type,
                           ctx->arena, ret_value, err);
}

static void host_random(void *host, void *bytes, size_t count)
{
    struct qr_session *session = host;
    qr_env_random(session->db->instance->options.env, bytes, count);
}

static enum qr_status host_poll(void *host, struct qr_err *err)
{
    return qri_check_cancelled(host, err);
}

const struct qr_eval_host qri_eval_host = {
    .call = host_call, .udf = host_udf, .random = host_random, .poll = host_poll};
