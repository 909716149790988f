"""Roles on another machine: the commands of docs/machines.md, with two loopback addresses for the two
machines, under load, with every kind of death, and with certificates that will not do."""
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import server
import tds
from test_monitoring import TOKEN, scrape
from test_replicas import wait_for, wait_log
from test_roles import (ALL, ANNOUNCED, CREATE, GONE, PATIENCE, Load, connect_patiently,
                        drop)

ROUNDS = 20 if ALL else 3
DOCS = os.path.join(server.ROOT, "docs", "machines.md")
AWAY = ANNOUNCED + ("database_not_opened", "fatal", "not_started", "machine_lost")


def free_port(count):
    """The first of some in a row that nobody uses on either address."""
    for first in range(20000 + os.getpid() % 5000, 32000):
        try:
            for port in range(first, first + count):
                for host in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
                    with socket.socket() as probe:
                        probe.bind((host, port))
            return first
        except OSError:
            pass
    raise AssertionError("no port is free")


class Role:
    """A role that somebody starts on the other machine."""

    def __init__(self, words):
        self.words, self.log, self.process = words, [], None

    def start(self):
        self.process = subprocess.Popen([server.program(), *self.words], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        server.running.add(self.process)
        threading.Thread(target=self.read, args=(self.process.stderr,), daemon=True).start()

    def read(self, stream):
        for line in stream:
            self.log.append(line.decode("utf-8", "replace"))

    def end(self, number=signal.SIGTERM):
        """Its exit status."""
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        server.running.discard(self.process)
        return code

    def ends_by_itself(self):
        code = self.process.wait(PATIENCE)
        wait_for(lambda: any("ev=not_started" in line for line in self.log))
        server.running.discard(self.process)
        return code


class World:
    """The commands of the page with this test's places in them."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="quire-test-")
        self.port = free_port(6)
        with open(DOCS, encoding="utf-8") as file:
            blocks = re.findall(r"```sh\n(.*?)```", file.read(), re.S)
        (self.service_line, made, started, made_node, self.node_line, self.primary_line,
         self.replica_line) = blocks
        self.add_line, self.copy_line = made.splitlines()
        log, page = started.splitlines()
        self.node_add_line, self.node_copy_line = made_node.splitlines()
        options = self.words(self.service_line)[1:]
        data = options.index("--data-dir")
        token = os.path.join(self.folder, "metrics-token")
        with open(token, "w", encoding="ascii") as file:
            file.write(TOKEN)
        self.quired = server.Server(*options[:data], *options[data + 2:], "--metrics-token-file", token,
                                    data_dir=options[data + 1], announced=AWAY)
        self.log, self.page = Role(self.words(log)[1:]), Role(self.words(page)[1:])

    def words(self, line):
        line = re.sub(r"10\.0\.0\.[23]:/", "/", line)
        for where in ("/var/lib/", "/srv/", "/etc/"):
            line = line.replace(where, self.folder + "/")
        line = re.sub(r"10\.0\.0\.([123])", rf"127.0.0.\1:{self.port}", line)
        return shlex.split(line)

    def add(self, line=None, **changed):
        words = self.words(line or self.add_line)
        for name, value in changed.items():
            words[words.index("--" + name) + 1] = value
        return subprocess.run([server.program("quire"), *words[1:]], cwd=self.folder,
                              capture_output=True, text=True, check=False)

    def bring(self, line=None):
        os.makedirs(os.path.join(self.folder, "quire"), exist_ok=True)
        words = self.words(line or self.copy_line)
        shutil.copy(os.path.join(self.folder, words[1]), words[2])

    def start(self):
        self.quired.start()
        made = self.add()
        if made.returncode != 0:
            raise AssertionError(made.stderr)
        self.bring()
        self.log.start()
        self.page.start()
        return self

    def up(self):
        """What the service says of those on other machines."""
        status, _, text = scrape(self.quired.https_port, TOKEN)
        if status != 200:
            raise AssertionError(f"/metrics is answered with {status}: {text}")
        return {name: int(value) for name, value in
                re.findall(r'^quire_machine_up\{name="([^"]*)",address="tcp:[^"]*"\} ([01])$', text, re.M)}

    def end(self, test):
        self.quired.stop()
        test.assertEqual(self.log.end(), 0)
        test.assertEqual(self.page.end(), 0)
        shutil.rmtree(self.folder)


def refused(host, port, sent):
    """Bytes in clear: the connection ends, and what came before that is no frame of ours."""
    with socket.create_connection((host, port), timeout=PATIENCE) as connection:
        connection.sendall(sent)
        got = b""
        try:
            while data := connection.recv(4096):
                got += data
        except ConnectionError:
            pass
        return b"QRRP" not in got and len(got) < 64  # a TLS alert at most


class Machines(unittest.TestCase):
    def test_log_and_pages_live_on_another_machine_and_lose_nothing_when_killed(self):
        world = World().start()
        quired = world.quired
        with quired.connect() as master:
            master.execute(CREATE.format("h"))
        self.assertEqual(quired.role_pid("log"), 0)
        self.assertEqual(quired.role_pid("page"), 0)
        with quired.connect("h") as connection:
            connection.execute("CREATE TABLE kept (writer int NOT NULL, seq int NOT NULL, "
                               "filler varchar(200), PRIMARY KEY (writer, seq))")
        load = Load(quired, "h")
        for _ in range(ROUNDS):
            for role in (world.log, world.page):
                load.wait_commits(20, time.monotonic())
                role.end(signal.SIGKILL)
                time.sleep(0.2)
                role.start()
                load.wait_commits(20, time.monotonic())
                load.verify(self)
        load.end()
        load.verify(self)
        # the service's machine dies; the others stay, and hold what was acknowledged
        quired.kill()
        quired.start()
        load.verify(self)
        with connect_patiently(quired, "h") as connection:
            connection.execute("INSERT kept VALUES (-1, 1, 'after')")
        # everything is off, and the service is the first that is back
        quired.kill()
        world.log.end(signal.SIGKILL)
        world.page.end(signal.SIGKILL)
        quired.start()
        world.page.start()
        time.sleep(0.5)
        world.log.start()
        with connect_patiently(quired, "h") as connection:
            self.assertEqual(connection.execute("SELECT filler FROM kept WHERE writer = -1"),
                             [("after",)])
            self.assertEqual(connection.batch("DBCC CHECKDB WITH NO_INFOMSGS").errors, [])
        world.end(self)

    def test_who_has_the_wrong_certificate_or_none_is_refused(self):
        world = World().start()
        quired = world.quired
        with quired.connect() as master:
            master.execute(CREATE.format("h"))
        for port, host in ((world.port, "127.0.0.1"), (world.port + 1, "127.0.0.2"),
                           (world.port + 2, "127.0.0.2")):
            for sent in (b"QRRP" + bytes(60), b"GET / HTTP/1.1\r\n\r\n", bytes(100)):
                self.assertTrue(refused(host, port, sent), (port, sent))
        # a page server's file does not make a log service
        self.assertEqual(world.add(role="page", output="page.join").returncode, 0)
        path = os.path.join(world.folder, "page.join")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        words = [path if word.endswith("b.join") else word for word in world.log.words]
        wrong = Role(words)
        wrong.words[wrong.words.index("--data-dir") + 1] = world.folder + "/wrong"
        wrong.start()
        self.assertEqual(wrong.ends_by_itself(), 1)
        # another service's file, with the address of this one
        other = World()
        other.quired.start()
        self.assertEqual(other.add().returncode, 0)
        with open(os.path.join(other.folder, "b.join"), encoding="ascii") as file:
            text = file.read()
        with open(path, "w", encoding="ascii") as file:
            file.write(text.replace(f":{other.port}\n", f":{world.port}\n"))
        wrong = Role([path if word.endswith("b.join") else word for word in world.page.words])
        wrong.words[wrong.words.index("--data-dir") + 1] = world.folder + "/wrong"
        wrong.start()
        wait_for(lambda: any("ev=waits_for_control" in line for line in wrong.log))
        self.assertNotEqual(wrong.end(), 0)
        wait_log(quired, "ev=asker_refused")
        other.quired.stop()
        shutil.rmtree(other.folder)
        for changed, want in (({"role": "control"}, 2), ({"role": "log,gateway"}, 2),
                              ({"name": "a b", "output": "x"}, 1), ({}, 1)):  # b.join is there
            self.assertEqual(world.add(**changed).returncode, want, changed)
        with connect_patiently(quired, "h") as connection:
            connection.execute("CREATE TABLE t (a int)")
        world.end(self)


    def test_a_named_replica_is_served_on_another_machine(self):
        world = World().start()
        quired = world.quired
        master = quired.connect()
        master.execute(CREATE.format("shop"))
        with quired.connect("shop") as primary:
            primary.execute("CREATE TABLE t (a int NOT NULL PRIMARY KEY, b varchar(8000))")
            primary.execute("INSERT t VALUES (1, 'one')")
            master.execute("ALTER DATABASE shop ADD SECONDARY ON SERVER server01 WITH "
                           "(SECONDARY_TYPE = Named, DATABASE_NAME = [shop_reports])")
            stays = quired.connect("shop_reports")  # here, so far
            stays.execute("SELECT a INTO #mine FROM t")
            self.assertEqual(world.add(world.node_add_line).returncode, 0)
            world.bring(world.node_copy_line)
            node = Role(world.words(world.node_line)[1:])
            node.start()
            wait_log(quired, 'machine="c"')
            self.assertEqual(stays.execute("SELECT a FROM #mine"), [(1,)])  # it went along
            stays.close()
            for encrypt in (tds.ENCRYPT_ON, tds.ENCRYPT_OFF):
                with quired.connect("shop_reports", encrypt=encrypt) as replica:
                    self.assertEqual(replica.execute("SELECT b, DB_NAME() FROM t WHERE a = 1"),
                                     [("one", "shop_reports")])
                    self.assertEqual([e.number for e in replica.batch("DELETE t").errors], [3906])
                    primary.execute(f"INSERT t VALUES ({encrypt + 10}, REPLICATE('x', 8000))")
                    wait_for(lambda: replica.execute(
                        f"SELECT LEN(b) FROM t WHERE a = {encrypt + 10}") == [(8000,)])
                    rows = replica.execute("SELECT a.value, REPLICATE('y', 4000) FROM "
                                           "GENERATE_SERIES(1, 400) a")  # more than is on the way
                    self.assertEqual([len(row[1]) for row in rows], [4000] * 400)
                    self.assertEqual(replica.execute("SELECT name FROM sys.databases"),
                                     [("master",), ("shop_reports",)])  # asked of control
                    text = "z" * 500000  # and so is a large request
                    self.assertEqual(replica.execute(f"SELECT LEN('{text}')"), [(500000,)])
            wait_for(lambda: sum(" ev=login " in line for line in node.log) == 2 and
                     sum(" ev=session_taken " in line for line in node.log) == 1)
            # the machine dies in the middle of a session: the service serves the replica itself
            replica = quired.connect("shop_reports")
            node.end(signal.SIGKILL)
            with self.assertRaises(GONE):
                replica.execute("SELECT 1")
            with connect_patiently(quired, "shop_reports") as replica:
                self.assertEqual(replica.execute("SELECT b FROM t WHERE a = 1"), [("one",)])
            wait_log(quired, "ev=machine_lost")
            mark = len(quired.log)
            logins = sum(" ev=login " in line for line in node.log)
            node.start()
            wait_for(lambda: any('machine="c"' in line for line in quired.log[mark:]))
            with connect_patiently(quired, "shop_reports") as replica:
                self.assertEqual(replica.execute("SELECT b FROM t WHERE a = 1"), [("one",)])
            wait_for(lambda: sum(" ev=login " in line for line in node.log) > logins)
            if ALL:
                self.takes_turns_with_an_ha_replica(quired, master, node)
            # the machine stands still, and that of the page server, which ends no connection
            with connect_patiently(quired, "shop_reports") as replica:
                self.assertEqual(replica.execute("SELECT b FROM t WHERE a = 1"), [("one",)])
                mark, begun = len(quired.log), time.monotonic()
                for role in (node, world.page):
                    server.stand_still(role.process.pid)
                self.assertEqual([e.number for e in replica.batch("SELECT b FROM t").errors], [40197])
            for name in ("hs-6", "page"):
                wait_for(lambda name=name: any(f'ev=machine_lost node="{name}"' in line
                                               for line in quired.log[mark:]))
            self.assertEqual(world.up(), {"log": 1, "page": 0, "hs-6": 0})
            world.page.process.send_signal(signal.SIGCONT)
            with quired.connect("shop_reports") as replica:  # at once, without a refusal
                self.assertEqual(replica.execute("SELECT b FROM t WHERE a = 1"), [("one",)])
            self.assertLess(time.monotonic() - begun, 20 * server.SLOWNESS)
            node.process.send_signal(signal.SIGCONT)
            for name in ("hs-6", "page"):
                wait_for(lambda name=name: any(" ev=ready " in line and f'name="{name}"' in line and
                                               "machine=" in line for line in quired.log[mark:]))
            self.assertEqual(world.up(), {"log": 1, "page": 1, "hs-6": 1})
            # the service's gateway dies: the sessions that it relayed end, and the node goes on
            os.kill(quired.role_pid("gateway"), signal.SIGKILL)
            with connect_patiently(quired, "shop_reports") as replica:
                self.assertEqual(replica.execute("SELECT b FROM t WHERE a = 1"), [("one",)])
        drop(quired, "shop_reports")
        self.assertEqual(node.process.wait(PATIENCE), 0)
        server.running.discard(node.process)
        master.close()
        world.end(self)

    def takes_turns_with_an_ha_replica(self, quired, master, node):
        """It is on the service's machine, serves while the other one is away, and gives way to it."""
        master.execute("ALTER DATABASE shop_reports MODIFY (HA_REPLICAS = 1)")
        wait_log(quired, 'ev=ready name="hs-6-r1"')
        node.end(signal.SIGKILL)
        wait_log(quired, 'ev=primary_lost node="hs-6" next="hs-6-r1"')
        with connect_patiently(quired, "shop_reports") as replica:
            self.assertEqual(replica.execute("SELECT b FROM t WHERE a = 1"), [("one",)])
        wait_log(quired, 'ev=promoted node="hs-6-r1"')
        logins, starts = (sum(" ev=login " in line for line in node.log),
                          sum('ev=ready name="hs-6-r1"' in line for line in quired.log))
        node.start()
        wait_log(quired, 'ev=promoted node="hs-6"')
        with connect_patiently(quired, "shop_reports") as replica:
            self.assertEqual(replica.execute("SELECT b FROM t WHERE a = 1"), [("one",)])
        wait_for(lambda: sum(" ev=login " in line for line in node.log) > logins)
        wait_for(lambda: sum('ev=ready name="hs-6-r1"' in line for line in list(quired.log)) > starts)
        master.execute("ALTER DATABASE shop_reports MODIFY (HA_REPLICAS = 0)")


if __name__ == "__main__":
    unittest.main()
