"""System-versioned tables: their versions outlive restarts, crashes, copies and replicas, in both
editions; rights to the past; what bulk loads may give."""
import threading
import unittest

import server
import tds
from test_replicas import ANNOUNCED, connect_patiently, wait_for

TABLE = """CREATE TABLE t (id int NOT NULL PRIMARY KEY, v int NOT NULL,
    b datetime2 GENERATED ALWAYS AS ROW START HIDDEN NOT NULL,
    e datetime2 GENERATED ALWAYS AS ROW END HIDDEN NOT NULL, PERIOD FOR SYSTEM_TIME (b, e))
    WITH (SYSTEM_VERSIONING = ON (HISTORY_TABLE = dbo.h))"""
ALL_VERSIONS = "SELECT id, v FROM t FOR SYSTEM_TIME ALL ORDER BY id, v"
# pairs of versions of a row that were valid at one time
OVERLAPS = """SELECT COUNT(*) FROM t FOR SYSTEM_TIME ALL x JOIN t FOR SYSTEM_TIME ALL y
    ON x.id = y.id AND x.b < y.b AND y.b < x.e"""
EDITIONS = {"files": "", "hyperscale": " (EDITION = 'Hyperscale', SERVICE_OBJECTIVE = 'HS_Gen5_2')"}

# FOR SYSTEM_TIME of a table or view, and what must be true of the versions that it gives
PAST = (("dbo.p FOR SYSTEM_TIME ALL", "1 = 1"),
        ("dbo.p FOR SYSTEM_TIME AS OF '2024-02-10'", "b <= '2024-02-10' AND e > '2024-02-10'"),
        ("dbo.p FOR SYSTEM_TIME FROM @a TO @z", "b < @z AND e > @a"),
        ("dbo.p FOR SYSTEM_TIME BETWEEN @a AND @z", "b <= @z AND e > @a"),
        ("dbo.p FOR SYSTEM_TIME CONTAINED IN (@a, @z)", "b >= @a AND e <= @z"),
        ("dbo.w FOR SYSTEM_TIME AS OF @a", "b <= @a AND e > @a"))
QUERIES = (
    "SELECT x.id, x.v FROM {} AS x", "SELECT x.* FROM {} AS x",
    "SELECT y.id, x.v FROM dbo.o AS y LEFT JOIN {} AS x ON x.id = y.id",
    "SELECT y.id, x.v FROM {} AS x RIGHT JOIN dbo.o AS y ON x.id = y.id",
    "SELECT y.id, x.v FROM {} AS x FULL JOIN dbo.o AS y ON x.id = y.id AND x.v > 10",
    "SELECT y.id, z.v FROM dbo.o AS y CROSS APPLY (SELECT TOP 1 x.v FROM {} AS x WHERE x.id = y.id ORDER BY x.v DESC) AS z",
    "SELECT y.id, z.v FROM dbo.o AS y OUTER APPLY (SELECT x.v FROM {} AS x WHERE x.id = y.id + 1) AS z",
    "SELECT y.id, x.v FROM dbo.o AS y CROSS APPLY {} AS x WHERE x.id = y.id",
    "SELECT y.id FROM dbo.o AS y WHERE EXISTS (SELECT 1 FROM {} AS x WHERE x.id = y.id AND x.v > 15)",
    "SELECT y.id FROM dbo.o AS y WHERE y.id NOT IN (SELECT x.id FROM {} AS x)",
    "SELECT (SELECT MAX(x.v) FROM {} AS x WHERE x.id = y.id) FROM dbo.o AS y",
    "SELECT x.n, COUNT(*), SUM(x.v) FROM {} AS x GROUP BY x.n",
    "SELECT x.id, ROW_NUMBER() OVER (PARTITION BY x.id ORDER BY x.v) FROM {} AS x",
    "SELECT l.id, r.v FROM {} AS l JOIN {} AS r ON l.id = r.id AND l.v < r.v",
    "SELECT id FROM dbo.o UNION ALL SELECT x.id FROM {} AS x RIGHT JOIN dbo.o AS y ON y.id = x.id",
    "SELECT * FROM (SELECT x.id, x.v FROM {} AS x) AS q PIVOT (MAX(v) FOR id IN ([1], [2], [3])) AS p")


def fill(connection):
    connection.execute(TABLE)
    connection.execute("INSERT t (id, v) VALUES (1, 0), (2, 0)")
    connection.execute("UPDATE t SET v = 1 WHERE id = 1")
    connection.execute("DELETE t WHERE id = 2")


