"""Bad storage: a damaged page, a damaged log, a full disk. (test_crash.py has SIGKILL.)"""
import glob
import os
import signal
import subprocess
import tempfile
import time
import unittest

import server
import tds
from test_arm_databases import Case
from test_replicas import wait_for

ALL = os.environ.get("QUIRE_TEST_ALL") == "1"
PAGE_BYTES, PAGES_OFFSET = 8192, 65536  # page/datafile.h


def database_dirs(quired):
    root = os.path.join(quired.data_dir, "databases")
    return {os.path.join(root, name) for name in os.listdir(root)}


def make_filled_database(quired, name):
    """Its directory. Table `kept` is small and old, `big` takes the newest pages."""
    before = database_dirs(quired)
    quired.create_database(name)
    fill(quired, name)
    made, = database_dirs(quired) - before
    return made


def fill(quired, name):
    with quired.connect(name) as connection:
        connection.execute("CREATE TABLE kept (a int NOT NULL PRIMARY KEY); INSERT kept VALUES (7);"
                           "CREATE TABLE big (a int NOT NULL PRIMARY KEY, b varchar(4000) NOT NULL);"
                           "DECLARE @i int = 0; WHILE @i < 200 BEGIN INSERT big VALUES "
                           "(@i, REPLICATE('x', 3000)); SET @i = @i + 1 END")


def error_numbers(quired, name, sql):
    """The errors of a login or a batch, whichever comes first."""
    try:
        with quired.connect(name) as connection:
            return {message.number for message in connection.batch(sql).errors}
    except tds.Failed as failed:
        return {message.number for message in failed.messages}


def quire(quired, verb, *words):
    done = subprocess.run([server.program("quire"), "db", verb, "--data-dir", quired.data_dir, *words], capture_output=True,
                          timeout=120 * server.SLOWNESS, check=False)
    return done.returncode


class Damage(unittest.TestCase):
    def test_a_damaged_page_is_824_for_its_database_only(self):
        quired = server.Server().start()
        folder = make_filled_database(quired, "hurt")
        make_filled_database(quired, "sound")
        quired.stop()
        with open(os.path.join(folder, "data"), "r+b") as data:
            pages = (os.path.getsize(data.name) - PAGES_OFFSET) // PAGE_BYTES
            data.seek(PAGES_OFFSET)
            used = [n for n in range(pages) if any(data.read(PAGE_BYTES))]
            data.seek(PAGES_OFFSET + used[-3] * PAGE_BYTES + 4000)
            data.write(b"damage")
        quired.start()
        count = "SELECT SUM(LEN(b)) FROM big"
        self.assertIn(824, error_numbers(quired, "hurt", count))
        with quired.connect("sound") as connection:
            self.assertEqual(connection.execute(count), [(600000,)])
        with quired.connect("hurt") as connection:
            self.assertEqual(connection.execute("SELECT a FROM kept"), [(7,)])
        quired.kill()
        said = [line for line in quired.log if "ev=storage_failed" in line]
        self.assertEqual(len(said), 1)
        self.assertRegex(said[0], 'lvl=error .*db="hurt" error=824 reason=".*page')
        quired.remove()

    def test_a_damaged_log_closes_its_database_only(self):
        """And what its backups have can be restored; the newest state is not said to be in them."""
        quired = server.Server().start()
        folder = make_filled_database(quired, "hurt")
        make_filled_database(quired, "sound")
        quire(quired, "restore", "--name", "hurt", "--dest-name", "copied")  # takes a log backup
        with quired.connect() as master:
            (moment, now), = master.execute("SELECT MAX(backup_start_date), SYSUTCDATETIME() FROM sys.dm_database_backups "
                                            "WHERE logical_database_name = 'hurt'")
        with quired.connect("hurt") as connection:
            for i in range(20):
                connection.execute(f"INSERT kept VALUES ({i + 100})")
        quired.kill()
        with open(os.path.join(folder, "log.0000000000000001"), "r+b") as log:
            log.seek(4096 + 512 + 100)  # inside the first blocks
            log.write(b"damage" * 100)
        quired.start()
        self.assertIn(824, error_numbers(quired, "hurt", "SELECT 1"))
        with quired.connect("sound") as connection:
            self.assertEqual(connection.execute("SELECT SUM(LEN(b)) FROM big"), [(600000,)])
        for when in ([], ["--time", now.replace(" ", "T")[:23] + "Z"]):
            self.assertNotEqual(quire(quired, "restore", "--name", "hurt", "--dest-name", "new", *when), 0)
        self.assertEqual(quire(quired, "restore", "--name", "hurt", "--dest-name", "then", "--time",
                               moment.replace(" ", "T")[:23] + "Z"), 0)
        with quired.connect("then") as connection:
            self.assertEqual(connection.execute("SELECT SUM(LEN(b)), MAX(k.a) FROM big CROSS JOIN kept k"), [(600000, 7)])
        quired.kill()
        quired.remove()


