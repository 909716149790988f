/* parse_files.c - developer tool: parses scripts split at GO lines, prints what is refused.
 *
 *   tsql_parse_files [-v] [-b ROUNDS] FILE...
 *
 * -v prints every refused batch's first line, -b times ROUNDS parses of everything. Reads UTF-8 and
 * UTF-16 with a byte order mark. Exit status 0 if all batches were accepted. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/arena.h"
#include "base/buf.h"
#include "tsql/parse.h"
#include "base/banned.h"

enum { FILE_BYTES_MAX = 256 << 20 };

struct totals {
    size_t batches, accepted, bytes, unsupported;
    bool verbose;
    int rounds;
    double seconds;
};

static bool read_file(const char *path, struct qr_buf *raw)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return false;
    char part[65536];
    for (size_t n; (n = fread(part, 1, sizeof part, f)) > 0;)
        qr_buf_add(raw, part, n);
    fclose(f);
    return raw->failed == QR_OK;
}

static void add_utf8(struct qr_buf *out, uint32_t c)
{
    if (c < 0x80) {
        qr_buf_add8(out, (uint8_t)c);
    } else if (c < 0x800) {
        qr_buf_add8(out, (uint8_t)(0xC0 | c >> 6));
        qr_buf_add8(out, (uint8_t)(0x80 | (c & 63)));
    } else {
        if (c >= 0x10000) {
            qr_buf_add8(out, (uint8_t)(0xF0 | c >> 18));
            qr_buf_add8(out, (uint8_t)(0x80 | (c >> 12 & 63)));
        } else {
            qr_buf_add8(out, (uint8_t)(0xE0 | c >> 12));
        }
        qr_buf_add8(out, (uint8_t)(0x80 | (c >> 6 & 63)));
        qr_buf_add8(out, (uint8_t)(0x80 | (c & 63)));
    }
}

static void decode(const struct qr_buf *raw, struct qr_buf *text)
{
    const uint8_t *p = raw->data;
    size_t n = raw->len;
    bool little = n >= 2 && p[0] == 0xFF && p[1] == 0xFE;
    if (!little && !(n >= 2 && p[0] == 0xFE && p[1] == 0xFF)) {
        qr_buf_add(text, p, n);
        return;
    }
    for (size_t i = 2; i + 1 < n; i += 2) {
        uint32_t c = little ? p[i] | (uint32_t)p[i + 1] << 8 : p[i + 1] | (uint32_t)p[i] << 8;
        if (c >= 0xD800 && c < 0xDC00 && i + 3 < n) {
            uint32_t d =
                little ? p[i + 2] | (uint32_t)p[i + 3] << 8 : p[i + 3] | (uint32_t)p[i + 2] << 8;
            c = 0x10000 + ((c - 0xD800) << 10) + (d - 0xDC00);
            i += 2;
        }
        add_utf8(text, c);
    }
}

static bool is_go(const char *line, size_t n)
{
    struct qr_str s = qr_str_trim(qr_str_n(line, n));
    if (s.n < 2 || (s.p[0] | 32) != 'g' || (s.p[1] | 32) != 'o')
        return false;
    for (size_t i = 2; i < s.n; i++) {
        if (i + 1 < s.n && s.p[i] == '-' && s.p[i + 1] == '-')
            return true;
        if (strchr(" \t;0123456789", s.p[i]) == NULL)
            return false;
    }
    return true;
}

/* Follows strings, names in quotes and comments through one line. */
static void scan_line(const char *line, size_t n, char *quote, int *depth)
{
    for (size_t i = 0; i < n; i++) {
        bool pair = i + 1 < n;
        if (*quote != 0) {
            *quote = line[i] == *quote ? 0 : *quote;
        } else if (pair && line[i] == '*' && line[i + 1] == '/' && *depth > 0) {
            (*depth)--;
            i++;
        } else if (pair && line[i] == '/' && line[i + 1] == '*') {
            (*depth)++;
            i++;
        } else if (*depth == 0 && pair && line[i] == '-' && line[i + 1] == '-') {
            return;
        } else if (*depth == 0 && (line[i] == '\'' || line[i] == '"' || line[i] == '[')) {
            *quote = line[i] == '[' ? ']' : line[i];
        }
    }
}

