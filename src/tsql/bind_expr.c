/* bind_expr.c - scalar expressions: names resolved, types by expr's constructors; see bind_int.h */
#include "bind_int.h"

#include "base/banned.h"

typedef enum qr_status (*expr_fn)(struct qri_compile *c, const struct qr_ast_expr *ast,
                                  const struct qr_expr **ret_expr);

enum qr_status qri_exprs(struct qri_compile *c, const struct qr_ast_exprs *ast,
                         const struct qr_expr ***ret_exprs)
{
    const struct qr_expr **exprs = QRI_ARRAY(c, ast->count + 1, const struct qr_expr *);
    if (exprs == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < ast->count; i++)
        QR_TRY(qri_expr(c, ast->items[i], &exprs[i]));
    *ret_exprs = exprs;
    return QR_OK;
}

/* --- leaves --- */

static enum qr_status bind_odbc(struct qri_compile *c, const struct qr_ast_literal *ast,
                                const struct qr_expr **ret_expr)
{
    const struct qr_expr *text = NULL;
    enum qr_type_id id =
        ast->literal == QR_LIT_ODBC_GUID ? QR_TYPE_UNIQUEIDENTIFIER : QR_TYPE_DATETIME;
    QR_TRY(qr_expr_string(&c->b, ast->text, false, &text));
    return qr_expr_cast(&c->b, qr_type_of(id), text, NULL, QR_CAST_EXPLICIT, ret_expr);
}

static enum qr_status bind_literal(struct qri_compile *c, const struct qr_ast_expr *head,
                                   const struct qr_expr **ret_expr)
{
    const struct qr_ast_literal *ast = (const struct qr_ast_literal *)head;
    const char *money;
    switch (ast->literal) {
    case QR_LIT_NULL:
        return qr_expr_null(&c->b, ret_expr);
    case QR_LIT_INT:
    case QR_LIT_NUMERIC:
    case QR_LIT_FLOAT:
        return qr_expr_number(&c->b, ast->text, ret_expr);
    case QR_LIT_MONEY:
        money = qr_arena_printf(c->arena, "$%.*s", (int)ast->text.n, ast->text.p);
        return money == NULL ? qri_nomem(c) : qr_expr_number(&c->b, qr_str(money), ret_expr);
    case QR_LIT_STRING:
    case QR_LIT_NSTRING:
        return qr_expr_string(&c->b, ast->text, ast->literal == QR_LIT_NSTRING, ret_expr);
    case QR_LIT_BINARY:
        return qr_expr_binary(&c->b, ast->text, ret_expr);
    case QR_LIT_ODBC_DATE:
    case QR_LIT_ODBC_TIME:
    case QR_LIT_ODBC_TIMESTAMP:
    case QR_LIT_ODBC_GUID:
        return bind_odbc(c, ast, ret_expr);
    case QR_LIT_DEFAULT:
    default:
        return qr_sql_fail(c->err, 156, "DEFAULT");
    }
}

static enum qr_status bind_column(struct qri_compile *c, const struct qr_ast_expr *head,
                                  const struct qr_expr **ret_expr)
{
    return qri_bind_column(c, &((const struct qr_ast_column *)head)->name, ret_expr);
}

static enum qr_status bind_star(struct qri_compile *c, const struct qr_ast_expr *head,
                                const struct qr_expr **ret_expr)
{
    (void)head;
    (void)ret_expr;
    return qr_sql_fail(c->err, 102, "*");
}

static bool mark_leaf(void *arg, const struct qr_expr *expr)
{
    struct qri_leaf *leaf = qri_leaf_of(expr);
    if (leaf != NULL && leaf->kind == QRI_LEAF_COLUMN)
        qri_mark_correlated((struct qri_compile *)arg, leaf->source);
    return true;
}

/* SELECT @s = @s + x FROM t adds up: each row sees what the row before has assigned, and so does
 * UPDATE t SET @s = c = @s + x; SELECT @a = 1, @b = @a assigns from left to right. */
static bool is_live(const struct qri_compile *c, const struct qr_bind_var *var)
{
    const struct qr_ast_select *ast = c->assigning;
    for (size_t i = 0; ast != NULL && i < c->assigning_live; i++)
        if (qr_str_ieq(ast->items.items[i].variable, var->name))
            return true;
    for (size_t i = 0; c->setting != NULL && i < c->setting->count; i++)
        if (qr_str_ieq(c->setting->items[i].variable, var->name))
            return true;
    return false;
}

