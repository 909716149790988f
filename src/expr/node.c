/* node.c - see expr/expr.h: nodes, leaves, literals, folding of constants */
#include "expr_int.h"
#include <string.h>
#include "codec/codepage.h"
#include "codec/utf.h"
#include "base/banned.h"

enum { FOLD_BYTES_MAX = 64 * 1024 }; /* of working memory; larger constants stay unfolded */

enum qr_status qri_expr_nomem(struct qr_err *err)
{
    return qr_fail(err, QR_NOMEM, "There is insufficient system memory to run this query.");
}

static void inherit(struct qr_expr *node, const struct qr_expr *arg)
{
    node->nullable = node->nullable || arg->nullable;
    node->has_foreign = node->has_foreign || arg->has_foreign;
    node->has_var = node->has_var || arg->has_var;
    node->has_input = node->has_input || arg->has_input;
    if (arg->volatility > node->volatility)
        node->volatility = arg->volatility;
    if (arg->depth >= node->depth)
        node->depth = (uint16_t)(arg->depth + 1);
    node->weight += arg->weight; /* both are bounded: cannot wrap */
}

enum qr_status qri_expr_node(struct qr_expr_builder *b, enum qr_expr_kind kind,
                             const struct qr_expr *const *args, size_t arg_count,
                             struct qr_expr **ret_node)
{
    struct qr_expr *node = qr_arena_alloc(b->arena, sizeof *node);
    const struct qr_expr **copy = NULL;
    if (arg_count > 0)
        copy = qr_arena_array(b->arena, arg_count, sizeof *copy);
    if (node == NULL || (arg_count > 0 && copy == NULL))
        return qri_expr_nomem(b->err);
    node->kind = kind;
    node->line = b->line;
    node->depth = 1;
    node->weight = 1;
    node->label = QR_LABEL_COERCIBLE_DEFAULT;
    for (size_t i = 0; i < arg_count; i++) {
        copy[i] = args[i];
        inherit(node, args[i]);
        if (node->weight > QR_EXPR_WEIGHT_MAX)
            return qr_sql_fail(b->err, 8632);
    }
    if (node->depth > QR_EXPR_DEPTH_MAX)
        return qr_sql_fail(b->err, 191);
    node->args = copy;
    node->arg_count = arg_count;
    *ret_node = node;
    return QR_OK;
}

static bool is_foldable(const struct qr_expr_builder *b, const struct qr_expr *node)
{
    if (b->no_folding || node->volatility != QR_DETERMINISTIC || node->arg_count == 0)
        return false;
    for (size_t i = 0; i < node->arg_count; i++)
        if (!qri_is_const(node->args[i]))
            return false;
    return true;
}

enum qr_status qri_fold(struct qr_expr_builder *b, const struct qr_expr *node,
                        const struct qr_expr **ret_expr)
{
    *ret_expr = node;
    if (!is_foldable(b, node))
        return QR_OK;
    struct qr_arena work;
    qr_arena_init(&work, FOLD_BYTES_MAX);
    struct qr_eval_settings settings;
    qr_eval_settings_init(&settings);
    struct qr_eval ctx = {.arena = &work, .settings = &settings};
    struct qr_value value;
    enum qr_status status = qr_expr_eval(node, &ctx, &value, NULL);
    if (status == QR_OK) { /* an error is left for run time */
        struct qr_expr *folded = NULL;
        status = qri_expr_node(b, QR_EXPR_CONST, NULL, 0, &folded);
        if (status == QR_OK)
            status = qr_value_copy(b->arena, &value, &folded->u.value);
        if (status == QR_OK) {
            folded->type = node->type;
            folded->label = node->label;
            folded->is_predicate = node->is_predicate;
            folded->is_json = node->is_json;
            folded->is_literal = node->is_literal;
            folded->line = node->line;
            folded->nullable = qr_value_is_null(&value);
            *ret_expr = folded;
        } else {
            qr_arena_done(&work);
            return qri_expr_nomem(b->err);
        }
    }
    qr_arena_done(&work);
    return QR_OK;
}

