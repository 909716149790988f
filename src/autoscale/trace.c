/* trace.c - see simulate.h: loads over time as CSV. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "autoscale/simulate.h"
#include "base/banned.h"

enum { COLUMNS_MAX = 64, NUMBER_BYTES = 64, COLUMN_TIME = -1, COLUMN_OTHER = -2 };

/* The next field of a line; a field in quotes may hold commas. */
static struct qr_str next_field(struct qr_str *line)
{
    struct qr_str field = {line->p, 0};
    bool quoted = line->n > 0 && line->p[0] == '"';
    size_t i = quoted ? 1 : 0;
    while (i < line->n && (quoted ? line->p[i] != '"' : line->p[i] != ','))
        i += 1;
    field = quoted ? qr_str_n(line->p + 1, i - 1) : qr_str_n(line->p, i);
    while (i < line->n && line->p[i] != ',')
        i += 1;
    i += i < line->n;
    *line = qr_str_n(line->p + i, line->n - i);
    return qr_str_trim(field);
}

static struct qr_str next_line(struct qr_str *text)
{
    const char *end = text->n == 0 ? NULL : memchr(text->p, '\n', text->n);
    size_t n = end == NULL ? text->n : (size_t)(end - text->p);
    struct qr_str line = qr_str_n(text->p, n);
    size_t skip = end == NULL ? n : n + 1;
    *text = qr_str_n(text->p + skip, text->n - skip);
    return qr_str_trim(line);
}

static bool number_of(struct qr_str field, double *ret_number)
{
    char text[NUMBER_BYTES];
    if (field.n == 0 || field.n >= sizeof text)
        return false;
    memcpy(text, field.p, field.n);
    text[field.n] = '\0';
    char *end;
    double v = strtod(text, &end);
    if (*end != '\0' || !isfinite(v))
        return false;
    *ret_number = v;
    return true;
}

static bool digits_of(struct qr_str s, size_t at, size_t n, int *ret_number)
{
    int v = 0;
    if (at + n > s.n)
        return false;
    for (size_t i = at; i < at + n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        v = v * 10 + (s.p[i] - '0');
    }
    *ret_number = v;
    return true;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool time_of(struct qr_str field, int64_t *ret_s)
{
    double seconds;
    if (number_of(field, &seconds) && seconds >= 0 && seconds < 1e11) {
        *ret_s = (int64_t)seconds;
        return true;
    }
    int year, month, day, hour, minute, second = 0;
    if (!digits_of(field, 0, 4, &year) || !digits_of(field, 5, 2, &month) ||
        !digits_of(field, 8, 2, &day) || !digits_of(field, 11, 2, &hour) ||
        !digits_of(field, 14, 2, &minute))
        return false;
    bool has_seconds = field.n > 16 && field.p[16] == ':';
    if (has_seconds && !digits_of(field, 17, 2, &second))
        return false;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 ||
        second > 60)
        return false;
    *ret_s = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    return true;
}

static int column_of(struct qr_str name)
{
    if (qr_str_ieqz(name, "time") || qr_str_ieqz(name, "timestamp"))
        return COLUMN_TIME;
    if (qr_str_ieqz(name, "load") || qr_str_ieqz(name, "value"))
        return QR_SCALE_CPU;
    for (int m = 0; m < QR_SCALE_METRIC_COUNT; m++)
        if (qr_str_ieqz(name, qr_scale_metric_names[m]))
            return m;
    return COLUMN_OTHER;
}

struct reader {
    int columns[COLUMNS_MAX];
    size_t column_count, line, capacity;
    struct qr_trace trace;
};

static enum qr_status read_header(struct reader *r, struct qr_str line, struct qr_err *err)
{
    bool has_time = false, has_load = false;
    while (line.n > 0 && r->column_count < COLUMNS_MAX) {
        int column = column_of(next_field(&line));
        has_time = has_time || column == COLUMN_TIME;
        has_load = has_load || column >= 0;
        r->columns[r->column_count++] = column;
    }
    return has_time && has_load
               ? QR_OK
               : qr_fail(err, QR_INVALID,
                         "line 1: a header with the columns time and load (or cpu, data_io, log, "
                         "workers, memory) is missing");
}

static enum qr_status make_room(struct reader *r, struct qr_err *err)
{
    if (r->trace.count < r->capacity)
        return QR_OK;
    if (r->trace.count >= QR_TRACE_POINTS_MAX)
        return qr_fail(err, QR_TOO_BIG, "line %zu: more than %d points", r->line,
                       QR_TRACE_POINTS_MAX);
    size_t capacity = r->capacity == 0 ? 1024 : r->capacity * 2;
    struct qr_trace_point *points = realloc(r->trace.points, capacity * sizeof *points);
    if (points == NULL)
        return qr_fail(err, QR_NOMEM, "read the trace");
    r->trace.points = points;
    r->capacity = capacity;
    return QR_OK;
}

static enum qr_status read_point(struct reader *r, struct qr_str line, struct qr_err *err)
{
    QR_TRY(make_room(r, err));
    struct qr_trace_point point = {.at_s = -1};
    for (int m = 0; m < QR_SCALE_METRIC_COUNT; m++)
        point.load[m] = (double)NAN;
    bool has_load = false;
    for (size_t i = 0; i < r->column_count; i++) {
        struct qr_str field = next_field(&line);
        int column = r->columns[i];
        if (column == COLUMN_TIME && !time_of(field, &point.at_s))
            return qr_fail(err, QR_INVALID, "line %zu: '%.*s' is no time", r->line,
                           (int)(field.n > 40 ? 40 : field.n), field.p == NULL ? "" : field.p);
        if (column < 0 || field.n == 0)
            continue;
        if (!number_of(field, &point.load[column]) || point.load[column] < 0)
            return qr_fail(err, QR_INVALID, "line %zu: '%.*s' is no load", r->line,
                           (int)(field.n > 40 ? 40 : field.n), field.p);
        has_load = true;
    }
    if (!has_load)
        return qr_fail(err, QR_INVALID, "line %zu: no load", r->line);
    const struct qr_trace *trace = &r->trace;
    if (trace->count > 0 && point.at_s <= trace->points[trace->count - 1].at_s)
        return qr_fail(err, QR_INVALID, "line %zu: the time does not rise", r->line);
    r->trace.points[r->trace.count++] = point;
    return QR_OK;
}

enum qr_status qr_trace_parse(struct qr_str text, struct qr_trace *ret_trace, struct qr_err *err)
{
    struct reader r = {.line = 1};
    enum qr_status status = read_header(&r, next_line(&text), err);
    while (status == QR_OK && text.n > 0) {
        r.line += 1;
        struct qr_str line = next_line(&text);
        if (line.n > 0 && line.p[0] != '#')
            status = read_point(&r, line, err);
    }
    if (status == QR_OK && r.trace.count < 2)
        status = qr_fail(err, QR_INVALID, "a trace has at least two points");
    if (status != QR_OK) {
        qr_trace_done(&r.trace);
        return status;
    }
    *ret_trace = r.trace;
    return QR_OK;
}

void qr_trace_done(struct qr_trace *trace)
{
    free(trace->points);
    *trace = (struct qr_trace){0};
}