enum qr_status qri_var_expr(struct qri_compile *c, const struct qr_bind_var *var,
                            const struct qr_expr **ret_expr)
{
    if (!is_live(c, var))
        return qr_expr_var(&c->b, var->slot, var->type, ret_expr);
    struct qri_leaf *leaf = QRI_NEW(c, struct qri_leaf);
    if (leaf == NULL)
        return qri_nomem(c);
    leaf->kind = QRI_LEAF_LIVE;
    leaf->slot = var->slot;
    const struct qr_expr *plain = NULL;
    QR_TRY(qr_expr_var(&c->b, var->slot, var->type, &plain));
    struct qr_expr_foreign shape = {.type = plain->type,
                                    .label = (enum qr_collation_label)plain->label,
                                    .volatility = QR_VOLATILE,
                                    .nullable = true};
    return qri_leaf(c, leaf, &shape, ret_expr);
}

static enum qr_status bind_variable(struct qri_compile *c, const struct qr_ast_expr *head,
                                    const struct qr_expr **ret_expr)
{
    struct qr_str name = ((const struct qr_ast_variable *)head)->name;
    if (c->frame != NULL) {
        for (size_t i = 0; i < c->frame->count; i++)
            if (qr_str_ieq(c->frame->params[i].name, name)) {
                *ret_expr = c->frame->params[i].expr;
                (void)qr_expr_walk(*ret_expr, mark_leaf, c);
                return QR_OK;
            }
        if (c->frame->hides_vars)
            return qr_sql_fail(c->err, 137, qri_text_z(c, name));
    }
    const struct qr_bind_var *var = qri_bind_var(c->env, name);
    if (var == NULL || var->table != NULL)
        return qr_sql_fail(c->err, 137, qri_text_z(c, name));
    return qri_var_expr(c, var, ret_expr);
}

static enum qr_status bind_global(struct qri_compile *c, const struct qr_ast_expr *head,
                                  const struct qr_expr **ret_expr)
{
    struct qr_str name = ((const struct qr_ast_variable *)head)->name;
    if (qr_func_find(name) == NULL)
        return qr_sql_fail(c->err, 137, qri_text_z(c, name));
    return qr_expr_call(&c->b, name, NULL, 0, ret_expr);
}

/* --- operators --- */

static const enum qr_op ops[] = {
    [QR_AOP_ADD] = QR_OP_ADD,
    [QR_AOP_SUB] = QR_OP_SUB,
    [QR_AOP_MUL] = QR_OP_MUL,
    [QR_AOP_DIV] = QR_OP_DIV,
    [QR_AOP_MOD] = QR_OP_MOD,
    [QR_AOP_BIT_AND] = QR_OP_BIT_AND,
    [QR_AOP_BIT_OR] = QR_OP_BIT_OR,
    [QR_AOP_BIT_XOR] = QR_OP_BIT_XOR,
    [QR_AOP_SHIFT_LEFT] = QR_OP_SHIFT_LEFT,
    [QR_AOP_SHIFT_RIGHT] = QR_OP_SHIFT_RIGHT,
    [QR_AOP_CONCAT] = QR_OP_CONCAT,
};

static enum qr_status bind_unary(struct qri_compile *c, const struct qr_ast_expr *head,
                                 const struct qr_expr **ret_expr)
{
    const struct qr_ast_unary *ast = (const struct qr_ast_unary *)head;
    const struct qr_expr *operand = NULL;
    QR_TRY(qri_expr(c, ast->operand, &operand));
    if (ast->op == QR_UNARY_PLUS) {
        *ret_expr = operand;
        return QR_OK;
    }
    enum qr_op op = ast->op == QR_UNARY_MINUS ? QR_OP_NEG : QR_OP_BIT_NOT;
    return qr_expr_arith(&c->b, op, operand, NULL, ret_expr);
}

static enum qr_status bind_chain(struct qri_compile *c, const struct qr_ast_expr *head,
                                 const struct qr_expr **ret_expr)
{
    const struct qr_ast_chain *ast = (const struct qr_ast_chain *)head;
    const struct qr_expr *left = NULL, *right = NULL;
    QR_TRY(qri_expr(c, ast->operands[0], &left));
    for (uint32_t i = 1; i < ast->count; i++) {
        QR_TRY(qri_expr(c, ast->operands[i], &right));
        QR_TRY(qr_expr_arith(&c->b, ops[ast->ops[i - 1]], left, right, &left));
    }
    *ret_expr = left;
    return QR_OK;
}

