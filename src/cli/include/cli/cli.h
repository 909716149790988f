/* cli/cli.h - the command line that manages an instance by its HTTPS API, and talks T-SQL to it.
 *
 * One call per process: reads the environment, standard streams and ~/.quire, prints, and returns
 * the exit code of docs/cli.md. */
#pragma once
#include <stdbool.h>
#include <stdio.h>

enum {
    QR_CLI_OK = 0,
    QR_CLI_FAILED = 1,      /* refused by the service, or it went wrong there */
    QR_CLI_USAGE = 2,       /* the command line is wrong */
    QR_CLI_NOT_FOUND = 3,   /* what is named is not there */
    QR_CLI_LOGIN = 4,       /* nobody is logged in, or the secret is wrong */
    QR_CLI_UNREACHABLE = 5, /* no answer, or no certificate that is trusted */
};

int qr_cli_run(int argc, char **argv);
/* docs/cli.md, and the script for bash's completion. */
void qr_cli_print_docs(FILE *out);
void qr_cli_print_completion(FILE *out);
