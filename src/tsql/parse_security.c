/* parse_security.c - logins, users, roles, permissions, EXECUTE AS; see parse_ddl_int.h */
#include "parse_ddl_int.h"
#include "base/banned.h"

struct qr_str qri_p_class(struct qri_parser *p)
{
    struct qri_place place;
    qri_p_mark(p, &place);
    struct qr_str words = qri_p_words(p);
    if (words.n > 0 && qri_p_accept_sym(p, TOK_COLONS))
        return words;
    qri_p_rewind(p, &place);
    return qr_str("");
}

/* A principal's name; PUBLIC is reserved but one. */
static struct qr_ast_ident principal_name(struct qri_parser *p)
{
    if (!qri_p_at(p, KW_PUBLIC))
        return qri_p_ident_or_string(p);
    struct qr_ast_ident ident = {qri_token_str(p, &p->tok), false};
    qri_p_advance(p);
    return ident;
}

/* ---- CREATE, ALTER LOGIN | USER | ROLE ---- */

/* NAME = value [MUST_CHANGE | HASHED | UNLOCK] */
static void principal_option(struct qri_parser *p, struct qr_ast_option *option)
{
    static const char *const tails[] = {"HASHED", "MUST_CHANGE", "UNLOCK"};
    option->pos = qri_p_pos(p);
    if (p->tok.kind != TOK_IDENT)
        qri_p_syntax(p);
    if (qri_p_accept2(p, KW_NO, KW_CREDENTIAL)) {
        option->name = qr_str("NO CREDENTIAL");
    } else {
        option->name = qri_p_upper(p, qri_token_str(p, &p->tok));
        qri_p_advance(p);
    }
    p->has_secret |= qr_str_ieqz(option->name, "PASSWORD");
    if (qri_p_accept_sym(p, '=')) {
        if (qri_p_at(p, KW_ON) || qri_p_at(p, KW_OFF)) {
            option->word = qr_str(qri_p_at(p, KW_ON) ? "ON" : "OFF");
            qri_p_advance(p);
        } else {
            option->value =
                qri_p_is_ident(p, &p->tok) ? qri_p_primary(p, false) : qri_p_simple_value(p);
        }
    }
    uint32_t begin = p->tok.begin;
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        if (qri_p_accept_word(p, tails[i]))
            option->word = qri_p_upper(p, qri_p_text_from(p, begin));
    }
    option->text = qri_p_text_from(p, option->pos.offset);
}

/* option, ...; OLD_PASSWORD comes without a comma. */
static void principal_options(struct qri_parser *p, struct qr_ast_options *options)
{
    do {
        struct qr_ast_option option = {0};
        principal_option(p, &option);
        *(struct qr_ast_option *)qri_p_push(p, &options->items, &options->count, sizeof option) =
            option;
    } while (qri_p_accept_sym(p, ',') ||
             (p->tok.kind == TOK_IDENT && !p->tok.reserved && qri_p_peek_sym(p, 1, '=')));
}

/* FOR|FROM LOGIN l, FROM EXTERNAL PROVIDER, FROM WINDOWS, FROM CERTIFICATE c, WITHOUT LOGIN */
static void principal_source(struct qri_parser *p, struct qr_ast_principal *node)
{
    if (qri_p_accept2(p, KW_WITHOUT, KW_LOGIN)) {
        node->without_login = true;
        return;
    }
    if (!qri_p_accept(p, KW_FOR) && !qri_p_accept(p, KW_FROM))
        return;
    if (qri_p_accept(p, KW_LOGIN)) {
        node->for_login = qri_p_ident(p);
        return;
    }
    uint32_t begin = p->tok.begin;
    node->from_external = qri_p_at(p, KW_EXTERNAL);
    if (p->tok.kind != TOK_IDENT)
        qri_p_syntax(p);
    qri_p_advance(p);
    if (node->from_external)
        qri_p_expect(p, KW_PROVIDER);
    else if (qri_p_accept(p, KW_KEY) || qri_p_is_ident(p, &p->tok))
        qri_p_ident(p);
    node->from_what = qri_p_text_from(p, begin);
}

