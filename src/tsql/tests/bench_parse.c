/* bench_parse.c - time and memory of lexing and parsing, one JSON line each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/arena.h"
#include "lexer_int.h"
#include "tsql/parse.h"
#include "base/banned.h"

enum { TEXT_BYTES = 4 << 20 };

static const struct {
    const char *name, *text;
} texts[] = {
    {"point_select",
     "SELECT o.OrderID, o.CustomerID, c.CompanyName FROM dbo.Orders AS o INNER JOIN "
     "dbo.Customers AS c ON c.CustomerID = o.CustomerID WHERE o.OrderID = 10248 AND "
     "o.Freight > 32.38;\n"},
    {"insert_values",
     "INSERT INTO [dbo].[Order Details] ([OrderID], [ProductID], [UnitPrice]) VALUES "
     "(10248, 11, 14.00), (10249, 42, N'nine');\n"},
    {"procedure_body",
     "IF @a > 0 AND EXISTS (SELECT * FROM t WHERE id = @a) BEGIN SET @b += 1; EXEC "
     "dbo.p @x = @b, @y = N'text' OUTPUT; -- comment\nEND ELSE RAISERROR('x', 16, "
     "1);\n"},
};

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double lex(const char *text, size_t n)
{
    double from = seconds();
    struct qri_lexer lexer;
    struct qri_token token;
    qri_lexer_init(&lexer, text, (uint32_t)n);
    do {
        qri_lexer_next(&lexer, &token);
    } while (token.kind != TOK_END);
    return seconds() - from;
}

static double parse(const char *text, size_t n, size_t *ret_bytes)
{
    struct qr_arena arena;
    struct qr_tsql_batch *batch;
    struct qr_tsql_options options = {.quoted_identifier = true};
    double from = seconds();
    qr_arena_init(&arena, (size_t)1 << 30);
    if (qr_tsql_parse(&arena, text, n, &options, &batch, NULL) != QR_OK)
        abort();
    double took = seconds() - from;
    *ret_bytes = arena.total_bytes;
    qr_arena_done(&arena);
    return took;
}

/* One statement again and again in an arena that keeps its chunk: what a request costs. */
static double parse_one(const char *text, size_t *ret_count)
{
    struct qr_arena arena;
    struct qr_tsql_batch *batch;
    struct qr_tsql_options options = {.quoted_identifier = true};
    qr_arena_init(&arena, (size_t)1 << 20);
    *ret_count = 100000;
    double from = seconds();
    for (size_t i = 0; i < *ret_count; i++) {
        qr_arena_reset(&arena);
        if (qr_tsql_parse(&arena, text, strlen(text), &options, &batch, NULL) != QR_OK)
            abort();
    }
    double took = seconds() - from;
    qr_arena_done(&arena);
    return took;
}

int main(void)
{
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        size_t part = strlen(texts[i].text), count = TEXT_BYTES / part, n = count * part;
        char *text = malloc(n + 1);
        if (text == NULL)
            return 1;
        for (size_t at = 0; at < n; at += part)
            memcpy(text + at, texts[i].text, part);
        text[n] = 0;
        double best_lex = 1e9, best_parse = 1e9;
        size_t bytes = 0;
        for (int round = 0; round < 5; round++) {
            double l = lex(text, n), p = parse(text, n, &bytes);
            best_lex = l < best_lex ? l : best_lex;
            best_parse = p < best_parse ? p : best_parse;
        }
        printf("{\"bench\":\"tsql/lex_%s\",\"ns_per_byte\":%.2f}\n", texts[i].name,
               best_lex * 1e9 / (double)n);
        printf("{\"bench\":\"tsql/parse_%s\",\"ns_per_byte\":%.2f,\"ns_per_op\":%.0f,"
               "\"arena_bytes_per_byte\":%.1f}\n",
               texts[i].name, best_parse * 1e9 / (double)n, best_parse * 1e9 / (double)count,
               (double)bytes / (double)n);
        size_t rounds;
        double one = parse_one(texts[i].text, &rounds);
        printf("{\"bench\":\"tsql/parse_one_%s\",\"ns_per_byte\":%.2f,\"ns_per_op\":%.0f}\n",
               texts[i].name, one * 1e9 / (double)(rounds * part), one * 1e9 / (double)rounds);
        free(text);
    }
    return 0;
}
