/* sql_files.c - runs batches from standard input (separated by lines GO) and prints transcripts. */
#include "harness.h"
#include <stdlib.h>
#include "base/banned.h"

int main(void)
{
    struct fixture f;
    struct client c;
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n;
    struct qr_buf batch;
    fixture_open(&f);
    client_open(&f, &c);
    qr_buf_init(&batch, 256 << 20);
    do {
        n = getline(&line, &capacity, stdin);
        if (n > 0 && !qr_str_ieqz(qr_str_trim(qr_str_n(line, (size_t)n)), "GO")) {
            qr_buf_add(&batch, line, (size_t)n);
            continue;
        }
        fputs(run(&c, qr_buf_cstr(&batch)), stdout);
        fflush(stdout);
        qr_buf_clear(&batch);
    } while (n > 0);
    free(line);
    qr_buf_done(&batch);
    client_close(&c);
    fixture_close(&f);
    return 0;
}
