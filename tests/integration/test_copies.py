"""Business Critical and Premium: databases with processes and copies of their own."""
import os
import re
import signal
import time
import unittest
import urllib.parse

import arm
import server
import tds
from test_replicas import ANNOUNCED, UPDATEABILITY, connect_patiently, wait_for
from test_roles import ALL, Load, drop

STATES = """SELECT COUNT(*) FROM sys.dm_database_replica_states
    WHERE synchronization_state_desc = 'SYNCHRONIZED' AND is_commit_participant = 1"""
REIGNS = re.compile(r'ev=members_changed database_id=(\d+) epoch=(\d+) primary=(\d+) members=(\d+)')


def node(ident, member):
    return f"bc-{ident}" if member == 0 else f"bc-{ident}-r{member}"


def wait_complete(quired, database, members=4):
    """All copies are synchronous. Returns the primary's member and the database's id."""
    def complete():
        try:
            with quired.connect(database) as connection:
                return connection.execute(STATES) == [(members,)]
        except (tds.Failed, tds.Closed, OSError):
            return False
    wait_for(complete)
    lines = [REIGNS.search(line) for line in list(quired.log)]
    ident, _, primary, _ = [line for line in lines if line][-1].groups()
    return int(primary), int(ident)


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
            drop(quired, "d")
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


class ReadScale(unittest.TestCase):
    """`az sql db update --read-scale`: whether sessions with read-only intent may go to a secondary."""

    def set_read_scale(self, api, path, word):
        status, headers, _ = api.send("PATCH", path + "?api-version=2021-11-01",
                                      {"properties": {"readScale": word}})
        self.assertEqual(status, 202)
        address = urllib.parse.urlsplit(headers["azure-asyncoperation"])
        wait_for(lambda: api.send("GET", f"{address.path}?{address.query}")[2]["status"] == "Succeeded")
        _, _, shown = api.send("GET", path + "?api-version=2021-11-01")
        self.assertEqual(shown["properties"]["readScale"], word)

    def test_it_is_switched_off_and_on(self):
        with server.Server(announced=ANNOUNCED) as quired, quired.connect() as master:
            master.execute("CREATE DATABASE b (EDITION = 'BusinessCritical')")
            wait_complete(quired, "b")
            api = arm.Api(quired).login()
            root = api.send("GET", "/subscriptions?api-version=2021-11-01")[2]["value"][0]["id"]
            path = root + "/resourceGroups/myResourceGroup/providers/Microsoft.Sql/servers/server01/databases/b"
            with quired.connect("b", read_only=True) as reader:
                self.assertEqual(reader.execute(UPDATEABILITY), [("READ_ONLY",)])
                self.set_read_scale(api, path, "Disabled")
                # who is there stays; who comes is at the primary, and may write
                self.assertEqual(reader.execute(UPDATEABILITY), [("READ_ONLY",)])
            for _ in range(8):  # more than there are secondaries
                with quired.connect("b", read_only=True) as reader:
                    self.assertEqual(reader.execute(UPDATEABILITY), [("READ_WRITE",)])
            with quired.connect("b", read_only=True) as reader:
                reader.execute("CREATE TABLE t (a int)")
                master.execute("ALTER DATABASE b FAILOVER")
            with connect_patiently(quired, "b", read_only=True) as reader:  # the new primary
                self.assertEqual(reader.execute(UPDATEABILITY), [("READ_WRITE",)])
            wait_complete(quired, "b")
            master.execute("ALTER DATABASE b MODIFY (SERVICE_OBJECTIVE = 'BC_Gen5_4')")
            wait_for(lambda: master.execute("SELECT COUNT(*) FROM sys.dm_operation_status "
                                            "WHERE state_desc <> 'COMPLETED'") == [(0,)])
            with connect_patiently(quired, "b", read_only=True) as reader:  # it is kept
                self.assertEqual(reader.execute(UPDATEABILITY), [("READ_WRITE",)])
            wait_complete(quired, "b")
            self.set_read_scale(api, path, "Enabled")
            with quired.connect("b", read_only=True) as reader:
                self.assertEqual(reader.execute(UPDATEABILITY), [("READ_ONLY",)])
                self.assertEqual([e.number for e in reader.batch("INSERT t VALUES (2)").errors], [3906])


