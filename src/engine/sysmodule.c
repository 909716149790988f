/* sysmodule.c - system procedures in T-SQL; see sysmodule_int.h. The catalog procedures answer as
 * ODBC and DB-Library clients expect ([TSQL.md] 7). */
#include "sysmodule_int.h"
#include <stddef.h>
#include "base/banned.h"

/* T-SQL is broken where a reader of T-SQL breaks it. */
/* clang-format off */
/* ODBC type, type name, sizes of a column `c` with system_type_id, max_length, precision, scale.
 * 244 is json and, as user_type_id, 255 vector: clients see both as text. */
#define ODBC_TYPE(c)                                                                               \
    "CAST(CASE CASE WHEN " c ".user_type_id = 255 THEN 244 ELSE " c ".system_type_id END "         \
    "WHEN 244 THEN -1 WHEN 104 THEN -7 WHEN 48 THEN -6 WHEN 52 THEN 5 WHEN 56 THEN "               \
    "4 WHEN 127 THEN -5 WHEN 59 THEN 7 WHEN 62 THEN 6 WHEN 106 THEN 3 WHEN 108 THEN 2 WHEN 60 "   \
    "THEN 3 WHEN 122 THEN 3 WHEN 175 THEN 1 WHEN 167 THEN 12 WHEN 35 THEN -1 WHEN 239 THEN -8 "   \
    "WHEN 231 THEN -9 WHEN 99 THEN -10 WHEN 173 THEN -2 WHEN 165 THEN -3 WHEN 34 THEN -4 WHEN "   \
    "189 THEN -2 WHEN 36 THEN -11 WHEN 241 THEN -152 WHEN 98 THEN -150 WHEN 61 THEN @dt WHEN 58 " \
    "THEN @dt WHEN 42 THEN @dt2 WHEN 40 THEN @d WHEN 41 THEN @t WHEN 43 THEN @dto ELSE 0 END AS " \
    "smallint)"
#define TYPE_NAME_OF(c)                                                                            \
    "CAST(CASE WHEN " c ".user_type_id >= 255 THEN TYPE_NAME(" c                                   \
    ".user_type_id) ELSE TYPE_NAME(" c                                                             \
    ".system_type_id) END AS sysname)"
#define PRECISION_OF(c)                                                                            \
    "CAST(CASE WHEN " c ".system_type_id IN (35, 34) THEN 2147483647 WHEN " c                     \
    ".system_type_id = 99 THEN 1073741823 WHEN " c ".system_type_id IN (231, 239) AND " c         \
    ".max_length > 0 THEN " c ".max_length / 2 WHEN " c                                           \
    ".system_type_id IN (165, 167, 173, 175, 231, 239) THEN CASE WHEN " c                         \
    ".max_length < 0 THEN 0 ELSE " c ".max_length END WHEN " c                                    \
    ".system_type_id = 36 THEN 36 WHEN " c ".system_type_id = 189 THEN 8 WHEN " c                 \
    ".system_type_id = 62 THEN 15 WHEN " c ".system_type_id = 59 THEN 7 ELSE CAST(" c             \
    ".precision AS int) END AS int)"
#define LENGTH_OF(c)                                                                               \
    "CAST(CASE WHEN " c ".system_type_id IN (106, 108) THEN CAST(" c                              \
    ".precision AS int) + 2 WHEN " c ".system_type_id IN (60) THEN 21 WHEN " c                    \
    ".system_type_id IN (122) THEN 12 WHEN " c ".system_type_id IN (61, 58) THEN 16 WHEN " c      \
    ".system_type_id IN (35, 34) THEN 2147483647 WHEN " c                                         \
    ".system_type_id = 99 THEN 2147483646 WHEN " c ".system_type_id = 40 THEN CASE @v3 WHEN 1 "   \
    "THEN 6 ELSE 20 END WHEN " c ".system_type_id = 41 THEN CASE @v3 WHEN 1 THEN 12 ELSE 32 END " \
    "WHEN " c ".system_type_id = 42 THEN CASE @v3 WHEN 1 THEN 16 ELSE 54 END WHEN " c             \
    ".system_type_id = 43 THEN CASE @v3 WHEN 1 THEN 20 ELSE 68 END WHEN " c                       \
    ".max_length < 0 THEN 0 ELSE CAST(" c ".max_length AS int) END AS int)"
#define SCALE_OF(c)                                                                                \
    "CAST(CASE WHEN " c ".system_type_id IN (48, 52, 56, 127, 104) THEN 0 WHEN " c                \
    ".system_type_id IN (60, 122) THEN 4 WHEN " c ".system_type_id IN (106, 108, 41, 42, 43) "    \
    "THEN CAST(" c ".scale AS int) WHEN " c ".system_type_id = 61 THEN 3 WHEN " c                 \
    ".system_type_id = 58 THEN 0 END AS smallint)"
#define RADIX_OF(c)                                                                                \
    "CAST(CASE WHEN " c ".system_type_id IN (48, 52, 56, 127, 106, 108, 60, 122, 62, 59) THEN 10 " \
    "END AS smallint)"
#define SQL_TYPE(c)                                                                                \
    "CAST(CASE " c ".system_type_id WHEN 61 THEN 9 WHEN 58 THEN 9 ELSE " ODBC_TYPE(c)             \
    " END AS smallint)"
#define SQL_SUB(c)                                                                                 \
    "CAST(CASE " c ".system_type_id WHEN 61 THEN 3 WHEN 58 THEN 3 END AS smallint)"
#define OCTETS_OF(c)                                                                               \
    "CAST(CASE WHEN " c ".system_type_id IN (35, 34) THEN 2147483647 WHEN " c                     \
    ".system_type_id = 99 THEN 2147483646 WHEN " c                                                \
    ".system_type_id IN (165, 167, 173, 175, 231, 239) THEN CASE WHEN " c                         \
    ".max_length < 0 THEN 0 ELSE CAST(" c ".max_length AS int) END END AS int)"
#define SS_TYPE(c)                                                                                 \
    "CAST(CASE " c ".system_type_id WHEN 104 THEN CASE " c                                        \
    ".is_nullable WHEN 1 THEN 50 ELSE 50 END WHEN 48 THEN CASE " c                                \
    ".is_nullable WHEN 1 THEN 38 ELSE 48 END WHEN 52 THEN CASE " c                                \
    ".is_nullable WHEN 1 THEN 38 ELSE 52 END WHEN 56 THEN CASE " c                                \
    ".is_nullable WHEN 1 THEN 38 ELSE 56 END WHEN 127 THEN CASE " c                               \
    ".is_nullable WHEN 1 THEN 108 ELSE 63 END WHEN 59 THEN CASE " c                               \
    ".is_nullable WHEN 1 THEN 109 ELSE 59 END WHEN 62 THEN CASE " c                               \
    ".is_nullable WHEN 1 THEN 109 ELSE 62 END WHEN 60 THEN CASE " c                               \
    ".is_nullable WHEN 1 THEN 110 ELSE 60 END WHEN 122 THEN CASE " c                              \
    ".is_nullable WHEN 1 THEN 110 ELSE 122 END WHEN 61 THEN CASE " c                              \
    ".is_nullable WHEN 1 THEN 111 ELSE 61 END WHEN 58 THEN CASE " c                               \
    ".is_nullable WHEN 1 THEN 111 ELSE 58 END WHEN 106 THEN CASE " c                              \
    ".is_nullable WHEN 1 THEN 106 ELSE 55 END WHEN 108 THEN CASE " c                              \
    ".is_nullable WHEN 1 THEN 108 ELSE 63 END WHEN 175 THEN CASE " c                              \
    ".is_nullable WHEN 1 THEN 39 ELSE 47 END WHEN 167 THEN 39 WHEN 239 THEN 39 WHEN 231 THEN 39 " \
    "WHEN 173 THEN CASE " c                                                                       \
    ".is_nullable WHEN 1 THEN 37 ELSE 45 END WHEN 165 THEN 37 WHEN 189 THEN CASE " c              \
    ".is_nullable WHEN 1 THEN 37 ELSE 45 END WHEN 35 THEN 35 WHEN 99 THEN 35 WHEN 34 THEN 34 "    \
    "WHEN 36 THEN 37 WHEN 98 THEN 39 WHEN 241 THEN 0 WHEN 40 THEN 0 WHEN 41 THEN 0 WHEN 42 THEN " \
    "0 WHEN 43 THEN 0 ELSE 0 END AS tinyint)"
