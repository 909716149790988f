/* options.c - see obs/options.h */
#include "obs/options.h"
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

struct parse {
    const struct qr_options *options;
    void *dst;
    struct qr_arena *arena;
    struct qr_err *err;
};

static const struct qr_option *find(const struct qr_options *options, struct qr_str name)
{
    for (size_t i = 0; i < options->count; i++)
        if (qr_str_eq(name, qr_str(options->rows[i].name)))
            return &options->rows[i];
    return NULL;
}

static void *member(const struct parse *parse, const struct qr_option *option)
{
    return (char *)parse->dst + option->offset;
}

static enum qr_status set_bool(struct parse *parse, const struct qr_option *option, const char *z)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"true", true},   {"on", true},   {"yes", true}, {"1", true},
                 {"false", false}, {"off", false}, {"no", false}, {"0", false}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (qr_str_ieqz(qr_str(z), words[i].word)) {
            *(bool *)member(parse, option) = words[i].value;
            return QR_OK;
        }
    }
    return qr_fail(parse->err, QR_INVALID, "--%s: '%s' is neither true nor false", option->name, z);
}

static enum qr_status set_int(struct parse *parse, const struct qr_option *option, const char *z)
{
    char *end;
    errno = 0;
    long long value = strtoll(z, &end, 10);
    bool begins = isdigit((unsigned char)*z) || *z == '-'; /* strtoll takes blanks and '+' */
    if (!begins || *end != '\0' || errno != 0)
        return qr_fail(parse->err, QR_INVALID, "--%s: '%s' is not a number", option->name, z);
    if (value < option->min || value > option->max)
        return qr_fail(parse->err, QR_INVALID, "--%s: %lld is not within %lld and %lld",
                       option->name, value, (long long)option->min, (long long)option->max);
    *(int64_t *)member(parse, option) = value;
    return QR_OK;
}

static bool is_choice(const char *choices, struct qr_str value)
{
    for (const char *p = choices;; p++) {
        size_t n = strcspn(p, "|");
        if (qr_str_eq(qr_str_n(p, n), value))
            return true;
        p += n;
        if (*p == '\0')
            return false;
    }
}

static enum qr_status set_text(struct parse *parse, const struct qr_option *option, const char *z)
{
    size_t n = strlen(z);
    if (option->max > 0 && n > (size_t)option->max)
        return qr_fail(parse->err, QR_INVALID, "--%s: longer than %lld bytes", option->name,
                       (long long)option->max);
    if (option->choices != NULL && !is_choice(option->choices, qr_str(z)))
        return qr_fail(parse->err, QR_INVALID, "--%s: '%s' is none of %s", option->name, z,
                       option->choices);
    const char *copy = qr_arena_dup(parse->arena, z, n);
    if (copy == NULL)
        return qr_fail(parse->err, QR_NOMEM, "--%s", option->name);
    *(const char **)member(parse, option) = copy;
    return QR_OK;
}

static enum qr_status set(struct parse *parse, const struct qr_option *option, const char *z)
{
    static enum qr_status (*const setters[])(struct parse *, const struct qr_option *,
                                             const char *) = {
        [QR_OPTION_BOOL] = set_bool,
        [QR_OPTION_INT] = set_int,
        [QR_OPTION_TEXT] = set_text,
    };
    return setters[option->kind](parse, option, z);
}

static enum qr_status set_defaults(struct parse *parse)
{
    for (size_t i = 0; i < parse->options->count; i++)
        QR_TRY(set(parse, &parse->options->rows[i], parse->options->rows[i].value));
    return QR_OK;
}

/* Finds the option and its value at argv[*index] and moves the index past both. */
static enum qr_status next_arg(struct parse *parse, int argc, char *const *argv, int *index,
                               const struct qr_option **ret_option, const char **ret_value)
{
    const char *arg = argv[*index];
    if (strncmp(arg, "--", 2) != 0)
        return qr_fail(parse->err, QR_INVALID, "'%s' is not an option; --help lists them", arg);
    size_t n = strcspn(arg + 2, "=");
    const struct qr_option *option = find(parse->options, qr_str_n(arg + 2, n));
    if (option == NULL)
        return qr_fail(parse->err, QR_INVALID, "no option '%.*s'; --help lists them", (int)n + 2,
                       arg);
    *index += 1;
    if (arg[2 + n] == '=') {
        *ret_value = arg + 2 + n + 1;
    } else if (option->kind == QR_OPTION_BOOL) {
        *ret_value = "true";
    } else if (*index < argc) {
        *ret_value = argv[*index];
        *index += 1;
    } else {
        return qr_fail(parse->err, QR_INVALID, "--%s needs a value", option->name);
    }
    *ret_option = option;
    return QR_OK;
}

static enum qr_status set_from_args(struct parse *parse, int argc, char *const *argv,
                                    const char **ret_config)
{
    bool seen[QR_OPTIONS_MAX] = {false};
    *ret_config = NULL;
    for (int i = 1; i < argc;) {
        const struct qr_option *option = NULL;
        const char *value = NULL;
        QR_TRY(next_arg(parse, argc, argv, &i, &option, &value));
        size_t row = (size_t)(option - parse->options->rows);
        if (seen[row])
            return qr_fail(parse->err, QR_INVALID, "--%s is given twice", option->name);
        seen[row] = true;
        QR_TRY(set(parse, option, value));
        if (strcmp(option->name, "config") == 0)
            *ret_config = value;
    }
    return QR_OK;
}

