-- foreign keys' actions, triggers, OUTPUT INTO, identity, rowversion, kept columns
CREATE TABLE p (id int NOT NULL PRIMARY KEY, s datetime2(0) GENERATED ALWAYS AS ROW START HIDDEN, e datetime2(0) GENERATED ALWAYS AS ROW END HIDDEN,
  PERIOD FOR SYSTEM_TIME (s, e)) WITH (SYSTEM_VERSIONING = ON);
CREATE TABLE c (id int IDENTITY PRIMARY KEY, p int NULL REFERENCES p (id) ON DELETE CASCADE ON UPDATE CASCADE, q int NULL DEFAULT 9,
  twice AS q * 2 PERSISTED, thrice AS q * 3, rv rowversion,
  s datetime2 GENERATED ALWAYS AS ROW START HIDDEN NOT NULL, e datetime2 GENERATED ALWAYS AS ROW END HIDDEN NOT NULL,
  PERIOD FOR SYSTEM_TIME (s, e)) WITH (SYSTEM_VERSIONING = ON (HISTORY_TABLE = dbo.ch));
CREATE TABLE n (id int NOT NULL PRIMARY KEY, c int NULL REFERENCES c (id) ON DELETE SET NULL,
  s datetime2 GENERATED ALWAYS AS ROW START HIDDEN NOT NULL, e datetime2 GENERATED ALWAYS AS ROW END HIDDEN NOT NULL,
  PERIOD FOR SYSTEM_TIME (s, e)) WITH (SYSTEM_VERSIONING = ON (HISTORY_TABLE = dbo.nh));
CREATE TABLE seen (k int IDENTITY, what varchar(20), i int, d int);
GO
CREATE TRIGGER ct ON c AFTER INSERT, UPDATE, DELETE AS
  INSERT seen SELECT 'c', (SELECT COUNT(*) FROM inserted), (SELECT COUNT(*) FROM deleted);
  IF EXISTS (SELECT 1 FROM inserted WHERE q = 5) UPDATE c SET q = 6 WHERE q = 5;
GO
SELECT temporal_type, CASE WHEN name = CONCAT('MSSQL_TemporalHistoryFor_', OBJECT_ID('p')) THEN 'anonymous' ELSE name END AS name,
  IIF(history_table_id = OBJECT_ID(CONCAT('MSSQL_TemporalHistoryFor_', OBJECT_ID('p'))), 'its', '') AS history
