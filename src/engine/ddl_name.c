/* ddl_name.c - names in DDL statements: resolving, spelling, making up; see ddl_int.h. */
#include "ddl_int.h"
#include <stdio.h>
#include "base/sqlmsg.h"
#include "tsql/print.h"
#include "base/banned.h"

const char *qri_z(struct qr_arena *arena, struct qr_str s)
{
    const char *z = qr_arena_dup(arena, s.p, s.n);
    return z == NULL ? "" : z;
}

const char *qri_ddl_spell(struct qr_arena *arena, const struct qr_ast_name *name)
{
    struct qr_buf buf;
    qr_buf_init(&buf, 8192);
    for (uint32_t i = 0; i < name->count; i++) {
        if (i > 0)
            qr_buf_addz(&buf, ".");
        qr_buf_addstr(&buf, name->parts[i].text);
    }
    const char *z = qr_arena_dup(arena, buf.data, buf.len);
    qr_buf_done(&buf);
    return z == NULL ? "" : z;
}

bool qri_name_is_temp(const struct qr_ast_name *name)
{
    return name->count > 0 && name->parts[name->count - 1].text.n > 0 &&
           name->parts[name->count - 1].text.p[0] == '#';
}

static enum qr_status check_database(struct qri_ddl *ddl, const struct qr_ast_name *name,
                                     bool is_temp, struct qr_err *err)
{
    if (name->count > 3 && name->parts[name->count - 4].text.n > 0)
        return qr_sql_fail(err, 40515, qri_ddl_spell(ddl->arena, name));
    if (name->count < 3)
        return QR_OK;
    struct qr_str database = name->parts[name->count - 3].text;
    if (database.n == 0 || qr_str_ieq(database, ddl->env->catalog->database_name) ||
        (is_temp && qr_str_ieqz(database, "tempdb")))
        return QR_OK;
    return qr_sql_fail(err, 40515, qri_ddl_spell(ddl->arena, name));
}

enum qr_status qri_ddl_resolve(struct qri_ddl *ddl, const struct qr_ast_name *name,
                               struct qri_target *ret, struct qr_err *err)
{
    struct qri_target t = {.name = name->parts[name->count - 1].text,
                           .is_temp = qri_name_is_temp(name)};
    QR_TRY(check_database(ddl, name, t.is_temp, err));
    if (t.is_temp) {
        t.schema_id = QR_SCHEMA_DBO;
        t.schema = qr_str("dbo");
        const struct qri_catalog *temp = *ddl->temp;
        t.object = temp == NULL ? NULL : qr_cat_find(&temp->cat, QR_SCHEMA_DBO, t.name);
        t.is_outer = t.object != NULL && !ddl->temp_is_own(ddl->ctx, t.object->object_id);
        *ret = t;
        return QR_OK;
    }
    const struct qr_catalog *cat = &(*ddl->main)->cat;
    const struct qr_cat_schema *schema = NULL;
    if (name->count >= 2 && name->parts[name->count - 2].text.n > 0) {
        schema = qr_cat_schema_find(cat, name->parts[name->count - 2].text);
        if (schema == NULL)
            return qr_sql_fail(err, 2760, qri_z(ddl->arena, name->parts[name->count - 2].text));
    } else {
        schema = qr_cat_schema_by_id(cat, ddl->env->default_schema_id);
    }
    t.schema_id = schema == NULL ? (uint32_t)QR_SCHEMA_DBO : schema->schema_id;
    t.schema = schema == NULL ? qr_str("dbo") : schema->name;
    t.object = qr_cat_find(cat, t.schema_id, t.name);
    *ret = t;
    return QR_OK;
}

enum qr_status qri_ddl_want_free(const struct qri_target *target, struct qr_err *err)
{
    if (target->object == NULL || target->is_outer)
        return QR_OK;
    char name[600];
    snprintf(name, sizeof name, "%.*s", (int)target->name.n, target->name.p);
    return qr_sql_fail(err, 2714, name);
}

