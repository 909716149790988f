/* stress.c - `quire stress`: options and settings files to a run, and what comes of it printed. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli_int.h"
#include "env/env.h"
#include "script.h"
#include "stress_int.h"
#include "base/banned.h"

enum { CLIENTS = 8, BATCHES_MAX = 1000, LOGIN_TIMEOUT_S = 15, PLOT_BYTES_MAX = 64 * 1024 * 1024 };

/* ---- what to run ---- */

static const char *no_line(void *ctx, int line)
{
    (void)ctx;
    (void)line;
    return NULL;
}

static enum qr_status add_batch(struct qri_cli *cli, struct qri_stress_options *o,
                                struct qr_str text, uint32_t times, struct qr_err *err)
{
    if (qr_str_trim(text).n == 0)
        return QR_OK;
    struct qr_str kept = qr_arena_str(&cli->arena, text);
    if (kept.p == NULL)
        return qr_fail(err, QR_NOMEM, "batches");
    for (uint32_t i = 0; i < times; i++) {
        if (o->batch_count == BATCHES_MAX)
            return qr_fail(err, QR_TOO_BIG, "more than %d batches", BATCHES_MAX);
        o->batches[o->batch_count++] = kept;
    }
    return QR_OK;
}

static enum qr_status read_script(struct qri_cli *cli, struct qri_script *script,
                                  struct qri_stress_options *o, struct qr_err *err)
{
    for (enum qri_script_event event = QRI_SCRIPT_BATCH; event == QRI_SCRIPT_BATCH;) {
        QR_TRY(qri_script_next(script, &event, err));
        struct qr_str text = qr_str_n((const char *)script->batch.data, script->batch.len);
        if (event != QRI_SCRIPT_QUIT)
            QR_TRY(add_batch(cli, o, text, event == QRI_SCRIPT_END ? 1 : script->times, err));
    }
    return QR_OK;
}

/* GO parts batches, as everywhere; $(client) and its like stay for the clients. */
static enum qr_status take_batches(struct qri_cli *cli, const char *sql,
                                   struct qri_stress_options *o, struct qr_err *err)
{
    const char *path = qri_arg(cli, "stress-input");
    struct qri_script script;
    o->batches = qr_arena_alloc(&cli->arena, BATCHES_MAX * sizeof *o->batches);
    if (o->batches == NULL)
        return qr_fail(err, QR_NOMEM, "batches");
    qri_script_init(&script, no_line, NULL, stdout);
    script.no_variables = true;
    enum qr_status status = QR_OK;
    if (path != NULL) {
        status = qri_script_read_file(&script, path, err);
    } else if (sql != NULL) {
        FILE *file = fmemopen((char *)sql, strlen(sql), "r");
        if (file == NULL)
            status = qr_fail(err, QR_INVALID, "there is nothing to run");
        else
            script.files[script.file_count++] = file;
    }
    if (status == QR_OK)
        status = read_script(cli, &script, o, err);
    qri_script_done(&script);
    if (status == QR_OK && o->batch_count == 0)
        status = qr_fail(err, QR_INVALID, "one of --sql, --input and --config is needed");
    return status;
}

/* ---- the settings file of SQL Query Stress ---- */

struct settings {
    json_t *json; /* NULL: there is none */
};

static enum qr_status read_settings(struct qri_cli *cli, struct settings *s, struct qr_err *err)
{
    const char *path = qri_arg(cli, "stress-config");
    json_error_t why;
    if (path == NULL)
        return QR_OK;
    s->json = json_load_file(path, 0, &why);
    if (!json_is_object(s->json))
        return qr_fail(err, QR_INVALID, "--config: '%s', line %d: %s", path, why.line,
                       s->json == NULL ? why.text : "no settings");
    return QR_OK;
}

static double setting(const struct settings *s, const char *name, double fallback)
{
    const json_t *value = json_object_get(s->json, name);
    return json_is_number(value) ? json_number_value(value) : fallback;
}

static const char *setting_text(const struct settings *s, const char *group, const char *name)
{
    const json_t *from = group == NULL ? s->json : json_object_get(s->json, group);
    const char *text = json_string_value(json_object_get(from, name));
    return text == NULL || *text == '\0' ? NULL : text;
}

/* ---- options ---- */

