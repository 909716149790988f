/* request.c - see cli_int.h: rows of the table of commands as requests of the API. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "cli_int.h"
#include "base/banned.h"

enum { PAGES_MAX = 10000 };
static const char api_version[] = "2022-08-01-preview";

/* ---- paths ---- */

const char *qri_argument_value(const struct qri_cli *cli, struct qr_str key)
{
    static const struct {
        const char *key, *same_as;
    } others[] = {{"dest-server", "server"},
                  {"dest-group", "group"},
                  {"partner-server", "server"},
                  {"partner-group", "group"},
                  {"partner-db", "db"}};
    for (const struct qri_argument *row = qri_arguments; row->key != NULL; row++)
        if (qr_str_eq(key, qr_str(row->key)) && cli->values[row - qri_arguments] != NULL)
            return cli->values[row - qri_arguments];
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (qr_str_eq(key, qr_str(others[i].key)))
            return qri_argument_value(cli, qr_str(others[i].same_as));
    if (qr_str_ieqz(key, "subscription"))
        return cli->profile.subscription;
    if (qr_str_ieqz(key, "group"))
        return cli->profile.group;
    return qr_str_ieqz(key, "server") || qr_str_ieqz(key, "server-name") ? cli->profile.server : "";
}

/* What goes into a path: something, and no step up. */
static enum qr_status check_segment(struct qr_str key, const char *value, struct qr_err *err)
{
    const struct qri_argument *row = qri_arguments;
    while (row->key != NULL && !qr_str_eq(key, qr_str(row->key)))
        row++;
    const char *names = row->key == NULL ? "" : row->names;
    struct qr_str name = qri_word_next(&names);
    if (*value == '\0')
        return qr_fail(err, QR_INVALID,
                       "%.*s is missing, and there is no default: quire configure --defaults",
                       (int)name.n, name.p);
    if (strcmp(value, ".") == 0 || strcmp(value, "..") == 0)
        return qr_fail(err, QR_INVALID, "%.*s: '%s' is no name", (int)name.n, name.p, value);
    return QR_OK;
}

enum qr_status qri_fill_path(struct qri_cli *cli, const char *pattern, const char **ret_path,
                             struct qr_err *err)
{
    const char *path = "";
    for (const char *at = pattern; path != NULL && *at != '\0';) {
        size_t plain = strcspn(at, "{");
        path = qr_arena_printf(&cli->arena, "%s%.*s", path, (int)plain, at);
        at += plain;
        if (path == NULL || *at == '\0')
            continue;
        struct qr_str key = qr_str_n(at + 1, strcspn(at, "}") - 1);
        const char *value = qri_argument_value(cli, key);
        QR_TRY(check_segment(key, value, err));
        path = qr_arena_printf(&cli->arena, "%s%s", path, qri_url_encode(&cli->arena, value));
        at += key.n + 2;
    }
    if (path == NULL)
        return qr_fail(err, QR_NOMEM, "path");
    *ret_path = path;
    return QR_OK;
}

static enum qr_status url_of(struct qri_cli *cli, const char *path, struct qr_buf *url,
                             struct qr_err *err)
{
    size_t n = strlen(cli->profile.endpoint);
    bool is_url = strncmp(path, "https://", 8) == 0;
    if (*cli->profile.endpoint == '\0') {
        cli->exit_code = QR_CLI_LOGIN;
        return qr_fail(err, QR_DENIED, "nobody is logged in: see quire login --help");
    }
    /* the token goes to the endpoint and nowhere else, whatever an answer says */
    if (is_url && (strncasecmp(path, cli->profile.endpoint, n) != 0 || path[n] != '/'))
        return qr_fail(err, QR_INVALID, "'%.200s' is not of %s", path, cli->profile.endpoint);
    if (!is_url && *path != '/')
        return qr_fail(err, QR_INVALID, "'%.200s' is neither a path nor a URL", path);
    qr_buf_printf(url, "%s%s", is_url ? "" : cli->profile.endpoint, path);
    if (strstr(path, "api-version=") == NULL)
        qr_buf_printf(url, "%sapi-version=%s", strchr(path, '?') == NULL ? "?" : "&", api_version);
    return qr_buf_status(url, err);
}

