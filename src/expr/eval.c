/* eval.c - see expr/eval.h: runs a tree, one function per kind of node */
#include "expr_int.h"
#include <string.h>
#include "base/checked.h"
#include "codec/codepage.h"
#include "codec/utf.h"
#include "base/banned.h"

enum { ARGS_ON_STACK = 4 };

void qr_eval_settings_init(struct qr_eval_settings *settings)
{
    *settings = (struct qr_eval_settings){
        .datefirst = 7,
        .dateformat = QR_MDY,
        .language = "us_english",
        .ansi_warnings = true,
        .arithabort = true,
    };
}

struct qr_convert_env qri_convert_env(const struct qr_eval *ctx)
{
    return (struct qr_convert_env){.arena = ctx->arena,
                                   .dateformat = ctx->settings->dateformat,
                                   .cuts_stored = !ctx->settings->ansi_warnings};
}

static enum qr_status eval(const struct qr_expr *e, struct qr_eval *ctx, struct qr_value *ret,
                           struct qr_err *err);

typedef enum qr_status eval_fn(const struct qr_expr *e, struct qr_eval *ctx, struct qr_value *ret,
                               struct qr_err *err);

/* --- leaves --- */

static enum qr_status eval_const(const struct qr_expr *e, struct qr_eval *ctx, struct qr_value *ret,
                                 struct qr_err *err)
{
    (void)ctx;
    (void)err;
    *ret = e->u.value;
    return QR_OK;
}

static enum qr_status eval_input(const struct qr_expr *e, struct qr_eval *ctx, struct qr_value *ret,
                                 struct qr_err *err)
{
    (void)err;
    assert(e->u.index < ctx->input_count);
    *ret = ctx->inputs[e->u.index];
    return QR_OK;
}

static enum qr_status eval_var(const struct qr_expr *e, struct qr_eval *ctx, struct qr_value *ret,
                               struct qr_err *err)
{
    (void)err;
    assert(e->u.index < ctx->var_count);
    *ret = ctx->vars[e->u.index];
    return QR_OK;
}

static enum qr_status eval_foreign(const struct qr_expr *e, struct qr_eval *ctx,
                                   struct qr_value *ret, struct qr_err *err)
{
    (void)e;
    (void)ctx;
    (void)ret;
    (void)err;
    assert(false && "a FOREIGN node reached the evaluator");
    return QR_BUG;
}

/* --- calls --- */

static enum qr_status call_function(const struct qr_call *call, struct qr_value *ret,
                                    struct qr_err *err)
{
    const struct qr_func *func = call->expr->u.func;
    struct qr_eval *ctx = call->ctx;
    if (!(func->flags & QR_FUNC_HOST))
        return func->eval(call, ret, err);
    if (ctx->host_ops == NULL || ctx->host_ops->call == NULL)
        return qr_sql_fail(err, 40510, func->name);
    return ctx->host_ops->call(ctx->host, ctx, func->host, call, ret, err);
}

static enum qr_status eval_args(const struct qr_expr *e, struct qr_eval *ctx, struct qr_value *args,
                                bool stop_at_null, bool *ret_null, struct qr_err *err)
{
    *ret_null = false;
    for (size_t i = 0; i < e->arg_count; i++) {
        QR_TRY(eval(e->args[i], ctx, &args[i], err));
        if (stop_at_null && qr_value_is_null(&args[i])) {
            *ret_null = true;
            return QR_OK;
        }
    }
    return QR_OK;
}

static enum qr_status eval_call(const struct qr_expr *e, struct qr_eval *ctx, struct qr_value *ret,
                                struct qr_err *err)
{
    struct qr_value few[ARGS_ON_STACK], *args = few;
    if (e->arg_count > ARGS_ON_STACK)
        args = qr_arena_array(ctx->arena, e->arg_count, sizeof *args);
    if (args == NULL)
        return qri_expr_nomem(err);
    bool null;
    bool udf = e->kind == QR_EXPR_UDF;
    bool stop = !udf && !(e->u.func->flags & QR_FUNC_NULLS);
    QR_TRY(eval_args(e, ctx, args, stop, &null, err));
    if (null) {
        *ret = qr_value_null();
        return QR_OK;
    }
    if (udf) {
        if (ctx->host_ops == NULL || ctx->host_ops->udf == NULL)
            return qr_sql_fail(err, 40510, "user-defined function");
        return ctx->host_ops->udf(ctx->host, ctx, e, args, ret, err);
    }
    struct qr_call call = {e, ctx, args, e->arg_count};
    return call_function(&call, ret, err);
}