static struct qr_ast_principal *principal(struct qri_parser *p, enum qr_ast_action action)
{
    struct qr_ast_principal *node = qri_p_ddl_stmt(p, sizeof *node, QR_AS_PRINCIPAL);
    node->action = action;
    if (qri_p_accept2(p, KW_SERVER, KW_ROLE)) {
        node->principal_class = qr_str("SERVER ROLE");
    } else if (qri_p_accept2(p, KW_APPLICATION, KW_ROLE)) {
        node->principal_class = qr_str("APPLICATION ROLE");
    } else {
        node->principal_class = qr_str(qri_keyword_name((enum qri_keyword)p->tok.keyword));
        qri_p_advance(p);
    }
    node->name = principal_name(p);
    return node;
}

struct qr_ast_stmt *qri_p_create_principal(struct qri_parser *p)
{
    struct qr_ast_principal *node = principal(p, QR_ACTION_CREATE);
    principal_source(p, node);
    if (qri_p_accept(p, KW_AUTHORIZATION))
        node->authorization = qri_p_ident(p);
    if (qri_p_accept(p, KW_WITH))
        principal_options(p, &node->options);
    return qri_p_finish(p, node);
}

struct qr_ast_stmt *qri_p_alter_principal(struct qri_parser *p)
{
    struct qr_ast_principal *node = principal(p, QR_ACTION_ALTER);
    if (qri_p_accept2(p, KW_ADD, KW_MEMBER)) {
        node->add_member = principal_name(p);
    } else if (qri_p_accept2(p, KW_DROP, KW_MEMBER)) {
        node->drop_member = principal_name(p);
    } else if (qri_p_accept2(p, KW_ADD, KW_CREDENTIAL) ||
               qri_p_accept2(p, KW_DROP, KW_CREDENTIAL)) {
        struct qr_ast_option *option =
            qri_p_push(p, &node->options.items, &node->options.count, sizeof *option);
        option->pos = node->head.pos;
        option->name = qr_str("CREDENTIAL");
        option->value = qri_p_primary(p, false);
    } else if (qri_p_at(p, KW_ENABLE) || qri_p_at(p, KW_DISABLE)) {
        struct qr_ast_option *option =
            qri_p_push(p, &node->options.items, &node->options.count, sizeof *option);
        option->pos = qri_p_pos(p);
        option->name = qr_str(qri_p_at(p, KW_ENABLE) ? "ENABLE" : "DISABLE");
        qri_p_advance(p);
    } else if (qri_p_at(p, KW_FROM)) {
        principal_source(p, node);
    } else {
        qri_p_expect(p, KW_WITH);
        principal_options(p, &node->options);
    }
    return qri_p_finish(p, node);
}

/* ALTER AUTHORIZATION ON [class::]name TO owner | SCHEMA OWNER */
struct qr_ast_stmt *qri_p_alter_authorization(struct qri_parser *p)
{
    struct qr_ast_authorization *node = qri_p_ddl_stmt(p, sizeof *node, QR_AS_AUTHORIZATION);
    qri_p_expect(p, KW_AUTHORIZATION);
    qri_p_expect(p, KW_ON);
    node->object_class = qri_p_class(p);
    node->object = qri_p_name(p, 3);
    qri_p_expect(p, KW_TO);
    if (!qri_p_accept2(p, KW_SCHEMA, KW_OWNER))
        node->owner = principal_name(p);
    return qri_p_finish(p, node);
}

/* ---- GRANT, DENY, REVOKE ---- */

/* Words, a blank between each, however they are written. */
static struct qr_str permission_name(struct qri_parser *p)
{
    char words[128];
    size_t n = 0;
    while (p->tok.kind == TOK_IDENT && !qri_p_at(p, KW_ON) && !qri_p_at(p, KW_TO) &&
           !qri_p_at(p, KW_FROM)) {
        size_t bytes = p->tok.end - p->tok.begin;
        if (n + bytes + 1 > sizeof words)
            qri_p_syntax(p);
        if (n > 0)
            words[n++] = ' ';
        memcpy(words + n, p->text.p + p->tok.begin, bytes);
        n += bytes;
        qri_p_advance(p);
    }
    return qri_p_upper(p, n > 0 ? qr_str_n(words, n) : qri_p_ident(p).text); /* old form: [role] */
}

