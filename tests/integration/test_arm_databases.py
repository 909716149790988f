"""Servers, databases, operations and rights over the management API, without a client library."""
import os
import signal
import threading
import time
import unittest
import uuid

import arm
import server

VERSION = "api-version=2022-08-01-preview"
SERVER = "/resourceGroups/myResourceGroup/providers/Microsoft.Sql/servers/server01"


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = server.Server()
        cls.start(cls.server)

    @classmethod
    def start(cls, quired):
        quired.start()
        cls.api = arm.Api(cls.server).login()
        _, _, answer = cls.api.send("GET", "/subscriptions?" + VERSION)
        cls.subscription = answer["value"][0]["id"]
        cls.at = cls.subscription + SERVER

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.server.remove()

    def send(self, method, path, body=None, headers=None, api=None):
        path = path if path.startswith("/subscriptions") else self.at + path
        return (api or self.api).send(method, path + ("&" if "?" in path else "?") + VERSION, body,
                                      headers)

    def good(self, method, path, body=None, status=200, **more):
        answer = self.send(method, path, body, **more)
        self.assertEqual(answer[0], status, answer)
        return answer[2]

    def refused(self, answer, status, code):
        self.assertEqual((answer[0], answer[2]["error"]["code"]), (status, code), answer)
        return answer[2]["error"]["message"]

    def finished(self, answer):
        """The state of the operation that this answer started, and its last poll."""
        status, headers, _ = answer
        self.assertEqual(status, 202, answer)
        url = headers["azure-asyncoperation"].split(":", 2)[2].split("/", 1)[1]
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            _, _, poll = self.api.send("GET", "/" + url)
            if poll["status"] != "InProgress":
                return poll
            time.sleep(0.05)
        self.fail("the operation does not end")

    def make(self, name, **body):
        poll = self.finished(self.send("PUT", "/databases/" + name, {"location": "eastus", **body}))
        self.assertEqual(poll["status"], "Succeeded", poll)


