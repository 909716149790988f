#!/usr/bin/env python3
"""The article "How to manage a Hyperscale database", command by command, in its order: each with the Azure
CLI word for word, with T-SQL word for word, and each PowerShell cmdlet as the requests that Az.Sql sends for it.
Behind them what the article says is refused. Ends with `N passed, N failed`.

usage: manage_hyperscale.py [--build DIR] [--without-az]
The Azure CLI is Debian's package azure-cli (sh tools/deps.sh az); without it its commands are left out, which is said.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import arm  # noqa: E402
import server  # noqa: E402
import tds  # noqa: E402

NAMES = """
resourceGroupName="myResourceGroup"
serverName="server01"
databaseName="mySampleDatabase"
"""
AZ_FORWARD = NAMES + """
serviceObjective="HS_Gen5_2"

az sql db update -g $resourceGroupName -s $serverName -n $databaseName \\
    --edition Hyperscale --service-objective $serviceObjective
"""
AZ_BACK = NAMES + """
serviceObjective="GP_Gen5_2"
computeModel="Provisioned"

az sql db update -g $resourceGroupName -s $serverName -n $databaseName \\
    --edition GeneralPurpose --service-objective $serviceObjective \\
    --compute-model $computeModel
"""
AZ_BACK_SIZED = NAMES + """
serviceObjective="GP_Gen5_2"
computeModel="Provisioned"
maxsize="200GB"

az sql db update -g $resourceGroupName -s $serverName -n $databaseName \\
    --edition GeneralPurpose --service-objective $serviceObjective \\
    --compute-model $computeModel --max-size $maxsize
"""
AZ_OPERATIONS = NAMES + """
az sql db op list -g $resourceGroupName -s $serverName --database $databaseName
"""
AZ_LIST = NAMES + """
az sql db list -g $resourceGroupName -s $serverName --query "[].{Name:name, Location:location, \
SLO:currentServiceObjectiveName, Tier:currentSku.tier, maxSizeBytes:maxSizeBytes,\
HAreplicas:highAvailabilityReplicaCount}[?Tier=='Hyperscale']" --output table
"""
SQL_FORWARD = """ALTER DATABASE [mySampleDatabase] 
    MODIFY (EDITION = 'Hyperscale', SERVICE_OBJECTIVE = 'HS_Gen5_2');
"""
SQL_BACK = """ALTER DATABASE [mySampleDatabase] 
    MODIFY (EDITION = 'GeneralPurpose', SERVICE_OBJECTIVE = 'GP_Gen5_2');
"""
SQL_BACK_SIZED = """ALTER DATABASE [mySampleDatabase] 
    MODIFY (EDITION = 'GeneralPurpose', SERVICE_OBJECTIVE = 'GP_Gen5_2', MAXSIZE = 200 GB);