static void permission_item(struct qri_parser *p, struct qr_ast_permission_item *item)
{
    item->name = permission_name(p);
    if (qri_p_at_sym(p, '('))
        item->columns = qri_p_ident_list(p);
}

struct qr_ast_stmt *qri_p_stmt_permission(struct qri_parser *p)
{
    struct qr_ast_permission *node = qri_p_stmt(p, sizeof *node, QR_AS_PERMISSION);
    node->action = qri_p_at(p, KW_GRANT)  ? QR_PERMISSION_GRANT
                   : qri_p_at(p, KW_DENY) ? QR_PERMISSION_DENY
                                          : QR_PERMISSION_REVOKE;
    qri_p_advance(p);
    if (node->action == QR_PERMISSION_REVOKE && qri_p_accept2(p, KW_GRANT, KW_OPTION)) {
        qri_p_expect(p, KW_FOR);
        node->grant_option = true;
    }
    do {
        struct qr_ast_permission_item item = {0};
        permission_item(p, &item);
        *(struct qr_ast_permission_item *)qri_p_push(p, &node->items, &node->count, sizeof item) =
            item;
    } while (qri_p_accept_sym(p, ','));
    if (qri_p_accept(p, KW_ON)) {
        node->on_class = qri_p_class(p);
        node->on = qri_p_name(p, 4);
        if (qri_p_at_sym(p, '('))
            node->on_columns = qri_p_ident_list(p);
    }
    if (node->action != QR_PERMISSION_REVOKE || !qri_p_accept(p, KW_FROM))
        qri_p_expect(p, KW_TO);
    do {
        struct qr_ast_ident name = principal_name(p);
        *(struct qr_ast_ident *)qri_p_push(p, &node->principals.items, &node->principals.count,
                                           sizeof name) = name;
    } while (qri_p_accept_sym(p, ','));
    if (qri_p_accept2(p, KW_WITH, KW_GRANT)) {
        qri_p_expect(p, KW_OPTION);
        node->grant_option = true;
    }
    node->cascade = qri_p_accept(p, KW_CASCADE);
    if (qri_p_accept(p, KW_AS))
        node->as_principal = principal_name(p);
    return qri_p_finish(p, node);
}

/* ---- EXECUTE AS, SETUSER ---- */

struct qr_ast_stmt *qri_p_stmt_execute_as(struct qri_parser *p)
{
    struct qr_ast_execute_as *node = qri_p_stmt(p, sizeof *node, QR_AS_EXECUTE_AS);
    qri_p_advance(p);
    qri_p_expect(p, KW_AS);
    if (!qri_p_at(p, KW_LOGIN) && !qri_p_at(p, KW_USER) && !qri_p_at(p, KW_CALLER))
        qri_p_syntax(p);
    node->context = qr_str(qri_keyword_name((enum qri_keyword)p->tok.keyword));
    qri_p_advance(p);
    if (!qr_str_ieqz(node->context, "CALLER")) {
        qri_p_expect_sym(p, '=');
        node->name = qri_p_simple_value(p);
    }
    if (qri_p_accept(p, KW_WITH)) {
        if (qri_p_accept(p, KW_NO)) {
            qri_p_expect(p, KW_REVERT);
            node->no_revert = true;
        } else {
            qri_p_expect(p, KW_COOKIE);
            qri_p_expect(p, KW_INTO);
            node->cookie_variable = qri_p_used(p);
        }
    }
    return qri_p_finish(p, node);
}

struct qr_ast_stmt *qri_p_stmt_setuser(struct qri_parser *p)
{
    struct qr_ast_execute_as *node = qri_p_stmt(p, sizeof *node, QR_AS_EXECUTE_AS);
    node->setuser = true;
    qri_p_advance(p);
    if (qri_p_is_string(p, &p->tok) || qri_p_at_variable(p)) {
        node->context = qr_str("USER");
        node->name = qri_p_simple_value(p);
        if (qri_p_accept(p, KW_WITH) && !qri_p_accept_word(p, "NORESET"))
            qri_p_syntax(p);
    }
    return qri_p_finish(p, node);
}
