/* tsql/print.h - an expression's tree as the text that SQL Server stores for it.
 *
 * Definitions of CHECK constraints, defaults, computed columns and filters are kept in one way of
 * writing, which schema tools compare: names in brackets, numbers in parentheses, built-in
 * functions in lower case, BETWEEN and IN as comparisons, no blanks around operators. Pure. The
 * text reads back as an expression of the same meaning. */
#pragma once
#include "base/buf.h"
#include "tsql/ast.h"

/* False if the expression has a part that has no such form here; `out` is then half written. */
bool qr_tsql_print_expr(struct qr_buf *out, const struct qr_ast_expr *expr);
/* The same of an index's filter: an IN of several stays one, for no filter has an OR. */
bool qr_tsql_print_filter(struct qr_buf *out, const struct qr_ast_expr *expr);
