"""What clients read when their database goes to another node. To a node of Hyperscale sessions go along
(test_handoff.py); what still runs when the grace is over, or is in a transaction, is told 40197. To
another tier they do not: whoever asks is told 40197, then the connection is closed. tedious' sessions are
encrypted and relayed by the gateway, which answers for a node that is gone. pymssql's are in clear and the
node's alone: what runs is told why, what is idle just ends with a process.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import unittest

import pymssql
import server
import tds
from test_operations import wait_over
from test_replicas import wait_for
from test_roles import ALL, ANNOUNCED, GONE, connect_patiently
from test_tedious import HERE

FAILOVER = "ALTER DATABASE h FAILOVER"
SCALE = "ALTER DATABASE h MODIFY (SERVICE_OBJECTIVE = 'HS_Gen5_4', RELOCATE = ON)"
MIGRATE = "ALTER DATABASE d MODIFY (EDITION = 'Hyperscale', SERVICE_OBJECTIVE = 'HS_Gen5_2')"
WAIT = "INSERT t VALUES (7); WAITFOR DELAY '00:01:00'"
RUNNING = "SELECT COUNT(*) FROM sys.dm_exec_sessions WHERE status = 'running'"


class Asked(threading.Thread):
    """A request that runs at the cut, and what it is told."""

    def __init__(self, ask):
        super().__init__(daemon=True)
        self.ask, self.told = ask, None
        self.start()

    def run(self):
        self.told = self.ask()


def ask_pymssql(connection, sql="SELECT 1"):
    """Numbers of the errors; [] is an answer without any."""
    try:
        cursor = connection.cursor()
        cursor.execute(sql)
        if cursor.description:
            cursor.fetchall()
    except pymssql.Error as error:
        first = error.args[0]
        return [first[0] if isinstance(first, tuple) else first]
    return []


def ask(connection, sql="SELECT 1"):
    try:
        return [e.number for e in connection.batch(sql).errors]
    except GONE:
        return ["closed"]


class Cut(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = server.Server("--move-grace-ms", "300", announced=ANNOUNCED).start()
        with cls.server.connect() as master:
            master.execute("CREATE DATABASE h (EDITION = 'Hyperscale', SERVICE_OBJECTIVE = 'HS_Gen5_2')")
            master.execute("CREATE DATABASE d")
        for name in ("h", "d"):
            with connect_patiently(cls.server, name) as connection:
                connection.execute("CREATE TABLE t (a int)")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.server.remove()

    def pymssql(self, name):
        connection = pymssql.connect(server=self.server.host, port=self.server.port, user=server.ADMIN,
                                     password=self.server.password, database=name, autocommit=True)
        self.addCleanup(connection.close)
        self.assertEqual(ask_pymssql(connection), [])
        return connection

    def relayed(self, name):
        connection = self.server.connect(name)
        self.addCleanup(connection.close)
        self.assertEqual(ask(connection), [])
        return connection

    def wait_until_they_run(self, name, count):
        with connect_patiently(self.server, name) as connection:
            wait_for(lambda: connection.execute(RUNNING)[0][0] >= count + 1)

    def open(self, name, make, ask):
        """Three sessions: idle, in a transaction, in a request."""
        idle, tran, runs = make(name), make(name), make(name)
        self.assertEqual(ask(tran, "BEGIN TRAN; INSERT t VALUES (6); SELECT COUNT(*) FROM t"), [])
        return idle, tran, Asked(lambda: ask(runs, WAIT))

    def check_told(self, sessions, ask):
        idle, tran, runs = sessions
        runs.join(30)
        self.assertEqual(runs.told, [40197])
        for what, told in (("transaction", ask(tran)), ("idle", ask(idle))):
            with self.subTest(what=what):
                self.assertEqual(told, [40197])

    def check_moved(self, sessions, ask):
        idle, tran, runs = sessions
        runs.join(30)
        self.assertEqual(runs.told, [40197])
        self.assertEqual(ask(tran), [40197])  # once: its transaction is gone, the connection is not
        self.assertEqual(ask(tran, "IF @@TRANCOUNT > 0 OR EXISTS (SELECT * FROM t WHERE a = 6) SELECT 1/0"), [])
        self.assertEqual(ask(idle), [])

    def cut(self, name, statement, moves=False):
        clear = self.open(name, self.pymssql, ask_pymssql)
        relayed = self.open(name, self.relayed, ask)
        self.wait_until_they_run(name, 2)
        with self.server.connect() as master:
            master.execute(statement)
        wait_over(self.server)
        with connect_patiently(self.server, name) as connection:  # it is there again
            connection.execute("SELECT COUNT(*) FROM t")
        if moves:
            self.check_moved(clear, ask_pymssql)
            self.check_moved(relayed, ask)
            return
        self.check_told(clear, ask_pymssql)
        self.check_told(relayed, ask)
        self.assertEqual(ask(relayed[0]), ["closed"])

    def test_kill_ends_a_session_that_asks_for_nothing(self):
        with self.server.connect("d") as killed, self.server.connect("d") as other:
            spid, = killed.execute("BEGIN TRAN; INSERT t VALUES (8); SELECT @@SPID")[0]
            other.execute(f"KILL {spid}")
            other.execute("INSERT t VALUES (9)")  # its lock is gone
            self.assertEqual(ask(killed), [596])
            self.assertEqual(other.execute("SELECT COUNT(*) FROM t WHERE a = 8"), [(0,)])

    @unittest.skipUnless(ALL, "as a scaling: in the full run")
    def test_a_failover(self):
        self.cut("h", FAILOVER, moves=True)

    def test_a_scaling(self):
        self.cut("h", SCALE, moves=True)

    def test_a_migration(self):
        self.cut("d", MIGRATE)

    def nodes(self):
        started = (re.search(r' ev=child_started name="hs-[^"]*" pid=(\d+)', line)
                   for line in list(self.server.log))
        return {int(match[1]) for match in started if match} & set(self.server.pids)

    def test_a_killed_node(self):
        """The kernel closes what was in clear; a session that is relayed is still answered."""
        idle, tran, runs = self.open("h", self.relayed, ask)
        self.wait_until_they_run("h", 1)
        half = self.relayed("h")
        half.send_batch("SELECT REPLICATE('x', 8000) FROM sys.all_objects, sys.all_objects b")
        half.recv_packet()
        for pid in self.nodes():
            os.kill(pid, signal.SIGKILL)
        self.check_told((idle, tran, runs), ask)
        with self.assertRaises(GONE):  # in the middle of an answer
            while True:
                half.recv_packet()

    @unittest.skipUnless(os.path.isdir(os.path.join(HERE, "node", "node_modules", "tedious")) and
                         shutil.which("node"), "npm ci has not put tedious in place")
    def test_tedious_sees_it(self):
        done = subprocess.run(["node", "tedious.js", self.server.host, str(self.server.port), server.ADMIN,
                               self.server.password, "h", "cut", FAILOVER],
                              cwd=os.path.join(HERE, "node"), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout), {"running": 40197, "tran": 40197, "again": 0, "idle": 0,
                                                   "result": 40197, "after": [0, 0], "ended": 0})


if __name__ == "__main__":
    unittest.main()
