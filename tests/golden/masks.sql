-- mask: (?<=rnd )\d+
-- Dynamic data masking: who reads what, and what is kept.
CREATE SCHEMA Data;
GO
CREATE TABLE Data.Membership (
    MemberID int IDENTITY(1, 1) NOT NULL PRIMARY KEY CLUSTERED,
    FirstName varchar(100) MASKED WITH (FUNCTION = 'partial(1, "xxxxx", 1)') NULL,
    LastName varchar(100) NOT NULL,
    Phone varchar(12) MASKED WITH (FUNCTION = 'default()') NULL,
    Email varchar(100) MASKED WITH (FUNCTION = 'email()') NOT NULL,
    DiscountCode smallint MASKED WITH (FUNCTION = 'random(1, 100)') NULL);
INSERT INTO Data.Membership (FirstName, LastName, Phone, Email, DiscountCode) VALUES
    ('Roberto', 'Tamburello', '555.123.4567', 'RTamburello@contoso.com', 1000),
    ('Janice', 'Galvin', '555.123.4568', 'JGalvin@contoso.com.co', 500),
    ('Al', 'Menon', NULL, '', 5000);
CREATE TABLE Data.kinds (id int PRIMARY KEY, c char(2) MASKED WITH (FUNCTION = 'default()'), nv nvarchar(3) MASKED WITH (FUNCTION = N'default()'),
    b bit MASKED WITH (FUNCTION = 'default()'), i bigint MASKED WITH (FUNCTION = 'default()'), d decimal(30, 4) MASKED WITH (FUNCTION = 'default()'),
    m money MASKED WITH (FUNCTION = 'default()'), f float MASKED WITH (FUNCTION = 'default()'), dt datetime MASKED WITH (FUNCTION = 'default()'),
    dd date MASKED WITH (FUNCTION = 'default()'), t time(3) MASKED WITH (FUNCTION = 'default()'), dto datetimeoffset(0) MASKED WITH (FUNCTION = 'default()'),
    g uniqueidentifier MASKED WITH (FUNCTION = 'default()'), vb varbinary(10) MASKED WITH (FUNCTION = 'default()'), v sql_variant MASKED WITH (FUNCTION = 'default()'),
    x xml MASKED WITH (FUNCTION = 'default()'), mx nvarchar(max) MASKED WITH (FUNCTION = 'default()'));
INSERT Data.kinds VALUES (1, 'ab', N'äöü', 1, 77, 12.5, 3.25, 1.5, '2020-05-06 07:08:09', '2020-05-06', '07:08:09.123', '2020-05-06 07:08:09 +02:00',
    '6F9619FF-8B86-D011-B42D-00C04FC964FF', 0x010203, N'variant', '<a/>', REPLICATE(N'y', 5000)), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 42, NULL, NULL);
CREATE TABLE Data.times (id int PRIMARY KEY, y datetime2(3) MASKED WITH (FUNCTION = 'datetime("Y")'), mo date MASKED WITH (FUNCTION = 'datetime("M")'), d smalldatetime MASKED WITH (FUNCTION = 'datetime("D")'),
    h datetimeoffset(7) MASKED WITH (FUNCTION = 'datetime("h")'), mi time(7) MASKED WITH (FUNCTION = 'datetime("m")'), s datetime MASKED WITH (FUNCTION = 'datetime("s")'));
