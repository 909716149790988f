/* quire_db.c - `quire db ...`: copies, restores and retention, asked of the server that serves a
 * data directory through its socket there. */
#include "cmd_int.h"
#include "quire_int.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "ctl/peer.h"
#include "ctl/resources.h"
#include "rpc/socket.h"
#include "base/banned.h"

enum { PATH_BYTES = 4096, TIME_TEXT_BYTES = 40, EXIT_USAGE = 2 };
static const int64_t OPERATION_NS = INT64_C(3600) * 1000000000;

struct db_words {
    const char *data_dir, *name, *dest_name, *time, *deleted_time, *days, *service_objective, *id;
    bool deleted;
};

struct db_server {
    struct qr_rpc_loop *loop;
    struct qr_rpc_client *client;
};

static const struct {
    const char *word;
    size_t offset;
} word_rows[] = {
    {"--data-dir", offsetof(struct db_words, data_dir)},
    {"--name", offsetof(struct db_words, name)},
    {"--dest-name", offsetof(struct db_words, dest_name)},
    {"--time", offsetof(struct db_words, time)},
    {"--deleted-time", offsetof(struct db_words, deleted_time)},
    {"--retention-days", offsetof(struct db_words, days)},
    {"--service-objective", offsetof(struct db_words, service_objective)},
    {"--id", offsetof(struct db_words, id)},
};

static int usage(void)
{
    fprintf(stderr,
            "usage: quire db copy --name DATABASE --dest-name NEW [--service-objective SLO]\n"
            "       quire db restore --name DATABASE --dest-name NEW [--time T] "
            "[--service-objective SLO]\n"
            "       quire db restore --name DATABASE --dest-name NEW --deleted [--deleted-time T] "
            "[--time T]\n"
            "       quire db list-deleted\n"
            "       quire db op-list [--name DATABASE]\n"
            "       quire db op-cancel --id OPERATION\n"
            "       quire db set-retention --name DATABASE --retention-days DAYS\n"
            "Each takes --data-dir DIR, the server's [data-dir]. Times are UTC: "
            "2026-05-04T10:11:12Z\n");
    return EXIT_USAGE;
}

static bool take_words(int argc, char **argv, struct db_words *words)
{
    *words = (struct db_words){.data_dir = "data-dir"};
    for (int i = 0; i < argc; i++) {
        size_t k = 0, count = sizeof word_rows / sizeof word_rows[0];
        if (strcmp(argv[i], "--deleted") == 0) {
            words->deleted = true;
            continue;
        }
        while (k < count && strcmp(argv[i], word_rows[k].word) != 0)
            k++;
        if (k == count || i + 1 == argc) {
            fprintf(stderr, "quire: '%s' %s\n", argv[i],
                    k == count ? "is not known here" : "needs a value");
            return false;
        }
        *(const char **)(void *)((char *)words + word_rows[k].offset) = argv[++i];
    }
    return true;
}

/* `2026-05-04T10:11:12Z`, with or without fractions of a second. */
static bool take_time(const char *text, int64_t *ret_wall_ns)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    int64_t fraction = 0, unit = 100000000;
    if (end == NULL)
        return false;
    if (*end == '.')
        for (end++; *end >= '0' && *end <= '9'; end++, unit /= 10)
            fraction += (*end - '0') * unit;
    if (*end != '\0' && strcmp(end, "Z") != 0)
        return false;
    *ret_wall_ns = (int64_t)timegm(&tm) * 1000000000 + fraction;
    return true;
}

/* ---- the server ---- */

static enum qr_status reach(const struct db_words *words, const char *socket, struct db_server *s,
                            struct qr_err *err)
{
    char path[PATH_BYTES], address[PATH_BYTES];
    *s = (struct db_server){.loop = NULL};
    if (realpath(words->data_dir, path) == NULL)
        return qr_fail(err, QR_NOT_FOUND, "there is no data directory '%s'", words->data_dir);
    QR_TRY(qri_datadir_socket(path, socket, address, sizeof address, err));
    QR_TRY(qr_rpc_loop_new(&(struct qr_rpc_loop_options){.env = qr_env_real()}, &s->loop, err));
    return qr_rpc_client_new(s->loop, &(struct qr_rpc_client_options){.address = address},
                             &s->client, err);
}

static void leave(struct db_server *s)
{
    qr_rpc_client_free(s->client);
    qr_rpc_loop_free(s->loop);
}

static int finish(enum qr_status status, const struct qr_err *err)
{
    if (status == QR_OK)
        return EXIT_SUCCESS;
    if (status == QR_CLOSED)
        fprintf(stderr, "quire: no server serves this data directory (%s)\n", err->text);
    else if (status == QR_SQL)
        fprintf(stderr, "quire: error %d: %s\n", err->number, err->text);
    else
        fprintf(stderr, "quire: %s\n", err->text);
    return EXIT_FAILURE;
}

static int operate(const struct db_words *words, enum qr_control_method method,
                   const struct qr_control_ask *ask)
{
    struct db_server s;
    struct qr_err err = {0};
    enum qr_status status = reach(words, "operate", &s, &err);
    if (status == QR_OK)
        status =
            qr_control_call(qr_rpc_client_peer(s.client), method, ask, OPERATION_NS, NULL, &err);
    leave(&s);
    return finish(status, &err);
}