/* A catalog procedure looks into its own database only. */
#define OWN_DATABASE(q)                                                                            \
    "IF " q " IS NOT NULL AND " q " <> DB_NAME() BEGIN RAISERROR(15250, -1, -1); RETURN 1 END; "
#define DATE_CODES                                                                                 \
    "DECLARE @v3 int = CASE WHEN @ODBCVer = 3 THEN 1 ELSE 0 END; DECLARE @dt int = CASE @v3 WHEN " \
    "1 THEN 93 ELSE 11 END, @dt2 int = CASE @v3 WHEN 1 THEN 93 ELSE -9 END, @d int = CASE @v3 "   \
    "WHEN 1 THEN 91 ELSE -9 END, @t int = CASE @v3 WHEN 1 THEN -154 ELSE -9 END, @dto int = CASE " \
    "@v3 WHEN 1 THEN -155 ELSE -9 END; "
#define COLUMNS_BODY                                                                               \
    "AS BEGIN SET NOCOUNT ON; " OWN_DATABASE("@table_qualifier") DATE_CODES                         \
    "SELECT CAST(DB_NAME() AS sysname) AS TABLE_QUALIFIER, SCHEMA_NAME(o.schema_id) AS "          \
    "TABLE_OWNER, o.name AS TABLE_NAME, c.name AS COLUMN_NAME, " ODBC_TYPE("c")                   \
    " AS DATA_TYPE, CAST(CASE WHEN c.is_identity = 1 THEN " TYPE_NAME_OF("c")                     \
    " + N' identity' ELSE " TYPE_NAME_OF("c") " END AS sysname) AS TYPE_NAME, " PRECISION_OF("c") \
    " AS PRECISION, " LENGTH_OF("c") " AS LENGTH, " SCALE_OF("c") " AS SCALE, " RADIX_OF("c")     \
    " AS RADIX, CAST(c.is_nullable AS smallint) AS NULLABLE, CAST(NULL AS varchar(254)) AS "      \
    "REMARKS, CAST((SELECT d.definition FROM sys.default_constraints d WHERE d.object_id = "      \
    "c.default_object_id AND c.default_object_id <> 0) AS nvarchar(4000)) AS COLUMN_DEF, "        \
    SQL_TYPE("c") " AS SQL_DATA_TYPE, " SQL_SUB("c") " AS SQL_DATETIME_SUB, " OCTETS_OF("c")      \
    " AS CHAR_OCTET_LENGTH, CAST((SELECT COUNT(*) FROM sys.all_columns p WHERE p.object_id = "    \
    "c.object_id AND p.column_id <= c.column_id) AS int) AS ORDINAL_POSITION, CAST(CASE "         \
    "c.is_nullable WHEN 1 THEN 'YES' ELSE 'NO' END AS varchar(254)) AS IS_NULLABLE, "             \
    SS_TYPE("c") " AS SS_DATA_TYPE FROM sys.all_objects o JOIN sys.all_columns c ON c.object_id " \
    "= o.object_id WHERE o.type IN ('U', 'V', 'IF', 'TF') AND (@table_name IS NULL OR o.name "    \
    "LIKE @table_name ESCAPE '\\') AND (@table_owner IS NULL OR SCHEMA_NAME(o.schema_id) LIKE "   \
    "@table_owner ESCAPE '\\') AND (@column_name IS NULL OR c.name LIKE @column_name ESCAPE "     \
    "'\\') ORDER BY TABLE_OWNER, TABLE_NAME, ORDINAL_POSITION END"
#define COLUMNS_PARAMS                                                                             \
    "@table_name nvarchar(384), @table_owner nvarchar(384) = NULL, @table_qualifier "             \
    "sysname = NULL, @column_name nvarchar(384) = NULL, @ODBCVer int = 2"
#define COLLATIONS_BODY                                                                            \
    "AS BEGIN SET NOCOUNT ON; SELECT CAST(c.column_id AS int) AS colid, c.name, CAST(CASE WHEN "  \
    "c.collation_name IS NULL THEN NULL ELSE 0x0904D00034 END AS binary(5)) AS tds_collation_28, " \
    "c.collation_name AS collation_28, CAST(CASE WHEN c.collation_name IS NULL THEN NULL ELSE "   \
    "0x0904D00034 END AS binary(5)) AS tds_collation_90, c.collation_name AS collation_90, "      \
    "CAST(CASE WHEN c.collation_name IS NULL THEN NULL ELSE 0x0904D00034 END AS binary(5)) AS "   \
    "tds_collation_100, c.collation_name AS collation_100 FROM sys.all_columns c WHERE "          \
    "c.object_id = OBJECT_ID(@object_name) ORDER BY c.column_id END"

