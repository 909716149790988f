#!/usr/bin/env python3
"""A Hyperscale database gets another size under `quire stress`: in place, or in new processes with its sessions.

  bench/relocate.py --build build-rel [--only PART,...] [--rounds 20] [--seconds 2] [--clients 32] [--size 100]

new-node      --rounds relocations between HS_Gen5_2 and HS_Gen5_8, --seconds apart, --clients clients that each read and
              write rows of their own: gap = the longest time that any client wanted a good iteration and had none
in-place      the same without new processes; the gaps beside those of a run without any operation
warm          what is done in the second behind the switch, of what was done in the one before the operation, by clients
              that read --warm-size MB at random: with warming, and with it switched off
transactions  8 clients, always inside transactions of 50 ms
idle          the same, and one client that began a transaction and says no more
postgres      PostgreSQL 15 restarted with other limits as often, under the same statements (bench/servers.py installs it);
              its clients connect again 10 ms after each failure

Writes BUILD/bench/relocate.jsonl. Needs python3-pymssql; for postgres libpq5.
"""
import argparse
import csv
import ctypes
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from servers import Postgres, Quire

READ = "SELECT COUNT(*) FROM wide WHERE a BETWEEN $(random) % 1000 AND $(random) % 1000 + 5"
WARM_READ = "SELECT MAX(DATALENGTH(b)) FROM wide WHERE a = $(random) % 10000"
WRITE = "INSERT writes (client, iteration) VALUES ($(client), $(iteration))"
MIXED, WARM = ("%s\nGO\n%s\nGO\n" % (read, WRITE) for read in (READ, WARM_READ))
TRANSACTIONS = "BEGIN TRAN; %s\nGO\nWAITFOR DELAY '00:00:00.050'; COMMIT\nGO\n" % WRITE
NEW_NODE_MS, IN_PLACE_MS, WARM_PART = 250, 20, 0.9  # targets


class Stress:
    def __init__(self, quire, options, root, seconds, script, clients):
        self.timeline = os.path.join(root, "timeline.csv")
        path = os.path.join(root, "script.sql")
        with open(path, "w", encoding="utf-8") as file:
            file.write(script)
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [os.path.join(options.build, "quire"), "stress", "-S", "localhost,%d" % quire.port, "-U", "quireadmin",
             "-d", "h", "--ca", os.path.join(quire.dir, "tls", "cert.pem"), "-i", path, "--threads", str(clients),
             "--duration", str(seconds), "--timeline", self.timeline, "-o", "json"],
            env={**os.environ, "QUIRE_PASSWORD": quire.password, "QUIRE_HOME": root}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def end(self):
        out, errors = self.process.communicate(timeout=600)
        told = json.loads(out) if out else sys.exit(errors)
        with open(self.timeline, encoding="utf-8") as file:
            return told, list(csv.DictReader(file))


class Place:
    """A server with a database of so many MB."""

    def __init__(self, options, size, *server_options):
        self.options = options
        self.root = tempfile.mkdtemp(prefix="quire-bench-", dir=options.dir)
        self.quire = Quire(options.build, self.root, ("--governance", "off", *server_options))
        self.master = self.quire.connect("master").cursor()
        self.master.execute("CREATE DATABASE h (EDITION = 'Hyperscale', SERVICE_OBJECTIVE = 'HS_Gen5_2')")
        with self.quire.connect("h") as connection:
            cursor = connection.cursor()
            cursor.execute("CREATE TABLE writes (id bigint IDENTITY PRIMARY KEY, client int, iteration int,"
                           " at datetime2(6) DEFAULT SYSUTCDATETIME())")
            self.quire.fill(cursor, size)
            cursor.execute("CREATE INDEX ix ON wide (a)")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.quire.close()
        shutil.rmtree(self.root, ignore_errors=True)

    def stress(self, seconds, script, clients):
        return Stress(self.quire, self.options, self.root, seconds, script, clients)

    def scale(self, turn, relocate=True):
        """Milliseconds to completed."""
        begin = time.monotonic()
        self.master.execute("ALTER DATABASE h MODIFY (SERVICE_OBJECTIVE = 'HS_Gen5_%d'%s)"
                            % ((8, 2)[turn % 2], ", RELOCATE = ON" if relocate else ""))
        while True:
            self.master.execute("SELECT TOP 1 state_desc FROM sys.dm_operation_status WHERE major_resource_id = 'h'"
                                " ORDER BY start_time DESC")
            state = self.master.fetchone()[0]
            if state not in ("PENDING", "IN_PROGRESS"):
                assert state == "COMPLETED", state
                return (time.monotonic() - begin) * 1000
            time.sleep(0.005)

    def ask(self, sql):
        with self.quire.connect("h") as connection:
            cursor = connection.cursor()
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def written(self):
        """Rows, and how many of them differ."""
        return self.ask("SELECT COUNT(*), COUNT(DISTINCT CAST(client AS bigint) * 1000000000 + iteration) FROM writes")[0]


