/* parse_trigger.c - triggers; see parse_ddl_int.h */
#include "parse_ddl_int.h"
#include "base/banned.h"

static void events(struct qri_parser *p, struct qr_ast_trigger *node)
{
    bool ddl = node->on_database || node->on_all_server;
    do {
        if (qri_p_accept(p, KW_INSERT)) {
            node->events |= QR_TRIGGER_INSERT;
        } else if (qri_p_accept(p, KW_UPDATE)) {
            node->events |= QR_TRIGGER_UPDATE;
        } else if (qri_p_accept(p, KW_DELETE)) {
            node->events |= QR_TRIGGER_DELETE;
        } else if (ddl && p->tok.kind == TOK_IDENT) {
            struct qr_str *event =
                qri_p_push(p, &node->ddl_events.items, &node->ddl_events.count, sizeof *event);
            *event = qri_p_upper(p, qri_p_ident(p).text);
        } else {
            qri_p_syntax(p);
        }
    } while (qri_p_accept_sym(p, ','));
}

static bool on_scope(struct qri_parser *p, bool *on_database, bool *on_all_server)
{
    if (qri_p_accept(p, KW_DATABASE))
        return *on_database = true;
    if (qri_p_accept2(p, KW_ALL, KW_SERVER))
        return *on_all_server = true;
    return false;
}

struct qr_ast_stmt *qri_p_trigger(struct qri_parser *p, enum qr_ast_action action)
{
    struct qr_ast_trigger *node = qri_p_ddl_stmt(p, sizeof *node, QR_AS_TRIGGER);
    node->action = action;
    qri_p_advance(p);
    node->name = qri_p_name(p, 3);
    qri_p_expect(p, KW_ON);
    if (!on_scope(p, &node->on_database, &node->on_all_server))
        node->table = qri_p_name(p, 3);
    qri_p_module_options(p, &node->options);
    if (qri_p_accept2(p, KW_INSTEAD, KW_OF)) {
        node->time = QR_TRIGGER_INSTEAD_OF;
    } else if (!qri_p_accept(p, KW_FOR)) {
        qri_p_expect(p, KW_AFTER);
    }
    events(p, node);
    if (qri_p_at(p, KW_WITH)) { /* WITH APPEND */
        qri_p_advance(p);
        if (!qri_p_accept_word(p, "APPEND"))
            qri_p_syntax(p);
    }
    if (qri_p_accept2(p, KW_NOT, KW_FOR)) {
        qri_p_expect(p, KW_REPLICATION);
        node->not_for_replication = true;
    }
    qri_p_expect(p, KW_AS);
    node->external_name = qri_p_external_name(p);
    if (node->external_name.n == 0)
        qri_p_module_body(p, &node->body, false);
    return qri_p_finish(p, node);
}

/* ENABLE|DISABLE TRIGGER a, b | ALL ON t | DATABASE | ALL SERVER */
struct qr_ast_stmt *qri_p_stmt_enable_trigger(struct qri_parser *p)
{
    struct qr_ast_enable_trigger *node = qri_p_stmt(p, sizeof *node, QR_AS_ENABLE_TRIGGER);
    node->enable = qri_p_at(p, KW_ENABLE);
    qri_p_advance(p);
    qri_p_advance(p);
    node->all = qri_p_accept(p, KW_ALL);
    if (!node->all) {
        do {
            struct qr_ast_name name = qri_p_name(p, 2);
            *(struct qr_ast_name *)qri_p_push(p, &node->triggers.items, &node->triggers.count,
                                              sizeof name) = name;
        } while (qri_p_accept_sym(p, ','));
    }
    qri_p_expect(p, KW_ON);
    if (!on_scope(p, &node->on_database, &node->on_all_server))
        node->table = qri_p_name(p, 3);
    return qri_p_finish(p, node);
}
