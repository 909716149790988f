/* fuzz_parse.c - any bytes as a batch, an expression, a type and a parameter list.
 *
 * Whatever parses is walked by the dumper, and every statement's text must lie in the batch. */
#include <assert.h>
#include <stdint.h>
#include "ast_dump.h"
#include "base/arena.h"
#include "tsql/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_BYTES_MAX = 256 << 20, DUMP_BYTES_MAX = 64 << 20 };

static void check_spans(const struct qr_tsql_batch *batch)
{
    for (size_t i = 0; i < batch->stmts.count; i++) {
        const struct qr_ast_stmt *stmt = batch->stmts.items[i];
        assert(stmt->pos.offset <= batch->text.n && stmt->pos.line >= 1);
        assert(stmt->text.p >= batch->text.p);
        assert(stmt->text.p + stmt->text.n <= batch->text.p + batch->text.n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *sql = (const char *)data;
    for (int quoted = 0; quoted < 2; quoted++) {
        struct qr_tsql_options options = {.quoted_identifier = quoted != 0};
        struct qr_arena arena;
        struct qr_buf out;
        struct qr_err err;
        struct qr_tsql_batch *batch;
        struct qr_ast_expr *expr;
        struct qr_ast_type type;
        struct qr_ast_params params;
        qr_arena_init(&arena, ARENA_BYTES_MAX);
        qr_buf_init(&out, DUMP_BYTES_MAX);
        if (qr_tsql_parse(&arena, sql, size, &options, &batch, &err) == QR_OK) {
            check_spans(batch);
            ast_dump_stmts(&out, &batch->stmts);
        } else {
            assert(err.line >= 1 && err.number > 0);
        }
        if (qr_tsql_parse_expr(&arena, sql, size, &options, &expr, &err) == QR_OK)
            ast_dump_expr(&out, expr);
        (void)!qr_tsql_parse_type(&arena, sql, size, &type, NULL);
        (void)!qr_tsql_parse_params(&arena, sql, size, &params, NULL);
        qr_buf_done(&out);
        qr_arena_done(&arena);
    }
    return 0;
}
