/* tsql/ast_ddl.h - definitions of tables, indexes, modules and other objects; conventions in
 * tsql/ast.h. */
#pragma once
#include "tsql/ast_stmt.h"

enum qr_ast_action { QR_ACTION_CREATE, QR_ACTION_ALTER, QR_ACTION_CREATE_OR_ALTER };
enum qr_ast_tri { QR_UNSAID, QR_NO, QR_YES };

/* ---- tables ---- */
enum qr_ast_constraint_kind {
    QR_CONSTRAINT_PRIMARY_KEY,
    QR_CONSTRAINT_UNIQUE,
    QR_CONSTRAINT_FOREIGN_KEY,
    QR_CONSTRAINT_CHECK,
    QR_CONSTRAINT_DEFAULT,
    QR_CONSTRAINT_CONNECTION, /* graph edges: refused by name later */
};
enum qr_ast_reference_action {
    QR_REF_NO_ACTION,
    QR_REF_CASCADE,
    QR_REF_SET_NULL,
    QR_REF_SET_DEFAULT
};
struct qr_ast_constraint {
    enum qr_ast_constraint_kind kind;
    struct qr_ast_pos pos;
    struct qr_ast_ident name;     /* absent: system-named */
    enum qr_ast_tri clustered;    /* PRIMARY KEY, UNIQUE */
    struct qr_ast_order columns;  /* key or referencing columns; empty for column constraints */
    struct qr_ast_name ref_table; /* FOREIGN KEY */
    struct qr_ast_idents ref_columns;
    enum qr_ast_reference_action on_delete, on_update;
    bool not_for_replication;
    bool not_enforced;              /* NOT ENFORCED */
    struct qr_ast_expr *expr;       /* CHECK's condition, DEFAULT's value; else NULL */
    struct qr_str expr_text;        /* as written, with its parentheses */
    struct qr_ast_ident for_column; /* DEFAULT x FOR c */
    bool with_values;
    struct qr_ast_options options; /* WITH (...), WITH FILLFACTOR = n */
    struct qr_str scheme;          /* ON scheme(column); a filegroup is not kept */
};
struct qr_ast_constraints {
    struct qr_ast_constraint *items;
    size_t count;
};

struct qr_ast_index_def { /* CREATE INDEX and indexes inside CREATE TABLE */
    struct qr_ast_pos pos;
    struct qr_ast_ident name;
    bool unique;
    enum qr_ast_tri clustered;
    bool columnstore;
    struct qr_str
        exotic; /* "XML", "PRIMARY XML", "SPATIAL", "HASH", "FULLTEXT" ...: refused later */
    struct qr_ast_order columns;
    struct qr_ast_idents include;
    struct qr_ast_expr *where; /* filter; NULL: none */
    struct qr_str where_text;
    struct qr_ast_options options;
    struct qr_str scheme; /* as of a constraint */
};

struct qr_ast_column_def {
    struct qr_ast_pos pos;
    struct qr_ast_ident name;
    struct qr_ast_type type;      /* absent for computed columns and for bare `timestamp` */
    struct qr_ast_expr *computed; /* NULL: ordinary column */
    struct qr_str computed_text;
    bool persisted;
    enum qr_ast_tri nullable; /* NULL: yes, NOT NULL: no */
    struct qr_ast_ident collation;
    bool identity;
    struct qr_ast_expr *seed, *increment; /* NULL: 1 */
    bool not_for_replication;
    bool rowguidcol, sparse, column_set, filestream, hidden;
    struct qr_ast_expr *mask;              /* MASKED WITH (FUNCTION = '...'); NULL: none */
    bool encrypted;                        /* ENCRYPTED WITH (...) */
    struct qr_str generated;               /* "ROW START", "ROW END", ...: GENERATED ALWAYS AS */
    struct qr_ast_constraints constraints; /* inline, DEFAULT among them */
    struct qr_ast_index_def *index;        /* inline INDEX; NULL: none */
};

struct qr_ast_table_def {
    struct qr_ast_column_def *columns;
    size_t column_count;
    struct qr_ast_constraints constraints;
    struct qr_ast_index_def *indexes;
    size_t index_count;
    struct qr_ast_ident period_start, period_end; /* PERIOD FOR SYSTEM_TIME */
};
struct qr_ast_create_table {
    struct qr_ast_stmt head;
    struct qr_ast_name name;
    struct qr_ast_table_def def;
    struct qr_ast_options options; /* WITH (...) */
    struct qr_str scheme;          /* ON scheme(column); filegroups are not kept */
    struct qr_str exotic; /* "NODE", "EDGE", "FILETABLE", "EXTERNAL TABLE": refused later */
};

