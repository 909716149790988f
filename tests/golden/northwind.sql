-- setup: northwind
-- Queries over Northwind; what they answer was checked by hand against SQL Server's rules.

SELECT COUNT(*) AS customers FROM Customers
GO
SELECT COUNT(*) AS orders FROM Orders
GO
SELECT COUNT(*) AS lines FROM [Order Details]
GO
SELECT COUNT(*) AS products FROM Products
GO
-- a join with an aggregate, money arithmetic
SELECT TOP 5 c.CompanyName, SUM(CONVERT(money, (d.UnitPrice * d.Quantity * (1 - d.Discount) / 100)) * 100) AS Sales
FROM Customers c JOIN Orders o ON o.CustomerID = c.CustomerID JOIN [Order Details] d ON d.OrderID = o.OrderID
GROUP BY c.CompanyName ORDER BY Sales DESC, c.CompanyName
GO
-- outer join: customers without an order
SELECT c.CustomerID, c.CompanyName FROM Customers c LEFT JOIN Orders o ON o.CustomerID = c.CustomerID
WHERE o.OrderID IS NULL ORDER BY c.CustomerID
GO
-- the same by NOT EXISTS and by NOT IN
SELECT CustomerID FROM Customers c WHERE NOT EXISTS (SELECT * FROM Orders o WHERE o.CustomerID = c.CustomerID) ORDER BY 1
GO
SELECT CustomerID FROM Customers WHERE CustomerID NOT IN (SELECT CustomerID FROM Orders WHERE CustomerID IS NOT NULL) ORDER BY 1
GO
-- HAVING
SELECT ShipCountry, COUNT(*) AS n FROM Orders GROUP BY ShipCountry HAVING COUNT(*) > 70 ORDER BY n DESC, ShipCountry
GO
-- collation: case does not count, trailing blanks do not count
SELECT COUNT(*) AS n FROM Customers WHERE City = 'LONDON  '
GO
SELECT CustomerID, City FROM Customers WHERE City LIKE '[M]_n%' ORDER BY CustomerID
GO
-- NULL sorts first
SELECT DISTINCT Region FROM Customers ORDER BY Region
GO
-- integer division, modulo, CASE
SELECT ProductID, UnitsInStock / 7 AS d, UnitsInStock % 7 AS m, CASE WHEN Discontinued = 1 THEN 'no' ELSE 'yes' END AS sold
FROM Products WHERE ProductID <= 5 ORDER BY ProductID
GO
-- dates
SELECT YEAR(OrderDate) AS y, MONTH(OrderDate) AS m, COUNT(*) AS n FROM Orders WHERE OrderDate < '19961001' GROUP BY YEAR(OrderDate), MONTH(OrderDate) ORDER BY y, m
GO
SELECT TOP 3 OrderID, OrderDate, DATEDIFF(day, OrderDate, ShippedDate) AS days, DATENAME(weekday, OrderDate) AS dow,
       DATEADD(month, 1, OrderDate) AS next FROM Orders ORDER BY OrderID
GO
-- TOP WITH TIES
SELECT TOP 1 WITH TIES ShipVia, COUNT(*) AS n FROM Orders WHERE CustomerID = 'ALFKI' GROUP BY ShipVia ORDER BY COUNT(*) DESC
GO
-- OFFSET and FETCH
SELECT ProductName FROM Products ORDER BY ProductName OFFSET 10 ROWS FETCH NEXT 5 ROWS ONLY
GO
-- a correlated subquery
SELECT p.ProductName, p.UnitPrice FROM Products p WHERE p.UnitPrice > 3 * (SELECT AVG(q.UnitPrice) FROM Products q WHERE q.CategoryID = p.CategoryID) ORDER BY p.ProductName
GO
-- window functions
SELECT * FROM (SELECT CategoryID, ProductName, UnitPrice, ROW_NUMBER() OVER (PARTITION BY CategoryID ORDER BY UnitPrice DESC, ProductName) AS rn,
       RANK() OVER (PARTITION BY CategoryID ORDER BY UnitPrice DESC) AS rk FROM Products) x WHERE rn <= 2 ORDER BY CategoryID, rn
GO
SELECT TOP 5 OrderID, Freight, SUM(Freight) OVER (ORDER BY OrderID ROWS UNBOUNDED PRECEDING) AS running,
       LAG(Freight) OVER (ORDER BY OrderID) AS before FROM Orders ORDER BY OrderID
