/* tsql/print.h - an expression's tree as the text that SQL Server stores for it.
 *
 * Definitions of CHECK constraints, defaults, computed columns and filters are kept in one way of
 * writing, which schema tools compare: names in brackets, numbers in parentheses, built-in
 * functions in lower case, BETWEEN and IN as comparisons, no blanks around operators. Pure. The
 * text reads back as an expression of the same meaning. */
#pragma once
#include "base/buf.h"
#include "tsql/ast.h"

/* The name in brackets. */
void qr_tsql_print_name(struct qr_buf *out, struct qr_str name);
/* All its parts, with dots between them; one that is empty stays so. */
void qr_tsql_print_names(struct qr_buf *out, const struct qr_ast_name *name);
/* False if the expression has a part that has no such form here; `out` is then half written. */
bool qr_tsql_print_expr(struct qr_buf *out, const struct qr_ast_expr *expr);
/* The same of an index's filter: an IN of several stays one, for no filter has an OR. */
bool qr_tsql_print_filter(struct qr_buf *out, const struct qr_ast_expr *expr);
