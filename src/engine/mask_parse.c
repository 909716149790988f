/* mask_parse.c - the text of MASKED WITH (FUNCTION = '...'); see mask.h.
 *
 * It is read from its first parenthesis to its last: what stands before is the name, and numbers of
 * arguments are those of the function. */
#include <string.h>
#include "base/buf.h"
#include "base/sqlmsg.h"
#include "codec/collation.h"
#include "codec/convert.h"
#include "mask.h"
#include "base/banned.h"

enum { ARGS_MAX = 4, TEXT_BYTES_MAX = 4096, CHARS_MAX = 8000 };

struct parse {
    struct qr_arena *arena;
    const struct qr_type *type;
    const char *column;
    struct qr_str name; /* as written */
    struct qr_str args[ARGS_MAX];
    size_t arg_count;
    struct qri_mask *mask;
    struct qr_err *err;
};

static const char *z(const struct parse *p, struct qr_str s)
{
    char *copy = qr_arena_dup(p->arena, s.p, s.n);
    return copy == NULL ? "" : copy;
}

static enum qr_status bad_argument(const struct parse *p)
{
    return qr_sql_fail(p->err, 16005, z(p, p->name), p->column);
}

static struct qr_str trimmed(struct qr_str s)
{
    while (s.n > 0 && s.p[0] == ' ') {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && s.p[s.n - 1] == ' ')
        s.n--;
    return s;
}

/* ---- arguments ---- */

/* By commas, which may stand in quotes. */
static void split(struct parse *p, struct qr_str list)
{
    size_t begin = 0;
    bool quoted = false;
    if (trimmed(list).n == 0)
        return;
    for (size_t i = 0; i <= list.n; i++) {
        if (i < list.n && list.p[i] == '"')
            quoted = !quoted;
        if (i < list.n && (quoted || list.p[i] != ','))
            continue;
        if (p->arg_count < ARGS_MAX)
            p->args[p->arg_count] = trimmed(qr_str_n(list.p + begin, i - begin));
        p->arg_count++;
        begin = i + 1;
    }
}

static bool take_count(struct qr_str s, uint32_t *ret_count)
{
    *ret_count = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        *ret_count = *ret_count * 10 + (uint32_t)(s.p[i] - '0');
        if (*ret_count > CHARS_MAX)
            *ret_count = CHARS_MAX;
    }
    return s.n > 0;
}

/* "text", a quote in it doubled */
static bool take_quoted(const struct parse *p, struct qr_str s, struct qr_str *ret_text)
{
    char *text = qr_arena_alloc(p->arena, s.n + 1);
    size_t n = 0;
    if (text == NULL || s.n < 2 || s.p[0] != '"' || s.p[s.n - 1] != '"')
        return false;
    for (size_t i = 1; i + 1 < s.n; i++) {
        if (s.p[i] == '"' && (i + 2 >= s.n || s.p[++i] != '"'))
            return false;
        text[n++] = s.p[i];
    }
    *ret_text = qr_str_n(text, n);
    return true;
}

/* ---- default() ---- */

static const char *default_text(const struct qr_type *type)
{
    enum qr_family family = qr_type_family(type);
    if (family == QR_FAMILY_DATETIME)
        return type->id == QR_TYPE_TIME ? "00:00:00" : "1900-01-01";
    if (family == QR_FAMILY_GUID)
        return "00000000-0000-0000-0000-000000000000";
    if (family == QR_FAMILY_XML)
        return "<masked />";
    if (family == QR_FAMILY_JSON)
        return "{}";
    return qr_type_is_string(type) ? "xxxx" : "0";
}

static enum qr_status parse_default(struct parse *p)
{
    static const char zero = '0';
    const struct qr_convert_env env = {.arena = p->arena};
    struct qr_type from = qr_type_sized(QR_TYPE_VARCHAR, 0);
    from.collation = QR_COLLATION_DEFAULT;
    if (p->type->id == QR_TYPE_SQL_VARIANT)
        return QR_OK; /* as its value's type says */
    if (p->type->id == QR_TYPE_ROWVERSION) {
        p->mask->whole = qr_value_blob("\0\0\0\0\0\0\0\0", 8);
        return QR_OK;
    }
    struct qr_value value = qr_value_str(qr_str(default_text(p->type)));
    if (qr_type_family(p->type) == QR_FAMILY_BINARY) {
        from = qr_type_sized(QR_TYPE_VARBINARY, 1);
        value = qr_value_blob(&zero, 1);
    }
    return qr_convert_once(&from, &value, p->type, &env, &p->mask->whole, p->err);
}

/* ---- the others ---- */

static enum qr_status parse_partial(struct parse *p)
{
    bool good = take_count(p->args[0], &p->mask->prefix) &&
                take_quoted(p, p->args[1], &p->mask->padding) &&
                take_count(p->args[2], &p->mask->suffix);
    return good ? QR_OK : bad_argument(p);
}

/* -12.5 */
static bool is_number(struct qr_str s)
{
    size_t digits = 0, points = 0;
    for (size_t i = 0; i < s.n; i++) {
        bool is_digit = s.p[i] >= '0' && s.p[i] <= '9';
        digits += is_digit;
        points += s.p[i] == '.';
        if (!is_digit && s.p[i] != '.' && !(s.p[i] == '-' && i == 0))
            return false;
    }
    return digits > 0 && points < 2;
}

