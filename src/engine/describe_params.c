/* describe_params.c - sp_describe_undeclared_parameters; see describe_int.h.
 *
 * Statements are compiled with the unknown variables of no type at all; the first place that wants
 * one of a type decides. */
#include "access_int.h"
#include "describe_int.h"
#include "base/banned.h"

enum { UNDECLARED_MAX = 2100 };

struct unknown {
    struct qr_str name;
    struct qr_str formal; /* the procedure's own name for it; n 0: none */
    struct qr_type type;
    bool is_known, is_output;
};

struct undeclared {
    struct qr_session *session;
    struct qr_arena arena;
    struct qr_tsql_batch *batch;
    struct unknown *list;
    size_t count;
    struct qr_bind_var *vars; /* declared ones first */
    size_t var_count, declared_count;
    struct qr_err *err;
};

/* What is compared or computed with is as long as its family can be. */
static struct qr_type widest(struct qr_type type)
{
    struct qr_type wide = type;
    switch ((int)type.id) {
    case QR_TYPE_CHAR:
    case QR_TYPE_VARCHAR:
        wide = type.is_max ? type : qr_type_sized(QR_TYPE_VARCHAR, QR_CHAR_LENGTH_MAX);
        break;
    case QR_TYPE_NCHAR:
    case QR_TYPE_NVARCHAR:
        wide = type.is_max ? type : qr_type_sized(QR_TYPE_NVARCHAR, QR_NCHAR_LENGTH_MAX);
        break;
    case QR_TYPE_BINARY:
    case QR_TYPE_VARBINARY:
        wide = type.is_max ? type : qr_type_sized(QR_TYPE_VARBINARY, QR_CHAR_LENGTH_MAX);
        break;
    case QR_TYPE_DECIMAL:
    case QR_TYPE_NUMERIC:
        wide.precision = 38;
        wide.scale = 19;
        break;
    default:
        break;
    }
    wide.collation = type.collation;
    return wide;
}

static void found(void *ctx, uint32_t slot, const struct qr_type *type, bool exact)
{
    struct undeclared *u = ctx;
    for (size_t i = u->declared_count; i < u->var_count; i++) {
        struct unknown *unknown = &u->list[i - u->declared_count];
        if (u->vars[i].slot != slot || unknown->is_known || type->id == QR_TYPE_NULL)
            continue;
        unknown->type = exact ? *type : widest(*type);
        unknown->is_known = true;
    }
}

static struct unknown *find_unknown(struct undeclared *u, struct qr_str name)
{
    for (size_t i = 0; i < u->count; i++)
        if (qr_str_ieq(u->list[i].name, name))
            return &u->list[i];
    return NULL;
}

/* ---- statements ---- */

/* EXEC p @a, @x = @b: parameters of the procedure tell. */
static enum qr_status look_at_call(struct undeclared *u, const struct qr_ast_exec *exec)
{
    const struct qr_cat_object *proc = NULL;
    if (exec->procedure.count == 0)
        return QR_OK;
    QR_TRY(qri_find_object(u->session, &exec->procedure, &proc, u->err));
    if (proc == NULL)
        return qr_sql_fail(u->err, 2812, qri_name_print(&u->arena, &exec->procedure));
    for (size_t i = 0; i < exec->arg_count; i++) {
        const struct qr_ast_exec_arg *arg = &exec->args[i];
        if (arg->value->kind != QR_AE_VARIABLE)
            continue;
        struct unknown *unknown =
            find_unknown(u, ((const struct qr_ast_variable *)arg->value)->name);
        for (size_t k = 0; unknown != NULL && k < proc->param_count; k++) {
            const struct qr_cat_param *param = &proc->params[k];
            bool is_it =
                arg->name.n > 0 ? qr_str_ieq(arg->name, param->name) : param->parameter_id == i + 1;
            if (!is_it || unknown->is_known)
                continue;
            unknown->type = param->type;
            unknown->formal = param->name;
            unknown->is_output = param->is_output;
            unknown->is_known = true;
        }
    }
    return QR_OK;
}

