/* cli.c - see cli/cli.h: one call from its arguments to its exit code. */
#include <curl/curl.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "cli_int.h"
#include "base/banned.h"

enum { ARENA_BYTES_MAX = 64 * 1024 * 1024 };

static enum qr_status find_home(struct qri_cli *cli, struct qr_err *err)
{
    const char *own = getenv("QUIRE_HOME"), *home = getenv("HOME");
    if (own != NULL && *own != '\0')
        cli->home = own;
    else if (home != NULL && *home != '\0')
        cli->home = qr_arena_printf(&cli->arena, "%s/.quire", home);
    else
        return qr_fail(err, QR_INVALID, "neither HOME nor QUIRE_HOME is set");
    return cli->home == NULL ? qr_fail(err, QR_NOMEM, "HOME") : QR_OK;
}

static enum qr_status run(struct qri_cli *cli, struct qr_err *err)
{
    const char *query = qri_arg(cli, "query");
    const struct qri_query *parsed = NULL;
    if (query != NULL) /* before anything is changed */
        QR_TRY(qr_wrap(err, qri_query_parse(&cli->arena, query, &parsed, err), "--query"));
    QR_TRY(find_home(cli, err));
    QR_TRY(qri_profile_load(cli, err));
    return cli->command->run != NULL ? cli->command->run(cli, err) : qri_request(cli, err);
}

int qr_cli_run(int argc, char **argv)
{
    struct qri_cli cli = {.out = stdout};
    struct qr_err err = {0};
    bool help = false;
    setlocale(LC_CTYPE, "");
    umask(077); /* of what is kept */
    qr_arena_init(&cli.arena, ARENA_BYTES_MAX);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    enum qr_status status = qri_args_parse(&cli, argc, argv, &help, &err);
    if (help)
        qri_print_help(&cli, status == QR_OK ? stdout : stderr);
    else if (status == QR_OK)
        status = run(&cli, &err);
    if (status != QR_OK && *err.text != '\0')
        fprintf(stderr, "quire: %s\n", err.text);
    int code = status == QR_OK        ? cli.exit_code
               : cli.exit_code != 0   ? cli.exit_code
               : status == QR_INVALID ? QR_CLI_USAGE
                                      : QR_CLI_FAILED;
    qri_http_done(&cli);
    curl_global_cleanup();
    qr_arena_done(&cli.arena);
    return code;
}
