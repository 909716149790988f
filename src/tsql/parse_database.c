/* parse_database.c - CREATE and ALTER DATABASE; see parse_ddl_int.h */
#include "parse_ddl_int.h"
#include "base/banned.h"

/* NAME = value, ... behind WITH, without parentheses; stops where no comma follows. */
static void with_options(struct qri_parser *p, struct qr_ast_options *options)
{
    do {
        struct qr_ast_option option = {.pos = qri_p_pos(p)};
        if (p->tok.kind != TOK_IDENT)
            qri_p_syntax(p);
        option.name = qri_p_upper(p, qri_token_str(p, &p->tok));
        qri_p_advance(p);
        if (qri_p_accept_sym(p, '=')) {
            if (qri_p_at_constant(p)) {
                option.value = qri_p_simple_value(p);
            } else {
                if (p->tok.kind != TOK_IDENT)
                    qri_p_syntax(p);
                option.word = qri_p_upper(p, qri_token_str(p, &p->tok));
                qri_p_advance(p);
            }
        } else if (qri_p_at(p, KW_ON) || qri_p_at(p, KW_OFF)) {
            option.word = qr_str(qri_p_at(p, KW_ON) ? "ON" : "OFF");
            qri_p_advance(p);
        }
        if (qri_p_at_sym(p, '('))
            qri_p_skip_paren(p);
        option.text = qri_p_text_from(p, option.pos.offset);
        *(struct qr_ast_option *)qri_p_push(p, &options->items, &options->count, sizeof option) =
            option;
    } while (qri_p_accept_sym(p, ','));
}

struct qr_ast_stmt *qri_p_create_database(struct qri_parser *p)
{
    struct qr_ast_create_database *node = qri_p_ddl_stmt(p, sizeof *node, QR_AS_CREATE_DATABASE);
    qri_p_expect(p, KW_DATABASE);
    node->name = qri_p_ident(p);
    uint32_t begin = p->tok.begin;
    bool files = false;
    for (;;) {
        if (qri_p_accept(p, KW_COLLATE)) {
            node->collation = qri_p_ident(p);
        } else if (qri_p_at_sym(p, '(')) {
            qri_p_options_paren(p, &node->options);
        } else if (qri_p_at_word(p, "CONTAINMENT")) {
            with_options(p, &node->options);
        } else if (qri_p_accept2(p, KW_AS, KW_COPY)) {
            qri_p_expect(p, KW_OF);
            node->copy_of = qri_p_name(p, 2);
        } else if (qri_p_accept(p, KW_WITH)) {
            with_options(p, &node->options);
        } else if (qri_p_at(p, KW_ON) || qri_p_at(p, KW_LOG) || qri_p_at(p, KW_FOR) ||
                   (qri_p_at(p, KW_AS) && qri_p_peek_at(p, 1, KW_SNAPSHOT))) {
            files = true;
            qri_p_advance(p);
            while (qri_p_at_sym(p, '(') || qri_p_at_sym(p, ',') || p->tok.keyword == KW_PRIMARY ||
                   p->tok.keyword == KW_ON || p->tok.keyword == KW_OF ||
                   p->tok.keyword == KW_CONTAINS || p->tok.keyword == KW_DEFAULT ||
                   (qri_p_is_ident(p, &p->tok) && !qri_p_at(p, KW_LOG))) {
                if (qri_p_at_sym(p, '('))
                    qri_p_skip_paren(p);
                else
                    qri_p_advance(p);
            }
        } else {
            break;
        }
    }
    if (files)
        node->files = qri_p_text_from(p, begin);
    return qri_p_finish(p, node);
}

/* ---- ALTER DATABASE ---- */

static bool at_value_word(const struct qri_parser *p)
{
    return p->tok.kind == TOK_IDENT &&
           (!p->tok.reserved || p->tok.keyword == KW_ON || p->tok.keyword == KW_OFF ||
            p->tok.keyword == KW_FULL || p->tok.keyword == KW_PRIMARY || p->tok.keyword == KW_ALL);
}

