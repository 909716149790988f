/* message.c - see expr/format.h: messages of RAISERROR and FORMATMESSAGE */
#include "expr/format.h"
#include <stdio.h>
#include <string.h>
#include "base/buf.h"
#include "codec/utf.h"
#include "expr_int.h"
#include "base/banned.h"

enum {
    MESSAGE_UNITS_MAX = 2047,
    MESSAGE_BYTES_MAX = 64 * 1024,
    FIELD_WIDTH_MAX = 2047,
};

struct spec {
    bool left, plus, zero, alternate, blank, wide, has_precision;
    int width, precision;
    char type;
    struct qr_str text; /* from the % on */
};

struct job {
    struct qr_arena *arena;
    struct qr_buf out;
    const struct qr_type *types;
    const struct qr_value *args;
    size_t arg_count, next;
    struct qr_err *err;
};

static enum qr_status bad_spec(struct job *j, struct qr_str text)
{
    char *z = qr_arena_dup(j->arena, text.p, text.n);
    return z == NULL ? qri_expr_nomem(j->err) : qr_sql_fail(j->err, 2787, z);
}

/* Digits, or * for the next argument. */
static enum qr_status read_number(struct job *j, struct qr_str s, size_t *pos, int *ret_number)
{
    int n = 0;
    if (*pos < s.n && s.p[*pos] == '*') {
        ++*pos;
        if (j->next < j->arg_count && qri_number_of(&j->types[j->next]) != QRI_INT)
            return qr_sql_fail(j->err, 2786, (int)j->next + 1);
        if (j->next < j->arg_count && j->args[j->next].cell == QR_CELL_INT &&
            j->args[j->next].i >= 0 && j->args[j->next].i <= FIELD_WIDTH_MAX)
            n = (int)j->args[j->next].i;
        j->next++;
    }
    for (; *pos < s.n && s.p[*pos] >= '0' && s.p[*pos] <= '9'; ++*pos)
        n = n > FIELD_WIDTH_MAX ? n : n * 10 + (s.p[*pos] - '0');
    *ret_number = n > FIELD_WIDTH_MAX ? FIELD_WIDTH_MAX : n;
    return QR_OK;
}

static bool read_flag(struct spec *spec, char c)
{
    spec->left = spec->left || c == '-';
    spec->plus = spec->plus || c == '+';
    spec->zero = spec->zero || c == '0';
    spec->alternate = spec->alternate || c == '#';
    spec->blank = spec->blank || c == ' ';
    return c == '-' || c == '+' || c == '0' || c == '#' || c == ' ';
}

static enum qr_status read_spec(struct job *j, struct qr_str s, size_t *pos, struct spec *spec)
{
    size_t start = *pos;
    *spec = (struct spec){.width = 0};
    ++*pos; /* the % */
    while (*pos < s.n && read_flag(spec, s.p[*pos]))
        ++*pos;
    QR_TRY(read_number(j, s, pos, &spec->width));
    if (*pos < s.n && s.p[*pos] == '.') {
        ++*pos;
        spec->has_precision = true;
        QR_TRY(read_number(j, s, pos, &spec->precision));
    }
    if (s.n - *pos >= 3 && memcmp(s.p + *pos, "I64", 3) == 0) {
        spec->wide = true;
        *pos += 3;
    }
    while (*pos < s.n && (s.p[*pos] == 'l' || s.p[*pos] == 'h' || s.p[*pos] == 'w'))
        ++*pos;
    if (*pos >= s.n || s.p[*pos] == '\0' || strchr("diosuxXS", s.p[*pos]) == NULL)
        return bad_spec(j, qr_str_n(s.p + start, *pos < s.n ? *pos + 1 - start : s.n - start));
    spec->type = s.p[(*pos)++];
    if (spec->type == 'S') { /* %S_MSG of the system's own messages */
        spec->type = 's';
        if (s.n - *pos >= 4 && memcmp(s.p + *pos, "_MSG", 4) == 0)
            *pos += 4;
    }
    return QR_OK;
}

static void pad(struct job *j, const struct spec *spec, struct qr_str text, size_t units)
{
    size_t width = (size_t)spec->width, fill = width > units ? width - units : 0;
    if (!spec->left)
        qr_buf_fill(&j->out, ' ', fill);
    qr_buf_addstr(&j->out, text);
    if (spec->left)
        qr_buf_fill(&j->out, ' ', fill);
}

static void put_string(struct job *j, const struct spec *spec, struct qr_str text)
{
    if (spec->has_precision)
        text.n = qr_utf_prefix(text, (size_t)spec->precision);
    pad(j, spec, text, qr_utf16_units(text));
}