static enum qr_status take_number(const struct qri_cli *cli, const char *key, double fallback,
                                  double least, double most, double *ret_number, struct qr_err *err)
{
    const char *text = qri_arg(cli, key);
    double v = text == NULL ? fallback : strtod(text, NULL);
    if (!(v >= least && v <= most)) {
        struct qr_str name = qr_str(qri_argument_find(key)->names);
        const char *blank = strchr(name.p, ' ');
        name.n = blank == NULL ? name.n : (size_t)(blank - name.p);
        return qr_fail(err, QR_INVALID, "%.*s has to be %g to %g", (int)name.n, name.p, least,
                       most);
    }
    *ret_number = v;
    return QR_OK;
}

static enum qr_status take_plan(struct qri_cli *cli, const struct settings *s,
                                struct qri_stress_options *o, struct qr_err *err)
{
    const char *path = qri_arg(cli, "schedule");
    struct qri_stress_phase first = {0};
    double clients = 0, ramp_s = 0;
    QR_TRY(take_number(cli, "clients", setting(s, "NumThreads", CLIENTS), 1, QRI_STRESS_CLIENTS_MAX,
                       &clients, err));
    first.clients = (uint32_t)clients;
    QR_TRY(take_number(cli, "think", setting(s, "DelayBetweenQueries", 0), 0, 1e7, &first.think_ms,
                       err));
    QR_TRY(take_number(cli, "stress-rate", 0, 0, 1e6, &first.rate, err));
    QR_TRY(take_number(cli, "ramp", 0, 0, 1e6, &ramp_s, err));
    if (path == NULL)
        return qri_stress_plan_make(&first, ramp_s, &o->plan, err);
    struct qr_buf text;
    qr_buf_init(&text, PLOT_BYTES_MAX);
    enum qr_status status = qr_env_read_file(qr_env_real(), path, &text, err);
    if (status == QR_OK)
        status = qri_stress_plan_parse(qr_str_n((const char *)text.data, text.len), &first,
                                       &o->plan, err);
    qr_buf_done(&text);
    return qr_wrap(err, status, "--schedule");
}

static enum qr_status take_times(struct qri_cli *cli, const struct settings *s,
                                 struct qri_stress_options *o, struct qr_err *err)
{
    double iterations = 0, query_s = 0, login_s = 0;
    QR_TRY(
        take_number(cli, "iterations", setting(s, "NumIterations", 0), 0, 1e15, &iterations, err));
    QR_TRY(take_number(cli, "duration", 0, 0, 1e8, &o->duration_s, err));
    QR_TRY(
        take_number(cli, "query-timeout", setting(s, "CommandTimeout", 0), 0, 1e6, &query_s, err));
    QR_TRY(take_number(cli, "login-timeout", setting(s, "ConnectionTimeout", LOGIN_TIMEOUT_S), 1,
                       1e6, &login_s, err));
    o->iterations = (uint64_t)iterations;
    o->query_timeout_s = (int)query_s;
    o->link.login_timeout_s = (int)login_s;
    o->stops_at_errors = qri_arg_given(cli, "stop");
    if (o->plan.count > 0 && o->iterations == 0 && o->duration_s == 0 &&
        qri_arg(cli, "schedule") != NULL)
        o->duration_s = o->plan.phases[o->plan.count - 1].at_s;
    return QR_OK;
}

/* ---- what came of it ---- */

static json_t *result_json(const struct qri_stress_result *r)
{
    json_t *errors = json_array();
    for (size_t i = 0; i < r->error_count; i++)
        json_array_append_new(
            errors, json_pack("{s:i, s:I, s:s}", "number", (int)r->by_number[i].number, "count",
                              (json_int_t)r->by_number[i].count, "text", r->by_number[i].text));
    double seconds = r->took_s > 0 ? r->took_s : 1;
    json_t *all =
        json_pack("{s:f, s:I, s:I, s:I, s:f, s:I, s:I, s:I, s:f, s:f, s:o}", "seconds", r->took_s,
                  "iterations", (json_int_t)r->iterations, "batches", (json_int_t)r->batches,
                  "rows", (json_int_t)r->rows, "iterationsPerSecond",
                  (double)r->iterations / seconds, "errors", (json_int_t)r->errors, "reconnects",
                  (json_int_t)r->reconnects, "failedLogins", (json_int_t)r->failed_logins,
                  "longestGapMs", r->gap_ms, "longestGapAt", r->gap_at_s, "errorsByNumber", errors);
    static const struct {
        const char *name;
        double percent;
    } percents[] = {{"p50Ms", 50}, {"p90Ms", 90}, {"p95Ms", 95}, {"p99Ms", 99}, {"p999Ms", 99.9}};
    json_t *latency = json_object();
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++)
        json_object_set_new(latency, percents[i].name,
                            json_real(qri_histogram_ms(&r->latency, percents[i].percent)));
    json_object_set_new(latency, "maxMs", json_real((double)r->latency.max_us / 1000));
    json_object_set_new(all, "latency", latency);
    return all;
}

