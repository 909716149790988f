"""Databases of a service and what they have to hold (service.py). Statements are sent as by an application that asks again after
what is transient; of a transaction whose answer did not come the database has all or nothing."""
import datetime
import os
import signal
import time

import arm
import server
import tds

NEAR, FAR = "server01", "far"
FAR_ID = 1 << 20  # ids of databases of the second server
PASSWORD = "Another-Secret-2"
PATIENCE = 120 * server.SLOWNESS
GONE = (tds.Closed, tds.ProtocolError, OSError)
TRANSIENT = {40613, 40197, 596, 18456, 40501, 42108, 42109, 4060, 49918, 49919, 49920, 45182, 40900, 976, 983, 40671, 40855}
TIERS = {"basic": ["Basic"], "standard": ["S0", "S1"], "general": ["GP_Gen5_2", "GP_Gen5_4"],
         "critical": ["BC_Gen5_2", "BC_Gen5_4"], "hyperscale": ["HS_Gen5_2", "HS_Gen5_4"]}
EDITIONS = {"basic": "Basic", "standard": "Standard", "general": "GeneralPurpose", "critical": "BusinessCritical",
            "hyperscale": "Hyperscale"}
PAST = 60
API = "api-version=2022-08-01-preview"


class Wrong(Exception):
    """The service did what it must not."""


def utc(moment):
    return datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Database:
    def __init__(self, name, server_name, tier, rows):
        self.name, self.server, self.tier = name, server_name, tier
        self.objective = TIERS[tier][0]
        self.rows = rows       # v by k
        self.past = []         # (moment, rows) between commits
        self.peer = None       # of a geo-link
        self.is_primary = True
        self.is_tainted = False  # roles have changed: not every moment is in its own backups
        self.is_hyper_born = tier == "hyperscale"  # it cannot move back
        self.named = None      # name of a named replica
        self.guid = self.earliest = None  # of one that was dropped: its id and from when on it can be restored

    def __str__(self):
        role = "" if self.peer is None else " (primary)" if self.is_primary else " (secondary)"
        return f"{self.server}/{self.name} [{self.tier}, {len(self.rows)} rows]{role}"

    def remember(self):
        time.sleep(0.004)
        self.past = self.past[-PAST:] + [(time.time(), dict(self.rows))]
        time.sleep(0.004)


def difference(have, want):
    """Of rows, in words."""
    lost = {k: v for k, v in want.items() if k not in have}
    more = {k: v for k, v in have.items() if k not in want}
    other = {k: (have[k], want[k]) for k in have if k in want and have[k] != want[k]}
    return f"{len(have)} rows, {len(want)} expected; lost {str(lost)[:300]}; more {str(more)[:300]}; other {str(other)[:300]}"