class CopiesDamage(unittest.TestCase):
    def test_a_copy_with_damaged_pages_is_made_again(self):
        """The primary's, while it serves: who reads there meets 824 once, then another copy serves."""
        synchronized = ("SELECT COUNT(*) FROM sys.dm_database_replica_states WHERE "
                        "synchronization_state_desc = 'SYNCHRONIZED'")
        count = "SELECT SUM(LEN(b)) FROM big"
        quired = server.Server("--cache-mib", "8", announced=("storage_failed", "copy_damaged", "child_ended",
                                                              "primary_lost")).start()
        before = database_dirs(quired)
        with quired.connect() as master:
            master.execute("CREATE DATABASE b (EDITION = 'BusinessCritical', SERVICE_OBJECTIVE = 'BC_Gen5_2')")
        with quired.connect("b") as connection:
            connection.execute("CREATE TABLE big (a int NOT NULL PRIMARY KEY, b varchar(4000) NOT NULL);"
                               "INSERT big SELECT value, REPLICATE('x', 3000) FROM GENERATE_SERIES(1, 6000); CHECKPOINT")
            wait_for(lambda: connection.execute(synchronized) == [(4,)])
        folder = min(database_dirs(quired) - before, key=len)
        with open(os.path.join(folder, "data"), "r+b") as data:
            for at in range(PAGES_OFFSET + 4000, os.path.getsize(data.name), PAGE_BYTES):
                data.seek(at)
                data.write(b"damage")
        try:
            self.assertIn(824, error_numbers(quired, "b", count))
        except tds.Closed:
            pass  # its process ended before the error was sent
        wait_for(lambda: any("ev=primary_lost" in line for line in list(quired.log)))
        with quired.connect("b") as connection:
            self.assertEqual(connection.execute(count), [(18000000,)])
            connection.execute("INSERT big VALUES (0, 'new')")
            wait_for(lambda: connection.execute(synchronized) == [(4,)])
        self.assertFalse(os.path.exists(os.path.join(folder, "damaged")))
        quired.stop()
        quired.remove()

    def test_a_primary_whose_files_are_damaged_gives_way_and_gets_a_copy(self):
        """All have ended, so that nobody was ready to take over."""
        synchronized = ("SELECT COUNT(*) FROM sys.dm_database_replica_states WHERE "
                        "synchronization_state_desc = 'SYNCHRONIZED'")
        quired = server.Server().start()
        before = database_dirs(quired)
        with quired.connect() as master:
            master.execute("CREATE DATABASE b (EDITION = 'BusinessCritical', SERVICE_OBJECTIVE = 'BC_Gen5_2')")
        with quired.connect("b") as connection:
            connection.execute("CREATE TABLE t (a int PRIMARY KEY)")
            for hurt in range(3):
                connection.execute(f"INSERT t VALUES ({hurt})")
            wait_for(lambda: connection.execute(synchronized) == [(4,)])
        quired.stop()
        folder = min(database_dirs(quired) - before, key=len)
        for hurt, path in enumerate((folder, folder + ".r1")):
            with open(os.path.join(path, "data" if hurt == 0 else "key"), "r+b") as file:
                file.write(bytes(PAGES_OFFSET if hurt == 0 else 4096))
            quired.start()
            with quired.connect("b") as connection:
                self.assertEqual(connection.execute("SELECT COUNT(*) FROM t"), [(3 + hurt,)])
                connection.execute(f"INSERT t VALUES ({hurt + 100})")
                wait_for(lambda: connection.execute(synchronized) == [(4,)])
            quired.announced |= {"primary_unfit", "database_not_opened", "not_started", "child_ended"}
            quired.stop()
        quired.remove()