/* `text` begins with [name], and any ']' in it is doubled. */
static bool begins_with(struct qr_str text, struct qr_str name)
{
    size_t at = 1;
    for (size_t i = 0; i < name.n; i++) {
        if (at >= text.n ||
            !qr_str_ieq((struct qr_str){text.p + at, 1}, (struct qr_str){name.p + i, 1}))
            return false;
        at += name.p[i] == ']' ? 2 : 1;
    }
    return at < text.n && text.p[at] == ']' && (at + 1 == text.n || text.p[at + 1] != ']');
}

bool qri_text_names(struct qr_str text, struct qr_str column)
{
    char inside = 0; /* the end of the name or constant that it is in */
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (inside != 0)
            inside = c == inside ? 0 : inside;
        else if (c == '[' && begins_with((struct qr_str){text.p + i, text.n - i}, column))
            return true;
        else if (c == '\'' || c == '[')
            inside = c == '[' ? ']' : c;
    }
    return false;
}

uint32_t qri_new_object_id(struct qri_ddl_stmt *s)
{
    uint32_t id = s->change.next_object_id;
    s->change.next_object_id = id + 16; /* neighbours of one table keep apart, as elsewhere */
    return id;
}

/* At most `max` characters of a name; returns how many. */
static size_t add_start(struct qr_buf *buf, struct qr_str name, size_t max)
{
    size_t n = 0, characters = 0;
    while (n < name.n && characters < max) {
        n++;
        while (n < name.n && ((unsigned char)name.p[n] & 0xC0) == 0x80)
            n++; /* not inside a character */
        characters++;
    }
    qr_buf_add(buf, name.p, n);
    return characters;
}

/* 30 characters at most, as SQL Server's made-up names are: of a key PK__ 8 of the table's name __
 * 16 digits, else DF__ 9 of the table's name __ the start of the column's __ 8 digits. */
struct qr_str qri_system_name(struct qr_arena *arena, const char *prefix, struct qr_str table,
                              struct qr_str column, uint32_t object_id)
{
    enum { NAMES_MAX = 14, TABLE_MAX = 9, TABLE_OF_KEY_MAX = 8 };
    struct qr_buf buf;
    char hash[12];
    qr_buf_init(&buf, 512);
    bool is_key = (prefix[1] == 'K' && prefix[0] == 'P') || prefix[0] == 'U';
    qr_buf_printf(&buf, "%s__", prefix);
    if (table.n > 0 && table.p[0] == '@') { /* a table variable is #<number> in tempdb */
        (void)snprintf(hash, sizeof hash, "#%08X", (unsigned)qr_hash_bytes(table.p, table.n, 0));
        table = qr_str_n(hash, 9);
    }
    size_t used = add_start(&buf, table, is_key ? TABLE_OF_KEY_MAX : TABLE_MAX);
    if (!is_key && column.n > 0) {
        qr_buf_addz(&buf, "__");
        (void)add_start(&buf, column, NAMES_MAX - used);
    }
    if (is_key)
        qr_buf_printf(&buf, "__%08X%08X", (unsigned)qr_hash_bytes(table.p, table.n, 0), object_id);
    else
        qr_buf_printf(&buf, "__%08X", object_id);
    char *p = qr_arena_dup(arena, buf.data, buf.len);
    struct qr_str name = {p, p == NULL ? 0 : buf.len};
    qr_buf_done(&buf);
    return name;
}

/* True if the parenthesis at 0 closes at the very end. */
static bool is_wrapped(struct qr_str s)
{
    int depth = 0;
    char quote = 0;
    if (s.n < 2 || s.p[0] != '(')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (quote != 0) {
            if (c == quote)
                quote = 0;
        } else if (c == '\'' || c == '"') {
            quote = c;
        } else if (c == '[') {
            quote = ']';
        } else if (c == '(') {
            depth++;
        } else if (c == ')' && --depth == 0) {
            return i == s.n - 1;
        }
    }
    return false;
}

static bool is_number(struct qr_str s)
{
    size_t i = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+') ? 1 : 0;
    if (i == s.n)
        return false;
    for (; i < s.n; i++)
        if ((s.p[i] < '0' || s.p[i] > '9') && s.p[i] != '.')
            return false;
    return true;
}

