"""`quire`: the command line over the HTTPS API, with az's words, and its T-SQL prompt."""
import datetime
import json
import os
import pty
import re
import select
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import unittest
import uuid

import server

# The article about managing Hyperscale databases has these commands, with az's name in the place of quire's.
VARIABLES = """
resourceGroupName="myResourceGroup"
serverName="server01"
databaseName="mySampleDatabase"
"""
MIGRATE = """
serviceObjective="HS_Gen5_2"

az sql db update -g $resourceGroupName -s $serverName -n $databaseName \\
    --edition Hyperscale --service-objective $serviceObjective
"""
REVERSE = """
serviceObjective="GP_Gen5_2"
computeModel="Provisioned"

az sql db update -g $resourceGroupName -s $serverName -n $databaseName \\
    --edition GeneralPurpose --service-objective $serviceObjective \\
    --compute-model $computeModel 
"""
REVERSE_WITH_SIZE = """
serviceObjective="GP_Gen5_2"
computeModel="Provisioned"
maxsize="200GB"

az sql db update -g $resourceGroupName -s $serverName -n $databaseName \\
    --edition GeneralPurpose --service-objective $serviceObjective \\
    --compute-model $computeModel --max-size $maxsize
"""
OPERATIONS = """
az sql db op list -g $resourceGroupName -s $serverName --database $databaseName
"""
LIST = """
az sql db list -g $resourceGroupName -s $serverName --query "[].{Name:name, Location:location, \
SLO:currentServiceObjectiveName, Tier:currentSku.tier, maxSizeBytes:maxSizeBytes,\
HAreplicas:highAvailabilityReplicaCount}[?Tier=='Hyperscale']" --output table
"""


class Failed(AssertionError):
    def __init__(self, done):
        super().__init__(f"exit status {done.returncode}: {done.stdout}{done.stderr}")
        self.code, self.text = done.returncode, done.stderr


served = None


def setUpModule():
    global served
    served = server.Server("--sample").start()


def tearDownModule():
    served.stop()
    served.remove()


