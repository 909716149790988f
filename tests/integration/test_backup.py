"""Copies, restores and deleted databases, as users ask for them: T-SQL and `quire db`."""
import contextlib
import datetime
import json
import os
import re
import sqlite3
import subprocess
import time
import unittest

import server
import tds

HYPERSCALE = "(EDITION = 'Hyperscale', SERVICE_OBJECTIVE = 'HS_Gen5_2')"
ANNOUNCED = ()


def quire(quired, *words, ok=True):
    done = subprocess.run([server.program("quire"), "db", words[0], "--data-dir", quired.data_dir,
                           *words[1:]], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          encoding="utf-8", timeout=120 * server.SLOWNESS)
    if ok and done.returncode != 0:
        raise AssertionError(f"quire db {words}: {done.stderr}")
    return done.stdout if ok else done.stderr


def utc(moment):
    return datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def rows(quired, database):
    with quired.connect(database) as connection:
        return [row[0] for row in connection.execute("SELECT a FROM t ORDER BY a")]


def numbers(quired, sql):
    with quired.connect() as master:
        return [error.number for error in master.batch(sql).errors]


def drop(quired, name):
    with quired.connect() as master:
        master.execute(f"DROP DATABASE [{name}]")


FULL = re.compile(r" ev=backup_taken kind=\"?full")


def full_backups(quired):
    return sum(bool(FULL.search(line)) for line in list(quired.log))