def gaps_of(rows, times, seconds):
    """The longest gap that ended in the seconds behind each of the times."""
    found = []
    for at in times:
        near = [float(row["gap_ms"]) for row in rows if at < float(row["time"]) <= at + max(1.6, seconds - 0.4)]
        found.append(max(near, default=0))
    return found


def judge(what, value, good):
    print("%-78s %s%s" % (what, value, "" if good is None else "  ok" if good else "  MISSED"), flush=True)


def rounds_of(began, options, act):
    """act(turn) every --seconds; when each began, and what it returned."""
    times, results = [], []
    for turn in range(options.rounds):
        time.sleep(max(0, began + (turn + 1) * options.seconds - time.monotonic()))
        times.append(time.monotonic() - began)
        results.append(act(turn))
    return times, results


def scales(options, name, script, clients, relocate):
    seconds = (options.rounds + 2) * options.seconds
    with Place(options, options.size) as place:
        control = place.stress(seconds, script, clients)
        _, rows = control.end()
        base = gaps_of(rows, [(i + 1) * options.seconds for i in range(options.rounds)], options.seconds)
        place.ask("TRUNCATE TABLE writes")
        stress = place.stress(seconds, script, clients)
        times, took = rounds_of(stress.began, options, lambda turn: place.scale(turn, relocate))
        told, rows = stress.end()
        gaps = gaps_of(rows, times, options.seconds)
        written, distinct = place.written()
    median, without = statistics.median(gaps), statistics.median(base)
    errors, again = told.get("errors"), told.get("reconnects")
    print("%s, %d clients: asked to completed, ms: median %.0f, max %.0f; iterations %d" %
          (name, clients, statistics.median(took), max(took), told["iterations"]))
    judge("%s: errors, connections opened again" % name, "%s, %s" % (errors, again), errors == 0 and again == 0)
    judge("%s: rows, different rows" % name, "%d, %d" % (written, distinct),
          written == distinct == told["iterations"])
    gap = "%s: longest gap of a client, ms: median, max; without any operation" % name
    good = None if script == TRANSACTIONS else \
        median <= NEW_NODE_MS if relocate else median - without <= IN_PLACE_MS
    judge(gap, "%.0f, %.0f; %.0f, %.0f" % (median, max(gaps), without, max(base)), good)
    return {"clients": clients, "gaps_ms": gaps, "took_ms": took, "base_gaps_ms": base, "errors": errors,
            "reconnects": again, "iterations": told["iterations"], "rows": written}


def new_node(options):
    return scales(options, "new node", MIXED, options.clients, True)


def in_place(options):
    return scales(options, "in place", MIXED, options.clients, False)


def transactions(options):
    return scales(options, "transactions of 50 ms", TRANSACTIONS, 8, True)


def idle(options):
    with Place(options, options.size) as place:
        stress = place.stress(14, TRANSACTIONS, 8)
        with place.quire.connect("h") as connection:
            cursor = connection.cursor()
            cursor.execute("BEGIN TRAN; INSERT writes (client, iteration) VALUES (-1, -1)")
            time.sleep(2)
            took, ended = place.scale(0), ""
            try:
                cursor.execute("INSERT writes (client, iteration) VALUES (-1, -2)")
            except Exception as error:  # pylint: disable=broad-except
                ended = str(error)
            cursor.execute("SELECT @@TRANCOUNT, (SELECT COUNT(*) FROM writes WHERE client = -1)")
            left = cursor.fetchone()
        told, rows = stress.end()
    gap = max(float(row["gap_ms"]) for row in rows)
    judge("idle: errors of the others, connections opened again; longest gap, ms",
          "%s, %s; %.0f" % (told["errors"], told["reconnects"], gap), told["errors"] == 0 == told["reconnects"])
    judge("idle: its transaction is over with 40197, its connection goes on; asked to completed, ms",
          "%s; %.0f" % (left == (0, 0) and "40197" in ended, took), left == (0, 0) and "40197" in ended)
    return {"errors": told["errors"], "reconnects": told["reconnects"], "gap_ms": gap, "took_ms": took}