/* --- conversion --- */

static enum qr_status convert_dynamic(const struct qr_expr *e, struct qr_eval *ctx,
                                      const struct qr_value *in, struct qr_value *ret,
                                      struct qr_err *err)
{
    struct qr_value style;
    QR_TRY(eval(e->args[1], ctx, &style, err));
    if (qr_value_is_null(&style)) {
        *ret = style;
        return QR_OK;
    }
    struct qr_converter c;
    QR_TRY(qr_converter_init(&c, &e->args[0]->type, &e->type, (int)style.i, QR_CONVERT_CAST, err));
    struct qr_convert_env env = qri_convert_env(ctx);
    return qr_convert(&c, in, &env, ret, err);
}

static enum qr_status eval_cast(const struct qr_expr *e, struct qr_eval *ctx, struct qr_value *ret,
                                struct qr_err *err)
{
    struct qr_value in;
    QR_TRY(eval(e->args[0], ctx, &in, err));
    if (qr_value_is_null(&in)) {
        *ret = in;
        return QR_OK;
    }
    bool try_cast = (e->u.cast.flags & QR_CAST_TRY) != 0;
    struct qr_err *say = try_cast ? NULL : err;
    enum qr_status status;
    if (e->u.cast.flags & QR_CAST_PARSE) {
        status = qri_parse_value(e, ctx, &in, ret, say);
    } else if (e->u.cast.converter == NULL) {
        status = convert_dynamic(e, ctx, &in, ret, say);
    } else {
        struct qr_convert_env env = qri_convert_env(ctx);
        status = qr_convert(e->u.cast.converter, &in, &env, ret, say);
    }
    if (status == QR_SQL && try_cast) {
        *ret = qr_value_null();
        return QR_OK;
    }
    if (status != QR_OK && say == NULL)
        return qr_fail(err, status, "conversion failed");
    return status;
}

static enum qr_status eval_collate(const struct qr_expr *e, struct qr_eval *ctx,
                                   struct qr_value *ret, struct qr_err *err)
{
    return eval(e->args[0], ctx, ret, err);
}

/* --- operators --- */

struct qr_str qri_cut(const struct qr_type *type, struct qr_str text)
{
    if (type->is_max || type->length == 0 || text.n <= type->length)
        return text;
    size_t n = type->length;
    if (qri_is_national(type))
        n = qr_utf_prefix(text, type->length);
    else if (qr_type_is_string(type))
        n = qr_codepage_prefix(qr_collation_get(type->collation)->code_page, text, type->length);
    return qr_str_n(text.p, n);
}

static bool ends_in_high_surrogate(struct qr_str s)
{
    return s.n >= 3 && (unsigned char)s.p[s.n - 3] == 0xED &&
           ((unsigned char)s.p[s.n - 2] & 0xF0) == 0xA0;
}

static enum qr_status concat_values(const struct qr_expr *e, struct qr_eval *ctx,
                                    const struct qr_value *parts, struct qr_value *ret,
                                    struct qr_err *err)
{
    size_t total = 0;
    for (size_t i = 0; i < e->arg_count; i++)
        if (!qr_add_size(total, parts[i].n, &total))
            return qri_expr_nomem(err);
    char *out = qr_arena_alloc(ctx->arena, total + 1);
    if (out == NULL)
        return qri_expr_nomem(err);
    struct qr_str text = {out, 0};
    bool is_text = qr_type_is_string(&e->type);
    for (size_t i = 0; i < e->arg_count; i++) {
        if (is_text && parts[i].n > 0 && ends_in_high_surrogate(text)) {
            if (qr_utf_join(ctx->arena, text, qr_value_bytes(&parts[i]), &text) != QR_OK)
                return qri_expr_nomem(err);
            if (text.p != out) { /* joined in a new place: the rest follows there */
                char *moved = qr_arena_alloc(ctx->arena, total + 1);
                if (moved == NULL)
                    return qri_expr_nomem(err);
                memcpy(moved, text.p, text.n);
                text.p = out = moved;
            }
            continue;
        }
        if (parts[i].n > 0)
            memcpy(out + text.n, parts[i].p, parts[i].n);
        text.n += parts[i].n;
    }
    text = qri_cut(&e->type, text);
    *ret = is_text ? qr_value_str(text) : qr_value_blob(text.p, text.n);
    return QR_OK;
}

