"""Elastic pools over the management API, by T-SQL, and by `quire`; tests/integration/test_az.py has those of the real
Azure CLI."""
import glob
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

import server
import tds
from test_arm_databases import Case

GP4 = {"name": "GP_Gen5", "tier": "GeneralPurpose", "family": "Gen5", "capacity": 4}


class Pools(Case):
    def pool(self, name):
        return f"{self.at}/elasticPools/{name}"

    def make_pool(self, name, sku=None, **properties):
        poll = self.finished(self.send("PUT", self.pool(name), {
            "location": "eastus", **({"sku": sku} if sku else {}), "properties": properties}))
        self.assertEqual(poll["status"], "Succeeded", poll)

    def test_a_pool_is_made_changed_and_deleted(self):
        answer = self.send("PUT", self.pool("One"), {"location": "East US", "tags": {"a": "b"}, "sku": GP4,
                                                     "properties": {"perDatabaseSettings": {"maxCapacity": 2}}})
        self.assertEqual(self.finished(answer)["status"], "Succeeded")
        location = answer[1]["location"].split("/", 3)[3]
        status, _, result = self.api.send("GET", "/" + location)
        self.assertEqual((status, result["name"], result["sku"]), (200, "One", GP4))
        shown = self.good("GET", self.pool("oNE"))
        self.assertEqual(shown["id"], self.pool("One"))
        self.assertEqual((shown["kind"], shown["tags"], shown["properties"]["state"]),
                         ("vcore,pool", {"a": "b"}, "Ready"))
        self.assertEqual((shown["properties"]["maxSizeBytes"], shown["properties"]["perDatabaseSettings"]),
                         (32 << 30, {"minCapacity": 0.0, "maxCapacity": 2.0}))
        self.finished(self.send("PATCH", self.pool("one"), {"sku": {"name": "GP_Gen5", "capacity": 8},
                                                            "properties": {"maxSizeBytes": 100 << 30}}))
        shown = self.good("GET", self.pool("one"))
        self.assertEqual((shown["sku"]["capacity"], shown["properties"]["maxSizeBytes"], shown["tags"]),
                         (8, 100 << 30, {"a": "b"}))
        operations = self.good("GET", self.pool("one") + "/operations")["value"]
        self.assertEqual([(o["properties"]["operation"], o["properties"]["state"]) for o in operations],
                         [("UpdateElasticPool", "Succeeded"), ("CreateElasticPool", "Succeeded")])
        self.assertEqual(operations[0]["properties"]["elasticPoolName"], "One")
        self.assertIn("One", [p["name"] for p in self.good("GET", "/elasticPools")["value"]])
        answer = self.send("DELETE", self.pool("one"))
        self.assertEqual(self.finished(answer)["status"], "Succeeded")
        self.assertEqual(self.api.send("GET", "/" + answer[1]["location"].split("/", 3)[3])[0], 204)
        self.assertEqual(self.send("GET", self.pool("one"))[0], 404)
        self.assertEqual(self.send("DELETE", self.pool("one"))[0], 204)

    def test_sizes_that_a_database_of_a_pool_may_have(self):
        """They are the pool's, and are what CREATE DATABASE takes."""
        said = """SELECT min_db_max_size_in_mb, max_db_max_size_in_mb, default_db_max_size_in_mb
            FROM sys.dm_user_db_resource_governance WHERE database_id = DB_ID()"""
        self.make_pool("narrow", {"name": "BasicPool", "tier": "Basic", "capacity": 50})
        self.make_pool("wide", GP4)
        with self.server.connect() as master:
            for pool, sizes in (("narrow", (100, 2048, 2048)), ("wide", (1024, 756 << 10, 32 << 10))):
                create = f"CREATE DATABASE {{}} (MAXSIZE = {{}}, SERVICE_OBJECTIVE = ELASTIC_POOL(name = {pool}))"
                master.execute(create.format("least_" + pool, f"{sizes[0]} MB"))
                with self.server.connect("least_" + pool) as c:
                    self.assertEqual(c.execute(said), [sizes])
                self.assertEqual([e.number for e in master.batch(
                    create.format("more", f"{2 * sizes[1] >> 10} GB")).errors], [40619])

    def test_what_the_tables_do_not_have_is_refused(self):
        self.make_pool("bounds", {"name": "StandardPool", "tier": "Standard", "capacity": 100})
        for sku, properties, code in (
                ({"name": "Nope"}, {}, "InvalidSkuName"),
                ({"name": "HS_Gen5", "capacity": 2}, {}, "InvalidSkuName"),
                ({"tier": "Hyperscale"}, {}, "InvalidTier"),
                ({"name": "GP_Gen5", "capacity": 3}, {}, "UnsupportedCapacity"),
                ({"name": "GP_Gen5_4", "capacity": 2}, {}, "MismatchedSkuNameAndCapacity"),
                ({"name": "GP_Gen5", "tier": "BusinessCritical", "capacity": 4}, {}, "ElasticPoolSkuCombinationInvalid"),
                ({"name": "StandardPool", "capacity": 10}, {}, "ElasticPoolDtuBelowLimit"),
                ({"name": "StandardPool", "capacity": 9999}, {}, "ElasticPoolDtuAboveLimit"),
                ({"name": "StandardPool", "capacity": 100}, {"maxSizeBytes": 7000 << 30}, "ElasticPoolStorageLimitExceeded"),
                ({"name": "StandardPool", "capacity": 100}, {"perDatabaseSettings": {"maxCapacity": 200}}, "ElasticPoolDbDtuMaxAboveLimit"),
                ({"name": "StandardPool", "capacity": 100}, {"perDatabaseSettings": {"maxCapacity": 1e300}}, "InvalidParameterValue"),
                ({"name": "StandardPool", "capacity": 100}, {"perDatabaseSettings": []}, "InvalidRequestContent"),
                (GP4, {"maxSizeBytes": -1}, "InvalidParameterValue")):
            answer = self.send("PUT", self.pool("bad"), {"location": "eastus", "sku": sku, "properties": properties})
            self.refused(answer, 400, code)
        self.refused(self.send("PATCH", self.pool("bounds"), {"sku": GP4}), 400, "ElasticPoolTierChangeNotSupported")
        self.refused(self.send("PUT", self.pool("a%3Ab"), {"location": "eastus"}), 400, "InvalidParameterValue")
        self.refused(self.send("PUT", self.pool("x"), {"location": "westus"}), 409, "InvalidResourceLocation")

    def test_databases_go_in_and_out(self):
        self.make_pool("basin", {"name": "GP_Gen5", "capacity": 4})
        self.make("pooled", properties={"elasticPoolId": self.pool("BASIN")})
        shown = self.good("GET", "/databases/pooled")
        in_pool = {"name": "ElasticPool", "tier": "GeneralPurpose", "capacity": 0}
        self.assertEqual((shown["sku"], shown["kind"], shown["properties"]["currentSku"]),
                         (in_pool, "v12.0,user,vcore,pool", in_pool))
        self.assertEqual((shown["properties"]["elasticPoolId"], shown["properties"]["currentServiceObjectiveName"],
                          shown["properties"].get("licenseType")), (self.pool("basin"), "ElasticPool", None))
        self.assertEqual([d["name"] for d in self.good("GET", self.pool("basin") + "/databases")["value"]], ["pooled"])
        self.refused(self.send("DELETE", self.pool("basin")), 409, "ElasticPoolNotEmpty")
        # a PUT of what was read changes nothing: it stays
        echo = {"location": "eastus", "sku": shown["sku"], "properties": {"maxSizeBytes": shown["properties"]["maxSizeBytes"]}}
        self.good("PUT", "/databases/pooled", echo)
        self.refused(self.send("PATCH", "/databases/pooled", {"sku": {"name": "GP_Gen5_2"}, "properties": {
            "elasticPoolId": self.pool("basin")}}), 400, "ElasticPoolSkuCombinationInvalid")
        self.refused(self.send("PUT", "/databases/none", {"location": "eastus", "properties": {
            "elasticPoolId": self.pool("nope")}}), 400, "TargetElasticPoolDoesNotExist")
        self.refused(self.send("PUT", "/databases/none", {"location": "eastus", "sku": {"name": "ElasticPool"}}),
                     400, "TargetElasticPoolDoesNotExist")
        poll = self.finished(self.send("PUT", "/databases/beside", {"location": "eastus", "properties": {
            "createMode": "Copy", "sourceDatabaseId": self.at + "/databases/pooled"}}))
        self.assertEqual(poll["status"], "Succeeded", poll)
        self.assertEqual(self.good("GET", "/databases/beside")["properties"]["elasticPoolId"], self.pool("basin"))
        poll = self.finished(self.send("PATCH", "/databases/pooled", {"sku": {"name": "GP_Gen5_2"}}))
        self.assertEqual(poll["status"], "Succeeded", poll)
        shown = self.good("GET", "/databases/pooled")
        self.assertEqual((shown["properties"]["currentServiceObjectiveName"], shown["properties"].get("elasticPoolId")),
                         ("GP_Gen5_2", None))
        self.finished(self.send("DELETE", "/databases/beside"))
        self.assertEqual(self.finished(self.send("DELETE", self.pool("basin")))["status"], "Succeeded")

    def test_by_statements(self):
        self.make_pool("lake", {"name": "GP_Gen5", "capacity": 2})
        with self.server.connect() as c:
            c.execute("CREATE DATABASE fish (SERVICE_OBJECTIVE = ELASTIC_POOL(name = [lake]))")
            objectives = ("SELECT edition, service_objective, elastic_pool_name FROM sys.database_service_objectives "
                          "WHERE database_id = DB_ID('fish')")
            self.assertEqual([tuple(r) for r in c.execute(objectives)], [("GeneralPurpose", "ElasticPool", "lake")])
            self.assertEqual(c.execute("SELECT DATABASEPROPERTYEX('fish', 'ServiceObjective')")[0][0], "ElasticPool")
            for sql, number in (
                    ("ALTER DATABASE fish MODIFY (SERVICE_OBJECTIVE = ELASTIC_POOL(name = pond))", 40857),
                    ("ALTER DATABASE fish MODIFY (SERVICE_OBJECTIVE = ELASTIC_POOL(name = lake), EDITION = 'Standard')", 40861),
                    ("CREATE DATABASE bird (SERVICE_OBJECTIVE = 'ElasticPool')", 40862),
                    ("CREATE DATABASE bird (SERVICE_OBJECTIVE = ELASTIC_POOL())", None)):
                with self.assertRaises(tds.Failed) as caught:
                    c.execute(sql)
                if number:
                    self.assertEqual(caught.exception.messages[0].number, number)
            self.make_pool("river", {"name": "GP_Gen5", "capacity": 2})
            for service, name in (("ELASTIC_POOL(name = river)", "river"), ("'GP_Gen5_2'", None),
                                  ("ELASTIC_POOL(name = [lake])", "lake")):
                c.execute(f"ALTER DATABASE fish MODIFY (SERVICE_OBJECTIVE = {service})")
                self.wait_for_pool(c, objectives, name)
        with self.server.connect("fish") as c:
            c.execute("CREATE TABLE t (a int); INSERT t VALUES (1)")

    def wait_for_pool(self, c, sql, name):
        running = ("SELECT COUNT(*) FROM sys.dm_operation_status WHERE major_resource_id = 'fish' "
                   "AND state_desc IN ('PENDING', 'IN_PROGRESS')")
        deadline = time.monotonic() + 60 * server.SLOWNESS
        while time.monotonic() < deadline:
            if c.execute(running)[0][0] == 0:
                self.assertEqual(c.execute(sql)[0][2], name)
                return
            c.execute("WAITFOR DELAY '00:00:00.05'")
        self.fail("the operation does not end")

    def test_a_pool_survives_a_restart_and_counts_in_the_quota(self):
        self.make_pool("kept", {"name": "GP_Gen5", "capacity": 8})
        self.make("inside", properties={"elasticPoolId": self.pool("kept")})
        before = {u["name"]: u["properties"]["currentValue"] for u in self.good("GET", "/usages")["value"]}
        self.finished(self.send("PATCH", self.pool("kept"), {"sku": {"name": "GP_Gen5", "capacity": 10}}))
        after = {u["name"]: u["properties"]["currentValue"] for u in self.good("GET", "/usages")["value"]}
        self.assertEqual(after["server_vcore_quota_current"] - before["server_vcore_quota_current"], 2)
        self.server.kill()
        self.server.start()
        self.assertEqual(self.good("GET", self.pool("kept"))["sku"]["capacity"], 10)
        self.assertEqual(self.good("GET", "/databases/inside")["properties"]["elasticPoolId"], self.pool("kept"))

    def test_by_quire(self):
        quire = os.path.join(os.environ["QUIRE_BUILD"], "quire")
        folder = tempfile.mkdtemp(prefix="quire-pools-")
        env = {**os.environ, "QUIRE_HOME": folder, "QUIRE_PASSWORD": self.server.password}

        def run(*words):
            done = subprocess.run([quire, *words], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, timeout=120)
            self.assertEqual(done.returncode, 0, done.stderr)
            return json.loads(done.stdout) if done.stdout.strip() else None
        try:
            run("login", "--endpoint", f"https://localhost:{self.server.https_port}", "-u", "quireadmin",
                "--ca", os.path.join(self.server.data_dir, "tls", "cert.pem"))
            made = run("sql", "elastic-pool", "create", "-n", "p1", "--capacity", "4", "--db-max-capacity", "0.5")
            self.assertEqual((made["sku"]["name"], made["sku"]["capacity"], made["perDatabaseSettings"]["maxCapacity"]),
                             ("GP_Gen5", 4, 0.5))
            self.assertEqual(run("sql", "elastic-pool", "update", "-n", "p1", "-c", "2")["sku"]["capacity"], 2)
            made = run("sql", "db", "create", "-n", "q1", "--elastic-pool", "p1")
            self.assertEqual(made["elasticPoolId"], self.pool("p1"))
            self.assertEqual([d["name"] for d in run("sql", "db", "list", "--elastic-pool", "p1")], ["q1"])
            self.assertEqual([d["name"] for d in run("sql", "elastic-pool", "list-dbs", "-n", "p1")], ["q1"])
            self.assertEqual(run("sql", "db", "update", "-n", "q1", "--service-objective", "GP_Gen5_2")[
                "currentServiceObjectiveName"], "GP_Gen5_2")
            self.assertEqual([u["name"] for u in run("sql", "db", "list-usages", "-n", "q1")],
                             ["database_size", "database_allocated_size"])
            self.assertEqual(len(run("sql", "elastic-pool", "op", "list", "--elastic-pool", "p1")), 2)
            run("sql", "elastic-pool", "delete", "-n", "p1")
            self.assertNotIn("p1", [p["name"] for p in run("sql", "elastic-pool", "list")])
        finally:
            shutil.rmtree(folder)

