"""Geo-secondaries of databases that have files: made, followed, read, ended, failed over."""
import os
import signal
import threading
import time
import unittest

import server
import tds
import test_servers
from test_arm_databases import Case
from test_replicas import wait_for

ALL = bool(os.environ.get("QUIRE_TEST_ALL"))
FAR, SOURCE = "far", test_servers.SOURCE
LINKS = "SELECT DB_NAME(database_id), partner_server, role_desc FROM sys.geo_replication_links"


class Geo(Case):
    path_of, on = test_servers.Servers.path_of, test_servers.Servers.on

    def setUp(self):
        answer = self.send("PUT", self.path_of(FAR), {"location": "westus", "properties": {
            "administratorLogin": "boss", "administratorLoginPassword": test_servers.PASSWORD}})
        self.assertIn(answer[0], (200, 201), answer)

    def tearDown(self):
        """Both ends go, whichever is which."""
        self.attempt(lambda: self.run_on(self.near, f"ALTER DATABASE shop REMOVE SECONDARY ON SERVER {FAR}"))
        self.attempt(lambda: self.run_on(lambda: self.on(FAR), f"ALTER DATABASE shop REMOVE SECONDARY ON SERVER {SOURCE}"))
        for where in (self.near, lambda: self.on(FAR)):
            wait_for(lambda: self.attempt(lambda: self.run_on(where, "DROP DATABASE IF EXISTS shop")) is not None)

    def near(self, database="master"):
        return self.server.connect(database)

    def attempt(self, act):
        try:
            return act()
        except (tds.Failed, tds.Closed, OSError):
            return None

    def run_on(self, where, sql):
        with where() as connection:
            return connection.execute(sql)

    def link(self, name="shop"):
        """Makes it, with its secondary."""
        with self.near() as master:
            master.execute(f"CREATE DATABASE {name} (EDITION = 'Basic')")
            with self.near(name) as session:
                session.execute("CREATE TABLE t (a int PRIMARY KEY); INSERT t VALUES (1), (2)")
            master.execute(f"ALTER DATABASE {name} ADD SECONDARY ON SERVER {FAR}")
        wait_for(lambda: self.attempt(lambda: self.sum(name)) == 3)

    def sum(self, name="shop"):
        return self.run_on(lambda: self.on(FAR, name), "SELECT SUM(a) FROM t")[0][0]

    def number_of(self, where, sql):
        with where() as connection:
            reply = connection.batch(sql)
            return [error.number for error in reply.errors]

    def test_it_follows_and_can_be_read(self):
        self.link()
        with self.near("shop") as primary, self.on(FAR, "shop") as secondary:
            primary.execute("INSERT t VALUES (3); CREATE TABLE u (b int); INSERT u VALUES (7)")
            wait_for(lambda: self.attempt(lambda: secondary.execute("SELECT b FROM u")) == [(7,)])
            self.assertEqual(self.sum(), 6)
            self.assertEqual([e.number for e in secondary.batch("INSERT t VALUES (4)").errors], [3906])
            self.assertEqual(secondary.execute("SELECT DATABASEPROPERTYEX(DB_NAME(), 'Updateability')"),
                             [("READ_ONLY",)])
            for connection, role in ((primary, "PRIMARY"), (secondary, "SECONDARY")):
                wait_for(lambda: connection.execute(
                    "SELECT partner_server, partner_database, replication_state_desc, role_desc, "
                    "secondary_allow_connections_desc FROM sys.dm_geo_replication_link_status") == [
                        (FAR if role == "PRIMARY" else SOURCE, "shop", "CATCH_UP", role, "All")])
            lag = primary.execute("SELECT replication_lag_sec FROM sys.dm_geo_replication_link_status")[0][0]
            self.assertLess(lag, 60)
        self.assertEqual(self.run_on(self.near, LINKS), [("shop", FAR, "PRIMARY")])
        self.assertEqual(self.run_on(lambda: self.on(FAR), LINKS), [("shop", SOURCE, "SECONDARY")])
        for sql, number in ((f"ALTER DATABASE shop ADD SECONDARY ON SERVER {FAR}", 45138),
                            (f"ALTER DATABASE shop ADD SECONDARY ON SERVER {SOURCE}", 40691),
                            ("ALTER DATABASE shop MODIFY NAME = other", 40680),
                            ("DROP DATABASE shop", 40680),
                            ("ALTER DATABASE shop FORCE_FAILOVER_ALLOW_DATA_LOSS", 40683)):
            self.assertEqual(self.number_of(self.near, sql), [number], sql)
        self.assertEqual(self.number_of(lambda: self.on(FAR), "CREATE DATABASE x AS COPY OF shop"), [40681])
        # the processes on either side end, and it goes on
        with self.near("shop") as primary:
            primary.execute("INSERT t VALUES (10)")
        for name in ("shared", self.secondary_node()):
            os.kill(self.server.role_pid(name), signal.SIGKILL)
        self.server.announced |= {"child_ended"}
        wait_for(lambda: self.attempt(lambda: self.run_on(lambda: self.near("shop"), "INSERT t VALUES (20)")) is not None)
        wait_for(lambda: self.attempt(self.sum) == 36)
        self.run_on(lambda: self.on(FAR), "DROP DATABASE shop")
        self.assertEqual(self.run_on(self.near, LINKS), [])
        self.run_on(self.near, "DROP DATABASE shop")

    def test_a_secondary_far_behind_slows_the_primary(self):
        self.link()
        with self.near() as master:
            master.execute("ALTER DATABASE shop MODIFY (EDITION = 'GeneralPurpose', SERVICE_OBJECTIVE = 'GP_Gen5_40')")
        slow = ("SELECT COUNT(*) FROM sys.dm_exec_session_wait_stats WHERE session_id = @@SPID AND "
                "wait_type = 'HADR_THROTTLE_LOG_RATE_MISMATCHED_SLO'")
        wait_for(lambda: self.attempt(lambda: self.run_on(lambda: self.near("shop"), "SELECT 1")) == [(1,)])
        with self.near("shop") as primary:
            primary.execute("CREATE TABLE w (a int IDENTITY PRIMARY KEY, b varchar(8000))")
            wait_for(lambda: self.attempt(lambda: self.run_on(lambda: self.on(FAR, "shop"), "SELECT COUNT(*) FROM w")) == [(0,)])
            pid = self.server.role_pid(self.secondary_node())
            server.stand_still(pid)
            try:
                for count in range(1, 60):
                    primary.execute("INSERT w (b) SELECT TOP 500 REPLICATE('x', 8000) FROM sys.all_columns")
                    if primary.execute(slow) == [(1,)]:
                        break
            finally:
                os.kill(pid, signal.SIGCONT)
            self.assertEqual(primary.execute(slow), [(1,)])
            self.assertGreater(count * 4, 64)  # MB
            wait_for(lambda: self.attempt(lambda: self.run_on(lambda: self.on(FAR, "shop"), "SELECT COUNT(*) FROM w"))
                     == [(500 * count,)])
            begin = time.monotonic()
            for _ in range(20):
                primary.execute("INSERT w (b) VALUES ('y')")
            self.assertLess(time.monotonic() - begin, 5)  # nothing slows it any more
        self.run_on(lambda: self.on(FAR), "DROP DATABASE shop")
        self.run_on(self.near, "DROP DATABASE shop")

    def secondary_node(self):
        names = [line.split('name="')[1].split('"')[0] for line in self.server.log
                 if "ev=child_started" in line and 'name="bc-' in line]
        return names[-1]

    def test_its_link_ends(self):
        self.link()
        self.run_on(self.near, f"ALTER DATABASE shop REMOVE SECONDARY ON SERVER {FAR}")
        self.assertEqual(self.run_on(self.near, "SELECT COUNT(*) FROM sys.geo_replication_links"), [(0,)])
        wait_for(lambda: self.attempt(lambda: self.run_on(lambda: self.on(FAR, "shop"), "INSERT t VALUES (100)")) is not None)
        self.run_on(lambda: self.near("shop"), "INSERT t VALUES (1000)")
        self.assertEqual(self.sum(), 103)
        self.assertEqual(self.number_of(self.near, f"ALTER DATABASE shop REMOVE SECONDARY ON SERVER {FAR}"), [40679])
        self.tier(lambda: self.on(FAR), "BC_Gen5_2")  # as of any database, to processes of its own
        wait_for(lambda: self.attempt(lambda: self.run_on(lambda: self.on(FAR, "shop"), "INSERT t VALUES (10000)")) is not None)
        self.assertEqual(self.sum(), 10103)

    def tier(self, where, objective, number=None):
        """Of `shop` at one end; done, or refused with that error."""
        sql = f"ALTER DATABASE shop MODIFY (SERVICE_OBJECTIVE = '{objective}')"
        if number:
            self.assertEqual(self.number_of(where, sql), [number], objective)
            return
        wait_for(lambda: self.number_of(where, sql) == [])
        wait_for(lambda: self.attempt(lambda: self.run_on(
            where, "SELECT service_objective FROM sys.database_service_objectives "
            "WHERE database_id = DB_ID('shop')")) == [(objective,)])

    def test_tiers_change_in_the_documented_order(self):
        """Up: the secondary before its primary; down: after it."""
        def far():
            return self.on(FAR)
        self.link()
        self.tier(self.near, "P1", 40848)
        self.tier(self.near, "S0")
        self.tier(far, "Basic")
        self.tier(far, "S1")
        self.tier(self.near, "Basic", 40851)
        self.tier(self.near, "HS_Gen5_2", 40680)
        if not ALL:
            return
        self.tier(far, "BC_Gen5_2")
        self.tier(self.near, "P1")
        self.tier(far, "S1", 40849)
        self.tier(self.near, "GP_Gen5_2")
        self.tier(far, "GP_Gen5_4")
        self.run_on(lambda: self.near("shop"), "INSERT t VALUES (1000)")
        wait_for(lambda: self.attempt(self.sum) == 1003)

    @unittest.skipUnless(ALL, "takes long: with --all only")
    def test_a_secondary_outlives_the_server_of_its_primary(self):
        self.link()
        self.run_on(lambda: self.on(FAR), "ALTER DATABASE shop FAILOVER")
        wait_for(lambda: self.attempt(lambda: self.run_on(lambda: self.on(FAR, "shop"), "INSERT t VALUES (4)")) is not None)
        wait_for(lambda: self.attempt(lambda: self.run_on(
            lambda: self.near("shop"), "SELECT SUM(a) FROM t")) == [(7,)])
        poll = self.finished(self.send("DELETE", self.path_of(FAR)))
        self.assertEqual(poll["status"], "Succeeded", poll)
        wait_for(lambda: self.attempt(lambda: self.run_on(lambda: self.near("shop"), "INSERT t VALUES (5)")) is not None)
        self.assertEqual(self.run_on(self.near, LINKS), [])
        self.setUp()  # for what comes behind

    def write(self, stop, acknowledged):
        """To whichever end takes it; numbers whose outcome is not known are not used again."""
        number, ends, session = 10, [lambda: self.near("shop"), lambda: self.on(FAR, "shop")], None
        while not stop.is_set():
            number += 1
            try:
                session = session or ends[0]()
                session.execute(f"INSERT t VALUES ({number})")
                acknowledged.append(number)
            except (tds.Failed, tds.Closed, OSError):
                session = None
                ends.reverse()

    def test_a_failover_loses_nothing(self):
        self.link()
        stop, acknowledged = threading.Event(), []
        writer = threading.Thread(target=self.write, args=(stop, acknowledged))
        writer.start()
        for where in (lambda: self.on(FAR), self.near, lambda: self.on(FAR)):
            before = len(acknowledged)
            wait_for(lambda: len(acknowledged) > before + 20)
            wait_for(lambda: self.attempt(lambda: self.run_on(where, "ALTER DATABASE shop FAILOVER")) is not None)
        before = len(acknowledged)
        wait_for(lambda: len(acknowledged) > before + 20)
        stop.set()
        writer.join()
        there = {row[0] for row in self.run_on(lambda: self.on(FAR, "shop"), "SELECT a FROM t")}
        self.assertEqual(set(acknowledged) - there, set())
        self.assertEqual(self.run_on(lambda: self.on(FAR), "SELECT role_desc FROM sys.geo_replication_links"),
                         [("PRIMARY",)])
        wait_for(lambda: self.attempt(lambda: {row[0] for row in self.run_on(
            lambda: self.near("shop"), "SELECT a FROM t")}) == there)

    def test_the_management_api_makes_shows_fails_over_and_ends_it(self):
        self.make("shop", sku={"name": "Basic"})
        self.run_on(lambda: self.near("shop"), "CREATE TABLE t (a int); INSERT t VALUES (3)")
        there = self.path_of(FAR) + "/databases/shop"
        poll = self.finished(self.send("PUT", there, {"location": "westus", "properties": {
            "createMode": "Secondary", "sourceDatabaseId": self.at + "/databases/shop"}}))
        self.assertEqual(poll["status"], "Succeeded", poll)
        self.assertEqual(self.good("GET", there)["properties"]["secondaryType"], "Geo")
        self.assertEqual(self.sum(), 3)
        for role, at in (("Primary", self.at + "/databases/shop"), ("Secondary", there)):
            link, = self.good("GET", at + "/replicationLinks")["value"]
            shown = link["properties"]
            self.assertEqual((shown["linkType"], shown["role"], shown["replicationState"], shown["isTerminationAllowed"]),
                             ("GEO", role, "CATCH_UP", True))
        link = there + "/replicationLinks/" + link["name"]
        self.assertEqual(self.send("POST", link.replace(FAR, SOURCE) + "/failover")[0], 400)
        poll = self.finished(self.send("POST", link + "/failover"))
        self.assertEqual(poll["status"], "Succeeded", poll)
        link, = self.good("GET", there + "/replicationLinks")["value"]
        self.assertEqual(link["properties"]["role"], "Primary")
        poll = self.finished(self.send("DELETE", there + "/replicationLinks/" + link["name"]))
        self.assertEqual(poll["status"], "Succeeded", poll)
        self.assertEqual(self.good("GET", there + "/replicationLinks")["value"], [])
        wait_for(lambda: self.attempt(lambda: self.run_on(lambda: self.near("shop"), "INSERT t VALUES (4)")) is not None)

    def test_a_forced_failover(self):
        self.link()
        self.run_on(lambda: self.on(FAR), "ALTER DATABASE shop FORCE_FAILOVER_ALLOW_DATA_LOSS")
        wait_for(lambda: self.attempt(lambda: self.run_on(lambda: self.on(FAR, "shop"), "INSERT t VALUES (100)")) is not None)
        wait_for(lambda: self.attempt(lambda: self.run_on(
            lambda: self.near("shop"), "SELECT SUM(a) FROM t")) == [(103,)])

    def fails_over_to(self, where, statement):
        """Until its rows are the same on both sides."""
        wait_for(lambda: self.attempt(lambda: self.run_on(lambda: where("master"), f"ALTER DATABASE shop {statement}")) is not None)
        wait_for(lambda: self.attempt(lambda: self.run_on(lambda: where("shop"), "INSERT t SELECT MAX(a) + 1 FROM t")) is not None)
        rows = self.run_on(lambda: where("shop"), "SELECT a FROM t ORDER BY a")
        for side in (self.near, lambda database: self.on(FAR, database)):
            wait_for(lambda: self.attempt(lambda: self.run_on(lambda: side("shop"), "SELECT a FROM t ORDER BY a")) == rows)

    def copies_are(self, rows):
        """Of what its backups have: the last of them is taken for it."""
        self.run_on(self.near, "CREATE DATABASE shop_copy AS COPY OF shop")
        try:
            wait_for(lambda: self.attempt(
                lambda: self.run_on(lambda: self.near("shop_copy"), "SELECT a FROM t ORDER BY a")) == rows)
        finally:
            self.run_on(self.near, "DROP DATABASE shop_copy")

    def test_backups_go_on_when_a_copy_made_anew_takes_over(self):
        self.server.announced.add("child_killed")
        self.link()
        self.copies_are([(1,), (2,)])
        server.stand_still(self.server.role_pid(self.secondary_node()))
        self.run_on(lambda: self.near("shop"), "INSERT t VALUES (100)")
        self.fails_over_to(lambda database: self.on(FAR, database), "FORCE_FAILOVER_ALLOW_DATA_LOSS")
        self.fails_over_to(self.near, "FAILOVER")
        self.copies_are([(1,), (2,), (3,), (4,)])


if __name__ == "__main__":
    unittest.main()