static enum qr_status eval_concat(const struct qr_expr *e, struct qr_eval *ctx,
                                  struct qr_value *ret, struct qr_err *err)
{
    struct qr_value few[ARGS_ON_STACK], *parts = few;
    if (e->arg_count > ARGS_ON_STACK)
        parts = qr_arena_array(ctx->arena, e->arg_count, sizeof *parts);
    if (parts == NULL)
        return qri_expr_nomem(err);
    bool null;
    QR_TRY(eval_args(e, ctx, parts, true, &null, err));
    if (null) {
        *ret = qr_value_null();
        return QR_OK;
    }
    return concat_values(e, ctx, parts, ret, err);
}

static enum qr_status eval_arith(const struct qr_expr *e, struct qr_eval *ctx, struct qr_value *ret,
                                 struct qr_err *err)
{
    if (e->u.arith.op == QR_OP_CONCAT)
        return eval_concat(e, ctx, ret, err);
    struct qr_value a, b = qr_value_null();
    QR_TRY(eval(e->args[0], ctx, &a, err));
    if (e->arg_count == 2)
        QR_TRY(eval(e->args[1], ctx, &b, err));
    if (qr_value_is_null(&a) || (e->arg_count == 2 && qr_value_is_null(&b))) {
        *ret = qr_value_null();
        return QR_OK;
    }
    return e->u.arith.run(e, ctx, &a, &b, ret, err);
}

/* --- choices --- */

static enum qr_status eval_case(const struct qr_expr *e, struct qr_eval *ctx, struct qr_value *ret,
                                struct qr_err *err)
{
    size_t i = 0;
    for (; i + 1 < e->arg_count; i += 2) {
        struct qr_value when;
        QR_TRY(eval(e->args[i], ctx, &when, err));
        if (when.cell == QR_CELL_INT && when.i != 0)
            return eval(e->args[i + 1], ctx, ret, err);
    }
    return eval(e->args[i], ctx, ret, err);
}

static enum qr_status eval_coalesce(const struct qr_expr *e, struct qr_eval *ctx,
                                    struct qr_value *ret, struct qr_err *err)
{
    *ret = qr_value_null();
    for (size_t i = 0; i < e->arg_count && qr_value_is_null(ret); i++)
        QR_TRY(eval(e->args[i], ctx, ret, err));
    return QR_OK;
}

static enum qr_status eval_nullif(const struct qr_expr *e, struct qr_eval *ctx,
                                  struct qr_value *ret, struct qr_err *err)
{
    struct qr_value equal;
    QR_TRY(eval(e->args[2], ctx, &equal, err));
    if (equal.cell == QR_CELL_INT && equal.i != 0) {
        *ret = qr_value_null();
        return QR_OK;
    }
    return eval(e->args[0], ctx, ret, err);
}

static enum qr_status eval_choose(const struct qr_expr *e, struct qr_eval *ctx,
                                  struct qr_value *ret, struct qr_err *err)
{
    struct qr_value index;
    QR_TRY(eval(e->args[0], ctx, &index, err));
    if (index.cell == QR_CELL_INT && index.i >= 1 && (size_t)index.i < e->arg_count)
        return eval(e->args[index.i], ctx, ret, err);
    *ret = qr_value_null();
    return QR_OK;
}

/* --- predicates --- */

static int compare(const struct qr_expr *e, const struct qr_value *a, const struct qr_value *b)
{
    if (a->cell == QR_CELL_INT && b->cell == QR_CELL_INT)
        return (a->i > b->i) - (a->i < b->i);
    return qr_value_compare(&e->args[0]->type, a, b);
}

/* Equality of strings need not find out which comes first. */
static bool equal(const struct qr_expr *e, const struct qr_value *a, const struct qr_value *b)
{
    const struct qr_type *type = &e->args[0]->type;
    if (a->cell == QR_CELL_TEXT && qr_type_is_string(type))
        return qr_order_equal(qr_order_of(type), qr_value_bytes(a), qr_value_bytes(b));
    return compare(e, a, b) == 0;
}

