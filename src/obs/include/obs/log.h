/* obs/log.h - structured log lines: fixed event names, typed and escaped fields, no prose.
 *
 *   QR_LOG(log, QR_INFO, "layer_flushed", QR_F("db", name), QR_F("bytes", n));
 *   ts=2026-05-04T10:11:12.345Z lvl=info comp=pagesvc ev=layer_flushed db="contoso" bytes=8388608
 *
 * Threads: any; one line is one write. A line below the sink's level costs one load.
 * Limits: a text field is cut at QR_LOG_TEXT_BYTES_MAX, a line at QR_LOG_LINE_BYTES_MAX bytes.
 * Never log secrets, statement texts or row data. error: an operation failed and a person should
 * look. warn: unexpected, and we went on; say how. info: state changes. debug: for development. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/str.h"
#include "env/env.h"

enum { QR_LOG_TEXT_BYTES_MAX = 1024, QR_LOG_LINE_BYTES_MAX = 8192 };

enum qr_level { QR_ERROR, QR_WARN, QR_INFO, QR_DEBUG };
enum { QR_LEVEL_COUNT = QR_DEBUG + 1 };

/* "error", "warn", "info", "debug". */
const char *qr_level_name(enum qr_level level);
bool qr_level_parse(struct qr_str name, enum qr_level *ret_level);

/* Where lines go. `write` gets one whole line with its newline, from any thread. */
struct qr_log_sink {
    struct qr_env *env; /* the clock */
    void (*write)(void *arg, const char *line, size_t bytes);
    void *arg;
    _Atomic int level; /* enum qr_level; may change while in use */
};
/* A sink that writes to file descriptor 2. */
void qr_log_sink_init_stderr(struct qr_log_sink *sink, struct qr_env *env, enum qr_level level);

/* What a component holds: the sink and its own name. Copy it freely. A NULL sink drops all. */
struct qr_log {
    struct qr_log_sink *sink;
    const char *comp;
};

enum qr_field_kind {
    QR_FIELD_END,
    QR_FIELD_INT,
    QR_FIELD_UINT,
    QR_FIELD_REAL,
    QR_FIELD_BOOL,
    QR_FIELD_TEXT, /* quoted and escaped */
    QR_FIELD_LSN,  /* the two halves in hexadecimal: 1/600000A8 */
};
struct qr_field {
    const char *name; /* a literal */
    enum qr_field_kind kind;
    union {
        int64_t i;
        uint64_t u;
        double r;
        struct qr_str text; /* borrowed for the call */
    } value;
};

struct qr_field qr_field_int(const char *name, int64_t value);
struct qr_field qr_field_uint(const char *name, uint64_t value);
struct qr_field qr_field_real(const char *name, double value);
struct qr_field qr_field_bool(const char *name, bool value);
struct qr_field qr_field_textz(const char *name, const char *value); /* NULL prints as "" */
struct qr_field qr_field_text(const char *name, struct qr_str value);
struct qr_field qr_field_lsn(const char *name, uint64_t value);

#define QR_F(name, value)                                                                          \
    _Generic((value),                                                                              \
        bool: qr_field_bool,                                                                       \
        char: qr_field_int,                                                                        \
        signed char: qr_field_int,                                                                 \
        short: qr_field_int,                                                                       \
        int: qr_field_int,                                                                         \
        long: qr_field_int,                                                                        \
        long long: qr_field_int,                                                                   \
        unsigned char: qr_field_uint,                                                              \
        unsigned short: qr_field_uint,                                                             \
        unsigned int: qr_field_uint,                                                               \
        unsigned long: qr_field_uint,                                                              \
        unsigned long long: qr_field_uint,                                                         \
        float: qr_field_real,                                                                      \
        double: qr_field_real,                                                                     \
        char *: qr_field_textz,                                                                    \
        const char *: qr_field_textz,                                                              \
        struct qr_str: qr_field_text)(name, value)

/* At least one field; an event without any calls qr_log_event with NULL. */
#define QR_LOG(log, level, event, ...)                                                             \
    do {                                                                                           \
        if (qr_log_enabled(log, level))                                                            \
            qr_log_event(log, level, event, (const struct qr_field[]){__VA_ARGS__, {0}});          \
    } while (0)

static inline bool qr_log_enabled(const struct qr_log *log, enum qr_level level)
{
    return log->sink != NULL &&
           (int)level <= atomic_load_explicit(&log->sink->level, memory_order_relaxed);
}

/* `fields` ends with a QR_FIELD_END row or is NULL. */
void qr_log_event(const struct qr_log *log, enum qr_level level, const char *event,
                  const struct qr_field *fields);
