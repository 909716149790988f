"""`quired upgrade` puts another program under a running server: clients in the middle of their work notice
nothing, and a program that is no good changes nothing. The other program is the same one in another file,
with bytes behind its end, or with an option's name broken so that one role does not start.
"""
import os
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

import pymssql
import server
import tds
from test_replicas import wait_for
from test_roles import ALL, connect_patiently

HYPER = "(EDITION = 'Hyperscale', SERVICE_OBJECTIVE = 'HS_Gen5_2')"
GENERAL = "(EDITION = 'GeneralPurpose', SERVICE_OBJECTIVE = 'GP_Gen5_2')"


def program_of(pid):
    try:
        return os.path.realpath(f"/proc/{pid}/exe")
    except OSError:
        return ""


class Programs:
    """Other programs, made of ours."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="quire-programs-")
        with open(server.program(), "rb") as file:
            self.ours = file.read()

    def write(self, name, content):
        path = os.path.join(self.dir, name)
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, 0o755)
        return path

    def next(self, name="next"):
        return self.write(name, self.ours + os.fsencode(name))

    def without(self, text):
        """Does not know that text any more, which is an option's name or a word of what is handed over."""
        assert self.ours.count(text + b"\0") > 0, text
        return self.write("without-" + text.decode(), self.ours.replace(text + b"\0", text[:-1] + b"~\0"))

    def remove(self):
        shutil.rmtree(self.dir)


def upgrade(quired, binary):
    return subprocess.run([server.program(), "upgrade", "--data-dir", quired.data_dir, "--binary", binary],
                          capture_output=True, text=True, timeout=300, check=False)


class Client(threading.Thread):
    """Writes numbered rows, and reads all of its own; knows what it has to see."""

    def __init__(self, who, connection, stop):
        super().__init__(daemon=True)
        self.who, self.connection, self.stop = who, connection, stop
        self.count, self.longest, self.failed = 0, 0, None
        self.steps = (self.write, self.transaction, self.read, self.kept)
        self.start()

    def rows(self, sql):
        if isinstance(self.connection, tds.Connection):
            return self.connection.execute(sql)
        cursor = self.connection.cursor()
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []

    def run(self):
        try:
            self.rows("SET DATEFIRST 4; CREATE TABLE #k (v int); INSERT #k VALUES (3)")
            self.handle, = self.rows("DECLARE @h int; EXEC sp_prepare @h OUTPUT, N'@a int', N'SELECT @a + 1'; SELECT @h")[0]
            turn = 0
            while not self.stop.is_set():
                began = time.monotonic()
                self.steps[turn % len(self.steps)]()
                self.longest = max(self.longest, time.monotonic() - began)
                turn += 1
        except Exception as error:  # shown by the main thread
            self.failed = error

    def see(self, sql, want):
        seen = self.rows(sql)
        assert seen == want, f"{sql}: {seen} instead of {want}"

    def write(self):
        self.see(f"SET NOCOUNT ON; INSERT t VALUES ({self.who}, {self.count}); SELECT @@ROWCOUNT", [(1,)])
        self.count += 1

    def transaction(self):
        self.rows(f"BEGIN TRAN; INSERT t VALUES ({self.who}, {self.count})")
        self.see("SELECT @@TRANCOUNT", [(1,)])
        self.rows("COMMIT")
        self.count += 1

    def read(self):
        self.see(f"SELECT COUNT(*), COUNT(DISTINCT n) FROM t WHERE who = {self.who}", [(self.count, self.count)])

    def kept(self):
        self.see("SELECT v, @@DATEFIRST FROM #k", [(3, 4)])
        self.see(f"EXEC sp_execute {self.handle}, {self.count}", [(self.count + 1,)])


class Comers(threading.Thread):
    """New connections, one after the other."""

    def __init__(self, quired, stop):
        super().__init__(daemon=True)
        self.quired, self.stop, self.count, self.failed = quired, stop, 0, None
        self.start()

    def run(self):
        try:
            while not self.stop.is_set():
                with self.quired.connect(("g", "h", "master")[self.count % 3]) as connection:
                    assert connection.execute("SELECT 1") == [(1,)]
                self.count += 1
        except Exception as error:  # shown by the main thread
            self.failed = error


