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
