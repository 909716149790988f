/* fn_text.c - see expr/func.h: making and changing strings */
#include "expr_int.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/checked.h"
#include "codec/codepage.h"
#include "codec/utf.h"
#include "base/banned.h"

static size_t length_cap(bool national)
{
    return national ? QR_NCHAR_LENGTH_MAX : QR_CHAR_LENGTH_MAX;
}

/* --- UPPER, LOWER, REVERSE --- */

static enum qr_status change_case(const struct qr_call *c, size_t (*change)(struct qr_str, char *),
                                  struct qr_value *ret, struct qr_err *err)
{
    struct qr_str s = qri_arg_str(c, 0);
    size_t room;
    if (!qr_mul_size(s.n, 3, &room))
        return qri_expr_nomem(err);
    char *out;
    QR_TRY(qri_room(c, room, &out, err));
    struct qr_str text = qr_str_n(out, change(s, out));
    const struct qr_type *type = &c->expr->type;
    if (!qri_is_national(type) && qr_codepage_fit(qr_collation_get(type->collation)->code_page,
                                                  text, c->ctx->arena, &text) != QR_OK)
        return qri_expr_nomem(err);
    return qri_return_text(c, text, ret, err);
}

static enum qr_status fn_upper(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return change_case(c, qr_utf_upper, ret, err);
}

static enum qr_status fn_lower(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return change_case(c, qr_utf_lower, ret, err);
}

static enum qr_status fn_reverse(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    struct qr_str s = qri_arg_str(c, 0);
    char *out;
    QR_TRY(qri_room(c, s.n, &out, err));
    for (size_t pos = 0; pos < s.n;) {
        size_t from = pos;
        (void)qr_utf_next(s, &pos);
        memcpy(out + s.n - pos, s.p + from, pos - from);
    }
    *ret = qr_value_text(out, s.n);
    return QR_OK;
}

/* --- REPLICATE, SPACE --- */

static size_t constant_count(const struct qr_expr *e)
{
    bool known = qri_is_const(e) && e->u.value.cell == QR_CELL_INT && e->u.value.i >= 0;
    return known ? (size_t)e->u.value.i : SIZE_MAX;
}

static enum qr_status type_replicate(struct qr_func_typing *t)
{
    const struct qr_type *type = &t->args[0]->type;
    bool national = qri_is_national(type);
    size_t length = qri_text_length(type), total;
    if (length != 0) {
        if (!qr_mul_size(length, constant_count(t->args[1]), &total) ||
            total > length_cap(national))
            total = length_cap(national);
        length = total == 0 ? 1 : total;
    }
    qri_result_string(t, national, length);
    t->nullable = true;
    return QR_OK;
}

static enum qr_status repeat(const struct qr_call *c, struct qr_str s, int64_t count,
                             struct qr_value *ret, struct qr_err *err)
{
    const struct qr_type *type = &c->expr->type;
    size_t total;
    *ret = qr_value_null();
    if (count < 0)
        return QR_OK;
    /* more repeats than the type has room for would be cut off again */
    size_t cap = type->is_max ? SIZE_MAX : type->length;
    if (s.n > 0 && (uint64_t)count > cap)
        count = (int64_t)cap;
    if (!qr_mul_size(s.n, (size_t)count, &total))
        return qri_expr_nomem(err);
    char *out;
    QR_TRY(qri_room(c, total, &out, err));
    if (s.n == 1)
        memset(out, s.p[0], total);
    else
        for (size_t at = 0; at < total; at += s.n)
            memcpy(out + at, s.p, s.n);
    return qri_return_text(c, qr_str_n(out, total), ret, err);
}

static enum qr_status fn_replicate(const struct qr_call *c, struct qr_value *ret,
                                   struct qr_err *err)
{
    return repeat(c, qri_arg_str(c, 0), c->args[1].i, ret, err);
}

static enum qr_status type_space(struct qr_func_typing *t)
{
    size_t count = constant_count(t->args[0]);
    if (count > QR_CHAR_LENGTH_MAX)
        count = QR_CHAR_LENGTH_MAX;
    qri_result_string(t, false, count == 0 ? 1 : count);
    t->nullable = true;
    return QR_OK;
}

static enum qr_status fn_space(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return repeat(c, qr_str(" "), c->args[0].i, ret, err);
}

/* --- CONCAT, CONCAT_WS --- */

