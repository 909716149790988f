/* obs/options.h - options as rows: one table gives the parser, the help text and the docs page.
 *
 * A program declares a struct with one member per option and a table whose rows point into it.
 * Values come from defaults, then from `--config FILE` (lines `name = value`, `#` starts a comment,
 * names as on the command line), then from the command line (`--name value` or `--name=value`; a
 * bool alone means true). Later ones win; an option given twice on the command line is an error.
 * Ownership: texts are copied into the arena. Errors: QR_INVALID that names option and reason;
 * QR_NOMEM; what reading the file gives. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"
#include "env/env.h"

enum qr_option_kind {
    QR_OPTION_BOOL, /* bool */
    QR_OPTION_INT,  /* int64_t within min..max */
    QR_OPTION_TEXT, /* const char *, never NULL; at most max bytes when max > 0 */
};

enum { QR_CONFIG_BYTES_MAX = 256 * 1024, QR_OPTIONS_MAX = 64 };

struct qr_option {
    const char *name; /* without the dashes */
    const char *unit; /* "", "ms", "bytes", "path", ... */
    enum qr_option_kind kind;
    const char *value;   /* the default, as it would be typed */
    int64_t min, max;    /* inclusive; for a text, max is its length limit */
    const char *choices; /* for a text: the only values allowed, separated by '|'; else NULL */
    const char *changes; /* when it may change: "start" */
    const char *help;    /* one line */
    size_t offset;       /* of the member in the program's struct */
};

struct qr_options {
    const struct qr_option *rows;
    size_t count; /* at most QR_OPTIONS_MAX */
};

/* Fills the program's struct `dst`. A text option named "config" names the file. */
QR_NODISCARD enum qr_status qr_options_parse(const struct qr_options *options, struct qr_env *env,
                                             int argc, char *const *argv, void *dst,
                                             struct qr_arena *arena, struct qr_err *err);
/* For `--help`: one paragraph per option. */
void qr_options_print_help(const struct qr_options *options, struct qr_buf *buf);
/* For docs/: a Markdown table. */
void qr_options_print_markdown(const struct qr_options *options, struct qr_buf *buf);
