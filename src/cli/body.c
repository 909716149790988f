/* body.c - see cli_int.h: what commands put into requests beside the members of their arguments. */
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "cli_int.h"
#include "base/banned.h"

/* ---- objectives ---- */

static const char *prefix_of(const char *tier)
{
    static const struct {
        const char *tier, *prefix;
    } rows[] = {{"GeneralPurpose", "GP"}, {"BusinessCritical", "BC"}, {"Hyperscale", "HS"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcasecmp(tier, rows[i].tier) == 0)
            return rows[i].prefix;
    return NULL; /* one of DTUs */
}

static const char *either(const char *given, const json_t *now, const char *key)
{
    const char *text = json_string_value(json_object_get(now, key));
    return given != NULL ? given : text;
}

static enum qr_status sku_of_objective(struct qri_cli *cli, const char *objective, json_t *sku,
                                       struct qr_err *err)
{
    const char *model = qri_arg(cli, "model"), *tier = qri_arg(cli, "edition");
    bool is_serverless = strstr(objective, "_S_") != NULL;
    if (model != NULL && is_serverless != (strcmp(model, "Serverless") == 0))
        return qr_fail(err, QR_INVALID, "--compute-model: '%s' is %s", objective,
                       is_serverless ? "Serverless" : "Provisioned");
    json_object_set_new(sku, "name", json_string(objective));
    if (tier != NULL)
        json_object_set_new(sku, "tier", json_string(tier));
    return QR_OK;
}

/* From tier, hardware and capacity; what is not said is as it is `now` (NULL: there is none). */
static enum qr_status sku_of_parts(struct qri_cli *cli, const json_t *now, json_t *sku,
                                   struct qr_err *err)
{
    const char *tier = either(qri_arg(cli, "edition"), now, "tier");
    const char *family = either(qri_arg(cli, "family"), now, "family");
    const char *was = json_string_value(json_object_get(now, "name")),
               *model = qri_arg(cli, "model");
    tier = tier == NULL ? "GeneralPurpose" : tier;
    const char *prefix = prefix_of(tier);
    bool only_tier =
        now == NULL && family == NULL && model == NULL && !qri_arg_given(cli, "capacity");
    bool serverless = model != NULL ? strcmp(model, "Serverless") == 0
                                    : was != NULL && strstr(was, "_S_") != NULL;
    json_object_set_new(sku, "tier", json_string(tier));
    if (only_tier)
        return QR_OK; /* the service has a default */
    if (prefix == NULL) {
        json_object_set_new(sku, "name", json_string(tier));
    } else {
        const char *name = qr_arena_printf(&cli->arena, "%s%s_%s", prefix, serverless ? "_S" : "",
                                           family == NULL ? "Gen5" : family);
        if (name == NULL)
            return qr_fail(err, QR_NOMEM, "sku");
        json_object_set_new(sku, "name", json_string(name));
    }
    bool kept = prefix != NULL && json_object_get(now, "family") != NULL;
    if (qri_arg_given(cli, "capacity"))
        json_object_set_new(sku, "capacity", json_integer(qri_arg_integer(cli, "capacity")));
    else if (kept)
        json_object_set(sku, "capacity", json_object_get(now, "capacity"));
    return QR_OK;
}

static json_t *properties_of(json_t *body)
{
    json_t *properties = json_object_get(body, "properties");
    if (properties != NULL)
        return properties;
    properties = json_object();
    json_object_set_new(body, "properties", properties);
    return properties;
}

static enum qr_status add_sku(struct qri_cli *cli, const json_t *now, json_t *body,
                              struct qr_err *err)
{
    const char *objective = qri_arg(cli, "objective");
    if (qri_arg_given(cli, "elastic-pool"))
        QR_TRY(qri_add_pool(cli, properties_of(body), err));
    if (objective == NULL && !qri_arg_given(cli, "edition") && !qri_arg_given(cli, "family") &&
        !qri_arg_given(cli, "capacity") && !qri_arg_given(cli, "model"))
        return QR_OK;
    json_t *sku = json_object();
    json_object_set_new(body, "sku", sku);
    return objective != NULL ? sku_of_objective(cli, objective, sku, err)
                             : sku_of_parts(cli, now, sku, err);
}

/* ---- databases ---- */

enum qr_status qri_prepare_create(struct qri_cli *cli, json_t *body, struct qr_err *err)
{
    return add_sku(cli, NULL, body, err);
}

enum qr_status qri_prepare_update(struct qri_cli *cli, json_t *body, struct qr_err *err)
{
    const char *path = NULL;
    json_t *now = NULL;
    QR_TRY(qri_fill_path(cli, cli->command->path, &path, err));
    QR_TRY(qri_fetch(cli, path, &now, err));
    enum qr_status status = add_sku(cli, json_object_get(now, "sku"), body, err);
    json_decref(now);
    if (status == QR_OK && json_object_size(body) == 0)
        return qr_fail(err, QR_INVALID, "nothing is to be changed: see quire sql db update --help");
    return status;
}

static enum qr_status name_source(struct qri_cli *cli, const char *mode, json_t *body,
                                  struct qr_err *err)
{
    json_t *p = properties_of(body);
    const char *id = qr_arena_printf(
        &cli->arena,
        "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Sql/servers/%s/databases/%s",
        qri_argument_value(cli, qr_str("subscription")), qri_argument_value(cli, qr_str("group")),
        qri_argument_value(cli, qr_str("server")), qri_arg(cli, "db"));
    if (id == NULL || json_object_set_new(p, "createMode", json_string(mode)) != 0 ||
        json_object_set_new(p, "sourceDatabaseId", json_string(id)) != 0)
        return qr_fail(err, QR_INVALID, "--name: the name is no UTF-8");
    return add_sku(cli, NULL, body, err);
}

enum qr_status qri_prepare_copy(struct qri_cli *cli, json_t *body, struct qr_err *err)
{
    return name_source(cli, "Copy", body, err);
}

enum qr_status qri_prepare_restore(struct qri_cli *cli, json_t *body, struct qr_err *err)
{
    bool of_deleted = qri_arg_given(cli, "deleted-time");
    if (!of_deleted && !qri_arg_given(cli, "time"))
        return qr_fail(err, QR_INVALID,
                       "--time is missing, or --deleted-time of a deleted database");
    return name_source(cli, of_deleted ? "Restore" : "PointInTimeRestore", body, err);
}

static enum qr_status restore_backup(struct qri_cli *cli, const char *mode, json_t *body,
                                     struct qr_err *err)
{
    json_object_set_new(properties_of(body), "createMode", json_string(mode));
    return add_sku(cli, NULL, body, err);
}

enum qr_status qri_prepare_long_restore(struct qri_cli *cli, json_t *body, struct qr_err *err)
{
    return restore_backup(cli, "RestoreLongTermRetentionBackup", body, err);
}

enum qr_status qri_prepare_geo_restore(struct qri_cli *cli, json_t *body, struct qr_err *err)
{
    return restore_backup(cli, "Recovery", body, err);
}

/* The path says how much of a region is meant. */
enum qr_status qri_list_long_backups_of(struct qri_cli *cli, struct qr_err *err)
{
    const char *state = qri_arg(cli, "db-state"), *path = NULL;
    bool of_group = qri_arg_given(cli, "in-group"), of_server = qri_arg_given(cli, "ltr-server");
    bool of_database = qri_arg_given(cli, "ltr-db");
    json_t *list = NULL;
    QR_TRY(qri_token_get(cli, false, err));
    if (of_database && !of_server)
        return qr_fail(err, QR_INVALID, "--server is missing: the database is one of it");
    const char *pattern = qr_arena_printf(
        &cli->arena,
        "/subscriptions/{subscription}%s/providers/Microsoft.Sql/locations/{at-location}%s%s/"
        "longTermRetentionBackups?databaseState=%s&onlyLatestPerDatabase=%s",
        of_group ? "/resourceGroups/{in-group}" : "",
        of_server ? "/longTermRetentionServers/{ltr-server}" : "",
        of_database ? "/longTermRetentionDatabases/{ltr-db}" : "", state == NULL ? "All" : state,
        qri_arg_true(cli, "latest") ? "true" : "false");
    if (pattern == NULL)
        return qr_fail(err, QR_NOMEM, "path");
    QR_TRY(qri_fill_path(cli, pattern, &path, err));
    QR_TRY(qri_fetch(cli, path, &list, err));
    enum qr_status status = qri_print(cli, list, err);
    json_decref(list);
    return status;
}

enum qr_status qri_list_decisions(struct qri_cli *cli, struct qr_err *err)
{
    const char *top = qri_arg(cli, "top"), *path = NULL;
    json_t *list = NULL;
    QR_TRY(qri_token_get(cli, false, err));
    const char *pattern =
        qr_arena_printf(&cli->arena,
                        "/subscriptions/{subscription}/resourceGroups/{group}/providers/"
                        "Microsoft.Sql/servers/{server}/databases/{db}/quireAutoscale/current/"
                        "decisions?$top=%s",
                        top == NULL ? "100" : top);
    if (pattern == NULL)
        return qr_fail(err, QR_NOMEM, "path");
    QR_TRY(qri_fill_path(cli, pattern, &path, err));
    QR_TRY(qri_fetch(cli, path, &list, err));
    enum qr_status status = qri_print(cli, list, err);
    json_decref(list);
    return status;
}

enum qr_status qri_prepare_replica(struct qri_cli *cli, json_t *body, struct qr_err *err)
{
    return name_source(cli, "Secondary", body, err);
}

enum qr_status qri_rename(struct qri_cli *cli, struct qr_err *err)
{
    static const char pattern[] = "/subscriptions/{subscription}/resourceGroups/{group}/providers/"
                                  "Microsoft.Sql/servers/{server}/databases/{";
    struct qri_reply reply = {0};
    const char *from = NULL, *to = NULL;
    const char *of_old = qr_arena_printf(&cli->arena, "%sdb}", pattern);
    const char *of_new = qr_arena_printf(&cli->arena, "%snew-name}", pattern);
    if (of_old == NULL || of_new == NULL)
        return qr_fail(err, QR_NOMEM, "rename");
    QR_TRY(qri_token_get(cli, false, err));
    QR_TRY(qri_fill_path(cli, of_old, &from, err));
    QR_TRY(qri_fill_path(cli, of_new, &to, err));
    size_t n = strlen(to) - strlen(qri_url_encode(&cli->arena, qri_arg(cli, "new-name")));
    const char *id = qr_arena_printf(&cli->arena, "%.*s%s", (int)n, to, qri_arg(cli, "new-name"));
    const char *move = qr_arena_printf(&cli->arena, "%s/move", from);
    json_t *body = id == NULL ? NULL : json_pack("{s:s}", "id", id);
    if (body == NULL || move == NULL)
        return qr_fail(err, QR_INVALID, "--new-name: the name is no UTF-8");
    enum qr_status status = qri_ask(cli, "POST", move, body, &reply, err);
    json_decref(body);
    QR_TRY(status);
    qri_reply_done(&reply);
    json_t *shown = NULL;
    QR_TRY(qri_fetch(cli, to, &shown, err));
    status = qri_print(cli, shown, err);
    json_decref(shown);
    return status;
}

/* ---- deletions ---- */

enum qr_status qri_prepare_delete(struct qri_cli *cli, json_t *body, struct qr_err *err)
{
    char answer[16] = "";
    (void)body;
    if (qri_arg_given(cli, "yes"))
        return QR_OK;
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return qr_fail(err, QR_INVALID, "nobody can be asked whether to go on: --yes is missing");
    fprintf(stderr, "quire %s: are you sure? (y/n): ", cli->command->words);
    if (fgets(answer, sizeof answer, stdin) != NULL && (*answer == 'y' || *answer == 'Y'))
        return QR_OK;
    cli->exit_code = QR_CLI_FAILED;
    return qr_fail(err, QR_CANCELLED, "nothing was deleted");
}

enum qr_status qri_delete_replica(struct qri_cli *cli, struct qr_err *err)
{
    struct qri_reply reply = {0};
    json_t *links = NULL, *item;
    const char *list = NULL, *path = NULL;
    size_t i;
    QR_TRY(qri_token_get(cli, false, err));
    QR_TRY(qri_prepare_delete(cli, NULL, err));
    QR_TRY(qri_fill_path(
        cli,
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Sql/"
        "servers/{server}/databases/{db}/replicationLinks",
        &list, err));
    QR_TRY(qri_fetch(cli, list, &links, err));
    json_array_foreach(links, i, item)
    {
        const char *server = json_string_value(json_object_get(item, "partnerServer"));
        const char *name = json_string_value(json_object_get(item, "name"));
        if (path == NULL && server != NULL && name != NULL &&
            strcasecmp(server, qri_arg(cli, "partner-server")) == 0)
            path = qr_arena_printf(&cli->arena, "%s/%s", list, qri_url_encode(&cli->arena, name));
    }
    json_decref(links);
    if (path == NULL) {
        cli->exit_code = QR_CLI_NOT_FOUND;
        return qr_fail(err, QR_NOT_FOUND, "there is no replica on server '%s'",
                       qri_arg(cli, "partner-server"));
    }
    QR_TRY(qri_ask(cli, "DELETE", path, NULL, &reply, err));
    enum qr_status status = QR_OK;
    json_t *result = NULL;
    if (reply.status == 202)
        status = qri_wait(cli, &reply, &result, err);
    json_decref(result);
    qri_reply_done(&reply);
    return status;
}

/* ---- servers ---- */

enum qr_status qri_list_servers_of(struct qri_cli *cli, struct qr_err *err)
{
    const char *path = NULL;
    json_t *list = NULL;
    QR_TRY(qri_token_get(cli, false, err));
    QR_TRY(qri_fill_path(cli,
                         qri_arg_given(cli, "in-group")
                             ? "/subscriptions/{subscription}/resourceGroups/{in-group}/providers/"
                               "Microsoft.Sql/servers"
                             : "/subscriptions/{subscription}/providers/Microsoft.Sql/servers",
                         &path, err));
    QR_TRY(qri_fetch(cli, path, &list, err));
    enum qr_status status = qri_print(cli, list, err);
    json_decref(list);
    return status;
}

enum qr_status qri_prepare_server(struct qri_cli *cli, json_t *body, struct qr_err *err)
{
    json_t *p = properties_of(body);
    bool makes = strcmp(cli->command->method, "PUT") == 0;
    const char *password = NULL;
    if (makes) {
        QR_TRY(
            qri_password_get(cli, "admin-password", "Administrator's password: ", &password, err));
        json_object_set_new(p, "administratorLoginPassword", json_string(password));
    }
    if (qri_arg_given(cli, "public"))
        json_object_set_new(p, "publicNetworkAccess",
                            json_string(qri_arg_true(cli, "public") ? "Enabled" : "Disabled"));
    if (!makes && json_object_size(p) == 0 && json_object_get(body, "tags") == NULL)
        return qr_fail(err, QR_INVALID,
                       "nothing is to be changed: see quire sql server update --help");
    return QR_OK;
}

/* ---- what a region offers ---- */

/* Leaves the items of that name (NULL: all). */
static void keep_named(json_t *list, const char *name)
{
    for (size_t i = json_array_size(list); name != NULL && i > 0; i--) {
        const char *own = json_string_value(json_object_get(json_array_get(list, i - 1), "name"));
        if (own == NULL || strcasecmp(own, name) != 0)
            json_array_remove(list, i - 1);
    }
}

/* The objectives of an edition that can be chosen, or all. False: none is left. */
static bool keep_objectives(struct qri_cli *cli, json_t *edition)
{
    json_t *list = json_object_get(edition, "supportedServiceLevelObjectives");
    keep_named(list, qri_arg(cli, "objective"));
    for (size_t i = json_array_size(list); qri_arg_given(cli, "available") && i > 0; i--) {
        const char *status =
            json_string_value(json_object_get(json_array_get(list, i - 1), "status"));
        if (status == NULL || (strcmp(status, "Available") != 0 && strcmp(status, "Default") != 0))
            json_array_remove(list, i - 1);
    }
    return json_array_size(list) > 0;
}

enum qr_status qri_list_editions(struct qri_cli *cli, struct qr_err *err)
{
    const char *path = NULL;
    json_t *all = NULL;
    QR_TRY(qri_token_get(cli, false, err));
    QR_TRY(qri_fill_path(
        cli,
        "/subscriptions/{subscription}/providers/Microsoft.Sql/locations/{at-location}/"
        "capabilities",
        &path, err));
    QR_TRY(qri_fetch(cli, path, &all, err));
    json_t *version = json_array_get(json_object_get(all, "supportedServerVersions"), 0);
    json_t *editions = json_object_get(version, "supportedEditions");
    keep_named(editions, qri_arg(cli, "edition"));
    for (size_t i = json_array_size(editions); i > 0; i--)
        if (!keep_objectives(cli, json_array_get(editions, i - 1)))
            json_array_remove(editions, i - 1);
    enum qr_status status = editions == NULL
                                ? qr_fail(err, QR_PROTOCOL, "the service does not list its tiers")
                                : qri_print(cli, editions, err);
    json_decref(all);
    return status;
}

/* ---- anything ---- */

enum qr_status qri_rest(struct qri_cli *cli, struct qr_err *err)
{
    struct qri_reply reply = {0};
    const char *method = qri_arg(cli, "method"), *text = qri_arg(cli, "body");
    char upper[8] = "GET";
    json_t *body = NULL;
    for (size_t i = 0; method != NULL && i < sizeof upper; i++) {
        upper[i] = method[i] >= 'a' ? (char)(method[i] - 'a' + 'A') : method[i];
        if (method[i] == '\0')
            break;
    }
    if (text != NULL && (body = json_loads(text, JSON_DECODE_ANY, NULL)) == NULL)
        return qr_fail(err, QR_INVALID, "--body: that is no JSON");
    enum qr_status status = qri_ask(cli, upper, qri_arg(cli, "url"), body, &reply, err);
    json_decref(body);
    if (status == QR_OK && reply.json != NULL)
        status = qri_print(cli, reply.json, err);
    if (status == QR_OK)
        qri_reply_done(&reply);
    return status;
}