/* ---- requests ---- */

static enum qr_status fail_reply(struct qri_cli *cli, const struct qri_reply *reply,
                                 struct qr_err *err)
{
    const json_t *error = json_object_get(reply->json, "error");
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *message = json_string_value(json_object_get(error, "message"));
    cli->exit_code = reply->status == 404                           ? QR_CLI_NOT_FOUND
                     : reply->status == 401 || reply->status == 403 ? QR_CLI_LOGIN
                                                                    : QR_CLI_FAILED;
    if (code == NULL)
        return qr_fail(err, QR_PROTOCOL, "the service answers with HTTP status %ld", reply->status);
    enum qr_status status = reply->status == 429 || reply->status == 503 ? QR_BUSY : QR_CONFLICT;
    return qr_fail(err, status, "%s: %s", code, message == NULL ? "" : message);
}

enum qr_status qri_ask(struct qri_cli *cli, const char *method, const char *path,
                       const json_t *body, struct qri_reply *ret_reply, struct qr_err *err)
{
    struct qr_buf url;
    struct qri_reply reply = {0};
    qr_buf_init(&url, QRI_URL_BYTES * 4);
    enum qr_status status = url_of(cli, path, &url, err);
    for (int tries = 0; status == QR_OK && tries < 2; tries++) {
        status = qri_token_get(cli, tries > 0, err);
        if (status != QR_OK)
            break;
        qri_reply_done(&reply);
        status = qri_http(cli, method, qr_buf_cstr(&url), body, NULL, cli->token, &reply, err);
        if (reply.status != 401)
            break;
    }
    qr_buf_done(&url);
    if (status == QR_OK && reply.status / 100 != 2)
        status = fail_reply(cli, &reply, err);
    if (status == QR_OK)
        *ret_reply = reply;
    else
        qri_reply_done(&reply);
    return status;
}

/* Properties beside the other members, and the group that the id names, as az shows them. */
json_t *qri_flatten(json_t *resource)
{
    const char *key;
    json_t *value;
    if (!json_is_object(resource))
        return resource;
    json_t *flat = json_object(), *properties = json_object_get(resource, "properties");
    json_object_foreach(resource, key, value)
    {
        if (strcmp(key, "properties") != 0 || !json_is_object(value))
            json_object_set(flat, key, value);
    }
    if (json_is_object(properties))
        json_object_update_missing(flat, properties);
    const char *id = json_string_value(json_object_get(resource, "id"));
    const char *group = id == NULL ? NULL : strcasestr(id, "/resourceGroups/");
    if (group != NULL) {
        group += sizeof "/resourceGroups/" - 1;
        json_object_set_new(flat, "resourceGroup", json_stringn(group, strcspn(group, "/")));
    }
    json_decref(resource);
    return flat;
}

static enum qr_status add_page(json_t *list, const json_t *page, struct qr_err *err)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)page, i, item)
    {
        if (json_array_append_new(list, qri_flatten(json_incref(item))) != 0)
            return qr_fail(err, QR_NOMEM, "list");
    }
    return QR_OK;
}

enum qr_status qri_fetch(struct qri_cli *cli, const char *path, json_t **ret_value,
                         struct qr_err *err)
{
    struct qri_reply reply = {0};
    QR_TRY(qri_ask(cli, "GET", path, NULL, &reply, err));
    if (!json_is_array(json_object_get(reply.json, "value"))) {
        *ret_value = reply.json == NULL ? json_null() : qri_flatten(reply.json);
        return QR_OK;
    }
    json_t *list = json_array();
    enum qr_status status = QR_OK;
    for (int page = 0; status == QR_OK; page++) {
        status = add_page(list, json_object_get(reply.json, "value"), err);
        const char *next = json_string_value(json_object_get(reply.json, "nextLink"));
        if (status != QR_OK || next == NULL || page == PAGES_MAX)
            break;
        struct qri_reply more = {0};
        status = qri_ask(cli, "GET", next, NULL, &more, err);
        qri_reply_done(&reply);
        reply = more;
    }
    qri_reply_done(&reply);
    if (status == QR_OK)
        *ret_value = list;
    else
        json_decref(list);
    return status;
}

