/* parse_test.h - parse a text, compare its dump or its error. */
#pragma once
#include "ast_dump.h"
#include "base/arena.h"
#include "qr_test.h"
#include "tsql/parse.h"

enum { PARSE_TEST_BYTES_MAX = 1 << 30 };

struct parse_case {
    const char *sql, *want;
};
struct error_case {
    const char *sql;
    int number, line;
    const char *text;
};

/* The dump of the expression, or "error N: text". */
void check_exprs(const struct parse_case *cases, size_t count);
/* The dumps of the statements, one blank between, or the error. */
void check_batches(const struct parse_case *cases, size_t count);
void check_errors(const struct error_case *cases, size_t count);
/* QR_OK, or the failure with *ret_err. */
enum qr_status parse_status(const char *sql, size_t sql_bytes, struct qr_err *ret_err);
/* One statement, which must parse; lives in the arena. */
const void *parse_stmt(struct qr_arena *arena, const char *sql, enum qr_ast_stmt_kind kind);

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])
