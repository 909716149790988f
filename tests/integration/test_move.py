"""Data that moves from General Purpose to Hyperscale and back while it is written: nothing acknowledged is
missing, nothing is there twice; killed in any step it goes on; what is not possible is refused at once.

Writers insert numbered rows and never repeat one whose outcome they do not know. After the last move each
row that was acknowledged must be there once, and every other at most once.
"""
import os
import re
import signal
import threading
import time
import unittest

import server
import tds
from test_backup import drop, full_backups, quire, utc
from test_operations import HISTORY, number, tables, wait_over
from test_replicas import wait_for
from test_roles import ALL, ANNOUNCED, GONE, PATIENCE, TRANSIENT, connect_patiently

WRITERS = 4
TO_HYPER = ("ALTER DATABASE d MODIFY (EDITION = 'Hyperscale', SERVICE_OBJECTIVE = 'HS_Gen5_2')", "HS_Gen5_2")
TO_FILES = ("ALTER DATABASE d MODIFY (EDITION = 'GeneralPurpose', SERVICE_OBJECTIVE = 'GP_Gen5_2')",
            "GP_Gen5_2")
WHERE = "SELECT DATABASEPROPERTYEX('d', 'ServiceObjective'), DATABASEPROPERTYEX('d', 'MaxSizeInBytes')"
# of a killed process's calls; a source that was marked as moved and is opened again
MORE = ANNOUNCED + ("operation_repeats", "database_not_opened", "database_cut", "move_begins_anew")


class Writer(threading.Thread):
    """Inserts (writer, number) until it is told to stop."""

    def __init__(self, quired, no):
        super().__init__(daemon=True)
        self.quired, self.no = quired, no
        self.stopping = False
        self.acknowledged, self.next = set(), 0
        self.trouble = None
        self.start()

    def run(self):
        try:
            while not self.stopping:
                try:
                    with connect_patiently(self.quired, "d") as connection:
                        while not self.stopping:
                            self.next += 1
                            connection.execute(f"INSERT t VALUES ({self.no}, {self.next}, "
                                               f"REPLICATE('x', {self.next % 700}))")
                            self.acknowledged.add(self.next)
                except tds.Failed as failed:
                    if not {m.number for m in failed.messages} <= TRANSIENT:
                        raise
                except GONE:
                    pass
        except Exception as trouble:  # noqa: the test looks at it
            self.trouble = trouble


def make(quired, rows=200):
    with quired.connect() as master:
        master.execute("CREATE DATABASE d")
    with quired.connect("d") as connection:
        connection.execute("CREATE TABLE t (w int, n int, s varchar(700)); CREATE INDEX i ON t (w, n);"
                           "CREATE TABLE k (id int IDENTITY PRIMARY KEY, s char(500))")
        connection.execute(f"DECLARE @i int = 0; BEGIN TRAN; WHILE @i < {rows} BEGIN "
                           "INSERT k VALUES (REPLICATE('k', @i % 500)); SET @i += 1 END; COMMIT")


def move(quired, statement):
    with connect_patiently(quired, "master") as master:
        master.execute(statement)
    wait_over(quired)
    with connect_patiently(quired, "master") as master:
        return master.execute(HISTORY.format("d"))[0]


