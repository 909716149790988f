/* tsql/ast_query.h - SELECT, table sources and WITH; conventions in tsql/ast.h. */
#pragma once
#include "tsql/ast_expr.h"

/* ---- table sources ---- */
enum qr_ast_source_kind {
    QR_AT_TABLE,    /* qr_ast_table_source: a table, view, synonym, CTE */
    QR_AT_VARIABLE, /* qr_ast_variable_source: @t */
    QR_AT_DERIVED,  /* qr_ast_derived_source: (SELECT ...) AS d */
    QR_AT_VALUES,   /* qr_ast_values_source: (VALUES (...), ...) AS d(a, b) */
    QR_AT_CALL,     /* qr_ast_call_source: f(...), OPENJSON(...) WITH (...) , @x.nodes(...) */
    QR_AT_ROWSET,   /* qr_ast_rowset_source: OPENROWSET, OPENQUERY, OPENDATASOURCE, OPENXML ... */
    QR_AT_DML,      /* qr_ast_dml_source: (DELETE ... OUTPUT ...) AS d, source of an INSERT */
    QR_AT_JOIN,     /* qr_ast_join */
    QR_AT_PIVOT,    /* qr_ast_pivot */
    QR_AT_UNPIVOT,  /* qr_ast_unpivot */
    QR_AT_KIND_COUNT
};
struct qr_ast_source {
    enum qr_ast_source_kind kind;
    struct qr_ast_pos pos;
    struct qr_ast_ident alias;    /* absent for joins, and where none was written */
    struct qr_ast_idents columns; /* AS d(a, b) */
};
struct qr_ast_sources {
    struct qr_ast_source **items;
    size_t count;
};
struct qr_ast_tablesample {
    struct qr_ast_expr *amount;
    bool rows;                      /* ROWS, else PERCENT */
    struct qr_ast_expr *repeatable; /* may be NULL */
};
enum qr_ast_temporal {
    QR_TEMPORAL_NONE,
    QR_TEMPORAL_AS_OF,
    QR_TEMPORAL_FROM_TO,
    QR_TEMPORAL_BETWEEN,
    QR_TEMPORAL_CONTAINED_IN,
    QR_TEMPORAL_ALL,
};
struct qr_ast_table_source {
    struct qr_ast_source head;
    struct qr_ast_name name;
    struct qr_ast_options hints; /* "NOLOCK", "INDEX" with subs, ...; old style (nolock) too */
    struct qr_ast_tablesample *sample; /* NULL: none */
    enum qr_ast_temporal temporal;     /* FOR SYSTEM_TIME ... */
    struct qr_ast_expr *time_from, *time_to;
    bool for_path;
};
struct qr_ast_variable_source {
    struct qr_ast_source head;
    struct qr_str name; /* with @ */
    struct qr_ast_options hints;
};
struct qr_ast_derived_source {
    struct qr_ast_source head;
    struct qr_ast_query *query;
};
struct qr_ast_row {
    struct qr_ast_pos pos;
    struct qr_ast_exprs values;
};
struct qr_ast_rows {
    struct qr_ast_row *items;
    size_t count;
};
struct qr_ast_values_source {
    struct qr_ast_source head;
    struct qr_ast_rows rows;
};
struct qr_ast_rowset_column { /* of OPENJSON/OPENXML/OPENROWSET ... WITH (...) */
    struct qr_ast_pos pos;
    struct qr_ast_ident name;
    struct qr_ast_type type;
    struct qr_ast_ident collation;
    struct qr_ast_expr *path; /* string or variable, NULL: $.name */
    bool as_json;
};
struct qr_ast_call_source {
    struct qr_ast_source head;
    struct qr_ast_expr *call;          /* QR_AE_CALL, or QR_AE_METHOD for xml .nodes() */
    struct qr_ast_rowset_column *with; /* OPENJSON ... WITH */
    size_t with_count;
    struct qr_ast_options hints;
};
struct qr_ast_rowset_source {
    struct qr_ast_source head;
    struct qr_str function;   /* "OPENROWSET", "OPENQUERY", "OPENXML", "CHANGETABLE" ... */
    struct qr_str text;       /* its arguments as written */
    struct qr_ast_exprs args; /* OPENXML: its arguments; else empty */
    struct qr_ast_rowset_column *with;
    size_t with_count;
    struct qr_ast_name with_table; /* OPENXML ... WITH table */
};
struct qr_ast_dml_source {
    struct qr_ast_source head;
    struct qr_ast_stmt *dml; /* INSERT, UPDATE, DELETE or MERGE with OUTPUT */
};
enum qr_ast_join_kind {
    QR_JOIN_INNER,
    QR_JOIN_LEFT,
    QR_JOIN_RIGHT,
    QR_JOIN_FULL,
    QR_JOIN_CROSS,
    QR_JOIN_CROSS_APPLY,
    QR_JOIN_OUTER_APPLY,
};
struct qr_ast_join { /* left-deep as written; at most 256 of them in a FROM (error 106) */
    struct qr_ast_source head;
    enum qr_ast_join_kind join;
    struct qr_str hint; /* "LOOP", "HASH", "MERGE", "REMOTE"; absent mostly */
    struct qr_ast_source *left, *right;
    struct qr_ast_expr *on; /* NULL for CROSS and APPLY */
};
struct qr_ast_pivot {
    struct qr_ast_source head;
    struct qr_ast_source *input;
    struct qr_ast_call *aggregate;
    struct qr_ast_name for_column;
    struct qr_ast_idents values; /* IN ([a], [b]) */
};
struct qr_ast_unpivot {
    struct qr_ast_source head;
    struct qr_ast_source *input;
    struct qr_ast_ident value_column;
    struct qr_ast_ident for_column;
    struct qr_ast_names columns;
};

