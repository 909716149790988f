/* code.c - compiling what a frame runs, and evaluating scalars; see frame.h */
#include <assert.h>
#include <stdlib.h>
#include "access_int.h"
#include "dml_int.h"
#include "frame.h"
#include "lock_read.h"
#include "texts_int.h"
#include "base/banned.h"

/* A catalog object belongs to #tables by its id. */
static bool is_temp_object(const struct qr_cat_object *object)
{
    return object->object_id >= QRI_TEMP_OBJECT_FIRST;
}

uint32_t qri_frame_schema(const struct qri_frame *frame)
{
    return frame != NULL && frame->module != NULL ? frame->module->schema_id
                                                  : qri_access_schema(frame->session);
}

void qri_bind_env(const struct qri_frame *frame, const struct qri_op *op, struct qr_bind_env *env)
{
    const struct qr_session *session = frame->session;
    const struct qri_options *o = &session->options;
    *env = (struct qr_bind_env){
        .catalog = &session->catalog->cat,
        .temp = session->temp == NULL ? NULL : &session->temp->cat,
        .vars = frame->unit->vars,
        .var_count = op == NULL ? frame->unit->var_count : op->var_visible,
        .default_schema_id = qri_frame_schema(frame),
        .in_function = frame->unit->kind == QRI_UNIT_SCALAR || frame->unit->kind == QRI_UNIT_TABLE,
        .options = {.quoted_identifier = o->quoted_identifier,
                    .ansi_nulls = o->ansi_nulls,
                    .ansi_padding = o->ansi_padding,
                    .ansi_warnings = o->ansi_warnings,
                    .arithabort = o->arithabort,
                    .concat_null_yields_null = o->concat_null_yields_null,
                    .numeric_roundabort = o->numeric_roundabort,
                    .columns_not_null = !o->ansi_null_dflt_on,
                    .datefirst = o->datefirst,
                    .dateformat = o->dateformat},
    };
    if (qri_system_catalog(&env->system, NULL) != QR_OK)
        env->system = NULL;
    /* dynamic SQL inside a trigger does not see inserted and deleted; its own statements do */
    if (frame->trigger != NULL)
        env->inserted = env->deleted = frame->trigger->table;
    qri_lock_env(session, env);
}

static uint64_t options_key(const struct qri_options *o)
{
    return (uint64_t)o->quoted_identifier | (uint64_t)o->ansi_nulls << 1 |
           (uint64_t)o->ansi_padding << 2 | (uint64_t)o->ansi_warnings << 3 |
           (uint64_t)o->arithabort << 4 | (uint64_t)o->concat_null_yields_null << 5 |
           (uint64_t)o->numeric_roundabort << 6 | (uint64_t)o->datefirst << 8 |
           (uint64_t)o->dateformat << 16 | (uint64_t)o->language_id << 24;
}

/* ---- validity ---- */

bool qri_object_is_same(const struct qr_cat_object *a, const struct qr_cat_object *b)
{
    /* a rollback gives versions and ids out again, but not the time of creation */
    return a->version == b->version && a->create_ticks == b->create_ticks &&
           a->modify_ticks == b->modify_ticks && a->links == b->links;
}

/* It is in the session's catalogs as it was when the code was compiled. */
static bool is_unchanged(const struct qr_cat_object *was, const struct qr_session *session)
{
    const struct qr_catalog *cat = is_temp_object(was)
                                       ? (session->temp == NULL ? NULL : &session->temp->cat)
                                       : &session->catalog->cat;
    if (was->storage == QR_STORE_VTAB || was->storage == QR_STORE_ROWSET)
        return true;
    const struct qr_cat_object *is = cat == NULL ? NULL : qr_cat_by_id(cat, was->object_id);
    if (is == NULL || !qri_object_is_same(is, was))
        return false;
    /* another scope's #table of that name may stand before it by now */
    return !is_temp_object(was) || qr_cat_find(cat, was->schema_id, was->name) == is;
}

static bool depends_hold(const struct qri_code *code, const struct qr_session *session)
{
    const struct qr_plan *plan = code->plan;
    const struct qri_dml *dml = code->dml;
    if (plan == NULL)
        return false;
    for (size_t i = 0; i < plan->depend_count; i++)
        if (!is_unchanged(plan->depends[i], session))
            return false;
    for (size_t i = 0; dml != NULL && i < dml->reached_count; i++)
        if (!is_unchanged(dml->reached[i], session))
            return false;
    return true;
}

bool qri_code_holds(struct qri_code *code, const struct qr_session *session)
{
    if (code->options_key != options_key(&session->options) ||
        !qri_lock_level_holds(code->plan, code->lock_level, session))
        return false;
    bool same_temp = !code->uses_temp || code->temp_serial == session->temp_serial;
    if (code->catalog_serial == session->catalog_serial && same_temp)
        return true;
    if (!depends_hold(code, session) || code->plan->fell_through)
        return false;
    code->catalog_serial = session->catalog_serial;
    code->temp_serial = session->temp_serial;
    return true;
}

