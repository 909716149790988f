/* parse_command.c - names of statement kinds; see tsql/ast_stmt.h */
#include "tsql/ast_stmt.h"
#include <assert.h>
#include "base/banned.h"

static const char *const commands[QR_AS_KIND_COUNT] = {
    /* clang-format off */
    [QR_AS_DECLARE]              = "DECLARE",
    [QR_AS_DECLARE_CURSOR]       = "DECLARE CURSOR",
    [QR_AS_SET_VARIABLE]         = "ASSIGN",
    [QR_AS_SET_OPTION]           = "SET OPTION ON",
    [QR_AS_IF]                   = "CONDITIONAL",
    [QR_AS_WHILE]                = "WHILE",
    [QR_AS_BLOCK]                = "BEGIN",
    [QR_AS_TRY]                  = "BEGIN TRY",
    [QR_AS_BREAK]                = "BREAK",
    [QR_AS_CONTINUE]             = "CONTINUE",
    [QR_AS_RETURN]               = "RETURN",
    [QR_AS_GOTO]                 = "GOTO",
    [QR_AS_LABEL]                = "LABEL",
    [QR_AS_PRINT]                = "PRINT",
    [QR_AS_RAISERROR]            = "RAISERROR",
    [QR_AS_THROW]                = "THROW",
    [QR_AS_WAITFOR]              = "WAITFOR",
    [QR_AS_EXEC]                 = "EXECUTE",
    [QR_AS_TRANSACTION]          = "TRANSACTION",
    [QR_AS_CURSOR]               = "CURSOR",
    [QR_AS_SELECT]               = "SELECT",
    [QR_AS_INSERT]               = "INSERT",
    [QR_AS_UPDATE]               = "UPDATE",
    [QR_AS_DELETE]               = "DELETE",
    [QR_AS_MERGE]                = "MERGE",
    [QR_AS_TRUNCATE]             = "TRUNCATE TABLE",
    [QR_AS_INSERT_BULK]          = "BULK INSERT",
    [QR_AS_CREATE_TABLE]         = "CREATE TABLE",
    [QR_AS_ALTER_TABLE]          = "ALTER TABLE",
    [QR_AS_CREATE_INDEX]         = "CREATE INDEX",
    [QR_AS_ALTER_INDEX]          = "ALTER INDEX",
    [QR_AS_VIEW]                 = "CREATE VIEW",
    [QR_AS_PROCEDURE]            = "CREATE PROCEDURE",
    [QR_AS_FUNCTION]             = "CREATE FUNCTION",
    [QR_AS_TRIGGER]              = "CREATE TRIGGER",
    [QR_AS_CREATE_SCHEMA]        = "CREATE SCHEMA",
    [QR_AS_ALTER_SCHEMA]         = "ALTER SCHEMA",
    [QR_AS_CREATE_TYPE]          = "CREATE TYPE",
    [QR_AS_SEQUENCE]             = "CREATE SEQUENCE",
    [QR_AS_CREATE_SYNONYM]       = "CREATE SYNONYM",
    [QR_AS_SECURITY_POLICY]      = "CREATE SECURITY POLICY",
    [QR_AS_CREATE_STATISTICS]    = "CREATE STATISTICS",
    [QR_AS_UPDATE_STATISTICS]    = "UPDATE STATISTICS",
    [QR_AS_CREATE_DEFAULT_RULE]  = "CREATE DEFAULT",
    [QR_AS_ENABLE_TRIGGER]       = "ENABLE TRIGGER",
    [QR_AS_DROP]                 = "DROP",
    [QR_AS_PRINCIPAL]            = "CREATE USER",
    [QR_AS_PERMISSION]           = "GRANT",
    [QR_AS_AUTHORIZATION]        = "ALTER AUTHORIZATION",
    [QR_AS_EXECUTE_AS]           = "EXECUTE AS",
    [QR_AS_REVERT]               = "REVERT",
    [QR_AS_USE]                  = "USE DATABASE",
    [QR_AS_CREATE_DATABASE]      = "CREATE DATABASE",
    [QR_AS_ALTER_DATABASE]       = "ALTER DATABASE",
    [QR_AS_SCOPED_CONFIGURATION] = "ALTER DATABASE SCOPED CONFIGURATION",
    [QR_AS_DBCC]                 = "DBCC",
    [QR_AS_CHECKPOINT]           = "CHECKPOINT",
    [QR_AS_KILL]                 = "KILL",
    [QR_AS_SHUTDOWN]             = "SHUTDOWN",
    [QR_AS_RECONFIGURE]          = "RECONFIGURE",
    [QR_AS_UNSUPPORTED]          = "UNKNOWN",
    /* clang-format on */
};

const char *qr_ast_stmt_command(enum qr_ast_stmt_kind kind)
{
    assert(kind < QR_AS_KIND_COUNT && commands[kind] != NULL);
    return commands[kind];
}
