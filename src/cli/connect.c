/* connect.c - `quire connect`: a T-SQL prompt that takes what sqlcmd takes, and exits as it does.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli_int.h"
#include "line.h"
#include "script.h"
#include "sql_link.h"
#include "sql_print.h"
#include "base/banned.h"

enum { SEVERITY_OF_ERRORS = 11 };

struct prompt {
    struct qri_cli *cli;
    struct qri_sql_link *link;
    struct qri_script script;
    struct qri_printer printer;
    bool on_terminal; /* lines are typed */
    bool reads_input; /* standard input has lines, too */
    char *line;
    size_t line_bytes;
};

static enum qr_status open_link(struct prompt *p, struct qr_err *err)
{
    struct qri_sql_link_options o;
    QR_TRY(qri_sql_where_take(p->cli, &(struct qri_sql_where){0}, &o, err));
    enum qr_status status = qri_sql_link_open(&o, &p->link, err);
    if (status != QR_OK && status != QR_INVALID)
        p->cli->exit_code = QR_CLI_FAILED;
    return status;
}

/* ---- lines ---- */

static const char *next_line(void *ctx, int line)
{
    struct prompt *p = ctx;
    char prompt[16];
    if (!p->reads_input)
        return NULL;
    if (p->on_terminal) {
        snprintf(prompt, sizeof prompt, "%d> ", line);
        fflush(p->printer.out);
        free(p->line);
        p->line = qri_line_read(prompt);
        return p->line;
    }
    ssize_t n = getline(&p->line, &p->line_bytes, stdin);
    while (n > 0 && (p->line[n - 1] == '\n' || p->line[n - 1] == '\r'))
        p->line[--n] = '\0';
    return n < 0 ? NULL : p->line;
}

static enum qr_status take_variables(struct prompt *p, struct qr_err *err)
{
    const char *at = qri_arg(p->cli, "variables");
    for (; at != NULL && *at != '\0'; at += strcspn(at, "\n") + 1) {
        size_t name = strcspn(at, "="), line = strcspn(at, "\n");
        size_t value = line > name ? name + 1 : line;
        QR_TRY(qri_script_set(&p->script, qr_str_n(at, name), qr_str_n(at + value, line - value),
                              err));
    }
    return QR_OK;
}

/* The files are put on a stack: the last one first. */
static enum qr_status take_files(struct prompt *p, struct qr_err *err)
{
    const char *all = qri_arg(p->cli, "input");
    for (size_t end = all == NULL ? 0 : strlen(all); end > 0;) {
        size_t at = end;
        while (at > 0 && all[at - 1] != ',')
            at--;
        const char *path = qr_arena_dup(&p->cli->arena, all + at, end - at);
        if (path == NULL)
            return qr_fail(err, QR_NOMEM, "files");
        QR_TRY(qri_script_read_file(&p->script, path, err));
        end = at > 0 ? at - 1 : 0;
    }
    return QR_OK;
}

static enum qr_status open_input(struct prompt *p, struct qr_err *err)
{
    const char *text = qri_arg(p->cli, "run");
    bool ends = text != NULL;
    p->reads_input = !ends && !qri_arg_given(p->cli, "input");
    p->on_terminal = p->reads_input && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    QR_TRY(take_variables(p, err));
    QR_TRY(take_files(p, err));
    text = ends ? text : qri_arg(p->cli, "run-first");
    if (text == NULL)
        return QR_OK;
    const char *batch = qr_arena_printf(&p->cli->arena, "%s\nGO\n", text);
    FILE *file = batch == NULL ? NULL : fmemopen((char *)batch, strlen(batch), "r");
    if (file == NULL || p->script.file_count == QRI_SCRIPT_FILES_MAX)
        return qr_fail(err, QR_NOMEM, "query");
    p->script.files[p->script.file_count++] = file;
    return QR_OK;
}

/* ---- batches ---- */