class Editions(unittest.TestCase):
    def check(self, connection, extra=()):
        self.assertEqual(connection.execute(ALL_VERSIONS), sorted([(1, 0), (1, 1), (2, 0), *extra]))
        self.assertEqual(connection.execute("SELECT * FROM t"), [(1, 1)])
        self.assertEqual(connection.execute(
            "SELECT temporal_type, OBJECT_NAME(history_table_id) FROM sys.tables ORDER BY 1"),
            [(1, None), (2, "h")])
        self.assertEqual(connection.batch("DELETE h").errors[0].number, 13560)
        self.assertEqual(connection.batch("DBCC CHECKDB").errors, [])

    def test_versions_outlive_a_crash_and_copies(self):
        for name, edition in EDITIONS.items():
            with self.subTest(name), server.Server(announced=ANNOUNCED) as quired:
                with quired.connect() as master:
                    master.execute("CREATE DATABASE d" + edition)
                with connect_patiently(quired, "d") as connection:
                    fill(connection)
                    connection.execute("BEGIN TRAN; UPDATE t SET v = 9")  # nobody commits it
                    quired.kill()
                quired.restart()
                with connect_patiently(quired, "d") as connection:
                    self.check(connection)
                with quired.connect() as master:
                    master.execute("CREATE DATABASE c AS COPY OF d")
                with connect_patiently(quired, "c") as copy:
                    self.check(copy)
                    copy.execute("INSERT t (id, v) VALUES (3, 5)")
                    copy.execute("DELETE t WHERE id = 3")
                    self.check(copy, [(3, 5)])
                with connect_patiently(quired, "d") as connection:
                    self.check(connection)

    def test_a_replica_reads_the_past(self):
        with server.Server(announced=ANNOUNCED) as quired, quired.connect() as master:
            master.execute("CREATE DATABASE d" + EDITIONS["hyperscale"])
            with connect_patiently(quired, "d") as primary:
                fill(primary)
                master.execute("ALTER DATABASE d ADD SECONDARY ON SERVER server01 WITH "
                               "(SERVICE_OBJECTIVE = 'HS_Gen5_2', SECONDARY_TYPE = Named, DATABASE_NAME = [r])")
                with connect_patiently(quired, "r") as replica:
                    wait_for(lambda: replica.execute(ALL_VERSIONS) == [(1, 0), (1, 1), (2, 0)])
                    primary.execute("UPDATE t SET v = 2; ALTER TABLE t ADD w int NULL")
                    wait_for(lambda: replica.batch("SELECT w FROM h").errors == [])
                    wait_for(lambda: replica.execute(ALL_VERSIONS) == [(1, 0), (1, 1), (1, 2), (2, 0)])

    def test_a_database_moves_to_hyperscale_and_back(self):
        with server.Server(announced=ANNOUNCED) as quired, quired.connect() as master:
            master.execute("CREATE DATABASE d")
            with connect_patiently(quired, "d") as connection:
                fill(connection)
            for options in ("EDITION = 'Hyperscale', SERVICE_OBJECTIVE = 'HS_Gen5_2'",
                            "EDITION = 'GeneralPurpose'"):
                master.execute(f"ALTER DATABASE d MODIFY ({options})")
                edition = options.split("'")[1]
                wait_for(lambda: master.execute("SELECT DATABASEPROPERTYEX('d', 'Edition')") == [(edition,)])
                with connect_patiently(quired, "d") as connection:
                    self.check(connection)


class Queries(unittest.TestCase):
    def test_the_past_is_the_rows_of_both_tables(self):
        with server.Server() as quired:
            quired.create_database("d")
            with quired.connect("d") as connection:
                columns = "(id int NOT NULL{}, v int NOT NULL, n nvarchar(9) NULL, b datetime2 NOT NULL, e datetime2 NOT NULL)"
                for batch in (
                        "CREATE TABLE o (id int PRIMARY KEY); INSERT o VALUES (0), (1), (2), (3), (4)",
                        "CREATE TABLE p " + columns.format(" PRIMARY KEY"), "CREATE TABLE ph " + columns.format(""),
                        "INSERT p VALUES (1, 30, N'bob', '2024-03-01', '9999-12-31 23:59:59.9999999'), "
                        "(2, 5, N'Bea', '2024-02-01', '9999-12-31 23:59:59.9999999')",
                        "INSERT ph VALUES (1, 10, N'Bo', '2024-01-01', '2024-02-01'), "
                        "(1, 20, N'BOB', '2024-02-01', '2024-03-01'), (3, 7, NULL, '2024-01-01', '2024-01-15')",
                        "ALTER TABLE p ADD PERIOD FOR SYSTEM_TIME (b, e)",
                        "ALTER TABLE p SET (SYSTEM_VERSIONING = ON (HISTORY_TABLE = dbo.ph))",
                        "CREATE VIEW w AS SELECT * FROM p"):
                    connection.execute(batch)
                times = "DECLARE @a datetime2 = '2024-01-10', @z datetime2 = '2024-02-01'; "
                some = 0
                for past, condition in PAST:
                    both = f"(SELECT * FROM p WHERE {condition} UNION ALL SELECT * FROM ph WHERE {condition})"
                    for query in QUERIES:
                        got, want = (sorted(connection.execute(times + query.replace("{}", source)), key=repr)
                                     for source in (past, both))
                        self.assertEqual(got, want, (past, query))
                        some += bool(want)
                self.assertGreater(some, 70)


