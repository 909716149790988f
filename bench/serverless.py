#!/usr/bin/env python3
"""Serverless: how long the login takes that resumes a paused database.

  bench/serverless.py --build build-rel [--rounds 50] [--only gp,hs]

gp   General Purpose: its files are opened
hs   Hyperscale: its process is started
Beside each: logins of the same client to the same database while it is online. A minute of the auto-pause delay takes 5 ms;
the database has 10,000 rows, of which one is read and one changed in each round. Writes BUILD/bench/serverless.jsonl.
"""
import argparse
import json
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "lib"))

OBJECTIVES = {"gp": ("GP_S_Gen5_2", 15), "hs": ("HS_S_Gen5_2", 60)}
VERSION = "api-version=2022-08-01-preview"
SERVER = "/resourceGroups/myResourceGroup/providers/Microsoft.Sql/servers/server01/databases/"
FILL = ("CREATE TABLE t (a int PRIMARY KEY, b varchar(200)); DECLARE @i int = 0; BEGIN TRAN; WHILE @i < 10000 BEGIN "
        "INSERT t VALUES (@i, REPLICATE('x', 100)); SET @i += 1 END; COMMIT")


class Bench:
    def __init__(self, quired):
        import arm
        self.server, self.api = quired, arm.Api(quired).login()
        self.at = self.api.send("GET", "/subscriptions?" + VERSION)[2]["value"][0]["id"] + SERVER

    def status(self, name):
        return self.api.send("GET", f"{self.at}{name}?{VERSION}")[2]["properties"]["status"]

    def login(self, name, i):
        """Until the answer to the first statement, in ms."""
        began = time.monotonic()
        with self.server.connect(name) as connection:
            connection.execute(f"UPDATE t SET b = 'y' WHERE a = {i}; SELECT COUNT(*) FROM t WHERE a = {i}")
            return (time.monotonic() - began) * 1e3

    def run(self, kind, rounds):
        objective, delay = OBJECTIVES[kind]
        self.api.send("PUT", f"{self.at}{kind}?{VERSION}", {"location": "eastus", "sku": {"name": objective},
                                                            "properties": {"autoPauseDelay": delay}})
        while self.status(kind) not in ("Online", "Paused"):
            time.sleep(0.02)
        with self.server.connect(kind) as connection:
            connection.execute(FILL)
        resumed, online = [], []
        for i in range(rounds):
            while self.status(kind) != "Paused":
                time.sleep(0.01)
            resumed.append(self.login(kind, i))
            online.append(self.login(kind, i))
        return sorted(resumed), sorted(online)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--only", default="gp,hs")
    args = parser.parse_args()
    os.environ["QUIRE_BUILD"] = os.path.abspath(args.build)
    import server
    with open(os.path.join(args.build, "bench", "serverless.jsonl"), "w", encoding="utf-8") as out, \
            server.Server("--auto-pause-minute-ms", "5") as quired:
        bench = Bench(quired)
        for kind in args.only.split(","):
            for what, took in zip(("resume", "online"), bench.run(kind, args.rounds)):
                figure = {"bench": f"serverless/{kind}_{what}", "rounds": args.rounds,
                          "median_ms": round(statistics.median(took), 1), "most_ms": round(took[-1], 1)}
                print(figure)
                out.write(json.dumps(figure) + "\n")


if __name__ == "__main__":
    main()