static void count_unsupported(const struct qr_ast_stmts *stmts, struct totals *totals)
{
    for (size_t i = 0; i < stmts->count; i++)
        totals->unsupported += stmts->items[i]->kind == QR_AS_UNSUPPORTED;
}

static void parse_one(const char *path, int line, const char *sql, size_t n, bool *quoted,
                      struct totals *totals)
{
    struct qr_arena arena;
    struct qr_err err = {0};
    struct qr_tsql_batch *batch = NULL;
    enum qr_status status = QR_OK;
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < totals->rounds; i++) {
        qr_arena_init(&arena, (size_t)4 << 30);
        status = qr_tsql_parse(
            &arena, sql, n, &(struct qr_tsql_options){.quoted_identifier = *quoted}, &batch, &err);
        if (i + 1 < totals->rounds)
            qr_arena_done(&arena);
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    totals->seconds +=
        (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
    totals->batches++;
    totals->bytes += n;
    if (status == QR_OK && batch != NULL) {
        totals->accepted++;
        *quoted = batch->quoted_identifier;
        count_unsupported(&batch->stmts, totals);
    } else {
        printf("%s:%d: %d: %s\n", path, line + err.line - 1, err.number, err.text);
    }
    if (status != QR_OK && totals->verbose)
        printf("    %.*s\n", (int)(n < 300 ? n : 300), sql);
    qr_arena_done(&arena);
}

static void parse_text(const char *path, const char *text, size_t n, struct totals *totals)
{
    char quote = 0;
    int depth = 0, line = 1, first = 1;
    bool quoted = true;
    size_t begin = 0;
    for (size_t at = 0; at < n;) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t next = end == NULL ? n : (size_t)(end - text) + 1;
        if (quote == 0 && depth == 0 && is_go(text + at, next - at)) {
            parse_one(path, first, text + begin, at - begin, &quoted, totals);
            begin = next;
            first = line + 1;
        } else {
            scan_line(text + at, next - at, &quote, &depth);
        }
        at = next;
        line++;
    }
    if (qr_str_trim(qr_str_n(text + begin, n - begin)).n > 0)
        parse_one(path, first, text + begin, n - begin, &quoted, totals);
}

int main(int argc, char **argv)
{
    struct totals totals = {.rounds = 1};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0) {
            totals.verbose = true;
            continue;
        }
        if (strcmp(argv[i], "-b") == 0 && i + 1 < argc) {
            totals.rounds = (int)strtol(argv[++i], NULL, 10);
            continue;
        }
        struct qr_buf raw, text;
        qr_buf_init(&raw, FILE_BYTES_MAX);
        qr_buf_init(&text, FILE_BYTES_MAX);
        if (!read_file(argv[i], &raw)) {
            fprintf(stderr, "%s: cannot read\n", argv[i]);
            return 2;
        }
        decode(&raw, &text);
        if (text.len > 0)
            parse_text(argv[i], (const char *)text.data, text.len, &totals);
        qr_buf_done(&raw);
        qr_buf_done(&text);
    }
    printf(
        "%zu batches, %zu accepted (%.2f %%), %zu statements named unsupported, %.1f ns a byte\n",
        totals.batches, totals.accepted,
        totals.batches > 0 ? 100.0 * (double)totals.accepted / (double)totals.batches : 0,
        totals.unsupported,
        totals.bytes > 0 ? totals.seconds * 1e9 / ((double)totals.bytes * (double)totals.rounds)
                         : 0);
    return totals.accepted == totals.batches ? 0 : 1;
}