enum qr_ast_alter_table_action {
    QR_ALTER_ADD,     /* def: columns, constraints, indexes */
    QR_ALTER_COLUMN,  /* column: name and new type or ADD/DROP of a column property */
    QR_ALTER_DROP,    /* drops */
    QR_ALTER_CHECK,   /* CHECK CONSTRAINT names | ALL: enabled again */
    QR_ALTER_NOCHECK, /* NOCHECK CONSTRAINT names | ALL: disabled */
    QR_ALTER_ENABLE_TRIGGER,
    QR_ALTER_DISABLE_TRIGGER,
    QR_ALTER_SWITCH,
    QR_ALTER_REBUILD,
    QR_ALTER_SET, /* SET (SYSTEM_VERSIONING = ...) */
    QR_ALTER_CHANGE_TRACKING,
    QR_ALTER_OTHER, /* named by `what` */
};
struct qr_ast_table_drop {
    struct qr_ast_pos pos;
    bool column; /* COLUMN; else constraint */
    bool index;  /* INDEX */
    bool period; /* PERIOD FOR SYSTEM_TIME */
    bool if_exists;
    struct qr_ast_ident name;
    struct qr_ast_options options;
};
struct qr_ast_alter_table {
    struct qr_ast_stmt head;
    struct qr_ast_name name;
    enum qr_ast_alter_table_action action;
    enum qr_ast_tri with_check; /* WITH CHECK yes, WITH NOCHECK no */
    struct qr_ast_table_def def;
    struct qr_ast_column_def column;
    struct qr_str column_change; /* "ADD ROWGUIDCOL", "DROP PERSISTED", ...; absent: a new type */
    struct qr_ast_table_drop *drops;
    size_t drop_count;
    bool all;                   /* constraints or triggers: ALL */
    struct qr_ast_idents names; /* else these */
    struct qr_ast_name switch_to;
    struct qr_ast_options options;
    struct qr_str what;
};

/* ---- indexes and statistics ---- */
struct qr_ast_create_index {
    struct qr_ast_stmt head;
    struct qr_ast_name table;
    struct qr_ast_index_def def;
};
struct qr_ast_alter_index {
    struct qr_ast_stmt head;
    struct qr_ast_ident name; /* absent: ALL */
    struct qr_ast_name table;
    struct qr_str
        action; /* "REBUILD", "REORGANIZE", "DISABLE", "SET", "PAUSE", "RESUME", "ABORT" */
    struct qr_ast_options options;
};
struct qr_ast_create_statistics {
    struct qr_ast_stmt head;
    struct qr_ast_ident name;
    struct qr_ast_name table;
    struct qr_ast_idents columns;
    struct qr_ast_expr *where;
    struct qr_str where_text;
    struct qr_ast_options options;
};
struct qr_ast_update_statistics {
    struct qr_ast_stmt head;
    struct qr_ast_name table;
    struct qr_ast_idents names;
    struct qr_ast_options options;
};

/* ---- modules ----
 * Their text for sys.sql_modules is the whole batch: qr_tsql_batch.text. */
struct qr_ast_param {
    struct qr_ast_pos pos;
    struct qr_str name; /* with @ */
    struct qr_ast_type type;
    enum qr_ast_tri nullable;
    struct qr_ast_expr *initial; /* default; NULL: none */
    bool output, readonly;
    bool cursor_varying;
};
struct qr_ast_params {
    struct qr_ast_param *items;
    size_t count;
};
struct qr_ast_view {
    struct qr_ast_stmt head;
    enum qr_ast_action action;
    bool materialized;
    struct qr_ast_name name;
    struct qr_ast_idents columns;
    struct qr_ast_options options; /* "SCHEMABINDING", "ENCRYPTION", "VIEW_METADATA" */
    struct qr_ast_select_stmt *select;
    bool check_option;
};
struct qr_ast_procedure {
    struct qr_ast_stmt head;
    enum qr_ast_action action;
    struct qr_ast_name name;
    int32_t number; /* p;2 ; 0: none */
    struct qr_ast_params params;
    struct qr_ast_options
        options; /* "RECOMPILE", "ENCRYPTION", "EXECUTE AS" (word or value), ... */
    bool for_replication;
    struct qr_ast_stmts body;
    struct qr_str external_name; /* AS EXTERNAL NAME ..., absent mostly */
};
enum qr_ast_function_kind { QR_FUNCTION_SCALAR, QR_FUNCTION_INLINE, QR_FUNCTION_TABLE };
struct qr_ast_function {
    struct qr_ast_stmt head;
    enum qr_ast_action action;
    enum qr_ast_function_kind function;
    struct qr_ast_name name;
    struct qr_ast_params params;
    struct qr_ast_type returns;            /* SCALAR */
    struct qr_str return_variable;         /* TABLE: RETURNS @t TABLE (...) */
    struct qr_ast_table_def *return_table; /* TABLE, and CLR functions; else NULL */
    struct qr_ast_options options;         /* "SCHEMABINDING", "RETURNS NULL ON NULL INPUT", ... */
    struct qr_ast_select_stmt *select;     /* INLINE */
    struct qr_ast_stmts body;              /* SCALAR, TABLE */
    uint32_t temp_line; /* where it names a #table as a source or target; 0: nowhere */
    struct qr_str external_name;
};
enum qr_ast_trigger_time { QR_TRIGGER_AFTER, QR_TRIGGER_INSTEAD_OF };
enum { QR_TRIGGER_INSERT = 1, QR_TRIGGER_UPDATE = 2, QR_TRIGGER_DELETE = 4 };
struct qr_ast_trigger {
    struct qr_ast_stmt head;
    enum qr_ast_action action;
    struct qr_ast_name name;
    struct qr_ast_name table; /* count 0: DDL or logon trigger */
    bool on_database, on_all_server;
    enum qr_ast_trigger_time time;
    uint8_t events; /* QR_TRIGGER_* bits */
    struct qr_ast_words ddl_events;
    bool not_for_replication;
    struct qr_ast_options options;
    struct qr_ast_stmts body;
    struct qr_str external_name;
};
struct qr_ast_enable_trigger {
    struct qr_ast_stmt head;
    bool enable;
    bool all;
    struct qr_ast_names triggers;
    struct qr_ast_name table; /* count 0: database or server */
    bool on_database, on_all_server;
};

