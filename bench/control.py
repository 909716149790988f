#!/usr/bin/env python3
"""Benchmarks of the control plane.

  bench/control.py --build build [--only scale,registry,tiers] [--sizes 100,8000] [--rounds 20]
                   [--databases 4990] [--seconds 5]

scale: a Hyperscale database under load goes between HS_Gen5_2 and HS_Gen5_8, --rounds times, at each
size (MB of rows that do not compress): from the request to completed, and the longest time between two
commits of one client around it. Azure's own words for it are 2 minutes and 12 seconds.
registry: --databases databases, made by 50 sessions at once; then how long a list, a show and one more
create take, with the processor time that all processes had for it, and what they have of memory, while
databases are open and once those that nobody uses are closed. Beside it what a create cannot be without: a
sync of the disk.
tiers: what a commit costs in Business Critical, where three more processes sync it first, and in Hyperscale,
against General Purpose: single-row inserts of one client and of 16, in turns, --rounds times.
Writes BUILD/bench/control.jsonl.
"""
import argparse
import glob
import http.client
import json
import os
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

sys.path.append("/usr/lib/python3/dist-packages")
import pymssql

from servers import Quire

WRITERS, SESSIONS, TIMES = 4, 50, 20
CLOSED_S = 120  # what nobody has entered is closed within some seconds, so many at a time
VERSION = "?api-version=2021-11-01"


class Scale:
    def __init__(self, quire, options):
        self.quire, self.options, self.results = quire, options, []
        self.master = self.quire.connect("master")

    def load(self, size):
        name = "size_%d" % size
        cursor = self.master.cursor()
        cursor.execute("CREATE DATABASE %s (EDITION = 'Hyperscale', SERVICE_OBJECTIVE = "
                       "'HS_Gen5_2')" % name)
        with self.quire.connect(name) as connection:
            cursor = connection.cursor()
            cursor.execute("CREATE TABLE writes (writer int, n int, PRIMARY KEY (writer, n))")
            self.quire.fill(cursor, size)
        return name

    def write(self, name, writer, stop, commits):
        """One client: commits on, and after a lost connection connects again at once."""
        n, connection = 0, None
        while not stop.is_set():
            try:
                connection = connection or self.quire.connect(name)
                n += 1
                connection.cursor().execute("INSERT writes VALUES (%d, %d)" % (writer, n))
                commits.append(time.monotonic())
            except pymssql.Error:
                connection = None

    def wait_over(self, name):
        cursor = self.master.cursor()
        while True:
            cursor.execute("SELECT TOP 1 state_desc FROM sys.dm_operation_status WHERE "
                           "major_resource_id = '%s' ORDER BY start_time DESC" % name)
            state = cursor.fetchone()[0]
            if state not in ("PENDING", "IN_PROGRESS"):
                assert state == "COMPLETED", state
                return
            time.sleep(0.002)

    def measure(self):
        for size in self.options.sizes:
            self.measure_size(size)

    def measure_size(self, size):
        name, stop = self.load(size), threading.Event()
        commits = [[] for _ in range(WRITERS)]
        threads = [threading.Thread(target=self.write, args=(name, i, stop, commits[i]))
                   for i in range(WRITERS)]
        for thread in threads:
            thread.start()
        took, gaps = [], []
        for turn in range(self.options.rounds):
            time.sleep(1)  # load between two changes
            begin = time.monotonic()
            self.master.cursor().execute(
                "ALTER DATABASE %s MODIFY (SERVICE_OBJECTIVE = 'HS_Gen5_%d')" % (name, 2 if turn % 2 else 8))
            self.wait_over(name)
            took.append((time.monotonic() - begin) * 1000)
            time.sleep(0.5)
            for times in commits:
                late = [b - a for a, b in zip(times, times[1:]) if b > begin]
                gaps.append(max(late, default=0.5) * 1000)
        stop.set()
        for thread in threads:
            thread.join()
        for what, values, target in (("scale to completed", took, 3000), ("scale gap of a client", gaps, 500)):
            self.results.append(figure("%s, %d MB" % (what, size), statistics.median(values),
                                       "ms", "max %.0f" % max(values), target))
        self.master.cursor().execute("DROP DATABASE " + name)