FROM sys.tables ORDER BY temporal_type, 2;
SET NOCOUNT ON;
INSERT p VALUES (1), (2);
INSERT p SELECT id + 10 FROM p;
INSERT c (p, q) VALUES (1, 1), (2, 2), (2, 3), (11, NULL);
INSERT n VALUES (1, 1), (2, 2), (3, 3), (4, NULL);
SELECT * FROM p ORDER BY id;
SELECT id, p, q, twice, thrice FROM c ORDER BY id;
GO
UPDATE p SET id = 3 WHERE id = 1;
DELETE p WHERE id = 2;
SELECT id, p, q, twice, thrice FROM c ORDER BY id;
SELECT id, p, q, twice, thrice, IIF(rv < (SELECT MIN(rv) FROM c WHERE id = 1), 'older', '') AS rv FROM ch ORDER BY id;
SELECT id, c FROM n ORDER BY id;
SELECT id, c FROM nh ORDER BY id;
SELECT what, i, d FROM seen ORDER BY k;
GO
DECLARE @out TABLE (was int, is_ int, ends datetime2);
UPDATE c SET q = 5 OUTPUT deleted.q, inserted.q, inserted.e INTO @out WHERE id = 1;
SELECT was, is_, ends FROM @out;
SELECT id, q FROM c ORDER BY id;
SELECT id, q, IIF(s = e, 'empty', '') AS v FROM ch WHERE id = 1 ORDER BY s, q;
GO
-- a statement that fails leaves no version; nor does what is rolled back
BEGIN TRAN;
UPDATE c SET p = 77;
GO
SELECT @@TRANCOUNT AS t, (SELECT COUNT(*) FROM ch) AS n;
SAVE TRAN sp;
DELETE c;
SELECT (SELECT COUNT(*) FROM ch) AS n;
ROLLBACK TRAN sp;
SELECT (SELECT COUNT(*) FROM ch) AS n, (SELECT COUNT(*) FROM c) AS m;
COMMIT;
GO
-- key changes of many rows, in one statement and by MERGE
UPDATE n SET id = 5 - id;
SELECT id FROM n ORDER BY id;
SELECT id, COUNT(*) AS versions FROM nh GROUP BY id ORDER BY id;
MERGE n USING (SELECT id FROM n) AS x ON n.id = x.id WHEN MATCHED AND x.id < 3 THEN UPDATE SET id = n.id + 100 WHEN MATCHED THEN DELETE;
SELECT id FROM n ORDER BY id;
SELECT id, COUNT(*) AS versions FROM nh GROUP BY id ORDER BY id;
GO
-- a period without versioning, of a #table too
CREATE TABLE #t (id int PRIMARY KEY, s datetime2(3) GENERATED ALWAYS AS ROW START HIDDEN, e datetime2(3) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e));
INSERT #t VALUES (1, DEFAULT);
SELECT *, IIF(s BETWEEN DATEADD(minute, -1, SYSUTCDATETIME()) AND SYSUTCDATETIME(), 1, 0) AS now_ FROM #t;
CREATE TABLE w (id int PRIMARY KEY, s datetime2(0) GENERATED ALWAYS AS ROW START, e datetime2(0) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) WITH (SYSTEM_VERSIONING = OFF);
INSERT w (id) VALUES (1);
SELECT id, e, IIF(s BETWEEN DATEADD(minute, -1, SYSUTCDATETIME()) AND SYSUTCDATETIME(), 1, 0) AS now_ FROM w;
GO
SELECT * FROM w FOR SYSTEM_TIME ALL;
GO
-- as Entity Framework's migrations write it
DECLARE @historyTableSchema sysname = SCHEMA_NAME()
EXEC(N'CREATE TABLE [Customers] (
    [Id] int NOT NULL IDENTITY,
    [Name] nvarchar(max) NULL,
    [PeriodEnd] datetime2 GENERATED ALWAYS AS ROW END HIDDEN NOT NULL,
    [PeriodStart] datetime2 GENERATED ALWAYS AS ROW START HIDDEN NOT NULL,
    CONSTRAINT [PK_Customers] PRIMARY KEY ([Id]),
    PERIOD FOR SYSTEM_TIME([PeriodStart], [PeriodEnd])
) WITH (SYSTEM_VERSIONING = ON (HISTORY_TABLE = [' + @historyTableSchema + N'].[CustomersHistory]))');
GO
CREATE TABLE [Orders] ([Id] int NOT NULL IDENTITY, [What] nvarchar(50) NULL, CONSTRAINT [PK_Orders] PRIMARY KEY ([Id]));
INSERT [Orders] ([What]) VALUES (N'a'), (N'b');
GO
ALTER TABLE [Orders] ADD [PeriodEnd] datetime2 NOT NULL DEFAULT '9999-12-31T23:59:59.9999999';
ALTER TABLE [Orders] ADD [PeriodStart] datetime2 NOT NULL DEFAULT '0001-01-01T00:00:00.0000000';
EXEC(N'ALTER TABLE [Orders] ADD PERIOD FOR SYSTEM_TIME ([PeriodStart], [PeriodEnd])')
ALTER TABLE [Orders] ALTER COLUMN [PeriodStart] ADD HIDDEN
ALTER TABLE [Orders] ALTER COLUMN [PeriodEnd] ADD HIDDEN
DECLARE @historyTableSchema sysname = SCHEMA_NAME()
EXEC(N'ALTER TABLE [Orders] SET (SYSTEM_VERSIONING = ON (HISTORY_TABLE = [' + @historyTableSchema + '].[OrdersHistory]))')
GO
SET IMPLICIT_TRANSACTIONS OFF; SET NOCOUNT ON;
INSERT INTO [Customers] ([Name]) OUTPUT INSERTED.[Id], INSERTED.[PeriodEnd] VALUES (N'Ann');
MERGE [Customers] USING (VALUES (N'Ben', 0), (N'Cid', 1)) AS i ([Name], _Position) ON 1=0
WHEN NOT MATCHED THEN INSERT ([Name]) VALUES (i.[Name]) OUTPUT INSERTED.[Id], INSERTED.[PeriodEnd], i._Position;
UPDATE [Customers] SET [Name] = N'Anna' OUTPUT INSERTED.[PeriodEnd] WHERE [Id] = 1;
DELETE FROM [Customers] OUTPUT 1 WHERE [Id] = 2;
UPDATE [Orders] SET [What] = N'c' OUTPUT 1 WHERE [Id] = 1;
SELECT [c].[Id], [c].[Name], [c].[PeriodEnd] FROM [Customers] FOR SYSTEM_TIME ALL AS [c] ORDER BY [c].[Id], [c].[PeriodEnd] DESC
OFFSET 0 ROWS FETCH NEXT 1 ROWS ONLY;
SELECT COUNT(*) AS n FROM [Customers] FOR SYSTEM_TIME ALL AS [c];
SELECT COUNT(*) AS n FROM [Customers] FOR SYSTEM_TIME AS OF '2000-01-01T00:00:00.0000000Z' AS [c];
SELECT [o].[Id], [o].[What] FROM [Orders] FOR SYSTEM_TIME AS OF '2010-01-01T00:00:00.0000000' AS [o] ORDER BY [o].[Id];
SELECT o.What, c.Name FROM Orders FOR SYSTEM_TIME AS OF '2010-01-01' AS o LEFT JOIN Customers FOR SYSTEM_TIME ALL AS c ON c.Id = o.Id AND c.Name = N'Anna' ORDER BY o.Id;
GO
ALTER TABLE [Customers] SET (SYSTEM_VERSIONING = OFF)
DROP TABLE [Customers];
DROP TABLE [CustomersHistory];
ALTER TABLE [Orders] SET (SYSTEM_VERSIONING = OFF)
ALTER TABLE [Orders] DROP PERIOD FOR SYSTEM_TIME
DROP TABLE [OrdersHistory];
GO
-- columns that are added with the period; a history that stays keeps its name
CREATE TABLE late (id int PRIMARY KEY, v int);
INSERT late VALUES (1, 1);
ALTER TABLE late ADD
  s datetime2 GENERATED ALWAYS AS ROW START HIDDEN NOT NULL CONSTRAINT d_s DEFAULT SYSUTCDATETIME(),
  e datetime2 GENERATED ALWAYS AS ROW END HIDDEN NOT NULL CONSTRAINT d_e DEFAULT CONVERT(datetime2, '9999-12-31 23:59:59.9999999'),
  PERIOD FOR SYSTEM_TIME (s, e);