# ---- warm ----

def share_after_switch(times, begun, over):
    """Of the rows a second before the operation how many came in the second behind its longest pause."""
    before = sum(begun - 1 <= at < begun for at in times)
    near = [at for at in times if begun <= at <= over + 1]
    pauses = [(b - a, b) for a, b in zip(near, near[1:])]
    switch = max(pauses)[1]
    return before, sum(switch <= at < switch + 1 for at in times)


def warm_run(options, *server_options):
    shares, seconds = [], options.warm_rounds * options.warm_seconds + 4
    with Place(options, options.warm_size, *server_options) as place:
        place.ask("SELECT MAX(DATALENGTH(b)) FROM wide")
        place.ask("SELECT MAX(DATALENGTH(b)) FROM wide")
        stress, spans = place.stress(seconds, WARM, options.clients), []
        for turn in range(options.warm_rounds):
            time.sleep(max(0, stress.began + 3 + turn * options.warm_seconds - time.monotonic()))
            begun = time.time()
            place.scale(turn)
            spans.append((begun, time.time()))
        told, _ = stress.end()
        times = [float(row[0]) / 1e6 for row in
                 place.ask("SELECT DATEDIFF_BIG(microsecond, '1970-01-01', at) FROM writes ORDER BY at")]
    for begun, over in spans:
        before, after = share_after_switch(times, begun, over)
        shares.append(after / before)
    return {"shares": shares, "took_ms": [(b - a) * 1000 for a, b in spans], "errors": told["errors"],
            "per_second": told["iterationsPerSecond"]}


def warm(options):
    cache = ("--cache-mib", str(options.warm_size * 2))
    results = {}
    for name, more in (("warmed", ()), ("not warmed", ("--warm-up-seconds", "0"))):
        results[name] = run = warm_run(options, *cache, *more)
        share = statistics.median(run["shares"])
        judge("warm, %d MB read at random, %s: of the iterations in a second before" % (options.warm_size, name),
              "%.2f (%s); operation %.0f ms" % (share, " ".join("%.2f" % s for s in run["shares"]),
                                                statistics.median(run["took_ms"])),
              share >= WARM_PART if name == "warmed" else None)
    return results


# ---- PostgreSQL ----

class Libpq:
    def __init__(self):
        self.lib = ctypes.CDLL("libpq.so.5")
        for name, result, arguments in (("PQconnectdb", ctypes.c_void_p, [ctypes.c_char_p]),
                                        ("PQstatus", ctypes.c_int, [ctypes.c_void_p]),
                                        ("PQexec", ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p]),
                                        ("PQresultStatus", ctypes.c_int, [ctypes.c_void_p]),
                                        ("PQsetNoticeProcessor", ctypes.c_void_p, [ctypes.c_void_p] * 3),
                                        ("PQclear", None, [ctypes.c_void_p]), ("PQfinish", None, [ctypes.c_void_p])):
            function = getattr(self.lib, name)
            function.restype, function.argtypes = result, arguments
        self.notice = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)(lambda *_: None)

    def connect(self, address):
        connection = self.lib.PQconnectdb(address)
        self.lib.PQsetNoticeProcessor(connection, ctypes.cast(self.notice, ctypes.c_void_p), None)
        return connection

    def run(self, connection, sql):
        result = self.lib.PQexec(connection, sql.encode())
        status = self.lib.PQresultStatus(result)
        self.lib.PQclear(result)
        return status in (1, 2)  # PGRES_COMMAND_OK, PGRES_TUPLES_OK


