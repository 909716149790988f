/* script.c - see script.h */
#include "script.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

enum { VARIABLES_BYTES_MAX = 16 * 1024 * 1024, TIMES_MAX = 1000000 };

struct qri_script_variable {
    struct qri_script_variable *next;
    struct qr_str name, value;
    bool is_set;
};

void qri_script_init(struct qri_script *s, qri_script_line_fn *next_line, void *ctx, FILE *out)
{
    *s = (struct qri_script){.next_line = next_line, .ctx = ctx, .out = out};
    qr_arena_init(&s->arena, VARIABLES_BYTES_MAX);
    qr_buf_init(&s->batch, QRI_SCRIPT_BATCH_BYTES_MAX);
}

void qri_script_done(struct qri_script *s)
{
    while (s->file_count > 0)
        fclose(s->files[--s->file_count]);
    free(s->line);
    qr_buf_done(&s->batch);
    qr_arena_done(&s->arena);
}

/* ---- variables ---- */

static struct qri_script_variable *find_variable(const struct qri_script *s, struct qr_str name)
{
    struct qri_script_variable *v = s->variables;
    while (v != NULL && !qr_str_ieq(v->name, name))
        v = v->next;
    return v;
}

enum qr_status qri_script_set(struct qri_script *s, struct qr_str name, struct qr_str value,
                              struct qr_err *err)
{
    struct qri_script_variable *v = find_variable(s, name);
    if (v == NULL) {
        v = qr_arena_alloc(&s->arena, sizeof *v);
        if (v == NULL)
            return qr_fail(err, QR_NOMEM, "variables");
        v->name = qr_arena_str(&s->arena, name);
        v->next = s->variables;
        s->variables = v;
    }
    if (v->value.n < value.n || v->value.p == NULL)
        v->value = qr_arena_str(&s->arena, value);
    else if (value.n > 0)
        memmove((char *)v->value.p, value.p, value.n); /* its memory is ours, and large enough */
    v->value.n = value.n;
    v->is_set = true;
    return v->name.p == NULL || v->value.p == NULL ? qr_fail(err, QR_NOMEM, "variables") : QR_OK;
}

/* Of the script, else of the environment. */
static bool look_up(const struct qri_script *s, struct qr_str name, struct qr_str *ret_value)
{
    char text[128];
    const struct qri_script_variable *v = find_variable(s, name);
    if (v != NULL && v->is_set) {
        *ret_value = v->value;
        return true;
    }
    if (v != NULL || name.n >= sizeof text)
        return false;
    snprintf(text, sizeof text, "%.*s", (int)name.n, name.p);
    const char *value = getenv(text);
    *ret_value = qr_str(value);
    return value != NULL;
}

/* "$(name)": how many bytes; 0 if it is none. */
static size_t variable_at(const char *at, struct qr_str *ret_name)
{
    if (at[0] != '$' || at[1] != '(')
        return 0;
    size_t n = 2;
    while (isalnum((unsigned char)at[n]) || at[n] == '_' || at[n] == '-')
        n++;
    *ret_name = qr_str_n(at + 2, n - 2);
    return n > 2 && at[n] == ')' ? n + 1 : 0;
}

/* ---- the text of a batch ---- */

/* Follows strings, names and comments over one character; gives how many it took. */
static size_t follow(struct qri_script *s, const char *at)
{
    if (s->comment_depth > 0) {
        bool ends = at[0] == '*' && at[1] == '/', begins = at[0] == '/' && at[1] == '*';
        s->comment_depth += begins - ends;
        return ends || begins ? 2 : 1;
    }
    if (s->open != 0) { /* a doubled one does not end it */
        bool doubled = at[0] == s->open && at[1] == s->open;
        if (*at == s->open && !doubled)
            s->open = 0;
        return doubled ? 2 : 1;
    }
    if (at[0] == '/' && at[1] == '*') {
        s->comment_depth = 1;
        return 2;
    }
    if (at[0] == '-' && at[1] == '-')
        return strlen(at);
    if (*at == '\'' || *at == '"' || *at == '[')
        s->open = *at == '[' ? ']' : *at;
    return 1;
}

static void follow_text(struct qri_script *s, struct qr_str text)
{
    char pair[3] = "";
    for (size_t i = 0; i < text.n;) {
        pair[0] = text.p[i];
        pair[1] = i + 1 < text.n ? text.p[i + 1] : '\0';
        size_t n = follow(s, pair);
        i += pair[0] == '-' && pair[1] == '-' && n == 2 ? text.n : n;
    }
}

