"""What is acknowledged stays: SIGKILL under load, a damaged page, damaged log, a full disk."""
import os
import random
import subprocess
import tempfile
import threading
import time
import unittest

import server
import tds

WRITERS, READERS, ACCOUNTS, BALANCE = 4, 1, 40, 1000
ROUNDS = 200 if os.environ.get("QUIRE_TEST_ALL") else 10
PAGE_BYTES, PAGES_OFFSET = 8192, 65536  # page/datafile.h

TABLES = f"""
CREATE TABLE history (writer int NOT NULL, seq int NOT NULL, note varchar(400) NOT NULL,
    PRIMARY KEY (writer, seq));
CREATE TABLE account (id int NOT NULL PRIMARY KEY, balance int NOT NULL);
CREATE TABLE total (writer int NOT NULL PRIMARY KEY, seq int NOT NULL);
DECLARE @i int = 0;
WHILE @i < {ACCOUNTS} BEGIN INSERT account VALUES (@i, {BALANCE}); SET @i = @i + 1 END;
SET @i = 0;
WHILE @i < {WRITERS} BEGIN INSERT total VALUES (@i, 0); SET @i = @i + 1 END;
"""


class Client(threading.Thread):
    """Works until the server is gone. What went wrong before that is in `failure`."""

    def __init__(self, quired, number, seed):
        super().__init__(daemon=True)
        self.quired, self.number, self.random = quired, number, random.Random(seed)
        self.failure = None

    def run(self):
        try:
            with self.quired.connect("crash") as connection:
                while True:
                    self.work(connection)
        except (OSError, tds.Closed, tds.ProtocolError):
            pass
        except Exception as error:  # pylint: disable=broad-except
            self.failure = error


class Writer(Client):
    def __init__(self, quired, number, seed, last):
        super().__init__(quired, number, seed)
        self.acknowledged = last

    def work(self, connection):
        """Four changes that belong together; some are taken back."""
        seq, give_up = self.acknowledged + 1, self.random.random() < 0.1
        one, other = self.random.randrange(ACCOUNTS), self.random.randrange(ACCOUNTS)
        note = "n" * self.random.randrange(400)
        connection.execute(f"""
            BEGIN TRAN;
            INSERT history VALUES ({self.number}, {seq}, '{note}');
            UPDATE account SET balance = balance - 1 WHERE id = {one};
            UPDATE account SET balance = balance + 1 WHERE id = {other};
            UPDATE total SET seq = {seq} WHERE writer = {self.number};
            {'ROLLBACK' if give_up else 'COMMIT'}""")
        if not give_up:
            self.acknowledged = seq


class Reader(Client):
    def __init__(self, quired, number, seed):
        super().__init__(quired, number, seed)
        self.shown = [0] * WRITERS

    def work(self, connection):
        (balance,), = connection.execute("SELECT SUM(balance) FROM account")
        if balance != ACCOUNTS * BALANCE:
            raise AssertionError(f"the balances add up to {balance}")
        for writer, seq in connection.execute("SELECT writer, MAX(seq) FROM history GROUP BY writer"):
            self.shown[writer] = max(self.shown[writer], seq)


class Crash(unittest.TestCase):
    def test_nothing_acknowledged_or_shown_is_lost_by_sigkill(self):
        quired = server.Server().start()
        quired.create_database("crash")
        with quired.connect("crash") as connection:
            connection.execute(TABLES)
        last = [0] * WRITERS
        seed = int(os.environ.get("QUIRE_TEST_SEED", "1"))
        for round_number in range(ROUNDS):
            with self.subTest(round=round_number, seed=seed):
                last = self.one_round(quired, seed * 1000 + round_number, last)
        self.assertGreater(sum(last), ROUNDS)
        quired.stop()
        quired.remove()

    def one_round(self, quired, seed, last):
        writers = [Writer(quired, i, seed * 100 + i, last[i]) for i in range(WRITERS)]
        readers = [Reader(quired, WRITERS + i, seed * 100 + 50 + i) for i in range(READERS)]
        for client in writers + readers:
            client.start()
        deadline = time.monotonic() + 60
        while all(w.acknowledged == last[w.number] for w in writers) and \
                time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(random.Random(seed).random() * 0.4)
        quired.kill()
        for client in writers + readers:
            client.join(60)
            self.assertIsNone(client.failure)
        quired.start()
        with quired.connect("crash") as connection:
            return [self.verify(connection, w, max(r.shown[w.number] for r in readers))
                    for w in writers]

    def verify(self, connection, writer, shown):
        (count, newest), = connection.execute(
            f"SELECT COUNT(*), ISNULL(MAX(seq), 0) FROM history WHERE writer = {writer.number}")
        (total,), = connection.execute(f"SELECT seq FROM total WHERE writer = {writer.number}")
        (balance,), = connection.execute("SELECT SUM(balance) FROM account")
        self.assertGreaterEqual(newest, writer.acknowledged, "an acknowledged commit is lost")
        self.assertGreaterEqual(newest, shown, "a commit that was shown is lost")
        self.assertLessEqual(newest, writer.acknowledged + 1, "a commit that nobody made")
        self.assertEqual((count, total), (newest, newest), "half a commit")
        self.assertEqual(balance, ACCOUNTS * BALANCE)
        return newest


def database_dirs(quired):
    root = os.path.join(quired.data_dir, "databases")
    return {os.path.join(root, name) for name in os.listdir(root)}


def make_filled_database(quired, name):
    """Its directory. Table `kept` is small and old, `big` takes the newest pages."""
    before = database_dirs(quired)
    quired.create_database(name)
    with quired.connect(name) as connection:
        connection.execute("CREATE TABLE kept (a int NOT NULL PRIMARY KEY); INSERT kept VALUES (7);"
                           "CREATE TABLE big (a int NOT NULL PRIMARY KEY, b varchar(4000) NOT NULL);"
                           "DECLARE @i int = 0; WHILE @i < 200 BEGIN INSERT big VALUES "
                           "(@i, REPLICATE('x', 3000)); SET @i = @i + 1 END")
    made, = database_dirs(quired) - before
    return made


def error_numbers(quired, name, sql):
    """The errors of a login or a batch, whichever comes first."""
    try:
        with quired.connect(name) as connection:
            return {message.number for message in connection.batch(sql).errors}
    except tds.Failed as failed:
        return {message.number for message in failed.messages}


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
        quired.remove()

    def test_a_damaged_log_closes_its_database_only(self):
        quired = server.Server().start()
        folder = make_filled_database(quired, "hurt")
        make_filled_database(quired, "sound")
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
        quired.kill()
        quired.remove()


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


if __name__ == "__main__":
    unittest.main()