class Base(unittest.TestCase):
    options, announced = (), ()

    @classmethod
    def setUpClass(cls):
        cls.programs = Programs()
        cls.server = server.Server(*cls.options, announced=cls.announced).start()
        with cls.server.connect() as master:
            for name, options in (("g", GENERAL), ("h", HYPER)):
                master.execute(f"CREATE DATABASE {name} {options}")
        for name in ("g", "h"):
            with connect_patiently(cls.server, name) as connection:
                connection.execute("CREATE TABLE t (who int NOT NULL, n int NOT NULL, PRIMARY KEY (who, n))")

    @classmethod
    def tearDownClass(cls):
        try:
            cls.server.stop()
        finally:
            cls.server.kill()
            cls.server.remove()
            cls.programs.remove()

    def clear(self, name):
        """Only the login of it is encrypted: its socket goes to the node."""
        connection = pymssql.connect(server=self.server.host, port=self.server.port, user=server.ADMIN,
                                     password=self.server.password, database=name, autocommit=True)
        self.addCleanup(connection.close)
        return connection

    def relayed(self, name):
        connection = self.server.connect(name)
        self.addCleanup(connection.close)
        return connection

    def running(self):
        """Programs of all processes, by process id."""
        return {pid: program_of(pid) for pid in self.server.pids}

    def wait_running(self, then):
        try:
            wait_for(lambda: self.running() == then)
        except AssertionError:
            self.fail(f"{then} ran before, {self.running()} now:\n" + "".join(list(self.server.log)[-60:]))

    def all_run(self, binary):
        """Retired gateways go when their last connection has gone."""
        wait_for(lambda: set(self.running().values()) <= {binary, ""})
        self.assertEqual(program_of(self.server.pid), binary)


class Upgrade(Base):
    def work(self, turns):
        # names of its own: nobody writes a program that still runs
        programs = [self.programs.next(f"next{i}-of-{turns}") for i in range(2)]
        stop, upgrades, asked = threading.Event(), [], []
        pairs = [(kind, name) for kind in (self.relayed, self.clear) for name in ("g", "h")] * 2
        clients = [Client(who, kind(name), stop) for who, (kind, name) in enumerate(pairs)]
        comers = Comers(self.server, stop)

        def ask():
            """Operations that are asked for meanwhile are carried out."""
            try:
                with self.server.connect() as master:
                    for turn in range(turns):
                        master.execute(f"CREATE DATABASE d{turn} {GENERAL}")
                        master.execute(f"DROP DATABASE d{turn}")
            except Exception as error:  # shown below
                asked.append(error)
        for turn in range(turns):
            before = [client.count for client in clients]
            wait_for(lambda then=before: all(c.failed or c.count > n + 3 for c, n in zip(clients, then)))
            asker = threading.Thread(target=ask) if turn == 0 else None
            if asker:
                asker.start()
            upgrades.append(upgrade(self.server, programs[turn % 2]))
            if asker:
                asker.join(120)
            if upgrades[-1].returncode != 0:
                break
        stop.set()
        for thread in (*clients, comers):
            thread.join(60)
        self.assertEqual([(u.returncode, u.stderr) for u in upgrades], [(0, "")] * turns, upgrades[-1].stdout)
        self.assertEqual([client.failed for client in clients if client.failed], [])
        self.assertEqual((comers.failed, asked), (None, []))
        for client in clients:
            client.connection.close()
        self.all_run(programs[(turns - 1) % 2])
        for name in ("g", "h"):
            with self.server.connect(name) as connection:
                seen = dict(connection.execute("SELECT who, COUNT(*) FROM t GROUP BY who"))
                self.assertEqual(seen, {c.who: c.count for c, (_, own) in zip(clients, pairs) if own == name})
                connection.execute("DELETE t")
        return clients, comers, upgrades

    def test_clients_notice_nothing(self):
        _, _, upgrades = self.work(2)
        for role in ("log", "page", "shared", "api", "gateway"):
            self.assertIn(f"\n{role}: process ", upgrades[-1].stdout)
        self.assertIn("\nhs-", upgrades[-1].stdout)
        self.assertIn("\nsupervisor: ", upgrades[-1].stdout)
        again = upgrade(self.server, program_of(self.server.pid))
        self.assertEqual(again.returncode, 0)
        self.assertIn("already", again.stdout)

    @unittest.skipUnless(ALL, "fifty upgrades: in the full run")
    def test_fifty_upgrades_lose_and_repeat_nothing(self):
        clients, comers, _ = self.work(50)
        print(f"50 upgrades, {sum(c.count for c in clients)} rows, {comers.count} logins, longest request"
              f" {max(c.longest for c in clients) * 1000:.0f} ms")