class Copies(unittest.TestCase):
    def test_secondaries_are_read_and_take_over(self):
        with server.Server(announced=ANNOUNCED) as quired, quired.connect() as master:
            master.execute("CREATE DATABASE b (EDITION = 'Premium')")
            with quired.connect("b") as connection:
                connection.execute("CREATE TABLE t (a int NOT NULL PRIMARY KEY); INSERT t VALUES (1)")
            primary, ident = wait_complete(quired, "b")
            with quired.connect("b", read_only=True) as reader:
                self.assertEqual(reader.execute(UPDATEABILITY), [("READ_ONLY",)])
                wait_for(lambda: reader.execute("SELECT a FROM t") == [(1,)])
                self.assertEqual([e.number for e in reader.batch("INSERT t VALUES (2)").errors], [3906])
                self.assertEqual(reader.execute("SELECT is_local, is_primary_replica FROM "
                                                "sys.dm_database_replica_states"), [(True, False)])
                with quired.connect("b") as connection:
                    connection.execute("ALTER TABLE t ADD b varchar(10) NULL; CREATE TABLE u (c int)")
                    connection.execute("INSERT t VALUES (2, 'two')")
                wait_for(lambda: reader.batch("SELECT b FROM t").errors == [])
                wait_for(lambda: reader.execute("SELECT a, b FROM t ORDER BY a") == [(1, None), (2, "two")])
            master.execute("ALTER DATABASE b FAILOVER")  # it answers before it has happened
            wait_for(lambda: master.execute("SELECT COUNT(*) FROM sys.dm_operation_status "
                                            "WHERE state_desc <> 'COMPLETED'") == [(0,)])
            with connect_patiently(quired, "b") as connection:
                self.assertEqual(connection.execute(UPDATEABILITY), [("READ_WRITE",)])
                connection.execute("INSERT t VALUES (3, 'three')")
            wait_for(lambda: wait_complete(quired, "b")[0] != primary)  # the log is read behind the views
            after, _ = wait_complete(quired, "b")
            with quired.connect("b", read_only=True) as reader:
                wait_for(lambda: reader.execute("SELECT COUNT(*) FROM t") == [(3,)])
            # a member that dies costs no commit, and comes back
            victim = next(m for m in range(4) if m != after)
            os.kill(quired.role_pid(node(ident, victim)), signal.SIGKILL)
            with quired.connect("b") as connection:
                connection.execute("INSERT t VALUES (4, 'four')")
            wait_complete(quired, "b")
            # and so may all processes at once
            quired.kill()
            quired.start()
            with connect_patiently(quired, "b") as connection:
                self.assertEqual(connection.execute("SELECT COUNT(*) FROM t"), [(4,)])
            wait_complete(quired, "b")
            master = quired.connect()
            master.execute("ALTER DATABASE b MODIFY (EDITION = 'GeneralPurpose')")
            wait_for(lambda: master.execute("SELECT COUNT(*) FROM sys.dm_operation_status "
                                            "WHERE state_desc <> 'COMPLETED'") == [(0,)])
            with connect_patiently(quired, "b") as connection:
                self.assertEqual(connection.execute("SELECT COUNT(*) FROM t"), [(4,)])
            self.assertEqual([name for name in os.listdir(os.path.join(quired.data_dir, "databases"))
                              if ".r" in name], [])
            drop(quired, "b")

    def test_processes_die_under_load_and_nothing_acknowledged_is_lost(self):
        rounds = 12 if ALL else 3
        with server.Server(announced=ANNOUNCED) as quired, quired.connect() as master:
            master.execute("CREATE DATABASE b (EDITION = 'BusinessCritical')")
            with quired.connect("b") as connection:
                connection.execute("CREATE TABLE kept (writer int, seq int, filler varchar(200), "
                                   "PRIMARY KEY (writer, seq))")
            load = Load(quired, "b")
            gaps = []
            for i in range(rounds):
                primary, ident = wait_complete(quired, "b")
                load.wait_commits(50)
                victim = primary if i % 3 != 2 else (primary + 1) % 4
                killed = time.monotonic()
                os.kill(quired.role_pid(node(ident, victim)), signal.SIGKILL)
                gaps.append(load.wait_commits(1, since=killed) - killed)
                load.verify(self)
            wait_complete(quired, "b")
            load.end()
            load.verify(self)
            print(f"{rounds} kills; commits went on after {max(gaps) * 1000:.0f} ms at most", flush=True)


if __name__ == "__main__":
    unittest.main()
