/* format_number.c - see culture.h: .NET's standard and custom numeric format strings */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "codec/convert.h"
#include "culture.h"
#include "expr_int.h"
#include "base/banned.h"

enum { DIGITS_MAX = 400, PRECISION_MAX = 99 };

/* (-1)^negative * 0.d1d2d3... * 10^point; no digits is zero. */
struct digits {
    bool negative;
    char d[DIGITS_MAX];
    int n, point;
};

static void trim_zeros(struct digits *g)
{
    int lead = 0;
    while (lead < g->n && g->d[lead] == '0')
        lead++;
    memmove(g->d, g->d + lead, (size_t)(g->n - lead));
    g->n -= lead;
    g->point -= lead;
    while (g->n > 0 && g->d[g->n - 1] == '0')
        g->n--;
    if (g->n == 0)
        g->point = 0;
}

static void from_scaled(qr_i128 v, int scale, struct digits *g)
{
    char text[QR_DEC_TEXT_BYTES];
    g->negative = v < 0;
    size_t n = qr_dec_print(v < 0 ? -v : v, scale, text);
    g->n = 0;
    g->point = (int)n - (scale > 0 ? scale + 1 : 0);
    for (size_t i = 0; i < n; i++)
        if (text[i] != '.')
            g->d[g->n++] = text[i];
    trim_zeros(g);
}

static void from_double(double v, int precision, struct digits *g)
{
    char text[64];
    g->negative = signbit(v) && v != 0;
    snprintf(text, sizeof text, "%.*e", precision - 1, fabs(v));
    const char *e = strchr(text, 'e');
    g->n = 0;
    for (const char *p = text; p < e; p++)
        if (*p != '.')
            g->d[g->n++] = *p;
    g->point = (int)strtol(e + 1, NULL, 10) + 1;
    trim_zeros(g);
}

static bool digits_of(const struct qr_type *type, const struct qr_value *v, struct digits *g)
{
    switch (qri_number_of(type)) {
    case QRI_INT:
        from_scaled(v->i, 0, g);
        return true;
    case QRI_DECIMAL:
        from_scaled(qr_value_scaled(v), type->scale, g);
        return true;
    case QRI_MONEY:
        from_scaled(v->i, QR_MONEY_SCALE, g);
        return true;
    case QRI_FLOAT:
        from_double(v->r, type->id == QR_TYPE_REAL ? 7 : 15, g);
        return true;
    case QRI_OTHER:
        break;
    }
    return false;
}

/* Keeps `keep` digits (may be negative: everything goes), halves away from zero. */
static void round_digits(struct digits *g, int keep)
{
    if (keep >= g->n)
        return;
    bool up = keep >= 0 && g->d[keep] >= '5';
    g->n = keep < 0 ? 0 : keep;
    for (int i = g->n - 1; up && i >= 0; i--) {
        up = g->d[i] == '9';
        g->d[i] = up ? '0' : (char)(g->d[i] + 1);
    }
    if (up) {
        memmove(g->d + 1, g->d, (size_t)g->n);
        g->d[0] = '1';
        g->n++;
        g->point++;
    }
    trim_zeros(g);
    if (g->n == 0)
        g->negative = false;
}

/* The digit at 10^power, '0' outside. */
static char digit_at(const struct digits *g, int power)
{
    int i = g->point - 1 - power;
    return i >= 0 && i < g->n ? g->d[i] : '0';
}

static void put_plain(struct qr_buf *out, const struct qri_culture *c, const struct digits *g,
                      int decimals, bool group, int least)
{
    int whole = g->point > least ? g->point : least;
    for (int p = whole - 1; p >= 0; p--) {
        qr_buf_add8(out, (uint8_t)digit_at(g, p));
        if (group && p > 0 && p % 3 == 0)
            qr_buf_add8(out, (uint8_t)c->group);
    }
    if (decimals > 0)
        qr_buf_add8(out, (uint8_t)c->decimal_point);
    for (int p = -1; p >= -decimals; p--)
        qr_buf_add8(out, (uint8_t)digit_at(g, p));
}

/* "$n", "(n)": the pattern of a culture around the number. */
static void put_pattern(struct qr_buf *out, const struct qri_culture *c, const char *pattern,
                        const struct digits *g, int decimals)
{
    for (; *pattern != '\0'; pattern++) {
        if (*pattern == '$')
            qr_buf_addz(out, c->currency);
        else if (*pattern == 'n')
            put_plain(out, c, g, decimals, true, 1);
        else
            qr_buf_add8(out, (uint8_t)*pattern);
    }
}

static void put_exponent(struct qr_buf *out, const struct qri_culture *c, struct digits *g,
                         int decimals, char letter, int least)
{
    int exponent = g->n == 0 ? 0 : g->point - 1;
    struct digits m = *g;
    m.point = g->n == 0 ? 0 : 1;
    if (g->negative)
        qr_buf_add8(out, '-');
    put_plain(out, c, &m, decimals, false, 1);
    qr_buf_printf(out, "%c%c%0*d", letter, exponent < 0 ? '-' : '+', least, abs(exponent));
}