HYPERSCALE = " (EDITION = 'Hyperscale', SERVICE_OBJECTIVE = 'HS_Gen5_2')"


def objects_of_pages(quired, name):
    return sorted(glob.glob(os.path.join(quired.data_dir, "blob", "pages", "*", "*", name)))


class HyperscaleDamage(unittest.TestCase):
    """What has another source is mended from it; nobody notices."""

    def make(self, quired, rows, databases=("hyper",)):
        for name in databases:
            with quired.connect() as master:
                master.execute(f"CREATE DATABASE {name}" + HYPERSCALE)
            with quired.connect(name, timeout=120 * server.SLOWNESS) as connection:
                connection.execute(
                    "CREATE TABLE t (a int NOT NULL PRIMARY KEY, b varbinary(4000) NOT NULL); "
                    f"DECLARE @i int = 0; BEGIN TRAN; WHILE @i < {rows} BEGIN "
                    "INSERT t VALUES (@i, CRYPT_GEN_RANDOM(3000)); SET @i += 1 END; COMMIT")

    def check(self, quired, rows, name="hyper"):
        with quired.connect(name, timeout=120 * server.SLOWNESS) as connection:
            self.assertEqual(connection.execute("SELECT COUNT(*), SUM(LEN(b)) FROM t"),
                             [(rows, rows * 3000)])

    def test_manifests_and_the_table_of_timelines_are_mended(self):
        quired = server.Server("--rbpex-percent", "0", announced=(
            "manifest_damaged", "timelines_damaged", "segment_header_damaged")).start()
        self.make(quired, 10, ("hyper", "other"))
        quired.stop()
        damaged, missing = objects_of_pages(quired, "manifest~")[:2]
        with open(damaged, "r+b") as file:
            file.seek(90)
            file.write(b"damage")
        os.unlink(missing)
        for path in (os.path.join(quired.data_dir, "log", "timelines"),
                     *glob.glob(os.path.join(quired.data_dir, "log", "journal.*"))):
            with open(path, "r+b") as file:
                file.seek(70)
                file.write(b"damage")
        quired.start()
        for name in ("hyper", "other"):
            self.check(quired, 10, name)
        quired.kill()
        for event, count in (("manifest_damaged", 2), ("timelines_damaged", 1)):
            self.assertEqual(len([line for line in quired.log if f"ev={event} " in line]), count)
        quired.remove()

    @unittest.skipUnless(ALL, "takes long: with --all only")
    def test_layers_are_made_again_from_the_log(self):
        """All of them: headers damaged, then blocks, then no file at all."""
        rows = 30000
        quired = server.Server("--rbpex-percent", "0", "--cache-mib", "8",
                               announced=("layer_damaged", "work_failed")).start()
        self.make(quired, rows)
        deadline = time.monotonic() + 90 * server.SLOWNESS
        while not objects_of_pages(quired, "*.delta~"):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        for way in ("header", "block", "missing"):
            with self.subTest(way):
                quired.kill()
                for path in objects_of_pages(quired, "*.delta~"):
                    if way == "missing":
                        os.unlink(path)
                        continue
                    with open(path, "r+b") as file:
                        file.seek(64 + (20 if way == "header" else 100000))
                        file.write(b"damage")
                quired.start()
                self.check(quired, rows)
                again = [line for line in quired.log if "ev=layer_made_again" in line]
                self.assertTrue(again)
                del quired.log[:]
        quired.kill()
        quired.start()
        self.check(quired, rows)
        quired.kill()
        quired.remove()


