-- What SQLite's own joins, and what is merged into them, would get wrong.
CREATE TABLE a (x int);
INSERT a VALUES (1), (2);
CREATE TABLE t (id int, v int, c AS ISNULL(v, 0) + 1, k AS 'const', p AS ISNULL(v, 5) PERSISTED);
INSERT t VALUES (1, NULL);
CREATE TABLE n (id int NOT NULL PRIMARY KEY, z AS 7);
INSERT n VALUES (2);
CREATE TABLE e (a int, b int);
GO
-- A computed column of a row that was not found.
SELECT a.x, t.id, t.c, t.k, t.p FROM a LEFT JOIN t ON t.id = a.x ORDER BY 1;
SELECT a.x, t.c FROM t RIGHT JOIN a ON t.id = a.x ORDER BY 1;
SELECT a.x, n.z FROM a FULL JOIN n ON n.id = a.x ORDER BY 1;
SELECT a.x, n.z FROM a OUTER APPLY (SELECT z FROM n WHERE n.id = a.x) n ORDER BY 1;
SELECT a.x, b.x AS b, t.k FROM a LEFT JOIN (a AS b JOIN t ON t.id = b.x) ON b.x = a.x ORDER BY 1;
SELECT a.x FROM a LEFT JOIN t ON t.id = a.x AND t.k = 'const' WHERE t.k IS NULL;
GO
-- What APPLY adds to rows that are not found.
SELECT a.x, q.y, z.x AS z FROM a CROSS APPLY (SELECT ISNULL(a.x, 9) AS y) q FULL JOIN a z ON z.x = a.x + 1 ORDER BY 1, 3;
SELECT z.x AS z, a.x, q.y FROM a z LEFT JOIN (a CROSS APPLY (SELECT ISNULL(a.x, 9) AS y) q) ON z.x = a.x + 1 ORDER BY 1;
SELECT z.x AS z, a.x, q.y FROM a z LEFT JOIN (a CROSS APPLY (VALUES (ISNULL(a.x, 9)), (3)) q(y)) ON z.x = a.x + 1 ORDER BY 1, 3;
SELECT z.x AS z, a.x, q.y FROM a CROSS APPLY (VALUES (ISNULL(a.x, 9)), (3)) q(y) RIGHT JOIN a z ON z.x = a.x + 1 ORDER BY 1, 3;
GO
-- A condition of a join that names no column decides about its rows, not about those that an outer join keeps.
DECLARE @no int = 0;
SELECT a.x, b.x AS b, c.x AS c FROM a JOIN a b ON 1 = 0 RIGHT JOIN a c ON c.x = b.x ORDER BY 3;
SELECT a.x, b.x AS b, c.x AS c FROM a JOIN a b ON a.x = b.x AND @no = 1 FULL JOIN a c ON c.x = b.x ORDER BY 3;
SELECT COUNT(*) AS n, MAX(c.x) AS m FROM a JOIN a b ON NULL = 1 RIGHT JOIN a c ON c.x = b.x HAVING COUNT(*) <> 0;
SELECT o.x, (SELECT COUNT(*) FROM a JOIN a b ON o.x = 1 RIGHT JOIN a c ON c.x = b.x) AS n FROM a o ORDER BY 1;
GO
-- UNION ALL with one of them.
SELECT q.v FROM (SELECT v FROM t WHERE v IS NOT NULL UNION ALL SELECT t.id FROM a RIGHT JOIN t ON t.id = a.x) q(v);
SELECT q.v FROM (SELECT x FROM a WHERE x > 1 UNION ALL SELECT t.id FROM t FULL JOIN a ON t.id = a.x) q(v) WHERE q.v > 0 ORDER BY 1;
GO
-- Sets that group by what a join is about, and the total of nothing.
SELECT a.x, SUM(b.x) AS s FROM a JOIN a b ON b.x = a.x GROUP BY ROLLUP(a.x) ORDER BY 1;
SELECT a.x, b.x AS b, COUNT(*) AS n FROM a JOIN a b ON a.x = b.x GROUP BY CUBE(a.x, b.x) ORDER BY 1, 2;
SELECT a.x FROM a GROUP BY ROLLUP(a.x) ORDER BY 1;
SELECT a FROM e GROUP BY ROLLUP(a);
SELECT 1 AS one FROM e GROUP BY ();
SELECT a.x FROM a GROUP BY ROLLUP(a.x) HAVING MIN(a.x) <> 2 ORDER BY COUNT(*) DESC;
SELECT TOP (1) WITH TIES 1 AS one FROM e HAVING COUNT(*) = 0 ORDER BY COUNT(*);
GO
-- A term of WITH inside of what APPLY runs for each row.
WITH c(x) AS (SELECT x FROM a) SELECT a.x, q.x AS q FROM a OUTER APPLY (SELECT TOP 1 c.x FROM c WHERE c.x > a.x ORDER BY 1) q ORDER BY 1;
WITH c(x) AS (SELECT x FROM a) SELECT a.x, q.s FROM c a OUTER APPLY (SELECT DISTINCT v AS s FROM t JOIN c ON t.id = c.x WHERE a.x = t.id) q ORDER BY 1;
GO
-- The same where rows are locked.
SELECT c.x, a.x AS a, b.x AS b FROM a WITH (UPDLOCK) JOIN a b WITH (UPDLOCK) ON a.x = b.x RIGHT JOIN a c ON c.x = a.x + 1 ORDER BY 1;
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
BEGIN TRAN;
SELECT c.x, a.x AS a, b.x AS b FROM a JOIN a b ON a.x = b.x FULL JOIN a c ON c.x = a.x + 1 ORDER BY 1, 2;
SELECT c.x, a.x AS a, b.x AS b FROM a c LEFT JOIN (a JOIN a b ON a.x = b.x) ON c.x = a.x + 1 ORDER BY 1, 2;
COMMIT;
GO
-- What stands right of APPLY names an expression with a subquery of an earlier one, a computed column, and locks inside of parentheses.
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
SELECT a.x, q.y, r.z FROM a CROSS APPLY (SELECT CASE WHEN a.x <= ALL (SELECT n.x FROM a n) THEN 1 END AS y, m.x FROM a m) q OUTER APPLY (SELECT DISTINCT q.x + o.x AS z FROM a o WHERE q.y > 0) r ORDER BY 1, 2, 3;
SELECT a.x, q.z FROM a LEFT JOIN t ON t.id = a.x OUTER APPLY (SELECT TOP 1 t.c + o.x AS z FROM a o ORDER BY o.x) q ORDER BY 1;
SELECT v.x, q.m FROM a v CROSS APPLY (SELECT l.v AS m FROM (VALUES (1), (2)) u(c) LEFT JOIN t AS l WITH (UPDLOCK) ON u.c = l.id CROSS JOIN a AS o WHERE v.x = o.x) q ORDER BY 1, 2;
GO
GO
-- rows of a target that an outer join has not found are not there to be changed
CREATE TABLE side_o (id int NOT NULL PRIMARY KEY);
CREATE TABLE side_l (oid int NOT NULL PRIMARY KEY, v int NULL);
CREATE TABLE side_h (oid int NOT NULL, v int NULL);
INSERT side_o VALUES (1), (2), (3);
INSERT side_l VALUES (1, 1), (2, 2);
INSERT side_h VALUES (1, 1), (2, 2);
GO
CREATE VIEW side_v AS SELECT o.id, l.v FROM side_o o LEFT JOIN side_l l ON l.oid = o.id;
GO
UPDATE l SET v = o.id * 10 FROM side_o o LEFT JOIN side_l l ON l.oid = o.id;
SELECT @@ROWCOUNT AS n;
UPDATE h SET v = o.id * 10 OUTPUT deleted.v, inserted.v FROM side_h h RIGHT JOIN side_o o ON h.oid = o.id;
UPDATE side_v SET v += 1;
SELECT @@ROWCOUNT AS n;
DELETE TOP (5) l FROM side_o o LEFT JOIN side_l l ON l.oid = o.id WHERE l.v IS NULL;
SELECT @@ROWCOUNT AS n;
DELETE h FROM side_o o FULL JOIN side_h h ON h.oid = o.id WHERE o.id > 1;
SELECT @@ROWCOUNT AS n;
SELECT * FROM side_l ORDER BY oid;
SELECT * FROM side_h ORDER BY oid;
