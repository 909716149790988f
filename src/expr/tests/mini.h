/* mini.h - a small reader of T-SQL expressions, so that tests are tables of text. */
#pragma once
#include "expr/eval.h"

struct mini {
    struct qr_arena arena;
    struct qr_err err;
    struct qr_expr_builder b;
    struct qr_eval_settings settings;
    struct qr_rand random_state;
    struct qr_eval ctx;
    char type[QR_TYPE_NAME_BYTES];
    char text[8192]; /* the result as PRINT would show it; "NULL" */
};

void mini_init(struct mini *m);
void mini_done(struct mini *m);
/* Builds without evaluating. */
enum qr_status mini_build(struct mini *m, const char *sql, const struct qr_expr **ret_expr);
/* Builds and evaluates; fills type and text. On QR_SQL see m->err.number. */
enum qr_status mini_run(struct mini *m, const char *sql);

struct mini_case {
    const char *sql, *want;
    const char *type; /* NULL: not looked at */
    int error;        /* 0: none */
};
/* Runs a table and fails the test naming each case that went wrong. */
void mini_check(const struct mini_case *cases, size_t count);
