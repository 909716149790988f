/* run_exec.c - EXEC: procedures, system procedures, dynamic SQL. */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "access_int.h"
#include "frame.h"
#include "sysproc.h"
#include "base/banned.h"

enum { NAME_PARTS_MAX = 4 };

/* ---- names ---- */

const char *qri_name_print(struct qr_arena *arena, const struct qr_ast_name *name)
{
    struct qr_buf buf;
    qr_buf_init(&buf, 4096);
    for (uint32_t i = 0; i < name->count; i++) {
        if (i > 0)
            qr_buf_add8(&buf, '.');
        qr_buf_addstr(&buf, name->parts[i].text);
    }
    const char *text = qr_arena_dup(arena, buf.data, buf.len);
    qr_buf_done(&buf);
    return text == NULL ? "" : text;
}

const struct qr_cat_object *qri_object_by_id(struct qr_session *session, uint32_t object_id)
{
    if (object_id >= QRI_TEMP_OBJECT_FIRST)
        return session->temp == NULL ? NULL : qr_cat_by_id(&session->temp->cat, object_id);
    return qr_cat_by_id(&session->catalog->cat, object_id);
}

static bool is_own_database(const struct qr_session *session, struct qr_str name)
{
    return name.n == 0 || qr_str_ieq(name, qri_info(session->db)->name);
}

enum qr_status qri_find_object(struct qr_session *session, const struct qr_ast_name *name,
                               const struct qr_cat_object **ret_object, struct qr_err *err)
{
    *ret_object = NULL;
    struct qr_str object = name->parts[name->count - 1].text;
    if (object.n > 0 && object.p[0] == '#') {
        if (session->temp != NULL)
            *ret_object = qr_cat_find(&session->temp->cat, QR_SCHEMA_DBO, object);
        return QR_OK;
    }
    if (name->count > 3 || (name->count == 3 && !is_own_database(session, name->parts[0].text))) {
        char text[300];
        snprintf(text, sizeof text, "%.*s", (int)name->parts[0].text.n, name->parts[0].text.p);
        return qr_sql_fail(err, 40515, text);
    }
    uint32_t schema_id =
        session->frame != NULL ? qri_frame_schema(session->frame) : qri_access_schema(session);
    const struct qr_catalog *cat = &session->catalog->cat;
    if (name->count >= 2 && name->parts[name->count - 2].text.n > 0) {
        const struct qr_cat_schema *schema =
            qr_cat_schema_find(cat, name->parts[name->count - 2].text);
        if (schema == NULL)
            return QR_OK;
        schema_id = schema->schema_id;
    }
    *ret_object = qr_cat_find(cat, schema_id, object);
    if (*ret_object == NULL && schema_id != QR_SCHEMA_DBO && name->count == 1)
        *ret_object = qr_cat_find(cat, QR_SCHEMA_DBO, object);
    return QR_OK;
}

/* ---- arguments ---- */

static enum qr_status eval_arg(struct qri_frame *frame, const struct qr_ast_exec_arg *item,
                               size_t place, struct qri_call_arg *arg, struct qr_err *err)
{
    const struct qr_ast_expr *value = item->value;
    *arg = (struct qri_call_arg){
        .name = item->name, .is_output = item->output, .out_slot = UINT32_MAX};
    if (value->kind == QR_AE_LITERAL &&
        ((const struct qr_ast_literal *)value)->literal == QR_LIT_DEFAULT) {
        arg->is_default = true;
        return QR_OK;
    }
    if (value->kind == QR_AE_COLUMN) { /* a bare word is a string */
        const struct qr_ast_name *name = &((const struct qr_ast_column *)value)->name;
        struct qr_str text = name->parts[name->count - 1].text;
        arg->type = qr_type_sized(QR_TYPE_NVARCHAR, text.n == 0 ? 1 : text.n);
        arg->value = qr_value_str(text);
        return QR_OK;
    }
    uint32_t slot = 0;
    if (value->kind == QR_AE_VARIABLE &&
        qri_var_find(frame, ((const struct qr_ast_variable *)value)->name, &slot)) {
        if (item->output)
            arg->out_slot = slot;
        if (frame->unit->vars[slot].table != NULL) {
            arg->type = qr_type_of(QR_TYPE_TABLE);
            arg->user_type_id = frame->unit->vars[slot].user_type_id;
            return qri_var_rowset(frame, slot, &arg->rowset, err);
        }
    }
    return qri_eval_scalar(frame, place, value, NULL, &arg->type, &arg->value, err);
}

static enum qr_status eval_args(struct qri_frame *frame, const struct qr_ast_exec *stmt,
                                size_t place, struct qri_call_arg **ret_args, struct qr_err *err)
{
    struct qri_call_arg *args = qr_arena_array(&frame->arena, stmt->arg_count + 1, sizeof *args);
    if (args == NULL)
        return qr_fail(err, QR_NOMEM, "call a procedure");
    for (size_t i = 0; i < stmt->arg_count; i++)
        QR_TRY(eval_arg(frame, &stmt->args[i], place + 1 + i, &args[i], err));
    *ret_args = args;
    return QR_OK;
}

