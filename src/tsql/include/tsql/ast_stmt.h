/* tsql/ast_stmt.h - the head of all statements and the batch language; conventions in tsql/ast.h.
 */
#pragma once
#include "tsql/ast_query.h"

enum qr_ast_stmt_kind {
    /* batch language, this header */
    QR_AS_DECLARE,        /* qr_ast_declare: variables and table variables */
    QR_AS_DECLARE_CURSOR, /* qr_ast_declare_cursor */
    QR_AS_SET_VARIABLE,   /* qr_ast_set_variable */
    QR_AS_SET_OPTION,     /* qr_ast_set_option */
    QR_AS_IF,             /* qr_ast_if */
    QR_AS_WHILE,          /* qr_ast_while */
    QR_AS_BLOCK,          /* qr_ast_block: BEGIN ... END */
    QR_AS_TRY,            /* qr_ast_try */
    QR_AS_BREAK,          /* qr_ast_stmt */
    QR_AS_CONTINUE,       /* qr_ast_stmt */
    QR_AS_RETURN,         /* qr_ast_return */
    QR_AS_GOTO,           /* qr_ast_goto */
    QR_AS_LABEL,          /* qr_ast_goto */
    QR_AS_PRINT,          /* qr_ast_print */
    QR_AS_RAISERROR,      /* qr_ast_raiserror */
    QR_AS_THROW,          /* qr_ast_throw */
    QR_AS_WAITFOR,        /* qr_ast_waitfor */
    QR_AS_EXEC,           /* qr_ast_exec */
    QR_AS_TRANSACTION,    /* qr_ast_transaction */
    QR_AS_CURSOR,         /* qr_ast_cursor: OPEN, FETCH, CLOSE, DEALLOCATE */
    /* ast_dml.h */
    QR_AS_SELECT,      /* qr_ast_select_stmt */
    QR_AS_INSERT,      /* qr_ast_insert */
    QR_AS_UPDATE,      /* qr_ast_update */
    QR_AS_DELETE,      /* qr_ast_delete */
    QR_AS_MERGE,       /* qr_ast_merge */
    QR_AS_TRUNCATE,    /* qr_ast_truncate */
    QR_AS_INSERT_BULK, /* qr_ast_insert_bulk: INSERT BULK, as clients send it before bulk load */
    /* ast_ddl.h */
    QR_AS_CREATE_TABLE,        /* qr_ast_create_table */
    QR_AS_ALTER_TABLE,         /* qr_ast_alter_table */
    QR_AS_CREATE_INDEX,        /* qr_ast_create_index */
    QR_AS_ALTER_INDEX,         /* qr_ast_alter_index */
    QR_AS_VIEW,                /* qr_ast_view: CREATE, ALTER, CREATE OR ALTER */
    QR_AS_PROCEDURE,           /* qr_ast_procedure */
    QR_AS_FUNCTION,            /* qr_ast_function */
    QR_AS_TRIGGER,             /* qr_ast_trigger */
    QR_AS_CREATE_SCHEMA,       /* qr_ast_create_schema */
    QR_AS_ALTER_SCHEMA,        /* qr_ast_alter_schema: TRANSFER */
    QR_AS_CREATE_TYPE,         /* qr_ast_create_type */
    QR_AS_SEQUENCE,            /* qr_ast_sequence: CREATE, ALTER */
    QR_AS_CREATE_SYNONYM,      /* qr_ast_create_synonym */
    QR_AS_SECURITY_POLICY,     /* qr_ast_security_policy: CREATE, ALTER */
    QR_AS_CREATE_STATISTICS,   /* qr_ast_create_statistics */
    QR_AS_UPDATE_STATISTICS,   /* qr_ast_update_statistics */
    QR_AS_CREATE_DEFAULT_RULE, /* qr_ast_create_default_rule: CREATE DEFAULT, CREATE RULE */
    QR_AS_ENABLE_TRIGGER,      /* qr_ast_enable_trigger: ENABLE, DISABLE TRIGGER */
    QR_AS_DROP,                /* qr_ast_drop: DROP of any class */
    /* ast_admin.h */
    QR_AS_PRINCIPAL,            /* qr_ast_principal: CREATE, ALTER LOGIN, USER, ROLE ... */
    QR_AS_PERMISSION,           /* qr_ast_permission: GRANT, DENY, REVOKE */
    QR_AS_AUTHORIZATION,        /* qr_ast_authorization: ALTER AUTHORIZATION */
    QR_AS_EXECUTE_AS,           /* qr_ast_execute_as: EXECUTE AS, SETUSER */
    QR_AS_REVERT,               /* qr_ast_revert */
    QR_AS_USE,                  /* qr_ast_use */
    QR_AS_CREATE_DATABASE,      /* qr_ast_create_database */
    QR_AS_ALTER_DATABASE,       /* qr_ast_alter_database */
    QR_AS_SCOPED_CONFIGURATION, /* qr_ast_scoped_configuration */
    QR_AS_DBCC,                 /* qr_ast_dbcc */
    QR_AS_CHECKPOINT,           /* qr_ast_stmt */
    QR_AS_KILL,                 /* qr_ast_kill */
    QR_AS_SHUTDOWN,             /* qr_ast_stmt */
    QR_AS_RECONFIGURE,          /* qr_ast_stmt */
    QR_AS_UNSUPPORTED,          /* qr_ast_unsupported: read to its end and named, nothing more */
    QR_AS_KIND_COUNT
};