class Refused(Base):
    announced = ("upgrade_failed", "child_ended", "not_started", "not_handed_over")

    @classmethod
    def tearDownClass(cls):
        """A role that does not know its options says so as a program does that is started by hand."""
        cls.server.log[:] = [line for line in cls.server.log if not line.startswith("quired: no option ")]
        super().tearDownClass()

    def refused(self, binary, *words):
        was = self.running()
        done = upgrade(self.server, binary)
        self.assertEqual(done.returncode, 1, done)
        for word in words:
            self.assertIn(word, done.stdout + done.stderr)
        return was

    def serves(self):
        for name in ("g", "h", "master"):
            with self.server.connect(name) as connection:
                self.assertEqual(connection.execute("SELECT 1"), [(1,)])

    def test_what_cannot_take_over_changes_nothing(self):
        bad = (self.programs.write("empty", b""), self.programs.write("text", b"quired\n"),
               self.programs.write("torn", self.programs.ours[:100000]), "/bin/true", "/bin/false",
               self.programs.without(b"tds-port"), self.programs.dir, self.programs.dir + "/missing")
        for binary in bad:
            with self.subTest(binary=binary):
                was = self.refused(binary, os.path.basename(binary))
                self.wait_running(was)  # what was tried has ended
        self.serves()
        with tempfile.TemporaryDirectory() as empty:
            done = subprocess.run([server.program(), "upgrade", "--data-dir", empty], capture_output=True, text=True,
                                  timeout=60, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("no server serves", done.stderr)

    def test_a_path_that_cannot_be_handed_over_or_opened(self):
        pipe = os.path.join(self.programs.dir, "pipe")
        os.mkfifo(pipe)
        was = self.refused(self.programs.next("next\udcff"), "not UTF-8")
        self.refused(pipe, "it is no file")
        self.assertEqual(self.running(), was)
        self.serves()

    def test_a_role_that_does_not_come_up_leaves_the_old_one(self):
        session, gateway = self.relayed("g"), self.server.role_pid("gateway")
        was = self.refused(self.programs.without(b"gateway-drain-s"), "gateway: ", "ends when it is started")
        # who was replaced beside its successor may still be about to end
        wait_for(lambda: {pid for pid, program in self.running().items() if program == was[gateway]} ==
                 {self.server.pid, gateway})
        self.serves()
        self.assertEqual(session.execute("SELECT 2"), [(2,)])
        self.refused(self.programs.without(b"landing-zone"), "log: ", "ends when it is started")
        self.assertNotIn(self.programs.dir + "/without-landing-zone", self.running().values())
        self.serves()

    def test_a_supervisor_that_cannot_go_on_gives_back(self):
        session = self.relayed("h")
        was = program_of(self.server.pid)
        self.refused(self.programs.without(b"children_lock"), "supervisor: ")
        self.assertEqual(program_of(self.server.pid), was)
        self.serves()
        self.assertEqual(session.execute("SELECT 2"), [(2,)])
        done = upgrade(self.server, self.programs.next("good"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        session.close()
        self.all_run(self.programs.dir + "/good")


class WithoutFile(unittest.TestCase):
    """The file with the administrator's password belongs to the first start only."""

    def test_the_password_file_is_gone(self):
        programs, password = Programs(), "Gone-after-the-1st"
        self.addCleanup(programs.remove)
        path = programs.write("password", password.encode() + b"\n")
        quired = server.Server("--admin-password-file", path).start()
        try:
            os.unlink(path)
            done = upgrade(quired, programs.next())
            self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
            self.assertEqual(program_of(quired.pid), programs.dir + "/next")
            with quired.connect(password=password) as connection:
                self.assertEqual(connection.execute("SELECT 1"), [(1,)])
            quired.stop()
        finally:
            quired.kill()
            quired.remove()


@unittest.skipUnless(ALL, "a server of its own for one option: in the full run")
class Bound(Base):
    options = ("--gateway-drain-s", "1")

    def test_encrypted_connections_end_with_their_time(self):
        idle, busy = self.relayed("g"), self.relayed("g")
        done = upgrade(self.server, self.programs.next())
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        with self.assertRaisesRegex(tds.Failed, "40197"):
            while True:
                busy.execute("SELECT 1")
        with self.assertRaisesRegex(tds.Failed, "40197"):
            idle.execute("SELECT 1")
        self.all_run(self.programs.dir + "/next")


if __name__ == "__main__":
    unittest.main()