static int print_unsigned(char *dst, size_t bytes, const struct spec *spec, int least,
                          unsigned long long u)
{
    static const struct {
        char type;
        const char *plain, *alternate;
    } forms[] = {{'o', "%.*llo", "%#.*llo"},
                 {'x', "%.*llx", "%#.*llx"},
                 {'X', "%.*llX", "%#.*llX"},
                 {'u', "%.*llu", "%.*llu"}};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (forms[i].type == spec->type)
            return snprintf(dst, bytes, spec->alternate ? forms[i].alternate : forms[i].plain,
                            least, u);
    return 0;
}

static void put_integer(struct job *j, const struct spec *spec, int64_t v)
{
    char digits[FIELD_WIDTH_MAX + 80];
    int n, least = spec->has_precision ? spec->precision : 1;
    if (spec->zero && !spec->left && !spec->has_precision)
        least = spec->width - (v < 0 || spec->plus || spec->blank);
    if (spec->type == 'd' || spec->type == 'i') {
        unsigned long long magnitude = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
        const char *positive = spec->plus ? "+" : spec->blank ? " " : "";
        n = snprintf(digits, sizeof digits, "%s%.*llu", v < 0 ? "-" : positive, least, magnitude);
    } else {
        n = print_unsigned(digits, sizeof digits, spec, least,
                           spec->wide ? (uint64_t)v : (uint32_t)v);
    }
    pad(j, spec, qr_str_n(digits, (size_t)n), (size_t)n);
}

static enum qr_status put_argument(struct job *j, const struct spec *spec)
{
    size_t index = j->next++;
    if (index >= j->arg_count || qr_value_is_null(&j->args[index])) {
        put_string(j, &(struct spec){.width = spec->width, .left = spec->left}, qr_str("(null)"));
        return QR_OK;
    }
    const struct qr_type *type = &j->types[index];
    bool text = qr_type_is_string(type) && j->args[index].cell == QR_CELL_TEXT;
    bool number = qri_number_of(type) == QRI_INT;
    if (spec->type == 's' ? !text : !number)
        return qr_sql_fail(j->err, 2786, (int)index + 1);
    if (spec->type == 's') {
        put_string(j, spec, qr_value_bytes(&j->args[index]));
    } else {
        struct spec s = *spec;
        s.wide = s.wide || type->id == QR_TYPE_BIGINT;
        put_integer(j, &s, j->args[index].i);
    }
    return QR_OK;
}

static enum qr_status run(struct job *j, struct qr_str text)
{
    for (size_t pos = 0; pos < text.n && j->out.failed == QR_OK;) {
        const char *percent = memchr(text.p + pos, '%', text.n - pos);
        size_t end = percent == NULL ? text.n : (size_t)(percent - text.p);
        qr_buf_add(&j->out, text.p + pos, end - pos);
        pos = end;
        if (pos == text.n)
            break;
        if (pos + 1 < text.n && text.p[pos + 1] == '%') {
            qr_buf_add8(&j->out, '%');
            pos += 2;
            continue;
        }
        struct spec spec;
        QR_TRY(read_spec(j, text, &pos, &spec));
        QR_TRY(put_argument(j, &spec));
    }
    return QR_OK;
}

enum qr_status qr_format_message(struct qr_arena *arena, struct qr_str text,
                                 const struct qr_type *types, const struct qr_value *args,
                                 size_t arg_count, struct qr_str *ret_text, struct qr_err *err)
{
    struct job j = {
        .arena = arena, .types = types, .args = args, .arg_count = arg_count, .err = err};
    qr_buf_init(&j.out, MESSAGE_BYTES_MAX);
    enum qr_status status = run(&j, text);
    if (status == QR_OK && j.out.failed == QR_NOMEM)
        status = qri_expr_nomem(err);
    struct qr_str made = {(const char *)j.out.data, j.out.len};
    if (status == QR_OK) {
        bool cut = qr_utf16_units(made) > MESSAGE_UNITS_MAX;
        if (cut)
            made.n = qr_utf_prefix(made, MESSAGE_UNITS_MAX - 3);
        char *copy = qr_arena_alloc(arena, made.n + 4);
        if (copy == NULL) {
            status = qri_expr_nomem(err);
        } else {
            if (made.n > 0)
                memcpy(copy, made.p, made.n);
            if (cut)
                memset(copy + made.n, '.', 3);
            *ret_text = qr_str_n(copy, made.n + (cut ? 3 : 0));
        }
    }
    qr_buf_done(&j.out);
    return status;
}