class Registry:
    def __init__(self, quire, options):
        self.quire, self.options, self.results = quire, options, []

    def make(self, first, last, took):
        with self.quire.connect("master", timeout=600) as connection:
            for i in range(first, last):
                begin = time.monotonic()
                connection.cursor().execute("CREATE DATABASE d%d (EDITION = 'Basic')" % i)
                took.append((time.monotonic() - begin) * 1000)

    def send(self, method, path, body=None, headers=None):
        begin = time.monotonic()
        self.api.request(method, path, body, headers or {"Authorization": "Bearer " + self.token})
        answer = self.api.getresponse()
        value = json.loads(answer.read())
        assert answer.status == 200, value
        return value, (time.monotonic() - begin) * 1000

    def list(self, at):
        """All of its pages, and how long they took."""
        rows, took, path = [], 0, at + VERSION
        while path:
            page, ms = self.send("GET", path)
            rows += page["value"]
            took += ms
            parts = urllib.parse.urlsplit(page.get("nextLink", ""))
            path = parts.path and "%s?%s" % (parts.path, parts.query)
        return rows, took

    def login(self):
        self.api = http.client.HTTPSConnection(
            "127.0.0.1", self.quire.https_port, timeout=60, context=ssl.create_default_context(
                cafile=os.path.join(self.quire.dir, "tls", "cert.pem")))
        form = urllib.parse.urlencode({
            "grant_type": "client_credentials", "client_id": "quireadmin", "client_secret":
            self.quire.password, "scope": "https://management.quire/.default"})
        self.token = self.send("POST", "/adfs/oauth2/token", form, {
            "Content-Type": "application/x-www-form-urlencoded"})[0]["access_token"]

    def median(self, act):
        return statistics.median(act() for _ in range(TIMES))

    def open_count(self):
        """Databases whose files are open, master left out."""
        folders = set()
        for pid, _ in self.quire.processes():
            for fd in glob.glob("/proc/%d/fd/*" % pid):
                try:
                    path = os.readlink(fd)
                except OSError:
                    continue
                if "/databases/" in path:
                    folders.add(path.split("/databases/")[1].split("/")[0])
        return max(len(folders) - 1, 0)

    def measure(self):
        count, before, took = self.options.databases, self.quire.memory_kb(), []
        worked = self.quire.cpu_ms()
        share, begin = (count + SESSIONS - 1) // SESSIONS, time.monotonic()
        threads = [threading.Thread(target=self.make, args=(
            i * share, min((i + 1) * share, count), took)) for i in range(SESSIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(took) == count, "%d of %d were made" % (len(took), count)
        rate = count / (time.monotonic() - begin)
        self.results.append(figure("creates, 50 sessions", rate, "/s", "median %.0f ms, max %.0f ms, %.1f ms of "
                                   "processors each" % (statistics.median(took), max(took),
                                                        (self.quire.cpu_ms() - worked) / count)))
        self.results.append(figure("memory of a database, first", (self.quire.memory_kb() - before) / count,
                                   "KB", "%d of %d are open" % (self.open_count(), count)))
        self.login()
        root = self.send("GET", "/subscriptions" + VERSION)[0]["value"][0]["id"]
        at = root + "/resourceGroups/myResourceGroup/providers/Microsoft.Sql/servers/server01/databases"
        assert len(self.list(at)[0]) == count + 1
        for what, act in (("list of %d" % count, lambda: self.list(at)[1]),
                          ("show", lambda: self.send("GET", at + "/d7" + VERSION)[1])):
            worked = self.quire.cpu_ms()
            self.results.append(figure(what, self.median(act), "ms", "%.1f ms of processors" % (
                (self.quire.cpu_ms() - worked) / TIMES)))
        alone = []
        with self.quire.connect("master", timeout=600) as connection:
            connection.cursor().execute("DROP DATABASE d0")
        for i in range(5):
            self.make(0, 1, alone)
            with self.quire.connect("master", timeout=600) as connection:
                connection.cursor().execute("DROP DATABASE d0")
        self.results.append(figure("create among %d" % count, statistics.median(alone), "ms",
                                   "a sync of the disk %.2f ms" % sync_ms(self.quire.dir)))
        begin = time.monotonic()
        while self.open_count() > count // 100 and time.monotonic() - begin < CLOSED_S:
            time.sleep(1)
        self.results.append(figure("memory of a database, later", (self.quire.memory_kb() - before) / count,
                                   "KB", "%d are open %.0f s later" % (self.open_count(),
                                                                       time.monotonic() - begin)))


class Tiers:
    """The load generator inserts rows one by one, each its own commit."""
    DATABASES = (("General Purpose", "g", "EDITION = 'GeneralPurpose'"),
                 ("Business Critical", "b", "EDITION = 'BusinessCritical'"),
                 ("Hyperscale", "h", "EDITION = 'Hyperscale'"))

    def __init__(self, quire, options):
        self.quire, self.options, self.results = quire, options, []

    def run(self, database, clients):
        done = subprocess.run([os.path.join(self.options.build, "bench", "load"), *self.quire.args(database),
                               "--workload", "insert", "--seconds", str(self.options.seconds),
                               "--clients", str(clients)], stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout)

    def wait_complete(self):
        """Until three secondaries have all that is acknowledged: a commit waits for them from then on."""
        with self.quire.connect("b") as connection:
            cursor, synchronous = connection.cursor(), 0
            while synchronous < 4:
                cursor.execute("SELECT COUNT(*) FROM sys.dm_database_replica_states WHERE is_commit_participant = 1 "
                               "AND synchronization_state_desc = 'SYNCHRONIZED'")
                synchronous = cursor.fetchone()[0]
                time.sleep(0.05)

    def measure(self):
        with self.quire.connect("master") as master:
            for _, name, tier in self.DATABASES:
                master.cursor().execute("CREATE DATABASE %s (%s)" % (name, tier))
        for _, name, _ in self.DATABASES:
            with self.quire.connect(name) as connection:
                connection.cursor().execute("CREATE TABLE bench_insert (id int IDENTITY(1,1) PRIMARY KEY, "
                                            "a int NOT NULL, b varchar(100) NOT NULL)")
        self.wait_complete()
        for clients in (1, 16):
            runs = {name: [] for _, name, _ in self.DATABASES}
            for _ in range(min(self.options.rounds, 5)):
                for _, name, _ in self.DATABASES:
                    runs[name].append(self.run(name, clients))
            rate = {name: statistics.median(r["per_second"] for r in rows) for name, rows in runs.items()}
            for what, name, _ in self.DATABASES:
                late = statistics.median(r["p50_us"] for r in runs[name])
                self.results.append(figure(
                    "%s, %d client%s" % (what, clients, "s" if clients > 1 else ""), rate[name], "/s",
                    "median %d us, %.2f of General Purpose" % (late, rate[name] / rate["g"])))


def sync_ms(directory):
    """The median of writing 4 KB and syncing them."""
    path, times = os.path.join(directory, "sync"), []
    with open(path, "wb", buffering=0) as f:
        for _ in range(100):
            begin = time.monotonic()
            f.write(bytes(4096))
            os.fdatasync(f.fileno())
            times.append((time.monotonic() - begin) * 1000)
    os.unlink(path)
    return statistics.median(times)


def figure(name, value, unit, note, target=None):
    met = "" if target is None else "  target %g %s  %s" % (
        target, unit, "met" if value <= target else "NOT MET")
    print("%-32s %8.1f %-4s %s%s" % (name, value, unit, note, met), flush=True)
    return {"name": name, "value": round(value, 2), "unit": unit, "note": note, "target": target}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", default="build")
    p.add_argument("--only", default="scale,registry,tiers")
    p.add_argument("--sizes", default="100,8000", type=lambda s: [int(n) for n in s.split(",")])
    p.add_argument("--rounds", type=int, default=20)
    p.add_argument("--databases", type=int, default=4990)
    p.add_argument("--seconds", type=int, default=5, help="of a run of tiers")
    p.add_argument("--dir", help="where the server keeps its data [a new temporary directory]")
    options = p.parse_args()
    options.build = os.path.abspath(options.build)
    root = tempfile.mkdtemp(prefix="quire-bench-", dir=options.dir)
    quire, results = Quire(options.build, root), []
    try:
        for name, part in (("scale", Scale), ("registry", Registry), ("tiers", Tiers)):
            if name in options.only.split(","):
                bench = part(quire, options)
                bench.results = results
                bench.measure()
    finally:
        quire.close()
        shutil.rmtree(root, ignore_errors=True)
    with open(os.path.join(options.build, "bench", "control.jsonl"), "w", encoding="utf-8") as f:
        f.writelines(json.dumps(result) + "\n" for result in results)


main()
