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

/* --- standard formats: one letter and a precision --- */

struct job {
    const struct qri_culture *culture;
    char letter;
    int precision; /* -1: none was given */
    const struct qr_type *type;
    const struct qr_value *value;
    struct digits *g;
    struct qr_buf *out;
};

static int precision_or(const struct job *j, int otherwise)
{
    return j->precision >= 0 ? j->precision : otherwise;
}

static void put_sign(const struct job *j)
{
    if (j->g->negative)
        qr_buf_add8(j->out, '-');
}

static bool put_currency(const struct job *j)
{
    int decimals = precision_or(j, 2);
    round_digits(j->g, j->g->point + decimals);
    const char *pattern = j->g->negative ? j->culture->negative_money : j->culture->money;
    put_pattern(j->out, j->culture, pattern, j->g, decimals);
    return true;
}

static bool put_number(const struct job *j)
{
    int decimals = precision_or(j, 2);
    round_digits(j->g, j->g->point + decimals);
    put_sign(j);
    put_plain(j->out, j->culture, j->g, decimals, (j->letter | 0x20) == 'n', 1);
    return true;
}

static bool put_percent(const struct job *j)
{
    int decimals = precision_or(j, 2);
    j->g->point += j->g->n > 0 ? 2 : 0;
    round_digits(j->g, j->g->point + decimals);
    put_sign(j);
    put_pattern(j->out, j->culture, j->culture->percent, j->g, decimals);
    return true;
}

static bool put_scientific(const struct job *j)
{
    int decimals = precision_or(j, 6);
    round_digits(j->g, decimals + 1);
    put_exponent(j->out, j->culture, j->g, decimals, j->letter, 3);
    return true;
}

static bool put_general(const struct job *j)
{
    bool real = qri_number_of(j->type) == QRI_FLOAT;
    struct digits *g = j->g;
    int precision = j->precision > 0 ? j->precision : real ? 15 : 38;
    round_digits(g, precision);
    if (g->point > precision || g->point < -4) {
        put_exponent(j->out, j->culture, g, g->n > 0 ? g->n - 1 : 0, j->letter == 'g' ? 'e' : 'E',
                     2);
        return true;
    }
    put_sign(j);
    int decimals = g->n - g->point;
    put_plain(j->out, j->culture, g, decimals > 0 ? decimals : 0, false, 1);
    return true;
}

static bool put_round_trip(const struct job *j)
{
    return qri_number_of(j->type) == QRI_FLOAT && put_general(j);
}

static bool put_digits(const struct job *j)
{
    if (qri_number_of(j->type) != QRI_INT)
        return false;
    put_sign(j);
    put_plain(j->out, j->culture, j->g, 0, false, j->precision > 0 ? j->precision : 1);
    return true;
}

static bool put_hexadecimal(const struct job *j)
{
    if (qri_number_of(j->type) != QRI_INT)
        return false;
    uint64_t u = j->type->id == QR_TYPE_BIGINT ? (uint64_t)j->value->i : (uint32_t)j->value->i;
    qr_buf_printf(j->out, j->letter == 'x' ? "%0*llx" : "%0*llX",
                  j->precision > 0 ? j->precision : 1, (unsigned long long)u);
    return true;
}

static bool put_standard(const struct job *j)
{
    static const struct {
        char letter;
        bool (*put)(const struct job *j);
    } letters[] = {
        {'c', put_currency}, {'d', put_digits},     {'e', put_scientific},
        {'f', put_number},   {'g', put_general},    {'n', put_number},
        {'p', put_percent},  {'r', put_round_trip}, {'x', put_hexadecimal},
    };
    for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++)
        if (letters[i].letter == (j->letter | 0x20))
            return letters[i].put(j);
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

struct measuring {
    struct layout l;
    bool point;
    int commas, first_zero;
};

static void measure_place(struct measuring *m, char c)
{
    struct layout *l = &m->l;
    if (m->point) {
        l->decimals++;
        l->least_decimals = c == '0' ? l->decimals : l->least_decimals;
        return;
    }
    l->group = l->group || (m->commas > 0 && l->whole > 0);
    m->commas = 0;
    if (c == '0' && m->first_zero < 0)
        m->first_zero = l->whole;
    l->whole++;
}

