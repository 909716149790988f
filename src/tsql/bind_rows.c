/* bind_rows.c - functions that give rows: STRING_SPLIT, OPENJSON …; see bind_int.h */
#include "expr/regexp.h"
#include "expr/rows.h"
#include "mask_int.h"

#include "base/banned.h"

enum qr_status qri_rows_args(struct qri_compile *c, struct qri_source *source,
                             const struct qr_expr **args, size_t arg_count)
{
    struct qr_type *types = QRI_ARRAY(c, arg_count + 1, struct qr_type);
    if (types == NULL)
        return qri_nomem(c);
    if (arg_count > QR_ROWS_ARGS_MAX)
        return qr_sql_fail(c->err, 8144, qri_text_z(c, source->alias));
    for (size_t i = 0; i < arg_count; i++)
        types[i] = args[i]->type;
    source->args = args;
    source->arg_count = arg_count;
    source->rows->arg_types = types;
    source->rows->arg_count = arg_count;
    return qri_masks_of_args(c, source);
}

static enum qr_status new_rows(struct qri_compile *c, const char *name, size_t column_count,
                               struct qri_source **ret_source)
{
    struct qri_source *source = qri_source_new(c, QRI_SOURCE_ROWS, column_count);
    if (source == NULL)
        return qri_nomem(c);
    source->rows = QRI_NEW(c, struct qr_plan_rows);
    if (source->rows == NULL)
        return qri_nomem(c);
    source->rows->kind = QR_ROWS_BUILTIN;
    source->rows->name = qr_str(name);
    source->rows->column_count = column_count;
    source->alias = qr_str(name);
    *ret_source = source;
    return QR_OK;
}

/* Columns are c1 .. cn in order. */
static void set_column(struct qri_compile *c, struct qri_source *source, size_t i,
                       struct qr_str name, struct qr_type type, bool nullable)
{
    struct qri_column *col = &source->columns[i];
    if (qr_type_is_string(&type) && type.collation == 0)
        type.collation = c->b.collation;
    col->name = name;
    col->type = type;
    col->nullable = nullable;
    col->column_id = (uint32_t)i + 1;
    col->label = qr_type_is_string(&type) ? QR_LABEL_IMPLICIT : QR_LABEL_COERCIBLE_DEFAULT;
}

static enum qr_status finish(struct qri_compile *c, struct qri_source *source)
{
    struct qr_type *types = QRI_ARRAY(c, source->column_count + 1, struct qr_type);
    if (types == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < source->column_count; i++)
        types[i] = source->columns[i].type;
    source->rows->column_types = types;
    return QR_OK;
}

static enum qr_status string_split(struct qri_compile *c, const struct qr_ast_call_source *ast,
                                   const struct qr_expr **args, size_t count,
                                   struct qri_source **ret_source)
{
    (void)ast;
    bool ordinal = count == 3 && args[2]->kind == QR_EXPR_CONST &&
                   !qr_value_is_null(&args[2]->u.value) && args[2]->u.value.i != 0;
    for (size_t i = 0; i < 2; i++)
        if (!qr_type_is_string(&args[i]->type))
            return qr_sql_fail(c->err, 8116, qr_type_name(&args[i]->type), (int)i + 1,
                               "string_split");
    QR_TRY(new_rows(c, "STRING_SPLIT", ordinal ? 2 : 1, ret_source));
    struct qr_type type = args[0]->type;
    if (type.id == QR_TYPE_CHAR || type.id == QR_TYPE_TEXT)
        type.id = QR_TYPE_VARCHAR;
    if (type.id == QR_TYPE_NCHAR || type.id == QR_TYPE_NTEXT)
        type.id = QR_TYPE_NVARCHAR;
    set_column(c, *ret_source, 0, qr_str("value"), type, args[0]->nullable);
    if (ordinal)
        set_column(c, *ret_source, 1, qr_str("ordinal"), qr_type_of(QR_TYPE_BIGINT), false);
    return QR_OK;
}

static enum qr_status generate_series(struct qri_compile *c, const struct qr_ast_call_source *ast,
                                      const struct qr_expr **args, size_t count,
                                      struct qri_source **ret_source)
{
    struct qr_type type;
    (void)ast;
    QR_TRY(qr_series_bind(&c->b, args, count, &type));
    QR_TRY(new_rows(c, "GENERATE_SERIES", 1, ret_source));
    set_column(c, *ret_source, 0, qr_str("value"), type, false);
    return QR_OK;
}

