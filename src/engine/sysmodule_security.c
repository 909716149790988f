/* sysmodule_security.c - system procedures about users, roles and permissions, in T-SQL; see
 * sysmodule_int.h. The old ones that change something say it as the statement of today. */
#include <stddef.h>
#include "sysmodule_int.h"
#include "base/banned.h"

/* clang-format off */

/* Runs the statement that @s holds; its error is what the caller sees. */
#define RUN_STATEMENT "EXEC (@s); IF @@ERROR <> 0 RETURN 1; "

#define OWN_DATABASE                                                                               \
    "IF @table_qualifier IS NOT NULL AND @table_qualifier <> DB_NAME() BEGIN RAISERROR(15250, -1, "\
    "-1); RETURN 1 END; "
#define PRIVILEGE_PARAMS                                                                           \
    "@table_name nvarchar(384), @table_owner nvarchar(384) = NULL, @table_qualifier sysname = NULL"
#define IS_TABLE(pattern)                                                                          \
    "o.type IN ('U', 'V') AND " pattern " AND (@table_owner IS NULL OR SCHEMA_NAME(o.schema_id) "  \
    "LIKE @table_owner ESCAPE '\\')"
#define PRIVILEGE "CAST(p.permission_name AS varchar(32)) AS PRIVILEGE, CAST(CASE p.state WHEN "   \
    "'W' THEN 'YES' ELSE 'NO' END AS varchar(3)) AS IS_GRANTABLE"
#define FROM_PRIVILEGES                                                                            \
    " FROM sys.database_permissions p JOIN sys.objects o ON o.object_id = p.major_id "
#define OWNER_HAS(names) " FROM sys.objects o LEFT JOIN sys.schemas s ON s.schema_id = o.schema_id "\
    "CROSS JOIN (VALUES " names ") v(name) "
#define OWNER_PRIVILEGE                                                                            \
    "USER_NAME(ISNULL(o.principal_id, s.principal_id)), USER_NAME(ISNULL(o.principal_id, "         \
    "s.principal_id)), CAST(v.name AS varchar(32)), CAST('YES' AS varchar(3))"