class Work(unittest.TestCase):
    def test_who_works_at_once_leaves_a_history_without_gaps(self):
        """Statements of their own, transactions and roll-backs on the same few rows."""
        with server.Server() as quired:
            quired.create_database("d")
            with quired.connect("d") as connection:
                connection.execute(TABLE)
                connection.execute("INSERT t (id, v) SELECT value, 0 FROM GENERATE_SERIES(1, 8)")
            done, lock = [0], threading.Lock()

            def work(number):
                with quired.connect("d") as mine:
                    for i in range(60):
                        change = f"UPDATE t SET v = v + 1 WHERE id = {(number + i) % 8 + 1}"
                        if i % 3 == 0:
                            answer = mine.batch(change)
                            self.assertEqual(answer.errors, [])
                        else:
                            answer = mine.batch(f"BEGIN TRAN; {change}; {'COMMIT' if i % 3 == 1 else 'ROLLBACK'}")
                            self.assertLessEqual({e.number for e in answer.errors}, {13535, 3621})
                        with lock:
                            done[0] += not answer.errors and i % 3 != 2
            workers = [threading.Thread(target=work, args=(n,)) for n in range(6)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            with quired.connect("d") as connection:
                self.assertEqual(connection.execute("SELECT SUM(v), (SELECT COUNT(*) FROM h) FROM t"),
                                 [(done[0], done[0])])
                self.assertEqual(connection.execute(OVERLAPS), [(0,)])
                self.assertEqual(connection.execute(  # each version begins where the one before ended
                    "SELECT COUNT(*) FROM (SELECT b, LAG(e) OVER (PARTITION BY id ORDER BY b, v) p FROM "
                    "t FOR SYSTEM_TIME ALL) q WHERE p <> b"), [(0,)])
                connection.execute("ALTER TABLE t SET (SYSTEM_VERSIONING = OFF)")
                connection.execute("ALTER TABLE t SET (SYSTEM_VERSIONING = ON (HISTORY_TABLE = dbo.h))")

    def test_a_bulk_load_begins_versions_and_gives_none(self):
        with server.Server() as quired:
            quired.create_database("d")
            with quired.connect("d") as connection:
                connection.execute(TABLE)
                connection.bulk_load("t", [("id", "int"), ("v", "int")], [(i, i) for i in range(50)])
                connection.execute("UPDATE t SET v = v + 1 WHERE id < 10")
                self.assertEqual(connection.execute(
                    "SELECT COUNT(*), COUNT(DISTINCT b), MIN(e) FROM t FOR SYSTEM_TIME ALL WHERE e > '9999'")[0][:2],
                    (50, 2))
                for table, columns, number in (("h", [("id", "int"), ("v", "int")], 13559),
                                               ("t", [("id", "int"), ("b", "varchar(30)")], 13536)):
                    with self.assertRaises(tds.Failed) as failed:
                        connection.bulk_load(table, columns, [(77, 7 if table == "h" else "2020-01-01")])
                    self.assertEqual([e.number for e in failed.exception.messages][:1], [number])

    def test_the_past_is_for_who_may_read_both(self):
        with server.Server() as quired:
            quired.create_database("d")
            with quired.connect("d") as connection:
                fill(connection)
                connection.execute("CREATE USER u WITHOUT LOGIN; GRANT SELECT, UPDATE ON t TO u")
                connection.execute("EXECUTE AS USER = 'u'")
                connection.execute("UPDATE t SET v = 2")  # it writes the history all the same
                self.assertEqual([e.number for e in connection.batch(ALL_VERSIONS).errors], [229])
                connection.execute("REVERT; GRANT SELECT ON h TO u; EXECUTE AS USER = 'u'")
                self.assertEqual(len(connection.execute(ALL_VERSIONS)), 4)
                # who may alter a table may not make another's his history
                connection.execute("REVERT; CREATE TABLE s (id int NOT NULL, v int NOT NULL, b datetime2 NOT NULL, "
                                   "e datetime2 NOT NULL); GRANT ALTER ON t TO u")
                connection.execute("ALTER TABLE t SET (SYSTEM_VERSIONING = OFF); EXECUTE AS USER = 'u'")
                self.assertEqual([e.number for e in connection.batch(
                    "ALTER TABLE t SET (SYSTEM_VERSIONING = ON (HISTORY_TABLE = dbo.s))").errors], [13538])


if __name__ == "__main__":
    unittest.main()
