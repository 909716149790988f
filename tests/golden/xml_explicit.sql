-- Goal: FOR XML EXPLICIT and WITH XMLNAMESPACES as their pages say.
CREATE TABLE emp (id int, fname nvarchar(20), lname nvarchar(20), city nvarchar(20), notes nvarchar(50));
INSERT emp VALUES (1, N'Ken', N'Sánchez', NULL, N'a < b'), (2, N'Terri', N'Duffy', N'Renton', N'x ]]> y');
CREATE TABLE ord (oid varchar(5), eid int, item varchar(10)); INSERT ord VALUES ('O1', 1, 'P1'), ('O2', 1, 'P2'), ('O3', 2, 'P3');
GO
-- attributes, then ELEMENT
SELECT 1 AS Tag, NULL AS Parent, id AS [Employee!1!EmpID], NULL AS [Name!2!FName], NULL AS [Name!2!LName] FROM emp
UNION ALL SELECT 2, 1, id, fname, lname FROM emp ORDER BY [Employee!1!EmpID], [Name!2!FName] FOR XML EXPLICIT;
SELECT 1 AS Tag, NULL AS Parent, id AS [Employee!1!EmpID], NULL AS [Name!2!FName!ELEMENT], NULL AS [Name!2!LName!ELEMENT] FROM emp
UNION ALL SELECT 2, 1, id, fname, lname FROM emp ORDER BY [Employee!1!EmpID], [Name!2!FName!ELEMENT] FOR XML EXPLICIT, ROOT('all');
GO
-- ELEMENTXSINIL declares xsi on the outermost element
SELECT 1 AS Tag, 0 AS Parent, id AS [Employee!1!EmpID], city AS [Employee!1!City!ELEMENTXSINIL], lname AS [Employee!1!Last!element] FROM emp FOR XML EXPLICIT;
SELECT 1 AS Tag, 0 AS Parent, id AS [Employee!1!EmpID], city AS [Employee!1!City!ELEMENTXSINIL] FROM emp FOR XML EXPLICIT, ROOT('r');
GO
-- CDATA, XML, text, HIDE, ID
SELECT 1 AS Tag, 0 AS Parent, 19 AS [ProductModel!1!ProdModelID], 'Mountain-100' AS [ProductModel!1!Name], '<Summary>This is summary description</Summary>' AS [ProductModel!1!!CDATA] FOR XML EXPLICIT;
SELECT 1 AS Tag, 0 AS Parent, id AS [e!1!id!hide], notes AS [e!1!!cdata] FROM emp ORDER BY [e!1!id!hide] DESC FOR XML EXPLICIT;
SELECT 1 AS Tag, 0 AS Parent, notes AS [e!1], '<i>1</i>' AS [e!1!x!xml], '<j/>' AS [e!1!!xml], id AS [e!1!k!id] FROM emp WHERE id = 1 FOR XML EXPLICIT, TYPE;
GO
-- three levels and siblings
SELECT 1 AS Tag, NULL AS Parent, id AS [emp!1!id], NULL AS [order!2!oid], NULL AS [item!3!pid] FROM emp
UNION ALL SELECT 2, 1, eid, oid, NULL FROM ord UNION ALL SELECT 3, 2, eid, oid, item FROM ord
ORDER BY [emp!1!id], [order!2!oid], [item!3!pid] FOR XML EXPLICIT;
GO
SELECT 1 AS Tag, 0 AS Parent FOR XML EXPLICIT;
GO
SELECT 1 AS Tag, 0 AS Parent, 1 AS x FOR XML EXPLICIT;
GO
SELECT 1 AS Tag, 0 AS Parent, 1 AS [x!a!b] FOR XML EXPLICIT;
GO
SELECT 1 AS Tag, 0 AS Parent, 1 AS [x!1!b], 2 AS [y!1!c] FOR XML EXPLICIT;
GO
SELECT 1 AS Tag, 0 AS Parent, 1 AS [x!1!b!loud] FOR XML EXPLICIT;
GO
SELECT 1 AS Tag, 0 AS Parent, '' AS [x!1!!xmltext] FOR XML EXPLICIT;
GO
SELECT 'a' AS Tag, 0 AS Parent, 1 AS [x!1!b] FOR XML EXPLICIT;
GO
SELECT 1 AS Tag, -1 AS Parent, 1 AS [x!1!b] FOR XML EXPLICIT;
GO
SELECT 7 AS Tag, 0 AS Parent, 1 AS [x!1!b] FOR XML EXPLICIT;
GO
SELECT 1 AS Tag, 7 AS Parent, 1 AS [x!1!b] FOR XML EXPLICIT;
GO
SELECT 2 AS Tag, 1 AS Parent, 1 AS [x!1!b], 2 AS [y!2!c] FOR XML EXPLICIT;
GO
-- WITH XMLNAMESPACES
CREATE TABLE Product (ProductID int, Name nvarchar(20), Color nvarchar(10)); INSERT Product VALUES (316, N'Blade', NULL), (317, N'LL Crankarm', N'Black');
GO
WITH XMLNAMESPACES ('uri' as ns1) SELECT ProductID as 'ns1:ProductID', Name as 'ns1:Name', Color as 'ns1:Color' FROM Product FOR XML RAW ('ns1:Prod'), ELEMENTS;
GO
WITH XMLNAMESPACES ('uri' as ns1) SELECT ProductID as 'ns1:ProductID', Name as 'ns1:Name', Color as 'ns1:Color' FROM Product WHERE ProductID = 316 FOR XML RAW, ELEMENTS XSINIL;
GO
WITH XMLNAMESPACES ('uri1' as ns1, 'uri2' as ns2, DEFAULT 'uri2') SELECT ProductID, Name, Color FROM Product FOR XML RAW ('ns1:Product'), ROOT('ns2:root'), ELEMENTS;
GO
WITH XMLNAMESPACES ('uri1' as ns1,  'uri2' as ns2,DEFAULT 'uri2') SELECT ProductID, Name, Color FROM Product as "ns1:Product" FOR XML AUTO, ROOT('ns2:root'), ELEMENTS;
GO
WITH XMLNAMESPACES ('urn:schemas-microsoft-com:xml-sql' as sql) SELECT 'SELECT * FROM Customers FOR XML AUTO, ROOT("a")' AS "sql:query" FOR XML PATH('sql:root');
GO
SELECT 'en' as "English/@xml:lang", 'food' as "English", 'ger' as "German/@xml:lang", 'Essen' as "German" FOR XML PATH ('Translation');
GO
WITH XMLNAMESPACES ('u"&' AS a), one AS (SELECT 1 AS x) SELECT x AS [a:x], (SELECT 2 AS [a:y] FOR XML PATH('in'), TYPE) FROM one FOR XML PATH('');
GO
CREATE VIEW named AS WITH XMLNAMESPACES ('v' AS v) SELECT (SELECT 1 AS [v:a] FOR XML PATH('v:b')) AS x;
GO
SELECT x, (SELECT 2 AS c FOR XML PATH('d')) AS y FROM named;
GO
SELECT NULL AS a, 1 AS b FOR XML PATH, ELEMENTS XSINIL;
GO
WITH XMLNAMESPACES ('u' AS a) SELECT CAST('<x/>' AS xml).value('(/a:x)[1]', 'int');
GO
WITH XMLNAMESPACES ('u' AS a) SELECT 1 AS Tag, 0 AS Parent, 1 AS [x!1!b] FOR XML EXPLICIT;
GO
-- columns of one path, one behind the other, share their element
SELECT 'a' AS x, 'b' AS x, 'c' AS y, 'd' AS x, 1 AS [p/@i], 2 AS [p/q], 3 AS [p], 4 AS [p/q/r] FOR XML PATH;
SELECT NULL AS x, 'b' AS x, NULL AS [y/z], 'c' AS [y/z] FOR XML PATH, ELEMENTS XSINIL;
GO
