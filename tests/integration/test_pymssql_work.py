"""pymssql at work: bulk copy, cancel, time-out, threads."""
import os
import tempfile
import threading
import time
import unittest

import clients
import server

try:
    import pymssql
except ImportError:
    pymssql = None

ROWS = 1_000_000 if os.environ.get("QUIRE_TEST_ALL") else 20_000


@unittest.skipIf(pymssql is None, "pymssql is not installed")
class PymssqlAtWork(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.quired = server.Server().start()
        cls.quired.create_database("d")
        cls.folder = tempfile.TemporaryDirectory()
        cls.configuration = clients.freetds_env(cls.folder.name, cls.quired)["FREETDSCONF"]
        os.environ["FREETDSCONF"] = cls.configuration

    @classmethod
    def tearDownClass(cls):
        del os.environ["FREETDSCONF"]
        cls.folder.cleanup()
        cls.quired.stop()
        cls.quired.remove()

    def connect(self, database="d", **more):
        more.setdefault("user", server.ADMIN)
        more.setdefault("password", self.quired.password)
        return pymssql.connect(server=self.quired.host, port=str(self.quired.port),
                               database=database, charset="UTF-8", **more)

    def setUp(self):
        self.connection = self.connect()
        self.cursor = self.connection.cursor()

    def tearDown(self):
        self.connection.close()

    def test_parameters_are_values_and_no_text(self):
        evil = "x'; DROP TABLE every; --ä%"
        self.cursor.execute("SELECT %s AS s, %d AS n, %s AS nothing", (evil, 7, None))
        self.assertEqual(self.cursor.fetchall(), [(evil, 7, None)])
        self.cursor.execute("CREATE TABLE many (id int, name nvarchar(50))")
        self.cursor.executemany("INSERT many VALUES (%d, %s)", [(n, f"nämé {n}") for n in range(50)])
        self.cursor.execute("SELECT COUNT(*), MAX(name) FROM many WHERE id > %s", (9,))
        self.assertEqual(self.cursor.fetchall(), [(40, "nämé 49")])

    def test_bulk_copy(self):
        self.cursor.execute("CREATE TABLE copied (id int NOT NULL PRIMARY KEY, "
                            "name varchar(40), f float)")
        self.connection.commit()
        self.connection.bulk_copy("copied", [(n, f"row {n}", n / 2) for n in range(ROWS)])
        self.connection.commit()
        self.cursor.execute("SELECT COUNT(*), SUM(CAST(id AS bigint)), MAX(f) FROM copied")
        self.assertEqual(self.cursor.fetchall(), [(ROWS, ROWS * (ROWS - 1) // 2, (ROWS - 1) / 2)])

    def test_a_cancelled_query_leaves_connection_and_transaction(self):
        self.cursor.execute("CREATE TABLE cancelled (id int)")
        self.connection.commit()
        self.cursor.execute("INSERT cancelled VALUES (1)")
        self.cursor.execute("SELECT a.object_id FROM sys.all_columns a, sys.all_columns b")
        self.cursor.fetchone()
        self.connection._conn.cancel()
        self.cursor = self.connection.cursor()
        self.cursor.execute("SELECT @@TRANCOUNT, (SELECT COUNT(*) FROM cancelled)")
        self.assertEqual(self.cursor.fetchall(), [(1, 1)])
        self.connection.rollback()
        self.cursor.execute("SELECT COUNT(*) FROM cancelled")
        self.assertEqual(self.cursor.fetchall(), [(0,)])

    def test_a_query_that_takes_longer_than_its_timeout_is_stopped(self):
        """FreeTDS has one time-out for all connections of a process."""
        self.addCleanup(lambda: self.connect(timeout=3600).close())
        with self.connect(timeout=1) as connection, connection.cursor() as cursor:
            start = time.monotonic()
            with self.assertRaises(pymssql.Error):
                cursor.execute("WAITFOR DELAY '00:01:00'")
            self.assertLess(time.monotonic() - start, 30)

    def test_connections_in_threads(self):
        answers = []

        def work(number):
            with self.connect() as connection, connection.cursor() as cursor:
                for n in range(20):
                    cursor.execute("SELECT %d", (number * 100 + n,))
                    answers.append(cursor.fetchone()[0])

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(answers), [a * 100 + b for a in range(4) for b in range(20)])


if __name__ == "__main__":
    unittest.main()