struct qr_ast_stmt {
    enum qr_ast_stmt_kind kind;
    struct qr_ast_pos pos;
    struct qr_str text; /* from its first to its last token, without the semicolon */
};

struct qr_ast_table_def; /* ast_ddl.h */

struct qr_ast_declare_item {
    struct qr_ast_pos pos;
    struct qr_str name; /* with @ */
    struct qr_ast_type type;
    struct qr_ast_expr *init;       /* NULL: none */
    struct qr_ast_table_def *table; /* table variable; else NULL */
    bool is_cursor;                 /* DECLARE @c CURSOR */
};
struct qr_ast_declare {
    struct qr_ast_stmt head;
    struct qr_ast_declare_item *items;
    size_t count;
};

/* DECLARE c CURSOR ... FOR SELECT, and SET @c = CURSOR ... FOR SELECT */
struct qr_ast_cursor_def {
    struct qr_ast_words
        options; /* "LOCAL", "FAST_FORWARD", "STATIC" ...; old form "INSENSITIVE", "SCROLL" */
    struct qr_ast_stmt *select; /* QR_AS_SELECT */
    bool for_update, for_read_only;
    struct qr_ast_names update_of;
};
struct qr_ast_declare_cursor {
    struct qr_ast_stmt head;
    struct qr_ast_ident name;
    struct qr_ast_cursor_def def;
};

struct qr_ast_set_variable {
    struct qr_ast_stmt head;
    struct qr_str name; /* with @ */
    enum qr_ast_assign assign;
    struct qr_ast_expr *value;        /* NULL for cursor and method forms */
    struct qr_ast_cursor_def *cursor; /* SET @c = CURSOR ...; else NULL */
    struct qr_ast_expr *method;       /* SET @x.modify('...'): QR_AE_METHOD; else NULL */
};

/* SET NOCOUNT, XACT_ABORT ON; SET STATISTICS IO ON (option "STATISTICS IO"); SET ROWCOUNT 10;
 * SET IDENTITY_INSERT t ON; SET TRANSACTION ISOLATION LEVEL SNAPSHOT (word "SNAPSHOT"). */
struct qr_ast_set_option {
    struct qr_ast_stmt head;
    struct qr_ast_words options; /* upper case; one unless ON/OFF */
    bool on_off;                 /* the form with ON or OFF; then `on` says which */
    bool on;
    struct qr_str
        word; /* value that is a word, as written: mdy, us_english, READ COMMITTED (upper) */
    struct qr_ast_expr *value; /* value that is a constant or variable; else NULL */
    struct qr_ast_name table;  /* IDENTITY_INSERT */
};

struct qr_ast_if {
    struct qr_ast_stmt head;
    struct qr_ast_expr *condition;
    struct qr_ast_stmt *then;
    struct qr_ast_stmt
        *otherwise; /* NULL: none. Long else-if chains nest here without bound: loop */
};
struct qr_ast_while {
    struct qr_ast_stmt head;
    struct qr_ast_expr *condition;
    struct qr_ast_stmt *body;
};
struct qr_ast_block {
    struct qr_ast_stmt head;
    struct qr_ast_stmts stmts;
    bool atomic; /* BEGIN ATOMIC WITH (...) */
};
struct qr_ast_try {
    struct qr_ast_stmt head;
    struct qr_ast_stmts body;
    struct qr_ast_stmts handler;
};
struct qr_ast_return {
    struct qr_ast_stmt head;
    struct qr_ast_expr *value; /* NULL: none */
};
struct qr_ast_goto {
    struct qr_ast_stmt head;
    struct qr_ast_ident label;
};
struct qr_ast_print {
    struct qr_ast_stmt head;
    struct qr_ast_expr *value;
};
struct qr_ast_raiserror {
    struct qr_ast_stmt head;
    struct qr_ast_expr *message;          /* string, number or variable */
    struct qr_ast_expr *severity, *state; /* NULL in the old form RAISERROR 50001 'text' */
    struct qr_ast_exprs args;             /* old form: the text */
    bool old_form;
    bool with_log, with_nowait, with_seterror;
};
struct qr_ast_throw {
    struct qr_ast_stmt head;
    struct qr_ast_expr *number, *message, *state; /* all NULL: rethrow */
};
enum qr_ast_waitfor_kind { QR_WAITFOR_DELAY, QR_WAITFOR_TIME, QR_WAITFOR_STATEMENT };
struct qr_ast_waitfor {
    struct qr_ast_stmt head;
    enum qr_ast_waitfor_kind wait;
    struct qr_ast_expr *value; /* string or variable; NULL for WAITFOR (RECEIVE ...) */
};

