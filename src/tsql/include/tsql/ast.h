/* tsql/ast.h - the tree that the T-SQL parser makes: include this one.
 *
 * Pure data, never changed after the parse; any number of threads may read it. Everything lives in
 * the arena_batch given to qr_tsql_parse, text included (the parser copies the batch there once and
 * slices point into the copy), so a tree lives exactly as long as its arena.
 * Conventions in all ast*.h:
 * - Each node begins with its family's head (qr_ast_expr, qr_ast_source, qr_ast_query,
 * qr_ast_stmt); the head's kind says which struct it is, and the comment beside each kind names
 * that struct.
 * - A pointer may be NULL only where the comment says so. An optional identifier or text is absent
 *   when its .n is 0; an optional list when its count is 0.
 * - Words of the language that stay words (option names, hints, permissions) are held in upper case
 *   with one blank between them, e.g. "TRANSACTION ISOLATION LEVEL".
 * - Chains of one precedence (a + b - c, x AND y AND z, UNION ALL) are one node with an array, so
 *   that depth is bounded by QR_TSQL_DEPTH_MAX (parse.h) however long the text; whoever walks the
 *   tree may recurse. Exceptions, to be walked by a loop: else-if (qr_ast_if.otherwise). */
#pragma once
#include "tsql/ast_base.h"
#include "tsql/ast_expr.h"
#include "tsql/ast_query.h"
#include "tsql/ast_stmt.h"
#include "tsql/ast_dml.h"
#include "tsql/ast_ddl.h"
#include "tsql/ast_admin.h"