#define DATATYPE_BODY \
    "AS BEGIN SET NOCOUNT ON; SELECT CAST(a.n AS sysname) AS TYPE_NAME, CAST(CASE WHEN @ODBCV" \
    "er = 3 THEN a.v3 ELSE a.v2 END AS smallint) AS DATA_TYPE, CAST(a.p AS int) AS PRECISION," \
    " CAST(a.pre AS varchar(32)) AS LITERAL_PREFIX, CAST(a.suf AS varchar(32)) AS LITERAL_SUF" \
    "FIX, CAST(a.par AS varchar(32)) AS CREATE_PARAMS, CAST(CASE WHEN a.n LIKE '%identity' OR" \
    " a.n = 'timestamp' OR a.n = 'sysname' THEN 0 ELSE 1 END AS smallint) AS NULLABLE, CAST(a" \
    ".cs AS smallint) AS CASE_SENSITIVE, CAST(a.se AS smallint) AS SEARCHABLE, CAST(a.un AS s" \
    "mallint) AS UNSIGNED_ATTRIBUTE, CAST(a.mo AS smallint) AS MONEY, CAST(a.au AS smallint) " \
    "AS AUTO_INCREMENT, CAST(a.n AS sysname) AS LOCAL_TYPE_NAME, CAST(a.mi AS smallint) AS MI" \
    "NIMUM_SCALE, CAST(a.ma AS smallint) AS MAXIMUM_SCALE, CAST(a.sdt AS smallint) AS SQL_DAT" \
    "A_TYPE, CAST(a.sub AS smallint) AS SQL_DATETIME_SUB, CAST(a.ra AS int) AS NUM_PREC_RADIX" \
    ", CAST(NULL AS smallint) AS INTERVAL_PRECISION, CAST(a.us AS smallint) AS USERTYPE FROM " \
    "(VALUES ('sql_variant', -150, -150, 8000, NULL, NULL, NULL, 0, 2, NULL, 0, NULL, 0, 0, -" \
    "150, NULL, 10, 39), ('uniqueidentifier', -11, -11, 36, '''', '''', NULL, 0, 2, NULL, 0, " \
    "NULL, NULL, NULL, -11, NULL, NULL, 37), ('ntext', -10, -10, 1073741823, 'N''', '''', NUL" \
    "L, 0, 1, NULL, 0, NULL, NULL, NULL, -10, NULL, NULL, 0), ('xml', -152, -152, 0, 'N''', '" \
    "''', NULL, 1, 0, NULL, 0, NULL, NULL, NULL, -152, NULL, NULL, 0), ('nvarchar', -9, -9, 4" \
    "000, 'N''', '''', 'max length', 0, 3, NULL, 0, NULL, NULL, NULL, -9, NULL, NULL, 0), ('s" \
    "ysname', -9, -9, 128, 'N''', '''', NULL, 0, 3, NULL, 0, NULL, NULL, NULL, -9, NULL, NULL" \
    ", 18), ('nchar', -8, -8, 4000, 'N''', '''', 'length', 0, 3, NULL, 0, NULL, NULL, NULL, -" \
    "8, NULL, NULL, 0), ('bit', -7, -7, 1, NULL, NULL, NULL, 0, 2, NULL, 0, NULL, 0, 0, -7, N" \
    "ULL, NULL, 16), ('tinyint', -6, -6, 3, NULL, NULL, NULL, 0, 2, 1, 0, 0, 0, 0, -6, NULL, " \
    "10, 5), ('tinyint identity', -6, -6, 3, NULL, NULL, NULL, 0, 2, 1, 0, 1, 0, 0, -6, NULL," \
    " 10, 5), ('bigint', -5, -5, 19, NULL, NULL, NULL, 0, 2, 0, 0, 0, 0, 0, -5, NULL, 10, 0)," \
    " ('bigint identity', -5, -5, 19, NULL, NULL, NULL, 0, 2, 0, 0, 1, 0, 0, -5, NULL, 10, 0)" \
    ", ('image', -4, -4, 2147483647, '0x', NULL, NULL, 0, 0, NULL, 0, NULL, NULL, NULL, -4, N" \
    "ULL, NULL, 20), ('varbinary', -3, -3, 8000, '0x', NULL, 'max length', 0, 2, NULL, 0, NUL" \
    "L, NULL, NULL, -3, NULL, NULL, 4), ('binary', -2, -2, 8000, '0x', NULL, 'length', 0, 2, " \
    "NULL, 0, NULL, NULL, NULL, -2, NULL, NULL, 3), ('timestamp', -2, -2, 8, '0x', NULL, NULL" \
    ", 0, 2, NULL, 0, NULL, NULL, NULL, -2, NULL, NULL, 80), ('text', -1, -1, 2147483647, '''" \
    "', '''', NULL, 0, 1, NULL, 0, NULL, NULL, NULL, -1, NULL, NULL, 19), ('char', 1, 1, 8000" \
    ", '''', '''', 'length', 0, 3, NULL, 0, NULL, NULL, NULL, 1, NULL, NULL, 1), ('numeric', " \
    "2, 2, 38, NULL, NULL, 'precision,scale', 0, 2, 0, 0, 0, 0, 38, 2, NULL, 10, 10), ('numer" \
    "ic() identity', 2, 2, 38, NULL, NULL, 'precision', 0, 2, 0, 0, 1, 0, 0, 2, NULL, 10, 10)" \
    ", ('decimal', 3, 3, 38, NULL, NULL, 'precision,scale', 0, 2, 0, 0, 0, 0, 38, 3, NULL, 10" \
    ", 24), ('money', 3, 3, 19, '$', NULL, NULL, 0, 2, 0, 1, 0, 4, 4, 3, NULL, 10, 11), ('sma" \
    "llmoney', 3, 3, 10, '$', NULL, NULL, 0, 2, 0, 1, 0, 4, 4, 3, NULL, 10, 21), ('decimal() " \
    "identity', 3, 3, 38, NULL, NULL, 'precision', 0, 2, 0, 0, 1, 0, 0, 3, NULL, 10, 24), ('i" \
    "nt', 4, 4, 10, NULL, NULL, NULL, 0, 2, 0, 0, 0, 0, 0, 4, NULL, 10, 7), ('int identity', " \
    "4, 4, 10, NULL, NULL, NULL, 0, 2, 0, 0, 1, 0, 0, 4, NULL, 10, 7), ('smallint', 5, 5, 5, " \
    "NULL, NULL, NULL, 0, 2, 0, 0, 0, 0, 0, 5, NULL, 10, 6), ('smallint identity', 5, 5, 5, N" \
    "ULL, NULL, NULL, 0, 2, 0, 0, 1, 0, 0, 5, NULL, 10, 6), ('float', 6, 6, 15, NULL, NULL, N" \
    "ULL, 0, 2, 0, 0, 0, NULL, NULL, 6, NULL, 10, 8), ('real', 7, 7, 7, NULL, NULL, NULL, 0, " \
    "2, 0, 0, 0, NULL, NULL, 7, NULL, 10, 23), ('varchar', 12, 12, 8000, '''', '''', 'max len" \
    "gth', 0, 3, NULL, 0, NULL, NULL, NULL, 12, NULL, NULL, 2), ('date', -9, 91, 10, '''', ''" \
    "'', NULL, 0, 3, NULL, 0, NULL, NULL, 0, 9, 1, NULL, 0), ('time', -9, -154, 16, '''', '''" \
    "', 'scale', 0, 3, NULL, 0, NULL, 0, 7, -154, 0, NULL, 0), ('datetime2', -9, 93, 27, ''''" \
    ", '''', 'scale', 0, 3, NULL, 0, NULL, 0, 7, 9, 3, NULL, 0), ('datetimeoffset', -9, -155," \
    " 34, '''', '''', 'scale', 0, 3, NULL, 0, NULL, 0, 7, -155, 0, NULL, 0), ('datetime', 11," \
    " 93, 23, '''', '''', NULL, 0, 3, NULL, 0, NULL, 3, 3, 9, 3, NULL, 12), ('smalldatetime'," \
    " 11, 93, 16, '''', '''', NULL, 0, 3, NULL, 0, NULL, 0, 0, 9, 3, NULL, 22)) a(n, v2, v3, " \
    "p, pre, suf, par, cs, se, un, mo, au, mi, ma, sdt, sub, ra, us) WHERE @data_type = 0 OR " \
    "@data_type = CASE WHEN @ODBCVer = 3 THEN a.v3 ELSE a.v2 END ORDER BY DATA_TYPE, a.us END"

