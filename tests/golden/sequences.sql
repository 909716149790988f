-- NEXT VALUE FOR: one number a row, OVER (ORDER BY), DEFAULT, where it may not stand.
CREATE TABLE t (i int PRIMARY KEY)
INSERT t VALUES (1), (2), (3)
CREATE SEQUENCE s START WITH 5 INCREMENT BY 2
CREATE SEQUENCE n AS int START WITH 1
CREATE TABLE q (a int DEFAULT NEXT VALUE FOR n, b int DEFAULT NEXT VALUE FOR n, c int)
GO
SELECT NEXT VALUE FOR s AS a, NEXT VALUE FOR s AS b, NEXT VALUE FOR n AS c, NEXT VALUE FOR s + 1 AS d, i FROM t
GO
SELECT NEXT VALUE FOR n OVER (ORDER BY i DESC) AS a, NEXT VALUE FOR n OVER (ORDER BY i DESC) AS b, i
FROM t ORDER BY i
SELECT NEXT VALUE FOR n OVER (ORDER BY i DESC) AS a FROM t WHERE i = 1
SELECT NEXT VALUE FOR n OVER (ORDER BY i DESC) AS a FROM t WHERE i = 1
GO
INSERT q (c) VALUES (1), (2)
INSERT q (c) SELECT i FROM t
INSERT q VALUES (NEXT VALUE FOR n, NEXT VALUE FOR n, 7), (DEFAULT, DEFAULT, 8)
INSERT q SELECT NEXT VALUE FOR n, NEXT VALUE FOR n, 9 FROM t
INSERT q DEFAULT VALUES
SELECT * FROM q
GO
UPDATE q SET a = NEXT VALUE FOR n, b = NEXT VALUE FOR n WHERE c < 3
UPDATE q SET a = DEFAULT, b = DEFAULT WHERE c > 8
SELECT * FROM q
GO
ALTER TABLE t ADD a int NOT NULL DEFAULT NEXT VALUE FOR n, b int NOT NULL DEFAULT NEXT VALUE FOR n
SELECT * FROM t
GO
MERGE q USING (VALUES (1)) AS x (v) ON 1 = 0 WHEN NOT MATCHED THEN INSERT (c) VALUES (99) OUTPUT inserted.*;
GO
MERGE q USING (VALUES (1)) AS x (v) ON 1 = 0 WHEN NOT MATCHED THEN INSERT (c) VALUES (NEXT VALUE FOR n);
GO
SELECT NEXT VALUE FOR n UNION ALL SELECT 1
GO
SELECT DISTINCT NEXT VALUE FOR n FROM t
GO
SELECT TOP (1) NEXT VALUE FOR n FROM t
GO
SELECT NEXT VALUE FOR n FROM t ORDER BY i
GO
SELECT (SELECT NEXT VALUE FOR n)
GO
SELECT i FROM t WHERE i = NEXT VALUE FOR n
GO
SELECT SUM(NEXT VALUE FOR n) FROM t
GO
SELECT ISNULL(NEXT VALUE FOR n, 1), 2
GO
SELECT CASE WHEN 1 = 1 THEN NEXT VALUE FOR n END
GO
SELECT NEXT VALUE FOR n OVER (PARTITION BY i ORDER BY i) FROM t
GO
SELECT NEXT VALUE FOR n OVER () FROM t
GO
UPDATE t SET a = NEXT VALUE FOR n OVER (ORDER BY i)
GO
SELECT NEXT VALUE FOR t
GO
CREATE SEQUENCE RangeSeq AS int START WITH 1 INCREMENT BY 1 MINVALUE 1 MAXVALUE 25 CYCLE CACHE 10
GO
DECLARE @first sql_variant
EXEC sys.sp_sequence_get_range @sequence_name = N'dbo.RangeSeq', @range_size = 4, @range_first_value = @first OUTPUT
SELECT @first AS FirstNumber, SQL_VARIANT_PROPERTY(@first, 'BaseType') AS type, NEXT VALUE FOR RangeSeq AS next
GO
DECLARE @first sql_variant, @last sql_variant, @cycles int, @incr sql_variant, @min sql_variant, @max sql_variant
EXEC sys.sp_sequence_get_range N'RangeSeq', 75, @first OUTPUT, @last OUTPUT, @cycles OUTPUT, @incr OUTPUT, @min OUTPUT, @max OUTPUT
SELECT @first AS first, @last AS last, @cycles AS cycles, @incr AS incr, @min AS min, @max AS max, NEXT VALUE FOR RangeSeq AS next
GO
CREATE SEQUENCE down AS tinyint START WITH 10 INCREMENT BY -3 MINVALUE 0 MAXVALUE 12
GO
DECLARE @first sql_variant, @last sql_variant
EXEC sp_sequence_get_range N'down', 5, @first OUTPUT, @last OUTPUT
GO
DECLARE @first sql_variant, @last sql_variant
EXEC sp_sequence_get_range N'down', 4, @first OUTPUT, @last OUTPUT
SELECT @first AS first, @last AS last
EXEC sp_sequence_get_range N'down', 1, @first OUTPUT, @last OUTPUT
GO
DECLARE @first sql_variant
EXEC sp_sequence_get_range N's', 0, @first OUTPUT
EXEC sp_sequence_get_range N's', 1
EXEC sp_sequence_get_range N'nosuch', 1, @first OUTPUT
GO
DECLARE @first sql_variant
EXEC sp_sequence_get_range N't', 1, @first OUTPUT
