"""Processes that die: Hyperscale databases made, used and dropped, and every role killed under load.

Writers insert numbered rows one by one, half of them through a gateway's relay, and keep a ledger: what
was acknowledged must be there ever after, what was under way may be there or not, and nothing else. A
reader scans more than the cache holds. The
time of a failure is that from the kill to the acknowledgement of a commit that was sent after it.

QUIRE_TEST_SEED replays the choices, not the scheduling.
"""
import glob
import os
import random
import signal
import statistics
import subprocess
import tempfile
import threading
import time
import unittest

import server
import tds

ALL = bool(os.environ.get("QUIRE_TEST_ALL"))
ROUNDS = 100 if ALL else 6
WRITERS = 4
PATIENCE = 60 * server.SLOWNESS
GONE = (tds.Closed, tds.ProtocolError, OSError)
# what a client may be told while its database moves: not available, the connection is over
TRANSIENT = {40613, 40197, 596, 18456}
CREATE = "CREATE DATABASE {} (EDITION = 'Hyperscale', SERVICE_OBJECTIVE = 'HS_Gen5_2')"
BIG_ROWS = 3000
SCAN = "SELECT COUNT(*), SUM(CAST(LEN(b) AS bigint)) FROM big"
# a process that was killed is a warning; its successor may find the wreckage of a call
ANNOUNCED = ("child_ended", "primary_lost")


def drop(quired, name):
    """Asks again while another operation on it goes on, such as the making of a replica anew."""
    deadline = time.monotonic() + PATIENCE
    with quired.connect() as master:
        reply = master.batch(f"DROP DATABASE [{name}]")
        while [e.number for e in reply.errors] == [45182] and time.monotonic() < deadline:
            reply = master.batch(f"DROP DATABASE [{name}]")
        reply.check()


def make_big(connection):
    """More than the least cache holds."""
    connection.execute("CREATE TABLE big (a int NOT NULL PRIMARY KEY, b char(4000))")
    for start in range(0, BIG_ROWS, 500):
        connection.execute(
            f"DECLARE @i int = {start}; BEGIN TRAN; WHILE @i < {start + 500} BEGIN "
            "INSERT big VALUES (@i, REPLICATE('x', 3000)); SET @i += 1 END; COMMIT")


def connect_patiently(quired, database, **more):
    """As an application does: again after what is transient."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return quired.connect(database, timeout=PATIENCE, **more)
        except tds.Failed as failed:
            if not {m.number for m in failed.messages} <= TRANSIENT:
                raise
        except GONE:
            pass
        time.sleep(0.005)
        if time.monotonic() > deadline:
            raise AssertionError(f"no login to {database} within {PATIENCE} s")


def runs(pid):
    """A process whose new parent has not looked at its end yet does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


class Writer(threading.Thread):
    def __init__(self, load, number):
        super().__init__(daemon=True)
        self.load, self.number = load, number
        self.acknowledged, self.open = set(), set()  # open: nobody told how it ended
        self.seq = 0
        self.failure = None
        self.encrypt = tds.ENCRYPT_ON if number % 2 else tds.ENCRYPT_OFF

    def run(self):
        try:
            while not self.load.over:
                self.work()
        except Exception as error:  # shown by the main thread
            self.failure = error
            self.load.note(None, None)

    def work(self):
        with connect_patiently(self.load.quired, self.load.database,
                               encrypt=self.encrypt) as connection:
            while not self.load.over:
                self.seq += 1
                sent = time.monotonic()
                self.open.add(self.seq)
                try:
                    reply = connection.batch(
                        f"INSERT kept VALUES ({self.number}, {self.seq}, REPLICATE('x', 200))")
                except GONE:
                    return
                if reply.errors:
                    numbers = {error.number for error in reply.errors}
                    if not numbers <= TRANSIENT:
                        raise AssertionError(f"an insert ended with {reply.errors}")
                    return
                self.open.remove(self.seq)
                self.acknowledged.add(self.seq)
                self.load.note(sent, time.monotonic())


class Reader(threading.Thread):
    """Scans what fits no cache, so that pages come from the page server in the middle of everything."""

    def __init__(self, load):
        super().__init__(daemon=True)
        self.load = load
        self.scans = 0
        self.failure = None

    def run(self):
        try:
            while not self.load.over:
                self.work()
        except Exception as error:  # shown by the main thread
            self.failure = error
            self.load.note(None, None)

    def work(self):
        with connect_patiently(self.load.quired, self.load.database) as connection:
            while not self.load.over:
                try:
                    reply = connection.batch(SCAN)
                except GONE:
                    return
                if reply.errors:
                    if not {error.number for error in reply.errors} <= TRANSIENT:
                        raise AssertionError(f"a scan ended with {reply.errors}")
                    return
                rows = [event for kind, event in reply.events if kind == "row"]
                if [tuple(row) for row in rows] != [(BIG_ROWS, BIG_ROWS * 3000)]:
                    raise AssertionError(f"a scan gave {rows}")
                self.scans += 1