/* ---- EXEC ---- */

static enum qr_status exec_string(struct qri_frame *frame, const struct qr_ast_exec *stmt,
                                  size_t place, struct qr_err *err)
{
    if (stmt->at_server.text.n > 0)
        return qr_fail(err, QR_UNSUPPORTED, "EXECUTE AT a linked server is not supported.");
    struct qr_type want = qr_type_sized(QR_TYPE_NVARCHAR, 0);
    struct qr_value text;
    QR_TRY(qri_eval_scalar(frame, place, stmt->string, &want, NULL, &text, err));
    if (text.cell != QR_CELL_TEXT)
        return QR_OK; /* NULL runs nothing */
    struct qr_session *session = frame->session;
    const struct qri_context *before = session->context_now;
    if (stmt->as_login)
        return qr_sql_fail(err, 40510, "EXECUTE AS LOGIN");
    if (stmt->as_user.count > 0) {
        uint32_t user_id = 0;
        QR_TRY(qri_impersonate(session, stmt->as_user.parts[0].text, &user_id, err));
        QR_TRY(qri_access_push(session, user_id, err));
    }
    enum qr_status status = qri_call_text(session, qr_value_bytes(&text), (struct qr_str){0}, NULL,
                                          0, false, NULL, err);
    qri_access_leave(session, before);
    return status;
}

/* EXEC @p: the name is the variable's text. */
static enum qr_status name_of_variable(struct qri_frame *frame, struct qr_str variable,
                                       struct qr_ast_name *ret_name, struct qr_err *err)
{
    uint32_t slot = 0;
    if (!qri_var_find(frame, variable, &slot))
        return qr_sql_fail(err, 137, qr_arena_str(&frame->arena, variable).p);
    struct qr_str text = qr_value_is_null(&frame->vars[slot]) ? (struct qr_str){NULL, 0}
                                                              : qr_value_bytes(&frame->vars[slot]);
    return qri_name_parse(&frame->arena, text, ret_name, err);
}

/* Takes a part in [] or "" off `*rest`, without them and with their doubled ends made one. */
static bool quoted_part(struct qr_arena *arena, struct qr_str *rest, struct qr_ast_ident *ret)
{
    char end = rest->p[0] == '[' ? ']' : '"';
    char *text = qr_arena_alloc(arena, rest->n);
    size_t n = 0, i = 1;
    bool closed = false;
    for (; text != NULL && i < rest->n; i++) {
        if (rest->p[i] == end && (closed = ++i == rest->n || rest->p[i] != end))
            break;
        text[n++] = rest->p[i];
    }
    *rest = (struct qr_str){rest->p + i, rest->n - i};
    *ret = (struct qr_ast_ident){.text = {text, n}, .quoted = true};
    return closed && n > 0;
}

static struct qr_str without_blanks(struct qr_str text)
{
    while (text.n > 0 && text.p[0] == ' ')
        text = (struct qr_str){text.p + 1, text.n - 1};
    while (text.n > 0 && text.p[text.n - 1] == ' ')
        text.n--;
    return text;
}

/* Up to the next '.'; false if that is neither next nor the end. */
static bool next_part(struct qr_arena *arena, struct qr_str *rest, struct qr_ast_ident *ret)
{
    *rest = without_blanks(*rest);
    if (rest->n > 0 && (rest->p[0] == '[' || rest->p[0] == '"')) {
        if (!quoted_part(arena, rest, ret))
            return false;
        *rest = without_blanks(*rest);
        return rest->n == 0 || rest->p[0] == '.';
    }
    size_t n = 0;
    while (n < rest->n && rest->p[n] != '.')
        n++;
    *ret = (struct qr_ast_ident){.text = without_blanks((struct qr_str){rest->p, n})};
    *rest = (struct qr_str){rest->p + n, rest->n - n};
    return true;
}

enum qr_status qri_name_parse(struct qr_arena *arena, struct qr_str text,
                              struct qr_ast_name *ret_name, struct qr_err *err)
{
    struct qr_ast_name name = {0};
    struct qr_str rest = text;
    name.parts = qr_arena_alloc(arena, NAME_PARTS_MAX * sizeof *name.parts);
    if (name.parts == NULL)
        return qr_fail(err, QR_NOMEM, "name");
    for (bool more = true; more;) {
        if (name.count == NAME_PARTS_MAX || !next_part(arena, &rest, &name.parts[name.count]))
            return qr_sql_fail(err, 2812, qr_arena_str(arena, text).p);
        name.count++;
        more = rest.n > 0; /* at a '.' */
        if (more)
            rest = (struct qr_str){rest.p + 1, rest.n - 1};
    }
    if (name.parts[name.count - 1].text.n == 0)
        return qr_sql_fail(err, 2812, qr_arena_str(arena, text).p);
    *ret_name = name;
    return QR_OK;
}

