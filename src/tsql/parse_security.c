/* parse_security.c - logins, users, roles, permissions, EXECUTE AS; see parse_ddl_int.h */
#include "parse_ddl_int.h"
#include "base/banned.h"

struct qr_str qri_class(struct qri_parser *p)
{
    struct qri_place place;
    qri_mark(p, &place);
    struct qr_str words = qri_words(p);
    if (words.n > 0 && qri_accept_sym(p, TOK_COLONS))
        return words;
    qri_rewind(p, &place);
    return qr_str("");
}

/* A principal's name; PUBLIC is reserved but one. */
static struct qr_ast_ident principal_name(struct qri_parser *p)
{
    if (!qri_at(p, KW_PUBLIC))
        return qri_ident_or_string(p);
    struct qr_ast_ident ident = {qri_token_str(p, &p->tok), false};
    qri_advance(p);
    return ident;
}

/* ---- CREATE, ALTER LOGIN | USER | ROLE ---- */

/* NAME = value [MUST_CHANGE | HASHED | UNLOCK], ...; OLD_PASSWORD comes without a comma. */
static void principal_options(struct qri_parser *p, struct qr_ast_options *options)
{
    static const char *const tails[] = {"MUST_CHANGE", "HASHED", "UNLOCK"};
    do {
        struct qr_ast_option option = {.pos = qri_pos(p)};
        if (p->tok.kind != TOK_IDENT)
            qri_syntax(p);
        option.name = qri_upper(p, qri_token_str(p, &p->tok));
        qri_advance(p);
        if (qri_accept_sym(p, '='))
            option.value = qri_is_ident(p, &p->tok) ? qri_primary(p, false) : NULL;
        if (option.value == NULL && (qri_at(p, KW_ON) || qri_at(p, KW_OFF))) {
            option.word = qr_str(qri_at(p, KW_ON) ? "ON" : "OFF");
            qri_advance(p);
        } else if (option.value == NULL && (qri_at_constant(p) || p->tok.kind == TOK_VARIABLE)) {
            option.value = qri_simple_value(p);
        }
        for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
            if (qri_accept_word(p, tails[i]))
                option.word = qr_str(tails[i]);
        }
        option.text = qri_text_from(p, option.pos.offset);
        *(struct qr_ast_option *)qri_push(p, &options->items, &options->count, sizeof option) =
            option;
    } while (qri_accept_sym(p, ',') ||
             (p->tok.kind == TOK_IDENT && !p->tok.reserved && qri_peek_sym(p, 1, '=')));
}

/* FOR|FROM LOGIN l, FROM EXTERNAL PROVIDER, FROM WINDOWS, FROM CERTIFICATE c, WITHOUT LOGIN */
static void principal_source(struct qri_parser *p, struct qr_ast_principal *node)
{
    if (qri_accept2(p, KW_WITHOUT, KW_LOGIN)) {
        node->without_login = true;
        return;
    }
    if (!qri_accept(p, KW_FOR) && !qri_accept(p, KW_FROM))
        return;
    if (qri_accept(p, KW_LOGIN)) {
        node->for_login = qri_ident(p);
        return;
    }
    uint32_t begin = p->tok.begin;
    node->from_external = qri_at(p, KW_EXTERNAL);
    if (p->tok.kind != TOK_IDENT)
        qri_syntax(p);
    qri_advance(p);
    if (node->from_external)
        qri_expect(p, KW_PROVIDER);
    else if (qri_accept(p, KW_KEY) || qri_is_ident(p, &p->tok))
        qri_ident(p);
    node->from_what = qri_text_from(p, begin);
}

static struct qr_ast_principal *principal(struct qri_parser *p, enum qr_ast_action action)
{
    struct qr_ast_principal *node = qri_ddl_stmt(p, sizeof *node, QR_AS_PRINCIPAL);
    node->action = action;
    if (qri_accept2(p, KW_SERVER, KW_ROLE)) {
        node->principal_class = qr_str("SERVER ROLE");
    } else if (qri_accept2(p, KW_APPLICATION, KW_ROLE)) {
        node->principal_class = qr_str("APPLICATION ROLE");
    } else {
        node->principal_class = qr_str(qri_keyword_name((enum qri_keyword)p->tok.keyword));
        qri_advance(p);
    }
    node->name = principal_name(p);
    return node;
}

struct qr_ast_stmt *qri_create_principal(struct qri_parser *p)
{
    struct qr_ast_principal *node = principal(p, QR_ACTION_CREATE);
    principal_source(p, node);
    if (qri_accept(p, KW_AUTHORIZATION))
        node->authorization = qri_ident(p);
    if (qri_accept(p, KW_WITH))
        principal_options(p, &node->options);
    return qri_finish(p, node);
}

struct qr_ast_stmt *qri_alter_principal(struct qri_parser *p)
{
    struct qr_ast_principal *node = principal(p, QR_ACTION_ALTER);
    if (qri_accept2(p, KW_ADD, KW_MEMBER)) {
        node->add_member = principal_name(p);
    } else if (qri_accept2(p, KW_DROP, KW_MEMBER)) {
        node->drop_member = principal_name(p);
    } else if (qri_at(p, KW_ENABLE) || qri_at(p, KW_DISABLE)) {
        struct qr_ast_option *option =
            qri_push(p, &node->options.items, &node->options.count, sizeof *option);
        option->pos = qri_pos(p);
        option->name = qr_str(qri_at(p, KW_ENABLE) ? "ENABLE" : "DISABLE");
        qri_advance(p);
    } else if (qri_at(p, KW_FROM)) {
        principal_source(p, node);
    } else {
        qri_expect(p, KW_WITH);
        principal_options(p, &node->options);
    }
    return qri_finish(p, node);
}