static enum qr_status eval_cmp(const struct qr_expr *e, struct qr_eval *ctx, struct qr_value *ret,
                               struct qr_err *err)
{
    static const uint8_t truth[][3] = {
        /* for -1, 0, 1 */
        [QR_CMP_EQ] = {0, 1, 0}, [QR_CMP_NE] = {1, 0, 1}, [QR_CMP_LT] = {1, 0, 0},
        [QR_CMP_LE] = {1, 1, 0}, [QR_CMP_GT] = {0, 0, 1}, [QR_CMP_GE] = {0, 1, 1},
    };
    struct qr_value a, b;
    QR_TRY(eval(e->args[0], ctx, &a, err));
    QR_TRY(eval(e->args[1], ctx, &b, err));
    if (qr_value_is_null(&a) || qr_value_is_null(&b)) {
        *ret = qr_value_null();
        return QR_OK;
    }
    bool ordered = e->u.cmp != QR_CMP_EQ && e->u.cmp != QR_CMP_NE;
    int c = ordered ? compare(e, &a, &b) : !equal(e, &a, &b);
    *ret = qr_value_int(truth[e->u.cmp][(c > 0) - (c < 0) + 1]);
    return QR_OK;
}

/* AND stops at the first false, OR at the first true; otherwise a NULL makes it unknown. */
static enum qr_status eval_logic(const struct qr_expr *e, struct qr_eval *ctx, struct qr_value *ret,
                                 struct qr_err *err)
{
    int64_t decides = e->kind == QR_EXPR_OR;
    bool unknown = false;
    for (size_t i = 0; i < e->arg_count; i++) {
        struct qr_value v;
        QR_TRY(eval(e->args[i], ctx, &v, err));
        if (qr_value_is_null(&v)) {
            unknown = true;
        } else if ((v.i != 0) == decides) {
            *ret = qr_value_int(decides);
            return QR_OK;
        }
    }
    *ret = unknown ? qr_value_null() : qr_value_int(!decides);
    return QR_OK;
}

static enum qr_status eval_not(const struct qr_expr *e, struct qr_eval *ctx, struct qr_value *ret,
                               struct qr_err *err)
{
    QR_TRY(eval(e->args[0], ctx, ret, err));
    if (!qr_value_is_null(ret))
        *ret = qr_value_int(ret->i == 0);
    return QR_OK;
}

static enum qr_status eval_is_null(const struct qr_expr *e, struct qr_eval *ctx,
                                   struct qr_value *ret, struct qr_err *err)
{
    struct qr_value v;
    QR_TRY(eval(e->args[0], ctx, &v, err));
    *ret = qr_value_int(qr_value_is_null(&v) != e->u.negated);
    return QR_OK;
}

static enum qr_status eval_is_distinct(const struct qr_expr *e, struct qr_eval *ctx,
                                       struct qr_value *ret, struct qr_err *err)
{
    struct qr_value a, b;
    QR_TRY(eval(e->args[0], ctx, &a, err));
    QR_TRY(eval(e->args[1], ctx, &b, err));
    bool a_null = qr_value_is_null(&a), b_null = qr_value_is_null(&b);
    bool distinct = a_null || b_null ? a_null != b_null : !equal(e, &a, &b);
    *ret = qr_value_int(distinct != e->u.negated);
    return QR_OK;
}

static enum qr_status escape_of(const struct qr_expr *e, const struct qr_value *v,
                                struct qr_arena *arena, uint32_t *ret_escape, struct qr_err *err)
{
    size_t pos = 0;
    struct qr_str text = qr_value_bytes(v);
    (void)e;
    if (text.n > 0)
        *ret_escape = qr_utf_next(text, &pos);
    if (text.n > 0 && pos == text.n)
        return QR_OK;
    char *z = qr_arena_dup(arena, text.p, text.n);
    return z == NULL ? qri_expr_nomem(err) : qr_sql_fail(err, 506, z, "LIKE");
}

static enum qr_status eval_like(const struct qr_expr *e, struct qr_eval *ctx, struct qr_value *ret,
                                struct qr_err *err)
{
    struct qr_value args[3] = {qr_value_null(), qr_value_null(), qr_value_null()};
    bool null;
    QR_TRY(eval_args(e, ctx, args, true, &null, err));
    if (null) {
        *ret = qr_value_null();
        return QR_OK;
    }
    uint32_t escape = 0;
    if (e->arg_count == 3)
        QR_TRY(escape_of(e, &args[2], ctx->arena, &escape, err));
    const struct qr_type *type = &e->args[0]->type;
    bool match = qr_like(qr_order_of(type), qri_is_national(type), qr_value_bytes(&args[0]),
                         qr_value_bytes(&args[1]), escape);
    *ret = qr_value_int(match != e->u.negated);
    return QR_OK;
}

