"""Replicas of Hyperscale databases: HA replicas that readers are sent to and that take over when the
primary dies, and named replicas with a name of their own."""
import os
import re
import signal
import statistics
import time
import unittest

import server
import tds
from test_roles import ALL, ANNOUNCED, CREATE, PATIENCE, Load, connect_patiently, drop, runs

ROUNDS = 40 if ALL else 4
LOST = re.compile(r'ev=primary_lost node="(\S+)" next="(\S+)"')
STATES = """SELECT is_local, is_primary_replica, synchronization_state_desc,
    synchronization_health_desc, database_state_desc, redo_queue_size, secondary_lag_seconds,
    DATEDIFF(minute, last_commit_time, GETUTCDATE()) FROM sys.dm_database_replica_states
    ORDER BY is_primary_replica DESC"""
LAST = """SELECT last_commit_lsn, CONVERT(varchar(30), last_commit_time, 126)
    FROM sys.dm_database_replica_states WHERE is_local = 1"""
MEMBERS = """SELECT r.replica_role, r.replica_database_name, p.replica_role_desc
    FROM sys.dm_hs_database_replicas(DB_ID()) r LEFT JOIN sys.dm_hs_database_replicas(DB_ID()) p
    ON p.replica_id = r.parent_replica_id ORDER BY r.replica_role"""
UPDATEABILITY = "SELECT DATABASEPROPERTYEX(DB_NAME(), 'Updateability')"


