/* log.c - see obs/log.h */
#include "obs/log.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/banned.h"

/* A line being built; what does not fit is dropped, the newline always fits. */
struct line {
    char text[QR_LOG_LINE_BYTES_MAX];
    size_t n;
};

static const char *const level_names[QR_LEVEL_COUNT] = {
    [QR_ERROR] = "error", [QR_WARN] = "warn", [QR_INFO] = "info", [QR_DEBUG] = "debug"};

const char *qr_level_name(enum qr_level level)
{
    return level_names[level];
}

bool qr_level_parse(struct qr_str name, enum qr_level *ret_level)
{
    for (int i = 0; i < QR_LEVEL_COUNT; i++) {
        if (qr_str_ieqz(name, level_names[i])) {
            *ret_level = (enum qr_level)i;
            return true;
        }
    }
    return false;
}

static void write_stderr(void *arg, const char *line, size_t bytes)
{
    (void)arg;
    while (bytes > 0) {
        ssize_t n = write(STDERR_FILENO, line, bytes);
        if (n < 0 && errno != EINTR)
            return; /* nobody is left to tell */
        if (n > 0) {
            line += n;
            bytes -= (size_t)n;
        }
    }
}

void qr_log_sink_init_stderr(struct qr_log_sink *sink, struct qr_env *env, enum qr_level level)
{
    sink->env = env;
    sink->write = write_stderr;
    sink->arg = NULL;
    atomic_init(&sink->level, (int)level);
}

struct qr_field qr_field_int(const char *name, int64_t value)
{
    return (struct qr_field){name, QR_FIELD_INT, {.i = value}};
}

struct qr_field qr_field_uint(const char *name, uint64_t value)
{
    return (struct qr_field){name, QR_FIELD_UINT, {.u = value}};
}

struct qr_field qr_field_real(const char *name, double value)
{
    return (struct qr_field){name, QR_FIELD_REAL, {.r = value}};
}

struct qr_field qr_field_bool(const char *name, bool value)
{
    return (struct qr_field){name, QR_FIELD_BOOL, {.i = value}};
}

struct qr_field qr_field_textz(const char *name, const char *value)
{
    return qr_field_text(name, qr_str(value));
}

struct qr_field qr_field_text(const char *name, struct qr_str value)
{
    return (struct qr_field){name, QR_FIELD_TEXT, {.text = value}};
}

struct qr_field qr_field_lsn(const char *name, uint64_t value)
{
    return (struct qr_field){name, QR_FIELD_LSN, {.u = value}};
}

static void add_bytes(struct line *line, const char *bytes, size_t n)
{
    size_t room = sizeof line->text - 1 - line->n; /* one byte stays for the newline */
    n = n < room ? n : room;
    memcpy(line->text + line->n, bytes, n);
    line->n += n;
}

QR_PRINTF(2, 3) static void add(struct line *line, const char *fmt, ...)
{
    char text[128];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n > 0)
        add_bytes(line, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

/* Bytes of the well-formed UTF-8 character at p, 0 when it is none. */
static size_t utf8_bytes(const unsigned char *p, size_t left)
{
    size_t n = p[0] < 0x80   ? 1
               : p[0] < 0xc2 ? 0
               : p[0] < 0xe0 ? 2
               : p[0] < 0xf0 ? 3
               : p[0] < 0xf5 ? 4
                             : 0;
    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool overlong_or_surrogate = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0) ||
                                 (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90);
    return overlong_or_surrogate ? 0 : n;
}

/* C1 controls are well-formed UTF-8, yet terminals obey them. */
static bool is_c1_control(const unsigned char *p, size_t n)
{
    return n == 2 && p[0] == 0xc2 && p[1] < 0xa0;
}

static void add_text(struct line *line, struct qr_str s)
{
    bool cut = s.n > QR_LOG_TEXT_BYTES_MAX;
    size_t n = cut ? QR_LOG_TEXT_BYTES_MAX : s.n;
    add_bytes(line, "\"", 1);
    for (size_t i = 0; i < n;) {
        const unsigned char *p = (const unsigned char *)s.p + i;
        size_t bytes = utf8_bytes(p, n - i);
        if (*p == '"' || *p == '\\')
            add(line, "\\%c", *p);
        else if (*p == '\n')
            add(line, "\\n");
        else if (bytes == 0 || *p < 0x20 || *p == 0x7f || is_c1_control(p, bytes))
            add(line, "\\x%02x", *p);
        else
            add_bytes(line, (const char *)p, bytes);
        i += bytes == 0 || is_c1_control(p, bytes) ? 1 : bytes;
    }
    add(line, cut ? "...\"" : "\"");
}

static void add_field(struct line *line, const struct qr_field *field)
{
    add(line, " %s=", field->name);
    switch (field->kind) {
    case QR_FIELD_INT:
        add(line, "%lld", (long long)field->value.i);
        break;
    case QR_FIELD_UINT:
        add(line, "%llu", (unsigned long long)field->value.u);
        break;
    case QR_FIELD_REAL:
        add(line, "%.6g", field->value.r);
        break;
    case QR_FIELD_BOOL:
        add(line, field->value.i != 0 ? "true" : "false");
        break;
    case QR_FIELD_TEXT:
        add_text(line, field->value.text);
        break;
    case QR_FIELD_LSN:
        add(line, "%X/%08X", (unsigned)(field->value.u >> 32), (unsigned)field->value.u);
        break;
    case QR_FIELD_END:
        break;
    }
}

void qr_log_event(const struct qr_log *log, enum qr_level level, const char *event,
                  const struct qr_field *fields)
{
    if (!qr_log_enabled(log, level))
        return;
    int64_t ns = qr_env_wall_ns(log->sink->env);
    time_t seconds = (time_t)(ns / 1000000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    struct line line;
    line.n = 0;
    add(&line, "ts=%04d-%02d-%02dT%02d:%02d:%02d.%03dZ lvl=%s comp=%s ev=%s", tm.tm_year + 1900,
        tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
        (int)(ns % 1000000000 / 1000000), level_names[level], log->comp, event);
    for (; fields != NULL && fields->kind != QR_FIELD_END; fields++)
        add_field(&line, fields);
    line.text[line.n++] = '\n';
    log->sink->write(log->sink->arg, line.text, line.n);
}