enum qr_status qri_assign_op(struct qri_compile *c, enum qr_ast_assign assign,
                             const struct qr_expr *old, const struct qr_expr *value,
                             const struct qr_expr **ret_expr)
{
    static const enum qr_op assign_ops[] = {
        [QR_ASSIGN_ADD] = QR_OP_ADD,       [QR_ASSIGN_SUB] = QR_OP_SUB,
        [QR_ASSIGN_MUL] = QR_OP_MUL,       [QR_ASSIGN_DIV] = QR_OP_DIV,
        [QR_ASSIGN_MOD] = QR_OP_MOD,       [QR_ASSIGN_AND] = QR_OP_BIT_AND,
        [QR_ASSIGN_OR] = QR_OP_BIT_OR,     [QR_ASSIGN_XOR] = QR_OP_BIT_XOR,
        [QR_ASSIGN_CONCAT] = QR_OP_CONCAT,
    };
    if (assign != QR_ASSIGN_SET)
        return qr_expr_arith(&c->b, assign_ops[assign], old, value, ret_expr);
    *ret_expr = value;
    return QR_OK;
}

static enum qr_status bind_cast(struct qri_compile *c, const struct qr_ast_expr *head,
                                const struct qr_expr **ret_expr)
{
    const struct qr_ast_cast *ast = (const struct qr_ast_cast *)head;
    const struct qr_expr *operand, *style = NULL;
    struct qr_type type;
    uint32_t user_type;
    bool nullable;
    unsigned flags = QR_CAST_EXPLICIT;
    QR_TRY(qri_type(c, &ast->type, true, &type, &user_type, &nullable));
    QR_TRY(qri_expr(c, ast->operand, &operand));
    if (ast->style != NULL)
        QR_TRY(qri_expr(c, ast->style, &style));
    if (ast->attempt)
        flags |= QR_CAST_TRY;
    if (ast->form == QR_ACAST_PARSE)
        flags |= QR_CAST_PARSE;
    QR_TRY(qr_expr_cast(&c->b, type, operand, style, flags, &operand));
    /* Announced as nullable whatever the operand is, as all that is asked of a function; a column
     * that must not be has ISNULL around it. */
    struct qr_expr *told = QRI_ARRAY(c, 1, struct qr_expr);
    if (told == NULL)
        return qri_nomem(c);
    *told = *operand;
    told->nullable = true;
    *ret_expr = told;
    return QR_OK;
}

static enum qr_status case_parts(struct qri_compile *c, const struct qr_ast_expr *head,
                                 const struct qr_expr **ret_expr)
{
    const struct qr_ast_case *ast = (const struct qr_ast_case *)head;
    const struct qr_expr *operand = NULL, *otherwise = NULL;
    const struct qr_expr **whens = QRI_ARRAY(c, ast->count + 1, const struct qr_expr *);
    const struct qr_expr **thens = QRI_ARRAY(c, ast->count + 1, const struct qr_expr *);
    if (whens == NULL || thens == NULL)
        return qri_nomem(c);
    if (ast->operand != NULL)
        QR_TRY(qri_expr(c, ast->operand, &operand));
    for (size_t i = 0; i < ast->count; i++) {
        if (operand != NULL)
            QR_TRY(qri_expr(c, ast->whens[i].when, &whens[i]));
        else
            QR_TRY(qri_condition(c, ast->whens[i].when, &whens[i]));
        QR_TRY(qri_expr(c, ast->whens[i].then, &thens[i]));
    }
    if (ast->otherwise != NULL)
        QR_TRY(qri_expr(c, ast->otherwise, &otherwise));
    if (operand != NULL)
        return qr_expr_case_simple(&c->b, operand, whens, thens, ast->count, otherwise, ret_expr);
    return qr_expr_case(&c->b, whens, thens, ast->count, otherwise, ret_expr);
}

static enum qr_status bind_case(struct qri_compile *c, const struct qr_ast_expr *head,
                                const struct qr_expr **ret_expr)
{
    bool in_choice = c->in_choice;
    c->in_choice = true;
    QR_TRY(case_parts(c, head, ret_expr));
    c->in_choice = in_choice;
    return QR_OK;
}