static enum qr_status type_concat(struct qr_func_typing *t)
{
    bool national = false, max = false;
    size_t length = 0, separators = 0;
    for (size_t i = 0; i < t->arg_count; i++) {
        const struct qr_type *type = &t->args[i]->type;
        national = national || qri_is_national(type);
        max = max || qr_type_is_lob(type);
        length += type->length;
    }
    if (t->func->args_min == 3) /* CONCAT_WS: the separator stands between all others */
        separators = (t->arg_count - 3) * t->args[0]->type.length;
    length += separators;
    if (length > length_cap(national))
        length = length_cap(national);
    qri_result_string(t, national, max ? 0 : length == 0 ? 1 : length);
    t->nullable = false;
    return QR_OK;
}

/* The separator goes between values that are not NULL, empty ones too. */
static enum qr_status join(const struct qr_call *c, size_t first, struct qr_str separator,
                           struct qr_value *ret, struct qr_err *err)
{
    size_t total = 0, n = 0;
    bool any = false;
    for (size_t i = first; i < c->arg_count; i++)
        if (!qr_value_is_null(&c->args[i]) &&
            !qr_add_size(total, c->args[i].n + separator.n, &total))
            return qri_expr_nomem(err);
    char *out;
    QR_TRY(qri_room(c, total, &out, err));
    for (size_t i = first; i < c->arg_count; i++) {
        if (qr_value_is_null(&c->args[i]))
            continue;
        if (any && separator.n > 0) {
            memcpy(out + n, separator.p, separator.n);
            n += separator.n;
        }
        if (c->args[i].n > 0)
            memcpy(out + n, c->args[i].p, c->args[i].n);
        n += c->args[i].n;
        any = true;
    }
    return qri_return_text(c, qr_str_n(out, n), ret, err);
}

static enum qr_status fn_concat(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return join(c, 0, qr_str(""), ret, err);
}

static enum qr_status fn_concat_ws(const struct qr_call *c, struct qr_value *ret,
                                   struct qr_err *err)
{
    bool none = qr_value_is_null(&c->args[0]);
    return join(c, 1, none ? qr_str("") : qri_arg_str(c, 0), ret, err);
}

/* --- STR --- */

enum { STR_LENGTH_DEFAULT = 10, STR_DECIMALS_MAX = 16, STR_BYTES = 400 };

static enum qr_status type_str(struct qr_func_typing *t)
{
    size_t length = STR_LENGTH_DEFAULT;
    if (t->arg_count > 1)
        length = constant_count(t->args[1]);
    if (length > QR_CHAR_LENGTH_MAX)
        length = QR_CHAR_LENGTH_MAX;
    qri_result_string(t, false, length == 0 ? 1 : length);
    t->nullable = true;
    return QR_OK;
}

static int print_rounded(double d, int decimals, char dst[STR_BYTES])
{
    double scale = pow(10, decimals), scaled = round(d * scale);
    if (fabs(scaled) < 4503599627370496.0) /* exact: halves go away from zero */
        d = scaled / scale;
    return snprintf(dst, STR_BYTES, "%.*f", decimals, d);
}

static enum qr_status fn_str(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    int64_t length = c->arg_count > 1 ? c->args[1].i : STR_LENGTH_DEFAULT;
    int64_t decimals = c->arg_count > 2 ? c->args[2].i : 0;
    *ret = qr_value_null();
    if (length < 1 || length > QR_CHAR_LENGTH_MAX || decimals < 0)
        return QR_OK;
    if (decimals > STR_DECIMALS_MAX)
        decimals = STR_DECIMALS_MAX;
    char text[STR_BYTES], *out;
    int n = print_rounded(c->args[0].r, (int)decimals, text);
    while (n > length && decimals > 0) /* decimals give way to the width */
        n = print_rounded(c->args[0].r, (int)--decimals, text);
    QR_TRY(qri_room(c, (size_t)length, &out, err));
    memset(out, n > length ? '*' : ' ', (size_t)length);
    if (n <= length)
        memcpy(out + length - n, text, (size_t)n);
    *ret = qr_value_text(out, (size_t)length);
    return QR_OK;
}

/* --- single characters --- */

static enum qr_status fn_ascii(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    (void)err;
    uint16_t page = qr_collation_get(qri_arg_type(c, 0)->collation)->code_page;
    int byte = qr_codepage_first_byte(page, qri_arg_str(c, 0));
    *ret = byte < 0 ? qr_value_null() : qr_value_int(byte);
    return QR_OK;
}