/* Copies what stands between quotes or in a comment; returns where it ends. */
static size_t copy_quoted(struct qr_buf *buf, struct qr_str s, size_t at, bool quoted_identifier)
{
    char open = s.p[at], close = open == '[' ? ']' : open;
    bool becomes = open == '"' && !quoted_identifier; /* a string: kept in the other quotes */
    qr_buf_add8(buf, becomes ? '\'' : (uint8_t)open);
    for (at++; at < s.n; at++) {
        char c = s.p[at];
        bool is_close = c == close;
        if (is_close && (at + 1 == s.n || s.p[at + 1] != close))
            break;
        at += is_close;
        if (becomes ? c == '\'' : is_close)
            qr_buf_add8(buf, (uint8_t)c);
        qr_buf_add8(buf, (uint8_t)c);
    }
    qr_buf_add8(buf, becomes ? '\'' : (uint8_t)close);
    return at + 1;
}

static size_t comment_bytes(struct qr_str s)
{
    bool line = s.n >= 2 && s.p[0] == '-' && s.p[1] == '-';
    bool block = s.n >= 2 && s.p[0] == '/' && s.p[1] == '*';
    size_t depth = 0;
    for (size_t i = 0; line || block; i++) {
        if (i >= s.n || (line && s.p[i] == '\n'))
            return i;
        if (line || i + 1 >= s.n)
            continue;
        if (s.p[i] == '/' && s.p[i + 1] == '*')
            depth++, i++;
        else if (s.p[i] == '*' && s.p[i + 1] == '/' && --depth == 0)
            return i + 2;
        else if (s.p[i] == '*' && s.p[i + 1] == '/')
            i++;
    }
    return 0;
}

/* A stored expression is read with QUOTED_IDENTIFIER ON, whatever it was written under. */
static void add_expression(struct qr_buf *buf, struct qr_str s, bool quoted_identifier)
{
    for (size_t i = 0; i < s.n;) {
        size_t skip = comment_bytes((struct qr_str){s.p + i, s.n - i});
        if (s.p[i] == '\'' || s.p[i] == '"' || s.p[i] == '[') {
            i = copy_quoted(buf, s, i, quoted_identifier);
            continue;
        }
        skip = skip == 0 ? 1 : skip;
        qr_buf_addstr(buf, (struct qr_str){s.p + i, skip});
        i += skip;
    }
}

typedef bool print_fn(struct qr_buf *out, const struct qr_ast_expr *expr);

/* As SQL Server writes it; false if it cannot be written so. */
static bool add_printed(struct qr_buf *buf, struct qr_arena *arena, struct qr_str text,
                        bool quoted_identifier, print_fn *print)
{
    struct qr_tsql_options as_written = {.quoted_identifier = quoted_identifier};
    struct qr_tsql_options as_read = {.quoted_identifier = true};
    struct qr_ast_expr *expr = NULL;
    struct qr_err ignored;
    qr_err_reset(&ignored);
    if (qr_tsql_parse_expr(arena, text.p, text.n, &as_written, &expr, &ignored) != QR_OK)
        return false;
    qr_buf_addz(buf, "(");
    bool ok = print(buf, expr);
    qr_buf_addz(buf, ")");
    return ok && buf->failed == QR_OK &&
           qr_tsql_parse_expr(arena, (const char *)buf->data, buf->len, &as_read, &expr,
                              &ignored) == QR_OK;
}

