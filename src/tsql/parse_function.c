/* parse_function.c - functions; see parse_ddl_int.h */
#include "parse_ddl_int.h"
#include "base/banned.h"

/* RETURN select, RETURN (select), RETURN (WITH ... select) */
static void inline_body(struct qri_parser *p, struct qr_ast_function *node)
{
    node->function = QR_FUNCTION_INLINE;
    qri_p_expect(p, KW_RETURN);
    if (qri_p_at_sym(p, '(') && qri_p_peek_at(p, 1, KW_WITH)) {
        qri_p_advance(p);
        node->select = qri_p_select_stmt(p);
        qri_p_expect_sym(p, ')');
    } else {
        node->select = qri_p_select_stmt(p);
    }
}

static void block_body(struct qri_parser *p, struct qr_ast_function *node)
{
    qri_p_expect(p, KW_BEGIN);
    if (qri_p_at(p, KW_ATOMIC) && qri_p_peek_at(p, 1, KW_WITH)) {
        qri_p_advance(p);
        qri_p_advance(p);
        qri_p_skip_paren(p);
    }
    qri_p_module_body(p, &node->body, node->function == QR_FUNCTION_SCALAR);
    qri_p_expect(p, KW_END);
}

static void returns(struct qri_parser *p, struct qr_ast_function *node)
{
    qri_p_expect(p, KW_RETURNS);
    if (qri_p_at_variable(p)) {
        node->function = QR_FUNCTION_TABLE;
        node->return_variable = qri_p_declared(p);
        qri_p_expect(p, KW_TABLE);
        node->return_table = qri_p_alloc(p, sizeof *node->return_table);
        qri_p_table_def(p, node->return_table);
    } else if (qri_p_accept(p, KW_TABLE)) {
        node->function = QR_FUNCTION_INLINE;
        if (qri_p_at_sym(p, '(')) { /* of a CLR function */
            node->return_table = qri_p_alloc(p, sizeof *node->return_table);
            qri_p_table_def(p, node->return_table);
        }
    } else {
        qri_p_type(p, &node->returns);
        qri_p_accept2(p, KW_NOT, KW_NULL);
    }
}

struct qr_ast_stmt *qri_p_function(struct qri_parser *p, enum qr_ast_action action)
{
    struct qr_ast_function *node = qri_p_ddl_stmt(p, sizeof *node, QR_AS_FUNCTION);
    node->action = action;
    node->function = QR_FUNCTION_SCALAR;
    qri_p_advance(p);
    node->name = qri_p_name(p, 3);
    qri_p_expect_sym(p, '(');
    if (!qri_p_at_sym(p, ')'))
        qri_p_params(p, &node->params);
    qri_p_expect_sym(p, ')');
    returns(p, node);
    qri_p_module_options(p, &node->options);
    if (qri_p_at(p, KW_ORDER) && qri_p_peek_sym(p, 1, '(')) {
        qri_p_advance(p);
        qri_p_skip_paren(p);
    }
    qri_p_accept(p, KW_AS);
    node->external_name = qri_p_external_name(p);
    if (node->external_name.n == 0) {
        if (node->function == QR_FUNCTION_INLINE)
            inline_body(p, node);
        else
            block_body(p, node);
    }
    node->temp_line = p->temp_line;
    struct qr_ast_stmt *stmt = qri_p_finish(p, node);
    qri_p_expect_alone(p);
    return stmt;
}
