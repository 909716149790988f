"""Backups over the management API: kept for long, listed, and tried."""
import glob
import os
import shutil
import tempfile
import datetime
import time
import unittest
import urllib.parse

import server
import test_arm_databases
import test_backup

RETENTION = "/backupLongTermRetentionPolicies/default"
ID = "longTermRetentionBackupResourceId"
PAUSE = 0.2  # who asks without one has used up its 1200 requests a minute within seconds, and the next test meets 429


class Backups(test_arm_databases.Case):
    def backups(self, below="", query=""):
        path = self.subscription + "/providers/Microsoft.Sql/locations/eastus" + below
        return self.good("GET", path + "/longTermRetentionBackups" + query)["value"]

    def wait_backup(self, database):
        below = f"/longTermRetentionServers/server01/longTermRetentionDatabases/{database}"
        deadline = time.monotonic() + 60 * server.SLOWNESS
        while not self.backups(below):
            self.assertLess(time.monotonic(), deadline, "no long-term backup was made")
            time.sleep(PAUSE)
        return self.backups(below)[0]

    def keep(self, name, sku, value):
        self.make(name, sku={"name": sku})
        with self.server.connect(name) as connection:
            connection.execute("CREATE TABLE t (a int NOT NULL PRIMARY KEY)")
            connection.execute(f"INSERT t VALUES ({value})")
        policy = {"weeklyRetention": "P4W", "monthlyRetention": "PT0S", "yearlyRetention": "P5Y",
                  "weekOfYear": 2}
        shown = self.good("PUT", f"/databases/{name}{RETENTION}", {"properties": policy})
        self.assertEqual(shown["properties"], policy)
        self.assertEqual(self.good("GET", f"/databases/{name}{RETENTION}"), shown)
        return self.wait_backup(name)

    def put_back(self, name, backup):
        self.make(name, properties={"createMode": "RestoreLongTermRetentionBackup", ID: backup["id"]})
        self.assertEqual(test_backup.rows(self.server, name), [7])

    def outlives(self, name, sku):
        backup = self.keep(name, sku, 7)
        self.assertEqual(backup["properties"]["databaseName"], name)
        self.assertEqual(backup["properties"]["serverName"], "server01")
        self.assertNotIn("databaseDeletionTime", backup["properties"])
        with self.server.connect(name) as connection:
            connection.execute("INSERT t VALUES (8)")
        path = urllib.parse.quote(backup["id"])
        self.assertEqual(self.good("GET", path)["name"], backup["name"])
        poll = self.finished(self.send("DELETE", "/databases/" + name))
        self.assertEqual(poll["status"], "Succeeded", poll)
        deleted = self.good("GET", path)
        self.assertIn("databaseDeletionTime", deleted["properties"])
        self.assertIn(backup["name"], [b["name"] for b in self.backups(query="?databaseState=Deleted")])
        self.assertNotIn(backup["name"], [b["name"] for b in self.backups(query="?databaseState=Live")])
        self.put_back(name + "_back", backup)
        return path

    def test_backups_of_files_outlive_their_database_and_a_restart(self):
        path = self.outlives("files", "GP_Gen5_2")
        self.server.stop()
        self.server.start()
        self.api.login()
        backup = self.good("GET", path)
        self.put_back("files_again", backup)
        self.assertEqual(self.send("DELETE", path)[0], 200)
        self.assertEqual(self.send("DELETE", path)[0], 204)
        self.assertEqual(self.send("GET", path)[0], 404)
        answer = self.send("PUT", "/databases/nothing", {"location": "eastus", "properties": {
            "createMode": "RestoreLongTermRetentionBackup", ID: backup["id"]}})
        self.refused(answer, 400, "LongTermRetentionBackupNotFound")
        self.assertEqual(test_backup.rows(self.server, "files_again"), [7])

    def test_backups_of_hyperscale_outlive_their_database(self):
        path = self.outlives("pages", "HS_Gen5_2")
        self.assertEqual(self.send("DELETE", path)[0], 200)
        self.assertEqual(test_backup.rows(self.server, "pages_back"), [7])

    def try_restore(self, name, source):
        answer = self.send("PUT", "/databases/" + name, {"location": "eastus", "properties": {
            "createMode": "Copy", "sourceDatabaseId": self.at + "/databases/" + source,
            "quireVerifyOnly": True}})
        return self.finished(answer)

    def test_backups_are_listed_and_tried(self):
        for name, sku in (("tried", "GP_Gen5_2"), ("tried_pages", "HS_Gen5_2")):
            self.make(name, sku={"name": sku})
            with self.server.connect(name) as connection:
                connection.execute("CREATE TABLE t (a int NOT NULL PRIMARY KEY, b varchar(10))")
                connection.execute("CREATE INDEX i ON t (b)")
                connection.execute("INSERT t VALUES (1, 'x')")
            poll = self.try_restore(name + "_scratch", name)
            self.assertEqual(poll["status"], "Succeeded", poll)
            self.assertEqual(self.send("GET", f"/databases/{name}_scratch")[0], 404)
        query = ("SELECT backup_type, in_retention, logical_server_name, logical_database_name, "
                 "DATEDIFF(second, backup_start_date, backup_finish_date) FROM sys.dm_database_backups "
                 "ORDER BY backup_start_date")
        with self.server.connect("tried") as connection:
            rows = connection.execute(query)
            ids = connection.execute("SELECT COUNT(DISTINCT backup_file_id), COUNT(DISTINCT "
                                     "logical_database_id) FROM sys.dm_database_backups")
        self.assertEqual(rows[0][0], "D", rows)
        self.assertLessEqual({row[0] for row in rows}, {"D", "I", "L"})
        self.assertEqual({tuple(row[1:4]) for row in rows}, {(True, "server01", "tried")})
        self.assertTrue(all(0 <= row[4] < 60 for row in rows), rows)
        self.assertEqual(tuple(ids[0]), (len(rows), 1))
        with self.server.connect() as master:
            names = {row[3] for row in master.execute(query)}
        self.assertIn("tried", names)
        self.assertNotIn("tried_pages", names)  # Hyperscale has no such files

    def test_backups_outlive_their_server(self):
        other = self.at.replace("server01", "server77")
        body = {"location": "eastus", "properties": {
            "administratorLogin": "boss", "administratorLoginPassword": "Correct-Horse-7"}}
        answer = self.send("PUT", other, body)
        self.assertEqual(answer[0], 201, answer)
        poll = self.finished(self.send("PUT", other + "/databases/far", {"location": "eastus"}))
        self.assertEqual(poll["status"], "Succeeded", poll)
        self.good("PUT", other + "/databases/far" + RETENTION,
                  {"properties": {"weeklyRetention": "P4W"}})
        below = "/longTermRetentionServers/server77"
        deadline = time.monotonic() + 60 * server.SLOWNESS
        while not self.backups(below):
            self.assertLess(time.monotonic(), deadline, "no long-term backup was made")
            time.sleep(PAUSE)
        self.assertEqual(self.finished(self.send("DELETE", other))["status"], "Succeeded")
        self.assertEqual(self.send("GET", other)[0], 404)
        kept = self.backups(below)
        self.assertEqual([b["properties"]["databaseName"] for b in kept], ["far"])
        self.assertIn("databaseDeletionTime", kept[0]["properties"])
        self.make("near", properties={"createMode": "RestoreLongTermRetentionBackup",
                                      ID: kept[0]["id"]})
        self.assertEqual(self.good("GET", "/databases/near")["properties"]["status"], "Online")
        self.assertEqual(self.send("DELETE", urllib.parse.quote(kept[0]["id"]))[0], 200)
        self.assertEqual(self.backups(below), [])

    def test_what_backups_take_is_a_metric(self):
        self.make("measured")
        at = "/databases/measured/providers/Microsoft.Insights/metrics"
        deadline = time.monotonic() + 60 * server.SLOWNESS
        sizes = {}
        while not sizes.get("full_backup_size_bytes"):
            self.assertLess(time.monotonic(), deadline, "no backup was taken")
            time.sleep(PAUSE)
            sizes = {m["name"]["value"]: m["timeseries"][0]["data"][0]["maximum"]
                     for m in self.good("GET", at)["value"]
                     if m["name"]["value"].endswith("_backup_size_bytes")}
        self.assertEqual(sizes["diff_backup_size_bytes"], 0)
        one = self.good("GET", at + "?metricnames=log_backup_size_bytes")["value"]
        self.assertEqual([m["name"]["value"] for m in one], ["log_backup_size_bytes"])
        words = self.refused(self.send("GET", at + "?metricnames=storage,no_such_percent"), 400, "BadRequest")
        self.assertRegex(words, "^Failed to find metric configuration for provider: Microsoft.Sql, resource Type: "
                                "servers/databases, metric: no_such_percent, Valid metrics: cpu_percent,")
        words = self.refused(self.send("GET", at + "?interval=PT3M"), 400, "BadRequest")
        self.assertEqual(words, "Invalid time grain duration: PT3M, supported ones are: 00:01:00,00:05:00,00:15:00,"
                                "00:30:00,01:00:00,06:00:00,12:00:00,1.00:00:00")
        self.refused(self.send("GET", at + "?aggregation=most"), 400, "BadRequest")
        self.refused(self.send("GET", at + "?timespan=yesterday"), 400, "BadRequest")
        defined = {m["name"]["value"] for m in self.good("GET", at[:-1] + "Definitions")["value"]}
        self.assertLessEqual(set(sizes) | {"cpu_percent", "log_write_percent", "storage"}, defined)

    def test_logins_are_a_metric_by_intervals(self):
        self.make("counted")
        self.server.connect("counted").close()
        now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0, tzinfo=None)
        span = f"{now - datetime.timedelta(minutes=30)}Z/{now + datetime.timedelta(minutes=30)}Z"
        at = ("/databases/counted/providers/Microsoft.Insights/metrics?metricnames="
              "connection_successful,cpu_percent&interval=PT1H&timespan=" + span.replace(" ", "T"))
        deadline = time.monotonic() + 30 * server.SLOWNESS
        total = None
        while total != 1.0:  # the gateway tells what it has counted every ten seconds
            self.assertLess(time.monotonic(), deadline, total)
            time.sleep(PAUSE)
            answer = self.good("GET", at)
            series = {m["name"]["value"]: m["timeseries"][0]["data"] for m in answer["value"]}
            total = sum(p["total"] for p in series["connection_successful"])
        self.assertEqual(answer["interval"], "PT1H")
        self.assertEqual(len(series["cpu_percent"]), 1)
        self.assertIn(set(series["cpu_percent"][0]), ({"timeStamp"}, {"timeStamp", "average"}))  # a minute may have ended

    @unittest.skipUnless(os.environ.get("QUIRE_TEST_ALL"), "waits for the end of a minute; run with --all")
    def test_use_is_a_metric_by_minutes_of_databases_and_pools(self):
        with self.server.connect() as master:
            master.execute("CREATE DATABASE used (SERVICE_OBJECTIVE = 'S3')")
        self.finished(self.send("PUT", "/elasticPools/p", {"location": "eastus", "sku": {"name": "StandardPool",
                                                                                      "capacity": 100}}))
        self.make("pooled", properties={"elasticPoolId": self.good("GET", "/elasticPools/p")["id"]})
        names = ("cpu_percent,dtu_used,storage_percent,sqlserver_process_memory_percent,sessions_count,"
                 "allocated_data_storage")
        query = f"/providers/Microsoft.Insights/metrics?interval=PT1M&aggregation=minimum,maximum,average&metricnames={names}"
        pool = query.replace("dtu_used", "eDTU_used")
        deadline = time.monotonic() + 150 * server.SLOWNESS
        with self.server.connect("used") as one, self.server.connect("pooled") as other:
            for connection in (one, other):
                connection.execute("CREATE TABLE t (c varchar(8000)); INSERT t SELECT REPLICATE('x', 8000) "
                                   "FROM sys.all_columns")
            for at in ("/databases/used" + query, "/elasticPools/p" + pool):
                got = {}
                while len(got) < 6:
                    self.assertLess(time.monotonic(), deadline, got)
                    for connection in (one, other):
                        connection.execute("SELECT COUNT(*) FROM t WHERE c LIKE '%y%'")
                    time.sleep(PAUSE)
                    got = {m["name"]["value"]: p for m in self.good("GET", at)["value"]
                           for p in m["timeseries"][0]["data"] if p.get("maximum", 0) > 0}
                for name, point in got.items():
                    self.assertLessEqual(point["minimum"], point["average"] + 0.01, (name, point))
                    self.assertLessEqual(point["average"], point["maximum"] + 0.01, (name, point))
                self.assertGreaterEqual(got["allocated_data_storage"]["maximum"], 8000 * 1000)

    def test_statements_choose_the_redundancy(self):
        with self.server.connect() as master:
            master.execute("CREATE DATABASE chosen WITH BACKUP_STORAGE_REDUNDANCY = 'ZONE'")
            wrong = master.batch("CREATE DATABASE wrong WITH BACKUP_STORAGE_REDUNDANCY = 'MOON'")
        self.assertTrue(wrong.errors)
        properties = self.good("GET", "/databases/chosen")["properties"]
        self.assertEqual(properties["requestedBackupStorageRedundancy"], "Zone")

    def test_a_verification_is_of_a_restore(self):
        answer = self.send("PUT", "/databases/empty", {"location": "eastus",
                                                       "properties": {"quireVerifyOnly": True}})
        self.refused(answer, 400, "InvalidParameterValue")

    def test_policies_that_are_none_are_refused(self):
        self.make("policies")
        at = "/databases/policies" + RETENTION
        for bad in ({"weeklyRetention": "P3D"}, {"monthlyRetention": "P11Y"}, {"weekOfYear": 53},
                    {"yearlyRetention": "P1Y"}, {"weeklyRetention": "a while"}):
            self.refused(self.send("PUT", at, {"properties": bad}), 400,
                         "LongTermRetentionPolicyInvalid")
        self.assertEqual(self.good("GET", at)["properties"]["weeklyRetention"], "PT0S")
        self.refused(self.send("PUT", "/databases/master" + RETENTION,
                               {"properties": {"weeklyRetention": "P1W"}}), 400,
                     "LongTermRetentionPolicyInvalid")


