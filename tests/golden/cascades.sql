-- A default that points at the row that goes, and what MERGE fires and is called.
CREATE TABLE p (id int NOT NULL PRIMARY KEY, b varchar(5));
INSERT p VALUES (1, 'a'), (2, 'b'), (3, 'c');
CREATE TABLE c (id int NOT NULL PRIMARY KEY, p int DEFAULT 2,
  CONSTRAINT fk_c FOREIGN KEY (p) REFERENCES p (id) ON DELETE SET DEFAULT ON UPDATE SET DEFAULT);
INSERT c VALUES (1, 1), (2, 2), (3, 3);
GO
DELETE p WHERE id = 1;
SELECT * FROM c ORDER BY id;
GO
DELETE p WHERE id = 2;
GO
UPDATE p SET id = 7 WHERE id = 2;
GO
DELETE p;
GO
MERGE c USING (VALUES (1, 55)) s(a, b) ON c.id = s.a WHEN MATCHED THEN UPDATE SET p = b;
GO
SELECT * FROM c ORDER BY id;
SELECT * FROM p ORDER BY id;
GO
CREATE TABLE m (id int NOT NULL PRIMARY KEY, v int);
INSERT m VALUES (1, 1), (2, 2);
CREATE TABLE seen (n int IDENTITY, what varchar(10), i int, d int);
GO
CREATE TRIGGER m_i ON m AFTER INSERT AS INSERT seen SELECT 'insert', (SELECT COUNT(*) FROM inserted), (SELECT COUNT(*) FROM deleted);
GO
CREATE TRIGGER m_u ON m AFTER UPDATE AS INSERT seen SELECT 'update', (SELECT COUNT(*) FROM inserted), (SELECT COUNT(*) FROM deleted);
GO
CREATE TRIGGER m_d ON m AFTER DELETE AS INSERT seen SELECT 'delete', (SELECT COUNT(*) FROM inserted), (SELECT COUNT(*) FROM deleted);
GO
-- Triggers of the actions that it names, with or without rows; no others.
SET NOCOUNT ON;
MERGE m USING (VALUES (1, 5)) s(a, b) ON m.id = s.a WHEN MATCHED THEN UPDATE SET v = b;
SELECT what, i, d FROM seen ORDER BY n;
MERGE m USING (VALUES (1, 5)) s(a, b) ON m.id = s.a WHEN MATCHED AND s.b = 9 THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (a, b);
SELECT what, i, d FROM seen ORDER BY n;
GO
CREATE TABLE o (id int NOT NULL PRIMARY KEY, v int);
INSERT o VALUES (1, 1);
GO
CREATE TRIGGER o_i ON o INSTEAD OF INSERT AS PRINT 'instead';
GO
MERGE o USING (VALUES (1, 5), (9, 9)) s(a, b) ON o.id = s.a WHEN MATCHED THEN UPDATE SET v = b WHEN NOT MATCHED THEN INSERT VALUES (a, b);
GO
MERGE o USING (VALUES (1, 5), (9, 9)) s(a, b) ON o.id = s.a WHEN MATCHED THEN UPDATE SET v = b;
MERGE o USING (VALUES (1, 5), (9, 9)) s(a, b) ON o.id = s.a WHEN NOT MATCHED THEN INSERT VALUES (a, b);
SELECT * FROM o;
GO
-- In a transaction a statement that fails leaves nothing, of one row neither.
SET NOCOUNT OFF;
BEGIN TRAN;
INSERT c SELECT 9, 77;
GO
SELECT * FROM c ORDER BY id;
GO
UPDATE c SET p = 77 WHERE id = 3;
GO
INSERT c VALUES (9, 77);
GO
UPDATE c SET p = 2 WHERE id = 3;
SELECT * FROM c ORDER BY id;
COMMIT;
GO
