"""Tables, load and figures of the benchmarks. A figure is a median of runs that alternate between the servers."""
import json
import os
import statistics
import subprocess

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


class Figures:
    """Runs the load generator against both servers and keeps the figures."""
    edition = ""  # of CREATE DATABASE

    def __init__(self, options, pg, quire):
        self.load = os.path.join(options.build, "bench", "load")
        self.options, self.results = options, []
        self.pg, self.quire = pg, quire

    def run(self, args, workload, text=None):
        o = self.options
        command = [self.load, *args, "--workload", workload, "--scale", str(o.scale), "--seconds",
                   str(o.seconds), "--clients", str(o.clients), "--rows", str(o.rows)]
        done = subprocess.run(command, input=text, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError("failed: " + " ".join(command))
        return json.loads(done.stdout) if done.stdout.strip() else None

    def prepare(self):
        self.run(self.quire.args("master"), "init", "CREATE DATABASE bench%s\nGO\n" % self.edition)
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

    def close(self):
        for server in (self.quire, self.pg):
            server.close()

    def write(self, name):
        out = os.path.join(self.options.build, "bench", name)
        os.makedirs(os.path.dirname(out), exist_ok=True)
        with open(out, "w", encoding="utf-8") as f:
            for r in self.results:
                f.write(json.dumps(r) + "\n")
