"""`quire storage` on what real processes wrote, running, stopped and killed; and a landing zone in the blob store."""
import glob
import json
import os
import signal
import subprocess
import time
import unittest

import server

ROWS = 200
PATIENCE = 60 * server.SLOWNESS


def storage(*words):
    done = subprocess.run([server.program("quire"), "storage", *words], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


def rows(*words):
    code, out, errors = storage(*words, "--format", "json")
    return code, json.loads(out), errors


def fill(quired, database, first=0):
    with quired.connect(database) as connection:
        if first == 0:
            connection.execute("CREATE TABLE t (a int NOT NULL PRIMARY KEY, b varchar(300) NOT NULL)")
        for i in range(first, first + ROWS):
            connection.execute(f"INSERT t VALUES ({i}, REPLICATE('x', 200))")


def count(quired, database):
    with quired.connect(database) as connection:
        return connection.execute("SELECT COUNT(*) FROM t")[0][0]


class Tools(unittest.TestCase):
    def setUp(self):
        self.quired = server.Server().start()
        self.addCleanup(self.quired.remove)
        with self.quired.connect() as connection:
            connection.execute("CREATE DATABASE [hyper] (EDITION = 'Hyperscale')")
            connection.execute("CREATE DATABASE [small]")
        fill(self.quired, "hyper")
        fill(self.quired, "small")

    def assert_whole(self):
        code, out, errors = storage("verify", self.quired.data_dir)
        self.assertEqual((code, errors), (0, ""), out)
        self.assertIn("whole", out)

    def test_the_cache_of_a_node_is_looked_at(self):
        self.quired.stop()
        (directory,) = glob.glob(os.path.join(self.quired.data_dir, "compute", "*"))
        path = os.path.join(directory, "rbpex")

        def look():
            code, out, errors = rows("inspect", directory)
            self.assertEqual((code, errors), (0, ""))
            (row,) = (row for row in out if row["kind"] == "cache")
            return row["pages"], row["pages_lost"]

        pages, lost = look()
        self.assertGreater(pages, 3)
        self.assertEqual(lost, 0)
        with open(path, "r+b") as file:  # a cache that lost a page is whole: it is asked for again
            for at in range(8192 + 100, os.path.getsize(path), 8192):
                file.seek(at)
                file.write(b"something else")
        self.assertEqual(look(), (pages, pages))
        code, out, _ = storage("verify", self.quired.data_dir)
        self.assertEqual(code, 0, out)
        self.assertIn("pages_lost", out)
        with open(path, "r+b") as file:
            file.seek(20)
            file.write(b"something else")
        code, out, _ = storage("verify", self.quired.data_dir)
        self.assertEqual(code, 1, out)
        self.assertIn("the header of the file of slots is damaged", out)
        self.quired.start()
        self.assertEqual(count(self.quired, "hyper"), ROWS)
        self.quired.stop()
        self.assert_whole()

    def test_storage_is_whole_after_a_stop_and_after_a_kill(self):
        self.quired.restart()
        fill(self.quired, "hyper", ROWS)
        self.quired.kill()
        self.assert_whole()
        self.quired.start()
        self.assertEqual(count(self.quired, "hyper"), 2 * ROWS)
        self.quired.stop()
        self.assert_whole()

    def test_dump_log_has_every_commit_with_its_time(self):
        self.quired.stop()
        _, found, _ = rows("inspect", os.path.join(self.quired.data_dir, "log"))
        timeline, = {row["timeline"] for row in found if row["kind"] == "timeline"}
        code, records, errors = rows("dump-log", self.quired.data_dir, "--timeline", timeline)
        self.assertEqual((code, errors), (0, ""))
        commits = [row for row in records if row.get("record") == "commit"]
        self.assertGreater(len(commits), ROWS)
        self.assertEqual([row["lsn"] for row in commits], sorted(row["lsn"] for row in commits))
        self.assertEqual([row["time"] for row in commits], sorted(row["time"] for row in commits))
        self.assertTrue(all(row["time"].startswith("20") for row in commits))
        middle = commits[len(commits) // 2]["lsn"]
        _, part, _ = rows("dump-log", self.quired.data_dir, "--timeline", timeline,
                          "--from", str(middle), "--to", str(middle + 1))
        self.assertEqual([row["lsn"] for row in part], [middle])

    def test_damage_is_told_with_the_place_and_exit_code_1(self):
        self.quired.stop()
        journal, = glob.glob(os.path.join(self.quired.data_dir, "log", "journal.*1"))
        damaged = [(path, 65536 + 5000, "page") for path in
                   glob.glob(os.path.join(self.quired.data_dir, "databases", "*", "data"))[:1]]
        damaged += [(journal, 4096 + 512 + 100, "hardened and are damaged")]
        for path, offset, words in damaged:
            with open(path, "r+b") as file:
                file.seek(offset)
                was = file.read(1)
                file.seek(offset)
                file.write(bytes([was[0] ^ 16]))
            spare = os.path.join(os.path.dirname(path), "double-write")
            if os.path.exists(spare):
                os.truncate(spare, 0)  # else a torn page is not lost
            code, out, _ = storage("verify", self.quired.data_dir)
            self.assertEqual(code, 1, out)
            self.assertIn(words, out)
            self.assertIn(os.path.basename(path), out)
            with open(path, "r+b") as file:
                file.seek(offset)
                file.write(was)
        self.assert_whole()

    def test_a_manifest_that_is_not_there_is_told_although_nobody_needs_it(self):
        """Of deleted databases that can be restored: the log says it at the start, verify says it offline."""
        for name in ("hyper", "small"):
            with self.quired.connect() as master:
                deadline = time.monotonic() + PATIENCE
                while master.batch(f"DROP DATABASE {name}").errors and time.monotonic() < deadline:
                    time.sleep(0.05)
        self.quired.restart()  # layers are written
        self.quired.stop()
        self.assert_whole()
        blob = os.path.join(self.quired.data_dir, "blob")
        pages = glob.glob(os.path.join(blob, "pages", "*", "0", "manifest*"))
        chains = glob.glob(os.path.join(blob, "backups", "*", "chains", "*"))
        self.assertEqual(len(pages), 2)
        self.assertEqual(len(chains), 1)
        for paths, event, words in (
                (pages, "slice_not_attached", "there is log of its timeline, and neither it nor its copy"),
                (chains, "backups_missing", None)):
            for path in paths:
                os.rename(path, path + ".away")
            code, out, _ = storage("verify", self.quired.data_dir)
            self.assertEqual(words in out and code == 1 if words else code == 0, True, out)  # of a full backup alone nobody knows
            self.quired.announced.add(event)
            self.quired.start()
            deadline = time.monotonic() + PATIENCE
            while not [line for line in list(self.quired.log) if f"ev={event} " in line]:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.02)
            self.quired.stop()
            for path in paths:
                os.rename(path + ".away", path)
        self.assert_whole()

    def test_what_is_no_storage_is_said(self):
        self.quired.stop()
        self.assertEqual(storage("verify", os.path.join(self.quired.data_dir, "tls"))[0], 3)
        self.assertEqual(storage("verify")[0], 2)
        self.assertEqual(storage("dump-log", self.quired.data_dir)[0], 2)


class LandingZone(unittest.TestCase):
    def test_commits_in_append_objects_outlast_every_kill(self):
        quired = server.Server("--landing-zone", "blob", announced={
            "child_ended", "child_failed", "journal_failed", "landing_zone_lease", "storage_failed",
            "page_feed_failed", "feed_failed", "timelines_damaged"}).start()
        self.addCleanup(quired.remove)
        with quired.connect() as connection:
            connection.execute("CREATE DATABASE [hyper] (EDITION = 'Hyperscale')")
        fill(quired, "hyper")
        self.assertTrue(glob.glob(os.path.join(quired.data_dir, "blob", "landing", "journal.*~")))
        self.assertFalse(os.path.exists(os.path.join(quired.data_dir, "log")))
        os.kill(quired.role_pid("log"), signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE  # the next one waits for the lease
        while True:
            try:
                if count(quired, "hyper") >= ROWS:
                    fill(quired, "hyper", ROWS)
                    break
            except Exception:  # pylint: disable=broad-except
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
        quired.kill()
        code, out, _ = storage("verify", quired.data_dir)
        self.assertEqual(code, 0, out)
        table = os.path.join(quired.data_dir, "blob", "landing", "timelines~")
        os.unlink(table)  # its copy takes its place
        quired.start()
        self.assertGreaterEqual(count(quired, "hyper"), 2 * ROWS)
        self.assertTrue(os.path.exists(table))
        quired.kill()


if __name__ == "__main__":
    unittest.main()
