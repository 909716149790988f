/* Date and time to text: codec/datetime.h. */
#include "codec/datetime.h"

#include <stdio.h>
#include <string.h>

#include "base/banned.h"

/* d dd, D blank-padded day, m mm, M mon, y yy, Y yyyy; h hh of 24, H blank-padded hour of 12, i mi,
 * s ss, p AM or PM, f fraction (":mmm" of the old types, ".nnn" of the new), F the same with '.',
 * Z the same but left out when zero; j J Hijri day, month number with year; n Hijri by name. */
static const struct style {
    int style;
    const char *date, *time;
    const char *joint;
} styles[] = {
    /* clang-format off */
    {  0, "M D Y",  "H:ip",   " "}, {100, "M D Y",  "H:ip",   " "},
    {  1, "m/d/y",  NULL,     ""},  {101, "m/d/Y",  NULL,     ""},
    {  2, "y.m.d",  NULL,     ""},  {102, "Y.m.d",  NULL,     ""},
    {  3, "d/m/y",  NULL,     ""},  {103, "d/m/Y",  NULL,     ""},
    {  4, "d.m.y",  NULL,     ""},  {104, "d.m.Y",  NULL,     ""},
    {  5, "d-m-y",  NULL,     ""},  {105, "d-m-Y",  NULL,     ""},
    {  6, "d M y",  NULL,     ""},  {106, "d M Y",  NULL,     ""},
    {  7, "M d, y", NULL,     ""},  {107, "M d, Y", NULL,     ""},
    {  8, NULL,     "h:i:s",  ""},  {108, NULL,     "h:i:s",  ""},
    { 24, NULL,     "h:i:s",  ""},
    {  9, "M D Y",  "H:i:sfp", " "}, {109, "M D Y", "H:i:sfp", " "},
    { 10, "m-d-y",  NULL,     ""},  {110, "m-d-Y",  NULL,     ""},
    { 11, "y/m/d",  NULL,     ""},  {111, "Y/m/d",  NULL,     ""},
    { 12, "ymd",    NULL,     ""},  {112, "Ymd",    NULL,     ""},
    { 13, "d M Y",  "h:i:sf", " "}, {113, "d M Y",  "h:i:sf", " "},
    { 14, NULL,     "h:i:sf", ""},  {114, NULL,     "h:i:sf", ""},
    { 20, "Y-m-d",  "h:i:s",  " "}, {120, "Y-m-d",  "h:i:s",  " "},
    { 21, "Y-m-d",  "h:i:sF", " "}, {121, "Y-m-d",  "h:i:sF", " "},
    { 25, "Y-m-d",  "h:i:sF", " "},
    { 22, "m/d/y",  "H:i:s p", " "},
    { 23, "Y-m-d",  NULL,     ""},
    {126, "Y-m-d",  "h:i:sZ", "T"}, {127, "Y-m-d",  "h:i:sZ", "T"},
    {130, "n",      "H:i:sfp", " "}, {131, "j",     "H:i:sfp", " "},
    /* clang-format on */
};

enum { HIJRI_DAY_1 = 227013 };

static const char *const month_names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const hijri_names[] = {
    "محرم", "صفر",   "ربيع الاول", "ربيع الثاني", "جمادى الاولى", "جمادى الثانية",
    "رجب",  "شعبان", "رمضان",      "شوال",        "ذو القعدة",    "ذو الحجة"};

static const struct style *find_style(int style)
{
    for (size_t i = 0; i < sizeof styles / sizeof styles[0]; i++)
        if (styles[i].style == style)
            return &styles[i];
    return NULL;
}

bool qr_datetime_style_known(int style)
{
    return style == -1 || find_style(style) != NULL;
}

struct fields {
    int year, month, day, hour, minute, second;
    int fraction; /* 100 ns */
    int digits;   /* of the fraction to show */
    bool old;     /* datetime and smalldatetime */
    bool padded;  /* an hour of one digit gets a blank: only behind a date */
    int hijri_year, hijri_month, hijri_day;
};

/* The tabular calendar with the leap years 2 5 7 10 13 16 18 21 24 26 29 of 30, counted from
 * 0622-07-18 as Windows does. */
static void fill_hijri(struct fields *f, int32_t days)
{
    int64_t l = (int64_t)days + 1721427 - 1948440 + 10632; /* from the julian day */
    int64_t n = (l - 1) / 10631;
    l = l - 10631 * n + 354;
    int64_t j = (10985 - l) / 5316 * (50 * l / 17719) + l / 5670 * (43 * l / 15238);
    l = l - (30 - j) / 15 * (17719 * j / 50) - j / 16 * (15238 * j / 43) + 29;
    f->hijri_month = (int)(24 * l / 709);
    f->hijri_day = (int)(l - 709 * f->hijri_month / 24);
    f->hijri_year = (int)(30 * n + j - 30);
}

