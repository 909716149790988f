-- Goal: the vector type: storage, conversions, refusals, functions, catalog.
CREATE TABLE dbo.vectors (id INT PRIMARY KEY, v VECTOR(3) NOT NULL, w vector(2, float32) NULL)
GO
INSERT INTO dbo.vectors (id, v) VALUES (1, '[0.1, 2, 30]'), (2, '[-100.2, 0.123, 9.876]'), (3, JSON_ARRAY(1.0, 2.0, 3.0))
GO
SELECT * FROM dbo.vectors
GO
DECLARE @v AS VECTOR(3) = '[0.1, 2, 30]'; SELECT @v, DATALENGTH(@v)
GO
DECLARE @v1 VECTOR(2) = '[1,1]', @v2 VECTOR(2) = '[-1,-1]'; SELECT VECTOR_DISTANCE('euclidean', @v1, @v2) AS euclidean, VECTOR_DISTANCE('cosine', @v1, @v2) AS cosine, VECTOR_DISTANCE('dot', @v1, @v2) AS negative_dot_product, VECTOR_DISTANCE('COSINE ', @v1, CAST('[0,0]' AS vector(2)))
GO
SELECT id, VECTOR_DISTANCE('cosine', v, CAST('[1,2,3]' AS vector(3))) d FROM vectors ORDER BY d
GO
SELECT TOP (1) id FROM vectors ORDER BY VECTOR_DISTANCE('euclidean', v, CAST('[1,2,3]' AS vector(3)))
GO
DECLARE @v AS VECTOR (3) = '[1, 2, 3]'; SELECT VECTOR_NORM(@v, 'norm2') AS norm2, VECTOR_NORM(@v, 'norm1') AS norm1, VECTOR_NORM(@v, 'norminf') AS norminf, VECTOR_NORMALIZE(@v, 'norm2'), VECTOR_NORMALIZE(@v, 'norm1'), VECTOR_NORMALIZE(@v, 'norminf'), VECTORPROPERTY(@v, 'Dimensions'), VECTORPROPERTY(@v, 'BaseType'), VECTOR_NORM(NULL, 'norm2')
GO
DECLARE @v AS VECTOR (3) = '[1, 2, 3]'; SELECT VECTOR_NORM(@v, 'norm3')
GO
DECLARE @v1 VECTOR(2) = '[1,1]', @v2 VECTOR(3) = '[-1,-1,1]'; SELECT VECTOR_DISTANCE('cosine', @v1, @v2)
GO
DECLARE @v1 VECTOR(2) = '[1,1]', @v2 VECTOR(3) = @v1; SELECT 1
GO
DECLARE @v1 VECTOR(2) = '[1,1]'; SELECT VECTOR_DISTANCE('manhattan', @v1, @v1)
GO
SELECT VECTOR_DISTANCE('cosine', '[1]', '[2]')
GO
SELECT CAST('[1,2]' AS vector(3))
GO
SELECT CAST('[1,"a"]' AS vector(2))
GO
SELECT CAST('[1,null]' AS vector(2))
GO
SELECT CAST('{"a":1}' AS vector(2))
GO
SELECT CAST('[1,2' AS vector(2))
GO
SELECT CAST('[1e39]' AS vector(1))
GO
SELECT TRY_CAST('[1e39]' AS vector(1)), TRY_CAST('x' AS vector(1)), CAST('[1.5e-3,-0.0]' AS vector(2)), CAST(NULL AS vector(4))
GO
DECLARE @v vector(1999)
GO
DECLARE @v vector(0)
GO
DECLARE @v vector
GO
DECLARE @v vector(3, float16)
GO
SELECT CAST(v AS varchar(max)), CAST(v AS nvarchar(200)), CAST(v AS json) FROM vectors WHERE id = 1
GO
SELECT CAST(v AS varchar(10)) FROM vectors
GO
DECLARE @s varchar(max); SELECT @s = v FROM vectors WHERE id = 3; SELECT @s
GO
SELECT CAST(v AS varbinary(max)) FROM vectors
GO
SELECT CAST(0x01 AS vector(1))
GO
SELECT CAST(1 AS vector(1))
GO
SELECT 1 FROM vectors ORDER BY v
GO
SELECT 1 FROM vectors GROUP BY v
GO
SELECT DISTINCT v FROM vectors
GO
SELECT 1 FROM vectors WHERE v = v
GO
SELECT COUNT(*) FROM vectors WHERE w IS NULL
GO
SELECT MAX(v) FROM vectors
GO
SELECT LEN(v) FROM vectors
GO
CREATE INDEX i ON vectors(v)
GO
CREATE TYPE vt FROM vector(3)
GO
SELECT name, system_type_id, user_type_id, max_length, collation_name FROM sys.types WHERE name = 'vector'; SELECT c.name, c.system_type_id, c.user_type_id, c.max_length, TYPE_NAME(c.user_type_id), c.vector_dimensions, c.vector_base_type, c.vector_base_type_desc FROM sys.columns c WHERE object_id = OBJECT_ID('vectors')
GO
SELECT name, system_type_name, system_type_id, max_length FROM sys.dm_exec_describe_first_result_set(N'SELECT v FROM vectors', NULL, 0)
GO
SELECT id, v FROM vectors WHERE id = 3 FOR JSON PATH
GO
SELECT JSON_ARRAY(v) FROM vectors WHERE id = 3
GO
CREATE PROCEDURE dbo.SampleStoredProcedure @V VECTOR(3), @V2 VECTOR(3) OUTPUT AS BEGIN SELECT @V; SET @V2 = @V; END
GO
DECLARE @o vector(3); EXEC SampleStoredProcedure '[1,2,3]', @o OUTPUT; SELECT @o
GO
EXEC SampleStoredProcedure '[1,2]', NULL
GO
UPDATE vectors SET v = VECTOR_NORMALIZE(v, 'norm2'), w = '[3, 4]'; SELECT ROUND(VECTOR_NORM(v, 'norm2'), 6), VECTOR_NORM(w, 'norm2') FROM vectors
GO
SELECT v INTO v2 FROM vectors; SELECT COUNT(*) FROM v2 WHERE VECTORPROPERTY(v, 'Dimensions') = 3
GO
CREATE TABLE t4 (s nvarchar(max)); INSERT t4 VALUES ('[1, 2]'); ALTER TABLE t4 ALTER COLUMN s vector(2); SELECT s FROM t4
GO
DECLARE @x sql_variant = CAST('[1]' AS vector(1))
GO
DECLARE @j json = '[1, 2]'; DECLARE @v vector(2) = @j; SELECT @v
GO
SELECT COALESCE(CAST(NULL AS vector(2)), '[1,2]'), ISNULL(CAST(NULL AS vector(2)), '[1,2]')
GO
CREATE FUNCTION fv(@v vector(2)) RETURNS float AS BEGIN RETURN VECTOR_NORM(@v, 'norm1') END
GO
SELECT dbo.fv('[1, -2]')
GO
SELECT * FROM (VALUES (CAST('[1]' AS vector(1)))) t(v) UNION ALL SELECT '[2]'
GO
DECLARE @t nvarchar(max) = '[' + REPLICATE(CAST('0.5,' AS nvarchar(max)), 1997) + '1]'; DECLARE @v vector(1998) = @t; SELECT DATALENGTH(@v), LEN(CAST(@v AS varchar(max))), VECTOR_NORM(@v, 'norm1')

GO
EXEC sp_executesql N'INSERT vectors (id, v) VALUES (9, @v); SELECT v FROM vectors WHERE id = 9', N'@v nvarchar(max)', @v = N'[1, 2, 3]'
GO
SELECT VECTOR_DISTANCE('cosine', v, v) FROM vectors WHERE id = 9
GO
CREATE TABLE listed (id int, j json, v vector(2))
GO
EXEC sp_columns listed
GO
