"""Operations of the control plane from T-SQL: what returns at once, what the views show, what is refused;
and the supervisor killed with SIGKILL in every step of every operation (src/ctl/op_kinds.c), which the next
start then finishes or undoes, with the data whole."""
import os
import re
import signal
import statistics
import subprocess
import threading
import time
import unittest

import server
import tds
from test_replicas import wait_for
from test_roles import ALL, ANNOUNCED, GONE, PATIENCE, connect_patiently

ROOT = server.ROOT
OBJECTIVES = """SELECT d.name, o.edition, o.service_objective FROM sys.database_service_objectives o
    JOIN sys.databases d ON d.database_id = o.database_id WHERE d.name <> 'master' ORDER BY d.name"""
HISTORY = """SELECT operation, state_desc, percent_complete, error_code FROM sys.dm_operation_status
    WHERE major_resource_id = '{}' ORDER BY start_time DESC"""
OVER = "SELECT COUNT(*) FROM sys.dm_operation_status WHERE state IN (0, 1)"


def number(master, text):
    return [e.number for e in master.batch(text).errors]


def quire(quired, *words):
    return subprocess.run([server.program("quire"), "db", *words, "--data-dir", quired.data_dir],
                          capture_output=True, text=True, check=False)


def wait_over(quired):
    with connect_patiently(quired, "master") as master:
        wait_for(lambda: master.execute(OVER) == [(0,)])


class Status(unittest.TestCase):
    def test_a_change_of_the_objective_returns_at_once_and_is_followed_in_the_view(self):
        with server.Server() as quired, quired.connect() as master:
            master.execute("CREATE DATABASE h (EDITION = 'Hyperscale')")
            with quired.connect("h") as connection:
                connection.execute("CREATE TABLE t (a int); INSERT t VALUES (1)")
            master.execute("ALTER DATABASE h MODIFY (EDITION = 'Hyperscale', "
                           "SERVICE_OBJECTIVE = 'HS_Gen5_8')")
            self.assertEqual(master.execute(HISTORY.format("h"))[0][0], "ALTER DATABASE")
            wait_over(quired)
            self.assertEqual(master.execute(HISTORY.format("h")),
                             [("ALTER DATABASE", "COMPLETED", 100, 0),
                              ("CREATE DATABASE", "COMPLETED", 100, 0)])
            self.assertEqual(master.execute(OBJECTIVES), [("h", "Hyperscale", "HS_Gen5_8")])
            with quired.connect("h") as connection:
                self.assertEqual(connection.execute(
                    "SELECT DATABASEPROPERTYEX(DB_NAME(), 'ServiceObjective'), a FROM t"),
                    [("HS_Gen5_8", 1)])
            self.assertEqual(master.execute("SELECT * FROM sys.dm_database_copies"), [])
            listed = quire(quired, "op-list", "--name", "h")
            self.assertEqual([line.split(" ", 2)[2] for line in listed.stdout.splitlines()],
                             ["h ALTER DATABASE completed 100%", "h CREATE DATABASE completed 100%"])
            refused = quire(quired, "op-cancel", "--id", listed.stdout.split()[0])
            self.assertEqual(refused.returncode, 1)
            self.assertIn("error 40811", refused.stderr)

    def test_all_tiers_are_taken_and_what_they_do_not_have_is_refused(self):
        with server.Server() as quired, quired.connect() as master:
            master.execute("CREATE DATABASE d")
            steps = (("EDITION = 'BusinessCritical', SERVICE_OBJECTIVE = 'BC_Gen5_4', MAXSIZE = 64 GB",
                      "BC_Gen5_4", 64 << 30),
                     ("EDITION = 'Standard', SERVICE_OBJECTIVE = 'S3', MAXSIZE = 500 GB", "S3", 500 << 30),
                     ("EDITION = 'Premium'", "P1", 500 << 30),
                     ("EDITION = 'Basic'", "Basic", 2 << 30),
                     ("SERVICE_OBJECTIVE = 'GP_S_Gen5_2'", "GP_S_Gen5_2", 32 << 30))
            for options, objective, size in steps:
                master.execute(f"ALTER DATABASE d MODIFY ({options})")
                wait_over(quired)
                self.assertEqual(master.execute(
                    "SELECT DATABASEPROPERTYEX('d', 'ServiceObjective'), "
                    "DATABASEPROPERTYEX('d', 'MaxSizeInBytes')"), [(objective, size)])
            for options, want in (
                    ("EDITION = 'Basic', SERVICE_OBJECTIVE = 'S3'", 40808),
                    ("EDITION = 'Nonsense'", 40633),
                    ("SERVICE_OBJECTIVE = 'GP_Gen5_3'", 40804),
                    ("SERVICE_OBJECTIVE = 'ElasticPool'", 40862),
                    ("SERVICE_OBJECTIVE = 'GP_Gen5_2', MAXSIZE = 1025 GB", 40619),
                    ("MAXSIZE = 3 KB", 40629),
                    ("EDITION = 'Hyperscale'", 45305)):
                self.assertEqual(number(master, f"ALTER DATABASE d MODIFY ({options})"), [want],
                                 options)
            self.assertEqual(number(master, "ALTER DATABASE nosuch MODIFY (EDITION = 'Basic')"), [911])
            self.assertEqual(number(master, "CREATE DATABASE x (SERVICE_OBJECTIVE = 'BC_Gen5_80', "
                                            "MAXSIZE = 5000 GB)"), [40619])