/* NAME ON | NAME word | NAME = value [unit] | NAME = ON (subs) | NAME (subs) */
static void set_option(struct qri_parser *p, struct qr_ast_option *option)
{
    option->pos = qri_p_pos(p);
    if (p->tok.kind != TOK_IDENT)
        qri_p_syntax(p);
    option->name = qri_p_upper(p, qri_token_str(p, &p->tok));
    qri_p_advance(p);
    bool equals = qri_p_accept_sym(p, '=');
    if (equals && (qri_p_at_constant(p) || qri_p_at_sym(p, '-')))
        option->value = qri_p_simple_value(p);
    else if (equals && (p->tok.kind == TOK_BRACKET || p->tok.kind == TOK_DQUOTE))
        option->value = qri_p_primary(p, false);
    else if (equals && !at_value_word(p))
        qri_p_syntax(p);
    if (at_value_word(p) && !qri_p_at(p, KW_THROW)) {
        uint32_t begin = p->tok.begin;
        qri_p_advance(p);
        qri_p_accept(p, KW_ALL); /* QUERY_STORE CLEAR ALL */
        option->word = qri_p_upper(p, qri_p_text_from(p, begin));
    }
    if (qri_p_at_sym(p, '(')) {
        struct qr_ast_options subs = {0};
        qri_p_options_paren(p, &subs);
        option->subs = subs.items;
        option->sub_count = subs.count;
    }
    option->text = qri_p_text_from(p, option->pos.offset);
}

static void set_list(struct qri_parser *p, struct qr_ast_alter_database *node)
{
    do {
        struct qr_ast_option option = {0};
        set_option(p, &option);
        *(struct qr_ast_option *)qri_p_push(p, &node->options.items, &node->options.count,
                                            sizeof option) = option;
    } while (qri_p_accept_sym(p, ','));
    if (!qri_p_accept(p, KW_WITH))
        return;
    struct qr_ast_option *with =
        qri_p_push(p, &node->options.items, &node->options.count, sizeof *with);
    with->pos = qri_p_pos(p);
    with->name = qr_str("WITH");
    uint32_t begin = p->tok.begin;
    if (!qri_p_accept_word(p, "NO_WAIT")) { /* ROLLBACK IMMEDIATE, ROLLBACK AFTER n [SECONDS] */
        qri_p_expect(p, KW_ROLLBACK);
        if (!qri_p_accept_word(p, "IMMEDIATE")) {
            qri_p_expect(p, KW_AFTER);
            with->value = qri_p_simple_value(p);
            qri_p_accept_word(p, "SECONDS");
        }
    }
    with->word = qri_p_upper(p, qri_p_text_from(p, begin));
}

static void one_option(struct qri_parser *p, struct qr_ast_alter_database *node, const char *name)
{
    struct qr_ast_option *option =
        qri_p_push(p, &node->options.items, &node->options.count, sizeof *option);
    option->pos = qri_p_pos(p);
    option->name = qr_str(name);
    option->value = qri_p_primary(p, false);
    option->text = qri_p_text_from(p, option->pos.offset);
}

static void modify(struct qri_parser *p, struct qr_ast_alter_database *node)
{
    node->action = qr_str("MODIFY");
    if (qri_p_at_sym(p, '(')) {
        qri_p_options_paren(p, &node->options);
        if (qri_p_at(p, KW_WITH)) /* WITH MANUAL_CUTOVER */
            qri_p_skip_statement(p);
    } else if (qri_p_accept(p, KW_NAME)) {
        node->action = qr_str("MODIFY NAME");
        qri_p_expect_sym(p, '=');
        one_option(p, node, "NAME");
    } else if (qri_p_at(p, KW_FILE) || qri_p_at(p, KW_FILEGROUP)) {
        node->action = qr_str(qri_p_at(p, KW_FILE) ? "MODIFY FILE" : "MODIFY FILEGROUP");
        uint32_t begin = p->tok.begin;
        qri_p_skip_statement(p);
        node->rest = qri_p_text_from(p, begin);
    } else {
        struct qr_ast_option option = {0};
        set_option(p, &option);
        *(struct qr_ast_option *)qri_p_push(p, &node->options.items, &node->options.count,
                                            sizeof option) = option;
    }
}

/* ADD SECONDARY ON SERVER s [WITH (SERVICE_OBJECTIVE = 'x', SECONDARY_TYPE = Named, DATABASE_NAME =
 * [n])], REMOVE SECONDARY ON SERVER s */
