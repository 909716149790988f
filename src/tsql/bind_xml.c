/* bind_xml.c - methods of the xml type: value(), exist(), query(); see bind_int.h. nodes() is in
 * bind_rows.c, paths are expr's (expr/xml.h). */
#include "bind_int.h"

#include "base/banned.h"

bool qri_is_xml_method(struct qr_str name)
{
    static const char *const methods[] = {"value", "exist", "query", "nodes", "modify"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (name.n == strlen(methods[i]) && memcmp(name.p, methods[i], name.n) == 0)
            return true;
    return false;
}

static enum qr_status bind_value(struct qri_compile *c, const struct qr_expr *text,
                                 const struct qr_ast_expr *ast_type,
                                 const struct qr_expr **ret_expr)
{
    const struct qr_ast_literal *literal = (const struct qr_ast_literal *)ast_type;
    struct qr_ast_type ast;
    struct qr_type type;
    uint32_t user_type;
    bool nullable;
    if (ast_type->kind != QR_AE_LITERAL ||
        (literal->literal != QR_LIT_STRING && literal->literal != QR_LIT_NSTRING))
        return qr_sql_fail(c->err, 8172, 2, "value");
    QR_TRY(qr_tsql_parse_type(c->arena, literal->text.p, literal->text.n, &ast, c->err));
    QR_TRY(qri_type(c, &ast, true, &type, &user_type, &nullable));
    return qr_expr_cast(&c->b, type, text, NULL, 0, ret_expr);
}

enum qr_status qri_xml_method(struct qri_compile *c, const struct qr_expr *object,
                              struct qr_str method, const struct qr_ast_exprs *args,
                              const struct qr_expr **ret_expr)
{
    static const struct {
        const char *method, *function;
        size_t args;
    } methods[] = {{"value", "XML VALUE", 2}, {"exist", "XML EXIST", 1}, {"query", "XML QUERY", 1}};
    size_t i = 0, count = sizeof methods / sizeof methods[0];
    if (object->type.id != QR_TYPE_XML)
        return qr_sql_fail(c->err, 258, qr_type_name(&object->type));
    while (i < count && !qr_str_ieqz(method, methods[i].method))
        i++;
    if (i == count)
        return qr_fail(c->err, QR_UNSUPPORTED, "method %.*s() is not supported", (int)method.n,
                       method.p);
    if (c->namespaces != NULL)
        return qr_fail(c->err, QR_UNSUPPORTED, "WITH XMLNAMESPACES for methods of xml");
    if (args->count != methods[i].args)
        return qr_sql_fail(c->err, 174, methods[i].method, (int)methods[i].args);
    const struct qr_expr *both[2] = {object, NULL}, *found = NULL;
    QR_TRY(qri_expr(c, args->items[0], &both[1]));
    if (both[1]->kind != QR_EXPR_CONST)
        return qr_sql_fail(c->err, 8172, 1, methods[i].method);
    QR_TRY(qr_expr_call(&c->b, qr_str(methods[i].function), both, 2, &found));
    if (args->count == 2)
        return bind_value(c, found, args->items[1], ret_expr);
    *ret_expr = found;
    return QR_OK;
}

/* t.x.value(…): what was read as the name of a function. */
enum qr_status qri_xml_object(struct qri_compile *c, const struct qr_ast_call *ast,
                              const struct qr_expr **ret_object)
{
    struct qr_ast_column *column = QRI_NEW(c, struct qr_ast_column);
    if (column == NULL)
        return qri_nomem(c);
    column->head = (struct qr_ast_expr){.kind = QR_AE_COLUMN, .pos = ast->head.pos};
    column->name = ast->name;
    column->name.count--;
    return qri_expr(c, &column->head, ret_object);
}
