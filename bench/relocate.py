#!/usr/bin/env python3
"""A Hyperscale database goes to new processes under `quire stress`, and its sessions go along.

  bench/relocate.py --build build-rel [--clients 32] [--rounds 20] [--seconds 2] [--size 100]

First a run without any operation, as long as two rounds: its longest gaps are what this machine does by itself. Then
--rounds relocations between HS_Gen5_2 and HS_Gen5_8, --seconds apart: gap = the longest time that any client wanted a
good iteration and had none, around each; errors and connections opened again must be 0; iterations a second in the second
after the switch beside those of the second before. Half of the clients read and write rows of their own in autocommit, the
other half in transactions of about 50 ms, if --transactions is said. Writes BUILD/bench/relocate.jsonl.
"""
import argparse
import csv
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from servers import Quire

MIXED = """SELECT COUNT(*) FROM wide WHERE a BETWEEN $(random) % 1000 AND $(random) % 1000 + 5
GO
INSERT writes (client, iteration) VALUES ($(client), $(iteration))
GO
"""
TRANSACTIONS = """BEGIN TRAN; INSERT writes (client, iteration) VALUES ($(client), $(iteration))
GO
WAITFOR DELAY '00:00:00.050'; COMMIT
GO
"""


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


def relocate(quire, master, turn):
    cursor = master.cursor()
    begin = time.monotonic()
    cursor.execute("ALTER DATABASE h MODIFY (SERVICE_OBJECTIVE = 'HS_Gen5_%d', RELOCATE = ON)" % (8, 2)[turn % 2])
    while True:
        cursor.execute("SELECT TOP 1 state_desc FROM sys.dm_operation_status WHERE major_resource_id = 'h'"
                       " ORDER BY start_time DESC")
        state = cursor.fetchone()[0]
        if state not in ("PENDING", "IN_PROGRESS"):
            assert state == "COMPLETED", state
            return (time.monotonic() - begin) * 1000
        time.sleep(0.005)


def gaps_of(rows, times, seconds):
    """The longest gap that ended in the seconds behind each of the times."""
    found = []
    for at in times:
        near = [float(row["gap_ms"]) for row in rows if at < float(row["time"]) <= at + max(1.6, seconds - 0.4)]
        found.append(max(near, default=0))
    return found


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build")
    p.add_argument("--clients", type=int, default=32)
    p.add_argument("--rounds", type=int, default=20)
    p.add_argument("--seconds", type=int, default=2)
    p.add_argument("--size", type=int, default=100, help="MB of rows")
    p.add_argument("--transactions", action="store_true", help="8 clients, always inside transactions of 50 ms")
    p.add_argument("--dir")
    options = p.parse_args()
    options.build = os.path.abspath(options.build)
    root = tempfile.mkdtemp(prefix="quire-bench-", dir=options.dir)
    quire, results = Quire(options.build, root), []
    clients, script = (8, TRANSACTIONS) if options.transactions else (options.clients, MIXED)
    try:
        master = quire.connect("master")
        master.cursor().execute("CREATE DATABASE h (EDITION = 'Hyperscale', SERVICE_OBJECTIVE = 'HS_Gen5_2')")
        with quire.connect("h") as connection:
            cursor = connection.cursor()
            cursor.execute("CREATE TABLE writes (id bigint IDENTITY PRIMARY KEY, client int, iteration int)")
            quire.fill(cursor, options.size)
            cursor.execute("CREATE INDEX ix ON wide (a)")
        quiet, rows = Stress(quire, options, root, 2 * options.seconds + 1, script, clients).end()
        print("without any operation: %s" % json.dumps(quiet)[:400])
        base = max(float(row["gap_ms"]) for row in rows[1:])
        with quire.connect("h") as connection:
            connection.cursor().execute("TRUNCATE TABLE writes")
        stress = Stress(quire, options, root, (options.rounds + 2) * options.seconds, script, clients)
        times, took = [], []
        for turn in range(options.rounds):
            time.sleep(max(0, stress.began + (turn + 1) * options.seconds - time.monotonic()))
            times.append(time.monotonic() - stress.began)
            took.append(relocate(quire, master, turn))
        told, rows = stress.end()
        gaps = gaps_of(rows, times, options.seconds)
        with quire.connect("h") as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT COUNT(*), COUNT(DISTINCT CAST(client AS bigint) * 1000000000 + iteration) FROM writes")
            written, distinct = cursor.fetchone()
        print(json.dumps(told)[:600])
        print("relocation to completed, ms: median %.0f, max %.0f" % (statistics.median(took), max(took)))
        print("longest gap of a client, ms: median %.0f, max %.0f over %d (without: %.0f)" %
              (statistics.median(gaps), max(gaps), len(gaps), base))
        print("rows: %d, distinct %d, iterations %d" % (written, distinct, told["iterations"]))
        results = [{"name": "relocate", "clients": clients, "transactions": options.transactions, "gaps_ms": gaps,
                    "took_ms": took, "base_gap_ms": base, "errors": told.get("errors"),
                    "reconnects": told.get("reconnects"), "iterations": told["iterations"], "rows": written}]
    finally:
        quire.close()
        shutil.rmtree(root, ignore_errors=True)
    os.makedirs(os.path.join(options.build, "bench"), exist_ok=True)
    with open(os.path.join(options.build, "bench", "relocate.jsonl"), "w", encoding="utf-8") as file:
        file.writelines(json.dumps(result) + "\n" for result in results)


main()
