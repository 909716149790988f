/* choice.c - see expr/expr.h: CASE, COALESCE, ISNULL, NULLIF, IIF, CHOOSE */
#include "expr_int.h"
#include <string.h>
#include "base/banned.h"

static bool all_null_literals(const struct qr_expr *const *exprs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!qri_is_null_literal(exprs[i]))
            return false;
    return true;
}

enum qr_status qr_expr_case(struct qr_expr_builder *b, const struct qr_expr *const *whens,
                            const struct qr_expr *const *thens, size_t count,
                            const struct qr_expr *otherwise, const struct qr_expr **ret_expr)
{
    if (otherwise == NULL)
        QR_TRY(qr_expr_null(b, &otherwise));
    const struct qr_expr **results = qr_arena_array(b->arena, count + 1, sizeof *results);
    const struct qr_expr **args = qr_arena_array(b->arena, 2 * count + 1, sizeof *args);
    if (results == NULL || args == NULL)
        return qri_expr_nomem(b->err);
    memcpy(results, thens, count * sizeof *results);
    results[count] = otherwise;
    if (all_null_literals(results, count + 1))
        return qr_sql_fail(b->err, 8133);
    struct qr_type type;
    enum qr_collation_label label;
    QR_TRY(qr_expr_common_type(b, results, count + 1, &type, &label));
    bool nullable = false;
    for (size_t i = 0; i <= count; i++) {
        QR_TRY(qri_coerce(b, type, results[i], &results[i]));
        nullable = nullable || results[i]->nullable;
        if (i < count)
            args[2 * i] = whens[i];
        args[i < count ? 2 * i + 1 : 2 * i] = results[i];
    }
    struct qr_expr *node;
    QR_TRY(qri_expr_node(b, QR_EXPR_CASE, args, 2 * count + 1, &node));
    node->type = type;
    node->label = (uint8_t)label;
    node->nullable = nullable;
    return qri_fold(b, node, ret_expr);
}

enum qr_status qr_expr_case_simple(struct qr_expr_builder *b, const struct qr_expr *input,
                                   const struct qr_expr *const *whens,
                                   const struct qr_expr *const *thens, size_t count,
                                   const struct qr_expr *otherwise, const struct qr_expr **ret_expr)
{
    const struct qr_expr **tests = qr_arena_array(b->arena, count, sizeof *tests);
    if (tests == NULL)
        return qri_expr_nomem(b->err);
    for (size_t i = 0; i < count; i++)
        QR_TRY(qr_expr_cmp(b, QR_CMP_EQ, input, whens[i], &tests[i]));
    return qr_expr_case(b, tests, thens, count, otherwise, ret_expr);
}

enum qr_status qr_expr_iif(struct qr_expr_builder *b, const struct qr_expr *condition,
                           const struct qr_expr *then, const struct qr_expr *otherwise,
                           const struct qr_expr **ret_expr)
{
    return qr_expr_case(b, &condition, &then, 1, otherwise, ret_expr);
}

enum qr_status qr_expr_coalesce(struct qr_expr_builder *b, const struct qr_expr *const *args,
                                size_t arg_count, const struct qr_expr **ret_expr)
{
    if (all_null_literals(args, arg_count))
        return qr_sql_fail(b->err, 4127);
    struct qr_type type;
    enum qr_collation_label label;
    QR_TRY(qr_expr_common_type(b, args, arg_count, &type, &label));
    const struct qr_expr **cast = qr_arena_array(b->arena, arg_count, sizeof *cast);
    if (cast == NULL)
        return qri_expr_nomem(b->err);
    bool nullable = false; /* it stands for a CASE, other than ISNULL */
    for (size_t i = 0; i < arg_count; i++) {
        QR_TRY(qri_coerce(b, type, args[i], &cast[i]));
        nullable = nullable || cast[i]->nullable;
    }
    struct qr_expr *node;
    QR_TRY(qri_expr_node(b, QR_EXPR_COALESCE, cast, arg_count, &node));
    node->type = type;
    node->label = (uint8_t)label;
    node->nullable = nullable;
    return qri_fold(b, node, ret_expr);
}

/* ISNULL has the type of its first argument; the second is made to fit, cutting strings. */
static enum qr_status isnull(struct qr_expr_builder *b, const struct qr_func *func,
                             const struct qr_expr *const *args, size_t arg_count,
                             const struct qr_expr **ret_expr)
{
    (void)func;
    (void)arg_count;
    if (qri_is_null_literal(args[0])) {
        if (qri_is_null_literal(args[1]))
            return qri_null_of(b, qr_type_of(QR_TYPE_INT), ret_expr);
        *ret_expr = args[1];
        return QR_OK;
    }
    struct qr_type type = args[0]->type;
    const struct qr_expr *both[2] = {args[0], args[1]};
    struct qr_collation_use use;
    QR_TRY(qri_mix(b, both, 2, "ISNULL", &use));
    QR_TRY(qri_coerce(b, type, args[1], &both[1]));
    struct qr_expr *node;
    QR_TRY(qri_expr_node(b, QR_EXPR_COALESCE, both, 2, &node));
    node->type = type;
    if (qr_type_is_string(&type)) {
        node->type.collation = use.collation;
        node->label = (uint8_t)use.label;
    }
    node->nullable = args[0]->nullable && both[1]->nullable;
    return qri_fold(b, node, ret_expr);
}

