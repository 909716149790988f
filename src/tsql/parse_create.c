/* parse_create.c - CREATE, ALTER, DROP: which object it is about; see parse_ddl_int.h */
#include "parse_ddl_int.h"
#include "base/banned.h"

void *qri_p_ddl_stmt(struct qri_parser *p, size_t bytes, enum qr_ast_stmt_kind kind)
{
    struct qr_ast_stmt *stmt = qri_p_stmt(p, bytes, kind);
    stmt->pos = p->ddl_pos;
    return stmt;
}

/* ---- what SQL Server has and we name only ---- */

static const enum qri_keyword exotic[] = {
    KW_ASSEMBLY,   KW_ASYMMETRIC,  KW_AVAILABILITY,  KW_BROKER,    KW_CERTIFICATE, KW_COLUMN,
    KW_CONTRACT,   KW_CREDENTIAL,  KW_CRYPTOGRAPHIC, KW_ENDPOINT,  KW_EVENT,       KW_EXTERNAL,
    KW_FULLTEXT,   KW_MASTER,      KW_MESSAGE,       KW_PARTITION, KW_QUEUE,       KW_REMOTE,
    KW_RESOURCE,   KW_ROUTE,       KW_SEARCH,        KW_SELECTIVE, KW_SERVER,      KW_SERVICE,
    KW_SIGNATURE,  KW_SYMMETRIC,   KW_WORKLOAD,      KW_XML,       KW_SENSITIVITY, KW_COUNTER,
    KW_FEDERATION, KW_APPLICATION, KW_LIBRARY,       KW_DATABASE,  KW_AGGREGATE,
};

static bool at_exotic(const struct qri_parser *p)
{
    for (size_t i = 0; i < sizeof exotic / sizeof exotic[0]; i++) {
        if (qri_p_at(p, exotic[i]))
            return true;
    }
    return false;
}

enum { EXOTIC_WORDS_MAX = 4 };

/* Part of what a construct is called, not its object's name or a clause. */
static bool at_exotic_word(const struct qri_parser *p)
{
    return p->tok.kind == TOK_IDENT && p->tok.keyword != KW_NONE && p->tok.end - p->tok.begin > 2 &&
           !qri_p_at(p, KW_FOR) && !qri_p_at(p, KW_FROM) && !qri_p_at(p, KW_WITH);
}

/* "CREATE PARTITION FUNCTION": the known words in a row. */
static struct qr_ast_stmt *unsupported(struct qri_parser *p)
{
    struct qr_ast_unsupported *node = qri_p_ddl_stmt(p, sizeof *node, QR_AS_UNSUPPORTED);
    for (int i = 0; i < EXOTIC_WORDS_MAX && at_exotic_word(p); i++)
        qri_p_advance(p);
    node->what = qri_p_upper(p, qri_p_text_from(p, p->ddl_pos.offset));
    qri_p_skip_statement(p);
    return qri_p_finish(p, node);
}

static _Noreturn void unknown_class(struct qri_parser *p)
{
    if (p->tok.kind != TOK_IDENT || p->tok.reserved)
        qri_p_syntax(p);
    qri_p_fail_str(p, &p->tok, 343, qri_token_str(p, &p->tok));
}

/* ---- modules ---- */

static const struct module {
    uint16_t word;
    const char *create_name, *alter_name; /* in error 111 */
    struct qr_ast_stmt *(*parse)(struct qri_parser *p, enum qr_ast_action action);
} modules[] = {
    /* clang-format off */
    {KW_VIEW,         "CREATE VIEW",            "ALTER VIEW",             qri_p_view},
    {KW_MATERIALIZED, "CREATE VIEW",            "ALTER VIEW",             qri_p_view},
    {KW_PROC,         "CREATE/ALTER PROCEDURE", "CREATE/ALTER PROCEDURE", qri_p_procedure},
    {KW_PROCEDURE,    "CREATE/ALTER PROCEDURE", "CREATE/ALTER PROCEDURE", qri_p_procedure},
    {KW_FUNCTION,     "CREATE FUNCTION",        "ALTER FUNCTION",         qri_p_function},
    {KW_TRIGGER,      "CREATE TRIGGER",         "ALTER TRIGGER",          qri_p_trigger},
    /* clang-format on */
};

/* NULL if the word is no module's. */
static struct qr_ast_stmt *module(struct qri_parser *p, enum qr_ast_action action)
{
    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++) {
        if (!qri_p_at(p, (enum qri_keyword)modules[i].word))
            continue;
        if (!p->is_first) {
            struct qri_token at = {.line = p->ddl_pos.line};
            qri_p_fail_str(
                p, &at, 111,
                qr_str(action == QR_ACTION_ALTER ? modules[i].alter_name : modules[i].create_name));
        }
        return modules[i].parse(p, action);
    }
    return NULL;
}

/* ---- dispatch ---- */

