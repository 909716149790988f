/* profile.c - see cli_int.h: what is kept in ~/.quire between two calls. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli_int.h"
#include "env/env.h"
#include "base/banned.h"

enum { FILE_BYTES_MAX = 64 * 1024 };

const char *qri_home_path(struct qri_cli *cli, const char *name)
{
    const char *path = qr_arena_printf(&cli->arena, "%s/%s", cli->home, name);
    return path == NULL ? "" : path;
}

enum qr_status qri_home_make(struct qri_cli *cli, struct qr_err *err)
{
    struct stat st;
    enum qr_status status = qr_env_make_dir(qr_env_real(), cli->home, err);
    if (status != QR_OK && status != QR_EXISTS)
        return status;
    if (stat(cli->home, &st) != 0 || !S_ISDIR(st.st_mode))
        return qr_fail(err, QR_IO, "'%s' is no folder", cli->home);
    if (st.st_uid == geteuid() && (st.st_mode & 077) != 0 && chmod(cli->home, 0700) != 0)
        return qr_fail(err, QR_IO, "'%s' may be read by others: %s", cli->home, strerror(errno));
    return QR_OK;
}

static enum qr_status load(struct qri_cli *cli, const char *name, json_t **ret_json,
                           struct qr_err *err)
{
    struct qr_buf text;
    const char *path = qri_home_path(cli, name);
    qr_buf_init(&text, FILE_BYTES_MAX);
    enum qr_status status = qr_env_read_file(qr_env_real(), path, &text, err);
    json_t *json = status == QR_OK ? json_loadb((const char *)text.data, text.len, 0, NULL) : NULL;
    qr_buf_done(&text);
    if (status == QR_NOT_FOUND)
        json = json_object();
    else if (status == QR_OK && !json_is_object(json))
        status = qr_fail(err, QR_CORRUPT, "'%s' is damaged: log in again", path);
    if (status != QR_OK && status != QR_NOT_FOUND) {
        json_decref(json);
        return status;
    }
    *ret_json = json;
    return QR_OK;
}

static enum qr_status save(struct qri_cli *cli, const char *name, json_t *own_json,
                           struct qr_err *err)
{
    char *text = own_json == NULL ? NULL : json_dumps(own_json, JSON_INDENT(2));
    enum qr_status status =
        text == NULL ? qr_fail(err, QR_NOMEM, "profile") : qri_home_make(cli, err);
    if (status == QR_OK)
        status =
            qr_env_replace_file(qr_env_real(), qri_home_path(cli, name), text, strlen(text), err);
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
    json_decref(own_json);
    return status;
}

static const char *text_of(struct qri_cli *cli, const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    const char *copy = text == NULL ? NULL : qr_arena_dup(&cli->arena, text, strlen(text));
    return copy == NULL ? "" : copy;
}

enum qr_status qri_profile_load(struct qri_cli *cli, struct qr_err *err)
{
    json_t *json = NULL;
    QR_TRY(load(cli, "profile.json", &json, err));
    cli->profile = (struct qri_profile){
        .endpoint = text_of(cli, json, "endpoint"),
        .ca = text_of(cli, json, "ca"),
        .login = text_of(cli, json, "login"),
        .subscription = text_of(cli, json, "subscription"),
        .group = text_of(cli, json, "group"),
        .server = text_of(cli, json, "server"),
        .sql = text_of(cli, json, "connect"),
        .is_service = json_is_true(json_object_get(json, "servicePrincipal")),
    };
    json_decref(json);
    return QR_OK;
}

enum qr_status qri_profile_save(struct qri_cli *cli, struct qr_err *err)
{
    const struct qri_profile *p = &cli->profile;
    return save(cli, "profile.json",
                json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:b}", "endpoint", p->endpoint, "ca", p->ca,
                          "login", p->login, "subscription", p->subscription, "group", p->group,
                          "server", p->server, "connect", p->sql, "servicePrincipal",
                          p->is_service),
                err);
}

enum qr_status qri_token_load(struct qri_cli *cli, struct qr_err *err)
{
    json_t *json = NULL;
    QR_TRY(load(cli, "token.json", &json, err));
    cli->token = text_of(cli, json, "accessToken");
    cli->refresh_token = text_of(cli, json, "refreshToken");
    cli->token_until_s = json_integer_value(json_object_get(json, "expiresOn"));
    json_decref(json);
    return QR_OK;
}

enum qr_status qri_token_save(struct qri_cli *cli, struct qr_err *err)
{
    return save(cli, "token.json",
                json_pack("{s:s,s:s,s:I}", "accessToken", cli->token, "refreshToken",
                          cli->refresh_token, "expiresOn", (json_int_t)cli->token_until_s),
                err);
}

void qri_token_forget(struct qri_cli *cli)
{
    (void)unlink(qri_home_path(cli, "token.json"));
}
