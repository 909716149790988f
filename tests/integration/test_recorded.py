"""Data directories that earlier releases left (tests/recorded, killed while they served) are opened by this one:
all of it is there, can be written, copied and restored, and storage is whole before and after.
"""
import contextlib
import glob
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
import time
import unittest

import server
import tds

ARCHIVES = os.path.join(server.ROOT, "tests", "recorded")
PASSWORD = "Recorded!2026"
# By the archive's name: keys were not there yet; so its databases are in clear.
IN_CLEAR = ("2026-11-21",)
PARENTS = [(1, "one", 1.0), (2, "Two", 2.5), (2, "two", 3.0)]
LATE = (3, "late", 4.0)
CYRILLIC = "SELECT COUNT(*) FROM child WHERE big = REPLICATE(CAST(N'ж' AS nvarchar(max)), 3000)"
FACTS = (
    ("SELECT id, a, b, note FROM child ORDER BY id",
     [(10, 1, "one", "Straße"), (15, 2, "two", "STRASSE"), (20, None, None, "co-op")]),
    (CYRILLIC, [(1,)]),
    ("SELECT id FROM child WITH (INDEX(ix)) WHERE note = N'strasse' ORDER BY id", [(10,), (15,)]),
    ("SELECT id FROM child WHERE up = N'CO-OP'", [(20,)]),
    ("SELECT CONVERT(varchar(40), t, 127), SQL_VARIANT_PROPERTY(v, 'BaseType') FROM child WHERE id = 10",
     [("2020-02-28T22:34:56.1234Z", "decimal")]),
    ("SELECT a, b, note FROM v ORDER BY a", [(1, "one", "Straße"), (2, "two", "STRASSE")]),
    ("SELECT dbo.sf(3)", [(127,)]),
    ("SELECT COUNT(*) FROM audit", [(1,)]),
    ("DECLARE @o int, @r int; EXEC @r = pr 2, @o OUTPUT; SELECT @o, @r", [(3, 7)]),
    ("SELECT USER_NAME(member_principal_id) FROM sys.database_role_members WHERE "
     "role_principal_id = DATABASE_PRINCIPAL_ID('readers')", [("app",)]),
    ("SELECT CAST(value AS nvarchar(20)) FROM sys.extended_properties WHERE name = 'MS_Description'",
     [("the parent",)]),
)


def quire(*words):
    return subprocess.run([server.program("quire"), *words], capture_output=True, text=True,
                          timeout=120 * server.SLOWNESS, check=False)


class Recorded(unittest.TestCase):
    def unpack(self, name):
        work = tempfile.mkdtemp(prefix="quire-recorded-")
        self.addCleanup(shutil.rmtree, work, ignore_errors=True)
        data = os.path.join(work, "data")
        os.mkdir(data, 0o700)
        with tarfile.open(os.path.join(ARCHIVES, name + ".tar.xz")) as tar:
            tar.extractall(data)
        with open(os.path.join(data, "recorded"), encoding="ascii") as file:
            made = file.read().split()
        os.unlink(os.path.join(data, "recorded"))
        self.password_file = os.path.join(work, "password")
        with open(self.password_file, "w", encoding="utf-8") as file:
            file.write(PASSWORD + "\n")
        return data, made

    def dropped_today(self, data):
        """What was dropped when the archive was made has not expired."""
        with contextlib.closing(sqlite3.connect(os.path.join(data, "meta", "meta.db"))) as meta:
            for key, value in meta.execute("SELECT key, value FROM kv WHERE CAST(key AS TEXT) LIKE 'database/%'").fetchall():
                row = json.loads(value)
                if row.get("droppedWallNs"):
                    row["droppedWallNs"] = time.time_ns()
                    meta.execute("UPDATE kv SET value = ? WHERE key = ?", (json.dumps(row).encode(), key))
            meta.commit()

    def whole(self, data):
        done = quire("storage", "verify", data)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def as_left(self, connection, late=True):
        parents = [(a, b, float(v)) for a, b, v in connection.execute("SELECT a, b, v FROM parent ORDER BY v")]
        self.assertEqual(parents, PARENTS + [LATE] * late)
        for sql, want in FACTS if late else ():
            self.assertEqual([tuple(row) for row in connection.execute(sql)], want, sql)

    def write(self, connection):
        for sql, number in (("INSERT parent VALUES (1, 'one', 1)", 2627), ("INSERT parent VALUES (9, 'x', -1)", 547),
                            ("INSERT child (a, b) VALUES (9, 'none')", 547)):
            self.assertEqual([e.number for e in connection.batch(sql).errors if e.severity > 10][0], number, sql)
        connection.execute("INSERT parent VALUES (4, 'new', 5); INSERT child (a, b, note) VALUES (4, 'new', N'now')")
        connection.execute("DELETE parent WHERE a = 1; UPDATE child SET note = N'changed' WHERE id = 15")
        connection.execute("CREATE INDEX another ON child (a, note); ALTER TABLE parent ADD more int NULL")
        connection.execute("GRANT SELECT ON parent TO readers")
        self.written(connection)

    def written(self, connection):
        self.assertEqual([tuple(row) for row in connection.execute("SELECT a, note FROM child WITH (INDEX(another)) "
                                                                   "WHERE a > 0 ORDER BY a")],
                         [(2, "changed"), (4, "now")])
        self.assertEqual(connection.execute("EXECUTE AS USER = 'app'; SELECT COUNT(*) FROM parent; REVERT"), [(4,)])

    def encrypted(self, connection, is_it):
        self.assertEqual(connection.execute("SELECT is_encrypted FROM sys.databases WHERE name = DB_NAME()"), [(is_it,)])

    def open(self, name):
        data, made = self.unpack(name)
        self.whole(data)
        self.dropped_today(data)
        with server.Server("--admin-password-file", self.password_file, data_dir=data) as quired:
            def connect(database):
                return tds.Connection(quired.host, quired.port, server.ADMIN, PASSWORD, database=database)
            live = [each for each in made if each != "gone"]
            for each in live:
                with connect(each) as connection:
                    self.as_left(connection)
            for source, dest, words in [(each, "the_" + each, ()) for each in live] + \
                    [("gone", "back", ("--deleted",))] * ("gone" in made):
                done = quire("db", "restore", "--data-dir", data, "--name", source, "--dest-name", dest, *words)
                self.assertEqual(done.returncode, 0, done.stderr)
                with connect(dest) as connection:
                    self.as_left(connection, late=source != "gone")
                    self.encrypted(connection, name not in IN_CLEAR or source != "pages")
            for each in live:
                with connect(each) as connection:
                    self.write(connection)
                    self.encrypted(connection, name not in IN_CLEAR)
            quired.restart()
            for each in live:
                with connect(each) as connection:
                    self.written(connection)
        self.whole(data)

    def test_what_earlier_releases_left_is_there_and_can_be_written(self):
        names = sorted(os.path.basename(path)[:-len(".tar.xz")]
                       for path in glob.glob(os.path.join(ARCHIVES, "*.tar.xz")))
        self.assertGreaterEqual(len(names), 2)
        for name in names:
            with self.subTest(name):
                self.open(name)


if __name__ == "__main__":
    unittest.main()