struct qr_ast_exec_arg {
    struct qr_ast_pos pos;
    struct qr_str name;        /* with @; absent: by position */
    struct qr_ast_expr *value; /* constant, variable, QR_LIT_DEFAULT; a bare word is QR_AE_COLUMN */
    bool output;
};
/* A column of WITH RESULT SETS. */
struct qr_ast_result_column {
    struct qr_ast_ident name;
    struct qr_ast_type type;
    struct qr_ast_ident collation; /* absent: none */
    bool not_null;
};
struct qr_ast_result_set {
    struct qr_ast_result_column *columns;
    size_t count;         /* 0: one of the other forms */
    struct qr_str refuse; /* then what it is, such as "AS OBJECT" */
};
enum qr_ast_results {
    QR_RESULTS_UNSAID, /* or UNDEFINED: whatever comes */
    QR_RESULTS_NONE,
    QR_RESULTS_DEFINED,
};
struct qr_ast_exec {
    struct qr_ast_stmt head;
    struct qr_str return_variable;    /* EXEC @rc = p */
    struct qr_ast_name procedure;     /* count 0: by variable or string */
    int32_t procedure_number;         /* p;2 ; 0: none */
    struct qr_str procedure_variable; /* EXEC @p */
    struct qr_ast_expr *string;       /* EXEC ('...' + @x): else NULL */
    struct qr_ast_ident at_server;    /* AT linked server */
    struct qr_ast_name as_user; /* EXEC ('...') AS USER = 'x': count 0 mostly; parts[0] the name */
    bool as_login;
    struct qr_ast_exec_arg *args;
    size_t arg_count;
    bool bare; /* without EXEC, first in the batch */
    bool recompile;
    struct qr_str result_sets; /* text of WITH RESULT SETS ..., absent mostly */
    enum qr_ast_results results;
    struct qr_ast_result_set *sets; /* QR_RESULTS_DEFINED */
    size_t set_count;
};

enum qr_ast_tran { QR_ATRAN_BEGIN, QR_ATRAN_COMMIT, QR_ATRAN_ROLLBACK, QR_ATRAN_SAVE };
struct qr_ast_transaction {
    struct qr_ast_stmt head;
    enum qr_ast_tran action;
    bool distributed;
    struct qr_ast_ident name; /* absent: none */
    struct qr_str variable;   /* name held in @x */
    bool with_mark;
    struct qr_ast_expr *mark; /* NULL: none */
    bool delayed_durability;
};

enum qr_ast_cursor_action {
    QR_CURSOR_OPEN,
    QR_CURSOR_FETCH,
    QR_CURSOR_CLOSE,
    QR_CURSOR_DEALLOCATE
};
enum qr_ast_fetch { /* of FETCH */
                    QR_FETCH_NEXT,
                    QR_FETCH_PRIOR,
                    QR_FETCH_FIRST,
                    QR_FETCH_LAST,
                    QR_FETCH_ABSOLUTE,
                    QR_FETCH_RELATIVE,
};
struct qr_ast_cursor {
    struct qr_ast_stmt head;
    enum qr_ast_cursor_action action;
    bool global;
    struct qr_ast_ident name; /* absent: variable */
    struct qr_str variable;
    enum qr_ast_fetch fetch;
    struct qr_ast_expr *fetch_row; /* ABSOLUTE and RELATIVE; else NULL */
    struct qr_ast_words into;      /* @a, @b */
};

/* What sys.dm_exec_requests.command shows for it: "SELECT", "CREATE TABLE", "EXECUTE". */
const char *qr_ast_stmt_command(enum qr_ast_stmt_kind kind);
