/* sql_where.c - which server, as whom: the options that the prompt and the load generator share. */
#include <string.h>
#include "cli_int.h"
#include "sql_link.h"
#include "base/banned.h"

enum { LOGIN_TIMEOUT_S = 30 };

static enum qr_status take_address(struct qri_cli *cli, const char *at,
                                   struct qri_sql_link_options *o, struct qr_err *err)
{
    const char *port = NULL;
    size_t n;
    if (at == NULL && *cli->profile.sql != '\0')
        at = cli->profile.sql;
    if (at == NULL && *cli->profile.endpoint != '\0') { /* https://HOST:PORT, [::1] too */
        at = cli->profile.endpoint + sizeof "https://" - 1;
        n = *at == '[' ? strcspn(at, "]") + 1 : strcspn(at, ":/");
    } else if (at == NULL) {
        return qr_fail(err, QR_INVALID, "--server is missing: HOST,PORT");
    } else {
        at += strncmp(at, "tcp:", 4) == 0 ? 4 : 0;
        n = strcspn(at, ",");
        port = at[n] == ',' ? at + n + 1 : NULL;
    }
    if (*at == '[' && n > 2)
        o->host = qr_arena_dup(&cli->arena, at + 1, n - 2);
    else
        o->host = qr_arena_dup(&cli->arena, at, n);
    o->port = port == NULL ? "1433" : qr_arena_dup(&cli->arena, port, strlen(port));
    if (o->host == NULL || o->port == NULL || n == 0 ||
        strspn(o->port, "0123456789") != strlen(o->port) || strlen(o->port) > 5)
        return qr_fail(err, QR_INVALID, "--server: '%.200s' is not HOST,PORT", at);
    return QR_OK;
}

static const char *given(struct qri_cli *cli, const char *key, const char *other)
{
    const char *value = qri_arg(cli, key);
    return value != NULL || other == NULL ? value : qr_arena_dup(&cli->arena, other, strlen(other));
}

enum qr_status qri_sql_where_take(struct qri_cli *cli, const struct qri_sql_where *where,
                                  struct qri_sql_link_options *ret_options, struct qr_err *err)
{
    const char *ca = qri_arg(cli, "ca"), *user = given(cli, "sql-user", where->user);
    const char *server = qri_arg(cli, "sql-server");
    const char *database = given(cli, "sql-db", where->database);
    struct qri_sql_link_options o = {
        .ca = ca == NULL ? cli->profile.ca : ca,
        .user = user != NULL || cli->profile.is_service ? user : cli->profile.login,
        .database = database == NULL ? "master" : database,
        .login_timeout_s = qri_arg_given(cli, "login-timeout")
                               ? (int)qri_arg_integer(cli, "login-timeout")
                               : LOGIN_TIMEOUT_S,
    };
    QR_TRY(take_address(cli, server == NULL ? where->server : server, &o, err));
    if (o.user == NULL || *o.user == '\0')
        return qr_fail(err, QR_INVALID, "--user is missing");
    o.password = qri_arg(cli, "sql-password") != NULL || where->password == NULL
                     ? NULL
                     : given(cli, "sql-password", where->password);
    if (o.password == NULL)
        QR_TRY(qri_password_get(cli, "sql-password", "Password: ", &o.password, err));
    *ret_options = o;
    return QR_OK;
}