/* ---- other objects ---- */
struct qr_ast_create_schema {
    struct qr_ast_stmt head;
    struct qr_ast_ident name;          /* absent: that of the owner */
    struct qr_ast_ident authorization; /* absent: none */
    struct qr_ast_stmts elements;      /* CREATE TABLE, CREATE VIEW, GRANT ... inside it */
};
struct qr_ast_alter_schema {
    struct qr_ast_stmt head;
    struct qr_ast_ident name;
    struct qr_str object_class; /* "OBJECT", "TYPE", "XML SCHEMA COLLECTION"; absent: object */
    struct qr_ast_name object;
};
struct qr_ast_create_type {
    struct qr_ast_stmt head;
    struct qr_ast_name name;
    struct qr_ast_type base; /* FROM ...; absent: table or external */
    enum qr_ast_tri nullable;
    struct qr_ast_table_def *table; /* AS TABLE (...); else NULL */
    struct qr_ast_options options;
    struct qr_str external_name;
};
struct qr_ast_sequence {
    struct qr_ast_stmt head;
    enum qr_ast_action action;
    struct qr_ast_name name;
    struct qr_ast_type type;
    struct qr_ast_expr *start, *increment, *min, *max, *cache; /* NULL: unsaid */
    bool restart;
    enum qr_ast_tri has_min, has_max, cycle, has_cache; /* NO MINVALUE: no */
};
struct qr_ast_create_synonym {
    struct qr_ast_stmt head;
    struct qr_ast_name name;
    struct qr_ast_name target;
};
/* What a predicate of a security policy is asked for: reading, or one of these changes. */
enum qr_policy_operation {
    QR_POLICY_ALL, /* none was written */
    QR_POLICY_AFTER_INSERT,
    QR_POLICY_AFTER_UPDATE,
    QR_POLICY_BEFORE_UPDATE,
    QR_POLICY_BEFORE_DELETE,
};
enum qr_ast_predicate_action { QR_PREDICATE_ADD, QR_PREDICATE_ALTER, QR_PREDICATE_DROP };
struct qr_ast_predicate {
    enum qr_ast_predicate_action action;
    bool is_block;               /* else FILTER */
    uint8_t operation;           /* enum qr_policy_operation */
    struct qr_ast_name function; /* DROP: none */
    struct qr_ast_exprs args;
    struct qr_str call_text; /* function(args) as written */
    struct qr_ast_name table;
};
struct qr_ast_security_policy {
    struct qr_ast_stmt head;
    enum qr_ast_action action; /* CREATE or ALTER */
    struct qr_ast_name name;
    struct qr_ast_predicate *predicates;
    size_t count;
    enum qr_ast_tri state, schema_bound, not_for_replication;
};
struct qr_ast_create_default_rule {
    struct qr_ast_stmt head;
    bool rule; /* CREATE RULE; else CREATE DEFAULT */
    struct qr_ast_name name;
    struct qr_ast_expr *expr;
    struct qr_str expr_text;
};

struct qr_ast_drop_item {
    struct qr_ast_name name;
    struct qr_ast_name
        on; /* DROP INDEX i ON t; old form t.i is turned into it; triggers: ON DATABASE */
    struct qr_ast_options options;
};
struct qr_ast_drop {
    struct qr_ast_stmt head;
    struct qr_str object_class; /* "TABLE", "VIEW", "PROCEDURE", "FUNCTION", "TRIGGER", "INDEX",
                                   "SCHEMA", "TYPE", "SEQUENCE", "SYNONYM", "DEFAULT", "RULE",
                                   "STATISTICS", "DATABASE", "USER", "LOGIN", "ROLE", ... */
    bool if_exists;
    struct qr_ast_drop_item *items;
    size_t count;
};