static enum qr_status take_bound(struct parse *p, struct qr_str text, struct qr_value *ret_value,
                                 struct qr_str *ret_text)
{
    const struct qr_convert_env env = {.arena = p->arena};
    struct qr_type from = qr_type_sized(QR_TYPE_VARCHAR, 0);
    struct qr_value value = qr_value_str(text);
    struct qr_err other = {0};
    from.collation = QR_COLLATION_DEFAULT;
    bool is_bit = p->type->id == QR_TYPE_BIT;
    if (!is_number(text) || (is_bit && !qr_str_ieqz(text, "0") && !qr_str_ieqz(text, "1")) ||
        qr_convert_once(&from, &value, p->type, &env, ret_value, &other) != QR_OK)
        return bad_argument(p);
    if (is_bit) {
        *ret_text = text;
        return QR_OK;
    }
    return qr_value_text_of(p->type, ret_value, &env, ret_text, p->err);
}

static enum qr_status parse_random(struct parse *p)
{
    struct qri_mask *m = p->mask;
    QR_TRY(take_bound(p, p->args[0], &m->low, &m->low_text));
    QR_TRY(take_bound(p, p->args[1], &m->high, &m->high_text));
    return qr_value_compare(p->type, &m->low, &m->high) > 0 ? bad_argument(p) : QR_OK;
}

static enum qr_status parse_datetime(struct parse *p)
{
    struct qr_str part = {0};
    if (!take_quoted(p, p->args[0], &part) || part.n != 1 || memchr("YMDhms", part.p[0], 6) == NULL)
        return bad_argument(p);
    bool of_day = part.p[0] >= 'a';
    if ((p->type->id == QR_TYPE_DATE && of_day) || (p->type->id == QR_TYPE_TIME && !of_day))
        return bad_argument(p);
    p->mask->part = part.p[0];
    return QR_OK;
}

/* ---- all of them ---- */

static bool takes_any(const struct qr_type *type)
{
    (void)type;
    return true;
}

static bool takes_text(const struct qr_type *type)
{
    enum qr_family family = qr_type_family(type);
    return family == QR_FAMILY_CHAR || family == QR_FAMILY_NCHAR;
}

static bool takes_date(const struct qr_type *type)
{
    return qr_type_family(type) == QR_FAMILY_DATETIME;
}

static const struct function {
    const char *name;
    enum qri_mask_kind kind;
    size_t arg_count;
    bool (*takes)(const struct qr_type *type);
    enum qr_status (*parse)(struct parse *p);
} functions[] = {
    {"default", QRI_MASK_DEFAULT, 0, takes_any, parse_default},
    {"email", QRI_MASK_EMAIL, 0, takes_text, parse_default},
    {"partial", QRI_MASK_PARTIAL, 3, takes_text, parse_partial},
    {"random", QRI_MASK_RANDOM, 2, qr_type_is_number, parse_random},
    {"datetime", QRI_MASK_DATETIME, 1, takes_date, parse_datetime},
};

static enum qr_status run(struct parse *p, const struct function *f, bool is_whole)
{
    if (!f->takes(p->type))
        return qr_sql_fail(p->err, 16003, p->column, f->name);
    if (!is_whole || p->arg_count != f->arg_count)
        return qr_sql_fail(p->err, 16004, z(p, p->name), p->column);
    *p->mask = (struct qri_mask){.kind = f->kind, .type = *p->type};
    return f->parse(p);
}

enum qr_status qri_mask_parse(struct qr_arena *arena, struct qr_str text,
                              const struct qr_type *type, const char *column,
                              struct qri_mask *ret_mask, struct qr_err *err)
{
    struct parse p = {
        .arena = arena, .type = type, .column = column, .name = text, .mask = ret_mask, .err = err};
    size_t open = 0, close = text.n;
    if (text.n == 0)
        return qr_sql_fail(err, 16002, column);
    while (open < text.n && text.p[open] != '(')
        open++;
    while (close > open && text.p[close - 1] != ')')
        close--;
    if (open == text.n)
        return qr_sql_fail(err, 16006, z(&p, text), column);
    p.name = qr_str_n(text.p, open);
    if (close == open)
        return qr_sql_fail(err, 16006, z(&p, p.name), column);
    if (close < text.n)
        return qr_sql_fail(err, 16004, z(&p, p.name), column);
    split(&p, qr_str_n(text.p + open + 1, close - open - 2));
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (qr_str_ieqz(p.name, functions[i].name))
            return run(&p, &functions[i], close == text.n);
    return qr_sql_fail(err, 16002, column);
}

static void print_quoted(struct qr_buf *out, struct qr_str text)
{
    qr_buf_add8(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"')
            qr_buf_add8(out, '"');
        qr_buf_add8(out, (uint8_t)text.p[i]);
    }
    qr_buf_add8(out, '"');
}

enum qr_status qri_mask_print(struct qr_arena *arena, const struct qri_mask *mask,
                              struct qr_str *ret_text, struct qr_err *err)
{
    struct qr_buf out;
    qr_buf_init(&out, TEXT_BYTES_MAX);
    qr_buf_printf(&out, "%s(", functions[mask->kind].name);
    if (mask->kind == QRI_MASK_PARTIAL) {
        qr_buf_printf(&out, "%u, ", (unsigned)mask->prefix);
        print_quoted(&out, mask->padding);
        qr_buf_printf(&out, ", %u", (unsigned)mask->suffix);
    } else if (mask->kind == QRI_MASK_RANDOM) {
        qr_buf_addstr(&out, mask->low_text);
        qr_buf_addz(&out, ", ");
        qr_buf_addstr(&out, mask->high_text);
    } else if (mask->kind == QRI_MASK_DATETIME) {
        qr_buf_printf(&out, "\"%c\"", mask->part);
    }
    qr_buf_addz(&out, ")");
    enum qr_status status = qr_buf_status(&out, err);
    char *copy = status == QR_OK ? qr_arena_dup(arena, out.data, out.len) : NULL;
    *ret_text = qr_str_n(copy, out.len);
    qr_buf_done(&out);
    return copy == NULL && status == QR_OK ? qr_fail(err, QR_NOMEM, "masking function") : status;
}
