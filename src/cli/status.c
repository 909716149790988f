/* status.c - `quire status`: an instance on one page; by the API its servers, databases and what
 * runs on them, and with --data-dir, on its own machine, its processes and disk. */
#include <string.h>
#include "cli_int.h"
#include "status_int.h"
#include "base/banned.h"

enum { BUSY_MAX = 50 }; /* databases whose operations are asked for */

/* ---- by the API ---- */

static enum qr_status look_at_health(struct qri_cli *cli, json_t *all, struct qr_err *err)
{
    struct qri_reply reply = {0};
    const char *url = qr_arena_printf(&cli->arena, "%s/healthz", cli->profile.endpoint);
    if (url == NULL)
        return qr_fail(err, QR_NOMEM, "status");
    QR_TRY(qri_http(cli, "GET", url, NULL, NULL, NULL, &reply, err));
    const char *word = json_string_value(json_object_get(reply.json, "status"));
    json_object_set_new(all, "endpoint", json_string(cli->profile.endpoint));
    json_object_set_new(all, "health", json_string(word == NULL ? "unknown" : word));
    qri_reply_done(&reply);
    return QR_OK;
}

/* Adds the members of a resource that are wished for; those that are missing are left out. */
static void add_row(json_t *list, const json_t *resource, const char *const *members)
{
    json_t *row = json_object();
    for (; *members != NULL; members++) {
        json_t *value = json_object_get(resource, *members);
        if (value != NULL)
            json_object_set(row, *members, value);
    }
    json_array_append_new(list, row);
}

/* Only databases that something is done to have another status than these. */
static bool is_busy(const json_t *database)
{
    const char *status = json_string_value(json_object_get(database, "status"));
    return status != NULL && strcmp(status, "Online") != 0 && strcmp(status, "Disabled") != 0;
}

static enum qr_status add_operations(struct qri_cli *cli, const char *server_id,
                                     const json_t *database, json_t *list, struct qr_err *err)
{
    static const char *const members[] = {
        "databaseName", "operationFriendlyName", "state", "percentComplete", "startTime", NULL};
    const char *name = json_string_value(json_object_get(database, "name"));
    json_t *operations = NULL, *item;
    size_t i;
    const char *path = name == NULL ? NULL
                                    : qr_arena_printf(&cli->arena, "%s/databases/%s/operations",
                                                      server_id, qri_url_encode(&cli->arena, name));
    if (path == NULL)
        return QR_OK;
    enum qr_status status = qri_fetch(cli, path, &operations, err);
    if (status != QR_OK && cli->exit_code == QR_CLI_NOT_FOUND) {
        cli->exit_code = 0;
        return QR_OK; /* it has gone meanwhile */
    }
    QR_TRY(status);
    json_array_foreach(operations, i, item)
    {
        const char *state = json_string_value(json_object_get(item, "state"));
        if (state != NULL && (strcmp(state, "InProgress") == 0 || strcmp(state, "Pending") == 0 ||
                              strcmp(state, "CancelInProgress") == 0))
            add_row(list, item, members);
    }
    json_decref(operations);
    return QR_OK;
}

static enum qr_status look_at_server(struct qri_cli *cli, const json_t *server, json_t *all,
                                     struct qr_err *err)
{
    static const char *const server_members[] = {"name", "resourceGroup", "location", "state",
                                                 NULL};
    static const char *const members[] = {"server", "name", "status", "currentServiceObjectiveName",
                                          NULL};
    const char *id = json_string_value(json_object_get(server, "id"));
    const char *path = id == NULL ? NULL : qr_arena_printf(&cli->arena, "%s/databases", id);
    json_t *databases = NULL, *item;
    size_t i;
    int busy = 0;
    if (path == NULL)
        return QR_OK;
    add_row(json_object_get(all, "servers"), server, server_members);
    QR_TRY(qri_fetch(cli, path, &databases, err));
    enum qr_status status = QR_OK;
    json_array_foreach(databases, i, item)
    {
        json_object_set(item, "server", json_object_get(server, "name"));
        add_row(json_object_get(all, "databases"), item, members);
        if (status == QR_OK && is_busy(item) && busy++ < BUSY_MAX)
            status = add_operations(cli, id, item, json_object_get(all, "operations"), err);
    }
    json_decref(databases);
    return status;
}

static enum qr_status look_at_service(struct qri_cli *cli, json_t *all, struct qr_err *err)
{
    const char *path = NULL;
    json_t *servers = NULL, *item;
    size_t i;
    QR_TRY(qri_token_get(cli, false, err));
    QR_TRY(look_at_health(cli, all, err));
    QR_TRY(qri_fill_path(cli, "/subscriptions/{subscription}/providers/Microsoft.Sql/servers",
                         &path, err));
    QR_TRY(qri_fetch(cli, path, &servers, err));
    static const char *const lists[] = {"servers", "databases", "operations"};
    for (i = 0; i < sizeof lists / sizeof lists[0]; i++)
        json_object_set_new(all, lists[i], json_array());
    enum qr_status status = QR_OK;
    json_array_foreach(servers, i, item)
    {
        if (status == QR_OK)
            status = look_at_server(cli, item, all, err);
    }
    json_decref(servers);
    return status;
}

/* ---- together ---- */

static enum qr_status look_here(const char *data_dir, json_t *all, struct qr_err *err)
{
    json_t *list = NULL;
    QR_TRY(qri_status_disk(data_dir, &list, err));
    json_object_set_new(all, "disk", list);
    QR_TRY(qri_status_processes(data_dir, &list, err));
    json_object_set_new(all, "processes", list);
    return QR_OK;
}

static void print_page(const json_t *all, FILE *out)
{
    static const char *const parts[] = {"servers", "databases", "operations", "processes", "disk"};
    const char *endpoint = json_string_value(json_object_get(all, "endpoint"));
    if (endpoint != NULL)
        fprintf(out, "%s: %s\n", endpoint, json_string_value(json_object_get(all, "health")));
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const json_t *list = json_object_get(all, parts[i]);
        if (list == NULL)
            continue;
        fprintf(out, "\n%s: %zu\n", parts[i], json_array_size(list));
        qri_print_table(list, out);
    }
}

enum qr_status qri_status(struct qri_cli *cli, struct qr_err *err)
{
    const char *data_dir = qri_arg(cli, "data-dir");
    bool readable = !qri_arg_given(cli, "output") && !qri_arg_given(cli, "query");
    json_t *all = json_object();
    enum qr_status status = QR_OK;
    if (data_dir == NULL || *cli->profile.endpoint != '\0')
        status = look_at_service(cli, all, err);
    /* on its own machine, a server that does not answer is what one wants to look at */
    if (status != QR_OK && data_dir != NULL) {
        fprintf(stderr, "quire: %s\n", err->text);
        json_object_clear(all);
        status = QR_OK;
    }
    if (status == QR_OK && data_dir != NULL)
        status = look_here(data_dir, all, err);
    bool shown = json_object_size(all) > 0; /* of a server that is stopped: its disk */
    if (shown && readable)
        print_page(all, cli->out);
    else if (shown && status == QR_OK)
        status = qri_print(cli, all, err);
    json_decref(all);
    return status;
}