/* A line that is refused leaves the batch and what is open as they were. */
static enum qr_status add_line(struct qri_script *s, const char *line, struct qr_err *err)
{
    struct qr_str name, value;
    size_t before = s->batch.len;
    char open = s->open;
    int depth = s->comment_depth;
    for (const char *at = line; *at != '\0';) {
        size_t n = s->no_variables || s->comment_depth > 0 ? 0 : variable_at(at, &name);
        if (n == 0) {
            n = follow(s, at);
            qr_buf_add(&s->batch, at, n);
        } else if (look_up(s, name, &value)) {
            qr_buf_addstr(&s->batch, value);
            follow_text(s, value);
        } else {
            s->batch.len = before;
            s->open = open;
            s->comment_depth = depth;
            return qr_fail(err, QR_INVALID, "the variable '%.*s' is not set", (int)name.n, name.p);
        }
        at += n;
    }
    qr_buf_addz(&s->batch, "\n");
    return qr_buf_status(&s->batch, err);
}

static void begin_batch(struct qri_script *s)
{
    qr_buf_clear(&s->batch);
    s->open = 0;
    s->comment_depth = 0;
    s->line_number = 0;
}

/* ---- commands ---- */

static struct qr_str take_word(struct qr_str *rest)
{
    *rest = qr_str_trim(*rest);
    bool quoted = rest->n > 0 && rest->p[0] == '"';
    size_t n = quoted ? 1 : 0;
    while (n < rest->n && (quoted ? rest->p[n] != '"' : rest->p[n] != ' ' && rest->p[n] != '\t'))
        n++;
    struct qr_str word = quoted ? qr_str_n(rest->p + 1, n - 1) : qr_str_n(rest->p, n);
    n += quoted && n < rest->n;
    *rest = qr_str_n(rest->p + n, rest->n - n);
    return word;
}

enum qr_status qri_script_read_file(struct qri_script *s, const char *path, struct qr_err *err)
{
    if (s->file_count == QRI_SCRIPT_FILES_MAX)
        return qr_fail(err, QR_INVALID, "'%s': files name files too deeply", path);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return qr_fail(err, QR_NOT_FOUND, "'%s': %s", path, strerror(errno));
    s->files[s->file_count++] = file;
    return QR_OK;
}

static enum qr_status run_read(struct qri_script *s, struct qr_str rest, struct qr_err *err)
{
    char path[4096];
    struct qr_str word = take_word(&rest);
    if (word.n == 0 || word.n >= sizeof path)
        return qr_fail(err, QR_INVALID, ":r needs the name of a file");
    snprintf(path, sizeof path, "%.*s", (int)word.n, word.p);
    return qri_script_read_file(s, path, err);
}

static enum qr_status run_setvar(struct qri_script *s, struct qr_str rest, struct qr_err *err)
{
    struct qr_str name = take_word(&rest), text;
    char braced[130];
    snprintf(braced, sizeof braced, "$(%.*s)", (int)(name.n < 126 ? name.n : 126), name.p);
    if (variable_at(braced, &text) == 0 || name.n >= 126)
        return qr_fail(err, QR_INVALID, ":setvar needs a name and a value");
    rest = qr_str_trim(rest);
    if (rest.n > 0)
        return qri_script_set(s, name, take_word(&rest), err);
    QR_TRY(qri_script_set(s, name, qr_str(""), err));
    find_variable(s, name)->is_set = false;
    return QR_OK;
}

static enum qr_status run_listvar(struct qri_script *s, struct qr_str rest, struct qr_err *err)
{
    (void)rest;
    (void)err;
    for (const struct qri_script_variable *v = s->variables; v != NULL; v = v->next)
        if (v->is_set)
            fprintf(s->out, "%.*s = \"%.*s\"\n", (int)v->name.n, v->name.p, (int)v->value.n,
                    v->value.p);
    return QR_OK;
}

static enum qr_status run_list(struct qri_script *s, struct qr_str rest, struct qr_err *err)
{
    (void)rest;
    (void)err;
    fputs(qr_buf_cstr(&s->batch), s->out);
    return QR_OK;
}

static enum qr_status run_reset(struct qri_script *s, struct qr_str rest, struct qr_err *err)
{
    (void)rest;
    (void)err;
    begin_batch(s);
    return QR_OK;
}

static enum qr_status run_on(struct qri_script *s, struct qr_str rest, struct qr_err *err)
{
    struct qr_str what = take_word(&rest), then = take_word(&rest);
    bool exits = qr_str_ieqz(then, "exit");
    if (!qr_str_ieqz(what, "error") || (!exits && !qr_str_ieqz(then, "ignore")))
        return qr_fail(err, QR_INVALID, ":on takes 'error exit' or 'error ignore'");
    s->stops_at_errors = exits;
    return QR_OK;
}

static enum qr_status run_help(struct qri_script *s, struct qr_str rest, struct qr_err *err);