static bool secondary(struct qri_parser *p, struct qr_ast_alter_database *node)
{
    if (!qri_p_peek_at(p, 1, KW_SECONDARY) || !(qri_p_at(p, KW_ADD) || qri_p_at(p, KW_REMOVE)))
        return false;
    node->action = qr_str(qri_p_at(p, KW_ADD) ? "ADD SECONDARY" : "REMOVE SECONDARY");
    qri_p_advance(p);
    qri_p_advance(p);
    qri_p_expect(p, KW_ON);
    qri_p_expect(p, KW_SERVER);
    node->server = qri_p_ident(p);
    if (qri_p_accept(p, KW_WITH))
        qri_p_options_paren(p, &node->options);
    return true;
}

/* FAILOVER, ADD FILE ...: the known words in a row are the action, what follows is kept as text. */
static void other(struct qri_parser *p, struct qr_ast_alter_database *node)
{
    uint32_t begin = p->tok.begin;
    bool any = false;
    while (p->tok.kind == TOK_IDENT && (p->tok.keyword != KW_NONE || !any)) {
        any = true;
        qri_p_advance(p);
    }
    if (!any)
        qri_p_syntax(p);
    node->action = qri_p_upper(p, qri_p_text_from(p, begin));
    begin = p->tok.begin;
    qri_p_skip_statement(p);
    node->rest = qri_p_text_from(p, begin);
}

/* ALTER DATABASE SCOPED CONFIGURATION [FOR SECONDARY] SET n = v | CLEAR n */
static struct qr_ast_stmt *scoped_configuration(struct qri_parser *p)
{
    struct qr_ast_scoped_configuration *node =
        qri_p_ddl_stmt(p, sizeof *node, QR_AS_SCOPED_CONFIGURATION);
    qri_p_expect(p, KW_CONFIGURATION);
    node->for_secondary = qri_p_accept2(p, KW_FOR, KW_SECONDARY);
    node->clear = qri_p_accept(p, KW_CLEAR);
    if (!node->clear)
        qri_p_expect(p, KW_SET);
    if (p->tok.kind != TOK_IDENT)
        qri_p_syntax(p);
    node->name = qri_p_upper(p, qri_token_str(p, &p->tok));
    qri_p_advance(p);
    if (node->clear) {
        if (p->tok.kind == TOK_BINARY)
            node->value = qri_p_literal(p);
        return qri_p_finish(p, node);
    }
    qri_p_expect_sym(p, '=');
    if (qri_p_at_constant(p) || qri_p_at_sym(p, '-')) {
        node->value = qri_p_simple_value(p);
    } else if (at_value_word(p)) {
        node->word = qri_p_upper(p, qri_token_str(p, &p->tok));
        qri_p_advance(p);
    } else {
        qri_p_syntax(p);
    }
    return qri_p_finish(p, node);
}

struct qr_ast_stmt *qri_p_alter_database(struct qri_parser *p)
{
    if (qri_p_peek_at(p, 1, KW_SCOPED)) {
        qri_p_advance(p);
        qri_p_advance(p);
        if (qri_p_at(p, KW_CREDENTIAL)) {
            struct qr_ast_unsupported *node = qri_p_ddl_stmt(p, sizeof *node, QR_AS_UNSUPPORTED);
            node->what = qr_str("ALTER DATABASE SCOPED CREDENTIAL");
            qri_p_skip_statement(p);
            return qri_p_finish(p, node);
        }
        return scoped_configuration(p);
    }
    struct qr_ast_alter_database *node = qri_p_ddl_stmt(p, sizeof *node, QR_AS_ALTER_DATABASE);
    qri_p_advance(p);
    if (!qri_p_accept(p, KW_CURRENT))
        node->name = qri_p_ident(p);
    if (qri_p_accept(p, KW_SET)) {
        node->action = qr_str("SET");
        set_list(p, node);
    } else if (qri_p_accept(p, KW_MODIFY)) {
        modify(p, node);
    } else if (qri_p_accept(p, KW_COLLATE)) {
        node->action = qr_str("COLLATE");
        one_option(p, node, "COLLATE");
    } else if (!secondary(p, node)) {
        other(p, node);
    }
    return qri_p_finish(p, node);
}