class Cli(unittest.TestCase):
    """One server for all tests, one login for those of a class."""

    @classmethod
    def setUpClass(cls):
        cls.server = served
        cls.home = tempfile.mkdtemp(prefix="quire-cli-")
        cls.endpoint = f"https://localhost:{cls.server.https_port}"
        cls.ca = os.path.join(cls.server.data_dir, "tls", "cert.pem")
        cls.env = {**os.environ, "QUIRE_HOME": cls.home, "NO_PROXY": "localhost",
                   "QUIRE_PASSWORD": cls.server.password, "LC_ALL": "C.UTF-8"}
        cls.run_quire("login", "--endpoint", cls.endpoint, "--ca", cls.ca, "-u", "quireadmin")
        del cls.env["QUIRE_PASSWORD"]

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.home)

    @classmethod
    def run_quire(cls, *words, env=None, text=""):
        done = subprocess.run([server.program("quire"), *words], env={**cls.env, **(env or {})},
                              input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=120)
        if done.returncode != 0:
            raise Failed(done)
        return done.stdout

    def quire(self, line, **more):
        out = self.run_quire(*line.split(), **more)
        return json.loads(out) if out.strip() else None

    def refused(self, line, code, words, **more):
        with self.assertRaises(Failed) as failure:
            self.quire(line, **more)
        self.assertEqual(failure.exception.code, code, failure.exception.text)
        self.assertIn(words, failure.exception.text)

    def on_terminal(self, *words, typed=(), env=None):
        """Runs it on a terminal. `typed`: pairs (what has to be shown first, keys). What it showed, and its
        exit status."""
        pid, fd = pty.fork()
        if pid == 0:
            os.execve(server.program("quire"), ["quire", *words],
                      {**self.env, "TERM": "xterm", **(env or {})})
        shown, typed, seen = b"", list(typed), 0
        while True:
            while typed and typed[0][0] in shown[seen:]:
                seen = shown.index(typed[0][0], seen) + len(typed[0][0])
                os.write(fd, typed.pop(0)[1])
            if not select.select([fd], [], [], 60)[0]:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                self.fail(f"waits for {typed[:1]} in {shown[seen:]}")
            try:
                data = os.read(fd, 65536)
            except OSError:  # the other end is closed
                data = b""
            if not data:
                break
            shown += data
        os.close(fd)
        return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Article(Cli):
    """az's commands as they are printed, with quire's name in the place of az's."""

    def shell(self, text):
        text = re.sub(r"^az ", f"'{server.program('quire')}' ", VARIABLES + text, flags=re.M)
        done = subprocess.run(["bash", "-c", text], env=self.env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
        if done.returncode != 0:
            raise Failed(done)
        return done.stdout

    def test_operations_are_listed(self):
        found = json.loads(self.shell(OPERATIONS))
        self.assertEqual(found[-1]["operation"], "CreateLogicalDatabase")

    def test_hyperscale_databases_are_listed(self):
        self.quire("sql db create -n listed --edition Hyperscale --service-objective HS_Gen5_2")
        lines = self.shell(LIST).splitlines()
        self.assertEqual(lines[0].split(),
                         ["Name", "Location", "SLO", "Tier", "MaxSizeBytes", "HAreplicas"])
        self.assertIn(["listed", "eastus", "HS_Gen5_2", "Hyperscale", "-1", "1"],
                      [line.split() for line in lines])
        self.quire("sql db delete -n listed --yes")

    def test_to_hyperscale_and_back(self):
        shown = json.loads(self.shell(MIGRATE))
        self.assertEqual((shown["currentServiceObjectiveName"], shown["maxSizeBytes"]),
                         ("HS_Gen5_2", -1))
        shown = json.loads(self.shell(REVERSE))
        self.assertEqual((shown["currentServiceObjectiveName"], shown["maxSizeBytes"]),
                         ("GP_Gen5_2", 1 << 40))
        self.shell(MIGRATE)
        shown = json.loads(self.shell(REVERSE_WITH_SIZE))
        self.assertEqual((shown["currentServiceObjectiveName"], shown["maxSizeBytes"]),
                         ("GP_Gen5_2", 200 << 30))


class Commands(Cli):
    def test_a_database_from_create_to_delete(self):
        made = self.quire("sql db create -n d -e Hyperscale --service-objective HS_Gen5_2 "
                          "--ha-replicas 0 --tags a=b c=d")
        self.assertEqual((made["sku"]["name"], made["sku"]["capacity"], made["tags"],
                          made["highAvailabilityReplicaCount"]),
                         ("HS_Gen5", 2, {"a": "b", "c": "d"}, 0))
        self.assertEqual(self.quire("sql db update -n d -c 4")["currentServiceObjectiveName"],
                         "HS_Gen5_4")
        operations = self.quire("sql db op list -d d")
        self.assertEqual([o["operationFriendlyName"] for o in operations],
                         ["ALTER DATABASE", "CREATE DATABASE"])
        self.refused(f"sql db op cancel -d d -n {operations[0]['name']}", 1, "CannotCancelOperation: ")
        self.assertEqual(self.quire("sql db rename -n d --new-name e")["name"], "e")
        self.assertEqual(self.quire("sql db copy -n e --dest-name f")["name"], "f")
        moment = self.quire("sql db show -n e")["earliestRestoreDate"]
        self.assertEqual(self.quire(f"sql db restore -n e --dest-name g --time {moment}")["name"], "g")
        replica = self.quire("sql db replica create -n e --partner-database r --secondary-type named "
                             "--service-objective HS_Gen5_2 --ha-replicas 1")
        self.assertEqual((replica["secondaryType"], replica["highAvailabilityReplicaCount"]), ("Named", 1))
        self.refused("sql db update -n r --ha-replicas 5", 1, "InvalidReadScaleUnits: ")
        self.assertEqual(self.quire("sql db update -n r --ha-replicas 0")["highAvailabilityReplicaCount"], 0)
        self.assertEqual([link["partnerDatabase"] for link in
                          self.quire("sql db replica list-links -n e")], ["r"])
        self.refused("sql db delete -n r", 2, "--yes")
        for name in ("r", "g", "f", "e"):
            self.assertIsNone(self.quire(f"sql db delete -n {name} --yes"))
        self.assertIsNone(self.quire("sql db delete -n e --yes"))  # again is no error
        gone = {d["databaseName"]: d for d in self.quire("sql db list-deleted")}
        self.assertLess({"e", "f"}, set(gone))
        back = self.quire(f"sql db restore -n f --dest-name f --deleted-time {gone['f']['deletionDate']}")
        self.assertEqual(back["name"], "f")
        self.quire("sql db delete -n f --yes --no-wait")

    def test_backups_are_listed_tried_and_restored(self):
        kept = self.quire("sql db ltr-policy set -n mySampleDatabase --weekly-retention P4W")
        self.assertEqual(kept["weeklyRetention"], "P4W")
        listing = "sql db ltr-backup list -l eastus -s server01 -d mySampleDatabase --state Live"
        deadline = time.monotonic() + 60 * server.SLOWNESS
        while not (backups := self.quire(listing)):
            self.assertLess(time.monotonic(), deadline, "no long-term backup was made")
        at = "-l eastus -d mySampleDatabase -n " + backups[0]["name"]
        self.assertEqual(self.quire(f"sql db ltr-backup show {at}")["id"], backups[0]["id"])
        back = self.quire(f"sql db ltr-backup restore --backup-id {backups[0]['id']} --dest-database back")
        self.assertEqual(back["name"], "back")
        self.quire("sql db delete -n back --yes")
        moment = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self.assertIsNone(self.quire("sql db restore -n mySampleDatabase --dest-name tried --verify "
                                     f"--time {moment}"))
        self.refused("sql db show -n tried", 3, "ResourceNotFound")
        self.quire(f"sql db ltr-backup delete {at} --yes")
        self.refused(f"sql db ltr-backup show {at}", 3, "NotFound")
        self.refused("sql db ltr-backup list -l eastus -d x", 2, "--server is missing")
        self.assertEqual(self.quire("sql db geo-backup list"), [])
        self.quire("sql db ltr-policy set -n mySampleDatabase --weekly-retention PT0S")

    def test_policies_rules_and_servers(self):
        self.assertEqual(self.quire("sql db str-policy set -n mySampleDatabase --retention-days 14")
                         ["retentionDays"], 14)
        self.assertEqual(self.quire("sql db str-policy show -n mySampleDatabase")["retentionDays"], 14)
        self.quire("sql server firewall-rule create -n r --start-ip-address 10.0.0.1 "
                   "--end-ip-address 10.0.0.2")
        self.assertEqual(self.quire("sql server firewall-rule list --query [].endIpAddress"),
                         ["10.0.0.2"])
        self.quire("sql server firewall-rule delete -n r")
        self.assertEqual(self.quire("sql server firewall-rule list"), [])
        self.assertEqual(self.quire("sql server update --tags x=y")["tags"], {"x": "y"})
        self.assertIn("server01", self.quire("sql server list --query [].name"))
        self.quire("group create -n empty -l eastus")
        self.assertEqual(self.quire("sql server list -g empty"), [])
        self.quire("group delete -n empty --yes")
        found = self.quire("sql db list-editions -l eastus -e Hyperscale --query "
                           "[].supportedServiceLevelObjectives[].name")
        self.assertIn("HS_Gen5_2", found)

    def test_of_several_servers_one_is_named_or_the_default(self):
        self.quire("sql server create -n server02 -l eastus -u admin2 -p Secret-123456")
        try:
            self.assertIn("master", self.quire("sql db list -s server02 --query [].name"))
            with tempfile.TemporaryDirectory(prefix="quire-cli-") as home:
                env = {"QUIRE_HOME": home, "QUIRE_PASSWORD": self.server.password}
                self.quire(f"login --endpoint {self.endpoint} --ca {self.ca} -u quireadmin", env=env)
                self.refused("sql db list", 2, "is missing, and there is no default", env=env)
                self.quire("configure --defaults group=myResourceGroup server=server02", env=env)
                self.assertEqual(self.quire("sql db list --query [].name", env=env), ["master"])
        finally:
            self.quire("sql server delete -n server02 --yes")
        self.assertNotIn("server02", self.quire("sql server list --query [].name"))

    def test_output_is_as_asked_for(self):
        query = "[?name=='master'].{N:name,tier:sku.tier}"
        for form, want in (("json", '[\n  {\n    "N": "master",\n    "tier": "System"\n  }\n]\n'),
                           ("table", "N       Tier\n------  ------\nmaster  System\n"),
                           ("tsv", "master\tSystem\n"),
                           ("yaml", '- "N": "master"\n  "tier": "System"\n'),
                           ("none", "")):
            self.assertEqual(self.run_quire("sql", "db", "list", "--query", query, "-o", form), want)

    def test_errors_and_exit_codes(self):
        self.refused("sql db create -n x --service-objective GP_Gen5_3", 1, "quire: InvalidSkuName: ")
        self.refused("sql db create -n x --editon Hyperscale", 2, "is it '--edition'?")
        self.refused("sql db lst", 2, "is it 'sql db list'?")
        self.refused("sql db list --query [", 2, "--query: query, column 2: ")
        self.refused("sql db create -n never --query [", 2, "--query: ")
        self.refused("sql db show -n never", 3, "quire: ResourceNotFound: ")
        self.refused("sql db list -s other", 3, "ResourceNotFound: ")
        for name in (".", ".."):  # of a path that is made shorter, the server would be left
            self.refused(f"sql db delete --yes -n {name}", 2, f"--name: '{name}' is no name")
            self.refused(f"sql db delete --yes -s {name} -n x", 2, f"--server: '{name}' is no name")
        self.refused("sql db show --name=", 2, "--name is missing")
        self.refused("rest --url /subscriptions/x/../y", 3, ": ")
        self.refused("rest --url https://example.com/x", 2, "is not of https://localhost:")

    def test_a_bar_shows_how_far_an_operation_is(self):
        shown, code = self.on_terminal("sql", "db", "create", "-n", "bar", "-o", "tsv", "--query", "name")
        self.assertEqual(code, 0, shown)
        self.assertRegex(shown, r"\rsql db create \[\.{30}\]   0 % 00:00")
        self.assertRegex(shown, r"\rsql db create \[#{30}\] 100 % 00:\d\d\r\x1b\[K")
        self.assertTrue(shown.endswith("bar\r\n"), shown)
        shown, code = self.on_terminal("sql", "db", "delete", "-n", "bar", typed=[(b"(y/n)", b"n\n")])
        self.assertEqual(code, 1, shown)
        shown, code = self.on_terminal("sql", "db", "delete", "-n", "bar", typed=[(b"(y/n)", b"y\n")])
        self.assertEqual(code, 0, shown)
        self.refused("sql db show -n bar", 3, "ResourceNotFound")

    def test_status_is_the_instance_on_one_page(self):
        page = self.run_quire("status", "--data-dir", self.server.data_dir)
        self.assertTrue(page.startswith(f"{self.endpoint}: ok\n\nservers: "), page)
        self.assertRegex(page, r"server01 +mySampleDatabase +Online")
        self.assertRegex(page, rf"supervisor +{self.server.pid} ")
        self.assertRegex(page, rf"gateway +{self.server.role_pid('gateway')} ")
        self.assertRegex(page, rf"compute +shared +{self.server.role_pid('shared')} ")
        self.assertRegex(page, r"meta +\d+ +metadata")
        told = subprocess.run([server.program("quired"), "--version"], stdout=subprocess.PIPE, text=True, check=True)
        here = json.loads(self.run_quire("status", "--data-dir", self.server.data_dir, "-o", "json"))["processes"]
        self.assertEqual({(p["version"], p["program"], p["programState"]) for p in here},
                         {(told.stdout.split()[1], os.path.realpath(server.program("quired")), "")})
        shown = self.quire("status -o json")
        self.assertEqual((shown["health"], "processes" in shown), ("ok", False))
        with tempfile.TemporaryDirectory(prefix="quire-cli-") as folder:
            self.refused(f"status --data-dir {folder}", 1, "no server runs on it",
                         env={"QUIRE_HOME": folder})
            self.refused("status", 4, "nobody is logged in", env={"QUIRE_HOME": folder})

    def test_completion_follows_the_table(self):
        script = self.run_quire("completion") + """
            complete_line() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _quire
                              echo "${COMPREPLY[@]}"; }
            complete_line quire sql db op ''
            complete_line quire sql db update --compute
            complete_line quire sql db update --edition Hyp
        """
        done = subprocess.run(["bash", "-c", script], stdout=subprocess.PIPE, text=True, check=True)
        self.assertEqual(done.stdout.splitlines()[-3:], ["list cancel", "--compute-model", "Hyperscale"])


class Login(Cli):
    def login(self, *words, home, **more):
        return self.run_quire("login", "--endpoint", self.endpoint, "-u", "quireadmin", *words,
                              env={"QUIRE_HOME": home, **more})

    def login_fails(self, code, words, *args, **more):
        with tempfile.TemporaryDirectory(prefix="quire-cli-") as home:
            with self.assertRaises(Failed) as failure:
                self.login(*args, home=home, **more)
            self.assertEqual(failure.exception.code, code, failure.exception.text)
            self.assertIn(words, failure.exception.text)
            self.assertEqual(os.listdir(home), [])

    def test_wrong_secrets_and_certificates_are_refused_and_leave_nothing(self):
        self.login_fails(4, "invalid_grant: ", "--ca", self.ca, QUIRE_PASSWORD="wrong")
        self.login_fails(4, "invalid_client: ", "--ca", self.ca, "--service-principal", "-p", "wrong")
        self.login_fails(5, "is not trusted", QUIRE_PASSWORD=self.server.password)
        self.login_fails(2, "QUIRE_PASSWORD", "--ca", self.ca)
        self.login_fails(2, "--ca: ", "--ca", "/nonexistent", "-p", "x")
        with tempfile.TemporaryDirectory(prefix="quire-cli-") as home:
            self.refused("sql db list", 4, "nobody is logged in", env={"QUIRE_HOME": home})

    def test_what_is_kept_is_for_its_owner_only_and_no_password(self):
        self.assertEqual(stat.S_IMODE(os.stat(self.home).st_mode), 0o700)
        for name in os.listdir(self.home):
            path = os.path.join(self.home, name)
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600, name)
            with open(path, encoding="utf-8") as file:
                self.assertNotIn(self.server.password, file.read())

    def token(self, change=None):
        path = os.path.join(self.home, "token.json")
        with open(path, encoding="utf-8") as file:
            token = json.load(file)
        if change is not None:
            token.update(change)
            with open(path, "w", encoding="utf-8") as file:
                json.dump(token, file)
        return token

    def test_a_token_that_has_expired_or_is_not_taken_is_renewed(self):
        before = self.token({"expiresOn": 1})
        self.assertIn("master", self.quire("sql db list --query [].name"))
        after = self.token()
        self.assertGreater(after["expiresOn"], 1)
        self.assertNotEqual((after["accessToken"], after["refreshToken"]),
                            (before["accessToken"], ""))
        self.token({"accessToken": "x.y.z"})  # good by its date, but not by its signature
        self.assertIn("master", self.quire("sql db list --query [].name"))
        kept = self.token({"expiresOn": 1, "refreshToken": "x.y.z"})
        self.refused("sql db list", 4, "log in again: invalid_grant: ")
        self.token({**kept, "refreshToken": after["refreshToken"]})

    def test_a_service_principal_may_do_what_its_role_allows(self):
        at = f"/subscriptions/{self.quire('account show')['subscription']}"
        made = self.quire(f"rest -m put --url {at}/providers/Quire.Identity/servicePrincipals/ci"
                          "?api-version=2026-01-01 -b {}")["properties"]
        with tempfile.TemporaryDirectory(prefix="quire-cli-") as home:
            login = f"login --endpoint {self.endpoint} --ca {self.ca} -u ci --service-principal --tenant local"
            env = {"QUIRE_HOME": home, "QUIRE_PASSWORD": made["secret"]}
            self.refused(login, 4, "AuthorizationFailed: ", env=env)
            reader = {"principalId": made["objectId"],
                      "roleDefinitionId": "acdd72a7-3385-48ef-bd42-f606fba81ae7"}
            self.quire(f"rest -m put --url {at}/providers/Microsoft.Authorization/roleAssignments/"
                       f"{uuid.uuid4()}?api-version=2022-04-01 -b " +
                       json.dumps({"properties": reader}, separators=(",", ":")))
            self.quire(login, env=env)
            del env["QUIRE_PASSWORD"]
            self.assertIn("master", self.quire("sql db list --query [].name", env=env))
            self.refused("sql db create -n no", 4, "AuthorizationFailed: ", env=env)
            path = os.path.join(home, "token.json")
            with open(path, encoding="utf-8") as file:
                token = json.load(file)
            with open(path, "w", encoding="utf-8") as file:
                json.dump({**token, "expiresOn": 1}, file)
            self.refused("sql db list", 4, "the login of 'ci' has expired", env=env)
            env["QUIRE_PASSWORD"] = made["secret"]
            self.assertIn("master", self.quire("sql db list --query [].name", env=env))

    def test_logging_out_forgets_the_token_and_not_the_endpoint(self):
        self.quire("logout")
        self.refused("sql db list", 4, "nobody is logged in")
        self.quire("login -u quireadmin -p " + self.server.password)
        self.assertIn("master", self.quire("sql db list --query [].name"))