const struct qri_sysmodule qri_sysmodules[] = {
    {"sp_columns", "CREATE PROCEDURE sys.sp_columns " COLUMNS_PARAMS " " COLUMNS_BODY},
    {"sp_columns_90",
     "CREATE PROCEDURE sys.sp_columns_90 " COLUMNS_PARAMS ", @fUsePattern bit = 1 " COLUMNS_BODY},
    {"sp_columns_100",
     "CREATE PROCEDURE sys.sp_columns_100 " COLUMNS_PARAMS
     ", @fUsePattern bit = 1, @NameScope int = 0 " COLUMNS_BODY},
    {"sp_tables",
     "CREATE PROCEDURE sys.sp_tables @table_name nvarchar(384) = NULL, @table_owner nvarchar(384) = "
     "NULL, @table_qualifier sysname = NULL, @table_type varchar(100) = NULL, @fUsePattern bit = 1 "
     "AS BEGIN SET NOCOUNT ON; "
     /* '%' for one of them and '' for the others: the databases, the schemas, the types */
     "IF @table_name = '' AND (@table_owner = '' AND @table_qualifier = '%' OR @table_owner = '%' AND "
     "@table_qualifier = '' OR @table_owner = '' AND @table_qualifier = '' AND @table_type = '%') "
     "BEGIN SELECT CAST(l.q AS sysname) AS TABLE_QUALIFIER, CAST(l.o AS sysname) AS TABLE_OWNER, "
     "CAST(NULL AS sysname) AS TABLE_NAME, CAST(l.t AS varchar(32)) AS TABLE_TYPE, CAST(NULL AS "
     "varchar(254)) AS REMARKS FROM (SELECT name AS q, NULL AS o, NULL AS t FROM sys.databases WHERE "
     "@table_qualifier = '%' UNION ALL SELECT NULL, name, NULL FROM sys.schemas WHERE @table_owner = "
     "'%' UNION ALL SELECT NULL, NULL, v.t FROM (VALUES ('TABLE'), ('VIEW'), ('SYSTEM TABLE')) v(t) "
     "WHERE @table_owner = '' AND @table_qualifier = '') l ORDER BY TABLE_QUALIFIER, TABLE_OWNER, "
     "TABLE_TYPE; RETURN END; SELECT CAST(DB_NAME() AS sysname) AS TABLE_QUALIFIER, "
     "SCHEMA_NAME(o.schema_id) AS TABLE_OWNER, o.name AS TABLE_NAME, CAST(CASE WHEN o.type = 'U' "
     "THEN 'TABLE' ELSE 'VIEW' END AS varchar(32)) AS TABLE_TYPE, CAST(NULL AS varchar(254)) AS "
     "REMARKS FROM sys.all_objects o WHERE o.type IN ('U', 'V') AND (@table_name IS NULL OR @fUsePattern = 1 "
     "AND o.name LIKE @table_name ESCAPE '\\' OR o.name = @table_name) AND (@table_owner IS NULL OR "
     "@fUsePattern = 1 AND SCHEMA_NAME(o.schema_id) LIKE @table_owner ESCAPE '\\' OR "
     "SCHEMA_NAME(o.schema_id) = @table_owner) AND (@table_type IS NULL OR CHARINDEX(CASE WHEN o.type = 'U' THEN "
     "'''TABLE''' ELSE '''VIEW''' END, @table_type) > 0) ORDER BY TABLE_TYPE, TABLE_QUALIFIER, "
     "TABLE_OWNER, TABLE_NAME END"},
    {"sp_pkeys",
     "CREATE PROCEDURE sys.sp_pkeys @table_name sysname, @table_owner sysname = NULL, "
     "@table_qualifier sysname = NULL AS BEGIN SET NOCOUNT ON; "
     OWN_DATABASE("@table_qualifier") "SELECT CAST(DB_NAME() AS sysname) AS "
     "TABLE_QUALIFIER, SCHEMA_NAME(o.schema_id) AS TABLE_OWNER, o.name AS TABLE_NAME, c.name AS "
     "COLUMN_NAME, CAST(ic.key_ordinal AS smallint) AS KEY_SEQ, k.name AS PK_NAME FROM "
     "sys.key_constraints k JOIN sys.tables o ON o.object_id = k.parent_object_id JOIN "
     "sys.index_columns ic ON ic.object_id = o.object_id AND ic.index_id = k.unique_index_id JOIN "
     "sys.columns c ON c.object_id = o.object_id AND c.column_id = ic.column_id WHERE k.type = 'PK' "
     "AND o.name = @table_name AND (@table_owner IS NULL OR SCHEMA_NAME(o.schema_id) = "
     "@table_owner) ORDER BY TABLE_OWNER, TABLE_NAME, KEY_SEQ END"},
    {"sp_fkeys",
     "CREATE PROCEDURE sys.sp_fkeys @pktable_name sysname = NULL, @pktable_owner sysname = NULL, "
     "@pktable_qualifier sysname = NULL, @fktable_name sysname = NULL, @fktable_owner sysname = "
     "NULL, @fktable_qualifier sysname = NULL AS BEGIN SET NOCOUNT ON; " OWN_DATABASE(
         "@pktable_qualifier") OWN_DATABASE("@fktable_qualifier") "IF @pktable_name IS NULL AND "
     "@fktable_name IS NULL BEGIN RAISERROR(15252, -1, -1); RETURN 1 END; SELECT CAST(DB_NAME() AS "
     "sysname) AS PKTABLE_QUALIFIER, SCHEMA_NAME(r.schema_id) AS PKTABLE_OWNER, r.name AS "
     "PKTABLE_NAME, COL_NAME(fc.referenced_object_id, fc.referenced_column_id) AS PKCOLUMN_NAME, "
     "CAST(DB_NAME() AS sysname) AS FKTABLE_QUALIFIER, SCHEMA_NAME(p.schema_id) AS FKTABLE_OWNER, "
     "p.name AS FKTABLE_NAME, COL_NAME(fc.parent_object_id, fc.parent_column_id) AS FKCOLUMN_NAME, "
     "CAST(fc.constraint_column_id AS smallint) AS KEY_SEQ, CAST(CASE f.update_referential_action "
     "WHEN 1 THEN 0 WHEN 0 THEN 1 ELSE f.update_referential_action END AS smallint) AS UPDATE_RULE, "
     "CAST(CASE f.delete_referential_action WHEN 1 THEN 0 WHEN 0 THEN 1 ELSE "
     "f.delete_referential_action END AS smallint) AS DELETE_RULE, f.name AS FK_NAME, i.name AS "
     "PK_NAME, CAST(7 AS smallint) AS DEFERRABILITY FROM sys.foreign_keys f JOIN "
     "sys.foreign_key_columns fc ON fc.constraint_object_id = f.object_id JOIN sys.tables p ON "
     "p.object_id = f.parent_object_id JOIN sys.tables r ON r.object_id = f.referenced_object_id "
     "LEFT JOIN sys.indexes i ON i.object_id = f.referenced_object_id AND i.index_id = "
     "f.key_index_id WHERE (@pktable_name IS NULL OR r.name = @pktable_name) AND (@fktable_name IS "
     "NULL OR p.name = @fktable_name) AND (@pktable_owner IS NULL OR SCHEMA_NAME(r.schema_id) = "
     "@pktable_owner) AND (@fktable_owner IS NULL OR SCHEMA_NAME(p.schema_id) = @fktable_owner) "
     "ORDER BY FKTABLE_OWNER, FKTABLE_NAME, FK_NAME, KEY_SEQ END"},
    {"sp_statistics",
     "CREATE PROCEDURE sys.sp_statistics @table_name sysname, @table_owner sysname = NULL, "
     "@table_qualifier sysname = NULL, @index_name sysname = '%', @is_unique char(1) = 'N', "
     "@accuracy char(1) = 'Q' AS BEGIN SET NOCOUNT ON; " OWN_DATABASE("@table_qualifier") "SELECT CAST(DB_NAME() AS sysname) AS "
     "TABLE_QUALIFIER, SCHEMA_NAME(o.schema_id) AS TABLE_OWNER, o.name AS TABLE_NAME, CAST(CASE "
     "WHEN i.is_unique = 1 THEN 0 ELSE 1 END AS smallint) AS NON_UNIQUE, o.name AS INDEX_QUALIFIER, "
     "i.name AS INDEX_NAME, CAST(CASE i.index_id WHEN 1 THEN 1 ELSE 3 END AS smallint) AS TYPE, "
     "CAST(ic.key_ordinal AS smallint) AS SEQ_IN_INDEX, COL_NAME(ic.object_id, ic.column_id) AS "
     "COLUMN_NAME, CAST(CASE ic.is_descending_key WHEN 1 THEN 'D' ELSE 'A' END AS char(1)) AS "
     "COLLATION, CAST(NULL AS int) AS CARDINALITY, CAST(NULL AS int) AS PAGES, CAST(NULL AS "
     "varchar(128)) AS FILTER_CONDITION FROM sys.tables o JOIN sys.indexes i ON i.object_id = "
     "o.object_id JOIN sys.index_columns ic ON ic.object_id = i.object_id AND ic.index_id = "
     "i.index_id WHERE o.name = @table_name AND (@table_owner IS NULL OR SCHEMA_NAME(o.schema_id) = "
     "@table_owner) AND i.name LIKE @index_name AND (@is_unique <> 'Y' OR i.is_unique = 1) AND "
     "ic.is_included_column = 0 UNION ALL SELECT CAST(DB_NAME() AS sysname), "
     "SCHEMA_NAME(o.schema_id), o.name, NULL, NULL, NULL, CAST(0 AS smallint), NULL, NULL, NULL, "
     "CAST((SELECT MAX(p.rows) FROM sys.partitions p WHERE p.object_id = o.object_id) AS int), NULL, "
     "NULL FROM sys.tables o WHERE o.name = @table_name AND (@table_owner IS NULL OR "
     "SCHEMA_NAME(o.schema_id) = @table_owner) ORDER BY NON_UNIQUE, TYPE, INDEX_QUALIFIER, "
     "INDEX_NAME, SEQ_IN_INDEX END"},
    {"sp_special_columns",
     "CREATE PROCEDURE sys.sp_special_columns @table_name sysname, @table_owner sysname = NULL, "
     "@qualifier sysname = NULL, @col_type char(1) = 'R', @scope char(1) = 'T', @nullable char(1) = "
     "'U', @ODBCVer int = 2 AS BEGIN SET NOCOUNT ON; " DATE_CODES
     "SELECT CAST(CASE @col_type WHEN 'R' THEN 1 END AS smallint) AS SCOPE, c.name AS "
     "COLUMN_NAME, " ODBC_TYPE("c") " AS DATA_TYPE, " TYPE_NAME_OF("c") " AS TYPE_NAME, " PRECISION_OF("c")
     " AS PRECISION, " LENGTH_OF("c") " AS LENGTH, " SCALE_OF("c")
     " AS SCALE, CAST(1 AS smallint) AS PSEUDO_COLUMN FROM sys.tables o JOIN sys.indexes i ON "
     "i.object_id = o.object_id AND i.is_unique = 1 AND i.index_id = (SELECT MIN(m.index_id) FROM "
     "sys.indexes m WHERE m.object_id = o.object_id AND m.is_unique = 1) JOIN sys.index_columns ic "
     "ON ic.object_id = i.object_id AND ic.index_id = i.index_id AND ic.is_included_column = 0 JOIN "
     "sys.columns c ON c.object_id = o.object_id AND c.column_id = ic.column_id WHERE o.name = "
     "@table_name AND @col_type = 'R' AND (@table_owner IS NULL OR SCHEMA_NAME(o.schema_id) = "
     "@table_owner) UNION ALL SELECT NULL, c.name, " ODBC_TYPE("c") ", " TYPE_NAME_OF("c") ", "
     PRECISION_OF("c") ", " LENGTH_OF("c") ", " SCALE_OF("c")
     ", CAST(1 AS smallint) FROM sys.tables o JOIN sys.columns c ON c.object_id = o.object_id WHERE "
     "o.name = @table_name AND @col_type = 'V' AND c.system_type_id = 189 AND (@table_owner IS NULL "
     "OR SCHEMA_NAME(o.schema_id) = @table_owner) END"},
    {"sp_stored_procedures",
     "CREATE PROCEDURE sys.sp_stored_procedures @sp_name nvarchar(390) = NULL, @sp_owner "
     "nvarchar(384) = NULL, @sp_qualifier sysname = NULL, @fUsePattern bit = 1 AS BEGIN SET NOCOUNT "
     "ON; SELECT CAST(DB_NAME() AS sysname) AS PROCEDURE_QUALIFIER, SCHEMA_NAME(o.schema_id) AS "
     "PROCEDURE_OWNER, CAST(o.name + CASE WHEN o.type = 'P' THEN N';1' ELSE N';0' END AS "
     "nvarchar(134)) AS PROCEDURE_NAME, CAST(-1 AS int) AS NUM_INPUT_PARAMS, CAST(-1 AS int) AS "
     "NUM_OUTPUT_PARAMS, CAST(-1 AS int) AS NUM_RESULT_SETS, CAST(NULL AS varchar(254)) AS REMARKS, "
     "CAST(CASE o.type WHEN 'P' THEN 2 ELSE 2 END AS smallint) AS PROCEDURE_TYPE FROM "
     "sys.all_objects o WHERE o.type IN ('P', 'FN', 'IF', 'TF') AND (@sp_name IS NULL OR o.name "
     "LIKE @sp_name ESCAPE '\\') AND (@sp_owner IS NULL OR SCHEMA_NAME(o.schema_id) LIKE @sp_owner "
     "ESCAPE '\\') ORDER BY PROCEDURE_QUALIFIER, PROCEDURE_OWNER, PROCEDURE_NAME END"},
#define SPROC_BODY                                                                                 \
    "AS BEGIN SET NOCOUNT ON; " DATE_CODES                                                        \
    "SELECT CAST(DB_NAME() AS sysname) AS PROCEDURE_QUALIFIER, SCHEMA_NAME(o.schema_id) AS "      \
    "PROCEDURE_OWNER, CAST(o.name + N';1' AS nvarchar(134)) AS PROCEDURE_NAME, "                  \
    "CAST(N'@RETURN_VALUE' AS sysname) AS COLUMN_NAME, CAST(5 AS smallint) AS COLUMN_TYPE, "      \
    "CAST(4 AS smallint) AS DATA_TYPE, CAST(N'int' AS sysname) AS TYPE_NAME, 10 AS PRECISION, 4 " \
    "AS LENGTH, CAST(0 AS smallint) AS SCALE, CAST(10 AS smallint) AS RADIX, CAST(0 AS smallint) " \
    "AS NULLABLE, CAST(NULL AS varchar(254)) AS REMARKS, CAST(NULL AS nvarchar(4000)) AS "        \
    "COLUMN_DEF, CAST(4 AS smallint) AS SQL_DATA_TYPE, CAST(NULL AS smallint) AS "                \
    "SQL_DATETIME_SUB, CAST(NULL AS int) AS CHAR_OCTET_LENGTH, 0 AS ORDINAL_POSITION, CAST('NO' " \
    "AS varchar(254)) AS IS_NULLABLE, CAST(56 AS tinyint) AS SS_DATA_TYPE FROM sys.procedures o " \
    "WHERE (@procedure_name IS NULL OR o.name LIKE @procedure_name ESCAPE '\\') AND "             \
    "(@procedure_owner IS NULL OR SCHEMA_NAME(o.schema_id) LIKE @procedure_owner ESCAPE '\\') "   \
    "AND @column_name IS NULL UNION ALL SELECT CAST(DB_NAME() AS sysname), "                      \
    "SCHEMA_NAME(o.schema_id), CAST(o.name + N';1' AS nvarchar(134)), c.name, CAST(CASE WHEN "    \
    "c.parameter_id = 0 THEN 5 WHEN c.is_output = 1 THEN 2 ELSE 1 END AS smallint), "             \
    ODBC_TYPE("c") ", " TYPE_NAME_OF("c") ", " PRECISION_OF("c") ", " LENGTH_OF("c") ", "         \
    SCALE_OF("c") ", " RADIX_OF("c") ", CAST(1 AS smallint), CAST(NULL AS varchar(254)), "        \
    "CAST(NULL AS nvarchar(4000)), " SQL_TYPE("c") ", " SQL_SUB("c") ", " OCTETS_OF("c")          \
    ", c.parameter_id, CAST('YES' AS varchar(254)), " SS_TYPE("c")                                \
    " FROM sys.all_objects o JOIN sys.all_parameters c ON c.object_id = o.object_id WHERE "       \
    "(@procedure_name IS NULL OR o.name LIKE @procedure_name ESCAPE '\\') AND (@procedure_owner " \
    "IS NULL OR SCHEMA_NAME(o.schema_id) LIKE @procedure_owner ESCAPE '\\') AND (@column_name IS " \
    "NULL OR c.name LIKE @column_name ESCAPE '\\') ORDER BY PROCEDURE_OWNER, PROCEDURE_NAME, "    \
    "ORDINAL_POSITION END"
#define SPROC_PARAMS                                                                               \
    "@procedure_name nvarchar(390) = '%', @procedure_owner nvarchar(384) = NULL, "                \
    "@procedure_qualifier sysname = NULL, @column_name nvarchar(384) = NULL, @ODBCVer int = 2, "  \
    "@fUsePattern bit = 1"
    {"sp_sproc_columns", "CREATE PROCEDURE sys.sp_sproc_columns " SPROC_PARAMS " " SPROC_BODY},
    {"sp_sproc_columns_90",
     "CREATE PROCEDURE sys.sp_sproc_columns_90 " SPROC_PARAMS " " SPROC_BODY},
    {"sp_sproc_columns_100",
     "CREATE PROCEDURE sys.sp_sproc_columns_100 " SPROC_PARAMS " " SPROC_BODY},
    {"sp_tablecollations_90",
     "CREATE PROCEDURE sys.sp_tablecollations_90 @object_name nvarchar(776) " COLLATIONS_BODY},
    {"sp_tablecollations_100",
     "CREATE PROCEDURE sys.sp_tablecollations_100 @object_name nvarchar(776) " COLLATIONS_BODY},
    {"sp_databases",
     "CREATE PROCEDURE sys.sp_databases AS BEGIN SET NOCOUNT ON; SELECT d.name AS DATABASE_NAME, "
     "CAST(NULL AS int) AS DATABASE_SIZE, CAST(NULL AS varchar(254)) AS REMARKS FROM sys.databases "
     "d ORDER BY d.name END"},
#define AS_KB(pages) "CAST(LTRIM(STR(" pages " * 8, 15, 0)) + ' KB' AS varchar(18))"
#define AS_MB(pages) "CAST(LTRIM(STR(" pages " / 128.0, 15, 2)) + ' MB' AS varchar(18))"
    {"sp_spaceused",
     "CREATE PROCEDURE sys.sp_spaceused @objname nvarchar(776) = NULL, @updateusage varchar(5) = 'false', @mode "
     "varchar(11) = 'ALL', @oneresultset bit = 0, @include_total_xtp_storage bit = 0 AS BEGIN SET NOCOUNT ON; "
     "DECLARE @id int = OBJECT_ID(@objname), @db sysname = DB_NAME(), @reserved bigint, @used bigint, @data "
     "bigint, @rows bigint, @size bigint, @log bigint; IF @objname IS NOT NULL AND @id IS NULL BEGIN "
     "RAISERROR(15009, -1, -1, @objname, @db); RETURN 1 END; SELECT @reserved = ISNULL(SUM(reserved_page_count), "
     "0), @used = ISNULL(SUM(used_page_count), 0), @data = ISNULL(SUM(CASE WHEN index_id < 2 THEN "
     "in_row_data_page_count + lob_used_page_count + row_overflow_used_page_count ELSE 0 END), 0), @rows = "
     "ISNULL(SUM(CASE WHEN index_id < 2 THEN row_count ELSE 0 END), 0) FROM sys.dm_db_partition_stats WHERE "
     "@id IS NULL OR object_id = @id; IF @id IS NOT NULL BEGIN SELECT OBJECT_NAME(@id) AS name, CAST(@rows AS "
     "char(20)) AS rows, " AS_KB("@reserved") " AS reserved, " AS_KB("@data") " AS data, "
     AS_KB("(@used - @data)") " AS index_size, " AS_KB("(@reserved - @used)") " AS unused; RETURN 0 END; "
     "SELECT @size = SUM(CASE type WHEN 0 THEN size ELSE 0 END), @log = SUM(CASE type WHEN 1 THEN size ELSE 0 "
     "END) FROM sys.database_files; SET @reserved = FILEPROPERTY('data_0', 'SpaceUsed'); IF @oneresultset = 0 "
     "BEGIN SELECT @db AS database_name, " AS_MB("(@size + @log)") " AS database_size, "
     AS_MB("(@size - @reserved)") " AS [unallocated space]; SELECT " AS_KB("@reserved") " AS reserved, "
     AS_KB("@data") " AS data, " AS_KB("(@used - @data)") " AS index_size, " AS_KB("(@reserved - @used)")
     " AS unused; RETURN 0 END; SELECT @db AS database_name, " AS_MB("(@size + @log)") " AS database_size, "
     AS_MB("(@size - @reserved)") " AS [unallocated space], " AS_KB("@reserved") " AS reserved, "
     AS_KB("@data") " AS data, " AS_KB("(@used - @data)") " AS index_size, " AS_KB("(@reserved - @used)")
     " AS unused END"},
    {"sp_helptext",
     "CREATE PROCEDURE sys.sp_helptext @objname nvarchar(776), @columnname sysname = NULL AS BEGIN "
     "SET NOCOUNT ON; DECLARE @text nvarchar(max) = OBJECT_DEFINITION(OBJECT_ID(@objname)), @db "
     "sysname = DB_NAME(); IF "
     "OBJECT_ID(@objname) IS NULL BEGIN RAISERROR(15009, -1, -1, @objname, @db); RETURN 1 END; IF "
     "@text IS NULL BEGIN RAISERROR(15197, -1, -1, @objname); RETURN 1 END; DECLARE @lines TABLE "
     "(id int IDENTITY(1,1), line nvarchar(255)); DECLARE @at bigint = 1, @next bigint; WHILE @at "
     "<= LEN(@text + N'x') - 1 BEGIN SET @next = CHARINDEX(CHAR(10), @text, @at); IF @next = 0 SET "
     "@next = LEN(@text + N'x') - 1; IF @next - @at + 1 > 255 SET @next = @at + 254; INSERT @lines "
     "(line) VALUES (SUBSTRING(@text, @at, @next - @at + 1)); SET @at = @next + 1 END; SELECT line "
     "AS Text FROM @lines ORDER BY id END"},
    {"sp_help",
     "CREATE PROCEDURE sys.sp_help @objname nvarchar(776) = NULL AS BEGIN SET NOCOUNT ON; DECLARE @db sysname = DB_NAME(); IF "
     "@objname IS NULL BEGIN SELECT o.name AS Name, CAST(N'dbo' AS nvarchar(128)) AS Owner, "
     "CAST(CASE o.type WHEN 'U' THEN 'user table' WHEN 'V' THEN 'view' WHEN 'P' THEN 'stored "
     "procedure' WHEN 'FN' THEN 'scalar function' WHEN 'IF' THEN 'inline function' WHEN 'TF' THEN "
     "'table function' WHEN 'TR' THEN 'trigger' WHEN 'PK' THEN 'primary key cns' WHEN 'UQ' THEN "
     "'unique key cns' WHEN 'F' THEN 'foreign key cns' WHEN 'C' THEN 'check cns' WHEN 'D' THEN "
     "'default (maybe cns)' WHEN 'SN' THEN 'synonym' WHEN 'SO' THEN 'sequence object' WHEN 'S' "
     "THEN 'system table' ELSE LOWER(o.type_desc) END AS nvarchar(31)) AS Object_type FROM "
     "sys.objects o ORDER BY 2, 3 DESC, 1; SELECT t.name AS User_type, "
     "TYPE_NAME(t.system_type_id) AS Storage_type, t.max_length AS Length, t.precision AS Prec, "
     "t.scale AS Scale, CASE t.is_nullable WHEN 1 THEN 'yes' ELSE 'no' END AS Nullable, N'none' "
     "AS Default_name, N'none' AS Rule_name, t.collation_name AS Collation FROM sys.types t WHERE "
     "t.is_user_defined = 1 ORDER BY t.name; RETURN 0 END; DECLARE @id int = OBJECT_ID(@objname), "
     "@type char(2); IF @id IS NULL BEGIN IF TYPE_ID(@objname) IS NULL BEGIN RAISERROR(15009, -1, "
     "-1, @objname, @db); RETURN 1 END; SELECT t.name AS Type_name, TYPE_NAME(t.system_type_id) "
     "AS Storage_type, t.max_length AS Length, t.precision AS Prec, t.scale AS Scale, CASE "
     "t.is_nullable WHEN 1 THEN 'yes' ELSE 'no' END AS Nullable, N'none' AS Default_name, N'none' "
     "AS Rule_name, t.collation_name AS Collation FROM sys.types t WHERE t.user_type_id = "
     "TYPE_ID(@objname); RETURN 0 END; SELECT @type = o.type FROM sys.all_objects o WHERE "
     "o.object_id = @id; SELECT o.name AS Name, CAST(N'dbo' AS nvarchar(128)) AS Owner, CAST(CASE "
     "o.type WHEN 'U' THEN 'user table' WHEN 'V' THEN 'view' WHEN 'P' THEN 'stored procedure' "
     "WHEN 'FN' THEN 'scalar function' WHEN 'IF' THEN 'inline function' WHEN 'TF' THEN 'table "
     "function' WHEN 'TR' THEN 'trigger' WHEN 'PK' THEN 'primary key cns' WHEN 'UQ' THEN 'unique "
     "key cns' WHEN 'F' THEN 'foreign key cns' WHEN 'C' THEN 'check cns' WHEN 'D' THEN 'default "
     "(maybe cns)' WHEN 'SN' THEN 'synonym' WHEN 'SO' THEN 'sequence object' WHEN 'S' THEN "
     "'system table' ELSE LOWER(o.type_desc) END AS nvarchar(31)) AS Type, o.create_date AS "
     "Created_datetime FROM sys.all_objects o WHERE o.object_id = @id; IF @type IN ('U', 'V', "
     "'TF', 'IF', 'S') SELECT c.name AS Column_name, TYPE_NAME(c.user_type_id) AS Type, CASE "
     "c.is_computed WHEN 1 THEN 'yes' ELSE 'no' END AS Computed, CAST(c.max_length AS int) AS "
     "Length, CAST(CASE WHEN c.system_type_id IN (48, 52, 56, 127, 59, 62, 60, 122, 106, 108, 40, "
     "41, 42, 43) THEN CONVERT(char(5), c.precision) ELSE '     ' END AS char(5)) AS Prec, "
     "CAST(CASE WHEN c.system_type_id IN (48, 52, 56, 127, 60, 122, 106, 108, 40, 41, 42, 43) "
     "THEN CONVERT(char(5), c.scale) ELSE '     ' END AS char(5)) AS Scale, CASE c.is_nullable "
     "WHEN 1 THEN 'yes' ELSE 'no' END AS Nullable, CASE WHEN c.system_type_id IN (165, 167, 173, "
     "175) THEN 'no' ELSE '(n/a)' END AS TrimTrailingBlanks, CASE WHEN c.system_type_id NOT IN "
     "(165, 167, 173, 175) THEN '(n/a)' WHEN c.is_nullable = 0 THEN 'no' ELSE 'yes' END AS "
     "FixedLenNullInSource, c.collation_name AS Collation FROM sys.all_columns c WHERE "
     "c.object_id = @id ORDER BY c.column_id; IF @type IN ('U', 'V') BEGIN IF EXISTS (SELECT 1 "
     "FROM sys.identity_columns i WHERE i.object_id = @id) SELECT i.name AS [Identity], "
     "CAST(i.seed_value AS numeric(38,0)) AS Seed, CAST(i.increment_value AS numeric(38,0)) AS "
     "Increment, CAST(i.is_not_for_replication AS int) AS [Not For Replication] FROM "
     "sys.identity_columns i WHERE i.object_id = @id ELSE SELECT CAST(N'No identity column "
     "defined.' AS nvarchar(128)) AS [Identity], CAST(NULL AS numeric(38,0)) AS Seed, CAST(NULL "
     "AS numeric(38,0)) AS Increment, CAST(NULL AS int) AS [Not For Replication]; SELECT "
     "ISNULL((SELECT MAX(c.name) FROM sys.columns c WHERE c.object_id = @id AND c.is_rowguidcol = "
     "1), N'No rowguidcol column defined.') AS [RowGuidCol] END; IF @type = 'U' BEGIN SELECT "
     "N'PRIMARY' AS Data_located_on_filegroup; EXEC sys.sp_helpindex @objname; EXEC "
     "sys.sp_helpconstraint @objname, 'nomsg'; IF NOT EXISTS (SELECT 1 FROM sys.foreign_keys f "
     "WHERE f.referenced_object_id = @id) RAISERROR(15470, -1, -1, @objname) END; IF @type = 'V' "
     "BEGIN EXEC sys.sp_helpindex @objname END; IF @type IN ('P', 'FN', 'TF', 'IF') AND EXISTS "
     "(SELECT 1 FROM sys.parameters p WHERE p.object_id = @id) SELECT p.name AS Parameter_name, "
     "TYPE_NAME(p.user_type_id) AS Type, CAST(p.max_length AS smallint) AS Length, CAST(CASE WHEN "
     "p.precision = 0 THEN p.max_length ELSE p.precision END AS int) AS Prec, CAST(CASE WHEN "
     "p.precision = 0 THEN NULL ELSE p.scale END AS int) AS Scale, p.parameter_id AS Param_order, "
     "CAST(CASE WHEN p.system_type_id IN (35, 99, 167, 175, 231, 239) THEN "
     "DATABASEPROPERTYEX(DB_NAME(), 'Collation') END AS sysname) AS Collation FROM sys.parameters "
     "p WHERE p.object_id = @id ORDER BY p.parameter_id END"},
    {"sp_helpconstraint",
     "CREATE PROCEDURE sys.sp_helpconstraint @objname nvarchar(776), @nomsg varchar(5) = 'msg' AS "
     "BEGIN SET NOCOUNT ON; DECLARE @id int = OBJECT_ID(@objname), @db sysname = DB_NAME(); IF @id IS NULL BEGIN "
     "RAISERROR(15009, -1, -1, @objname, @db); RETURN 1 END; IF @nomsg <> 'nomsg' SELECT @objname "
     "AS [Object Name]; DECLARE @c TABLE (n int IDENTITY(1,1), constraint_type nvarchar(146), "
     "constraint_name nvarchar(128), delete_action nvarchar(11), update_action nvarchar(11), "
     "status_enabled varchar(8), status_for_replication varchar(19), constraint_keys "
     "nvarchar(2126)); INSERT @c SELECT r.t, r.name, r.d, r.u, r.e, r.f, r.k FROM ( SELECT "
     "N'CHECK ' + CASE WHEN c.parent_column_id = 0 THEN N'Table Level ' ELSE N'on column ' + "
     "COL_NAME(@id, c.parent_column_id) END AS t, c.name, N'(n/a)' AS d, N'(n/a)' AS u, CASE "
     "c.is_disabled WHEN 1 THEN 'Disabled' ELSE 'Enabled' END AS e, CASE c.is_not_for_replication "
     "WHEN 1 THEN 'Not_For_Replication' ELSE 'Is_For_Replication' END AS f, CAST(c.definition AS "
     "nvarchar(2126)) AS k, 0 AS part FROM sys.check_constraints c WHERE c.parent_object_id = @id "
     "UNION ALL SELECT N'DEFAULT on column ' + COL_NAME(@id, c.parent_column_id), c.name, "
     "N'(n/a)', N'(n/a)', '(n/a)', '(n/a)', CAST(c.definition AS nvarchar(2126)), 0 FROM "
     "sys.default_constraints c WHERE c.parent_object_id = @id UNION ALL SELECT CASE k.type WHEN "
     "'PK' THEN N'PRIMARY KEY ' ELSE N'UNIQUE ' END + CASE k.unique_index_id WHEN 1 THEN "
     "N'(clustered)' ELSE N'(non-clustered)' END, k.name, N'(n/a)', N'(n/a)', '(n/a)', '(n/a)', "
     "CAST((SELECT STRING_AGG(CAST(COL_NAME(@id, x.column_id) AS nvarchar(max)) + CASE "
     "x.is_descending_key WHEN 1 THEN N'(-)' ELSE N'' END, N', ') WITHIN GROUP (ORDER BY "
     "x.key_ordinal) FROM sys.index_columns x WHERE x.object_id = @id AND x.index_id = "
     "k.unique_index_id AND x.key_ordinal > 0) AS nvarchar(2126)), 0 FROM sys.key_constraints k "
     "WHERE k.parent_object_id = @id UNION ALL SELECT N'FOREIGN KEY', f.name, CASE "
     "f.delete_referential_action WHEN 1 THEN N'Cascade' WHEN 2 THEN N'Set Null' WHEN 3 THEN "
     "N'Set Default' ELSE N'No Action' END, CASE f.update_referential_action WHEN 1 THEN "
     "N'Cascade' WHEN 2 THEN N'Set Null' WHEN 3 THEN N'Set Default' ELSE N'No Action' END, CASE "
     "f.is_disabled WHEN 1 THEN 'Disabled' ELSE 'Enabled' END, CASE f.is_not_for_replication WHEN "
     "1 THEN 'Not_For_Replication' ELSE 'Is_For_Replication' END, CAST((SELECT "
     "STRING_AGG(CAST(COL_NAME(@id, x.parent_column_id) AS nvarchar(max)), N', ') WITHIN GROUP "
     "(ORDER BY x.constraint_column_id) FROM sys.foreign_key_columns x WHERE "
     "x.constraint_object_id = f.object_id) AS nvarchar(2126)), 0 FROM sys.foreign_keys f WHERE "
     "f.parent_object_id = @id UNION ALL SELECT N'FOREIGN KEY', f.name, N' ', N' ', ' ', ' ', "
     "CAST(N'REFERENCES ' + DB_NAME() + N'.' + OBJECT_SCHEMA_NAME(f.referenced_object_id) + N'.' "
     "+ OBJECT_NAME(f.referenced_object_id) + N' (' + (SELECT "
     "STRING_AGG(CAST(COL_NAME(f.referenced_object_id, x.referenced_column_id) AS nvarchar(max)), "
     "N', ') WITHIN GROUP (ORDER BY x.constraint_column_id) FROM sys.foreign_key_columns x WHERE "
     "x.constraint_object_id = f.object_id) + N')' AS nvarchar(2126)), 1 FROM sys.foreign_keys f "
     "WHERE f.parent_object_id = @id) r ORDER BY r.t, r.name, r.part; IF EXISTS (SELECT 1 FROM "
     "@c) SELECT CASE WHEN delete_action = N' ' THEN N' ' ELSE constraint_type END AS "
     "constraint_type, CASE WHEN delete_action = N' ' THEN N' ' ELSE constraint_name END AS "
     "constraint_name, delete_action, update_action, status_enabled, status_for_replication, "
     "constraint_keys FROM @c ORDER BY n ELSE IF @nomsg <> 'nomsg' RAISERROR(15469, -1, -1, "
     "@objname); IF EXISTS (SELECT 1 FROM sys.foreign_keys f WHERE f.referenced_object_id = @id) "
     "SELECT CAST(DB_NAME() + N'.' + OBJECT_SCHEMA_NAME(f.parent_object_id) + N'.' + "
     "OBJECT_NAME(f.parent_object_id) + N': ' + f.name AS nvarchar(516)) AS [Table is referenced "
     "by foreign key] FROM sys.foreign_keys f WHERE f.referenced_object_id = @id ORDER BY 1 ELSE "
     "IF @nomsg <> 'nomsg' RAISERROR(15470, -1, -1, @objname) END"},
    {"sp_getapplock",
     "CREATE PROCEDURE sys.sp_getapplock @Resource nvarchar(255), @LockMode varchar(32), @LockOwner "
     "varchar(32) = 'Transaction', @LockTimeout int = NULL, @DbPrincipal sysname = 'public' AS "
     "BEGIN SET NOCOUNT ON; DECLARE @r int = -999; EXEC @r = sp_getapplock$ @Resource, @LockMode, "
     "@LockOwner, @LockTimeout, @DbPrincipal; RETURN @r END"},
    {"sp_releaseapplock",
     "CREATE PROCEDURE sys.sp_releaseapplock @Resource nvarchar(255), @LockOwner varchar(32) = "
     "'Transaction', @DbPrincipal sysname = 'public' AS BEGIN SET NOCOUNT ON; DECLARE @r int = "
     "-999; EXEC @r = sp_releaseapplock$ @Resource, @LockOwner, @DbPrincipal; RETURN @r END"},
    {"sp_refreshview",
     "CREATE PROCEDURE sys.sp_refreshview @viewname nvarchar(776) AS BEGIN SET NOCOUNT ON; DECLARE "
     "@r int; EXEC @r = sys.sp_refreshsqlmodule @viewname; RETURN @r END"},
    /* The text is run again as ALTER, so that the columns are those of now. A comment that says
     * CREATE before the text's own stands in the way. */
    {"sp_refreshsqlmodule",
     "CREATE PROCEDURE sys.sp_refreshsqlmodule @name nvarchar(776), @namespace nvarchar(20) = NULL AS "
     "BEGIN SET NOCOUNT ON; DECLARE @d nvarchar(max) = OBJECT_DEFINITION(OBJECT_ID(@name)), @at int; IF @d IS NULL BEGIN "
     "RAISERROR(15165, 16, 1, @name); RETURN 1 END; IF PATINDEX(N'%CREATE%OR%ALTER%', @d) = 0 BEGIN "
     "SET @at = CHARINDEX(N'CREATE', @d); SET @d = STUFF(@d, @at, 6, N'ALTER') END; EXEC(@d) END"},
    {"sp_helpindex",
     "CREATE PROCEDURE sys.sp_helpindex @objname nvarchar(776) AS BEGIN SET NOCOUNT ON; "
     "DECLARE @db sysname = DB_NAME(); IF OBJECT_ID(@objname) IS NULL BEGIN RAISERROR(15009, -1, -1, @objname, @db); RETURN 1 END; "
     "IF NOT EXISTS (SELECT 1 FROM sys.indexes i WHERE i.object_id = OBJECT_ID(@objname) AND "
     "i.index_id > 0) BEGIN RAISERROR(15472, -1, -1, @objname); RETURN 0 END; SELECT "
     "i.name AS index_name, CAST(CASE i.index_id WHEN 1 THEN 'clustered' ELSE 'nonclustered' END + "
     "CASE WHEN i.is_unique = 1 THEN ', unique' ELSE '' END + CASE WHEN i.is_primary_key = 1 THEN "
     "', primary key' ELSE '' END + CASE WHEN i.is_unique_constraint = 1 THEN ', unique key' ELSE "
     "'' END + ' located on PRIMARY' AS varchar(210)) AS index_description, CAST((SELECT "
     "STRING_AGG(CAST(COL_NAME(c.object_id, c.column_id) AS nvarchar(max)) + CASE "
     "c.is_descending_key WHEN 1 THEN N'(-)' ELSE N'' END, N', ') WITHIN GROUP (ORDER BY "
     "c.key_ordinal) FROM sys.index_columns c WHERE c.object_id = i.object_id AND c.index_id = "
     "i.index_id AND c.is_included_column = 0) AS nvarchar(2078)) AS index_keys FROM sys.indexes i "
     "WHERE i.object_id = OBJECT_ID(@objname) AND i.index_id > 0 ORDER BY i.name END"},
    {"sp_who",
     "CREATE PROCEDURE sys.sp_who @loginame sysname = NULL AS BEGIN SET NOCOUNT ON; SELECT p.spid, "
     "CAST(0 AS smallint) AS ecid, p.status, p.loginame, p.hostname, CAST(p.blocked AS char(5)) AS "
     "blk, CAST(DB_NAME(p.dbid) AS nchar(128)) AS dbname, p.cmd, 0 AS request_id FROM "
     "sys.sysprocesses p WHERE @loginame IS NULL OR RTRIM(p.loginame) = @loginame OR (@loginame = "
     "'active' AND p.cmd <> 'AWAITING COMMAND') OR CAST(p.spid AS nvarchar(10)) = @loginame ORDER "
     "BY p.spid END"},
    {"sp_who2",
     "CREATE PROCEDURE sys.sp_who2 @loginame sysname = NULL AS BEGIN SET NOCOUNT ON; SELECT "
     "CAST(p.spid AS char(5)) AS SPID, p.status AS Status, p.loginame AS Login, ISNULL(p.hostname, "
     "N'  .') AS HostName, CASE p.blocked WHEN 0 THEN '  .  ' ELSE CAST(p.blocked AS char(5)) END AS "
     "BlkBy, DB_NAME(p.dbid) AS DBName, p.cmd AS Command, p.cpu AS CPUTime, 0 AS DiskIO, "
     "CONVERT(varchar(14), p.last_batch, 120) AS LastBatch, p.program_name AS ProgramName, "
     "CAST(p.spid AS char(5)) AS SPID, 0 AS REQUESTID FROM sys.sysprocesses p WHERE @loginame IS "
     "NULL OR RTRIM(p.loginame) = @loginame OR (@loginame = 'active' AND p.cmd <> 'AWAITING "
     "COMMAND') OR CAST(p.spid AS nvarchar(10)) = @loginame ORDER BY p.spid END"},
    {"sp_lock",
     "CREATE PROCEDURE sys.sp_lock @spid1 int = NULL, @spid2 int = NULL AS BEGIN SET NOCOUNT ON; "
     "SELECT CAST(l.request_session_id AS smallint) AS spid, CAST(l.resource_database_id AS "
     "smallint) AS dbid, CAST(CASE WHEN l.resource_type IN ('KEY', 'RID') THEN "
     "l.resource_associated_entity_id / 65536 ELSE l.resource_associated_entity_id END AS int) AS "
     "ObjId, CAST(CASE WHEN l.resource_type IN ('KEY', 'RID') THEN l.resource_associated_entity_id "
     "% 65536 ELSE 0 END AS smallint) AS IndId, CAST(CASE l.resource_type WHEN 'OBJECT' THEN 'TAB' "
     "WHEN 'DATABASE' THEN 'DB' WHEN 'APPLICATION' THEN 'APP' ELSE l.resource_type END AS nchar(4)) "
     "AS Type, CAST(l.resource_description AS nchar(32)) AS Resource, CAST(l.request_mode AS "
     "nvarchar(8)) AS Mode, CAST(CASE l.request_status WHEN 'CONVERT' THEN 'CNVT' ELSE "
     "l.request_status END AS nvarchar(5)) AS Status FROM sys.dm_tran_locks l WHERE (@spid1 IS NULL "
     "AND @spid2 IS NULL) OR l.request_session_id IN (@spid1, @spid2) ORDER BY spid END"},
    {"sp_server_info",
     "CREATE PROCEDURE sys.sp_server_info @attribute_id int = NULL AS BEGIN SET NOCOUNT ON; SELECT "
     "CAST(a.id AS int) AS attribute_id, CAST(a.name AS varchar(60)) AS attribute_name, "
     "CAST(a.value AS varchar(255)) AS attribute_value FROM (VALUES (1, 'DBMS_NAME', 'Microsoft SQL "
     "Server'), (2, 'DBMS_VER', @@VERSION), (10, 'OWNER_TERM', 'owner'), (11, 'TABLE_TERM', "
     "'table'), (12, 'MAX_OWNER_NAME_LENGTH', '128'), (13, 'TABLE_LENGTH', '128'), (14, "
     "'MAX_QUAL_LENGTH', '128'), (15, 'COLUMN_LENGTH', '128'), (16, 'IDENTIFIER_CASE', 'MIXED'), "
     "(17, 'TX_ISOLATION', '2'), (18, 'COLLATION_SEQ', 'charset=iso_1 sort_order=nocase_iso "
     "charset_num=1 sort_order_num=52'), (19, 'SAVEPOINT_SUPPORT', 'Y'), (20, "
     "'MULTI_RESULT_SETS', 'Y'), (22, 'ACCESSIBLE_TABLES', 'Y'), (100, 'USERID_LENGTH', '128'), "
     "(101, 'QUALIFIER_TERM', 'database'), (102, 'NAMED_TRANSACTIONS', 'Y'), (103, "
     "'SPROC_AS_LANGUAGE', 'Y'), (104, 'ACCESSIBLE_SPROC', 'Y'), (105, 'MAX_INDEX_COLS', '32'), "
     "(106, 'RENAME_TABLE', 'Y'), (107, 'RENAME_COLUMN', 'Y'), (108, 'DROP_COLUMN', 'Y'), (109, "
     "'INCREASE_COLUMN_LENGTH', 'Y'), (110, 'DDL_IN_TRANSACTION', 'Y'), (111, "
     "'DESCENDING_INDEXES', 'Y'), (112, 'SP_RENAME', 'Y'), (113, 'REMOTE_SPROC', 'N')) a(id, name, "
     "value) WHERE @attribute_id IS NULL OR a.id = @attribute_id ORDER BY a.id END"},
    {"sp_datatype_info",
     "CREATE PROCEDURE sys.sp_datatype_info @data_type int = 0, @ODBCVer tinyint = 2 " DATATYPE_BODY},
    {"sp_datatype_info_90",
     "CREATE PROCEDURE sys.sp_datatype_info_90 @data_type int = 0, @ODBCVer tinyint = 2 " DATATYPE_BODY},
    {"sp_datatype_info_100",
     "CREATE PROCEDURE sys.sp_datatype_info_100 @data_type int = 0, @ODBCVer tinyint = 2 " DATATYPE_BODY},
    {NULL, NULL},
};
