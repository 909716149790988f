/* login.c - see cli_int.h: from a secret to a token, and from an old token to a new one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "cli_int.h"
#include "env/env.h"
#include "base/banned.h"

enum { SPARE_S = 60, PASSWORD_BYTES_MAX = 1024, CA_BYTES_MAX = 1024 * 1024 };

static int64_t now_s(void)
{
    return qr_env_wall_ns(qr_env_real()) / 1000000000;
}

static const char *dup_text(struct qri_cli *cli, const char *text)
{
    const char *copy = text == NULL ? NULL : qr_arena_dup(&cli->arena, text, strlen(text));
    return copy == NULL ? "" : copy;
}

/* ---- secrets ---- */

static enum qr_status ask_secret(struct qri_cli *cli, const char *prompt, const char **ret_secret,
                                 struct qr_err *err)
{
    char text[PASSWORD_BYTES_MAX];
    struct termios before, silent;
    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return qr_fail(err, QR_IO, "the terminal: %s", strerror(errno));
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent); /* before anybody is asked to type */
    fputs(prompt, stderr);
    fflush(stderr);
    const char *got = fgets(text, sizeof text, stdin);
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    fputs("\n", stderr);
    if (got == NULL)
        return qr_fail(err, QR_CANCELLED, "no password");
    text[strcspn(text, "\n")] = '\0';
    *ret_secret = dup_text(cli, text);
    explicit_bzero(text, sizeof text);
    return QR_OK;
}

enum qr_status qri_password_get(struct qri_cli *cli, const char *key, const char *prompt,
                                const char **ret_password, struct qr_err *err)
{
    bool of_admin = strcmp(key, "admin-password") == 0;
    const char *variable = of_admin ? "QUIRE_ADMIN_PASSWORD" : "QUIRE_PASSWORD";
    const char *given = qri_arg(cli, key), *set = getenv(variable);
    if (given == NULL)
        given = set;
    if (given != NULL) {
        *ret_password = given;
        return QR_OK;
    }
    if (isatty(STDIN_FILENO) && isatty(STDERR_FILENO))
        return ask_secret(cli, prompt, ret_password, err);
    return qr_fail(err, QR_INVALID, "the password is missing: %s", variable);
}

/* ---- grants ---- */

static enum qr_status fail_grant(struct qri_cli *cli, const struct qri_reply *reply,
                                 struct qr_err *err)
{
    const char *code = json_string_value(json_object_get(reply->json, "error"));
    const char *words = json_string_value(json_object_get(reply->json, "error_description"));
    cli->exit_code = QR_CLI_LOGIN;
    if (code == NULL)
        return qr_fail(err, QR_PROTOCOL, "the endpoint has no login authority: HTTP status %ld",
                       reply->status);
    return qr_fail(err, QR_DENIED, "%s: %s", code, words == NULL ? "refused" : words);
}

static enum qr_status grant(struct qri_cli *cli, const char *form, struct qr_err *err)
{
    struct qri_reply reply;
    const char *url = qr_arena_printf(&cli->arena, "%s/adfs/oauth2/token", cli->profile.endpoint);
    if (form == NULL || url == NULL)
        return qr_fail(err, QR_NOMEM, "login");
    QR_TRY(qri_http(cli, "POST", url, NULL, form, NULL, &reply, err));
    const char *token = json_string_value(json_object_get(reply.json, "access_token"));
    const char *refresh = json_string_value(json_object_get(reply.json, "refresh_token"));
    enum qr_status status = QR_OK;
    if (reply.status != 200 || token == NULL) {
        status = fail_grant(cli, &reply, err);
    } else {
        cli->token = dup_text(cli, token);
        cli->refresh_token = dup_text(cli, refresh);
        cli->token_until_s =
            now_s() + json_integer_value(json_object_get(reply.json, "expires_in"));
    }
    qri_reply_done(&reply);
    return status;
}