static void put_general(struct qr_buf *out, const struct qri_culture *c, struct digits *g,
                        int precision, char letter)
{
    round_digits(g, precision);
    if (g->point > precision || g->point < -4) {
        put_exponent(out, c, g, g->n > 0 ? g->n - 1 : 0, letter, 2);
        return;
    }
    if (g->negative)
        qr_buf_add8(out, '-');
    int decimals = g->n - g->point;
    put_plain(out, c, g, decimals > 0 ? decimals : 0, false, 1);
}

static bool put_standard(const struct qri_culture *c, char letter, int precision,
                         const struct qr_type *type, const struct qr_value *v, struct digits *g,
                         struct qr_buf *out)
{
    bool integer = qri_number_of(type) == QRI_INT, real = qri_number_of(type) == QRI_FLOAT;
    char kind = (char)(letter | 0x20);
    int decimals = precision >= 0 ? precision : 2;
    if (strchr("cnfp", kind) != NULL && kind != '\0') {
        if (kind == 'p')
            g->point += g->n > 0 ? 2 : 0;
        round_digits(g, g->point + decimals);
        const char *plain = kind == 'c' ? c->money : kind == 'p' ? c->percent : "n";
        if (kind == 'f') {
            if (g->negative)
                qr_buf_add8(out, '-');
            put_plain(out, c, g, decimals, false, 1);
        } else if (kind == 'c') {
            put_pattern(out, c, g->negative ? c->negative_money : plain, g, decimals);
        } else {
            if (g->negative)
                qr_buf_add8(out, '-');
            put_pattern(out, c, plain, g, decimals);
        }
        return true;
    }
    if (kind == 'e') {
        decimals = precision >= 0 ? precision : 6;
        round_digits(g, decimals + 1);
        put_exponent(out, c, g, decimals, letter, 3);
        return true;
    }
    if (kind == 'g' || (kind == 'r' && real)) {
        int most = real ? 15 : 38;
        put_general(out, c, g, precision > 0 ? precision : most,
                    kind == 'r' || letter == 'G' ? 'E' : 'e');
        return true;
    }
    if (kind == 'd' && integer) {
        if (g->negative)
            qr_buf_add8(out, '-');
        put_plain(out, c, g, 0, false, precision > 0 ? precision : 1);
        return true;
    }
    if (kind == 'x' && integer) {
        uint64_t u = type->id == QR_TYPE_BIGINT ? (uint64_t)v->i : (uint32_t)v->i;
        qr_buf_printf(out, letter == 'x' ? "%0*llx" : "%0*llX", precision > 0 ? precision : 1,
                      (unsigned long long)u);
        return true;
    }
    return false;
}

/* --- custom formats --- */

struct layout {                      /* of one section */
    int whole, decimals;             /* places before and after the point, 0 and # */
    int least_whole, least_decimals; /* places that always show */
    bool group, has_exponent;
    int scale; /* powers of ten: % +2, a comma before the point -3 */
};

/* Past one literal unit: '...', "...", \x. Its contents through out (NULL: only skipped). */
static size_t literal(struct qr_str f, size_t i, struct qr_buf *out)
{
    char c = f.p[i];
    if (c == '\\') {
        if (i + 1 < f.n && out != NULL)
            qr_buf_add8(out, (uint8_t)f.p[i + 1]);
        return i + 2 > f.n ? f.n : i + 2;
    }
    size_t end = i + 1;
    while (end < f.n && f.p[end] != c)
        end++;
    if (out != NULL)
        qr_buf_add(out, f.p + i + 1, end - i - 1);
    return end < f.n ? end + 1 : end;
}

static bool is_literal(char c)
{
    return c == '\'' || c == '"' || c == '\\';
}

static bool is_exponent(struct qr_str f, size_t i)
{
    if ((f.p[i] | 0x20) != 'e' || i + 1 >= f.n)
        return false;
    size_t k = i + 1;
    if (f.p[k] == '+' || f.p[k] == '-')
        k++;
    return k < f.n && f.p[k] == '0';
}

static struct layout measure(struct qr_str f)
{
    struct layout l = {0};
    bool point = false;
    int commas = 0, first_zero = -1;
    for (size_t i = 0; i < f.n;) {
        char c = f.p[i];
        if (is_literal(c)) {
            i = literal(f, i, NULL);
            continue;
        }
        if (c == '0' || c == '#') {
            if (!point) {
                l.group = l.group || (commas > 0 && l.whole > 0);
                commas = 0;
                if (c == '0' && first_zero < 0)
                    first_zero = l.whole;
                l.whole++;
            } else {
                l.decimals++;
                l.least_decimals = c == '0' ? l.decimals : l.least_decimals;
            }
        } else if (c == ',' && !point) {
            commas++;
        } else if (c == '.' && !point) {
            point = true;
            l.scale -= 3 * commas;
            commas = 0;
        } else if (c == '%') {
            l.scale += 2;
        } else if (is_exponent(f, i)) {
            l.has_exponent = true;
            i += f.p[i + 1] == '0' ? 1 : 2;
            while (i < f.n && f.p[i] == '0')
                i++;
            continue;
        }
        i++;
    }
    if (!point)
        l.scale -= 3 * commas;
    l.least_whole = first_zero < 0 ? 0 : l.whole - first_zero;
    return l;
}

