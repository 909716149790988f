/* output.c - see cli_int.h: an answer through the queries into the format that was asked for. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "cli_int.h"
#include "base/banned.h"

enum qri_format qri_format_of(const struct qri_cli *cli)
{
    static const char *const names[] = {
        [QRI_JSON] = "json", [QRI_JSONC] = "jsonc", [QRI_TABLE] = "table",
        [QRI_TSV] = "tsv",   [QRI_YAML] = "yaml",   [QRI_NONE] = "none"};
    const char *text = qri_arg(cli, "output");
    for (size_t i = 0; text != NULL && i < sizeof names / sizeof names[0]; i++)
        if (strcmp(text, names[i]) == 0)
            return (enum qri_format)i;
    return QRI_JSON;
}

/* Takes the reference of *value and puts another there. */
static enum qr_status apply(struct qri_cli *cli, const char *text, json_t **value,
                            struct qr_err *err)
{
    const struct qri_query *query = NULL;
    json_t *result = NULL;
    QR_TRY(qri_query_parse(&cli->arena, text, &query, err));
    QR_TRY(qri_query_run(query, *value, &result, err));
    json_decref(*value);
    *value = result;
    return QR_OK;
}

static void print_json(const json_t *value, FILE *out)
{
    (void)json_dumpf(value, out, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    fputs("\n", out);
}

static void print_as(const json_t *value, enum qri_format format, FILE *out)
{
    static void (*const printers[])(const json_t *value, FILE *out) = {
        [QRI_JSON] = print_json,   [QRI_JSONC] = qri_print_coloured, [QRI_TABLE] = qri_print_table,
        [QRI_TSV] = qri_print_tsv, [QRI_YAML] = qri_print_yaml,
    };
    if (format != QRI_NONE)
        printers[format](value, out);
}

/* `value` is borrowed. */
enum qr_status qri_print(struct qri_cli *cli, json_t *value, struct qr_err *err)
{
    enum qri_format format = qri_format_of(cli);
    const char *query = qri_arg(cli, "query");
    if (query == NULL && format == QRI_TABLE)
        query = cli->command->table;
    json_t *shown = json_incref(value);
    enum qr_status status = query == NULL ? QR_OK : apply(cli, query, &shown, err);
    if (status == QR_OK)
        print_as(shown, format, cli->out);
    json_decref(shown);
    if (status == QR_OK && fflush(cli->out) != 0)
        status = qr_fail(err, QR_IO, "write the answer: %s", strerror(errno));
    return status;
}
