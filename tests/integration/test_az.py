"""The real Azure CLI, unchanged: the commands of `az sql` beside those of tests/seeds. Needs the Debian package
azure-cli (sh tools/deps.sh az)."""
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

import server

ALL = os.environ.get("QUIRE_TEST_ALL") == "1"
AT = "-g myResourceGroup -s server01"


class Failed(AssertionError):
    def __init__(self, done):
        super().__init__(f"exit status {done.returncode}: {done.stdout}{done.stderr}")
        self.code, self.text = done.returncode, done.stderr


@unittest.skipUnless(shutil.which("az"), "the package azure-cli is not installed: sh tools/deps.sh az")
class Az(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="quire-az-")
        cls.server = server.Server("--sample", *cls.more_options()).start()
        cls.env = {**os.environ, "AZURE_CONFIG_DIR": cls.folder, "NO_PROXY": "localhost",
                   "AZURE_CORE_COLLECT_TELEMETRY": "no", "AZURE_CORE_NO_COLOR": "yes",
                   "REQUESTS_CA_BUNDLE": os.path.join(cls.server.data_dir, "tls", "cert.pem")}
        cls.shell("az cloud register -n Local --endpoint-resource-manager "
                  f"https://localhost:{cls.server.https_port}")
        cls.shell("az cloud set -n Local")
        cls.shell("az login --service-principal -u quireadmin -p '" + cls.server.password +
                  "' --tenant local")

    @classmethod
    def more_options(cls):
        return ()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.server.remove()
        shutil.rmtree(cls.folder)

    @classmethod
    def shell(cls, text):
        done = subprocess.run(["bash", "-c", text], env=cls.env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=300)
        if done.returncode != 0:
            raise Failed(done)
        return done.stdout

    def az(self, text):
        out = self.shell("az " + text)
        return json.loads(out) if out.strip() else None

    def refused(self, text, exit_status, code):
        with self.assertRaises(Failed) as failure:
            self.az(text)
        self.assertEqual(failure.exception.code, exit_status, failure.exception.text)
        self.assertIn(f"ERROR: ({code})", failure.exception.text)


