-- mask: 0x0105[0-9A-F]+
CREATE TABLE dbo.Orders (OrderID int PRIMARY KEY, Customer nvarchar(40), Amount money);
GO
CREATE USER app WITH PASSWORD = 'Secret:1234', DEFAULT_SCHEMA = dbo;
CREATE USER report WITHOUT LOGIN;
CREATE ROLE sales AUTHORIZATION dbo;
ALTER ROLE sales ADD MEMBER app;
ALTER ROLE db_datareader ADD MEMBER report;
GO
GRANT SELECT, INSERT ON dbo.Orders TO sales;
GRANT SELECT (OrderID, Customer) ON OBJECT::dbo.Orders TO report WITH GRANT OPTION;
DENY DELETE ON SCHEMA::dbo TO sales;
GRANT VIEW DATABASE STATE, CREATE TABLE TO app;
GO
SELECT pr.name, pe.class_desc, OBJECT_NAME(CASE pe.class WHEN 1 THEN pe.major_id END) AS object, pe.minor_id, pe.permission_name, pe.state_desc
FROM sys.database_permissions pe JOIN sys.database_principals pr ON pr.principal_id = pe.grantee_principal_id
WHERE pr.principal_id > 4 ORDER BY pr.name, pe.class, pe.minor_id, pe.permission_name;
GO
SELECT name, type_desc, authentication_type_desc, default_schema_name, USER_NAME(owning_principal_id) AS owner
FROM sys.database_principals WHERE principal_id BETWEEN 5 AND 16383 ORDER BY name;
SELECT USER_NAME(role_principal_id) AS role, USER_NAME(member_principal_id) AS member FROM sys.database_role_members ORDER BY 1, 2;
GO
EXEC sp_helprotect 'dbo.Orders';
GO
EXEC sp_helprolemember 'sales';
GO
GRANT EXECUTE ON dbo.Orders TO app;
GO
GRANT SELECT ON dbo.Nothing TO app;
GO
GRANT SELECT ON dbo.Orders TO nobody;
GO
GRANT SELECT ON dbo.Orders TO dbo;
GO
REVOKE SELECT ON dbo.Orders FROM report;
GO
CREATE USER weak WITH PASSWORD = 'weak';
GO
CREATE USER someone FROM EXTERNAL PROVIDER;
GO
DROP ROLE sales;
GO
ALTER ROLE sales DROP MEMBER app;
DROP ROLE sales;
REVOKE SELECT ON dbo.Orders FROM report CASCADE;
DROP USER report;
DROP USER app;
SELECT COUNT(*) AS permissions FROM sys.database_permissions;
GO