ALTER TABLE late SET (SYSTEM_VERSIONING = ON);
UPDATE late SET v = 2;
SELECT * FROM late FOR SYSTEM_TIME ALL ORDER BY v;
ALTER TABLE late SET (SYSTEM_VERSIONING = OFF);
ALTER TABLE late SET (SYSTEM_VERSIONING = ON);
SELECT COUNT(*) AS n, SUM(IIF(name LIKE 'MSSQL[_]TemporalHistoryFor[_]%[_]%', 1, 0)) AS suffixed FROM sys.tables WHERE name LIKE CONCAT('MSSQL[_]TemporalHistoryFor[_]', OBJECT_ID('late'), '%');
SELECT * FROM late FOR SYSTEM_TIME ALL ORDER BY v;
GO
ALTER TABLE late DROP CONSTRAINT d_s, d_e;
DECLARE @pk sysname = (SELECT name FROM sys.key_constraints WHERE parent_object_id = OBJECT_ID('late') AND type = 'PK');
EXEC ('ALTER TABLE late DROP CONSTRAINT ' + @pk);
GO
-- a lone statement takes away what is past its retention
CREATE TABLE aged (id int PRIMARY KEY, v int, s datetime2 GENERATED ALWAYS AS ROW START, e datetime2 GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e))
  WITH (SYSTEM_VERSIONING = ON (HISTORY_TABLE = dbo.agedh, HISTORY_RETENTION_PERIOD = 2 WEEKS));
