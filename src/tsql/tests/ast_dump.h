/* ast_dump.h - trees as S-expressions, for tests and for looking at them in a debugger.
 *
 * Expressions, queries, table sources, INSERT/UPDATE/DELETE/MERGE and the batch language are shown
 * in full; of other statements the command only. */
#pragma once
#include "base/buf.h"
#include "tsql/ast.h"

void ast_dump_expr(struct qr_buf *out, const struct qr_ast_expr *expr);
void ast_dump_query(struct qr_buf *out, const struct qr_ast_query *query);
void ast_dump_source(struct qr_buf *out, const struct qr_ast_source *source);
void ast_dump_stmt(struct qr_buf *out, const struct qr_ast_stmt *stmt);
void ast_dump_stmts(struct qr_buf *out, const struct qr_ast_stmts *stmts);
/* For the files of the dumper. */
void ast_dump_name(struct qr_buf *out, const struct qr_ast_name *name);
void ast_dump_ident(struct qr_buf *out, const struct qr_ast_ident *ident);
void ast_dump_exprs(struct qr_buf *out, const struct qr_ast_exprs *list);
void ast_dump_order(struct qr_buf *out, const struct qr_ast_order *order);
void ast_dump_top(struct qr_buf *out, const struct qr_ast_top *top);
void ast_dump_items(struct qr_buf *out, const struct qr_ast_select_items *items);
void ast_dump_sources(struct qr_buf *out, const char *word, const struct qr_ast_sources *sources);
void ast_dump_options(struct qr_buf *out, const char *word, const struct qr_ast_options *options);
void ast_dump_rows(struct qr_buf *out, const struct qr_ast_rows *rows);
