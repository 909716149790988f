#!/usr/bin/env python3
"""Limits: what they cost, and whether they hold.

  bench/govern.py --build build [--runs 5] [--seconds 10] [--only overhead,cpu,neighbour,io,log,io_neighbour,log_neighbour]

overhead   point selects with governance on and off, in turn: requests per second, and the processor time of each
cpu        a database of GP_Gen5_2 with a fifth of a processor, asked for 0.5, 1, 2 and 10 times as much: what it got by
           the machine's count, and how long SELECT 1 took another session meanwhile and after
neighbour  two databases of one node, of which one asks for ten times its limit: p99 of point selects in the other,
           beside its quiet figure
io, log    a database asked for 0.5, 1, 2 and 10 times the reads of its disk, or the log, that its objective allows, in
           General Purpose and in Hyperscale; the other two: neighbour for these

Writes BUILD/bench/govern.jsonl.
"""
import argparse
import csv
import os
import shutil
import statistics
import tempfile
import threading
import time

from figures import Figures, sql_for
from govern_rates import LOG_ROWS, READ_ROWS, Rates, read_pages, write_log
from servers import Quire

SPIN = "DECLARE @i int = 0; WHILE @i < %d SET @i += 1"
VCORE = 0.1
LIMIT = 2 * VCORE
MIB = 1 << 20  # what the limits count in


class Load:
    """Sessions that together ask for so many processors."""

    def __init__(self, quire, database, cores, loops_per_s):
        self.over, self.threads = False, []
        count = max(1, int(cores / 0.1 + 0.5)) if cores <= LIMIT else max(4, int(cores / LIMIT * 2))
        burst = 0.02  # seconds of CPU time in a statement
        pause = burst * count / cores
        for _ in range(count):
            thread = threading.Thread(target=self.run, args=(
                quire.connect(database), SPIN % int(loops_per_s * burst), pause if cores <= LIMIT else 0))
            self.threads.append(thread)
            thread.start()

    def run(self, connection, sql, pause):
        cursor, due = connection.cursor(), time.monotonic()
        while not self.over:
            cursor.execute(sql)
            due += pause
            if pause:
                time.sleep(max(0, due - time.monotonic()))
        connection.close()

    def end(self):
        self.over = True
        for thread in self.threads:
            thread.join()


def limits(objective):
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "slo.csv"), encoding="utf-8") as f:
        row = next(r for r in csv.DictReader(f) if r["service_objective"] == objective)
    return {name: float(row[name]) for name in ("data_iops", "log_rate_mbps")}


def latencies(connection, seconds, count_min=200):
    cursor, took, end = connection.cursor(), [], time.monotonic() + seconds
    while time.monotonic() < end or len(took) < count_min:
        begin = time.monotonic()
        cursor.execute("SELECT 1")
        cursor.fetchall()
        took.append((time.monotonic() - begin) * 1000)
        time.sleep(0.002)
    return sorted(took)