/* Makes an empty one in place of what is there and no longer holds. */
static enum qr_status renew(struct qri_frame *frame, size_t place, struct qri_code **ret_code,
                            struct qr_err *err)
{
    const struct qri_op *op = frame->op;
    assert(place < op->code_count);
    struct qr_session *session = frame->session;
    qri_code_free(op->codes[place]);
    op->codes[place] = NULL;
    struct qri_code *code = calloc(1, sizeof *code);
    if (code == NULL)
        return qr_fail(err, QR_NOMEM, "compile a statement");
    qr_arena_init(&code->arena, QRI_UNIT_ARENA_BYTES_MAX);
    code->catalog = qri_catalog_ref(session->catalog);
    code->temp = session->temp == NULL ? NULL : qri_catalog_ref(session->temp);
    code->catalog_serial = session->catalog_serial;
    code->temp_serial = session->temp_serial;
    code->options_key = options_key(&session->options);
    code->lock_level = qri_lock_level(session);
    code->schema_id = qri_frame_schema(frame);
    *ret_code = code;
    return QR_OK;
}

static void note_plan(struct qri_code *code)
{
    for (size_t i = 0; code->plan != NULL && i < code->plan->depend_count; i++)
        code->uses_temp |= is_temp_object(code->plan->depends[i]);
    if (code->plan == NULL)
        return;
    code->accesses = code->plan->accesses;
    code->select = qri_sql(code->plan->select.text);
    code->need =
        qri_need_of(code->plan->dml != NULL ? code->plan->dml->stage.text : code->plan->select.text,
                    code->plan->depend_count);
}

static enum qr_status finish(struct qri_frame *frame, size_t place, struct qri_code *own_code,
                             enum qr_status status)
{
    if (status != QR_OK) {
        qri_code_free(own_code);
        frame->session->err_is_compile = true;
        return status;
    }
    frame->op->codes[place] = own_code;
    return QR_OK;
}

/* Who may, and whether it is what the transaction's snapshot knows. */
static enum qr_status use(struct qri_frame *frame, struct qri_code *code, struct qr_err *err)
{
    const struct qr_plan *plan = code->plan;
    const struct qri_dml *dml = code->dml;
    if (plan != NULL)
        QR_TRY(qri_tran_fits(frame->session, plan->depends, plan->depend_count, false, err));
    if (dml != NULL)
        QR_TRY(qri_tran_fits(frame->session, dml->reached, dml->reached_count, true, err));
    return qri_want_code(frame, code, err);
}

/* ---- statements ---- */

/* EXECUTE AS may have brought another default schema. */
static bool holds_here(const struct qri_frame *frame, struct qri_code *code)
{
    const struct qr_session *session = frame->session;
    uint32_t schema_id = session->is_owner ? QR_SCHEMA_DBO : qri_access_schema(session);
    return (frame->module != NULL || code->schema_id == schema_id) && qri_code_holds(code, session);
}

enum qr_status qri_code_stmt(struct qri_frame *frame, size_t place, const struct qr_ast_stmt *stmt,
                             struct qri_code **ret_code, struct qr_err *err)
{
    struct qri_code *code = frame->op->codes[place];
    if (code != NULL && holds_here(frame, code)) {
        *ret_code = code;
        return use(frame, code, err);
    }
    QR_TRY(renew(frame, place, &code, err));
    struct qri_making making = qri_making_begin(frame->session);
    struct qr_bind_env env;
    qri_bind_env(frame, frame->op, &env);
    enum qr_status status = qr_tsql_compile(&code->arena, &env, stmt, &code->plan, err);
    if (status == QR_OK) {
        qr_gov_count_optimization();
        note_plan(code);
        if (code->plan->dml != NULL)
            status = qri_dml_prepare(&code->arena, &env, code->plan, &code->dml, err);
        qri_making_end(frame->session, &making, &code->made.of[QRI_MADE_BIND_NS],
                       &code->made.of[QRI_MADE_BIND_CPU_NS]);
        code->made.of[QRI_MADE_BYTES] = (int64_t)(sizeof *code + code->arena.total_bytes);
    }
    QR_TRY(finish(frame, place, code, status));
    *ret_code = code;
    return use(frame, code, err);
}

enum qr_status qri_code_begin_read(struct qri_frame *frame, const struct qr_ast_stmt *stmt,
                                   struct qri_code **code, struct qr_err *err)
{
    struct qr_session *session = frame->session;
    for (;;) {
        QR_TRY(qri_code_stmt(frame, 0, stmt, code, err));
        QR_TRY(qri_prelock(frame, (*code)->plan, false, err));
        enum qri_access access = qri_tran_read_access(session, (*code)->plan);
        QR_TRY(qri_tran_statement_begin(session, access, err));
        if (qri_code_holds(*code, session))
            return QR_OK;
        enum qr_status status = qri_code_stmt(frame, 0, stmt, code, err);
        if (status == QR_OK && (*code)->plan->prelock_count == 0 && access == QRI_READ)
            return QR_OK;
        QR_TRY(qri_tran_statement_end(session, status, err));
    }
}

