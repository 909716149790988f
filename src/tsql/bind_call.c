/* bind_call.c - function calls: built-ins, aggregates, user functions; see bind_int.h */
#include "bind_int.h"

#include <string.h>

#include "base/banned.h"

/* --- built-ins with a syntax of their own --- */

static enum qr_status bind_iif(struct qri_compile *c, const struct qr_ast_call *ast,
                               const struct qr_expr **ret_expr)
{
    const struct qr_expr *condition = NULL, *then = NULL, *otherwise = NULL;
    if (ast->args.count != 3)
        return qr_sql_fail(c->err, 174, "IIF", 3);
    bool in_choice = c->in_choice;
    c->in_choice = true;
    QR_TRY(qri_condition(c, ast->args.items[0], &condition));
    QR_TRY(qri_expr(c, ast->args.items[1], &then));
    QR_TRY(qri_expr(c, ast->args.items[2], &otherwise));
    c->in_choice = in_choice;
    return qr_expr_iif(&c->b, condition, then, otherwise, ret_expr);
}

static enum qr_status bind_trim(struct qri_compile *c, const struct qr_ast_call *ast,
                                const struct qr_expr **ret_expr)
{
    const struct qr_expr **args = NULL, *in_order[3];
    static const int sides[] = {
        [QR_TRIM_NONE] = 0,     [QR_TRIM_FROM] = 0, [QR_TRIM_LEADING] = 1,
        [QR_TRIM_TRAILING] = 2, [QR_TRIM_BOTH] = 0,
    };
    QR_TRY(qri_exprs(c, &ast->args, &args));
    if (ast->trim == QR_TRIM_NONE || ast->args.count != 2)
        return qr_expr_call(&c->b, qr_str("TRIM"), args, ast->args.count, ret_expr);
    in_order[0] = args[1];
    in_order[1] = args[0];
    QR_TRY(qr_expr_int(&c->b, sides[ast->trim], &in_order[2]));
    return qr_expr_call(&c->b, qr_str("TRIM"), in_order, 3, ret_expr);
}

static enum qr_status bind_grouping(struct qri_compile *c, const struct qr_ast_call *ast,
                                    const struct qr_expr **ret_expr)
{
    bool is_id = qr_str_ieqz(ast->name.parts[0].text, "GROUPING_ID");
    struct qri_leaf *leaf = QRI_NEW(c, struct qri_leaf);
    if (leaf == NULL)
        return qri_nomem(c);
    if (ast->args.count == 0 || (!is_id && ast->args.count != 1))
        return qr_sql_fail(c->err, 174, is_id ? "grouping_id" : "grouping", 1);
    if (c->scope == NULL || c->scope->query == NULL || c->clause < QRI_CLAUSE_HAVING)
        return qr_sql_fail(c->err, 8161, 1, is_id ? "GROUPING_ID" : "GROUPING");
    leaf->kind = QRI_LEAF_GROUPING;
    leaf->block = c->scope->query;
    leaf->arg_count = ast->args.count;
    c->in_aggregate = true;
    QR_TRY(qri_exprs(c, &ast->args, &leaf->args));
    c->in_aggregate = false;
    struct qr_expr_foreign shape = {.type = qr_type_of(is_id ? QR_TYPE_INT : QR_TYPE_TINYINT)};
    return qri_leaf(c, leaf, &shape, ret_expr);
}

/* "" if it is something else. */
static struct qr_str bare_word(const struct qr_ast_expr *ast)
{
    if (ast->kind == QR_AE_COLUMN && ((const struct qr_ast_column *)ast)->name.count == 1)
        return ((const struct qr_ast_column *)ast)->name.parts[0].text;
    return qr_str("");
}

static enum qr_status bind_datepart(struct qri_compile *c, const struct qr_func *func,
                                    const struct qr_ast_expr *ast, const struct qr_expr **ret_expr)
{
    return qr_datepart_expr(&c->b, func, bare_word(ast), ret_expr);
}

