"""Sessions go along when their database goes to another process: state, order, and what their clients see. tds'
sessions are encrypted and relayed by the gateway, pymssql's are in clear.
"""
import threading
import time
import unittest

import pymssql
import server
import tds
from test_operations import wait_over
from test_replicas import wait_for
from test_roles import ALL, connect_patiently

RELOCATE = "ALTER DATABASE h MODIFY (SERVICE_OBJECTIVE = 'HS_Gen5_{}', RELOCATE = ON)"
STATE = ("SELECT @@SPID, @@ROWCOUNT, @@DATEFIRST, @@LANGUAGE, @@IDENTITY, SESSION_CONTEXT(N'k'),"
         " (SELECT COUNT(*) FROM #kept), (SELECT MAX(v) FROM #kept)")


class Base(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.server = server.Server(*cls.options).start()
        with cls.server.connect() as master:
            master.execute("CREATE DATABASE h (EDITION = 'Hyperscale', SERVICE_OBJECTIVE = 'HS_Gen5_2')")
        with connect_patiently(cls.server, "h") as connection:
            connection.execute("CREATE TABLE t (a int NOT NULL PRIMARY KEY, who int NOT NULL)")
            connection.execute("CREATE TABLE i (id int IDENTITY(7,1), v int)")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.server.remove()

    def relayed(self, name="h"):
        connection = self.server.connect(name)
        self.addCleanup(connection.close)
        return connection

    def clear(self, name="h"):
        connection = pymssql.connect(server=self.server.host, port=self.server.port, user=server.ADMIN,
                                     password=self.server.password, database=name, autocommit=True)
        self.addCleanup(connection.close)
        return connection

    def started(self):
        return sum("ev=child_started" in line for line in list(self.server.log))

    def relocate(self, turn=0):
        with self.server.connect() as master:
            master.execute(RELOCATE.format((4, 2)[turn % 2]))
        wait_over(self.server)


def rows(connection, sql):
    if not isinstance(connection, tds.Connection):
        cursor = connection.cursor()
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []
    return connection.execute(sql)


class Handoff(Base):
    def prepare(self, connection):
        rows(connection, "SET DATEFIRST 2; SET LANGUAGE Deutsch; SET XACT_ABORT ON;"
                         " EXEC sp_set_session_context N'k', N'v'; CREATE TABLE #kept (v int)")
        rows(connection, "INSERT i (v) VALUES (1); INSERT #kept VALUES (1), (2), (3)")
        rows(connection, "DECLARE c CURSOR GLOBAL SCROLL FOR SELECT v FROM #kept ORDER BY v; OPEN c; FETCH c")

    def check(self, connection, was):
        seen = rows(connection, STATE)
        self.assertEqual(seen[0][:1] + seen[0][2:], was[0][:1] + was[0][2:])
        self.assertEqual(rows(connection, "FETCH c"), [(2,)])
        self.assertEqual(rows(connection, "FETCH PRIOR FROM c"), [(1,)])

    def test_a_session_goes_along_and_back(self):
        sessions = [self.relayed(), self.clear()]
        for connection in sessions:
            self.prepare(connection)
        was = [rows(connection, STATE) for connection in sessions]
        for turn in range(2):
            self.relocate(turn)
            for connection, state in zip(sessions, was):
                self.check(connection, state)
        with self.server.connect() as master:
            master.execute("ALTER DATABASE h FAILOVER")  # there is no replica: its own node comes back
        wait_over(self.server)
        for connection, state in zip(sessions, was):
            self.check(connection, state)

    def test_prepared_handles_go_along(self):
        connection = self.clear()
        cursor = connection.cursor()
        cursor.execute("DECLARE @h int; EXEC sp_prepare @h OUTPUT, N'@a int', N'SELECT @a * 2'; SELECT @h")
        handle, = cursor.fetchone()
        self.relocate()
        self.assertEqual(rows(connection, f"EXEC sp_execute {handle}, 21"), [(42,)])

    def test_a_transaction_ends_where_it_began_while_others_are_served(self):
        tran, other = self.relayed(), self.clear()
        tran.execute("BEGIN TRAN; INSERT t VALUES (-1, 0)")
        done, before = threading.Event(), self.started()

        def relocate():
            self.relocate(1)
            done.set()
        thread = threading.Thread(target=relocate)
        thread.start()
        wait_for(lambda: self.started() > before)
        for _ in range(20):
            self.assertEqual(rows(other, "SELECT 1"), [(1,)])
        tran.execute("INSERT t VALUES (-2, 0); COMMIT")
        thread.join(60)
        self.assertTrue(done.is_set())
        self.assertEqual(rows(other, "SELECT COUNT(*) FROM t WHERE who = 0"), [(2,)])
        self.assertEqual(tran.execute("SELECT @@TRANCOUNT"), [(0,)])

    def test_under_load_nobody_notices_and_nothing_is_done_twice(self):
        stop, failed = threading.Event(), []
        counts = [0] * 4

        def work(who, connection):
            try:
                while not stop.is_set():
                    a = who * 1000000 + counts[who]
                    if who % 2 == 0:
                        rows(connection, f"INSERT t VALUES ({a}, {who + 1})")
                    else:
                        rows(connection, f"BEGIN TRAN; INSERT t VALUES ({a}, {who + 1})")
                        rows(connection, "IF @@TRANCOUNT <> 1 RAISERROR('lost', 16, 1); COMMIT")
                    counts[who] += 1
            except Exception as error:  # pylint: disable=broad-except
                failed.append((who, error))
        made = [self.relayed(), self.relayed(), self.clear(), self.clear()]
        threads = [threading.Thread(target=work, args=pair) for pair in enumerate(made)]
        for thread in threads:
            thread.start()
        for turn in range(3):
            before = list(counts)
            wait_for(lambda: failed or all(now > then + 3 for now, then in zip(counts, before)))
            self.relocate(turn)
        stop.set()
        for thread in threads:
            thread.join(60)
        self.assertEqual(failed, [])
        with connect_patiently(self.server, "h") as connection:
            for who, count in enumerate(counts):
                self.assertEqual(connection.execute(f"SELECT COUNT(*) FROM t WHERE who = {who + 1}"), [(count,)])


class Late(Base):
    options = ("--move-grace-ms", "200")

    def test_who_stays_in_a_transaction_loses_that_alone(self):
        for connection in (self.relayed(), self.clear()):
            rows(connection, "CREATE TABLE #kept (v int); BEGIN TRAN; INSERT t VALUES (-5, 9)")
            self.relocate()
            with self.assertRaisesRegex((tds.Failed, pymssql.Error), "40197"):
                rows(connection, "INSERT t VALUES (-6, 9)")
            self.assertEqual(rows(connection, "SELECT @@TRANCOUNT, (SELECT COUNT(*) FROM #kept),"
                                              " (SELECT COUNT(*) FROM t WHERE who = 9)"), [(0, 0, 0)])

    @unittest.skipUnless(ALL, "64 MiB: in the full run")
    def test_a_session_that_is_too_large_ends_alone(self):
        large, other = self.relayed(), self.relayed()
        large.execute("CREATE TABLE #l (v varchar(8000)); INSERT #l SELECT TOP 9000 REPLICATE('x', 8000)"
                      " FROM sys.all_objects a, sys.all_objects b")
        self.relocate(1)
        with self.assertRaisesRegex(tds.Failed, "40197"):
            large.execute("SELECT 1")
        self.assertEqual(other.execute("SELECT 1"), [(1,)])


if __name__ == "__main__":
    unittest.main()