class Moves(unittest.TestCase):
    def check_rows(self, quired, writers):
        with connect_patiently(quired, "d") as connection:
            for writer in writers:
                rows = [row[0] for row in connection.execute(
                    f"SELECT n FROM t WHERE w = {writer.no}")]
                self.assertEqual(len(rows), len(set(rows)), "a row is there twice")
                self.assertLessEqual(writer.acknowledged, set(rows))
                self.assertLessEqual(set(rows), set(range(1, writer.next + 1)))

    def stop(self, writers):
        for writer in writers:
            writer.stopping = True
        for writer in writers:
            writer.join()
            self.assertIsNone(writer.trouble)

    def test_there_and_back_while_it_is_written(self):
        with server.Server(announced=ANNOUNCED) as quired:
            make(quired, rows=4000)
            writers = [Writer(quired, no) for no in range(WRITERS)]
            for statement, objective in (TO_HYPER, TO_FILES, TO_HYPER):
                before = sum(len(w.acknowledged) for w in writers)
                wait_for(lambda: sum(len(w.acknowledged) for w in writers) > before + 50)
                self.assertEqual(move(quired, statement), ("ALTER DATABASE", "COMPLETED", 100, 0))
                with quired.connect() as master:
                    self.assertEqual(master.execute(WHERE)[0][0], objective)
            after = sum(len(w.acknowledged) for w in writers)
            wait_for(lambda: sum(len(w.acknowledged) for w in writers) > after + 50)
            self.stop(writers)
            self.check_rows(quired, writers)
            with quired.connect("d") as connection:
                self.assertEqual(connection.execute("SELECT COUNT(*), MIN(id) FROM k"), [(4000, 1)])
                self.assertGreater(connection.execute(
                    "INSERT k OUTPUT inserted.id VALUES ('new')")[0][0], 4000)

    def kill_in(self, kind, step, victim):
        quired = server.Server(announced=MORE).start()
        try:
            make(quired)
            if kind == "reverse-migrate":
                move(quired, TO_HYPER[0])
            writers = [Writer(quired, no) for no in range(2)]
            wait_for(lambda: all(w.acknowledged for w in writers))
            mark = len(quired.log)
            statement, objective = TO_HYPER if kind == "migrate" else TO_FILES
            line = re.compile(rf'ev=operation_step kind="{kind}" step="{step}"')
            with quired.connect() as master:
                master.execute(statement)
                wait_for(lambda: any(line.search(text) for text in quired.log[mark:]))
                if victim != "supervisor":
                    wait_for(lambda: quired.role_pid(victim) != 0)
                os.kill(quired.pid if victim == "supervisor" else quired.role_pid(victim),
                        signal.SIGKILL)
            if victim == "supervisor":
                quired.kill()
                quired.start()
            wait_over(quired)
            with connect_patiently(quired, "master") as master:
                done = master.execute(HISTORY.format("d"))[0]
                self.assertIn(done[1], ("COMPLETED", "FAILED"))
                if done[1] == "COMPLETED":
                    self.assertEqual(master.execute(WHERE)[0][0], objective)
            known = [len(w.acknowledged) for w in writers]
            wait_for(lambda: all(len(w.acknowledged) > k for w, k in zip(writers, known)))
            self.stop(writers)
            self.check_rows(quired, writers)
            quired.stop()
            return done[1]
        finally:
            quired.kill()
            quired.remove()

    def test_killed_in_any_step_it_goes_on(self):
        """With --all in each step, and of the processes that take part, too; else of the supervisor where it
        is closest."""
        kinds = tables()
        victims = ("supervisor", "shared", "page", "log") if ALL else ("supervisor",)
        few = {("migrate", "cutover"), ("reverse-migrate", "switch")}
        completed = 0
        for kind in ("migrate", "reverse-migrate"):
            for step in kinds[kind]:
                for victim in victims:
                    if not ALL and (kind, step) not in few:
                        continue
                    with self.subTest(kind=kind, step=step, victim=victim):
                        completed += self.kill_in(kind, step, victim) == "COMPLETED"
        self.assertGreater(completed, 0)


@unittest.skipUnless(ALL, "takes long: with --all only")
class Backups(unittest.TestCase):
    def test_only_the_current_tier_and_the_one_before_can_be_restored(self):
        """The six steps of the article: what is left are the backups of the fifth and the sixth."""
        business = ("ALTER DATABASE d MODIFY (EDITION = 'BusinessCritical', SERVICE_OBJECTIVE = 'BC_Gen5_2')",
                    "BC_Gen5_2")
        with server.Server() as quired:
            make(quired)
            deadline = time.monotonic() + 60 * server.SLOWNESS
            while full_backups(quired) < 1:  # no moment before the first can be restored
                self.assertLess(time.monotonic(), deadline, "no backup was taken")
                time.sleep(0.05)
            moments, second = [], None
            for place, step in enumerate((None, TO_HYPER, TO_FILES, business, TO_HYPER, TO_FILES), 1):
                if step is not None:
                    self.assertEqual(move(quired, step[0])[1], "COMPLETED")
                with connect_patiently(quired, "d") as connection:
                    connection.execute(f"INSERT t VALUES (0, {place}, '')")
                moments.append(utc(time.time()))
                if place == 2:
                    second = self.restored(quired, moments, 1)
                    self.assertEqual(self.restored(quired, moments, 2), "HS_Gen5_2")
            self.assertEqual(second, "GP_Gen5_2")
            for place in (1, 2, 3, 4):
                self.assertIn("40653", self.restore(quired, moments, place, ok=False))
            self.assertEqual(self.restored(quired, moments, 5, "late"), "HS_Gen5_2")
            drop(quired, "d")
            self.assertIn("40653", self.restore(quired, moments, 4, "gone", ok=False, more=["--deleted"]))
            self.assertEqual(self.restored(quired, moments, 5, "gone", more=["--deleted"]), "HS_Gen5_2")
            self.assertEqual(self.restored(quired, [*moments, moments[5]], 6, "last", more=["--deleted"]),
                             "GP_Gen5_2")

    def restore(self, quired, moments, place, prefix="then", ok=True, more=()):
        return quire(quired, "restore", "--name", "d", "--dest-name", f"{prefix}{place}", "--time",
                     moments[place - 1], *more, ok=ok)

    def restored(self, quired, moments, place, prefix="then", more=()):
        self.restore(quired, moments, place, prefix, more=more)
        with connect_patiently(quired, f"{prefix}{place}") as connection:
            self.assertEqual([row[0] for row in connection.execute("SELECT n FROM t ORDER BY n")],
                             list(range(1, place + 1)))
            return connection.execute(
                "SELECT CAST(DATABASEPROPERTYEX(DB_NAME(), 'ServiceObjective') AS varchar(20))")[0][0]


