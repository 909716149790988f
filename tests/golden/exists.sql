-- EXISTS by a column that no index has: its rows are read once, into an index of their own.
CREATE TABLE a (id int NOT NULL PRIMARY KEY, x varchar(5), z int);
CREATE TABLE b (id int NOT NULL PRIMARY KEY, x nvarchar(5), y varchar(5), z int);
INSERT a VALUES (1, 'a', 1), (2, 'A ', 2), (3, NULL, 3), (4, 'c', NULL), (5, '', 5);
INSERT b VALUES (1, 'a', 'A', 1), (2, NULL, NULL, NULL), (3, '', 'c', 2), (4, 'a', 'x', 2);
GO
SELECT id FROM a WHERE EXISTS (SELECT * FROM b WHERE b.y = a.x) ORDER BY id;
SELECT id FROM a WHERE NOT EXISTS (SELECT * FROM b WHERE b.y = a.x) ORDER BY id;
SELECT id FROM a WHERE EXISTS (SELECT * FROM b WHERE a.x = b.x AND b.z > 1) ORDER BY id;
SELECT id FROM a WHERE NOT EXISTS (SELECT * FROM b WHERE b.z = a.z AND b.x IS NULL) ORDER BY id;
SELECT id, CASE WHEN EXISTS (SELECT * FROM b WHERE b.z = a.z) THEN 'yes' ELSE 'no' END FROM a ORDER BY id;
SELECT id FROM a WHERE NOT EXISTS (SELECT * FROM b WHERE b.z = a.z AND EXISTS (SELECT * FROM b c WHERE c.y = b.y AND c.id > 3)) ORDER BY id;
-- What could fail is not asked where there is nothing to compare it with.
SELECT id FROM a WHERE EXISTS (SELECT * FROM b WHERE CAST(a.x AS int) = b.z AND b.id > 100);
GO
DELETE a WHERE NOT EXISTS (SELECT * FROM b WHERE b.z = a.z);
UPDATE b SET z = 9 WHERE EXISTS (SELECT * FROM a WHERE a.z = b.z AND a.x = 'a');
SELECT id FROM a ORDER BY id;
SELECT id, z FROM b ORDER BY id;
GO
-- Where nothing is looked up, 4,000 times 4,000 rows are not looked at, either.
SET NOCOUNT ON;
SELECT value AS id, value % 1000 AS k INTO big FROM GENERATE_SERIES(1, 4000);
SELECT COUNT(*) FROM big o WHERE NOT EXISTS (SELECT * FROM big i WHERE i.k = o.id);
SELECT COUNT(*) FROM big o WHERE EXISTS (SELECT * FROM big i WHERE o.id = i.k AND i.id > 3500);