class Scale(unittest.TestCase):
    def test_in_place_under_load_nobody_notices(self):
        """Sessions, transactions, temporary tables and prepared statements go on; so does the process."""
        with server.Server(announced=ANNOUNCED) as quired, quired.connect() as master:
            for name, options, sizes in (
                    ("h", "EDITION = 'Hyperscale'", ("HS_Gen5_8", "HS_Gen5_2")),
                    ("b", "EDITION = 'BusinessCritical'", ("BC_Gen5_8", "BC_Gen5_2")),
                    ("g", "EDITION = 'GeneralPurpose'", ("GP_Gen5_8", "GP_Gen5_2"))):
                master.execute(f"CREATE DATABASE {name} ({options})")
                self.scale_in_place(quired, master, name, sizes)

    def scale_in_place(self, quired, master, name, sizes):
        done, told = threading.Event(), []
        with connect_patiently(quired, name) as connection:
            connection.execute("CREATE TABLE t (a int NOT NULL PRIMARY KEY)")

        def write():
            i = 0
            with connect_patiently(quired, name) as connection:
                while not done.is_set():
                    told.append([e.number for e in connection.batch(f"INSERT t VALUES ({i})").errors])
                    i += 1
        writer = threading.Thread(target=write)
        with connect_patiently(quired, name) as within:
            within.execute("SELECT 1 AS a INTO #kept; BEGIN TRAN; INSERT t VALUES (-1)")
            writer.start()
            before = set(quired.pids)
            for size in sizes:
                wait_for(lambda: len(told) > 10)
                seen = len(told)
                master.execute(f"ALTER DATABASE {name} MODIFY (SERVICE_OBJECTIVE = '{size}')")
                wait_for(lambda: master.execute(OVER) == [(0,)])
                wait_for(lambda seen=seen: len(told) > seen + 10)
                self.assertEqual(within.execute("SELECT DATABASEPROPERTYEX(DB_NAME(), 'ServiceObjective')"),
                                 [(size,)])
            within.execute("INSERT t SELECT -2 FROM #kept; COMMIT")
            done.set()
            writer.join()
            self.assertEqual(within.execute("SELECT COUNT(*) FROM t"), [(len(told) + 2,)])
        self.assertEqual([t for t in told if t], [])
        self.assertEqual(set(quired.pids), before)

    def test_to_new_processes_under_load_cuts_sessions_shortly_and_loses_nothing(self):
        rounds = 20 if ALL else 4
        with server.Server(announced=ANNOUNCED) as quired, quired.connect() as master:
            master.execute("CREATE DATABASE h (EDITION = 'Hyperscale')")
            with quired.connect("h") as connection:
                connection.execute("CREATE TABLE t (a int NOT NULL PRIMARY KEY)")
            done, ends, kept = threading.Event(), [], []

            def write():
                i, connection = 0, connect_patiently(quired, "h")
                while not done.is_set():
                    try:
                        connection.execute(f"INSERT t VALUES ({i})")
                        ends.append(time.monotonic())
                        kept.append(i)
                        i += 1
                    except (tds.Failed, *GONE):
                        connection = connect_patiently(quired, "h")
                        i += 1
            writer = threading.Thread(target=write)
            writer.start()
            took = []
            for turn in range(rounds):
                wait_for(lambda: len(ends) > 20 * (turn + 1))
                begin = time.monotonic()
                master.execute("ALTER DATABASE h MODIFY (SERVICE_OBJECTIVE = "
                               f"'HS_Gen5_{(8, 2)[turn % 2]}', RELOCATE = ON)")
                wait_for(lambda: master.execute(OVER) == [(0,)])
                took.append(time.monotonic() - begin)
            done.set()
            writer.join()
            with connect_patiently(quired, "h") as connection:
                there = {row[0] for row in connection.execute("SELECT a FROM t")}
            self.assertEqual(set(kept) - there, set())
            gaps = sorted(b - a for a, b in zip(ends, ends[1:]))[-rounds:]
            print(f"{rounds} scales took {statistics.median(took) * 1e3:.0f} ms median, "
                  f"{max(took) * 1e3:.0f} ms max; a client saw gaps of "
                  f"{statistics.median(gaps) * 1e3:.0f} ms median, {gaps[-1] * 1e3:.0f} ms max")
            self.assertLess(max(took), 3 * server.SLOWNESS + 5)