class Rules(unittest.TestCase):
    def test_what_is_not_possible_is_refused_at_once(self):
        with server.Server() as quired, quired.connect() as master:
            master.execute("CREATE DATABASE born (EDITION = 'Hyperscale')")
            born = master.batch("ALTER DATABASE born MODIFY (EDITION = 'GeneralPurpose', "
                                "SERVICE_OBJECTIVE = 'GP_Gen5_2')").errors
            self.assertEqual([e.number for e in born], [45305])
            self.assertIn("it was created in the Hyperscale service tier", born[0].text)
            make(quired)
            self.assertEqual(number(master, "ALTER DATABASE d MODIFY (EDITION = 'Hyperscale')"), [45305])
            self.assertEqual(move(quired, TO_HYPER[0])[1], "COMPLETED")
            self.assertEqual(master.execute(WHERE), [("HS_Gen5_2", -1)])
            refused = master.batch("ALTER DATABASE d MODIFY (EDITION = 'BusinessCritical', "
                                   "SERVICE_OBJECTIVE = 'BC_Gen5_2')").errors
            self.assertIn("General Purpose", refused[0].text)
            self.assertEqual(number(master, TO_FILES[0].replace(")", ", MAXSIZE = 5000 GB)")), [40619])
            master.execute("ALTER DATABASE d ADD SECONDARY ON SERVER server01 "
                           "WITH (SECONDARY_TYPE = Named, DATABASE_NAME = n)")
            wait_over(quired)
            self.assertIn("named replica 'n'", master.batch(TO_FILES[0]).errors[0].text)
            self.assertEqual(number(master, TO_FILES[0]), [45305])

    @unittest.skipUnless(ALL, "takes long: with --all only")
    def test_a_size_holds_what_there_is_and_is_the_largest_if_none_is_said(self):
        with server.Server() as quired, quired.connect() as master:
            make(quired)
            move(quired, TO_HYPER[0])
            self.assertEqual(move(quired, TO_FILES[0])[1], "COMPLETED")
            self.assertEqual(master.execute(WHERE), [("GP_Gen5_2", 1 << 40)])
            move(quired, TO_HYPER[0])
            self.assertEqual(move(quired, TO_FILES[0].replace(")", ", MAXSIZE = 200 GB)"))[1],
                             "COMPLETED")
            self.assertEqual(master.execute(WHERE), [("GP_Gen5_2", 200 << 30)])
            move(quired, TO_HYPER[0])
            self.assertEqual(move(quired, TO_FILES[0].replace("GP_Gen5_2", "GP_S_Gen5_2"))[1],
                             "COMPLETED")
            self.assertEqual(master.execute(WHERE)[0][0], "GP_S_Gen5_2")
            with quired.connect("d") as connection:
                connection.execute("CREATE TABLE l (a char(8000)); DECLARE @i int = 0; BEGIN TRAN; "
                                   "WHILE @i < 14000 BEGIN INSERT l VALUES (REPLICATE('x', 8000)); "
                                   "SET @i += 1 END; COMMIT")
            self.assertEqual(number(master, "ALTER DATABASE d MODIFY (EDITION = 'Standard', "
                                            "SERVICE_OBJECTIVE = 'S3', MAXSIZE = 100 MB)"), [45305])


if __name__ == "__main__":
    unittest.main()