static enum qr_status look_at(struct undeclared *u, const struct qr_bind_env *env,
                              const struct qr_ast_stmt *stmt)
{
    struct qr_plan *plan = NULL;
    switch ((int)stmt->kind) {
    case QR_AS_SELECT:
    case QR_AS_INSERT:
    case QR_AS_UPDATE:
    case QR_AS_DELETE:
    case QR_AS_MERGE:
        QR_TRY(qr_tsql_compile(&u->arena, env, stmt, &plan, u->err));
        return qri_want_accesses(u->session, NULL, &plan->accesses, u->err);
    case QR_AS_EXEC:
        return look_at_call(u, (const struct qr_ast_exec *)stmt);
    default:
        return QR_OK;
    }
}

/* ---- the list ---- */

static enum qr_status list_unknown(struct undeclared *u, const struct qri_unit *unit)
{
    size_t uses = u->batch->undeclared_count;
    u->list = qr_arena_array(&u->arena, uses + 1, sizeof *u->list);
    u->vars = qr_arena_array(&u->arena, unit->var_count + uses + 1, sizeof *u->vars);
    if (u->list == NULL || u->vars == NULL)
        return qr_fail(u->err, QR_NOMEM, "describe parameters");
    u->declared_count = u->var_count = unit->var_count;
    for (size_t i = 0; i < unit->var_count; i++)
        u->vars[i] = unit->vars[i];
    for (size_t i = 0; i < uses; i++) {
        struct qr_str name = u->batch->undeclared[i].name;
        bool is_declared = find_unknown(u, name) != NULL;
        for (size_t k = 0; k < unit->var_count; k++)
            is_declared |= qr_str_ieq(unit->vars[k].name, name);
        if (is_declared)
            continue;
        if (u->count >= UNDECLARED_MAX)
            return qr_sql_fail(u->err, 180, "sp_describe_undeclared_parameters", UNDECLARED_MAX);
        u->list[u->count++].name = name;
        u->vars[u->var_count] = (struct qr_bind_var){
            .name = name, .slot = (uint32_t)u->var_count, .type = qr_type_of(QR_TYPE_NULL)};
        u->var_count++;
    }
    return QR_OK;
}

/* A unit of no statement holds what `params` declares. */
static enum qr_status deduce(struct undeclared *u, struct qr_str text, struct qr_str params)
{
    struct qr_session *session = u->session;
    struct qri_source none = {.kind = QRI_UNIT_BATCH, .text = qr_str(""), .params = params};
    struct qr_tsql_options options = {.quoted_identifier = session->options.quoted_identifier};
    struct qri_unit *unit = NULL;
    struct qri_frame frame;
    QR_TRY(qr_tsql_parse(&u->arena, text.p, text.n, &options, &u->batch, u->err));
    QR_TRY(qri_unit_take(session, &none, &unit, u->err));
    enum qr_status status = qri_frame_push(session, &frame, unit, u->err);
    if (status == QR_OK) {
        struct qr_expr_untyped untyped = {found, u};
        struct qr_bind_env env;
        frame.is_scope = true;
        status = list_unknown(u, unit);
        qri_bind_env(&frame, NULL, &env);
        env.vars = u->vars;
        env.var_count = u->var_count;
        env.untyped = &untyped;
        for (size_t i = 0; i < u->batch->stmts.count && status == QR_OK; i++)
            status = look_at(u, &env, u->batch->stmts.items[i]);
        qri_frame_pop(&frame);
    }
    qri_unit_put(session, unit);
    return status;
}

/* ---- telling it ---- */

enum kind { INT, NAME, TYPE_NAME, SMALL, TINY, LONG_NAME, BIT };

static const struct {
    const char *name;
    enum kind kind;
    bool nullable;
} shape[] = {
    {"parameter_ordinal", INT, false},
    {"name", NAME, false},
    {"suggested_system_type_id", INT, false},
    {"suggested_system_type_name", TYPE_NAME, true},
    {"suggested_max_length", SMALL, false},
    {"suggested_precision", TINY, false},
    {"suggested_scale", TINY, false},
    {"suggested_user_type_id", INT, true},
    {"suggested_user_type_database", NAME, true},
    {"suggested_user_type_schema", NAME, true},
    {"suggested_user_type_name", NAME, true},
    {"suggested_assembly_qualified_type_name", LONG_NAME, true},
    {"suggested_xml_collection_id", INT, true},
    {"suggested_xml_collection_database", NAME, true},
    {"suggested_xml_collection_schema", NAME, true},
    {"suggested_xml_collection_name", NAME, true},
    {"suggested_is_xml_document", BIT, false},
    {"suggested_is_case_sensitive", BIT, false},
    {"suggested_is_fixed_length_clr_type", BIT, false},
    {"suggested_is_input", BIT, false},
    {"suggested_is_output", BIT, false},
    {"formal_parameter_name", NAME, true},
    {"suggested_tds_type_id", INT, false},
    {"suggested_tds_length", INT, false},
};
enum { COLUMNS = sizeof shape / sizeof shape[0] };

