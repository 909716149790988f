/* parse_test.c - see parse_test.h */
#include "parse_test.h"
#include "base/banned.h"

static const struct qr_tsql_options quoted = {.quoted_identifier = true};

static void compare(const char *sql, const char *got, const char *want)
{
    if (strcmp(got, want) != 0)
        fail_msg("%s\n  got  %s\n  want %s", sql, got, want);
}

static void dump_error(struct qr_buf *out, const struct qr_err *err)
{
    qr_buf_printf(out, "error %d: %s", err->number, err->text);
}

void check_exprs(const struct parse_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct qr_arena arena;
        struct qr_buf out;
        struct qr_err err = {0};
        struct qr_ast_expr *expr;
        qr_arena_init(&arena, PARSE_TEST_BYTES_MAX);
        qr_buf_init(&out, 1 << 20);
        if (qr_tsql_parse_expr(&arena, cases[i].sql, strlen(cases[i].sql), &quoted, &expr, &err) ==
            QR_OK)
            ast_dump_expr(&out, expr);
        else
            dump_error(&out, &err);
        compare(cases[i].sql, qr_buf_cstr(&out), cases[i].want);
        qr_buf_done(&out);
        qr_arena_done(&arena);
    }
}

void check_batches(const struct parse_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct qr_arena arena;
        struct qr_buf out;
        struct qr_err err = {0};
        struct qr_tsql_batch *batch;
        qr_arena_init(&arena, PARSE_TEST_BYTES_MAX);
        qr_buf_init(&out, 1 << 20);
        if (qr_tsql_parse(&arena, cases[i].sql, strlen(cases[i].sql), &quoted, &batch, &err) ==
            QR_OK)
            ast_dump_stmts(&out, &batch->stmts);
        else
            dump_error(&out, &err);
        const char *got = qr_buf_cstr(&out);
        compare(cases[i].sql, got[0] == ' ' ? got + 1 : got, cases[i].want);
        qr_buf_done(&out);
        qr_arena_done(&arena);
    }
}

enum qr_status parse_status(const char *sql, size_t sql_bytes, struct qr_err *ret_err)
{
    struct qr_arena arena;
    struct qr_tsql_batch *batch;
    qr_arena_init(&arena, PARSE_TEST_BYTES_MAX);
    enum qr_status status = qr_tsql_parse(&arena, sql, sql_bytes, &quoted, &batch, ret_err);
    qr_arena_done(&arena);
    return status;
}

void check_errors(const struct error_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct qr_err err = {0};
        enum qr_status status = parse_status(cases[i].sql, strlen(cases[i].sql), &err);
        if (status != QR_SQL || err.number != cases[i].number || err.line != cases[i].line ||
            strstr(err.text, cases[i].text) == NULL)
            fail_msg("%s\n  got  %d line %d: %s\n  want %d line %d: %s", cases[i].sql, err.number,
                     err.line, err.text, cases[i].number, cases[i].line, cases[i].text);
    }
}

const void *parse_stmt(struct qr_arena *arena, const char *sql, enum qr_ast_stmt_kind kind)
{
    struct qr_err err = {0};
    struct qr_tsql_batch *batch;
    if (qr_tsql_parse(arena, sql, strlen(sql), &quoted, &batch, &err) != QR_OK)
        fail_msg("%s: %d %s", sql, err.number, err.text);
    assert_int_equal(batch->stmts.count, 1);
    assert_int_equal(batch->stmts.items[0]->kind, kind);
    return batch->stmts.items[0];
}
