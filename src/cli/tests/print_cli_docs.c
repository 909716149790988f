/* print_cli_docs.c - docs/cli.md from the tables; a test compares the two.
 * usage: print_cli_docs [FILE]: without it prints the page, with it tells if the file is that page.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/cli.h"
#include "env/env.h"
#include "base/banned.h"

enum { PAGE_BYTES_MAX = 1024 * 1024 };

int main(int argc, char **argv)
{
    struct qr_buf file;
    char *page = NULL;
    size_t page_bytes = 0;
    FILE *out = argc > 1 ? open_memstream(&page, &page_bytes) : stdout;
    if (out == NULL)
        return EXIT_FAILURE;
    qr_cli_print_docs(out);
    if (argc < 2)
        return EXIT_SUCCESS;
    fclose(out);
    qr_buf_init(&file, PAGE_BYTES_MAX);
    bool same = qr_env_read_file(qr_env_real(), argv[1], &file, NULL) == QR_OK &&
                file.len == page_bytes && memcmp(file.data, page, page_bytes) == 0;
    if (!same)
        fprintf(stderr, "%s differs: run %s > %s\n", argv[1], argv[0], argv[1]);
    qr_buf_done(&file);
    free(page);
    return same ? EXIT_SUCCESS : EXIT_FAILURE;
}