static struct qr_str normal_text(struct qr_arena *arena, struct qr_str text, bool quoted_identifier,
                                 print_fn *print)
{
    struct qr_buf printed;
    qr_buf_init(&printed, 16 * text.n + 256);
    struct qr_str made = {NULL, 0};
    if (add_printed(&printed, arena, text, quoted_identifier, print)) {
        made.p = qr_arena_dup(arena, printed.data, printed.len);
        made.n = made.p == NULL ? 0 : printed.len;
    }
    qr_buf_done(&printed);
    if (made.p != NULL)
        return made;
    text = qr_str_trim(text);
    while (is_wrapped(text))
        text = qr_str_trim((struct qr_str){text.p + 1, text.n - 2});
    bool twice = is_number(text);
    struct qr_buf buf;
    qr_buf_init(&buf, 2 * text.n + 16);
    qr_buf_addz(&buf, twice ? "((" : "(");
    add_expression(&buf, text, quoted_identifier);
    qr_buf_addz(&buf, twice ? "))" : ")");
    char *p = qr_arena_dup(arena, buf.data, buf.len);
    struct qr_str out = {p, p == NULL ? 0 : buf.len};
    qr_buf_done(&buf);
    return out;
}

struct qr_str qri_normal_text(struct qr_arena *arena, struct qr_str text, bool quoted_identifier)
{
    return normal_text(arena, text, quoted_identifier, qr_tsql_print_expr);
}

struct qr_str qri_filter_text(struct qr_arena *arena, struct qr_str text, bool quoted_identifier)
{
    return normal_text(arena, text, quoted_identifier, qr_tsql_print_filter);
}

static void add_quoted(struct qr_buf *buf, struct qr_str text, const char *open)
{
    qr_buf_addz(buf, open);
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\'')
            qr_buf_addz(buf, "'");
        qr_buf_add8(buf, (uint8_t)text.p[i]);
    }
    qr_buf_addz(buf, "'");
}

static bool add_constant(struct qr_buf *buf, const struct qr_ast_expr *expr)
{
    if (expr->kind == QR_AE_UNARY) {
        const struct qr_ast_unary *u = (const struct qr_ast_unary *)expr;
        qr_buf_addz(buf, u->op == QR_UNARY_MINUS ? "-" : "");
        return u->op != QR_UNARY_BIT_NOT && add_constant(buf, u->operand);
    }
    if (expr->kind == QR_AE_COLUMN) { /* a bare word is a string here */
        const struct qr_ast_column *c = (const struct qr_ast_column *)expr;
        add_quoted(buf, c->name.parts[c->name.count - 1].text, "'");
        return true;
    }
    if (expr->kind != QR_AE_LITERAL)
        return false;
    const struct qr_ast_literal *l = (const struct qr_ast_literal *)expr;
    switch (l->literal) {
    case QR_LIT_NULL:
        qr_buf_addz(buf, "NULL");
        return true;
    case QR_LIT_INT:
    case QR_LIT_NUMERIC:
    case QR_LIT_FLOAT:
        qr_buf_addstr(buf, l->text);
        return true;
    case QR_LIT_MONEY:
        qr_buf_addz(buf, "$");
        qr_buf_addstr(buf, l->text);
        return true;
    case QR_LIT_BINARY:
        qr_buf_addz(buf, "0x");
        qr_buf_addstr(buf, l->text);
        return true;
    case QR_LIT_NSTRING:
        add_quoted(buf, l->text, "N'");
        return true;
    case QR_LIT_STRING:
    case QR_LIT_ODBC_DATE:
    case QR_LIT_ODBC_TIME:
    case QR_LIT_ODBC_TIMESTAMP:
    case QR_LIT_ODBC_GUID:
        add_quoted(buf, l->text, "'");
        return true;
    case QR_LIT_DEFAULT:
        break;
    }
    return false;
}

enum qr_status qri_constant_text(struct qr_arena *arena, const struct qr_ast_expr *expr,
                                 struct qr_str *ret_text, struct qr_err *err)
{
    struct qr_buf buf;
    qr_buf_init(&buf, 1 << 20);
    bool ok = add_constant(&buf, expr);
    char *p = ok ? qr_arena_dup(arena, buf.data, buf.len) : NULL;
    size_t n = buf.len;
    qr_buf_done(&buf);
    if (!ok)
        return qr_sql_fail(err, 102, "=");
    if (p == NULL)
        return qr_fail(err, QR_NOMEM, "parameter default");
    *ret_text = (struct qr_str){p, n};
    return QR_OK;
}