static enum qr_status fn_char(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    int64_t code = c->args[0].i;
    *ret = qr_value_null();
    if (code < 0 || code > UINT8_MAX)
        return QR_OK;
    char *out;
    QR_TRY(qri_room(c, 4, &out, err));
    uint16_t page = qr_collation_get(c->expr->type.collation)->code_page;
    *ret = qr_value_text(out, qr_codepage_char(page, (uint8_t)code, out));
    return QR_OK;
}

static enum qr_status fn_unicode(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    (void)err;
    struct qr_str s = qri_arg_str(c, 0);
    size_t pos = 0;
    *ret = qr_value_null();
    if (s.n == 0)
        return QR_OK;
    uint32_t code = qr_utf_next(s, &pos);
    if (code > 0xFFFF) /* collations without _SC see the first half of the pair */
        code = 0xD800 + ((code - 0x10000) >> 10);
    *ret = qr_value_int(code);
    return QR_OK;
}

static enum qr_status fn_nchar(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    int64_t code = c->args[0].i;
    *ret = qr_value_null();
    if (code < 0 || code > 0xFFFF)
        return QR_OK;
    char *out;
    QR_TRY(qri_room(c, 4, &out, err));
    *ret = qr_value_text(out, qr_utf_put((uint32_t)code, out));
    return QR_OK;
}

/* --- QUOTENAME, PARSENAME, STRING_ESCAPE, TRANSLATE --- */

static enum qr_status fn_quotename(const struct qr_call *c, struct qr_value *ret,
                                   struct qr_err *err)
{
    static const char pairs[][2] = {{'[', ']'}, {'(', ')'},   {'<', '>'}, {'{', '}'},
                                    {'"', '"'}, {'\'', '\''}, {'`', '`'}};
    struct qr_str s = qri_arg_str(c, 0);
    struct qr_str quote = c->arg_count > 1 ? qri_arg_str(c, 1) : qr_str("[");
    char open = quote.n == 0 ? '[' : quote.p[0], close = 0;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if (pairs[i][0] == open || pairs[i][1] == open) {
            open = pairs[i][0];
            close = pairs[i][1];
            break;
        }
    *ret = qr_value_null();
    if (close == 0 || qr_utf16_units(s) > 128)
        return QR_OK;
    char *out;
    size_t n = 0;
    QR_TRY(qri_room(c, 2 * s.n + 2, &out, err));
    out[n++] = open;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == close)
            out[n++] = close;
        out[n++] = s.p[i];
    }
    out[n++] = close;
    *ret = qr_value_text(out, n);
    return QR_OK;
}

enum { NAME_PARTS_MAX = 4 };

/* One part of a dotted name, unquoted into `out`; false if malformed. */
static bool name_part(struct qr_str s, size_t *pos, char *out, struct qr_str *ret_part)
{
    size_t n = 0, at = *pos;
    char close = 0;
    if (at < s.n && (s.p[at] == '[' || s.p[at] == '"'))
        close = s.p[at++] == '[' ? ']' : '"';
    for (; at < s.n; at++) {
        if (close == 0 && s.p[at] == '.')
            break;
        if (close == 0 && strchr("[]\"", s.p[at]) != NULL)
            return false; /* brackets and quotes stand around a whole part only */
        if (close != 0 && s.p[at] == close) {
            if (at + 1 < s.n && s.p[at + 1] == close) {
                at++;
            } else {
                close = 0;
                at++;
                break;
            }
        }
        out[n++] = s.p[at];
    }
    *pos = at;
    *ret_part = qr_str_n(out, n);
    return close == 0 && (at == s.n || s.p[at] == '.');
}

static enum qr_status fn_parsename(const struct qr_call *c, struct qr_value *ret,
                                   struct qr_err *err)
{
    struct qr_str s = qri_arg_str(c, 0), parts[NAME_PARTS_MAX];
    size_t count = 0, pos = 0;
    char *out;
    QR_TRY(qri_room(c, s.n, &out, err));
    *ret = qr_value_null();
    for (;; pos++) {
        if (count == NAME_PARTS_MAX || !name_part(s, &pos, out, &parts[count]) ||
            qr_utf16_units(parts[count]) > 128)
            return QR_OK;
        out += parts[count++].n;
        if (pos == s.n)
            break;
    }
    int64_t wanted = c->args[1].i;
    if (wanted >= 1 && (uint64_t)wanted <= count && parts[count - (size_t)wanted].n > 0)
        *ret = qr_value_str(parts[count - (size_t)wanted]);
    return QR_OK;
}

