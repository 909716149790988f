#!/usr/bin/env python3
"""Benchmarks of the control plane.

  bench/control.py --build build [--only scale,registry,tiers] [--sizes 100,8000] [--rounds 20]
                   [--databases 4990] [--seconds 5]

scale: a Hyperscale database under load goes between HS_Gen5_2 and HS_Gen5_8, --rounds times, at each
size (MB of rows that do not compress): from the request to completed, and the longest time between two
commits of one client around it. Azure's own words for it are 2 minutes and 12 seconds.
registry: --databases databases (density.py), all but 500 (or one half) made by 50 sessions at once, these by 50
operations at once over the management API, which holds its clients to a number of requests a minute; what the first one's client sees of it; how long lists and a show take, with
the processor time that all processes had for it; the 5,001st; logins to one that is closed or open; memory of
one that is cold, open and active (all processes, over their number); a start of the service with all of them.
tiers: what a commit costs in Business Critical, where three more processes sync it first, and in Hyperscale,
against General Purpose: single-row inserts of one client and of 16, in turns, --rounds times.
Writes BUILD/bench/control.jsonl.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.append("/usr/lib/python3/dist-packages")
import pymssql

from density import Density
from servers import Quire

WRITERS = 4


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
    options.build, options.figure = os.path.abspath(options.build), figure
    root = tempfile.mkdtemp(prefix="quire-bench-", dir=options.dir)
    quire, results = Quire(options.build, root), []
    try:
        for name, part in (("scale", Scale), ("registry", Density), ("tiers", Tiers)):
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
