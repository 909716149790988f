/* tsql/parse.h - T-SQL text to a tree (tsql/ast.h).
 *
 * Pure: no I/O, no globals; any thread. Input is hostile and may be any bytes; it is taken as UTF-8
 * (WTF-8), of which bytes from 0x80 on are letters, except no-break and ideographic space.
 * Ownership: the batch, its text and all nodes live in arena_batch; `sql` is not kept.
 * Errors: QR_SQL with SQL Server's number, text and err->line (102 and the like); QR_NOMEM when
 * the arena is full. Nothing of a batch is executed when any of it has a syntax error.
 * Limits: nesting QR_TSQL_DEPTH_MAX (error 191), names 128 characters (103), 256 tables in a FROM
 * (106). Time is linear in the text, the stack at most 512 KiB, the arena some 15 bytes for each
 * byte of ordinary text. */
#pragma once
#include "base/arena.h"
#include "base/status.h"
#include "tsql/ast.h"

enum {
    QR_TSQL_DEPTH_MAX = 500,      /* expressions, queries, blocks within each other */
    QR_TSQL_NAME_CHARS_MAX = 128, /* UTF-16 units of an identifier */
    QR_TSQL_TABLES_MAX = 256,     /* joined in one FROM (error 106) */
    QR_TSQL_JOINS_MAX = 4096,     /* in a whole statement: joins of joins nest (191) */
};

struct qr_tsql_options {
    bool quoted_identifier; /* at the start; SET QUOTED_IDENTIFIER in the batch changes it from
                               there */
};

struct qr_tsql_var_use {
    struct qr_str name; /* with @ */
    uint32_t line;
    bool is_table;
};

struct qr_tsql_batch {
    struct qr_str text; /* all of it */
    struct qr_ast_stmts stmts;
    uint32_t literal_count; /* constants in the text; ordinals are below it */
    bool quoted_identifier; /* as the batch leaves it */
    struct qr_tsql_var_use
        *undeclared; /* scalar variables used where the text has not declared them */
    size_t undeclared_count;
    bool sets_quoted_identifier; /* a SET QUOTED_IDENTIFIER stood in it */
    bool sets_parse_only; /* a SET PARSEONLY stood in it, which counts from when it is read */
    bool parse_only;      /* then: as the last one of them says */
    bool has_secret;      /* a password stands in it: the text is shown to nobody */
};

QR_NODISCARD enum qr_status qr_tsql_parse(struct qr_arena *arena_batch, const char *sql,
                                          size_t sql_bytes, const struct qr_tsql_options *options,
                                          struct qr_tsql_batch **ret_batch, struct qr_err *err);

/* One expression alone, such as a stored DEFAULT, CHECK or computed column. */
QR_NODISCARD enum qr_status qr_tsql_parse_expr(struct qr_arena *arena_batch, const char *sql,
                                               size_t sql_bytes,
                                               const struct qr_tsql_options *options,
                                               struct qr_ast_expr **ret_expr, struct qr_err *err);

/* A type as catalog procedures and sp_executesql's parameter list write it: "nvarchar(20)". */
QR_NODISCARD enum qr_status qr_tsql_parse_type(struct qr_arena *arena_batch, const char *sql,
                                               size_t sql_bytes, struct qr_ast_type *ret_type,
                                               struct qr_err *err);

/* sp_executesql's parameter list: "@a int, @b nvarchar(10) OUTPUT". */
QR_NODISCARD enum qr_status qr_tsql_parse_params(struct qr_arena *arena_batch, const char *sql,
                                                 size_t sql_bytes, struct qr_ast_params *ret_params,
                                                 struct qr_err *err);

/* The same for statements that differ in constants, blanks, comments and the case of words only.
 * `sql` is followed by a byte that is not counted, as in a batch's text. */
uint64_t qr_tsql_fingerprint(const char *sql, size_t sql_bytes);
