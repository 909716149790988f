#!/usr/bin/env python3
"""The experiment of the article about autoscaling Azure SQL Hyperscale, on a clock that is 15 times as fast.

    /usr/bin/python3 experiment.py --build build --out out

A database with HS_Gen5_2 is scaled by the service (moving average, 70 % and 30 %, five data points). After
20 s `quire stress` loads it to about 80 %; when 45 s of that are over the load ends. A second of this clock
is a data point, 15 s of an ordinary one. Writes experiment.csv (the decisions), experiment.md (a table of
those where something changed) and experiment.svg to --out. Needs pymssql.
"""
import argparse
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import pymssql

POINT = 1  # seconds
QUIET, BUSY, AFTER = 20, 45, 40  # seconds
TRY_RATE, TRY_SECONDS, WANTED = 20, 10, 80  # iterations a second; percent of HS_Gen5_2
QUERY = "SELECT SUM(Random) AS total FROM dbo.Numbers WHERE Number % 7 = $(random) % 7"
UP, DOWN = 70, 30
COOLDOWN = 20  # seconds: 300 of an ordinary clock


class Server:
    def __init__(self, build):
        self.build = build
        self.data = tempfile.mkdtemp(prefix="quire-experiment-")
        # The machine has fewer processors than the objectives: a vCore is a twentieth of one.
        self.process = subprocess.Popen(
            [os.path.join(build, "quired"), "--data-dir", self.data, "--tds-port", "0", "--https-port", "0",
             "--vcore-cpu", "0.05", "--resource-sample-seconds", str(POINT)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        ready = re.search(r"tds=\S+:(\d+) ", self.process.stdout.readline())
        self.port = ready[1]
        with open(os.path.join(self.data, "admin-password"), encoding="utf-8") as file:
            self.password = file.readline().rstrip("\n")

    def run(self, batch, database="master"):
        with pymssql.connect(server="127.0.0.1", port=self.port, user="quireadmin", password=self.password,
                             database=database, autocommit=True) as connection:
            cursor = connection.cursor(as_dict=True)
            cursor.execute(batch)
            return cursor.fetchall() if cursor.description else []

    def stress(self, *words):
        return subprocess.Popen(
            [os.path.join(self.build, "quire"), "stress", "-S", f"127.0.0.1,{self.port}", "-d", "hyper", "-U",
             "quireadmin", "--ca", os.path.join(self.data, "tls", "cert.pem"), "-Q", QUERY, "-n", "8", *words],
            env={**os.environ, "QUIRE_PASSWORD": self.password}, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)

    def end(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.data, ignore_errors=True)


def prepare(server):
    server.run("CREATE DATABASE hyper (EDITION = 'Hyperscale', SERVICE_OBJECTIVE = 'HS_Gen5_2')")
    server.run("SELECT TOP (10000) ROW_NUMBER() OVER (ORDER BY a.object_id) AS Number, RAND(CHECKSUM(NEWID())) AS "
               "Random INTO dbo.Numbers FROM sys.all_columns AS a CROSS JOIN sys.all_columns AS b; "
               "CREATE CLUSTERED INDEX ixc ON dbo.Numbers (Number)", "hyper")
    server.run(QUERY.replace("$(random)", "1"), "hyper")  # begins when what that cost is paid for


def rate_for(server, percent):
    """Iterations a second that come to that much of HS_Gen5_2."""
    server.stress("--rate", str(TRY_RATE), "--duration", str(TRY_SECONDS)).communicate()
    used = server.run(f"SELECT AVG(avg_cpu_percent) AS used FROM (SELECT TOP ({TRY_SECONDS - 3}) avg_cpu_percent "
                      "FROM sys.dm_db_resource_stats ORDER BY end_time DESC) AS r", "hyper")
    return TRY_RATE * percent / float(used[0]["used"])


def experiment(server):
    prepare(server)
    rate = rate_for(server, WANTED)
    server.run(f"ALTER DATABASE hyper SET AUTOSCALE = ON (POLICY = MOVING_AVERAGE, MIN = 'HS_Gen5_2', "
               f"MAX = 'HS_Gen5_8', UP = {UP}, DOWN = {DOWN}, WINDOW = 5, COOLDOWN = {COOLDOWN}, METRICS = 'cpu')")
    began = server.run("SELECT SYSUTCDATETIME() AS now")[0]["now"]
    time.sleep(QUIET)
    stress = server.stress("--rate", f"{rate:.1f}", "--duration", str(BUSY))
    told = stress.communicate()[0]
    time.sleep(AFTER)
    rows = server.run("SELECT InsertedAt, CurrentSLO, RequestedSLO, UsageInfo FROM sys.database_autoscale_history "
                      "ORDER BY Id", "hyper")
    for row in rows:
        row["at"] = (row["InsertedAt"] - began).total_seconds()
        row.update(json.loads(row.pop("UsageInfo")))
    operations = server.run("SELECT start_time, last_modify_time, state_desc FROM sys.dm_operation_status WHERE "
                            "operation = 'ALTER DATABASE' ORDER BY start_time")
    scales = [(o["last_modify_time"] - o["start_time"]).total_seconds() for o in operations]
    return [row for row in rows if row["at"] >= 0], rate, told, scales


# ---- what came of it ----

def vcores(objective):
    return int(objective.rsplit("_", 1)[1])


def told_of(rows):
    """A row where the objective or the decision changes, and one in the middle of each stretch."""
    stretches, before = [], None
    for row in rows:
        key = (row["CurrentSLO"], row["RequestedSLO"], row["Reason"])
        if key != before:
            stretches.append([])
        stretches[-1].append(row)
        before = key
    shown = []
    for stretch in stretches:
        shown.append(stretch[0])
        if len(stretch) > 5:
            shown.append(stretch[len(stretch) // 2])
    return shown


def write_table(rows, rate, told, scales, path):
    with open(path, "w", encoding="ascii") as file:
        file.write("| second | CurrentSLO | RequestedSLO | AvgCpuPercent | MovingAvgCpuPercent | DataPoints | "
                   "reason |\n|---|---|---|---|---|---|---|\n")
        for row in told_of(rows):
            file.write(f"| {row['at']:.0f} | {row['CurrentSLO']} | {row['RequestedSLO'] or 'NULL'} | "
                       f"{row['AvgCpuPercent']:.1f} | {row['MovingAvgCpuPercent']:.1f} | {row['DataPoints']} | "
                       f"{row['Reason']} |\n")
        file.write(f"\nRate of the load: {rate:.0f} iterations a second. Scales took "
                   f"{', '.join(f'{s * 1000:.0f} ms' for s in scales)}.\n\n```\n{told.strip()}\n```\n")


def write_rows(rows, path):
    names = ["at", "CurrentSLO", "RequestedSLO", "Reason", "DataPoints", "AvgCpuPercent", "MovingAvgCpuPercent",
             "Load"]
    with open(path, "w", encoding="ascii", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def write_plot(rows, path):
    width, height, left, top = 900, 260, 50, 20
    last = max(row["at"] for row in rows)

    def x(at):
        return left + at / last * (width - left - 20)

    def y(percent):
        return top + height - percent / 100 * height

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height + 170}" '
             'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>']
    for percent, colour in ((0, "#999"), (DOWN, "#4a4"), (UP, "#c44"), (100, "#999")):
        parts.append(f'<path d="M{left} {y(percent):.1f}H{width - 20}" stroke="{colour}" stroke-dasharray="4 3"/>'
                     f'<text x="{left - 8}" y="{y(percent) + 4:.1f}" text-anchor="end">{percent} %</text>')
    bar = (width - left - 20) / last * 0.7
    for row in rows:
        parts.append(f'<rect x="{x(row["at"]) - bar / 2:.1f}" y="{y(row["AvgCpuPercent"]):.1f}" width="{bar:.1f}" '
                     f'height="{top + height - y(row["AvgCpuPercent"]):.1f}" fill="#9bd"/>')
    line = " ".join(f'{x(row["at"]):.1f},{y(row["MovingAvgCpuPercent"]):.1f}' for row in rows)
    parts.append(f'<polyline points="{line}" fill="none" stroke="#036" stroke-width="2"/>')
    base, step, path_text = top + height + 110, 10, ""
    for row in rows:
        at = f'{x(row["at"]):.1f}'
        level = base - vcores(row["CurrentSLO"]) * step
        path_text += f"M{at} {level}" if not path_text else f"H{at}V{level}"
        if row["RequestedSLO"] not in (None, row["CurrentSLO"]):
            parts.append(f'<path d="M{at} {top}V{base}" stroke="#c44"/><text x="{float(at) + 4:.1f}" y="{top + 10}" '
                         f'fill="#c44">{row["CurrentSLO"]} to {row["RequestedSLO"]}: {row["Reason"]}</text>')
    parts.append(f'<path d="{path_text}" fill="none" stroke="#333" stroke-width="2"/>')
    for count in (2, 4, 8):
        parts.append(f'<text x="{left - 8}" y="{base - count * step + 4}" text-anchor="end">{count}</text>')
    for at in range(0, int(last) + 1, 10):
        parts.append(f'<text x="{x(at):.1f}" y="{base + 18}" text-anchor="middle">{at}</text>')
    parts.append(f'<text x="{left}" y="{base + 36}">seconds; one is a data point, 15 s of an ordinary clock. Above: '
                 'CPU in percent of the objective, and its moving average. Below: vCores.</text></svg>')
    with open(path, "w", encoding="ascii") as file:
        file.write("\n".join(parts) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default="build", help="where quired and quire are")
    parser.add_argument("--out", default=".", help="where the results go")
    given = parser.parse_args()
    os.makedirs(given.out, exist_ok=True)
    server = Server(os.path.abspath(given.build))
    try:
        rows, rate, told, scales = experiment(server)
    finally:
        server.end()
    write_rows(rows, os.path.join(given.out, "experiment.csv"))
    write_table(rows, rate, told, scales, os.path.join(given.out, "experiment.md"))
    write_plot(rows, os.path.join(given.out, "experiment.svg"))
    with open(os.path.join(given.out, "experiment.md"), encoding="ascii") as file:
        sys.stdout.write(file.read())


if __name__ == "__main__":
    main()
