/* tsql/ast_dml.h - statements that read and change rows; conventions in tsql/ast.h. */
#pragma once
#include "tsql/ast_stmt.h"

struct qr_ast_select_stmt {
    struct qr_ast_stmt head;
    struct qr_ast_with *with; /* NULL: none */
    struct qr_ast_query *query;
    struct qr_ast_options options; /* OPTION (...) */
    bool of_cursor;                /* DECLARE CURSOR's */
};

struct qr_ast_output { /* one OUTPUT clause */
    struct qr_ast_pos pos;
    struct qr_ast_select_items items; /* columns qualified by inserted, deleted; $action */
    struct qr_ast_name into;          /* count 0: to the client, unless into_variable */
    struct qr_str into_variable;      /* @t */
    struct qr_ast_idents into_columns;
};
struct qr_ast_outputs { /* at most two: OUTPUT ... INTO ... OUTPUT ... */
    struct qr_ast_output items[2];
    size_t count;
};

enum qr_ast_insert_source {
    QR_INSERT_QUERY, /* VALUES or SELECT: query */
    QR_INSERT_EXEC,
    QR_INSERT_DEFAULT_VALUES,
};
struct qr_ast_insert {
    struct qr_ast_stmt head;
    struct qr_ast_with *with;     /* NULL: none */
    struct qr_ast_top *top;       /* NULL: none */
    struct qr_ast_source *target; /* TABLE, VARIABLE or ROWSET */
    struct qr_ast_names columns;  /* count 0: none written */
    struct qr_ast_outputs outputs;
    enum qr_ast_insert_source source;
    struct qr_ast_query *query; /* QR_AQ_VALUES or a select; NULL for the other sources */
    struct qr_ast_exec *exec;
    struct qr_ast_options options;
};

struct qr_ast_set_item { /* of UPDATE and MERGE */
    struct qr_ast_pos pos;
    struct qr_ast_name column; /* count 0: only a variable */
    struct qr_str variable;    /* @v = expr, @v = column = expr */
    enum qr_ast_assign assign;
    struct qr_ast_expr *value;  /* may be QR_LIT_DEFAULT; NULL for method */
    struct qr_ast_ident method; /* column.WRITE(...), column.modify(...) */
    struct qr_ast_exprs method_args;
};
struct qr_ast_set_items {
    struct qr_ast_set_item *items;
    size_t count;
};
struct qr_ast_update {
    struct qr_ast_stmt head;
    struct qr_ast_with *with;
    struct qr_ast_top *top;
    struct qr_ast_source *target; /* its name may be an alias of `from` or a CTE */
    struct qr_ast_set_items set;
    struct qr_ast_outputs outputs;
    struct qr_ast_sources from;
    struct qr_ast_expr *where;         /* NULL: none */
    struct qr_ast_ident current_of;    /* WHERE CURRENT OF c */
    struct qr_str current_of_variable; /* WHERE CURRENT OF @c */
    struct qr_ast_options options;
};
struct qr_ast_delete {
    struct qr_ast_stmt head;
    struct qr_ast_with *with;
    struct qr_ast_top *top;
    struct qr_ast_source *target;
    struct qr_ast_outputs outputs;
    struct qr_ast_sources from;
    struct qr_ast_expr *where;
    struct qr_ast_ident current_of;
    struct qr_str current_of_variable;
    struct qr_ast_options options;
};

enum qr_ast_merge_match { QR_MERGE_MATCHED, QR_MERGE_NOT_MATCHED, QR_MERGE_NOT_MATCHED_BY_SOURCE };
enum qr_ast_merge_action { QR_MERGE_UPDATE, QR_MERGE_DELETE, QR_MERGE_INSERT };
struct qr_ast_merge_when {
    struct qr_ast_pos pos;
    enum qr_ast_merge_match match;
    enum qr_ast_merge_action action;
    struct qr_ast_expr *condition; /* AND ...; NULL: none */
    struct qr_ast_set_items set;   /* UPDATE */
    struct qr_ast_names columns;   /* INSERT */
    struct qr_ast_exprs values;    /* INSERT; empty: DEFAULT VALUES */
};
struct qr_ast_merge {
    struct qr_ast_stmt head;
    struct qr_ast_with *with;
    struct qr_ast_top *top;
    struct qr_ast_source *target; /* with its alias */
    struct qr_ast_source *using_source;
    struct qr_ast_expr *on;
    struct qr_ast_merge_when *whens;
    size_t when_count;
    struct qr_ast_outputs outputs;
    struct qr_ast_options options;
};

struct qr_ast_truncate {
    struct qr_ast_stmt head;
    struct qr_ast_name table;
    bool with_partitions; /* WITH (PARTITIONS (...)) */
};

struct qr_ast_bulk_column {
    struct qr_ast_pos pos;
    struct qr_ast_ident name;
    struct qr_ast_type type;
    struct qr_ast_ident collation;
};
struct qr_ast_insert_bulk {
    struct qr_ast_stmt head;
    struct qr_ast_name table;
    struct qr_ast_bulk_column *columns;
    size_t count;
    struct qr_ast_options options; /* "KEEP_NULLS", "CHECK_CONSTRAINTS", "TABLOCK" ... */
    struct qr_ast_order order;     /* what the rows are said to be sorted by */
};
