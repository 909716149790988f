-- What a grouping set groups by is what it says, and NULL where it does not, whole and inside others.
CREATE TABLE g (a varchar(5), b varchar(5), n int);
INSERT g VALUES ('p', 'q', 1), ('p', 'r', 2), ('s', 't', 3);
GO
-- The longer one is no text behind the shorter one.
SELECT a + b AS ab, a + b + 'x' AS abx, COUNT(*) AS n FROM g GROUP BY GROUPING SETS ((a + b), (a + b + 'x')) ORDER BY 1, 2;
GO
-- Another set groups by a column in it.
SELECT a + b AS ab, a, COUNT(*) AS n FROM g GROUP BY GROUPING SETS ((a + b), (a)) ORDER BY 1, 2;
SELECT a + b + '!' AS v, a, COUNT(*) AS c FROM g GROUP BY GROUPING SETS ((a + b), (a)) ORDER BY 1, 2;
SELECT n + 1 AS m, n, COUNT(*) AS c FROM g GROUP BY GROUPING SETS ((n + 1), (n)) ORDER BY 1, 2;
SELECT UPPER(a) AS u, a, COUNT(*) AS c FROM g GROUP BY GROUPING SETS ((UPPER(a)), (a)) ORDER BY 1, 2;
GO
-- Inside of functions.
SELECT ABS(n + 1) AS m, COUNT(*) AS c FROM g GROUP BY ROLLUP(n + 1) ORDER BY 1, 2;
SELECT ABS(n + 1) AS m, n, COUNT(*) AS c FROM g GROUP BY GROUPING SETS ((n + 1), (n)) ORDER BY 1, 2;
SELECT UPPER(a + b) + 'x' AS m, UPPER(a + b + '!') AS k, COUNT(*) AS c FROM g GROUP BY ROLLUP(a + b) ORDER BY 1, 2;
GO
-- IN of a correlated query of columns that are NOT NULL, where the block around it groups or joins outwards.
CREATE TABLE o (id int NOT NULL PRIMARY KEY, c int NOT NULL);
CREATE TABLE l (oid int NOT NULL, n int NOT NULL, PRIMARY KEY (oid, n));
INSERT o VALUES (1, 7), (2, 7), (3, 8); INSERT l VALUES (1, 1), (3, 1);
GO
SELECT o.id, CASE WHEN o.id IN (SELECT l.oid FROM l WHERE l.n <= o.id) THEN 'in' ELSE 'out' END AS w FROM o GROUP BY o.id ORDER BY 1;
SELECT o.id FROM o GROUP BY o.id HAVING o.id NOT IN (SELECT l.oid FROM l WHERE l.n >= o.id - o.id) ORDER BY 1;
SELECT o.id, p.id FROM o LEFT JOIN o p ON p.id = o.id + 1 WHERE p.id NOT IN (SELECT l.oid FROM l WHERE l.n <> o.id + 9) ORDER BY 1;
SELECT o.id, a.z FROM o CROSS APPLY (SELECT COUNT(*) AS z FROM l WHERE o.id IN (SELECT k.oid FROM l k WHERE k.n = l.n)) a ORDER BY 1;
SELECT o.id FROM o WHERE o.id <> ALL (SELECT l.oid FROM l WHERE l.n = o.c - 6) ORDER BY 1;
GO
-- aggregates of the block around a subquery, wherever they stand in it
CREATE TABLE outer_rows (id int NOT NULL, x int NOT NULL, w bigint);
CREATE TABLE inner_rows (oid int NOT NULL, v int NOT NULL);
INSERT outer_rows VALUES (1, 1, 10), (2, 1, 20), (3, 2, 30), (4, 3, 40);
INSERT inner_rows VALUES (1, 5), (3, 6), (3, 7), (4, 1);
GO
SELECT o.x FROM outer_rows o GROUP BY o.x HAVING EXISTS (SELECT 1 FROM inner_rows l WHERE l.oid = MIN(o.id) AND l.v > 4) ORDER BY o.x;
SELECT o.x, (SELECT SUM(v) FROM inner_rows l WHERE l.oid = MIN(o.id)) AS s FROM outer_rows o GROUP BY o.x ORDER BY o.x;
SELECT o.x FROM outer_rows o GROUP BY o.x ORDER BY (SELECT SUM(v) FROM inner_rows l WHERE l.oid = MAX(o.id)) DESC, o.x;
SELECT o.x FROM outer_rows o GROUP BY o.x HAVING (SELECT COUNT(*) FROM inner_rows l WHERE l.oid = MIN(o.id)) = 1 ORDER BY o.x;
SELECT o.x FROM outer_rows o GROUP BY o.x HAVING o.x IN (SELECT v - 4 FROM inner_rows l WHERE l.oid <= AVG(o.id)) ORDER BY o.x;
SELECT o.x, (SELECT COUNT(*) FROM inner_rows l JOIN inner_rows m ON m.v < SUM(o.w) WHERE l.oid = COUNT_BIG(DISTINCT o.w)) FROM outer_rows o GROUP BY o.x ORDER BY o.x;
SELECT (SELECT COUNT(*) FROM inner_rows l WHERE l.oid < MAX(o.id)) FROM outer_rows o;
SELECT o.x, (SELECT MAX(v) FROM inner_rows l WHERE EXISTS (SELECT 1 FROM inner_rows m WHERE m.oid = l.oid AND m.oid = MAX(o.id))) FROM outer_rows o GROUP BY o.x ORDER BY o.x;
SELECT o.x, COUNT(*) FROM outer_rows o GROUP BY ROLLUP (o.x) HAVING EXISTS (SELECT 1 FROM inner_rows l WHERE l.oid = MIN(o.id)) ORDER BY o.x;
SELECT o.x, (SELECT STRING_AGG(CAST(v AS varchar(10)), ',') FROM inner_rows l WHERE l.oid = STDEV(o.id) OR l.oid = MIN(o.id)) FROM outer_rows o GROUP BY o.x ORDER BY o.x;
GO