INSERT aged (id, v) VALUES (1, 1), (2, 2);
ALTER TABLE aged SET (SYSTEM_VERSIONING = OFF);
INSERT agedh SELECT id, 7, DATEADD(day, -10 * n.value - 10, s), DATEADD(day, -10 * n.value, s) FROM aged, GENERATE_SERIES(1, 3) AS n;
ALTER TABLE aged SET (SYSTEM_VERSIONING = ON (HISTORY_TABLE = dbo.agedh, HISTORY_RETENTION_PERIOD = 2 WEEKS));
GO
SELECT COUNT(*) AS n FROM aged FOR SYSTEM_TIME ALL;
SELECT COUNT(*) AS n FROM agedh;
BEGIN TRAN;
UPDATE aged SET v = 3 WHERE id = 1;
COMMIT;
SELECT COUNT(*) AS n FROM agedh;
DELETE aged WHERE id = 1;
SELECT COUNT(*) AS n FROM agedh;
SELECT COUNT(*) AS n FROM aged FOR SYSTEM_TIME ALL;
GO
-- and so does a procedure, all of it at once
ALTER TABLE aged SET (SYSTEM_VERSIONING = OFF);
INSERT agedh SELECT id, 8, DATEADD(day, -10 * n.value - 30, s), DATEADD(day, -10 * n.value - 20, s) FROM aged, GENERATE_SERIES(1, 3) AS n;
ALTER TABLE aged SET (SYSTEM_VERSIONING = ON (HISTORY_TABLE = dbo.agedh, HISTORY_RETENTION_PERIOD = 2 WEEKS));
GO
DECLARE @n int, @before int = (SELECT COUNT(*) FROM agedh);
BEGIN TRAN;
EXEC sys.sp_cleanup_temporal_history N'dbo', N'aged', @n OUTPUT;
SELECT @n AS deleted, @before - COUNT(*) AS gone FROM agedh;
ROLLBACK;
SELECT @before - COUNT(*) AS gone FROM agedh;
EXEC sys.sp_cleanup_temporal_history @schema_name = 'dbo', @table_name = 'aged', @rowcount = @n OUTPUT;
SELECT @n AS deleted, @before - COUNT(*) AS gone FROM agedh;
EXEC sys.sp_cleanup_temporal_history 'dbo', 'aged';
GO
EXEC sys.sp_cleanup_temporal_history 'dbo', 'nothing';
GO
EXEC sys.sp_cleanup_temporal_history 'dbo', 'seen';
GO
EXEC sys.sp_cleanup_temporal_history 'dbo', 'p';
GO
-- in transactions: tables with a history that are never made, changes that are noted alone, savepoints
BEGIN TRAN;
CREATE TABLE never (id int PRIMARY KEY, s datetime2 GENERATED ALWAYS AS ROW START, e datetime2 GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) WITH (SYSTEM_VERSIONING = ON (HISTORY_TABLE = dbo.neverh));
INSERT never (id) VALUES (1);
DELETE never;
SELECT COUNT(*) AS n FROM never FOR SYSTEM_TIME ALL;
SELECT COUNT(*) AS n FROM neverh;
ROLLBACK;
SELECT OBJECT_ID('never') AS a, OBJECT_ID('neverh') AS b, (SELECT COUNT(*) FROM sys.periods WHERE object_id NOT IN (SELECT object_id FROM sys.tables)) AS p;
GO
CREATE TABLE k (id int PRIMARY KEY, v int NOT NULL, s datetime2 GENERATED ALWAYS AS ROW START HIDDEN, e datetime2 GENERATED ALWAYS AS ROW END HIDDEN, PERIOD FOR SYSTEM_TIME (s, e)) WITH (SYSTEM_VERSIONING = ON (HISTORY_TABLE = dbo.kh));
CREATE INDEX kv ON k (v);
INSERT k VALUES (1, 1), (2, 2);
GO
BEGIN TRAN;
GO
INSERT k VALUES (3, 3);
GO
UPDATE k SET v = 30 WHERE id = 3;
GO
UPDATE k SET v = 10 WHERE id = 1;
GO
SELECT * FROM k ORDER BY id;
SELECT id, v FROM kh ORDER BY id;
GO
SAVE TRAN sp;
GO
DELETE k WHERE id = 2;
GO
ROLLBACK TRAN sp;
GO
COMMIT;
GO
SELECT * FROM k ORDER BY id;
SELECT id, v, IIF(s = e, 'empty', '') AS empty_ FROM kh ORDER BY id;
SELECT COUNT(DISTINCT s) AS moments FROM k WHERE id IN (1, 3);
SELECT v FROM k FOR SYSTEM_TIME ALL WHERE id IN (1, 3) ORDER BY v;
GO
SET TRANSACTION ISOLATION LEVEL SNAPSHOT;
BEGIN TRAN;
SELECT COUNT(*) AS n FROM kh;
UPDATE k SET v = v + 1;
SELECT id, v FROM kh ORDER BY id, v;
COMMIT;
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
GO
-- a table with its history altered in a transaction that fails
BEGIN TRAN;
ALTER TABLE k ADD extra int NULL;
UPDATE k SET extra = 1 WHERE id = 1;
ROLLBACK;
SELECT COL_LENGTH('k', 'extra') AS a, COL_LENGTH('kh', 'extra') AS b;
UPDATE k SET v = 0 WHERE id = 1;
SELECT COUNT(*) AS n FROM kh WHERE id = 1;
GO
-- cursors, SELECT INTO, star of OUTPUT, table variables
DECLARE c CURSOR LOCAL FOR SELECT id, v FROM k FOR UPDATE;
DECLARE @id int, @v int;
OPEN c;
FETCH c INTO @id, @v;
UPDATE k SET v = 100 WHERE CURRENT OF c;
CLOSE c;
SELECT id, v FROM k WHERE v = 100;
SELECT * INTO k2 FROM k;
SELECT name FROM sys.columns WHERE object_id = OBJECT_ID('k2') ORDER BY column_id;
DELETE TOP (1) FROM k OUTPUT deleted.* WHERE id = 3;
SELECT id, v, s, e INTO k3 FROM k FOR SYSTEM_TIME ALL WHERE 1 = 0;
SELECT name, is_nullable, is_hidden FROM sys.columns WHERE object_id = OBJECT_ID('k3') ORDER BY column_id;
GO
-- what Entity Framework asks when it reads a database
SELECT SCHEMA_NAME([t].[schema_id]) AS [schema], [t].[name], CAST([t].[temporal_type] AS int) AS [temporal_type],
  (SELECT [t2].[name] FROM [sys].[tables] AS t2 WHERE [t2].[object_id] = [t].[history_table_id]) AS [history_table_name],
  (SELECT SCHEMA_NAME([t2].[schema_id]) FROM [sys].[tables] AS t2 WHERE [t2].[object_id] = [t].[history_table_id]) AS [history_table_schema],
  (SELECT [c].[name] FROM [sys].[columns] as [c] WHERE [c].[object_id] = [t].[object_id] AND [c].[generated_always_type] = 1) as [period_start_column],
  (SELECT [c].[name] FROM [sys].[columns] as [c] WHERE [c].[object_id] = [t].[object_id] AND [c].[generated_always_type] = 2) as [period_end_column]
