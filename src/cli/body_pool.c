/* body_pool.c - see cli_int.h: elastic pools in requests. */
#include <stdlib.h>
#include <string.h>
#include "cli_int.h"
#include "base/banned.h"

#define SERVER_OF(group, server)                                                                   \
    "/subscriptions/{subscription}/resourceGroups/{" group                                         \
    "}/providers/Microsoft.Sql/servers/{" server "}"

/* A name is that of a pool of the server that the database is to be on. */
enum qr_status qri_add_pool(struct qri_cli *cli, json_t *properties, struct qr_err *err)
{
    const char *pool = qri_arg(cli, "elastic-pool"), *server = NULL;
    if (pool == NULL)
        return QR_OK;
    bool elsewhere = qri_command_has(cli->command, "dest");
    QR_TRY(qri_fill_path(
        cli, elsewhere ? SERVER_OF("dest-group", "dest-server") : SERVER_OF("group", "server"),
        &server, err));
    const char *id = *pool == '/' ? pool
                                  : qr_arena_printf(&cli->arena, "%s/elasticPools/%s", server,
                                                    qri_url_encode(&cli->arena, pool));
    if (id == NULL || json_object_set_new(properties, "elasticPoolId", json_string(id)) != 0)
        return qr_fail(err, QR_INVALID, "--elastic-pool: the name is no UTF-8");
    return QR_OK;
}

static void set_capacity(struct qri_cli *cli, const char *key, json_t *settings, const char *member)
{
    const char *text = qri_arg(cli, key);
    if (text != NULL)
        json_object_set_new(settings, member, json_real(strtod(text, NULL)));
}

enum qr_status qri_prepare_pool(struct qri_cli *cli, json_t *body, struct qr_err *err)
{
    json_t *sku = json_object(), *settings = json_object();
    if (qri_arg_given(cli, "edition"))
        json_object_set_new(sku, "tier", json_string(qri_arg(cli, "edition")));
    if (qri_arg_given(cli, "family"))
        json_object_set_new(sku, "family", json_string(qri_arg(cli, "family")));
    if (qri_arg_given(cli, "pool-capacity"))
        json_object_set_new(sku, "capacity", json_integer(qri_arg_integer(cli, "pool-capacity")));
    set_capacity(cli, "db-min-capacity", settings, "minCapacity");
    set_capacity(cli, "db-max-capacity", settings, "maxCapacity");
    if (json_object_size(sku) > 0)
        json_object_set(body, "sku", sku);
    if (json_object_size(settings) > 0) {
        if (json_object_get(body, "properties") == NULL)
            json_object_set_new(body, "properties", json_object());
        json_object_set(json_object_get(body, "properties"), "perDatabaseSettings", settings);
    }
    json_decref(sku);
    json_decref(settings);
    if (strcmp(cli->command->method, "PATCH") == 0 && json_object_size(body) == 0)
        return qr_fail(err, QR_INVALID,
                       "nothing is to be changed: see quire sql elastic-pool update --help");
    return QR_OK;
}

enum qr_status qri_list_databases_of(struct qri_cli *cli, struct qr_err *err)
{
    const char *path = NULL;
    json_t *list = NULL;
    QR_TRY(qri_token_get(cli, false, err));
    QR_TRY(qri_fill_path(cli,
                         qri_arg_given(cli, "in-pool")
                             ? SERVER_OF("group", "server") "/elasticPools/{in-pool}/databases"
                             : SERVER_OF("group", "server") "/databases",
                         &path, err));
    QR_TRY(qri_fetch(cli, path, &list, err));
    enum qr_status status = qri_print(cli, list, err);
    json_decref(list);
    return status;
}