class Copies:
    options = ""
    first_backup = 0  # how many full backups a new database has at once

    def make(self, quired, name):
        before = full_backups(quired)
        with quired.connect() as master:
            master.execute(f"CREATE DATABASE {name} {self.options}")
        deadline = time.monotonic() + 60 * server.SLOWNESS
        while full_backups(quired) < before + self.first_backup:
            self.assertLess(time.monotonic(), deadline, "no backup was taken")
            time.sleep(0.05)
        with quired.connect(name) as connection:
            connection.execute("CREATE TABLE t (a int NOT NULL PRIMARY KEY, b varchar(100))")
            connection.execute("CREATE TABLE n (id int NOT NULL IDENTITY PRIMARY KEY, v int)")

    def add(self, quired, name, *values):
        with quired.connect(name) as connection:
            for value in values:
                connection.execute(f"INSERT t VALUES ({value}, REPLICATE('x', 100))")
                connection.execute(f"INSERT n VALUES ({value})")

    def test_a_copy_is_independent_of_its_source(self):
        with server.Server(announced=ANNOUNCED) as quired:
            self.make(quired, "source")
            self.add(quired, "source", 1, 2)
            with quired.connect() as master:
                master.execute("CREATE DATABASE [the copy] AS COPY OF source")
            self.add(quired, "source", 3)
            self.add(quired, "the copy", 4)
            self.assertEqual(rows(quired, "source"), [1, 2, 3])
            self.assertEqual(rows(quired, "the copy"), [1, 2, 4])
            with quired.connect("the copy") as connection:
                ids = [row[0] for row in connection.execute("SELECT id FROM n ORDER BY id")]
                self.assertEqual(len(ids), len(set(ids)))
            with quired.connect() as master:
                tiers = master.execute("SELECT name, edition FROM sys.databases d JOIN "
                                       "sys.database_service_objectives o ON "
                                       "o.database_id = d.database_id")
            drop(quired, "source")
            self.assertEqual(rows(quired, "the copy"), [1, 2, 4])
            quired.stop()
            quired.start()
            self.assertEqual(rows(quired, "the copy"), [1, 2, 4])
            with quired.connect() as master:
                master.execute("CREATE DATABASE second AS COPY OF [the copy]")
            self.assertEqual(rows(quired, "second"), [1, 2, 4])
            self.assertIn("the copy", [row[0] for row in tiers])

    def test_what_cannot_be_copied_is_refused(self):
        with server.Server(announced=ANNOUNCED) as quired:
            self.make(quired, "source")
            self.assertEqual(numbers(quired, "CREATE DATABASE c AS COPY OF missing"), [45143])
            self.assertEqual(numbers(quired, "CREATE DATABASE source AS COPY OF source"), [45138])
            self.assertEqual(numbers(quired, "CREATE DATABASE c AS COPY OF elsewhere.source"), [40561])
            self.assertTrue(numbers(quired, "CREATE DATABASE c AS COPY OF source (EDITION = '%s')"
                                    % self.other_edition))
            self.assertIn("45143", quire(quired, "restore", "--name", "missing", "--dest-name", "c",
                                         ok=False))
            self.assertIn("40653", quire(quired, "restore", "--name", "source", "--dest-name", "c",
                                         "--time", "2020-01-01T00:00:00Z", ok=False))
            self.assertIn("40653", quire(quired, "restore", "--name", "source", "--dest-name", "c",
                                         "--time", "2120-01-01T00:00:00Z", ok=False))
            with quired.connect() as master:
                names = [row[0] for row in master.execute("SELECT name FROM sys.databases")]
            self.assertNotIn("c", names)

    def test_a_database_is_restored_to_a_moment(self):
        with server.Server(announced=ANNOUNCED) as quired:
            self.make(quired, "source")
            moments = []
            for value in range(5):
                self.add(quired, "source", value)
                time.sleep(0.05)  # so that the moments lie between commits
                moments.append(time.time())
                time.sleep(0.05)
            for value in (1, 4, 2):
                quire(quired, "restore", "--name", "source", "--dest-name", f"then{value}", "--time",
                      utc(moments[value]))
                self.assertEqual(rows(quired, f"then{value}"), list(range(value + 1)))
            self.assertEqual(rows(quired, "source"), [0, 1, 2, 3, 4])

    def test_a_deleted_database_comes_back(self):
        with server.Server(announced=ANNOUNCED) as quired:
            self.make(quired, "lost")
            self.add(quired, "lost", 1)
            time.sleep(0.05)
            moment = time.time()
            time.sleep(0.05)
            self.add(quired, "lost", 2)
            drop(quired, "lost")
            self.make(quired, "lost")  # the name is free
            drop(quired, "lost")
            listed = re.findall(r"^lost deleted (\S+) ", quire(quired, "list-deleted"), re.M)
            self.assertEqual(len(listed), 2)
            first = min(listed)
            quired.stop()
            quired.start()
            quire(quired, "restore", "--name", "lost", "--dest-name", "found", "--deleted-time", first)
            self.assertEqual(rows(quired, "found"), [1, 2])
            quire(quired, "restore", "--name", "lost", "--dest-name", "older", "--deleted-time", first,
                  "--time", utc(moment))
            self.assertEqual(rows(quired, "older"), [1])
            quire(quired, "restore", "--name", "lost", "--dest-name", "empty", "--deleted")
            self.assertEqual(rows(quired, "empty"), [])

    def test_retention_is_set_within_its_bounds(self):
        with server.Server(announced=ANNOUNCED) as quired:
            self.make(quired, "source")
            quire(quired, "set-retention", "--name", "source", "--retention-days", "35")
            for days, said in (("36", "1 to 35"), ("0", "1 to 35"), ("99999999999", "1 to 35"), ("-1", "'-1'"),
                               ("7d", "'7d'"), ("", "''")):
                self.assertIn(said, quire(quired, "set-retention", "--name", "source", "--retention-days", days,
                                          ok=False))
            drop(quired, "source")
            self.assertIn("kept 35 days", quire(quired, "list-deleted"))


    def test_what_retention_no_longer_covers_goes_for_good(self):
        with server.Server(announced=ANNOUNCED) as quired:
            self.make(quired, "old")
            self.add(quired, "old", 1)
            with quired.connect() as master:
                master.execute("CREATE DATABASE child AS COPY OF old")
            drop(quired, "old")
            quired.stop()
            with contextlib.closing(sqlite3.connect(os.path.join(quired.data_dir, "meta", "meta.db"))) as meta:
                key, value = next((k, json.loads(v)) for k, v in meta.execute(
                    "SELECT key, value FROM kv WHERE CAST(key AS TEXT) LIKE 'database/%'")
                                  if json.loads(v)["name"] == "old")
                value["droppedWallNs"] -= 8 * 86400 * 10**9
                meta.execute("UPDATE kv SET value = ? WHERE key = ?",
                             (json.dumps(value).encode(), key))
                meta.commit()
            quired.start()
            self.assertEqual(rows(quired, "child"), [1])
            drop(quired, "child")  # a branch keeps what it needs of its parent
            mine = value["timeline"]
            deadline = time.monotonic() + 120 * server.SLOWNESS
            while "old" in quire(quired, "list-deleted") or os.path.exists(
                    os.path.join(quired.data_dir, "blob", "backups", mine, "chains", "00000001~")):
                self.assertLess(time.monotonic(), deadline, "it is still there")
                time.sleep(0.2)
            self.assertIn("45143", quire(quired, "restore", "--name", "old", "--dest-name", "again",
                                         "--deleted", ok=False))
            quire(quired, "restore", "--name", "child", "--dest-name", "again", "--deleted")
            self.assertEqual(rows(quired, "again"), [1])


class HyperscaleCopies(Copies, unittest.TestCase):
    options = HYPERSCALE
    other_edition = "GeneralPurpose"

    def test_a_time_before_a_database_was_made_is_none_of_its_own(self):
        with server.Server(announced=ANNOUNCED) as quired:
            before = time.time()
            self.make(quired, "source")
            self.add(quired, "source", 1)
            time.sleep(0.05)
            moment = time.time()
            time.sleep(0.05)
            with quired.connect() as master:
                master.execute("CREATE DATABASE copied AS COPY OF source")
            for name, early in (("source", before), ("copied", moment)):
                self.assertIn("40653", quire(quired, "restore", "--name", name, "--dest-name", "then",
                                             "--time", utc(early), ok=False))
            with quired.connect() as master:  # another name is no other time
                master.execute("ALTER DATABASE source MODIFY NAME = renamed")
            quire(quired, "restore", "--name", "renamed", "--dest-name", "then", "--time", utc(moment))
            self.assertEqual(rows(quired, "then"), [1])
            drop(quired, "renamed")
            self.assertIn("40653", quire(quired, "restore", "--name", "renamed", "--dest-name", "early",
                                         "--time", utc(before), "--deleted", ok=False))


class GeneralPurposeCopies(Copies, unittest.TestCase):
    other_edition = "Hyperscale"
    first_backup = 1


if __name__ == "__main__":
    unittest.main()
