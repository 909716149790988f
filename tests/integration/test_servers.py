"""Several logical servers in one instance: each has its own databases, logins and rules."""
import os
import signal
import threading
import unittest

import arm
import server
import tds
from test_arm_databases import Case
from test_replicas import wait_for
from test_roles import ALL

PASSWORD = "Another-Secret-2"
SOURCE = "server01"


class Servers(Case):
    def path_of(self, name):
        return self.at.replace(SOURCE, name)

    def put_server(self, name, **properties):
        return self.send("PUT", self.path_of(name), {"location": "eastus", "properties": {
            "administratorLogin": "boss", "administratorLoginPassword": PASSWORD, **properties}})

    def make_server(self, name):
        answer = self.put_server(name)
        self.assertEqual(answer[0], 201, answer)
        return answer[2]

    def drop_server(self, name):
        poll = self.finished(self.send("DELETE", self.path_of(name)))
        self.assertEqual(poll["status"], "Succeeded", poll)

    def on(self, name, database="master"):
        """A connection as a client makes it that has the server's full name."""
        return self.server.connect(database, user="boss", password=PASSWORD,
                                   server=f"tcp:{name}.database.windows.net,1433")

    def errors_of(self, **how):
        with self.assertRaises(tds.Failed) as caught:
            self.server.connect(**how).close()
        return [error.number for error in caught.exception.messages]

    def values(self, connection, sql):
        return [row[0] for row in connection.execute(sql)]

    def test_a_server_is_made_shown_and_deleted(self):
        made = self.make_server("made")
        self.assertEqual(made["id"], self.path_of("made"))
        self.assertEqual((made["name"], made["location"], made["properties"]["administratorLogin"]),
                         ("made", "eastus", "boss"))
        self.assertNotIn(PASSWORD, str(made))
        names = [s["name"] for s in self.good("GET", self.at.rsplit("/", 1)[0])["value"]]
        self.assertEqual(sorted(names)[:2], ["made", SOURCE])
        self.assertEqual([d["name"] for d in self.good("GET", self.path_of("made") + "/databases")[
            "value"]], ["master"])
        self.assertEqual(self.good("PATCH", self.path_of("made"), {"tags": {"a": "b"}})["tags"],
                         {"a": "b"})
        left = self.on("made")  # who is there is cut off
        usages = self.good("GET", self.subscription + "/providers/Microsoft.Sql/locations/eastus/usages")
        self.assertEqual(usages["value"][0]["properties"]["limit"], 20.0)
        self.drop_server("made")
        with self.assertRaises((tds.Failed, tds.Closed, ConnectionError)):  # 40197, or too late for it
            left.execute("SELECT 1")
        self.refused(self.send("GET", self.path_of("made")), 404, "ResourceNotFound")
        self.assertEqual(self.send("DELETE", self.path_of("made"))[0], 204)
        self.refused(self.send("DELETE", ""), 409, "Conflict")  # the first one stays

    def test_what_is_wrong_with_a_new_server_is_told(self):
        group = self.subscription + "/resourcegroups/more"
        self.send("PUT", group, {"location": "westus"})
        self.refused(self.send("PUT", self.at.replace("myResourceGroup", "more"), {
            "location": "westus", "properties": {"administratorLogin": "boss",
                                                 "administratorLoginPassword": PASSWORD}}),
            409, "NameAlreadyExists")
        for name in ("Upper", "-first", "last-", "a" * 64, "with.dot", "with%20blank", "%C3%BC"):
            self.refused(self.put_server(name), 400, "InvalidServerName")
        for login in ("sa", "with space", "with@at", "quote'd"):
            self.refused(self.put_server("wrong", administratorLogin=login), 400,
                         "InvalidLoginName")
        self.refused(self.put_server("wrong", administratorLoginPassword="short"), 400,
                     "PasswordNotComplex")
        self.refused(self.put_server("wrong", administratorLogin=7), 400, "InvalidRequestContent")
        self.refused(self.send("PUT", self.path_of("wrong"), {"location": "mars", "properties": {
            "administratorLogin": "boss", "administratorLoginPassword": PASSWORD}}),
            400, "LocationNotAvailableForResourceType")
        self.refused(self.send("GET", self.path_of("wrong")), 404, "ResourceNotFound")

    def test_each_server_has_its_own_databases_and_logins(self):
        self.make_server("own")
        self.make("same")
        with self.on("own") as own, self.server.connect() as first:
            own.execute("CREATE DATABASE same")
            own.execute("CREATE DATABASE mine")
            self.assertEqual(self.values(own, "SELECT name FROM sys.databases ORDER BY name"),
                             ["master", "mine", "same"])
            self.assertEqual(self.values(own, "SELECT @@SERVERNAME"), ["own"])
            self.assertEqual(self.values(own, "SELECT DB_ID('master')"), [1])
            self.assertEqual(self.values(own, "SELECT DB_ID('same')"), [5])
            self.assertNotIn("mine", self.values(first, "SELECT name FROM sys.databases"))
            self.assertEqual(self.values(first, "SELECT @@SERVERNAME"), [SOURCE])
            self.assertEqual(self.values(own, "SELECT major_resource_id FROM "
                                         "sys.dm_operation_status WHERE operation = "
                                         "'CREATE DATABASE' ORDER BY start_time")[-2:],
                             ["same", "mine"])
            self.assertNotIn("mine", self.values(first, "SELECT major_resource_id FROM "
                                                 "sys.dm_operation_status"))
            self.assertEqual(len(self.values(own, "SELECT session_id FROM sys.dm_exec_sessions")), 1)
        for name, text in (("own", "theirs"), (SOURCE, "ours")):
            how = {"user": f"boss@{name}", "password": PASSWORD} if name == "own" else {}
            with self.server.connect("same", **how) as connection:
                connection.execute(f"CREATE TABLE t (a varchar(10)); INSERT t VALUES ('{text}')")
        with self.server.connect("same", server=SOURCE + ".quire.local") as connection:
            self.assertEqual(self.values(connection, "SELECT a FROM t"), ["ours"])
            self.assertEqual(self.values(connection, "SELECT DB_NAME()"), ["same"])
        with self.on("own", "same") as connection:
            self.assertEqual(self.values(connection, "SELECT a FROM t"), ["theirs"])
            self.assertEqual(self.values(connection, "SELECT DB_ID()"), [5])
        shown = self.good("GET", self.path_of("own") + "/databases/same")
        self.assertEqual(shown["id"], self.path_of("own") + "/databases/same")
        self.assertNotEqual(shown["properties"]["databaseId"],
                            self.good("GET", "/databases/same")["properties"]["databaseId"])
        self.assertEqual(self.errors_of(user="boss", password=PASSWORD), [18456])
        self.assertEqual(self.errors_of(user=f"{server.ADMIN}@own"), [18456])
        self.assertEqual(self.errors_of(user=f"{server.ADMIN}@nowhere"), [40532])
        self.assertEqual(self.errors_of(server="nowhere.database.windows.net"), [40532])
        self.assertEqual(self.errors_of(database="mine"), [4060, 18456])
        self.drop_server("own")

    def test_names_that_cannot_be_are_refused_and_odd_ones_work(self):
        wrong = {"tempdb": 1801, "Model": 1801, "msdb": 1801, "master": 1801, "a/b": None,
                 "../up": None, "a\\b": None, "*": None, "end.": None, "end ": None, "a\x01b": 45190,
                 "b" * 129: 103}
        odd = ["a" * 128, "\u00fc" * 128, "a]b", "a'b", "\U0001f600"]
        with self.server.connect() as connection:
            for name, number in wrong.items():
                errors = [e.number for e in connection.batch(f"CREATE DATABASE [{name}]").errors]
                self.assertEqual(len(errors), 1, name)
                self.assertIn(number, (None, *errors), name)
            for name in odd:
                connection.execute(f"CREATE DATABASE [{name.replace(']', ']]')}]")
                self.assertEqual(self.values(connection, "SELECT COUNT(*) FROM sys.databases "
                                             f"WHERE name = N'{name.replace(chr(39), chr(39) * 2)}'"),
                                 [1])
            self.assertEqual([e.number for e in connection.batch(
                "ALTER DATABASE [a]]b] MODIFY NAME = [tempdb]").errors], [1801])
            for name in odd:
                connection.execute(f"DROP DATABASE [{name.replace(']', ']]')}]")

    @unittest.skipUnless(ALL, "takes long")
    def test_a_hundred_are_made_at_once(self):
        answers = []

        def make(i):
            answers.append(self.send("PUT", f"/databases/crowd{i}", {"location": "eastus"})[0])
        threads = [threading.Thread(target=make, args=(i,)) for i in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers, [202] * 100)
        wait_for(lambda: [d["properties"]["status"] for d in self.good("GET", "/databases")["value"]
                          if d["name"].startswith("crowd")] == ["Online"] * 100)

    def test_a_group_is_deleted_with_its_servers(self):
        group = self.subscription + "/resourceGroups/brief"
        self.good("PUT", group, {"location": "westus"}, status=201)
        servers = [f"{group}/providers/Microsoft.Sql/servers/brief{i}" for i in range(2)]
        for path in servers:
            self.assertEqual(self.send("PUT", path, {"location": "westus", "properties": {
                "administratorLogin": "boss", "administratorLoginPassword": PASSWORD}})[0], 201)
        self.good("PUT", servers[0] + "/connectionPolicies/default", {"properties": {"connectionType": "Proxy"}})
        poll = self.finished(self.send("PUT", servers[1] + "/databases/d", {"location": "westus"}))
        self.assertEqual(poll["status"], "Succeeded", poll)
        here = self.subscription + "/resourceGroups/myResourceGroup"
        self.assertEqual(self.send("DELETE", here)[0], 409)  # it has the first server
        answer = self.send("DELETE", group)
        poll = self.finished(answer)
        self.assertEqual(poll["status"], "Succeeded", poll)
        self.assertEqual(self.api.send("GET", "/" + answer[1]["location"].split("/", 3)[3])[0], 204)
        self.refused(self.send("GET", group), 404, "ResourceGroupNotFound")
        self.refused(self.send("DELETE", group), 404, "ResourceGroupNotFound")
        names = [s["name"] for s in self.good("GET", self.subscription + "/providers/Microsoft.Sql/servers")["value"]]
        self.assertEqual([n for n in names if n.startswith("brief")], [])
        self.make_server("brief0")  # of its namesake nothing is left
        policy = self.good("GET", self.path_of("brief0") + "/connectionPolicies/default")
        self.assertEqual(policy["properties"]["connectionType"], "Default")
        self.drop_server("brief0")

    def test_what_is_not_there_yet_says_so(self):
        for kind in ("failoverGroups",):
            self.assertEqual(self.good("GET", "/" + kind)["value"], [])
            self.refused(self.send("GET", f"/{kind}/x"), 404, "ResourceNotFound")
            self.refused(self.send("PUT", f"/{kind}/x", {"location": "eastus"}), 400,
                         "FeatureNotSupported")
            self.assertEqual(self.send("DELETE", f"/{kind}/x")[0], 204)

    def test_rules_and_passwords_are_those_of_a_server(self):
        self.make_server("ruled")
        rule = {"properties": {"startIpAddress": "10.0.0.1", "endIpAddress": "10.0.0.2"}}
        self.good("PUT", self.path_of("ruled") + "/firewallRules/theirs", rule, status=201)
        self.assertEqual(self.good("GET", "/firewallRules")["value"], [])
        with self.on("ruled") as connection:
            connection.execute("EXEC sp_set_firewall_rule N'more', '10.0.0.3', '10.0.0.3'")
            self.assertEqual(self.values(connection, "SELECT name FROM sys.firewall_rules "
                                         "ORDER BY name"), ["more", "theirs"])
        with self.server.connect() as connection:
            self.assertEqual(self.values(connection, "SELECT name FROM sys.firewall_rules"), [])
        self.good("PATCH", self.path_of("ruled"),
                  {"properties": {"administratorLoginPassword": "A-third-Secret-3"}})
        self.assertEqual(self.errors_of(user="boss@ruled", password=PASSWORD), [18456])
        with self.server.connect(user="boss@ruled", password="A-third-Secret-3"), \
                self.server.connect():
            pass
        self.drop_server("ruled")

    def test_databases_are_copied_to_another_server(self):
        self.make_server("copies")
        with self.server.connect() as connection:
            connection.execute("CREATE DATABASE origin")
        with self.server.connect("origin") as connection:
            connection.execute("CREATE TABLE t (a int); INSERT t VALUES (42)")
        with self.on("copies") as connection:
            connection.execute(f"CREATE DATABASE byname AS COPY OF {SOURCE}.origin")
            self.assertEqual([e.number for e in connection.batch(
                "CREATE DATABASE x AS COPY OF nowhere.origin").errors], [40561])
            self.assertEqual([e.number for e in connection.batch(
                "CREATE DATABASE x AS COPY OF origin").errors], [45143])
        poll = self.finished(self.send(
            "PUT", self.path_of("copies") + "/databases/byapi",
            {"location": "eastus", "properties": {
                "createMode": "Copy", "sourceDatabaseId": self.at + "/databases/origin"}}))
        self.assertEqual(poll["status"], "Succeeded", poll)
        for name in ("byname", "byapi"):
            with self.on("copies", name) as connection:
                self.assertEqual(self.values(connection, "SELECT a FROM t"), [42])
        self.refused(self.send(
            "PUT", self.path_of("copies") + "/databases/x",
            {"location": "eastus", "properties": {
                "createMode": "PointInTimeRestore", "restorePointInTime": "2026-01-01T00:00:00Z",
                "sourceDatabaseId": self.at + "/databases/origin"}}),
            400, "SourceDatabaseNotFound")
        self.drop_server("copies")
        with self.server.connect("origin") as connection:
            self.assertEqual(self.values(connection, "SELECT a FROM t"), [42])

    def test_a_named_replica_is_on_another_server(self):
        self.make_server("readers")
        with self.server.connect() as connection:
            connection.execute("CREATE DATABASE hyper (SERVICE_OBJECTIVE = 'HS_Gen5_2')")
        with self.server.connect("hyper") as connection:
            connection.execute("CREATE TABLE t (a int); INSERT t VALUES (7)")
        with self.server.connect() as connection:
            connection.execute("ALTER DATABASE hyper ADD SECONDARY ON SERVER readers "
                               "WITH (SECONDARY_TYPE = Named, DATABASE_NAME = [reader])")
        links = self.good("GET", "/databases/hyper/replicationLinks")["value"]
        self.assertEqual([(l["properties"]["partnerServer"], l["properties"]["partnerDatabase"])
                          for l in links], [("readers", "reader")])
        links = self.good("GET", self.path_of("readers") + "/replicationLinks")["value"]
        self.assertEqual([(l["properties"]["partnerServer"], l["properties"]["role"])
                          for l in links], [(SOURCE, "Secondary")])
        with self.on("readers", "reader") as connection:
            self.assertEqual(self.values(connection, "SELECT a FROM t"), [7])
            self.assertEqual(self.values(connection, "SELECT @@SERVERNAME"), ["readers"])
        self.readers_are_kept_from_the_primary()
        self.drop_server("readers")
        self.assertEqual(self.good("GET", "/databases/hyper/replicationLinks")["value"], [])
        with self.server.connect("hyper") as connection:
            self.assertEqual(self.values(connection, "SELECT a FROM t"), [7])

    def readers_are_kept_from_the_primary(self):
        """As docs/security.md prints it: one SID, a login that is disabled here and another one there."""
        here, there = "Long-Enough-6", "Long-Enough-7"
        with self.server.connect() as master:
            master.execute(f"CREATE LOGIN reader WITH PASSWORD = '{here}'; ALTER LOGIN reader DISABLE")
            sid = self.values(master, "SELECT sid FROM sys.sql_logins WHERE name = 'reader'")[0]
        with self.server.connect("hyper") as primary:
            primary.execute("CREATE USER reader FOR LOGIN reader; ALTER ROLE db_datareader ADD MEMBER reader")
        with self.on("readers") as master:
            master.execute(f"CREATE LOGIN reader WITH PASSWORD = '{there}', SID = 0x{sid.hex()}")
        def read():
            with self.server.connect("reader", user="reader", password=there,
                                     server="tcp:readers.database.windows.net,1433") as connection:
                self.assertEqual(connection.execute("SELECT USER_NAME(), a FROM t"), [("reader", 7)])
                return connection.batch("SELECT * FROM sys.dm_os_wait_stats").errors[0].number
        wait_for(lambda: not self.raises(read))
        self.assertEqual(read(), 262)
        self.assertEqual(self.errors_of(database="hyper", user="reader", password=here), [18470])
        self.assertEqual(self.errors_of(database="hyper", user="reader", password=there), [18456])
        with self.server.connect("hyper") as primary:
            primary.execute("DROP USER reader")
        with self.server.connect() as master:
            master.execute("DROP LOGIN reader")

    @staticmethod
    def raises(call):
        try:
            call()
        except (tds.Failed, AssertionError):
            return True
        return False

    def test_a_kill_while_a_server_is_deleted_leaves_all_or_nothing(self):
        for step in ("hold", "mark", "remove"):
            self.make_server("killed")
            with self.on("killed") as connection:
                connection.execute("CREATE DATABASE one; CREATE DATABASE two")
            mark = len(self.server.log)
            self.assertEqual(self.send("DELETE", self.path_of("killed"))[0], 202)
            wanted = f'ev=operation_step kind="drop-server" step="{step}"'
            wait_for(lambda: any(wanted in line for line in list(self.server.log)[mark:]))
            os.kill(self.server.pid, signal.SIGKILL)
            self.server.kill()
            self.server.start()
            type(self).api = arm.Api(self.server).login()
            wait_for(lambda: self.send("GET", self.path_of("killed"))[0] == 404)
            wait_for(lambda: self.errors_of(user="boss@killed", password=PASSWORD) == [40532])  # the gateway is told

    def test_servers_are_there_after_a_restart(self):
        self.make_server("lasting")
        with self.on("lasting") as connection:
            connection.execute("CREATE DATABASE kept")
        with self.on("lasting", "kept") as connection:
            connection.execute("CREATE TABLE t (a int); INSERT t VALUES (1)")
        self.server.stop()
        self.server.start()
        type(self).api = arm.Api(self.server).login()
        with self.on("lasting", "kept") as connection:
            self.assertEqual(self.values(connection, "SELECT a FROM t"), [1])
        self.drop_server("lasting")
        self.make_server("lasting")  # its name is free, and nothing of it is left
        with self.on("lasting") as connection:
            self.assertEqual(self.values(connection, "SELECT name FROM sys.databases"), ["master"])
        self.drop_server("lasting")


del Case