static enum qr_status json_column(struct qri_compile *c, const struct qr_ast_rowset_column *ast,
                                  struct qri_source *source, size_t i,
                                  struct qr_plan_openjson_column *column)
{
    struct qr_type type;
    uint32_t user_type;
    bool nullable;
    QR_TRY(qri_type(c, &ast->type, false, &type, &user_type, &nullable));
    set_column(c, source, i, ast->name.text, type, true);
    column->as_json = ast->as_json;
    if (ast->as_json && type.id != QR_TYPE_JSON && (type.id != QR_TYPE_NVARCHAR || !type.is_max))
        return qr_sql_fail(c->err, 13618);
    if (ast->path == NULL) {
        const char *path =
            qr_arena_printf(c->arena, "$.\"%.*s\"", (int)ast->name.text.n, ast->name.text.p);
        column->path = qr_str(path);
        return path == NULL ? qri_nomem(c) : QR_OK;
    }
    if (ast->path->kind != QR_AE_LITERAL)
        return qr_fail(c->err, QR_UNSUPPORTED, "a JSON path in OPENJSON WITH must be a literal");
    column->path = ((const struct qr_ast_literal *)ast->path)->text;
    return QR_OK;
}

static enum qr_status openjson(struct qri_compile *c, const struct qr_ast_call_source *ast,
                               const struct qr_expr **args, size_t count,
                               struct qri_source **ret_source)
{
    struct qr_type nvarchar_max = qr_type_sized(QR_TYPE_NVARCHAR, 0);
    if (args[0]->type.id == QR_TYPE_JSON)
        QR_TRY(qr_expr_cast(&c->b, nvarchar_max, args[0], NULL, QR_CAST_EXPLICIT, &args[0]));
    for (size_t i = 0; i < count; i++)
        QR_TRY(qr_expr_convert(&c->b, nvarchar_max, args[i], &args[i]));
    if (ast->with_count == 0) {
        QR_TRY(new_rows(c, "OPENJSON", 3, ret_source));
        set_column(c, *ret_source, 0, qr_str("key"), qr_type_sized(QR_TYPE_NVARCHAR, 4000), false);
        set_column(c, *ret_source, 1, qr_str("value"), nvarchar_max, true);
        set_column(c, *ret_source, 2, qr_str("type"), qr_type_of(QR_TYPE_TINYINT), false);
        return QR_OK;
    }
    struct qr_plan_openjson_column *columns =
        QRI_ARRAY(c, ast->with_count, struct qr_plan_openjson_column);
    if (columns == NULL)
        return qri_nomem(c);
    QR_TRY(new_rows(c, "OPENJSON", ast->with_count, ret_source));
    for (size_t i = 0; i < ast->with_count; i++)
        QR_TRY(json_column(c, &ast->with[i], *ret_source, i, &columns[i]));
    (*ret_source)->rows->openjson = columns;
    (*ret_source)->rows->has_with = true;
    return QR_OK;
}

static enum qr_status regexp_args(struct qri_compile *c, const char *name,
                                  const struct qr_expr **args, size_t count,
                                  struct qr_type *ret_type)
{
    QR_TRY(qr_regexp_args(&c->b, name, "spf", args, count));
    *ret_type = args[0]->type;
    return QR_OK;
}

static enum qr_status regexp_matches(struct qri_compile *c, const struct qr_ast_call_source *ast,
                                     const struct qr_expr **args, size_t count,
                                     struct qri_source **ret_source)
{
    struct qr_type type, json = qr_type_of(QR_TYPE_JSON);
    (void)ast;
    QR_TRY(regexp_args(c, "regexp_matches", args, count, &type));
    QR_TRY(new_rows(c, "REGEXP_MATCHES", 5, ret_source));
    set_column(c, *ret_source, 0, qr_str("match_id"), qr_type_of(QR_TYPE_BIGINT), false);
    set_column(c, *ret_source, 1, qr_str("start_position"), qr_type_of(QR_TYPE_INT), false);
    set_column(c, *ret_source, 2, qr_str("end_position"), qr_type_of(QR_TYPE_INT), false);
    set_column(c, *ret_source, 3, qr_str("match_value"), type, false);
    set_column(c, *ret_source, 4, qr_str("substring_matches"), json, false);
    return QR_OK;
}

static enum qr_status regexp_split(struct qri_compile *c, const struct qr_ast_call_source *ast,
                                   const struct qr_expr **args, size_t count,
                                   struct qri_source **ret_source)
{
    struct qr_type type;
    (void)ast;
    QR_TRY(regexp_args(c, "regexp_split_to_table", args, count, &type));
    QR_TRY(new_rows(c, "REGEXP_SPLIT_TO_TABLE", 2, ret_source));
    set_column(c, *ret_source, 0, qr_str("value"), type, false);
    set_column(c, *ret_source, 1, qr_str("ordinal"), qr_type_of(QR_TYPE_BIGINT), false);
    return QR_OK;
}

static const struct builtin {
    const char *name;
    size_t args_min, args_max;
    enum qr_status (*bind)(struct qri_compile *c, const struct qr_ast_call_source *ast,
                           const struct qr_expr **args, size_t count,
                           struct qri_source **ret_source);
} builtins[] = {
    {"STRING_SPLIT", 2, 3, string_split},
    {"GENERATE_SERIES", 2, 3, generate_series},
    {"OPENJSON", 1, 2, openjson},
    {"REGEXP_MATCHES", 2, 3, regexp_matches},
    {"REGEXP_SPLIT_TO_TABLE", 2, 3, regexp_split},
};