static const struct qr_cat_object *through_synonym(struct qr_session *session,
                                                   const struct qr_cat_object *object)
{
    if (object == NULL || object->type != QR_CAT_SYNONYM)
        return object;
    struct qr_ast_name base;
    struct qr_arena *arena =
        session->frame == NULL ? &session->fn_arenas[0] : &session->frame->arena;
    const struct qr_cat_object *target = NULL;
    if (qri_name_parse(arena, object->text, &base, NULL) != QR_OK ||
        qri_find_object(session, &base, &target, NULL) != QR_OK)
        return NULL;
    return target;
}

enum qr_status qri_call_by_name(struct qr_session *session, const struct qr_ast_name *name,
                                struct qri_call_arg *args, size_t arg_count, bool is_rpc,
                                int32_t *ret_status, struct qr_err *err)
{
    const struct qr_cat_object *object = NULL;
    const struct qri_sysproc *system = qri_sysproc_find(name->parts[name->count - 1].text);
    if (system != NULL) {
        QR_TRY(qri_want_procedure(session, qr_str(system->name), err));
        return system->run(session, args, arg_count, ret_status, err);
    }
    QR_TRY(qri_find_object(session, name, &object, err));
    const struct qr_cat_object *named = object;
    object = through_synonym(session, object);
    const struct qr_catalog *sys = NULL;
    if (object == NULL && qri_system_catalog(&sys, NULL) == QR_OK)
        object = qr_cat_find(sys, QR_SCHEMA_SYS, name->parts[name->count - 1].text);
    if (object != NULL && qri_is_system_object(object))
        QR_TRY(qri_want_procedure(session, object->name, err));
    if (object != NULL && (object->type == QR_CAT_PROC || object->type == QR_CAT_FN_SCALAR)) {
        QR_TRY(qri_tran_fits(session, &object, 1, false, err));
        QR_TRY(qri_want_call(session, object, named == object ? NULL : named, err));
    }
    if (object != NULL && object->type == QR_CAT_PROC)
        return qri_call_procedure(session, object, args, arg_count, is_rpc, ret_status, err);
    if (object != NULL && object->type == QR_CAT_FN_SCALAR)
        return qri_exec_function(session, object, args, arg_count, ret_status, err);
    struct qr_arena arena;
    qr_arena_init(&arena, 1 << 16);
    const char *text = qri_name_print(&arena, name);
    enum qr_status status = object == NULL ? qr_sql_fail(err, 2812, text)
                                           : qr_sql_fail(err, 2809, "procedure", text, text,
                                                         qr_cat_type_desc(object->type));
    qr_arena_done(&arena);
    return status;
}

/* EXEC @x = dbo.f 1: a scalar function called as a procedure. */
enum qr_status qri_exec_function(struct qr_session *session, const struct qr_cat_object *function,
                                 struct qri_call_arg *args, size_t arg_count, int32_t *ret_status,
                                 struct qr_err *err)
{
    struct qr_type types[64];
    struct qr_value values[64];
    if (arg_count > 64)
        return qr_sql_fail(err, 8144, "function");
    for (size_t i = 0; i < arg_count; i++) {
        types[i] = args[i].type;
        values[i] = args[i].value;
    }
    struct qr_arena arena;
    qr_arena_init(&arena, QRI_STMT_ARENA_BYTES_MAX);
    struct qr_value value = qr_value_null();
    enum qr_status status =
        qri_call_scalar(session, function, types, values, arg_count, NULL, &arena, &value, err);
    if (status == QR_OK && value.cell == QR_CELL_INT)
        *ret_status = (int32_t)value.i;
    qr_arena_done(&arena);
    return status;
}

enum qr_status qri_exec_any(struct qri_frame *frame, const struct qr_ast_exec *stmt, size_t place,
                            struct qr_err *err)
{
    if (stmt->string != NULL)
        return exec_string(frame, stmt, place, err);
    struct qr_ast_name name = stmt->procedure;
    if (stmt->procedure_variable.n > 0)
        QR_TRY(name_of_variable(frame, stmt->procedure_variable, &name, err));
    struct qri_call_arg *args = NULL;
    QR_TRY(eval_args(frame, stmt, place, &args, err));
    int32_t status_value = 0;
    QR_TRY(
        qri_call_by_name(frame->session, &name, args, stmt->arg_count, false, &status_value, err));
    uint32_t slot = 0;
    if (stmt->return_variable.n == 0)
        return QR_OK;
    if (!qri_var_find(frame, stmt->return_variable, &slot))
        return qr_sql_fail(err, 137, qr_arena_str(&frame->arena, stmt->return_variable).p);
    struct qr_type type = qr_type_of(QR_TYPE_INT);
    struct qr_value value = qr_value_int(status_value);
    return qri_var_assign(frame, slot, &type, &value, err);
}

enum qr_status qri_run_exec(struct qri_frame *frame, const struct qri_op *op, struct qr_err *err)
{
    return qri_exec_stmt(frame, (const struct qr_ast_exec *)op->stmt, 0, err);
}
