#!/usr/bin/env python3
"""Benchmarks beside PostgreSQL 15, in the same run with the same load generator.

  bench/run.py --build build [--runs 5] [--seconds 5] [--only tpcb,insert,...] [--rows 1000000]

Runs alternate between the two servers; each figure is the median of its runs, so what else the
machine does hits both. Prints a table; writes one JSON line a figure to BUILD/bench/results.jsonl:
name, value, unit, peer value, ratio, target. Needs Debian's postgresql-15 (installed if root).
"""
import argparse
import json
import os
import pwd
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

PG_BIN = "/usr/lib/postgresql/15/bin"
TPCB_TARGET, INSERT_TARGET, POINT_TARGET, STREAM_TARGET, BULK_TARGET = 3.0, 2.0, 1.2, 1.0, 1.0


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Postgres:
    """A cluster of our own with default, safe settings, on loopback, without TLS."""

    def __init__(self, root):
        if not os.path.exists(PG_BIN + "/postgres"):
            subprocess.run(["apt-get", "install", "-y", "-q", "postgresql-15"], check=True,
                           stdout=subprocess.DEVNULL)
        self.dir, self.port = os.path.join(root, "pg"), free_port()
        user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        self.user = "postgres" if user else pwd.getpwuid(os.geteuid()).pw_name
        os.mkdir(self.dir)
        if user:
            os.chown(self.dir, user.pw_uid, user.pw_gid)
            os.chmod(root, 0o755)
        self.prefix = ["runuser", "-u", "postgres", "--"] if user else []
        subprocess.run(self.prefix + [PG_BIN + "/initdb", "-D", self.dir, "-A", "trust", "-U",
                                      self.user], check=True, stdout=subprocess.DEVNULL, cwd="/")
        self.ctl("start", "-w", "-l", os.path.join(self.dir, "log"), "-o",
                 "-p %d -c listen_addresses=127.0.0.1 -c unix_socket_directories=%s"
                 % (self.port, self.dir))

    def ctl(self, *args):
        subprocess.run(self.prefix + [PG_BIN + "/pg_ctl", "-D", self.dir, *args], check=True,
                       stdout=subprocess.DEVNULL, cwd="/")

    def args(self):
        return ["--target", "pg", "--port", str(self.port), "--user", self.user, "--database",
                "postgres"]

    def close(self):
        self.ctl("stop", "-m", "fast")


class Quire:
    def __init__(self, build, root):
        self.binary, self.dir = os.path.join(build, "quired"), os.path.join(root, "quire")
        self.password = "Bench-Pw-1234567"
        self.password_file = os.path.join(root, "password")
        with open(self.password_file, "w", encoding="utf-8") as f:
            f.write(self.password + "\n")
        os.chmod(self.password_file, 0o600)
        self.start()

    def start(self):
        begin = time.monotonic()
        self.process = subprocess.Popen(
            [self.binary, "--data-dir", self.dir, "--tds-port", "0", "--https-port", "0",
             "--admin-password-file", self.password_file, "--allow-plaintext-login"],
            stdout=subprocess.PIPE, stderr=open(self.dir + ".log", "ab"), text=True)
        line = self.process.stdout.readline()
        if not line.startswith("quired ready"):
            sys.exit("quired did not start: see %s.log" % self.dir)
        self.ready_ms = (time.monotonic() - begin) * 1000
        self.port = int(line.split("tds=")[1].split()[0].rsplit(":", 1)[1])

    def args(self, database="bench"):
        return ["--target", "quire", "--port", str(self.port), "--user", "quireadmin",
                "--password", self.password, "--database", database]

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=30)

    def memory_kb(self):
        """What the process has for itself; pages shared with others count in part."""
        with open("/proc/%d/smaps_rollup" % self.process.pid, encoding="ascii") as f:
            return int(next(l for l in f if l.startswith("Pss:")).split()[1])