class Govern(Figures, Rates):
    def __init__(self, options, root):
        super().__init__(options, None, None)
        self.root = root

    def server(self, name, *options):
        root = os.path.join(self.root, name)
        os.mkdir(root)
        return Quire(self.options.build, root, options)

    def node_ms(self, quire):
        """Processor time of the process that runs the databases."""
        pid = next(pid for pid, args in quire.processes() if "shared" in args)
        with open("/proc/%d/stat" % pid, encoding="ascii") as f:
            return sum(map(int, f.read().rpartition(") ")[2].split()[11:13])) * 1000 / os.sysconf("SC_CLK_TCK")

    def overhead(self):
        sides = {"off": self.server("off", "--governance", "off"), "on": self.server("on", "--vcore-cpu", "1")}
        rates, costs = {"on": [], "off": []}, {"on": [], "off": []}
        for quire in sides.values():
            self.run(quire.args("master"), "init", "CREATE DATABASE bench\nGO\n")
            self.run(quire.args(), "init", sql_for(False, self.options.scale, 1000))
        for _ in range(self.options.runs):
            for side, quire in sides.items():
                before = self.node_ms(quire)
                rate = self.run(quire.args(), "point")["per_second"]
                rates[side].append(rate)
                costs[side].append((self.node_ms(quire) - before) * 1000 / (rate * self.options.seconds))
        for quire in sides.values():
            quire.close()
        median = {side: statistics.median(values) for side, values in rates.items()}
        self.add("point selects with governance", median["on"], "1/s", median["off"], "> 0.97")
        median = {side: statistics.median(values) for side, values in costs.items()}
        self.add("processor time of each", median["on"], "us", median["off"], "> 0.97", higher=False)

    def loops_per_s(self, quire):
        """Of a session that has no limit."""
        with quire.connect("master") as connection:
            begin = time.monotonic()
            connection.cursor().execute(SPIN % 200000)
            return 200000 / (time.monotonic() - begin)

    def cpu(self):
        quire = self.server("cpu", "--vcore-cpu", str(VCORE), "--workers", "16")
        loops = self.loops_per_s(quire)
        quire.connect("master").cursor().execute("CREATE DATABASE db (SERVICE_OBJECTIVE = 'GP_Gen5_2')")
        watcher = quire.connect("db")
        for times in (0.5, 1, 2, 10):
            load = Load(quire, "db", LIMIT * times, loops)
            time.sleep(1)
            before, begin, took = self.node_ms(quire), time.monotonic(), []
            thread = threading.Thread(target=lambda: took.extend(latencies(watcher, self.options.seconds)))
            thread.start()
            time.sleep(self.options.seconds)
            used = (self.node_ms(quire) - before) / 1000 / (time.monotonic() - begin)
            thread.join()
            load.end()
            self.add("CPU asked for %4.1f times" % times, used * 1000, "ms/s", LIMIT * 1000, "~ 1.00" if times > 1 else None)
            self.add("  p99 of SELECT 1", sorted(took)[len(took) * 99 // 100], "ms", None, "< 50")
            begin = time.monotonic()
            while latencies(watcher, 0, 20)[10] > 5:
                pass
            self.add("  back to normal after", time.monotonic() - begin, "s", None, "< 5")
        quire.close()

    def neighbour(self):
        quire = self.server("two", "--vcore-cpu", str(VCORE), "--workers", "16")
        loops = self.loops_per_s(quire)
        for name in ("busy", "calm"):
            quire.connect("master").cursor().execute("CREATE DATABASE %s" % name)
        self.run(quire.args("calm"), "init", sql_for(False, self.options.scale, 1000))
        self.options.clients = 1  # of a process of its own: this one is busy with the load
        ratios, loaded = [], []
        for _ in range(self.options.runs):
            quiet = self.run(quire.args("calm"), "point")["p99_us"]
            load = Load(quire, "busy", 10 * LIMIT, loops)
            time.sleep(0.5)
            took = self.run(quire.args("calm"), "point")["p99_us"]
            load.end()
            loaded.append(took / 1000)
            ratios.append(took / quiet)
        self.add("p99 beside a busy neighbour", statistics.median(loaded), "ms", None, None)
        self.add("  to its quiet figure", statistics.median(ratios), "times", None, "< 1.5")
        quire.close()

    def io(self):
        quire = self.server("io", "--vcore-cpu", "1", "--cache-mib", "8", "--rbpex-percent", "5000")
        for objective, loaded_as in (("HS_Gen5_2", "HS_Gen5_2"), ("GP_Gen5_2", "GP_Gen5_24")):
            self.opened(quire, objective, loaded_as, objective).close()
            self.reads(quire, objective, objective, limits(objective)["data_iops"], latencies)
        quire.close()

    def log(self):
        quire = self.server("log", "--vcore-cpu", "1")
        for objective in ("GP_Gen5_2", "GP_Gen5_8", "HS_Gen5_2"):
            self.opened(quire, objective, objective, objective, pages=0).close()
            self.log_of(quire, objective, objective, limits(objective)["log_rate_mbps"] * MIB, latencies)
        quire.close()

    def pair_of(self, name, *options):
        """Two databases of one node; the second has the tables of the load generator."""
        quire = self.server(name, "--vcore-cpu", "1", *options)
        quire.connect("master").cursor().execute("CREATE DATABASE calm (SERVICE_OBJECTIVE = 'GP_Gen5_2')")
        self.run(quire.args("calm"), "init", sql_for(False, self.options.scale, 1000))
        self.options.clients = 1
        return quire

    def io_neighbour(self):
        quire = self.pair_of("two-io", "--cache-mib", "32")
        self.opened(quire, "busy", "GP_Gen5_24", "GP_Gen5_2").close()
        limit = limits("GP_Gen5_2")["data_iops"]
        self.beside(quire, "busy", "calm", read_pages, 10 * limit / READ_ROWS, "point", "a point select beside a flood of reads")
        quire.close()

    def log_neighbour(self):
        quire = self.pair_of("two-log")
        self.opened(quire, "busy", "GP_Gen5_2", "GP_Gen5_2", pages=0).close()
        per_s = 10 * limits("GP_Gen5_2")["log_rate_mbps"] * MIB / (LOG_ROWS * 4000)
        self.beside(quire, "busy", "calm", write_log, per_s, "point", "a point select beside a flood of log")
        self.beside(quire, "busy", "calm", write_log, per_s, "insert", "a commit beside a flood of log")
        quire.close()

    def all(self):
        for name in self.options.only.split(","):
            getattr(self, name)()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build")
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--seconds", type=int, default=10)
    p.add_argument("--clients", type=int, default=4)
    p.add_argument("--scale", type=int, default=1)
    p.add_argument("--rows", type=int, default=1000)
    p.add_argument("--only", default="overhead,cpu,neighbour")
    options = p.parse_args()
    options.build = os.path.abspath(options.build)
    root = tempfile.mkdtemp(prefix="quire-bench-")
    bench = Govern(options, root)
    try:
        bench.all()
    finally:
        bench.write("govern.jsonl")
        shutil.rmtree(root, ignore_errors=True)


main()