def wait_for(what, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen")
        time.sleep(0.002)


def wait_log(quired, text):
    wait_for(lambda: any(text in line for line in quired.log))


class Replicas(unittest.TestCase):
    def test_a_named_replica_follows_and_refuses_writes(self):
        with server.Server() as quired, quired.connect() as master:
            master.execute(CREATE.format("h"))
            with quired.connect("h") as primary:
                primary.execute("CREATE TABLE t (a int NOT NULL PRIMARY KEY); INSERT t VALUES (1)")
                master.execute("ALTER DATABASE h ADD SECONDARY ON SERVER server01 WITH "
                               "(SERVICE_OBJECTIVE = 'HS_Gen5_2', SECONDARY_TYPE = Named, "
                               "DATABASE_NAME = [h_reports])")
                with quired.connect("h_reports") as replica:
                    self.assertEqual(replica.execute(UPDATEABILITY), [("READ_ONLY",)])
                    self.assertEqual(replica.execute("SELECT a, DB_NAME() FROM t"),
                                     [(1, "h_reports")])
                    for text in ("INSERT t VALUES (2)", "CREATE TABLE u (a int)", "DELETE t"):
                        self.assertEqual([e.number for e in replica.batch(text).errors], [3906], text)
                    replica.execute("SELECT a INTO #mine FROM t; INSERT #mine VALUES (5)")
                    primary.execute("CREATE TABLE u (b varchar(10)); INSERT u VALUES ('there')")
                    wait_for(lambda: replica.batch("SELECT b FROM u").errors == [])
                    wait_for(lambda: replica.execute("SELECT b FROM u") == [("there",)])
                    primary.execute("DROP TABLE u")
                    wait_for(lambda: replica.batch("SELECT b FROM u").errors != [])
                with quired.connect("h_reports", read_only=True) as replica:
                    self.assertEqual(replica.execute(UPDATEABILITY), [("READ_ONLY",)])
            self.assertEqual(
                [e.number for e in master.batch(
                    "ALTER DATABASE h ADD SECONDARY ON SERVER server01 WITH (SECONDARY_TYPE = Named, "
                    "DATABASE_NAME = [H_Reports])").errors], [45138])
            drop(quired, "h")  # and its replica with it
            self.assertEqual(master.execute("SELECT name FROM sys.databases"), [("master",)])

    def test_readers_go_to_a_replica_that_is_there_after_a_restart(self):
        quired = server.Server().start()
        with quired.connect() as master:
            master.execute(CREATE.format("h"))
            with quired.connect("h") as primary:
                primary.execute("CREATE TABLE t (a int)")
                with quired.connect("h", read_only=True) as reader:  # no replica: the primary
                    self.assertEqual(reader.execute(UPDATEABILITY), [("READ_WRITE",)])
            master.execute("ALTER DATABASE h MODIFY (HA_REPLICAS = 1)")
            self.assertNotEqual(master.batch("ALTER DATABASE h MODIFY (HA_REPLICAS = 5)").errors, [])
        for _ in range(2):
            with quired.connect("h") as primary:
                wait_log(quired, 'ev=ready name="hs-5-r1"')
                with quired.connect("h", read_only=True) as reader:
                    self.assertEqual(reader.execute(UPDATEABILITY), [("READ_ONLY",)])
                    primary.execute("INSERT t VALUES (1)")
                    wait_for(lambda: reader.execute("SELECT COUNT(*) FROM t")
                             == primary.execute("SELECT COUNT(*) FROM t"))
                self.assertEqual(primary.execute(UPDATEABILITY), [("READ_WRITE",)])
            quired.restart()
            quired.log.clear()
        with quired.connect() as master, quired.connect("h"):
            wait_log(quired, 'ev=ready name="hs-5-r1"')
            pid = quired.role_pid("hs-5-r1")
            master.execute("ALTER DATABASE h MODIFY (HA_REPLICAS = 0)")
            wait_for(lambda: not runs(pid))
        quired.stop()
        quired.remove()

    def test_a_named_replica_has_a_size_of_its_own_and_goes_alone(self):
        sized = re.compile(r'ev=node_sized cache_mib=(\d+) rbpex_mib=(\d+)')
        with server.Server("--cache-mib", "8") as quired, quired.connect() as master:
            def sizes():
                return [(int(m[1]), int(m[2])) for m in map(sized.search, quired.log) if m]

            master.execute(CREATE.format("h"))
            with quired.connect("h") as primary:
                primary.execute("CREATE TABLE t (a int); INSERT t VALUES (1)")
                master.execute("ALTER DATABASE h ADD SECONDARY ON SERVER server01 WITH (SERVICE_OBJECTIVE"
                               " = 'HS_Gen5_4', SECONDARY_TYPE = Named, DATABASE_NAME = [r])")
                with quired.connect("r") as replica:
                    self.assertEqual(replica.execute(
                        "SELECT DATABASEPROPERTYEX('r', 'ServiceObjective')"), [("HS_Gen5_4",)])
                self.assertEqual(sizes(), [(8, 24), (16, 48)])
                with quired.connect("r") as replica:  # another size in the same process
                    master.execute("ALTER DATABASE r MODIFY (SERVICE_OBJECTIVE = 'HS_Gen5_6')")
                    wait_for(lambda: replica.execute("SELECT DATABASEPROPERTYEX('r', 'ServiceObjective')")
                             == [("HS_Gen5_6",)])
                self.assertEqual(sizes(), [(8, 24), (16, 48)])
                wait_for(lambda: master.execute("SELECT COUNT(*) FROM sys.dm_operation_status "
                                                "WHERE state_desc <> 'COMPLETED'") == [(0,)])
                master.execute("ALTER DATABASE r MODIFY (SERVICE_OBJECTIVE = 'HS_Gen5_8', RELOCATE = ON)")
                wait_for(lambda: master.execute("SELECT COUNT(*) FROM sys.dm_operation_status "
                                                "WHERE state_desc <> 'COMPLETED'") == [(0,)])
                with connect_patiently(quired, "r") as replica:
                    self.assertEqual(replica.execute("SELECT a FROM t"), [(1,)])
                    self.assertEqual(replica.execute(
                        "SELECT DATABASEPROPERTYEX('r', 'ServiceObjective')"), [("HS_Gen5_8",)])
                self.assertEqual(sizes(), [(8, 24), (16, 48), (31, 93)])
                drop(quired, "r")
                primary.execute("INSERT t VALUES (2)")
                self.assertEqual(primary.execute("SELECT COUNT(*) FROM t"), [(2,)])
                self.assertEqual(primary.execute("SELECT service_objective FROM "
                                                 "sys.database_service_objectives"), [("HS_Gen5_2",)])
            drop(quired, "h")

    def test_a_named_replica_with_ha_replicas_is_served_when_its_node_dies(self):
        with server.Server(announced=ANNOUNCED + ("session_lost",)) as quired, quired.connect() as master:
            master.execute(CREATE.format("h"))
            with quired.connect("h") as primary:
                primary.execute("CREATE TABLE t (a int); INSERT t VALUES (1)")
                master.execute("ALTER DATABASE h ADD SECONDARY ON SERVER server01 WITH "
                               "(SECONDARY_TYPE = Named, DATABASE_NAME = [r], HA_REPLICAS = 1)")
                wait_log(quired, 'ev=ready name="hs-6-r1"')
                with quired.connect("r") as at, quired.connect("r", read_only=True) as beside:
                    for reader, role in ((at, 3), (beside, 1)):
                        self.assertEqual(reader.execute(UPDATEABILITY), [("READ_ONLY",)])
                        wait_for(lambda: reader.execute("SELECT a FROM t") == [(1,)])
                        self.assertEqual(reader.execute(
                            "SELECT replica_role FROM sys.dm_hs_database_replicas(DB_ID()) WHERE is_local = 1"), [(role,)])
                wait_for(lambda: primary.execute(MEMBERS) == [(0, "h", None), (1, "r", "Named replica"), (3, "r", None)])
                wait_for(lambda: len(primary.execute(STATES)) == 3)
                dead, lives = quired.role_pid("hs-6"), quired.role_pid("hs-6-r1")
                os.kill(dead, signal.SIGSTOP)  # so that nobody takes its end for a rest
                os.kill(dead, signal.SIGKILL)
                wait_for(lambda: not runs(dead))
                with connect_patiently(quired, "r") as replica:
                    self.assertEqual(quired.role_pid("hs-6-r1"), lives)
                    primary.execute("INSERT t VALUES (2)")
                    wait_for(lambda: replica.execute("SELECT COUNT(*) FROM t") == [(2,)])
                    self.assertEqual([e.number for e in replica.batch("INSERT t VALUES (3)").errors], [3906])
                wait_log(quired, 'ev=primary_lost node="hs-6" next="hs-6-r1"')
                # the one that died comes back as the HA replica, and takes over in its turn
                wait_for(lambda: sum('ev=ready name="hs-6"' in line for line in list(quired.log)) == 2)
                with quired.connect("r") as at:
                    wait_for(lambda: primary.execute(MEMBERS) == [(0, "h", None), (1, "r", "Named replica"), (3, "r", None)])
                    master.execute("ALTER DATABASE r MODIFY (SERVICE_OBJECTIVE = 'HS_Gen5_4', RELOCATE = ON)")
                    wait_log(quired, 'ev=primary_yielded node="hs-6-r1"')
                    self.assertEqual(at.execute("SELECT COUNT(*) FROM t"), [(2,)])  # its session has gone along
                wait_for(lambda: master.execute("SELECT COUNT(*) FROM sys.dm_operation_status "
                                                "WHERE state_desc <> 'COMPLETED'") == [(0,)])
                master.execute("ALTER DATABASE r MODIFY (HA_REPLICAS = 0)")
                wait_for(lambda: len(primary.execute(STATES)) == 2, 90)
                with quired.connect("r", read_only=True) as replica:
                    self.assertEqual(replica.execute("SELECT COUNT(*) FROM t"), [(2,)])
            self.assertNotEqual(master.batch("ALTER DATABASE r MODIFY (HA_REPLICAS = 5)").errors, [])
            drop(quired, "h")

    def test_lag_is_visible_on_the_primary_and_on_replicas(self):
        with server.Server() as quired, quired.connect() as master:
            master.execute(CREATE.format("h"))
            master.execute("ALTER DATABASE h MODIFY (HA_REPLICAS = 1)")
            with quired.connect("h") as primary:
                primary.execute("CREATE TABLE t (a int)")
                master.execute("ALTER DATABASE h ADD SECONDARY ON SERVER server01 WITH "
                               "(SECONDARY_TYPE = Named, DATABASE_NAME = [h_reports])")
                wait_log(quired, 'ev=ready name="hs-5-r1"')
                with quired.connect("h_reports") as named, quired.connect("h", read_only=True) as ha:
                    wait_for(lambda: len(primary.execute(STATES)) == 3)
                    primary.execute("INSERT t VALUES (1)")
                    last = primary.execute(LAST)
                    wait_for(lambda: ha.execute(LAST) == last and named.execute(LAST) == last)
                    wait_for(lambda: primary.execute(STATES) == [
                        (True, True, "SYNCHRONIZED", "HEALTHY", "ONLINE", None, None, 0),
                        (False, False, "SYNCHRONIZING", "HEALTHY", "ONLINE", 0, 0, 0),
                        (False, False, "SYNCHRONIZING", "HEALTHY", "ONLINE", 0, 0, 0)])
                    for replica in (ha, named):  # of itself only
                        self.assertEqual(replica.execute(STATES), [
                            (True, False, "SYNCHRONIZING", "HEALTHY", "ONLINE", 0, 0, 0)])
                    for connection, local in ((primary, 0), (ha, 1), (named, 3)):
                        rows = connection.execute(
                            "SELECT replica_role, replica_role_desc, replica_database_name, is_local "
                            "FROM sys.dm_hs_database_replicas(DB_ID()) ORDER BY replica_role")
                        self.assertEqual(rows, [
                            (role, desc, name, role == local) for role, desc, name in
                            ((0, "Primary", "h"), (1, "HA secondary", "h"),
                             (3, "Named replica", "h_reports"))])
                    self.assertEqual(
                        primary.execute("SELECT COUNT(*) FROM sys.dm_database_replica_states s JOIN "
                                        "sys.dm_hs_database_replicas(DB_ID()) r ON r.replica_id = "
                                        "s.replica_id AND r.local_database_id = s.database_id"), [(3,)])
                    server.stand_still(quired.role_pid("hs-5-r1"))
                    primary.execute("INSERT t SELECT a.object_id FROM sys.all_objects a")
                    wait_for(lambda: any(row[5] and row[6] for row in primary.execute(STATES)), 30)
                    os.kill(quired.role_pid("hs-5-r1"), signal.SIGCONT)
                    wait_for(lambda: not any(row[5] for row in primary.execute(STATES)))
            drop(quired, "h")

    def test_a_failover_on_request_moves_the_primary(self):
        with server.Server(announced=ANNOUNCED) as quired:
            with quired.connect() as master:
                master.execute(CREATE.format("h"))
                master.execute("ALTER DATABASE h MODIFY (HA_REPLICAS = 1)")
                with quired.connect("h") as primary:
                    primary.execute("CREATE TABLE t (a int); INSERT t VALUES (1)")
                    master.execute("ALTER DATABASE h FAILOVER")  # to a replica that has just been asked for
                with connect_patiently(quired, "h") as primary:
                    primary.execute("INSERT t VALUES (2)")
                    self.assertEqual(primary.execute("SELECT COUNT(*) FROM t"), [(2,)])
                wait_log(quired, 'ev=primary_yielded node="hs-5" next="hs-5-r1"')
                wait_for(lambda: sum('ev=ready name="hs-5"' in line for line in list(quired.log)) == 2)  # as a replica
                for statement in ("ALTER DATABASE nosuch FAILOVER", "ALTER DATABASE master FAILOVER"):
                    self.assertNotEqual(master.batch(statement).errors, [])

    def test_a_process_that_does_not_answer_is_replaced(self):
        events = ANNOUNCED + ("node_silent", "promoted", "session_lost")
        with server.Server("--node-silence-s", str(int(2 * server.SLOWNESS)), announced=events) as quired, \
                quired.connect() as master:
            master.execute(CREATE.format("h"))
            master.execute("ALTER DATABASE h MODIFY (HA_REPLICAS = 2)")
            with quired.connect("h") as primary:
                primary.execute("CREATE TABLE t (a int); INSERT t VALUES (1)")
                for name in ("hs-5-r1", "hs-5-r2"):
                    wait_log(quired, f'ev=ready name="{name}"')
            stopped = ("hs-5", "hs-5-r1")  # the primary, and who would be the first to take over
            for name in stopped:
                server.stand_still(quired.role_pid(name))
            wait_for(lambda: sum(map(bool, map(LOST.search, list(quired.log)))) >= 1)
            with connect_patiently(quired, "h") as primary:
                primary.execute("INSERT t VALUES (2)")
                self.assertEqual(primary.execute("SELECT COUNT(*) FROM t"), [(2,)])
            wait_for(lambda: sum("ev=node_silent" in line for line in list(quired.log)) == len(stopped))
            for name in stopped:  # they come back
                wait_for(lambda: sum(f'ev=ready name="{name}"' in line for line in list(quired.log)) == 2)

    def test_takeovers_under_load_lose_nothing_that_was_acknowledged(self):
        quired = server.Server(announced=ANNOUNCED + ("primary_lost", "promoted")).start()
        with quired.connect() as master:
            master.execute(CREATE.format("h"))
            master.execute("ALTER DATABASE h MODIFY (HA_REPLICAS = 2)")
        with quired.connect("h") as connection:
            connection.execute("CREATE TABLE kept (writer int NOT NULL, seq int NOT NULL, "
                               "filler varchar(200), PRIMARY KEY (writer, seq))")
        for name in ("hs-5-r1", "hs-5-r2"):
            wait_log(quired, f'ev=ready name="{name}"')
        load = Load(quired, "h")
        primary, took = "hs-5", []
        for _ in range(ROUNDS):
            load.wait_commits(20, time.monotonic())
            pid, moment, mark = quired.role_pid(primary), time.monotonic(), len(quired.log)
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: not runs(pid))
            took.append(load.wait_commits(1, time.monotonic()) - moment)
            # it comes back as the primary if the others are not ready yet
            again = f'ev=ready name="{primary}"'
            wait_for(lambda: any(LOST.search(line) or again in line for line in quired.log[mark:]))
            lost = [match for match in map(LOST.search, quired.log[mark:]) if match]
            primary = lost[-1][2] if lost else primary
            load.verify(self)
        load.end()
        load.verify(self)
        print(f"{ROUNDS} takeovers, next commit after {statistics.median(took) * 1000:.0f} ms median, "
              f"{max(took) * 1000:.0f} ms max", flush=True)
        quired.stop()
        quired.remove()


if __name__ == "__main__":
    unittest.main()