static enum qr_status bind_collate(struct qri_compile *c, const struct qr_ast_expr *head,
                                   const struct qr_expr **ret_expr)
{
    const struct qr_ast_collate *ast = (const struct qr_ast_collate *)head;
    const struct qr_expr *operand = NULL;
    QR_TRY(qri_expr(c, ast->operand, &operand));
    uint16_t id = c->b.collation;
    if (!qr_str_ieqz(ast->collation.text, "database_default") &&
        !qr_str_ieqz(ast->collation.text, "catalog_default")) {
        const struct qr_collation *collation = qr_collation_find(ast->collation.text);
        if (collation == NULL)
            return qr_sql_fail(c->err, 448, qri_text_z(c, ast->collation.text));
        id = collation->id;
    }
    return qr_expr_collate(&c->b, operand, id, ret_expr);
}

static enum qr_status bind_time_zone(struct qri_compile *c, const struct qr_ast_expr *head,
                                     const struct qr_expr **ret_expr)
{
    const struct qr_ast_at_time_zone *ast = (const struct qr_ast_at_time_zone *)head;
    const struct qr_expr *args[2];
    QR_TRY(qri_expr(c, ast->operand, &args[0]));
    QR_TRY(qri_expr(c, ast->zone, &args[1]));
    return qr_expr_call(&c->b, qr_str("AT TIME ZONE"), args, 2, ret_expr);
}

static enum qr_status bind_pseudo(struct qri_compile *c, const struct qr_ast_expr *head,
                                  const struct qr_expr **ret_expr)
{
    const struct qr_ast_pseudo *ast = (const struct qr_ast_pseudo *)head;
    bool identity = qr_str_ieqz(ast->name, "$IDENTITY");
    bool rowguid = qr_str_ieqz(ast->name, "$ROWGUID");
    for (struct qri_scope *s = c->scope; (identity || rowguid) && s != NULL; s = s->outer)
        for (size_t i = s->first; i < s->count; i++) {
            struct qri_source *source = s->items[i];
            if (!qri_source_matches(source, ast->qualifier.parts, ast->qualifier.count))
                continue;
            for (size_t k = 0; source->object != NULL && k < source->column_count; k++) {
                const struct qr_cat_column *col = &source->object->columns[k];
                if (identity ? col->is_identity : col->is_rowguidcol) {
                    QR_TRY(qri_use_column(c, source, k));
                    return qri_column_leaf(c, source, k, ret_expr);
                }
            }
        }
    return qr_sql_fail(c->err, 207, qri_text_z(c, ast->name));
}

static enum qr_status bind_scalar_subquery(struct qri_compile *c, const struct qr_ast_expr *head,
                                           const struct qr_expr **ret_expr)
{
    return qri_scalar_subquery(c, ((const struct qr_ast_subquery *)head)->query, ret_expr);
}

static enum qr_status bind_call(struct qri_compile *c, const struct qr_ast_expr *head,
                                const struct qr_expr **ret_expr)
{
    return qri_call(c, (const struct qr_ast_call *)head, ret_expr);
}

static enum qr_status bind_method(struct qri_compile *c, const struct qr_ast_expr *head,
                                  const struct qr_expr **ret_expr)
{
    const struct qr_ast_method *ast = (const struct qr_ast_method *)head;
    const struct qr_expr *object = NULL;
    if (ast->object == NULL || ast->property)
        return qr_fail(c->err, QR_UNSUPPORTED, "method %.*s() is not supported",
                       (int)ast->method.text.n, ast->method.text.p);
    QR_TRY(qri_expr(c, ast->object, &object));
    return qri_xml_method(c, object, ast->method.text, &ast->args, ret_expr);
}

static enum qr_status bind_identity_call(struct qri_compile *c, const struct qr_ast_expr *head,
                                         const struct qr_expr **ret_expr)
{
    (void)head;
    (void)ret_expr;
    return qr_sql_fail(c->err, 177);
}

/* --- conditions --- */

static enum qr_status bind_compare(struct qri_compile *c, const struct qr_ast_expr *head,
                                   const struct qr_expr **ret_expr)
{
    static const enum qr_cmp cmps[] = {
        [QR_ACMP_EQ] = QR_CMP_EQ, [QR_ACMP_NE] = QR_CMP_NE, [QR_ACMP_LT] = QR_CMP_LT,
        [QR_ACMP_LE] = QR_CMP_LE, [QR_ACMP_GT] = QR_CMP_GT, [QR_ACMP_GE] = QR_CMP_GE,
    };
    const struct qr_ast_compare *ast = (const struct qr_ast_compare *)head;
    const struct qr_expr *left = NULL, *right = NULL;
    QR_TRY(qri_expr(c, ast->left, &left));
    QR_TRY(qri_expr(c, ast->right, &right));
    return qri_compare(c, cmps[ast->op], left, right, ret_expr);
}

