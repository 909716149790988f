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
