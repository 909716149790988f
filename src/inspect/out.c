/* out.c - rows of named cells, as tables or as one JSON array; see inspect_int.h.
 *
 * Cells of JSON are kept as they will be printed. A table waits until its rows change their shape,
 * so that columns can be as wide as they must be. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "inspect_int.h"
#include "base/banned.h"

enum { PENDING_MAX = 512, BUF_MAX = 64 << 20, WIDTH_MAX = 48, COLUMNS_MAX = 24 };

void qri_out_init(struct qri_out *out, FILE *file, bool json)
{
    *out = (struct qri_out){.file = file, .json = json};
    qr_buf_init(&out->cells, BUF_MAX);
    qr_buf_init(&out->columns, BUF_MAX);
    qr_buf_init(&out->row, BUF_MAX);
    qr_buf_init(&out->row_columns, BUF_MAX);
}

static void print_line(struct qri_out *out, const char *cells, const size_t *widths)
{
    for (size_t i = 0; i < out->column_count; i++) {
        bool last = i + 1 == out->column_count;
        fprintf(out->file, "%s%-*s", i == 0 ? "  " : "  ", last ? 0 : (int)widths[i], cells);
        cells += strlen(cells) + 1;
    }
    fputc('\n', out->file);
}

static void print_table(struct qri_out *out)
{
    if (out->pending == 0)
        return;
    size_t widths[COLUMNS_MAX] = {0};
    const char *at = (const char *)out->columns.data;
    for (size_t i = 0; i < out->column_count; i++, at += strlen(at) + 1)
        widths[i] = strlen(at);
    at = (const char *)out->cells.data;
    for (size_t row = 0; row < out->pending; row++) {
        for (size_t i = 0; i < out->column_count; i++, at += strlen(at) + 1) {
            size_t n = strlen(at) < WIDTH_MAX ? strlen(at) : WIDTH_MAX;
            widths[i] = n > widths[i] ? n : widths[i];
        }
    }
    fprintf(out->file, "%s\n", out->kind);
    print_line(out, (const char *)out->columns.data, widths);
    at = (const char *)out->cells.data;
    for (size_t row = 0; row < out->pending; row++) {
        print_line(out, at, widths);
        for (size_t i = 0; i < out->column_count; i++)
            at += strlen(at) + 1;
    }
    out->pending = 0;
    qr_buf_clear(&out->cells);
}

void qri_out_done(struct qri_out *out)
{
    if (out->json)
        fprintf(out->file, out->row_count == 0 ? "[]\n" : "\n]\n");
    else
        print_table(out);
    qr_buf_done(&out->cells);
    qr_buf_done(&out->columns);
    qr_buf_done(&out->row);
    qr_buf_done(&out->row_columns);
}

void qri_row(struct qri_out *out, const char *kind)
{
    qr_buf_clear(&out->row);
    qr_buf_clear(&out->row_columns);
    out->cell_count = 0;
    snprintf(out->row_kind, sizeof out->row_kind, "%s", kind);
}

/* Printable, whatever it was. */
static void add_text(struct qr_buf *buf, const char *text, bool json)
{
    for (const char *p = text; *p != '\0'; p++) {
        uint8_t c = (uint8_t)*p;
        if (json && (c == '"' || c == '\\'))
            qr_buf_printf(buf, "\\%c", c);
        else if (json && (c < ' ' || c >= 0x7f))
            qr_buf_printf(buf, "\\u%04x", c);
        else
            qr_buf_add8(buf, c < ' ' || c == 0x7f ? '?' : c);
    }
}

static void add_cell(struct qri_out *out, const char *name, const char *value, bool quoted)
{
    if (out->cell_count == COLUMNS_MAX)
        return;
    out->cell_count++;
    qr_buf_add(&out->row_columns, name, strlen(name) + 1);
    if (!out->json) {
        add_text(&out->row, value[0] == '\0' ? "-" : value, false);
        qr_buf_add8(&out->row, '\0');
        return;
    }
    qr_buf_printf(&out->row, ", \"%s\": %s", name, quoted ? "\"" : "");
    add_text(&out->row, value, quoted);
    if (quoted)
        qr_buf_add8(&out->row, '"');
}

void qri_cell_u64(struct qri_out *out, const char *name, uint64_t v)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, v);
    add_cell(out, name, text, false);
}

void qri_cell_hex(struct qri_out *out, const char *name, uint64_t v)
{
    char text[24];
    snprintf(text, sizeof text, "%016" PRIx64, v);
    add_cell(out, name, text, true);
}

void qri_cell_text(struct qri_out *out, const char *name, const char *text)
{
    add_cell(out, name, text, true);
}

void qri_cell_bool(struct qri_out *out, const char *name, bool v)
{
    add_cell(out, name, v ? "true" : "false", false);
}

void qri_cell_timeline(struct qri_out *out, const char *name, const struct qr_timeline *timeline)
{
    char hex[QR_TIMELINE_HEX_BYTES];
    qr_timeline_hex(timeline, hex);
    add_cell(out, name, qr_timeline_is_none(timeline) ? "" : hex, true);
}

void qri_cell_time(struct qri_out *out, const char *name, uint64_t wall_ns)
{
    char text[64] = "";
    time_t seconds = (time_t)(wall_ns / 1000000000);
    struct tm tm;
    if (wall_ns != 0 && gmtime_r(&seconds, &tm) != NULL) {
        size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(text + n, sizeof text - n, ".%09uZ", (unsigned)(wall_ns % 1000000000));
    }
    add_cell(out, name, text, true);
}

void qri_row_end(struct qri_out *out)
{
    out->row_count++;
    if (out->row.failed != QR_OK || out->row_columns.failed != QR_OK)
        return;
    if (out->json) {
        fprintf(out->file, "%s{\"kind\": \"%s\"%.*s}", out->row_count == 1 ? "[\n" : ",\n",
                out->row_kind, (int)out->row.len, (const char *)out->row.data);
        return;
    }
    bool same = strcmp(out->kind, out->row_kind) == 0 && out->columns.len == out->row_columns.len &&
                memcmp(out->columns.data, out->row_columns.data, out->columns.len) == 0;
    if (!same || out->pending == PENDING_MAX)
        print_table(out);
    if (!same) {
        snprintf(out->kind, sizeof out->kind, "%s", out->row_kind);
        qr_buf_clear(&out->columns);
        qr_buf_add(&out->columns, out->row_columns.data, out->row_columns.len);
        out->column_count = out->cell_count;
    }
    qr_buf_add(&out->cells, out->row.data, out->row.len);
    if (out->cells.failed != QR_OK) { /* lost rows are never silent */
        fprintf(out->file, "out of memory\n");
        qr_buf_clear(&out->cells);
        out->pending = 0;
        return;
    }
    out->pending++;
}