TABLES = """CREATE TABLE branches (bid int NOT NULL PRIMARY KEY, bbalance int NOT NULL, filler char(88))
GO
CREATE TABLE tellers (tid int NOT NULL PRIMARY KEY, bid int NOT NULL, tbalance int NOT NULL, filler char(84))
GO
CREATE TABLE accounts (aid int NOT NULL PRIMARY KEY, bid int NOT NULL, abalance int NOT NULL, filler char(84))
GO
CREATE TABLE history (tid int, bid int, aid int, delta int, mtime {stamp}, filler char(22))
GO
CREATE TABLE bench_insert (id {identity} PRIMARY KEY, a int NOT NULL, b varchar(100) NOT NULL)
GO
CREATE TABLE bench_stream (a int NOT NULL, b bigint NOT NULL, c decimal(12,2) NOT NULL, d varchar(64) NOT NULL, e int NOT NULL, f float NOT NULL)
GO
CREATE TABLE bench_bulk (a int NOT NULL, b bigint NOT NULL, c decimal(12,2) NOT NULL, d varchar(64) NOT NULL, e int NOT NULL, f float NOT NULL)
GO
"""
FILL = """INSERT INTO branches SELECT n, 0, '' FROM ({series_branches}) s
GO
INSERT INTO tellers SELECT n, (n - 1) / 10 + 1, 0, '' FROM ({series_tellers}) s
GO
INSERT INTO accounts SELECT n, (n - 1) / 100000 + 1, 0, '' FROM ({series_accounts}) s
GO
INSERT INTO bench_stream SELECT n, n * 7, n % 10000 + 0.25, 'name of row ' || CAST(n AS varchar(12)), n % 1000, n / 3.0 FROM ({series_stream}) s
GO
"""


def sql_for(pg, scale, rows):
    def series(n):
        if pg:
            return "SELECT generate_series AS n FROM generate_series(1, %d)" % n
        return "SELECT CAST(value AS int) AS n FROM GENERATE_SERIES(1, %d)" % n
    text = TABLES.format(stamp="timestamp" if pg else "datetime2",
                         identity="serial" if pg else "int IDENTITY(1,1)")
    text += FILL.format(series_branches=series(scale), series_tellers=series(scale * 10),
                        series_accounts=series(scale * 100000), series_stream=series(rows))
    return text if pg else text.replace("||", "+")


class Bench:
    def __init__(self, options, root):
        self.load = os.path.join(options.build, "bench", "load")
        self.options, self.results = options, []
        self.pg, self.quire = Postgres(root), Quire(options.build, root)

    def run(self, args, workload, text=None):
        o = self.options
        command = [self.load, *args, "--workload", workload, "--scale", str(o.scale), "--seconds",
                   str(o.seconds), "--clients", str(o.clients), "--rows", str(o.rows)]
        done = subprocess.run(command, input=text, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError("failed: " + " ".join(command))
        return json.loads(done.stdout) if done.stdout.strip() else None

    def prepare(self):
        self.run(self.quire.args("master"), "init", "CREATE DATABASE bench\nGO\n")
        self.run(self.quire.args(), "init", sql_for(False, self.options.scale, self.options.rows))
        self.run(self.pg.args(), "init", sql_for(True, self.options.scale, self.options.rows) +
                 "VACUUM ANALYZE\nGO\n")

    def add(self, name, value, unit, peer, target, higher=True):
        ratio = None if peer is None else (value / peer if higher else peer / value)
        self.results.append({"name": name, "value": round(value, 1), "unit": unit,
                             "peer": None if peer is None else round(peer, 1),
                             "ratio": None if ratio is None else round(ratio, 2), "target": target})
        r = self.results[-1]
        print("%-34s %12.1f %-12s %12s  ratio %-6s target %s" %
              (name, value, unit, "-" if peer is None else "%.1f" % peer,
               "-" if ratio is None else "%.2f" % ratio, target if target is not None else "-"),
              flush=True)
        return r

    def pair(self, name, workload, target, peer_workload=None, reset=None):
        mine, theirs = [], []
        for _ in range(self.options.runs):
            if reset:
                self.run(self.quire.args(), "init", reset)
            mine.append(self.run(self.quire.args(), workload))
            if reset:
                self.run(self.pg.args(), "init", reset)
            theirs.append(self.run(self.pg.args(), peer_workload or workload))
        def median(rows, key):
            return statistics.median(r[key] for r in rows)
        r = self.add(name, median(mine, "per_second"), "/s", median(theirs, "per_second"), target)
        if "p50_us" in mine[0]:
            for key in ("p50_us", "p95_us", "p99_us"):
                r[key], r["peer_" + key] = median(mine, key), median(theirs, key)
            print("%34s quire p50/p95/p99 %d/%d/%d us, PostgreSQL %d/%d/%d us" % (
                "", r["p50_us"], r["p95_us"], r["p99_us"], r["peer_p50_us"], r["peer_p95_us"],
                r["peer_p99_us"]), flush=True)

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

    def close(self):
        for server in (self.quire, self.pg):
            server.close()


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
    bench = Bench(options, root)
    try:
        bench.all()
    finally:
        bench.close()
        out = os.path.join(options.build, "bench", "results.jsonl")
        os.makedirs(os.path.dirname(out), exist_ok=True)
        with open(out, "w", encoding="utf-8") as f:
            for r in bench.results:
                f.write(json.dumps(r) + "\n")
        shutil.rmtree(root, ignore_errors=True)


main()
