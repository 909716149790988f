"""A transaction many times larger than the memory it may use: commits, undoes itself at once, and dies without a trace."""
import os
import signal
import threading
import time
import unittest

import server
from test_roles import connect_patiently

ROWS = 30000  # of 8 kB: 240 MB; with --all 5 GB
ROWS_ALL = 650000
STEP = 10000
BUDGET_MIB = 8
# a process: caches of 64 MiB, the budget, what statements need; page servers have buffers, too
RESIDENT_MIB = 300 + server.SANITIZER_MIB

PAGE_MIB = 200  # a page server's part of a group in memory, its layers, what it merges
LOG_MIB = 512   # recent log


class Peak(threading.Thread):
    """The most memory of its own that a role has had."""

    def __init__(self, running, role):
        super().__init__(daemon=True)
        self.running, self.role, self.mib, self.ended = running, role, 0, threading.Event()
        self.start()

    def run(self):
        while not self.ended.wait(0.2):
            try:
                with open(f"/proc/{self.running.role_pid(self.role)}/status", encoding="ascii") as file:
                    self.mib = max([self.mib] + [int(line.split()[1]) // 1024 for line in file
                                                 if line.startswith("RssAnon")])
            except OSError:
                pass  # it has ended

    def end(self):
        self.ended.set()
        self.join()
        return self.mib


class Large(unittest.TestCase):
    def setUp(self):
        self.rows = ROWS_ALL if os.environ.get("QUIRE_TEST_ALL") else ROWS
        self.server = server.Server("--transaction-memory-mib", str(BUDGET_MIB), "--cache-mib", "64",
                                    "--governance", "off").start()  # at 9 MB/s of log it takes too long
        self.addCleanup(self.server.remove)

    def resident_mib(self):
        """Of the largest process of the server but the log service, which keeps recent log in memory."""
        sizes = [0]
        for pid in self.server.pids:
            if pid == self.server.role_pid("log"):
                continue
            try:
                with open(f"/proc/{pid}/status", encoding="ascii") as file:
                    sizes += [int(line.split()[1]) // 1024 for line in file if line.startswith("RssAnon")]
            except OSError:
                pass  # it has ended
        return max(sizes)

    def insert(self, connection):
        """Returns the most memory that was seen between statements."""
        most = 0
        for _ in range(self.rows // STEP):
            connection.execute(f"INSERT t (b) SELECT TOP ({STEP}) REPLICATE(CAST(NEWID() AS char(36)), 220) "
                               "FROM sys.all_columns a CROSS JOIN sys.all_columns b")
            most = max(most, self.resident_mib())
        return most

    def in_edition(self, edition):
        with self.server.connect() as connection:
            connection.execute(f"CREATE DATABASE [{edition}] (EDITION = '{edition}')")
        with self.server.connect(edition, timeout=900) as connection:
            connection.execute("CREATE TABLE t (id int IDENTITY PRIMARY KEY, b varchar(8000) NOT NULL)")
            connection.execute("BEGIN TRAN")
            self.assertLess(self.insert(connection), RESIDENT_MIB)
            started = time.monotonic()
            connection.execute("ROLLBACK")
            self.assertLess(time.monotonic() - started, 1 * server.SLOWNESS)
            self.assertEqual(connection.execute("SELECT COUNT(*) FROM t"), [(0,)])
            connection.execute("BEGIN TRAN")
            self.insert(connection)
            connection.execute("COMMIT")
            self.assertLess(self.resident_mib(), RESIDENT_MIB + self.rows * 8000 // 40 // (1 << 20))
            sums = connection.execute("SELECT COUNT(*), COUNT(DISTINCT b), SUM(CAST(DATALENGTH(b) AS bigint)) FROM t")
            self.assertEqual(sums, [(self.rows // STEP * STEP, self.rows // STEP * STEP, self.rows // STEP * STEP * 7920)])
        victim = self.server.connect(edition, timeout=900)  # it reads all of the table
        victim.execute("BEGIN TRAN")
        victim.execute("DELETE t WHERE id % 2 = 0")
        self.server.kill()
        self.server.start()
        with self.server.connect(edition, timeout=900) as connection:
            self.assertEqual(connection.execute("SELECT COUNT(*) FROM t"), [(self.rows // STEP * STEP,)])
            connection.execute("DROP TABLE t")
        victim.close()

    def test_a_general_purpose_database_takes_it(self):
        self.in_edition("GeneralPurpose")

    @unittest.skipUnless(os.environ.get("QUIRE_TEST_ALL"), "as much again")
    def test_a_hyperscale_database_takes_it(self):
        page = Peak(self.server, "page")
        self.in_edition("Hyperscale")
        self.assertLess(page.end(), RESIDENT_MIB + PAGE_MIB + self.rows * 8000 // 40 // (1 << 20))

    @unittest.skipUnless(os.environ.get("QUIRE_TEST_ALL"), "gigabytes")
    def test_a_large_commit_outlives_its_node_and_its_page_server(self):
        page, log = Peak(self.server, "page"), Peak(self.server, "log")
        with self.server.connect() as connection:
            connection.execute("CREATE DATABASE h (EDITION = 'Hyperscale')")
        with self.server.connect("h", timeout=900) as connection:
            connection.execute("CREATE TABLE t (id int IDENTITY PRIMARY KEY, b varchar(8000) NOT NULL)")
            connection.execute("BEGIN TRAN")
            self.insert(connection)
            connection.execute("COMMIT")
            [(database,)] = connection.execute("SELECT DB_ID()")
            # while the page server has most of it still to take in
            for role in ("page", f"hs-{database}"):
                os.kill(self.server.role_pid(role), signal.SIGKILL)
        connect_patiently(self.server, "h").close()
        with self.server.connect("h", timeout=900) as connection:
            sums = connection.execute("SELECT COUNT(*), COUNT(DISTINCT b), SUM(CAST(DATALENGTH(b) AS bigint)) FROM t")
            self.assertEqual(sums, [(self.rows // STEP * STEP, self.rows // STEP * STEP, self.rows // STEP * STEP * 7920)])
        self.assertLess(log.end(), RESIDENT_MIB + LOG_MIB)
        self.assertLess(page.end(), RESIDENT_MIB + PAGE_MIB + self.rows * 8000 // 40 // (1 << 20))
