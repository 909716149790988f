#!/usr/bin/env python3
"""Benchmarks of the Hyperscale tier, each beside a peer or a physical limit of the same run.

  bench/hyper.py --build build [--runs 5] [--seconds 5] [--only tpcb,insert,log,failover,pages,cache]

tpcb, insert: beside PostgreSQL 15 whose commits wait for a synchronous standby on this machine.
log: MB/s of log of inserts of wide rows by two sessions beside synced sequential writes to the same
disk, over --log-seconds, and of a bulk load of narrow ones, which the processor bounds; what the log
service and the page server wrote for it, and the processor time of a byte in each role: that is what
bounds the rate on few cores, and it means the same on a busy machine. It is told as of 30 s, of the
end, and with what was put off. --landing-zone-mib is the server's option.
failover: from kill -9 of the loaded primary to the next successful commit, beside PostgreSQL's
crash recovery from as much dirty data.
pages: log into a page server, and GetPage over a socket, cold and warm.
cache: reads of a working set of 0.5 to 4 times the cache, with RBPEX beside without.
"""
import argparse
import mmap
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.append("/usr/lib/python3/dist-packages")
import pymssql

from figures import Figures
from servers import Postgres, Quire

MB = 1 << 20


def disk_rate(directory, seconds=4.0):
    """MB/s of sequential synced writes over a file that exists, the best of a few block sizes."""
    rates = []
    for size in (256 << 10, MB, 4 * MB):
        path = os.path.join(directory, "disk")
        total = 256 * MB
        with open(path, "wb") as f:
            f.write(bytes(total))
            os.fsync(f.fileno())
        block = mmap.mmap(-1, size)
        block.write(os.urandom(size))
        fd = os.open(path, os.O_WRONLY | os.O_DSYNC)
        begin, done = time.monotonic(), 0
        while time.monotonic() - begin < seconds / 3:
            os.pwrite(fd, block, done % total)
            done += size
        rates.append(done / MB / (time.monotonic() - begin))
        os.close(fd)
        os.unlink(path)
    return max(rates)


def written_bytes(pid):
    """What the process has caused to be written to disks."""
    with open("/proc/%d/io" % pid, encoding="ascii") as f:
        return int(next(l for l in f if l.startswith("write_bytes")).split()[1])