enum qr_status qr_expr_const(struct qr_expr_builder *b, struct qr_type type,
                             const struct qr_value *value, const struct qr_expr **ret_expr)
{
    struct qr_expr *node;
    QR_TRY(qri_expr_node(b, QR_EXPR_CONST, NULL, 0, &node));
    node->type = type;
    node->nullable = qr_value_is_null(value);
    if (qr_value_copy(b->arena, value, &node->u.value) != QR_OK)
        return qri_expr_nomem(b->err);
    *ret_expr = node;
    return QR_OK;
}

static enum qr_status literal(struct qr_expr_builder *b, struct qr_type type,
                              const struct qr_value *value, const struct qr_expr **ret_expr)
{
    struct qr_expr *node;
    QR_TRY(qri_expr_node(b, QR_EXPR_CONST, NULL, 0, &node));
    node->type = type;
    node->nullable = qr_value_is_null(value);
    node->is_literal = true;
    if (qr_value_copy(b->arena, value, &node->u.value) != QR_OK)
        return qri_expr_nomem(b->err);
    *ret_expr = node;
    return QR_OK;
}

enum qr_status qri_null_of(struct qr_expr_builder *b, struct qr_type type,
                           const struct qr_expr **ret_expr)
{
    struct qr_value null = qr_value_null();
    return qr_expr_const(b, type, &null, ret_expr);
}

enum qr_status qri_null_for(struct qr_expr_builder *b, const struct qr_expr *from,
                            struct qr_type type, bool exact, const struct qr_expr **ret_expr)
{
    if (b->untyped != NULL && from->kind == QR_EXPR_VAR)
        b->untyped->found(b->untyped->ctx, from->u.index, &type, exact);
    return qri_null_of(b, type, ret_expr);
}

enum qr_status qr_expr_null(struct qr_expr_builder *b, const struct qr_expr **ret_expr)
{
    struct qr_value null = qr_value_null();
    return literal(b, qr_type_of(QR_TYPE_NULL), &null, ret_expr);
}

enum qr_status qr_expr_int(struct qr_expr_builder *b, int64_t value,
                           const struct qr_expr **ret_expr)
{
    bool small = value >= INT32_MIN && value <= INT32_MAX;
    struct qr_value v = qr_value_int(value);
    return literal(b, qr_type_of(small ? QR_TYPE_INT : QR_TYPE_BIGINT), &v, ret_expr);
}

static enum qr_status float_literal(struct qr_expr_builder *b, struct qr_str text,
                                    const struct qr_expr **ret_expr)
{
    double d = 0;
    bool overflow = false;
    struct qr_str number = text; /* 2E and 2E+ are 2E0 */
    while (number.n > 1 && strchr("eE+-", number.p[number.n - 1]) != NULL)
        number.n--;
    bool good = qr_float_parse(number, &d, &overflow);
    char *z = qr_arena_dup(b->arena, text.p, text.n);
    if (z == NULL)
        return qri_expr_nomem(b->err);
    if (overflow)
        return qr_sql_fail(b->err, 168, z, 8);
    if (!good)
        return qr_sql_fail(b->err, 102, z);
    struct qr_value v = qr_value_real(d);
    return literal(b, qr_type_of(QR_TYPE_FLOAT), &v, ret_expr);
}

static enum qr_status money_literal(struct qr_expr_builder *b, struct qr_str text,
                                    const struct qr_expr **ret_expr)
{
    int64_t units = 0;
    if (qr_money_parse(text, &units) != QR_NUM_OK)
        return qr_sql_fail(b->err, 235);
    struct qr_value v = qr_value_int(units);
    return literal(b, qr_type_of(QR_TYPE_MONEY), &v, ret_expr);
}