@unittest.skipUnless(ALL, "takes long: with --all only")
class HyperscaleStorage(unittest.TestCase):
    def make(self, quired):
        with quired.connect() as master:
            master.execute("CREATE DATABASE hyper" + HYPERSCALE)
            master.execute("CREATE DATABASE plain")
        for name in ("hyper", "plain"):
            with quired.connect(name) as connection:
                connection.execute("CREATE TABLE t (a int NOT NULL PRIMARY KEY); INSERT t VALUES (7)")

    def test_other_databases_are_served_without_the_log_service(self):
        quired = server.Server().start()
        self.make(quired)
        quired.stop()
        path = os.path.join(quired.data_dir, "log", "timelines")
        os.unlink(path + ".copy")
        with open(path, "rb") as file:
            whole = file.read()
        with open(path, "r+b") as file:
            file.truncate(len(whole) // 2)
        quired.start()
        with quired.connect("plain") as connection:
            self.assertEqual(connection.execute("INSERT t VALUES (8); SELECT COUNT(*) FROM t"), [(2,)])
        self.assertIn(40613, error_numbers(quired, "hyper", "SELECT 1"))
        self.assertTrue([line for line in quired.log if 'ev=storage_not_ready name="log"' in line])
        with open(path, "wb") as file:  # put back: nobody has to start anything again
            file.write(whole)
        deadline = time.monotonic() + 60 * server.SLOWNESS
        while error_numbers(quired, "hyper", "SELECT a FROM t"):
            self.assertLess(time.monotonic(), deadline)
        quired.kill()
        quired.remove()

    def wait_attached(self, quired, count):
        deadline = time.monotonic() + 90 * server.SLOWNESS
        while len([line for line in quired.log if "ev=slice_attached" in line]) < count:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_slices_whose_manifests_are_put_back_are_served(self):
        """One after the other: who is still missing is tried again, too."""
        quired = server.Server("--rbpex-percent", "0").start()
        self.make(quired)
        with quired.connect() as master:
            master.execute("CREATE DATABASE other" + HYPERSCALE)
        with quired.connect("other") as connection:
            connection.execute("CREATE TABLE t (a int NOT NULL PRIMARY KEY); INSERT t VALUES (7)")
        quired.stop()
        found = objects_of_pages(quired, "manifest~")
        for path in objects_of_pages(quired, "manifest.copy~"):
            os.unlink(path)
        self.assertGreaterEqual(len(found), 2)
        with tempfile.TemporaryDirectory(dir=quired.data_dir) as away:
            for i, path in enumerate(found):
                os.rename(path, os.path.join(away, str(i)))
            before = len([line for line in quired.log if "ev=slice_attached" in line])
            quired.start()
            missing = [line for line in quired.log if "ev=slice_not_attached" in line]
            self.assertEqual(len(missing), len(found))
            for i, path in enumerate(found):
                os.rename(os.path.join(away, str(i)), path)
                self.wait_attached(quired, before + i + 1)
        for name in ("hyper", "other"):
            with quired.connect(name) as connection:
                self.assertEqual(connection.execute("SELECT a FROM t"), [(7,)])
        quired.kill()
        quired.remove()

    def test_a_blob_store_that_is_not_mounted_is_not_replaced_by_an_empty_one(self):
        """Neither while the service runs and its roles start anew, nor at a start."""
        quired = server.Server().start()
        self.make(quired)
        blob, away = (os.path.join(quired.data_dir, name) for name in ("blob", "away"))
        os.rename(blob, away)
        with quired.connect() as master:
            self.assertEqual([e.number for e in master.batch("CREATE DATABASE more" + HYPERSCALE).errors], [40197])
        os.mkdir(blob)
        with quired.connect("hyper") as connection:
            for name in ("log", "page"):
                os.kill(quired.role_pid(name), signal.SIGKILL)
            deadline = time.monotonic() + 60 * server.SLOWNESS
            while sum("ev=not_started" in line for line in list(quired.log)) < 3:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.02)
            self.assertEqual(os.listdir(blob), [])
            os.rmdir(blob)
            os.rename(away, blob)
            connection.execute("INSERT t VALUES (8)")
        quired.kill()
        os.rename(blob, away)
        os.mkdir(blob)
        with self.assertRaises(server.ServerFailed):
            quired.start()
        self.assertTrue([line for line in quired.log if "the blob store, where it was at the last start" in line], quired.log)
        self.assertEqual(os.listdir(blob), [])
        os.rmdir(blob)
        os.rename(away, blob)
        quired.start()
        with quired.connect("hyper") as connection:
            self.assertEqual(connection.execute("SELECT a FROM t ORDER BY a"), [(7,), (8,)])
        quired.kill()
        quired.remove()

    def test_a_hung_page_server_is_40197_for_what_is_in_no_cache(self):
        quired = server.Server("--cache-mib", "8", "--rbpex-percent", "0", "--node-silence-s", "0").start()
        self.make(quired)
        with quired.connect("hyper", timeout=120 * server.SLOWNESS) as connection:
            connection.execute("CREATE TABLE big (a int NOT NULL PRIMARY KEY, b varbinary(4000)); "
                               "DECLARE @i int = 0; BEGIN TRAN; WHILE @i < 6000 BEGIN "
                               "INSERT big VALUES (@i, CRYPT_GEN_RANDOM(3000)); SET @i += 1 END; COMMIT")
            connection.execute("SELECT COUNT(*), SUM(LEN(b)) FROM big")
            page = quired.role_pid("page")
            server.stand_still(page)
            try:
                reply = connection.batch("SELECT SUM(LEN(b)) FROM big")
            finally:
                os.kill(page, signal.SIGCONT)
            self.assertEqual([error.number for error in reply.errors], [40197])
            self.assertEqual(connection.execute("SELECT SUM(LEN(b)) FROM big"), [(18000000,)])
        quired.kill()
        quired.remove()