const struct qri_sysmodule qri_sysmodules_security[] = {
    {"sp_addrolemember",
     "CREATE PROCEDURE sys.sp_addrolemember @rolename sysname, @membername sysname AS BEGIN SET "
     "NOCOUNT ON; DECLARE @s nvarchar(max) = N'ALTER ROLE ' + QUOTENAME(@rolename) + N' ADD MEMBER "
     "' + QUOTENAME(@membername); " RUN_STATEMENT "RETURN 0 END"},
    {"sp_droprolemember",
     "CREATE PROCEDURE sys.sp_droprolemember @rolename sysname, @membername sysname AS BEGIN SET "
     "NOCOUNT ON; DECLARE @s nvarchar(max) = N'ALTER ROLE ' + QUOTENAME(@rolename) + N' DROP "
     "MEMBER ' + QUOTENAME(@membername); " RUN_STATEMENT "RETURN 0 END"},
    {"sp_addrole",
     "CREATE PROCEDURE sys.sp_addrole @rolename sysname, @ownername sysname = NULL AS BEGIN SET "
     "NOCOUNT ON; DECLARE @s nvarchar(max) = N'CREATE ROLE ' + QUOTENAME(@rolename) + ISNULL(N' "
     "AUTHORIZATION ' + QUOTENAME(@ownername), N''); " RUN_STATEMENT "RETURN 0 END"},
    {"sp_droprole",
     "CREATE PROCEDURE sys.sp_droprole @rolename sysname AS BEGIN SET NOCOUNT ON; DECLARE @s "
     "nvarchar(max) = N'DROP ROLE ' + QUOTENAME(@rolename); " RUN_STATEMENT "RETURN 0 END"},
    {"sp_grantdbaccess",
     "CREATE PROCEDURE sys.sp_grantdbaccess @loginame sysname, @name_in_db sysname = NULL OUTPUT "
     "AS BEGIN SET NOCOUNT ON; SET @name_in_db = ISNULL(@name_in_db, @loginame); DECLARE @s "
     "nvarchar(max) = N'CREATE USER ' + QUOTENAME(@name_in_db) + N' FOR LOGIN ' + "
     "QUOTENAME(@loginame); " RUN_STATEMENT "RETURN 0 END"},
    {"sp_revokedbaccess",
     "CREATE PROCEDURE sys.sp_revokedbaccess @name_in_db sysname AS BEGIN SET NOCOUNT ON; DECLARE "
     "@s nvarchar(max) = N'DROP USER ' + QUOTENAME(@name_in_db); " RUN_STATEMENT "RETURN 0 END"},
    {"sp_adduser",
     "CREATE PROCEDURE sys.sp_adduser @loginame sysname, @name_in_db sysname = NULL, @grpname "
     "sysname = NULL AS BEGIN SET NOCOUNT ON; SET @name_in_db = ISNULL(@name_in_db, @loginame); "
     "DECLARE @s nvarchar(max) = N'CREATE USER ' + QUOTENAME(@name_in_db) + N' FOR LOGIN ' + "
     "QUOTENAME(@loginame); " RUN_STATEMENT "IF @grpname IS NOT NULL BEGIN SET @s = N'ALTER ROLE ' "
     "+ QUOTENAME(@grpname) + N' ADD MEMBER ' + QUOTENAME(@name_in_db); " RUN_STATEMENT
     "END; RETURN 0 END"},
    {"sp_dropuser",
     "CREATE PROCEDURE sys.sp_dropuser @name_in_db sysname AS BEGIN SET NOCOUNT ON; DECLARE @s "
     "nvarchar(max) = N'DROP USER ' + QUOTENAME(@name_in_db); " RUN_STATEMENT "RETURN 0 END"},
    {"sp_helpuser",
     "CREATE PROCEDURE sys.sp_helpuser @name_in_db sysname = NULL AS BEGIN SET NOCOUNT ON; IF "
     "@name_in_db IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sys.database_principals WHERE name = "
     "@name_in_db) BEGIN RAISERROR(15198, -1, -1, @name_in_db); RETURN 1 END; IF EXISTS (SELECT 1 "
     "FROM sys.database_principals WHERE name = @name_in_db AND type = 'R') BEGIN SELECT r.name AS "
     "Role_name, r.principal_id AS Role_id, u.name AS Users_in_role, u.principal_id AS Userid FROM "
     "sys.database_principals r JOIN sys.database_role_members m ON m.role_principal_id = "
     "r.principal_id JOIN sys.database_principals u ON u.principal_id = m.member_principal_id "
     "WHERE r.name = @name_in_db ORDER BY 3; RETURN 0 END; SELECT u.name AS UserName, ISNULL(r.name,"
     " N'public') AS RoleName, CASE WHEN u.authentication_type = 1 THEN SUSER_SNAME(u.sid) END AS "
     "LoginName, CAST(CASE WHEN u.authentication_type = 1 THEN N'master' END AS sysname) AS "
     "DefDBName, u.default_schema_name AS DefSchemaName, CAST(u.principal_id AS char(10)) AS "
     "UserID, u.sid AS SID FROM sys.database_principals u LEFT JOIN sys.database_role_members m ON "
     "m.member_principal_id = u.principal_id LEFT JOIN sys.database_principals r ON r.principal_id "
     "= m.role_principal_id WHERE u.type <> 'R' AND (@name_in_db IS NULL OR u.name = @name_in_db) "
     "ORDER BY 1, 2; RETURN 0 END"},
    {"sp_helprole",
     "CREATE PROCEDURE sys.sp_helprole @rolename sysname = NULL AS BEGIN SET NOCOUNT ON; IF "
     "@rolename IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sys.database_principals WHERE name = "
     "@rolename AND type IN ('R', 'A')) BEGIN RAISERROR(15409, -1, -1, @rolename); RETURN 1 END; "
     "SELECT r.name AS RoleName, CAST(r.principal_id AS smallint) AS RoleId, CASE r.type WHEN 'A' "
     "THEN 1 ELSE 0 END AS IsAppRole FROM sys.database_principals r WHERE r.type IN ('R', 'A') AND "
     "(@rolename IS NULL OR r.name = @rolename) ORDER BY r.principal_id; RETURN 0 END"},
    {"sp_helprolemember",
     "CREATE PROCEDURE sys.sp_helprolemember @rolename sysname = NULL AS BEGIN SET NOCOUNT ON; IF "
     "@rolename IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sys.database_principals WHERE name = "
     "@rolename AND type = 'R') BEGIN RAISERROR(15409, -1, -1, @rolename); RETURN 1 END; SELECT "
     "r.name AS DbRole, u.name AS MemberName, u.sid AS MemberSID FROM sys.database_role_members m "
     "JOIN sys.database_principals r ON r.principal_id = m.role_principal_id JOIN "
     "sys.database_principals u ON u.principal_id = m.member_principal_id WHERE @rolename IS NULL "
     "OR r.name = @rolename ORDER BY 1, 2; RETURN 0 END"},
    {"sp_helpdbfixedrole",
     "CREATE PROCEDURE sys.sp_helpdbfixedrole @rolename sysname = NULL AS BEGIN SET NOCOUNT ON; IF "
     "@rolename IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sys.database_principals WHERE name = "
     "@rolename AND is_fixed_role = 1) BEGIN RAISERROR(15412, -1, -1, @rolename); RETURN 1 END; "
     "SELECT r.name AS DbFixedRole, CAST(v.text AS nvarchar(70)) AS Description FROM "
     "sys.database_principals r JOIN (VALUES (16384, 'DB Owners'), (16385, 'DB Access "
     "Administrators'), (16386, 'DB Security Administrators'), (16387, 'DB DDL Administrators'), "
     "(16389, 'DB Backup Operator'), (16390, 'DB Data Reader'), (16391, 'DB Data Writer'), (16392, "
     "'DB Deny Data Reader'), (16393, 'DB Deny Data Writer')) v(id, text) ON v.id = r.principal_id "
     "WHERE @rolename IS NULL OR r.name = @rolename ORDER BY r.principal_id; RETURN 0 END"},
    {"sp_helprotect",
     "CREATE PROCEDURE sys.sp_helprotect @name nvarchar(776) = NULL, @username sysname = NULL, "
     "@grantorname sysname = NULL, @permissionarea varchar(10) = 'o s' AS BEGIN SET NOCOUNT ON; "
     "SELECT ISNULL(SCHEMA_NAME(o.schema_id), N'.') AS Owner, ISNULL(o.name, N'.') AS Object, "
     "USER_NAME(p.grantee_principal_id) AS Grantee, USER_NAME(p.grantor_principal_id) AS Grantor, "
     "CAST(CASE p.state WHEN 'D' THEN 'Deny' WHEN 'W' THEN 'Grant_WGO' WHEN 'R' THEN 'Revoke' ELSE 'Grant' END AS "
     "char(10)) AS ProtectType, CAST(CASE p.permission_name WHEN 'CREATE TABLE' THEN N'Create "
     "Table' WHEN 'CREATE VIEW' THEN N'Create View' WHEN 'CREATE PROCEDURE' THEN N'Create Procedure'"
     " WHEN 'CREATE FUNCTION' THEN N'Create Function' ELSE UPPER(LEFT(p.permission_name, 1)) + "
     "LOWER(SUBSTRING(p.permission_name, 2, 60)) END AS nvarchar(60)) AS Action, CAST(CASE WHEN "
     "p.minor_id > 0 THEN COL_NAME(p.major_id, p.minor_id) WHEN p.type IN ('SL', 'UP', 'RF') AND "
     "p.class = 1 THEN N'(All+New)' ELSE N'.' END AS sysname) AS [Column] INTO #protects FROM "
     "sys.database_permissions p LEFT JOIN sys.objects o ON p.class = 1 AND o.object_id = "
     "p.major_id WHERE (p.class = 0 AND CHARINDEX('s', @permissionarea) > 0 OR o.object_id IS NOT "
     "NULL AND CHARINDEX('o', @permissionarea) > 0) AND (@name IS NULL OR o.object_id = "
     "OBJECT_ID(@name) OR p.class = 0 AND p.permission_name = @name) AND (@username IS NULL OR "
     "USER_NAME(p.grantee_principal_id) = @username) AND (@grantorname IS NULL OR "
     "USER_NAME(p.grantor_principal_id) = @grantorname); IF @@ROWCOUNT = 0 BEGIN RAISERROR(15330, "
     "-1, -1); RETURN 1 END; SELECT * FROM #protects ORDER BY 1, 2, 3, 4, 5, 6, 7; RETURN 0 END"},
    {"sp_table_privileges",
     "CREATE PROCEDURE sys.sp_table_privileges " PRIVILEGE_PARAMS ", @fUsePattern bit = 1 AS BEGIN "
     "SET NOCOUNT ON; " OWN_DATABASE "SELECT CAST(DB_NAME() AS sysname) AS TABLE_QUALIFIER, "
     "SCHEMA_NAME(o.schema_id) AS TABLE_OWNER, o.name AS TABLE_NAME, "
     "USER_NAME(p.grantor_principal_id) AS GRANTOR, USER_NAME(p.grantee_principal_id) AS GRANTEE, "
     PRIVILEGE FROM_PRIVILEGES "WHERE p.class = 1 AND p.minor_id = 0 AND p.state <> 'D' AND p.type "
     "IN ('SL', 'IN', 'UP', 'DL', 'RF') AND "
     IS_TABLE("(@fUsePattern = 1 AND o.name LIKE @table_name ESCAPE '\\' OR o.name = @table_name)")
     " UNION ALL SELECT CAST(DB_NAME() AS sysname), SCHEMA_NAME(o.schema_id), o.name, "
     OWNER_PRIVILEGE OWNER_HAS("('DELETE'), ('INSERT'), ('REFERENCES'), ('SELECT'), ('UPDATE')")
     "WHERE " IS_TABLE("(@fUsePattern = 1 AND o.name LIKE @table_name ESCAPE '\\' OR o.name = "
     "@table_name)") " ORDER BY 1, 2, 3, 6, 5; RETURN 0 END"},
    {"sp_column_privileges",
     "CREATE PROCEDURE sys.sp_column_privileges " PRIVILEGE_PARAMS ", @column_name nvarchar(384) = "
     "NULL AS BEGIN SET NOCOUNT ON; " OWN_DATABASE "SELECT CAST(DB_NAME() AS sysname) AS "
     "TABLE_QUALIFIER, SCHEMA_NAME(o.schema_id) AS TABLE_OWNER, o.name AS TABLE_NAME, c.name AS "
     "COLUMN_NAME, USER_NAME(p.grantor_principal_id) AS GRANTOR, USER_NAME(p.grantee_principal_id) "
     "AS GRANTEE, " PRIVILEGE FROM_PRIVILEGES "JOIN sys.columns c ON c.object_id = o.object_id AND "
     "p.minor_id IN (0, c.column_id) WHERE p.class = 1 AND p.state IN ('G', 'W') AND p.type IN ('SL', "
     "'IN', 'UP', 'RF') AND NOT EXISTS (SELECT 1 FROM sys.database_permissions r WHERE r.class = 1 AND r.state = 'R' AND "
     "r.major_id = p.major_id AND r.minor_id = c.column_id AND r.type = p.type AND "
     "r.grantee_principal_id = p.grantee_principal_id AND r.grantor_principal_id = "
     "p.grantor_principal_id) AND " IS_TABLE("o.name = @table_name") " AND (@column_name IS NULL OR c.name "
     "LIKE @column_name ESCAPE '\\') UNION ALL SELECT CAST(DB_NAME() AS sysname), "
     "SCHEMA_NAME(o.schema_id), o.name, c.name, " OWNER_PRIVILEGE
     OWNER_HAS("('INSERT'), ('REFERENCES'), ('SELECT'), ('UPDATE')") "JOIN sys.columns c ON "
     "c.object_id = o.object_id WHERE " IS_TABLE("o.name = @table_name") " AND (@column_name IS "
     "NULL OR c.name LIKE @column_name ESCAPE '\\') ORDER BY 1, 2, 3, 4, 7, 6; RETURN 0 END"},
    {0},
};