/* Section `index` of f by ';' outside literals; false if it has fewer. */
static bool section(struct qr_str f, int index, struct qr_str *ret)
{
    size_t from = 0;
    for (size_t i = 0; i <= f.n;) {
        if (i < f.n && is_literal(f.p[i])) {
            i = literal(f, i, NULL);
            continue;
        }
        if (i == f.n || f.p[i] == ';') {
            if (index-- == 0) {
                *ret = qr_str_n(f.p + from, i - from);
                return true;
            }
            from = i + 1;
        }
        i++;
    }
    return false;
}

static void put_whole(struct qr_buf *out, const struct qri_culture *c, const struct digits *g,
                      const struct layout *l, int place, bool first)
{
    /* the first place also takes every digit that has no place of its own */
    int top = first && g->point > place + 1 ? g->point - 1 : place;
    for (int p = top; p >= place; p--) {
        bool shows = p < g->point || p < l->least_whole;
        if (!shows)
            continue;
        qr_buf_add8(out, (uint8_t)digit_at(g, p));
        if (l->group && p > 0 && p % 3 == 0)
            qr_buf_add8(out, (uint8_t)c->group);
    }
}

static void put_custom(const struct qri_culture *c, struct qr_str f, struct digits *g,
                       const struct layout *l, int exponent, struct qr_buf *out)
{
    int place = l->whole, decimals = 0, shown = g->n - g->point;
    bool point = false, first = true;
    if (l->whole == 0 && g->point > 0 && (l->decimals > 0))
        put_whole(out, c, g, l, 0, true);
    for (size_t i = 0; i < f.n;) {
        char ch = f.p[i];
        if (is_literal(ch)) {
            i = literal(f, i, out);
            continue;
        }
        if ((ch == '0' || ch == '#') && !point) {
            put_whole(out, c, g, l, --place, first);
            first = false;
        } else if (ch == '0' || ch == '#') {
            decimals++;
            if (decimals <= shown || decimals <= l->least_decimals)
                qr_buf_add8(out, (uint8_t)digit_at(g, -decimals));
        } else if (ch == '.') {
            if (!point && (l->least_decimals > 0 || (shown > 0 && l->decimals > 0)))
                qr_buf_add8(out, (uint8_t)c->decimal_point);
            point = true;
        } else if (is_exponent(f, i)) {
            bool plus = f.p[i + 1] == '+';
            size_t zeros = i + (f.p[i + 1] == '0' ? 1 : 2), end = zeros;
            while (end < f.n && f.p[end] == '0')
                end++;
            qr_buf_printf(out, "%c%s%0*d", ch,
                          exponent < 0 ? "-"
                          : plus       ? "+"
                                       : "",
                          (int)(end - zeros), abs(exponent));
            i = end;
            continue;
        } else if (ch != ',') {
            qr_buf_add8(out, (uint8_t)ch);
        }
        i++;
    }
}

static bool format_custom(const struct qri_culture *c, struct qr_str format, struct digits *g,
                          struct qr_buf *out)
{
    struct qr_str f, other;
    (void)section(format, 0, &f);
    bool minus = g->negative;
    if (g->negative && section(format, 1, &other) && other.n > 0) {
        f = other;
        minus = false;
    } else if (g->n == 0 && section(format, 2, &other) && other.n > 0) {
        f = other;
    }
    struct layout l = measure(f);
    int exponent = 0;
    g->point += g->n > 0 ? l.scale : 0;
    if (l.has_exponent) {
        int whole = l.whole > 0 ? l.whole : 1;
        exponent = g->n > 0 ? g->point - whole : 0;
        round_digits(g, whole + l.decimals);
        g->point -= g->n > 0 ? exponent : 0;
    } else {
        round_digits(g, g->point + l.decimals);
    }
    if (g->n == 0 && minus)
        minus = false;
    if (minus)
        qr_buf_add8(out, '-');
    put_custom(c, f, g, &l, exponent, out);
    return true;
}

bool qri_format_number(const struct qri_culture *culture, struct qr_str format,
                       const struct qr_type *type, const struct qr_value *v, struct qr_buf *out)
{
    struct digits g;
    if (!digits_of(type, v, &g))
        return false;
    char first = format.n == 0 ? 'G' : format.p[0];
    bool letter = (first | 0x20) >= 'a' && (first | 0x20) <= 'z';
    bool standard = letter && format.n <= 3;
    int precision = -1;
    for (size_t i = 1; i < format.n && standard; i++) {
        standard = format.p[i] >= '0' && format.p[i] <= '9';
        precision = (precision < 0 ? 0 : precision) * 10 + (format.p[i] - '0');
    }
    if (standard)
        return put_standard(culture, first, precision, type, v, &g, out);
    return format_custom(culture, format, &g, out);
}