static enum qr_status nullif(struct qr_expr_builder *b, const struct qr_func *func,
                             const struct qr_expr *const *args, size_t arg_count,
                             const struct qr_expr **ret_expr)
{
    (void)func;
    (void)arg_count;
    if (qri_is_null_literal(args[0]))
        return qr_sql_fail(b->err, 4151);
    const struct qr_expr *all[3] = {args[0], args[1], NULL};
    if (qri_is_null_literal(args[1]))
        QR_TRY(qri_null_for(b, args[1], args[0]->type, false, &all[1]));
    QR_TRY(qr_expr_cmp(b, QR_CMP_EQ, args[0], all[1], &all[2]));
    struct qr_expr *node;
    QR_TRY(qri_expr_node(b, QR_EXPR_NULLIF, all, 3, &node));
    node->type = args[0]->type;
    node->label = args[0]->label;
    node->nullable = true;
    return qri_fold(b, node, ret_expr);
}

static enum qr_status choose(struct qr_expr_builder *b, const struct qr_func *func,
                             const struct qr_expr *const *args, size_t arg_count,
                             const struct qr_expr **ret_expr)
{
    (void)func;
    struct qr_type type;
    enum qr_collation_label label;
    QR_TRY(qr_expr_common_type(b, args + 1, arg_count - 1, &type, &label));
    const struct qr_expr **cast = qr_arena_array(b->arena, arg_count, sizeof *cast);
    if (cast == NULL)
        return qri_expr_nomem(b->err);
    QR_TRY(qr_expr_convert(b, qr_type_of(QR_TYPE_INT), args[0], &cast[0]));
    for (size_t i = 1; i < arg_count; i++)
        QR_TRY(qri_coerce(b, type, args[i], &cast[i]));
    struct qr_expr *node;
    QR_TRY(qri_expr_node(b, QR_EXPR_CHOOSE, cast, arg_count, &node));
    node->type = type;
    node->label = (uint8_t)label;
    node->nullable = true; /* the index may be out of range */
    return qri_fold(b, node, ret_expr);
}

static enum qr_status iif(struct qr_expr_builder *b, const struct qr_func *func,
                          const struct qr_expr *const *args, size_t arg_count,
                          const struct qr_expr **ret_expr)
{
    (void)func;
    (void)arg_count;
    return qr_expr_iif(b, args[0], args[1], args[2], ret_expr);
}

static enum qr_status coalesce(struct qr_expr_builder *b, const struct qr_func *func,
                               const struct qr_expr *const *args, size_t arg_count,
                               const struct qr_expr **ret_expr)
{
    (void)func;
    return qr_expr_coalesce(b, args, arg_count, ret_expr);
}

static const struct special {
    const char *name;
    enum qr_status (*build)(struct qr_expr_builder *b, const struct qr_func *func,
                            const struct qr_expr *const *args, size_t arg_count,
                            const struct qr_expr **ret_expr);
} specials[] = {
    {"CHOOSE", choose}, {"COALESCE", coalesce}, {"IIF", iif},
    {"ISNULL", isnull}, {"NULLIF", nullif},
};

enum qr_status qri_call_special(struct qr_expr_builder *b, const struct qr_func *func,
                                const struct qr_expr *const *args, size_t arg_count,
                                const struct qr_expr **ret_expr)
{
    for (size_t i = 0; i < sizeof specials / sizeof specials[0]; i++)
        if (strcmp(specials[i].name, func->name) == 0)
            return specials[i].build(b, func, args, arg_count, ret_expr);
    return qr_fail(b->err, QR_BUG, "no special form %s", func->name);
}

static const struct qr_func choice_funcs[] = {
    /* clang-format off */
    {"CHOOSE",   2, QR_EXPR_ARGS_MAX, "*", NULL, 0, 0, NULL, QR_FUNC_SPECIAL, QR_HOST_NONE},
    {"COALESCE", 2, QR_EXPR_ARGS_MAX, "*", NULL, 0, 0, NULL, QR_FUNC_SPECIAL, QR_HOST_NONE},
    {"IIF",      3, 3,                "*", NULL, 0, 0, NULL, QR_FUNC_SPECIAL, QR_HOST_NONE},
    {"ISNULL",   2, 2,                "*", NULL, 0, 0, NULL, QR_FUNC_SPECIAL, QR_HOST_NONE},
    {"NULLIF",   2, 2,                "*", NULL, 0, 0, NULL, QR_FUNC_SPECIAL, QR_HOST_NONE},
    /* clang-format on */
};
const struct qri_family qri_choice_funcs = {choice_funcs,
                                            sizeof choice_funcs / sizeof choice_funcs[0]};