/* The name that expr knows a call by: the null clauses of functions that make JSON belong to it. */
static struct qr_str builtin_name(const struct qr_ast_call *ast)
{
    struct qr_str name = ast->name.parts[ast->name.count - 1].text;
    static const struct {
        enum qr_ast_json_null clause;
        const char *name, *with_clause;
    } forms[] = {
        {QR_JSON_ABSENT_ON_NULL, "JSON_OBJECT", "JSON_OBJECT ABSENT ON NULL"},
        {QR_JSON_ABSENT_ON_NULL, "JSON_OBJECTAGG", "JSON_OBJECTAGG ABSENT ON NULL"},
        {QR_JSON_NULL_ON_NULL, "JSON_ARRAY", "JSON_ARRAY NULL ON NULL"},
        {QR_JSON_NULL_ON_NULL, "JSON_ARRAYAGG", "JSON_ARRAYAGG NULL ON NULL"},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (ast->json_null == forms[i].clause && qr_str_ieqz(name, forms[i].name))
            return qr_str(forms[i].with_clause);
    return name;
}

static bool is_choice(const struct qr_func *func)
{
    static const char *const names[] = {"CHOOSE", "COALESCE", "ISNULL", "NULLIF"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(func->name, names[i]) == 0)
            return true;
    return false;
}

static enum qr_status bind_builtin(struct qri_compile *c, const struct qr_ast_call *ast,
                                   const struct qr_expr **ret_expr)
{
    struct qr_str name = builtin_name(ast);
    const struct qr_func *func = qr_func_find(name);
    const struct qr_expr **args = QRI_ARRAY(c, ast->args.count + 1, const struct qr_expr *);
    if (args == NULL)
        return qri_nomem(c);
    if (func == NULL)
        return qr_sql_fail(c->err, 195, qri_text_z(c, name), "built-in function name");
    if (func->host == QR_HOST_NEWSEQUENTIALID && !c->in_default)
        return qr_sql_fail(c->err, 302);
    size_t first = 0;
    bool in_choice = c->in_choice;
    c->in_choice |= is_choice(func);
    if ((func->flags & QR_FUNC_DATEPART) != 0 && ast->args.count > 0) {
        QR_TRY(bind_datepart(c, func, ast->args.items[0], &args[0]));
        first = 1;
    }
    for (size_t i = first; i < ast->args.count; i++) {
        bool is_kind = i == 1 && qr_str_ieqz(name, "ISJSON"); /* a bare word: VALUE, ARRAY … */
        QR_TRY(is_kind ? qr_expr_string(&c->b, bare_word(ast->args.items[i]), false, &args[i])
                       : qri_expr(c, ast->args.items[i], &args[i]));
    }
    c->in_choice = in_choice;
    return qr_expr_call(&c->b, name, args, ast->args.count, ret_expr);
}

/* CHECKSUM(*): of all columns of FROM. */
static enum qr_status bind_checksum(struct qri_compile *c, const struct qr_ast_call *ast,
                                    const struct qr_expr **ret_expr)
{
    const struct qri_scope *scope = c->scope;
    if (ast->args.count != 1 || ast->args.items[0]->kind != QR_AE_STAR)
        return bind_builtin(c, ast, ret_expr);
    if (scope == NULL || scope->count == 0)
        return qr_sql_fail(c->err, 263);
    size_t capacity = 0, count = 0;
    for (size_t i = 0; i < scope->count; i++)
        capacity += scope->items[i]->column_count;
    const struct qr_expr **args = QRI_ARRAY(c, capacity + 1, const struct qr_expr *);
    if (args == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < scope->count; i++) {
        struct qri_source *source = scope->items[i];
        for (size_t k = 0; k < source->column_count; k++)
            if ((source->columns[k].flags & QR_COLUMN_HIDDEN) == 0) {
                QR_TRY(qri_use_column(c, source, k));
                QR_TRY(qri_column_leaf(c, source, k, &args[count++]));
            }
    }
    return qr_expr_call(&c->b, builtin_name(ast), args, count, ret_expr);
}

static const struct special {
    const char *name;
    enum qr_status (*bind)(struct qri_compile *c, const struct qr_ast_call *ast,
                           const struct qr_expr **ret_expr);
} specials[] = {
    {"IIF", bind_iif},           {"TRIM", bind_trim},
    {"GROUPING", bind_grouping}, {"GROUPING_ID", bind_grouping},
    {"CHECKSUM", bind_checksum}, {"BINARY_CHECKSUM", bind_checksum},
};

/* --- user-defined scalar functions --- */

static bool is_default(const struct qr_ast_expr *ast)
{
    return ast->kind == QR_AE_LITERAL &&
           ((const struct qr_ast_literal *)ast)->literal == QR_LIT_DEFAULT;
}

/* Arguments of a module by position, converted to its parameters' types. */
enum qr_status qri_module_args(struct qri_compile *c, const struct qr_cat_object *module,
                               const struct qr_ast_exprs *ast, const struct qr_expr ***ret_args,
                               size_t *ret_count)
{
    size_t count = 0;
    const char *name = qri_text_z(c, module->name);
    const struct qr_expr **args = QRI_ARRAY(c, module->param_count + 1, const struct qr_expr *);
    if (args == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < module->param_count; i++) {
        const struct qr_cat_param *param = &module->params[i];
        if (param->parameter_id == 0)
            continue;
        if (count >= ast->count)
            return qr_sql_fail(c->err, 313, name);
        const struct qr_ast_expr *arg = ast->items[count];
        if (!is_default(arg))
            QR_TRY(qri_expr(c, arg, &args[count]));
        else if (param->has_default)
            QR_TRY(qri_text_expr(c, param->default_text, false, &args[count]));
        else
            QR_TRY(qr_expr_null(&c->b, &args[count]));
        QR_TRY(qr_expr_convert(&c->b, param->type, args[count], &args[count]));
        count++;
    }
    if (ast->count > count)
        return qr_sql_fail(c->err, 8144, name);
    *ret_args = args;
    *ret_count = count;
    return QR_OK;
}

static enum qr_status bind_user(struct qri_compile *c, const struct qr_ast_call *ast,
                                const struct qr_expr **ret_expr)
{
    struct qri_object found = {0};
    const struct qr_expr **args = NULL, *object = NULL;
    size_t arg_count;
    struct qr_str last = ast->name.parts[ast->name.count - 1].text;
    bool is_method = qri_is_xml_method(last);
    if (!is_method || ast->name.count == 2) /* a.b.value() is a method, dbo.value() may be either */
        QR_TRY(qri_object_find(c, &ast->name, true, &found));
    if (is_method && found.object == NULL) {
        QR_TRY(qri_xml_object(c, ast, &object));
        return qri_xml_method(c, object, last, &ast->args, ret_expr);
    }
    if (found.object == NULL || found.object->type != QR_CAT_FN_SCALAR)
        return qr_sql_fail(c->err, 4121, qri_text_z(c, ast->name.parts[0].text),
                           qri_name_z(c, &ast->name));
    QR_TRY(qri_module_args(c, found.object, &ast->args, &args, &arg_count));
    struct qr_type type = qr_type_of(QR_TYPE_INT);
    for (size_t i = 0; i < found.object->param_count; i++)
        if (found.object->params[i].parameter_id == 0)
            type = found.object->params[i].type;
    qri_calls_function(c, found.object);
    QR_TRY(qri_use_call(c, &found, QR_ACCESS_EXECUTE));
    return qr_expr_udf(&c->b, (void *)(uintptr_t)found.object, type, QR_VOLATILE, args, arg_count,
                       ret_expr);
}

/* --- aggregates --- */

struct owner {
    struct qri_compile *c;
    struct qri_scope *innermost; /* of the columns seen */
    bool has_column;
};

static bool find_owner(void *arg, const struct qr_expr *expr)
{
    struct owner *o = (struct owner *)arg;
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    if (leaf == NULL || leaf->kind != QRI_LEAF_COLUMN)
        return true;
    o->has_column = true;
    for (struct qri_scope *s = o->c->scope; s != NULL; s = s->outer) {
        if (s == o->innermost)
            break;
        if (s == leaf->source->scope) {
            o->innermost = s;
            break;
        }
    }
    return true;
}

static enum qr_status check_clause(struct qri_compile *c, enum qri_clause clause)
{
    static const int errors[] = {
        [QRI_CLAUSE_NONE] = 147,  [QRI_CLAUSE_FROM] = 1015, [QRI_CLAUSE_WHERE] = 147,
        [QRI_CLAUSE_GROUP] = 144, [QRI_CLAUSE_SET] = 157,   [QRI_CLAUSE_OUTPUT] = 158,
    };
    int number = clause < sizeof(errors) / sizeof(errors[0]) ? errors[clause] : 0;
    return number == 0 ? QR_OK : qr_sql_fail(c->err, number);
}

static bool same_call(const struct qri_leaf *leaf, const struct qr_agg_call *call)
{
    const struct qr_agg_call *other = leaf->agg;
    if (other->agg != call->agg || other->distinct != call->distinct ||
        other->arg_count != call->arg_count || leaf->within_count != 0)
        return false;
    for (size_t i = 0; i < call->arg_count; i++)
        if (!qr_expr_equal(other->args[i], call->args[i]))
            return false;
    return true;
}

enum qr_status qri_within_args(struct qri_compile *c, const struct qr_agg *agg,
                               const struct qri_order *within, size_t within_count,
                               const struct qr_expr ***args, size_t *arg_count)
{
    const struct qr_expr **both = QRI_ARRAY(c, *arg_count + 2, const struct qr_expr *);
    if (both == NULL)
        return qri_nomem(c);
    if (within_count != 1)
        return qr_sql_fail(c->err, within_count == 0 ? 10754 : 10751, agg->name);
    both[0] = within[0].expr;
    for (size_t i = 0; i < *arg_count; i++)
        both[i + 1] = (*args)[i];
    if (*arg_count != 1)
        return qr_sql_fail(c->err, 174, agg->name, 1);
    *args = both;
    *arg_count = 2;
    return QR_OK;
}

enum qr_status qri_bind_within(struct qri_compile *c, const struct qr_ast_call *ast,
                               struct qri_leaf *leaf)
{
    leaf->within = QRI_ARRAY(c, ast->within_group.count + 1, struct qri_order);
    if (leaf->within == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < ast->within_group.count; i++) {
        struct qri_order *o = &leaf->within[leaf->within_count++];
        QR_TRY(qri_expr(c, ast->within_group.items[i].expr, &o->expr));
        o->descending = ast->within_group.items[i].descending;
        o->item = SIZE_MAX;
    }
    return QR_OK;
}

enum qr_status qri_aggregate_leaf(struct qri_compile *c, struct qri_leaf *leaf,
                                  const struct qr_agg_call *call, const struct qr_expr **ret_expr)
{
    struct owner o = {.c = c};
    for (size_t i = 0; i < call->arg_count; i++)
        (void)qr_expr_walk(call->args[i], find_owner, &o);
    struct qri_scope *scope = o.has_column && o.innermost != NULL ? o.innermost : c->scope;
    struct qri_query *block = scope->query;
    if (block == NULL)
        return qr_sql_fail(c->err, 147);
    QR_TRY(check_clause(c, scope == c->scope ? c->clause : scope->clause));
    for (struct qri_agg_use *use = block->aggs; use != NULL; use = use->next)
        if (leaf->within_count == 0 && same_call(qri_leaf_of(use->expr), call)) {
            *ret_expr = use->expr;
            return QR_OK;
        }
    struct qri_agg_use *use = QRI_NEW(c, struct qri_agg_use);
    if (use == NULL)
        return qri_nomem(c);
    leaf->block = block;
    block->is_grouped = true;
    struct qr_expr_foreign shape = {
        .type = call->type, .label = call->label, .nullable = call->nullable};
    shape.is_json = (call->agg->flags & QR_AGG_JSON) != 0;
    QR_TRY(qri_leaf(c, leaf, &shape, &use->expr));
    use->next = block->aggs;
    block->aggs = use;
    *ret_expr = use->expr;
    return QR_OK;
}

enum qr_status qri_aggregate(struct qri_compile *c, const struct qr_ast_call *ast,
                             const struct qr_agg *agg, const struct qr_expr **ret_expr)
{
    struct qri_leaf *leaf = QRI_NEW(c, struct qri_leaf);
    struct qr_agg_call *call = QRI_NEW(c, struct qr_agg_call);
    const struct qr_expr **args = NULL;
    size_t arg_count = ast->args.count;
    if (leaf == NULL || call == NULL)
        return qri_nomem(c);
    if (c->in_aggregate)
        return qr_sql_fail(c->err, 130);
    if ((agg->flags & QR_AGG_JSON) != 0)
        agg = qr_agg_find(builtin_name(ast));
    if (c->scope == NULL)
        return check_clause(c, c->clause);
    if (arg_count == 1 && ast->args.items[0]->kind == QR_AE_STAR && !ast->distinct &&
        (agg->flags & QR_AGG_NOT_NULL) != 0)
        arg_count = 0;
    c->in_aggregate = true;
    if (arg_count > 0)
        QR_TRY(qri_exprs(c, &ast->args, &args));
    QR_TRY(qri_bind_within(c, ast, leaf));
    c->in_aggregate = false;
    if ((agg->flags & QR_AGG_WITHIN) != 0)
        QR_TRY(qri_within_args(c, agg, leaf->within, leaf->within_count, &args, &arg_count));
    QR_TRY(qr_agg_bind(&c->b, agg, args, arg_count, ast->distinct, call));
    leaf->kind = QRI_LEAF_AGG;
    leaf->agg = call;
    if (arg_count > 0)
        c->warns_null_aggregate = true;
    return qri_aggregate_leaf(c, leaf, call, ret_expr);
}

/* --- entry points --- */

static enum qr_status bind_any(struct qri_compile *c, const struct qr_ast_call *ast,
                               const struct qr_expr **ret_expr)
{
    struct qr_str name = ast->name.parts[ast->name.count - 1].text;
    if (ast->name.count > 1)
        return bind_user(c, ast, ret_expr);
    const struct qr_agg *agg = qr_agg_find(name);
    if (agg != NULL && ast->over != NULL)
        return qri_window_call(c, ast, agg, ret_expr);
    if (ast->over != NULL)
        return qr_sql_fail(c->err, 4113, qri_text_z(c, name));
    if (agg != NULL && (agg->flags & (QR_AGG_WINDOW_ONLY | QR_AGG_OVER_ONLY)) != 0)
        return qr_sql_fail(c->err, 10753, qri_text_z(c, name));
    if (agg != NULL)
        return qri_aggregate(c, ast, agg, ret_expr);
    for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++)
        if (qr_str_ieqz(name, specials[i].name))
            return specials[i].bind(c, ast, ret_expr);
    return bind_builtin(c, ast, ret_expr);
}

