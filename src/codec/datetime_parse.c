/* Text to date and time: codec/datetime.h. */
#include "codec/datetime.h"

#include <string.h>

#include "base/banned.h"

enum { TWO_DIGIT_YEAR_CUTOFF = 2049, NUMBERS_MAX = 3 };

bool qr_dateformat_find(struct qr_str word, enum qr_dateformat *ret_format)
{
    static const char *const words[] = {"mdy", "dmy", "ymd", "ydm", "myd", "dym"};
    for (int i = 0; i < 6; i++) {
        if (qr_str_ieqz(word, words[i])) {
            *ret_format = (enum qr_dateformat)i;
            return true;
        }
    }
    return false;
}

/* What has been read so far. */
struct reader {
    struct qr_str s;
    size_t pos;
    bool old; /* datetime and smalldatetime: three digits of fraction, no offset */
    bool has_time, has_offset, has_t, compact;
    int month; /* by name, 0 = none */
    int count;
    int number[NUMBERS_MAX], digits[NUMBERS_MAX];
    int year_out, month_out, day_out;
    int64_t ticks;
    int offset;
};

static char peek(const struct reader *r)
{
    return r->pos < r->s.n ? r->s.p[r->pos] : 0;
}
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static bool is_letter(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}
static void skip_blanks(struct reader *r)
{
    while (r->pos < r->s.n && (peek(r) == ' ' || (peek(r) >= 9 && peek(r) <= 13)))
        r->pos++;
}

/* At most 9 digits, so that the number fits. */
static bool read_number(struct reader *r, int *ret_number, int *ret_digits)
{
    int value = 0, digits = 0;
    while (is_digit(peek(r))) {
        if (++digits > 9)
            return false;
        value = value * 10 + (peek(r) - '0');
        r->pos++;
    }
    *ret_number = value;
    *ret_digits = digits;
    return digits > 0;
}

static struct qr_str read_word(struct reader *r)
{
    size_t start = r->pos;
    while (is_letter(peek(r)))
        r->pos++;
    return (struct qr_str){r->s.p + start, r->pos - start};
}

static int month_of(struct qr_str word)
{
    static const char *const names[] = {"january",   "february", "march",    "april",
                                        "may",       "june",     "july",     "august",
                                        "september", "october",  "november", "december"};
    for (int i = 0; i < 12; i++) {
        struct qr_str short_name = {names[i], 3};
        if (qr_str_ieqz(word, names[i]) || qr_str_ieq(word, short_name))
            return i + 1;
    }
    return 0;
}

/* AM or PM at the reader, after blanks: 'A', 'P', or 0 and nothing read. */
static char read_meridian(struct reader *r)
{
    size_t at = r->pos;
    skip_blanks(r);
    struct qr_str word = read_word(r);
    if (qr_str_ieqz(word, "am"))
        return 'A';
    if (qr_str_ieqz(word, "pm"))
        return 'P';
    r->pos = at;
    return 0;
}

static enum qr_dt read_fraction(struct reader *r, char separator, int64_t *ret_ticks)
{
    if (separator == '.')
        skip_blanks(r);
    int64_t value = 0;
    int digits = 0, digits_max = r->old ? 3 : 7;
    while (is_digit(peek(r))) {
        if (++digits > digits_max)
            return QR_DT_SYNTAX;
        value = value * 10 + (peek(r) - '0');
        r->pos++;
    }
    if (digits == 0)
        return QR_DT_SYNTAX;
    if (separator == ':') { /* thousandths, whatever their number of digits */
        if (digits > 3)
            return QR_DT_SYNTAX;
        *ret_ticks = value * 10000;
        return QR_DT_OK;
    }
    for (; digits < 7; digits++)
        value *= 10;
    *ret_ticks = value;
    return QR_DT_OK;
}

static bool at_time_mark(const struct reader *r)
{
    return r->pos < r->s.n && r->s.p[r->pos] == ':';
}

static bool hour_of_day(int *hour, char meridian)
{
    if (meridian == 'A' && *hour > 12)
        return false;
    if (meridian == 'A' && *hour == 12)
        *hour = 0;
    if (meridian == 'P' && *hour < 12)
        *hour += 12;
    return true;
}

/* The hour has been read. */
static enum qr_dt read_time(struct reader *r, int hour)
{
    int minute = 0, second = 0, digits;
    int64_t fraction = 0;
    if (r->has_time)
        return QR_DT_SYNTAX;
    r->has_time = true;
    if (at_time_mark(r)) {
        r->pos++;
        if (!read_number(r, &minute, &digits) || digits > 2)
            return QR_DT_SYNTAX;
        bool colon = at_time_mark(r);
        if (colon) {
            r->pos++;
            if (!read_number(r, &second, &digits) || digits > 2)
                return QR_DT_SYNTAX;
        }
        if (peek(r) == '.' || (colon && at_time_mark(r))) {
            char separator = peek(r);
            r->pos++;
            enum qr_dt dt = read_fraction(r, separator, &fraction);
            if (dt != QR_DT_OK)
                return dt;
        }
    }
    if (!hour_of_day(&hour, read_meridian(r)))
        return QR_DT_RANGE;
    if (hour > 23 || minute > 59 || second > 59)
        return QR_DT_RANGE;
    r->ticks = (hour * INT64_C(3600) + minute * 60 + second) * QR_TICKS_PER_SECOND + fraction;
    return QR_DT_OK;
}