"""
SQL_OPERATIONS = """SELECT * 
FROM sys.dm_operation_status
WHERE major_resource_id = 'mySampleDatabase'
ORDER BY start_time DESC;
"""
SQL_LIST = """SELECT d.name, dso.edition, dso.service_objective
FROM sys.database_service_objectives AS dso
JOIN sys.databases as d on dso.database_id = d.database_id
WHERE dso.edition = 'Hyperscale';
"""
SHAPE = """SELECT DATABASEPROPERTYEX('{0}', 'Edition'), DATABASEPROPERTYEX('{0}', 'ServiceObjective'),
    DATABASEPROPERTYEX('{0}', 'MaxSizeInBytes')"""
IN_HYPERSCALE = ("Hyperscale", "HS_Gen5_2")
SERVER = "/resourceGroups/myResourceGroup/providers/Microsoft.Sql/servers/server01"
POWERSHELL_VERSION = "api-version=2021-11-01"  # what Az.Sql asks for, at the time of the article
TB, GB = 1 << 40, 1 << 30
PATIENCE_S = 120 * server.SLOWNESS


class Wrong(AssertionError):
    pass


def expect(have, want):
    if have != want:
        raise Wrong(f"have {have!r}, want {want!r}")


class Route:
    """One of the three tools. `back` without a size takes the largest of the objective."""

    def __init__(self, article):
        self.article = article


class Cli(Route):
    name = "az"

    def shell(self, text):
        done = subprocess.run(["bash", "-c", text], env=self.article.az_env, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=PATIENCE_S * 2)
        if done.returncode != 0:
            raise Wrong(f"exit status {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def forward(self):
        shown = json.loads(self.shell(AZ_FORWARD))
        expect((shown["edition"], shown["currentServiceObjectiveName"], shown["maxSizeBytes"]),
               (*IN_HYPERSCALE, -1))

    def back(self):
        shown = json.loads(self.shell(AZ_BACK))
        expect((shown["currentServiceObjectiveName"], shown["maxSizeBytes"]), ("GP_Gen5_2", TB))

    def back_sized(self):
        shown = json.loads(self.shell(AZ_BACK_SIZED))
        expect((shown["currentServiceObjectiveName"], shown["maxSizeBytes"]),
               ("GP_Gen5_2", 200 * GB))

    def operations(self):
        found = json.loads(self.shell(AZ_OPERATIONS))
        expect({o["state"] for o in found}, {"Succeeded"})
        expect([found[0]["operation"], found[-1]["operation"]],
               ["UpdateLogicalDatabase", "CreateLogicalDatabase"])

    def listing(self):
        lines = [line.split() for line in self.shell(AZ_LIST).splitlines()]
        expect(lines[0], ["Name", "Location", "SLO", "Tier", "MaxSizeBytes", "HAreplicas"])
        expect([line[:5] for line in lines[2:]],
               [["mySampleDatabase", "eastus", "HS_Gen5_2", "Hyperscale", "-1"]])


class TransactSql(Route):
    name = "T-SQL"

    def forward(self):
        self.article.change(SQL_FORWARD)

    def back(self):
        self.article.change(SQL_BACK)

    def back_sized(self):
        self.article.change(SQL_BACK_SIZED)

    def operations(self):
        with self.article.server.connect("master") as master:
            columns, rows = master.batch(SQL_OPERATIONS).results()[0]
        newest, oldest = (dict(zip([c.name for c in columns], rows[i])) for i in (0, -1))
        expect((newest["operation"], newest["state_desc"], newest["percent_complete"]),
               ("ALTER DATABASE", "COMPLETED", 100))
        expect(oldest["operation"], "CREATE DATABASE")

    def listing(self):
        with self.article.server.connect("master") as master:
            expect(master.execute(SQL_LIST), [("mySampleDatabase", *IN_HYPERSCALE)])


class PowerShell(Route):
    name = "PowerShell"

    def send(self, method, path, body=None):
        return self.article.api.send(
            method, self.article.at + path + ("&" if "?" in path else "?") + POWERSHELL_VERSION, body)

    def get(self, path):
        status, _, shown = self.send("GET", path)
        expect(status, 200)
        return shown

    def set_database(self, edition, objective, size=None):
        """Set-AzSqlDatabase reads the server, the database twice, and puts it."""
        self.get("")
        have = self.get("/databases/mySampleDatabase?$expand=keys")
        self.get("/databases/mySampleDatabase")
        properties = {"readScale": ""}
        if size is not None:
            properties["maxSizeBytes"] = size
        if have["properties"].get("licenseType"):
            properties["licenseType"] = have["properties"]["licenseType"]
        self.article.finish(self.send("PUT", "/databases/mySampleDatabase", {
            "location": have["location"], "tags": have.get("tags", {}),
            "sku": {"name": objective, "tier": edition}, "properties": properties}))

    def forward(self):
        self.set_database("Hyperscale", "HS_Gen5_2")

    def back(self):
        self.set_database("GeneralPurpose", "GP_Gen5_2")

    def back_sized(self):
        self.set_database("GeneralPurpose", "GP_Gen5_2", 268435456000)

    def operations(self):
        found = self.get("/databases/mySampleDatabase/operations")["value"]
        expect({o["properties"]["state"] for o in found}, {"Succeeded"})
        expect(found[0]["properties"]["operation"], "UpdateLogicalDatabase")

    def listing(self):
        found = [(d["name"], d["location"], d["properties"]["currentServiceObjectiveName"],
                  d["sku"]["tier"], d["properties"]["maxSizeBytes"])
                 for d in self.get("/databases")["value"] if d["sku"]["tier"] == "Hyperscale"]
        expect(found, [("mySampleDatabase", "eastus", "HS_Gen5_2", "Hyperscale", -1)])
        expect(self.get("/databases/mySampleDatabase")["properties"]["highAvailabilityReplicaCount"],
               1)


class Article:
    def __init__(self):
        self.server = server.Server("--sample").start()
        self.api = arm.Api(self.server).login()
        _, _, answer = self.api.send("GET", "/subscriptions?" + POWERSHELL_VERSION)
        self.at = answer["value"][0]["id"] + SERVER
        self.folder = tempfile.mkdtemp(prefix="quire-az-")
        self.az_env = {**os.environ, "AZURE_CONFIG_DIR": self.folder, "NO_PROXY": "127.0.0.1",
                       "AZURE_CORE_COLLECT_TELEMETRY": "no", "AZURE_CORE_NO_COLOR": "yes",
                       "REQUESTS_CA_BUNDLE": self.api.certificate}
        self.passed = self.failed = 0
        self.rows = None

    def close(self):
        self.server.stop()
        self.server.remove()
        shutil.rmtree(self.folder)

    def login_az(self):
        Cli(self).shell(
            "az cloud register -n Local --endpoint-resource-manager "
            f"https://127.0.0.1:{self.server.https_port} && az cloud set -n Local && az login "
            f"--service-principal -u quireadmin -p '{self.server.password}' --tenant local")

    # --- what every route needs

    def wait_over(self, database="mySampleDatabase"):
        """The state of the database's newest operation once it has ended, as its view shows it."""
        deadline = time.monotonic() + PATIENCE_S
        with self.server.connect("master") as master:
            while time.monotonic() < deadline:
                state, error = master.execute(
                    "SELECT TOP 1 state_desc, error_desc FROM sys.dm_operation_status WHERE "
                    f"major_resource_id = '{database}' ORDER BY start_time DESC")[0]
                if state not in ("PENDING", "IN_PROGRESS"):
                    return state, error
                time.sleep(0.05)
        raise Wrong("the operation does not end")

    def change(self, text, database="mySampleDatabase"):
        with self.server.connect("master") as master:
            master.execute(text)
        expect(self.wait_over(database)[0], "COMPLETED")

    def finish(self, answer):
        status, headers, body = answer
        if status == 200:
            return
        expect((status, body if status != 202 else None), (202, None))
        path = "/" + headers["azure-asyncoperation"].split("/", 3)[3]
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            poll = self.api.send("GET", path)[2]
            if poll["status"] != "InProgress":
                expect(poll["status"], "Succeeded")
                return
            time.sleep(0.05)
        raise Wrong("the operation does not end")

    def shape(self, database="mySampleDatabase"):
        with self.server.connect("master") as master:
            return master.execute(SHAPE.format(database))[0]

    def check_data(self):
        """What is in the database is what was in it, and it can be written."""
        with self.server.connect("mySampleDatabase") as connection:
            rows = connection.execute("SELECT COUNT_BIG(*), CHECKSUM_AGG(CHECKSUM(*)) FROM kept")
            expect(rows, self.rows or rows)
            connection.execute("INSERT kept VALUES (NEWID(), REPLICATE('x', 500))")
            self.rows = connection.execute(
                "SELECT COUNT_BIG(*), CHECKSUM_AGG(CHECKSUM(*)) FROM kept")

    # --- the steps

    def step(self, title, act, *args):
        began = time.monotonic()
        try:
            act(*args)
        except Exception as failure:  # a step that fails says so, and the next ones go on
            self.failed += 1
            print(f"FAILED  {title}: {failure}", flush=True)
            if not isinstance(failure, (Wrong, tds.Failed)):
                traceback.print_exc(file=sys.stdout)
            return
        self.passed += 1
        print(f"ok      {title} ({time.monotonic() - began:.1f} s)", flush=True)

    def moves(self, route, turn, size=None):
        before = self.shape()
        getattr(route, turn)()
        after = self.shape()
        if turn == "forward":
            expect(after, (*IN_HYPERSCALE, -1))
            expect(before[0], "GeneralPurpose")
        else:
            expect(after, ("GeneralPurpose", "GP_Gen5_2", size))
            expect(before[0], "Hyperscale")
        self.check_data()

    def walk(self, route):
        said = route.name
        self.step(f"{said}: migrate to Hyperscale", self.moves, route, "forward")
        self.step(f"{said}: view databases in the Hyperscale tier", route.listing)
        self.step(f"{said}: reverse migrate", self.moves, route, "back", TB)
        self.step(f"{said}: monitor operations", route.operations)
        self.step(f"{said}: migrate to Hyperscale again", self.moves, route, "forward")
        self.step(f"{said}: reverse migrate with a size", self.moves, route, "back_sized",
                  250 * GB if said == "PowerShell" else 200 * GB)

    def refused(self, text, number, said=""):
        with self.server.connect("master") as master:
            errors = master.batch(text).errors
        expect([e.number for e in errors], [number])
        if said not in errors[0].text:
            raise Wrong(f"{errors[0].text!r} does not say {said!r}")

    def refused_over_rest(self, sku, said):
        status, _, body = self.api.send(
            "PATCH", self.at + "/databases/born?" + POWERSHELL_VERSION, {"sku": sku})
        expect(status, 400)
        if said not in body["error"]["message"]:
            raise Wrong(f"{body!r} does not say {said!r}")

    def refusals(self):
        """Prerequisites fail at once, and change nothing."""
        to_general = "MODIFY (EDITION = 'GeneralPurpose', SERVICE_OBJECTIVE = 'GP_Gen5_2'{})"
        sample = "ALTER DATABASE [mySampleDatabase] "
        with self.server.connect("master") as master:
            master.execute("CREATE DATABASE born (EDITION = 'Hyperscale', SERVICE_OBJECTIVE = "
                           "'HS_Gen5_2')")
        born = self.shape("born")
        self.step("migrate once more", self.change, SQL_FORWARD)
        for title, text, number, said in (
                ("a database that was created in Hyperscale",
                 "ALTER DATABASE born " + to_general.format(""), 45305, "created in the Hyperscale"),
                ("to another tier than General Purpose",
                 sample + "MODIFY (EDITION = 'BusinessCritical', SERVICE_OBJECTIVE = 'BC_Gen5_2')",
                 45305, "General Purpose"),
                ("to a DTU tier", sample + "MODIFY (EDITION = 'Standard', SERVICE_OBJECTIVE = 'S3')",
                 45305, "General Purpose"),
                ("a size over that of the objective",
                 sample + to_general.format(", MAXSIZE = 2048 GB"), 40619, ""),
                ("an objective of another tier",
                 sample + "MODIFY (EDITION = 'GeneralPurpose', SERVICE_OBJECTIVE = 'HS_Gen5_2')",
                 40808, ""),
                ("an objective that there is not",
                 sample + "MODIFY (EDITION = 'GeneralPurpose', SERVICE_OBJECTIVE = 'GP_Gen5_3')",
                 40804, "")):
            self.step(f"refused: {title}", self.refused, text, number, said)
        with self.server.connect("master") as master:
            master.execute(sample + "ADD SECONDARY ON SERVER server01 WITH (SERVICE_OBJECTIVE = "
                           "'HS_Gen5_2', SECONDARY_TYPE = Named, DATABASE_NAME = replica)")
        self.step("refused: a database with a named replica", self.refused,
                  sample + to_general.format(""), 45305, "'replica'")
        with self.server.connect("master") as master:
            master.execute("DROP DATABASE replica")
        self.step("refused over REST: a database that was created in Hyperscale",
                  self.refused_over_rest, {"name": "GP_Gen5_2", "tier": "GeneralPurpose"},
                  "created in the Hyperscale")
        self.step("refused: nothing was changed by it", lambda: expect(
            (self.shape("born"), self.shape()[:2]), (born, IN_HYPERSCALE)))
        self.check_data()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--without-az", action="store_true")
    args = parser.parse_args()
    os.environ["QUIRE_BUILD"] = os.path.abspath(args.build)
    article = Article()
    try:
        with article.server.connect("mySampleDatabase") as connection:
            connection.execute("CREATE TABLE kept (id uniqueidentifier NOT NULL PRIMARY KEY, "
                               "text varchar(500))")
        article.check_data()
        routes = [TransactSql(article), PowerShell(article)]
        if args.without_az or not shutil.which("az"):
            print("left out: the commands of the Azure CLI")
        else:
            article.login_az()
            routes.append(Cli(article))
        for route in routes:
            article.walk(route)
        article.refusals()
    finally:
        article.close()
    print(f"{article.passed} passed, {article.failed} failed")
    return 1 if article.failed or not article.passed else 0


if __name__ == "__main__":
    sys.exit(main())