enum qr_status qr_expr_number(struct qr_expr_builder *b, struct qr_str text,
                              const struct qr_expr **ret_expr)
{
    if (text.n > 0 && ((unsigned char)text.p[0] >= 0x80 || text.p[0] == '$'))
        return money_literal(b, text, ret_expr);
    if (memchr(text.p, 'e', text.n) != NULL || memchr(text.p, 'E', text.n) != NULL)
        return float_literal(b, text, ret_expr);
    struct qr_type type;
    QR_TRY(qr_type_number_literal(text, &type, b->err));
    if (type.id == QR_TYPE_INT) /* its digits count in arithmetic only: qri_literal_decimal */
        type = qr_type_of(QR_TYPE_INT);
    int precision = type.id == QR_TYPE_INT ? 10 : type.precision;
    qr_i128 scaled;
    QR_TRY(qr_num_fail(b->err, qr_dec_parse(text, precision, type.scale, &scaled), "numeric",
                       "numeric"));
    struct qr_value v =
        type.id == QR_TYPE_INT ? qr_value_int((int64_t)scaled) : qr_value_decimal(&type, scaled);
    return literal(b, type, &v, ret_expr);
}

enum qr_status qr_expr_string(struct qr_expr_builder *b, struct qr_str text, bool national,
                              const struct qr_expr **ret_expr)
{
    size_t length;
    if (national) {
        length = qr_utf16_units(text);
    } else {
        uint16_t page = qr_collation_get(b->collation)->code_page;
        if (qr_codepage_fit(page, text, b->arena, &text) != QR_OK)
            return qri_expr_nomem(b->err);
        length = qr_codepage_length(page, text);
    }
    struct qr_type type = qr_type_string_literal(national, length);
    type.collation = b->collation;
    struct qr_value v = qr_value_str(text);
    return literal(b, type, &v, ret_expr);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum qr_status qr_expr_binary(struct qr_expr_builder *b, struct qr_str hex,
                              const struct qr_expr **ret_expr)
{
    size_t bytes = (hex.n + 1) / 2;
    char *out = qr_arena_alloc(b->arena, bytes + 1);
    if (out == NULL)
        return qri_expr_nomem(b->err);
    size_t at = hex.n % 2; /* an odd count has a leading zero */
    for (size_t i = 0; i < hex.n; i++, at++) {
        int digit = hex_digit(hex.p[i]);
        if (digit < 0)
            return qr_sql_fail(b->err, 102, "0x");
        out[at / 2] = (char)((out[at / 2] << 4) | digit);
    }
    struct qr_value v = qr_value_blob(out, bytes);
    return literal(b, qr_type_binary_literal(bytes), &v, ret_expr);
}

enum qr_status qr_expr_var(struct qr_expr_builder *b, uint32_t slot, struct qr_type type,
                           const struct qr_expr **ret_expr)
{
    struct qr_expr *node;
    QR_TRY(qri_expr_node(b, QR_EXPR_VAR, NULL, 0, &node));
    node->type = type;
    node->nullable = true;
    node->has_var = true;
    node->volatility = QR_STABLE;
    node->u.index = slot;
    *ret_expr = node;
    return QR_OK;
}

enum qr_status qr_expr_input(struct qr_expr_builder *b, uint32_t index, struct qr_type type,
                             bool nullable, enum qr_collation_label label,
                             const struct qr_expr **ret_expr)
{
    struct qr_expr *node;
    QR_TRY(qri_expr_node(b, QR_EXPR_INPUT, NULL, 0, &node));
    node->type = type;
    node->nullable = nullable;
    node->label = (uint8_t)label;
    node->has_input = true;
    node->u.index = index;
    *ret_expr = node;
    return QR_OK;
}

enum qr_status qr_expr_foreign(struct qr_expr_builder *b, const struct qr_expr_foreign *leaf,
                               const struct qr_expr **ret_expr)
{
    struct qr_expr *node;
    QR_TRY(qri_expr_node(b, QR_EXPR_FOREIGN, NULL, 0, &node));
    node->type = leaf->type;
    node->label = (uint8_t)leaf->label;
    node->volatility = (uint8_t)leaf->volatility;
    node->nullable = leaf->nullable;
    node->is_predicate = leaf->is_predicate;
    node->is_json = leaf->is_json;
    node->has_foreign = true;
    node->u.ref = leaf->ref;
    *ret_expr = node;
    return QR_OK;
}