struct class
{
    uint16_t word, next; /* next KW_NONE: any */
    struct qr_ast_stmt *(*parse)(struct qri_parser *p);
};

static const struct class creates[] = {
    /* clang-format off */
    {KW_TABLE, KW_NONE, qri_p_create_table},         {KW_INDEX, KW_NONE, qri_p_create_index},
    {KW_UNIQUE, KW_NONE, qri_p_create_index},        {KW_CLUSTERED, KW_NONE, qri_p_create_index},
    {KW_NONCLUSTERED, KW_NONE, qri_p_create_index},  {KW_COLUMNSTORE, KW_NONE, qri_p_create_index},
    {KW_PRIMARY, KW_XML, qri_p_create_index},        {KW_XML, KW_INDEX, qri_p_create_index},
    {KW_SPATIAL, KW_INDEX, qri_p_create_index},      {KW_SELECTIVE, KW_XML, qri_p_create_index},
    {KW_SCHEMA, KW_NONE, qri_p_create_schema},       {KW_TYPE, KW_NONE, qri_p_create_type},
    {KW_SEQUENCE, KW_NONE, qri_p_create_sequence},   {KW_SYNONYM, KW_NONE, qri_p_create_synonym},
    {KW_STATISTICS, KW_NONE, qri_p_create_statistics},
    {KW_DEFAULT, KW_NONE, qri_p_create_default_rule}, {KW_RULE, KW_NONE, qri_p_create_default_rule},
    {KW_LOGIN, KW_NONE, qri_p_create_principal},     {KW_USER, KW_NONE, qri_p_create_principal},
    {KW_ROLE, KW_NONE, qri_p_create_principal},      {KW_SERVER, KW_ROLE, qri_p_create_principal},
    {KW_APPLICATION, KW_ROLE, qri_p_create_principal}, {KW_SECURITY, KW_NONE, qri_p_create_policy},
    {KW_DATABASE, KW_SCOPED, unsupported},         {KW_DATABASE, KW_AUDIT, unsupported},
    {KW_DATABASE, KW_ENCRYPTION, unsupported},     {KW_DATABASE, KW_NONE, qri_p_create_database},
    /* clang-format on */
};

static const struct class alters[] = {
    /* clang-format off */
    {KW_TABLE, KW_NONE, qri_p_alter_table},          {KW_INDEX, KW_NONE, qri_p_alter_index},
    {KW_SCHEMA, KW_NONE, qri_p_alter_schema},        {KW_SEQUENCE, KW_NONE, qri_p_alter_sequence},
    {KW_LOGIN, KW_NONE, qri_p_alter_principal},      {KW_USER, KW_NONE, qri_p_alter_principal},
    {KW_ROLE, KW_NONE, qri_p_alter_principal},       {KW_SERVER, KW_ROLE, qri_p_alter_principal},
    {KW_APPLICATION, KW_ROLE, qri_p_alter_principal},
    {KW_AUTHORIZATION, KW_NONE, qri_p_alter_authorization},
    {KW_SECURITY, KW_NONE, qri_p_alter_policy},
    {KW_DATABASE, KW_AUDIT, unsupported},          {KW_DATABASE, KW_ENCRYPTION, unsupported},
    {KW_DATABASE, KW_NONE, qri_p_alter_database},
    /* clang-format on */
};

static struct qr_ast_stmt *dispatch(struct qri_parser *p, const struct class *classes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (qri_p_at(p, (enum qri_keyword)classes[i].word) &&
            (classes[i].next == KW_NONE || qri_p_peek_at(p, 1, (enum qri_keyword)classes[i].next)))
            return classes[i].parse(p);
    }
    if (at_exotic(p))
        return unsupported(p);
    unknown_class(p);
}

struct qr_ast_stmt *qri_p_stmt_create(struct qri_parser *p)
{
    p->ddl_pos = qri_p_pos(p);
    qri_p_advance(p);
    enum qr_ast_action action = QR_ACTION_CREATE;
    if (qri_p_accept2(p, KW_OR, KW_ALTER))
        action = QR_ACTION_CREATE_OR_ALTER;
    struct qr_ast_stmt *stmt = module(p, action);
    if (stmt != NULL)
        return stmt;
    if (action != QR_ACTION_CREATE)
        qri_p_syntax(p);
    return dispatch(p, creates, sizeof creates / sizeof creates[0]);
}

struct qr_ast_stmt *qri_p_stmt_alter(struct qri_parser *p)
{
    p->ddl_pos = qri_p_pos(p);
    qri_p_advance(p);
    struct qr_ast_stmt *stmt = module(p, QR_ACTION_ALTER);
    return stmt != NULL ? stmt : dispatch(p, alters, sizeof alters / sizeof alters[0]);
}

/* ---- DROP ---- */

