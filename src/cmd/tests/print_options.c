/* print_options.c - docs/options.md from the option rows; a test compares the two.
 * usage: print_options [FILE]: without it prints the page, with it tells if the file is that page.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../cmd_int.h"
#include "base/banned.h"

enum { PAGE_BYTES_MAX = 256 * 1024 };

static void print_page(struct qr_buf *page)
{
    qr_buf_addz(page,
                "# Options of quired\n\n"
                "Printed from the rows of `src/cmd/options.c` by `print_options`; a test holds "
                "the two together. Every option may also stand in a file named by `--config`, "
                "as a line `name = value`; the command line wins.\n\n");
    qr_options_print_markdown(&qri_options, page);
}

int main(int argc, char **argv)
{
    struct qr_buf page, file;
    qr_buf_init(&page, PAGE_BYTES_MAX);
    qr_buf_init(&file, PAGE_BYTES_MAX);
    print_page(&page);
    bool same = true;
    if (argc > 1) {
        same = qr_env_read_file(qr_env_real(), argv[1], &file, NULL) == QR_OK &&
               file.len == page.len && memcmp(file.data, page.data, page.len) == 0;
        if (!same)
            fprintf(stderr, "%s differs: run %s > %s\n", argv[1], argv[0], argv[1]);
    } else {
        fputs(qr_buf_cstr(&page), stdout);
    }
    qr_buf_done(&page);
    qr_buf_done(&file);
    return same ? EXIT_SUCCESS : EXIT_FAILURE;
}