static enum qr_status write_plot(const struct qri_cli *cli, const struct qri_stress_result *r,
                                 struct qr_err *err)
{
    const char *path = qri_arg(cli, "plot");
    struct qr_buf svg;
    if (path == NULL)
        return QR_OK;
    qr_buf_init(&svg, PLOT_BYTES_MAX);
    qri_stress_plot(r, &svg);
    enum qr_status status = qr_buf_status(&svg, err);
    if (status == QR_OK) {
        FILE *file = fopen(path, "we");
        bool ok = file != NULL && fwrite(svg.data, 1, svg.len, file) == svg.len;
        if (file == NULL || fclose(file) != 0 || !ok)
            status = qr_fail(err, QR_IO, "--plot: '%s': %s", path, strerror(errno));
    }
    qr_buf_done(&svg);
    return status;
}

static enum qr_status show(struct qri_cli *cli, const struct qri_stress_result *r,
                           struct qr_err *err)
{
    if (!qri_arg_given(cli, "output")) {
        qri_stress_print_text(r, cli->out);
        return QR_OK;
    }
    json_t *all = result_json(r);
    enum qr_status status = qri_print(cli, all, err);
    json_decref(all);
    return status;
}

static void on_interrupt(int signal)
{
    (void)signal;
    qri_stress_stop();
}

static enum qr_status run(struct qri_cli *cli, struct qri_stress_options *o, struct qr_err *err)
{
    const char *path = qri_arg(cli, "timeline");
    struct qri_stress_result result;
    if (path != NULL && (o->timeline = fopen(path, "we")) == NULL)
        return qr_fail(err, QR_IO, "--timeline: '%s': %s", path, strerror(errno));
    o->progress = isatty(STDERR_FILENO) ? stderr : NULL;
    struct sigaction action = {.sa_handler = on_interrupt};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    enum qr_status status = qri_stress_run(o, &result, err);
    if (o->progress != NULL)
        fputs("\n", stderr);
    if (o->timeline != NULL && fclose(o->timeline) != 0 && status == QR_OK)
        status = qr_fail(err, QR_IO, "--timeline: '%s': %s", path, strerror(errno));
    if (status != QR_OK)
        return status;
    status = write_plot(cli, &result, err);
    if (status == QR_OK)
        status = show(cli, &result, err);
    if (result.errors > 0 || result.iterations == 0)
        cli->exit_code = QR_CLI_FAILED;
    qri_stress_result_done(&result);
    return status;
}

enum qr_status qri_stress(struct qri_cli *cli, struct qr_err *err)
{
    struct settings settings = {0};
    struct qri_stress_options o = {0};
    enum qr_status status = read_settings(cli, &settings, err);
    struct qri_sql_where where = {
        .server = setting_text(&settings, "MainDbConnectionInfo", "Server"),
        .database = setting_text(&settings, "MainDbConnectionInfo", "Database"),
        .user = setting_text(&settings, "MainDbConnectionInfo", "Login"),
        .password = setting_text(&settings, "MainDbConnectionInfo", "Password"),
    };
    const char *sql = qri_arg(cli, "stress-sql");
    if (status == QR_OK)
        status = take_batches(cli, sql != NULL ? sql : setting_text(&settings, NULL, "MainQuery"),
                              &o, err);
    if (status == QR_OK)
        status = take_plan(cli, &settings, &o, err);
    if (status == QR_OK)
        status = qri_sql_where_take(cli, &where, &o.link, err);
    if (status == QR_OK)
        status = take_times(cli, &settings, &o, err); /* after the plan and the link */
    if (status == QR_OK)
        status = run(cli, &o, err);
    qri_stress_plan_done(&o.plan);
    json_decref(settings.json);
    if (status != QR_OK && status != QR_INVALID && cli->exit_code == 0)
        cli->exit_code = QR_CLI_FAILED;
    return status;
}
