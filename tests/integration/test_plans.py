"""Statements that ran before, among random DDL of another session: each does what the same statement with another comment, which
nobody has compiled yet, does just then. Their changes are rolled back, so both meet the same rows.

QUIRE_TEST_SEED replays the choices.
"""
import os
import random
import time
import unittest

import server

SECONDS = 60 if os.environ.get("QUIRE_TEST_ALL") else 4
TABLES = {"t": ("k", "v"), "c": ("a", "z"), "g": ("b", "y")}  # and their columns: the key, a number
SETUP = """CREATE SCHEMA other
GO
CREATE TABLE t (k int NOT NULL PRIMARY KEY, v int, n varchar(20)); INSERT t VALUES (1, 0, 'a'), (2, 5, 'b'), (3, 7, 'c'), (4, 4, NULL)
CREATE TABLE c (a int NOT NULL PRIMARY KEY, z int); INSERT c VALUES (1, 1), (2, 2), (3, 2)
CREATE TABLE g (b int NOT NULL PRIMARY KEY, y int); INSERT g VALUES (1, 3), (2, 4)
CREATE TABLE fired (n int); INSERT fired VALUES (0)
CREATE TABLE merged (x varchar(10), y int)"""
ALL_ROWS = """SELECT (SELECT CONCAT(COUNT(*), ' ', SUM(k), ' ', SUM(v)) FROM t), (SELECT SUM(n) FROM fired),
    (SELECT CONCAT(COUNT(*), ' ', SUM(a), ' ', SUM(z)) FROM c), (SELECT CONCAT(COUNT(*), ' ', SUM(b), ' ', SUM(y)) FROM g)"""
STATEMENTS = """UPDATE t SET v = v + 1 WHERE k = 1
UPDATE t SET v = v + 1
UPDATE t SET k = k + 10 WHERE k = 2
UPDATE t SET n = REPLICATE('x', 7) WHERE k = 1
DELETE t WHERE k = 2
DELETE t
DELETE t FROM t JOIN c ON a = k WHERE z = 2
WITH q AS (SELECT TOP 1 * FROM t ORDER BY k) DELETE FROM q
INSERT t (k) VALUES (50)
INSERT t (k, v) SELECT a + 60, z FROM c
INSERT c VALUES (4, 1)
INSERT c (a) VALUES (77)
UPDATE c SET a = a + 20 WHERE a = 1
DELETE c WHERE a = 1
TRUNCATE TABLE c
DELETE g
INSERT g VALUES (3, 3)
INSERT g (b) VALUES (99)
INSERT fired SELECT SUM(y) FROM g
MERGE t USING c ON t.k = c.a WHEN MATCHED THEN UPDATE SET v = z WHEN NOT MATCHED BY SOURCE THEN DELETE;
MERGE c USING (VALUES (1, 9), (4, 4)) s(a, z) ON c.a = s.a WHEN MATCHED THEN UPDATE SET z = s.z WHEN NOT MATCHED THEN INSERT VALUES (s.a, s.z) OUTPUT $action, inserted.a INTO merged(x, y);
SELECT * FROM t ORDER BY 1
SELECT n FROM t ORDER BY k
SELECT k, (SELECT COUNT(*) FROM c WHERE a = k) FROM t ORDER BY 1
SELECT z + k FROM c JOIN t ON a = k ORDER BY 1
SELECT * FROM seen ORDER BY 1
UPDATE seen SET v = v + 1
INSERT seen VALUES (70, 1)
SELECT dbo.plus(k) FROM t ORDER BY k
SELECT k FROM keys() ORDER BY k
EXEC inner_one
EXEC outer_one
SELECT COUNT(*) FROM synonym_of
SELECT COUNT(*) FROM other.t
DECLARE @x rows_of; INSERT @x (a) VALUES (1); SELECT * FROM @x
IF EXISTS (SELECT * FROM t WHERE v > 5) SELECT 1 ELSE SELECT 2
DECLARE @i int = (SELECT SUM(v) FROM t); SELECT @i
SELECT name, system_type_id FROM sys.columns WHERE object_id = OBJECT_ID('t') ORDER BY column_id""".split("\n")
DROP_COLUMN = """DECLARE @d sysname = (SELECT name FROM sys.default_constraints WHERE parent_object_id = OBJECT_ID('{0}') AND
    parent_column_id = COLUMNPROPERTY(OBJECT_ID('{0}'), '{1}', 'ColumnId'))
IF @d IS NOT NULL EXEC('ALTER TABLE {0} DROP CONSTRAINT [' + @d + ']')
ALTER TABLE {0} DROP COLUMN IF EXISTS {1}"""