FROM [sys].[tables] AS [t] WHERE [t].[temporal_type] <> 1 AND [t].[name] IN (N'k', N'k2') ORDER BY [t].[name];
SELECT p.name, s.name AS s, e.name AS e FROM sys.periods p JOIN sys.columns s ON s.object_id = p.object_id AND s.column_id = p.start_column_id
  JOIN sys.columns e ON e.object_id = p.object_id AND e.column_id = p.end_column_id WHERE p.object_id = OBJECT_ID('k');
SELECT COLUMNPROPERTY(OBJECT_ID('k'), 's', 'GeneratedAlwaysType') AS a, COLUMNPROPERTY(OBJECT_ID('k'), 's', 'IsHidden') AS b;
DBCC CHECKDB WITH NO_INFOMSGS;
GO
-- OUTPUT into a table with a history, and into a history
CREATE TABLE into_ (id int PRIMARY KEY, v int, s datetime2 GENERATED ALWAYS AS ROW START HIDDEN, e datetime2 GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) WITH (SYSTEM_VERSIONING = ON (HISTORY_TABLE = dbo.intoh));
UPDATE k SET v = v + 1 OUTPUT inserted.id, inserted.v INTO into_ (id, v) WHERE id < 3;
SELECT id, v, e FROM into_ ORDER BY id;
GO
UPDATE k SET v = v + 1 OUTPUT inserted.id, inserted.v, inserted.s INTO into_ (id, v, s);
GO
UPDATE k SET v = v + 1 OUTPUT inserted.id, inserted.v, inserted.s, inserted.e INTO intoh;
GO