static size_t escape_json(char ch, char dst[6])
{
    static const char from[] = "\"\\/\b\f\n\r\t", to[] = "\"\\/bfnrt";
    const char *at = ch == '\0' ? NULL : strchr(from, ch);
    if (at != NULL) {
        dst[0] = '\\';
        dst[1] = to[at - from];
        return 2;
    }
    if ((unsigned char)ch >= 0x20) {
        dst[0] = ch;
        return 1;
    }
    static const char hex[] = "0123456789abcdef";
    dst[0] = '\\';
    dst[1] = 'u';
    dst[2] = dst[3] = '0';
    dst[4] = hex[(unsigned char)ch >> 4];
    dst[5] = hex[ch & 15];
    return 6;
}

static enum qr_status fn_string_escape(const struct qr_call *c, struct qr_value *ret,
                                       struct qr_err *err)
{
    struct qr_str s = qri_arg_str(c, 0);
    if (!qr_str_ieqz(qri_arg_str(c, 1), "json"))
        return qr_sql_fail(err, 15600, "string_escape");
    size_t room, n = 0;
    char *out;
    if (!qr_mul_size(s.n, 6, &room))
        return qri_expr_nomem(err);
    QR_TRY(qri_room(c, room, &out, err));
    for (size_t i = 0; i < s.n; i++)
        n += escape_json(s.p[i], out + n);
    *ret = qr_value_text(out, n);
    return QR_OK;
}

static enum qr_status type_escape(struct qr_func_typing *t)
{
    qri_result_string(t, true, 0);
    return QR_OK;
}

static struct qr_str char_at(struct qr_str s, size_t *pos)
{
    size_t from = *pos;
    (void)qr_utf_next(s, pos);
    return qr_str_n(s.p + from, *pos - from);
}

/* What `ch` becomes: the character of `to` at the place where it stands in `from`. */
static struct qr_str translate_char(enum qr_order order, struct qr_str ch, struct qr_str from,
                                    struct qr_str to)
{
    for (size_t i = 0, k = 0; i < from.n;) {
        struct qr_str member = char_at(from, &i), image = char_at(to, &k);
        if (qr_str_eq(ch, member) || qr_order_equal(order, ch, member))
            return image;
    }
    return ch;
}

static enum qr_status fn_translate(const struct qr_call *c, struct qr_value *ret,
                                   struct qr_err *err)
{
    struct qr_str s = qri_arg_str(c, 0), from = qri_arg_str(c, 1), to = qri_arg_str(c, 2);
    size_t from_chars = 0, to_chars = 0, room, n = 0;
    for (size_t i = 0; i < from.n; from_chars++)
        (void)qr_utf_next(from, &i);
    for (size_t i = 0; i < to.n; to_chars++)
        (void)qr_utf_next(to, &i);
    if (from_chars != to_chars)
        return qr_sql_fail(err, 9828, "TRANSLATE");
    char *out;
    if (!qr_mul_size(s.n, 4, &room))
        return qri_expr_nomem(err);
    QR_TRY(qri_room(c, room, &out, err));
    enum qr_order order = qr_order_of(qri_arg_type(c, 0));
    for (size_t i = 0; i < s.n;) {
        struct qr_str image = translate_char(order, char_at(s, &i), from, to);
        memcpy(out + n, image.p, image.n);
        n += image.n;
    }
    return qri_return_text(c, qr_str_n(out, n), ret, err);
}

/* --- SOUNDEX, DIFFERENCE --- */

enum { SOUNDEX_BYTES = 4 };

static void soundex(struct qr_str s, char dst[SOUNDEX_BYTES])
{
    /* A to Z; '0' separates (vowels), '-' does not (H, W) */
    static const char codes[] = "01230120022455012623010202";
    static const char silent[] = "HW";
    memset(dst, '0', SOUNDEX_BYTES);
    size_t n = 0;
    char last = 0;
    for (size_t i = 0; i < s.n && n < SOUNDEX_BYTES; i++) {
        char ch = (char)(s.p[i] & ~0x20);
        if (ch < 'A' || ch > 'Z')
            break;
        char code = codes[ch - 'A'];
        if (n == 0)
            dst[n++] = ch;
        else if (code != '0' && code != last)
            dst[n++] = code;
        if (strchr(silent, ch) == NULL || n == 1)
            last = code;
    }
}