class Hyper(Figures):
    edition = " (EDITION = 'Hyperscale', SERVICE_OBJECTIVE = 'HS_Gen5_2')"

    def connect(self, database="bench"):
        return pymssql.connect(server="127.0.0.1", port=str(self.quire.port), user="quireadmin",
                               password=self.quire.password, database=database, autocommit=True,
                               login_timeout=10)

    def role(self, role, name=""):
        """The pid of the child with this role whose --name begins so."""
        for pid, args in self.quire.processes():
            named = args[args.index("--name") + 1] if "--name" in args else ""
            if role in args and named.startswith(name):
                return pid
        raise RuntimeError("no process of role " + role)

    def roles(self):
        return {role: self.role(role) for role in ("log", "page")}

    def settled_io(self):
        """What the roles have written, once they have nothing more to write behind the load."""
        before, deadline = None, time.monotonic() + 180
        while time.monotonic() < deadline:
            now = {role: written_bytes(pid) for role, pid in self.roles().items()}
            if before and all(now[role] - before[role] < MB for role in now):
                break
            before = now
            time.sleep(5)
        return now

    def log_bytes(self, cursor):
        cursor.execute("SELECT num_of_bytes_written FROM sys.dm_io_virtual_file_stats(DB_ID(), 2)")
        return cursor.fetchone()[0]

    def processor_seconds(self):
        """Of the roles so far."""
        seconds = {}
        for pid, args in self.quire.processes():
            role = args[args.index("--role") + 1] if "--role" in args else "supervisor"
            with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            ticks = int(fields[11]) + int(fields[12])
            seconds[role] = seconds.get(role, 0) + ticks / os.sysconf("SC_CLK_TCK")
        return seconds

    def keep_copying(self, until):
        """While one session's commit becomes durable the other's rows are inserted."""
        with self.connect() as connection:
            cursor = connection.cursor()
            while time.monotonic() < until:
                cursor.execute("INSERT wide SELECT a, b FROM noise")

    def copy_for(self, cursor, seconds):
        """(seconds, bytes of log since the start, processor time by role), twice a second."""
        first, begin, marks = self.log_bytes(cursor), time.monotonic(), []
        sessions = [threading.Thread(target=self.keep_copying, args=(begin + seconds,))
                    for _ in range(2)]
        for thread in sessions:
            thread.start()
        while any(thread.is_alive() for thread in sessions):
            sessions[0].join(0.5)
            marks.append((time.monotonic() - begin, self.log_bytes(cursor) - first,
                          self.processor_seconds()))
        return marks

    def add_processor(self, when, before, after, total):
        for role in sorted(after):
            self.add("processor, %s%s" % (role, when),
                     (after[role] - before.get(role, 0)) * 1e9 / total, "ns/byte", None, None)

    def log_rate(self):
        o = self.options
        disk = disk_rate(o.dir or tempfile.gettempdir())
        with self.connect() as connection:
            cursor = connection.cursor()
            first, begin = self.log_bytes(cursor), time.monotonic()
            self.run(self.quire.args(), "bulk")
            narrow = (self.log_bytes(cursor) - first) / MB / (time.monotonic() - begin)
            # rows that do not compress, made before the clock runs
            cursor.execute("CREATE TABLE noise (a int, b varbinary(4000))")
            cursor.execute("INSERT noise SELECT value, CRYPT_GEN_RANDOM(4000) "
                           "FROM GENERATE_SERIES(1, 5000)")
            cursor.execute("CREATE TABLE wide (a int, b varbinary(4000))")
            begin_io, begin_processor = self.settled_io(), self.processor_seconds()
            marks = self.copy_for(cursor, o.log_seconds)
        seconds, total, processor = marks[-1]
        early = [m for m in marks if m[0] <= 30.0] or marks[:1]
        self.add("log of a bulk load, narrow rows", narrow, "MB/s", disk, None)
        self.add("log of wide rows, first 30 s", early[-1][1] / MB / early[-1][0], "MB/s", disk,
                 ">= 0.60 of disk")
        self.add("log of wide rows, sustained", total / MB / seconds, "MB/s", disk,
                 ">= 0.20 of disk")
        self.add("beside the tier's promise", total / MB / seconds, "MB/s", 100.0, None)
        self.add("processors have for 0.60 of disk", os.cpu_count() * 1e9 / (0.6 * disk * MB), "ns/byte", None, None)
        self.add_processor(", first 30 s", begin_processor, early[-1][2], early[-1][1])
        self.add_processor("", begin_processor, processor, total)
        settled = self.settled_io()
        self.add_processor(", all done", begin_processor, self.processor_seconds(), total)
        for word, wrote in settled.items():
            self.add("written by the %s role" % word, (wrote - begin_io[word]) / total, "x of log",
                     None, None)
        self.run(self.quire.args(), "init",
                 "TRUNCATE TABLE bench_bulk\nGO\nDROP TABLE wide\nGO\nDROP TABLE noise\nGO\n")

    def dirty(self, megabytes):
        """Log of about that much, not yet in layers or checkpoints."""
        rows = megabytes * 1024
        make = """DROP TABLE IF EXISTS dirty
GO
CREATE TABLE dirty (id int NOT NULL PRIMARY KEY, pad char(980) NOT NULL)
GO
INSERT INTO dirty SELECT n, 'x' FROM (%s) s
GO
"""
        series = "SELECT CAST(value AS int) AS n FROM GENERATE_SERIES(1, %d)" % rows
        pg_series = "SELECT generate_series AS n FROM generate_series(1, %d)" % rows
        self.run(self.quire.args(), "init", make % series)
        self.run(self.pg.args(), "init", make % pg_series)

    def keep_inserting(self, ended):
        """Load beside the kill: connections that are lost are made anew."""
        while not ended.is_set():
            try:
                with self.connect() as connection:
                    cursor = connection.cursor()
                    while not ended.is_set():
                        cursor.execute("INSERT bench_insert (a, b) VALUES (1, 'load')")
            except pymssql.Error:
                time.sleep(0.001)

    def commit_after_kill(self, pid):
        begin = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        while True:
            try:
                with self.connect() as connection:
                    connection.cursor().execute("INSERT bench_insert (a, b) VALUES (2, 'after')")
                return (time.monotonic() - begin) * 1000
            except pymssql.Error:
                if time.monotonic() - begin > 120:
                    raise
                time.sleep(0.001)

    def pg_recovery(self):
        self.pg.kill()
        begin = time.monotonic()
        self.pg.start()
        self.pg.sql("INSERT INTO bench_insert (a, b) VALUES (2, 'after')")
        return (time.monotonic() - begin) * 1000

    def failover(self):
        mine, theirs = [], []
        for _ in range(self.options.runs):
            self.dirty(self.options.dirty_mb)
            ended = threading.Event()
            load = [threading.Thread(target=self.keep_inserting, args=(ended,)) for _ in range(4)]
            for thread in load:
                thread.start()
            time.sleep(0.5)
            mine.append(self.commit_after_kill(self.role("compute", "hs-")))
            ended.set()
            for thread in load:
                thread.join()
            theirs.append(self.pg_recovery())
        self.add("kill -9 of the primary to commit", statistics.median(mine), "ms",
                 statistics.median(theirs), "<= 1000", higher=False)
        print("%34s all: %s ms; PostgreSQL %s ms" % (
            "", " ".join("%d" % t for t in mine), " ".join("%d" % t for t in theirs)), flush=True)

    def cache(self):
        """What pages on the compute node's own disk are worth; see bench/rbpex.c."""
        directory = tempfile.mkdtemp(prefix="quire-bench-rbpex-", dir=self.options.dir)
        done = subprocess.run([os.path.join(self.options.build, "bench", "rbpex"), directory],
                              stdout=subprocess.PIPE, text=True, check=True)
        shutil.rmtree(directory, ignore_errors=True)
        print(done.stdout, flush=True)
        for line in done.stdout.splitlines():
            words = line.split()
            if len(words) == 8 and words[7].endswith("x"):
                r = self.add("random reads, set %s x cache" % words[0], float(words[3]), "/s",
                             float(words[1]), None)
                r["hits_percent"] = {"memory": words[4], "rbpex": words[5], "both": words[6]}

    def pages(self):
        """A page server alone: see bench/pages.c."""
        directory = tempfile.mkdtemp(prefix="quire-bench-pages-", dir=self.options.dir)
        done = subprocess.run([os.path.join(self.options.build, "bench", "pages"), directory],
                              stdout=subprocess.PIPE, text=True, check=True)
        shutil.rmtree(directory, ignore_errors=True)
        for line in done.stdout.splitlines():
            name, rest = line[:36].strip(), line[36:].split()
            if name.startswith("GetPage"):
                r = self.add(name, float(rest[0]), "us p50", None, None)
                r["p95_us"], r["p99_us"] = float(rest[1]), float(rest[2])
            elif name.startswith("ingest"):
                self.add("page server, log taken in", float(rest[0]), "MB/s", 100.0, ">= 200 MB/s")
            else:
                self.add(name, float(rest[0]), "x", None, None)

    def all(self):
        self.prepare()
        only = set(filter(None, (self.options.only or "").split(",")))
        figures = [
            ("tpcb", lambda: self.pair("TPC-B, one message", "tpcb", 2.0)),
            ("insert", lambda: self.pair("single-row insert", "insert", 2.0)),
            ("log", self.log_rate),
            ("failover", self.failover),
            ("pages", self.pages),
            ("cache", self.cache),
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
    p.add_argument("--log-seconds", type=int, default=90)
    p.add_argument("--landing-zone-mib", type=int, default=0)
    p.add_argument("--dirty-mb", type=int, default=1024)
    p.add_argument("--only")
    p.add_argument("--dir", help="where the servers keep their data [a new temporary directory]")
    options = p.parse_args()
    options.build = os.path.abspath(options.build)
    root = tempfile.mkdtemp(prefix="quire-bench-", dir=options.dir)
    settings = "-c max_wal_size=64GB -c checkpoint_timeout=1h"  # what is dirty stays so
    bench = Hyper(options, Postgres(root, standby=True, settings=settings),
                  Quire(options.build, root,
                        ("--governance", "off", "--landing-zone-mib",
                         str(options.landing_zone_mib))))
    try:
        bench.all()
    finally:
        bench.close()
        bench.write("hyper.jsonl")
        shutil.rmtree(root, ignore_errors=True)


main()