@unittest.skipUnless(ALL, "takes long: with --all only")
class PurgedStorage(Case):
    def test_a_missing_slice_is_asked_for_until_its_database_is_purged(self):
        """A server that is deleted keeps no databases."""
        gone = self.at.replace("server01", "gone")
        answer = self.send("PUT", gone, {"location": "eastus", "properties": {
            "administratorLogin": "boss", "administratorLoginPassword": "Pa55-word!"}})
        self.assertEqual(answer[0], 201, answer)
        poll = self.finished(self.send("PUT", gone + "/databases/hyper", {
            "location": "eastus", "sku": {"name": "HS_Gen5_2", "tier": "Hyperscale"}}))
        self.assertEqual(poll["status"], "Succeeded", poll)
        self.server.stop()
        for path in objects_of_pages(self.server, "manifest*~"):
            os.unlink(path)
        self.start(self.server)
        self.wait_for("slice_not_attached")
        self.assertEqual(self.finished(self.send("DELETE", gone))["status"], "Succeeded")
        self.wait_for("missing_slice_purged")

    def wait_for(self, event):
        deadline = time.monotonic() + 90 * server.SLOWNESS
        while not [line for line in self.server.log if f"ev={event} " in line]:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    @classmethod
    def setUpClass(cls):
        cls.server = server.Server(announced=("slice_not_attached",))
        cls.start(cls.server)


class FullDisk(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="quire-full-")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", self.folder],
                              stderr=subprocess.PIPE)
        if done.returncode != 0:
            os.rmdir(self.folder)
            self.skipTest("a small file system cannot be mounted here")

    def tearDown(self):
        subprocess.run(["umount", "-l", self.folder], check=True)
        os.rmdir(self.folder)

    def test_a_full_disk_fails_commits_and_service_goes_on_when_there_is_space(self):
        filler = os.path.join(self.folder, "filler")
        quired = server.Server(data_dir=os.path.join(self.folder, "data"),
                               announced=("checkpoint_failed",)).start()
        quired.create_database("full")
        with open(filler, "wb") as file:
            space = os.statvfs(self.folder)
            file.write(b"\1" * (space.f_bavail * space.f_bsize - (6 << 20)))
        with quired.connect("full") as connection:
            connection.execute("CREATE TABLE t (a int NOT NULL PRIMARY KEY, b varchar(8000))")
            rows, errors = 0, []
            while not errors and rows < 20000:
                errors = connection.batch(f"INSERT t VALUES ({rows}, REPLICATE('x', 7000))").errors
                rows += not errors
            self.assertIn(errors[0].number, (1105, 9002))
            self.assertEqual(connection.execute("SELECT COUNT(*) FROM t"), [(rows,)])
            os.unlink(filler)
            connection.execute(f"INSERT t VALUES ({rows}, 'after')")
        quired.kill()
        quired.start()
        with quired.connect("full") as connection:
            self.assertEqual(connection.execute("SELECT COUNT(*) FROM t"), [(rows + 1,)])
        quired.stop()


del Case  # its tests are its own


if __name__ == "__main__":
    unittest.main()
