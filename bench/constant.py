#!/usr/bin/env python3
"""Constant time: copies, restores and named replicas of databases of different sizes.

  bench/constant.py --build build [--sizes 100,1000,8000] [--rounds 10]

For each size (MB of rows that do not compress) it makes a copy, a restore to a point in time and a
named replica, --rounds times in turn over the sizes, and takes the time until the statement or the
command has ended and until the first query on the new database has answered. The figure of each is
the difference between the slowest and the fastest size's median. Writes BUILD/bench/constant.jsonl.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.append("/usr/lib/python3/dist-packages")
import pymssql

from servers import Quire

HYPERSCALE = "(EDITION = 'Hyperscale', SERVICE_OBJECTIVE = 'HS_Gen5_2')"


class Constant:
    def __init__(self, options, root):
        self.options, self.root = options, root
        self.quire = Quire(options.build, root)
        self.master = self.quire.connect("master")
        self.times = {}

    def load(self, size):
        name = "size_%d" % size
        self.master.cursor().execute("CREATE DATABASE %s %s" % (name, HYPERSCALE))
        with self.quire.connect(name) as connection:
            cursor = connection.cursor()
            cursor.execute("CREATE TABLE small (a int)")
            cursor.execute("INSERT small VALUES (1)")
            self.quire.fill(cursor, size)
        return name

    def first_query(self, name):
        while True:
            try:
                with self.quire.connect(name) as connection:
                    cursor = connection.cursor()
                    cursor.execute("SELECT a FROM small")
                    return cursor.fetchone()[0]
            except pymssql.Error:
                time.sleep(0.001)

    def measure(self, what, size, make, new):
        begin = time.monotonic()
        make()
        made = time.monotonic() - begin
        assert self.first_query(new) == 1
        queried = time.monotonic() - begin
        for step, took in ((what, made), (what + " to first query", queried)):
            self.times.setdefault(step, {}).setdefault(size, []).append(took * 1000)
        self.drop(new)

    def drop(self, name):
        """The session of the query may not have ended yet."""
        for _ in range(1000):
            try:
                return self.master.cursor().execute("DROP DATABASE " + name)
            except pymssql.Error as e:
                if e.args[0] != 3702:
                    raise
                time.sleep(0.01)
        raise RuntimeError("%s is still in use" % name)

    def restore(self, name, new, moment):
        subprocess.run([os.path.join(self.options.build, "quire"), "db", "restore", "--data-dir",
                        self.quire.dir, "--name", name, "--dest-name", new, "--time", moment],
                       check=True, stdout=subprocess.DEVNULL)

    def all(self):
        names = {size: self.load(size) for size in self.options.sizes}
        time.sleep(2)
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 1))
        execute = self.master.cursor().execute
        for i in range(self.options.rounds):
            for size, name in names.items():
                self.measure("copy", size, lambda: execute(
                    "CREATE DATABASE c%d AS COPY OF %s" % (i, name)), "c%d" % i)
                self.measure("restore", size, lambda: self.restore(name, "r%d" % i, moment),
                             "r%d" % i)
                self.measure("named replica", size, lambda: execute(
                    "ALTER DATABASE %s ADD SECONDARY ON SERVER server01 WITH (SERVICE_OBJECTIVE = "
                    "'HS_Gen5_2', SECONDARY_TYPE = Named, DATABASE_NAME = n%d)" % (name, i)),
                             "n%d" % i)

    def write(self):
        out = os.path.join(self.options.build, "bench", "constant.jsonl")
        with open(out, "w", encoding="utf-8") as f:
            for what, by_size in self.times.items():
                medians = {size: statistics.median(times) for size, times in by_size.items()}
                low, high = min(medians.values()), max(medians.values())
                ok = high - low <= max(0.2 * high, 50.0) and high < 2000
                print("%-30s %s ms  spread %.0f ms  %s" % (
                    what, "  ".join("%d MB: %.0f" % m for m in medians.items()), high - low,
                    "constant" if ok else "NOT CONSTANT"), flush=True)
                f.write(json.dumps({"name": what, "unit": "ms", "medians": medians,
                                    "value": round(high, 1), "target": "spread <= max(20 %, 50 ms), "
                                    "under 2000"}) + "\n")

    def close(self):
        self.master.close()
        self.quire.close()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", default="build")
    p.add_argument("--sizes", default="100,1000,8000", type=lambda s: [int(n) for n in s.split(",")])
    p.add_argument("--rounds", type=int, default=10)
    p.add_argument("--dir", help="where the server keeps its data [a new temporary directory]")
    options = p.parse_args()
    options.build = os.path.abspath(options.build)
    root = tempfile.mkdtemp(prefix="quire-bench-", dir=options.dir)
    bench = Constant(options, root)
    try:
        bench.all()
        bench.write()
    finally:
        bench.close()
        shutil.rmtree(root, ignore_errors=True)


main()