/* Runs it; *ret_goes_on false: the connection is gone, or an error ends the script. */
static enum qr_status run_batch(struct prompt *p, bool *ret_goes_on, struct qr_err *err)
{
    struct qr_str text = qr_str(qr_buf_cstr(&p->script.batch));
    text.n = p->script.batch.len;
    int timeout_s = (int)qri_arg_integer(p->cli, "query-timeout");
    for (uint32_t i = 0; i < p->script.times; i++) {
        struct qr_err own = {0};
        p->printer.worst_severity = 0;
        if (qri_arg_given(p->cli, "echo"))
            fputs(text.p, p->printer.out);
        enum qr_status status =
            qri_sql_link_run(p->link, text, timeout_s, &qri_printer_sink, &p->printer, &own);
        qri_printer_flush(&p->printer);
        fflush(p->printer.out);
        bool cut = status == QR_CANCELLED || status == QR_TIMEOUT;
        if (cut) {
            fprintf(stderr, "quire: %s\n",
                    status == QR_CANCELLED ? "cancelled" : "the query took too long");
            p->printer.worst_severity = SEVERITY_OF_ERRORS;
        } else if (status != QR_OK) {
            *ret_goes_on = false;
            return qr_fail(err, QR_CLOSED, "%s", own.text);
        }
        if (p->script.stops_at_errors && p->printer.worst_severity >= SEVERITY_OF_ERRORS) {
            *ret_goes_on = false;
            p->cli->exit_code = QR_CLI_FAILED;
            return QR_OK;
        }
        if (cut)
            break;
    }
    return QR_OK;
}

static enum qr_status run_script(struct prompt *p, struct qr_err *err)
{
    for (bool goes_on = true; goes_on;) {
        enum qri_script_event event = QRI_SCRIPT_END;
        struct qr_err own = {0};
        enum qr_status status = qri_script_next(&p->script, &event, &own);
        if (status != QR_OK && p->on_terminal) {
            fprintf(stderr, "quire: %s\n", own.text);
            continue;
        }
        if (status != QR_OK) {
            p->cli->exit_code = QR_CLI_FAILED;
            return qr_fail(err, status, "%s", own.text);
        }
        if (event == QRI_SCRIPT_QUIT || (event == QRI_SCRIPT_END && p->on_terminal))
            break;
        if (qr_str_trim(qr_str_n((const char *)p->script.batch.data, p->script.batch.len)).n > 0)
            QR_TRY(run_batch(p, &goes_on, err));
        goes_on &= event == QRI_SCRIPT_BATCH;
    }
    return QR_OK;
}

static void on_interrupt(int signal)
{
    (void)signal;
    qri_sql_link_interrupt();
}

static enum qr_status talk(struct prompt *p, struct qr_err *err)
{
    const char *history = qri_home_path(p->cli, "history");
    QR_TRY(open_input(p, err));
    QR_TRY(open_link(p, err));
    if (!p->on_terminal)
        return run_script(p, err);
    struct sigaction action = {.sa_handler = on_interrupt};
    (void)sigaction(SIGINT, &action, NULL);
    QR_TRY(qri_home_make(p->cli, err));
    qri_line_begin(history);
    enum qr_status status = run_script(p, err);
    qri_line_end(history);
    return status;
}

enum qr_status qri_connect(struct qri_cli *cli, struct qr_err *err)
{
    struct prompt p = {.cli = cli};
    const char *path = qri_arg(cli, "out-file");
    FILE *out = path == NULL ? cli->out : fopen(path, "we");
    if (out == NULL) {
        cli->exit_code = QR_CLI_FAILED;
        return qr_fail(err, QR_IO, "'%s': %s", path, strerror(errno));
    }
    qri_printer_init(&p.printer, out);
    qri_script_init(&p.script, next_line, &p, out);
    p.printer.on_terminal = isatty(fileno(out));
    p.printer.trims = qri_arg_given(cli, "trims");
    p.printer.headers = (int)qri_arg_integer(cli, "headers");
    if (qri_arg_given(cli, "separator"))
        p.printer.separator = qri_arg(cli, "separator");
    p.script.stops_at_errors = qri_arg_given(cli, "stop");
    p.script.no_variables = qri_arg_given(cli, "no-variables");
    enum qr_status status = talk(&p, err);
    if (status != QR_OK && cli->exit_code == 0 && status != QR_INVALID)
        cli->exit_code = QR_CLI_FAILED;
    qri_sql_link_close(p.link);
    qri_script_done(&p.script);
    qri_printer_done(&p.printer);
    free(p.line);
    bool written = fflush(out) == 0 && (path == NULL || fclose(out) == 0);
    if (!written && status == QR_OK)
        status = qr_fail(err, QR_IO, "write the results: %s", strerror(errno));
    return status;
}