class Connect(Cli):
    """The T-SQL prompt."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["QUIRE_PASSWORD"] = cls.server.password
        cls.run_quire("configure", "--defaults", f"connect=localhost,{cls.server.port}")

    def connect(self, *words, text="", code=0, env=None):
        done = subprocess.run([server.program("quire"), "connect", *words],
                              env={**self.env, **(env or {})}, input=text, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_results_are_tables(self):
        self.assertEqual(
            self.connect("-d", "mySampleDatabase", "-Q", "SELECT TOP 2 Name, CustomerId AS Id, "
                         "CAST(NULL AS int) AS N FROM Sales.Customer ORDER BY CustomerId; PRINT 'done'"),
            "Name           Id N\n"
            "-------------- -- ----\n"
            "Åsa Lindqvist   1 NULL\n"
            "Bindery Moreau  2 NULL\n"
            "\n(2 rows affected)\ndone\n")
        self.assertEqual(self.connect("-W", "-s", ",", "-h", "-1", "-Q",
                                      "SET NOCOUNT ON SELECT 'a b' AS x, SERVERPROPERTY('Edition') "
                                      "AS y, 0x0102 AS z"), "a b,SQL Azure,0x0102\n")
        out = self.connect("-h", "2", "-Q", "SELECT value FROM STRING_SPLIT('a,b,c', ',')")
        self.assertEqual(out, "value\n-----\na    \nb    \nvalue\n-----\nc    \n\n"
                              "(3 rows affected)\n".replace("    \n", "\n"))

    def test_many_rows_and_long_values_come_whole(self):
        out = self.connect("-W", "-h", "-1", "-Q", "SELECT value FROM GENERATE_SERIES(1, 5000)").split()
        self.assertEqual(out[:5000], [str(i) for i in range(1, 5001)])
        out = self.connect("-W", "-h", "-1", "-Q", "SELECT REPLICATE(CAST('x' AS varchar(max)), 300000)")
        self.assertEqual(len(out.splitlines()[0]), 300000)
        long = "-- " + "y" * 200000 + "\nSELECT 7"
        self.assertIn("\n7\n", self.connect("-W", text=long))

    def test_errors_and_exit_codes_are_those_of_sqlcmd(self):
        wrong = "SELECT * FROM nowhere"
        told = ("Msg 208, Level 16, State 1, Server server01, Line 1\n"
                "Invalid object name 'nowhere'.\n")
        self.assertEqual(self.connect("-Q", wrong), told)
        self.assertEqual(self.connect("-b", "-Q", wrong, code=1), told)
        self.assertEqual(self.connect("-b", "-Q", "RAISERROR('low', 10, 1)"), "low\n")
        script = wrong + "\nGO\nPRINT 'on'\nGO\n"
        self.assertEqual(self.connect(text=script), told + "on\n")
        self.assertEqual(self.connect("-b", text=script, code=1), told)
        self.assertEqual(self.connect(text=":on error exit\n" + script, code=1), told)
        self.assertIn("Login failed", self.connect("-P", "wrong", "-Q", "SELECT 1", code=1))
        self.assertIn("does not answer", self.connect("-S", "localhost,1", "-Q", "SELECT 1", code=1))
        self.assertIn("No such file", self.connect("-i", "/nonexistent.sql", code=1))
        self.assertIn("is not set", self.connect("-Q", "SELECT $(nothing_of_that_name)", code=1))
        self.assertIn("is no option", self.connect("--frob", code=2))
        with tempfile.TemporaryDirectory(prefix="quire-cli-") as home:
            self.assertIn("is not trusted", self.connect(
                "-S", f"localhost,{self.server.port}", "-U", "quireadmin", "-Q", "SELECT 1", code=1,
                env={"QUIRE_HOME": home}))
        self.assertIn("took too long", self.connect("-t", "1", "-Q", "WAITFOR DELAY '00:01:00'"))

    def test_files_counts_and_variables(self):
        with tempfile.TemporaryDirectory(prefix="quire-cli-") as folder:
            first, inner, out = (os.path.join(folder, n) for n in ("first.sql", "in ner.sql", "out"))
            with open(first, "w", encoding="utf-8") as file:
                file.write(f"CREATE TABLE #t (i int)\nGO\nSET NOCOUNT ON INSERT #t VALUES (1)\nGO 3\n"
                           f":r \"{inner}\"\nPRINT '$(word)$(v)'\n:quit\nPRINT 'never'\nGO\n")
            with open(inner, "w", encoding="utf-8") as file:
                file.write(":setvar word 'it''s'\n:setvar word \"two words\"\n"
                           "SELECT COUNT(*) AS n FROM #t\nGO\nPRINT '$(word)'\nGO\n")
            self.connect("-W", "-i", first, "-o", out, "-v", "v=!")
            with open(out, encoding="utf-8") as file:
                self.assertEqual(file.read(), "n\n-\n3\ntwo words\n")
            self.assertEqual(self.connect("-i", f"{inner},{inner}", "-x", "-h", "-1", code=0).count(
                "Invalid object name '#t'"), 2)

    def test_a_terminal_has_prompts_a_history_and_a_way_to_cancel(self):
        with tempfile.TemporaryDirectory(prefix="quire-cli-") as home:
            shutil.copytree(self.home, home, dirs_exist_ok=True)
            env = {"QUIRE_HOME": home}
            shown, code = self.on_terminal("connect", env=env, typed=[
                (b"1> ", b"SELECT 6 * 7 AS answer\n"), (b"2> ", b"GO\n"),
                (b"(1 row affected)", b""), (b"1> ", b"PRINT 'the password'\n"), (b"2> ", b"GO\n"),
                (b"1> ", b":frob\n"), (b"is no command here", b""),
                (b"1> ", b"RAISERROR('waits', 0, 1) WITH NOWAIT WAITFOR DELAY '00:01:00'\n"), (b"2> ", b"GO\n"),
                (b"\nwaits", b"\x03"), (b"cancelled", b""),
                (b"1> ", b"PRINT 'still here'\n"), (b"2> ", b"GO\n"), (b"\nstill here", b""),
                (b"1> ", b"quit\n")])
            self.assertEqual(code, 0, shown)
            self.assertRegex(shown, "answer\r\n------\r\n    42\r\n")
            history = os.path.join(home, "history")
            self.assertEqual(stat.S_IMODE(os.stat(history).st_mode), 0o600)
            with open(history, encoding="utf-8") as file:
                text = file.read()
            self.assertIn("answer", text)
            self.assertNotIn("password", text)
            up = b"\x1b[A"  # quit, GO, PRINT 'still here'
            shown, code = self.on_terminal("connect", env=env, typed=[
                (b"1> ", up * 3 + b"\n"), (b"2> ", b"GO\n"), (b"\nstill here", b""), (b"1> ", b"\x04")])
            self.assertEqual(code, 0, shown)
            shown, code = self.on_terminal("connect", env={**env, "QUIRE_PASSWORD": self.server.password},
                                           typed=[(b"1> ", b"\x04")])
            self.assertEqual(code, 0, shown)

    def test_a_password_is_asked_for_and_not_shown(self):
        env = dict(self.env)
        del self.env["QUIRE_PASSWORD"]
        try:
            shown, code = self.on_terminal("connect", "-Q", "PRINT 'in'", typed=[
                (b"Password: ", self.server.password.encode() + b"\n")])
        finally:
            type(self).env = env
        self.assertEqual(code, 0, shown)
        self.assertIn("in\r\n", shown)
        self.assertNotIn(self.server.password, shown)


if __name__ == "__main__":
    unittest.main()