enum qr_status qri_call(struct qri_compile *c, const struct qr_ast_call *ast,
                        const struct qr_expr **ret_expr)
{
    QR_TRY(bind_any(c, ast, ret_expr));
    if (!ast->returns_json)
        return QR_OK;
    return qr_expr_cast(&c->b, qr_type_of(QR_TYPE_JSON), *ret_expr, NULL, QR_CAST_EXPLICIT,
                        ret_expr);
}

/* UPDATE(column) in a trigger: a bit of COLUMNS_UPDATED(), whose first byte holds columns 1 to 8.
 */
static enum qr_status bind_update(struct qri_compile *c, const struct qr_ast_call *ast,
                                  const struct qr_expr **ret_expr)
{
    const struct qr_cat_object *shape = c->env->inserted;
    const struct qr_ast_expr *arg = ast->args.count == 1 ? ast->args.items[0] : NULL;
    if (shape == NULL || arg == NULL || arg->kind != QR_AE_COLUMN)
        return qr_sql_fail(c->err, 140);
    QR_TRY(qri_depend(c, shape));
    const struct qr_ast_name *name = &((const struct qr_ast_column *)arg)->name;
    struct qr_str column = name->parts[name->count - 1].text;
    const struct qr_cat_column *col = qr_cat_column_find(shape, column);
    if (col == NULL)
        return qr_sql_fail(c->err, 207, qri_text_z(c, column));
    uint32_t bit = col->column_id - 1;
    const struct qr_expr *args[3], *byte = NULL, *mask = NULL, *zero = NULL;
    QR_TRY(qr_expr_call(&c->b, qr_str("COLUMNS_UPDATED"), NULL, 0, &args[0]));
    QR_TRY(qr_expr_int(&c->b, bit / 8 + 1, &args[1]));
    QR_TRY(qr_expr_int(&c->b, 1, &args[2]));
    QR_TRY(qr_expr_call(&c->b, qr_str("SUBSTRING"), args, 3, &byte));
    QR_TRY(qr_expr_convert(&c->b, qr_type_of(QR_TYPE_INT), byte, &byte));
    QR_TRY(qr_expr_int(&c->b, 1 << bit % 8, &mask));
    QR_TRY(qr_expr_arith(&c->b, QR_OP_BIT_AND, byte, mask, &byte));
    QR_TRY(qr_expr_int(&c->b, 0, &zero));
    return qr_expr_cmp(&c->b, QR_CMP_NE, byte, zero, ret_expr);
}

static enum qr_status bind_regexp_like(struct qri_compile *c, const struct qr_ast_call *ast,
                                       const struct qr_expr **ret_expr)
{
    const struct qr_expr **args = NULL, *found = NULL, *one = NULL;
    QR_TRY(qri_exprs(c, &ast->args, &args));
    QR_TRY(qr_expr_call(&c->b, qr_str("REGEXP_LIKE"), args, ast->args.count, &found));
    QR_TRY(qr_expr_int(&c->b, 1, &one));
    return qr_expr_cmp(&c->b, QR_CMP_EQ, found, one, ret_expr);
}

enum qr_status qri_predicate_call(struct qri_compile *c, const struct qr_ast_call *ast,
                                  const struct qr_expr **ret_expr)
{
    struct qr_str name = ast->name.parts[ast->name.count - 1].text;
    if (qr_str_ieqz(name, "UPDATE"))
        return bind_update(c, ast, ret_expr);
    if (qr_str_ieqz(name, "REGEXP_LIKE"))
        return bind_regexp_like(c, ast, ret_expr);
    return qr_fail(c->err, QR_UNSUPPORTED, "predicate %.*s is not supported", (int)name.n, name.p);
}