class PoolStorage(Case):
    GROW = "INSERT t (b) SELECT TOP 200 REPLICATE('x', 7000) FROM sys.all_columns"

    def files(self):
        return set(glob.glob(os.path.join(self.server.data_dir, "**", "data"), recursive=True))

    @unittest.skipUnless(os.environ.get("QUIRE_TEST_ALL"), "waits until a pool's databases are summed up")
    def test_a_full_pool_refuses_growth_and_nothing_else(self):
        made = self.send("PUT", f"{self.at}/elasticPools/small", {
            "location": "eastus", "sku": {"name": "GP_Gen5", "capacity": 2}, "properties": {"maxSizeBytes": 1 << 30}})
        self.assertEqual(self.finished(made)["status"], "Succeeded")
        create = "CREATE DATABASE {} (SERVICE_OBJECTIVE = ELASTIC_POOL(name = small))"
        with self.server.connect() as c:
            c.execute(create.format("here"))
            known = self.files()
            c.execute(create.format("idle"))
        with self.server.connect("here") as c:
            c.execute("CREATE TABLE t (id int IDENTITY PRIMARY KEY, b varchar(7000))")
            c.execute(self.GROW)
        self.server.stop()
        idle = (self.files() - known).pop()
        size = os.path.getsize(idle)
        os.truncate(idle, 1 << 30)  # as if it had so much; nobody opens it
        self.server.start()
        with self.server.connect("here") as c:
            while (refused := self.grow(c)) is None:  # until they are summed up
                c.execute("WAITFOR DELAY '00:00:00.5'")
            self.assertEqual(refused, (1132, "The elastic pool has reached its storage limit. The storage usage for the "
                                             "elastic pool cannot exceed (1024) MBs."))
            c.execute("DELETE t; SELECT COUNT(*) FROM t")
            os.truncate(idle, size)
            while self.grow(c) is not None:
                c.execute("WAITFOR DELAY '00:00:01'")

    def grow(self, c):
        try:
            c.execute(self.GROW)
        except tds.Failed as failed:
            return failed.messages[0].number, failed.messages[0].text
        return None


