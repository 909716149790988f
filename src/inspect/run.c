/* run.c - see inspect/inspect.h: arguments, damage, exit codes */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "inspect_int.h"
#include "base/banned.h"

static const char usage_text[] =
    "usage: quire storage inspect  PLACE [--format table|json] [--timeline ID]\n"
    "       quire storage verify   PLACE [--format table|json] [--timeline ID]\n"
    "       quire storage dump-log PLACE [--format table|json] --timeline ID\n"
    "                              [--from LSN] [--to LSN] [--bytes]\n"
    "                              [--server-key-file FILE]\n"
    "PLACE is a data directory, a directory below it, one file, or a blob store's URL\n"
    "(--credential-file FILE: a line key=... or sas=...). What is encrypted is read with\n"
    "--server-key-file, or the server.key that is found in PLACE or above it. verify ends with 1 "
    "if anything is\n"
    "damaged, one line for each.\n";

/* --- damage --- */

void qri_where(struct qri_run *run, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(run->where, sizeof run->where, fmt, args);
    va_end(args);
}

void qri_damage(struct qri_run *run, const char *part, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    run->damage_count++;
    qri_row(&run->out, "damage");
    qri_cell_text(&run->out, "place", run->where);
    qri_cell_text(&run->out, "part", part);
    qri_cell_text(&run->out, "what", text);
    qri_row_end(&run->out);
}

bool qri_take(struct qri_run *run, const char *part, enum qr_status status, struct qr_err *err)
{
    if (status == QR_OK)
        return true;
    if (status == QR_CORRUPT || status == QR_TRUNCATED || status == QR_UNSUPPORTED) {
        qri_damage(run, part, "%s", err->text);
    } else {
        run->failed = true;
        fprintf(run->errors, "quire: %s: %s: %s\n", run->where, part, err->text);
    }
    qr_err_reset(err);
    return false;
}

bool qri_wanted(const struct qri_run *run, const struct qr_timeline *timeline)
{
    return !run->has_timeline || qr_timeline_eq(&run->timeline, timeline);
}

