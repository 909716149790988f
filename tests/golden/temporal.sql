-- tables, their history and its columns
CREATE TABLE dbo.Dept (
  Id int NOT NULL PRIMARY KEY,
  Name nvarchar(20) NOT NULL,
  Boss int NULL,
  Twice AS Boss * 2,
  ValidFrom datetime2 GENERATED ALWAYS AS ROW START NOT NULL,
  ValidTo datetime2 GENERATED ALWAYS AS ROW END NOT NULL,
  PERIOD FOR SYSTEM_TIME (ValidFrom, ValidTo))
WITH (SYSTEM_VERSIONING = ON (HISTORY_TABLE = dbo.DeptHistory));
GO
SELECT name, temporal_type, temporal_type_desc, OBJECT_NAME(history_table_id) AS history, history_retention_period AS p,
  history_retention_period_unit AS u, history_retention_period_unit_desc AS d
FROM sys.tables ORDER BY name;
SELECT OBJECT_NAME(object_id) AS t, name, generated_always_type AS g, generated_always_type_desc AS gd, is_hidden, is_nullable, is_computed
FROM sys.columns WHERE object_id IN (OBJECT_ID('dbo.Dept'), OBJECT_ID('dbo.DeptHistory')) ORDER BY t, column_id;
SELECT name, period_type, period_type_desc, OBJECT_NAME(object_id) AS t, start_column_id, end_column_id FROM sys.periods;
SELECT name, index_id, type_desc, is_unique FROM sys.indexes WHERE object_id = OBJECT_ID('dbo.DeptHistory');
SELECT OBJECTPROPERTY(OBJECT_ID('dbo.Dept'), 'TableTemporalType') AS a, OBJECTPROPERTY(OBJECT_ID('dbo.DeptHistory'), 'TableTemporalType') AS b;
GO
-- rows and versions
INSERT INTO dbo.Dept (Id, Name, Boss) VALUES (1, N'one', 10), (2, N'two', 20), (3, N'three', 30);
INSERT INTO dbo.Dept VALUES (4, N'four', 40, DEFAULT, DEFAULT);
GO
UPDATE dbo.Dept SET Name = N'uno' OUTPUT deleted.Name, inserted.Name, inserted.ValidTo WHERE Id = 1;
DELETE dbo.Dept OUTPUT deleted.Id WHERE Id = 2;
UPDATE dbo.Dept SET Boss = Boss + 1, Id = Id + 1 WHERE Id >= 3;
MERGE dbo.Dept AS t USING (VALUES (1, N'eins'), (7, N'sieben')) AS s (Id, Name) ON t.Id = s.Id
WHEN MATCHED THEN UPDATE SET Name = s.Name
WHEN NOT MATCHED THEN INSERT (Id, Name) VALUES (s.Id, s.Name)
WHEN NOT MATCHED BY SOURCE AND t.Id = 5 THEN DELETE
OUTPUT $action, inserted.Id, deleted.Id;
GO
SELECT Id, Name, Boss, Twice FROM dbo.Dept ORDER BY Id;
SELECT Id, Name, Boss, Twice FROM dbo.DeptHistory ORDER BY ValidTo, Id;
SELECT COUNT(*) AS n FROM dbo.Dept AS c JOIN dbo.DeptHistory AS h ON h.Id = c.Id WHERE c.Id = 1 AND h.ValidTo <= c.ValidFrom AND h.ValidFrom < h.ValidTo;
SELECT COUNT(*) AS n FROM dbo.Dept WHERE ValidTo = '9999-12-31 23:59:59.9999999';
GO
-- a direct statement writes its version as well, in a transaction too; two changes in one leave a version nobody saw
BEGIN TRAN;
UPDATE dbo.Dept SET Name = N'a' WHERE Id = 7;
UPDATE dbo.Dept SET Name = N'b' WHERE Id = 7;
COMMIT;
SELECT Name, IIF(ValidFrom = ValidTo, 'empty', 'seen') AS v FROM dbo.DeptHistory WHERE Id = 7 ORDER BY ValidTo, Name;
SELECT Name FROM dbo.Dept FOR SYSTEM_TIME ALL WHERE Id = 7 ORDER BY ValidFrom;
BEGIN TRAN;
DELETE dbo.Dept WHERE Id = 7;
SELECT COUNT(*) AS n FROM dbo.DeptHistory WHERE Id = 7;
ROLLBACK;
SELECT COUNT(*) AS n FROM dbo.DeptHistory WHERE Id = 7;
SELECT COUNT(*) AS n FROM dbo.Dept WHERE Id = 7;
GO
-- what is refused
INSERT dbo.Dept (Id, Name, ValidFrom) VALUES (9, N'x', '2020-01-01');
GO
INSERT dbo.Dept (Id, Name, ValidFrom) SELECT 9, N'x', '2020-01-01';
GO
UPDATE dbo.Dept SET ValidTo = '2020-01-01';
GO
MERGE dbo.Dept AS t USING (VALUES (1)) AS s (Id) ON t.Id = s.Id WHEN NOT MATCHED THEN INSERT (Id, Name, ValidTo) VALUES (1, N'x', '2020-01-01');
GO
INSERT dbo.DeptHistory (Id) VALUES (1);
GO
UPDATE dbo.DeptHistory SET Id = 1;
GO
DELETE dbo.DeptHistory;
GO
MERGE dbo.DeptHistory AS t USING (VALUES (1)) AS s (Id) ON t.Id = s.Id WHEN MATCHED THEN DELETE;
GO
TRUNCATE TABLE dbo.Dept;
GO
TRUNCATE TABLE dbo.DeptHistory;
GO
DROP TABLE dbo.Dept;
GO
DROP TABLE dbo.DeptHistory;
GO
ALTER TABLE dbo.Dept DROP PERIOD FOR SYSTEM_TIME;
GO
ALTER TABLE dbo.Dept DROP COLUMN ValidTo;
GO
ALTER TABLE dbo.Dept ALTER COLUMN ValidTo datetime2(3) NOT NULL;
GO
ALTER TABLE dbo.Dept ALTER COLUMN Name ADD HIDDEN;
GO
ALTER TABLE dbo.Dept ADD Half AS Boss / 2;
GO
ALTER TABLE dbo.Dept ADD N int IDENTITY;
GO
ALTER TABLE dbo.DeptHistory ADD X int;
GO
ALTER TABLE dbo.DeptHistory DROP COLUMN Boss;
GO
ALTER TABLE dbo.DeptHistory ALTER COLUMN Boss bigint;
GO
ALTER TABLE dbo.DeptHistory ADD CONSTRAINT c CHECK (Id > 0);
GO
CREATE UNIQUE INDEX u ON dbo.DeptHistory (Id);
GO
CREATE TRIGGER dbo.tr ON dbo.DeptHistory AFTER INSERT AS SELECT 1;
GO
CREATE TRIGGER dbo.tr ON dbo.Dept INSTEAD OF INSERT AS SELECT 1;
GO
SELECT * FROM dbo.DeptHistory FOR SYSTEM_TIME ALL;
GO
SELECT * FROM dbo.Dept FOR SYSTEM_TIME AS OF 1;
GO
SELECT * FROM dbo.Dept FOR SYSTEM_TIME AS OF SYSUTCDATETIME();
GO
-- changes of the table are changes of its history
ALTER TABLE dbo.Dept ADD Town varchar(10) NOT NULL CONSTRAINT df DEFAULT 'Ulm', Note varchar(5) NULL;
ALTER TABLE dbo.Dept ALTER COLUMN Name nvarchar(40) NOT NULL;
EXEC sp_rename 'dbo.Dept.Note', 'Remark', 'COLUMN';
ALTER TABLE dbo.Dept ALTER COLUMN ValidFrom ADD HIDDEN;
ALTER TABLE dbo.Dept ALTER COLUMN ValidTo ADD HIDDEN;
GO
SELECT OBJECT_NAME(object_id) AS t, name, max_length, is_nullable, is_hidden, default_object_id * 0 AS d
FROM sys.columns WHERE object_id IN (OBJECT_ID('dbo.Dept'), OBJECT_ID('dbo.DeptHistory')) AND name <> 'Id' ORDER BY t, column_id;
SELECT * FROM dbo.Dept ORDER BY Id;
SELECT Id, Town, Remark FROM dbo.DeptHistory WHERE Id = 2;
INSERT dbo.Dept VALUES (8, N'acht', NULL, 'Bonn', 'r');
DELETE dbo.Dept WHERE Id = 8;
SELECT Id, Name, Town, Remark FROM dbo.DeptHistory WHERE Id = 8;
ALTER TABLE dbo.Dept DROP COLUMN Remark;
SELECT COL_LENGTH('dbo.DeptHistory', 'Remark') AS gone;
GO
EXEC sp_rename 'dbo.DeptHistory.Town', 'City', 'COLUMN';
GO
-- off: two tables; periods go on
ALTER TABLE dbo.Dept SET (SYSTEM_VERSIONING = OFF);
GO
SELECT name, temporal_type, history_table_id FROM sys.tables ORDER BY name;
SELECT COUNT(*) AS n FROM sys.periods;
DELETE dbo.DeptHistory;
UPDATE dbo.Dept SET Boss = 1 WHERE Id = 1;
SELECT COUNT(*) AS n FROM dbo.DeptHistory;
GO
ALTER TABLE dbo.Dept SET (SYSTEM_VERSIONING = OFF);
GO
ALTER TABLE dbo.Dept SET (SYSTEM_VERSIONING = ON (HISTORY_TABLE = dbo.DeptHistory, DATA_CONSISTENCY_CHECK = ON, HISTORY_RETENTION_PERIOD = 6 MONTHS));
SELECT name, history_retention_period AS p, history_retention_period_unit AS u, history_retention_period_unit_desc AS d FROM sys.tables WHERE name = 'Dept';
GO
ALTER TABLE dbo.Dept SET (SYSTEM_VERSIONING = ON);
GO
ALTER TABLE dbo.Dept SET (SYSTEM_VERSIONING = ON (HISTORY_TABLE = dbo.DeptHistory, HISTORY_RETENTION_PERIOD = 0 DAYS));
GO
ALTER TABLE dbo.Dept SET (SYSTEM_VERSIONING = ON (HISTORY_TABLE = dbo.DeptHistory, HISTORY_RETENTION_PERIOD = 3 HOURS));
GO
ALTER TABLE dbo.Dept SET (SYSTEM_VERSIONING = ON (HISTORY_TABLE = dbo.DeptHistory));
SELECT name, history_retention_period_unit_desc AS d FROM sys.tables WHERE name = 'Dept';
ALTER TABLE dbo.Dept SET (SYSTEM_VERSIONING = OFF);
ALTER TABLE dbo.Dept DROP PERIOD FOR SYSTEM_TIME;
UPDATE dbo.Dept SET ValidTo = '2020-01-01' WHERE Id = 1;
DROP TABLE dbo.Dept, dbo.DeptHistory;
GO
