-- Statistics are kept with their table, share names and numbers with its indexes, and stand on its columns.
CREATE TABLE t (id int CONSTRAINT pk_t PRIMARY KEY, a int, b varchar(20), c datetime2);
CREATE INDEX ia ON t (a);
GO
CREATE STATISTICS s1 ON dbo.t (a, b) WITH FULLSCAN, NORECOMPUTE; CREATE STATISTICS [s 2] ON t (b) WHERE a > 5;
GO
SELECT name, stats_id, user_created, no_recompute, has_filter, filter_definition FROM sys.stats WHERE object_id=OBJECT_ID('t') ORDER BY stats_id;
SELECT stats_id, stats_column_id, column_id FROM sys.stats_columns WHERE object_id=OBJECT_ID('t') ORDER BY 1,2;
GO
CREATE STATISTICS s1 ON t (a);
GO
CREATE STATISTICS ia ON t (a);
GO
CREATE STATISTICS s3 ON t (zz);
GO
CREATE STATISTICS s3 ON t (a, a);
GO
CREATE STATISTICS s3 ON nope (a);
GO
CREATE STATISTICS s3 ON t (a) WHERE zz = 1;
GO
CREATE INDEX s1 ON t (b);
GO
CREATE INDEX ib ON t (b); SELECT name, index_id FROM sys.indexes WHERE object_id=OBJECT_ID('t');
GO
ALTER TABLE t DROP COLUMN b;
GO
ALTER TABLE t ALTER COLUMN b int;
GO
ALTER TABLE t ALTER COLUMN b varchar(30);
GO
EXEC sp_rename 'dbo.t.s1', 's7', 'STATISTICS'; EXEC sp_rename 't.s7', 's8';
GO
SELECT name, stats_id FROM sys.stats WHERE object_id=OBJECT_ID('t') AND user_created = 1 ORDER BY stats_id;
GO
EXEC sp_rename 't.s8', 'IA', 'STATISTICS';
GO
EXEC sp_rename 't.ia', 'ib', 'INDEX';
GO
EXEC sp_rename 't.ia', 's8', 'INDEX';
GO
EXEC sp_rename 't.ia', 'x', 'STATISTICS';
GO
EXEC sp_rename 't.a', 'z', 'COLUMN';
GO
BEGIN TRAN; EXEC sp_rename 't.s8', 's9', 'STATISTICS'; ROLLBACK; EXEC sp_rename 't.ia', 'IA', 'INDEX'; EXEC sp_rename 't.IA', 'ia'; EXEC sp_rename 't.s8', 's1';
GO
UPDATE STATISTICS t s1; UPDATE STATISTICS t (ia, [s 2]) WITH FULLSCAN; UPDATE STATISTICS t;
GO
UPDATE STATISTICS t nope;
GO
DROP STATISTICS t.ia;
GO
DROP STATISTICS t.nope;
GO
DROP STATISTICS dbo.t.s1, t.[s 2];
GO
SELECT name, stats_id, user_created FROM sys.stats WHERE object_id=OBJECT_ID('t') ORDER BY stats_id;
GO
BEGIN TRAN; CREATE STATISTICS s9 ON t (c); ROLLBACK; SELECT COUNT(*) FROM sys.stats WHERE name='s9';
GO
CREATE TABLE #x (a int); CREATE STATISTICS sx ON #x (a); DROP STATISTICS #x.sx;
GO
CREATE VIEW v AS SELECT a FROM t;
GO
CREATE STATISTICS sv ON v (a);
GO
CREATE STATISTICS s5 ON t(c); DROP TABLE t;
GO
