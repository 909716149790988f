/* money and smallmoney: codec/decimal.h. */
#include "codec/decimal.h"

#include <string.h>

#include "codec/utf.h"
#include "base/banned.h"

enum { UNIT = 10000 };

static enum qr_num narrow(qr_i128 v, int64_t *ret_value)
{
    if (v > INT64_MAX || v < INT64_MIN)
        return QR_NUM_OVERFLOW;
    *ret_value = (int64_t)v;
    return QR_NUM_OK;
}

enum qr_num qr_money_arith(enum qr_arith op, int64_t a, int64_t b, int64_t *ret_value)
{
    qr_i128 x = a, y = b;
    switch (op) {
    case QR_ARITH_ADD:
        return narrow(x + y, ret_value);
    case QR_ARITH_SUB:
        return narrow(x - y, ret_value);
    case QR_ARITH_MUL:
        return narrow(x * y / UNIT, ret_value);
    case QR_ARITH_DIV:
        return b == 0 ? QR_NUM_DIVIDE_BY_ZERO : narrow(x * UNIT / y, ret_value);
    case QR_ARITH_MOD:
        break;
    }
    return b == 0 ? QR_NUM_DIVIDE_BY_ZERO : narrow(x % y, ret_value);
}

static bool is_currency_sign(uint32_t c)
{
    return c == '$' || (c >= 0xa2 && c <= 0xa5) || c == 0x9f2 || c == 0x9f3 || c == 0xe3f ||
           c == 0x17db || (c >= 0x20a0 && c <= 0x20cf) || c == 0xfdfc || c == 0xfe69 ||
           c == 0xff04 || c == 0xffe0 || c == 0xffe1 || c == 0xffe5 || c == 0xffe6;
}

/* An amount while it is read. */
struct amount {
    qr_i128 v;
    int fraction;
    bool negative, sign, currency, point, digits, overflow;
};

static void take_digit(struct amount *a, int digit)
{
    a->digits = true;
    if (a->point && a->fraction >= QR_MONEY_SCALE) {
        if (a->fraction == QR_MONEY_SCALE)
            a->v += digit >= 5;
        a->fraction = QR_MONEY_SCALE + 1;
        return;
    }
    a->fraction += a->point;
    a->overflow |= a->v > (qr_i128)INT64_MAX;
    if (!a->overflow)
        a->v = a->v * 10 + digit;
}

static bool take_sign(struct amount *a, uint32_t c)
{
    if (a->digits || a->point)
        return false;
    if (is_currency_sign(c)) {
        bool first = !a->currency;
        a->currency = true;
        return first;
    }
    if (c == ' ')
        return a->sign || a->currency;
    if ((c != '-' && c != '+') || a->sign)
        return false;
    a->sign = true;
    a->negative = c == '-';
    return true;
}

enum qr_num qr_money_parse(struct qr_str text, int64_t *ret_value)
{
    struct qr_str s = qr_str_trim(text);
    struct amount a = {0};
    for (size_t i = 0; i < s.n;) {
        uint32_t c = qr_utf_next(s, &i);
        if (c >= '0' && c <= '9')
            take_digit(&a, (int)(c - '0'));
        else if (c == '.' && !a.point)
            a.point = true;
        else if (!(c == ',' && !a.point) && !take_sign(&a, c))
            return QR_NUM_SYNTAX;
    }
    for (; a.fraction < QR_MONEY_SCALE; a.fraction++)
        a.v *= 10;
    if (a.overflow)
        return QR_NUM_OVERFLOW;
    return narrow(a.negative ? -a.v : a.v, ret_value);
}

size_t qr_money_print(int64_t v, int style, char dst[QR_DEC_TEXT_BYTES])
{
    if (style == 2 || style == 126)
        return qr_dec_print(v, 4, dst);
    qr_i128 cents = ((qr_i128)v + (v < 0 ? -50 : 50)) / 100;
    char plain[QR_DEC_TEXT_BYTES];
    size_t n = qr_dec_print(cents, 2, plain);
    if (style != 1) {
        memcpy(dst, plain, n);
        return n;
    }
    size_t at = 0, i = 0;
    if (plain[0] == '-')
        dst[at++] = plain[i++];
    for (size_t whole = n - 3; i < whole; i++) {
        dst[at++] = plain[i];
        if ((whole - i - 1) % 3 == 0 && whole - i > 1)
            dst[at++] = ',';
    }
    memcpy(dst + at, plain + n - 3, 3);
    return at + 3;
}
