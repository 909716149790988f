#!/usr/bin/env python3
"""A database moves from General Purpose to Hyperscale and back while it is written.

  bench/move.py --build build [--size 2000] [--clients 16] [--rounds 10] [--seconds 5]

--size MB of rows that do not compress, --clients that insert numbered rows as fast as they can. Each
round goes there and back. Per direction three figures: MB/s from the request to its end, against `cp` and
sync of the same file under the same load in the same round (target: 40 %, median of the rounds); commits a
second while it moves against those before (60 %, median); and the gap at the cutover, which is the longest
time between two commits that any of the clients saw in that move (median and maximum of the rounds). A line
a move tells how it goes. At the end a checker reads all rows: every one that was acknowledged is there, none
twice, none that nobody sent. Writes BUILD/bench/move.jsonl.
"""
import argparse
import glob
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

from servers import Quire

ROW_BYTES = 4000
WAYS = (("to Hyperscale", "EDITION = 'Hyperscale', SERVICE_OBJECTIVE = 'HS_Gen5_2'"),
        ("to General Purpose", "EDITION = 'GeneralPurpose', SERVICE_OBJECTIVE = 'GP_Gen5_2'"))


class Writer(threading.Thread):
    """Never repeats a row whose outcome it does not know."""

    def __init__(self, bench, no):
        super().__init__(daemon=True)
        self.bench, self.no = bench, no
        self.sent, self.acknowledged, self.times = 0, set(), []

    def run(self):
        connection = None
        while not self.bench.stop.is_set():
            try:
                connection = connection or self.bench.connect("d")
                self.sent += 1
                connection.cursor().execute("INSERT writes VALUES (%d, %d, REPLICATE('w', 200))"
                                            % (self.no, self.sent))
                self.acknowledged.add(self.sent)
                self.times.append(time.monotonic())
            except pymssql.Error:
                connection = None


