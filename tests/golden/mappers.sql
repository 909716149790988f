-- What object-relational mappers and their schema tools send.
-- mask: (PK|CK)__\w+
CREATE TABLE author (id int IDENTITY CONSTRAINT pk_author PRIMARY KEY, name nvarchar(40) NOT NULL)
CREATE TABLE post (id int IDENTITY CONSTRAINT pk_post PRIMARY KEY, author_id int CONSTRAINT fk_author REFERENCES author,
    title nvarchar(80), likes int CONSTRAINT ck_likes CHECK (likes >= 0), price decimal(9, 2),
    kind varchar(10) CHECK (kind IN ('title', 'a [price] b')), [odd]]name] int,
    twice AS likes * 2,
    CONSTRAINT ck_two CHECK (price > 0 AND [odd]]name] < id), CONSTRAINT uq_title UNIQUE (title, author_id))
CREATE INDEX ix_price ON post (price)
GO
-- A set operation is sorted by a qualified name, or an expression, of its first SELECT
WITH k AS (SELECT name, object_id FROM sys.tables)
SELECT k.name, 1 AS n FROM k WHERE k.name = 'post'
UNION SELECT k.name, 2 FROM k WHERE k.name = 'author'
ORDER BY k.name, n
GO
SELECT 1 + 1 AS a UNION ALL SELECT 2.5 UNION ALL SELECT 1 ORDER BY 1 + 1 DESC
GO
SELECT t.name FROM sys.tables t UNION SELECT s.name FROM sys.schemas s ORDER BY t.object_id
GO
SELECT t.name FROM sys.tables t UNION SELECT s.name FROM sys.schemas s ORDER BY s.name
GO
SELECT name AS a FROM author UNION SELECT title FROM post ORDER BY title
GO
-- OPTION may stand before FOR
SELECT 1 AS a OPTION (MAXRECURSION 5) FOR XML RAW
GO
SELECT 1 AS a OPTION (MAXRECURSION 5) FOR JSON PATH
GO
SELECT 1 AS a FOR JSON PATH OPTION (MAXRECURSION 5)
GO
SELECT 1 AS a OPTION (MAXRECURSION 5) FOR JSON PATH OPTION (MAXRECURSION 5)
GO
-- A length is a number or max
CREATE TABLE refused (a nvarchar(random))
GO
DECLARE @a varchar(maximum) = 'x'
GO
-- Columns of each constraint, those that a CHECK names too
SELECT TABLE_NAME, COLUMN_NAME, CONSTRAINT_NAME FROM INFORMATION_SCHEMA.CONSTRAINT_COLUMN_USAGE
ORDER BY TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME
GO
-- Constants in a CHECK are no names
ALTER TABLE post DROP COLUMN kind
GO
CREATE TABLE words (a varchar(20) CHECK (a <> 'b' AND a <> '[b]' AND a <> 'is b now'), b int)
ALTER TABLE words DROP COLUMN b
GO
-- sp_rename without a class takes objects, columns and indexes, with the database's name as well
DECLARE @name nvarchar(400) = DB_NAME() + '.dbo.post.title'
EXEC sp_rename @name, 'headline'
SET @name = DB_NAME() + '.dbo.post.uq_title'
EXEC sp_rename @name, 'uq_headline'
EXEC sp_rename 'post.ix_price', 'ix_cost'
EXEC sp_rename 'dbo.post.pk_post', 'pk_article', 'INDEX'
EXEC sp_rename 'post', 'article'
SELECT name FROM sys.columns WHERE object_id = OBJECT_ID('article') AND column_id = 3
SELECT name FROM sys.indexes WHERE object_id = OBJECT_ID('article') ORDER BY index_id
SELECT name FROM sys.objects WHERE parent_object_id = OBJECT_ID('article') AND type IN ('PK', 'UQ') ORDER BY name
GO
EXEC sp_rename 'article.pk_article', 'uq_headline'
GO
EXEC sp_rename 'article.nosuch', 'b'
GO
-- What a CHECK or a computed column names keeps its name
EXEC sp_rename 'article.price', 'cost', 'COLUMN'
EXEC sp_rename 'article.likes', 'hearts'
GO
INSERT author VALUES (N'a')
INSERT article (author_id, headline, likes, price, kind) VALUES (1, 'h', 1, 2, 'title')
SELECT headline, twice FROM article
GO
-- SQLTables of nothing but '%': databases, schemas, types
EXEC sp_tables '', '%', ''
EXEC sp_tables '', '', '', '%'
EXEC sp_tables 'a%', 'dbo', NULL, '''TABLE'''
EXEC sp_tables 'a%', 'dbo', NULL, '''TABLE''', 0
GO
-- A name in a string needs no brackets, whatever words it is made of
CREATE TABLE [user] (id int IDENTITY PRIMARY KEY, [key] int)
CREATE TABLE [a table] (b int)
CREATE TABLE [x]]y] (b int)
SELECT OBJECT_NAME(OBJECT_ID('user')), OBJECT_NAME(OBJECT_ID('dbo.user')), OBJECT_NAME(OBJECT_ID('a table')),
    OBJECT_NAME(OBJECT_ID('dbo . [user]')), OBJECT_NAME(OBJECT_ID('[x]]y]')), OBJECT_NAME(OBJECT_ID('"a table"'))