static enum qr_status grant_secret(struct qri_cli *cli, const char *secret, struct qr_err *err)
{
    const char *name = qri_url_encode(&cli->arena, cli->profile.login);
    const char *word = qri_url_encode(&cli->arena, secret);
    return grant(cli,
                 cli->profile.is_service
                     ? qr_arena_printf(&cli->arena,
                                       "grant_type=client_credentials&client_id=%s&"
                                       "client_secret=%s",
                                       name, word)
                     : qr_arena_printf(&cli->arena,
                                       "grant_type=password&client_id=quire&username=%s&"
                                       "password=%s",
                                       name, word),
                 err);
}

static enum qr_status grant_refresh(struct qri_cli *cli, struct qr_err *err)
{
    return grant(cli,
                 qr_arena_printf(&cli->arena,
                                 "grant_type=refresh_token&client_id=quire&refresh_token=%s",
                                 qri_url_encode(&cli->arena, cli->refresh_token)),
                 err);
}

enum qr_status qri_token_get(struct qri_cli *cli, bool anew, struct qr_err *err)
{
    const char *secret = getenv("QUIRE_PASSWORD");
    if (cli->token == NULL)
        QR_TRY(qri_token_load(cli, err));
    if (!anew && *cli->token != '\0' && cli->token_until_s > now_s() + SPARE_S)
        return QR_OK;
    if (*cli->profile.endpoint == '\0' || (*cli->token == '\0' && *cli->refresh_token == '\0')) {
        cli->exit_code = QR_CLI_LOGIN;
        return qr_fail(err, QR_DENIED, "nobody is logged in: see quire login --help");
    }
    if (*cli->refresh_token != '\0') {
        QR_TRY(qr_wrap(err, grant_refresh(cli, err), "log in again"));
    } else if (secret != NULL) {
        QR_TRY(grant_secret(cli, secret, err));
    } else {
        cli->exit_code = QR_CLI_LOGIN;
        return qr_fail(err, QR_DENIED, "the login of '%s' has expired: log in again",
                       cli->profile.login);
    }
    return qri_token_save(cli, err);
}

/* ---- quire login ---- */

static enum qr_status take_endpoint(struct qri_cli *cli, struct qr_err *err)
{
    const char *given = qri_arg(cli, "endpoint"), *ca = qri_arg(cli, "ca");
    if (given == NULL && *cli->profile.endpoint == '\0')
        return qr_fail(err, QR_INVALID, "--endpoint is missing: https://HOST:PORT");
    if (given != NULL && strncmp(given, "https://", 8) != 0)
        return qr_fail(err, QR_INVALID, "--endpoint: '%.200s' does not begin with https://", given);
    if (given != NULL) {
        size_t n = strlen(given);
        while (n > 8 && given[n - 1] == '/')
            n--;
        const char *endpoint = qr_arena_dup(&cli->arena, given, n);
        if (endpoint == NULL)
            return qr_fail(err, QR_NOMEM, "login");
        if (strcmp(endpoint, cli->profile.endpoint) != 0)
            cli->profile = (struct qri_profile){"", "", "", "", "", "", "", false};
        cli->profile.endpoint = endpoint;
    }
    if (ca != NULL && access(ca, R_OK) != 0)
        return qr_fail(err, QR_INVALID, "--ca: '%s': %s", ca, strerror(errno));
    if (ca != NULL)
        cli->profile.ca = ca;
    return QR_OK;
}

/* The certificate is kept, as a copy: its file may be on a disk that goes away. */
static enum qr_status keep_ca(struct qri_cli *cli, struct qr_err *err)
{
    struct qr_buf text;
    const char *path = qri_home_path(cli, "ca.pem");
    if (*cli->profile.ca == '\0' || strcmp(cli->profile.ca, path) == 0)
        return QR_OK;
    qr_buf_init(&text, CA_BYTES_MAX);
    enum qr_status status = qr_env_read_file(qr_env_real(), cli->profile.ca, &text, err);
    if (status == QR_OK)
        status = qri_home_make(cli, err);
    if (status == QR_OK)
        status = qr_env_replace_file(qr_env_real(), path, text.data, text.len, err);
    qr_buf_done(&text);
    cli->profile.ca = path;
    return status;
}

static struct qr_str segment_behind(const char *id, const char *word)
{
    const char *at = id == NULL ? NULL : strcasestr(id, word);
    if (at == NULL)
        return qr_str("");
    at += strlen(word);
    return qr_str_n(at, strcspn(at, "/"));
}

