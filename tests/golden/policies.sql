-- Row-level security: who sees and changes which rows, as whom, and what a policy holds.
CREATE SCHEMA rls;
GO
CREATE USER manager WITHOUT LOGIN;
CREATE USER anna WITHOUT LOGIN;
CREATE USER ben WITHOUT LOGIN;
CREATE TABLE dbo.orders (id int NOT NULL PRIMARY KEY, rep sysname NOT NULL, amount int NOT NULL, note varchar(20) NULL, twice AS amount * 2);
CREATE TABLE dbo.lines (id int NOT NULL PRIMARY KEY, order_id int NOT NULL REFERENCES dbo.orders (id), product varchar(10) NOT NULL);
CREATE TABLE dbo.staff (name sysname NOT NULL PRIMARY KEY, boss sysname NULL);
INSERT dbo.orders (id, rep, amount) VALUES (1, 'anna', 10), (2, 'anna', 20), (3, 'ben', 30), (4, 'ben', 40), (5, 'anna', 50);
INSERT dbo.lines VALUES (1, 1, 'nut'), (2, 3, 'bolt'), (3, 5, 'nail');
INSERT dbo.staff VALUES ('anna', 'manager'), ('ben', 'manager');
GRANT SELECT, INSERT, UPDATE, DELETE ON dbo.orders TO anna;
GRANT SELECT, INSERT, UPDATE, DELETE ON dbo.orders TO ben;
GRANT SELECT ON dbo.orders TO manager;
GRANT SELECT, INSERT ON dbo.lines TO anna;
GO
CREATE FUNCTION rls.mine(@rep AS sysname) RETURNS TABLE WITH SCHEMABINDING
AS RETURN SELECT 1 AS result WHERE @rep = USER_NAME() OR USER_NAME() = 'manager';
GO
CREATE FUNCTION rls.by_staff(@rep AS sysname) RETURNS TABLE WITH SCHEMABINDING
AS RETURN SELECT 1 AS result FROM dbo.staff AS s WHERE s.name = @rep AND USER_NAME() IN (s.name, s.boss);
GO
CREATE SECURITY POLICY rls.sales ADD FILTER PREDICATE rls.mine(rep) ON dbo.orders WITH (STATE = ON);
GO
-- dbo is filtered as anybody is
SELECT COUNT(*) AS n FROM dbo.orders;
EXECUTE AS USER = 'anna';
SELECT id, rep, amount, twice FROM orders ORDER BY id;
SELECT COUNT(*) AS n, SUM(amount) AS s FROM dbo.orders WHERE amount > 10;
REVERT;
EXECUTE AS USER = 'ben';
SELECT id, rep, amount, twice FROM orders ORDER BY id;
REVERT;
EXECUTE AS USER = 'manager';
SELECT COUNT(*) AS n FROM orders;
REVERT;
GO
-- joins, subqueries, EXISTS, IN, APPLY, outer joins, set operations, windows
EXECUTE AS USER = 'anna';
SELECT l.id, o.rep FROM dbo.lines AS l JOIN dbo.orders AS o ON o.id = l.order_id ORDER BY l.id;
SELECT l.id, o.rep FROM dbo.lines AS l LEFT JOIN dbo.orders AS o ON o.id = l.order_id ORDER BY l.id;
SELECT l.id, o.id AS o FROM dbo.lines AS l RIGHT JOIN dbo.orders AS o ON o.id = l.order_id AND o.amount > 10 ORDER BY o.id, l.id;
SELECT l.id, o.id AS o FROM dbo.lines AS l FULL JOIN dbo.orders AS o ON o.id = l.order_id ORDER BY l.id, o.id;
SELECT id FROM dbo.lines WHERE order_id IN (SELECT id FROM dbo.orders) ORDER BY id;
SELECT id FROM dbo.lines AS l WHERE NOT EXISTS (SELECT 1 FROM dbo.orders AS o WHERE o.id = l.order_id) ORDER BY id;
SELECT l.id, x.amount FROM dbo.lines AS l CROSS APPLY (SELECT o.amount FROM dbo.orders AS o WHERE o.id = l.order_id) AS x ORDER BY l.id;
SELECT (SELECT MAX(amount) FROM dbo.orders) AS m;
SELECT id FROM dbo.orders UNION ALL SELECT id + 100 FROM dbo.orders ORDER BY id;
SELECT id, ROW_NUMBER() OVER (ORDER BY amount DESC) AS r FROM dbo.orders ORDER BY r;
WITH c AS (SELECT * FROM dbo.orders) SELECT a.id, b.id AS other FROM c AS a JOIN c AS b ON b.id > a.id ORDER BY a.id, b.id;
SELECT id, amount FROM dbo.orders FOR JSON AUTO;
SELECT COUNT(*) AS n FROM dbo.orders TABLESAMPLE (100 PERCENT);
DECLARE @n int = (SELECT COUNT(*) FROM orders);
IF EXISTS (SELECT * FROM dbo.orders WHERE rep = 'ben') PRINT 'seen' ELSE PRINT CONCAT('hidden, of ', @n);
REVERT;
GO
CREATE VIEW dbo.big AS SELECT id, rep, amount FROM dbo.orders WHERE amount >= 20;
GO
CREATE PROCEDURE dbo.count_orders AS SELECT COUNT(*) AS n, USER_NAME() AS who FROM dbo.orders;
GO
CREATE FUNCTION dbo.total() RETURNS int AS BEGIN RETURN (SELECT SUM(amount) FROM dbo.orders); END;
GO
CREATE PROCEDURE dbo.all_orders WITH EXECUTE AS 'manager' AS SELECT COUNT(*) AS n FROM dbo.orders;
GO
GRANT SELECT, UPDATE, DELETE, INSERT ON dbo.big TO anna;
GRANT EXECUTE ON dbo.count_orders TO anna;
GRANT EXECUTE ON dbo.all_orders TO anna;
GRANT EXECUTE ON dbo.total TO anna;
EXECUTE AS USER = 'anna';
SELECT * FROM dbo.big ORDER BY id;
EXEC dbo.count_orders;
EXEC dbo.all_orders;
SELECT dbo.total() AS total;
EXEC ('SELECT COUNT(*) AS n FROM dbo.orders');
UPDATE dbo.big SET amount = amount + 1;
DELETE dbo.big WHERE id = 3;
SELECT @@ROWCOUNT AS deleted;
REVERT;
EXEC dbo.count_orders;
GO
-- one text, two users: the plan is shared, the rows are not
EXECUTE AS USER = 'ben';
SELECT id, rep, amount, twice FROM orders ORDER BY id;
REVERT;
EXECUTE AS USER = 'anna';
SELECT id, rep, amount, twice FROM orders ORDER BY id;
REVERT;
GO
-- changes reach only what is seen; what is written may be seen by nobody here
EXECUTE AS USER = 'ben';
UPDATE dbo.orders SET note = 'ben was here' OUTPUT inserted.id, deleted.note;
UPDATE o SET note = l.product FROM dbo.orders AS o JOIN dbo.lines AS l ON l.order_id = o.id;
GO
REVERT;
EXECUTE AS USER = 'ben';
DELETE FROM dbo.orders WHERE id IN (1, 4);
INSERT dbo.orders (id, rep, amount) VALUES (6, 'anna', 60);
UPDATE dbo.orders SET rep = 'anna' WHERE id = 3;
SELECT id FROM dbo.orders;
INSERT dbo.orders (id, rep, amount) VALUES (1, 'ben', 1);
REVERT;
GO
EXECUTE AS USER = 'anna';
MERGE dbo.orders AS t USING (VALUES (1, 11), (3, 33), (7, 77)) AS s (id, amount) ON s.id = t.id
WHEN MATCHED THEN UPDATE SET amount = s.amount
WHEN NOT MATCHED THEN INSERT (id, rep, amount) VALUES (s.id, 'anna', s.amount)
WHEN NOT MATCHED BY SOURCE AND t.id < 5 THEN DELETE
OUTPUT $action, deleted.id, inserted.id AS now;
SELECT id, rep, amount FROM orders ORDER BY id;
DECLARE c CURSOR FOR SELECT id FROM dbo.orders ORDER BY id FOR UPDATE;
OPEN c;
FETCH NEXT FROM c;
UPDATE dbo.orders SET note = 'first' WHERE CURRENT OF c;
CLOSE c;
DEALLOCATE c;
SELECT id, note FROM dbo.orders WHERE note = 'first';
SELECT id, amount INTO #mine FROM dbo.orders;
SELECT COUNT(*) AS n FROM #mine;
-- foreign keys see all rows
INSERT dbo.lines VALUES (4, 1, 'saw');
INSERT dbo.lines VALUES (5, 99, 'saw');
REVERT;
GO
-- a policy whose function reads a table; nobody needs a permission on that
ALTER SECURITY POLICY rls.sales ALTER FILTER PREDICATE rls.by_staff(rep) ON dbo.orders;
INSERT dbo.orders (id, rep, amount) VALUES (20, 'ben', 2), (21, 'carl', 3);
GO
EXECUTE AS USER = 'ben';
SELECT id FROM dbo.orders ORDER BY id;
SELECT * FROM dbo.staff;
GO
REVERT;
EXECUTE AS USER = 'manager';
SELECT id, rep FROM dbo.orders ORDER BY id;
REVERT;
GO
ALTER SECURITY POLICY rls.sales WITH (STATE = OFF);
SELECT id, rep FROM dbo.orders ORDER BY id;
ALTER SECURITY POLICY rls.sales WITH (STATE = ON);
SELECT COUNT(*) AS n FROM dbo.orders;
BEGIN TRANSACTION;
DROP SECURITY POLICY rls.sales;
SELECT COUNT(*) AS n FROM dbo.orders;
ROLLBACK;
SELECT COUNT(*) AS n FROM dbo.orders;
GO
-- block predicates
ALTER SECURITY POLICY rls.sales
    ALTER FILTER PREDICATE rls.mine(rep) ON dbo.orders,
    ADD BLOCK PREDICATE rls.mine(rep) ON dbo.orders AFTER INSERT,
    ADD BLOCK PREDICATE rls.mine(rep) ON dbo.orders AFTER UPDATE;