class Load:
    def __init__(self, quired, database, scans=False):
        self.quired, self.database = quired, database
        self.over = False
        self.changed = threading.Condition()
        self.commits = []  # (sent, acknowledged)
        self.writers = [Writer(self, number) for number in range(WRITERS)]
        self.reader = Reader(self)
        self.clients = self.writers + [self.reader] * scans
        for client in self.clients:
            client.start()

    def note(self, sent, acknowledged):
        with self.changed:
            if sent is not None:
                self.commits.append((sent, acknowledged))
            self.changed.notify_all()

    def check(self):
        for client in self.clients:
            if client.failure:
                raise client.failure

    def wait_commits(self, count, since=0.0):
        """The moment of the count-th commit that was sent after `since`."""
        def later():
            return [done for sent, done in self.commits[-1000:] if sent >= since]
        with self.changed:
            good = self.changed.wait_for(
                lambda: len(later()) >= count or any(client.failure for client in self.clients),
                PATIENCE)
            self.check()
            if not good:
                raise AssertionError(f"{count} commits did not come within {PATIENCE} s")
            return sorted(later())[count - 1]

    def verify(self, test):
        """Every writer's rows, while they go on: what was acknowledged before the question is there."""
        before = [set(writer.acknowledged) for writer in self.writers]
        with connect_patiently(self.quired, self.database) as connection:
            rows = connection.execute("SELECT writer, seq FROM kept")
        found = [set() for _ in self.writers]
        for number, seq in rows:
            found[number].add(seq)
        for number, writer in enumerate(self.writers):
            test.assertEqual(before[number] - found[number], set(), "acknowledged commits are lost")
            test.assertLessEqual(found[number], set(range(1, writer.seq + 1)), "rows nobody wrote")

    def end(self):
        self.over = True
        for client in self.clients:
            client.join(PATIENCE)
        self.check()


class Hyperscale(unittest.TestCase):
    def test_a_database_is_made_used_and_dropped(self):
        with server.Server() as quired, quired.connect() as master:
            master.execute(CREATE.format("h"))
            self.assertEqual([e.number for e in master.batch(CREATE.format("H")).errors], [1801])
            with quired.connect("h") as connection:
                connection.execute("CREATE TABLE t (a int NOT NULL PRIMARY KEY, b varchar(8000))")
                connection.execute("BEGIN TRAN; INSERT t VALUES (1, 'kept'); COMMIT")
                connection.execute("BEGIN TRAN; INSERT t VALUES (2, 'not'); ROLLBACK")
                self.assertEqual(connection.execute("SELECT a, b FROM t"), [(1, "kept")])
                self.assertEqual(
                    connection.execute("SELECT DATABASEPROPERTYEX('h', 'Edition'), "
                                       "DATABASEPROPERTYEX('h', 'ServiceObjective'), "
                                       "DATABASEPROPERTYEX('h', 'MaxSizeInBytes')"),
                    [("Hyperscale", "HS_Gen5_2", -1)])
                self.assertEqual(
                    connection.batch("DBCC CHECKDB WITH NO_INFOMSGS").errors, [])
            idle = quired.connect("h")
            idle.execute("BEGIN TRAN; INSERT t VALUES (3, 'not')")
            for text, number in (
                    ("ALTER DATABASE h MODIFY (EDITION = 'GeneralPurpose')", 45305),
                    ("CREATE DATABASE x (EDITION = 'Hyperscale', MAXSIZE = 32 GB)", 40619)):
                self.assertEqual([e.number for e in master.batch(text).errors], [number], text)
            self.assertNotEqual(quired.role_pid("shared"), quired.role_pid("hs-5"))
            drop(quired, "h")
            # ended as KILL does; the gateway tells it unless the process is gone with the reason
            self.assertIn([e.number for e in idle.batch("SELECT 1").errors], ([596], [40197]))
            idle.close()
            self.assertEqual(master.execute("SELECT name FROM sys.databases"), [("master",)])
            self.assertEqual(glob.glob(os.path.join(quired.data_dir, "run", "hs-*")), [])
            with self.assertRaises(tds.Failed) as failure:
                quired.connect("h")
            self.assertEqual([m.number for m in failure.exception.messages], [4060, 18456])
            master.execute(CREATE.format("h"))  # the name is free, and the database is another one
            with quired.connect("h") as connection:
                self.assertEqual(connection.execute("SELECT COUNT(*) FROM sys.tables"), [(0,)])

    def test_it_survives_a_stop_and_a_kill_of_everything(self):
        quired = server.Server().start()
        with quired.connect() as master:
            for name in ("one", "two"):
                master.execute(CREATE.format(name))
            master.execute("CREATE DATABASE files")
        for name in ("one", "two", "files"):
            with quired.connect(name) as connection:
                connection.execute(f"CREATE TABLE t (a varchar(10)); INSERT t VALUES ('{name}')")
        quired.restart()
        for name in ("one", "two", "files"):
            with quired.connect(name) as connection:
                self.assertEqual(connection.execute("SELECT a FROM t"), [(name,)])
                connection.execute("INSERT t VALUES ('again')")
        quired.kill()
        quired.start()
        for name in ("two", "one", "files"):
            with quired.connect(name) as connection:
                self.assertEqual(connection.execute("SELECT COUNT(*) FROM t"), [(2,)])
        quired.stop()
        quired.remove()

    def test_data_larger_than_its_cache_comes_from_page_servers(self):
        with server.Server("--cache-mib", "8") as quired, quired.connect() as master:
            master.execute(CREATE.format("h"))
            with quired.connect("h", timeout=PATIENCE) as connection:
                make_big(connection)
                for _ in range(2):
                    self.assertEqual(connection.execute(SCAN), [(BIG_ROWS, BIG_ROWS * 3000)])