class Bench:
    def __init__(self, quire, options):
        self.quire, self.options = quire, options
        self.stop = threading.Event()
        self.master = self.connect("master")
        self.values = {}

    def connect(self, database):
        return pymssql.connect(server="127.0.0.1", port=str(self.quire.port), user="quireadmin",
                               password=self.quire.password, database=database, autocommit=True,
                               login_timeout=60)

    def load(self):
        self.master.cursor().execute("CREATE DATABASE d (MAXSIZE = 1024 GB)")
        with self.connect("d") as connection:
            cursor = connection.cursor()
            cursor.execute("CREATE TABLE writes (writer int, n int, s varchar(200)); "
                           "CREATE INDEX i ON writes (writer, n)")
            cursor.execute("CREATE TABLE wide (a int, b varbinary(%d))" % ROW_BYTES)
            left = self.options.size * 1000 * 1000 // ROW_BYTES
            while left > 0:
                rows = min(left, 5000)
                cursor.execute("INSERT wide SELECT value, CRYPT_GEN_RANDOM(%d) "
                               "FROM GENERATE_SERIES(1, %d)" % (ROW_BYTES, rows))
                left -= rows
        self.writers = [Writer(self, no) for no in range(self.options.clients)]
        for writer in self.writers:
            writer.start()

    def commits(self, begin, end):
        return sum(sum(begin <= t < end for t in list(w.times)) for w in self.writers) / (end - begin)

    def data_file(self):
        """The largest: master's is small, and others have gone."""
        files = glob.glob(os.path.join(self.quire.dir, "databases", "*", "data"))
        return max(files, key=os.path.getsize)

    def copy_rate(self, source):
        target = source + ".copy"
        begin = time.monotonic()
        subprocess.run(["cp", source, target], check=True)
        subprocess.run(["sync", target], check=True)
        took = time.monotonic() - begin
        rate = os.path.getsize(target) / 1e6 / took
        os.unlink(target)
        return rate

    def status(self):
        cursor = self.master.cursor()
        cursor.execute("SELECT TOP 1 state_desc, percent_complete FROM sys.dm_operation_status WHERE "
                       "major_resource_id = 'd' ORDER BY start_time DESC")
        return cursor.fetchone()

    def move(self, way, wish, size_mb):
        before = time.monotonic()
        time.sleep(self.options.seconds)
        begin, percent, cut = time.monotonic(), 0, None
        self.master.cursor().execute("ALTER DATABASE d MODIFY (%s)" % wish)
        while True:
            state, now = self.status()
            assert now >= percent, "the percent fell"
            percent = now
            if cut is None and percent >= 80:
                cut = time.monotonic()
            if state not in ("PENDING", "IN_PROGRESS"):
                break
            time.sleep(0.005)
        end = time.monotonic()
        assert state == "COMPLETED", state
        time.sleep(1)
        gaps = []
        for writer in self.writers:
            times = [t for t in list(writer.times) if t > begin - 1]
            gaps.append(max((b - a for a, b in zip(times, times[1:])), default=end - begin) * 1000)
        rate, kept = size_mb / (end - begin), self.commits(begin, cut or end) / self.commits(before, begin)
        print("%-20s %6.1f s  %6.1f MB/s, %3.0f %% of cp  commits %3.0f %% of %5.0f/s  gap %5.0f ms" % (
            way, end - begin, rate, 100 * rate / self.values["cp and sync, MB/s"][-1], 100 * kept,
            self.commits(before, begin), max(gaps)), flush=True)
        self.note(way + ", gap", max(gaps))
        self.note(way + ", MB/s", rate)
        self.note(way + ", of cp", rate / self.values["cp and sync, MB/s"][-1])
        self.note(way + ", commits while it moves", kept)
        self.note("commits a second before", self.commits(before, begin))

    def note(self, what, value):
        self.values.setdefault(what, []).append(value)

    def measure(self):
        for _ in range(self.options.rounds):
            source = self.data_file()
            size_mb = os.path.getsize(source) / 1e6
            self.note("cp and sync, MB/s", self.copy_rate(source))
            for way, wish in WAYS:
                self.move(way, wish, size_mb)
        self.stop.set()
        for writer in self.writers:
            writer.join()

    def check(self):
        acknowledged = 0
        with self.connect("d") as connection:
            for writer in self.writers:
                cursor = connection.cursor()
                cursor.execute("SELECT n FROM writes WHERE writer = %d" % writer.no)
                rows = [row[0] for row in cursor]
                there = set(rows)
                assert len(rows) == len(there), "a row is there twice"
                assert writer.acknowledged <= there, "an acknowledged row is missing"
                assert all(1 <= n <= writer.sent for n in there), "a row that nobody sent"
                acknowledged += len(writer.acknowledged)
        print("checked: %d acknowledged rows are there, each once" % acknowledged)

    def figures(self):
        median = {what: statistics.median(values) for what, values in self.values.items()}
        copied = median["cp and sync, MB/s"]
        rows = [("cp and sync", copied, "MB/s", "", None),
                ("commits before", median["commits a second before"], "1/s", "", None)]
        for way, _ in WAYS:
            of_copy, kept = median[way + ", of cp"], median[way + ", commits while it moves"]
            gaps = self.values[way + ", gap"]
            rows += [(way + ", rate", median[way + ", MB/s"], "MB/s", "%.0f %% of cp" % (100 * of_copy),
                      of_copy >= 0.4),
                     (way + ", commits meanwhile", 100 * kept, "% of before", "", kept >= 0.6),
                     (way + ", gap at the cutover", statistics.median(gaps), "ms",
                      "max of %d: %.0f" % (len(gaps), max(gaps)), None)]
        return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--size", type=int, default=2000, help="MB")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=5, help="of load between two moves")
    options = parser.parse_args()
    os.makedirs(os.path.join(options.build, "bench"), exist_ok=True)
    root = tempfile.mkdtemp(prefix="quire-bench-move-", dir=os.environ.get("TMPDIR", "/tmp"))
    quire = Quire(os.path.abspath(options.build), root)
    try:
        bench = Bench(quire, options)
        bench.load()
        bench.measure()
        bench.check()
    finally:
        quire.close()
        shutil.rmtree(root, ignore_errors=True)
    path = os.path.join(options.build, "bench", "move.jsonl")
    with open(path, "w", encoding="utf-8") as file:
        for name, value, unit, more, good in bench.figures():
            print("%-44s %10.1f %-12s %-16s %s" % (name, value, unit, more,
                                                   "" if good is None else "ok" if good else "MISSED"))
            file.write(json.dumps({"name": name, "value": value, "unit": unit, "more": more,
                                   "size_mb": options.size, "good": good}) + "\n")


if __name__ == "__main__":
    main()
