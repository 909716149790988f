/* wait.c - see cli_int.h: follows an operation to its end, and shows how far it is. The operation
 * is the service's: it goes on whether anybody waits or not. */
#include <string.h>
#include <unistd.h>
#include "cli_int.h"
#include "env/env.h"
#include "base/banned.h"

enum { FIRST_MS = 50, MOST_MS = 1000, BAR_WIDTH = 30, SILENCE_S_MAX = 60 };

struct waiting {
    struct qri_cli *cli;
    const char *operations; /* path of the list that has percents; NULL: there is none */
    const char *id;         /* of the operation */
    int64_t start_ns, silent_since_ns;
    long long percent;
    bool bar;
};

static int64_t now_ns(void)
{
    return qr_env_mono_ns(qr_env_real());
}

/* ---- the bar ---- */

static void draw(const struct waiting *w)
{
    char bar[BAR_WIDTH + 1];
    int64_t seconds = (now_ns() - w->start_ns) / 1000000000;
    size_t full = (size_t)(w->percent * BAR_WIDTH / 100);
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', full);
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "\r%s [%s] %3lld %% %02lld:%02lld", w->cli->command->words, bar, w->percent,
            (long long)(seconds / 60), (long long)(seconds % 60));
    fflush(stderr);
}

static void look_at_percent(struct waiting *w)
{
    struct qri_reply reply = {0};
    size_t i;
    json_t *item;
    if (w->operations == NULL || qri_ask(w->cli, "GET", w->operations, NULL, &reply, NULL) != QR_OK)
        return;
    json_array_foreach(json_object_get(reply.json, "value"), i, item)
    {
        const char *name = json_string_value(json_object_get(item, "name"));
        json_int_t percent = json_integer_value(
            json_object_get(json_object_get(item, "properties"), "percentComplete"));
        if (name != NULL && strcmp(name, w->id) == 0 && percent > w->percent && percent <= 100)
            w->percent = percent;
    }
    qri_reply_done(&reply);
    w->cli->exit_code = 0;
}

/* …/databases/NAME/operations beside the id, from the URL of the request and of the operation. */
static void find_operations(struct waiting *w, const char *url)
{
    const char *path = NULL;
    struct qr_err err = {0};
    const char *pattern = w->cli->command->path;
    const char *database = pattern == NULL ? NULL : strstr(pattern, "/databases/{");
    const char *slash = strrchr(url, '/');
    if (database == NULL || slash == NULL)
        return;
    size_t n = (size_t)(database - pattern) + strcspn(database, "}") + 1;
    const char *of_database = qr_arena_printf(&w->cli->arena, "%.*s/operations", (int)n, pattern);
    w->id = qr_arena_dup(&w->cli->arena, slash + 1, strcspn(slash + 1, "?"));
    if (of_database != NULL && w->id != NULL &&
        qri_fill_path(w->cli, of_database, &path, &err) == QR_OK)
        w->operations = path;
}

/* ---- asking ---- */

static enum qr_status fail_operation(struct qri_cli *cli, const json_t *answer, struct qr_err *err)
{
    const json_t *error = json_object_get(answer, "error");
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *message = json_string_value(json_object_get(error, "message"));
    cli->exit_code = QR_CLI_FAILED;
    return qr_fail(err, QR_CONFLICT, "%s: %s", code == NULL ? "OperationFailed" : code,
                   message == NULL ? "The operation has failed." : message);
}

/* A service that restarts answers again soon; the operation goes on with it. */
static enum qr_status poll(struct waiting *w, const char *url, bool *ret_over, int64_t *ret_after_s,
                           struct qr_err *err)
{
    struct qri_reply reply = {0};
    enum qr_status status = qri_ask(w->cli, "GET", url, NULL, &reply, err);
    if (status == QR_CLOSED || status == QR_BUSY) {
        if (w->silent_since_ns == 0)
            w->silent_since_ns = now_ns();
        if (now_ns() - w->silent_since_ns > INT64_C(1000000000) * SILENCE_S_MAX)
            return status;
        w->cli->exit_code = 0;
        return QR_OK;
    }
    QR_TRY(status);
    const char *state = json_string_value(json_object_get(reply.json, "status"));
    w->silent_since_ns = 0;
    *ret_after_s = reply.retry_after_s;
    if (state == NULL)
        status = qr_fail(err, QR_PROTOCOL, "the service does not say how far the operation is");
    else if (strcmp(state, "Succeeded") == 0)
        *ret_over = true;
    else if (strcmp(state, "Failed") == 0 || strcmp(state, "Canceled") == 0)
        status = fail_operation(w->cli, reply.json, err);
    qri_reply_done(&reply);
    return status;
}

static enum qr_status follow(struct waiting *w, const char *url, struct qr_err *err)
{
    int64_t ms = FIRST_MS, after_s = 0;
    bool over = false;
    for (;;) {
        QR_TRY(poll(w, url, &over, &after_s, err));
        if (over)
            return QR_OK;
        if (w->bar) {
            look_at_percent(w);
            draw(w);
        }
        qr_env_sleep_ns(qr_env_real(), ms * 1000000);
        int64_t most = after_s > 1 ? after_s * 1000 : MOST_MS;
        ms = ms * 2 > most ? most : ms * 2;
    }
}

enum qr_status qri_wait(struct qri_cli *cli, struct qri_reply *started, json_t **ret_result,
                        struct qr_err *err)
{
    struct waiting w = {.cli = cli, .start_ns = now_ns(), .bar = isatty(STDERR_FILENO)};
    struct qri_reply reply = {0};
    const char *url = *started->operation != '\0' ? started->operation : started->location;
    if (*url == '\0')
        return qr_fail(err, QR_PROTOCOL, "the service does not say where to ask for the operation");
    if (w.bar) {
        find_operations(&w, url);
        draw(&w);
    }
    enum qr_status status = follow(&w, url, err);
    if (w.bar && status == QR_OK) {
        w.percent = 100;
        draw(&w);
    }
    if (w.bar)
        fputs("\r\033[K", stderr);
    bool leaves_nothing = qri_arg_given(cli, "verify");
    if (status != QR_OK || *started->location == '\0' || leaves_nothing)
        return status;
    QR_TRY(qri_ask(cli, "GET", started->location, NULL, &reply, err));
    if (reply.json != NULL)
        *ret_result = qri_flatten(reply.json);
    return QR_OK;
}