STATEMENTS = {
    "create": ("CREATE DATABASE new", "CREATE DATABASE new (EDITION = 'Hyperscale')"),
    "copy": ("CREATE DATABASE new AS COPY OF g", "CREATE DATABASE new AS COPY OF h"),
    "add-replica": ("ALTER DATABASE h ADD SECONDARY ON SERVER server01 "
                    "WITH (SECONDARY_TYPE = Named, DATABASE_NAME = [new])",),
    "update": ("ALTER DATABASE g MODIFY (SERVICE_OBJECTIVE = 'GP_Gen5_4')",
               "ALTER DATABASE h MODIFY (SERVICE_OBJECTIVE = 'HS_Gen5_8', RELOCATE = ON)"),
    "rename": ("ALTER DATABASE g MODIFY NAME = new", "ALTER DATABASE h MODIFY NAME = new"),
    "drop": ("DROP DATABASE g", "DROP DATABASE h"),
    "failover": ("ALTER DATABASE h FAILOVER",),
}
LIKE = {"restore": "copy"}  # the same steps, and no T-SQL
# test_servers.py, test_move.py, src/ctl/tests/test_ops.c
ELSEWHERE = {"create-pool", "drop-group", "drop-pool", "drop-server", "geo-change", "migrate", "reverse-migrate", "update-pool",
             "verify"}


def tables():
    """The steps of each operation, from the source."""
    with open(os.path.join(ROOT, "src", "ctl", "op_kinds.c"), encoding="utf-8") as file:
        text = file.read()
    found = {}
    for kind, steps in re.findall(r'\] = \{"([a-z-]+)",(.*?)\}\}\}', text, re.S):
        found[kind] = re.findall(r'\{"([a-z]+)",', steps)
    return found


class Kills(unittest.TestCase):
    def kill_in(self, kind, statement, step):
        quired = server.Server(announced=ANNOUNCED + ("operation_repeats",)).start()
        try:
            with quired.connect() as master:
                master.execute("CREATE DATABASE g")
                master.execute("CREATE DATABASE h (EDITION = 'Hyperscale')")
            for name in "gh":
                with quired.connect(name) as connection:
                    connection.execute("CREATE TABLE t (a int); INSERT t VALUES (1), (2)")
            mark = len(quired.log)
            line = re.compile(rf'ev=operation_step kind="{kind}" step="{step}"')

            def ask():
                try:
                    with quired.connect(timeout=PATIENCE) as master:
                        number(master, statement)
                except (tds.Failed, *GONE):
                    pass
            asker = threading.Thread(target=ask)
            asker.start()
            wait_for(lambda: any(line.search(text) for text in quired.log[mark:]))
            os.kill(quired.pid, signal.SIGKILL)
            asker.join()
            quired.kill()
            quired.start()
            wait_over(quired)
            self.check(quired, kind, statement)
            quired.stop()
        finally:
            quired.kill()
            quired.remove()

    def check(self, quired, kind, statement):
        with quired.connect() as master:
            history = master.execute(
                "SELECT TOP 1 state_desc, percent_complete FROM sys.dm_operation_status "
                "ORDER BY start_time DESC")
            names = {row[0] for row in master.execute("SELECT name FROM sys.databases")} - {"master"}
            objectives = {row[2] for row in master.execute(OBJECTIVES)}
        done = history == [("COMPLETED", 100)]
        self.assertIn(history, ([("COMPLETED", 100)], [("FAILED", 100)], [("CANCELLED", 100)]))
        want = {"g", "h"}
        if done and kind in ("create", "copy", "add-replica"):
            want |= {"new"}
        if done and kind in ("rename", "drop"):
            want -= {statement.split()[2]}
            want |= {"new"} if kind == "rename" else set()
        self.assertEqual(names, want)
        if kind == "update":
            wanted = re.search(r"'(\w+)'", statement)[1]
            self.assertEqual(wanted in objectives, done)
        empty = {"new"} if kind == "create" else set()
        for name in names - empty:
            with connect_patiently(quired, name) as connection:
                self.assertEqual(connection.execute("SELECT COUNT(*), SUM(a) FROM t"), [(2, 3)], name)
        for name in names & empty:
            with connect_patiently(quired, name) as connection:
                connection.execute("CREATE TABLE t (a int)")

    def test_a_supervisor_killed_in_any_step_leaves_nothing_half_done(self):
        kinds = tables()
        self.assertEqual(set(kinds), set(STATEMENTS) | set(LIKE) | ELSEWHERE)
        kills = 0
        for kind, statements in STATEMENTS.items():
            for place, step in enumerate(kinds[kind]):
                chosen = statements if ALL else [statements[place % len(statements)]]
                for statement in chosen:
                    with self.subTest(kind=kind, step=step, statement=statement):
                        self.kill_in(kind, statement, step)
                        kills += 1
        print(f"{kills} kills")


if __name__ == "__main__":
    unittest.main()