/* Commas right before the point, or at the end, divide by a thousand each. */
static void measure_scale(struct measuring *m)
{
    if (!m->point)
        m->l.scale -= 3 * m->commas;
    m->commas = 0;
}

static void measure_sign(struct measuring *m, char c)
{
    if (c == '0' || c == '#') {
        measure_place(m, c);
    } else if (c == ',') {
        m->commas++;
    } else if (c == '.') {
        measure_scale(m);
        m->point = true;
    } else if (c == '%') {
        m->l.scale += 2;
    }
}

/* Past E+00 at f.p[i]; how many zeros it has. */
static size_t skip_exponent(struct qr_str f, size_t i, int *ret_zeros)
{
    size_t zeros = i + (f.p[i + 1] == '0' ? 1 : 2), end = zeros;
    while (end < f.n && f.p[end] == '0')
        end++;
    *ret_zeros = (int)(end - zeros);
    return end;
}

static struct layout measure(struct qr_str f)
{
    struct measuring m = {.first_zero = -1};
    int zeros;
    for (size_t i = 0; i < f.n;) {
        if (is_literal(f.p[i])) {
            i = literal(f, i, NULL);
        } else if (is_exponent(f, i)) {
            m.l.has_exponent = true;
            i = skip_exponent(f, i, &zeros);
        } else {
            measure_sign(&m, f.p[i++]);
        }
    }
    measure_scale(&m);
    m.l.least_whole = m.first_zero < 0 ? 0 : m.l.whole - m.first_zero;
    return m.l;
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

struct putting {
    const struct qri_culture *culture;
    const struct digits *g;
    const struct layout *l;
    int place, decimals, exponent;
    bool point, first;
    struct qr_buf *out;
};

/* A place: 0 or #. */
static void put_place(struct putting *p)
{
    if (!p->point) {
        put_whole(p->out, p->culture, p->g, p->l, --p->place, p->first);
        p->first = false;
        return;
    }
    p->decimals++;
    if (p->decimals <= p->g->n - p->g->point || p->decimals <= p->l->least_decimals)
        qr_buf_add8(p->out, (uint8_t)digit_at(p->g, -p->decimals));
}

static void put_point(struct putting *p)
{
    bool digits_follow = p->g->n - p->g->point > 0 && p->l->decimals > 0;
    if (!p->point && (p->l->least_decimals > 0 || digits_follow))
        qr_buf_add8(p->out, (uint8_t)p->culture->decimal_point);
    p->point = true;
}

static size_t put_custom_exponent(struct putting *p, struct qr_str f, size_t i)
{
    int zeros;
    size_t end = skip_exponent(f, i, &zeros);
    const char *plus = f.p[i + 1] == '+' ? "+" : "";
    qr_buf_printf(p->out, "%c%s%0*d", f.p[i], p->exponent < 0 ? "-" : plus, zeros,
                  abs(p->exponent));
    return end;
}

static void put_custom(struct putting *p, struct qr_str f)
{
    if (p->l->whole == 0 && p->g->point > 0 && p->l->decimals > 0)
        put_whole(p->out, p->culture, p->g, p->l, 0, true);
    for (size_t i = 0; i < f.n;) {
        char c = f.p[i];
        if (is_literal(c)) {
            i = literal(f, i, p->out);
            continue;
        }
        if (is_exponent(f, i)) {
            i = put_custom_exponent(p, f, i);
            continue;
        }
        i++;
        if (c == '0' || c == '#')
            put_place(p);
        else if (c == '.')
            put_point(p);
        else if (c != ',')
            qr_buf_add8(p->out, (uint8_t)c);
    }
}

static bool format_custom(const struct qri_culture *c, struct qr_str format, struct digits *g,
                          struct qr_buf *out)
{
    struct qr_str f = format, other;
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
    struct putting p = {.culture = c,
                        .g = g,
                        .l = &l,
                        .place = l.whole,
                        .exponent = exponent,
                        .first = true,
                        .out = out};
    put_custom(&p, f);
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
        return put_standard(&(struct job){culture, first, precision, type, v, &g, out});
    return format_custom(culture, format, &g, out);
}
