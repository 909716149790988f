/* quired.c - the server: reads the options and becomes the supervisor, or the role that it is told
 * to be. Standard error gets log lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include "supervisor_int.h"
#include "upgrade_int.h"
#include "base/version_note.h"
#include "base/banned.h"

/* For `quire status` (cli/status_version.c). */
__attribute__((section(QR_VERSION_NOTE_SECTION), used, aligned(4))) static const struct {
    uint32_t name_bytes, text_bytes, type;
    char name[(sizeof QR_VERSION_NOTE_NAME + 3) / 4 * 4];
    char text[(sizeof QUIRE_VERSION + 3) / 4 * 4];
} version_note = {sizeof QR_VERSION_NOTE_NAME, sizeof QUIRE_VERSION, QR_VERSION_NOTE,
                  QR_VERSION_NOTE_NAME, QUIRE_VERSION};

enum { ARENA_BYTES_MAX = 4 * 1024 * 1024, HELP_BYTES_MAX = 64 * 1024, EXIT_USAGE = 2 };

/* Of this process and its children. Debian's soft limit of 1024 is for programs that use select().
 */
static void raise_file_limit(void)
{
    static const rlim_t enough = 1 << 20;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= enough)
        return;
    limit.rlim_cur = limit.rlim_max < enough ? limit.rlim_max : enough;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int print_help(void)
{
    struct qr_buf buf;
    qr_buf_init(&buf, HELP_BYTES_MAX);
    qr_options_print_help(&qri_options, &buf);
    printf("quired - a self-hosted Azure SQL Database\n\nusage: quired [--option value]...\n"
           "       quired upgrade [--data-dir DIR] [--binary PATH]\n\n%s",
           qr_buf_cstr(&buf));
    qr_buf_done(&buf);
    return EXIT_SUCCESS;
}

/* A server asks whether we would take its place, with the options that we would have. */
static int answer_probe(const char *formats)
{
    struct qr_err err = {0};
    if (qri_upgrade_may(formats, &err) != QR_OK) {
        fprintf(stderr, "quired: %s\n", err.text);
        return EXIT_FAILURE;
    }
    printf(QRI_UPGRADE_YES "%s\n", QUIRE_VERSION);
    return EXIT_SUCCESS;
}

static const char *probed_formats(void)
{
    const char *value = getenv(QRI_UPGRADE_VARIABLE);
    size_t n = sizeof QRI_UPGRADE_PROBE - 1;
    return value != NULL && strncmp(value, QRI_UPGRADE_PROBE, n) == 0 ? value + n : NULL;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "upgrade") == 0)
        return qri_upgrade_ask(argc - 2, argv + 2);
    struct qri_settings settings = {0};
    static struct qr_log_sink sink; /* whoever cuts a slow end short writes a line while we exit */
    struct qr_arena arena;
    struct qr_err err = {0};
    struct qr_env *env = qr_env_real();
    qr_log_sink_init_stderr(&sink, env, QR_INFO);
    qr_arena_init(&arena, ARENA_BYTES_MAX);
    raise_file_limit();
    prctl(PR_SET_NAME, "quired"); /* it may have been started through a descriptor */
    struct qri_handed handed;
    bool resumes = qri_handed_begin(&arena, &handed);
    int code = EXIT_USAGE;
    if (qr_options_parse(&qri_options, env, argc, argv, &settings, &arena, &err) != QR_OK ||
        qri_settings_check(&settings, &err) != QR_OK) {
        if (resumes)
            qri_handed_back(&handed, err.text, argv);
        fprintf(stderr, "quired: %s\n", err.text);
    } else if (settings.help) {
        code = print_help();
    } else if (settings.version) {
        printf("quired %s\n", QUIRE_VERSION);
        code = EXIT_SUCCESS;
    } else if (probed_formats() != NULL) {
        code = answer_probe(probed_formats());
    } else {
        enum qr_level level = QR_INFO;
        if (qr_level_parse(qr_str(settings.log_level), &level))
            sink.level = (int)level;
        code = *settings.role == '\0'
                   ? qri_supervise(&settings, argv, env, &sink, &arena, resumes ? &handed : NULL)
                   : qri_role_run(&settings, env, &sink, &arena);
    }
    qr_arena_done(&arena);
    return code;
}