static enum qr_status bind_logical(struct qri_compile *c, const struct qr_ast_expr *head,
                                   const struct qr_expr **ret_expr)
{
    const struct qr_ast_logical *ast = (const struct qr_ast_logical *)head;
    const struct qr_expr **terms = QRI_ARRAY(c, ast->terms.count, const struct qr_expr *);
    if (terms == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < ast->terms.count; i++)
        QR_TRY(qri_condition(c, ast->terms.items[i], &terms[i]));
    return qr_expr_logic(&c->b, ast->is_or ? QR_EXPR_OR : QR_EXPR_AND, terms, ast->terms.count,
                         ret_expr);
}

enum qr_status qri_and(struct qri_compile *c, const struct qr_expr *a, const struct qr_expr *b,
                       const struct qr_expr **ret_expr)
{
    const struct qr_expr *terms[2] = {a, b};
    if (a == NULL || b == NULL) {
        *ret_expr = a == NULL ? b : a;
        return QR_OK;
    }
    return qr_expr_logic(&c->b, QR_EXPR_AND, terms, 2, ret_expr);
}

static enum qr_status bind_not(struct qri_compile *c, const struct qr_ast_expr *head,
                               const struct qr_expr **ret_expr)
{
    const struct qr_expr *operand = NULL;
    QR_TRY(qri_condition(c, ((const struct qr_ast_not *)head)->operand, &operand));
    return qr_expr_not(&c->b, operand, ret_expr);
}

static enum qr_status bind_in(struct qri_compile *c, const struct qr_ast_expr *head,
                              const struct qr_expr **ret_expr)
{
    const struct qr_ast_in *ast = (const struct qr_ast_in *)head;
    const struct qr_expr *operand = NULL, **members = NULL;
    if (ast->query != NULL)
        return qri_in_subquery(c, ast, ret_expr);
    QR_TRY(qri_expr(c, ast->operand, &operand));
    QR_TRY(qri_exprs(c, &ast->list, &members));
    for (size_t i = 0; i < ast->list.count; i++)
        QR_TRY(qri_narrow(c, operand, &members[i]));
    return qr_expr_in(&c->b, operand, members, ast->list.count, ast->negated, ret_expr);
}

/* As two comparisons, so that each bound may use an index. */
static enum qr_status bind_between(struct qri_compile *c, const struct qr_ast_expr *head,
                                   const struct qr_expr **ret_expr)
{
    const struct qr_ast_between *ast = (const struct qr_ast_between *)head;
    const struct qr_expr *operand = NULL, *low = NULL, *high = NULL;
    QR_TRY(qri_expr(c, ast->operand, &operand));
    QR_TRY(qri_expr(c, ast->low, &low));
    QR_TRY(qri_expr(c, ast->high, &high));
    QR_TRY(qri_narrow(c, operand, &low));
    QR_TRY(qri_narrow(c, operand, &high));
    return qr_expr_between(&c->b, operand, low, high, ast->negated, ret_expr);
}

static enum qr_status bind_like(struct qri_compile *c, const struct qr_ast_expr *head,
                                const struct qr_expr **ret_expr)
{
    const struct qr_ast_like *ast = (const struct qr_ast_like *)head;
    const struct qr_expr *operand, *pattern, *escape = NULL;
    QR_TRY(qri_expr(c, ast->operand, &operand));
    QR_TRY(qri_expr(c, ast->pattern, &pattern));
    if (ast->escape != NULL)
        QR_TRY(qri_expr(c, ast->escape, &escape));
    QR_TRY(qr_expr_like(&c->b, operand, pattern, escape, ast->negated, ret_expr));
    return ast->negated || escape != NULL ? QR_OK : qri_like_range(c, operand, pattern, ret_expr);
}

static enum qr_status bind_is_null(struct qri_compile *c, const struct qr_ast_expr *head,
                                   const struct qr_expr **ret_expr)
{
    const struct qr_ast_is_null *ast = (const struct qr_ast_is_null *)head;
    const struct qr_expr *operand = NULL;
    QR_TRY(qri_expr(c, ast->operand, &operand));
    return qr_expr_is_null(&c->b, operand, ast->negated, ret_expr);
}

