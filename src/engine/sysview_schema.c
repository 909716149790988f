/* sysview_schema.c - INFORMATION_SCHEMA, in T-SQL over sys; see sysview_int.h. */
#include "sysview_int.h"
#include "base/banned.h"

/* T-SQL is broken where a reader of T-SQL breaks it. */
/* clang-format off */
/* The type columns that COLUMNS, PARAMETERS and ROUTINES share, over an alias `c` with
 * system_type_id, user_type_id, max_length, precision, scale. */
#define DATA_TYPE(c)                                                                               \
    "CAST(CASE " c ".system_type_id WHEN 189 THEN 'timestamp' ELSE TYPE_NAME(" c                  \
    ".system_type_id) END AS nvarchar(128)) AS DATA_TYPE, "
#define CHARACTER_LENGTHS(c)                                                                       \
    "CASE WHEN " c ".system_type_id IN (34) THEN 2147483647 WHEN " c                              \
    ".system_type_id = 35 THEN 2147483647 WHEN " c                                                \
    ".system_type_id = 99 THEN 1073741823 WHEN " c ".system_type_id IN (231, 239) AND " c         \
    ".max_length > 0 THEN " c ".max_length / 2 WHEN " c                                           \
    ".system_type_id IN (165, 167, 173, 175, 231, 239, 241, 244) THEN CAST(" c                         \
    ".max_length AS int) END AS CHARACTER_MAXIMUM_LENGTH, CASE WHEN " c                           \
    ".system_type_id IN (34, 35) THEN 2147483647 WHEN " c                                         \
    ".system_type_id = 99 THEN 2147483646 WHEN " c                                                \
    ".system_type_id IN (165, 167, 173, 175, 231, 239, 241, 244) THEN CAST(" c                         \
    ".max_length AS int) END AS CHARACTER_OCTET_LENGTH, "
#define NUMERIC_COLUMNS(c)                                                                         \
    "CAST(CASE WHEN " c ".system_type_id IN (48, 52, 56, 59, 60, 62, 106, 108, 122, 127) THEN " c \
    ".precision END AS tinyint) AS NUMERIC_PRECISION, CAST(CASE WHEN " c                          \
    ".system_type_id IN (48, 52, 56, 60, 106, 108, 122, 127) THEN 10 WHEN " c                     \
    ".system_type_id IN (59, 62) THEN 2 END AS smallint) AS NUMERIC_PRECISION_RADIX, CASE WHEN " c \
    ".system_type_id IN (48, 52, 56, 60, 106, 108, 122, 127) THEN CAST(" c                        \
    ".scale AS int) END AS NUMERIC_SCALE, CAST(CASE WHEN " c                                      \
    ".system_type_id = 40 THEN 0 WHEN " c ".system_type_id = 61 THEN 3 WHEN " c                   \
    ".system_type_id = 58 THEN 0 WHEN " c ".system_type_id IN (41, 42, 43) THEN " c               \
    ".scale END AS smallint) AS DATETIME_PRECISION, "
#define TYPE_COLUMNS                                                                               \
    "DATA_TYPE nvarchar(128) null, CHARACTER_MAXIMUM_LENGTH int null, "                           \
    "CHARACTER_OCTET_LENGTH int null, NUMERIC_PRECISION tinyint null, "                           \
    "NUMERIC_PRECISION_RADIX smallint null, NUMERIC_SCALE int null, DATETIME_PRECISION smallint null, "

