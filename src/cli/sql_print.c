/* sql_print.c - see sql_print.h */
#include "sql_print.h"
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include "base/banned.h"

enum { KEPT_BYTES_MAX = 16 * 1024 * 1024, ARENA_BYTES_MAX = 1024 * 1024 * 1024, WIDTH_MAX = 256 };

void qri_printer_init(struct qri_printer *p, FILE *out)
{
    *p = (struct qri_printer){.out = out, .separator = " "};
    qr_arena_init(&p->arena, ARENA_BYTES_MAX);
}

void qri_printer_done(struct qri_printer *p)
{
    qr_arena_done(&p->arena);
}

static size_t width_of(struct qr_str text)
{
    size_t width = 0;
    mbstate_t state = {0};
    for (size_t at = 0; at < text.n;) {
        wchar_t c;
        size_t n = mbrtowc(&c, text.p + at, text.n - at, &state);
        if (n == 0 || n > text.n - at) { /* NUL, or no text of this locale */
            n = 1;
            memset(&state, 0, sizeof state);
            c = L'?';
        }
        int columns = wcwidth(c);
        width += columns < 0 ? 1 : (size_t)columns;
        at += n;
    }
    return width;
}

static void put_text(const struct qri_printer *p, struct qr_str text)
{
    if (!p->on_terminal) {
        fwrite(text.p, 1, text.n, p->out);
        return;
    }
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool harmless = c >= 0x20 ? c != 0x7f : c == '\n' || c == '\t';
        fputc(harmless ? c : '?', p->out);
    }
}

/* ---- rows ---- */

static void put_blanks(const struct qri_printer *p, size_t count)
{
    fprintf(p->out, "%*s", (int)count, "");
}

static void put_cell(const struct qri_printer *p, size_t i, struct qr_str text, bool right)
{
    size_t width = p->trims ? 0 : width_of(text);
    size_t blanks = !p->trims && p->widths[i] > width ? p->widths[i] - width : 0;
    if (i > 0)
        fputs(p->separator, p->out);
    if (right)
        put_blanks(p, blanks);
    put_text(p, text);
    if (!right && i + 1 < p->column_count)
        put_blanks(p, blanks);
}

static void put_head(const struct qri_printer *p)
{
    for (size_t i = 0; i < p->column_count; i++)
        put_cell(p, i, p->columns[i].name, false);
    fputs("\n", p->out);
    for (size_t i = 0; i < p->column_count; i++) {
        size_t dashes = p->trims ? width_of(p->columns[i].name) : p->widths[i];
        dashes = dashes == 0 ? 1 : dashes;
        fputs(i > 0 ? p->separator : "", p->out);
        for (size_t k = 0; k < dashes; k++)
            fputc('-', p->out);
    }
    fputs("\n", p->out);
}

static void put_row(struct qri_printer *p, const struct qr_str *cells)
{
    bool again = p->headers > 0 && p->row_count > 0 && p->row_count % (uint64_t)p->headers == 0;
    if (again)
        put_head(p);
    for (size_t i = 0; i < p->column_count; i++)
        put_cell(p, i, cells[i], qri_sql_is_number(&p->columns[i].wire.type));
    fputs("\n", p->out);
    p->row_count++;
}

static void measure(struct qri_printer *p, const struct qr_str *cells)
{
    for (size_t i = 0; i < p->column_count && !p->trims; i++) {
        size_t width = width_of(cells[i]);
        width = width > WIDTH_MAX ? WIDTH_MAX : width;
        p->widths[i] = p->widths[i] < width ? width : p->widths[i];
    }
}

void qri_printer_flush(struct qri_printer *p)
{
    if (p->flowing || p->columns == NULL)
        return;
    p->flowing = true;
    if (p->headers >= 0)
        put_head(p);
    for (size_t i = 0; i < p->kept_count; i++)
        put_row(p, p->kept[i]);
    p->kept_count = 0;
}

/* ---- the slots ---- */

static enum qr_status on_columns(void *ctx, const struct qri_sql_column *columns, size_t count,
                                 struct qr_err *err)
{
    struct qri_printer *p = ctx;
    qr_arena_reset(&p->arena);
    p->columns = columns;
    p->column_count = count;
    p->kept_count = 0;
    p->row_count = 0;
    p->flowing = false;
    p->widths = qr_arena_array(&p->arena, count, sizeof *p->widths);
    p->kept = qr_arena_array(&p->arena, QRI_PRINT_ROWS_KEPT_MAX, sizeof *p->kept);
    if (p->widths == NULL || p->kept == NULL)
        return qr_fail(err, QR_NOMEM, "result");
    for (size_t i = 0; i < count; i++) {
        p->widths[i] = width_of(columns[i].name);
        if (p->widths[i] == 0)
            p->widths[i] = 1; /* a column without a name has its dash */
    }
    return QR_OK;
}

/* A row that is kept is copied: its bytes may be the connection's. */
static enum qr_status keep(struct qri_printer *p, const struct qr_str *cells, struct qr_err *err)
{
    struct qr_str *copy = qr_arena_array(&p->arena, p->column_count, sizeof *copy);
    if (copy == NULL)
        return qr_fail(err, QR_NOMEM, "result");
    for (size_t i = 0; i < p->column_count; i++) {
        copy[i] = qr_arena_str(&p->arena, cells[i]);
        if (copy[i].p == NULL)
            return qr_fail(err, QR_NOMEM, "result");
    }
    measure(p, copy);
    p->kept[p->kept_count++] = copy;
    if (p->kept_count == QRI_PRINT_ROWS_KEPT_MAX || p->arena.total_bytes > KEPT_BYTES_MAX)
        qri_printer_flush(p);
    return QR_OK;
}

static enum qr_status on_row(void *ctx, const struct qr_value *values, struct qr_arena *arena_row,
                             struct qr_err *err)
{
    struct qri_printer *p = ctx;
    struct qr_str *cells = qr_arena_array(arena_row, p->column_count, sizeof *cells);
    if (cells == NULL)
        return qr_fail(err, QR_NOMEM, "row");
    for (size_t i = 0; i < p->column_count; i++)
        QR_TRY(qri_sql_text(&p->columns[i].wire.type, &values[i], arena_row, &cells[i], err));
    if (!p->flowing)
        return keep(p, cells, err);
    put_row(p, cells);
    return QR_OK;
}

static enum qr_status on_done(void *ctx, bool had_columns, bool counts, uint64_t rows,
                              struct qr_err *err)
{
    struct qri_printer *p = ctx;
    (void)err;
    if (had_columns)
        qri_printer_flush(p);
    p->columns = NULL;
    if (counts)
        fprintf(p->out, "%s(%llu row%s affected)\n", had_columns ? "\n" : "",
                (unsigned long long)rows, rows == 1 ? "" : "s");
    return QR_OK;
}

static enum qr_status on_message(void *ctx, const struct qri_sql_message *m, struct qr_err *err)
{
    struct qri_printer *p = ctx;
    (void)err;
    qri_printer_flush(p);
    if (m->severity > p->worst_severity)
        p->worst_severity = m->severity;
    if (m->severity > 10) {
        fprintf(p->out, "Msg %u, Level %u, State %u, Server ", m->number, m->severity, m->state);
        put_text(p, m->server);
        if (m->procedure.n > 0) {
            fputs(", Procedure ", p->out);
            put_text(p, m->procedure);
        }
        fprintf(p->out, ", Line %u\n", m->line);
    }
    put_text(p, m->text);
    fputs("\n", p->out);
    return QR_OK;
}

const struct qri_sql_link_sink qri_printer_sink = {on_columns, on_row, on_done, on_message};
