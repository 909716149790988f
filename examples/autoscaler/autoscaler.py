#!/usr/bin/env python3
"""Scales a database from outside, as the article about autoscaling Azure SQL Hyperscale describes it.

Every 15 seconds it asks sys.dm_db_resource_stats for the moving average of the last data points, and for how
many there were: right after a scale there are few, and nothing is decided then. Above --high it asks for the
next larger objective, below --low for the next smaller one, with ALTER DATABASE ... MODIFY. Each decision is a
row of dbo.Autoscaler in the database itself.

    /usr/bin/python3 autoscaler.py --server localhost --user quireadmin --password-file pw --database shop

Needs pymssql. It knows nothing of quire: it does the same on Azure SQL Database.
"""
import argparse
import json
import sys
import time

import pymssql

HARDWARE = "HS_Gen5"
VCORES = (2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 24, 32, 40, 80)

MAKE_TABLE = """
IF OBJECT_ID('dbo.Autoscaler') IS NULL
CREATE TABLE dbo.Autoscaler
(
    Id int IDENTITY(1, 1) NOT NULL PRIMARY KEY CLUSTERED,
    InsertedAt datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
    CurrentSLO nvarchar(100) NOT NULL
        DEFAULT (CAST(DATABASEPROPERTYEX(DB_NAME(DB_ID()), 'ServiceObjective') AS nvarchar(100))),
    RequestedSLO nvarchar(100) NULL,
    UsageInfo nvarchar(max) NULL CHECK (ISJSON(UsageInfo) = 1)
)
"""

# The newest data point, the average over it and the earlier ones, and how many these are.
USAGE = """
SELECT TOP (1)
    CONVERT(varchar(23), end_time, 126) AS [TimeStamp],
    CAST(DATABASEPROPERTYEX(DB_NAME(), 'ServiceObjective') AS nvarchar(100)) AS ServiceObjective,
    avg_cpu_percent AS AvgCpuPercent,
    AVG(avg_cpu_percent) OVER (ORDER BY end_time DESC ROWS BETWEEN CURRENT ROW AND {earlier} FOLLOWING)
        AS MovingAvgCpuPercent,
    COUNT(*) OVER (ORDER BY end_time DESC ROWS BETWEEN CURRENT ROW AND {earlier} FOLLOWING) AS DataPoints
FROM sys.dm_db_resource_stats
ORDER BY end_time DESC
"""


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--server", default="localhost")
    parser.add_argument("--port", default="1433")
    parser.add_argument("--user", required=True)
    parser.add_argument("--password-file", required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--hardware", default=HARDWARE, help="the beginning of the objectives' names")
    parser.add_argument("--min", type=int, default=2, help="vCores")
    parser.add_argument("--max", type=int, default=8, help="vCores")
    parser.add_argument("--high", type=float, default=70, help="percent")
    parser.add_argument("--low", type=float, default=30, help="percent")
    parser.add_argument("--points", type=int, default=5, help="data points of the average")
    parser.add_argument("--interval", type=float, default=15, help="seconds between two looks")
    parser.add_argument("--looks", type=int, default=0, help="end after so many; 0: never")
    return parser.parse_args()


def wish(usage, given):
    """The objective to ask for: the current one if there is nothing to do, None if too little is known."""
    if usage["DataPoints"] < given.points:
        return None
    ladder = [f"{given.hardware}_{n}" for n in VCORES if given.min <= n <= given.max]
    current = usage["ServiceObjective"]
    at = ladder.index(current)
    average = float(usage["MovingAvgCpuPercent"])
    if average > given.high and at + 1 < len(ladder):
        return ladder[at + 1]
    if average < given.low and at > 0:
        return ladder[at - 1]
    return current


def look(connection, given):
    with connection.cursor(as_dict=True) as cursor:
        cursor.execute(USAGE.format(earlier=given.points - 1))
        usage = cursor.fetchone()
        if usage is None:
            return  # nothing since the last scale
        wanted = wish(usage, given)
        for key in ("AvgCpuPercent", "MovingAvgCpuPercent"):
            usage[key] = float(usage[key])
        cursor.execute("INSERT INTO dbo.Autoscaler (RequestedSLO, UsageInfo) VALUES (%s, %s)",
                       (wanted, json.dumps(usage)))
        print(usage["TimeStamp"], usage["ServiceObjective"], wanted, f'{usage["MovingAvgCpuPercent"]:.1f} %',
              usage["DataPoints"], flush=True)
        if wanted not in (None, usage["ServiceObjective"]):
            cursor.execute(f"ALTER DATABASE [{given.database}] MODIFY (SERVICE_OBJECTIVE = '{wanted}')")


def main():
    given = options()
    with open(given.password_file, encoding="utf-8") as file:
        password = file.readline().rstrip("\n")
    connection, looks = None, 0
    while given.looks == 0 or looks < given.looks:
        looks += 1
        try:
            if connection is None:  # a scale may have ended the one before
                connection = pymssql.connect(server=given.server, port=given.port, user=given.user,
                                             password=password, database=given.database, autocommit=True)
                with connection.cursor() as cursor:
                    cursor.execute(MAKE_TABLE)
            look(connection, given)
        except pymssql.Error as error:
            print(error, file=sys.stderr, flush=True)
            connection = None
        time.sleep(given.interval)


if __name__ == "__main__":
    main()