class Estate:
    def __init__(self, random):
        self.random = random
        self.databases, self.dropped = [], []
        self.quired = server.Server()
        self.logs = []
        self.keys = 0
        self.quired.start()
        self.api_login()
        self.put(self.path(FAR), {"location": "westus", "properties": {
            "administratorLogin": "boss", "administratorLoginPassword": PASSWORD}})

    # --- the management API ---

    def api_login(self):
        self.api = arm.Api(self.quired).login()
        _, _, answer = self.api.send("GET", "/subscriptions?" + API)
        self.at = answer["value"][0]["id"] + "/resourceGroups/myResourceGroup/providers/Microsoft.Sql/servers/"

    def path(self, server_name, database=None):
        return self.at + server_name + (f"/databases/{database}" if database else "")

    def send(self, method, path, body=None):
        """Again while the service is not there."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                answer = self.api.send(method, path + ("&" if "?" in path else "?") + API, body)
                if answer[0] not in (401, 409, 429, 503):
                    return answer
                if answer[0] == 401:
                    self.api_login()
                if answer[0] == 409 and answer[2]["error"]["code"] != "OperationInProgress":
                    return answer
            except OSError:
                pass
            if time.monotonic() > deadline:
                raise Wrong(f"{method} {path} is not answered")
            time.sleep(0.05)

    def put(self, path, body, method="PUT"):
        """The answer's or its operation's error code, or None."""
        status, headers, answer = self.send(method, path, body)
        if status in (200, 201):
            return None
        if status != 202:
            return answer["error"]
        url = "/" + headers["azure-asyncoperation"].split(":", 2)[2].split("/", 1)[1].split("&" + API)[0].split("?" + API)[0]
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            _, _, poll = self.send("GET", url)
            if poll["status"] != "InProgress":
                return None if poll["status"] == "Succeeded" else poll["error"]
            time.sleep(0.02)
        raise Wrong(f"{path}: the operation does not end")

    # --- statements ---

    def connect(self, server_name, database="master", **more):
        if server_name == NEAR:
            return self.quired.connect(database, timeout=PATIENCE, **more)
        return self.quired.connect(database, user="boss", password=PASSWORD, timeout=PATIENCE,
                                   server=f"tcp:{server_name}.database.windows.net,1433", **more)

    def run(self, server_name, database, sql, transient=TRANSIENT, **more):
        """Until it is done: for what can be done twice. What is refused raises."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with self.connect(server_name, database, **more) as connection:
                    return connection.execute(sql)
            except tds.Failed as failed:
                if not {m.number for m in failed.messages} <= transient | {0} or time.monotonic() > deadline:
                    raise
            except GONE as gone:
                if time.monotonic() > deadline:
                    raise Wrong(f"{server_name}/{database} does not answer: {gone}") from gone
            time.sleep(0.02)

    def read(self, d, **more):
        rows = self.run(d.server, d.name, "SELECT k, v, LEN(p) FROM t", **more)
        have = {k: v for k, v, _ in rows}
        if len(have) != len(rows):
            raise Wrong(f"{d}: keys are there twice")
        for k, _, length in rows:
            if length != 1 + k * 37 % 300:
                raise Wrong(f"{d}: row {k} has {length} characters")
        return have

    def wait(self, what, true):
        deadline = time.monotonic() + PATIENCE
        while not true():
            if time.monotonic() > deadline:
                raise Wrong(what() if callable(what) else what)
            time.sleep(0.01)

    def wait_over(self, server_name):
        self.wait("operations do not end", lambda: self.run(
            server_name, "master", "SELECT COUNT(*) FROM sys.dm_operation_status WHERE state IN (0, 1)") == [(0,)])

    # --- rows ---

    def create(self, name, tier):
        d = Database(name, NEAR, tier, {})
        self.run(NEAR, "master", f"CREATE DATABASE {name} (EDITION = '{EDITIONS[tier]}', SERVICE_OBJECTIVE = '{d.objective}')")
        self.run(NEAR, name, "IF OBJECT_ID('t') IS NULL CREATE TABLE t (k int NOT NULL PRIMARY KEY, v int NOT NULL INDEX iv, "
                 "p varchar(400) NOT NULL)")
        self.databases.append(d)
        return d

    def change_rows(self, rows):
        """A statement, and it is done to `rows`, too."""
        kind = self.random.choice(["insert", "insert", "insert", "update", "update", "delete"])
        if kind == "insert" or not rows:
            count, first = self.random.choice([1, 5, 60, 400]), self.keys
            self.keys += count
            rows.update({k: k % 7 for k in range(first, first + count)})
            return (f"INSERT t SELECT value, value % 7, REPLICATE('x', 1 + value * 37 % 300) "
                    f"FROM GENERATE_SERIES({first}, {first + count - 1})")
        modulus, rest, more = self.random.choice([1, 3, 50]), self.random.randint(0, 2), self.random.randint(1, 9)
        hit = [k for k in rows if k % modulus == rest % modulus]
        if kind == "delete" and modulus > 1:
            for k in hit:
                del rows[k]
            return f"DELETE t WHERE k % {modulus} = {rest % modulus}"
        rows.update({k: rows[k] + more for k in hit})
        return f"UPDATE t SET v = v + {more} WHERE k % {modulus} = {rest % modulus}"

    def write(self, d):
        """One transaction. Which of both states it has left is known afterwards."""
        before, after = dict(d.rows), dict(d.rows)
        statements = [self.change_rows(after) for _ in range(self.random.randint(1, 3))]
        back = self.random.random() < 0.1
        wanted = before if back else after
        ends = "ROLLBACK" if back else "COMMIT"
        try:
            with self.connect(d.server, d.name) as connection:
                if self.random.random() < 0.5:
                    connection.execute(f"SET XACT_ABORT ON; BEGIN TRAN; {'; '.join(statements)}; {ends}")
                else:
                    for statement in ("BEGIN TRAN", *statements, ends):
                        connection.execute(statement)
            d.rows = wanted
        except tds.Failed as failed:
            if not {m.number for m in failed.messages} <= TRANSIENT | {3902, 3903, 3998, 1205, 40544}:
                raise
            self.settle(d, before, wanted)
        except GONE:
            self.settle(d, before, wanted)
        d.remember()

    def settle(self, d, before, after):
        d.rows = self.read(d)
        if d.rows not in (before, after):
            raise Wrong(f"{d}: half of a transaction: {difference(d.rows, before)}; {difference(d.rows, after)}")

    def check(self, d):
        """What it holds, at each end that can be read."""
        if d.peer is not None and not d.is_primary:
            self.wait_same(d, d.peer.rows)
            return
        have = self.read(d)
        if have != d.rows:
            raise Wrong(f"{d}: {difference(have, d.rows)}")
        if d.tier in ("hyperscale", "critical"):
            self.wait_same(d, d.rows, read_only=True)
        if d.named:
            replica = Database(d.named, d.server, d.tier, d.rows)
            self.wait_same(replica, d.rows)

    def wait_same(self, d, rows, **more):
        """A follower comes there."""
        have = {}

        def same():
            have.clear()
            have.update(self.read(d, transient=TRANSIENT | {208, 3906}, **more))
            return have == rows
        self.wait(lambda: f"{d} does not follow: {difference(have, rows)}", same)

    # --- databases ---

    def copy(self, d, name):
        self.run(d.server, "master", f"CREATE DATABASE {name} AS COPY OF {d.name}")
        made = Database(name, d.server, d.tier, dict(d.rows))
        made.objective = d.objective
        self.databases.append(made)
        self.check(made)
        return made

    def restore(self, d, moment, rows, name):
        """None: it was refused, and may be."""
        properties = {"createMode": "PointInTimeRestore", "sourceDatabaseId": self.path(d.server, d.name),
                      "restorePointInTime": utc(moment)}
        if d.guid:
            properties = {"createMode": "Restore", "restorableDroppedDatabaseId": d.guid, "restorePointInTime": utc(moment)}
            must = not d.is_tainted and d.earliest <= utc(moment)
        else:
            shown = self.send("GET", self.path(d.server, d.name))[2]["properties"]
            must = not d.is_tainted and shown.get("earliestRestoreDate", "3") <= utc(moment)
        error = self.put(self.path(d.server, name), {"location": "eastus", "properties": properties})
        if error is not None:
            if must:
                raise Wrong(f"{d} is not restored to {utc(moment)}: {error}")
            return None
        [(objective,)] = self.run(d.server, name, "SELECT DATABASEPROPERTYEX(DB_NAME(), 'ServiceObjective')")
        tier = next(t for t in TIERS if objective in TIERS[t])  # that of its backups
        made = Database(name, d.server, tier, dict(rows))
        self.databases.append(made)
        self.check(made)
        return made

    def drop(self, d):
        known = {r["id"] for r in self.send("GET", self.path(d.server) + "/restorableDroppedDatabases")[2]["value"]}
        if d.named:
            self.drop_named(d)
        self.run(d.server, "master", f"DROP DATABASE IF EXISTS {d.name}")
        d.remember()
        mine = [r for r in self.send("GET", self.path(d.server) + "/restorableDroppedDatabases")[2]["value"]
                if r["id"] not in known and r["properties"]["databaseName"] == d.name]
        self.databases.remove(d)
        if len(mine) == 1:
            d.guid, d.earliest = mine[0]["id"], mine[0]["properties"].get("earliestRestoreDate", "3")
            self.dropped = self.dropped[-4:] + [d]

    def rename(self, d, name):
        self.run(d.server, "master", f"IF DB_ID('{name}') IS NULL ALTER DATABASE {d.name} MODIFY NAME = {name}")
        d.name = name
        self.check(d)

    def change(self, d, tier):
        """To another objective of that tier; it is written meanwhile."""
        objective = self.random.choice(TIERS[tier])
        self.run(d.server, "master", f"ALTER DATABASE {d.name} MODIFY (EDITION = '{EDITIONS[tier]}', "
                 f"SERVICE_OBJECTIVE = '{objective}')")
        for _ in range(self.random.randint(0, 4)):
            self.write(d)
        self.wait_over(d.server)
        now = self.run(d.server, d.name, "SELECT DATABASEPROPERTYEX(DB_NAME(), 'ServiceObjective')")
        if now != [(objective,)]:
            raise Wrong(f"{d} is {now}, not {objective}")
        if tier != d.tier and "hyperscale" in (tier, d.tier):
            d.is_tainted = True
        d.tier, d.objective = tier, objective
        self.check(d)

    def fail_over(self, d):
        self.run(d.server, "master", f"ALTER DATABASE {d.name} FAILOVER")
        for _ in range(self.random.randint(0, 3)):
            self.write(d)
        self.wait_over(d.server)
        self.check(d)

    def set_ha(self, d, count):
        self.run(d.server, "master", f"ALTER DATABASE {d.name} MODIFY (HA_REPLICAS = {count})")
        self.wait_over(d.server)
        self.check(d)

    def add_named(self, d, name):
        self.run(d.server, "master", f"IF DB_ID('{name}') IS NULL ALTER DATABASE {d.name} ADD SECONDARY ON SERVER {d.server} WITH "
                 f"(SERVICE_OBJECTIVE = 'HS_Gen5_2', SECONDARY_TYPE = Named, DATABASE_NAME = [{name}])")
        d.named = name
        self.check(d)

    def drop_named(self, d):
        self.run(d.server, "master", f"DROP DATABASE IF EXISTS {d.named}")
        d.named = None

    # --- geo-secondaries ---

    def link(self, d):
        self.run(d.server, "master", f"IF NOT EXISTS (SELECT * FROM sys.geo_replication_links WHERE database_id = DB_ID('{d.name}')) "
                 f"ALTER DATABASE {d.name} ADD SECONDARY ON SERVER {FAR}")
        other = Database(d.name, FAR, d.tier, d.rows)
        other.objective = d.objective
        d.peer, other.peer, other.is_primary = other, d, False
        self.databases.append(other)
        self.check(other)

    def role_sql(self, d):
        return f"SELECT role_desc FROM sys.geo_replication_links WHERE database_id = DB_ID('{d.name}')"

    def geo_fail_over(self, d, forced, held):
        """The number of transactions that are lost, in the end."""
        old = d.peer
        if forced:
            self.check(d)  # it has what is there now
        stopped = self.hold(d) if held else 0
        states = [dict(old.rows)]
        for _ in range(held):
            self.write(old)
            states.append(dict(old.rows))
        words = "FORCE_FAILOVER_ALLOW_DATA_LOSS" if forced else "FAILOVER"
        self.run(d.server, "master", f"IF EXISTS ({self.role_sql(d)} AND role_desc = 'SECONDARY') ALTER DATABASE {d.name} {words}")
        if stopped:
            self.proceed(stopped)
        self.wait(f"{d} does not become the primary", lambda: self.run(d.server, "master", self.role_sql(d)) == [("PRIMARY",)])
        d.is_primary, old.is_primary, d.is_tainted, old.is_tainted = True, False, True, True
        d.rows = self.read(d)
        if d.rows not in states if forced else d.rows != states[-1]:
            raise Wrong(f"{d}: after its failover {difference(d.rows, states[-1])}")
        lost = states[::-1].index(d.rows)
        d.past = []
        d.remember()
        self.write(d)
        self.check(d)
        self.check(old)
        return lost

    def hold(self, d):
        """The process of a secondary stands still."""
        [(number,)] = self.run(d.server, "master", f"SELECT DB_ID('{d.name}')")
        pid = self.quired.role_pid(f"bc-{number + (FAR_ID if d.server == FAR else 0)}")
        if pid == 0:
            raise Wrong(f"{d} has no process")
        try:
            server.stand_still(pid)
        except ProcessLookupError:
            return 0
        return pid

    def proceed(self, pid):
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass

    def unlink(self, d):
        other = d.peer
        self.run(d.server, "master", f"IF EXISTS ({self.role_sql(d)}) ALTER DATABASE {d.name} REMOVE SECONDARY ON SERVER "
                 f"{other.server}")
        d.peer = other.peer = None
        other.is_primary = other.is_tainted = True
        other.rows = self.read(other)  # it may not have had the last ones
        other.past = []
        self.check(d)

    # --- processes ---

    def kill_one(self):
        children = [pid for pid in self.quired.pids if pid != self.quired.pid]
        pid = self.random.choice(children)
        names = [line.split('name="')[1].split('"')[0] for line in self.quired.log if f" pid={pid}" in line and "child_started" in line]
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return names[-1] if names else str(pid)

    def restart(self, cleanly):
        self.logs += self.quired.log
        if cleanly:
            self.quired.announced = {word.split("=")[1] for line in self.quired.log for word in line.split() if word.startswith("ev=")}
            self.quired.announced.add("child_ended")  # of what was killed just now it may not be said yet
            self.quired.stop()
        else:
            self.quired.kill()
        self.quired.log = []
        self.quired.start()
        self.api_login()

    def end(self):
        self.restart(cleanly=True)
        for d in self.databases:
            self.check(d)
        self.quired.kill()

    def keep_log(self, path):
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(self.logs + self.quired.log)

    def remove(self):
        self.quired.kill()
        self.quired.remove()