static struct fields fields_of(const struct qr_type *type, const struct qr_value *v,
                               const struct qr_moment *m)
{
    struct fields f = {.digits = type->scale};
    qr_ymd_from_days(m->days, &f.year, &f.month, &f.day);
    int seconds = (int)(m->ticks / QR_TICKS_PER_SECOND);
    f.hour = seconds / 3600;
    f.minute = seconds / 60 % 60;
    f.second = seconds % 60;
    f.fraction = (int)(m->ticks % QR_TICKS_PER_SECOND);
    f.old = type->id == QR_TYPE_DATETIME || type->id == QR_TYPE_SMALLDATETIME;
    if (f.old)
        f.digits = 3;
    if (type->id == QR_TYPE_DATETIME) { /* 1/300 s shows as .000 .003 .007 */
        int units = (int)((v->i % 300 + 300) % 300);
        f.fraction = (units * 10 + 1) / 3 * 10000;
    }
    return f;
}

static size_t put_fraction(char *dst, const struct fields *f, char separator)
{
    if (f->digits == 0)
        return 0;
    int rest = f->fraction;
    char digits[7];
    for (int i = 6; i >= 0; i--) {
        digits[i] = (char)('0' + rest % 10);
        rest /= 10;
    }
    dst[0] = separator;
    memcpy(dst + 1, digits, (size_t)f->digits);
    return 1 + (size_t)f->digits;
}

static size_t put_two(char *dst, int v)
{
    dst[0] = (char)('0' + v / 10 % 10);
    dst[1] = (char)('0' + v % 10);
    return 2;
}

static size_t put_padded(char *dst, int v, bool padded)
{
    if (v >= 10)
        return put_two(dst, v);
    size_t n = 0;
    if (padded)
        dst[n++] = ' ';
    dst[n++] = (char)('0' + v);
    return n;
}

static size_t put_field(char *dst, char code, const struct fields *f)
{
    switch (code) {
    case 'd':
        return put_two(dst, f->day);
    case 'D':
        return put_padded(dst, f->day, true);
    case 'm':
        return put_two(dst, f->month);
    case 'M':
        memcpy(dst, month_names[f->month - 1], 3);
        return 3;
    case 'y':
        return put_two(dst, f->year % 100);
    case 'Y':
        put_two(dst, f->year / 100);
        return 2 + put_two(dst + 2, f->year % 100);
    case 'h':
        return put_two(dst, f->hour);
    case 'H':
        return put_padded(dst, f->hour % 12 == 0 ? 12 : f->hour % 12, f->padded);
    case 'i':
        return put_two(dst, f->minute);
    case 's':
        return put_two(dst, f->second);
    case 'p':
        dst[0] = f->hour < 12 ? 'A' : 'P';
        dst[1] = 'M';
        return 2;
    case 'f':
        return put_fraction(dst, f, f->old ? ':' : '.');
    case 'F':
        return put_fraction(dst, f, '.');
    case 'Z':
        return f->fraction == 0 ? 0 : put_fraction(dst, f, '.');
    case 'j':
        return (size_t)snprintf(dst, 16, "%2d/%02d/%04d", f->hijri_day, f->hijri_month,
                                f->hijri_year);
    case 'n':
        return (size_t)snprintf(dst, 40, "%2d %s %04d", f->hijri_day,
                                hijri_names[f->hijri_month - 1], f->hijri_year);
    default:
        dst[0] = code;
        return 1;
    }
}

static size_t put_format(char *dst, const char *format, const struct fields *f)
{
    size_t n = 0;
    for (; *format != 0; format++)
        n += put_field(dst + n, *format, f);
    return n;
}

static size_t put_offset(char *dst, int offset, bool blank)
{
    size_t n = 0;
    if (blank)
        dst[n++] = ' ';
    dst[n++] = offset < 0 ? '-' : '+';
    int minutes = offset < 0 ? -offset : offset;
    n += put_two(dst + n, minutes / 60);
    dst[n++] = ':';
    return n + put_two(dst + n, minutes % 60);
}

size_t qr_datetime_print(const struct qr_type *type, const struct qr_value *v, int style,
                         char dst[QR_DT_TEXT_BYTES])
{
    bool old = type->id == QR_TYPE_DATETIME || type->id == QR_TYPE_SMALLDATETIME;
    const struct style *row = find_style(style == -1 ? (old ? 0 : 121) : style);
    bool wants_date = row != NULL && row->date != NULL && type->id != QR_TYPE_TIME;
    bool wants_time = row != NULL && row->time != NULL && type->id != QR_TYPE_DATE;
    if (!wants_date && !wants_time)
        return 0;
    bool offset = type->id == QR_TYPE_DATETIMEOFFSET && wants_time;
    struct qr_moment m = qr_moment_of(type, v);
    if (offset && style == 127) { /* in UTC, marked Z */
        qr_i128 utc;
        if (qr_switch_offset(v->w, 0, &utc) == QR_DT_OK) {
            struct qr_value shifted = qr_value_wide(utc);
            m = qr_moment_of(type, &shifted);
        }
    }
    struct fields f = fields_of(type, v, &m);
    f.padded = wants_date;
    if (style == 130 || style == 131) {
        if (m.days < HIJRI_DAY_1)
            return 0;
        fill_hijri(&f, m.days);
    }
    size_t n = 0;
    if (wants_date)
        n += put_format(dst, row->date, &f);
    if (wants_date && wants_time)
        dst[n++] = row->joint[0];
    if (wants_time)
        n += put_format(dst + n, row->time, &f);
    if (offset && style == 127)
        dst[n++] = 'Z';
    else if (offset)
        n += put_offset(dst + n, m.offset, style != 126);
    return n;
}
