/* tsql/ast_base.h - names, types, options and lists that all nodes share; conventions in
 * tsql/ast.h. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/str.h"

struct qr_ast_expr;
struct qr_ast_query;
struct qr_ast_stmt;
struct qr_ast_source;

/* Where a node begins: byte offset into the batch, and line, the first being 1. */
struct qr_ast_pos {
    uint32_t offset;
    uint32_t line;
};

/* Spelled as written but without its quotes and with doubled quotes undone. */
struct qr_ast_ident {
    struct qr_str text;
    bool quoted; /* stood in [] or "" */
};
struct qr_ast_idents {
    struct qr_ast_ident *items;
    size_t count;
};

/* server.db.schema.object; `db..t` has an empty part. Column references have up to 5 parts. */
struct qr_ast_name {
    struct qr_ast_ident *parts; /* parts[count - 1] is the object itself */
    struct qr_ast_pos pos;
    uint32_t count; /* 0: absent */
};
struct qr_ast_names {
    struct qr_ast_name *items;
    size_t count;
};

struct qr_ast_exprs {
    struct qr_ast_expr **items;
    size_t count;
};

struct qr_ast_words { /* upper-case words, or texts */
    struct qr_str *items;
    size_t count;
};

/* A type as written. Spellings of several words are given by their one-word name: `double
 * precision` is float, `national character varying` nvarchar, `binary varying` varbinary. */
struct qr_ast_type {
    struct qr_ast_name name; /* count 0: absent */
    uint8_t arg_count;
    bool max;                      /* varchar(max) */
    int32_t args[2];               /* saturated at INT32_MAX */
    struct qr_ast_name xml_schema; /* xml([CONTENT|DOCUMENT] collection), refused by name later */
    struct qr_str text;            /* as written */
};

/* One entry of a WITH (...), OPTION (...) or similar list, of any of these forms:
 * NAME | NAME = word | NAME = expr | NAME expr | NAME (sub, ...) | NAME = word (sub, ...) */
struct qr_ast_option {
    struct qr_ast_pos pos;
    struct qr_str name;        /* "FILLFACTOR", "MAXRECURSION", "INDEX"; "" if only a value */
    struct qr_str word;        /* upper case: "ON", "PAGE", "ROW"; of several words if so written */
    struct qr_ast_expr *value; /* literal, variable, column (a name) or NULL */
    struct qr_ast_option *subs; /* what stands in parentheses after it */
    size_t sub_count;
    struct qr_str text; /* all of it as written */
};
struct qr_ast_options {
    struct qr_ast_option *items;
    size_t count;
};

/* An entry of ORDER BY, or of a key or index column list. */
struct qr_ast_order_item {
    struct qr_ast_expr *expr;
    bool descending;
    bool explicit_direction; /* ASC or DESC was written */
};
struct qr_ast_order {
    struct qr_ast_order_item *items;
    size_t count;
};

/* = += -= *= /= %= &= |= ^= ||= */
enum qr_ast_assign {
    QR_ASSIGN_SET,
    QR_ASSIGN_ADD,
    QR_ASSIGN_SUB,
    QR_ASSIGN_MUL,
    QR_ASSIGN_DIV,
    QR_ASSIGN_MOD,
    QR_ASSIGN_AND,
    QR_ASSIGN_OR,
    QR_ASSIGN_XOR,
    QR_ASSIGN_CONCAT,
};

struct qr_ast_stmts {
    struct qr_ast_stmt **items;
    size_t count;
};
