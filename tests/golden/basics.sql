-- What a first session does: expressions, a table, rows, an error in the middle of a batch.
SELECT 1 AS a, N'zwei' AS b, CAST(3.50 AS decimal(9, 2)) AS c, NULL AS d
GO
CREATE TABLE dbo.Item (
    ItemId int IDENTITY(1, 1) NOT NULL CONSTRAINT PK_Item PRIMARY KEY,
    Name nvarchar(30) NOT NULL,
    Price money NULL,
    Added date NOT NULL CONSTRAINT DF_Item_Added DEFAULT '2026-01-02'
)
GO
INSERT dbo.Item (Name, Price) VALUES (N'Pen', 1.5), (N'Ink', NULL)
SELECT SCOPE_IDENTITY() AS last_id, @@ROWCOUNT AS n
GO
SELECT * FROM dbo.Item ORDER BY ItemId
GO
PRINT 'before'
INSERT dbo.Item (Name) VALUES (NULL)
PRINT 'after'
SELECT 1 / 0 AS never
PRINT 'end'
GO
SELECT * FROM dbo.NoSuch
GO
SELECT FROM
GO
UPDATE dbo.Item SET Price = Price * 2 WHERE Name LIKE 'p%'
DELETE dbo.Item WHERE Price IS NULL
SELECT Name, Price FROM dbo.Item
GO