bool qri_parse_timeline(const char *hex, size_t count, struct qr_timeline *ret_timeline)
{
    struct qr_timeline t;
    if (count != QR_TIMELINE_HEX_BYTES - 1 || strspn(hex, "0123456789abcdef") < count)
        return false;
    for (size_t i = 0; i < QR_TIMELINE_BYTES; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        t.id[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    *ret_timeline = t;
    return true;
}

/* --- arguments --- */

struct args {
    const char *place, *format, *timeline, *from, *to, *credential_file, *server_key_file;
    bool bytes;
};

/* A timeline as we print it, or as a UUID. */
static bool take_timeline(struct qri_run *run, const char *text)
{
    char hex[64];
    size_t n = 0;
    for (const char *p = text; *p != '\0' && n + 1 < sizeof hex; p++) {
        if (*p != '-')
            hex[n++] = *p >= 'A' && *p <= 'F' ? (char)(*p - 'A' + 'a') : *p;
    }
    hex[n] = '\0';
    run->has_timeline = qri_parse_timeline(hex, n, &run->timeline);
    return run->has_timeline;
}

static bool take_number(const char *text, uint64_t *ret_number)
{
    char *end;
    uint64_t number = strtoull(text, &end, 0);
    if (text[0] < '0' || text[0] > '9' || *end != '\0')
        return false;
    *ret_number = number;
    return true;
}

static bool parse_args(int argc, const char *const *argv, struct args *args)
{
    const struct {
        const char *name;
        const char **value;
    } options[] = {
        {"--format", &args->format},
        {"--timeline", &args->timeline},
        {"--from", &args->from},
        {"--to", &args->to},
        {"--credential-file", &args->credential_file},
        {"--server-key-file", &args->server_key_file},
    };
    for (int i = 1; i < argc; i++) {
        bool known = false;
        for (size_t k = 0; k < sizeof options / sizeof options[0] && !known; k++) {
            if (strcmp(argv[i], options[k].name) == 0 && i + 1 < argc) {
                *options[k].value = argv[++i];
                known = true;
            }
        }
        if (!known && strcmp(argv[i], "--bytes") == 0) {
            args->bytes = true;
        } else if (!known && argv[i][0] != '-' && args->place == NULL) {
            args->place = argv[i];
        } else if (!known) {
            return false;
        }
    }
    return args->place != NULL;
}

static bool take_task(const char *word, enum qri_task *ret_task)
{
    static const char *const words[] = {
        [QRI_INSPECT] = "inspect", [QRI_VERIFY] = "verify", [QRI_DUMP] = "dump-log"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(word, words[i]) == 0) {
            *ret_task = (enum qri_task)i;
            return true;
        }
    }
    return false;
}

static bool take_args(struct qri_run *run, const struct args *args)
{
    if (args->format != NULL && strcmp(args->format, "table") != 0 &&
        strcmp(args->format, "json") != 0)
        return false;
    if (args->timeline != NULL && !take_timeline(run, args->timeline))
        return false;
    if (run->task == QRI_DUMP && !run->has_timeline)
        return false;
    run->bytes_wanted = args->bytes;
    run->to_lsn = UINT64_MAX;
    return (args->from == NULL || take_number(args->from, &run->from_lsn)) &&
           (args->to == NULL || take_number(args->to, &run->to_lsn));
}

/* --- the run --- */

static void look_at_url(struct qri_run *run, const char *url, const char *credential_file)
{
    struct qr_buf credential;
    struct qr_blob *blob = NULL;
    struct qr_err err;
    qr_err_reset(&err);
    qr_buf_init(&credential, 4096);
    qri_where(run, "%s", url);
    enum qr_status status = QR_OK;
    if (credential_file != NULL)
        status = qr_env_read_file(run->env, credential_file, &credential, &err);
    while (credential.len > 0 && credential.data[credential.len - 1] <= ' ')
        credential.len--;
    if (status == QR_OK)
        status = qr_blob_open_made(run->env, NULL, url, qr_buf_cstr(&credential), &blob, &err);
    if (qri_take(run, "blob store", status, &err)) {
        qri_keys_in(run, blob);
        qri_look_at_blob(run, blob, url);
    }
    qr_keyring_free(QR_TAKE(run->keyring)); /* it reads from the store */
    qr_blob_close(blob);
    qr_buf_done(&credential);
}

static void run_all(struct qri_run *run, const struct args *args)
{
    bool is_url = strstr(args->place, "://") != NULL;
    qri_keys_open(run, is_url ? NULL : args->place, args->server_key_file);
    if (is_url)
        look_at_url(run, args->place, args->credential_file);
    else
        qri_look_at_path(run, args->place);
    if (!run->found && !run->failed) {
        run->failed = true;
        fprintf(run->errors, "quire: '%s' holds nothing of quire's storage\n", args->place);
    }
    if (run->task != QRI_VERIFY)
        return;
    qri_row(&run->out, "verified");
    qri_cell_u64(&run->out, "checked", run->checked_count);
    qri_cell_u64(&run->out, "damaged", run->damage_count);
    qri_cell_text(&run->out, "result",
                  run->damage_count > 0 ? "damaged"
                  : run->failed         ? "not all could be read"
                                        : "whole");
    qri_row_end(&run->out);
}

enum qr_inspect_exit qr_inspect_run(struct qr_env *env, int argc, const char *const *argv,
                                    FILE *out, FILE *errors)
{
    struct qri_run run = {.env = env, .errors = errors};
    struct args args = {.place = NULL};
    if (argc < 1 || !take_task(argv[0], &run.task) || !parse_args(argc, argv, &args) ||
        !take_args(&run, &args)) {
        fputs(usage_text, errors);
        return QR_INSPECT_USAGE;
    }
    qri_out_init(&run.out, out, args.format != NULL && strcmp(args.format, "json") == 0);
    qr_map_init(&run.known, false);
    run.dump = run.task == QRI_DUMP ? qri_dump_new(&run) : NULL;
    if (run.task == QRI_DUMP && run.dump == NULL)
        run.failed = true;
    else
        run_all(&run, &args);
    qri_dump_free(run.dump);
    qri_keys_close(&run);
    const struct qr_map_entry *entry;
    for (size_t i = 0; qr_map_next(&run.known, &i, &entry);)
        free(entry->value);
    qr_map_done(&run.known);
    qri_out_done(&run.out);
    if (run.damage_count > 0)
        return QR_INSPECT_DAMAGED;
    return run.failed ? QR_INSPECT_FAILED : QR_INSPECT_WHOLE;
}