/* ALTER AUTHORIZATION ON [class::]name TO owner | SCHEMA OWNER */
struct qr_ast_stmt *qri_alter_authorization(struct qri_parser *p)
{
    struct qr_ast_authorization *node = qri_ddl_stmt(p, sizeof *node, QR_AS_AUTHORIZATION);
    qri_expect(p, KW_AUTHORIZATION);
    qri_expect(p, KW_ON);
    node->object_class = qri_class(p);
    node->object = qri_name(p, 3);
    qri_expect(p, KW_TO);
    if (!qri_accept2(p, KW_SCHEMA, KW_OWNER))
        node->owner = principal_name(p);
    return qri_finish(p, node);
}

/* ---- GRANT, DENY, REVOKE ---- */

static void permission_item(struct qri_parser *p, struct qr_ast_permission_item *item)
{
    uint32_t begin = p->tok.begin;
    while (p->tok.kind == TOK_IDENT && !qri_at(p, KW_ON) && !qri_at(p, KW_TO) &&
           !qri_at(p, KW_FROM))
        qri_advance(p);
    if (p->tok.begin == begin)
        qri_ident(p); /* old form: a role in brackets */
    item->name = qri_upper(p, qri_text_from(p, begin));
    if (qri_at_sym(p, '('))
        item->columns = qri_ident_list(p);
}

struct qr_ast_stmt *qri_stmt_permission(struct qri_parser *p)
{
    struct qr_ast_permission *node = qri_stmt(p, sizeof *node, QR_AS_PERMISSION);
    node->action = qri_at(p, KW_GRANT)  ? QR_PERMISSION_GRANT
                   : qri_at(p, KW_DENY) ? QR_PERMISSION_DENY
                                        : QR_PERMISSION_REVOKE;
    qri_advance(p);
    if (node->action == QR_PERMISSION_REVOKE && qri_accept2(p, KW_GRANT, KW_OPTION)) {
        qri_expect(p, KW_FOR);
        node->grant_option = true;
    }
    do {
        struct qr_ast_permission_item item = {0};
        permission_item(p, &item);
        *(struct qr_ast_permission_item *)qri_push(p, &node->items, &node->count, sizeof item) =
            item;
    } while (qri_accept_sym(p, ','));
    if (qri_accept(p, KW_ON)) {
        node->on_class = qri_class(p);
        node->on = qri_name(p, 4);
        if (qri_at_sym(p, '('))
            node->on_columns = qri_ident_list(p);
    }
    if (node->action != QR_PERMISSION_REVOKE || !qri_accept(p, KW_FROM))
        qri_expect(p, KW_TO);
    do {
        struct qr_ast_ident name = principal_name(p);
        *(struct qr_ast_ident *)qri_push(p, &node->principals.items, &node->principals.count,
                                         sizeof name) = name;
    } while (qri_accept_sym(p, ','));
    if (qri_accept2(p, KW_WITH, KW_GRANT)) {
        qri_expect(p, KW_OPTION);
        node->grant_option = true;
    }
    node->cascade = qri_accept(p, KW_CASCADE);
    if (qri_accept(p, KW_AS))
        node->as_principal = principal_name(p);
    return qri_finish(p, node);
}

/* ---- EXECUTE AS, SETUSER ---- */

struct qr_ast_stmt *qri_stmt_execute_as(struct qri_parser *p)
{
    struct qr_ast_execute_as *node = qri_stmt(p, sizeof *node, QR_AS_EXECUTE_AS);
    qri_advance(p);
    qri_expect(p, KW_AS);
    if (!qri_at(p, KW_LOGIN) && !qri_at(p, KW_USER) && !qri_at(p, KW_CALLER))
        qri_syntax(p);
    node->context = qr_str(qri_keyword_name((enum qri_keyword)p->tok.keyword));
    qri_advance(p);
    if (!qr_str_ieqz(node->context, "CALLER")) {
        qri_expect_sym(p, '=');
        node->name = qri_simple_value(p);
    }
    if (qri_accept(p, KW_WITH)) {
        if (qri_accept(p, KW_NO)) {
            qri_expect(p, KW_REVERT);
            node->no_revert = true;
        } else {
            qri_expect(p, KW_COOKIE);
            qri_expect(p, KW_INTO);
            node->cookie_variable = qri_variable(p);
        }
    }
    return qri_finish(p, node);
}

struct qr_ast_stmt *qri_stmt_setuser(struct qri_parser *p)
{
    struct qr_ast_execute_as *node = qri_stmt(p, sizeof *node, QR_AS_EXECUTE_AS);
    node->setuser = true;
    qri_advance(p);
    if (qri_is_string(p, &p->tok) || p->tok.kind == TOK_VARIABLE) {
        node->context = qr_str("USER");
        node->name = qri_simple_value(p);
        if (qri_accept(p, KW_WITH) && !qri_accept_word(p, "NORESET"))
            qri_syntax(p);
    }
    return qri_finish(p, node);
}
