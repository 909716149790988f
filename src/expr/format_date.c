/* format_date.c - see culture.h: .NET's standard and custom date and time format strings */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "culture.h"
#include "expr/language.h"
#include "expr_int.h"
#include "base/banned.h"

struct parts {
    const struct qri_culture *culture;
    int year, month, day, weekday; /* 0 Sunday */
    int hour, minute, second, offset;
    int64_t fraction; /* 100 ns */
    bool has_offset;
};

static void split(const struct qr_type *type, const struct qr_value *v, struct parts *p)
{
    struct qr_moment m = qr_moment_of(type, v);
    int64_t seconds = m.ticks / QR_TICKS_PER_SECOND;
    qr_ymd_from_days(m.days, &p->year, &p->month, &p->day);
    p->weekday = (m.days + 1) % 7; /* 0001-01-01 was a Monday */
    p->hour = (int)(seconds / 3600);
    p->minute = (int)(seconds / 60 % 60);
    p->second = (int)(seconds % 60);
    p->fraction = m.ticks % QR_TICKS_PER_SECOND;
    p->offset = m.offset;
    p->has_offset = type->id == QR_TYPE_DATETIMEOFFSET;
}

static void number(struct qr_buf *out, int v, int least)
{
    qr_buf_printf(out, "%0*d", least, v);
}

static bool put_name(struct qr_buf *out, const char *list, int index)
{
    struct qr_str name = qr_language_name(list, index);
    qr_buf_add(out, name.p, name.n);
    return true;
}

static bool put_month(struct qr_buf *out, const struct parts *p, int count)
{
    if (count <= 2) {
        number(out, p->month, count);
        return true;
    }
    const struct qri_culture *c = p->culture;
    return put_name(out, count == 3 ? c->short_months : c->months, p->month - 1);
}

static bool put_day(struct qr_buf *out, const struct parts *p, int count)
{
    if (count <= 2) {
        number(out, p->day, count);
        return true;
    }
    const struct qri_culture *c = p->culture;
    return put_name(out, count == 3 ? c->short_days : c->days, (p->weekday + 6) % 7);
}

static bool put_year(struct qr_buf *out, const struct parts *p, int count)
{
    number(out, count <= 2 ? p->year % 100 : p->year, count);
    return true;
}

static bool put_hour12(struct qr_buf *out, const struct parts *p, int count)
{
    number(out, p->hour % 12 == 0 ? 12 : p->hour % 12, count > 2 ? 2 : count);
    return true;
}

static bool put_hour(struct qr_buf *out, const struct parts *p, int count)
{
    number(out, p->hour, count > 2 ? 2 : count);
    return true;
}

static bool put_minute(struct qr_buf *out, const struct parts *p, int count)
{
    number(out, p->minute, count > 2 ? 2 : count);
    return true;
}

static bool put_second(struct qr_buf *out, const struct parts *p, int count)
{
    number(out, p->second, count > 2 ? 2 : count);
    return true;
}

static bool put_fraction(struct qr_buf *out, const struct parts *p, int count)
{
    int64_t v = p->fraction;
    if (count > 7)
        return false;
    for (int i = count; i < 7; i++)
        v /= 10;
    number(out, (int)v, count);
    return true;
}

/* F: as f, without zeros at the end, and without a point that would stand alone. */
static bool put_short_fraction(struct qr_buf *out, const struct parts *p, int count)
{
    size_t start = out->len;
    if (!put_fraction(out, p, count))
        return false;
    while (out->len > start && out->data[out->len - 1] == '0')
        out->len--;
    if (out->len == start && start > 0 && out->data[start - 1] == '.')
        out->len--;
    return true;
}

static bool put_half(struct qr_buf *out, const struct parts *p, int count)
{
    struct qr_str name = qr_language_name(p->culture->halves, p->hour >= 12);
    size_t n = name.n;
    if (count == 1 && n > 1) /* its first character */
        for (n = 1; n < name.n && ((uint8_t)name.p[n] & 0xC0) == 0x80;)
            n++;
    if (n > 0)
        qr_buf_add(out, name.p, n);
    return true;
}

static bool put_offset(struct qr_buf *out, const struct parts *p, int count)
{
    int minutes = abs(p->offset);
    qr_buf_add8(out, p->offset < 0 ? '-' : '+');
    number(out, minutes / 60, count >= 2 ? 2 : 1);
    if (count >= 3) {
        qr_buf_add8(out, ':');
        number(out, minutes % 60, 2);
    }
    return true;
}

static bool put_kind(struct qr_buf *out, const struct parts *p, int count)
{
    (void)count;
    return p->has_offset ? put_offset(out, p, 3) : true;
}

static bool put_era(struct qr_buf *out, const struct parts *p, int count)
{
    (void)p;
    (void)count;
    qr_buf_addz(out, "A.D.");
    return true;
}

static const struct letter {
    char letter;
    bool (*put)(struct qr_buf *out, const struct parts *p, int count);
} letters[] = {
    {'d', put_day},  {'M', put_month},  {'y', put_year},           {'h', put_hour12},
    {'H', put_hour}, {'m', put_minute}, {'s', put_second},         {'f', put_fraction},
    {'t', put_half}, {'z', put_offset}, {'F', put_short_fraction}, {'K', put_kind},
    {'g', put_era},
};

static const struct letter *find_letter(char c)
{
    for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++)
        if (letters[i].letter == c)
            return &letters[i];
    return NULL;
}

