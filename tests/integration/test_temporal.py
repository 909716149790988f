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