GO
EXECUTE AS USER = 'anna';
INSERT dbo.orders (id, rep, amount) VALUES (30, 'anna', 1);
INSERT dbo.orders (id, rep, amount) VALUES (31, 'ben', 1);
GO
UPDATE dbo.orders SET rep = 'ben' WHERE id = 30;
GO
UPDATE dbo.orders SET amount = 5 WHERE id = 30;
INSERT dbo.orders (id, rep, amount) SELECT id + 100, CASE id WHEN 30 THEN 'ben' ELSE 'anna' END, 1 FROM dbo.orders;
GO
BEGIN TRANSACTION;
INSERT dbo.orders (id, rep, amount) VALUES (32, 'anna', 1);
BEGIN TRY
    INSERT dbo.big (id, rep, amount) VALUES (33, 'ben', 100);
END TRY
BEGIN CATCH
    SELECT ERROR_NUMBER() AS number, ERROR_MESSAGE() AS message;
END CATCH;
COMMIT;
SELECT id, rep, amount FROM dbo.orders ORDER BY id;
REVERT;
GO
-- AFTER UPDATE is about what the predicate reads
ALTER SECURITY POLICY rls.sales DROP FILTER PREDICATE ON dbo.orders;
EXECUTE AS USER = 'anna';
UPDATE dbo.orders SET amount = 8 WHERE rep = 'ben';
MERGE dbo.orders AS t USING (VALUES (20)) AS s (id) ON s.id = t.id WHEN MATCHED THEN UPDATE SET note = 'merged';
UPDATE dbo.orders SET rep = rep WHERE rep = 'ben';
GO
MERGE dbo.orders AS t USING (VALUES (20)) AS s (id) ON s.id = t.id WHEN MATCHED THEN UPDATE SET rep = 'carl';
GO
REVERT;
ALTER SECURITY POLICY rls.sales
    DROP BLOCK PREDICATE ON dbo.orders AFTER INSERT,
    DROP BLOCK PREDICATE ON dbo.orders AFTER UPDATE,
    ADD BLOCK PREDICATE rls.mine(rep) ON dbo.orders BEFORE UPDATE,
    ADD BLOCK PREDICATE rls.mine(rep) ON dbo.orders BEFORE DELETE;
