/* tsql/ast_admin.h - principals, permissions, databases, maintenance; conventions in tsql/ast.h. */
#pragma once
#include "tsql/ast_ddl.h"

struct qr_ast_principal {
    struct qr_ast_stmt head;
    enum qr_ast_action action;
    struct qr_str principal_class; /* "LOGIN", "USER", "ROLE", "SERVER ROLE", "APPLICATION ROLE" */
    struct qr_ast_ident name;
    struct qr_ast_ident for_login; /* CREATE USER u FOR|FROM LOGIN l */
    bool without_login;
    bool from_external;                          /* FROM EXTERNAL PROVIDER, FROM WINDOWS, ... */
    struct qr_str from_what;                     /* the words after FROM or FOR when no login */
    struct qr_ast_ident authorization;           /* CREATE ROLE r AUTHORIZATION o */
    struct qr_ast_ident add_member, drop_member; /* ALTER ROLE */
    struct qr_ast_options
        options; /* WITH PASSWORD = '...', DEFAULT_SCHEMA = s, NAME = n, "ENABLE", "DISABLE" */
};

enum qr_ast_permission_action { QR_PERMISSION_GRANT, QR_PERMISSION_DENY, QR_PERMISSION_REVOKE };
struct qr_ast_permission_item {
    struct qr_str name; /* "SELECT", "CREATE TABLE", "ALL", ... or a role name of the old form */
    struct qr_ast_idents columns;
};
struct qr_ast_permission {
    struct qr_ast_stmt head;
    enum qr_ast_permission_action action;
    struct qr_ast_permission_item *items;
    size_t count;
    struct qr_str on_class; /* "OBJECT", "SCHEMA", "DATABASE", ...; absent: object */
    struct qr_ast_name on;  /* count 0: the database */
    struct qr_ast_idents on_columns;
    struct qr_ast_idents principals;
    bool grant_option; /* WITH GRANT OPTION, GRANT OPTION FOR */
    bool cascade;
    struct qr_ast_ident as_principal;
};
struct qr_ast_authorization {
    struct qr_ast_stmt head;
    struct qr_str object_class;
    struct qr_ast_name object;
    struct qr_ast_ident owner; /* absent: SCHEMA OWNER */
};
struct qr_ast_execute_as {
    struct qr_ast_stmt head;
    bool setuser;          /* SETUSER 'x' */
    struct qr_str context; /* "USER", "LOGIN", "CALLER", "OWNER", "SELF"; absent: SETUSER alone */
    struct qr_ast_expr *name; /* string or variable; NULL: none */
    bool no_revert;
    struct qr_str cookie_variable;
};

struct qr_ast_revert {
    struct qr_ast_stmt head;
    struct qr_str cookie_variable; /* absent: none */
};

struct qr_ast_use {
    struct qr_ast_stmt head;
    struct qr_ast_ident database;
};
struct qr_ast_create_database {
    struct qr_ast_stmt head;
    struct qr_ast_ident name;
    struct qr_ast_ident collation;
    struct qr_ast_name copy_of; /* AS COPY OF server.db; count 0: none */
    struct qr_ast_options
        options;         /* (EDITION = 'x', SERVICE_OBJECTIVE = 'y', MAXSIZE = n GB), WITH ... */
    struct qr_str files; /* text of ON ..., LOG ON ..., FOR ATTACH: absent mostly */
};
/* action: "SET" (options), "MODIFY" (EDITION, SERVICE_OBJECTIVE, MAXSIZE,
 * BACKUP_STORAGE_REDUNDANCY), "MODIFY NAME" (options[0].value), "COLLATE" (options[0].value), "ADD
 * SECONDARY" (server, options), "REMOVE SECONDARY" (server), else the words after the name, such as
 * "FAILOVER", with `rest` as written. */
struct qr_ast_alter_database {
    struct qr_ast_stmt head;
    struct qr_ast_ident name; /* absent: CURRENT */
    struct qr_str action;
    struct qr_ast_ident server; /* ON SERVER */
    struct qr_ast_options options;
    struct qr_str rest;
};
struct qr_ast_scoped_configuration {
    struct qr_ast_stmt head;
    bool for_secondary;
    bool clear;                /* CLEAR PROCEDURE_CACHE: name is PROCEDURE_CACHE */
    struct qr_str name;        /* "MAXDOP" */
    struct qr_str word;        /* ON, OFF, PRIMARY ...; absent if value */
    struct qr_ast_expr *value; /* NULL if word */
};
struct qr_ast_dbcc {
    struct qr_ast_stmt head;
    struct qr_str command;    /* "CHECKDB" */
    struct qr_ast_exprs args; /* bare words are columns */
    struct qr_ast_options options;
};
struct qr_ast_kill {
    struct qr_ast_stmt head;
    struct qr_ast_expr *session; /* number, string or variable; NULL for other forms */
    bool status_only;
    struct qr_str what; /* "QUERY NOTIFICATION SUBSCRIPTION", "STATS JOB"; absent mostly */
};

/* A construct that is real T-SQL but that quire does not have. Raise the error that names it. */
struct qr_ast_unsupported {
    struct qr_ast_stmt head;
    struct qr_str what; /* "CREATE ASSEMBLY", "BACKUP DATABASE", "OPEN SYMMETRIC KEY" */
};