class Processes(unittest.TestCase):
    def test_a_crash_of_one_database_is_not_heard_of_in_another(self):
        with server.Server(announced=ANNOUNCED) as quired, quired.connect() as master:
            master.execute(CREATE.format("h"))
            with quired.connect("h") as victim:
                victim.execute("CREATE TABLE t (a int)")
                os.kill(quired.role_pid("hs-5"), signal.SIGKILL)
                with self.assertRaises(GONE):
                    while True:
                        victim.execute("INSERT t VALUES (1)")
            self.assertEqual(master.execute("SELECT DB_NAME()"), [("master",)])
            with connect_patiently(quired, "h") as connection:
                self.assertEqual(connection.execute("SELECT COUNT(*) FROM sys.tables"), [(1,)])

    def test_sessions_without_encryption_outlive_their_gateway(self):
        with server.Server(announced=ANNOUNCED) as quired:
            with quired.connect(encrypt=tds.ENCRYPT_OFF) as session:
                session.execute("CREATE TABLE #mine (a int)")
                os.kill(quired.role_pid("gateway"), signal.SIGKILL)
                session.execute("INSERT #mine VALUES (1)")
                with connect_patiently(quired, "master") as other:
                    self.assertEqual(other.execute("SELECT 1"), [(1,)])
                self.assertEqual(session.execute("SELECT a FROM #mine"), [(1,)])

    def test_sigkill_of_the_supervisor_ends_every_process(self):
        quired = server.Server().start()
        with quired.connect() as master:
            master.execute(CREATE.format("h"))
        with quired.connect("h") as connection:
            connection.execute("SELECT 1")
        pids = quired.pids
        self.assertEqual(len(pids), 7)  # itself, gateway, api, shared, log, page, hs-5
        quired.kill()  # returns when nobody holds the log's pipe any more
        until = time.monotonic() + PATIENCE
        while any(map(runs, pids)) and time.monotonic() < until:
            time.sleep(0.002)  # it closes the pipe a moment before it is no process any more
        self.assertFalse(any(map(runs, pids)), "a process outlives its supervisor")
        quired.start()
        quired.stop()
        quired.remove()

    def test_a_long_path_has_its_sockets_elsewhere_and_leaves_nothing_there(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x" * 80, "y" * 80)
            note = os.path.join(path, "run-elsewhere")
            quired = server.Server(data_dir=path).start()
            with open(note, encoding="ascii") as file:
                first = file.read()
            quired.kill()
            quired.start()
            self.assertFalse(os.path.exists(first))  # of the one that was killed
            with open(note, encoding="ascii") as file:
                second = file.read()
            with quired.connect() as master:
                master.execute(CREATE.format("h"))
            with quired.connect("h") as connection:
                self.assertEqual(connection.execute("SELECT 1"), [(1,)])
            quired.stop()
            self.assertFalse(os.path.exists(second))

    def test_a_role_needs_its_directory(self):
        for args, word in ((["--role", "cook"], "--role"), (["--role", "log"], "--run-dir"),
                           (["--name", "shared"], "--name"),
                           (["--role", "compute", "--run-dir", "x"], "--name"),
                           (["--role", "compute", "--run-dir", "x", "--name", "hs-x"], "--name")):
            done = subprocess.run([server.program(), *args], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  timeout=PATIENCE)
            self.assertEqual(done.returncode, 2, args)
            self.assertIn(word, done.stderr)


class Kills(unittest.TestCase):
    def setUp(self):
        self.seed = int(os.environ.get("QUIRE_TEST_SEED") or random.SystemRandom().getrandbits(32))
        print(f"QUIRE_TEST_SEED={self.seed}", flush=True)
        self.random = random.Random(self.seed)

    def running(self, quired, role):
        """It may still be waiting for its restart; one that only starts is killed too."""
        deadline = time.monotonic() + PATIENCE
        while not (pid := quired.role_pid(role)) or not runs(pid):
            self.assertLess(time.monotonic(), deadline, f"{role} is not started again")
        return pid

    def kill(self, quired, role):
        """The moments of the kill and of the death: until then it may have done something yet."""
        pid = quired.pid if role == "quired" else self.running(quired, role)
        moment = time.monotonic()
        if role == "quired":
            quired.kill()
        else:
            os.kill(pid, signal.SIGKILL)
        while runs(pid):
            self.assertLess(time.monotonic(), moment + PATIENCE)
        death = time.monotonic()
        if role == "quired":
            quired.start()
        return moment, death

    def test_sigkill_of_any_role_loses_nothing_that_was_acknowledged(self):
        self.kill_roles(["hs-5", "log", "page", "gateway", "shared", "quired"])

    def test_nor_does_it_when_replicas_take_over(self):
        self.kill_roles(["hs-5", "hs-5-r1", "hs-5-r2", "page", "log", "quired"], replicas=2)

    def test_nor_does_it_when_processes_stand_still(self):
        """They are there, and do nothing: who answers no question is ended, and comes back."""
        silence_s = int(2 * server.SLOWNESS)
        with server.Server("--node-silence-s", str(silence_s), announced=ANNOUNCED + ("node_silent", "session_lost")) as quired:
            with quired.connect() as master:
                for name in ("h", "files"):
                    master.execute(CREATE.format("h") if name == "h" else "CREATE DATABASE files")
                    with quired.connect(name) as connection:
                        connection.execute("CREATE TABLE kept (writer int NOT NULL, seq int NOT NULL, "
                                           "filler varchar(200), PRIMARY KEY (writer, seq))")
            loads = [Load(quired, "h"), Load(quired, "files")]
            for roles in (["log"], ["page", "hs-5"], ["gateway", "api", "shared"]):
                for load in loads:
                    load.wait_commits(20, time.monotonic())
                pids = {role: self.running(quired, role) for role in roles}
                for pid in pids.values():
                    server.stand_still(pid)
                until = time.monotonic() + silence_s + PATIENCE
                while any(map(runs, pids.values())):
                    self.assertLess(time.monotonic(), until, f"{roles} stand still")
                    time.sleep(0.01)
                for load in loads:
                    load.wait_commits(1, time.monotonic())
                    load.verify(self)
                silent = [line for line in list(quired.log) if "ev=node_silent" in line]
                for role, pid in pids.items():
                    self.assertTrue(any(f'node="{role}" pid={pid}' in line for line in silent), (role, silent))
            for load in loads:
                load.end()
                load.verify(self)

    def kill_roles(self, roles, replicas=0):
        took = {role: [] for role in roles}
        quired = server.Server("--cache-mib", "8", announced=ANNOUNCED).start()
        with quired.connect() as master:
            master.execute(CREATE.format("h"))
        with quired.connect("h", timeout=PATIENCE) as connection:
            make_big(connection)
            if replicas:
                connection.execute(f"ALTER DATABASE h MODIFY (HA_REPLICAS = {replicas})")
            connection.execute("CREATE TABLE kept (writer int NOT NULL, seq int NOT NULL, "
                               "filler varchar(200), PRIMARY KEY (writer, seq))")
        load = Load(quired, "h", scans=True)
        try:
            for number in range(ROUNDS):
                load.wait_commits(self.random.randrange(20, 60), time.monotonic())
                role = roles[number] if number < len(roles) else self.random.choice(roles)
                moment, death = self.kill(quired, role)
                took[role].append(load.wait_commits(1, death) - moment)
                load.verify(self)
            load.end()
            load.verify(self)
        except BaseException:
            print(f"round {number} ({role}) of seed {self.seed}; left in {quired.data_dir}\n"
                  + "".join(quired.log[-30:]), flush=True)
            raise
        for role, times in took.items():
            if times:
                print(f"{role}: {len(times)} kills, next commit after "
                      f"{statistics.median(times) * 1000:.0f} ms median, {max(times) * 1000:.0f} ms max")
        acknowledged = sum(len(writer.acknowledged) for writer in load.writers)
        print(f"{ROUNDS} rounds, {acknowledged} commits acknowledged, {load.reader.scans} scans",
              flush=True)
        self.assertGreater(load.reader.scans, 0)
        quired.stop()
        quired.remove()


if __name__ == "__main__":
    unittest.main()