static enum qr_status eval_in(const struct qr_expr *e, struct qr_eval *ctx, struct qr_value *ret,
                              struct qr_err *err)
{
    struct qr_value value;
    QR_TRY(eval(e->args[0], ctx, &value, err));
    bool unknown = qr_value_is_null(&value);
    for (size_t i = 1; i < e->arg_count && !qr_value_is_null(&value); i++) {
        struct qr_value member;
        QR_TRY(eval(e->args[i], ctx, &member, err));
        if (qr_value_is_null(&member)) {
            unknown = true;
        } else if (equal(e, &value, &member)) {
            *ret = qr_value_int(!e->u.negated);
            return QR_OK;
        }
    }
    *ret = unknown ? qr_value_null() : qr_value_int(e->u.negated);
    return QR_OK;
}

/* --- dispatch --- */

static eval_fn *const kinds[] = {
    [QR_EXPR_CONST] = eval_const,     [QR_EXPR_INPUT] = eval_input,
    [QR_EXPR_VAR] = eval_var,         [QR_EXPR_CALL] = eval_call,
    [QR_EXPR_UDF] = eval_call,        [QR_EXPR_CAST] = eval_cast,
    [QR_EXPR_ARITH] = eval_arith,     [QR_EXPR_COLLATE] = eval_collate,
    [QR_EXPR_CASE] = eval_case,       [QR_EXPR_COALESCE] = eval_coalesce,
    [QR_EXPR_NULLIF] = eval_nullif,   [QR_EXPR_CHOOSE] = eval_choose,
    [QR_EXPR_CMP] = eval_cmp,         [QR_EXPR_AND] = eval_logic,
    [QR_EXPR_OR] = eval_logic,        [QR_EXPR_NOT] = eval_not,
    [QR_EXPR_IS_NULL] = eval_is_null, [QR_EXPR_IS_DISTINCT] = eval_is_distinct,
    [QR_EXPR_LIKE] = eval_like,       [QR_EXPR_IN] = eval_in,
    [QR_EXPR_FOREIGN] = eval_foreign,
};

static enum qr_status eval(const struct qr_expr *e, struct qr_eval *ctx, struct qr_value *ret,
                           struct qr_err *err)
{
    return kinds[e->kind](e, ctx, ret, err);
}

enum qr_status qr_expr_eval(const struct qr_expr *expr, struct qr_eval *ctx,
                            struct qr_value *ret_value, struct qr_err *err)
{
    struct qr_value value;
    QR_TRY(eval(expr, ctx, &value, err));
    *ret_value = value;
    return QR_OK;
}

enum qr_status qr_expr_test(const struct qr_expr *expr, struct qr_eval *ctx, bool unknown_is,
                            bool *ret_true, struct qr_err *err)
{
    struct qr_value v;
    QR_TRY(eval(expr, ctx, &v, err));
    *ret_true = qr_value_is_null(&v) ? unknown_is : v.i != 0;
    return QR_OK;
}

enum qr_status qr_eval_cast(struct qr_eval *ctx, const struct qr_type *from,
                            const struct qr_value *value, const struct qr_type *to, int style,
                            unsigned flags, const char *table, const char *column,
                            struct qr_value *ret_value, struct qr_err *err)
{
    enum qr_convert_mode mode = flags & QR_CAST_ASSIGN     ? QR_CONVERT_STORE
                                : flags & QR_CAST_EXPLICIT ? QR_CONVERT_CAST
                                                           : QR_CONVERT_IMPLICIT;
    struct qr_converter c;
    QR_TRY(qr_converter_init(&c, from, to, style, mode, err));
    c.table = table;
    c.column = column;
    struct qr_convert_env env = qri_convert_env(ctx);
    bool try_cast = (flags & QR_CAST_TRY) != 0;
    struct qr_value result;
    enum qr_status status = qr_convert(&c, value, &env, &result, try_cast ? NULL : err);
    if (status == QR_SQL && try_cast) {
        *ret_value = qr_value_null();
        return QR_OK;
    }
    QR_TRY(status);
    *ret_value = result;
    return QR_OK;
}
