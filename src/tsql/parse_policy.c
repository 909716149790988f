/* parse_policy.c - CREATE and ALTER SECURITY POLICY; see parse_ddl_int.h */
#include "parse_ddl_int.h"
#include "base/banned.h"

static void expect_word(struct qri_parser *p, const char *word)
{
    if (!qri_p_accept_word(p, word))
        qri_p_syntax(p);
}

/* AFTER INSERT | UPDATE, BEFORE UPDATE | DELETE, if there */
static uint8_t operation(struct qri_parser *p)
{
    if (qri_p_accept_word(p, "AFTER")) {
        if (qri_p_accept(p, KW_INSERT))
            return QR_POLICY_AFTER_INSERT;
        qri_p_expect(p, KW_UPDATE);
        return QR_POLICY_AFTER_UPDATE;
    }
    if (!qri_p_accept_word(p, "BEFORE"))
        return QR_POLICY_ALL;
    if (qri_p_accept(p, KW_UPDATE))
        return QR_POLICY_BEFORE_UPDATE;
    qri_p_expect(p, KW_DELETE);
    return QR_POLICY_BEFORE_DELETE;
}

/* Outside of quotes and brackets. */
static bool has_variable(struct qr_str text)
{
    for (size_t i = 0; i < text.n; i++) {
        char open = text.p[i], close = (char)(open == '[' ? ']' : open);
        if (open == '@')
            return true;
        if (open == '[' || open == '\'' || open == '"')
            for (i++;
                 i < text.n && (text.p[i] != close || (i + 1 < text.n && text.p[i + 1] == close));
                 i++)
                i += text.p[i] == close; /* a doubled one ends nothing */
    }
    return false;
}

static void call(struct qri_parser *p, const char *statement, struct qr_ast_predicate *item)
{
    struct qri_token at = p->tok;
    uint32_t begin = at.begin;
    item->function = qri_p_name(p, 2);
    qri_p_expect_sym(p, '(');
    if (!qri_p_at_sym(p, ')'))
        qri_p_scalar_list(p, &item->args);
    qri_p_expect_sym(p, ')');
    item->call_text = qri_p_text_from(p, begin);
    if (has_variable(item->call_text))
        qri_p_fail_str(p, &at, 112, qr_str(statement));
}

/* At ADD, ALTER or DROP, which has been taken. */
static void predicate(struct qri_parser *p, const char *statement,
                      enum qr_ast_predicate_action action, struct qr_ast_predicate *item)
{
    item->action = action;
    item->is_block = qri_p_accept_word(p, "BLOCK");
    if (!item->is_block)
        expect_word(p, "FILTER");
    expect_word(p, "PREDICATE");
    if (action != QR_PREDICATE_DROP)
        call(p, statement, item);
    qri_p_expect(p, KW_ON);
    item->table = qri_p_name(p, 2);
    struct qri_token at = p->tok;
    item->operation = operation(p);
    if (!item->is_block && item->operation != QR_POLICY_ALL)
        qri_p_fail_str(p, &at, 102, qr_str("BEFORE/AFTER"));
}

static bool action_of(struct qri_parser *p, bool is_new, enum qr_ast_predicate_action *ret_action)
{
    *ret_action = QR_PREDICATE_ADD;
    if (qri_p_accept(p, KW_ADD))
        return true;
    if (is_new)
        return false;
    *ret_action = qri_p_at(p, KW_ALTER) ? QR_PREDICATE_ALTER : QR_PREDICATE_DROP;
    return qri_p_accept(p, KW_ALTER) || qri_p_accept(p, KW_DROP);
}

static void predicates(struct qri_parser *p, struct qr_ast_security_policy *node)
{
    enum qr_ast_predicate_action action;
    bool is_new = node->action == QR_ACTION_CREATE;
    if (!action_of(p, is_new, &action))
        return;
    for (;;) {
        struct qr_ast_predicate item = {0};
        predicate(p, is_new ? "CREATE SECURITY POLICY" : "ALTER SECURITY POLICY", action, &item);
        *(struct qr_ast_predicate *)qri_p_push(p, &node->predicates, &node->count, sizeof item) =
            item;
        if (!qri_p_accept_sym(p, ','))
            return;
        if (!action_of(p, is_new, &action))
            qri_p_syntax(p);
    }
}

/* WITH (STATE = ON, SCHEMABINDING = OFF); ALTER takes the state alone */
static void options(struct qri_parser *p, struct qr_ast_security_policy *node)
{
    qri_p_expect_sym(p, '(');
    do {
        bool is_state = qri_p_accept_word(p, "STATE");
        if (!is_state &&
            (node->action == QR_ACTION_ALTER || !qri_p_accept_word(p, "SCHEMABINDING")))
            qri_p_syntax(p);
        enum qr_ast_tri *said = is_state ? &node->state : &node->schema_bound;
        qri_p_expect_sym(p, '=');
        if (*said != QR_UNSAID)
            qri_p_syntax(p);
        *said = qri_p_accept(p, KW_ON) ? QR_YES : QR_NO;
        if (*said == QR_NO)
            qri_p_expect(p, KW_OFF);
    } while (qri_p_accept_sym(p, ','));
    qri_p_expect_sym(p, ')');
}

static struct qr_ast_stmt *policy(struct qri_parser *p, enum qr_ast_action action)
{
    struct qr_ast_security_policy *node = qri_p_ddl_stmt(p, sizeof *node, QR_AS_SECURITY_POLICY);
    node->action = action;
    qri_p_expect(p, KW_SECURITY);
    qri_p_expect(p, KW_POLICY);
    node->name = qri_p_name(p, 2);
    predicates(p, node);
    if (qri_p_accept(p, KW_WITH))
        options(p, node);
    if (qri_p_accept2(p, KW_NOT, KW_FOR)) {
        qri_p_expect(p, KW_REPLICATION);
        node->not_for_replication = QR_YES;
    }
    return qri_p_finish(p, node);
}

struct qr_ast_stmt *qri_p_create_policy(struct qri_parser *p)
{
    return policy(p, QR_ACTION_CREATE);
}

struct qr_ast_stmt *qri_p_alter_policy(struct qri_parser *p)
{
    return policy(p, QR_ACTION_ALTER);
}