INSERT Data.times VALUES (1, '2019-02-28 10:11:12.131', '2019-12-31', '2019-12-31 10:11', '2019-12-31 10:11:12.1314 +05:00', '10:11:12.1314', '2019-12-31 10:11:12.130');
CREATE USER reader WITHOUT LOGIN;
CREATE USER writer WITHOUT LOGIN;
GRANT SELECT ON SCHEMA::Data TO reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON SCHEMA::Data TO writer;
GO
-- who owns it, and CONTROL, read what is stored
SELECT FirstName, Phone, Email, DiscountCode FROM Data.Membership;
GO
EXECUTE AS USER = 'reader';
SELECT MemberID, FirstName, LastName, Phone, Email, CASE WHEN DiscountCode BETWEEN 1 AND 100 THEN 'in range' END AS hidden FROM Data.Membership ORDER BY MemberID;
SELECT CONCAT('rnd ', DiscountCode) AS expression FROM Data.Membership;
SELECT * FROM Data.kinds ORDER BY id;
SELECT * FROM Data.times;
GO
DECLARE @codes TABLE (c smallint);
INSERT @codes SELECT DiscountCode FROM Data.Membership;
INSERT @codes SELECT DiscountCode FROM Data.Membership;
SELECT COUNT(*) AS n FROM @codes WHERE c BETWEEN 1 AND 100;
-- conditions, joins, sorting and grouping see what is stored
SELECT MemberID, Phone FROM Data.Membership WHERE Email = 'JGalvin@contoso.com.co';
SELECT MemberID FROM Data.Membership ORDER BY DiscountCode DESC;
SELECT a.MemberID, b.Email FROM Data.Membership AS a JOIN Data.Membership AS b ON a.Email = b.Email AND b.DiscountCode < 2000 ORDER BY a.MemberID;
SELECT Phone, COUNT(*) AS n FROM Data.Membership GROUP BY Phone ORDER BY n, MIN(MemberID);
IF EXISTS (SELECT 1 FROM Data.Membership WHERE FirstName = 'Al') PRINT 'found';
IF (SELECT FirstName FROM Data.Membership WHERE MemberID = 3) = 'Al' PRINT 'compared';
GO
-- expressions are masked by default()
SELECT UPPER(FirstName) AS u, Email + '' AS e, DiscountCode + 1 AS d, LEN(Phone) AS l, LastName + '!' AS plain, ISNULL(Phone, 'none') AS p FROM Data.Membership ORDER BY MemberID;
SELECT MAX(Email) AS e, SUM(DiscountCode) AS s, COUNT(*) AS n FROM Data.Membership;
SELECT MemberID, ROW_NUMBER() OVER (ORDER BY DiscountCode) AS r, LAG(FirstName) OVER (ORDER BY MemberID) AS before FROM Data.Membership ORDER BY MemberID;
SELECT (SELECT TOP 1 Email FROM Data.Membership ORDER BY MemberID) AS scalar_one, CAST(FirstName AS char(4)) AS converted FROM Data.Membership WHERE MemberID = 1;
GO
-- through derived tables, common table expressions, unions, APPLY, PIVOT, functions of rows, JSON
SELECT e FROM (SELECT Email AS e, MemberID AS id FROM Data.Membership) AS q WHERE id = 1;
WITH c (a, b) AS (SELECT Email, LEFT(FirstName, 1) FROM Data.Membership WHERE MemberID = 1) SELECT a, b FROM c;
SELECT Email FROM Data.Membership WHERE MemberID = 1 UNION ALL SELECT 'visible';
SELECT Email FROM Data.Membership WHERE MemberID = 1 UNION SELECT Email FROM Data.Membership WHERE MemberID = 2;
WITH r (n, s) AS (SELECT 1, CAST('a' AS varchar(100)) UNION ALL SELECT n + 1, (m.FirstName) FROM r JOIN Data.Membership AS m ON m.MemberID = r.n WHERE n < 3) SELECT n, s FROM r;
SELECT m.MemberID, a.v FROM Data.Membership AS m CROSS APPLY (SELECT m.Email AS v) AS a WHERE m.MemberID = 1;
SELECT m.MemberID, a.v FROM Data.Membership AS m CROSS APPLY (VALUES (m.Phone), ('x')) AS a (v) WHERE m.MemberID = 1;
SELECT value FROM Data.Membership CROSS APPLY STRING_SPLIT(Email, '@') WHERE MemberID = 1;
SELECT MemberID, Email FROM Data.Membership WHERE MemberID = 1 FOR JSON PATH;
SELECT STRING_AGG(Email, ',') WITHIN GROUP (ORDER BY MemberID) AS agg FROM Data.Membership;
SELECT j.[key], j.value FROM Data.Membership CROSS APPLY OPENJSON(CONCAT('["', FirstName, '"]')) AS j WHERE MemberID = 1;
SELECT j.v FROM Data.Membership CROSS APPLY OPENJSON(CONCAT('[{"v":"', FirstName, '"}]')) WITH (v varchar(20)) AS j WHERE MemberID = 1;
SELECT n.c.value('.', 'varchar(20)') AS node FROM Data.Membership CROSS APPLY (SELECT CAST(CONCAT('<a>', FirstName, '</a>') AS xml) AS x) AS q CROSS APPLY q.x.nodes('/a') AS n (c) WHERE MemberID = 1;
SELECT u.what, u.v FROM Data.Membership UNPIVOT (v FOR what IN (FirstName, LastName)) AS u WHERE MemberID = 1;
GO
-- errors do not tell what is masked
SELECT CAST(LEFT(FirstName, 3) AS int) AS n FROM Data.Membership;
GO
SELECT CAST(DiscountCode AS tinyint) AS n FROM Data.Membership;
GO
-- variables and cursors
DECLARE @e varchar(100), @u nvarchar(50), @all varchar(max) = '', @copy varchar(100);
SELECT @e = Email, @u = Email FROM Data.Membership WHERE MemberID = 1;
SELECT @e AS same_type, @u AS other_type;
SET @e = (SELECT FirstName FROM Data.Membership WHERE MemberID = 2);
SELECT @all = @all + FirstName, @copy = @all FROM Data.Membership;
SELECT @e AS e, @all AS a, @copy AS c;
DECLARE cur CURSOR FOR SELECT Email FROM Data.Membership ORDER BY MemberID;
OPEN cur;
FETCH NEXT FROM cur INTO @e;
CLOSE cur;
DEALLOCATE cur;
SELECT @e AS fetched;
SELECT FirstName, Email INTO #copied FROM Data.Membership;
SELECT * FROM #copied;
GO
REVERT;
GO
-- views, procedures and functions do not unmask, EXECUTE AS does
CREATE VIEW Data.v AS SELECT MemberID, Email, UPPER(LastName) AS LastName FROM Data.Membership;
GO
CREATE PROCEDURE Data.p AS SELECT Email FROM Data.Membership WHERE MemberID = 1;
GO
CREATE PROCEDURE Data.q WITH EXECUTE AS OWNER AS SELECT Email FROM Data.Membership WHERE MemberID = 1;
GO
CREATE FUNCTION Data.f(@id int) RETURNS varchar(100) AS BEGIN RETURN (SELECT Email FROM Data.Membership WHERE MemberID = @id); END;
GO
CREATE FUNCTION Data.i(@id int) RETURNS TABLE AS RETURN SELECT Email, Phone AS P FROM Data.Membership WHERE MemberID = @id;
GO
GRANT EXECUTE ON SCHEMA::Data TO reader;
EXECUTE AS USER = 'reader';
SELECT * FROM Data.v WHERE MemberID = 1;
EXEC Data.p;
EXEC Data.q;
SELECT Data.f(1) AS f;
SELECT * FROM Data.i(1);
REVERT;
SELECT Data.f(1) AS f;
GO
-- changes: what a masked reader writes is what he reads
CREATE TABLE Data.copies (id int PRIMARY KEY, email varchar(200), code int, note varchar(20));
GO
EXECUTE AS USER = 'writer';
INSERT Data.copies SELECT MemberID, Email, NULL, LEFT(FirstName, 2) FROM Data.Membership;
INSERT Data.copies VALUES (10, (SELECT Email FROM Data.Membership WHERE MemberID = 1), 1, 'plain');
UPDATE Data.Membership SET LastName = Email WHERE MemberID = 1;
UPDATE Data.Membership SET FirstName = FirstName + '?' WHERE MemberID = 2;
UPDATE Data.Membership SET Phone = '1' WHERE MemberID = 3;
UPDATE Data.Membership SET Phone = '2', LastName = LastName + '.' OUTPUT inserted.Phone, deleted.Email, inserted.LastName, inserted.Phone + '' AS e WHERE MemberID = 3;
DELETE Data.Membership OUTPUT deleted.MemberID INTO Data.copies (id) WHERE MemberID = 99;
MERGE Data.copies AS t USING Data.Membership AS s ON s.MemberID = t.id
WHEN MATCHED AND t.id < 3 THEN UPDATE SET email = s.FirstName
WHEN NOT MATCHED BY SOURCE THEN UPDATE SET code = 5
OUTPUT $action, s.Email, inserted.id;
BEGIN TRANSACTION;
UPDATE Data.Membership SET LastName = Email WHERE MemberID = 2;
UPDATE Data.copies SET email = (SELECT FirstName FROM Data.Membership WHERE MemberID = 1) WHERE id = 10;
COMMIT;
DECLARE @v varchar(100);
UPDATE Data.Membership SET @v = Email, LastName = @v WHERE MemberID = 2;
REVERT;
SELECT * FROM Data.copies ORDER BY id;
SELECT MemberID, FirstName, LastName, Phone, Email FROM Data.Membership ORDER BY MemberID;
GO
-- UNMASK of the database, a schema, a table, columns; DENY
GRANT UNMASK ON Data.Membership(Email) TO reader;
EXECUTE AS USER = 'reader';
SELECT Email, FirstName, Email + '' AS e, Email + FirstName AS both FROM Data.Membership WHERE MemberID = 1;
REVERT;
REVOKE UNMASK ON Data.Membership(Email) FROM reader;
GRANT UNMASK ON Data.Membership TO reader;
EXECUTE AS USER = 'reader';
SELECT Email, FirstName FROM Data.Membership WHERE MemberID = 1;
SELECT c FROM Data.kinds WHERE id = 1;
REVERT;
REVOKE UNMASK ON Data.Membership FROM reader;
GRANT UNMASK ON SCHEMA::Data TO reader;
DENY UNMASK ON Data.Membership(Email) TO reader;
EXECUTE AS USER = 'reader';
SELECT Email, FirstName FROM Data.Membership WHERE MemberID = 1;
SELECT c FROM Data.kinds WHERE id = 1;
REVERT;
REVOKE UNMASK ON SCHEMA::Data FROM reader;
REVOKE UNMASK ON Data.Membership(Email) FROM reader;
GRANT UNMASK TO reader;
EXECUTE AS USER = 'reader';
SELECT Email, FirstName FROM Data.Membership WHERE MemberID = 1;
REVERT;
REVOKE UNMASK FROM reader;
EXECUTE AS USER = 'reader';
SELECT Email, FirstName FROM Data.Membership WHERE MemberID = 1;
REVERT;
GO
-- what there is; adding, changing, taking away
SELECT t.name AS t, c.name, c.is_masked, c.masking_function FROM sys.masked_columns AS c JOIN sys.tables AS t ON t.object_id = c.object_id WHERE t.name <> 'kinds' ORDER BY t.name, c.column_id;
SELECT name, is_masked FROM sys.columns WHERE object_id = OBJECT_ID('Data.Membership') ORDER BY column_id;
GO
ALTER TABLE Data.Membership ALTER COLUMN LastName ADD MASKED WITH (FUNCTION = 'partial(2,"xxxx",0)');
ALTER TABLE Data.Membership ALTER COLUMN Phone DROP MASKED;
ALTER TABLE Data.Membership ALTER COLUMN Email varchar(120) NOT NULL;
ALTER TABLE Data.Membership ADD Fee decimal(8, 2) MASKED WITH (FUNCTION = 'random(1.555, 3)') NULL, Twice AS DiscountCode * 2, Thrice AS DiscountCode * 3 PERSISTED;
SELECT name, masking_function FROM sys.masked_columns WHERE object_id = OBJECT_ID('Data.Membership') ORDER BY column_id;
EXECUTE AS USER = 'reader';
SELECT LastName, Phone, Email, Twice, Thrice FROM Data.Membership WHERE MemberID = 1;
REVERT;
BEGIN TRANSACTION;
ALTER TABLE Data.Membership ALTER COLUMN Email ADD MASKED WITH (FUNCTION = 'default()');
EXECUTE AS USER = 'reader';
SELECT Email FROM Data.Membership WHERE MemberID = 1;
REVERT;
ROLLBACK;
EXECUTE AS USER = 'reader';
SELECT Email FROM Data.Membership WHERE MemberID = 1;
REVERT;
GO
ALTER TABLE Data.Membership ALTER COLUMN LastName varchar(100) MASKED WITH (FUNCTION = 'default()') NOT NULL;
ALTER TABLE Data.Membership ALTER COLUMN Phone DROP MASKED;
GO
ALTER TABLE Data.Membership ALTER COLUMN DiscountCode ADD MASKED WITH (FUNCTION = 'default()');
GO
ALTER TABLE Data.Membership ALTER COLUMN Twice ADD MASKED WITH (FUNCTION = 'default()');
GO
CREATE TABLE Data.bad (a int MASKED WITH (FUNCTION = 'email()'));
GO
CREATE TABLE Data.bad (a int MASKED WITH (FUNCTION = 'nosuch()'));
GO
CREATE TABLE Data.bad (a int MASKED WITH (FUNCTION = 'default'));
GO
CREATE TABLE Data.bad (a int MASKED WITH (FUNCTION = 'random(1)'));
GO
CREATE TABLE Data.bad (a int MASKED WITH (FUNCTION = 'random(5, 1)'));
GO
CREATE TABLE Data.bad (a tinyint MASKED WITH (FUNCTION = 'random(1, 300)'));
GO
CREATE TABLE Data.bad (a varchar(9) MASKED WITH (FUNCTION = 'partial(1, ''x'', 1)'));
GO
CREATE TABLE Data.bad (a date MASKED WITH (FUNCTION = 'datetime("h")'));
GO
CREATE TABLE Data.bad (a varchar(9) MASKED WITH (FUNCTION = ''));
GO
CREATE TYPE Data.bad AS TABLE (a int MASKED WITH (FUNCTION = 'default()'));
GO
-- ALTER ANY MASK
GRANT ALTER ON Data.Membership TO writer;
EXECUTE AS USER = 'writer';
ALTER TABLE Data.Membership ALTER COLUMN FirstName DROP MASKED;
GO
ALTER TABLE Data.Membership ALTER COLUMN FirstName varchar(100) NULL;
GO
ALTER TABLE Data.Membership ALTER COLUMN Phone ADD MASKED WITH (FUNCTION = 'default()');
GO
REVERT;
GRANT ALTER ANY MASK TO writer;
EXECUTE AS USER = 'writer';
ALTER TABLE Data.Membership ALTER COLUMN Phone ADD MASKED WITH (FUNCTION = 'default()');
ALTER TABLE Data.Membership ALTER COLUMN FirstName DROP MASKED;
SELECT FirstName, Phone FROM Data.Membership WHERE MemberID = 1;
REVERT;
GO
-- A history that is taken from a table without masks hides what its table does.
CREATE TABLE pay_old (id int NOT NULL, pay int NOT NULL, f datetime2 NOT NULL, u datetime2 NOT NULL);
INSERT pay_old VALUES (1, 500, '2020-01-01', '2021-01-01');
CREATE TABLE pay (id int NOT NULL PRIMARY KEY, pay int MASKED WITH (FUNCTION = 'default()') NOT NULL,
    f datetime2 GENERATED ALWAYS AS ROW START NOT NULL, u datetime2 GENERATED ALWAYS AS ROW END NOT NULL, PERIOD FOR SYSTEM_TIME (f, u));
ALTER TABLE pay SET (SYSTEM_VERSIONING = ON (HISTORY_TABLE = dbo.pay_old));
GRANT SELECT ON pay TO writer; GRANT SELECT ON pay_old TO writer;
GO
SELECT id, pay FROM pay FOR SYSTEM_TIME ALL;
EXECUTE AS USER = 'writer';
SELECT id, pay FROM pay FOR SYSTEM_TIME ALL;
SELECT id, pay FROM pay_old;
REVERT;
GO
