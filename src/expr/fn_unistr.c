/* fn_unistr.c - see expr/func.h: UNISTR: \xxxx is a unit of UTF-16, \+xxxxxx a code point, and
 * \\ the escape character itself. */
#include "expr_int.h"
#include <string.h>
#include "codec/codepage.h"
#include "codec/utf.h"
#include "base/banned.h"

/* So many hexadecimal digits at *pos, which moves behind them. */
static bool hex_digits(struct qr_str s, size_t *pos, size_t count, uint32_t *ret_code)
{
    uint32_t code = 0;
    for (size_t i = 0; i < count; i++) {
        char ch = *pos + i < s.n ? s.p[*pos + i] : 0;
        char low = (char)(ch | 0x20);
        bool letter = low >= 'a' && low <= 'f';
        if (!letter && (ch < '0' || ch > '9'))
            return false;
        code = code * 16 + (uint32_t)(letter ? low - 'a' + 10 : ch - '0');
    }
    *pos += count;
    *ret_code = code;
    return code <= 0x10FFFF;
}

/* What stands behind the escape character at *pos. */
static bool escaped(struct qr_str s, struct qr_str escape, size_t *pos, uint32_t *ret_code)
{
    enum { HIGH = 0xD800, LOW = 0xDC00, END = 0xE000, UNIT_DIGITS = 4, POINT_DIGITS = 6 };
    if (*pos < s.n && s.p[*pos] == '+') {
        (*pos)++;
        return hex_digits(s, pos, POINT_DIGITS, ret_code);
    }
    if (!hex_digits(s, pos, UNIT_DIGITS, ret_code))
        return false;
    size_t next = *pos + escape.n;
    uint32_t low = 0;
    if (*ret_code >= HIGH && *ret_code < LOW && next <= s.n &&
        memcmp(s.p + *pos, escape.p, escape.n) == 0 && hex_digits(s, &next, UNIT_DIGITS, &low) &&
        low >= LOW && low < END) {
        *ret_code = 0x10000 + ((*ret_code - HIGH) << 10) + (low - LOW);
        *pos = next;
    }
    return true;
}

enum qr_status qri_fn_unistr(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    struct qr_str s = qri_arg_str(c, 0);
    struct qr_str escape = c->arg_count > 1 ? qri_arg_str(c, 1) : qr_str("\\");
    size_t n = 0, one = 0;
    char *out;
    QR_TRY(qri_room(c, s.n + 4, &out, err));
    if (escape.n > 0)
        (void)qr_utf_next(escape, &one);
    if (one == 0 || one != escape.n)
        return qr_fail(err, QR_INVALID, "The escape character of UNISTR is one character.");
    for (size_t i = 0; i < s.n;) {
        size_t from = i;
        (void)qr_utf_next(s, &i);
        struct qr_str ch = qr_str_n(s.p + from, i - from);
        uint32_t code = 0;
        bool doubled = s.n - i >= escape.n && memcmp(s.p + i, escape.p, escape.n) == 0;
        if (!qr_str_eq(ch, escape) || doubled) {
            memcpy(out + n, ch.p, ch.n);
            n += ch.n;
            i += qr_str_eq(ch, escape) ? escape.n : 0;
        } else if (escaped(s, escape, &i, &code)) {
            n += qr_utf_put(code, out + n);
        } else {
            return qr_fail(err, QR_INVALID, "UNISTR: an escape sequence is not valid.");
        }
    }
    return qri_return_text(c, qr_str_n(out, n), ret, err);
}

enum qr_status qri_type_unistr(struct qr_func_typing *t)
{
    const struct qr_type *type = &t->args[0]->type;
    if (!qri_is_national(type) && qr_collation_get(type->collation)->code_page != QR_CP_UTF8)
        return qr_sql_fail(t->b->err, 8116, qr_type_name(type), 1, "unistr");
    return qri_type_like_first(t);
}