static const struct {
    uint16_t word, next;
    const char *name;
} drops[] = {
    /* clang-format off */
    {KW_TABLE, KW_NONE, "TABLE"},           {KW_VIEW, KW_NONE, "VIEW"},
    {KW_PROCEDURE, KW_NONE, "PROCEDURE"},   {KW_PROC, KW_NONE, "PROCEDURE"},
    {KW_FUNCTION, KW_NONE, "FUNCTION"},     {KW_TRIGGER, KW_NONE, "TRIGGER"},
    {KW_INDEX, KW_NONE, "INDEX"},           {KW_SCHEMA, KW_NONE, "SCHEMA"},
    {KW_TYPE, KW_NONE, "TYPE"},             {KW_SEQUENCE, KW_NONE, "SEQUENCE"},
    {KW_SYNONYM, KW_NONE, "SYNONYM"},       {KW_DEFAULT, KW_NONE, "DEFAULT"},
    {KW_RULE, KW_NONE, "RULE"},             {KW_STATISTICS, KW_NONE, "STATISTICS"},
    {KW_USER, KW_NONE, "USER"},             {KW_LOGIN, KW_NONE, "LOGIN"},
    {KW_ROLE, KW_NONE, "ROLE"},             {KW_SERVER, KW_ROLE, "SERVER ROLE"},
    {KW_APPLICATION, KW_ROLE, "APPLICATION ROLE"}, {KW_SECURITY, KW_POLICY, "SECURITY POLICY"},
    /* clang-format on */
};

/* DATABASE ON|ALL SERVER behind DROP TRIGGER are kept as names. */
static struct qr_ast_name trigger_scope(struct qri_parser *p)
{
    struct qr_ast_name name = {.pos = qri_p_pos(p), .count = 1};
    name.parts = qri_p_alloc(p, sizeof *name.parts);
    uint32_t begin = p->tok.begin;
    if (!qri_p_accept(p, KW_DATABASE)) {
        qri_p_expect(p, KW_ALL);
        qri_p_expect(p, KW_SERVER);
    }
    name.parts[0].text = qri_p_upper(p, qri_p_text_from(p, begin));
    return name;
}

/* t.i */
static void drop_of_table(struct qri_parser *p, struct qr_ast_drop_item *item)
{
    if (item->name.count < 2)
        qri_p_syntax(p);
    item->on = item->name;
    item->on.count--;
    item->name.parts += item->on.count;
    item->name.count = 1;
}

/* i ON t [WITH (...)], or the old t.i */
static void drop_index(struct qri_parser *p, struct qr_ast_drop_item *item)
{
    item->name = qri_p_name(p, 4);
    if (qri_p_accept(p, KW_ON)) {
        item->on = qri_p_name(p, 4);
        if (qri_p_at(p, KW_WITH) && qri_p_peek_sym(p, 1, '('))
            qri_p_index_options(p, &item->options);
        return;
    }
    drop_of_table(p, item);
}

static struct qr_ast_stmt *drop(struct qri_parser *p, const char *object_class)
{
    struct qr_ast_drop *node = qri_p_ddl_stmt(p, sizeof *node, QR_AS_DROP);
    node->object_class = qr_str(object_class);
    node->if_exists = qri_p_accept2(p, KW_IF, KW_EXISTS);
    bool index = qr_str_ieqz(node->object_class, "INDEX");
    bool trigger = qr_str_ieqz(node->object_class, "TRIGGER");
    do {
        struct qr_ast_drop_item item = {0};
        if (index)
            drop_index(p, &item);
        else
            item.name = qri_p_name(p, 4);
        if (qr_str_ieqz(node->object_class, "STATISTICS"))
            drop_of_table(p, &item);
        *(struct qr_ast_drop_item *)qri_p_push(p, &node->items, &node->count, sizeof item) = item;
    } while (qri_p_accept_sym(p, ','));
    if (trigger && qri_p_accept(p, KW_ON))
        node->items[0].on = trigger_scope(p);
    return qri_p_finish(p, node);
}

struct qr_ast_stmt *qri_p_stmt_drop(struct qri_parser *p)
{
    p->ddl_pos = qri_p_pos(p);
    qri_p_advance(p);
    for (size_t i = 0; i < sizeof drops / sizeof drops[0]; i++) {
        if (!qri_p_at(p, (enum qri_keyword)drops[i].word) ||
            (drops[i].next != KW_NONE && !qri_p_peek_at(p, 1, (enum qri_keyword)drops[i].next)))
            continue;
        if (drops[i].next != KW_NONE)
            qri_p_advance(p);
        qri_p_advance(p);
        return drop(p, drops[i].name);
    }
    if (qri_p_at(p, KW_DATABASE) && !qri_p_peek_at(p, 1, KW_SCOPED) &&
        !qri_p_peek_at(p, 1, KW_AUDIT) && !qri_p_peek_at(p, 1, KW_ENCRYPTION)) {
        qri_p_advance(p);
        return drop(p, "DATABASE");
    }
    if (at_exotic(p))
        return unsupported(p);
    unknown_class(p);
}
