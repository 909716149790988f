/* parse_object.c - schemas, types, sequences, synonyms, defaults and rules; see parse_ddl_int.h */
#include "parse_ddl_int.h"
#include "base/banned.h"

/* Its elements are CREATE TABLE, CREATE VIEW, GRANT, REVOKE, DENY, with no semicolon between. */
struct qr_ast_stmt *qri_p_create_schema(struct qri_parser *p)
{
    struct qr_ast_create_schema *node = qri_p_ddl_stmt(p, sizeof *node, QR_AS_CREATE_SCHEMA);
    qri_p_expect(p, KW_SCHEMA);
    if (!qri_p_at(p, KW_AUTHORIZATION))
        node->name = qri_p_ident(p);
    if (qri_p_accept(p, KW_AUTHORIZATION))
        node->authorization = qri_p_ident(p);
    while ((qri_p_at(p, KW_CREATE) &&
            (qri_p_peek_at(p, 1, KW_TABLE) || qri_p_peek_at(p, 1, KW_VIEW))) ||
           qri_p_at(p, KW_GRANT) || qri_p_at(p, KW_REVOKE) || qri_p_at(p, KW_DENY)) {
        p->at_start = true; /* a view may stand here */
        struct qr_ast_stmt *element = qri_p_statement(p);
        qri_p_push_ptr(p, &node->elements.items, &node->elements.count, element);
    }
    return qri_p_finish(p, node);
}

/* ALTER SCHEMA s TRANSFER [class ::] object */
struct qr_ast_stmt *qri_p_alter_schema(struct qri_parser *p)
{
    struct qr_ast_alter_schema *node = qri_p_ddl_stmt(p, sizeof *node, QR_AS_ALTER_SCHEMA);
    qri_p_expect(p, KW_SCHEMA);
    node->name = qri_p_ident(p);
    qri_p_expect(p, KW_TRANSFER);
    node->object_class = qri_p_class(p);
    node->object = qri_p_name(p, 3);
    return qri_p_finish(p, node);
}

struct qr_ast_stmt *qri_p_create_type(struct qri_parser *p)
{
    struct qr_ast_create_type *node = qri_p_ddl_stmt(p, sizeof *node, QR_AS_CREATE_TYPE);
    qri_p_expect(p, KW_TYPE);
    node->name = qri_p_name(p, 2);
    if (qri_p_accept(p, KW_FROM)) {
        qri_p_type(p, &node->base);
        if (qri_p_accept2(p, KW_NOT, KW_NULL))
            node->nullable = QR_NO;
        else if (qri_p_accept(p, KW_NULL))
            node->nullable = QR_YES;
        return qri_p_finish(p, node);
    }
    node->external_name = qri_p_external_name(p);
    if (node->external_name.n > 0)
        return qri_p_finish(p, node);
    qri_p_expect(p, KW_AS);
    qri_p_expect(p, KW_TABLE);
    node->table = qri_p_alloc(p, sizeof *node->table);
    qri_p_table_def(p, node->table);
    if (qri_p_at(p, KW_WITH) && qri_p_peek_sym(p, 1, '(')) {
        qri_p_advance(p);
        qri_p_options_paren(p, &node->options);
    }
    return qri_p_finish(p, node);
}

/* ---- sequences ---- */

static bool sequence_option(struct qri_parser *p, struct qr_ast_sequence *node)
{
    if (qri_p_accept(p, KW_AS)) {
        qri_p_type(p, &node->type);
    } else if (qri_p_accept2(p, KW_START, KW_WITH)) {
        node->start = qri_p_simple_value(p);
    } else if (qri_p_accept(p, KW_RESTART)) {
        node->restart = true;
        if (qri_p_accept(p, KW_WITH))
            node->start = qri_p_simple_value(p);
    } else if (qri_p_accept2(p, KW_INCREMENT, KW_BY)) {
        node->increment = qri_p_simple_value(p);
    } else if (qri_p_accept(p, KW_MINVALUE)) {
        node->has_min = QR_YES;
        node->min = qri_p_simple_value(p);
    } else if (qri_p_accept(p, KW_MAXVALUE)) {
        node->has_max = QR_YES;
        node->max = qri_p_simple_value(p);
    } else if (qri_p_accept(p, KW_CYCLE)) {
        node->cycle = QR_YES;
    } else if (qri_p_accept(p, KW_CACHE)) {
        node->has_cache = QR_YES;
        if (p->tok.kind == TOK_INT)
            node->cache = qri_p_simple_value(p);
    } else if (qri_p_accept2(p, KW_NO, KW_MINVALUE)) {
        node->has_min = QR_NO;
    } else if (qri_p_accept2(p, KW_NO, KW_MAXVALUE)) {
        node->has_max = QR_NO;
    } else if (qri_p_accept2(p, KW_NO, KW_CYCLE)) {
        node->cycle = QR_NO;
    } else if (qri_p_accept2(p, KW_NO, KW_CACHE)) {
        node->has_cache = QR_NO;
    } else {
        return false;
    }
    return true;
}

static struct qr_ast_stmt *sequence(struct qri_parser *p, enum qr_ast_action action)
{
    struct qr_ast_sequence *node = qri_p_ddl_stmt(p, sizeof *node, QR_AS_SEQUENCE);
    node->action = action;
    qri_p_expect(p, KW_SEQUENCE);
    node->name = qri_p_name(p, 3);
    while (sequence_option(p, node))
        continue;
    return qri_p_finish(p, node);
}

struct qr_ast_stmt *qri_p_create_sequence(struct qri_parser *p)
{
    return sequence(p, QR_ACTION_CREATE);
}

struct qr_ast_stmt *qri_p_alter_sequence(struct qri_parser *p)
{
    return sequence(p, QR_ACTION_ALTER);
}

struct qr_ast_stmt *qri_p_create_synonym(struct qri_parser *p)
{
    struct qr_ast_create_synonym *node = qri_p_ddl_stmt(p, sizeof *node, QR_AS_CREATE_SYNONYM);
    qri_p_expect(p, KW_SYNONYM);
    node->name = qri_p_name(p, 2);
    qri_p_expect(p, KW_FOR);
    node->target = qri_p_name(p, 4);
    return qri_p_finish(p, node);
}

/* CREATE DEFAULT d AS value, CREATE RULE r AS condition */
struct qr_ast_stmt *qri_p_create_default_rule(struct qri_parser *p)
{
    struct qr_ast_create_default_rule *node =
        qri_p_ddl_stmt(p, sizeof *node, QR_AS_CREATE_DEFAULT_RULE);
    node->rule = qri_p_at(p, KW_RULE);
    qri_p_advance(p);
    node->name = qri_p_name(p, 2);
    qri_p_expect(p, KW_AS);
    uint32_t begin = p->tok.begin;
    node->expr = node->rule ? qri_p_condition(p) : qri_p_scalar(p);
    node->expr_text = qri_p_text_from(p, begin);
    return qri_p_finish(p, node);
}
