/* quire.c - the command line. It knows its version; everything else it names as missing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

enum { EXIT_USAGE = 2 };

int main(int argc, char **argv)
{
    if (argc == 2 && (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0)) {
        printf("quire %s\n", QUIRE_VERSION);
        return EXIT_SUCCESS;
    }
    if (argc > 1)
        fprintf(stderr, "quire: '%s' is not supported by this version\n", argv[1]);
    fprintf(stderr, "usage: quire version\n");
    return EXIT_USAGE;
}