static const struct command {
    const char *name, *help;
    enum qr_status (*run)(struct qri_script *s, struct qr_str rest, struct qr_err *err);
} commands[] = {
    /* clang-format off */
    {":r",       ":r FILE               read lines from a file",                  run_read   },
    {":setvar",  ":setvar NAME [VALUE]  what $(NAME) stands for; without: unset", run_setvar },
    {":listvar", ":listvar              show the variables",                      run_listvar},
    {":list",    ":list                 show the batch so far",                   run_list   },
    {":reset",   ":reset                forget the batch so far",                 run_reset  },
    {":on",      ":on error exit|ignore what an error does",                      run_on     },
    {":help",    ":help                 show this; also: GO [N], :quit",          run_help   },
    {":quit",    NULL,                                                            NULL       },
    {":exit",    NULL,                                                            NULL       },
    /* clang-format on */
};

static enum qr_status run_help(struct qri_script *s, struct qr_str rest, struct qr_err *err)
{
    (void)rest;
    (void)err;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (commands[i].help != NULL)
            fprintf(s->out, "%s\n", commands[i].help);
    return QR_OK;
}

/* GO, GO 5, GO -- words; *ret_times is what to do with the batch. */
static bool is_go(struct qr_str line, uint32_t *ret_times, struct qr_err *err)
{
    struct qr_str rest = line, word = take_word(&rest);
    char number[16], *end = NULL;
    if (!qr_str_ieqz(word, "go"))
        return false;
    word = take_word(&rest);
    *ret_times = 1;
    if (word.n == 0 || (word.n >= 2 && word.p[0] == '-' && word.p[1] == '-'))
        return true;
    snprintf(number, sizeof number, "%.*s", (int)(word.n < 15 ? word.n : 15), word.p);
    unsigned long times = strtoul(number, &end, 10);
    if (*end != '\0' || !isdigit((unsigned char)number[0]) || times > TIMES_MAX)
        qr_fail(err, QR_INVALID, "GO takes a number up to %d", TIMES_MAX);
    *ret_times = (uint32_t)times;
    return true;
}

static bool is_quit(struct qr_str line)
{
    return qr_str_ieqz(line, "quit") || qr_str_ieqz(line, "exit") || qr_str_ieqz(line, ":quit") ||
           qr_str_ieqz(line, ":exit");
}

/* Any word behind ':' that is none of ours is refused: it is not T-SQL either. */
static enum qr_status run_command(struct qri_script *s, struct qr_str line, struct qr_err *err)
{
    struct qr_str rest = line, word = take_word(&rest);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (commands[i].run != NULL && qr_str_ieqz(word, commands[i].name))
            return commands[i].run(s, rest, err);
    return qr_fail(err, QR_INVALID, "'%.*s' is no command here: see :help", (int)word.n, word.p);
}

/* ---- lines ---- */

static const char *next_line(struct qri_script *s)
{
    while (s->file_count > 0) {
        FILE *file = s->files[s->file_count - 1];
        ssize_t n = getline(&s->line, &s->line_bytes, file);
        if (n >= 0) {
            while (n > 0 && (s->line[n - 1] == '\n' || s->line[n - 1] == '\r'))
                s->line[--n] = '\0';
            bool marked = s->line_number == 0 && strncmp(s->line, "\xef\xbb\xbf", 3) == 0;
            return s->line + (marked ? 3 : 0);
        }
        fclose(file);
        s->file_count--;
    }
    return s->next_line == NULL ? NULL : s->next_line(s->ctx, s->line_number + 1);
}

enum qr_status qri_script_next(struct qri_script *s, enum qri_script_event *ret_event,
                               struct qr_err *err)
{
    if (s->times > 0 || s->batch.failed != QR_OK)
        begin_batch(s);
    s->times = 0;
    for (const char *line; (line = next_line(s)) != NULL;) {
        struct qr_str text = qr_str_trim(qr_str(line));
        bool closed = s->open == 0 && s->comment_depth == 0;
        struct qr_err own = {0};
        uint32_t times = 0;
        if (closed && is_go(text, &times, &own)) {
            if (own.status != QR_OK)
                return qr_fail(err, own.status, "%s", own.text);
            if (times == 0 || qr_str_trim(qr_str(qr_buf_cstr(&s->batch))).n == 0) {
                begin_batch(s);
                continue;
            }
            s->times = times;
            *ret_event = QRI_SCRIPT_BATCH;
            return QR_OK;
        }
        if (closed && is_quit(text)) {
            *ret_event = QRI_SCRIPT_QUIT;
            return QR_OK;
        }
        if (closed && text.n > 0 && text.p[0] == ':' && text.n > 1 && text.p[1] != ':') {
            QR_TRY(run_command(s, text, err));
            continue;
        }
        s->line_number++;
        QR_TRY(add_line(s, line, err));
    }
    s->times = 1; /* the rest, if it is run */
    *ret_event = QRI_SCRIPT_END;
    return QR_OK;
}