/* A dynamic management function: its columns are in the system catalog, its rows the engine's. */
static enum qr_status system_function(struct qri_compile *c, const struct qr_cat_object *object,
                                      const struct qr_ast_exprs *ast_args,
                                      struct qri_source **ret_source)
{
    const struct qr_expr **args = NULL;
    QR_TRY(qri_rowset_source(c, object->name, object, ret_source));
    (*ret_source)->rows->kind = QR_ROWS_BUILTIN;
    QR_TRY(qri_exprs(c, ast_args, &args));
    return qri_rows_args(c, *ret_source, args, ast_args->count);
}

/* x.nodes('path') AS t(c): rows of one column, whose values stand for nodes. */
static enum qr_status xml_nodes(struct qri_compile *c, const struct qr_expr *object,
                                const struct qr_ast_exprs *ast_args, struct qri_source **ret_source)
{
    const struct qr_expr **args = QRI_ARRAY(c, 2, const struct qr_expr *);
    if (args == NULL)
        return qri_nomem(c);
    if (object->type.id != QR_TYPE_XML)
        return qr_sql_fail(c->err, 258, qr_type_name(&object->type));
    if (c->namespaces != NULL)
        return qr_fail(c->err, QR_UNSUPPORTED, "WITH XMLNAMESPACES for methods of xml");
    if (ast_args->count != 1)
        return qr_sql_fail(c->err, 174, "nodes", 1);
    args[0] = object;
    QR_TRY(qri_expr(c, ast_args->items[0], &args[1]));
    QR_TRY(qr_expr_convert(&c->b, qr_type_sized(QR_TYPE_NVARCHAR, 0), args[1], &args[1]));
    QR_TRY(new_rows(c, "XML NODES", 1, ret_source));
    set_column(c, *ret_source, 0, qr_str("nodes"), qr_type_of(QR_TYPE_XML), false);
    QR_TRY(qri_rows_args(c, *ret_source, args, 2));
    return finish(c, *ret_source);
}

static enum qr_status method_source(struct qri_compile *c, const struct qr_ast_expr *head,
                                    struct qri_source **ret_source)
{
    const struct qr_ast_method *ast = (const struct qr_ast_method *)head;
    const struct qr_expr *object = NULL;
    if (ast->object == NULL || !qr_str_ieqz(ast->method.text, "nodes"))
        return qr_fail(c->err, QR_UNSUPPORTED, "method %.*s() in FROM is not supported",
                       (int)ast->method.text.n, ast->method.text.p);
    QR_TRY(qri_expr(c, ast->object, &object));
    return xml_nodes(c, object, &ast->args, ret_source);
}

enum qr_status qri_call_source(struct qri_compile *c, const struct qr_ast_call_source *ast,
                               struct qri_source **ret_source)
{
    if (ast->call->kind == QR_AE_METHOD)
        return method_source(c, ast->call, ret_source);
    const struct qr_ast_call *call = (const struct qr_ast_call *)ast->call;
    struct qr_str name = call->name.parts[call->name.count - 1].text;
    for (size_t i = 0; call->name.count == 1 && i < sizeof(builtins) / sizeof(builtins[0]); i++) {
        const struct qr_expr **args = NULL;
        if (!qr_str_ieqz(name, builtins[i].name))
            continue;
        if (call->args.count < builtins[i].args_min)
            return qr_sql_fail(c->err, 313, builtins[i].name);
        if (call->args.count > builtins[i].args_max)
            return qr_sql_fail(c->err, 8144, builtins[i].name);
        QR_TRY(qri_exprs(c, &call->args, &args));
        QR_TRY(builtins[i].bind(c, ast, args, call->args.count, ret_source));
        QR_TRY(qri_rows_args(c, *ret_source, args, call->args.count));
        return finish(c, *ret_source);
    }
    struct qri_object found = {0};
    const struct qr_expr *object = NULL;
    bool is_nodes = call->name.count > 1 && qr_str_ieqz(name, "nodes");
    if (!is_nodes || call->name.count == 2)
        QR_TRY(qri_object_find(c, &call->name, is_nodes, &found));
    if (found.object == NULL) {
        QR_TRY(qri_xml_object(c, call, &object));
        return xml_nodes(c, object, &call->args, ret_source);
    }
    if (found.object->type == QR_CAT_FN_INLINE || found.object->type == QR_CAT_FN_TABLE)
        return qri_function_source(c, &found, &call->args, ret_source);
    if (found.object->type == QR_CAT_SYSTEM_VIEW)
        QR_TRY(qri_use_call(c, &found, QR_ACCESS_SELECT));
    if (found.object->type == QR_CAT_SYSTEM_VIEW)
        return system_function(c, found.object, &call->args, ret_source);
    return qr_sql_fail(c->err, found.object->type == QR_CAT_TABLE ? 215 : 208,
                       qri_name_z(c, &call->name));
}
