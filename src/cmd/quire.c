/* quire.c - the command line: what works on this machine's files, other machines and keys is here;
 * all that asks a service is src/cli's. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/cli.h"
#include "inspect/inspect.h"
#include "quire_int.h"
#include "base/banned.h"

enum { EXIT_USAGE = 2, ARGS_MAX = 64 };

/* The inspector takes whole paths only. */
static int storage(int argc, char **argv)
{
    const char *words[ARGS_MAX];
    char path[PATH_MAX];
    if (argc > ARGS_MAX) {
        fprintf(stderr, "quire: more than %d arguments\n", ARGS_MAX);
        return EXIT_USAGE;
    }
    for (int i = 0; i < argc; i++) {
        bool is_value = i > 0 && argv[i - 1][0] == '-' && strcmp(argv[i - 1], "--bytes") != 0;
        bool is_place = i > 0 && !is_value && argv[i][0] != '-' && strstr(argv[i], "://") == NULL;
        words[i] = argv[i];
        if (is_place && realpath(argv[i], path) != NULL)
            words[i] = path;
    }
    return (int)qr_inspect_run(qr_env_real(), argc, words, stdout, stderr);
}

int main(int argc, char **argv)
{
    if (argc == 2 && (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0)) {
        printf("quire %s\n", QUIRE_VERSION);
        return EXIT_SUCCESS;
    }
    if (argc >= 2 && strcmp(argv[1], "storage") == 0)
        return storage(argc - 2, argv + 2);
    if (argc >= 2 && strcmp(argv[1], "db") == 0)
        return qri_quire_db(argc - 2, argv + 2);
    if (argc >= 2 && strcmp(argv[1], "autoscale") == 0 &&
        (argc == 2 || strcmp(argv[2], "simulate") == 0))
        return qri_quire_autoscale(argc - 2, argv + 2);
    if (argc >= 2 && strcmp(argv[1], "machine") == 0)
        return qri_quire_machine(argc - 2, argv + 2);
    if (argc >= 2 && strcmp(argv[1], "key") == 0)
        return qri_quire_key(argc - 2, argv + 2);
    return qr_cli_run(argc - 1, argv + 1);
}