/* ---- the commands ---- */

static int copy(const struct db_words *words, bool restores)
{
    struct qr_control_ask ask = {
        .name = qr_str(words->dest_name == NULL ? "" : words->dest_name),
        .copy_of = qr_str(words->name == NULL ? "" : words->name),
        .objective = qr_str(words->service_objective == NULL ? "" : words->service_objective),
        .dropped = words->deleted || words->deleted_time != NULL,
    };
    int64_t time_ns = 0;
    bool good =
        ask.name.n > 0 && ask.copy_of.n > 0 && (restores || (words->time == NULL && !ask.dropped));
    if (good && words->time != NULL)
        good = take_time(words->time, &time_ns);
    if (good && words->deleted_time != NULL)
        good = take_time(words->deleted_time, &ask.dropped_wall_ns);
    if (!good)
        return usage();
    /* To the second: all that was committed in it. */
    ask.restore_wall_ns = time_ns == 0                ? 0
                          : time_ns % 1000000000 == 0 ? (uint64_t)time_ns + 999999999
                                                      : (uint64_t)time_ns;
    return operate(words, QR_CONTROL_CREATE, &ask);
}

static int copy_now(const struct db_words *words)
{
    return copy(words, false);
}
static int restore(const struct db_words *words)
{
    return copy(words, true);
}

/* What is a number is the server's to judge. */
static int set_retention(const struct db_words *words)
{
    if (words->name == NULL || words->days == NULL)
        return usage();
    char *end = NULL;
    unsigned long days = strtoul(words->days, &end, 10);
    if (*end != '\0' || words->days[0] < '0' || words->days[0] > '9') {
        fprintf(stderr, "quire: --retention-days: '%s' is not a number of days\n", words->days);
        return EXIT_USAGE;
    }
    return operate(words, QR_CONTROL_RETENTION,
                   &(struct qr_control_ask){.name = qr_str(words->name),
                                            .id = days > UINT32_MAX ? UINT32_MAX : (uint32_t)days});
}

static enum qr_status print_deleted(void *ctx, const struct qr_database_row *row)
{
    (void)ctx;
    char text[TIME_TEXT_BYTES];
    time_t seconds = (time_t)(row->dropped_wall_ns / 1000000000);
    struct tm tm;
    if (row->state != QR_DATABASE_DROPPED || row->moved_to != 0 || gmtime_r(&seconds, &tm) == NULL)
        return QR_OK;
    (void)!strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    printf("%s deleted %s.%03dZ %s kept %u days\n", row->name, text,
           (int)(row->dropped_wall_ns / 1000000 % 1000), row->objective, row->retention_days);
    return QR_OK;
}

static int list_deleted(const struct db_words *words)
{
    struct db_server s;
    struct qr_err err = {0};
    enum qr_status status = reach(words, "control", &s, &err);
    if (status == QR_OK)
        status =
            qr_control_each_database(qr_rpc_client_peer(s.client), 0, 0, print_deleted, NULL, &err);
    leave(&s);
    return finish(status, &err);
}

/* ---- operations ---- */

static enum qr_status print_operation(void *ctx, const struct qr_operation_row *row)
{
    static const char *const states[QR_OPERATION_STATE_COUNT] = {
        "pending",   "running",      "completed",      "failed",
        "cancelled", "being undone", "being cancelled"};
    (void)ctx;
    char text[TIME_TEXT_BYTES];
    time_t seconds = (time_t)(row->start_wall_ns / 1000000000);
    struct tm tm;
    if (gmtime_r(&seconds, &tm) == NULL)
        return QR_OK;
    (void)!strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    printf("%s %s %s %s %s %u%%", row->id, text, row->database,
           qr_operation_info((enum qr_operation_kind)row->kind)->sql_name, states[row->state],
           row->percent);
    if (row->error_number != 0)
        printf(" error %u: %s", row->error_number, row->error_text);
    printf("\n");
    return QR_OK;
}

static int op_list(const struct db_words *words)
{
    struct db_server s;
    struct qr_err err = {0};
    struct qr_str name = qr_str(words->name == NULL ? "" : words->name);
    enum qr_status status = reach(words, "control", &s, &err);
    if (status == QR_OK)
        status = qr_operation_each(qr_rpc_client_peer(s.client), 0, name, 0, print_operation, NULL,
                                   &err);
    leave(&s);
    return finish(status, &err);
}

static int op_cancel(const struct db_words *words)
{
    struct db_server s;
    struct qr_err err = {0};
    if (words->id == NULL)
        return usage();
    enum qr_status status = reach(words, "control", &s, &err);
    if (status == QR_OK)
        status = qr_operation_cancel(qr_rpc_client_peer(s.client), qr_str(words->id), 0, &err);
    leave(&s);
    return finish(status, &err);
}

static const struct {
    const char *word;
    int (*run)(const struct db_words *words);
} commands[] = {{"copy", copy_now},   {"restore", restore},     {"list-deleted", list_deleted},
                {"op-list", op_list}, {"op-cancel", op_cancel}, {"set-retention", set_retention}};

int qri_quire_db(int argc, char **argv)
{
    struct db_words words;
    for (size_t i = 0; argc > 0 && i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(argv[0], commands[i].word) == 0)
            return take_words(argc - 1, argv + 1, &words) ? commands[i].run(&words) : usage();
    return usage();
}