GO
EXECUTE AS USER = 'anna';
SELECT COUNT(*) AS n FROM dbo.orders;
UPDATE dbo.orders SET amount = 0 WHERE rep = 'anna';
UPDATE dbo.orders SET amount = 0;
GO
DELETE dbo.orders WHERE rep = 'ben';
GO
MERGE dbo.orders AS t USING (VALUES (20)) AS s (id) ON s.id = t.id WHEN MATCHED THEN DELETE;
GO
DELETE dbo.orders WHERE id = 30;
REVERT;
GO
-- the session's context, by execution
CREATE FUNCTION rls.tenant(@tenant int) RETURNS TABLE WITH SCHEMABINDING
AS RETURN SELECT 1 AS ok WHERE @tenant = CAST(SESSION_CONTEXT(N'tenant') AS int);
GO
CREATE TABLE dbo.docs (id int IDENTITY PRIMARY KEY, tenant int NOT NULL DEFAULT CAST(SESSION_CONTEXT(N'tenant') AS int), body varchar(20), INDEX by_tenant (tenant));
CREATE SECURITY POLICY rls.tenants ADD FILTER PREDICATE rls.tenant(tenant) ON dbo.docs, ADD BLOCK PREDICATE rls.tenant(tenant) ON dbo.docs;
EXEC sp_set_session_context 'tenant', 1;
INSERT dbo.docs (body) VALUES ('one'), ('uno');
INSERT dbo.docs (tenant, body) VALUES (2, 'two');
GO
EXEC sp_set_session_context 'tenant', 2;
INSERT dbo.docs (body) OUTPUT inserted.* VALUES ('two');
SELECT * FROM dbo.docs;
EXEC sp_set_session_context 'tenant', 1;
SELECT * FROM dbo.docs;
EXEC sp_set_session_context 'tenant', NULL;
SELECT * FROM dbo.docs;
TRUNCATE TABLE dbo.docs;
GO
-- what there is
SELECT SCHEMA_NAME(schema_id) AS s, name, type, type_desc, is_enabled, is_not_for_replication, uses_database_collation, is_schema_bound FROM sys.security_policies ORDER BY name;
SELECT OBJECT_NAME(object_id) AS policy, security_predicate_id, OBJECT_NAME(target_object_id) AS target, predicate_definition, predicate_type, predicate_type_desc, operation, operation_desc
FROM sys.security_predicates ORDER BY 1, 2;
SELECT name, type, type_desc FROM sys.objects WHERE type = 'SP' ORDER BY name;
GO
-- what a policy holds
DROP FUNCTION rls.mine;
GO
DROP TABLE dbo.docs;
GO
ALTER TABLE dbo.docs DROP COLUMN tenant;
GO
ALTER TABLE dbo.docs ALTER COLUMN tenant bigint NOT NULL;
GO
ALTER TABLE dbo.docs ALTER COLUMN body varchar(40);
ALTER TABLE dbo.docs ADD more int NULL;
EXEC sp_rename 'dbo.docs.tenant', 'owner', 'COLUMN';
GO
EXEC sp_rename 'dbo.docs', 'papers';
GO
EXEC sp_rename 'rls.tenant', 'tenants_of';
GO
ALTER SCHEMA rls TRANSFER dbo.docs;
GO
ALTER FUNCTION rls.tenant(@tenant int) RETURNS TABLE WITH SCHEMABINDING AS RETURN SELECT 1 AS ok;
GO
DROP SCHEMA rls;
GO
-- mistakes
CREATE SECURITY POLICY rls.bad ADD FILTER PREDICATE rls.nosuch(rep) ON dbo.orders;
GO
CREATE SECURITY POLICY rls.bad ADD FILTER PREDICATE dbo.total() ON dbo.orders;
GO
CREATE SECURITY POLICY rls.bad ADD FILTER PREDICATE rls.mine(nosuch) ON dbo.orders WITH (STATE = OFF);
GO
CREATE SECURITY POLICY rls.bad ADD FILTER PREDICATE rls.mine(rep, id) ON dbo.orders WITH (STATE = OFF);
GO
CREATE SECURITY POLICY rls.bad ADD FILTER PREDICATE rls.mine(rep) ON dbo.nosuch;
GO
CREATE SECURITY POLICY rls.bad ADD FILTER PREDICATE rls.mine(rep) ON #t;
GO
CREATE SECURITY POLICY rls.bad ADD FILTER PREDICATE rls.mine(rep) ON orders;
GO
CREATE SECURITY POLICY rls.bad ADD FILTER PREDICATE rls.mine(rep) ON dbo.big;
GO
CREATE SECURITY POLICY rls.bad ADD FILTER PREDICATE rls.mine(rep) ON dbo.orders AFTER INSERT;
GO
CREATE SECURITY POLICY rls.bad ADD FILTER PREDICATE rls.mine(rep) ON dbo.orders, ADD FILTER PREDICATE rls.mine(note) ON dbo.orders;
GO
CREATE SECURITY POLICY rls.bad ADD FILTER PREDICATE rls.mine(rep) ON dbo.orders WITH (STATE = ON);
GO
CREATE SECURITY POLICY rls.sales;
GO
CREATE SECURITY POLICY nosuch.bad;
GO
ALTER SECURITY POLICY rls.nosuch WITH (STATE = ON);
GO
ALTER SECURITY POLICY dbo.orders WITH (STATE = ON);
GO
ALTER SECURITY POLICY rls.sales DROP FILTER PREDICATE ON dbo.orders;
GO
ALTER SECURITY POLICY rls.sales ADD BLOCK PREDICATE rls.mine(rep) ON dbo.orders;
GO
ALTER SECURITY POLICY rls.sales WITH (SCHEMABINDING = OFF);
GO
DROP SECURITY POLICY rls.nosuch;
GO
DROP SECURITY POLICY IF EXISTS rls.nosuch;
GO
DECLARE @x int = 1;
CREATE SECURITY POLICY rls.bad ADD FILTER PREDICATE rls.mine(@x) ON dbo.orders;
GO
CREATE FUNCTION rls.unbound(@rep sysname) RETURNS TABLE AS RETURN SELECT 1 AS ok WHERE @rep = USER_NAME();
GO
CREATE SECURITY POLICY rls.bad ADD FILTER PREDICATE rls.unbound(name) ON dbo.staff;
GO
-- not bound: who reads needs the function, and it may go
CREATE SECURITY POLICY rls.loose ADD FILTER PREDICATE rls.unbound(name) ON dbo.staff WITH (SCHEMABINDING = OFF) NOT FOR REPLICATION;
GRANT SELECT ON dbo.staff TO anna;
GO
EXECUTE AS USER = 'anna';
SELECT name FROM dbo.staff;
GO
REVERT;
GRANT SELECT ON rls.unbound TO anna;
EXECUTE AS USER = 'anna';
SELECT name FROM dbo.staff;
REVERT;
GO
ALTER FUNCTION rls.unbound(@rep sysname) RETURNS TABLE AS RETURN SELECT 1 AS ok WHERE @rep <> USER_NAME();
GO
EXECUTE AS USER = 'anna';
SELECT name FROM dbo.staff;
REVERT;
DROP FUNCTION rls.unbound;
GO
SELECT name FROM dbo.staff;
GO
DROP TABLE dbo.staff;
GO
DROP SECURITY POLICY rls.loose;
SELECT name FROM dbo.staff ORDER BY name;
GO
-- who may
GRANT CREATE TABLE TO ben;
EXECUTE AS USER = 'ben';
CREATE SECURITY POLICY rls.bad ADD FILTER PREDICATE rls.mine(rep) ON dbo.orders;
GO
ALTER SECURITY POLICY rls.sales WITH (STATE = OFF);
GO
DROP SECURITY POLICY rls.sales;
GO
REVERT;
GRANT ALTER ANY SECURITY POLICY TO ben;
EXECUTE AS USER = 'ben';
CREATE SECURITY POLICY rls.bad ADD FILTER PREDICATE rls.mine(body) ON dbo.docs WITH (STATE = OFF);
GO
DROP SECURITY POLICY rls.sales;
GO
REVERT;
GRANT ALTER ON SCHEMA::rls TO ben;
EXECUTE AS USER = 'ben';
CREATE SECURITY POLICY rls.bad ADD FILTER PREDICATE rls.mine(body) ON dbo.docs WITH (STATE = OFF);
GO
REVERT;
GRANT REFERENCES (body) ON dbo.docs TO ben;
EXECUTE AS USER = 'ben';
CREATE SECURITY POLICY rls.bad ADD FILTER PREDICATE rls.mine(body) ON dbo.docs WITH (STATE = OFF);
GO
REVERT;
GRANT SELECT ON rls.mine TO ben;
EXECUTE AS USER = 'ben';
CREATE SECURITY POLICY rls.bad ADD FILTER PREDICATE rls.mine(body) ON dbo.docs WITH (STATE = OFF);
GO
REVERT;
GRANT REFERENCES ON rls.mine TO ben;
EXECUTE AS USER = 'ben';
CREATE SECURITY POLICY rls.bad ADD FILTER PREDICATE rls.mine(body) ON dbo.docs WITH (STATE = OFF);
DROP SECURITY POLICY rls.bad;
ALTER SECURITY POLICY rls.sales WITH (STATE = OFF);
REVERT;
GO
-- a filter on a view, and a policy on a table that the view reads
CREATE VIEW dbo.bound_orders WITH SCHEMABINDING AS SELECT id, rep, amount FROM dbo.orders;
GO
CREATE SECURITY POLICY rls.on_view ADD FILTER PREDICATE rls.mine(rep) ON dbo.bound_orders;
GRANT SELECT, UPDATE ON dbo.bound_orders TO ben;
EXECUTE AS USER = 'ben';
SELECT id, rep FROM dbo.bound_orders ORDER BY id;
UPDATE dbo.bound_orders SET amount = 9;
REVERT;
GO
ALTER SECURITY POLICY rls.on_view ADD BLOCK PREDICATE rls.mine(rep) ON dbo.bound_orders;
GO
-- OUTPUT INTO does not go round a block predicate
CREATE SECURITY POLICY rls.staff ADD BLOCK PREDICATE rls.mine(name) ON dbo.staff AFTER INSERT;
DELETE dbo.lines OUTPUT deleted.product INTO dbo.staff (name) WHERE id = 2;
GO
-- conditions that can fail do not meet rows that are hidden, whatever SQLite makes of the query
CREATE TABLE dbo.texts (id int PRIMARY KEY, who sysname, body varchar(20), n int);
INSERT dbo.texts VALUES (1, 'anna', 'hidden', 0), (2, 'dbo', '5', 1), (3, 'dbo', '6', 2);
CREATE TABLE dbo.shown (who sysname PRIMARY KEY);
INSERT dbo.shown VALUES ('dbo');
GO
CREATE FUNCTION rls.shown(@who sysname) RETURNS TABLE WITH SCHEMABINDING AS RETURN SELECT 1 AS ok FROM dbo.shown AS s WHERE s.who = @who;
GO
CREATE VIEW dbo.inverses AS SELECT id, CAST(body AS int) AS number, 6 / n AS inverse FROM dbo.texts;
GO
CREATE SECURITY POLICY rls.texts ADD FILTER PREDICATE rls.shown(who) ON dbo.texts;
SELECT id FROM dbo.texts WHERE CAST(body AS int) > 0 ORDER BY id;
SELECT id FROM dbo.texts WHERE id < 3 AND 6 / n > 1;
SELECT id FROM dbo.inverses WHERE number > 0 AND inverse > 4;
SELECT id FROM (SELECT id, body FROM dbo.texts WHERE id > 0) AS q WHERE CAST(body AS int) = 6;
SELECT a.id, b.id AS other FROM dbo.texts AS a LEFT JOIN dbo.texts AS b ON 12 / b.n = CAST(a.body AS int) + 1 ORDER BY a.id;
WITH c AS (SELECT * FROM dbo.texts) SELECT x.id FROM c AS x JOIN c AS y ON 6 / x.n = 6 / y.n WHERE EXISTS (SELECT 1 FROM c AS z WHERE 6 / z.n = 6 / x.n) ORDER BY x.id;
SELECT s.who FROM dbo.shown AS s WHERE EXISTS (SELECT 1 FROM dbo.texts AS t WHERE t.who = s.who AND CAST(t.body AS int) = 5);
UPDATE dbo.texts SET n = n WHERE 6 / n > 0;
DELETE dbo.texts WHERE CAST(body AS int) = 7;
MERGE dbo.texts AS t USING (VALUES (5)) AS s (v) ON CAST(t.body AS int) = s.v WHEN MATCHED THEN UPDATE SET n = 9 OUTPUT inserted.id;
GO
-- errors quote no values of rows that may be hidden
INSERT dbo.shown VALUES ('anna');
SELECT id FROM dbo.texts WHERE CAST(body AS int) > 0;
GO
INSERT dbo.shown SELECT TOP 1 CAST(body AS int) FROM dbo.texts ORDER BY id;
GO
