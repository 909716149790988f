-- The sample database: a small order-entry schema with data of our own. Run once in an empty
-- database; batches are separated by GO.
CREATE SCHEMA Sales;
GO
CREATE SCHEMA Catalog;
GO
CREATE TABLE Catalog.Category (
    CategoryId int IDENTITY(1, 1) NOT NULL CONSTRAINT PK_Category PRIMARY KEY,
    Name nvarchar(50) NOT NULL CONSTRAINT UQ_Category_Name UNIQUE
);
CREATE TABLE Catalog.Product (
    ProductId int IDENTITY(100, 1) NOT NULL CONSTRAINT PK_Product PRIMARY KEY,
    CategoryId int NOT NULL CONSTRAINT FK_Product_Category REFERENCES Catalog.Category (CategoryId),
    Name nvarchar(80) NOT NULL,
    ListPrice decimal(10, 2) NOT NULL CONSTRAINT CK_Product_ListPrice CHECK (ListPrice >= 0),
    Discontinued bit NOT NULL CONSTRAINT DF_Product_Discontinued DEFAULT 0
);
CREATE TABLE Sales.Customer (
    CustomerId int IDENTITY(1, 1) NOT NULL CONSTRAINT PK_Customer PRIMARY KEY,
    Name nvarchar(100) NOT NULL,
    Email varchar(120) NULL,
    City nvarchar(60) NOT NULL,
    CreatedAt datetime2(3) NOT NULL CONSTRAINT DF_Customer_CreatedAt DEFAULT SYSUTCDATETIME()
);
CREATE TABLE Sales.[Order] (
    OrderId int IDENTITY(1000, 1) NOT NULL CONSTRAINT PK_Order PRIMARY KEY,
    CustomerId int NOT NULL CONSTRAINT FK_Order_Customer REFERENCES Sales.Customer (CustomerId),
    OrderDate date NOT NULL,
    Status varchar(10) NOT NULL CONSTRAINT DF_Order_Status DEFAULT 'open'
        CONSTRAINT CK_Order_Status CHECK (Status IN ('open', 'shipped', 'cancelled'))
);
CREATE TABLE Sales.OrderLine (
    OrderId int NOT NULL CONSTRAINT FK_OrderLine_Order
        REFERENCES Sales.[Order] (OrderId) ON DELETE CASCADE,
    LineNumber smallint NOT NULL,
    ProductId int NOT NULL CONSTRAINT FK_OrderLine_Product REFERENCES Catalog.Product (ProductId),
    Quantity int NOT NULL CONSTRAINT CK_OrderLine_Quantity CHECK (Quantity > 0),
    UnitPrice decimal(10, 2) NOT NULL,
    LineTotal AS (Quantity * UnitPrice),
    CONSTRAINT PK_OrderLine PRIMARY KEY (OrderId, LineNumber)
);
CREATE INDEX IX_Order_Customer ON Sales.[Order] (CustomerId, OrderDate);
CREATE INDEX IX_OrderLine_Product ON Sales.OrderLine (ProductId);
GO
INSERT INTO Catalog.Category (Name) VALUES (N'Tools'), (N'Paper'), (N'Ink'), (N'Bindings');
INSERT INTO Catalog.Product (CategoryId, Name, ListPrice) VALUES
    (1, N'Bone folder', 9.50), (1, N'Awl', 12.00), (1, N'Book press', 185.00),
    (1, N'Cutting mat A2', 24.90), (2, N'Laid paper, 100 sheets', 18.75),
    (2, N'Marbled paper, 10 sheets', 32.00), (2, N'Endpaper, cream', 4.20),
    (3, N'Iron gall ink, 50 ml', 11.30), (3, N'Carbon ink, 100 ml', 16.80),
    (4, N'Linen thread, 25 m', 5.60), (4, N'Book cloth, blue', 14.40), (4, N'Leather, goat, 1 m2', 79.00);
INSERT INTO Sales.Customer (Name, Email, City) VALUES
    (N'Åsa Lindqvist', 'asa@example.com', N'Göteborg'), (N'Bindery Moreau', 'atelier@example.com', N'Lyon'),
    (N'Chapter & Verse', NULL, N'Bristol'), (N'Dario Conti', 'dario@example.com', N'Torino'),
    (N'Eberhard Papierhaus', 'bestellung@example.com', N'Leipzig'), (N'Folio Club', 'hello@example.com', N'Dublin');
GO
INSERT INTO Sales.[Order] (CustomerId, OrderDate, Status) VALUES
    (1, '2026-01-12', 'shipped'), (2, '2026-01-30', 'shipped'), (3, '2026-02-14', 'cancelled'),
    (1, '2026-03-03', 'shipped'), (4, '2026-03-21', 'shipped'), (5, '2026-04-09', 'open'),
    (6, '2026-04-17', 'open'), (2, '2026-05-02', 'open');
INSERT INTO Sales.OrderLine (OrderId, LineNumber, ProductId, Quantity, UnitPrice) VALUES
    (1000, 1, 100, 2, 9.50), (1000, 2, 104, 1, 18.75), (1001, 1, 102, 1, 179.00),
    (1001, 2, 111, 2, 79.00), (1001, 3, 109, 10, 5.20), (1002, 1, 106, 20, 4.20),
    (1003, 1, 107, 3, 11.30), (1004, 1, 105, 2, 32.00), (1004, 2, 110, 4, 14.40),
    (1005, 1, 103, 5, 23.50), (1005, 2, 101, 5, 12.00), (1006, 1, 108, 1, 16.80),
    (1007, 1, 104, 12, 17.90);
GO
CREATE VIEW Sales.OrderTotals AS
SELECT o.OrderId, o.OrderDate, o.Status, c.Name AS Customer, COUNT(*) AS Lines, SUM(l.LineTotal) AS Total
FROM Sales.[Order] AS o
JOIN Sales.Customer AS c ON c.CustomerId = o.CustomerId
JOIN Sales.OrderLine AS l ON l.OrderId = o.OrderId
GROUP BY o.OrderId, o.OrderDate, o.Status, c.Name;
GO
CREATE PROCEDURE Sales.PlaceOrder
    @CustomerId int, @ProductId int, @Quantity int, @OrderId int = NULL OUTPUT
AS
BEGIN
    SET NOCOUNT ON;
    BEGIN TRY
        BEGIN TRANSACTION;
        INSERT INTO Sales.[Order] (CustomerId, OrderDate) VALUES (@CustomerId, CAST(SYSUTCDATETIME() AS date));
        SET @OrderId = SCOPE_IDENTITY();
        INSERT INTO Sales.OrderLine (OrderId, LineNumber, ProductId, Quantity, UnitPrice)
        SELECT @OrderId, 1, p.ProductId, @Quantity, p.ListPrice
        FROM Catalog.Product AS p WHERE p.ProductId = @ProductId AND p.Discontinued = 0;
        IF @@ROWCOUNT = 0
            THROW 50001, 'No such product, or it is no longer sold.', 1;
        COMMIT TRANSACTION;
    END TRY
    BEGIN CATCH
        IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION;
        THROW;
    END CATCH
END;
GO
