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