/* ---- queries ---- */
enum qr_ast_query_kind {
    QR_AQ_SELECT, /* qr_ast_select */
    QR_AQ_SETOP,  /* qr_ast_setop */
    QR_AQ_VALUES, /* qr_ast_values_query: INSERT ... VALUES */
};
enum qr_ast_for_kind { QR_FOR_XML, QR_FOR_JSON, QR_FOR_BROWSE };
struct qr_ast_for {
    enum qr_ast_for_kind kind;
    struct qr_ast_pos pos;
    struct qr_str mode; /* "RAW", "AUTO", "EXPLICIT", "PATH"; absent for BROWSE */
    bool has_element;
    struct qr_str element; /* RAW('x'), PATH('x') */
    struct qr_ast_options
        options; /* "TYPE", "ROOT", "ELEMENTS" (word XSINIL), "BINARY BASE64",
                    "INCLUDE_NULL_VALUES", "WITHOUT_ARRAY_WRAPPER" ...; ROOT's value */
};
struct qr_ast_query {
    enum qr_ast_query_kind kind;
    struct qr_ast_pos pos;
    struct qr_str text; /* as written, without enclosing parentheses */
    struct qr_ast_order order_by;
    struct qr_ast_expr *offset;    /* NULL: none */
    struct qr_ast_expr *fetch;     /* NULL: none */
    struct qr_ast_for *for_clause; /* NULL: none */
};
struct qr_ast_select_item {
    struct qr_ast_pos pos;
    struct qr_ast_expr *expr;  /* may be QR_AE_STAR */
    struct qr_ast_ident alias; /* x AS a, x a, a = x */
    struct qr_str variable;    /* SELECT @v = x: with @ */
    enum qr_ast_assign assign;
};
struct qr_ast_select_items {
    struct qr_ast_select_item *items;
    size_t count;
};
struct qr_ast_top {
    struct qr_ast_expr *amount;
    bool percent;
    bool with_ties;
};
enum qr_ast_group_kind {
    QR_GROUP_EXPR,      /* one expression: items[0] of exprs */
    QR_GROUP_ROLLUP,    /* ROLLUP (sets) */
    QR_GROUP_CUBE,      /* CUBE (sets) */
    QR_GROUP_SETS,      /* GROUPING SETS (sets) */
    QR_GROUP_COMPOSITE, /* (a, b): exprs, maybe none for () */
};
struct qr_ast_group_item {
    enum qr_ast_group_kind kind;
    struct qr_ast_pos pos;
    struct qr_ast_exprs exprs;
    struct qr_ast_group_item *subs;
    size_t sub_count;
};
struct qr_ast_group {
    struct qr_ast_group_item *items; /* GROUP BY () gives one QR_GROUP_COMPOSITE without exprs */
    size_t count;                    /* 0: no GROUP BY */
    bool all;                        /* GROUP BY ALL */
    bool with_rollup, with_cube;     /* old style */
};
struct qr_ast_named_window {
    struct qr_ast_ident name;
    struct qr_ast_window *window;
};
struct qr_ast_select {
    struct qr_ast_query head;
    bool distinct;
    struct qr_ast_top *top; /* NULL: none */
    struct qr_ast_select_items items;
    struct qr_ast_name into; /* SELECT INTO */
    struct qr_ast_ident into_filegroup;
    struct qr_ast_sources from; /* comma list */
    struct qr_ast_expr *where;  /* NULL: none; a condition */
    struct qr_ast_group group_by;
    struct qr_ast_expr *having; /* NULL: none */
    struct qr_ast_named_window *windows;
    size_t window_count;
};
enum qr_ast_setop_kind { QR_SETOP_UNION, QR_SETOP_UNION_ALL, QR_SETOP_EXCEPT, QR_SETOP_INTERSECT };
/* ((branches[0] ops[0] branches[1]) ops[1] branches[2]) ...; INTERSECT, which binds tighter, has a
 * node of its own, and so has what stands in parentheses. ORDER BY of the whole is in head. */
struct qr_ast_setop {
    struct qr_ast_query head;
    struct qr_ast_query **branches;
    uint8_t *ops; /* enum qr_ast_setop_kind, count - 1 of them */
    size_t count;
};
struct qr_ast_values_query {
    struct qr_ast_query head;
    struct qr_ast_rows rows;
};

/* ---- WITH ---- */
struct qr_ast_cte {
    struct qr_ast_pos pos;
    struct qr_ast_ident name;
    struct qr_ast_idents columns;
    struct qr_ast_query *query;
};
struct qr_ast_xml_namespace {
    struct qr_str uri;
    struct qr_ast_ident prefix; /* absent: DEFAULT */
};
struct qr_ast_with {
    struct qr_ast_cte *ctes;
    size_t count;
    struct qr_ast_xml_namespace *namespaces;
    size_t namespace_count;
};