/* ---- bodies ---- */

static json_t *pairs_of(const char *text)
{
    json_t *object = json_object();
    for (; *text != '\0'; text += strcspn(text, "\n") + 1) {
        size_t name = strcspn(text, "="), line = strcspn(text, "\n");
        if (line > name)
            json_object_setn_new(object, text, name,
                                 json_stringn(text + name + 1, line - name - 1));
    }
    return object;
}

static json_t *value_of(struct qri_cli *cli, const struct qri_argument *row, const char *text)
{
    switch (row->kind) {
    case QRI_INTEGER:
    case QRI_SIZE:
        return json_integer(strtoll(text, NULL, 10));
    case QRI_NUMBER:
        return json_real(strtod(text, NULL));
    case QRI_FLAG:
    case QRI_SWITCH:
        return json_boolean(qri_arg_true(cli, row->key));
    case QRI_PAIRS:
        return pairs_of(text);
    case QRI_TEXT:
    case QRI_CHOICE:
    case QRI_TIME:
        break;
    }
    return json_string(text);
}

static enum qr_status set_members(struct qri_cli *cli, json_t *body, struct qr_err *err)
{
    for (const struct qri_argument *row = qri_arguments; row->key != NULL; row++) {
        const char *text = cli->values[row - qri_arguments];
        if (text == NULL || row->member == NULL)
            continue;
        bool inner = strncmp(row->member, "properties.", 11) == 0;
        json_t *object = inner ? json_object_get(body, "properties") : body;
        if (object == NULL) {
            object = json_object();
            json_object_set_new(body, "properties", object);
        }
        if (json_object_set_new(object, inner ? row->member + 11 : row->member,
                                value_of(cli, row, text)) != 0)
            return qr_fail(err, QR_INVALID, "%s: the value is no UTF-8", row->names);
    }
    return QR_OK;
}

/* ---- the command ---- */

static enum qr_status get(struct qri_cli *cli, const char *path, struct qr_err *err)
{
    json_t *value = NULL;
    QR_TRY(qri_fetch(cli, path, &value, err));
    enum qr_status status = qri_print(cli, value, err);
    json_decref(value);
    return status;
}

static enum qr_status change(struct qri_cli *cli, const char *path, const json_t *body,
                             struct qr_err *err)
{
    struct qri_reply reply = {0};
    json_t *result = NULL;
    bool has_body = json_object_size(body) > 0 || strcmp(cli->command->method, "PUT") == 0;
    bool is_delete = strcmp(cli->command->method, "DELETE") == 0;
    QR_TRY(qri_ask(cli, cli->command->method, path, has_body && !is_delete ? body : NULL, &reply,
                   err));
    enum qr_status status = QR_OK;
    if (reply.status == 202)
        status = qri_arg_given(cli, "no-wait") ? QR_OK : qri_wait(cli, &reply, &result, err);
    else if (reply.json != NULL)
        result = qri_flatten(json_incref(reply.json));
    qri_reply_done(&reply);
    if (status == QR_OK && result != NULL)
        status = qri_print(cli, result, err);
    json_decref(result);
    return status;
}

enum qr_status qri_request(struct qri_cli *cli, struct qr_err *err)
{
    const char *path = NULL;
    QR_TRY(qri_token_get(cli, false, err)); /* who is not logged in has no defaults either */
    QR_TRY(qri_fill_path(cli, cli->command->path, &path, err));
    if (strcmp(cli->command->method, "GET") == 0)
        return get(cli, path, err);
    json_t *body = json_object();
    enum qr_status status = set_members(cli, body, err);
    if (status == QR_OK && cli->command->prepare != NULL)
        status = cli->command->prepare(cli, body, err);
    if (status == QR_OK)
        status = change(cli, path, body, err);
    json_decref(body);
    return status;
}