class SecondStore(test_arm_databases.Case):
    """What the first store had is gone, and it is gone itself."""
    # nothing can be backed up, copied or forgotten without it
    ANNOUNCED = ("backup_damaged", "backup_failed", "backups_not_copied", "purge_delayed", "last_backup_failed")

    @classmethod
    def setUpClass(cls):
        cls.second = tempfile.mkdtemp()
        cls.server = server.Server("--geo-blob", "file://" + os.path.join(cls.second, "geo"),
                                   announced=cls.ANNOUNCED)
        cls.start(cls.server)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.second)

    def recoverable(self):
        return {d["name"]: d["properties"] for d in self.good("GET", "/recoverableDatabases")["value"]}

    def test_it_restores_alone_what_is_to_be_geo_redundant(self):
        redundancy = "requestedBackupStorageRedundancy"
        self.make("local", properties={redundancy: "Local"})
        self.make("geo", properties={redundancy: "Geo"})
        with self.server.connect("geo") as connection:
            connection.execute("CREATE TABLE t (a int NOT NULL PRIMARY KEY)")
            connection.execute("INSERT t VALUES (7)")
        self.make("copy", properties={"createMode": "Copy",  # brings its backups up to date
                                      "sourceDatabaseId": self.at + "/databases/geo"})
        deadline = time.monotonic() + 60 * server.SLOWNESS
        while not self.holds("geo", 7):
            self.assertLess(time.monotonic(), deadline, "no backup was copied")
            time.sleep(0.2)
        self.assertEqual(set(self.recoverable()), {"geo"})
        self.assertEqual(self.recoverable()["geo"]["edition"], "GeneralPurpose")
        self.assertEqual(self.good("GET", "/recoverableDatabases/geo")["name"], "geo")
        self.assertEqual(self.send("GET", "/recoverableDatabases/local")[0], 404)
        os.rename(os.path.join(self.server.data_dir, "blob"),
                  os.path.join(self.server.data_dir, "gone"))
        self.recover("found")
        self.assertEqual(test_backup.rows(self.server, "found"), [7])
        answer = self.send("PUT", "/databases/none", {"location": "eastus", "properties": {
            "createMode": "Recovery", "recoverableDatabaseId": self.at + "/recoverableDatabases/local"}})
        poll = self.finished(answer)
        self.assertEqual((poll["status"], "40653" in str(poll) or "Could not find" in str(poll)),
                         ("Failed", True), poll)
        os.rename(os.path.join(self.server.data_dir, "gone"),
                  os.path.join(self.server.data_dir, "blob"))

    def test_a_damaged_backup_is_told_by_its_name(self):
        self.make("hurt")
        self.make("whole", properties={"createMode": "Copy",
                                       "sourceDatabaseId": self.at + "/databases/hurt"})
        with self.server.connect("hurt") as connection:
            id = connection.execute("SELECT DISTINCT physical_database_name FROM "
                                    "sys.dm_database_backups")[0][0]
        parts = glob.glob(os.path.join(self.server.data_dir, "blob", "backups", id, "data", "*", "*"))
        self.assertTrue(parts, id)
        for part in parts:
            with open(part, "r+b") as file:
                file.seek(150)
                byte = file.read(1)[0]
                file.seek(150)
                file.write(bytes([byte ^ 1]))
        answer = self.send("PUT", "/databases/tried", {"location": "eastus", "properties": {
            "createMode": "Copy", "sourceDatabaseId": self.at + "/databases/hurt",
            "quireVerifyOnly": True}})
        poll = self.finished(answer)
        self.assertEqual(poll["status"], "Failed", poll)
        self.assertIn(f"backups/{id}/data/", poll["error"]["message"])
        self.assertEqual(self.send("GET", "/databases/tried")[0], 404)
        self.assertEqual(self.good("GET", "/databases/whole")["name"], "whole")

    def recover(self, name):
        self.make(name, properties={
            "createMode": "Recovery", "recoverableDatabaseId": self.at + "/recoverableDatabases/geo"})

    def holds(self, name, value):
        """The second store has what was committed: tried by a restore that keeps nothing of it."""
        if name not in self.recoverable():
            return False
        self.tries = getattr(self, "tries", 0) + 1
        self.recover(f"try{self.tries}")
        with self.server.connect(f"try{self.tries}") as connection:
            there = connection.execute("SELECT OBJECT_ID('t')")[0][0] is not None
            return there and [r[0] for r in connection.execute("SELECT a FROM t")] == [value]


if __name__ == "__main__":
    unittest.main()
