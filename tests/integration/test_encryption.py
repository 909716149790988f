"""Nothing of a user's rows is in clear on any disk; the server key is needed, named when it is missing, and can be
replaced."""
import os
import shutil
import subprocess
import unittest

import server

ROWS = 300
PATIENCE = 60 * server.SLOWNESS
MARKERS = [b"MARKERROW", "MARKERWIDE".encode("utf-16-le")]


def quire(*words):
    done = subprocess.run([server.program("quire"), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


def files_with(folder, markers):
    found = []
    for path, _, names in os.walk(folder):
        for name in names:
            full = os.path.join(path, name)
            if not os.path.isfile(full):
                continue  # a socket
            with open(full, "rb") as file:
                content = file.read()
            if any(marker in content for marker in markers):
                found.append(os.path.relpath(full, folder))
    return found


def fill(quired, database, first=0):
    with quired.connect(database) as connection:
        if first == 0:
            connection.execute("CREATE TABLE t (a int NOT NULL PRIMARY KEY, b varchar(300) NOT NULL, c nvarchar(100))")
        for i in range(first, first + ROWS):
            connection.execute(f"INSERT t VALUES ({i}, 'MARKERROW{i}' + REPLICATE('x', 200), N'MARKERWIDE{i}')")


def count(quired, database):
    with quired.connect(database) as connection:
        return connection.execute("SELECT COUNT(*) FROM t WHERE b LIKE 'MARKERROW%' AND c LIKE N'MARKERWIDE%'")[0][0]


class Encryption(unittest.TestCase):
    def setUp(self):
        self.quired = server.Server().start()
        self.addCleanup(self.quired.remove)
        with self.quired.connect() as connection:
            connection.execute("CREATE DATABASE [hyper] (EDITION = 'Hyperscale')")
            connection.execute("CREATE DATABASE [small]")
        for database in ("hyper", "small"):
            fill(self.quired, database)

    def assert_nothing_in_clear(self):
        self.assertEqual(files_with(self.quired.data_dir, MARKERS), [])

    def test_no_file_has_a_row_in_clear(self):
        self.assert_nothing_in_clear()
        with self.quired.connect() as connection:  # a backup of one, a branch of the other
            connection.execute("CREATE DATABASE [small2] AS COPY OF [small]")
            connection.execute("CREATE DATABASE [hyper2] AS COPY OF [hyper]")
        self.assertEqual(count(self.quired, "small2"), ROWS)
        self.assertEqual(count(self.quired, "hyper2"), ROWS)
        self.assert_nothing_in_clear()
        self.quired.kill()
        self.assert_nothing_in_clear()
        self.quired.start()
        for database in ("hyper", "small", "hyper2", "small2"):
            fill(self.quired, database, ROWS)
        self.quired.restart()
        for database in ("hyper", "small", "hyper2", "small2"):
            self.assertEqual(count(self.quired, database), 2 * ROWS)
        self.quired.stop()
        self.assert_nothing_in_clear()
        # The search finds what is there: a name of a table is in clear in no file either, a database's is.
        self.assertNotEqual(files_with(self.quired.data_dir, [b"small2"]), [])

    def test_views_and_statements_say_so(self):
        key_id = quire("key", "id", "--data-dir", self.quired.data_dir)[1].strip()
        with self.quired.connect() as connection:
            rows = connection.execute("SELECT name, is_encrypted FROM sys.databases WHERE name <> 'master'")
            self.assertEqual(sorted(tuple(row) for row in rows), [("hyper", True), ("small", True)])
            rows = connection.execute(
                "SELECT d.name, k.encryption_state, k.key_algorithm, k.key_length, k.encryptor_thumbprint, "
                "k.encryption_state_desc FROM sys.dm_database_encryption_keys AS k "
                "JOIN sys.databases AS d ON d.database_id = k.database_id WHERE d.name = 'small'")
            self.assertEqual([tuple(row) for row in rows],
                             [("small", 3, "AES", 256, bytes.fromhex(key_id), "ENCRYPTED")])
            connection.execute("ALTER DATABASE [small] SET ENCRYPTION ON")
            error, = connection.batch("ALTER DATABASE [small] SET ENCRYPTION OFF").errors
            self.assertIn("cannot be turned off", error.text)

    def test_without_its_key_nothing_starts_and_everything_says_which_key(self):
        key = os.path.join(self.quired.data_dir, "server.key")
        away = key + "-away"
        self.assertEqual(os.stat(key).st_mode & 0o777, 0o600)
        key_id = quire("key", "id", "--data-dir", self.quired.data_dir)[1].strip()
        self.quired.kill()
        os.rename(key, away)
        code, _, errors = quire("storage", "verify", self.quired.data_dir)
        self.assertEqual(code, 3)
        self.assertIn("encrypted under key", errors)
        done = subprocess.run([server.program(), "--data-dir", self.quired.data_dir, "--tds-port", "0", "--https-port", "0"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=PATIENCE)
        self.assertEqual(done.returncode, 1)
        self.assertIn(key_id, done.stderr)
        self.assertIn("server.key' is missing", done.stderr)
        other = os.path.join(self.quired.data_dir, "other.key")
        with open(other, "w", encoding="ascii") as file:
            file.write("quire server key 1\n")
        self.assertNotEqual(quire("key", "id", "--data-dir", self.quired.data_dir, "--server-key-file", other)[0], 0)
        code, out, errors = quire("storage", "verify", self.quired.data_dir, "--server-key-file", away)
        self.assertEqual((code, errors), (0, ""), out)
        shutil.move(away, key)
        self.quired.start()
        self.assertEqual(count(self.quired, "hyper"), ROWS)
        self.assertEqual(count(self.quired, "small"), ROWS)

    def test_another_server_key(self):
        folder = self.quired.data_dir
        code, _, errors = quire("key", "rotate", "--data-dir", folder)
        self.assertNotEqual(code, 0)
        self.assertIn("stop it first", errors)
        before = quire("key", "id", "--data-dir", folder)[1].strip()
        self.quired.stop()
        key = os.path.join(folder, "server.key")
        shutil.copy(key, key + "-old")
        code, out, errors = quire("key", "rotate", "--data-dir", folder)
        self.assertEqual((code, errors), (0, ""))
        after = quire("key", "id", "--data-dir", folder)[1].strip()
        self.assertIn(after, out)
        self.assertNotEqual(before, after)
        code, _, errors = quire("key", "id", "--data-dir", folder, "--server-key-file", key + "-old")
        self.assertNotEqual(code, 0)
        self.assertIn(after, errors)
        self.quired.start()
        self.assertEqual(count(self.quired, "hyper"), ROWS)
        self.assertEqual(count(self.quired, "small"), ROWS)


if __name__ == "__main__":
    unittest.main()
