-- Examples of reference pages: bits of binary strings, names of FORMAT's cultures, DATETRUNC, DATE_BUCKET.
SELECT GET_BIT(0xabcdef, 2) AS a, GET_BIT(0xabcdef, 4) AS b, BIT_COUNT(0xabcdef) AS c, BIT_COUNT(17) AS d
SELECT SET_BIT(0x00, 2) AS a, SET_BIT(0xabcdef, 0, 0) AS b, SET_BIT(0x0000, 15) AS c
SELECT LEFT_SHIFT(12345, 5) AS a, 0x0123 << 4 AS b, 0x0123 >> 4 AS c, LEFT_SHIFT(0x0123, 12) AS d,
       RIGHT_SHIFT(0x8001, -1) AS e, 0x0123 << 16 AS f, LEFT_SHIFT(0x0123, 9223372036854775807) AS g, 0x0123 << 0 AS h
GO
SELECT SET_BIT(0x00, 8)
SELECT GET_BIT(5, -1)
SELECT SET_BIT(5, 1, 2)
SELECT BIT_COUNT(CAST(0x01 AS varbinary(max)))
GO
DECLARE @d date = '2024-08-09'
SELECT FORMAT(@d, 'd', 'en-US') AS us, FORMAT(@d, 'd', 'en-gb') AS gb, FORMAT(@d, 'd', 'de-de') AS de, FORMAT(@d, 'd', 'zh-cn') AS zh
SELECT FORMAT(@d, 'D', 'en-US') AS us, FORMAT(@d, 'D', 'en-gb') AS gb, FORMAT(@d, 'D', 'de-de') AS de, FORMAT(@d, 'D', 'zh-cn') AS zh
SELECT FORMAT(@d, 'D', 'fr-FR') AS fr, FORMAT(@d, 'D', 'es-ES') AS es, FORMAT(@d, 'D', 'it-IT') AS it, FORMAT(@d, 'D', 'pt-BR') AS pt
SELECT FORMAT(@d, 'ddd MMM', 'fr-FR') AS fr, FORMAT(@d, 'ddd MMM', 'de-DE') AS de, FORMAT(@d, 'dddd MMMM', 'ja-JP') AS ja
SELECT FORMAT(CAST('2024-08-11 14:05' AS datetime2), 'tt h:mm', 'zh-CN') AS zh, FORMAT(CAST('2024-08-11 14:05' AS datetime2), 't h:mm', 'ja-JP') AS ja,
       FORMAT(CAST('2024-08-11 14:05' AS datetime2), 'dddd h:mm t', 'en-US') AS us
GO
SELECT DATETRUNC(microsecond, CAST('2021-12-12 12:12:12.12345' AS datetime2(3)))
SELECT DATETRUNC(year, CAST('12:12:12' AS time))
SELECT DATETRUNC(millisecond, CAST('2021-12-12 12:12' AS smalldatetime))
SELECT DATETRUNC(microsecond, CAST('2021-12-12 12:12:12.1234567' AS datetime2(6))) AS a, DATETRUNC(millisecond, CAST('2021-12-12 12:12:12.123' AS datetime)) AS b
SELECT DATE_BUCKET(day, -1, CAST('2020-04-30' AS datetime2))
GO
SELECT value FROM GENERATE_SERIES(1, 5, 0)
GO
-- OUTER APPLY where nothing is found: columns that are NOT NULL in their table
CREATE TABLE a (i int PRIMARY KEY, v varchar(10) NOT NULL)
INSERT a VALUES (1, 'a'), (2, 'b'), (3, 'c')
GO
CREATE FUNCTION above (@i int) RETURNS TABLE AS RETURN SELECT i, v FROM a WHERE i > @i
GO
SELECT a.i, f.i, f.v FROM a OUTER APPLY above(a.i) AS f ORDER BY 1, 2
SELECT a.i, f.i + 1 AS x, ISNULL(f.v, 'none') AS y FROM a OUTER APPLY (SELECT i, v FROM a AS b WHERE b.i > a.i + 1) AS f ORDER BY 1
SELECT a.i FROM a OUTER APPLY above(a.i) AS f WHERE f.i IS NULL
SELECT a.i, g.i FROM a OUTER APPLY above(a.i) AS f OUTER APPLY above(f.i) AS g ORDER BY 1, 2
SELECT a.i, b.i, f.i FROM a LEFT JOIN (a AS b CROSS APPLY above(b.i + 1) AS f) ON b.i = a.i ORDER BY 1
SELECT a.i, f.i FROM a AS b CROSS APPLY above(b.i + 1) AS f RIGHT JOIN a ON a.i = b.i ORDER BY 1
SELECT a.i, f.x FROM a LEFT JOIN (a AS b CROSS APPLY (SELECT b.i + 1 AS x) AS f) ON f.x = a.i
GO
-- the grouping set of nothing is one row, also without an aggregate
SELECT i / 2 AS h FROM a GROUP BY ROLLUP (i / 2) ORDER BY h
SELECT GROUPING(v) AS g, v FROM a GROUP BY CUBE (v) ORDER BY g, v
SELECT v FROM a GROUP BY GROUPING SETS ((v), ()) HAVING COUNT(*) > 1
SELECT v, COUNT(*) AS n FROM a GROUP BY ROLLUP (v) ORDER BY v
