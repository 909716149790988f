#!/usr/bin/env python3
"""Benchmarks beside PostgreSQL 15, in the same run with the same load generator.

  bench/run.py --build build [--runs 5] [--seconds 5] [--only tpcb,insert,...] [--rows 1000000]

Runs alternate between the two servers; each figure is the median of its runs, so what else the
machine does hits both. Prints a table; writes one JSON line a figure to BUILD/bench/results.jsonl:
name, value, unit, peer value, ratio, target. Needs Debian's postgresql-15 (installed if root).
"""
import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time

from figures import Figures
from servers import Postgres, Quire

TPCB_TARGET, INSERT_TARGET, POINT_TARGET, STREAM_TARGET, BULK_TARGET = 3.0, 2.0, 1.2, 1.0, 1.0

class Bench(Figures):
    def start_time(self):
        times = []
        for _ in range(self.options.runs):
            self.quire.close()
            self.quire.start()
            times.append(self.quire.ready_ms)
        self.add("start to ready", statistics.median(times), "ms", None, "< 300")

    def idle_memory(self):
        """The slope between two numbers of connections, each of which has run a SELECT. A fresh
        process: what earlier work has freed would be used again and hide the growth."""
        few, more = 50, 200
        self.quire.close()
        self.quire.start()
        held, sizes = [], []
        for n in (few, more):
            held.append(subprocess.Popen(
                [self.load, *self.quire.args(), "--workload", "idle", "--clients", str(n)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            held[-1].stdout.readline()
            time.sleep(0.5)  # the last worker puts its request's memory back
            sizes.append(self.quire.memory_kb())
        self.add("memory per idle connection", (sizes[1] - sizes[0]) / more, "KB", None, "< 200")
        for process in held:
            process.stdin.close()
            process.wait()

    def all(self):
        self.prepare()
        only = set(filter(None, (self.options.only or "").split(",")))
        figures = [
            ("tpcb", lambda: self.pair("TPC-B, one message", "tpcb", TPCB_TARGET)),
            ("tpcb_step", lambda: self.pair("TPC-B beside pgbench's form", "tpcb", None,
                                            peer_workload="tpcb_step")),
            ("insert", lambda: self.pair("single-row insert", "insert", INSERT_TARGET)),
            ("point", lambda: self.pair("point SELECT by key", "point", POINT_TARGET)),
            ("point_text", lambda: self.pair("point SELECT, ad-hoc text", "point_text", None)),
            ("stream", lambda: self.pair("stream rows of 6 columns", "stream", STREAM_TARGET)),
            ("bulk", lambda: self.pair("bulk load beside COPY", "bulk", BULK_TARGET,
                                       reset="TRUNCATE TABLE bench_bulk\nGO\n")),
            ("start", self.start_time),
            ("idle", self.idle_memory),
        ]
        for name, figure in figures:
            if not only or name in only:
                figure()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", default="build")
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--seconds", type=int, default=5)
    p.add_argument("--clients", type=int, default=16)
    p.add_argument("--scale", type=int, default=16)
    p.add_argument("--rows", type=int, default=1000000)
    p.add_argument("--only")
    p.add_argument("--dir", help="where the servers keep their data [a new temporary directory]")
    options = p.parse_args()
    options.build = os.path.abspath(options.build)
    root = tempfile.mkdtemp(prefix="quire-bench-", dir=options.dir)
    bench = Bench(options, Postgres(root), Quire(options.build, root))
    try:
        bench.all()
    finally:
        bench.close()
        bench.write("results.jsonl")
        shutil.rmtree(root, ignore_errors=True)


main()