class PgClient(threading.Thread):
    def __init__(self, who, libpq, postgres, until):
        super().__init__(daemon=True)
        self.who, self.libpq, self.until = who, libpq, until
        self.address = ("host=127.0.0.1 port=%d user=%s dbname=postgres" % (postgres.port, postgres.user)).encode()
        self.done, self.errors = [], 0  # when each good iteration was over; statements that failed
        self.start()

    def run(self):
        random, connection, lib = self.who * 2654435761, None, self.libpq.lib
        while time.monotonic() < self.until:
            if connection is None:
                connection = self.libpq.connect(self.address)
            random = (random * 1664525 + 1013904223) % 2 ** 32
            open_before = lib.PQstatus(connection) == 0  # CONNECTION_OK
            good = open_before and \
                self.libpq.run(connection, "SELECT COUNT(*) FROM wide WHERE a BETWEEN %d AND %d"
                               % (random // 2 % 1000, random // 2 % 1000 + 5)) and \
                self.libpq.run(connection, "INSERT INTO writes (client, iteration) VALUES (%d, %d)"
                               % (self.who, len(self.done)))
            if good:
                self.done.append(time.monotonic())
                continue
            lib.PQfinish(connection)
            connection, self.errors = None, self.errors + open_before
            time.sleep(0.01)
        if connection is not None:
            lib.PQfinish(connection)


def pg_run(options, libpq, postgres, restarts):
    """Gaps behind each moment, errors, what restarts took."""
    began = time.monotonic()
    clients = [PgClient(i, libpq, postgres, began + (options.rounds + 2) * options.seconds)
               for i in range(options.clients)]

    def restart(turn):
        begin = time.monotonic()
        if restarts:
            postgres.restart(pg_limits(turn))
        return (time.monotonic() - begin) * 1000
    times, took = rounds_of(began, options, restart)
    for client in clients:
        client.join()
    gaps = [max(max((b - a for a, b in zip(client.done, client.done[1:])
                     if a < began + at + options.seconds and b > began + at), default=0)
                for client in clients) * 1000 for at in times]
    return gaps, sum(client.errors for client in clients), took


def pg_limits(turn):
    """What a size of 2 and of 8 vCores would get."""
    return "-c shared_buffers=%dMB -c max_worker_processes=%d -c max_parallel_workers=%d" % \
        ((512, 8, 8), (128, 2, 2))[turn % 2]


def postgres_part(options):
    root = tempfile.mkdtemp(prefix="quire-bench-", dir=options.dir)
    postgres, libpq = Postgres(root, settings=pg_limits(1)), Libpq()
    try:
        postgres.sql("CREATE TABLE writes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, client int, iteration int)")
        postgres.sql("CREATE TABLE wide (a int, b bytea)")
        postgres.sql("ALTER TABLE wide ALTER b SET STORAGE EXTERNAL")
        postgres.sql("CREATE EXTENSION IF NOT EXISTS pgcrypto")
        postgres.sql("INSERT INTO wide SELECT (i - 1) %% 10000 + 1, gen_random_bytes(1000) || gen_random_bytes(1000) ||"
                     " gen_random_bytes(1000) || gen_random_bytes(1000) FROM generate_series(1, %d) i"
                     % (options.size * 250))
        postgres.sql("CREATE INDEX ix ON wide (a)")
        base, base_errors, _ = pg_run(options, libpq, postgres, False)
        gaps, errors, took = pg_run(options, libpq, postgres, True)
    finally:
        postgres.close()
        shutil.rmtree(root, ignore_errors=True)
    judge("PostgreSQL 15 restarted: longest gap of a client, ms: median, max; without",
          "%.0f, %.0f; %.0f, %.0f" % (statistics.median(gaps), max(gaps), statistics.median(base), max(base)), None)
    judge("PostgreSQL 15 restarted: statements that failed (without); a restart, ms: median",
          "%d (%d); %.0f" % (errors, base_errors, statistics.median(took)), None)
    return {"gaps_ms": gaps, "base_gaps_ms": base, "errors": errors, "took_ms": took, "clients": options.clients}


PARTS = {"new-node": new_node, "in-place": in_place, "warm": warm, "transactions": transactions, "idle": idle,
         "postgres": postgres_part}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build")
    p.add_argument("--only", default=",".join(PARTS))
    p.add_argument("--clients", type=int, default=32)
    p.add_argument("--rounds", type=int, default=20)
    p.add_argument("--seconds", type=int, default=2)
    p.add_argument("--size", type=int, default=100, help="MB of rows")
    p.add_argument("--warm-size", type=int, default=1000, help="the same for warm; twice as much is the page cache")
    p.add_argument("--warm-rounds", type=int, default=4)
    p.add_argument("--warm-seconds", type=int, default=15, help="from one operation of warm to the next")
    p.add_argument("--dir", help="where the servers keep their data [a new temporary directory]")
    options = p.parse_args()
    options.build = os.path.abspath(options.build)
    results = []
    for name in options.only.split(","):
        results.append({"name": name, **PARTS[name](options)})
    os.makedirs(os.path.join(options.build, "bench"), exist_ok=True)
    with open(os.path.join(options.build, "bench", "relocate.jsonl"), "w", encoding="utf-8") as file:
        file.writelines(json.dumps(result) + "\n" for result in results)


main()