static enum qr_status fn_soundex(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    char *out;
    QR_TRY(qri_room(c, SOUNDEX_BYTES, &out, err));
    soundex(qri_arg_str(c, 0), out);
    *ret = qr_value_text(out, SOUNDEX_BYTES);
    return QR_OK;
}

static enum qr_status fn_difference(const struct qr_call *c, struct qr_value *ret,
                                    struct qr_err *err)
{
    (void)err;
    char a[SOUNDEX_BYTES], b[SOUNDEX_BYTES];
    soundex(qri_arg_str(c, 0), a);
    soundex(qri_arg_str(c, 1), b);
    int same = 0;
    for (int i = 0; i < SOUNDEX_BYTES; i++)
        same += a[i] == b[i];
    *ret = qr_value_int(same);
    return QR_OK;
}

static const struct qr_func text_funcs[] = {
    /* clang-format off */
    {"ASCII",      1, 1,   "s",   NULL, QR_TYPE_INT, 0, fn_ascii, QR_FUNC_NULLABLE, QR_HOST_NONE},
    {"CHAR",       1, 1,   "i",   NULL, QR_TYPE_CHAR, 1, fn_char, QR_FUNC_NULLABLE, QR_HOST_NONE},
    {"CONCAT",     2, 254, "s",   type_concat, 0, 0, fn_concat, QR_FUNC_NULLS, QR_HOST_NONE},
    {"CONCAT_WS",  3, 254, "s",   type_concat, 0, 0, fn_concat_ws, QR_FUNC_NULLS, QR_HOST_NONE},
    {"DIFFERENCE", 2, 2,   "s",   NULL, QR_TYPE_INT, 0, fn_difference, 0, QR_HOST_NONE},
    {"LOWER",      1, 1,   "s",   qri_type_like_first, 0, 0, fn_lower, 0, QR_HOST_NONE},
    {"NCHAR",      1, 1,   "i",   NULL, QR_TYPE_NCHAR, 1, fn_nchar, QR_FUNC_NULLABLE, QR_HOST_NONE},
    {"PARSENAME",  2, 2,   "ni",  NULL, QR_TYPE_NVARCHAR, 128, fn_parsename, QR_FUNC_NULLABLE,
     QR_HOST_NONE},
    {"QUOTENAME",  1, 2,   "n",   NULL, QR_TYPE_NVARCHAR, 258, fn_quotename, QR_FUNC_NULLABLE,
     QR_HOST_NONE},
    {"REPLICATE",  2, 2,   "sI",  type_replicate, 0, 0, fn_replicate, 0, QR_HOST_NONE},
    {"REVERSE",    1, 1,   "s",   qri_type_like_first, 0, 0, fn_reverse, 0, QR_HOST_NONE},
    {"SOUNDEX",    1, 1,   "s",   NULL, QR_TYPE_VARCHAR, 5, fn_soundex, 0, QR_HOST_NONE},
    {"SPACE",      1, 1,   "I",   type_space, 0, 0, fn_space, 0, QR_HOST_NONE},
    {"STR",        1, 3,   "fii", type_str, 0, 0, fn_str, 0, QR_HOST_NONE},
    {"STRING_ESCAPE", 2, 2, "n",  type_escape, 0, 0, fn_string_escape, 0, QR_HOST_NONE},
    {"TRANSLATE",  3, 3,   "s",   qri_type_like_first, 0, 0, fn_translate, 0, QR_HOST_NONE},
    {"UNICODE",    1, 1,   "n",   NULL, QR_TYPE_INT, 0, fn_unicode, QR_FUNC_NULLABLE, QR_HOST_NONE},
    {"UNISTR",     1, 2,   "s",   qri_type_unistr, 0, 0, qri_fn_unistr, 0, QR_HOST_NONE},
    {"UPPER",      1, 1,   "s",   qri_type_like_first, 0, 0, fn_upper, 0, QR_HOST_NONE},
    /* clang-format on */
};
const struct qri_family qri_text_funcs = {text_funcs, sizeof text_funcs / sizeof text_funcs[0]};