/* ---- scalars ---- */

struct scalar {
    size_t place;
    const struct qr_ast_expr *ast;
    const struct qr_type *want;
    bool is_condition;
};

static enum qr_status code_scalar(struct qri_frame *frame, const struct scalar *scalar,
                                  struct qri_code **ret_code, struct qr_err *err)
{
    struct qri_code *code = frame->op->codes[scalar->place];
    if (code != NULL && holds_here(frame, code)) {
        *ret_code = code;
        return use(frame, code, err);
    }
    QR_TRY(renew(frame, scalar->place, &code, err));
    struct qr_bind_env env;
    qri_bind_env(frame, frame->op, &env);
    enum qr_status status =
        scalar->is_condition ? qr_tsql_bind_condition(&code->arena, &env, scalar->ast, &code->expr,
                                                      &code->plan, &code->accesses, err)
                             : qr_tsql_bind_scalar(&code->arena, &env, scalar->ast, scalar->want,
                                                   &code->expr, &code->plan, &code->accesses, err);
    if (status == QR_OK)
        note_plan(code);
    QR_TRY(finish(frame, scalar->place, code, status));
    *ret_code = code;
    return use(frame, code, err);
}

struct one_value {
    struct qri_frame *frame;
    struct qr_value value;
};

static enum qr_status keep_value(void *ctx, const struct qr_value *values, size_t count,
                                 struct qr_err *err)
{
    (void)count;
    struct one_value *one = ctx;
    enum qr_status status = qr_value_copy(&one->frame->arena, &values[0], &one->value);
    return status == QR_OK ? QR_OK : qr_fail(err, status, "keep a value");
}

struct scalar_compile {
    struct qri_frame *frame;
    const struct scalar *scalar;
};

static enum qr_status compile_scalar(void *ctx, struct qri_code **ret_code, struct qr_err *err)
{
    struct scalar_compile *s = ctx;
    return code_scalar(s->frame, s->scalar, ret_code, err);
}

/* Runs what reads tables. */
static enum qr_status query_scalar(struct qri_frame *frame, const struct scalar *scalar,
                                   struct qri_code **code, struct qr_value *ret_value,
                                   struct qr_err *err)
{
    struct one_value one = {.frame = frame, .value = qr_value_null()};
    uint64_t count = 0;
    if ((*code)->plan->locks_rows) {
        struct scalar_compile compile = {frame, scalar};
        struct qri_locked_read read = {.frame = frame,
                                       .compile = compile_scalar,
                                       .compile_ctx = &compile,
                                       .row = keep_value,
                                       .row_ctx = &one};
        QR_TRY(qri_read_locked(&read, code, err));
        *ret_value = one.value;
        return QR_OK;
    }
    QR_TRY(qri_prelock(frame, (*code)->plan, false, err));
    QR_TRY(qri_tran_statement_begin(frame->session, QRI_READ, err));
    enum qr_status status = code_scalar(frame, scalar, code, err);
    if (status == QR_OK)
        status = qri_select_each(frame, *code, keep_value, &one, &count, err);
    QR_TRY(qri_tran_statement_end(frame->session, status, err));
    *ret_value = one.value;
    return QR_OK;
}

enum qr_status qri_eval_scalar(struct qri_frame *frame, size_t place, const struct qr_ast_expr *ast,
                               const struct qr_type *want, struct qr_type *ret_type,
                               struct qr_value *ret_value, struct qr_err *err)
{
    struct scalar scalar = {.place = place, .ast = ast, .want = want};
    struct qri_code *code = NULL;
    QR_TRY(code_scalar(frame, &scalar, &code, err));
    if (code->expr != NULL) {
        struct qr_eval eval;
        qri_eval_init(&eval, frame->session, frame, &frame->arena);
        if (ret_type != NULL)
            *ret_type = code->expr->type;
        return qr_expr_eval(code->expr, &eval, ret_value, err);
    }
    QR_TRY(query_scalar(frame, &scalar, &code, ret_value, err));
    if (ret_type != NULL)
        *ret_type = code->plan->columns[0].type;
    return QR_OK;
}

enum qr_status qri_eval_condition(struct qri_frame *frame, size_t place,
                                  const struct qr_ast_expr *ast, bool *ret_true, struct qr_err *err)
{
    struct scalar scalar = {.place = place, .ast = ast, .is_condition = true};
    struct qri_code *code = NULL;
    QR_TRY(code_scalar(frame, &scalar, &code, err));
    if (code->expr != NULL) {
        struct qr_eval eval;
        qri_eval_init(&eval, frame->session, frame, &frame->arena);
        return qr_expr_test(code->expr, &eval, false, ret_true, err);
    }
    struct qr_value value;
    QR_TRY(query_scalar(frame, &scalar, &code, &value, err));
    *ret_true = value.cell == QR_CELL_INT && value.i != 0;
    return QR_OK;
}