static enum qr_status set_from_line(struct parse *parse, struct qr_str line, bool *seen)
{
    const char *hash = memchr(line.p, '#', line.n);
    if (hash != NULL)
        line.n = (size_t)(hash - line.p);
    line = qr_str_trim(line);
    if (line.n == 0)
        return QR_OK;
    const char *equals = memchr(line.p, '=', line.n);
    if (equals == NULL)
        return qr_fail(parse->err, QR_INVALID, "no '=' in the line");
    struct qr_str name = qr_str_trim(qr_str_n(line.p, (size_t)(equals - line.p)));
    struct qr_str value = qr_str_trim(qr_str_n(equals + 1, (size_t)(line.p + line.n - equals - 1)));
    const struct qr_option *option = find(parse->options, name);
    if (option == NULL || strcmp(option->name, "config") == 0)
        return qr_fail(parse->err, QR_INVALID, "no option '%.*s'", (int)name.n, name.p);
    if (seen[option - parse->options->rows])
        return qr_fail(parse->err, QR_INVALID, "%s is given twice", option->name);
    seen[option - parse->options->rows] = true;
    if (memchr(value.p, '\0', value.n) != NULL)
        return qr_fail(parse->err, QR_INVALID, "--%s: the value holds a NUL byte", option->name);
    const char *z = qr_arena_dup(parse->arena, value.p, value.n);
    if (z == NULL)
        return qr_fail(parse->err, QR_NOMEM, "--%s", option->name);
    return set(parse, option, z);
}

static enum qr_status set_from_file(struct parse *parse, struct qr_env *env, const char *path)
{
    struct qr_buf buf;
    bool seen[QR_OPTIONS_MAX] = {false};
    qr_buf_init(&buf, QR_CONFIG_BYTES_MAX);
    enum qr_status status = qr_env_read_file(env, path, &buf, parse->err);
    const char *at = (const char *)buf.data, *end = at == NULL ? NULL : at + buf.len;
    for (int number = 1; status == QR_OK && at < end; number++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline == NULL ? end : newline;
        status = set_from_line(parse, qr_str_n(at, (size_t)(stop - at)), seen);
        status = qr_wrap(parse->err, status, "line %d", number);
        at = stop + 1;
    }
    qr_buf_done(&buf);
    return qr_wrap(parse->err, status, "--config %s", path);
}

enum qr_status qr_options_parse(const struct qr_options *options, struct qr_env *env, int argc,
                                char *const *argv, void *dst, struct qr_arena *arena,
                                struct qr_err *err)
{
    assert(options->count <= QR_OPTIONS_MAX);
    struct parse parse = {.options = options, .dst = dst, .arena = arena, .err = err};
    const char *config;
    QR_TRY(set_defaults(&parse));
    QR_TRY(set_from_args(&parse, argc, argv, &config));
    if (config == NULL)
        return QR_OK;
    QR_TRY(set_from_file(&parse, env, config));
    return set_from_args(&parse, argc, argv, &config); /* the command line wins */
}

static void add_range(const struct qr_option *option, struct qr_buf *buf)
{
    if (option->kind == QR_OPTION_INT)
        qr_buf_printf(buf, "%lld..%lld", (long long)option->min, (long long)option->max);
    else if (option->choices != NULL)
        qr_buf_addz(buf, option->choices);
}

void qr_options_print_help(const struct qr_options *options, struct qr_buf *buf)
{
    for (size_t i = 0; i < options->count; i++) {
        const struct qr_option *option = &options->rows[i];
        qr_buf_printf(buf, "  --%s", option->name);
        if (option->kind != QR_OPTION_BOOL)
            qr_buf_printf(buf, " <%s>", *option->unit != '\0' ? option->unit : "value");
        qr_buf_printf(buf, "\n        %s", option->help);
        bool has_range = option->kind == QR_OPTION_INT || option->choices != NULL;
        if (option->kind != QR_OPTION_BOOL && (*option->value != '\0' || has_range)) {
            qr_buf_addz(buf, " (");
            if (*option->value != '\0')
                qr_buf_printf(buf, "default %s%s", option->value, has_range ? ", " : "");
            add_range(option, buf);
            qr_buf_addz(buf, ")");
        }
        qr_buf_addz(buf, "\n");
    }
}

/* A '|' would end the table cell. */
static void add_cell(struct qr_buf *buf, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            qr_buf_addz(buf, "\\");
        qr_buf_add8(buf, (uint8_t)*text);
    }
}

void qr_options_print_markdown(const struct qr_options *options, struct qr_buf *buf)
{
    qr_buf_addz(buf, "| option | unit | default | allowed | changes | meaning |\n"
                     "|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < options->count; i++) {
        const struct qr_option *option = &options->rows[i];
        struct qr_buf range;
        qr_buf_init(&range, 1024);
        add_range(option, &range);
        qr_buf_printf(buf, "| `--%s` | %s | %s | ", option->name, option->unit, option->value);
        add_cell(buf, qr_buf_cstr(&range));
        qr_buf_printf(buf, " | at %s | ", option->changes);
        add_cell(buf, option->help);
        qr_buf_addz(buf, " |\n");
        qr_buf_done(&range);
    }
}