class PooledBound(Case):
    POOL = "SELECT TOP 1 allocated_storage_mb, used_storage_mb, allocated_storage_percent FROM sys.dm_elastic_pool_resource_stats ORDER BY end_time DESC"
    OWN = "SELECT TOP 1 CAST(ISNULL(allocated_storage_mb, 0) AS int) FROM sys.dm_db_resource_stats ORDER BY end_time DESC"

    @classmethod
    def setUpClass(cls):
        cls.server = server.Server("--governance", "off", "--resource-sample-seconds", "1")
        cls.start(cls.server)

    @unittest.skipUnless(os.environ.get("QUIRE_TEST_ALL"), "waits until a pool's databases are summed up")
    def test_a_pooled_database_that_is_full_reads_and_deletes(self):
        made = self.send("PUT", f"{self.at}/elasticPools/narrow", {
            "location": "eastus", "sku": {"name": "BasicPool", "tier": "Basic", "capacity": 50}, "properties": {}})
        self.assertEqual(self.finished(made)["status"], "Succeeded")
        with self.server.connect() as c:
            c.execute("CREATE DATABASE full_one (MAXSIZE = 100 MB, SERVICE_OBJECTIVE = ELASTIC_POOL(name = narrow))")
        with self.server.connect("full_one") as c:
            c.execute("CREATE TABLE t (id int IDENTITY PRIMARY KEY, b varbinary(7000))")
            errors = []
            while not errors:
                errors = c.batch("INSERT t (b) SELECT CRYPT_GEN_RANDOM(7000) FROM GENERATE_SERIES(1, 200)").errors
            self.assertEqual([e.number for e in errors], [40544])
            count = c.execute("SELECT COUNT(*) FROM t")[0][0]
            self.assertGreater(count * 7000, 80 << 20)
            self.check_storage(c, count)
            c.execute("DELETE t WHERE id < 400; INSERT t (b) VALUES (CRYPT_GEN_RANDOM(7000))")

    def check_storage(self, c, count):
        """The pool has what its only database has; its most is 5 GB."""
        deadline = time.monotonic() + 60 * server.SLOWNESS
        own, pool = c.execute(self.OWN), c.execute(self.POOL)
        while (not pool or not own or own[0][0] < 80 or pool[0][0] != own[0][0]) and time.monotonic() < deadline:
            time.sleep(0.5)
            own, pool = c.execute(self.OWN), c.execute(self.POOL)
        self.assertEqual(pool[0][0], own[0][0])
        self.assertTrue(count * 7000 >> 20 <= pool[0][1] <= pool[0][0], pool)
        self.assertAlmostEqual(float(pool[0][2]), 100 * own[0][0] / 5120, delta=0.05)


del Case