static enum qr_status bind_distinct_from(struct qri_compile *c, const struct qr_ast_expr *head,
                                         const struct qr_expr **ret_expr)
{
    const struct qr_ast_distinct_from *ast = (const struct qr_ast_distinct_from *)head;
    const struct qr_expr *left = NULL, *right = NULL;
    QR_TRY(qri_expr(c, ast->left, &left));
    QR_TRY(qri_expr(c, ast->right, &right));
    return qr_expr_is_distinct(&c->b, left, right, ast->negated, ret_expr);
}

static enum qr_status bind_exists(struct qri_compile *c, const struct qr_ast_expr *head,
                                  const struct qr_expr **ret_expr)
{
    return qri_exists(c, ((const struct qr_ast_subquery *)head)->query, ret_expr);
}

static enum qr_status bind_quantified(struct qri_compile *c, const struct qr_ast_expr *head,
                                      const struct qr_expr **ret_expr)
{
    return qri_quantified(c, (const struct qr_ast_quantified *)head, ret_expr);
}

static enum qr_status bind_predicate(struct qri_compile *c, const struct qr_ast_expr *head,
                                     const struct qr_expr **ret_expr)
{
    return qri_predicate_call(c, (const struct qr_ast_call *)head, ret_expr);
}

static const expr_fn binders[QR_AE_KIND_COUNT] = {
    [QR_AE_LITERAL] = bind_literal,
    [QR_AE_COLUMN] = bind_column,
    [QR_AE_STAR] = bind_star,
    [QR_AE_VARIABLE] = bind_variable,
    [QR_AE_GLOBAL] = bind_global,
    [QR_AE_UNARY] = bind_unary,
    [QR_AE_CHAIN] = bind_chain,
    [QR_AE_CALL] = bind_call,
    [QR_AE_METHOD] = bind_method,
    [QR_AE_CAST] = bind_cast,
    [QR_AE_CASE] = bind_case,
    [QR_AE_SUBQUERY] = bind_scalar_subquery,
    [QR_AE_COLLATE] = bind_collate,
    [QR_AE_AT_TIME_ZONE] = bind_time_zone,
    [QR_AE_NEXT_VALUE] = qri_next_value,
    [QR_AE_PSEUDO] = bind_pseudo,
    [QR_AE_IDENTITY] = bind_identity_call,
    [QR_AE_COMPARE] = bind_compare,
    [QR_AE_LOGICAL] = bind_logical,
    [QR_AE_NOT] = bind_not,
    [QR_AE_IN] = bind_in,
    [QR_AE_BETWEEN] = bind_between,
    [QR_AE_LIKE] = bind_like,
    [QR_AE_IS_NULL] = bind_is_null,
    [QR_AE_DISTINCT_FROM] = bind_distinct_from,
    [QR_AE_EXISTS] = bind_exists,
    [QR_AE_QUANTIFIED] = bind_quantified,
    [QR_AE_PREDICATE] = bind_predicate,
};

static enum qr_status bind(struct qri_compile *c, const struct qr_ast_expr *ast,
                           const struct qr_expr **ret_expr)
{
    int line = c->b.line;
    c->b.line = (int)ast->pos.line;
    QR_TRY(binders[ast->kind](c, ast, ret_expr));
    c->b.line = line;
    return QR_OK;
}

enum qr_status qri_expr(struct qri_compile *c, const struct qr_ast_expr *ast,
                        const struct qr_expr **ret_expr)
{
    if (qr_ast_is_condition(ast))
        return qr_sql_fail(c->err, 102, "=");
    return bind(c, ast, ret_expr);
}

enum qr_status qri_condition(struct qri_compile *c, const struct qr_ast_expr *ast,
                             const struct qr_expr **ret_expr)
{
    if (!qr_ast_is_condition(ast))
        return qr_sql_fail(c->err, 4145, "");
    return bind(c, ast, ret_expr);
}

enum qr_status qri_text_expr(struct qri_compile *c, struct qr_str text, bool is_condition,
                             const struct qr_expr **ret_expr)
{
    struct qr_tsql_options options = {.quoted_identifier = true};
    struct qr_ast_expr *ast = NULL;
    QR_TRY(qr_tsql_parse_expr(c->arena, text.p, text.n, &options, &ast, c->err));
    return is_condition ? qri_condition(c, ast, ret_expr) : qri_expr(c, ast, ret_expr);
}