SELECT COLUMNPROPERTY(OBJECT_ID('dbo.user'), 'id', 'IsIdentity'), IDENT_CURRENT('user'), COL_LENGTH('user', 'key')
SELECT OBJECT_ID('[user'), OBJECT_ID('[user]]'), OBJECT_ID('"user" x'), OBJECT_ID('a.b.c.d.user'), OBJECT_ID(''),
    OBJECT_ID('.'), OBJECT_ID('dbo.'), OBJECT_ID('[]'), OBJECT_ID('other.user')
EXEC sp_rename 'user.key', 'order'
EXEC sp_rename 'user', 'group'
SELECT name FROM sys.columns WHERE object_id = OBJECT_ID('group')
GO
EXEC sp_rename '[group', 'b'
GO
-- A column of a derived table that is NULL in all rows goes into any type
CREATE TABLE dates (d date, x varbinary(5))
INSERT dates (d, x) SELECT n, n FROM (SELECT NULL AS n) q
MERGE dates USING (VALUES (NULL)) s (n) ON 1 = 0 WHEN NOT MATCHED THEN INSERT (d) VALUES (s.n);
UPDATE dates SET d = s.n FROM (SELECT NULL AS n) s
SELECT COUNT(*), COUNT(d) FROM dates
SELECT n FROM (SELECT NULL AS n) s ORDER BY n
GO
-- The columns of an index come in its order, which a mapper that reflects it takes from the rows as they come
CREATE TABLE ordered (id int PRIMARY KEY, a int, b int, c int)
CREATE INDEX ix_order ON ordered (c, a, b)
GO
SELECT ic.index_id, c.name FROM sys.columns AS c
JOIN sys.tables AS t ON t.object_id = c.object_id
JOIN sys.index_columns AS ic ON ic.column_id = c.column_id AND ic.object_id = t.object_id
JOIN sys.schemas AS s ON s.schema_id = t.schema_id
WHERE t.name = N'ordered' AND s.name = N'dbo'
GO
-- What CAST and CONVERT give is announced as nullable, except in ISNULL
SELECT id, CAST(id AS bigint) AS b, CONVERT(int, id) AS c, ISNULL(CAST(id AS bigint), 0) AS d FROM ordered
SELECT CAST(1 AS tinyint) AS a, 1 AS b
GO
-- The system's own columns
SELECT name FROM sys.system_columns WHERE object_id = OBJECT_ID('sys.system_columns') AND column_id = 1
SELECT COUNT(*) FROM sys.system_columns WHERE object_id = OBJECT_ID('ordered')
GO
