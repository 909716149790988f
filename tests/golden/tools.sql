-- What the tools of operators are written with: statements over APPLY, EXISTS, XML and #tables as they write them.
CREATE TABLE item (id int PRIMARY KEY, name varchar(20), INDEX by_name (name));
INSERT item VALUES (1, 'a'), (2, 'b'), (3, 'a');
GO
-- A column of APPLY is one to group and order by, also where it stands for a constant.
SELECT i.id, x.v FROM item i CROSS APPLY (SELECT CAST(NULL AS bigint) AS v, i.name AS n) x ORDER BY x.v DESC, i.id;
SELECT x.v, COUNT(*) FROM item i CROSS APPLY (SELECT 3 AS v, i.name AS n) x GROUP BY x.v;
SELECT x.v + 1, COUNT(*) FROM item i CROSS APPLY (SELECT 3 AS v, i.name AS n) x GROUP BY x.v;
SELECT i.id, ROW_NUMBER() OVER (ORDER BY x.v) FROM item i CROSS APPLY (SELECT 7 AS v, i.name AS n) x WHERE i.id = 2;
SELECT i.id FROM item i CROSS APPLY (SELECT 2 AS v, i.name AS n) x ORDER BY x.v, i.id DESC;
SELECT COUNT(*) FROM item i CROSS APPLY sys.dm_db_stats_properties(OBJECT_ID('item'), i.id) s GROUP BY s.rows ORDER BY s.rows;
SELECT id FROM item ORDER BY 'a';
GO
SELECT COUNT(*) FROM item GROUP BY 3;
GO
-- APPLY in APPLY, over a derived table of the inner block.
SELECT q.id, a.value FROM item q CROSS APPLY (SELECT v.value FROM (SELECT p.name AS o FROM item p WHERE p.id = q.id) AS p
CROSS APPLY (SELECT p.o AS value UNION ALL SELECT 'x') AS v) a ORDER BY q.id, a.value;
SELECT a.value FROM (SELECT 1 AS h) q CROSS APPLY (SELECT v.value FROM (SELECT p.name AS o FROM item p) AS p
CROSS APPLY (SELECT p.o AS value UNION ALL SELECT 'x' WHERE q.h = 2) AS v) a ORDER BY a.value;
GO
-- Nobody asks EXISTS for columns.
IF EXISTS (SELECT * FROM item GROUP BY name HAVING COUNT(*) > 1) SELECT 'twice' AS found;
IF EXISTS (SELECT * FROM item GROUP BY name HAVING COUNT(*) > 2) SELECT 'three times' AS found;
GO
IF EXISTS (SELECT id FROM item GROUP BY name) SELECT 1;
GO
-- The ORDER BY of a union may stand in a view if one of its branches has TOP.
CREATE VIEW both AS SELECT TOP 100 PERCENT id FROM item UNION ALL SELECT TOP 100 PERCENT id + 10 FROM item ORDER BY id;
GO
CREATE VIEW neither AS SELECT id FROM item UNION ALL SELECT id FROM item ORDER BY id;
GO
SELECT COUNT(*), MAX(id) FROM both;
GO
-- An index of a column, and statistics of a #table.
CREATE TABLE #work (a int INDEX ia, b int INDEX ib UNIQUE, c xml);
INSERT #work VALUES (1, 2, NULL);
CREATE STATISTICS s ON #work (a, b);
SELECT a, b FROM #work WHERE b = 2;
CREATE STATISTICS s2 ON #work (nosuch);
GO
INSERT #work (a, b) VALUES (2, 2);
GO
CREATE TABLE #none (a int, INDEX ia);
GO
CREATE STATISTICS s ON item (name);
GO
-- A NULL that a procedure returns has no type that could clash.
INSERT #work (a, b, c) EXEC ('SELECT 5, 6, NULL');
INSERT #work (a, b, c) EXEC ('SELECT 6, 7, 8');
GO
SELECT a, b, c FROM #work ORDER BY a;
GO
-- Names with a meaning in FOR XML PATH.
SELECT 'select 1 < 2' AS [processing-instruction(query)], 'x' AS [text()], 'note' AS [comment()] FOR XML PATH('');
SELECT id AS [@id], 'a?>b?' AS [sql/processing-instruction(q)], 'a--b-' AS [comment()] FROM item WHERE id < 3 FOR XML PATH('r');
SELECT CAST(NULL AS varchar(5)) AS [processing-instruction(q)], 'y' AS z FOR XML PATH('');
GO
-- Views and functions that they ask first.
SELECT STATS_DATE(OBJECT_ID('item'), 1) AS made;
SELECT au.type_desc, SUM(p.rows) AS rows, IIF(SUM(au.used_pages) > 0, 1, 0) AS has_pages FROM sys.partitions p
JOIN sys.allocation_units au ON au.container_id = p.hobt_id WHERE p.object_id = OBJECT_ID('item') AND p.index_id = 1 GROUP BY au.type_desc;
SELECT IIF(SUM(used_pages) = (SELECT SUM(used_page_count) FROM sys.dm_db_partition_stats), 1, 0) AS all_pages FROM sys.allocation_units;
SELECT index_id, range_scan_count, singleton_lookup_count, leaf_insert_count FROM sys.dm_db_index_operational_stats(DB_ID(), OBJECT_ID('both'), NULL, NULL);
SELECT COUNT(*) FROM sys.dm_db_index_operational_stats(DB_ID(), OBJECT_ID('item'), NULL, NULL);
SELECT permission_name FROM fn_my_permissions('dbo.item', 'OBJECT') WHERE permission_name IN ('SELECT', 'EXECUTE') AND subentity_name IN ('', 'name') ORDER BY subentity_name;
SELECT COUNT(*) FROM fn_my_permissions('msdb.dbo.sysjobs', 'OBJECT');
SELECT entity_name FROM sys.fn_my_permissions(NULL, 'DATABASE') WHERE permission_name = 'VIEW DATABASE STATE';
SELECT name, actual_state_desc FROM sys.database_automatic_tuning_options ORDER BY name;
SELECT node_id, node_state_desc, IIF(cpu_count = (SELECT COUNT(*) FROM sys.dm_os_schedulers WHERE status = 'VISIBLE ONLINE'), 1, 0) AS whole FROM sys.dm_os_nodes;
SELECT type, IIF(pages_kb > 0, 1, 0) AS used FROM sys.dm_os_memory_clerks WHERE type IN ('MEMORYCLERK_SQLBUFFERPOOL', 'CACHESTORE_SQLCP');
GO
SELECT p.request_id, t.text FROM sys.sysprocesses p CROSS APPLY sys.dm_exec_sql_text(p.sql_handle) t WHERE p.spid = @@SPID;
GO
SELECT DISTINCT a.attribute, IIF(a.value = DB_ID(), 1, 0) AS own FROM sys.dm_exec_query_stats q
CROSS APPLY sys.dm_exec_plan_attributes(q.plan_handle) a WHERE a.attribute = 'dbid';
GO
-- What strings are grouped by may have more behind it.
CREATE TABLE part (a varchar(5), b varchar(5), c AS a + '.' + b);
INSERT part VALUES ('p', 'q'), ('p', 'q'), ('r', 's');
SELECT a + b + '!' AS v, COUNT(*) AS n FROM part GROUP BY a + b ORDER BY a + b + '?';
SELECT c + '!' + CAST(COUNT(*) AS varchar(5)) AS v FROM part GROUP BY c HAVING c + 'z' > 'p' ORDER BY c DESC;
SELECT a + b + '!' AS v, COUNT(*) AS n FROM part GROUP BY ROLLUP(a + b) ORDER BY n, v;
SELECT a + b + a AS v FROM part GROUP BY a + b;
GO
-- No trace flag is ever on.
DBCC TRACESTATUS(-1) WITH NO_INFOMSGS;
DBCC TRACESTATUS(3604, -1) WITH NO_INFOMSGS;
DBCC TRACESTATUS(-2);
GO
-- What is in master alone is listed there alone.
SELECT OBJECT_ID('sys.dm_operation_status') AS id, (SELECT COUNT(*) FROM sys.all_objects WHERE name = 'dm_operation_status') AS listed,
(SELECT COUNT(*) FROM sys.all_columns WHERE object_id = OBJECT_ID('sys.dm_os_nodes')) AS columns_of_another;
GO