GO
-- a common table expression that calls itself: the chain of command
WITH chain AS (SELECT EmployeeID, LastName, ReportsTo, 0 AS depth FROM Employees WHERE ReportsTo IS NULL
  UNION ALL SELECT e.EmployeeID, e.LastName, e.ReportsTo, c.depth + 1 FROM Employees e JOIN chain c ON e.ReportsTo = c.EmployeeID)
SELECT depth, LastName FROM chain ORDER BY depth, LastName
GO
-- set operations
SELECT City FROM Customers WHERE Country = 'UK' UNION SELECT City FROM Suppliers WHERE Country = 'UK' ORDER BY City
GO
SELECT Country FROM Customers INTERSECT SELECT Country FROM Suppliers ORDER BY Country
GO
SELECT Country FROM Suppliers EXCEPT SELECT Country FROM Customers ORDER BY Country
GO
-- ROLLUP
SELECT c.CategoryName, COUNT(*) AS n, GROUPING(c.CategoryName) AS g FROM Products p JOIN Categories c ON c.CategoryID = p.CategoryID
GROUP BY ROLLUP(c.CategoryName) ORDER BY g, c.CategoryName
GO
-- APPLY
SELECT c.CategoryName, t.ProductName, t.UnitPrice FROM Categories c CROSS APPLY (SELECT TOP 1 ProductName, UnitPrice FROM Products p WHERE p.CategoryID = c.CategoryID ORDER BY UnitPrice DESC) t ORDER BY c.CategoryName
GO
-- PIVOT
SELECT * FROM (SELECT ShipVia, YEAR(OrderDate) AS y, OrderID FROM Orders) s PIVOT (COUNT(OrderID) FOR y IN ([1996], [1997], [1998])) p ORDER BY ShipVia
GO
-- strings
SELECT TOP 3 UPPER(LastName) + ', ' + LEFT(FirstName, 1) + '.' AS n, LEN(LastName) AS l, CHARINDEX('a', LastName) AS a, REPLACE(HomePhone, '(', '') AS p FROM Employees ORDER BY EmployeeID
GO
SELECT STRING_AGG(CategoryName, ', ') WITHIN GROUP (ORDER BY CategoryName) AS names FROM Categories
GO
-- aggregates with NULL
SELECT COUNT(*) AS a, COUNT(Region) AS r, COUNT(DISTINCT Country) AS c FROM Suppliers
GO
SELECT AVG(UnitsInStock) AS i, AVG(CAST(UnitsInStock AS decimal(10, 2))) AS d, MIN(UnitPrice) AS lo, MAX(UnitPrice) AS hi FROM Products
GO
-- IN, BETWEEN, ANY, ALL
SELECT COUNT(*) AS n FROM Orders WHERE EmployeeID IN (1, 2) AND Freight BETWEEN 10 AND 20
GO
SELECT ProductName FROM Products WHERE UnitPrice >= ALL (SELECT UnitPrice FROM Products)
GO
-- views of the script
SELECT TOP 3 * FROM [Alphabetical list of products] ORDER BY ProductName
GO
SELECT * FROM [Category Sales for 1997] ORDER BY CategoryName
GO
SELECT TOP 3 * FROM [Order Subtotals] ORDER BY OrderID
GO
SELECT TOP 3 OrderID, Subtotal FROM [Summary of Sales by Year] ORDER BY ShippedDate, OrderID
GO
SELECT COUNT(*) AS n FROM [Products Above Average Price]
GO
SELECT TOP 3 City, CompanyName, Relationship FROM [Customer and Suppliers by City] ORDER BY City, CompanyName
GO
-- procedures of the script; two of them have no ORDER BY: their rows come in the order of the key
EXEC [Ten Most Expensive Products]
GO
EXEC [Sales by Year] '1996-07-01', '1996-07-20'
GO
EXEC [Employee Sales by Country] '1996-07-01', '1996-07-16'
GO
EXEC CustOrdersDetail 10248
GO
EXEC CustOrdersOrders 'ALFKI'
GO
EXEC SalesByCategory 'Beverages', '1998'
GO
-- FOR JSON
SELECT TOP 2 CategoryID AS [id], CategoryName AS [name] FROM Categories ORDER BY CategoryID FOR JSON PATH
GO