/* If there is one server, it is the default; if there are more, the old default if it is there. */
static enum qr_status take_defaults(struct qri_cli *cli, struct qr_err *err)
{
    json_t *list = NULL, *item;
    size_t i;
    QR_TRY(qri_fetch(cli, "/subscriptions?api-version=2022-12-01", &list, err));
    cli->profile.subscription = dup_text(
        cli, json_string_value(json_object_get(json_array_get(list, 0), "subscriptionId")));
    json_decref(list);
    const char *path = NULL;
    QR_TRY(qri_fill_path(cli, "/subscriptions/{subscription}/providers/Microsoft.Sql/servers",
                         &path, err));
    QR_TRY(qri_fetch(cli, path, &list, err));
    bool kept = false;
    json_array_foreach(list, i, item)
    {
        const char *name = json_string_value(json_object_get(item, "name"));
        kept |= name != NULL && strcmp(name, cli->profile.server) == 0;
    }
    if (!kept)
        cli->profile.group = cli->profile.server = "";
    if (!kept && json_array_size(list) == 1) {
        const json_t *only = json_array_get(list, 0);
        struct qr_str group =
            segment_behind(json_string_value(json_object_get(only, "id")), "/resourceGroups/");
        cli->profile.server = dup_text(cli, json_string_value(json_object_get(only, "name")));
        cli->profile.group = qr_arena_dup(&cli->arena, group.p, group.n);
    }
    json_decref(list);
    return cli->profile.group == NULL ? qr_fail(err, QR_NOMEM, "login") : QR_OK;
}

enum qr_status qri_login(struct qri_cli *cli, struct qr_err *err)
{
    const char *secret = NULL;
    QR_TRY(take_endpoint(cli, err));
    QR_TRY(qri_password_get(cli, "password", "Password: ", &secret, err));
    cli->profile.login = qri_arg(cli, "username");
    cli->profile.is_service = qri_arg_given(cli, "service");
    QR_TRY(grant_secret(cli, secret, err));
    QR_TRY(take_defaults(cli, err));
    QR_TRY(keep_ca(cli, err));
    QR_TRY(qri_token_save(cli, err));
    QR_TRY(qri_profile_save(cli, err));
    return qri_account_show(cli, err);
}

enum qr_status qri_logout(struct qri_cli *cli, struct qr_err *err)
{
    (void)err;
    qri_token_forget(cli);
    return QR_OK;
}

enum qr_status qri_account_show(struct qri_cli *cli, struct qr_err *err)
{
    const struct qri_profile *p = &cli->profile;
    if (cli->token == NULL)
        QR_TRY(qri_token_load(cli, err));
    if (*p->endpoint == '\0' || *cli->token == '\0') {
        cli->exit_code = QR_CLI_LOGIN;
        return qr_fail(err, QR_DENIED, "nobody is logged in: see quire login --help");
    }
    json_t *shown = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "endpoint", p->endpoint, "login",
                              p->login, "subscription", p->subscription, "defaultGroup", p->group,
                              "defaultServer", p->server, "defaultConnect", p->sql);
    enum qr_status status = qri_print(cli, shown, err);
    json_decref(shown);
    return status;
}

enum qr_status qri_configure(struct qri_cli *cli, struct qr_err *err)
{
    for (const char *at = qri_arg(cli, "defaults"); *at != '\0'; at += strcspn(at, "\n") + 1) {
        size_t name = strcspn(at, "="), line = strcspn(at, "\n");
        const char *value = qr_arena_dup(&cli->arena, at + name + 1, line - name - 1);
        if (value == NULL)
            return qr_fail(err, QR_NOMEM, "defaults");
        if (qr_str_ieqz(qr_str_n(at, name), "group"))
            cli->profile.group = value;
        else if (qr_str_ieqz(qr_str_n(at, name), "server"))
            cli->profile.server = value;
        else if (qr_str_ieqz(qr_str_n(at, name), "connect"))
            cli->profile.sql = value;
        else
            return qr_fail(err, QR_INVALID,
                           "--defaults: '%.*s' is not one of group, server, connect", (int)name,
                           at);
    }
    return qri_profile_save(cli, err);
}