static struct qr_type type_of(enum kind kind)
{
    static const uint16_t lengths[] = {[NAME] = 128, [TYPE_NAME] = 256, [LONG_NAME] = 4000};
    static const enum qr_type_id ids[] = {[INT] = QR_TYPE_INT,
                                          [SMALL] = QR_TYPE_SMALLINT,
                                          [TINY] = QR_TYPE_TINYINT,
                                          [BIT] = QR_TYPE_BIT};
    if (kind != NAME && kind != TYPE_NAME && kind != LONG_NAME)
        return qr_type_of(ids[kind]);
    struct qr_type type = qr_type_sized(QR_TYPE_NVARCHAR, lengths[kind]);
    type.collation = QR_COLLATION_DEFAULT;
    return type;
}

static enum qr_status fill(struct undeclared *u, size_t i, struct qr_value *v)
{
    enum { MAX_LENGTH_ON_WIRE = 0xFFFF };
    const struct unknown *unknown = &u->list[i];
    const struct qr_type *type = &unknown->type;
    char text[QR_TYPE_NAME_BYTES];
    for (size_t k = 0; k < COLUMNS; k++)
        v[k] = shape[k].nullable ? qr_value_null() : qr_value_int(0);
    struct qr_str type_name = qr_arena_str(&u->arena, qr_str(qr_type_print(type, text)));
    if (type_name.p == NULL)
        return qr_fail(u->err, QR_NOMEM, "describe parameters");
    int length = qr_type_max_length(type);
    v[0] = qr_value_int((int64_t)i + 1);
    v[1] = qr_value_str(unknown->name);
    v[2] = qr_value_int(qr_type_info(type->id)->system_type_id);
    v[3] = qr_value_str(type_name);
    v[4] = qr_value_int(length);
    v[5] = qr_value_int(qr_type_precision(type));
    v[6] = qr_value_int(qr_type_scale(type));
    v[19] = qr_value_int(1);
    v[20] = qr_value_int(unknown->is_output);
    if (unknown->formal.n > 0)
        v[21] = qr_value_str(unknown->formal);
    v[22] = qr_value_int(qri_describe_tds_type(type, true));
    v[23] = qr_value_int(length < 0 ? MAX_LENGTH_ON_WIRE : length);
    return QR_OK;
}

static enum qr_status tell(struct undeclared *u)
{
    const struct qr_sink *sink = u->session->sink;
    struct qr_plan_column columns[COLUMNS] = {0};
    struct qr_value values[COLUMNS];
    for (size_t i = 0; i < u->count; i++)
        if (!u->list[i].is_known)
            return qr_sql_fail(u->err, 11506, qr_arena_str(&u->arena, u->list[i].name).p);
    for (size_t i = 0; i < COLUMNS; i++) {
        columns[i].name = qr_str(shape[i].name);
        columns[i].type = type_of(shape[i].kind);
        columns[i].flags = shape[i].nullable ? QR_COLUMN_NULLABLE : 0;
    }
    QR_TRY(sink->columns(sink->ctx, columns, COLUMNS, NULL, 0));
    u->session->result_open = true;
    for (size_t i = 0; i < u->count; i++) {
        QR_TRY(fill(u, i, values));
        QR_TRY(sink->row(sink->ctx, values, COLUMNS));
    }
    return qri_send_done(u->session, true, u->count, false, 0xC1);
}

enum qr_status qri_describe_parameters(struct qr_session *session, struct qr_str text,
                                       struct qr_str params, struct qr_err *err)
{
    struct undeclared u = {.session = session, .err = err};
    qr_arena_init(&u.arena, QRI_UNIT_ARENA_BYTES_MAX);
    qri_session_refresh_catalog(session);
    struct qri_catalog *hold = qri_catalog_ref(session->catalog);
    enum qr_status status = deduce(&u, text, params);
    if (status == QR_OK)
        status = tell(&u);
    qri_catalog_unref(hold);
    qr_arena_done(&u.arena);
    return status;
}
