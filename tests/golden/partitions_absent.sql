-- Partitioning is not there: each of its statements and clauses says so, and none is taken silently.
CREATE PARTITION FUNCTION pf (int) AS RANGE RIGHT FOR VALUES (10, 20);
GO
CREATE PARTITION SCHEME ps AS PARTITION pf ALL TO ([PRIMARY]);
GO
CREATE TABLE t (a int, b int) ON ps(a);
GO
CREATE TABLE t (a int, b int, CONSTRAINT pk PRIMARY KEY (a) ON [ps]([a])) ON [PRIMARY];
GO
CREATE TABLE t (a int, b int, INDEX i (a) ON ps(a));
GO
SELECT OBJECT_ID('t');
GO
CREATE TABLE t (a int NOT NULL, b varchar(max), CONSTRAINT pk PRIMARY KEY (a) WITH (FILLFACTOR = 90) ON [PRIMARY]) ON [PRIMARY] TEXTIMAGE_ON [PRIMARY];
CREATE INDEX i ON t (a) ON [PRIMARY];
GO
CREATE INDEX j ON t (a) ON ps(a);
GO
ALTER TABLE t ADD CONSTRAINT u UNIQUE (a) ON ps(a);
GO
TRUNCATE TABLE t WITH (PARTITIONS (1, 3 TO 5));
GO
ALTER TABLE t SWITCH PARTITION 1 TO t2;
GO
SELECT name FROM sys.indexes WHERE object_id = OBJECT_ID('t') ORDER BY index_id;
GO