/* A quoted or escaped literal at f.p[i]; returns the place behind it, 0 if it does not end. */
static size_t put_literal(struct qr_str f, size_t i, struct qr_buf *out)
{
    if (f.p[i] == '\\') {
        if (i + 1 >= f.n)
            return 0;
        qr_buf_add8(out, (uint8_t)f.p[i + 1]);
        return i + 2;
    }
    size_t end = i + 1;
    while (end < f.n && f.p[end] != f.p[i])
        end++;
    if (end >= f.n)
        return 0;
    qr_buf_add(out, f.p + i + 1, end - i - 1);
    return end + 1;
}

static bool format_custom(struct qr_str f, const struct parts *p, struct qr_buf *out)
{
    for (size_t i = 0; i < f.n;) {
        char c = f.p[i];
        const struct letter *letter = find_letter(c);
        if (letter != NULL) {
            size_t end = i;
            while (end < f.n && f.p[end] == c)
                end++;
            if (!letter->put(out, p, (int)(end - i)))
                return false;
            i = end;
        } else if (c == '\'' || c == '"' || c == '\\') {
            i = put_literal(f, i, out);
            if (i == 0)
                return false;
        } else {
            if (c == '/' && p->culture->short_date[0] == 'd' && strchr(p->culture->short_date, '.'))
                c = '.'; /* the culture's own separator */
            if (c != '%')
                qr_buf_add8(out, (uint8_t)c);
            i++;
        }
    }
    return true;
}

/* The custom format that a single letter stands for: `fixed`, or one or two of the culture's. */
static const struct standard {
    char letters[3];
    const char *fixed;
    size_t first, second; /* offsets of members; second 0: none */
} standards[] = {
    /* clang-format off */
    {"d",  NULL, offsetof(struct qri_culture, short_date), 0},
    {"D",  NULL, offsetof(struct qri_culture, long_date), 0},
    {"f",  NULL, offsetof(struct qri_culture, long_date), offsetof(struct qri_culture, short_time)},
    {"FU", NULL, offsetof(struct qri_culture, long_date), offsetof(struct qri_culture, long_time)},
    {"g",  NULL, offsetof(struct qri_culture, short_date),
     offsetof(struct qri_culture, short_time)},
    {"G",  NULL, offsetof(struct qri_culture, short_date), offsetof(struct qri_culture, long_time)},
    {"mM", NULL, offsetof(struct qri_culture, month_day), 0},
    {"oO", "yyyy'-'MM'-'dd'T'HH':'mm':'ss.fffffffK", 0, 0},
    {"rR", "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'", 0, 0},
    {"s",  "yyyy'-'MM'-'dd'T'HH':'mm':'ss", 0, 0},
    {"t",  NULL, offsetof(struct qri_culture, short_time), 0},
    {"T",  NULL, offsetof(struct qri_culture, long_time), 0},
    {"u",  "yyyy'-'MM'-'dd HH':'mm':'ss'Z'", 0, 0},
    {"yY", NULL, offsetof(struct qri_culture, year_month), 0},
    /* clang-format on */
};

static const char *member(const struct qri_culture *c, size_t offset)
{
    return *(const char *const *)(const void *)((const char *)c + offset);
}

static bool format_standard(char letter, const struct parts *p, struct qr_buf *out)
{
    for (size_t i = 0; i < sizeof standards / sizeof standards[0]; i++) {
        const struct standard *s = &standards[i];
        if (letter == '\0' || strchr(s->letters, letter) == NULL)
            continue;
        const char *first = s->fixed != NULL ? s->fixed : member(p->culture, s->first);
        if (!format_custom(qr_str(first), p, out))
            return false;
        if (s->second == 0)
            return true;
        qr_buf_add8(out, ' ');
        return format_custom(qr_str(member(p->culture, s->second)), p, out);
    }
    return false;
}

static bool format_time_standard(char letter, const struct parts *p, struct qr_buf *out)
{
    number(out, p->hour, letter == 'g' ? 1 : 2);
    qr_buf_printf(out, ":%02d:%02d", p->minute, p->second);
    if (p->fraction == 0)
        return true;
    qr_buf_add8(out, '.');
    return letter == 'g' ? put_short_fraction(out, p, 7) : put_fraction(out, p, 7);
}

/* A run of one letter, or a literal; returns the place behind it, 0 if it is not allowed. */
static size_t put_time_part(struct qr_str f, size_t i, const struct parts *p, struct qr_buf *out)
{
    char c = f.p[i];
    size_t end = i;
    if (c == '\\' || c == '\'' || c == '"')
        return put_literal(f, i, out);
    while (end < f.n && f.p[end] == c)
        end++;
    if (c == 'h')
        (void)put_hour(out, p, (int)(end - i));
    else if (c == '\0' || strchr("msfF", c) == NULL || !find_letter(c)->put(out, p, (int)(end - i)))
        return 0;
    return end;
}

/* A time is a .NET TimeSpan: c, g, G, and custom letters that need a backslash before : and . */
static bool format_time(struct qr_str f, const struct parts *p, struct qr_buf *out)
{
    if (f.n == 1 && f.p[0] != '\0' && strchr("ctTgG", f.p[0]) != NULL)
        return format_time_standard(f.p[0], p, out);
    for (size_t i = 0; i < f.n;) {
        i = put_time_part(f, i, p, out);
        if (i == 0)
            return false;
    }
    return true;
}

bool qri_format_moment(const struct qri_culture *culture, struct qr_str format,
                       const struct qr_type *type, const struct qr_value *v, struct qr_buf *out)
{
    struct parts p = {.culture = culture};
    split(type, v, &p);
    if (type->id == QR_TYPE_TIME)
        return format_time(format.n == 0 ? qr_str("c") : format, &p, out);
    if (format.n > 1)
        return format_custom(format, &p, out);
    return format_standard(format.n == 0 ? 'G' : format.p[0], &p, out);
}