static enum qr_dt read_offset(struct reader *r)
{
    int hours, minutes, digits;
    bool negative = peek(r) == '-';
    if (r->old || r->has_offset || (!r->has_time && r->count == 0 && !r->compact))
        return QR_DT_SYNTAX;
    r->pos++;
    if (!read_number(r, &hours, &digits) || digits > 2 || !at_time_mark(r))
        return QR_DT_SYNTAX;
    r->pos++;
    if (!read_number(r, &minutes, &digits) || digits > 2 || minutes > 59)
        return QR_DT_SYNTAX;
    int total = hours * 60 + minutes;
    if (total > QR_OFFSET_MINUTES_MAX)
        return QR_DT_SYNTAX;
    r->offset = negative ? -total : total;
    r->has_offset = true;
    return QR_DT_OK;
}

/* After a part of a date: one separator may follow. */
static void skip_separator(struct reader *r)
{
    size_t at = r->pos;
    skip_blanks(r);
    char c = peek(r);
    bool date_goes_on = r->count + (r->month != 0) < 3;
    if ((c == '/' || c == '-' || c == '.') && date_goes_on)
        r->pos++;
    else
        r->pos = at;
}

static int whole_year(int year, int digits)
{
    if (digits > 2)
        return year;
    return year + (year <= TWO_DIGIT_YEAR_CUTOFF % 100 ? 2000 : 1900);
}

static enum qr_dt read_digits(struct reader *r)
{
    int number, digits;
    if (!read_number(r, &number, &digits))
        return QR_DT_SYNTAX;
    size_t at = r->pos;
    if (digits <= 2 && (at_time_mark(r) || read_meridian(r) != 0)) {
        r->pos = at;
        return read_time(r, number);
    }
    if ((digits == 6 || digits == 8) && r->count == 0 && r->month == 0 && !r->compact) {
        r->compact = true;
        r->year_out = whole_year(number / 10000, digits - 4);
        r->month_out = number / 100 % 100;
        r->day_out = number % 100;
        return QR_DT_OK;
    }
    if (r->compact || r->count == NUMBERS_MAX || (digits > 2 && digits != 4))
        return QR_DT_SYNTAX;
    r->number[r->count] = number;
    r->digits[r->count++] = digits;
    skip_separator(r);
    return QR_DT_OK;
}

static enum qr_dt read_letters(struct reader *r)
{
    struct qr_str word = read_word(r);
    int month = month_of(word);
    if (month != 0 && r->month == 0 && !r->compact) {
        r->month = month;
        skip_separator(r);
        return QR_DT_OK;
    }
    if (qr_str_ieqz(word, "T") && !r->has_time && (r->count == 3 || r->compact) &&
        is_digit(peek(r))) {
        r->has_t = true;
        return QR_DT_OK;
    }
    if (qr_str_ieqz(word, "Z") && (r->has_time || r->count == 3) && !r->has_offset) {
        r->has_offset = true;
        return QR_DT_OK;
    }
    return QR_DT_SYNTAX;
}

static enum qr_dt read_all(struct reader *r)
{
    for (;;) {
        skip_blanks(r);
        char c = peek(r);
        enum qr_dt dt = QR_DT_SYNTAX;
        if (r->pos == r->s.n)
            return QR_DT_OK;
        if (is_digit(c)) {
            dt = read_digits(r);
        } else if (is_letter(c)) {
            dt = read_letters(r);
        } else if (c == '+' || c == '-') {
            dt = read_offset(r);
        } else if (c == ',' && (r->count > 0 || r->month != 0)) {
            r->pos++;
            dt = QR_DT_OK;
        }
        if (dt != QR_DT_OK)
            return dt;
    }
}

/* --- which number is what --- */

/* Month by name: the other numbers are a day and a year. */
static enum qr_dt settle_named(struct reader *r)
{
    int day = 1, year = -1, year_digits = 4;
    for (int i = 0; i < r->count; i++) {
        bool is_year = r->digits[i] == 4 || (r->count == 2 && i == 1 && r->digits[0] != 4);
        if (is_year && year < 0) {
            year = r->number[i];
            year_digits = r->digits[i];
        } else {
            day = r->number[i];
        }
    }
    if (r->count == 0 || r->count > 2 || year < 0)
        return QR_DT_SYNTAX;
    r->year_out = whole_year(year, year_digits);
    r->month_out = r->month;
    r->day_out = day;
    return QR_DT_OK;
}