def ddl(choice):
    """One of what is hung on tables, or changes them; it may fail."""
    t = choice.choice(list(TABLES))
    key, number = TABLES[t]
    n, some = choice.randrange(3), choice.randrange(9)
    event = choice.choice(["INSERT", "UPDATE", "DELETE"])
    cascade = choice.choice(["", "ON DELETE CASCADE", "ON UPDATE CASCADE", "ON DELETE CASCADE ON UPDATE CASCADE"])
    return choice.choice([
        f"CREATE OR ALTER TRIGGER after{n}_{t} ON {t} AFTER {event} AS UPDATE fired SET n = n + {some}",
        f"CREATE OR ALTER TRIGGER after{n}_{t} ON {t} AFTER INSERT, UPDATE, DELETE AS UPDATE fired SET n = n + {some}",
        f"DROP TRIGGER IF EXISTS after{n}_{t}",
        f"CREATE OR ALTER TRIGGER instead_{t} ON {t} INSTEAD OF {event} AS UPDATE fired SET n = n + 100",
        f"DROP TRIGGER IF EXISTS instead_{t}",
        f"{choice.choice(['ENABLE', 'DISABLE'])} TRIGGER ALL ON {t}",
        f"ALTER TABLE c WITH NOCHECK ADD CONSTRAINT fc FOREIGN KEY (a) REFERENCES t (k) {cascade}",
        "ALTER TABLE c DROP CONSTRAINT IF EXISTS fc",
        f"ALTER TABLE g WITH NOCHECK ADD CONSTRAINT fg FOREIGN KEY (b) REFERENCES c (a) {cascade}",
        "ALTER TABLE g DROP CONSTRAINT IF EXISTS fg",
        f"ALTER TABLE {t} {choice.choice(['NOCHECK', 'CHECK'])} CONSTRAINT ALL",
        f"ALTER TABLE {t} WITH NOCHECK ADD CONSTRAINT check_{t} CHECK ({number} < {3 + 2 * some})",
        f"ALTER TABLE {t} DROP CONSTRAINT IF EXISTS check_{t}",
        f"ALTER TABLE {t} ADD CONSTRAINT default_{t} DEFAULT {some} FOR {number}",
        f"ALTER TABLE {t} DROP CONSTRAINT IF EXISTS default_{t}",
        f"ALTER TABLE {t} ADD x{n} int {choice.choice(['NULL', 'NOT NULL DEFAULT 4'])}",
        DROP_COLUMN.format(t, f"x{n}"),
        f"ALTER TABLE {t} ADD computed AS {number} * {some}",
        f"ALTER TABLE {t} DROP COLUMN IF EXISTS computed",
        f"CREATE {choice.choice(['', 'UNIQUE'])} INDEX ix{n} ON {t} ({number})",
        f"DROP INDEX IF EXISTS ix{n} ON {t}",
        f"CREATE OR ALTER VIEW seen AS SELECT {key} AS k, {number} AS v FROM {t} WHERE {number} >= {some // 2} "
        + choice.choice(["", "WITH CHECK OPTION"]),
        f"CREATE OR ALTER FUNCTION plus(@a int) RETURNS int AS BEGIN RETURN @a + {some} END",
        f"CREATE OR ALTER FUNCTION keys() RETURNS TABLE AS RETURN SELECT {key} AS k FROM {t}",
        f"CREATE OR ALTER PROC inner_one AS BEGIN UPDATE {t} SET {number} = {number} + 1; SELECT @@ROWCOUNT END",
        "CREATE OR ALTER PROC outer_one AS EXEC inner_one",
        f"DROP SYNONYM IF EXISTS synonym_of; CREATE SYNONYM synonym_of FOR {t}",
        "DROP TABLE IF EXISTS other.t " + choice.choice(["", "CREATE TABLE other.t (k int)"]),
        "EXEC sp_rename 't.n', 'renamed', 'COLUMN'",
        "EXEC sp_rename 't.renamed', 'n', 'COLUMN'",
        f"ALTER TABLE t ALTER COLUMN n varchar({choice.choice([1, 5, 40])})",
        f"ALTER TABLE c ALTER COLUMN z {choice.choice(['bigint', 'int', 'smallint'])}",
        f"DROP TABLE g; CREATE TABLE g (b int NOT NULL PRIMARY KEY, y {choice.choice(['int', 'bigint'])}); INSERT g VALUES (1, 3), (2, 4)",
        f"IF TYPE_ID('rows_of') IS NOT NULL DROP TYPE rows_of; CREATE TYPE rows_of AS TABLE (a int, b int DEFAULT {some})",
    ])


def outcome(connection, text):
    """Rows, errors, and the tables then; rolled back."""
    def said(batch):
        reply = connection.batch(batch)
        return [tuple(event) for kind, event in reply.events if kind == "row"], [e.number for e in reply.errors]
    connection.execute("BEGIN TRAN")
    found = said(text), said("SELECT XACT_STATE()")
    rows = said(ALL_ROWS) if found[1] != ([(-1,)], []) else None
    connection.execute("IF @@TRANCOUNT > 0 ROLLBACK")
    return found, rows


class Plans(unittest.TestCase):
    def test_a_plan_does_what_a_new_one_would(self):
        seed = int(os.environ.get("QUIRE_TEST_SEED") or random.SystemRandom().getrandbits(32))
        print(f"QUIRE_TEST_SEED={seed}", flush=True)
        choice = random.Random(seed)
        with server.Server() as quired:
            with quired.connect() as master:
                master.execute("CREATE DATABASE d")
            with quired.connect("d") as one, quired.connect("d") as other:
                for batch in SETUP.split("\nGO\n"):
                    other.execute(batch)
                count, done, refused = 0, [], 0
                until = time.monotonic() + SECONDS
                while time.monotonic() < until:
                    done.append(ddl(choice))
                    refused += bool(other.batch(done[-1]).errors)
                    for text in choice.sample(STATEMENTS, 6):
                        count += 1
                        self.assertEqual(outcome(one, text), outcome(one, f"{text} --{count}"), (text, done[-8:]))
        self.assertGreater(len(done), 3 * refused)
        print(f"{count} statements, {len(done)} changes of the tables", flush=True)


if __name__ == "__main__":
    unittest.main()
