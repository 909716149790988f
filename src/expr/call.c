/* call.c - see expr/func.h: finding built-ins, casting their arguments, typing their calls */
#include "expr_int.h"
#include <ctype.h>
#include <string.h>
#include "base/banned.h"

enum { NAME_BYTES_MAX = 40 };

static const struct qri_family *const families[] = {
    &qri_string_funcs,    &qri_text_funcs,    &qri_math_funcs,   &qri_date_funcs,
    &qri_date_make_funcs, &qri_convert_funcs, &qri_json_funcs,   &qri_format_funcs,
    &qri_hash_funcs,      &qri_system_funcs,  &qri_choice_funcs, &qri_host_funcs,
    &qri_xml_funcs,       &qri_regexp_funcs,  &qri_fuzzy_funcs,  &qri_vector_funcs,
};
enum { FAMILY_COUNT = sizeof families / sizeof families[0] };

/* Host functions are rows of host.def; they take part in the lookup like all others. */
static const struct qr_func host_funcs[] = {
#define QR_HOST(id, name, args_min, args_max, params, type, size, kind)                            \
    {name, args_min, args_max, params, NULL, type, size, NULL, QR_HOST_IS_##kind, QR_HOST_##id},
#include "expr/host.def"
#undef QR_HOST
};
const struct qri_family qri_host_funcs = {host_funcs, sizeof host_funcs / sizeof host_funcs[0]};

const struct qr_func *qr_func_find(struct qr_str name)
{
    if (name.n == 0 || name.n >= NAME_BYTES_MAX)
        return NULL;
    for (size_t f = 0; f < FAMILY_COUNT; f++)
        for (size_t i = 0; i < families[f]->count; i++) {
            const struct qr_func *func = &families[f]->funcs[i];
            if ((func->name[0] | 0x20) == (name.p[0] | 0x20) && qr_str_ieqz(name, func->name))
                return func;
        }
    return NULL;
}

const struct qr_func *qr_func_at(size_t index)
{
    for (size_t f = 0; f < FAMILY_COUNT; f++) {
        if (index < families[f]->count)
            return &families[f]->funcs[index];
        index -= families[f]->count;
    }
    return NULL;
}

/* As messages print it: "substring". */
static const char *lower_name(const struct qr_func *func, char dst[NAME_BYTES_MAX])
{
    size_t n = strlen(func->name);
    assert(n < NAME_BYTES_MAX);
    for (size_t i = 0; i <= n; i++)
        dst[i] = (char)tolower((unsigned char)func->name[i]);
    return dst;
}

enum qr_status qri_bad_argument(const struct qr_func_typing *t, size_t index)
{
    char name[NAME_BYTES_MAX];
    return qr_sql_fail(t->b->err, 8116, qr_type_name(&t->args[index]->type), (int)index + 1,
                       lower_name(t->func, name));
}

void qri_result_string(struct qr_func_typing *t, bool national, size_t length)
{
    t->type = qr_type_sized(national ? QR_TYPE_NVARCHAR : QR_TYPE_VARCHAR, length);
    t->type.collation = t->use.collation;
}

/* --- arguments --- */

struct param { /* what a letter of qr_func.params casts to */
    char letter;
    enum qr_type_id id;
    uint16_t length;
};
static const struct param params[] = {
    {'v', QR_TYPE_VARCHAR, 8000},   {'n', QR_TYPE_NVARCHAR, 4000},
    {'b', QR_TYPE_VARBINARY, 8000}, {'i', QR_TYPE_INT, 0},
    {'I', QR_TYPE_BIGINT, 0},       {'f', QR_TYPE_FLOAT, 0},
    {'D', QR_TYPE_DATETIME, 0},     {'u', QR_TYPE_UNIQUEIDENTIFIER, 0},
    {'t', QR_TYPE_BIT, 0},
};

static enum qr_status cast_fixed(struct qr_func_typing *t, size_t index, const struct param *p)
{
    struct qr_type type = p->length == 0 ? qr_type_of(p->id) : qr_type_sized(p->id, p->length);
    const struct qr_expr *arg = t->args[index];
    bool longer = qr_type_is_string(&arg->type) && arg->type.length > p->length;
    if (p->length != 0 && (longer || qr_type_is_lob(&arg->type)))
        type = qr_type_sized(p->id, 0); /* nothing is cut on its way into a function */
    if (qr_type_is_string(&type))
        type.collation = qri_use_of(t->b, arg).collation;
    if (qr_type_conversion(arg->type.id, type.id) != QR_CONVERSION_IMPLICIT &&
        !qri_is_null_literal(arg))
        return qri_bad_argument(t, index);
    return qri_coerce(t->b, type, arg, &t->args[index]);
}

/* 's': any string as it is; what else converts to varchar does so. */
enum qr_status qri_arg_string(struct qr_func_typing *t, size_t index)
{
    const struct qr_expr *arg = t->args[index];
    if (qr_type_is_string(&arg->type))
        return QR_OK;
    if (arg->type.id == QR_TYPE_VECTOR)
        return qri_bad_argument(t, index);
    if (qr_type_conversion(arg->type.id, QR_TYPE_VARCHAR) != QR_CONVERSION_IMPLICIT &&
        !qri_is_null_literal(arg))
        return qri_bad_argument(t, index);
    struct qr_type type = qri_as_string(&arg->type, false, t->b->collation);
    return qr_expr_convert(t->b, type, arg, &t->args[index]);
}

/* 'N': any number stays; bit is int, strings are float. */
static enum qr_status cast_number(struct qr_func_typing *t, size_t index)
{
    const struct qr_expr *arg = t->args[index];
    if (arg->type.id == QR_TYPE_BIT || qri_is_null_literal(arg))
        return qr_expr_convert(t->b, qr_type_of(QR_TYPE_INT), arg, &t->args[index]);
    if (qr_type_is_number(&arg->type))
        return QR_OK;
    if (!qr_type_is_string(&arg->type) || qr_type_is_lob(&arg->type))
        return qri_bad_argument(t, index);
    return qr_expr_convert(t->b, qr_type_of(QR_TYPE_FLOAT), arg, &t->args[index]);
}

/* 'd', 'e': date and time types stay; strings are datetimeoffset(7), whose local parts are those
 * of the text, or ('e') datetime2(7); numbers are datetime. */
static enum qr_status cast_date(struct qr_func_typing *t, size_t index, enum qr_type_id of_text)
{
    const struct qr_expr *arg = t->args[index];
    if (qr_type_family(&arg->type) == QR_FAMILY_DATETIME)
        return QR_OK;
    bool number = qr_type_is_number(&arg->type) || qri_is_null_literal(arg);
    if (!number && !qr_type_is_string(&arg->type) && arg->type.id != QR_TYPE_SQL_VARIANT)
        return qri_bad_argument(t, index);
    return qr_expr_convert(t->b, qr_type_of(number ? QR_TYPE_DATETIME : of_text), arg,
                           &t->args[index]);
}

static enum qr_status cast_argument(struct qr_func_typing *t, size_t index, char letter)
{
    switch (letter) {
    case '*':
        return QR_OK;
    case 's':
        return qri_arg_string(t, index);
    case 'j':
        return t->args[index]->type.id == QR_TYPE_JSON ? QR_OK : qri_arg_string(t, index);
    case 'N':
        return cast_number(t, index);
    case 'd':
        return cast_date(t, index, QR_TYPE_DATETIMEOFFSET);
    case 'e':
        return cast_date(t, index, QR_TYPE_DATETIME2);
    case 'p':
        return qri_is_const(t->args[index]) ? QR_OK
                                            : qr_sql_fail(t->b->err, 1023, 1, t->func->name);
    default:
        for (size_t i = 0; i < sizeof params / sizeof params[0]; i++)
            if (params[i].letter == letter)
                return cast_fixed(t, index, &params[i]);
        return qr_fail(t->b->err, QR_BUG, "parameter letter '%c' of %s", letter, t->func->name);
    }
}

static enum qr_status check_count(struct qr_expr_builder *b, const struct qr_func *func,
                                  size_t count)
{
    char name[NAME_BYTES_MAX];
    if (count >= func->args_min && count <= func->args_max)
        return QR_OK;
    if (func->args_min == func->args_max)
        return qr_sql_fail(b->err, 174, lower_name(func, name), func->args_min);
    return qr_sql_fail(b->err, 189, lower_name(func, name), func->args_min, func->args_max);
}

static struct qr_type fixed_result(const struct qr_func *func)
{
    const struct qr_type_info *info = qr_type_info(func->result);
    if (info->family == QR_FAMILY_DECIMAL) {
        struct qr_type t = qr_type_decimal((uint8_t)func->result_size, 0);
        t.id = func->result;
        return t;
    }
    bool sized = func->result == QR_TYPE_CHAR || func->result == QR_TYPE_VARCHAR ||
                 func->result == QR_TYPE_NCHAR || func->result == QR_TYPE_NVARCHAR ||
                 func->result == QR_TYPE_BINARY || func->result == QR_TYPE_VARBINARY;
    if (sized)
        return qr_type_sized(func->result, func->result_size);
    if (info->family == QR_FAMILY_DATETIME && func->result_size > 0)
        return qr_type_time(func->result, (uint8_t)func->result_size);
    return qr_type_of(func->result);
}

static enum qr_status type_call(struct qr_func_typing *t)
{
    size_t letters = strlen(t->func->params);
    for (size_t i = 0; i < t->arg_count; i++)
        QR_TRY(cast_argument(t, i, t->func->params[i < letters ? i : letters - 1]));
    char name[NAME_BYTES_MAX];
    QR_TRY(qri_mix(t->b, t->args, t->arg_count, lower_name(t->func, name), &t->use));
    for (size_t i = 0; i < t->arg_count; i++)
        t->nullable = t->nullable || t->args[i]->nullable;
    if (t->func->flags & QR_FUNC_NULLABLE)
        t->nullable = true;
    if (t->func->flags & QR_FUNC_NOT_NULL)
        t->nullable = false;
    if (t->func->typing != NULL)
        return t->func->typing(t);
    t->type = fixed_result(t->func);
    if (qr_type_is_string(&t->type))
        t->type.collation = t->use.collation;
    return QR_OK;
}

enum qr_status qr_expr_call(struct qr_expr_builder *b, struct qr_str name,
                            const struct qr_expr *const *args, size_t arg_count,
                            const struct qr_expr **ret_expr)
{
    const struct qr_func *func = qr_func_find(name);
    if (func == NULL) {
        char *z = qr_arena_dup(b->arena, name.p, name.n);
        return z == NULL ? qri_expr_nomem(b->err)
                         : qr_sql_fail(b->err, 195, z, "built-in function name");
    }
    QR_TRY(check_count(b, func, arg_count));
    if (func->flags & QR_FUNC_SPECIAL)
        return qri_call_special(b, func, args, arg_count, ret_expr);
    struct qr_func_typing t = {.b = b, .func = func, .arg_count = arg_count};
    t.volatility = func->flags & QR_FUNC_VOLATILE ? QR_VOLATILE
                   : func->flags & QR_FUNC_STABLE ? QR_STABLE
                                                  : QR_DETERMINISTIC;
    t.args = qr_arena_array(b->arena, arg_count + 1, sizeof *t.args);
    if (t.args == NULL)
        return qri_expr_nomem(b->err);
    if (arg_count > 0)
        memcpy(t.args, args, arg_count * sizeof *t.args);
    QR_TRY(type_call(&t));
    struct qr_expr *node;
    QR_TRY(qri_expr_node(b, QR_EXPR_CALL, t.args, arg_count, &node));
    node->type = t.type;
    node->nullable = t.nullable;
    node->u.func = func;
    node->is_json = (func->flags & QR_FUNC_JSON) != 0;
    if (qr_type_is_string(&t.type))
        node->label = (uint8_t)t.use.label;
    if (t.volatility > node->volatility)
        node->volatility = (uint8_t)t.volatility;
    return qri_fold(b, node, ret_expr);
}

enum qr_status qr_expr_udf(struct qr_expr_builder *b, void *ref, struct qr_type type,
                           enum qr_volatility volatility, const struct qr_expr *const *args,
                           size_t arg_count, const struct qr_expr **ret_expr)
{
    struct qr_expr *node;
    QR_TRY(qri_expr_node(b, QR_EXPR_UDF, args, arg_count, &node));
    node->type = type;
    node->nullable = true;
    node->u.ref = ref;
    if (volatility < QR_STABLE)
        volatility = QR_STABLE; /* never folded: only the host can run it */
    if (volatility > node->volatility)
        node->volatility = (uint8_t)volatility;
    *ret_expr = node;
    return QR_OK;
}

enum qr_status qr_datepart_expr(struct qr_expr_builder *b, const struct qr_func *func,
                                struct qr_str keyword, const struct qr_expr **ret_expr)
{
    char name[NAME_BYTES_MAX];
    enum qr_datepart part;
    if (keyword.p == NULL)
        return qr_sql_fail(b->err, 1023, 1, lower_name(func, name));
    if (!qr_datepart_find(keyword, &part)) {
        char *z = qr_arena_dup(b->arena, keyword.p, keyword.n);
        return z == NULL ? qri_expr_nomem(b->err)
                         : qr_sql_fail(b->err, 155, z, lower_name(func, name));
    }
    return qr_expr_int(b, part, ret_expr);
}
