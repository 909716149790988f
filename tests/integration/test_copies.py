"""Business Critical and Premium: databases with processes and copies of their own."""
import os
import signal
import sys
import threading
import time
import unittest

import server
import tds
from test_replicas import ANNOUNCED, connect_patiently, wait_for


class OwnNode(unittest.TestCase):
    def test_a_business_critical_database_has_a_process_of_its_own(self):
        with server.Server(announced=ANNOUNCED) as quired, quired.connect() as master:
            master.execute("CREATE DATABASE b (EDITION = 'BusinessCritical')")
            ident = master.execute("SELECT DB_ID('b')")[0][0]
            with quired.connect("b") as connection:
                connection.execute("CREATE TABLE t (a int NOT NULL PRIMARY KEY); INSERT t VALUES (1)")
            pid = quired.role_pid(f"bc-{ident}")
            self.assertNotEqual(pid, 0)
            os.kill(pid, signal.SIGKILL)
            with connect_patiently(quired, "b") as connection:
                self.assertEqual(connection.execute("SELECT a FROM t"), [(1,)])
                connection.execute("INSERT t VALUES (2)")
            master.execute("CREATE DATABASE c AS COPY OF b")
            with connect_patiently(quired, "c") as connection:
                self.assertEqual(connection.execute("SELECT a FROM t ORDER BY a"), [(1,), (2,)])
                self.assertEqual(connection.execute(
                    "SELECT DATABASEPROPERTYEX(DB_NAME(), 'Edition')"), [("BusinessCritical",)])
            master.execute("ALTER DATABASE b MODIFY NAME = d")
            with connect_patiently(quired, "d") as connection:
                self.assertEqual(connection.execute("SELECT a FROM t ORDER BY a"), [(1,), (2,)])
            master.execute("DROP DATABASE d")
            self.assertEqual(master.execute("SELECT name FROM sys.databases WHERE name IN ('b', 'd')"), [])

    def test_a_database_moves_between_the_shared_node_and_its_own(self):
        with server.Server(announced=ANNOUNCED) as quired, quired.connect() as master:
            master.execute("CREATE DATABASE d")
            with quired.connect("d") as connection:
                connection.execute("CREATE TABLE t (a int NOT NULL PRIMARY KEY)")
            held = quired.connect("d")  # its session ends with the move
            rows = []
            for i, options in enumerate(("EDITION = 'BusinessCritical'", "SERVICE_OBJECTIVE = 'BC_Gen5_4'",
                                         "EDITION = 'GeneralPurpose'", "EDITION = 'Premium'",
                                         "EDITION = 'Basic'")):
                master.execute(f"ALTER DATABASE d MODIFY ({options})")
                wait_for(lambda: master.execute("SELECT COUNT(*) FROM sys.dm_operation_status "
                                                "WHERE state_desc <> 'COMPLETED'") == [(0,)])
                with connect_patiently(quired, "d") as connection:
                    connection.execute(f"INSERT t VALUES ({i})")
                    rows.append((i,))
                    self.assertEqual(connection.execute("SELECT a FROM t ORDER BY a"), rows)
            with self.assertRaises((tds.Closed, OSError)):
                held.execute("SELECT 1")


if __name__ == "__main__":
    unittest.main()