class Databases(Case):
    def test_files_can_be_restored_from_their_first_backup_on(self):
        self.make("young", sku={"name": "GP_Gen5_2"})
        deadline = time.monotonic() + 60 * server.SLOWNESS
        while "earliestRestoreDate" not in (shown := self.good("GET", "/databases/young")["properties"]):
            self.assertLess(time.monotonic(), deadline, "no full backup was taken")
            time.sleep(0.05)
        self.assertGreater(shown["earliestRestoreDate"], shown["creationDate"])
        self.make("again", properties={"createMode": "PointInTimeRestore", "sourceDatabaseId": self.at + "/databases/young",
                                       "restorePointInTime": shown["earliestRestoreDate"]})
        for name in ("young", "again"):
            self.finished(self.send("DELETE", "/databases/" + name))

    def usages(self, name):
        return {u["name"]: u["properties"] for u in self.good("GET", f"/databases/{name}/usages")["value"]}

    def test_a_database_says_how_large_it_is(self):
        for name, sku, limit in (("small", "GP_Gen5_2", 32 << 30), ("hyper", "HS_Gen5_2", 100 << 40)):
            self.make(name, sku={"name": sku})
            before = self.usages(name)
            self.assertEqual({u["limit"] for u in before.values()}, {limit})
            with self.server.connect(name) as connection:
                connection.execute("CREATE TABLE t (a varchar(8000)); DECLARE @i int = 0; BEGIN TRAN; WHILE @i < 1000 "
                                   "BEGIN INSERT t VALUES (REPLICATE('x', 8000)); SET @i += 1 END; COMMIT")
            after = self.usages(name)
            for kind in ("database_size", "database_allocated_size"):
                grown = after[kind]["currentValue"] - before[kind]["currentValue"]
                self.assertTrue(8000000 <= grown < 30000000, (name, kind, before, after))
            self.assertLessEqual(after["database_size"]["currentValue"], after["database_allocated_size"]["currentValue"])
            self.finished(self.send("DELETE", "/databases/" + name))
        self.assertEqual(self.send("GET", "/databases/none/usages")[0], 404)

    def test_a_database_is_made_shown_changed_and_deleted(self):
        self.send("DELETE", "/databases/One")
        answer = self.send("PUT", "/databases/One",
                           {"location": "East US", "tags": {"a": "b"}, "sku": {"name": "GP_Gen5_2"}})
        poll = self.finished(answer)
        self.assertEqual(poll["status"], "Succeeded", poll)
        location = answer[1]["location"].split("/", 3)[3]
        status, _, result = self.api.send("GET", "/" + location)
        self.assertEqual((status, result["name"]), (200, "One"))
        shown = self.good("GET", "/databases/oNE")
        self.assertEqual(shown["sku"], {"name": "GP_Gen5", "tier": "GeneralPurpose",
                                        "family": "Gen5", "capacity": 2})
        self.assertEqual((shown["kind"], shown["tags"]), ("v12.0,user,vcore", {"a": "b"}))
        self.assertEqual(shown["properties"]["maxSizeBytes"], 32 << 30)
        self.assertEqual(shown["id"], self.at + "/databases/One")
        names = [d["name"] for d in self.good("GET", "/databases")["value"]]
        self.assertIn("One", names)
        self.assertIn("master", names)
        # what is as it is changes nothing
        self.good("PUT", "/databases/One", {"location": "eastus", "sku": shown["sku"],
                                            "properties": {"maxSizeBytes": 32 << 30}})
        poll = self.finished(self.send("PATCH", "/databases/One",
                                       {"sku": {"name": "GP_Gen5", "capacity": 4}}))
        self.assertEqual(poll["status"], "Succeeded", poll)
        self.assertEqual(self.good("GET", "/databases/One")["sku"]["capacity"], 4)
        operations = self.good("GET", "/databases/One/operations")["value"]
        self.assertEqual([o["properties"]["operation"] for o in operations][:2],
                         ["UpdateLogicalDatabase", "CreateLogicalDatabase"])
        with self.server.connect("One") as connection:
            self.assertEqual(connection.execute("SELECT 1"), [(1,)])
            answer = self.send("DELETE", "/databases/One")  # a session that is in it does not stop that
            self.assertEqual(self.finished(answer)["status"], "Succeeded")
            self.assertEqual([e.number for e in connection.batch("SELECT 1").errors], [596])
        self.assertEqual(self.api.send("GET", "/" + answer[1]["location"].split("/", 3)[3])[0], 204)
        self.refused(self.send("GET", "/databases/One"), 404, "ResourceNotFound")
        self.assertEqual(self.send("DELETE", "/databases/One")[0], 204)
        dropped = self.good("GET", "/restorableDroppedDatabases")["value"]
        self.assertIn("One", [d["properties"]["databaseName"] for d in dropped])

    def test_names_and_bodies_that_are_wrong_are_refused_at_once(self):
        long = "x" * 129
        for name, body, status, code in (
                ("master", {}, 400, "CannotUseReservedDatabaseName"),
                ("tempdb", {}, 400, "CannotUseReservedDatabaseName"),
                (long, {}, 400, "InvalidResourceName"),
                ("a%3Cb", {}, 400, "InvalidResourceName"),
                ("a%2Fb", {}, 400, "InvalidResourceName"),
                ("a%FF", {}, 400, "InvalidResourceName"),
                ("x", {"sku": {"name": "GP_Gen5_3"}}, 400, "InvalidSkuName"),
                ("x", {"sku": {"name": "Nope"}}, 400, "InvalidSkuName"),
                ("x", {"sku": {"name": 5}}, 400, "InvalidRequestContent"),
                ("x", {"sku": []}, 400, "InvalidRequestContent"),
                ("x", {"sku": {"name": "GP_Gen5_2", "tier": "Hyperscale"}}, 400,
                 "MismatchedSkuNameAndTier"),
                ("x", {"sku": {"name": "GP_Gen5", "capacity": 3}}, 400, "UnsupportedCapacity"),
                ("x", {"sku": {"name": "GP_Gen5_2", "capacity": 4}}, 400,
                 "MismatchedSkuNameAndCapacity"),
                ("x", {"sku": {"name": "ElasticPool"}}, 400, "TargetElasticPoolDoesNotExist"),
                ("x", {"location": "moon"}, 409, "InvalidResourceLocation"),
                ("x", {"tags": {"a": 1}}, 400, "InvalidTagNameValue"),
                ("x", {"properties": {"maxSizeBytes": "1"}}, 400, "InvalidRequestContent"),
                ("x", {"properties": {"maxSizeBytes": 1 << 60}}, 400,
                 "InvalidMaxSizeTierCombination"),
                ("x", {"properties": {"createMode": "Copy"}}, 400, "MissingSourceDatabaseId"),
                ("x", {"properties": {"createMode": "Copy", "sourceDatabaseId": "/a"}}, 400,
                 "SourceDatabaseNotFound"),
                ("x", {"properties": {"createMode": "Nope"}}, 400, "InvalidParameterValue"),
                ("x", {"sku": {"name": "HS_Gen5_2"},
                       "properties": {"highAvailabilityReplicaCount": 5}}, 400,
                 "InvalidReadScaleUnits")):
            with self.subTest(name=name, body=body):
                answer = self.send("PUT", "/databases/" + name, {"location": "eastus", **body})
                self.refused(answer, status, code)
        for body in (b"{", b"[]", b"\xff", b'{"a":1,"a":2}', b"[" * 100000):
            self.refused(self.send("PUT", "/databases/x", body), 400, "InvalidRequestContent")
        self.refused(self.send("PATCH", "/databases/nope", {}), 404, "ResourceNotFound")

    def test_a_body_of_ten_megabytes_is_refused(self):
        try:
            self.refused(self.send("PUT", "/databases/x", b" " * (10 << 20)), 413,
                         "RequestEntityTooLarge")
        except OSError:
            pass  # it was closed while we were sending
        self.good("GET", "/databases")

    def test_unknown_properties_are_ignored(self):
        self.make("unknown", whatever=[1], properties={"whatever": {"a": 1}, "collation": None})

    def test_conditions_hold_or_refuse(self):
        self.make("tagged")
        change = {"tags": {"n": "1"}}
        self.refused(self.send("PATCH", "/databases/tagged", change, {"If-Match": '"0"'}), 412,
                     "PreconditionFailed")
        self.refused(self.send("PUT", "/databases/tagged", change, {"If-None-Match": "*"}), 412,
                     "PreconditionFailed")
        deadline = time.monotonic() + 60
        answer = (412,)
        while answer[0] == 412 and time.monotonic() < deadline:  # the service may have written, too, since we read
            _, headers, _ = self.send("GET", "/databases/tagged")
            answer = self.send("PATCH", "/databases/tagged", change, {"If-Match": headers["etag"]})
        self.assertEqual(self.finished(answer)["status"], "Succeeded")
        self.assertEqual(self.good("GET", "/databases/tagged")["tags"], {"n": "1"})

    def test_a_copy_has_the_rows_and_a_rename_keeps_them(self):
        self.make("source")
        with self.server.connect("source") as connection:
            connection.execute("CREATE TABLE t (i int); INSERT t VALUES (7)")
        self.make("copied", properties={"createMode": "Copy",
                                        "sourceDatabaseId": self.at.upper() + "/databases/SOURCE"})
        status, _, _ = self.send("POST", "/databases/copied/move",
                                 {"id": self.at + "/databases/renamed"})
        self.assertEqual(status, 200)
        self.refused(self.send("GET", "/databases/copied"), 404, "ResourceNotFound")
        with self.server.connect("renamed") as connection:
            self.assertEqual(connection.execute("SELECT i FROM t"), [(7,)])

    def test_parts_of_a_database(self):
        self.make("parts")
        part = "/databases/parts/backupShortTermRetentionPolicies/default"
        self.assertEqual(self.good("GET", part)["properties"]["retentionDays"], 7)
        self.good("PUT", part, {"properties": {"retentionDays": 14}})
        self.assertEqual(self.good("GET", part)["properties"]["retentionDays"], 14)
        self.assertEqual(self.good("GET", part)["properties"].get("diffBackupIntervalInHours"), 12)
        self.good("PUT", part, {"properties": {"diffBackupIntervalInHours": 24}})
        self.assertEqual(self.good("GET", part)["properties"],
                         {"retentionDays": 14, "diffBackupIntervalInHours": 24})
        self.refused(self.send("PUT", part, {"properties": {"diffBackupIntervalInHours": 6}}), 400,
                     "InvalidBackupRetentionPeriod")
        self.refused(self.send("PUT", part, {"properties": {"retentionDays": 99}}), 400,
                     "InvalidBackupRetentionPeriod")
        self.assertEqual(self.good("GET", "/databases/parts/replicationLinks"), {"value": []})
        encryption = "/databases/parts/transparentDataEncryption/current"
        state = self.good("GET", encryption)["properties"]["state"]
        self.good("PUT", encryption, {"properties": {"state": state}})
        other = {"Enabled": "Disabled", "Disabled": "Enabled"}[state]
        self.refused(self.send("PUT", encryption, {"properties": {"state": other}}), 400,
                     "FeatureNotSupported")
        answer = self.send("GET", "/databases/parts/nothing")
        self.refused(answer, 404, "InvalidResourceType")
        self.assertIn("'servers/databases/nothing'", answer[2]["error"]["message"])

    def test_two_changes_at_once_are_a_conflict(self):
        self.make("busy")
        answers = [None, None]

        def change(index):
            answers[index] = self.send("PATCH", "/databases/busy",
                                       {"sku": {"name": ("GP_Gen5_4", "GP_Gen5_6")[index]}})

        threads = [threading.Thread(target=change, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for answer in answers:
            if answer[0] != 202:
                self.refused(answer, 409, "ConflictingDatabaseOperation")
            else:
                self.assertEqual(self.finished(answer)["status"], "Succeeded")
        self.assertIn(202, [answer[0] for answer in answers])

    def test_an_operation_that_is_over_cannot_be_cancelled(self):
        self.make("over")
        operation = self.good("GET", "/databases/over/operations")["value"][0]
        self.refused(self.send("POST", operation["id"] + "/cancel"), 409, "CannotCancelOperation")
        unknown = "/databases/over/operations/" + str(uuid.uuid4())
        self.refused(self.send("POST", unknown + "/cancel"), 404, "OperationIdNotFound")

    def test_an_operation_outlives_the_process_that_took_it(self):
        answer = self.send("PUT", "/databases/outlives", {"location": "eastus"})
        os.kill(self.server.role_pid("api"), signal.SIGKILL)
        self.server.announced.add("child_ended")
        self.assertEqual(self.finished(answer)["status"], "Succeeded")
        self.good("GET", "/databases/outlives")


class Servers(Case):
    def test_the_first_server_is_shown_and_stays(self):
        shown = self.good("GET", "")
        self.assertEqual(shown["properties"]["administratorLogin"], "quireadmin")
        self.assertNotIn("administratorLoginPassword", str(shown))
        self.refused(self.send("GET", self.at.replace("server01", "server02")), 404,
                     "ResourceNotFound")
        self.refused(self.send("GET", self.at.replace("myResourceGroup", "other")), 404,
                     "ResourceGroupNotFound")
        self.refused(self.send("DELETE", ""), 409, "Conflict")

    def test_a_new_password_counts_at_once(self):
        old = self.server.password
        for password in ("short1!", "alllowercase", "quireadmin-A1"):
            self.refused(self.send("PATCH", "", {"properties": {
                "administratorLoginPassword": password}}), 400, "PasswordNotComplex")
        for password in ("Another-secret-1", old):
            self.good("PATCH", "", {"properties": {"administratorLoginPassword": password}})
            arm.Api(self.server).login(secret=password)
            self.server.connect(password=password).close()

    def test_firewall_rules(self):
        rule = "/firewallRules/office"
        body = {"properties": {"startIpAddress": "10.0.0.1", "endIpAddress": "10.0.0.9"}}
        self.good("PUT", rule, body, 201)
        self.good("PUT", rule, body, 200)
        self.assertEqual(self.good("GET", rule)["properties"], body["properties"])
        self.assertEqual(len(self.good("GET", "/firewallRules")["value"]), 1)
        bad = {"properties": {"startIpAddress": "10.0.0.9", "endIpAddress": "10.0.0.1"}}
        self.refused(self.send("PUT", rule, bad), 400, "FirewallRuleInvalidRange")
        self.assertEqual(self.send("DELETE", rule)[0], 200)
        self.assertEqual(self.send("DELETE", rule)[0], 204)
        self.refused(self.send("GET", rule), 404, "ResourceNotFound")

    def test_groups_and_what_is_offered(self):
        group = self.subscription + "/resourcegroups/other"
        self.good("PUT", group, {"location": "westus", "tags": {"a": "b"}}, 201)
        self.assertEqual(self.good("PUT", group, {"location": "West US"})["tags"], {"a": "b"})
        self.refused(self.send("PUT", group, {"location": "eastus"}), 409,
                     "InvalidResourceGroupLocation")
        self.refused(self.send("PUT", group + "2", {"location": "moon"}), 400,
                     "LocationNotAvailableForResourceGroup")
        self.assertEqual(self.send("HEAD", group)[0], 204)
        self.assertEqual(self.finished(self.send("DELETE", group))["status"], "Succeeded")
        self.assertEqual(self.send("HEAD", group)[0], 404)
        self.refused(self.send("DELETE", self.subscription + "/resourcegroups/myResourceGroup"),
                     409, "Conflict")
        offered = self.good(
            "GET", self.subscription + "/providers/Microsoft.Sql/locations/eastus/capabilities")
        editions = offered["supportedServerVersions"][0]["supportedEditions"]
        for edition in editions:
            chosen = [o for o in edition["supportedServiceLevelObjectives"]
                      if o["status"] == "Default"]
            self.assertEqual(len(chosen), 1, edition["name"])
        self.assertEqual([e["name"] for e in editions if e["status"] == "Default"],
                         ["GeneralPurpose"])
        for path in (self.subscription + "/providers/Microsoft.Sql/locations/eastus/usages",
                     self.at + "/usages", self.subscription + "/resources",
                     self.subscription + "/resourceGroups/myResourceGroup/resources"):
            self.assertGreater(len(self.good("GET", path)["value"]), 0, path)


class Roles(Case):
    def service(self, name):
        path = self.subscription + "/providers/Quire.Identity/servicePrincipals/" + name
        made = self.good("PUT", path, {}, 201)["properties"]
        api = arm.Api(self.server).login(name, made["secret"])
        return api, made["objectId"], path

    def grant(self, object_id, role, scope):
        definitions = self.good("GET", self.subscription + "/providers/Microsoft.Authorization/"
                                f"roleDefinitions?$filter=roleName%20eq%20'{role}'")["value"]
        path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
        self.good("PUT", path, {"properties": {"roleDefinitionId": definitions[0]["id"],
                                               "principalId": object_id}}, 201)
        return path

    def test_a_role_allows_what_it_says_and_where_it_says(self):
        self.make("roles")
        cases = {  # may read, change a database, change the server, grant
            "Reader": (True, False, False, False),
            "SQL%20DB%20Contributor": (True, True, False, False),
            "Contributor": (True, True, True, False),
            "Owner": (True, True, True, True),
        }
        for role, wanted in cases.items():
            name = "p-" + role.replace("%20", "-")
            api, object_id, path = self.service(name)
            self.refused(self.send("GET", "/databases", api=api), 403, "AuthorizationFailed")
            assignment = self.grant(object_id, role, self.at)
            rule = {"properties": {"startIpAddress": "10.0.0.1", "endIpAddress": "10.0.0.2"}}
            got = tuple(
                self.send(method, at, body, api=api)[0] != 403 for method, at, body in (
                    ("GET", "/databases/roles", None),
                    ("PUT", "/databases/roles", {"location": "eastus"}),
                    ("PUT", "/firewallRules/roles", rule),
                    ("PUT", "/providers/Microsoft.Authorization/roleAssignments/x", {})))
            self.assertEqual(got, wanted, role)
            self.refused(self.send("PUT", self.subscription + "/resourceGroups/x",
                                   {"location": "eastus"}, api=api), 403, "AuthorizationFailed")
            self.good("DELETE", assignment)
            self.refused(self.send("GET", "/databases", api=api), 403, "AuthorizationFailed")
            self.assertEqual(self.send("DELETE", path)[0], 200)
            self.assertEqual(self.send("GET", "/databases", api=api)[0], 401)

    def test_a_principal_is_not_the_administrator(self):
        path = self.subscription + "/providers/Quire.Identity/servicePrincipals/"
        self.refused(self.send("PUT", path + "QuireAdmin", {}), 409, "Conflict")
        self.refused(self.send("PUT", path + "a%20b", {}), 400, "InvalidResourceName")
        self.refused(self.send("PUT", path + "short", {"properties": {"secret": "x"}}), 400,
                     "PasswordNotComplex")


class Limits(Case):
    def test_who_asks_too_often_is_told_when_to_come_back(self):
        """More than the 1200 of a minute."""
        connection = self.api.connect()
        for _ in range(6000):
            connection.request("GET", f"{self.subscription}?{VERSION}",
                               headers={"Authorization": "Bearer " + self.api.token})
            answer = connection.getresponse()
            answer.read()
            if answer.status == 429:
                break
            self.assertEqual(answer.status, 200)
        connection.close()
        self.assertEqual(answer.status, 429)
        self.assertGreater(int(answer.getheader("retry-after")), 0)


if __name__ == "__main__":
    unittest.main()