class Commands(Az):
    def test_databases(self):
        made = self.az(f"sql db create {AT} -n d -e GeneralPurpose -f Gen5 -c 4 --tags a=b")
        self.assertEqual((made["sku"]["name"], made["sku"]["capacity"], made["tags"]),
                         ("GP_Gen5", 4, {"a": "b"}))
        changed = self.az(f"sql db update {AT} -n d -c 2 --max-size 100GB --set tags.c=d")
        self.assertEqual((changed["currentServiceObjectiveName"], changed["maxSizeBytes"],
                          changed["tags"]), ("GP_Gen5_2", 100 << 30, {"a": "b", "c": "d"}))
        self.assertEqual(self.az(f"sql db show {AT} -n D")["name"], "d")
        self.az(f"sql db rename {AT} -n d --new-name e")
        self.refused(f"sql db show {AT} -n d", 3, "ResourceNotFound")
        self.az(f"sql db copy {AT} -n e --dest-name f")
        self.assertLessEqual({"e", "f", "master"},
                             {d["name"] for d in self.az(f"sql db list {AT}")})
        self.az(f"sql db delete {AT} -n f --yes")
        self.az(f"sql db delete {AT} -n f --yes")  # again is no error
        self.assertIn("f", [d["databaseName"] for d in self.az(f"sql db list-deleted {AT}")])
        self.refused(f"sql db create {AT} -n bad --service-objective GP_Gen5_3", 1, "InvalidSkuName")

    def test_rules(self):
        self.az(f"sql server firewall-rule create {AT} -n r --start-ip-address 10.0.0.1 "
                "--end-ip-address 10.0.0.2")
        changed = self.az(f"sql server firewall-rule update {AT} -n r --start-ip-address 10.0.0.1 "
                          "--end-ip-address 10.0.0.9")
        self.assertEqual(changed["endIpAddress"], "10.0.0.9")
        self.az(f"sql server firewall-rule delete {AT} -n r")
        self.assertEqual(self.az(f"sql server firewall-rule list {AT}"), [])

    @unittest.skipUnless(ALL, "takes long: with --all only")
    def test_the_rest(self):
        self.assertEqual(self.az("account list-locations")[0]["name"], "eastus")
        self.az("group create -n other -l 'West US'")
        self.assertTrue(self.az("group exists -n other"))
        self.az("group delete -n other --yes")
        self.assertEqual(self.az("provider show -n Microsoft.Sql")["registrationState"],
                         "Registered")
        made = self.az(f"sql db create {AT} -n s -e GeneralPurpose -f Gen5 -c 2 --compute-model "
                       "Serverless --min-capacity 0.5 --auto-pause-delay 120")
        self.assertEqual((made["sku"]["name"], made["autoPauseDelay"]), ("GP_S_Gen5", 120))
        made = self.az(f"sql db update {AT} -n s --min-capacity 1 --capacity 4 --auto-pause-delay 1440")
        self.assertEqual((made["sku"]["capacity"], made["minCapacity"], made["autoPauseDelay"]), (4, 1.0, 1440))
        made = self.az(f"sql db update {AT} -n s --compute-model Provisioned --capacity 2")
        self.assertEqual((made["sku"]["name"], made["autoPauseDelay"]), ("GP_Gen5", None))
        made = self.az(f"sql db update {AT} -n s --edition GeneralPurpose --compute-model Serverless --family Gen5 "
                       "--min-capacity 1 --capacity 4 --auto-pause-delay 1440")
        self.assertEqual((made["sku"]["name"], made["minCapacity"], made["autoPauseDelay"]), ("GP_S_Gen5", 1.0, 1440))
        made = self.az(f"sql db create {AT} -n hs -e Hyperscale --compute-model Serverless -f Gen5 --min-capacity 0.5 -c 2 "
                       "--ha-replicas 0")
        self.assertEqual((made["sku"]["name"], made["minCapacity"], made["autoPauseDelay"]), ("HS_S_Gen5", 0.5, 60))
        self.az(f"sql db delete {AT} -n hs --yes")
        made = self.az(f"sql db create {AT} -n h -e Hyperscale --service-objective HS_Gen5_2 "
                       "--ha-replicas 0")
        self.assertEqual(made["highAvailabilityReplicaCount"], 0)
        named = self.az(f"sql db replica create {AT} -n h --partner-server server01 "
                        "--partner-database h_NR --secondary-type named --ha-replicas 0 "
                        "--service-objective HS_Gen5_2")
        self.assertEqual(named["secondaryType"], "Named")
        links = self.az(f"sql db replica list-links {AT} -n h")
        self.assertEqual([link["partnerDatabase"] for link in links], ["h_NR"])
        self.refused(f"sql db replica set-primary {AT} -n h_NR", 1,
                     "DatabaseNamedReplicaInvalidOperation")
        self.az(f"sql db delete {AT} -n h_NR --yes")
        kept = self.az(f"sql db str-policy set {AT} -n s --retention-days 14 --diffbackup-hours 24")
        self.assertEqual(kept["retentionDays"], 14)
        self.az("sql server update -g myResourceGroup -n server01 --set tags.x=y")
        self.assertEqual([u["name"] for u in self.az(f"sql db list-usages {AT} -n s")],
                         ["database_size", "database_allocated_size"])

    @unittest.skipUnless(ALL, "takes long: with --all only")
    def test_elastic_pools(self):
        made = self.az(f"sql elastic-pool create {AT} -n pool1 -e GeneralPurpose -f Gen5 -c 4 --db-max-capacity 2")
        self.assertEqual((made["sku"]["name"], made["sku"]["capacity"], made["perDatabaseSettings"]["maxCapacity"]),
                         ("GP_Gen5", 4, 2.0))
        made = self.az(f"sql db create {AT} -n d --elastic-pool pool1")
        self.assertEqual((made["currentServiceObjectiveName"], made["elasticPoolName"]), ("ElasticPool", "pool1"))
        self.assertEqual(self.az(f"sql elastic-pool update {AT} -n pool1 --capacity 8")["sku"]["capacity"], 8)
        self.assertEqual([d["name"] for d in self.az(f"sql elastic-pool list-dbs {AT} -n pool1")], ["d"])
        self.refused(f"sql elastic-pool delete {AT} -n pool1", 1, "ElasticPoolNotEmpty")
        self.assertEqual(self.az(f"sql db update {AT} -n d --service-objective GP_Gen5_2")["elasticPoolName"], None)
        self.assertEqual(self.az(f"sql db update {AT} -n d --elastic-pool pool1")["elasticPoolName"], "pool1")
        self.az(f"sql db delete {AT} -n d --yes")
        self.assertGreaterEqual(len(self.az(f"sql elastic-pool op list {AT} --elastic-pool pool1")), 2)
        self.az(f"sql elastic-pool delete {AT} -n pool1")
        self.assertEqual(self.az(f"sql elastic-pool list {AT}"), [])

    @unittest.skipUnless(ALL, "takes long: with --all only")
    def test_a_second_server(self):
        of = "-g myResourceGroup -n server02"
        made = self.az(f"sql server create {of} -u boss -p Secret-123456 -l eastus")
        self.assertEqual((made["name"], made["administratorLogin"], made["location"]),
                         ("server02", "boss", "eastus"))
        self.refused("sql server create -g myResourceGroup -n server03 -u sa -p Secret-123456 "
                     "-l eastus", 1, "InvalidLoginName")
        self.assertEqual({s["name"] for s in self.az("sql server list -g myResourceGroup")},
                         {"server01", "server02"})
        self.az(f"sql server update {of} --set tags.x=y -p Another-Secret-7")
        self.assertEqual(self.az(f"sql server show {of}")["tags"], {"x": "y"})
        self.az("sql server firewall-rule create -g myResourceGroup -s server02 -n office "
                "--start-ip-address 10.0.0.1 --end-ip-address 10.0.0.9")
        self.assertEqual(self.az(f"sql server firewall-rule list {AT}"), [])
        self.az(f"sql db create {AT} -n origin")
        self.az(f"sql db copy {AT} -n origin --dest-server server02 --dest-name copied")
        self.az(f"sql db create {AT} -n large -e Hyperscale --service-objective HS_Gen5_2 "
                "--ha-replicas 0")
        named = self.az(f"sql db replica create {AT} -n large --partner-server server02 "
                        "--partner-database reader --secondary-type named --ha-replicas 0 "
                        "--service-objective HS_Gen5_2")
        self.assertIn("/servers/server02/databases/reader", named["id"])
        self.assertEqual({d["name"] for d in self.az("sql db list -g myResourceGroup -s server02")},
                         {"master", "copied", "reader"})
        self.assertEqual([link["partnerServer"] for link in
                          self.az(f"sql db replica list-links {AT} -n large")], ["server02"])
        self.az(f"sql server delete {of} --yes")
        self.assertEqual({s["name"] for s in self.az("sql server list")}, {"server01"})
        self.assertEqual(self.az(f"sql db replica list-links {AT} -n large"), [])

    def test_a_user_logs_in_too(self):
        folder = tempfile.mkdtemp(prefix="quire-az-")
        try:
            shutil.copytree(self.folder, folder, dirs_exist_ok=True)
            env = dict(self.env, AZURE_CONFIG_DIR=folder)
            done = subprocess.run(["az", "login", "-u", "quireadmin@localhost", "-p",
                                   self.server.password], env=env, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(json.loads(done.stdout)[0]["user"],
                             {"name": "quireadmin", "type": "user"})
        finally:
            shutil.rmtree(folder)


@unittest.skipUnless(ALL, "with --all")
class Backups(Az):
    """Retention, long-term backups, the second store."""

    @classmethod
    def more_options(cls):
        return ("--geo-blob", "file://" + os.path.join(cls.folder, "geo"))

    def wait(self, command):
        deadline = time.monotonic() + 120 * server.SLOWNESS
        while not (found := self.az(command)):
            self.assertLess(time.monotonic(), deadline, command)
            time.sleep(0.2)
        return found

    def test_long_term_backups(self):
        policy = self.az(f"sql db ltr-policy set {AT} -n mySampleDatabase --weekly-retention P4W "
                         "--monthly-retention P12M --yearly-retention P5Y --week-of-year 2")
        self.assertEqual(self.az(f"sql db ltr-policy show {AT} -n mySampleDatabase"), policy)
        self.assertEqual((policy["weeklyRetention"], policy["weekOfYear"]), ("P4W", 2))
        backup = self.wait("sql db ltr-backup list -l eastus -s server01 -d mySampleDatabase")[0]
        at = f"-l eastus -s server01 -d mySampleDatabase -n '{backup['name']}'"
        self.assertEqual(self.az("sql db ltr-backup show " + at), backup)
        restored = self.az(f"sql db ltr-backup restore --backup-id '{backup['id']}' --dest-database "
                           "from_years --dest-server server01 --dest-resource-group myResourceGroup")
        self.assertEqual((restored["name"], restored["status"]), ("from_years", "Online"))
        self.az("sql db ltr-backup delete --yes " + at)
        self.assertEqual(self.az("sql db ltr-backup list -l eastus"), [])

    def test_what_backups_take(self):
        at = self.az(f"sql db show {AT} -n mySampleDatabase")["id"]
        self.wait(f"monitor metrics list --resource {at} --metrics full_backup_size_bytes "
                  "--aggregation Maximum --query 'value[?timeseries[0].data[0].maximum > `0`]'")

    def test_the_second_store(self):
        self.az(f"sql db create {AT} -n far --backup-storage-redundancy Geo -y")
        found = self.wait(f"sql db geo-backup list {AT}")
        self.assertEqual([d["name"] for d in found], ["far"])
        self.assertEqual(self.az(f"sql db geo-backup show {AT} -d far")["name"], "far")
        restored = self.az(f"sql db geo-backup restore --geo-backup-id '{found[0]['id']}' --dest-database "
                           "near --dest-server server01 --resource-group myResourceGroup")
        self.assertEqual((restored["name"], restored["status"]), ("near", "Online"))


del Az  # it has no tests of its own

if __name__ == "__main__":
    unittest.main()
