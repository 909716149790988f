/* sql_print.h - results of batches as a table of text, as sqlcmd prints them.
 *
 * One thread; prints to a stream. The widths of columns come from the first rows, which are kept
 * until they are known; later rows stream. */
#pragma once
#include <stdbool.h>
#include <stdio.h>
#include "base/arena.h"
#include "sql_link.h"

enum { QRI_PRINT_ROWS_KEPT_MAX = 1000 };

struct qri_printer {
    FILE *out;
    const char *separator; /* between columns */
    int headers;           /* -1: none; 0: once; N: again every N rows */
    bool trims;            /* no blanks for the sake of columns */
    bool on_terminal;      /* no control characters of values */
    /* of the result in hand */
    struct qr_arena arena;
    const struct qri_sql_column *columns;
    size_t column_count;
    size_t *widths;
    struct qr_str **kept;
    size_t kept_count;
    uint64_t row_count;
    bool flowing; /* widths are known */
    /* of the batch */
    int worst_severity;
};

extern const struct qri_sql_link_sink qri_printer_sink; /* its ctx is the printer */
void qri_printer_init(struct qri_printer *printer, FILE *out);
void qri_printer_done(struct qri_printer *printer);
/* What is kept of a result that was cut short. */
void qri_printer_flush(struct qri_printer *printer);