static enum qr_dt settle_numbers(struct reader *r, enum qr_dateformat format)
{
    /* Index of year, month and day among three numbers, by enum qr_dateformat. */
    static const uint8_t places[6][3] = {{2, 0, 1}, {2, 1, 0}, {0, 1, 2},
                                         {0, 2, 1}, {1, 0, 2}, {1, 2, 0}};
    if (r->count == 1 && r->digits[0] == 4) {
        r->year_out = r->number[0];
        r->month_out = r->day_out = 1;
        return QR_DT_OK;
    }
    if (r->count != 3)
        return QR_DT_SYNTAX;
    int year = places[format][0], month = places[format][1], day = places[format][2];
    for (int i = 0; i < 3; i++) {
        if (r->digits[i] != 4)
            continue;
        /* A year of four digits stands wherever it likes; month and day keep their order. */
        bool month_first = month < day;
        if (i == 0 && (!r->old || r->has_t))
            month_first = true; /* ISO 8601 */
        year = i;
        int first = i == 0 ? 1 : 0, second = i == 2 ? 1 : 2;
        month = month_first ? first : second;
        day = month_first ? second : first;
        break;
    }
    if (r->digits[month] > 2 || r->digits[day] > 2)
        return QR_DT_SYNTAX;
    r->year_out = whole_year(r->number[year], r->digits[year]);
    r->month_out = r->number[month];
    r->day_out = r->number[day];
    return QR_DT_OK;
}

/* {d 'x'}, {t 'x'}, {ts 'x'}: leaves x. */
static bool strip_escape(struct qr_str *s)
{
    if (s->n < 2 || s->p[0] != '{' || s->p[s->n - 1] != '}')
        return true;
    struct qr_str inner = qr_str_trim((struct qr_str){s->p + 1, s->n - 2});
    size_t word = 0;
    while (word < inner.n && is_letter(inner.p[word]))
        word++;
    struct qr_str name = {inner.p, word};
    if (!qr_str_ieqz(name, "d") && !qr_str_ieqz(name, "t") && !qr_str_ieqz(name, "ts"))
        return false;
    struct qr_str text = qr_str_trim((struct qr_str){inner.p + word, inner.n - word});
    if (text.n < 2 || text.p[0] != '\'' || text.p[text.n - 1] != '\'')
        return false;
    *s = (struct qr_str){text.p + 1, text.n - 2};
    return true;
}

static enum qr_dateformat format_of_style(int style, enum qr_dateformat format)
{
    switch (style >= 100 && style <= 114 ? style - 100 : style) {
    case 1:
    case 10:
    case 22:
        return QR_MDY;
    case 3:
    case 4:
    case 5:
        return QR_DMY;
    case 2:
    case 11:
    case 12:
    case 20:
    case 21:
    case 23:
    case 25:
    case 120:
    case 121:
    case 126:
    case 127:
        return QR_YMD;
    default:
        return format;
    }
}

static enum qr_dt parse_moment(struct reader *r, enum qr_dateformat format, struct qr_moment *ret)
{
    enum qr_dt dt = read_all(r);
    if (dt != QR_DT_OK)
        return dt;
    bool has_date = r->count > 0 || r->month != 0 || r->compact;
    if (r->month != 0)
        dt = settle_named(r);
    else if (r->count > 0)
        dt = settle_numbers(r, format);
    if (dt != QR_DT_OK)
        return dt;
    *ret =
        (struct qr_moment){.days = QR_DAYS_1900, .ticks = r->ticks, .offset = (int16_t)r->offset};
    if (has_date) {
        if (!qr_date_valid(r->year_out, r->month_out, r->day_out))
            return QR_DT_RANGE;
        ret->days = qr_days_from_ymd(r->year_out, r->month_out, r->day_out);
    } else if (!r->has_time && r->s.n > 0) {
        return QR_DT_SYNTAX;
    }
    return QR_DT_OK;
}

enum qr_dt qr_datetime_parse(struct qr_str text, const struct qr_type *type,
                             enum qr_dateformat format, int style, struct qr_value *ret_value)
{
    struct reader r = {.s = qr_str_trim(text)};
    r.old = type->id == QR_TYPE_DATETIME || type->id == QR_TYPE_SMALLDATETIME;
    if (!strip_escape(&r.s))
        return QR_DT_SYNTAX;
    struct qr_moment m;
    enum qr_dt dt = parse_moment(&r, format_of_style(style, format), &m);
    if (dt == QR_DT_OK && type->id != QR_TYPE_DATETIMEOFFSET)
        m.offset = 0;
    if (dt == QR_DT_OK)
        dt = qr_moment_to(type, &m, ret_value);
    /* The newer types have one error for all that is wrong. */
    return dt == QR_DT_RANGE && !r.old ? QR_DT_SYNTAX : dt;
}