const struct qri_sysview qri_sysviews_schema[] = {
    {"INFORMATION_SCHEMA", "SCHEMATA",
     "CATALOG_NAME nvarchar(128) null, SCHEMA_NAME nvarchar(128), SCHEMA_OWNER nvarchar(128) null, "
     "DEFAULT_CHARACTER_SET_CATALOG varchar(6) null, DEFAULT_CHARACTER_SET_SCHEMA varchar(3) null, "
     "DEFAULT_CHARACTER_SET_NAME sysname null",
     NULL,
     "SELECT DB_NAME() AS CATALOG_NAME, s.name AS SCHEMA_NAME, USER_NAME(s.principal_id) AS "
     "SCHEMA_OWNER, CAST(NULL AS varchar(6)) AS DEFAULT_CHARACTER_SET_CATALOG, CAST(NULL AS "
     "varchar(3)) AS DEFAULT_CHARACTER_SET_SCHEMA, CAST('iso_1' AS sysname) AS "
     "DEFAULT_CHARACTER_SET_NAME FROM sys.schemas s",
     false},
    {"INFORMATION_SCHEMA", "TABLES",
     "TABLE_CATALOG nvarchar(128) null, TABLE_SCHEMA nvarchar(128) null, TABLE_NAME sysname, "
     "TABLE_TYPE varchar(10) null",
     NULL,
     "SELECT DB_NAME() AS TABLE_CATALOG, SCHEMA_NAME(o.schema_id) AS TABLE_SCHEMA, o.name AS "
     "TABLE_NAME, CAST(CASE o.type WHEN 'U' THEN 'BASE TABLE' ELSE 'VIEW' END AS varchar(10)) AS "
     "TABLE_TYPE FROM sys.objects o WHERE o.type IN ('U', 'V')",
     false},
    {"INFORMATION_SCHEMA", "COLUMNS",
     "TABLE_CATALOG nvarchar(128) null, TABLE_SCHEMA nvarchar(128) null, TABLE_NAME nvarchar(128), "
     "COLUMN_NAME sysname null, ORDINAL_POSITION int null, COLUMN_DEFAULT nvarchar(4000) null, "
     "IS_NULLABLE varchar(3) null, " TYPE_COLUMNS
     "CHARACTER_SET_CATALOG sysname null, CHARACTER_SET_SCHEMA sysname null, CHARACTER_SET_NAME "
     "sysname null, COLLATION_CATALOG sysname null, COLLATION_SCHEMA sysname null, COLLATION_NAME "
     "sysname null, DOMAIN_CATALOG sysname null, DOMAIN_SCHEMA sysname null, DOMAIN_NAME sysname "
     "null",
     NULL,
     "SELECT DB_NAME() AS TABLE_CATALOG, SCHEMA_NAME(o.schema_id) AS TABLE_SCHEMA, o.name AS "
     "TABLE_NAME, c.name AS COLUMN_NAME, (SELECT COUNT(*) FROM sys.columns p WHERE p.object_id = "
     "c.object_id AND p.column_id <= c.column_id) AS ORDINAL_POSITION, CAST((SELECT d.definition "
     "FROM sys.default_constraints d WHERE d.object_id = c.default_object_id AND "
     "c.default_object_id <> 0) AS nvarchar(4000)) AS COLUMN_DEFAULT, CAST(CASE c.is_nullable WHEN "
     "1 THEN 'YES' ELSE 'NO' END AS varchar(3)) AS IS_NULLABLE, " DATA_TYPE("c")
         CHARACTER_LENGTHS("c") NUMERIC_COLUMNS("c")
     "CAST(NULL AS sysname) AS CHARACTER_SET_CATALOG, CAST(NULL AS sysname) AS "
     "CHARACTER_SET_SCHEMA, CAST(CASE WHEN c.system_type_id IN (35, 167, 175) THEN 'iso_1' WHEN "
     "c.system_type_id IN (99, 231, 239) THEN 'UNICODE' END AS sysname) AS CHARACTER_SET_NAME, "
     "CAST(NULL AS sysname) AS COLLATION_CATALOG, CAST(NULL AS sysname) AS COLLATION_SCHEMA, "
     "c.collation_name AS COLLATION_NAME, CAST(CASE WHEN c.user_type_id > 256 THEN DB_NAME() END AS "
     "sysname) AS DOMAIN_CATALOG, CAST(CASE WHEN c.user_type_id > 256 THEN (SELECT "
     "SCHEMA_NAME(t.schema_id) FROM sys.types t WHERE t.user_type_id = c.user_type_id) END AS "
     "sysname) AS DOMAIN_SCHEMA, CAST(CASE WHEN c.user_type_id > 256 THEN "
     "TYPE_NAME(c.user_type_id) END AS sysname) AS DOMAIN_NAME FROM sys.objects o JOIN "
     "sys.columns c ON c.object_id = o.object_id WHERE o.type IN ('U', 'V')",
     false},
    {"INFORMATION_SCHEMA", "VIEWS",
     "TABLE_CATALOG nvarchar(128) null, TABLE_SCHEMA nvarchar(128) null, TABLE_NAME sysname, "
     "VIEW_DEFINITION nvarchar(4000) null, CHECK_OPTION varchar(7) null, IS_UPDATABLE varchar(2)",
     NULL,
     "SELECT DB_NAME() AS TABLE_CATALOG, SCHEMA_NAME(v.schema_id) AS TABLE_SCHEMA, v.name AS "
     "TABLE_NAME, CAST(m.definition AS nvarchar(4000)) AS VIEW_DEFINITION, CAST(CASE "
     "v.with_check_option WHEN 1 THEN 'CASCADE' ELSE 'NONE' END AS varchar(7)) AS CHECK_OPTION, "
     "CAST('NO' AS varchar(2)) AS IS_UPDATABLE FROM sys.views v LEFT JOIN sys.sql_modules m ON "
     "m.object_id = v.object_id",
     false},
    {"INFORMATION_SCHEMA", "TABLE_CONSTRAINTS",
     "CONSTRAINT_CATALOG nvarchar(128) null, CONSTRAINT_SCHEMA nvarchar(128) null, "
     "CONSTRAINT_NAME sysname, TABLE_CATALOG nvarchar(128) null, TABLE_SCHEMA nvarchar(128) null, "
     "TABLE_NAME sysname null, CONSTRAINT_TYPE varchar(11) null, IS_DEFERRABLE varchar(2), "
     "INITIALLY_DEFERRED varchar(2)",
     NULL,
     "SELECT DB_NAME() AS CONSTRAINT_CATALOG, SCHEMA_NAME(c.schema_id) AS CONSTRAINT_SCHEMA, c.name "
     "AS CONSTRAINT_NAME, DB_NAME() AS TABLE_CATALOG, SCHEMA_NAME(t.schema_id) AS TABLE_SCHEMA, "
     "t.name AS TABLE_NAME, CAST(CASE c.type WHEN 'C' THEN 'CHECK' WHEN 'UQ' THEN 'UNIQUE' WHEN "
     "'PK' THEN 'PRIMARY KEY' WHEN 'F' THEN 'FOREIGN KEY' END AS varchar(11)) AS CONSTRAINT_TYPE, "
     "CAST('NO' AS varchar(2)) AS IS_DEFERRABLE, CAST('NO' AS varchar(2)) AS INITIALLY_DEFERRED "
     "FROM sys.objects c JOIN sys.tables t ON t.object_id = c.parent_object_id WHERE c.type IN "
     "('C', 'UQ', 'PK', 'F')",
     false},
    {"INFORMATION_SCHEMA", "KEY_COLUMN_USAGE",
     "CONSTRAINT_CATALOG nvarchar(128) null, CONSTRAINT_SCHEMA nvarchar(128) null, "
     "CONSTRAINT_NAME nvarchar(128), TABLE_CATALOG nvarchar(128) null, TABLE_SCHEMA nvarchar(128) "
     "null, TABLE_NAME nvarchar(128), COLUMN_NAME nvarchar(128) null, ORDINAL_POSITION int",
     NULL,
     "SELECT DB_NAME() AS CONSTRAINT_CATALOG, SCHEMA_NAME(f.schema_id) AS CONSTRAINT_SCHEMA, f.name "
     "AS CONSTRAINT_NAME, DB_NAME() AS TABLE_CATALOG, SCHEMA_NAME(t.schema_id) AS TABLE_SCHEMA, "
     "t.name AS TABLE_NAME, COL_NAME(c.parent_object_id, c.parent_column_id) AS COLUMN_NAME, "
     "c.constraint_column_id AS ORDINAL_POSITION FROM sys.foreign_keys f JOIN "
     "sys.foreign_key_columns c ON c.constraint_object_id = f.object_id JOIN sys.tables t ON "
     "t.object_id = f.parent_object_id UNION ALL SELECT DB_NAME(), SCHEMA_NAME(k.schema_id), "
     "k.name, DB_NAME(), SCHEMA_NAME(t.schema_id), t.name, COL_NAME(c.object_id, c.column_id), "
     "CAST(c.key_ordinal AS int) FROM sys.key_constraints k JOIN sys.index_columns c ON c.object_id "
     "= k.parent_object_id AND c.index_id = k.unique_index_id JOIN sys.tables t ON t.object_id = "
     "k.parent_object_id",
     false},
    {"INFORMATION_SCHEMA", "REFERENTIAL_CONSTRAINTS",
     "CONSTRAINT_CATALOG nvarchar(128) null, CONSTRAINT_SCHEMA nvarchar(128) null, "
     "CONSTRAINT_NAME sysname, UNIQUE_CONSTRAINT_CATALOG nvarchar(128) null, "
     "UNIQUE_CONSTRAINT_SCHEMA nvarchar(128) null, UNIQUE_CONSTRAINT_NAME sysname null, "
     "MATCH_OPTION varchar(7) null, UPDATE_RULE varchar(11) null, DELETE_RULE varchar(11) null",
     NULL,
     "SELECT DB_NAME() AS CONSTRAINT_CATALOG, SCHEMA_NAME(f.schema_id) AS CONSTRAINT_SCHEMA, f.name "
     "AS CONSTRAINT_NAME, DB_NAME() AS UNIQUE_CONSTRAINT_CATALOG, SCHEMA_NAME(t.schema_id) AS "
     "UNIQUE_CONSTRAINT_SCHEMA, i.name AS UNIQUE_CONSTRAINT_NAME, CAST('SIMPLE' AS varchar(7)) AS "
     "MATCH_OPTION, CAST(CASE f.update_referential_action WHEN 0 THEN 'NO ACTION' WHEN 1 THEN "
     "'CASCADE' WHEN 2 THEN 'SET NULL' ELSE 'SET DEFAULT' END AS varchar(11)) AS UPDATE_RULE, "
     "CAST(CASE f.delete_referential_action WHEN 0 THEN 'NO ACTION' WHEN 1 THEN 'CASCADE' WHEN 2 "
     "THEN 'SET NULL' ELSE 'SET DEFAULT' END AS varchar(11)) AS DELETE_RULE FROM sys.foreign_keys f "
     "JOIN sys.tables t ON t.object_id = f.referenced_object_id LEFT JOIN sys.indexes i ON "
     "i.object_id = f.referenced_object_id AND i.index_id = f.key_index_id",
     false},
    {"INFORMATION_SCHEMA", "CHECK_CONSTRAINTS",
     "CONSTRAINT_CATALOG nvarchar(128) null, CONSTRAINT_SCHEMA nvarchar(128) null, "
     "CONSTRAINT_NAME sysname, CHECK_CLAUSE nvarchar(4000) null",
     NULL,
     "SELECT DB_NAME() AS CONSTRAINT_CATALOG, SCHEMA_NAME(c.schema_id) AS CONSTRAINT_SCHEMA, c.name "
     "AS CONSTRAINT_NAME, CAST(c.definition AS nvarchar(4000)) AS CHECK_CLAUSE FROM "
     "sys.check_constraints c",
     false},
    {"INFORMATION_SCHEMA", "CONSTRAINT_TABLE_USAGE",
     "TABLE_CATALOG nvarchar(128) null, TABLE_SCHEMA nvarchar(128) null, TABLE_NAME sysname null, "
     "CONSTRAINT_CATALOG nvarchar(128) null, CONSTRAINT_SCHEMA nvarchar(128) null, CONSTRAINT_NAME "
     "sysname",
     NULL,
     "SELECT c.TABLE_CATALOG, c.TABLE_SCHEMA, c.TABLE_NAME, c.CONSTRAINT_CATALOG, "
     "c.CONSTRAINT_SCHEMA, c.CONSTRAINT_NAME FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS c",
     false},
    {"INFORMATION_SCHEMA", "ROUTINES",
     "SPECIFIC_CATALOG nvarchar(128) null, SPECIFIC_SCHEMA nvarchar(128) null, SPECIFIC_NAME "
     "sysname, ROUTINE_CATALOG nvarchar(128) null, ROUTINE_SCHEMA nvarchar(128) null, "
     "ROUTINE_NAME sysname, ROUTINE_TYPE nvarchar(20) null, MODULE_CATALOG sysname null, "
     "MODULE_SCHEMA sysname null, MODULE_NAME sysname null, UDT_CATALOG sysname null, UDT_SCHEMA "
     "sysname null, UDT_NAME sysname null, DATA_TYPE nvarchar(128) null, "
     "CHARACTER_MAXIMUM_LENGTH int null, CHARACTER_OCTET_LENGTH int null, COLLATION_CATALOG "
     "sysname null, COLLATION_SCHEMA sysname null, COLLATION_NAME sysname null, "
     "CHARACTER_SET_CATALOG sysname null, CHARACTER_SET_SCHEMA sysname null, CHARACTER_SET_NAME "
     "sysname null, NUMERIC_PRECISION tinyint null, NUMERIC_PRECISION_RADIX smallint null, "
     "NUMERIC_SCALE int null, DATETIME_PRECISION smallint null, INTERVAL_TYPE nvarchar(30) null, "
     "INTERVAL_PRECISION smallint null, TYPE_UDT_CATALOG sysname null, TYPE_UDT_SCHEMA sysname "
     "null, TYPE_UDT_NAME sysname null, SCOPE_CATALOG sysname null, SCOPE_SCHEMA sysname null, "
     "SCOPE_NAME sysname null, MAXIMUM_CARDINALITY bigint null, DTD_IDENTIFIER sysname null, "
     "ROUTINE_BODY nvarchar(30) null, ROUTINE_DEFINITION nvarchar(4000) null, EXTERNAL_NAME "
     "sysname null, EXTERNAL_LANGUAGE nvarchar(30) null, PARAMETER_STYLE nvarchar(30) null, "
     "IS_DETERMINISTIC nvarchar(10) null, SQL_DATA_ACCESS nvarchar(30) null, IS_NULL_CALL "
     "nvarchar(10) null, SCHEMA_LEVEL_ROUTINE nvarchar(10) null, MAX_DYNAMIC_RESULT_SETS "
     "smallint null, IS_USER_DEFINED_CAST nvarchar(10) null, IS_IMPLICITLY_INVOCABLE "
     "nvarchar(10) null, CREATED datetime, LAST_ALTERED datetime ",
     NULL,
     "SELECT DB_NAME() AS SPECIFIC_CATALOG, SCHEMA_NAME(o.schema_id) AS SPECIFIC_SCHEMA, o.name "
     "AS SPECIFIC_NAME, DB_NAME() AS ROUTINE_CATALOG, SCHEMA_NAME(o.schema_id) AS "
     "ROUTINE_SCHEMA, o.name AS ROUTINE_NAME, CAST(CASE o.type WHEN 'P' THEN 'PROCEDURE' ELSE "
     "'FUNCTION' END AS nvarchar(20)) AS ROUTINE_TYPE, CAST(NULL AS sysname) AS MODULE_CATALOG, "
     "CAST(NULL AS sysname) AS MODULE_SCHEMA, CAST(NULL AS sysname) AS MODULE_NAME, CAST(NULL AS "
     "sysname) AS UDT_CATALOG, CAST(NULL AS sysname) AS UDT_SCHEMA, CAST(NULL AS sysname) AS "
     "UDT_NAME, CAST(CASE WHEN o.type IN ('IF', 'TF') THEN 'TABLE' WHEN p.system_type_id = 189 "
     "THEN 'timestamp' ELSE TYPE_NAME(p.system_type_id) END AS nvarchar(128)) AS DATA_TYPE, "
     CHARACTER_LENGTHS("p")
     "CAST(NULL AS sysname) AS COLLATION_CATALOG, CAST(NULL AS sysname) AS COLLATION_SCHEMA, "
     "CAST(CASE WHEN p.system_type_id IN (35, 99, 167, 175, 231, 239) THEN "
     "'SQL_Latin1_General_CP1_CI_AS' END AS sysname) AS COLLATION_NAME, CAST(NULL AS sysname) AS "
     "CHARACTER_SET_CATALOG, CAST(NULL AS sysname) AS CHARACTER_SET_SCHEMA, CAST(CASE WHEN "
     "p.system_type_id IN (35, 167, 175) THEN 'iso_1' WHEN p.system_type_id IN (99, 231, 239) "
     "THEN 'UNICODE' END AS sysname) AS CHARACTER_SET_NAME, "
     NUMERIC_COLUMNS("p")
     "CAST(NULL AS nvarchar(30)) AS INTERVAL_TYPE, CAST(NULL AS smallint) AS INTERVAL_PRECISION, "
     "CAST(NULL AS sysname) AS TYPE_UDT_CATALOG, CAST(NULL AS sysname) AS TYPE_UDT_SCHEMA, "
     "CAST(NULL AS sysname) AS TYPE_UDT_NAME, CAST(NULL AS sysname) AS SCOPE_CATALOG, CAST(NULL "
     "AS sysname) AS SCOPE_SCHEMA, CAST(NULL AS sysname) AS SCOPE_NAME, CAST(NULL AS bigint) AS "
     "MAXIMUM_CARDINALITY, CAST(NULL AS sysname) AS DTD_IDENTIFIER, CAST('SQL' AS nvarchar(30)) "
     "AS ROUTINE_BODY, CAST(m.definition AS nvarchar(4000)) AS ROUTINE_DEFINITION, CAST(NULL AS "
     "sysname) AS EXTERNAL_NAME, CAST(NULL AS nvarchar(30)) AS EXTERNAL_LANGUAGE, CAST(NULL AS "
     "nvarchar(30)) AS PARAMETER_STYLE, CAST('NO' AS nvarchar(10)) AS IS_DETERMINISTIC, "
     "CAST(CASE o.type WHEN 'P' THEN 'MODIFIES' ELSE 'READS' END AS nvarchar(30)) AS "
     "SQL_DATA_ACCESS, CAST(CASE WHEN o.type <> 'P' THEN 'NO' END AS nvarchar(10)) AS "
     "IS_NULL_CALL, CAST('YES' AS nvarchar(10)) AS SCHEMA_LEVEL_ROUTINE, CAST(CASE o.type WHEN "
     "'P' THEN -1 ELSE 0 END AS smallint) AS MAX_DYNAMIC_RESULT_SETS, CAST('NO' AS nvarchar(10)) "
     "AS IS_USER_DEFINED_CAST, CAST('NO' AS nvarchar(10)) AS IS_IMPLICITLY_INVOCABLE, "
     "o.create_date AS CREATED, o.modify_date AS LAST_ALTERED FROM sys.objects o LEFT JOIN "
     "sys.sql_modules m ON m.object_id = o.object_id LEFT JOIN sys.parameters p ON p.object_id = "
     "o.object_id AND p.parameter_id = 0 WHERE o.type IN ('P', 'FN', 'IF', 'TF') ",
     false},
    {"INFORMATION_SCHEMA", "PARAMETERS",
     "SPECIFIC_CATALOG nvarchar(128) null, SPECIFIC_SCHEMA nvarchar(128) null, SPECIFIC_NAME "
     "nvarchar(128), ORDINAL_POSITION int, PARAMETER_MODE nvarchar(10) null, IS_RESULT nvarchar(10) "
     "null, AS_LOCATOR nvarchar(10) null, PARAMETER_NAME sysname null, " TYPE_COLUMNS
     "COLLATION_NAME sysname null",
     NULL,
     "SELECT DB_NAME() AS SPECIFIC_CATALOG, SCHEMA_NAME(o.schema_id) AS SPECIFIC_SCHEMA, o.name AS "
     "SPECIFIC_NAME, p.parameter_id AS ORDINAL_POSITION, CAST(CASE WHEN p.parameter_id = 0 THEN "
     "'OUT' WHEN p.is_output = 1 THEN 'INOUT' ELSE 'IN' END AS nvarchar(10)) AS PARAMETER_MODE, "
     "CAST(CASE p.parameter_id WHEN 0 THEN 'YES' ELSE 'NO' END AS nvarchar(10)) AS IS_RESULT, "
     "CAST('NO' AS nvarchar(10)) AS AS_LOCATOR, p.name AS PARAMETER_NAME, " DATA_TYPE("p")
         CHARACTER_LENGTHS("p") NUMERIC_COLUMNS("p")
     "CAST(NULL AS sysname) AS COLLATION_NAME FROM sys.objects o JOIN sys.parameters p ON "
     "p.object_id = o.object_id",
     false},
    {"INFORMATION_SCHEMA", "DOMAINS",
     "DOMAIN_CATALOG nvarchar(128) null, DOMAIN_SCHEMA nvarchar(128) null, DOMAIN_NAME sysname, "
     TYPE_COLUMNS "COLLATION_NAME sysname null, DOMAIN_DEFAULT nvarchar(4000) null",
     NULL,
     "SELECT DB_NAME() AS DOMAIN_CATALOG, SCHEMA_NAME(t.schema_id) AS DOMAIN_SCHEMA, t.name AS "
     "DOMAIN_NAME, " DATA_TYPE("t") CHARACTER_LENGTHS("t") NUMERIC_COLUMNS("t")
     "t.collation_name AS COLLATION_NAME, CAST(NULL AS nvarchar(4000)) AS DOMAIN_DEFAULT FROM "
     "sys.types t WHERE t.user_type_id > 256",
     false},
    {"INFORMATION_SCHEMA", "SEQUENCES",
     "SEQUENCE_CATALOG nvarchar(128) null, SEQUENCE_SCHEMA nvarchar(128) null, SEQUENCE_NAME "
     "sysname, DATA_TYPE sysname null, NUMERIC_PRECISION tinyint, NUMERIC_SCALE int null, "
     "START_VALUE sql_variant, MINIMUM_VALUE sql_variant null, MAXIMUM_VALUE sql_variant null, "
     "INCREMENT sql_variant, CYCLE_OPTION bit null",
     NULL,
     "SELECT DB_NAME() AS SEQUENCE_CATALOG, SCHEMA_NAME(s.schema_id) AS SEQUENCE_SCHEMA, s.name AS "
     "SEQUENCE_NAME, CAST(TYPE_NAME(s.system_type_id) AS sysname) AS DATA_TYPE, s.precision AS "
     "NUMERIC_PRECISION, CAST(s.scale AS int) AS NUMERIC_SCALE, s.start_value AS START_VALUE, "
     "s.minimum_value AS MINIMUM_VALUE, s.maximum_value AS MAXIMUM_VALUE, s.increment AS INCREMENT, "
     "s.is_cycling AS CYCLE_OPTION FROM sys.sequences s",
     false},
    {0},
};
