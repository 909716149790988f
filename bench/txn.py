#!/usr/bin/env python3
"""Interactive transactions beside PostgreSQL 15, in the same run with the same load generator.

  bench/txn.py --build build [--runs 3] [--seconds 5] [--sessions 1,8,32,128] [--only tpcb,tpcc,hot,...]

tpcb, tpcc: BEGIN, five statements, COMMIT, each its own round trip, 1 ms of thought before each statement
but the first; every key anywhere. hot: the same mixes, every key with 10 % probability one of 16. scaling: of tpcb, from
the fewest sessions to 32. select: the 99th percentile of a point SELECT beside 32 such writers, and in
quiet. rollback: of an UPDATE of --big rows. commit: what COMMIT costs by changed rows, when nobody else has
committed meanwhile and when somebody has (the best of ten).
The bound of a load is what the pauses alone, as long as they were, let through.
Runs alternate; figures are medians. Targets are those of PostgreSQL's ratio unless they say otherwise. On a
machine that others use too, look at the processor time that a transaction costs each server.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time

import servers  # noqa: F401, it knows where pymssql is
import pymssql

from figures import Figures
from servers import Postgres, Quire

HOT_PERCENT, COMMIT_ROWS = 10, (1, 10, 100, 1000, 10000)
TABLES = """CREATE TABLE txn_account (id int NOT NULL PRIMARY KEY, balance int NOT NULL, filler char(84) NOT NULL)
GO
CREATE TABLE txn_teller (id int NOT NULL PRIMARY KEY, balance int NOT NULL, filler char(84) NOT NULL)
GO
CREATE TABLE txn_branch (id int NOT NULL PRIMARY KEY, balance int NOT NULL, orders int NOT NULL, filler char(84) NOT NULL)
GO
CREATE TABLE txn_history (tid int NOT NULL, bid int NOT NULL, aid int NOT NULL, delta int NOT NULL)
GO
CREATE TABLE txn_order (id int NOT NULL PRIMARY KEY, district int NOT NULL, customer int NOT NULL)
GO
CREATE TABLE txn_line (id int NOT NULL, item int NOT NULL, amount int NOT NULL, PRIMARY KEY (id, item))
GO
CREATE TABLE txn_big (id int NOT NULL PRIMARY KEY, v int NOT NULL, filler char(40) NOT NULL)
GO
CREATE TABLE txn_other (id int NOT NULL PRIMARY KEY, v int NOT NULL)
GO
INSERT INTO txn_account SELECT n, 0, 'account' FROM ({accounts}) s
GO
INSERT INTO txn_teller SELECT n, 0, 'teller' FROM ({tellers}) s
GO
INSERT INTO txn_branch SELECT n, 0, 0, 'branch' FROM ({branches}) s
GO
INSERT INTO txn_big SELECT n, 0, 'big' FROM ({big}) s
GO
INSERT INTO txn_other VALUES (1, 0)
GO
"""


def tables(pg, rows, big):
    def series(n):
        if pg:
            return f"SELECT generate_series AS n FROM generate_series(1, {n})"
        return f"SELECT CAST(value AS int) AS n FROM GENERATE_SERIES(1, {n})"
    return TABLES.format(accounts=series(rows), tellers=series(rows // 10),
                         branches=series(rows // 100), big=series(big))


class Txn(Figures):
    def prepare(self):
        o = self.options
        self.run(self.quire.args("master"), "init", "CREATE DATABASE bench\nGO\n")
        self.run(self.quire.args(), "init", tables(False, o.rows, o.big) +
                 "CREATE TABLE accounts (aid int NOT NULL PRIMARY KEY, abalance int NOT NULL)\nGO\n"
                 "INSERT accounts SELECT CAST(value AS int), 0 FROM GENERATE_SERIES(1, 100000)\nGO\n")
        self.run(self.pg.args(), "init", tables(True, o.rows, o.big) +
                 "CREATE TABLE accounts (aid int NOT NULL PRIMARY KEY, abalance int NOT NULL)\nGO\n"
                 "INSERT INTO accounts SELECT generate_series, 0 FROM generate_series(1, 100000)\nGO\n"
                 "VACUUM ANALYZE\nGO\n")

    def command(self, args, mix, sessions, hot, seconds):
        return [os.path.join(self.options.build, "bench", "txn"), *args, "--mix", mix, "--clients",
                str(sessions), "--hot", str(hot), "--seconds", str(seconds), "--rows", str(self.options.rows)]

    def load_once(self, server, mix, sessions, hot):
        before = server.cpu_ms()
        done = subprocess.run(self.command(server.args(), mix, sessions, hot, self.options.seconds),
                              stdout=subprocess.PIPE, text=True, check=True)
        figures = json.loads(done.stdout)
        figures["cpu_us"] = (server.cpu_ms() - before) * 1000 / max(figures["committed"], 1)
        answers_us = figures["begin_us"] + 5 * figures["statement_us"] + figures["commit_us"]
        pauses_us = 1e6 * sessions / figures["per_second"] - answers_us
        figures["bound"] = 1e6 * sessions / pauses_us
        return figures

    def mix(self, mix, hot):
        for sessions in self.options.sessions:
            mine, theirs = [], []
            for _ in range(self.options.runs):
                mine.append(self.load_once(self.quire, mix, sessions, hot))
                theirs.append(self.load_once(self.pg, mix, sessions, hot))

            def median(rows, key):
                return statistics.median(r[key] for r in rows)
            target = None if sessions < 32 else ">= 1.0" if hot else ">= 1.5"
            r = self.add(f"{mix}{', 10 % hot' if hot else ''}, {sessions} sessions",
                         median(mine, "per_second"), "/s", median(theirs, "per_second"), target)
            given_up = [sum(x["given_up"] for x in rows) / max(sum(x["committed"] for x in rows), 1)
                        for rows in (mine, theirs)]
            for key in ("p50_us", "p99_us"):
                r[key], r["peer_" + key] = median(mine, key), median(theirs, key)
            print(f"{'':34s} p50/p99 {r['p50_us']:.0f}/{r['p99_us']:.0f} us, PostgreSQL "
                  f"{r['peer_p50_us']:.0f}/{r['peer_p99_us']:.0f}; given up {given_up[0]:.1%}, "
                  f"{given_up[1]:.1%}", flush=True)
            self.add("  processor time of the server", median(mine, "cpu_us"), "us each",
                     median(theirs, "cpu_us"), None, higher=False)
            self.add("  if every answer took no time", median(mine, "bound"), "/s", r["peer"], None)
            self.rates[mix, hot, sessions] = (r["value"], r["peer"])

    def scaling(self):
        spread = {s: rates for (mix, hot, s), rates in self.rates.items() if mix == "tpcb" and not hot}
        if spread and 32 in spread and min(spread) < 32:
            few = min(spread)
            self.add(f"tpcb from {few} to 32 sessions", spread[32][0] / spread[few][0], "times",
                     spread[32][1] / spread[few][1], ">= 20 times")

    def select(self):
        """A point SELECT by key, one client, without and with writers beside it."""
        figures, floors = {}, {}
        for name, args in (("quire", self.quire.args()), ("pg", self.pg.args())):
            times, echoes = {"quiet": [], "beside": []}, {"quiet": [], "beside": []}
            for _ in range(self.options.runs):
                for state in times:
                    writers = subprocess.Popen(self.command(args, "tpcb", 32, 0, 2 * self.options.seconds + 3),
                                               stdout=subprocess.DEVNULL) if state == "beside" else None
                    if writers:
                        time.sleep(1)
                    point = self.point(args)
                    times[state].append(point)
                    echoes[state].append(self.echo())
                    if writers:
                        writers.wait()
            figures[name] = {state: statistics.median(r["p99_us"] for r in rows)
                             for state, rows in times.items()}
            floors[name] = {state: statistics.median(rows) for state, rows in echoes.items()}
        mine, theirs = figures["quire"], figures["pg"]
        self.add("point SELECT p99, quiet", mine["quiet"], "us", theirs["quiet"], None, higher=False)
        self.add("point SELECT p99 beside 32 writers", mine["beside"], "us", theirs["beside"], None,
                 higher=False)
        self.add("  beside / quiet", mine["beside"] / mine["quiet"], "times",
                 theirs["beside"] / theirs["quiet"], "<= 2 times", higher=False)
        mine, theirs = floors["quire"], floors["pg"]
        self.add("a byte and back p99, quiet", mine["quiet"], "us", theirs["quiet"], None, higher=False)
        self.add("a byte and back p99 beside them", mine["beside"], "us", theirs["beside"], None, higher=False)

    def echo(self):
        """What the machine adds to any answer, beside the same writers."""
        done = subprocess.run([os.path.join(self.options.build, "bench", "echo"), "--seconds",
                               str(self.options.seconds)], stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout)["p99_us"]

    def point(self, args):
        o = self.options
        done = subprocess.run([self.load, *args, "--workload", "point", "--scale", "1", "--seconds",
                               str(o.seconds), "--clients", "1"], stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout)

    def rollback(self):
        times = []
        with self.quire.connect("bench") as connection:
            cursor = connection.cursor()
            for _ in range(self.options.runs):
                cursor.execute("BEGIN TRAN")
                begun = time.monotonic()
                cursor.execute("UPDATE txn_big SET v = v + 1")
                updated = time.monotonic()
                cursor.execute("ROLLBACK")
                times.append((time.monotonic() - updated, updated - begun))
            cursor.execute("SELECT SUM(v) FROM txn_big")
            if cursor.fetchone()[0] != 0:
                raise RuntimeError("the rollback has left something")
        self.add(f"rollback of {self.options.big} updated rows", statistics.median(t for t, _ in times) * 1000,
                 "ms", None, "< 50 ms")
        self.add("  their UPDATE", statistics.median(u for _, u in times) * 1000, "ms", None, None)

    def commit_once(self, cursor, other, rows):
        cursor.execute("BEGIN TRAN")
        cursor.execute(f"UPDATE txn_big SET v = v + 1 WHERE id <= {rows}")
        if other is not None:
            other.execute("SET LOCK_TIMEOUT 1000; UPDATE txn_other SET v = v + 1")
        begun = time.monotonic()
        cursor.execute("COMMIT")
        return (time.monotonic() - begun) * 1e6

    def commit(self):
        """COMMIT of n changed rows; the second form has to apply them anew (deferred mode)."""
        with self.quire.connect("bench") as mine, self.quire.connect("bench") as other:
            for name, between in (("alone", None), ("after another's", other.cursor())):
                costs = {}
                try:
                    for rows in COMMIT_ROWS:
                        times = [self.commit_once(mine.cursor(), between, rows) for _ in range(10)]
                        costs[rows] = min(times)  # the rest is the disk
                        self.add(f"COMMIT of {rows} rows, {name}", costs[rows], "us", None, None)
                except pymssql.Error as error:
                    print(f"COMMIT of {rows} rows, {name}: {error}", flush=True)
                    mine.cursor().execute("IF @@TRANCOUNT > 0 ROLLBACK")
                    continue
                few, many = COMMIT_ROWS[0], COMMIT_ROWS[-1]
                self.add(f"  a further row, {name}", (costs[many] - costs[few]) / (many - few), "us/row", None, None)

    def all(self):
        self.rates = {}
        self.prepare()
        figures = [("tpcb", lambda: self.mix("tpcb", 0)), ("scaling", self.scaling),
                   ("tpcc", lambda: self.mix("tpcc", 0)),
                   ("hot", lambda: (self.mix("tpcb", HOT_PERCENT), self.mix("tpcc", HOT_PERCENT))),
                   ("select", self.select), ("rollback", self.rollback), ("commit", self.commit)]
        only = set(filter(None, (self.options.only or "").split(",")))
        for name, figure in figures:
            if not only or name in only:
                figure()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build")
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--seconds", type=int, default=5)
    p.add_argument("--sessions", type=lambda text: [int(n) for n in text.split(",")], default=[1, 8, 32, 128])
    p.add_argument("--rows", type=int, default=200000, help="accounts; a tenth of tellers, a hundredth of branches")
    p.add_argument("--big", type=int, default=1000000)
    p.add_argument("--only")
    p.add_argument("--dir", help="where the servers keep their data [a new temporary directory]")
    options = p.parse_args()
    options.build = os.path.abspath(options.build)
    options.scale, options.clients = 1, 1
    root = tempfile.mkdtemp(prefix="quire-bench-", dir=options.dir)
    bench = Txn(options, Postgres(root, settings="-c max_connections=200"), Quire(options.build, root))
    try:
        bench.all()
    finally:
        bench.close()
        bench.write("txn.jsonl")
        shutil.rmtree(root, ignore_errors=True)


main()
