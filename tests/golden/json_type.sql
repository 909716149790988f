-- Goal: the json type: storage, conversions, refusals, functions, catalog.
CREATE TABLE Orders (order_id int PRIMARY KEY, order_details JSON NOT NULL CHECK (JSON_PATH_EXISTS(order_details, '$.basket') = 1), more json NULL DEFAULT '{"d": 1}')
GO
INSERT Orders (order_id, order_details) VALUES (1, '{"basket": [1, 2, 3], "name" : "x y"}'), (2, N'{ "basket":null }')
GO
INSERT Orders VALUES (3, '{"a":1}', NULL)
GO
INSERT Orders VALUES (3, '{"basket":', NULL)
GO
INSERT Orders VALUES (3, '1', NULL)
GO
SELECT * FROM Orders
GO
SELECT JSON_VALUE(order_details, '$.name'), JSON_QUERY(order_details, '$.basket'), ISJSON(order_details), JSON_PATH_EXISTS(order_details, '$.name'), JSON_MODIFY(order_details, '$.n', 5) FROM Orders
GO
UPDATE Orders SET order_details = JSON_MODIFY(order_details, '$.n', JSON_QUERY('[1, 2]')) WHERE order_id = 1; SELECT CAST(order_details AS varchar(100)), CONVERT(nvarchar(max), order_details), DATALENGTH(order_details) FROM Orders
GO
SELECT order_id FROM Orders WHERE more IS NULL OR JSON_VALUE(order_details, '$.basket[0]') = '1'
GO
SELECT 1 FROM Orders WHERE order_details = more
GO
SELECT 1 FROM Orders WHERE order_details = '{}'
GO
SELECT 1 FROM Orders ORDER BY order_details
GO
SELECT COUNT(*) FROM Orders GROUP BY order_details
GO
SELECT DISTINCT order_details FROM Orders
GO
SELECT MAX(order_details) FROM Orders
GO
CREATE INDEX i ON Orders(order_details)
GO
CREATE INDEX i2 ON Orders(order_id) INCLUDE (order_details)
GO
CREATE TABLE k (j json PRIMARY KEY)
GO
DECLARE @v varchar(99); SELECT @v = order_details FROM Orders
GO
DECLARE @i int = CAST(CAST('{}' AS json) AS int)
GO
SELECT CAST(CAST('{"abc":1}' AS json) AS varchar(3))
GO
SELECT TRY_CAST('x' AS json), TRY_CAST('[1, 2]' AS json), CAST(NULL AS json)
GO
DECLARE @j json = '{"a":[1,{"b":"c"}]}'; SELECT * FROM OPENJSON(@j); SELECT * FROM OPENJSON(@j, '$.a') WITH (b varchar(5)); SELECT * FROM OPENJSON(@j) WITH (a json AS JSON)
GO
SELECT order_id, order_details FROM Orders FOR JSON PATH
GO
SELECT order_details FROM Orders FOR XML PATH
GO
SELECT JSON_OBJECT('a':order_details), JSON_ARRAY(order_details, 1), JSON_OBJECT('a':1 RETURNING JSON), JSON_ARRAY(1 NULL ON NULL RETURNING JSON) FROM Orders
GO
SELECT JSON_ARRAYAGG(order_details) FROM Orders
GO
SELECT JSON_ARRAYAGG(1 RETURNING JSON), JSON_OBJECTAGG('a':1 RETURNING JSON)
GO
SELECT name, system_type_id, user_type_id, max_length, precision, scale, collation_name, is_nullable FROM sys.types WHERE name IN ('json','xml'); SELECT name, system_type_id, max_length, collation_name FROM sys.columns WHERE object_id = OBJECT_ID('Orders'); SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME='Orders'
GO
SELECT name, system_type_name, system_type_id, max_length, collation_name FROM sys.dm_exec_describe_first_result_set(N'SELECT order_details FROM Orders', NULL, 0); SELECT TYPE_NAME(244), TYPE_ID('json')
GO
CREATE TABLE t2 (s nvarchar(100)); INSERT t2 VALUES ('{"a" : 1}'); ALTER TABLE t2 ALTER COLUMN s json; SELECT s FROM t2; ALTER TABLE t2 ALTER COLUMN s nvarchar(100)
GO
SELECT order_details INTO t3 FROM Orders; SELECT TYPE_NAME(system_type_id) FROM sys.columns WHERE object_id = OBJECT_ID('t3')
GO
CREATE TYPE jt FROM json
GO
DECLARE @x sql_variant = CAST('{}' AS json)
GO
SELECT CAST('{}' AS json(10))
GO
CREATE FUNCTION f(@j json) RETURNS json AS BEGIN RETURN JSON_MODIFY(@j, '$.f', 1) END
GO
SELECT dbo.f('{"q": 2}'), dbo.f(NULL)
GO
CREATE PROC p @j json OUTPUT AS SET @j = JSON_MODIFY(@j, '$.p', 'v')
GO
DECLARE @j json = '{}'; EXEC p @j OUTPUT; SELECT @j
GO
SELECT COALESCE(CAST('{}' AS json), '[ 1 ]'), CASE WHEN 1=0 THEN CAST('{}' AS json) ELSE '[ 1 ]' END
GO
SELECT CAST('{}' AS json) UNION ALL SELECT N'[1, 2]'
GO
SELECT CAST('{}' AS json) UNION SELECT N'[1, 2]'
GO
SELECT LEN(CAST('{}' AS json))
GO
SELECT CONCAT(CAST('{}' AS json), 'a')
GO
DECLARE @t nvarchar(max) = '[' + REPLICATE(CAST('1,' AS nvarchar(max)), 65535) + '1]'; SELECT LEN(@t); SELECT CAST(@t AS json)
GO
DECLARE @t nvarchar(max) = '[' + REPLICATE(CAST('1,' AS nvarchar(max)), 65534) + '1]'; SELECT DATALENGTH(CAST(@t AS json))
GO
SELECT * FROM REGEXP_MATCHES('ab', '(a)(b)')
GO
DECLARE @tv TABLE (j json); INSERT @tv VALUES ('{"a": "é 😀"}'); SELECT j, CAST(j AS nvarchar(50)) FROM @tv

GO
SELECT ROW_NUMBER() OVER (PARTITION BY order_details ORDER BY order_id) FROM Orders
GO
SELECT COUNT(*) FROM (VALUES (CAST('<a/>' AS xml))) t(x) GROUP BY x
GO
SELECT ROW_NUMBER() OVER (PARTITION BY x ORDER BY x) FROM (VALUES (CAST('a' AS text))) t(x)
GO
